/* SPDX-License-Identifier: MIT */
/* ask.c - which limits a request meets and what each says, with the wait that is exactly enough.
 * Nothing here writes: a key without a bucket is told where one would go. */
#include "limit.h"

/* -- asking (private) -- */
typedef struct asking {
    const ray_ratelimit *rl;
    const ray_ratelimit_query *query;
    ray_ratelimit_answer *out;
    ray_limit_moment at;
    uint64_t user_hash;
    uint32_t user_hashed; /* a key is hashed once per request */
    uint32_t new_count;   /* buckets the request would make */
    uint32_t one_key;     /* 1: user_hash is the key of whichever limit is asked */
    uint32_t client_prefixes;   /* prefix lengths client_hash was made with, 0: none yet */
    uint64_t client_hash;
} asking;

static uint64_t user_hash(asking *ask)
{
    if (!ask->user_hashed) {
        ask->user_hash = ray_key_of_bytes(ask->rl, ask->query->user.at, ask->query->user.length);
        ask->user_hashed = 1;
    }
    return ask->user_hash;
}

/* Limits mostly agree on how much of an address counts: then it is hashed once. */
static uint64_t client_hash(asking *ask, const ray_limit_hot *hot)
{
    uint32_t prefixes = (uint32_t)hot->prefix_v4 << 8 | hot->prefix_v6;
    if (ask->client_prefixes != prefixes) {
        ask->client_hash = ray_key_of_client(ask->rl, hot, ask->query);
        ask->client_prefixes = prefixes;
    }
    return ask->client_hash;
}

uint32_t ray_limit_rule_for(const ray_ratelimit *rl, const ray_limit_hot *hot, uint32_t slot,
                            uint32_t plan)
{
    if (plan != RAY_NONE)
        for (uint32_t i = hot->plan_head; i != 0; i = rl->config.rule[i - 1].next)
            if (rl->config.rule[i - 1].plan == plan)
                return i - 1;
    return slot;
}

/* Adds one limit to the answer and finds its bucket. */
static ray_status meet(asking *ask, uint32_t slot)
{
    const ray_limit_hot *hot = &ask->rl->config.hot[slot];
    ray_ratelimit_answer *out = ask->out;
    if (hot->mode == RAY_MODE_OFF ||
        (hot->service != RAY_NONE && hot->service != ask->query->service))
        return RAY_OK;
    if (out->count == RAY_REQUEST_LIMIT_MAX)
        return RAY_E_ARGUMENT;
    ray_limit_answer *a = &out->at[out->count++];
    memset(a, 0, sizeof *a);
    a->limit = ray_limit_handle(hot, slot);
    a->rate = ray_limit_rule_for(ask->rl, hot, slot, ask->query->plan);
    a->flags = hot->mode == RAY_MODE_SHADOW ? RAY_LIMIT_SHADOW : 0;
    a->slot = slot;
    if (hot->keyed == RAY_KEYED_NOT)
        return RAY_OK;
    uint64_t hash = ask->one_key || hot->keyed == RAY_KEYED_USER
                        ? user_hash(ask)
                        : client_hash(ask, hot);
    a->key = ray_key_identity(hot, hash);
    a->slot = ray_key_find(ask->rl, hot->keyed, a->key);
    ask->new_count += a->slot == RAY_NONE;
    return RAY_OK;
}

static ray_status meet_list(asking *ask, uint32_t head)
{
    ray_status status = RAY_OK;
    while (head != 0 && status == RAY_OK) {
        status = meet(ask, head - 1);
        head = ask->rl->config.hot[head - 1].next;
    }
    return status;
}

static ray_status meet_pinned(asking *ask)
{
    const ray_ratelimit_config *config = &ask->rl->config;
    if (config->pin_count == 0)
        return RAY_OK;
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
static ray_status meet_named(asking *ask)
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

static ray_status meet_all(asking *ask)
{
    const ray_ratelimit_config *config = &ask->rl->config;
    uint32_t service = ask->query->service & 0xffffU;
    ray_status status = RAY_OK;
    if (ask->query->service != RAY_NONE && service < RAY_SERVICE_MAX)
        status = meet_list(ask, config->service_head[service]);
    if (status == RAY_OK)
        status = meet_list(ask, config->any_head);
    if (status == RAY_OK)
        status = meet_pinned(ask);
    if (status == RAY_OK)
        status = meet_named(ask);
    return status;
}

/* -- deciding (private) -- */
/* Of the limits asked before, how many found no place in the window this key has too: they get the
 * next ones that are free. */
static uint32_t before_it(const asking *ask, uint32_t i, const ray_limit_hot *hot)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < i; k++) {
        const ray_limit_answer *a = &ask->out->at[k];
        const ray_limit_hot *other = &ask->rl->config.hot[a->limit & 0xffffU];
        count +=
            (a->flags & RAY_LIMIT_OVERFLOW) != 0 && other->keyed == hot->keyed &&
            ray_key_window(hot->keyed, a->key) == ray_key_window(hot->keyed, ask->out->at[i].key);
    }
    return count;
}

