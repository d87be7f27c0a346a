/* SPDX-License-Identifier: MIT */
/* windows.c - the open second and minute of a row and the ones before. A window closes when the row
 * is next written; a reader closes it in its answer. */
#include "parts.h"

static const uint32_t p99_ppm = 990000;

static uint64_t p99_of(const ray_apimon_slot *row)
{
    uint64_t value = 0;
    ray_histogram_quantiles(&row->minute_head, row->minute_bucket, RAY_HISTOGRAM_WINDOW_BITS,
                            &p99_ppm, 1, &value);
    return value;
}

/* 1 when another period is open now. */
static uint32_t roll(ray_apimon_window *window, uint64_t index)
{
    if (index <= window->index)
        return 0;
    uint64_t kept = 0 - (uint64_t)(index - window->index == 1);   /* all bits, or none */
    window->last_count = window->count & kept;
    window->last_error_count = window->error_count & kept;
    window->count = window->error_count = 0;
    window->index = index;
    return 1;
}

void ray_apimon_roll(ray_apimon_slot *row, uint64_t now_ns)
{
    uint64_t was = row->minute.index, minute = now_ns / MINUTE_NS;
    (void)roll(&row->second, now_ns / SECOND_NS);
    if (roll(&row->minute, minute) == 0)
        return;
    row->last_p99_ns = minute - was == 1 ? p99_of(row) : 0;
    if (row->minute_head.count != 0)
        ray_histogram_clear(&row->minute_head, row->minute_bucket, RAY_HISTOGRAM_WINDOW_BITS);
}

void ray_apimon_rates_of(const ray_apimon_slot *row, uint64_t now_ns, ray_apimon_rates *out)
{
    ray_apimon_window second = row->second, minute = row->minute;
    uint64_t was = minute.index;
    (void)roll(&second, now_ns / SECOND_NS);
    uint32_t closed = roll(&minute, now_ns / MINUTE_NS);
    out->second_count = second.last_count;
    out->second_error_count = second.last_error_count;
    out->minute_count = minute.last_count;
    out->minute_error_count = minute.last_error_count;
    out->minute_p99_ns = closed == 0             ? row->last_p99_ns
                         : minute.index - was == 1 ? p99_of(row)
                                                   : 0;
}

void ray_apimon_gauges(const ray_apimon *apimon, uint64_t now_ns, uint32_t service,
                       uint64_t *errors_per_minute, uint64_t *latency_p99_ns)
{
    uint32_t place = ray_apimon_row_find(apimon, service);
    ray_apimon_rates rates;
    *errors_per_minute = *latency_p99_ns = 0;
    if (place == RAY_NONE)
        return;
    ray_apimon_rates_of(&apimon->tally.row[place], now_ns, &rates);
    *errors_per_minute = rates.minute_error_count;
    *latency_p99_ns = rates.minute_p99_ns;
}

/* -- folding -- */
static void window_add(ray_apimon_window *to, const ray_apimon_window *from)
{
    to->count += from->count;
    to->error_count += from->error_count;
    to->last_count += from->last_count;
    to->last_error_count += from->last_error_count;
}

static void counts_add(ray_apimon_counts *to, const ray_apimon_counts *from)
{
    /* Every field is a u64. */
    uint64_t sum[sizeof *to / 8], more[sizeof *to / 8];
    memcpy(sum, to, sizeof *to);
    memcpy(more, from, sizeof *from);
    for (uint32_t i = 0; i < sizeof *to / 8; i++)
        sum[i] += more[i];
    memcpy(to, sum, sizeof *to);
}

void ray_apimon_fold(ray_apimon_slot *to, ray_apimon_slot *from)
{
    uint64_t a = to->second.index, b = from->second.index, second = a > b ? a : b;
    ray_apimon_roll(to, second * SECOND_NS);
    ray_apimon_roll(from, second * SECOND_NS);
    counts_add(&to->counts, &from->counts);
    window_add(&to->second, &from->second);
    window_add(&to->minute, &from->minute);
    /* Of two closed minutes only the percentiles are left: the worse one. */
    if (from->last_p99_ns > to->last_p99_ns)
        to->last_p99_ns = from->last_p99_ns;
    ray_histogram_merge(&to->head, to->bucket, RAY_HISTOGRAM_SUB_BITS, &from->head, from->bucket);
    ray_histogram_merge(&to->minute_head, to->minute_bucket, RAY_HISTOGRAM_WINDOW_BITS,
                        &from->minute_head, from->minute_bucket);
    for (uint32_t kind = 0; kind < RAY_APIMON_DURATION_MAX; kind++) {
        for (uint32_t i = 0; i < RAY_HISTOGRAM_COARSE; i++)
            to->coarse[kind].bucket[i] += from->coarse[kind].bucket[i];
        to->coarse[kind].sum += from->coarse[kind].sum;
    }
}
