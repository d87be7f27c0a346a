/* SPDX-License-Identifier: MIT */
/* cmd_config.c - the configuration that decides here: what it says, whether it holds, and another
 * in its place. */
#include "parts.h"

enum config_line { COLUMN = 22 };

/* -- words (private) -- */
static void put_zone(ray_text *out, int32_t minutes)
{
    uint32_t size = (uint32_t)(minutes < 0 ? -minutes : minutes);
    ray_text_char(out, minutes < 0 ? '-' : '+');
    ray_text_char(out, (char)('0' + size / 600 % 10));
    ray_text_char(out, (char)('0' + size / 60 % 10));
    ray_text_char(out, ':');
    ray_text_char(out, (char)('0' + size % 60 / 10));
    ray_text_char(out, (char)('0' + size % 10));
}

/* -- show -- */
static void show_json(ray_call *call, const ray_settings_spec *settings, const ray_stats *stats)
{
    ray_text *out = call->out;
    ray_gateway_stats gateway;
    ray_part part;
    ray_gateway_read(ray_gateway_of(call->ray), &gateway);
    ray_text_json_open(out, 0, '{');
    ray_text_json_hex(out, "hash", stats->config_hash, sizeof stats->config_hash);
    ray_text_json_u64(out, "epoch", stats->epoch);
    ray_text_json_u64(out, "edits", stats->edit_count);
    ray_text_json_literal(out, "mode", ray_mode_word(settings->mode));
    ray_text_json_i64(out, "utc_offset_minutes", settings->utc_offset_minutes);
    ray_text_json_literal(out, "default_class", ray_class_word(settings->default_class));
    ray_text_json_u64(out, "no_route_status", settings->no_route_status);
    ray_text_json_bool(out, "no_limit_deny", settings->no_limit_deny);
    ray_text_json_bool(out, "client_ip_from_headers", settings->client_ip);
    ray_text_json_bool(out, "ratelimit_headers", settings->ratelimit_headers);
    ray_text_json_bool(out, "problem_json", settings->problem_json);
    ray_text_json_name(out, "request_id", &settings->request_id);
    ray_text_json_u64(out, "max_step_ns", settings->max_step_ns);
    ray_text_json_u64(out, "services", gateway.service_count);
    ray_text_json_u64(out, "routes", gateway.route_count);
    ray_text_json_u64(out, "tenants", ray_tenant_count(call->ray));
    ray_text_json_u64(out, "plans", ray_plan_count(call->ray));
    ray_text_json_open(out, "rows", '{');
    for (uint32_t i = 0; ray_part_read(call->ray, i, &part) == RAY_OK; i++)
        ray_text_json_u64(out, part.name.at, part.used);
    ray_text_json_close(out, '}');
    ray_json_end(out);
}

static void show_tenants(ray_call *call)
{
    ray_text *out = call->out;
    ray_tenant_spec tenant;
    ray_name plan;
    for (uint32_t i = 0; ray_tenant_read(call->ray, i, &tenant) == RAY_OK; i++) {
        ray_line_begin(out, COLUMN, i == 0 ? "tenants" : "");
        ray_text_name(out, &tenant.name, 0);
        if (ray_plan_read(call->ray, tenant.plan, &plan) == RAY_OK) {
            ray_text_put(out, ", plan ");
            ray_text_name(out, &plan, 0);
        }
        ray_text_char(out, '\n');
    }
}

static ray_status run_show(ray_call *call)
{
    ray_text *out = call->out;
    ray_settings_spec settings;
    ray_gateway_stats gateway;
    ray_stats stats;
    ray_part part;
    ray_settings_read(call->ray, &settings);
    ray_read(call->ray, &stats);
    if (call->json != 0) {
        show_json(call, &settings, &stats);
        return RAY_OK;
    }
    ray_gateway_read(ray_gateway_of(call->ray), &gateway);
    ray_line_hash(out, COLUMN, "hash", stats.config_hash, sizeof stats.config_hash);
    ray_line_u64(out, COLUMN, "epoch", stats.epoch);
    ray_line_u64(out, COLUMN, "live edits", stats.edit_count);
    ray_line_word(out, COLUMN, "mode", ray_mode_word(settings.mode));
    ray_line_begin(out, COLUMN, "timezone");
    put_zone(out, settings.utc_offset_minutes);
    ray_text_char(out, '\n');
    ray_line_word(out, COLUMN, "default class", ray_class_word(settings.default_class));
    ray_line_u64(out, COLUMN, "no route", settings.no_route_status);
    ray_line_word(out, COLUMN, "no limit", settings.no_limit_deny != 0 ? "deny" : "allow");
    ray_line_word(out, COLUMN, "client address",
                  settings.client_ip != 0 ? "x-forwarded-for, past [trust]" : "the peer's");
    ray_line_word(out, COLUMN, "RateLimit headers",
                  settings.ratelimit_headers != 0 ? "draft-10" : "none");
    ray_line_u64(out, COLUMN, "services", gateway.service_count);
    ray_line_u64(out, COLUMN, "routes", gateway.route_count);
    for (uint32_t i = 0; ray_part_read(call->ray, i, &part) == RAY_OK; i++) {
        if (i == 1)
            ray_line_u64(out, COLUMN, "limits", part.used);
        if (i == 2)
            ray_line_u64(out, COLUMN, "quotas", part.used);
    }
    ray_line_u64(out, COLUMN, "plans", ray_plan_count(call->ray));
    show_tenants(call);
    return RAY_OK;
}

