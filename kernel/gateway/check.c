/* SPDX-License-Identifier: MIT */
/* check.c - what a row may say, from a file or from the console alike; every byte is looked at. */
#include "gateway_state.h"

#define FIELD(type, member) ((uint32_t)offsetof(type, member))

/* -- texts -- */
static uint32_t is_printable(const char *at, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (at[i] < 0x20 || at[i] > 0x7e)
            return 0;
    return 1;
}

/* `length` bytes of use and zeros behind them. */
static uint32_t is_padded(const char *at, uint32_t length, uint32_t capacity)
{
    return length <= capacity && ray_is_zero(at + length, capacity - length);
}

static uint32_t is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':' || c == '[' || c == ']';
}

static uint32_t is_host(const char *at, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (!is_host_byte(at[i]) || (at[i] == '.' && (i == 0 || at[i - 1] == '.')))
            return 0;
    return length == 0 || at[length - 1] != '.';
}

/* A name, or "*." and a name. No port: routes are for hosts. */
static uint32_t is_host_pattern(const char *at, uint32_t length)
{
    uint32_t skip = length > 2 && at[0] == '*' && at[1] == '.' ? 2 : 0;
    ray_view whole = {(const uint8_t *)at + skip, length - skip}, bare;
    return is_host(at + skip, length - skip) && ray_gateway_host_read(whole, &bare) &&
           bare.length == whole.length && (length == 0 || length > skip);
}

ray_status ray_gateway_check_service(const ray_service_spec *spec, uint32_t *field)
{
    *field = FIELD(ray_service_spec, name);
    if (!ray_name_valid(&spec->name))
        return RAY_E_SYNTAX;
    *field = FIELD(ray_service_spec, host);
    uint32_t length = 0;
    while (length < RAY_HOST_BYTES && spec->host[length] != '\0')
        length++;
    if (length == RAY_HOST_BYTES || !is_padded(spec->host, length, RAY_HOST_BYTES) ||
        !is_host(spec->host, length))
        return RAY_E_SYNTAX;
    *field = FIELD(ray_service_spec, healthy);
    if (spec->healthy > 1)
        return RAY_E_RANGE;
    *field = FIELD(ray_service_spec, mode);
    return spec->mode == RAY_MODE_ENFORCE || spec->mode == RAY_MODE_OFF ? RAY_OK : RAY_E_RANGE;
}

/* -- patterns -- */

/* '*' stands for a whole segment, "**" for all that is left; at most RAY_CAPTURE_MAX of them. */
static ray_status check_wildcards(const char *at, uint32_t length)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < length; i++) {
        if (at[i] != '*')
            continue;
        uint32_t rest = i + 1 < length && at[i + 1] == '*';
        uint32_t end = i + 1 + rest;
        if (i == 0 || at[i - 1] != '/' || (end < length && (rest != 0 || at[end] != '/')))
            return RAY_E_SYNTAX;
        if (++count > RAY_CAPTURE_MAX)
            return RAY_E_RANGE;
        i += rest;
    }
    return RAY_OK;
}

static ray_status check_pattern(const ray_route_spec *spec)
{
    uint32_t length = spec->pattern_length;
    ray_view pattern = {(const uint8_t *)spec->pattern, length};
    if (length == 0 || length > RAY_ROUTE_PATTERN_BYTES)
        return RAY_E_RANGE;
    if (!is_printable(spec->pattern, length) ||
        !is_padded(spec->pattern, length, RAY_ROUTE_PATTERN_BYTES))
        return RAY_E_SYNTAX;
    if (spec->kind == RAY_ROUTE_REGEX)
        return RAY_OK;
    if (!ray_gateway_path_settled(pattern, spec->allow_escapes))
        return RAY_E_SYNTAX;
    return spec->kind == RAY_ROUTE_WILDCARD ? check_wildcards(spec->pattern, length) : RAY_OK;
}

