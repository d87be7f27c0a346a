/* SPDX-License-Identifier: MIT */
/* pick.c - who may be picked, and who is. Everything here only looks but ray_lb_picked. */
#include "parts.h"
#include "base/fixed.h"

/* A strategy that walks keeps its registers to itself: it costs the others none. */
#define APART __attribute__((noinline))

enum { WEIGHT_UNIT = 200 };

/* -- fitness -- */
uint32_t ray_lb_tier(const ray_lb *lb, uint64_t now_ns, uint32_t slot)
{
    const ray_instance_book *book = &lb->book.instance[slot];
    if (book->draining != 0 || book->health == RAY_HEALTH_UNHEALTHY ||
        book->ejected_until_ns > now_ns)
        return 0;
    return book->health == RAY_HEALTH_UNKNOWN ? 2 : 1;
}

uint64_t ray_lb_weight(const ray_lb *lb, uint64_t now_ns, uint32_t slot)
{
    const ray_instance_row *row = &lb->config.instance[slot];
    const ray_instance_book *book = &lb->book.instance[slot];
    const ray_pool_spec *pool = &lb->config.pool[row->spec.pool & LB_SLOT_MASK].spec;
    uint64_t weight = (uint64_t)row->spec.weight * WEIGHT_UNIT;
    if (book->health == RAY_HEALTH_DEGRADED)
        weight /= 2;
    uint64_t age_ns = now_ns - book->since_ns;
    if (book->since_ns == 0 || age_ns >= pool->slow_start_ns)
        return weight;
    uint64_t least = pool->slow_start_percent;
    uint64_t percent = least + ray_mul_div_floor(100 - least, age_ns, pool->slow_start_ns);
    weight = weight * percent / 100;
    return weight != 0 ? weight : 1;
}

/* Whoever is not well, one by one. */
static __attribute__((noinline)) void see_odd(const ray_lb *lb, uint64_t now_ns, uint32_t pool,
                                              uint32_t avoid, ray_lb_view *out)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    uint32_t count[3] = {0, 0, 0}, draining = 0;
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++) {
        uint32_t slot = lb->config.order[i];
        count[ray_lb_tier(lb, now_ns, slot)]++;
        draining += lb->book.instance[slot].draining != 0;
    }
    out->calm = 0;
    out->tier = count[1] != 0 ? 1 : 2;
    out->fit = count[out->tier];
    out->avoid = out->fit > 1 ? avoid : (uint32_t)RAY_NONE;
    uint32_t staying = out->total - draining; /* who drains is not ill */
    if (row->spec.panic_percent == 0 || staying == 0 ||
        out->fit * 100U >= row->spec.panic_percent * staying)
        return;
    out->panic = 1;
    out->tier = 3;
    out->fit = row->spec.panic_fails != 0 ? 0 : staying;
}

void ray_lb_see(const ray_lb *lb, uint64_t now_ns, uint32_t pool, uint32_t avoid, ray_lb_view *out)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    const ray_pool_book *book = &lb->book.pool[pool];
    *out = (ray_lb_view){.first = row->first, .total = row->count, .fit = row->count, .tier = 1,
                         .avoid = row->count > 1 ? avoid : (uint32_t)RAY_NONE, .calm = 1};
    if (book->odd != 0 || now_ns < book->calm_ns)
        see_odd(lb, now_ns, pool, avoid, out);
    if (row->spec.load_percent != 0 && out->fit != 0)
        out->load_max = (uint32_t)ray_mul_div_ceil(book->active + 1ULL, row->spec.load_percent,
                                                   100ULL * out->fit);
}

static inline uint32_t may(const ray_lb *lb, uint64_t now_ns, const ray_lb_view *view,
                           uint32_t slot)
{
    if (slot == view->avoid)
        return 0;
    if (view->calm != 0)
        return 1;
    if (view->tier == 3)
        return lb->book.instance[slot].draining == 0;
    return ray_lb_tier(lb, now_ns, slot) == view->tier;
}

