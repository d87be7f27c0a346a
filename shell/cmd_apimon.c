/* SPDX-License-Identifier: MIT */
/* cmd_apimon.c - apimon: what came, how it ended, how long it took; by service and by caller. */
#include "parts.h"

/* -- names -- */
static ray_status labels_of(ray_call *call, ray_apimon_labels *out)
{
    ray_names_of_services(call->ray, &out->service);
    return ray_names_of_tenants(call, &out->tenant);
}

static void name_of(ray_call *call, uint32_t service, uint32_t of_tenant, ray_name *out)
{
    ray_tenant_spec tenant;
    __builtin_memset(out, 0, sizeof *out);
    if (of_tenant == 0)
        ray_by_name(call->ray, RAY_BY_SERVICE, service, out);
    else if (ray_tenant_read(call->ray, service, &tenant) == RAY_OK)
        *out = tenant.name;
}

/* A name, or (none), (7); `other` says whose row it is. */
static void key_put(ray_call *call, const char *key, uint32_t id, uint32_t of_tenant,
                    const char *other)
{
    ray_name name;
    name_of(call, id, of_tenant, &name);
    if (call->json != 0) {
        if (other != 0)
            ray_text_json_literal(call->out, key, other);
        else if (name.at[0] != 0)
            ray_text_json_name(call->out, key, &name);
        else if (id == RAY_NONE)
            ray_text_json_null(call->out, key);
        else
            ray_text_json_u64(call->out, key, id);
        return;
    }
    if (other == 0 && name.at[0] != 0) {
        ray_text_name(call->out, &name, 0);
        return;
    }
    ray_text_char(call->out, '(');
    if (other != 0)
        ray_text_put(call->out, other);
    else if (id == RAY_NONE)
        ray_text_put(call->out, "none");
    else
        ray_text_u64(call->out, id);
    ray_text_char(call->out, ')');
}

static const char *other_of(uint32_t place)
{
    return place == RAY_APIMON_ALL ? "all" : place == RAY_APIMON_OTHER ? "other" : 0;
}

/* -- status -- */
static ray_status run_status(ray_call *call)
{
    ray_apimon_stats stats;
    ray_apimon_read(ray_apimon_of(call->ray), &stats);
    const ray_counter rows[] = {
        {"requests", 0, stats.asked_count, 0},
        {"finished", 0, stats.granted_count + stats.denied_count, 0},
        {"governed", 0, stats.denied_count, 0},
        {"errored", 0, stats.errored_count, 0},
        {"in flight", "inflight", stats.inflight_count, 0},
        {"services", 0, stats.service_count, RAY_APIMON_SERVICE_MAX},
        {"folded", 0, stats.folded_count, 0},
        {"edges", 0, stats.edge_count, RAY_APIMON_EDGE_MAX},
        {"edges folded", "edges_folded", stats.edge_folded_count, 0},
        {"samples", 0, stats.sample_count, 0},
        {"bad events", "bad_events", stats.error_count, 0},
        {"resets", 0, stats.reset_count, 0},
    };
    const ray_counters all = {rows, sizeof rows / sizeof rows[0], 16, 12, 0};
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    ray_counters_put(call, &all);
    if (call->json != 0)
        ray_json_end(call->out);
    return RAY_OK;
}

/* -- list -- */
static void list_row(ray_call *call, uint32_t place)
{
    static const uint32_t p99_ppm = 990000;
    const ray_apimon *apimon = ray_apimon_of(call->ray);
    ray_apimon_counts counts;
    ray_apimon_rates rates;
    uint64_t p99 = 0, count;
    uint32_t service;
    (void)ray_apimon_row(apimon, place, &service, &counts);
    (void)ray_apimon_rates_read(apimon, call->now_ns, place, &rates);
    (void)ray_apimon_quantiles(apimon, place, &p99_ppm, 1, &p99, &count);
    if (call->json != 0) {
        ray_text_json_open(call->out, 0, '{');
        key_put(call, "service", service, 0, other_of(place));
        ray_text_json_u64(call->out, "requests", counts.started_count);
        ray_text_json_u64(call->out, "errored", counts.errored_count);
        ray_text_json_u64(call->out, "per_second", rates.second_count);
        ray_text_json_u64(call->out, "p99_ns", p99);
        ray_text_json_close(call->out, '}');
        return;
    }
    key_put(call, "service", service, 0, other_of(place));
    ray_text_column(call->out, 26);
    ray_text_u64_right(call->out, counts.started_count, 10);
    ray_text_u64_right(call->out, counts.errored_count, 10);
    ray_text_u64_right(call->out, rates.second_count, 10);
    ray_text_put(call->out, "  ");
    ray_text_duration(call->out, p99);
    ray_text_char(call->out, '\n');
}

