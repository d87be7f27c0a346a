/* SPDX-License-Identifier: MIT */
/* export.c - services and routes as JSON and CSV: equal states give equal bytes. */
#include "gateway_state.h"

const char *ray_route_kind_word(uint32_t kind)
{
    switch (kind) {
    case RAY_ROUTE_EXACT: return "exact";
    case RAY_ROUTE_PREFIX: return "prefix";
    case RAY_ROUTE_WILDCARD: return "wildcard";
    case RAY_ROUTE_REGEX: return "regex";
    default: return "?";
    }
}

static uint64_t text_length(const char *at, uint64_t capacity)
{
    uint64_t length = 0;
    while (length < capacity && at[length] != '\0')
        length++;
    return length;
}

static const char *mode_word(uint32_t mode)
{
    return mode == RAY_MODE_OFF ? "off" : "enforce";
}

/* -- JSON -- */
static void json_counts(ray_text *out, const ray_gateway_count *count)
{
    ray_text_json_u64(out, "asked", count->asked_count);
    ray_text_json_u64(out, "granted", count->granted_count);
    ray_text_json_u64(out, "denied", count->denied_count);
}

static void json_service(ray_text *out, const char *key, const ray_service_row *row)
{
    const ray_service_spec *spec = row->spec;
    ray_text_json_open(out, key, '{');
    ray_text_json_u64(out, "id", row->id);
    ray_text_json_name(out, "name", &spec->name);
    ray_text_json_string(out, "host", spec->host, text_length(spec->host, RAY_HOST_BYTES));
    ray_text_json_u64(out, "port", spec->port);
    ray_text_json_bool(out, "healthy", spec->healthy);
    ray_text_json_literal(out, "mode", mode_word(spec->mode));
    ray_text_json_u64(out, "timeout_ns", spec->timeout_ns);
    ray_text_json_u64(out, "body_bytes_max", spec->body_bytes_max);
    ray_text_json_u64(out, "routes", row->route_count);
    json_counts(out, &row->count);
    ray_text_json_close(out, '}');
}

static void json_methods(ray_text *out, uint32_t methods)
{
    ray_text_json_open(out, "methods", '[');
    for (uint32_t i = RAY_METHOD_GET; i < RAY_METHOD_MAX; i++)
        if ((methods >> i & 1U) != 0)
            ray_text_json_literal(out, NULL, ray_method_word(i));
    ray_text_json_close(out, ']');
}

static void json_matches(ray_text *out, const char *key, const ray_match_spec *matches,
                         uint32_t count)
{
    static const char how[][9] = {"exact", "prefix", "contains", "present", "absent"};
    ray_text_json_open(out, key, '[');
    for (uint32_t i = 0; i < count; i++) {
        ray_text_json_open(out, NULL, '{');
        ray_text_json_string(out, "name", matches[i].name, matches[i].name_length);
        ray_text_json_literal(out, "how", how[matches[i].how]);
        ray_text_json_string(out, "value", matches[i].value, matches[i].value_length);
        ray_text_json_close(out, '}');
    }
    ray_text_json_close(out, ']');
}

static void json_route(ray_text *out, const char *key, const ray_gateway_config *config,
                       const ray_route_row *row)
{
    const ray_route_spec *spec = row->spec;
    ray_text_json_open(out, key, '{');
    ray_text_json_u64(out, "id", row->id);
    ray_text_json_name(out, "name", &spec->name);
    ray_text_json_name(out, "service", &config->service[spec->service & 0xffff].name);
    ray_text_json_literal(out, "kind", ray_route_kind_word(spec->kind));
    ray_text_json_string(out, "pattern", spec->pattern, spec->pattern_length);
    ray_text_json_string(out, "host", spec->host, spec->host_length);
    json_methods(out, spec->methods);
    ray_text_json_i64(out, "priority", spec->priority);
    ray_text_json_u64(out, "rank", row->rank);
    ray_text_json_u64(out, "weight", spec->weight);
    ray_text_json_literal(out, "auth", ray_need_word(spec->auth));
    ray_text_json_literal(out, "role", ray_role_word(spec->role));
    ray_text_json_literal(out, "permission", ray_permission_word(spec->permission));
    ray_text_json_bool(out, "allow_escapes", spec->allow_escapes);
    json_matches(out, "headers", spec->headers, spec->header_count);
    json_matches(out, "queries", spec->queries, spec->query_count);
    ray_text_json_u64(out, "dfa_states", row->dfa_states);
    json_counts(out, &row->count);
    ray_text_json_close(out, '}');
}

