/* SPDX-License-Identifier: MIT */
/* replay_tally.c - what came of the requests: totals by verdict, reason, rule, service, client and
 * user. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

_Static_assert(RAY_REASON_RETRY_BUDGET < RAY_REPLAY_REASON_MAX, "every reason has a count");

enum { RULES_FIRST = 256, SERVICES_FIRST = 64 };

uint32_t ray_replay_tally_open(ray_replay_tally *tally, const ray_replay_spec *spec)
{
    tally->names = spec->names;
    tally->hash_key = spec->hash_key;
    tally->rule_capacity = RULES_FIRST;
    tally->rules = calloc(RULES_FIRST, sizeof *tally->rules);
    tally->rule_place = calloc(2 * RULES_FIRST, sizeof *tally->rule_place);
    tally->service_capacity = SERVICES_FIRST;
    tally->services = calloc(SERVICES_FIRST, sizeof *tally->services);
    tally->service_place = calloc(RAY_SERVICE_MAX + 1, sizeof *tally->service_place);
    tally->tenants = calloc(RAY_TENANT_MAX + 1, sizeof *tally->tenants);
    tally->timeline = ray_timeline_open();
    return tally->rules && tally->rule_place && tally->services && tally->service_place
           && tally->tenants && tally->timeline
           && ray_replay_keys_open(&tally->clients) && ray_replay_keys_open(&tally->users);
}

void ray_replay_tally_close(ray_replay_tally *tally)
{
    free(tally->rules);
    free(tally->rule_place);
    free(tally->services);
    free(tally->service_place);
    free(tally->tenants);
    ray_timeline_close(tally->timeline);
    ray_replay_keys_close(&tally->clients);
    ray_replay_keys_close(&tally->users);
}

/* -- rules -- */

static uint32_t *rule_slot(const ray_replay_tally *tally, uint32_t by_kind, uint32_t by_id)
{
    uint32_t mask = 2 * tally->rule_capacity - 1;

    for (uint32_t slot = (by_id + by_kind * 0x9e3779b9u) * 0x85ebca6bu >> 7;; slot++) {
        uint32_t *place = &tally->rule_place[slot & mask];
        if (!*place
            || (tally->rules[*place - 1].by_id == by_id
                && tally->rules[*place - 1].by_kind == by_kind))
            return place;
    }
}

static uint32_t grow_rules(ray_replay_tally *tally)
{
    uint32_t capacity = 2 * tally->rule_capacity;
    ray_replay_rule *rules = realloc(tally->rules, capacity * sizeof *rules);
    uint32_t *place;

    if (!rules)
        return 0;
    tally->rules = rules;
    place = calloc(2 * (size_t)capacity, sizeof *place);
    if (!place)
        return 0;
    free(tally->rule_place);
    tally->rule_place = place;
    tally->rule_capacity = capacity;
    for (uint32_t i = 0; i < tally->rule_count; i++)
        *rule_slot(tally, rules[i].by_kind, rules[i].by_id) = i + 1;
    return 1;
}

/* The totals of a rule, made on first sight; NULL when memory is out. */
static ray_replay_rule *rule_of(ray_replay_tally *tally, uint32_t by_kind, uint32_t by_id)
{
    uint32_t *place = rule_slot(tally, by_kind, by_id);
    ray_replay_rule *rule;

    if (*place)
        return &tally->rules[*place - 1];
    if (tally->rule_count == tally->rule_capacity) {
        if (!grow_rules(tally))
            return NULL;
        place = rule_slot(tally, by_kind, by_id);
    }
    rule = &tally->rules[tally->rule_count++];
    *place = tally->rule_count;
    memset(rule, 0, sizeof *rule);
    rule->by_kind = by_kind;
    rule->by_id = by_id;
    ray_by_name(tally->names, by_kind, by_id, &rule->name);
    return rule;
}

/* Denied, or dropped by a guard before it was sent: its client was told no. */
static uint32_t is_refused(const ray_answer *answer)
{
    return answer->verdict == RAY_VERDICT_DENY || answer->verdict == RAY_VERDICT_DROPPED;
}

/* Writes down where a first denial stands. */
static void note_first(ray_replay_first *first, const ray_answer *answer)
{
    *first = (ray_replay_first){ answer->at_ns, answer->id, answer->by_id, answer->by_kind,
                                 answer->reason };
}

static uint32_t count_denial(ray_replay_tally *tally, const ray_answer *answer)
{
    ray_replay_rule *rule;

    if (answer->by_kind == RAY_BY_NONE)
        return 1;
    rule = rule_of(tally, answer->by_kind, answer->by_id);
    if (!rule)
        return 0;
    if (rule->denied_count++ == 0)
        note_first(&rule->first, answer);
    if (answer->retry_after_ns == RAY_NEVER)
        rule->never_count++;
    else if (answer->retry_after_ns > rule->retry_after_ns_max)
        rule->retry_after_ns_max = answer->retry_after_ns;
    return 1;
}

static uint32_t count_shadows(ray_replay_tally *tally, const ray_answer *answer)
{
    for (uint32_t i = 0; i < answer->shadow_count && i < RAY_REQUEST_LIMIT_MAX; i++) {
        const ray_shadow *shadow = &answer->shadow[i];
        ray_replay_rule *rule = rule_of(tally, shadow->by_kind, shadow->by_id);
        if (!rule)
            return 0;
        if (rule->would_deny_count++ == 0)
            rule->first_would = (ray_replay_first){ answer->at_ns, answer->id, shadow->by_id,
                                                    shadow->by_kind, shadow->reason };
    }
    return 1;
}

