/* SPDX-License-Identifier: MIT */
/* cache.c - tokens that were verified, and what an introspection server said: both by a keyed
 * 128-bit hash of the token whose key never leaves the machine. */
#include "parts.h"

/* -- keys -- */
void ray_auth_cache_key(const struct ray_secrets *secrets, ray_view token, uint64_t key[2])
{
    ray_sip_stream stream;
    uint8_t digest[16];
    ray_sip_begin(&stream, (const char *)secrets->cache_key);
    ray_sip_bytes(&stream, token.at, token.length);
    ray_sip_end(&stream, digest);
    memcpy(key, digest, sizeof digest);
    key[0] |= key[0] == 0 && key[1] == 0; /* zero is a free row */
}

static uint32_t same_key(const uint64_t a[2], const uint64_t b[2])
{
    return a[0] == b[0] && a[1] == b[1];
}

/* -- verified tokens -- */
/* A token has two windows, one by either half of its hash: so the table is all but full before one
 * that is in use makes way for another. */
static uint32_t verified_place(const uint64_t key[2], uint32_t i)
{
    return ((uint32_t)key[i / RAY_AUTH_WINDOW] + i % RAY_AUTH_WINDOW) & (RAY_VERIFIED_MAX - 1);
}

const ray_verified *ray_auth_cache_find(const ray_auth *auth, const uint64_t key[2])
{
    for (uint32_t i = 0; i < 2 * RAY_AUTH_WINDOW; i++) {
        const ray_verified *row = &auth->tally.verified[verified_place(key, i)];
        if (same_key(row->key, key) != 0)
            return row;
    }
    return 0;
}

void ray_auth_cache_fill(ray_auth *auth, const ray_auth_answer *answer)
{
    ray_auth_tally *tally = &auth->tally;
    ray_verified *to = 0;
    for (uint32_t i = 0; i < 2 * RAY_AUTH_WINDOW; i++) {
        ray_verified *row = &tally->verified[verified_place(answer->cache_key, i)];
        if (same_key(row->key, answer->cache_key) != 0) {
            row->used = ++tally->use_clock;
            return;
        }
        if (to == 0 || row->used < to->used)
            to = row;
    }
    tally->cache_fill_count++;
    tally->cache_evicted_count += to->used != 0;
    *to = (ray_verified){
        .key = {answer->cache_key[0], answer->cache_key[1]},
        .used = ++tally->use_clock,
        .issuer = answer->issuer,
        .not_before_ns = answer->not_before_ns,
        .expires_ns = answer->expires_ns,
        .jwt_key = answer->key,
        .tenant = answer->tenant,
        .tokened = answer->tokened,
        .role = (uint8_t)answer->role,
        .limited = answer->limited,
        .user_length = answer->user_length,
    };
    memcpy(to->token, answer->token, sizeof to->token);
    memcpy(to->user, answer->user, sizeof to->user);
}

void ray_auth_forget(ray_auth *auth)
{
    memset(auth->tally.verified, 0, sizeof auth->tally.verified);
    memset(auth->book.introspected, 0, sizeof auth->book.introspected);
}

/* -- introspection -- */
static uint32_t window_of(uint64_t key, uint32_t i)
{
    return (uint32_t)((key + i) % RAY_INTROSPECT_MAX);
}

const ray_introspected *ray_auth_introspected_find(const ray_auth *auth, uint64_t now_ns,
                                                   const uint64_t key[2])
{
    for (uint32_t i = 0; i < RAY_AUTH_WINDOW && i < RAY_INTROSPECT_MAX; i++) {
        const ray_introspected *row = &auth->book.introspected[window_of(key[0], i)];
        if (same_key(row->key, key) != 0)
            return now_ns < row->until_ns ? row : 0;
    }
    return 0;
}

/* The token's own row, a free one, or the one that ends first. */
static ray_introspected *row_for(ray_auth *auth, uint64_t now_ns, const uint64_t key[2])
{
    ray_introspected *to = 0;
    for (uint32_t i = 0; i < RAY_AUTH_WINDOW && i < RAY_INTROSPECT_MAX; i++) {
        ray_introspected *row = &auth->book.introspected[window_of(key[0], i)];
        if (same_key(row->key, key) != 0)
            return row;
        if (to == 0 || row->until_ns < to->until_ns)
            to = row;
    }
    auth->tally.introspect_evicted_count += to->until_ns > now_ns;
    return to;
}

static uint32_t said_fits(const ray_auth_introspection *said)
{
    return said->active <= 1 && said->role < RAY_ROLE_MAX && said->expires_ns >= 0 &&
           said->permissions <= RAY_PERMISSION_ALL && said->user_length <= RAY_AUTH_USER_BYTES &&
           (said->active == 0 || said->user_length != 0) &&
           ray_auth_plain(said->user, said->user_length) != 0 &&
           (said->tenant == RAY_NONE || said->tenant < RAY_TENANT_MAX) &&
           ray_is_zero(said->reserved, sizeof said->reserved) != 0 &&
           ray_is_zero(said->user + said->user_length,
                       (uint64_t)RAY_AUTH_USER_BYTES - said->user_length) != 0;
}

ray_status ray_auth_introspected(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                                 const struct ray_secrets *secrets, ray_view token,
                                 const ray_auth_introspection *answer)
{
    const ray_auth_spec *spec = &auth->config.spec;
    int64_t unix_ns = ray_auth_unix(now_ns, wall_offset_ns);
    uint64_t key[2], ttl_ns = answer->active != 0 ? spec->introspect_ttl_ns : spec->inactive_ttl_ns;
    if (spec->introspects == 0 || secrets == 0 || ray_secrets_ready(secrets) == 0)
        return RAY_E_STATE;
    if (said_fits(answer) == 0 || token.length == 0 || token.length > RAY_AUTH_TOKEN_BYTES_MAX)
        return RAY_E_ARGUMENT;
    if (answer->active != 0 && answer->expires_ns != 0) {
        uint64_t left_ns =
            answer->expires_ns > unix_ns ? (uint64_t)(answer->expires_ns - unix_ns) : 0;
        ttl_ns = left_ns < ttl_ns ? left_ns : ttl_ns;
    }
    ray_auth_cache_key(secrets, token, key);
    ray_introspected *row = row_for(auth, now_ns, key);
    *row = (ray_introspected){{key[0], key[1]}, 0, *answer};
    row->until_ns = now_ns < RAY_NEVER - ttl_ns ? now_ns + ttl_ns : RAY_NEVER;
    auth->tally.introspected_count++;
    return RAY_OK;
}
