/* SPDX-License-Identifier: MIT */
/* admit.c - a request arrives: every stage is asked (judge.c), then all of them take or none does,
 * then each is told. Read ray_step_admit top to bottom; no module logic lives here. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- taking -- */
/* `used`: what it used, of a request that is over already and holds nothing. */
static __attribute__((noinline)) uint32_t take_quotas(struct ray *ray, uint64_t now_ns,
                                                      const ray_journey *journey,
                                                      const ray_used *used, ray_quota_hold *holds)
{
    ray_quota_query query;   /* the answers hold the rest */
    if (used != NULL)
        memcpy(query.units, used->quota, sizeof query.units);
    query.user = journey->user;
    query.tenant = journey->tenant;
    query.wall_offset_ns = ray->clock.wall_offset_ns;
    return ray_quota_take(&ray->quota, now_ns, &query, &journey->governed->quotas, holds);
}

/* Until when something must have happened: a queued request must have been sent, any other must
 * have ended. */
static uint64_t deadline(const ray_journey *journey, const ray_row *row, uint64_t now_ns,
                         const ray_answer *answer, uint64_t timeout_ns)
{
    uint64_t from_ns = answer->start_at_ns > now_ns ? answer->start_at_ns : now_ns;
    if (answer->queued != 0)
        return journey->queue.deadline_ns != RAY_NEVER ? journey->queue.deadline_ns
                                                       : ray_attempt_end(from_ns, timeout_ns);
    if (row->kind == RAY_ROW_EXCHANGE && row->duration_ns < timeout_ns)
        return ray_attempt_end(now_ns, row->duration_ns);
    return ray_attempt_end(from_ns, timeout_ns);
}

static void remember(const ray_row *row, uint64_t now_ns, uint64_t timeout_ns,
                     const ray_journey *journey, ray_inflight_more *more)
{
    more->arrival_ns = now_ns;
    more->sent_ns = now_ns;
    more->timeout_ns = timeout_ns;
    more->entry = RAY_NONE;
    more->lease = RAY_NONE;
    more->instance = RAY_NONE;
    more->transform = journey->transform;
    more->fill = journey->mediated != 0 ? journey->identified->mediated.fill : (uint32_t)RAY_NONE;
    more->key = journey->key;
    more->target = journey->target;
    more->method = row->method;
    more->idempotent = (row->flags & RAY_ROW_IDEMPOTENT) != 0;
    more->scheme = journey->auth_asked != 0 ? journey->identified->answer.scheme : 0;
    if (row->kind != RAY_ROW_EXCHANGE)
        return;
    more->duration_ns = row->duration_ns;
    more->response_bytes = row->response_bytes;
    more->compute_units = row->compute_units;
    more->custom_units = row->custom_units;
    more->access_count = row->access_count;
    more->hit_count = row->hit_count;
    more->http_status = row->http_status;
}

/* A place among the requests in flight, with everything that must be given back. */
static uint32_t take_place(struct ray *ray, uint64_t now_ns, const ray_row *row,
                           const ray_journey *journey, const ray_answer *answer)
{
    uint64_t timeout_ns = ray_timeout_of(journey);
    uint32_t timed = row->kind == RAY_ROW_EXCHANGE;
    uint32_t held = (row->flags & RAY_ROW_REFUNDABLE) != 0 && timed == 0;
    uint64_t id = timed != 0 ? RAY_EXCHANGE_ID | answer->id : row->id;
    uint32_t place =
        ray_inflight_add(ray, id, deadline(journey, row, now_ns, answer, timeout_ns));
    ray_assert(place != RAY_NONE);
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    slot->seq = answer->id;
    slot->request_bytes = row->request_bytes;
    slot->service = answer->service;
    slot->route = answer->route;
    slot->tenant = journey->tenant;
    slot->timed = (uint8_t)timed;
    slot->priority = answer->priority;
    slot->phase = answer->queued != 0      ? RAY_PHASE_QUEUED
                  : held != 0              ? RAY_PHASE_HELD
                  : journey->guarded != 0 ? RAY_PHASE_READY
                                           : RAY_PHASE_SENT;
    ray->inflight.held_count += ray_unsent(slot);
    remember(row, now_ns, timeout_ns, journey, &ray->inflight.more[place]);
    return place;
}

static uint32_t take_held(struct ray *ray, uint64_t now_ns, const ray_row *row,
                          const ray_journey *journey, const ray_answer *answer)
{
    uint32_t place = take_place(ray, now_ns, row, journey, answer);
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    if (journey->asked != 0) {
        ray_limit_hold *holds = slot->phase != RAY_PHASE_SENT ? slot->limit : NULL;
        slot->limit_count = (uint8_t)ray_ratelimit_take(&ray->ratelimit, now_ns,
                                                        &journey->governed->limits, 1, holds);
        slot->quota_count = (uint8_t)take_quotas(ray, now_ns, journey, NULL, slot->quota);
    }
    return place;
}

