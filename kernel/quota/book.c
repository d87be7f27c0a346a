/* SPDX-License-Identifier: MIT */
/* book.c - what a request takes of its quotas: reserved and settled later, spent at once, or given
 * back. */
#include "parts.h"

static uint32_t make(ray_quota *quota, int64_t wall_ns, const ray_quota_query *query, uint32_t slot,
                     uint32_t victim)
{
    const ray_quota_row *row = &quota->config.row[slot];
    ray_quota_active fresh;
    ray_quota_open(row, wall_ns, &fresh);
    fresh.allocation = slot + 1;
    fresh.tenant = query->tenant;
    fresh.user_key = ray_quota_user_key(quota, &row->spec, query->user);
    if (victim != RAY_NONE)
        quota->tally.evicted_count++;
    return ray_quota_active_add(quota, wall_ns, victim, &fresh);
}

/* The instance an answer is of, made when there is none yet. */
static __attribute__((noinline)) uint32_t made_for(ray_quota *quota, int64_t wall_ns,
                                                   const ray_quota_query *query,
                                                   const ray_quota_answers *answers,
                                                   ray_quota_places *places, uint32_t slot)
{
    uint32_t victim, found = ray_quota_place_next(quota, wall_ns, answers, places, &victim);
    ray_assert(found != 0); /* ask walked the same way */
    return make(quota, wall_ns, query, slot, victim);
}

/* `active` was settled: what follows from more having been used. */
static inline void used_more(ray_quota *quota, uint64_t now_ns, uint32_t place,
                             ray_quota_active *active, uint64_t before)
{
    if (active->used_units > active->peak_units)
        active->peak_units = active->used_units;
    if (active->peak_units > active->peak_ever_units)
        active->peak_ever_units = active->peak_units;
    if (active->used_units > before)
        ray_quota_alert_check(quota, now_ns, place);
}

/* Nothing can happen between a take and its settling at the same instant, so that what the take
 * would reserve need not be written. */
static void spend(ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                  const ray_quota_answers *answers)
{
    int64_t wall_ns = ray_quota_wall(now_ns, query->wall_offset_ns);
    ray_quota_places places;
    ray_quota_places_begin(quota, &places);
    for (uint32_t i = 0; i < answers->count; i++) {
        const ray_quota_answer *answer = &answers->at[i];
        if (answer->granted == 0)
            continue;
        uint32_t slot = answer->allocation & 0xffff, at = answer->slot;
        if (at == RAY_NONE)
            at = made_for(quota, wall_ns, query, answers, &places, slot);
        const ray_quota_spec *spec = &quota->config.row[slot].spec;
        ray_quota_active *active = &quota->book.active[at];
        RAY_KEEP(spec);
        RAY_KEEP(active);
        ray_quota_roll(spec, wall_ns, active);
        active->admitted_count++;
        uint64_t before = active->used_units;
        uint64_t actual = ray_mul_capped(query->units[spec->type], answer->weight);
        if (spec->reset == RAY_RESET_ROLLING)
            ray_quota_cell_add(active, active->period, actual);
        else
            active->used_units = ray_add_capped(before, actual);
        if (ray_quota_guarded(spec))
            ray_quota_guard_count(wall_ns, active, 1, query->units[RAY_QUOTA_BYTES]);
        used_more(quota, now_ns, at, active, before);
    }
    quota->tally.hand = places.hand;
}

uint32_t ray_quota_take(ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                        const ray_quota_answers *answers, ray_quota_hold *holds)
{
    if (holds == NULL) {
        spend(quota, now_ns, query, answers);
        return 0;
    }
    int64_t wall_ns = ray_quota_wall(now_ns, query->wall_offset_ns);
    ray_quota_places places;
    ray_quota_places_begin(quota, &places);
    uint32_t count = 0;
    for (uint32_t i = 0; i < answers->count; i++) {
        const ray_quota_answer *answer = &answers->at[i];
        if (answer->granted == 0)
            continue;
        uint32_t slot = answer->allocation & 0xffff, at = answer->slot;
        if (at == RAY_NONE)
            at = made_for(quota, wall_ns, query, answers, &places, slot);
        ray_quota_active *active = &quota->book.active[at];
        ray_quota_roll(&quota->config.row[slot].spec, wall_ns, active);
        uint64_t room = RAY_NEVER - active->reserved_units;
        uint64_t booked = answer->units < room ? answer->units : room;
        active->reserved_units += booked;
        active->admitted_count++;
        if (ray_quota_guarded(&quota->config.row[slot].spec))
            ray_quota_guard_count(wall_ns, active, 1, 0);
        holds[count++] = (ray_quota_hold){booked, (uint64_t)active->period, (uint16_t)at,
                                          answer->weight, active->stamp};
    }
    quota->tally.hand = places.hand;
    return count;
}

