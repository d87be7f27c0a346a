/* SPDX-License-Identifier: MIT */
/* window.c - which period an instant lies in, and what is left of an instance when periods have
 * ended since.
 *
 * A period is an integer: days, weeks and months since an epoch, or floor((wall - anchor) /
 * length). Start and end are kept in the instance, so the usual question "still the same one?" is
 * one comparison; only a roll divides.
 */
#include "parts.h"
#include "base/civil.h"

#define SECOND_NS  1000000000LL
#define DAY_NS     (86400LL * SECOND_NS)
#define MINUTE_NS  (60LL * SECOND_NS)
#define FOREVER_NS 0x7fffffffffffffffLL
/* The wall clock stops two months before signed nanoseconds end (2262), so that the end of a period
 * always fits. */
#define WALL_MAX_NS (FOREVER_NS - 62LL * DAY_NS)
#define WALL_MIN_NS (-0x4000000000000000LL)
/* Further ahead than any instant the wall clock can show. */
#define PERIODS_MAX 0x2000000000000000ULL

/* -- instants -- */
int64_t ray_quota_wall(uint64_t now_ns, int64_t wall_offset_ns)
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

/* -- periods (private) -- */
static int64_t step_ns(const ray_quota_spec *spec)
{
    return (int64_t)((spec->period_ns + RAY_QUOTA_ROLLING_PARTS - 1) / RAY_QUOTA_ROLLING_PARTS);
}

static int64_t length_ns(const ray_quota_spec *spec)
{
    switch (spec->reset) {
    case RAY_RESET_FIXED: return (int64_t)spec->period_ns;
    case RAY_RESET_ROLLING: return step_ns(spec);
    case RAY_RESET_DAY: return DAY_NS;
    default: return 7 * DAY_NS;
    }
}

/* Where period 0 begins, wall clock. 1970-01-01 was a Thursday, so the Monday before it was three
 * days earlier. */
static int64_t origin_ns(const ray_quota_spec *spec)
{
    int64_t local_ns = spec->anchor_ns - spec->utc_offset_minutes * MINUTE_NS;
    switch (spec->reset) {
    case RAY_RESET_DAY: return local_ns;
    case RAY_RESET_WEEK: return local_ns + ((int64_t)spec->anchor_day - 4) * DAY_NS;
    default: return ray_floor_mod(spec->anchor_ns, length_ns(spec));
    }
}

/* Months count from year 0; a month that is too short for the anchor day begins on its last day. */
static int64_t month_start_ns(const ray_quota_spec *spec, int64_t period)
{
    ray_date date = {.year = ray_floor_div(period, 12),
                     .month = (uint32_t)ray_floor_mod(period, 12) + 1,
                     .day = 1};
    uint32_t days = ray_month_days(date.year, date.month);
    date.day = spec->anchor_day < days ? spec->anchor_day : days;
    return ray_days_of(date) * DAY_NS + spec->anchor_ns - spec->utc_offset_minutes * MINUTE_NS;
}

static int64_t month_of(const ray_quota_spec *spec, int64_t wall_ns)
{
    int64_t local_ns = wall_ns - spec->anchor_ns + spec->utc_offset_minutes * MINUTE_NS;
    ray_date date = ray_date_of(ray_floor_div(local_ns, DAY_NS));
    int64_t period = date.year * 12 + date.month - 1;
    return wall_ns < month_start_ns(spec, period) ? period - 1 : period;
}

/* Start of a period; FOREVER_NS when it lies past what the wall clock can show. */
static int64_t start_of(const ray_quota_spec *spec, int64_t period)
{
    if (spec->reset == RAY_RESET_MONTH)
        return period > 3600 * 12 ? FOREVER_NS : month_start_ns(spec, period);
    int64_t length = length_ns(spec), origin = origin_ns(spec);
    if (period > 0 && period > (FOREVER_NS - (origin > 0 ? origin : 0)) / length)
        return FOREVER_NS;
    return origin + period * length;
}

static int64_t period_of(const ray_quota_spec *spec, int64_t wall_ns)
{
    if (spec->reset == RAY_RESET_MONTH)
        return month_of(spec, wall_ns);
    return ray_floor_div(wall_ns - origin_ns(spec), length_ns(spec));
}

