/* SPDX-License-Identifier: MIT */
/* read.c - every number as it is now; nothing here changes the state. */
#include "parts.h"

static uint32_t is_row(const ray_apimon *apimon, uint32_t place)
{
    return place < apimon->tally.row_count + RAY_APIMON_FIRST;
}

void ray_apimon_read(const ray_apimon *apimon, ray_apimon_stats *out)
{
    const ray_apimon_tally *tally = &apimon->tally;
    const ray_apimon_counts *all = &tally->row[RAY_APIMON_ALL].counts;
    memset(out, 0, sizeof *out);
    out->asked_count = all->started_count;
    out->granted_count = all->finished_count - all->governed_count;
    out->denied_count = all->governed_count;
    out->error_count = tally->error_count;
    out->errored_count = all->errored_count;
    out->inflight_count = ray_apimon_inflight(all);
    out->folded_count = tally->folded_count;
    out->edge_folded_count = tally->edge_folded_count;
    out->sample_count = tally->recent_count;
    out->reset_count = apimon->book.reset_count;
    out->service_count = tally->row_count;
    out->edge_count = tally->edge_count;
}

ray_status ray_apimon_find(const ray_apimon *apimon, uint32_t service, uint32_t *place)
{
    uint32_t found = ray_apimon_row_find(apimon, service);
    if (found == RAY_NONE)
        return RAY_E_UNKNOWN;
    *place = found;
    return RAY_OK;
}

ray_status ray_apimon_row(const ray_apimon *apimon, uint32_t place, uint32_t *service,
                          ray_apimon_counts *out)
{
    if (!is_row(apimon, place))
        return RAY_E_RANGE;
    *service = place < RAY_APIMON_FIRST ? (uint32_t)RAY_NONE : apimon->tally.row[place].service;
    *out = apimon->tally.row[place].counts;
    return RAY_OK;
}

ray_status ray_apimon_rates_read(const ray_apimon *apimon, uint64_t now_ns, uint32_t place,
                                 ray_apimon_rates *out)
{
    if (!is_row(apimon, place))
        return RAY_E_RANGE;
    ray_apimon_rates_of(&apimon->tally.row[place], now_ns, out);
    return RAY_OK;
}

ray_status ray_apimon_quantiles(const ray_apimon *apimon, uint32_t place, const uint32_t *ppm,
                                uint32_t n, uint64_t *out, uint64_t *count)
{
    if (!is_row(apimon, place))
        return RAY_E_RANGE;
    for (uint32_t i = 0; i < n; i++)
        if (ppm[i] > 1000000)
            return RAY_E_RANGE;
    const ray_apimon_slot *row = &apimon->tally.row[place];
    ray_histogram_quantiles(&row->head, row->bucket, RAY_HISTOGRAM_SUB_BITS, ppm, n, out);
    for (uint32_t i = 0; i < n; i++) {
        if (ppm[i] == 0)
            out[i] = row->head.min;
        if (ppm[i] == 1000000)
            out[i] = row->head.max;
    }
    *count = row->head.count;
    return RAY_OK;
}

ray_status ray_apimon_bucket(const ray_apimon *apimon, uint32_t place, uint32_t duration,
                             uint32_t index, uint64_t *high_ns, uint64_t *count)
{
    if (!is_row(apimon, place) || duration >= RAY_APIMON_DURATION_MAX ||
        index >= RAY_HISTOGRAM_COARSE)
        return RAY_E_RANGE;
    *count = 0;
    for (uint32_t i = 0; i <= index; i++)
        *count += apimon->tally.row[place].coarse[duration].bucket[i];
    *high_ns = ray_histogram_coarse_high(index);
    return RAY_OK;
}

uint32_t ray_apimon_samples(const ray_apimon *apimon, uint32_t place, uint64_t *out)
{
    if (!is_row(apimon, place))
        return 0;
    const ray_apimon_slot *row = &apimon->tally.row[place];
    uint64_t most = RAY_APIMON_SAMPLE_EACH;
    uint64_t count = row->sample_count < most ? row->sample_count : most;
    for (uint64_t i = 0; i < count; i++)
        out[i] = row->sample[(row->sample_count - count + i) % most];
    return (uint32_t)count;
}

ray_status ray_apimon_recent(const ray_apimon *apimon, uint32_t index, ray_apimon_sample *out)
{
    uint64_t all = apimon->tally.recent_count, most = RAY_APIMON_RECENT_MAX;
    uint64_t count = all < most ? all : most;
    if (index >= count)
        return RAY_E_RANGE;
    *out = apimon->tally.recent[(all - count + index) % most];
    return RAY_OK;
}
