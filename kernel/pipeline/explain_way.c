/* SPDX-License-Identifier: MIT */
/* explain_way.c - who the request is from by its credentials, and what stands between it and an
 * instance of its service, for a person. */
#include "pipeline/journey.h"
#include "base/bytes.h"
#include "base/headers.h"

/* -- credentials -- */
static void put_asker(const struct ray *ray, const ray_journey *journey, ray_text *out)
{
    if (journey->user.length != 0) {
        ray_text_put(out, ", user ");
        ray_text_escaped(out, (const char *)journey->user.at, journey->user.length);
    }
    if (journey->tenant < ray->who.tenant_count) {
        ray_text_put(out, ", tenant ");
        ray_text_name(out, &ray->who.tenant[journey->tenant].name, 0);
    }
    if (journey->role != 0) {
        ray_text_put(out, ", role ");
        ray_text_put(out, ray_role_word(journey->role));
    }
}

void ray_explain_auth(const struct ray *ray, const ray_journey *journey, ray_text *out)
{
    const ray_auth_answer *auth = &journey->identified->answer;
    if (journey->auth_asked == 0)
        return;
    ray_explain_stage(out, "auth");
    ray_text_put(out, auth->granted != 0 ? "yes " : "NO  ");
    ray_text_put(out, ray_reason_word(auth->reason));
    if (auth->credential != RAY_NONE) {
        ray_text_put(out, ", by ");
        ray_explain_name(ray, RAY_BY_CREDENTIAL, auth->credential, out);
    }
    if (auth->known != 0)
        put_asker(ray, journey, out);
    if (auth->retry_after_ns != 0) {
        ray_text_put(out, ", retry after ");
        ray_text_duration(out, auth->retry_after_ns);
    }
    ray_text_char(out, '\n');
}

void ray_explain_auth_json(const struct ray *ray, const ray_journey *journey, ray_text *out)
{
    const ray_auth_answer *auth = &journey->identified->answer;
    if (journey->auth_asked == 0)
        return;
    ray_text_json_open(out, "auth", '{');
    ray_text_json_bool(out, "granted", auth->granted);
    ray_text_json_literal(out, "reason", ray_reason_word(auth->reason));
    ray_text_json_bool(out, "known", auth->known);
    if (auth->known != 0) {
        ray_text_json_string(out, "user", (const char *)journey->user.at, journey->user.length);
        if (journey->tenant < ray->who.tenant_count)
            ray_text_json_name(out, "tenant", &ray->who.tenant[journey->tenant].name);
        ray_text_json_literal(out, "role", ray_role_word(journey->role));
    }
    ray_text_json_close(out, '}');
}

/* -- the way to an instance -- */
/* What the guards would say to the first attempt; 0: they are not asked. */
static __attribute__((noinline)) uint32_t guards_of(const struct ray *ray, uint64_t now_ns,
                                                    const ray_row *row,
                                                    const ray_journey *journey, ray_guarded *out)
{
    uint64_t timeout_ns = ray_timeout_of(journey);
    ray_attempt attempt = {.key = journey->key,
                           .deadline_ns = ray_attempt_end(now_ns, timeout_ns),
                           .timeout_ns = timeout_ns,
                           .service = journey->gateway.service,
                           .method = row->method,
                           .number = 1,
                           .avoid = RAY_NONE};
    if (journey->guarded == 0 || journey->unfit != 0 ||
        ray_guards(ray, attempt.service) == 0)
        return 0;
    ray_guard_ask(ray, now_ns, &attempt, out);
    return 1;
}

void ray_foretell(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                  const ray_journey *journey, ray_answer *answer)
{
    ray_guarded guarded;
    if (journey->granted != 0 && journey->unfit != 0) {
        answer->verdict = RAY_VERDICT_DROPPED;
        answer->reason = journey->identified->mediated.reason;
        answer->http_status = journey->identified->mediated.http_status;
        answer->by_kind = RAY_BY_TRANSFORM;
        answer->by_id = journey->transform;
    } else if (guards_of(ray, now_ns, row, journey, &guarded) != 0 && guarded.granted == 0 &&
               guarded.waits == 0) {
        answer->verdict = RAY_VERDICT_DROPPED;
        answer->reason = guarded.reason;
        answer->http_status = guarded.http_status;
        answer->by_kind = guarded.by_kind;
        answer->by_id = guarded.by_id;
        answer->retry_after_ns = guarded.retry_after_ns;
    }
}

/* Where a refused body breaks which keyword of its schema; 0: it is not the body that was refused,
 * or nowhere is known. */
static uint32_t body_report(const struct ray *ray, const ray_journey *journey,
                            ray_mediator_report *report)
{
    const ray_mediator_query *query = &journey->identified->mediation;
    return journey->identified->mediated.granted == 0 && query->body_known != 0 &&
           ray_mediator_validate(&ray->mediator, query->transform, RAY_SIDE_REQUEST,
                                 query->headers, query->body, report) != RAY_OK &&
           report->reason == journey->identified->mediated.reason;
}

static void put_body_report(const ray_mediator_report *report, ray_text *out)
{
    ray_text_put(out, report->keyword[0] != 0 ? ": " : ": does not parse");
    ray_text_put(out, report->keyword);
    ray_text_put(out, " at ");
    ray_text_escaped(out, report->pointer, ray_length_of(report->pointer));
    if (report->pointer[0] == 0)
        ray_text_put(out, "the top");
}