/* -- matches -- */
static ray_status check_match(const ray_match_spec *match)
{
    if (match->name_length == 0 || match->name_length > RAY_NAME_BYTES ||
        match->value_length > RAY_MATCH_VALUE_BYTES || match->how > RAY_MATCH_ABSENT)
        return RAY_E_RANGE;
    if (!is_padded(match->name, match->name_length, RAY_NAME_BYTES) ||
        !is_padded(match->value, match->value_length, RAY_MATCH_VALUE_BYTES) ||
        !is_printable(match->name, match->name_length) ||
        !is_printable(match->value, match->value_length) || !ray_is_zero(match->reserved, 5))
        return RAY_E_SYNTAX;
    if (match->how >= RAY_MATCH_PRESENT && match->value_length != 0)
        return RAY_E_ARGUMENT;
    return RAY_OK;
}

static ray_status check_matches(const ray_match_spec *matches, uint32_t count, uint32_t capacity)
{
    ray_status status = RAY_OK;
    if (count > capacity)
        return RAY_E_RANGE;
    for (uint32_t i = 0; i < count && status == RAY_OK; i++)
        status = check_match(&matches[i]);
    if (status == RAY_OK && !ray_is_zero(matches + count, (capacity - count) * sizeof *matches))
        status = RAY_E_SYNTAX;
    return status;
}

/* -- routes -- */
static ray_status check_numbers(const ray_route_spec *spec, uint32_t *field)
{
    *field = FIELD(ray_route_spec, methods);
    if ((spec->methods & ~0xfeU) != 0)
        return RAY_E_RANGE;
    *field = FIELD(ray_route_spec, weight);
    if (spec->weight == 0)
        return RAY_E_RANGE;
    *field = FIELD(ray_route_spec, limit_count);
    if (spec->limit_count > RAY_ROUTE_LIMIT_MAX)
        return RAY_E_RANGE;
    *field = FIELD(ray_route_spec, auth);
    if (spec->auth > 2)
        return RAY_E_RANGE;
    *field = FIELD(ray_route_spec, allow_escapes);
    if (spec->allow_escapes > 1)
        return RAY_E_RANGE;
    *field = FIELD(ray_route_spec, permission);
    if (spec->permission > 8 || (spec->permission & (spec->permission - 1)) != 0)
        return RAY_E_RANGE; /* one bit, or none */
    *field = FIELD(ray_route_spec, role);
    return spec->role < RAY_ROLE_MAX ? RAY_OK : RAY_E_RANGE;
}

ray_status ray_gateway_check_route(const ray_route_spec *spec, uint32_t *field)
{
    *field = FIELD(ray_route_spec, name);
    if (!ray_name_valid(&spec->name))
        return RAY_E_SYNTAX;
    *field = FIELD(ray_route_spec, kind);
    if (spec->kind > RAY_ROUTE_REGEX)
        return RAY_E_RANGE;
    ray_status status = check_numbers(spec, field);
    if (status != RAY_OK)
        return status;
    *field = FIELD(ray_route_spec, host);
    if (spec->host_length > RAY_HOST_BYTES)
        return RAY_E_RANGE;
    if (!is_padded(spec->host, spec->host_length, RAY_HOST_BYTES) ||
        !is_host_pattern(spec->host, spec->host_length))
        return RAY_E_SYNTAX;
    *field = FIELD(ray_route_spec, headers);
    status = check_matches(spec->headers, spec->header_count, RAY_ROUTE_HEADER_MAX);
    if (status != RAY_OK)
        return status;
    *field = FIELD(ray_route_spec, queries);
    status = check_matches(spec->queries, spec->query_count, RAY_ROUTE_QUERY_MAX);
    if (status != RAY_OK)
        return status;
    *field = FIELD(ray_route_spec, pattern);
    return check_pattern(spec);
}

