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
typedef struct ray_ratelimit ray_ratelimit; /* state; size and layout are private */

enum ray_limit_scope {
    RAY_SCOPE_SERVICE = 0, /* one bucket for the service; RAY_NONE: for all traffic */
    RAY_SCOPE_USER = 1,  /* one bucket per user, or one for the pinned user */
    RAY_SCOPE_IP = 2,    /* one bucket per network prefix of the client */
    RAY_SCOPE_NAMED = 3, /* one bucket, asked only where a route or policy names it */
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
    ray_name user;           /* pinned user (scope user only); all zero: every user has a bucket */
    uint64_t rate_tokens;    /* tokens per rate_period_ns; for windows the limit per window */
    uint64_t rate_period_ns; /* for windows the window's length */
    uint64_t capacity;       /* tokens the bucket holds; ignored by windows */
    uint64_t excess;         /* second bucket, filled by the first's overflow; unkeyed; 0: none */
    uint64_t max_delay_ns;   /* leaky queue: the longest wait that is still admitted */
    int64_t anchor_ns;       /* fixed window: wall-clock instant at which a window starts */
    uint32_t service;        /* only this service's requests; RAY_NONE: all */
    uint32_t instead_of;     /* shadow: leave this limit's answer out of the test; RAY_NONE: none */
    uint32_t reserve_ppm[5]; /* by class: share of the capacity this class may not draw */
    uint8_t scope;
    uint8_t algorithm;
    uint8_t mode;           /* enum ray_mode */
    uint8_t queue;          /* leaky bucket: 1 delays, 0 meters */
    uint8_t exact;          /* sliding window: 1 keeps the instants */
    uint8_t debt;           /* 1: admit from a positive balance, block until repaid */
    uint8_t deny_when_full; /* keyed table full: 1 denies, 0 uses the shared overflow bucket */
    uint8_t prefix_v4;      /* scope ip: bits of the address that count, 1..32 */
    uint8_t prefix_v6;      /* 1..128 */
    uint8_t reserved[3];
} ray_limit_spec;

/* A plan's own rate for a limit; also the row of the blob's rate section. */
typedef struct ray_limit_rate_spec {
    uint64_t rate_tokens;
    uint64_t rate_period_ns;
    uint64_t capacity;
    uint32_t limit; /* place of the limit in the file */
    uint32_t plan;  /* place of the plan in the file */
} ray_limit_rate_spec;

/* What one request looks like to the limits. */
typedef struct ray_ratelimit_query {
    ray_view user;   /* empty: the anonymous user, one key of its own */
    ray_view client; /* the client's name where its address is not known */
    ray_address address;
    uint64_t tokens;        /* 0 peeks */
    int64_t wall_offset_ns; /* wall clock = now + this */
    uint32_t address_known;
    uint32_t service;  /* RAY_NONE: none */
    uint32_t plan;     /* RAY_NONE: the limit's own rate */
    uint32_t priority; /* enum ray_class */
    uint32_t named_count;
    uint32_t named[RAY_REQUEST_LIMIT_MAX]; /* limits a route or a policy adds, each once */
    uint32_t reserved;
} ray_ratelimit_query;

/* One limit's answer. */
typedef struct ray_limit_answer {
    uint64_t key;            /* identity of the keyed bucket; 0 for unkeyed ones */
    uint64_t left_tokens;    /* whole tokens (or room) before this request */
    uint64_t retry_after_ns; /* 0 granted, RAY_NEVER cannot be */
    uint64_t start_at_ns;    /* leaky queue: may start then; else 0 */
    uint32_t limit;          /* handle */
    uint32_t slot;           /* private to the module: where take books */
    uint32_t rate;           /* private: which rate of the limit */
    uint16_t reason;         /* enum ray_reason, RAY_REASON_OK when granted */
    uint8_t granted;
    uint8_t flags; /* enum ray_limit_flag */
} ray_limit_answer;

