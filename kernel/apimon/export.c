/* SPDX-License-Identifier: MIT */
/* export.c - the rows as an exposition and as JSON; equal states, equal bytes. Every request is in
 * one row, so a sum over the services counts none twice. */
#include <stddef.h>
#include "parts.h"
#include "base/names.h"
#include "base/openmetrics.h"

enum { LABEL_BYTES = 4 * RAY_NAME_BYTES + 32 };

typedef struct family {
    const char *name;
    const char *help;
    uint64_t offset; /* in ray_apimon_counts */
} family;

static const family families[] = {
    {"raygate_api_requests", "Requests that began.", offsetof(ray_apimon_counts, started_count)},
    {"raygate_api_finished", "Requests that ended without an error.",
     offsetof(ray_apimon_counts, finished_count)},
    {"raygate_api_governed", "Requests that a limit, quota, queue or policy ended.",
     offsetof(ray_apimon_counts, governed_count)},
    {"raygate_api_refused", "Requests that ended at the gate.",
     offsetof(ray_apimon_counts, refused_count)},
    {"raygate_api_cancelled", "Requests whose client went away.",
     offsetof(ray_apimon_counts, cancelled_count)},
    {"raygate_api_request_bytes", "Bytes of requests that ended.",
     offsetof(ray_apimon_counts, request_bytes)},
    {"raygate_api_response_bytes", "Bytes of responses.",
     offsetof(ray_apimon_counts, response_bytes)},
};

/* How many rows are exported: those of services, and `other` once it has counted anything. */
static uint32_t place_count(const ray_apimon *apimon)
{
    const ray_apimon_counts *other = &apimon->tally.row[RAY_APIMON_OTHER].counts;
    return apimon->tally.row_count + (ray_is_zero(other, sizeof *other) == 0);
}

/* The place of the n-th row as exported: services in order of their rows, then `other`. */
static uint32_t place_of(const ray_apimon *apimon, uint32_t n)
{
    return n < apimon->tally.row_count ? n + RAY_APIMON_FIRST : (uint32_t)RAY_APIMON_OTHER;
}

static void row_label(const ray_apimon *apimon, const ray_apimon_labels *labels, uint32_t place,
                      ray_text *text)
{
    ray_text_put(text, "service=\"");
    if (place == RAY_APIMON_OTHER)
        ray_text_put(text, "(other)");
    else
        ray_openmetrics_label(text, &labels->service, apimon->tally.row[place].service);
    ray_text_char(text, '"');
}

static uint64_t column_of(const ray_apimon_counts *counts, uint64_t offset)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)counts + offset, sizeof value);
    return value;
}

/* -- expositions -- */
static void counters(const ray_apimon *apimon, const ray_apimon_labels *labels, uint32_t form,
                     ray_text *text)
{
    for (uint32_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        ray_openmetrics_head(text, form, families[i].name, "counter", families[i].help);
        for (uint32_t n = 0; n < place_count(apimon); n++) {
            uint32_t place = place_of(apimon, n);
            ray_text_put(text, families[i].name);
            ray_text_put(text, "_total{");
            row_label(apimon, labels, place, text);
            ray_text_char(text, '}');
            ray_openmetrics_count(
                text, column_of(&apimon->tally.row[place].counts, families[i].offset));
        }
    }
}

static void errors(const ray_apimon *apimon, const ray_apimon_labels *labels, uint32_t form,
                   ray_text *text)
{
    ray_openmetrics_head(text, form, "raygate_api_errors", "counter", "Errors by type.");
    for (uint32_t n = 0; n < place_count(apimon); n++)
        for (uint32_t type = 0; type < RAY_ERROR_TYPE_MAX; type++) {
            uint32_t place = place_of(apimon, n);
            ray_text_put(text, "raygate_api_errors_total{");
            row_label(apimon, labels, place, text);
            ray_text_put(text, ",type=\"");
            ray_text_put(text, ray_error_type_word(type));
            ray_text_put(text, "\"}");
            ray_openmetrics_count(text, apimon->tally.row[place].counts.error_count[type]);
        }
    ray_openmetrics_head(text, form, "raygate_api_inflight", "gauge",
                         "Requests that have not ended.");
    for (uint32_t n = 0; n < place_count(apimon); n++) {
        uint32_t place = place_of(apimon, n);
        ray_text_put(text, "raygate_api_inflight{");
        row_label(apimon, labels, place, text);
        ray_text_char(text, '}');
        ray_openmetrics_count(text, ray_apimon_inflight(&apimon->tally.row[place].counts));
    }
}

