/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, numbered. A number once given keeps its meaning.
 *
 *  1 the lists hold each allocation that is not named once, ascending, in its tenant's, its plan's
 *    or everybody's
 *  2 an allocation passes the field checks, its name is unique, its generation was given out
 *  3 an instance belongs to an allocation and its tenant, and only its own hash chain holds it
 *  4 used + free places are all there are; freed ones are zero but for the stamp
 *  5 a period starts before it ends; a rolling window's usage is the sum of its steps
 *  6 usage <= peak of the period <= peak of all time
 *  7 carry is at most a tenth of the largest limit an allocation may have
 *  8 a live lease is in the heap once, with holds it has room for; a freed one is zero
 *  9 the heap of leases is ordered
 * 10 what leases hold of an instance's open period is at most what it has reserved
 * 11 each remembered event is in its chain once
 * 12 the alert ring has no gap
 * 13 the work of a load is zero outside it
 * 14 asked = granted + denied
 */
#include "parts.h"
#include "base/heap.h"

enum { SLOT_MASK = 0xffff };

static uint32_t used_row(const ray_quota *quota, uint32_t slot)
{
    return quota->config.row[slot].spec.name.at[0] != 0;
}

/* -- 1, 2 -- */
static uint32_t list_length(const ray_quota *quota, uint32_t first, uint32_t tenant, uint32_t plan)
{
    uint32_t length = 0, last = 0;
    for (uint32_t at = first; at != 0; at = quota->config.row[at - 1].next) {
        if (at > RAY_QUOTA_ALLOCATION_MAX || at <= last || !used_row(quota, at - 1))
            return RAY_QUOTA_ALLOCATION_MAX + 1;
        const ray_quota_spec *spec = &quota->config.row[at - 1].spec;
        if (spec->tenant != tenant || (tenant == RAY_NONE && spec->plan != plan))
            return RAY_QUOTA_ALLOCATION_MAX + 1;
        last = at;
        length++;
    }
    return length;
}

static uint32_t lists_hold(const ray_quota *quota)
{
    uint64_t listed = list_length(quota, quota->config.all_first, RAY_NONE, RAY_NONE);
    uint32_t rows = 0;
    for (uint32_t tenant = 0; tenant < RAY_TENANT_MAX; tenant++)
        listed += list_length(quota, quota->config.tenant_first[tenant], tenant, 0);
    for (uint32_t plan = 0; plan < RAY_PLAN_MAX; plan++)
        listed += list_length(quota, quota->config.plan_first[plan], RAY_NONE, plan);
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++)
        if (used_row(quota, slot)) {
            rows++;
            listed += quota->config.row[slot].spec.named;
        }
    return listed == rows && rows == quota->config.count;
}

static uint32_t rows_hold(const ray_quota *quota)
{
    const ray_config_counts capacity = {.tenant_count = RAY_TENANT_MAX,
                                        .plan_count = RAY_PLAN_MAX,
                                        .service_count = RAY_SERVICE_MAX};
    uint32_t field, found;
    for (uint32_t slot = 0; slot < RAY_QUOTA_ALLOCATION_MAX; slot++) {
        const ray_quota_row *row = &quota->config.row[slot];
        if (!used_row(quota, slot)) {
            if (ray_is_zero(row, sizeof *row) == 0)
                return 0;
            continue;
        }
        if (ray_quota_spec_check(&row->spec, &capacity, &field) != RAY_OK ||
            ray_quota_find(quota, row->spec.name.at, ray_name_length(&row->spec.name), &found) !=
                RAY_OK ||
            (found & SLOT_MASK) != slot || row->generation > quota->config.issued[slot] ||
            quota->config.issued[slot] > SLOT_MASK)
            return 0;
    }
    return 1;
}

