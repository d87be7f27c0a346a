/* SPDX-License-Identifier: MIT */
/* replay_keys.c - totals by client and by user: a growing table of names, bounded by
 * RAY_REPLAY_KEY_MAX. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

enum { PLACES_FIRST = 4096, NAMES_FIRST = 65536, FIRSTS_FIRST = 256 };

uint32_t ray_replay_keys_open(ray_replay_keys *keys)
{
    keys->entries = calloc(PLACES_FIRST, sizeof *keys->entries);
    keys->names = malloc(NAMES_FIRST);
    keys->names_capacity = NAMES_FIRST;
    keys->mask = PLACES_FIRST - 1;
    return keys->entries && keys->names;
}

void ray_replay_keys_close(ray_replay_keys *keys)
{
    free(keys->entries);
    free(keys->names);
    free(keys->firsts);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ b) * 0x9e3779b97f4a7c15u;

    return x ^ x >> 32;
}

/* Up to eight bytes as a number. */
static uint64_t word_of(const uint8_t *at, uint32_t length)
{
    uint64_t word = 0;

    if (length >= 8) {
        memcpy(&word, at, 8);
        return word;
    }
    for (uint32_t i = 0; i < length; i++)
        word = word << 8 | at[i];
    return word;
}

/* Eight bytes at a time, the last eight overlapping; the key keeps a log's author from choosing
 * collisions. Mixed once more at the end: what differs in its last bytes only would have one home.
 * Never 0. */
uint64_t ray_replay_hash(uint64_t key, const uint8_t *at, uint32_t length, uint32_t address)
{
    uint64_t hash = mix(key, length * 2u + address);

    for (uint32_t done = 8; done < length; done += 8)
        hash = mix(hash + key, word_of(at + done - 8, 8));
    if (length >= 8)
        at += length - 8;
    return mix(mix(hash + key, word_of(at, length)), key) | 1;
}

/* The place its search begins at. The lowest bit, which is always 1, says nothing. */
static inline uint64_t home_of(uint64_t hash)
{
    return hash >> 1;
}

static uint32_t grow(ray_replay_keys *keys)
{
    uint64_t places = (keys->mask + 1) * 2;
    ray_replay_entry *made = calloc(places, sizeof *made);

    if (!made)
        return 0;
    for (uint64_t i = 0; i <= keys->mask; i++) {
        uint64_t slot = home_of(keys->entries[i].hash);
        if (!keys->entries[i].hash)
            continue;
        while (made[slot & (places - 1)].hash)
            slot++;
        made[slot & (places - 1)] = keys->entries[i];
    }
    free(keys->entries);
    keys->entries = made;
    keys->mask = places - 1;
    return 1;
}

static uint32_t keep_name(ray_replay_keys *keys, const uint8_t *name, uint32_t length)
{
    if (keys->names_length + length > keys->names_capacity) {
        uint64_t capacity = keys->names_capacity * 2 + length;
        uint8_t *made = realloc(keys->names, capacity);
        if (!made)
            return 0;
        keys->names = made;
        keys->names_capacity = capacity;
    }
    if (length)
        memcpy(keys->names + keys->names_length, name, length);
    keys->names_length += length;
    return 1;
}

/* Eight bytes at a time, the last eight overlapping. */
static inline uint32_t same_name(const uint8_t *a, const uint8_t *b, uint32_t length)
{
    uint32_t at = 0;

    if (length < 8)
        return memcmp(a, b, length) == 0;
    for (; at + 8 < length; at += 8)
        if (word_of(a + at, 8) != word_of(b + at, 8))
            return 0;
    return word_of(a + length - 8, 8) == word_of(b + length - 8, 8);
}

/* The place of a name's entry, or where it would be. */
static inline ray_replay_entry *place_of(const ray_replay_keys *keys, uint64_t hash,
                                         const uint8_t *name, uint32_t length, uint32_t address)
{
    for (uint64_t slot = home_of(hash);; slot++) {
        ray_replay_entry *entry = &keys->entries[slot & keys->mask];
        if (!entry->hash
            || (entry->hash == hash && entry->length == length && entry->address == address
                && same_name(keys->names + entry->name_at, name, length)))
            return entry;
    }
}

const ray_replay_entry *ray_replay_keys_find(const ray_replay_keys *keys, uint64_t hash_key,
                                             const uint8_t *name, uint32_t length,
                                             uint32_t address)
{
    uint64_t hash = ray_replay_hash(hash_key, name, length, address);
    const ray_replay_entry *entry = place_of(keys, hash, name, length, address);

    return entry->hash ? entry : NULL;
}

