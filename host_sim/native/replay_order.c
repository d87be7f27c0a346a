/* SPDX-License-Identifier: MIT */
/* replay_order.c - rows in time order: sorted within a window, clamped, or left out. A log that is
 * in order already costs one comparison a row. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

/* A window is full at WINDOW_BYTES of text too, so that long targets cannot make it large; an
 * unbounded one never is. Logs that are read at once share both, but each has SHARE_ROWS_MIN. */
enum {
    STREAM_ROWS = 1024,
    FIRST_ROWS = 1024,
    FIRST_BYTES = 262144,
    WINDOW_BYTES = 134217728,
    SHARE_ROWS_MIN = 1024
};
/* A log that outgrows its first block gets room for a whole window at once, up to this many rows:
 * what is not used costs nothing, and growing would copy. */
enum { RESERVED_ROWS = 1048576, RESERVED_ROW_BYTES = 64 };

/* Grows `fresh` from its first block to a window. */
static uint32_t reserve_window(ray_replay_sorter *sorter)
{
    ray_reader_block *fresh = &sorter->fresh;
    uint64_t bytes = (uint64_t)sorter->window_rows * RESERVED_ROW_BYTES;

    if (!ray_replay_block_grow(fresh, sorter->window_rows - fresh->row_count,
                               bytes > fresh->bytes_capacity ? bytes - fresh->bytes_length : 0))
        return 0;
    ray_replay_block_enlarge(fresh);
    return 1;
}

/* -- opening -- */

/* A log's part of a window of rows. */
static uint32_t part_of(uint32_t window_rows, uint32_t share)
{
    uint32_t part = window_rows / share;

    return part >= SHARE_ROWS_MIN         ? part
           : window_rows < SHARE_ROWS_MIN ? window_rows
                                          : (uint32_t)SHARE_ROWS_MIN;
}

uint32_t ray_replay_sorter_open(ray_replay_sorter *sorter, uint32_t order, uint32_t window_rows,
                                uint32_t share)
{
    memset(sorter, 0, sizeof *sorter);
    sorter->order = order;
    sorter->window_rows = order != RAY_REPLAY_SORT ? STREAM_ROWS
                          : window_rows            ? part_of(window_rows, share)
                                                   : UINT32_MAX;
    sorter->window_bytes = WINDOW_BYTES / share;
    return 1;
}

static void block_free(ray_reader_block *block)
{
    free(block->rows);
    free(block->bytes);
}

void ray_replay_sorter_close(ray_replay_sorter *sorter)
{
    block_free(&sorter->held);
    block_free(&sorter->fresh);
    block_free(&sorter->spare);
}

uint64_t ray_replay_sorter_drop(ray_replay_sorter *sorter)
{
    uint64_t held =
        (sorter->held.row_count - sorter->held_at) + (sorter->fresh.row_count - sorter->fresh_at);

    sorter->held.row_count = sorter->fresh.row_count = 0;
    sorter->held_at = sorter->fresh_at = sorter->leaving = 0;
    sorter->ended = 1;
    return held;
}

/* -- reading -- */

/* Looks at rows just read: who steps back, and what the rule does with it. */
static void check_order(ray_replay_sorter *sorter, ray_replay_stats *stats)
{
    ray_reader_block *fresh = &sorter->fresh;
    uint32_t kept = sorter->checked;

    for (uint32_t i = sorter->checked; i < fresh->row_count; i++) {
        ray_row *row = &fresh->rows[i];
        stats->stepped_back_count += sorter->any && row->at_ns < sorter->last_read_ns;
        sorter->last_read_ns = row->at_ns;
        sorter->any = 1;
        if (row->at_ns < sorter->highest_ns) {
            if (sorter->order == RAY_REPLAY_REJECT) {
                stats->rejected_count++;
                continue;
            }
            if (sorter->order == RAY_REPLAY_CLAMP) {
                stats->moved_count++;
                row->at_ns = sorter->highest_ns;
            }
            sorter->unsorted = 1;
        } else {
            sorter->highest_ns = row->at_ns;
        }
        if (kept != i)
            fresh->rows[kept] = *row;
        kept++;
    }
    fresh->row_count = sorter->checked = kept;
}

/* Room for so many rows, whatever they were. */
static uint32_t spare_rows(ray_reader_block *spare, uint32_t rows)
{
    ray_replay_block_clear(spare);
    if (spare->row_capacity >= rows)
        return 1;
    if (!ray_replay_block_grow(spare, rows, 0))
        return 0;
    ray_replay_block_enlarge(spare);
    return 1;
}