enum ray_limit_flag {
    RAY_LIMIT_SHADOW = 1,   /* reported, never decides */
    RAY_LIMIT_YELLOW = 2,   /* granted from the excess bucket */
    RAY_LIMIT_OVERFLOW = 4, /* the keyed table was full: the shared bucket answered */
    RAY_LIMIT_NEW = 8       /* no bucket yet: take makes one */
};

typedef struct ray_ratelimit_answer {
    ray_limit_answer at[RAY_REQUEST_LIMIT_MAX];
    uint64_t tokens;         /* as asked */
    uint64_t retry_after_ns; /* the largest over enforced denials; 0 when granted */
    uint64_t start_at_ns;    /* the latest over enforced leaky queues; 0 none */
    uint32_t count;
    uint32_t by;      /* place in `at` of the binding limit, RAY_NONE when granted */
    uint32_t granted; /* 1 when every enforced limit grants */
    uint32_t shadow_denied_count;
    int64_t wall_offset_ns; /* as asked */
} ray_ratelimit_answer;

/* What a take booked with one limit, kept by whoever may refund it. */
typedef struct ray_limit_hold {
    uint64_t tokens;
    uint32_t slot;
    uint32_t stamp; /* private: recognises a slot that was evicted or reset since */
} ray_limit_hold;

/* Bytes of the state; a caller that uses the module alone allocates so many, zeroed. */
uint64_t ray_ratelimit_bytes(void);
/* Empties `rl` and seeds the key hash. An all-zero state is valid and empty too (seed zero). */
void ray_ratelimit_init(ray_ratelimit *rl, const uint8_t seed[16]);

/* Would every limit that applies grant `query->tokens` now? Changes nothing; `at` past `count` is
 * not written. RAY_E_ARGUMENT when more than RAY_REQUEST_LIMIT_MAX limits apply (a configuration
 * can never cause it). */
ray_status ray_ratelimit_ask(const ray_ratelimit *rl, uint64_t now_ns,
                             const ray_ratelimit_query *query, ray_ratelimit_answer *out);

/* The limits of addresses alone, while nobody knows who asks: a no is what ray_ratelimit_ask will
 * say too, whoever it is. Left out are shadows and limits where a plan has a rate of its own. */
ray_status ray_ratelimit_ask_address(const ray_ratelimit *rl, uint64_t now_ns,
                                     const ray_ratelimit_query *query, ray_ratelimit_answer *out);

/* Books: all enforced limits when `others_allowed` and answer->granted; each shadow limit by the
 * rule of SEMANTICS.md ("Shadow / dry run per rule"). `answer` must come from ask at the same
 * now_ns with nothing between. holds: NULL when nothing will be refunded (the usual, dispatched at
 * once); else RAY_REQUEST_LIMIT_MAX places, and the buckets remember open holds until release or
 * refund. Returns how many holds were written. */
uint32_t ray_ratelimit_take(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer,
                            uint32_t others_allowed, ray_limit_hold *holds);

/* Counts asked, granted, denied (module and per limit) and touches keyed buckets. `granted`: the
 * whole verdict. */
void ray_ratelimit_note(ray_ratelimit *rl, uint64_t now_ns, const ray_ratelimit_answer *answer,
                        uint32_t granted);

/* Ends holds: release keeps what was booked, refund gives back min(tokens, smallest deficit since).
 * Idempotent through the caller, who forgets the holds; a stale hold is ignored and counted. */
void ray_ratelimit_release(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds,
                           uint32_t count);
void ray_ratelimit_refund(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_hold *holds,
                          uint32_t count);

/* -- configuration -- */
/* The whole hostile check of a blob's rows; changes nothing. On refusal `report` names section, row
 * and field (byte offset). RAY_E_RATE: a rate that no tick holds exactly; ray_ratelimit_nearest has
 * the one that does. */
ray_status ray_ratelimit_check(const ray_limit_spec *limits, const ray_limit_rate_spec *rates,
                               const ray_config_counts *counts, ray_config_report *report);

