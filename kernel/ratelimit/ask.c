/* SPDX-License-Identifier: MIT */
/* ask.c - which limits a request meets and what each says, with the wait that is exactly enough.
 * Nothing here writes: a key without a bucket is told where one would go. */
#include "ask.h"
#include "quick.h"

/* -- keys (private) -- */
static uint64_t user_hash(ray_asking *ask)
{
    if (!ask->user_hashed) {
        ask->user_hash = ray_key_of_bytes(ask->rl, ask->query->user.at, ask->query->user.length);
        ask->user_hashed = 1;
    }
    return ask->user_hash;
}

/* Limits mostly agree on how much of an address counts: then it is hashed once. */
static uint64_t client_hash(ray_asking *ask, const ray_limit_hot *hot)
{
    uint32_t prefixes = (uint32_t)hot->prefix_v4 << 8 | hot->prefix_v6;
    if (RAY_RARELY(ask->client_prefixes != prefixes)) {
        ask->client_hash = ray_key_of_client(ask->rl, hot, ask->query);
        ask->client_prefixes = prefixes;
    }
    return ask->client_hash;
}

/* -- deciding (private) -- */
static __attribute__((noinline)) void decide_converted(const ray_asking *ask, ray_limit_answer *a,
                                                       const ray_bucket *bucket, uint64_t excess,
                                                       uint32_t has_excess)
{
    const ray_ratelimit *rl = ask->rl;
    const ray_limit_rule *rule = &rl->config.rule[a->rate];
    ray_bucket converted = *bucket;
    ray_bucket_convert(rl, &rl->config.rule[bucket->rule], rule, &converted,
                       has_excess != 0 ? &excess : NULL, &ask->at);
    ray_bucket_decide(rl, rule, &converted, excess, &ask->at, a);
}

static __attribute__((noinline)) void decide_found(const ray_asking *ask, ray_limit_answer *a,
                                                   const ray_limit_hot *hot)
{
    const ray_ratelimit *rl = ask->rl;
    const ray_bucket *bucket = ray_bucket_at(rl, a->slot);
    uint64_t excess = hot->excess ? rl->book.own[a->slot].excess : 0;
    if (bucket->rule == a->rate)
        ray_bucket_decide(rl, &rl->config.rule[a->rate], bucket, excess, &ask->at, a);
    else
        decide_converted(ask, a, bucket, excess, hot->excess);
}

/* Until a hold ends nothing is granted; then whatever the bucket says at that instant. */
static __attribute__((noinline)) void decide_held(ray_asking *ask, uint32_t i,
                                                  const ray_limit_hot *hot)
{
    ray_limit_answer *a = &ask->out->at[i];
    uint64_t until_ns = ask->rl->book.own[a->limit & 0xffffU].held_until_ns;
    uint64_t wait = until_ns - ask->at.now_ns;
    ray_limit_moment before = ask->at;
    uint64_t left = a->left_tokens;
    if (until_ns != RAY_NEVER) {
        ask->at.now_ns = until_ns;
        ask->at.wall_ns = ray_add_capped(ask->at.wall_ns, wait);
        if (a->flags & (RAY_LIMIT_NEW | RAY_LIMIT_OVERFLOW)) {
            a->flags &= (uint8_t)~(RAY_LIMIT_NEW | RAY_LIMIT_OVERFLOW);
            a->slot = RAY_NONE;
            a->rate = ray_limit_rule_for(ask->rl, hot, a->limit & 0xffffU, ask->query->plan);
            ray_limit_decide_new(ask, i, hot);
        } else {
            decide_found(ask, a, hot);
        }
        wait = a->granted ? wait : ray_add_capped(wait, a->retry_after_ns);
        ask->at = before;
    } else {
        wait = RAY_NEVER;
    }
    a->granted = 0;
    a->reason = RAY_REASON_RATE_HELD;
    a->left_tokens = left;
    a->start_at_ns = 0;
    a->retry_after_ns = wait;
}

