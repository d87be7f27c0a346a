/* SPDX-License-Identifier: MIT */
#ifndef RAY_LIMITS_H
#define RAY_LIMITS_H

/* limits, profile tiny: two to eight of everything: property, fuzz and proof tests.
 * Every capacity of the core, each with its reason. `mem` prints the bytes, tests/limits.txt keeps
 * them.
 */
enum ray_limits {
    RAY_PROFILE = 3,                         /* tiny */
    RAY_STATE_BYTES_MAX = 131072,           /* budget of struct ray */

    /* gateway */
    RAY_SERVICE_MAX = 4,                    /* phase 19 task 1 */
    RAY_ROUTE_MAX = 8,                      /* phase 19 task 1 */
    RAY_ROUTE_PATTERN_BYTES = 256,            /* a longer pattern is refused, never cut */
    RAY_ROUTE_HEADER_MAX = 4,
    RAY_ROUTE_QUERY_MAX = 4,
    RAY_ROUTE_LIMIT_MAX = 4,                  /* named limits a route may attach */
    RAY_MATCH_VALUE_BYTES = 80,
    RAY_HOST_BYTES = 80,
    RAY_DFA_MAX = 2,                         /* regex routes */
    RAY_DFA_POOL_BYTES = 4096,             /* DESIGN.md section 4: 1 MiB in all */
    RAY_DFA_TABLE_BYTES = 2048,              /* one pattern's table */
    RAY_CAPTURE_MAX = 8,
    RAY_TARGET_BYTES_MAX = 8192,              /* 414 above */
    RAY_HEADER_BYTES_MAX = 8192,              /* 431 above */
    RAY_BODY_BYTES_MAX = 8192,                /* default max_body; 413 above */
    RAY_TRUST_MAX = 4,                       /* trusted proxy networks */

    /* who */
    RAY_TENANT_MAX = 4,
    RAY_PLAN_MAX = 2,

    /* ratelimit */
    RAY_LIMIT_SERVICE_MAX = 4,              /* phase 20 task 1 */
    RAY_LIMIT_USER_MAX = 4,                 /* phase 20 task 1 */
    RAY_LIMIT_IP_MAX = 2,
    RAY_LIMIT_NAMED_MAX = 2,
    RAY_LIMIT_MAX = 12,                      /* the four scopes together */
    RAY_LIMIT_RATE_MAX = 8,                /* per-plan rates of all limits together */
    RAY_LIMIT_USER_KEY_MAX = 8,             /* active keyed buckets by user, a power of two */
    RAY_LIMIT_IP_KEY_MAX = 8,              /* active keyed buckets by address, a power of two */
    RAY_LIMIT_KEY_WINDOW = 8,                 /* probe length, DESIGN.md section 4 */
    RAY_LIMIT_EXACT_MAX = 128,              /* instants of all exact logs together */
    RAY_LIMIT_EXACT_EACH = 64,                /* an exact log's longest limit */
    RAY_REQUEST_LIMIT_MAX = 8,                /* limits of one request; the compiler refuses more */

    /* quota */
    RAY_QUOTA_ALLOCATION_MAX = 4,           /* phase 20 task 2 */
    RAY_QUOTA_ACTIVE_MAX = 8,               /* phase 20 task 2 */
    RAY_QUOTA_RESERVATION_MAX = 8,
    RAY_QUOTA_EVENT_MAX = 8,               /* event ids remembered for exactly-once */
    RAY_QUOTA_ALERT_MAX = 8,
    RAY_QUOTA_ALERT_EACH = 4,                 /* thresholds of one allocation */
    RAY_REQUEST_QUOTA_MAX = 6,                /* quotas charged by one request */

    /* priority */
    RAY_QUEUE_ENTRY_MAX = 8,                  /* requests that wait, all 256 queues together */
    RAY_QUEUE_FLOW_MAX = 2,                   /* fair flows inside one lane */
    RAY_SLA_ALERT_MAX = 2,                    /* minutes that broke their SLA and are kept */

    /* policy */
    RAY_POLICY_MAX = 8,                       /* phase 20 task 4 */
    RAY_POLICY_TERM_MAX = 16,                 /* ids, networks, times of all conditions */
    RAY_POLICY_HEADER_MAX = 4,                /* header conditions of all rules together */
    RAY_POLICY_AUDIT_MAX = 4,                 /* audited decisions that are kept */
    RAY_POLICY_LIMIT_MAX = 4,                 /* limits policies may add to one request */
    RAY_POLICY_QUOTA_MAX = 2,                 /* quotas policies may charge for one request */

