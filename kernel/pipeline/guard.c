/* SPDX-License-Identifier: MIT */
/* guard.c - what stands between a request and an instance of its service, in one fixed order:
 * deadline > bulkhead > breaker > balancer > timeout of the attempt. All are asked before any is
 * taken, so an attempt that may not go has cost nobody anything; every attempt passes all of them
 * anew. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- asking -- */
uint32_t ray_guards(const struct ray *ray, uint32_t service)
{
    return service != RAY_NONE && (ray_resilience_guards(&ray->resilience, service) != 0 ||
                                   ray_lb_pool_of(&ray->lb, service) != RAY_NONE);
}

void ray_attempt_of(const struct ray *ray, uint64_t now_ns, uint32_t place, ray_attempt *out)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    const ray_inflight_more *more = &ray->inflight.more[place];
    out->key = more->key;
    out->deadline_ns = more->deadline_ns != 0 ? more->deadline_ns
                                             : ray_attempt_end(now_ns, more->timeout_ns);
    out->timeout_ns = more->timeout_ns;
    out->service = slot->service;
    out->method = more->method;
    out->number = more->attempt + 1U;
    out->avoid = more->instance;
}

static void ask_resilience(const struct ray *ray, uint64_t now_ns, const ray_attempt *attempt,
                           ray_guarded *out)
{
    out->resilient = 1;
    out->query.deadline_ns = attempt->deadline_ns;
    out->query.timeout_ns = attempt->timeout_ns;
    out->query.ticket = RAY_NONE;   /* who must wait does so in its service's one queue */
    out->query.service = attempt->service;
    out->query.method = attempt->method;
    out->query.attempt = attempt->number;
    if (ray_resilience_ask(&ray->resilience, now_ns, &out->query, &out->answer) != RAY_OK) {
        out->resilient = 0;   /* its rules are gone: nothing guards it any more */
        return;
    }
    out->granted = out->answer.granted;
    out->waits = out->answer.waits;
    if (out->granted != 0 && out->waits == 0)
        return;
    out->granted = 0;
    out->reason = out->answer.reason;
    out->http_status = out->answer.http_status;
    out->retry_after_ns = out->answer.retry_after_ns;
    out->by_kind = out->answer.by_kind;
    out->by_id = out->answer.by_id;
}

static void ask_balancer(const struct ray *ray, uint64_t now_ns, const ray_attempt *attempt,
                         uint32_t pool, ray_guarded *out)
{
    out->balanced = 1;
    out->pick_query.key = attempt->key;
    out->pick_query.until_ns = RAY_NEVER;
    out->pick_query.pool = pool;
    out->pick_query.avoid = attempt->avoid;
    if (ray_lb_ask(&ray->lb, now_ns, &out->pick_query, &out->pick) != RAY_OK) {
        out->balanced = 0;
        return;
    }
    if (out->pick.granted != 0)
        return;
    out->granted = 0;
    out->reason = out->pick.reason;
    out->http_status = out->pick.http_status;
    out->retry_after_ns = out->pick.retry_after_ns;
    out->by_kind = RAY_BY_POOL;
    out->by_id = pool;
}

void ray_guard_ask(const struct ray *ray, uint64_t now_ns, const ray_attempt *attempt,
                   ray_guarded *out)
{
    memset(out, 0, sizeof *out);
    out->granted = 1;
    out->by_id = RAY_NONE;
    if (ray_resilience_guards(&ray->resilience, attempt->service) != 0)
        ask_resilience(ray, now_ns, attempt, out);
    uint32_t pool = ray_lb_pool_of(&ray->lb, attempt->service);
    if (out->granted != 0 && pool != RAY_NONE)
        ask_balancer(ray, now_ns, attempt, pool, out);
}

