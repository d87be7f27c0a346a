/* SPDX-License-Identifier: MIT */
/* ratelimit.c - which limits a request meets, what each says, and booking them all or none of them. */
#include "limit.h"

/* -- asking (private) -- */
typedef struct asking {
    const ray_ratelimit *rl;
    const ray_ratelimit_query *query;
    ray_ratelimit_answer *out;
    ray_limit_moment at;
    uint64_t user_hash;
    uint32_t user_hashed;        /* a key is hashed once per request */
    uint32_t new_count;          /* buckets the request would make */
    uint32_t one_key;            /* 1: user_hash is the key of whichever limit is asked */
    uint32_t reserved;
} asking;

static uint64_t user_hash(asking *ask)
{
    if (!ask->user_hashed) {
        ask->user_hash = ray_key_of_bytes(ask->rl, ask->query->user.at, ask->query->user.length);
        ask->user_hashed = 1;
    }
    return ask->user_hash;
}

uint32_t ray_limit_rule_for(const ray_ratelimit *rl, const ray_limit_hot *hot, uint32_t slot, uint32_t plan)
{
    if (plan != RAY_NONE)
        for (uint32_t i = hot->plan_head; i != 0; i = rl->config.rule[i - 1].next)
            if (rl->config.rule[i - 1].plan == plan)
                return i - 1;
    return slot;
}

ray_status ray_limit_slot(const ray_ratelimit *rl, uint32_t limit, uint32_t *slot)
{
    uint32_t at = limit & 0xffffU;
    if (limit == RAY_NONE || at >= RAY_LIMIT_MAX)
        return RAY_E_UNKNOWN;
    const ray_limit_hot *hot = &rl->config.hot[at];
    if (hot->generation != limit >> 16 || !hot->used)
        return limit >> 16 < hot->born ? RAY_E_STALE : RAY_E_UNKNOWN;
    *slot = at;
    return RAY_OK;
}

/* Adds one limit to the answer and finds its bucket. */
static ray_status meet(asking *ask, uint32_t slot)
{
    const ray_limit_hot *hot = &ask->rl->config.hot[slot];
    ray_ratelimit_answer *out = ask->out;
    if (hot->mode == RAY_MODE_OFF || (hot->service != RAY_NONE && hot->service != ask->query->service))
        return RAY_OK;
    if (out->count == RAY_REQUEST_LIMIT_MAX)
        return RAY_E_ARGUMENT;
    ray_limit_answer *a = &out->at[out->count++];
    a->limit = ray_limit_handle(hot, slot);
    a->rate = ray_limit_rule_for(ask->rl, hot, slot, ask->query->plan);
    a->flags = hot->mode == RAY_MODE_SHADOW ? RAY_LIMIT_SHADOW : 0;
    a->slot = slot;
    a->key = 0;
    if (hot->keyed == RAY_KEYED_NOT)
        return RAY_OK;
    uint64_t hash = ask->one_key || hot->keyed == RAY_KEYED_USER ? user_hash(ask)
                                                                 : ray_key_of_client(ask->rl, hot, ask->query);
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

/* Limits that routes and policies name. One that was removed since is no limit; one named twice is asked once. */
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
/* A key without a bucket: where one may be made, or what happens when the table is full. */
static void decide_new(asking *ask, uint32_t i, const ray_limit_hot *hot)
{
    const ray_ratelimit *rl = ask->rl;
    ray_limit_answer *a = &ask->out->at[i];
    uint32_t exact = hot->kind == RAY_KIND_EXACT;
    uint32_t ready = !exact || ray_exact_ready(rl, ask->new_count, &ask->at, ask->out->at, ask->out->count);
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
    a->rate = a->slot;
    if (!hot->deny_when_full) {
        ray_bucket_decide(rl, &rl->config.rule[a->rate], &rl->book.own[a->slot].main, 0, &ask->at, a);
        return;
    }
    uint64_t wait = ray_key_wait(rl, hot->keyed, a->key, &ask->at);
    uint64_t chunk_wait = ready ? 0 : ray_exact_wait(rl, &ask->at);
    a->granted = 0;
    a->reason = RAY_REASON_RATE_TABLE_FULL;
    a->left_tokens = 0;
    a->start_at_ns = 0;
    a->retry_after_ns = wait > chunk_wait ? wait : chunk_wait;
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
    ray_bucket_convert(&rl->config.rule[bucket->rule], rule, &converted, hot->excess ? &excess : NULL, &ask->at);
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
            out->start_at_ns = a->start_at_ns > out->start_at_ns ? a->start_at_ns : out->start_at_ns;
            continue;
        }
        out->granted = 0;
        if (out->by == RAY_NONE || a->retry_after_ns > out->retry_after_ns
            || (a->retry_after_ns == out->retry_after_ns && a->limit < out->at[out->by].limit)) {
            out->by = i;
            out->retry_after_ns = a->retry_after_ns;
        }
    }
    if (!out->granted)
        out->start_at_ns = 0;
}

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

/* -- request -- */
static ray_limit_moment moment_of(uint64_t now_ns, int64_t wall_offset_ns, uint64_t tokens, uint32_t priority)
{
    ray_limit_moment at = {now_ns, ray_limit_wall(now_ns, wall_offset_ns), tokens,
                           priority < RAY_CLASS_MAX ? priority : RAY_CLASS_NORMAL, 0};
    return at;
}

