/* SPDX-License-Identifier: MIT */
/* token.c - the table of tokens that were issued, rotated or revoked. A slot is free once its token
 * could not be good any more, and not before: giving up a revocation would revive a token. */
#include "parts.h"
#include "base/sha256.h"

/* -- ids -- */
/* Our own are 32 lower-case hexadecimal digits; of any other text the start of its SHA-256. */
void ray_auth_token_id(ray_view jti, uint8_t id[16])
{
    uint32_t bad = jti.length != 32;
    for (uint32_t i = 0; i < 32 && bad == 0; i++) {
        uint32_t value = ray_hex_value(jti.at[i]);
        bad = value > 15 || (jti.at[i] >= 'A' && jti.at[i] <= 'F');
        id[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : id[i / 2] | value);
    }
    if (bad == 0)
        return;
    ray_sha256 hash;
    uint8_t digest[32];
    ray_sha256_init(&hash);
    ray_sha256_add(&hash, jti.at, jti.length);
    ray_sha256_end(&hash, digest);
    memcpy(id, digest, 16);
}

uint32_t ray_auth_token_live(const ray_token *token, int64_t unix_ns)
{
    return token->state != RAY_TOKEN_FREE && token->expires_ns > unix_ns;
}

uint32_t ray_auth_token_slot(const ray_auth *auth, int64_t unix_ns)
{
    for (uint32_t place = 0; place < RAY_TOKEN_MAX; place++)
        if (ray_auth_token_live(&auth->book.token[place], unix_ns) == 0)
            return place;
    return RAY_NONE;
}

/* -- asking -- */
static uint32_t state_reason(const ray_auth *auth, const ray_auth_claims *claims)
{
    uint32_t place = claims->tokened != 0
                         ? ray_auth_find_token(auth, claims->issuer, claims->token)
                         : (uint32_t)RAY_NONE;
    if (place == RAY_NONE || auth->book.token[place].state == RAY_TOKEN_ISSUED)
        return RAY_REASON_OK;
    return auth->book.token[place].state == RAY_TOKEN_ROTATED ? RAY_REASON_AUTH_ROTATED
                                                              : RAY_REASON_AUTH_REVOKED;
}

/* Everything about a token that time can change; a hit of the cache is judged like a fresh one. */
static uint32_t moment_reason(const ray_auth *auth, const ray_auth_moment *at,
                              const ray_auth_claims *claims)
{
    if (claims->key >= auth->config.key_count)
        return RAY_REASON_AUTH_KEY_UNKNOWN;
    const ray_jwt_key_spec *key = &auth->config.key[claims->key];
    if (at->unix_ns < key->not_before_ns ||
        (key->not_after_ns != 0 && at->unix_ns >= key->not_after_ns))
        return RAY_REASON_AUTH_KEY_UNKNOWN;
    if (at->unix_ns >= claims->expires_ns)
        return RAY_REASON_AUTH_EXPIRED;
    if (at->unix_ns < claims->not_before_ns)
        return RAY_REASON_AUTH_NOT_YET;
    return state_reason(auth, claims);
}

static void take_claims(const ray_auth_claims *claims, ray_auth_answer *out)
{
    out->issuer = claims->issuer;
    out->expires_ns = claims->expires_ns;
    out->not_before_ns = claims->not_before_ns;
    out->key = claims->key;
    out->tenant = claims->tenant;
    out->role = claims->role;
    out->limited = claims->limited;
    out->tokened = claims->tokened;
    out->user_length = claims->user_length;
    memcpy(out->token, claims->token, sizeof out->token);
    memcpy(out->user, claims->user, sizeof out->user);
}

static void of_cache(const ray_verified *row, ray_auth_claims *claims)
{
    *claims = (ray_auth_claims){
        .issuer = row->issuer,
        .not_before_ns = row->not_before_ns,
        .expires_ns = row->expires_ns,
        .key = row->jwt_key,
        .tenant = row->tenant,
        .tokened = row->tokened,
        .role = row->role,
        .limited = row->limited,
        .user_length = row->user_length,
    };
    memcpy(claims->token, row->token, sizeof claims->token);
    memcpy(claims->user, row->user, sizeof claims->user);
}

uint32_t ray_auth_signed(const ray_auth *auth, const ray_auth_moment *at, ray_view token,
                         ray_auth_answer *out)
{
    ray_auth_claims claims;
    out->scheme = RAY_SCHEME_JWT;
    if (at->secrets == 0)
        return RAY_REASON_AUTH_KEY_UNKNOWN;
    if (ray_secrets_ready(at->secrets) != 0)
        ray_auth_cache_key(at->secrets, token, out->cache_key);
    const ray_verified *row = ray_auth_cache_find(auth, out->cache_key);
    if (row != 0 && (row->key[0] | row->key[1]) != 0) {
        of_cache(row, &claims);
        out->cached = 1;
    } else {
        memset(&claims, 0, sizeof claims);
        uint32_t reason = ray_jwt_open(auth, at, token, &claims);
        if (reason != RAY_REASON_OK)
            return reason;
    }
    take_claims(&claims, out);
    return moment_reason(auth, at, &claims);
}

