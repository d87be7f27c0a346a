/* SPDX-License-Identifier: MIT */
/* bill.c - invoices. Every line is rounded once, half-even; then the lines whose rounding lost most
 * (or gained most) move by one unit of the last digit until they add up to the rounded total. What
 * rounding the total left is carried into the next invoice as a line of its own, so the invoices of
 * a tenant never part from what it used by a whole unit.
 */
#include "parts.h"

enum { CELLS_NONE = 0, CELLS_OPEN = 1, CELLS_LAST = 2, NANO_DIGITS = 9 };

/* A line's key: service, metric, kind, never 0; folded ones and the carry come last. */
#define KEY_FOLDED (1ULL << 40)
#define KEY_CARRY  (2ULL << 40)

static uint64_t key_of(uint32_t service, uint32_t metric, uint32_t adjustment)
{
    return ((uint64_t)service << 8 | metric << 4 | adjustment << 1) + 1;
}

static int64_t unit_of(uint32_t digits)
{
    int64_t unit = 1;
    for (uint32_t i = digits; i < NANO_DIGITS; i++)
        unit *= 10;
    return unit;
}

/* -- lines (private) -- */
static ray_money amount_of(const ray_cost_bill *bill, const ray_cost_cell *cell)
{
    return bill->part == CELLS_OPEN ? cell->open : cell->last;
}

static uint64_t units_of(const ray_cost_bill *bill, const ray_cost_cell *cell)
{
    return bill->part == CELLS_OPEN ? cell->open_units : cell->last_units;
}

/* The cell at `place` as a line of this bill; 0 when it is none. */
static uint32_t cell_line(const ray_cost *cost, const ray_cost_bill *bill, uint32_t place,
                          ray_cost_line *out)
{
    const ray_cost_cell *cell = &cost->book.cell[place];
    if (cell->tenant != bill->account + 1)
        return 0;
    ray_money amount = amount_of(bill, cell);
    uint64_t units = units_of(bill, cell);
    if (ray_money_zero(&amount) && units == 0)
        return 0;
    uint32_t adjustment = cell->kind >= RAY_COST_METRIC_MAX;
    *out = (ray_cost_line){.amount = amount,
                           .units = units,
                           .service = cost->book.service[cell->service].service,
                           .metric = cell->kind % RAY_COST_METRIC_MAX,
                           .kind = adjustment ? RAY_COST_LINE_ADJUSTMENT : RAY_COST_LINE_USAGE};
    out->key = key_of(out->service, out->metric, adjustment);
    return 1;
}

/* Lines that stand for no cell: each metric's folded rest, then what was carried. */
static uint32_t other_line(const ray_cost_bill *bill, uint32_t i, ray_cost_line *out)
{
    const ray_money *amount = i < RAY_COST_METRIC_MAX ? &bill->folded[i] : &bill->carried;
    if (ray_money_zero(amount))
        return 0;
    *out = (ray_cost_line){.amount = *amount, .service = RAY_NONE};
    if (i < RAY_COST_METRIC_MAX) {
        out->key = KEY_FOLDED + i;
        out->metric = i;
        out->folded = 1;
    } else {
        out->key = KEY_CARRY;
        out->kind = RAY_COST_LINE_CARRY;
        out->metric = RAY_COST_ALL;
    }
    return 1;
}

enum { OTHER_LINES = RAY_COST_METRIC_MAX + 1 };

/* The i-th line in no order; 0 when there is none at i < line_places(). */
static uint32_t any_line(const ray_cost *cost, const ray_cost_bill *bill, uint32_t i,
                         ray_cost_line *out)
{
    if (i < OTHER_LINES)
        return other_line(bill, i, out);
    return bill->part != CELLS_NONE && cell_line(cost, bill, i - OTHER_LINES, out) != 0;
}

static uint32_t line_places(const ray_cost *cost)
{
    return OTHER_LINES + cost->book.cell_top;
}

static ray_money lost_by(const ray_cost_bill *bill, const ray_cost_line *line)
{
    return ray_money_less(line->amount,
                          ray_money_of(ray_money_round(&line->amount, bill->period.digits)));
}

/* How many lines move before this one does. */
static uint64_t rank_of(const ray_cost *cost, const ray_cost_bill *bill, const ray_cost_line *line)
{
    ray_money own = lost_by(bill, line);
    uint64_t before = 0;
    for (uint32_t i = 0; i < line_places(cost); i++) {
        ray_cost_line other;
        if (any_line(cost, bill, i, &other) == 0 || other.key == line->key)
            continue;
        ray_money lost = lost_by(bill, &other);
        int32_t side = ray_money_compare(&lost, &own);
        if (bill->spread < 0)
            side = -side;
        before += side > 0 || (side == 0 && other.key < line->key);
    }
    return before;
}

