/* SPDX-License-Identifier: MIT */
/* gateway_state - services, routes, tables, and the index that finds a route without looking at the
 * others. Seen only by this folder and kernel_state.h. */
#ifndef RAY_GATEWAY_STATE_H
#define RAY_GATEWAY_STATE_H
#include <stddef.h>
#include "ray/gateway.h"
#include "base/bytes.h"

/* The index. A pattern is cut at its wildcards into literal runs. A node is where a run starts: two
 * for each host pattern (one for patterns, one for the literal beginnings of regexes) and one
 * behind each '*'. An entry is a run that ends where something is to be found: candidates, or a
 * '*'. One hash table over (node, run) holds all entries. A lookup knows the lengths of a node's
 * runs and where the path's segments end, and probes where the two agree. */
enum ray_gateway_index_constant {
    RAY_GATEWAY_ROOT_MAX = 1 + RAY_ROUTE_MAX,             /* any host, and one per host pattern */
    /* two spare, so that the index is a multiple of 8 bytes */
    RAY_GATEWAY_NODE_MAX = 2 * RAY_GATEWAY_ROOT_MAX + RAY_CAPTURE_MAX * RAY_ROUTE_MAX + 2,
    RAY_GATEWAY_ENTRY_MAX = (RAY_CAPTURE_MAX + 2) * RAY_ROUTE_MAX,  /* '*'s, an end, a host */
    RAY_GATEWAY_TABLE = 32 * RAY_ROUTE_MAX,               /* a power of two, a third full at most */
    RAY_GATEWAY_LENGTH_WORDS = RAY_ROUTE_PATTERN_BYTES / 64 + 1,
    RAY_GATEWAY_HOST_NODE = 0xffff,                       /* its runs are hosts, reversed */
    RAY_GATEWAY_NO_SLOT = 0xffff
};

typedef struct ray_gateway_entry {
    uint32_t tag;              /* lower half of the run's hash; the upper 16 bits place it */
    uint16_t node;
    uint16_t star;             /* 1 + node behind a '*' here; of a host: its root */
    uint16_t slot;             /* a route that has the run; NO_SLOT: it is not compared */
    uint16_t at;               /* where in it */
    uint16_t length;
    uint16_t first;            /* its candidates, best first */
    uint16_t count;
    uint16_t reserved;
} ray_gateway_entry;

enum ray_gateway_candidate_flag {
    RAY_CANDIDATE_END = 1,     /* only when the path ends here */
    RAY_CANDIDATE_REGEX = 2,   /* ask its table */
    RAY_CANDIDATE_MATCHES = 4, /* has header or query matches */
    RAY_CANDIDATE_TIES = 8     /* the next candidate differs from this one in order only */
};

typedef struct ray_gateway_candidate {
    uint16_t slot;
    uint16_t rank;
    uint8_t methods;           /* as bits; all when the route names none */
    uint8_t flags;
    uint16_t entry;
} ray_gateway_candidate;

typedef struct ray_gateway_index {
    uint32_t mask;             /* of the part of `table` in use */
    uint16_t root_count;       /* host patterns; roots are numbered from 1 */
    uint16_t node_count;       /* nodes behind '*' */
    uint16_t entry_count;
    uint16_t reserved[3];
    uint64_t lengths[RAY_GATEWAY_NODE_MAX][RAY_GATEWAY_LENGTH_WORDS];   /* bit: a run so long */
    uint16_t reach[RAY_GATEWAY_NODE_MAX];        /* 1 + longest run from the node, 0: none */
    uint16_t ranked[RAY_ROUTE_MAX];              /* slots in order of precedence */
    ray_gateway_candidate candidate[RAY_ROUTE_MAX];
    ray_gateway_entry entry[RAY_GATEWAY_ENTRY_MAX];
    uint16_t table[RAY_GATEWAY_TABLE];           /* 1 + entry */
} ray_gateway_index;

typedef struct ray_gateway_dfa {
    uint32_t offset;           /* in the pool, bytes; tables lie back to back */
    uint32_t length;           /* 0: free */
} ray_gateway_dfa;

typedef struct ray_gateway_config {
    uint32_t service_count;
    uint32_t route_count;
    uint32_t dfa_count;
    uint32_t dfa_bytes;
    ray_service_spec service[RAY_SERVICE_MAX];   /* free: name is zero */
    ray_route_spec route[RAY_ROUTE_MAX];
    uint32_t route_order[RAY_ROUTE_MAX];         /* 1 + how many came before it */
    uint16_t service_generation[RAY_SERVICE_MAX];
    uint16_t route_generation[RAY_ROUTE_MAX];
    ray_gateway_dfa dfa[RAY_DFA_MAX];
    uint64_t pool[RAY_DFA_POOL_BYTES / 8];
    ray_gateway_index index;
} ray_gateway_config;

/* The gateway spends nothing, so its book is empty for ever. */
typedef struct ray_gateway_book {
    uint64_t reserved;
} ray_gateway_book;

typedef struct ray_gateway_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t forwarded_count;
    uint64_t rewritten_count;
    uint64_t given_count;
    uint64_t reason_count[16];                   /* by reason - RAY_REASON_NO_ROUTE */
    ray_gateway_count service[RAY_SERVICE_MAX];
    ray_gateway_count route[RAY_ROUTE_MAX];
} ray_gateway_tally;

