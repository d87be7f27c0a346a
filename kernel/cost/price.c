/* SPDX-License-Identifier: MIT */
/* price.c - what units are worth: units * price * scale grains, where the scale holds the metric's
 * divisor and every multiplier that applies. Multipliers are fractions over powers of 2 and 5, as a
 * grain is, so the scale is a whole number and nothing is divided or rounded here.
 */
#include "parts.h"
#include "base/week.h"

/* A grain is 1/(2^18 * 5^15) of 10^-12; bytes are priced by 2^10, nanoseconds by 2^9 * 5^9. What is
 * left of each is for multipliers. */
static const uint8_t spare_two[RAY_COST_METRIC_MAX] = {18, 8, 9, 18, 18};
static const uint8_t spare_five[RAY_COST_METRIC_MAX] = {15, 15, 6, 15, 15};
static const uint64_t five_to[16] = {
    1ULL,       5ULL,       25ULL,       125ULL,       625ULL,        3125ULL,
    15625ULL,   78125ULL,   390625ULL,   1953125ULL,   9765625ULL,    48828125ULL,
    244140625ULL, 1220703125ULL, 6103515625ULL, 30517578125ULL};

const ray_cost_price *ray_cost_price_of(const ray_cost *cost, uint32_t service)
{
    uint32_t slot = service & COST_SLOT_MASK;
    if (slot >= RAY_SERVICE_MAX || cost->config.price[slot].used == 0 ||
        cost->config.price[slot].spec.service != service)
        return 0;
    return &cost->config.price[slot];
}

/* 2^spare_two * 5^spare_five: nothing is multiplied. */
static const uint64_t plain_scale[RAY_COST_METRIC_MAX] = {
    COST_GRAINS / 1000, COST_GRAINS / 1024000, COST_GRAINS / 1000000000000, COST_GRAINS / 1000,
    COST_GRAINS / 1000};

uint32_t ray_cost_scale_holds(uint32_t metric, uint32_t two, uint32_t five)
{
    return two <= spare_two[metric] && five <= spare_five[metric];
}

/* -- multipliers -- */
static uint32_t holds(const ray_cost_multiplier_spec *spec, int64_t wall_ns,
                      const ray_cost_query *query)
{
    if ((spec->plan != RAY_NONE && spec->plan != query->plan) ||
        (spec->priority != RAY_CLASS_DEFAULT && spec->priority != query->priority))
        return 0;
    if (spec->range_count == 0)
        return 1;
    uint32_t minute = ray_week_minute(wall_ns, spec->utc_offset_minutes);
    for (uint32_t i = 0; i < spec->range_count; i++)
        if (ray_week_holds(spec->from[i], spec->to[i], minute))
            return 1;
    return 0;
}

/* The product of all that apply, number / (2^two * 5^five); the check keeps it in its bounds. */
typedef struct product {
    uint64_t number;
    uint32_t two;
    uint32_t five;
} product;

static product product_of(const ray_cost *cost, const ray_cost_price *price, int64_t wall_ns,
                          const ray_cost_query *query)
{
    product out = {1, 0, 0};
    for (uint32_t i = 0; i < price->factor_count; i++) {
        const ray_cost_factor *factor = &cost->config.factor[price->factor_first + i];
        if (holds(&factor->spec, wall_ns, query) == 0)
            continue;
        out.number *= factor->number;
        out.two += factor->two;
        out.five += factor->five;
    }
    return out;
}

static uint64_t scale_of(uint32_t metric, const product *by)
{
    return (five_to[spare_five[metric] - by->five] << (spare_two[metric] - by->two)) * by->number;
}

/* -- amounts -- */
/* Adds what units are worth at one price; 0 when no balance can hold it. */
static inline uint32_t worth(uint64_t units, int64_t price_pico, uint64_t scale, ray_money *sum,
                             ray_money *gross)
{
    uint64_t low, high;
    uint64_t magnitude = price_pico < 0 ? 0 - (uint64_t)price_pico : (uint64_t)price_pico;
    if (ray_grains_of(units, magnitude, scale, &low, &high) == 0)
        return 0;
    ray_money amount = {low, (int64_t)high};
    *sum = price_pico < 0 ? ray_money_less(*sum, amount) : ray_money_sum(*sum, amount);
    *gross = ray_money_sum(*gross, amount);
    return ray_money_fits(gross);
}

