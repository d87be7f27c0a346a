/* SPDX-License-Identifier: MIT */
/* kernel_state - struct ray: every byte raygate remembers, without pointers and without padding.
 *
 * Order matters twice: the running hashes stand first so that the state digest is one run over the
 * rest, and each module keeps `config`, `book`, `tally` in that order so that the book digest is
 * one run per module. A new module is one more member here, one line in parts[] of kernel.c and its
 * stages in kernel/pipeline.
 */
#ifndef RAY_KERNEL_STATE_H
#define RAY_KERNEL_STATE_H
#include "ray/ray.h"
#include "base/siphash.h"
#include "cost/cost_state.h"
#include "gateway/gateway_state.h"
#include "priority/priority_state.h"
#include "policy/policy_state.h"
#include "governance/governance_state.h"
#include "auth/auth_state.h"
#include "mediator/mediator_state.h"
#include "lb/lb_state.h"
#include "apimon/apimon_state.h"
#include "resilience/resilience_state.h"
#include "quota/quota_state.h"
#include "ratelimit/ratelimit_state.h"

enum ray_kernel_constant {
    RAY_STATE_VERSION = 1,
    RAY_INFLIGHT_TABLE = 2 * RAY_INFLIGHT_MAX,   /* half full at most, so probes stay short */
    RAY_DEFAULT_TIMEOUT_S = 30                   /* of a service that states none */
};
/* An exchange is in flight under a name of its own: this and its decision's number. */
#define RAY_EXCHANGE_ID 0x8000000000000000ULL

/* The one clock gate (DESIGN.md section 4). */
typedef struct ray_clock {
    uint64_t now_ns;
    uint64_t last_raw_ns;
    uint64_t max_step_ns;
    int64_t wall_offset_ns;
    uint64_t back_count;
    uint64_t clamp_count;
    uint32_t live;               /* 0: virtual, time is an input */
    uint32_t reserved;
} ray_clock;

/* Who and how: the configuration that belongs to no module. */
typedef struct ray_who {
    ray_settings_spec settings;
    uint8_t config_hash[32];
    uint8_t seed[16];
    uint32_t epoch;
    uint32_t edit_count;
    uint32_t tenant_count;
    uint32_t plan_count;
    uint32_t trust_count;
    uint32_t draining;
    uint32_t gauged;             /* 1: a quota has a guard on what monitoring measures */
    uint32_t reserved;
    ray_tenant_spec tenant[RAY_TENANT_MAX];
    ray_name plan[RAY_PLAN_MAX];
    ray_network trust[RAY_TRUST_MAX];
} ray_who;
enum ray_inflight_phase {
    RAY_PHASE_FREE = 0,
    RAY_PHASE_HELD = 1,          /* refundable: admitted, its caller has not sent it yet */
    RAY_PHASE_SENT = 2,
    RAY_PHASE_QUEUED = 3,        /* waits in its service's queue */
    RAY_PHASE_READY = 4,         /* about to be sent: only inside a step */
    RAY_PHASE_RETRY = 5          /* was sent and failed; waits to be tried again */
};

/* One request between its admission and its outcome, at most 320 bytes. */
typedef struct ray_inflight_slot {
    uint64_t id;                 /* the caller's */
    uint64_t seq;                /* of its admission */
    uint64_t request_bytes;
    uint32_t service;
    uint32_t route;
    uint32_t tenant;
    uint32_t next_free;          /* 1 + slot, while free */
    uint8_t phase;
    uint8_t limit_count;
    uint8_t quota_count;
    uint8_t timed;               /* 1: an EXCHANGE, it ends by itself */
    uint8_t priority;            /* its class */
    uint8_t width;               /* servers it occupies, 0: nobody counts them */
    uint8_t reserved[2];
    ray_limit_hold limit[RAY_REQUEST_LIMIT_MAX];
    ray_quota_hold quota[RAY_REQUEST_QUOTA_MAX];
} ray_inflight_slot;

/* What else is known of the request in the slot of the same place: when, and its outcome where it
 * brought one. */
typedef struct ray_inflight_more {
    uint64_t arrival_ns;
    uint64_t sent_ns;
    uint64_t timeout_ns;
    uint64_t duration_ns;
    uint64_t response_bytes;
    uint64_t compute_units;
    uint64_t custom_units;
    uint32_t access_count;
    uint32_t hit_count;
    uint64_t key;                /* whom the balancer keeps together, hashed */
    uint64_t target;             /* what it may change of what is kept, hashed; 0: nothing */
    uint64_t deadline_ns;        /* of all attempts together */
    uint64_t retry_at_ns;        /* RETRY: not before */
    uint64_t upstream_ns;        /* when the current attempt was sent */
    ray_permit permit;           /* of the current attempt */
    uint32_t entry;              /* handle in its queue, RAY_NONE */
    uint32_t lease;              /* connection of the current attempt, RAY_NONE */
    uint32_t instance;           /* where the last attempt went, RAY_NONE */
    uint32_t transform;          /* RAY_NONE */
    uint32_t fill;               /* place for its answer in the cache, RAY_NONE */
    uint16_t http_status;
    uint8_t permitted;           /* 1: `permit` is held */
    uint8_t attempt;             /* sent so far */
    uint8_t method;
    uint8_t idempotent;          /* 1: its caller says it may be repeated */
    uint8_t outcome;             /* enum ray_outcome; 0: what http_status says */
    uint8_t scheme;              /* enum ray_scheme: the credential that was looked at */
    uint8_t reserved[4];
} ray_inflight_more;

