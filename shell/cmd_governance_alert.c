/* SPDX-License-Identifier: MIT */
/* cmd_governance_alert.c - governance: alerts, what they said, and setting them by hand. */
#include "cmd_governance.h"
#include "parts.h"

#define MINUTE_NS 60000000000ULL

/* -- values -- */
static void value_put(ray_text *out, uint32_t metric, uint64_t value)
{
    if (metric == RAY_ALERT_DENIED_RATIO || metric == RAY_ALERT_ERROR_RATIO) {
        ray_text_fixed(out, (int64_t)value, 4);
        ray_text_char(out, '%');
    } else if (metric == RAY_ALERT_WAIT || metric == RAY_ALERT_LATENCY_P95) {
        ray_text_duration(out, value);
    } else {
        ray_text_u64(out, value);
    }
}

/* A line in the unit of its metric: 5%, 250ms, 1000, 1MiB. */
static ray_status value_read(const char *at, uint64_t length, uint32_t metric, uint64_t *value)
{
    uint32_t bp;
    if (metric == RAY_ALERT_WAIT || metric == RAY_ALERT_LATENCY_P95)
        return ray_parse_duration(at, length, value);
    if (metric == RAY_ALERT_BYTES)
        return ray_parse_bytes(at, length, value);
    if (metric != RAY_ALERT_DENIED_RATIO && metric != RAY_ALERT_ERROR_RATIO)
        return ray_parse_u64(at, length, value);
    ray_status status = ray_parse_percent_bp(at, length, &bp);
    if (status == RAY_OK)
        *value = (uint64_t)bp * 100;
    return status;
}

/* -- reading -- */
static void alert_json(ray_call *call, const ray_alert_spec *spec, const ray_alert *alert)
{
    ray_text *out = call->out;
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "id", alert->alert);
    ray_text_json_name(out, "name", &spec->name);
    ray_text_json_literal(out, "state", ray_alert_state_word(alert->state));
    ray_text_json_literal(out, "metric", ray_alert_metric_word(spec->metric));
    ray_text_json_u64(out, "value", alert->value);
    ray_text_json_u64(out, "above", spec->above);
    ray_text_json_u64(out, "clear_below", spec->clear_below);
    ray_text_json_u64(out, "window_ns", spec->window_ns);
    ray_text_json_u64(out, "for_ns", spec->for_ns);
    ray_text_json_u64(out, "since_ns", alert->since_ns);
    ray_text_json_u64(out, "fired", alert->fired_count);
    ray_text_json_bool(out, "acknowledged", alert->acknowledged);
    ray_text_json_close(out, '}');
}

static void alert_put(ray_call *call, const ray_alert_spec *spec, const ray_alert *alert)
{
    ray_text *out = call->out;
    ray_text_name(out, &spec->name, 0);
    ray_text_column(out, 24);
    ray_text_put(out, ray_alert_state_word(alert->state));
    ray_text_put(out, alert->acknowledged != 0 ? ", seen" : "");
    ray_text_column(out, 40);
    ray_text_put(out, ray_alert_metric_word(spec->metric));
    ray_text_char(out, ' ');
    value_put(out, spec->metric, alert->value);
    ray_text_put(out, ", line ");
    value_put(out, spec->metric, spec->above);
    ray_text_put(out, " in ");
    ray_text_duration(out, spec->window_ns);
    if (spec->for_ns != 0) {
        ray_text_put(out, " for ");
        ray_text_duration(out, spec->for_ns);
    }
    if (spec->service != RAY_NONE) {
        ray_text_put(out, ", service ");
        ray_governance_put_key(call, RAY_DIMENSION_SERVICE, spec->service, 0);
    }
    if (spec->tenant != RAY_NONE) {
        ray_text_put(out, ", tenant ");
        ray_governance_put_key(call, RAY_DIMENSION_TENANT, spec->tenant, 0);
    }
    ray_text_char(out, '\n');
}

