/* SPDX-License-Identifier: MIT */
/* cmd_policy_test.c - what the rules would say about a request that is described word by word, and
 * why each of the others does not apply. */
#include "cmd_policy.h"
#include "parts.h"

enum { COLUMN = 24, HEADER_BYTES = RAY_NAME_BYTES + RAY_POLICY_VALUE_BYTES + 4 };

static ray_policy *policies_of(const ray_call *call)
{
    return ray_policy_of(call->ray);
}

/* -- the request (private) -- */
static ray_status targets_read(ray_call *call, ray_policy_query *query)
{
    ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_route_row route;
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--service", &at, &length) &&
        ray_gateway_find_service(gateway, at, length, &query->service) != RAY_OK)
        return ray_call_unknown_value(call, "no such service", at, length, RAY_COMPLETE_SERVICE);
    if (!ray_call_option(call, "--route", &at, &length))
        return RAY_OK;
    if (ray_gateway_find_route(gateway, at, length, &query->route) != RAY_OK)
        return ray_call_unknown_value(call, "no such route", at, length, RAY_COMPLETE_ROUTE);
    if (query->service == RAY_NONE && ray_call_is(call, 1, "test") &&
        ray_gateway_read_route(gateway, query->route, &route) == RAY_OK)
        query->service = route.spec->service;
    return RAY_OK;
}

static ray_status people_read(ray_call *call, ray_policy_query *query)
{
    ray_tenant_spec tenant;
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--method", &at, &length)) {
        query->method = ray_method_of(at, length);
        if (query->method == RAY_METHOD_OTHER)
            return ray_option_refuse(call, RAY_E_SYNTAX, "a method is GET, HEAD, POST, PUT, "
                                                         "DELETE, PATCH or OPTIONS, "
                                                         "not", at, length);
    }
    if (ray_call_option(call, "--role", &at, &length)) {
        query->role = ray_role_of(at, length);
        if (query->role == RAY_NONE)
            return ray_option_refuse(call, RAY_E_SYNTAX,
                                     "not a role (none admin service-account user guest)", at,
                                     length);
    }
    if (ray_call_option(call, "--tenant", &at, &length)) {
        if (ray_tenant_find(call->ray, at, length, &query->tenant) != RAY_OK)
            return ray_call_unknown_value(call, "no such tenant", at, length, RAY_COMPLETE_TENANT);
        if (ray_tenant_read(call->ray, query->tenant, &tenant) == RAY_OK)
            query->plan = tenant.plan;
    }
    return RAY_OK;
}

ray_status ray_policy_query_read(ray_call *call, ray_policy_query *query, uint64_t *now_ns)
{
    const char *at;
    uint32_t length;
    uint64_t unix_ns;
    __builtin_memset(query, 0, sizeof *query);
    query->service = query->route = query->method = query->role = RAY_NONE;
    query->tenant = query->plan = RAY_NONE;
    query->wall_offset_ns = ray_call_wall_offset(call);
    query->headers_known = 1;
    *now_ns = call->now_ns;
    if (ray_call_option(call, "--at", &at, &length)) {
        if (ray_parse_time(at, length, &unix_ns) != RAY_OK)
            return ray_option_refuse(call, RAY_E_SYNTAX,
                                     "a time is such as 2026-01-05T23:00:00Z, not",
                                     at, length);
        query->wall_offset_ns = (int64_t)(unix_ns - *now_ns);
    }
    ray_status status = targets_read(call, query);
    return status == RAY_OK ? people_read(call, query) : status;
}

