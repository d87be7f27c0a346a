/* SPDX-License-Identifier: MIT */
/* cmd_resilience.c - resilience: which breakers are open, who holds permits, what would become of a
 * request; the table of subcommands. */
#include "cmd_resilience.h"
#include "parts.h"

/* -- what all files need -- */
ray_status ray_guard_service(ray_call *call, uint32_t word, uint32_t *service)
{
    if (ray_gateway_find_service(ray_gateway_of(call->ray), call->word[word], call->length[word],
                                 service) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no service of that name", word, RAY_COMPLETE_SERVICE);
}

void ray_guard_name(ray_call *call, uint32_t service, ray_name *out)
{
    ray_by_name(call->ray, RAY_BY_BREAKER, service, out);
}

void ray_guard_state_put(ray_text *out, const ray_breaker_view *breaker)
{
    ray_text_put(out, ray_resilience_state_word(breaker->state));
    if (breaker->forced != RAY_FORCE_NONE) {
        ray_text_put(out, " (forced ");
        ray_text_put(out, ray_resilience_force_word(breaker->forced));
        ray_text_char(out, ')');
    }
}

void ray_guard_rate_put(ray_text *out, uint32_t ppm)
{
    ray_text_fixed(out, (int64_t)(ppm / 100), 2);
    ray_text_char(out, '%');
}

/* -- status -- */
#define WIDE(name, field) RAY_STAT_WIDE(ray_resilience_stats, name, field)
#define SLIM(name, field, most) RAY_STAT_SLIM(ray_resilience_stats, name, field, most)

static const ray_stat fields[] = {
    SLIM("breakers", breaker_count, RAY_SERVICE_MAX),
    SLIM("closed", closed_count, 0),
    SLIM("open", open_count, 0),
    SLIM("half_open", half_open_count, 0),
    SLIM("forced", forced_count, 0),
    SLIM("bulkheads", bulkhead_count, 0),
    SLIM("permits_in_use", in_use_count, 0),
    SLIM("waiting", waiting_count, 0),
    SLIM("running", running_count, 0),
    SLIM("retry_rules", retry_rule_count, 0),
    WIDE("asked", asked_count),
    WIDE("granted", granted_count),
    WIDE("denied", denied_count),
    WIDE("errors", error_count),
    WIDE("unspent", unspent_count),
    WIDE("would_deny", would_deny_count),
    WIDE("calls", call_count),
    WIDE("ended", ended_count),
    WIDE("late", late_count),
    WIDE("retries", retry_count),
    WIDE("transitions", event_count),
};

static ray_status run_status(ray_call *call)
{
    ray_resilience_stats stats;
    ray_resilience_read(ray_resilience_of(call->ray), &stats);
    ray_stats_put(call, fields, sizeof fields / sizeof fields[0], &stats);
    return RAY_OK;
}

/* -- list -- */
static void list_json(ray_text *out, const ray_name *name, const ray_guard_spec *spec,
                      const ray_guard_stats *guard)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "service", name);
    ray_text_json_literal(out, "mode", ray_mode_word(spec->mode));
    ray_text_json_bool(out, "breaker", (spec->parts & RAY_GUARD_BREAKER) != 0);
    ray_text_json_literal(out, "state", ray_resilience_state_word(guard->breaker.state));
    ray_text_json_literal(out, "forced", ray_resilience_force_word(guard->breaker.forced));
    ray_text_json_u64(out, "failure_rate_ppm", guard->breaker.rate_ppm);
    ray_text_json_u64(out, "in_use", guard->in_use_count);
    ray_text_json_u64(out, "concurrent", spec->bulkhead.concurrent);
    ray_text_json_u64(out, "waiting", guard->waiting_count);
    ray_text_json_u64(out, "waiting_max", spec->bulkhead.waiting);
    ray_text_json_u64(out, "attempts", spec->retry.attempts);
    ray_text_json_close(out, '}');
}

static void pair_put(ray_text *out, uint64_t value, uint64_t most)
{
    ray_text_u64(out, value);
    ray_text_char(out, '/');
    ray_text_u64(out, most);
}

static void list_row(ray_text *out, const ray_name *name, const ray_guard_spec *spec,
                     const ray_guard_stats *guard)
{
    ray_text_name(out, name, 0);
    ray_text_column(out, 20);
    if ((spec->parts & RAY_GUARD_BREAKER) != 0) {
        ray_guard_state_put(out, &guard->breaker);
        ray_text_column(out, 46);
        ray_guard_rate_put(out, guard->breaker.rate_ppm);
    } else {
        ray_text_put(out, "-");
    }
    ray_text_column(out, 56);
    if ((spec->parts & RAY_GUARD_BULKHEAD) != 0) {
        pair_put(out, guard->in_use_count, spec->bulkhead.concurrent);
        ray_text_column(out, 68);
        pair_put(out, guard->waiting_count, spec->bulkhead.waiting);
    } else {
        ray_text_put(out, "-");
    }
    ray_text_column(out, 80);
    if ((spec->parts & RAY_GUARD_RETRY) != 0)
        ray_text_u64(out, spec->retry.attempts);
    else
        ray_text_put(out, "-");
    ray_text_column(out, 90);
    ray_text_put(out, ray_mode_word(spec->mode));
    ray_text_char(out, '\n');
}

