/* SPDX-License-Identifier: MIT */
/* judge.c - what every stage's word comes to: gateway (route) > ratelimit (address) > auth > policy
 * > ratelimit > cost (quote) > quota > mediator (body, cache) > priority (queue). The limits of
 * addresses come first only where credentials would be looked at: so nobody's flood is paid for in
 * signatures. Nothing is booked here; read ray_journey_ask top to bottom. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- the verdict -- */
static uint32_t admits(const ray_answer *answer)
{
    return answer->verdict == RAY_VERDICT_ALLOW || answer->verdict == RAY_VERDICT_DELAY;
}

static void deny(ray_answer *answer, uint32_t reason, uint32_t http_status)
{
    answer->verdict = RAY_VERDICT_DENY;
    answer->reason = (uint16_t)reason;
    answer->http_status = (uint16_t)http_status;
}

static void shadow_add(ray_answer *answer, uint32_t by_kind, uint32_t by_id, uint32_t reason,
                       uint64_t retry_after_ns)
{
    answer->would_deny_count++;
    if (answer->shadow_count == RAY_REQUEST_LIMIT_MAX)
        return;
    ray_shadow *shadow = &answer->shadow[answer->shadow_count++];
    shadow->retry_after_ns = retry_after_ns;
    shadow->by_id = by_id;
    shadow->reason = (uint16_t)reason;
    shadow->by_kind = (uint8_t)by_kind;
    shadow->reserved = 0;
}

static void list_shadows(const ray_journey *journey, ray_answer *answer)
{
    if (RAY_RARELY(journey->governed->limits.shadow_denied_count != 0))
        for (uint32_t i = 0; i < journey->governed->limits.count; i++) {
            const ray_limit_answer *at = &journey->governed->limits.at[i];
            if ((at->flags & RAY_LIMIT_SHADOW) != 0 && at->granted == 0)
                shadow_add(answer, RAY_BY_LIMIT, at->limit, at->reason, at->retry_after_ns);
        }
    if (RAY_RARELY(journey->governed->quotas.shadow_denied_count != 0))
        for (uint32_t i = 0; i < journey->governed->quotas.count; i++) {
            const ray_quota_answer *at = &journey->governed->quotas.at[i];
            if (at->shadow != 0 && at->granted == 0)
                shadow_add(answer, RAY_BY_QUOTA, at->allocation, at->reason, at->retry_after_ns);
        }
}

/* Who makes the request wait: the first limit whose queue starts it last. */
static void name_delay(const ray_ratelimit_answer *limits, ray_answer *answer)
{
    for (uint32_t i = 0; i < limits->count && answer->by_kind == RAY_BY_NONE; i++)
        if ((limits->at[i].flags & RAY_LIMIT_SHADOW) == 0 &&
            limits->at[i].start_at_ns == limits->start_at_ns) {
            answer->by_kind = RAY_BY_LIMIT;
            answer->by_id = limits->at[i].limit;
        }
}

static void deny_by_limit(const ray_ratelimit_answer *limits, ray_answer *answer)
{
    const ray_limit_answer *by = &limits->at[limits->by];
    deny(answer, by->reason, 429);
    answer->by_kind = RAY_BY_LIMIT;
    answer->by_id = by->limit;
    answer->retry_after_ns = limits->retry_after_ns;
}

/* Both limits and quotas were asked in full: the largest retry_after binds, ties go to the earlier
 * stage. */
static void judge_governed(const struct ray *ray, const ray_journey *journey, ray_answer *answer)
{
    const ray_ratelimit_answer *limits = &journey->governed->limits;
    const ray_quota_answers *quotas = &journey->governed->quotas;
    answer->limit_count = (uint8_t)(limits->count + quotas->count);
    list_shadows(journey, answer);
    if (RAY_MOSTLY(limits->granted != 0 && quotas->granted != 0)) {
        if (limits->count == 0 && ray->who.settings.no_limit_deny != 0) {
            deny(answer, RAY_REASON_LIMIT_REQUIRED, 429);
            return;
        }
        answer->verdict = limits->start_at_ns != 0 ? RAY_VERDICT_DELAY : RAY_VERDICT_ALLOW;
        answer->start_at_ns = limits->start_at_ns;
        answer->reason = limits->start_at_ns != 0 ? RAY_REASON_RATE_DELAYED :
                         answer->limit_count == 0 ? RAY_REASON_NO_LIMIT : RAY_REASON_OK;
        if (RAY_RARELY(limits->start_at_ns != 0))
            name_delay(limits, answer);
        return;
    }
    if (limits->granted == 0 &&
        (quotas->granted != 0 || limits->retry_after_ns >= quotas->retry_after_ns)) {
        deny_by_limit(limits, answer);
    } else {
        const ray_quota_answer *by = &quotas->at[quotas->by];
        deny(answer, by->reason, 429);
        answer->by_kind = RAY_BY_QUOTA;
        answer->by_id = by->allocation;
        answer->retry_after_ns = quotas->retry_after_ns;
    }
}

