/* SPDX-License-Identifier: MIT */
#ifndef RAY_RESILIENCE_H
#define RAY_RESILIENCE_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* resilience: what stands between a request and a service that may be failing: a bulkhead, a
 * circuit breaker, an attempt's timeout, and retries on a budget.
 *
 * Law: closed to open, open to half-open, half-open to closed or open, and no other change, each
 * with its cause in the log; open lets nothing through before its time; half-open has at most
 * `probes` in flight; a bulkhead never has more permits out than it had when they were given.
 * Guards are asked in one order: deadline, bulkhead, breaker; the instance and the attempt's
 * timeout come after. Each service has one of each. Cost: everything is O(1) but the rings, which
 * are O(RAY_RESILIENCE_RING) once a sub-window, and the heap of open breakers. Source:
 * SEMANTICS.md, resilience; Nygard 2007 (breaker, bulkhead); Brooker 2015 (full jitter).
 */
typedef struct ray_resilience ray_resilience; /* state; size and layout are private */

enum ray_breaker_state { RAY_BREAKER_CLOSED = 0, RAY_BREAKER_OPEN = 1, RAY_BREAKER_HALF_OPEN = 2 };

/* What an operator says over the state: nothing, refuse everything, let everything pass. */
enum ray_breaker_force { RAY_FORCE_NONE = 0, RAY_FORCE_OPEN = 1, RAY_FORCE_CLOSED = 2 };

enum ray_breaker_cause {
    RAY_CAUSE_FAILURES = 1,      /* so many in a row */
    RAY_CAUSE_RATE = 2,          /* such a share of the window */
    RAY_CAUSE_TIME = 3,          /* the open time is over */
    RAY_CAUSE_PROBE_FAILED = 4,
    RAY_CAUSE_PROBES_GOOD = 5,
    RAY_CAUSE_OPERATOR = 6
};

/* How one attempt ended: exactly one of these. */
enum ray_outcome {
    RAY_OUTCOME_OK = 0,
    RAY_OUTCOME_FAIL_5XX = 1,
    RAY_OUTCOME_TIMEOUT = 2,
    RAY_OUTCOME_CONNECTION = 3,
    RAY_OUTCOME_CLIENT_4XX = 4,
    RAY_OUTCOME_LIMITED_429 = 5, /* it is alive: back off, do not trip */
    RAY_OUTCOME_CANCELLED = 6,   /* by the caller: says nothing about the service */
    RAY_OUTCOME_UNSENT = 7,      /* it never left: neither */
    RAY_OUTCOME_MAX = 8
};

enum ray_guard_part { RAY_GUARD_BREAKER = 1, RAY_GUARD_BULKHEAD = 2, RAY_GUARD_RETRY = 4 };

enum ray_retry_jitter { RAY_JITTER_FULL = 0, RAY_JITTER_EQUAL = 1, RAY_JITTER_NONE = 2 };

/* WINDOW: what was deposited and spent counts for ttl. BANK: one balance, begun full, that a
 * success refills. NONE: retries are bounded by attempts alone. */
enum ray_retry_budget { RAY_BUDGET_WINDOW = 0, RAY_BUDGET_BANK = 1, RAY_BUDGET_NONE = 2 };

enum ray_resilience_constant {
    RAY_OUTCOME_STATUS_MAX = 6,
    RAY_BREAKER_COUNT_MAX = 1000000,   /* failures, successes, probes, volume */
    RAY_BULKHEAD_MAX_EACH = 65536,     /* concurrent, and waiting */
    RAY_RETRY_ATTEMPT_MAX = 100,
    RAY_BUDGET_UNIT_MAX = 1000000      /* deposit, cost, refund, reserve; the bank a thousand times
                                        * as much */
};

