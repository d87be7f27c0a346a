/* SPDX-License-Identifier: MIT */
/* tick.c - the clock gate, and whatever is due: every lease ends at its own due time, before any
 * event at or after it, ordered by (due_ns, kind, slot). Ticks between two events therefore change
 * no later decision. */
#include "pipeline/journey.h"
#include "ray/transform.h"
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
/* In the order in which things due at one instant happen. */
enum due_kind {
    DUE_COST, DUE_FLIGHT, DUE_LEASE, DUE_QUEUE, DUE_FILL, DUE_BALANCE, DUE_GUARD, DUE_ALERT,
    DUE_KINDS
};

static uint32_t first_due(const struct ray *ray, uint64_t *at_ns)
{
    uint32_t place = ray_inflight_due(ray), first = DUE_COST;
    uint64_t due_ns[DUE_KINDS] = {
        ray_cost_due(&ray->cost, ray->clock.wall_offset_ns),
        place != RAY_NONE ? ray->inflight.due_ns[place] : RAY_NEVER,
        ray_quota_due(&ray->quota),
        ray_priority_due(&ray->priority),
        ray_mediator_due(&ray->mediator),
        ray_lb_due(&ray->lb),
        ray_resilience_due(&ray->resilience),
        ray_governance_due(&ray->governance),
    };
    for (uint32_t kind = 1; kind < DUE_KINDS; kind++)
        first = due_ns[kind] < due_ns[first] ? kind : first;
    *at_ns = due_ns[first];
    return first;
}

static void end_first(struct ray *ray, uint64_t at_ns)
{
    uint32_t place = ray_inflight_due(ray);
    uint32_t service = ray->inflight.slot[place].service;
    ray_end_timed(ray, at_ns, place);
    if (service != RAY_NONE)
        ray_queue_pump(ray, at_ns, service);
}

uint64_t ray_next_due(const struct ray *ray)
{
    uint64_t at_ns;
    first_due(ray, &at_ns);
    return at_ns;
}

static void join_first(struct ray *ray, uint64_t at_ns)
{
    uint32_t service = ray_priority_tick(&ray->priority, at_ns);
    if (service != RAY_NONE)
        ray_queue_pump(ray, at_ns, service);
}

/* Is anything due at all? Mostly not, and then nobody asks what would be first. */
static inline uint32_t any_due(const struct ray *ray, uint64_t now_ns)
{
    uint32_t place = ray_inflight_due(ray);
    return ray_cost_due(&ray->cost, ray->clock.wall_offset_ns) <= now_ns ||
           (place != RAY_NONE && ray->inflight.due_ns[place] <= now_ns) ||
           ray_quota_due(&ray->quota) <= now_ns || ray_priority_due(&ray->priority) <= now_ns ||
           ray_mediator_due(&ray->mediator) <= now_ns || ray_lb_due(&ray->lb) <= now_ns ||
           ray_resilience_due(&ray->resilience) <= now_ns ||
           ray_governance_due(&ray->governance) <= now_ns;
}

void ray_tick_run(struct ray *ray, uint64_t now_ns)
{
    uint64_t at_ns;
    while (any_due(ray, now_ns)) {
        uint32_t kind = first_due(ray, &at_ns);
        switch ((enum due_kind)kind) {
        case DUE_COST: ray_cost_tick(&ray->cost, at_ns, ray->clock.wall_offset_ns); break;
        case DUE_FLIGHT: end_first(ray, at_ns); break;
        case DUE_LEASE: ray_quota_tick(&ray->quota, at_ns, ray->clock.wall_offset_ns); break;
        case DUE_QUEUE: join_first(ray, at_ns); break;
        case DUE_FILL: ray_mediator_tick(&ray->mediator, at_ns); break;
        case DUE_BALANCE: ray_lb_tick(&ray->lb, at_ns); break;
        case DUE_GUARD: ray_resilience_tick(&ray->resilience, at_ns); break;
        case DUE_ALERT: ray_governance_tick(&ray->governance, at_ns); break;
        case DUE_KINDS: break;
        }
    }
}

ray_status ray_settle(struct ray *ray)
{
    uint32_t place;
    if (ray->clock.live != 0)
        return RAY_E_STATE;   /* real time cannot be hurried */
    while ((place = ray_inflight_due(ray)) != RAY_NONE) {
        uint64_t at_ns = ray->inflight.due_ns[place];
        if (ray_priority_due(&ray->priority) < at_ns)
            at_ns = ray_priority_due(&ray->priority);
        at_ns = at_ns > ray->clock.now_ns ? at_ns : ray->clock.now_ns;
        ray_tick_run(ray, at_ns);
        ray->clock.now_ns = at_ns;
    }
    return RAY_OK;
}

/* -- shutting down -- */
static void drain_one(struct ray *ray, uint64_t now_ns, uint32_t place)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    uint32_t unsent = ray_unsent(slot);
    ray_ending ending = {.reason = RAY_REASON_DEADLINE,
                         .verdict = slot->phase == RAY_PHASE_QUEUED ? RAY_VERDICT_DROPPED
                                                                    : RAY_VERDICT_EXPIRED,
                         .refund = (uint8_t)unsent};
    ending.by_id = RAY_NONE;
    if (unsent == 0)
        ray->inflight.more[place].response_bytes = 0;
    ray_end_unheard(ray, now_ns, place, &ending);
}

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
        drain_one(ray, at_ns, place);
    ray_quota_drain(&ray->quota, at_ns, ray->clock.wall_offset_ns);
}
