/* SPDX-License-Identifier: MIT */
/* cmd_resilience_edit.c - resilience: guards begun, changed, forced and ended at the console; every
 * act is in the audit. */
#include "cmd_resilience.h"
#include "parts.h"

/* -- rules (private) -- */
/* The guard's rules as they are, or a guard without any. */
static ray_status draft(ray_call *call, ray_guard_spec *spec)
{
    uint32_t service;
    ray_status status = ray_guard_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    if (ray_resilience_spec_read(ray_resilience_of(call->ray), service, spec) != RAY_OK) {
        __builtin_memset(spec, 0, sizeof *spec);
        spec->service = service;
    }
    return RAY_OK;
}

static ray_status put(ray_call *call, const ray_guard_spec *spec, uint32_t kind, uint64_t before,
                      uint64_t after, const char *wrong)
{
    ray_guard_spec held;
    ray_status had = ray_resilience_spec_read(ray_resilience_of(call->ray), spec->service, &held);
    ray_status status = ray_resilience_set(ray_resilience_of(call->ray), call->now_ns, spec);
    if (status == RAY_E_FULL)
        wrong = "this profile has no room for one more bulkhead";
    if (status != RAY_OK)
        return ray_call_error(call, status, wrong, RAY_NONE, 0);
    uint32_t what = had == RAY_OK ? RAY_AUDIT_SET : RAY_AUDIT_ADD;
    ray_call_edited(call, what, kind, spec->service, before, after);
    return RAY_OK;
}

static void say(ray_call *call, const char *what)
{
    ray_text_escaped(call->out, call->word[2], call->length[2]);
    ray_text_put(call->out, what);
}

static ray_status option_u32(ray_call *call, const char *name, uint32_t *out)
{
    uint64_t value = *out;
    ray_status status = ray_option_u64(call, name, &value);
    *out = value <= RAY_NONE ? (uint32_t)value : (uint32_t)RAY_NONE;
    return status;
}

/* -- breaker -- */
/* What the file's breaker is when it says nothing. */
static void breaker_default(ray_call *call, ray_guard_spec *spec)
{
    ray_service_row service;
    ray_breaker_spec *breaker = &spec->breaker;
    spec->parts |= RAY_GUARD_BREAKER;
    breaker->open_ns = 30000000000ULL;
    breaker->open_max_ns = breaker->open_ns;
    breaker->failures = 5;
    breaker->volume = 10;
    breaker->successes = 1;
    breaker->probes = 1;
    breaker->counts.kinds = 1U << RAY_OUTCOME_FAIL_5XX | 1U << RAY_OUTCOME_TIMEOUT |
                            1U << RAY_OUTCOME_CONNECTION;
    if (spec->timeout_ns == 0 &&
        ray_gateway_read_service(ray_gateway_of(call->ray), spec->service, &service) == RAY_OK)
        spec->timeout_ns = service.spec->timeout_ns;
}

static ray_status breaker_options(ray_call *call, ray_breaker_spec *breaker)
{
    const char *at;
    uint32_t length, bp;
    uint64_t open_ns = breaker->open_ns;
    ray_status status;
    if ((status = option_u32(call, "--failures", &breaker->failures)) != RAY_OK ||
        (status = option_u32(call, "--probes", &breaker->probes)) != RAY_OK ||
        (status = option_u32(call, "--successes", &breaker->successes)) != RAY_OK ||
        (status = ray_option_duration(call, "--open", &open_ns)) != RAY_OK)
        return status;
    if (open_ns != breaker->open_ns) {
        breaker->open_max_ns = breaker->open_max_ns > breaker->open_ns &&
                                       breaker->open_max_ns > open_ns
                                   ? breaker->open_max_ns
                                   : open_ns;
        breaker->open_ns = open_ns;
    }
    if (ray_call_option(call, "--rate", &at, &length) == 0)
        return RAY_OK;
    if (ray_parse_percent_bp(at, length, &bp) != RAY_OK)
        return ray_option_refuse(call, RAY_E_SYNTAX, "a rate is a percentage as 50%, not", at,
                                 length);
    breaker->rate_ppm = bp * 100;
    return RAY_OK;
}

