/* SPDX-License-Identifier: MIT */
/* check.c - what prices, multipliers, tiers, schedules and alerts may say, field by field, and what
 * only several rows together can break. */
#include <stddef.h>
#include "parts.h"
#include "base/week.h"

#define DAY_NS    86400000000000LL
#define GRACE_MAX (366ULL * 86400000000000ULL)
#define PRICE_MAX ((int64_t)RAY_COST_PRICE_MAX)

enum { OFFSET_MINUTES_MAX = 1439, DIGITS_MAX = 9, ONCE_BP = 10000, PPM_MAX = 100000000,
       SECTION_BILLING = 60, SECTION_COST = 61, SECTION_MULTIPLIER = 62, SECTION_TIER = 63,
       SECTION_ALERT = 64 };

/* The first rule broken ends the list; a rule is a line. */
#define REFUSE(condition, code, type, name)                                                        \
    if (condition)                                                                                 \
        return *field = (uint32_t)offsetof(type, name), (code)

ray_status ray_cost_spec_check(const ray_cost_spec *spec, uint32_t service_count, uint32_t *field)
{
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++) {
        int64_t price = spec->price_pico[metric];
        *field = (uint32_t)(metric * sizeof price);
        if (price > PRICE_MAX || price < -PRICE_MAX)
            return RAY_E_RANGE;
        if (price < 0 && metric != RAY_COST_CACHE)
            return RAY_E_ARGUMENT;
    }
    REFUSE((spec->service & COST_SLOT_MASK) >= service_count, RAY_E_UNKNOWN, ray_cost_spec,
           service);
    REFUSE(spec->measured >> RAY_COST_METRIC_MAX != 0, RAY_E_ARGUMENT, ray_cost_spec, measured);
    return RAY_OK;
}

ray_status ray_cost_multiplier_check(const ray_cost_multiplier_spec *spec, uint32_t plan_count,
                                     uint32_t *field)
{
    REFUSE(spec->range_count > RAY_COST_RANGE_MAX, RAY_E_RANGE, ray_cost_multiplier_spec,
           range_count);
    for (uint32_t i = 0; i < RAY_COST_RANGE_MAX; i++) {
        uint32_t used = i < spec->range_count;
        REFUSE(used ? spec->from[i] >= RAY_WEEK_MINUTES : spec->from[i] != 0, RAY_E_RANGE,
               ray_cost_multiplier_spec, from);
        REFUSE(used ? spec->to[i] > RAY_WEEK_MINUTES : spec->to[i] != 0, RAY_E_RANGE,
               ray_cost_multiplier_spec, to);
    }
    REFUSE(spec->by_bp > RAY_COST_BY_MAX, RAY_E_RANGE, ray_cost_multiplier_spec, by_bp);
    REFUSE(spec->plan != RAY_NONE && spec->plan >= plan_count, RAY_E_UNKNOWN,
           ray_cost_multiplier_spec, plan);
    REFUSE(spec->utc_offset_minutes < -OFFSET_MINUTES_MAX ||
               spec->utc_offset_minutes > OFFSET_MINUTES_MAX,
           RAY_E_RANGE, ray_cost_multiplier_spec, utc_offset_minutes);
    REFUSE(spec->priority >= RAY_CLASS_MAX && spec->priority != RAY_CLASS_DEFAULT, RAY_E_ARGUMENT,
           ray_cost_multiplier_spec, priority);
    REFUSE(ray_is_zero(spec->reserved, sizeof spec->reserved) == 0, RAY_E_ARGUMENT,
           ray_cost_multiplier_spec, reserved);
    return RAY_OK;
}

