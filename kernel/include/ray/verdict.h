/* SPDX-License-Identifier: MIT */
#ifndef RAY_VERDICT_H
#define RAY_VERDICT_H
#include <stdint.h>

/* verdict: what happened to a request, one byte of the decision record. Numbers are never
 * reused. */
enum ray_verdict {
    RAY_VERDICT_NONE = 0,       /* no decision: a tick, or a row that was refused */
    RAY_VERDICT_ALLOW = 1,
    RAY_VERDICT_DENY = 2,
    RAY_VERDICT_DELAY = 3,      /* admitted; may start at start_at_ns */
    RAY_VERDICT_REDIRECT = 4,
    RAY_VERDICT_SENT = 5,       /* left its queue towards the service */
    RAY_VERDICT_DROPPED = 6,
    RAY_VERDICT_PREEMPTED = 7,
    RAY_VERDICT_COMPLETE = 8,
    RAY_VERDICT_EXPIRED = 9,    /* no outcome by its deadline; everything held was returned */
    RAY_VERDICT_CANCELLED = 10,
    RAY_VERDICT_RETRY = 11      /* failed, and may be dispatched again at start_at_ns */
};

/* Which kind of row bound the decision; by_id counts within the kind. */
enum ray_by_kind {
    RAY_BY_NONE = 0,
    RAY_BY_ROUTE = 1,
    RAY_BY_SERVICE = 2,
    RAY_BY_LIMIT = 3,
    RAY_BY_QUOTA = 4,
    RAY_BY_POLICY = 5,
    RAY_BY_QUEUE = 6,           /* by_id is the service whose queue it is */
    RAY_BY_CREDENTIAL = 7,
    RAY_BY_TRANSFORM = 8,
    RAY_BY_ALERT = 9,
    RAY_BY_POOL = 10,
    RAY_BY_INSTANCE = 11,
    RAY_BY_BREAKER = 12,        /* by_id is the service it stands before */
    RAY_BY_BULKHEAD = 13
};

#endif
