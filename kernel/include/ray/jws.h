/* SPDX-License-Identifier: MIT */
#ifndef RAY_JWS_H
#define RAY_JWS_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/crypto.h"

/* jws: signed tokens in their compact form (RFC 7515, RFC 7519), with RFC 8725's advice.
 *
 * Law: the key says the algorithm, whatever the token says; a key a token brings along is never
 * used; no claim is read before its signature was verified; one token has one spelling.
 * Cost: linear in the token and one verification of crypto.h. No memory but the caller's.
 */
enum ray_jws_constant {
    RAY_JWS_BYTES_MAX = 4096,     /* of a token; a longer one is not looked at */
    RAY_JWS_HEAD_BYTES_MAX = 512, /* of its header, decoded */
    RAY_JWS_KID_BYTES_MAX = 64,
    RAY_JWS_MEMBER_MAX = 16,      /* of the header */
    RAY_JWS_CLAIM_MAX = 48        /* members of objects open at once */
};

enum ray_jws_limit {
    RAY_JWS_SECONDS_MAX = 9000000000   /* so that nanoseconds fit 64 bits with a sign */
};

enum ray_jws_alg {
    RAY_JWS_HS256 = 1,
    RAY_JWS_RS256 = 2,
    RAY_JWS_ES256 = 3
};

enum ray_jws_reason {
    RAY_JWS_GOOD = 0,
    RAY_JWS_LENGTH = 1,      /* empty or longer than RAY_JWS_BYTES_MAX */
    RAY_JWS_PARTS = 2,       /* not three parts with something in each: detached, encrypted, JSON */
    RAY_JWS_ENCODING = 3,    /* a part is not strict base64url */
    RAY_JWS_HEADER = 4,      /* no JSON object of the right types, or a member named twice */
    RAY_JWS_ALGORITHM = 5,   /* absent, none of the three, or not the key's */
    RAY_JWS_CRITICAL = 6,    /* an extension that must be understood: none is */
    RAY_JWS_EMBEDDED = 7,    /* jwk, jku, x5u or x5c */
    RAY_JWS_KEY = 8,         /* its kid is not the key's */
    RAY_JWS_SIGNATURE = 9,
    RAY_JWS_CLAIM = 10       /* no JSON object, a claim of a wrong type or named twice */
};

/* A token taken apart; views into it. */
typedef struct ray_jws {
    ray_view signed_text;    /* header, dot, payload */
    ray_view payload;        /* base64url */
    ray_view signature;      /* base64url */
    uint32_t alg;            /* enum ray_jws_alg, as the token says: to be held against a key */
    uint32_t kid_length;     /* 0: it names no key */
    uint8_t kid[64];
} ray_jws;

/* A key and the one algorithm it is for. */
typedef struct ray_jws_key {
    ray_rsa_key rsa;         /* RS256 */
    ray_view secret;         /* HS256: the key; ES256: the private number, or empty */
    ray_view point;          /* ES256: 04 x y */
    ray_view kid;            /* tokens must name exactly this; empty: they must name none */
    uint64_t alg;            /* enum ray_jws_alg */
} ray_jws_key;

/* Which claims are wanted; an empty name is not looked for. */
typedef struct ray_jws_names {
    ray_view audience;       /* aud is this, or an array of strings that holds it */
    ray_view tenant;         /* the names of four more claims, all strings */
    ray_view user;
    ray_view role;
    ray_view scope;
} ray_jws_names;

enum ray_jws_known {
    RAY_JWS_KNOWN_EXP = 1,
    RAY_JWS_KNOWN_NBF = 2,
    RAY_JWS_KNOWN_IAT = 4,
    RAY_JWS_KNOWN_AUDIENCE = 8,    /* there is an aud */
    RAY_JWS_FOR_AUDIENCE = 16      /* and it holds the wanted one */
};

/* Views into the payload, without escapes; an absent claim has no address. Unix seconds. */
typedef struct ray_jws_claims {
    ray_view iss;
    ray_view sub;
    ray_view jti;
    ray_view tenant;
    ray_view user;
    ray_view role;
    ray_view scope;
    uint64_t exp;
    uint64_t nbf;
    uint64_t iat;
    uint64_t known;          /* bits of enum ray_jws_known */
} ray_jws_claims;

/* Takes a token apart and judges its header; nothing of it may be believed yet. Returns enum
 * ray_jws_reason; *out is only for RAY_JWS_GOOD. */
uint32_t ray_jws_open(ray_view token, ray_jws *out);
/* RAY_JWS_GOOD when the token is the key's. */
uint32_t ray_jws_verify(const ray_jws *token, const ray_jws_key *key);
/* The payload's bytes; RAY_NONE when they do not fit. RAY_JWS_BYTES_MAX always do. */
uint32_t ray_jws_payload(const ray_jws *token, uint8_t *to, uint64_t room);
/* Reads the claims of a verified payload. Escapes are undone where they stand, so the payload is
 * not JSON afterwards. Numbers must be whole, from 0 to RAY_JWS_SECONDS_MAX; a claim that is known
 * by name must have its type. RAY_JWS_GOOD or RAY_JWS_CLAIM. */
uint32_t ray_jws_claims_of(uint8_t *payload, uint64_t length, const ray_jws_names *names,
                           ray_jws_claims *out);
/* Writes the token of a payload; the header is alg and, when the key has one, kid. Its length;
 * RAY_NONE when the key cannot sign, its kid is not plain text, or `room` or RAY_JWS_BYTES_MAX is
 * too small. */
uint32_t ray_jws_sign(const ray_jws_key *key, ray_view payload, uint8_t *to, uint64_t room);

#endif
