/* SPDX-License-Identifier: MIT */
#ifndef RAY_QUOTA_H
#define RAY_QUOTA_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* quota: how much a tenant may use per window, and how much it has used.
 *
 * Law: inside any one window, used + reserved never exceeds limit + carry through an admission
 * while mode is hard. Cost: ask and take are O(quotas of the tenant), at most
 * RAY_REQUEST_QUOTA_MAX. Source: SEMANTICS.md, quota.
 */
typedef struct ray_quota ray_quota; /* state; size and layout are private */

enum ray_quota_type {
    RAY_QUOTA_REQUESTS = 0,
    RAY_QUOTA_BYTES = 1,
    RAY_QUOTA_COMPUTE = 2,
    RAY_QUOTA_CUSTOM = 3,
    RAY_QUOTA_COST = 4, /* money in 10^-9 units: a hard budget */
    RAY_QUOTA_TYPE_MAX = 5
};

enum ray_quota_reset {
    RAY_RESET_NEVER = 0,
    RAY_RESET_FIXED = 1,   /* every period_ns from anchor_ns */
    RAY_RESET_ROLLING = 2, /* the last period_ns, in RAY_QUOTA_ROLLING_PARTS steps */
    RAY_RESET_DAY = 3,     /* at `anchor_ns` into the day of the configured UTC offset */
    RAY_RESET_WEEK = 4,    /* anchor_day 1 Monday .. 7 Sunday */
    RAY_RESET_MONTH = 5    /* anchor_day 1..31; a shorter month clamps, the next returns */
};

enum ray_quota_enforcement { RAY_QUOTA_HARD = 0, RAY_QUOTA_SOFT = 1 };

/* A rolling window is cut into RAY_QUOTA_ROLLING_PARTS steps of ceil(period_ns / parts). Units
 * count from the step they were booked in until parts further steps have begun: at least period_ns,
 * at most period_ns + one step. So no window of period_ns ever holds more than the limit; what is
 * given back comes at most one step (a twelfth) late. */
enum ray_quota_constant {
    RAY_QUOTA_ROLLING_PARTS = 12,
    RAY_QUOTA_EVICT_WINDOW =
        32, /* active slots looked at, from a moving hand, when the table is full */
    RAY_QUOTA_ROLLOVER_BP_MAX = 1000, /* ten percent */
    RAY_QUOTA_WEIGHT_MAX = 65535
};

enum ray_quota_flag {
    RAY_QUOTA_OVER = 1, /* admitted by a soft quota beyond limit + carry */
    RAY_QUOTA_LATE = 2, /* the event is older than the current period, which was charged instead */
    RAY_QUOTA_DUPLICATE = 4 /* this event id was seen; the first answer again, nothing charged */
};

/* One configured allocation; also the row of the blob's quota section. Guards of 0 are absent. */
typedef struct ray_quota_spec {
    ray_name name;
    ray_name custom; /* custom:<name>, type custom only */
    uint64_t limit_units;
    uint64_t period_ns; /* fixed and rolling only */
    int64_t anchor_ns;
    uint64_t guard_requests_per_s;
    uint64_t guard_bytes_per_s;
    uint64_t guard_errors_per_min; /* of the service, by its monitoring */
    uint64_t guard_latency_p99_ns; /* of the service, by its monitoring */
    uint32_t tenant;      /* RAY_NONE: every tenant of `plan`, an instance each */
    uint32_t plan;        /* RAY_NONE: any */
    uint32_t service;     /* RAY_NONE: any */
    uint32_t rollover_bp; /* 0..1000 */
    uint32_t anchor_day;
    int32_t utc_offset_minutes;
    uint8_t type;
    uint8_t reset;
    uint8_t enforcement;
    uint8_t mode;          /* enum ray_mode */
    uint8_t per_user;      /* 1: an instance per user of the tenant */
    uint8_t carry_overage; /* 1: a reset carries overage as debt */
    uint8_t named;         /* 1: asked only where the query names it */
    uint8_t reserved;
    uint8_t alert_percent[RAY_QUOTA_ALERT_EACH]; /* ascending, 0 ends */
    uint8_t reserved_2[4];
} ray_quota_spec;

typedef struct ray_quota_query {
    ray_view user;
    uint64_t units[RAY_QUOTA_TYPE_MAX]; /* what it is expected to use, by type; custom counts for
                                           every custom quota */
    uint64_t errors_per_minute; /* of the service in the last whole minute of now_ns; 0: none */
    uint64_t latency_p99_ns;    /* of the same minute; 0: not known */
    int64_t wall_offset_ns;
    uint32_t tenant; /* RAY_NONE: none, no tenant quota applies */
    uint32_t plan;
    uint32_t service;
    uint32_t named_count;
    uint32_t named[RAY_POLICY_QUOTA_MAX];        /* handles of named quotas to ask too, if they
                                                    apply; one that is gone is passed over */
    uint32_t named_weight[RAY_POLICY_QUOTA_MAX]; /* 1 to RAY_QUOTA_WEIGHT_MAX: times its units */
} ray_quota_query;

