/* SPDX-License-Identifier: MIT */
/* cmd_resilience_show.c - resilience: one guard, all of it. */
#include "cmd_resilience.h"
#include "parts.h"

enum { COLUMN = 24 };

/* -- outcomes (private) -- */
static void outcomes_put(ray_text *out, const ray_outcome_set *set)
{
    uint32_t said = 0;
    for (uint32_t kind = 0; kind < RAY_OUTCOME_MAX; kind++)
        if ((set->kinds >> kind & 1U) != 0) {
            ray_text_put(out, said++ != 0 ? ", " : "");
            ray_text_put(out, ray_resilience_outcome_word(kind));
        }
    for (uint32_t i = 0; i < set->status_count; i++) {
        ray_text_put(out, said++ != 0 ? ", " : "");
        ray_text_u64(out, set->status[i]);
    }
}

static void outcomes_json(ray_text *out, const char *key, const ray_outcome_set *set)
{
    ray_text_json_open(out, key, '[');
    for (uint32_t kind = 0; kind < RAY_OUTCOME_MAX; kind++)
        if ((set->kinds >> kind & 1U) != 0)
            ray_text_json_literal(out, 0, ray_resilience_outcome_word(kind));
    for (uint32_t i = 0; i < set->status_count; i++)
        ray_text_json_u64(out, 0, set->status[i]);
    ray_text_json_close(out, ']');
}

/* -- text (private) -- */
static void breaker_text(ray_call *call, const ray_guard_spec *spec, const ray_guard_stats *guard)
{
    const ray_breaker_view *breaker = &guard->breaker;
    ray_text *out = call->out;
    ray_line_begin(out, COLUMN, "breaker");
    ray_guard_state_put(out, breaker);
    if (breaker->open_until_ns > call->now_ns) {
        ray_text_put(out, ", half-open in ");
        ray_text_duration(out, breaker->open_until_ns - call->now_ns);
    }
    ray_text_char(out, '\n');
    ray_line_begin(out, COLUMN, "opens at");
    if (spec->breaker.failures != 0) {
        ray_text_u64(out, spec->breaker.failures);
        ray_text_put(out, " failures in a row");
    }
    if (spec->breaker.rate_ppm != 0) {
        ray_text_put(out, spec->breaker.failures != 0 ? ", or " : "");
        ray_guard_rate_put(out, spec->breaker.rate_ppm);
        ray_text_put(out, " of at least ");
        ray_text_u64(out, spec->breaker.volume);
    }
    ray_text_char(out, '\n');
    ray_line_begin(out, COLUMN, "a failure is");
    outcomes_put(out, &spec->breaker.counts);
    ray_text_char(out, '\n');
    ray_line_duration(out, COLUMN, "open for", spec->breaker.open_ns);
    ray_line_u64(out, COLUMN, "probes", spec->breaker.probes);
    ray_line_u64(out, COLUMN, "closes after", spec->breaker.successes);
    ray_line_u64(out, COLUMN, "successes", breaker->success_count);
    ray_line_u64(out, COLUMN, "failures", breaker->failure_count);
    ray_line_begin(out, COLUMN, "failure rate");
    ray_guard_rate_put(out, breaker->rate_ppm);
    ray_text_char(out, '\n');
    ray_line_u64(out, COLUMN, "failures in a row", breaker->row_failures);
    ray_line_u64(out, COLUMN, "probes in flight", breaker->probing);
    ray_line_u64(out, COLUMN, "opened", guard->tally.opened_count);
    ray_line_u64(out, COLUMN, "refused", guard->tally.breaker_denied_count);
    ray_line_u64(out, COLUMN, "late outcomes", guard->tally.late_count);
}

static void bulkhead_text(ray_text *out, const ray_guard_spec *spec, const ray_guard_stats *guard)
{
    ray_line_begin(out, COLUMN, "permits in use");
    ray_text_u64(out, guard->in_use_count);
    ray_text_put(out, " of ");
    ray_text_u64(out, spec->bulkhead.concurrent);
    ray_text_char(out, '\n');
    ray_line_begin(out, COLUMN, "waiting");
    ray_text_u64(out, guard->waiting_count);
    ray_text_put(out, " of ");
    ray_text_u64(out, spec->bulkhead.waiting);
    ray_text_char(out, '\n');
    ray_line_duration(out, COLUMN, "longest wait", guard->tally.wait_max_ns);
    ray_line_u64(out, COLUMN, "turned away", guard->tally.bulkhead_denied_count);
    ray_line_u64(out, COLUMN, "left the line", guard->tally.left_count);
}

