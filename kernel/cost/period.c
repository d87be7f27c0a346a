/* SPDX-License-Identifier: MIT */
/* period.c - when a period ends, and what its end moves: the open amounts become the last closed
 * ones, the oldest closed ones are folded, invoices are rounded. k missed ends do what k ends in
 * time would have done, in O(kept periods).
 */
#include "parts.h"
#include "base/civil.h"

#define DAY_NS    86400000000000LL
#define MINUTE_NS 60000000000LL
/* As for quotas: the end of a period always fits. */
#define WALL_MAX_NS (COST_FOREVER_NS - 62LL * DAY_NS)
#define WALL_MIN_NS (-0x4000000000000000LL)

/* -- instants -- */
int64_t ray_cost_wall(uint64_t now_ns, int64_t wall_offset_ns)
{
    if (wall_offset_ns >= 0) {
        uint64_t sum_ns = ray_add_capped(now_ns, (uint64_t)wall_offset_ns);
        return sum_ns > (uint64_t)WALL_MAX_NS ? WALL_MAX_NS : (int64_t)sum_ns;
    }
    uint64_t back_ns = 0 - (uint64_t)wall_offset_ns;
    if (now_ns >= back_ns)
        return now_ns - back_ns > (uint64_t)WALL_MAX_NS ? WALL_MAX_NS : (int64_t)(now_ns - back_ns);
    return back_ns - now_ns > (uint64_t)-WALL_MIN_NS ? WALL_MIN_NS : -(int64_t)(back_ns - now_ns);
}

/* -- calendars (private) -- */
static int64_t local_ns(const ray_billing_spec *spec)
{
    return spec->anchor_ns - spec->utc_offset_minutes * MINUTE_NS;
}

static int64_t start_of(const ray_billing_spec *spec, int64_t index)
{
    if (spec->every == RAY_BILL_DAY)
        return local_ns(spec) + index * DAY_NS;
    ray_date date = {.year = ray_floor_div(index, 12),
                     .month = (uint32_t)ray_floor_mod(index, 12) + 1,
                     .day = 1};
    uint32_t days = ray_month_days(date.year, date.month);
    date.day = spec->anchor_day < days ? spec->anchor_day : days;
    return ray_days_of(date) * DAY_NS + local_ns(spec);
}

/* Which period an instant lies in: days since 1970, months since year 0. */
static int64_t index_of(const ray_billing_spec *spec, int64_t wall_ns)
{
    int64_t days = ray_floor_div(wall_ns - local_ns(spec), DAY_NS);
    if (spec->every == RAY_BILL_DAY)
        return days;
    ray_date date = ray_date_of(days);
    int64_t index = date.year * 12 + date.month - 1;
    return wall_ns < start_of(spec, index) ? index - 1 : index;
}

int64_t ray_cost_end_after(const ray_billing_spec *spec, int64_t wall_ns)
{
    if (spec->every == RAY_BILL_NEVER)
        return COST_FOREVER_NS;
    return start_of(spec, index_of(spec, wall_ns) + 1);
}

void ray_cost_place(ray_cost *cost, int64_t wall_ns)
{
    ray_cost_book *book = &cost->book;
    const ray_billing_spec *spec = &cost->config.billing;
    if (book->placed != 0)
        return;
    book->placed = 1;
    book->start_ns =
        spec->every == RAY_BILL_NEVER ? wall_ns : start_of(spec, index_of(spec, wall_ns));
    book->end_ns = ray_cost_end_after(spec, wall_ns);
}

uint64_t ray_cost_behind(const ray_cost *cost, int64_t wall_ns)
{
    const ray_cost_book *book = &cost->book;
    const ray_billing_spec *spec = &cost->config.billing;
    if (book->placed == 0 || wall_ns < book->end_ns)
        return 0;
    return (uint64_t)(index_of(spec, wall_ns) - index_of(spec, book->end_ns)) + 1;
}

static void span_fill(const ray_billing_spec *spec, int64_t start_ns, int64_t end_ns,
                      ray_cost_span *out)
{
    uint64_t ready_ns = ray_add_capped((uint64_t)(end_ns < 0 ? 0 : end_ns), spec->grace_ns);
    *out = (ray_cost_span){.start_ns = start_ns, .end_ns = end_ns, .digits = spec->digits};
    out->ready_ns =
        ready_ns > (uint64_t)COST_FOREVER_NS ? COST_FOREVER_NS : (int64_t)ready_ns;
}

ray_status ray_cost_span_at(const ray_cost *cost, int64_t wall_ns, uint64_t back,
                            ray_cost_span *out)
{
    const ray_cost_book *book = &cost->book;
    const ray_billing_spec *spec = &cost->config.billing;
    uint64_t behind = ray_cost_behind(cost, wall_ns);
    if (book->placed == 0)
        return RAY_E_UNKNOWN;
    if (back > ray_add_capped(book->closed_count, behind))
        return RAY_E_UNKNOWN;
    if (back > RAY_COST_PERIOD_MAX)
        return RAY_E_STALE;
    if (back > behind) {
        *out = book->period[(book->closed_count - (back - behind)) % RAY_COST_PERIOD_MAX];
    } else if (back == behind) {
        span_fill(spec, book->start_ns, book->end_ns, out);
    } else {
        int64_t index = index_of(spec, wall_ns) - (int64_t)back;
        span_fill(spec, start_of(spec, index), start_of(spec, index + 1), out);
    }
    return RAY_OK;
}

