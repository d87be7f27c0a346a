/* SPDX-License-Identifier: MIT */
/* core.c - times the core in C, one measurement per call of the program; the Python side says what
 * and makes the table.
 *
 *   bench ref                     one dependent 64-bit multiply and add: the unit of every ratio
 *   bench step BLOB ROWS BATCH    ray_step_batch over prepared rows, BATCH at a time
 *   bench route BLOB ROWS         ray_gateway_ask over the rows' targets
 *   bench policy BLOB             ray_policy_ask over 256 requests of every kind, no header known
 *   bench limit BLOB KEYS         ask, take and note of the limits, over KEYS users in random order
 *   bench try BLOB LIMITS BATCH   ray_ratelimit_try over LIMITS limits, BATCH at once (1: singly)
 *   bench key BLOB KEYS BATCH     the same over KEYS numbers of one keyed limit
 *   bench queue DEPTH FLOWS       one request in and one out of a queue of DEPTH, five classes
 *   bench governance, histogram, exposition, apimon: monitor.c
 *
 * Each prints the CPU time of one item in picoseconds, least of ROUNDS, then how many were granted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

static int reference(void)
{
    enum { STEPS = 20000000 };
    uint64_t best = UINT64_MAX;
    volatile uint64_t kept = 1;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t x = kept, began = cpu_ns();
        for (int i = 0; i < STEPS; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            __asm__ volatile("" : "+r"(x));     /* one step after the other, by force */
        }
        uint64_t took = cpu_ns() - began;
        kept = x;
        best = took < best ? took : best;
    }
    say(best, STEPS, 0);
    return 0;
}

/* A rows file: u64 row count, u64 length of the bytes, the rows, the bytes. */
static ray_rows rows_of(input in, uint64_t *count)
{
    memcpy(count, in.at, 8);
    ray_rows rows = { .row = (const ray_row *)(const void *)(in.at + 16),
                      .bytes = in.at + 16 + *count * sizeof(ray_row),
                      .scratch = aligned(RAY_TARGET_BYTES_MAX) };
    memcpy(&rows.bytes_length, in.at + 8, 8);
    return rows;
}

static int step(const char *blob, const char *name, uint32_t batch)
{
    struct ray *ray = loaded(blob);
    uint64_t count, best = UINT64_MAX, granted = 0, span, id = 1;
    input in = read_file(name);
    ray_rows rows = rows_of(in, &count);
    ray_row *row = (ray_row *)(void *)(in.at + 16);
    ray_answer *answers = aligned(sizeof(ray_answer) * batch);
    span = row[count - 1].at_ns - row[0].at_ns + 1;
    for (int round = 0; round < ROUNDS; round++) {
        granted = 0;
        uint64_t began = cpu_ns();
        for (uint64_t i = 0; i + batch <= count; i += batch) {
            rows.row = row + i;
            ray_step_batch(ray, &rows, batch, answers);
            for (uint32_t k = 0; k < batch; k++)
                granted += answers[k].verdict == RAY_VERDICT_ALLOW;
        }
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
        for (uint64_t i = 0; i < count; i++) {    /* the next round is later: limits refill */
            row[i].at_ns += span;
            row[i].id = id++ + (1ull << 32);
        }
    }
    say(best, count / batch * batch, granted);
    return 0;
}

