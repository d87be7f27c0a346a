/* SPDX-License-Identifier: MIT */
/* cmd_quota_control.c - quota: the half that changes allocations and balances. */
#include "cmd_quota.h"

/* -- the terms of an allocation (private) -- */
static uint64_t length_of(const char *literal)
{
    uint64_t length = 0;
    while (literal[length] != 0)
        length++;
    return length;
}

static uint32_t same(const char *at, uint64_t length, const char *literal)
{
    return length == length_of(literal) && __builtin_memcmp(at, literal, length) == 0;
}

static uint32_t begins(const char *at, uint64_t length, const char *literal)
{
    uint64_t size = length_of(literal);
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
        if (same(at, length, words[type])) {
            spec->type = type;
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
        if (words[reset][0] != 0 && same(at, length, words[reset])) {
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

static ray_status service_of(ray_call *call, const char *at, uint64_t length, uint32_t *service)
{
    return ray_gateway_find_service(ray_gateway_of(call->ray), at, length, service);
}

/* What is wrong, in words; NULL when every option was understood. */
static const char *options_read(ray_call *call, ray_quota_spec *spec)
{
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--tenant", &at, &length) != 0 &&
        ray_tenant_find(call->ray, at, length, &spec->tenant) != RAY_OK)
        return "--tenant names nobody";
    if (ray_call_option(call, "--plan", &at, &length) != 0 &&
        ray_plan_find(call->ray, at, length, &spec->plan) != RAY_OK)
        return "--plan names no plan";
    if (ray_call_option(call, "--service", &at, &length) != 0 &&
        service_of(call, at, length, &spec->service) != RAY_OK)
        return "--service names no service";
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

/* -- allocations -- */
ray_status ray_quota_run_allocate(ray_call *call)
{
    ray_quota_spec spec;
    uint32_t allocation;
    defaults(call, &spec);
    if (name_of(&spec.name, call->word[2], call->length[2]) != RAY_OK)
        return ray_call_error(call, RAY_E_ARGUMENT, "a name is 1 to 47 bytes", 2, 0);
    const char *wrong = options_read(call, &spec);
    if (wrong != 0)
        return ray_call_error(call, RAY_E_ARGUMENT, wrong, RAY_NONE, 0);
    ray_status status = ray_quota_amount(call, spec.type, 3, &spec.limit_units);
    if (status != RAY_OK)
        return status;
    status = ray_quota_allocate(ray_quota_of(call->ray), call->now_ns, ray_quota_wall_offset(call),
                                &spec, &allocation);
    if (status == RAY_E_EXISTS)
        return ray_call_error(call, status, "a quota of that name exists", 2, 0);
    if (status == RAY_E_FULL)
        return ray_call_error(call, status,
                              "no room: the table is full, or too many quotas would "
                              "meet in one request",
                              RAY_NONE, 0);
    if (status != RAY_OK)
        return ray_call_error(call, status, "no quota may be like that", 2, 0);
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_QUOTA, allocation, 0, spec.limit_units);
    ray_text_name(call->out, &spec.name, 0);
    ray_text_put(call->out, " allocated, id ");
    ray_text_u64(call->out, allocation);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* -- set -- */
typedef struct change {
    ray_status status;
    uint32_t word; /* what was wrong */
    uint64_t before;
    uint64_t after;
    const char *what;
} change;

static change set_limit(ray_call *call, uint32_t allocation, const ray_quota_spec *spec)
{
    change made = {RAY_OK, 4, spec->limit_units, 0, "not a limit"};
    made.status = ray_quota_amount(call, spec->type, 4, &made.after);
    made.what = made.status != RAY_OK ? 0 : made.what;
    if (made.status == RAY_OK)
        made.status = ray_quota_set_limit(ray_quota_of(call->ray), call->now_ns,
                                          ray_quota_wall_offset(call), allocation, made.after);
    return made;
}

static change set_word(ray_call *call, uint32_t allocation, const ray_quota_spec *spec)
{
    ray_quota *quota = ray_quota_of(call->ray);
    uint32_t enforcement = ray_call_is(call, 3, "enforcement");
    static const char *const words[] = {"hard", "soft", "enforce", "shadow", "off"};
    uint32_t first = enforcement ? 0 : 2, last = enforcement ? 2 : 5;
    change made = {RAY_E_ARGUMENT, 4, enforcement ? spec->enforcement : spec->mode, 0,
                   enforcement ? "hard or soft, not" : "enforce, shadow or off, not"};
    for (uint32_t i = first; i < last; i++)
        if (ray_call_is(call, 4, words[i])) {
            made.after = i - first;
            made.status = enforcement ? ray_quota_set_enforcement(quota, allocation, i)
                                      : ray_quota_set_mode(quota, allocation, i - 2);
        }
    return made;
}

static change set_rollover(ray_call *call, uint32_t allocation, const ray_quota_spec *spec)
{
    uint32_t bp = 0;
    change made = {RAY_OK, 4, spec->rollover_bp, 0,
                   "rollover is 0% to 10% of a quota that resets, not"};
    made.status = ray_parse_percent_bp(call->word[4], call->length[4], &bp);
    made.after = bp;
    if (made.status == RAY_OK)
        made.status = ray_quota_rollover(ray_quota_of(call->ray), call->now_ns,
                                         ray_quota_wall_offset(call), allocation, bp);
    return made;
}

ray_status ray_quota_run_set(ray_call *call)
{
    static const char *const fields[] = {"limit", "enforcement", "mode", "rollover"};
    uint32_t allocation;
    ray_quota_spec spec;
    ray_near near;
    change made;
    ray_status status = ray_quota_named(call, &allocation);
    if (status != RAY_OK)
        return status;
    ray_quota_spec_read(ray_quota_of(call->ray), allocation, &spec);
    if (ray_call_is(call, 3, "limit")) {
        made = set_limit(call, allocation, &spec);
    } else if (ray_call_is(call, 3, "enforcement") || ray_call_is(call, 3, "mode")) {
        made = set_word(call, allocation, &spec);
    } else if (ray_call_is(call, 3, "rollover")) {
        made = set_rollover(call, allocation, &spec);
    } else {
        ray_near_begin(&near, call->word[3], call->length[3]);
        for (uint32_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
            ray_near_offer(&near, fields[i], length_of(fields[i]));
        return ray_call_error(call, RAY_E_UNKNOWN, "a quota has no such field", 3,
                              ray_near_word(&near));
    }
    if (made.status != RAY_OK)
        return made.what == 0 ? made.status
                              : ray_call_error(call, made.status, made.what, made.word, 0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_QUOTA, allocation, made.before, made.after);
    ray_text_name(call->out, &spec.name, 0);
    ray_text_put(call->out, ": ");
    ray_text_put(call->out, call->word[3]);
    ray_text_put(call->out, " changed\n");
    return RAY_OK;
}

/* -- remove, reset, consume -- */
static void done(ray_call *call, const char *what)
{
    ray_text_escaped(call->out, call->word[2], call->length[2]);
    ray_text_put(call->out, what);
}

ray_status ray_quota_run_remove(ray_call *call)
{
    uint32_t allocation;
    ray_quota_spec spec;
    ray_status status = ray_quota_named(call, &allocation);
    if (status != RAY_OK)
        return status;
    if (ray_call_confirmed(call, "forgets what the quota has counted") == 0)
        return RAY_E_STATE;
    ray_quota_spec_read(ray_quota_of(call->ray), allocation, &spec);
    ray_quota_remove(ray_quota_of(call->ray), allocation);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_QUOTA, allocation, spec.limit_units, 0);
    done(call, " removed\n");
    return RAY_OK;
}

ray_status ray_quota_run_reset(ray_call *call)
{
    uint32_t allocation;
    ray_quota_key key;
    ray_quota_usage usage;
    const char *at;
    uint32_t length;
    ray_quota *quota = ray_quota_of(call->ray);
    int64_t wall_offset_ns = ray_quota_wall_offset(call);
    ray_status status = ray_quota_named(call, &allocation);
    if (status == RAY_OK)
        status = ray_quota_instance(call, &key);
    if (status != RAY_OK)
        return status;
    uint32_t one = ray_call_option(call, "--tenant", &at, &length) != 0 ||
                   ray_call_option(call, "--user", &at, &length) != 0;
    ray_quota_usage_read(quota, call->now_ns, wall_offset_ns, allocation, &key, &usage);
    status = ray_quota_reset(quota, call->now_ns, wall_offset_ns, allocation, one ? &key : 0);
    if (status != RAY_OK)
        return ray_call_error(call, status, "that tenant and user have used nothing of it", 2, 0);
    ray_call_edited(call, RAY_AUDIT_RESET, RAY_BY_QUOTA, allocation, usage.used_units, 0);
    done(call, one ? " reset for one\n" : " reset\n");
    return RAY_OK;
}

static ray_status event_read(ray_call *call, uint32_t *allocation, ray_quota_event *event)
{
    const char *at;
    uint32_t length;
    ray_quota_key key;
    ray_quota_spec spec;
    uint64_t units = 1;
    ray_status status = ray_quota_named(call, allocation);
    if (status == RAY_OK)
        status = ray_quota_instance(call, &key);
    if (status != RAY_OK)
        return status;
    ray_quota_spec_read(ray_quota_of(call->ray), *allocation, &spec);
    if (call->plain_count > 3)
        status = ray_quota_amount(call, spec.type, 3, &units);
    if (status != RAY_OK)
        return status;
    if (spec.tenant == RAY_NONE && key.tenant == RAY_NONE)
        return ray_call_error(call, RAY_E_ARGUMENT, "each tenant has its own: --tenant is missing",
                              RAY_NONE, 0);
    __builtin_memset(event, 0, sizeof *event);
    event->query.user = key.user;
    event->query.units[spec.type] = units;
    event->query.wall_offset_ns = ray_quota_wall_offset(call);
    event->query.tenant = key.tenant;
    event->query.plan = event->query.service = RAY_NONE;
    event->only = *allocation;
    if (ray_call_option(call, "--event", &at, &length) != 0 &&
        ray_parse_u64(at, length, &event->id) != RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "--event is a number", RAY_NONE, 0);
    return RAY_OK;
}

/* A denial is an answer, not an error. */
static ray_status answered(ray_call *call, uint32_t allocation, const ray_quota_event *event,
                           ray_status status, const ray_quota_outcome *outcome)
{
    uint64_t units = 0;
    if (status != RAY_OK)
        return ray_call_error(call, status, "no such amount can be asked for", 3, 0);
    for (uint32_t type = 0; type < RAY_QUOTA_TYPE_MAX; type++)
        units += event->query.units[type];
    ray_quota_outcome_put(call, allocation, units, outcome);
    return RAY_OK;
}

ray_status ray_quota_run_consume(ray_call *call)
{
    uint32_t allocation;
    ray_quota_event event;
    ray_quota_outcome outcome;
    ray_status status = event_read(call, &allocation, &event);
    if (status != RAY_OK)
        return status;
    status = ray_quota_consume(ray_quota_of(call->ray), call->now_ns, &event, &outcome);
    return answered(call, allocation, &event, status, &outcome);
}

ray_status ray_quota_run_test(ray_call *call)
{
    uint32_t allocation;
    ray_quota_event event;
    ray_quota_outcome outcome;
    ray_status status = event_read(call, &allocation, &event);
    if (status != RAY_OK)
        return status;
    status = ray_quota_test(ray_quota_of(call->ray), call->now_ns, &event, &outcome);
    return answered(call, allocation, &event, status, &outcome);
}