static ray_status run_list(ray_call *call)
{
    const ray_resilience *resilience = ray_resilience_of(call->ray);
    ray_guard_spec spec;
    ray_guard_stats guard;
    ray_name name;
    uint32_t service;
    if (call->json != 0)
        ray_json_list_open(call->out, "guards");
    else
        ray_text_put(call->out, "service             breaker                   failed    permits   "
                                "  waiting     attempts  mode\n");
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        if (ray_resilience_at(resilience, place, &service) != RAY_OK ||
            ray_resilience_spec_read(resilience, service, &spec) != RAY_OK ||
            ray_resilience_guard_read(resilience, call->now_ns, service, &guard) != RAY_OK)
            continue;
        ray_guard_name(call, service, &name);
        if (call->json != 0)
            list_json(call->out, &name, &spec, &guard);
        else
            list_row(call->out, &name, &spec, &guard);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- test -- */
static void test_json(ray_text *out, const ray_resilience_answer *answer)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_bool(out, "granted", answer->granted);
    ray_text_json_bool(out, "waits", answer->waits);
    ray_text_json_bool(out, "probe", answer->probe);
    ray_text_json_literal(out, "reason", ray_reason_word(answer->reason));
    ray_text_json_literal(out, "by", ray_by_word(answer->by_kind));
    ray_text_json_u64(out, "status", answer->http_status);
    ray_text_json_u64(out, "retry_after_ns", answer->retry_after_ns);
    if (answer->timeout_ns == RAY_NEVER)
        ray_text_json_null(out, "timeout_ns");
    else
        ray_text_json_u64(out, "timeout_ns", answer->timeout_ns);
    ray_text_json_literal(out, "would", ray_reason_word(answer->would_reason));
    ray_json_end(out);
}

static void test_text(ray_text *out, const ray_resilience_answer *answer)
{
    ray_text_put(out, answer->granted == 0 ? "would be refused: "
                      : answer->waits != 0 ? "would wait: "
                      : answer->probe != 0 ? "would go, as a probe: "
                                           : "would go: ");
    ray_text_put(out, ray_reason_word(answer->reason));
    if (answer->retry_after_ns != 0) {
        ray_text_put(out, "; again in ");
        ray_text_duration(out, answer->retry_after_ns);
    }
    if (answer->granted != 0 && answer->timeout_ns != RAY_NEVER) {
        ray_text_put(out, "; at most ");
        ray_text_duration(out, answer->timeout_ns);
    }
    if (answer->would_reason != 0) {
        ray_text_put(out, "; enforced it would be refused: ");
        ray_text_put(out, ray_reason_word(answer->would_reason));
    }
    ray_text_char(out, '\n');
}

/* What would become of a request now, changing nothing. */
static ray_status run_test(ray_call *call)
{
    ray_resilience_query query = {.attempt = 1, .method = RAY_METHOD_GET, .ticket = RAY_NONE};
    ray_resilience_answer answer;
    uint64_t left_ns = RAY_NEVER;
    ray_status status = ray_guard_service(call, 2, &query.service);
    if (status == RAY_OK)
        status = ray_option_duration(call, "--deadline", &left_ns);
    if (status != RAY_OK)
        return status;
    if (left_ns != RAY_NEVER && left_ns < RAY_NEVER - call->now_ns)
        query.deadline_ns = call->now_ns + left_ns;
    status = ray_resilience_ask(ray_resilience_of(call->ray), call->now_ns, &query, &answer);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "no guard can be asked for this service; see: resilience list", 2, 0);
    if (call->json != 0)
        test_json(call->out, &answer);
    else
        test_text(call->out, &answer);
    return RAY_OK;
}

/* -- events -- */
static void event_json(ray_text *out, const ray_name *name, const ray_breaker_event *event)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "id", event->id);
    ray_text_json_u64(out, "at_ns", event->at_ns);
    ray_text_json_name(out, "service", name);
    ray_text_json_literal(out, "from", ray_resilience_state_word(event->from));
    ray_text_json_literal(out, "to", ray_resilience_state_word(event->to));
    ray_text_json_literal(out, "cause", ray_resilience_cause_word(event->cause));
    ray_text_json_u64(out, "generation", event->generation);
    ray_text_json_close(out, '}');
}

