/* SPDX-License-Identifier: MIT */
/* auth_state - who may be known, who is locked out, what was issued and revoked. Digests of
 * secrets, never secrets: those are in secrets_state.h. */
#ifndef RAY_AUTH_STATE_H
#define RAY_AUTH_STATE_H
#include "ray/auth.h"

enum ray_auth_table {
    RAY_CREDENTIAL_TABLE = 8 * RAY_CREDENTIAL_MAX, /* a bearer has two entries: a quarter full */
    RAY_TOKEN_TABLE = 4 * RAY_TOKEN_MAX,
    RAY_GRANT_TABLE = 4 * RAY_GRANT_MAX,
    RAY_AUTH_TENANT_TABLE = 4 * RAY_TENANT_MAX,
    RAY_AUTH_WINDOW = 8,       /* probe length of the tables that traffic fills */
    RAY_AUTH_REASONS = 32,
    RAY_AUTH_SCHEMES = 8
};

/* What roles may on one service; a service that took the place of another has none of it. */
typedef struct ray_auth_scope {
    uint16_t generation;
    uint8_t used;
    uint8_t permissions[RAY_ROLE_MAX];
} ray_auth_scope;

typedef struct ray_auth_config {
    uint8_t seed[16];
    ray_auth_spec spec;
    uint32_t credential_count;
    uint32_t jwt_count;
    uint32_t key_count;
    uint32_t tenant_count;
    uint32_t schemes;          /* bit n: a credential of scheme n exists */
    uint32_t reserved;
    uint8_t stated[8];         /* by role: 1: only its rows count */
    uint8_t any[8];            /* by role: on every service */
    ray_auth_scope scope[RAY_SERVICE_MAX];
    ray_credential_spec credential[RAY_CREDENTIAL_MAX]; /* scheme 0: free */
    uint16_t generation[RAY_CREDENTIAL_MAX];
    ray_jwt_spec jwt[RAY_JWT_MAX];
    uint64_t issuer[RAY_JWT_MAX];                       /* hashed names */
    ray_jwt_key_spec key[RAY_JWT_KEY_MAX];
    ray_name tenant[RAY_TENANT_MAX];
    /* 1 + place, by hash, linear probing; made anew with every change */
    uint16_t credential_table[RAY_CREDENTIAL_TABLE];
    uint16_t tenant_table[RAY_AUTH_TENANT_TABLE];
} ray_auth_config;

/* Failures of one source: it is empty, and so may be given up, once until_ns has come. */
typedef struct ray_penalty {
    uint64_t source;
    uint64_t until_ns;
} ray_penalty;

typedef struct ray_introspected {
    uint64_t key[2];           /* keyed hash of the token; zero: free */
    uint64_t until_ns;         /* by the clock: a wall that is set back revives none */
    ray_auth_introspection said;
} ray_introspected;

typedef struct ray_auth_book {
    uint32_t grant_count;
    uint32_t token_count;      /* slots in use, those past their time that nobody needed too */
    uint64_t credential_until_ns[RAY_CREDENTIAL_MAX];
    ray_penalty penalty[RAY_PENALTY_MAX];
    ray_token token[RAY_TOKEN_MAX];
    ray_grant grant[RAY_GRANT_MAX];
    ray_introspected introspected[RAY_INTROSPECT_MAX];
    uint16_t token_table[RAY_TOKEN_TABLE];
    uint16_t grant_table[RAY_GRANT_TABLE];
} ray_auth_book;

/* A token that was verified; what it may do is looked up again with every hit. */
typedef struct ray_verified {
    uint64_t key[2];           /* keyed hash of the token; zero: free */
    uint64_t used;             /* of the tally's clock of uses: the oldest of a window goes */
    uint64_t issuer;
    int64_t not_before_ns;
    int64_t expires_ns;
    uint8_t token[16];
    uint32_t jwt_key;
    uint32_t tenant;
    uint8_t tokened;
    uint8_t role;
    uint8_t limited;
    uint8_t user_length;
    uint8_t reserved[4];
    uint8_t user[RAY_AUTH_USER_BYTES];
} ray_verified;

typedef struct ray_credential_tally {
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t last_ns;
} ray_credential_tally;

typedef struct ray_auth_tally {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;
    uint64_t anonymous_count;
    uint64_t scheme_count[RAY_AUTH_SCHEMES];
    uint64_t reason_count[RAY_AUTH_REASONS];
    uint64_t cache_hit_count;
    uint64_t cache_fill_count;
    uint64_t cache_evicted_count;
    uint64_t penalty_count;
    uint64_t penalty_evicted_count;
    uint64_t penalty_full_count;
    uint64_t issued_count;
    uint64_t refreshed_count;
    uint64_t revoked_count;
    uint64_t reused_count;
    uint64_t introspected_count;
    uint64_t introspect_evicted_count;
    uint64_t use_clock;
    ray_credential_tally credential[RAY_CREDENTIAL_MAX];
    ray_verified verified[RAY_VERIFIED_MAX];
} ray_auth_tally;

struct ray_auth {
    ray_auth_config config;
    ray_auth_book book;
    ray_auth_tally tally;
};

_Static_assert(RAY_CREDENTIAL_MAX < 0xffff && RAY_TOKEN_MAX < 0xffff && RAY_GRANT_MAX < 0xffff &&
                   RAY_TENANT_MAX < 0xffff, "places fit 16 bits");
_Static_assert((RAY_CREDENTIAL_TABLE & (RAY_CREDENTIAL_TABLE - 1)) == 0 &&
                   (RAY_TOKEN_TABLE & (RAY_TOKEN_TABLE - 1)) == 0 &&
                   (RAY_GRANT_TABLE & (RAY_GRANT_TABLE - 1)) == 0 &&
                   (RAY_AUTH_TENANT_TABLE & (RAY_AUTH_TENANT_TABLE - 1)) == 0 &&
                   (RAY_PENALTY_MAX & (RAY_PENALTY_MAX - 1)) == 0 &&
                   (RAY_VERIFIED_MAX & (RAY_VERIFIED_MAX - 1)) == 0, "tables are powers of two");
_Static_assert(RAY_CREDENTIAL_MAX % 4 == 0, "generations fill words");
_Static_assert(sizeof(struct ray_auth) % 8 == 0, "no padding at the end");

#endif
