/* SPDX-License-Identifier: MIT */
/* cmd_gateway_show.c - one service or route in full, and where one request would go. */
#include "cmd_gateway.h"
#include "parts.h"

enum gateway_line { COLUMN = 16 };

/* -- show -- */
static void put_counts(ray_text *out, const ray_gateway_count *count)
{
    ray_line_begin(out, COLUMN, "  asked");
    ray_text_u64(out, count->asked_count);
    ray_text_put(out, ", granted ");
    ray_text_u64(out, count->granted_count);
    ray_text_put(out, ", denied ");
    ray_text_u64(out, count->denied_count);
    ray_text_char(out, '\n');
}

static void put_pool(ray_call *call, uint32_t service)
{
    ray_name name;
    ray_by_name(call->ray, RAY_BY_POOL, ray_lb_pool_of(ray_lb_of(call->ray), service), &name);
    if (name.at[0] != 0)
        ray_line_name(call->out, COLUMN, "  pool", &name);
    else
        ray_line_word(call->out, COLUMN, "  pool", "none");
}

/* What a route asks of who comes. */
static void put_rights(ray_text *out, uint32_t auth, uint32_t role, uint32_t permission)
{
    ray_line_begin(out, COLUMN, "  auth");
    ray_text_put(out, ray_need_word(auth));
    if (auth != RAY_AUTH_NONE) {
        if (role != RAY_ROLE_NONE) {
            ray_text_put(out, ", role ");
            ray_text_put(out, ray_role_word(role));
        }
        ray_text_put(out, ", permission ");
        ray_text_put(out, ray_permission_word(permission));
    }
    ray_text_char(out, '\n');
}

static void put_transform(ray_call *call, uint32_t route)
{
    ray_name name;
    ray_by_name(call->ray, RAY_BY_TRANSFORM,
                ray_mediator_transform_of(ray_mediator_of(call->ray), route), &name);
    if (name.at[0] != 0)
        ray_line_name(call->out, COLUMN, "  transform", &name);
}

static void show_service(ray_call *call, const ray_service_row *row)
{
    ray_text *out = call->out;
    const ray_service_spec *spec = row->spec;
    ray_text_put(out, "service ");
    ray_text_name(out, &spec->name, 0);
    ray_text_char(out, '\n');
    ray_line_u64(out, COLUMN, "  id", row->id);
    if (spec->host[0] != 0) {
        ray_line_begin(out, COLUMN, "  at");
        ray_text_put(out, spec->host);
        ray_text_put(out, " port ");
        ray_text_u64(out, spec->port);
        ray_text_char(out, '\n');
    }
    put_pool(call, row->id);
    ray_line_begin(out, COLUMN, "  health");
    ray_text_put(out, spec->healthy ? "up\n" : "down: answers 503\n");
    ray_line_word(out, COLUMN, "  mode", ray_mode_word(spec->mode));
    ray_line_duration(out, COLUMN, "  timeout", spec->timeout_ns);
    ray_line_begin(out, COLUMN, "  largest body");
    ray_text_u64(out, spec->body_bytes_max);
    ray_text_put(out, " bytes\n");
    ray_line_u64(out, COLUMN, "  routes", row->route_count);
    put_counts(out, &row->count);
}

static void put_matches(ray_text *out, const char *what, const ray_match_spec *matches,
                        uint32_t count)
{
    static const char how[][12] = {" = ", " begins ", " contains ", " present", " absent"};
    for (uint32_t i = 0; i < count; i++) {
        ray_line_begin(out, COLUMN, what);
        ray_text_escaped(out, matches[i].name, matches[i].name_length);
        ray_text_put(out, how[matches[i].how]);
        if (matches[i].how < RAY_MATCH_PRESENT) {
            ray_text_char(out, '"');
            ray_text_escaped(out, matches[i].value, matches[i].value_length);
            ray_text_char(out, '"');
        }
        ray_text_char(out, '\n');
    }
}

