/* SPDX-License-Identifier: MIT */
/* words.c - codes as stable words. A switch per enum, so that a code without a word is a compiler
 * warning away. */
#include "pipeline/journey.h"
#include "base/bytes.h"

#define RAY_VERSION_TEXT "0.1.0"

const char *ray_version(void)
{
    return RAY_VERSION_TEXT;
}

const char *ray_verdict_word(uint32_t verdict)
{
    switch ((enum ray_verdict)verdict) {
    case RAY_VERDICT_NONE: return "none";
    case RAY_VERDICT_ALLOW: return "allow";
    case RAY_VERDICT_DENY: return "deny";
    case RAY_VERDICT_DELAY: return "delay";
    case RAY_VERDICT_REDIRECT: return "redirect";
    case RAY_VERDICT_SENT: return "sent";
    case RAY_VERDICT_DROPPED: return "dropped";
    case RAY_VERDICT_PREEMPTED: return "preempted";
    case RAY_VERDICT_COMPLETE: return "complete";
    case RAY_VERDICT_EXPIRED: return "expired";
    case RAY_VERDICT_CANCELLED: return "cancelled";
    case RAY_VERDICT_RETRY: return "retry";
    }
    return "?";
}

const char *ray_reason_word(uint32_t reason)
{
    switch ((enum ray_reason)reason) {
    case RAY_REASON_NONE: return "none";
    case RAY_REASON_OK: return "ok";
    case RAY_REASON_NO_LIMIT: return "no-limit";
    case RAY_REASON_INFLIGHT_FULL: return "inflight-full";
    case RAY_REASON_DRAINING: return "draining";
    case RAY_REASON_DEADLINE: return "deadline";
    case RAY_REASON_CLIENT_CANCEL: return "client-cancel";
    case RAY_REASON_OFF: return "off";
    case RAY_REASON_REFUNDED: return "refunded";
    case RAY_REASON_RETRY: return "retry";
    case RAY_REASON_CACHED: return "cached";
    case RAY_REASON_NO_ROUTE: return "no-route";
    case RAY_REASON_METHOD_NOT_ALLOWED: return "method-not-allowed";
    case RAY_REASON_METHOD_UNKNOWN: return "method-unknown";
    case RAY_REASON_PATH_BAD: return "path-bad";
    case RAY_REASON_TARGET_TOO_LONG: return "target-too-long";
    case RAY_REASON_HEADERS_TOO_LARGE: return "headers-too-large";
    case RAY_REASON_BODY_TOO_LARGE: return "body-too-large";
    case RAY_REASON_HEADERS_BAD: return "headers-bad";
    case RAY_REASON_SERVICE_UNHEALTHY: return "service-unhealthy";
    case RAY_REASON_RATE_LIMITED: return "rate-limited";
    case RAY_REASON_RATE_NEVER: return "rate-never";
    case RAY_REASON_RATE_HELD: return "rate-held";
    case RAY_REASON_RATE_DELAYED: return "rate-delayed";
    case RAY_REASON_RATE_QUEUE_FULL: return "rate-queue-full";
    case RAY_REASON_RATE_TABLE_FULL: return "rate-table-full";
    case RAY_REASON_RATE_RESERVED: return "rate-reserved";
    case RAY_REASON_LIMIT_REQUIRED: return "limit-required";
    case RAY_REASON_QUOTA_EXCEEDED: return "quota-exceeded";
    case RAY_REASON_QUOTA_NEVER: return "quota-never";
    case RAY_REASON_QUOTA_GUARD: return "quota-guard";
    case RAY_REASON_QUOTA_TABLE_FULL: return "quota-table-full";
    case RAY_REASON_QUEUED: return "queued";
    case RAY_REASON_QUEUE_FULL: return "queue-full";
    case RAY_REASON_DISPLACED: return "displaced";
    case RAY_REASON_PREEMPTED: return "preempted";
    case RAY_REASON_SERVICE_GONE: return "service-gone";
    case RAY_REASON_POLICY_DENIED: return "policy-denied";
    case RAY_REASON_POLICY_INDETERMINATE: return "policy-indeterminate";
    case RAY_REASON_POLICY_DEFAULT: return "policy-default";
    case RAY_REASON_POLICY_REDIRECT: return "policy-redirect";
    case RAY_REASON_COST_RANGE: return "cost-range";
    case RAY_REASON_NO_INSTANCE: return "no-instance";
    case RAY_REASON_POOL_FULL: return "pool-full";
    case RAY_REASON_BREAKER_OPEN: return "breaker-open";
    case RAY_REASON_BULKHEAD_FULL: return "bulkhead-full";
    case RAY_REASON_BREAKER_PROBING: return "breaker-probing";
    case RAY_REASON_BREAKER_FORCED: return "breaker-forced";
    case RAY_REASON_BULKHEAD_WAITS: return "bulkhead-waits";
    case RAY_REASON_RETRY_NONE: return "retry-none";
    case RAY_REASON_RETRY_OUTCOME: return "retry-outcome";
    case RAY_REASON_RETRY_METHOD: return "retry-method";
    case RAY_REASON_RETRY_ATTEMPTS: return "retry-attempts";
    case RAY_REASON_RETRY_DEADLINE: return "retry-deadline";
    case RAY_REASON_RETRY_BUDGET: return "retry-budget";
    case RAY_REASON_SCHEMA_INVALID: return "schema-invalid";
    case RAY_REASON_BODY_MALFORMED: return "body-malformed";
    case RAY_REASON_MEDIA_UNSUPPORTED: return "media-unsupported";
    case RAY_REASON_NOT_ACCEPTABLE: return "not-acceptable";
    case RAY_REASON_LOSSY: return "lossy";
    case RAY_REASON_RESPONSE_INVALID: return "response-invalid";
    case RAY_REASON_CACHE_HIT: return "cache-hit";
    case RAY_REASON_CACHE_ONLY: return "cache-only";
    case RAY_REASON_GRPC_STATUS: return "grpc-status";
    case RAY_REASON_BODY_GROWN: return "body-grown";
    case RAY_REASON_AUTH_REQUIRED: return "auth-required";
    case RAY_REASON_AUTH_MALFORMED: return "auth-malformed";
    case RAY_REASON_AUTH_UNKNOWN: return "auth-unknown";
    case RAY_REASON_AUTH_DISABLED: return "auth-disabled";
    case RAY_REASON_AUTH_EXPIRED: return "auth-expired";
    case RAY_REASON_AUTH_NOT_YET: return "auth-not-yet";
    case RAY_REASON_AUTH_REVOKED: return "auth-revoked";
    case RAY_REASON_AUTH_ROTATED: return "auth-rotated";
    case RAY_REASON_AUTH_ALGORITHM: return "auth-algorithm";
    case RAY_REASON_AUTH_KEY_UNKNOWN: return "auth-key-unknown";
    case RAY_REASON_AUTH_SIGNATURE: return "auth-signature";
    case RAY_REASON_AUTH_TOKEN_BAD: return "auth-token-bad";
    case RAY_REASON_AUTH_CLAIM_BAD: return "auth-claim-bad";
    case RAY_REASON_AUTH_ISSUER: return "auth-issuer";
    case RAY_REASON_AUTH_AUDIENCE: return "auth-audience";
    case RAY_REASON_AUTH_LIFETIME: return "auth-lifetime";
    case RAY_REASON_AUTH_PERMISSION: return "auth-permission";
    case RAY_REASON_AUTH_LOCKED: return "auth-locked";
    case RAY_REASON_AUTH_INTROSPECT: return "auth-introspect";
    case RAY_REASON_AUTH_INACTIVE: return "auth-inactive";
    case RAY_REASON_AUTH_TENANT: return "auth-tenant";
    case RAY_REASON_AUTH_AMBIGUOUS: return "auth-ambiguous";
    case RAY_REASON_AUTH_SCHEME: return "auth-scheme";
    case RAY_REASON_AUTH_ROLE: return "auth-role";
    case RAY_REASON_AUTH_SERVICE: return "auth-service";
    }
    return "?";
}

