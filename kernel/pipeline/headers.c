/* SPDX-License-Identifier: MIT */
/* headers.c - what a response tells its client about limits. The row is stepped between asking and
 * writing, because RateLimit counts what is left behind this request. */
#include "pipeline/journey.h"
#include "base/bytes.h"
#include "base/fixed.h"

/* What the client may know is the whole verdict: a request that a quota denied spent no token, and
 * has to wait for the quota. */
static void tell(const struct ray *ray, const ray_answer *answer, ray_journey *journey,
                 ray_text *out)
{
    ray_ratelimit_answer *limits = &journey->governed->limits;
    uint32_t waits = answer->verdict == RAY_VERDICT_DENY && answer->retry_after_ns != 0;
    limits->granted = answer->verdict != RAY_VERDICT_DENY;
    limits->retry_after_ns = waits != 0 ? answer->retry_after_ns : RAY_NEVER;
    ray_ratelimit_headers(&ray->ratelimit, answer->at_ns, limits, out);
}

/* When to come back, where neither limits nor quotas said so (RFC 9110 10.2.3). */
static void tell_wait(const ray_answer *answer, ray_text *out)
{
    uint64_t wait_ns = answer->retry_after_ns;
    if ((answer->verdict != RAY_VERDICT_DENY && answer->verdict != RAY_VERDICT_DROPPED) ||
        wait_ns == 0 || wait_ns == RAY_NEVER)
        return;
    ray_text_put(out, "Retry-After: ");
    ray_text_u64(out, ray_seconds_up(wait_ns));
    ray_text_put(out, "\r\n");
}

static void put_field(ray_text *out, ray_view name, ray_view value)
{
    ray_text_bytes(out, (const char *)name.at, name.length);
    ray_text_put(out, ": ");
    ray_text_bytes(out, (const char *)value.at, value.length);
    ray_text_put(out, "\r\n");
}

/* How to ask better, where it was credentials that were not good enough (RFC 9110 11.6.1). */
static void tell_auth(const struct ray *ray, const ray_answer *answer,
                      const ray_auth_answer *auth, ray_text *out)
{
    if (answer->reason != auth->reason || (auth->http_status != 401 && auth->http_status != 403))
        return;
    ray_text_put(out, "WWW-Authenticate: ");
    ray_auth_challenge(&ray->auth, auth, out);
    ray_text_put(out, "\r\n");
}

/* What policies add to a response: where a redirect leads, and a header that a rule sets. */
static void tell_policy(const struct ray *ray, const ray_answer *answer, ray_text *out)
{
    ray_view name = {(const uint8_t *)"Location", 8}, value;
    if (answer->verdict == RAY_VERDICT_REDIRECT && answer->redirect != RAY_NONE) {
        ray_policy_location(&ray->policy, answer->redirect, &value);
        put_field(out, name, value);
    }
    if (answer->header != RAY_NONE) {
        ray_policy_header(&ray->policy, answer->header, &name, &value);
        put_field(out, name, value);
    }
}

/* Which decision this is, for whoever asks later: the client, and the log of its service. */
static void tell_request(const struct ray *ray, const ray_answer *answer, ray_text *out)
{
    const ray_name *name = &ray->who.settings.request_id;
    if (ray_name_length(name) == 0)
        return;
    ray_text_bytes(out, name->at, ray_name_length(name));
    ray_text_put(out, ": ");
    ray_text_u64(out, answer->id);
    ray_text_put(out, "\r\n");
}

static __attribute__((noinline)) ray_status step_telling(struct ray *ray, const ray_rows *rows,
                                                         ray_governed *governed,
                                                         ray_identified *identified,
                                                         ray_answer *answer, ray_text *out)
{
    ray_journey journey;
    journey.governed = governed;
    journey.identified = identified;
    journey.asked = 0;
    journey.auth_asked = 0;
    uint32_t limits = ray->who.settings.ratelimit_headers;
    if ((limits != 0 || ray_auth_asked(&ray->auth, RAY_AUTH_REQUIRED) != 0) &&
        ray_row_check(ray, rows, rows->row) == RAY_OK)
        ray_journey_ask(ray, ray->clock.now_ns, rows, rows->row, &journey, answer);
    ray_status status = ray_step_batch(ray, rows, 1, answer);
    if (status != RAY_OK || answer->status != RAY_OK)
        return status;
    if (journey.auth_asked != 0 && answer->verdict == RAY_VERDICT_DENY)
        tell_auth(ray, answer, &identified->answer, out);
    if (limits != 0 && journey.asked != 0)
        tell(ray, answer, &journey, out);
    if (limits == 0 || journey.asked == 0 || answer->verdict != RAY_VERDICT_DENY)
        tell_wait(answer, out);
    tell_policy(ray, answer, out);
    if (rows->row->kind == RAY_ROW_ADMIT || rows->row->kind == RAY_ROW_EXCHANGE)
        tell_request(ray, answer, out);
    return RAY_OK;
}

static __attribute__((noinline)) ray_status step_governed(struct ray *ray, const ray_rows *rows,
                                                          ray_governed *governed,
                                                          ray_answer *answer, ray_text *out)
{
    ray_identified identified;
    identified.mediated.fill = RAY_NONE;
    return step_telling(ray, rows, governed, &identified, answer, out);
}

ray_status ray_step_headers(struct ray *ray, const ray_rows *rows, ray_answer *answer,
                            ray_text *out)
{
    ray_governed governed;
    if ((rows->row->flags & RAY_ROW_NOW) == 0)
        return RAY_E_ARGUMENT;
    memset(answer, 0, sizeof *answer);
    return step_governed(ray, rows, &governed, answer, out);
}
