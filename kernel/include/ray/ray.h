/* SPDX-License-Identifier: MIT */
#ifndef RAY_RAY_H
#define RAY_RAY_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"
#include "ray/verdict.h"
#include "ray/gateway.h"
#include "ray/ratelimit.h"
#include "ray/quota.h"
#include "ray/priority.h"
#include "ray/policy.h"
#include "ray/cost.h"
#include "ray/governance.h"
#include "ray/auth.h"
#include "ray/format.h"
#include "ray/mediator.h"
#include "ray/lb.h"
#include "ray/resilience.h"
#include "ray/apimon.h"
#include "ray/config.h"

/* ray: the whole core, one flat caller-owned state, rows in and answers out.
 *
 * Law: the same configuration, rows and seed give the same answers and digests on every machine.
 * Cost: a row is a handful of O(1) asks; a batch saves the calls. Source: DESIGN.md
 * sections 3 to 5, 9.
 */
enum ray_row_kind {
    RAY_ROW_ADMIT = 1,         /* a request arrives; `id` names it until its COMPLETE */
    /* The next request to send, of `service` or (RAY_NONE) of any; or, when `id` is not 0, the
     * request of that id: one that was to be tried again, or a refundable one. */
    RAY_ROW_DISPATCH = 2,
    RAY_ROW_COMPLETE = 3,      /* its outcome */
    RAY_ROW_TICK = 4,          /* nothing but time */
    RAY_ROW_CANCEL = 5,        /* the client went away */
    /* A request that brings its outcome: admitted, sent as soon as its queue lets it go, completed
     * duration_ns after that, all by itself. No later row can name it. */
    RAY_ROW_EXCHANGE = 6,
    RAY_ROW_REFUND = 7,        /* gives back what request `id` took, if it has not been sent */
    RAY_ROW_SETTLE = 8         /* time runs on until nothing is in flight; at_ns is ignored */
};

enum ray_row_flag {
    RAY_ROW_ADDRESS = 1,       /* `address` is known; else the bytes at `client` name the client */
    /* ADMIT: what it takes stays refundable until COMPLETE: REFUND and a missed deadline give it
     * back. Until then such a request counts as queued, not as dispatched. */
    RAY_ROW_REFUNDABLE = 2,
    RAY_ROW_NOW = 4,           /* at_ns is ignored: it happens at the clock's current instant */
    /* COMPLETE, CANCEL, REFUND: of a request that is not in flight (denied, expired) it is only a
     * TICK, no error: a stream may carry outcomes before it knows the verdicts. */
    RAY_ROW_QUIET = 8,
    RAY_ROW_WEIGHT = 16,       /* `weight` is stated even when 0: the request takes no token */
    RAY_ROW_VOUCHED = 32,      /* no credential is looked for, but rights are asked as ever */
    RAY_ROW_BODY = 64,         /* the bytes at `body` are the whole body: request or answer */
    RAY_ROW_IDEMPOTENT = 128   /* may be tried again whatever its method */
};

/* One event. Bytes are offsets into ray_rows.bytes; a length of 0 is empty. 152 bytes, no
 * padding. */
typedef struct ray_row {
    uint64_t at_ns;            /* raw time of the event */
    uint64_t id;               /* chosen by the caller, 1 to 2^63 - 1, unique in flight */
    uint64_t request_bytes;    /* body size; with response_bytes what byte quotas count */
    uint64_t response_bytes;   /* COMPLETE, EXCHANGE */
    uint64_t compute_units;
    uint64_t custom_units;
    uint64_t duration_ns;      /* EXCHANGE: how long the service will take */
    ray_address address;
    uint32_t target_at;
    uint32_t target_length;
    uint32_t host_at;
    uint32_t host_length;
    uint32_t headers_at;       /* packed as in gateway.h; COMPLETE: those of the answer */
    uint32_t headers_length;
    uint32_t user_at;
    uint32_t user_length;
    uint32_t client_at;
    uint32_t client_length;
    uint32_t body_at;          /* read when RAY_ROW_BODY says so */
    uint32_t body_length;
    uint32_t tenant;           /* handle, RAY_NONE: none */
    uint32_t service;          /* RAY_NONE: route by path */
    uint32_t weight;           /* tokens; 0 and no RAY_ROW_WEIGHT: what the route says */
    uint32_t access_count;     /* COMPLETE, EXCHANGE: accesses to storage, for their price */
    uint32_t hit_count;        /* COMPLETE, EXCHANGE: answers that came from a cache */
    uint16_t http_status;      /* COMPLETE, EXCHANGE: what the service answered; see outcome */
    uint8_t kind;
    uint8_t flags;
    uint8_t method;
    uint8_t priority;          /* enum ray_class or RAY_CLASS_DEFAULT */
    uint8_t role;              /* enum ray_role, 0 unknown */
    uint8_t origin;            /* 0 client 1 retry 2 requeue 3 internal */
    uint8_t width;             /* servers it occupies, 0 counts as 1 */
    uint8_t outcome;           /* COMPLETE: enum ray_outcome; 0: what http_status, not 0, says */
    uint8_t reserved[2];
} ray_row;

