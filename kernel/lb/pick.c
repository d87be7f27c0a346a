/* SPDX-License-Identifier: MIT */
/* pick.c - who may be picked, and who is. Everything here only looks but ray_lb_picked. */
#include "parts.h"
#include "base/fixed.h"
#include "base/siphash.h"

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

void ray_lb_see(const ray_lb *lb, uint64_t now_ns, uint32_t pool, uint32_t avoid, ray_lb_view *out)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    uint32_t count[3] = {0, 0, 0}, draining = 0;
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++) {
        uint32_t slot = lb->config.order[i];
        count[ray_lb_tier(lb, now_ns, slot)]++;
        draining += lb->book.instance[slot].draining != 0;
    }
    memset(out, 0, sizeof *out);
    out->first = row->first;
    out->total = row->count;
    out->tier = count[1] != 0 ? 1 : 2;
    out->fit = count[out->tier];
    out->avoid = out->fit > 1 ? avoid : (uint32_t)RAY_NONE;
    uint32_t staying = out->total - draining; /* who drains is not ill */
    if (row->spec.panic_percent != 0 && staying != 0 &&
        out->fit * 100U < row->spec.panic_percent * staying) {
        out->panic = 1;
        out->tier = 3;
        out->fit = row->spec.panic_fails != 0 ? 0 : staying;
    }
    if (row->spec.load_percent != 0 && out->fit != 0)
        out->load_max = (uint32_t)ray_mul_div_ceil(lb->book.pool[pool].active + 1ULL,
                                                   row->spec.load_percent, 100ULL * out->fit);
}

static uint32_t may(const ray_lb *lb, uint64_t now_ns, const ray_lb_view *view, uint32_t slot)
{
    if (slot == view->avoid)
        return 0;
    if (view->tier == 3)
        return lb->book.instance[slot].draining == 0;
    return ray_lb_tier(lb, now_ns, slot) == view->tier;
}

/* Hashes spread keys; with a bound they spread load too. */
static uint32_t may_load(const ray_lb *lb, uint64_t now_ns, const ray_lb_view *view, uint32_t slot)
{
    return may(lb, now_ns, view, slot) != 0 &&
           (view->load_max == 0 || lb->book.instance[slot].active + 1 <= view->load_max);
}

/* -- strategies -- */
/* The place after the last one picked, `step` further. */
static uint32_t turn(const ray_lb *lb, uint32_t pool, const ray_lb_view *view, uint32_t step)
{
    uint32_t place = (lb->book.pool[pool].cursor + step) % view->total;
    return lb->config.order[view->first + place];
}

static uint32_t round_robin(const ray_lb *lb, uint64_t now_ns, uint32_t pool,
                            const ray_lb_view *view)
{
    for (uint32_t step = 0; step < view->total; step++) {
        uint32_t slot = turn(lb, pool, view, step);
        if (may(lb, now_ns, view, slot) != 0)
            return slot;
    }
    return RAY_NONE;
}

/* (connections + 1) / weight, by cross-multiplication; equal ones take turns. */
static uint32_t least_connections(const ray_lb *lb, uint64_t now_ns, uint32_t pool,
                                  const ray_lb_view *view)
{
    uint32_t best = RAY_NONE;
    uint64_t best_load = 0, best_weight = 1;
    for (uint32_t step = 0; step < view->total; step++) {
        uint32_t slot = turn(lb, pool, view, step);
        if (may(lb, now_ns, view, slot) == 0)
            continue;
        uint64_t load = lb->book.instance[slot].active + 1ULL;
        uint64_t weight = ray_lb_weight(lb, now_ns, slot);
        if (best == RAY_NONE || load * best_weight < best_load * weight) {
            best = slot;
            best_load = load;
            best_weight = weight;
        }
    }
    return best;
}

static uint32_t weighted(const ray_lb *lb, uint64_t now_ns, const ray_lb_view *view)
{
    uint32_t best = RAY_NONE;
    int64_t most = 0;
    for (uint32_t i = 0; i < view->total; i++) {
        uint32_t slot = lb->config.order[view->first + i];
        if (may(lb, now_ns, view, slot) == 0)
            continue;
        int64_t current =
            lb->book.instance[slot].current + (int64_t)ray_lb_weight(lb, now_ns, slot);
        if (best == RAY_NONE || current > most) {
            best = slot;
            most = current;
        }
    }
    return best;
}

/* -log2(h / 2^64) in 1/2^32, rounded up, at least 1: bit by bit, by squaring. */
static uint64_t minus_log2(uint64_t h)
{
    uint64_t x = h | 1U, whole = (uint64_t)__builtin_clzll(x), part = 0;
    x <<= whole;
    for (uint32_t i = 0; i < 32; i++) {
        uint64_t square = ray_mul_div_floor(x, x, 1ULL << 63);
        part <<= 1;
        if (square == RAY_NEVER || square >= 1ULL << 63) {
            part |= square == RAY_NEVER;
            x = square == RAY_NEVER ? ray_mul_div_floor(x, x >> 1, 1ULL << 63) : square;
        }
    }
    return ((whole + 1) << 32) - part;
}

