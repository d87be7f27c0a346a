/* SPDX-License-Identifier: MIT */
/* ratelimit_state: the layout of the module's state and what its own files share.
 *
 * A bucket stores what is missing (its deficit), never what is left: an all-zero bucket is a full
 * one, so a key nobody has seen needs no bucket, and a full bucket may be dropped without anybody
 * being able to tell.
 */
#ifndef RAY_RATELIMIT_STATE_H
#define RAY_RATELIMIT_STATE_H
#include "ray/ratelimit.h"

enum ray_limit_kind {
    RAY_KIND_TOKEN = 0, /* credits, as tokens */
    RAY_KIND_METER = 1, /* credits, as the level of a leaky bucket */
    RAY_KIND_QUEUE = 2, /* credits, as a backlog that delays */
    RAY_KIND_FIXED = 3,
    RAY_KIND_SLIDING = 4,
    RAY_KIND_EXACT = 5
};

enum ray_limit_keyed { RAY_KEYED_NOT = 0, RAY_KEYED_USER = 1, RAY_KEYED_IP = 2 };

enum ray_limit_layout {
    RAY_RULE_MAX = RAY_LIMIT_MAX + RAY_LIMIT_RATE_MAX,
    RAY_GROUP = RAY_LIMIT_KEY_WINDOW,
    RAY_CHUNK_MAX = RAY_LIMIT_EXACT_MAX / RAY_LIMIT_EXACT_EACH,
    RAY_SLOT_USER = RAY_LIMIT_MAX, /* slots below are the limits' own buckets */
    RAY_SLOT_IP = RAY_SLOT_USER + RAY_LIMIT_USER_KEY_MAX,
    RAY_SLOT_MAX = RAY_SLOT_IP + RAY_LIMIT_IP_KEY_MAX,
    RAY_SLOT_YELLOW = 0x40000000, /* in a hold: booked with the excess bucket */
    RAY_PIN_MAX = 256,            /* chains of pinned users */
    RAY_HOLDS_MAX = 65535
};

/* 2^63 - 1: no count of credits is larger, so a sum of two never wraps. */
#define RAY_CREDITS_MAX ((uint64_t)0x7fffffffffffffff)

/* A rate, prepared: everything the admitting path needs without a division. Rules 0 to
 * RAY_LIMIT_MAX - 1 are the limits' own, the rest belong to plans. Windows keep tokens where
 * buckets keep credits. The first cache line is all that ray_ratelimit_try reads. */
typedef struct ray_limit_rule {
    uint64_t tokens;          /* credits one tick adds */
    uint64_t period;          /* credits one token costs; windows: the window in ns */
    uint64_t fill_ticks;      /* after so many ticks nothing is missing any more */
    uint64_t capacity_tokens; /* the largest request that can ever be granted */
    uint64_t usual;           /* the ceiling of class normal once more */
    uint64_t edge_ns; /* fixed: added to the wall clock so that windows start at 0; queue: longest
                         wait */
    uint32_t direct;  /* 1 + handle when nothing but credits in ns decides: see lists.c; else 0 */
    uint32_t plan;    /* RAY_NONE: the limit's own rate */
    uint16_t limit;   /* slot */
    uint16_t next;    /* 1 + the limit's next plan rule */
    uint8_t kind;
    uint8_t tick; /* 0 ns, 1 us, 2 ms */
    uint8_t debt;
    uint8_t used;
    uint64_t ceiling[RAY_CLASS_MAX]; /* how much may be missing after a take, by class */
    uint64_t capacity;               /* credits; windows: tokens */
    uint64_t excess;                 /* credits the second bucket holds */
    uint64_t reserved;
} ray_limit_rule;

/* A rule's rate as it was configured; only people ask for it. */
typedef struct ray_limit_rate {
    uint64_t tokens;
    uint64_t period_ns;
} ray_limit_rate;