/* -- meeting (private) -- */
/* The bucket of this request's key, RAY_NONE when it has none. */
static inline __attribute__((always_inline)) uint32_t key_slot(ray_asking *ask,
                                                               const ray_limit_hot *hot,
                                                               ray_limit_answer *a)
{
    uint64_t hash = ask->one_key || hot->keyed == RAY_KEYED_USER ? user_hash(ask)
                                                                 : client_hash(ask, hot);
    a->key = ray_key_identity(hot, hash);
    return ray_key_find(ask->rl, hot->keyed, a->key);
}

/* Adds one limit to the answer and finds its bucket. What has one is decided at once: that depends
 * on no other limit. */
static inline __attribute__((always_inline)) ray_status meet_here(ray_asking *ask, uint32_t slot)
{
    const ray_ratelimit *rl = ask->rl;
    const ray_limit_hot *hot = &rl->config.hot[slot];
    ray_ratelimit_answer *out = ask->out;
    RAY_KEEP(hot);
    if (RAY_RARELY(hot->mode == RAY_MODE_OFF ||
                   (hot->service != RAY_NONE && hot->service != ask->query->service)))
        return RAY_OK;
    if (RAY_RARELY(out->count == RAY_REQUEST_LIMIT_MAX))
        return RAY_E_ARGUMENT;
    ray_limit_answer *a = &out->at[out->count++];
    RAY_KEEP(a);
    uint32_t rate = ray_limit_rule_for(rl, hot, slot, ask->query->plan);
    uint32_t place = slot;
    a->key = 0;
    a->left_tokens = 0;
    a->limit = ray_limit_handle(hot, slot);
    a->rate = rate;
    a->flags = hot->mode == RAY_MODE_SHADOW ? RAY_LIMIT_SHADOW : 0;
    if (RAY_MOSTLY(hot->keyed != RAY_KEYED_NOT))
        place = key_slot(ask, hot, a);
    a->slot = place;
    if (__builtin_expect(place == RAY_NONE, 0)) {
        ask->new_count++;
        return RAY_OK;
    }
    const ray_bucket *bucket = ray_bucket_at(rl, place);
    const ray_limit_rule *rule = &rl->config.rule[rate];
    RAY_KEEP(rule);
    if (RAY_RARELY(bucket->rule != rate ||
                   !ray_quick_decide(rule, hot->excess, bucket, &ask->at, a))) {
        ask->long_count++;
        decide_found(ask, a, hot);
    }
    if (__builtin_expect(rl->book.own[slot].held_until_ns > ask->at.now_ns, 0)) {
        ask->long_count++;
        decide_held(ask, out->count - 1, hot);
    }
    return RAY_OK;
}

static __attribute__((noinline)) ray_status meet(ray_asking *ask, uint32_t slot)
{
    return meet_here(ask, slot);
}

/* Two lists, one after the other: one place for the code above. */
static inline ray_status meet_lists(ray_asking *ask, uint32_t head, uint32_t next)
{
    ray_status status = RAY_OK;
    while ((head | next) != 0 && RAY_MOSTLY(status == RAY_OK)) {
        if (RAY_RARELY(head == 0)) {
            head = next;
            next = 0;
        }
        uint32_t next_head = ask->rl->config.hot[head - 1].next;
        status = meet_here(ask, head - 1);
        head = next_head;
    }
    return status;
}

static __attribute__((noinline)) ray_status meet_pinned(ray_asking *ask)
{
    const ray_ratelimit_config *config = &ask->rl->config;
    uint64_t hash = user_hash(ask);
    ray_status status = RAY_OK;
    for (uint32_t i = config->pin_head[hash & (RAY_PIN_MAX - 1)]; i != 0 && status == RAY_OK;
         i = config->hot[i - 1].next)
        if (config->pin_hash[i - 1] == hash)
            status = meet(ask, i - 1);
    return status;
}

