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

static uint32_t needs_more(const ray_route_spec *spec)
{
    return spec->kind == RAY_ROUTE_REGEX || spec->header_count != 0 || spec->query_count != 0 ||
           spec->host_length != 0;
}

/* -- targets -- */
uint32_t ray_target_put(struct ray *ray, uint32_t id, uint64_t number, ray_text *out)
{
    ray_route_row row;
    if (ray_gateway_read_route(ray_gateway_of(ray), id, &row) != RAY_OK ||
        needs_more(row.spec) != 0)
        return 0;
    put_pattern(row.spec, number, out);
    return 1;
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
