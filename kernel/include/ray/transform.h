/* SPDX-License-Identifier: MIT */
#ifndef RAY_TRANSFORM_H
#define RAY_TRANSFORM_H
#include <stdint.h>
#include "ray/ray.h"

/* transform: the step of the pipeline between balance and dispatch, and between outcome and bill.
 *
 * The core keeps no bytes of a request (DESIGN.md section 4), so it is the holder of the bytes who
 * calls: with a request that an answer said to send, before it is sent; and with what came back,
 * before its COMPLETE. Laws: nothing past a buffer's capacity is written; an error leaves both
 * buffers as they were; the same bytes and state give the same bytes. Inputs and outputs must not
 * overlap. Cost: O(bytes). Source: SEMANTICS.md, mediator; RFC 9110 7.6.1, 8.6; grpc.io, PROTOCOL.
 */
typedef struct ray_transform_call {
    uint64_t id;          /* of the request in flight; 0: none, `transform` says what is done */
    ray_view headers;     /* packed (gateway.h), as they came; of a gRPC response, trailers too */
    ray_view body;        /* whole, as it came */
    uint32_t transform;   /* without an id: a handle of mediator's, RAY_NONE: bodies pass */
    uint16_t http_status; /* of a response */
    uint16_t reserved;
} ray_transform_call;

/* The request as its service gets it: the body in the service's format, by its schema, in a gRPC
 * frame where it has one; the header edits done. What stays behind: fields about the connection,
 * the credential that was looked at, and what asks for an answer that could not be read. What is
 * put: Content-Type and Content-Length, the request id where one is configured, grpc-timeout.
 * RAY_E_SYNTAX with *report (reason, status, where) for a body that is refused, RAY_E_TRUNCATED
 * when a buffer is too small, RAY_E_ARGUMENT for headers no server should believe, RAY_E_UNKNOWN
 * when the request or the transform is not there or its time is over, RAY_E_STATE when it was not
 * dispatched: what waits is not to be sent. */
ray_status ray_transform_request(const struct ray *ray, uint64_t now_ns,
                                 const ray_transform_call *call, ray_text *headers,
                                 ray_text *body, ray_mediator_report *report);

/* The response as its client gets it, with the status report->http_status. COMPLETE is told
 * report->outcome_status, which is the gRPC trailer's where there is one (no trailer: UNKNOWN), and
 * the response as it came. A response that is refused (RAY_E_SYNTAX: it breaks its schema, does not
 * parse, or its headers cannot be believed) is counted and 502. Other errors as above. */
ray_status ray_transform_response(struct ray *ray, uint64_t now_ns,
                                  const ray_transform_call *call, ray_text *headers,
                                  ray_text *body, ray_mediator_report *report);

/* The same without a request in flight and uncounted: what would become of a response. */
ray_status ray_transform_preview(const struct ray *ray, const ray_transform_call *call,
                                 ray_text *headers, ray_text *body, ray_mediator_report *report);

/* The response a client gets about a no, by `answer`'s reason, http_status, retry_after_ns, allow,
 * route and transform: packed headers, and a problem+json body (RFC 9457) where the configuration
 * asks for one, else one word of text; for a gRPC client trailers alone. Returns the status. What
 * does not fit is left out, and `truncated` says so. */
uint16_t ray_refusal(const struct ray *ray, const ray_answer *answer, ray_text *headers,
                     ray_text *body);

/* -- the request while it is in flight -- */
enum ray_request_stage {
    RAY_REQUEST_HELD = 1,      /* refundable, not sent yet */
    RAY_REQUEST_SENT = 2,
    RAY_REQUEST_WAITS = 3,     /* in its service's queue, for its turn or for a permit */
    RAY_REQUEST_AGAIN = 4      /* failed, and may be dispatched again at `again_at_ns` */
};

typedef struct ray_request_row {
    uint64_t due_ns;           /* it expires, or is dropped from its queue, then */
    uint64_t again_at_ns;
    uint64_t decision;         /* number of its admission, as in the audit: seq */
    uint32_t service;
    uint32_t stage;            /* enum ray_request_stage */
} ray_request_row;

/* RAY_E_UNKNOWN: no request of this id is in flight: it was refused, has ended or was dropped. */
ray_status ray_request_read(const struct ray *ray, uint64_t id, ray_request_row *out);
/* The first instant at which something falls due, RAY_NEVER: who waits may look again then. */
uint64_t ray_next_due(const struct ray *ray);

#endif
