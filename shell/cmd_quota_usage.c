/* SPDX-License-Identifier: MIT */
/* cmd_quota_usage.c - quota: what was used, what stands in the alert ring, what an answer says. */
#include "cmd_quota.h"
#include "parts.h"

enum usage_line { COLUMN = 16 };

#define FOREVER_NS 0x7fffffffffffffffLL

/* -- words -- */
static void put_percent(ray_text *out, uint64_t bp)
{
    if (bp == RAY_NEVER) {
        ray_text_put(out, "over 0");
        return;
    }
    ray_text_fixed(out, (int64_t)(bp & 0x7fffffffffffffffULL), 2);
    ray_text_char(out, '%');
}

static void put_instant(ray_text *out, int64_t unix_ns)
{
    if (unix_ns == FOREVER_NS)
        ray_text_put(out, "never");
    else if (unix_ns < 0)
        ray_text_put(out, "before 1970");
    else
        ray_text_time(out, (uint64_t)unix_ns);
}

/* -- usage -- */
/* As hexadecimal text: a reader of JSON may hold numbers in 53 bits. */
static void json_user_key(ray_text *out, uint64_t user_key)
{
    uint8_t at[8];
    for (uint32_t i = 0; i < sizeof at; i++)
        at[i] = (uint8_t)(user_key >> (56 - 8 * i));
    ray_text_json_hex(out, "user_key", at, sizeof at);
}

static void usage_json(ray_call *call, const ray_quota_spec *spec, const ray_quota_usage *usage)
{
    static const char *const depletion[] = {"at", "not-before-reset", "never"};
    ray_text *out = call->out;
    ray_name tenant;
    ray_quota_tenant_name(call, usage->tenant, &tenant);
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "id", usage->allocation);
    ray_text_json_name(out, "name", &spec->name);
    ray_text_json_name(out, "tenant", &tenant);
    json_user_key(out, usage->user_key);
    ray_text_json_u64(out, "limit_units", usage->limit_units);
    ray_text_json_u64(out, "used_units", usage->used_units);
    ray_text_json_u64(out, "reserved_units", usage->reserved_units);
    ray_text_json_u64(out, "carry_units", usage->carry_units);
    ray_text_json_u64(out, "left_units", usage->left_units);
    ray_text_json_u64(out, "over_units", usage->over_units);
    ray_text_json_u64(out, "peak_units", usage->peak_units);
    ray_text_json_u64(out, "peak_ever_units", usage->peak_ever_units);
    ray_text_json_u64(out, "closed_units", usage->closed_units);
    ray_text_json_u64(out, "admitted", usage->admitted_count);
    ray_text_json_u64(out, "denied", usage->denied_count);
    ray_text_json_u64(out, "utilization_bp", usage->utilization_bp);
    ray_text_json_literal(out, "depletion", depletion[usage->depletion]);
    ray_text_json_u64(out, "depletion_ns", usage->depletion_ns);
    ray_text_json_i64(out, "start_unix_ns", usage->start_unix_ns);
    ray_text_json_i64(out, "end_unix_ns", usage->end_unix_ns);
    ray_text_json_close(out, '}');
}

static void put_depletion(ray_text *out, const ray_quota_usage *usage)
{
    if (usage->depletion == RAY_DEPLETION_AT)
        ray_text_duration(out, usage->depletion_ns);
    else
        ray_text_put(out, usage->depletion == RAY_DEPLETION_NEVER ? "never" : "after reset");
}

static void usage_row(ray_call *call, const ray_quota_spec *spec, const ray_quota_usage *usage)
{
    ray_text *out = call->out;
    ray_text_name(out, &spec->name, 0);
    ray_text_column(out, 24);
    ray_quota_put_tenant(call, usage->tenant);
    if (spec->per_user != 0) {
        ray_text_put(out, "/");
        ray_text_hex(out, usage->user_key >> 32, 8);
    }
    ray_text_column(out, 42);
    ray_text_u64(out, usage->used_units);
    ray_text_column(out, 54);
    ray_text_u64(out, usage->limit_units);
    ray_text_column(out, 66);
    put_percent(out, usage->utilization_bp);
    ray_text_column(out, 78);
    ray_text_u64(out, usage->left_units);
    ray_text_column(out, 90);
    put_depletion(out, usage);
    ray_text_char(out, '\n');
}

