/* SPDX-License-Identifier: MIT */
/* quota.c - ask and note: what every quota of a request says, and that it was asked.
 *
 * A period rolls when it is next booked into, so idle tenants cost nothing; ask sees a rolled copy
 * and changes nothing.
 */
#include "parts.h"

/* One request's units stay below, so that no comparison can wrap. */
#define UNITS_END 0x8000000000000000ULL

uint64_t ray_quota_bytes(void)
{
    return sizeof(ray_quota);
}

/* -- init -- */
void ray_quota_init(ray_quota *quota, const uint8_t seed[16])
{
    memset(quota, 0, sizeof *quota);
    memcpy(quota->config.seed, seed, sizeof quota->config.seed);
}

/* -- request -- */
static void deny(ray_quota_answer *answer, uint16_t reason, uint64_t retry_after_ns)
{
    if (answer->granted != 0)
        answer->reason = reason;
    answer->granted = 0;
    if (retry_after_ns > answer->retry_after_ns)
        answer->retry_after_ns = retry_after_ns;
}

/* More than fits: overage, or no until the period ends. */
static __attribute__((noinline)) void answer_over(const ray_quota_spec *spec, int64_t wall_ns,
                                                  const ray_quota_active *active, uint64_t room,
                                                  ray_quota_answer *answer)
{
    if (spec->enforcement == RAY_QUOTA_SOFT) {
        answer->flags |= RAY_QUOTA_OVER;
        return;
    }
    uint64_t most = ray_add_capped(spec->limit_units, ray_quota_carry_max(spec));
    uint32_t never = answer->units > most && answer->units > room;
    deny(answer, never ? RAY_REASON_QUOTA_NEVER : RAY_REASON_QUOTA_EXCEEDED,
         never ? (uint64_t)RAY_NEVER : ray_quota_wait(spec, wall_ns, active, answer->units));
}

static __attribute__((noinline)) void answer_guard(const ray_quota_spec *spec, int64_t wall_ns,
                                                   const ray_quota_active *active,
                                                   ray_quota_answer *answer)
{
    uint64_t wait_ns = ray_quota_guard_wait(spec, wall_ns, active);
    if (wait_ns != 0)
        deny(answer, RAY_REASON_QUOTA_GUARD, wait_ns);
}

/* What one quota says, with `active` as it is now. Guards deny whatever the enforcement, which is
 * about the balance. */
static inline __attribute__((always_inline)) void answer_of(const ray_quota_spec *spec,
                                                            int64_t wall_ns,
                                                            const ray_quota_active *active,
                                                            ray_quota_answer *answer)
{
    uint64_t room = ray_add_capped(spec->limit_units, active->carry_units);
    uint64_t held = ray_add_capped(active->used_units, active->reserved_units);
    answer->left_units = room > held ? room - held : 0;
    if (__builtin_expect(ray_add_capped(held, answer->units) > room, 0))
        answer_over(spec, wall_ns, active, room, answer);
    if (__builtin_expect(ray_quota_guarded(spec), 0))
        answer_guard(spec, wall_ns, active, answer);
}

/* Of an instance whose periods ended since, or that does not exist yet (`place` RAY_NONE). A denial
 * does not make it, so it will have no carry later either: what passes the limit alone can never
 * be. */
static __attribute__((noinline)) void answer_other(const ray_quota *quota,
                                                   const ray_quota_row *row, int64_t wall_ns,
                                                   uint32_t place, ray_quota_answer *answer)
{
    ray_quota_active then;
    if (place == RAY_NONE) {
        ray_quota_open(row, wall_ns, &then);
    } else {
        then = quota->book.active[place];
        ray_quota_roll(&row->spec, wall_ns, &then);
    }
    answer_of(&row->spec, wall_ns, &then, answer);
    if (place == RAY_NONE && answer->granted == 0 && answer->units > row->spec.limit_units) {
        answer->reason = RAY_REASON_QUOTA_NEVER;
        answer->retry_after_ns = RAY_NEVER;
    }
}

static __attribute__((noinline)) void answer_gauge(const ray_quota_spec *spec, int64_t wall_ns,
                                                   const ray_quota_query *query,
                                                   ray_quota_answer *answer)
{
    uint64_t wait_ns =
        ray_quota_gauge_wait(spec, (uint64_t)(wall_ns - query->wall_offset_ns), query);
    if (wait_ns != 0)
        deny(answer, RAY_REASON_QUOTA_GUARD, wait_ns);
}

