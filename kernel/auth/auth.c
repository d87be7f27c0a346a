/* SPDX-License-Identifier: MIT */
/* auth.c - one request: find its credential, wait where it must, know it, and see what it may. */
#include "parts.h"
#include "base/headers.h"

/* -- init -- */
uint64_t ray_auth_bytes(void)
{
    return sizeof(struct ray_auth);
}

void ray_auth_init(ray_auth *auth, const uint8_t seed[16])
{
    memset(auth, 0, sizeof *auth);
    memcpy(auth->config.seed, seed, sizeof auth->config.seed);
    ray_auth_spec_default(&auth->config.spec);
    ray_auth_roles_default(auth);
}

/* -- answers (private) -- */
static uint32_t status_of(uint32_t reason)
{
    switch (reason) {
    case RAY_REASON_OK: return 0;
    case RAY_REASON_AUTH_PERMISSION:
    case RAY_REASON_AUTH_ROLE:
    case RAY_REASON_AUTH_SERVICE:
    case RAY_REASON_AUTH_TENANT: return 403;
    case RAY_REASON_AUTH_LOCKED: return 429;
    case RAY_REASON_AUTH_INTROSPECT: return 503;
    case RAY_REASON_AUTH_AMBIGUOUS: return 400;
    default: return 401;
    }
}

/* Which failures look like guessing. What was good once, or is good elsewhere, does not. */
static uint32_t guesses(uint32_t reason)
{
    switch (reason) {
    case RAY_REASON_AUTH_MALFORMED:
    case RAY_REASON_AUTH_UNKNOWN:
    case RAY_REASON_AUTH_ALGORITHM:
    case RAY_REASON_AUTH_KEY_UNKNOWN:
    case RAY_REASON_AUTH_SIGNATURE:
    case RAY_REASON_AUTH_TOKEN_BAD:
    case RAY_REASON_AUTH_INACTIVE: return 1;
    default: return 0;
    }
}

static void begin(ray_auth_answer *out)
{
    memset(out, 0, sizeof *out);
    out->credential = out->key = out->tenant = RAY_NONE;
}

static void finish(ray_auth_answer *out, uint32_t reason)
{
    out->reason = (uint16_t)reason;
    out->http_status = (uint16_t)status_of(reason);
    out->granted = reason == RAY_REASON_OK;
    out->penalty = (uint8_t)guesses(reason);
    if (reason != RAY_REASON_AUTH_LOCKED)
        out->retry_after_ns = 0;
}

void ray_auth_settle(const ray_auth *auth, uint32_t service, ray_auth_answer *out)
{
    ray_view user = {out->user, out->user_length};
    uint32_t reason = out->reason;
    if (reason == RAY_REASON_OK) {
        out->permissions = ray_auth_rights(auth, out->role, out->tenant, user, service);
        if (out->limited != 0) {
            uint32_t most = (out->limited & RAY_PERMISSION_ADMIN) != 0
                                ? (uint32_t)RAY_PERMISSION_ALL : out->limited;
            out->permissions &= most;
        }
    }
    finish(out, reason);
}

/* -- which credential -- */
typedef struct presented {
    ray_view authorization;
    ray_view api_key;
    uint32_t count;
} presented;

static void look_for(const ray_auth *auth, ray_view headers, presented *out)
{
    const ray_name *header = &auth->config.spec.header;
    uint32_t length = ray_name_length(header);
    ray_view twice;
    memset(out, 0, sizeof *out);
    if (ray_headers_find(headers, "authorization", 13, 0, &out->authorization) != 0)
        out->count += 1 + ray_headers_find(headers, "authorization", 13, 1, &twice);
    if (length != 0 && ray_headers_find(headers, header->at, length, 0, &out->api_key) != 0)
        out->count += 1 + ray_headers_find(headers, header->at, length, 1, &twice);
}

/* "Basic xyz": 1 and the value when the word is this scheme's, compared without case. */
static uint32_t of_scheme(ray_view value, const char *word, uint64_t length, ray_view *rest)
{
    if (value.length <= length || value.at[length] != ' ' ||
        ray_same_ignoring_case((const char *)value.at, word, length) == 0)
        return 0;
    while (length < value.length && value.at[length] == ' ')
        length++;
    *rest = (ray_view){value.at + length, value.length - length};
    return 1;
}