/* Which outcomes: whole kinds, and single statuses. */
typedef struct ray_outcome_set {
    uint16_t status[RAY_OUTCOME_STATUS_MAX]; /* 400 to 599, ascending; zeros behind */
    uint8_t kinds;                     /* bit per enum ray_outcome: 5xx, timeout, connection, 4xx,
                                        * 429 and no other */
    uint8_t status_count;
    uint8_t reserved[2];
} ray_outcome_set;

typedef struct ray_breaker_spec {
    uint64_t open_ns;                  /* from open to half-open, the first time */
    uint64_t open_max_ns;              /* doubles with each reopening up to this; >= open_ns */
    uint64_t window_ns;                /* counts of the closed state; 0: since it closed */
    uint32_t failures;                 /* so many in a row trip it; 0: not by a row */
    uint32_t rate_ppm;                 /* failures * 10^6 >= rate * outcomes trips it; 0: no */
    uint32_t volume;                   /* outcomes below which no rate trips it, at least 1 */
    uint32_t successes;                /* of half-open, that close it */
    uint32_t probes;                   /* in flight while half-open */
    uint32_t jitter_ppm;               /* share of the open time that is added at random, at most */
    ray_outcome_set counts;            /* what is a failure */
    uint8_t fixed_window;              /* 1: counts restart at the window's end; 0: it slides */
    uint8_t reserved[7];
} ray_breaker_spec;

typedef struct ray_bulkhead_spec {
    uint64_t max_wait_ns;              /* 0: as long as the request's deadline */
    uint32_t concurrent;               /* permits */
    uint32_t waiting;                  /* who may wait for one, first come first served */
} ray_bulkhead_spec;

typedef struct ray_retry_spec {
    uint64_t base_ns;                  /* attempt n waits min(max, base * 2^(n-1)) before jitter */
    uint64_t max_ns;
    uint64_t ttl_ns;                   /* WINDOW */
    ray_outcome_set on;
    uint32_t attempts;                 /* the first included */
    uint32_t methods;                  /* bit per enum ray_method that may be repeated */
    uint32_t deposit;                  /* WINDOW: by each request; BANK: by a success at first */
    uint32_t cost;                     /* of one retry */
    uint32_t reserve;                  /* WINDOW: retries a second that are always there */
    uint32_t capacity;                 /* BANK: begins with it and never holds more */
    uint32_t refund;                   /* BANK: by a success after a retry */
    uint8_t jitter;                    /* enum ray_retry_jitter */
    uint8_t budget;                    /* enum ray_retry_budget */
    uint8_t reserved[2];
} ray_retry_spec;

/* [resilience.SERVICE]; the row of the blob's section. A part that is not there is all zero. */
typedef struct ray_guard_spec {
    uint64_t timeout_ns;               /* of one attempt; 0: only the request's. A breaker needs
                                        * it: its probes are leases of that length */
    uint32_t service;                  /* handle */
    uint8_t parts;                     /* bits of enum ray_guard_part */
    uint8_t mode;                      /* enum ray_mode of breaker and bulkhead */
    uint8_t reserved[2];
    ray_breaker_spec breaker;
    ray_bulkhead_spec bulkhead;
    ray_retry_spec retry;
} ray_guard_spec;

typedef struct ray_resilience_query {
    uint64_t deadline_ns;              /* the request's last instant; 0: none */
    uint64_t timeout_ns;               /* of its route; 0: none */
    uint32_t service;                  /* handle */
    uint32_t method;                   /* enum ray_method */
    uint32_t attempt;                  /* 1 first */
    uint32_t ticket;                   /* the caller's number while it waits, < RAY_WAITER_MAX;
                                        * RAY_NONE: it only asks */
    uint32_t called;                   /* 1: ray_resilience_next gave its ticket */
    uint32_t reserved;
} ray_resilience_query;

