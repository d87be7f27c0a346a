/* SPDX-License-Identifier: MIT */
/* jwt.c - RFC 7519 with RFC 8725's advice: the key says the algorithm, nothing of a token is
 * believed before its tag, and every claim has its type. */
#include "claims.h"
#include "sign.h"
#include "base/eight.h"

#define SECONDS_MAX 9000000000ULL /* so that nanoseconds fit */

/* -- the head -- */
typedef struct three_parts {
    ray_view head;
    ray_view body;
    ray_view tag;
    ray_view signed_part;
} three_parts;

static uint32_t split(ray_view token, three_parts *out)
{
    uint64_t dot[2] = {0, 0};
    uint32_t dots = 0;
    for (uint64_t i = 0; i < token.length; i++) {
        while (token.length - i >= 8 && ray_between_8(ray_load_8(token.at + i), '.', '.') == 0)
            i += 8;
        if (i == token.length || token.at[i] != '.')
            continue;
        if (dots == 2)
            return 0; /* five parts are encrypted: a wrapping says nothing about who wrote it */
        dot[dots++] = i;
    }
    if (dots != 2)
        return 0;
    out->head = (ray_view){token.at, dot[0]};
    out->body = (ray_view){token.at + dot[0] + 1, dot[1] - dot[0] - 1};
    out->tag = (ray_view){token.at + dot[1] + 1, token.length - dot[1] - 1};
    out->signed_part = (ray_view){token.at, dot[1]};
    return 1;
}

static uint32_t alg_of(const ray_claims *head)
{
    uint8_t word[8];
    uint32_t length = ray_claims_text(head, ray_claims_find(head, "alg", 3), word, sizeof word);
    for (uint32_t alg = RAY_JWT_HS256; alg <= RAY_JWT_ES256; alg++)
        if (length == 5 && ray_same(word, ray_jwt_alg_word(alg), 5) != 0)
            return alg;
    return 0;
}

/* A key a token brings along is nobody's (CVE-2018-0114). */
static uint32_t brings_key(const ray_claims *head)
{
    return ray_claims_find(head, "jwk", 3) != 0 || ray_claims_find(head, "jku", 3) != 0 ||
           ray_claims_find(head, "x5u", 3) != 0 || ray_claims_find(head, "x5c", 3) != 0;
}

/* The one key of this kid and algorithm; a kid that is there twice the compiler has refused. */
static uint32_t choose(const ray_auth *auth, const ray_auth_moment *at, const ray_claims *head,
                       uint32_t *place)
{
    uint8_t kid[RAY_AUTH_KID_BYTES];
    const ray_claim *claim = ray_claims_find(head, "kid", 3);
    uint32_t alg = alg_of(head), length = 0, known = 0;
    if (claim != 0)
        length = ray_claims_text(head, claim, kid, sizeof kid);
    if (alg == 0)
        return RAY_REASON_AUTH_ALGORITHM;
    if (length == RAY_NONE || brings_key(head) != 0)
        return RAY_REASON_AUTH_KEY_UNKNOWN;
    for (uint32_t i = 0; i < auth->config.key_count; i++) {
        const ray_jwt_key_spec *key = &auth->config.key[i];
        if (key->kid_length != length || ray_same(key->kid, kid, length) == 0)
            continue;
        known = 1;
        if (key->alg != alg)
            continue;
        *place = i;
        return at->unix_ns >= key->not_before_ns &&
                       (key->not_after_ns == 0 || at->unix_ns < key->not_after_ns) &&
                       ray_secrets_key(at->secrets, i) != 0
                   ? RAY_REASON_OK : RAY_REASON_AUTH_KEY_UNKNOWN;
    }
    return known != 0 ? RAY_REASON_AUTH_ALGORITHM : RAY_REASON_AUTH_KEY_UNKNOWN;
}