static ray_status run_list(ray_call *call)
{
    ray_apimon_stats stats;
    ray_apimon_read(ray_apimon_of(call->ray), &stats);
    if (call->json != 0)
        ray_json_list_open(call->out, "services");
    else
        ray_text_put(call->out, "service                     requests   errored     per s  p99\n");
    for (uint32_t place = 0; place < stats.service_count + RAY_APIMON_FIRST; place++)
        list_row(call, place);
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- show -- */
static void show_counts(ray_call *call, const ray_apimon_counts *counts,
                        const ray_apimon_rates *rates)
{
    const ray_counter rows[] = {
        {"requests", 0, counts->started_count, 0},
        {"finished", 0, counts->finished_count, 0},
        {"governed", 0, counts->governed_count, 0},
        {"errored", 0, counts->errored_count, 0},
        {"client", 0, counts->error_count[RAY_ERROR_CLIENT], 0},
        {"server", 0, counts->error_count[RAY_ERROR_SERVER], 0},
        {"timeout", 0, counts->error_count[RAY_ERROR_TIMEOUT], 0},
        {"auth", 0, counts->error_count[RAY_ERROR_AUTH], 0},
        {"validation", 0, counts->error_count[RAY_ERROR_VALIDATION], 0},
        {"in flight", "inflight",
         counts->started_count - counts->finished_count - counts->errored_count, 0},
        {"last second", "second", rates->second_count, 0},
        {"last minute", "minute", rates->minute_count, 0},
        {"its errors", "minute_errors", rates->minute_error_count, 0},
    };
    const ray_counters all = {rows, sizeof rows / sizeof rows[0], 16, 12, 0};
    ray_counters_put(call, &all);
}

static void show_latency(ray_call *call, uint32_t place)
{
    static const uint32_t ppm[5] = {0, 500000, 950000, 990000, 1000000};
    static const char *const words[5][2] = {
        {"min", "min_ns"}, {"p50", "p50_ns"}, {"p95", "p95_ns"}, {"p99", "p99_ns"},
        {"max", "max_ns"}};
    uint64_t value[5] = {0}, count;
    (void)ray_apimon_quantiles(ray_apimon_of(call->ray), place, ppm, 5, value, &count);
    for (uint32_t i = 0; i < 5; i++)
        if (call->json != 0)
            ray_text_json_u64(call->out, words[i][1], value[i]);
        else
            ray_line_duration(call->out, 16, words[i][0], value[i]);
}

static ray_status run_show(ray_call *call)
{
    const ray_apimon *apimon = ray_apimon_of(call->ray);
    uint32_t service = RAY_NONE, place = RAY_APIMON_ALL;
    ray_apimon_counts counts;
    ray_apimon_rates rates;
    if (call->plain_count > 2) {
        if (ray_gateway_find_service(ray_gateway_of(call->ray), call->word[2], call->length[2],
                                     &service) != RAY_OK)
            return ray_call_unknown_value(call, "no service is called", call->word[2],
                                          call->length[2], RAY_COMPLETE_SERVICE);
        if (ray_apimon_find(apimon, service, &place) != RAY_OK)
            return ray_call_error(call, RAY_E_UNKNOWN,
                                  "nothing was counted yet of; see: apimon list", 2, 0);
    }
    (void)ray_apimon_row(apimon, place, &service, &counts);
    (void)ray_apimon_rates_read(apimon, call->now_ns, place, &rates);
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    show_counts(call, &counts, &rates);
    show_latency(call, place);
    if (call->json != 0)
        ray_json_end(call->out);
    return RAY_OK;
}

/* -- edges -- */
static ray_status run_edges(ray_call *call)
{
    ray_apimon_edge edge;
    if (call->json != 0)
        ray_json_list_open(call->out, "edges");
    for (uint32_t i = 0; ray_apimon_edge_read(ray_apimon_of(call->ray), i, &edge) == RAY_OK; i++) {
        if (i == 0 && edge.ended_count == 0)
            continue; /* nothing was folded: there are no others */
        if (call->json != 0)
            ray_text_json_open(call->out, 0, '{');
        key_put(call, "caller", edge.caller, 1, i == 0 ? "other" : 0);
        if (call->json == 0)
            ray_text_put(call->out, " -> ");
        key_put(call, "service", edge.service, 0, i == 0 ? "other" : 0);
        if (call->json != 0) {
            ray_text_json_u64(call->out, "ended", edge.ended_count);
            ray_text_json_u64(call->out, "errors", edge.error_count);
            ray_text_json_close(call->out, '}');
            continue;
        }
        ray_text_put(call->out, ": ");
        ray_text_u64(call->out, edge.ended_count);
        ray_text_put(call->out, " ended, ");
        ray_text_u64(call->out, edge.error_count);
        ray_text_put(call->out, " errors\n");
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- test -- */
static ray_status run_test(ray_call *call)
{
    ray_apimon_event event;
    uint64_t status = 0, number = RAY_REASON_OK;
    uint32_t reason = RAY_REASON_OK;
    __builtin_memset(&event, 0, sizeof event);
    if (ray_parse_u64(call->word[2], call->length[2], &status) != RAY_OK || status < 100 ||
        status > 599)
        return ray_call_error(call, RAY_E_ARGUMENT, "a status is 100 to 599, not", 2, 0);
    if (call->plain_count > 3 &&
        ray_reason_find(call->word[3], call->length[3], &reason) != RAY_OK) {
        if (ray_parse_u64(call->word[3], call->length[3], &number) != RAY_OK || number > 0xffff)
            return ray_call_error(call, RAY_E_ARGUMENT,
                                  "a reason is a word such as breaker-open, or its number "
                                  "(ray/reason.h), not",
                                  3, 0);
        reason = (uint32_t)number;
    }
    event.kind = RAY_APIMON_FINISHED;
    event.http_status = (uint16_t)status;
    event.reason = (uint16_t)reason;
    const char *word = ray_error_type_word(ray_apimon_type(&event));
    if (call->json != 0) {
        ray_text_json_open(call->out, 0, '{');
        ray_text_json_literal(call->out, "type", word);
        ray_json_end(call->out);
        return RAY_OK;
    }
    ray_line_word(call->out, 16, "counts as", word);
    return RAY_OK;
}

/* -- export and reset -- */
ray_status ray_export_apimon(ray_call *call, uint32_t exposition)
{
    ray_apimon_labels labels;
    ray_status status = labels_of(call, &labels);
    return status != RAY_OK ? status
                            : ray_apimon_export_metrics(ray_apimon_of(call->ray), &labels,
                                                        exposition, call->out);
}

static ray_status run_export(ray_call *call)
{
    ray_apimon_labels labels;
    uint32_t form = RAY_EXPORT_OPENMETRICS;
    ray_status status =
        ray_export_form(call, RAY_EXPORT_TEXTS | 1U << RAY_EXPORT_JSON, &form);
    if (status != RAY_OK)
        return status;
    if (form != RAY_EXPORT_JSON)
        return ray_export_apimon(call, ray_export_exposition(form));
    status = labels_of(call, &labels);
    if (status != RAY_OK)
        return status;
    status = ray_apimon_export_json(ray_apimon_of(call->ray), &labels, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

static ray_status run_reset(ray_call *call)
{
    ray_apimon_stats stats;
    if (ray_call_confirmed(call, "this empties every window, percentile and sample") == 0)
        return RAY_E_STATE;
    ray_apimon_read(ray_apimon_of(call->ray), &stats);
    ray_apimon_reset(ray_apimon_of(call->ray));
    ray_call_noted(call, RAY_AUDIT_RESET, RAY_BY_NONE, RAY_NONE, stats.sample_count, 0);
    ray_text_put(call->out, "windows and percentiles are empty; counters go on\n");
    return RAY_OK;
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"status", "", "counters of all services together", run_status, 1, 0},
    {"list", "", "a line for each service", run_list, 1, 0},
    {"show", "[SERVICE]", "counters, errors by type, rates and latencies", run_show, 1,
     RAY_COMPLETE_SERVICE},
    {"edges", "", "who called what", run_edges, 1, 0},
    {"test", "STATUS [REASON]", "which type of error a response would count as", run_test, 1, 0},
    {"export", "[json|prometheus|openmetrics]",
     "metrics, openmetrics unless told; json is everything, samples too", run_export, 1, 0},
    {"reset", "", "empties windows, percentiles, samples; counters stay (confirm)", run_reset, 0,
     0},
};

const ray_command ray_command_apimon = {"apimon",
                                        "latency, errors, service levels",
                                        subs,
                                        sizeof subs / sizeof subs[0],
                                        19,
                                        1,
                                        0};