/* The instances of quota `only`, of all for RAY_NONE. */
static ray_status usage_rows(ray_call *call, uint32_t only)
{
    ray_quota *quota = ray_quota_of(call->ray);
    int64_t wall_offset_ns = ray_call_wall_offset(call);
    ray_quota_spec spec;
    ray_quota_usage usage;
    if (call->json != 0)
        ray_json_list_open(call->out, "usage");
    else
        ray_text_put(call->out, "name                    tenant            used        limit       "
                                "share       left        runs out\n");
    for (uint32_t place = 0; place < RAY_QUOTA_ACTIVE_MAX; place++) {
        if (ray_quota_active_read(quota, call->now_ns, wall_offset_ns, place, &usage) != RAY_OK ||
            (only != RAY_NONE && usage.allocation != only))
            continue;
        ray_quota_spec_read(quota, usage.allocation, &spec);
        if (call->json != 0)
            usage_json(call, &spec, &usage);
        else
            usage_row(call, &spec, &usage);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

ray_status ray_quota_run_usage(ray_call *call)
{
    uint32_t only = RAY_NONE;
    ray_status status = call->plain_count > 2 ? ray_quota_named(call, &only) : RAY_OK;
    return status == RAY_OK ? usage_rows(call, only) : status;
}

/* -- show -- */
/* The quota has an instance for each tenant or user, and which one was not said. */
static uint32_t has_several(const ray_call *call, const ray_quota_spec *spec)
{
    const char *at;
    uint32_t length;
    return (spec->tenant == RAY_NONE && ray_call_option(call, "--tenant", &at, &length) == 0) ||
           (spec->per_user != 0 && ray_call_option(call, "--user", &at, &length) == 0);
}

ray_status ray_quota_run_show(ray_call *call)
{
    ray_quota *quota = ray_quota_of(call->ray);
    ray_text *out = call->out;
    uint32_t allocation;
    ray_quota_key key;
    ray_quota_spec spec;
    ray_quota_usage usage;
    ray_status status = ray_quota_named(call, &allocation);
    if (status == RAY_OK)
        status = ray_quota_instance(call, &key);
    if (status != RAY_OK)
        return status;
    ray_quota_spec_read(quota, allocation, &spec);
    if (has_several(call, &spec))
        return usage_rows(call, allocation);
    ray_quota_usage_read(quota, call->now_ns, ray_call_wall_offset(call), allocation, &key,
                         &usage);
    if (call->json != 0) {
        usage_json(call, &spec, &usage);
        ray_text_char(out, '\n');
        return RAY_OK;
    }
    ray_text_name(out, &spec.name, 0);
    ray_text_put(out, ": ");
    ray_text_put(out, ray_quota_type_word(spec.type));
    ray_text_put(out, " of ");
    ray_quota_put_tenant(call, usage.tenant);
    ray_text_put(out, ", ");
    ray_quota_put_window(out, &spec);
    ray_text_put(out, spec.enforcement == RAY_QUOTA_SOFT ? ", soft, " : ", hard, ");
    ray_text_put(out, ray_mode_word(spec.mode));
    ray_text_put(out, "\nperiod          ");
    put_instant(out, usage.start_unix_ns);
    ray_text_put(out, " to ");
    put_instant(out, usage.end_unix_ns);
    ray_text_char(out, '\n');
    ray_line_u64(out, COLUMN, "limit", usage.limit_units);
    ray_line_u64(out, COLUMN, "carry", usage.carry_units);
    ray_line_u64(out, COLUMN, "used", usage.used_units);
    ray_line_u64(out, COLUMN, "reserved", usage.reserved_units);
    ray_line_u64(out, COLUMN, "left", usage.left_units);
    ray_line_u64(out, COLUMN, "over", usage.over_units);
    ray_line_u64(out, COLUMN, "peak", usage.peak_units);
    ray_line_u64(out, COLUMN, "peak ever", usage.peak_ever_units);
    ray_line_u64(out, COLUMN, "last period", usage.closed_units);
    ray_line_u64(out, COLUMN, "admitted", usage.admitted_count);
    ray_line_u64(out, COLUMN, "denied", usage.denied_count);
    ray_text_put(out, "share           ");
    put_percent(out, usage.utilization_bp);
    ray_text_put(out, "\nruns out        ");
    put_depletion(out, &usage);
    ray_text_char(out, '\n');
    return RAY_OK;
}

/* -- alerts -- */
static void alert_put(ray_call *call, const ray_quota_alert *alert, int64_t wall_offset_ns)
{
    ray_text *out = call->out;
    ray_name name;
    ray_by_name(call->ray, RAY_BY_QUOTA, alert->allocation, &name);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "id", alert->id);
        ray_text_json_u64(out, "at_ns", alert->at_ns);
        ray_text_json_name(out, "quota", &name);
        ray_text_json_u64(out, "tenant", alert->tenant);
        json_user_key(out, alert->user_key);
        ray_text_json_u64(out, "percent", alert->percent);
        ray_text_json_u64(out, "used_units", alert->used_units);
        ray_text_json_u64(out, "limit_units", alert->limit_units);
        ray_text_json_bool(out, "acknowledged", alert->acknowledged);
        ray_text_json_close(out, '}');
        return;
    }
    ray_text_u64_right(out, alert->id, 6);
    ray_text_put(out, alert->acknowledged != 0 ? "   " : " ! ");
    ray_text_time(out, alert->at_ns + (uint64_t)wall_offset_ns);
    ray_text_column(out, 42);
    ray_text_name(out, &name, 0);
    ray_text_put(out, alert->allocation == RAY_NONE ? "(removed) " : " ");
    ray_quota_put_tenant(call, alert->tenant);
    ray_text_put(out, ": ");
    ray_text_u64(out, alert->used_units);
    ray_text_put(out, " of ");
    ray_text_u64(out, alert->limit_units);
    if (alert->percent == 0)
        ray_text_put(out, ", over the limit");
    else {
        ray_text_put(out, ", passed ");
        ray_text_u64(out, alert->percent);
        ray_text_put(out, "%");
    }
    ray_text_char(out, '\n');
}

