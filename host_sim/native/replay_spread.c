/* SPDX-License-Identifier: MIT */
/* replay_spread.c - rows that share a second (or another unit of a coarse clock) get times within
 * it, in the order they are in: evenly, or as the order statistics of uniform draws, which is what
 * a Poisson process is once its number of arrivals is known (Karlin and Taylor, A First Course in
 * Stochastic Processes, theorem 4.2.3). */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

/* More rows than this of one unit are spread in parts, so that no log can fill the memory. */
enum { GATHER_ROWS = 262144, GATHER_BYTES = 67108864 };

uint32_t ray_replay_spread_open(ray_replay_spread *spread, uint32_t how, uint64_t unit_ns,
                                uint64_t seed)
{
    memset(spread, 0, sizeof *spread);
    if (how == RAY_REPLAY_SPREAD_NONE || unit_ns < 2)
        return 1;
    spread->unit_ns = unit_ns;
    spread->how = how;
    spread->seed = seed;
    spread->offsets = malloc(GATHER_ROWS * sizeof *spread->offsets);
    return spread->offsets != NULL;
}

void ray_replay_spread_close(ray_replay_spread *spread)
{
    free(spread->held.rows);
    free(spread->held.bytes);
    free(spread->offsets);
}

uint64_t ray_replay_spread_drop(ray_replay_spread *spread)
{
    uint64_t held = spread->rest.count + (spread->left ? 0 : spread->held.row_count);

    spread->rest.count = spread->held.row_count = 0;
    return held;
}

/* splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* `count` offsets in [0, span_ns), in order. What is drawn depends on the seed and on when it is
 * for, on nothing that was drawn before. */
static void offsets_of(ray_replay_spread *spread, uint64_t from_ns, uint64_t span_ns,
                       uint32_t count)
{
    uint64_t state = spread->seed * 0x9e3779b97f4a7c15u ^ from_ns;

    for (uint32_t i = 0; i < count; i++)
        spread->offsets[i] =
            (uint64_t)(spread->how == RAY_REPLAY_SPREAD_EVEN
                           ? (unsigned __int128)i * span_ns / count
                           : (unsigned __int128)draw(&state) * span_ns >> 64);
    if (spread->how == RAY_REPLAY_SPREAD_POISSON)
        qsort(spread->offsets, count, sizeof *spread->offsets, by_size);
}

/* Gives the rows at hand their times. `whole`: they are all of their unit that is left; else they
 * get the first half of it. */
static void place(ray_replay_spread *spread, uint32_t whole, ray_replay_stats *stats)
{
    ray_row *rows = spread->held.rows;
    uint64_t begin_ns = rows->at_ns - rows->at_ns % spread->unit_ns;
    uint64_t from_ns = spread->free_ns > begin_ns ? spread->free_ns : begin_ns;
    uint64_t span_ns = begin_ns + spread->unit_ns - from_ns;

    if (!whole)
        span_ns /= 2;
    offsets_of(spread, from_ns, span_ns, spread->held.row_count);
    for (uint32_t i = 0; i < spread->held.row_count; i++)
        rows[i].at_ns = from_ns + spread->offsets[i];
    spread->free_ns = from_ns + span_ns;
    stats->spread_count += spread->held.row_count;
}

/* Is the next row of another unit than those at hand? */
static uint32_t is_other(const ray_replay_spread *spread)
{
    return spread->held.row_count
           && spread->rest.rows->at_ns / spread->unit_ns
                  != spread->held.rows->at_ns / spread->unit_ns;
}

uint32_t ray_replay_spread_next(ray_replay_spread *spread, ray_replay_sorter *sorter,
                                ray_reader *reader, ray_replay_stats *stats,
                                ray_replay_run_of_rows *out)
{
    ray_reader_block *held = &spread->held;
    uint32_t whole = 1;

    if (spread->left) {
        held->row_count = 0;
        held->bytes_length = 0;
        spread->left = 0;
    }
    for (;;) {
        const ray_row *row;
        if (spread->rest.count == 0
            && !ray_replay_sorter_next(sorter, reader, RAY_REPLAY_ROWS_MAX, stats,
                                       &spread->rest)) {
            if (sorter->failed || !ray_reader_done(reader) || held->row_count == 0)
                return 0;
            break;
        }
        if (is_other(spread))
            break;
        whole = held->row_count < GATHER_ROWS && held->bytes_length < GATHER_BYTES;
        if (!whole)
            break;
        row = spread->rest.rows;
        if (!ray_replay_block_grow(held, 1, RAY_READER_ROW_BYTES)) {
            sorter->failed = 1;
            return 0;
        }
        ray_replay_block_add(held, row, spread->rest.bytes);
        spread->rest.rows++;
        spread->rest.count--;
    }
    place(spread, whole, stats);
    spread->left = 1;
    *out = (ray_replay_run_of_rows){ held->rows, held->bytes, held->bytes_length, held->row_count,
                                     0 };
    return out->count;
}
