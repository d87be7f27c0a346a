/* SPDX-License-Identifier: MIT */
/* explain.c - the journey of one request as it would be now, stage by stage. It asks exactly what
 * admission asks. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- plain words -- */
void ray_explain_stage(ray_text *out, const char *word)
{
    ray_text_put(out, word);
    ray_text_column(out, 12);
}

void ray_explain_name(const struct ray *ray, uint32_t by_kind, uint32_t by_id,
                      ray_text *out)
{
    ray_name name;
    ray_by_name(ray, by_kind, by_id, &name);
    ray_text_name(out, &name, 0);
}

static void explain_gateway(const struct ray *ray, const ray_gateway_answer *gateway, ray_text *out)
{
    ray_explain_stage(out, "gateway");
    ray_text_put(out, gateway->granted != 0 ? "yes" : "NO ");
    ray_text_put(out, " path ");
    ray_text_escaped(out, (const char *)gateway->path.at, gateway->path.length);
    if (gateway->route != RAY_NONE) {
        ray_text_put(out, ", route ");
        ray_explain_name(ray, RAY_BY_ROUTE, gateway->route, out);
    }
    if (gateway->service != RAY_NONE) {
        ray_text_put(out, ", service ");
        ray_explain_name(ray, RAY_BY_SERVICE, gateway->service, out);
        ray_text_put(out, ", takes ");
        ray_text_u64(out, gateway->weight);
        ray_text_put(out, gateway->weight == 1 ? " token" : " tokens");
    }
    if (gateway->granted == 0) {
        ray_text_put(out, ", ");
        ray_text_put(out, ray_reason_word(gateway->reason));
    }
    ray_text_char(out, '\n');
}

static void explain_row(const struct ray *ray, uint32_t by_kind, uint32_t by_id, uint32_t granted,
                        uint32_t shadow, ray_text *out)
{
    ray_explain_stage(out, by_kind == RAY_BY_LIMIT ? "ratelimit" : "quota");
    ray_text_put(out, granted != 0 ? "yes " : shadow != 0 ? "(no) " : "NO  ");
    ray_explain_name(ray, by_kind, by_id, out);
    if (shadow != 0)
        ray_text_put(out, " (shadow: reported, never decides)");
}

static void explain_amount(ray_text *out, uint64_t left, uint64_t asked, uint32_t granted,
                           const char *unit)
{
    ray_text_put(out, ": ");
    ray_text_u64(out, left);
    ray_text_put(out, " left before");
    if (granted != 0) {
        ray_text_put(out, ", ");
        ray_text_u64(out, left > asked ? left - asked : 0);
        ray_text_put(out, " after");
    }
    ray_text_put(out, ", asks ");
    ray_text_u64(out, asked);
    ray_text_put(out, unit);
}

static void explain_no(ray_text *out, uint32_t granted, uint32_t reason, uint64_t retry_after_ns)
{
    if (granted == 0) {
        ray_text_put(out, ", ");
        ray_text_put(out, ray_reason_word(reason));
        ray_text_put(out, ", retry after ");
        ray_text_duration(out, retry_after_ns);
    }
    ray_text_char(out, '\n');
}

static void explain_governed(const struct ray *ray, uint64_t now_ns, uint32_t tenant,
                             const ray_journey *journey, ray_text *out)
{
    const ray_ratelimit_answer *limits = &journey->governed->limits;
    const ray_quota_answers *quotas = &journey->governed->quotas;
    for (uint32_t i = 0; i < limits->count; i++) {
        const ray_limit_answer *at = &limits->at[i];
        explain_row(ray, RAY_BY_LIMIT, at->limit, at->granted, (at->flags & RAY_LIMIT_SHADOW) != 0,
                    out);
        explain_amount(out, at->left_tokens, limits->tokens, at->granted,
                       limits->tokens == 1 ? " token" : " tokens");
        if (at->start_at_ns != 0) {
            ray_text_put(out, ", may start in ");
            ray_text_duration(out, at->start_at_ns > now_ns ? at->start_at_ns - now_ns : 0);
        }
        explain_no(out, at->granted, at->reason, at->retry_after_ns);
    }
    if (limits->count == 0) {
        ray_explain_stage(out, "ratelimit");
        ray_text_put(out, "no limit applies\n");
    }
    for (uint32_t i = 0; i < quotas->count; i++) {
        const ray_quota_answer *at = &quotas->at[i];
        explain_row(ray, RAY_BY_QUOTA, at->allocation, at->granted, at->shadow, out);
        explain_amount(out, at->left_units, at->units, at->granted,
                       at->units == 1 ? " unit" : " units");
        explain_no(out, at->granted, at->reason, at->retry_after_ns);
    }
    if (quotas->count == 0 && journey->asked == RAY_ASKED_ALL) {
        ray_explain_stage(out, "quota");
        ray_text_put(out, tenant == RAY_NONE ? "no tenant given: no quota applies\n"
                                             : "no quota applies\n");
    }
}