ray_status ray_quota_run_alerts(ray_call *call)
{
    const ray_quota *quota = ray_quota_of(call->ray);
    int64_t wall_offset_ns = ray_call_wall_offset(call);
    uint32_t all = ray_call_flag(call, "--all");
    ray_quota_stats stats;
    ray_quota_alert alert;
    ray_quota_read(quota, &stats);
    if (call->json != 0)
        ray_json_list_open(call->out, "alerts");
    for (uint64_t id = stats.alert_overwritten_count + 1; id <= stats.alert_count; id++)
        if (ray_quota_alert_read(quota, id, &alert) == RAY_OK &&
            (all != 0 || alert.acknowledged == 0))
            alert_put(call, &alert, wall_offset_ns);
    if (call->json != 0) {
        ray_json_list_end(call->out);
    } else if (stats.unacknowledged_count == 0 && all == 0) {
        ray_text_put(call->out, "no alert waits\n");
    }
    return RAY_OK;
}

ray_status ray_quota_run_acknowledge(ray_call *call)
{
    ray_quota *quota = ray_quota_of(call->ray);
    ray_quota_stats stats;
    uint64_t id, count = 0;
    ray_quota_read(quota, &stats);
    if (ray_call_is(call, 2, "all")) {
        for (id = stats.alert_overwritten_count + 1; id <= stats.alert_count; id++)
            count += ray_quota_alert_acknowledge(quota, id) == RAY_OK;
    } else {
        ray_status status = ray_parse_u64(call->word[2], call->length[2], &id);
        if (status == RAY_OK)
            status = ray_quota_alert_acknowledge(quota, id);
        if (status != RAY_OK)
            return ray_call_error(call, status, "no such alert; see: quota alerts", 2, 0);
        count = 1;
    }
    ray_text_u64(call->out, count);
    ray_text_put(call->out, " acknowledged\n");
    return RAY_OK;
}

/* -- answers -- */
void ray_quota_outcome_put(ray_call *call, uint32_t allocation, uint64_t units,
                           const ray_quota_outcome *outcome)
{
    ray_text *out = call->out;
    ray_name name;
    ray_by_name(call->ray, RAY_BY_QUOTA, allocation, &name);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_name(out, "quota", &name);
        ray_text_json_u64(out, "units", units);
        ray_text_json_bool(out, "granted", outcome->granted);
        ray_text_json_literal(out, "reason", ray_reason_word(outcome->reason));
        ray_text_json_u64(out, "left_units", outcome->left_units);
        ray_text_json_u64(out, "retry_after_ns", outcome->retry_after_ns);
        ray_text_json_bool(out, "over", (outcome->flags & RAY_QUOTA_OVER) != 0);
        ray_text_json_bool(out, "duplicate", (outcome->flags & RAY_QUOTA_DUPLICATE) != 0);
        ray_json_end(out);
        return;
    }
    ray_text_name(out, &name, 0);
    ray_text_put(out, outcome->granted != 0 ? ": yes, " : ": no, ");
    ray_text_put(out, ray_reason_word(outcome->reason));
    ray_text_put(out, ", ");
    ray_text_u64(out, outcome->left_units);
    ray_text_put(out, " left before");
    if ((outcome->flags & RAY_QUOTA_OVER) != 0)
        ray_text_put(out, ", over the limit");
    if ((outcome->flags & RAY_QUOTA_DUPLICATE) != 0)
        ray_text_put(out, ", already counted");
    if (outcome->granted == 0) {
        ray_text_put(out, ", retry after ");
        ray_text_duration(out, outcome->retry_after_ns);
    }
    ray_text_char(out, '\n');
}