static void show_route(ray_call *call, const ray_route_row *row)
{
    ray_text *out = call->out;
    const ray_route_spec *spec = row->spec;
    ray_text_put(out, "route ");
    ray_text_name(out, &spec->name, 0);
    ray_text_char(out, '\n');
    ray_line_begin(out, COLUMN, "  id");
    ray_text_u64(out, row->id);
    ray_text_put(out, ", rank ");
    ray_text_u64(out, row->rank);
    ray_text_put(out, ", priority ");
    ray_text_i64(out, spec->priority);
    ray_text_char(out, '\n');
    ray_line_begin(out, COLUMN, "  path");
    ray_text_put(out, ray_route_kind_word(spec->kind));
    ray_text_char(out, ' ');
    ray_gateway_put_pattern(out, spec->pattern, spec->pattern_length);
    if (row->dfa_states != 0) {
        ray_text_put(out, ", ");
        ray_text_u64(out, row->dfa_states);
        ray_text_put(out, " states");
    }
    ray_text_char(out, '\n');
    if (spec->host_length != 0) {
        ray_line_begin(out, COLUMN, "  host");
        ray_text_escaped(out, spec->host, spec->host_length);
        ray_text_char(out, '\n');
    }
    ray_line_begin(out, COLUMN, "  methods");
    ray_gateway_put_methods(out, spec->methods);
    ray_text_char(out, '\n');
    put_matches(out, "  header", spec->headers, spec->header_count);
    put_matches(out, "  query", spec->queries, spec->query_count);
    ray_line_begin(out, COLUMN, "  service");
    ray_gateway_put_service(call, spec->service);
    ray_text_char(out, '\n');
    put_rights(out, spec->auth, spec->role, spec->permission);
    put_transform(call, row->id);
    ray_line_u64(out, COLUMN, "  weight", spec->weight);
    for (uint32_t i = 0; i < spec->limit_count; i++) {
        ray_name name;
        ray_line_begin(out, COLUMN, "  limit");
        ray_by_name(call->ray, RAY_BY_LIMIT, spec->limits[i], &name);
        ray_text_name(out, &name, 0);
        ray_text_char(out, '\n');
    }
    put_counts(out, &row->count);
}

/* What other modules know of a service and of a route. */
static void json_beside(ray_call *call, uint32_t service, uint32_t route)
{
    ray_json_named(call, "pool", RAY_BY_POOL, ray_lb_pool_of(ray_lb_of(call->ray), service));
    ray_json_named(call, "transform", RAY_BY_TRANSFORM,
                   ray_mediator_transform_of(ray_mediator_of(call->ray), route));
}

/* A name may be a service's and a route's at once; both are shown then. */
ray_status ray_gateway_run_show(ray_call *call)
{
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_service_row service;
    ray_route_row route;
    uint32_t service_id = 0, route_id = 0;
    uint32_t is_service = ray_gateway_find_service_word(call, 2, &service_id) &&
                          ray_gateway_read_service(gateway, service_id, &service) == RAY_OK;
    uint32_t is_route = ray_gateway_find_route_word(call, 2, &route_id) &&
                        ray_gateway_read_route(gateway, route_id, &route) == RAY_OK;
    if (!is_service && !is_route)
        return ray_call_unknown(call, "no such service or route", 2, RAY_COMPLETE_ROUTE);
    if (call->json) {
        ray_text_json_open(call->out, 0, '{');
        ray_gateway_export_row(gateway, is_service ? service_id : RAY_NONE,
                               is_route ? route_id : RAY_NONE, call->out);
        json_beside(call, is_service ? service_id : RAY_NONE, is_route ? route_id : RAY_NONE);
        ray_json_end(call->out);
        return RAY_OK;
    }
    if (is_service)
        show_service(call, &service);
    if (is_route)
        show_route(call, &route);
    return RAY_OK;
}

/* -- test -- */

/* Work memory of one question: what is asked, and where its bytes lie. */
typedef struct question {
    ray_gateway_query query;
    ray_gateway_answer answer;
    uint8_t scratch[RAY_TARGET_BYTES_MAX];
    uint8_t headers[4 * RAY_SHELL_LINE_MAX];
} question;

static void put_view(ray_text *out, ray_view view)
{
    ray_text_escaped(out, (const char *)view.at, view.length);
}

