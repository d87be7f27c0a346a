/* SPDX-License-Identifier: MIT */
/* dispatch.c - queued requests leave: sent to their service, or without having been sent. A caller
 * that sends by itself asks for the next one with a DISPATCH row; an exchange is sent as soon as a
 * server is free. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- entering -- */
static void displace(struct ray *ray, uint64_t now_ns, uint32_t entry, uint32_t service)
{
    ray_ending ending = {.reason = RAY_REASON_DISPLACED, .verdict = RAY_VERDICT_DROPPED,
                         .by_kind = RAY_BY_QUEUE, .by_id = service, .refund = 1};
    uint32_t place = RAY_NONE;
    ray_status status = ray_priority_request_of(&ray->priority, entry, &place);
    ray_assert(status == RAY_OK);
    ray_end_unheard(ray, now_ns, place, &ending);
}

uint32_t ray_queue_take(struct ray *ray, uint64_t now_ns, const ray_journey *journey,
                        uint32_t place)
{
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    if (journey->queue.victim != RAY_NONE)
        displace(ray, now_ns, journey->queue.victim, slot->service);
    ray->inflight.more[place].entry =
        ray_priority_take(&ray->priority, now_ns, &journey->place, &journey->queue, place);
    slot->width = journey->place.width != 0 ? (uint8_t)journey->place.width : 1;
    return ray->inflight.more[place].entry;
}

/* -- leaving -- */
static void note_sent(struct ray *ray, uint64_t now_ns, const ray_inflight_slot *slot,
                      const ray_answer *answer)
{
    ray_governance_event event = {
        .wait_ns = answer->wait_ns,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .service = slot->service,
        .tenant = slot->tenant,
        .by_id = answer->by_id,
        .reason = answer->reason,
        .kind = RAY_GOV_SENT,
        .verdict = RAY_VERDICT_SENT,
        .by_kind = answer->by_kind,
        .priority = slot->priority,
        .queued = 1,
    };
    ray_governance_note(&ray->governance, now_ns, &event);
}

/* Until when this attempt must have ended: its outcome, where it brings one, or its timeout. */
static uint64_t due_of(const struct ray *ray, uint64_t now_ns, uint32_t place)
{
    const ray_inflight_more *more = &ray->inflight.more[place];
    uint64_t takes_ns = ray->inflight.slot[place].timed != 0 && more->duration_ns < more->timeout_ns
                            ? more->duration_ns
                            : more->timeout_ns;
    return ray_attempt_end(now_ns, takes_ns);
}

void ray_send(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_guarded *guarded,
              uint32_t spoken, ray_answer *answer)
{
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    ray_inflight_more *more = &ray->inflight.more[place];
    uint32_t first = ray_unsent(slot);
    if (first != 0) {
        ray_ratelimit_release(&ray->ratelimit, now_ns, slot->limit, slot->limit_count);
        memset(slot->limit, 0, sizeof slot->limit);
        slot->limit_count = 0;
        more->sent_ns = now_ns;
        ray->inflight.held_count--;
        ray->tally.dispatched_count++;
    }
    slot->phase = RAY_PHASE_SENT;
    more->upstream_ns = now_ns;
    more->entry = RAY_NONE;
    if (guarded != NULL)
        ray_guard_take(ray, now_ns, place, guarded, answer);
    ray_inflight_set_due(ray, place, due_of(ray, now_ns, place));
    answer->service = slot->service;
    answer->route = slot->route;
    answer->priority = slot->priority;
    answer->tenant = slot->tenant;
    answer->transform = more->transform;
    answer->request = slot->id;
    if (spoken != 0) {
        answer->verdict = RAY_VERDICT_SENT;
        answer->reason = RAY_REASON_OK;
        answer->wait_ns = now_ns - more->arrival_ns;
        answer->id = ray_record(ray, now_ns, answer);
    }
    if (first != 0)
        note_sent(ray, now_ns, slot, answer);
}