/* A bottom-up merge sort of (time, place): stable, and no worse for any input. */
typedef struct stamp {
    uint64_t at_ns;
    uint64_t place;
} stamp;

static void merge(const stamp *from, stamp *to, uint64_t left, uint64_t middle, uint64_t right)
{
    uint64_t i = left;
    uint64_t j = middle;

    for (uint64_t k = left; k < right; k++)
        to[k] =
            j == right || (i < middle && from[i].at_ns <= from[j].at_ns) ? from[i++] : from[j++];
}

/* Sorts fresh into the spare block's rows, whose memory is there from window to window. */
static uint32_t sort_fresh(ray_replay_sorter *sorter)
{
    ray_reader_block *block = &sorter->fresh;
    ray_reader_block *spare = &sorter->spare;
    uint64_t count = block->row_count;
    stamp *from = malloc(count * sizeof *from);
    stamp *to = malloc(count * sizeof *to);
    uint32_t done = from && to && spare_rows(spare, block->row_capacity);

    for (uint64_t i = 0; i < count && done; i++)
        from[i] = (stamp){ block->rows[i].at_ns, i };
    for (uint64_t width = 1; width < count && done; width *= 2) {
        stamp *swap = from;
        for (uint64_t left = 0; left < count; left += 2 * width) {
            uint64_t middle = left + width < count ? left + width : count;
            uint64_t right = left + 2 * width < count ? left + 2 * width : count;
            merge(from, to, left, middle, right);
        }
        from = to;
        to = swap;
    }
    for (uint64_t i = 0; i < count && done; i++)
        spare->rows[i] = block->rows[from[i].place];
    if (done) {
        ray_reader_block was = *block;
        block->rows = spare->rows;
        block->row_capacity = spare->row_capacity;
        spare->rows = was.rows;
        spare->row_capacity = was.row_capacity;
    }
    free(from);
    free(to);
    return done;
}

/* Fills fresh up to the window. 1 when it is full or the log is over, 0 when input is needed or
 * memory ran out. */
static uint32_t fill_fresh(ray_replay_sorter *sorter, ray_reader *reader, ray_replay_stats *stats)
{
    ray_reader_block *fresh = &sorter->fresh;

    if (fresh->row_capacity == 0 && !ray_replay_block_grow(fresh, FIRST_ROWS, FIRST_BYTES)) {
        sorter->failed = 1;
        return 0;
    }
    for (;;) {
        uint32_t capacity = fresh->row_capacity;
        uint32_t full;
        if (fresh->row_capacity > sorter->window_rows)
            fresh->row_capacity = sorter->window_rows;
        full = ray_reader_read(reader, fresh);
        fresh->row_capacity = capacity;
        check_order(sorter, stats);
        if (!full)
            break;
        if (fresh->row_count >= sorter->window_rows
            || (sorter->window_rows != UINT32_MAX && fresh->bytes_length > sorter->window_bytes))
            return 1;
        if (fresh->row_capacity == FIRST_ROWS && sorter->window_rows > FIRST_ROWS
                    && sorter->window_rows <= RESERVED_ROWS
                ? !reserve_window(sorter)
                : !ray_replay_block_grow(fresh, fresh->row_count == fresh->row_capacity,
                                         RAY_READER_ROW_BYTES)) {
            sorter->failed = 1;
            return 0;
        }
    }
    if (ray_reader_done(reader))
        sorter->ended = 1;
    return sorter->ended || (sorter->order != RAY_REPLAY_SORT && fresh->row_count > 0);
}

/* -- leaving -- */

static void swap_blocks(ray_reader_block *a, ray_reader_block *b)
{
    ray_reader_block swap = *a;

    *a = *b;
    *b = swap;
}

/* Which of the two has the next row: 1 held, 0 fresh. Held wins ties: it was read before. */
static uint32_t held_is_next(const ray_replay_sorter *sorter)
{
    return sorter->held_at < sorter->held.row_count
           && (sorter->fresh_at == sorter->fresh.row_count
               || sorter->held.rows[sorter->held_at].at_ns
                      <= sorter->fresh.rows[sorter->fresh_at].at_ns);
}

