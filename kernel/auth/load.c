/* SPDX-License-Identifier: MIT */
/* load.c - a reload: penalties, tokens, revocations and grants follow their names and stay; what
 * was verified under the rules before is forgotten. */
#include "parts.h"

/* -- names -- */
static uint32_t follow(const ray_names *before, const ray_names *after, uint32_t place)
{
    if (place >= before->count)
        return RAY_NONE;
    const uint8_t *name = before->at + place * before->stride;
    if (name[0] == 0)
        return RAY_NONE;
    if (place < after->count && ray_same(after->at + place * after->stride, name, RAY_NAME_BYTES))
        return place;
    for (uint32_t i = 0; i < after->count; i++)
        if (ray_same(after->at + i * after->stride, name, RAY_NAME_BYTES))
            return i;
    return RAY_NONE;
}

void ray_auth_tenants_move(ray_auth *auth, const ray_names *before, const ray_names *after)
{
    ray_auth_book *book = &auth->book;
    for (uint32_t i = 0; i < RAY_GRANT_MAX; i++) {
        ray_grant *grant = &book->grant[i];
        if (grant->user_length == 0 || grant->tenant == RAY_NONE)
            continue;
        grant->tenant = follow(before, after, grant->tenant);
        if (grant->tenant == RAY_NONE)
            memset(grant, 0, sizeof *grant);
    }
    for (uint32_t i = 0; i < RAY_TOKEN_MAX; i++) {
        ray_token *token = &book->token[i];
        if (token->state == RAY_TOKEN_FREE || token->tenant == RAY_NONE)
            continue;
        token->tenant = follow(before, after, token->tenant);
        if (token->tenant == RAY_NONE)
            token->state = RAY_TOKEN_REVOKED;
    }
    ray_auth_index_grants(auth);
}

/* Grants name services by handle; of the configuration's rows the handle is the place. */
void ray_auth_services_move(ray_auth *auth, const ray_names *before, const ray_names *after)
{
    for (uint32_t i = 0; i < RAY_GRANT_MAX; i++) {
        ray_grant *grant = &auth->book.grant[i];
        if (grant->user_length == 0 || grant->service == RAY_NONE)
            continue;
        grant->service = follow(before, after, grant->service & RAY_AUTH_SLOT_MASK);
        if (grant->service == RAY_NONE)
            memset(grant, 0, sizeof *grant);
    }
    ray_auth_index_grants(auth);
}

/* -- credentials -- */
static uint32_t row_named(const ray_credential_spec *rows, uint32_t count,
                          const ray_credential_spec *wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].scheme == wanted->scheme && ray_name_same(&rows[i].name, &wanted->name) != 0)
            return i;
    return RAY_NONE;
}

static void swap_rows(ray_auth *auth, uint32_t a, uint32_t b)
{
    ray_credential_spec spec = auth->config.credential[a];
    ray_credential_tally tally = auth->tally.credential[a];
    uint64_t until_ns = auth->book.credential_until_ns[a];
    auth->config.credential[a] = auth->config.credential[b];
    auth->config.credential[b] = spec;
    auth->tally.credential[a] = auth->tally.credential[b];
    auth->tally.credential[b] = tally;
    auth->book.credential_until_ns[a] = auth->book.credential_until_ns[b];
    auth->book.credential_until_ns[b] = until_ns;
}

static void clear_row(ray_auth *auth, uint32_t place)
{
    memset(&auth->config.credential[place], 0, sizeof auth->config.credential[place]);
    memset(&auth->tally.credential[place], 0, sizeof auth->tally.credential[place]);
    auth->book.credential_until_ns[place] = 0;
}

/* Counts and lockouts stand behind a name; one that is gone takes its own along. */
static void load_credentials(ray_auth *auth, const ray_credential_spec *rows, uint32_t count,
                             ray_config_report *report)
{
    ray_credential_spec *here = auth->config.credential;
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++)
        if (here[place].scheme != RAY_SCHEME_NONE &&
            row_named(rows, count, &here[place]) == RAY_NONE)
            clear_row(auth, place);
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++)
        while (here[place].scheme != RAY_SCHEME_NONE) {
            uint32_t to = row_named(rows, count, &here[place]);
            if (to == place)
                break;
            swap_rows(auth, place, to);
        }
    for (uint32_t place = 0; place < count; place++) {
        uint32_t had = here[place].scheme != RAY_SCHEME_NONE;
        uint32_t same = had && ray_same(&here[place], &rows[place], sizeof rows[place]);
        report->kept_count += same;
        report->reset_count += had && !same;
        here[place] = rows[place];
    }
    memset(auth->config.generation, 0, sizeof auth->config.generation);
    ray_auth_index_credentials(auth);
}

static void load_tenants(ray_auth *auth, const ray_names *tenants)
{
    ray_auth_config *config = &auth->config;
    memset(config->tenant, 0, sizeof config->tenant);
    config->tenant_count = (uint32_t)tenants->count;
    for (uint32_t i = 0; i < config->tenant_count; i++)
        memcpy(&config->tenant[i], tenants->at + i * tenants->stride, sizeof config->tenant[i]);
    ray_auth_index_tenants(auth);
}

void ray_auth_load(ray_auth *auth, const ray_auth_rows *rows, const ray_names *tenants,
                   const ray_config_counts *counts, ray_config_report *report)
{
    ray_auth_config *config = &auth->config;
    ray_auth_spec_default(&config->spec);
    if (counts->auth_count != 0)
        config->spec = *rows->auth;
    ray_auth_roles_default(auth);
    for (uint32_t i = 0; i < counts->role_count; i++)
        ray_auth_scope_put(auth, &rows->roles[i]);
    load_tenants(auth, tenants);
    load_credentials(auth, rows->credentials, counts->credential_count, report);
    memset(config->jwt, 0, sizeof config->jwt);
    memset(config->issuer, 0, sizeof config->issuer);
    memset(config->key, 0, sizeof config->key);
    config->jwt_count = counts->jwt_count;
    config->key_count = counts->jwt_key_count;
    memcpy(config->jwt, rows->jwts, counts->jwt_count * sizeof *rows->jwts);
    memcpy(config->key, rows->keys, counts->jwt_key_count * sizeof *rows->keys);
    for (uint32_t i = 0; i < counts->jwt_count; i++)
        config->issuer[i] = ray_auth_name_hash(auth, &config->jwt[i].name);
    ray_auth_forget(auth);
}
