/* SPDX-License-Identifier: MIT */
/* curve.c - one pass of a trace through a state that holds one limit for each candidate. */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include "curve.h"

enum { EVENTS = 4096, READS_PER_CALL = 16, LISTS = RAY_TRACE_GROUP_MAX + 1 };

/* What one candidate is at. */
typedef struct runner {
    uint64_t window;      /* match_ns since 1970 */
    uint64_t denied_now;  /* in that window, by the candidate */
    uint64_t recorded_now; /* by the log */
    uint32_t limit;       /* handle */
    uint32_t next;        /* candidate of the same group, RAY_NONE */
} runner;

struct ray_curve {
    ray_curve_spec spec;
    ray_ratelimit *limits;
    runner *runners;
    uint64_t *hurt; /* who was denied by whom: hashes, open addressing, at most half full; 0 free */
    uint64_t hurt_count;
    uint64_t read_at;
    uint32_t first[LISTS]; /* by group, the last: for all; RAY_NONE */
    uint32_t reserved;
    ray_trace_event events[EVENTS];
};

/* -- life -- */

/* One limit a candidate. Limits that one request would meet are few by law; each is therefore said
 * to be of a service of its own, which trying one limit by its handle does not ask. */
static ray_status add_limit(ray_curve *curve, uint32_t index)
{
    const ray_curve_candidate *candidate = &curve->spec.candidates[index];
    ray_limit_spec spec;

    memset(&spec, 0, sizeof spec);
    spec.name.at[0] = 'c';
    for (uint32_t i = 1, rest = index; i < 6; i++, rest /= 10)
        spec.name.at[i] = (char)('0' + rest % 10);
    spec.rate_tokens = candidate->rate_tokens;
    spec.rate_period_ns = candidate->rate_period_ns;
    spec.capacity = candidate->capacity;
    spec.service = index % RAY_SERVICE_MAX;
    spec.instead_of = RAY_NONE;
    spec.scope = curve->spec.keyed ? RAY_SCOPE_USER : RAY_SCOPE_SERVICE;
    if (candidate->algorithm > RAY_SLIDING_WINDOW)
        return RAY_E_ARGUMENT;
    spec.algorithm = (uint8_t)candidate->algorithm;
    return ray_ratelimit_add(curve->limits, 0, &spec, &curve->runners[index].limit);
}

ray_curve *ray_curve_open(const ray_curve_spec *spec)
{
    uint32_t most = spec->keyed ? RAY_CURVE_KEYED_MAX : RAY_CURVE_PLAIN_MAX;
    ray_curve *curve = calloc(1, sizeof *curve);

    if (!curve)
        return NULL;
    curve->spec = *spec;
    curve->limits = calloc(1, ray_ratelimit_bytes());
    curve->runners = calloc(spec->count + 1u, sizeof *curve->runners);
    curve->hurt = calloc(2 * (size_t)RAY_CURVE_HURT_MAX, sizeof *curve->hurt);
    if (!curve->limits || !curve->runners || !curve->hurt || spec->count > most
        || !spec->match_ns) {
        ray_curve_close(curve);
        return NULL;
    }
    for (uint32_t i = 0; i < LISTS; i++)
        curve->first[i] = RAY_NONE;
    for (uint32_t i = spec->count; i-- > 0;) {
        ray_curve_candidate *candidate = &spec->candidates[i];
        uint32_t list =
            candidate->group < RAY_TRACE_GROUP_MAX ? candidate->group : RAY_TRACE_GROUP_MAX;
        candidate->asked_count = 0;
        candidate->denied_count = 0;
        candidate->matched_count = 0;
        candidate->first_denied_ns = 0;
        candidate->hurt_count = 0;
        candidate->hurt_more = 0;
        candidate->status = add_limit(curve, i);
        if (candidate->status != RAY_OK)
            continue;
        curve->runners[i].next = curve->first[list];
        curve->first[list] = i;
    }
    return curve;
}

void ray_curve_close(ray_curve *curve)
{
    if (!curve)
        return;
    free(curve->limits);
    free(curve->runners);
    free(curve->hurt);
    free(curve);
}

