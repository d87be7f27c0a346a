/* SPDX-License-Identifier: MIT */
/* rate.c - a rational rate becomes two coprime integers and a tick, once, so that deciding never
 * divides. */
#include "limit.h"
#include <stddef.h>

/* -- rates (private) -- */
static const uint64_t tick_ns[3] = {1, 1000, 1000000};

/* Credits per tick and per token for one tick length; 0 when the capacity does not fit. */
static uint32_t fits(ray_limit_rule *rule, uint64_t tokens, uint64_t period_ns,
                     uint64_t most_tokens, uint32_t tick)
{
    uint64_t g = ray_gcd(tokens, period_ns);
    tokens /= g;
    period_ns /= g;
    g = ray_gcd(tick_ns[tick], period_ns);
    uint64_t per_tick = ray_mul_capped(tokens, tick_ns[tick] / g);
    uint64_t credits = ray_mul_capped(most_tokens, period_ns / g);
    if (per_tick > RAY_CREDITS_MAX || credits > RAY_CREDITS_MAX)
        return 0;
    rule->tokens = per_tick;
    rule->period = period_ns / g;
    rule->tick = (uint8_t)tick;
    return 1;
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0 ? 1U : 0U);
}

static void fill_ceilings(ray_limit_rule *rule, const ray_limit_spec *spec)
{
    for (uint32_t i = 0; i < RAY_CLASS_MAX; i++)
        rule->ceiling[i] =
            rule->capacity - ray_mul_div_ceil(rule->capacity, spec->reserve_ppm[i], 1000000U);
    rule->usual = rule->ceiling[RAY_CLASS_NORMAL];
}

static ray_status prepare_window(ray_limit_rule *rule, const ray_limit_spec *spec,
                                 uint64_t rate_tokens, uint64_t rate_period_ns)
{
    rule->period = rate_period_ns;
    rule->capacity = rate_tokens;
    rule->capacity_tokens = rate_tokens;
    if (spec->algorithm == RAY_FIXED_WINDOW) {
        rule->kind = RAY_KIND_FIXED;
        uint64_t anchor =
            spec->anchor_ns >= 0
                ? (uint64_t)spec->anchor_ns % rule->period
                : (rule->period - (0U - (uint64_t)spec->anchor_ns) % rule->period) % rule->period;
        rule->edge_ns = anchor == 0 ? 0 : rule->period - anchor;
    } else {
        rule->kind = spec->exact ? RAY_KIND_EXACT : RAY_KIND_SLIDING;
    }
    fill_ceilings(rule, spec);
    return RAY_OK;
}

static ray_status prepare_credits(ray_limit_rule *rule, const ray_limit_spec *spec,
                                  const ray_limit_rate_spec *rate)
{
    uint64_t capacity = rate->capacity;
    uint64_t most = ray_add_capped(capacity, spec->excess);
    uint32_t tick = 0;
    while (tick < 3 && !fits(rule, rate->rate_tokens, rate->rate_period_ns, most, tick))
        tick++;
    if (tick == 3)
        return RAY_E_RATE;
    rule->capacity = capacity * rule->period;
    rule->excess = spec->excess * rule->period;
    rule->debt = spec->debt;
    rule->capacity_tokens = capacity > spec->excess ? capacity : spec->excess;
    if (spec->debt)
        rule->capacity_tokens = (RAY_CREDITS_MAX - rule->capacity) / rule->period;
    rule->fill_ticks =
        ceil_div(spec->debt ? RAY_CREDITS_MAX : rule->capacity + rule->excess, rule->tokens);
    rule->kind = RAY_KIND_TOKEN;
    if (spec->algorithm == RAY_LEAKY_BUCKET) {
        rule->kind = spec->queue ? RAY_KIND_QUEUE : RAY_KIND_METER;
        rule->edge_ns = spec->queue ? spec->max_delay_ns : 0;
    }
    fill_ceilings(rule, spec);
    return RAY_OK;
}

