/* SPDX-License-Identifier: MIT */
/* compare_counts.c - what came of the requests on both sides: by outcome, tenant, service, route,
 * client and user. */
#include <stdlib.h>
#include <string.h>
#include "compare_parts.h"

enum { PAIRS_FIRST = 256, GROUPS_FIRST = 64, PEOPLE_FIRST = 4096, SLOTS = 65537 };

/* -- life -- */

static uint32_t groups_open(ray_compare_groups *groups)
{
    groups->capacity = GROUPS_FIRST;
    groups->at = calloc(GROUPS_FIRST, sizeof *groups->at);
    groups->place[0] = calloc(SLOTS, sizeof *groups->place[0]);
    groups->place[1] = calloc(SLOTS, sizeof *groups->place[1]);
    return groups->at && groups->place[0] && groups->place[1];
}

uint32_t ray_compare_counts_open(ray_compare_counts *counts, const ray_compare_spec *spec)
{
    uint32_t fine = 1;

    counts->names[0] = spec->names[0];
    counts->names[1] = spec->names[1];
    counts->hash_key = spec->hash_key;
    counts->pair_capacity = PAIRS_FIRST;
    counts->pairs = calloc(PAIRS_FIRST, sizeof *counts->pairs);
    counts->pair_place = calloc(2 * PAIRS_FIRST, sizeof *counts->pair_place);
    for (uint32_t kind = 0; kind < RAY_COMPARE_KIND_MAX; kind++)
        fine &= groups_open(&counts->groups[kind]);
    for (uint32_t users = 0; users < 2; users++)
        fine &= ray_replay_keys_open(&counts->people[users].keys);
    return fine && counts->pairs && counts->pair_place;
}

void ray_compare_counts_close(ray_compare_counts *counts)
{
    for (uint32_t kind = 0; kind < RAY_COMPARE_KIND_MAX; kind++) {
        free(counts->groups[kind].at);
        free(counts->groups[kind].place[0]);
        free(counts->groups[kind].place[1]);
    }
    for (uint32_t users = 0; users < 2; users++) {
        ray_replay_keys_close(&counts->people[users].keys);
        free(counts->people[users].at);
    }
    free(counts->pairs);
    free(counts->pair_place);
}

/* -- outcomes -- */

static uint64_t word_of(const ray_compare_outcome *outcome)
{
    return (uint64_t)outcome->by_id << 32 | (uint32_t)outcome->reason << 16
           | (uint32_t)outcome->verdict << 8 | outcome->by_kind;
}

static uint32_t *pair_slot(const ray_compare_counts *counts, const ray_compare_outcome outcome[2])
{
    uint32_t mask = 2 * counts->pair_capacity - 1;
    uint64_t words[2] = { word_of(&outcome[0]), word_of(&outcome[1]) };
    uint64_t hash = (words[0] * 0x9e3779b97f4a7c15u ^ words[1]) * 0xff51afd7ed558ccdu;

    for (uint64_t slot = hash >> 32;; slot++) {
        uint32_t *place = &counts->pair_place[slot & mask];
        const ray_compare_pair *found = *place ? &counts->pairs[*place - 1] : NULL;
        if (!found
            || (word_of(&found->outcome[0]) == words[0] && word_of(&found->outcome[1]) == words[1]))
            return place;
    }
}

static uint32_t grow_pairs(ray_compare_counts *counts)
{
    uint32_t capacity = 2 * counts->pair_capacity;
    ray_compare_pair *pairs = realloc(counts->pairs, capacity * sizeof *pairs);
    uint32_t *place;

    if (!pairs)
        return 0;
    counts->pairs = pairs;
    place = calloc(2 * (size_t)capacity, sizeof *place);
    if (!place)
        return 0;
    free(counts->pair_place);
    counts->pair_place = place;
    counts->pair_capacity = capacity;
    for (uint32_t i = 0; i < counts->pair_count; i++)
        *pair_slot(counts, pairs[i].outcome) = i + 1;
    return 1;
}

static void first_of(ray_compare_counts *counts, ray_compare_pair *pair,
                     const ray_compare_twin *twin)
{
    pair->line = twin->note[0]->line;
    pair->at_ns = twin->note[0]->at_ns;
    for (uint32_t side = 0; side < 2; side++) {
        pair->position[side] = twin->note[side]->position;
        pair->seq[side] = twin->note[side]->seq;
        if (pair->outcome[side].by_kind != RAY_BY_NONE)
            ray_by_name(counts->names[side], pair->outcome[side].by_kind,
                        pair->outcome[side].by_id, &pair->by[side]);
    }
}

