/* SPDX-License-Identifier: MIT */
/* gateway.c - the module: services and routes are rows, the index is built from them after every
 * change, asking only reads, noting only counts. */
#include "gateway_state.h"

/* -- rows (private) -- */
static uint32_t handle_of(uint32_t slot, uint32_t generation)
{
    return slot | generation << 16;
}

static uint32_t service_id(const ray_gateway_config *config, uint32_t slot)
{
    return handle_of(slot, config->service_generation[slot]);
}

static uint32_t route_id(const ray_gateway_config *config, uint32_t slot)
{
    return handle_of(slot, config->route_generation[slot]);
}

static ray_status service_slot(const ray_gateway_config *config, uint32_t id, uint32_t *slot)
{
    uint32_t at = id & 0xffff;
    if (at >= RAY_SERVICE_MAX || id == RAY_NONE)
        return RAY_E_UNKNOWN;
    if (id != service_id(config, at))
        return RAY_E_STALE;
    if (config->service[at].name.at[0] == '\0')
        return RAY_E_UNKNOWN;
    *slot = at;
    return RAY_OK;
}

static ray_status route_slot(const ray_gateway_config *config, uint32_t id, uint32_t *slot)
{
    uint32_t at = id & 0xffff;
    if (at >= RAY_ROUTE_MAX || id == RAY_NONE)
        return RAY_E_UNKNOWN;
    if (id != route_id(config, at))
        return RAY_E_STALE;
    if (config->route[at].name.at[0] == '\0')
        return RAY_E_UNKNOWN;
    *slot = at;
    return RAY_OK;
}

static uint32_t service_named(const ray_gateway_config *config, const ray_name *name)
{
    for (uint32_t slot = 0; slot < RAY_SERVICE_MAX; slot++)
        if (ray_name_same(&config->service[slot].name, name))
            return slot;
    return RAY_NONE;
}

static uint32_t route_named(const ray_gateway_config *config, const ray_name *name)
{
    for (uint32_t slot = 0; slot < RAY_ROUTE_MAX; slot++)
        if (ray_name_same(&config->route[slot].name, name))
            return slot;
    return RAY_NONE;
}

/* A free slot, the lowest; RAY_NONE when there is none. All free slots have no name. */
static uint32_t free_service(const ray_gateway_config *config)
{
    static const ray_name none;
    return service_named(config, &none);
}

static uint32_t free_route(const ray_gateway_config *config)
{
    static const ray_name none;
    return route_named(config, &none);
}

static uint32_t last_order(const ray_gateway_config *config)
{
    uint32_t last = 0;
    for (uint32_t slot = 0; slot < RAY_ROUTE_MAX; slot++)
        last = config->route_order[slot] > last ? config->route_order[slot] : last;
    return last;
}

static uint32_t routes_to(const ray_gateway_config *config, uint32_t id)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < RAY_ROUTE_MAX; slot++)
        count += config->route[slot].name.at[0] != '\0' && config->route[slot].service == id;
    return count;
}

/* Orders stay dense: a route that was added and removed leaves no trace among the others. */
static void clear_route(ray_gateway *gateway, uint32_t slot)
{
    ray_gateway_config *config = &gateway->config;
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++)
        if (config->route_order[i] > config->route_order[slot])
            config->route_order[i]--;
    memset(&config->route[slot], 0, sizeof config->route[slot]);
    memset(&gateway->tally.route[slot], 0, sizeof gateway->tally.route[slot]);
    config->route_order[slot] = 0;
    config->route_generation[slot]++;
    config->route_count--;
}

/* -- init -- */
uint64_t ray_gateway_bytes(void)
{
    return sizeof(struct ray_gateway);
}

/* Nothing here hashes with the seed: what a route matches must not depend on it. */
void ray_gateway_init(ray_gateway *gateway, const uint8_t seed[16])
{
    (void)seed;
    memset(gateway, 0, sizeof *gateway);
}

/* -- control -- */
ray_status ray_gateway_add_service(ray_gateway *gateway, uint64_t now_ns,
                                   const ray_service_spec *spec, uint32_t *id)
{
    ray_gateway_config *config = &gateway->config;
    uint32_t field = 0, slot = free_service(config);
    ray_status status = ray_gateway_check_service(spec, &field);
    (void)now_ns;
    if (status != RAY_OK)
        return status;
    if (service_named(config, &spec->name) != RAY_NONE)
        return RAY_E_EXISTS;
    if (slot == RAY_NONE)
        return RAY_E_FULL;
    config->service[slot] = *spec;
    config->service_count++;
    *id = service_id(config, slot);
    return RAY_OK;
}

