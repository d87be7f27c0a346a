/* SPDX-License-Identifier: MIT */
/* admit.c - a request arrives: every stage is asked (judge.c), then all of them take or none does,
 * then each is told. Read ray_step_admit top to bottom; no module logic lives here. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- taking -- */
static __attribute__((noinline)) uint32_t take_quotas(struct ray *ray, uint64_t now_ns,
                                                      const ray_rows *rows, const ray_row *row,
                                                      const ray_journey *journey,
                                                      ray_quota_hold *holds)
{
    ray_quota_query query;
    ray_quota_query_of(ray, rows, row, journey, &query);
    return ray_quota_take(&ray->quota, now_ns, &query, &journey->governed->quotas, holds);
}

static uint64_t later(uint64_t from_ns, uint64_t wait_ns)
{
    return from_ns < RAY_NEVER - wait_ns ? from_ns + wait_ns : RAY_NEVER - 1;
}

/* Until when something must have happened: a queued request must have been sent, any other must
 * have ended. */
static uint64_t deadline(const ray_journey *journey, const ray_row *row, uint64_t now_ns,
                         const ray_answer *answer, uint64_t timeout_ns)
{
    uint64_t from_ns = answer->start_at_ns > now_ns ? answer->start_at_ns : now_ns;
    if (answer->queued != 0)
        return journey->queue.deadline_ns != RAY_NEVER ? journey->queue.deadline_ns
                                                       : later(from_ns, timeout_ns);
    if (row->kind == RAY_ROW_EXCHANGE && row->duration_ns < timeout_ns)
        return later(now_ns, row->duration_ns);
    return later(from_ns, timeout_ns);
}

static void remember(const ray_row *row, uint64_t now_ns, uint64_t timeout_ns,
                     ray_inflight_more *more)
{
    more->arrival_ns = now_ns;
    more->sent_ns = now_ns;
    more->timeout_ns = timeout_ns;
    more->entry = RAY_NONE;
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
    uint64_t timeout_ns = journey->gateway.timeout_ns != 0 ? journey->gateway.timeout_ns :
                          (uint64_t)RAY_DEFAULT_TIMEOUT_S * 1000000000U;
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
    slot->tenant = row->tenant;
    slot->timed = (uint8_t)timed;
    slot->priority = answer->priority;
    slot->phase = answer->queued != 0 ? RAY_PHASE_QUEUED : held != 0 ? RAY_PHASE_HELD
                                                                      : RAY_PHASE_SENT;
    ray->inflight.held_count += slot->phase != RAY_PHASE_SENT;
    remember(row, now_ns, timeout_ns, &ray->inflight.more[place]);
    return place;
}

static uint32_t take_held(struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                          const ray_row *row, const ray_journey *journey,
                          const ray_answer *answer)
{
    uint32_t place = take_place(ray, now_ns, row, journey, answer);
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    if (journey->asked != 0) {
        ray_limit_hold *holds = slot->phase != RAY_PHASE_SENT ? slot->limit : NULL;
        slot->limit_count = (uint8_t)ray_ratelimit_take(&ray->ratelimit, now_ns,
                                                        &journey->governed->limits, 1, holds);
        slot->quota_count = (uint8_t)take_quotas(ray, now_ns, rows, row, journey, slot->quota);
    }
    return place;
}

/* What is settled before anybody can look needs no place in flight. */
static uint32_t take_at_once(struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                             const ray_row *row, const ray_journey *journey, ray_quota_hold *holds)
{
    if (journey->asked == 0)
        return 0;
    ray_ratelimit_take(&ray->ratelimit, now_ns, &journey->governed->limits, 1, NULL);
    return journey->governed->quotas.count != 0
               ? take_quotas(ray, now_ns, rows, row, journey, holds)
               : 0;
}

/* -- telling -- */
static void count_verdict(struct ray *ray, const ray_row *row, const ray_answer *answer,
                          uint32_t granted)
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
    if (answer->queued == 0 &&
        (row->kind != RAY_ROW_ADMIT || (row->flags & RAY_ROW_REFUNDABLE) == 0))
        tally->dispatched_count++;
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

static void note_measures(struct ray *ray, uint64_t now_ns, const ray_row *row,
                          const ray_journey *journey, const ray_answer *answer)
{
    ray_governance_event event = {
        .tokens = journey->granted != 0 && journey->asked != 0 ? journey->governed->limits.tokens
                                                               : 0,
        .wait_ns = answer->retry_after_ns,
        .bytes = 0,   /* all are named: what is left out is cleared with the rest, which is slow */
        .latency_ns = 0,
        .cost_nano = 0,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .service = answer->service,
        .tenant = row->tenant,
        .by_id = answer->by_id,
        .reason = answer->reason,
        .http_status = answer->http_status,
        .kind = RAY_GOV_ADMIT,
        .verdict = answer->verdict,
        .by_kind = answer->by_kind,
        .priority = answer->priority,
        .queued = answer->queued != 0 ||
                  (row->kind == RAY_ROW_ADMIT && (row->flags & RAY_ROW_REFUNDABLE) != 0),
        .reserved = {0, 0, 0},
    };
    ray_governance_note(&ray->governance, now_ns, &event);
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
    if (journey->policy.asked != 0)
        note_policies(ray, now_ns, journey, answer);
    if (journey->asked != 0) {
        ray_ratelimit_note(&ray->ratelimit, now_ns, &journey->governed->limits, granted);
        ray_quota_note(&ray->quota, now_ns, &journey->governed->quotas, granted);
    }
    if (journey->queue_asked != 0)
        ray_priority_note(&ray->priority, now_ns, &journey->place, &journey->queue, granted);
    count_verdict(ray, row, answer, granted);
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

static __attribute__((noinline)) void admit(struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                                            const ray_row *row, ray_governed *governed,
                                            ray_answer *answer)
{
    ray_journey journey;
    ray_quota_hold holds[RAY_REQUEST_QUOTA_MAX];
    journey.governed = governed;
    ray_journey_ask(ray, now_ns, rows, row, &journey, answer);
    if (answer->status != RAY_OK)
        return;
    answer->id = ray_record(ray, now_ns, answer);
    if (journey.granted == 0) {
        deny(ray, now_ns, row, &journey, answer);
    } else if (row->kind == RAY_ROW_EXCHANGE && row->duration_ns == 0 && answer->queued == 0) {
        uint32_t count = take_at_once(ray, now_ns, rows, row, &journey, holds);
        note(ray, now_ns, row, &journey, answer);
        ray_complete_exchange(ray, now_ns, row, &journey, holds, count, answer);
    } else {
        uint32_t place = take_held(ray, now_ns, rows, row, &journey, answer);
        note(ray, now_ns, row, &journey, answer);
        note_measures(ray, now_ns, row, &journey, answer);
        if (journey.queue_asked != 0)
            answer->entry = ray_queue_take(ray, now_ns, &journey, place);
    }
}

void ray_step_admit(struct ray *ray, uint64_t now_ns, const ray_rows *rows, const ray_row *row,
                    ray_answer *answer)
{
    ray_governed governed;
    admit(ray, now_ns, rows, row, &governed, answer);
}
