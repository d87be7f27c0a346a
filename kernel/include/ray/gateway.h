/* SPDX-License-Identifier: MIT */
#ifndef RAY_GATEWAY_H
#define RAY_GATEWAY_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* gateway: which service a request is for, and whether it may be forwarded as it stands.
 *
 * Law: the bytes that are matched are the bytes that are forwarded; normalising twice changes
 * nothing. Cost: O(path length) and the headers a candidate names; no allocation, no backtracking.
 * Source: SEMANTICS.md, gateway.
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
    uint32_t dfa;                      /* regex: place of its table in the DFA section; RAY_NONE */
    uint16_t pattern_length;
    uint16_t host_length;
    uint8_t kind;
    uint8_t header_count;
    uint8_t query_count;
    uint8_t limit_count;
    uint8_t auth;                      /* 0 none, 1 optional, 2 required; for the auth module */
    uint8_t allow_escapes;             /* 1: %2F and %5C pass (still encoded); %00 never */
    uint8_t permission;                /* enum ray_permission it takes; 0: by method */
    uint8_t role;                      /* only this role and Admin; 0: any */
} ray_route_spec;

/* A request head as the gateway sees it. `headers` is packed: u16 name length, u16 value length
 * (little-endian), the bytes; in order of arrival, repeated for every field. */
typedef struct ray_gateway_query {
    ray_view target;          /* path and query as received; empty routes as "/" */
    ray_view host;
    ray_view headers;
    uint8_t *scratch;          /* RAY_TARGET_BYTES_MAX bytes, for a path that is rewritten */
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
    uint8_t rewritten;         /* the path as received was not canonical */
    uint8_t auth;              /* of the route: 0 none, 1 optional, 2 required */
    uint8_t permission;        /* enum ray_permission it states itself, 0: none */
    uint8_t role;              /* enum ray_role it asks for, 0: any */
    uint8_t reserved[3];
    uint16_t capture_at[RAY_CAPTURE_MAX];       /* offset in path */
    uint16_t capture_length[RAY_CAPTURE_MAX];
} ray_gateway_answer;

uint64_t ray_gateway_bytes(void);
void ray_gateway_init(ray_gateway *gateway, const uint8_t seed[16]);

/* Normalises, routes and checks sizes. Changes nothing but query->scratch. A refused request is an
 * answer with granted 0, a reason and a status. RAY_E_ARGUMENT for a method past RAY_METHOD_MAX,
 * RAY_E_UNKNOWN or RAY_E_STALE for a given service that is not there; then *out is untouched. */
ray_status ray_gateway_ask(const ray_gateway *gateway, uint64_t now_ns,
                           const ray_gateway_query *query, ray_gateway_answer *out);
/* Counts an answer; `granted` is all stages' verdict; `answer` NULL: a row that ask refused. */
void ray_gateway_note(ray_gateway *gateway, uint64_t now_ns, const ray_gateway_answer *answer,
                      uint32_t granted);

/* -- rules --
 *
 * Path (RFC 3986 6.2.2, one pass, before anything looks at it): escapes of unreserved bytes are
 * decoded, repeated slashes merged, dot segments removed; a last "." or ".." leaves a slash behind,
 * as RFC 3986 5.2.4 says. One rule for escapes: one stays, in upper case, only where decoding it
 * again anywhere later could not change where the path splits or what it means. So controls, ill
 * formed UTF-8 and the delimiters / \ % # ? ; are refused (400), %2F and %5C unless the route says
 * allow_escapes. Raw bytes 0x21-0x7e but '#' pass unchanged; all others are refused, in the query
 * too. A target is empty, origin-form, or absolute-form, whose authority replaces the host.
 *
 * Precedence: priority; exact, longest prefix, wildcard, regex; exact host before longer "*."
 * before any; methods named; more headers; more queries; the order they were added in. HEAD is also
 * served by what serves GET; of routes equal but in order, one that names HEAD goes first. The best
 * route decides alone: if it refuses the request, no other is tried.
 *
 * Lookup: each segment of the path is hashed once per host pattern that fits (at most one a label)
 * and once more per '*' that still fits; nothing past the longest pattern is looked at. Worst case:
 * path bytes x (1 + host labels + 8 x '*' routes that fit) + candidates on the matched patterns +
 * path bytes x regex routes of that host whose literal beginning fits. No step depends on how many
 * routes there are.
 *
 * DFA table, little-endian: ray_dfa_header; u8 class_of[256]; accepting states as bits, 8-byte
 * padded; u16 next[state_count][class_count], 8-byte padded. State 0 is dead (its row is 0, it does
 * not accept), state 1 is the start. The DFA section is tables back to back; ray_route_spec.dfa
 * counts them from 0.
 */
