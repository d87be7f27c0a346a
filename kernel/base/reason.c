/* SPDX-License-Identifier: MIT */
/* reason.c - reasons as stable words, and back. One table in the order of the codes: every module
 * writes the same word. */
#include "base/bytes.h"

typedef struct reason_row {
    const char *word;
    uint64_t reason;
} reason_row;

static const reason_row table[] = {
    {"none", RAY_REASON_NONE},
    {"ok", RAY_REASON_OK},
    {"no-limit", RAY_REASON_NO_LIMIT},
    {"inflight-full", RAY_REASON_INFLIGHT_FULL},
    {"draining", RAY_REASON_DRAINING},
    {"deadline", RAY_REASON_DEADLINE},
    {"client-cancel", RAY_REASON_CLIENT_CANCEL},
    {"off", RAY_REASON_OFF},
    {"refunded", RAY_REASON_REFUNDED},
    {"retry", RAY_REASON_RETRY},
    {"cached", RAY_REASON_CACHED},
    {"no-route", RAY_REASON_NO_ROUTE},
    {"method-not-allowed", RAY_REASON_METHOD_NOT_ALLOWED},
    {"method-unknown", RAY_REASON_METHOD_UNKNOWN},
    {"path-bad", RAY_REASON_PATH_BAD},
    {"target-too-long", RAY_REASON_TARGET_TOO_LONG},
    {"headers-too-large", RAY_REASON_HEADERS_TOO_LARGE},
    {"body-too-large", RAY_REASON_BODY_TOO_LARGE},
    {"headers-bad", RAY_REASON_HEADERS_BAD},
    {"service-unhealthy", RAY_REASON_SERVICE_UNHEALTHY},
    {"rate-limited", RAY_REASON_RATE_LIMITED},
    {"rate-never", RAY_REASON_RATE_NEVER},
    {"rate-held", RAY_REASON_RATE_HELD},
    {"rate-delayed", RAY_REASON_RATE_DELAYED},
    {"rate-queue-full", RAY_REASON_RATE_QUEUE_FULL},
    {"rate-table-full", RAY_REASON_RATE_TABLE_FULL},
    {"rate-reserved", RAY_REASON_RATE_RESERVED},
    {"limit-required", RAY_REASON_LIMIT_REQUIRED},
    {"quota-exceeded", RAY_REASON_QUOTA_EXCEEDED},
    {"quota-never", RAY_REASON_QUOTA_NEVER},
    {"quota-guard", RAY_REASON_QUOTA_GUARD},
    {"quota-table-full", RAY_REASON_QUOTA_TABLE_FULL},
    {"queued", RAY_REASON_QUEUED},
    {"queue-full", RAY_REASON_QUEUE_FULL},
    {"displaced", RAY_REASON_DISPLACED},
    {"preempted", RAY_REASON_PREEMPTED},
    {"service-gone", RAY_REASON_SERVICE_GONE},
    {"policy-denied", RAY_REASON_POLICY_DENIED},
    {"policy-indeterminate", RAY_REASON_POLICY_INDETERMINATE},
    {"policy-default", RAY_REASON_POLICY_DEFAULT},
    {"policy-redirect", RAY_REASON_POLICY_REDIRECT},
    {"cost-range", RAY_REASON_COST_RANGE},
    {"auth-required", RAY_REASON_AUTH_REQUIRED},
    {"auth-malformed", RAY_REASON_AUTH_MALFORMED},
    {"auth-unknown", RAY_REASON_AUTH_UNKNOWN},
    {"auth-disabled", RAY_REASON_AUTH_DISABLED},
    {"auth-expired", RAY_REASON_AUTH_EXPIRED},
    {"auth-not-yet", RAY_REASON_AUTH_NOT_YET},
    {"auth-revoked", RAY_REASON_AUTH_REVOKED},
    {"auth-rotated", RAY_REASON_AUTH_ROTATED},
    {"auth-algorithm", RAY_REASON_AUTH_ALGORITHM},
    {"auth-key-unknown", RAY_REASON_AUTH_KEY_UNKNOWN},
    {"auth-signature", RAY_REASON_AUTH_SIGNATURE},
    {"auth-token-bad", RAY_REASON_AUTH_TOKEN_BAD},
    {"auth-claim-bad", RAY_REASON_AUTH_CLAIM_BAD},
    {"auth-issuer", RAY_REASON_AUTH_ISSUER},
    {"auth-audience", RAY_REASON_AUTH_AUDIENCE},
    {"auth-lifetime", RAY_REASON_AUTH_LIFETIME},
    {"auth-permission", RAY_REASON_AUTH_PERMISSION},
    {"auth-locked", RAY_REASON_AUTH_LOCKED},
    {"auth-introspect", RAY_REASON_AUTH_INTROSPECT},
    {"auth-inactive", RAY_REASON_AUTH_INACTIVE},
    {"auth-tenant", RAY_REASON_AUTH_TENANT},
    {"auth-ambiguous", RAY_REASON_AUTH_AMBIGUOUS},
    {"auth-scheme", RAY_REASON_AUTH_SCHEME},
    {"auth-role", RAY_REASON_AUTH_ROLE},
    {"auth-service", RAY_REASON_AUTH_SERVICE},
    {"schema-invalid", RAY_REASON_SCHEMA_INVALID},
    {"body-malformed", RAY_REASON_BODY_MALFORMED},
    {"media-unsupported", RAY_REASON_MEDIA_UNSUPPORTED},
    {"not-acceptable", RAY_REASON_NOT_ACCEPTABLE},
    {"lossy", RAY_REASON_LOSSY},
    {"response-invalid", RAY_REASON_RESPONSE_INVALID},
    {"cache-hit", RAY_REASON_CACHE_HIT},
    {"cache-only", RAY_REASON_CACHE_ONLY},
    {"grpc-status", RAY_REASON_GRPC_STATUS},
    {"body-grown", RAY_REASON_BODY_GROWN},
    {"no-instance", RAY_REASON_NO_INSTANCE},
    {"pool-full", RAY_REASON_POOL_FULL},
    {"breaker-open", RAY_REASON_BREAKER_OPEN},
    {"bulkhead-full", RAY_REASON_BULKHEAD_FULL},
    {"breaker-probing", RAY_REASON_BREAKER_PROBING},
    {"breaker-forced", RAY_REASON_BREAKER_FORCED},
    {"bulkhead-waits", RAY_REASON_BULKHEAD_WAITS},
    {"retry-none", RAY_REASON_RETRY_NONE},
    {"retry-outcome", RAY_REASON_RETRY_OUTCOME},
    {"retry-method", RAY_REASON_RETRY_METHOD},
    {"retry-attempts", RAY_REASON_RETRY_ATTEMPTS},
    {"retry-deadline", RAY_REASON_RETRY_DEADLINE},
    {"retry-budget", RAY_REASON_RETRY_BUDGET},
};

enum { REASON_COUNT = sizeof table / sizeof table[0] };

const char *ray_reason_word(uint32_t reason)
{
    uint32_t low = 0, high = REASON_COUNT;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (table[middle].reason < reason)
            low = middle + 1;
        else
            high = middle;
    }
    return low < REASON_COUNT && table[low].reason == reason ? table[low].word : "?";
}

ray_status ray_reason_find(const char *at, uint64_t length, uint32_t *reason)
{
    for (uint32_t i = 0; i < REASON_COUNT; i++)
        if (ray_same_word(at, length, table[i].word) != 0) {
            *reason = (uint32_t)table[i].reason;
            return RAY_OK;
        }
    return RAY_E_UNKNOWN;
}