static void event_row(ray_call *call, const ray_name *name, const ray_breaker_event *event)
{
    ray_text *out = call->out;
    ray_text_u64(out, event->id);
    ray_text_column(out, 9);
    ray_text_time(out, event->at_ns + (uint64_t)ray_call_wall_offset(call));
    ray_text_column(out, 41);
    ray_text_name(out, name, 0);
    ray_text_column(out, 61);
    ray_text_put(out, ray_resilience_state_word(event->from));
    ray_text_put(out, " to ");
    ray_text_put(out, ray_resilience_state_word(event->to));
    ray_text_column(out, 84);
    ray_text_put(out, ray_resilience_cause_word(event->cause));
    ray_text_char(out, '\n');
}

static ray_status run_events(ray_call *call)
{
    const ray_resilience *resilience = ray_resilience_of(call->ray);
    ray_resilience_stats stats;
    ray_breaker_event event;
    ray_name name;
    ray_resilience_read(resilience, &stats);
    if (call->json != 0)
        ray_json_list_open(call->out, "events");
    else
        ray_text_put(call->out, "id       time                            service             "
                                "change                 cause\n");
    for (uint64_t id = stats.event_overwritten_count + 1; id <= stats.event_count; id++) {
        if (ray_resilience_event_read(resilience, id, &event) != RAY_OK)
            continue;
        ray_guard_name(call, event.service, &name);
        if (call->json != 0)
            event_json(call->out, &name, &event);
        else
            event_row(call, &name, &event);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- export -- */
ray_status ray_export_resilience(ray_call *call, uint32_t exposition)
{
    ray_names services;
    ray_names_of_services(call->ray, &services);
    return ray_resilience_export_metrics(ray_resilience_of(call->ray), call->now_ns, &services,
                                         exposition, call->out);
}

static ray_status run_export(ray_call *call)
{
    const ray_resilience *resilience = ray_resilience_of(call->ray);
    uint32_t form = RAY_EXPORT_CSV;
    ray_names services;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS | RAY_EXPORT_TEXTS, &form);
    if (status != RAY_OK)
        return status;
    if (form > RAY_EXPORT_JSON)
        return ray_export_resilience(call, ray_export_exposition(form));
    ray_names_of_services(call->ray, &services);
    if (form == RAY_EXPORT_CSV)
        return ray_resilience_export_csv(resilience, call->now_ns, &services, call->out);
    status = ray_resilience_export_json(resilience, call->now_ns, &services, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"status", "", "breakers by state, permits, retries", run_status, 1, 0},
    {"list", "", "what stands before each service", run_list, 1, 0},
    {"show", "SERVICE", "one guard: rules, state, and what it has seen", ray_guard_run_show, 1,
     RAY_COMPLETE_SERVICE},
    {"test", "SERVICE [--deadline=D]", "what would become of a request now; changes nothing",
     run_test, 1, RAY_COMPLETE_SERVICE},
    {"events", "", "changes of state and their causes", run_events, 1, 0},
    {"export", "[csv|json|prometheus|openmetrics]",
     "every guard in fixed columns, or metrics", run_export, 1, 0},
    {"breaker", "SERVICE [--failures=N] [--rate=P] [--open=D] [--probes=N] [--successes=N]",
     "puts a breaker before a service, or changes it", ray_guard_run_breaker, 0,
     RAY_COMPLETE_SERVICE},
    {"bulkhead", "SERVICE CONCURRENT [WAITING]", "so many at once, and so many more may wait",
     ray_guard_run_bulkhead, 0, RAY_COMPLETE_SERVICE},
    {"mode", "SERVICE enforce|shadow|off", "whether breaker and bulkhead decide",
     ray_guard_run_mode, 0, RAY_COMPLETE_SERVICE},
    {"force", "SERVICE open|closed|none",
     "refuses everything (confirm), lets everything pass, or neither", ray_guard_run_force, 0,
     RAY_COMPLETE_SERVICE},
    {"half-open", "SERVICE", "lets an open breaker try before its time", ray_guard_run_half_open, 0,
     RAY_COMPLETE_SERVICE},
    {"reset", "SERVICE", "closed, nothing counted, nothing forced (confirm)", ray_guard_run_reset,
     0, RAY_COMPLETE_SERVICE},
    {"remove", "SERVICE", "nothing stands before it any more (confirm)", ray_guard_run_remove, 0,
     RAY_COMPLETE_SERVICE},
};

const ray_command ray_command_resilience = {"resilience",
                                            "circuit breakers, retries, bulkheads",
                                            subs,
                                            sizeof subs / sizeof subs[0],
                                            19,
                                            1,
                                            0};