/* Swaps checked rows in; cannot fail. Limits are matched by name: unchanged ones keep every balance
 * to the bit, changed ones are accrued at the old rate and clamped, others begin full. Adds to
 * report->kept_count and reset_count. */
void ray_ratelimit_load(ray_ratelimit *rl, uint64_t now_ns, int64_t wall_offset_ns,
                        const ray_limit_spec *limits, const ray_limit_rate_spec *rates,
                        const ray_config_counts *counts, ray_config_report *report);

/* How many limits that no route names one request to each service can meet, pinned users included:
 * out has service_count + 1 places, the last for requests without a service. With a route's named
 * limits the sum must stay within RAY_REQUEST_LIMIT_MAX; whoever knows the routes checks that.
 * Counts limits that are off, too. */
void ray_ratelimit_applied(const ray_limit_spec *limits, uint32_t count, uint32_t service_count,
                           uint16_t *out);

/* The rate itself when it can be held exactly, else the nearest one that can with this capacity, as
 * tokens per ns. RAY_E_RANGE when the capacity alone is too large; other errors as in add. */
ray_status ray_ratelimit_nearest(const ray_limit_spec *spec, uint64_t *rate_tokens,
                                 uint64_t *rate_period_ns);

/* -- control: an error has changed nothing, byte for byte -- */
/* Registers a limit, full, and gives its handle. service and instead_of are handles here.
 * RAY_E_EXISTS: the name is taken; RAY_E_FULL: its scope's table, the pool of logs, or the limits
 * one request may meet; RAY_E_RANGE and RAY_E_ARGUMENT: a field no rule allows; RAY_E_RATE: see
 * ray_ratelimit_nearest. */
ray_status ray_ratelimit_add(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_spec *spec,
                             uint32_t *limit);

/* Changes a limit's rate and capacity, or with rate->plan those of a plan (users and addresses
 * only; made when new). Accrues at the old rate to now, then clamps: a token bucket keeps its
 * tokens, a leaky bucket its level, a window its count. rate->limit is ignored. Open refundable
 * holds end without a refund. */
ray_status ray_ratelimit_set_rate(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                  const ray_limit_rate_spec *rate);

/* handle_burst: gives an unkeyed token bucket a second bucket of `excess` tokens, filled only by
 * what overflows the first (RFC 2697), or takes it away with 0. A new one begins empty: nothing is
 * minted. */
ray_status ray_ratelimit_set_excess(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                    uint64_t excess);

/* enforce, shadow or off. RAY_E_STATE: one that stands in for another limit (instead_of) must stay
 * a shadow. */
ray_status ray_ratelimit_set_mode(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                  uint32_t mode);

/* Forgets a limit and its keys. RAY_E_USED while a shadow stands in for it. */
ray_status ray_ratelimit_remove(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit);

/* As newly created: full, no key, no hold, no drain. One limit; one key of it (`who`: user, client
 * or address; RAY_E_UNKNOWN when it has no bucket, RAY_E_ARGUMENT when the limit has no keys); all
 * of them. */
ray_status ray_ratelimit_reset(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit);
ray_status ray_ratelimit_reset_key(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                   const ray_ratelimit_query *who);
void ray_ratelimit_reset_all(ray_ratelimit *rl, uint64_t now_ns);

/* Emergency: nothing is left, of every key, those not yet seen included. It refills from now on;
 * with hold_ns nothing is granted before now + hold_ns, with RAY_NEVER until reset. drain_key
 * empties one key's bucket. */
ray_status ray_ratelimit_drain(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                               uint64_t hold_ns);
ray_status ray_ratelimit_drain_key(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                   const ray_ratelimit_query *who);

/* Where the wall clock stands, for control, reading and refunds of fixed windows; a take sets it
 * too. */
void ray_ratelimit_set_wall(ray_ratelimit *rl, int64_t wall_offset_ns);