static void explain_verdict(const struct ray *ray, const ray_answer *answer, ray_text *out)
{
    ray_explain_stage(out, "verdict");
    ray_text_put(out, ray_verdict_word(answer->verdict));
    ray_text_put(out, " (");
    ray_text_u64(out, answer->http_status);
    ray_text_put(out, "), ");
    ray_text_put(out, ray_reason_word(answer->reason));
    if (answer->by_kind != RAY_BY_NONE) {
        ray_text_put(out, ", by ");
        ray_text_put(out, ray_by_word(answer->by_kind));
        ray_text_char(out, ' ');
        ray_explain_name(ray, answer->by_kind, answer->by_id, out);
    }
    if (answer->verdict == RAY_VERDICT_DENY && answer->retry_after_ns != 0) {
        ray_text_put(out, ", retry after ");
        ray_text_duration(out, answer->retry_after_ns);
    }
    if (answer->would_deny_count != 0) {
        ray_text_put(out, ", shadow rules would deny: ");
        ray_text_u64(out, answer->would_deny_count);
    }
    ray_text_char(out, '\n');
}

/* -- JSON -- */
static void json_by(const struct ray *ray, const char *key, uint32_t by_kind, uint32_t by_id,
                    ray_text *out)
{
    ray_name name;
    if (by_kind == RAY_BY_NONE || by_id == RAY_NONE) {
        ray_text_json_null(out, key);
        return;
    }
    ray_by_name(ray, by_kind, by_id, &name);
    ray_text_json_name(out, key, &name);
}

static void json_retry(ray_text *out, uint64_t retry_after_ns)
{
    if (retry_after_ns == RAY_NEVER)
        ray_text_json_literal(out, "retry_after_ns", "never");
    else
        ray_text_json_u64(out, "retry_after_ns", retry_after_ns);
}

static void json_limits(const struct ray *ray, const ray_ratelimit_answer *limits, ray_text *out)
{
    ray_text_json_open(out, "ratelimit", '[');
    for (uint32_t i = 0; i < limits->count; i++) {
        const ray_limit_answer *at = &limits->at[i];
        ray_text_json_open(out, NULL, '{');
        json_by(ray, "limit", RAY_BY_LIMIT, at->limit, out);
        ray_text_json_bool(out, "granted", at->granted);
        ray_text_json_bool(out, "shadow", (at->flags & RAY_LIMIT_SHADOW) != 0);
        ray_text_json_u64(out, "left_tokens", at->left_tokens);
        ray_text_json_u64(out, "tokens", limits->tokens);
        ray_text_json_literal(out, "reason", ray_reason_word(at->reason));
        json_retry(out, at->retry_after_ns);
        ray_text_json_u64(out, "start_at_ns", at->start_at_ns);
        ray_text_json_close(out, '}');
    }
    ray_text_json_close(out, ']');
}

static void json_quotas(const struct ray *ray, const ray_quota_answers *quotas, ray_text *out)
{
    ray_text_json_open(out, "quota", '[');
    for (uint32_t i = 0; i < quotas->count; i++) {
        const ray_quota_answer *at = &quotas->at[i];
        ray_text_json_open(out, NULL, '{');
        json_by(ray, "quota", RAY_BY_QUOTA, at->allocation, out);
        ray_text_json_bool(out, "granted", at->granted);
        ray_text_json_bool(out, "shadow", at->shadow);
        ray_text_json_u64(out, "left_units", at->left_units);
        ray_text_json_u64(out, "units", at->units);
        ray_text_json_literal(out, "reason", ray_reason_word(at->reason));
        json_retry(out, at->retry_after_ns);
        ray_text_json_close(out, '}');
    }
    ray_text_json_close(out, ']');
}

