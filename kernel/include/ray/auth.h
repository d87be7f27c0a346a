/* SPDX-License-Identifier: MIT */
#ifndef RAY_AUTH_H
#define RAY_AUTH_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* auth: who is asking, and what they may do.
 *
 * Law: nobody is known without a secret that was compared in constant time, a signature of a key
 * whose algorithm the key itself names, or an answer of the introspection server; what is revoked
 * or expired is never valid again. Cost: O(length of the credential), no table is scanned. Source:
 * SEMANTICS.md, auth; RFC 7519, 7515, 7617, 6750, 7662, 8725; Sandhu 1996 (RBAC); lockout: GCRA.
 *
 * Secrets are a second block of the caller's: keys that sign and verify, the random generator. It
 * is in no snapshot, digest, export or answer; struct ray holds SHA-256 of secrets, nothing else.
 */
typedef struct ray_auth ray_auth; /* state; size and layout are private */

enum ray_permission {
    RAY_PERMISSION_READ = 1,
    RAY_PERMISSION_WRITE = 2,
    RAY_PERMISSION_EXECUTE = 4,
    RAY_PERMISSION_ADMIN = 8,
    RAY_PERMISSION_ALL = 15
};

enum ray_auth_need { RAY_AUTH_NONE = 0, RAY_AUTH_OPTIONAL = 1, RAY_AUTH_REQUIRED = 2 };

/* How somebody proves who they are. The first three are rows of the credential table. */
enum ray_scheme {
    RAY_SCHEME_NONE = 0,
    RAY_SCHEME_API_KEY = 1,   /* [[api_key]]: NAME.SECRET in its header */
    RAY_SCHEME_BASIC = 2,     /* [[basic]]: RFC 7617; the digest is over "user:password" */
    RAY_SCHEME_BEARER = 3,    /* [[bearer]]: opaque, found by its digest */
    RAY_SCHEME_JWT = 4,
    RAY_SCHEME_INTROSPECT = 5, /* opaque, and another server knows */
    RAY_SCHEME_VOUCHED = 6    /* no credential: the caller says whom it is from */
};

enum ray_jwt_alg { RAY_JWT_HS256 = 1, RAY_JWT_RS256 = 2, RAY_JWT_ES256 = 3 };

enum ray_auth_constant {
    RAY_AUTH_USER_BYTES = 64,
    RAY_AUTH_TEXT_BYTES = 128,        /* issuer, audience */
    RAY_AUTH_KID_BYTES = 64,
    RAY_AUTH_TOKEN_BYTES_MAX = 4096,
    RAY_AUTH_SECRET_TEXT = 43,        /* base64url of 32 bytes: what a new secret looks like */
    RAY_JWT_KEY_EACH = 8,             /* keys of one issuer */
    RAY_JWT_HMAC_BYTES_MIN = 32,      /* RFC 7518 3.2 */
    RAY_JWT_HMAC_BYTES_MAX = 128,
    RAY_JWT_MATERIAL_BYTES = 2056     /* RSA of 4096 bits: seven numbers; see ray_secret_spec */
};