/* What has not left becomes `held`, in order; fresh is empty then. */
static uint32_t keep_rest(ray_replay_sorter *sorter)
{
    uint32_t rows =
        sorter->held.row_count - sorter->held_at + sorter->fresh.row_count - sorter->fresh_at;

    if (rows == 0) {
        ray_replay_block_clear(&sorter->held);
    } else if (sorter->held_at < sorter->held.row_count || sorter->fresh_at > 0) {
        ray_replay_block_clear(&sorter->spare);
        if (!ray_replay_block_grow(&sorter->spare, rows,
                                   sorter->held.bytes_length + sorter->fresh.bytes_length))
            return 0;
        while (rows--) {
            if (held_is_next(sorter))
                ray_replay_block_add(&sorter->spare, &sorter->held.rows[sorter->held_at++],
                                     sorter->held.bytes);
            else
                ray_replay_block_add(&sorter->spare, &sorter->fresh.rows[sorter->fresh_at++],
                                     sorter->fresh.bytes);
        }
        swap_blocks(&sorter->held, &sorter->spare);
    } else {
        swap_blocks(&sorter->held, &sorter->fresh);
    }
    ray_replay_block_clear(&sorter->fresh);
    sorter->held_at = sorter->fresh_at = sorter->checked = sorter->unsorted = 0;
    return 1;
}

/* Makes rows available: 1 when sorter->leaving is not 0. */
static uint32_t refill(ray_replay_sorter *sorter, ray_reader *reader, ray_replay_stats *stats)
{
    while (sorter->leaving == 0) {
        if (!sorter->filling) {
            if (sorter->ended && sorter->held_at == sorter->held.row_count
                && sorter->fresh_at == sorter->fresh.row_count)
                return 0;
            if (!keep_rest(sorter)) {
                sorter->failed = 1;
                return 0;
            }
            sorter->filling = 1;
        }
        if (!fill_fresh(sorter, reader, stats))
            return 0;
        if (sorter->order == RAY_REPLAY_SORT && sorter->unsorted && !sort_fresh(sorter)) {
            sorter->failed = 1;
            return 0;
        }
        sorter->filling = 0;
        sorter->leaving = sorter->held.row_count;
        if (sorter->ended || sorter->order != RAY_REPLAY_SORT)
            sorter->leaving += sorter->fresh.row_count;
    }
    return 1;
}

/* How many rows from the one at `at` on leave before `until_ns`, or at it when `ties`. */
static uint32_t run_length(const ray_row *rows, uint32_t most, uint64_t until_ns, uint32_t ties)
{
    uint32_t count = 1;

    if (rows[most - 1].at_ns < until_ns)
        return most;
    while (count < most
           && (rows[count].at_ns < until_ns || (ties && rows[count].at_ns == until_ns)))
        count++;
    return count;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Raises rows that come too late for the window, and counts those that have their instant with
 * others. */
static void leave(ray_replay_sorter *sorter, ray_replay_stats *stats, ray_row *rows, uint32_t count)
{
    uint64_t last_ns = sorter->last_left_ns;
    uint64_t same = sorter->instant_rows;

    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].at_ns < last_ns) {
            rows[i].at_ns = last_ns;
            stats->late_count++;
        }
        if (rows[i].at_ns != last_ns) {
            last_ns = rows[i].at_ns;
            same = 1;
            continue;
        }
        stats->shared_count += ++same == 2 ? 2 : same > 2;
        if (same > stats->instant_rows_max)
            stats->instant_rows_max = same;
    }
    sorter->last_left_ns = last_ns;
    sorter->instant_rows = same;
}

uint32_t ray_replay_sorter_next(ray_replay_sorter *sorter, ray_reader *reader, uint32_t most,
                                ray_replay_stats *stats, ray_replay_run_of_rows *out)
{
    uint32_t from_held;
    ray_reader_block *block;
    ray_reader_block *other;
    uint32_t *at;
    uint32_t other_at;

    if (sorter->leaving == 0 && !refill(sorter, reader, stats))
        return 0;
    from_held = held_is_next(sorter);
    block = from_held ? &sorter->held : &sorter->fresh;
    other = from_held ? &sorter->fresh : &sorter->held;
    at = from_held ? &sorter->held_at : &sorter->fresh_at;
    other_at = from_held ? sorter->fresh_at : sorter->held_at;
    out->rows = block->rows + *at;
    out->bytes = block->bytes;
    out->bytes_length = block->bytes_length;
    out->count = least(least(most, sorter->leaving), block->row_count - *at);
    if (other_at < other->row_count)
        out->count = run_length(out->rows, out->count, other->rows[other_at].at_ns, from_held);
    *at += out->count;
    sorter->leaving -= out->count;
    leave(sorter, stats, out->rows, out->count);
    return out->count;
}
