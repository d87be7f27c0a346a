/* SPDX-License-Identifier: MIT */
/* traffic.c - requests that fit the running configuration: an example for the banner, and what
 * `demo` sends. */
#include "parts.h"

/* -- targets (private) -- */
/* The pattern with every star written out: "*" as the number, a last "**" as two segments. */
static void put_pattern(const ray_route_spec *spec, uint64_t number, ray_text *out)
{
    for (uint32_t i = 0; i < spec->pattern_length; i++) {
        uint32_t star = spec->kind == RAY_ROUTE_WILDCARD && spec->pattern[i] == '*';
        uint32_t two = star && i + 1 < spec->pattern_length && spec->pattern[i + 1] == '*';
        if (two) {
            ray_text_put(out, "part/");
            ray_text_u64(out, number);
            i++;
        } else if (star)
            ray_text_u64(out, number);
        else
            ray_text_char(out, spec->pattern[i]);
    }
    if (spec->kind != RAY_ROUTE_PREFIX)
        return;
    if (spec->pattern_length == 0 || spec->pattern[spec->pattern_length - 1] != '/')
        ray_text_char(out, '/');
    ray_text_u64(out, number);
}

/* What a target alone cannot say. */
static uint32_t needs_more(const ray_route_spec *spec)
{
    return spec->kind == RAY_ROUTE_REGEX || spec->header_count != 0 || spec->query_count != 0 ||
           spec->host_length != 0;
}

/* A value that the match accepts; one that must be absent has none. */
static void put_value(const ray_match_spec *match, ray_text *out)
{
    if (match->how == RAY_MATCH_PRESENT)
        ray_text_char(out, '1');
    else
        ray_text_bytes(out, match->value, match->value_length);
}

static void put_queries(const ray_route_spec *spec, ray_text *out)
{
    char mark = '?';
    for (uint32_t i = 0; i < spec->query_count; i++) {
        if (spec->queries[i].how == RAY_MATCH_ABSENT)
            continue;
        ray_text_char(out, mark);
        ray_text_bytes(out, spec->queries[i].name, spec->queries[i].name_length);
        ray_text_char(out, '=');
        put_value(&spec->queries[i], out);
        mark = '&';
    }
}

void ray_u16_put(ray_text *out, uint64_t value)
{
    ray_text_char(out, (char)(uint8_t)value);
    ray_text_char(out, (char)(uint8_t)(value >> 8));
}

/* Header lines packed as in ray/gateway.h. */
static void put_headers(const ray_route_spec *spec, ray_text *out)
{
    for (uint32_t i = 0; i < spec->header_count; i++) {
        const ray_match_spec *match = &spec->headers[i];
        if (match->how == RAY_MATCH_ABSENT)
            continue;
        ray_u16_put(out, match->name_length);
        ray_u16_put(out, match->how == RAY_MATCH_PRESENT ? 1 : match->value_length);
        ray_text_bytes(out, match->name, match->name_length);
        put_value(match, out);
    }
}

/* -- targets -- */
uint32_t ray_target_put(struct ray *ray, uint32_t id, uint64_t number, ray_text *out)
{
    ray_route_row row;
    if (ray_gateway_read_route(ray_gateway_of(ray), id, &row) != RAY_OK)
        return 0;
    if (row.spec->kind == RAY_ROUTE_REGEX) {
        if (ray_gateway_put_example(ray_gateway_of(ray), id, number, out) == 0)
            return 0;
    } else
        put_pattern(row.spec, number, out);
    put_queries(row.spec, out);
    return 1;
}

void ray_target_more_put(struct ray *ray, uint32_t id, ray_row *to, ray_text *out)
{
    ray_route_row row;
    if (ray_gateway_read_route(ray_gateway_of(ray), id, &row) != RAY_OK)
        return;
    const ray_route_spec *spec = row.spec;
    uint32_t any = spec->host_length > 1 && spec->host[0] == '*';
    to->host_at = (uint32_t)out->length;
    ray_text_put(out, any ? "demo" : "");
    ray_text_bytes(out, spec->host + any, spec->host_length - any);
    to->host_length = (uint32_t)out->length - to->host_at;
    to->headers_at = (uint32_t)out->length;
    put_headers(spec, out);
    to->headers_length = (uint32_t)out->length - to->headers_at;
}

uint32_t ray_target_method(struct ray *ray, uint32_t id)
{
    uint32_t method = RAY_METHOD_GET;
    ray_route_row row;
    if (ray_gateway_read_route(ray_gateway_of(ray), id, &row) == RAY_OK && row.spec->methods != 0)
        while (method < RAY_METHOD_MAX - 1 && (row.spec->methods >> method & 1U) == 0)
            method++;
    return method;
}

/* The first route in precedence that can be written out, one that serves GET if there is any. */
static uint32_t example_route(struct ray *ray)
{
    const ray_gateway *gateway = ray_gateway_of(ray);
    uint32_t any = RAY_NONE;
    uint32_t id;
    ray_route_row row;
    for (uint32_t rank = 0; (id = ray_gateway_ranked_route(gateway, rank)) != RAY_NONE; rank++)
        if (ray_gateway_read_route(gateway, id, &row) == RAY_OK && needs_more(row.spec) == 0) {
            if (ray_target_method(ray, id) == RAY_METHOD_GET)
                return id;
            any = any == RAY_NONE ? id : any;
        }
    return any;
}

void ray_example_put(struct ray *ray, ray_text *out)
{
    uint32_t id = example_route(ray);
    ray_text_put(out, ray_method_word(ray_target_method(ray, id)));
    ray_text_char(out, ' ');
    if (ray_target_put(ray, id, 7, out) == 0)
        ray_text_char(out, '/');
}