/* No extension is known here (RFC 7515 4.1.11, RFC 7797), and nothing wrapped or packed is read. */
static uint32_t extends(const ray_claims *head)
{
    return ray_claims_find(head, "crit", 4) != 0 || ray_claims_find(head, "b64", 3) != 0 ||
           ray_claims_find(head, "enc", 3) != 0 || ray_claims_find(head, "zip", 3) != 0;
}

/* In a frame of its own: a head is read and gone before the body is. */
static __attribute__((noinline)) uint32_t read_head(const ray_auth *auth,
                                                    const ray_auth_moment *at, ray_view text,
                                                    uint32_t *place)
{
    ray_claims head;
    if (ray_claims_read(text, at->secrets->scratch, &head) == 0 || extends(&head) != 0)
        return RAY_REASON_AUTH_TOKEN_BAD;
    return choose(auth, at, &head, place);
}

static __attribute__((noinline)) uint32_t check_tag(const ray_auth *auth,
                                                    const ray_auth_moment *at,
                                                    const three_parts *parts, uint32_t place)
{
    uint8_t tag[RAY_JWT_TAG_MAX];
    uint32_t length = ray_crypto_base64url_read(parts->tag, tag, sizeof tag);
    if (length == RAY_NONE)
        return RAY_REASON_AUTH_TOKEN_BAD;
    return ray_jwt_tag_good(auth->config.key[place].alg, ray_secrets_key(at->secrets, place),
                            parts->signed_part, (ray_view){tag, length}) != 0
               ? RAY_REASON_OK : RAY_REASON_AUTH_SIGNATURE;
}

/* -- the body -- */
/* Seconds as a claim says them; 1 when it is absent or a number, *seconds 0 when absent. */
static uint32_t seconds_of(const ray_claims *body, const char *name, uint64_t *seconds)
{
    const ray_claim *claim = ray_claims_find(body, name, 3);
    *seconds = 0;
    return claim == 0 || (ray_claims_number(body, claim, seconds) != 0 && *seconds < SECONDS_MAX);
}

static uint32_t read_times(const ray_jwt_spec *jwt, const ray_claims *body, int64_t unix_ns,
                           ray_auth_claims *out)
{
    uint64_t exp, nbf, iat;
    int64_t leeway_ns = (int64_t)jwt->leeway_ns;
    if (seconds_of(body, "exp", &exp) == 0 || seconds_of(body, "nbf", &nbf) == 0 ||
        seconds_of(body, "iat", &iat) == 0 || ray_claims_find(body, "exp", 3) == 0)
        return RAY_REASON_AUTH_CLAIM_BAD;
    int64_t exp_ns = (int64_t)exp * RAY_AUTH_NS_PER_S;
    out->issued_ns = (int64_t)iat * RAY_AUTH_NS_PER_S;
    out->expires_ns = exp_ns + leeway_ns;
    out->not_before_ns = nbf != 0 ? (int64_t)nbf * RAY_AUTH_NS_PER_S - leeway_ns : 0;
    int64_t from_ns = iat != 0 ? out->issued_ns : unix_ns;
    if (jwt->lifetime_max_ns != 0 && exp_ns > from_ns &&
        (uint64_t)(exp_ns - from_ns) > jwt->lifetime_max_ns)
        return RAY_REASON_AUTH_LIFETIME;
    return RAY_REASON_OK;
}