ray_status ray_gateway_remove_service(ray_gateway *gateway, uint64_t now_ns, uint32_t id,
                                      uint32_t cascade)
{
    ray_gateway_config *config = &gateway->config;
    uint32_t slot = 0;
    ray_status status = service_slot(config, id, &slot);
    (void)now_ns;
    if (status != RAY_OK)
        return status;
    uint32_t used = routes_to(config, id);
    if (used > 0 && cascade == 0)
        return RAY_E_USED;
    for (uint32_t i = 0; i < RAY_ROUTE_MAX && used > 0; i++)
        if (config->route[i].name.at[0] != '\0' && config->route[i].service == id)
            clear_route(gateway, i);
    memset(&config->service[slot], 0, sizeof config->service[slot]);
    memset(&gateway->tally.service[slot], 0, sizeof gateway->tally.service[slot]);
    config->service_generation[slot]++;
    config->service_count--;
    if (used > 0) {
        ray_gateway_tables_close(config);
        ray_gateway_index_build(config);
    }
    return RAY_OK;
}

ray_status ray_gateway_set_health(ray_gateway *gateway, uint64_t now_ns, uint32_t id,
                                  uint32_t healthy)
{
    uint32_t slot = 0;
    ray_status status = service_slot(&gateway->config, id, &slot);
    (void)now_ns;
    if (status == RAY_OK && healthy > 1)
        status = RAY_E_RANGE;
    if (status == RAY_OK)
        gateway->config.service[slot].healthy = (uint8_t)healthy;
    return status;
}

ray_status ray_gateway_set_mode(ray_gateway *gateway, uint64_t now_ns, uint32_t id, uint32_t mode)
{
    uint32_t slot = 0;
    ray_status status = service_slot(&gateway->config, id, &slot);
    (void)now_ns;
    if (status == RAY_OK && mode != RAY_MODE_ENFORCE && mode != RAY_MODE_OFF)
        status = RAY_E_RANGE;
    if (status == RAY_OK)
        gateway->config.service[slot].mode = (uint8_t)mode;
    return status;
}

/* A table comes with a regex route and with no other, sound and small enough for what is left. */
static ray_status table_fits(const ray_gateway_config *config, const ray_route_spec *spec,
                             ray_view table)
{
    if (spec->kind != RAY_ROUTE_REGEX)
        return table.length == 0 ? RAY_OK : RAY_E_ARGUMENT;
    ray_status status = ray_gateway_check_table(table);
    if (status != RAY_OK)
        return status;
    return config->dfa_count < RAY_DFA_MAX &&
                   table.length <= RAY_DFA_POOL_BYTES - config->dfa_bytes
               ? RAY_OK
               : RAY_E_FULL;
}

ray_status ray_gateway_add_route(ray_gateway *gateway, uint64_t now_ns, const ray_route_spec *spec,
                                 ray_view table, uint32_t *id)
{
    ray_gateway_config *config = &gateway->config;
    uint32_t field = 0, service = 0, slot = free_route(config);
    ray_status status = ray_gateway_check_route(spec, &field);
    (void)now_ns;
    if (status == RAY_OK)
        status = service_slot(config, spec->service, &service);
    if (status == RAY_OK && route_named(config, &spec->name) != RAY_NONE)
        status = RAY_E_EXISTS;
    if (status == RAY_OK)
        status = table_fits(config, spec, table);
    if (status == RAY_OK && slot == RAY_NONE)
        status = RAY_E_FULL;
    if (status != RAY_OK)
        return status;
    config->route[slot] = *spec;
    config->route[slot].dfa = RAY_NONE;
    if (spec->kind == RAY_ROUTE_REGEX)
        config->route[slot].dfa = ray_gateway_table_add(config, table);
    config->route_order[slot] = last_order(config) + 1;
    config->route_count++;
    ray_gateway_index_build(config);
    *id = route_id(config, slot);
    return RAY_OK;
}

ray_status ray_gateway_remove_route(ray_gateway *gateway, uint64_t now_ns, uint32_t id)
{
    uint32_t slot = 0;
    ray_status status = route_slot(&gateway->config, id, &slot);
    (void)now_ns;
    if (status != RAY_OK)
        return status;
    clear_route(gateway, slot);
    ray_gateway_tables_close(&gateway->config);
    ray_gateway_index_build(&gateway->config);
    return RAY_OK;
}