static void put_answer(ray_call *call, const ray_gateway_answer *answer)
{
    ray_text *out = call->out;
    ray_name name;
    ray_text_put(out, answer->granted ? "yes, " : "no, ");
    ray_text_u64(out, answer->http_status);
    ray_text_char(out, ' ');
    ray_text_put(out, ray_reason_word(answer->reason));
    ray_text_char(out, '\n');
    if (answer->route != RAY_NONE) {
        ray_by_name(call->ray, RAY_BY_ROUTE, answer->route, &name);
        ray_line_name(out, COLUMN, "  route", &name);
        put_rights(out, answer->auth, answer->role, answer->permission);
        put_transform(call, answer->route);
    }
    if (answer->service != RAY_NONE) {
        ray_line_begin(out, COLUMN, "  service");
        ray_gateway_put_service(call, answer->service);
        ray_text_char(out, '\n');
        put_pool(call, answer->service);
    }
    ray_line_begin(out, COLUMN, "  path");
    put_view(out, answer->path);
    ray_text_put(out, answer->rewritten ? " (rewritten)\n" : "\n");
    for (uint32_t i = 0; i < answer->capture_count; i++) {
        ray_view capture = {answer->path.at + answer->capture_at[i], answer->capture_length[i]};
        ray_line_begin(out, COLUMN, "  captured");
        put_view(out, capture);
        ray_text_char(out, '\n');
    }
    if (answer->allow != 0) {
        ray_line_begin(out, COLUMN, "  allow");
        ray_gateway_put_methods(out, answer->allow);
        ray_text_char(out, '\n');
    }
}

static void json_view(ray_text *out, const char *name, ray_view view)
{
    ray_text_json_string(out, name, (const char *)view.at, view.length);
}

static void json_answer(ray_call *call, const ray_gateway_answer *answer)
{
    ray_text *out = call->out;
    ray_name name;
    ray_text_json_open(out, 0, '{');
    ray_text_json_bool(out, "granted", answer->granted);
    ray_text_json_u64(out, "http_status", answer->http_status);
    ray_text_json_literal(out, "reason", ray_reason_word(answer->reason));
    ray_by_name(call->ray, RAY_BY_ROUTE, answer->route, &name);
    ray_text_json_name(out, "route", &name);
    ray_by_name(call->ray, RAY_BY_SERVICE, answer->service, &name);
    ray_text_json_name(out, "service", &name);
    json_beside(call, answer->service, answer->route);
    ray_text_json_literal(out, "auth", ray_need_word(answer->auth));
    ray_text_json_literal(out, "role", ray_role_word(answer->role));
    ray_text_json_literal(out, "permission", ray_permission_word(answer->permission));
    json_view(out, "path", answer->path);
    json_view(out, "query", answer->query);
    ray_text_json_bool(out, "rewritten", answer->rewritten);
    ray_text_json_open(out, "captures", '[');
    for (uint32_t i = 0; i < answer->capture_count; i++) {
        ray_view capture = {answer->path.at + answer->capture_at[i], answer->capture_length[i]};
        json_view(out, 0, capture);
    }
    ray_text_json_close(out, ']');
    ray_text_json_open(out, "allow", '[');
    for (uint32_t method = RAY_METHOD_GET; method < RAY_METHOD_MAX; method++)
        if ((answer->allow >> method & 1U) != 0)
            ray_text_json_literal(out, 0, ray_method_word(method));
    ray_json_list_end(out);
}

ray_status ray_gateway_run_test(ray_call *call)
{
    const char *at;
    uint32_t length;
    question *q = ray_call_memory(call, sizeof *q);
    if (q == 0)
        return ray_call_error(call, RAY_E_TRUNCATED, "no memory left for a request", RAY_NONE, 0);
    q->query.target.at = (const uint8_t *)call->word[3];
    q->query.target.length = call->length[3];
    q->query.scratch = q->scratch;
    q->query.method = ray_method_of(call->word[2], call->length[2]);
    q->query.service = RAY_NONE;
    if (ray_call_option(call, "--host", &at, &length)) {
        q->query.host.at = (const uint8_t *)at;
        q->query.host.length = length;
    }
    if (ray_call_option(call, "--body", &at, &length) &&
        ray_parse_bytes(at, length, &q->query.body_bytes) != RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "--body takes a size like 8KiB", RAY_NONE, 0);
    ray_status status = ray_call_headers(call, q->headers, &length);
    q->query.headers = (ray_view){q->headers, length};
    if (status == RAY_OK)
        status = ray_gateway_ask(ray_gateway_of(call->ray), call->now_ns, &q->query, &q->answer);
    if (status != RAY_OK)
        return status;
    if (call->json)
        json_answer(call, &q->answer);
    else
        put_answer(call, &q->answer);
    return RAY_OK;
}
