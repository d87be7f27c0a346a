/* SPDX-License-Identifier: MIT */
#ifndef RAY_MEDIATOR_H
#define RAY_MEDIATOR_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"
#include "ray/format.h"

/* mediator: what a request and its response look like on either side, and the answers that are
 * kept in between.
 * Laws: a hit returns what was stored under the identical key, before its time to live and before
 * an unsafe method changed its target; at most one request fills a key, and its lease lapses; an
 * error, a private answer and one with Set-Cookie are never kept. A key is SipHash-2-4-128 under
 * the state's seed over every part with its length: two are one with probability 2^-128. Cost: ask,
 * take, done O(length) plus O(RAY_CACHE_VARIANT_MAX), changed O(RAY_CACHE_ENTRY_MAX). Sources: RFC
 * 9110 (negotiation, statuses), RFC 9111 (caching), RFC 9457 (problem details), SEMANTICS.md.
 */
typedef struct ray_mediator ray_mediator; /* state; size and layout are private */

enum ray_content {
    RAY_CONTENT_JSON = 0, RAY_CONTENT_PROTOBUF = 1, RAY_CONTENT_XML = 2,
    RAY_CONTENT_FORM = 3, RAY_CONTENT_BINARY = 4,
    RAY_CONTENT_ANY = 5,     /* whatever it is: neither looked at nor changed */
    RAY_CONTENT_MULTIPART = 6, /* multipart/form-data; read, and passed on, but not written */
    RAY_CONTENT_MAX = 7
};

enum ray_unknown { RAY_UNKNOWN_REJECT = 0, RAY_UNKNOWN_DROP = 1, RAY_UNKNOWN_KEEP = 2 };

enum ray_transform_flag {
    RAY_TRANSFORM_STRICT = 1, /* what cannot be carried over without loss is refused */
    RAY_TRANSFORM_GRPC = 2,   /* the protobuf end is one unary gRPC message in its 5-byte frame */
    RAY_TRANSFORM_FLAGS = 3
};

enum ray_side { RAY_SIDE_REQUEST = 0, RAY_SIDE_RESPONSE = 1, RAY_SIDE_MAX = 2 };
enum ray_edit_how { RAY_EDIT_ADD = 0, RAY_EDIT_SET = 1, RAY_EDIT_REMOVE = 2, RAY_EDIT_MAX = 3 };

enum ray_mediator_constant {
    RAY_EDIT_VALUE_BYTES = 80,
    RAY_CACHE_VARIANT_MAX = 8   /* answers of one key that differ in what they vary by */
};

typedef struct ray_transform_side {
    uint32_t schema;   /* place, RAY_NONE: none; a schema needs `from` to be a format with fields */
    uint8_t from;      /* enum ray_content */
    uint8_t to;
    uint8_t unknown;   /* enum ray_unknown: fields the schema does not name */
    uint8_t flags;     /* of enum ray_transform_flag */
} ray_transform_side;

/* [schema.NAME]: its part of the shared tables. Numbers inside a node, a property or a value count
 * from the start of the schema's own part. */
typedef struct ray_schema_spec {
    ray_name name;
    uint32_t first_node;
    uint32_t node_count;               /* at least 1: the first is the root */
    uint32_t first_property;
    uint32_t property_count;
    uint32_t first_value;
    uint32_t value_count;
    uint32_t text_at;
    uint32_t text_length;
    uint32_t name_at;                  /* the root element's name in XML */
    uint32_t name_length;
} ray_schema_spec;

/* [transform.NAME] */
typedef struct ray_transform_spec {
    ray_name name;
    uint64_t cache_ttl_ns;              /* the longest an answer is kept; 0: none is */
    ray_transform_side side[RAY_SIDE_MAX];
} ray_transform_spec;

/* add_headers, set_headers, remove_headers; in the order they are done. */
typedef struct ray_header_edit_spec {
    ray_name name;                      /* lower case */
    char value[RAY_EDIT_VALUE_BYTES];   /* zero-padded; empty for remove */
    uint32_t transform;                 /* place */
    uint8_t value_length;
    uint8_t side;                       /* enum ray_side */
    uint8_t how;                        /* enum ray_edit_how */
    uint8_t reserved;
} ray_header_edit_spec;

