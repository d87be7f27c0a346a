/* SPDX-License-Identifier: MIT */
/* valid.c - the laws of this module's bytes, each with a number; also what a snapshot from
 * elsewhere must keep before it may run. */
#include "parts.h"

/* -- configuration -- */
static uint32_t table_fits(const uint16_t *table, uint32_t size, uint32_t places, uint32_t entries)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < size; i++) {
        if (table[i] > places)
            return 0;
        count += table[i] != 0;
    }
    return count == entries;
}

static uint32_t credentials_valid(const ray_auth *auth)
{
    const ray_auth_config *config = &auth->config;
    uint32_t count = 0, entries = 0, field;
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++) {
        const ray_credential_spec *row = &config->credential[place];
        if (row->scheme == RAY_SCHEME_NONE) {
            if (ray_is_zero(row, sizeof *row) == 0 || auth->book.credential_until_ns[place] != 0)
                return 0;
            continue;
        }
        ray_view name = {(const uint8_t *)row->name.at, ray_name_length(&row->name)};
        if (ray_credential_check(row, RAY_TENANT_MAX, RAY_SERVICE_MAX, &field) != RAY_OK ||
            ray_auth_find_named(auth, row->scheme, name) != place)
            return 0;
        count++;
        entries++;
        for (uint32_t i = 0; i < 2 && row->scheme == RAY_SCHEME_BEARER; i++)
            if (ray_is_zero(row->digest[i], 32) == 0) {
                entries++;
                if (ray_auth_find_digest(auth, row->digest[i]) != place)
                    return 0;
            }
    }
    return count == config->credential_count &&
           table_fits(config->credential_table, RAY_CREDENTIAL_TABLE, RAY_CREDENTIAL_MAX,
                      entries) != 0;
}

static uint32_t issuers_valid(const ray_auth *auth)
{
    const ray_auth_config *config = &auth->config;
    if (config->jwt_count > RAY_JWT_MAX || config->key_count > RAY_JWT_KEY_MAX ||
        config->tenant_count > RAY_TENANT_MAX)
        return 0;
    for (uint32_t i = 0; i < config->jwt_count; i++) {
        const ray_jwt_spec *row = &config->jwt[i];
        if (!ray_name_valid(&row->name) || row->issuer_length > RAY_AUTH_TEXT_BYTES ||
            row->audience_length > RAY_AUTH_TEXT_BYTES || row->role >= RAY_ROLE_MAX ||
            config->issuer[i] != ray_auth_name_hash(auth, &row->name))
            return 0;
    }
    for (uint32_t i = 0; i < config->key_count; i++)
        if (config->key[i].jwt >= config->jwt_count || config->key[i].alg < RAY_JWT_HS256 ||
            config->key[i].alg > RAY_JWT_ES256 || config->key[i].kid_length > RAY_AUTH_KID_BYTES)
            return 0;
    return table_fits(config->tenant_table, RAY_AUTH_TENANT_TABLE, config->tenant_count,
                      config->tenant_count) != 0;
}

static uint32_t roles_valid(const ray_auth *auth)
{
    const ray_auth_config *config = &auth->config;
    uint32_t bad = config->any[RAY_ROLE_ADMIN] != RAY_PERMISSION_ALL || config->any[0] != 0;
    for (uint32_t role = 0; role < RAY_ROLE_MAX; role++)
        bad |= config->any[role] > RAY_PERMISSION_ALL;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        for (uint32_t role = 0; role < RAY_ROLE_MAX; role++)
            bad |= config->scope[place].permissions[role] > RAY_PERMISSION_ALL;
    return bad == 0;
}

/* -- book -- */
static uint32_t tokens_valid(const ray_auth *auth)
{
    const ray_auth_book *book = &auth->book;
    uint32_t count = 0;
    for (uint32_t place = 0; place < RAY_TOKEN_MAX; place++) {
        const ray_token *token = &book->token[place];
        if (token->state == RAY_TOKEN_FREE) {
            if (ray_is_zero(token, sizeof *token) == 0)
                return 0;
            continue;
        }
        count++;
        if (token->state > RAY_TOKEN_ROTATED || token->role >= RAY_ROLE_MAX ||
            token->user_length > RAY_AUTH_USER_BYTES ||
            token->permissions > RAY_PERMISSION_ALL ||
            (token->tenant != RAY_NONE && token->tenant >= RAY_TENANT_MAX) ||
            ray_auth_find_token(auth, token->issuer, token->id) != place)
            return 0;
    }
    return count == book->token_count &&
           table_fits(book->token_table, RAY_TOKEN_TABLE, RAY_TOKEN_MAX, count) != 0;
}

