/* SPDX-License-Identifier: MIT */
/* cost.c - what one use costs, and its booking: into the cell, the tenant, the service, the metric
 * and the grand total at once, so that their sums cannot part.
 */
#include "parts.h"

uint64_t ray_cost_bytes(void)
{
    return sizeof(ray_cost);
}

/* -- init -- */
void ray_cost_init(ray_cost *cost, const uint8_t seed[16])
{
    memset(cost, 0, sizeof *cost);
    memcpy(cost->tally.seed, seed, sizeof cost->tally.seed);
}

/* -- request -- */
uint32_t ray_cost_priced(const ray_cost *cost, uint32_t service)
{
    return ray_cost_price_of(cost, service) != 0;
}

ray_status ray_cost_query_check(const ray_cost_query *query)
{
    if (query->tenant != RAY_NONE && query->tenant >= RAY_TENANT_MAX)
        return RAY_E_UNKNOWN;
    return (query->service & COST_SLOT_MASK) >= RAY_SERVICE_MAX ? RAY_E_UNKNOWN : RAY_OK;
}

static int64_t rounded_up(const ray_money *money)
{
    uint64_t rest;
    int64_t nano = ray_grains_nano(money->low, money->high, &rest);
    return nano + (rest != 0 && nano != COST_NANO_MAX);
}

/* All balances together stay below 2^63: `gross` only grows, and bounds every one of them. */
static uint32_t fits(const ray_cost *cost, const ray_cost_charged *charge)
{
    ray_money gross = ray_money_sum(cost->book.gross, charge->gross);
    return ray_money_fits(&gross);
}

ray_status ray_cost_ask(const ray_cost *cost, uint64_t now_ns, const ray_cost_query *query,
                        ray_cost_quote *out)
{
    ray_cost_charged charge;
    ray_status status = ray_cost_query_check(query);
    if (status != RAY_OK)
        return status;
    const ray_cost_price *price = ray_cost_price_of(cost, query->service);
    if (price == 0) {
        *out = (ray_cost_quote){.priced = 0};
        return RAY_OK;
    }
    status = ray_cost_charge_fill(cost, ray_cost_wall(now_ns, query->wall_offset_ns), query, price,
                                  &charge);
    if (status == RAY_OK && fits(cost, &charge) == 0)
        status = RAY_E_RANGE;
    if (status == RAY_OK)
        *out = (ray_cost_quote){.nano = rounded_up(&charge.total), .priced = 1};
    return status;
}

/* -- booking -- */
ray_status ray_cost_refuse(ray_cost *cost, ray_status status)
{
    cost->tally.asked_count++;
    cost->tally.denied_count++;
    return status;
}

static void add(ray_money *to, const ray_money *amount)
{
    *to = ray_money_sum(*to, *amount);
}

/* Units count as priced; what is late is an adjustment of this period, whatever its units. */
static void book_cell(ray_cost *cost, const ray_cost_charged *charge, const ray_cost_part *part,
                      uint32_t kind, uint64_t units)
{
    uint32_t place = kind == part->metric ? part->cell
                                          : ray_cost_cell_find(cost, charge->tenant,
                                                               charge->service, kind);
    if (place == RAY_NONE)
        place = ray_cost_cell_make(cost, charge->tenant, charge->service, kind);
    if (place == RAY_NONE) {
        cost->tally.folded_count++;
        return;
    }
    ray_cost_cell *cell = &cost->book.cell[place];
    add(&cell->open, &part->amount);
    cell->open_units = ray_add_capped(cell->open_units, units);
}

static void book_part(ray_cost *cost, const ray_cost_charged *charge, uint32_t i, uint32_t kind,
                      uint64_t units)
{
    const ray_cost_part *part = &charge->part[i];
    book_cell(cost, charge, part, kind, units);
    add(&cost->book.tenant[charge->tenant].metric[part->metric], &part->amount);
    add(&cost->book.service[charge->service].metric[part->metric], &part->amount);
    add(&cost->book.metric[part->metric], &part->amount);
}

/* Returns by how many whole nano-units the tenant's balance grew. */
static int64_t book_total(ray_cost *cost, uint64_t now_ns, const ray_cost_charged *charge)
{
    ray_cost_tenant *tenant = &cost->book.tenant[charge->tenant];
    int64_t before = tenant->total_nano;
    add(&tenant->total, &charge->total);
    tenant->total_nano = ray_money_nano(&tenant->total, 0);
    add(&cost->book.service[charge->service].total, &charge->total);
    add(&cost->book.open, &charge->total);
    add(&cost->book.gross, &charge->gross);
    cost->tally.asked_count++;
    cost->tally.granted_count++;
    if (cost->config.alert_count != 0)
        ray_cost_alert_check(cost, now_ns, charge->tenant, charge->service, &charge->total);
    return tenant->total_nano - before;
}

