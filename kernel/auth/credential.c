/* SPDX-License-Identifier: MIT */
/* credential.c - API keys, Basic and opaque bearers: one SHA-256 and two constant-time compares,
 * whether the id is known or not, so that neither answer nor time tells which ids exist. */
#include "parts.h"
#include "base/crypto.h"
#include "base/eight.h"

enum { SECRET_BYTES_MAX = 256 };

/* -- comparing (private) -- */
/* Is it one of the row's live secrets? An empty place holds no secret: no digest is all zero. */
static uint32_t holds(const ray_credential_spec *row, const uint8_t digest[32])
{
    return ray_crypto_same(row->digest[0], digest, 32) |
           ray_crypto_same(row->digest[1], digest, 32);
}

/* -- one row -- */
static void take_row(const ray_auth *auth, uint32_t place, ray_auth_answer *out)
{
    const ray_credential_spec *row = &auth->config.credential[place];
    const ray_name *user = row->user.at[0] != 0 ? &row->user : &row->name;
    out->user_length = (uint8_t)ray_name_length(user);
    memcpy(out->user, user->at, out->user_length);
    out->tenant = row->tenant;
    out->role = row->role;
    out->limited = row->permissions;
    out->expires_ns = row->expires_ns;
}

/* What holds of a row whose secret was shown. */
static uint32_t stand_of(const ray_auth *auth, const ray_auth_moment *at, uint32_t place,
                         ray_auth_answer *out)
{
    const ray_credential_spec *row = &auth->config.credential[place];
    out->credential = ray_credential_handle(auth, place);
    if (row->disabled != 0)
        return RAY_REASON_AUTH_DISABLED;
    if (row->expires_ns != 0 && at->unix_ns >= row->expires_ns)
        return RAY_REASON_AUTH_EXPIRED;
    take_row(auth, place, out);
    return RAY_REASON_OK;
}

static uint32_t judge(const ray_auth *auth, const ray_auth_moment *at, uint32_t place,
                      const uint8_t digest[32], ray_auth_answer *out)
{
    static const ray_credential_spec nobody;
    const ray_credential_spec *row =
        place != RAY_NONE ? &auth->config.credential[place] : &nobody;
    if (place != RAY_NONE) {
        out->credential = ray_credential_handle(auth, place);
        out->retry_after_ns = ray_auth_credential_wait(auth, at->now_ns, place);
    }
    if (out->retry_after_ns != 0)
        return RAY_REASON_AUTH_LOCKED;
    if (holds(row, digest) == 0)
        return RAY_REASON_AUTH_UNKNOWN;
    return stand_of(auth, at, place, out);
}

uint32_t ray_auth_plain(const uint8_t *at, uint64_t length)
{
    uint32_t control = 0, before = 0;
    for (uint64_t i = 0; i < length; i++) {
        uint32_t byte = at[i];
        control |= byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
        before = byte;
    }
    return control == 0;
}

/* -- three ways to show one -- */
/* NAME.SECRET, split at the last dot: a name may have dots. */
uint32_t ray_auth_api_key(const ray_auth *auth, const ray_auth_moment *at, ray_view value,
                          ray_auth_answer *out)
{
    uint8_t digest[32];
    uint64_t dot = value.length;
    while (dot > 0 && value.at[dot - 1] != '.')
        dot--;
    out->scheme = RAY_SCHEME_API_KEY;
    if (at->trusted != 0 && auth->config.spec.trusts_names != 0) {
        uint32_t place = ray_auth_find_named(auth, RAY_SCHEME_API_KEY, value);
        if (place != RAY_NONE)
            return stand_of(auth, at, place, out); /* whoever vouches has compared its secret */
    }
    if (dot < 2 || dot > RAY_NAME_BYTES || dot == value.length ||
        value.length - dot > SECRET_BYTES_MAX || ray_auth_plain(value.at, value.length) == 0)
        return RAY_REASON_AUTH_MALFORMED;
    ray_view name = {value.at, dot - 1}, secret = {value.at + dot, value.length - dot};
    ray_crypto_sha256(secret, digest);
    return judge(auth, at, ray_auth_find_named(auth, RAY_SCHEME_API_KEY, name), digest, out);
}

