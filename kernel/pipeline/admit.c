/* SPDX-License-Identifier: MIT */
/* admit.c - a request arrives: gateway (route) > ratelimit > quota. Ask every stage, then take all
 * or nothing, then note. Read top to bottom; no module logic lives here. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- the row as bytes from outside -- */
static uint32_t inside(uint64_t length, uint32_t at, uint32_t part)
{
    return (uint64_t)at + part <= length;
}

ray_status ray_row_check(const struct ray *ray, const ray_rows *rows, const ray_row *row)
{
    uint64_t length = rows->bytes_length;
    if (!inside(length, row->target_at, row->target_length) ||
        !inside(length, row->host_at, row->host_length) ||
        !inside(length, row->headers_at, row->headers_length) ||
        !inside(length, row->user_at, row->user_length) ||
        !inside(length, row->client_at, row->client_length))
        return RAY_E_TRUNCATED;
    if (row->tenant != RAY_NONE && row->tenant >= ray->who.tenant_count)
        return RAY_E_UNKNOWN;
    if (row->method >= RAY_METHOD_MAX)
        return RAY_E_ARGUMENT;
    if (row->priority >= RAY_CLASS_MAX && row->priority != RAY_CLASS_DEFAULT)
        return RAY_E_ARGUMENT;
    if (row->flags > (RAY_ROW_ADDRESS | RAY_ROW_REFUNDABLE | RAY_ROW_NOW | RAY_ROW_QUIET |
                      RAY_ROW_WEIGHT))
        return RAY_E_ARGUMENT;
    if (row->request_bytes > RAY_UNITS_MAX || row->response_bytes > RAY_UNITS_MAX ||
        row->compute_units > RAY_UNITS_MAX || row->custom_units > RAY_UNITS_MAX)
        return RAY_E_RANGE;
    return row->service != RAY_NONE ? ray_gateway_known(&ray->gateway, row->service) : RAY_OK;
}

static ray_view view(const ray_rows *rows, uint32_t at, uint32_t length)
{
    ray_view bytes = {rows->bytes + at, length};
    return bytes;
}

/* -- asking -- */
static __attribute__((noinline)) ray_status ask_gateway(const struct ray *ray, uint64_t now_ns,
                                                        const ray_rows *rows, const ray_row *row,
                                                        ray_journey *journey)
{
    ray_gateway_query query = {
        .target = view(rows, row->target_at, row->target_length),
        .host = view(rows, row->host_at, row->host_length),
        .headers = view(rows, row->headers_at, row->headers_length),
        .scratch = rows->scratch,
        .body_bytes = row->request_bytes,
        .method = row->method,
        .service = row->service,
    };
    return ray_gateway_ask(&ray->gateway, now_ns, &query, &journey->gateway);
}

static uint32_t class_of(const struct ray *ray, const ray_row *row)
{
    return row->priority == RAY_CLASS_DEFAULT ? ray->who.settings.default_class : row->priority;
}

static __attribute__((noinline)) ray_status ask_limits(const struct ray *ray, uint64_t now_ns,
                                                       const ray_rows *rows, const ray_row *row,
                                                       ray_journey *journey)
{
    ray_ratelimit_query query = {
        .user = view(rows, row->user_at, row->user_length),
        .client = view(rows, row->client_at, row->client_length),
        .address = row->address,
        .tokens = row->weight != 0 || (row->flags & RAY_ROW_WEIGHT) != 0
                      ? row->weight
                      : journey->gateway.weight,
        .wall_offset_ns = ray->clock.wall_offset_ns,
        .address_known = (row->flags & RAY_ROW_ADDRESS) != 0,
        .service = journey->gateway.service,
        .plan = journey->plan,
        .priority = class_of(ray, row),
        .named_count = journey->gateway.limit_count,
    };
    if (ray->who.settings.client_ip != 0 && query.address_known != 0)
        ray_client_address(ray, &row->address, view(rows, row->headers_at, row->headers_length),
                           &query.address);
    for (uint32_t i = 0; i < journey->gateway.limit_count; i++)
        query.named[i] = journey->gateway.limits[i];
    return ray_ratelimit_ask(&ray->ratelimit, now_ns, &query, &journey->limits);
}

static void quota_query_fill(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                             const ray_journey *journey, ray_quota_query *query)
{
    memset(query, 0, sizeof *query);
    query->user = view(rows, row->user_at, row->user_length);
    query->units[RAY_QUOTA_REQUESTS] = 1;
    query->units[RAY_QUOTA_BYTES] = row->request_bytes;
    query->units[RAY_QUOTA_COMPUTE] = row->compute_units;
    query->units[RAY_QUOTA_CUSTOM] = row->custom_units;
    query->wall_offset_ns = ray->clock.wall_offset_ns;
    query->tenant = row->tenant;
    query->plan = journey->plan;
    query->service = journey->gateway.service;
}

static __attribute__((noinline)) ray_status ask_quotas(const struct ray *ray, uint64_t now_ns,
                                                       const ray_rows *rows, const ray_row *row,
                                                       ray_journey *journey)
{
    ray_quota_query query;
    quota_query_fill(ray, rows, row, journey, &query);
    return ray_quota_ask(&ray->quota, now_ns, &query, &journey->quotas);
}

