/* SPDX-License-Identifier: MIT */
/* complete.c - a request ends: its outcome is billed, settles what its admission reserved, frees
 * its server and is measured; or what it took is given back. */
#include "pipeline/journey.h"
#include "base/bytes.h"
#include "base/headers.h"

/* -- billing and measuring -- */
/* Books the price; the money quotas settle with it. A charge that no balance can hold is counted by
 * the cost module and costs nothing. */
static void bill(struct ray *ray, uint64_t now_ns, ray_used *used, ray_answer *answer)
{
    ray_cost_quote charged;
    if (RAY_MOSTLY(ray_cost_priced(&ray->cost, used->cost.service) == 0) ||
        ray_cost_charge(&ray->cost, now_ns, &used->cost, &charged) != RAY_OK)
        return;
    answer->cost_nano = charged.nano;
    used->quota[RAY_QUOTA_COST] = charged.nano > 0 ? (uint64_t)charged.nano : 0;
}

/* -- an exchange that took no time -- */
/* Its admission, its sending and its outcome are measured in one step. */
static void measure_exchange(struct ray *ray, uint64_t now_ns, const ray_row *row,
                             const ray_journey *journey, const ray_used *used,
                             const ray_answer *answer)
{
    uint64_t bytes = used->quota[RAY_QUOTA_BYTES];
    ray_governance_event event = {
        .tokens = journey->asked != 0 ? journey->governed->limits.tokens : 0,
        .wait_ns = 0,   /* all are named: what is left out is cleared with the rest, slowly */
        .bytes = bytes,
        .latency_ns = 0,
        .cost_nano = answer->cost_nano,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .service = answer->service,
        .tenant = journey->tenant,
        .by_id = answer->by_id,
        .reason = answer->reason,
        .http_status = used->http_status,
        .kind = RAY_GOV_ADMIT,
        .verdict = answer->verdict,
        .by_kind = answer->by_kind,
        .priority = answer->priority,
        .queued = 0,
        .reserved = {0, 0, 0},
    };
    ray_governance_exchange(&ray->governance, now_ns, &event);
    ray_apimon_event seen = {.request_bytes = row->request_bytes,
                             .response_bytes = bytes - row->request_bytes,
                             .wall_offset_ns = ray->clock.wall_offset_ns,
                             .service = answer->service,
                             .caller = journey->tenant,
                             .http_status = used->http_status,
                             .kind = RAY_APIMON_FINISHED,
                             .verdict = RAY_VERDICT_COMPLETE};
    ray_apimon_exchange(&ray->apimon, now_ns, &seen);
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
    used->http_status = ray_status_seen(row->http_status, 0);
}

void ray_used_exchange(struct ray *ray, uint64_t now_ns, const ray_row *row,
                       const ray_journey *journey, ray_used *used, ray_answer *answer)
{
    used_by_row(ray, row, journey, used);
    bill(ray, now_ns, used, answer);
}

void ray_complete_exchange(struct ray *ray, uint64_t now_ns, const ray_row *row,
                           const ray_journey *journey, const ray_used *used, ray_answer *answer)
{
    uint32_t width = 0;
    if (RAY_RARELY(journey->queue_asked != 0)) {   /* a server is busy with it for no time at all */
        ray_priority_take(&ray->priority, now_ns, &journey->place, &journey->queue, 0);
        width = journey->place.width != 0 ? journey->place.width : 1;
    }
    if (RAY_RARELY(width != 0 || ray_priority_promised(&ray->priority, answer->service) != 0)) {
        ray_priority_done outcome = {.arrival_ns = now_ns, .sent_ns = now_ns,
                                     .service = answer->service, .priority = answer->priority,
                                     .width = width,
                                     .failed = used->http_status >= 500};
        ray_priority_finish(&ray->priority, now_ns, &outcome);
    }
    if (RAY_RARELY(journey->target != 0))
        ray_mediator_changed(&ray->mediator, journey->target, used->http_status);
    ray_record_complete(ray, now_ns, RAY_REASON_OK);
    measure_exchange(ray, now_ns, row, journey, used, answer);
}

/* A stored answer is complete the moment it is asked for: no server, no instance, no wait. */
void ray_used_cached(struct ray *ray, uint64_t now_ns, const ray_row *row,
                     const ray_journey *journey, ray_used *used, ray_answer *answer)
{
    ray_view headers, body = {NULL, 0};
    uint16_t http_status = 200;
    ray_mediator_cached(&ray->mediator, now_ns, journey->identified->mediated.hit, &http_status,
                        &headers, &body);
    used_by_row(ray, row, journey, used);
    used->http_status = http_status;
    used->cost.units[RAY_COST_BYTES] = row->request_bytes + body.length;
    used->cost.units[RAY_COST_STORAGE] = 0;
    used->cost.units[RAY_COST_CACHE] = 1;
    used->quota[RAY_QUOTA_BYTES] = row->request_bytes + body.length;
    bill(ray, now_ns, used, answer);
}

