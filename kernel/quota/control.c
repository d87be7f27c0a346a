/* SPDX-License-Identifier: MIT */
/* control.c - allocations come, change and go; an error changes nothing. Whatever changes the rule
 * of a running period first closes the periods that ended under the old one. */
#include "parts.h"

enum { GENERATION_MAX = 0xffff };

/* -- private -- */
static void roll_all(ray_quota *quota, uint32_t slot, int64_t wall_ns)
{
    for (uint32_t place = 0; place < quota->book.active_top; place++)
        if (quota->book.active[place].allocation == slot + 1)
            ray_quota_roll(&quota->config.row[slot].spec, wall_ns, &quota->book.active[place]);
}

static uint32_t free_slot(const ray_quota *quota)
{
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++)
        if (quota->config.row[slot].spec.name.at[0] == 0)
            return slot;
    return RAY_NONE;
}

/* Takes the allocation and all its instances out, without rebuilding the lists. */
void ray_quota_drop(ray_quota *quota, uint32_t slot)
{
    for (uint32_t place = 0; place < quota->book.active_top; place++)
        if (quota->book.active[place].allocation == slot + 1)
            ray_quota_active_free(quota, place);
    for (uint32_t place = 0; place < RAY_QUOTA_ALERT_MAX; place++)
        if (quota->tally.alert[place].id != 0 &&
            quota->tally.alert[place].allocation == ray_quota_handle(quota, slot))
            quota->tally.alert[place].allocation = RAY_NONE;
    memset(&quota->config.row[slot], 0, sizeof quota->config.row[slot]);
    memset(&quota->tally.row[slot], 0, sizeof quota->tally.row[slot]);
}

/* -- control -- */
ray_status ray_quota_allocate(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                              const ray_quota_spec *spec, uint32_t *allocation)
{
    const ray_config_counts capacity = {.tenant_count = RAY_TENANT_MAX,
                                        .plan_count = RAY_PLAN_MAX,
                                        .service_count = RAY_SERVICE_MAX};
    const ray_quota_rows rows = {(const uint8_t *)quota->config.row, sizeof(ray_quota_row),
                                 RAY_QUOTA_ALLOCATION_MAX, 0, spec};
    uint32_t ignored, slot;
    ray_status status = ray_quota_spec_check(spec, &capacity, &ignored);
    if (status != RAY_OK)
        return status;
    if (ray_quota_find(quota, spec->name.at, ray_name_length(&spec->name), &ignored) == RAY_OK)
        return RAY_E_EXISTS;
    slot = free_slot(quota);
    if (slot == RAY_NONE || ray_quota_meet_max(&rows, &ignored) != 0)
        return RAY_E_FULL;
    uint32_t *issued = &quota->config.issued[slot];
    *issued = *issued == GENERATION_MAX ? 1 : *issued + 1;
    quota->config.row[slot] = (ray_quota_row){
        .spec = *spec, .born_ns = ray_quota_wall(now_ns, wall_offset_ns), .generation = *issued};
    ray_quota_list_all(quota);
    *allocation = ray_quota_handle(quota, slot);
    return RAY_OK;
}

ray_status ray_quota_set_limit(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t allocation, uint64_t limit_units)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status != RAY_OK)
        return status;
    if (limit_units > 0x8000000000000000ULL)
        return RAY_E_RANGE;
    roll_all(quota, slot, ray_quota_wall(now_ns, wall_offset_ns));
    quota->config.row[slot].spec.limit_units = limit_units;
    ray_quota_alert_anew(quota, now_ns, slot);
    return RAY_OK;
}

ray_status ray_quota_set_enforcement(ray_quota *quota, uint32_t allocation, uint32_t enforcement)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status == RAY_OK && enforcement > RAY_QUOTA_SOFT)
        status = RAY_E_ARGUMENT;
    if (status == RAY_OK)
        quota->config.row[slot].spec.enforcement = (uint8_t)enforcement;
    return status;
}

ray_status ray_quota_set_mode(ray_quota *quota, uint32_t allocation, uint32_t mode)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status == RAY_OK && mode > RAY_MODE_OFF)
        status = RAY_E_ARGUMENT;
    if (status == RAY_OK)
        quota->config.row[slot].spec.mode = (uint8_t)mode;
    return status;
}

ray_status ray_quota_rollover(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                              uint32_t allocation, uint32_t rollover_bp)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status != RAY_OK)
        return status;
    ray_quota_spec *spec = &quota->config.row[slot].spec;
    if (rollover_bp > RAY_QUOTA_ROLLOVER_BP_MAX)
        return RAY_E_RANGE;
    if (rollover_bp != 0 && (spec->reset == RAY_RESET_NEVER || spec->reset == RAY_RESET_ROLLING))
        return RAY_E_ARGUMENT;
    roll_all(quota, slot, ray_quota_wall(now_ns, wall_offset_ns));
    spec->rollover_bp = rollover_bp;
    return RAY_OK;
}

static void reset_one(const ray_quota_spec *spec, int64_t wall_ns, ray_quota_active *active)
{
    ray_quota_roll(spec, wall_ns, active);
    active->used_units = 0;
    active->carry_units = 0;
    active->admitted_count = 0;
    active->fired = 0;
    memset(active->cell, 0, sizeof active->cell);
}

ray_status ray_quota_reset(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                           uint32_t allocation, const ray_quota_key *key)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status != RAY_OK)
        return status;
    const ray_quota_spec *spec = &quota->config.row[slot].spec;
    int64_t wall_ns = ray_quota_wall(now_ns, wall_offset_ns);
    if (key != 0) {
        uint32_t tenant = spec->tenant != RAY_NONE ? spec->tenant : key->tenant;
        uint32_t place =
            ray_quota_active_of(quota, slot, tenant, ray_quota_user_key(quota, spec, key->user));
        if (place == RAY_NONE)
            return RAY_E_UNKNOWN;
        reset_one(spec, wall_ns, &quota->book.active[place]);
        return RAY_OK;
    }
    for (uint32_t place = 0; place < quota->book.active_top; place++)
        if (quota->book.active[place].allocation == slot + 1)
            reset_one(spec, wall_ns, &quota->book.active[place]);
    return RAY_OK;
}

ray_status ray_quota_remove(ray_quota *quota, uint32_t allocation)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status != RAY_OK)
        return status;
    ray_quota_drop(quota, slot);
    ray_quota_list_all(quota);
    return RAY_OK;
}
