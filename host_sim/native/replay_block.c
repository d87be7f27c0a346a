/* SPDX-License-Identifier: MIT */
/* replay_block.c - rows and their bytes in memory that grows: what the sorter and the batches keep
 * them in. */
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif
#include "replay_parts.h"

uint32_t ray_replay_block_grow(ray_reader_block *block, uint32_t rows, uint64_t bytes)
{
    uint64_t need_rows = (uint64_t)block->row_count + rows;
    uint64_t need_bytes = block->bytes_length + bytes;

    if (need_rows > block->row_capacity) {
        uint64_t capacity = need_rows > 2u * (uint64_t)block->row_capacity
                                ? need_rows
                                : 2u * (uint64_t)block->row_capacity;
        ray_row *made =
            capacity <= UINT32_MAX / 2 ? realloc(block->rows, capacity * sizeof *made) : NULL;
        if (!made)
            return 0;
        block->rows = made;
        block->row_capacity = (uint32_t)capacity;
    }
    if (need_bytes > block->bytes_capacity) {
        uint64_t capacity =
            need_bytes > 2 * block->bytes_capacity ? need_bytes : 2 * block->bytes_capacity;
        uint8_t *made;
        if (capacity > UINT32_MAX)
            capacity = need_bytes;
        made = capacity <= UINT32_MAX ? realloc(block->bytes, capacity) : NULL;
        if (!made)
            return 0;
        block->bytes = made;
        block->bytes_capacity = capacity;
    }
    return 1;
}

static void move_bytes(ray_reader_block *to, const uint8_t *bytes, uint32_t *at, uint32_t length)
{
    if (length == 0) {
        *at = 0;   /* its old place need not be inside the new block */
        return;
    }
    memcpy(to->bytes + to->bytes_length, bytes + *at, length);
    *at = (uint32_t)to->bytes_length;
    to->bytes_length += length;
}

ray_row *ray_replay_block_add(ray_reader_block *to, const ray_row *row, const uint8_t *bytes)
{
    ray_row *copy = &to->rows[to->row_count++];
    uint32_t shared = row->user_length && row->user_at == row->client_at
                      && row->user_length <= row->client_length; /* an address has no bytes at 0 */

    *copy = *row;
    move_bytes(to, bytes, &copy->target_at, copy->target_length);
    move_bytes(to, bytes, &copy->host_at, copy->host_length);
    move_bytes(to, bytes, &copy->headers_at, copy->headers_length);
    move_bytes(to, bytes, &copy->client_at, copy->client_length);
    if (shared)
        copy->user_at = copy->client_at;
    else
        move_bytes(to, bytes, &copy->user_at, copy->user_length);
    return copy;
}

/* A window is written from end to end: in small pages that is a fault for every 27 rows. */
static void in_large_pages(void *at, uint64_t length)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t large = 2097152;
    uintptr_t first = ((uintptr_t)at + large - 1) / large * large;
    uintptr_t end = ((uintptr_t)at + length) / large * large;

    if (end > first)
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)at;
    (void)length;
#endif
}

void ray_replay_block_enlarge(ray_reader_block *block)
{
    in_large_pages(block->rows, (uint64_t)block->row_capacity * sizeof *block->rows);
    in_large_pages(block->bytes, block->bytes_capacity);
}

void ray_replay_block_clear(ray_reader_block *block)
{
    block->row_count = 0;
    block->bytes_length = 0;
}
