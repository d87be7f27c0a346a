/* SPDX-License-Identifier: MIT */
/* control.c - credentials by hand: a secret is shown once, its SHA-256 is kept, and two of them
 * may live side by side while clients change over. */
#include <stddef.h>
#include "parts.h"
#include "base/crypto.h"
#include "base/sha256.h"

/* -- handles (private) -- */
static ray_status slot_of(const ray_auth *auth, uint32_t handle, uint32_t *place)
{
    uint32_t slot = handle & RAY_AUTH_SLOT_MASK;
    if (slot >= RAY_CREDENTIAL_MAX)
        return RAY_E_UNKNOWN;
    if (auth->config.generation[slot] != handle >> 16)
        return RAY_E_STALE;
    if (auth->config.credential[slot].scheme == RAY_SCHEME_NONE)
        return RAY_E_UNKNOWN;
    *place = slot;
    return RAY_OK;
}

/* -- secrets (private) -- */
/* 32 random bytes as text; its digest is what stays. Of an API key the text is NAME.SECRET. */
static ray_status make_secret(struct ray_secrets *secrets, const ray_credential_spec *spec,
                              uint8_t digest[32], ray_text *out)
{
    uint8_t random[32];
    ray_sha256 hash;
    uint64_t began = out->length;
    if (secrets == 0 || ray_secrets_ready(secrets) == 0)
        return RAY_E_STATE;
    ray_secrets_random(secrets, random, sizeof random);
    if (spec->scheme == RAY_SCHEME_API_KEY) {
        ray_text_name(out, &spec->name, 0);
        ray_text_char(out, '.');
    }
    uint64_t from = out->length;
    ray_base64url_put(out, random, sizeof random);
    ray_crypto_forget(random, sizeof random);
    if (out->truncated != 0 || out->length - from != RAY_AUTH_SECRET_TEXT) {
        out->length = began;
        return RAY_E_TRUNCATED;
    }
    ray_sha256_init(&hash);
    ray_sha256_add(&hash, (const uint8_t *)out->at + from, RAY_AUTH_SECRET_TEXT);
    ray_sha256_end(&hash, digest);
    return RAY_OK;
}

static uint32_t free_place(const ray_auth *auth)
{
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++)
        if (auth->config.credential[place].scheme == RAY_SCHEME_NONE)
            return place;
    return RAY_NONE;
}

static uint32_t is_taken(const ray_auth *auth, const ray_credential_spec *spec)
{
    ray_view name = {(const uint8_t *)spec->name.at, ray_name_length(&spec->name)};
    if (ray_auth_find_named(auth, spec->scheme, name) != RAY_NONE)
        return 1;
    for (uint32_t i = 0; i < 2 && spec->scheme == RAY_SCHEME_BEARER; i++)
        if (ray_is_zero(spec->digest[i], 32) == 0 &&
            ray_auth_find_digest(auth, spec->digest[i]) != RAY_NONE)
            return 1;
    return 0;
}

/* -- control -- */
ray_status ray_auth_credential_add(ray_auth *auth, struct ray_secrets *secrets,
                                   const ray_credential_spec *spec, ray_text *secret,
                                   uint32_t *handle)
{
    ray_credential_spec row = *spec;
    uint32_t field, place = free_place(auth);
    ray_status status = ray_credential_check(spec, RAY_TENANT_MAX, RAY_SERVICE_MAX, &field);
    uint32_t makes = spec->scheme != RAY_SCHEME_BASIC && ray_is_zero(spec->digest, 64) != 0;
    if (status != RAY_OK && !(makes && field == offsetof(ray_credential_spec, digest)))
        return status;
    if (is_taken(auth, spec) != 0)
        return RAY_E_EXISTS;
    if (place == RAY_NONE)
        return RAY_E_FULL;
    if (makes) {
        status = make_secret(secrets, spec, row.digest[0], secret);
        if (status != RAY_OK)
            return status;
    }
    auth->config.credential[place] = row;
    ray_auth_index_credentials(auth);
    *handle = ray_credential_handle(auth, place);
    return RAY_OK;
}

