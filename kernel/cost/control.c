/* SPDX-License-Identifier: MIT */
/* control.c - price books, schedules and alerts come, change and go; an error changes nothing, and
 * no change touches what was charged. */
#include "parts.h"

enum { ONCE_BP = 10000 };

/* -- price books -- */
void ray_cost_factor_fill(ray_cost_factor *factor, const ray_cost_multiplier_spec *spec)
{
    uint32_t common = (uint32_t)ray_gcd(spec->by_bp, ONCE_BP), below = ONCE_BP / common;
    *factor = (ray_cost_factor){.spec = *spec, .number = spec->by_bp / common};
    for (; below % 2 == 0; below /= 2)
        factor->two++;
    for (; below % 5 == 0; below /= 5)
        factor->five++;
}

/* Rows of one book stand side by side, books in any order. */
void ray_cost_index(ray_cost *cost)
{
    ray_cost_config *config = &cost->config;
    config->book_count = 0;
    for (uint32_t slot = 0; slot < RAY_SERVICE_MAX; slot++) {
        ray_cost_price *price = &config->price[slot];
        price->factor_first = price->factor_count = 0;
        price->tier_first = price->tier_count = 0;
        price->tiered = 0;
        config->book_count += price->used;
    }
    for (uint32_t i = 0; i < config->factor_count; i++) {
        ray_cost_price *price = &config->price[config->factor[i].spec.book];
        if (price->factor_count++ == 0)
            price->factor_first = i;
    }
    for (uint32_t i = 0; i < config->tier_count; i++) {
        ray_cost_price *price = &config->price[config->tier[i].book];
        if (price->tier_count++ == 0)
            price->tier_first = i;
        price->tiered |= 1U << config->tier[i].metric;
    }
    for (uint32_t slot = 0; slot < RAY_SERVICE_MAX; slot++) {
        ray_cost_price *price = &config->price[slot];
        if (price->used != 0)
            price->measured = ray_cost_measured(&price->spec, &config->tier[price->tier_first],
                                                price->tier_count);
    }
}

/* Takes a book's multipliers and tiers out; the others close up. */
static void drop_rows(ray_cost_config *config, uint32_t slot)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < config->factor_count; i++)
        if (config->factor[i].spec.book != slot)
            config->factor[kept++] = config->factor[i];
    memset(&config->factor[kept], 0, (config->factor_count - kept) * sizeof config->factor[0]);
    config->factor_count = kept;
    kept = 0;
    for (uint32_t i = 0; i < config->tier_count; i++)
        if (config->tier[i].book != slot)
            config->tier[kept++] = config->tier[i];
    memset(&config->tier[kept], 0, (config->tier_count - kept) * sizeof config->tier[0]);
    config->tier_count = kept;
}

static ray_status terms_check(const ray_cost_spec *spec, const ray_cost_terms *terms)
{
    uint32_t field;
    for (uint32_t i = 0; i < terms->multiplier_count; i++) {
        ray_status status = ray_cost_multiplier_check(&terms->multiplier[i], RAY_PLAN_MAX, &field);
        if (status != RAY_OK)
            return status;
    }
    for (uint32_t i = 0; i < terms->tier_count; i++) {
        const ray_cost_tier_spec *tier = &terms->tier[i];
        ray_status status = ray_cost_tier_check(tier, &field);
        if (status != RAY_OK)
            return status;
        if (i > 0 && (tier->metric < tier[-1].metric ||
                      (tier->metric == tier[-1].metric &&
                       tier->above_units <= tier[-1].above_units)))
            return RAY_E_ARGUMENT;
    }
    return ray_cost_together_check(terms->multiplier, terms->multiplier_count,
                                   ray_cost_measured(spec, terms->tier, terms->tier_count));
}