/* -- telling -- */
/* Not sent in this step's admission: it waits, its caller holds it, or its guards come first. */
static uint32_t stays_behind(const ray_row *row, const ray_journey *journey,
                             const ray_answer *answer)
{
    return answer->queued != 0 || journey->guarded != 0 ||
           (row->kind == RAY_ROW_ADMIT && (row->flags & RAY_ROW_REFUNDABLE) != 0 &&
            journey->cached == 0);
}

static void count_verdict(struct ray *ray, const ray_row *row, const ray_journey *journey,
                          const ray_answer *answer, uint32_t granted)
{
    ray_tally *tally = &ray->tally;
    tally->offered_count++;
    tally->would_deny_count += answer->would_deny_count;
    if (granted == 0) {
        tally->denied_count++;
        return;
    }
    tally->granted_count++;
    tally->delayed_count += answer->verdict == RAY_VERDICT_DELAY;
    tally->dispatched_count += stays_behind(row, journey, answer) == 0;
}

/* Written where it stays: most refusals of an overloaded service pass here. */
static void audit_decision(struct ray *ray, uint64_t now_ns, ray_answer *answer)
{
    ray_audit_record *record = ray_audit_next(ray);
    record->at_ns = now_ns;
    record->seq = answer->id;
    record->before = answer->reason;
    record->after = answer->retry_after_ns;
    record->by_id = answer->by_id;
    record->reason = answer->reason;
    record->what = RAY_AUDIT_DECISION;
    record->who = RAY_WHO_PIPELINE;
    record->by_kind = answer->by_kind;
    record->verdict = answer->verdict;
    record->reserved[0] = 0;
    record->reserved[1] = 0;
    answer->audit_id = (uint32_t)record->id;
}

/* Monitoring counts a request from here until it ends; a refused one has ended. */
static void note_api(struct ray *ray, uint64_t now_ns, const ray_row *row,
                     const ray_journey *journey, const ray_answer *answer)
{
    ray_apimon_event event = {.request_bytes = row->request_bytes,
                              .wall_offset_ns = ray->clock.wall_offset_ns,
                              .service = answer->service,
                              .caller = journey->tenant,
                              .reason = answer->reason,
                              .http_status = answer->http_status,
                              .kind = (uint8_t)(journey->granted != 0 ? RAY_APIMON_STARTED
                                                                      : RAY_APIMON_REFUSED),
                              .verdict = answer->verdict};
    ray_apimon_note(&ray->apimon, now_ns, &event);
}

static void note_measures(struct ray *ray, uint64_t now_ns, const ray_row *row,
                          const ray_journey *journey, const ray_answer *answer)
{
    ray_governance_event event = {
        .tokens = journey->granted != 0 && journey->asked != 0 ? journey->governed->limits.tokens
                                                               : 0,
        .wait_ns = answer->retry_after_ns,
        .bytes = 0,   /* all are named: what is left out is cleared with the rest, which is slow */
        .latency_ns = 0, .cost_nano = 0,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .service = answer->service,
        .tenant = journey->tenant,
        .by_id = answer->by_id,
        .reason = answer->reason,
        .http_status = answer->http_status,
        .kind = RAY_GOV_ADMIT,
        .verdict = answer->verdict,
        .by_kind = answer->by_kind,
        .priority = answer->priority,
        .queued = (uint8_t)stays_behind(row, journey, answer),
        .reserved = {0, 0, 0},
    };
    ray_governance_note(&ray->governance, now_ns, &event);
    note_api(ray, now_ns, row, journey, answer);
    if (journey->granted == 0 || event.queued != 0)
        return;
    event.kind = RAY_GOV_SENT;
    event.wait_ns = 0;
    ray_governance_note(&ray->governance, now_ns, &event);
}

/* The rules that matched, each to its own series. */
static void note_policies(struct ray *ray, uint64_t now_ns, const ray_journey *journey,
                          const ray_answer *answer)
{
    const ray_policy_answer *policy = &journey->policy;
    ray_policy_note(&ray->policy, now_ns, ray->clock.wall_offset_ns, answer->id, policy,
                    journey->granted);
    for (uint32_t word = 0; word < RAY_POLICY_WORDS; word++)
        for (uint64_t left = policy->matched[word]; left != 0; left &= left - 1) {
            uint32_t rule, place = word * 64 + (uint32_t)__builtin_ctzll(left);
            ray_policy_row row;
            if (ray_policy_at(&ray->policy, place, &rule) != RAY_OK ||
                ray_policy_row_read(&ray->policy, rule, &row) != RAY_OK)
                continue;
            ray_governance_policy(&ray->governance, now_ns, rule,
                                  policy->granted == 0 && policy->by == rule,
                                  row.spec->alert != 0 || row.spec->action == RAY_ACTION_ALERT);
        }
}

