/* SPDX-License-Identifier: MIT */
/* read.c - what a person or a program sees: specs, counters, usage as of now, and when it will run
 * out. */
#include "parts.h"

void ray_quota_read(const ray_quota *quota, ray_quota_stats *out)
{
    const ray_quota_tally *tally = &quota->tally;
    uint64_t alerts = tally->alert_count;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->asked_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->error_count;
    out->unspent_count = tally->unspent_count;
    out->shadow_denied_count = tally->shadow_denied_count;
    out->table_full_count = tally->table_full_count;
    out->evicted_count = tally->evicted_count;
    out->late_count = tally->late_count;
    out->closed_refund_count = tally->closed_refund_count;
    out->stale_hold_count = tally->stale_hold_count;
    out->duplicate_count = tally->duplicate_count;
    out->expired_count = tally->expired_count;
    out->event_count = tally->event_count;
    out->alert_count = alerts;
    out->alert_overwritten_count = alerts > RAY_QUOTA_ALERT_MAX ? alerts - RAY_QUOTA_ALERT_MAX : 0;
    out->allocation_count = quota->config.count;
    out->active_count = quota->book.active_top - quota->book.active_free_count;
    out->reservation_count = quota->book.lease_count;
    for (uint32_t place = 0; place < RAY_QUOTA_ALERT_MAX; place++)
        out->unacknowledged_count +=
            tally->alert[place].id != 0 && tally->alert[place].acknowledged == 0;
}

/* -- rows -- */
ray_status ray_quota_find(const ray_quota *quota, const char *name, uint64_t length,
                          uint32_t *allocation)
{
    ray_name wanted;
    if (ray_name_set(&wanted, name, length) == 0)
        return RAY_E_UNKNOWN;
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++)
        if (ray_name_same(&quota->config.row[slot].spec.name, &wanted) != 0) {
            *allocation = ray_quota_handle(quota, slot);
            return RAY_OK;
        }
    return RAY_E_UNKNOWN;
}

ray_status ray_quota_at(const ray_quota *quota, uint32_t place, uint32_t *allocation)
{
    if (place >= RAY_QUOTA_ALLOCATION_MAX)
        return RAY_E_RANGE;
    if (quota->config.row[place].spec.name.at[0] == 0)
        return RAY_E_UNKNOWN;
    *allocation = ray_quota_handle(quota, place);
    return RAY_OK;
}

ray_status ray_quota_spec_read(const ray_quota *quota, uint32_t allocation, ray_quota_spec *out)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status == RAY_OK)
        *out = quota->config.row[slot].spec;
    return status;
}

ray_status ray_quota_counts_read(const ray_quota *quota, uint32_t allocation, ray_quota_counts *out)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status != RAY_OK)
        return status;
    const ray_quota_tail *tail = &quota->tally.row[slot];
    *out = (ray_quota_counts){.asked_count = tail->asked_count,
                              .granted_count = tail->granted_count,
                              .denied_count = tail->denied_count,
                              .peak_evicted_units = tail->peak_evicted_units};
    for (uint32_t place = 0; place < quota->book.active_top; place++)
        out->active_count += quota->book.active[place].allocation == slot + 1;
    return RAY_OK;
}

/* -- usage -- */
/* At the rate since the period began, what is left lasts left * elapsed / used. A rolling window's
 * rate is over its length: usage at that rate stays what it is, so running out later than one
 * length means not at all. */
