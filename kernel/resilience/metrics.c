/* SPDX-License-Identifier: MIT */
/* metrics.c - the module and every guard as an exposition. A part that a guard does not have has no
 * samples. */
#include "parts.h"
#include "base/openmetrics.h"

enum { LABEL_BYTES = 4 * RAY_NAME_BYTES + 32, ANY_PART = 0 };

/* -- families (private) -- */
#define MODULE(field, kind, name, help) \
    RAY_FAMILY(ray_resilience_stats, field, kind, "raygate_resilience_" name, help, 0)
static const ray_family module_families[] = {
    MODULE(asked_count, COUNTER, "asked", "Attempts that stood before a guard."),
    MODULE(granted_count, COUNTER, "granted", "Of them, those that may go or wait."),
    MODULE(denied_count, COUNTER, "denied", "Of them, those that may not."),
    MODULE(would_deny_count, COUNTER, "would_deny", "Of them, those a guard in shadow would deny."),
    MODULE(unspent_count, COUNTER, "unspent", "Granted, and denied by another stage."),
    MODULE(late_count, COUNTER, "late_outcomes", "Outcomes nothing was learned of."),
    MODULE(event_count, COUNTER, "breaker_changes", "Changes of state of breakers."),
    MODULE(breaker_count, GAUGE, "breakers", "Breakers."),
    MODULE(closed_count, GAUGE, "breakers_closed", "Breakers that are closed."),
    MODULE(open_count, GAUGE, "breakers_open", "Breakers that are open."),
    MODULE(half_open_count, GAUGE, "breakers_half_open", "Breakers that are half-open."),
    MODULE(forced_count, GAUGE, "breakers_forced", "Breakers an operator holds."),
    MODULE(bulkhead_count, GAUGE, "bulkheads", "Bulkheads."),
    MODULE(retry_rule_count, GAUGE, "retry_rules", "Services whose requests are retried."),
    MODULE(running_count, GAUGE, "running", "Attempts under way."),
};

typedef struct guard_row {
    ray_guard_stats stats;
    ray_guard_spec spec;
} guard_row;

#define ROW(field, kind, name, help, label) \
    RAY_FAMILY(guard_row, field, kind, "raygate_" name, help, label)
#define TALLY(field, name, help, label) ROW(stats.tally.field, COUNTER, name, help, label)

static const ray_family guard_families[] = {
    TALLY(call_count, "guard_attempts", "Attempts taken, retries included.", 0),
    TALLY(ended_count[RAY_OUTCOME_OK], "guard_outcomes", "Attempts that ended, by outcome.",
          "outcome=\"ok\""),
    TALLY(ended_count[RAY_OUTCOME_FAIL_5XX], "guard_outcomes", 0, "outcome=\"5xx\""),
    TALLY(ended_count[RAY_OUTCOME_TIMEOUT], "guard_outcomes", 0, "outcome=\"timeout\""),
    TALLY(ended_count[RAY_OUTCOME_CONNECTION], "guard_outcomes", 0, "outcome=\"connection\""),
    TALLY(ended_count[RAY_OUTCOME_CLIENT_4XX], "guard_outcomes", 0, "outcome=\"4xx\""),
    TALLY(ended_count[RAY_OUTCOME_LIMITED_429], "guard_outcomes", 0, "outcome=\"429\""),
    TALLY(ended_count[RAY_OUTCOME_CANCELLED], "guard_outcomes", 0, "outcome=\"cancelled\""),
    TALLY(ended_count[RAY_OUTCOME_UNSENT], "guard_outcomes", 0, "outcome=\"unsent\""),
    TALLY(breaker_denied_count, "guard_denied", "Attempts a guard refused, by guard.",
          "guard=\"breaker\""),
    TALLY(bulkhead_denied_count, "guard_denied", 0, "guard=\"bulkhead\""),
    TALLY(deadline_denied_count, "guard_denied", 0, "guard=\"deadline\""),
    TALLY(would_deny_count, "guard_would_deny", "Attempts a guard in shadow would refuse.", 0),
    TALLY(late_count, "guard_late_outcomes", "Outcomes of an older state of its breaker.", 0),
    ROW(stats.running_count, GAUGE, "guard_running", "Attempts under way.", 0),
};

