/* SPDX-License-Identifier: MIT */
#ifndef RAY_PRIORITY_H
#define RAY_PRIORITY_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* priority: who is sent next when more is asked of a service than it serves at once.
 *
 * Law: in any ray_priority_bound consecutive dispatches of a queue, a class that stays non-empty is
 * served at least as often as its weight says, Critical's cap included. Each service has a queue
 * of five lanes over one pool of RAY_QUEUE_ENTRY_MAX entries. Cost: ask, take, next and send are
 * O(1) plus O(RAY_QUEUE_FLOW_MAX) with fair flows; a requeue walks past younger requests. Source:
 * SEMANTICS.md, priority; weighted deficit round robin: Shreedhar and Varghese 1995; flows: Goyal,
 * Vin and Cheng 1996 (start-time fair queuing), Thaler and Ravishankar 1998 (rendezvous hashing).
 */
typedef struct ray_priority ray_priority; /* state; size and layout are private */

enum ray_origin {
    RAY_ORIGIN_CLIENT = 0,
    RAY_ORIGIN_RETRY = 1,
    RAY_ORIGIN_REQUEUE = 2,
    RAY_ORIGIN_INTERNAL = 3,
    RAY_ORIGIN_MAX = 4
};

enum ray_flow_by { RAY_FLOW_USER = 0, RAY_FLOW_TENANT = 1, RAY_FLOW_ADDRESS = 2 };

enum ray_priority_constant {
    RAY_QUEUE_WEIGHT_MAX = 1000,
    RAY_QUEUE_CAP_MAX = 90,        /* percent; the rest is what keeps the other classes alive */
    RAY_QUEUE_SERVERS_MAX = 65536, /* and the largest width of a request */
    RAY_QUEUE_DEPTH_MAX = 65536,
    RAY_SLA_BP_MAX = 10000         /* an error rate that cannot be passed */
};

/* [queue]; the row of the blob's queue section. */
typedef struct ray_queue_spec {
    uint32_t weight[RAY_CLASS_MAX]; /* quanta of the round robin, 1..RAY_QUEUE_WEIGHT_MAX */
    uint32_t critical_cap;          /* percent of the dispatches Critical may take out of turn */
    uint32_t servers;     /* requests a service serves at once; 0: any number, nothing waits */
    uint32_t depth;       /* requests that may wait for one service, 1..RAY_QUEUE_DEPTH_MAX */
    uint32_t flows;       /* fair sub-queues per lane, 1..RAY_QUEUE_FLOW_MAX */
    uint8_t displace;     /* 1: a full queue gives up its newest request of the lowest class */
    uint8_t earliest_deadline; /* 1: in a class (and flow) the earliest deadline first */
    uint8_t flow_by;      /* enum ray_flow_by: whom the pipeline hashes into a query's flow */
    uint8_t reserved;
} ray_queue_spec;

/* [queue.service.NAME]: what one service says itself. */
typedef struct ray_service_queue_spec {
    uint32_t service; /* handle */
    uint32_t servers;
    uint32_t depth;
    uint32_t flows;
} ray_service_queue_spec;

/* [sla.NAME]: what a service promises. */
typedef struct ray_sla_spec {
    uint64_t p95_latency_ns; /* at least 1 */
    uint64_t deadline_ns;    /* from arrival until sent; 0: p95_latency_ns */
    uint32_t service;        /* handle */
    uint32_t error_rate_bp;  /* more in one minute is a breach; RAY_SLA_BP_MAX: never */
    uint32_t priority;       /* class of requests that name none; RAY_CLASS_DEFAULT: none */
    uint32_t reserved;
} ray_sla_spec;

typedef struct ray_priority_query {
    uint64_t not_before_ns; /* a leaky queue's start; 0 or past: now */
    uint64_t deadline_ns;   /* the request's own last instant; 0: only its SLA's */
    uint64_t flow;          /* already hashed identity of whom it is from; 0: none */
    uint32_t service;       /* handle */
    uint32_t priority;      /* class */
    uint32_t origin;        /* enum ray_origin */
    uint32_t width;         /* servers it occupies, at most RAY_QUEUE_SERVERS_MAX; 0 counts as 1 */
    uint32_t hold;          /* 1: it waits for its dispatch even when a server is free */
    uint32_t reserved;
} ray_priority_query;

