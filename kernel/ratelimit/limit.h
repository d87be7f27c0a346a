/* SPDX-License-Identifier: MIT */
/* limit: what the module's files ask of one another. Every algorithm answers the same questions
 * about one bucket at one moment: would it grant, book it, is anything missing, when will nothing
 * be missing, and give some back. */
#ifndef RAY_LIMIT_H
#define RAY_LIMIT_H
#include "ratelimit_state.h"
#include "base/bytes.h"
#include "base/fixed.h"
#include "base/siphash.h"

/* One instant, as every algorithm needs it. */
typedef struct ray_limit_moment {
    uint64_t now_ns;
    uint64_t wall_ns; /* Unix time; before 1970 counts as 1970 */
    uint64_t tokens;
    uint32_t class; /* enum ray_class */
    uint32_t reserved;
} ray_limit_moment;

/* -- time (bucket.c) -- */
uint64_t ray_limit_wall(uint64_t now_ns, int64_t wall_offset_ns);

/* -- rates (rate.c) -- */
/* Prepares `rule` from a specification and the rate it is to have. RAY_E_RATE when no tick holds it
 * exactly. */
ray_status ray_rule_prepare(ray_limit_rule *rule, const ray_limit_spec *spec, uint64_t rate_tokens,
                            uint64_t rate_period_ns, uint64_t capacity);
/* What a rule was configured as. */
ray_limit_rate ray_rate_of(const ray_ratelimit_config *config, uint32_t number);
/* The byte offset of the first field that no rule allows, RAY_NONE when all is well; *status says
 * how. */
uint32_t ray_spec_check(const ray_limit_spec *spec, ray_status *status);

/* -- credits: token bucket, leaky bucket (bucket.c) -- */
static inline uint64_t ray_tick_of(uint64_t ns, uint32_t tick)
{
    return tick == 0 ? ns : tick == 1 ? ns / 1000U : ns / 1000000U;
}

/* Credits still missing at `tick`, of a bucket that has no second one. The one multiplication;
 * fill_ticks keeps it from wrapping, and time that stands still or goes back refills nothing. */
static inline uint64_t ray_credits_missing(const ray_limit_rule *rule, const ray_bucket *bucket,
                                           uint64_t tick)
{
    if (tick <= bucket->at)
        return bucket->level;
    uint64_t elapsed = tick - bucket->at;
    if (elapsed >= rule->fill_ticks)
        return 0;
    uint64_t gain = elapsed * rule->tokens;
    return bucket->level > gain ? bucket->level - gain : 0;
}

/* A bucket and its second one, brought to `tick` in place. */
void ray_credits_settle(const ray_limit_rule *rule, ray_bucket *bucket, uint64_t *excess,
                        uint64_t tick);
void ray_credits_decide(const ray_limit_rule *rule, const ray_bucket *bucket, uint64_t excess,
                        const ray_limit_moment *at, ray_limit_answer *out);
/* Books `tokens`; `yellow` with the second bucket. `held` opens a hold; returns 1 when it is open.
 */
uint32_t ray_credits_take(const ray_limit_rule *rule, ray_bucket *bucket, ray_limit_bucket *own,
                          uint64_t now_ns, uint64_t tokens, uint32_t yellow, uint32_t held);
/* Returns the tokens given back (rounded down). */
uint64_t ray_credits_refund(const ray_limit_rule *rule, ray_bucket *bucket, ray_limit_bucket *own,
                            uint64_t now_ns, uint64_t tokens, uint32_t yellow);
uint64_t ray_credits_full_at(const ray_limit_rule *rule, const ray_bucket *bucket, uint64_t excess);

/* -- windows (window.c) -- */
void ray_window_roll(const ray_limit_rule *rule, ray_bucket *bucket, const ray_limit_moment *at);
void ray_window_decide(const ray_limit_rule *rule, const ray_bucket *bucket,
                       const ray_limit_moment *at, ray_limit_answer *out);
