/* SPDX-License-Identifier: MIT */
/* try.c - one limit decided, booked and counted in one call, for programs that use the core as a
 * library. */
#include "short.h"

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
    if (tokens == 1 && answer.count == 1 && answer.at[0].granted &&
        !(answer.at[0].flags & RAY_LIMIT_SHADOW)) {
        /* As the short way counts it: which way a try took must not show. */
        ray_limit_tally *tally = &rl->tally.limit[slot];
        tally->verdict_count[1]--;
        tally->token_count--;
        rl->tally.verdict_count[1]--;
        rl->tally.single_count[slot]++;
    }
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
    if (out == NULL && ray_short_serves(rl, slot) && own->main.rule == slot &&
        own->held_until_ns <= now_ns) {
        uint32_t granted = ray_short_spend(rule, &own->main, now_ns, tokens);
        ray_short_count(rl, slot, granted, tokens);
        return (int32_t)granted;
    }
    return try_slot(rl, now_ns, slot, 0, tokens, out);
}

/* -- request -- */
/* Pointers are added up, not indexed, or gcc 12 derives each field's address anew. */
int32_t ray_ratelimit_try(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit, uint64_t tokens,
                          ray_limit_answer *out)
{
    uint64_t slot = limit & RAY_SLOT_MASK;
    const ray_limit_rule *rule = rl->config.rule + slot;
    uint64_t odd = (tokens ^ 1U) | (uint64_t)(uintptr_t)out | (rule->direct ^ (limit + 1U));
    if (__builtin_expect(odd != 0, 0))
        return try_any(rl, now_ns, limit, tokens, out);
    ray_bucket *bucket = &(rl->book.own + slot)->main;
    if (__builtin_expect(!ray_short_book(rule, bucket, now_ns, rule->period), 0)) {
        ray_short_count(rl, (uint32_t)slot, 0, 1);
        return 0;
    }
    (rl->tally.single_count + slot)[0]++;
    return 1;
}

/* -- keys (private) -- */
/* `place` is where the key was found: 1 booked, 0 denied, 2 when its bucket has another rate. */
static inline uint32_t spend_at(ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint32_t place,
                                uint64_t tokens)
{
    ray_bucket *bucket = ray_bucket_in(rl, place);
    if (bucket->rule != slot)
        return 2;
    uint32_t granted = ray_short_spend(&rl->config.rule[slot], bucket, now_ns, tokens);
    ray_short_count(rl, slot, granted, tokens);
    return granted;
}

static int32_t try_hash(ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint64_t hash,
                        uint64_t tokens, ray_limit_answer *out)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    if (out == NULL && ray_short_serves(rl, slot) && rl->book.own[slot].held_until_ns <= now_ns) {
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
