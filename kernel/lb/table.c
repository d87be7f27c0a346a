/* SPDX-License-Identifier: MIT */
/* table.c - what is made from the rows: pools' instances side by side, ketama rings, maglev tables.
 * Made anew whenever a row changes; nothing else ever writes it. */
#include "parts.h"
#include "base/md5.h"
#include "base/xxhash.h"

enum { KETAMA_DIGESTS = 40 };

/* -- order (private) -- */
static void weigh(const ray_lb *lb, ray_pool_row *row)
{
    row->weight_sum = 0;
    row->weight = row->count != 0
                      ? lb->config.instance[lb->config.order[row->first]].spec.weight : 0;
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++) {
        uint32_t weight = lb->config.instance[lb->config.order[i]].spec.weight;
        row->weight_sum += weight;
        row->weight = weight == row->weight ? weight : 0;
    }
}

static void arrange_order(ray_lb *lb)
{
    uint32_t at = 0;
    memset(lb->config.order, 0, sizeof lb->config.order);
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++) {
        ray_pool_row *row = &lb->config.pool[pool];
        if (row->used == 0)
            continue;
        row->first = (uint16_t)at;
        for (uint32_t slot = 0; slot < RAY_INSTANCE_MAX; slot++)
            if (lb->config.instance[slot].used != 0 &&
                (lb->config.instance[slot].spec.pool & LB_SLOT_MASK) == pool)
                lb->config.order[at++] = (uint16_t)slot;
        row->count = (uint16_t)(at - row->first);
        if (lb->book.pool[pool].cursor > row->count)
            lb->book.pool[pool].cursor = 0;
        weigh(lb, row);
        ray_lb_calm(lb, pool);
    }
}

/* -- ketama (private) -- */
/* floor(w / W * 40 * n), exactly: libmemcached computes it in floats. */
static uint32_t digests_of(const ray_lb *lb, const ray_pool_row *row, uint32_t slot)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < row->count; i++)
        sum += lb->config.instance[lb->config.order[row->first + i]].spec.weight;
    return sum != 0 ? (uint32_t)((uint64_t)lb->config.instance[slot].spec.weight * KETAMA_DIGESTS *
                                 row->count / sum)
                    : 0;
}

uint32_t ray_lb_ring_points(const ray_lb *lb, uint32_t pool)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    uint32_t points = 0;
    if (row->used == 0 || row->spec.strategy != RAY_BALANCE_KETAMA)
        return 0;
    for (uint32_t i = 0; i < row->count; i++)
        points += 4 * digests_of(lb, row, lb->config.order[row->first + i]);
    return points;
}

/* "host-n", or "host:port-n" where the port is not memcached's own; it knows no brackets. */
static uint64_t put_label(const ray_name *at, uint32_t n, uint8_t label[RAY_NAME_BYTES + 8])
{
    uint64_t whole = ray_name_length(at), colon = whole, length = 0, digits = 1;
    for (uint64_t i = 0; i < whole; i++)
        colon = at->at[i] == ':' ? i : colon;
    if (ray_same_word(at->at + colon, whole - colon, ":11211"))
        whole = colon;
    for (uint64_t i = 0; i < whole; i++)
        if (at->at[i] != '[' && at->at[i] != ']')
            label[length++] = (uint8_t)at->at[i];
    label[length++] = '-';
    for (uint32_t left = n; left >= 10; left /= 10)
        digits++;
    for (uint64_t i = digits; i > 0; i--, n /= 10)
        label[length + i - 1] = (uint8_t)('0' + n % 10);
    return length + digits;
}

static uint32_t before(const ray_ring_point *a, const ray_ring_point *b)
{
    return a->point != b->point ? a->point < b->point : a->slot < b->slot;
}

/* Heap sort: the ring is large and the stack small. */
static void sift(ray_ring_point *ring, uint32_t at, uint32_t count)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(&ring[child], &ring[child + 1]))
            child++;
        if (!before(&ring[at], &ring[child]))
            return;
        ray_ring_point kept = ring[at];
        ring[at] = ring[child];
        ring[child] = kept;
    }
}

static void sort(ray_ring_point *ring, uint32_t count)
{
    for (uint32_t at = count / 2; at > 0; at--)
        sift(ring, at - 1, count);
    for (uint32_t last = count; last > 1; last--) {
        ray_ring_point kept = ring[0];
        ring[0] = ring[last - 1];
        ring[last - 1] = kept;
        sift(ring, 0, last - 1);
    }
}

static void arrange_ring(ray_lb *lb, uint32_t pool)
{
    ray_pool_row *row = &lb->config.pool[pool];
    ray_ring_point *ring = &lb->config.ring[lb->config.ring_count];
    uint32_t points = ray_lb_ring_points(lb, pool), at = 0;
    uint8_t label[RAY_NAME_BYTES + 8];
    row->ring_first = lb->config.ring_count;
    row->ring_count = 0;
    if (points == 0 || points > RAY_RING_MAX - lb->config.ring_count)
        return;   /* without a ring the pool goes by rendezvous */
    for (uint32_t i = 0; i < row->count; i++) {
        uint32_t slot = lb->config.order[row->first + i];
        for (uint32_t n = digests_of(lb, row, slot); n > 0; n--) {
            uint32_t digest[4];
            ray_md5_short(label, put_label(&lb->config.instance[slot].spec.at, n - 1, label),
                          digest);
            for (uint32_t part = 0; part < 4; part++)
                ring[at++] = (ray_ring_point){digest[part], (uint16_t)slot, 0};
        }
    }
    sort(ring, at);
    row->ring_count = at;
    lb->config.ring_count += at;
}