/* -- library use: one limit, asked, booked and counted in one call -- */
/* 1 granted, 0 denied, negative a ray_status. `out` may be NULL and then costs nothing. The limit's
 * scope does not matter for try, which serves unkeyed limits; try_key serves keyed ones, `key`
 * being the user's or the client's bytes. A limit that is off grants; a shadow books when it can
 * and grants either way. */
int32_t ray_ratelimit_try(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit, uint64_t tokens,
                          ray_limit_answer *out);
int32_t ray_ratelimit_try_key(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                              const uint8_t *key, uint64_t key_length, uint64_t tokens,
                              ray_limit_answer *out);

/* As ray_ratelimit_ask, of one limit alone, whatever else applies to the request; take books it. An
 * answer with count 0 is a limit that is off or serves another service. */
ray_status ray_ratelimit_ask_limit(const ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                   const ray_ratelimit_query *query, ray_ratelimit_answer *out);

/* Many decisions, strictly in order. One of `limits` (unkeyed handles, one a row) and `keys` (u64
 * keys of the keyed limit `limit`; a number counts as its eight little-endian bytes) is NULL. */
typedef struct ray_ratelimit_batch {
    const uint64_t *at_ns; /* one a row, NULL: all at now_ns */
    const uint32_t *limits;
    const uint64_t *keys;
    const uint32_t *tokens; /* one a row, NULL: 1 each */
    uint8_t *out;           /* one a row: 1 granted, 0 denied, 255 no such limit */
    uint64_t count;
    uint32_t limit;
    uint32_t reserved;
} ray_ratelimit_batch;

/* Returns how many were granted. */
uint64_t ray_ratelimit_try_batch(ray_ratelimit *rl, uint64_t now_ns,
                                 const ray_ratelimit_batch *batch);

/* Touches the cache lines an ask of this query will read; changes nothing. Worth it some requests
 * ahead. */
void ray_ratelimit_prefetch(const ray_ratelimit *rl, const ray_ratelimit_query *query);

/* -- time -- */
/* refill_tokens: buckets refill when they are looked at, so this changes nothing, not a byte; it
 * returns how many buckets are still missing something. The pipeline need not call it. */
uint64_t ray_ratelimit_tick(const ray_ratelimit *rl, uint64_t now_ns);

/* -- reading -- */
typedef struct ray_ratelimit_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t shadow_denied_count;
    uint64_t overflow_count; /* answers of a full key table: shared bucket or closed */
    uint64_t evicted_count;  /* full buckets that made way */
    uint64_t refund_count;
    uint64_t refunded_token_count;
    uint64_t stale_hold_count;  /* holds of buckets that were reset, changed or evicted since */
    uint64_t folded_hold_count; /* takes that could not be made refundable */
    uint64_t user_key_count;    /* now */
    uint64_t ip_key_count;      /* now */
    uint64_t exact_log_count;   /* now */
    uint64_t limit_count;       /* now */
    uint32_t scope_count[RAY_SCOPE_MAX];
} ray_ratelimit_stats;

typedef struct ray_limit_stats {
    uint64_t asked_count; /* this limit's own answers, whatever the other stages said */
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t token_count;    /* booked */
    uint64_t refunded_count; /* tokens given back */
    uint64_t overflow_count;
    uint64_t evicted_count;
    uint64_t delayed_count;
    uint64_t yellow_count; /* granted from the excess bucket */
    uint64_t key_count;    /* now; 0 for unkeyed limits */
} ray_limit_stats;

/* One bucket as it stands at the moment of reading. */
typedef struct ray_bucket_state {
    uint64_t key;         /* identity, 0: the limit's own or overflow bucket */
    uint64_t left_tokens; /* whole tokens or room */
    uint64_t used_tokens; /* pending, booked or missing, rounded up */
    uint64_t capacity_tokens;
    uint64_t next_ns;    /* until one more token can be granted; 0 now, RAY_NEVER */
    uint64_t full_ns;    /* until nothing is missing */
    uint64_t updated_ns; /* last time it was brought up to date; windows: their start */
    uint64_t held_ns;    /* until a drain's hold ends, RAY_NEVER: a reset */
    uint32_t plan;       /* whose rate it runs by, RAY_NONE: the limit's own */
    uint32_t hold_count; /* refundable takes that are open */
} ray_bucket_state;