typedef struct ray_inflight {
    uint32_t count;
    uint32_t first_free;         /* 1 + slot; 0: the next never used one */
    uint32_t used;               /* slots that were ever used */
    uint32_t held_count;         /* not sent yet: held by their callers, or queued */
    uint32_t heap_count;
    uint32_t reserved;
    uint64_t due_ns[RAY_INFLIGHT_MAX];
    uint32_t heap_order[RAY_INFLIGHT_MAX];
    uint32_t heap_place[RAY_INFLIGHT_MAX];
    uint32_t table[RAY_INFLIGHT_TABLE];      /* 1 + slot, by hash of id, linear probing */
    ray_inflight_slot slot[RAY_INFLIGHT_MAX];
    ray_inflight_more more[RAY_INFLIGHT_MAX];
} ray_inflight;

typedef struct ray_audit {
    uint64_t count;              /* records ever written; record i is at (i - 1) % RAY_AUDIT_MAX */
    ray_audit_record record[RAY_AUDIT_MAX];
} ray_audit;

typedef struct ray_tally {
    uint64_t offered_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t delayed_count;
    uint64_t dispatched_count;
    uint64_t dropped_count;
    uint64_t preempted_count;
    uint64_t completed_count;
    uint64_t expired_count;
    uint64_t cancelled_count;
    uint64_t refunded_count;
    uint64_t would_deny_count;
    uint64_t inflight_count_max;
    uint64_t retried_count;
    uint64_t cached_count;
} ray_tally;

struct ray {
    ray_sip_stream decision;     /* the running hash; in no digest */
    uint32_t state_version;      /* 0 until ray_init, then RAY_STATE_VERSION */
    uint32_t profile;
    uint64_t seq;                /* decision records so far */
    ray_clock clock;
    ray_who who;
    struct ray_gateway gateway;
    /* To the next cache line: the limiter's key windows and buckets each lie in one. */
    uint8_t reserved[64U - (sizeof(ray_sip_stream) + 16U + sizeof(ray_clock) + sizeof(ray_who) +
                            sizeof(struct ray_gateway)) % 64U];
    struct ray_ratelimit ratelimit;
    struct ray_quota quota;
    struct ray_priority priority;
    struct ray_policy policy;
    struct ray_cost cost;
    struct ray_governance governance;
    struct ray_auth auth;
    struct ray_mediator mediator;
    struct ray_lb lb;
    struct ray_resilience resilience;
    struct ray_apimon apimon;
    ray_inflight inflight;
    ray_tally tally;
    ray_audit audit;
};

/* -- between the files of kernel/pipeline and kernel.c -- */
typedef struct ray_journey ray_journey;

/* Writes one decision record into the running hash and returns its sequence number. */
uint64_t ray_record(struct ray *ray, uint64_t now_ns, const ray_answer *answer);
uint64_t ray_audit_add(struct ray *ray, const ray_audit_record *record);
/* The next record of the ring, its id and epoch written, everything else still the old one's. */
ray_audit_record *ray_audit_next(struct ray *ray);
/* Passes a raw time through the gate, then runs whatever is due; returns the gated time. */
uint64_t ray_gate_pass(struct ray *ray, uint64_t raw_ns);
/* What ray_gate_pass would return; nothing moves. */
uint64_t ray_gate_peek(const struct ray *ray, uint64_t raw_ns);
void ray_tick_run(struct ray *ray, uint64_t now_ns);
/* After any change of rules: what the request path must know of them together. */
void ray_rules_seen(struct ray *ray);
/* 1 when forwarded addresses are believed and this peer is a proxy that is trusted. */
uint32_t ray_peer_trusted(const struct ray *ray, const ray_address *peer);

uint32_t ray_inflight_find(const struct ray *ray, uint64_t id);    /* slot or RAY_NONE */
uint32_t ray_inflight_add(struct ray *ray, uint64_t id, uint64_t due_ns); /* RAY_NONE when full */
void ray_inflight_set_due(struct ray *ray, uint32_t slot, uint64_t due_ns);
void ray_inflight_free(struct ray *ray, uint32_t slot);
uint32_t ray_inflight_due(const struct ray *ray);    /* earliest, RAY_NONE when empty */
uint32_t ray_inflight_valid(const struct ray *ray);

