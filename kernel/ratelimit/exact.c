/* SPDX-License-Identifier: MIT */
/* exact.c - a log of instants for small limits: at most 64 of them, in a chunk of a shared pool.
 * Instants are numbered by the bucket's stamp; the one with number n lies at n modulo 64. */
#include "limit.h"

/* -- chunks (private) -- */
static uint32_t place_of(uint32_t number)
{
    return number & (RAY_LIMIT_EXACT_EACH - 1U);
}

static uint32_t is_taken(const ray_limit_answer *taken, uint32_t count, uint32_t slot)
{
    for (uint32_t i = 0; i < count; i++)
        if (taken[i].slot == slot)
            return 1;
    return 0;
}

enum { LOOK_AT = 8 };

/* A chunk whose keyed bucket may go, RAY_NONE when the next eight have none. */
static uint32_t idle_chunk(const ray_ratelimit *rl, const ray_limit_moment *at,
                           const ray_limit_answer *taken, uint32_t taken_count)
{
    const ray_ratelimit_book *book = &rl->book;
    for (uint32_t i = 0; i < LOOK_AT && i < RAY_CHUNK_MAX; i++) {
        uint32_t chunk = (book->exact_hand + i) % RAY_CHUNK_MAX;
        uint32_t slot = book->exact_link[chunk];
        if (slot >= RAY_SLOT_USER && !is_taken(taken, taken_count, slot) &&
            ray_key_may_go(rl, slot, at))
            return chunk;
    }
    return RAY_NONE;
}

uint32_t ray_exact_ready(const ray_ratelimit *rl, uint32_t new_count, const ray_limit_moment *at,
                         const ray_limit_answer *taken, uint32_t taken_count)
{
    if (RAY_CHUNK_MAX - rl->book.exact_count >= new_count)
        return 1;
    return new_count == 1 && idle_chunk(rl, at, taken, taken_count) != RAY_NONE;
}

uint64_t ray_exact_wait(const ray_ratelimit *rl, uint32_t new_count, const ray_limit_moment *at)
{
    const ray_ratelimit_book *book = &rl->book;
    uint64_t soonest = RAY_NEVER;
    if (new_count != 1)
        return RAY_NEVER;
    for (uint32_t i = 0; i < LOOK_AT && i < RAY_CHUNK_MAX; i++) {
        uint32_t slot = book->exact_link[(book->exact_hand + i) % RAY_CHUNK_MAX];
        if (slot < RAY_SLOT_USER)
            continue;
        uint64_t when = ray_key_full_at(rl, slot, at);
        soonest = when < soonest ? when : soonest;
    }
    return soonest == RAY_NEVER ? RAY_NEVER : soonest > at->now_ns ? soonest - at->now_ns : 0;
}

uint32_t ray_exact_allocate(ray_ratelimit *rl, uint32_t slot, const ray_limit_moment *at,
                            const ray_limit_answer *taken, uint32_t taken_count)
{
    ray_ratelimit_book *book = &rl->book;
    if (book->exact_free == 0 && book->exact_high == RAY_CHUNK_MAX) {
        uint32_t idle = idle_chunk(rl, at, taken, taken_count);
        if (idle == RAY_NONE)
            return 0;
        book->exact_hand = (idle + 1U) % RAY_CHUNK_MAX;
        ray_key_evict(rl, book->exact_link[idle]);
    }
    uint32_t chunk;
    if (book->exact_free != 0) {
        chunk = book->exact_free - 1;
        book->exact_free = book->exact_link[chunk];
    } else {
        chunk = book->exact_high++;
    }
    book->exact_link[chunk] = slot;
    book->exact_count++;
    ray_bucket_in(rl, slot)->word = 1U + (uint64_t)chunk;
    return 1;
}

void ray_exact_release(ray_ratelimit *rl, ray_bucket *bucket)
{
    if (bucket->word == 0)
        return;
    uint32_t chunk = (uint32_t)bucket->word - 1;
    memset(rl->book.exact[chunk], 0, sizeof rl->book.exact[chunk]);
    rl->book.exact_link[chunk] = rl->book.exact_free;
    rl->book.exact_free = chunk + 1;
    rl->book.exact_count--;
    bucket->word = 0;
    bucket->level = 0;
}

/* -- time -- */
static uint32_t lives(uint64_t instant, uint64_t now_ns, uint64_t length)
{
    return instant > now_ns || now_ns - instant < length;
}