/* The instance a hold is of, rolled to now; NULL and counted when it was removed or reset to
 * another since. */
static ray_quota_active *held(ray_quota *quota, int64_t wall_ns, const ray_quota_hold *hold)
{
    ray_quota_active *active =
        hold->slot < RAY_QUOTA_ACTIVE_MAX ? &quota->book.active[hold->slot] : 0;
    if (active == 0 || active->allocation == 0 || active->stamp != hold->stamp) {
        quota->tally.stale_hold_count++;
        return 0;
    }
    ray_quota_roll(&quota->config.row[active->allocation - 1].spec, wall_ns, active);
    return active;
}

/* A hold that was ended twice must not take another's reservation below zero. */
static void unreserve(ray_quota_active *active, uint64_t units)
{
    active->reserved_units -= units < active->reserved_units ? units : active->reserved_units;
}

/* Books what was really used. A calendar period that closed counted the estimate as used; of a
 * rolling window's step that left nothing counts any more: both are over, so only what went beyond
 * the estimate is new, and it is late. */
static void commit(ray_quota *quota, const ray_quota_spec *spec, ray_quota_active *active,
                   const ray_quota_hold *hold, uint64_t actual)
{
    uint64_t beyond = actual > hold->units ? actual - hold->units : 0;
    int64_t booked = (int64_t)hold->period;
    if (spec->reset == RAY_RESET_ROLLING) {
        unreserve(active, hold->units);
        if (ray_quota_cell_add(active, booked, actual))
            return;
        ray_quota_cell_add(active, active->period, beyond);
    } else if (booked == active->period) {
        unreserve(active, hold->units);
        active->used_units = ray_add_capped(active->used_units, actual);
        return;
    } else {
        active->used_units = ray_add_capped(active->used_units, beyond);
    }
    quota->tally.late_count += beyond != 0;
}

void ray_quota_settle(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                      const ray_quota_hold *holds, uint32_t count,
                      const uint64_t actual_units[RAY_QUOTA_TYPE_MAX])
{
    int64_t wall_ns = ray_quota_wall(now_ns, wall_offset_ns);
    for (uint32_t i = 0; i < count; i++) {
        ray_quota_active *active = held(quota, wall_ns, &holds[i]);
        if (active == 0)
            continue;
        const ray_quota_spec *spec = &quota->config.row[active->allocation - 1].spec;
        uint64_t before = active->used_units;
        commit(quota, spec, active, &holds[i],
               ray_mul_capped(actual_units[spec->type], holds[i].weight));
        if (ray_quota_guarded(spec))
            ray_quota_guard_count(wall_ns, active, 0, actual_units[RAY_QUOTA_BYTES]);
        used_more(quota, now_ns, holds[i].slot, active, before);
    }
}

void ray_quota_refund(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                      const ray_quota_hold *holds, uint32_t count)
{
    int64_t wall_ns = ray_quota_wall(now_ns, wall_offset_ns);
    for (uint32_t i = 0; i < count; i++) {
        ray_quota_active *active = held(quota, wall_ns, &holds[i]);
        if (active == 0)
            continue;
        uint32_t rolling =
            quota->config.row[active->allocation - 1].spec.reset == RAY_RESET_ROLLING;
        uint32_t open = rolling ? ray_quota_same_span(active, (int64_t)holds[i].period)
                                : (int64_t)holds[i].period == active->period;
        if (rolling || open)
            unreserve(active, holds[i].units);
        if (open && active->admitted_count > 0)
            active->admitted_count--;
        quota->tally.closed_refund_count += !open;
    }
}
