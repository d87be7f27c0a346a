/* SPDX-License-Identifier: MIT */
/* check.c - what an allocation may say, field by field, and how many may meet in one request. */
#include <stddef.h>
#include "parts.h"

#define DAY_NS    86400000000000LL
#define LIMIT_MAX 0x8000000000000000ULL
/* 73 years, so that instants of the period after the next still fit. */
#define PERIOD_MAX 0x2000000000000000ULL

enum { SECTION_QUOTA = 30, OFFSET_MINUTES_MAX = 1439, SLOT_MASK = 0xffff };

typedef struct fault {
    ray_status status;
    uint32_t field;
} fault;

#define FIELD(name) ((uint32_t)offsetof(ray_quota_spec, name))

/* The first rule broken ends the list; a rule is a line. */
#define REFUSE(condition, code, name) \
    if (condition) \
        return (fault){code, FIELD(name)}

static uint32_t resets(const ray_quota_spec *spec)
{
    return spec->reset == RAY_RESET_FIXED || spec->reset == RAY_RESET_DAY ||
           spec->reset == RAY_RESET_WEEK || spec->reset == RAY_RESET_MONTH;
}

static fault words_fault(const ray_quota_spec *spec)
{
    REFUSE(ray_name_valid(&spec->name) == 0, RAY_E_ARGUMENT, name);
    REFUSE(spec->type >= RAY_QUOTA_TYPE_MAX, RAY_E_ARGUMENT, type);
    REFUSE(spec->reset > RAY_RESET_MONTH, RAY_E_ARGUMENT, reset);
    REFUSE(spec->enforcement > RAY_QUOTA_SOFT, RAY_E_ARGUMENT, enforcement);
    REFUSE(spec->mode > RAY_MODE_OFF, RAY_E_ARGUMENT, mode);
    REFUSE(spec->per_user > 1, RAY_E_ARGUMENT, per_user);
    REFUSE(spec->carry_overage > 1 || (spec->carry_overage != 0 && !resets(spec)), RAY_E_ARGUMENT,
           carry_overage);
    REFUSE(spec->named > 1, RAY_E_ARGUMENT, named);
    REFUSE(spec->reserved != 0, RAY_E_ARGUMENT, reserved);
    REFUSE(ray_is_zero(spec->reserved_2, sizeof spec->reserved_2) == 0, RAY_E_ARGUMENT, reserved_2);
    uint32_t custom = spec->type == RAY_QUOTA_CUSTOM;
    REFUSE(custom && ray_name_valid(&spec->custom) == 0, RAY_E_ARGUMENT, custom);
    REFUSE(!custom && ray_is_zero(&spec->custom, sizeof spec->custom) == 0, RAY_E_ARGUMENT, custom);
    for (uint32_t i = 1; i < RAY_QUOTA_ALERT_EACH; i++)
        REFUSE(spec->alert_percent[i] != 0 && spec->alert_percent[i] <= spec->alert_percent[i - 1],
               RAY_E_ARGUMENT, alert_percent);
    for (uint32_t i = 1; i < RAY_QUOTA_ALERT_EACH; i++)
        REFUSE(spec->alert_percent[i] != 0 && spec->alert_percent[i - 1] == 0, RAY_E_ARGUMENT,
               alert_percent);
    return (fault){RAY_OK, 0};
}

