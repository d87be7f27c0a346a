/* SPDX-License-Identifier: MIT */
/* load.c - new rows for old: what is counted goes on where the rule that counts it is still the
 * same.
 *
 * The move table, zero outside a load, says for each old slot where its row went; then instances,
 * remembered events and alerts follow it.
 */
#include "parts.h"

enum { SLOT_MASK = 0xffff };

/* -- following names (private) -- */
static uint32_t place_of(const ray_names *names, const ray_name *name)
{
    for (uint64_t i = 0; i < names->count; i++)
        if (ray_same(names->at + i * names->stride, name, sizeof *name) != 0)
            return (uint32_t)i;
    return RAY_NONE;
}

static uint32_t followed(const ray_names *before, const ray_names *after,
                         uint32_t place)
{
    ray_name name;
    if (place >= before->count)
        return RAY_NONE;
    memcpy(&name, before->at + place * before->stride, sizeof name);
    return place_of(after, &name);
}

void ray_quota_tenants_move(ray_quota *quota, const ray_names *before,
                            const ray_names *after)
{
    for (uint32_t place = 0; place < quota->book.active_top; place++) {
        ray_quota_active *active = &quota->book.active[place];
        if (active->allocation == 0)
            continue;
        uint32_t to = followed(before, after, active->tenant);
        if (to == RAY_NONE || to >= RAY_TENANT_MAX)
            ray_quota_active_free(quota, place);
    }
    for (uint32_t place = 0; place < quota->book.active_top; place++)
        if (quota->book.active[place].allocation != 0)
            quota->book.active[place].tenant =
                followed(before, after, quota->book.active[place].tenant);
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++) {
        ray_quota_row *row = &quota->config.row[slot];
        if (row->spec.name.at[0] == 0 || row->spec.tenant == RAY_NONE)
            continue;
        uint32_t to = followed(before, after, row->spec.tenant);
        if (to == RAY_NONE || to >= RAY_TENANT_MAX)
            ray_quota_drop(quota, slot);
        else
            row->spec.tenant = to;
    }
    for (uint32_t place = 0; place < RAY_QUOTA_EVENT_MAX; place++)
        if (quota->tally.seen[place].id != 0)
            quota->tally.seen[place].tenant =
                followed(before, after, quota->tally.seen[place].tenant);
    for (uint32_t place = 0; place < RAY_QUOTA_ALERT_MAX; place++)
        if (quota->tally.alert[place].id != 0)
            quota->tally.alert[place].tenant =
                followed(before, after, quota->tally.alert[place].tenant);
    ray_quota_seen_rehash(quota);
    ray_quota_list_all(quota);
    ray_quota_rehash(quota);
}

void ray_quota_plans_move(ray_quota *quota, const ray_names *before,
                          const ray_names *after)
{
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++) {
        ray_quota_row *row = &quota->config.row[slot];
        if (row->spec.name.at[0] == 0 || row->spec.plan == RAY_NONE)
            continue;
        uint32_t to = followed(before, after, row->spec.plan);
        if (to == RAY_NONE || to >= RAY_PLAN_MAX)
            ray_quota_drop(quota, slot);
        else
            row->spec.plan = to;
    }
    ray_quota_list_all(quota);
    ray_quota_rehash(quota);
}

/* -- one load (private) -- */
/* The service is not looked at: its place in the file may have moved, and what it filters has no
 * share in a balance. */
static uint32_t counts_the_same(const ray_quota_spec *a, const ray_quota_spec *b)
{
    return a->type == b->type && a->reset == b->reset && a->period_ns == b->period_ns &&
           a->anchor_ns == b->anchor_ns && a->anchor_day == b->anchor_day &&
           a->utc_offset_minutes == b->utc_offset_minutes && a->tenant == b->tenant &&
           a->plan == b->plan && a->per_user == b->per_user &&
           ray_name_same(&a->custom, &b->custom) != 0;
}