static ray_status client_read(ray_call *call, ray_policy_query *query, uint8_t *packed)
{
    const char *at;
    uint32_t length, colon = 0;
    if (ray_call_option(call, "--ip", &at, &length)) {
        if (ray_parse_address(at, length, &query->address) != RAY_OK)
            return ray_option_refuse(call, RAY_E_SYNTAX, "an address is such as 192.0.2.7 or "
                                                         "2001:db8::7, not", at, length);
        query->address_known = 1;
    }
    if (!ray_call_option(call, "--header", &at, &length))
        return RAY_OK;
    while (colon < length && at[colon] != ':')
        colon++;
    uint32_t from = colon < length ? colon + 1 : length;
    if (colon == 0 || length + 4 > HEADER_BYTES)
        return ray_option_refuse(call, RAY_E_SYNTAX, "not a header such as \"X-Role: admin\"", at,
                                 length);
    packed[0] = (uint8_t)colon;
    packed[2] = (uint8_t)(length - from);
    __builtin_memcpy(packed + 4, at, colon);
    __builtin_memcpy(packed + 4 + colon, at + from, length - from);
    query->headers.at = packed;
    query->headers.length = 4 + colon + (length - from);
    return RAY_OK;
}

/* -- the answer (private) -- */
static void name_of(const ray_call *call, uint32_t rule, ray_name *out)
{
    ray_by_name(call->ray, RAY_BY_POLICY, rule, out);
}

static void trace_json(ray_call *call, const ray_policy_row *row, const ray_policy_trace *trace)
{
    static const char *const truths[] = {"false", "unknown", "true"};
    ray_text_json_open(call->out, 0, '{');
    ray_text_json_name(call->out, "policy", &row->spec->name);
    ray_text_json_bool(call->out, "enabled", row->spec->enabled);
    ray_text_json_literal(call->out, "mode", ray_mode_word(row->spec->mode));
    ray_text_json_literal(call->out, "truth", truths[trace->truth]);
    ray_text_json_bool(call->out, "matched", trace->matched);
    if (trace->field == RAY_FIELD_MAX)
        ray_text_json_null(call->out, "field");
    else
        ray_text_json_literal(call->out, "field", ray_policy_field_word(trace->field));
    ray_text_json_close(call->out, '}');
}

static void trace_text(ray_call *call, const ray_policy_row *row, const ray_policy_trace *trace)
{
    static const char *const truths[] = {"does not hold", "is not known", "holds"};
    ray_text_put(call->out, "  ");
    ray_text_name(call->out, &row->spec->name, 24);
    ray_text_put(call->out, trace->matched != 0 ? " matches" : " no");
    if (trace->field != RAY_FIELD_MAX) {
        ray_text_put(call->out, ": ");
        ray_text_put(call->out, ray_policy_field_word(trace->field));
        if (trace->field == RAY_FIELD_HEADER) {
            const ray_policy_header_spec *header = &row->header[trace->header];
            ray_text_char(call->out, ' ');
            ray_text_escaped(call->out, header->name, header->name_length);
        }
        ray_text_char(call->out, ' ');
        ray_text_put(call->out, truths[trace->truth]);
    }
    if (row->spec->enabled == 0 || row->spec->mode != RAY_MODE_ENFORCE) {
        ray_text_put(call->out, ", ");
        ray_text_put(call->out,
                     row->spec->enabled == 0 ? "disabled" : ray_mode_word(row->spec->mode));
    }
    ray_text_char(call->out, '\n');
}

static void put_traces(ray_call *call, uint64_t now_ns, const ray_policy_query *query)
{
    ray_policy_row row;
    ray_policy_trace trace;
    uint32_t rule;
    ray_status status;
    for (uint32_t place = 0;
         (status = ray_policy_at(policies_of(call), place, &rule)) != RAY_E_RANGE; place++) {
        if (status != RAY_OK || ray_policy_row_read(policies_of(call), rule, &row) != RAY_OK ||
            ray_policy_explain_rule(policies_of(call), now_ns, query, rule, &trace) != RAY_OK)
            continue;
        if (call->json)
            trace_json(call, &row, &trace);
        else
            trace_text(call, &row, &trace);
    }
}

