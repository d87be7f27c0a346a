/* SPDX-License-Identifier: MIT */
/* prometheus.c - the counters as an exposition: Prometheus text format 0.0.4 or OpenMetrics 1.0.
 *
 * A family is one HELP, one TYPE, then its samples, services and tenants in families of their own
 * so that a sum over one never counts a request twice. Names cannot hold brackets, so what is no
 * name stands in them: (none), (other), (7).
 */
#include <stddef.h>
#include "parts.h"
#include "base/openmetrics.h"

typedef struct family {
    const char *name;
    const char *help;
    uint32_t column; /* of ray_gov_columns */
    uint8_t gauge;
    uint8_t nano;    /* 1: thousand-millionths, printed with 9 decimals */
    uint8_t reserved[2];
} family;

static const family families[] = {
    {"requests", "Requests offered.", 0, 0, 0, {0}},
    {"denied", "Requests denied or redirected.", 1, 0, 0, {0}},
    {"dropped", "Requests that left their queue without being sent.", 2, 0, 0, {0}},
    {"preempted", "Requests an operator took out of their queue.", 3, 0, 0, {0}},
    {"dispatched", "Requests sent to their service.", 4, 0, 0, {0}},
    {"queued", "Requests that wait now.", 5, 1, 0, {0}},
    {"violations", "Denials by a limit, a quota, a queue or a policy.", 6, 0, 0, {0}},
    {"completed", "Requests whose outcome is known.", 7, 0, 0, {0}},
    {"failed", "Outcomes that were a server error or came too late.", 8, 0, 0, {0}},
    {"tokens", "Tokens taken from limits.", 9, 0, 0, {0}},
    {"bytes", "Bytes of requests and responses.", 10, 0, 0, {0}},
    {"queue_seconds", "Time spent in queues.", 11, 0, 1, {0}},
    {"cost_units", "Money charged, credits taken off.", 12, 1, 1, {0}},
};

enum { FAMILY_COUNT = sizeof families / sizeof families[0], NANO_DIGITS = 9 };

/* One exposition on its way. */
typedef struct page {
    const ray_governance *governance;
    const ray_governance_labels *labels;
    ray_text *text;
    uint32_t form; /* enum ray_exposition */
    uint32_t reserved;
} page;

/* -- pieces -- */
static const char *const scope_prefix[RAY_DIMENSION_MAX] = {"raygate_service_", "raygate_tenant_"};
static const char *const scope_label[RAY_DIMENSION_MAX] = {"service", "tenant"};

static void head(const page *out, const char *prefix, const char *name, const char *help,
                 const char *type)
{
    static const char *const word[2] = {"# HELP ", "# TYPE "};
    uint32_t suffix = out->form == RAY_EXPOSITION_PROMETHEUS && type[0] == 'c';
    for (uint32_t line = 0; line < 2; line++) {
        ray_text_put(out->text, word[line]);
        ray_text_put(out->text, prefix);
        ray_text_put(out->text, name);
        ray_text_put(out->text, suffix ? "_total " : " ");
        ray_text_put(out->text, line == 0 ? help : type);
        ray_text_char(out->text, '\n');
    }
}

static void value(ray_text *text, uint64_t number, uint32_t nano)
{
    ray_text_char(text, ' ');
    if (nano != 0)
        ray_text_fixed(text, (int64_t)number, NANO_DIGITS);
    else
        ray_text_u64(text, number);
    ray_text_char(text, '\n');
}

/* Every column is a 64-bit number, in the order of ray_gov_columns. */
static uint64_t column_of(const ray_governance_counts *counts, uint32_t column)
{
    static const uint16_t offset[RAY_GOV_COLUMN_MAX] = {
        offsetof(ray_governance_counts, offered_count),
        offsetof(ray_governance_counts, denied_count),
        offsetof(ray_governance_counts, dropped_count),
        offsetof(ray_governance_counts, preempted_count),
        offsetof(ray_governance_counts, dispatched_count),
        offsetof(ray_governance_counts, queued_count),
        offsetof(ray_governance_counts, violation_count),
        offsetof(ray_governance_counts, done_count),
        offsetof(ray_governance_counts, failed_count),
        offsetof(ray_governance_counts, tokens),
        offsetof(ray_governance_counts, bytes),
        offsetof(ray_governance_counts, wait_ns),
        offsetof(ray_governance_counts, cost_nano),
    };
    uint64_t value;
    memcpy(&value, (const uint8_t *)counts + offset[column], sizeof value);
    return value;
}

