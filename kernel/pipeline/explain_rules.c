/* SPDX-License-Identifier: MIT */
/* explain_rules.c - what the policies, the price and the queue say to one request, for a person:
 * which rule decided, and of every other one the first condition that failed. */
#include "pipeline/journey.h"
#include "base/bytes.h"

/* -- policies -- */
static uint32_t is_in(const uint64_t *set, uint32_t rule)
{
    return (uint32_t)(set[(rule & 0xffffU) / 64] >> (rule & 63U)) & 1U;
}

/* How one rule stands to the request, in one word. */
static const char *stands(const ray_journey *journey, uint32_t rule, const ray_policy_row *row,
                          const ray_policy_trace *trace)
{
    const ray_policy_answer *policy = &journey->policy;
    if (row->spec->enabled == 0 || row->spec->mode == RAY_MODE_OFF)
        return "off";
    if (policy->by == rule)
        return "decides";
    if (is_in(policy->matched, rule) != 0)
        return "matches";
    if (is_in(policy->shadow_matched, rule) != 0)
        return "matches (shadow)";
    return trace->truth == RAY_TRUTH_UNKNOWN ? "unknown" : "no";
}

static void trace_of(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                     const ray_journey *journey, uint32_t rule, ray_policy_trace *trace)
{
    ray_policy_query query;
    memset(trace, 0, sizeof *trace);
    ray_policy_query_of(ray, rows, rows->row, journey, &query);
    ray_policy_explain_rule(&ray->policy, now_ns, &query, rule, trace);
}

/* The first condition that is not true: its field, and of a header its name. */
static void put_condition(const ray_policy_row *row, const ray_policy_trace *trace, ray_text *out)
{
    ray_text_put(out, ray_policy_field_word(trace->field));
    if (trace->field != RAY_FIELD_HEADER || trace->header >= row->spec->header_count)
        return;
    const ray_policy_header_spec *header = &row->header[trace->header];
    ray_text_char(out, ' ');
    ray_text_escaped(out, header->name, header->name_length);
}

static void explain_rule(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                         const ray_journey *journey, uint32_t rule, ray_text *out)
{
    ray_policy_row row;
    ray_policy_trace trace;
    ray_policy_row_read(&ray->policy, rule, &row);
    trace_of(ray, now_ns, rows, journey, rule, &trace);
    ray_explain_stage(out, "");
    ray_text_put(out, "  ");
    ray_text_name(out, &row.spec->name, 0);
    ray_text_put(out, " (");
    ray_text_put(out, ray_policy_action_word(row.spec->action));
    ray_text_put(out, "): ");
    ray_text_put(out, stands(journey, rule, &row, &trace));
    if (trace.truth != RAY_TRUTH_TRUE && trace.field < RAY_FIELD_MAX) {
        ray_text_put(out, trace.truth == RAY_TRUTH_UNKNOWN ? ", not known: " : ", fails at ");
        put_condition(&row, &trace, out);
    }
    ray_text_char(out, '\n');
}

void ray_explain_policy(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                        const ray_journey *journey, ray_text *out)
{
    const ray_policy_answer *policy = &journey->policy;
    uint32_t rule;
    ray_status status;
    if (policy->asked == 0)
        return;
    ray_explain_stage(out, "policy");
    ray_text_put(out, policy->granted != 0 ? "yes " : "NO  ");
    ray_text_put(out, ray_reason_word(policy->reason));
    if (policy->by != RAY_NONE) {
        ray_text_put(out, ", by ");
        ray_explain_name(ray, RAY_BY_POLICY, policy->by, out);
    }
    if (policy->set_class != RAY_CLASS_DEFAULT) {
        ray_text_put(out, ", class ");
        ray_text_put(out, ray_class_word(policy->set_class));
    }
    if (policy->would_by != RAY_NONE) {
        ray_text_put(out, ", with shadow rules ");
        ray_text_put(out, ray_reason_word(policy->would_reason));
    }
    ray_text_char(out, '\n');
    for (uint32_t at = 0; (status = ray_policy_at(&ray->policy, at, &rule)) != RAY_E_RANGE; at++)
        if (status == RAY_OK)
            explain_rule(ray, now_ns, rows, journey, rule, out);
}

