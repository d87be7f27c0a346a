/* SPDX-License-Identifier: MIT */
/* ratelimit.c - booking all limits of a request or none of them, counting, and giving back. */
#include "quick.h"

/* -- init -- */
uint64_t ray_ratelimit_bytes(void)
{
    return sizeof(ray_ratelimit);
}

void ray_ratelimit_init(ray_ratelimit *rl, const uint8_t seed[16])
{
    memset(rl, 0, sizeof *rl);
    memcpy(rl->config.seed, seed, sizeof rl->config.seed);
}

/* -- booking (private) -- */
/* Books one answer; returns 1 when `hold` was filled. */
static __attribute__((noinline)) uint32_t book(ray_ratelimit *rl,
                                                           const ray_ratelimit_answer *answer,
                                                           uint32_t i, const ray_limit_moment *at,
                                                           ray_limit_hold *hold)
{
    const ray_limit_answer *a = &answer->at[i];
    uint32_t limit = a->limit & 0xffffU;
    const ray_limit_hot *hot = &rl->config.hot[limit];
    if (a->flags & RAY_LIMIT_NEW) {
        ray_key_new new = {a->key, answer->at, answer->count, a->slot, a->rate, 0};
        ray_key_put(rl, &new, at);
    }
    const ray_limit_rule *rule = &rl->config.rule[a->rate];
    ray_bucket *bucket = ray_bucket_in(rl, a->slot);
    ray_limit_bucket *own = hot->excess ? &rl->book.own[limit] : NULL;
    if (bucket->rule != a->rate) {
        ray_bucket_convert(rl, &rl->config.rule[bucket->rule], rule, bucket,
                           own != NULL ? &own->excess : NULL, at);
        bucket->rule = (uint16_t)a->rate;
    }
    uint32_t yellow = (a->flags & RAY_LIMIT_YELLOW) != 0, open = hold != NULL,
             stamp = bucket->stamp;
    if (rule->kind <= RAY_KIND_QUEUE) {
        open = ray_credits_take(rule, bucket, own, at->now_ns, at->tokens, yellow, open);
        stamp = bucket->stamp;
    } else if (rule->kind == RAY_KIND_EXACT) {
        ray_exact_take(rl, rule, bucket, at->now_ns, at->tokens);
    } else {
        ray_window_take(rule, bucket, at);
        stamp = bucket->stamp;
    }
    rl->tally.limit[limit].token_count += at->tokens;
    if (hold == NULL)
        return 0;
    rl->tally.folded_hold_count += !open;
    if (!open)
        return 0;
    hold->tokens = at->tokens;
    hold->slot = a->slot | (yellow ? (uint32_t)RAY_SLOT_YELLOW : 0);
    hold->stamp = stamp;
    return 1;
}

/* A shadow limit books when it says yes and so does everything else but the limit it stands in for.
 */
static __attribute__((noinline)) uint32_t shadow_may_book(const ray_ratelimit *rl,
                                                          const ray_ratelimit_answer *answer,
                                                          uint32_t i)
{
    const ray_limit_answer *a = &answer->at[i];
    uint32_t instead = rl->config.hot[a->limit & 0xffffU].instead_of;
    uint32_t yes = a->granted;
    for (uint32_t k = 0; k < answer->count; k++)
        if (!(answer->at[k].flags & RAY_LIMIT_SHADOW) &&
            (answer->at[k].limit & 0xffffU) + 1 != instead)
            yes &= answer->at[k].granted;
    return yes;
}

static inline __attribute__((always_inline)) uint32_t book_quickly(ray_ratelimit *rl,
                                                                   const ray_limit_answer *a,
                                                                   const ray_limit_moment *at)
{
    ray_bucket *bucket = ray_bucket_in(rl, a->slot);
    const ray_limit_rule *rule = &rl->config.rule[a->rate];
    RAY_KEEP(rule);
    if (RAY_RARELY((a->flags & (RAY_LIMIT_NEW | RAY_LIMIT_YELLOW)) != 0 ||
                   bucket->rule != a->rate || rl->config.hot[a->limit & 0xffffU].excess ||
                   !ray_quick_take(rule, bucket, at)))
        return 0;
    rl->tally.limit[a->limit & 0xffffU].token_count += at->tokens;
    return 1;
}

uint32_t ray_ratelimit_take(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer,
                            uint32_t others_allowed, ray_limit_hold *holds)
{
    if (!others_allowed || answer->tokens == 0)
        return 0;
    ray_limit_moment at =
        ray_limit_moment_of(now_ns, answer->wall_offset_ns, answer->tokens, RAY_CLASS_NORMAL);
    uint32_t written = 0, booked = 0;
    for (uint32_t i = 0; i < answer->count; i++) {
        const ray_limit_answer *a = &answer->at[i];
        if (!((a->flags & RAY_LIMIT_SHADOW) != 0 ? shadow_may_book(rl, answer, i)
                                                 : answer->granted))
            continue;
        booked = 1;
        if (RAY_RARELY(holds != NULL || !book_quickly(rl, a, &at)))
            written += book(rl, answer, i, &at, holds != NULL ? &holds[written] : NULL);
    }
    if (booked)
        rl->book.wall_offset_ns = answer->wall_offset_ns;
    return written;
}