struct ray_gateway {
    ray_gateway_config config;
    ray_gateway_book book;
    ray_gateway_tally tally;
};

_Static_assert(RAY_ROUTE_MAX < 0xffff && RAY_SERVICE_MAX < 0xffff, "slots fit 16 bits");
_Static_assert(RAY_GATEWAY_NODE_MAX < RAY_GATEWAY_HOST_NODE, "nodes fit 16 bits");
_Static_assert((RAY_GATEWAY_TABLE & (RAY_GATEWAY_TABLE - 1)) == 0, "a power of two");
_Static_assert(RAY_GATEWAY_TABLE >= 3 * RAY_GATEWAY_ENTRY_MAX, "the table stays a third full");
_Static_assert(RAY_DFA_POOL_BYTES % 8 == 0 && RAY_DFA_TABLE_BYTES % 8 == 0, "tables are aligned");
_Static_assert(sizeof(struct ray_gateway) % 8 == 0, "no padding at the end");

/* -- path.c: the canonical path -- */
typedef struct ray_gateway_path {
    ray_view path;
    ray_view query;
    ray_view authority;        /* of an absolute-form target, else length 0 */
    uint64_t ends;             /* bit: a segment of `path` ends there, of the first 64; 0 unknown */
    uint16_t reason;           /* RAY_REASON_OK or why it is refused */
    uint8_t escaped;           /* %2F or %5C was kept */
    uint8_t reserved[5];
} ray_gateway_path;
void ray_gateway_path_read(ray_view target, uint8_t *scratch, ray_gateway_path *out);
/* 1 when a route's pattern is what the normaliser leaves of it; '*' is a byte like others here. */
uint32_t ray_gateway_path_settled(ray_view path, uint32_t allow_escapes);

/* -- index.c: building -- */
void ray_gateway_index_build(ray_gateway_config *config);
/* Negative, 0 or positive: which of two routes goes first; 0 when they differ in order only. */
int32_t ray_gateway_precedence(const ray_route_spec *a, const ray_route_spec *b);
/* A prefix without the slash at its end, everything else as it is. */
uint32_t ray_gateway_pattern_length(const ray_route_spec *route);

/* -- lookup.c: finding -- */
typedef struct ray_gateway_search {
    const ray_gateway_config *config;
    ray_view path;
    ray_view query;
    ray_view headers;
    uint64_t ends;             /* as in ray_gateway_path */
    uint32_t method;           /* bit */
    uint32_t accepted;         /* bits of methods that serve it: HEAD is served by GET too */
    uint32_t best;             /* rank of the best route so far, RAY_NONE: none */
    uint32_t slot;             /* of that route */
    uint32_t allow;            /* methods of routes that fit but for the method */
    uint32_t reserved;
} ray_gateway_search;
void ray_gateway_search_run(ray_gateway_search *search, ray_view host);
/* Fills the captures of a wildcard route that was found. */
void ray_gateway_captures(const ray_route_spec *route, ray_view path, ray_gateway_answer *out);
/* The host without port, brackets kept, without a dot at its end; 0 when it is none. */
uint32_t ray_gateway_host_read(ray_view host, ray_view *out);

uint64_t ray_gateway_hash_run(uint32_t node, const uint8_t *at, uint64_t length);
uint64_t ray_gateway_hash_host(const uint8_t *host, uint64_t length);

/* -- match.c -- */
uint32_t ray_gateway_header_fits(const ray_match_spec *match, ray_view headers);
uint32_t ray_gateway_query_fits(const ray_match_spec *match, ray_view query);

/* -- dfa.c -- */
uint32_t ray_gateway_dfa_run(const uint8_t *table, ray_view text);
/* The bytes every accepted text begins with, up to and without the last slash among them. */
uint32_t ray_gateway_dfa_prefix(const uint8_t *table, uint8_t *out, uint32_t capacity);
/* Walks the table to an accepting state by bytes of plain paths; 0 when chance found none. */
uint32_t ray_gateway_dfa_example(const uint8_t *table, uint64_t choice, ray_text *out);

/* -- tables.c: the pool -- */
/* Appends a checked table that fits; its place. */
uint32_t ray_gateway_table_add(ray_gateway_config *config, ray_view table);
/* Drops tables that no route names and closes the gaps. */
void ray_gateway_tables_close(ray_gateway_config *config);

/* -- check.c: what a row may say -- */
/* RAY_OK for the handle of a service that is registered: the pipeline looks before time passes. */
ray_status ray_gateway_known(const ray_gateway *gateway, uint32_t id);
/* Section kinds of ray/config.h, which modules do not include. */
enum ray_gateway_section {
    RAY_GATEWAY_SECTION_SERVICE = 10,
    RAY_GATEWAY_SECTION_ROUTE = 11,
    RAY_GATEWAY_SECTION_DFA = 12
};
ray_status ray_gateway_check_service(const ray_service_spec *spec, uint32_t *field);
/* Everything but the service's and the table's existence. */
ray_status ray_gateway_check_route(const ray_route_spec *spec, uint32_t *field);

#endif
