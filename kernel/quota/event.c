/* SPDX-License-Identifier: MIT */
/* event.c - the module used alone: one event charges several dimensions at once, and exactly once
 * by its id. */
#include "parts.h"
#include "base/siphash.h"

/* -- asking -- */
static ray_status complete_query(const ray_quota *quota, const ray_quota_event *event,
                                 ray_quota_charge *charge)
{
    charge->query = event->query;
    charge->only = RAY_NONE;
    if (event->only == RAY_NONE)
        return RAY_OK;
    uint32_t slot;
    ray_status status = ray_quota_slot(quota, event->only, &slot);
    if (status != RAY_OK)
        return status;
    const ray_quota_spec *spec = &quota->config.row[slot].spec;
    charge->only = slot;
    if (spec->tenant != RAY_NONE)
        charge->query.tenant = spec->tenant;
    if (spec->plan != RAY_NONE)
        charge->query.plan = spec->plan;
    if (spec->service != RAY_NONE)
        charge->query.service = spec->service;
    return charge->query.tenant == RAY_NONE ? RAY_E_ARGUMENT : RAY_OK;
}

static void outcome_of(const ray_quota_answers *answers, ray_quota_outcome *out)
{
    memset(out, 0, sizeof *out);
    out->left_units = RAY_NEVER;
    out->retry_after_ns = answers->retry_after_ns;
    out->by = RAY_NONE;
    out->count = answers->count;
    out->shadow_denied_count = answers->shadow_denied_count;
    out->granted = answers->granted != 0;
    out->reason = answers->count != 0 ? RAY_REASON_OK : RAY_REASON_NO_LIMIT;
    for (uint32_t i = 0; i < answers->count; i++) {
        const ray_quota_answer *answer = &answers->at[i];
        if (answer->shadow != 0)
            continue;
        if (answer->left_units < out->left_units)
            out->left_units = answer->left_units;
        out->flags |= (uint8_t)answer->flags;
    }
    if (answers->granted != 0)
        return;
    out->by = answers->at[answers->by].allocation;
    out->reason = answers->at[answers->by].reason;
    out->flags = 0;
}

ray_status ray_quota_charge_ask(const ray_quota *quota, uint64_t now_ns,
                                const ray_quota_event *event, ray_quota_charge *charge,
                                ray_quota_outcome *out)
{
    ray_status status = complete_query(quota, event, charge);
    if (status == RAY_OK)
        status = ray_quota_ask_only(quota, now_ns, &charge->query, charge->only, &charge->answers);
    if (status == RAY_OK)
        outcome_of(&charge->answers, out);
    return status;
}

ray_status ray_quota_test(const ray_quota *quota, uint64_t now_ns, const ray_quota_event *event,
                          ray_quota_outcome *out)
{
    ray_quota_charge charge;
    return ray_quota_charge_ask(quota, now_ns, event, &charge, out);
}

/* -- exactly once (private) -- */
static uint32_t *bucket_of(ray_quota *quota, uint64_t id, uint32_t tenant)
{
    uint64_t hash = ray_siphash_words(quota->config.seed, id, tenant);
    return &quota->tally.seen_bucket[hash & (RAY_QUOTA_EVENT_MAX - 1)];
}

static const ray_quota_seen *seen_before(ray_quota *quota, uint64_t id, uint32_t tenant)
{
    for (uint32_t at = id != 0 ? *bucket_of(quota, id, tenant) : 0; at != 0;
         at = quota->tally.seen[at - 1].next) {
        const ray_quota_seen *seen = &quota->tally.seen[at - 1];
        if (seen->id == id && seen->tenant == tenant)
            return seen;
    }
    return 0;
}

void ray_quota_seen_rehash(ray_quota *quota)
{
    ray_quota_tally *tally = &quota->tally;
    memset(tally->seen_bucket, 0, sizeof tally->seen_bucket);
    for (uint32_t place = 0; place < RAY_QUOTA_EVENT_MAX; place++) {
        ray_quota_seen *seen = &tally->seen[place];
        if (seen->id == 0)
            continue;
        uint32_t *first = bucket_of(quota, seen->id, seen->tenant);
        seen->next = *first;
        *first = place + 1;
    }
}

static void remember(ray_quota *quota, uint64_t id, uint32_t tenant,
                     const ray_quota_outcome *outcome)
{
    ray_quota_tally *tally = &quota->tally;
    uint32_t place = (uint32_t)(tally->event_count % RAY_QUOTA_EVENT_MAX);
    ray_quota_seen *seen = &tally->seen[place];
    if (seen->id != 0) {
        uint32_t *at = bucket_of(quota, seen->id, seen->tenant);
        while (*at != place + 1)
            at = &tally->seen[*at - 1].next;
        *at = seen->next;
    }
    uint32_t *first = bucket_of(quota, id, tenant);
    *seen = (ray_quota_seen){.id = id, .outcome = *outcome, .tenant = tenant, .next = *first};
    *first = place + 1;
    tally->event_count++;
}

/* -- charging -- */
/* An event older than what its period counts is charged to the period that is open, because closed
 * ones are immutable. */
static uint32_t late(const ray_quota *quota, const ray_quota_event *event,
                     const ray_quota_hold *holds, uint32_t count)
{
    if (event->unix_ns == 0 || event->unix_ns > 0x7fffffffffffffffULL)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const ray_quota_active *active = &quota->book.active[holds[i].slot];
        const ray_quota_spec *spec = &quota->config.row[active->allocation - 1].spec;
        if (spec->reset != RAY_RESET_NEVER &&
            (int64_t)event->unix_ns < ray_quota_counts_from(spec, active))
            return 1;
    }
    return 0;
}

static void charge_now(ray_quota *quota, uint64_t now_ns, const ray_quota_event *event,
                       const ray_quota_charge *charge, ray_quota_outcome *out)
{
    ray_quota_hold holds[RAY_REQUEST_QUOTA_MAX];
    uint32_t count = ray_quota_take(quota, now_ns, &charge->query, &charge->answers, holds);
    if (late(quota, event, holds, count)) {
        out->flags |= RAY_QUOTA_LATE;
        quota->tally.late_count++;
    }
    ray_quota_settle(quota, now_ns, charge->query.wall_offset_ns, holds, count,
                     charge->query.units);
}

/* Nothing asked for is a look: it books and counts nothing. */
static uint32_t only_looks(const ray_quota_answers *answers)
{
    uint64_t units = 0;
    for (uint32_t i = 0; i < answers->count; i++)
        units |= answers->at[i].units;
    return answers->count != 0 && units == 0;
}

ray_status ray_quota_consume(ray_quota *quota, uint64_t now_ns, const ray_quota_event *event,
                             ray_quota_outcome *out)
{
    ray_quota_charge charge;
    ray_quota_tick(quota, now_ns, event->query.wall_offset_ns);
    ray_status status = ray_quota_charge_ask(quota, now_ns, event, &charge, out);
    if (status != RAY_OK) {
        quota->tally.error_count++;
        return status;
    }
    const ray_quota_seen *seen = seen_before(quota, event->id, charge.query.tenant);
    if (seen != 0) {
        *out = seen->outcome;
        out->flags |= RAY_QUOTA_DUPLICATE;
        quota->tally.duplicate_count++;
        return RAY_OK;
    }
    if (only_looks(&charge.answers))
        return RAY_OK;
    if (charge.answers.granted != 0)
        charge_now(quota, now_ns, event, &charge, out);
    ray_quota_note(quota, now_ns, &charge.answers, charge.answers.granted);
    if (event->id != 0)
        remember(quota, event->id, charge.query.tenant, out);
    return RAY_OK;
}