static void json_rule(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                      const ray_journey *journey, uint32_t rule, ray_text *out)
{
    ray_policy_row row;
    ray_policy_trace trace;
    ray_policy_row_read(&ray->policy, rule, &row);
    trace_of(ray, now_ns, rows, journey, rule, &trace);
    ray_text_json_open(out, NULL, '{');
    ray_text_json_name(out, "rule", &row.spec->name);
    ray_text_json_literal(out, "action", ray_policy_action_word(row.spec->action));
    ray_text_json_literal(out, "stands", stands(journey, rule, &row, &trace));
    if (trace.truth != RAY_TRUTH_TRUE && trace.field < RAY_FIELD_MAX)
        ray_text_json_literal(out, "fails_at", ray_policy_field_word(trace.field));
    else
        ray_text_json_null(out, "fails_at");
    ray_text_json_close(out, '}');
}

void ray_explain_policy_json(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                             const ray_journey *journey, ray_text *out)
{
    const ray_policy_answer *policy = &journey->policy;
    uint32_t rule;
    ray_status status;
    if (policy->asked == 0)
        return;
    ray_text_json_open(out, "policy", '{');
    ray_text_json_bool(out, "granted", policy->granted);
    ray_text_json_literal(out, "reason", ray_reason_word(policy->reason));
    ray_text_json_open(out, "rules", '[');
    for (uint32_t at = 0; (status = ray_policy_at(&ray->policy, at, &rule)) != RAY_E_RANGE; at++)
        if (status == RAY_OK)
            json_rule(ray, now_ns, rows, journey, rule, out);
    ray_text_json_close(out, ']');
    ray_text_json_close(out, '}');
}

/* -- price and queue -- */
void ray_explain_queue(uint64_t now_ns, const ray_journey *journey, ray_text *out)
{
    const ray_priority_answer *queue = &journey->queue;
    if (journey->priced != 0) {
        ray_explain_stage(out, "cost");
        ray_text_put(out, "expected ");
        ray_text_fixed(out, journey->quote.nano, 9);
        ray_text_put(out, ", settled when it completes\n");
    }
    if (journey->queue_asked == 0)
        return;
    ray_explain_stage(out, "priority");
    ray_text_put(out, queue->granted != 0 ? "yes " : "NO  ");
    ray_text_put(out, ray_class_word(journey->priority));
    if (queue->granted == 0) {
        ray_text_put(out, ", ");
        ray_text_put(out, ray_reason_word(queue->reason));
    } else if (queue->queued == 0) {
        ray_text_put(out, ", a server is free: sent at once");
    } else {
        ray_text_put(out, ", waits behind ");
        ray_text_u64(out, queue->ahead);
        if (queue->wait_ns != 0) {
            ray_text_put(out, ", about ");
            ray_text_duration(out, queue->wait_ns);
        } else
            ray_text_put(out, ", nothing has told yet how long its service takes");
        if (queue->victim != RAY_NONE)
            ray_text_put(out, ", displaces a request of a lower class");
        if (queue->deadline_ns != RAY_NEVER) {
            ray_text_put(out, ", must be sent within ");
            ray_text_duration(out, queue->deadline_ns - now_ns);
        }
    }
    ray_text_char(out, '\n');
}

void ray_explain_queue_json(const ray_journey *journey, ray_text *out)
{
    const ray_priority_answer *queue = &journey->queue;
    if (journey->priced != 0)
        ray_text_json_i64(out, "quote_nano", journey->quote.nano);
    if (journey->queue_asked == 0)
        return;
    ray_text_json_open(out, "priority", '{');
    ray_text_json_bool(out, "granted", queue->granted);
    ray_text_json_literal(out, "class", ray_class_word(journey->priority));
    ray_text_json_literal(out, "reason", ray_reason_word(queue->reason));
    ray_text_json_bool(out, "queued", queue->queued);
    ray_text_json_u64(out, "ahead", queue->ahead);
    ray_text_json_u64(out, "wait_ns", queue->wait_ns);
    ray_text_json_close(out, '}');
}
