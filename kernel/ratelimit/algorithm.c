/* SPDX-License-Identifier: MIT */
/* algorithm.c - the same questions to every kind of bucket, and what becomes of one when its rule
 * changes: each keeps what it stands for (a token bucket its tokens, a meter its level, a window
 * its count), clamped to the new size. */
#include "limit.h"

static const uint64_t tick_ns[3] = {1, 1000, 1000000};

/* -- buckets (private) -- */
static uint32_t in_credits(uint32_t kind)
{
    return kind <= RAY_KIND_QUEUE;
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0 ? 1U : 0U);
}

/* Under the new rule, what is missing. Rounded so that nothing is minted: up. */
static uint64_t missing_after(const ray_limit_rule *from, const ray_limit_rule *to,
                              uint64_t missing)
{
    if (from->kind != RAY_KIND_TOKEN) {
        uint64_t level = ray_mul_div_ceil(missing, to->period, from->period);
        uint64_t most = to->kind == RAY_KIND_QUEUE ? RAY_CREDITS_MAX : to->capacity;
        return level < most ? level : most;
    }
    if (missing > from->capacity) {
        uint64_t debt = ray_mul_div_ceil(missing - from->capacity, to->period, from->period);
        uint64_t most = (to->debt ? RAY_CREDITS_MAX : to->capacity) - to->capacity;
        return to->capacity + (debt < most ? debt : most);
    }
    uint64_t left = ray_mul_div_floor(from->capacity - missing, to->period, from->period);
    return left < to->capacity ? to->capacity - left : 0;
}

static void convert_credits(const ray_limit_rule *from, const ray_limit_rule *to,
                            ray_bucket *bucket, uint64_t *excess, uint64_t now_ns)
{
    ray_credits_settle(from, bucket, excess, ray_tick_of(now_ns, from->tick));
    bucket->level = missing_after(from, to, bucket->level);
    if (excess != NULL) {
        uint64_t left = ray_mul_div_floor(from->excess - *excess, to->period, from->period);
        *excess = left < to->excess ? to->excess - left : 0;
    }
    /* A coarser tick begins at the next whole one, or the part of a tick already credited would be
     * credited again. */
    if (bucket->level != 0 || (excess != NULL && *excess != 0))
        bucket->at = ceil_div(ray_mul_capped(bucket->at, tick_ns[from->tick]), tick_ns[to->tick]);
    else
        bucket->at = 0;
}

static void convert_window(const ray_limit_rule *from, const ray_limit_rule *to, ray_bucket *bucket,
                           const ray_limit_moment *at)
{
    ray_window_roll(from, bucket, at);
    if (from->period == to->period && from->edge_ns == to->edge_ns)
        return;
    uint64_t spent = bucket->level;
    if (bucket->word != 0 && at->now_ns - bucket->at < from->period)
        spent = ray_add_capped(
            spent,
            ray_mul_div_ceil(bucket->word, from->period - (at->now_ns - bucket->at), from->period));
    bucket->at = 0;
    bucket->word = 0;
    ray_window_roll(to, bucket, at);
    bucket->word = 0;
    bucket->level = spent < to->capacity ? spent : to->capacity;
}

/* -- control -- */
void ray_bucket_convert(const ray_ratelimit *rl, const ray_limit_rule *from,
                        const ray_limit_rule *to, ray_bucket *bucket, uint64_t *excess,
                        const ray_limit_moment *at)
{
    if (in_credits(from->kind)) {
        convert_credits(from, to, bucket, excess, at->now_ns);
        bucket->word = 0;
    } else if (from->kind == RAY_KIND_EXACT) {
        bucket->level = ray_exact_live(rl, from, bucket, at->now_ns);
    } else {
        convert_window(from, to, bucket, at);
    }
    bucket->holds = 0;
    if (from->kind != RAY_KIND_EXACT)
        bucket->stamp += 2;
}

void ray_bucket_clear(ray_ratelimit *rl, ray_bucket *bucket)
{
    uint32_t stamp = bucket->stamp + RAY_LIMIT_EXACT_EACH;
    if (rl->config.rule[bucket->rule].kind == RAY_KIND_EXACT)
        ray_exact_release(rl, bucket);
    memset(bucket, 0, sizeof *bucket);
    bucket->stamp = stamp;
}

