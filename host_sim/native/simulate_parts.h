/* SPDX-License-Identifier: MIT */
#ifndef RAY_SIMULATE_PARTS_H
#define RAY_SIMULATE_PARTS_H
#include "ray/transform.h"
#include "simulate.h"

/* simulate_parts: what the files of the simulation share. A job is a request in its client's eyes,
 * from its first try to its last word; a work is one attempt in an upstream's hands, which may
 * outlive the job's interest in it. */
enum { NOBODY = 0xffffffff, SLOT_MASK = 0xffff /* of a handle: its place */ };

/* -- the agenda: a heap of what happens when -- */
typedef struct sim_entry {
    uint64_t at_ns;
    uint64_t turn;           /* when it was planned: decides between equal instants */
    uint32_t who;
    uint32_t reserved;
} sim_entry;

typedef struct sim_agenda {
    sim_entry *entry;
    uint32_t *place;         /* by who: its place in entry, from 1; 0: not planned */
    uint32_t count;
    uint32_t capacity;       /* of place, and so of entry */
} sim_agenda;

uint32_t sim_agenda_room(sim_agenda *agenda, uint32_t capacity); /* 0: no memory */
void sim_agenda_set(sim_agenda *agenda, uint32_t who, uint64_t at_ns, uint64_t turn);
void sim_agenda_drop(sim_agenda *agenda, uint32_t who);

/* -- jobs and works -- */
enum sim_phase {
    SIM_FREE = 0,            /* or new */
    SIM_THINKS = 1,          /* a closed loop's client between requests */
    SIM_AGAIN = 2,           /* its client will try again */
    SIM_QUEUED = 3,          /* waits in the core's queue */
    SIM_STARTS = 4,          /* told to start later */
    SIM_SENT = 5,            /* an attempt is under way */
    SIM_RETRIES = 6,         /* the core will let it be sent again */
    SIM_TOLD = 7,            /* it ended in the core; its client hears of it now */
    SIM_ANSWERED = 8,        /* refused or overloaded at once: the gateway hears of it now */
    SIM_LOST = 9             /* given up without a word: the core ends it by its own clock */
};

typedef struct sim_job {
    uint64_t id;             /* in the core: serial << 24 | place */
    uint64_t first_ns;       /* its first try */
    uint64_t give_up_ns;     /* the attempt's time is over */
    uint64_t leave_ns;       /* its client's patience is over, RAY_NEVER */
    uint64_t start_ns;       /* SIM_QUEUED, SIM_STARTS, SIM_RETRIES: not before */
    uint64_t due_ns;         /* SIM_QUEUED: the core drops it then */
    uint64_t sent_ns;
    uint64_t user;
    uint64_t decision;       /* of its admission */
    uint64_t retry_after_ns; /* SIM_TOLD */
    uint64_t timeout_ns;     /* SIM_STARTS: of the attempt */
    uint64_t response_bytes; /* of a good answer */
    uint32_t source;
    uint32_t path;
    uint32_t tally[3];       /* its counters: its group's, its class's, its service's */
    uint32_t upstream;
    uint32_t service;
    uint32_t work;
    uint32_t tries;
    uint32_t next;           /* free list, or the chain of its decision */
    uint32_t told;           /* who is told after it */
    uint16_t http_status;    /* SIM_TOLD, SIM_ANSWERED */
    uint8_t phase;
    uint8_t client;          /* 1: of a closed loop, thinks on when it ends */
    uint8_t registered;      /* 1: in the chain of its decision */
    uint8_t ended;           /* SIM_TOLD: enum sim_end */
    uint8_t listed;          /* 1: among those who are told */
    uint8_t reserved[1];
} sim_job;

enum sim_end { SIM_END_OK, SIM_END_DENIED, SIM_END_DROPPED, SIM_END_FAILED, SIM_END_EXPIRED,
               SIM_END_CANCELLED };

typedef struct sim_work {
    uint64_t job_id;
    uint64_t began_ns;       /* when it was sent */
    uint32_t job;
    uint32_t upstream;
    uint32_t next;           /* free list, an upstream's line, or its hung ones */
    uint16_t http_status;
    uint8_t hung;
    uint8_t reserved;
} sim_work;

