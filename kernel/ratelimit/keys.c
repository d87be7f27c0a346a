/* SPDX-License-Identifier: MIT */
/* keys.c - buckets by key. A table is groups of eight keys, one cache line each; a key's home is
 * one place of one group and it may stand anywhere in that group, so a lookup is at most eight
 * comparisons and nothing ever moves. Only a full bucket is evicted: nobody can tell it from one
 * that was never there. */
#include "limit.h"

/* -- tables (private) -- */
static const uint64_t *keys_of(const ray_ratelimit *rl, uint32_t keyed, uint32_t *size,
                               uint32_t *slot)
{
    *size = keyed == RAY_KEYED_USER ? RAY_LIMIT_USER_KEY_MAX : RAY_LIMIT_IP_KEY_MAX;
    *slot = keyed == RAY_KEYED_USER ? RAY_SLOT_USER : RAY_SLOT_IP;
    return keyed == RAY_KEYED_USER ? rl->book.user_key : rl->book.ip_key;
}

static uint64_t *key_in(ray_ratelimit *rl, uint32_t slot)
{
    return slot < RAY_SLOT_IP ? &rl->book.user_key[slot - RAY_SLOT_USER]
                              : &rl->book.ip_key[slot - RAY_SLOT_IP];
}

/* The i-th place to look at: the home first, then the rest of its group. */
static uint32_t place_of(uint64_t identity, uint32_t size, uint32_t i)
{
    uint32_t home = (uint32_t)identity & (size - 1U);
    return (home & ~(uint32_t)(RAY_GROUP - 1)) | ((home + i) & (RAY_GROUP - 1));
}

static uint32_t is_taken(const ray_limit_answer *taken, uint32_t count, uint32_t slot)
{
    for (uint32_t i = 0; i < count; i++)
        if (taken[i].slot == slot)
            return 1;
    return 0;
}

/* -- identities -- */
uint64_t ray_key_of_bytes(const ray_ratelimit *rl, const uint8_t *at, uint64_t length)
{
    return ray_siphash(rl->config.seed, at, length);
}

uint64_t ray_key_of_number(const ray_ratelimit *rl, uint64_t number)
{
    return ray_siphash_word(rl->config.seed, number);
}

/* The first `count` bits of eight bytes as they come in an address, loaded as one number. */
static uint64_t first_bits(uint32_t count)
{
    return count == 0 ? 0 : count < 64 ? __builtin_bswap64(RAY_NEVER << (64 - count)) : RAY_NEVER;
}

/* An address counts as its network; a client whose address is not known counts by its name; one
 * without either shares the key of the empty name: never no limit. */
uint64_t ray_key_of_client(const ray_ratelimit *rl, const ray_limit_hot *hot,
                           const ray_ratelimit_query *query)
{
    uint64_t high, low;
    if (!query->address_known)
        return ~ray_siphash(rl->config.seed, query->client.at, query->client.length);
    memcpy(&high, query->address.at, 8);
    memcpy(&low, query->address.at + 8, 8);
    uint32_t keep = hot->prefix_v6;
    if (high == 0 && (low & 0xffffffffU) == 0xffff0000U)   /* ::ffff:0:0/96 holds IPv4 */
        keep = 96U + hot->prefix_v4;
    high &= first_bits(keep);
    low &= first_bits(keep > 64 ? keep - 64 : 0);
    return ray_siphash_words(rl->config.seed, high, low);
}

/* -- places -- */
uint32_t ray_key_window(uint32_t keyed, uint64_t identity)
{
    uint32_t size = keyed == RAY_KEYED_USER ? RAY_LIMIT_USER_KEY_MAX : RAY_LIMIT_IP_KEY_MAX;
    return place_of(identity, size, 0) / RAY_GROUP;
}

uint32_t ray_key_place(const ray_ratelimit *rl, uint32_t keyed, uint64_t identity,
                       const ray_limit_moment *at, const ray_limit_answer *taken,
                       uint32_t taken_count)
{
    uint32_t size, slot;
    const uint64_t *keys = keys_of(rl, keyed, &size, &slot);
    for (uint32_t i = 0; i < RAY_GROUP; i++) {
        uint32_t place = place_of(identity, size, i);
        if (keys[place] == 0 && !is_taken(taken, taken_count, slot + place))
            return slot + place;
    }
    for (uint32_t i = 0; i < RAY_GROUP; i++) {
        uint32_t place = place_of(identity, size, i);
        if (keys[place] != 0 && !is_taken(taken, taken_count, slot + place) &&
            ray_key_may_go(rl, slot + place, at))
            return slot + place;
    }
    return RAY_NONE;
}

/* Full, and what a newcomer would get is full as well: only then does nobody notice that it is
 * gone. */