void ray_complete_cached(struct ray *ray, uint64_t now_ns, const ray_row *row,
                         const ray_journey *journey, const ray_used *used, ray_answer *answer)
{
    answer->cached = journey->identified->mediated.hit;
    answer->http_status = used->http_status;
    ray_record_complete(ray, now_ns, RAY_REASON_CACHED);
    ray->tally.cached_count++;
    measure_exchange(ray, now_ns, row, journey, used, answer);
}

/* -- a request that was in flight -- */
static uint32_t is_dropped(const ray_ending *ending, uint32_t was_unsent, uint32_t was_queued)
{
    return was_unsent != 0 && (ending->refund != 0 || was_queued != 0 ||
                               ending->verdict == RAY_VERDICT_DROPPED);
}

static void count_ending(struct ray *ray, const ray_ending *ending, uint32_t was_unsent,
                         uint32_t was_queued)
{
    ray_tally *tally = &ray->tally;
    if (ending->verdict == RAY_VERDICT_PREEMPTED)
        tally->preempted_count++;
    else if (is_dropped(ending, was_unsent, was_queued) != 0)
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
    if (slot->phase == RAY_PHASE_READY)
        return;   /* it never left: no server, and no outcome to tell its SLA */
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
    return ending->verdict == RAY_VERDICT_PREEMPTED ? RAY_GOV_PREEMPTED
           : is_dropped(ending, was_unsent, was_queued) != 0 ? RAY_GOV_DROPPED : RAY_GOV_DONE;
}

static void measure(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
                    const ray_answer *answer)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    const ray_inflight_more *more = &ray->inflight.more[place];
    uint32_t unsent = ray_unsent(slot), queued = slot->phase == RAY_PHASE_QUEUED;
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
        .http_status = ray_status_seen(answer->http_status, more->outcome),
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

/* How a request ended, in monitoring's eyes: each that was started ends in exactly one of these. */
static uint32_t seen_as(const ray_ending *ending)
{
    switch (ending->verdict) {
    case RAY_VERDICT_COMPLETE: return RAY_APIMON_FINISHED;
    case RAY_VERDICT_EXPIRED: return RAY_APIMON_TIMEOUT;
    case RAY_VERDICT_CANCELLED: return RAY_APIMON_CANCELLED;
    default: return RAY_APIMON_ERRORED;
    }
}

static void measure_api(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
                        const ray_answer *answer)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    const ray_inflight_more *more = &ray->inflight.more[place];
    uint32_t sent = ray_unsent(slot) == 0;
    ray_apimon_event event = {
        .latency_ns = now_ns - more->arrival_ns,
        .wait_ns = (sent != 0 ? more->sent_ns : now_ns) - more->arrival_ns,
        .upstream_ns = sent != 0 ? now_ns - more->sent_ns : 0,
        .request_bytes = slot->request_bytes,
        .response_bytes = more->response_bytes,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .service = slot->service,
        .caller = slot->tenant,
        .reason = ending->reason,
        .http_status = ending->verdict == RAY_VERDICT_COMPLETE
                           ? ray_status_seen(answer->http_status, more->outcome)
                           : 0,
        .kind = (uint8_t)seen_as(ending),
        .verdict = answer->verdict,
    };
    ray_apimon_note(&ray->apimon, now_ns, &event);
}

/* What no outcome was told of yet: the attempt under way, and the place kept for its answer. */
static void let_go(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
                   uint32_t http_status)
{
    ray_inflight_more *more = &ray->inflight.more[place];
    ray_view none = {NULL, 0};
    if (more->permitted != 0 || more->lease != RAY_NONE) {
        uint32_t outcome = ending->verdict == RAY_VERDICT_COMPLETE
                               ? more->outcome != 0 ? more->outcome
                                                    : ray_resilience_outcome_of(http_status)
                           : ending->verdict == RAY_VERDICT_EXPIRED   ? RAY_OUTCOME_TIMEOUT
                           : ending->verdict == RAY_VERDICT_CANCELLED ? RAY_OUTCOME_CANCELLED
                                                                      : RAY_OUTCOME_UNSENT;
        ray_guard_done(ray, now_ns, place, outcome, 0, NULL);
    }
    if (more->fill != RAY_NONE)
        ray_mediator_done(&ray->mediator, now_ns, more->fill, (uint16_t)http_status, none, none, 0);
    more->fill = RAY_NONE;
    if (ending->verdict == RAY_VERDICT_COMPLETE)
        ray_mediator_changed(&ray->mediator, more->target,
                             ray_status_seen(http_status, more->outcome));
}