void ray_window_take(const ray_limit_rule *rule, ray_bucket *bucket, const ray_limit_moment *at);
uint64_t ray_window_refund(const ray_limit_rule *rule, ray_bucket *bucket,
                           const ray_limit_moment *at, uint32_t stamp);
uint64_t ray_window_full_at(const ray_limit_rule *rule, const ray_bucket *bucket,
                            const ray_limit_moment *at);

/* -- exact logs (exact.c) -- */
/* A chunk for a new bucket: a free one, else that of a full bucket among the next eight, which is
 * then evicted; the latter only when the request makes no other new bucket (`new_count` is 1). */
uint32_t ray_exact_ready(const ray_ratelimit *rl, uint32_t new_count, const ray_limit_moment *at,
                         const ray_limit_answer *taken, uint32_t taken_count);
/* Until such a full bucket is there; never when the request makes more than one. */
uint64_t ray_exact_wait(const ray_ratelimit *rl, uint32_t new_count, const ray_limit_moment *at);
uint32_t ray_exact_allocate(ray_ratelimit *rl, uint32_t slot, const ray_limit_moment *at,
                            const ray_limit_answer *taken,
                            uint32_t taken_count); /* 0: none is left */
void ray_exact_release(ray_ratelimit *rl, ray_bucket *bucket);
uint64_t ray_exact_live(const ray_ratelimit *rl, const ray_limit_rule *rule,
                        const ray_bucket *bucket, uint64_t now_ns);
void ray_exact_decide(const ray_ratelimit *rl, const ray_limit_rule *rule, const ray_bucket *bucket,
                      const ray_limit_moment *at, ray_limit_answer *out);
void ray_exact_take(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                    uint64_t now_ns, uint64_t tokens);
uint64_t ray_exact_refund(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                          uint64_t now_ns, uint64_t tokens, uint32_t stamp);
uint64_t ray_exact_full_at(const ray_ratelimit *rl, const ray_limit_rule *rule,
                           const ray_bucket *bucket);

/* -- any algorithm (algorithm.c) -- */
void ray_bucket_decide(const ray_ratelimit *rl, const ray_limit_rule *rule,
                       const ray_bucket *bucket, uint64_t excess, const ray_limit_moment *at,
                       ray_limit_answer *out);
uint32_t ray_bucket_full(const ray_ratelimit *rl, const ray_limit_rule *rule,
                         const ray_bucket *bucket, uint64_t excess, const ray_limit_moment *at);
/* The first instant at which nothing is missing, with no traffic; at->now_ns when that is now. */
uint64_t ray_bucket_full_at(const ray_ratelimit *rl, const ray_limit_rule *rule,
                            const ray_bucket *bucket, uint64_t excess, const ray_limit_moment *at);
/* What it would look like under another rule: accrued at the old one, then clamped. `excess` may be
 * NULL. An exact log keeps its instants. Only between rules of one kind. */
void ray_bucket_convert(const ray_ratelimit *rl, const ray_limit_rule *from,
                        const ray_limit_rule *to, ray_bucket *bucket, uint64_t *excess,
                        const ray_limit_moment *at);
/* Nothing left, as of `at`. An exact log gets its instants only when the bucket has a chunk. */
void ray_bucket_empty(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                      uint64_t *excess, const ray_limit_moment *at);
/* The same for a bucket that is nobody's yet; credits and windows only. */
void ray_bucket_drained(const ray_limit_rule *rule, ray_bucket *bucket, const ray_limit_moment *at);
/* Uses up all but `left` whole tokens; for a limit whose algorithm changed. */
void ray_bucket_leave(ray_ratelimit *rl, const ray_limit_rule *rule, ray_bucket *bucket,
                      uint64_t left, const ray_limit_moment *at);
/* As newly created; old holds no longer match. */
void ray_bucket_clear(ray_ratelimit *rl, ray_bucket *bucket);

