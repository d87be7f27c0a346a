/* SPDX-License-Identifier: MIT */
/* alert_control.c - alerts as rows: what one may say, adding, removing, acknowledging, a section of
 * a blob, and a reload that keeps what still means the same. */
#include <stddef.h>
#include "base/heap.h"
#include "parts.h"

enum { SECTION_ALERT = 70, WINDOW_SECONDS_MAX = 3600 };
#define ABOVE_MAX 0x7fffffffffffffffULL
#define FOR_MAX   0x2000000000000000ULL
#define FIELD(name) ((uint32_t)offsetof(ray_alert_spec, name))
#define REFUSE(condition, code, name) \
    if (condition) {                  \
        *field = FIELD(name);         \
        return code;                  \
    }

/* -- handles -- */
uint32_t ray_gov_alert_handle(const ray_governance *governance, uint32_t place)
{
    return place | governance->config.generation[place] << 16;
}

ray_status ray_gov_alert_place(const ray_governance *governance, uint32_t alert, uint32_t *place)
{
    uint32_t at = alert & RAY_GOV_SLOT_MASK;
    if (at >= RAY_ALERT_RULE_MAX || alert >> 16 > governance->config.issued[at])
        return RAY_E_UNKNOWN;
    if (ray_gov_alert_used(governance, at) == 0)
        return alert >> 16 != 0 ? RAY_E_STALE : RAY_E_UNKNOWN;
    if (ray_gov_alert_handle(governance, at) != alert)
        return RAY_E_STALE;
    *place = at;
    return RAY_OK;
}

ray_status ray_governance_alert_find(const ray_governance *governance, const char *name,
                                     uint64_t length, uint32_t *alert)
{
    ray_name wanted;
    if (ray_name_set(&wanted, name, length) == 0)
        return RAY_E_UNKNOWN;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++)
        if (ray_name_same(&governance->config.alert[place].name, &wanted) != 0) {
            *alert = ray_gov_alert_handle(governance, place);
            return RAY_OK;
        }
    return RAY_E_UNKNOWN;
}

ray_status ray_governance_alert_at(const ray_governance *governance, uint32_t place,
                                   uint32_t *alert)
{
    if (place >= RAY_ALERT_RULE_MAX)
        return RAY_E_RANGE;
    if (ray_gov_alert_used(governance, place) == 0)
        return RAY_E_UNKNOWN;
    *alert = ray_gov_alert_handle(governance, place);
    return RAY_OK;
}

ray_status ray_governance_alert_read(const ray_governance *governance, uint32_t alert,
                                     ray_alert_spec *spec, ray_alert *out)
{
    uint32_t place;
    ray_status status = ray_gov_alert_place(governance, alert, &place);
    if (status != RAY_OK)
        return status;
    const ray_alert_slot *slot = &governance->tally.alert[place];
    *spec = governance->config.alert[place];
    *out = (ray_alert){.value = slot->value,
                       .since_ns = slot->since_ns,
                       .fired_count = slot->fired_count,
                       .alert = alert,
                       .state = slot->state,
                       .acknowledged = slot->acknowledged};
    return RAY_OK;
}

/* -- the check -- */
ray_status ray_gov_alert_check(const ray_alert_spec *spec, uint32_t *field)
{
    uint64_t seconds = spec->window_ns / SECOND_NS;
    uint32_t grain = seconds == 1 || seconds == SECONDS_OF_MINUTE || seconds == SECONDS_OF_HOUR;
    REFUSE(ray_name_valid(&spec->name) == 0, RAY_E_ARGUMENT, name);
    REFUSE(spec->above > ABOVE_MAX, RAY_E_RANGE, above);
    REFUSE(spec->clear_below == 0 || spec->clear_below > spec->above + 1, RAY_E_RANGE, clear_below);
    REFUSE(spec->for_ns > FOR_MAX, RAY_E_RANGE, for_ns);
    REFUSE(seconds == 0 || seconds > WINDOW_SECONDS_MAX || spec->window_ns % SECOND_NS != 0,
           RAY_E_RANGE, window_ns);
    REFUSE(spec->metric >= RAY_ALERT_METRIC_MAX, RAY_E_ARGUMENT, metric);
    REFUSE(spec->metric == RAY_ALERT_LATENCY_P95 && !grain, RAY_E_RANGE, window_ns);
    REFUSE(spec->metric == RAY_ALERT_LATENCY_P95 && spec->tenant != RAY_NONE, RAY_E_ARGUMENT,
           tenant);
    REFUSE(spec->metric == RAY_ALERT_QUEUED && spec->service != RAY_NONE &&
               spec->tenant != RAY_NONE,
           RAY_E_ARGUMENT, tenant);
    REFUSE(ray_is_zero(spec->reserved, sizeof spec->reserved) == 0, RAY_E_ARGUMENT, reserved);
    return RAY_OK;
}

