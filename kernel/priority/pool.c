/* SPDX-License-Identifier: MIT */
/* pool.c - entries by their handles, and those that may not start yet. */
#include "hot.h"
#include "base/heap.h"

/* -- handles -- */
ray_status ray_queue_slot(const ray_priority *priority, uint32_t handle, uint32_t *slot)
{
    uint32_t at = handle & RAY_QUEUE_SLOT_MASK;
    if (at >= RAY_QUEUE_ENTRY_MAX || at >= priority->book.entry_top)
        return RAY_E_UNKNOWN;
    const ray_queue_entry *entry = &priority->book.entry[at];
    if (entry->generation != handle >> 16)
        return RAY_E_STALE;
    if (entry->state == RAY_ENTRY_FREE)
        return RAY_E_UNKNOWN;
    *slot = at;
    return RAY_OK;
}

/* -- delayed -- */
static ray_heap heap_of(ray_priority_book *book)
{
    ray_heap heap = {book->heap_order, book->heap_place, book->due_ns, &book->heap_count};
    return heap;
}

void ray_queue_delay(ray_priority *priority, uint32_t slot, uint64_t not_before_ns)
{
    ray_priority_book *book = &priority->book;
    ray_queue_entry *entry = &book->entry[slot];
    ray_queue *queue = &book->queue[entry->service & RAY_QUEUE_SLOT_MASK];
    ray_heap heap = heap_of(book);
    entry->state = RAY_ENTRY_DELAYED;
    entry->next = queue->delayed_first;
    if (entry->next != 0)
        book->entry[entry->next - 1].prev = slot + 1;
    queue->delayed_first = slot + 1;
    queue->delayed++;
    book->due_ns[slot] = not_before_ns;
    ray_heap_add(&heap, slot);
}

void ray_queue_undelay(ray_priority *priority, uint32_t slot)
{
    ray_priority_book *book = &priority->book;
    ray_queue_entry *entry = &book->entry[slot];
    ray_queue *queue = &book->queue[entry->service & RAY_QUEUE_SLOT_MASK];
    ray_heap heap = heap_of(book);
    ray_heap_remove(&heap, slot);
    book->due_ns[slot] = 0;
    if (entry->prev != 0)
        book->entry[entry->prev - 1].next = entry->next;
    else
        queue->delayed_first = entry->next;
    if (entry->next != 0)
        book->entry[entry->next - 1].prev = entry->prev;
    entry->next = 0;
    entry->prev = 0;
    queue->delayed--;
}

/* -- time -- */
static uint32_t first_delayed(const ray_priority *priority)
{
    return priority->book.heap_count > 0 ? priority->book.heap_order[0] : (uint32_t)RAY_NONE;
}

uint64_t ray_priority_due(const ray_priority *priority)
{
    uint32_t slot = first_delayed(priority);
    return slot != RAY_NONE ? priority->book.due_ns[slot] : RAY_NEVER;
}

uint32_t ray_priority_tick(ray_priority *priority, uint64_t now_ns)
{
    uint32_t slot = first_delayed(priority);
    if (slot == RAY_NONE || priority->book.due_ns[slot] > now_ns)
        return RAY_NONE;
    uint32_t service = priority->book.entry[slot].service;
    ray_queue_undelay(priority, slot);
    ray_queue_join(priority, slot);
    ray_queue_ready(priority, service & RAY_QUEUE_SLOT_MASK);
    return service;
}