/* -- the table -- */
static uint32_t signer(const ray_auth *auth, uint32_t jwt)
{
    if (jwt != RAY_NONE)
        return jwt < auth->config.jwt_count && auth->config.jwt[jwt].signs != 0 ? jwt
                                                                       : (uint32_t)RAY_NONE;
    for (uint32_t place = 0; place < auth->config.jwt_count; place++)
        if (auth->config.jwt[place].signs != 0)
            return place;
    return RAY_NONE;
}

static ray_status spec_check(const ray_auth *auth, const ray_token_spec *spec, int64_t unix_ns)
{
    uint64_t lifetime_ns = spec->lifetime_ns != 0 ? spec->lifetime_ns
                                                  : auth->config.spec.lifetime_ns;
    if (spec->user_length == 0 || spec->user_length > RAY_AUTH_USER_BYTES ||
        spec->role >= RAY_ROLE_MAX || spec->permissions > RAY_PERMISSION_ALL ||
        ray_is_zero(spec->reserved, sizeof spec->reserved) == 0 ||
        (spec->tenant != RAY_NONE && spec->tenant >= auth->config.tenant_count))
        return RAY_E_ARGUMENT;
    if (unix_ns < 0 || lifetime_ns < RAY_AUTH_NS_PER_S || lifetime_ns > INT64_MAX / 4 ||
        unix_ns > INT64_MAX / 2)
        return RAY_E_RANGE;
    return RAY_OK;
}

/* The text of a claim is JSON, so who it is about is printable ASCII without quotes. */
static uint32_t user_fits(const uint8_t *at, uint32_t length)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < length; i++)
        bad |= at[i] < 0x20 || at[i] > 0x7e || at[i] == '"' || at[i] == '\\';
    return bad == 0;
}

/* Whole seconds, as a token says them: the end rounds down, so it never lives longer than asked. */
static void begin_token(ray_token *token, const ray_token_spec *spec, int64_t unix_ns,
                        uint64_t lifetime_ns)
{
    memset(token, 0, sizeof *token);
    token->issued_ns = unix_ns / RAY_AUTH_NS_PER_S * RAY_AUTH_NS_PER_S;
    token->first_ns = token->issued_ns;
    token->expires_ns =
        (unix_ns + (int64_t)lifetime_ns) / RAY_AUTH_NS_PER_S * RAY_AUTH_NS_PER_S;
    token->tenant = spec->tenant;
    token->state = RAY_TOKEN_ISSUED;
    token->role = spec->role;
    token->permissions = spec->permissions;
    token->user_length = spec->user_length;
    memcpy(token->user, spec->user, sizeof token->user);
}

/* Signs and keeps; nothing has changed when it fails, but for randomness that is spent. */
static ray_status issue_into(ray_auth *auth, const ray_auth_moment *at, uint32_t jwt,
                             uint32_t place, ray_token *token, ray_text *out)
{
    uint64_t length = out->length;
    ray_status status = ray_jwt_sign(auth, at, jwt, token, out);
    if (status == RAY_OK && out->truncated != 0)
        status = RAY_E_TRUNCATED;
    if (status != RAY_OK) {
        out->length = length;
        return status;
    }
    ray_token *row = &auth->book.token[place];
    *row = *token;
    row->expires_ns += (int64_t)auth->config.jwt[jwt].leeway_ns; /* it is believed so long */
    ray_auth_index_tokens(auth);
    return RAY_OK;
}

ray_status ray_auth_issue(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                          struct ray_secrets *secrets, const ray_token_spec *spec, ray_text *out,
                          ray_token *token)
{
    ray_auth_moment at = {now_ns, ray_auth_unix(now_ns, wall_offset_ns), secrets, 0, 0};
    uint32_t jwt = signer(auth, spec->jwt);
    ray_status status = spec_check(auth, spec, at.unix_ns);
    if (status != RAY_OK)
        return status;
    if (user_fits(spec->user, spec->user_length) == 0)
        return RAY_E_ARGUMENT;
    if (jwt == RAY_NONE)
        return RAY_E_UNKNOWN;
    if (secrets == 0 || ray_secrets_ready(secrets) == 0)
        return RAY_E_STATE;
    uint64_t most_ns = auth->config.jwt[jwt].lifetime_max_ns;
    uint64_t lifetime_ns =
        spec->lifetime_ns != 0 ? spec->lifetime_ns : auth->config.spec.lifetime_ns;
    if (most_ns != 0 && lifetime_ns > most_ns)
        return RAY_E_RANGE;
    uint32_t place = ray_auth_token_slot(auth, at.unix_ns);
    if (place == RAY_NONE)
        return RAY_E_FULL;
    begin_token(token, spec, at.unix_ns, lifetime_ns);
    ray_secrets_random(secrets, token->id, sizeof token->id);
    memcpy(token->family, token->id, sizeof token->family);
    token->issuer = auth->config.issuer[jwt];
    status = issue_into(auth, &at, jwt, place, token, out);
    auth->tally.issued_count += status == RAY_OK;
    return status;
}

