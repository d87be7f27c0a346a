/* SPDX-License-Identifier: MIT */
/* law.c - what must hold after every call, and what each table takes. */
#include "gateway_state.h"
#include "base/crc32c.h"

static uint32_t counts_hold(const ray_gateway_config *config)
{
    uint32_t services = 0, routes = 0;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        services += config->service[i].name.at[0] != '\0';
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++)
        routes += config->route[i].name.at[0] != '\0';
    return services == config->service_count && routes == config->route_count &&
           config->dfa_count <= RAY_DFA_MAX && config->dfa_bytes <= RAY_DFA_POOL_BYTES;
}

static uint32_t services_hold(const ray_gateway_config *config)
{
    uint32_t field = 0;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        if (config->service[i].name.at[0] != '\0' &&
            ray_gateway_check_service(&config->service[i], &field) != RAY_OK)
            return 0;
    return 1;
}

/* Every route is a legal row, leads to a live service, and has its own place in the order. */
static uint32_t routes_hold(const ray_gateway_config *config)
{
    uint32_t field = 0;
    uint64_t orders = 0;
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++) {
        const ray_route_spec *route = &config->route[i];
        uint32_t slot = route->service & 0xffff;
        if (route->name.at[0] == '\0')
            continue;
        if (ray_gateway_check_route(route, &field) != RAY_OK || slot >= RAY_SERVICE_MAX ||
            config->service[slot].name.at[0] == '\0' ||
            route->service >> 16 != config->service_generation[slot] ||
            config->route_order[i] < 1 || config->route_order[i] > config->route_count)
            return 0;
        if ((route->kind == RAY_ROUTE_REGEX) != (route->dfa < config->dfa_count))
            return 0;
        orders += config->route_order[i];
    }
    return orders == (uint64_t)config->route_count * (config->route_count + 1U) / 2;
}

static uint32_t tables_hold(const ray_gateway_config *config)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < config->dfa_count; i++) {
        ray_view table = {(const uint8_t *)config->pool + bytes, config->dfa[i].length};
        if (config->dfa[i].offset != bytes ||
            table.length > RAY_DFA_POOL_BYTES - bytes || ray_gateway_check_table(table) != RAY_OK)
            return 0;
        bytes += config->dfa[i].length;
    }
    return bytes == config->dfa_bytes &&
           ray_is_zero((const uint8_t *)config->pool + bytes, RAY_DFA_POOL_BYTES - bytes);
}

static uint32_t free_is_zero(const ray_gateway *gateway)
{
    const ray_gateway_config *config = &gateway->config;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        if (config->service[i].name.at[0] == '\0' &&
            !(ray_is_zero(&config->service[i], sizeof config->service[i]) &&
              ray_is_zero(&gateway->tally.service[i], sizeof gateway->tally.service[i])))
            return 0;
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++)
        if (config->route[i].name.at[0] == '\0' &&
            !(ray_is_zero(&config->route[i], sizeof config->route[i]) &&
              config->route_order[i] == 0 &&
              ray_is_zero(&gateway->tally.route[i], sizeof gateway->tally.route[i])))
            return 0;
    return 1;
}

/* Each route is the candidate of one entry and stands once in the ranking, which is in order. */
static uint32_t index_holds(const ray_gateway_config *config)
{
    const ray_gateway_index *index = &config->index;
    if (index->entry_count > RAY_GATEWAY_ENTRY_MAX)
        return 0;
    for (uint32_t i = 0; i < config->route_count; i++) {
        const ray_gateway_candidate *candidate = &index->candidate[i];
        if (index->ranked[i] >= RAY_ROUTE_MAX || candidate->rank >= config->route_count ||
            candidate->entry >= index->entry_count ||
            index->ranked[candidate->rank] != candidate->slot)
            return 0;
        const ray_gateway_entry *entry = &index->entry[candidate->entry];
        if (i < entry->first || i >= (uint32_t)entry->first + entry->count)
            return 0;
        if (i > entry->first && candidate[-1].rank >= candidate->rank)
            return 0;
        if (i > 0 && ray_gateway_precedence(&config->route[index->ranked[i - 1]],
                                            &config->route[index->ranked[i]]) > 0)
            return 0;
    }
    uint32_t total = 0;
    for (uint32_t i = 0; i < index->entry_count; i++)
        total += index->entry[i].count;
    return total == config->route_count;
}

/* asked = granted + denied, of the module, of every service and of every route. */
static uint32_t counters_hold(const ray_gateway_tally *tally)
{
    uint64_t reasons = 0;
    for (uint32_t i = 0; i < 16; i++)
        reasons += tally->reason_count[i];
    if (tally->asked_count != tally->granted_count + tally->denied_count ||
        reasons != tally->denied_count || tally->forwarded_count > tally->granted_count)
        return 0;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        if (tally->service[i].asked_count !=
            tally->service[i].granted_count + tally->service[i].denied_count)
            return 0;
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++)
        if (tally->route[i].asked_count !=
            tally->route[i].granted_count + tally->route[i].denied_count)
            return 0;
    return 1;
}

/* -- law -- */
uint32_t ray_gateway_valid(const ray_gateway *gateway)
{
    const ray_gateway_config *config = &gateway->config;
    if (!counts_hold(config))
        return 1;
    if (!services_hold(config))
        return 2;
    if (!routes_hold(config))
        return 3;
    if (!tables_hold(config))
        return 4;
    if (!free_is_zero(gateway))
        return 5;
    if (!index_holds(config))
        return 6;
    return counters_hold(&gateway->tally) ? 0 : 7;
}

/* The index is a function of the rows. A state from elsewhere may hold one that passes the laws and
 * still points nowhere, so it is made anew and compared. */
uint32_t ray_gateway_reindex(ray_gateway *gateway)
{
    const uint8_t *index = (const uint8_t *)&gateway->config.index;
    uint32_t before = ray_crc32c(0, index, sizeof gateway->config.index);
    ray_gateway_index_build(&gateway->config);
    return before == ray_crc32c(0, index, sizeof gateway->config.index);
}

ray_status ray_gateway_read_part(const ray_gateway *gateway, uint32_t index, ray_gateway_part *out)
{
    const ray_gateway_config *config = &gateway->config;
    static const char names[][16] = {"routes", "services", "regex-tables", "index", "counters"};
    const uint64_t sizes[][3] = {
        {sizeof config->route, config->route_count, RAY_ROUTE_MAX},
        {sizeof config->service, config->service_count, RAY_SERVICE_MAX},
        {sizeof config->pool, config->dfa_bytes, RAY_DFA_POOL_BYTES},
        {sizeof config->index, config->index.entry_count, RAY_GATEWAY_ENTRY_MAX},
        {sizeof gateway->tally, config->route_count + config->service_count,
         RAY_ROUTE_MAX + RAY_SERVICE_MAX}};
    if (index >= sizeof names / sizeof *names)
        return RAY_E_UNKNOWN;
    memset(out, 0, sizeof *out);
    ray_name_set(&out->name, names[index], ray_length_of(names[index]));
    out->bytes = sizes[index][0];
    out->used = sizes[index][1];
    out->capacity = sizes[index][2];
    return RAY_OK;
}
