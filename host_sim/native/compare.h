/* SPDX-License-Identifier: MIT */
#ifndef RAY_COMPARE_H
#define RAY_COMPARE_H
#include <stdint.h>
#include "ray/ray.h"

/* compare: the answers of two replays of one log, paired by the line they are of.
 *
 * Each side is a whole replay with its own reader, order and core, opened with `notes`; the
 * comparison only looks at what they answered. Side 0 is the old configuration, side 1 the new one.
 * Pairs are by line: a row that one side only takes, or that the sides take further apart than
 * RAY_COMPARE_APART lines, is counted and never paired with another. Memory is bounded.
 */
typedef struct ray_compare ray_compare;
typedef struct ray_replay ray_replay; /* see replay.h */

enum ray_compare_constant {
    RAY_COMPARE_APART = 262144,     /* how many lines apart the two may be in their orders */
    RAY_COMPARE_BUCKET_MAX = 256,   /* of the series over time */
    RAY_COMPARE_PAIR_MAX = 65536,   /* pairs of outcomes told apart; the rest is folded */
    RAY_COMPARE_VERDICT_MAX = 16    /* above every enum ray_verdict; 0 is a row the core refused */
};

/* A flip is a request whose verdict differs; these are its kinds. Refused: denied, dropped by a
 * guard, or a row that the core did not take. */
enum ray_compare_change {
    RAY_COMPARE_SAME = 0,
    RAY_COMPARE_DENIED = 1,  /* refused by the new configuration only */
    RAY_COMPARE_ALLOWED = 2, /* refused by the old one only */
    RAY_COMPARE_OTHER = 3    /* both or neither refuse, and yet not alike: delayed, redirected */
};

typedef struct ray_compare_spec {
    const struct ray *names[2]; /* borrowed: who limits, tenants and services of each side are */
    uint64_t hash_key;          /* any number that an attacker cannot guess */
    uint32_t flips;             /* 1: write a line of text for each flip */
    uint32_t reserved;
} ray_compare_spec;

typedef struct ray_compare_stats {
    uint64_t pair_count;         /* requests that both sides answered */
    uint64_t change_count[4];    /* by enum ray_compare_change */
    uint64_t only_count[2];      /* rows without a partner, by the side that took them */
    uint64_t only_line[2];       /* the lowest of them */
    uint64_t folded_pair_count;  /* requests past RAY_COMPARE_PAIR_MAX */
    uint64_t folded_key_count[2]; /* flips of clients, users past RAY_REPLAY_KEY_MAX */
    uint64_t key_count[2];       /* clients, users with a flip */
    uint64_t verdict_count[256]; /* old * RAY_COMPARE_VERDICT_MAX + new */
} ray_compare_stats;

/* One side's outcome, as far as pairs tell them apart. */
typedef struct ray_compare_outcome {
    uint32_t by_id;
    uint16_t reason;
    uint8_t verdict;
    uint8_t by_kind;
} ray_compare_outcome;

/* Requests that had this outcome there and that one here, and the first of them in the order of
 * the old side. */
typedef struct ray_compare_pair {
    ray_compare_outcome outcome[2];
    ray_name by[2];         /* empty: no rule */
    uint64_t request_count;
    uint64_t waited_count;  /* of them, told another wait (Retry-After, or until the start) */
    uint64_t line;
    uint64_t at_ns;
    uint64_t position[2];   /* what ray_replay_watch takes */
    uint64_t seq[2];
} ray_compare_pair;

enum ray_compare_kind {
    RAY_COMPARE_TENANT = 0,
    RAY_COMPARE_SERVICE = 1,
    RAY_COMPARE_ROUTE = 2,
    RAY_COMPARE_KIND_MAX = 3
};

/* A tenant, service or route. A request counts for the old side's; for the new side's where the old
 * one knows none. The same holds for users. */
typedef struct ray_compare_group {
    ray_name name;              /* empty: neither side knows one */
    uint64_t request_count;
    uint64_t refused_count[2];  /* by side */
    uint64_t change_count[4];   /* by enum ray_compare_change */
    uint64_t first_denied_ns;   /* of the new denials; 0: none */
    uint64_t first_denied_line;
    uint32_t side;              /* whose name it is */
    uint32_t id;
} ray_compare_group;

/* A client or user with a flip; `name` points into the comparison's memory. */
typedef struct ray_compare_key {
    const uint8_t *name;
    uint64_t change_count[4];
    uint64_t first_ns;          /* of the changes that were ranked by */
    uint32_t length;
    uint32_t address;           /* 1: 16 bytes of an address */
} ray_compare_key;

/* The requests of one stretch of time, by enum ray_compare_change. */
typedef struct ray_compare_bucket {
    uint64_t change_count[4];
} ray_compare_bucket;

/* NULL when memory is out. */
ray_compare *ray_compare_open(const ray_compare_spec *spec);
void ray_compare_close(ray_compare *compare);

/* Pairs what both replays have noted since the last call. 0 when memory is out. */
uint32_t ray_compare_take(ray_compare *compare, ray_replay *old_side, ray_replay *new_side);
/* Both are over: what has no partner now has none. */
void ray_compare_end(ray_compare *compare, ray_replay *old_side, ray_replay *new_side);

/* The flips so far, whole lines of NDJSON; valid until the next take. */
const uint8_t *ray_compare_text(const ray_compare *compare, uint64_t *length);
void ray_compare_text_clear(ray_compare *compare);

void ray_compare_read(const ray_compare *compare, ray_compare_stats *out);
/* By index from 0, in the order of first appearance; 0 past the last. */
uint32_t ray_compare_pair_read(const ray_compare *compare, uint32_t index, ray_compare_pair *out);
uint32_t ray_compare_group_read(const ray_compare *compare, uint32_t kind, uint32_t index,
                                ray_compare_group *out);
/* All requests over time, RAY_COMPARE_BUCKET_MAX stretches of the same width that begin with the
 * first one's multiple of it; the width is a power of two times a millisecond. How many are used.
 * What comes before the first (the sides' orders may differ a little) counts in it. */
uint32_t ray_compare_series(const ray_compare *compare, uint64_t *first_ns, uint64_t *width_ns,
                            ray_compare_bucket *out);
/* The `most` clients (users: 1) with the most changes of a kind, who came first before who came
 * later; how many. */
uint32_t ray_compare_top(const ray_compare *compare, uint32_t users, uint32_t change,
                         uint32_t most, ray_compare_key *out);

#endif