/* -- the verdict -- */
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
    if (journey->limits.shadow_denied_count != 0)
        for (uint32_t i = 0; i < journey->limits.count; i++) {
            const ray_limit_answer *at = &journey->limits.at[i];
            if ((at->flags & RAY_LIMIT_SHADOW) != 0 && at->granted == 0)
                shadow_add(answer, RAY_BY_LIMIT, at->limit, at->reason, at->retry_after_ns);
        }
    if (journey->quotas.shadow_denied_count != 0)
        for (uint32_t i = 0; i < journey->quotas.count; i++) {
            const ray_quota_answer *at = &journey->quotas.at[i];
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

/* Both limits and quotas were asked in full: the largest retry_after binds, ties go to the earlier
 * stage. */
static void judge_governed(const struct ray *ray, const ray_journey *journey, ray_answer *answer)
{
    const ray_ratelimit_answer *limits = &journey->limits;
    const ray_quota_answers *quotas = &journey->quotas;
    answer->limit_count = (uint8_t)(limits->count + quotas->count);
    list_shadows(journey, answer);
    if (limits->granted != 0 && quotas->granted != 0) {
        if (limits->count == 0 && ray->who.settings.no_limit_deny != 0) {
            deny(answer, RAY_REASON_LIMIT_REQUIRED, 429);
            return;
        }
        answer->verdict = limits->start_at_ns != 0 ? RAY_VERDICT_DELAY : RAY_VERDICT_ALLOW;
        answer->start_at_ns = limits->start_at_ns;
        answer->reason = limits->start_at_ns != 0 ? RAY_REASON_RATE_DELAYED :
                         answer->limit_count == 0 ? RAY_REASON_NO_LIMIT : RAY_REASON_OK;
        if (limits->start_at_ns != 0)
            name_delay(limits, answer);
        return;
    }
    if (limits->granted == 0 &&
        (quotas->granted != 0 || limits->retry_after_ns >= quotas->retry_after_ns)) {
        const ray_limit_answer *by = &limits->at[limits->by];
        deny(answer, by->reason, 429);
        answer->by_kind = RAY_BY_LIMIT;
        answer->by_id = by->limit;
        answer->retry_after_ns = limits->retry_after_ns;
    } else {
        const ray_quota_answer *by = &quotas->at[quotas->by];
        deny(answer, by->reason, 429);
        answer->by_kind = RAY_BY_QUOTA;
        answer->by_id = by->allocation;
        answer->retry_after_ns = quotas->retry_after_ns;
    }
}

void ray_journey_ask(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                     const ray_row *row, ray_journey *journey, ray_answer *answer)
{
    journey->asked = 0;
    journey->granted = 0;
    journey->others_allowed = 0;
    journey->plan =
        row->tenant != RAY_NONE ? ray->who.tenant[row->tenant].plan : (uint32_t)RAY_NONE;
    answer->status = ask_gateway(ray, now_ns, rows, row, journey);
    if (answer->status != RAY_OK)
        return;
    const ray_gateway_answer *gateway = &journey->gateway;
    answer->service = gateway->service;
    answer->route = gateway->route;
    answer->allow = gateway->allow;
    answer->http_status = 200;
    if (gateway->granted == 0) {
        deny(answer, gateway->reason, gateway->http_status);
        answer->by_kind = gateway->route != RAY_NONE ? RAY_BY_ROUTE : RAY_BY_NONE;
        answer->by_id = gateway->route;
    } else if (ray->who.settings.mode == RAY_MODE_OFF || gateway->service_off != 0) {
        answer->verdict = RAY_VERDICT_ALLOW;
        answer->reason = RAY_REASON_OFF;
    } else {
        answer->status = ask_limits(ray, now_ns, rows, row, journey);
        if (answer->status == RAY_OK)
            answer->status = ask_quotas(ray, now_ns, rows, row, journey);
        if (answer->status != RAY_OK)
            return;
        journey->asked = 1;
        judge_governed(ray, journey, answer);
        journey->others_allowed =
            journey->quotas.granted != 0 && answer->reason != RAY_REASON_LIMIT_REQUIRED;
    }
    if (answer->verdict != RAY_VERDICT_DENY &&
        (ray->who.draining != 0 || ray->inflight.count == RAY_INFLIGHT_MAX)) {
        answer->retry_after_ns = 0;
        answer->start_at_ns = 0;
        journey->others_allowed = 0;
        deny(answer, ray->who.draining != 0 ? RAY_REASON_DRAINING : RAY_REASON_INFLIGHT_FULL, 503);
    }
    journey->granted = answer->verdict != RAY_VERDICT_DENY;
}

/* -- taking -- */
static __attribute__((noinline)) uint32_t take_quotas(struct ray *ray, uint64_t now_ns,
                                                      const ray_rows *rows, const ray_row *row,
                                                      const ray_journey *journey,
                                                      ray_quota_hold *holds)
{
    ray_quota_query query;
    quota_query_fill(ray, rows, row, journey, &query);
    return ray_quota_take(&ray->quota, now_ns, &query, &journey->quotas, holds);
}

static uint64_t deadline(const ray_journey *journey, uint64_t now_ns, const ray_answer *answer)
{
    uint64_t timeout_ns = journey->gateway.timeout_ns != 0 ? journey->gateway.timeout_ns :
                          (uint64_t)RAY_DEFAULT_TIMEOUT_S * 1000000000U;
    uint64_t from_ns = answer->start_at_ns > now_ns ? answer->start_at_ns : now_ns;
    return from_ns < RAY_NEVER - timeout_ns ? from_ns + timeout_ns : RAY_NEVER - 1;
}

static void take_held(struct ray *ray, uint64_t now_ns, const ray_rows *rows, const ray_row *row,
                      const ray_journey *journey, const ray_answer *answer)
{
    uint32_t held = (row->flags & RAY_ROW_REFUNDABLE) != 0;
    uint32_t place = ray_inflight_add(ray, row->id, deadline(journey, now_ns, answer));
    ray_assert(place != RAY_NONE);
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    slot->seq = answer->id;
    slot->request_bytes = row->request_bytes;
    slot->service = answer->service;
    slot->route = answer->route;
    slot->tenant = row->tenant;
    slot->phase = held != 0 ? RAY_PHASE_HELD : RAY_PHASE_SENT;
    ray->inflight.held_count += held;
    if (journey->asked == 0)
        return;
    slot->limit_count = (uint8_t)ray_ratelimit_take(&ray->ratelimit, now_ns, &journey->limits, 1,
                                                    held != 0 ? slot->limit : NULL);
    slot->quota_count = (uint8_t)take_quotas(ray, now_ns, rows, row, journey, slot->quota);
}

/* ADMIT followed at once by COMPLETE needs no slot: what is taken is settled before anybody can
 * look. */
static __attribute__((noinline)) void exchange(struct ray *ray, uint64_t now_ns,
                                               const ray_rows *rows, const ray_row *row,
                                               const ray_journey *journey)
{
    ray_quota_hold holds[RAY_REQUEST_QUOTA_MAX];
    if (journey->asked == 0)
        return;
    ray_ratelimit_take(&ray->ratelimit, now_ns, &journey->limits, 1, NULL);
    if (journey->quotas.count == 0)
        return;
    uint32_t count = take_quotas(ray, now_ns, rows, row, journey, holds);
    uint64_t units[RAY_QUOTA_TYPE_MAX] = {1, row->request_bytes + row->response_bytes,
                                          row->compute_units, row->custom_units};
    ray_quota_settle(&ray->quota, now_ns, ray->clock.wall_offset_ns, holds, count, units);
}

static void count_verdict(struct ray *ray, const ray_row *row, const ray_answer *answer)
{
    ray_tally *tally = &ray->tally;
    tally->offered_count++;
    tally->would_deny_count += answer->would_deny_count;
    if (answer->verdict == RAY_VERDICT_DENY) {
        tally->denied_count++;
        return;
    }
    tally->granted_count++;
    tally->delayed_count += answer->verdict == RAY_VERDICT_DELAY;
    if (row->kind != RAY_ROW_ADMIT || (row->flags & RAY_ROW_REFUNDABLE) == 0)
        tally->dispatched_count++;
}

static void audit_decision(struct ray *ray, uint64_t now_ns, ray_answer *answer)
{
    ray_audit_record record = {.at_ns = now_ns,
                               .seq = answer->id,
                               .before = answer->reason,
                               .after = answer->retry_after_ns,
                               .by_id = answer->by_id,
                               .reason = answer->reason,
                               .what = RAY_AUDIT_DECISION,
                               .who = RAY_WHO_PIPELINE,
                               .by_kind = answer->by_kind,
                               .verdict = answer->verdict};
    answer->audit_id = (uint32_t)ray_audit_add(ray, &record);
}

void ray_step_admit(struct ray *ray, uint64_t now_ns, const ray_rows *rows, const ray_row *row,
                    ray_answer *answer)
{
    ray_journey journey;
    ray_journey_ask(ray, now_ns, rows, row, &journey, answer);
    if (answer->status != RAY_OK)
        return;
    answer->id = ray_record(ray, now_ns, answer);
    if (journey.granted != 0 && row->kind == RAY_ROW_EXCHANGE)
        exchange(ray, now_ns, rows, row, &journey);
    else if (journey.granted != 0)
        take_held(ray, now_ns, rows, row, &journey, answer);
    else if (journey.asked != 0 && journey.limits.count != 0)
        ray_ratelimit_take(&ray->ratelimit, now_ns, &journey.limits, journey.others_allowed, NULL);
    ray_gateway_note(&ray->gateway, now_ns, &journey.gateway, journey.granted);
    if (journey.asked != 0) {
        ray_ratelimit_note(&ray->ratelimit, now_ns, &journey.limits, journey.granted);
        ray_quota_note(&ray->quota, now_ns, &journey.quotas, journey.granted);
    }
    count_verdict(ray, row, answer);
    if (answer->verdict != RAY_VERDICT_ALLOW)
        audit_decision(ray, now_ns, answer);
}