/* -- init -- */
ray_status ray_rule_prepare(ray_limit_rule *rule, const ray_limit_spec *spec, uint64_t rate_tokens,
                            uint64_t rate_period_ns, uint64_t capacity)
{
    memset(rule, 0, sizeof *rule);
    const ray_limit_rate_spec rate = {rate_tokens, rate_period_ns, capacity, 0, RAY_NONE};
    rule->plan = RAY_NONE;
    rule->used = 1;
    if (spec->algorithm == RAY_FIXED_WINDOW || spec->algorithm == RAY_SLIDING_WINDOW)
        return prepare_window(rule, spec, rate_tokens, rate_period_ns);
    return prepare_credits(rule, spec, &rate);
}

ray_limit_rate ray_rate_of(const ray_ratelimit_config *config, uint32_t number)
{
    if (number >= RAY_LIMIT_MAX)
        return config->rate[number - RAY_LIMIT_MAX];
    ray_limit_rate own = {config->spec[number].rate_tokens, config->spec[number].rate_period_ns};
    return own;
}

/* -- control -- */
static uint32_t at_fault(ray_status *status, ray_status why, uint64_t field)
{
    *status = why;
    return (uint32_t)field;
}

static uint32_t numbers_check(const ray_limit_spec *s, ray_status *status)
{
    uint32_t window = s->algorithm == RAY_FIXED_WINDOW || s->algorithm == RAY_SLIDING_WINDOW;
    if (s->rate_tokens == 0 || s->rate_tokens > RAY_CREDITS_MAX)
        return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, rate_tokens));
    if (s->rate_period_ns == 0 || s->rate_period_ns > RAY_CREDITS_MAX)
        return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, rate_period_ns));
    if (!window && (s->capacity == 0 || s->capacity > RAY_CREDITS_MAX))
        return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, capacity));
    if (s->excess != 0 &&
        (s->algorithm != RAY_TOKEN_BUCKET || s->debt || s->excess > RAY_CREDITS_MAX))
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, excess));
    if (s->exact != 0 && s->rate_tokens > RAY_LIMIT_EXACT_EACH)
        return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, rate_tokens));
    for (uint32_t i = 0; i < RAY_CLASS_MAX; i++)
        if (s->reserve_ppm[i] > 1000000U)
            return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, reserve_ppm) + 4U * i);
    if (s->max_delay_ns != 0 && !s->queue)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, max_delay_ns));
    if (s->anchor_ns != 0 && s->algorithm != RAY_FIXED_WINDOW)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, anchor_ns));
    return RAY_NONE;
}

static uint32_t words_check(const ray_limit_spec *s, ray_status *status)
{
    static const uint8_t most[8] = {
        RAY_SCOPE_MAX - 1, RAY_SLIDING_WINDOW, RAY_MODE_OFF, 1, 1, 1, 1, 32};
    const uint8_t *word = &s->scope;
    for (uint32_t i = 0; i < 8; i++)
        if (word[i] > most[i])
            return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, scope) + i);
    uint32_t ip = s->scope == RAY_SCOPE_IP;
    if (ip && s->prefix_v4 == 0)
        return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, prefix_v4));
    if (s->prefix_v6 > 128 || (ip && s->prefix_v6 == 0))
        return at_fault(status, RAY_E_RANGE, offsetof(ray_limit_spec, prefix_v6));
    if (s->queue && s->algorithm != RAY_LEAKY_BUCKET)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, queue));
    if (s->exact && s->algorithm != RAY_SLIDING_WINDOW)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, exact));
    if (s->debt && s->algorithm != RAY_TOKEN_BUCKET)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, debt));
    if (!ray_is_zero(s->reserved, sizeof s->reserved))
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, reserved));
    return RAY_NONE;
}

uint32_t ray_spec_check(const ray_limit_spec *spec, ray_status *status)
{
    if (!ray_name_valid(&spec->name))
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, name));
    uint32_t field = words_check(spec, status);
    if (field == RAY_NONE)
        field = numbers_check(spec, status);
    if (field != RAY_NONE)
        return field;
    uint32_t pinned = !ray_is_zero(&spec->user, sizeof spec->user);
    uint32_t keyed = (spec->scope == RAY_SCOPE_USER && !pinned) || spec->scope == RAY_SCOPE_IP;
    if (pinned && (spec->scope != RAY_SCOPE_USER || !ray_name_valid(&spec->user)))
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, user));
    if (keyed && spec->excess != 0)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, excess));
    if (!keyed && spec->deny_when_full)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, deny_when_full));
    if (spec->scope == RAY_SCOPE_NAMED && spec->service != RAY_NONE)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, service));
    if (spec->instead_of != RAY_NONE && spec->mode != RAY_MODE_SHADOW)
        return at_fault(status, RAY_E_ARGUMENT, offsetof(ray_limit_spec, instead_of));
    *status = RAY_OK;
    return RAY_NONE;
}