typedef struct ray_rows {
    const ray_row *row;
    const uint8_t *bytes;
    uint64_t bytes_length;
    uint8_t *scratch;          /* RAY_TARGET_BYTES_MAX bytes for normalised paths */
    struct ray_secrets *secrets; /* may be NULL: no key is known */
} ray_rows;

/* A would-denial of a shadow limit or quota. */
typedef struct ray_shadow {
    uint64_t retry_after_ns;
    uint32_t by_id;
    uint16_t reason;
    uint8_t by_kind;
    uint8_t reserved;
} ray_shadow;

typedef struct ray_answer {
    uint64_t id;               /* decision id: seq of its record */
    uint64_t at_ns;            /* after the clock gate */
    uint64_t retry_after_ns;   /* 0 none, RAY_NEVER */
    uint64_t start_at_ns;      /* DELAY: may start then; RETRY: may be dispatched then */
    uint64_t request;          /* the caller's id of the request this is about */
    uint64_t wait_ns;          /* queued: the estimate; SENT: how long it waited */
    uint64_t timeout_ns;       /* sent: of this attempt; 0: nobody asked */
    int64_t cost_nano;         /* completed: what it was charged, in 10^-9 units */
    uint32_t by_id;            /* RAY_NONE: none */
    uint32_t epoch;
    uint32_t service;
    uint32_t route;
    ray_status status;         /* of the row; when negative nothing changed and the rest is zero */
    uint32_t would_deny_count;
    uint32_t audit_id;         /* record of a non-allow decision, 0: none */
    uint16_t reason;
    uint16_t http_status;
    uint8_t verdict;
    uint8_t by_kind;
    uint8_t shadow_count;      /* entries of `shadow` that are filled; the rest is not written */
    uint8_t limit_count;       /* limits and quotas that applied */
    uint32_t allow;            /* 405: methods the path knows */
    uint32_t redirect;         /* REDIRECT: the policy whose location it is, else RAY_NONE */
    uint32_t header;           /* policy that sets a response header, RAY_NONE */
    uint32_t entry;            /* queued: its handle there, for ray_preempt; else RAY_NONE */
    uint32_t tenant;           /* whom it counts for, RAY_NONE */
    uint32_t instance;         /* sent: where to, a handle of lb's; RAY_NONE: no pool */
    uint32_t transform;        /* what its bodies go through, a handle of mediator's; RAY_NONE */
    uint32_t cached;           /* handle of the stored answer: it is complete; else RAY_NONE */
    uint8_t queued;            /* 1: admitted, and waits in its service's queue */
    uint8_t priority;          /* its class */
    uint8_t attempt;           /* sent: which one, from 1 */
    uint8_t role;              /* enum ray_role */
    uint8_t busy;              /* 1: another request is fetching the same answer; both are sent */
    uint8_t reserved[7];
    ray_shadow shadow[RAY_REQUEST_LIMIT_MAX];
} ray_answer;

typedef struct ray_digests {
    uint8_t decision[16];
    uint8_t state[16];
    uint8_t book[16];
    uint8_t config[32];
} ray_digests;

/* Conservation, readable at any instant: offered = denied + dropped + preempted + dispatched +
 * queued. */
typedef struct ray_stats {
    uint64_t asked_count;      /* offered */
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;      /* rejected traffic rows */
    uint64_t delayed_count;
    uint64_t dispatched_count;
    uint64_t dropped_count;
    uint64_t preempted_count;
    uint64_t queued_count;     /* now */
    uint64_t completed_count;
    uint64_t expired_count;
    uint64_t cancelled_count;
    uint64_t refunded_count;
    uint64_t would_deny_count;
    uint64_t inflight_count;   /* now */
    uint64_t inflight_count_max;
    uint64_t retried_count;
    uint64_t cached_count;     /* served by a stored answer */
    uint64_t clock_back_count;
    uint64_t clock_clamp_count;
    uint64_t seq;              /* decision records so far */
    uint64_t now_ns;
    int64_t wall_offset_ns;
    uint32_t epoch;
    uint32_t edit_count;       /* live edits since the configuration was loaded */
    uint32_t profile;
    uint32_t clock_virtual;    /* 1: time is an input */
    uint32_t draining;
    uint32_t reserved;
    uint8_t config_hash[32];
} ray_stats;