/* The first stage that says no has the last word. */
static void judge_policy(const ray_journey *journey, ray_answer *answer)
{
    const ray_policy_answer *policy = &journey->policy;
    answer->header = policy->header_rule;
    if (policy->would_by != RAY_NONE)
        shadow_add(answer, RAY_BY_POLICY, policy->would_by, policy->would_reason, 0);
    if (policy->granted != 0)
        return;
    deny(answer, policy->reason, policy->http_status);
    answer->by_kind = policy->by != RAY_NONE ? RAY_BY_POLICY : RAY_BY_NONE;
    answer->by_id = policy->by;
    if (policy->redirects != 0) {
        answer->verdict = RAY_VERDICT_REDIRECT;
        answer->redirect = policy->redirect;
    }
}

static void refuse_later(ray_journey *journey, ray_answer *answer, uint32_t reason)
{
    answer->retry_after_ns = 0;
    answer->start_at_ns = 0;
    journey->others_allowed = 0;
    deny(answer, reason, 503);
}

/* Asks the rest once the policies said yes. */
static ray_status ask_governed(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                               const ray_row *row, ray_journey *journey, ray_answer *answer)
{
    ray_status status = ray_ask_limits(ray, now_ns, rows, row, journey);
    ray_status quote = RAY_OK;
    journey->priced = ray_cost_priced(&ray->cost, journey->gateway.service);
    if (RAY_RARELY(status == RAY_OK && journey->priced != 0))
        quote = ray_ask_cost(ray, now_ns, row, journey);
    journey->priced = quote == RAY_OK ? journey->priced : 0;
    if (RAY_MOSTLY(status == RAY_OK))
        status = ray_ask_quotas(ray, now_ns, row, journey);
    if (RAY_RARELY(status != RAY_OK))
        return status;
    journey->asked = RAY_ASKED_ALL;
    judge_governed(ray, journey, answer);
    journey->others_allowed =
        journey->governed->quotas.granted != 0 && answer->reason != RAY_REASON_LIMIT_REQUIRED;
    if (RAY_RARELY(quote != RAY_OK && admits(answer)))   /* nobody could be billed for it */
        refuse_later(journey, answer, RAY_REASON_COST_RANGE);
    return RAY_OK;
}

static void judge_queue(ray_journey *journey, ray_answer *answer)
{
    const ray_priority_answer *queue = &journey->queue;
    if (queue->granted == 0) {
        refuse_later(journey, answer, queue->reason);
        answer->retry_after_ns = queue->wait_ns;
        answer->by_kind = RAY_BY_QUEUE;
        answer->by_id = answer->service;
    } else if (queue->queued != 0) {
        answer->queued = 1;
        answer->wait_ns = queue->wait_ns;
        if (answer->verdict == RAY_VERDICT_ALLOW)
            answer->reason = RAY_REASON_QUEUED;
    }
}

/* What no stage that is not asked may leave behind. */
static void journey_begin(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                          ray_journey *journey, ray_answer *answer)
{
    journey->client = row->address;
    ray_view headers = {rows->bytes + row->headers_at, row->headers_length};
    if (RAY_RARELY(ray->who.settings.client_ip != 0) && (row->flags & RAY_ROW_ADDRESS) != 0)
        ray_client_address(ray, &row->address, headers, &journey->client);
    journey->plan =
        row->tenant != RAY_NONE ? ray->who.tenant[row->tenant].plan : (uint32_t)RAY_NONE;
    journey->user = (ray_view){rows->bytes + row->user_at, row->user_length};
    journey->tenant = row->tenant;
    journey->role = row->role;
    journey->key = 0;
    journey->auth_asked = 0;
    journey->transform = RAY_NONE;
    journey->mediated = 0;
    journey->cached = 0;
    journey->guarded = 0;
    journey->unfit = 0;
    journey->policy.asked = 0;
    journey->policy.limit_count = 0;
    journey->policy.quota_count = 0;
    journey->policy.set_class = RAY_CLASS_DEFAULT;
    journey->priced = 0;
    journey->asked = RAY_ASKED_NOT;
    journey->queue_asked = 0;
    journey->others_allowed = 0;
    journey->granted = 0;
    journey->priority = RAY_CLASS_NORMAL;
    answer->request = row->id;
    answer->redirect = RAY_NONE;
    answer->header = RAY_NONE;
    answer->entry = RAY_NONE;
}

/* Who is it? A no here ends the journey; what a credential proves counts from here on. */
static void judge_auth(ray_journey *journey, ray_answer *answer)
{
    const ray_auth_answer *auth = &journey->identified->answer;
    if (auth->granted != 0)
        return;
    deny(answer, auth->reason, auth->http_status);
    answer->by_kind = auth->credential != RAY_NONE ? RAY_BY_CREDENTIAL : RAY_BY_NONE;
    answer->by_id = auth->credential;
    answer->retry_after_ns = auth->retry_after_ns;
}

/* 1: the mediator refuses the body: admitted, but it will not be sent. */
static uint32_t journey_unfit(const ray_journey *journey)
{
    return journey->mediated != 0 && journey->identified->mediated.granted == 0;
}

/* A stored answer needs no server, so nobody waits for one; a body that breaks its schema is found
 * before it takes a place in a queue. */