/* One that waited for its turn. 0: a bulkhead is full, it waits on; 1: it is gone, sent or not. */
static uint32_t send_picked(struct ray *ray, uint64_t now_ns, const ray_priority_pick *pick,
                            ray_answer *answer)
{
    ray_guarded guarded;
    ray_inflight_slot *slot = &ray->inflight.slot[pick->request];
    uint32_t guards = ray_guards(ray, slot->service);
    slot->priority = (uint8_t)pick->priority;
    if (guards != 0) {
        ray_guard_try(ray, now_ns, pick->request, &guarded);
        if (guarded.granted == 0 && guarded.waits != 0)
            return 0;
        if (guarded.granted == 0) {
            ray_guard_refuse(ray, now_ns, pick->request, &guarded, answer);
            return 1;
        }
    }
    ray_priority_send(&ray->priority, now_ns, pick);
    answer->by_kind = RAY_BY_QUEUE;
    answer->by_id = slot->service;
    ray_send(ray, now_ns, pick->request, guards != 0 ? &guarded : NULL, 1, answer);
    return 1;
}

/* Field by field: every row begins with it, and a block of zeros is written slower. */
void ray_answer_begin(const struct ray *ray, uint64_t now_ns, ray_answer *answer)
{
    answer->id = 0;
    answer->at_ns = now_ns;
    answer->retry_after_ns = 0;
    answer->start_at_ns = 0;
    answer->request = 0;
    answer->wait_ns = 0;
    answer->cost_nano = 0;
    answer->by_id = RAY_NONE;
    answer->epoch = ray->who.epoch;
    answer->service = RAY_NONE;
    answer->route = RAY_NONE;
    answer->status = RAY_OK;
    answer->would_deny_count = 0;
    answer->audit_id = 0;
    answer->reason = 0;
    answer->http_status = 0;
    answer->verdict = 0;
    answer->by_kind = 0;
    answer->shadow_count = 0;
    answer->limit_count = 0;
    answer->allow = 0;
    answer->redirect = RAY_NONE;
    answer->header = RAY_NONE;
    answer->entry = RAY_NONE;
    answer->queued = 0;
    answer->priority = 0;
    answer->attempt = 0;
    answer->role = 0;
    answer->busy = 0;
    memset(answer->reserved, 0, sizeof answer->reserved);
    answer->timeout_ns = 0;
    answer->tenant = RAY_NONE;
    answer->instance = RAY_NONE;
    answer->transform = RAY_NONE;
    answer->cached = RAY_NONE;
}

/* Sends exchanges of this service while a server is free and the next in line is one. What takes no
 * time ends here, so that its server serves the one behind it. */
void ray_queue_pump(struct ray *ray, uint64_t now_ns, uint32_t service)
{
    ray_priority_pick pick;
    ray_answer answer;
    while (ray_priority_next(&ray->priority, now_ns, service, &pick) == RAY_OK &&
           ray->inflight.slot[pick.request].timed != 0) {
        ray_answer_begin(ray, now_ns, &answer);
        if (send_picked(ray, now_ns, &pick, &answer) == 0)
            return;
        if (answer.verdict == RAY_VERDICT_SENT && ray->inflight.due_ns[pick.request] <= now_ns)
            ray_end_timed(ray, now_ns, pick.request);
    }
}

void ray_queue_pump_all(struct ray *ray, uint64_t now_ns)
{
    uint32_t service = RAY_NONE;
    if (ray->inflight.held_count == 0)
        return;
    while ((service = ray_gateway_next_service(&ray->gateway, service)) != RAY_NONE)
        ray_queue_pump(ray, now_ns, service);
}

/* -- rows and control -- */
/* A request by its id: a refundable one that its caller lets go, or one to be tried again. */
static void dispatch_named(struct ray *ray, uint64_t now_ns, const ray_row *row,
                           ray_answer *answer)
{
    ray_guarded guarded;
    uint32_t place = ray_inflight_find(ray, row->id);
    if (place == RAY_NONE || ray->inflight.slot[place].timed != 0) {
        answer->status = RAY_E_UNKNOWN;
        return;
    }
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    uint32_t again = slot->phase == RAY_PHASE_RETRY, guards = ray_guards(ray, slot->service);
    if ((slot->phase != RAY_PHASE_HELD && again == 0) ||
        (again != 0 && now_ns < ray->inflight.more[place].retry_at_ns)) {
        answer->status = RAY_E_STATE;
        return;
    }
    if (guards != 0) {
        ray_guard_try(ray, now_ns, place, &guarded);
        if (guarded.granted == 0 && guarded.waits != 0 && again == 0)
            return;                               /* not now: verdict none */
        if (guarded.granted == 0) {
            ray_guard_refuse(ray, now_ns, place, &guarded, answer);
            return;
        }
    }
    ray->tally.retried_count += again;
    ray_send(ray, now_ns, place, guards != 0 ? &guarded : NULL, 1, answer);
}