/* -- 3, 4 -- */
static uint32_t chains_hold(const ray_quota *quota)
{
    uint32_t chained = 0, live = 0;
    for (uint32_t bucket = 0; bucket < RAY_QUOTA_ACTIVE_MAX; bucket++)
        for (uint32_t at = quota->book.bucket[bucket]; at != 0;
             at = quota->book.active[at - 1].next)
            if (at > quota->book.active_top || ++chained > RAY_QUOTA_ACTIVE_MAX)
                return 0;
    for (uint32_t place = 0; place < quota->book.active_top; place++) {
        const ray_quota_active *active = &quota->book.active[place];
        if (active->allocation == 0)
            continue;
        live++;
        if (active->allocation > RAY_QUOTA_ALLOCATION_MAX ||
            !used_row(quota, active->allocation - 1))
            return 0;
        const ray_quota_spec *spec = &quota->config.row[active->allocation - 1].spec;
        if ((spec->tenant != RAY_NONE && spec->tenant != active->tenant) ||
            active->tenant >= RAY_TENANT_MAX || (spec->per_user == 0 && active->user_key != 0) ||
            ray_quota_active_of(quota, active->allocation - 1, active->tenant,
                                  active->user_key) != place)
            return 0;
    }
    return chained == live;
}

static uint32_t slots_hold(const ray_quota *quota)
{
    const ray_quota_book *book = &quota->book;
    uint32_t live = 0;
    if (book->active_top > RAY_QUOTA_ACTIVE_MAX || book->active_free_count > book->active_top)
        return 0;
    for (uint32_t place = 0; place < RAY_QUOTA_ACTIVE_MAX; place++) {
        ray_quota_active copy = book->active[place];
        copy.stamp = 0;
        if (copy.allocation != 0)
            live++;
        else if (ray_is_zero(&copy, sizeof copy) == 0 ||
                 quota->tally.active_denied_count[place] != 0)
            return 0;
    }
    for (uint32_t i = 0; i < RAY_QUOTA_ACTIVE_MAX; i++) {
        uint32_t place = book->active_free[i];
        if (i < book->active_free_count
                ? place >= book->active_top || book->active[place].allocation != 0
                : place != 0)
            return 0;
    }
    return live + book->active_free_count == book->active_top &&
           quota->tally.hand < RAY_QUOTA_ACTIVE_MAX;
}

/* -- 5, 6, 7 -- */
static uint32_t instance_fault(const ray_quota_spec *spec, const ray_quota_active *active)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < RAY_QUOTA_CELLS; i++)
        sum += active->cell[i];
    if (active->start_ns >= active->end_ns ||
        (spec->reset == RAY_RESET_ROLLING ? sum != active->used_units : sum != 0))
        return 5;
    if (active->used_units > active->peak_units || active->peak_units > active->peak_ever_units)
        return 6;
    return active->carry_units > 0x8000000000000000ULL / 10 ? 7 : 0;
}

static uint32_t instances_fault(const ray_quota *quota)
{
    for (uint32_t place = 0; place < quota->book.active_top; place++) {
        const ray_quota_active *active = &quota->book.active[place];
        uint32_t fault =
            active->allocation != 0
                ? instance_fault(&quota->config.row[active->allocation - 1].spec, active)
                : 0;
        if (fault != 0)
            return fault;
    }
    return 0;
}

/* -- 8, 9, 10 -- */
static uint32_t leases_hold(const ray_quota *quota)
{
    const ray_quota_book *book = &quota->book;
    uint32_t live = 0;
    if (book->lease_top > RAY_QUOTA_RESERVATION_MAX || book->lease_count > book->lease_top ||
        book->lease_count + book->lease_free_count != book->lease_top)
        return 0;
    for (uint32_t slot = 0; slot < RAY_QUOTA_RESERVATION_MAX; slot++) {
        ray_quota_lease copy = book->lease[slot];
        uint32_t at = book->lease_place[slot];
        copy.generation = 0;
        if (copy.live == 0) {
            if (ray_is_zero(&copy, sizeof copy) == 0 || at != 0 || book->lease_due_ns[slot] != 0)
                return 0;
            continue;
        }
        live++;
        if (copy.count > RAY_REQUEST_QUOTA_MAX || at == 0 || at > book->lease_count ||
            book->lease_order[at - 1] != slot)
            return 0;
    }
    return live == book->lease_count;
}