static inline void answer_fill(const ray_quota *quota, const ray_quota_row *row, int64_t wall_ns,
                               const ray_quota_query *query, uint32_t slot, uint32_t weight,
                               ray_quota_answer *answer)
{
    const ray_quota_spec *spec = &row->spec;
    uint64_t user_key = ray_quota_user_key(quota, spec, query->user);
    uint64_t key = ray_quota_key_of(quota, slot, query->tenant, user_key);
    uint32_t place = ray_quota_active_find(quota, slot, query->tenant, user_key, key);
    answer->units = ray_mul_capped(query->units[spec->type], weight);
    answer->retry_after_ns = 0;
    answer->key = key;
    answer->allocation = slot | row->generation << 16;
    answer->slot = place;
    answer->reason = RAY_REASON_OK;
    answer->granted = 1;
    answer->shadow = spec->mode == RAY_MODE_SHADOW;
    answer->flags = 0;
    answer->weight = (uint16_t)weight;
    const ray_quota_active *active = &quota->book.active[place != RAY_NONE ? place : 0];
    RAY_KEEP(active);
    if (__builtin_expect(place != RAY_NONE && wall_ns < active->end_ns, 1))
        answer_of(spec, wall_ns, active, answer);
    else
        answer_other(quota, row, wall_ns, place, answer);
    if (__builtin_expect((spec->guard_errors_per_min | spec->guard_latency_p99_ns) != 0, 0))
        answer_gauge(spec, wall_ns, query, answer);
}

static uint32_t applies(const ray_quota_spec *spec, const ray_quota_query *query)
{
    return spec->mode != RAY_MODE_OFF &&
           (spec->service == RAY_NONE || spec->service == query->service) &&
           (spec->plan == RAY_NONE || spec->plan == query->plan) &&
           (spec->tenant == RAY_NONE || spec->tenant == query->tenant);
}

/* Instances that do not exist yet need a slot each; where there is none, the quota cannot answer
 * for what it would count, so it denies until its own period ends. */
static void find_places(const ray_quota *quota, int64_t wall_ns, ray_quota_answers *out)
{
    ray_quota_places places;
    ray_quota_places_begin(quota, &places);
    for (uint32_t i = 0; i < out->count; i++) {
        ray_quota_answer *answer = &out->at[i];
        uint32_t victim;
        if (answer->slot != RAY_NONE || answer->granted == 0 ||
            ray_quota_place_next(quota, wall_ns, out, &places, &victim))
            continue;
        ray_quota_active fresh;
        ray_quota_open(&quota->config.row[answer->allocation & 0xffff], wall_ns, &fresh);
        uint32_t ends = fresh.end_ns != 0x7fffffffffffffffLL;
        deny(answer, RAY_REASON_QUOTA_TABLE_FULL,
             ends ? (uint64_t)fresh.end_ns - (uint64_t)wall_ns : (uint64_t)RAY_NEVER);
    }
}

/* The largest retry binds, ties go to the smallest place in the file. */
static __attribute__((noinline)) void bind(ray_quota_answers *out)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const ray_quota_answer *answer = &out->at[i];
        if (answer->granted != 0)
            continue;
        if (answer->shadow != 0) {
            out->shadow_denied_count++;
            continue;
        }
        if (out->granted != 0 || answer->retry_after_ns > out->retry_after_ns ||
            (answer->retry_after_ns == out->retry_after_ns &&
             (answer->allocation & 0xffff) < (out->at[out->by].allocation & 0xffff))) {
            out->by = i;
            out->retry_after_ns = answer->retry_after_ns;
        }
        out->granted = 0;
    }
}

/* 0 when there is no place left. */
static inline __attribute__((always_inline)) uint32_t ask_one(const ray_quota *quota,
                                                              int64_t wall_ns,
                                                              const ray_quota_query *query,
                                                              uint32_t slot, uint32_t weight,
                                                              ray_quota_answers *out)
{
    const ray_quota_row *row = &quota->config.row[slot];
    RAY_KEEP(row);
    if (!applies(&row->spec, query))
        return 1;
    if (out->count == RAY_REQUEST_QUOTA_MAX)
        return 0;
    ray_quota_answer *answer = &out->at[out->count++];
    RAY_KEEP(answer);
    answer_fill(quota, row, wall_ns, query, slot, weight, answer);
    return 1;
}

static __attribute__((noinline)) uint32_t ask_alone(const ray_quota *quota, int64_t wall_ns,
                                                    const ray_quota_query *query, uint32_t slot,
                                                    ray_quota_answers *out)
{
    return ask_one(quota, wall_ns, query, slot, 1, out);
}

static uint32_t named_before(const ray_quota_query *query, uint32_t place)
{
    for (uint32_t before = 0; before < place; before++)
        if (query->named[before] == query->named[place])
            return 1;
    return 0;
}

