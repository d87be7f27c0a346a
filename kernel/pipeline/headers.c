/* SPDX-License-Identifier: MIT */
/* headers.c - what a response tells its client about limits. The row is stepped between asking and
 * writing, because RateLimit counts what is left behind this request. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* What the client may know is the whole verdict: a request that a quota denied spent no token, and
 * has to wait for the quota. */
static void tell(const struct ray *ray, const ray_answer *answer, ray_journey *journey,
                 ray_text *out)
{
    ray_ratelimit_answer *limits = &journey->limits;
    uint32_t waits = answer->verdict == RAY_VERDICT_DENY && answer->retry_after_ns != 0;
    limits->granted = answer->verdict != RAY_VERDICT_DENY;
    limits->retry_after_ns = waits != 0 ? answer->retry_after_ns : RAY_NEVER;
    ray_ratelimit_headers(&ray->ratelimit, answer->at_ns, limits, out);
}

ray_status ray_step_headers(struct ray *ray, const ray_rows *rows, ray_answer *answer,
                            ray_text *out)
{
    ray_journey journey;
    if ((rows->row->flags & RAY_ROW_NOW) == 0)
        return RAY_E_ARGUMENT;
    journey.asked = 0;
    memset(answer, 0, sizeof *answer);
    if (ray->who.settings.ratelimit_headers != 0 &&
        ray_row_check(ray, rows, rows->row) == RAY_OK)
        ray_journey_ask(ray, ray->clock.now_ns, rows, rows->row, &journey, answer);
    ray_status status = ray_step_batch(ray, rows, 1, answer);
    if (status == RAY_OK && answer->status == RAY_OK && journey.asked != 0)
        tell(ray, answer, &journey, out);
    return status;
}
