/* SPDX-License-Identifier: MIT */
/* complete.c - a request ends: its outcome is billed, settles what its admission reserved, frees
 * its server and is measured; or what it took is given back. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* What a request really used, once it is known. */
typedef struct ray_used {
    ray_cost_query cost;
    uint64_t quota[RAY_QUOTA_TYPE_MAX];
} ray_used;

/* -- billing and measuring -- */
/* Books the price; the money quotas settle with it. A charge that no balance can hold is counted by
 * the cost module and costs nothing. */
static void bill(struct ray *ray, uint64_t now_ns, ray_used *used, ray_answer *answer)
{
    ray_cost_quote charged;
    if (ray_cost_priced(&ray->cost, used->cost.service) == 0 ||
        ray_cost_charge(&ray->cost, now_ns, &used->cost, &charged) != RAY_OK)
        return;
    answer->cost_nano = charged.nano;
    used->quota[RAY_QUOTA_COST] = charged.nano > 0 ? (uint64_t)charged.nano : 0;
}

/* -- an exchange that took no time -- */
/* Its admission, its sending and its outcome are measured in one step. */
static void measure_exchange(struct ray *ray, uint64_t now_ns, const ray_row *row,
                             const ray_journey *journey, uint64_t bytes, const ray_answer *answer)
{
    ray_governance_event event = {
        .tokens = journey->asked != 0 ? journey->governed->limits.tokens : 0,
        .bytes = bytes,
        .cost_nano = answer->cost_nano,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .service = answer->service,
        .tenant = row->tenant,
        .by_id = answer->by_id,
        .reason = answer->reason,
        .http_status = row->http_status,
        .kind = RAY_GOV_ADMIT,
        .verdict = answer->verdict,
        .by_kind = answer->by_kind,
        .priority = answer->priority,
    };
    ray_governance_exchange(&ray->governance, now_ns, &event);
}

static void used_by_row(const struct ray *ray, const ray_row *row, const ray_journey *journey,
                        ray_used *used)
{
    ray_cost_query_of(ray, row, journey, &used->cost);
    used->cost.units[RAY_COST_BYTES] += row->response_bytes;
    used->cost.units[RAY_COST_STORAGE] = row->access_count;
    used->cost.units[RAY_COST_CACHE] = row->hit_count;
    used->quota[RAY_QUOTA_REQUESTS] = 1;
    used->quota[RAY_QUOTA_BYTES] = row->request_bytes + row->response_bytes;
    used->quota[RAY_QUOTA_COMPUTE] = row->compute_units;
    used->quota[RAY_QUOTA_CUSTOM] = row->custom_units;
    used->quota[RAY_QUOTA_COST] = 0;
}

void ray_complete_exchange(struct ray *ray, uint64_t now_ns, const ray_row *row,
                           const ray_journey *journey, const ray_quota_hold *holds, uint32_t count,
                           ray_answer *answer)
{
    ray_used used;
    ray_answer done;
    used_by_row(ray, row, journey, &used);
    bill(ray, now_ns, &used, answer);
    if (count != 0)
        ray_quota_settle(&ray->quota, now_ns, ray->clock.wall_offset_ns, holds, count, used.quota);
    uint32_t width = 0;
    if (journey->queue_asked != 0) {   /* a server is busy with it for no time at all */
        ray_priority_take(&ray->priority, now_ns, &journey->place, &journey->queue, 0);
        width = journey->place.width != 0 ? journey->place.width : 1;
    }
    if (width != 0 || ray_priority_promised(&ray->priority, answer->service) != 0) {
        ray_priority_done outcome = {.arrival_ns = now_ns, .sent_ns = now_ns,
                                     .service = answer->service, .priority = answer->priority,
                                     .width = width,
                                     .failed = row->http_status >= 500};
        ray_priority_finish(&ray->priority, now_ns, &outcome);
    }
    ray_answer_begin(ray, now_ns, &done);
    done.verdict = RAY_VERDICT_COMPLETE;
    done.reason = RAY_REASON_OK;
    ray_record(ray, now_ns, &done);
    ray->tally.completed_count++;
    measure_exchange(ray, now_ns, row, journey, used.quota[RAY_QUOTA_BYTES], answer);
}

