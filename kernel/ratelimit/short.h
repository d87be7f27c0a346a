/* SPDX-License-Identifier: MIT */
/* short: the short way of try.c and batch.c. A token bucket or a meter without second bucket or
 * debt decides with two loads, a multiplication and a compare, and counts once. */
#ifndef RAY_RATELIMIT_SHORT_H
#define RAY_RATELIMIT_SHORT_H
#include "limit.h"

enum ray_short {
    /* The slot of a handle, within the rules whatever the handle; `direct` says if it is one. */
    RAY_SLOT_BITS = (RAY_LIMIT_MAX - 1) | (RAY_LIMIT_MAX - 1) >> 1 | (RAY_LIMIT_MAX - 1) >> 2,
    RAY_SLOT_MASK = RAY_SLOT_BITS | RAY_SLOT_BITS >> 3 | RAY_SLOT_BITS >> 6 | RAY_SLOT_BITS >> 9
};
_Static_assert((int)RAY_SLOT_MASK < (int)RAY_RULE_MAX, "a masked slot is a rule's");

/* Credits a bucket still misses `elapsed` ticks on, without second bucket or debt. Two minima and
 * no branch: nothing foresees which buckets are full again. */
static inline uint64_t ray_short_missing(const ray_limit_rule *rule, uint64_t level,
                                         uint64_t elapsed)
{
    uint64_t fill_ticks = rule->fill_ticks;
    uint64_t gain = (elapsed < fill_ticks ? elapsed : fill_ticks) * rule->tokens;
    return level - (gain < level ? gain : level);
}

/* Books `cost` credits at `tick`: 1 when booked. A denial leaves the bucket as it was, instant and
 * all. The refund word is 0 without an open hold, so how many there are need not be looked at. */
static inline uint32_t ray_short_book(const ray_limit_rule *rule, ray_bucket *bucket, uint64_t tick,
                                      uint64_t cost)
{
    uint64_t at = bucket->at;
    tick = tick > at ? tick : at;
    uint64_t missing = ray_short_missing(rule, bucket->level, tick - at);
    uint64_t after = missing + cost;
    if (__builtin_expect(after > rule->usual, 0))
        return 0;
    if (__builtin_expect(missing < bucket->word, 0))
        bucket->word = missing;
    bucket->level = after;
    bucket->at = tick;
    return 1;
}

/* The same for any tick and any number of tokens. */
static inline uint32_t ray_short_spend(const ray_limit_rule *rule, ray_bucket *bucket,
                                       uint64_t now_ns, uint64_t tokens)
{
    if (__builtin_expect(tokens > rule->capacity_tokens, 0))
        return 0;
    if (__builtin_expect(tokens == 0, 0))
        return 1;
    return ray_short_book(rule, bucket, ray_tick_of(now_ns, rule->tick), tokens * rule->period);
}

/* 1 when nothing but credits decides over a limit that has no drain to wait for. */
static inline uint32_t ray_short_serves(const ray_ratelimit *rl, uint32_t slot)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    return hot->kind <= RAY_KIND_METER && hot->mode == RAY_MODE_ENFORCE && !hot->excess &&
           !rl->config.rule[slot].debt;
}

static inline void ray_short_count(ray_ratelimit *rl, uint32_t slot, uint32_t granted,
                                   uint64_t tokens)
{
    ray_limit_tally *tally = &rl->tally.limit[slot];
    if (granted && tokens == 1) {
        rl->tally.single_count[slot]++;
        return;
    }
    tally->verdict_count[granted]++;
    tally->token_count += granted ? tokens : 0;
    rl->tally.verdict_count[granted]++;
}

#endif