static void line_round(const ray_cost *cost, const ray_cost_bill *bill, ray_cost_line *line)
{
    uint64_t moved = bill->spread < 0 ? 0 - (uint64_t)bill->spread : (uint64_t)bill->spread;
    line->billed_nano = ray_money_round(&line->amount, bill->period.digits);
    if (moved == 0 || rank_of(cost, bill, line) >= moved)
        return;
    line->billed_nano += bill->spread < 0 ? -unit_of(bill->period.digits)
                                          : unit_of(bill->period.digits);
}

uint32_t ray_cost_line_next(const ray_cost *cost, const ray_cost_bill *bill, ray_cost_line *line)
{
    ray_cost_line best = {.key = 0}, one;
    for (uint32_t i = 0; bill->line_count != 0 && i < line_places(cost); i++)
        if (any_line(cost, bill, i, &one) != 0 && one.key > line->key &&
            (best.key == 0 || one.key < best.key))
            best = one;
    if (best.key == 0)
        return 0;
    line_round(cost, bill, &best);
    *line = best;
    return 1;
}

/* -- totals (private) -- */
/* What rounding leaves after the account's open amounts are closed, and `empty` empty periods. */
static ray_money residue_after(const ray_cost *cost, uint32_t account, uint64_t closings)
{
    const ray_cost_tenant *tenant = &cost->book.tenant[account];
    ray_money residue = tenant->residue;
    for (uint64_t i = 0; i < closings && i < 3; i++) { /* it settles after two */
        if (i == 0)
            residue = ray_money_sum(residue, tenant->total);
        residue = ray_money_less(
            residue, ray_money_of(ray_money_round(&residue, cost->config.billing.digits)));
    }
    return residue;
}

/* Closed: backwards from what is left now, by what each invoice billed and counted. */
static void closed_fill(const ray_cost *cost, uint64_t closed, ray_cost_bill *out)
{
    ray_money carried = cost->book.tenant[out->account].residue;
    for (uint64_t i = 1; i <= closed; i++) {
        uint64_t at = (cost->book.closed_count - i) % RAY_COST_PERIOD_MAX;
        const ray_cost_view view = {.behind = 0, .back = i};
        out->billed_nano = cost->book.closed[out->account][at].billed_nano;
        carried = ray_money_sum(carried, ray_money_of(out->billed_nano));
        carried = ray_money_less(carried,
                                 ray_cost_spent(cost, &view, out->account, RAY_COST_ALL));
    }
    out->carried = carried;
}

static void folded_fill(const ray_cost *cost, ray_cost_bill *out)
{
    if (out->part == CELLS_NONE)
        return;
    memcpy(out->folded, out->metric, sizeof out->folded);
    for (uint32_t place = 0; place < cost->book.cell_top; place++) {
        const ray_cost_cell *cell = &cost->book.cell[place];
        ray_money *folded = &out->folded[cell->kind % RAY_COST_METRIC_MAX];
        if (cell->tenant == out->account + 1)
            *folded = ray_money_less(*folded, amount_of(out, cell));
    }
}

static void lines_count(const ray_cost *cost, ray_cost_bill *out)
{
    int64_t unit = unit_of(out->period.digits);
    out->spread = out->billed_nano / unit;
    for (uint32_t i = 0; i < line_places(cost); i++) {
        ray_cost_line line;
        if (any_line(cost, out, i, &line) == 0)
            continue;
        out->line_count++;
        out->spread -= ray_money_round(&line.amount, out->period.digits) / unit;
    }
}

ray_status ray_cost_bill_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                              uint32_t tenant, uint32_t back, ray_cost_bill *out)
{
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    ray_cost_view view = {.behind = ray_cost_behind(cost, wall_ns), .back = back};
    ray_cost_bill bill = {.tenant = tenant};
    if (tenant != RAY_NONE && tenant >= RAY_TENANT_MAX)
        return RAY_E_UNKNOWN;
    ray_status status = ray_cost_period_read(cost, now_ns, wall_offset_ns, back, &bill.period);
    if (status != RAY_OK)
        return status;
    bill.account = ray_cost_tenant_find(cost, tenant);
    if (bill.account == RAY_NONE) {
        *out = bill;
        return RAY_OK;
    }
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++) {
        bill.metric[metric] = ray_cost_spent(cost, &view, bill.account, metric);
        bill.total = ray_money_sum(bill.total, bill.metric[metric]);
    }
    uint64_t closed = back > view.behind ? back - view.behind : 0;
    if (closed != 0)
        closed_fill(cost, closed, &bill);
    else
        bill.carried = residue_after(cost, bill.account, view.behind - back);
    bill.total = ray_money_sum(bill.total, bill.carried);
    if (closed == 0)
        bill.billed_nano = ray_money_round(&bill.total, bill.period.digits);
    if (closed <= 1) {
        bill.part = closed == 1 ? CELLS_LAST : back == view.behind ? CELLS_OPEN : CELLS_NONE;
        folded_fill(cost, &bill);
        lines_count(cost, &bill);
    }
    *out = bill;
    return RAY_OK;
}