uint64_t ray_key_full_at(const ray_ratelimit *rl, uint32_t slot, const ray_limit_moment *at)
{
    const ray_bucket *bucket = ray_bucket_at(rl, slot);
    const ray_limit_rule *rule = &rl->config.rule[bucket->rule];
    uint64_t when = ray_bucket_full_at(rl, rule, bucket, 0, at);
    if (rl->book.own[rule->limit].drained_ns == 0)
        return when;
    ray_bucket newborn = ray_key_newborn(rl, bucket->rule, at);
    uint64_t then = ray_bucket_full_at(rl, rule, &newborn, 0, at);
    return then > when ? then : when;
}

uint32_t ray_key_may_go(const ray_ratelimit *rl, uint32_t slot, const ray_limit_moment *at)
{
    const ray_bucket *bucket = ray_bucket_at(rl, slot);
    const ray_limit_rule *rule = &rl->config.rule[bucket->rule];
    if (rule->kind <= RAY_KIND_QUEUE
            ? ray_credits_missing(rule, bucket, ray_tick_of(at->now_ns, rule->tick)) != 0
            : !ray_bucket_full(rl, rule, bucket, 0, at))
        return 0;
    return rl->book.own[rule->limit].drained_ns == 0 ||
           ray_key_full_at(rl, slot, at) <= at->now_ns;
}

uint64_t ray_key_wait(const ray_ratelimit *rl, uint32_t keyed, uint64_t identity, uint32_t rank,
                      const ray_limit_moment *at, const ray_limit_answer *taken,
                      uint32_t taken_count)
{
    uint32_t size, slot, count = 0;
    const uint64_t *keys = keys_of(rl, keyed, &size, &slot);
    uint64_t soonest[RAY_GROUP];
    for (uint32_t i = 0; i < RAY_GROUP; i++) {
        uint32_t place = place_of(identity, size, i), k = count;
        if (is_taken(taken, taken_count, slot + place))
            continue;
        uint64_t when = keys[place] == 0 ? at->now_ns : ray_key_full_at(rl, slot + place, at);
        for (; k > 0 && soonest[k - 1] > when; k--)
            soonest[k] = soonest[k - 1];
        soonest[k] = when;
        count++;
    }
    if (rank >= count || soonest[rank] == RAY_NEVER)
        return RAY_NEVER;
    return soonest[rank] > at->now_ns ? soonest[rank] - at->now_ns : 0;
}

ray_bucket ray_key_newborn(const ray_ratelimit *rl, uint32_t rule, const ray_limit_moment *at)
{
    ray_bucket bucket = {0};
    const ray_limit_rule *r = &rl->config.rule[rule];
    uint64_t drained_ns = rl->book.own[r->limit].drained_ns;
    bucket.rule = (uint16_t)rule;
    if (drained_ns == 0)
        return bucket;
    ray_limit_moment then = *at;
    then.now_ns = drained_ns;
    then.wall_ns = at->now_ns >= drained_ns && at->wall_ns >= at->now_ns - drained_ns
                       ? at->wall_ns - (at->now_ns - drained_ns)
                       : at->wall_ns;
    if (r->kind == RAY_KIND_EXACT) {
        bucket.level = r->capacity;
        bucket.at = drained_ns;
        return bucket;
    }
    /* No chunk is touched: only logs have one. */
    ray_bucket_drained(r, &bucket, &then);
    return bucket;
}

void ray_key_put(ray_ratelimit *rl, const ray_key_new *new, const ray_limit_moment *at)
{
    if (*key_in(rl, new->slot) != 0)
        ray_key_evict(rl, new->slot);
    ray_bucket *bucket = ray_bucket_in(rl, new->slot);
    uint32_t stamp = bucket->stamp;
    *bucket = ray_key_newborn(rl, new->rule, at);
    bucket->stamp = stamp;
    if (rl->config.rule[new->rule].kind == RAY_KIND_EXACT) {
        bucket->level = 0;
        bucket->at = 0;
        ray_assert(ray_exact_allocate(rl, new->slot, at, new->taken, new->taken_count));
    }
    *key_in(rl, new->slot) = new->identity;
    rl->book.key_count[new->slot < RAY_SLOT_IP ? 0 : 1]++;
}

void ray_key_drop(ray_ratelimit *rl, uint32_t slot)
{
    uint64_t *key = key_in(rl, slot);
    if (*key == 0)
        return;
    ray_bucket_clear(rl, ray_bucket_in(rl, slot));
    *key = 0;
    rl->book.key_count[slot < RAY_SLOT_IP ? 0 : 1]--;
}

void ray_key_evict(ray_ratelimit *rl, uint32_t slot)
{
    rl->tally.limit[rl->config.rule[ray_bucket_at(rl, slot)->rule].limit].evicted_count++;
    rl->tally.evicted_count++;
    ray_key_drop(rl, slot);
}