static fault numbers_fault(const ray_quota_spec *spec)
{
    uint32_t calendar = spec->reset == RAY_RESET_DAY || spec->reset == RAY_RESET_WEEK ||
                        spec->reset == RAY_RESET_MONTH;
    uint32_t sized = spec->reset == RAY_RESET_FIXED || spec->reset == RAY_RESET_ROLLING;
    uint64_t shortest = spec->reset == RAY_RESET_ROLLING ? RAY_QUOTA_ROLLING_PARTS : 1;
    uint32_t last_day = spec->reset == RAY_RESET_WEEK ? 7 : 31;
    uint32_t has_day = spec->reset == RAY_RESET_WEEK || spec->reset == RAY_RESET_MONTH;
    REFUSE(spec->limit_units > LIMIT_MAX, RAY_E_RANGE, limit_units);
    REFUSE(sized && (spec->period_ns < shortest || spec->period_ns > PERIOD_MAX), RAY_E_RANGE,
           period_ns);
    REFUSE(!sized && spec->period_ns != 0, RAY_E_ARGUMENT, period_ns);
    REFUSE(calendar && (spec->anchor_ns < 0 || spec->anchor_ns >= DAY_NS), RAY_E_RANGE, anchor_ns);
    REFUSE(spec->reset == RAY_RESET_NEVER && spec->anchor_ns != 0, RAY_E_ARGUMENT, anchor_ns);
    REFUSE(has_day && (spec->anchor_day < 1 || spec->anchor_day > last_day), RAY_E_RANGE,
           anchor_day);
    REFUSE(!has_day && spec->anchor_day != 0, RAY_E_ARGUMENT, anchor_day);
    REFUSE(spec->utc_offset_minutes < -OFFSET_MINUTES_MAX ||
               spec->utc_offset_minutes > OFFSET_MINUTES_MAX,
           RAY_E_RANGE, utc_offset_minutes);
    REFUSE(spec->rollover_bp > RAY_QUOTA_ROLLOVER_BP_MAX, RAY_E_RANGE, rollover_bp);
    REFUSE(spec->rollover_bp != 0 && !resets(spec), RAY_E_ARGUMENT, rollover_bp);
    REFUSE(spec->guard_requests_per_s > LIMIT_MAX, RAY_E_RANGE, guard_requests_per_s);
    REFUSE(spec->guard_bytes_per_s > LIMIT_MAX, RAY_E_RANGE, guard_bytes_per_s);
    REFUSE(spec->guard_errors_per_min > LIMIT_MAX, RAY_E_RANGE, guard_errors_per_min);
    REFUSE(spec->guard_latency_p99_ns > LIMIT_MAX, RAY_E_RANGE, guard_latency_p99_ns);
    return (fault){RAY_OK, 0};
}

static fault references_fault(const ray_quota_spec *spec, const ray_config_counts *counts)
{
    REFUSE(spec->tenant != RAY_NONE &&
               (spec->tenant >= counts->tenant_count || spec->tenant >= RAY_TENANT_MAX),
           RAY_E_ARGUMENT, tenant);
    REFUSE(spec->plan != RAY_NONE &&
               (spec->plan >= counts->plan_count || spec->plan >= RAY_PLAN_MAX),
           RAY_E_ARGUMENT, plan);
    REFUSE(spec->service != RAY_NONE && (spec->service & SLOT_MASK) >= counts->service_count,
           RAY_E_ARGUMENT, service);
    return (fault){RAY_OK, 0};
}

ray_status ray_quota_spec_check(const ray_quota_spec *spec, const ray_config_counts *counts,
                                uint32_t *field)
{
    fault found = words_fault(spec);
    if (found.status == RAY_OK)
        found = numbers_fault(spec);
    if (found.status == RAY_OK)
        found = references_fault(spec, counts);
    *field = found.field;
    return found.status;
}

/* -- how many meet in one request -- */
/* A request is (tenant, plan, service). The most rows that any one meets is reached where each of
 * the three is a value some row names, or one that no row names; so only those are tried, and a
 * choice is refined (tenant, then service, then plan) only while what it leaves still passes the
 * bound. */
typedef struct meeting {
    uint32_t tenant;
    uint32_t plan;
    uint32_t service;
    uint32_t any; /* bit 1: whatever the service, bit 0: whatever the plan */
} meeting;

enum { ANY_PLAN = 1, ANY_SERVICE = 2, NOBODY = 0xfffffffe };

static const ray_quota_spec *row_at(const ray_quota_rows *rows, uint32_t i)
{
    return i < rows->count ? (const ray_quota_spec *)(const void *)(rows->at + i * rows->stride)
                           : rows->extra;
}

static uint32_t row_count(const ray_quota_rows *rows)
{
    return rows->count + (rows->extra != 0);
}

/* A row that requests meet by themselves; one that waits to be named is counted with the policy
 * that names it. */
static uint32_t present(const ray_quota_spec *spec)
{
    return spec->name.at[0] != 0 && spec->named == 0;
}