/* route.transform */
typedef struct ray_route_transform_spec {
    uint32_t route;
    uint32_t transform;
} ray_route_transform_spec;
typedef struct ray_mediator_query {
    ray_view path;       /* normalised */
    ray_view query;      /* without '?' */
    ray_view host;
    ray_view headers;    /* packed */
    ray_view body;
    uint32_t route;      /* handle */
    uint32_t transform;  /* handle, RAY_NONE: none */
    uint32_t tenant;     /* handle, RAY_NONE */
    uint32_t method;     /* enum ray_method */
    uint32_t body_known; /* 0: `body` is not the request's; nothing is said about it */
    uint32_t authorized; /* 1: the request carried credentials; a Cookie counts without */
} ray_mediator_query;
typedef struct ray_mediator_answer {
    uint64_t key[2];
    uint64_t retry_after_ns;
    uint32_t hit;        /* handle of the kept response, RAY_NONE */
    uint32_t fill;       /* RAY_NONE; set by take: the lease to give back with done */
    uint16_t reason;     /* RAY_REASON_OK, or 900 and more */
    uint16_t http_status; /* of a refusal; 0 */
    uint8_t granted;
    uint8_t cacheable;   /* take asks for a lease */
    uint8_t busy;        /* another request is filling this key: this one is sent, not kept */
    uint8_t bodiless;    /* a hit for HEAD: the response is told without its body */
    uint8_t reserved[8];
} ray_mediator_answer;

/* What a format said about a body. */
typedef struct ray_mediator_report {
    char pointer[120];   /* JSON pointer to where, zero-terminated */
    char keyword[24];    /* of the schema, zero-terminated; empty: the body does not parse */
    uint32_t lossy;      /* 1: something was lost, at `pointer` */
    uint16_t reason;     /* RAY_REASON_OK or why not */
    uint16_t http_status; /* the client's */
    uint16_t outcome_status; /* of a response: the attempt's, by its gRPC trailer if it has one */
    uint16_t reserved;
} ray_mediator_report;

uint64_t ray_mediator_bytes(void);
void ray_mediator_init(ray_mediator *mediator, const uint8_t seed[16]);

/* -- request -- */
/* The transform of a route, RAY_NONE. */
uint32_t ray_mediator_transform_of(const ray_mediator *mediator, uint32_t route);
/* Content-Type and Accept (415, 406), the body against the request's schema (400), and whether an
 * answer is kept. Changes nothing. RAY_E_UNKNOWN for a transform that is not there,
 * RAY_E_ARGUMENT for a method nobody defined. */
ray_status ray_mediator_ask(const ray_mediator *mediator, uint64_t now_ns,
                            const ray_mediator_query *query, ray_mediator_answer *out);
/* Takes the lease on filling the key when the answer says cacheable and not busy: sets `fill`, left
 * RAY_NONE when every place is being filled. ray_mediator_tick has run up to now_ns. */
void ray_mediator_take(ray_mediator *mediator, uint64_t now_ns, const ray_mediator_query *query,
                       ray_mediator_answer *answer);
/* Counts an ask after the verdict, and the hit's use; `granted` is all stages' together. */
void ray_mediator_note(ray_mediator *mediator, uint64_t now_ns, const ray_mediator_query *query,
                       const ray_mediator_answer *answer, uint32_t granted);
/* Gives the lease back, with the service's response where it is `known`: what is kept, where RFC
 * 9111 lets it be, is what ray_mediator_encode_response makes of it. A stale lease only counts. */
void ray_mediator_done(ray_mediator *mediator, uint64_t now_ns, uint32_t fill, uint16_t status,
                       ray_view headers, ray_view body, uint32_t known);
/* What a request may change that is of no safe method (RFC 9110 9.2.1): its target within its
 * tenant, hashed; 0: nothing is kept of it. O(length). */
uint64_t ray_mediator_target(const ray_mediator *mediator, const ray_mediator_query *query);
/* RFC 9111 4.4: it was answered. Unless by an error, all that is kept of the target is let go, and
 * leases on it end; RAY_NEVER: of all targets. Returns how many kept answers went. */