uint32_t ray_auth_basic(const ray_auth *auth, const ray_auth_moment *at, ray_view value,
                        ray_auth_answer *out)
{
    uint8_t digest[32], both[RAY_NAME_BYTES + SECRET_BYTES_MAX];
    out->scheme = RAY_SCHEME_BASIC;
    uint32_t length = ray_base64_read(value, both, sizeof both), colon = 0;
    if (length == RAY_NONE)
        return RAY_REASON_AUTH_MALFORMED;
    while (colon < length && both[colon] != ':')
        colon++;
    ray_view name = {both, colon}, whole = {both, length};
    uint32_t reason = RAY_REASON_AUTH_MALFORMED;
    if (colon > 0 && colon < length && ray_auth_plain(both, length) != 0) { /* RFC 7617 2 */
        ray_crypto_sha256(whole, digest);
        reason = judge(auth, at, ray_auth_find_named(auth, RAY_SCHEME_BASIC, name), digest, out);
    }
    ray_crypto_forget(both, sizeof both); /* the password does not stay on the stack */
    return reason;
}

/* What the other server said lately. */
static uint32_t introspected(const ray_auth *auth, const ray_auth_moment *at, ray_view value,
                             ray_auth_answer *out)
{
    uint64_t key[2];
    out->scheme = RAY_SCHEME_INTROSPECT;
    if (at->secrets == 0 || ray_secrets_ready(at->secrets) == 0)
        return RAY_REASON_AUTH_INTROSPECT;
    ray_auth_cache_key(at->secrets, value, key);
    const ray_introspected *row = ray_auth_introspected_find(auth, at->now_ns, key);
    if (row == 0)
        return RAY_REASON_AUTH_INTROSPECT;
    const ray_auth_introspection *said = &row->said;
    if (said->active == 0)
        return RAY_REASON_AUTH_INACTIVE;
    if (said->expires_ns != 0 && at->unix_ns >= said->expires_ns)
        return RAY_REASON_AUTH_EXPIRED;
    out->cached = 1;
    out->tenant = said->tenant;
    out->role = said->role;
    out->limited = said->permissions;
    out->expires_ns = said->expires_ns;
    out->user_length = said->user_length;
    memcpy(out->user, said->user, said->user_length);
    return RAY_REASON_OK;
}

/* 1 when every byte is a visible one of ASCII; *dots: 1 when a dot is among them. */
static uint32_t visible(ray_view value, uint32_t *dots)
{
    uint64_t all = RAY_EACH_TOP, dot = 0, i = 0;
    for (; value.length - i >= 8; i += 8) {
        uint64_t eight = ray_load_8(value.at + i);
        all &= ray_between_8(eight, 0x21, 0x7e);
        dot |= ray_between_8(eight, '.', '.');
    }
    uint32_t good = all == RAY_EACH_TOP;
    for (; i < value.length; i++) {
        good &= value.at[i] > 0x20 && value.at[i] < 0x7f;
        dot |= value.at[i] == '.';
    }
    *dots = dot != 0;
    return good;
}

uint32_t ray_auth_bearer(const ray_auth *auth, const ray_auth_moment *at, ray_view value,
                         ray_auth_answer *out)
{
    uint8_t digest[32];
    uint32_t dots = 0;
    out->scheme = RAY_SCHEME_BEARER;
    if (value.length == 0 || value.length > RAY_AUTH_TOKEN_BYTES_MAX || visible(value, &dots) == 0)
        return RAY_REASON_AUTH_MALFORMED;
    if (dots != 0 && auth->config.jwt_count != 0)
        return ray_auth_signed(auth, at, value, out);
    ray_crypto_sha256(value, digest);
    uint32_t place = ray_auth_find_digest(auth, digest);
    if (place == RAY_NONE && auth->config.spec.introspects != 0)
        return introspected(auth, at, value, out);
    return judge(auth, at, place, digest, out);
}