static uint32_t free_leases_hold(const ray_quota *quota)
{
    const ray_quota_book *book = &quota->book;
    for (uint32_t i = 0; i < RAY_QUOTA_RESERVATION_MAX; i++) {
        uint32_t slot = book->lease_free[i];
        if (i < book->lease_free_count ? slot >= book->lease_top || book->lease[slot].live != 0
                                       : slot != 0)
            return 0;
    }
    return 1;
}

static uint32_t heap_holds(const ray_quota *quota)
{
    const ray_quota_book *book = &quota->book;
    return ray_heap_in_order(book->lease_order, book->lease_due_ns, book->lease_count);
}

static uint64_t leased_units(const ray_quota *quota, uint32_t place)
{
    const ray_quota_active *active = &quota->book.active[place];
    uint32_t rolling = quota->config.row[active->allocation - 1].spec.reset == RAY_RESET_ROLLING;
    uint64_t units = 0;
    for (uint32_t slot = 0; slot < quota->book.lease_top; slot++)
        for (uint32_t i = 0; i < quota->book.lease[slot].count; i++) {
            const ray_quota_hold *hold = &quota->book.lease[slot].hold[i];
            if (hold->slot == place && hold->stamp == active->stamp &&
                (rolling || (int64_t)hold->period == active->period))
                units = ray_add_capped(units, hold->units);
        }
    return units;
}

static uint32_t reservations_hold(const ray_quota *quota)
{
    for (uint32_t place = 0; quota->book.lease_count != 0 && place < quota->book.active_top;
         place++) {
        const ray_quota_active *active = &quota->book.active[place];
        if (active->allocation != 0 && leased_units(quota, place) > active->reserved_units)
            return 0;
    }
    return 1;
}

/* -- 11, 12, 13 -- */
static uint32_t events_hold(const ray_quota *quota)
{
    const ray_quota_tally *tally = &quota->tally;
    uint64_t chained = 0, kept = tally->event_count < RAY_QUOTA_EVENT_MAX ? tally->event_count
                                                                          : RAY_QUOTA_EVENT_MAX;
    for (uint32_t bucket = 0; bucket < RAY_QUOTA_EVENT_MAX; bucket++)
        for (uint32_t at = tally->seen_bucket[bucket]; at != 0; at = tally->seen[at - 1].next)
            if (at > RAY_QUOTA_EVENT_MAX || tally->seen[at - 1].id == 0 || ++chained > kept)
                return 0;
    return chained == kept;
}

static uint32_t alerts_hold(const ray_quota *quota)
{
    for (uint64_t place = 0; place < RAY_QUOTA_ALERT_MAX; place++) {
        uint64_t id = quota->tally.alert[place].id;
        uint64_t written = quota->tally.alert_count;
        uint64_t wanted =
            written <= place ? 0 : written - (written - 1 - place) % RAY_QUOTA_ALERT_MAX;
        if (id != wanted)
            return 0;
    }
    return 1;
}

uint32_t ray_quota_valid(const ray_quota *quota)
{
    if (!lists_hold(quota))
        return 1;
    if (!rows_hold(quota))
        return 2;
    if (!slots_hold(quota))
        return 4;
    if (!chains_hold(quota))
        return 3;
    uint32_t fault = instances_fault(quota);
    if (fault != 0)
        return fault;
    if (!leases_hold(quota) || !free_leases_hold(quota))
        return 8;
    if (!heap_holds(quota))
        return 9;
    if (!reservations_hold(quota))
        return 10;
    if (!events_hold(quota))
        return 11;
    if (!alerts_hold(quota))
        return 12;
    if (ray_is_zero(quota->tally.move, sizeof quota->tally.move) == 0)
        return 13;
    return quota->tally.asked_count == quota->tally.granted_count + quota->tally.denied_count ? 0
                                                                                              : 14;
}