/* The first point at or above the hash; behind the last comes the first. */
uint32_t ray_lb_at_place(const ray_lb *lb, uint32_t pool, uint32_t hash)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    const ray_ring_point *ring = &lb->config.ring[row->ring_first];
    uint32_t low = 0;
    /* Halves without a branch: which way to go is a coin, and a wrong guess costs a lot. */
    for (uint32_t left = row->ring_count; left > 0;) {
        uint32_t half = (left + 1) / 2;
        low = ring[low + half - 1].point < hash ? low + half : low;
        left -= half;
    }
    return low < row->ring_count ? low : 0;
}

/* -- maglev (private) -- */
/* One more place for the instance at `i` of the pool's order: the next free one of its own
 * permutation. */
static void claim(const ray_lb *lb, uint32_t slot, uint16_t *next, uint16_t *table)
{
    const ray_name *at = &lb->config.instance[slot].spec.at;
    const uint8_t *name = (const uint8_t *)at->at;
    uint64_t length = ray_name_length(at), place;
    uint64_t offset = ray_xxh64(name, length, 0) % RAY_MAGLEV_SIZE;
    uint64_t skip = ray_xxh64(name, length, 1) % (RAY_MAGLEV_SIZE - 1) + 1;
    do
        place = (offset + (*next)++ * skip) % RAY_MAGLEV_SIZE;
    while (table[place] != 0);
    table[place] = (uint16_t)(slot + 1);
}

/* In every round the heaviest claims a place and each other one as often as its weight is of the
 * heaviest's, so shares follow the weights however large they are. */
static void fill_maglev(const ray_lb *lb, const ray_pool_row *row, uint16_t *table)
{
    uint16_t next[RAY_INSTANCE_MAX];
    uint32_t filled = 0, heaviest = 1;
    memset(table, 0, (RAY_MAGLEV_SIZE + 1) * sizeof *table);
    memset(next, 0, sizeof next);
    for (uint32_t i = 0; i < row->count; i++) {
        uint32_t weight = lb->config.instance[lb->config.order[row->first + i]].spec.weight;
        heaviest = weight > heaviest ? weight : heaviest;
    }
    for (uint32_t round = 1; row->count != 0 && filled < RAY_MAGLEV_SIZE; round++)
        for (uint32_t i = 0; i < row->count && filled < RAY_MAGLEV_SIZE; i++) {
            uint32_t slot = lb->config.order[row->first + i];
            uint32_t weight = lb->config.instance[slot].spec.weight;
            if (round * weight / heaviest == (round - 1) * weight / heaviest)
                continue;
            claim(lb, slot, &next[i], table);
            filled++;
        }
}

static void arrange_maglev(ray_lb *lb)
{
    uint32_t tables = 0;
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++) {
        ray_pool_row *row = &lb->config.pool[pool];
        row->maglev = 0;
        if (row->used == 0 || row->spec.strategy != RAY_BALANCE_MAGLEV ||
            tables == RAY_MAGLEV_MAX)
            continue;
        fill_maglev(lb, row, lb->config.maglev[tables]);
        row->maglev = (uint8_t)++tables;
    }
    for (; tables < RAY_MAGLEV_MAX; tables++)
        memset(lb->config.maglev[tables], 0, sizeof lb->config.maglev[tables]);
}

/* -- all of it -- */
void ray_lb_arrange(ray_lb *lb)
{
    uint32_t rings = lb->config.ring_count;
    arrange_order(lb);
    lb->config.ring_count = 0;
    for (uint32_t pool = 0; pool < RAY_POOL_MAX; pool++)
        if (lb->config.pool[pool].used != 0)
            arrange_ring(lb, pool);
    if (rings > lb->config.ring_count && rings <= RAY_RING_MAX)
        memset(&lb->config.ring[lb->config.ring_count], 0,
               (rings - lb->config.ring_count) * sizeof lb->config.ring[0]);
    arrange_maglev(lb);
}

uint32_t ray_lb_reindex(ray_lb *lb)
{
    uint64_t before_hash = ray_xxh64((const uint8_t *)&lb->config, sizeof lb->config, 0);
    memset(lb->config.ring, 0, sizeof lb->config.ring);
    ray_lb_arrange(lb);
    return ray_xxh64((const uint8_t *)&lb->config, sizeof lb->config, 0) == before_hash;
}

uint32_t ray_lb_ketama_hash(const uint8_t *at, uint64_t length)
{
    uint32_t digest[4];
    ray_md5_short(at, length < 55 ? length : 55, digest);
    return digest[0];
}

ray_status ray_lb_ketama_find(const ray_lb *lb, uint32_t pool, uint32_t hash, uint32_t *point,
                              uint32_t *instance)
{
    uint32_t slot;
    ray_status status = ray_lb_pool_slot(lb, pool, &slot);
    if (status != RAY_OK)
        return status;
    const ray_pool_row *row = &lb->config.pool[slot];
    if (row->ring_count == 0)
        return RAY_E_UNKNOWN;
    const ray_ring_point *found =
        &lb->config.ring[row->ring_first + ray_lb_at_place(lb, slot, hash)];
    *point = found->point;
    *instance = ray_lb_instance_handle(lb, found->slot);
    return RAY_OK;
}

uint32_t ray_lb_nginx_hash(const ray_address *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint32_t hash = 89, v4 = ray_same(address->at, mapped, sizeof mapped);
    for (uint32_t i = v4 != 0 ? 12 : 0; i < (v4 != 0 ? 15U : 16U); i++)
        hash = (hash * 113 + address->at[i]) % 6271;
    return hash;
}
