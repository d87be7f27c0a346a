/* SPDX-License-Identifier: MIT */
#ifndef RAY_REPLAY_H
#define RAY_REPLAY_H
#include <stdint.h>
#include "ray/ray.h"
#include "columns.h"
#include "reader.h"

/* replay: a log's rows put in time order, stepped through a core in batches, and what came of them.
 *
 * Two stages, each bounded in memory: order (a window of rows, sorted) and tally (totals, and the
 * decision text). Each row is an EXCHANGE: the core itself knows when a request with a duration
 * ends. The last row is a SETTLE, which lets everything in flight end. The core is
 * either stepped here (ray_replay_run) or elsewhere, over the machine link (ray_replay_next and
 * ray_replay_take); the stream of rows is the same, and does not depend on the answers.
 */
typedef struct ray_replay ray_replay;

enum ray_replay_constant {
    RAY_REPLAY_KEY_MAX = 1048576,  /* clients, or users, that are told apart in the totals */
    RAY_REPLAY_SLOT_MAX = 8,       /* batches on their way */
    RAY_REPLAY_ROWS_MAX = 1024,    /* rows of one batch */
    RAY_REPLAY_SOURCE_MAX = 256,   /* logs that are read at once */
    RAY_REPLAY_REASON_MAX = 1152   /* above every code of enum ray_reason */
};

enum ray_replay_order {
    RAY_REPLAY_SORT = 0,  /* stable, within a window of rows */
    RAY_REPLAY_CLAMP = 1, /* a row that steps back happens when the one before it did */
    RAY_REPLAY_REJECT = 2 /* a row that steps back is left out */
};

/* What becomes of rows that share a unit of a clock too coarse to tell them apart. */
enum ray_replay_spread_how {
    RAY_REPLAY_SPREAD_NONE = 0,   /* they happen at once */
    RAY_REPLAY_SPREAD_EVEN = 1,   /* evenly over the unit, the first at its begin */
    RAY_REPLAY_SPREAD_POISSON = 2 /* as a Poisson process would, given how many they are */
};

enum ray_replay_state {
    RAY_REPLAY_INPUT = 0,  /* wants bytes: feed the reader of ray_replay_wants, or end it */
    RAY_REPLAY_OUTPUT = 1, /* decision text has gathered: take it */
    RAY_REPLAY_MORE = 2,   /* call again; a moment for signals and progress */
    RAY_REPLAY_BATCH = 3,  /* next: a batch was handed out */
    RAY_REPLAY_WAIT = 4,   /* next: answers must be taken first */
    RAY_REPLAY_DONE = 5,
    RAY_REPLAY_MEMORY = 6, /* out of memory, or a window past 4 GiB of text */
    RAY_REPLAY_REFUSED = 7, /* the core refused a whole batch */
    RAY_REPLAY_HERE = 8     /* run: the next row is the one that is watched for */
};

/* One of several logs. */
typedef struct ray_replay_input {
    ray_reader *reader; /* borrowed; must outlive the replay */
    uint64_t unit_ns;   /* of its clock, for the spread; 0: its rows are left where they are */
} ray_replay_input;

typedef struct ray_replay_spec {
    ray_reader *reader; /* borrowed; must outlive the replay; not read where there are inputs */
    const ray_replay_input *inputs; /* copied: logs that are merged by time, ties in their order */
    const struct ray
        *names;        /* borrowed: who limits and services are; may be the state that is stepped */
    uint64_t hash_key; /* of the key totals: any number an attacker cannot guess */
    uint32_t order;    /* enum ray_replay_order */
    uint32_t window_rows; /* SORT: how late a row may come; 0: no bound, the whole log is held */
    uint32_t batch_rows;  /* 1..RAY_REPLAY_ROWS_MAX */
    uint32_t batch_bytes; /* of a batch as a link payload, at least RAY_READER_ROW_BYTES + 4096 */
    uint32_t decisions;   /* 1: write decision text */
    uint32_t input_count; /* 0: `reader` alone, nothing spread; at most RAY_REPLAY_SOURCE_MAX */
    uint64_t spread_seed; /* POISSON: the same seed and log give the same times */
    uint32_t spread;      /* enum ray_replay_spread_how */
    uint32_t notes;       /* 1: keep what a comparison needs of every answer, see compare.h */
    ray_columns *columns; /* borrowed, may be NULL: every decision goes there as well */
} ray_replay_spec;

typedef struct ray_replay_stats {
    uint64_t request_count;
    uint64_t verdict_count[16];  /* by enum ray_verdict, of requests */
    uint64_t error_count;        /* rows the core refused; the totals leave them out */
    uint64_t would_deny_count;   /* requests that a shadow limit or quota would have denied */
    uint64_t stepped_back_count; /* rows whose time is before the row's above them */
    uint64_t moved_count;        /* CLAMP: rows whose time was raised */
    uint64_t rejected_count;     /* REJECT: rows left out */
    uint64_t late_count;         /* SORT: rows too late for the window; their time was raised */
    uint64_t dropped_count;      /* rows read but not replayed, because the replay was stopped */
    uint64_t queued_count;       /* requests that were admitted and had to wait */
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t client_count;
    uint64_t user_count;
    uint64_t hurt_client_count; /* that were denied at least once */
    uint64_t hurt_user_count;
    uint64_t folded_client_count; /* requests of clients past RAY_REPLAY_KEY_MAX */
    uint64_t folded_user_count;
    uint64_t shared_count; /* rows at the same instant as another of their log, before a spread */
    uint64_t instant_rows_max; /* most of them at one instant */
    uint64_t spread_count;     /* rows whose time a spread chose */
    uint64_t reason_count[RAY_REPLAY_REASON_MAX];
} ray_replay_stats;

