/* SPDX-License-Identifier: MIT */
/* heap.c - sift up, sift down; every move keeps `place` true. A slot that left leaves zeros
 * behind. */
#include "base/heap.h"
#include "ray/types.h"

static int before(const ray_heap *heap, uint32_t a, uint32_t b)
{
    return heap->due[a] != heap->due[b] ? heap->due[a] < heap->due[b] : a < b;
}

static void put(const ray_heap *heap, uint32_t at, uint32_t slot)
{
    heap->order[at] = slot;
    heap->place[slot] = at + 1;
}

static void up(const ray_heap *heap, uint32_t at, uint32_t slot)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (!before(heap, slot, heap->order[parent]))
            break;
        put(heap, at, heap->order[parent]);
        at = parent;
    }
    put(heap, at, slot);
}

static void down(const ray_heap *heap, uint32_t at, uint32_t slot)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= *heap->count)
            break;
        if (child + 1 < *heap->count && before(heap, heap->order[child + 1], heap->order[child]))
            child++;
        if (!before(heap, heap->order[child], slot))
            break;
        put(heap, at, heap->order[child]);
        at = child;
    }
    put(heap, at, slot);
}

void ray_heap_add(const ray_heap *heap, uint32_t slot)
{
    uint32_t at = (*heap->count)++;
    up(heap, at, slot);
}

void ray_heap_remove(const ray_heap *heap, uint32_t slot)
{
    if (heap->place[slot] == 0)
        return;
    uint32_t at = heap->place[slot] - 1;
    heap->place[slot] = 0;
    uint32_t last = heap->order[--*heap->count];
    heap->order[*heap->count] = 0;
    if (last == slot)
        return;
    if (at > 0 && before(heap, last, heap->order[(at - 1) / 2]))
        up(heap, at, last);
    else
        down(heap, at, last);
}

uint32_t ray_heap_first(const ray_heap *heap)
{
    return *heap->count > 0 ? heap->order[0] : (uint32_t)RAY_NONE;
}

uint32_t ray_heap_in_order(const uint32_t *order, const uint64_t *due, uint32_t count)
{
    for (uint32_t at = 1; at < count; at++)
        if (due[order[(at - 1) / 2]] > due[order[at]])
            return 0;
    return 1;
}
