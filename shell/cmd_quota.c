/* SPDX-License-Identifier: MIT */
/* cmd_quota.c - quota: what may be used per period; the table of subcommands, status and rows. */
#include "cmd_quota.h"
#include "parts.h"

/* -- words -- */
const char *ray_quota_type_word(uint32_t type)
{
    static const char *const words[] = {"requests", "bytes", "compute", "custom", "cost"};
    return type < RAY_QUOTA_TYPE_MAX ? words[type] : "?";
}

static const char *window_word(uint32_t reset)
{
    static const char *const words[] = {"never", "fixed", "rolling", "day", "week", "month"};
    return reset <= RAY_RESET_MONTH ? words[reset] : "?";
}

void ray_quota_put_window(ray_text *out, const ray_quota_spec *spec)
{
    static const char *const words[] = {"never", "every ", "rolling ", "day", "week", "month"};
    ray_text_put(out, spec->reset <= RAY_RESET_MONTH ? words[spec->reset] : "?");
    if (spec->period_ns != 0)
        ray_text_duration(out, spec->period_ns);
}

void ray_quota_tenant_name(const ray_call *call, uint32_t tenant, ray_name *out)
{
    ray_tenant_spec spec;
    __builtin_memset(out, 0, sizeof *out);
    if (ray_tenant_read(call->ray, tenant, &spec) == RAY_OK)
        *out = spec.name;
}

void ray_quota_put_tenant(const ray_call *call, uint32_t tenant)
{
    ray_name name;
    ray_quota_tenant_name(call, tenant, &name);
    if (name.at[0] != 0)
        ray_text_name(call->out, &name, 0);
    else if (tenant == RAY_NONE)
        ray_text_put(call->out, "each");
    else
        ray_text_u64(call->out, tenant);
}

