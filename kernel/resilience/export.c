/* SPDX-License-Identifier: MIT */
/* export.c - every guard as CSV and JSON: fixed columns by place, words where there are words, and
 * whole numbers; nothing for what has no end or no bound. */
#include "parts.h"
#include "base/names.h"

enum { COLUMN_MAX = 48 };

typedef struct columns {
    const char *name[COLUMN_MAX];
    uint64_t value[COLUMN_MAX];
    const char *state; /* words of the breaker, "" without one */
    const char *forced;
    uint32_t count;
    uint32_t reserved;
} columns;

static void add(columns *row, const char *name, uint64_t value)
{
    row->name[row->count] = name;
    row->value[row->count++] = value;
}

static void breaker_columns(const ray_breaker_view *breaker, columns *row)
{
    add(row, "generation", breaker->generation);
    add(row, "since_ns", breaker->since_ns);
    add(row, "open_until_ns", breaker->open_until_ns);
    add(row, "success_count", breaker->success_count);
    add(row, "failure_count", breaker->failure_count);
    add(row, "rate_ppm", breaker->rate_ppm);
    add(row, "row_failures", breaker->row_failures);
    add(row, "probing", breaker->probing);
    add(row, "reopened", breaker->reopened);
}

static void guard_columns(const ray_guard_stats *guard, columns *row)
{
    add(row, "running", guard->running_count);
    add(row, "in_use", guard->in_use_count);
    add(row, "in_use_bound", guard->in_use_bound);
    add(row, "waiting", guard->waiting_count);
    add(row, "budget_left", guard->budget_left);
}

static void tally_columns(const ray_guard_tally *tally, columns *row)
{
    static const char *const ended[RAY_OUTCOME_MAX] = {
        "ok_count",         "fail_5xx_count",    "timeout_count",   "connection_count",
        "client_4xx_count", "limited_429_count", "cancelled_count", "unsent_count"};
    add(row, "call_count", tally->call_count);
    for (uint32_t i = 0; i < RAY_OUTCOME_MAX; i++)
        add(row, ended[i], tally->ended_count[i]);
    add(row, "breaker_denied_count", tally->breaker_denied_count);
    add(row, "bulkhead_denied_count", tally->bulkhead_denied_count);
    add(row, "deadline_denied_count", tally->deadline_denied_count);
    add(row, "would_deny_count", tally->would_deny_count);
    add(row, "late_count", tally->late_count);
    add(row, "opened_count", tally->opened_count);
    add(row, "half_opened_count", tally->half_opened_count);
    add(row, "closed_count", tally->closed_count);
    add(row, "queued_count", tally->queued_count);
    add(row, "called_count", tally->called_count);
    add(row, "left_count", tally->left_count);
    add(row, "wait_sum_ns", tally->wait_sum_ns);
    add(row, "retry_count", tally->retry_count);
    add(row, "retry_attempts_count", tally->retry_attempts_count);
    add(row, "retry_budget_count", tally->retry_budget_count);
    add(row, "retry_deadline_count", tally->retry_deadline_count);
    add(row, "retry_method_count", tally->retry_method_count);
    add(row, "retry_breaker_count", tally->retry_breaker_count);
}

/* Zeros for a place without a guard: its row is only read for the names of the columns. */
static void row_of(const ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                   columns *row)
{
    ray_guard_stats guard;
    ray_guard_spec spec;
    memset(&guard, 0, sizeof guard);
    memset(&spec, 0, sizeof spec);
    (void)ray_resilience_spec_read(resilience, service, &spec);
    (void)ray_resilience_guard_read(resilience, now_ns, service, &guard);
    uint32_t breaks = spec.parts & RAY_GUARD_BREAKER;
    row->count = 0;
    row->state = breaks != 0 ? ray_resilience_state_word(guard.breaker.state) : "";
    row->forced = breaks != 0 ? ray_resilience_force_word(guard.breaker.forced) : "";
    breaker_columns(&guard.breaker, row);
    guard_columns(&guard, row);
    tally_columns(&guard.tally, row);
}

static void put_csv(const columns *row, const ray_names *services, uint32_t service,
                    ray_text *text)
{
    ray_names_csv(text, services, service);
    ray_text_char(text, ',');
    ray_text_put(text, row->state);
    ray_text_char(text, ',');
    ray_text_put(text, row->forced);
    for (uint32_t i = 0; i < row->count; i++) {
        ray_text_char(text, ',');
        if (row->value[i] != RAY_NEVER)
            ray_text_u64(text, row->value[i]);
    }
    ray_text_char(text, '\n');
}

ray_status ray_resilience_export_csv(const ray_resilience *resilience, uint64_t now_ns,
                                     const ray_names *services, ray_text *text)
{
    columns row;
    uint32_t service;
    row_of(resilience, now_ns, 0, &row);
    ray_text_put(text, "service,state,forced");
    for (uint32_t i = 0; i < row.count; i++) {
        ray_text_char(text, ',');
        ray_text_put(text, row.name[i]);
    }
    ray_text_char(text, '\n');
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        if (ray_resilience_at(resilience, place, &service) != RAY_OK)
            continue;
        row_of(resilience, now_ns, service, &row);
        put_csv(&row, services, service, text);
    }
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

static void put_word(ray_text *text, const char *key, const char *word)
{
    if (word[0] != 0)
        ray_text_json_literal(text, key, word);
    else
        ray_text_json_null(text, key);
}

static void put_json(const columns *row, const ray_names *services, uint32_t service,
                     ray_text *text)
{
    ray_text_json_open(text, 0, '{');
    ray_names_json(text, "service", services, service);
    put_word(text, "state", row->state);
    put_word(text, "forced", row->forced);
    for (uint32_t i = 0; i < row->count; i++)
        if (row->value[i] != RAY_NEVER)
            ray_text_json_u64(text, row->name[i], row->value[i]);
        else
            ray_text_json_null(text, row->name[i]);
    ray_text_json_close(text, '}');
}

ray_status ray_resilience_export_json(const ray_resilience *resilience, uint64_t now_ns,
                                      const ray_names *services, ray_text *text)
{
    columns row;
    uint32_t service;
    ray_text_json_open(text, 0, '[');
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        if (ray_resilience_at(resilience, place, &service) != RAY_OK)
            continue;
        row_of(resilience, now_ns, service, &row);
        put_json(&row, services, service, text);
    }
    ray_text_json_close(text, ']');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