/* One quota's answer. */
typedef struct ray_quota_answer {
    uint64_t units;          /* asked of this quota */
    uint64_t left_units;     /* before this request */
    uint64_t retry_after_ns; /* until the reset; 0 granted, RAY_NEVER cannot be */
    uint64_t key;            /* identity of the instance: allocation, tenant, user */
    uint32_t allocation;     /* handle */
    uint32_t slot;           /* private: the active instance, RAY_NONE when take makes one */
    uint16_t reason;
    uint8_t granted;
    uint8_t shadow;
    uint16_t flags;  /* enum ray_quota_flag */
    uint16_t weight; /* of a named quota, in `units` already; else 1 */
} ray_quota_answer;

typedef struct ray_quota_answers {
    ray_quota_answer at[RAY_REQUEST_QUOTA_MAX];
    uint64_t retry_after_ns;
    uint32_t count;
    uint32_t by; /* place in `at`, RAY_NONE when granted */
    uint32_t granted;
    uint32_t shadow_denied_count;
} ray_quota_answers;

/* What a take reserved, kept until settle. */
typedef struct ray_quota_hold {
    uint64_t units;
    uint64_t period; /* private: which period it was booked in */
    uint16_t slot;
    uint16_t weight; /* what settled units are multiplied by */
    uint32_t stamp; /* private: recognises a slot that was removed or reused since */
} ray_quota_hold;

uint64_t ray_quota_bytes(void);
void ray_quota_init(ray_quota *quota, const uint8_t seed[16]);

/* Would all quotas of the tenant hold query->units now, in every dimension? Changes nothing. */
ray_status ray_quota_ask(const ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                         ray_quota_answers *out);

/* Reserves what was asked with every enforced quota (shadow ones too, when they grant). holds:
 * RAY_REQUEST_QUOTA_MAX places; returns how many were written. Must follow an ask at the same
 * now_ns with nothing between; of the query only user, tenant and wall_offset_ns are read. holds
 * NULL: it is over already, and query->units, by now what it really used, is settled at once. */
uint32_t ray_quota_take(ray_quota *quota, uint64_t now_ns, const ray_quota_query *query,
                        const ray_quota_answers *answers, ray_quota_hold *holds);

/* Counts an ask after the verdict; `granted` is all stages' together: a grant that another denied
 * is unspent. */
void ray_quota_note(ray_quota *quota, uint64_t now_ns, const ray_quota_answers *answers,
                    uint32_t granted);

/* Ends the holds: the actual units by type replace the estimate, in the period they were booked in
 * (a closed one is immutable: the difference goes to the current period, flagged late). Never
 * denies. */
void ray_quota_settle(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                      const ray_quota_hold *holds, uint32_t count,
                      const uint64_t actual_units[RAY_QUOTA_TYPE_MAX]);

/* Ends the holds as if the request had never been: nothing is used. A closed period gives 0 back,
 * counted. */
void ray_quota_refund(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                      const ray_quota_hold *holds, uint32_t count);

/* -- configuration -- */
/* The whole hostile check of a section's rows: every field, unique names, and that no tenant, plan
 * and service meet more than RAY_REQUEST_QUOTA_MAX of them. Changes nothing but *report, which
 * names the first wrong row and field. */
ray_status ray_quota_check(const ray_quota_spec *rows, const ray_config_counts *counts,
                           ray_config_report *report);

/* Replaces the allocations by rows that passed ray_quota_check; cannot fail. A row found again by
 * name keeps its balances when what they count is unchanged (type, window, anchor, tenant, plan,
 * per_user); a changed limit keeps the usage and re-arms the alerts. Everything else begins anew,
 * live-added rows go. */
void ray_quota_load(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                    const ray_quota_spec *rows, const ray_config_counts *counts,
                    ray_config_report *report);

/* To be called before ray_quota_load when tenants or plans may have other places than before:
 * balances follow their tenant by name; those of a tenant that is gone are dropped. */
void ray_quota_tenants_move(ray_quota *quota, const ray_names *before,
                            const ray_names *after);
void ray_quota_plans_move(ray_quota *quota, const ray_names *before,
                          const ray_names *after);

/* -- control: every error changes nothing. A handle that was removed since is RAY_E_STALE, a free
 * one RAY_E_UNKNOWN. -- */