/* -- a request that was in flight -- */
static void count_ending(struct ray *ray, const ray_ending *ending, uint32_t was_unsent,
                         uint32_t was_queued)
{
    ray_tally *tally = &ray->tally;
    if (ending->verdict == RAY_VERDICT_PREEMPTED)
        tally->preempted_count++;
    else if (was_unsent != 0 && (ending->refund != 0 || was_queued != 0))
        tally->dropped_count++;
    else if (was_unsent != 0)
        tally->dispatched_count++;   /* its caller sent it by itself */
    tally->completed_count += ending->verdict == RAY_VERDICT_COMPLETE;
    tally->expired_count += ending->verdict == RAY_VERDICT_EXPIRED;
    tally->cancelled_count += ending->verdict == RAY_VERDICT_CANCELLED;
    tally->refunded_count += ending->refund;
}

static void audit_ending(struct ray *ray, uint64_t now_ns, uint64_t admission,
                         const ray_ending *ending, ray_answer *answer)
{
    ray_audit_record record = {
        .at_ns = now_ns, .seq = answer->id, .before = admission, .after = ending->refund,
        .by_id = answer->by_id, .reason = ending->reason,
        .what = ending->verdict == RAY_VERDICT_EXPIRED ? RAY_AUDIT_EXPIRE : RAY_AUDIT_REFUND,
        .who = RAY_WHO_PIPELINE, .by_kind = answer->by_kind, .verdict = ending->verdict};
    answer->audit_id = (uint32_t)ray_audit_add(ray, &record);
}

static uint32_t leave_of(uint32_t reason)
{
    switch (reason) {
    case RAY_REASON_DEADLINE: return RAY_LEAVE_DEADLINE;
    case RAY_REASON_DISPLACED: return RAY_LEAVE_DISPLACED;
    case RAY_REASON_PREEMPTED: return RAY_LEAVE_PREEMPTED;
    case RAY_REASON_CLIENT_CANCEL: return RAY_LEAVE_CANCELLED;
    case RAY_REASON_REFUNDED: return RAY_LEAVE_REFUNDED;
    default: return RAY_LEAVE_DRAINED;
    }
}

/* Its place in the queue, or its servers, are free again. */
static void leave_queue(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
                        uint32_t http_status)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    const ray_inflight_more *more = &ray->inflight.more[place];
    if (slot->phase == RAY_PHASE_QUEUED) {
        ray_priority_leave(&ray->priority, now_ns, more->entry, leave_of(ending->reason));
        return;
    }
    if (slot->width == 0 && ray_priority_promised(&ray->priority, slot->service) == 0)
        return;
    ray_priority_done done = {.arrival_ns = more->arrival_ns, .sent_ns = more->sent_ns,
                              .service = slot->service, .priority = slot->priority,
                              .width = slot->width,
                              .failed = ending->verdict == RAY_VERDICT_EXPIRED ||
                                        http_status >= 500};
    ray_priority_finish(&ray->priority, now_ns, &done);
}

/* What a slot says was used; a row that brings the outcome of a sent request has overwritten it. */
static void used_by_slot(const struct ray *ray, uint64_t now_ns, uint32_t place, ray_used *used)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    const ray_inflight_more *more = &ray->inflight.more[place];
    uint64_t bytes = slot->request_bytes + more->response_bytes;
    memset(used, 0, sizeof *used);
    used->quota[RAY_QUOTA_REQUESTS] = 1;
    used->quota[RAY_QUOTA_BYTES] = bytes;
    used->quota[RAY_QUOTA_COMPUTE] = more->compute_units;
    used->quota[RAY_QUOTA_CUSTOM] = more->custom_units;
    used->cost.units[RAY_COST_REQUESTS] = 1;
    used->cost.units[RAY_COST_BYTES] = bytes;
    used->cost.units[RAY_COST_COMPUTE] = now_ns - more->sent_ns;
    used->cost.units[RAY_COST_STORAGE] = more->access_count;
    used->cost.units[RAY_COST_CACHE] = more->hit_count;
    used->cost.wall_offset_ns = ray->clock.wall_offset_ns;
    used->cost.tenant = slot->tenant;
    used->cost.service = slot->service;
    used->cost.plan =
        slot->tenant != RAY_NONE ? ray->who.tenant[slot->tenant].plan : (uint32_t)RAY_NONE;
    used->cost.priority = slot->priority;
}

