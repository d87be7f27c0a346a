/* SPDX-License-Identifier: MIT */
#ifndef RAY_SIMULATE_H
#define RAY_SIMULATE_H
#include <stdint.h>
#include "ray/ray.h"
#include "columns.h"
#include "reader.h"

/* simulate: clients ask, the real core decides, upstreams work: a discrete-event simulation.
 *
 * Everything happens at an instant in nanoseconds, in the order (instant, when it was planned), and
 * everything random comes from one xoshiro256** stream for each thing that is drawn, so a
 * simulation is its specification and its seeds. The core is told by rows alone (ADMIT, DISPATCH,
 * COMPLETE, CANCEL, TICK), which can be recorded as they go. Memory is what is in flight; time in
 * which nothing happens costs nothing.
 */
typedef struct ray_simulation ray_simulation;

enum ray_simulate_constant {
    RAY_SIMULATE_SOURCE_MAX = 256,
    RAY_SIMULATE_UPSTREAM_MAX = 512,
    RAY_SIMULATE_CLIENT_MAX = 1000000,   /* of closed loops, all together */
    RAY_SIMULATE_JOB_MAX = 4000000,      /* requests that have not ended for their clients */
    RAY_SIMULATE_SUB_BITS = 6,           /* of a table: intervals an octave, as a power of two */
    RAY_SIMULATE_OCTAVE_MAX = 32,
    RAY_SIMULATE_TABLE = 4098,           /* two halves of 32 octaves of 64 intervals, and an end */
    RAY_SIMULATE_WAVE = 1024,            /* points of a day */
    RAY_SIMULATE_BUCKET_MAX = 240,       /* of the timeline */
    RAY_SIMULATE_FINE_BITS = 5,          /* of a histogram: buckets an octave */
    RAY_SIMULATE_FINE = 1376,            /* buckets, up to 2^47 ns, the last holds all above */
    RAY_SIMULATE_RULE_MAX = 64,
    RAY_SIMULATE_REASON_MAX = 1152,      /* above every code of enum ray_reason */
    RAY_SIMULATE_CHANGE_MAX = 512,       /* of breakers, kept one by one; all are counted */
    RAY_SIMULATE_FOLLOWED_MAX = 1000000, /* users of a source that is followed */
    RAY_SIMULATE_RECORD_ROWS = 4096      /* recorded before they are to be taken */
};

/* -- what is random -- */
typedef struct ray_simulate_stream {
    uint64_t word[4];                    /* the state of xoshiro256**; not all 0 */
} ray_simulate_stream;

enum ray_simulate_kind {
    RAY_SIMULATE_CONSTANT = 0,           /* low_ns */
    RAY_SIMULATE_UNIFORM = 1,            /* low_ns to high_ns */
    RAY_SIMULATE_TABLED = 2              /* low_ns times what the table says */
};

/* How long something takes. A table has quantiles in units of 2^-32: the first half at p = 2^-33
 * (1 + i / 64) 2^octave up to 1/2, the second at 1 - p. */
typedef struct ray_simulate_time {
    const uint64_t *table;               /* RAY_SIMULATE_TABLE places; outlives the simulation */
    uint64_t low_ns;
    uint64_t high_ns;
    uint32_t kind;                       /* enum ray_simulate_kind */
    uint32_t reserved;
} ray_simulate_time;

uint64_t ray_simulate_draw(ray_simulate_stream *stream);
/* A duration for the 64 bits `number`. */
uint64_t ray_simulate_time_at(const ray_simulate_time *time, uint64_t number);

/* -- who asks -- */
enum ray_simulate_arrivals {
    RAY_SIMULATE_POISSON = 0,            /* rate_count in rate_ns, at random */
    RAY_SIMULATE_EVEN = 1,               /* the same at equal distances */
    RAY_SIMULATE_BURSTS = 2,             /* rate_count at once, each rate_ns */
    RAY_SIMULATE_DIURNAL = 3,            /* Poisson between low_mhz and high_mhz, period rate_ns */
    RAY_SIMULATE_CLOSED = 4,             /* rate_count clients, each thinks between its requests */
    RAY_SIMULATE_LOG = 5                 /* a log's requests at its times, rate_count in rate_ns */
};

/* What a client does with a no that may become a yes: 429, 5xx, or no answer at all. */
enum ray_simulate_again {
    RAY_SIMULATE_GIVE_UP = 0,
    RAY_SIMULATE_HONOUR = 1,             /* after Retry-After, which is in whole seconds; after
                                            delay_ns where there is none */
    RAY_SIMULATE_FIXED = 2,              /* after delay_ns, whatever it was told */
    RAY_SIMULATE_BACK_OFF = 3            /* anywhere up to delay_ns 2^n, at most longest_ns */
};

/* One request that a source makes, `share` of all its shares. Its row says what it is; bytes at
 * user_at are replaced by the user's. */
typedef struct ray_simulate_path {
    ray_row row;
    uint64_t share;
    uint64_t response_bytes;
} ray_simulate_path;