uint32_t ray_mediator_changed(ray_mediator *mediator, uint64_t target, uint16_t http_status);
/* A hit's response; views hold until the state is changed. RAY_E_STALE: gone or past its time. */
ray_status ray_mediator_cached(const ray_mediator *mediator, uint64_t now_ns, uint32_t hit,
                               uint16_t *status, ray_view *headers, ray_view *body);
/* Seconds since the response was made (RFC 9111 5.1); 0 for a handle that is stale. */
uint64_t ray_mediator_age(const ray_mediator *mediator, uint64_t now_ns, uint32_t hit);

/* -- bodies and headers -- */
/* The request's or response's body in the other format. Of the packed `headers` only a multipart
 * body's Content-Type counts; without, it is refused. RAY_E_SYNTAX with *report for a body that is
 * refused, RAY_E_TRUNCATED when `out` is too small; then what was written means nothing. */
ray_status ray_mediator_encode_request(const ray_mediator *mediator, uint32_t transform,
                                       ray_view headers, ray_view body, ray_text *out,
                                       ray_mediator_report *report);
/* Also writes the headers as they go to the client; statuses without a body have none. An error is
 * replaced by our own words where formats differ; `headers` hold gRPC's trailers too. */
ray_status ray_mediator_encode_response(const ray_mediator *mediator, uint32_t transform,
                                        uint16_t status, ray_view headers, ray_view body,
                                        ray_text *headers_out, ray_text *out,
                                        ray_mediator_report *report);
/* The body against the schema of one side. */
ray_status ray_mediator_validate(const ray_mediator *mediator, uint32_t transform, uint32_t side,
                                 ray_view headers, ray_view body, ray_mediator_report *report);
/* The packed headers of one side after the edits, with the content type and length of the body. */
ray_status ray_mediator_edit(const ray_mediator *mediator, uint32_t transform, uint32_t side,
                             ray_view headers, uint64_t body_length, ray_text *out);

/* -- errors: one table of codes, HTTP and gRPC -- */
enum ray_grpc {
    RAY_GRPC_OK = 0, RAY_GRPC_CANCELLED = 1, RAY_GRPC_UNKNOWN = 2, RAY_GRPC_INVALID_ARGUMENT = 3,
    RAY_GRPC_DEADLINE_EXCEEDED = 4, RAY_GRPC_NOT_FOUND = 5, RAY_GRPC_ALREADY_EXISTS = 6,
    RAY_GRPC_PERMISSION_DENIED = 7, RAY_GRPC_RESOURCE_EXHAUSTED = 8,
    RAY_GRPC_FAILED_PRECONDITION = 9, RAY_GRPC_ABORTED = 10, RAY_GRPC_OUT_OF_RANGE = 11,
    RAY_GRPC_UNIMPLEMENTED = 12, RAY_GRPC_INTERNAL = 13, RAY_GRPC_UNAVAILABLE = 14,
    RAY_GRPC_DATA_LOSS = 15, RAY_GRPC_UNAUTHENTICATED = 16, RAY_GRPC_MAX = 17
};

typedef struct ray_error_spec {
    uint64_t retry_after_ns;      /* 0 or RAY_NEVER: not said */
    uint32_t methods;             /* bits 1 << enum ray_method for a 405's Allow */
    uint32_t content;             /* what a 415 says it would take, RAY_CONTENT_ANY: nothing */
    uint16_t reason;              /* enum ray_reason */
    uint16_t http_status;         /* 0: the table's */
    uint8_t grpc;                 /* 1: the client speaks gRPC: trailers instead of a body */
    uint8_t reserved[3];
    const char *text;             /* the body is this line of text; NULL: problem details */
} ray_error_spec;