static uint32_t read_who(const ray_auth *auth, const ray_jwt_spec *jwt, const ray_claims *body,
                         ray_auth_claims *out)
{
    uint8_t word[RAY_NAME_BYTES];
    const ray_claim *claim = ray_claims_find(body, jwt->claim_user.at,
                                             ray_name_length(&jwt->claim_user));
    uint32_t length = ray_claims_text(body, claim, out->user, sizeof out->user);
    if (length == RAY_NONE || length == 0 || ray_auth_plain(out->user, length) == 0)
        return RAY_REASON_AUTH_CLAIM_BAD;
    out->user_length = (uint8_t)length;
    out->tenant = jwt->tenant;
    out->role = jwt->role;
    claim = ray_claims_find(body, jwt->claim_role.at, ray_name_length(&jwt->claim_role));
    if (jwt->claim_role.at[0] != 0 && claim != 0) {
        length = ray_claims_text(body, claim, word, sizeof word);
        if (length == RAY_NONE)
            return RAY_REASON_AUTH_CLAIM_BAD;
        uint32_t role = ray_role_of((const char *)word, length);
        out->role = role != RAY_NONE ? (uint8_t)role : RAY_ROLE_NONE; /* another's word */
    }
    claim = ray_claims_find(body, jwt->claim_tenant.at, ray_name_length(&jwt->claim_tenant));
    if (jwt->claim_tenant.at[0] != 0 && claim != 0) {
        length = ray_claims_text(body, claim, word, sizeof word);
        if (length == RAY_NONE)
            return RAY_REASON_AUTH_CLAIM_BAD;
        out->tenant = ray_auth_find_tenant(auth, (ray_view){word, length});
        if (out->tenant == RAY_NONE)
            return RAY_REASON_AUTH_TENANT;
    }
    return RAY_REASON_OK;
}

static uint32_t read_rest(const ray_jwt_spec *jwt, const ray_claims *body, ray_auth_claims *out)
{
    uint8_t jti[RAY_AUTH_TEXT_BYTES];
    uint64_t most = 0;
    const ray_claim *claim = ray_claims_find(body, "jti", 3);
    if (jwt->issuer_length != 0 &&
        ray_claims_holds(body, ray_claims_find(body, "iss", 3), jwt->issuer,
                         jwt->issuer_length) == 0)
        return RAY_REASON_AUTH_ISSUER;
    if (jwt->audience_length != 0 &&
        ray_claims_holds(body, ray_claims_find(body, "aud", 3), jwt->audience,
                         jwt->audience_length) == 0)
        return RAY_REASON_AUTH_AUDIENCE;
    if (claim != 0) {
        uint32_t length = ray_claims_text(body, claim, jti, sizeof jti);
        if (length == RAY_NONE || length == 0)
            return RAY_REASON_AUTH_CLAIM_BAD;
        ray_auth_token_id((ray_view){jti, length}, out->token);
        out->tokened = 1;
    }
    claim = jwt->signs != 0 ? ray_claims_find(body, "perm", 4) : 0;
    if (claim != 0 && (ray_claims_number(body, claim, &most) == 0 || most > RAY_PERMISSION_ALL))
        return RAY_REASON_AUTH_CLAIM_BAD;
    out->limited = (uint8_t)most;
    return RAY_REASON_OK;
}

static __attribute__((noinline)) uint32_t read_body(const ray_auth *auth,
                                                    const ray_auth_moment *at, ray_view text,
                                                    uint32_t place, ray_auth_claims *out)
{
    const ray_jwt_spec *jwt = &auth->config.jwt[auth->config.key[place].jwt];
    ray_claims body;
    if (ray_claims_read(text, at->secrets->scratch, &body) == 0)
        return RAY_REASON_AUTH_TOKEN_BAD;
    uint32_t reason = read_times(jwt, &body, at->unix_ns, out);
    if (reason == RAY_REASON_OK)
        reason = read_rest(jwt, &body, out);
    if (reason == RAY_REASON_OK)
        reason = read_who(auth, jwt, &body, out);
    out->key = place;
    out->issuer = auth->config.issuer[auth->config.key[place].jwt];
    return reason;
}

uint32_t ray_jwt_open(const ray_auth *auth, const ray_auth_moment *at, ray_view token,
                      ray_auth_claims *out)
{
    three_parts parts;
    uint32_t place = 0;
    if (token.length > RAY_AUTH_TOKEN_BYTES_MAX || split(token, &parts) == 0)
        return RAY_REASON_AUTH_TOKEN_BAD;
    uint32_t reason = read_head(auth, at, parts.head, &place);
    if (reason == RAY_REASON_OK)
        reason = check_tag(auth, at, &parts, place);
    return reason == RAY_REASON_OK ? read_body(auth, at, parts.body, place, out) : reason;
}
