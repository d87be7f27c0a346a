/* SPDX-License-Identifier: MIT */
/* cmd_governance.c - governance: what was decided, in numbers; the table of subcommands, metrics,
 * export and reset. */
#include "cmd_governance.h"
#include "parts.h"

/* -- words -- */
ray_status ray_governance_whose(ray_call *call, uint32_t *service, uint32_t *tenant)
{
    const char *at;
    uint32_t length;
    *service = RAY_NONE;
    *tenant = RAY_NONE;
    if (ray_call_option(call, "--service", &at, &length) != 0 &&
        ray_gateway_find_service(ray_gateway_of(call->ray), at, length, service) != RAY_OK)
        return ray_call_unknown_value(call, "--service names no service", at, length,
                                      RAY_COMPLETE_SERVICE);
    if (ray_call_option(call, "--tenant", &at, &length) != 0 &&
        ray_tenant_find(call->ray, at, length, tenant) != RAY_OK)
        return ray_call_unknown_value(call, "--tenant names no tenant", at, length,
                                      RAY_COMPLETE_TENANT);
    return RAY_OK;
}

static const char *grain_word(uint32_t grain)
{
    static const char *const words[] = {"second", "minute", "hour"};
    return words[grain];
}

ray_status ray_governance_grain_read(ray_call *call, uint32_t *grain)
{
    const char *at;
    uint32_t length;
    *grain = RAY_GRAIN_MINUTE;
    if (ray_call_option(call, "--grain", &at, &length) == 0)
        return RAY_OK;
    *grain = ray_option_place(at, length, grain_word, 3);
    if (*grain < 3)
        return RAY_OK;
    return ray_option_refuse(call, RAY_E_ARGUMENT, "--grain is second, minute or hour, not", at,
                             length);
}

static void key_name(ray_call *call, uint32_t dimension, uint32_t id, ray_name *out)
{
    ray_tenant_spec tenant;
    __builtin_memset(out, 0, sizeof *out);
    if (dimension == RAY_DIMENSION_SERVICE)
        ray_by_name(call->ray, RAY_BY_SERVICE, id, out);
    else if (ray_tenant_read(call->ray, id, &tenant) == RAY_OK)
        *out = tenant.name;
}

void ray_governance_put_key(ray_call *call, uint32_t dimension, uint32_t id, uint32_t json)
{
    ray_name name;
    key_name(call, dimension, id, &name);
    if (json != 0) {
        if (id == RAY_NONE)
            ray_text_json_null(call->out, "id");
        else
            ray_text_json_u64(call->out, "id", id);
        ray_text_json_name(call->out, "name", &name);
        return;
    }
    if (name.at[0] != 0) {
        ray_text_name(call->out, &name, 0);
        return;
    }
    ray_text_char(call->out, '(');
    if (id == RAY_NONE)
        ray_text_put(call->out, "none");
    else
        ray_text_u64(call->out, id);
    ray_text_char(call->out, ')');
}

/* -- metrics -- */
static void counts_put(ray_call *call, const ray_governance_counts *counts)
{
    const ray_counter rows[] = {
        {"offered", 0, counts->offered_count, 0},
        {"denied", 0, counts->denied_count, 0},
        {"dropped", 0, counts->dropped_count, 0},
        {"preempted", 0, counts->preempted_count, 0},
        {"dispatched", 0, counts->dispatched_count, 0},
        {"queued", 0, counts->queued_count, 0},
        {"violations", 0, counts->violation_count, 0},
        {"done", 0, counts->done_count, 0},
        {"failed", 0, counts->failed_count, 0},
        {"tokens", 0, counts->tokens, 0},
        {"bytes", 0, counts->bytes, 0},
    };
    const ray_counters all = {rows, sizeof rows / sizeof rows[0], 16, 12, 0};
    ray_counters_put(call, &all);
    if (call->json != 0) {
        ray_text_json_u64(call->out, "wait_ns", counts->wait_ns);
        ray_text_json_i64(call->out, "cost_nano", counts->cost_nano);
        return;
    }
    ray_line_duration(call->out, 16, "waited", counts->wait_ns);
    ray_line_begin(call->out, 16, "cost");
    ray_text_fixed(call->out, counts->cost_nano, 9);
    ray_text_char(call->out, '\n');
}

static void state_put(ray_call *call)
{
    ray_governance_stats stats;
    ray_governance_read(ray_governance_of(call->ray), &stats);
    const ray_counter rows[] = {
        {"series", 0, stats.series_count, RAY_SERIES_MAX},
        {"folded", 0, stats.folded_count, 0},
        {"services", 0, stats.service_count, 0},
        {"tenants", 0, stats.tenant_count, 0},
        {"evicted", 0, stats.evicted_count, 0},
        {"errors", 0, stats.error_count, 0},
        {"alerts", 0, stats.alert_count, RAY_ALERT_RULE_MAX},
        {"pending", 0, stats.pending_count, 0},
        {"firing", 0, stats.firing_count, 0},
        {"notifications", 0, stats.notification_count, 0},
        {"resets", 0, stats.reset_count, 0},
    };
    const ray_counters all = {rows, sizeof rows / sizeof rows[0], 16, 12, 0};
    ray_counters_put(call, &all);
}