ray_status ray_cost_tier_check(const ray_cost_tier_spec *spec, uint32_t *field)
{
    REFUSE(spec->above_units == 0 || spec->above_units > RAY_UNITS_MAX, RAY_E_RANGE,
           ray_cost_tier_spec, above_units);
    REFUSE(spec->metric >= RAY_COST_METRIC_MAX, RAY_E_ARGUMENT, ray_cost_tier_spec, metric);
    REFUSE(spec->price_pico > PRICE_MAX || spec->price_pico < -PRICE_MAX, RAY_E_RANGE,
           ray_cost_tier_spec, price_pico);
    REFUSE(spec->price_pico < 0 && spec->metric != RAY_COST_CACHE, RAY_E_ARGUMENT,
           ray_cost_tier_spec, price_pico);
    return RAY_OK;
}

ray_status ray_cost_alert_check_spec(const ray_cost_alert_spec *spec,
                                     const ray_config_counts *counts, uint32_t *field)
{
    REFUSE(ray_name_valid(&spec->name) == 0, RAY_E_ARGUMENT, ray_cost_alert_spec, name);
    REFUSE(spec->threshold_nano <= 0, RAY_E_RANGE, ray_cost_alert_spec, threshold_nano);
    REFUSE(spec->of_nano < 0, RAY_E_RANGE, ray_cost_alert_spec, of_nano);
    REFUSE(spec->ppm > PPM_MAX, RAY_E_RANGE, ray_cost_alert_spec, ppm);
    REFUSE((spec->ppm == 0) != (spec->of_nano == 0), RAY_E_ARGUMENT, ray_cost_alert_spec, ppm);
    REFUSE(spec->ppm != 0 && ray_mul_compare((uint64_t)spec->threshold_nano, 1000000,
                                             (uint64_t)spec->of_nano, spec->ppm) != 0,
           RAY_E_ARGUMENT, ray_cost_alert_spec, threshold_nano);
    REFUSE(spec->tenant != RAY_NONE &&
               (spec->tenant >= counts->tenant_count || spec->tenant >= RAY_TENANT_MAX),
           RAY_E_UNKNOWN, ray_cost_alert_spec, tenant);
    REFUSE(spec->service != RAY_NONE && (spec->service & COST_SLOT_MASK) >= counts->service_count,
           RAY_E_UNKNOWN, ray_cost_alert_spec, service);
    REFUSE(spec->reserved != 0, RAY_E_ARGUMENT, ray_cost_alert_spec, reserved);
    return RAY_OK;
}

ray_status ray_billing_check(const ray_billing_spec *spec, uint32_t *field)
{
    uint32_t month = spec->every == RAY_BILL_MONTH;
    REFUSE(ray_name_valid(&spec->currency) == 0 &&
               ray_is_zero(&spec->currency, sizeof spec->currency) == 0,
           RAY_E_ARGUMENT, ray_billing_spec, currency);
    REFUSE(spec->grace_ns > GRACE_MAX, RAY_E_RANGE, ray_billing_spec, grace_ns);
    REFUSE(spec->every > RAY_BILL_MONTH, RAY_E_ARGUMENT, ray_billing_spec, every);
    REFUSE(spec->anchor_ns < 0 || spec->anchor_ns >= DAY_NS, RAY_E_RANGE, ray_billing_spec,
           anchor_ns);
    REFUSE(month ? spec->anchor_day < 1 || spec->anchor_day > 31 : spec->anchor_day != 0,
           RAY_E_RANGE, ray_billing_spec, anchor_day);
    REFUSE(spec->utc_offset_minutes < -OFFSET_MINUTES_MAX ||
               spec->utc_offset_minutes > OFFSET_MINUTES_MAX,
           RAY_E_RANGE, ray_billing_spec, utc_offset_minutes);
    REFUSE(spec->digits > DIGITS_MAX, RAY_E_RANGE, ray_billing_spec, digits);
    REFUSE(ray_is_zero(spec->reserved, sizeof spec->reserved) == 0, RAY_E_ARGUMENT,
           ray_billing_spec, reserved);
    return RAY_OK;
}