static void histograms(const ray_apimon *apimon, const ray_apimon_labels *labels, uint32_t form,
                       ray_text *text)
{
    static const char *const names[RAY_APIMON_DURATION_MAX] = {"raygate_api_latency_seconds",
                                                               "raygate_api_wait_seconds",
                                                               "raygate_api_upstream_seconds"};
    static const char *const help[RAY_APIMON_DURATION_MAX] = {
        "Intended start to end.", "Of it, in queues.", "Of it, at the service."};
    char at[LABEL_BYTES];
    ray_text label;
    for (uint32_t kind = 0; kind < RAY_APIMON_DURATION_MAX; kind++) {
        ray_openmetrics_head(text, form, names[kind], "histogram", help[kind]);
        for (uint32_t n = 0; n < place_count(apimon); n++) {
            uint32_t place = place_of(apimon, n);
            ray_text_init(&label, at, sizeof at);
            row_label(apimon, labels, place, &label);
            ray_openmetrics_histogram(text, names[kind], &label,
                                      &apimon->tally.row[place].coarse[kind]);
        }
    }
}

static void edge_label(const ray_apimon_labels *labels, uint32_t index,
                       const ray_apimon_edge *edge, ray_text *text)
{
    ray_text_put(text, "caller=\"");
    if (index == 0)
        ray_text_put(text, "(other)\",service=\"(other)\"");
    else {
        ray_openmetrics_label(text, &labels->tenant, edge->caller);
        ray_text_put(text, "\",service=\"");
        ray_openmetrics_label(text, &labels->service, edge->service);
        ray_text_char(text, '"');
    }
}

static void edges(const ray_apimon *apimon, const ray_apimon_labels *labels, uint32_t form,
                  ray_text *text)
{
    static const char *const names[2] = {"raygate_api_calls", "raygate_api_call_errors"};
    static const char *const help[2] = {"Ended requests by caller and service.",
                                        "Errors by caller and service."};
    for (uint32_t i = 0; i < 2; i++) {
        ray_openmetrics_head(text, form, names[i], "counter", help[i]);
        for (uint32_t at = 0; at <= apimon->tally.edge_count; at++) {
            const ray_apimon_edge *edge = &apimon->tally.edge[at].edge;
            if (at == 0 && edge->ended_count == 0)
                continue; /* nothing was folded: there are no others */
            ray_text_put(text, names[i]);
            ray_text_put(text, "_total{");
            edge_label(labels, at, edge, text);
            ray_text_char(text, '}');
            ray_openmetrics_count(text, i == 0 ? edge->ended_count : edge->error_count);
        }
    }
}

ray_status ray_apimon_export_metrics(const ray_apimon *apimon, const ray_apimon_labels *labels,
                                     uint32_t form, ray_text *text)
{
    const uint64_t folded[2] = {apimon->tally.folded_count, apimon->tally.edge_folded_count};
    static const char *const names[2] = {"raygate_api_folded", "raygate_api_calls_folded"};
    static const char *const help[2] = {"Events of services without a row.",
                                        "Ended requests of pairs without a cell."};
    counters(apimon, labels, form, text);
    errors(apimon, labels, form, text);
    histograms(apimon, labels, form, text);
    edges(apimon, labels, form, text);
    for (uint32_t i = 0; i < 2; i++) {
        ray_openmetrics_head(text, form, names[i], "counter", help[i]);
        ray_text_put(text, names[i]);
        ray_text_put(text, "_total");
        ray_openmetrics_count(text, folded[i]);
    }
    return ray_openmetrics_end(text, form);
}