void ray_ratelimit_read(const ray_ratelimit *rl, ray_ratelimit_stats *out);
/* Counts a row that was refused before it could be asked. */
void ray_ratelimit_count_error(ray_ratelimit *rl);
/* RAY_E_UNKNOWN: no limit has that name. */
ray_status ray_ratelimit_find(const ray_ratelimit *rl, const char *name, uint64_t length,
                              uint32_t *limit);
/* The handle of the first limit in a slot at or after *slot, which is moved past it; RAY_E_UNKNOWN
 * at the end. */
ray_status ray_ratelimit_next(const ray_ratelimit *rl, uint32_t *slot, uint32_t *limit);
ray_status ray_ratelimit_read_limit(const ray_ratelimit *rl, uint32_t limit, ray_limit_spec *spec,
                                    ray_limit_stats *stats);
/* A plan's rate, or the limit's own when it has none for that plan. */
ray_status ray_ratelimit_read_rate(const ray_ratelimit *rl, uint32_t limit, uint32_t plan,
                                   ray_limit_rate_spec *out);
/* The bucket of `who`, NULL: the limit's own. A key without a bucket reads as a newborn one. */
ray_status ray_ratelimit_read_bucket(const ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                     const ray_ratelimit_query *who, ray_bucket_state *out);
/* The first keyed bucket of `limit` at or after *place, which is moved past it; RAY_E_UNKNOWN at
 * the end. */
ray_status ray_ratelimit_next_bucket(const ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                     uint32_t *place, ray_bucket_state *out);

enum ray_ratelimit_format { RAY_RATELIMIT_JSON = 0, RAY_RATELIMIT_CSV = 1 };

/* Every limit with its counters and its own bucket, in slot order: byte-identical for identical
 * state. */
ray_status ray_ratelimit_export(const ray_ratelimit *rl, uint64_t now_ns, uint32_t format,
                                ray_text *out);

/* The header lines for an answer: RateLimit-Policy and RateLimit of every enforced limit
 * (draft-ietf-httpapi-ratelimit-headers 10), and Retry-After when it can be granted later: ceil
 * seconds, at least 1, never earlier than a reset it prints. Call after take. */
void ray_ratelimit_headers(const ray_ratelimit *rl, uint64_t now_ns,
                           const ray_ratelimit_answer *answer, ray_text *out);

const char *ray_limit_scope_word(uint32_t scope);
const char *ray_limit_algorithm_word(uint32_t algorithm);
const char *ray_limit_mode_word(uint32_t mode);

/* Parts for `mem`: limits, users, addresses, logs; name, bytes and rows. RAY_E_UNKNOWN past the
 * last. */
typedef struct ray_ratelimit_part {
    uint64_t bytes;
    uint64_t used;
    uint64_t capacity;
    ray_name name;
} ray_ratelimit_part;
ray_status ray_ratelimit_read_part(const ray_ratelimit *rl, uint32_t index,
                                   ray_ratelimit_part *out);

/* 0 when every law holds, else the number of the first that does not: 1 a bucket beyond its
 * capacity, 2 a refund word beyond its deficit or without a hold, 3 a key outside its window, 4 a
 * key twice, 5 a key of no limit, 6 a count of keys, 7 a log that is lost or shared, 8 a log longer
 * than it may be or out of order, 9 a rule that is not its specification's, 10 a list that does not
 * hold what applies, 11 a count of a scope, 12 a name twice, 13 a staging place that is not zero,
 * 14 a free row that is not zero. */
uint32_t ray_ratelimit_valid(const ray_ratelimit *rl);

#endif
