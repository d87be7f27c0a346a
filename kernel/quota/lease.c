/* SPDX-License-Identifier: MIT */
/* lease.c - a reservation is a lease: settled, released, or returned by itself when its time is
 * over. */
#include "parts.h"
#include "base/heap.h"

enum { GENERATION_SHIFT = 32 };

static ray_heap heap_of(ray_quota_book *book)
{
    return (ray_heap){book->lease_order, book->lease_place, book->lease_due_ns, &book->lease_count};
}

/* -- private -- */
static uint32_t lease_add(ray_quota_book *book, uint64_t due_ns)
{
    uint32_t slot;
    if (book->lease_free_count > 0) {
        slot = book->lease_free[--book->lease_free_count];
        book->lease_free[book->lease_free_count] = 0;
    } else {
        slot = book->lease_top++;
    }
    ray_quota_lease *lease = &book->lease[slot];
    lease->generation = lease->generation == 0xffffffff ? 1 : lease->generation + 1;
    lease->live = 1;
    book->lease_due_ns[slot] = due_ns;
    ray_heap heap = heap_of(book);
    ray_heap_add(&heap, slot);
    return slot;
}

static void lease_free(ray_quota_book *book, uint32_t slot)
{
    ray_quota_lease *lease = &book->lease[slot];
    ray_heap heap = heap_of(book);
    ray_heap_remove(&heap, slot);
    uint32_t generation = lease->generation;
    memset(lease, 0, sizeof *lease);
    lease->generation = generation;
    book->lease_due_ns[slot] = 0;
    book->lease_free[book->lease_free_count++] = slot;
}

/* RAY_OK and the slot of a lease that still holds; *slot is RAY_NONE for one that has ended. */
static ray_status find(const ray_quota_book *book, uint64_t handle, uint32_t *slot)
{
    uint32_t place = (uint32_t)handle, generation = (uint32_t)(handle >> GENERATION_SHIFT);
    *slot = RAY_NONE;
    if (place >= book->lease_top || generation == 0 || generation > book->lease[place].generation)
        return RAY_E_UNKNOWN;
    if (book->lease[place].live != 0 && book->lease[place].generation == generation)
        *slot = place;
    return RAY_OK;
}

/* -- control -- */
ray_status ray_quota_reserve(ray_quota *quota, uint64_t now_ns, const ray_quota_event *event,
                             uint64_t ttl_ns, ray_quota_outcome *out)
{
    ray_quota_charge charge;
    ray_quota_book *book = &quota->book;
    ray_quota_tick(quota, now_ns, event->query.wall_offset_ns);
    ray_status status = ttl_ns == 0 || ttl_ns >= RAY_NEVER - now_ns      ? RAY_E_RANGE
                        : book->lease_count == RAY_QUOTA_RESERVATION_MAX ? RAY_E_FULL
                                                                         : RAY_OK;
    if (status == RAY_OK)
        status = ray_quota_charge_ask(quota, now_ns, event, &charge, out);
    if (status != RAY_OK) {
        quota->tally.error_count++;
        return status;
    }
    if (charge.answers.granted != 0) {
        uint32_t slot = lease_add(book, now_ns + ttl_ns);
        ray_quota_lease *lease = &book->lease[slot];
        lease->count = ray_quota_take(quota, now_ns, &charge.query, &charge.answers, lease->hold);
        out->handle = slot | (uint64_t)lease->generation << GENERATION_SHIFT;
    }
    ray_quota_note(quota, now_ns, &charge.answers, charge.answers.granted);
    return RAY_OK;
}

ray_status ray_quota_reservation_settle(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                        uint64_t handle,
                                        const uint64_t actual_units[RAY_QUOTA_TYPE_MAX],
                                        uint32_t *ended)
{
    uint32_t slot;
    for (uint32_t type = 0; type < RAY_QUOTA_TYPE_MAX; type++)
        if (actual_units[type] >> 63 != 0)
            return RAY_E_RANGE;
    ray_quota_tick(quota, now_ns, wall_offset_ns);
    ray_status status = find(&quota->book, handle, &slot);
    *ended = status == RAY_OK && slot != RAY_NONE;
    if (*ended == 0)
        return status;
    const ray_quota_lease *lease = &quota->book.lease[slot];
    ray_quota_settle(quota, now_ns, wall_offset_ns, lease->hold, lease->count, actual_units);
    lease_free(&quota->book, slot);
    return RAY_OK;
}

ray_status ray_quota_reservation_release(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                         uint64_t handle, uint32_t *ended)
{
    uint32_t slot;
    ray_quota_tick(quota, now_ns, wall_offset_ns);
    ray_status status = find(&quota->book, handle, &slot);
    *ended = status == RAY_OK && slot != RAY_NONE;
    if (*ended == 0)
        return status;
    const ray_quota_lease *lease = &quota->book.lease[slot];
    ray_quota_refund(quota, now_ns, wall_offset_ns, lease->hold, lease->count);
    lease_free(&quota->book, slot);
    return RAY_OK;
}

/* -- time -- */
uint64_t ray_quota_due(const ray_quota *quota)
{
    return quota->book.lease_count != 0 ? quota->book.lease_due_ns[quota->book.lease_order[0]]
                                        : (uint64_t)RAY_NEVER;
}

/* Ends the lease that is due first, at this instant. */
static void end_first(ray_quota *quota, uint64_t at_ns, int64_t wall_offset_ns)
{
    uint32_t slot = quota->book.lease_order[0];
    const ray_quota_lease *lease = &quota->book.lease[slot];
    ray_quota_refund(quota, at_ns, wall_offset_ns, lease->hold, lease->count);
    lease_free(&quota->book, slot);
    quota->tally.expired_count++;
}

void ray_quota_tick(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns)
{
    uint64_t due_ns;
    while ((due_ns = ray_quota_due(quota)) <= now_ns && quota->book.lease_count != 0)
        end_first(quota, due_ns, wall_offset_ns);
}

void ray_quota_drain(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns)
{
    while (quota->book.lease_count != 0)
        end_first(quota, now_ns, wall_offset_ns);
}
