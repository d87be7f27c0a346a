/* SPDX-License-Identifier: MIT */
/* forward - header fields on their way through, and answers counted: what the pipeline asks of the
 * mediator besides ray/mediator.h. */
#ifndef RAY_MEDIATOR_FORWARD_H
#define RAY_MEDIATOR_FORWARD_H
#include "ray/mediator.h"

/* One block of fields. What is about one connection (RFC 9110 7.6.1) always stays behind. */
typedef struct ray_forward_spec {
    ray_view headers;         /* packed, as they came */
    ray_view consumed;        /* name of a field that ends here: the credential; empty: none */
    ray_view own_name;        /* a field of ours, in place of any that came; empty: none */
    ray_view own_value;
    uint64_t body_length;     /* as it goes on */
    uint64_t timeout_ns;      /* request in a gRPC frame: what is left of it; 0: not said */
    uint32_t transform;       /* handle; RAY_NONE: nothing is edited */
    uint8_t side;             /* enum ray_side */
    uint8_t bodiless;         /* 1: no content, so no length is said (204, 304, HEAD) */
    uint8_t says_length;      /* 1: a length of 0 is said of a request too */
    uint8_t keeps_length;     /* 1: HEAD: the length that came is true, unless rewritten */
} ray_forward_spec;

/* The fields as they go on: edits done, what was consumed, what is untrue of the body as it now is
 * and what asks for an answer that could not be read left out; type, length and gRPC fields put.
 * RAY_E_UNKNOWN for a transform that is not there, RAY_E_ARGUMENT for a block no server should
 * believe, RAY_E_TRUNCATED when `out` is too small. */
ray_status ray_mediator_forward(const ray_mediator *mediator, const ray_forward_spec *spec,
                                ray_text *out);
/* How long the caller of a gRPC route waits, by its grpc-timeout; RAY_NEVER where the route speaks
 * no gRPC with its clients, or the field is absent or no timeout (grpc.io, PROTOCOL-HTTP2). */
uint64_t ray_mediator_caller_timeout(const ray_mediator *mediator, uint32_t transform,
                                     ray_view headers);
/* 1: the clients of this transform speak gRPC. */
uint32_t ray_mediator_speaks_grpc(const ray_mediator *mediator, uint32_t transform);
/* Counts a response that was refused; `reason` is its report's. */
void ray_mediator_note_response(ray_mediator *mediator, uint32_t transform, uint32_t reason);

#endif
