/* SPDX-License-Identifier: MIT */
/* cmd_quota_terms.c - quota: the terms of an allocation, from words, and which rule they break. */
#include "cmd_quota.h"
#include "parts.h"

#define DAY_NS 86400000000000LL

/* -- the terms of an allocation (private) -- */
static uint32_t begins(const char *at, uint64_t length, const char *literal)
{
    uint64_t size = ray_word_length(literal);
    return length > size && __builtin_memcmp(at, literal, size) == 0;
}

static ray_status name_of(ray_name *out, const char *at, uint64_t length)
{
    if (length == 0 || length >= RAY_NAME_BYTES)
        return RAY_E_ARGUMENT;
    __builtin_memset(out, 0, sizeof *out);
    __builtin_memcpy(out->at, at, length);
    return RAY_OK;
}

static ray_status type_of(const char *at, uint64_t length, ray_quota_spec *spec)
{
    static const char *const words[] = {"requests", "bytes", "compute"};
    for (uint8_t type = 0; type < RAY_QUOTA_CUSTOM; type++)
        if (ray_word_is(at, length, words[type])) {
            spec->type = type;
            return RAY_OK;
        }
    if (ray_word_is(at, length, "cost")) {
        spec->type = RAY_QUOTA_COST;
        return RAY_OK;
    }
    spec->type = RAY_QUOTA_CUSTOM;
    return begins(at, length, "custom:") ? name_of(&spec->custom, at + 7, length - 7)
                                         : RAY_E_ARGUMENT;
}

/* never, day, week, month, a duration, or rolling: and a duration. */
static ray_status window_of(const char *at, uint64_t length, ray_quota_spec *spec)
{
    static const char *const words[] = {"never", "", "", "day", "week", "month"};
    for (uint8_t reset = 0; reset <= RAY_RESET_MONTH; reset++)
        if (words[reset][0] != 0 && ray_word_is(at, length, words[reset])) {
            spec->reset = reset;
            spec->anchor_day = reset >= RAY_RESET_WEEK;
            return RAY_OK;
        }
    uint32_t rolling = begins(at, length, "rolling:");
    spec->reset = rolling ? RAY_RESET_ROLLING : RAY_RESET_FIXED;
    spec->anchor_day = 0;
    return ray_parse_duration(at + (rolling ? 8 : 0), length - (rolling ? 8 : 0), &spec->period_ns);
}

static ray_status alerts_of(const char *at, uint64_t length, ray_quota_spec *spec)
{
    uint32_t count = 0;
    __builtin_memset(spec->alert_percent, 0, sizeof spec->alert_percent);
    for (uint64_t start = 0; start < length;) {
        uint64_t end = start, percent;
        while (end < length && at[end] != ',')
            end++;
        uint64_t digits = end > start && at[end - 1] == '%' ? end - start - 1 : end - start;
        if (count == RAY_QUOTA_ALERT_EACH ||
            ray_parse_u64(at + start, digits, &percent) != RAY_OK || percent == 0 || percent > 255)
            return RAY_E_ARGUMENT;
        spec->alert_percent[count++] = (uint8_t)percent;
        start = end + 1;
    }
    return RAY_OK;
}

static ray_status anchor_of(const char *at, uint64_t length, ray_quota_spec *spec)
{
    uint64_t value;
    if (spec->reset == RAY_RESET_WEEK || spec->reset == RAY_RESET_MONTH) {
        if (ray_parse_u64(at, length, &value) != RAY_OK || value > 31)
            return RAY_E_ARGUMENT;
        spec->anchor_day = (uint32_t)value;
        return RAY_OK;
    }
    if (spec->reset == RAY_RESET_NEVER)
        return RAY_E_ARGUMENT;
    ray_status status = spec->reset == RAY_RESET_DAY ? ray_parse_duration(at, length, &value)
                                                     : ray_parse_time(at, length, &value);
    if (status != RAY_OK || value > 0x7fffffffffffffffULL)
        return RAY_E_ARGUMENT;
    spec->anchor_ns = (int64_t)value;
    return RAY_OK;
}

static ray_status who_read(ray_call *call, ray_quota_spec *spec)
{
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--tenant", &at, &length) != 0 &&
        ray_tenant_find(call->ray, at, length, &spec->tenant) != RAY_OK)
        return ray_call_unknown_value(call, "--tenant names no tenant", at, length,
                                      RAY_COMPLETE_TENANT);
    if (ray_call_option(call, "--service", &at, &length) != 0 &&
        ray_gateway_find_service(ray_gateway_of(call->ray), at, length, &spec->service) != RAY_OK)
        return ray_call_unknown_value(call, "--service names no service", at, length,
                                      RAY_COMPLETE_SERVICE);
    if (ray_call_option(call, "--plan", &at, &length) != 0 &&
        ray_plan_find(call->ray, at, length, &spec->plan) != RAY_OK)
        return ray_call_unknown_value(call, "--plan names no plan; plans are those of "
                                            "tenants", at, length, RAY_COMPLETE_NONE);
    return RAY_OK;
}