/* -- reading -- */
void ray_gateway_read(const ray_gateway *gateway, ray_gateway_stats *out)
{
    const ray_gateway_config *config = &gateway->config;
    const ray_gateway_tally *tally = &gateway->tally;
    const uint64_t *by = tally->reason_count;
    ray_gateway_stats stats = {
        .asked_count = tally->asked_count,
        .granted_count = tally->granted_count,
        .denied_count = tally->denied_count,
        .error_count = tally->error_count,
        .forwarded_count = tally->forwarded_count,
        .rewritten_count = tally->rewritten_count,
        .given_count = tally->given_count,
        .no_route_count = by[0],
        .method_denied_count = by[RAY_REASON_METHOD_NOT_ALLOWED - RAY_REASON_NO_ROUTE],
        .method_unknown_count = by[RAY_REASON_METHOD_UNKNOWN - RAY_REASON_NO_ROUTE],
        .path_bad_count = by[RAY_REASON_PATH_BAD - RAY_REASON_NO_ROUTE],
        .target_long_count = by[RAY_REASON_TARGET_TOO_LONG - RAY_REASON_NO_ROUTE],
        .headers_large_count = by[RAY_REASON_HEADERS_TOO_LARGE - RAY_REASON_NO_ROUTE],
        .headers_bad_count = by[RAY_REASON_HEADERS_BAD - RAY_REASON_NO_ROUTE],
        .body_large_count = by[RAY_REASON_BODY_TOO_LARGE - RAY_REASON_NO_ROUTE],
        .unhealthy_count = by[RAY_REASON_SERVICE_UNHEALTHY - RAY_REASON_NO_ROUTE],
        .service_count = config->service_count,
        .route_count = config->route_count,
        .dfa_count = config->dfa_count,
        .dfa_bytes = config->dfa_bytes,
    };
    *out = stats;
}

ray_status ray_gateway_read_service(const ray_gateway *gateway, uint32_t id, ray_service_row *out)
{
    uint32_t slot = 0;
    ray_status status = service_slot(&gateway->config, id, &slot);
    if (status != RAY_OK)
        return status;
    out->spec = &gateway->config.service[slot];
    out->count = gateway->tally.service[slot];
    out->id = id;
    out->route_count = routes_to(&gateway->config, id);
    return RAY_OK;
}

ray_status ray_gateway_read_route(const ray_gateway *gateway, uint32_t id, ray_route_row *out)
{
    const ray_gateway_config *config = &gateway->config;
    uint32_t slot = 0;
    ray_status status = route_slot(config, id, &slot);
    if (status != RAY_OK)
        return status;
    out->spec = &config->route[slot];
    out->count = gateway->tally.route[slot];
    out->id = id;
    out->rank = 0;
    while (config->index.ranked[out->rank] != slot)
        out->rank++;
    out->dfa_states = 0;
    out->reserved = 0;
    if (out->spec->kind == RAY_ROUTE_REGEX) {
        ray_dfa_header header;
        memcpy(&header, (const uint8_t *)config->pool + config->dfa[out->spec->dfa].offset,
               sizeof header);
        out->dfa_states = header.state_count;
    }
    return RAY_OK;
}

uint32_t ray_gateway_put_example(const ray_gateway *gateway, uint32_t id, uint64_t choice,
                                 ray_text *out)
{
    ray_route_row row;
    if (ray_gateway_read_route(gateway, id, &row) != RAY_OK || row.dfa_states == 0)
        return 0;
    const uint8_t *pool = (const uint8_t *)gateway->config.pool;
    return ray_gateway_dfa_example(pool + gateway->config.dfa[row.spec->dfa].offset, choice, out);
}

ray_status ray_gateway_find_service(const ray_gateway *gateway, const char *name, uint64_t length,
                                    uint32_t *id)
{
    ray_name wanted;
    uint32_t slot = RAY_NONE;
    if (ray_name_set(&wanted, name, length))
        slot = service_named(&gateway->config, &wanted);
    if (slot == RAY_NONE)
        return RAY_E_UNKNOWN;
    *id = service_id(&gateway->config, slot);
    return RAY_OK;
}

ray_status ray_gateway_find_route(const ray_gateway *gateway, const char *name, uint64_t length,
                                  uint32_t *id)
{
    ray_name wanted;
    uint32_t slot = RAY_NONE;
    if (ray_name_set(&wanted, name, length))
        slot = route_named(&gateway->config, &wanted);
    if (slot == RAY_NONE)
        return RAY_E_UNKNOWN;
    *id = route_id(&gateway->config, slot);
    return RAY_OK;
}

uint32_t ray_gateway_next_service(const ray_gateway *gateway, uint32_t id)
{
    const ray_gateway_config *config = &gateway->config;
    for (uint32_t at = id == RAY_NONE ? 0 : (id & 0xffff) + 1; at < RAY_SERVICE_MAX; at++)
        if (config->service[at].name.at[0] != '\0')
            return service_id(config, at);
    return RAY_NONE;
}

uint32_t ray_gateway_next_route(const ray_gateway *gateway, uint32_t id)
{
    const ray_gateway_config *config = &gateway->config;
    for (uint32_t at = id == RAY_NONE ? 0 : (id & 0xffff) + 1; at < RAY_ROUTE_MAX; at++)
        if (config->route[at].name.at[0] != '\0')
            return route_id(config, at);
    return RAY_NONE;
}

uint32_t ray_gateway_ranked_route(const ray_gateway *gateway, uint32_t rank)
{
    const ray_gateway_config *config = &gateway->config;
    return rank < config->route_count ? route_id(config, config->index.ranked[rank]) : RAY_NONE;
}
