/* SPDX-License-Identifier: MIT */
#ifndef RAY_QUOTA_H
#define RAY_QUOTA_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* quota: how much a tenant may use per window, and how much it has used.
 *
 * Law: inside any one window, used + reserved never exceeds limit + carry through an admission while mode is hard.
 * Cost: ask and take are O(quotas of the tenant), at most RAY_REQUEST_QUOTA_MAX. Source: SEMANTICS.md, quota.
 */
typedef struct ray_quota ray_quota;           /* state; size and layout are private */

enum ray_quota_type {
    RAY_QUOTA_REQUESTS = 0,
    RAY_QUOTA_BYTES = 1,
    RAY_QUOTA_COMPUTE = 2,
    RAY_QUOTA_CUSTOM = 3,
    RAY_QUOTA_TYPE_MAX = 4
};

enum ray_quota_reset {
    RAY_RESET_NEVER = 0,
    RAY_RESET_FIXED = 1,     /* every period_ns from anchor_ns */
    RAY_RESET_ROLLING = 2,   /* the last period_ns, in RAY_QUOTA_ROLLING_PARTS steps */
    RAY_RESET_DAY = 3,       /* at `anchor_ns` into the day of the configured UTC offset */
    RAY_RESET_WEEK = 4,      /* anchor_day 1 Monday .. 7 Sunday */
    RAY_RESET_MONTH = 5      /* anchor_day 1..31; a shorter month clamps, the next returns */
};

enum ray_quota_enforcement {
    RAY_QUOTA_HARD = 0,
    RAY_QUOTA_SOFT = 1
};

/* A rolling window is cut into RAY_QUOTA_ROLLING_PARTS steps of ceil(period_ns / parts). Units count from the step they
 * were booked in until parts further steps have begun: at least period_ns, at most period_ns + one step. So no window
 * of period_ns ever holds more than the limit; what is given back comes at most one step (a twelfth) late. */
enum ray_quota_constant {
    RAY_QUOTA_ROLLING_PARTS = 12,
    RAY_QUOTA_EVICT_WINDOW = 32,      /* active slots looked at, from a moving hand, when the table is full */
    RAY_QUOTA_ROLLOVER_BP_MAX = 1000  /* ten percent */
};

enum ray_quota_flag {
    RAY_QUOTA_OVER = 1,        /* admitted by a soft quota beyond limit + carry */
    RAY_QUOTA_LATE = 2,        /* the event is older than the current period, which was charged instead */
    RAY_QUOTA_DUPLICATE = 4    /* this event id was seen; the first answer again, nothing charged */
};

/* One configured allocation; also the row of the blob's quota section. Guards of 0 are absent. */
typedef struct ray_quota_spec {
    ray_name name;
    ray_name custom;                   /* custom:<name>, type custom only */
    uint64_t limit_units;
    uint64_t period_ns;                /* fixed and rolling only */
    int64_t anchor_ns;
    uint64_t guard_requests_per_s;
    uint64_t guard_bytes_per_s;
    uint32_t tenant;                   /* RAY_NONE: every tenant of `plan`, an instance each */
    uint32_t plan;                     /* RAY_NONE: any */
    uint32_t service;                  /* RAY_NONE: any */
    uint32_t rollover_bp;              /* 0..1000 */
    uint32_t anchor_day;
    int32_t utc_offset_minutes;
    uint8_t type;
    uint8_t reset;
    uint8_t enforcement;
    uint8_t mode;                      /* enum ray_mode */
    uint8_t per_user;                  /* 1: an instance per user of the tenant */
    uint8_t carry_overage;             /* 1: a reset carries overage as debt */
    uint8_t reserved[2];
    uint8_t alert_percent[RAY_QUOTA_ALERT_EACH];   /* ascending, 0 ends */
    uint8_t reserved_2[4];
} ray_quota_spec;

typedef struct ray_quota_query {
    ray_view user;
    uint64_t units[RAY_QUOTA_TYPE_MAX];   /* what it is expected to use, by type; custom counts for every custom quota */
    int64_t wall_offset_ns;
    uint32_t tenant;                      /* RAY_NONE: none, no tenant quota applies */
    uint32_t plan;
    uint32_t service;
    uint32_t reserved;
} ray_quota_query;

/* One quota's answer. */
typedef struct ray_quota_answer {
    uint64_t units;            /* asked of this quota */
    uint64_t left_units;       /* before this request */
    uint64_t retry_after_ns;   /* until the reset; 0 granted, RAY_NEVER cannot be */
    uint64_t key;              /* identity of the instance: allocation, tenant, user */
    uint32_t allocation;       /* handle */
    uint32_t slot;             /* private: the active instance, RAY_NONE when take makes one */
    uint16_t reason;
    uint8_t granted;
    uint8_t shadow;
    uint32_t flags;            /* enum ray_quota_flag */
} ray_quota_answer;

typedef struct ray_quota_answers {
    ray_quota_answer at[RAY_REQUEST_QUOTA_MAX];
    uint64_t retry_after_ns;
    uint32_t count;
    uint32_t by;               /* place in `at`, RAY_NONE when granted */
    uint32_t granted;
    uint32_t shadow_denied_count;
} ray_quota_answers;

/* What a take reserved, kept until settle. */
typedef struct ray_quota_hold {
    uint64_t units;
    uint64_t period;           /* private: which period it was booked in */
    uint32_t slot;
    uint32_t stamp;            /* private: recognises a slot that was removed or reused since */
} ray_quota_hold;

uint64_t ray_quota_bytes(void);
void ray_quota_init(ray_quota *quota, const uint8_t seed[16]);

/* Would every quota of the tenant hold query->units now, all dimensions together? Changes nothing. */
ray_status ray_quota_ask(const ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                         ray_quota_answers *out);

/* Reserves what was asked with every enforced quota (shadow ones too, when they grant). holds: RAY_REQUEST_QUOTA_MAX
 * places; returns how many were written. Must follow an ask at the same now_ns with nothing between. */
uint32_t ray_quota_take(ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                        const ray_quota_answers *answers, ray_quota_hold *holds);

void ray_quota_note(ray_quota *quota, uint64_t now_ns, const ray_quota_answers *answers, uint32_t granted);

/* Ends the holds: the actual units by type replace the estimate, in the period they were booked in (a closed one is
 * immutable: the difference goes to the current period, flagged late). Never denies. */
void ray_quota_settle(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns, const ray_quota_hold *holds,
                      uint32_t count, const uint64_t actual_units[RAY_QUOTA_TYPE_MAX]);

/* Ends the holds as if the request had never been: nothing is used. A closed period gives 0 back, counted. */
void ray_quota_refund(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns, const ray_quota_hold *holds,
                      uint32_t count);

#endif