/* -- counters of rows -- */
/* What every sample of a family begins with. */
typedef struct stem {
    char at[64];
    uint64_t length;
} stem;

static void stem_of(const family *which, uint32_t dimension, stem *out)
{
    ray_text text;
    ray_text_init(&text, out->at, sizeof out->at);
    ray_text_put(&text, scope_prefix[dimension]);
    ray_text_put(&text, which->name);
    ray_text_put(&text, which->gauge != 0 ? "{" : "_total{");
    ray_text_put(&text, scope_label[dimension]);
    ray_text_put(&text, "=\"");
    ray_assert(text.truncated == 0);
    out->length = text.length;
}

static void rows(const page *out, const family *which, uint32_t dimension)
{
    const ray_names *names =
        dimension == RAY_DIMENSION_SERVICE ? &out->labels->service : &out->labels->tenant;
    uint32_t id = 0, begun = 0;
    ray_governance_counts other;
    stem begin;
    stem_of(which, dimension, &begin);
    head(out, scope_prefix[dimension], which->name, which->help,
         which->gauge != 0 ? "gauge" : "counter");
    while (ray_governance_next(out->governance, dimension, &id, &begun) != 0) {
        uint32_t place = ray_gov_row_find(out->governance, dimension, id);
        ray_text_bytes(out->text, begin.at, begin.length);
        ray_openmetrics_label(out->text, names, id);
        ray_text_bytes(out->text, "\"}", 2);
        value(out->text,
              column_of(&ray_gov_row_at(out->governance, dimension, place)->counts, which->column),
              which->nano);
    }
    ray_governance_other(out->governance, dimension, &other);
    ray_text_bytes(out->text, begin.at, begin.length);
    ray_text_put(out->text, "(other)\"}");
    value(out->text, column_of(&other, which->column), which->nano);
}

static void totals(const page *out)
{
    for (uint32_t i = 0; i < FAMILY_COUNT; i++) {
        const family *which = &families[i];
        head(out, "raygate_", which->name, which->help, which->gauge != 0 ? "gauge" : "counter");
        ray_text_put(out->text, "raygate_");
        ray_text_put(out->text, which->name);
        ray_text_put(out->text, which->gauge != 0 ? "" : "_total");
        value(out->text, column_of(&out->governance->tally.total, which->column), which->nano);
    }
}

/* -- histograms -- */
/* `labels` is what stands in every brace before `le`, with its comma. */
static void histogram(const page *out, const char *name, uint32_t service,
                      const ray_histogram_coarse *coarse)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < RAY_HISTOGRAM_COARSE + 2; i++) {
        static const char *const suffix[3] = {"_bucket", "_count", "_sum"};
        uint32_t kind = i < RAY_HISTOGRAM_COARSE ? 0 : i - RAY_HISTOGRAM_COARSE + 1;
        uint32_t braces = kind == 0 || service != RAY_NONE;
        ray_text_put(out->text, name);
        ray_text_put(out->text, suffix[kind]);
        ray_text_put(out->text, braces ? "{" : "");
        if (service != RAY_NONE) {
            ray_text_put(out->text, "service=\"");
            ray_openmetrics_label(out->text, &out->labels->service, service - 1);
            ray_text_put(out->text, kind == 0 ? "\"," : "\"");
        }
        if (kind == 0) {
            ray_text_put(out->text, "le=\"");
            if (i == RAY_HISTOGRAM_COARSE - 1)
                ray_text_put(out->text, "+Inf");
            else
                ray_text_fixed(out->text, (int64_t)ray_histogram_coarse_high(i), NANO_DIGITS);
            ray_text_char(out->text, '"');
            sum += coarse->bucket[i];
        }
        ray_text_put(out->text, braces ? "}" : "");
        value(out->text, kind == 2 ? coarse->sum : sum, kind == 2);
    }
}