/* Rendezvous: each instance draws by key; with unequal weights the draw -log(u) / weight, smallest
 * first, gives each its share (Wang and Ravishankar 2009). */
static uint32_t rendezvous(const ray_lb *lb, uint64_t now_ns, uint64_t key,
                           const ray_lb_view *view)
{
    uint32_t best = RAY_NONE;
    uint64_t best_hash = 0, best_log = 0, best_weight = 0;
    for (uint32_t i = 0; i < view->total; i++) {
        uint32_t slot = lb->config.order[view->first + i];
        if (may_load(lb, now_ns, view, slot) == 0)
            continue;
        uint64_t hash = ray_siphash_words(lb->config.seed, key, lb->config.instance[slot].hash);
        uint64_t weight = ray_lb_weight(lb, now_ns, slot), log = 0;
        if (best != RAY_NONE && weight != best_weight) {
            log = minus_log2(hash);
            best_log = best_log != 0 ? best_log : minus_log2(best_hash);
            if (ray_mul_compare(log, best_weight, best_log, weight) >= 0)
                continue;
        } else if (best != RAY_NONE && hash <= best_hash)
            continue;
        best = slot;
        best_hash = hash;
        best_log = log;
        best_weight = weight;
    }
    return best;
}

/* The next point that belongs to one that may be picked. */
static uint32_t ketama(const ray_lb *lb, uint64_t now_ns, uint64_t key, uint32_t pool,
                       const ray_lb_view *view)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    if (row->ring_count == 0)
        return rendezvous(lb, now_ns, key, view);
    uint32_t place = ray_lb_at_place(lb, pool, (uint32_t)key);
    for (uint32_t step = 0; step < row->ring_count; step++) {
        uint32_t slot = lb->config.ring[row->ring_first + (place + step) % row->ring_count].slot;
        if (may_load(lb, now_ns, view, slot) != 0)
            return slot;
    }
    return RAY_NONE;
}

static uint32_t maglev(const ray_lb *lb, uint64_t now_ns, uint64_t key, uint32_t pool,
                       const ray_lb_view *view)
{
    uint32_t table = lb->config.pool[pool].maglev;
    if (table != 0) {
        uint32_t slot = lb->config.maglev[table - 1][key % RAY_MAGLEV_SIZE];
        if (slot != 0 && may_load(lb, now_ns, view, slot - 1) != 0)
            return slot - 1;
    }
    return rendezvous(lb, now_ns, key, view);
}

/* Weighted as nginx does: the hash modulo the sum, counted off in order; who is not fit is passed
 * over in turn. */
static uint32_t nginx(const ray_lb *lb, uint64_t now_ns, uint64_t key, const ray_lb_view *view)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < view->total; i++)
        sum += lb->config.instance[lb->config.order[view->first + i]].spec.weight;
    uint64_t left = sum != 0 ? (key - 1) % sum : 0;
    uint32_t place = 0;
    for (; place < view->total; place++) {
        uint64_t weight =
            lb->config.instance[lb->config.order[view->first + place]].spec.weight;
        if (left < weight)
            break;
        left -= weight;
    }
    for (uint32_t step = 0; step < view->total; step++) {
        uint32_t slot = lb->config.order[view->first + (place + step) % view->total];
        if (may_load(lb, now_ns, view, slot) != 0)
            return slot;
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
        case RAY_BALANCE_NGINX_IP_HASH: return nginx(lb, now_ns, query->key, view);
        case RAY_BALANCE_IP_HASH: return rendezvous(lb, now_ns, query->key, view);
        default:
            if (spec->sticky != RAY_LB_KEY_NONE)
                return rendezvous(lb, now_ns, query->key, view);
            break;
        }
    switch ((enum ray_balance)spec->strategy) {
    case RAY_BALANCE_LEAST_CONNECTIONS: return least_connections(lb, now_ns, pool, view);
    case RAY_BALANCE_WEIGHTED_ROUND_ROBIN: return weighted(lb, now_ns, view);
    default: return round_robin(lb, now_ns, pool, view);
    }
}

/* -- what a pick moves -- */
void ray_lb_picked(ray_lb *lb, uint64_t now_ns, uint32_t pool, const ray_lb_view *view,
                   uint32_t slot)
{
    int64_t sum = 0;
    uint32_t smooth = lb->config.pool[pool].spec.strategy == RAY_BALANCE_WEIGHTED_ROUND_ROBIN;
    for (uint32_t i = 0; i < view->total; i++) {
        uint32_t at = lb->config.order[view->first + i];
        if (at == slot)
            lb->book.pool[pool].cursor = i + 1;
        if (smooth == 0 || may(lb, now_ns, view, at) == 0)
            continue;
        int64_t weight = (int64_t)ray_lb_weight(lb, now_ns, at);
        lb->book.instance[at].current += weight;
        sum += weight;
    }
    if (smooth != 0)
        lb->book.instance[slot].current -= sum;
}
