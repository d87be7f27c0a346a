/* SPDX-License-Identifier: MIT */
/* ask - one request on its way through the limits it meets; only of ask.c and unseen.c. */
#ifndef RAY_RATELIMIT_ASK_H
#define RAY_RATELIMIT_ASK_H
#include "limit.h"

typedef struct ray_asking {
    const ray_ratelimit *rl;
    const ray_ratelimit_query *query;
    ray_ratelimit_answer *out;
    ray_limit_moment at;
    uint64_t user_hash;
    uint32_t user_hashed; /* a key is hashed once per request */
    uint32_t new_count;   /* buckets the request would make */
    uint32_t one_key;     /* 1: user_hash is the key of whichever limit is asked */
    uint32_t client_prefixes;   /* prefix lengths client_hash was made with, 0: none yet */
    uint32_t long_count;        /* limits that did not grant the quick way */
    uint32_t reserved;
    uint64_t client_hash;
} ray_asking;

/* A key without a bucket: where one may be made, or what happens when the table is full. */
void ray_limit_decide_new(ray_asking *ask, uint32_t i, const ray_limit_hot *hot);

#endif