/* Limits that routes and policies name. One that was removed since is no limit; one named twice is
 * asked once. */
static __attribute__((noinline)) ray_status meet_named(ray_asking *ask)
{
    const ray_ratelimit_query *query = ask->query;
    for (uint32_t i = 0; i < query->named_count; i++) {
        uint32_t slot, again = 0;
        ray_status status = ray_limit_slot(ask->rl, query->named[i], &slot);
        if (status == RAY_E_STALE)
            continue;
        if (status != RAY_OK)
            return status;
        if (ask->rl->config.hot[slot].scope != RAY_SCOPE_NAMED)
            return RAY_E_ARGUMENT;
        for (uint32_t k = 0; k < i; k++)
            again |= query->named[k] == query->named[i];
        if (!again && (status = meet(ask, slot)) != RAY_OK)
            return status;
    }
    return RAY_OK;
}

static ray_status meet_all(ray_asking *ask)
{
    const ray_ratelimit_config *config = &ask->rl->config;
    uint32_t service = ask->query->service & 0xffffU;
    uint32_t first = ask->query->service != RAY_NONE && service < RAY_SERVICE_MAX
                         ? config->service_head[service]
                         : 0;
    ray_status status = meet_lists(ask, first, config->any_head);
    if (RAY_RARELY(config->pin_count != 0) && status == RAY_OK)
        status = meet_pinned(ask);
    if (RAY_RARELY(ask->query->named_count != 0) && status == RAY_OK)
        status = meet_named(ask);
    return status;
}

/* What the class that may draw most is refused is refused to every class. */
static uint32_t boldest(const ray_limit_rule *rule)
{
    uint32_t best = 0;
    for (uint32_t class = 1; class < RAY_CLASS_MAX; class++)
        best = rule->ceiling[class] > rule->ceiling[best] ? class : best;
    return best;
}

/* The keys nobody has seen yet, when all limits are known: their places depend on one another.
 * `whoever`: the request's class is not known, so the one counts that may draw most. */
static __attribute__((noinline)) void decide_unseen(ray_asking *ask, uint32_t whoever)
{
    const ray_ratelimit *rl = ask->rl;
    for (uint32_t i = 0; i < ask->out->count; i++) {
        uint32_t limit = ask->out->at[i].limit & 0xffffU;
        if (ask->out->at[i].slot != RAY_NONE)
            continue;
        if (whoever != 0)
            ask->at.class = boldest(&rl->config.rule[ask->out->at[i].rate]);
        ray_limit_decide_new(ask, i, &rl->config.hot[limit]);
        if (rl->book.own[limit].held_until_ns > ask->at.now_ns)
            decide_held(ask, i, &rl->config.hot[limit]);
    }
}

/* The binding limit is the one that says no for longest, the smaller id among equals. What was
 * granted the quick way adds nothing. */
static __attribute__((noinline)) void sum_up(ray_ratelimit_answer *out)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const ray_limit_answer *a = &out->at[i];
        if (a->flags & RAY_LIMIT_SHADOW) {
            out->shadow_denied_count += !a->granted;
            continue;
        }
        if (a->granted) {
            out->start_at_ns =
                a->start_at_ns > out->start_at_ns ? a->start_at_ns : out->start_at_ns;
            continue;
        }
        out->granted = 0;
        if (out->by == RAY_NONE || a->retry_after_ns > out->retry_after_ns ||
            (a->retry_after_ns == out->retry_after_ns && a->limit < out->at[out->by].limit)) {
            out->by = i;
            out->retry_after_ns = a->retry_after_ns;
        }
    }
    if (!out->granted)
        out->start_at_ns = 0;
}