static void export_json(const ray_gateway *gateway, ray_text *out)
{
    ray_service_row service;
    ray_route_row route;
    ray_text_json_open(out, NULL, '{');
    ray_text_json_open(out, "services", '[');
    for (uint32_t id = ray_gateway_next_service(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_service(gateway, id))
        if (ray_gateway_read_service(gateway, id, &service) == RAY_OK)
            json_service(out, NULL, &service);
    ray_text_json_close(out, ']');
    ray_text_json_open(out, "routes", '[');
    for (uint32_t id = ray_gateway_next_route(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_route(gateway, id))
        if (ray_gateway_read_route(gateway, id, &route) == RAY_OK)
            json_route(out, NULL, &gateway->config, &route);
    ray_text_json_close(out, ']');
    ray_text_json_close(out, '}');
}

void ray_gateway_export_row(const ray_gateway *gateway, uint32_t service, uint32_t route,
                            ray_text *out)
{
    ray_service_row service_row;
    ray_route_row route_row;
    if (ray_gateway_read_service(gateway, service, &service_row) == RAY_OK)
        json_service(out, "service", &service_row);
    else
        ray_text_json_null(out, "service");
    if (ray_gateway_read_route(gateway, route, &route_row) == RAY_OK)
        json_route(out, "route", &gateway->config, &route_row);
    else
        ray_text_json_null(out, "route");
}

/* -- CSV -- */
static void csv_cell(ray_text *out, const char *at, uint64_t length)
{
    ray_text_csv(out, at, length);
    ray_text_char(out, ',');
}

static void csv_number(ray_text *out, uint64_t value)
{
    ray_text_u64(out, value);
    ray_text_char(out, ',');
}

/* "GET POST", or any. */
static void csv_methods(ray_text *out, uint32_t methods)
{
    uint32_t said = 0;
    for (uint32_t i = RAY_METHOD_GET; i < RAY_METHOD_MAX; i++)
        if ((methods >> i & 1U) != 0) {
            ray_text_put(out, said++ != 0 ? " " : "");
            ray_text_put(out, ray_method_word(i));
        }
    ray_text_put(out, methods == 0 ? "any," : ",");
}

static void csv_counts(ray_text *out, const ray_gateway_count *count)
{
    csv_number(out, count->asked_count);
    csv_number(out, count->granted_count);
    ray_text_u64(out, count->denied_count);
    ray_text_put(out, "\n");
}

static void csv_name(ray_text *out, const ray_name *name)
{
    csv_cell(out, name->at, ray_name_length(name));
}

static void export_services(const ray_gateway *gateway, ray_text *out)
{
    ray_service_row row;
    ray_text_put(out, "id,name,host,port,healthy,mode,timeout_ns,body_bytes_max,routes,"
                      "asked,granted,denied\n");
    for (uint32_t id = ray_gateway_next_service(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_service(gateway, id)) {
        if (ray_gateway_read_service(gateway, id, &row) != RAY_OK)
            continue;
        csv_number(out, id);
        csv_name(out, &row.spec->name);
        csv_cell(out, row.spec->host, text_length(row.spec->host, RAY_HOST_BYTES));
        csv_number(out, row.spec->port);
        csv_number(out, row.spec->healthy);
        ray_text_put(out, mode_word(row.spec->mode));
        ray_text_char(out, ',');
        csv_number(out, row.spec->timeout_ns);
        csv_number(out, row.spec->body_bytes_max);
        csv_number(out, row.route_count);
        csv_counts(out, &row.count);
    }
}

static void export_routes(const ray_gateway *gateway, ray_text *out)
{
    const ray_gateway_config *config = &gateway->config;
    ray_text_put(out, "id,name,service,kind,pattern,host,methods,priority,rank,weight,auth,role,"
                      "permission,asked,granted,denied\n");
    for (uint32_t rank = 0; rank < config->route_count; rank++) {
        uint32_t slot = config->index.ranked[rank];
        const ray_route_spec *spec = &config->route[slot];
        csv_number(out, ray_gateway_ranked_route(gateway, rank));
        csv_name(out, &spec->name);
        csv_name(out, &config->service[spec->service & 0xffff].name);
        ray_text_put(out, ray_route_kind_word(spec->kind));
        ray_text_char(out, ',');
        csv_cell(out, spec->pattern, spec->pattern_length);
        csv_cell(out, spec->host, spec->host_length);
        csv_methods(out, spec->methods);
        ray_text_i64(out, spec->priority);
        ray_text_char(out, ',');
        csv_number(out, rank);
        csv_number(out, spec->weight);
        ray_text_put(out, ray_need_word(spec->auth));
        ray_text_char(out, ',');
        ray_text_put(out, ray_role_word(spec->role));
        ray_text_char(out, ',');
        ray_text_put(out, ray_permission_word(spec->permission));
        ray_text_char(out, ',');
        csv_counts(out, &gateway->tally.route[slot]);
    }
}

ray_status ray_gateway_export(const ray_gateway *gateway, uint32_t format, ray_text *out)
{
    if (format > RAY_GATEWAY_EXPORT_SERVICES_CSV)
        return RAY_E_ARGUMENT;
    if (format == RAY_GATEWAY_EXPORT_JSON)
        export_json(gateway, out);
    else if (format == RAY_GATEWAY_EXPORT_ROUTES_CSV)
        export_routes(gateway, out);
    else
        export_services(gateway, out);
    return out->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
