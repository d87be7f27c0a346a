/* SPDX-License-Identifier: MIT */
/* check.c - what the rules may say, field by field. */
#include "parts.h"

enum { SECTION_GUARD = 110, PPM = 1000000 };
#define TIME_MAX ((uint64_t)INT64_MAX)

/* The first rule broken ends the list; a rule is a line. */
#define REFUSE(condition, code, name) \
    if (condition) { \
        *field = (uint32_t)offsetof(ray_guard_spec, name); \
        return code; \
    }

enum {
    KINDS = 1 << RAY_OUTCOME_FAIL_5XX | 1 << RAY_OUTCOME_TIMEOUT | 1 << RAY_OUTCOME_CONNECTION |
            1 << RAY_OUTCOME_CLIENT_4XX | 1 << RAY_OUTCOME_LIMITED_429
};

/* 0 when it is no set of outcomes a rule may name. */
static uint32_t set_holds(const ray_outcome_set *set)
{
    uint32_t before = 399;
    if ((set->kinds & ~(uint32_t)KINDS) != 0 || set->status_count > RAY_OUTCOME_STATUS_MAX ||
        set->reserved[0] != 0 || set->reserved[1] != 0)
        return 0;
    for (uint32_t i = 0; i < RAY_OUTCOME_STATUS_MAX; i++) {
        if (i >= set->status_count ? set->status[i] != 0
                                   : set->status[i] <= before || set->status[i] > 599)
            return 0;
        before = set->status[i];
    }
    return 1;
}

static uint32_t set_is_empty(const ray_outcome_set *set)
{
    return set->kinds == 0 && set->status_count == 0;
}

static ray_status breaker_check(const ray_guard_spec *spec, uint32_t *field)
{
    const ray_breaker_spec *breaker = &spec->breaker;
    REFUSE(spec->timeout_ns == 0, RAY_E_RANGE, timeout_ns);
    REFUSE(breaker->open_ns == 0 || breaker->open_ns > TIME_MAX, RAY_E_RANGE, breaker.open_ns);
    REFUSE(breaker->open_max_ns < breaker->open_ns || breaker->open_max_ns > TIME_MAX, RAY_E_RANGE,
           breaker.open_max_ns);
    REFUSE(breaker->window_ns > TIME_MAX, RAY_E_RANGE, breaker.window_ns);
    REFUSE(breaker->failures > RAY_BREAKER_COUNT_MAX ||
               (breaker->failures == 0 && breaker->rate_ppm == 0),
           RAY_E_RANGE, breaker.failures);
    REFUSE(breaker->rate_ppm > PPM, RAY_E_RANGE, breaker.rate_ppm);
    REFUSE(breaker->volume < 1 || breaker->volume > RAY_BREAKER_COUNT_MAX, RAY_E_RANGE,
           breaker.volume);
    REFUSE(breaker->successes < 1 || breaker->successes > RAY_BREAKER_COUNT_MAX, RAY_E_RANGE,
           breaker.successes);
    REFUSE(breaker->probes < 1 || breaker->probes > RAY_BREAKER_COUNT_MAX, RAY_E_RANGE,
           breaker.probes);
    REFUSE(breaker->jitter_ppm > PPM, RAY_E_RANGE, breaker.jitter_ppm);
    REFUSE(!set_holds(&breaker->counts) || set_is_empty(&breaker->counts), RAY_E_ARGUMENT,
           breaker.counts);
    REFUSE(breaker->fixed_window > 1, RAY_E_ARGUMENT, breaker.fixed_window);
    REFUSE(!ray_is_zero(breaker->reserved, sizeof breaker->reserved), RAY_E_ARGUMENT,
           breaker.reserved);
    return RAY_OK;
}

static ray_status bulkhead_check(const ray_guard_spec *spec, uint32_t *field)
{
    const ray_bulkhead_spec *bulkhead = &spec->bulkhead;
    REFUSE(bulkhead->max_wait_ns > TIME_MAX, RAY_E_RANGE, bulkhead.max_wait_ns);
    REFUSE(bulkhead->concurrent < 1 || bulkhead->concurrent > RAY_BULKHEAD_MAX_EACH, RAY_E_RANGE,
           bulkhead.concurrent);
    REFUSE(bulkhead->waiting > RAY_BULKHEAD_MAX_EACH, RAY_E_RANGE, bulkhead.waiting);
    return RAY_OK;
}