static uint32_t met(const ray_quota_rows *rows, meeting with)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < row_count(rows); i++) {
        const ray_quota_spec *spec = row_at(rows, i);
        count +=
            present(spec) && (spec->tenant == RAY_NONE || spec->tenant == with.tenant) &&
            ((with.any & ANY_PLAN) != 0 || spec->plan == RAY_NONE || spec->plan == with.plan) &&
            ((with.any & ANY_SERVICE) != 0 || spec->service == RAY_NONE ||
             spec->service == with.service);
    }
    return count;
}

static uint32_t met_by_plan(const ray_quota_rows *rows, meeting with)
{
    with.any = 0;
    with.plan = NOBODY;
    uint32_t most = met(rows, with);
    for (with.plan = 0; with.plan < RAY_PLAN_MAX && most <= RAY_REQUEST_QUOTA_MAX; with.plan++) {
        uint32_t count = met(rows, with);
        most = count > most ? count : most;
    }
    return most;
}

/* 1 when row i is the first that names its service. */
static uint32_t first_of_service(const ray_quota_rows *rows, uint32_t i)
{
    for (uint32_t before = 0; before < i; before++)
        if (present(row_at(rows, before)) &&
            row_at(rows, before)->service == row_at(rows, i)->service)
            return 0;
    return 1;
}

static uint32_t met_by_service(const ray_quota_rows *rows, meeting with)
{
    uint32_t most = 0;
    with.any = ANY_PLAN;
    with.service = NOBODY;
    if (met(rows, with) > RAY_REQUEST_QUOTA_MAX)
        most = met_by_plan(rows, with);
    for (uint32_t i = 0; i < row_count(rows) && most <= RAY_REQUEST_QUOTA_MAX; i++) {
        if (!present(row_at(rows, i)) || row_at(rows, i)->service == RAY_NONE)
            continue;
        with.any = ANY_PLAN;
        with.service = row_at(rows, i)->service;
        if (!first_of_service(rows, i) || met(rows, with) <= RAY_REQUEST_QUOTA_MAX)
            continue;
        uint32_t count = met_by_plan(rows, with);
        most = count > most ? count : most;
    }
    return most;
}

/* 1 when some request would meet more than RAY_REQUEST_QUOTA_MAX rows; *row is one whose tenant it
 * has. */
uint32_t ray_quota_meet_max(const ray_quota_rows *rows, uint32_t *row)
{
    meeting with = {NOBODY, NOBODY, NOBODY, ANY_PLAN | ANY_SERVICE};
    *row = 0;
    if (met(rows, with) > RAY_REQUEST_QUOTA_MAX &&
        met_by_service(rows, with) > RAY_REQUEST_QUOTA_MAX)
        return 1;
    for (uint32_t i = 0; i < row_count(rows); i++) {
        const ray_quota_spec *spec = row_at(rows, i);
        if (!present(spec) || spec->tenant == RAY_NONE)
            continue;
        with = (meeting){spec->tenant, NOBODY, NOBODY, ANY_PLAN | ANY_SERVICE};
        *row = i;
        if (met(rows, with) > RAY_REQUEST_QUOTA_MAX &&
            met_by_service(rows, with) > RAY_REQUEST_QUOTA_MAX)
            return 1;
    }
    return 0;
}

/* -- a section of a blob -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t row, uint32_t field)
{
    report->status = status;
    report->section = SECTION_QUOTA;
    report->row = row;
    report->field = field;
    return status;
}

ray_status ray_quota_check(const ray_quota_spec *rows, const ray_config_counts *counts,
                           ray_config_report *report)
{
    if (counts->quota_count > RAY_QUOTA_ALLOCATION_MAX)
        return refuse(report, RAY_E_FULL, RAY_QUOTA_ALLOCATION_MAX, 0);
    for (uint32_t row = 0; row < counts->quota_count; row++) {
        uint32_t field;
        ray_status status = ray_quota_spec_check(&rows[row], counts, &field);
        if (status != RAY_OK)
            return refuse(report, status, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (ray_name_same(&rows[before].name, &rows[row].name) != 0)
                return refuse(report, RAY_E_EXISTS, row, FIELD(name));
    }
    ray_quota_rows all = {(const uint8_t *)rows, sizeof *rows, counts->quota_count, 0, 0};
    uint32_t row;
    if (ray_quota_meet_max(&all, &row) != 0)
        return refuse(report, RAY_E_FULL, row, FIELD(tenant));
    return RAY_OK;
}