typedef struct ray_priority_answer {
    uint64_t deadline_ns; /* gone at this instant unless sent before; RAY_NEVER: none */
    uint64_t wait_ns;     /* floor(ahead * service time / servers), at least until not_before */
    uint32_t ahead;       /* dispatches before it, by the weights, if nobody else arrives */
    uint32_t victim;      /* entry that must leave first; RAY_NONE */
    uint16_t reason;      /* RAY_REASON_OK, QUEUED or QUEUE_FULL */
    uint8_t granted;
    uint8_t queued;       /* 1: take puts it into a queue; 0: take occupies servers at once */
    uint8_t reserved[4];
} ray_priority_answer;

typedef struct ray_priority_pick {
    uint64_t arrival_ns;
    uint64_t wait_ns;  /* since arrival */
    uint32_t entry;
    uint32_t request;  /* the caller's number, as given to take */
    uint32_t service;
    uint32_t priority;
    uint32_t origin;
    uint32_t width;    /* at least 1: what send occupies and finish must free */
} ray_priority_pick;

enum ray_leave {
    RAY_LEAVE_DEADLINE = 0,
    RAY_LEAVE_DISPLACED = 1,
    RAY_LEAVE_PREEMPTED = 2,
    RAY_LEAVE_CANCELLED = 3,
    RAY_LEAVE_REFUNDED = 4,
    RAY_LEAVE_DRAINED = 5,
    RAY_LEAVE_GONE = 6, /* its service left the configuration */
    RAY_LEAVE_MAX = 7
};

typedef struct ray_priority_done {
    uint64_t arrival_ns;
    uint64_t sent_ns;
    uint32_t service;  /* handle */
    uint32_t priority;
    uint32_t width;    /* servers it occupied, as sent; 0: take was skipped for it */
    uint32_t failed;   /* 1: an error in its SLA's eyes */
} ray_priority_done;

uint64_t ray_priority_bytes(void);
/* Empties everything: weights 16 8 4 2 1, cap 60, any number of servers, depth 256, one flow,
 * displacement. */
void ray_priority_init(ray_priority *priority, const uint8_t seed[16]);

/* -- request -- */
/* The class its SLA gives requests that name none, or RAY_CLASS_DEFAULT. */
uint32_t ray_priority_class(const ray_priority *priority, uint32_t service);
/* 0 when nothing ever waits for this service (unless it has a not_before): ask and take may be
 * skipped, finish with a width of 0 may not. */
uint32_t ray_priority_waits(const ray_priority *priority, uint32_t service);
/* 1 when the service has an SLA: then every outcome is to be told to ray_priority_finish. */
uint32_t ray_priority_promised(const ray_priority *priority, uint32_t service);
/* Whom the caller hashes into a query's flow: enum ray_flow_by. */
uint32_t ray_priority_flow_by(const ray_priority *priority);

/* Would it be sent at once, wait, or be turned away? Changes nothing. RAY_E_UNKNOWN for a service
 * past the table, RAY_E_ARGUMENT for a class or an origin nobody defined, RAY_E_RANGE for a width
 * or an instant past the end of time. */
ray_status ray_priority_ask(const ray_priority *priority, uint64_t now_ns,
                            const ray_priority_query *query, ray_priority_answer *out);
/* Books what `answer` granted, the victim having left; arrival is now_ns. `request` is the
 * caller's number for it. Returns the entry's handle, RAY_NONE when it was sent at once. */
uint32_t ray_priority_take(ray_priority *priority, uint64_t now_ns,
                           const ray_priority_query *query, const ray_priority_answer *answer,
                           uint32_t request);
/* Counts an ask after the verdict; `granted` is all stages' together. */
void ray_priority_note(ray_priority *priority, uint64_t now_ns, const ray_priority_query *query,
                       const ray_priority_answer *answer, uint32_t granted);

