/* SPDX-License-Identifier: MIT */
/* policy_state - the bytes behind ray/policy.h; seen only by this folder and kernel_state.h.
 *
 * Every field has a table: for each value a set of rules, a bit each, that this value does not rule
 * out. A request picks one row per field and the rules that match are what all rows have in common.
 * Times and addresses are number lines cut where some rule's range begins or ends. Zero is the
 * valid empty state everywhere.
 */
#ifndef RAY_POLICY_STATE_H
#define RAY_POLICY_STATE_H
#include "ray/policy.h"

enum ray_policy_private {
    RAY_POLICY_HOURS = 168,
    RAY_POLICY_LINE_BITS = RAY_POLICY_TERM_MAX >= 256 ? 8 : 2, /* of an address, looked up first */
    RAY_POLICY_LINE_BUCKETS = 1 << RAY_POLICY_LINE_BITS,
    RAY_POLICY_SEGMENT_MAX = 2 * RAY_POLICY_TERM_MAX + 2 /* a range cuts twice; two lines begin */
};

typedef struct ray_policy_bits {
    uint64_t at[RAY_POLICY_WORDS];
} ray_policy_bits;

/* One rule; free when its name is zero. Terms and headers of all rules stand in the pools in the
 * order of slots, without gaps. */
typedef struct ray_policy_slot {
    ray_policy_spec spec;
    uint32_t generation; /* 0 for rows of a file */
    uint16_t term_first;
    uint16_t header_first;
} ray_policy_slot;

/* Where a segment begins; it ends where the next one does. */
typedef struct ray_policy_cut {
    uint64_t high; /* of an address; 0 for minutes */
    uint64_t low;
} ray_policy_cut;

/* Made from the rules by index.c. In every table the row before the last is for a value no rule
 * names (of another service, a tenant without a plan), the last one for an unknown one. */
typedef struct ray_policy_index {
    ray_policy_bits service[RAY_SERVICE_MAX + 2];
    ray_policy_bits route[RAY_ROUTE_MAX + 2];
    ray_policy_bits method[RAY_METHOD_MAX + 2];
    ray_policy_bits role[RAY_ROLE_MAX + 2];
    ray_policy_bits tenant[RAY_TENANT_MAX + 2];
    ray_policy_bits plan[RAY_PLAN_MAX + 2];
    ray_policy_bits segment[RAY_POLICY_SEGMENT_MAX]; /* minutes first, then addresses */
    ray_policy_cut cut[RAY_POLICY_SEGMENT_MAX];
    ray_policy_bits address_unknown;
    ray_policy_bits enforced; /* rules that are asked */
    ray_policy_bits shadow;
    ray_policy_bits deny;
    ray_policy_bits allow;
    ray_policy_bits effect; /* have an obligation */
    ray_policy_bits headed; /* have a condition on a header */
    ray_policy_bits type[RAY_POLICY_TYPE_MAX];
    uint16_t service_generation[RAY_SERVICE_MAX]; /* of the handle that the rules mean */
    uint16_t route_generation[RAY_ROUTE_MAX];
    uint16_t rank[RAY_POLICY_MAX];                /* by priority, then slot */
    uint16_t hour[RAY_POLICY_HOURS];              /* segment in which the hour begins */
    uint16_t v4[RAY_POLICY_LINE_BUCKETS + 2];     /* the same by bucket of v4 addresses */
    uint16_t v6[RAY_POLICY_LINE_BUCKETS + 2];     /* and by the first bits of the others */
    uint16_t minute_count;                        /* segments of the week; 0: no rule has a time */
    uint16_t segment_count;                       /* of both; equal: no rule has an address */
    uint32_t enabled_count;
    uint32_t evaluated;                           /* types as bits: what decides the verdict */
    uint32_t evaluated_shadow;                    /* the same with shadow rules counted in */
    uint32_t denies;                              /* types whose default denies */
    uint32_t v4_base;                             /* where the buckets of v4 begin, and how far */
    uint32_t v4_shift;                            /* one reaches, as a power of two */
    uint32_t reserved;
} ray_policy_index;

typedef struct ray_policy_config {
    uint64_t generation;
    ray_policy_slot slot[RAY_POLICY_MAX];
    uint32_t issued[RAY_POLICY_MAX]; /* the last generation a live rule of the slot was given */
    ray_policy_term term[RAY_POLICY_TERM_MAX];
    ray_policy_header_spec header[RAY_POLICY_HEADER_MAX];
    ray_policy_set_spec set;
    uint32_t count;
    uint32_t term_count;
    uint32_t header_count;
    uint32_t reserved;
    ray_policy_index index;
} ray_policy_config;

/* Policy spends nothing, so its book is empty for ever. */
typedef struct ray_policy_book {
    uint64_t reserved;
} ray_policy_book;

typedef struct ray_policy_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;
    uint64_t redirected_count;
    uint64_t default_count;
    uint64_t indeterminate_count;
    uint64_t alert_count;
    uint64_t would_count;
    uint64_t audit_count; /* record n is at (n - 1) mod RAY_POLICY_AUDIT_MAX */
    uint8_t anchor[32];   /* hash of the last record that was overwritten */
    ray_policy_hits hits[RAY_POLICY_MAX];
    ray_policy_record record[RAY_POLICY_AUDIT_MAX];
} ray_policy_tally;

struct ray_policy {
    ray_policy_config config;
    ray_policy_book book;
    ray_policy_tally tally;
};

_Static_assert(sizeof(ray_policy_spec) == 80, "the blob's policy row is 80 bytes");
_Static_assert(sizeof(ray_policy_term) == 32, "the blob's term row is 32 bytes");
_Static_assert(sizeof(ray_policy_header_spec) == 184, "the blob's header row is 184 bytes");
_Static_assert(sizeof(ray_policy_set_spec) == 8, "the blob's policy set row is 8 bytes");
_Static_assert(sizeof(ray_policy_slot) % 8 == 0 && sizeof(ray_policy_record) % 8 == 0,
               "rows keep 8-byte alignment");
_Static_assert(sizeof(ray_policy_config) % 8 == 0 && sizeof(ray_policy_tally) % 8 == 0,
               "the digest hashes whole words");
_Static_assert(RAY_POLICY_MAX <= 0xffff && RAY_POLICY_TERM_MAX <= 0xffff &&
                   RAY_POLICY_HEADER_MAX <= 0xffff,
               "places in the pools fit 16 bits");
_Static_assert(RAY_POLICY_SEGMENT_MAX <= 0xffff, "segments fit 16 bits");
_Static_assert(RAY_POLICY_MAX <= 255, "an answer counts its alerts in a byte");

#endif
