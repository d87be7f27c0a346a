/* SPDX-License-Identifier: MIT */
/* crypto.c - the only file that knows BearSSL: RSA on its 62-bit integers, P-256 on its 31-bit
 * ones, SHA-256 and HMAC. What BearSSL takes more widely than a token may is refused here. */
#include "base/crypto.h"
#include "base/bytes.h"
#include "bearssl.h"

static const uint8_t P256_ORDER[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

/* -- secrets -- */
uint32_t ray_crypto_same(const uint8_t *a, const uint8_t *b, uint64_t length)
{
    uint32_t differ = 0;
    for (uint64_t i = 0; i < length; i++) {
        differ |= (uint32_t)a[i] ^ b[i];
        __asm__("" : "+r"(differ)); /* a clever compiler would stop at the first difference */
    }
    return (differ - 1U) >> 31;
}

void ray_crypto_forget(void *at, uint64_t length)
{
    memset(at, 0, length);
    __asm__ volatile("" : : "r"(at) : "memory");
}

/* -- digests -- */
void ray_crypto_sha256(ray_view text, uint8_t digest[32])
{
    br_sha256_context hash;
    br_sha256_init(&hash);
    br_sha256_update(&hash, text.at, text.length);
    br_sha256_out(&hash, digest);
    ray_crypto_forget(&hash, sizeof hash);
}

/* The tag over several pieces, one after the other. */
static void hmac(ray_view key, const ray_view *piece, uint32_t count, uint8_t tag[32])
{
    br_hmac_key_context pads;
    br_hmac_context hash;
    br_hmac_key_init(&pads, &br_sha256_vtable, key.at, key.length);
    br_hmac_init(&hash, &pads, 0);
    for (uint32_t i = 0; i < count; i++)
        br_hmac_update(&hash, piece[i].at, piece[i].length);
    br_hmac_out(&hash, tag);
    ray_crypto_forget(&pads, sizeof pads);
    ray_crypto_forget(&hash, sizeof hash);
}

void ray_crypto_hmac_sha256(ray_view key, ray_view text, uint8_t tag[32])
{
    hmac(key, &text, 1, tag);
}

uint32_t ray_crypto_hmac_sha256_verify(ray_view key, ray_view text, ray_view tag)
{
    uint8_t right[32];
    if (tag.length != sizeof right)
        return 0;
    hmac(key, &text, 1, right);
    uint32_t good = ray_crypto_same(right, tag.at, sizeof right);
    ray_crypto_forget(right, sizeof right);
    return good;
}

/* -- RS256 -- */
static uint32_t public_sound(const ray_rsa_key *key)
{
    ray_view n = key->modulus, e = key->exponent;
    if (n.length < RAY_CRYPTO_RSA_BYTES_MIN || n.length > RAY_CRYPTO_RSA_BYTES_MAX)
        return 0;
    if (e.length == 0 || e.length > RAY_CRYPTO_EXPONENT_BYTES_MAX || e.at[0] == 0)
        return 0;
    if ((e.at[e.length - 1] & 1) == 0 || (e.length == 1 && e.at[0] < 3))
        return 0;
    /* 2048 bits are enough and 2047 are not, so the first byte decides at the bound. */
    return n.at[0] != 0 && (n.length > RAY_CRYPTO_RSA_BYTES_MIN || n.at[0] >= 0x80) &&
           (n.at[n.length - 1] & 1) != 0;
}

/* EMSA-PKCS1-v1_5 (RFC 8017 9.2), always with the NULL behind the hash's name: byte `i` of
 * `length`. Made rather than parsed, for every parser of this padding has once let something
 * through. */
static uint8_t encoded(const uint8_t digest[32], uint64_t length, uint64_t i)
{
    static const uint8_t info[20] = {0x00, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
                                     0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    uint64_t left = length - i;
    if (left <= RAY_CRYPTO_DIGEST_BYTES)
        return digest[RAY_CRYPTO_DIGEST_BYTES - left];
    if (left <= RAY_CRYPTO_DIGEST_BYTES + sizeof info)
        return info[RAY_CRYPTO_DIGEST_BYTES + sizeof info - left];
    return i == 0 ? 0x00 : i == 1 ? 0x01 : 0xff;
}

/* BearSSL's key structs are not const, though it writes nothing through them. */
static unsigned char *lent(ray_view number)
{
    return (unsigned char *)(uintptr_t)number.at;
}

uint32_t ray_crypto_rs256_verify(const ray_rsa_key *key, ray_view text, ray_view signature)
{
    uint8_t value[RAY_CRYPTO_RSA_BYTES_MAX], digest[RAY_CRYPTO_DIGEST_BYTES], differ = 0;
    uint64_t length = key->modulus.length;
    if (public_sound(key) == 0 || signature.length != length)
        return 0;
    const br_rsa_public_key public = {lent(key->modulus), length, lent(key->exponent),
                                      key->exponent.length};
    memcpy(value, signature.at, length);
    if (br_rsa_i62_public(value, length, &public) == 0)
        return 0; /* not below the modulus */
    ray_crypto_sha256(text, digest);
    for (uint64_t i = 0; i < length; i++)
        differ |= value[i] ^ encoded(digest, length, i);
    return differ == 0;
}

/* Bits of a number; BearSSL wants the modulus's. */
static uint32_t bits_of(ray_view number)
{
    uint32_t bits = (uint32_t)number.length * 8;
    for (uint32_t first = number.at[0]; first < 0x80; first <<= 1)
        bits--;
    return bits;
}

uint32_t ray_crypto_rs256_sign(const ray_rsa_key *key, ray_view text, uint8_t signature[512])
{
    const ray_view part[5] = {key->p, key->q, key->dp, key->dq, key->iq};
    uint8_t value[RAY_CRYPTO_RSA_BYTES_MAX], digest[RAY_CRYPTO_DIGEST_BYTES];
    uint64_t length = key->modulus.length;
    if (public_sound(key) == 0)
        return 0;
    for (uint32_t i = 0; i < 5; i++) /* of a factor's size, or BearSSL's buffers are not theirs */
        if (part[i].length == 0 || part[i].length > length / 2 + 1)
            return 0;
    const br_rsa_private_key private = {
        bits_of(key->modulus), lent(key->p), key->p.length, lent(key->q), key->q.length,
        lent(key->dp), key->dp.length, lent(key->dq), key->dq.length,
        lent(key->iq), key->iq.length};
    ray_crypto_sha256(text, digest);
    for (uint64_t i = 0; i < length; i++)
        value[i] = encoded(digest, length, i);
    uint32_t good = br_rsa_i62_private(value, &private);
    good &= ray_crypto_rs256_verify(key, text, (ray_view){value, length});
    if (good != 0)
        memcpy(signature, value, length);
    ray_crypto_forget(value, sizeof value);
    return good != 0 ? (uint32_t)length : 0;
}

/* -- ES256 -- */
/* 1 when the number is from 1 to n - 1; in constant time, for it may be the private one. */
static uint32_t below_order(const uint8_t number[32])
{
    uint32_t borrow = 0, any = 0;
    for (uint32_t i = 32; i-- > 0;) {
        borrow = (((uint32_t)number[i] - P256_ORDER[i] - borrow) >> 8) & 1;
        any |= number[i];
    }
    return borrow & ((0U - any) >> 31);
}

uint32_t ray_crypto_es256_verify(const uint8_t point[65], ray_view text, ray_view signature)
{
    uint8_t digest[RAY_CRYPTO_DIGEST_BYTES];
    const br_ec_public_key key = {BR_EC_secp256r1, (unsigned char *)(uintptr_t)point,
                                  RAY_CRYPTO_P256_POINT_BYTES};
    if (point[0] != 4 || signature.length != RAY_CRYPTO_P256_SIGNATURE_BYTES)
        return 0;
    if ((below_order(signature.at) & below_order(signature.at + 32)) == 0)
        return 0; /* CVE-2022-21449: zeros are a signature of nothing */
    ray_crypto_sha256(text, digest);
    return br_ecdsa_i31_vrfy_raw(&br_ec_p256_m31, digest, sizeof digest, &key, signature.at,
                                 signature.length);
}

uint32_t ray_crypto_es256_sign(const uint8_t number[32], ray_view text, uint8_t signature[64])
{
    uint8_t digest[RAY_CRYPTO_DIGEST_BYTES];
    const br_ec_private_key key = {BR_EC_secp256r1, (unsigned char *)(uintptr_t)number,
                                   RAY_CRYPTO_P256_BYTES};
    if (below_order(number) == 0)
        return 0;
    ray_crypto_sha256(text, digest);
    return br_ecdsa_i31_sign_raw(&br_ec_p256_m31, &br_sha256_vtable, digest, &key, signature) ==
           RAY_CRYPTO_P256_SIGNATURE_BYTES;
}

uint32_t ray_crypto_es256_point(const uint8_t number[32], uint8_t point[65])
{
    return below_order(number) != 0 &&
           br_ec_p256_m31.mulgen(point, number, RAY_CRYPTO_P256_BYTES, BR_EC_secp256r1) ==
               RAY_CRYPTO_P256_POINT_BYTES;
}

/* -- randomness: NIST SP 800-90A 10.1.2, SHA-256 -- */
static void stir(ray_drbg *random, ray_view with)
{
    for (uint8_t round = 0; round < 2 && (round == 0 || with.length != 0); round++) {
        const ray_view all[3] = {{random->v, sizeof random->v}, {&round, 1}, with};
        hmac((ray_view){random->k, sizeof random->k}, all, 3, random->k);
        hmac((ray_view){random->k, sizeof random->k}, all, 1, random->v);
    }
}

ray_status ray_crypto_random_seed(ray_drbg *random, ray_view seed)
{
    if (random->seeded == 0) {
        if (seed.length < RAY_CRYPTO_SEED_BYTES_MIN)
            return RAY_E_RANGE;
        memset(random->k, 0, sizeof random->k);
        memset(random->v, 1, sizeof random->v);
    }
    stir(random, seed);
    random->seeded = 1;
    return RAY_OK;
}

ray_status ray_crypto_random(ray_drbg *random, uint8_t *to, uint64_t length)
{
    if (random->seeded == 0)
        return RAY_E_STATE;
    while (length > 0) {
        const ray_view v = {random->v, sizeof random->v};
        uint64_t part = length < sizeof random->v ? length : sizeof random->v;
        hmac((ray_view){random->k, sizeof random->k}, &v, 1, random->v);
        memcpy(to, random->v, part);
        to += part;
        length -= part;
    }
    stir(random, (ray_view){random->v, 0}); /* who sees the state later learns nothing of before */
    return RAY_OK;
}
