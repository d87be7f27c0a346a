/* SPDX-License-Identifier: MIT */
/* window.c - counting per window. A window is found by adding its length while traffic flows and by
 * one division after a silence; the weighted sliding window compares products, so it never divides
 * at all to decide. */
#include "limit.h"

/* -- windows (private) -- */
/* Where in its own time line the limit stands: fixed windows follow the wall clock, sliding ones
 * the steady one. */
static uint64_t position(const ray_limit_rule *rule, const ray_limit_moment *at)
{
    return rule->kind == RAY_KIND_FIXED ? ray_add_capped(at->wall_ns, rule->edge_ns) : at->now_ns;
}

/* A sliding window whose clock went back stands still at the start of the window it had reached. */
static uint64_t no_earlier(uint64_t here, uint64_t start)
{
    return here > start ? here : start;
}

static void deny(ray_limit_answer *out, uint32_t reason, uint64_t retry_after_ns)
{
    out->granted = 0;
    out->reason = (uint16_t)reason;
    out->retry_after_ns = retry_after_ns;
}

/* -- time -- */
/* A wall clock that was set back carries the count into the window it is in now: nothing is granted
 * twice, and nobody waits for a future that was a mistake. */
void ray_window_roll(const ray_limit_rule *rule, ray_bucket *bucket, const ray_limit_moment *at)
{
    uint64_t here = position(rule, at), length = rule->period;
    if (here < bucket->at) {
        if (rule->kind == RAY_KIND_FIXED)
            bucket->at = here - here % length;
        return;
    }
    uint64_t gone = here - bucket->at;
    if (gone < length)
        return;
    if (gone - length < length) {
        bucket->word = rule->kind == RAY_KIND_SLIDING ? bucket->level : 0;
        bucket->at += length;
        bucket->stamp += 1;
    } else {
        bucket->word = 0;
        bucket->at = here - here % length;
        bucket->stamp += 2;
    }
    bucket->level = 0;
}

uint64_t ray_window_full_at(const ray_limit_rule *rule, const ray_bucket *bucket,
                            const ray_limit_moment *at)
{
    ray_bucket now = *bucket;
    ray_window_roll(rule, &now, at);
    uint64_t here = position(rule, at);
    uint64_t end = ray_add_capped(now.at, rule->period);
    if (now.level == 0 && now.word == 0)
        return at->now_ns;
    if (rule->kind == RAY_KIND_SLIDING && now.level != 0)
        end = ray_add_capped(end, rule->period);
    return ray_add_capped(at->now_ns, end > here ? end - here : 0);
}

/* -- request -- */
/* The smallest part of a window after which `before`, fading out, leaves room for `room` tokens
 * more. */
static uint64_t fade(uint64_t before, uint64_t room, uint64_t length)
{
    if (before <= room)
        return 0;
    return length - ray_mul_div_floor(room, length, before);
}

static uint64_t sliding_retry(const ray_bucket *now, uint64_t here, uint64_t length,
                              uint64_t ceiling, uint64_t tokens)
{
    uint64_t end = ray_add_capped(now->at, length);
    uint64_t when;
    if (now->level <= ceiling - tokens)
        when = now->at + fade(now->word, ceiling - tokens - now->level, length);
    else
        when = ray_add_capped(end, fade(now->level, ceiling - tokens, length));
    return when > here ? when - here : 0;
}

void ray_window_decide(const ray_limit_rule *rule, const ray_bucket *bucket,
                       const ray_limit_moment *at, ray_limit_answer *out)
{
    ray_bucket now = *bucket;
    ray_window_roll(rule, &now, at);
    uint64_t here = position(rule, at), length = rule->period, capacity = rule->capacity;
    uint64_t gone = no_earlier(here, now.at) - now.at;
    uint64_t faded = 0;
    if (now.word != 0)
        faded = ray_mul_div_ceil(now.word, length - gone, length);
    uint64_t spent = ray_add_capped(now.level, faded);
    out->left_tokens = spent < capacity ? capacity - spent : 0;
    if (at->tokens == 0)
        return;
    uint64_t ceiling = rule->ceiling[at->class];
    if (at->tokens > ceiling) {
        deny(out, RAY_REASON_RATE_NEVER, RAY_NEVER);
        return;
    }
    if (now.level <= ceiling - at->tokens &&
        (now.word == 0 || ray_mul_add_compare(now.level + at->tokens, length, now.word,
                                              length - gone, ceiling, length) <= 0))
        return;
    uint32_t reserved = at->tokens <= capacity && spent <= capacity - at->tokens;
    uint64_t end = ray_add_capped(now.at, length);
    deny(out, reserved ? RAY_REASON_RATE_RESERVED : RAY_REASON_RATE_LIMITED,
         rule->kind == RAY_KIND_FIXED ? end - here
                                      : sliding_retry(&now, here, length, ceiling, at->tokens));
}

void ray_window_take(const ray_limit_rule *rule, ray_bucket *bucket, const ray_limit_moment *at)
{
    ray_window_roll(rule, bucket, at);
    bucket->level += at->tokens;
}

uint64_t ray_window_refund(const ray_limit_rule *rule, ray_bucket *bucket,
                           const ray_limit_moment *at, uint32_t stamp)
{
    ray_window_roll(rule, bucket, at);
    uint64_t *booked = bucket->stamp == stamp ? &bucket->level : &bucket->word;
    if (bucket->stamp != stamp && (rule->kind != RAY_KIND_SLIDING || bucket->stamp != stamp + 1U))
        return 0;
    uint64_t back = at->tokens < *booked ? at->tokens : *booked;
    *booked -= back;
    return back;
}
