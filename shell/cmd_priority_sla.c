/* SPDX-License-Identifier: MIT */
/* cmd_priority_sla.c - priority: what services promise, how they keep it, and changing it. */
#include "cmd_priority.h"
#include "parts.h"

enum sla_line { COLUMN = 20 };

#define MINUTE_NS 60000000000ULL

static void put_percent(ray_text *out, uint64_t bp)
{
    ray_text_fixed(out, (int64_t)bp, 2);
    ray_text_char(out, '%');
}

/* The shortest word for what a minute broke. */
static const char *breach_word(uint32_t breach)
{
    static const char *const words[] = {"kept", "errors", "latency", "errors+latency"};
    return words[breach & 3U];
}

static uint64_t deadline_of(const ray_sla_spec *spec)
{
    return spec->deadline_ns != 0 ? spec->deadline_ns : spec->p95_latency_ns;
}

static const char *class_of(const ray_sla_spec *spec)
{
    return spec->priority < RAY_CLASS_MAX ? ray_class_word(spec->priority) : "default";
}

/* -- sla -- */
static void sla_json(ray_call *call, const ray_name *name, const ray_sla_spec *spec,
                     const ray_sla_stats *sla)
{
    ray_text *out = call->out;
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "service", name);
    ray_text_json_u64(out, "p95_latency_ns", spec->p95_latency_ns);
    ray_text_json_u64(out, "deadline_ns", deadline_of(spec));
    ray_text_json_u64(out, "error_rate_bp", spec->error_rate_bp);
    ray_text_json_literal(out, "priority", class_of(spec));
    ray_text_json_u64(out, "outcomes", sla->outcome_count);
    ray_text_json_u64(out, "failed", sla->failed_count);
    ray_text_json_u64(out, "slow", sla->slow_count);
    ray_text_json_u64(out, "missed_deadlines", sla->missed_count);
    ray_text_json_u64(out, "minutes", sla->minute_count);
    ray_text_json_u64(out, "breaches", sla->breach_count);
    ray_text_json_u64(out, "errors_breaches", sla->errors_breach_count);
    ray_text_json_u64(out, "latency_breaches", sla->latency_breach_count);
    ray_text_json_u64(out, "running_outcomes", sla->running_count);
    ray_text_json_u64(out, "running_failed", sla->running_failed_count);
    ray_text_json_u64(out, "running_slow", sla->running_slow_count);
    ray_text_json_literal(out, "last_minute", breach_word(sla->last_breach));
    ray_text_json_close(out, '}');
}

static void sla_row(ray_call *call, const ray_name *name, const ray_sla_spec *spec,
                    const ray_sla_stats *sla)
{
    ray_text *out = call->out;
    ray_text_name(out, name, 0);
    ray_text_column(out, 20);
    ray_text_duration(out, spec->p95_latency_ns);
    ray_text_column(out, 30);
    ray_text_duration(out, deadline_of(spec));
    ray_text_column(out, 40);
    put_percent(out, spec->error_rate_bp);
    ray_text_column(out, 50);
    ray_text_put(out, class_of(spec));
    ray_text_column(out, 60);
    ray_text_u64(out, sla->outcome_count);
    ray_text_column(out, 70);
    ray_text_u64(out, sla->missed_count);
    ray_text_column(out, 78);
    ray_text_u64(out, sla->breach_count);
    ray_text_char(out, '/');
    ray_text_u64(out, sla->minute_count);
    ray_text_column(out, 88);
    ray_text_put(out, breach_word(sla->last_breach));
    ray_text_char(out, '\n');
}

static void sla_lines(ray_call *call, const ray_name *name, const ray_sla_spec *spec,
                      const ray_sla_stats *sla)
{
    ray_text *out = call->out;
    ray_line_name(out, COLUMN, "service", name);
    ray_line_duration(out, COLUMN, "p95 latency", spec->p95_latency_ns);
    ray_line_duration(out, COLUMN, "deadline", deadline_of(spec));
    ray_line_begin(out, COLUMN, "error rate");
    put_percent(out, spec->error_rate_bp);
    ray_text_char(out, '\n');
    ray_line_word(out, COLUMN, "class", class_of(spec));
    ray_line_u64(out, COLUMN, "outcomes", sla->outcome_count);
    ray_line_u64(out, COLUMN, "failed", sla->failed_count);
    ray_line_u64(out, COLUMN, "slow", sla->slow_count);
    ray_line_u64(out, COLUMN, "missed deadlines", sla->missed_count);
    ray_line_u64(out, COLUMN, "minutes", sla->minute_count);
    ray_line_u64(out, COLUMN, "breaches", sla->breach_count);
    ray_line_u64(out, COLUMN, "  by errors", sla->errors_breach_count);
    ray_line_u64(out, COLUMN, "  by latency", sla->latency_breach_count);
    ray_line_word(out, COLUMN, "last minute", breach_word(sla->last_breach));
    ray_line_u64(out, COLUMN, "this minute", sla->running_count);
    ray_line_u64(out, COLUMN, "  failed", sla->running_failed_count);
    ray_line_u64(out, COLUMN, "  slow", sla->running_slow_count);
}

