/* SPDX-License-Identifier: MIT */
/* batch.c - many limits asked in one call, strictly in order; and cache lines fetched ahead of a
 * request. */
#include "short.h"

enum { AHEAD = 16, BLOCK = 256, NO_LIMIT = 255 };

/* -- keys (private) -- */
/* The table of one kind of keys, found once a batch. */
typedef struct keyed_table {
    const uint64_t *keys;
    ray_bucket *buckets;
    uint64_t flip; /* of the hash */
    uint32_t size;
    uint32_t slot; /* of the limit that is asked */
} keyed_table;

/* Rows under way, by their number modulo RING. */
enum { RING = 2 * AHEAD };
typedef struct coming {
    uint64_t identity[RING];
    uint32_t place[RING]; /* in the table; RAY_NONE: no bucket yet */
} coming;

/* Always inline: a function that only prefetches looks pure to gcc 12, which then drops the call.
 */
static inline __attribute__((always_inline)) void
fetch_windows(const ray_ratelimit *rl, const keyed_table *table, const uint64_t *keys,
              uint64_t first, uint64_t end, coming *rows)
{
    const ray_limit_hot *hot = &rl->config.hot[table->slot];
    for (uint64_t row = first; row < end; row++) {
        uint64_t hash = ray_siphash_word(rl->config.seed, keys[row]) ^ table->flip;
        uint64_t identity = ray_key_identity(hot, hash);
        rows->identity[row % RING] = identity;
        __builtin_prefetch(&table->keys[identity & (table->size - 1U)]);
    }
}

static inline __attribute__((always_inline)) void
fetch_buckets(const keyed_table *table, uint64_t first, uint64_t end, coming *rows)
{
    for (uint64_t row = first; row < end; row++) {
        uint32_t place = ray_key_find_in(table->keys, table->size, rows->identity[row % RING]);
        rows->place[row % RING] = place;
        __builtin_prefetch(&table->buckets[place & (table->size - 1U)], 1);
    }
}