static void json_gateway(const struct ray *ray, const ray_gateway_answer *gateway, ray_text *out)
{
    ray_text_json_open(out, "gateway", '{');
    ray_text_json_bool(out, "granted", gateway->granted);
    ray_text_json_string(out, "path", (const char *)gateway->path.at, gateway->path.length);
    json_by(ray, "route", RAY_BY_ROUTE, gateway->route, out);
    json_by(ray, "service", RAY_BY_SERVICE, gateway->service, out);
    ray_text_json_u64(out, "weight", gateway->weight);
    ray_text_json_literal(out, "reason", ray_reason_word(gateway->reason));
    ray_text_json_close(out, '}');
}

static void json_journey(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                         const ray_journey *journey, const ray_answer *answer, ray_text *out)
{
    ray_text_json_open(out, NULL, '{');
    json_gateway(ray, &journey->gateway, out);
    ray_explain_auth_json(ray, journey, out);
    ray_explain_policy_json(ray, now_ns, rows, journey, out);
    if (journey->asked != 0) {
        json_limits(ray, &journey->governed->limits, out);
        json_quotas(ray, &journey->governed->quotas, out);
    }
    ray_explain_queue_json(journey, out);
    ray_explain_way_json(ray, now_ns, rows->row, journey, out);
    ray_text_json_literal(out, "verdict", ray_verdict_word(answer->verdict));
    ray_text_json_u64(out, "http_status", answer->http_status);
    ray_text_json_literal(out, "reason", ray_reason_word(answer->reason));
    ray_text_json_literal(out, "by_kind", ray_by_word(answer->by_kind));
    json_by(ray, "by", answer->by_kind, answer->by_id, out);
    json_retry(out, answer->retry_after_ns);
    ray_text_json_u64(out, "start_at_ns", answer->start_at_ns);
    ray_text_json_u64(out, "would_deny", answer->would_deny_count);
    ray_text_json_u64(out, "epoch", answer->epoch);
    ray_text_json_close(out, '}');
}

/* Journey and answer live in two frames, so that each stays within the stack a frame may take. */
static __attribute__((noinline)) ray_status explain_into(const struct ray *ray, uint64_t now_ns,
                                                         const ray_rows *rows, uint32_t json,
                                                         ray_governed *governed,
                                                         ray_identified *identified,
                                                         ray_answer *answer, ray_text *out)
{
    ray_journey journey;
    journey.governed = governed;
    journey.identified = identified;
    ray_journey_ask(ray, now_ns, rows, rows->row, &journey, answer);
    if (answer->status != RAY_OK)
        return answer->status;
    ray_foretell(ray, now_ns, rows->row, &journey, answer);
    if (json != 0) {
        json_journey(ray, now_ns, rows, &journey, answer, out);
    } else {
        explain_gateway(ray, &journey.gateway, out);
        ray_explain_auth(ray, &journey, out);
        ray_explain_policy(ray, now_ns, rows, &journey, out);
        if (journey.asked != 0)
            explain_governed(ray, now_ns, journey.tenant, &journey, out);
        ray_explain_queue(now_ns, &journey, out);
        ray_explain_way(ray, now_ns, rows->row, &journey, out);
        explain_verdict(ray, answer, out);
    }
    return out->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

static __attribute__((noinline)) ray_status explain_governed_by(
    const struct ray *ray, uint64_t now_ns, const ray_rows *rows, uint32_t json,
    ray_governed *governed, ray_text *out)
{
    ray_answer answer;
    ray_identified identified;
    identified.mediated.fill = RAY_NONE;
    ray_answer_begin(ray, now_ns, &answer);
    return explain_into(ray, now_ns, rows, json, governed, &identified, &answer, out);
}

ray_status ray_explain(const struct ray *ray, uint64_t now_ns, const ray_rows *rows, uint32_t json,
                       ray_text *out)
{
    ray_governed governed;
    ray_status status = ray_row_check(ray, rows, rows->row);
    if (status == RAY_OK)
        status = explain_governed_by(ray, now_ns, rows, json, &governed, out);
    return status;
}