static uint32_t alerts_the_same(const ray_quota_spec *a, const ray_quota_spec *b)
{
    return a->limit_units == b->limit_units &&
           memcmp(a->alert_percent, b->alert_percent, sizeof a->alert_percent) == 0;
}

static void plan_moves(ray_quota *quota, const ray_quota_spec *rows, uint32_t count,
                       ray_config_report *report)
{
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++) {
        const ray_quota_row *old = &quota->config.row[slot];
        ray_quota_move *move = &quota->tally.move[slot];
        if (old->spec.name.at[0] == 0)
            continue;
        for (uint32_t to = 0; to < count; to++) {
            if (ray_name_same(&old->spec.name, &rows[to].name) == 0)
                continue;
            if (!counts_the_same(&old->spec, &rows[to])) {
                report->reset_count++;
                break;
            }
            report->kept_count++;
            move->to = to + 1;
            move->armed = !alerts_the_same(&old->spec, &rows[to]);
            move->tail = quota->tally.row[slot];
            move->born_ns = old->born_ns;
            break;
        }
    }
}

/* Periods that ended are closed under the old row; what stays points to the new one. */
static void move_instances(ray_quota *quota, int64_t wall_ns)
{
    for (uint32_t place = 0; place < quota->book.active_top; place++) {
        ray_quota_active *active = &quota->book.active[place];
        if (active->allocation == 0)
            continue;
        const ray_quota_move *move = &quota->tally.move[active->allocation - 1];
        if (move->to == 0) {
            ray_quota_active_free(quota, place);
            continue;
        }
        ray_quota_roll(&quota->config.row[active->allocation - 1].spec, wall_ns, active);
    }
    for (uint32_t place = 0; place < quota->book.active_top; place++)
        if (quota->book.active[place].allocation != 0)
            quota->book.active[place].allocation =
                quota->tally.move[quota->book.active[place].allocation - 1].to;
}

static uint32_t moved_handle(const ray_quota *quota, uint32_t handle)
{
    uint32_t slot;
    if (handle == RAY_NONE || ray_quota_slot(quota, handle, &slot) != RAY_OK ||
        quota->tally.move[slot].to == 0)
        return RAY_NONE;
    return quota->tally.move[slot].to - 1;
}

static void move_rings(ray_quota *quota)
{
    for (uint32_t place = 0; place < RAY_QUOTA_EVENT_MAX; place++)
        if (quota->tally.seen[place].id != 0)
            quota->tally.seen[place].outcome.by =
                moved_handle(quota, quota->tally.seen[place].outcome.by);
    for (uint32_t place = 0; place < RAY_QUOTA_ALERT_MAX; place++)
        if (quota->tally.alert[place].id != 0)
            quota->tally.alert[place].allocation =
                moved_handle(quota, quota->tally.alert[place].allocation);
}

void ray_quota_load(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                    const ray_quota_spec *rows, const ray_config_counts *counts,
                    ray_config_report *report)
{
    int64_t wall_ns = ray_quota_wall(now_ns, wall_offset_ns);
    ray_quota_move *moves = quota->tally.move;
    plan_moves(quota, rows, counts->quota_count, report);
    move_instances(quota, wall_ns);
    move_rings(quota);
    memset(quota->config.row, 0, sizeof quota->config.row);
    memset(quota->tally.row, 0, sizeof quota->tally.row);
    for (uint32_t to = 0; to < counts->quota_count; to++) {
        quota->config.row[to].spec = rows[to];
        quota->config.row[to].born_ns = wall_ns;
    }
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++) {
        if (moves[slot].to == 0)
            continue;
        quota->config.row[moves[slot].to - 1].born_ns = moves[slot].born_ns;
        quota->tally.row[moves[slot].to - 1] = moves[slot].tail;
    }
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++)
        if (moves[slot].armed != 0)
            ray_quota_alert_anew(quota, now_ns, moves[slot].to - 1);
    memset(moves, 0, sizeof quota->tally.move);
    ray_quota_list_all(quota);
    ray_quota_rehash(quota);
}
