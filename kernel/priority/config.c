/* SPDX-License-Identifier: MIT */
/* config.c - rules in numbers, and changing them while requests wait. */
#include "hot.h"

enum { DEPTH_DEFAULT = 256, CAP_DEFAULT = 60 };

/* -- derived -- */
void ray_queue_spec_default(ray_queue_spec *spec)
{
    static const uint8_t weights[RAY_CLASS_MAX] = {16, 8, 4, 2, 1};
    memset(spec, 0, sizeof *spec);
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        spec->weight[class] = weights[class];
    spec->critical_cap = CAP_DEFAULT;
    spec->depth = DEPTH_DEFAULT;
    spec->flows = 1;
    spec->displace = 1;
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return b != 0 ? (a + b - 1) / b : 0;
}

/* Out of turn Critical gets cap dispatches for each 100 - cap of the robin: over a round of W as if
 * its weight were W * cap / (100 - cap) higher. */
void ray_priority_derive(ray_queue_rules *rules)
{
    const ray_queue_spec *spec = &rules->spec;
    uint64_t sum = 0, rest = 100 - spec->critical_cap;
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        sum += spec->weight[class];
    rules->any = (ray_queue_row){0, spec->servers, spec->depth, spec->flows};
    rules->bound = (uint32_t)ceil_div(sum * 100, rest);
    uint64_t of_critical = spec->weight[0] * rest + sum * spec->critical_cap;
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        for (uint32_t other = 0; other < RAY_CLASS_MAX; other++) {
            uint64_t up = other == 0 ? of_critical : spec->weight[other] * rest;
            uint64_t down = class == 0 ? of_critical : spec->weight[class] * rest;
            rules->ratio[class][other] = (uint32_t)ceil_div(up << 16, down);
        }
}

static uint32_t same_turns(const ray_queue_spec *a, const ray_queue_spec *b)
{
    return memcmp(a->weight, b->weight, sizeof a->weight) == 0 &&
           a->critical_cap == b->critical_cap;
}

void ray_priority_apply(ray_priority *priority, const ray_queue_spec *spec)
{
    ray_priority_tally *tally = &priority->tally;
    uint32_t begins = !same_turns(&priority->config.rules.spec, spec);
    priority->config.rules.spec = *spec;
    ray_priority_derive(&priority->config.rules);
    ray_queue_relink(priority);
    if (begins == 0)
        return;
    memset(tally->gap_max, 0, sizeof tally->gap_max);
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        priority->book.queue[place].debt = 0;
        for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
            tally->queue[place].served_at[class] = (uint32_t)tally->queue[place].sent_count;
    }
}

/* -- control -- */
ray_status ray_priority_set(ray_priority *priority, const ray_queue_spec *spec)
{
    uint32_t field;
    ray_status status = ray_queue_spec_check(spec, &field);
    if (status == RAY_OK)
        ray_priority_apply(priority, spec);
    return status;
}

ray_status ray_priority_service_set(ray_priority *priority, const ray_service_queue_spec *spec)
{
    uint32_t field;
    if (!ray_queue_known(spec->service))
        return RAY_E_UNKNOWN;
    ray_status status = ray_service_queue_check(spec, &field);
    if (status != RAY_OK)
        return status;
    priority->config.row[spec->service & RAY_QUEUE_SLOT_MASK] =
        (ray_queue_row){spec->service + 1, spec->servers, spec->depth, spec->flows};
    ray_queue_relink(priority);
    return RAY_OK;
}

ray_status ray_priority_service_unset(ray_priority *priority, uint32_t service)
{
    if (!ray_queue_known(service))
        return RAY_E_UNKNOWN;
    ray_queue_row *row = &priority->config.row[service & RAY_QUEUE_SLOT_MASK];
    if (row->own != service + 1)
        return RAY_E_UNKNOWN;
    *row = (ray_queue_row){0};
    ray_queue_relink(priority);
    return RAY_OK;
}

static ray_status sla_find(const ray_priority *priority, uint32_t service)
{
    return ray_queue_known(service) && ray_sla_rule(priority, service) != 0 ? RAY_OK
                                                                            : RAY_E_UNKNOWN;
}

ray_status ray_priority_sla_define(ray_priority *priority, const ray_sla_spec *spec)
{
    uint32_t field, place = spec->service & RAY_QUEUE_SLOT_MASK;
    if (!ray_queue_known(spec->service))
        return RAY_E_UNKNOWN;
    if (sla_find(priority, spec->service) == RAY_OK)
        return RAY_E_EXISTS;
    ray_status status = ray_sla_spec_check(spec, &field);
    if (status != RAY_OK)
        return status;
    priority->config.sla[place] = (ray_sla_row){*spec, 1, 0};
    memset(&priority->tally.sla[place], 0, sizeof priority->tally.sla[place]);
    return RAY_OK;
}

ray_status ray_priority_sla_update(ray_priority *priority, const ray_sla_spec *spec)
{
    uint32_t field;
    ray_status status = sla_find(priority, spec->service);
    if (status == RAY_OK)
        status = ray_sla_spec_check(spec, &field);
    if (status == RAY_OK)
        priority->config.sla[spec->service & RAY_QUEUE_SLOT_MASK].spec = *spec;
    return status;
}

ray_status ray_priority_sla_remove(ray_priority *priority, uint32_t service)
{
    uint32_t place = service & RAY_QUEUE_SLOT_MASK;
    ray_status status = sla_find(priority, service);
    if (status != RAY_OK)
        return status;
    memset(&priority->config.sla[place], 0, sizeof priority->config.sla[place]);
    memset(&priority->tally.sla[place], 0, sizeof priority->tally.sla[place]);
    return RAY_OK;
}