static void settle(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
                   ray_answer *answer)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    int64_t wall_ns = ray->clock.wall_offset_ns;
    ray_used used;
    if (ending->refund != 0) {
        ray_ratelimit_refund(&ray->ratelimit, now_ns, slot->limit, slot->limit_count);
        ray_quota_refund(&ray->quota, now_ns, wall_ns, slot->quota, slot->quota_count);
        return;
    }
    used_by_slot(ray, now_ns, place, &used);
    if (ending->verdict == RAY_VERDICT_COMPLETE && slot->service != RAY_NONE)
        bill(ray, now_ns, &used, answer);
    ray_ratelimit_release(&ray->ratelimit, now_ns, slot->limit, slot->limit_count);
    ray_quota_settle(&ray->quota, now_ns, wall_ns, slot->quota, slot->quota_count, used.quota);
}

static uint32_t kind_of(const ray_ending *ending, uint32_t was_unsent, uint32_t was_queued)
{
    if (ending->verdict == RAY_VERDICT_PREEMPTED)
        return RAY_GOV_PREEMPTED;
    return was_unsent != 0 && (ending->refund != 0 || was_queued != 0) ? RAY_GOV_DROPPED
                                                                       : RAY_GOV_DONE;
}

static void measure(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
                    const ray_answer *answer)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    const ray_inflight_more *more = &ray->inflight.more[place];
    uint32_t unsent = slot->phase != RAY_PHASE_SENT, queued = slot->phase == RAY_PHASE_QUEUED;
    ray_governance_event event = {
        .wait_ns = unsent != 0 ? now_ns - more->arrival_ns : more->sent_ns - more->arrival_ns,
        .bytes = slot->request_bytes + more->response_bytes,
        .latency_ns = now_ns - more->arrival_ns,
        .cost_nano = answer->cost_nano,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .service = slot->service,
        .tenant = slot->tenant,
        .by_id = answer->by_id,
        .reason = answer->reason,
        .http_status = answer->http_status,
        .kind = (uint8_t)kind_of(ending, unsent, queued),
        .verdict = answer->verdict,
        .by_kind = answer->by_kind,
        .priority = slot->priority,
        .queued = (uint8_t)unsent,
    };
    if (event.kind == RAY_GOV_DONE && unsent != 0) {   /* its caller sent it, unseen */
        event.kind = RAY_GOV_SENT;
        ray_governance_note(&ray->governance, now_ns, &event);
        event.kind = RAY_GOV_DONE;
        event.queued = 0;
    }
    ray_governance_note(&ray->governance, now_ns, &event);
}

void ray_end(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
             ray_answer *answer)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    uint32_t unsent = slot->phase != RAY_PHASE_SENT, queued = slot->phase == RAY_PHASE_QUEUED;
    settle(ray, now_ns, place, ending, answer);
    answer->service = slot->service;
    answer->route = slot->route;
    answer->priority = slot->priority;
    answer->request = slot->id;
    answer->verdict = ending->verdict;
    answer->reason = ending->reason;
    answer->by_kind = ending->by_kind;
    answer->by_id = ending->by_kind != RAY_BY_NONE ? ending->by_id : (uint32_t)RAY_NONE;
    answer->id = ray_record(ray, now_ns, answer);
    leave_queue(ray, now_ns, place, ending, answer->http_status);
    count_ending(ray, ending, unsent, queued);
    measure(ray, now_ns, place, ending, answer);
    if (ending->verdict != RAY_VERDICT_COMPLETE && ending->verdict != RAY_VERDICT_CANCELLED)
        audit_ending(ray, now_ns, slot->seq, ending, answer);
    ray->inflight.held_count -= unsent;
    ray_inflight_free(ray, place);
}