ray_status ray_ratelimit_ask(const ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_query *query,
                             ray_ratelimit_answer *out)
{
    asking ask = {rl, query, out, moment_of(now_ns, query->wall_offset_ns, query->tokens, query->priority),
                  0, 0, 0, 0, 0};
    if (query->named_count > RAY_ROUTE_LIMIT_MAX)
        return RAY_E_ARGUMENT;
    memset(out, 0, sizeof *out);
    out->tokens = query->tokens;
    out->wall_offset_ns = query->wall_offset_ns;
    out->by = RAY_NONE;
    out->granted = 1;
    ray_status status = meet_all(&ask);
    if (status != RAY_OK)
        return status;
    for (uint32_t i = 0; i < out->count; i++)
        decide(&ask, i);
    sum_up(out);
    return RAY_OK;
}

void ray_limit_ask_one(const ray_ratelimit *rl, uint64_t now_ns, uint32_t slot, uint64_t hash, uint64_t tokens,
                       ray_ratelimit_answer *out)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    ray_ratelimit_query query = {.tokens = tokens, .wall_offset_ns = rl->book.wall_offset_ns, .service = hot->service,
                                 .plan = RAY_NONE, .priority = RAY_CLASS_NORMAL};
    asking ask = {rl, &query, out, moment_of(now_ns, query.wall_offset_ns, tokens, RAY_CLASS_NORMAL), hash,
                  1, 0, 1, 0};
    memset(out, 0, sizeof *out);
    out->tokens = tokens;
    out->wall_offset_ns = query.wall_offset_ns;
    out->by = RAY_NONE;
    out->granted = 1;
    (void)meet(&ask, slot);
    if (out->count != 0)
        decide(&ask, 0);
    sum_up(out);
}

/* -- booking (private) -- */
/* Books one answer; returns 1 when `hold` was filled. */
static uint32_t book(ray_ratelimit *rl, const ray_ratelimit_answer *answer, uint32_t i, const ray_limit_moment *at,
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
        ray_bucket_convert(&rl->config.rule[bucket->rule], rule, bucket, own != NULL ? &own->excess : NULL, at);
        bucket->rule = (uint16_t)a->rate;
    }
    uint32_t yellow = (a->flags & RAY_LIMIT_YELLOW) != 0, open = hold != NULL, stamp = bucket->stamp;
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

/* A shadow limit books when it says yes and so does everything else but the limit it stands in for. */
static uint32_t may_book(const ray_ratelimit *rl, const ray_ratelimit_answer *answer, uint32_t i)
{
    const ray_limit_answer *a = &answer->at[i];
    if (!(a->flags & RAY_LIMIT_SHADOW))
        return answer->granted;
    uint32_t instead = rl->config.hot[a->limit & 0xffffU].instead_of;
    uint32_t yes = a->granted;
    for (uint32_t k = 0; k < answer->count; k++)
        if (!(answer->at[k].flags & RAY_LIMIT_SHADOW) && (answer->at[k].limit & 0xffffU) + 1 != instead)
            yes &= answer->at[k].granted;
    return yes;
}

uint32_t ray_ratelimit_take(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer,
                            uint32_t others_allowed, ray_limit_hold *holds)
{
    if (!others_allowed || answer->tokens == 0)
        return 0;
    ray_limit_moment at = moment_of(now_ns, answer->wall_offset_ns, answer->tokens, RAY_CLASS_NORMAL);
    uint32_t written = 0, booked = 0;
    for (uint32_t i = 0; i < answer->count; i++) {
        if (!may_book(rl, answer, i))
            continue;
        booked = 1;
        written += book(rl, answer, i, &at, holds != NULL ? &holds[written] : NULL);
    }
    if (booked)
        rl->book.wall_offset_ns = answer->wall_offset_ns;
    return written;
}

void ray_ratelimit_note(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer, uint32_t granted)
{
    (void)now_ns;
    (void)granted;
    for (uint32_t i = 0; i < answer->count; i++) {
        const ray_limit_answer *a = &answer->at[i];
        ray_limit_tally *tally = &rl->tally.limit[a->limit & 0xffffU];
        tally->verdict_count[a->granted]++;
        tally->overflow_count += (a->flags & RAY_LIMIT_OVERFLOW) != 0;
        tally->delayed_count += a->start_at_ns != 0;
        tally->yellow_count += (a->flags & RAY_LIMIT_YELLOW) != 0;
        rl->tally.table_full_count += (a->flags & RAY_LIMIT_OVERFLOW) != 0;
    }
    rl->tally.verdict_count[answer->granted != 0]++;
    rl->tally.shadow_denied_count += answer->shadow_denied_count;
}

/* -- holds -- */
/* The hold's bucket, NULL when the slot was evicted, reset or converted since. */
static ray_bucket *held_bucket(ray_ratelimit *rl, const ray_limit_hold *hold, const ray_limit_rule **rule)
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

void ray_ratelimit_release(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds, uint32_t count)
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
            close_hold(rl->config.hot[rule->limit].excess ? &rl->book.own[rule->limit] : NULL, bucket);
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
            ? ray_credits_refund(rule, bucket, NULL, at->now_ns, hold->tokens, 0) : 0;
    if (rule->kind == RAY_KIND_EXACT)
        return ray_exact_refund(rl, rule, bucket, at->now_ns, hold->tokens, hold->stamp);
    return ray_window_refund(rule, bucket, at, hold->stamp);
}

void ray_ratelimit_refund(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const ray_limit_rule *rule = NULL;
        ray_bucket *bucket = held_bucket(rl, &holds[i], &rule);
        if (bucket == NULL) {
            rl->tally.stale_hold_count++;
            continue;
        }
        ray_limit_moment at = moment_of(now_ns, rl->book.wall_offset_ns, holds[i].tokens, RAY_CLASS_NORMAL);
        uint64_t back = refund_one(rl, rule, bucket, &holds[i], &at);
        rl->tally.refund_count++;
        rl->tally.refunded_token_count += back;
        rl->tally.limit[rule->limit].refunded_count += back;
    }
}