static uint32_t grants_valid(const ray_auth *auth)
{
    const ray_auth_book *book = &auth->book;
    uint32_t count = 0;
    for (uint32_t place = 0; place < RAY_GRANT_MAX; place++) {
        const ray_grant *grant = &book->grant[place];
        if (grant->user_length == 0) {
            if (ray_is_zero(grant, sizeof *grant) == 0)
                return 0;
            continue;
        }
        count++;
        if (grant->user_length > RAY_AUTH_USER_BYTES ||
            (grant->granted | grant->revoked) > RAY_PERMISSION_ALL ||
            (grant->granted & grant->revoked) != 0 || (grant->granted | grant->revoked) == 0)
            return 0;
        ray_view user = {grant->user, grant->user_length};
        if (ray_auth_find_grant(auth, grant->tenant, grant->service, user) != place)
            return 0;
    }
    return count == book->grant_count &&
           table_fits(book->grant_table, RAY_GRANT_TABLE, RAY_GRANT_MAX, count) != 0;
}

/* A row lies in its source's window, and a source has one row. */
static uint32_t penalties_valid(const ray_auth *auth)
{
    const ray_penalty *rows = auth->book.penalty;
    for (uint32_t place = 0; place < RAY_PENALTY_MAX; place++) {
        if (rows[place].source == 0) {
            if (rows[place].until_ns != 0)
                return 0;
            continue;
        }
        uint32_t from = (uint32_t)rows[place].source & (RAY_PENALTY_MAX - 1);
        if (((place - from) & (RAY_PENALTY_MAX - 1)) >= RAY_AUTH_WINDOW)
            return 0;
        for (uint32_t i = 0; i < RAY_AUTH_WINDOW; i++) {
            uint32_t other = (from + i) & (RAY_PENALTY_MAX - 1);
            if (other != place && rows[other].source == rows[place].source)
                return 0;
        }
    }
    return 1;
}

static uint32_t introspected_valid(const ray_auth *auth)
{
    for (uint32_t place = 0; place < RAY_INTROSPECT_MAX; place++) {
        const ray_auth_introspection *said = &auth->book.introspected[place].said;
        if (said->user_length > RAY_AUTH_USER_BYTES || said->active > 1 ||
            said->role >= RAY_ROLE_MAX || said->permissions > RAY_PERMISSION_ALL ||
            (said->tenant != RAY_NONE && said->tenant >= RAY_TENANT_MAX))
            return 0;
    }
    return 1;
}

/* -- tally -- */
static uint32_t tally_valid(const ray_auth_tally *tally)
{
    uint64_t reasons = 0, schemes = 0;
    for (uint32_t i = 0; i < RAY_AUTH_REASONS; i++)
        reasons += tally->reason_count[i];
    for (uint32_t i = 0; i < RAY_AUTH_SCHEMES; i++)
        schemes += tally->scheme_count[i];
    for (uint32_t i = 0; i < RAY_VERIFIED_MAX; i++)
        if (tally->verified[i].user_length > RAY_AUTH_USER_BYTES ||
            tally->verified[i].role >= RAY_ROLE_MAX)
            return 0;
    return tally->asked_count == tally->granted_count + tally->denied_count &&
           reasons == tally->denied_count &&
           schemes + tally->anonymous_count == tally->granted_count &&
           tally->unspent_count <= tally->granted_count;
}

/* -- law -- */
uint32_t ray_auth_valid(const ray_auth *auth)
{
    if (issuers_valid(auth) == 0)
        return 1;
    if (credentials_valid(auth) == 0)
        return 2;
    if (roles_valid(auth) == 0)
        return 3;
    if (tokens_valid(auth) == 0)
        return 4;
    if (grants_valid(auth) == 0)
        return 5;
    if (penalties_valid(auth) == 0)
        return 6;
    if (introspected_valid(auth) == 0)
        return 7;
    return tally_valid(&auth->tally) != 0 ? 0 : 8;
}