static uint32_t read_sla(ray_call *call, uint32_t service, ray_sla_spec *spec, ray_sla_stats *sla)
{
    const ray_priority *priority = ray_priority_of(call->ray);
    return ray_priority_sla_spec_read(priority, service, spec) == RAY_OK &&
           ray_priority_sla_read(priority, call->now_ns, service, sla) == RAY_OK;
}

static ray_status run_one(ray_call *call)
{
    uint32_t service;
    ray_sla_spec spec;
    ray_sla_stats sla;
    ray_name name;
    ray_status status = ray_priority_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    if (!read_sla(call, service, &spec, &sla))
        return ray_call_error(call, RAY_E_UNKNOWN,
                              "this service promises nothing; see: priority sla", 2, 0);
    ray_priority_name(call, service, &name);
    if (call->json == 0) {
        sla_lines(call, &name, &spec, &sla);
        return RAY_OK;
    }
    sla_json(call, &name, &spec, &sla);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

ray_status ray_priority_run_sla(ray_call *call)
{
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_sla_spec spec;
    ray_sla_stats sla;
    ray_name name;
    if (call->plain_count > 2)
        return run_one(call);
    if (call->json != 0)
        ray_json_list_open(call->out, "slas");
    else
        ray_text_put(call->out, "service             p95       deadline  errors    class     "
                                "outcomes  missed  breaches  last minute\n");
    for (uint32_t id = ray_gateway_next_service(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_service(gateway, id)) {
        if (!read_sla(call, id, &spec, &sla))
            continue;
        ray_priority_name(call, id, &name);
        if (call->json != 0)
            sla_json(call, &name, &spec, &sla);
        else
            sla_row(call, &name, &spec, &sla);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- alerts -- */
static void alert_put(ray_call *call, const ray_sla_alert *alert)
{
    ray_text *out = call->out;
    ray_name name;
    uint64_t start_ns = alert->minute * MINUTE_NS + (uint64_t)ray_call_wall_offset(call);
    ray_priority_name(call, alert->service, &name);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "id", alert->id);
        ray_text_json_name(out, "service", &name);
        ray_text_json_u64(out, "start_unix_ns", start_ns);
        ray_text_json_literal(out, "breach", breach_word(alert->breach));
        ray_text_json_u64(out, "outcomes", alert->outcome_count);
        ray_text_json_u64(out, "failed", alert->failed_count);
        ray_text_json_u64(out, "slow", alert->slow_count);
        ray_text_json_bool(out, "acknowledged", alert->acknowledged);
        ray_text_json_close(out, '}');
        return;
    }
    ray_text_u64(out, alert->id);
    ray_text_column(out, 8);
    ray_text_name(out, &name, 0);
    ray_text_column(out, 28);
    ray_text_time(out, start_ns);
    ray_text_column(out, 50);
    ray_text_put(out, breach_word(alert->breach));
    ray_text_column(out, 66);
    ray_text_u64(out, alert->outcome_count);
    ray_text_column(out, 76);
    ray_text_u64(out, alert->failed_count);
    ray_text_column(out, 86);
    ray_text_u64(out, alert->slow_count);
    ray_text_put(out, alert->acknowledged != 0 ? "  seen\n" : "\n");
}

ray_status ray_priority_run_alerts(ray_call *call)
{
    const ray_priority *priority = ray_priority_of(call->ray);
    ray_priority_stats stats;
    ray_sla_alert alert;
    uint32_t all = ray_call_flag(call, "--all");
    ray_priority_read(priority, &stats);
    if (call->json != 0)
        ray_json_list_open(call->out, "alerts");
    else
        ray_text_put(call->out, "id      service             minute                breach          "
                                "outcomes  failed    slow\n");
    for (uint64_t id = stats.breach_overwritten_count + 1; id <= stats.breach_count; id++)
        if (ray_priority_alert_read(priority, id, &alert) == RAY_OK &&
            (all != 0 || alert.acknowledged == 0))
            alert_put(call, &alert);
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

ray_status ray_priority_run_acknowledge(ray_call *call)
{
    ray_priority *priority = ray_priority_of(call->ray);
    ray_priority_stats stats;
    uint64_t id = 0;
    ray_priority_read(priority, &stats);
    if (ray_call_is(call, 2, "all")) {
        for (id = stats.breach_overwritten_count + 1; id <= stats.breach_count; id++)
            (void)ray_priority_alert_acknowledge(priority, id);
        ray_text_put(call->out, "all seen\n");
        return RAY_OK;
    }
    ray_status status = ray_parse_u64(call->word[2], call->length[2], &id);
    if (status == RAY_OK)
        status = ray_priority_alert_acknowledge(priority, id);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "no alert of that number is kept; see: priority sla", 2, 0);
    ray_text_put(call->out, "seen\n");
    return RAY_OK;
}

/* -- changing -- */
static ray_status terms_read(ray_call *call, ray_sla_spec *spec)
{
    const char *at;
    uint32_t length;
    if (ray_parse_duration(call->word[3], call->length[3], &spec->p95_latency_ns) != RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "a p95 is a duration such as 150ms, not", 3, 0);
    ray_status status = ray_option_duration(call, "--deadline", &spec->deadline_ns);
    if (status != RAY_OK)
        return status;
    if (ray_call_option(call, "--error-rate", &at, &length) != 0) {
        status = ray_parse_percent_bp(at, length, &spec->error_rate_bp);
        if (status == RAY_OK && spec->error_rate_bp > RAY_SLA_BP_MAX)
            status = RAY_E_RANGE;
        if (status != RAY_OK)
            return ray_option_refuse(call, status, "an error rate is a percentage from 0% to 100%",
                                     at, length);
    }
    if (ray_call_option(call, "--priority", &at, &length) != 0) {
        spec->priority = ray_option_place(at, length, ray_class_word, RAY_CLASS_MAX);
        if (spec->priority == RAY_CLASS_MAX)
            return ray_option_refuse(call, RAY_E_UNKNOWN,
                                     "a class is critical, high, normal, low or batch, not", at,
                                     length);
    }
    return RAY_OK;
}

ray_status ray_priority_run_sla_set(ray_call *call)
{
    ray_priority *priority = ray_priority_of(call->ray);
    ray_sla_spec spec = {.error_rate_bp = RAY_SLA_BP_MAX, .priority = RAY_CLASS_DEFAULT};
    uint32_t service;
    ray_status status = ray_priority_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    uint32_t has = ray_priority_sla_spec_read(priority, service, &spec) == RAY_OK;
    uint64_t before = has ? spec.p95_latency_ns : 0;
    spec.service = service;
    status = terms_read(call, &spec);
    if (status != RAY_OK)
        return status;
    status =
        has ? ray_priority_sla_update(priority, &spec) : ray_priority_sla_define(priority, &spec);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "a p95 is longer than 0, and no wait is longer than 292 years, not",
                              3, 0);
    ray_call_edited(call, has ? RAY_AUDIT_SET : RAY_AUDIT_ADD, RAY_BY_SERVICE, service, before,
                    spec.p95_latency_ns);
    ray_text_escaped(call->out, call->word[2], call->length[2]);
    ray_text_put(call->out, has ? " promises something else\n" : " promises\n");
    return RAY_OK;
}

ray_status ray_priority_run_sla_remove(ray_call *call)
{
    ray_priority *priority = ray_priority_of(call->ray);
    uint32_t service;
    ray_sla_spec spec;
    ray_status status = ray_priority_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    if (ray_priority_sla_spec_read(priority, service, &spec) != RAY_OK)
        return ray_call_error(call, RAY_E_UNKNOWN,
                              "this service promises nothing; see: priority sla", 2, 0);
    if (ray_call_confirmed(call, "this forgets what the SLA has counted") == 0)
        return RAY_E_STATE;
    (void)ray_priority_sla_remove(priority, service);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_SERVICE, service, spec.p95_latency_ns, 0);
    ray_text_escaped(call->out, call->word[2], call->length[2]);
    ray_text_put(call->out, " promises nothing any more\n");
    return RAY_OK;
}