static ray_status ask_way(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                          const ray_row *row, ray_journey *journey, ray_answer *answer)
{
    ray_status status;
    journey->transform = ray_mediator_transform_of(&ray->mediator, journey->gateway.route);
    if (RAY_RARELY(journey->transform != RAY_NONE)) {
        status = ray_ask_mediator(ray, now_ns, rows, row, journey);
        if (status != RAY_OK || journey_unfit(journey) != 0)
            return status;
        journey->cached = journey->identified->mediated.hit != RAY_NONE;
        answer->busy = journey->identified->mediated.busy;
        if (journey->cached != 0)
            return RAY_OK;
    }
    status = ray_ask_queue(ray, now_ns, row, journey, answer);
    if (RAY_RARELY(status == RAY_OK && journey->queue_asked != 0))
        judge_queue(journey, answer);
    journey->key = ray_balance_key(ray, rows, row, journey);
    return status;
}

/* Who it is and what they may. Where a credential is to be looked at, first whether its address may
 * ask at all. */
static __attribute__((noinline)) ray_status ask_who(const struct ray *ray, uint64_t now_ns,
                                                    const ray_rows *rows, const ray_row *row,
                                                    ray_journey *journey, ray_answer *answer)
{
    ray_status status = RAY_OK;
    if ((row->flags & RAY_ROW_VOUCHED) == 0)
        status = ray_ask_address(ray, now_ns, rows, row, journey);
    if (status == RAY_OK && journey->asked != RAY_ASKED_NOT) {
        answer->limit_count = (uint8_t)journey->governed->limits.count;
        deny_by_limit(&journey->governed->limits, answer);
        return RAY_OK;
    }
    if (status == RAY_OK)
        status = ray_ask_auth(ray, now_ns, rows, row, journey);
    if (status == RAY_OK)
        judge_auth(journey, answer);
    return status;
}

/* Address, credentials, policies, then limits and quotas in full, then the way to the service. */
static ray_status ask_rules(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                            const ray_row *row, ray_journey *journey, ray_answer *answer)
{
    ray_status status = RAY_OK;
    if (RAY_RARELY(ray_auth_asked(&ray->auth, journey->gateway.auth) != 0))
        status = ask_who(ray, now_ns, rows, row, journey, answer);
    if (RAY_RARELY(ray_policy_count(&ray->policy) != 0) && status == RAY_OK && admits(answer)) {
        status = ray_ask_policies(ray, now_ns, rows, row, journey);
        if (status == RAY_OK)
            judge_policy(journey, answer);
    }
    ray_class_choose(ray, row, journey);
    if (RAY_MOSTLY(status == RAY_OK && admits(answer)))
        status = ask_governed(ray, now_ns, rows, row, journey, answer);
    if (RAY_MOSTLY(status == RAY_OK && admits(answer)))
        status = ask_way(ray, now_ns, rows, row, journey, answer);
    return status;
}

void ray_journey_ask(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                     const ray_row *row, ray_journey *journey, ray_answer *answer)
{
    const ray_gateway_answer *gateway = &journey->gateway;
    journey_begin(ray, rows, row, journey, answer);
    answer->status = ray_ask_gateway(ray, now_ns, rows, row, journey);
    if (RAY_RARELY(answer->status != RAY_OK))
        return;
    answer->service = gateway->service;
    answer->route = gateway->route;
    answer->allow = gateway->allow;
    answer->http_status = 200;
    if (RAY_RARELY(gateway->granted == 0)) {
        deny(answer, gateway->reason, gateway->http_status);
        answer->by_kind = gateway->route != RAY_NONE ? RAY_BY_ROUTE : RAY_BY_NONE;
        answer->by_id = gateway->route;
        return;
    }
    answer->verdict = RAY_VERDICT_ALLOW;
    if (RAY_RARELY(ray->who.settings.mode == RAY_MODE_OFF || gateway->service_off != 0))
        answer->reason = RAY_REASON_OFF;
    else
        answer->status = ask_rules(ray, now_ns, rows, row, journey, answer);
    if (RAY_RARELY(answer->status != RAY_OK))
        return;
    answer->priority = (uint8_t)journey->priority;
    answer->tenant = journey->tenant;
    answer->role = (uint8_t)journey->role;
    answer->transform = journey->transform;
    if (RAY_RARELY(ray->who.draining != 0) && admits(answer))
        refuse_later(journey, answer, RAY_REASON_DRAINING);
    else if (RAY_RARELY(ray->inflight.count == RAY_INFLIGHT_MAX) && admits(answer))
        refuse_later(journey, answer, RAY_REASON_INFLIGHT_FULL);
    journey->granted = admits(answer);
    answer->queued = journey->granted != 0 ? answer->queued : 0;
    journey->guarded = journey->granted != 0 && answer->queued == 0 && journey->cached == 0 &&
                       (row->kind == RAY_ROW_EXCHANGE || (row->flags & RAY_ROW_REFUNDABLE) == 0) &&
                       (journey_unfit(journey) != 0 || ray_guards(ray, answer->service) != 0);
    journey->unfit = journey->granted != 0 && journey_unfit(journey) != 0;
}
