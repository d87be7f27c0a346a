/* SPDX-License-Identifier: MIT */
/* jws.c - a token is taken apart, its header judged, its signature verified by a key that was
 * chosen elsewhere; only then are its claims worth reading (jws_claims.c). */
#include "jws.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"

/* -- the parts -- */
static uint32_t split(ray_view token, ray_view part[3])
{
    uint64_t begin = 0, count = 0;
    for (uint64_t i = 0; i <= token.length; i++) {
        if (i < token.length && token.at[i] != '.')
            continue;
        if (count == 3 || i == begin)
            return 0; /* five parts are encrypted, and say nothing about who wrote them */
        part[count++] = (ray_view){token.at + begin, i - begin};
        begin = i + 1;
    }
    return count == 3;
}

/* Whether a part is sound without room for what it says: the same strictness, a piece at a time. */
static uint32_t sound(ray_view part)
{
    uint8_t piece[96];
    for (uint64_t i = 0; i < part.length; i += 128) {
        uint64_t length = part.length - i < 128 ? part.length - i : 128;
        if (ray_crypto_base64url_read((ray_view){part.at + i, length}, piece, sizeof piece) ==
            RAY_NONE)
            return 0;
    }
    return 1;
}

/* -- the header -- */
static uint32_t alg_of(const ray_json_item *item)
{
    return ray_json_is(item, "HS256", 5) != 0   ? RAY_JWS_HS256
           : ray_json_is(item, "RS256", 5) != 0 ? RAY_JWS_RS256
           : ray_json_is(item, "ES256", 5) != 0 ? RAY_JWS_ES256
                                                : 0U;
}

/* What a member's name alone decides. A key a token brings along is nobody's (CVE-2018-0114). */
static uint32_t refused(const ray_json_item *name)
{
    if (ray_json_is(name, "crit", 4) != 0 || ray_json_is(name, "b64", 3) != 0)
        return RAY_JWS_CRITICAL;
    if (ray_json_is(name, "jwk", 3) != 0 || ray_json_is(name, "jku", 3) != 0 ||
        ray_json_is(name, "x5u", 3) != 0 || ray_json_is(name, "x5c", 3) != 0)
        return RAY_JWS_EMBEDDED;
    return ray_json_is(name, "enc", 3) != 0 || ray_json_is(name, "zip", 3) != 0 ? RAY_JWS_PARTS
                                                                                : RAY_JWS_GOOD;
}

static uint32_t kid_of(const ray_json_item *item, ray_jws *out)
{
    uint64_t length = 0;
    if (item->kind != RAY_JSON_STRING)
        return RAY_JWS_HEADER;
    if (ray_json_decode(item, out->kid, sizeof out->kid, &length) == 0 || length == 0)
        return RAY_JWS_KEY;
    out->kid_length = (uint32_t)length;
    return RAY_JWS_GOOD;
}

static __attribute__((noinline)) uint32_t read_head(ray_view head, ray_jws *out)
{
    ray_json_member members[RAY_JWS_MEMBER_MAX];
    ray_json json;
    ray_json_item item;
    uint32_t is_alg, is_kid, found = RAY_JWS_GOOD;
    ray_json_init(&json, head, members, RAY_JWS_MEMBER_MAX);
    if (ray_json_next(&json, &item) != RAY_JSON_OBJECT)
        return RAY_JWS_HEADER;
    while (ray_json_next(&json, &item) == RAY_JSON_NAME) {
        uint32_t said = refused(&item);
        is_alg = ray_json_is(&item, "alg", 3);
        is_kid = ray_json_is(&item, "kid", 3);
        ray_json_next(&json, &item);
        if (is_alg != 0 && item.kind == RAY_JSON_STRING)
            out->alg = alg_of(&item);
        if (is_kid != 0)
            said = kid_of(&item, out);
        if (ray_json_skip(&json, &item) == 0)
            return RAY_JWS_HEADER;
        found = found == RAY_JWS_GOOD ? said : found;
    }
    /* Of several faults the text's own comes first: what does not parse says nothing. */
    if (item.kind != RAY_JSON_OBJECT_END || ray_json_next(&json, &item) != RAY_JSON_END)
        return RAY_JWS_HEADER;
    return found == RAY_JWS_GOOD && out->alg == 0 ? (uint32_t)RAY_JWS_ALGORITHM : found;
}

uint32_t ray_jws_open(ray_view token, ray_jws *out)
{
    uint8_t head[RAY_JWS_HEAD_BYTES_MAX];
    ray_view part[3] = {{0, 0}, {0, 0}, {0, 0}};
    if (token.length == 0 || token.length > RAY_JWS_BYTES_MAX)
        return RAY_JWS_LENGTH;
    if (split(token, part) == 0)
        return RAY_JWS_PARTS;
    if (sound(part[0]) == 0 || sound(part[1]) == 0 || sound(part[2]) == 0)
        return RAY_JWS_ENCODING;
    uint32_t length = ray_crypto_base64url_read(part[0], head, sizeof head);
    if (length == RAY_NONE)
        return RAY_JWS_HEADER; /* longer than any of ours */
    memset(out, 0, sizeof *out);
    out->signed_text = (ray_view){token.at, part[0].length + 1 + part[1].length};
    out->payload = part[1];
    out->signature = part[2];
    return read_head((ray_view){head, length}, out);
}

