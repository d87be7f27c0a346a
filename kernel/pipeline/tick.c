/* SPDX-License-Identifier: MIT */
/* tick.c - the clock gate, and whatever is due: every lease ends at its own due time, before any
 * event at or after it, ordered by (due_ns, kind, slot). Ticks between two events therefore change
 * no later decision. */
#include "pipeline/journey.h"
#include "base/bytes.h"

#define MAX_STEP_NS (24U * 3600U * 1000000000ULL)

/* -- the gate -- */
static uint64_t gate_live(ray_clock *clock, uint64_t raw_ns)
{
    uint64_t step_ns = 0, max_ns = clock->max_step_ns != 0 ? clock->max_step_ns : MAX_STEP_NS;
    if (raw_ns < clock->last_raw_ns) {
        clock->back_count++;
    } else {
        step_ns = raw_ns - clock->last_raw_ns;
        if (step_ns > max_ns) {
            step_ns = max_ns;
            clock->clamp_count++;
        }
    }
    clock->last_raw_ns = raw_ns;
    return clock->now_ns < RAY_NEVER - 1 - step_ns ? clock->now_ns + step_ns : RAY_NEVER - 1;
}

static uint64_t gate_virtual(ray_clock *clock, uint64_t raw_ns)
{
    if (raw_ns >= RAY_NEVER)
        raw_ns = RAY_NEVER - 1;   /* never is no instant */
    if (raw_ns < clock->now_ns) {
        clock->back_count++;
        return clock->now_ns;
    }
    return raw_ns;
}

static uint64_t gate(ray_clock *clock, uint64_t raw_ns)
{
    return clock->live != 0 ? gate_live(clock, raw_ns) : gate_virtual(clock, raw_ns);
}

uint64_t ray_gate_peek(const struct ray *ray, uint64_t raw_ns)
{
    ray_clock clock = ray->clock;
    return gate(&clock, raw_ns);
}

uint64_t ray_gate_pass(struct ray *ray, uint64_t raw_ns)
{
    ray_clock *clock = &ray->clock;
    uint64_t now_ns = gate(clock, raw_ns);
    if (now_ns != clock->now_ns) {
        ray_tick_run(ray, now_ns);
        clock->now_ns = now_ns;
    }
    return now_ns;
}

uint64_t ray_clock_gate(struct ray *ray, uint64_t raw_ns)
{
    return ray->clock.live != 0 ? ray_gate_pass(ray, raw_ns) : ray->clock.now_ns;
}

uint64_t ray_clock_now(const struct ray *ray)
{
    return ray->clock.now_ns;
}

void ray_clock_live(struct ray *ray, uint64_t raw_ns)
{
    ray->clock.live = 1;
    ray->clock.last_raw_ns = raw_ns;
}

void ray_clock_virtual(struct ray *ray, uint64_t now_ns)
{
    ray->clock.live = 0;
    ray->clock.last_raw_ns = 0;
    ray->clock.wall_offset_ns = 0;   /* virtual time is Unix time */
    if (now_ns > ray->clock.now_ns)
        ray_gate_pass(ray, now_ns);
}

void ray_clock_wall(struct ray *ray, int64_t wall_offset_ns)
{
    ray->clock.wall_offset_ns = wall_offset_ns;
}

/* -- what is due -- */
static void expire(struct ray *ray, uint64_t now_ns, uint32_t place)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    ray_ending ending = {.reason = RAY_REASON_DEADLINE, .verdict = RAY_VERDICT_EXPIRED};
    ray_answer answer;
    memset(&answer, 0, sizeof answer);
    ending.units[RAY_QUOTA_REQUESTS] = 1;
    ending.units[RAY_QUOTA_BYTES] = slot->request_bytes;
    ending.refund = slot->phase == RAY_PHASE_HELD;
    answer.at_ns = now_ns;
    answer.by_id = RAY_NONE;
    answer.epoch = ray->who.epoch;
    ray_end(ray, now_ns, place, &ending, &answer);
}

void ray_tick_run(struct ray *ray, uint64_t now_ns)
{
    for (;;) {
        uint32_t place = ray_inflight_due(ray);
        uint64_t lease_ns = ray_quota_due(&ray->quota);
        uint64_t flight_ns = place != RAY_NONE ? ray->inflight.due_ns[place] : RAY_NEVER;
        if (flight_ns > now_ns && lease_ns > now_ns)
            return;
        if (flight_ns <= lease_ns)
            expire(ray, flight_ns, place);
        else
            ray_quota_tick(&ray->quota, lease_ns, ray->clock.wall_offset_ns);
    }
}

/* -- shutting down -- */
void ray_drain(struct ray *ray, uint64_t now_ns)
{
    uint64_t at_ns = now_ns > ray->clock.now_ns ? now_ns : ray->clock.now_ns;
    if (ray->who.draining == 0) {
        ray_audit_record record = {.at_ns = at_ns, .seq = RAY_NEVER, .before = ray->inflight.count,
                                   .by_id = RAY_NONE, .what = RAY_AUDIT_DRAIN, .who = RAY_WHO_HOST};
        ray_audit_add(ray, &record);
    }
    ray->who.draining = 1;
    for (uint32_t place; (place = ray_inflight_due(ray)) != RAY_NONE;)
        expire(ray, at_ns, place);
    ray_quota_drain(&ray->quota, at_ns, ray->clock.wall_offset_ns);
}
