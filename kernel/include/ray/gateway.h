/* SPDX-License-Identifier: MIT */
#ifndef RAY_GATEWAY_H
#define RAY_GATEWAY_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* gateway: which service a request is for, and whether it may be forwarded as it stands.
 *
 * Law: the bytes that are matched are the bytes that are forwarded; normalising twice changes nothing.
 * Cost: O(path length) and the headers a candidate names; no allocation, no backtracking. Source: SEMANTICS.md, gateway.
 */
typedef struct ray_gateway ray_gateway;       /* state; size and layout are private */

enum ray_route_kind {
    RAY_ROUTE_EXACT = 0,
    RAY_ROUTE_PREFIX = 1,      /* by segment: /api matches /api and /api/x, never /apix */
    RAY_ROUTE_WILDCARD = 2,    /* '*' one segment, a last '**' the rest */
    RAY_ROUTE_REGEX = 3        /* a table compiled on the host */
};

/* What a route asks of one header or query parameter. */
typedef struct ray_match_spec {
    char name[RAY_NAME_BYTES];
    char value[RAY_MATCH_VALUE_BYTES];
    uint8_t name_length;
    uint8_t value_length;
    uint8_t how;               /* enum ray_match_how */
    uint8_t reserved[5];
} ray_match_spec;

enum ray_match_how {
    RAY_MATCH_EXACT = 0,
    RAY_MATCH_PREFIX = 1,
    RAY_MATCH_CONTAINS = 2,
    RAY_MATCH_PRESENT = 3,
    RAY_MATCH_ABSENT = 4
};

/* One service; also the row of the blob's service section. */
typedef struct ray_service_spec {
    ray_name name;
    char host[RAY_HOST_BYTES];         /* where it is reached; may be empty */
    uint64_t timeout_ns;               /* deadline of a request in flight */
    uint32_t body_bytes_max;
    uint16_t port;
    uint8_t healthy;                   /* as registered; lb owns it later */
    uint8_t mode;                      /* enum ray_mode: off lets traffic pass ungoverned */
} ray_service_spec;

/* One route; also the row of the blob's route section. */
typedef struct ray_route_spec {
    ray_name name;
    char host[RAY_HOST_BYTES];         /* exact, or "*.example.org"; empty: any */
    char pattern[RAY_ROUTE_PATTERN_BYTES];
    ray_match_spec headers[RAY_ROUTE_HEADER_MAX];
    ray_match_spec queries[RAY_ROUTE_QUERY_MAX];
    uint32_t service;                  /* handle; place in the file */
    int32_t priority;                  /* lower first, before any other precedence; default 0 */
    uint32_t methods;                  /* bit 1 << enum ray_method; 0: any */
    uint32_t weight;                   /* tokens one request takes, at least 1 */
    uint32_t limits[RAY_ROUTE_LIMIT_MAX];   /* named limits asked too; limit handles */
    uint32_t dfa;                      /* regex: place of its table in the blob's table section; else RAY_NONE */
    uint16_t pattern_length;
    uint16_t host_length;
    uint8_t kind;
    uint8_t header_count;
    uint8_t query_count;
    uint8_t limit_count;
    uint8_t auth;                      /* 0 none, 1 optional, 2 required; acted on by the auth module */
    uint8_t allow_escapes;             /* 1: %2F and %5C pass (still encoded); %00 never */
    uint8_t reserved[2];
} ray_route_spec;

/* A request head as the gateway sees it. `headers` is packed: u16 name length, u16 value length (little-endian), the
 * bytes; in order of arrival, repeated for every field. */
typedef struct ray_gateway_query {
    ray_view target;          /* path and query as received; empty routes as "/" */
    ray_view host;
    ray_view headers;
    uint8_t *scratch;          /* where a normalised path is written when it differs; RAY_TARGET_BYTES_MAX bytes */
    uint64_t body_bytes;
    uint32_t method;
    uint32_t service;          /* given by the caller instead of a route; RAY_NONE: route */
} ray_gateway_query;

typedef struct ray_gateway_answer {
    ray_view path;            /* normalised; points into target or scratch */
    ray_view query;           /* after '?', untouched */
    uint64_t timeout_ns;       /* of the service */
    uint32_t route;            /* handle, RAY_NONE: none */
    uint32_t service;          /* handle, RAY_NONE: none */
    uint32_t weight;           /* tokens */
    uint32_t allow;            /* methods the path knows, for 405 */
    uint32_t limits[RAY_ROUTE_LIMIT_MAX];
    uint16_t limit_count;
    uint16_t reason;           /* enum ray_reason */
    uint16_t http_status;      /* 200 when granted */
    uint8_t granted;
    uint8_t service_off;       /* the service's mode is off */
    uint8_t capture_count;
    uint8_t reserved[7];
    uint16_t capture_at[RAY_CAPTURE_MAX];       /* offset in path */
    uint16_t capture_length[RAY_CAPTURE_MAX];
} ray_gateway_answer;

uint64_t ray_gateway_bytes(void);
void ray_gateway_init(ray_gateway *gateway, const uint8_t seed[16]);

/* Normalises, routes and checks sizes. Changes nothing but query->scratch. */
ray_status ray_gateway_ask(const ray_gateway *gateway, uint64_t now_ns, const ray_gateway_query *query,
                           ray_gateway_answer *out);
void ray_gateway_note(ray_gateway *gateway, uint64_t now_ns, const ray_gateway_answer *answer, uint32_t granted);

#endif