/* -- multipliers that may meet -- */
uint32_t ray_cost_measured(const ray_cost_spec *spec, const ray_cost_tier_spec *tiers,
                           uint32_t count)
{
    uint32_t measured = spec->measured;
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        measured |= (uint32_t)(spec->price_pico[metric] != 0) << metric;
    for (uint32_t i = 0; i < count; i++)
        measured |= 1U << tiers[i].metric;
    return measured;
}

/* Every multiplier of one plan and class, whatever the time. */
static ray_status meeting_check(const ray_cost_multiplier_spec *rows, uint32_t count,
                                uint32_t measured, uint32_t plan, uint32_t priority)
{
    uint64_t product_bp = ONCE_BP;
    uint32_t two = 0, five = 0;
    for (uint32_t i = 0; i < count; i++) {
        ray_cost_factor factor;
        if ((rows[i].plan != RAY_NONE && rows[i].plan != plan) ||
            (rows[i].priority != RAY_CLASS_DEFAULT && rows[i].priority != priority))
            continue;
        ray_cost_factor_fill(&factor, &rows[i]);
        two += factor.two;
        five += factor.five;
        if (rows[i].by_bp > ONCE_BP)
            product_bp = (product_bp * rows[i].by_bp + ONCE_BP - 1) / ONCE_BP;
        if (product_bp > (uint64_t)RAY_COST_TOGETHER_MAX * ONCE_BP)
            return RAY_E_RANGE;
    }
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        if ((measured >> metric & 1) != 0 && ray_cost_scale_holds(metric, two, five) == 0)
            return RAY_E_RATE;
    return RAY_OK;
}

ray_status ray_cost_together_check(const ray_cost_multiplier_spec *rows, uint32_t count,
                                   uint32_t measured)
{
    ray_status status = RAY_OK;
    for (uint32_t priority = 0; priority < RAY_CLASS_MAX && status == RAY_OK; priority++) {
        status = meeting_check(rows, count, measured, RAY_NONE, priority);
        for (uint32_t i = 0; i < count && status == RAY_OK; i++)
            if (rows[i].plan != RAY_NONE)
                status = meeting_check(rows, count, measured, rows[i].plan, priority);
    }
    return status;
}

/* -- the sections of a blob -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint32_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = field;
    return status;
}

static ray_status books_check(const ray_cost_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report)
{
    for (uint32_t row = 0; row < counts->cost_count; row++) {
        uint32_t field;
        ray_status status = ray_cost_spec_check(&rows->books[row], counts->service_count, &field);
        if (status == RAY_OK && rows->books[row].service >= counts->service_count)
            status = RAY_E_UNKNOWN; /* a file's services have no generation */
        if (status != RAY_OK)
            return refuse(report, status, SECTION_COST, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (rows->books[before].service == rows->books[row].service)
                return refuse(report, RAY_E_EXISTS, SECTION_COST, row,
                              offsetof(ray_cost_spec, service));
    }
    return RAY_OK;
}

static ray_status multipliers_check(const ray_cost_rows *rows, const ray_config_counts *counts,
                                    ray_config_report *report)
{
    uint32_t field, last = 0;
    for (uint32_t row = 0; row < counts->cost_multiplier_count; row++) {
        const ray_cost_multiplier_spec *spec = &rows->multipliers[row];
        ray_status status = ray_cost_multiplier_check(spec, counts->plan_count, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_MULTIPLIER, row, field);
        if (spec->book >= counts->cost_count || spec->book < last)
            return refuse(report, RAY_E_UNKNOWN, SECTION_MULTIPLIER, row,
                          offsetof(ray_cost_multiplier_spec, book));
        last = spec->book;
    }
    return RAY_OK;
}

/* 1 when row `row` stands where it may: by book, metric and ascending bound. */
static uint32_t in_order(const ray_cost_tier_spec *tiers, uint32_t row)
{
    if (row == 0 || tiers[row].book != tiers[row - 1].book)
        return row == 0 || tiers[row].book > tiers[row - 1].book;
    if (tiers[row].metric != tiers[row - 1].metric)
        return tiers[row].metric > tiers[row - 1].metric;
    return tiers[row].above_units > tiers[row - 1].above_units;
}