/* What every request looks at, apart from the specification that only people look at. */
typedef struct ray_limit_hot {
    uint64_t name_hash;
    uint32_t service;   /* RAY_NONE: any */
    uint16_t next;      /* 1 + the next limit of the same service, pinned user or nothing */
    uint16_t plan_head; /* 1 + the first plan rule */
    uint16_t generation;
    uint16_t instead_of; /* 1 + slot */
    uint8_t used;
    uint8_t kind;
    uint8_t mode;
    uint8_t keyed;
    uint8_t scope;
    uint8_t excess; /* 1: has a second bucket */
    uint8_t deny_when_full;
    uint8_t prefix_v4;
    uint8_t prefix_v6;
    uint8_t pinned;
    uint16_t born; /* the next generation to give out, so that no handle is given twice */
} ray_limit_hot;

/* One bucket. By kind, level / at / word hold:
 * token, meter   credits missing / tick of that / the smallest deficit since the oldest open hold
 * queue          credits of backlog / tick of that / 0; the stamp counts departures
 * fixed          tokens booked / start of the window / 0; the stamp counts windows
 * sliding        tokens booked / start of the window / tokens booked in the window before
 * exact          instants kept / 0 / 1 + chunk; the stamp counts instants */
typedef struct ray_bucket {
    uint64_t level;
    uint64_t at;
    uint64_t word;
    uint32_t stamp;
    uint16_t rule;
    uint16_t holds;
} ray_bucket;

/* A limit's own bucket: the only one of an unkeyed limit, the overflow bucket of a keyed one. */
typedef struct ray_limit_bucket {
    ray_bucket main;
    uint64_t excess;        /* credits missing in the second bucket */
    uint64_t excess_word;   /* its smallest deficit since the oldest open hold */
    uint64_t held_until_ns; /* drained with a hold */
    uint64_t drained_ns;    /* keyed: keys nobody has seen since are as if drained then; 0 never */
} ray_limit_bucket;

typedef struct ray_limit_tally {
    uint64_t verdict_count[2]; /* denied, granted: this limit's own answers */
    uint64_t token_count;      /* booked */
    uint64_t refunded_count;   /* tokens given back */
    uint64_t overflow_count;
    uint64_t evicted_count;
    uint64_t delayed_count;
    uint64_t yellow_count;
} ray_limit_tally;

/* Where a load prepares what it is about to swap in; zero at all other times. */
typedef struct ray_limit_stage {
    ray_limit_rule rule[RAY_RULE_MAX];
    ray_limit_rate rate[RAY_LIMIT_RATE_MAX]; /* of the plans' rules; a limit's own is its spec's */
    ray_limit_bucket own[RAY_LIMIT_MAX];
    ray_limit_tally tally[RAY_LIMIT_MAX];
    uint16_t place[RAY_LIMIT_MAX];     /* old slot: 1 + new slot */
    uint16_t moved[RAY_LIMIT_MAX];     /* new slot: 1 when an old limit came here */
    uint16_t rule_place[RAY_RULE_MAX]; /* old rule: 1 + new rule */
} ray_limit_stage;

typedef struct ray_ratelimit_config {
    ray_limit_hot hot[RAY_LIMIT_MAX];
    ray_limit_rule rule[RAY_RULE_MAX];
    ray_limit_rate rate[RAY_LIMIT_RATE_MAX]; /* of the plans' rules; a limit's own is its spec's */
    ray_limit_spec spec[RAY_LIMIT_MAX];
    uint64_t pin_hash[RAY_LIMIT_MAX];
    uint16_t pin_head[RAY_PIN_MAX];         /* 1 + slot, by the pinned user's hash */
    uint16_t service_head[RAY_SERVICE_MAX]; /* 1 + slot */
    uint32_t scope_count[RAY_SCOPE_MAX];
    uint32_t pin_count; /* limits of pinned users */
    uint16_t any_head;  /* limits of every service */
    uint16_t reserved;
    uint8_t seed[16];
    ray_limit_stage stage;
} ray_ratelimit_config;