static uint32_t identify(const ray_auth *auth, const ray_auth_moment *at, const presented *shown,
                         ray_auth_answer *out)
{
    ray_view rest;
    if (shown->api_key.at != 0)
        return ray_auth_api_key(auth, at, shown->api_key, out);
    if (of_scheme(shown->authorization, "basic", 5, &rest) != 0)
        return ray_auth_basic(auth, at, rest, out);
    if (of_scheme(shown->authorization, "bearer", 6, &rest) != 0)
        return ray_auth_bearer(auth, at, rest, out);
    return RAY_REASON_AUTH_SCHEME;
}

/* -- may they -- */
static uint32_t permit(const ray_auth *auth, const ray_auth_query *query,
                       const ray_auth_answer *out)
{
    uint32_t place = out->credential & RAY_AUTH_SLOT_MASK;
    if (out->credential != RAY_NONE && auth->config.credential[place].service != RAY_NONE &&
        auth->config.credential[place].service != query->service)
        return RAY_REASON_AUTH_SERVICE;
    if (query->role != 0 && out->role != query->role && out->role != RAY_ROLE_ADMIN)
        return RAY_REASON_AUTH_ROLE;
    if ((query->permission & ~out->permissions) != 0)
        return RAY_REASON_AUTH_PERMISSION;
    return RAY_REASON_OK;
}

/* -- request -- */
uint32_t ray_auth_asked(const ray_auth *auth, uint32_t need)
{
    (void)auth;
    return need != RAY_AUTH_NONE;
}

static ray_status query_check(const ray_auth_query *query)
{
    if (query->need > RAY_AUTH_REQUIRED || query->permission > RAY_PERMISSION_ALL ||
        query->address_known > 1 || query->role >= RAY_ROLE_MAX || query->trusted > 1 ||
        query->vouched > 1 || query->own_role >= RAY_ROLE_MAX)
        return RAY_E_ARGUMENT;
    if (query->service != RAY_NONE && (query->service & RAY_AUTH_SLOT_MASK) >= RAY_SERVICE_MAX)
        return RAY_E_UNKNOWN;
    return RAY_OK;
}

/* The caller's word stands for a credential, not for what its owner may. Nothing is known of who
 * has neither a name nor a role, which an optional route lets in that wants no role. */
static void ask_vouched(const ray_auth *auth, const ray_auth_query *query, ray_auth_answer *out)
{
    out->known = query->need == RAY_AUTH_REQUIRED || query->own_role != RAY_ROLE_NONE ||
                 query->user.length != 0 || query->role != RAY_ROLE_NONE;
    if (out->known == 0) {
        finish(out, RAY_REASON_OK);
        return;
    }
    out->scheme = RAY_SCHEME_VOUCHED;
    out->tenant = query->tenant;
    out->role = query->own_role;
    out->permissions =
        ray_auth_rights(auth, query->own_role, query->tenant, query->user, query->service);
    finish(out, permit(auth, query, out));
}