/* One part of the state, for `mem`. */
typedef struct ray_part {
    ray_name name;
    uint64_t bytes;
    uint64_t used;             /* rows in use, largest table first */
    uint64_t capacity;
} ray_part;

/* Bytes of struct ray in this profile; the caller owns the memory, 64-byte aligned. */
uint64_t ray_bytes(void);

/* Empties everything and begins the running hash: no routes, no limits, a virtual clock at 0,
 * `seed` for every table. */
void ray_init(struct ray *ray, const uint8_t seed[16]);

/* Applies rows strictly in order. answers has n places. RAY_OK unless an argument is impossible; a
 * bad row has its own status in its answer and changes nothing but error_count. Batch boundaries
 * never change an answer. */
ray_status ray_step_batch(struct ray *ray, const ray_rows *rows, uint32_t n, ray_answer *answers);

/* The clock gate (DESIGN.md section 4). `ray_clock_live` and `_virtual` choose what a raw time
 * means from here on; `ray_clock_gate` runs whatever is due up to the gated time and returns it:
 * every control call and every console line passes it once. `ray_clock_wall` sets the wall clock:
 * unix time = now + offset. */
void ray_clock_live(struct ray *ray, uint64_t raw_ns);
void ray_clock_virtual(struct ray *ray, uint64_t now_ns);
uint64_t ray_clock_gate(struct ray *ray, uint64_t raw_ns);
uint64_t ray_clock_now(const struct ray *ray);
void ray_clock_wall(struct ray *ray, int64_t wall_offset_ns);

/* No more admissions; everything in flight is expired and every lease returned. */
void ray_drain(struct ray *ray, uint64_t now_ns);

void ray_read(const struct ray *ray, ray_stats *out);
void ray_digest(const struct ray *ray, ray_digests *out);
/* 0 when every invariant holds, else a number that names the first that does not (see the module's
 * valid). */
uint32_t ray_valid(const struct ray *ray);
/* Is this state, which came from elsewhere as bytes, fit to run? Checks every law and makes what is
 * derived anew. RAY_E_ARGUMENT when it is not; then the memory must not be used as a state. */
ray_status ray_adopt(struct ray *ray);
/* Takes a request that waits out of its queue and gives back what it took (SEMANTICS.md, priority,
 * "Preemption"). `entry` is its handle there, `by_class` who wants the place: RAY_E_STATE unless
 * the request is of a lower class; RAY_E_STALE, RAY_E_UNKNOWN when it does not wait. */
ray_status ray_preempt(struct ray *ray, uint64_t now_ns, uint32_t entry, uint32_t by_class);

/* Parts by index from 0; RAY_E_UNKNOWN past the last. */
ray_status ray_part_read(const struct ray *ray, uint32_t index, ray_part *out);

/* Steps rows->row[0], which must carry RAY_ROW_NOW, and writes the header lines its response owes
 * its client, CR LF after each: RateLimit-Policy, RateLimit, Retry-After and the request id where
 * the configuration asks for them, WWW-Authenticate, Location, and what a policy sets. */
ray_status ray_step_headers(struct ray *ray, const ray_rows *rows, ray_answer *answer,
                            ray_text *out);

/* The journey of rows->row[0] as it would be now, stage by stage: only asks. */
ray_status ray_explain(const struct ray *ray, uint64_t now_ns, const ray_rows *rows, uint32_t json,
                       ray_text *out);

/* The modules' states inside `ray`, for control and reading. After a successful control call the
 * caller reports it with ray_edited, which raises the epoch and writes the audit record. */
ray_gateway *ray_gateway_of(struct ray *ray);
ray_ratelimit *ray_ratelimit_of(struct ray *ray);
ray_quota *ray_quota_of(struct ray *ray);
ray_priority *ray_priority_of(struct ray *ray);
ray_policy *ray_policy_of(struct ray *ray);
ray_cost *ray_cost_of(struct ray *ray);
ray_governance *ray_governance_of(struct ray *ray);
ray_auth *ray_auth_of(struct ray *ray);
ray_mediator *ray_mediator_of(struct ray *ray);
ray_lb *ray_lb_of(struct ray *ray);
ray_resilience *ray_resilience_of(struct ray *ray);
ray_apimon *ray_apimon_of(struct ray *ray);

