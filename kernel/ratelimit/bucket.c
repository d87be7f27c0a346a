/* SPDX-License-Identifier: MIT */
/* bucket.c - token bucket, leaky meter and leaky queue are one deficit that shrinks at the rate;
 * they differ in what the answer calls it. The meter is the virtual scheduling dual of GCRA (ITU-T
 * I.371), the queue its shaper. The second bucket is the single-rate three-colour marker of RFC
 * 2697: only what overflows the first one fills it. */
#include "limit.h"

static const uint64_t tick_ns[3] = {1, 1000, 1000000};

/* -- credits (private) -- */
static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0 ? 1U : 0U);
}

/* The instant, in ns, at which `need` more credits will have come, counted from `tick`. */
static uint64_t instant_of(const ray_limit_rule *rule, uint64_t tick, uint64_t need)
{
    return ray_mul_capped(ray_add_capped(tick, ceil_div(need, rule->tokens)), tick_ns[rule->tick]);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t wait_until(uint64_t instant_ns, uint64_t now_ns)
{
    return instant_ns == RAY_NEVER ? RAY_NEVER : instant_ns > now_ns ? instant_ns - now_ns : 0;
}

/* -- time -- */
uint64_t ray_limit_wall(uint64_t now_ns, int64_t wall_offset_ns)
{
    if (wall_offset_ns >= 0)
        return ray_add_capped(now_ns, (uint64_t)wall_offset_ns);
    uint64_t back = 0U - (uint64_t)wall_offset_ns;
    return now_ns > back ? now_ns - back : 0;
}

void ray_credits_settle(const ray_limit_rule *rule, ray_bucket *bucket, uint64_t *excess,
                        uint64_t tick)
{
    if (tick <= bucket->at)
        return;
    uint64_t elapsed = tick - bucket->at;
    bucket->at = tick;
    if (elapsed >= rule->fill_ticks) {
        bucket->level = 0;
        if (excess != NULL)
            *excess = 0;
        return;
    }
    uint64_t gain = elapsed * rule->tokens;
    if (bucket->level > gain) {
        bucket->level -= gain;
        return;
    }
    gain -= bucket->level;
    bucket->level = 0;
    if (excess != NULL)
        *excess = *excess > gain ? *excess - gain : 0;
}

uint64_t ray_credits_full_at(const ray_limit_rule *rule, const ray_bucket *bucket, uint64_t excess)
{
    return instant_of(rule, bucket->at, bucket->level + excess);
}

/* -- request -- */
static void deny(ray_limit_answer *out, uint32_t reason, uint64_t retry_after_ns)
{
    out->granted = 0;
    out->reason = (uint16_t)reason;
    out->retry_after_ns = retry_after_ns;
}

/* The backlog's wait, when the meter has room: where the queue says when, or that it would take too
 * long. */
static void decide_delay(const ray_limit_rule *rule, uint64_t missing, uint64_t tick,
                         const ray_limit_moment *at, ray_limit_answer *out)
{
    uint64_t start = instant_of(rule, tick, missing);
    uint64_t wait = wait_until(start, at->now_ns);
    if (wait == 0)
        return;
    if (wait > rule->edge_ns) {
        deny(out, RAY_REASON_RATE_QUEUE_FULL, wait == RAY_NEVER ? RAY_NEVER : wait - rule->edge_ns);
        return;
    }
    out->start_at_ns = start;
    out->reason = RAY_REASON_RATE_DELAYED;
}

/* Why not, and the smallest wait after which it would be granted with no other traffic. */
static void decide_denial(const ray_limit_rule *rule, uint64_t missing, uint64_t excess,
                          uint64_t tick, const ray_limit_moment *at, ray_limit_answer *out)
{
    uint64_t ceiling = rule->ceiling[at->class];
    uint64_t need = RAY_NEVER, cost = 0;
    if (rule->debt) {
        if (at->tokens <= rule->capacity_tokens && ceiling != 0)
            need = missing - ceiling + 1;
    } else if (at->tokens <= rule->capacity_tokens) {
        cost = at->tokens * rule->period;
        if (cost <= ceiling)
            need = missing - (ceiling - cost);
        if (cost <= rule->excess)
            need = smaller(need, missing + excess - (rule->excess - cost));
    }
    if (need == RAY_NEVER) {
        deny(out, RAY_REASON_RATE_NEVER, RAY_NEVER);
        return;
    }
    uint32_t reserved = rule->debt ? missing < rule->capacity
                                   : cost <= rule->capacity && missing <= rule->capacity - cost;
    uint32_t reason = reserved                       ? RAY_REASON_RATE_RESERVED
                      : rule->kind == RAY_KIND_QUEUE ? RAY_REASON_RATE_QUEUE_FULL
                                                     : RAY_REASON_RATE_LIMITED;
    uint64_t retry = wait_until(instant_of(rule, tick, need), at->now_ns);
    if (rule->kind == RAY_KIND_QUEUE) {
        uint64_t wait = wait_until(instant_of(rule, tick, missing), at->now_ns);
        if (wait > rule->edge_ns && wait != RAY_NEVER)
            retry = later(retry, wait - rule->edge_ns);
    }
    deny(out, reason, retry);
}

void ray_credits_decide(const ray_limit_rule *rule, const ray_bucket *bucket, uint64_t excess,
                        const ray_limit_moment *at, ray_limit_answer *out)
{
    uint64_t tick = ray_tick_of(at->now_ns, rule->tick);
    ray_bucket now = *bucket;
    ray_credits_settle(rule, &now, &excess, tick);
    tick = later(tick, now.at);
    uint64_t missing = now.level;
    uint64_t left = missing < rule->capacity ? rule->capacity - missing : 0;
    out->left_tokens = left / rule->period;
    if (rule->excess != 0)
        out->left_tokens += (rule->excess - excess) / rule->period;
    if (at->tokens == 0)
        return;
    uint64_t ceiling = rule->ceiling[at->class];
    if (at->tokens > rule->capacity_tokens) {
        deny(out, RAY_REASON_RATE_NEVER, RAY_NEVER);
        return;
    }
    uint64_t cost = at->tokens * rule->period;
    if (rule->debt ? missing < ceiling : cost <= ceiling && missing <= ceiling - cost) {
        if (rule->kind == RAY_KIND_QUEUE && missing != 0)
            decide_delay(rule, missing, tick, at, out);
    } else if (cost <= rule->excess && excess <= rule->excess - cost) {
        out->flags |= RAY_LIMIT_YELLOW;
    } else {
        decide_denial(rule, missing, excess, tick, at, out);
    }
}

uint32_t ray_credits_take(const ray_limit_rule *rule, ray_bucket *bucket, ray_limit_bucket *own,
                          uint64_t now_ns, uint64_t tokens, uint32_t yellow, uint32_t held)
{
    uint64_t *excess = own != NULL ? &own->excess : NULL;
    ray_credits_settle(rule, bucket, excess, ray_tick_of(now_ns, rule->tick));
    if (bucket->holds != 0) {
        bucket->word = smaller(bucket->word, bucket->level);
        if (own != NULL)
            own->excess_word = smaller(own->excess_word, own->excess);
    }
    if (yellow && own != NULL)
        own->excess += tokens * rule->period;
    else
        bucket->level += tokens * rule->period;
    if (rule->kind == RAY_KIND_QUEUE) {
        bucket->stamp++;
        return held;
    }
    if (!held || bucket->holds == RAY_HOLDS_MAX)
        return 0;
    if (bucket->holds++ == 0) {
        bucket->word = bucket->level;
        if (own != NULL)
            own->excess_word = own->excess;
    }
    return 1;
}

/* A twin that never saw the request misses at most `tokens` fewer credits, and never fewer than
 * were missing at the best moment since; so the smallest deficit since the oldest open hold bounds
 * what may come back. */
uint64_t ray_credits_refund(const ray_limit_rule *rule, ray_bucket *bucket, ray_limit_bucket *own,
                            uint64_t now_ns, uint64_t tokens, uint32_t yellow)
{
    uint64_t *excess = own != NULL ? &own->excess : NULL;
    ray_credits_settle(rule, bucket, excess, ray_tick_of(now_ns, rule->tick));
    uint64_t cost = tokens * rule->period;
    if (rule->kind == RAY_KIND_QUEUE) {
        cost = smaller(cost, bucket->level);
        bucket->level -= cost;
        bucket->stamp++;
        return cost / rule->period;
    }
    bucket->word = smaller(bucket->word, bucket->level);
    if (own != NULL)
        own->excess_word = smaller(own->excess_word, own->excess);
    if (yellow && own != NULL) {
        cost = smaller(cost, own->excess_word);
        own->excess -= cost;
        own->excess_word -= cost;
    } else {
        cost = smaller(cost, bucket->word);
        bucket->level -= cost;
        bucket->word -= cost;
    }
    return cost / rule->period;
}