static void event_put(ray_call *call, const ray_alert_event *event)
{
    ray_text *out = call->out;
    ray_name name;
    ray_by_name(call->ray, RAY_BY_ALERT, event->alert, &name);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "id", event->id);
        ray_text_json_u64(out, "at_ns", event->at_ns);
        ray_text_json_name(out, "alert", &name);
        ray_text_json_literal(out, "state", ray_alert_state_word(event->state));
        ray_text_json_u64(out, "value", event->value);
        ray_text_json_bool(out, "acknowledged", event->acknowledged);
        ray_text_json_close(out, '}');
        return;
    }
    ray_text_u64_right(out, event->id, 6);
    ray_text_put(out, event->acknowledged != 0 ? "   " : " ! ");
    ray_text_time(out, event->at_ns + (uint64_t)ray_call_wall_offset(call));
    ray_text_column(out, 42);
    ray_text_name(out, &name, 0);
    ray_text_put(out, event->alert == RAY_NONE ? "(removed) " : " ");
    ray_text_put(out, ray_alert_state_word(event->state));
    ray_text_put(out, " at ");
    ray_text_u64(out, event->value);
    ray_text_char(out, '\n');
}

static uint32_t list_alerts(ray_call *call, uint32_t all)
{
    const ray_governance *governance = ray_governance_of(call->ray);
    ray_alert_spec spec;
    ray_alert alert;
    uint32_t handle, shown = 0;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        if (ray_governance_alert_at(governance, place, &handle) != RAY_OK ||
            ray_governance_alert_read(governance, handle, &spec, &alert) != RAY_OK ||
            (all == 0 && alert.state != RAY_ALERT_PENDING && alert.state != RAY_ALERT_FIRING))
            continue;
        shown++;
        if (call->json != 0)
            alert_json(call, &spec, &alert);
        else
            alert_put(call, &spec, &alert);
    }
    return shown;
}

ray_status ray_governance_run_alerts(ray_call *call)
{
    const ray_governance *governance = ray_governance_of(call->ray);
    uint32_t all = ray_call_flag(call, "--all");
    ray_governance_stats stats;
    ray_alert_event event;
    if (call->json != 0) {
        ray_text_json_open(call->out, 0, '{');
        ray_text_json_open(call->out, "alerts", '[');
    }
    uint32_t shown = list_alerts(call, all);
    if (call->json != 0) {
        ray_text_json_close(call->out, ']');
        ray_text_json_open(call->out, "notifications", '[');
    }
    ray_governance_read(governance, &stats);
    uint64_t first = stats.notification_overwritten_count + 1;
    for (uint64_t id = first; id <= stats.notification_count; id++)
        if (ray_governance_event_read(governance, id, &event) == RAY_OK &&
            (all != 0 || event.acknowledged == 0)) {
            event_put(call, &event);
            shown++;
        }
    if (call->json != 0) {
        ray_text_json_close(call->out, ']');
        ray_json_end(call->out);
    } else if (shown == 0) {
        ray_text_put(call->out, "no alert is pending or firing\n");
    }
    return RAY_OK;
}

/* -- control -- */
ray_status ray_governance_alert_word(ray_call *call, uint32_t word, uint32_t *alert)
{
    const ray_governance *governance = ray_governance_of(call->ray);
    ray_alert_spec spec;
    ray_alert row;
    ray_near near;
    if (ray_governance_alert_find(governance, call->word[word], call->length[word], alert) ==
        RAY_OK)
        return RAY_OK;
    ray_near_begin(&near, call->word[word], call->length[word]);
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++)
        if (ray_governance_alert_at(governance, place, alert) == RAY_OK &&
            ray_governance_alert_read(governance, *alert, &spec, &row) == RAY_OK)
            ray_near_offer(&near, spec.name.at, ray_word_length(spec.name.at));
    return ray_call_error(call, RAY_E_UNKNOWN, "no alert of that name", word,
                          ray_near_word(&near));
}

static ray_status acknowledge_all(ray_call *call)
{
    ray_governance *governance = ray_governance_of(call->ray);
    ray_governance_stats stats;
    uint64_t count = 0;
    uint32_t alert;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++)
        if (ray_governance_alert_at(governance, place, &alert) == RAY_OK)
            count += ray_governance_alert_acknowledge(governance, alert) == RAY_OK;
    ray_governance_read(governance, &stats);
    for (uint64_t id = stats.notification_overwritten_count + 1; id <= stats.notification_count;
         id++)
        (void)ray_governance_event_acknowledge(governance, id);
    ray_text_u64(call->out, count);
    ray_text_put(call->out, " firing acknowledged, every notification seen\n");
    return RAY_OK;
}