const char *ray_by_word(uint32_t by_kind)
{
    switch ((enum ray_by_kind)by_kind) {
    case RAY_BY_NONE: return "none";
    case RAY_BY_ROUTE: return "route";
    case RAY_BY_SERVICE: return "service";
    case RAY_BY_LIMIT: return "limit";
    case RAY_BY_QUOTA: return "quota";
    case RAY_BY_POLICY: return "policy";
    case RAY_BY_QUEUE: return "queue";
    case RAY_BY_TRANSFORM: return "transform";
    case RAY_BY_CREDENTIAL: return "credential";
    case RAY_BY_ALERT: return "alert";
    case RAY_BY_POOL: return "pool";
    case RAY_BY_INSTANCE: return "instance";
    case RAY_BY_BREAKER: return "breaker";
    case RAY_BY_BULKHEAD: return "bulkhead";
    }
    return "?";
}

const char *ray_status_word(ray_status status)
{
    switch ((enum ray_status_code)status) {
    case RAY_OK: return "ok";
    case RAY_E_ARGUMENT: return "bad argument";
    case RAY_E_UNKNOWN: return "unknown";
    case RAY_E_STALE: return "stale handle";
    case RAY_E_FULL: return "table full";
    case RAY_E_EXISTS: return "exists already";
    case RAY_E_USED: return "still in use";
    case RAY_E_RANGE: return "out of range";
    case RAY_E_RATE: return "rate cannot be held exactly";
    case RAY_E_STATE: return "not now";
    case RAY_E_TRUNCATED: return "truncated";
    case RAY_E_CHECKSUM: return "checksum wrong";
    case RAY_E_VERSION: return "wrong version";
    case RAY_E_SYNTAX: return "does not parse";
    case RAY_E_BUSY: return "busy";
    case RAY_E_UNBUILT: return "not built";
    }
    return "?";
}

static const char METHODS[RAY_METHOD_MAX][8] = {"OTHER", "GET",    "HEAD",  "POST",
                                                "PUT",   "DELETE", "PATCH", "OPTIONS"};

const char *ray_method_word(uint32_t method)
{
    return method < RAY_METHOD_MAX ? METHODS[method] : "?";
}

uint32_t ray_method_of(const char *at, uint64_t length)
{
    for (uint32_t i = RAY_METHOD_GET; i < RAY_METHOD_MAX; i++)
        if (ray_same_word(at, length, METHODS[i]))
            return i;
    return RAY_METHOD_OTHER;
}

const char *ray_class_word(uint32_t priority)
{
    static const char words[RAY_CLASS_MAX][9] = {"critical", "high", "normal", "low", "batch"};
    return priority < RAY_CLASS_MAX ? words[priority] : "?";
}