static void retry_text(ray_text *out, const ray_guard_spec *spec, const ray_guard_stats *guard)
{
    const ray_guard_tally *tally = &guard->tally;
    ray_line_u64(out, COLUMN, "attempts", spec->retry.attempts);
    ray_line_begin(out, COLUMN, "again after");
    outcomes_put(out, &spec->retry.on);
    ray_text_char(out, '\n');
    ray_line_duration(out, COLUMN, "first backoff", spec->retry.base_ns);
    ray_line_duration(out, COLUMN, "longest backoff", spec->retry.max_ns);
    if (guard->budget_left == RAY_NEVER)
        ray_line_word(out, COLUMN, "retries left", "any");
    else
        ray_line_u64(out, COLUMN, "retries left",
                     guard->budget_left / (spec->retry.cost != 0 ? spec->retry.cost : 1));
    ray_line_u64(out, COLUMN, "retries", tally->retry_count);
    ray_line_u64(out, COLUMN, "given up: attempts", tally->retry_attempts_count);
    ray_line_u64(out, COLUMN, "given up: budget", tally->retry_budget_count);
    ray_line_u64(out, COLUMN, "given up: deadline", tally->retry_deadline_count);
    ray_line_u64(out, COLUMN, "given up: method", tally->retry_method_count);
    ray_line_u64(out, COLUMN, "given up: breaker", tally->retry_breaker_count);
}

static void text(ray_call *call, const ray_name *name, const ray_guard_spec *spec,
                 const ray_guard_stats *guard)
{
    ray_text *out = call->out;
    ray_line_name(out, COLUMN, "service", name);
    ray_line_word(out, COLUMN, "mode", ray_mode_word(spec->mode));
    ray_line_duration(out, COLUMN, "attempt timeout",
                      spec->timeout_ns != 0 ? spec->timeout_ns : RAY_NEVER);
    if ((spec->parts & RAY_GUARD_BREAKER) != 0)
        breaker_text(call, spec, guard);
    if ((spec->parts & RAY_GUARD_BULKHEAD) != 0)
        bulkhead_text(out, spec, guard);
    if ((spec->parts & RAY_GUARD_RETRY) != 0)
        retry_text(out, spec, guard);
    ray_line_u64(out, COLUMN, "running", guard->running_count);
    for (uint32_t i = 0; i < RAY_OUTCOME_MAX; i++) {
        ray_text_put(out, i == 0 ? "ended" : "");
        ray_text_column(out, COLUMN);
        ray_text_put(out, ray_resilience_outcome_word(i));
        ray_text_column(out, COLUMN + 12);
        ray_text_u64(out, guard->tally.ended_count[i]);
        ray_text_char(out, '\n');
    }
}

/* -- JSON (private) -- */
static void breaker_json(ray_text *out, const ray_guard_spec *spec, const ray_guard_stats *guard)
{
    const ray_breaker_view *breaker = &guard->breaker;
    ray_text_json_open(out, "breaker", '{');
    ray_text_json_literal(out, "state", ray_resilience_state_word(breaker->state));
    ray_text_json_literal(out, "forced", ray_resilience_force_word(breaker->forced));
    ray_text_json_u64(out, "generation", breaker->generation);
    ray_text_json_u64(out, "since_ns", breaker->since_ns);
    ray_text_json_u64(out, "open_until_ns", breaker->open_until_ns);
    ray_text_json_u64(out, "successes", breaker->success_count);
    ray_text_json_u64(out, "failures", breaker->failure_count);
    ray_text_json_u64(out, "failure_rate_ppm", breaker->rate_ppm);
    ray_text_json_u64(out, "row_failures", breaker->row_failures);
    ray_text_json_u64(out, "probing", breaker->probing);
    ray_text_json_u64(out, "failures_max", spec->breaker.failures);
    ray_text_json_u64(out, "rate_max_ppm", spec->breaker.rate_ppm);
    ray_text_json_u64(out, "volume", spec->breaker.volume);
    ray_text_json_u64(out, "window_ns", spec->breaker.window_ns);
    ray_text_json_u64(out, "successes_needed", spec->breaker.successes);
    ray_text_json_u64(out, "probes", spec->breaker.probes);
    ray_text_json_u64(out, "open_ns", spec->breaker.open_ns);
    ray_text_json_u64(out, "open_max_ns", spec->breaker.open_max_ns);
    outcomes_json(out, "counts", &spec->breaker.counts);
    ray_text_json_u64(out, "opened", guard->tally.opened_count);
    ray_text_json_u64(out, "denied", guard->tally.breaker_denied_count);
    ray_text_json_u64(out, "late", guard->tally.late_count);
    ray_text_json_close(out, '}');
}

