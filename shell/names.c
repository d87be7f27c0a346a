/* SPDX-License-Identifier: MIT */
/* names.c - names that live in the machine, and which of them a wrong word was nearest to. */
#include "parts.h"

/* -- the nearest word (private) -- */
static uint32_t lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (uint32_t)(c + 32) : (uint32_t)(uint8_t)c;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: how many inserts, drops, changes and swaps of neighbours lead from a to
 * b. */
static uint32_t edits_between(const char *a, uint32_t a_length, const char *b, uint32_t b_length)
{
    uint8_t rows[3][RAY_NAME_BYTES];
    for (uint32_t j = 0; j <= b_length; j++)
        rows[0][j] = (uint8_t)j;
    for (uint32_t i = 1; i <= a_length; i++) {
        const uint8_t *above = rows[(i - 1) % 3];
        const uint8_t *before = rows[(i + 1) % 3];
        uint8_t *row = rows[i % 3];
        row[0] = (uint8_t)i;
        for (uint32_t j = 1; j <= b_length; j++) {
            uint32_t best = least(above[j], row[j - 1]) + 1U;
            best = least(best, above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]) ? 1U : 0U));
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                best = least(best, before[j - 2] + 1U);
            row[j] = (uint8_t)best;
        }
    }
    return rows[a_length % 3][b_length];
}

/* -- the nearest word -- */
void ray_near_begin(ray_near *near, const char *at, uint64_t length)
{
    __builtin_memset(near, 0, sizeof *near);
    near->edits = RAY_NONE;
    if (length < RAY_NAME_BYTES)
        __builtin_memcpy(near->wrong.at, at, length);
}

void ray_near_offer(ray_near *near, const char *at, uint64_t length)
{
    uint32_t have = ray_word_length(near->wrong.at);
    if (have == 0 || length == 0 || length >= RAY_NAME_BYTES)
        return;
    uint32_t size = (uint32_t)length;
    uint32_t prefix = 0;
    while (prefix < have && prefix < size && near->wrong.at[prefix] == at[prefix])
        prefix++;
    uint32_t edits = edits_between(near->wrong.at, have, at, size);
    if (have > 1 && prefix == have)
        edits = least(edits, 1);
    if (edits >= near->edits || edits > 1 + have / 4)
        return;
    near->edits = edits;
    __builtin_memset(&near->best, 0, sizeof near->best);
    __builtin_memcpy(near->best.at, at, size);
}

const char *ray_near_word(const ray_near *near)
{
    return near->edits == RAY_NONE ? 0 : near->best.at;
}

/* -- names that live here -- */
static uint32_t copy_word(const char *word, ray_name *out)
{
    uint32_t length = ray_word_length(word);
    if (length < RAY_NAME_BYTES)
        __builtin_memcpy(out->at, word, length);
    return 1;
}

/* Services and routes are walked by handle, so the last of n costs n steps: a key was pressed,
 * nobody waits longer. */
static uint32_t gateway_name(struct ray *ray, uint32_t routes, uint32_t index, ray_name *out)
{
    const ray_gateway *gateway = ray_gateway_of(ray);
    uint32_t id = RAY_NONE;
    do
        id = routes ? ray_gateway_next_route(gateway, id) : ray_gateway_next_service(gateway, id);
    while (id != RAY_NONE && index-- > 0);
    if (id == RAY_NONE)
        return 0;
    ray_by_name(ray, routes ? RAY_BY_ROUTE : RAY_BY_SERVICE, id, out);
    return 1;
}

static uint32_t limit_name(struct ray *ray, uint32_t index, ray_name *out)
{
    const ray_ratelimit *limits = ray_ratelimit_of(ray);
    uint32_t slot = 0;
    uint32_t id;
    do
        if (ray_ratelimit_next(limits, &slot, &id) != RAY_OK)
            return 0;
    while (index-- > 0);
    ray_by_name(ray, RAY_BY_LIMIT, id, out);
    return 1;
}

