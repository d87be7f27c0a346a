/* SPDX-License-Identifier: MIT */
/* journey - what the stages of one admission said, before anything is booked. Shared by admit.c and
 * explain.c, so that what is explained is what is decided. */
#ifndef RAY_PIPELINE_JOURNEY_H
#define RAY_PIPELINE_JOURNEY_H
#include "kernel_state.h"

struct ray_journey {
    ray_gateway_answer gateway;
    ray_ratelimit_answer limits;
    ray_quota_answers quotas;
    uint32_t plan;
    uint32_t asked;            /* 1: the limits and quotas were asked */
    uint32_t others_allowed;   /* 1: every stage but ratelimit says yes */
    uint32_t granted;          /* 1: every stage says yes */
};

/* The offsets and ids of a row against its bytes and the configuration: RAY_OK or why the row
 * cannot be a request. */
ray_status ray_row_check(const struct ray *ray, const ray_rows *rows, const ray_row *row);

/* Asks every stage; changes nothing but rows->scratch. Fills journey and the verdict part of
 * answer. `asks` is the caller's scratch for the two queries. */
void ray_journey_ask(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                     const ray_row *row, ray_journey *journey, ray_answer *answer);

#endif
