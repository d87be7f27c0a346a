/* SPDX-License-Identifier: MIT */
/* valid.c - what must hold between events. 1 a row's ends, 2 its histograms, 3 the rows' sum, 4 the
 * edges' sum, 5 chains, 6 places nobody uses, 7 samples. */
#include "parts.h"

static uint32_t ends_hold(const ray_apimon_counts *counts)
{
    uint64_t errors = 0;
    for (uint32_t type = 0; type < RAY_ERROR_TYPE_MAX; type++)
        errors += counts->error_count[type];
    return errors == counts->errored_count && counts->governed_count <= counts->finished_count &&
           counts->cancelled_count <= counts->error_count[RAY_ERROR_CLIENT] &&
           counts->finished_count + counts->errored_count <= counts->started_count &&
           counts->refused_count <= counts->started_count;
}

static uint32_t row_holds(const ray_apimon_slot *row)
{
    for (uint32_t kind = 0; kind < RAY_APIMON_DURATION_MAX; kind++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < RAY_HISTOGRAM_COARSE; i++)
            sum += row->coarse[kind].bucket[i];
        if (sum != row->counts.timed_count)
            return 0;
    }
    return row->head.count <= row->counts.timed_count &&
           row->sample_count <= row->counts.timed_count &&
           ray_histogram_valid(&row->head, row->bucket, RAY_HISTOGRAM_SUB_BITS) &&
           ray_histogram_valid(&row->minute_head, row->minute_bucket, RAY_HISTOGRAM_WINDOW_BITS);
}

static uint32_t sums_hold(const ray_apimon_tally *tally)
{
    enum { FIELDS = sizeof(ray_apimon_counts) / 8 };
    uint64_t all[FIELDS], row[FIELDS], sum[FIELDS] = {0};
    memcpy(all, &tally->row[RAY_APIMON_ALL].counts, sizeof all);
    for (uint32_t place = RAY_APIMON_OTHER; place < tally->row_count + RAY_APIMON_FIRST; place++) {
        memcpy(row, &tally->row[place].counts, sizeof row);
        for (uint32_t i = 0; i < FIELDS; i++)
            sum[i] += row[i];
    }
    return ray_same(all, sum, sizeof all);
}

static uint32_t edges_hold(const ray_apimon_tally *tally)
{
    const ray_apimon_counts *all = &tally->row[RAY_APIMON_ALL].counts;
    uint64_t ended = 0, failed = 0, latency = 0;
    for (uint32_t i = 0; i <= tally->edge_count; i++) {
        ended += tally->edge[i].edge.ended_count;
        failed += tally->edge[i].edge.error_count;
        latency += tally->edge[i].edge.latency_ns;
    }
    return ended == all->finished_count + all->errored_count && failed == all->errored_count &&
           latency == all->latency_ns;
}

static uint32_t chains_hold(const ray_apimon *apimon)
{
    const ray_apimon_tally *tally = &apimon->tally;
    uint32_t rows = 0, cells = 0;
    for (uint32_t i = 0; i < RAY_APIMON_SERVICE_MAX; i++)
        for (uint32_t at = tally->row_bucket[i]; at != 0; at = tally->row[at - 1].next) {
            if (at <= RAY_APIMON_FIRST || at > tally->row_count + RAY_APIMON_FIRST ||
                ray_apimon_row_bucket(apimon, tally->row[at - 1].service) != i ||
                ++rows > tally->row_count)
                return 0;
        }
    for (uint32_t i = 0; i < RAY_APIMON_EDGE_MAX; i++)
        for (uint32_t at = tally->edge_bucket[i]; at != 0; at = tally->edge[at - 1].next) {
            if (at < 2 || at > tally->edge_count + 1)
                return 0;
            const ray_apimon_edge *edge = &tally->edge[at - 1].edge;
            if (ray_apimon_edge_bucket(apimon, edge->caller, edge->service) != i ||
                ++cells > tally->edge_count)
                return 0;
        }
    return rows == tally->row_count && cells == tally->edge_count;
}

static uint32_t samples_hold(const ray_apimon_tally *tally)
{
    if (tally->recent_count > tally->row[RAY_APIMON_ALL].counts.timed_count)
        return 0;
    for (uint32_t i = 0; i < RAY_APIMON_RECENT_MAX; i++)
        if (tally->recent[i].reserved != 0 || tally->recent[i].type > RAY_ERROR_NONE)
            return 0;
    return 1;
}

uint32_t ray_apimon_valid(const ray_apimon *apimon)
{
    const ray_apimon_tally *tally = &apimon->tally;
    if (tally->row_count > RAY_APIMON_SERVICE_MAX || tally->edge_count > RAY_APIMON_EDGE_MAX)
        return 6;
    for (uint32_t place = 0; place < RAY_APIMON_ROWS; place++) {
        const ray_apimon_slot *row = &tally->row[place];
        if (place >= tally->row_count + RAY_APIMON_FIRST) {
            if (!ray_is_zero(row, sizeof *row))
                return 6;
            continue;
        }
        if (!ends_hold(&row->counts))
            return 1;
        if (!row_holds(row))
            return 2;
    }
    if (!sums_hold(tally))
        return 3;
    if (!edges_hold(tally))
        return 4;
    if (!chains_hold(apimon))
        return 5;
    return samples_hold(tally) ? 0 : 7;
}