ray_status ray_cost_define(ray_cost *cost, const ray_cost_spec *spec, const ray_cost_terms *terms)
{
    ray_cost_config *config = &cost->config;
    uint32_t field, slot = spec->service & COST_SLOT_MASK;
    ray_status status = ray_cost_spec_check(spec, RAY_SERVICE_MAX, &field);
    if (status == RAY_OK)
        status = terms_check(spec, terms);
    if (status != RAY_OK)
        return status;
    const ray_cost_price *old = &config->price[slot];
    if (config->factor_count - old->factor_count + terms->multiplier_count >
            RAY_COST_MULTIPLIER_MAX ||
        config->tier_count - old->tier_count + terms->tier_count > RAY_COST_TIER_MAX)
        return RAY_E_FULL;
    drop_rows(config, slot);
    config->price[slot] = (ray_cost_price){.spec = *spec, .used = 1};
    for (uint32_t i = 0; i < terms->multiplier_count; i++) {
        ray_cost_factor *factor = &config->factor[config->factor_count++];
        ray_cost_factor_fill(factor, &terms->multiplier[i]);
        factor->spec.book = slot;
    }
    for (uint32_t i = 0; i < terms->tier_count; i++) {
        config->tier[config->tier_count] = terms->tier[i];
        config->tier[config->tier_count++].book = slot;
    }
    ray_cost_index(cost);
    return RAY_OK;
}

ray_status ray_cost_remove(ray_cost *cost, uint32_t service)
{
    uint32_t slot = service & COST_SLOT_MASK;
    if (ray_cost_price_of(cost, service) == 0)
        return RAY_E_UNKNOWN;
    drop_rows(&cost->config, slot);
    memset(&cost->config.price[slot], 0, sizeof cost->config.price[slot]);
    ray_cost_index(cost);
    return RAY_OK;
}

/* -- periods -- */
ray_status ray_cost_schedule(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                             const ray_billing_spec *spec)
{
    uint32_t field;
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    ray_status status = ray_billing_check(spec, &field);
    if (status != RAY_OK)
        return status;
    ray_cost_roll(cost, wall_ns);
    if (ray_same(&cost->config.billing, spec, sizeof *spec))
        return RAY_OK;
    cost->config.billing = *spec;
    cost->book.idle = 0;
    if (cost->book.placed != 0) {
        int64_t after_ns = wall_ns > cost->book.start_ns ? wall_ns : cost->book.start_ns;
        cost->book.end_ns = ray_cost_end_after(spec, after_ns);
    }
    return RAY_OK;
}

ray_status ray_cost_close(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns)
{
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    ray_cost_span span;
    if (ray_cost_span_at(cost, wall_ns, 0, &span) != RAY_OK || wall_ns <= span.start_ns)
        return RAY_E_STATE;
    ray_cost_roll(cost, wall_ns);
    ray_cost_close_at(cost, wall_ns);
    return RAY_OK;
}

/* -- alerts -- */
ray_status ray_cost_alert_add(ray_cost *cost, uint64_t now_ns, const ray_cost_alert_spec *spec)
{
    const ray_config_counts capacity = {.tenant_count = RAY_TENANT_MAX,
                                        .service_count = RAY_SERVICE_MAX};
    ray_cost_config *config = &cost->config;
    uint32_t field;
    ray_status status = ray_cost_alert_check_spec(spec, &capacity, &field);
    if (status != RAY_OK)
        return status;
    for (uint32_t i = 0; i < config->alert_count; i++)
        if (ray_name_same(&config->alert[i].name, &spec->name) != 0 &&
            config->alert[i].threshold_nano == spec->threshold_nano)
            return RAY_E_EXISTS;
    if (config->alert_count == RAY_COST_ALERT_MAX)
        return RAY_E_FULL;
    cost->book.standing[config->alert_count].spent = ray_cost_pair_spent(cost, spec);
    config->alert[config->alert_count++] = *spec;
    ray_cost_alert_arm(cost);
    ray_cost_alert_fire(cost, now_ns);
    return RAY_OK;
}

ray_status ray_cost_alert_remove(ray_cost *cost, const char *name, uint64_t length)
{
    ray_cost_config *config = &cost->config;
    ray_name wanted;
    uint32_t kept = 0;
    if (ray_name_set(&wanted, name, length) == 0)
        return RAY_E_UNKNOWN;
    for (uint32_t i = 0; i < config->alert_count; i++) {
        if (ray_name_same(&config->alert[i].name, &wanted) != 0)
            continue;
        cost->book.standing[kept] = cost->book.standing[i];
        config->alert[kept++] = config->alert[i];
    }
    if (kept == config->alert_count)
        return RAY_E_UNKNOWN;
    memset(&config->alert[kept], 0, (config->alert_count - kept) * sizeof config->alert[0]);
    memset(&cost->book.standing[kept], 0,
           (config->alert_count - kept) * sizeof cost->book.standing[0]);
    config->alert_count = kept;
    ray_cost_alert_arm(cost);
    return RAY_OK;
}
