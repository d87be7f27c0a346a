/* SPDX-License-Identifier: MIT */
/* issue.c - writing a token: what its own reader would accept, and nothing else. */
#include "sign.h"

enum { BODY_BYTES = 768, HEAD_BYTES = 160 };

/* The newest key of the issuer that is active and can sign. */
static uint32_t newest(const ray_auth *auth, const ray_auth_moment *at, uint32_t jwt)
{
    uint32_t best = RAY_NONE;
    for (uint32_t i = 0; i < auth->config.key_count; i++) {
        const ray_jwt_key_spec *key = &auth->config.key[i];
        if (key->jwt != jwt || key->private_known == 0 || at->unix_ns < key->not_before_ns ||
            (key->not_after_ns != 0 && at->unix_ns >= key->not_after_ns) ||
            ray_secrets_key(at->secrets, i) == 0)
            continue;
        if (best == RAY_NONE || key->not_before_ns >= auth->config.key[best].not_before_ns)
            best = i;
    }
    return best;
}

static void put_text(ray_text *out, const char *name, const uint8_t *at, uint64_t length)
{
    if (length == 0)
        return;
    ray_text_char(out, out->at[out->length - 1] == '{' ? '"' : ',');
    if (out->at[out->length - 1] == ',')
        ray_text_char(out, '"');
    ray_text_put(out, name);
    ray_text_put(out, "\":\"");
    ray_text_bytes(out, (const char *)at, length);
    ray_text_char(out, '"');
}

static void put_number(ray_text *out, const char *name, uint64_t value)
{
    ray_text_put(out, ",\"");
    ray_text_put(out, name);
    ray_text_put(out, "\":");
    ray_text_u64(out, value);
}

static __attribute__((noinline)) void put_head(const ray_jwt_key_spec *key, ray_text *out)
{
    char bytes[HEAD_BYTES];
    ray_text head;
    ray_text_init(&head, bytes, sizeof bytes);
    ray_text_put(&head, "{");
    put_text(&head, "alg", (const uint8_t *)ray_jwt_alg_word(key->alg), 5);
    put_text(&head, "typ", (const uint8_t *)"JWT", 3);
    put_text(&head, "kid", key->kid, key->kid_length);
    ray_text_put(&head, "}");
    ray_base64url_put(out, (const uint8_t *)bytes, head.length);
    ray_text_char(out, '.');
}

static __attribute__((noinline)) void put_body(const ray_auth *auth, const ray_jwt_spec *jwt,
                                               const ray_token *token, ray_text *out)
{
    char bytes[BODY_BYTES], jti[33];
    const char *role = ray_role_word(token->role);
    ray_text body, id;
    ray_text_init(&id, jti, sizeof jti);
    ray_text_hex_bytes(&id, token->id, sizeof token->id);
    ray_text_init(&body, bytes, sizeof bytes);
    ray_text_put(&body, "{");
    put_text(&body, jwt->claim_user.at, token->user, token->user_length);
    put_text(&body, "iss", jwt->issuer, jwt->issuer_length);
    put_text(&body, "aud", jwt->audience, jwt->audience_length);
    put_text(&body, "jti", (const uint8_t *)jti, 32);
    if (jwt->claim_role.at[0] != 0)
        put_text(&body, jwt->claim_role.at, (const uint8_t *)role, ray_length_of(role));
    if (jwt->claim_tenant.at[0] != 0 && token->tenant != RAY_NONE) {
        const ray_name *tenant = &auth->config.tenant[token->tenant];
        put_text(&body, jwt->claim_tenant.at, (const uint8_t *)tenant->at,
                 ray_name_length(tenant));
    }
    put_number(&body, "iat", (uint64_t)(token->issued_ns / RAY_AUTH_NS_PER_S));
    put_number(&body, "exp", (uint64_t)(token->expires_ns / RAY_AUTH_NS_PER_S));
    if (token->permissions != 0)
        put_number(&body, "perm", token->permissions);
    ray_text_put(&body, "}");
    ray_base64url_put(out, (const uint8_t *)bytes, body.length);
    out->truncated |= body.truncated;
}

static __attribute__((noinline)) uint32_t put_tag(const ray_auth_moment *at, uint32_t alg,
                                                  uint32_t key, ray_view signed_part, ray_text *out)
{
    uint8_t tag[RAY_JWT_TAG_MAX];
    uint32_t length = ray_jwt_tag_make(alg, ray_secrets_key(at->secrets, key), signed_part, tag);
    ray_text_char(out, '.');
    ray_base64url_put(out, tag, length);
    return length != 0;
}

/* What the issuer's claims cannot say, a token of it cannot carry. */
static uint32_t can_say(const ray_jwt_spec *jwt, const ray_token *token)
{
    return (jwt->claim_role.at[0] != 0 || token->role == jwt->role) &&
           (token->tenant == jwt->tenant ||
            (jwt->claim_tenant.at[0] != 0 && token->tenant != RAY_NONE));
}

ray_status ray_jwt_sign(const ray_auth *auth, const ray_auth_moment *at, uint32_t jwt,
                        const ray_token *token, ray_text *out)
{
    const ray_jwt_spec *spec = &auth->config.jwt[jwt];
    uint32_t key = newest(auth, at, jwt);
    uint64_t from = out->length;
    if (can_say(spec, token) == 0)
        return RAY_E_ARGUMENT;
    if (key == RAY_NONE)
        return RAY_E_STATE;
    put_head(&auth->config.key[key], out);
    put_body(auth, spec, token, out);
    if (out->truncated != 0)
        return RAY_E_TRUNCATED;
    ray_view signed_part = {(const uint8_t *)out->at + from, out->length - from};
    if (put_tag(at, auth->config.key[key].alg, key, signed_part, out) == 0)
        return RAY_E_STATE;
    return out->length - from <= RAY_AUTH_TOKEN_BYTES_MAX ? RAY_OK : RAY_E_RANGE;
}
