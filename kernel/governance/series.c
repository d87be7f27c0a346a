/* SPDX-License-Identifier: MIT */
/* series.c - rings of seconds, minutes and hours. A step adds to the open second only; when a
 * second ends, its window is added to the open minute, and a minute that ends to the open hour: so
 * a parent is the sum of its children, and a gap of any length costs one ring. */
#include "parts.h"

uint32_t ray_governance_grain_length(uint32_t grain)
{
    return grain < RAY_GOV_GRAINS ? ray_gov_ring_length(grain) : 0;
}

/* -- rolling -- */
static ray_window *window_at(ray_series *series, uint32_t grain, uint64_t index)
{
    return &series->window[ray_gov_ring_first(grain) + index % ray_gov_ring_length(grain)];
}

static void add(ray_window *to, const ray_window *from)
{
    to->count += from->count;
    to->amount += from->amount;
}

/* Empties the windows after `from` up to `to`, at most the whole ring. */
static void clear_between(ray_series *series, uint32_t grain, uint64_t from, uint64_t to)
{
    uint64_t length = ray_gov_ring_length(grain);
    uint64_t first = to - from > length ? to - length + 1 : from + 1;
    for (uint64_t index = first; index <= to; index++)
        *window_at(series, grain, index) = (ray_window){0, 0};
}

/* Empties the seconds after the open one up to `second`, at most the whole ring, and opens that. */
static void open_second(ray_series *series, uint64_t second)
{
    uint64_t gap = second - series->second;
    uint32_t place = series->place;
    if (gap >= RAY_SERIES_SECOND_MAX) {
        memset(series->window, 0, RAY_SERIES_SECOND_MAX * sizeof series->window[0]);
        place = (uint32_t)(second % RAY_SERIES_SECOND_MAX);
    } else {
        for (; gap > 0; gap--) {
            place = place + 1 == RAY_SERIES_SECOND_MAX ? 0 : place + 1;
            series->window[place] = (ray_window){0, 0};
        }
    }
    series->second = second;
    series->place = (uint16_t)place;
}

void ray_gov_series_roll(ray_series *series, uint64_t second)
{
    uint64_t was = series->second;
    uint64_t minute = was / SECONDS_OF_MINUTE;
    if (second <= was)
        return;
    add(window_at(series, RAY_GRAIN_MINUTE, minute), &series->window[series->place]);
    open_second(series, second);
    if (second - minute * SECONDS_OF_MINUTE < SECONDS_OF_MINUTE)
        return;
    uint64_t new_minute = second / SECONDS_OF_MINUTE;
    uint64_t hour = was / SECONDS_OF_HOUR, new_hour = second / SECONDS_OF_HOUR;
    add(window_at(series, RAY_GRAIN_HOUR, hour), window_at(series, RAY_GRAIN_MINUTE, minute));
    clear_between(series, RAY_GRAIN_MINUTE, minute, new_minute);
    if (new_hour != hour)
        clear_between(series, RAY_GRAIN_HOUR, hour, new_hour);
}

/* -- adding -- */
/* The series of a pair's metric, made when there is room; else the metric's `other`. */
static __attribute__((noinline)) uint32_t series_take(ray_governance_tally *tally, ray_pair *pair,
                                                      uint32_t metric)
{
    if (tally->series_count == RAY_SERIES_MAX - RAY_SERIES_METRIC_MAX)
        return metric;
    uint32_t place = RAY_SERIES_METRIC_MAX + tally->series_count++;
    ray_series *series = &tally->series[place];
    memset(series, 0, sizeof *series);
    series->pair = (uint32_t)(pair - tally->pair);
    series->metric = (uint16_t)metric;
    series->second = tally->second;
    series->place = (uint16_t)(tally->second % RAY_SERIES_SECOND_MAX);
    pair->series[metric] = place + 1;
    return place;
}

void ray_gov_series_add_slow(ray_governance_tally *tally, ray_pair *pair, uint32_t metric,
                             uint64_t count, uint64_t amount)
{
    uint32_t place = metric;
    if (pair != 0)
        place = pair->series[metric] != 0 ? pair->series[metric] - 1
                                          : series_take(tally, pair, metric);
    ray_series *series = &tally->series[place];
    RAY_KEEP(series);
    if (series->second != tally->second)
        ray_gov_series_roll(series, tally->second);
    ray_window *window = &series->window[series->place];
    window->count += count;
    window->amount += amount;
}

/* -- reading -- */
void ray_gov_window_read(const ray_series *series, uint32_t grain, uint64_t index, ray_window *out)
{
    uint64_t open = series->second / ray_gov_grain_seconds(grain);
    uint64_t length = ray_gov_ring_length(grain);
    if (index > open || open - index >= length)
        return;
    add(out, &series->window[ray_gov_ring_first(grain) + index % length]);
    if (index != open || grain == RAY_GRAIN_SECOND)
        return;
    add(out, &series->window[series->place]);
    if (grain == RAY_GRAIN_HOUR)
        add(out, &series->window[RAY_GOV_MINUTE_FIRST +
                                 series->second / SECONDS_OF_MINUTE % RAY_SERIES_MINUTE_MAX]);
}

static uint32_t is_asked(const ray_governance_tally *tally, const ray_series *series,
                         const ray_series_query *query)
{
    if (series->metric != query->metric)
        return 0;
    if (query->service == RAY_NONE && query->tenant == RAY_NONE)
        return 1;
    if (series->pair == RAY_NONE)
        return 0;
    const ray_pair *pair = &tally->pair[series->pair];
    return (query->service == RAY_NONE || pair->service == query->service) &&
           (query->tenant == RAY_NONE || pair->tenant == query->tenant);
}

uint32_t ray_governance_timeline(const ray_governance *governance, uint64_t now_ns,
                                 const ray_series_query *query, ray_series_window *out)
{
    const ray_governance_tally *tally = &governance->tally;
    if (query->metric >= RAY_SERIES_METRIC_MAX || query->grain >= RAY_GOV_GRAINS)
        return 0;
    uint64_t seconds = ray_gov_grain_seconds(query->grain);
    uint64_t open = now_ns / SECOND_NS / seconds;
    uint64_t length = ray_gov_ring_length(query->grain);
    uint64_t first = open >= length ? open - length + 1 : 0;
    uint32_t count = (uint32_t)(open - first + 1);
    for (uint32_t i = 0; i < count; i++)
        out[i] = (ray_series_window){(first + i) * seconds * SECOND_NS, 0, 0};
    for (uint32_t place = 0; place < RAY_SERIES_METRIC_MAX + tally->series_count; place++) {
        const ray_series *series = &tally->series[place];
        ray_series_query whose = *query;
        if (place < RAY_SERIES_METRIC_MAX
                ? place != query->metric || whose.service != RAY_NONE || whose.tenant != RAY_NONE
                : is_asked(tally, series, query) == 0)
            continue;
        for (uint32_t i = 0; i < count; i++) {
            ray_window window = {out[i].count, out[i].amount};
            ray_gov_window_read(series, query->grain, first + i, &window);
            out[i].count = window.count;
            out[i].amount = window.amount;
        }
    }
    return count;
}
