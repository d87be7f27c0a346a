/* SPDX-License-Identifier: MIT */
/* try.c - one limit decided, booked and counted in one call, for programs that use the core as a
 * library. A token bucket or a meter without second bucket, plan or hold takes the short way: two
 * loads, a multiplication, a compare. */
#include "limit.h"

enum { AHEAD = 32, NO_LIMIT = 255 };

/* -- the short way (private) -- */
/* Nothing but credits: 1 when booked. */
static inline uint32_t spend(const ray_limit_rule *rule, ray_bucket *bucket, uint64_t now_ns,
                             uint64_t tokens)
{
    uint64_t tick = ray_tick_of(now_ns, rule->tick);
    uint64_t missing = ray_credits_missing(rule, bucket, tick);
    uint64_t cost = rule->period;
    if (__builtin_expect(tokens != 1, 0)) {
        if (tokens > rule->capacity_tokens)
            return 0;
        if (tokens == 0)
            return 1;
        cost = tokens * rule->period;
    }
    if (missing + cost > rule->usual)
        return 0;
    if (__builtin_expect(bucket->holds != 0, 0) && missing < bucket->word)
        bucket->word = missing;
    bucket->level = missing + cost;
    bucket->at = tick > bucket->at ? tick : bucket->at;
    return 1;
}

static void count(ray_ratelimit *rl, uint32_t slot, uint32_t granted, uint64_t tokens)
{
    ray_limit_tally *tally = &rl->tally.limit[slot];
    tally->verdict_count[granted]++;
    tally->token_count += granted ? tokens : 0;
    rl->tally.verdict_count[granted]++;
}

/* -- the long way (private) -- */
static int32_t try_slot(ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint64_t hash,
                        uint64_t tokens, ray_limit_answer *out)
{
    ray_ratelimit_answer answer;
    ray_limit_ask_one(rl, now_ns, slot, hash, tokens, &answer);
    (void)ray_ratelimit_take(rl, now_ns, &answer, 1, NULL);
    ray_ratelimit_note(rl, now_ns, &answer, answer.granted);
    if (out != NULL)
        *out = answer.at[0];
    return (int32_t)answer.granted;
}

/* -- request -- */
int32_t ray_ratelimit_try(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit, uint64_t tokens,
                          ray_limit_answer *out)
{
    uint32_t slot = limit & 0xffffU;
    if (slot >= RAY_LIMIT_MAX)
        return RAY_E_UNKNOWN;
    const ray_limit_rule *rule = &rl->config.rule[slot];
    ray_limit_bucket *own = &rl->book.own[slot];
    if (rule->direct == limit + 1U && out == NULL && own->held_until_ns <= now_ns) {
        uint32_t granted = spend(rule, &own->main, now_ns, tokens);
        count(rl, slot, granted, tokens);
        return (int32_t)granted;
    }
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    if (rl->config.hot[slot].keyed != RAY_KEYED_NOT)
        return RAY_E_ARGUMENT;
    return try_slot(rl, now_ns, slot, 0, tokens, out);
}

static int32_t try_hash(ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint64_t hash,
                        uint64_t tokens, ray_limit_answer *out)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    if (out == NULL && hot->kind <= RAY_KIND_METER && hot->mode == RAY_MODE_ENFORCE &&
        !rl->config.rule[slot].debt && rl->book.own[slot].held_until_ns <= now_ns) {
        uint32_t place = ray_key_find(rl, hot->keyed, ray_key_identity(hot, hash));
        ray_bucket *bucket = place != RAY_NONE ? ray_bucket_in(rl, place) : NULL;
        if (bucket != NULL && bucket->rule == slot) {
            uint32_t granted = spend(&rl->config.rule[slot], bucket, now_ns, tokens);
            count(rl, slot, granted, tokens);
            return (int32_t)granted;
        }
    }
    return try_slot(rl, now_ns, slot, hash, tokens, out);
}

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

static inline __attribute__((always_inline)) void touch_bucket(const ray_ratelimit *rl,
                                                               uint32_t keyed, uint64_t identity)
{
    uint32_t place = ray_key_find(rl, keyed, identity);
    if (place != RAY_NONE)
        __builtin_prefetch(ray_bucket_at(rl, place));
}

static uint64_t batch_keys(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_batch *batch,
                           uint32_t slot)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    uint64_t granted = 0, hash[AHEAD], flip = hot->keyed == RAY_KEYED_USER ? 0 : ~(uint64_t)0;
    for (uint64_t begin = 0; begin < batch->count; begin += AHEAD) {
        uint64_t n = batch->count - begin < AHEAD ? batch->count - begin : AHEAD;
        for (uint64_t i = 0; i < n; i++) {
            hash[i] = ray_key_of_number(rl, batch->keys[begin + i]) ^ flip;
            touch_key(rl, hot->keyed, ray_key_identity(hot, hash[i]));
        }
        for (uint64_t i = 0; i < n; i++)
            touch_bucket(rl, hot->keyed, ray_key_identity(hot, hash[i]));
        for (uint64_t i = 0; i < n; i++) {
            uint64_t row = begin + i;
            uint64_t at = batch->at_ns != NULL ? batch->at_ns[row] : now_ns;
            uint64_t tokens = batch->tokens != NULL ? batch->tokens[row] : 1;
            uint32_t yes = try_hash(rl, at, slot, hash[i], tokens, NULL) == 1;
            batch->out[row] = (uint8_t)yes;
            granted += yes;
        }
    }
    return granted;
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