/* Hashes spread keys; with a bound they spread load too. */
static APART uint32_t may_load(const ray_lb *lb, uint64_t now_ns, const ray_lb_view *view,
                               uint32_t slot)
{
    return may(lb, now_ns, view, slot) != 0 &&
           (view->load_max == 0 || lb->book.instance[slot].active + 1 <= view->load_max);
}

static uint64_t weight_of(const ray_lb *lb, uint64_t now_ns, const ray_lb_view *view,
                          uint32_t slot)
{
    return view->calm != 0 ? (uint64_t)lb->config.instance[slot].spec.weight * WEIGHT_UNIT
                           : ray_lb_weight(lb, now_ns, slot);
}

/* -- strategies -- */
/* The place after the last one picked; turns go on from there without a division. */
static uint32_t turn(const ray_lb *lb, uint32_t pool, const ray_lb_view *view)
{
    uint32_t cursor = lb->book.pool[pool].cursor;
    return cursor < view->total ? cursor : 0;
}

static APART uint32_t round_robin(const ray_lb *lb, uint64_t now_ns, uint32_t pool,
                            const ray_lb_view *view)
{
    uint32_t place = turn(lb, pool, view);
    for (uint32_t step = 0; step < view->total; step++) {
        uint32_t slot = lb->config.order[view->first + place];
        if (may(lb, now_ns, view, slot) != 0)
            return slot;
        place = place + 1 < view->total ? place + 1 : 0;
    }
    return RAY_NONE;
}

/* (connections + 1) / weight, by cross-multiplication; equal ones take turns. */
static APART uint32_t least_connections(const ray_lb *lb, uint64_t now_ns, uint32_t pool,
                                  const ray_lb_view *view)
{
    uint32_t best = RAY_NONE, place = turn(lb, pool, view);
    uint64_t best_load = 0, best_weight = 1;
    for (uint32_t step = 0; step < view->total; step++) {
        uint32_t slot = lb->config.order[view->first + place];
        place = place + 1 < view->total ? place + 1 : 0;
        if (may(lb, now_ns, view, slot) == 0)
            continue;
        uint64_t load = lb->book.instance[slot].active + 1ULL;
        uint64_t weight = weight_of(lb, now_ns, view, slot);
        if (best == RAY_NONE || load * best_weight < best_load * weight) {
            best = slot;
            best_load = load;
            best_weight = weight;
        }
    }
    return best;
}

/* The same where all weigh alike and all may: the fewest connections, the next in turn of them.
 * One number per instance says both, so that choosing needs no branch. */
static APART uint32_t least_alike(const ray_lb *lb, uint32_t pool, const ray_lb_view *view)
{
    const uint16_t *order = &lb->config.order[view->first];
    uint32_t begin = turn(lb, pool, view);
    uint64_t least = RAY_NEVER;
    for (uint32_t place = 0; place < view->total; place++) {
        uint32_t step = place >= begin ? place - begin : place + view->total - begin;
        uint64_t load = (uint64_t)lb->book.instance[order[place]].active << 32 | step;
        least = load < least ? load : least;
    }
    uint32_t place = begin + (uint32_t)least;
    return order[place < view->total ? place : place - view->total];
}

static APART uint32_t weighted(const ray_lb *lb, uint64_t now_ns, const ray_lb_view *view)
{
    uint32_t best = RAY_NONE;
    int64_t most = INT64_MIN;
    for (uint32_t i = 0; i < view->total; i++) {
        uint32_t slot = lb->config.order[view->first + i];
        if (may(lb, now_ns, view, slot) == 0)
            continue;
        int64_t current =
            lb->book.instance[slot].current + (int64_t)weight_of(lb, now_ns, view, slot);
        best = current > most ? slot : best;
        most = current > most ? current : most;
    }
    return best;
}

/* What an instance draws for a key: both are hashes under the seed already, so what is left to do
 * is to mix them (Steele, Lea and Flood 2014, the mixer of SplitMix). */