/* Adds one allocation and gives its handle. RAY_E_FULL, RAY_E_EXISTS (name), RAY_E_ARGUMENT,
 * RAY_E_RANGE as in check. */
ray_status ray_quota_allocate(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                              const ray_quota_spec *spec, uint32_t *allocation);
/* Periods that ended are closed under the old value first. Usage is never edited; the alerts are
 * armed again. A limit below the usage leaves nothing until the reset. */
ray_status ray_quota_set_limit(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t allocation, uint64_t limit_units);
ray_status ray_quota_set_enforcement(ray_quota *quota, uint32_t allocation, uint32_t enforcement);
ray_status ray_quota_set_mode(ray_quota *quota, uint32_t allocation, uint32_t mode);
/* Share of the unused limit that the next period gets on top, in basis points, at most
 * RAY_QUOTA_ROLLOVER_BP_MAX. */
ray_status ray_quota_rollover(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                              uint32_t allocation, uint32_t rollover_bp);

/* Which instance of an allocation. `user` counts only where the allocation is per user. */
typedef struct ray_quota_key {
    ray_view user;
    uint32_t tenant; /* ignored where the allocation names its own */
    uint32_t reserved;
} ray_quota_key;

/* Usage and carry to 0, alerts armed; the period's start, reservations and the peaks stay. key
 * NULL: every instance. */
ray_status ray_quota_reset(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                           uint32_t allocation, const ray_quota_key *key);
/* Removes the allocation and its balances; holds on them are stale from then on. */
ray_status ray_quota_remove(ray_quota *quota, uint32_t allocation);

/* -- standalone use: several dimensions at once, all or nothing -- */
typedef struct ray_quota_event {
    ray_quota_query query;
    uint64_t id; /* counted exactly once among the last RAY_QUOTA_EVENT_MAX of them; 0: no id */
    uint64_t
        unix_ns; /* when it happened, wall clock; 0: now. Before the current period: flagged late */
    uint32_t only; /* handle of the one allocation to charge; RAY_NONE: all that apply */
    uint32_t reserved;
} ray_quota_event;

typedef struct ray_quota_outcome {
    uint64_t left_units; /* before, of the most restrictive enforced quota; RAY_NEVER when none
                            applied */
    uint64_t retry_after_ns;
    uint64_t handle; /* of the reservation; 0 none */
    uint32_t by;     /* handle of what denied, RAY_NONE when granted */
    uint32_t count;  /* quotas that applied */
    uint32_t shadow_denied_count;
    uint16_t reason;
    uint8_t granted;
    uint8_t flags; /* enum ray_quota_flag */
} ray_quota_outcome;

/* Asks (test: no more), and if granted charges every quota of the event at once. A duplicate id
 * answers the first outcome and charges nothing. A denied event is counted and changes no balance;
 * an error changes nothing but error_count. */
ray_status ray_quota_consume(ray_quota *quota, uint64_t now_ns, const ray_quota_event *event,
                             ray_quota_outcome *out);
ray_status ray_quota_test(const ray_quota *quota, uint64_t now_ns, const ray_quota_event *event,
                          ray_quota_outcome *out);

/* Asks, and if granted reserves for ttl_ns at most; out->handle names the lease. RAY_E_FULL when no
 * lease is free, RAY_E_RANGE for a ttl of 0 or past the end of time. event->id is not looked at. */
ray_status ray_quota_reserve(ray_quota *quota, uint64_t now_ns, const ray_quota_event *event,
                             uint64_t ttl_ns, ray_quota_outcome *out);
/* Ends a reservation: settle books the actual units and may overrun, release books nothing. *ended
 * is 1, or 0 when it had ended before (then nothing changes). RAY_E_UNKNOWN for a handle never
 * given out. */
ray_status ray_quota_reservation_settle(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                        uint64_t handle,
                                        const uint64_t actual_units[RAY_QUOTA_TYPE_MAX],
                                        uint32_t *ended);
ray_status ray_quota_reservation_release(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                         uint64_t handle, uint32_t *ended);
/* -- time -- */
/* When the first reservation expires, RAY_NEVER when there is none; and expires what is due at or
 * before now_ns, each at its own due time, and nothing else. */