/* The long way of one row. */
static __attribute__((noinline)) uint32_t try_row(ray_ratelimit *rl, uint64_t at_ns, uint32_t slot,
                                                  uint64_t key, uint64_t tokens)
{
    uint8_t bytes[8];
    for (uint32_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(key >> 8U * i);
    uint32_t limit = ray_limit_handle(&rl->config.hot[slot], slot);
    return ray_ratelimit_try_key(rl, at_ns, limit, bytes, sizeof bytes, tokens, NULL) == 1;
}

/* The rows that are due; returns how many were granted. `usual`: one token each, at one instant, of
 * a limit that counts time in ns and is not held. */
static inline __attribute__((always_inline)) uint64_t
decide_rows(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_batch *batch,
            const keyed_table *table, uint64_t first, uint64_t end, const coming *rows,
            uint32_t usual)
{
    uint64_t granted = 0, singles = 0;
    uint32_t slot = table->slot, serves = usual || ray_short_serves(rl, slot);
    const ray_limit_rule *rule = &rl->config.rule[slot];
    for (uint64_t row = first; row < end; row++) {
        uint64_t at = usual || batch->at_ns == NULL ? now_ns : batch->at_ns[row];
        uint64_t tokens = usual || batch->tokens == NULL ? 1 : batch->tokens[row];
        uint32_t place = rows->place[row % RING], yes;
        ray_bucket *bucket = &table->buckets[place & (table->size - 1U)];
        /* A new key of the rows between may have taken the place. */
        uint32_t there = serves && place != RAY_NONE && bucket->rule == slot &&
                         table->keys[place] == rows->identity[row % RING] &&
                         (usual || rl->book.own[slot].held_until_ns <= at);
        if (__builtin_expect(!there, 0)) {
            yes = try_row(rl, at, slot, batch->keys[row], tokens);
        } else {
            yes = usual ? ray_short_book(rule, bucket, at, rule->period)
                        : ray_short_spend(rule, bucket, at, tokens);
            if (__builtin_expect(yes && tokens == 1, 1))
                singles++;
            else
                ray_short_count(rl, slot, yes, tokens);
        }
        batch->out[row] = (uint8_t)yes;
        granted += yes;
    }
    rl->tally.single_count[slot] += singles;
    return granted;
}

/* Three stages, each AHEAD rows behind the one before: hash and fetch the window, find the place
 * and fetch the bucket, decide. So a far line has the time of AHEAD rows to arrive. */
static inline __attribute__((always_inline)) uint64_t
pass_stages(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_batch *batch,
            const keyed_table *table, uint32_t usual)
{
    uint64_t granted = 0, hashed = 0, found = 0, decided = 0;
    coming rows;
    while (decided < batch->count) {
        granted += decide_rows(rl, now_ns, batch, table, decided, found, &rows, usual);
        decided = found;
        fetch_buckets(table, found, hashed, &rows);
        found = hashed;
        hashed = batch->count - hashed < AHEAD ? batch->count : hashed + AHEAD;
        fetch_windows(rl, table, batch->keys, found, hashed, &rows);
    }
    return granted;
}

static uint64_t batch_keys(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_batch *batch,
                           uint32_t slot)
{
    uint32_t users = rl->config.hot[slot].keyed == RAY_KEYED_USER;
    const keyed_table table = {users ? rl->book.user_key : rl->book.ip_key,
                               users ? rl->book.user : rl->book.ip,
                               users ? 0 : ~(uint64_t)0,
                               users ? RAY_LIMIT_USER_KEY_MAX : RAY_LIMIT_IP_KEY_MAX, slot};
    if (batch->at_ns == NULL && batch->tokens == NULL && ray_short_serves(rl, slot) &&
        rl->config.rule[slot].tick == 0 && rl->book.own[slot].held_until_ns <= now_ns)
        return pass_stages(rl, now_ns, batch, &table, 1);
    return pass_stages(rl, now_ns, batch, &table, 0);
}

/* -- limits (private) -- */
/* The first row and those behind it that ask the same limit: nothing comes back between them, so
 * the level stays in a register. Returns how many rows that is; those not granted are added to
 * *refused. */
static __attribute__((noinline)) uint64_t run_of(ray_ratelimit *rl, uint64_t now_ns,
                                                 const uint32_t *limits, uint8_t *out,
                                                 uint64_t rows, uint64_t *refused)
{
    const uint32_t limit = limits[0];
    const ray_limit_rule *rule = &rl->config.rule[limit & RAY_SLOT_MASK];
    int32_t first = ray_ratelimit_try(rl, now_ns, limit, 1, NULL);
    uint64_t granted = first == 1, row = 1;
    out[0] = first < 0 ? (uint8_t)NO_LIMIT : (uint8_t)first;
    if (rule->direct == limit + 1U && first == 1) {
        ray_bucket *bucket = &rl->book.own[limit & RAY_SLOT_MASK].main;
        const uint64_t period = rule->period, usual = rule->usual;
        uint64_t level = bucket->level;
        for (; row < rows && limits[row] == limit && level + period <= usual; row++) {
            level += period;
            out[row] = 1;
        }
        bucket->level = level;
        rl->tally.single_count[limit & RAY_SLOT_MASK] += row - 1;
        granted = row;
    }
    *refused += row - granted;
    return row;
}

/* One token of each row's limit, whichever it is; returns how many were not granted. Aligned,
 * because Skylake and its kin decode a jump anew each time when it touches the end of 32 bytes:
 * where the loop lies is worth a quarter of it. */
static __attribute__((noinline, aligned(64))) uint64_t
each_of(ray_ratelimit *rl, uint64_t now_ns, const uint32_t *limits, uint8_t *out, uint64_t rows)
{
    uint64_t refused = 0;
    for (uint64_t row = 0; row < rows; row++) {
        const uint32_t limit = limits[row];
        const ray_limit_rule *rule = rl->config.rule + (limit & RAY_SLOT_MASK);
        ray_bucket *bucket = &(rl->book.own + (limit & RAY_SLOT_MASK))->main;
        if (__builtin_expect(rule->direct != limit + 1U, 0) ||
            __builtin_expect(now_ns < bucket->at, 0)) {
            int32_t yes = ray_ratelimit_try(rl, now_ns, limit, 1, NULL);
            out[row] = yes < 0 ? (uint8_t)NO_LIMIT : (uint8_t)yes;
            refused += yes != 1;
            continue;
        }
        uint64_t missing = ray_short_missing(rule, bucket->level, now_ns - bucket->at);
        uint64_t after = missing + rule->period;
        if (__builtin_expect(after > rule->usual, 0)) {
            ray_short_count(rl, limit & RAY_SLOT_MASK, 0, 1);
            out[row] = 0;
            refused++;
            continue;
        }
        if (__builtin_expect(missing < bucket->word, 0))
            bucket->word = missing;
        bucket->level = after;
        bucket->at = now_ns;
        (rl->tally.single_count + (limit & RAY_SLOT_MASK))[0]++;
        out[row] = 1;
    }
    return refused;
}

/* One token of each row's limit, all at one instant; returns how many were not granted. Whether
 * rows ask one limit in a row is looked at once a block: asked of each, nothing foresees it. */
static uint64_t batch_limits(ray_ratelimit *rl, uint64_t now_ns, const uint32_t *limits,
                             uint8_t *out, uint64_t rows)
{
    uint64_t refused = 0;
    for (uint64_t n; rows != 0; rows -= n, limits += n, out += n) {
        n = rows < BLOCK ? rows : BLOCK;
        if (limits[0] == limits[n - 1])
            n = run_of(rl, now_ns, limits, out, rows, &refused);
        else
            refused += each_of(rl, now_ns, limits, out, n);
    }
    return refused;
}

/* -- request -- */
uint64_t ray_ratelimit_try_batch(ray_ratelimit *rl, uint64_t now_ns,
                                 const ray_ratelimit_batch *batch)
{
    uint32_t slot;
    uint64_t granted = 0;
    if (batch->limits == NULL) {
        if (ray_limit_slot(rl, batch->limit, &slot) == RAY_OK &&
            rl->config.hot[slot].keyed != RAY_KEYED_NOT)
            return batch_keys(rl, now_ns, batch, slot);
        memset(batch->out, NO_LIMIT, batch->count);
        return 0;
    }
    if (batch->at_ns == NULL && batch->tokens == NULL)
        return batch->count - batch_limits(rl, now_ns, batch->limits, batch->out, batch->count);
    for (uint64_t row = 0; row < batch->count; row++) {
        uint64_t at = batch->at_ns != NULL ? batch->at_ns[row] : now_ns;
        uint64_t tokens = batch->tokens != NULL ? batch->tokens[row] : 1;
        int32_t yes = ray_ratelimit_try(rl, at, batch->limits[row], tokens, NULL);
        batch->out[row] = yes < 0 ? (uint8_t)NO_LIMIT : (uint8_t)yes;
        granted += yes == 1;
    }
    return granted;
}

static inline __attribute__((always_inline)) void touch_key(const ray_ratelimit *rl, uint32_t keyed,
                                                            uint64_t identity)
{
    if (keyed == RAY_KEYED_USER)
        __builtin_prefetch(&rl->book.user_key[identity & (RAY_LIMIT_USER_KEY_MAX - 1U)]);
    else
        __builtin_prefetch(&rl->book.ip_key[identity & (RAY_LIMIT_IP_KEY_MAX - 1U)]);
}

void ray_ratelimit_prefetch(const ray_ratelimit *rl, const ray_ratelimit_query *query)
{
    const ray_ratelimit_config *config = &rl->config;
    uint32_t service = query->service & 0xffffU;
    uint32_t heads[2] = {
        query->service != RAY_NONE && service < RAY_SERVICE_MAX ? config->service_head[service] : 0,
        config->any_head};
    for (uint32_t list = 0; list < 2; list++)
        for (uint32_t i = heads[list]; i != 0; i = config->hot[i - 1].next) {
            const ray_limit_hot *hot = &config->hot[i - 1];
            __builtin_prefetch(&rl->config.rule[i - 1]);
            __builtin_prefetch(&rl->book.own[i - 1], 1);
            if (hot->keyed == RAY_KEYED_NOT)
                continue;
            uint64_t hash = hot->keyed == RAY_KEYED_USER
                                ? ray_key_of_bytes(rl, query->user.at, query->user.length)
                                : ray_key_of_client(rl, hot, query);
            touch_key(rl, hot->keyed, ray_key_identity(hot, hash));
        }
}