typedef struct ray_resilience_answer {
    uint64_t retry_after_ns;           /* breaker open: exactly then it half-opens; else 0 */
    uint64_t timeout_ns;               /* of this attempt: min(route, guard, what the deadline
                                        * leaves); RAY_NEVER: none */
    uint64_t wait_until_ns;            /* waits: gone at this instant; RAY_NEVER: none */
    uint32_t by_id;                    /* service whose guard said no, RAY_NONE */
    uint16_t reason;
    uint16_t http_status;
    uint16_t would_reason;             /* shadow: what it would have been denied for, else 0 */
    uint8_t granted;
    uint8_t waits;                     /* take puts it into the bulkhead's FIFO; granted too */
    uint8_t probe;                     /* it is one of the half-open breaker's probes */
    uint8_t counts;                    /* its outcome counts for the breaker */
    uint8_t holds;                     /* it takes a permit of the bulkhead */
    uint8_t by_kind;                   /* RAY_BY_BREAKER or RAY_BY_BULKHEAD */
    uint8_t would_kind;
    uint8_t reserved[7];
} ray_resilience_answer;

/* What one attempt holds; all-zero holds nothing. Lives with the request. */
typedef struct ray_permit {
    uint32_t generation;               /* of the breaker's state it began in */
    uint16_t guard;                    /* generation of the service's guard */
    uint16_t bulkhead;                 /* generation of the bulkhead */
    uint8_t taken;                     /* 1: it counts as running */
    uint8_t counts;
    uint8_t probe;
    uint8_t held;
    uint8_t waiting;                   /* 1: it stands in the FIFO under its ticket */
    uint8_t reserved[3];
} ray_permit;

typedef struct ray_outcome_report {
    uint64_t deadline_ns;              /* the request's; 0: none */
    uint64_t retry_after_ns;           /* what the upstream asked for; 0: nothing */
    uint32_t service;                  /* handle now; RAY_NONE: gone since */
    uint32_t method;
    uint32_t attempt;                  /* that ended, 1 first */
    uint16_t http_status;
    uint8_t outcome;                   /* enum ray_outcome */
    uint8_t idempotent;                /* 1: marked so by the caller, whatever the method */
} ray_outcome_report;

typedef struct ray_resilience_verdict {
    uint64_t delay_ns;                 /* before the next attempt */
    uint64_t start_at_ns;              /* now + delay */
    uint64_t retry_after_ns;           /* we give up: what to tell the client; 0: nothing */
    uint32_t retry;                    /* 1: it was booked, ask again at start_at_ns */
    uint16_t reason;                   /* RAY_REASON_OK, or why there is no retry */
    uint8_t failed;                    /* 1: a failure in the guard's eyes */
    uint8_t reserved;
} ray_resilience_verdict;

uint64_t ray_resilience_bytes(void);
/* Empties everything; the seed makes jitter. */
void ray_resilience_init(ray_resilience *resilience, const uint8_t seed[16]);

/* -- request -- */
/* 1: something stands before this service, be it a time limit for its attempts alone; 0 in mode
 * off too: nothing to ask, take or report but the request's own deadline. */
uint32_t ray_resilience_guards(const ray_resilience *resilience, uint32_t service);
/* The kind of an HTTP status: OK below 400 and for 0, unknown; 5XX too for what is no status. */
uint32_t ray_resilience_outcome_of(uint32_t http_status);

/* May this attempt go, must it wait, or not at all? Changes nothing. RAY_E_UNKNOWN for a service
 * past the table, RAY_E_ARGUMENT for attempt 0 or no method, RAY_E_RANGE for a ticket or an instant
 * past the end, RAY_E_EXISTS for a ticket that waits. */
ray_status ray_resilience_ask(const ray_resilience *resilience, uint64_t now_ns,
                              const ray_resilience_query *query, ray_resilience_answer *out);
/* Books what `answer` granted, at the same instant, and writes the permit; with `waits` it stands
 * in the FIFO until ray_resilience_next gives its ticket or it leaves. A first attempt deposits in
 * the retry budget. */
void ray_resilience_take(ray_resilience *resilience, uint64_t now_ns,
                         const ray_resilience_query *query, const ray_resilience_answer *answer,
                         ray_permit *permit);