/* -- reading -- */
/* Of two neighbouring fractions the one nearer to tokens / period; products in 128 bits. */
static uint32_t second_nearer(uint64_t t, uint64_t p, const uint64_t a[2], const uint64_t b[2])
{
    /* |t/p - a/b| has the numerator |t*b - a*p| over p*b; it shrinks as the convergents alternate
     * around t/p, so the difference of each is exact in 64 bits once the common part is removed. */
    uint64_t x = ray_mul_compare(t, a[1], a[0], p) >= 0 ? t * a[1] - a[0] * p : a[0] * p - t * a[1];
    uint64_t y = ray_mul_compare(t, b[1], b[0], p) >= 0 ? t * b[1] - b[0] * p : b[0] * p - t * b[1];
    return ray_mul_compare(y, a[1], x, b[1]) < 0;
}

/* The best fraction near tokens / period whose denominator is at most `most`: continued fraction
 * with the last partial quotient cut down (Khinchin, "Continued fractions", section 6). */
static void nearest_fraction(uint64_t t, uint64_t p, uint64_t most, uint64_t out[2])
{
    uint64_t before[2] = {0, 1}, last[2] = {1, 0};
    uint64_t n = t, d = p;
    while (d != 0) {
        uint64_t q = n / d;
        uint64_t bottom = ray_add_capped(ray_mul_capped(q, last[1]), before[1]);
        uint64_t top = ray_add_capped(ray_mul_capped(q, last[0]), before[0]);
        if (bottom > most || top > RAY_CREDITS_MAX) {
            uint64_t fit = last[1] != 0 ? (most - before[1]) / last[1] : 0;
            uint64_t cut[2] = {fit * last[0] + before[0], fit * last[1] + before[1]};
            uint32_t whole = last[1] != 0 && last[0] != 0;
            uint32_t use_cut = cut[0] != 0 && (!whole || !second_nearer(t, p, cut, last));
            out[0] = use_cut ? cut[0] : last[0];
            out[1] = use_cut ? cut[1] : last[1];
            return;
        }
        before[0] = last[0];
        before[1] = last[1];
        last[0] = top;
        last[1] = bottom;
        uint64_t rest = n % d;
        n = d;
        d = rest;
    }
    out[0] = last[0];
    out[1] = last[1];
}

ray_status ray_ratelimit_nearest(const ray_limit_spec *spec, uint64_t *rate_tokens,
                                 uint64_t *rate_period_ns)
{
    ray_limit_rule rule;
    ray_status status;
    if (ray_spec_check(spec, &status) != RAY_NONE)
        return status;
    if (ray_rule_prepare(&rule, spec, spec->rate_tokens, spec->rate_period_ns, spec->capacity) ==
        RAY_OK) {
        *rate_tokens = spec->rate_tokens;
        *rate_period_ns = spec->rate_period_ns;
        return RAY_OK;
    }
    /* Every rate a finer tick could hold, the millisecond holds too; so the millisecond's nearest
     * is the nearest. */
    uint64_t most = ray_add_capped(spec->capacity, spec->excess);
    uint64_t period_max = RAY_CREDITS_MAX / most;
    if (period_max > RAY_CREDITS_MAX / tick_ns[2])
        period_max = RAY_CREDITS_MAX / tick_ns[2];
    uint64_t g = ray_gcd(spec->rate_tokens, spec->rate_period_ns);
    uint64_t t = spec->rate_tokens / g, p = spec->rate_period_ns / g;
    g = ray_gcd(tick_ns[2], p);
    t = ray_mul_capped(t, tick_ns[2] / g);
    p /= g;
    if (period_max == 0 || t > RAY_CREDITS_MAX)
        return RAY_E_RANGE;
    uint64_t best[2];
    nearest_fraction(t, p, period_max, best);
    if (best[0] == 0) {
        best[0] = 1;
        best[1] = period_max;
    }
    *rate_tokens = best[0];
    *rate_period_ns = best[1] * tick_ns[2];
    return RAY_OK;
}