void ray_ratelimit_note(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer,
                        uint32_t granted)
{
    (void)now_ns;
    (void)granted;
    for (uint32_t i = 0; i < answer->count; i++) {
        const ray_limit_answer *a = &answer->at[i];
        ray_limit_tally *tally = &rl->tally.limit[a->limit & 0xffffU];
        tally->verdict_count[a->granted]++;
        if (RAY_MOSTLY((a->flags | a->start_at_ns) == 0))
            continue;
        tally->delayed_count += a->start_at_ns != 0;
        tally->overflow_count += (a->flags & RAY_LIMIT_OVERFLOW) != 0;
        tally->yellow_count += (a->flags & RAY_LIMIT_YELLOW) != 0;
        rl->tally.table_full_count += (a->flags & RAY_LIMIT_OVERFLOW) != 0;
    }
    rl->tally.verdict_count[answer->granted != 0]++;
    rl->tally.shadow_denied_count += answer->shadow_denied_count;
}

void ray_singles_fold(ray_ratelimit *rl)
{
    ray_ratelimit_tally *tally = &rl->tally;
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++) {
        uint64_t count = tally->single_count[i];
        tally->limit[i].verdict_count[1] += count;
        tally->limit[i].token_count += count;
        tally->verdict_count[1] += count;
        tally->single_count[i] = 0;
    }
}

/* -- holds -- */
/* The hold's bucket, NULL when the slot was evicted, reset or converted since. */
static ray_bucket *held_bucket(ray_ratelimit *rl, const ray_limit_hold *hold,
                               const ray_limit_rule **rule)
{
    uint32_t slot = hold->slot & ~(uint32_t)RAY_SLOT_YELLOW;
    if (slot >= RAY_SLOT_MAX)
        return NULL;
    ray_bucket *bucket = ray_bucket_in(rl, slot);
    *rule = &rl->config.rule[bucket->rule];
    if (!(*rule)->used)
        return NULL;
    if ((*rule)->kind < RAY_KIND_QUEUE)
        return bucket->holds != 0 && bucket->stamp == hold->stamp ? bucket : NULL;
    return bucket;
}

static void close_hold(ray_limit_bucket *own, ray_bucket *bucket)
{
    if (--bucket->holds != 0)
        return;
    bucket->word = 0;
    if (own != NULL)
        own->excess_word = 0;
}

void ray_ratelimit_release(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds,
                           uint32_t count)
{
    (void)now_ns;
    for (uint32_t i = 0; i < count; i++) {
        const ray_limit_rule *rule = NULL;
        ray_bucket *bucket = held_bucket(rl, &holds[i], &rule);
        if (bucket == NULL) {
            rl->tally.stale_hold_count++;
            continue;
        }
        if (rule->kind < RAY_KIND_QUEUE)
            close_hold(rl->config.hot[rule->limit].excess ? &rl->book.own[rule->limit] : NULL,
                       bucket);
    }
}

static uint64_t refund_one(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                           const ray_limit_hold *hold, const ray_limit_moment *at)
{
    ray_limit_bucket *own = rl->config.hot[rule->limit].excess ? &rl->book.own[rule->limit] : NULL;
    uint32_t yellow = (hold->slot & RAY_SLOT_YELLOW) != 0;
    uint64_t back = 0;
    if (rule->kind < RAY_KIND_QUEUE) {
        back = ray_credits_refund(rule, bucket, own, at->now_ns, hold->tokens, yellow);
        close_hold(own, bucket);
        return back;
    }
    if (rule->kind == RAY_KIND_QUEUE)
        return bucket->stamp == hold->stamp
                   ? ray_credits_refund(rule, bucket, NULL, at->now_ns, hold->tokens, 0)
                   : 0;
    if (rule->kind == RAY_KIND_EXACT)
        return ray_exact_refund(rl, rule, bucket, at->now_ns, hold->tokens, hold->stamp);
    return ray_window_refund(rule, bucket, at, hold->stamp);
}

void ray_ratelimit_refund(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const ray_limit_rule *rule = NULL;
        ray_bucket *bucket = held_bucket(rl, &holds[i], &rule);
        if (bucket == NULL) {
            rl->tally.stale_hold_count++;
            continue;
        }
        ray_limit_moment at =
            ray_limit_moment_of(now_ns, rl->book.wall_offset_ns, holds[i].tokens, RAY_CLASS_NORMAL);
        uint64_t back = refund_one(rl, rule, bucket, &holds[i], &at);
        rl->tally.refund_count++;
        rl->tally.refunded_token_count += back;
        rl->tally.limit[rule->limit].refunded_count += back;
    }
}
