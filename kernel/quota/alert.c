/* SPDX-License-Identifier: MIT */
/* alert.c - thresholds fire once per period, ascending, after usage grew; a ring keeps the last
 * ones. */
#include "parts.h"

static void raise(ray_quota *quota, uint64_t now_ns, const ray_quota_active *active,
                  uint32_t percent)
{
    ray_quota_tally *tally = &quota->tally;
    ray_quota_alert *alert = &tally->alert[tally->alert_count % RAY_QUOTA_ALERT_MAX];
    *alert = (ray_quota_alert){
        .id = ++tally->alert_count,
        .at_ns = now_ns,
        .used_units = active->used_units,
        .limit_units = quota->config.row[active->allocation - 1].spec.limit_units,
        .user_key = active->user_key,
        .period_unix_ns = active->start_ns,
        .allocation = ray_quota_handle(quota, active->allocation - 1),
        .tenant = active->tenant,
        .percent = percent,
    };
}

/* To be called after used_units grew. Tests usage * 100 >= threshold * limit without dividing. */
void ray_quota_alert_check(ray_quota *quota, uint64_t now_ns, uint32_t place)
{
    ray_quota_active *active = &quota->book.active[place];
    const ray_quota_spec *spec = &quota->config.row[active->allocation - 1].spec;
    for (uint32_t i = 0; i < RAY_QUOTA_ALERT_EACH && spec->alert_percent[i] != 0; i++) {
        if ((active->fired & 1U << i) != 0)
            continue;
        if (ray_mul_compare(active->used_units, 100, spec->alert_percent[i], spec->limit_units) < 0)
            break;
        active->fired |= 1U << i;
        raise(quota, now_ns, active, spec->alert_percent[i]);
    }
    if ((active->fired & RAY_QUOTA_FIRED_OVER) == 0 &&
        active->used_units > ray_add_capped(spec->limit_units, active->carry_units)) {
        active->fired |= RAY_QUOTA_FIRED_OVER;
        raise(quota, now_ns, active, 0);
    }
}

/* After a limit moved: thresholds are armed anew and those that usage has passed fire at once. What
 * was never used has passed nothing. */
void ray_quota_alert_anew(ray_quota *quota, uint64_t now_ns, uint32_t slot)
{
    for (uint32_t place = 0; place < quota->book.active_top; place++) {
        if (quota->book.active[place].allocation != slot + 1)
            continue;
        quota->book.active[place].fired = 0;
        if (quota->book.active[place].used_units != 0)
            ray_quota_alert_check(quota, now_ns, place);
    }
}

ray_status ray_quota_alert_read(const ray_quota *quota, uint64_t id, ray_quota_alert *out)
{
    const ray_quota_tally *tally = &quota->tally;
    if (id == 0 || id > tally->alert_count)
        return RAY_E_UNKNOWN;
    if (tally->alert_count - id >= RAY_QUOTA_ALERT_MAX)
        return RAY_E_STALE;
    *out = tally->alert[(id - 1) % RAY_QUOTA_ALERT_MAX];
    return RAY_OK;
}

ray_status ray_quota_alert_acknowledge(ray_quota *quota, uint64_t id)
{
    ray_quota_alert alert;
    ray_status status = ray_quota_alert_read(quota, id, &alert);
    if (status == RAY_OK)
        quota->tally.alert[(id - 1) % RAY_QUOTA_ALERT_MAX].acknowledged = 1;
    return status;
}