/* -- what both halves need -- */
ray_status ray_quota_named(ray_call *call, uint32_t *allocation)
{
    if (ray_quota_find(ray_quota_of(call->ray), call->word[2], call->length[2], allocation) ==
        RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no quota of that name", 2, RAY_COMPLETE_QUOTA);
}

ray_status ray_quota_instance(ray_call *call, ray_quota_key *key)
{
    const char *at;
    uint32_t length;
    __builtin_memset(key, 0, sizeof *key);
    key->tenant = RAY_NONE;
    if (ray_call_option(call, "--user", &at, &length) != 0)
        key->user = (ray_view){(const uint8_t *)at, length};
    if (ray_call_option(call, "--tenant", &at, &length) == 0 ||
        ray_tenant_find(call->ray, at, length, &key->tenant) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown_value(call,
                                  "--tenant names no tenant", at, length, RAY_COMPLETE_TENANT);
}

ray_status ray_quota_amount(ray_call *call, uint32_t type, uint32_t word, uint64_t *units)
{
    const char *at = call->word[word];
    uint32_t length = call->length[word];
    int64_t nano = -1;
    ray_status status;
    if (type == RAY_QUOTA_COST) {
        status = ray_money_parse(at, length, 9, &nano) != 0 && nano >= 0 ? RAY_OK : RAY_E_SYNTAX;
        *units = (uint64_t)nano;
    } else {
        status = type == RAY_QUOTA_BYTES ? ray_parse_bytes(at, length, units)
                                         : ray_parse_u64(at, length, units);
    }
    if (status == RAY_OK)
        return RAY_OK;
    return ray_call_error(call, status, "an amount is a number of units, not", word, 0);
}

/* -- status -- */
static ray_status run_status(ray_call *call)
{
    ray_quota_stats stats;
    ray_quota_read(ray_quota_of(call->ray), &stats);
    const ray_counter rows[] = {
        {"allocations", 0, stats.allocation_count, RAY_QUOTA_ALLOCATION_MAX},
        {"active", 0, stats.active_count, RAY_QUOTA_ACTIVE_MAX},
        {"reservations", 0, stats.reservation_count, RAY_QUOTA_RESERVATION_MAX},
        {"asked", 0, stats.asked_count, 0},
        {"granted", 0, stats.granted_count, 0},
        {"denied", 0, stats.denied_count, 0},
        {"errors", 0, stats.error_count, 0},
        {"unspent", 0, stats.unspent_count, 0},
        {"shadow_denied", 0, stats.shadow_denied_count, 0},
        {"table_full", 0, stats.table_full_count, 0},
        {"evicted", 0, stats.evicted_count, 0},
        {"late", 0, stats.late_count, 0},
        {"closed_refunds", 0, stats.closed_refund_count, 0},
        {"stale_holds", 0, stats.stale_hold_count, 0},
        {"duplicates", 0, stats.duplicate_count, 0},
        {"expired", 0, stats.expired_count, 0},
        {"alerts", 0, stats.alert_count, 0},
        {"alerts_unacknowledged", 0, stats.unacknowledged_count, 0},
        {"alerts_overwritten", 0, stats.alert_overwritten_count, 0}};
    const ray_counters counters = {rows, sizeof rows / sizeof rows[0], 24, 12, 0};
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    ray_counters_put(call, &counters);
    if (call->json != 0) {
        ray_json_end(call->out);
    }
    return RAY_OK;
}

/* -- allocations -- */
static void allocation_json(ray_call *call, uint32_t allocation, const ray_quota_spec *spec,
                            const ray_quota_counts *counts)
{
    ray_text *out = call->out;
    ray_name tenant;
    ray_quota_tenant_name(call, spec->tenant, &tenant);
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "id", allocation);
    ray_text_json_name(out, "name", &spec->name);
    ray_text_json_name(out, "tenant", &tenant);
    ray_text_json_literal(out, "type", ray_quota_type_word(spec->type));
    ray_text_json_name(out, "custom", &spec->custom);
    ray_text_json_u64(out, "limit_units", spec->limit_units);
    ray_text_json_literal(out, "window", window_word(spec->reset));
    ray_text_json_u64(out, "period_ns", spec->period_ns);
    ray_text_json_u64(out, "anchor_day", spec->anchor_day);
    ray_text_json_i64(out, "anchor_ns", spec->anchor_ns);
    ray_text_json_i64(out, "utc_offset_minutes", spec->utc_offset_minutes);
    ray_text_json_u64(out, "rollover_bp", spec->rollover_bp);
    ray_text_json_literal(out, "enforcement",
                          spec->enforcement == RAY_QUOTA_SOFT ? "soft" : "hard");
    ray_text_json_literal(out, "mode", ray_mode_word(spec->mode));
    ray_text_json_bool(out, "per_user", spec->per_user);
    ray_text_json_bool(out, "carry_overage", spec->carry_overage);
    ray_text_json_u64(out, "guard_requests_per_s", spec->guard_requests_per_s);
    ray_text_json_u64(out, "guard_bytes_per_s", spec->guard_bytes_per_s);
    ray_text_json_u64(out, "guard_errors_per_min", spec->guard_errors_per_min);
    ray_text_json_u64(out, "guard_latency_p99_ns", spec->guard_latency_p99_ns);
    ray_text_json_open(out, "alerts", '[');
    for (uint32_t i = 0; i < RAY_QUOTA_ALERT_EACH && spec->alert_percent[i] != 0; i++)
        ray_text_json_u64(out, 0, spec->alert_percent[i]);
    ray_text_json_close(out, ']');
    ray_text_json_u64(out, "active", counts->active_count);
    ray_text_json_u64(out, "asked", counts->asked_count);
    ray_text_json_u64(out, "granted", counts->granted_count);
    ray_text_json_u64(out, "denied", counts->denied_count);
    ray_text_json_close(out, '}');
}

static void allocation_row(ray_call *call, const ray_quota_spec *spec,
                           const ray_quota_counts *counts)
{
    ray_text *out = call->out;
    ray_text_name(out, &spec->name, 0);
    ray_text_column(out, 24);
    ray_quota_put_tenant(call, spec->tenant);
    ray_text_column(out, 36);
    ray_text_put(out, ray_quota_type_word(spec->type));
    ray_text_column(out, 46);
    if (spec->type == RAY_QUOTA_COST)
        ray_text_fixed(out, (int64_t)spec->limit_units, 9);
    else
        ray_text_u64(out, spec->limit_units);
    ray_text_column(out, 60);
    ray_quota_put_window(out, spec);
    ray_text_column(out, 74);
    ray_text_put(out, spec->mode != RAY_MODE_ENFORCE        ? ray_mode_word(spec->mode)
                      : spec->enforcement == RAY_QUOTA_SOFT ? "soft"
                                                            : "hard");
    ray_text_column(out, 82);
    ray_text_u64(out, counts->active_count);
    ray_text_column(out, 90);
    ray_text_u64(out, counts->denied_count);
    ray_text_char(out, '\n');
}

static ray_status run_allocations(ray_call *call)
{
    ray_quota *quota = ray_quota_of(call->ray);
    ray_quota_spec spec;
    ray_quota_counts counts;
    uint32_t allocation;
    if (call->json != 0)
        ray_json_list_open(call->out, "allocations");
    else
        ray_text_put(call->out, "name                    tenant      type      limit         window"
                                "        mode    active  denied\n");
    for (uint32_t place = 0; place < RAY_QUOTA_ALLOCATION_MAX; place++) {
        if (ray_quota_at(quota, place, &allocation) != RAY_OK)
            continue;
        ray_quota_spec_read(quota, allocation, &spec);
        ray_quota_counts_read(quota, allocation, &counts);
        if (call->json != 0)
            allocation_json(call, allocation, &spec, &counts);
        else
            allocation_row(call, &spec, &counts);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- export -- */
static ray_status run_export(ray_call *call)
{
    const ray_quota *quota = ray_quota_of(call->ray);
    int64_t wall_offset_ns = ray_call_wall_offset(call);
    uint32_t form = RAY_EXPORT_CSV;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS, &form);
    if (status != RAY_OK)
        return status;
    if (form == RAY_EXPORT_CSV)
        return ray_quota_export_csv(quota, call->now_ns, wall_offset_ns, call->out);
    status = ray_quota_export_json(quota, call->now_ns, wall_offset_ns, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

/* -- the table -- */
#define TERMS                                                                                      \
    "NAME LIMIT [--tenant=T] [--plan=P] [--service=S] [--type=TYPE] [--window=WINDOW] "            \
    "[--anchor=WHEN] [--rollover=PERCENT] [--alerts=LIST] [--guard-requests=N] "                   \
    "[--guard-bytes=N] [--guard-errors=N] "                    \
    "[--guard-p99=DURATION] [--soft] [--shadow] [--per-user] [--carry-overage]"

static const ray_subcommand subs[] = {
    {"status", "", "counters: asked, granted, denied, late, alerts ...", run_status, 1, 0},
    {"allocations", "", "every quota: whose, of what, how much, per what", run_allocations, 1, 0},
    {"list", "", "the same as allocations", run_allocations, 1, 0},
    {"usage", "[NAME]", "what was used, by tenant and user", ray_quota_run_usage, 1,
     RAY_COMPLETE_QUOTA},
    {"show", "NAME [--tenant=T] [--user=U]",
     "one instance: period, balances, when it runs out; every one where there are several",
     ray_quota_run_show, 1, RAY_COMPLETE_QUOTA},
    {"alerts", "[--all]", "thresholds crossed and not yet acknowledged", ray_quota_run_alerts, 1,
     0},
    {"test", "NAME [UNITS] [--tenant=T] [--user=U]", "would so much be admitted now; asks only",
     ray_quota_run_test, 1, RAY_COMPLETE_QUOTA},
    {"export", "[csv|json]", "every instance in fixed columns", run_export, 1, 0},
    {"allocate", TERMS,
     "a new quota; WINDOW is never, day, week, month, 1h, rolling:1h; default month",
     ray_quota_run_allocate, 0, 0},
    {"add", TERMS, "the same as allocate", ray_quota_run_allocate, 0, 0},
    {"set", "NAME FIELD VALUE", "FIELD is limit, enforcement, mode or rollover", ray_quota_run_set,
     0, RAY_COMPLETE_QUOTA},
    {"reset", "NAME [--tenant=T] [--user=U]", "usage and carry to 0, for all or for one",
     ray_quota_run_reset, 0, RAY_COMPLETE_QUOTA},
    {"consume", "NAME [UNITS] [--tenant=T] [--user=U] [--event=ID]",
     "charges by hand, once per event id", ray_quota_run_consume, 0, RAY_COMPLETE_QUOTA},
    {"ack", "ID", "marks an alert as seen, or `all`", ray_quota_run_acknowledge, 0, 0},
    {"remove", "NAME", "removes a quota and its balances (confirm)", ray_quota_run_remove, 0,
     RAY_COMPLETE_QUOTA},
};

const ray_command ray_command_quota = {"quota", "how much may be used per period, and how much was",
                                       subs,    sizeof subs / sizeof subs[0],
                                       20,      1,
                                       0};
