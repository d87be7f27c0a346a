/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_AUTH_PARTS_H
#define RAY_AUTH_PARTS_H
#include "auth_state.h"
#include "secrets_state.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "base/siphash.h"

enum { RAY_AUTH_SLOT_MASK = 0xffff, RAY_AUTH_SCHEME_COUNT = RAY_SCHEME_VOUCHED + 1 };
#define RAY_AUTH_NS_PER_S 1000000000LL

static inline int64_t ray_auth_unix(uint64_t now_ns, int64_t wall_offset_ns)
{
    return (int64_t)(now_ns + (uint64_t)wall_offset_ns);
}

/* What a verified token says, whoever verified it. */
typedef struct ray_auth_claims {
    uint64_t issuer;           /* hashed name */
    int64_t not_before_ns;     /* Unix; 0: not stated */
    int64_t expires_ns;        /* Unix, leeway included; 0: not stated */
    int64_t issued_ns;
    uint8_t token[16];
    uint32_t key;              /* place */
    uint32_t tenant;
    uint8_t tokened;
    uint8_t role;
    uint8_t limited;
    uint8_t user_length;
    uint8_t user[RAY_AUTH_USER_BYTES];
    uint8_t reserved[4];
} ray_auth_claims;

/* What is wanted of a token, wherever it was found. */
typedef struct ray_auth_moment {
    uint64_t now_ns;
    int64_t unix_ns;
    struct ray_secrets *secrets; /* may be NULL */
    uint32_t trusted;
    uint32_t reserved;
} ray_auth_moment;

/* -- index.c: finding without scanning -- */
void ray_auth_index_credentials(ray_auth *auth);
void ray_auth_index_tenants(ray_auth *auth);
void ray_auth_index_tokens(ray_auth *auth);
void ray_auth_index_grants(ray_auth *auth);
uint64_t ray_auth_name_hash(const ray_auth *auth, const ray_name *name);
uint32_t ray_auth_find_named(const ray_auth *auth, uint32_t scheme, ray_view name); /* place */
uint32_t ray_auth_find_digest(const ray_auth *auth, const uint8_t digest[32]);
uint32_t ray_auth_find_tenant(const ray_auth *auth, ray_view name);
uint32_t ray_auth_find_token(const ray_auth *auth, uint64_t issuer, const uint8_t id[16]);
uint32_t ray_auth_find_grant(const ray_auth *auth, uint32_t tenant, uint32_t service,
                             ray_view user);
static inline uint32_t ray_credential_handle(const ray_auth *auth, uint32_t place)
{
    return place | (uint32_t)auth->config.generation[place] << 16;
}

/* -- credential.c: keys, Basic, opaque bearers; fills `out`, returns a reason -- */
uint32_t ray_auth_api_key(const ray_auth *auth, const ray_auth_moment *at, ray_view value,
                          ray_auth_answer *out);
uint32_t ray_auth_basic(const ray_auth *auth, const ray_auth_moment *at, ray_view value,
                        ray_auth_answer *out);
uint32_t ray_auth_bearer(const ray_auth *auth, const ray_auth_moment *at, ray_view value,
                         ray_auth_answer *out);

/* 1 when no character is a control (C0, DEL, or C1 as UTF-8): who somebody is goes into logs and
 * onto consoles, and a NUL would make two users look like one. */
uint32_t ray_auth_plain(const uint8_t *at, uint64_t length);

/* -- token.c -- */
/* A JWT or an opaque one: what ray_auth_bearer does with what has dots, and cache hits. */
uint32_t ray_auth_signed(const ray_auth *auth, const ray_auth_moment *at, ray_view token,
                         ray_auth_answer *out);
void ray_auth_token_id(ray_view jti, uint8_t id[16]);
/* A slot for one more token: free, or past its time; RAY_NONE when the table is full. */
uint32_t ray_auth_token_slot(const ray_auth *auth, int64_t unix_ns);
uint32_t ray_auth_token_live(const ray_token *token, int64_t unix_ns);

/* -- jwt.c: RAY_REASON_OK, or why not -- */
uint32_t ray_jwt_open(const ray_auth *auth, const ray_auth_moment *at, ray_view token,
                      ray_auth_claims *out);
ray_status ray_jwt_sign(const ray_auth *auth, const ray_auth_moment *at, uint32_t jwt,
                        const ray_token *token, ray_text *out);

/* -- penalty.c -- */
uint64_t ray_auth_source(const ray_auth *auth, const ray_auth_query *query);
/* How long this source, or this credential, must wait; 0: it may try. */
uint64_t ray_auth_source_wait(const ray_auth *auth, uint64_t now_ns, uint64_t source);
uint64_t ray_auth_credential_wait(const ray_auth *auth, uint64_t now_ns, uint32_t place);
void ray_auth_penalise(ray_auth *auth, uint64_t now_ns, const ray_auth_answer *answer);

/* -- cache.c -- */
void ray_auth_cache_key(const struct ray_secrets *secrets, ray_view token, uint64_t key[2]);
const ray_verified *ray_auth_cache_find(const ray_auth *auth, const uint64_t key[2]);
void ray_auth_cache_fill(ray_auth *auth, const ray_auth_answer *answer);
const ray_introspected *ray_auth_introspected_find(const ray_auth *auth, uint64_t now_ns,
                                                   const uint64_t key[2]);

/* -- secrets.c -- */
uint32_t ray_secrets_ready(const struct ray_secrets *secrets); /* 1: it has randomness */
void ray_secrets_random(struct ray_secrets *secrets, uint8_t *to, uint64_t length);
const ray_secret_spec *ray_secrets_key(const struct ray_secrets *secrets, uint32_t place);

/* -- base64.c -- */
/* Strict, without blanks: the usual alphabet with its padding (RFC 4648 4). How many bytes,
 * RAY_NONE when it is none or does not fit. */
uint32_t ray_base64_read(ray_view text, uint8_t *to, uint64_t room);
void ray_base64url_put(ray_text *out, const uint8_t *at, uint64_t length);

/* -- auth.c -- */
/* Rights on `service`, status and flags, from the reason that `out` holds. */
void ray_auth_settle(const ray_auth *auth, uint32_t service, ray_auth_answer *out);

/* -- check.c -- */
void ray_auth_spec_default(ray_auth_spec *spec);
ray_status ray_credential_check(const ray_credential_spec *spec, uint32_t tenants,
                                uint32_t services, uint32_t *field);
uint32_t ray_role_spec_fits(const ray_role_spec *spec);

/* -- rights.c -- */
void ray_auth_roles_default(ray_auth *auth);
void ray_auth_scope_put(ray_auth *auth, const ray_role_spec *spec);

#endif