/* Closing a period frees cells and making an account may retire another, so cells that were found
 * while pricing are looked for again when either happened. */
static void settle_places(ray_cost *cost, int64_t wall_ns, const ray_cost_query *query,
                          ray_cost_charged *charge)
{
    uint32_t moved = wall_ns >= cost->book.end_ns || charge->tenant == RAY_NONE ||
                     charge->service == RAY_NONE;
    if (wall_ns >= cost->book.end_ns) {
        ray_cost_place(cost, wall_ns);
        ray_cost_roll(cost, wall_ns);
    }
    cost->book.idle = 0;
    if (moved == 0)
        return;
    charge->tenant = ray_cost_tenant_make(cost, query->tenant);
    charge->service = ray_cost_service_make(cost, query->service);
    for (uint32_t i = 0; i < charge->count; i++)
        charge->part[i].cell = ray_cost_cell_find(cost, charge->tenant, charge->service,
                                                  charge->part[i].metric);
}

int64_t ray_cost_book_charge(ray_cost *cost, uint64_t now_ns, const ray_cost_query *query,
                          ray_cost_charged *charge, uint32_t late)
{
    settle_places(cost, ray_cost_wall(now_ns, query->wall_offset_ns), query, charge);
    for (uint32_t i = 0; i < charge->count; i++) {
        uint32_t metric = charge->part[i].metric;
        book_part(cost, charge, i, late != 0 ? metric + RAY_COST_METRIC_MAX : metric,
                  query->units[metric]);
    }
    return book_total(cost, now_ns, charge);
}

ray_status ray_cost_charge(ray_cost *cost, uint64_t now_ns, const ray_cost_query *query,
                           ray_cost_quote *charged)
{
    ray_cost_charged charge;
    ray_status status = ray_cost_query_check(query);
    if (status != RAY_OK)
        return ray_cost_refuse(cost, status);
    const ray_cost_price *price = ray_cost_price_of(cost, query->service);
    *charged = (ray_cost_quote){.priced = price != 0};
    if (price == 0) {
        cost->tally.unpriced_count++;
        return RAY_OK;
    }
    status = ray_cost_charge_fill(cost, ray_cost_wall(now_ns, query->wall_offset_ns), query, price,
                                  &charge);
    if (status == RAY_OK && fits(cost, &charge) == 0)
        status = RAY_E_RANGE;
    if (status != RAY_OK)
        return ray_cost_refuse(cost, status);
    if (charge.count == 0) { /* nothing used that has a price: free, and no account is made */
        cost->tally.asked_count++;
        cost->tally.granted_count++;
        return RAY_OK;
    }
    charged->nano = ray_cost_book_charge(cost, now_ns, query, &charge, 0);
    return RAY_OK;
}

ray_status ray_cost_adjust(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns, uint32_t tenant,
                           uint32_t service, uint32_t metric, int64_t nano)
{
    const ray_cost_query query = {
        .wall_offset_ns = wall_offset_ns, .tenant = tenant, .service = service};
    ray_cost_charged charge = {.count = 1};
    if ((tenant != RAY_NONE && tenant >= RAY_TENANT_MAX) || metric >= RAY_COST_METRIC_MAX ||
        (service != RAY_NONE && (service & COST_SLOT_MASK) >= RAY_SERVICE_MAX))
        return ray_cost_refuse(cost, RAY_E_UNKNOWN);
    if (nano < -COST_NANO_MAX)
        return ray_cost_refuse(cost, RAY_E_RANGE);
    charge.part[0] =
        (ray_cost_part){.amount = ray_money_of(nano), .metric = metric, .cell = RAY_NONE};
    charge.total = ray_money_of(nano);
    charge.gross = ray_money_of(nano < 0 ? -nano : nano);
    charge.tenant = charge.service = RAY_NONE;
    if (fits(cost, &charge) == 0)
        return ray_cost_refuse(cost, RAY_E_RANGE);
    cost->tally.adjusted_count++;
    settle_places(cost, ray_cost_wall(now_ns, wall_offset_ns), &query, &charge);
    book_part(cost, &charge, 0, metric + RAY_COST_METRIC_MAX, 0);
    book_total(cost, now_ns, &charge);
    return RAY_OK;
}