static uint64_t draw(uint64_t key, uint64_t hash)
{
    uint64_t x = key ^ hash;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

static uint32_t rendezvous_alike(const ray_lb *lb, uint64_t key, const ray_lb_view *view)
{
    const uint16_t *order = &lb->config.order[view->first];
    uint32_t best = order[0];
    uint64_t best_drawn = draw(key, lb->config.instance[best].hash);
    for (uint32_t i = 1; i < view->total; i++) {
        uint64_t drawn = draw(key, lb->config.instance[order[i]].hash);
        best = drawn > best_drawn ? order[i] : best;
        best_drawn = drawn > best_drawn ? drawn : best_drawn;
    }
    return best;
}

/* What an instance drew, and bounds of the logarithm of it. */
typedef struct drawn {
    uint64_t hash;
    uint64_t least;
    uint64_t most;
    uint64_t weight;
} drawn;

/* -log(a) / weight of a < the same of b: by bounds of the logarithms, which mostly tell. */
static uint32_t draws_less(const drawn *a, const drawn *b)
{
    if (ray_mul_compare(a->least, b->weight, b->most, a->weight) >= 0)
        return 0;
    if (ray_mul_compare(a->most, b->weight, b->least, a->weight) < 0)
        return 1;
    return ray_mul_compare(ray_minus_log2(a->hash), b->weight, ray_minus_log2(b->hash),
                           a->weight) < 0;
}

/* Rendezvous: each instance draws by key; with unequal weights the draw -log(u) / weight, smallest
 * first, gives each its share (Wang and Ravishankar 2009). */
static APART uint32_t rendezvous(const ray_lb *lb, uint64_t now_ns, uint64_t key, uint32_t alike,
                                 const ray_lb_view *view)
{
    uint32_t best = RAY_NONE;
    drawn first = {0, 0, 0, 0};
    if (alike != 0 && view->load_max == 0)
        return rendezvous_alike(lb, key, view);
    for (uint32_t i = 0; i < view->total; i++) {
        uint32_t slot = lb->config.order[view->first + i];
        if (may_load(lb, now_ns, view, slot) == 0)
            continue;
        drawn own = {.hash = draw(key, lb->config.instance[slot].hash),
                     .weight = weight_of(lb, now_ns, view, slot)};
        ray_minus_log2_bounds(own.hash, &own.least, &own.most);
        if (best != RAY_NONE && (own.weight == first.weight ? own.hash <= first.hash
                                                            : !draws_less(&own, &first)))
            continue;
        best = slot;
        first = own;
    }
    return best;
}

/* Everyone may, and all weigh the same: there is only one thing to look at. */
static uint32_t alike(const ray_lb *lb, uint32_t pool, const ray_lb_view *view)
{
    return view->calm != 0 && view->avoid == RAY_NONE && lb->config.pool[pool].weight != 0;
}

/* The next point that belongs to one that may be picked. */
static APART uint32_t ketama(const ray_lb *lb, uint64_t now_ns, uint64_t key, uint32_t pool,
                       const ray_lb_view *view)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    if (row->ring_count == 0)
        return rendezvous(lb, now_ns, key, alike(lb, pool, view), view);
    uint32_t place = ray_lb_at_place(lb, pool, (uint32_t)key);
    for (uint32_t step = 0; step < row->ring_count; step++) {
        uint32_t slot = lb->config.ring[row->ring_first + place].slot;
        if (may_load(lb, now_ns, view, slot) != 0)
            return slot;
        place = place + 1 < row->ring_count ? place + 1 : 0;
    }
    return RAY_NONE;
}

static uint32_t maglev(const ray_lb *lb, uint64_t now_ns, uint64_t key, uint32_t pool,
                       const ray_lb_view *view)
{
    uint32_t table = lb->config.pool[pool].maglev;
    if (table != 0) {
        uint32_t slot = lb->config.maglev[table - 1][key % RAY_MAGLEV_SIZE];
        if (slot != 0 && ((view->calm != 0 && view->avoid == RAY_NONE && view->load_max == 0) ||
                          may_load(lb, now_ns, view, slot - 1) != 0))
            return slot - 1;
    }
    return rendezvous(lb, now_ns, key, alike(lb, pool, view), view);
}