ray_status ray_auth_validate(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                             struct ray_secrets *secrets, uint32_t service, ray_view token,
                             ray_auth_answer *out)
{
    ray_auth_moment at = {now_ns, ray_auth_unix(now_ns, wall_offset_ns), secrets, 0, 0};
    if (service != RAY_NONE && (service & RAY_AUTH_SLOT_MASK) >= RAY_SERVICE_MAX)
        return RAY_E_UNKNOWN;
    memset(out, 0, sizeof *out);
    out->credential = out->tenant = out->key = RAY_NONE;
    out->reason = (uint16_t)ray_auth_bearer(auth, &at, token, out);
    out->granted = out->known = out->reason == RAY_REASON_OK;
    ray_auth_settle(auth, service, out);
    return RAY_OK;
}

/* -- refresh -- */
static void revoke_family(ray_auth *auth, const ray_token *token)
{
    for (uint32_t place = 0; place < RAY_TOKEN_MAX; place++) {
        ray_token *row = &auth->book.token[place];
        if (row->state != RAY_TOKEN_FREE && row->issuer == token->issuer &&
            ray_same(row->family, token->family, sizeof row->family) != 0)
            row->state = RAY_TOKEN_REVOKED;
    }
    auth->tally.reused_count++;
}

static uint32_t issuer_place(const ray_auth *auth, uint64_t issuer)
{
    for (uint32_t place = 0; place < auth->config.jwt_count; place++)
        if (auth->config.issuer[place] == issuer)
            return place;
    return RAY_NONE;
}

/* The row of a token of ours that is live; else *reason says why not. */
static uint32_t row_of(ray_auth *auth, const ray_auth_moment *at, ray_view token, uint32_t *reason)
{
    ray_auth_answer answer;
    memset(&answer, 0, sizeof answer);
    *reason = token.length <= RAY_AUTH_TOKEN_BYTES_MAX ? ray_auth_signed(auth, at, token, &answer)
                                                       : RAY_REASON_AUTH_MALFORMED;
    uint32_t place = answer.tokened != 0 ? ray_auth_find_token(auth, answer.issuer, answer.token)
                                         : (uint32_t)RAY_NONE;
    if (*reason == RAY_REASON_AUTH_ROTATED && place != RAY_NONE)
        revoke_family(auth, &auth->book.token[place]);
    if (*reason == RAY_REASON_OK && place == RAY_NONE)
        *reason = RAY_REASON_AUTH_UNKNOWN; /* not one we issued: nothing to go on from */
    return *reason == RAY_REASON_OK ? place : (uint32_t)RAY_NONE;
}

static ray_status refresh(ray_auth *auth, const ray_auth_moment *at, ray_view token, ray_text *out,
                          ray_token *fresh, uint32_t *reason)
{
    struct ray_secrets *secrets = at->secrets;
    if (secrets == 0 || ray_secrets_ready(secrets) == 0 || auth->config.jwt_count == 0)
        return RAY_E_STATE;
    uint32_t place = row_of(auth, at, token, reason);
    if (place == RAY_NONE)
        return RAY_E_STATE;
    const ray_token *old = &auth->book.token[place];
    uint32_t jwt = issuer_place(auth, old->issuer);
    int64_t end_ns = old->first_ns + (int64_t)auth->config.spec.family_ns;
    int64_t lifetime_ns =
        old->expires_ns - old->issued_ns - (int64_t)auth->config.jwt[jwt].leeway_ns;
    if (lifetime_ns > end_ns - at->unix_ns)
        lifetime_ns = end_ns - at->unix_ns;
    if (lifetime_ns < RAY_AUTH_NS_PER_S) {
        *reason = RAY_REASON_AUTH_LIFETIME;
        return RAY_E_STATE;
    }
    uint32_t to = ray_auth_token_slot(auth, at->unix_ns);
    if (to == RAY_NONE)
        return RAY_E_FULL;
    ray_token_spec spec = {.tenant = old->tenant, .role = old->role,
                           .permissions = old->permissions, .user_length = old->user_length};
    memcpy(spec.user, old->user, sizeof spec.user);
    begin_token(fresh, &spec, at->unix_ns, (uint64_t)lifetime_ns);
    ray_secrets_random(secrets, fresh->id, sizeof fresh->id);
    memcpy(fresh->family, old->family, sizeof fresh->family);
    fresh->first_ns = old->first_ns;
    fresh->issuer = old->issuer;
    ray_status status = issue_into(auth, at, jwt, to, fresh, out);
    if (status != RAY_OK)
        return status;
    auth->book.token[place].state = RAY_TOKEN_ROTATED;
    auth->tally.refreshed_count++;
    return RAY_OK;
}

ray_status ray_auth_refresh(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                            struct ray_secrets *secrets, ray_view token, ray_text *out,
                            ray_token *fresh, uint32_t *reason)
{
    ray_auth_moment at = {now_ns, ray_auth_unix(now_ns, wall_offset_ns), secrets, 0, 0};
    ray_status status = refresh(auth, &at, token, out, fresh, reason);
    auth->tally.error_count += status != RAY_OK;
    return status;
}
