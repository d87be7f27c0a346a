/* SPDX-License-Identifier: MIT */
/* cmd_auth_edit.c - auth: keys, tokens and rights by hand; a secret is in one answer and nowhere
 * else. */
#include "cmd_auth.h"
#include "parts.h"

#define USER_RULE "a user has 1 to 64 visible bytes, this is not"

/* -- what went wrong (private) -- */
static ray_status said(ray_call *call, ray_status status, uint32_t word)
{
    switch (status) {
    case RAY_OK: return RAY_OK;
    case RAY_E_FULL: return ray_call_error(call, status,
                                           "no room for; remove what is not used", word,
                                            0);
    case RAY_E_EXISTS: return ray_call_error(call, status,
                                             "there is one already; see: auth list", word,
                                              0);
    case RAY_E_STATE:
        return ray_call_error(call, status, "not now; it takes a key that signs, randomness, and a "
                              "secret of that kind, see: auth status", word, 0);
    case RAY_E_UNKNOWN:
        return ray_call_error(call, status,
                              "no grant and no denial for; see: auth rights", word, 0);
    default: return ray_call_error(call, status, USER_RULE, word, 0);
    }
}

static ray_status role_option(ray_call *call, uint8_t *role)
{
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--role", &at, &length) == 0)
        return RAY_OK;
    uint32_t found = ray_option_place(at, length, ray_role_word, RAY_ROLE_MAX);
    if (found == RAY_ROLE_MAX)
        return ray_option_refuse(call, RAY_E_ARGUMENT,
                                 "a role is admin, service-account, user or guest, not", at,
                                 length);
    *role = (uint8_t)found;
    return RAY_OK;
}

static ray_status tenant_option(ray_call *call, uint32_t *tenant)
{
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--tenant", &at, &length) == 0 ||
        ray_tenant_find(call->ray, at, length, tenant) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown_value(call, "no tenant is called", at, length, RAY_COMPLETE_TENANT);
}

/* -- tokens -- */
ray_status ray_auth_run_issue(ray_call *call)
{
    ray_token_spec spec;
    ray_token token;
    __builtin_memset(&spec, 0, sizeof spec);
    spec.jwt = spec.tenant = RAY_NONE;
    uint32_t role = ray_option_place(call->word[3], call->length[3], ray_role_word,
                                     RAY_ROLE_MAX);
    if (role == RAY_ROLE_MAX)
        return ray_call_error(call, RAY_E_ARGUMENT, "a role is admin, service-account, user or "
                              "guest, not", 3, 0);
    if (call->length[2] > RAY_AUTH_USER_BYTES)
        return ray_call_error(call, RAY_E_RANGE, USER_RULE, 2, 0);
    ray_status status = tenant_option(call, &spec.tenant);
    if (status == RAY_OK)
        status = ray_option_duration(call, "--lifetime", &spec.lifetime_ns);
    if (status != RAY_OK)
        return status;
    spec.role = (uint8_t)role;
    spec.user_length = (uint8_t)call->length[2];
    __builtin_memcpy(spec.user, call->word[2], call->length[2]);
    status = ray_auth_issue(ray_auth_of(call->ray), call->now_ns, ray_call_wall_offset(call),
                            call->machine->secrets, &spec, call->out, &token);
    if (status != RAY_OK)
        return said(call, status, 2);
    ray_text_char(call->out, '\n');
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_CREDENTIAL, RAY_NONE, 0,
                    (uint64_t)token.expires_ns);
    return RAY_OK;
}

ray_status ray_auth_run_refresh(ray_call *call)
{
    ray_view token = {(const uint8_t *)call->word[2], call->length[2]};
    ray_token fresh;
    uint32_t reason = 0;
    ray_status status =
        ray_auth_refresh(ray_auth_of(call->ray), call->now_ns, ray_call_wall_offset(call),
                         call->machine->secrets, token, call->out, &fresh, &reason);
    if (status == RAY_E_STATE && reason != 0) {
        ray_text_put(call->out, "error: nothing was refreshed: ");
        ray_text_put(call->out, ray_reason_word(reason));
        ray_text_put(call->out, "; issue a new one: auth issue USER ROLE\n");
        return status;
    }
    if (status != RAY_OK)
        return said(call, status, 2);
    ray_text_char(call->out, '\n');
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_CREDENTIAL, RAY_NONE, 0,
                    (uint64_t)fresh.expires_ns);
    return RAY_OK;
}