/* Instants are in ascending order, so the dead are the first ones. A bucket without a chunk is one
 * that was drained before anybody saw it: `level` instants, all at `at`. */
uint64_t ray_exact_live(const ray_ratelimit *rl, const ray_limit_rule *rule,
                        const ray_bucket *bucket, uint64_t now_ns)
{
    if (bucket->word == 0)
        return bucket->level != 0 && lives(bucket->at, now_ns, rule->period) ? bucket->level : 0;
    const uint64_t *log = rl->book.exact[bucket->word - 1];
    uint64_t live = bucket->level;
    while (live != 0 && !lives(log[place_of(bucket->stamp - (uint32_t)live)], now_ns, rule->period))
        live--;
    return live;
}

uint64_t ray_exact_full_at(const ray_ratelimit *rl, const ray_limit_rule *rule,
                           const ray_bucket *bucket)
{
    if (bucket->level == 0)
        return 0;
    uint64_t last = bucket->at;
    if (bucket->word != 0)
        last = rl->book.exact[bucket->word - 1][place_of(bucket->stamp - 1U)];
    return ray_add_capped(last, rule->period);
}

/* -- request -- */
void ray_exact_decide(const ray_ratelimit *rl, const ray_limit_rule *rule, const ray_bucket *bucket,
                      const ray_limit_moment *at, ray_limit_answer *out)
{
    uint64_t live = ray_exact_live(rl, rule, bucket, at->now_ns);
    out->left_tokens = live < rule->capacity ? rule->capacity - live : 0;
    if (at->tokens == 0)
        return;
    uint64_t ceiling = rule->ceiling[at->class];
    if (at->tokens <= ceiling && live <= ceiling - at->tokens)
        return;
    out->granted = 0;
    out->reason = RAY_REASON_RATE_NEVER;
    out->retry_after_ns = RAY_NEVER;
    if (at->tokens > ceiling)
        return;
    uint32_t reserved = at->tokens <= rule->capacity && live <= rule->capacity - at->tokens;
    out->reason = reserved ? RAY_REASON_RATE_RESERVED : RAY_REASON_RATE_LIMITED;
    /* So many of the oldest must go; the last of those says when. */
    uint32_t must_go = (uint32_t)(live - (ceiling - at->tokens));
    uint64_t last = bucket->at;
    if (bucket->word != 0)
        last =
            rl->book
                .exact[bucket->word - 1][place_of(bucket->stamp - (uint32_t)live + must_go - 1U)];
    uint64_t when = ray_add_capped(last, rule->period);
    out->retry_after_ns = when == RAY_NEVER ? RAY_NEVER : when - at->now_ns;
}

/* Needs a chunk when tokens > 0. The newest instant is never older than the one before it: time
 * that stands still or went back books at the newest. */
void ray_exact_take(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                    uint64_t now_ns, uint64_t tokens)
{
    bucket->level = ray_exact_live(rl, rule, bucket, now_ns);
    bucket->at = 0;
    uint64_t *log = rl->book.exact[bucket->word - 1];
    uint64_t instant = now_ns;
    if (bucket->level != 0 && log[place_of(bucket->stamp - 1U)] > instant)
        instant = log[place_of(bucket->stamp - 1U)];
    for (uint64_t i = 0; i < tokens; i++)
        log[place_of(bucket->stamp++)] = instant;
    bucket->level += tokens;
}

/* Takes the booked instants out where they still live. Older ones move up, so newer ones keep their
 * numbers; an older hold then finds an even older instant, or none, and gives back too little,
 * never too much. */
uint64_t ray_exact_refund(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                          uint64_t now_ns, uint64_t tokens, uint32_t stamp)
{
    bucket->level = ray_exact_live(rl, rule, bucket, now_ns);
    bucket->at = 0;
    if (bucket->word == 0)
        return 0;
    uint64_t *log = rl->book.exact[bucket->word - 1];
    uint64_t back = 0;
    for (uint32_t i = (uint32_t)tokens; i > 0; i--) {
        /* The last booked first: moving up touches only what is older. Each step the next one has
         * moved into its place. */
        uint32_t age = bucket->stamp - (stamp + (uint32_t)tokens - 1U); /* 1: the newest */
        if (age == 0 || age > bucket->level)
            break;
        for (uint32_t k = age; k < bucket->level; k++)
            log[place_of(bucket->stamp - k)] = log[place_of(bucket->stamp - k - 1U)];
        bucket->level--;
        back++;
    }
    return back;
}