/* The next to send of this service, or (RAY_NONE) of any: round robin over those that have work and
 * a free server. RAY_E_UNKNOWN when there is none. The caller has let go whatever is past its
 * deadline. A request that needs more servers than are free holds back what stands behind it. */
ray_status ray_priority_next(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                             ray_priority_pick *out);
/* The pick leaves its lane and occupies its servers. Must follow its next with nothing between. */
void ray_priority_send(ray_priority *priority, uint64_t now_ns, const ray_priority_pick *pick);
/* An entry leaves without being sent; `why` is an enum ray_leave. RAY_E_STALE and RAY_E_UNKNOWN
 * change nothing. A missed deadline counts against the SLA. */
ray_status ray_priority_leave(ray_priority *priority, uint64_t now_ns, uint32_t entry,
                              uint32_t why);
/* Frees its servers, teaches the service time, and counts for the SLA's minute. */
void ray_priority_finish(ray_priority *priority, uint64_t now_ns, const ray_priority_done *done);

/* The caller's number of an entry; RAY_E_STALE or RAY_E_UNKNOWN. */
ray_status ray_priority_request_of(const ray_priority *priority, uint32_t entry,
                                   uint32_t *request);
/* Into another class, by its original arrival; deadline, origin and number stay. RAY_E_ARGUMENT for
 * no class, RAY_E_STALE, RAY_E_UNKNOWN. */
ray_status ray_priority_requeue(ray_priority *priority, uint64_t now_ns, uint32_t entry,
                                uint32_t priority_class);
/* May a request of `by_class` push this one out of its queue? RAY_OK, or RAY_E_STATE: only what is
 * of a strictly lower class; RAY_E_ARGUMENT, RAY_E_STALE, RAY_E_UNKNOWN. */
ray_status ray_priority_preempt_check(const ray_priority *priority, uint32_t entry,
                                      uint32_t by_class);
/* Whom a request of `by_class` would push out of this service's queue: the newest of the lowest
 * class below it. RAY_E_UNKNOWN when there is none. */
ray_status ray_priority_lowest(const ray_priority *priority, uint32_t service, uint32_t by_class,
                               uint32_t *entry);

/* -- time -- */
/* The first instant at which a delayed entry joins its lane; RAY_NEVER when none is delayed. */
uint64_t ray_priority_due(const ray_priority *priority);
/* Lets the first entry due at or before now_ns join its lane, by its arrival; returns its service,
 * RAY_NONE when nothing was due. */
uint32_t ray_priority_tick(ray_priority *priority, uint64_t now_ns);

/* -- configuration -- */
/* The rows of the three sections; the counts stand in ray_config_counts. */
typedef struct ray_priority_rows {
    const ray_queue_spec *queue; /* read when counts->queue_count is 1 */
    const ray_service_queue_spec *services;
    const ray_sla_spec *slas;
} ray_priority_rows;

/* The whole hostile check; changes nothing but *report, which names section, row and field. */
ray_status ray_priority_check(const ray_priority_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report);
/* To be called before ray_priority_load when services may have other places than before: queues,
 * entries, service times and minutes follow their service by name. Entries of a service that is
 * gone must have left (ray_priority_first_of); what is still there leaves as RAY_LEAVE_GONE. */
void ray_priority_services_move(ray_priority *priority, uint64_t now_ns,
                                const ray_names *before, const ray_names *after);
/* Replaces the rules by rows that passed the check; cannot fail. Who waits keeps waiting and keeps
 * its deadline; an SLA whose row is unchanged keeps its counts. */
void ray_priority_load(ray_priority *priority, uint64_t now_ns, const ray_priority_rows *rows,
                       const ray_config_counts *counts, ray_config_report *report);

/* -- control: every error changes nothing -- */
/* All of [queue] at once; RAY_E_RANGE or RAY_E_ARGUMENT as in check. Entries stay. */
ray_status ray_priority_set(ray_priority *priority, const ray_queue_spec *spec);
/* One service's own servers, depth and flows; and back to [queue]'s. RAY_E_UNKNOWN past the table
 * or, for unset, when it has none. */