/* What is wrong, in words; NULL when every option was understood. */
static const char *options_read(ray_call *call, ray_quota_spec *spec)
{
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--type", &at, &length) != 0 && type_of(at, length, spec) != RAY_OK)
        return "--type is requests, bytes, compute or custom:NAME";
    if (ray_call_option(call, "--window", &at, &length) != 0 &&
        window_of(at, length, spec) != RAY_OK)
        return "--window is never, day, week, month, a duration, or rolling: and a duration";
    if (ray_call_option(call, "--anchor", &at, &length) != 0 &&
        anchor_of(at, length, spec) != RAY_OK)
        return "--anchor is a day of the month or week, an hour of the day, or an instant";
    if (ray_call_option(call, "--rollover", &at, &length) != 0 &&
        ray_parse_percent_bp(at, length, &spec->rollover_bp) != RAY_OK)
        return "--rollover is a percentage up to 10%";
    if (ray_call_option(call, "--alerts", &at, &length) != 0 &&
        alerts_of(at, length, spec) != RAY_OK)
        return "--alerts is up to four whole percentages, 80%,95%,100%";
    if (ray_call_option(call, "--guard-requests", &at, &length) != 0 &&
        ray_parse_u64(at, length, &spec->guard_requests_per_s) != RAY_OK)
        return "--guard-requests is requests per second";
    if (ray_call_option(call, "--guard-bytes", &at, &length) != 0 &&
        ray_parse_bytes(at, length, &spec->guard_bytes_per_s) != RAY_OK)
        return "--guard-bytes is bytes per second";
    if (ray_call_option(call, "--guard-errors", &at, &length) != 0 &&
        ray_parse_u64(at, length, &spec->guard_errors_per_min) != RAY_OK)
        return "--guard-errors is errors per minute";
    if (ray_call_option(call, "--guard-p99", &at, &length) != 0 &&
        ray_parse_duration(at, length, &spec->guard_latency_p99_ns) != RAY_OK)
        return "--guard-p99 is a duration";
    return 0;
}

static void defaults(ray_call *call, ray_quota_spec *spec)
{
    static const uint8_t percent[] = {80, 95, 100};
    ray_settings_spec settings;
    ray_settings_read(call->ray, &settings);
    __builtin_memset(spec, 0, sizeof *spec);
    spec->tenant = spec->plan = spec->service = RAY_NONE;
    spec->reset = RAY_RESET_MONTH;
    spec->anchor_day = 1;
    spec->utc_offset_minutes = settings.utc_offset_minutes;
    __builtin_memcpy(spec->alert_percent, percent, sizeof percent);
    spec->enforcement = ray_call_flag(call, "--soft") != 0;
    spec->mode = ray_call_flag(call, "--shadow") != 0 ? RAY_MODE_SHADOW : RAY_MODE_ENFORCE;
    spec->per_user = ray_call_flag(call, "--per-user") != 0;
    spec->carry_overage = ray_call_flag(call, "--carry-overage") != 0;
}

/* -- terms -- */
ray_status ray_quota_terms_read(ray_call *call, ray_quota_spec *spec)
{
    defaults(call, spec);
    if (!ray_word_names(call->word[2], call->length[2]))
        return ray_call_error(call, RAY_E_ARGUMENT, RAY_NAME_RULE, 2, 0);
    name_of(&spec->name, call->word[2], call->length[2]);
    ray_status status = who_read(call, spec);
    if (status != RAY_OK)
        return status;
    const char *wrong = options_read(call, spec);
    if (wrong != 0)
        return ray_call_error(call, RAY_E_ARGUMENT, wrong, RAY_NONE, 0);
    return ray_quota_amount(call, spec->type, 3, &spec->limit_units);
}

static const char *broken_rule(const ray_quota_spec *spec)
{
    uint32_t day = spec->reset == RAY_RESET_DAY;
    uint32_t dated = spec->reset == RAY_RESET_WEEK || spec->reset == RAY_RESET_MONTH;
    uint32_t sized = spec->reset == RAY_RESET_FIXED || spec->reset == RAY_RESET_ROLLING;
    uint32_t resets = spec->reset != RAY_RESET_NEVER && spec->reset != RAY_RESET_ROLLING;
    uint64_t least = spec->reset == RAY_RESET_ROLLING ? RAY_QUOTA_ROLLING_PARTS : 1;
    if (sized && (spec->period_ns < least || spec->period_ns > 0x2000000000000000ULL))
        return "--window is longer than 0s (rolling: 60ns or more) and shorter than 73 years";
    if (spec->rollover_bp != 0 && !resets)
        return "--rollover is for a quota that resets, not for never or rolling";
    if (spec->rollover_bp > RAY_QUOTA_ROLLOVER_BP_MAX)
        return "--rollover is 0% to 10%";
    if (spec->carry_overage != 0 && !resets)
        return "--carry-overage is for a quota that resets, not for never or rolling";
    if (dated && (spec->anchor_day < 1 || (spec->reset == RAY_RESET_WEEK && spec->anchor_day > 7)))
        return "--anchor is 1 to 7 for a week, 1 to 31 for a month";
    if (day && spec->anchor_ns >= DAY_NS)
        return "--anchor of a day is shorter than 24h";
    for (uint32_t i = 1; i < RAY_QUOTA_ALERT_EACH; i++)
        if (spec->alert_percent[i] != 0 && spec->alert_percent[i] <= spec->alert_percent[i - 1])
            return "--alerts go up, 80%,95%,100%";
    if (spec->type == RAY_QUOTA_CUSTOM &&
        !ray_word_names(spec->custom.at, ray_word_length(spec->custom.at)))
        return "--type is custom: and 1 to 47 of A-Z a-z 0-9 . _ : -";
    return "--guard-requests, --guard-bytes, --guard-errors and --guard-p99 are at most "
           RAY_LIMIT_WORD;
}

ray_status ray_quota_terms_refuse(ray_call *call, ray_status status, const ray_quota_spec *spec)
{
    if (spec->limit_units > 0x8000000000000000ULL)
        return ray_call_error(call, status, "a limit is at most " RAY_LIMIT_WORD ", not", 3, 0);
    return ray_call_error(call, status, broken_rule(spec), RAY_NONE, 0);
}