/* -- the signature -- */
uint32_t ray_jws_verify(const ray_jws *token, const ray_jws_key *key)
{
    uint8_t held[RAY_CRYPTO_SIGNATURE_BYTES_MAX];
    uint32_t good = 0;
    if (token->alg != key->alg)
        return RAY_JWS_ALGORITHM;
    if (token->kid_length != key->kid.length ||
        ray_same(token->kid, key->kid.at, key->kid.length) == 0)
        return RAY_JWS_KEY;
    ray_view signature = {held, ray_crypto_base64url_read(token->signature, held, sizeof held)};
    if (signature.length == RAY_NONE)
        return RAY_JWS_SIGNATURE;
    if (key->alg == RAY_JWS_HS256 && key->secret.length != 0)
        good = ray_crypto_hmac_sha256_verify(key->secret, token->signed_text, signature);
    else if (key->alg == RAY_JWS_RS256)
        good = ray_crypto_rs256_verify(&key->rsa, token->signed_text, signature);
    else if (key->alg == RAY_JWS_ES256 && key->point.length == RAY_CRYPTO_P256_POINT_BYTES)
        good = ray_crypto_es256_verify(key->point.at, token->signed_text, signature);
    return good != 0 ? RAY_JWS_GOOD : RAY_JWS_SIGNATURE;
}

uint32_t ray_jws_payload(const ray_jws *token, uint8_t *to, uint64_t room)
{
    return ray_crypto_base64url_read(token->payload, to, room);
}

/* -- signing -- */
static uint32_t plain(ray_view kid)
{
    for (uint64_t i = 0; i < kid.length; i++)
        if (kid.at[i] < 0x20 || kid.at[i] > 0x7e || kid.at[i] == '"' || kid.at[i] == '\\')
            return 0;
    return kid.length <= RAY_JWS_KID_BYTES_MAX;
}

/* {"alg":"...","kid":"..."}; its length. */
static uint64_t head_of(const ray_jws_key *key, uint8_t to[128])
{
    static const char begin[] = "{\"alg\":\"HS256\"";
    uint64_t length = sizeof begin - 1;
    memcpy(to, begin, length);
    to[8] = key->alg == RAY_JWS_HS256 ? 'H' : key->alg == RAY_JWS_RS256 ? 'R' : 'E';
    if (key->kid.length != 0) {
        memcpy(to + length, ",\"kid\":\"", 8);
        memcpy(to + length + 8, key->kid.at, key->kid.length);
        length += 8 + key->kid.length;
        to[length++] = '"';
    }
    to[length++] = '}';
    return length;
}

static uint32_t signature_of(const ray_jws_key *key, ray_view text, uint8_t to[512])
{
    if (key->alg == RAY_JWS_RS256)
        return ray_crypto_rs256_sign(&key->rsa, text, to);
    if (key->alg == RAY_JWS_ES256)
        return key->secret.length == RAY_CRYPTO_P256_BYTES &&
                       ray_crypto_es256_sign(key->secret.at, text, to) != 0
                   ? RAY_CRYPTO_P256_SIGNATURE_BYTES : 0U;
    if (key->alg != RAY_JWS_HS256 || key->secret.length == 0)
        return 0;
    ray_crypto_hmac_sha256(key->secret, text, to);
    return RAY_CRYPTO_DIGEST_BYTES;
}

uint32_t ray_jws_sign(const ray_jws_key *key, ray_view payload, uint8_t *to, uint64_t room)
{
    uint8_t head[128], signature[RAY_CRYPTO_SIGNATURE_BYTES_MAX];
    uint64_t most = room < RAY_JWS_BYTES_MAX ? room : RAY_JWS_BYTES_MAX, length = 0;
    if (plain(key->kid) == 0 || payload.length == 0)
        return RAY_NONE;
    ray_view part[3] = {{head, head_of(key, head)}, payload, {signature, 0}};
    for (uint32_t i = 0; i < 3; i++) {
        if (i == 2) {
            part[2].length = signature_of(key, (ray_view){to, length}, signature);
            if (part[2].length == 0)
                return RAY_NONE;
        }
        if (i != 0 && length == most)
            return RAY_NONE;
        if (i != 0)
            to[length++] = '.';
        uint32_t put = ray_crypto_base64url_write(part[i], to + length, most - length);
        if (put == RAY_NONE)
            return RAY_NONE;
        length += put;
    }
    return (uint32_t)length;
}