/* [auth]; the row of the blob's auth section. */
typedef struct ray_auth_spec {
    uint64_t lockout_ns;          /* failures per this time; 0: no lockout */
    uint64_t lifetime_ns;         /* of tokens issued that state none */
    uint64_t family_ns;           /* refreshed at most until this after the first was issued */
    uint64_t introspect_ttl_ns;   /* an active answer is believed so long at most */
    uint64_t inactive_ttl_ns;     /* and an inactive one */
    uint32_t failures;            /* of one source */
    uint32_t key_failures;        /* of one credential; 0: only sources are counted */
    uint8_t introspects;          /* 1: an unknown opaque bearer is asked about */
    uint8_t trusts_names;         /* 1: a trusted proxy may name an API key without its secret */
    uint8_t reserved[6];
    ray_name header;              /* that carries API keys */
} ray_auth_spec;
/* A role's permissions on one service or (RAY_NONE) any; a role with a row has only its rows. */
typedef struct ray_role_spec {
    uint32_t service;
    uint8_t role;                 /* enum ray_role, not NONE */
    uint8_t permissions;
    uint8_t reserved[2];
} ray_role_spec;
/* [[api_key]], [[basic]], [[bearer]]. */
typedef struct ray_credential_spec {
    ray_name name;                /* unique within its scheme; the id of an API key, Basic's user */
    ray_name user;                /* who it is; all zero: its name */
    uint8_t digest[2][32];        /* SHA-256 of a secret; all zero: none in this place */
    int64_t expires_ns;           /* Unix; 0: never */
    uint32_t tenant;              /* handle, RAY_NONE */
    uint32_t service;             /* good for this service only; RAY_NONE: any */
    uint8_t scheme;
    uint8_t role;
    uint8_t permissions;          /* no more than these; 0: whatever its role has */
    uint8_t disabled;
    uint8_t reserved[4];
} ray_credential_spec;
/* [[jwt]]: one issuer. */
typedef struct ray_jwt_spec {
    ray_name name;
    uint8_t issuer[RAY_AUTH_TEXT_BYTES];      /* iss must be this; empty: not looked at */
    uint8_t audience[RAY_AUTH_TEXT_BYTES];    /* aud must hold this; empty: not looked at */
    ray_name claim_user;          /* names of claims; the tenant's and the role's may be absent */
    ray_name claim_tenant;
    ray_name claim_role;
    uint64_t leeway_ns;
    uint64_t lifetime_max_ns;     /* exp - iat at most; 0: not looked at */
    uint32_t tenant;              /* of tokens that name none; handle, RAY_NONE */
    uint16_t issuer_length;
    uint16_t audience_length;
    uint8_t role;                 /* of tokens that name none */
    uint8_t signs;                /* 1: ray_auth_issue signs with the newest active key */
    uint8_t reserved[6];
} ray_jwt_spec;
typedef struct ray_jwt_key_spec {
    uint8_t kid[RAY_AUTH_KID_BYTES];
    int64_t not_before_ns;        /* Unix; verifies and signs from here */
    int64_t not_after_ns;         /* until here; 0: for ever */
    uint32_t jwt;                 /* place of its issuer */
    uint8_t kid_length;           /* 0: tokens without a kid */
    uint8_t alg;                  /* enum ray_jwt_alg: of this key, whatever a token says */
    uint8_t private_known;        /* 1: it can sign */
    uint8_t reserved;
} ray_jwt_key_spec;

/* A key's material, behind the seed in the secrets section, one row per key row in order. HS256:
 * part 0 the secret. RS256: n, e, p, q, dp, dq, iq, the last five of a private key. ES256: the
 * public point (04 x y), the private number. Numbers are big-endian. Unused bytes are zero. */
typedef struct ray_secret_spec {
    uint16_t length[8];
    uint8_t at[RAY_JWT_MATERIAL_BYTES];
} ray_secret_spec;

typedef struct ray_auth_query {
    ray_view headers;             /* packed as in gateway.h */
    ray_address address;          /* the client behind trusted proxies */
    int64_t wall_offset_ns;       /* Unix time = now_ns + this */
    uint32_t service;             /* handle */
    uint32_t need;                /* enum ray_auth_need, of the route */
    uint32_t permission;          /* bits the request needs on the service; 0: none */
    uint32_t address_known;
    uint32_t role;                /* the route's: only this role and Admin; 0: any */
    uint32_t trusted;             /* 1: its peer is a trusted proxy, see trusts_names */
    uint32_t vouched;             /* 1: the caller names whom it is from; no credential is read */
    uint32_t tenant;              /* handle, RAY_NONE */
    ray_view user;
    uint32_t own_role;            /* enum ray_role; 0: unknown */
    uint32_t reserved;
} ray_auth_query;
typedef struct ray_auth_answer {
    uint64_t retry_after_ns;      /* lockout */
    uint64_t source;              /* who tried, hashed: where a penalty is booked */
    int64_t expires_ns;           /* Unix; of the token or the credential, 0: never */
    int64_t not_before_ns;        /* Unix; of a token */
    uint64_t cache_key[2];        /* keyed hash of a token; zero: nothing to keep */
    uint8_t token[16];            /* its id, zero: none */
    uint64_t issuer;              /* hashed name of its issuer */
    uint32_t credential;          /* row that decided, RAY_NONE; a handle */
    uint32_t key;                 /* place of the key that verified, RAY_NONE */
    uint32_t tenant;              /* handle, RAY_NONE */
    uint32_t role;                /* enum ray_role, 0 none */
    uint32_t permissions;         /* effective on the service */
    uint16_t reason;
    uint16_t http_status;
    uint8_t granted;
    uint8_t known;                /* identity established */
    uint8_t cached;
    uint8_t penalty;              /* 1: a failure that counts towards lockout */
    uint8_t scheme;
    uint8_t limited;              /* the credential's own permissions, 0: its role's */
    uint8_t tokened;              /* 1: `token` is an id */
    uint8_t user_length;
    uint8_t user[RAY_AUTH_USER_BYTES];
} ray_auth_answer;

