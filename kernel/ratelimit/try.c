/* SPDX-License-Identifier: MIT */
/* try.c - one limit decided, booked and counted in one call, for programs that use the core as a
 * library. A token bucket or a meter without second bucket, plan or hold takes the short way: two
 * loads, a multiplication, a compare. */
#include "limit.h"

enum { AHEAD = 32, NO_LIMIT = 255 };

/* -- the short way (private) -- */
/* Nothing but credits: 1 when booked. A denial leaves the bucket as it was, instant and all. Every
 * field is read once and before the first branch, or gcc 12 derives its address anew for each.
 * `many`: no branch on what was booked before, for rows of one instant, where nothing foresees
 * which limits were asked already; fill_ticks sorts out the products that wrapped. */
static inline __attribute__((always_inline)) uint32_t
spend_cost(const ray_limit_rule *rule, ray_bucket *bucket, uint64_t now_ns, uint64_t cost,
           uint32_t many)
{
    uint64_t missing = bucket->level, at = bucket->at, fill_ticks = rule->fill_ticks;
    uint64_t gain = rule->tokens, usual = rule->usual, tick = now_ns;
    uint32_t holds = bucket->holds, unit = rule->tick;
    if (__builtin_expect(unit != 0, 0))
        tick = ray_tick_of(now_ns, unit);
    if (many) {
        tick = tick > at ? tick : at;
        gain *= tick - at;
        missing = (missing - gain) &
                  (0U - (uint64_t)((tick - at < fill_ticks) & (missing > gain)));
    } else if (__builtin_expect(tick > at, 1)) {
        gain *= tick - at;
        missing = tick - at < fill_ticks && missing > gain ? missing - gain : 0;
    } else {
        tick = at;
    }
    missing += cost;
    if (__builtin_expect(missing > usual, 0))
        return 0;
    if (__builtin_expect(holds != 0, 0) && missing - cost < bucket->word)
        bucket->word = missing - cost;
    bucket->level = missing;
    bucket->at = tick;
    return 1;
}

static uint32_t spend(const ray_limit_rule *rule, ray_bucket *bucket, uint64_t now_ns,
                      uint64_t tokens)
{
    if (tokens > rule->capacity_tokens)
        return 0;
    return tokens == 0 ? 1 : spend_cost(rule, bucket, now_ns, tokens * rule->period, 0);
}

static inline void count(ray_ratelimit *rl, uint32_t slot, uint32_t granted, uint64_t tokens)
{
    ray_limit_tally *tally = &rl->tally.limit[slot];
    tally->verdict_count[granted]++;
    tally->token_count += granted ? tokens : 0;
    rl->tally.verdict_count[granted]++;
}

/* One token of an unkeyed limit that nothing but credits decides, counted by the limit but not yet
 * by the module: 1 booked, 0 denied, 2 when another way has to be taken. */
static inline __attribute__((always_inline)) uint32_t
spend_one(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit, uint32_t many)
{
    uint64_t slot = limit & 0xffffU;
    if (__builtin_expect(slot >= RAY_LIMIT_MAX, 0))
        return 2;
    const ray_limit_rule *rule = &rl->config.rule[slot];
    ray_limit_bucket *own = &rl->book.own[slot];
    ray_limit_tally *tally = &rl->tally.limit[slot];
    if (__builtin_expect(rule->direct != limit + 1U || own->held_until_ns > now_ns, 0))
        return 2;
    if (__builtin_expect(!spend_cost(rule, &own->main, now_ns, rule->period, many), 0)) {
        tally->verdict_count[0]++;
        return 0;
    }
    tally->verdict_count[1]++;
    tally->token_count++;
    return 1;
}

/* -- the long way (private) -- */
/* Never inline: its answer's frame and canary would be paid for by the short way too. */
static __attribute__((noinline)) int32_t try_slot(ray_ratelimit *rl, uint64_t now_ns,
                                                  uint32_t slot, uint64_t hash, uint64_t tokens,
                                                  ray_limit_answer *out)
{
    ray_ratelimit_answer answer;
    ray_limit_ask_one(rl, now_ns, slot, hash, tokens, &answer);
    (void)ray_ratelimit_take(rl, now_ns, &answer, 1, NULL);
    ray_ratelimit_note(rl, now_ns, &answer, answer.granted);
    if (out != NULL)
        *out = answer.at[0];
    return (int32_t)answer.granted;
}