typedef struct sim_upstream {
    ray_simulate_upstream spec;
    uint32_t busy;
    uint32_t waiting;
    uint32_t first;          /* of its line */
    uint32_t last;
    uint32_t hung;           /* first of those that wait for its recovery */
    uint32_t trouble;        /* enum ray_simulate_event_kind, RECOVER: none */
    uint64_t slow_ppm;
    uint32_t tally;
    uint32_t reserved;
} sim_upstream;

typedef struct sim_source {
    ray_simulate_source spec;
    uint8_t *bytes;          /* a copy, the user's number is written into it */
    uint64_t share_sum;
    uint64_t begun_ns;       /* EVEN: since when the rate holds */
    uint64_t made;           /* EVEN: arrivals since then */
    uint64_t gap_q16;        /* POISSON: mean gap in 2^-16 ns */
    ray_simulate_path *paths;
    ray_reader_block log;    /* LOG: rows that were read and are not asked yet */
    uint64_t log_first_ns;   /* of its first row */
    uint32_t *home;          /* followed: by user, 1 + where its first attempt went */
    uint32_t log_next;
    uint32_t log_begun;
    uint32_t hungry;         /* 1: its reader wants input */
    uint32_t reserved;
} sim_source;

typedef struct sim_pool {
    uint32_t free;
    uint32_t used;
    uint32_t capacity;
    uint32_t count;
} sim_pool;

struct ray_simulation {
    uint64_t now_ns;
    uint64_t end_ns;
    uint64_t begin_ns;
    uint64_t turn;
    uint64_t serial;
    uint64_t skew_ns;        /* what the gateway's clock is ahead, modulo 2^64 */
    uint64_t audit_seen;
    uint64_t change_seen;    /* of breakers */
    struct ray *ray;
    sim_source *sources;
    sim_upstream *upstreams;
    ray_simulate_event *events;
    uint64_t *service_timeout_ns;
    uint32_t *by_instance;   /* upstream by slot of lb's handle */
    uint32_t *by_service;
    uint32_t *waiting;       /* by service: jobs in the core's queue */
    const uint32_t *wave;
    const uint64_t *exponential;
    sim_job *jobs;
    sim_work *works;
    uint32_t *chain;         /* jobs by decision */
    sim_agenda source_agenda;
    sim_agenda job_agenda;
    sim_agenda work_agenda;
    sim_pool job_pool;
    sim_pool work_pool;
    ray_simulate_count *counts;
    uint64_t *histograms;    /* two of each counter: latencies, waits */
    ray_simulate_bucket *buckets;
    ray_simulate_bucket *bucket; /* of now */
    ray_simulate_change *changes;
    ray_columns *columns;
    uint64_t bucket_end_ns;
    uint64_t waiting_count;
    uint32_t told_first;     /* jobs whose client or gateway hears of something now */
    uint32_t told_last;
    uint8_t *scratch;
    uint8_t *record_bytes;
    ray_row *record_rows;
    uint64_t record_length;
    uint64_t record_capacity; /* of record_bytes */
    uint32_t record_room;     /* of record_rows */
    uint32_t record_count;
    uint32_t record_taken;
    uint32_t record;
    uint32_t source_count;
    uint32_t upstream_count;
    uint32_t event_count;
    uint32_t event_next;
    uint32_t service_count;
    uint32_t count_count;
    uint32_t default_class;
    uint32_t silent;
    uint32_t breakers;
    uint32_t change_count;
    uint32_t settled;
    uint32_t failed;         /* memory */
    uint32_t hungry;         /* sources whose reader wants input */
    ray_row row;             /* of DISPATCH, COMPLETE, CANCEL, TICK */
    ray_answer answer;
    ray_simulate_stats stats;
};

/* -- drawing (simulate_draw.c) -- */
uint64_t sim_below(ray_simulate_stream *stream, uint64_t bound); /* 0 to bound - 1 */
/* Ones in 2^-32 at the 64 bits `number`. */
uint64_t sim_quantile(const uint64_t *table, uint64_t number);
uint64_t sim_mul_shift(uint64_t a, uint64_t b, uint32_t shift);  /* a b / 2^shift, at most 2^63 */