static void note(struct ray *ray, uint64_t now_ns, const ray_row *row, const ray_journey *journey,
                 ray_answer *answer)
{
    uint32_t granted = journey->granted;
    ray_gateway_note(&ray->gateway, now_ns, &journey->gateway, granted);
    if (RAY_RARELY(journey->auth_asked != 0))
        ray_auth_note(&ray->auth, now_ns, &journey->identified->query,
                      &journey->identified->answer, granted);
    if (RAY_RARELY(journey->policy.asked != 0))
        note_policies(ray, now_ns, journey, answer);
    if (RAY_MOSTLY(journey->asked != RAY_ASKED_NOT))
        ray_ratelimit_note(&ray->ratelimit, now_ns, &journey->governed->limits, granted);
    if (RAY_MOSTLY(journey->asked == RAY_ASKED_ALL))
        ray_quota_note(&ray->quota, now_ns, &journey->governed->quotas, granted);
    if (RAY_RARELY(journey->queue_asked != 0))
        ray_priority_note(&ray->priority, now_ns, &journey->place, &journey->queue, granted);
    if (RAY_RARELY(journey->mediated != 0))
        ray_mediator_note(&ray->mediator, now_ns, &journey->identified->mediation,
                          &journey->identified->mediated, granted);
    count_verdict(ray, row, journey, answer, granted);
    if (answer->verdict != RAY_VERDICT_ALLOW)
        audit_decision(ray, now_ns, answer);
}

static void deny(struct ray *ray, uint64_t now_ns, const ray_row *row, const ray_journey *journey,
                 ray_answer *answer)
{
    const ray_ratelimit_answer *limits = &journey->governed->limits;
    if (journey->asked != 0 && limits->count != 0)
        ray_ratelimit_take(&ray->ratelimit, now_ns, limits, journey->others_allowed, NULL);
    note(ray, now_ns, row, journey, answer);
    note_measures(ray, now_ns, row, journey, answer);
}

/* Its body breaks its schema: what it took is kept, but it goes nowhere. */
static void drop_unfit(struct ray *ray, uint64_t now_ns, uint32_t place,
                       const ray_journey *journey, ray_answer *answer)
{
    const ray_mediator_answer *mediated = &journey->identified->mediated;
    ray_ending ending = {.reason = mediated->reason, .verdict = RAY_VERDICT_DROPPED,
                         .by_kind = RAY_BY_TRANSFORM, .by_id = journey->transform};
    answer->http_status = mediated->http_status;
    ray_end(ray, now_ns, place, &ending, answer);
}

/* Its bulkhead is full, but it may wait: in its service's one queue, by class and weight. 0: there
 * is no place. */
static __attribute__((noinline)) uint32_t wait_for_permit(struct ray *ray, uint64_t now_ns,
                                                          const ray_row *row,
                                                          ray_journey *journey, uint32_t place,
                                                          uint64_t until_ns, ray_answer *answer)
{
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    ray_guard_spec spec;
    ray_queue_stats queue;
    if (ray_resilience_spec_read(&ray->resilience, answer->service, &spec) != RAY_OK ||
        ray_priority_queue_read(&ray->priority, now_ns, answer->service, &queue) != RAY_OK ||
        queue.waiting_count >= spec.bulkhead.waiting)
        return 0;
    if (journey->queue_asked == 0)
        journey->place = (ray_priority_query){.flow = journey->key,
                                              .service = answer->service,
                                              .priority = journey->priority,
                                              .origin = row->origin,
                                              .width = row->width};
    journey->place.hold = 1;
    if (ray_priority_ask(&ray->priority, now_ns, &journey->place, &journey->queue) != RAY_OK ||
        journey->queue.granted == 0)
        return 0;
    slot->phase = RAY_PHASE_QUEUED;
    answer->queued = 1;
    answer->wait_ns = journey->queue.wait_ns;
    answer->entry = ray_queue_take(ray, now_ns, journey, place);
    uint64_t due_ns =
        deadline(journey, row, now_ns, answer, ray->inflight.more[place].timeout_ns);
    ray_inflight_set_due(ray, place, due_ns < until_ns ? due_ns : until_ns);
    return 1;
}