/* -- revoking -- */
static ray_status issuer_option(ray_call *call, uint32_t *jwt)
{
    const ray_auth *auth = ray_auth_of(call->ray);
    const char *at;
    uint32_t length;
    ray_jwt_spec spec;
    *jwt = RAY_NONE;
    if (ray_call_option(call, "--issuer", &at, &length) == 0)
        return RAY_OK;
    for (uint32_t i = 0; ray_auth_jwt_read(auth, i, &spec) == RAY_OK; i++)
        if (ray_word_is(at, length, spec.name.at)) {
            *jwt = i;
            return RAY_OK;
        }
    return ray_option_refuse(call, RAY_E_UNKNOWN, "no [[jwt]] is called", at, length);
}

/* When the first place of a full table is free again. */
static uint64_t first_free_ns(const ray_call *call)
{
    int64_t offset_ns = ray_call_wall_offset(call);
    int64_t now_ns = (int64_t)(call->now_ns + (uint64_t)offset_ns);
    uint64_t least_ns = RAY_NEVER;
    ray_token row;
    for (uint32_t place = 0; place < RAY_TOKEN_MAX; place++) {
        if (ray_auth_token_read(ray_auth_of(call->ray), call->now_ns, offset_ns, place, &row) !=
            RAY_OK)
            continue;
        uint64_t left_ns = (uint64_t)(row.expires_ns - now_ns);
        least_ns = left_ns < least_ns ? left_ns : least_ns;
    }
    return least_ns;
}

/* Why not; without the word, which may be a token that is still good. */
static ray_status not_revoked(ray_call *call, ray_status status)
{
    ray_text *out = call->out;
    ray_text_put(out, "error: nothing was revoked: ");
    switch (status) {
    case RAY_E_STATE: ray_text_put(out, "no token of ours, or one without an id"); break;
    case RAY_E_UNKNOWN:
        ray_text_put(out, "no live token in the table has this id (auth tokens); for one that was "
                          "issued elsewhere say how long it can still live, as --foreign=1h");
        break;
    case RAY_E_FULL:
        ray_text_put(out, "every place of the table holds a token that has not ended; the first is "
                          "free in ");
        ray_text_duration(out, first_free_ns(call));
        break;
    case RAY_E_ARGUMENT:
        ray_text_put(out, "an id has 1 to 128 bytes, and a foreign one needs its --issuer=NAME "
                          "where there are several");
        break;
    default: ray_text_put(out, ray_status_word(status));
    }
    ray_text_char(out, '\n');
    return status;
}

ray_status ray_auth_run_revoke(ray_call *call)
{
    ray_auth *auth = ray_auth_of(call->ray);
    ray_view token = {(const uint8_t *)call->word[2], call->length[2]};
    uint64_t foreign_ns = 0;
    uint32_t dots = 0, jwt;
    ray_status status = issuer_option(call, &jwt);
    if (status == RAY_OK)
        status = ray_option_duration(call, "--foreign", &foreign_ns);
    if (status != RAY_OK)
        return status;
    if (!ray_call_confirmed(call, "the token is never good again"))
        return RAY_E_STATE;
    for (uint32_t i = 0; i < call->length[2]; i++)
        dots += call->word[2][i] == '.';
    status = dots != 0 && call->machine->secrets != 0
                 ? ray_auth_revoke(auth, call->now_ns, ray_call_wall_offset(call),
                                   call->machine->secrets, token)
                 : ray_auth_revoke_id(auth, call->now_ns, ray_call_wall_offset(call), jwt, token,
                                      foreign_ns);
    if (status != RAY_OK)
        return not_revoked(call, status);
    ray_call_edited(call, RAY_AUDIT_REVOKE, RAY_BY_CREDENTIAL, RAY_NONE, 0, 0);
    return RAY_OK;
}

/* -- keys -- */
ray_status ray_auth_run_key_add(ray_call *call)
{
    ray_credential_spec spec;
    uint32_t handle, length;
    const char *at;
    __builtin_memset(&spec, 0, sizeof spec);
    if (!ray_word_names(call->word[2], call->length[2]))
        return ray_call_error(call, RAY_E_ARGUMENT, RAY_NAME_RULE, 2, 0);
    __builtin_memcpy(spec.name.at, call->word[2], call->length[2]);
    spec.tenant = spec.service = RAY_NONE;
    spec.scheme = RAY_SCHEME_API_KEY;
    spec.role = RAY_ROLE_USER;
    ray_status status = role_option(call, &spec.role);
    if (status == RAY_OK)
        status = tenant_option(call, &spec.tenant);
    if (status != RAY_OK)
        return status;
    if (ray_call_option(call, "--service", &at, &length) != 0 &&
        ray_gateway_find_service(ray_gateway_of(call->ray), at, length, &spec.service) != RAY_OK)
        return ray_call_unknown_value(call, "no service is called", at, length,
                                      RAY_COMPLETE_SERVICE);
    status = ray_auth_credential_add(ray_auth_of(call->ray), call->machine->secrets, &spec,
                                     call->out, &handle);
    if (status != RAY_OK)
        return said(call, status, 2);
    ray_text_char(call->out, '\n');
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_CREDENTIAL, handle, 0, 1);
    return RAY_OK;
}

