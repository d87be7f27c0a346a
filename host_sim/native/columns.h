/* SPDX-License-Identifier: MIT */
#ifndef RAY_COLUMNS_H
#define RAY_COLUMNS_H
#include <stdint.h>
#include "ray/ray.h"

/* columns: what was decided, a column each, for NumPy and Arrow to read where it lies.
 *
 * A column grows by doubling and is one block of memory. Who reads it keeps the object alive and
 * adds nothing meanwhile. Cost: 73 bytes a request and the texts of its user and client.
 */
typedef struct ray_columns ray_columns;

enum ray_column {
    RAY_COLUMN_SEQ = 0,            /* u64: the decision's id */
    RAY_COLUMN_ROW = 1,            /* u64: which row of the traffic, from 1 */
    RAY_COLUMN_AT_NS = 2,          /* u64: after the clock gate */
    RAY_COLUMN_RETRY_AFTER_NS = 3, /* u64: 0 none, RAY_NEVER; of a delay how long it lasts */
    RAY_COLUMN_RESPONSE_BYTES = 4, /* u64: as the traffic says */
    RAY_COLUMN_SERVICE = 5,        /* u32: 1 + the service's place, 0 none */
    RAY_COLUMN_ROUTE = 6,          /* u32: 1 + the route's place, 0 none */
    RAY_COLUMN_TENANT = 7,         /* u32: 1 + the tenant's place, 0 none */
    RAY_COLUMN_BY = 8,             /* u32: 1 + index of ray_columns_by, 0 none */
    RAY_COLUMN_WOULD_DENY = 9,     /* u32: shadow limits and quotas that would have denied it */
    RAY_COLUMN_REASON = 10,        /* u16: enum ray_reason */
    RAY_COLUMN_STATUS = 11,        /* u16: what its client gets from the gateway */
    RAY_COLUMN_LOG_STATUS = 12,    /* u16: what the traffic says the service answered, 0 unknown */
    RAY_COLUMN_VERDICT = 13,       /* u8: enum ray_verdict; 0: the core refused the row */
    RAY_COLUMN_PRIORITY = 14,      /* u8: its class */
    RAY_COLUMN_QUEUED = 15,        /* u8: 1: it had to wait */
    RAY_COLUMN_USER_END = 16,      /* i64: where its user's text ends; one more than requests */
    RAY_COLUMN_CLIENT_END = 17,    /* i64: the same of its client */
    RAY_COLUMN_USER = 18,          /* u8: the texts, one behind the other */
    RAY_COLUMN_CLIENT = 19,
    RAY_COLUMN_MAX = 20
};

/* What bound a verdict. */
typedef struct ray_columns_rule {
    uint32_t by_kind;
    uint32_t by_id;
} ray_columns_rule;

/* NULL when memory is out. */
ray_columns *ray_columns_open(void);
void ray_columns_close(ray_columns *columns);

/* Adds the requests of a batch; 0 when memory is out: then nothing of the batch that was not added
 * will be. Rows that only let time pass are left out. */
uint32_t ray_columns_add(ray_columns *columns, const ray_row *rows, const uint8_t *bytes,
                         uint32_t count, const ray_answer *answers);

uint64_t ray_columns_count(const ray_columns *columns);
/* A column's memory and how many elements it has; *width is the bytes of one. */
const void *ray_columns_at(const ray_columns *columns, uint32_t column, uint64_t *length,
                           uint32_t *width);
/* The rules of RAY_COLUMN_BY by index from 0; 0 past the last. */
uint32_t ray_columns_by(const ray_columns *columns, uint32_t index, ray_columns_rule *out);

#endif
