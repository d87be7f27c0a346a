/* SPDX-License-Identifier: MIT */
#ifndef RAY_RATELIMIT_H
#define RAY_RATELIMIT_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* ratelimit: how fast a service, user, address or named pool may be asked.
 *
 * Law: over any interval a token bucket grants at most level + floor(rate * dt), exactly, for ever.
 * Cost: ask and take are O(limits asked); nothing scans a table. Source: SEMANTICS.md, ratelimit.
 */
typedef struct ray_ratelimit ray_ratelimit;   /* state; size and layout are private */

enum ray_limit_scope {
    RAY_SCOPE_SERVICE = 0,   /* one bucket for the service (or, with service RAY_NONE, for all traffic) */
    RAY_SCOPE_USER = 1,      /* one bucket per user, or one for the pinned user */
    RAY_SCOPE_IP = 2,        /* one bucket per network prefix of the client */
    RAY_SCOPE_NAMED = 3,     /* one bucket, asked only where a route or policy names it */
    RAY_SCOPE_MAX = 4
};

enum ray_limit_algorithm {
    RAY_TOKEN_BUCKET = 0,
    RAY_LEAKY_BUCKET = 1,
    RAY_FIXED_WINDOW = 2,
    RAY_SLIDING_WINDOW = 3
};

/* One configured limit; also the row of a configuration blob's limit section. */
typedef struct ray_limit_spec {
    ray_name name;
    ray_name user;             /* pinned user (scope user only); all zero: every user has a bucket */
    uint64_t rate_tokens;      /* tokens per rate_period_ns; for windows the limit per window */
    uint64_t rate_period_ns;   /* for windows the window's length */
    uint64_t capacity;         /* tokens the bucket holds; ignored by windows */
    uint64_t excess;           /* second bucket E, filled by overflow of the first; unkeyed scopes only; 0: none */
    uint64_t max_delay_ns;     /* leaky queue: the longest wait that is still admitted */
    int64_t anchor_ns;         /* fixed window: wall-clock instant at which a window starts */
    uint32_t service;          /* only this service's requests; RAY_NONE: all */
    uint32_t instead_of;       /* shadow: leave this limit's answer out of the test; RAY_NONE: none */
    uint32_t reserve_ppm[5];   /* by class: share of the capacity this class may not draw */
    uint8_t scope;
    uint8_t algorithm;
    uint8_t mode;              /* enum ray_mode */
    uint8_t queue;             /* leaky bucket: 1 delays, 0 meters */
    uint8_t exact;             /* sliding window: 1 keeps the instants */
    uint8_t debt;              /* 1: admit from a positive balance, block until repaid */
    uint8_t deny_when_full;    /* keyed table full: 1 denies, 0 uses the shared overflow bucket */
    uint8_t prefix_v4;         /* scope ip: bits of the address that count, 1..32 */
    uint8_t prefix_v6;         /* 1..128 */
    uint8_t reserved[3];
} ray_limit_spec;

/* A plan's own rate for a limit; also the row of the blob's rate section. */
typedef struct ray_limit_rate_spec {
    uint64_t rate_tokens;
    uint64_t rate_period_ns;
    uint64_t capacity;
    uint32_t limit;            /* place of the limit in the file */
    uint32_t plan;             /* place of the plan in the file */
} ray_limit_rate_spec;

/* What one request looks like to the limits. */
typedef struct ray_ratelimit_query {
    ray_view user;            /* empty: the anonymous user, one key of its own */
    ray_view client;          /* the client's name where its address is not known */
    ray_address address;
    uint64_t tokens;           /* 0 peeks */
    int64_t wall_offset_ns;    /* wall clock = now + this */
    uint32_t address_known;
    uint32_t service;          /* RAY_NONE: none */
    uint32_t plan;             /* RAY_NONE: the limit's own rate */
    uint32_t priority;         /* enum ray_class */
    uint32_t named_count;
    uint32_t named[RAY_ROUTE_LIMIT_MAX];   /* limits a route or a policy adds */
    uint32_t reserved;
} ray_ratelimit_query;