/* -- keyed tables (keys.c) -- */
uint64_t ray_key_of_bytes(const ray_ratelimit *rl, const uint8_t *at, uint64_t length);
uint64_t ray_key_of_number(const ray_ratelimit *rl,
                           uint64_t number); /* as its eight little-endian bytes */
uint64_t ray_key_of_client(const ray_ratelimit *rl, const ray_limit_hot *hot,
                           const ray_ratelimit_query *query);
/* The identity of one limit's bucket for a key's hash; never 0. */
static inline uint64_t ray_key_identity(const ray_limit_hot *hot, uint64_t hash)
{
    uint64_t identity = hash ^ hot->name_hash;
    return identity != 0 ? identity : 1;
}

/* The window of an identity: eight places that begin at a multiple of eight. */
uint32_t ray_key_window(uint32_t keyed, uint64_t identity);
static inline const ray_bucket *ray_bucket_at(const ray_ratelimit *rl, uint32_t slot)
{
    if (slot < RAY_SLOT_USER)
        return &rl->book.own[slot].main;
    return slot < RAY_SLOT_IP ? &rl->book.user[slot - RAY_SLOT_USER]
                              : &rl->book.ip[slot - RAY_SLOT_IP];
}

static inline ray_bucket *ray_bucket_in(ray_ratelimit *rl, uint32_t slot)
{
    if (slot < RAY_SLOT_USER)
        return &rl->book.own[slot].main;
    return slot < RAY_SLOT_IP ? &rl->book.user[slot - RAY_SLOT_USER]
                              : &rl->book.ip[slot - RAY_SLOT_IP];
}

/* The place of a key in its window, RAY_NONE when it is not there. Most stand at home; of the
 * others all eight places are compared, without a branch: where they stand cannot be predicted, and
 * the window is one cache line. Written out, because gcc 12 leaves the loop a loop, with a shift by
 * a variable in it. */
static inline uint32_t ray_key_find_in(const uint64_t *keys, uint32_t size, uint64_t identity)
{
    uint32_t home = (uint32_t)identity & (size - 1U);
    if (keys[home] == identity)
        return home;
    uint32_t first = (uint32_t)identity & (size - 1U) & ~(uint32_t)(RAY_GROUP - 1);
    const uint64_t *window = keys + first;
    uint32_t low = (uint32_t)(window[0] == identity) + 2U * (window[1] == identity) +
                   4U * (window[2] == identity) + 8U * (window[3] == identity);
    uint32_t high = (uint32_t)(window[4] == identity) + 2U * (window[5] == identity) +
                    4U * (window[6] == identity) + 8U * (window[7] == identity);
    uint32_t found = low | high << 4;
    return found != 0 ? first + (uint32_t)__builtin_ctz(found) : RAY_NONE;
}

/* Its slot, or RAY_NONE. */
static inline uint32_t ray_key_find(const ray_ratelimit *rl, uint32_t keyed, uint64_t identity)
{
    uint32_t users = keyed == RAY_KEYED_USER;
    uint32_t place = users ? ray_key_find_in(rl->book.user_key, RAY_LIMIT_USER_KEY_MAX, identity)
                           : ray_key_find_in(rl->book.ip_key, RAY_LIMIT_IP_KEY_MAX, identity);
    return place == RAY_NONE ? RAY_NONE : place + (uint32_t)(users ? RAY_SLOT_USER : RAY_SLOT_IP);
}

/* Where a new bucket may go: a free place, else a full bucket's; RAY_NONE when the window holds
 * neither. Slots in `taken` are left alone. */
uint32_t ray_key_place(const ray_ratelimit *rl, uint32_t keyed, uint64_t identity,
                       const ray_limit_moment *at, const ray_limit_answer *taken,
                       uint32_t taken_count);
/* Until a new bucket finds a place when `rank` others of the same request want one before it. */
uint64_t ray_key_wait(const ray_ratelimit *rl, uint32_t keyed, uint64_t identity, uint32_t rank,
                      const ray_limit_moment *at, const ray_limit_answer *taken,
                      uint32_t taken_count);
