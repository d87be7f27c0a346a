/* SPDX-License-Identifier: MIT */
/* revoke.c - never good again: a row that stays until its token would have ended by itself. */
#include "parts.h"

/* An id without a row gets one that ends when the token must have ended. */
static ray_status revoke(ray_auth *auth, int64_t unix_ns, uint64_t issuer, const uint8_t id[16],
                         int64_t expires_ns)
{
    uint32_t place = ray_auth_find_token(auth, issuer, id);
    if (place == RAY_NONE) {
        place = ray_auth_token_slot(auth, unix_ns);
        if (place == RAY_NONE)
            return RAY_E_FULL;
        ray_token *row = &auth->book.token[place];
        memset(row, 0, sizeof *row);
        memcpy(row->id, id, sizeof row->id);
        memcpy(row->family, id, sizeof row->family);
        row->issuer = issuer;
        row->issued_ns = row->first_ns = unix_ns;
        row->expires_ns = expires_ns;
        row->tenant = RAY_NONE;
    }
    ray_token *row = &auth->book.token[place];
    row->expires_ns = row->expires_ns < expires_ns ? expires_ns : row->expires_ns;
    row->state = RAY_TOKEN_REVOKED;
    ray_auth_index_tokens(auth);
    auth->tally.revoked_count++;
    return RAY_OK;
}

ray_status ray_auth_revoke(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                           struct ray_secrets *secrets, ray_view token)
{
    ray_auth_moment at = {now_ns, ray_auth_unix(now_ns, wall_offset_ns), secrets, 0, 0};
    ray_auth_answer answer;
    memset(&answer, 0, sizeof answer);
    if (token.length > RAY_AUTH_TOKEN_BYTES_MAX)
        return RAY_E_STATE;
    uint32_t reason = ray_auth_signed(auth, &at, token, &answer);
    uint32_t good = reason == RAY_REASON_OK || reason == RAY_REASON_AUTH_ROTATED ||
                    reason == RAY_REASON_AUTH_REVOKED || reason == RAY_REASON_AUTH_NOT_YET;
    if (good == 0 || answer.tokened == 0)
        return RAY_E_STATE;
    return revoke(auth, at.unix_ns, answer.issuer, answer.token, answer.expires_ns);
}

/* Which issuer's live token has this id: 1 and its place among issuers. */
static uint32_t issued_by(const ray_auth *auth, int64_t unix_ns, const uint8_t id[16],
                          uint32_t *jwt)
{
    for (uint32_t i = 0; i < auth->config.jwt_count; i++) {
        if (*jwt != RAY_NONE && i != *jwt)
            continue;
        uint32_t place = ray_auth_find_token(auth, auth->config.issuer[i], id);
        if (place == RAY_NONE || ray_auth_token_live(&auth->book.token[place], unix_ns) == 0)
            continue;
        *jwt = i;
        return 1;
    }
    return 0;
}

/* How long a token of this issuer can still be good, when it is said to end within `foreign_ns`. */
static int64_t longest(const ray_jwt_spec *spec, uint64_t foreign_ns)
{
    uint64_t most_ns = spec->lifetime_max_ns;
    uint64_t rest_ns = most_ns != 0 && most_ns + spec->leeway_ns < foreign_ns
                           ? most_ns + spec->leeway_ns : foreign_ns;
    return (int64_t)(rest_ns + spec->leeway_ns);
}

ray_status ray_auth_revoke_id(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                              uint32_t jwt, ray_view id, uint64_t foreign_ns)
{
    const ray_auth_config *config = &auth->config;
    int64_t unix_ns = ray_auth_unix(now_ns, wall_offset_ns);
    uint8_t token[16];
    if (jwt != RAY_NONE && jwt >= config->jwt_count)
        return RAY_E_UNKNOWN;
    if (id.length == 0 || id.length > RAY_AUTH_TEXT_BYTES)
        return RAY_E_ARGUMENT;
    if (foreign_ns > INT64_MAX / 4 || unix_ns > INT64_MAX / 2)
        return RAY_E_RANGE;
    ray_auth_token_id(id, token);
    if (issued_by(auth, unix_ns, token, &jwt) != 0)
        return revoke(auth, unix_ns, config->issuer[jwt], token, 0);
    if (foreign_ns == 0)
        return RAY_E_UNKNOWN;
    if (jwt == RAY_NONE && config->jwt_count != 1)
        return RAY_E_ARGUMENT;
    jwt = jwt != RAY_NONE ? jwt : 0;
    return revoke(auth, unix_ns, config->issuer[jwt], token,
                  unix_ns + longest(&config->jwt[jwt], foreign_ns));
}

/* -- reading -- */
ray_status ray_auth_token_read(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t place, ray_token *out)
{
    if (place >= RAY_TOKEN_MAX)
        return RAY_E_RANGE;
    const ray_token *token = &auth->book.token[place];
    if (ray_auth_token_live(token, ray_auth_unix(now_ns, wall_offset_ns)) == 0)
        return RAY_E_UNKNOWN;
    *out = *token;
    return RAY_OK;
}

uint32_t ray_auth_token_count(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns)
{
    int64_t unix_ns = ray_auth_unix(now_ns, wall_offset_ns);
    uint32_t count = 0;
    for (uint32_t place = 0; place < RAY_TOKEN_MAX; place++)
        count += ray_auth_token_live(&auth->book.token[place], unix_ns);
    return count;
}