static ray_status budget_check(const ray_guard_spec *spec, uint32_t *field)
{
    const ray_retry_spec *retry = &spec->retry;
    REFUSE(retry->deposit > RAY_BUDGET_UNIT_MAX, RAY_E_RANGE, retry.deposit);
    REFUSE(retry->cost > RAY_BUDGET_UNIT_MAX ||
               (retry->cost == 0) != (retry->budget == RAY_BUDGET_NONE),
           RAY_E_RANGE, retry.cost);
    REFUSE(retry->reserve > RAY_BUDGET_UNIT_MAX, RAY_E_RANGE, retry.reserve);
    REFUSE(retry->capacity > RAY_BUDGET_UNIT_MAX * 1000U, RAY_E_RANGE, retry.capacity);
    REFUSE(retry->refund > RAY_BUDGET_UNIT_MAX, RAY_E_RANGE, retry.refund);
    REFUSE(retry->jitter > RAY_JITTER_NONE, RAY_E_ARGUMENT, retry.jitter);
    REFUSE(retry->budget > RAY_BUDGET_NONE, RAY_E_ARGUMENT, retry.budget);
    REFUSE(retry->reserved[0] != 0 || retry->reserved[1] != 0, RAY_E_ARGUMENT, retry.reserved);
    return RAY_OK;
}

static ray_status retry_check(const ray_guard_spec *spec, uint32_t *field)
{
    const ray_retry_spec *retry = &spec->retry;
    REFUSE(retry->base_ns == 0 || retry->base_ns > TIME_MAX, RAY_E_RANGE, retry.base_ns);
    REFUSE(retry->max_ns < retry->base_ns || retry->max_ns > TIME_MAX, RAY_E_RANGE, retry.max_ns);
    REFUSE(retry->ttl_ns > TIME_MAX ||
               (retry->ttl_ns == 0) != (retry->budget != RAY_BUDGET_WINDOW),
           RAY_E_RANGE, retry.ttl_ns);
    REFUSE(!set_holds(&retry->on) || set_is_empty(&retry->on), RAY_E_ARGUMENT, retry.on);
    REFUSE(retry->attempts < 1 || retry->attempts > RAY_RETRY_ATTEMPT_MAX, RAY_E_RANGE,
           retry.attempts);
    REFUSE(retry->methods >> RAY_METHOD_MAX != 0, RAY_E_ARGUMENT, retry.methods);
    return budget_check(spec, field);
}

ray_status ray_guard_spec_check(const ray_guard_spec *spec, uint32_t *field)
{
    ray_status status = RAY_OK;
    REFUSE(spec->timeout_ns > TIME_MAX, RAY_E_RANGE, timeout_ns);
    REFUSE(spec->parts >> 3 != 0 || (spec->parts == 0 && spec->timeout_ns == 0), RAY_E_ARGUMENT,
           parts);
    REFUSE(spec->mode > RAY_MODE_OFF, RAY_E_ARGUMENT, mode);
    REFUSE(spec->reserved[0] != 0 || spec->reserved[1] != 0, RAY_E_ARGUMENT, reserved);
    REFUSE(!ray_guard_has(spec, RAY_GUARD_BREAKER) &&
               !ray_is_zero(&spec->breaker, sizeof spec->breaker),
           RAY_E_ARGUMENT, breaker);
    REFUSE(!ray_guard_has(spec, RAY_GUARD_BULKHEAD) &&
               !ray_is_zero(&spec->bulkhead, sizeof spec->bulkhead),
           RAY_E_ARGUMENT, bulkhead);
    REFUSE(!ray_guard_has(spec, RAY_GUARD_RETRY) && !ray_is_zero(&spec->retry, sizeof spec->retry),
           RAY_E_ARGUMENT, retry);
    if (ray_guard_has(spec, RAY_GUARD_BREAKER))
        status = breaker_check(spec, field);
    if (status == RAY_OK && ray_guard_has(spec, RAY_GUARD_BULKHEAD))
        status = bulkhead_check(spec, field);
    if (status == RAY_OK && ray_guard_has(spec, RAY_GUARD_RETRY))
        status = retry_check(spec, field);
    return status;
}

/* -- the section of a blob -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t row, uint64_t field)
{
    report->status = status;
    report->section = SECTION_GUARD;
    report->row = row;
    report->field = (uint32_t)field;
    return status;
}

ray_status ray_resilience_check(const ray_guard_spec *rows, const ray_config_counts *counts,
                                ray_config_report *report)
{
    const uint64_t at = offsetof(ray_guard_spec, service);
    uint32_t bulkheads = 0;
    for (uint32_t row = 0; row < counts->guard_count; row++) {
        uint32_t field;
        if (rows[row].service >= counts->service_count)
            return refuse(report, RAY_E_UNKNOWN, row, at);
        ray_status status = ray_guard_spec_check(&rows[row], &field);
        if (status != RAY_OK)
            return refuse(report, status, row, field);
        bulkheads += ray_guard_has(&rows[row], RAY_GUARD_BULKHEAD);
        if (bulkheads > RAY_BULKHEAD_MAX)
            return refuse(report, RAY_E_FULL, row, offsetof(ray_guard_spec, bulkhead));
        for (uint32_t before = 0; before < row; before++)
            if (rows[before].service == rows[row].service)
                return refuse(report, RAY_E_EXISTS, row, at);
    }
    return RAY_OK;
}
