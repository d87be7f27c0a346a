/* SPDX-License-Identifier: MIT */
/* parameters: what stands behind the semicolons of a field value, `type; name=value` (RFC 9110
 * 5.6.6), read as bytes from outside. */
#ifndef RAY_BASE_PARAMETERS_H
#define RAY_BASE_PARAMETERS_H
#include <stdint.h>
#include "ray/types.h"

/* Where a walk over the parameters stands; all-zero begins. */
typedef struct ray_parameter {
    uint64_t at;
    ray_view name;
    ray_view value;       /* as it came, without its quotes */
    uint32_t quoted;      /* 1: a backslash in it is that of a pair */
    uint32_t malformed;   /* 1: what comes is no parameter; the walk is over */
} ray_parameter;

/* The value before its parameters, without the blanks around it. */
ray_view ray_parameters_of(ray_view field);

/* The next parameter; 0 at the end and at what is none. */
uint32_t ray_parameter_next(ray_view field, ray_parameter *parameter);

/* Character sets whose bytes are UTF-8. Of a Content-Type: 0 when any of its parameters is
 * malformed or names another. */
uint32_t ray_charset_known(ray_view charset);
uint32_t ray_content_charset_known(ray_view content_type);

#endif