/* Counts an ask after the verdict; `granted` is all stages' together. */
void ray_resilience_note(ray_resilience *resilience, uint64_t now_ns,
                         const ray_resilience_query *query, const ray_resilience_answer *answer,
                         uint32_t granted);
/* The attempt ended: permits go back, the breaker learns, and *verdict says whether to try again
 * (NULL: nobody would). Of an older state of the breaker nothing is learned, and of a guard that is
 * gone nothing at all; both are counted. A retry is booked here. */
void ray_resilience_done(ray_resilience *resilience, uint64_t now_ns, const ray_permit *permit,
                         const ray_outcome_report *report, ray_resilience_verdict *verdict);

/* An outcome the caller saw without asking first: the breaker learns it, holds and permits stay.
 * RAY_E_UNKNOWN without a breaker, RAY_E_ARGUMENT for no outcome. */
ray_status ray_resilience_record(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                                 uint32_t outcome, uint32_t http_status);

/* The first of this service's FIFO, taken out, when a permit is free for it: then ask, with
 * `called`, and take. RAY_E_UNKNOWN when nobody waits or no permit is free. To be called until it
 * says so after done, leave, control and load. */
ray_status ray_resilience_next(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                               uint32_t *ticket);
/* One who waits goes: its deadline or its client. RAY_E_UNKNOWN when it does not wait there. */
ray_status ray_resilience_leave(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                                uint32_t ticket);

/* -- calls: alone, the module keeps the permits itself, each a lease -- */
enum ray_call_state { RAY_CALL_FREE = 0, RAY_CALL_RUNNING = 1, RAY_CALL_WAITING = 2 };

typedef struct ray_call_view {
    uint64_t began_ns;
    uint64_t lapses_ns;                /* RAY_NEVER: the caller always reports */
    uint32_t call;
    uint32_t service;
    uint32_t attempt;
    uint32_t state;                    /* enum ray_call_state */
    uint32_t probe;
    uint32_t held;
} ray_call_view;

/* Asks, takes and notes, what is due having happened; query->ticket is ignored. *call is RAY_NONE
 * unless granted. RAY_E_FULL when no call is free. A call whose time is over has failed with a
 * timeout; one that waits for longer than it may has left. */
ray_status ray_resilience_begin(ray_resilience *resilience, uint64_t now_ns,
                                const ray_resilience_query *query, ray_resilience_answer *answer,
                                uint32_t *call);
/* As ray_resilience_done; service and attempt of the report are the call's. RAY_E_STALE for one
 * that ended already, RAY_E_UNKNOWN, RAY_E_ARGUMENT for no outcome; RAY_E_STATE while it waits,
 * unless the outcome is CANCELLED. Who waits for its permit goes next. */
ray_status ray_resilience_end(ray_resilience *resilience, uint64_t now_ns, uint32_t call,
                              const ray_outcome_report *report, ray_resilience_verdict *verdict);
ray_status ray_resilience_call_read(const ray_resilience *resilience, uint32_t call,
                                    ray_call_view *out);
/* Calls by place from 0: RAY_OK, RAY_E_UNKNOWN for a free place, RAY_E_RANGE past the last. */
ray_status ray_resilience_call_at(const ray_resilience *resilience, uint32_t place,
                                  uint32_t *call);

/* -- time -- */
/* When an open breaker half-opens or a call lapses next; RAY_NEVER. */
uint64_t ray_resilience_due(const ray_resilience *resilience);
/* Whatever is due at or before now_ns happens, each at its own instant. */
void ray_resilience_tick(ray_resilience *resilience, uint64_t now_ns);

/* -- configuration -- */
/* The whole hostile check; changes nothing but *report. RAY_E_FULL for a bulkhead too many. */
ray_status ray_resilience_check(const ray_guard_spec *rows, const ray_config_counts *counts,
                                ray_config_report *report);
