/* SPDX-License-Identifier: MIT */
#ifndef RAY_REASON_H
#define RAY_REASON_H
#include <stdint.h>

/* reason: one stable code for why. 1-99 the pipeline, then a hundred per module. Numbers are never
 * reused. */
enum ray_reason {
    RAY_REASON_NONE = 0,
    RAY_REASON_OK = 1,
    RAY_REASON_NO_LIMIT = 2,              /* allowed; no limit or quota was configured for it */
    RAY_REASON_INFLIGHT_FULL = 3,         /* no slot left for one more request in flight */
    RAY_REASON_DRAINING = 4,              /* the machine is shutting down */
    RAY_REASON_DEADLINE = 5,              /* no outcome in time */
    RAY_REASON_CLIENT_CANCEL = 6,
    RAY_REASON_OFF = 7,                   /* allowed; mode is off */
    RAY_REASON_REFUNDED = 8,              /* given back by its caller before it was sent */
    RAY_REASON_NO_ROUTE = 100,
    RAY_REASON_METHOD_NOT_ALLOWED = 101,  /* 405: the path is known, the method is not */
    RAY_REASON_METHOD_UNKNOWN = 102,      /* 501 */
    RAY_REASON_PATH_BAD = 103, /* 400: control byte, byte above 0x7f, bad escape, refused escape */
    RAY_REASON_TARGET_TOO_LONG = 104,     /* 414 */
    RAY_REASON_HEADERS_TOO_LARGE = 105,   /* 431 */
    RAY_REASON_BODY_TOO_LARGE = 106,      /* 413 */
    RAY_REASON_HEADERS_BAD = 107,         /* 400: a header block that does not parse */
    RAY_REASON_SERVICE_UNHEALTHY = 108,   /* 503: the service is marked unhealthy */
    RAY_REASON_RATE_LIMITED = 200,
    RAY_REASON_RATE_NEVER = 201,          /* asks for more than the limit can ever hold */
    RAY_REASON_RATE_HELD = 202,           /* drained with a hold: emergency stop */
    RAY_REASON_RATE_DELAYED = 203,        /* admitted into a leaky queue */
    RAY_REASON_RATE_QUEUE_FULL = 204,     /* the leaky queue's wait would pass max_delay */
    RAY_REASON_RATE_TABLE_FULL = 205,     /* keyed table full and the rule fails closed */
    RAY_REASON_RATE_RESERVED = 206,       /* what is left is kept for a higher class */
    RAY_REASON_LIMIT_REQUIRED = 207,      /* the service has no limit and no_limit = deny */
    RAY_REASON_QUOTA_EXCEEDED = 300,
    RAY_REASON_QUOTA_NEVER = 301,         /* more units than limit and carry together */
    RAY_REASON_QUOTA_GUARD = 302,         /* a guard's rate was reached in the last full second */
    RAY_REASON_QUOTA_TABLE_FULL = 303,    /* no slot left for one more active quota */
    RAY_REASON_QUEUED = 400,              /* admitted; waits in its service's queue */
    RAY_REASON_QUEUE_FULL = 401,          /* no place, and nobody of a lower class to displace */
    RAY_REASON_DISPLACED = 402,           /* a request of a higher class took its place */
    RAY_REASON_PREEMPTED = 403,           /* taken out of its queue by an operator */
    RAY_REASON_SERVICE_GONE = 404,        /* its service left the configuration while it waited */
    RAY_REASON_POLICY_DENIED = 500,       /* a rule says deny */
    RAY_REASON_POLICY_INDETERMINATE = 501, /* a deny rule whose attribute is not known */
    RAY_REASON_POLICY_DEFAULT = 502,      /* rules of its type exist, none allows it */
    RAY_REASON_POLICY_REDIRECT = 503,     /* a rule sends the client elsewhere */
    RAY_REASON_COST_RANGE = 600           /* a price that no balance can hold */
};

#endif
