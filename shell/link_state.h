/* SPDX-License-Identifier: MIT */
/* link_state - the machine link's memory, and what link.c (frames) and link_serve.c (requests) ask
 * of one another. */
#ifndef RAY_LINK_STATE_H
#define RAY_LINK_STATE_H
#include "parts.h"

enum ray_link_size {
    RAY_LINK_HEAD = 12, /* magic, version, type, seq, length */
    RAY_LINK_FRAME_MAX = RAY_LINK_HEAD + RAY_LINK_PAYLOAD_MAX + 4,
    RAY_LINK_ROWS_MAX = RAY_LINK_PAYLOAD_MAX / sizeof(ray_row),
    RAY_LINK_ANSWERS_MAX = RAY_LINK_PAYLOAD_MAX / sizeof(ray_answer)
};

/* A reply and what it answers; `used` 0: free. `asked` is the checksum of the request: a seq that
 * comes again with another one is an error. */
typedef struct ray_link_kept {
    uint64_t used; /* order of use, from 1 */
    uint32_t seq;
    uint32_t asked;
    uint32_t length; /* of the frame */
    uint32_t reserved;
    uint8_t frame[RAY_LINK_FRAME_MAX];
} ray_link_kept;

/* A configuration or a snapshot that comes in parts. */
typedef struct ray_link_parts {
    uint64_t total;
    uint64_t have;
    uint32_t type; /* 0: none */
    uint32_t reserved;
} ray_link_parts;

struct ray_link {
    uint64_t started_ns;    /* raw time of the frame's first byte */
    uint64_t length;        /* bytes of the frame so far */
    uint64_t used;          /* replies ever kept */
    uint64_t dropped_count; /* frames and bytes that led to nothing */
    uint64_t stage_bytes;
    ray_link_parts parts;
    uint8_t frame[RAY_LINK_FRAME_MAX];
    ray_link_kept reply[RAY_LINK_OUTSTANDING_MAX];
    ray_row row[RAY_LINK_ROWS_MAX];
    ray_answer answer[RAY_LINK_ANSWERS_MAX];
    uint8_t scratch[RAY_TARGET_BYTES_MAX];
};

/* One request while it is served. */
typedef struct ray_link_request {
    ray_link *link;
    struct ray *ray;
    const ray_machine *machine;
    ray_shell_result *result;
    const uint8_t *payload;
    uint8_t *to; /* payload of the reply */
    uint64_t raw_ns;
    uint32_t length; /* of the payload */
    uint32_t type;
} ray_link_request;

/* Does what the request asks: the length of the reply's payload, or a status below zero. */
int64_t ray_link_serve(ray_link_request *request);

/* The room behind the state for a configuration or a snapshot, 64-byte aligned. */
uint8_t *ray_link_stage(ray_link *link);

uint32_t ray_link_u32(const uint8_t *at);
void ray_link_u32_put(uint8_t *at, uint32_t value);

#endif