static ray_status references_check(const ray_alert_spec *spec, const ray_config_counts *counts,
                                   uint32_t *field)
{
    REFUSE(spec->service != RAY_NONE && spec->service >= counts->service_count, RAY_E_ARGUMENT,
           service);
    REFUSE(spec->tenant != RAY_NONE && spec->tenant >= counts->tenant_count, RAY_E_ARGUMENT,
           tenant);
    return RAY_OK;
}

static ray_status refuse(ray_config_report *report, ray_status status, uint32_t row, uint32_t field)
{
    report->status = status;
    report->section = SECTION_ALERT;
    report->row = row;
    report->field = field;
    return status;
}

ray_status ray_governance_check(const ray_alert_spec *rows, const ray_config_counts *counts,
                                ray_config_report *report)
{
    if (counts->alert_count > RAY_ALERT_RULE_MAX)
        return refuse(report, RAY_E_FULL, RAY_ALERT_RULE_MAX, 0);
    for (uint32_t row = 0; row < counts->alert_count; row++) {
        uint32_t field = 0;
        ray_status status = ray_gov_alert_check(&rows[row], &field);
        if (status == RAY_OK)
            status = references_check(&rows[row], counts, &field);
        if (status != RAY_OK)
            return refuse(report, status, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (ray_name_same(&rows[before].name, &rows[row].name) != 0)
                return refuse(report, RAY_E_EXISTS, row, FIELD(name));
    }
    return RAY_OK;
}

/* -- control -- */
ray_status ray_governance_alert_set(ray_governance *governance, uint64_t now_ns,
                                    const ray_alert_spec *spec, uint32_t *alert)
{
    ray_governance_config *config = &governance->config;
    uint32_t field, place = 0, handle;
    ray_status status = ray_gov_alert_check(spec, &field);
    if (status != RAY_OK)
        return status;
    if (ray_governance_alert_find(governance, spec->name.at, ray_name_length(&spec->name),
                                  &handle) == RAY_OK) {
        place = handle & RAY_GOV_SLOT_MASK;
    } else {
        while (place < RAY_ALERT_RULE_MAX && (ray_gov_alert_used(governance, place) != 0 ||
                                              config->issued[place] == RAY_GOV_SLOT_MASK))
            place++;
        if (place == RAY_ALERT_RULE_MAX)
            return RAY_E_FULL;
        config->generation[place] = ++config->issued[place];
    }
    ray_gov_pass(governance, now_ns);
    config->alert[place] = *spec;
    ray_gov_alert_begin(governance, place, now_ns);
    ray_gov_pairs_watch(governance);
    *alert = ray_gov_alert_handle(governance, place);
    return RAY_OK;
}

ray_status ray_governance_alert_remove(ray_governance *governance, uint32_t alert)
{
    uint32_t place;
    ray_status status = ray_gov_alert_place(governance, alert, &place);
    if (status != RAY_OK)
        return status;
    ray_gov_alert_drop(governance, place);
    ray_gov_pairs_watch(governance);
    return RAY_OK;
}

ray_status ray_governance_alert_acknowledge(ray_governance *governance, uint32_t alert)
{
    uint32_t place;
    ray_status status = ray_gov_alert_place(governance, alert, &place);
    if (status != RAY_OK)
        return status;
    if (governance->tally.alert[place].state != RAY_ALERT_FIRING)
        return RAY_E_STATE;
    governance->tally.alert[place].acknowledged = 1;
    for (uint32_t i = 0; i < RAY_ALERT_EVENT_MAX; i++)
        if (governance->tally.event[i].id != 0 && governance->tally.event[i].alert == alert)
            governance->tally.event[i].acknowledged = 1;
    return RAY_OK;
}

ray_status ray_governance_event_read(const ray_governance *governance, uint64_t id,
                                     ray_alert_event *out)
{
    const ray_governance_tally *tally = &governance->tally;
    if (id == 0 || id > tally->event_count)
        return RAY_E_UNKNOWN;
    if (tally->event_count - id >= RAY_ALERT_EVENT_MAX)
        return RAY_E_STALE;
    *out = tally->event[(id - 1) % RAY_ALERT_EVENT_MAX];
    return RAY_OK;
}

ray_status ray_governance_event_acknowledge(ray_governance *governance, uint64_t id)
{
    ray_alert_event event;
    ray_status status = ray_governance_event_read(governance, id, &event);
    if (status == RAY_OK)
        governance->tally.event[(id - 1) % RAY_ALERT_EVENT_MAX].acknowledged = 1;
    return status;
}
