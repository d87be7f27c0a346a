/* SPDX-License-Identifier: MIT */
#ifndef RAY_CRYPTO_H
#define RAY_CRYPTO_H
#include <stdint.h>
#include "ray/types.h"

/* crypto: the few algorithms a token needs, on BearSSL's constant-time integers.
 *
 * Law: a verification says yes to exactly one text of a signature, never to a second spelling of
 * it; no branch and no address depends on a secret; every function is told all lengths, keeps no
 * state of its own and leaves no secret in memory it does not own.
 * Yes is 1 and no is 0, whatever the reason: one who forges learns nothing from it.
 * Cost: a tag is linear in the text; RS256 and ES256 add hundreds of microseconds to a few
 * milliseconds, so callers remember what they verified.
 */
enum ray_crypto_constant {
    RAY_CRYPTO_DIGEST_BYTES = 32,
    RAY_CRYPTO_RSA_BYTES_MIN = 256,       /* a modulus of 2048 bits (RFC 7518 3.3) */
    RAY_CRYPTO_RSA_BYTES_MAX = 512,       /* of 4096 bits */
    RAY_CRYPTO_EXPONENT_BYTES_MAX = 8,    /* of the public exponent, odd and 3 at least */
    RAY_CRYPTO_P256_BYTES = 32,           /* a private number */
    RAY_CRYPTO_P256_POINT_BYTES = 65,     /* 04 x y (SEC 1 2.3.3) */
    RAY_CRYPTO_P256_SIGNATURE_BYTES = 64, /* r s (IEEE P1363, RFC 7518 3.4) */
    RAY_CRYPTO_SIGNATURE_BYTES_MAX = 512,
    RAY_CRYPTO_SEED_BYTES_MIN = 16
};

/* Big-endian numbers without leading zeros. A public key's last five have length 0. */
typedef struct ray_rsa_key {
    ray_view modulus;
    ray_view exponent;
    ray_view p;
    ray_view q;
    ray_view dp;   /* d mod p - 1 */
    ray_view dq;   /* d mod q - 1 */
    ray_view iq;   /* 1 / q mod p */
} ray_rsa_key;

/* A random generator: HMAC-DRBG over SHA-256 (NIST SP 800-90A 10.1.2). All zero: never seeded. */
typedef struct ray_drbg {
    uint8_t k[32];
    uint8_t v[32];
    uint64_t seeded;   /* 1 once seeded */
} ray_drbg;

/* 1 when both are the same; how long it takes depends on the length alone. */
uint32_t ray_crypto_same(const uint8_t *a, const uint8_t *b, uint64_t length);

void ray_crypto_sha256(ray_view text, uint8_t digest[32]);
/* RFC 2104 over SHA-256; a key of any length. */
void ray_crypto_hmac_sha256(ray_view key, ray_view text, uint8_t tag[32]);
/* 1 when `tag` is exactly the 32 bytes of the text's tag. */
uint32_t ray_crypto_hmac_sha256_verify(ray_view key, ray_view text, ray_view tag);

/* RSASSA-PKCS1-v1_5 over SHA-256 (RFC 8017 8.2): the encoding is made and compared whole, so
 * nothing in the padding is ever parsed. No for a key out of the bounds above. */
uint32_t ray_crypto_rs256_verify(const ray_rsa_key *key, ray_view text, ray_view signature);
/* Bytes written to `signature`, as many as the modulus has; 0 when the key has no private part or
 * its parts do not fit each other. The result is verified before it leaves: half a signature made
 * by a flipped bit gives the key away (Boneh, DeMillo, Lipton 1997). */
uint32_t ray_crypto_rs256_sign(const ray_rsa_key *key, ray_view text, uint8_t signature[512]);

/* ECDSA over P-256 and SHA-256, r and s from 1 to n - 1, a point that lies on the curve. */
uint32_t ray_crypto_es256_verify(const uint8_t point[65], ray_view text, ray_view signature);
/* Deterministic (RFC 6979), so no bad generator gives the key away. 0 when `number` is not from 1
 * to n - 1; then nothing is written. */
uint32_t ray_crypto_es256_sign(const uint8_t number[32], ray_view text, uint8_t signature[64]);
/* The public point of a private number; 0 when it is none, then nothing is written. */
uint32_t ray_crypto_es256_point(const uint8_t number[32], uint8_t point[65]);

/* Starts or stirs the generator: what it knew stays in it. RAY_E_RANGE: a first seed of fewer than
 * RAY_CRYPTO_SEED_BYTES_MIN bytes. */
ray_status ray_crypto_random_seed(ray_drbg *random, ray_view seed);
/* RAY_E_STATE: never seeded; then nothing is written. */
ray_status ray_crypto_random(ray_drbg *random, uint8_t *to, uint64_t length);

/* base64url without padding (RFC 4648 5, RFC 7515 2), strictly: exactly one text for each value.
 * Bytes written; RAY_NONE for a letter outside the alphabet, for padding, for a length that no
 * bytes have, for bits behind the last byte, or when `room` is too small. May be decoded in place:
 * `to` may be text.at. */
uint32_t ray_crypto_base64url_read(ray_view text, uint8_t *to, uint64_t room);
/* Letters written, no zero behind them; RAY_NONE when `room` is too small. */
uint32_t ray_crypto_base64url_write(ray_view bytes, uint8_t *to, uint64_t room);

#endif