ray_status ray_governance_run_acknowledge(ray_call *call)
{
    ray_governance *governance = ray_governance_of(call->ray);
    uint64_t id;
    uint32_t alert;
    ray_status status;
    if (ray_call_is(call, 2, "all"))
        return acknowledge_all(call);
    if (ray_governance_alert_find(governance, call->word[2], call->length[2], &alert) != RAY_OK &&
        ray_parse_u64(call->word[2], call->length[2], &id) == RAY_OK) {
        status = ray_governance_event_acknowledge(governance, id);
        if (status != RAY_OK)
            return ray_call_error(call, status, "no such notification", 2, 0);
        ray_text_put(call->out, "seen\n");
        return RAY_OK;
    }
    status = ray_governance_alert_word(call, 2, &alert);
    if (status != RAY_OK)
        return status;
    status = ray_governance_alert_acknowledge(governance, alert);
    if (status != RAY_OK)
        return ray_call_error(call, status, "the alert does not fire", 2, 0);
    ray_text_put(call->out, "acknowledged until it fires anew\n");
    return RAY_OK;
}

static ray_status alert_remove(ray_call *call)
{
    uint32_t alert;
    ray_status status = ray_governance_alert_word(call, 3, &alert);
    if (status != RAY_OK)
        return status;
    ray_governance_alert_remove(ray_governance_of(call->ray), alert);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_ALERT, alert, 0, 0);
    ray_text_put(call->out, "removed\n");
    return RAY_OK;
}

static ray_status spec_read(ray_call *call, ray_alert_spec *spec)
{
    const char *at;
    uint32_t length;
    __builtin_memset(spec, 0, sizeof *spec);
    if (call->plain_count < 6)
        return ray_call_error(call, RAY_E_ARGUMENT,
                              "say what is watched and where its line is: alert set NAME METRIC "
                              "ABOVE",
                              RAY_NONE, 0);
    if (ray_word_names(call->word[3], call->length[3]) == 0)
        return ray_call_error(call, RAY_E_ARGUMENT, RAY_NAME_RULE, 3, 0);
    __builtin_memcpy(spec->name.at, call->word[3], call->length[3]);
    uint32_t metric = ray_option_place(call->word[4], call->length[4], ray_alert_metric_word,
                                       RAY_ALERT_METRIC_MAX);
    if (metric == RAY_ALERT_METRIC_MAX)
        return ray_call_error(call, RAY_E_ARGUMENT, "no alert watches", 4, 0);
    spec->metric = (uint8_t)metric;
    ray_status status = value_read(call->word[5], call->length[5], metric, &spec->above);
    if (status != RAY_OK)
        return ray_call_error(call, status, "not a value of that metric", 5, 0);
    spec->clear_below = spec->above + 1;
    if (ray_call_option(call, "--clear-below", &at, &length) != 0 &&
        (status = value_read(at, length, metric, &spec->clear_below)) != RAY_OK)
        return ray_option_refuse(call, status, "--clear-below is no value of that metric", at,
                                 length);
    spec->window_ns = MINUTE_NS;
    status = ray_option_duration(call, "--window", &spec->window_ns);
    if (status == RAY_OK)
        status = ray_option_duration(call, "--for", &spec->for_ns);
    if (status == RAY_OK)
        status = ray_governance_whose(call, &spec->service, &spec->tenant);
    return status;
}

ray_status ray_governance_run_alert(ray_call *call)
{
    ray_alert_spec spec;
    uint32_t alert;
    if (ray_call_is(call, 2, "remove"))
        return alert_remove(call);
    if (!ray_call_is(call, 2, "set"))
        return ray_call_error(call, RAY_E_ARGUMENT, "an alert is set or removed; use set or remove",
                              2, ray_call_is(call, 2, "add") ? "set" : 0);
    ray_status status = spec_read(call, &spec);
    if (status != RAY_OK)
        return status;
    status = ray_governance_alert_set(ray_governance_of(call->ray), call->now_ns, &spec, &alert);
    if (status == RAY_E_FULL)
        return ray_call_error(call, status, "the table of alerts is full", RAY_NONE, 0);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "no such alert: windows are whole seconds up to 1h (latency_p95: 1s, "
                              "1m, 1h, no tenant), --clear-below is at most the line",
                              RAY_NONE, 0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_ALERT, alert, 0, spec.above);
    ray_text_name(call->out, &spec.name, 0);
    ray_text_put(call->out, " set, id ");
    ray_text_u64(call->out, alert);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}