ray_status ray_guard_run_breaker(ray_call *call)
{
    ray_guard_spec spec;
    ray_status status = draft(call, &spec);
    if (status != RAY_OK)
        return status;
    uint32_t before = spec.breaker.failures;
    if ((spec.parts & RAY_GUARD_BREAKER) == 0)
        breaker_default(call, &spec);
    status = breaker_options(call, &spec.breaker);
    if (status == RAY_OK)
        status = put(call, &spec, RAY_BY_BREAKER, before, spec.breaker.failures,
                     "failures or a rate open it, probes and successes are at least 1, open is "
                     "longer than 0");
    if (status != RAY_OK)
        return status;
    say(call, ": a breaker that opens at ");
    if (spec.breaker.failures != 0) {
        ray_text_u64(call->out, spec.breaker.failures);
        ray_text_put(call->out, " failures in a row");
    }
    if (spec.breaker.rate_ppm != 0) {
        ray_text_put(call->out, spec.breaker.failures != 0 ? " or at " : "");
        ray_guard_rate_put(call->out, spec.breaker.rate_ppm);
    }
    ray_text_put(call->out, ", for ");
    ray_text_duration(call->out, spec.breaker.open_ns);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* -- bulkhead, mode -- */
static ray_status number(ray_call *call, uint32_t word, uint32_t *out)
{
    uint64_t value;
    ray_status status = ray_parse_u64(call->word[word], call->length[word], &value);
    if (status == RAY_OK && value > RAY_BULKHEAD_MAX_EACH)
        status = RAY_E_RANGE;
    if (status != RAY_OK)
        return ray_call_error(call, status, "permits are 1 to 65536, waiting 0 to 65536, not", word,
                              0);
    *out = (uint32_t)value;
    return RAY_OK;
}

ray_status ray_guard_run_bulkhead(ray_call *call)
{
    ray_guard_spec spec;
    ray_status status = draft(call, &spec);
    if (status != RAY_OK)
        return status;
    uint32_t before = spec.bulkhead.concurrent;
    if ((status = number(call, 3, &spec.bulkhead.concurrent)) != RAY_OK ||
        (call->plain_count > 4 && (status = number(call, 4, &spec.bulkhead.waiting)) != RAY_OK))
        return status;
    spec.parts |= RAY_GUARD_BULKHEAD;
    status = put(call, &spec, RAY_BY_BULKHEAD, before, spec.bulkhead.concurrent,
                 "a bulkhead has at least one permit");
    if (status != RAY_OK)
        return status;
    say(call, ": ");
    ray_text_u64(call->out, spec.bulkhead.concurrent);
    ray_text_put(call->out, " at once, ");
    ray_text_u64(call->out, spec.bulkhead.waiting);
    ray_text_put(call->out, " may wait\n");
    return RAY_OK;
}

/* One that stands; says so when there is none. */
static ray_status standing(ray_call *call, ray_guard_spec *spec)
{
    uint32_t service;
    ray_status status = ray_guard_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    status = ray_resilience_spec_read(ray_resilience_of(call->ray), service, spec);
    return status == RAY_OK
               ? RAY_OK
               : ray_call_error(call, status,
                                "nothing stands before this service; see: resilience list", 2, 0);
}

ray_status ray_guard_run_mode(ray_call *call)
{
    ray_guard_spec spec;
    ray_status status = standing(call, &spec);
    if (status != RAY_OK)
        return status;
    uint32_t before = spec.mode;
    uint32_t mode = ray_option_place(call->word[3], call->length[3], ray_mode_word, 3);
    if (mode > RAY_MODE_OFF)
        return ray_call_error(call, RAY_E_ARGUMENT, "a mode is enforce, shadow or off, not", 3, 0);
    spec.mode = (uint8_t)mode;
    status = put(call, &spec, RAY_BY_BREAKER, before, mode, "no such mode");
    if (status != RAY_OK)
        return status;
    say(call, ": ");
    ray_text_put(call->out, ray_mode_word(mode));
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* -- an operator's word -- */
static ray_status no_breaker(ray_call *call, ray_status status)
{
    return ray_call_error(call, status, "no breaker stands before this service; see: resilience "
                                        "breaker SERVICE", 2, 0);
}

ray_status ray_guard_run_force(ray_call *call)
{
    ray_resilience *resilience = ray_resilience_of(call->ray);
    ray_guard_stats guard;
    ray_guard_spec spec;
    ray_status status = standing(call, &spec);
    if (status != RAY_OK)
        return status;
    uint32_t force = ray_option_place(call->word[3], call->length[3], ray_resilience_force_word, 3);
    if (force > RAY_FORCE_CLOSED)
        return ray_call_error(call, RAY_E_ARGUMENT, "a breaker is forced open, closed or none, not",
                              3, 0);
    if ((spec.parts & RAY_GUARD_BREAKER) == 0)
        return no_breaker(call, RAY_E_UNKNOWN);
    if (force == RAY_FORCE_OPEN &&
        !ray_call_confirmed(call, "every request to this service will be refused"))
        return RAY_E_STATE;
    status = ray_resilience_guard_read(resilience, call->now_ns, spec.service, &guard);
    if (status == RAY_OK)
        status = ray_resilience_force(resilience, call->now_ns, spec.service, force);
    if (status != RAY_OK)
        return no_breaker(call, status);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_BREAKER, spec.service, guard.breaker.forced, force);
    say(call, force == RAY_FORCE_NONE ? ": decides by itself again\n"
              : force == RAY_FORCE_OPEN ? ": forced open\n"
                                        : ": forced closed\n");
    return RAY_OK;
}

ray_status ray_guard_run_half_open(ray_call *call)
{
    ray_guard_spec spec;
    ray_status status = standing(call, &spec);
    if (status != RAY_OK)
        return status;
    status = ray_resilience_half_open(ray_resilience_of(call->ray), call->now_ns, spec.service);
    if (status == RAY_E_STATE)
        return ray_call_error(call, status,
                              "this breaker is not open; see: resilience show SERVICE", 2, 0);
    if (status != RAY_OK)
        return no_breaker(call, status);
    ray_call_noted(call, RAY_AUDIT_SET, RAY_BY_BREAKER, spec.service, RAY_BREAKER_OPEN,
                   RAY_BREAKER_HALF_OPEN);
    say(call, ": half-open\n");
    return RAY_OK;
}

ray_status ray_guard_run_reset(ray_call *call)
{
    ray_resilience *resilience = ray_resilience_of(call->ray);
    ray_guard_stats guard;
    ray_guard_spec spec;
    ray_status status = standing(call, &spec);
    if (status != RAY_OK)
        return status;
    if (!ray_call_confirmed(call, "the breaker closes, and what it counted is forgotten"))
        return RAY_E_STATE;
    (void)ray_resilience_guard_read(resilience, call->now_ns, spec.service, &guard);
    (void)ray_resilience_reset(resilience, call->now_ns, spec.service);
    ray_call_edited(call, RAY_AUDIT_RESET, RAY_BY_BREAKER, spec.service, guard.breaker.state,
                    RAY_BREAKER_CLOSED);
    say(call, ": closed, nothing counted\n");
    return RAY_OK;
}

ray_status ray_guard_run_remove(ray_call *call)
{
    ray_guard_spec spec;
    ray_status status = standing(call, &spec);
    if (status != RAY_OK)
        return status;
    if (!ray_call_confirmed(call, "nothing will stand before this service"))
        return RAY_E_STATE;
    (void)ray_resilience_unset(ray_resilience_of(call->ray), call->now_ns, spec.service);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_BREAKER, spec.service, spec.parts, 0);
    say(call, ": nothing stands before it any more\n");
    return RAY_OK;
}