/* -- sections -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint32_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = field;
    return status;
}

static ray_status check_services(const ray_service_spec *services, uint32_t count,
                                 ray_config_report *report)
{
    uint32_t field = 0;
    if (count > RAY_SERVICE_MAX)
        return refuse(report, RAY_E_FULL, RAY_GATEWAY_SECTION_SERVICE, RAY_SERVICE_MAX, 0);
    for (uint32_t i = 0; i < count; i++) {
        ray_status status = ray_gateway_check_service(&services[i], &field);
        for (uint32_t j = 0; j < i && status == RAY_OK; j++)
            if (ray_name_same(&services[j].name, &services[i].name)) {
                status = RAY_E_EXISTS;
                field = FIELD(ray_service_spec, name);
            }
        if (status != RAY_OK)
            return refuse(report, status, RAY_GATEWAY_SECTION_SERVICE, i, field);
    }
    return RAY_OK;
}

/* Every table of the section; *count becomes how many there are. */
static ray_status check_tables(ray_view tables, uint32_t *count, ray_config_report *report)
{
    ray_dfa_header header;
    ray_view table = {tables.at, 0};
    *count = 0;
    if (tables.length > RAY_DFA_POOL_BYTES)
        return refuse(report, RAY_E_FULL, RAY_GATEWAY_SECTION_DFA, 0, 0);
    for (uint64_t at = 0; at < tables.length; at += table.length) {
        ray_status status = RAY_E_TRUNCATED;
        if (*count == RAY_DFA_MAX)
            return refuse(report, RAY_E_FULL, RAY_GATEWAY_SECTION_DFA, *count, (uint32_t)at);
        if (tables.length - at >= sizeof header) {
            memcpy(&header, tables.at + at, sizeof header);
            table.at = tables.at + at;
            table.length = header.length;
            if (table.length <= tables.length - at)
                status = ray_gateway_check_table(table);
        }
        if (status != RAY_OK)
            return refuse(report, status, RAY_GATEWAY_SECTION_DFA, *count, (uint32_t)at);
        *count += 1;
    }
    return RAY_OK;
}

/* What a row refers to: a service, named limits, a table when it is a regex. */
static ray_status check_references(const ray_route_spec *spec, const ray_config_counts *counts,
                                   uint32_t table_count, uint32_t *field)
{
    *field = FIELD(ray_route_spec, service);
    if (spec->service >= counts->service_count)
        return RAY_E_UNKNOWN;
    *field = FIELD(ray_route_spec, limits);
    for (uint32_t i = 0; i < spec->limit_count; i++)
        if (spec->limits[i] >= counts->limit_count)
            return RAY_E_UNKNOWN;
    *field = FIELD(ray_route_spec, dfa);
    if (spec->kind == RAY_ROUTE_REGEX)
        return spec->dfa < table_count ? RAY_OK : RAY_E_UNKNOWN;
    return spec->dfa == RAY_NONE ? RAY_OK : RAY_E_ARGUMENT;
}

ray_status ray_gateway_check(const ray_service_spec *services, const ray_route_spec *routes,
                             ray_view tables, const ray_config_counts *counts,
                             ray_config_report *report)
{
    uint32_t table_count = 0, field = 0;
    ray_status status = check_services(services, counts->service_count, report);
    if (status == RAY_OK)
        status = check_tables(tables, &table_count, report);
    if (status != RAY_OK)
        return status;
    if (counts->route_count > RAY_ROUTE_MAX)
        return refuse(report, RAY_E_FULL, RAY_GATEWAY_SECTION_ROUTE, RAY_ROUTE_MAX, 0);
    for (uint32_t i = 0; i < counts->route_count; i++) {
        status = ray_gateway_check_route(&routes[i], &field);
        if (status == RAY_OK)
            status = check_references(&routes[i], counts, table_count, &field);
        for (uint32_t j = 0; j < i && status == RAY_OK; j++)
            if (ray_name_same(&routes[j].name, &routes[i].name)) {
                status = RAY_E_EXISTS;
                field = FIELD(ray_route_spec, name);
            }
        if (status != RAY_OK)
            return refuse(report, status, RAY_GATEWAY_SECTION_ROUTE, i, field);
    }
    return RAY_OK;
}