static const ray_family breaker_families[] = {
    ROW(stats.breaker.state, GAUGE, "breaker_state", "0 closed, 1 open, 2 half-open.", 0),
    ROW(stats.breaker.forced, GAUGE, "breaker_forced",
        "What an operator holds it at: 0 nothing, 1 open, 2 closed.", 0),
    TALLY(opened_count, "breaker_opened", "Times it opened.", 0),
    TALLY(half_opened_count, "breaker_half_opened", "Times it half-opened.", 0),
    TALLY(closed_count, "breaker_closed", "Times it closed.", 0),
    ROW(stats.breaker.rate_ppm, RATIO, "breaker_failure_ratio",
        "Failures of its window's outcomes.", 0),
    ROW(stats.breaker.row_failures, GAUGE, "breaker_failures_in_row", "Failures in a row.", 0),
    ROW(stats.breaker.probing, GAUGE, "breaker_probing", "Probes under way.", 0),
};

static const ray_family bulkhead_families[] = {
    ROW(stats.in_use_count, GAUGE, "bulkhead_used", "Permits out now.", 0),
    ROW(spec.bulkhead.concurrent, GAUGE, "bulkhead_limit", "Permits there are.", 0),
    ROW(stats.waiting_count, GAUGE, "bulkhead_waiting", "Requests that wait for a permit.", 0),
    ROW(spec.bulkhead.waiting, GAUGE, "bulkhead_waiting_limit", "Requests that may wait.", 0),
    TALLY(queued_count, "bulkhead_queued", "Requests that began to wait.", 0),
    TALLY(left_count, "bulkhead_left", "Of them, those that went before their turn.", 0),
    ROW(stats.tally.wait_sum_ns, SECONDS, "bulkhead_wait_seconds",
        "Time waited by those whose turn came, summed.", 0),
};

static const ray_family retry_families[] = {
    TALLY(retry_count, "retry_booked", "Retries.", 0),
    TALLY(retry_attempts_count, "retry_refused", "Failures that were not retried, by reason.",
          "reason=\"retry-attempts\""),
    TALLY(retry_budget_count, "retry_refused", 0, "reason=\"retry-budget\""),
    TALLY(retry_deadline_count, "retry_refused", 0, "reason=\"retry-deadline\""),
    TALLY(retry_method_count, "retry_refused", 0, "reason=\"retry-method\""),
    TALLY(retry_breaker_count, "retry_refused", 0, "reason=\"breaker-open\""),
    ROW(stats.budget_left, GAUGE, "retry_budget_left", "Units retries may spend now.", 0),
};

typedef struct table {
    const ray_family *at;
    uint32_t count;
    uint32_t part; /* enum ray_guard_part, or ANY_PART */
} table;

#define TABLE(families, part) {families, sizeof families / sizeof *families, part}
static const table tables[] = {
    TABLE(guard_families, ANY_PART),
    TABLE(breaker_families, RAY_GUARD_BREAKER),
    TABLE(bulkhead_families, RAY_GUARD_BULKHEAD),
    TABLE(retry_families, RAY_GUARD_RETRY),
};

/* -- reading -- */
static void sample(const ray_resilience *resilience, uint64_t now_ns, const ray_names *services,
                   const ray_family *family, uint32_t part, uint32_t service, ray_text *text)
{
    char at[LABEL_BYTES];
    ray_text label;
    guard_row row;
    if (ray_resilience_spec_read(resilience, service, &row.spec) != RAY_OK ||
        (part != ANY_PART && (row.spec.parts & part) == 0) ||
        ray_resilience_guard_read(resilience, now_ns, service, &row.stats) != RAY_OK)
        return;
    ray_text_init(&label, at, sizeof at);
    ray_text_put(&label, "service=\"");
    ray_openmetrics_label(&label, services, service);
    ray_text_char(&label, '"');
    ray_openmetrics_sample(text, family, &label, &row);
}

ray_status ray_resilience_export_metrics(const ray_resilience *resilience, uint64_t now_ns,
                                         const ray_names *services, uint32_t form, ray_text *text)
{
    ray_resilience_stats stats;
    uint32_t service;
    ray_resilience_read(resilience, &stats);
    ray_openmetrics_stats(text, form, module_families,
                          sizeof module_families / sizeof *module_families, &stats);
    for (uint32_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (uint32_t n = 0; n < tables[i].count; n++) {
            const ray_family *family = &tables[i].at[n];
            ray_openmetrics_family(text, form, family);
            for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
                if (ray_resilience_at(resilience, place, &service) == RAY_OK)
                    sample(resilience, now_ns, services, family, tables[i].part, service, text);
        }
    return ray_openmetrics_end(text, form);
}