/* Puts a new bucket into `slot`, whose old one, if any, is evicted and counted. */
typedef struct ray_key_new {
    uint64_t identity;
    const ray_limit_answer *taken; /* slots of the same request, not to be touched */
    uint32_t taken_count;
    uint32_t slot;
    uint32_t rule;
    uint32_t reserved;
} ray_key_new;
void ray_key_put(ray_ratelimit *rl, const ray_key_new *new, const ray_limit_moment *at);
void ray_key_drop(ray_ratelimit *rl, uint32_t slot);
void ray_key_evict(ray_ratelimit *rl, uint32_t slot); /* drops and counts it */
uint64_t ray_key_full_at(const ray_ratelimit *rl, uint32_t slot, const ray_limit_moment *at);
/* 1 when a full bucket stands in `slot` and nobody would notice if it were gone. */
uint32_t ray_key_may_go(const ray_ratelimit *rl, uint32_t slot, const ray_limit_moment *at);
/* A bucket nobody has made yet. */
ray_bucket ray_key_newborn(const ray_ratelimit *rl, uint32_t rule, const ray_limit_moment *at);

/* -- who is asked (ask.c) -- */
static inline ray_limit_moment ray_limit_moment_of(uint64_t now_ns, int64_t wall_offset_ns,
                                                   uint64_t tokens, uint32_t priority)
{
    ray_limit_moment at = {now_ns, ray_limit_wall(now_ns, wall_offset_ns), tokens,
                           priority < RAY_CLASS_MAX ? priority : RAY_CLASS_NORMAL, 0};
    return at;
}
static inline uint32_t ray_limit_handle(const ray_limit_hot *hot, uint32_t slot)
{
    return slot | ((uint32_t)hot->generation << 16);
}
/* RAY_OK, RAY_E_UNKNOWN or RAY_E_STALE. */
ray_status ray_limit_slot(const ray_ratelimit *rl, uint32_t limit, uint32_t *slot);
/* The rate that counts for a plan: its own, else the limit's. */
static inline uint32_t ray_limit_rule_for(const ray_ratelimit *rl, const ray_limit_hot *hot,
                                          uint32_t slot, uint32_t plan)
{
    if (plan != RAY_NONE)
        for (uint32_t i = hot->plan_head; i != 0; i = rl->config.rule[i - 1].next)
            if (rl->config.rule[i - 1].plan == plan)
                return i - 1;
    return slot;
}

/* Asks one limit, whatever others apply: `hash` is the key's, ignored for unkeyed limits. */
void ray_limit_ask_one(const ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint64_t hash,
                       uint64_t tokens, ray_ratelimit_answer *out);

/* -- counters (ratelimit.c) -- */
/* Moves what the short way counted to the counters of the limits and of the module. */
void ray_singles_fold(ray_ratelimit *rl);

/* -- lists of limits (lists.c) -- */
void ray_lists_build(ray_ratelimit_config *config);
/* 1 when no request could meet too many limits if `spec` were added. A route may name as many as
 * there are named ones, up to its own maximum; this module cannot see routes, so it counts them
 * all. */
uint32_t ray_lists_few(const ray_ratelimit_config *config, const ray_limit_spec *spec);
/* 1 + handle for a rule of an unkeyed, enforced limit that nothing but credits in ns decides and
 * that was not drained with a hold, else 0. */
uint32_t ray_rule_direct(const ray_ratelimit *rl, uint32_t number);
/* Marks the rules that ray_ratelimit_try may use without a further look. */
void ray_rules_mark(ray_ratelimit *rl);
/* Fills the part of `hot` that follows from the specification and its prepared rule; keeps
 * generation and born. */
void ray_hot_fill(const uint8_t seed[16], ray_limit_hot *hot, const ray_limit_spec *spec,
                  const ray_limit_rule *rule);

#endif
