/* SPDX-License-Identifier: MIT */
/* load.c - a checked configuration takes the old one's place; counters stay with their names. */
#include "gateway_state.h"

static void swap(void *a, void *b, uint64_t length)
{
    uint8_t *left = a, *right = b, kept;
    for (uint64_t i = 0; i < length; i++) {
        kept = left[i];
        left[i] = right[i];
        right[i] = kept;
    }
}

/* Moves each old row to the place its name has in the file. A row that is moved out of the way
 * lands where no new row has its name, because names are unique on both sides. */
static void align_services(ray_gateway *gateway, const ray_service_spec *services, uint32_t count)
{
    ray_service_spec *old = gateway->config.service;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < RAY_SERVICE_MAX; j++)
            if (ray_name_same(&old[j].name, &services[i].name)) {
                if (i != j) {
                    swap(&old[i], &old[j], sizeof *old);
                    swap(&gateway->tally.service[i], &gateway->tally.service[j],
                         sizeof gateway->tally.service[i]);
                }
                break;
            }
}

static void align_routes(ray_gateway *gateway, const ray_route_spec *routes, uint32_t count)
{
    ray_route_spec *old = gateway->config.route;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < RAY_ROUTE_MAX; j++)
            if (ray_name_same(&old[j].name, &routes[i].name)) {
                if (i != j) {
                    swap(&old[i], &old[j], sizeof *old);
                    swap(&gateway->tally.route[i], &gateway->tally.route[j],
                         sizeof gateway->tally.route[i]);
                }
                break;
            }
}

/* Equal but for numbers that only say where in the file something stands. */
static uint32_t same_route(const ray_gateway_config *config, const ray_route_spec *old,
                           const ray_route_spec *new, const ray_service_spec *services)
{
    uint64_t service = offsetof(ray_route_spec, service);
    uint64_t priority = offsetof(ray_route_spec, priority);
    uint64_t dfa = offsetof(ray_route_spec, dfa);
    uint64_t behind = offsetof(ray_route_spec, pattern_length);
    const uint8_t *a = (const uint8_t *)old, *b = (const uint8_t *)new;
    return ray_same(a, b, service) && ray_same(a + priority, b + priority, dfa - priority) &&
           ray_same(a + behind, b + behind, sizeof *old - behind) &&
           ray_name_same(&config->service[old->service & 0xffff].name,
                         &services[new->service].name);
}

static void load_routes(ray_gateway *gateway, const ray_service_spec *services,
                        const ray_route_spec *routes, uint32_t count, ray_config_report *report)
{
    ray_gateway_config *config = &gateway->config;
    align_routes(gateway, routes, count);
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++) {
        uint32_t known = i < count && ray_name_same(&config->route[i].name, &routes[i].name);
        if (i < count && known != 0 && same_route(config, &config->route[i], &routes[i], services))
            report->kept_count++;
        else if (i < count)
            report->reset_count++;
        if (known == 0)
            memset(&gateway->tally.route[i], 0, sizeof gateway->tally.route[i]);
    }
    memset(config->route, 0, sizeof config->route);
    memset(config->route_generation, 0, sizeof config->route_generation);
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++)
        config->route_order[i] = i < count ? i + 1 : 0;
    if (count > 0)
        memcpy(config->route, routes, count * sizeof *routes);
    config->route_count = count;
}

static void load_services(ray_gateway *gateway, const ray_service_spec *services, uint32_t count,
                          ray_config_report *report)
{
    ray_gateway_config *config = &gateway->config;
    align_services(gateway, services, count);
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++) {
        uint32_t known = i < count && ray_name_same(&config->service[i].name, &services[i].name);
        if (i < count && ray_same(&config->service[i], &services[i], sizeof *services))
            report->kept_count++;
        else if (i < count)
            report->reset_count++;
        if (known == 0)
            memset(&gateway->tally.service[i], 0, sizeof gateway->tally.service[i]);
    }
    memset(config->service, 0, sizeof config->service);
    memset(config->service_generation, 0, sizeof config->service_generation);
    if (count > 0)
        memcpy(config->service, services, count * sizeof *services);
    config->service_count = count;
}

static void load_tables(ray_gateway_config *config, ray_view tables)
{
    config->dfa_count = 0;
    config->dfa_bytes = 0;
    memset(config->dfa, 0, sizeof config->dfa);
    memset(config->pool, 0, sizeof config->pool);
    for (uint64_t at = 0; at < tables.length;) {
        ray_dfa_header header;
        memcpy(&header, tables.at + at, sizeof header);
        ray_view table = {tables.at + at, header.length};
        ray_gateway_table_add(config, table);
        at += table.length;
    }
}

void ray_gateway_load(ray_gateway *gateway, uint64_t now_ns, int64_t wall_offset_ns,
                      const ray_service_spec *services, const ray_route_spec *routes,
                      ray_view tables, const ray_config_counts *counts, ray_config_report *report)
{
    (void)now_ns;
    (void)wall_offset_ns;
    load_routes(gateway, services, routes, counts->route_count, report);
    load_services(gateway, services, counts->service_count, report);
    load_tables(&gateway->config, tables);
    ray_gateway_index_build(&gateway->config);
}