void ray_guard_try(struct ray *ray, uint64_t now_ns, uint32_t place, ray_guarded *out)
{
    ray_attempt attempt;
    ray_attempt_of(ray, now_ns, place, &attempt);
    ray_guard_ask(ray, now_ns, &attempt, out);
    if (out->resilient != 0)
        ray_resilience_note(&ray->resilience, now_ns, &out->query, &out->answer, out->granted);
    if (out->balanced != 0)
        ray_lb_note(&ray->lb, now_ns, &out->pick_query, &out->pick, out->granted);
}

/* -- taking and giving back -- */
void ray_guard_take(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_guarded *guarded,
                    ray_answer *answer)
{
    ray_inflight_more *more = &ray->inflight.more[place];
    if (more->deadline_ns == 0) {
        ray_attempt attempt;
        ray_attempt_of(ray, now_ns, place, &attempt);
        more->deadline_ns = attempt.deadline_ns;
    }
    if (guarded->resilient != 0) {
        ray_resilience_take(&ray->resilience, now_ns, &guarded->query, &guarded->answer,
                            &more->permit);
        more->permitted = 1;
        more->timeout_ns = guarded->answer.timeout_ns;
    }
    if (guarded->balanced != 0) {
        more->lease = ray_lb_take(&ray->lb, now_ns, &guarded->pick_query, &guarded->pick);
        more->instance = guarded->pick.instance;
    }
    more->attempt = (uint8_t)(more->attempt < 255 ? more->attempt + 1 : 255);
    answer->instance = more->instance;
    answer->timeout_ns = more->timeout_ns;
    answer->attempt = more->attempt;
}

/* What says that the instance, not the request, is at fault. */
static uint32_t is_failure(uint32_t outcome)
{
    return outcome == RAY_OUTCOME_FAIL_5XX || outcome == RAY_OUTCOME_TIMEOUT ||
           outcome == RAY_OUTCOME_CONNECTION;
}

void ray_guard_done(struct ray *ray, uint64_t now_ns, uint32_t place, uint32_t outcome,
                    uint64_t retry_after_ns, ray_resilience_verdict *verdict)
{
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    ray_inflight_more *more = &ray->inflight.more[place];
    if (verdict != NULL)
        memset(verdict, 0, sizeof *verdict);
    if (more->lease != RAY_NONE) {
        ray_lb_outcome ended = {.latency_ns = now_ns - more->upstream_ns,
                                .failed = is_failure(outcome),
                                .closed = outcome == RAY_OUTCOME_CANCELLED};
        ray_lb_done(&ray->lb, now_ns, more->lease, &ended);
        more->lease = RAY_NONE;
    }
    if (more->permitted == 0)
        return;
    ray_outcome_report report = {.deadline_ns = more->deadline_ns,
                                 .retry_after_ns = retry_after_ns,
                                 .service = slot->service,
                                 .method = more->method,
                                 .attempt = more->attempt,
                                 .http_status = more->http_status,
                                 .outcome = (uint8_t)outcome,
                                 .idempotent = more->idempotent};
    ray_resilience_done(&ray->resilience, now_ns, &more->permit, &report, verdict);
    memset(&more->permit, 0, sizeof more->permit);
    more->permitted = 0;
}

/* One that would have to wait for a permit is refused where there is no place to wait: a retry has
 * none, since it left the queue when it was sent first. */
void ray_guard_refuse(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_guarded *guarded,
                      ray_answer *answer)
{
    uint32_t unsent = ray_unsent(&ray->inflight.slot[place]);
    uint32_t full = guarded->waits;
    ray_ending ending = {.by_id = guarded->by_id,
                         .reason = full != 0 ? RAY_REASON_BULKHEAD_FULL : guarded->reason,
                         .verdict = unsent != 0 ? RAY_VERDICT_DROPPED : RAY_VERDICT_COMPLETE,
                         .by_kind = guarded->by_kind,
                         .refund = (uint8_t)unsent};
    answer->http_status = full != 0 ? 503 : guarded->http_status;
    answer->retry_after_ns = guarded->retry_after_ns;
    ray_end(ray, now_ns, place, &ending, answer);
}