static void waits(const page *out)
{
    const ray_governance_tally *tally = &out->governance->tally;
    head(out, "raygate_", "wait_seconds", "Queue wait of requests that were sent.", "histogram");
    histogram(out, "raygate_wait_seconds", RAY_NONE, &tally->waits[0].coarse);
    head(out, "raygate_service_", "wait_seconds",
         "Queue wait by service, of those that have a histogram.", "histogram");
    for (uint32_t place = 1; place < RAY_WAIT_HISTOGRAM_MAX; place++)
        if (tally->waits[place].used != 0)
            histogram(out, "raygate_service_wait_seconds", tally->waits[place].service + 1,
                      &tally->waits[place].coarse);
}

/* -- the rest -- */
static void reasons(const page *out)
{
    uint32_t reason;
    uint64_t count;
    head(out, "raygate_", "denied_by_reason", "Denials by reason.", "counter");
    for (uint32_t place = 0;
         ray_governance_reason_read(out->governance, place, &reason, &count) == RAY_OK; place++) {
        ray_text_put(out->text, "raygate_denied_by_reason_total{reason=\"");
        ray_text_put(out->text, ray_reason_word(reason));
        ray_text_put(out->text, "\"}");
        value(out->text, count, 0);
    }
}

static void policies(const page *out)
{
    static const char *const names[3] = {"policy_matches", "policy_denials", "policy_alerts"};
    static const char *const help[3] = {"Requests a rule matched.", "Requests a rule denied.",
                                        "Alerts a rule raised."};
    for (uint32_t i = 0; i < 3; i++) {
        head(out, "raygate_", names[i], help[i], "counter");
        for (uint32_t place = 0; place < RAY_POLICY_MAX; place++) {
            const ray_gov_policy_row *row = &out->governance->tally.policy[place];
            const uint64_t number[3] = {row->counts.match_count, row->counts.denial_count,
                                        row->counts.alert_count};
            if (row->used == 0)
                continue;
            ray_text_put(out->text, "raygate_");
            ray_text_put(out->text, names[i]);
            ray_text_put(out->text, "_total{policy=\"");
            ray_openmetrics_label(out->text, &out->labels->policy, row->rule);
            ray_text_put(out->text, "\"}");
            value(out->text, number[i], 0);
        }
    }
}

static void alerts(const page *out)
{
    static const char *const names[2] = {"alert_firing", "alert_fired"};
    static const char *const help[2] = {"1 while the alert fires.", "Times the alert fired."};
    for (uint32_t i = 0; i < 2; i++) {
        head(out, "raygate_", names[i], help[i], i == 0 ? "gauge" : "counter");
        for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
            const ray_alert_slot *slot = &out->governance->tally.alert[place];
            const ray_name *name = &out->governance->config.alert[place].name;
            if (name->at[0] == 0)
                continue;
            ray_text_put(out->text, "raygate_");
            ray_text_put(out->text, names[i]);
            ray_text_put(out->text, i == 0 ? "{alert=\"" : "_total{alert=\"");
            ray_text_label(out->text, name->at, ray_name_length(name));
            ray_text_put(out->text, "\"}");
            value(out->text, i == 0 ? slot->state == RAY_ALERT_FIRING : slot->fired_count, 0);
        }
    }
}

static void single(const page *out, const char *name, const char *help, uint32_t gauge,
                   uint64_t number)
{
    head(out, "raygate_", name, help, gauge != 0 ? "gauge" : "counter");
    ray_text_put(out->text, "raygate_");
    ray_text_put(out->text, name);
    ray_text_put(out->text, gauge != 0 ? "" : "_total");
    value(out->text, number, 0);
}

ray_status ray_governance_export_metrics(const ray_governance *governance,
                                         const ray_governance_labels *labels, uint32_t form,
                                         ray_text *text)
{
    const page out = {governance, labels, text, form, 0};
    ray_governance_stats stats;
    ray_governance_read(governance, &stats);
    totals(&out);
    for (uint32_t dimension = 0; dimension < RAY_DIMENSION_MAX; dimension++)
        for (uint32_t i = 0; i < FAMILY_COUNT; i++)
            rows(&out, &families[i], dimension);
    waits(&out);
    reasons(&out);
    policies(&out);
    alerts(&out);
    single(&out, "series", "Windowed series in use.", 1, stats.series_count);
    single(&out, "series_folded", "Events counted in the series of all others.", 0,
           stats.folded_count);
    single(&out, "keys_evicted", "Services and tenants that lost their row.", 0,
           stats.evicted_count);
    single(&out, "notifications", "Alerts that fired or resolved.", 0, stats.notification_count);
    return ray_openmetrics_end(text, form);
}