typedef struct ray_simulate_source {
    const ray_simulate_path *paths;
    const uint8_t *bytes;                /* that their rows point into; then room for the user */
    ray_reader *reader;                  /* LOG: borrowed; outlives the simulation */
    ray_simulate_time think;
    ray_simulate_stream arrivals;
    ray_simulate_stream mix;             /* paths and users */
    ray_simulate_stream again;
    uint64_t rate_count;
    uint64_t rate_ns;
    uint64_t low_mhz;                    /* thousandths of a request a second */
    uint64_t high_mhz;
    uint64_t from_ns;                    /* instants between which it asks */
    uint64_t until_ns;
    uint64_t delay_ns;
    uint64_t longest_ns;                 /* a longer Retry-After is not waited for */
    uint64_t patience_ns;                /* the client goes away after it, 0: never */
    uint64_t user_count;                 /* at least 1 */
    uint32_t path_count;
    uint32_t bytes_length;
    uint32_t user_at;                    /* where a user's decimal number goes, in bytes */
    uint32_t user_prefix;                /* bytes of the user before its number, from user_at */
    uint32_t numbered;                   /* 1: a user's name ends in its number, from 1 */
    uint32_t addressed;                  /* 1: a user's number, from 0, is added to its address */
    uint32_t kind;                       /* enum ray_simulate_arrivals */
    uint32_t again_kind;                 /* enum ray_simulate_again */
    uint32_t tries;                      /* of one request, the first included */
    uint32_t followed;                   /* 1: moved_count is counted, which takes 4 bytes a user */
} ray_simulate_source;

/* -- who serves -- */
typedef struct ray_simulate_upstream {
    ray_simulate_time time;
    ray_simulate_stream times;
    ray_simulate_stream faults;
    uint32_t instance;                   /* lb's handle, RAY_NONE: a service without a pool */
    uint32_t service;                    /* when instance is RAY_NONE; RAY_NONE: not there yet */
    uint32_t concurrent;                 /* requests it works on at once */
    uint32_t queue;                      /* that wait inside it; 503 beyond */
    uint32_t error_ppm;
    uint32_t refuse_ppm;
    uint32_t error_status;
    uint32_t reserved;
} ray_simulate_upstream;

/* -- what happens to them -- */
enum ray_simulate_event_kind {
    RAY_SIMULATE_STOP = 0,               /* the caller does something: see run */
    RAY_SIMULATE_RECOVER = 1,            /* target: an upstream */
    RAY_SIMULATE_FAIL = 2,               /* it answers error_status */
    RAY_SIMULATE_REFUSE = 3,             /* no connection */
    RAY_SIMULATE_HANG = 4,               /* what it begins ends when it recovers */
    RAY_SIMULATE_SLOW = 5,               /* argument: times as long, in ppm */
    RAY_SIMULATE_RATE = 6,               /* target: a source; argument and other: its new rate */
    RAY_SIMULATE_CLOCK = 7               /* argument: signed ns the gateway's clock jumps */
};

typedef struct ray_simulate_event {
    uint64_t at_ns;
    uint64_t argument;
    uint64_t other;
    uint32_t kind;
    uint32_t target;
} ray_simulate_event;

typedef struct ray_simulate_spec {
    const ray_simulate_source *sources;      /* all of it is copied but bytes and tables */
    const ray_simulate_upstream *upstreams;
    const ray_simulate_event *events;        /* in the order of their instants */
    const uint64_t *service_timeout_ns;      /* by service handle */
    const uint64_t *exponential;             /* a table of mean 1, for arrivals */
    const uint32_t *wave;                    /* RAY_SIMULATE_WAVE points of a day, 2^32 - 1: high */
    ray_columns *columns;                    /* NULL, or borrowed: takes every admission's answer */
    uint64_t begin_ns;
    uint64_t end_ns;                         /* nothing new arrives from here on */
    uint32_t source_count;
    uint32_t upstream_count;
    uint32_t event_count;
    uint32_t service_count;
    uint32_t default_class;
    uint32_t record;                         /* 1: rows are kept until they are taken */
    uint32_t silent;                         /* 1: no attempt that was given up is reported */
    uint32_t breakers;                       /* 1: there are some, to be listened to */
} ray_simulate_spec;

enum ray_simulate_state {
    RAY_SIMULATE_MORE = 0,               /* call again; a moment for signals and progress */
    RAY_SIMULATE_STOPPED = 1,            /* at the STOP event that ray_simulate_stats names */
    RAY_SIMULATE_RECORD = 2,             /* recorded rows have gathered: take them */
    RAY_SIMULATE_DONE = 3,
    RAY_SIMULATE_MEMORY = 4,
    RAY_SIMULATE_INPUT = 5               /* feed or end the reader of source stats.stop */
};

/* -- what came of it -- */
/* Of a group of clients, a class, a service or an instance. A request is tried once or more by its
 * client; each try is one ADMIT. Instances count attempts: sent, ok, failed, timeouts, moved. */