static void place(const ray_quota_spec *spec, int64_t period, ray_quota_active *active)
{
    active->period = period;
    active->start_ns = start_of(spec, period);
    active->end_ns = start_of(spec, period + 1);
}

/* -- rolling over (private) -- */
uint64_t ray_quota_carry_max(const ray_quota_spec *spec)
{
    return ray_mul_div_floor(spec->limit_units, spec->rollover_bp, 10000);
}

/* One period ends: what is still reserved counts as used, old carry is spent first and expires, so
 * carry never compounds; overage becomes debt where the spec says so. Closing what has nothing left
 * to change does nothing. */
static uint32_t close_one(const ray_quota_spec *spec, ray_quota_active *active)
{
    ray_quota_active before = *active;
    uint64_t used = ray_add_capped(active->used_units, active->reserved_units);
    uint64_t room = ray_add_capped(spec->limit_units, active->carry_units);
    uint64_t beyond = used > active->carry_units ? used - active->carry_units : 0;
    uint64_t unused = spec->limit_units > beyond ? spec->limit_units - beyond : 0;
    uint64_t most = ray_quota_carry_max(spec);
    active->closed_units = used;
    if (used > active->peak_ever_units)
        active->peak_ever_units = used;
    active->reserved_units = 0;
    active->carry_units = unused < most ? unused : most;
    active->used_units = spec->carry_overage != 0 && used > room ? used - room : 0;
    return before.used_units != active->used_units || before.reserved_units != 0 ||
           before.carry_units != active->carry_units || before.closed_units != active->closed_units;
}

/* How many of the next `count` closings do nothing but pay one limit's worth of debt each. */
static uint64_t repayments(const ray_quota_spec *spec, const ray_quota_active *active,
                           uint64_t count)
{
    if (spec->carry_overage == 0 || spec->limit_units == 0 || active->carry_units != 0 ||
        active->reserved_units != 0 || active->used_units <= spec->limit_units)
        return 0;
    uint64_t paid = (active->used_units - 1) / spec->limit_units;
    return paid < count ? paid : count;
}

static void repay(const ray_quota_spec *spec, ray_quota_active *active, uint64_t count)
{
    active->used_units -= count * spec->limit_units;
    active->closed_units = active->used_units + spec->limit_units;
}

/* Closes `count` periods: at most a handful of steps, because after the debt is paid in one leap
 * three closings reach the state that no further closing changes. */
static void close_many(const ray_quota_spec *spec, ray_quota_active *active, uint64_t count)
{
    while (count > 0) {
        uint64_t paid = repayments(spec, active, count);
        if (paid > 0)
            repay(spec, active, paid);
        else if (close_one(spec, active) == 0)
            break;
        count -= paid > 0 ? paid : 1;
    }
    active->peak_units = active->used_units;
    active->admitted_count = 0;
    active->fired = 0;
}

static uint64_t *cell_of(ray_quota_active *active, int64_t step)
{
    int64_t at = step % RAY_QUOTA_CELLS; /* by a constant: no division on the way of a request */
    return &active->cell[at < 0 ? at + RAY_QUOTA_CELLS : at];
}

static int64_t span_of(int64_t step)
{
    return ray_floor_div(step, RAY_QUOTA_ROLLING_PARTS);
}

/* One step further: the oldest one gives its units back. Alerts and peaks of a rolling window
 * belong to spans of as many steps as the window has. */
static void slide_one(ray_quota_active *active, int64_t step)
{
    active->used_units -= *cell_of(active, step);
    *cell_of(active, step) = 0;
    if (span_of(step) == span_of(step - 1))
        return;
    active->closed_units = active->peak_units;
    active->peak_units = active->used_units;
    active->admitted_count = 0;
    active->fired = 0;
}

/* After three spans without a roll nothing of the old ones is left, not even the closed span's
 * peak. */
static void slide(ray_quota_active *active, int64_t from, int64_t to)
{
    if (span_of(to) - span_of(from) < 3) {
        for (int64_t step = from + 1; step <= to; step++)
            slide_one(active, step);
        return;
    }
    memset(active->cell, 0, sizeof active->cell);
    active->used_units = 0;
    active->closed_units = 0;
    active->peak_units = 0;
    active->admitted_count = 0;
    active->fired = 0;
}