/* The head of one service's queue may wait for a permit while another's could go. */
static void dispatch_any(struct ray *ray, uint64_t now_ns, ray_answer *answer)
{
    ray_priority_pick pick;
    uint32_t service = RAY_NONE;
    while ((service = ray_gateway_next_service(&ray->gateway, service)) != RAY_NONE)
        if (ray_priority_next(&ray->priority, now_ns, service, &pick) == RAY_OK &&
            send_picked(ray, now_ns, &pick, answer) != 0)
            return;
}

void ray_step_dispatch(struct ray *ray, uint64_t now_ns, const ray_row *row, ray_answer *answer)
{
    ray_priority_pick pick;
    if (row->id != 0)
        dispatch_named(ray, now_ns, row, answer);
    else if (ray_priority_next(&ray->priority, now_ns, row->service, &pick) == RAY_OK &&
             send_picked(ray, now_ns, &pick, answer) == 0 && row->service == RAY_NONE)
        dispatch_any(ray, now_ns, answer);
}

ray_status ray_preempt(struct ray *ray, uint64_t now_ns, uint32_t entry, uint32_t by_class)
{
    ray_ending ending = {.reason = RAY_REASON_PREEMPTED, .verdict = RAY_VERDICT_PREEMPTED,
                         .by_kind = RAY_BY_QUEUE, .refund = 1};
    uint32_t place = RAY_NONE;
    ray_status status = ray_priority_preempt_check(&ray->priority, entry, by_class);
    if (status == RAY_OK)
        status = ray_priority_request_of(&ray->priority, entry, &place);
    if (status != RAY_OK)
        return status;
    ending.by_id = ray->inflight.slot[place].service;
    ray_end_unheard(ray, now_ns, place, &ending);
    return RAY_OK;
}

/* Requests that wait for a service that an operator removed. */
void ray_queue_drop_stale(struct ray *ray, uint64_t now_ns)
{
    ray_ending ending = {.reason = RAY_REASON_SERVICE_GONE, .verdict = RAY_VERDICT_DROPPED,
                         .refund = 1};
    for (uint32_t place = 0; place < ray->inflight.used; place++) {
        const ray_inflight_slot *slot = &ray->inflight.slot[place];
        if (slot->phase == RAY_PHASE_QUEUED &&
            ray_gateway_known(&ray->gateway, slot->service) != RAY_OK)
            ray_end_unheard(ray, now_ns, place, &ending);
    }
}

/* Requests that wait for a service that is not among `count` names, `stride` bytes apart. */
void ray_queue_drop_gone(struct ray *ray, uint64_t now_ns, const void *names, uint64_t stride,
                         uint32_t count)
{
    const uint8_t *at = names;
    ray_service_row row;
    for (uint32_t place = 0; place < ray->inflight.used; place++) {
        const ray_inflight_slot *slot = &ray->inflight.slot[place];
        if (slot->phase != RAY_PHASE_QUEUED)
            continue;
        uint32_t stays = 0;
        if (ray_gateway_read_service(&ray->gateway, slot->service, &row) == RAY_OK)
            for (uint32_t i = 0; i < count && stays == 0; i++)
                stays = ray_same(at + i * stride, &row.spec->name, sizeof row.spec->name);
        if (stays != 0)
            continue;
        ray_ending ending = {.reason = RAY_REASON_SERVICE_GONE, .verdict = RAY_VERDICT_DROPPED,
                             .by_kind = RAY_BY_NONE, .by_id = RAY_NONE, .refund = 1};
        ray_end_unheard(ray, now_ns, place, &ending);
    }
}