/* -- JSON -- */
static void json_samples(const ray_apimon_slot *row, ray_text *text)
{
    uint64_t most = RAY_APIMON_SAMPLE_EACH;
    uint64_t count = row->sample_count < most ? row->sample_count : most;
    ray_text_json_open(text, "latency_samples", '[');
    for (uint64_t i = row->sample_count - count; i < row->sample_count; i++)
        ray_text_json_u64(text, NULL, row->sample[i % most]);
    ray_text_json_close(text, ']');
}

static void json_row(const ray_apimon *apimon, const ray_apimon_labels *labels, uint32_t place,
                     ray_text *text)
{
    static const uint32_t ppm[3] = {500000, 950000, 990000};
    const ray_apimon_slot *row = &apimon->tally.row[place];
    const ray_apimon_counts *counts = &row->counts;
    uint64_t quantile[3] = {0}, count;
    ray_text_json_open(text, NULL, '{');
    ray_text_json_literal(text, "row", place == RAY_APIMON_ALL     ? "all"
                                       : place == RAY_APIMON_OTHER ? "other"
                                                                   : "service");
    ray_names_json(text, "service", &labels->service,
             place < RAY_APIMON_FIRST ? (uint32_t)RAY_NONE : row->service);
    ray_text_json_u64(text, "requests", counts->started_count);
    ray_text_json_u64(text, "finished", counts->finished_count);
    ray_text_json_u64(text, "governed", counts->governed_count);
    ray_text_json_u64(text, "errored", counts->errored_count);
    ray_text_json_u64(text, "inflight", ray_apimon_inflight(counts));
    for (uint32_t type = 0; type < RAY_ERROR_TYPE_MAX; type++)
        ray_text_json_u64(text, ray_error_type_word(type), counts->error_count[type]);
    ray_text_json_u64(text, "latency_ns", counts->latency_ns);
    ray_text_json_u64(text, "wait_ns", counts->wait_ns);
    ray_text_json_u64(text, "upstream_ns", counts->upstream_ns);
    (void)ray_apimon_quantiles(apimon, place, ppm, 3, quantile, &count);
    ray_text_json_u64(text, "p50_ns", quantile[0]);
    ray_text_json_u64(text, "p95_ns", quantile[1]);
    ray_text_json_u64(text, "p99_ns", quantile[2]);
    json_samples(row, text);
    ray_text_json_close(text, '}');
}

static void json_recent(const ray_apimon *apimon, const ray_apimon_labels *labels, ray_text *text)
{
    ray_apimon_sample sample;
    ray_text_json_open(text, "recent", '[');
    for (uint32_t i = 0; ray_apimon_recent(apimon, i, &sample) == RAY_OK; i++) {
        ray_text_json_open(text, NULL, '{');
        ray_text_json_u64(text, "at_ns", sample.at_ns);
        ray_names_json(text, "service", &labels->service, sample.service);
        ray_text_json_u64(text, "latency_ns", sample.latency_ns);
        ray_text_json_u64(text, "http_status", sample.http_status);
        ray_text_json_literal(text, "type", ray_error_type_word(sample.type));
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
}

ray_status ray_apimon_export_json(const ray_apimon *apimon, const ray_apimon_labels *labels,
                                  ray_text *text)
{
    ray_apimon_edge edge;
    ray_text_json_open(text, NULL, '{');
    ray_text_json_open(text, "rows", '[');
    for (uint32_t place = 0; place < apimon->tally.row_count + RAY_APIMON_FIRST; place++)
        json_row(apimon, labels, place, text);
    ray_text_json_close(text, ']');
    ray_text_json_open(text, "edges", '[');
    for (uint32_t i = 0; ray_apimon_edge_read(apimon, i, &edge) == RAY_OK; i++) {
        ray_text_json_open(text, NULL, '{');
        ray_text_json_bool(text, "other", i == 0);
        ray_names_json(text, "caller", &labels->tenant, edge.caller);
        ray_names_json(text, "service", &labels->service, edge.service);
        ray_text_json_u64(text, "ended", edge.ended_count);
        ray_text_json_u64(text, "errors", edge.error_count);
        ray_text_json_u64(text, "latency_ns", edge.latency_ns);
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
    json_recent(apimon, labels, text);
    ray_text_json_close(text, '}');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