/* Place 0 is the older of two. */
ray_status ray_auth_credential_rotate(ray_auth *auth, struct ray_secrets *secrets,
                                      uint32_t handle, ray_text *secret)
{
    uint8_t digest[32];
    uint32_t place;
    ray_status status = slot_of(auth, handle, &place);
    if (status != RAY_OK)
        return status;
    ray_credential_spec *row = &auth->config.credential[place];
    if (row->scheme == RAY_SCHEME_BASIC)
        return RAY_E_STATE;
    uint32_t to = ray_is_zero(row->digest[0], 32) != 0 ? 0 : 1;
    if (ray_is_zero(row->digest[to], 32) == 0)
        return RAY_E_FULL;
    status = make_secret(secrets, row, digest, secret);
    if (status != RAY_OK)
        return status;
    memcpy(row->digest[to], digest, sizeof digest);
    ray_auth_index_credentials(auth);
    return RAY_OK;
}

ray_status ray_auth_credential_retire(ray_auth *auth, uint32_t handle)
{
    uint32_t place;
    ray_status status = slot_of(auth, handle, &place);
    if (status != RAY_OK)
        return status;
    ray_credential_spec *row = &auth->config.credential[place];
    if (ray_is_zero(row->digest[0], 32) != 0 || ray_is_zero(row->digest[1], 32) != 0)
        return RAY_E_STATE; /* the only secret: disable or remove says that better */
    memcpy(row->digest[0], row->digest[1], 32);
    memset(row->digest[1], 0, 32);
    ray_auth_index_credentials(auth);
    return RAY_OK;
}

ray_status ray_auth_credential_disable(ray_auth *auth, uint32_t handle, uint32_t disabled)
{
    uint32_t place;
    ray_status status = slot_of(auth, handle, &place);
    if (status == RAY_OK && disabled > 1)
        status = RAY_E_ARGUMENT;
    if (status == RAY_OK)
        auth->config.credential[place].disabled = (uint8_t)disabled;
    return status;
}

ray_status ray_auth_credential_expire(ray_auth *auth, uint32_t handle, int64_t expires_ns)
{
    uint32_t place;
    ray_status status = slot_of(auth, handle, &place);
    if (status == RAY_OK && expires_ns < 0)
        status = RAY_E_RANGE;
    if (status == RAY_OK)
        auth->config.credential[place].expires_ns = expires_ns;
    return status;
}

ray_status ray_auth_credential_remove(ray_auth *auth, uint32_t handle)
{
    uint32_t place;
    ray_status status = slot_of(auth, handle, &place);
    if (status != RAY_OK)
        return status;
    memset(&auth->config.credential[place], 0, sizeof auth->config.credential[place]);
    memset(&auth->tally.credential[place], 0, sizeof auth->tally.credential[place]);
    auth->book.credential_until_ns[place] = 0;
    auth->config.generation[place]++;
    ray_auth_index_credentials(auth);
    return RAY_OK;
}

ray_status ray_auth_credential_find(const ray_auth *auth, uint32_t scheme, const char *name,
                                    uint64_t length, uint32_t *handle)
{
    ray_view view = {(const uint8_t *)name, length};
    uint32_t place = ray_auth_find_named(auth, scheme, view);
    if (place == RAY_NONE)
        return RAY_E_UNKNOWN;
    *handle = ray_credential_handle(auth, place);
    return RAY_OK;
}

/* Digests are no secrets, but nobody needs them: what is read says only which places hold one. */
ray_status ray_auth_credential_read(const ray_auth *auth, uint32_t handle,
                                    ray_credential_spec *out)
{
    uint32_t place;
    ray_status status = slot_of(auth, handle, &place);
    if (status != RAY_OK)
        return status;
    *out = auth->config.credential[place];
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t held = ray_is_zero(out->digest[i], 32) == 0;
        memset(out->digest[i], 0, 32);
        out->digest[i][0] = held;
    }
    return RAY_OK;
}

uint32_t ray_auth_credential_at(const ray_auth *auth, uint32_t place)
{
    if (place >= RAY_CREDENTIAL_MAX ||
        auth->config.credential[place].scheme == RAY_SCHEME_NONE)
        return RAY_NONE;
    return ray_credential_handle(auth, place);
}