static uint32_t count_pair(ray_compare_counts *counts, const ray_compare_twin *twin)
{
    ray_compare_outcome outcome[2];
    ray_compare_pair *pair;
    uint32_t *place;

    for (uint32_t side = 0; side < 2; side++) {
        const ray_replay_note *note = twin->note[side];
        outcome[side] = (ray_compare_outcome){ note->by_id, note->reason, note->verdict,
                                               note->by_kind };
    }
    place = pair_slot(counts, outcome);
    if (!*place) {
        if (counts->pair_count == RAY_COMPARE_PAIR_MAX) {
            counts->stats.folded_pair_count++;
            return 1;
        }
        if (counts->pair_count == counts->pair_capacity) {
            if (!grow_pairs(counts))
                return 0;
            place = pair_slot(counts, outcome);
        }
        pair = &counts->pairs[counts->pair_count++];
        *place = counts->pair_count;
        memset(pair, 0, sizeof *pair);
        memcpy(pair->outcome, outcome, sizeof outcome);
        first_of(counts, pair, twin);
    }
    pair = &counts->pairs[*place - 1];
    pair->request_count++;
    pair->waited_count += twin->note[0]->wait_ns != twin->note[1]->wait_ns;
    return 1;
}

/* -- tenants, services, routes -- */

void ray_compare_tenant_name(const struct ray *names, uint32_t tenant, ray_name *out)
{
    ray_tenant_spec spec;

    memset(out, 0, sizeof *out);
    if (ray_tenant_read(names, tenant, &spec) == RAY_OK)
        *out = spec.name;
}

static uint32_t id_of(const ray_replay_note *note, uint32_t kind)
{
    return kind == RAY_COMPARE_TENANT    ? note->tenant
           : kind == RAY_COMPARE_SERVICE ? note->service
                                         : note->route;
}

uint32_t ray_compare_whose(const ray_compare_twin *twin, uint32_t kind, uint32_t *id)
{
    uint32_t side = 0;

    *id = id_of(twin->note[0], kind);
    if (*id == RAY_NONE && id_of(twin->note[1], kind) != RAY_NONE) {
        side = 1;
        *id = id_of(twin->note[1], kind);
    }
    return side;
}

const uint8_t *ray_compare_user(const ray_compare_twin *twin, uint32_t *length)
{
    uint32_t side = twin->note[0]->user_length == 0;

    *length = twin->note[side]->user_length;
    return twin->who[side] + twin->note[side]->client_length;
}

static void name_group(const struct ray *names, uint32_t kind, ray_compare_group *group)
{
    if (group->id == RAY_NONE)
        return;
    if (kind == RAY_COMPARE_TENANT)
        ray_compare_tenant_name(names, group->id, &group->name);
    else
        ray_by_name(names, kind == RAY_COMPARE_SERVICE ? RAY_BY_SERVICE : RAY_BY_ROUTE, group->id,
                    &group->name);
}

/* A handle's low half is its slot; what no side knows shares place 0. */
static ray_compare_group *group_of(ray_compare_counts *counts, uint32_t kind, uint32_t side,
                                   uint32_t id)
{
    ray_compare_groups *groups = &counts->groups[kind];
    uint32_t *place = &groups->place[side][id == RAY_NONE ? 0 : (id & 0xffff) + 1];
    ray_compare_group *group;

    if (*place)
        return &groups->at[*place - 1];
    if (groups->count == groups->capacity) {
        ray_compare_group *made = realloc(groups->at, 2 * groups->capacity * sizeof *made);
        if (!made)
            return NULL;
        groups->at = made;
        groups->capacity *= 2;
    }
    group = &groups->at[groups->count++];
    *place = groups->count;
    memset(group, 0, sizeof *group);
    group->side = side;
    group->id = id;
    name_group(counts->names[side], kind, group);
    return group;
}

static uint32_t count_groups(ray_compare_counts *counts, const ray_compare_twin *twin)
{
    for (uint32_t kind = 0; kind < RAY_COMPARE_KIND_MAX; kind++) {
        uint32_t id;
        uint32_t side = ray_compare_whose(twin, kind, &id);
        ray_compare_group *group = group_of(counts, kind, side, id);
        if (!group)
            return 0;
        group->request_count++;
        group->refused_count[0] += twin->refused[0];
        group->refused_count[1] += twin->refused[1];
        if (twin->change == RAY_COMPARE_DENIED && group->change_count[twin->change] == 0) {
            group->first_denied_ns = twin->note[0]->at_ns;
            group->first_denied_line = twin->note[0]->line;
        }
        group->change_count[twin->change]++;
    }
    return 1;
}

/* -- clients and users -- */