/* Credits and windows: all but `left` whole tokens are gone as of `at`. A coarse tick counts as the
 * next whole one, so that what is left comes back no earlier than it should. */
static void use_up(const ray_limit_rule *rule, ray_bucket *bucket, uint64_t left,
                   const ray_limit_moment *at)
{
    if (in_credits(rule->kind)) {
        uint64_t keep =
            left <= rule->capacity / rule->period ? left * rule->period : rule->capacity;
        bucket->level = rule->capacity - keep;
        bucket->at = bucket->level != 0 ? ceil_div(at->now_ns, tick_ns[rule->tick]) : 0;
        return;
    }
    ray_window_roll(rule, bucket, at);
    bucket->word = 0;
    bucket->level = left < rule->capacity ? rule->capacity - left : 0;
}

void ray_bucket_drained(const ray_limit_rule *rule, ray_bucket *bucket, const ray_limit_moment *at)
{
    use_up(rule, bucket, 0, at);
}

void ray_bucket_leave(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                      uint64_t left, const ray_limit_moment *at)
{
    if (rule->kind != RAY_KIND_EXACT)
        use_up(rule, bucket, left, at);
    else if (bucket->word != 0 && left < rule->capacity)
        ray_exact_take(rl, rule, bucket, at->now_ns, rule->capacity - left);
}

void ray_bucket_empty(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                      uint64_t *excess, const ray_limit_moment *at)
{
    uint32_t stamp = bucket->stamp + RAY_LIMIT_EXACT_EACH;
    uint64_t chunk = rule->kind == RAY_KIND_EXACT ? bucket->word : 0;
    uint16_t number = bucket->rule;
    memset(bucket, 0, sizeof *bucket);
    bucket->rule = number;
    bucket->stamp = stamp;
    bucket->word = chunk;
    ray_bucket_leave(rl, rule, bucket, 0, at);
    if (excess != NULL)
        *excess = rule->excess;
}

/* -- request -- */
void ray_bucket_decide(const ray_ratelimit *rl, const ray_limit_rule *rule,
                       const ray_bucket *bucket, uint64_t excess, const ray_limit_moment *at,
                       ray_limit_answer *out)
{
    out->granted = 1;
    out->reason = RAY_REASON_OK;
    out->retry_after_ns = 0;
    out->start_at_ns = 0;
    if (in_credits(rule->kind))
        ray_credits_decide(rule, bucket, excess, at, out);
    else if (rule->kind == RAY_KIND_EXACT)
        ray_exact_decide(rl, rule, bucket, at, out);
    else
        ray_window_decide(rule, bucket, at, out);
}

/* -- time -- */
uint32_t ray_bucket_full(const ray_ratelimit *rl, const ray_limit_rule *rule,
                         const ray_bucket *bucket, uint64_t excess, const ray_limit_moment *at)
{
    if (in_credits(rule->kind)) {
        ray_bucket now = *bucket;
        ray_credits_settle(rule, &now, &excess, ray_tick_of(at->now_ns, rule->tick));
        return now.level == 0 && excess == 0;
    }
    if (rule->kind == RAY_KIND_EXACT)
        return ray_exact_live(rl, rule, bucket, at->now_ns) == 0;
    ray_bucket now = *bucket;
    ray_window_roll(rule, &now, at);
    return now.level == 0 && now.word == 0;
}

uint64_t ray_bucket_full_at(const ray_ratelimit *rl, const ray_limit_rule *rule,
                            const ray_bucket *bucket, uint64_t excess, const ray_limit_moment *at)
{
    if (ray_bucket_full(rl, rule, bucket, excess, at))
        return at->now_ns;
    if (in_credits(rule->kind))
        return ray_credits_full_at(rule, bucket, excess);
    if (rule->kind == RAY_KIND_EXACT)
        return ray_exact_full_at(rl, rule, bucket);
    return ray_window_full_at(rule, bucket, at);
}
