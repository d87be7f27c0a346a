/* SPDX-License-Identifier: MIT */
/* parts - what the files of the mediator ask of one another. */
#ifndef RAY_MEDIATOR_PARTS_H
#define RAY_MEDIATOR_PARTS_H
#include <stddef.h>
#include "mediator_state.h"
#include "forward.h"
#include "base/bytes.h"
#include "base/headers.h"
#include "base/parameters.h"

/* The slot of a handle; NULL when it is free or another's. */
static inline const ray_transform_slot *ray_transform_at(const ray_mediator *mediator,
                                                         uint32_t handle)
{
    uint32_t place = handle & RAY_TRANSFORM_SLOT_MASK;
    if (place >= RAY_TRANSFORM_MAX)
        return NULL;
    const ray_transform_slot *slot = &mediator->config.slot[place];
    return slot->used != 0 && slot->generation == handle >> 16 ? slot : NULL;
}

static inline uint32_t ray_cache_handle(const ray_mediator *mediator, uint32_t place)
{
    return place | mediator->book.entry[place].generation << 16;
}

/* -- values.c: what stands in header fields -- */
/* One member of a comma-separated list: name, and value without its quotes; zero begins. */
typedef struct ray_member {
    uint64_t at;
    ray_view name;
    ray_view value;
    uint32_t has_value;
    uint32_t reserved;
} ray_member;
uint32_t ray_member_next(ray_view list, ray_member *member);
/* Digits alone; 0 when it is no number. Past 64 bits counts as the most. */
uint32_t ray_view_u64(ray_view view, uint64_t *out);

/* -- key.c -- */
/* The key of a request, HEAD as GET; 0 when it has none: it is never kept. */
uint32_t ray_cache_key(const ray_mediator *mediator, const ray_mediator_query *query,
                       uint64_t key[2]);
/* What the request says in the header of this bit. */
void ray_cache_said(const ray_mediator *mediator, ray_view headers, uint32_t bit,
                    uint64_t said[2]);

/* -- keep.c -- */
typedef struct ray_keep {
    uint64_t ttl_ns;
    uint64_t age_ns;
    uint32_t vary;
    uint32_t reserved;
} ray_keep;
/* RFC 9111 and the transform's cap: may this response be kept, and how long? */
uint32_t ray_cache_may_keep(uint16_t status, ray_view headers, uint32_t authorized,
                            uint64_t ttl_max_ns, ray_keep *out);
/* What the request's Cache-Control asks for. */
typedef struct ray_wish {
    uint64_t age_max_ns;       /* RAY_NEVER: any */
    uint32_t no_store;
    uint32_t no_cache;
    uint32_t only_if_cached;
    uint32_t reserved;
} ray_wish;
void ray_cache_wish(ray_view headers, ray_wish *out);
/* A field that is about one connection alone (RFC 9110 7.6.1). */
uint32_t ray_is_hop_by_hop(ray_view name);
uint32_t ray_is_one_of(ray_view name, const char *const *words, uint32_t count);
/* A body in another coding is none that is read here (RFC 9110 8.4). */
uint32_t ray_is_coded(ray_view headers);

/* -- cache.c -- */
typedef struct ray_found {
    uint32_t hit;              /* place, RAY_NONE */
    uint32_t filling;          /* 1: somebody fills this key */
} ray_found;
void ray_cache_find(const ray_mediator *mediator, uint64_t now_ns,
                    const ray_mediator_query *query, const uint64_t key[2], ray_found *out);
uint32_t ray_cache_begin(ray_mediator *mediator, uint64_t now_ns,
                         const ray_mediator_query *query, const uint64_t key[2]);
void ray_cache_touch(ray_mediator *mediator, uint32_t place);
/* Lets go of an entry; the caller counts why. */
void ray_cache_free(ray_mediator *mediator, uint32_t place);
void ray_cache_due_set(ray_mediator *mediator, uint32_t place, uint64_t due_ns);
/* Kept answers of a transform (RAY_NONE: all), leases too; returns how many were kept. */
uint32_t ray_cache_drop(ray_mediator *mediator, uint32_t transform);

/* -- transform.c -- */
/* What is kept of a response that is no error: its body as the client gets it, of that length, and
 * its headers behind it. RAY_E_TRUNCATED when there is no room, RAY_E_SYNTAX when it does not
 * convert or its gRPC status is an error. */
ray_status ray_response_keep(const ray_mediator *mediator, uint32_t transform,
                             uint16_t http_status, ray_view headers, ray_view body, ray_text *out,
                             uint64_t *body_length);

/* -- edit.c -- */
void ray_header_put(ray_text *out, ray_view name, ray_view value);
void ray_header_put_word(ray_text *out, const char *name, const char *value);
void ray_header_put_u64(ray_text *out, const char *name, uint64_t value);

/* -- schemas.c -- */
uint32_t ray_schema_at(const ray_mediator *mediator, uint32_t schema, ray_format_schema *out);
ray_status ray_schemas_check(const ray_mediator_rows *rows, const ray_config_counts *counts,
                             ray_config_report *report);
uint32_t ray_schemas_same(const ray_mediator_config *config, const ray_mediator_rows *rows,
                          const ray_config_counts *counts);
void ray_schemas_load(ray_mediator_config *config, const ray_mediator_rows *rows,
                      const ray_config_counts *counts);
uint32_t ray_schemas_hold(const ray_mediator_config *config);

/* -- body.c: a body in its format, against its schema -- */
typedef struct ray_body {
    ray_view headers;          /* packed */
    ray_view bytes;
    ray_view boundary;         /* of a multipart one */
} ray_body;
/* RAY_REASON_OK, SCHEMA_INVALID or BODY_MALFORMED, LOSSY; the report says where. */
uint32_t ray_body_check(const ray_mediator *mediator, const ray_transform_side *rule,
                        const ray_body *body, ray_mediator_report *report);
uint32_t ray_body_convert(const ray_mediator *mediator, const ray_transform_side *rule,
                          const ray_body *body, ray_text *out, ray_mediator_report *report);

/* -- check.c -- */
ray_status ray_transform_check(const ray_transform_spec *spec, uint32_t schema_count,
                               uint32_t *field);
ray_status ray_header_edit_check(const ray_header_edit_spec *edit, uint32_t transform_count,
                                 uint32_t *field);

#endif
