/* SPDX-License-Identifier: MIT */
/* mediator_state - transforms, who uses them, and the kept responses. Links are 1 + place, 0 is
 * none, so that zero is empty. */
#ifndef RAY_MEDIATOR_STATE_H
#define RAY_MEDIATOR_STATE_H
#include "ray/mediator.h"

enum ray_mediator_state_constant {
    RAY_TRANSFORM_SLOT_MASK = 0xffff,
    RAY_CACHE_VARY_MAX = 8,          /* request headers a response may vary by */
    RAY_CACHE_TABLE = 2 * RAY_CACHE_ENTRY_MAX
};

/* A lease nobody gives back lapses after this; a service that is slower is not worth waiting
 * for. */
#define RAY_CACHE_FILL_NS 30000000000ULL

enum ray_cache_phase { RAY_CACHE_FREE = 0, RAY_CACHE_FILLING = 1, RAY_CACHE_KEPT = 2 };

typedef struct ray_transform_slot {
    ray_transform_spec spec;
    uint32_t generation;
    uint32_t used;
} ray_transform_slot;

/* In the place of the route's slot. */
typedef struct ray_route_transform {
    uint32_t route;                  /* handle */
    uint32_t transform;              /* 1 + handle; 0: none */
} ray_route_transform;

typedef struct ray_mediator_config {
    uint8_t seed[16];
    uint32_t transform_count;
    uint32_t edit_count;
    uint32_t schema_count;
    uint32_t node_count;
    uint32_t property_count;
    uint32_t value_count;
    uint32_t text_length;
    uint32_t reserved;
    ray_schema_spec schema[RAY_SCHEMA_MAX];
    ray_format_node node[RAY_SCHEMA_NODE_MAX];
    ray_format_property property[RAY_SCHEMA_PROPERTY_MAX];
    ray_format_value value[RAY_SCHEMA_VALUE_MAX];
    uint8_t text[RAY_SCHEMA_TEXT_BYTES];
    ray_transform_slot slot[RAY_TRANSFORM_MAX];
    ray_header_edit_spec edit[RAY_HEADER_EDIT_MAX];
    ray_route_transform route[RAY_ROUTE_MAX];
} ray_mediator_config;

typedef struct ray_cache_entry {
    uint64_t key[2];
    uint64_t stored_ns;
    uint64_t age_ns;                 /* how old it was when it came */
    uint64_t said[RAY_CACHE_VARY_MAX][2]; /* hash of what the request said in each of them */
    uint32_t transform;              /* handle */
    uint32_t tenant;
    uint32_t route;
    uint32_t header_length;
    uint32_t body_length;
    uint32_t generation;
    uint32_t next;                   /* in its chain, or in the free list */
    uint32_t vary;                   /* bits: those of `said` that must be the same */
    uint16_t status;
    uint8_t phase;
    uint8_t authorized;              /* filling: the request carried credentials */
    uint8_t reserved[4];
    uint8_t bytes[RAY_CACHE_ENTRY_BYTES]; /* the body, then the headers */
} ray_cache_entry;

typedef struct ray_mediator_book {
    uint32_t free;
    uint32_t top;                    /* entries that were ever used */
    uint32_t filling_count;
    uint32_t kept_count;
    uint32_t heap_count;
    uint32_t reserved;
    uint64_t due_ns[RAY_CACHE_ENTRY_MAX];
    uint32_t heap_order[RAY_CACHE_ENTRY_MAX];
    uint32_t heap_place[RAY_CACHE_ENTRY_MAX];
    uint32_t table[RAY_CACHE_TABLE];
    ray_cache_entry entry[RAY_CACHE_ENTRY_MAX];
} ray_mediator_book;

typedef struct ray_transform_tally {
    uint64_t asked_count;
    uint64_t denied_count;
    uint64_t hit_count;
    uint64_t miss_count;
    uint64_t refused_count;          /* responses */
} ray_transform_tally;

/* The order of use is no part of the book: a request that is denied later moves it. */
typedef struct ray_cache_use {
    uint64_t hit_count;
    uint32_t newer;
    uint32_t older;
} ray_cache_use;

typedef struct ray_mediator_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;
    uint64_t hit_count;
    uint64_t miss_count;
    uint64_t busy_count;
    uint64_t fill_count;
    uint64_t stored_count;
    uint64_t unkept_count;
    uint64_t large_count;
    uint64_t released_count;
    uint64_t lapsed_count;
    uint64_t stale_count;
    uint64_t full_count;
    uint64_t evicted_count;
    uint64_t expired_count;
    uint64_t dropped_count;
    uint64_t invalidated_count;
    uint64_t refused_count;
    uint32_t newest;
    uint32_t oldest;
    ray_cache_use use[RAY_CACHE_ENTRY_MAX];
    ray_transform_tally transform[RAY_TRANSFORM_MAX];
} ray_mediator_tally;

struct ray_mediator {
    ray_mediator_config config;
    ray_mediator_book book;
    ray_mediator_tally tally;
};

_Static_assert(RAY_TRANSFORM_MAX <= 0x10000, "a transform's place fits a handle");
_Static_assert(RAY_CACHE_ENTRY_MAX <= 0x10000, "an entry's place fits a handle");
_Static_assert(RAY_CACHE_ENTRY_BYTES % 8 == 0, "the state has no padding");
_Static_assert(sizeof(ray_mediator_tally) % 8 == 0, "the state is digested in 64-bit words");

#endif