static ray_status run_metrics(ray_call *call)
{
    const ray_governance *governance = ray_governance_of(call->ray);
    ray_governance_counts counts;
    uint32_t service, tenant;
    ray_status status = ray_governance_whose(call, &service, &tenant);
    if (status != RAY_OK)
        return status;
    if (service != RAY_NONE && tenant != RAY_NONE)
        return ray_call_error(call, RAY_E_ARGUMENT,
                              "counters are of a service or of a tenant; timeline knows both",
                              RAY_NONE, 0);
    __builtin_memset(&counts, 0, sizeof counts);
    if (service != RAY_NONE)
        (void)ray_governance_counts_read(governance, RAY_DIMENSION_SERVICE, service, &counts);
    else if (tenant != RAY_NONE)
        (void)ray_governance_counts_read(governance, RAY_DIMENSION_TENANT, tenant, &counts);
    else
        ray_governance_total(governance, &counts);
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    counts_put(call, &counts);
    if (service == RAY_NONE && tenant == RAY_NONE)
        state_put(call);
    if (call->json != 0)
        ray_json_end(call->out);
    return RAY_OK;
}

/* -- export -- */
/* Rules by their place; those that are gone stay without a name. */
static uint32_t rule_names(ray_call *call, ray_name *names)
{
    uint32_t rule, place = 0;
    ray_policy_row row;
    ray_status status;
    for (; (status = ray_policy_at(ray_policy_of(call->ray), place, &rule)) != RAY_E_RANGE; place++)
        if (status == RAY_OK && ray_policy_row_read(ray_policy_of(call->ray), rule, &row) == RAY_OK)
            names[place] = row.spec->name;
    return place;
}

static ray_status labels_of(ray_call *call, ray_governance_labels *out)
{
    ray_names_of_services(call->ray, &out->service);
    ray_status status = ray_names_of_tenants(call, &out->tenant);
    ray_name *names = ray_call_memory(call, RAY_POLICY_MAX * sizeof *names);
    if (status != RAY_OK || names == 0)
        return RAY_E_TRUNCATED;
    out->policy = (ray_names){(const uint8_t *)names, sizeof *names, rule_names(call, names)};
    return RAY_OK;
}

ray_status ray_export_governance(ray_call *call, uint32_t exposition)
{
    ray_governance_labels labels;
    ray_status status = labels_of(call, &labels);
    return status != RAY_OK ? status
                            : ray_governance_export_metrics(ray_governance_of(call->ray), &labels,
                                                            exposition, call->out);
}

static ray_status run_export(ray_call *call)
{
    const ray_governance *governance = ray_governance_of(call->ray);
    ray_governance_labels labels;
    uint32_t form = RAY_EXPORT_CSV;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS | RAY_EXPORT_TEXTS, &form);
    if (status != RAY_OK)
        return status;
    if (form > RAY_EXPORT_JSON)
        return ray_export_governance(call, ray_export_exposition(form));
    status = labels_of(call, &labels);
    if (status != RAY_OK)
        return status;
    if (form == RAY_EXPORT_CSV)
        return ray_governance_export_csv(governance, &labels, call->out);
    status = ray_governance_export_json(governance, &labels, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

/* -- reset -- */
static ray_status run_reset(ray_call *call)
{
    ray_governance_stats stats;
    if (ray_call_confirmed(call, "this empties every window and percentile") == 0)
        return RAY_E_STATE;
    ray_governance_read(ray_governance_of(call->ray), &stats);
    ray_governance_reset(ray_governance_of(call->ray), call->now_ns);
    ray_call_noted(call, RAY_AUDIT_RESET, RAY_BY_NONE, RAY_NONE, stats.series_count, 0);
    ray_text_put(call->out, "windows are empty; counters go on\n");
    return RAY_OK;
}

/* -- the table -- */
#define WHOSE " [--service=S] [--tenant=T]"

static const ray_subcommand subs[] = {
    {"metrics", "[--service=S] [--tenant=T]", "counters: in total, of a service, of a tenant",
     run_metrics, 1, 0},
    {"status", "[--service=S] [--tenant=T]", "the same as metrics", run_metrics, 1, 0},
    {"alerts", "[--all]", "alerts that are pending or firing, and what was said",
     ray_governance_run_alerts, 1, 0},
    {"timeline", "[METRIC] [--grain=GRAIN]" WHOSE,
     "windows of requests, denied, sent, failed, done or cost; by minute, second or hour",
     ray_governance_run_timeline, 1, 0},
    {"top", "[WHAT] [BY] [--count=N]",
     "services or tenants with the most requests, cost or violations", ray_governance_run_top, 1,
     0},
    {"percentiles", "[WHAT] [--service=S]", "P50, P95 and P99 of waits or of enforcement",
     ray_governance_run_percentiles, 1, 0},
    {"correlate", "[--service=S] [--grain=GRAIN]",
     "how denials, cost, latency and errors move together", ray_governance_run_correlate, 1, 0},
    {"export", "[csv|json|prometheus|openmetrics]", "every counter", run_export, 1, 0},
    {"ack", "NAME", "marks an alert, a notification's id, or `all` as seen",
     ray_governance_run_acknowledge, 0, 0},
    {"alert",
     "ACTION NAME [METRIC] [ABOVE] [--service=S] [--tenant=T] [--window=DURATION] "
     "[--for=DURATION] [--clear-below=VALUE]",
     "set or remove an alert: holds where METRIC is above in a window, default 1m",
     ray_governance_run_alert, 0, 0},
    {"reset", "", "empties windows and percentiles; counters stay (confirm)", run_reset, 0, 0},
};

const ray_command ray_command_governance = {"governance",
                                            "metrics, alerts, exports of all of it",
                                            subs,
                                            sizeof subs / sizeof subs[0],
                                            20,
                                            1,
                                            0};
