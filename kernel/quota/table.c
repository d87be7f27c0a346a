/* SPDX-License-Identifier: MIT */
/* table.c - allocations by handle and by list, instances by a seeded hash, and room for new ones.
 *
 * When every slot is taken, only an instance that carries no information may go: nothing used,
 * carried, reserved or peaked in its period. A moving hand looks at a bounded window of slots, so
 * no request ever walks the table.
 */
#include "parts.h"
#include "base/siphash.h"

enum { SLOT_MASK = 0xffff, GENERATION_SHIFT = 16 };

/* -- allocations -- */
uint32_t ray_quota_handle(const ray_quota *quota, uint32_t slot)
{
    return slot | quota->config.row[slot].generation << GENERATION_SHIFT;
}

ray_status ray_quota_slot(const ray_quota *quota, uint32_t handle, uint32_t *slot)
{
    uint32_t place = handle & SLOT_MASK, generation = handle >> GENERATION_SHIFT;
    if (place >= RAY_QUOTA_ALLOCATION_MAX)
        return RAY_E_UNKNOWN;
    const ray_quota_row *row = &quota->config.row[place];
    if (row->spec.name.at[0] == 0)
        return generation != 0 && generation <= quota->config.issued[place] ? RAY_E_STALE
                                                                            : RAY_E_UNKNOWN;
    if (row->generation != generation)
        return RAY_E_STALE;
    *slot = place;
    return RAY_OK;
}

/* Rebuilt after every change of the rows, from the last slot to the first, so each list is
 * ascending. */
void ray_quota_list_all(ray_quota *quota)
{
    ray_quota_config *config = &quota->config;
    memset(config->tenant_first, 0, sizeof config->tenant_first);
    memset(config->plan_first, 0, sizeof config->plan_first);
    config->all_first = 0;
    config->count = 0;
    for (uint32_t slot = RAY_QUOTA_ALLOCATION_MAX; slot-- > 0;) {
        ray_quota_row *row = &config->row[slot];
        row->next = 0;
        if (row->spec.name.at[0] == 0)
            continue;
        config->count++;
        if (row->spec.named != 0)
            continue;
        uint32_t *first = row->spec.tenant != RAY_NONE ? &config->tenant_first[row->spec.tenant]
                          : row->spec.plan != RAY_NONE ? &config->plan_first[row->spec.plan]
                                                       : &config->all_first;
        row->next = *first;
        *first = slot + 1;
    }
}

/* -- instances -- */
uint64_t ray_quota_user_key(const ray_quota *quota, const ray_quota_spec *spec, ray_view user)
{
    return spec->per_user != 0 ? ray_siphash(quota->config.seed, user.at, user.length) : 0;
}

/* Nobody outside chooses these numbers: a user is a keyed hash already, slot and tenant are places
 * in a configuration. So they need mixing and no second hash (the finalizer of MurmurHash3, a
 * permutation: two instances of one user never share an identity). */
uint64_t ray_quota_key_of(const ray_quota *quota, uint32_t slot, uint32_t tenant, uint64_t user_key)
{
    uint64_t seed, key = (uint64_t)slot << 32 | tenant;
    memcpy(&seed, quota->config.seed, sizeof seed);
    key ^= user_key ^ seed;
    key = (key ^ key >> 33) * 0xff51afd7ed558ccdULL;
    key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return key ^ key >> 33;
}

/* Where the chain of an instance with this identity begins. */
static uint32_t bucket_of(uint64_t key)
{
    return (uint32_t)key & (RAY_QUOTA_ACTIVE_MAX - 1);
}

static uint32_t bucket_at(const ray_quota *quota, const ray_quota_active *active)
{
    return bucket_of(
        ray_quota_key_of(quota, active->allocation - 1, active->tenant, active->user_key));
}

uint32_t ray_quota_active_find(const ray_quota *quota, uint32_t slot, uint32_t tenant,
                               uint64_t user_key, uint64_t key)
{
    uint32_t place = quota->book.bucket[bucket_of(key)];
    while (place != 0) {
        const ray_quota_active *active = &quota->book.active[place - 1];
        if (active->allocation == slot + 1 && active->tenant == tenant &&
            active->user_key == user_key)
            return place - 1;
        place = active->next;
    }
    return RAY_NONE;
}