/* -- closing -- */
/* After so many empty periods every kept one is empty and the roundings have settled. */
enum { SETTLES = RAY_COST_PERIOD_MAX + 2 };

static void close_tenant(ray_cost *cost, uint32_t account, uint32_t at)
{
    ray_cost_tenant *tenant = &cost->book.tenant[account];
    ray_cost_closed *closed = &cost->book.closed[account][at];
    if (tenant->owner == 0)
        return;
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        tenant->folded = ray_money_sum(tenant->folded, closed->metric[metric]);
    memcpy(closed->metric, tenant->metric, sizeof closed->metric);
    ray_money due = ray_money_sum(tenant->residue, tenant->total);
    closed->billed_nano = ray_money_round(&due, cost->config.billing.digits);
    tenant->residue = ray_money_less(due, ray_money_of(closed->billed_nano));
    memset(tenant->metric, 0, sizeof tenant->metric);
    tenant->total = ray_money_none();
    tenant->total_nano = 0;
}

static void close_services(ray_cost_book *book)
{
    for (uint32_t account = 0; account < RAY_COST_SERVICES; account++) {
        ray_cost_service *service = &book->service[account];
        service->last = service->total;
        service->closed = ray_money_sum(service->closed, service->total);
        memset(service->metric, 0, sizeof service->metric);
        service->total = ray_money_none();
    }
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++) {
        book->metric_closed[metric] =
            ray_money_sum(book->metric_closed[metric], book->metric[metric]);
        book->metric[metric] = ray_money_none();
    }
    book->closed_sum = ray_money_sum(book->closed_sum, book->open);
    book->open = ray_money_none();
}

/* 1 when the period had anything in it. */
static uint32_t close_cells(ray_cost *cost)
{
    uint32_t used = 0;
    for (uint32_t place = 0; place < cost->book.cell_top; place++) {
        ray_cost_cell *cell = &cost->book.cell[place];
        if (cell->tenant == 0)
            continue;
        uint32_t idle = ray_money_zero(&cell->open) && cell->open_units == 0;
        used |= !idle;
        if (idle && ray_money_zero(&cell->last) && cell->last_units == 0) {
            ray_cost_cell_free(cost, place);
            continue;
        }
        cell->last = cell->open;
        cell->last_units = cell->open_units;
        cell->open = ray_money_none();
        cell->open_units = 0;
    }
    return used;
}

static uint32_t nothing_open(const ray_cost_book *book)
{
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++)
        for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
            if (ray_money_zero(&book->tenant[account].metric[metric]) == 0)
                return 0;
    return 1;
}

void ray_cost_close_at(ray_cost *cost, int64_t end_ns)
{
    ray_cost_book *book = &cost->book;
    uint32_t at = (uint32_t)(book->closed_count % RAY_COST_PERIOD_MAX);
    uint32_t empty = nothing_open(book);
    span_fill(&cost->config.billing, book->start_ns, end_ns, &book->period[at]);
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++)
        close_tenant(cost, account, at);
    close_services(book);
    empty &= close_cells(cost) == 0;
    memset(book->standing, 0, sizeof book->standing);
    book->idle = empty == 0 ? 0 : book->idle < SETTLES ? book->idle + 1 : SETTLES;
    book->closed_count++;
    book->start_ns = end_ns;
    if (cost->config.alert_count != 0)
        ray_cost_alert_arm(cost);
}

static void close_next(ray_cost *cost)
{
    ray_cost_book *book = &cost->book;
    ray_cost_close_at(cost, book->end_ns);
    book->end_ns = ray_cost_end_after(&cost->config.billing, book->start_ns);
}

/* Once settled, those that are missing but the last ones are only counted. */
void ray_cost_roll(ray_cost *cost, int64_t wall_ns)
{
    ray_cost_book *book = &cost->book;
    const ray_billing_spec *spec = &cost->config.billing;
    for (uint64_t behind = ray_cost_behind(cost, wall_ns); behind > 0; behind--) {
        if (book->idle == SETTLES && behind > SETTLES) {
            int64_t index = index_of(spec, wall_ns) - SETTLES;
            book->closed_count += behind - SETTLES;
            book->start_ns = start_of(spec, index);
            book->end_ns = start_of(spec, index + 1);
            behind = SETTLES;
        }
        close_next(cost);
    }
}

/* -- due -- */
uint64_t ray_cost_due(const ray_cost *cost, int64_t wall_offset_ns)
{
    const ray_cost_book *book = &cost->book;
    /* the wall stands still at its last instant: an end behind it never comes */
    if (book->placed == 0 || book->end_ns > WALL_MAX_NS || book->idle == SETTLES)
        return RAY_NEVER;
    if (wall_offset_ns >= 0)
        return book->end_ns > wall_offset_ns ? (uint64_t)(book->end_ns - wall_offset_ns) : 0;
    uint64_t back_ns = 0 - (uint64_t)wall_offset_ns;
    return book->end_ns >= 0 ? ray_add_capped((uint64_t)book->end_ns, back_ns)
           : back_ns > 0 - (uint64_t)book->end_ns ? back_ns - (0 - (uint64_t)book->end_ns)
                                                  : 0;
}

/* Stops where `due` says never: what is asleep is rolled by the next charge or control call. */
void ray_cost_tick(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns)
{
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    while (cost->book.placed != 0 && wall_ns >= cost->book.end_ns && cost->book.idle != SETTLES)
        close_next(cost);
}
