/* SPDX-License-Identifier: MIT */
/* secrets.c - the block that no snapshot sees: where randomness comes from, and keys. */
#include "parts.h"
#include "base/crypto.h"

_Static_assert(sizeof(ray_secret_spec) == 2072 && sizeof(ray_secret_spec) % 8 == 0,
               "a key's row has no padding");

/* -- randomness -- */
void ray_secrets_random(struct ray_secrets *secrets, uint8_t *to, uint64_t length)
{
    ray_status status = ray_crypto_random(&secrets->random, to, length);
    ray_assert(status == RAY_OK); /* whoever asks has seen that there is a source */
}

static void begin_random(struct ray_secrets *secrets, const uint8_t *at, uint64_t length,
                         uint32_t source)
{
    memset(&secrets->random, 0, sizeof secrets->random);
    ray_status status = ray_crypto_random_seed(&secrets->random, (ray_view){at, length});
    ray_assert(status == RAY_OK); /* every caller brings RAY_SECRETS_SEED_BYTES at least */
    secrets->source = source;
    ray_secrets_random(secrets, secrets->cache_key, sizeof secrets->cache_key);
}

/* -- the block -- */
uint64_t ray_secrets_bytes(void)
{
    return sizeof(struct ray_secrets);
}

void ray_secrets_init(struct ray_secrets *secrets)
{
    memset(secrets, 0, sizeof *secrets);
}

void ray_secrets_reset(struct ray_secrets *secrets)
{
    if (secrets->source != RAY_SECRETS_PORT) {
        ray_secrets_init(secrets);
        return;
    }
    memset(secrets->key, 0, sizeof secrets->key);
    secrets->key_count = 0;
}

ray_status ray_secrets_seed(struct ray_secrets *secrets, const uint8_t *at, uint64_t length)
{
    if (length < RAY_SECRETS_SEED_BYTES || length > RAY_SECRETS_ENTROPY_MAX)
        return RAY_E_RANGE;
    begin_random(secrets, at, length, RAY_SECRETS_PORT);
    return RAY_OK;
}

uint32_t ray_secrets_source(const struct ray_secrets *secrets)
{
    return secrets->source;
}

uint32_t ray_secrets_ready(const struct ray_secrets *secrets)
{
    return secrets->source != RAY_SECRETS_NONE;
}

uint32_t ray_secrets_key_count(const struct ray_secrets *secrets)
{
    return secrets->key_count;
}

const ray_secret_spec *ray_secrets_key(const struct ray_secrets *secrets, uint32_t place)
{
    return place < secrets->key_count ? &secrets->key[place] : 0;
}

/* -- keys -- */
static uint32_t parts_of(uint32_t alg, uint32_t private_known)
{
    if (alg == RAY_JWT_HS256)
        return 1;
    if (alg == RAY_JWT_RS256)
        return private_known != 0 ? 7 : 2;
    return private_known != 0 ? 2 : 1;
}

static uint32_t first_fits(uint32_t alg, const ray_secret_spec *row)
{
    uint32_t length = row->length[0];
    if (alg == RAY_JWT_HS256)
        return length >= RAY_JWT_HMAC_BYTES_MIN && length <= RAY_JWT_HMAC_BYTES_MAX;
    if (alg == RAY_JWT_ES256)
        return length == 65 && row->at[0] == 4 && (row->length[1] == 0 || row->length[1] == 32);
    return length >= 256 && length <= 512 && row->at[0] != 0 && row->length[1] != 0 &&
           row->length[1] <= 8; /* RSA from 2048 bits (RFC 7518 3.3) */
}

static uint32_t key_fits(const ray_jwt_key_spec *key, const ray_secret_spec *row)
{
    uint64_t used = 0;
    uint32_t parts = parts_of(key->alg, key->private_known);
    for (uint32_t i = 0; i < 8; i++) {
        if ((row->length[i] != 0) != (i < parts) || row->length[i] > 512)
            return 0;
        used += row->length[i];
    }
    return used <= sizeof row->at && first_fits(key->alg, row) != 0 &&
           ray_is_zero(row->at + used, sizeof row->at - used) != 0;
}

ray_status ray_secrets_check(const uint8_t *at, uint64_t length, const ray_jwt_key_spec *keys,
                             uint32_t key_count)
{
    if (length != RAY_SECRETS_SEED_BYTES + (uint64_t)key_count * sizeof(ray_secret_spec))
        return RAY_E_TRUNCATED;
    for (uint32_t i = 0; i < key_count; i++) {
        const void *row = at + RAY_SECRETS_SEED_BYTES + (uint64_t)i * sizeof(ray_secret_spec);
        if (key_fits(&keys[i], row) == 0)
            return RAY_E_ARGUMENT;
    }
    return RAY_OK;
}

void ray_secrets_load(struct ray_secrets *secrets, const uint8_t *at, uint64_t length)
{
    uint64_t rows = length - RAY_SECRETS_SEED_BYTES;
    if (secrets->source == RAY_SECRETS_NONE)
        begin_random(secrets, at, RAY_SECRETS_SEED_BYTES, RAY_SECRETS_CONFIG);
    secrets->key_count = (uint32_t)(rows / sizeof(ray_secret_spec));
    memset(secrets->key, 0, sizeof secrets->key);
    memcpy(secrets->key, at + RAY_SECRETS_SEED_BYTES, rows);
}