typedef struct ray_simulate_count {
    uint64_t request_count;              /* groups only */
    uint64_t offered_count;              /* tries */
    uint64_t allowed_count;              /* admitted, and sent or queued */
    uint64_t delayed_count;              /* of these: told to start later */
    uint64_t queued_count;               /* of these: had to wait in a queue */
    uint64_t denied_count;
    uint64_t dropped_count;              /* left without having been sent */
    uint64_t sent_count;                 /* attempts that went to an instance */
    uint64_t retried_count;              /* attempts the gateway made once more */
    uint64_t timeout_count;              /* attempts the gateway gave up */
    uint64_t expired_count;              /* ended by the core's own deadline */
    uint64_t cancelled_count;            /* their client went away */
    uint64_t cached_count;               /* of the good ones: by a stored answer */
    uint64_t ok_count;
    uint64_t failed_count;               /* sent, and ended badly */
    uint64_t again_count;                /* tries that followed a no */
    uint64_t gave_up_count;              /* requests that never got a good answer */
    uint64_t moved_count;                /* attempts elsewhere than their user's first went */
    uint64_t opened_count;               /* services: their breaker, from closed */
    uint64_t reopened_count;             /* from half-open */
    uint64_t closed_count;
    uint64_t response_bytes;
    uint64_t latency_ns_sum;             /* good ones: first try to answer; instances: their own */
    uint64_t latency_ns_max;
    uint64_t wait_count;                 /* sent after a wait */
    uint64_t wait_ns_sum;
    uint64_t wait_ns_max;
    int64_t cost_nano;
} ray_simulate_count;

typedef struct ray_simulate_bucket {
    uint64_t offered_count;
    uint64_t allowed_count;
    uint64_t denied_count;
    uint64_t dropped_count;
    uint64_t ok_count;
    uint64_t failed_count;
    uint64_t sent_count;
    uint64_t waiting_count_max;          /* in the gateway's queues */
} ray_simulate_bucket;

/* A breaker changed its state. */
typedef struct ray_simulate_change {
    uint64_t at_ns;
    uint32_t service;                    /* handle */
    uint8_t from;                        /* enum ray_breaker_state */
    uint8_t to;
    uint8_t cause;                       /* enum ray_breaker_cause */
    uint8_t reserved;
} ray_simulate_change;

typedef struct ray_simulate_rule {
    uint64_t denied_count;
    uint64_t retry_after_ns_max;         /* RAY_NEVER left out */
    uint32_t by_kind;
    uint32_t by_id;
} ray_simulate_rule;

typedef struct ray_simulate_stats {
    uint64_t now_ns;
    uint64_t row_count;
    uint64_t event_count;
    uint64_t error_count;                /* rows the core refused */
    uint64_t unplaced_count;             /* attempts to an instance nobody described */
    uint64_t job_count_max;
    uint64_t job_count;                  /* now */
    uint64_t work_count;                 /* in hand at upstreams */
    uint64_t bucket_ns;
    uint32_t stop;                       /* the STOP event, or the source that wants INPUT */
    uint32_t rule_count;
    ray_simulate_rule rule[RAY_SIMULATE_RULE_MAX];
    uint64_t reason_count[RAY_SIMULATE_REASON_MAX]; /* of denials and drops */
} ray_simulate_stats;

/* NULL when memory is out or a number is out of its range. */
ray_simulation *ray_simulate_open(const ray_simulate_spec *spec);
void ray_simulate_close(ray_simulation *simulation);

/* Steps `ray`, which must be configured and at an instant not after begin_ns, until something is
 * to be done: enum ray_simulate_state. Before STOPPED a TICK has brought it to that instant. */
uint32_t ray_simulate_run(ray_simulation *simulation, struct ray *ray);
/* Nothing new arrives from now on; what is in flight still ends. */
void ray_simulate_end(ray_simulation *simulation);

/* From now on `upstream` is the instance of this handle (or of this service; RAY_NONE: of none). */
void ray_simulate_bind(ray_simulation *simulation, uint32_t upstream, uint32_t instance,
                       uint32_t service);

/* Writes the next of the recorded rows as a payload of the link (u32 rows, u32 bytes, the rows, the
 * bytes), as many as `capacity` takes; its length, 0 when there are no more. */
uint64_t ray_simulate_take(ray_simulation *simulation, uint8_t *payload, uint64_t capacity,
                           uint32_t rows_max);

/* Counters of groups, then of the classes, services and upstreams, in the order of the spec. */
const ray_simulate_count *ray_simulate_counts(const ray_simulation *simulation, uint32_t *count);
/* RAY_SIMULATE_FINE buckets of a counter's latencies, or waits (1), for its place in counts. */
const uint64_t *ray_simulate_histogram(const ray_simulation *simulation, uint32_t at,
                                       uint32_t waits);
uint64_t ray_simulate_bucket_low(uint32_t bucket);
const ray_simulate_bucket *ray_simulate_buckets(const ray_simulation *simulation);
/* The first changes of breakers, in order; *count is how many are here. */
const ray_simulate_change *ray_simulate_changes(const ray_simulation *simulation, uint32_t *count);
void ray_simulate_read(const ray_simulation *simulation, ray_simulate_stats *out);

#endif
