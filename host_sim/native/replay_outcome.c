/* SPDX-License-Identifier: MIT */
/* replay_outcome.c - the outcomes still to come of requests with a duration: a heap by time, ties
 * by id. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

static uint32_t before(const ray_replay_outcome *a, const ray_replay_outcome *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->id < b->id;
}

uint32_t ray_replay_outcome_add(ray_replay_outcomes *outcomes, const ray_row *row)
{
    ray_replay_outcome made = {
        .at_ns = row->at_ns + row->duration_ns,
        .id = row->id,
        .response_bytes = row->response_bytes,
        .compute_units = row->compute_units,
        .custom_units = row->custom_units,
        .duration_ns = row->duration_ns,
        .http_status = row->http_status,
    };
    uint32_t i = outcomes->count;

    if (outcomes->count == RAY_REPLAY_HELD_MAX)
        return 0;
    if (made.at_ns < row->at_ns)
        made.at_ns = UINT64_MAX - 1;
    if (outcomes->count == outcomes->capacity) {
        uint32_t capacity = outcomes->capacity ? outcomes->capacity * 2 : 1024;
        ray_replay_outcome *at = realloc(outcomes->at, capacity * sizeof *at);
        if (!at)
            return 0;
        outcomes->at = at;
        outcomes->capacity = capacity;
    }
    outcomes->count++;
    for (; i > 0 && before(&made, &outcomes->at[(i - 1) / 2]); i = (i - 1) / 2)
        outcomes->at[i] = outcomes->at[(i - 1) / 2];
    outcomes->at[i] = made;
    return 1;
}

void ray_replay_outcome_take(ray_replay_outcomes *outcomes, ray_row *row)
{
    ray_replay_outcome first = outcomes->at[0];
    ray_replay_outcome last = outcomes->at[--outcomes->count];
    uint32_t i = 0;

    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= outcomes->count)
            break;
        if (child + 1 < outcomes->count && before(&outcomes->at[child + 1], &outcomes->at[child]))
            child++;
        if (!before(&outcomes->at[child], &last))
            break;
        outcomes->at[i] = outcomes->at[child];
        i = child;
    }
    if (outcomes->count)
        outcomes->at[i] = last;
    memset(row, 0, sizeof *row);
    row->at_ns = first.at_ns;
    row->id = first.id;
    row->response_bytes = first.response_bytes;
    row->compute_units = first.compute_units;
    row->custom_units = first.custom_units;
    row->duration_ns = first.duration_ns;
    row->http_status = (uint16_t)first.http_status;
    row->tenant = RAY_NONE;
    row->service = RAY_NONE;
    row->kind = RAY_ROW_COMPLETE;
    row->flags = RAY_ROW_QUIET;
}
