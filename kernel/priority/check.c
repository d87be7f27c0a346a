/* SPDX-License-Identifier: MIT */
/* check.c - what the rules may say, field by field. */
#include "parts.h"

enum { SECTION_QUEUE = 40, SECTION_SERVICE_QUEUE = 41, SECTION_SLA = 42 };

/* The first rule broken ends the list; a rule is a line. */
#define REFUSE(type, condition, code, name) \
    if (condition) { \
        *field = (uint32_t)offsetof(type, name); \
        return code; \
    }

ray_status ray_queue_spec_check(const ray_queue_spec *spec, uint32_t *field)
{
    for (uint32_t i = 0; i < RAY_CLASS_MAX; i++)
        REFUSE(ray_queue_spec, spec->weight[i] < 1 || spec->weight[i] > RAY_QUEUE_WEIGHT_MAX,
               RAY_E_RANGE, weight);
    REFUSE(ray_queue_spec, spec->critical_cap > RAY_QUEUE_CAP_MAX, RAY_E_RANGE, critical_cap);
    REFUSE(ray_queue_spec, spec->servers > RAY_QUEUE_SERVERS_MAX, RAY_E_RANGE, servers);
    REFUSE(ray_queue_spec, spec->depth < 1 || spec->depth > RAY_QUEUE_DEPTH_MAX, RAY_E_RANGE,
           depth);
    REFUSE(ray_queue_spec, spec->flows < 1 || spec->flows > RAY_QUEUE_FLOW_MAX, RAY_E_RANGE, flows);
    REFUSE(ray_queue_spec, spec->displace > 1, RAY_E_ARGUMENT, displace);
    REFUSE(ray_queue_spec, spec->earliest_deadline > 1, RAY_E_ARGUMENT, earliest_deadline);
    REFUSE(ray_queue_spec, spec->flow_by > RAY_FLOW_ADDRESS, RAY_E_ARGUMENT, flow_by);
    REFUSE(ray_queue_spec, spec->reserved != 0, RAY_E_ARGUMENT, reserved);
    return RAY_OK;
}

ray_status ray_service_queue_check(const ray_service_queue_spec *spec, uint32_t *field)
{
    REFUSE(ray_service_queue_spec, spec->servers > RAY_QUEUE_SERVERS_MAX, RAY_E_RANGE, servers);
    REFUSE(ray_service_queue_spec, spec->depth < 1 || spec->depth > RAY_QUEUE_DEPTH_MAX,
           RAY_E_RANGE, depth);
    REFUSE(ray_service_queue_spec, spec->flows < 1 || spec->flows > RAY_QUEUE_FLOW_MAX, RAY_E_RANGE,
           flows);
    return RAY_OK;
}

ray_status ray_sla_spec_check(const ray_sla_spec *spec, uint32_t *field)
{
    REFUSE(ray_sla_spec, spec->p95_latency_ns == 0 || spec->p95_latency_ns > INT64_MAX, RAY_E_RANGE,
           p95_latency_ns);
    REFUSE(ray_sla_spec, spec->deadline_ns > INT64_MAX, RAY_E_RANGE, deadline_ns);
    REFUSE(ray_sla_spec, spec->error_rate_bp > RAY_SLA_BP_MAX, RAY_E_RANGE, error_rate_bp);
    REFUSE(ray_sla_spec, spec->priority >= RAY_CLASS_MAX && spec->priority != RAY_CLASS_DEFAULT,
           RAY_E_ARGUMENT, priority);
    REFUSE(ray_sla_spec, spec->reserved != 0, RAY_E_ARGUMENT, reserved);
    return RAY_OK;
}

/* -- sections of a blob -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint32_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = field;
    return status;
}

static ray_status services_check(const ray_service_queue_spec *rows,
                                 const ray_config_counts *counts, ray_config_report *report)
{
    const uint32_t at = (uint32_t)offsetof(ray_service_queue_spec, service);
    for (uint32_t row = 0; row < counts->service_queue_count; row++) {
        uint32_t field;
        if (rows[row].service >= counts->service_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_SERVICE_QUEUE, row, at);
        ray_status status = ray_service_queue_check(&rows[row], &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_SERVICE_QUEUE, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (rows[before].service == rows[row].service)
                return refuse(report, RAY_E_EXISTS, SECTION_SERVICE_QUEUE, row, at);
    }
    return RAY_OK;
}

static ray_status slas_check(const ray_sla_spec *rows, const ray_config_counts *counts,
                             ray_config_report *report)
{
    const uint32_t at = (uint32_t)offsetof(ray_sla_spec, service);
    for (uint32_t row = 0; row < counts->sla_count; row++) {
        uint32_t field;
        if (rows[row].service >= counts->service_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_SLA, row, at);
        ray_status status = ray_sla_spec_check(&rows[row], &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_SLA, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (rows[before].service == rows[row].service)
                return refuse(report, RAY_E_EXISTS, SECTION_SLA, row, at);
    }
    return RAY_OK;
}

ray_status ray_priority_check(const ray_priority_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report)
{
    uint32_t field;
    if (counts->queue_count > 1)
        return refuse(report, RAY_E_FULL, SECTION_QUEUE, 1, 0);
    if (counts->queue_count == 1) {
        ray_status status = ray_queue_spec_check(rows->queue, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_QUEUE, 0, field);
    }
    ray_status status = services_check(rows->services, counts, report);
    return status == RAY_OK ? slas_check(rows->slas, counts, report) : status;
}