/* The entry of a name that has none yet; NULL when the table is full. */
static __attribute__((noinline)) ray_replay_entry *entry_new(ray_replay_keys *keys, uint64_t hash,
                                                             const uint8_t *name, uint32_t length,
                                                             uint32_t address)
{
    uint64_t slot;
    ray_replay_entry *entry;

    if (keys->count == RAY_REPLAY_KEY_MAX || (keys->count * 2 >= keys->mask && !grow(keys))
        || !keep_name(keys, name, length)) {
        keys->folded_count++;
        return NULL;
    }
    for (slot = home_of(hash); keys->entries[slot & keys->mask].hash; slot++)
        ;
    entry = &keys->entries[slot & keys->mask];
    entry->hash = hash;
    entry->name_at = keys->names_length - length;
    entry->length = length & 0x7fffffffu;
    entry->address = address & 1;
    entry->place = keys->count++;
    return entry;
}

ray_replay_entry *ray_replay_keys_entry(ray_replay_keys *keys, uint64_t hash, const uint8_t *name,
                                        uint32_t length, uint32_t address)
{
    ray_replay_entry *entry = place_of(keys, hash, name, length, address);

    return entry->hash ? entry : entry_new(keys, hash, name, length, address);
}

uint32_t ray_replay_keys_denied(ray_replay_keys *keys, ray_replay_entry *entry,
                                const ray_answer *answer)
{
    if (entry->first)
        return 1;
    if (keys->first_count == keys->first_capacity) {
        uint64_t capacity = keys->first_capacity ? keys->first_capacity * 2 : FIRSTS_FIRST;
        ray_replay_first *made = realloc(keys->firsts, capacity * sizeof *made);
        if (!made)
            return 0;
        keys->firsts = made;
        keys->first_capacity = capacity;
    }
    keys->firsts[keys->first_count++] =
        (ray_replay_first){ answer->at_ns, answer->id, answer->by_id, answer->by_kind,
                            answer->reason };
    entry->first = (uint32_t)keys->first_count;
    return 1;
}

/* -- the first few -- */

static int compare_names(const ray_replay_key *a, const ray_replay_key *b)
{
    uint32_t shared = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->name, b->name, shared);

    if (order == 0 && a->length != b->length)
        order = a->length < b->length ? -1 : 1;
    return order ? order : (int)a->address - (int)b->address;
}

static uint32_t goes_before(const ray_replay_key *a, const ray_replay_key *b)
{
    if (a->denied_count != b->denied_count)
        return a->denied_count > b->denied_count;
    if (a->would_deny_count != b->would_deny_count)
        return a->would_deny_count > b->would_deny_count;
    if (a->request_count != b->request_count)
        return a->request_count > b->request_count;
    return compare_names(a, b) < 0;
}

static uint32_t was_hurt_before(const ray_replay_key *a, const ray_replay_key *b)
{
    return a->first.seq < b->first.seq;
}

static ray_replay_key key_of(const ray_replay_keys *keys, const ray_replay_entry *entry)
{
    static const ray_replay_first never = { 0 };

    return (ray_replay_key){
        .name = keys->names + entry->name_at,
        .first = entry->first ? keys->firsts[entry->first - 1] : never,
        .request_count = entry->request_count,
        .denied_count = entry->denied_count,
        .delayed_count = entry->delayed_count,
        .would_deny_count = entry->would_deny_count,
        .length = entry->length,
        .address = entry->address,
    };
}

typedef uint32_t key_order(const ray_replay_key *a, const ray_replay_key *b);

/* Puts a key into its place among the `count` there are; at most `most` stay. How many stay. */
static uint32_t insert(ray_replay_key *out, uint32_t count, uint32_t most,
                       const ray_replay_key *key, key_order *before)
{
    uint32_t i;

    if (count == most && !before(key, &out[count - 1]))
        return count;
    if (count < most)
        count++;
    for (i = count - 1; i > 0 && before(key, &out[i - 1]); i--)
        out[i] = out[i - 1];
    out[i] = *key;
    return count;
}

uint32_t ray_replay_keys_top(const ray_replay_keys *keys, uint32_t most, ray_replay_key *out)
{
    uint32_t count = 0;

    for (uint64_t slot = 0; slot <= keys->mask && most; slot++) {
        ray_replay_key key;
        if (!keys->entries[slot].hash)
            continue;
        key = key_of(keys, &keys->entries[slot]);
        count = insert(out, count, most, &key, goes_before);
    }
    return count;
}

uint32_t ray_replay_keys_hurt(const ray_replay_keys *keys, uint32_t most, ray_replay_key *out)
{
    uint32_t count = 0;

    for (uint64_t slot = 0; slot <= keys->mask && most; slot++) {
        ray_replay_key key;
        if (!keys->entries[slot].hash || !keys->entries[slot].first
            || keys->entries[slot].first > most)
            continue;
        key = key_of(keys, &keys->entries[slot]);
        count = insert(out, count, most, &key, was_hurt_before);
    }
    return count;
}