/* ray_cost_export with the names of the tenant and the services. */
ray_status ray_bill_export(const struct ray *ray, const ray_cost_bill *bill, uint32_t format,
                           ray_text *text);

/* Who: tenants and plans of the configuration. */
uint32_t ray_tenant_count(const struct ray *ray);
ray_status ray_tenant_read(const struct ray *ray, uint32_t tenant, ray_tenant_spec *out);
ray_status ray_tenant_find(const struct ray *ray, const char *name, uint64_t length,
                           uint32_t *tenant);
uint32_t ray_plan_count(const struct ray *ray);
ray_status ray_plan_read(const struct ray *ray, uint32_t plan, ray_name *out);
ray_status ray_plan_find(const struct ray *ray, const char *name, uint64_t length, uint32_t *plan);
void ray_settings_read(const struct ray *ray, ray_settings_spec *out);

/* The client's address given its peer's and the request's packed headers, by [trust]: the peer
 * itself, or the rightmost X-Forwarded-For hop that is no trusted proxy when the peer is one.
 * Admission applies it to row.address. */
void ray_client_address(const struct ray *ray, const ray_address *peer, ray_view headers,
                        ray_address *out);

/* -- audit: one gap-free ring of control changes and non-allow decisions -- */
enum ray_audit_who {
    RAY_WHO_PIPELINE = 0,
    RAY_WHO_CONSOLE = 1,
    RAY_WHO_LINK = 2,
    RAY_WHO_HOST = 3,
    RAY_WHO_CONFIG = 4
};

enum ray_audit_what {
    RAY_AUDIT_DECISION = 1,    /* before = reason, after = retry_after_ns */
    RAY_AUDIT_LOAD = 2,
    RAY_AUDIT_ADD = 3,
    RAY_AUDIT_SET = 4,
    RAY_AUDIT_REMOVE = 5,
    RAY_AUDIT_RESET = 6,
    RAY_AUDIT_DRAIN = 7,
    RAY_AUDIT_GRANT = 8,
    RAY_AUDIT_REVOKE = 9,
    RAY_AUDIT_CLOCK = 10,
    RAY_AUDIT_REFUND = 11,
    RAY_AUDIT_EXPIRE = 12,
    RAY_AUDIT_CONSUME = 13     /* a balance was charged by hand: used before and after */
};

typedef struct ray_audit_record {
    uint64_t id;               /* 1, 2, 3 ... without a gap */
    uint64_t at_ns;
    uint64_t seq;              /* decision, or RAY_NEVER */
    uint64_t before;           /* what the field held, in the unit of `what` */
    uint64_t after;
    uint32_t by_id;
    uint32_t epoch;
    uint16_t reason;
    uint8_t what;              /* enum ray_audit_what */
    uint8_t who;               /* enum ray_audit_who */
    uint8_t by_kind;           /* enum ray_by_kind: what kind of row by_id is */
    uint8_t verdict;
    uint8_t reserved[2];
} ray_audit_record;

/* Records a successful control call: raises the epoch and appends `record` (id, at_ns and epoch are
 * filled in). */
void ray_edited(struct ray *ray, uint64_t now_ns, const ray_audit_record *record);
/* The same for an act that is no edit of the configuration: the epoch stays. */
void ray_noted(struct ray *ray, uint64_t now_ns, const ray_audit_record *record);
uint64_t ray_audit_count(const struct ray *ray);          /* written so far */
uint64_t ray_audit_overwritten_count(const struct ray *ray);
ray_status ray_audit_read(const struct ray *ray, uint64_t id, ray_audit_record *out);

/* Stable words for codes, as they appear in NDJSON and at the console; "?" for a number nobody
 * defined. */
const char *ray_verdict_word(uint32_t verdict);
const char *ray_by_word(uint32_t by_kind);
const char *ray_status_word(ray_status status);
const char *ray_class_word(uint32_t priority);
/* The name of what bound a decision, "" when there is none. */
void ray_by_name(const struct ray *ray, uint32_t by_kind, uint32_t by_id, ray_name *out);

const char *ray_version(void);

/* CRC-32C of `at`, continued from `before` (0 to begin): what frames and blobs carry. */
uint32_t ray_checksum(uint32_t before, const uint8_t *at, uint64_t length);

/* Link symbol of the port: prints `what` and never returns. No byte from outside can reach it. */
void ray_panic(const char *what);

#endif