void ray_end_unheard(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending)
{
    ray_answer answer;
    ray_answer_begin(ray, now_ns, &answer);
    ray_end(ray, now_ns, place, ending, &answer);
}

/* What was known beforehand has come to pass: the outcome, or the deadline before it. */
void ray_end_timed(struct ray *ray, uint64_t now_ns, uint32_t place)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    const ray_inflight_more *more = &ray->inflight.more[place];
    ray_ending ending = {.reason = RAY_REASON_OK, .verdict = RAY_VERDICT_COMPLETE};
    ray_answer answer;
    if (slot->phase == RAY_PHASE_QUEUED) {
        ending = (ray_ending){.reason = RAY_REASON_DEADLINE, .verdict = RAY_VERDICT_DROPPED,
                              .by_kind = RAY_BY_QUEUE, .by_id = slot->service, .refund = 1};
    } else if (slot->timed == 0 || more->duration_ns >= more->timeout_ns) {
        ending = (ray_ending){.reason = RAY_REASON_DEADLINE, .verdict = RAY_VERDICT_EXPIRED,
                              .refund = slot->phase == RAY_PHASE_HELD};
        ray->inflight.more[place].response_bytes = 0;
    }
    ray_answer_begin(ray, now_ns, &answer);
    answer.http_status = ending.verdict == RAY_VERDICT_COMPLETE ? more->http_status : 0;
    ray_end(ray, now_ns, place, &ending, &answer);
}

/* -- rows -- */
static void take_outcome(struct ray *ray, uint32_t place, const ray_row *row)
{
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    ray_inflight_more *more = &ray->inflight.more[place];
    if (row->request_bytes > slot->request_bytes)
        slot->request_bytes = row->request_bytes;
    more->response_bytes = row->response_bytes;
    more->compute_units = row->compute_units;
    more->custom_units = row->custom_units;
    more->access_count = row->access_count;
    more->hit_count = row->hit_count;
}

void ray_step_end(struct ray *ray, uint64_t now_ns, const ray_row *row, ray_answer *answer)
{
    uint32_t place = ray_inflight_find(ray, row->id);
    if (place == RAY_NONE || ray->inflight.slot[place].timed != 0) {
        if ((row->flags & RAY_ROW_QUIET) == 0)
            answer->status = RAY_E_UNKNOWN;
        return;
    }
    uint32_t phase = ray->inflight.slot[place].phase;
    uint32_t service = ray->inflight.slot[place].service;
    ray_ending ending = {.reason = RAY_REASON_OK, .verdict = RAY_VERDICT_COMPLETE};
    if (row->kind == RAY_ROW_CANCEL) {
        ending.verdict = RAY_VERDICT_CANCELLED;   /* what it took is kept: the client chose to go */
        ending.reason = RAY_REASON_CLIENT_CANCEL;
    } else if (row->kind == RAY_ROW_REFUND) {
        if (phase == RAY_PHASE_SENT) {
            answer->status = RAY_E_STATE;         /* what left cannot be taken back */
            return;
        }
        ending.verdict = RAY_VERDICT_DROPPED;
        ending.reason = RAY_REASON_REFUNDED;
        ending.refund = 1;
    } else if (phase == RAY_PHASE_QUEUED) {
        answer->status = RAY_E_STATE;             /* it was not sent: nothing can have answered */
        return;
    }
    if (ending.refund == 0)
        take_outcome(ray, place, row);
    answer->http_status = row->http_status;
    ray_end(ray, now_ns, place, &ending, answer);
    if (service != RAY_NONE)
        ray_queue_pump(ray, now_ns, service);
}