static ray_status tiers_check(const ray_cost_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report)
{
    uint32_t field;
    for (uint32_t row = 0; row < counts->cost_tier_count; row++) {
        ray_status status = ray_cost_tier_check(&rows->tiers[row], &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_TIER, row, field);
        if (rows->tiers[row].book >= counts->cost_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_TIER, row,
                          offsetof(ray_cost_tier_spec, book));
        if (in_order(rows->tiers, row) == 0)
            return refuse(report, RAY_E_ARGUMENT, SECTION_TIER, row,
                          offsetof(ray_cost_tier_spec, above_units));
    }
    return RAY_OK;
}

static ray_status together_check(const ray_cost_rows *rows, const ray_config_counts *counts,
                                 ray_config_report *report)
{
    uint32_t from = 0, tier = 0;
    for (uint32_t book = 0; book < counts->cost_count; book++) {
        uint32_t count = 0, tiers = 0;
        while (from + count < counts->cost_multiplier_count &&
               rows->multipliers[from + count].book == book)
            count++;
        while (tier + tiers < counts->cost_tier_count && rows->tiers[tier + tiers].book == book)
            tiers++;
        uint32_t measured = ray_cost_measured(&rows->books[book], rows->tiers + tier, tiers);
        ray_status status = ray_cost_together_check(rows->multipliers + from, count, measured);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_MULTIPLIER, from,
                          offsetof(ray_cost_multiplier_spec, by_bp));
        from += count;
        tier += tiers;
    }
    return RAY_OK;
}

static ray_status alerts_check(const ray_cost_rows *rows, const ray_config_counts *counts,
                               ray_config_report *report)
{
    uint32_t field;
    for (uint32_t row = 0; row < counts->cost_alert_count; row++) {
        const ray_cost_alert_spec *spec = &rows->alerts[row];
        ray_status status = ray_cost_alert_check_spec(spec, counts, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_ALERT, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (ray_name_same(&rows->alerts[before].name, &spec->name) != 0 &&
                rows->alerts[before].threshold_nano == spec->threshold_nano)
                return refuse(report, RAY_E_EXISTS, SECTION_ALERT, row,
                              offsetof(ray_cost_alert_spec, threshold_nano));
    }
    return RAY_OK;
}

ray_status ray_cost_check(const ray_cost_rows *rows, const ray_config_counts *counts,
                          ray_config_report *report)
{
    uint32_t field;
    ray_status status = RAY_OK;
    if (counts->billing_count != 0 &&
        (status = ray_billing_check(rows->billing, &field)) != RAY_OK)
        return refuse(report, status, SECTION_BILLING, 0, field);
    if (counts->cost_count > RAY_SERVICE_MAX)
        return refuse(report, RAY_E_FULL, SECTION_COST, RAY_SERVICE_MAX, 0);
    if (counts->cost_multiplier_count > RAY_COST_MULTIPLIER_MAX)
        return refuse(report, RAY_E_FULL, SECTION_MULTIPLIER, RAY_COST_MULTIPLIER_MAX, 0);
    if (counts->cost_tier_count > RAY_COST_TIER_MAX)
        return refuse(report, RAY_E_FULL, SECTION_TIER, RAY_COST_TIER_MAX, 0);
    if (counts->cost_alert_count > RAY_COST_ALERT_MAX)
        return refuse(report, RAY_E_FULL, SECTION_ALERT, RAY_COST_ALERT_MAX, 0);
    status = books_check(rows, counts, report);
    if (status == RAY_OK)
        status = multipliers_check(rows, counts, report);
    if (status == RAY_OK)
        status = tiers_check(rows, counts, report);
    if (status == RAY_OK)
        status = together_check(rows, counts, report);
    if (status == RAY_OK)
        status = alerts_check(rows, counts, report);
    return status;
}