/* What the query names: each once, and nothing but what waits to be named. */
static __attribute__((noinline)) uint32_t ask_named(const ray_quota *quota, int64_t wall_ns,
                                                    const ray_quota_query *query,
                                                    ray_quota_answers *out)
{
    uint32_t slot;
    for (uint32_t i = 0; i < query->named_count; i++)
        if (!named_before(query, i) &&
            ray_quota_slot(quota, query->named[i], &slot) == RAY_OK &&
            quota->config.row[slot].spec.named != 0 &&
            !ask_one(quota, wall_ns, query, slot, query->named_weight[i], out))
            return 0;
    return 1;
}

/* What applies by itself: the lists of the tenant, of its plan, and of everybody. */
static uint32_t ask_listed(const ray_quota *quota, int64_t wall_ns, const ray_quota_query *query,
                           ray_quota_answers *out)
{
    const ray_quota_config *config = &quota->config;
    uint32_t first[3] = {config->tenant_first[query->tenant],
                         query->plan < RAY_PLAN_MAX ? config->plan_first[query->plan] : 0,
                         config->all_first};
    for (uint32_t list = 0; list < 3; list++)
        for (uint32_t at = first[list]; at != 0; at = config->row[at - 1].next)
            if (!ask_one(quota, wall_ns, query, at - 1, 1, out))
                return 0;
    return 1;
}

static uint32_t in_range(const ray_quota_query *query)
{
    for (uint32_t type = 0; type < RAY_QUOTA_TYPE_MAX; type++)
        if (query->units[type] >= UNITS_END)
            return 0;
    for (uint32_t i = 0; i < query->named_count && i < RAY_POLICY_QUOTA_MAX; i++)
        if (query->named_weight[i] == 0 || query->named_weight[i] > RAY_QUOTA_WEIGHT_MAX)
            return 0;
    return query->named_count <= RAY_POLICY_QUOTA_MAX;
}

ray_status ray_quota_ask_only(const ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                              uint32_t only, ray_quota_answers *out)
{
    const ray_quota_config *config = &quota->config;
    if (!in_range(query))
        return RAY_E_RANGE;
    if (query->tenant != RAY_NONE && query->tenant >= RAY_TENANT_MAX)
        return RAY_E_UNKNOWN;
    out->count = 0;
    out->by = RAY_NONE;
    out->granted = 1;
    out->retry_after_ns = 0;
    out->shadow_denied_count = 0;
    if (query->tenant == RAY_NONE || config->count == 0)
        return RAY_OK;
    int64_t wall_ns = ray_quota_wall(now_ns, query->wall_offset_ns);
    uint32_t room = only != RAY_NONE
                        ? ask_alone(quota, wall_ns, query, only, out)
                        : ask_listed(quota, wall_ns, query, out) &&
                              (query->named_count == 0 || ask_named(quota, wall_ns, query, out));
    if (room == 0)
        return RAY_E_ARGUMENT;
    uint32_t made = 1, denied = 0;   /* mostly all exist and nobody says no */
    for (uint32_t i = 0; i < out->count; i++) {
        made &= out->at[i].slot != RAY_NONE;
        denied |= out->at[i].granted == 0;
    }
    if (made == 0)
        find_places(quota, wall_ns, out);
    if (made == 0 || denied != 0)
        bind(out);
    return RAY_OK;
}

ray_status ray_quota_ask(const ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                         ray_quota_answers *out)
{
    return ray_quota_ask_only(quota, now_ns, query, RAY_NONE, out);
}

void ray_quota_note(ray_quota *quota, uint64_t now_ns, const ray_quota_answers *answers,
                    uint32_t granted)
{
    ray_quota_tally *tally = &quota->tally;
    uint32_t full = 0;
    (void)now_ns;
    tally->asked_count++;
    tally->granted_count += answers->granted != 0;
    tally->denied_count += answers->granted == 0;
    tally->unspent_count += answers->granted != 0 && granted == 0;
    tally->shadow_denied_count += answers->shadow_denied_count;
    for (uint32_t i = 0; i < answers->count; i++) {
        const ray_quota_answer *answer = &answers->at[i];
        ray_quota_tail *row = &tally->row[answer->allocation & 0xffff];
        row->asked_count++;
        row->granted_count += answer->granted != 0;
        row->denied_count += answer->granted == 0;
        if (answer->granted == 0 && answer->slot != RAY_NONE)
            tally->active_denied_count[answer->slot]++;
        if (answer->reason == RAY_REASON_QUOTA_TABLE_FULL) {
            tally->table_full_count++;
            full = 1;
        }
    }
    if (full != 0) /* the next search looks at other slots */
        tally->hand = (tally->hand + RAY_QUOTA_EVICT_WINDOW) & (RAY_QUOTA_ACTIVE_MAX - 1);
}
