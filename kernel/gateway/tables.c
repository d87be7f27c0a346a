/* SPDX-License-Identifier: MIT */
/* tables.c - the pool of regex tables: back to back in the order of their places, as in a file's
 * DFA section; what no route names any more is closed up at once. */
#include "gateway_state.h"

uint32_t ray_gateway_table_add(ray_gateway_config *config, ray_view table)
{
    uint32_t place = config->dfa_count++;
    ray_assert(place < RAY_DFA_MAX && table.length <= RAY_DFA_POOL_BYTES - config->dfa_bytes);
    memcpy((uint8_t *)config->pool + config->dfa_bytes, table.at, table.length);
    config->dfa[place].offset = config->dfa_bytes;
    config->dfa[place].length = (uint32_t)table.length;
    config->dfa_bytes += (uint32_t)table.length;
    return place;
}

static uint32_t is_named(const ray_gateway_config *config, uint32_t place)
{
    for (uint32_t slot = 0; slot < RAY_ROUTE_MAX; slot++)
        if (config->route[slot].name.at[0] != '\0' && config->route[slot].kind == RAY_ROUTE_REGEX &&
            config->route[slot].dfa == place)
            return 1;
    return 0;
}

static void drop(ray_gateway_config *config, uint32_t place)
{
    uint8_t *pool = (uint8_t *)config->pool;
    ray_gateway_dfa gone = config->dfa[place];
    uint32_t behind = config->dfa_bytes - gone.offset - gone.length;
    memmove(pool + gone.offset, pool + gone.offset + gone.length, behind);
    config->dfa_bytes -= gone.length;
    memset(pool + config->dfa_bytes, 0, gone.length);
    config->dfa_count--;
    for (uint32_t i = place; i < config->dfa_count; i++) {
        config->dfa[i].offset = config->dfa[i + 1].offset - gone.length;
        config->dfa[i].length = config->dfa[i + 1].length;
    }
    memset(&config->dfa[config->dfa_count], 0, sizeof gone);
    for (uint32_t slot = 0; slot < RAY_ROUTE_MAX; slot++)
        if (config->route[slot].name.at[0] != '\0' && config->route[slot].kind == RAY_ROUTE_REGEX &&
            config->route[slot].dfa > place)
            config->route[slot].dfa--;
}

void ray_gateway_tables_close(ray_gateway_config *config)
{
    for (uint32_t place = config->dfa_count; place > 0; place--)
        if (!is_named(config, place - 1))
            drop(config, place - 1);
}