void ray_end(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
             ray_answer *answer)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    uint32_t unsent = ray_unsent(slot), queued = slot->phase == RAY_PHASE_QUEUED;
    settle(ray, now_ns, place, ending, answer);
    let_go(ray, now_ns, place, ending, answer->http_status);
    answer->service = slot->service;
    answer->route = slot->route;
    answer->priority = slot->priority;
    answer->tenant = slot->tenant;
    answer->transform = ray->inflight.more[place].transform;
    answer->instance = ray->inflight.more[place].instance;
    answer->attempt = ray->inflight.more[place].attempt;
    answer->request = slot->id;
    answer->verdict = ending->verdict;
    answer->reason = ending->reason;
    answer->by_kind = ending->by_kind;
    answer->by_id = ending->by_kind != RAY_BY_NONE ? ending->by_id : (uint32_t)RAY_NONE;
    answer->id = ray_record(ray, now_ns, answer);
    leave_queue(ray, now_ns, place, ending,
                ray_status_seen(answer->http_status, ray->inflight.more[place].outcome));
    count_ending(ray, ending, unsent, queued);
    measure(ray, now_ns, place, ending, answer);
    measure_api(ray, now_ns, place, ending, answer);
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
int64_t ray_end_timed(struct ray *ray, uint64_t now_ns, uint32_t place)
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
    return answer.cost_nano;
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
    more->http_status = row->http_status;
    more->outcome = row->outcome;
}

/* Retry-After of the answer, in its seconds form (RFC 9110 section 10.2.3), else 0. */
static uint64_t retry_after_of(ray_view headers)
{
    ray_view value;
    uint64_t seconds = 0;
    if (ray_headers_find(headers, "retry-after", 11, 0, &value) == 0 || value.length > 9)
        return 0;
    for (uint64_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return 0;
        seconds = seconds * 10 + (uint64_t)(value.at[i] - '0');
    }
    return seconds * 1000000000U;
}

/* The attempt is over: 1 when the request goes on and is to be tried again. */
static uint32_t end_attempt(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_rows *rows,
                            const ray_row *row, ray_answer *answer)
{
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    ray_inflight_more *more = &ray->inflight.more[place];
    ray_view headers = {rows->bytes + row->headers_at, row->headers_length};
    ray_view body = {rows->bytes + row->body_at, row->body_length};
    ray_resilience_verdict verdict;
    uint64_t asked_ns = retry_after_of(headers);
    uint32_t outcome = row->outcome != 0 ? row->outcome
                                         : ray_resilience_outcome_of(row->http_status);
    ray_guard_done(ray, now_ns, place, outcome, asked_ns, &verdict);
    if (verdict.retry == 0) {
        /* Its client is told what the service said, or when the breaker half-opens. */
        answer->retry_after_ns =
            verdict.retry_after_ns > asked_ns ? verdict.retry_after_ns : asked_ns;
        if (more->fill != RAY_NONE)
            ray_mediator_done(&ray->mediator, now_ns, more->fill, row->http_status, headers,
                              body, (row->flags & RAY_ROW_BODY) != 0);
        more->fill = RAY_NONE;
        return 0;
    }
    slot->phase = RAY_PHASE_RETRY;
    more->retry_at_ns = verdict.start_at_ns;
    ray_inflight_set_due(ray, place, more->deadline_ns);
    answer->verdict = RAY_VERDICT_RETRY;
    answer->reason = RAY_REASON_RETRY;
    answer->request = slot->id;
    answer->service = slot->service;
    answer->route = slot->route;
    answer->tenant = slot->tenant;
    answer->instance = more->instance;
    answer->attempt = more->attempt;
    answer->start_at_ns = more->retry_at_ns;
    answer->id = ray_record(ray, now_ns, answer);
    return 1;
}

void ray_step_end(struct ray *ray, uint64_t now_ns, const ray_rows *rows, const ray_row *row,
                  ray_answer *answer)
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
        if (phase == RAY_PHASE_SENT || phase == RAY_PHASE_RETRY) {
            answer->status = RAY_E_STATE;         /* what left cannot be taken back */
            return;
        }
        ending.verdict = RAY_VERDICT_DROPPED;
        ending.reason = RAY_REASON_REFUNDED;
        ending.refund = 1;
    } else if (phase == RAY_PHASE_QUEUED || phase == RAY_PHASE_RETRY) {
        answer->status = RAY_E_STATE;             /* nothing is under way: what has answered? */
        return;
    }
    if (ending.refund == 0)
        take_outcome(ray, place, row);
    answer->http_status = row->http_status;
    if (row->kind != RAY_ROW_COMPLETE ||
        end_attempt(ray, now_ns, place, rows, row, answer) == 0)
        ray_end(ray, now_ns, place, &ending, answer);
    if (service != RAY_NONE)
        ray_queue_pump(ray, now_ns, service);
}