ray_status ray_priority_service_set(ray_priority *priority, const ray_service_queue_spec *spec);
ray_status ray_priority_service_unset(ray_priority *priority, uint32_t service);
/* Defines a service's SLA (RAY_E_EXISTS when it has one), changes it (RAY_E_UNKNOWN when it has
 * none; its counts stay), removes it. Entries keep the deadline they were given. */
ray_status ray_priority_sla_define(ray_priority *priority, const ray_sla_spec *spec);
ray_status ray_priority_sla_update(ray_priority *priority, const ray_sla_spec *spec);
ray_status ray_priority_sla_remove(ray_priority *priority, uint32_t service);

/* -- reading -- */
typedef struct ray_priority_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;  /* granted here, denied by another stage */
    uint64_t direct_count;   /* sent without waiting */
    uint64_t queued_count;   /* ever put into a queue = sent + left + waiting now */
    uint64_t sent_count;     /* dispatched out of a queue */
    uint64_t left_count[RAY_LEAVE_MAX]; /* by enum ray_leave */
    uint64_t requeued_count;
    uint64_t finished_count;
    uint64_t origin_count[RAY_ORIGIN_MAX]; /* taken, by origin */
    uint64_t breach_count;   /* SLA minutes that broke their promise, the closed ones */
    uint64_t breach_overwritten_count;
    uint32_t waiting_count;  /* entries now, delayed ones included */
    uint32_t delayed_count;  /* of them, those whose not_before has not come */
    uint32_t busy_count;     /* servers occupied */
    uint32_t queue_count;    /* queues that have entries */
    uint32_t sla_count;
    uint32_t bound;          /* of the starvation law */
} ray_priority_stats;

/* One class over all queues. */
typedef struct ray_class_stats {
    uint64_t queued_count;
    uint64_t sent_count;
    uint64_t denied_count;
    uint64_t wait_sum_ns; /* of what was sent */
    uint64_t wait_max_ns;
    uint32_t waiting_count;
    uint32_t gap_max; /* most dispatches in a row that passed it by while it waited */
    uint32_t gap_bound; /* and the most there may be: bound - weight */
    uint32_t weight;
    uint32_t share_ppm; /* of dispatches it cannot fall below while it waits: weight / bound */
    uint32_t reserved;
} ray_class_stats;

/* One service's queue. */
typedef struct ray_queue_stats {
    uint64_t oldest_ns;  /* age of the oldest that waits, 0 when none does */
    uint64_t queued_count;
    uint64_t sent_count;
    uint64_t denied_count;
    uint64_t wait_sum_ns;
    uint64_t service_ns; /* moving average of the time from sent to finished, weight 1/8 */
    uint32_t depth[RAY_CLASS_MAX]; /* that wait in each lane */
    uint32_t delayed_count;
    uint32_t waiting_count; /* lanes and delayed together */
    uint32_t busy_count;
    uint32_t servers;
    uint32_t depth_max;
    uint32_t flows;
    uint32_t own; /* 1: it says its servers, depth and flows itself */
    uint32_t service;
    uint32_t reserved;
} ray_queue_stats;

/* One entry. */
typedef struct ray_queued {
    uint64_t arrival_ns;
    uint64_t deadline_ns;
    uint64_t not_before_ns; /* while delayed, else 0 */
    uint64_t ticket;        /* 1, 2, 3 ... by arrival over all queues */
    uint32_t entry;
    uint32_t request;
    uint32_t service;
    uint32_t priority;
    uint32_t origin;
    uint32_t width;
    uint32_t flow;          /* sub-queue */
    uint32_t delayed;
} ray_queued;

enum ray_sla_breach { RAY_BREACH_ERRORS = 1, RAY_BREACH_LATENCY = 2 };