static void put_verdict(ray_call *call, const ray_policy_answer *answer)
{
    ray_name by = {{0}}, would = {{0}};
    name_of(call, answer->by, &by);
    name_of(call, answer->would_by, &would);
    if (call->json) {
        ray_text_json_bool(call->out, "granted", answer->granted);
        ray_text_json_literal(call->out, "reason", ray_reason_word(answer->reason));
        ray_text_json_name(call->out, "by", &by);
        ray_text_json_u64(call->out, "http_status", answer->http_status);
        ray_text_json_literal(call->out, "would",
                              answer->would_reason ? ray_reason_word(answer->would_reason) : "");
        ray_text_json_name(call->out, "would_by", &would);
        return;
    }
    ray_text_put(call->out, answer->granted ? "yes, " : "no, ");
    ray_text_put(call->out, ray_reason_word(answer->reason));
    if (by.at[0] != '\0') {
        ray_text_put(call->out, " by ");
        ray_text_name(call->out, &by, 0);
    }
    if (answer->granted == 0) {
        ray_text_put(call->out, ", status ");
        ray_text_u64(call->out, answer->http_status);
    }
    ray_text_char(call->out, '\n');
    if (answer->would_reason != 0) {
        ray_text_put(call->out, "  shadow: ");
        ray_text_put(call->out, ray_reason_word(answer->would_reason));
        ray_text_put(call->out, " by ");
        ray_text_name(call->out, &would, 0);
        ray_text_char(call->out, '\n');
    }
}

/* Named limits and quotas, the class and the header that the answer brings. */
static void put_obligations(ray_call *call, const ray_policy_answer *answer)
{
    ray_name name;
    ray_view header, value;
    for (uint32_t i = 0; i < answer->limit_count; i++) {
        ray_by_name(call->ray, RAY_BY_LIMIT, answer->limits[i], &name);
        ray_line_name(call->out, COLUMN, "  asks limit", &name);
    }
    for (uint32_t i = 0; i < answer->quota_count; i++) {
        ray_by_name(call->ray, RAY_BY_QUOTA, answer->quotas[i], &name);
        ray_line_name(call->out, COLUMN, "  charges quota", &name);
    }
    if (answer->set_class != RAY_CLASS_DEFAULT)
        ray_line_word(call->out, COLUMN, "  priority", ray_class_word(answer->set_class));
    if (answer->redirects != 0) {
        ray_policy_location(policies_of(call), answer->redirect, &value);
        ray_line_begin(call->out, COLUMN, "  location");
        ray_text_escaped(call->out, (const char *)value.at, value.length);
        ray_text_char(call->out, '\n');
    }
    if (answer->header_rule != RAY_NONE) {
        ray_policy_header(policies_of(call), answer->header_rule, &header, &value);
        ray_line_begin(call->out, COLUMN, "  sets header");
        ray_text_escaped(call->out, (const char *)header.at, header.length);
        ray_text_put(call->out, ": ");
        ray_text_escaped(call->out, (const char *)value.at, value.length);
        ray_text_char(call->out, '\n');
    }
}

ray_status ray_policy_run_test(ray_call *call)
{
    ray_policy_query query;
    ray_policy_answer answer;
    uint64_t now_ns;
    uint8_t *packed = ray_call_memory(call, HEADER_BYTES);
    if (packed == 0)
        return ray_call_error(call, RAY_E_FULL, "no memory to work in", RAY_NONE, 0);
    ray_status status = ray_policy_query_read(call, &query, &now_ns);
    if (status == RAY_OK)
        status = client_read(call, &query, packed);
    if (status != RAY_OK)
        return status;
    if (!ray_policy_headers_sound(query.headers))
        return ray_call_error(call, RAY_E_SYNTAX,
                              "a header no gateway would believe; write NAME: VALUE", RAY_NONE, 0);
    status = ray_policy_ask(policies_of(call), now_ns, &query, &answer);
    if (status != RAY_OK)
        return ray_call_error(call, status, "no request can be like that", RAY_NONE, 0);
    if (call->json) {
        ray_text_json_open(call->out, 0, '{');
        put_verdict(call, &answer);
        ray_text_json_open(call->out, "policies", '[');
        put_traces(call, now_ns, &query);
        ray_text_json_close(call->out, ']');
        ray_json_end(call->out);
        return RAY_OK;
    }
    put_verdict(call, &answer);
    put_obligations(call, &answer);
    put_traces(call, now_ns, &query);
    return RAY_OK;
}
