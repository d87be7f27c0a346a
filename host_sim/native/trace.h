/* SPDX-License-Identifier: MIT */
#ifndef RAY_TRACE_H
#define RAY_TRACE_H
#include <stdint.h>
#include "ray/ray.h"
#include "replay.h"

/* trace: a log's requests as a limiter sees them, 24 bytes each, in a file of the caller's.
 *
 * A log is read, put in order and taken apart once; whoever then tries many limits on it reads the
 * trace, an order of magnitude faster, and standard input can be gone through twice. Each request
 * has a group (which limit it would meet: its service, operation, tenant, route or path) and a key
 * (which bucket of that limit: its user, its client, or one for all). Memory is bounded, whatever
 * the log's length; a group past RAY_TRACE_GROUP_MAX joins the last one.
 */
typedef struct ray_trace ray_trace;

enum ray_trace_constant {
    RAY_TRACE_GROUP_MAX = 1024,
    RAY_TRACE_PART_MAX = 4,
    RAY_TRACE_LABEL_BYTES = 240 /* a longer one is cut */
};

/* What a group's name is made of; parts are parted by a tab. */
enum ray_trace_part {
    RAY_TRACE_PART_HEADER = 1,  /* a packed header's value; argument: place in spec.headers */
    RAY_TRACE_PART_SERVICE = 2, /* place in the configuration, as digits, - for none */
    RAY_TRACE_PART_TENANT = 3,
    RAY_TRACE_PART_ROUTE = 4,
    RAY_TRACE_PART_PATH = 5 /* the first segments of the path; argument: how many */
};

enum ray_trace_key {
    RAY_TRACE_KEY_ALL = 0,   /* one bucket */
    RAY_TRACE_KEY_USER = 1,
    RAY_TRACE_KEY_CLIENT = 2 /* its network (prefix_v4, prefix_v6), its name where it has none */
};

/* One request of the trace. */
typedef struct ray_trace_event {
    uint64_t at_ns;
    uint64_t key;
    uint32_t group; /* RAY_TRACE_THROTTLED is set when the log says it was throttled */
    uint32_t tokens;
} ray_trace_event;

enum ray_trace_flag { RAY_TRACE_THROTTLED = 0x40000000 };

typedef struct ray_trace_spec {
    const ray_name *headers;      /* names for PART_HEADER, at most RAY_TRACE_PART_MAX */
    const uint32_t *route_weight; /* tokens a request of each route takes; NULL: 1 */
    uint64_t hash_key;            /* of groups and keys: any number an attacker cannot guess */
    const ray_replay_spec *replay; /* its inputs, order, window and spread; only while opening */
    uint32_t part_count;
    uint32_t part[RAY_TRACE_PART_MAX];
    uint32_t argument[RAY_TRACE_PART_MAX];
    uint32_t key; /* enum ray_trace_key */
    uint32_t header_count;
    uint32_t route_count;
    uint32_t prefix_v4;
    uint32_t prefix_v6;
    uint32_t fd; /* where events go: a file open for writing, at its end */
} ray_trace_spec;

typedef struct ray_trace_stats {
    uint64_t request_count;   /* of the log */
    uint64_t event_count;     /* written: all but the refused */
    uint64_t refused_count;   /* the configuration denies them by itself, before any new limit */
    uint64_t throttled_count; /* events the log says were throttled */
    uint64_t token_count;
    uint64_t weighted_count;  /* events that take other than one token */
    uint64_t stepped_back_count;
    uint64_t late_count;
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t finest_ns;       /* the largest power of ten that divides every time, at most 1 s */
    uint64_t folded_count;    /* events of groups past RAY_TRACE_GROUP_MAX */
    uint32_t group_count;
    uint32_t reserved;
} ray_trace_stats;

typedef struct ray_trace_group {
    uint64_t request_count;
    uint64_t throttled_count;
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t busiest_count; /* most requests within one second of the clock */
    uint64_t second;        /* private */
    uint64_t second_count;  /* private */
    uint32_t length;
    uint32_t reserved;
    uint8_t label[RAY_TRACE_LABEL_BYTES];
} ray_trace_group;

/* NULL when memory is out or a number is out of its range. */
ray_trace *ray_trace_open(const ray_trace_spec *spec);
void ray_trace_close(ray_trace *trace);

/* Takes what the readers have. `core`: NULL, or a configured state that judges each request first;
 * what it denies is not written. Returns RAY_REPLAY_INPUT (of ray_trace_wants), MORE, DONE (all is
 * written), MEMORY, or REFUSED: the file takes no more, or the core refused a batch. */
uint32_t ray_trace_run(ray_trace *trace, struct ray *core);
/* Which input waits for bytes. */
uint32_t ray_trace_wants(const ray_trace *trace);
/* Drops what was read and not yet taken; DONE comes next. */
void ray_trace_stop(ray_trace *trace);

void ray_trace_read(const ray_trace *trace, ray_trace_stats *out);
/* By index from 0, in the order of first appearance; 0 past the last. */
uint32_t ray_trace_group_read(const ray_trace *trace, uint32_t index, ray_trace_group *out);

#endif
