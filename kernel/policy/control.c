/* SPDX-License-Identifier: MIT */
/* control.c - rules come, change and go; an error changes nothing. */
#include "parts.h"

enum { GENERATION_MAX = 0xffff };

/* A live rule may name whatever has a handle; the caller knows what is really there. */
static const ray_config_counts anything = {
    .plan_count = RAY_PLAN_MAX,
    .tenant_count = RAY_TENANT_MAX,
    .service_count = RAY_SERVICE_MAX,
    .route_count = RAY_ROUTE_MAX,
    .limit_count = RAY_LIMIT_MAX,
    .quota_count = RAY_QUOTA_ALLOCATION_MAX,
};

/* -- the pools -- */
/* Makes room for `count` rows at `first`, or closes the gap of as many (negative). */
static void move_terms(ray_policy_config *config, uint32_t first, int32_t count)
{
    uint32_t from = count < 0 ? first + (uint32_t)-count : first;
    uint32_t to = count < 0 ? first : first + (uint32_t)count;
    memmove(&config->term[to], &config->term[from],
            (config->term_count - from) * sizeof *config->term);
    config->term_count = (uint32_t)((int32_t)config->term_count + count);
    if (count < 0)
        memset(&config->term[config->term_count], 0, (uint32_t)-count * sizeof *config->term);
}

static void move_headers(ray_policy_config *config, uint32_t first, int32_t count)
{
    uint32_t from = count < 0 ? first + (uint32_t)-count : first;
    uint32_t to = count < 0 ? first : first + (uint32_t)count;
    memmove(&config->header[to], &config->header[from],
            (config->header_count - from) * sizeof *config->header);
    config->header_count = (uint32_t)((int32_t)config->header_count + count);
    if (count < 0)
        memset(&config->header[config->header_count], 0,
               (uint32_t)-count * sizeof *config->header);
}

/* Where every rule's rows begin: in the order of slots, one behind the other. */
static void number_rows(ray_policy_config *config)
{
    uint32_t term = 0, header = 0;
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        ray_policy_slot *at = &config->slot[slot];
        if (!ray_policy_used(config, slot))
            continue;
        at->term_first = (uint16_t)term;
        at->header_first = (uint16_t)header;
        term += at->spec.term_count;
        header += at->spec.header_count;
    }
}

static uint32_t terms_before(const ray_policy_config *config, uint32_t slot)
{
    uint32_t count = 0;
    for (uint32_t before = 0; before < slot; before++)
        count += config->slot[before].spec.term_count;
    return count;
}

static uint32_t headers_before(const ray_policy_config *config, uint32_t slot)
{
    uint32_t count = 0;
    for (uint32_t before = 0; before < slot; before++)
        count += config->slot[before].spec.header_count;
    return count;
}

static void put_rows(ray_policy_config *config, uint32_t slot, const ray_policy_rows *row)
{
    uint32_t term = terms_before(config, slot), header = headers_before(config, slot);
    move_terms(config, term, row->rule->term_count);
    move_headers(config, header, row->rule->header_count);
    memcpy(&config->term[term], row->term, row->rule->term_count * sizeof *config->term);
    memcpy(&config->header[header], row->header, row->rule->header_count * sizeof *config->header);
    config->slot[slot].spec = *row->rule;
}

static void take_rows(ray_policy_config *config, uint32_t slot)
{
    ray_policy_slot *at = &config->slot[slot];
    move_terms(config, at->term_first, -(int32_t)at->spec.term_count);
    move_headers(config, at->header_first, -(int32_t)at->spec.header_count);
    memset(&at->spec, 0, sizeof at->spec);
}

static void changed(ray_policy_config *config)
{
    config->generation++;
    number_rows(config);
    ray_policy_index_build(config);
}

/* -- rules -- */
ray_status ray_policy_slot_of(const ray_policy_config *config, uint32_t rule, uint32_t *slot)
{
    uint32_t place = rule & RAY_POLICY_SLOT_MASK, generation = rule >> 16;
    if (place >= RAY_POLICY_MAX)
        return RAY_E_UNKNOWN;
    if (!ray_policy_used(config, place))
        return generation <= config->issued[place] && config->issued[place] != 0 ? RAY_E_STALE
                                                                                  : RAY_E_UNKNOWN;
    if (config->slot[place].generation != generation)
        return RAY_E_STALE;
    *slot = place;
    return RAY_OK;
}

static ray_status names_free(const ray_policy *policy, const ray_name *name, uint32_t own)
{
    uint32_t rule;
    ray_status found = ray_policy_find(policy, name->at, ray_name_length(name), &rule);
    return found == RAY_OK && (rule & RAY_POLICY_SLOT_MASK) != own ? RAY_E_EXISTS : RAY_OK;
}