/* -- services -- */

/* Ids past the capacity cannot come from a core; they would share the place of "none". */
static ray_replay_service *service_of(ray_replay_tally *tally, uint32_t id)
{
    uint32_t slot = id == RAY_NONE || (id & 0xffff) >= RAY_SERVICE_MAX ? 0 : (id & 0xffff) + 1;
    uint32_t *place = &tally->service_place[slot];
    ray_replay_service *service;

    if (*place)
        return &tally->services[*place - 1];
    if (tally->service_count == tally->service_capacity) {
        uint32_t capacity = 2 * tally->service_capacity;
        ray_replay_service *services = realloc(tally->services, capacity * sizeof *services);
        if (!services)
            return NULL;
        tally->services = services;
        tally->service_capacity = capacity;
    }
    service = &tally->services[tally->service_count++];
    *place = tally->service_count;
    memset(service, 0, sizeof *service);
    service->service = slot ? id : (uint32_t)RAY_NONE;
    if (slot)
        ray_by_name(tally->names, RAY_BY_SERVICE, id, &service->name);
    return service;
}

static uint32_t count_service(ray_replay_tally *tally, const ray_row *row, const ray_answer *answer)
{
    ray_replay_service *service = service_of(tally, answer->service);

    if (!service)
        return 0;
    service->request_count++;
    service->allowed_count += answer->verdict == RAY_VERDICT_ALLOW;
    service->denied_count += is_refused(answer);
    service->delayed_count += answer->verdict == RAY_VERDICT_DELAY;
    if (answer->verdict == RAY_VERDICT_ALLOW || answer->verdict == RAY_VERDICT_DELAY)
        service->response_bytes += row->response_bytes;
    return 1;
}

/* -- who -- */

static void count_tenant(ray_replay_tally *tally, const ray_answer *answer)
{
    uint32_t place = answer->tenant < RAY_TENANT_MAX ? answer->tenant + 1 : 0;
    ray_replay_tenant *tenant = &tally->tenants[place];

    tenant->request_count++;
    tenant->allowed_count += answer->verdict == RAY_VERDICT_ALLOW;
    tenant->delayed_count += answer->verdict == RAY_VERDICT_DELAY;
    tenant->would_deny_count += answer->would_deny_count != 0;
    if (is_refused(answer) && tenant->denied_count++ == 0)
        note_first(&tenant->first, answer);
}

static inline uint32_t count_key(ray_replay_keys *keys, ray_replay_entry *entry,
                                 const ray_answer *answer)
{
    if (!entry)
        return 1;
    entry->request_count++;
    entry->delayed_count += answer->verdict == RAY_VERDICT_DELAY;
    entry->would_deny_count += answer->would_deny_count != 0;
    if (!is_refused(answer))
        return 1;
    entry->denied_count++;
    return ray_replay_keys_denied(keys, entry, answer);
}

/* Often the user is the client by the same bytes: then one hash is both's. */
static uint32_t count_keys(ray_replay_tally *tally, const ray_row *row, const uint8_t *bytes,
                           const ray_answer *answer)
{
    ray_replay_keys *clients = &tally->clients;
    ray_replay_keys *users = &tally->users;
    uint32_t address = (row->flags & RAY_ROW_ADDRESS) != 0;
    const uint8_t *client = address ? row->address.at : bytes + row->client_at;
    const uint8_t *user = bytes + row->user_at;
    uint32_t client_length = address ? 16 : row->client_length;
    uint64_t hash = 0;
    uint32_t fine = 1;

    if (client_length) {
        hash = ray_replay_hash(tally->hash_key, client, client_length, address);
        fine = count_key(clients,
                         ray_replay_keys_entry(clients, hash, client, client_length, address),
                         answer);
    }
    if (!row->user_length)
        return fine;
    if (user != client || row->user_length != client_length)
        hash = ray_replay_hash(tally->hash_key, user, row->user_length, 0);
    return fine
           & count_key(users, ray_replay_keys_entry(users, hash, user, row->user_length, 0),
                       answer);
}

/* -- requests -- */

uint32_t ray_replay_tally_add(ray_replay_tally *tally, const ray_row *rows, const uint8_t *bytes,
                              uint32_t count, const ray_answer *answers)
{
    ray_replay_stats *stats = &tally->stats;
    uint32_t fine = 1;

    for (uint32_t i = 0; i < count; i++) {
        const ray_row *row = &rows[i];
        const ray_answer *answer = &answers[i];
        if (answer->status < 0) {
            stats->error_count++;
            continue;
        }
        if (row->kind == RAY_ROW_SETTLE) {
            stats->last_ns = answer->at_ns > stats->last_ns ? answer->at_ns : stats->last_ns;
            continue;
        }
        if (stats->request_count++ == 0)
            stats->first_ns = answer->at_ns;
        stats->last_ns = answer->at_ns;
        stats->verdict_count[answer->verdict & 15]++;
        stats->queued_count += answer->queued;
        stats->reason_count[answer->reason < RAY_REPLAY_REASON_MAX ? answer->reason : 0]++;
        if (is_refused(answer) || answer->verdict == RAY_VERDICT_REDIRECT)
            fine &= count_denial(tally, answer);
        if (answer->would_deny_count) {
            stats->would_deny_count++;
            fine &= count_shadows(tally, answer);
        }
        fine &= count_service(tally, row, answer);
        count_tenant(tally, answer);
        fine &= count_keys(tally, row, bytes, answer);
        ray_timeline_note(tally->timeline, answer->at_ns, answer, row);
    }
    return fine;
}