enum ray_gateway_constant {
    RAY_DFA_MAGIC = 0x31414644          /* "DFA1" */
};

typedef struct ray_dfa_header {
    uint32_t magic;
    uint32_t length;                    /* of the whole table, a multiple of 8 */
    uint16_t state_count;               /* at least 2 */
    uint16_t class_count;               /* 1 to 256 */
    uint32_t reserved;
} ray_dfa_header;

/* Requests a row was the answer to: asked = granted + denied by whatever stage. */
typedef struct ray_gateway_count {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
} ray_gateway_count;

typedef struct ray_gateway_stats {
    uint64_t asked_count;
    uint64_t granted_count;             /* by this stage */
    uint64_t denied_count;
    uint64_t error_count;               /* rows that asked something impossible */
    uint64_t forwarded_count;           /* granted by every stage */
    uint64_t rewritten_count;           /* paths that were not canonical as received */
    uint64_t given_count;               /* came with a service, not routed */
    uint64_t no_route_count;
    uint64_t method_denied_count;
    uint64_t method_unknown_count;
    uint64_t path_bad_count;
    uint64_t target_long_count;
    uint64_t headers_large_count;
    uint64_t headers_bad_count;
    uint64_t body_large_count;
    uint64_t unhealthy_count;
    uint32_t service_count;             /* now */
    uint32_t route_count;
    uint32_t dfa_count;
    uint32_t dfa_bytes;
} ray_gateway_stats;

typedef struct ray_service_row {
    const ray_service_spec *spec;       /* the row itself, until the next control call */
    ray_gateway_count count;
    uint32_t id;
    uint32_t route_count;               /* routes that lead to it */
} ray_service_row;

typedef struct ray_route_row {
    const ray_route_spec *spec;         /* the row itself, until the next control call */
    ray_gateway_count count;
    uint32_t id;
    uint32_t rank;                      /* place in the order of precedence, 0 first */
    uint32_t dfa_states;                /* regex: size of its table, else 0 */
    uint32_t reserved;
} ray_route_row;

enum ray_gateway_export_format {
    RAY_GATEWAY_EXPORT_JSON = 0,
    RAY_GATEWAY_EXPORT_ROUTES_CSV = 1,
    RAY_GATEWAY_EXPORT_SERVICES_CSV = 2
};
typedef struct ray_gateway_part {
    ray_name name;
    uint64_t bytes;
    uint64_t used;
    uint64_t capacity;
} ray_gateway_part;

/* -- control: a failure has changed nothing -- */

/* Registers a service; *id becomes its handle. RAY_E_EXISTS for a name that is taken, RAY_E_FULL
 * past RAY_SERVICE_MAX, RAY_E_RANGE or RAY_E_SYNTAX for a field no rule allows. */
ray_status ray_gateway_add_service(ray_gateway *gateway, uint64_t now_ns,
                                   const ray_service_spec *spec, uint32_t *id);

/* Removes a service. With routes that lead to it RAY_E_USED, unless `cascade` is 1: then they go
 * too. Requests in flight keep their answers; the handle is stale from here on. */
ray_status ray_gateway_remove_service(ray_gateway *gateway, uint64_t now_ns, uint32_t id,
                                      uint32_t cascade);

/* A service that is not healthy answers 503 until it is again. */
ray_status ray_gateway_set_health(ray_gateway *gateway, uint64_t now_ns, uint32_t id,
                                  uint32_t healthy);

/* ENFORCE, or OFF: its traffic passes ungoverned. SHADOW is for limits and quotas: RAY_E_RANGE. */
ray_status ray_gateway_set_mode(ray_gateway *gateway, uint64_t now_ns, uint32_t id, uint32_t mode);

