/* SPDX-License-Identifier: MIT */
/* cmd_quota_control.c - quota: the half that changes allocations and balances. */
#include "cmd_quota.h"
#include "parts.h"

/* -- allocations -- */
ray_status ray_quota_run_allocate(ray_call *call)
{
    ray_quota_spec spec;
    uint32_t allocation;
    ray_status status = ray_quota_terms_read(call, &spec);
    if (status != RAY_OK)
        return status;
    status = ray_quota_allocate(ray_quota_of(call->ray), call->now_ns, ray_call_wall_offset(call),
                                &spec, &allocation);
    if (status == RAY_E_EXISTS)
        return ray_call_error(call, status, "a quota of that name exists; choose another", 2, 0);
    if (status == RAY_E_FULL)
        return ray_call_error(call, status,
                              "no room: the table is full, or too many quotas would "
                              "meet in one request",
                              RAY_NONE, 0);
    if (status != RAY_OK)
        return ray_quota_terms_refuse(call, status, &spec);
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
    change made = {RAY_OK, 4, spec->limit_units, 0, "a limit is at most " RAY_LIMIT_WORD ", not"};
    made.status = ray_quota_amount(call, spec->type, 4, &made.after);
    made.what = made.status != RAY_OK ? 0 : made.what;
    if (made.status == RAY_OK)
        made.status = ray_quota_set_limit(ray_quota_of(call->ray), call->now_ns,
                                          ray_call_wall_offset(call), allocation, made.after);
    return made;
}

static change set_word(ray_call *call, uint32_t allocation, const ray_quota_spec *spec)
{
    ray_quota *quota = ray_quota_of(call->ray);
    uint32_t enforcement = ray_call_is(call, 3, "enforcement");
    static const char *const words[] = {"hard", "soft", "enforce", "shadow", "off"};
    uint32_t first = enforcement ? 0 : 2, last = enforcement ? 2 : 5;
    change made = {RAY_E_ARGUMENT, 4, enforcement ? spec->enforcement : spec->mode, 0,
                   enforcement ?
                   "enforcement is hard or soft, not" : "enforce, shadow or off, not"};
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
                                         ray_call_wall_offset(call), allocation, bp);
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
            ray_near_offer(&near, fields[i], ray_word_length(fields[i]));
        return ray_call_error(call, RAY_E_UNKNOWN,
                              "a field is limit, enforcement, mode or rollover, not", 3,
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
    if (ray_call_confirmed(call, "this forgets what the quota has counted") == 0)
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
    int64_t wall_offset_ns = ray_call_wall_offset(call);
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
        return ray_call_error(call, status, "that tenant and user have used nothing of it; see: "
                                            "quota usage", 2, 0);
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
    event->query.wall_offset_ns = ray_call_wall_offset(call);
    event->query.tenant = key.tenant;
    event->query.plan = event->query.service = RAY_NONE;
    event->only = *allocation;
    if (ray_call_option(call, "--event", &at, &length) != 0 &&
        ray_parse_u64(at, length, &event->id) != RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "--event is a whole number", RAY_NONE, 0);
    return RAY_OK;
}

/* A denial is an answer, not an error. */
static ray_status answered(ray_call *call, uint32_t allocation, const ray_quota_event *event,
                           ray_status status, const ray_quota_outcome *outcome)
{
    uint64_t units = 0;
    if (status != RAY_OK)
        return ray_call_error(call, status, "no such amount can be asked for; ask for less", 3, 0);
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
    ray_quota *quota = ray_quota_of(call->ray);
    ray_quota_key key = {.user = event.query.user, .tenant = event.query.tenant};
    ray_quota_usage before, after;
    int64_t wall_offset_ns = event.query.wall_offset_ns;
    ray_quota_usage_read(quota, call->now_ns, wall_offset_ns, allocation, &key, &before);
    status = ray_quota_consume(quota, call->now_ns, &event, &outcome);
    ray_quota_usage_read(quota, call->now_ns, wall_offset_ns, allocation, &key, &after);
    if (status == RAY_OK && after.used_units != before.used_units)
        ray_call_noted(call, RAY_AUDIT_CONSUME, RAY_BY_QUOTA, allocation, before.used_units,
                       after.used_units);
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