static uint32_t count_person(ray_compare_people *people, uint64_t hash_key,
                             const ray_compare_twin *twin, const uint8_t *name, uint32_t length,
                             uint32_t address)
{
    ray_replay_entry *entry;
    ray_compare_change_counts *counts;

    if (length == 0)
        return 1;
    entry = ray_replay_keys_entry(&people->keys, ray_replay_hash(hash_key, name, length, address),
                                  name, length, address);
    if (!entry)
        return 1; /* folded, and counted there */
    if (entry->place >= people->capacity) {
        uint64_t capacity = people->capacity ? people->capacity * 2 : PEOPLE_FIRST;
        counts = realloc(people->at, capacity * sizeof *counts);
        if (!counts)
            return 0;
        memset(counts + people->capacity, 0, (capacity - people->capacity) * sizeof *counts);
        people->at = counts;
        people->capacity = capacity;
    }
    counts = &people->at[entry->place];
    if (counts->count[twin->change]++ == 0)
        counts->first_ns[twin->change] = twin->note[0]->at_ns;
    return 1;
}

static uint32_t count_people(ray_compare_counts *counts, const ray_compare_twin *twin)
{
    const ray_replay_note *note = twin->note[0];
    uint32_t length;
    const uint8_t *user = ray_compare_user(twin, &length);

    return count_person(&counts->people[0], counts->hash_key, twin, twin->who[0],
                        note->client_length, note->address)
           && count_person(&counts->people[1], counts->hash_key, twin, user, length, 0);
}

uint32_t ray_compare_count(ray_compare_counts *counts, const ray_compare_twin *twin)
{
    ray_compare_time_count(&counts->time, twin->note[0]->at_ns, twin->change);
    counts->stats.pair_count++;
    counts->stats.change_count[twin->change]++;
    counts->stats.verdict_count[(twin->note[0]->verdict & 15) * RAY_COMPARE_VERDICT_MAX
                                + (twin->note[1]->verdict & 15)]++;
    return count_pair(counts, twin) && count_groups(counts, twin)
           && (!twin->change || count_people(counts, twin));
}

/* -- reading -- */

void ray_compare_read(const ray_compare *compare, ray_compare_stats *out)
{
    *out = compare->counts.stats;
    for (uint32_t users = 0; users < 2; users++) {
        out->key_count[users] = compare->counts.people[users].keys.count;
        out->folded_key_count[users] = compare->counts.people[users].keys.folded_count;
    }
}

uint32_t ray_compare_pair_read(const ray_compare *compare, uint32_t index, ray_compare_pair *out)
{
    if (index >= compare->counts.pair_count)
        return 0;
    *out = compare->counts.pairs[index];
    return 1;
}

uint32_t ray_compare_group_read(const ray_compare *compare, uint32_t kind, uint32_t index,
                                ray_compare_group *out)
{
    if (kind >= RAY_COMPARE_KIND_MAX || index >= compare->counts.groups[kind].count)
        return 0;
    *out = compare->counts.groups[kind].at[index];
    return 1;
}

static uint32_t goes_before(const ray_compare_key *a, const ray_compare_key *b, uint32_t change)
{
    uint32_t shared = a->length < b->length ? a->length : b->length;
    int order;

    if (a->change_count[change] != b->change_count[change])
        return a->change_count[change] > b->change_count[change];
    if (a->first_ns != b->first_ns)
        return a->first_ns < b->first_ns;
    order = memcmp(a->name, b->name, shared);
    return order ? order < 0 : a->length < b->length;
}

uint32_t ray_compare_top(const ray_compare *compare, uint32_t users, uint32_t change,
                         uint32_t most, ray_compare_key *out)
{
    const ray_compare_people *people = &compare->counts.people[users != 0];
    uint32_t count = 0;

    for (uint64_t slot = 0; slot <= people->keys.mask && most && change < 4; slot++) {
        const ray_replay_entry *entry = &people->keys.entries[slot];
        ray_compare_key key;
        uint32_t i;
        if (!entry->hash || !people->at[entry->place].count[change])
            continue;
        memset(&key, 0, sizeof key);
        key.name = people->keys.names + entry->name_at;
        key.length = entry->length;
        key.address = entry->address;
        key.first_ns = people->at[entry->place].first_ns[change];
        memcpy(key.change_count, people->at[entry->place].count, sizeof key.change_count);
        if (count == most && !goes_before(&key, &out[count - 1], change))
            continue;
        if (count < most)
            count++;
        for (i = count - 1; i > 0 && goes_before(&key, &out[i - 1], change); i--)
            out[i] = out[i - 1];
        out[i] = key;
    }
    return count;
}
