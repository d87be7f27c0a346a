/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_POLICY_PARTS_H
#define RAY_POLICY_PARTS_H
#include <stddef.h>
#include "policy_state.h"
#include "base/bytes.h"

enum { RAY_POLICY_SLOT_MASK = 0xffff };

/* -- sets of rules -- */
static inline void ray_bits_set(ray_policy_bits *bits, uint32_t slot)
{
    bits->at[slot / 64] |= (uint64_t)1 << slot % 64;
}

static inline void ray_bits_clear(ray_policy_bits *bits, uint32_t slot)
{
    bits->at[slot / 64] &= ~((uint64_t)1 << slot % 64);
}

static inline uint32_t ray_bits_has(const ray_policy_bits *bits, uint32_t slot)
{
    return (uint32_t)(bits->at[slot / 64] >> slot % 64) & 1;
}

static inline uint32_t ray_bits_any(const ray_policy_bits *bits)
{
    uint64_t any = 0;
    for (uint32_t word = 0; word < RAY_POLICY_WORDS; word++)
        any |= bits->at[word];
    return any != 0;
}

static inline ray_policy_bits ray_bits_and(const ray_policy_bits *a, const ray_policy_bits *b)
{
    ray_policy_bits both;
    for (uint32_t word = 0; word < RAY_POLICY_WORDS; word++)
        both.at[word] = a->at[word] & b->at[word];
    return both;
}

static inline ray_policy_bits ray_bits_or(const ray_policy_bits *a, const ray_policy_bits *b)
{
    ray_policy_bits either;
    for (uint32_t word = 0; word < RAY_POLICY_WORDS; word++)
        either.at[word] = a->at[word] | b->at[word];
    return either;
}

/* Takes the lowest rule out of a set that is not empty. */
static inline uint32_t ray_bits_next(ray_policy_bits *bits)
{
    uint32_t word = 0;
    while (bits->at[word] == 0)
        word++;
    uint32_t slot = 64 * word + (uint32_t)__builtin_ctzll(bits->at[word]);
    bits->at[word] &= bits->at[word] - 1;
    return slot;
}

/* -- rows -- */
static inline uint32_t ray_policy_used(const ray_policy_config *config, uint32_t slot)
{
    return config->slot[slot].spec.name.at[0] != '\0';
}

static inline uint32_t ray_policy_handle(const ray_policy_config *config, uint32_t slot)
{
    return slot | config->slot[slot].generation << 16;
}

ray_status ray_policy_slot_of(const ray_policy_config *config, uint32_t rule, uint32_t *slot);

/* index.c: the tables, made anew from the rules */
void ray_policy_index_build(ray_policy_config *config);
/* The part of them that enabling, modes and defaults change. */
void ray_policy_index_modes(ray_policy_config *config);

/* line.c: the week and the addresses as lines cut into segments */
void ray_policy_line_build(ray_policy_config *config);
uint32_t ray_policy_segment_of_minute(const ray_policy_index *index, uint32_t minute);
uint32_t ray_policy_segment_of_address(const ray_policy_index *index, ray_policy_cut at);
ray_policy_cut ray_policy_cut_of(const ray_address *address);

/* match.c: one rule against one request, without any table */
typedef struct ray_policy_point {
    ray_policy_cut address;
    uint32_t value;  /* handle, place, method, role, or minute of the week in UTC */
    uint32_t known;
} ray_policy_point;
/* enum ray_policy_truth of the rule's terms on one field. */
uint32_t ray_policy_terms_truth(const ray_policy_config *config, uint32_t slot, uint32_t field,
                                const ray_policy_point *point);
void ray_policy_point_of(const ray_policy_query *query, uint64_t now_ns, uint32_t field,
                         ray_policy_point *out);
/* 1 when every condition of the rule on headers holds; *row is the first that does not. */
uint32_t ray_policy_headers_hold(const ray_policy_config *config, uint32_t slot, ray_view headers,
                                 uint32_t *row);
void ray_policy_trace_of(const ray_policy_config *config, uint32_t slot, uint64_t now_ns,
                         const ray_policy_query *query, ray_policy_trace *out);
ray_status ray_policy_query_check(const ray_policy_query *query);

/* check.c: one row with its terms and headers; *section and *row say which row is wrong */
typedef struct ray_policy_fault {
    ray_status status;
    uint32_t section;
    uint32_t row; /* within the rule's own terms or headers */
    uint32_t field;
} ray_policy_fault;
ray_policy_fault ray_policy_row_check(const ray_policy_rows *row, const ray_config_counts *counts);
ray_status ray_policy_set_check(const ray_policy_set_spec *set, uint32_t *field);

/* policy.c: the first by priority, then place; the set is not empty */
uint32_t ray_policy_first_of(const ray_policy_index *index, ray_policy_bits set);

/* audit.c */
void ray_policy_audit_add(ray_policy *policy, const ray_policy_record *record);

#endif