/* -- hash, source -- */
static ray_status run_hash(ray_call *call)
{
    ray_text *out = call->out;
    ray_stats stats;
    ray_read(call->ray, &stats);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_hex(out, "hash", stats.config_hash, sizeof stats.config_hash);
        ray_text_json_close(out, '}');
    } else
        ray_text_hex_bytes(out, stats.config_hash, sizeof stats.config_hash);
    ray_text_char(out, '\n');
    return RAY_OK;
}

/* A configuration the machine carries, by name; 0 when it has none so called. */
static uint32_t carried(const ray_call *call, uint32_t word, const uint8_t **at, uint64_t *length)
{
    const ray_machine *machine = call->machine;
    uint32_t start = ray_call_is(call, word, "start") && machine->start_config != 0;
    if (!start && !ray_call_is(call, word, "frozen") && !ray_call_is(call, word, "start"))
        return 0;
    *at = start ? machine->start_config : machine->frozen_config;
    *length = start ? machine->start_config_length : machine->frozen_config_length;
    return *at != 0;
}

static uint32_t is_running(ray_call *call, const uint8_t *at, uint64_t length)
{
    ray_config_report report;
    ray_stats stats;
    ray_read(call->ray, &stats);
    return at != 0 && ray_config_check(at, length, &report) == RAY_OK &&
           __builtin_memcmp(report.hash, stats.config_hash, sizeof report.hash) == 0;
}

static ray_status run_source(ray_call *call)
{
    const ray_machine *machine = call->machine;
    ray_text *out = call->out;
    ray_stats stats;
    uint32_t start = is_running(call, machine->start_config, machine->start_config_length);
    uint32_t frozen = is_running(call, machine->frozen_config, machine->frozen_config_length);
    const char *word = frozen ? "frozen" : start ? "start" : "loaded since";
    ray_read(call->ray, &stats);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_literal(out, "source", word);
        ray_text_json_u64(out, "edits", stats.edit_count);
        ray_json_end(out);
        return RAY_OK;
    }
    ray_line_word(out, COLUMN, "configuration",
                  frozen  ? "frozen: the one this machine carries"
                  : start ? "start: the one it was started with"
                          : "loaded since the start");
    ray_line_u64(out, COLUMN, "live edits", stats.edit_count);
    return RAY_OK;
}

/* -- check, load -- */
static ray_status put_report(ray_call *call, const ray_config_report *report)
{
    ray_text *out = call->out;
    if (report->status == RAY_OK)
        return RAY_OK;
    ray_text_put(out, "error: refused: ");
    ray_text_put(out, ray_status_word(report->status));
    ray_text_put(out, ", section ");
    ray_text_u64(out, report->section);
    ray_text_put(out, ", row ");
    ray_text_u64(out, report->row);
    ray_text_put(out, ", byte ");
    ray_text_u64(out, report->field);
    ray_text_char(out, '\n');
    return report->status;
}

static ray_status run_check(ray_call *call)
{
    ray_text *out = call->out;
    const uint8_t *at = 0;
    uint64_t length = 0;
    ray_config_report report;
    uint32_t broken = ray_valid(call->ray);
    __builtin_memset(&report, 0, sizeof report);
    if (call->plain_count > 2) {
        if (carried(call, 2, &at, &length) == 0)
            return ray_call_error(call, RAY_E_UNKNOWN,
                                  "this machine carries no such configuration; see: config show",
                                  2, 0);
        report.status = ray_config_check(at, length, &report);
        if (report.status != RAY_OK)
            return put_report(call, &report);
    }
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "broken_invariant", at != 0 ? 0 : broken);
        ray_json_end(out);
    } else if (at != 0) {
        ray_text_put(out, "sound, hash ");
        ray_text_hex_bytes(out, report.hash, sizeof report.hash);
        ray_text_char(out, '\n');
    } else if (broken == 0)
        ray_text_put(out, "every invariant of the running state holds\n");
    if (at == 0 && broken != 0) {
        ray_text_put(out, "error: invariant ");
        ray_text_u64(out, broken);
        ray_text_put(out, " is broken\n");
        return RAY_E_STATE;
    }
    return RAY_OK;
}

static ray_status run_load(ray_call *call)
{
    ray_text *out = call->out;
    const uint8_t *at;
    uint64_t length;
    ray_config_report report;
    ray_stats stats;
    __builtin_memset(&report, 0, sizeof report);
    if (carried(call, 2, &at, &length) == 0)
        return ray_call_error(call, RAY_E_UNKNOWN,
                              "this machine carries no such configuration; see: config show", 2,
                              0);
    ray_read(call->ray, &stats);
    if (stats.edit_count != 0 && !ray_call_confirmed(call, "this undoes every live edit"))
        return RAY_E_STATE;
    report.status = ray_config_load(call->ray, call->machine->secrets, call->now_ns, at, length,
                                    &report);
    if (report.status != RAY_OK)
        return put_report(call, &report);
    ray_text_put(out, "loaded: ");
    ray_text_u64(out, report.kept_count);
    ray_text_put(out, " rows kept their balance, ");
    ray_text_u64(out, report.reset_count);
    ray_text_put(out, " began anew\n");
    return RAY_OK;
}

static const ray_subcommand subs[] = {
    {"show", "", "settings, counts, tenants", run_show, 1, 0},
    {"hash", "", "SHA-256 of the running configuration, without its secrets", run_hash, 1, 0},
    {"source", "", "whether it is the frozen one, the one of the start, or loaded since",
     run_source, 1, 0},
    {"check", "[NAME]",
     "the running state's invariants, or a carried configuration (frozen, start)", run_check, 1, 0},
    {"load", "NAME", "puts a carried configuration in its place; unchanged rows keep balances",
     run_load, 0, 0}};
const ray_command ray_command_config = {
    "config", "the configuration that decides here", subs, 5, 0, 1, 0};
