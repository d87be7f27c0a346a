/* SPDX-License-Identifier: MIT */
/* cmd_export.c - export: the metrics of all modules in one exposition, for one scrape. */
#include "parts.h"

/* Modules in the order of `help`; the last one ends the text. */
static ray_status run_metrics(ray_call *call)
{
    uint32_t form = RAY_EXPORT_OPENMETRICS;
    ray_status status = ray_export_form(call, RAY_EXPORT_TEXTS, &form);
    if (status != RAY_OK)
        return status;
    uint32_t last = ray_export_exposition(form);
    uint32_t part = last == RAY_EXPOSITION_OPENMETRICS ? RAY_EXPOSITION_PART : last;
    if ((status = ray_export_auth(call, part)) == RAY_OK &&
        (status = ray_mediator_export_metrics(ray_mediator_of(call->ray), part, call->out)) ==
            RAY_OK &&
        (status = ray_lb_export_metrics(ray_lb_of(call->ray), call->now_ns, part, call->out)) ==
            RAY_OK &&
        (status = ray_export_resilience(call, part)) == RAY_OK &&
        (status = ray_export_apimon(call, part)) == RAY_OK)
        status = ray_export_governance(call, last);
    return status;
}

static const ray_subcommand subs[] = {
    {"metrics", "[prometheus|openmetrics]",
     "every module's metrics in one exposition, openmetrics unless told", run_metrics, 0, 0},
};
const ray_command ray_command_export = {
    "export", "the metrics of all modules", subs, sizeof subs / sizeof subs[0], 0, 1, 0};
