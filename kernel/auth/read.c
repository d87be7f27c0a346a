/* SPDX-License-Identifier: MIT */
/* read.c - what is counted, and every credential as rows: names, never digests. */
#include "parts.h"

void ray_auth_read(const ray_auth *auth, ray_auth_stats *out)
{
    const ray_auth_tally *tally = &auth->tally;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->asked_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->error_count;
    out->unspent_count = tally->unspent_count;
    out->anonymous_count = tally->anonymous_count;
    memcpy(out->scheme_count, tally->scheme_count, sizeof out->scheme_count);
    memcpy(out->reason_count, tally->reason_count, sizeof out->reason_count);
    out->cache_hit_count = tally->cache_hit_count;
    out->cache_fill_count = tally->cache_fill_count;
    out->cache_evicted_count = tally->cache_evicted_count;
    out->penalty_count = tally->penalty_count;
    out->penalty_evicted_count = tally->penalty_evicted_count;
    out->penalty_full_count = tally->penalty_full_count;
    out->issued_count = tally->issued_count;
    out->refreshed_count = tally->refreshed_count;
    out->revoked_count = tally->revoked_count;
    out->reused_count = tally->reused_count;
    out->introspected_count = tally->introspected_count;
    out->introspect_evicted_count = tally->introspect_evicted_count;
    out->credential_count = auth->config.credential_count;
    out->jwt_count = auth->config.jwt_count;
    out->key_count = auth->config.key_count;
    out->grant_count = auth->book.grant_count;
}

void ray_auth_spec_read(const ray_auth *auth, ray_auth_spec *out)
{
    *out = auth->config.spec;
}

ray_status ray_auth_jwt_read(const ray_auth *auth, uint32_t place, ray_jwt_spec *out)
{
    if (place >= auth->config.jwt_count)
        return RAY_E_UNKNOWN;
    *out = auth->config.jwt[place];
    return RAY_OK;
}

ray_status ray_auth_key_read(const ray_auth *auth, uint32_t place, ray_jwt_key_spec *out)
{
    if (place >= auth->config.key_count)
        return RAY_E_UNKNOWN;
    *out = auth->config.key[place];
    return RAY_OK;
}

ray_status ray_auth_credential_stats(const ray_auth *auth, uint64_t now_ns, uint32_t handle,
                                     ray_credential_stats *out)
{
    uint32_t place = handle & RAY_AUTH_SLOT_MASK;
    if (ray_auth_credential_at(auth, place) != handle)
        return RAY_E_UNKNOWN;
    const ray_credential_tally *tally = &auth->tally.credential[place];
    *out = (ray_credential_stats){tally->granted_count, tally->denied_count, tally->last_ns,
                                  ray_auth_credential_wait(auth, now_ns, place)};
    return RAY_OK;
}

/* -- words -- */
const char *ray_scheme_word(uint32_t scheme)
{
    static const char words[RAY_AUTH_SCHEME_COUNT][12] = {"none", "api-key",    "basic",  "bearer",
                                      "jwt",  "introspect", "vouched"};
    return scheme < RAY_AUTH_SCHEME_COUNT ? words[scheme] : "?";
}

const char *ray_jwt_alg_word(uint32_t alg)
{
    static const char words[4][6] = {"none", "HS256", "RS256", "ES256"};
    return alg < 4 ? words[alg] : "?";
}

/* -- export -- */
static uint32_t secrets_of(const ray_credential_spec *row)
{
    uint32_t first = ray_is_zero(row->digest[0], 32) == 0;
    return first + (ray_is_zero(row->digest[1], 32) == 0);
}

static void put_json(const ray_auth *auth, uint64_t now_ns, uint32_t place, ray_text *out)
{
    const ray_credential_spec *row = &auth->config.credential[place];
    const ray_credential_tally *tally = &auth->tally.credential[place];
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "place", place);
    ray_text_json_literal(out, "scheme", ray_scheme_word(row->scheme));
    ray_text_json_name(out, "name", &row->name);
    ray_text_json_name(out, "user", row->user.at[0] != 0 ? &row->user : &row->name);
    ray_text_json_literal(out, "role", ray_role_word(row->role));
    ray_text_json_u64(out, "permissions", row->permissions);
    ray_text_json_u64(out, "secrets", secrets_of(row));
    ray_text_json_bool(out, "disabled", row->disabled);
    ray_text_json_i64(out, "expires_ns", row->expires_ns);
    ray_text_json_u64(out, "granted", tally->granted_count);
    ray_text_json_u64(out, "denied", tally->denied_count);
    ray_text_json_u64(out, "last_ns", tally->last_ns);
    ray_text_json_u64(out, "locked_ns", ray_auth_credential_wait(auth, now_ns, place));
    ray_text_json_close(out, '}');
}

static void put_csv(const ray_auth *auth, uint64_t now_ns, uint32_t place, ray_text *out)
{
    const ray_credential_spec *row = &auth->config.credential[place];
    const ray_credential_tally *tally = &auth->tally.credential[place];
    const ray_name *user = row->user.at[0] != 0 ? &row->user : &row->name;
    const uint64_t numbers[6] = {row->disabled,       tally->granted_count,
                                 tally->denied_count, ray_auth_credential_wait(auth, now_ns, place),
                                 row->permissions,    tally->last_ns};
    ray_text_u64(out, place);
    ray_text_char(out, ',');
    ray_text_put(out, ray_scheme_word(row->scheme));
    ray_text_char(out, ',');
    ray_text_csv(out, row->name.at, ray_name_length(&row->name));
    ray_text_char(out, ',');
    ray_text_csv(out, user->at, ray_name_length(user));
    ray_text_char(out, ',');
    ray_text_put(out, ray_role_word(row->role));
    ray_text_char(out, ',');
    ray_text_u64(out, secrets_of(row));
    ray_text_char(out, ',');
    ray_text_i64(out, row->expires_ns);
    for (uint32_t i = 0; i < 6; i++) {
        ray_text_char(out, ',');
        ray_text_u64(out, numbers[i]);
    }
    ray_text_char(out, '\n');
}

void ray_auth_export(const ray_auth *auth, uint64_t now_ns, uint32_t json, ray_text *out)
{
    if (json != 0)
        ray_text_json_open(out, 0, '[');
    else
        ray_text_put(out, "place,scheme,name,user,role,secrets,expires_ns,disabled,granted,denied,"
                          "locked_ns,permissions,last_ns\n");
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++) {
        if (auth->config.credential[place].scheme == RAY_SCHEME_NONE)
            continue;
        if (json != 0)
            put_json(auth, now_ns, place, out);
        else
            put_csv(auth, now_ns, place, out);
    }
    if (json != 0)
        ray_text_json_close(out, ']');
}