/* Units of this period before these: what tiers go by. Without a cell of its own a pair's use is
 * not known, and it begins in the lowest tier. */
static uint64_t used_before(const ray_cost *cost, int64_t wall_ns, const ray_cost_part *part)
{
    if (part->cell == RAY_NONE || wall_ns >= cost->book.end_ns)
        return 0;
    return cost->book.cell[part->cell].open_units;
}

/* Unit n of the period is priced by the last tier whose `above` lies below n. */
static uint32_t worth_tiered(const ray_cost *cost, const ray_cost_price *price, uint64_t used,
                             uint64_t units, uint64_t scale, ray_cost_part *part,
                             ray_money *gross)
{
    int64_t price_pico = price->spec.price_pico[part->metric];
    for (uint32_t i = 0; i < price->tier_count && units > 0; i++) {
        const ray_cost_tier_spec *tier = &cost->config.tier[price->tier_first + i];
        if (tier->metric != part->metric)
            continue;
        if (used < tier->above_units) {
            uint64_t room = tier->above_units - used, some = units < room ? units : room;
            if (worth(some, price_pico, scale, &part->amount, gross) == 0)
                return 0;
            used += some;
            units -= some;
        }
        price_pico = tier->price_pico;
    }
    return worth(units, price_pico, scale, &part->amount, gross);
}

/* -- a charge -- */
/* A pair's cells stand by kind, as the parts do by metric. */
static void find_cells(const ray_cost *cost, ray_cost_charged *out)
{
    uint32_t at = cost->book.pair[out->tenant][out->service];
    for (uint32_t i = 0; i < out->count && at != 0; i++) {
        while (at != 0 && cost->book.cell[at - 1].kind < out->part[i].metric)
            at = cost->book.cell[at - 1].next;
        if (at != 0 && cost->book.cell[at - 1].kind == out->part[i].metric)
            out->part[i].cell = at - 1;
    }
}

static uint32_t parts_price(const ray_cost *cost, const ray_cost_price *price, int64_t wall_ns,
                            const ray_cost_query *query, ray_cost_charged *out)
{
    product by = {1, 0, 0};
    uint32_t plain = price->factor_count == 0, fits = 1;
    if (plain == 0)
        by = product_of(cost, price, wall_ns, query);
    ray_money total = ray_money_none(), gross = ray_money_none();
    for (uint32_t i = 0; i < out->count; i++) {
        ray_cost_part *part = &out->part[i];
        uint64_t units = query->units[part->metric];
        uint64_t scale =
            plain != 0 ? plain_scale[part->metric] : scale_of(part->metric, &by);
        part->amount = ray_money_none();
        if ((price->tiered >> part->metric & 1) != 0)
            fits &= worth_tiered(cost, price, used_before(cost, wall_ns, part), units, scale, part,
                                 &gross);
        else
            fits &= worth(units, price->spec.price_pico[part->metric], scale, &part->amount,
                          &gross);
        total = ray_money_sum(total, part->amount);
    }
    out->total = total;
    out->gross = gross;
    return fits;
}

ray_status ray_cost_charge_fill(const ray_cost *cost, int64_t wall_ns, const ray_cost_query *query,
                                const ray_cost_price *price, ray_cost_charged *out)
{
    out->count = 0;
    out->tenant = ray_cost_tenant_find(cost, query->tenant);
    out->service = ray_cost_service_find(cost, query->service);
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        if (query->units[metric] != 0 && (price->measured >> metric & 1) != 0) {
            out->part[out->count].metric = metric;
            out->part[out->count++].cell = RAY_NONE;
        }
    if (out->tenant != RAY_NONE && out->service != RAY_NONE)
        find_cells(cost, out);
    return parts_price(cost, price, wall_ns, query, out) != 0 ? RAY_OK : RAY_E_RANGE;
}
