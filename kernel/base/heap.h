/* SPDX-License-Identifier: MIT */
/* heap: an indexed binary heap of slots by due time, ties by slot. `order` holds slots, `place`
 * holds 1 + position of a slot (0: not in the heap), `due` is read, never written. All arrays are
 * the caller's, all-zero is empty. */
#ifndef RAY_BASE_HEAP_H
#define RAY_BASE_HEAP_H
#include <stdint.h>

typedef struct ray_heap {
    uint32_t *order;
    uint32_t *place;
    const uint64_t *due;
    uint32_t *count;
} ray_heap;

void ray_heap_add(const ray_heap *heap, uint32_t slot);
void ray_heap_remove(const ray_heap *heap, uint32_t slot);     /* no-op when it is not in */
uint32_t ray_heap_first(const ray_heap *heap);                 /* RAY_NONE when empty */
/* 1 when no slot is due before its parent; every slot of `order` is known to be one of `due`. */
uint32_t ray_heap_in_order(const uint32_t *order, const uint64_t *due, uint32_t count);

#endif