uint64_t ray_auth_bytes(void);
/* Empties everything: no credential, no issuer, the built-in roles, no lockout. */
void ray_auth_init(ray_auth *auth, const uint8_t seed[16]);

/* -- request -- */
/* 0 when a route with this need has nothing to ask. */
uint32_t ray_auth_asked(const ray_auth *auth, uint32_t need);
/* Who is it, and may they? Changes nothing but the scratch of `secrets`, where a token is read
 * (NULL: no key is known). RAY_E_ARGUMENT for a need or permission nobody defined,
 * RAY_E_UNKNOWN for a service past the table; then *out is untouched. */
ray_status ray_auth_ask(const ray_auth *auth, uint64_t now_ns, const ray_auth_query *query,
                        struct ray_secrets *secrets, ray_auth_answer *out);
/* Counts an ask after the verdict, keeps a verified token, books a failure's penalty. `granted`
 * is all stages' together. An answer of NULL: the ask was refused as impossible. */
void ray_auth_note(ray_auth *auth, uint64_t now_ns, const ray_auth_query *query,
                   const ray_auth_answer *answer, uint32_t granted);
/* The value of WWW-Authenticate for an answer of 401 or 403; nothing for any other. */
void ray_auth_challenge(const ray_auth *auth, const ray_auth_answer *answer, ray_text *out);

/* What an introspection server said of a token (RFC 7662), names resolved. */
typedef struct ray_auth_introspection {
    int64_t expires_ns;           /* Unix; 0: it did not say */
    uint32_t tenant;
    uint32_t active;
    uint8_t role;
    uint8_t permissions;          /* no more than these; 0: its role's */
    uint8_t user_length;
    uint8_t reserved[5];
    uint8_t user[RAY_AUTH_USER_BYTES];
} ray_auth_introspection;
/* Keeps the answer until min(exp, ttl); an inactive one shortly. The full table gives up what
 * expires first. RAY_E_STATE when nothing introspects or no randomness exists, RAY_E_ARGUMENT. */
ray_status ray_auth_introspected(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                                 const struct ray_secrets *secrets, ray_view token,
                                 const ray_auth_introspection *answer);

/* -- tokens: what we issued, and what was revoked -- */
typedef struct ray_token_spec {
    uint64_t lifetime_ns;         /* 0: [auth]'s */
    uint32_t jwt;                 /* issuer that signs; RAY_NONE: the first that does */
    uint32_t tenant;
    uint8_t role;
    uint8_t permissions;          /* no more than these; 0: whatever its role has */
    uint8_t user_length;
    uint8_t reserved[5];
    uint8_t user[RAY_AUTH_USER_BYTES];
} ray_token_spec;
enum ray_token_state {
    RAY_TOKEN_FREE = 0,
    RAY_TOKEN_ISSUED = 1,
    RAY_TOKEN_REVOKED = 2,
    RAY_TOKEN_ROTATED = 3         /* refreshed; shown again it revokes its family */
};
typedef struct ray_token {
    uint8_t id[16];               /* jti in hexadecimal, or the start of its SHA-256 */
    uint8_t family[16];
    uint64_t issuer;              /* hashed name */
    int64_t issued_ns;            /* Unix */
    int64_t first_ns;             /* of the first of its family */
    int64_t expires_ns;           /* the slot is free after this and not before */
    uint32_t tenant;
    uint8_t state;
    uint8_t role;
    uint8_t permissions;
    uint8_t user_length;
    uint8_t user[RAY_AUTH_USER_BYTES];
} ray_token;

/* Signs a token with the issuer's newest active key and keeps it in the table. RAY_E_UNKNOWN (the
 * issuer), RAY_E_STATE (no key that signs, no randomness), FULL, RANGE, ARGUMENT, TRUNCATED. */
ray_status ray_auth_issue(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                          struct ray_secrets *secrets, const ray_token_spec *spec, ray_text *out,
                          ray_token *token);
/* Is this token, of any kind, good now? As ask; permissions are those on `service`. */
ray_status ray_auth_validate(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                             struct ray_secrets *secrets, uint32_t service, ray_view token,
                             ray_auth_answer *out);
/* A new token for a live one of ours, which ends. *reason says why not (RAY_E_STATE): expired,
 * rotated (then its family is revoked), past family_ns. Every refusal is an error_count. */
ray_status ray_auth_refresh(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                            struct ray_secrets *secrets, ray_view token, ray_text *out,
                            ray_token *fresh, uint32_t *reason);