/* -- instances -- */
void ray_quota_open(const ray_quota_row *row, int64_t wall_ns, ray_quota_active *active)
{
    memset(active, 0, sizeof *active);
    if (row->spec.reset == RAY_RESET_NEVER) {
        active->start_ns = row->born_ns < wall_ns ? row->born_ns : wall_ns;
        active->end_ns = FOREVER_NS;
        return;
    }
    place(&row->spec, period_of(&row->spec, wall_ns), active);
}

void ray_quota_roll(const ray_quota_spec *spec, int64_t wall_ns, ray_quota_active *active)
{
    if (wall_ns < active->end_ns)
        return;
    int64_t period = period_of(spec, wall_ns);
    if (spec->reset == RAY_RESET_ROLLING)
        slide(active, active->period, period);
    else
        close_many(spec, active, (uint64_t)(period - active->period));
    place(spec, period, active);
}

const ray_quota_active *ray_quota_view(const ray_quota_spec *spec, int64_t wall_ns,
                                       const ray_quota_active *active, ray_quota_active *scratch)
{
    if (wall_ns < active->end_ns)
        return active;
    *scratch = *active;
    ray_quota_roll(spec, wall_ns, scratch);
    return scratch;
}

uint32_t ray_quota_cell_add(ray_quota_active *active, int64_t step, uint64_t units)
{
    if (step > active->period || step < active->period - RAY_QUOTA_ROLLING_PARTS)
        return 0;
    uint64_t room = RAY_NEVER - active->used_units;
    uint64_t added = units < room ? units : room;
    *cell_of(active, step) += added;
    active->used_units += added;
    return 1;
}

uint32_t ray_quota_same_span(const ray_quota_active *active, int64_t step)
{
    return span_of(active->period) == span_of(step);
}

int64_t ray_quota_counts_from(const ray_quota_spec *spec, const ray_quota_active *active)
{
    if (spec->reset != RAY_RESET_ROLLING)
        return active->start_ns;
    return active->start_ns - RAY_QUOTA_ROLLING_PARTS * step_ns(spec);
}

/* -- hints -- */
static uint64_t until(int64_t wall_ns, int64_t at_ns)
{
    return at_ns == FOREVER_NS ? (uint64_t)RAY_NEVER : (uint64_t)at_ns - (uint64_t)wall_ns;
}

static uint32_t fits(const ray_quota_spec *spec, const ray_quota_active *active, uint64_t units)
{
    uint64_t held =
        ray_add_capped(ray_add_capped(active->used_units, active->reserved_units), units);
    return held <= ray_add_capped(spec->limit_units, active->carry_units);
}

/* Steps leave one by one; reservations are assumed to end by the time the whole window has passed.
 */
static uint64_t rolling_wait(const ray_quota_spec *spec, int64_t wall_ns,
                             const ray_quota_active *active, uint64_t units)
{
    ray_quota_active later = *active;
    int64_t last = active->period + RAY_QUOTA_CELLS;
    for (int64_t step = active->period + 1; step < last; step++) {
        slide_one(&later, step);
        if (fits(spec, &later, units))
            return until(wall_ns, start_of(spec, step));
    }
    return until(wall_ns, start_of(spec, last));
}

uint64_t ray_quota_wait(const ray_quota_spec *spec, int64_t wall_ns, const ray_quota_active *active,
                        uint64_t units)
{
    if (spec->reset == RAY_RESET_ROLLING)
        return rolling_wait(spec, wall_ns, active, units);
    if (spec->reset == RAY_RESET_NEVER)
        return RAY_NEVER;
    ray_quota_active later = *active;
    uint64_t ahead = 0;
    for (;;) {
        uint64_t paid = repayments(spec, &later, RAY_NEVER - ahead);
        if (paid > 0)
            repay(spec, &later, paid);
        else if (close_one(spec, &later) == 0)
            return RAY_NEVER;
        ahead = ray_add_capped(ahead, paid > 0 ? paid : 1);
        if (ahead > PERIODS_MAX)
            return RAY_NEVER;
        if (fits(spec, &later, units))
            return until(wall_ns, start_of(spec, active->period + (int64_t)ahead));
    }
}