static void depletion_fill(const ray_quota_spec *spec, int64_t wall_ns,
                           const ray_quota_active *active, ray_quota_usage *out)
{
    uint64_t since_ns =
        wall_ns > active->start_ns ? (uint64_t)wall_ns - (uint64_t)active->start_ns : 0;
    uint64_t ahead_ns = active->end_ns == 0x7fffffffffffffffLL
                            ? (uint64_t)RAY_NEVER
                            : (uint64_t)active->end_ns - (uint64_t)wall_ns;
    if (spec->reset == RAY_RESET_ROLLING)
        since_ns = ahead_ns = spec->period_ns;
    out->depletion_ns = RAY_NEVER;
    out->depletion = RAY_DEPLETION_NEVER;
    if (active->used_units == 0)
        return;
    uint64_t lasts_ns = ray_mul_div_floor(out->left_units, since_ns, active->used_units);
    uint32_t later = lasts_ns > ahead_ns || lasts_ns == RAY_NEVER;
    out->depletion = later ? RAY_DEPLETION_NOT_BEFORE_RESET : RAY_DEPLETION_AT;
    if (out->depletion == RAY_DEPLETION_AT)
        out->depletion_ns = lasts_ns;
}

static void usage_fill(const ray_quota_spec *spec, int64_t wall_ns, const ray_quota_active *active,
                       ray_quota_usage *out)
{
    uint64_t room = ray_add_capped(spec->limit_units, active->carry_units);
    uint64_t held = ray_add_capped(active->used_units, active->reserved_units);
    out->limit_units = spec->limit_units;
    out->used_units = active->used_units;
    out->reserved_units = active->reserved_units;
    out->carry_units = active->carry_units;
    out->left_units = room > held ? room - held : 0;
    out->over_units =
        active->used_units > spec->limit_units ? active->used_units - spec->limit_units : 0;
    out->peak_units = active->peak_units;
    out->peak_ever_units = active->peak_ever_units;
    out->closed_units = active->closed_units;
    out->admitted_count = active->admitted_count;
    out->utilization_bp = active->used_units == 0 ? 0
                          : spec->limit_units == 0
                              ? (uint64_t)RAY_NEVER
                              : ray_mul_div_floor(active->used_units, 10000, spec->limit_units);
    out->user_key = active->user_key;
    out->start_unix_ns = ray_quota_counts_from(spec, active);
    out->end_unix_ns = active->end_ns;
    depletion_fill(spec, wall_ns, active, out);
}

/* The instance in `place` of allocation `slot`, or what it would be when it does not exist yet. */
void ray_quota_usage_of(const ray_quota *quota, int64_t wall_ns, uint32_t slot, uint32_t place,
                        ray_quota_usage *out)
{
    const ray_quota_row *row = &quota->config.row[slot];
    ray_quota_active view;
    memset(out, 0, sizeof *out);
    if (place == RAY_NONE) {
        ray_quota_open(row, wall_ns, &view);
        view.tenant = row->spec.tenant;
    } else {
        view = quota->book.active[place];
        ray_quota_roll(&row->spec, wall_ns, &view);
        out->active = 1;
        out->denied_count = quota->tally.active_denied_count[place];
    }
    usage_fill(&row->spec, wall_ns, &view, out);
    out->allocation = ray_quota_handle(quota, slot);
    out->tenant = view.tenant;
}

ray_status ray_quota_usage_read(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                uint32_t allocation, const ray_quota_key *key, ray_quota_usage *out)
{
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, allocation, &slot);
    if (status != RAY_OK)
        return status;
    const ray_quota_spec *spec = &quota->config.row[slot].spec;
    uint32_t tenant = spec->tenant != RAY_NONE ? spec->tenant : key->tenant;
    uint64_t user_key = ray_quota_user_key(quota, spec, key->user);
    ray_quota_usage_of(quota, ray_quota_wall(now_ns, wall_offset_ns), slot,
                       ray_quota_active_of(quota, slot, tenant, user_key), out);
    out->tenant = tenant;
    out->user_key = user_key;
    return RAY_OK;
}

ray_status ray_quota_active_read(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                 uint32_t place, ray_quota_usage *out)
{
    if (place >= RAY_QUOTA_ACTIVE_MAX)
        return RAY_E_RANGE;
    if (quota->book.active[place].allocation == 0)
        return RAY_E_UNKNOWN;
    ray_quota_usage_of(quota, ray_quota_wall(now_ns, wall_offset_ns),
                       quota->book.active[place].allocation - 1, place, out);
    return RAY_OK;
}