typedef struct ray_ratelimit_book {
    uint64_t user_key[RAY_LIMIT_USER_KEY_MAX];
    uint64_t ip_key[RAY_LIMIT_IP_KEY_MAX];
    ray_bucket user[RAY_LIMIT_USER_KEY_MAX];
    ray_bucket ip[RAY_LIMIT_IP_KEY_MAX];
    ray_limit_bucket own[RAY_LIMIT_MAX];
    uint64_t exact[RAY_CHUNK_MAX][RAY_LIMIT_EXACT_EACH];
    uint32_t exact_link[RAY_CHUNK_MAX]; /* free chunks: 1 + the next one; others: the slot of their
                                           bucket */
    uint32_t exact_free;                /* 1 + the first free chunk */
    uint32_t exact_high;                /* chunks ever used */
    uint32_t exact_count;               /* chunks in use */
    uint32_t exact_hand;                /* where the search for a full bucket's chunk begins */
    uint32_t key_count[2];              /* users, addresses */
    int64_t wall_offset_ns;             /* of the last booking; a refund has no other */
} ray_ratelimit_book;

/* `single_count`: tries of one token that an enforced limit granted. limit[] and verdict_count do
 * not know of them: one counter is all that the short way raises. Readers add it to both;
 * ray_singles_fold moves it there before a limit leaves its place. */
typedef struct ray_ratelimit_tally {
    ray_limit_tally limit[RAY_LIMIT_MAX];
    uint64_t single_count[RAY_LIMIT_MAX];
    uint64_t verdict_count[2];
    uint64_t error_count;
    uint64_t shadow_denied_count;
    uint64_t table_full_count;
    uint64_t evicted_count;
    uint64_t refund_count;
    uint64_t refunded_token_count;
    uint64_t stale_hold_count;
    uint64_t folded_hold_count;
} ray_ratelimit_tally;

/* book and tally begin on a cache line, so that a window of keys and a bucket each lie in one. */
struct ray_ratelimit {
    ray_ratelimit_config config;
    uint8_t reserved[64U - sizeof(ray_ratelimit_config) % 64U];
    ray_ratelimit_book book;
    uint8_t reserved_2[64U - sizeof(ray_ratelimit_book) % 64U];
    ray_ratelimit_tally tally;
    uint8_t reserved_3[64U - sizeof(ray_ratelimit_tally) % 64U];
};

_Static_assert(sizeof(ray_limit_rule) == 128, "a rule is two cache lines");
_Static_assert(sizeof(ray_limit_hot) == 32, "half a cache line is looked at for every limit asked");
_Static_assert(sizeof(ray_bucket) == 32, "with its 8-byte key a keyed bucket takes 40 bytes");
_Static_assert(sizeof(ray_limit_bucket) == 64, "a limit's own bucket is one cache line");
_Static_assert(RAY_GROUP == 8, "the keys of one window are one cache line");
_Static_assert((RAY_LIMIT_USER_KEY_MAX & (RAY_LIMIT_USER_KEY_MAX - 1)) == 0,
               "key tables are powers of two");
_Static_assert((RAY_LIMIT_IP_KEY_MAX & (RAY_LIMIT_IP_KEY_MAX - 1)) == 0,
               "key tables are powers of two");
_Static_assert(RAY_LIMIT_USER_KEY_MAX >= 8 && RAY_LIMIT_IP_KEY_MAX >= 8, "one window at least");
_Static_assert(RAY_RULE_MAX < 65535 && RAY_LIMIT_MAX < 65535,
               "rules and limits are numbered in 16 bits");
_Static_assert(RAY_LIMIT_MAX >= RAY_LIMIT_SERVICE_MAX + RAY_LIMIT_USER_MAX + RAY_LIMIT_IP_MAX +
                                    RAY_LIMIT_NAMED_MAX,
               "every scope can be full at once");
_Static_assert(RAY_LIMIT_EXACT_EACH == 64,
               "an instant's place in its log is six bits of its number");
_Static_assert(RAY_SLOT_MAX < RAY_SLOT_YELLOW,
               "a hold's slot leaves room for the mark of the excess bucket");

#endif