/* No place, and the limit fails closed: until there is one, and then whatever a new bucket says. */
static void deny_full(const asking *ask, uint32_t i, const ray_limit_hot *hot, uint32_t ready)
{
    const ray_ratelimit *rl = ask->rl;
    ray_limit_answer *a = &ask->out->at[i];
    uint64_t wait = ray_key_wait(rl, hot->keyed, a->key, before_it(ask, i, hot), &ask->at,
                                 ask->out->at, ask->out->count);
    uint64_t chunk_wait = ready ? 0 : ray_exact_wait(rl, ask->new_count, &ask->at);
    ray_limit_moment then = ask->at;
    wait = wait > chunk_wait ? wait : chunk_wait;
    then.now_ns = ray_add_capped(then.now_ns, wait);
    then.wall_ns = ray_add_capped(then.wall_ns, wait);
    ray_bucket newborn = ray_key_newborn(rl, a->rate, &then);
    ray_bucket_decide(rl, &rl->config.rule[a->rate], &newborn, 0, &then, a);
    if (a->granted || a->reason != RAY_REASON_RATE_NEVER)
        a->reason = RAY_REASON_RATE_TABLE_FULL;
    a->retry_after_ns = ray_add_capped(wait, a->retry_after_ns);
    a->granted = 0;
    a->left_tokens = 0;
    a->start_at_ns = 0;
}

/* A key without a bucket: where one may be made, or what happens when the table is full. */
static void decide_new(asking *ask, uint32_t i, const ray_limit_hot *hot)
{
    const ray_ratelimit *rl = ask->rl;
    ray_limit_answer *a = &ask->out->at[i];
    uint32_t exact = hot->kind == RAY_KIND_EXACT;
    uint32_t ready =
        !exact || ray_exact_ready(rl, ask->new_count, &ask->at, ask->out->at, ask->out->count);
    if (ready)
        a->slot = ray_key_place(rl, hot->keyed, a->key, &ask->at, ask->out->at, ask->out->count);
    if (a->slot != RAY_NONE) {
        ray_bucket newborn = ray_key_newborn(rl, a->rate, &ask->at);
        a->flags |= RAY_LIMIT_NEW;
        ray_bucket_decide(rl, &rl->config.rule[a->rate], &newborn, 0, &ask->at, a);
        return;
    }
    a->slot = a->limit & 0xffffU;
    a->flags |= RAY_LIMIT_OVERFLOW;
    if (hot->deny_when_full) {
        deny_full(ask, i, hot, ready);
        return;
    }
    a->rate = a->slot;
    ray_bucket_decide(rl, &rl->config.rule[a->rate], &rl->book.own[a->slot].main, 0, &ask->at, a);
}

static void decide_found(asking *ask, uint32_t i, const ray_limit_hot *hot)
{
    const ray_ratelimit *rl = ask->rl;
    ray_limit_answer *a = &ask->out->at[i];
    const ray_limit_rule *rule = &rl->config.rule[a->rate];
    const ray_bucket *bucket = ray_bucket_at(rl, a->slot);
    uint64_t excess = hot->excess ? rl->book.own[a->slot].excess : 0;
    if (bucket->rule == a->rate) {
        ray_bucket_decide(rl, rule, bucket, excess, &ask->at, a);
        return;
    }
    ray_bucket converted = *bucket;
    ray_bucket_convert(rl, &rl->config.rule[bucket->rule], rule, &converted,
                       hot->excess ? &excess : NULL, &ask->at);
    ray_bucket_decide(rl, rule, &converted, excess, &ask->at, a);
}