/* Never good again. By the token, which must verify (RAY_E_STATE), or by the id of a live one in
 * the table (RAY_E_UNKNOWN) of issuer `jwt`, RAY_NONE: any. With `foreign_ns` also one issued
 * elsewhere that ends within this time: it needs its issuer (RAY_E_ARGUMENT). RAY_E_FULL. */
ray_status ray_auth_revoke(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                           struct ray_secrets *secrets, ray_view token);
ray_status ray_auth_revoke_id(ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                              uint32_t jwt, ray_view id, uint64_t foreign_ns);
/* Places from 0; a free one or one past its time is RAY_E_UNKNOWN, past the table RAY_E_RANGE. */
ray_status ray_auth_token_read(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t place, ray_token *out);
uint32_t ray_auth_token_count(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns);

/* -- credentials: every error changes nothing -- */
/* Adds a row. An API key or bearer without a digest gets a fresh secret, written to `secret` once
 * and kept nowhere (RAY_E_STATE without randomness). RAY_E_EXISTS, RAY_E_FULL, RAY_E_ARGUMENT. */
ray_status ray_auth_credential_add(ray_auth *auth, struct ray_secrets *secrets,
                                   const ray_credential_spec *spec, ray_text *secret,
                                   uint32_t *handle);
/* A second live secret (RAY_E_FULL: two are live), and the end of the older one. */
ray_status ray_auth_credential_rotate(ray_auth *auth, struct ray_secrets *secrets,
                                      uint32_t handle, ray_text *secret);
ray_status ray_auth_credential_retire(ray_auth *auth, uint32_t handle);
ray_status ray_auth_credential_disable(ray_auth *auth, uint32_t handle, uint32_t disabled);
ray_status ray_auth_credential_expire(ray_auth *auth, uint32_t handle, int64_t expires_ns);
ray_status ray_auth_credential_remove(ray_auth *auth, uint32_t handle);
ray_status ray_auth_credential_find(const ray_auth *auth, uint32_t scheme, const char *name,
                                    uint64_t length, uint32_t *handle);
ray_status ray_auth_credential_read(const ray_auth *auth, uint32_t handle,
                                    ray_credential_spec *out);
/* The handle of place `place` from 0, RAY_NONE of a free one; RAY_CREDENTIAL_MAX places. */
uint32_t ray_auth_credential_at(const ray_auth *auth, uint32_t place);

/* -- rights -- */
/* Effective = (role + granted) - revoked, Admin being all of them; of a service handle. */
uint32_t ray_auth_rights(const ray_auth *auth, uint32_t role, uint32_t tenant, ray_view user,
                         uint32_t service);
/* Whom a grant is for; tenant and service may be RAY_NONE: any. */
typedef struct ray_grant {
    uint32_t tenant;
    uint32_t service;
    uint8_t granted;
    uint8_t revoked;              /* wins over granted */
    uint8_t user_length;
    uint8_t reserved;
    uint8_t user[RAY_AUTH_USER_BYTES];
} ray_grant;
/* Adds to what is granted (and takes from what is revoked), or the other way; a row with neither
 * is free again. RAY_E_ARGUMENT: a permission nobody defined; RAY_E_FULL. */
ray_status ray_auth_grant(ray_auth *auth, const ray_grant *grant);
/* Back to what the role has; RAY_E_UNKNOWN when there is no such row. */
ray_status ray_auth_grant_clear(ray_auth *auth, const ray_grant *grant);
ray_status ray_auth_grant_read(const ray_auth *auth, uint32_t place, ray_grant *out);
ray_status ray_auth_role_set(ray_auth *auth, const ray_role_spec *spec);
/* What a role has on a service without any grant. */
uint32_t ray_auth_role_rights(const ray_auth *auth, uint32_t role, uint32_t service);

/* -- configuration -- */
typedef struct ray_auth_rows {
    const ray_auth_spec *auth;    /* read when counts->auth_count is 1 */
    const ray_role_spec *roles;
    const ray_credential_spec *credentials;
    const ray_jwt_spec *jwts;
    const ray_jwt_key_spec *keys;
} ray_auth_rows;
/* The whole hostile check; changes nothing but *report. */
ray_status ray_auth_check(const ray_auth_rows *rows, const ray_config_counts *counts,
                          ray_config_report *report);
/* Before ray_auth_load, when tenants or services may have other places: grants and tokens follow
 * their names; a grant for one that is gone is gone, a token of such a tenant is revoked. */