/* Sent at once if its guards let it; else it waits for a permit, or is gone. */
static __attribute__((noinline)) void send_guarded(struct ray *ray, uint64_t now_ns,
                                                   const ray_row *row, ray_journey *journey,
                                                   uint32_t place, ray_answer *answer)
{
    ray_guarded guarded;
    ray_guard_try(ray, now_ns, place, &guarded);
    if (guarded.granted != 0) {
        if (journey->queue_asked != 0)
            answer->entry = ray_queue_take(ray, now_ns, journey, place);
        ray_send(ray, now_ns, place, &guarded, 0, answer);
        return;
    }
    if (guarded.waits != 0 && wait_for_permit(ray, now_ns, row, journey, place,
                                              guarded.answer.wait_until_ns, answer) != 0)
        return;
    ray_guard_refuse(ray, now_ns, place, &guarded, answer);
}

/* An exchange that takes no time has ended with its admission. */
static void end_at_once(struct ray *ray, uint64_t now_ns, uint32_t place, ray_answer *answer)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    if (slot->timed == 0 || slot->phase != RAY_PHASE_SENT || slot->seq != answer->id ||
        ray->inflight.due_ns[place] > now_ns)
        return;
    answer->cost_nano = ray_end_timed(ray, now_ns, place);
}

/* Takes a place in flight, and the first step from there. */
static __attribute__((noinline)) void admit_held(struct ray *ray, uint64_t now_ns,
                                                 const ray_row *row, ray_journey *journey,
                                                 ray_answer *answer)
{
    uint32_t unfit = journey->mediated != 0 && journey->identified->mediated.granted == 0;
    if (journey->mediated != 0 && unfit == 0)
        ray_mediator_take(&ray->mediator, now_ns, &journey->identified->mediation,
                          &journey->identified->mediated);
    uint32_t place = take_held(ray, now_ns, row, journey, answer);
    note(ray, now_ns, row, journey, answer);
    note_measures(ray, now_ns, row, journey, answer);
    if (unfit != 0) {
        drop_unfit(ray, now_ns, place, journey, answer);
        return;
    }
    if (journey->guarded != 0)
        send_guarded(ray, now_ns, row, journey, place, answer);
    else if (journey->queue_asked != 0)
        answer->entry = ray_queue_take(ray, now_ns, journey, place);
    end_at_once(ray, now_ns, place, answer);
}

/* Admitted, sent and complete in one step: by a stored answer, or because it takes no time. */
static __attribute__((noinline)) void admit_at_once(struct ray *ray, uint64_t now_ns,
                                                    const ray_row *row,
                                                    const ray_journey *journey,
                                                    ray_answer *answer)
{
    ray_used used;
    if (RAY_RARELY(journey->cached != 0))
        ray_used_cached(ray, now_ns, row, journey, &used, answer);
    else
        ray_used_exchange(ray, now_ns, row, journey, &used, answer);
    if (RAY_MOSTLY(journey->asked != 0))
        ray_ratelimit_take(&ray->ratelimit, now_ns, &journey->governed->limits, 1, NULL);
    if (journey->asked != 0 && journey->governed->quotas.count != 0)
        take_quotas(ray, now_ns, journey, &used, NULL);
    note(ray, now_ns, row, journey, answer);
    if (RAY_RARELY(journey->cached != 0))
        ray_complete_cached(ray, now_ns, row, journey, &used, answer);
    else
        ray_complete_exchange(ray, now_ns, row, journey, &used, answer);
}

static __attribute__((noinline)) void admit(struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                                            const ray_row *row, ray_governed *governed,
                                            ray_identified *identified, ray_answer *answer)
{
    ray_journey journey;
    journey.governed = governed;
    journey.identified = identified;
    ray_journey_ask(ray, now_ns, rows, row, &journey, answer);
    if (RAY_RARELY(answer->status != RAY_OK))
        return;
    answer->id = ray_record(ray, now_ns, answer);
    journey.target = journey.granted != 0 ? ray_target_of(ray, rows, row, &journey) : 0;
    if (journey.granted == 0)
        deny(ray, now_ns, row, &journey, answer);
    else if (journey.cached != 0 ||
             (row->kind == RAY_ROW_EXCHANGE && row->duration_ns == 0 && answer->queued == 0 &&
              journey.guarded == 0 && journey.mediated == 0))
        admit_at_once(ray, now_ns, row, &journey, answer);
    else
        admit_held(ray, now_ns, row, &journey, answer);
}

/* Each of the larger parts of a journey lives in a frame of its own. */
static __attribute__((noinline)) void admit_governed(struct ray *ray, uint64_t now_ns,
                                                     const ray_rows *rows, const ray_row *row,
                                                     ray_governed *governed, ray_answer *answer)
{
    ray_identified identified;
    identified.mediated.fill = RAY_NONE;
    admit(ray, now_ns, rows, row, governed, &identified, answer);
}

void ray_step_admit(struct ray *ray, uint64_t now_ns, const ray_rows *rows, const ray_row *row,
                    ray_answer *answer)
{
    ray_governed governed;
    admit_governed(ray, now_ns, rows, row, &governed, answer);
}