ray_status ray_auth_run_key_rotate(ray_call *call)
{
    uint32_t handle;
    ray_status status = ray_auth_named(call, 2, &handle);
    if (status != RAY_OK)
        return status;
    status = ray_auth_credential_rotate(ray_auth_of(call->ray), call->machine->secrets, handle,
                                        call->out);
    if (status != RAY_OK)
        return said(call, status, 2);
    ray_text_char(call->out, '\n');
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_CREDENTIAL, handle, 1, 2);
    return RAY_OK;
}

ray_status ray_auth_run_key_retire(ray_call *call)
{
    uint32_t handle;
    ray_status status = ray_auth_named(call, 2, &handle);
    if (status != RAY_OK)
        return status;
    if (!ray_call_confirmed(call, "clients that still use the older secret are refused"))
        return RAY_E_STATE;
    status = ray_auth_credential_retire(ray_auth_of(call->ray), handle);
    if (status != RAY_OK)
        return said(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_CREDENTIAL, handle, 2, 1);
    return RAY_OK;
}

ray_status ray_auth_run_key_remove(ray_call *call)
{
    uint32_t handle;
    ray_status status = ray_auth_named(call, 2, &handle);
    if (status != RAY_OK)
        return status;
    if (!ray_call_confirmed(call, "whoever uses this credential is refused"))
        return RAY_E_STATE;
    ray_auth_credential_remove(ray_auth_of(call->ray), handle);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_CREDENTIAL, handle, 1, 0);
    return RAY_OK;
}

static ray_status set_disabled(ray_call *call, uint32_t disabled)
{
    uint32_t handle;
    ray_status status = ray_auth_named(call, 2, &handle);
    if (status != RAY_OK)
        return status;
    ray_auth_credential_disable(ray_auth_of(call->ray), handle, disabled);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_CREDENTIAL, handle, !disabled, disabled);
    return RAY_OK;
}

ray_status ray_auth_run_disable(ray_call *call)
{
    return set_disabled(call, 1);
}

ray_status ray_auth_run_enable(ray_call *call)
{
    return set_disabled(call, 0);
}

/* -- rights -- */
static const char *permission_word(uint32_t bit)
{
    return bit < 4 ? ray_permission_word(1U << bit) : "?";
}

static ray_status read_grant(ray_call *call, uint32_t service_word, ray_grant *grant)
{
    __builtin_memset(grant, 0, sizeof *grant);
    grant->tenant = RAY_NONE;
    if (call->length[2] > RAY_AUTH_USER_BYTES)
        return ray_call_error(call, RAY_E_RANGE, USER_RULE, 2, 0);
    grant->user_length = (uint8_t)call->length[2];
    __builtin_memcpy(grant->user, call->word[2], call->length[2]);
    return ray_auth_service_word(call, service_word, &grant->service);
}

static ray_status change(ray_call *call, uint32_t gives)
{
    ray_grant grant;
    ray_status status = read_grant(call, 4, &grant);
    if (status != RAY_OK)
        return status;
    uint32_t bit = ray_option_place(call->word[3], call->length[3], permission_word, 4);
    if (bit == 4)
        return ray_call_error(call, RAY_E_ARGUMENT,
                              "a permission is read, write, execute or admin, not", 3, 0);
    if (gives)
        grant.granted = (uint8_t)(1U << bit);
    else
        grant.revoked = (uint8_t)(1U << bit);
    status = ray_auth_grant(ray_auth_of(call->ray), &grant);
    if (status != RAY_OK)
        return said(call, status, 2);
    ray_call_edited(call, gives ? RAY_AUDIT_GRANT : RAY_AUDIT_REVOKE, RAY_BY_CREDENTIAL, RAY_NONE,
                    gives ? 0 : 1U << bit, gives ? 1U << bit : 0);
    return RAY_OK;
}

ray_status ray_auth_run_grant(ray_call *call)
{
    return change(call, 1);
}

ray_status ray_auth_run_deny(ray_call *call)
{
    return change(call, 0);
}

ray_status ray_auth_run_clear(ray_call *call)
{
    ray_grant grant;
    ray_status status = read_grant(call, 3, &grant);
    if (status == RAY_OK)
        status = said(call, ray_auth_grant_clear(ray_auth_of(call->ray), &grant), 2);
    if (status == RAY_OK)
        ray_call_edited(call, RAY_AUDIT_RESET, RAY_BY_CREDENTIAL, RAY_NONE, 0, 0);
    return status;
}
