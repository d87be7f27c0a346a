/* SPDX-License-Identifier: MIT */
/* rights.c - what a role may, what one user was given beside it, and what was taken from them. */
#include "parts.h"

/* -- roles -- */
static const uint8_t BUILT_IN[RAY_ROLE_MAX] = {
    0, RAY_PERMISSION_ALL,
    RAY_PERMISSION_READ | RAY_PERMISSION_WRITE | RAY_PERMISSION_EXECUTE,
    RAY_PERMISSION_READ | RAY_PERMISSION_WRITE, RAY_PERMISSION_READ};

void ray_auth_roles_default(ray_auth *auth)
{
    ray_auth_config *config = &auth->config;
    memset(config->stated, 0, sizeof config->stated);
    memset(config->scope, 0, sizeof config->scope);
    memset(config->any, 0, sizeof config->any);
    memcpy(config->any, BUILT_IN, sizeof BUILT_IN);
}

uint32_t ray_role_spec_fits(const ray_role_spec *spec)
{
    return spec->role > RAY_ROLE_ADMIN && spec->role < RAY_ROLE_MAX &&
           spec->permissions <= RAY_PERMISSION_ALL && spec->reserved[0] == 0 &&
           spec->reserved[1] == 0 &&
           (spec->service == RAY_NONE || (spec->service & RAY_AUTH_SLOT_MASK) < RAY_SERVICE_MAX);
}

void ray_auth_scope_put(ray_auth *auth, const ray_role_spec *spec)
{
    ray_auth_config *config = &auth->config;
    if (config->stated[spec->role] == 0) {
        config->stated[spec->role] = 1;
        config->any[spec->role] = 0;
    }
    if (spec->service == RAY_NONE) {
        config->any[spec->role] = spec->permissions;
        return;
    }
    ray_auth_scope *scope = &config->scope[spec->service & RAY_AUTH_SLOT_MASK];
    if (scope->used == 0 || scope->generation != spec->service >> 16)
        *scope = (ray_auth_scope){(uint16_t)(spec->service >> 16), 1, {0}};
    scope->permissions[spec->role] = spec->permissions;
}

ray_status ray_auth_role_set(ray_auth *auth, const ray_role_spec *spec)
{
    if (ray_role_spec_fits(spec) == 0)
        return RAY_E_ARGUMENT;
    ray_auth_scope_put(auth, spec);
    return RAY_OK;
}

static uint32_t whole(uint32_t permissions)
{
    return (permissions & RAY_PERMISSION_ADMIN) != 0 ? (uint32_t)RAY_PERMISSION_ALL : permissions;
}

uint32_t ray_auth_role_rights(const ray_auth *auth, uint32_t role, uint32_t service)
{
    const ray_auth_config *config = &auth->config;
    uint32_t place = service & RAY_AUTH_SLOT_MASK;
    if (role == RAY_ROLE_NONE || role >= RAY_ROLE_MAX)
        return 0;
    uint32_t rights = config->any[role];
    if (service != RAY_NONE && place < RAY_SERVICE_MAX && config->scope[place].used != 0 &&
        config->scope[place].generation == service >> 16)
        rights |= config->scope[place].permissions[role];
    return whole(rights);
}

/* -- grants -- */
static void look(const ray_auth *auth, uint32_t tenant, uint32_t service, ray_view user,
                 uint32_t *granted, uint32_t *revoked)
{
    uint32_t place = ray_auth_find_grant(auth, tenant, service, user);
    if (place == RAY_NONE)
        return;
    *granted |= auth->book.grant[place].granted;
    *revoked |= auth->book.grant[place].revoked;
}

uint32_t ray_auth_rights(const ray_auth *auth, uint32_t role, uint32_t tenant, ray_view user,
                         uint32_t service)
{
    uint32_t granted = ray_auth_role_rights(auth, role, service), revoked = 0;
    if (auth->book.grant_count == 0 || user.length == 0 || user.length > RAY_AUTH_USER_BYTES)
        return granted;
    look(auth, RAY_NONE, RAY_NONE, user, &granted, &revoked);
    if (service != RAY_NONE)
        look(auth, RAY_NONE, service, user, &granted, &revoked);
    if (tenant != RAY_NONE) {
        look(auth, tenant, RAY_NONE, user, &granted, &revoked);
        if (service != RAY_NONE)
            look(auth, tenant, service, user, &granted, &revoked);
    }
    return whole(granted) & ~revoked;
}

static uint32_t grant_fits(const ray_grant *grant)
{
    return grant->user_length != 0 && grant->user_length <= RAY_AUTH_USER_BYTES &&
           ray_auth_plain(grant->user, grant->user_length) != 0 &&
           grant->granted <= RAY_PERMISSION_ALL && grant->revoked <= RAY_PERMISSION_ALL &&
           (grant->granted & grant->revoked) == 0 && grant->reserved == 0 &&
           ray_is_zero(grant->user + grant->user_length,
                       (uint64_t)RAY_AUTH_USER_BYTES - grant->user_length) != 0 &&
           (grant->tenant == RAY_NONE || grant->tenant < RAY_TENANT_MAX) &&
           (grant->service == RAY_NONE ||
            (grant->service & RAY_AUTH_SLOT_MASK) < RAY_SERVICE_MAX);
}

ray_status ray_auth_grant(ray_auth *auth, const ray_grant *grant)
{
    if (grant_fits(grant) == 0 || (grant->granted | grant->revoked) == 0)
        return RAY_E_ARGUMENT;
    ray_view user = {grant->user, grant->user_length};
    uint32_t place = ray_auth_find_grant(auth, grant->tenant, grant->service, user);
    for (uint32_t i = 0; i < RAY_GRANT_MAX && place == RAY_NONE; i++)
        if (auth->book.grant[i].user_length == 0)
            place = i;
    if (place == RAY_NONE)
        return RAY_E_FULL;
    ray_grant *row = &auth->book.grant[place];
    uint32_t granted = row->granted, revoked = row->revoked;
    if (row->user_length == 0)
        granted = revoked = 0;
    *row = *grant;
    row->granted = (uint8_t)((granted | grant->granted) & (uint32_t)~grant->revoked);
    row->revoked = (uint8_t)((revoked | grant->revoked) & (uint32_t)~grant->granted);
    ray_auth_index_grants(auth);
    return RAY_OK;
}

ray_status ray_auth_grant_clear(ray_auth *auth, const ray_grant *grant)
{
    ray_view user = {grant->user, grant->user_length};
    if (grant_fits(grant) == 0)
        return RAY_E_ARGUMENT;
    uint32_t place = ray_auth_find_grant(auth, grant->tenant, grant->service, user);
    if (place == RAY_NONE)
        return RAY_E_UNKNOWN;
    memset(&auth->book.grant[place], 0, sizeof auth->book.grant[place]);
    ray_auth_index_grants(auth);
    return RAY_OK;
}

ray_status ray_auth_grant_read(const ray_auth *auth, uint32_t place, ray_grant *out)
{
    if (place >= RAY_GRANT_MAX)
        return RAY_E_RANGE;
    if (auth->book.grant[place].user_length == 0)
        return RAY_E_UNKNOWN;
    *out = auth->book.grant[place];
    return RAY_OK;
}
