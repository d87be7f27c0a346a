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

const char *ray_class_word(uint32_t priority)
{
    static const char words[RAY_CLASS_MAX][9] = {"critical", "high", "normal", "low", "batch"};
    return priority < RAY_CLASS_MAX ? words[priority] : "?";
}
