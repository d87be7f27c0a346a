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

static void send(struct ray *ray, uint64_t now_ns, const ray_priority_pick *pick,
                 ray_answer *answer)
{
    ray_inflight_slot *slot = &ray->inflight.slot[pick->request];
    ray_inflight_more *more = &ray->inflight.more[pick->request];
    ray_priority_send(&ray->priority, now_ns, pick);
    ray_ratelimit_release(&ray->ratelimit, now_ns, slot->limit, slot->limit_count);
    memset(slot->limit, 0, sizeof slot->limit);
    slot->limit_count = 0;
    slot->phase = RAY_PHASE_SENT;
    slot->priority = (uint8_t)pick->priority;
    more->sent_ns = now_ns;
    more->entry = RAY_NONE;
    ray->inflight.held_count--;
    ray->tally.dispatched_count++;
    uint64_t takes_ns = slot->timed != 0 && more->duration_ns < more->timeout_ns
                            ? more->duration_ns
                            : more->timeout_ns;
    ray_inflight_set_due(ray, pick->request,
                         now_ns < RAY_NEVER - takes_ns ? now_ns + takes_ns : RAY_NEVER - 1);
    answer->verdict = RAY_VERDICT_SENT;
    answer->reason = RAY_REASON_OK;
    answer->by_kind = RAY_BY_QUEUE;
    answer->by_id = slot->service;
    answer->service = slot->service;
    answer->route = slot->route;
    answer->priority = slot->priority;
    answer->request = slot->id;
    answer->wait_ns = pick->wait_ns;
    answer->id = ray_record(ray, now_ns, answer);
    note_sent(ray, now_ns, slot, answer);
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
    answer->reserved_2[0] = 0;
    answer->reserved_2[1] = 0;
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
        send(ray, now_ns, &pick, &answer);
        if (ray->inflight.due_ns[pick.request] <= now_ns)
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
void ray_step_dispatch(struct ray *ray, uint64_t now_ns, const ray_row *row, ray_answer *answer)
{
    ray_priority_pick pick;
    if (ray_priority_next(&ray->priority, now_ns, row->service, &pick) == RAY_OK)
        send(ray, now_ns, &pick, answer);
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