static void bulkhead_json(ray_text *out, const ray_guard_spec *spec, const ray_guard_stats *guard)
{
    ray_text_json_open(out, "bulkhead", '{');
    ray_text_json_u64(out, "in_use", guard->in_use_count);
    ray_text_json_u64(out, "concurrent", spec->bulkhead.concurrent);
    ray_text_json_u64(out, "waiting", guard->waiting_count);
    ray_text_json_u64(out, "waiting_max", spec->bulkhead.waiting);
    ray_text_json_u64(out, "max_wait_ns", spec->bulkhead.max_wait_ns);
    ray_text_json_u64(out, "longest_wait_ns", guard->tally.wait_max_ns);
    ray_text_json_u64(out, "denied", guard->tally.bulkhead_denied_count);
    ray_text_json_u64(out, "left", guard->tally.left_count);
    ray_text_json_close(out, '}');
}

static void retry_json(ray_text *out, const ray_guard_spec *spec, const ray_guard_stats *guard)
{
    const ray_guard_tally *tally = &guard->tally;
    ray_text_json_open(out, "retry", '{');
    ray_text_json_u64(out, "attempts", spec->retry.attempts);
    outcomes_json(out, "on", &spec->retry.on);
    ray_text_json_u64(out, "base_ns", spec->retry.base_ns);
    ray_text_json_u64(out, "max_ns", spec->retry.max_ns);
    if (guard->budget_left == RAY_NEVER)
        ray_text_json_null(out, "budget_left");
    else
        ray_text_json_u64(out, "budget_left", guard->budget_left);
    ray_text_json_u64(out, "cost", spec->retry.cost);
    ray_text_json_u64(out, "retries", tally->retry_count);
    ray_text_json_u64(out, "no_attempts", tally->retry_attempts_count);
    ray_text_json_u64(out, "no_budget", tally->retry_budget_count);
    ray_text_json_u64(out, "no_time", tally->retry_deadline_count);
    ray_text_json_u64(out, "no_method", tally->retry_method_count);
    ray_text_json_u64(out, "breaker_open", tally->retry_breaker_count);
    ray_text_json_close(out, '}');
}

static void json(ray_text *out, const ray_name *name, const ray_guard_spec *spec,
                 const ray_guard_stats *guard)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "service", name);
    ray_text_json_literal(out, "mode", ray_mode_word(spec->mode));
    ray_text_json_u64(out, "timeout_ns", spec->timeout_ns);
    if ((spec->parts & RAY_GUARD_BREAKER) != 0)
        breaker_json(out, spec, guard);
    if ((spec->parts & RAY_GUARD_BULKHEAD) != 0)
        bulkhead_json(out, spec, guard);
    if ((spec->parts & RAY_GUARD_RETRY) != 0)
        retry_json(out, spec, guard);
    ray_text_json_u64(out, "calls", guard->tally.call_count);
    ray_text_json_u64(out, "running", guard->running_count);
    ray_text_json_open(out, "ended", '{');
    for (uint32_t i = 0; i < RAY_OUTCOME_MAX; i++)
        ray_text_json_u64(out, ray_resilience_outcome_word(i), guard->tally.ended_count[i]);
    ray_text_json_close(out, '}');
    ray_json_end(out);
}

/* -- show -- */
ray_status ray_guard_run_show(ray_call *call)
{
    const ray_resilience *resilience = ray_resilience_of(call->ray);
    ray_guard_spec spec;
    ray_guard_stats guard;
    ray_name name;
    uint32_t service;
    ray_status status = ray_guard_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    status = ray_resilience_spec_read(resilience, service, &spec);
    if (status == RAY_OK)
        status = ray_resilience_guard_read(resilience, call->now_ns, service, &guard);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "nothing stands before this service; see: resilience list", 2, 0);
    ray_guard_name(call, service, &name);
    if (call->json != 0)
        json(call->out, &name, &spec, &guard);
    else
        text(call, &name, &spec, &guard);
    return RAY_OK;
}