uint64_t ray_quota_due(const ray_quota *quota);
void ray_quota_tick(ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns);
/* -- reading -- */
typedef struct ray_quota_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;   /* events refused by consume and reserve */
    uint64_t unspent_count; /* granted here, denied by another stage */
    uint64_t shadow_denied_count;
    uint64_t table_full_count;
    uint64_t evicted_count;
    uint64_t late_count; /* units or events of a period that is closed */
    uint64_t closed_refund_count;
    uint64_t stale_hold_count;
    uint64_t duplicate_count;
    uint64_t expired_count;
    uint64_t event_count; /* event ids ever remembered */
    uint64_t alert_count; /* ever raised; the last RAY_QUOTA_ALERT_MAX are kept */
    uint64_t alert_overwritten_count;
    uint32_t allocation_count;
    uint32_t active_count;
    uint32_t reservation_count;
    uint32_t unacknowledged_count;
} ray_quota_stats;

enum ray_quota_depletion {
    RAY_DEPLETION_AT = 0, /* at this rate, in depletion_ns */
    RAY_DEPLETION_NOT_BEFORE_RESET = 1,
    RAY_DEPLETION_NEVER = 2 /* nothing was used */
};

/* One instance as it is at the asked instant: periods that ended are closed in the copy, not in the
 * state. */
typedef struct ray_quota_usage {
    uint64_t limit_units;
    uint64_t used_units;
    uint64_t reserved_units;
    uint64_t carry_units;
    uint64_t left_units; /* max(0, limit + carry - used - reserved) */
    uint64_t over_units; /* max(0, used - limit) */
    uint64_t peak_units; /* largest usage of this period */
    uint64_t peak_ever_units;
    uint64_t closed_units;   /* usage of the period before, as it closed */
    uint64_t admitted_count; /* this period */
    uint64_t denied_count;   /* since the instance was made */
    uint64_t utilization_bp; /* used of limit, not clamped; RAY_NEVER when used of a limit of 0 */
    uint64_t depletion_ns;   /* from now; RAY_NEVER unless `depletion` is RAY_DEPLETION_AT */
    uint64_t user_key;       /* seeded hash of the user, 0 when not per user */
    int64_t start_unix_ns;   /* of the period; a rolling window's oldest instant that counts */
    int64_t end_unix_ns;     /* 0x7fffffffffffffff: never */
    uint32_t allocation;
    uint32_t tenant;
    uint32_t depletion; /* enum ray_quota_depletion */
    uint32_t active;    /* 1: an instance exists; 0: nothing was used yet */
} ray_quota_usage;

/* One allocation's counters over all its instances. */
typedef struct ray_quota_counts {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t peak_evicted_units; /* largest all-time peak among evicted instances */
    uint32_t active_count;
    uint32_t reserved;
} ray_quota_counts;

typedef struct ray_quota_alert {
    uint64_t id; /* 1, 2, 3 ... without a gap */
    uint64_t at_ns;
    uint64_t used_units;
    uint64_t limit_units;
    uint64_t user_key;
    int64_t period_unix_ns; /* start of the period it fired in */
    uint32_t allocation;    /* RAY_NONE: removed since */
    uint32_t tenant;
    uint32_t percent; /* the threshold; 0: usage passed limit + carry */
    uint32_t acknowledged;
} ray_quota_alert;

void ray_quota_read(const ray_quota *quota, ray_quota_stats *out);
ray_status ray_quota_find(const ray_quota *quota, const char *name, uint64_t length,
                          uint32_t *allocation);
/* Allocations by place from 0: RAY_OK and the handle, RAY_E_UNKNOWN for a free place, RAY_E_RANGE
 * past the last. */
ray_status ray_quota_at(const ray_quota *quota, uint32_t place, uint32_t *allocation);
ray_status ray_quota_spec_read(const ray_quota *quota, uint32_t allocation, ray_quota_spec *out);
ray_status ray_quota_counts_read(const ray_quota *quota, uint32_t allocation,
                                 ray_quota_counts *out);
ray_status ray_quota_usage_read(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                uint32_t allocation, const ray_quota_key *key,
                                ray_quota_usage *out);
/* Active instances by place, as ray_quota_at. */
ray_status ray_quota_active_read(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                 uint32_t place, ray_quota_usage *out);
/* Alerts by id; RAY_E_UNKNOWN for one not raised yet, RAY_E_STALE for one overwritten. */
ray_status ray_quota_alert_read(const ray_quota *quota, uint64_t id, ray_quota_alert *out);
ray_status ray_quota_alert_acknowledge(ray_quota *quota, uint64_t id);

/* Every instance, and every allocation that has none yet, by (place, tenant, user): fixed columns,
 * integers, the same bytes for the same state. RAY_E_TRUNCATED when `text` was too small. */
ray_status ray_quota_export_csv(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                ray_text *text);
ray_status ray_quota_export_json(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                 ray_text *text);

/* 0 when every invariant holds, else the number of the first that does not; kernel/quota/valid.c
 * lists them. */
uint32_t ray_quota_valid(const ray_quota *quota);

#endif