static __attribute__((noinline)) void explain_mediator(const struct ray *ray,
                                                       const ray_journey *journey, ray_text *out)
{
    ray_mediator_report report;
    const ray_mediator_answer *mediated = &journey->identified->mediated;
    ray_explain_stage(out, "mediator");
    ray_text_put(out, mediated->granted != 0 ? "yes transform " : "NO  transform ");
    ray_explain_name(ray, RAY_BY_TRANSFORM, journey->transform, out);
    if (journey->cached != 0)
        ray_text_put(out, ", a stored answer serves it");
    else if (mediated->busy != 0)
        ray_text_put(out, ", another request is fetching the same answer");
    else if (mediated->cacheable != 0)
        ray_text_put(out, ", its answer may be stored");
    if (mediated->granted == 0) {
        ray_text_put(out, ", ");
        ray_text_put(out, ray_reason_word(mediated->reason));
        if (body_report(ray, journey, &report) != 0)
            put_body_report(&report, out);
    } else if (journey->cached == 0 && journey->identified->mediation.body_known == 0 &&
               ray_sends_content(journey->identified->mediation.method) != 0) {
        ray_text_put(out, ", the body is not shown, so nobody looked at it");
    }
    ray_text_char(out, '\n');
}

static void json_mediator(const struct ray *ray, const ray_journey *journey, ray_text *out)
{
    const ray_mediator_answer *mediated = &journey->identified->mediated;
    ray_mediator_report report;
    ray_text_json_open(out, "mediator", '{');
    ray_text_json_bool(out, "granted", mediated->granted);
    ray_text_json_literal(out, "reason", ray_reason_word(mediated->reason));
    if (body_report(ray, journey, &report) != 0) {
        ray_text_json_string(out, "pointer", report.pointer, ray_length_of(report.pointer));
        ray_text_json_string(out, "keyword", report.keyword, ray_length_of(report.keyword));
    }
    ray_text_json_bool(out, "body_shown", journey->identified->mediation.body_known);
    ray_text_json_bool(out, "cached", journey->cached);
    ray_text_json_bool(out, "cacheable", mediated->cacheable);
    ray_text_json_bool(out, "busy", mediated->busy);
    ray_text_json_close(out, '}');
}

static void explain_guards(const struct ray *ray, const ray_guarded *guarded, ray_text *out)
{
    if (guarded->resilient != 0) {
        const ray_resilience_answer *answer = &guarded->answer;
        ray_explain_stage(out, "resilience");
        ray_text_put(out, answer->waits != 0 ? "waits " : answer->granted != 0 ? "yes " : "NO  ");
        ray_text_put(out, ray_reason_word(answer->reason));
        if (answer->probe != 0)
            ray_text_put(out, ", as a probe");
        if (answer->granted != 0 && answer->waits == 0) {
            ray_text_put(out, ", must answer within ");
            ray_text_duration(out, answer->timeout_ns);
        } else if (answer->retry_after_ns != 0) {
            ray_text_put(out, ", retry after ");
            ray_text_duration(out, answer->retry_after_ns);
        }
        ray_text_char(out, '\n');
    }
    if (guarded->balanced != 0) {
        ray_explain_stage(out, "lb");
        ray_text_put(out, guarded->pick.granted != 0 ? "yes pool " : "NO  pool ");
        ray_explain_name(ray, RAY_BY_POOL, guarded->pick_query.pool, out);
        ray_text_put(out, guarded->pick.granted != 0 ? ", to " : ", ");
        if (guarded->pick.granted != 0)
            ray_explain_name(ray, RAY_BY_INSTANCE, guarded->pick.instance, out);
        else
            ray_text_put(out, ray_reason_word(guarded->pick.reason));
        ray_text_put(out, guarded->pick.panic != 0 ? ", whatever its health\n" : "\n");
    }
}

__attribute__((noinline)) void ray_explain_way(const struct ray *ray, uint64_t now_ns,
                                               const ray_row *row, const ray_journey *journey,
                                               ray_text *out)
{
    ray_guarded guarded;
    if (journey->mediated != 0)
        explain_mediator(ray, journey, out);
    if (guards_of(ray, now_ns, row, journey, &guarded) != 0)
        explain_guards(ray, &guarded, out);
}

__attribute__((noinline)) void ray_explain_way_json(const struct ray *ray, uint64_t now_ns,
                                               const ray_row *row, const ray_journey *journey,
                                               ray_text *out)
{
    ray_guarded guarded;
    ray_name name;
    if (journey->mediated != 0)
        json_mediator(ray, journey, out);
    if (guards_of(ray, now_ns, row, journey, &guarded) == 0)
        return;
    if (guarded.resilient != 0) {
        ray_text_json_open(out, "resilience", '{');
        ray_text_json_bool(out, "granted",
                           guarded.answer.granted != 0 && guarded.answer.waits == 0);
        ray_text_json_literal(out, "reason", ray_reason_word(guarded.answer.reason));
        ray_text_json_bool(out, "waits", guarded.answer.waits);
        ray_text_json_u64(out, "timeout_ns", guarded.answer.timeout_ns);
        ray_text_json_close(out, '}');
    }
    if (guarded.balanced != 0) {
        ray_text_json_open(out, "lb", '{');
        ray_text_json_bool(out, "granted", guarded.pick.granted);
        ray_text_json_literal(out, "reason", ray_reason_word(guarded.pick.reason));
        ray_by_name(ray, RAY_BY_INSTANCE, guarded.pick.instance, &name);
        ray_text_json_name(out, "instance", &name);
        ray_text_json_close(out, '}');
    }
}