static __attribute__((noinline)) int32_t try_any(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                                 uint64_t tokens, ray_limit_answer *out)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    if (rl->config.hot[slot].keyed != RAY_KEYED_NOT)
        return RAY_E_ARGUMENT;
    const ray_limit_rule *rule = &rl->config.rule[slot];
    ray_limit_bucket *own = &rl->book.own[slot];
    if (rule->direct == limit + 1U && out == NULL && own->held_until_ns <= now_ns) {
        uint32_t granted = spend(rule, &own->main, now_ns, tokens);
        count(rl, slot, granted, tokens);
        return (int32_t)granted;
    }
    return try_slot(rl, now_ns, slot, 0, tokens, out);
}

/* -- request -- */
int32_t ray_ratelimit_try(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit, uint64_t tokens,
                          ray_limit_answer *out)
{
    if (__builtin_expect(tokens == 1 && out == NULL, 1)) {
        uint32_t granted = spend_one(rl, now_ns, limit, 0);
        if (__builtin_expect(granted <= 1, 1)) {
            rl->tally.verdict_count[granted]++;
            return (int32_t)granted;
        }
    }
    return try_any(rl, now_ns, limit, tokens, out);
}

/* -- keys (private) -- */
/* 1 when nothing but credits decides over the keys of a limit that has no drain to wait for. */
static inline uint32_t is_plain(const ray_ratelimit *rl, uint32_t slot)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    return hot->kind <= RAY_KIND_METER && hot->mode == RAY_MODE_ENFORCE &&
           !rl->config.rule[slot].debt;
}

/* `place` is where the key was found: 1 booked, 0 denied, 2 when its bucket has another rate. */
static inline uint32_t spend_at(ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint32_t place,
                                uint64_t tokens)
{
    ray_bucket *bucket = ray_bucket_in(rl, place);
    const ray_limit_rule *rule = &rl->config.rule[slot];
    if (bucket->rule != slot)
        return 2;
    uint32_t granted = spend(rule, bucket, now_ns, tokens);
    count(rl, slot, granted, tokens);
    return granted;
}

static int32_t try_hash(ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint64_t hash,
                        uint64_t tokens, ray_limit_answer *out)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    if (out == NULL && is_plain(rl, slot) && rl->book.own[slot].held_until_ns <= now_ns) {
        uint32_t place = ray_key_find(rl, hot->keyed, ray_key_identity(hot, hash));
        uint32_t granted = place != RAY_NONE ? spend_at(rl, now_ns, slot, place, tokens) : 2;
        if (granted <= 1)
            return (int32_t)granted;
    }
    return try_slot(rl, now_ns, slot, hash, tokens, out);
}

/* -- request -- */
int32_t ray_ratelimit_try_key(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                              const uint8_t *key, uint64_t key_length, uint64_t tokens,
                              ray_limit_answer *out)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    uint32_t keyed = rl->config.hot[slot].keyed;
    if (keyed == RAY_KEYED_NOT)
        return RAY_E_ARGUMENT;
    uint64_t hash = ray_key_of_bytes(rl, key, key_length);
    return try_hash(rl, now_ns, slot, keyed == RAY_KEYED_USER ? hash : ~hash, tokens, out);
}

/* -- batches -- */
/* Always inline: a function that only prefetches looks pure to gcc 12, which then drops the call.
 */
static inline __attribute__((always_inline)) void touch_key(const ray_ratelimit *rl, uint32_t keyed,
                                                            uint64_t identity)
{
    if (keyed == RAY_KEYED_USER)
        __builtin_prefetch(&rl->book.user_key[identity & (RAY_LIMIT_USER_KEY_MAX - 1U)]);
    else
        __builtin_prefetch(&rl->book.ip_key[identity & (RAY_LIMIT_IP_KEY_MAX - 1U)]);
}

