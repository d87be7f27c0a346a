/* SPDX-License-Identifier: MIT */
/* unseen.c - what a limit says to a key that has no bucket: where one would go, or that the table
 * is full. Nothing here writes. */
#include "ask.h"

/* Of the limits asked before, how many found no place in the window this key has too: they get the
 * next ones that are free. */
static uint32_t before_it(const ray_asking *ask, uint32_t i, const ray_limit_hot *hot)
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
static void deny_full(const ray_asking *ask, uint32_t i, const ray_limit_hot *hot, uint32_t ready)
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

void ray_limit_decide_new(ray_asking *ask, uint32_t i, const ray_limit_hot *hot)
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