uint32_t ray_quota_active_of(const ray_quota *quota, uint32_t slot, uint32_t tenant,
                             uint64_t user_key)
{
    return ray_quota_active_find(quota, slot, tenant, user_key,
                                 ray_quota_key_of(quota, slot, tenant, user_key));
}

static void link_in(ray_quota *quota, uint32_t place)
{
    ray_quota_active *active = &quota->book.active[place];
    uint32_t *first = &quota->book.bucket[bucket_at(quota, active)];
    active->next = *first;
    *first = place + 1;
}

void ray_quota_rehash(ray_quota *quota)
{
    memset(quota->book.bucket, 0, sizeof quota->book.bucket);
    for (uint32_t place = 0; place < quota->book.active_top; place++)
        if (quota->book.active[place].allocation != 0)
            link_in(quota, place);
}

void ray_quota_active_free(ray_quota *quota, uint32_t place)
{
    ray_quota_active *active = &quota->book.active[place];
    uint32_t *at = &quota->book.bucket[bucket_at(quota, active)];
    while (*at != place + 1)
        at = &quota->book.active[*at - 1].next;
    *at = active->next;
    uint64_t *peak = &quota->tally.row[active->allocation - 1].peak_evicted_units;
    if (active->peak_ever_units > *peak)
        *peak = active->peak_ever_units;
    uint32_t stamp = active->stamp + 1;
    memset(active, 0, sizeof *active);
    active->stamp = stamp;
    quota->tally.active_denied_count[place] = 0;
    quota->book.active_free[quota->book.active_free_count++] = place;
}

/* -- room for one more -- */
static uint32_t idle(const ray_quota *quota, int64_t wall_ns, uint32_t place)
{
    const ray_quota_active *active = &quota->book.active[place];
    ray_quota_active scratch;
    if (active->reserved_units != 0)
        return 0; /* whoever holds it will come back, even after the period closed */
    const ray_quota_spec *spec = &quota->config.row[active->allocation - 1].spec;
    const ray_quota_active *now = ray_quota_view(spec, wall_ns, active, &scratch);
    return (now->used_units | now->reserved_units | now->carry_units | now->peak_units |
            now->admitted_count) == 0 &&
           ray_quota_guard_idle(wall_ns, now);
}

static uint32_t asked(const ray_quota_answers *answers, uint32_t place)
{
    for (uint32_t i = 0; i < answers->count; i++)
        if (answers->at[i].slot == place)
            return 1;
    return 0;
}

void ray_quota_places_begin(const ray_quota *quota, ray_quota_places *places)
{
    places->free_count =
        RAY_QUOTA_ACTIVE_MAX - quota->book.active_top + quota->book.active_free_count;
    places->hand = quota->tally.hand;
    places->looked_count = 0;
}

uint32_t ray_quota_place_next(const ray_quota *quota, int64_t wall_ns,
                              const ray_quota_answers *answers, ray_quota_places *places,
                              uint32_t *victim)
{
    *victim = RAY_NONE;
    if (places->free_count > 0) {
        places->free_count--;
        return 1;
    }
    ray_quota_places before = *places;
    for (uint32_t i = 0; i < RAY_QUOTA_EVICT_WINDOW && places->looked_count < RAY_QUOTA_ACTIVE_MAX;
         i++) {
        uint32_t place = places->hand;
        places->looked_count++;
        places->hand = (place + 1) & (RAY_QUOTA_ACTIVE_MAX - 1);
        if (asked(answers, place) || !idle(quota, wall_ns, place))
            continue;
        *victim = place;
        return 1;
    }
    *places = before; /* take skips what found no place, so the next search must begin where this
                         one did */
    return 0;
}

/* Makes `of` an instance, in the victim's slot or a free one. */
uint32_t ray_quota_active_add(ray_quota *quota, int64_t wall_ns, uint32_t victim,
                              const ray_quota_active *of)
{
    ray_quota_book *book = &quota->book;
    if (victim != RAY_NONE) {
        ray_assert(idle(quota, wall_ns, victim));
        ray_quota_active_free(quota, victim);
    }
    uint32_t place;
    if (book->active_free_count > 0) {
        place = book->active_free[--book->active_free_count];
        book->active_free[book->active_free_count] = 0;
    } else {
        ray_assert(book->active_top < RAY_QUOTA_ACTIVE_MAX);
        place = book->active_top++;
    }
    uint32_t stamp = book->active[place].stamp;
    book->active[place] = *of;
    book->active[place].stamp = stamp;
    link_in(quota, place);
    return place;
}