/* -- request -- */
static inline void begin(ray_asking *ask, const ray_ratelimit *rl, uint64_t now_ns,
                         const ray_ratelimit_query *query, ray_ratelimit_answer *out)
{
    ask->rl = rl;
    ask->query = query;
    ask->out = out;
    ask->at = ray_limit_moment_of(now_ns, query->wall_offset_ns, query->tokens, query->priority);
    ask->user_hashed = 0;
    ask->new_count = 0;
    ask->one_key = 0;
    ask->client_prefixes = 0;
    ask->long_count = 0;
    /* Answers are cleared as they are added: most requests meet few limits. */
    out->tokens = query->tokens;
    out->retry_after_ns = 0;
    out->start_at_ns = 0;
    out->count = 0;
    out->by = RAY_NONE;
    out->granted = 1;
    out->shadow_denied_count = 0;
    out->wall_offset_ns = query->wall_offset_ns;
}

ray_status ray_ratelimit_ask(const ray_ratelimit *rl, uint64_t now_ns,
                             const ray_ratelimit_query *query, ray_ratelimit_answer *out)
{
    if (query->named_count > RAY_REQUEST_LIMIT_MAX)
        return RAY_E_ARGUMENT;
    ray_asking ask;
    begin(&ask, rl, now_ns, query, out);
    ray_status status = meet_all(&ask);
    if (status != RAY_OK)
        return status;
    if (RAY_RARELY(ask.new_count != 0))
        decide_unseen(&ask, 0);
    if (RAY_RARELY((ask.long_count | ask.new_count) != 0))
        sum_up(out);
    return RAY_OK;
}

static ray_status meet_addresses(ray_asking *ask, uint32_t head)
{
    ray_status status = RAY_OK;
    while (head != 0 && status == RAY_OK) {
        const ray_limit_hot *hot = &ask->rl->config.hot[head - 1];
        if (hot->keyed == RAY_KEYED_IP && hot->plan_head == 0 && hot->mode == RAY_MODE_ENFORCE) {
            ask->at.class = boldest(&ask->rl->config.rule[head - 1]);
            status = meet(ask, head - 1);
        }
        head = hot->next;
    }
    return status;
}

ray_status ray_ratelimit_ask_address(const ray_ratelimit *rl, uint64_t now_ns,
                                     const ray_ratelimit_query *query, ray_ratelimit_answer *out)
{
    const ray_ratelimit_config *config = &rl->config;
    uint32_t service = query->service & 0xffffU;
    ray_asking ask;
    begin(&ask, rl, now_ns, query, out);
    ray_status status = RAY_OK;
    if (config->scope_count[RAY_SCOPE_IP] == 0)
        return RAY_OK;
    if (query->service != RAY_NONE && service < RAY_SERVICE_MAX)
        status = meet_addresses(&ask, config->service_head[service]);
    if (status == RAY_OK)
        status = meet_addresses(&ask, config->any_head);
    if (status == RAY_OK && ask.new_count != 0)
        decide_unseen(&ask, 1);
    sum_up(out);
    return status;
}

ray_status ray_ratelimit_ask_limit(const ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                   const ray_ratelimit_query *query, ray_ratelimit_answer *out)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    ray_asking ask;
    begin(&ask, rl, now_ns, query, out);
    (void)meet(&ask, slot);
    if (ask.new_count != 0)
        decide_unseen(&ask, 0);
    sum_up(out);
    return RAY_OK;
}

void ray_limit_ask_one(const ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint64_t hash,
                       uint64_t tokens, ray_ratelimit_answer *out)
{
    ray_ratelimit_query query = {.tokens = tokens,
                                 .wall_offset_ns = rl->book.wall_offset_ns,
                                 .service = rl->config.hot[slot].service,
                                 .plan = RAY_NONE,
                                 .priority = RAY_CLASS_NORMAL};
    ray_asking ask;
    begin(&ask, rl, now_ns, &query, out);
    ask.user_hash = hash;
    ask.user_hashed = 1;
    ask.one_key = 1;
    (void)meet(&ask, slot);
    if (ask.new_count != 0)
        decide_unseen(&ask, 0);
    sum_up(out);
}
