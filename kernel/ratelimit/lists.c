/* SPDX-License-Identifier: MIT */
/* lists.c - the limits of each service, of all services and of each pinned user, chained so that
 * asking walks only what applies. Rebuilt whole on every control change: a thousand limits at most.
 */
#include "limit.h"

/* -- lists (private) -- */
static uint32_t is_pinned(const ray_limit_spec *spec)
{
    return spec->scope == RAY_SCOPE_USER && !ray_is_zero(&spec->user, sizeof spec->user);
}

/* -- init -- */
void ray_hot_fill(const uint8_t seed[16], ray_limit_hot *hot, const ray_limit_spec *spec,
                  const ray_limit_rule *rule)
{
    hot->name_hash =
        ray_siphash(seed, (const uint8_t *)spec->name.at, ray_name_length(&spec->name));
    hot->service = spec->service;
    hot->instead_of =
        spec->instead_of == RAY_NONE ? 0 : (uint16_t)((spec->instead_of & 0xffffU) + 1U);
    hot->used = 1;
    hot->kind = rule->kind;
    hot->mode = spec->mode;
    hot->scope = spec->scope;
    hot->pinned = (uint8_t)is_pinned(spec);
    hot->keyed = spec->scope == RAY_SCOPE_IP                     ? RAY_KEYED_IP
                 : spec->scope == RAY_SCOPE_USER && !hot->pinned ? RAY_KEYED_USER
                                                                 : RAY_KEYED_NOT;
    hot->excess = spec->excess != 0;
    hot->deny_when_full = spec->deny_when_full;
    hot->prefix_v4 = spec->prefix_v4;
    hot->prefix_v6 = spec->prefix_v6;
}

void ray_lists_build(ray_ratelimit_config *config)
{
    memset(config->pin_head, 0, sizeof config->pin_head);
    memset(config->service_head, 0, sizeof config->service_head);
    memset(config->scope_count, 0, sizeof config->scope_count);
    config->any_head = 0;
    config->pin_count = 0;
    for (uint32_t i = RAY_LIMIT_MAX; i-- > 0;) {
        ray_limit_hot *hot = &config->hot[i];
        hot->next = 0;
        config->pin_hash[i] = 0;
        if (!hot->used)
            continue;
        config->scope_count[hot->scope]++;
        uint16_t *head = &config->any_head;
        if (hot->scope == RAY_SCOPE_NAMED)
            continue;
        if (hot->pinned) {
            const ray_name *user = &config->spec[i].user;
            config->pin_hash[i] =
                ray_siphash(config->seed, (const uint8_t *)user->at, ray_name_length(user));
            config->pin_count++;
            head = &config->pin_head[config->pin_hash[i] & (RAY_PIN_MAX - 1)];
        } else if (hot->service != RAY_NONE) {
            head = &config->service_head[hot->service & 0xffffU];
        }
        hot->next = *head;
        *head = (uint16_t)(i + 1U);
    }
}

uint32_t ray_rule_direct(const ray_ratelimit *rl, uint32_t number)
{
    const ray_ratelimit_config *config = &rl->config;
    if (number >= RAY_LIMIT_MAX || !config->hot[number].used ||
        rl->book.own[number].held_until_ns != 0)
        return 0;
    const ray_limit_hot *hot = &config->hot[number];
    uint32_t decided = hot->keyed | hot->excess | hot->plan_head | hot->mode |
                       config->spec[number].debt | config->rule[number].tick;
    return decided == 0 && hot->kind <= RAY_KIND_METER ? 1U + ray_limit_handle(hot, number) : 0;
}

void ray_rules_mark(ray_ratelimit *rl)
{
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++)
        rl->config.rule[i].direct = ray_rule_direct(rl, i);
}

/* -- reading -- */
ray_status ray_limit_slot(const ray_ratelimit *rl, uint32_t limit, uint32_t *slot)
{
    uint32_t at = limit & 0xffffU;
    if (limit == RAY_NONE || at >= RAY_LIMIT_MAX)
        return RAY_E_UNKNOWN;
    const ray_limit_hot *hot = &rl->config.hot[at];
    if (hot->generation != limit >> 16 || !hot->used)
        return limit >> 16 < hot->born ? RAY_E_STALE : RAY_E_UNKNOWN;
    *slot = at;
    return RAY_OK;
}

/* The most limits that are pinned to one user. */
static uint32_t pinned_most(const ray_limit_spec *limits, uint32_t count)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t same = 0;
        for (uint32_t k = 0; is_pinned(&limits[i]) && k < count; k++)
            same += is_pinned(&limits[k]) && ray_name_same(&limits[k].user, &limits[i].user);
        most = same > most ? same : most;
    }
    return most;
}

void ray_ratelimit_applied(const ray_limit_spec *limits, uint32_t count, uint32_t service_count,
                           uint16_t *out)
{
    uint32_t common = pinned_most(limits, count);
    memset(out, 0, (service_count + 1U) * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        if (limits[i].scope == RAY_SCOPE_NAMED || is_pinned(&limits[i]))
            continue;
        if (limits[i].service < service_count)
            out[limits[i].service]++;
        else
            common++;
    }
    for (uint32_t i = 0; i <= service_count; i++)
        out[i] = (uint16_t)(out[i] + common);
}

static uint32_t length_of(const ray_ratelimit_config *config, uint32_t head)
{
    uint32_t length = 0;
    for (; head != 0; head = config->hot[head - 1].next)
        length++;
    return length;
}

uint32_t ray_lists_few(const ray_ratelimit_config *config, const ray_limit_spec *spec)
{
    uint32_t pinned = is_pinned(spec), named = spec->scope == RAY_SCOPE_NAMED;
    uint32_t own = !named && !pinned && spec->service != RAY_NONE;
    uint32_t common = length_of(config, config->any_head) + (!named && !pinned && !own);
    uint32_t service_most = own, pin_most = pinned;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++) {
        uint32_t length =
            length_of(config, config->service_head[i]) + (own && (spec->service & 0xffffU) == i);
        service_most = length > service_most ? length : service_most;
    }
    for (uint32_t i = 0; config->pin_count != 0 && i < RAY_LIMIT_MAX; i++) {
        if (!config->hot[i].used || !config->hot[i].pinned)
            continue;
        uint32_t same = pinned && ray_name_same(&config->spec[i].user, &spec->user);
        for (uint32_t k = config->pin_head[config->pin_hash[i] & (RAY_PIN_MAX - 1)]; k != 0;
             k = config->hot[k - 1].next)
            same += config->pin_hash[k - 1] == config->pin_hash[i];
        pin_most = same > pin_most ? same : pin_most;
    }
    uint32_t names = config->scope_count[RAY_SCOPE_NAMED] + named;
    names = names < RAY_ROUTE_LIMIT_MAX ? names : RAY_ROUTE_LIMIT_MAX;
    return common + service_most + pin_most + names <= RAY_REQUEST_LIMIT_MAX;
}
