/* SPDX-License-Identifier: MIT */
/* sign.c - the three algorithms of a token, by the key's word alone. */
#include "sign.h"
#include "base/crypto.h"

/* Where part `i` of a key's material stands. */
static ray_view part(const ray_secret_spec *key, uint32_t i)
{
    uint32_t at = 0;
    for (uint32_t before = 0; before < i; before++)
        at += key->length[before];
    return (ray_view){key->at + at, key->length[i]};
}

static ray_rsa_key rsa_of(const ray_secret_spec *key)
{
    return (ray_rsa_key){part(key, 0), part(key, 1), part(key, 2), part(key, 3),
                         part(key, 4), part(key, 5), part(key, 6)};
}

uint32_t ray_jwt_tag_good(uint32_t alg, const ray_secret_spec *key, ray_view signed_part,
                          ray_view tag)
{
    ray_rsa_key rsa;
    switch ((enum ray_jwt_alg)alg) {
    case RAY_JWT_HS256: return ray_crypto_hmac_sha256_verify(part(key, 0), signed_part, tag);
    case RAY_JWT_RS256:
        rsa = rsa_of(key);
        return ray_crypto_rs256_verify(&rsa, signed_part, tag);
    case RAY_JWT_ES256: return ray_crypto_es256_verify(key->at, signed_part, tag);
    }
    return 0;
}

uint32_t ray_jwt_tag_make(uint32_t alg, const ray_secret_spec *key, ray_view signed_part,
                          uint8_t tag[RAY_JWT_TAG_MAX])
{
    ray_rsa_key rsa;
    switch ((enum ray_jwt_alg)alg) {
    case RAY_JWT_HS256:
        ray_crypto_hmac_sha256(part(key, 0), signed_part, tag);
        return 32;
    case RAY_JWT_RS256:
        rsa = rsa_of(key);
        return ray_crypto_rs256_sign(&rsa, signed_part, tag);
    case RAY_JWT_ES256:
        return ray_crypto_es256_sign(part(key, 1).at, signed_part, tag) != 0
                   ? (uint32_t)RAY_CRYPTO_P256_SIGNATURE_BYTES : 0;
    }
    return 0;
}