/* To be called before ray_resilience_load when services may have other places than before. Who
 * waits for a service that is gone stands in no FIFO afterwards. */
void ray_resilience_services_move(ray_resilience *resilience, uint64_t now_ns,
                                  const ray_names *before, const ray_names *after);
/* Replaces the rules by rows that passed the check; cannot fail. A part whose row is unchanged
 * keeps everything; permits out stay out. */
void ray_resilience_load(ray_resilience *resilience, uint64_t now_ns, const ray_guard_spec *rows,
                         const ray_config_counts *counts, ray_config_report *report);

/* -- control: every error changes nothing -- */
/* The whole guard of one service, begun or replaced; RAY_E_UNKNOWN past the table, RAY_E_FULL for
 * a bulkhead too many, RAY_E_RANGE and RAY_E_ARGUMENT as in check. */
ray_status ray_resilience_set(ray_resilience *resilience, uint64_t now_ns,
                              const ray_guard_spec *spec);
/* Nothing stands before it any more; RAY_E_UNKNOWN when nothing did. */
ray_status ray_resilience_unset(ray_resilience *resilience, uint64_t now_ns, uint32_t service);
/* enum ray_breaker_force; RAY_E_UNKNOWN without a breaker. */
ray_status ray_resilience_force(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                                uint32_t force);
/* An open breaker half-opens now; RAY_E_STATE when it is not open, RAY_E_UNKNOWN. */
ray_status ray_resilience_half_open(ray_resilience *resilience, uint64_t now_ns, uint32_t service);
/* Closed, nothing counted, nothing forced, the retry budget as begun; permits stay out. */
ray_status ray_resilience_reset(ray_resilience *resilience, uint64_t now_ns, uint32_t service);

/* -- reading -- */
typedef struct ray_resilience_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;            /* granted here, denied by another stage */
    uint64_t would_deny_count;         /* by guards in shadow */
    uint64_t late_count;               /* outcomes of an older state, or of a guard that is gone */
    uint64_t call_count;               /* attempts taken = ended + running, of guards that stand */
    uint64_t ended_count;
    uint64_t retry_count;
    uint64_t event_count;              /* changes of state */
    uint64_t event_overwritten_count;
    uint32_t breaker_count;
    uint32_t bulkhead_count;
    uint32_t retry_rule_count;
    uint32_t closed_count;             /* breakers now, by state */
    uint32_t open_count;
    uint32_t half_open_count;
    uint32_t forced_count;
    uint32_t in_use_count;             /* permits out now */
    uint32_t waiting_count;
    uint32_t running_count;            /* attempts */
    uint32_t held_call_count;          /* calls the module holds itself */
    uint32_t reserved;
} ray_resilience_stats;

/* One breaker as it is at now_ns: what has become due is in the answer, not in the state. */
typedef struct ray_breaker_view {
    uint64_t since_ns;                 /* of its state */
    uint64_t open_until_ns;            /* while open, else 0 */
    uint64_t success_count;            /* of its window */
    uint64_t failure_count;
    uint32_t generation;
    uint32_t state;                    /* enum ray_breaker_state */
    uint32_t forced;                   /* enum ray_breaker_force */
    uint32_t probing;                  /* probes in flight */
    uint32_t row_successes;            /* in a row */
    uint32_t row_failures;
    uint32_t reopened;                 /* in a row: how often the open time doubled */
    uint32_t rate_ppm;                 /* failures of the window, rounded down; 0 of none */
} ray_breaker_view;