/* Where a first denial stands: its instant, its decision's number, the rule and the reason. */
typedef struct ray_replay_first {
    uint64_t at_ns; /* 0 and the rest too: there was none */
    uint64_t seq;
    uint32_t by_id;
    uint16_t by_kind;
    uint16_t reason;
} ray_replay_first;

/* What one rule did: a limit, a quota, a route. */
typedef struct ray_replay_rule {
    ray_name name;
    ray_replay_first first;       /* its first denial */
    ray_replay_first first_would; /* the first it would have made in shadow mode */
    uint64_t denied_count;
    uint64_t would_deny_count;
    uint64_t retry_after_ns_max; /* of its denials, RAY_NEVER left out */
    uint64_t never_count;        /* denials that no wait helps */
    uint32_t by_kind;
    uint32_t by_id;
} ray_replay_rule;

typedef struct ray_replay_service {
    ray_name name; /* empty: no service was found */
    uint64_t request_count;
    uint64_t allowed_count;
    uint64_t denied_count;
    uint64_t delayed_count;
    uint64_t response_bytes; /* of allowed and delayed requests, as the log says */
    uint32_t service;
    uint32_t reserved;
} ray_replay_service;

/* Whom requests counted for; `tenant` RAY_NONE: nobody in particular. */
typedef struct ray_replay_tenant {
    ray_replay_first first;
    uint64_t request_count;
    uint64_t allowed_count;
    uint64_t denied_count;
    uint64_t delayed_count;
    uint64_t would_deny_count;
    uint32_t tenant;
    uint32_t reserved;
} ray_replay_tenant;

/* A client or a user. An address has length 16 and `address` 1; a name points into the replay's
 * memory. */
typedef struct ray_replay_key {
    const uint8_t *name;
    ray_replay_first first;
    uint64_t request_count;
    uint64_t denied_count;
    uint64_t delayed_count;
    uint64_t would_deny_count;
    uint32_t length;
    uint32_t address;
} ray_replay_key;

/* NULL when memory is out or a number is out of its range. */
ray_replay *ray_replay_open(const ray_replay_spec *spec);
void ray_replay_close(ray_replay *replay);

/* Steps `ray` through what can be read. Returns enum ray_replay_state; never BATCH or WAIT. */
uint32_t ray_replay_run(ray_replay *replay, struct ray *ray);

/* Hands out the next batch as a payload for the link: u32 row count, u32 bytes length, rows, bytes.
 * At most RAY_REPLAY_SLOT_MAX are out at once. Returns enum ray_replay_state; never MORE or
 * REFUSED. DONE may come while answers are still to be taken. */
uint32_t ray_replay_next(ray_replay *replay, const uint8_t **payload, uint64_t *length);
/* The answers to the oldest batch that is out. RAY_E_ARGUMENT when `count` is not its number of
 * rows. */
ray_status ray_replay_take(ray_replay *replay, const ray_answer *answers, uint32_t count);

/* After INPUT: which input needs bytes. */
uint32_t ray_replay_wants(const ray_replay *replay);
/* Makes run stop before the row with this running number, from 1, is stepped; 0: before none. What
 * is stepped, and in which order, stays the same. */
void ray_replay_watch(ray_replay *replay, uint64_t position);
/* After HERE: the row as it will be stepped, and its line. Valid until the next run. */
void ray_replay_here(const ray_replay *replay, ray_rows *rows, uint64_t *line);

/* Reads no more rows; what is in flight is still completed. */
void ray_replay_stop(ray_replay *replay);

/* The decision text gathered so far, whole lines of NDJSON; valid until the next call but one that
 * reads. */
const uint8_t *ray_replay_text(const ray_replay *replay, uint64_t *length);
void ray_replay_text_clear(ray_replay *replay);

void ray_replay_read(const ray_replay *replay, ray_replay_stats *out);
/* By index from 0, in the order of first appearance; 0 past the last. */
uint32_t ray_replay_rule_read(const ray_replay *replay, uint32_t index, ray_replay_rule *out);
uint32_t ray_replay_service_read(const ray_replay *replay, uint32_t index, ray_replay_service *out);
/* The `most` clients (users: 1) with the most denials, then would-denials, then requests, then by
 * name; how many. */
uint32_t ray_replay_top(const ray_replay *replay, uint32_t users, uint32_t most,
                        ray_replay_key *out);
/* The `most` clients (users: 1) that were denied first, in that order; how many. */
uint32_t ray_replay_hurt(const ray_replay *replay, uint32_t users, uint32_t most,
                         ray_replay_key *out);
/* By index from 0: nobody's requests, then each tenant's; 0 past the last. */
uint32_t ray_replay_tenant_read(const ray_replay *replay, uint32_t index, ray_replay_tenant *out);
/* What came of requests over time; the replay's, until it is closed. */
const struct ray_timeline *ray_replay_timeline(const ray_replay *replay);
/* How many requests a client (or user: 1) made; 0 of one that was not seen, or folded. */
uint64_t ray_replay_requests_of(const ray_replay *replay, uint32_t users, const uint8_t *name,
                                uint32_t length, uint32_t address);

#endif