static inline __attribute__((always_inline)) uint32_t touch_bucket(const ray_ratelimit *rl,
                                                                   uint32_t keyed,
                                                                   uint64_t identity)
{
    uint32_t place = ray_key_find(rl, keyed, identity);
    if (place != RAY_NONE)
        __builtin_prefetch(ray_bucket_at(rl, place));
    return place;
}

static inline uint64_t key_at(const ray_ratelimit *rl, uint32_t place)
{
    return place < RAY_SLOT_IP ? rl->book.user_key[place - RAY_SLOT_USER]
                               : rl->book.ip_key[place - RAY_SLOT_IP];
}

static uint64_t batch_keys(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_batch *batch,
                           uint32_t slot)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    uint32_t place[AHEAD], keyed = hot->keyed, plain = is_plain(rl, slot);
    uint64_t granted = 0, hash[AHEAD], flip = keyed == RAY_KEYED_USER ? 0 : ~(uint64_t)0;
    for (uint64_t begin = 0; begin < batch->count; begin += AHEAD) {
        uint64_t n = batch->count - begin < AHEAD ? batch->count - begin : AHEAD;
        for (uint64_t i = 0; i < n; i++) {
            hash[i] = ray_key_of_number(rl, batch->keys[begin + i]) ^ flip;
            touch_key(rl, keyed, ray_key_identity(hot, hash[i]));
        }
        for (uint64_t i = 0; i < n; i++)
            place[i] = touch_bucket(rl, keyed, ray_key_identity(hot, hash[i]));
        for (uint64_t i = 0; i < n; i++) {
            uint64_t row = begin + i;
            uint64_t at = batch->at_ns != NULL ? batch->at_ns[row] : now_ns;
            uint64_t tokens = batch->tokens != NULL ? batch->tokens[row] : 1;
            uint32_t yes = 2;
            /* A new key of the rows between may have taken the place. */
            if (plain && place[i] != RAY_NONE && rl->book.own[slot].held_until_ns <= at &&
                key_at(rl, place[i]) == ray_key_identity(hot, hash[i]))
                yes = spend_at(rl, at, slot, place[i], tokens);
            if (yes > 1)
                yes = try_hash(rl, at, slot, hash[i], tokens, NULL) == 1;
            batch->out[row] = (uint8_t)yes;
            granted += yes;
        }
    }
    return granted;
}

/* One token of each row's limit, all at one instant: the module's own counters wait for the end. */
static uint64_t batch_limits(ray_ratelimit *rl, uint64_t now_ns, const uint32_t *limits,
                             uint8_t *out, uint64_t rows)
{
    uint64_t granted = 0, denied = 0, others = 0;
    for (uint64_t row = 0; row < rows; row++) {
        uint32_t yes = spend_one(rl, now_ns, limits[row], 1);
        if (__builtin_expect(yes > 1, 0)) {
            int32_t other = try_any(rl, now_ns, limits[row], 1, NULL);
            out[row] = other < 0 ? (uint8_t)NO_LIMIT : (uint8_t)other;
            others += other == 1;
            continue;
        }
        out[row] = (uint8_t)yes;
        granted += yes;
        denied += 1U - yes;
    }
    rl->tally.verdict_count[0] += denied;
    rl->tally.verdict_count[1] += granted;
    return granted + others;
}

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
        return batch_limits(rl, now_ns, batch->limits, batch->out, batch->count);
    for (uint64_t row = 0; row < batch->count; row++) {
        uint64_t at = batch->at_ns != NULL ? batch->at_ns[row] : now_ns;
        uint64_t tokens = batch->tokens != NULL ? batch->tokens[row] : 1;
        int32_t yes = ray_ratelimit_try(rl, at, batch->limits[row], tokens, NULL);
        batch->out[row] = yes < 0 ? (uint8_t)NO_LIMIT : (uint8_t)yes;
        granted += yes == 1;
    }
    return granted;
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
