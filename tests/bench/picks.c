/* SPDX-License-Identifier: MIT */
/* picks.c - times the choice of an instance: `picks STRATEGY COUNT KIND [WEIGHTS]`. A pool of COUNT
 * healthy instances, whose weights are all 1, or 1 to WEIGHTS in turn.
 *
 *   ask     who would get it, for a new key each time
 *   lease   ask, take, note and done: what one request costs the balancer
 *
 * Instances have connections of their own, so that not all loads tie. Prints the CPU time of one in
 * picoseconds, least of ROUNDS, and how many were granted; fails when one was not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum { PICKS = 1 << 16, KEYS = 1 << 12 };

static uint32_t strategy_of(const char *word)
{
    for (uint32_t strategy = 0; strategy < RAY_BALANCE_MAX; strategy++)
        if (strcmp(ray_balance_word(strategy), word) == 0)
            return strategy;
    fprintf(stderr, "no strategy is called %s\n", word);
    exit(2);
}

static uint32_t pool_of(ray_lb *lb, uint32_t strategy, uint32_t count, uint32_t weights)
{
    ray_pool_spec spec = {.name = {"pool"}, .rise = 1, .fall = 1, .eject_percent = 50,
                          .slow_start_percent = 10, .strategy = (uint8_t)strategy};
    uint32_t pool, id;
    if (ray_lb_add_pool(lb, 1, &spec, &pool))
        exit(2);
    for (uint32_t i = 0; i < count; i++) {
        ray_instance_spec one = {.pool = pool, .weight = 1 + i % weights};
        snprintf(one.at.at, sizeof one.at.at, "10.0.%u.%u:80", i / 250, i % 250 + 1);
        if (ray_lb_add_instance(lb, 1, &one, &id))
            exit(2);
        for (uint32_t open = 0; open < i * 7 % 5; open++)
            if (ray_lb_open(lb, 1, id))
                exit(2);
    }
    return pool;
}

static uint64_t pick(ray_lb *lb, const uint64_t *keys, uint32_t pool, uint32_t keep)
{
    static const ray_lb_outcome good = {.latency_ns = 1000};
    uint64_t granted = 0;
    for (uint32_t i = 0; i < PICKS; i++) {
        ray_lb_query query = {.key = keys[i % KEYS], .until_ns = RAY_NEVER, .pool = pool,
                              .avoid = RAY_NONE};
        ray_lb_answer answer;
        if (ray_lb_ask(lb, 1000000 + i, &query, &answer))
            exit(2);
        granted += answer.granted;
        if (keep == 0)
            continue;
        uint32_t lease = ray_lb_take(lb, 1000000 + i, &query, &answer);
        ray_lb_note(lb, 1000000 + i, &query, &answer, 1);
        if (ray_lb_done(lb, 1000000 + i, lease, &good))
            exit(2);
    }
    return granted;
}

int main(int count, char **word)
{
    static const uint8_t seed[16] = { 7 };
    if (count < 4)
        return 2;
    ray_lb *lb = aligned(ray_lb_bytes());
    uint64_t *keys = aligned(KEYS * sizeof *keys), best = UINT64_MAX, granted = 0, x = 1;
    for (uint32_t i = 0; i < KEYS; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        keys[i] = (x ^ x >> 29) | 1;
    }
    ray_lb_init(lb, seed);
    uint32_t pool = pool_of(lb, strategy_of(word[1]), (uint32_t)atoi(word[2]),
                            count > 4 ? (uint32_t)atoi(word[4]) : 1);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        granted = pick(lb, keys, pool, strcmp(word[3], "lease") == 0);
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    say(best, PICKS, granted);
    return ray_lb_valid(lb) == 0 && granted == PICKS ? 0 : 2;
}