/* The HTTP status and gRPC code of a reason; 500 and UNKNOWN for one nobody defined. */
uint16_t ray_error_http(uint32_t reason);
uint32_t ray_error_grpc(uint32_t reason);
/* The words a client may read for a reason. */
const char *ray_error_title(uint32_t reason);
/* google.rpc.Code to HTTP and back, as gRPC clients do (grpc.io, http-grpc-status-mapping). */
uint16_t ray_grpc_http(uint32_t code);
uint32_t ray_http_grpc(uint32_t http_status);
/* Writes a response about an error: packed headers, and an RFC 9457 body made of our own words
 * alone. Fields RFC 9110 asks for come with it: Allow for 405, Accept for 415, Retry-After for 429
 * and 503. Returns the status line's number (200 for gRPC, whose code stands in grpc-status). */
uint16_t ray_mediator_error(const ray_error_spec *spec, ray_text *headers, ray_text *body);
/* What RFC 9110 says of a status: bit 0 it may have a body, bit 1 it may be kept, bit 2 it is an
 * error; bits 8 and up the field that belongs to it: 1 Location, 2 Allow, 3 Retry-After,
 * 4 Accept. */
uint32_t ray_rest_row(uint32_t http_status);

/* -- time -- */
/* The first instant at which a lease lapses or an answer expires; RAY_NEVER. */
uint64_t ray_mediator_due(const ray_mediator *mediator);
/* Lets go all that is due at or before now_ns. */
void ray_mediator_tick(ray_mediator *mediator, uint64_t now_ns);

/* -- configuration -- */
typedef struct ray_mediator_rows {
    const ray_schema_spec *schemas;
    const ray_format_node *nodes;
    const ray_format_property *properties;
    const ray_format_value *values;
    const uint8_t *text;
    const ray_transform_spec *transforms;
    const ray_header_edit_spec *edits;
    const ray_route_transform_spec *routes;
} ray_mediator_rows;

ray_status ray_mediator_check(const ray_mediator_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report);
/* Before load: lets all kept answers go when a tenant or route has another place than before. */
void ray_mediator_names_move(ray_mediator *mediator, const ray_names *before,
                             const ray_names *after);
/* Replaces the rules by rows that passed the check. Transforms are matched by name; what was kept
 * of one that changed is let go. */
void ray_mediator_load(ray_mediator *mediator, uint64_t now_ns, const ray_mediator_rows *rows,
                       const ray_config_counts *counts, ray_config_report *report);

/* -- control: every error changes nothing -- */
/* RAY_E_EXISTS for a name that is there, RAY_E_FULL, RAY_E_ARGUMENT and RAY_E_RANGE as in check. */
ray_status ray_mediator_transform_add(ray_mediator *mediator, const ray_transform_spec *spec,
                                      uint32_t *handle);
/* One schema more; `rows` and `counts` hold it alone. It stays until the next load. */
ray_status ray_mediator_schema_add(ray_mediator *mediator, const ray_mediator_rows *rows,
                                   const ray_config_counts *counts, uint32_t *schema);
/* RAY_E_USED while a route uses it. Its edits go with it. */
ray_status ray_mediator_transform_remove(ray_mediator *mediator, uint32_t transform);
ray_status ray_mediator_edit_add(ray_mediator *mediator, const ray_header_edit_spec *edit);
/* RAY_NONE as transform: the route has none any more. */
ray_status ray_mediator_route_set(ray_mediator *mediator, uint32_t route, uint32_t transform);
/* A shorter time holds for what is kept already. */
ray_status ray_mediator_ttl_set(ray_mediator *mediator, uint64_t now_ns, uint32_t transform,
                                uint64_t ttl_ns);
/* Lets go the kept answers of a transform, RAY_NONE: of all; returns how many. */
uint32_t ray_mediator_purge(ray_mediator *mediator, uint32_t transform);

