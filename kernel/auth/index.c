/* SPDX-License-Identifier: MIT */
/* index.c - tables by keyed hash, linear probing, never more than a quarter full: rows are found,
 * never looked for. A change makes its table anew; changes are rare, requests are not. */
#include "parts.h"

/* -- hashes -- */
uint64_t ray_auth_name_hash(const ray_auth *auth, const ray_name *name)
{
    return ray_siphash(auth->config.seed, (const uint8_t *)name->at, ray_name_length(name));
}

static uint64_t named_hash(const ray_auth *auth, uint32_t scheme, ray_view name)
{
    uint64_t hash = ray_siphash(auth->config.seed, name.at, name.length);
    return ray_siphash_words(auth->config.seed, hash, scheme);
}

static uint64_t token_hash(const ray_auth *auth, uint64_t issuer, const uint8_t id[16])
{
    return ray_siphash_words(auth->config.seed, ray_siphash(auth->config.seed, id, 16), issuer);
}

static uint64_t grant_hash(const ray_auth *auth, uint32_t tenant, uint32_t service, ray_view user)
{
    uint64_t whose = ray_siphash(auth->config.seed, user.at, user.length);
    return ray_siphash_words(auth->config.seed, whose,
                             (uint64_t)tenant << 32 | service);
}

static void put(uint16_t *table, uint32_t size, uint64_t hash, uint32_t place)
{
    uint32_t at = (uint32_t)hash & (size - 1);
    while (table[at] != 0)
        at = (at + 1) & (size - 1);
    table[at] = (uint16_t)(place + 1);
}

static ray_view view_of_name(const ray_name *name)
{
    ray_view view = {(const uint8_t *)name->at, ray_name_length(name)};
    return view;
}

/* -- making them -- */
void ray_auth_index_credentials(ray_auth *auth)
{
    ray_auth_config *config = &auth->config;
    memset(config->credential_table, 0, sizeof config->credential_table);
    config->credential_count = 0;
    config->schemes = 0;
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++) {
        const ray_credential_spec *row = &config->credential[place];
        if (row->scheme == RAY_SCHEME_NONE)
            continue;
        config->credential_count++;
        config->schemes |= 1U << row->scheme;
        put(config->credential_table, RAY_CREDENTIAL_TABLE,
            named_hash(auth, row->scheme, view_of_name(&row->name)), place);
        for (uint32_t i = 0; i < 2 && row->scheme == RAY_SCHEME_BEARER; i++)
            if (ray_is_zero(row->digest[i], 32) == 0)
                put(config->credential_table, RAY_CREDENTIAL_TABLE,
                    ray_siphash(config->seed, row->digest[i], 32), place);
    }
}

void ray_auth_index_tenants(ray_auth *auth)
{
    ray_auth_config *config = &auth->config;
    memset(config->tenant_table, 0, sizeof config->tenant_table);
    for (uint32_t place = 0; place < config->tenant_count; place++)
        put(config->tenant_table, RAY_AUTH_TENANT_TABLE,
            ray_auth_name_hash(auth, &config->tenant[place]), place);
}

void ray_auth_index_tokens(ray_auth *auth)
{
    ray_auth_book *book = &auth->book;
    memset(book->token_table, 0, sizeof book->token_table);
    book->token_count = 0;
    for (uint32_t place = 0; place < RAY_TOKEN_MAX; place++) {
        const ray_token *token = &book->token[place];
        if (token->state == RAY_TOKEN_FREE)
            continue;
        book->token_count++;
        put(book->token_table, RAY_TOKEN_TABLE, token_hash(auth, token->issuer, token->id), place);
    }
}

void ray_auth_index_grants(ray_auth *auth)
{
    ray_auth_book *book = &auth->book;
    memset(book->grant_table, 0, sizeof book->grant_table);
    book->grant_count = 0;
    for (uint32_t place = 0; place < RAY_GRANT_MAX; place++) {
        const ray_grant *grant = &book->grant[place];
        if (grant->user_length == 0)
            continue;
        ray_view user = {grant->user, grant->user_length};
        book->grant_count++;
        put(book->grant_table, RAY_GRANT_TABLE,
            grant_hash(auth, grant->tenant, grant->service, user), place);
    }
}

