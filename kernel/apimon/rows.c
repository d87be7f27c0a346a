/* SPDX-License-Identifier: MIT */
/* rows.c - which row is whose. Chains run over the slot of the handle, so that a new generation
 * meets the row of the old one and sends it to `other`. */
#include "parts.h"

uint32_t ray_apimon_row_bucket(const ray_apimon *apimon, uint32_t service)
{
    uint64_t multiplier = (apimon->config.multiplier ^ 0x9e3779b97f4a7c15ULL) | 1;
    uint64_t hash = ((uint64_t)(service & RAY_APIMON_SLOT_MASK) + 1) * multiplier;
    return (uint32_t)(hash >> 32) & (RAY_APIMON_SERVICE_MAX - 1);
}

static uint32_t same_slot(const ray_apimon *apimon, uint32_t service)
{
    const ray_apimon_tally *tally = &apimon->tally;
    uint32_t at = tally->row_bucket[ray_apimon_row_bucket(apimon, service)];
    for (; at != 0; at = tally->row[at - 1].next)
        if (((tally->row[at - 1].service ^ service) & RAY_APIMON_SLOT_MASK) == 0)
            return at - 1;
    return RAY_NONE;
}

uint32_t ray_apimon_row_find(const ray_apimon *apimon, uint32_t service)
{
    uint32_t place = service == RAY_NONE ? RAY_NONE : same_slot(apimon, service);
    return place != RAY_NONE && apimon->tally.row[place].service == service ? place : RAY_NONE;
}

static void link_row(ray_apimon *apimon, uint32_t place)
{
    ray_apimon_slot *row = &apimon->tally.row[place];
    uint32_t *first = &apimon->tally.row_bucket[ray_apimon_row_bucket(apimon, row->service)];
    row->next = *first;
    *first = place + 1;
}

uint32_t ray_apimon_row_take(ray_apimon *apimon, uint32_t service)
{
    ray_apimon_tally *tally = &apimon->tally;
    if (service == RAY_NONE)
        return RAY_APIMON_OTHER;
    uint32_t place = same_slot(apimon, service);
    if (place != RAY_NONE) {
        ray_apimon_slot *row = &tally->row[place];
        uint32_t next = row->next;
        if (row->service == service)
            return place;
        if (row->service > service)
            return RAY_APIMON_OTHER; /* it is gone already */
        ray_apimon_fold(&tally->row[RAY_APIMON_OTHER], row);
        memset(row, 0, sizeof *row);
        row->service = service;
        row->next = next;
        return place;
    }
    if (tally->row_count == RAY_APIMON_SERVICE_MAX)
        return RAY_APIMON_OTHER;
    place = RAY_APIMON_FIRST + tally->row_count++;
    tally->row[place].service = service;
    link_row(apimon, place);
    return place;
}

/* -- moving -- */
/* Where a handle is after its names moved; RAY_NONE when its name is gone. */
static uint32_t follow(const ray_names *before, const ray_names *after, uint32_t handle)
{
    uint64_t slot = handle & RAY_APIMON_SLOT_MASK;
    const uint8_t *name = before->at + slot * before->stride;
    if (handle == RAY_NONE || slot >= before->count || name[0] == 0)
        return RAY_NONE;
    for (uint32_t i = 0; i < after->count; i++)
        if (ray_same(name, after->at + i * after->stride, RAY_NAME_BYTES))
            return i;
    return RAY_NONE;
}

/* Edges are told anew: two may be one now, one may be of nobody. */
static void edges_move(ray_apimon *apimon, const ray_names *before, const ray_names *after,
                       uint32_t of_service)
{
    ray_apimon_tally *tally = &apimon->tally;
    uint32_t count = tally->edge_count;
    tally->edge_count = 0;
    memset(tally->edge_bucket, 0, sizeof tally->edge_bucket);
    for (uint32_t i = 1; i <= count; i++) {
        ray_apimon_edge edge = tally->edge[i].edge;
        uint32_t *id = of_service ? &edge.service : &edge.caller;
        uint32_t was = *id;
        memset(&tally->edge[i], 0, sizeof tally->edge[i]);
        *id = follow(before, after, was);
        if (*id == RAY_NONE && was != RAY_NONE) {
            tally->edge[0].edge.ended_count += edge.ended_count;
            tally->edge[0].edge.error_count += edge.error_count;
            tally->edge[0].edge.latency_ns += edge.latency_ns;
        } else {
            ray_apimon_edge_add(apimon, &edge);
        }
    }
}

void ray_apimon_services_move(ray_apimon *apimon, const ray_names *before, const ray_names *after)
{
    ray_apimon_tally *tally = &apimon->tally;
    uint32_t kept = RAY_APIMON_FIRST, end = RAY_APIMON_FIRST + tally->row_count;
    memset(tally->row_bucket, 0, sizeof tally->row_bucket);
    for (uint32_t place = RAY_APIMON_FIRST; place < end; place++) {
        ray_apimon_slot *row = &tally->row[place];
        uint32_t service = follow(before, after, row->service);
        if (service == RAY_NONE) {
            ray_apimon_fold(&tally->row[RAY_APIMON_OTHER], row);
        } else {
            if (kept != place)
                memcpy(&tally->row[kept], row, sizeof *row);
            tally->row[kept].service = service;
            link_row(apimon, kept++);
        }
        if (service == RAY_NONE || kept - 1 != place)
            memset(row, 0, sizeof *row);
    }
    tally->row_count = kept - RAY_APIMON_FIRST;
    edges_move(apimon, before, after, 1);
    uint64_t samples = tally->recent_count < RAY_APIMON_RECENT_MAX ? tally->recent_count
                                                                   : RAY_APIMON_RECENT_MAX;
    for (uint64_t i = 0; i < samples; i++)
        tally->recent[i].service = follow(before, after, tally->recent[i].service);
}

void ray_apimon_tenants_move(ray_apimon *apimon, const ray_names *before, const ray_names *after)
{
    edges_move(apimon, before, after, 0);
}
