/* SPDX-License-Identifier: MIT */
/* names.c - a handle as its name where it has one. */
#include "base/names.h"
#include "base/bytes.h"

enum { SLOT_MASK = 0xffff };

uint32_t ray_names_at(const ray_names *names, uint32_t handle, ray_name *out)
{
    uint64_t place = handle & SLOT_MASK;
    memset(out, 0, sizeof *out);
    if (handle != RAY_NONE && place < names->count)
        memcpy(out, names->at + place * names->stride, sizeof *out);
    return out->at[0] != 0;
}

void ray_names_json(ray_text *text, const char *key, const ray_names *names, uint32_t handle)
{
    ray_name name;
    if (ray_names_at(names, handle, &name) != 0)
        ray_text_json_name(text, key, &name);
    else if (handle != RAY_NONE)
        ray_text_json_u64(text, key, handle);
    else
        ray_text_json_null(text, key);
}

void ray_names_csv(ray_text *text, const ray_names *names, uint32_t handle)
{
    ray_name name;
    if (ray_names_at(names, handle, &name) != 0)
        ray_text_csv(text, name.at, ray_name_length(&name));
    else if (handle != RAY_NONE)
        ray_text_u64(text, handle);
}