/* -- the pass -- */

static void settle(ray_curve_candidate *candidate, runner *at, uint64_t window)
{
    candidate->matched_count +=
        at->denied_now < at->recorded_now ? at->denied_now : at->recorded_now;
    at->window = window;
    at->denied_now = 0;
    at->recorded_now = 0;
}

/* Counts a key that candidate `index` denied, once. The key is a keyed hash already: what is mixed
 * in tells candidates apart. */
static void count_hurt(ray_curve *curve, uint32_t index, uint64_t key)
{
    ray_curve_candidate *candidate = &curve->spec.candidates[index];
    uint64_t hash = (key ^ (index + 1) * 0x9e3779b97f4a7c15u) | 1;
    uint64_t slot = (hash * 0xff51afd7ed558ccdu) >> 20;

    for (;; slot++) {
        uint64_t *place = &curve->hurt[slot & (2 * (uint64_t)RAY_CURVE_HURT_MAX - 1)];
        if (*place == hash)
            return;
        if (*place)
            continue;
        if (curve->hurt_count == RAY_CURVE_HURT_MAX) {
            candidate->hurt_more = 1;
            return;
        }
        *place = hash;
        curve->hurt_count++;
        candidate->hurt_count++;
        return;
    }
}

/* `index`: the first candidate of a list. */
static void judge(ray_curve *curve, uint32_t index, const ray_trace_event *event)
{
    uint32_t throttled = (event->group & RAY_TRACE_THROTTLED) != 0;
    uint64_t window = event->at_ns / curve->spec.match_ns;

    if (throttled && curve->spec.drop_throttled)
        return;
    for (; index != RAY_NONE; index = curve->runners[index].next) {
        ray_curve_candidate *candidate = &curve->spec.candidates[index];
        runner *at = &curve->runners[index];
        int32_t granted;
        if (at->window != window)
            settle(candidate, at, window);
        granted = curve->spec.keyed
                      ? ray_ratelimit_try_key(curve->limits, event->at_ns, at->limit,
                                              (const uint8_t *)&event->key, sizeof event->key,
                                              event->tokens, NULL)
                      : ray_ratelimit_try(curve->limits, event->at_ns, at->limit, event->tokens,
                                          NULL);
        candidate->asked_count++;
        at->recorded_now += throttled;
        if (granted == 1)
            continue;
        at->denied_now++;
        count_hurt(curve, index, event->key);
        if (!candidate->denied_count++)
            candidate->first_denied_ns = event->at_ns;
    }
}

uint32_t ray_curve_run(ray_curve *curve)
{
    for (uint32_t reads = 0; reads < READS_PER_CALL; reads++) {
        ssize_t got = pread((int)curve->spec.fd, curve->events, sizeof curve->events,
                            (off_t)curve->read_at);
        uint64_t count = got > 0 ? (uint64_t)got / sizeof *curve->events : 0;
        if (got < 0 || (got > 0 && !count))
            return RAY_CURVE_FAILED;
        if (!count) {
            for (uint32_t i = 0; i < curve->spec.count; i++)
                settle(&curve->spec.candidates[i], &curve->runners[i], 0);
            return RAY_CURVE_DONE;
        }
        curve->read_at += count * sizeof *curve->events;
        for (uint64_t i = 0; i < count; i++) {
            uint32_t group = curve->events[i].group & ~(uint32_t)RAY_TRACE_THROTTLED;
            if (group >= RAY_TRACE_GROUP_MAX)
                return RAY_CURVE_FAILED;
            judge(curve, curve->first[group], &curve->events[i]);
            judge(curve, curve->first[RAY_TRACE_GROUP_MAX], &curve->events[i]);
        }
    }
    return RAY_CURVE_MORE;
}

uint64_t ray_curve_event_count(const ray_curve *curve)
{
    return curve->read_at / sizeof *curve->events;
}

uint64_t ray_curve_overflow_count(const ray_curve *curve)
{
    ray_ratelimit_stats stats;

    ray_ratelimit_read(curve->limits, &stats);
    return stats.overflow_count;
}