/* Adds a route behind all others of its precedence. `table` is the compiled table of a regex route
 * and empty for other kinds; spec->dfa is ignored. spec->limits are not looked up:
 * they belong to another module. Errors as for services; RAY_E_UNKNOWN or RAY_E_STALE for the
 * service, RAY_E_SYNTAX for a pattern that is not canonical or a table that is not sound. */
ray_status ray_gateway_add_route(ray_gateway *gateway, uint64_t now_ns, const ray_route_spec *spec,
                                 ray_view table, uint32_t *id);
ray_status ray_gateway_remove_route(ray_gateway *gateway, uint64_t now_ns, uint32_t id);

/* -- reading -- */
void ray_gateway_read(const ray_gateway *gateway, ray_gateway_stats *out);
ray_status ray_gateway_read_service(const ray_gateway *gateway, uint32_t id, ray_service_row *out);
ray_status ray_gateway_read_route(const ray_gateway *gateway, uint32_t id, ray_route_row *out);
ray_status ray_gateway_find_service(const ray_gateway *gateway, const char *name, uint64_t length,
                                    uint32_t *id);
ray_status ray_gateway_find_route(const ray_gateway *gateway, const char *name, uint64_t length,
                                  uint32_t *id);

/* The next handle in table order after `id`; RAY_NONE begins, and is returned at the end. */
uint32_t ray_gateway_next_service(const ray_gateway *gateway, uint32_t id);
uint32_t ray_gateway_next_route(const ray_gateway *gateway, uint32_t id);
/* The route at this place in the order of precedence, RAY_NONE past the last. */
uint32_t ray_gateway_ranked_route(const ray_gateway *gateway, uint32_t rank);

/* Rows and counters, routes in table order (JSON) or by rank (CSV). RAY_E_TRUNCATED: no room. */
ray_status ray_gateway_export(const ray_gateway *gateway, uint32_t format, ray_text *out);
/* Members "service" and "route" of an open object: a row of the export, null for RAY_NONE. */
void ray_gateway_export_row(const ray_gateway *gateway, uint32_t service, uint32_t route,
                            ray_text *out);
const char *ray_route_kind_word(uint32_t kind);
/* Writes a path that regex route `id` accepts, another one for another `choice`; 0: none found. */
uint32_t ray_gateway_put_example(const ray_gateway *gateway, uint32_t id, uint64_t choice,
                                 ray_text *out);
/* 0 when every invariant holds, else the number of the first that does not: 1 counts, 2 service
 * rows, 3 route rows, 4 tables, 5 free slots, 6 the index, 7 counters. */
uint32_t ray_gateway_valid(const ray_gateway *gateway);
/* Makes the index of a valid state anew from its rows; 0 when it was another one: then the state
 * was tampered with, and is sound only now. */
uint32_t ray_gateway_reindex(ray_gateway *gateway);
/* Parts by index from 0; RAY_E_UNKNOWN past the last. */
ray_status ray_gateway_read_part(const ray_gateway *gateway, uint32_t index, ray_gateway_part *out);

/* -- tables and paths by themselves, for the host's tests and tools -- */
/* Is this one sound table (format above)? Reads nothing past its length. */
ray_status ray_gateway_check_table(ray_view table);
/* 1 when the table accepts exactly these bytes, else 0. `table` was checked. */
uint32_t ray_gateway_run_table(ray_view table, ray_view text);
/* The canonical path and the query of `target`; `scratch` as in ray_gateway_query. Returns
 * RAY_REASON_OK, or why it is refused; *escaped is 1 when %2F or %5C was kept. */
uint32_t ray_gateway_canonical(ray_view target, uint8_t *scratch, ray_view *path, ray_view *query,
                               uint32_t *escaped);

/* -- configuration -- */
/* The whole hostile check of the service, route and DFA sections; changes nothing. Fills section,
 * row and field of the report for the first row that no rule allows. */
ray_status ray_gateway_check(const ray_service_spec *services, const ray_route_spec *routes,
                             ray_view tables, const ray_config_counts *counts,
                             ray_config_report *report);

/* Replaces everything by rows that were checked. Counters stay with rows of the same name; a row
 * whose fields did not change counts as kept, every other as reset. */
void ray_gateway_load(ray_gateway *gateway, uint64_t now_ns, int64_t wall_offset_ns,
                      const ray_service_spec *services, const ray_route_spec *routes,
                      ray_view tables, const ray_config_counts *counts, ray_config_report *report);

#endif
