/* SPDX-License-Identifier: MIT */
/* replay_merge.c - several logs as one: each is put in order on its own, then the earliest row of
 * all is next. A heap of the logs' first rows finds it; of a log that is ahead alone whole runs
 * leave at once. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

/* -- life -- */

uint32_t ray_replay_merge_open(ray_replay_merge *merge, const ray_replay_spec *spec)
{
    ray_replay_input alone = { spec->reader, 0 };
    const ray_replay_input *inputs = spec->input_count ? spec->inputs : &alone;
    uint32_t count = spec->input_count ? spec->input_count : 1;

    memset(merge, 0, sizeof *merge);
    if (count > RAY_REPLAY_SOURCE_MAX || spec->spread > RAY_REPLAY_SPREAD_POISSON)
        return 0;
    merge->sources = calloc(count, sizeof *merge->sources);
    merge->heap = calloc(count, sizeof *merge->heap);
    merge->waiting = calloc(count, sizeof *merge->waiting);
    if (!merge->sources || !merge->heap || !merge->waiting)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        ray_replay_source *source = &merge->sources[merge->source_count++];
        source->reader = inputs[i].reader;
        merge->waiting[merge->waiting_count++] = count - 1 - i;
        if (!ray_replay_sorter_open(&source->sorter, spec->order, spec->window_rows, count)
            || !ray_replay_spread_open(&source->spread, spec->spread, inputs[i].unit_ns,
                                       spec->spread_seed + i))
            return 0;
    }
    return 1;
}

void ray_replay_merge_close(ray_replay_merge *merge)
{
    for (uint32_t i = 0; i < merge->source_count; i++) {
        ray_replay_sorter_close(&merge->sources[i].sorter);
        ray_replay_spread_close(&merge->sources[i].spread);
    }
    free(merge->sources);
    free(merge->heap);
    free(merge->waiting);
}

uint64_t ray_replay_merge_drop(ray_replay_merge *merge)
{
    uint64_t dropped = 0;

    for (uint32_t i = 0; i < merge->source_count; i++) {
        ray_replay_source *source = &merge->sources[i];
        /* Rows of a run that came from `held` of the spread are counted there. */
        dropped += ray_replay_sorter_drop(&source->sorter)
                   + ray_replay_spread_drop(&source->spread) + source->run.count;
        source->run.count = 0;
    }
    merge->heap_count = merge->waiting_count = 0;
    return dropped;
}

/* -- the heap -- */

/* Is the next row of source `a` before the one of `b`? Of the same time the earlier log's is. */
static uint32_t before(const ray_replay_merge *merge, uint32_t a, uint32_t b)
{
    uint64_t a_ns = merge->sources[a].run.rows->at_ns;
    uint64_t b_ns = merge->sources[b].run.rows->at_ns;

    return a_ns < b_ns || (a_ns == b_ns && a < b);
}

static void sift_down(ray_replay_merge *merge)
{
    uint32_t *heap = merge->heap;
    uint32_t place = 0;

    for (;;) {
        uint32_t child = 2 * place + 1;
        uint32_t swap = heap[place];
        if (child + 1 < merge->heap_count && before(merge, heap[child + 1], heap[child]))
            child++;
        if (child >= merge->heap_count || !before(merge, heap[child], heap[place]))
            return;
        heap[place] = heap[child];
        heap[child] = swap;
        place = child;
    }
}

static void push(ray_replay_merge *merge, uint32_t source)
{
    uint32_t *heap = merge->heap;
    uint32_t place = merge->heap_count++;

    for (; place && before(merge, source, heap[(place - 1) / 2]); place = (place - 1) / 2)
        heap[place] = heap[(place - 1) / 2];
    heap[place] = source;
}

/* The source whose row is next but for the first one's; RAY_NONE when there is none. */
static uint32_t second(const ray_replay_merge *merge)
{
    const uint32_t *heap = merge->heap;

    if (merge->heap_count < 2)
        return RAY_NONE;
    return merge->heap_count > 2 && before(merge, heap[2], heap[1]) ? heap[2] : heap[1];
}

/* -- rows -- */

/* Gets rows of every source that has none. 0 when one needs input, or memory ran out. */
static uint32_t ask_waiting(ray_replay_merge *merge, ray_replay_stats *stats)
{
    while (merge->waiting_count) {
        uint32_t place = merge->waiting[merge->waiting_count - 1];
        ray_replay_source *source = &merge->sources[place];
        uint32_t got;
        if (source->spread.unit_ns)
            got = ray_replay_spread_next(&source->spread, &source->sorter, source->reader, stats,
                                         &source->run);
        else
            got = ray_replay_sorter_next(&source->sorter, source->reader, RAY_REPLAY_ROWS_MAX,
                                         stats, &source->run);
        merge->failed |= source->sorter.failed;
        if (!got && (merge->failed || !ray_reader_done(source->reader)))
            return 0;
        merge->waiting_count--;
        if (got)
            push(merge, place);
    }
    return 1;
}

/* How many rows of the first source are before the next one's first. */
static uint32_t ahead(const ray_replay_merge *merge, uint32_t most)
{
    uint32_t first = merge->heap[0];
    uint32_t other = second(merge);
    const ray_row *rows = merge->sources[first].run.rows;
    uint64_t until_ns;
    uint32_t count = 1;

    if (other == RAY_NONE)
        return most;
    until_ns = merge->sources[other].run.rows->at_ns;
    if (rows[most - 1].at_ns < until_ns)
        return most;
    while (count < most
           && (rows[count].at_ns < until_ns || (first < other && rows[count].at_ns == until_ns)))
        count++;
    return count;
}

uint32_t ray_replay_merge_next(ray_replay_merge *merge, uint32_t most, ray_replay_stats *stats,
                               ray_replay_run_of_rows *out)
{
    ray_replay_source *source;

    out->count = 0;
    if (!ask_waiting(merge, stats) || merge->heap_count == 0)
        return 0;
    source = &merge->sources[merge->heap[0]];
    *out = source->run;
    out->count = ahead(merge, source->run.count < most ? source->run.count : most);
    source->run.rows += out->count;
    source->run.count -= out->count;
    if (source->run.count == 0) {
        merge->waiting[merge->waiting_count++] = merge->heap[0];
        merge->heap[0] = merge->heap[--merge->heap_count];
    }
    if (merge->heap_count > 1)
        sift_down(merge);
    return out->count;
}

uint32_t ray_replay_merge_wants(const ray_replay_merge *merge)
{
    return merge->waiting_count ? merge->waiting[merge->waiting_count - 1] : 0;
}

uint32_t ray_replay_merge_done(const ray_replay_merge *merge)
{
    return merge->heap_count == 0 && merge->waiting_count == 0;
}
