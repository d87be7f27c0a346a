/* SPDX-License-Identifier: MIT */
#ifndef RAY_REASON_H
#define RAY_REASON_H
#include <stdint.h>
#include "ray/status.h"

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
    RAY_REASON_RETRY = 9,                 /* it failed, and may be tried again */
    RAY_REASON_CACHED = 10,               /* complete: a stored answer served it */
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
    RAY_REASON_COST_RANGE = 600,          /* a price that no balance can hold */
    RAY_REASON_AUTH_REQUIRED = 800,       /* 401: the route wants a credential, there is none */
    RAY_REASON_AUTH_MALFORMED = 801,      /* 401: a credential that does not parse */
    RAY_REASON_AUTH_UNKNOWN = 802,        /* 401: no such id, or not its secret: never which */
    RAY_REASON_AUTH_DISABLED = 803,       /* 401 */
    RAY_REASON_AUTH_EXPIRED = 804,        /* 401 */
    RAY_REASON_AUTH_NOT_YET = 805,        /* 401: not valid before a time to come */
    RAY_REASON_AUTH_REVOKED = 806,        /* 401 */
    RAY_REASON_AUTH_ROTATED = 807,        /* 401: a newer token of its family took its place */
    RAY_REASON_AUTH_ALGORITHM = 808,      /* 401: none, or not the algorithm of the key */
    RAY_REASON_AUTH_KEY_UNKNOWN = 809,    /* 401: no active key has this id and algorithm */
    RAY_REASON_AUTH_SIGNATURE = 810,      /* 401 */
    RAY_REASON_AUTH_TOKEN_BAD = 811,      /* 401: no strict JWS or JSON: duplicate, padding, size */
    RAY_REASON_AUTH_CLAIM_BAD = 812,      /* 401: a claim is missing or no value of its kind */
    RAY_REASON_AUTH_ISSUER = 813,         /* 401: of another issuer */
    RAY_REASON_AUTH_AUDIENCE = 814,       /* 401: for somebody else */
    RAY_REASON_AUTH_LIFETIME = 815,       /* 401: lives longer than its issuer may say */
    RAY_REASON_AUTH_PERMISSION = 816,     /* 403 */
    RAY_REASON_AUTH_LOCKED = 817,         /* 429: too many failures */
    RAY_REASON_AUTH_INTROSPECT = 818,     /* 503: the introspection server must be asked first */
    RAY_REASON_AUTH_INACTIVE = 819,       /* 401: it says the token is not active */
    RAY_REASON_AUTH_TENANT = 820,         /* 403: names a tenant nobody configured */
    RAY_REASON_AUTH_AMBIGUOUS = 821,      /* 400: two credentials in one request */
    RAY_REASON_AUTH_SCHEME = 822,         /* 401: a scheme that is not configured */
    RAY_REASON_AUTH_ROLE = 823,           /* 403: the route is for another role */
    RAY_REASON_AUTH_SERVICE = 824,        /* 403: a credential of another service */
    RAY_REASON_SCHEMA_INVALID = 900,      /* 400: the body breaks its schema */
    RAY_REASON_BODY_MALFORMED = 901,      /* 400: the body is none of its format */
    RAY_REASON_MEDIA_UNSUPPORTED = 902,   /* 415: Content-Type is not what is read */
    RAY_REASON_NOT_ACCEPTABLE = 903,      /* 406: Accept leaves out what the transform writes */
    RAY_REASON_LOSSY = 904,               /* strict, and something cannot be carried over */
    RAY_REASON_RESPONSE_INVALID = 905,    /* 502: the service's answer is not as agreed */
    RAY_REASON_CACHE_HIT = 906,           /* granted; answered from what is kept */
    RAY_REASON_CACHE_ONLY = 907,          /* 504: only-if-cached, and nothing is kept */
    RAY_REASON_GRPC_STATUS = 908,         /* the service answered with a gRPC error */
    RAY_REASON_BODY_GROWN = 909,          /* 413: the converted body is over the limit */
    RAY_REASON_NO_INSTANCE = 1000,        /* 503: no instance of the pool may be picked */
    RAY_REASON_POOL_FULL = 1001,          /* 503: the pool has all its connections open */
    RAY_REASON_BREAKER_OPEN = 1100,       /* its service failed; half-open after retry_after */
    RAY_REASON_BULKHEAD_FULL = 1101,      /* no permit, and no place to wait for one */
    RAY_REASON_BREAKER_PROBING = 1102,    /* half-open, and all probes are under way */
    RAY_REASON_BREAKER_FORCED = 1103,     /* held open by an operator */
    RAY_REASON_BULKHEAD_WAITS = 1104,     /* waits for a permit */
    RAY_REASON_RETRY_NONE = 1110,         /* not retried: no rule says so */
    RAY_REASON_RETRY_OUTCOME = 1111,      /* an outcome that is not retried */
    RAY_REASON_RETRY_METHOD = 1112,       /* neither idempotent nor marked so */
    RAY_REASON_RETRY_ATTEMPTS = 1113,     /* all attempts are spent */
    RAY_REASON_RETRY_DEADLINE = 1114,     /* its deadline comes first */
    RAY_REASON_RETRY_BUDGET = 1115        /* the service's retries are spent */
};

/* The stable word of a reason, as it appears in metrics, NDJSON and at the console; "?" for a
 * number nobody defined. */
const char *ray_reason_word(uint32_t reason);
/* The reason a word stands for; RAY_E_UNKNOWN. */
ray_status ray_reason_find(const char *at, uint64_t length, uint32_t *reason);

#endif