static uint32_t free_slot(const ray_policy_config *config)
{
    uint32_t slot = 0;
    while (slot < RAY_POLICY_MAX && ray_policy_used(config, slot))
        slot++;
    return slot;
}

ray_status ray_policy_add(ray_policy *policy, uint64_t now_ns, const ray_policy_rows *row,
                          uint32_t *rule)
{
    ray_policy_config *config = &policy->config;
    (void)now_ns;
    ray_status status = ray_policy_row_check(row, &anything).status;
    if (status == RAY_OK)
        status = names_free(policy, &row->rule->name, RAY_POLICY_MAX);
    if (status != RAY_OK)
        return status;
    uint32_t slot = free_slot(config);
    if (slot == RAY_POLICY_MAX ||
        config->term_count + row->rule->term_count > RAY_POLICY_TERM_MAX ||
        config->header_count + row->rule->header_count > RAY_POLICY_HEADER_MAX)
        return RAY_E_FULL;
    uint32_t *issued = &config->issued[slot];
    *issued = *issued == GENERATION_MAX ? 1 : *issued + 1;
    put_rows(config, slot, row);
    config->slot[slot].generation = *issued;
    config->count++;
    memset(&policy->tally.hits[slot], 0, sizeof policy->tally.hits[slot]);
    changed(config);
    *rule = ray_policy_handle(config, slot);
    return RAY_OK;
}

ray_status ray_policy_update(ray_policy *policy, uint64_t now_ns, const ray_policy_rows *row,
                             uint32_t rule)
{
    ray_policy_config *config = &policy->config;
    uint32_t slot;
    (void)now_ns;
    ray_status status = ray_policy_slot_of(config, rule, &slot);
    if (status == RAY_OK)
        status = ray_policy_row_check(row, &anything).status;
    if (status == RAY_OK)
        status = names_free(policy, &row->rule->name, slot);
    if (status != RAY_OK)
        return status;
    const ray_policy_spec *old = &config->slot[slot].spec;
    if (config->term_count - old->term_count + row->rule->term_count > RAY_POLICY_TERM_MAX ||
        config->header_count - old->header_count + row->rule->header_count > RAY_POLICY_HEADER_MAX)
        return RAY_E_FULL;
    take_rows(config, slot);
    put_rows(config, slot, row);
    changed(config);
    return RAY_OK;
}

ray_status ray_policy_remove(ray_policy *policy, uint64_t now_ns, uint32_t rule)
{
    ray_policy_config *config = &policy->config;
    uint32_t slot;
    (void)now_ns;
    ray_status status = ray_policy_slot_of(config, rule, &slot);
    if (status != RAY_OK)
        return status;
    take_rows(config, slot);
    if (config->issued[slot] == 0)
        config->issued[slot] = 1;       /* a row of a file is stale from here on, too */
    memset(&config->slot[slot], 0, sizeof config->slot[slot]);
    memset(&policy->tally.hits[slot], 0, sizeof policy->tally.hits[slot]);
    config->count--;
    changed(config);
    return RAY_OK;
}

/* -- switches -- */
ray_status ray_policy_enable(ray_policy *policy, uint64_t now_ns, uint32_t rule, uint32_t enabled)
{
    uint32_t slot;
    (void)now_ns;
    ray_status status = ray_policy_slot_of(&policy->config, rule, &slot);
    if (status == RAY_OK && enabled > 1)
        status = RAY_E_ARGUMENT;
    if (status != RAY_OK)
        return status;
    policy->config.slot[slot].spec.enabled = (uint8_t)enabled;
    policy->config.generation++;
    ray_policy_index_modes(&policy->config);
    return RAY_OK;
}

ray_status ray_policy_set_mode(ray_policy *policy, uint64_t now_ns, uint32_t rule, uint32_t mode)
{
    uint32_t slot;
    (void)now_ns;
    ray_status status = ray_policy_slot_of(&policy->config, rule, &slot);
    if (status == RAY_OK && mode > RAY_MODE_OFF)
        status = RAY_E_ARGUMENT;
    if (status != RAY_OK)
        return status;
    policy->config.slot[slot].spec.mode = (uint8_t)mode;
    policy->config.generation++;
    ray_policy_index_modes(&policy->config);
    return RAY_OK;
}

ray_status ray_policy_set(ray_policy *policy, uint64_t now_ns, const ray_policy_set_spec *set)
{
    uint32_t field;
    (void)now_ns;
    ray_status status = ray_policy_set_check(set, &field);
    if (status != RAY_OK)
        return status;
    policy->config.set = *set;
    policy->config.generation++;
    ray_policy_index_modes(&policy->config);
    return RAY_OK;
}

void ray_policy_reset(ray_policy *policy, uint64_t now_ns)
{
    (void)now_ns;
    memset(policy->tally.hits, 0, sizeof policy->tally.hits);
}