ray_status ray_auth_ask(const ray_auth *auth, uint64_t now_ns, const ray_auth_query *query,
                        struct ray_secrets *secrets, ray_auth_answer *out)
{
    ray_auth_moment at = {now_ns, ray_auth_unix(now_ns, query->wall_offset_ns), secrets,
                          query->trusted, 0};
    presented shown;
    ray_status status = query_check(query);
    if (status != RAY_OK)
        return status;
    begin(out);
    if (query->need == RAY_AUTH_NONE) {
        finish(out, RAY_REASON_OK);
        return RAY_OK;
    }
    if (query->vouched != 0) {
        ask_vouched(auth, query, out);
        return RAY_OK;
    }
    look_for(auth, query->headers, &shown);
    if (shown.count != 1) {
        /* Who shows nothing is in no role, so a route that wants one lets nobody in like that. */
        uint32_t needs_none = query->need == RAY_AUTH_OPTIONAL && query->role == RAY_ROLE_NONE;
        finish(out, shown.count > 1   ? RAY_REASON_AUTH_AMBIGUOUS
                    : needs_none != 0 ? RAY_REASON_OK
                                      : RAY_REASON_AUTH_REQUIRED);
        return RAY_OK;
    }
    out->source = ray_auth_source(auth, query);
    out->retry_after_ns = ray_auth_source_wait(auth, now_ns, out->source);
    if (out->retry_after_ns != 0) {
        finish(out, RAY_REASON_AUTH_LOCKED);
        return RAY_OK;
    }
    out->reason = (uint16_t)identify(auth, &at, &shown, out);
    out->known = out->reason == RAY_REASON_OK;
    ray_auth_settle(auth, query->service, out);
    if (out->known != 0)
        finish(out, permit(auth, query, out));
    return RAY_OK;
}

void ray_auth_note(ray_auth *auth, uint64_t now_ns, const ray_auth_query *query,
                   const ray_auth_answer *answer, uint32_t granted)
{
    ray_auth_tally *tally = &auth->tally;
    if (answer == 0) {
        tally->error_count++;
        return;
    }
    uint32_t good = answer->granted != 0, place = answer->credential & RAY_AUTH_SLOT_MASK;
    uint32_t which = (uint32_t)answer->reason - RAY_REASON_AUTH_REQUIRED;
    (void)query;
    tally->asked_count++;
    tally->granted_count += good;
    tally->denied_count += !good;
    tally->unspent_count += good && granted == 0;
    tally->anonymous_count += good && answer->known == 0;
    tally->cache_hit_count += answer->cached;
    if (good && answer->known != 0)
        tally->scheme_count[answer->scheme % RAY_AUTH_SCHEMES]++;
    if (!good && which < RAY_AUTH_REASONS)
        tally->reason_count[which]++;
    if (answer->credential != RAY_NONE && place < RAY_CREDENTIAL_MAX) {
        ray_credential_tally *row = &tally->credential[place];
        row->granted_count += good;
        row->denied_count += !good;
        if (answer->known != 0)
            row->last_ns = now_ns;
    }
    if (answer->known != 0 && answer->scheme == RAY_SCHEME_JWT &&
        (answer->cache_key[0] | answer->cache_key[1]) != 0)
        ray_auth_cache_fill(auth, answer);
    if (answer->penalty != 0)
        ray_auth_penalise(auth, now_ns, answer);
}

/* RFC 9110 11.6.1, RFC 6750 3: a client that showed nothing is told what to show, one whose token
 * failed is told that, and never more. */
void ray_auth_challenge(const ray_auth *auth, const ray_auth_answer *answer, ray_text *out)
{
    uint32_t schemes = auth->config.schemes, failed = answer->reason != RAY_REASON_AUTH_REQUIRED;
    uint32_t bearer = (schemes >> RAY_SCHEME_BEARER & 1) | (auth->config.jwt_count != 0) |
                      (auth->config.spec.introspects != 0);
    uint32_t basic = schemes >> RAY_SCHEME_BASIC & 1, keys = schemes >> RAY_SCHEME_API_KEY & 1;
    if (answer->http_status != 401 && answer->http_status != 403)
        return;
    if (bearer != 0) {
        ray_text_put(out, "Bearer realm=\"raygate\"");
        if (failed && answer->http_status == 401 && answer->scheme >= RAY_SCHEME_BEARER)
            ray_text_put(out, ", error=\"invalid_token\"");
        if (answer->http_status == 403)
            ray_text_put(out, ", error=\"insufficient_scope\"");
    }
    if (basic != 0)
        ray_text_put(out, bearer != 0 ? ", Basic realm=\"raygate\", charset=\"UTF-8\""
                                      : "Basic realm=\"raygate\", charset=\"UTF-8\"");
    if (keys != 0 || bearer + basic == 0)
        ray_text_put(out, bearer + basic != 0 ? ", ApiKey realm=\"raygate\""
                                              : "ApiKey realm=\"raygate\"");
}