/* -- finding -- */
uint32_t ray_auth_find_named(const ray_auth *auth, uint32_t scheme, ray_view name)
{
    const ray_auth_config *config = &auth->config;
    uint32_t at = (uint32_t)named_hash(auth, scheme, name) & (RAY_CREDENTIAL_TABLE - 1);
    for (; config->credential_table[at] != 0; at = (at + 1) & (RAY_CREDENTIAL_TABLE - 1)) {
        uint32_t place = config->credential_table[at] - 1U;
        const ray_credential_spec *row = &config->credential[place];
        if (row->scheme == scheme && name.length == ray_name_length(&row->name) &&
            ray_same(row->name.at, name.at, name.length))
            return place;
    }
    return RAY_NONE;
}

/* Digests compare in constant time where they decide (credential.c); here one that differs only
 * leads on to the next entry. */
uint32_t ray_auth_find_digest(const ray_auth *auth, const uint8_t digest[32])
{
    const ray_auth_config *config = &auth->config;
    uint32_t at = (uint32_t)ray_siphash(config->seed, digest, 32) & (RAY_CREDENTIAL_TABLE - 1);
    for (; config->credential_table[at] != 0; at = (at + 1) & (RAY_CREDENTIAL_TABLE - 1)) {
        uint32_t place = config->credential_table[at] - 1U;
        const ray_credential_spec *row = &config->credential[place];
        if (row->scheme == RAY_SCHEME_BEARER && (ray_same(row->digest[0], digest, 32) != 0 ||
                                                 ray_same(row->digest[1], digest, 32) != 0))
            return place;
    }
    return RAY_NONE;
}

uint32_t ray_auth_find_tenant(const ray_auth *auth, ray_view name)
{
    const ray_auth_config *config = &auth->config;
    uint64_t hash = ray_siphash(config->seed, name.at, name.length);
    uint32_t at = (uint32_t)hash & (RAY_AUTH_TENANT_TABLE - 1);
    for (; config->tenant_table[at] != 0; at = (at + 1) & (RAY_AUTH_TENANT_TABLE - 1)) {
        const ray_name *row = &config->tenant[config->tenant_table[at] - 1U];
        if (name.length == ray_name_length(row) && ray_same(row->at, name.at, name.length) != 0)
            return config->tenant_table[at] - 1U;
    }
    return RAY_NONE;
}

uint32_t ray_auth_find_token(const ray_auth *auth, uint64_t issuer, const uint8_t id[16])
{
    const ray_auth_book *book = &auth->book;
    uint32_t at = (uint32_t)token_hash(auth, issuer, id) & (RAY_TOKEN_TABLE - 1);
    for (; book->token_table[at] != 0; at = (at + 1) & (RAY_TOKEN_TABLE - 1)) {
        const ray_token *token = &book->token[book->token_table[at] - 1U];
        if (token->issuer == issuer && ray_same(token->id, id, 16) != 0)
            return book->token_table[at] - 1U;
    }
    return RAY_NONE;
}

uint32_t ray_auth_find_grant(const ray_auth *auth, uint32_t tenant, uint32_t service, ray_view user)
{
    const ray_auth_book *book = &auth->book;
    uint32_t at = (uint32_t)grant_hash(auth, tenant, service, user) & (RAY_GRANT_TABLE - 1);
    for (; book->grant_table[at] != 0; at = (at + 1) & (RAY_GRANT_TABLE - 1)) {
        const ray_grant *grant = &book->grant[book->grant_table[at] - 1U];
        if (grant->tenant == tenant && grant->service == service &&
            grant->user_length == user.length && ray_same(grant->user, user.at, user.length) != 0)
            return book->grant_table[at] - 1U;
    }
    return RAY_NONE;
}