/* -- reading -- */
typedef struct ray_mediator_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;      /* granted here, denied by another stage */
    uint64_t hit_count;
    uint64_t miss_count;         /* could have been kept, was not there */
    uint64_t busy_count;         /* of them, while another filled the key: sent as well */
    uint64_t fill_count;         /* leases taken = stored + unkept + released + lapsed + open */
    uint64_t stored_count;       /* = evicted + expired + dropped + invalidated + kept now */
    uint64_t unkept_count;       /* responses that may not be kept */
    uint64_t large_count;        /* of them, for want of room in one entry */
    uint64_t released_count;     /* leases ended without a response */
    uint64_t lapsed_count;       /* leases nobody gave back */
    uint64_t stale_count;        /* given back too late */
    uint64_t full_count;         /* no place: all were being filled */
    uint64_t evicted_count;      /* least recently used, for another */
    uint64_t expired_count;
    uint64_t dropped_count;      /* by purge, reload or a control call */
    uint64_t invalidated_count;  /* by an unsafe method (RFC 9111 4.4) */
    uint64_t refused_count;      /* responses: broken schema, malformed, too large converted */
    uint64_t kept_bytes;
    uint32_t kept_count;         /* now */
    uint32_t filling_count;      /* leases open */
    uint32_t transform_count;
    uint32_t edit_count;
    uint32_t route_count;
    uint32_t schema_count;
} ray_mediator_stats;
typedef struct ray_transform_row {
    ray_transform_spec spec;
    uint64_t asked_count;
    uint64_t denied_count;
    uint64_t hit_count;
    uint64_t miss_count;
    uint64_t refused_count;
    uint32_t transform;          /* handle */
    uint32_t edit_count;
    uint32_t route_count;
    uint32_t kept_count;
} ray_transform_row;
typedef struct ray_cached_row {
    uint64_t key[2];
    uint64_t stored_ns;          /* of a lease: when it was taken */
    uint64_t due_ns;             /* expires, or lapses */
    uint64_t hit_count;
    uint32_t handle;
    uint32_t transform;
    uint32_t tenant;
    uint32_t route;
    uint32_t header_bytes;
    uint32_t body_bytes;
    uint32_t vary;               /* bits of ray_mediator_vary_word */
    uint16_t status;
    uint8_t filling;             /* 1: a lease */
    uint8_t reserved;
} ray_cached_row;
void ray_mediator_read(const ray_mediator *mediator, ray_mediator_stats *out);
ray_status ray_mediator_find(const ray_mediator *mediator, const char *name, uint64_t length,
                             uint32_t *handle);
ray_status ray_mediator_schema_find(const ray_mediator *mediator, const char *name,
                                    uint64_t length, uint32_t *schema);
ray_status ray_mediator_schema_read(const ray_mediator *mediator, uint32_t schema,
                                    ray_schema_spec *out);
/* The first transform after `handle` (RAY_NONE: the first), RAY_NONE when there is none. */
uint32_t ray_mediator_next(const ray_mediator *mediator, uint32_t handle);
ray_status ray_mediator_transform_read(const ray_mediator *mediator, uint32_t handle,
                                       ray_transform_row *out);
/* The nth edit of a transform, RAY_E_UNKNOWN past the last. */
ray_status ray_mediator_edit_read(const ray_mediator *mediator, uint32_t handle, uint32_t nth,
                                  ray_header_edit_spec *out);
/* What stands in a place of the cache; RAY_E_UNKNOWN for a free one and past the table. */
ray_status ray_mediator_cached_read(const ray_mediator *mediator, uint32_t place,
                                    ray_cached_row *out);
/* The header behind a bit of a kept answer's `vary`; NULL past the last. */
const char *ray_mediator_vary_word(uint32_t bit);
const char *ray_content_word(uint32_t content);
/* The media type of a format; NULL for RAY_CONTENT_ANY. */
const char *ray_content_type(uint32_t content, uint32_t flags);
/* The format a Content-Type names; RAY_CONTENT_MAX: none, or one that says it cannot be read. */
uint32_t ray_content_of(ray_view content_type);
/* A format's weight in an Accept header, 1 to 1000; 0: not acceptable. An absent one takes all. */
uint32_t ray_accept_weight(ray_view accept, uint32_t content, uint32_t flags);
ray_status ray_mediator_export_json(const ray_mediator *mediator, uint64_t now_ns, ray_text *out);
ray_status ray_mediator_export_metrics(const ray_mediator *mediator, uint32_t form, ray_text *text);
/* 0, or: 1 rules, 2 edits, 3 routes, 4 entries, 5 heap, 6 chains, 7 LRU, 8 counters, 9 schemas. */
uint32_t ray_mediator_valid(const ray_mediator *mediator);

#endif
