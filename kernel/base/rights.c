/* SPDX-License-Identifier: MIT */
/* rights.c - roles and permissions as stable words. */
#include "base/bytes.h"

const char *ray_role_word(uint32_t role)
{
    static const char words[RAY_ROLE_MAX][16] = {"none", "admin", "service-account", "user",
                                                 "guest"};
    return role < RAY_ROLE_MAX ? words[role] : "?";
}

uint32_t ray_role_of(const char *at, uint64_t length)
{
    for (uint32_t role = 0; role < RAY_ROLE_MAX; role++)
        if (ray_same_word(at, length, ray_role_word(role)))
            return role;
    return RAY_NONE;
}

const char *ray_permission_word(uint32_t permission)
{
    switch (permission) {
    case 0: return "by-method";
    case 1: return "read";
    case 2: return "write";
    case 4: return "execute";
    case 8: return "admin";
    default: return "?";
    }
}

const char *ray_need_word(uint32_t need)
{
    static const char words[3][9] = {"none", "optional", "required"};
    return need < 3 ? words[need] : "?";
}