/* Weighted as nginx does: the hash modulo the sum, counted off in order; who is not fit is passed
 * over in turn. */
static APART uint32_t nginx(const ray_lb *lb, uint64_t now_ns, uint64_t key, uint32_t pool,
                      const ray_lb_view *view)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    uint64_t left = row->weight_sum != 0 ? (key - 1) % row->weight_sum : 0;
    uint32_t place = row->weight != 0 ? (uint32_t)left / row->weight : 0;
    for (; row->weight == 0 && place < view->total; place++) {
        uint64_t weight = lb->config.instance[lb->config.order[view->first + place]].spec.weight;
        if (left < weight)
            break;
        left -= weight;
    }
    for (uint32_t step = 0; step < view->total; step++) {
        uint32_t slot = lb->config.order[view->first + place];
        if (may_load(lb, now_ns, view, slot) != 0)
            return slot;
        place = place + 1 < view->total ? place + 1 : 0;
    }
    return RAY_NONE;
}

uint32_t ray_lb_pick(const ray_lb *lb, uint64_t now_ns, const ray_lb_query *query, uint32_t pool,
                     const ray_lb_view *view)
{
    const ray_pool_spec *spec = &lb->config.pool[pool].spec;
    if (view->fit == 0)
        return RAY_NONE;
    if (query->key != 0)
        switch ((enum ray_balance)spec->strategy) {
        case RAY_BALANCE_KETAMA: return ketama(lb, now_ns, query->key, pool, view);
        case RAY_BALANCE_MAGLEV: return maglev(lb, now_ns, query->key, pool, view);
        case RAY_BALANCE_NGINX_IP_HASH: return nginx(lb, now_ns, query->key, pool, view);
        case RAY_BALANCE_IP_HASH:
            return rendezvous(lb, now_ns, query->key, alike(lb, pool, view), view);
        default:
            if (spec->sticky != RAY_LB_KEY_NONE)
                return rendezvous(lb, now_ns, query->key, alike(lb, pool, view), view);
            break;
        }
    switch ((enum ray_balance)spec->strategy) {
    case RAY_BALANCE_LEAST_CONNECTIONS:
        return alike(lb, pool, view) != 0 ? least_alike(lb, pool, view)
                                          : least_connections(lb, now_ns, pool, view);
    case RAY_BALANCE_WEIGHTED_ROUND_ROBIN: return weighted(lb, now_ns, view);
    default: return round_robin(lb, now_ns, pool, view);
    }
}

/* -- what a pick moves -- */
/* A pool's order is that of the slots. */
static uint32_t place_in(const ray_lb *lb, const ray_lb_view *view, uint32_t slot)
{
    const uint16_t *order = &lb->config.order[view->first];
    uint32_t low = 0;
    for (uint32_t left = view->total; left > 1;) {
        uint32_t half = left / 2;
        low = order[low + half] <= slot ? low + half : low;
        left -= half;
    }
    return low;
}

void ray_lb_picked(ray_lb *lb, uint64_t now_ns, uint32_t pool, const ray_lb_view *view,
                   uint32_t slot)
{
    int64_t sum = 0;
    lb->book.pool[pool].cursor = place_in(lb, view, slot) + 1;
    if (lb->config.pool[pool].spec.strategy != RAY_BALANCE_WEIGHTED_ROUND_ROBIN)
        return;
    for (uint32_t i = 0; i < view->total; i++) {
        uint32_t at = lb->config.order[view->first + i];
        if (may(lb, now_ns, view, at) == 0)
            continue;
        int64_t weight = (int64_t)weight_of(lb, now_ns, view, at);
        lb->book.instance[at].current += weight;
        sum += weight;
    }
    lb->book.instance[slot].current -= sum;
}