void ray_auth_tenants_move(ray_auth *auth, const ray_names *before, const ray_names *after);
void ray_auth_services_move(ray_auth *auth, const ray_names *before, const ray_names *after);
/* Replaces the rules by rows that passed the check. Penalties, tokens, revocations and grants
 * stay; a credential that is unchanged keeps its counts; cached tokens are forgotten. */
void ray_auth_load(ray_auth *auth, const ray_auth_rows *rows, const ray_names *tenants,
                   const ray_config_counts *counts, ray_config_report *report);
/* Secrets of another machine: what was cached under the old ones goes. */
void ray_auth_forget(ray_auth *auth);

/* -- reading -- */
typedef struct ray_auth_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;       /* granted here, denied by another stage */
    uint64_t anonymous_count;     /* let in without a credential */
    uint64_t scheme_count[8];     /* granted, by enum ray_scheme */
    uint64_t reason_count[32];    /* by reason - RAY_REASON_AUTH_REQUIRED */
    uint64_t cache_hit_count;
    uint64_t cache_fill_count;
    uint64_t cache_evicted_count;
    uint64_t penalty_count;       /* failures booked */
    uint64_t penalty_evicted_count; /* rows given up, empty ones only */
    uint64_t penalty_full_count;  /* rows taken over, failures and all, the table being full */
    uint64_t issued_count;
    uint64_t refreshed_count;
    uint64_t revoked_count;
    uint64_t reused_count;        /* rotated tokens shown again: families revoked */
    uint64_t introspected_count;
    uint64_t introspect_evicted_count;
    uint32_t credential_count;
    uint32_t jwt_count;
    uint32_t key_count;
    uint32_t grant_count;
} ray_auth_stats;
void ray_auth_read(const ray_auth *auth, ray_auth_stats *out);
void ray_auth_spec_read(const ray_auth *auth, ray_auth_spec *out);
ray_status ray_auth_jwt_read(const ray_auth *auth, uint32_t place, ray_jwt_spec *out);
ray_status ray_auth_key_read(const ray_auth *auth, uint32_t place, ray_jwt_key_spec *out);
typedef struct ray_credential_stats {
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t last_ns;             /* it was last good; 0 never */
    uint64_t retry_after_ns;      /* locked out so long, 0: not */
} ray_credential_stats;
ray_status ray_auth_credential_stats(const ray_auth *auth, uint64_t now_ns, uint32_t handle,
                                     ray_credential_stats *out);
/* Every credential by place, names and counts, no digest: `json` or CSV; then all as metrics. */
void ray_auth_export(const ray_auth *auth, uint64_t now_ns, uint32_t json, ray_text *out);
ray_status ray_auth_export_metrics(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                                   uint32_t exposition, ray_text *text);
uint32_t ray_auth_valid(const ray_auth *auth);
const char *ray_scheme_word(uint32_t scheme);
const char *ray_jwt_alg_word(uint32_t alg);

/* -- secrets -- */
enum ray_secrets_source {
    RAY_SECRETS_NONE = 0,         /* nothing random can be made yet */
    RAY_SECRETS_CONFIG = 1,       /* from the configuration's seed: the same run, the same bytes */
    RAY_SECRETS_PORT = 2          /* fresh bytes from the machine */
};

/* Bytes of struct ray_secrets; the caller owns the memory, 64-byte aligned, and one for each core:
 * tokens are read in its scratch. */
uint64_t ray_secrets_bytes(void);
/* Empties it: no key is known and nothing random can be made. */
void ray_secrets_init(struct ray_secrets *secrets);
/* Begins anew: keys go, and a configuration's randomness; the machine's goes on, unrepeated. */
void ray_secrets_reset(struct ray_secrets *secrets);
/* Randomness from the machine, before the first configuration: 16 to 64 bytes nobody else knows,
 * else RAY_E_RANGE. */
ray_status ray_secrets_seed(struct ray_secrets *secrets, const uint8_t *at, uint64_t length);
/* The secrets section of a blob: 16 bytes of hash seed, then a ray_secret_spec per key row. */
ray_status ray_secrets_check(const uint8_t *at, uint64_t length, const ray_jwt_key_spec *keys,
                             uint32_t key_count);
/* Takes a section that passed its check. Keys that were there before are gone. Where the machine
 * brought no randomness, the first seed loaded begins it. */
void ray_secrets_load(struct ray_secrets *secrets, const uint8_t *at, uint64_t length);
uint32_t ray_secrets_source(const struct ray_secrets *secrets);
uint32_t ray_secrets_key_count(const struct ray_secrets *secrets);

#endif