/* Until a hold ends nothing is granted; then whatever the bucket says at that instant. */
static void decide_held(asking *ask, uint32_t i, const ray_limit_hot *hot, uint64_t until_ns)
{
    ray_limit_answer *a = &ask->out->at[i];
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
            decide_new(ask, i, hot);
        } else {
            decide_found(ask, i, hot);
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

static void decide(asking *ask, uint32_t i)
{
    ray_limit_answer *a = &ask->out->at[i];
    uint32_t limit = a->limit & 0xffffU;
    const ray_limit_hot *hot = &ask->rl->config.hot[limit];
    if (a->slot == RAY_NONE)
        decide_new(ask, i, hot);
    else
        decide_found(ask, i, hot);
    uint64_t held = ask->rl->book.own[limit].held_until_ns;
    if (held > ask->at.now_ns)
        decide_held(ask, i, hot, held);
}

/* The binding limit is the one that says no for longest, the smaller id among equals. */
static void sum_up(ray_ratelimit_answer *out)
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
ray_limit_moment ray_limit_moment_of(uint64_t now_ns, int64_t wall_offset_ns, uint64_t tokens,
                                     uint32_t priority)
{
    ray_limit_moment at = {now_ns, ray_limit_wall(now_ns, wall_offset_ns), tokens,
                           priority < RAY_CLASS_MAX ? priority : RAY_CLASS_NORMAL, 0};
    return at;
}

static asking begin(const ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_query *query,
                    ray_ratelimit_answer *out)
{
    asking ask = {.rl = rl, .query = query, .out = out};
    ask.at = ray_limit_moment_of(now_ns, query->wall_offset_ns, query->tokens, query->priority);
    /* Answers are cleared as they are added: most requests meet few limits. */
    memset(&out->tokens, 0, sizeof *out - offsetof(ray_ratelimit_answer, tokens));
    out->tokens = query->tokens;
    out->wall_offset_ns = query->wall_offset_ns;
    out->by = RAY_NONE;
    out->granted = 1;
    return ask;
}

ray_status ray_ratelimit_ask(const ray_ratelimit *rl, uint64_t now_ns,
                             const ray_ratelimit_query *query, ray_ratelimit_answer *out)
{
    if (query->named_count > RAY_REQUEST_LIMIT_MAX)
        return RAY_E_ARGUMENT;
    asking ask = begin(rl, now_ns, query, out);
    ray_status status = meet_all(&ask);
    if (status != RAY_OK)
        return status;
    for (uint32_t i = 0; i < out->count; i++)
        decide(&ask, i);
    sum_up(out);
    return RAY_OK;
}

/* What the class that may draw most is refused is refused to every class. */
static uint32_t boldest(const ray_limit_rule *rule)
{
    uint32_t best = 0;
    for (uint32_t class = 1; class < RAY_CLASS_MAX; class++)
        best = rule->ceiling[class] > rule->ceiling[best] ? class : best;
    return best;
}

static ray_status meet_addresses(asking *ask, uint32_t head)
{
    ray_status status = RAY_OK;
    while (head != 0 && status == RAY_OK) {
        const ray_limit_hot *hot = &ask->rl->config.hot[head - 1];
        if (hot->keyed == RAY_KEYED_IP && hot->plan_head == 0 && hot->mode == RAY_MODE_ENFORCE)
            status = meet(ask, head - 1);
        head = hot->next;
    }
    return status;
}

ray_status ray_ratelimit_ask_address(const ray_ratelimit *rl, uint64_t now_ns,
                                     const ray_ratelimit_query *query, ray_ratelimit_answer *out)
{
    const ray_ratelimit_config *config = &rl->config;
    uint32_t service = query->service & 0xffffU;
    asking ask = begin(rl, now_ns, query, out);
    ray_status status = RAY_OK;
    if (config->scope_count[RAY_SCOPE_IP] == 0)
        return RAY_OK;
    if (query->service != RAY_NONE && service < RAY_SERVICE_MAX)
        status = meet_addresses(&ask, config->service_head[service]);
    if (status == RAY_OK)
        status = meet_addresses(&ask, config->any_head);
    for (uint32_t i = 0; i < out->count && status == RAY_OK; i++) {
        ask.at.class = boldest(&config->rule[out->at[i].rate]);
        decide(&ask, i);
    }
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
    asking ask = begin(rl, now_ns, query, out);
    (void)meet(&ask, slot);
    if (out->count != 0)
        decide(&ask, 0);
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
    asking ask = begin(rl, now_ns, &query, out);
    ask.user_hash = hash;
    ask.user_hashed = 1;
    ask.one_key = 1;
    (void)meet(&ask, slot);
    if (out->count != 0)
        decide(&ask, 0);
    sum_up(out);
}