/* -- pools (simulate_agenda.c) -- */
uint32_t sim_job_take(ray_simulation *sim);      /* NOBODY: no memory */
void sim_job_free(ray_simulation *sim, uint32_t job);
uint32_t sim_work_take(ray_simulation *sim);
void sim_work_free(ray_simulation *sim, uint32_t work);
void sim_plan_job(ray_simulation *sim, uint32_t job, uint64_t at_ns);
/* It happens next, when what happens now is over: nothing calls itself. */
void sim_tell(ray_simulation *sim, uint32_t job);
uint32_t sim_told(ray_simulation *sim);          /* the next of them, or NOBODY */

/* -- counting (simulate_tally.c) -- */
#define SIM_COUNT(sim, job, field) \
    do { \
        (sim)->counts[(job)->tally[0]].field++; \
        (sim)->counts[(job)->tally[1]].field++; \
        (sim)->counts[(job)->tally[2]].field++; \
    } while (0)
/* Whose counters a job moves from now on. */
void sim_tally_job(const ray_simulation *sim, sim_job *job, uint32_t priority);
ray_simulate_count *sim_group(ray_simulation *sim, const sim_job *job);
void sim_note_latency(ray_simulation *sim, const sim_job *job, uint64_t ns);
void sim_note_wait(ray_simulation *sim, const sim_job *job, uint64_t ns);
void sim_note_instance(ray_simulation *sim, uint32_t tally, uint64_t ns);
void sim_note_no(ray_simulation *sim, uint32_t reason, const ray_answer *answer);
void sim_note_charge(ray_simulation *sim, const sim_job *job, const ray_answer *answer,
                     uint64_t bytes);
void sim_hear_breakers(ray_simulation *sim);
void sim_bucket_at(ray_simulation *sim, uint64_t now_ns);
uint32_t sim_tally_open(ray_simulation *sim);

/* -- recording (simulate_record.c) -- */
void sim_record(ray_simulation *sim, const ray_row *row, const uint8_t *bytes);
/* An admission and its answer for the columns. */
void sim_gather(ray_simulation *sim, const sim_job *job, const ray_row *row, const uint8_t *bytes,
                const ray_answer *answer);

/* -- the core (simulate_gate.c) -- */
void sim_admit(ray_simulation *sim, uint32_t job);
void sim_again(ray_simulation *sim, uint32_t job);
void sim_complete(ray_simulation *sim, uint32_t job, uint32_t http_status, uint32_t outcome);
void sim_give_up(ray_simulation *sim, uint32_t job);
void sim_cancel(ray_simulation *sim, uint32_t job);
void sim_look(ray_simulation *sim, uint32_t job);
void sim_start(ray_simulation *sim, uint32_t job);
void sim_tick(ray_simulation *sim);
void sim_settle(ray_simulation *sim);

/* -- upstreams (simulate_upstream.c) -- */
void sim_send(ray_simulation *sim, uint32_t job, uint32_t upstream);
void sim_finish(ray_simulation *sim, uint32_t work);
void sim_trouble(ray_simulation *sim, const ray_simulate_event *event);

/* -- clients (simulate_source.c) -- */
uint32_t sim_sources_open(ray_simulation *sim, const ray_simulate_spec *spec);
void sim_arrive(ray_simulation *sim, uint32_t source);
void sim_rate(ray_simulation *sim, const ray_simulate_event *event);
void sim_try(ray_simulation *sim, uint32_t job);
/* Its client hears how a try ended: tries again, thinks, or is gone. */
void sim_hear(ray_simulation *sim, uint32_t job);
void sim_plan_source(ray_simulation *sim, uint32_t source);
uint32_t sim_hungry(ray_simulation *sim);
/* The row that a job asks with, and the bytes it points into. */
ray_row sim_row(ray_simulation *sim, const sim_job *job, const uint8_t **bytes, uint64_t *length);

#endif