typedef struct ray_sla_stats {
    uint64_t outcome_count;  /* since it was defined; a missed deadline is one, failed and slow */
    uint64_t failed_count;
    uint64_t slow_count;     /* later than p95_latency_ns */
    uint64_t missed_count;   /* deadlines */
    uint64_t minute_count;   /* closed minutes with an outcome */
    uint64_t breach_count;   /* of them, those that broke a promise */
    uint64_t errors_breach_count;
    uint64_t latency_breach_count;
    uint64_t minute;         /* running one: since instant 0 of now_ns */
    uint32_t running_count;
    uint32_t running_failed_count;
    uint32_t running_slow_count;
    uint32_t last_count;     /* the last closed minute that had an outcome */
    uint32_t last_failed_count;
    uint32_t last_slow_count;
    uint32_t last_breach;    /* bits of enum ray_sla_breach */
    uint32_t reserved;
} ray_sla_stats;

/* A minute that broke its promise. */
typedef struct ray_sla_alert {
    uint64_t id;      /* 1, 2, 3 ... without a gap; the last RAY_SLA_ALERT_MAX are kept */
    uint64_t minute;
    uint32_t service; /* RAY_NONE: gone since */
    uint32_t breach;  /* bits of enum ray_sla_breach */
    uint32_t outcome_count;
    uint32_t failed_count;
    uint32_t slow_count;
    uint32_t acknowledged;
} ray_sla_alert;

void ray_priority_read(const ray_priority *priority, ray_priority_stats *out);
/* R of the starvation law: ceil(sum of weights * 100 / (100 - cap)). */
uint32_t ray_priority_bound(const ray_priority *priority);
void ray_priority_spec_read(const ray_priority *priority, ray_queue_spec *out);
ray_status ray_priority_class_read(const ray_priority *priority, uint32_t priority_class,
                                   ray_class_stats *out);
/* Of a service; RAY_E_UNKNOWN past the table. */
ray_status ray_priority_queue_read(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                                   ray_queue_stats *out);
/* 0, or the first class that was passed by more often than the law allows, plus one. */
uint32_t ray_priority_fairness(const ray_priority *priority);
ray_status ray_priority_entry_read(const ray_priority *priority, uint32_t entry, ray_queued *out);
/* Entries by place from 0: RAY_OK, RAY_E_UNKNOWN for a free place, RAY_E_RANGE past the last. */
ray_status ray_priority_at(const ray_priority *priority, uint32_t place, uint32_t *entry);
/* An entry of this service, whichever; RAY_E_UNKNOWN when it has none. */
ray_status ray_priority_first_of(const ray_priority *priority, uint32_t service, uint32_t *entry);
/* An entry of this service (RAY_NONE: of any) whose deadline is at or before now_ns. */
ray_status ray_priority_overdue(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                                uint32_t *entry);
ray_status ray_priority_sla_spec_read(const ray_priority *priority, uint32_t service,
                                      ray_sla_spec *out);
/* Minutes that ended are closed in the answer, not in the state. */
ray_status ray_priority_sla_read(const ray_priority *priority, uint64_t now_ns, uint32_t service,
                                 ray_sla_stats *out);
/* By id; RAY_E_UNKNOWN for one not raised yet, RAY_E_STALE for one overwritten. A minute is closed,
 * and raised, by the next outcome after it. */
ray_status ray_priority_alert_read(const ray_priority *priority, uint64_t id, ray_sla_alert *out);
ray_status ray_priority_alert_acknowledge(ray_priority *priority, uint64_t id);

/* Max-min fair division of `capacity` whole units: nobody gets more than demanded, and what is left
 * is split evenly among those who still want more; what does not divide goes to the first places.
 * O(count^2). */
void ray_priority_divide(const uint64_t *demand, uint32_t count, uint64_t capacity,
                         uint64_t *share);

/* Every queue that was ever used or says something itself, by place; then every SLA: fixed columns,
 * the same bytes for the same state. RAY_E_TRUNCATED when `text` was too small. */
ray_status ray_priority_export_csv(const ray_priority *priority, uint64_t now_ns, ray_text *text);
ray_status ray_priority_export_json(const ray_priority *priority, uint64_t now_ns, ray_text *text);

/* 0 when every law holds, else the number of one that does not; kernel/priority/valid.c lists
 * them. */
uint32_t ray_priority_valid(const ray_priority *priority);

#endif