/* One limit's answer. */
typedef struct ray_limit_answer {
    uint64_t key;              /* identity of the keyed bucket; 0 for unkeyed ones */
    uint64_t left_tokens;      /* whole tokens (or room) before this request */
    uint64_t retry_after_ns;   /* 0 granted, RAY_NEVER cannot be */
    uint64_t start_at_ns;      /* leaky queue: may start then; else 0 */
    uint32_t limit;            /* handle */
    uint32_t slot;             /* private to the module: where take books */
    uint32_t rate;             /* private: which rate of the limit */
    uint16_t reason;           /* enum ray_reason, RAY_REASON_OK when granted */
    uint8_t granted;
    uint8_t flags;             /* enum ray_limit_flag */
} ray_limit_answer;

enum ray_limit_flag {
    RAY_LIMIT_SHADOW = 1,      /* reported, never decides */
    RAY_LIMIT_YELLOW = 2,      /* granted from the excess bucket */
    RAY_LIMIT_OVERFLOW = 4,    /* the keyed table was full: the shared bucket answered */
    RAY_LIMIT_NEW = 8          /* no bucket yet: take makes one */
};

typedef struct ray_ratelimit_answer {
    ray_limit_answer at[RAY_REQUEST_LIMIT_MAX];
    uint64_t tokens;           /* as asked */
    uint64_t retry_after_ns;   /* the largest over enforced denials; 0 when granted */
    uint64_t start_at_ns;      /* the latest over enforced leaky queues; 0 none */
    uint32_t count;
    uint32_t by;               /* place in `at` of the binding limit, RAY_NONE when granted */
    uint32_t granted;          /* 1 when every enforced limit grants */
    uint32_t shadow_denied_count;
} ray_ratelimit_answer;

/* What a take booked with one limit, kept by whoever may refund it. */
typedef struct ray_limit_hold {
    uint64_t tokens;
    uint32_t slot;
    uint32_t stamp;            /* private: recognises a slot that was evicted or reset since */
} ray_limit_hold;

/* Bytes of the state; a caller that uses the module alone allocates so many, zeroed. */
uint64_t ray_ratelimit_bytes(void);

/* Empties `rl` and seeds the key hash. An all-zero state is valid and empty too (seed zero). */
void ray_ratelimit_init(ray_ratelimit *rl, const uint8_t seed[16]);

/* Would every limit that applies grant `query->tokens` now? Changes nothing. Fills `out` whole.
 * RAY_E_ARGUMENT when more than RAY_REQUEST_LIMIT_MAX limits apply (a configuration can never cause it). */
ray_status ray_ratelimit_ask(const ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_query *query,
                             ray_ratelimit_answer *out);

/* Books: all enforced limits when `others_allowed` and answer->granted; each shadow limit by the rule of SEMANTICS.md
 * ("Shadow / dry run per rule"). `answer` must come from ask at the same now_ns with nothing between.
 * holds: NULL when nothing will be refunded (the usual, dispatched at once); else RAY_REQUEST_LIMIT_MAX places, and the
 * buckets remember open holds until release or refund. Returns how many holds were written. */
uint32_t ray_ratelimit_take(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer,
                            uint32_t others_allowed, ray_limit_hold *holds);

/* Counts asked, granted, denied (module and per limit) and touches keyed buckets. `granted`: the whole verdict. */
void ray_ratelimit_note(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer, uint32_t granted);

/* Ends holds: release keeps what was booked, refund gives back min(tokens, smallest deficit since). Idempotent through
 * the caller, who forgets the holds; a stale hold is ignored and counted. */
void ray_ratelimit_release(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds, uint32_t count);
void ray_ratelimit_refund(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds, uint32_t count);

#endif
