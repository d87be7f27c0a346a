/* SPDX-License-Identifier: MIT */
/* export.c - every queue and its SLA as CSV and JSON: fixed columns, whole numbers, by place. */
#include "parts.h"

enum { COLUMN_MAX = 32 };

typedef struct columns {
    const char *name[COLUMN_MAX];
    uint64_t value[COLUMN_MAX];
    uint32_t count;
    uint32_t reserved;
} columns;

static void add(columns *row, const char *name, uint64_t value)
{
    row->name[row->count] = name;
    row->value[row->count++] = value;
}

static uint32_t worth_a_row(const ray_priority *priority, uint32_t place)
{
    const ray_queue_tail *tail = &priority->tally.queue[place];
    return priority->config.row[place].own != 0 || priority->config.sla[place].used != 0 ||
           tail->queued_count + tail->denied_count + tail->service_ns != 0 ||
           priority->book.queue[place].busy != 0;
}

/* The handle whose place it is: of its SLA, its row, or whoever used it last. */
static uint32_t service_at(const ray_priority *priority, uint32_t place)
{
    if (priority->config.sla[place].used != 0)
        return priority->config.sla[place].spec.service;
    if (priority->config.row[place].own != 0)
        return priority->config.row[place].own - 1;
    uint32_t service = priority->book.queue[place].service;
    return (service & RAY_QUEUE_SLOT_MASK) == place ? service : place;
}

static void queue_columns(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                          columns *row)
{
    static const char *const depths[RAY_CLASS_MAX] = {"critical", "high", "normal", "low", "batch"};
    ray_queue_stats queue;
    if (ray_priority_queue_read(priority, now_ns, service, &queue) != RAY_OK)
        return;
    add(row, "service", service);
    add(row, "servers", queue.servers);
    add(row, "busy", queue.busy_count);
    add(row, "depth_max", queue.depth_max);
    add(row, "flows", queue.flows);
    add(row, "waiting", queue.waiting_count);
    add(row, "delayed", queue.delayed_count);
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        add(row, depths[class], queue.depth[class]);
    add(row, "oldest_ns", queue.oldest_ns);
    add(row, "queued_count", queue.queued_count);
    add(row, "sent_count", queue.sent_count);
    add(row, "denied_count", queue.denied_count);
    add(row, "wait_sum_ns", queue.wait_sum_ns);
    add(row, "service_ns", queue.service_ns);
}

/* Zeros where the service promises nothing: a p95 of 0 cannot be promised. */
static void sla_columns(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                        columns *row)
{
    ray_sla_spec spec = {0};
    ray_sla_stats sla = {0};
    if (ray_priority_sla_spec_read(priority, service, &spec) == RAY_OK)
        (void)ray_priority_sla_read(priority, now_ns, service, &sla);
    add(row, "sla_p95_latency_ns", spec.p95_latency_ns);
    add(row, "sla_deadline_ns", spec.deadline_ns != 0 ? spec.deadline_ns : spec.p95_latency_ns);
    add(row, "sla_error_rate_bp", spec.error_rate_bp);
    add(row, "sla_outcome_count", sla.outcome_count);
    add(row, "sla_failed_count", sla.failed_count);
    add(row, "sla_slow_count", sla.slow_count);
    add(row, "sla_missed_count", sla.missed_count);
    add(row, "sla_minute_count", sla.minute_count);
    add(row, "sla_breach_count", sla.breach_count);
    add(row, "sla_errors_breach_count", sla.errors_breach_count);
    add(row, "sla_latency_breach_count", sla.latency_breach_count);
}

static void row_of(const ray_priority *priority, uint64_t now_ns, uint32_t service, columns *row)
{
    row->count = 0;
    queue_columns(priority, now_ns, service, row);
    sla_columns(priority, now_ns, service, row);
}

ray_status ray_priority_export_csv(const ray_priority *priority, uint64_t now_ns, ray_text *text)
{
    columns row;
    row_of(priority, now_ns, 0, &row);
    for (uint32_t i = 0; i < row.count; i++) {
        ray_text_put(text, i != 0 ? "," : "");
        ray_text_put(text, row.name[i]);
    }
    ray_text_char(text, '\n');
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        if (!worth_a_row(priority, place))
            continue;
        row_of(priority, now_ns, service_at(priority, place), &row);
        for (uint32_t i = 0; i < row.count; i++) {
            ray_text_put(text, i != 0 ? "," : "");
            ray_text_u64(text, row.value[i]);
        }
        ray_text_char(text, '\n');
    }
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

ray_status ray_priority_export_json(const ray_priority *priority, uint64_t now_ns, ray_text *text)
{
    columns row;
    ray_text_json_open(text, 0, '[');
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        if (!worth_a_row(priority, place))
            continue;
        row_of(priority, now_ns, service_at(priority, place), &row);
        ray_text_json_open(text, 0, '{');
        for (uint32_t i = 0; i < row.count; i++)
            ray_text_json_u64(text, row.name[i], row.value[i]);
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
