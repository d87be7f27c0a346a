/* SPDX-License-Identifier: MIT */
/* edges.c - who called what: a cell for each of the first pairs, the first cell for all others. */
#include "parts.h"

uint32_t ray_apimon_edge_bucket(const ray_apimon *apimon, uint32_t caller, uint32_t service)
{
    uint64_t multiplier = (apimon->config.multiplier ^ 0x9e3779b97f4a7c15ULL) | 1;
    uint64_t hash = ((uint64_t)service + 1) * multiplier +
                    ((uint64_t)caller + 1) * (multiplier << 1 ^ 0xff51afd7ed558ccdULL);
    return (uint32_t)(hash >> 32) & (RAY_APIMON_EDGE_MAX - 1);
}

static ray_apimon_cell *cell_of(ray_apimon *apimon, uint32_t caller, uint32_t service)
{
    ray_apimon_tally *tally = &apimon->tally;
    uint32_t *first = &tally->edge_bucket[ray_apimon_edge_bucket(apimon, caller, service)];
    for (uint32_t at = *first; at != 0; at = tally->edge[at - 1].next) {
        ray_apimon_cell *cell = &tally->edge[at - 1];
        RAY_KEEP(cell);
        if (cell->edge.caller == caller && cell->edge.service == service)
            return cell;
    }
    if (tally->edge_count == RAY_APIMON_EDGE_MAX) {
        tally->edge_folded_count++;
        return &tally->edge[0];
    }
    ray_apimon_cell *cell = &tally->edge[++tally->edge_count];
    cell->edge.caller = caller;
    cell->edge.service = service;
    cell->next = *first;
    *first = tally->edge_count + 1;
    return cell;
}

void ray_apimon_edge_add(ray_apimon *apimon, const ray_apimon_edge *more)
{
    ray_apimon_cell *cell = cell_of(apimon, more->caller, more->service);
    cell->edge.ended_count += more->ended_count;
    cell->edge.error_count += more->error_count;
    cell->edge.latency_ns += more->latency_ns;
}

ray_status ray_apimon_edge_read(const ray_apimon *apimon, uint32_t index, ray_apimon_edge *out)
{
    if (index > apimon->tally.edge_count)
        return RAY_E_RANGE;
    *out = apimon->tally.edge[index].edge;
    if (index == 0)
        out->caller = out->service = RAY_NONE;
    return RAY_OK;
}