/* What one service's guard has seen. */
typedef struct ray_guard_tally {
    uint64_t call_count;
    uint64_t ended_count[RAY_OUTCOME_MAX];
    uint64_t breaker_denied_count;
    uint64_t bulkhead_denied_count;
    uint64_t deadline_denied_count;
    uint64_t would_deny_count;
    uint64_t late_count;
    uint64_t acquired_count;           /* permits */
    uint64_t released_count;
    uint64_t queued_count;             /* ever in the FIFO */
    uint64_t called_count;             /* of them, those whose turn came */
    uint64_t left_count;               /* and those that went before */
    uint64_t wait_sum_ns;              /* of those whose turn came */
    uint64_t wait_max_ns;
    uint64_t opened_count;
    uint64_t half_opened_count;
    uint64_t closed_count;
    uint64_t retry_count;
    uint64_t retry_attempts_count;     /* not retried: attempts spent */
    uint64_t retry_budget_count;       /* budget spent */
    uint64_t retry_deadline_count;     /* the deadline would pass */
    uint64_t retry_method_count;       /* not idempotent and not marked */
    uint64_t retry_breaker_count;      /* the breaker would still be open */
} ray_guard_tally;

typedef struct ray_guard_stats {
    ray_guard_tally tally;
    ray_breaker_view breaker;
    uint64_t budget_left;              /* units a retry may spend at now_ns; RAY_NEVER: any */
    uint32_t service;
    uint32_t running_count;
    uint32_t in_use_count;
    uint32_t in_use_bound;             /* permits, or more while a lowered number is still out */
    uint32_t waiting_count;
    uint32_t reserved;
} ray_guard_stats;
/* One change of state. */
typedef struct ray_breaker_event {
    uint64_t id;                       /* 1, 2, 3 ... without a gap */
    uint64_t at_ns;
    uint32_t service;                  /* RAY_NONE: gone since */
    uint32_t generation;               /* of the state it went to */
    uint8_t from;
    uint8_t to;
    uint8_t cause;                     /* enum ray_breaker_cause */
    uint8_t reserved[5];
} ray_breaker_event;
void ray_resilience_read(const ray_resilience *resilience, ray_resilience_stats *out);
/* RAY_E_UNKNOWN when nothing stands before it. */
ray_status ray_resilience_spec_read(const ray_resilience *resilience, uint32_t service,
                                    ray_guard_spec *out);
ray_status ray_resilience_guard_read(const ray_resilience *resilience, uint64_t now_ns,
                                     uint32_t service, ray_guard_stats *out);
/* Guards by place from 0: RAY_OK, RAY_E_UNKNOWN for a free place, RAY_E_RANGE past the last. */
ray_status ray_resilience_at(const ray_resilience *resilience, uint32_t place, uint32_t *service);
/* By id; RAY_E_UNKNOWN for one not yet there, RAY_E_STALE for one overwritten. */
ray_status ray_resilience_event_read(const ray_resilience *resilience, uint64_t id,
                                     ray_breaker_event *out);
/* What the next retry after `attempt` would wait at most: min(max, base * 2^(attempt-1)). */
uint64_t ray_resilience_backoff(const ray_retry_spec *spec, uint32_t attempt);
/* closed, open, half-open; the words of causes, outcomes and forces. */
const char *ray_resilience_state_word(uint32_t state);
const char *ray_resilience_cause_word(uint32_t cause);
const char *ray_resilience_outcome_word(uint32_t outcome);
const char *ray_resilience_force_word(uint32_t force);

/* Every guard by place in fixed columns, and all as metrics (`form`: enum ray_exposition); a
 * service without a name in `services` shows as its id. RAY_E_TRUNCATED: `text` was too small. */
ray_status ray_resilience_export_csv(const ray_resilience *resilience, uint64_t now_ns,
                                     const ray_names *services, ray_text *text);
ray_status ray_resilience_export_json(const ray_resilience *resilience, uint64_t now_ns,
                                      const ray_names *services, ray_text *text);
ray_status ray_resilience_export_metrics(const ray_resilience *resilience, uint64_t now_ns,
                                         const ray_names *services, uint32_t form, ray_text *text);

/* 0 when every law holds, else the number of one that does not; kernel/resilience/valid.c lists
 * them. */
uint32_t ray_resilience_valid(const ray_resilience *resilience);

#endif