/* How a request ends: why, by what, and whether it is as if it had never been. */
typedef struct ray_ending {
    uint32_t by_id;
    uint16_t reason;
    uint8_t verdict;
    uint8_t by_kind;
    uint8_t refund;
    uint8_t reserved[3];
} ray_ending;
/* Ends the request in `place` at now_ns; fills answer, which was begun. `_unheard`: nobody waits
 * for the answer. `_timed`: what was due has come, outcome or deadline. */
void ray_end(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
             ray_answer *answer);
void ray_end_unheard(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending);
/* Returns what it was charged. */
int64_t ray_end_timed(struct ray *ray, uint64_t now_ns, uint32_t place);
/* Not sent yet: held by its caller, queued, or about to be sent. */
uint32_t ray_unsent(const ray_inflight_slot *slot);

/* -- guards (guard.c): what stands between a request and an instance of its service -- */
/* One attempt to reach a service. */
typedef struct ray_attempt {
    uint64_t key;                /* whom the balancer keeps together */
    uint64_t deadline_ns;        /* of all attempts together */
    uint64_t timeout_ns;         /* of its route */
    uint32_t service;
    uint32_t method;
    uint32_t number;             /* from 1 */
    uint32_t avoid;              /* instance the last attempt failed at, RAY_NONE */
} ray_attempt;

typedef struct ray_guarded {
    ray_resilience_query query;
    ray_resilience_answer answer;
    ray_lb_query pick_query;
    ray_lb_answer pick;
    uint64_t retry_after_ns;
    uint32_t by_id;
    uint16_t reason;
    uint16_t http_status;
    uint8_t granted;
    uint8_t waits;               /* may wait until a permit is free */
    uint8_t resilient;           /* 1: a breaker or bulkhead was asked */
    uint8_t balanced;            /* 1: a pool was asked */
    uint8_t by_kind;
    uint8_t reserved[3];
} ray_guarded;
/* 1 when anything guards or balances the service. */
uint32_t ray_guards(const struct ray *ray, uint32_t service);
/* The next attempt of the request in `place`. */
void ray_attempt_of(const struct ray *ray, uint64_t now_ns, uint32_t place, ray_attempt *out);
/* Asks deadline > bulkhead > breaker > balancer; changes nothing. */
void ray_guard_ask(const struct ray *ray, uint64_t now_ns, const ray_attempt *attempt,
                   ray_guarded *out);
/* Asks for the next attempt of the request in `place`, and counts the asking. */
void ray_guard_try(struct ray *ray, uint64_t now_ns, uint32_t place, ray_guarded *out);
/* Books what was granted; the answer says where to and how long. */
void ray_guard_take(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_guarded *guarded,
                    ray_answer *answer);
/* An attempt ended (enum ray_outcome); *verdict: may it be tried again? NULL: nobody would. */
void ray_guard_done(struct ray *ray, uint64_t now_ns, uint32_t place, uint32_t outcome,
                    uint64_t retry_after_ns, ray_resilience_verdict *verdict);

/* An answer about nothing yet; `shadow` is not written. */
void ray_answer_begin(const struct ray *ray, uint64_t now_ns, ray_answer *answer);

void ray_step_admit(struct ray *ray, uint64_t now_ns, const ray_rows *rows, const ray_row *row,
                    ray_answer *answer);
void ray_step_dispatch(struct ray *ray, uint64_t now_ns, const ray_row *row, ray_answer *answer);
void ray_step_end(struct ray *ray, uint64_t now_ns, const ray_rows *rows, const ray_row *row,
                  ray_answer *answer);
/* Lets time run until nothing is in flight. RAY_E_STATE when the clock is live. */
ray_status ray_settle(struct ray *ray);

/* Queues: enter, send what may be sent, and lose what waits for services that are gone. */
uint32_t ray_queue_take(struct ray *ray, uint64_t now_ns, const ray_journey *journey,
                        uint32_t place);
void ray_queue_pump(struct ray *ray, uint64_t now_ns, uint32_t service);
/* The request in `place` leaves towards its service, by what its guards granted (NULL: it has
 * none). `spoken` 1: a decision of its own; 0: part of its admission's. */
void ray_send(struct ray *ray, uint64_t now_ns, uint32_t place, const struct ray_guarded *guarded,
              uint32_t spoken, ray_answer *answer);
/* It may not leave: taken back, if it was never sent. */
void ray_guard_refuse(struct ray *ray, uint64_t now_ns, uint32_t place,
                      const struct ray_guarded *guarded, ray_answer *answer);
void ray_queue_pump_all(struct ray *ray, uint64_t now_ns);
void ray_queue_drop_stale(struct ray *ray, uint64_t now_ns);
void ray_queue_drop_gone(struct ray *ray, uint64_t now_ns, const void *names, uint64_t stride,
                         uint32_t count);

#endif
