/* SPDX-License-Identifier: MIT */
/* rights.c - roles and permissions as stable words. */
#include "base/bytes.h"

const char *ray_role_word(uint32_t role)
{
    static const char words[RAY_ROLE_MAX][16] = {"none", "admin", "service-account", "user",
                                                 "guest"};
    return role < RAY_ROLE_MAX ? words[role] : "?";
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