    /* cost */
    RAY_COST_CELL_MAX = 8,                    /* phase 20 task 5: (tenant, service, metric) */
    RAY_COST_MULTIPLIER_MAX = 3,              /* of all price books together */
    RAY_COST_TIER_MAX = 4,                    /* of all price books together */
    RAY_COST_PERIOD_MAX = 2,                  /* closed periods kept per tenant */
    RAY_COST_ALERT_MAX = 2,                   /* thresholds on what is spent */
    RAY_COST_NOTICE_MAX = 2,                  /* alerts that fired and are kept */
    RAY_COST_EVENT_MAX = 2,                   /* event ids remembered for exactly-once */

    /* governance */
    RAY_SERIES_MAX = 9,                      /* phase 20 task 6; a full table folds */
    RAY_SERIES_SECOND_MAX = 2,                /* windows of a second a series keeps */
    RAY_SERIES_MINUTE_MAX = 2,                /* windows of a minute */
    RAY_SERIES_HOUR_MAX = 2,                  /* windows of an hour */
    RAY_HISTOGRAM_SUB_BITS = 1,               /* fine histogram: 2^bits buckets an octave */
    RAY_HISTOGRAM_WINDOW_BITS = 1,            /* the same of one window's latencies */
    RAY_HISTOGRAM_TOP_BITS = 16,              /* values from 2^bits ns on share a bucket */
    RAY_WAIT_HISTOGRAM_MAX = 1,               /* histograms: of all, then by service */
    RAY_GOVERNANCE_REASON_MAX = 4,           /* reasons counted apart, a power of two */
    RAY_ALERT_RULE_MAX = 2,                   /* configured alerts */
    RAY_ALERT_EVENT_MAX = 4,                  /* notifications that are kept */

    /* lb */
    RAY_POOL_MAX = 4,                         /* phase 19 task 4 */
    RAY_INSTANCE_MAX = 8,                     /* phase 19 task 4: of all pools together */
    RAY_LEASE_MAX = 8,                        /* connections under a lease at once */
    RAY_IDLE_MAX = 4,                         /* idle connections, all pools together */
    RAY_MAGLEV_MAX = 1,                       /* pools that balance by maglev */
    RAY_MAGLEV_SIZE = 13,                     /* places of a table, a prime */
    RAY_RING_MAX = 256,                       /* points of all ketama rings together */
    /* resilience: a breaker and a bulkhead stand before a service */
    RAY_BULKHEAD_MAX = 2,                   /* phase 19 task 5 */
    RAY_RESILIENCE_RING = 4,                 /* sub-windows of a failure rate and of a budget */
    RAY_WAITER_MAX = 8,                    /* who wait for a permit: as many as in flight */
    RAY_CALL_MAX = 8,                      /* permits the module keeps itself, used alone */
    RAY_BREAKER_EVENT_MAX = 4,             /* changes of state that are kept */
    /* apimon */
    RAY_APIMON_SERVICE_MAX = 2,                 /* phase 19 task 6: rows; a power of two */
    RAY_APIMON_SAMPLE_EACH = 4,                 /* phase 19 task 6: latencies a row keeps */
    RAY_APIMON_RECENT_MAX = 4,                  /* phase 19 task 6: latencies kept of all */
    RAY_APIMON_EDGE_MAX = 2,                    /* (caller, service); a power of two */
    /* mediator */
    RAY_TRANSFORM_MAX = 4,                     /* phase 19 task 3 */
    RAY_SCHEMA_MAX = 4,                       /* phase 19 task 3 */
    RAY_SCHEMA_NODE_MAX = 12,                 /* shapes of all schemas together */
    RAY_SCHEMA_PROPERTY_MAX = 12,             /* members of all objects together */
    RAY_SCHEMA_VALUE_MAX = 4,                 /* enum values together */
    RAY_SCHEMA_TEXT_BYTES = 256,              /* names and enum values */
    RAY_HEADER_EDIT_MAX = 6,                   /* header edits of all transforms together */
    RAY_CACHE_ENTRY_MAX = 4,                   /* kept responses */
    RAY_CACHE_ENTRY_BYTES = 256,               /* of one, headers included */
    /* auth */
    RAY_CREDENTIAL_MAX = 4,                   /* phase 19 task 2: with Basic and bearer rows */
    RAY_TOKEN_MAX = 4,                        /* phase 19 task 2: issued and revoked */
    RAY_GRANT_MAX = 4,                        /* rights of single users beside their roles */
    RAY_JWT_MAX = 2,                          /* issuers of signed tokens */
    RAY_JWT_KEY_MAX = 4,                      /* their keys together */
    RAY_PENALTY_MAX = 8,                      /* sources that failed lately, a power of two */
    RAY_VERIFIED_MAX = 2,                     /* verified tokens kept, a power of two */
    RAY_INTROSPECT_MAX = 2,                   /* introspection answers that are kept */

    /* pipeline */
    RAY_INFLIGHT_MAX = 8,
    RAY_AUDIT_MAX = 8
};

#endif