static int route(const char *blob, const char *name)
{
    struct ray *ray = loaded(blob);
    uint64_t count, best = UINT64_MAX, granted = 0;
    ray_rows rows = rows_of(read_file(name), &count);
    for (int round = 0; round < ROUNDS; round++) {
        granted = 0;
        uint64_t began = cpu_ns();
        for (uint64_t i = 0; i < count; i++) {
            const ray_row *row = rows.row + i;
            ray_gateway_query query = {
                .target = { rows.bytes + row->target_at, row->target_length },
                .host = { rows.bytes + row->host_at, row->host_length },
                .scratch = rows.scratch,
                .method = row->method,
                .service = RAY_NONE,
            };
            ray_gateway_answer answer;
            ray_gateway_ask(ray_gateway_of(ray), row->at_ns, &query, &answer);
            granted += answer.granted;
        }
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    say(best, count, granted);
    return 0;
}

/* Requests from everywhere, at every hour, in an order no branch can foresee. */
static int policy(const char *blob)
{
    enum { QUERIES = 256, STEPS = 1 << 20 };
    const ray_policy *policies = ray_policy_of(loaded(blob));
    ray_policy_query *query = aligned(QUERIES * sizeof *query);
    uint64_t best = UINT64_MAX, granted = 0, dice = 88172645463325252u;
    for (uint32_t i = 0; i < QUERIES; i++) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        query[i] = (ray_policy_query){ .wall_offset_ns = (int64_t)(dice % 604800) * 1000000000,
                                       .service = dice >> 8 & 7,
                                       .route = dice >> 12 & 7,
                                       .method = 1 + (uint32_t)(dice >> 16) % 7,
                                       .role = 1 + (uint32_t)(dice >> 20) % 4,
                                       .tenant = dice >> 24 & 7,
                                       .plan = dice >> 28 & 1,
                                       .address_known = 1,
                                       .headers_known = 1 };
        memcpy(query[i].address.at + 10, "\xff\xff\x0a", 3);
        memcpy(query[i].address.at + 13, &dice, 3);
    }
    for (int round = 0; round < ROUNDS; round++) {
        ray_policy_answer answer;
        granted = 0;
        uint64_t began = cpu_ns();
        for (uint32_t i = 0; i < STEPS; i++) {
            ray_policy_ask(policies, 1000000000, &query[i % QUERIES], &answer);
            granted += answer.granted;
        }
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    say(best, STEPS, granted);
    return 0;
}

/* Users in an order no cache can foresee; each decision is a whole ask, take and note. */
static int limit(const char *blob, uint64_t keys)
{
    enum { NAME = 24, STEPS = 1 << 20 };
    struct ray *ray = loaded(blob);
    ray_ratelimit *rl = ray_ratelimit_of(ray);
    char (*name)[NAME] = aligned(keys * NAME);
    uint64_t best = UINT64_MAX, granted = 0, now_ns = 1000000000, dice = 88172645463325252u;
    for (uint64_t i = 0; i < keys; i++)
        snprintf(name[i], NAME, "u%llu", (unsigned long long)i);
    for (int round = 0; round < ROUNDS; round++) {
        granted = 0;
        uint64_t began = cpu_ns();
        for (uint64_t i = 0; i < STEPS; i++) {
            dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
            const char *user = name[(dice >> 20) % keys];
            ray_ratelimit_query query = {
                .user = { (const uint8_t *)user, strlen(user) },
                .tokens = 1,
                .service = 0,
                .plan = RAY_NONE,
                .priority = RAY_CLASS_NORMAL,
            };
            ray_ratelimit_answer answer;
            now_ns += 100;
            ray_ratelimit_ask(rl, now_ns, &query, &answer);
            ray_ratelimit_take(rl, now_ns, &answer, 1, NULL);
            ray_ratelimit_note(rl, now_ns, &answer, answer.granted);
            granted += answer.granted;
        }
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    say(best, STEPS, granted);
    return 0;
}

enum { TRIES = 1 << 20 };

/* What a round of tries is about. */
typedef struct tries {
    ray_ratelimit *rl;
    const uint64_t *key;
    const uint32_t *limit;
    uint8_t *out;
    uint64_t now_ns;
    uint32_t batch;
    uint32_t keyed;
} tries;

static uint64_t one_by_one(const tries *t)
{
    uint64_t granted = 0, now_ns = t->now_ns;
    if (t->keyed)
        for (uint64_t i = 0; i < TRIES; i++)
            granted += (uint64_t)ray_ratelimit_try_key(t->rl, now_ns += 100, 0,
                                                       (const uint8_t *)&t->key[i], 8, 1, NULL);
    else
        for (uint64_t i = 0; i < TRIES; i++)
            granted += (uint64_t)ray_ratelimit_try(t->rl, now_ns += 100, t->limit[i], 1, NULL);
    return granted;
}

static uint64_t in_batches(const tries *t)
{
    uint64_t granted = 0, now_ns = t->now_ns;
    for (uint64_t i = 0; i + t->batch <= TRIES; i += t->batch) {
        ray_ratelimit_batch work = { .limits = t->keyed ? NULL : t->limit + i,
                                     .keys = t->keyed ? t->key + i : NULL,
                                     .out = t->out + i,
                                     .count = t->batch };
        granted += ray_ratelimit_try_batch(t->rl, now_ns += 100 * t->batch, &work);
    }
    return granted;
}

/* One limit each: unkeyed ones by handle, or the keyed one with handle 0 by number. */
static int try_all(const char *blob, uint32_t keyed, uint64_t spread, uint32_t batch)
{
    uint64_t *key = aligned(TRIES * 8), dice = 88172645463325252u;
    uint32_t *limit_at = aligned(TRIES * 4);
    uint64_t best = UINT64_MAX, granted = 0;
    tries t = { ray_ratelimit_of(loaded(blob)), key, limit_at, aligned(TRIES), 1000000000, batch,
                keyed };
    for (uint64_t i = 0; i < TRIES; i++) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        key[i] = (dice >> 20) % spread;
        limit_at[i] = (uint32_t)key[i];
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        granted = batch == 1 ? one_by_one(&t) : in_batches(&t);
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
        t.now_ns += 100 * TRIES;
    }
    say(best, TRIES / batch * batch, granted);
    return 0;
}

/* -- queues -- */
static void put(ray_priority *queue, uint64_t now_ns, uint32_t class, uint64_t flow)
{
    ray_priority_query query = { .flow = flow, .priority = class, .hold = 1 };
    ray_priority_answer answer;
    if (ray_priority_ask(queue, now_ns, &query, &answer) == RAY_OK && answer.granted != 0)
        (void)ray_priority_take(queue, now_ns, &query, &answer, class);
}

/* What is sent comes back into its class, so that the depth stays. */
static uint64_t in_and_out(ray_priority *queue, uint64_t now_ns)
{
    ray_priority_pick pick;
    uint64_t sent = 0;
    for (uint64_t i = 0; i < TRIES; i++) {
        now_ns += 100;
        if (ray_priority_next(queue, now_ns, 0, &pick) != RAY_OK)
            break;
        ray_priority_send(queue, now_ns, &pick);
        put(queue, now_ns, pick.priority, i);
        sent++;
    }
    return sent;
}

static int queue_of(uint32_t depth, uint32_t flows)
{
    static const uint8_t seed[16] = { 7 };
    ray_priority *queue = aligned(ray_priority_bytes());
    ray_queue_spec spec;
    uint64_t best = UINT64_MAX, sent = 0;
    ray_priority_init(queue, seed);
    ray_priority_spec_read(queue, &spec);
    spec.depth = RAY_QUEUE_DEPTH_MAX;
    spec.flows = flows;
    if (ray_priority_set(queue, &spec) != RAY_OK)
        exit(2);
    for (uint32_t i = 0; i < depth; i++)
        put(queue, i, i % RAY_CLASS_MAX, i);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        sent = in_and_out(queue, (uint64_t)(round + 1) << 32);
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    say(best, TRIES, sent);
    return 0;
}

int main(int count, char **word)
{
    if (count == 4 && !strcmp(word[1], "queue"))
        return queue_of((uint32_t)strtoul(word[2], NULL, 10),
                        (uint32_t)strtoul(word[3], NULL, 10));
    if (count == 2 && !strcmp(word[1], "ref"))
        return reference();
    if (count == 5 && !strcmp(word[1], "step"))
        return step(word[2], word[3], (uint32_t)strtoul(word[4], NULL, 10));
    if (count == 4 && !strcmp(word[1], "route"))
        return route(word[2], word[3]);
    if (count == 3 && !strcmp(word[1], "policy"))
        return policy(word[2]);
    if (count == 4 && !strcmp(word[1], "limit"))
        return limit(word[2], strtoull(word[3], NULL, 10));
    if (count == 5 && (!strcmp(word[1], "try") || !strcmp(word[1], "key")))
        return try_all(word[2], word[1][0] == 'k', strtoull(word[3], NULL, 10),
                       (uint32_t)strtoul(word[4], NULL, 10));
    if (count > 1 && monitor(count, word) == 0)
        return 0;
    fprintf(stderr, "what to measure: ref, step, route, policy, limit, try, key, queue, "
                    "governance, histogram, exposition or apimon\n");
    return 2;
}
