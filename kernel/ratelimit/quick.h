/* SPDX-License-Identifier: MIT */
/* quick: what most requests hear and do, on the way of a request through all its limits: a bucket
 * of credits or a window that has room. Whatever else there is goes the long way (algorithm.c). */
#ifndef RAY_RATELIMIT_QUICK_H
#define RAY_RATELIMIT_QUICK_H
#include "short.h"

/* A window without a reset since `at` and nothing that still fades. */
static inline uint32_t ray_quick_window(const ray_limit_rule *rule, const ray_bucket *bucket,
                                        const ray_limit_moment *at)
{
    uint64_t here = rule->kind == RAY_KIND_FIXED ? ray_add_capped(at->wall_ns, rule->edge_ns)
                                                 : at->now_ns;
    return rule->kind < RAY_KIND_EXACT && here >= bucket->at &&
           here - bucket->at < rule->period && bucket->word == 0;
}

/* 1 and the answer when it grants; 0 and nothing written when the long way must say. */
static inline uint32_t ray_quick_decide(const ray_limit_rule *rule, uint32_t excess,
                                        const ray_bucket *bucket, const ray_limit_moment *at,
                                        ray_limit_answer *out)
{
    uint64_t left = rule->capacity, tokens = at->tokens;
    if (__builtin_expect(rule->kind <= RAY_KIND_METER, 1)) {
        uint64_t tick = ray_tick_of(at->now_ns, rule->tick), was = bucket->at;
        uint64_t missing = ray_short_missing(rule, bucket->level, tick > was ? tick - was : 0);
        if (RAY_RARELY((excess | rule->debt) != 0 || tokens - 1 >= rule->capacity_tokens ||
                       missing + tokens * rule->period > rule->ceiling[at->class]))
            return 0;
        left = (missing < left ? left - missing : 0) / rule->period;
    } else {
        if (RAY_RARELY(rule->kind == RAY_KIND_QUEUE || !ray_quick_window(rule, bucket, at) ||
                       tokens == 0 || tokens > rule->ceiling[at->class] ||
                       bucket->level > rule->ceiling[at->class] - tokens))
            return 0;
        left = bucket->level < left ? left - bucket->level : 0;
    }
    out->left_tokens = left;
    out->retry_after_ns = 0;
    out->start_at_ns = 0;
    out->reason = RAY_REASON_OK;
    out->granted = 1;
    return 1;
}

/* Books what was granted from a bucket of its own rule, with nothing to refund: 1 when booked. */
static inline uint32_t ray_quick_take(const ray_limit_rule *rule, ray_bucket *bucket,
                                      const ray_limit_moment *at)
{
    if (__builtin_expect(rule->kind <= RAY_KIND_METER, 1)) {
        uint64_t tick = ray_tick_of(at->now_ns, rule->tick), was = bucket->at;
        tick = tick > was ? tick : was;
        if (RAY_RARELY((bucket->holds | rule->debt) != 0))
            return 0;
        bucket->level = ray_short_missing(rule, bucket->level, tick - was) +
                        at->tokens * rule->period;
        bucket->at = tick;
        return 1;
    }
    if (rule->kind == RAY_KIND_QUEUE || !ray_quick_window(rule, bucket, at))
        return 0;
    bucket->level += at->tokens;
    return 1;
}

#endif
