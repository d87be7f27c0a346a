/* SPDX-License-Identifier: MIT */
/* names: what stands behind a handle in rows of names that a caller lends for one call. */
#ifndef RAY_BASE_NAMES_H
#define RAY_BASE_NAMES_H
#include "ray/text.h"

/* The name at the handle's place; 0, and an empty one, when there is none. */
uint32_t ray_names_at(const ray_names *names, uint32_t handle, ray_name *out);
/* A member of an object: the name, without one the handle, null for RAY_NONE. */
void ray_names_json(ray_text *text, const char *key, const ray_names *names, uint32_t handle);
/* A CSV cell: the name, without one the handle, empty for RAY_NONE. */
void ray_names_csv(ray_text *text, const ray_names *names, uint32_t handle);

#endif