static uint32_t quota_name(struct ray *ray, uint32_t index, ray_name *out)
{
    uint32_t id;
    ray_status status = ray_quota_at(ray_quota_of(ray), index, &id);
    if (status == RAY_OK)
        ray_by_name(ray, RAY_BY_QUOTA, id, out);
    return status != RAY_E_RANGE;
}

static uint32_t policy_name(struct ray *ray, uint32_t index, ray_name *out)
{
    uint32_t id;
    ray_status status = ray_policy_at(ray_policy_of(ray), index, &id);
    if (status == RAY_OK)
        ray_by_name(ray, RAY_BY_POLICY, id, out);
    return status != RAY_E_RANGE;
}

static uint32_t pool_name(struct ray *ray, uint32_t index, ray_name *out)
{
    const ray_lb *lb = ray_lb_of(ray);
    uint32_t id = RAY_NONE;
    do
        id = ray_lb_next_pool(lb, id);
    while (id != RAY_NONE && index-- > 0);
    if (id == RAY_NONE)
        return 0;
    ray_by_name(ray, RAY_BY_POOL, id, out);
    return 1;
}

static uint32_t tenant_name(struct ray *ray, uint32_t index, ray_name *out)
{
    ray_tenant_spec tenant;
    if (ray_tenant_read(ray, index, &tenant) != RAY_OK)
        return 0;
    *out = tenant.name;
    return 1;
}

uint32_t ray_live_name(struct ray *ray, const ray_machine *machine, uint32_t completes,
                       uint32_t index, ray_name *out)
{
    __builtin_memset(out, 0, sizeof *out);
    switch ((enum ray_complete)completes) {
    case RAY_COMPLETE_NONE: return 0;
    case RAY_COMPLETE_LIMIT: return limit_name(ray, index, out);
    case RAY_COMPLETE_QUOTA: return quota_name(ray, index, out);
    case RAY_COMPLETE_POLICY: return policy_name(ray, index, out);
    case RAY_COMPLETE_POOL: return pool_name(ray, index, out);
    case RAY_COMPLETE_SERVICE: return gateway_name(ray, 0, index, out);
    case RAY_COMPLETE_ROUTE: return gateway_name(ray, 1, index, out);
    case RAY_COMPLETE_TENANT: return tenant_name(ray, index, out);
    case RAY_COMPLETE_SCRIPT:
        return index < machine->script_count ? copy_word(machine->scripts[index].name, out) : 0;
    case RAY_COMPLETE_COMMAND:
        return index < ray_shell_command_count() ? copy_word(ray_shell_command(index)->word, out)
                                                 : 0;
    }
    return 0;
}

/* -- names for exports -- */
void ray_names_of_services(struct ray *ray, ray_names *out)
{
    const ray_gateway *gateway = ray_gateway_of(ray);
    uint32_t first = ray_gateway_next_service(gateway, RAY_NONE);
    ray_service_row row;
    *out = (ray_names){0, 0, 0};
    if (first != RAY_NONE && ray_gateway_read_service(gateway, first, &row) == RAY_OK)
        *out = (ray_names){
            (const uint8_t *)(row.spec - (first & 0xffffU)), sizeof *row.spec, RAY_SERVICE_MAX};
}

ray_status ray_names_of_tenants(ray_call *call, ray_names *out)
{
    uint32_t count = ray_tenant_count(call->ray);
    ray_tenant_spec tenant;
    ray_name *names = ray_call_memory(call, (uint64_t)count * sizeof *names);
    if (names == 0)
        return RAY_E_TRUNCATED;
    for (uint32_t i = 0; i < count; i++)
        if (ray_tenant_read(call->ray, i, &tenant) == RAY_OK)
            names[i] = tenant.name;
    *out = (ray_names){(const uint8_t *)names, sizeof *names, count};
    return RAY_OK;
}
