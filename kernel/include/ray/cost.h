/* SPDX-License-Identifier: MIT */
#ifndef RAY_COST_H
#define RAY_COST_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* cost: what a service's use is worth, whose it was, and the invoice at the end of the period.
 *
 * Law: the sums over tenants, over services and over metrics are equal at every instant, to the
 * last grain; nothing is rounded before an invoice. Cost: a charge is O(metrics used), without a
 * division; a period's close is O(capacity). Source: SEMANTICS.md, cost.
 */
typedef struct ray_cost ray_cost; /* state; size and layout are private */

enum ray_cost_metric {
    RAY_COST_REQUESTS = 0, /* priced each: base */
    RAY_COST_BYTES = 1,    /* request and response; priced by 1024 */
    RAY_COST_COMPUTE = 2,  /* nanoseconds of service time; priced by the second */
    RAY_COST_STORAGE = 3,  /* accesses */
    RAY_COST_CACHE = 4,    /* hits; the one price that may be negative */
    RAY_COST_METRIC_MAX = 5
};

enum ray_cost_every { RAY_BILL_NEVER = 0, RAY_BILL_DAY = 1, RAY_BILL_MONTH = 2 };

enum ray_cost_constant {
    RAY_COST_RANGE_MAX = 14,     /* ranges of one multiplier's week: two a day */
    RAY_COST_BY_MAX = 1000000,   /* a multiplier is at most 100, in basis points */
    RAY_COST_TOGETHER_MAX = 1000 /* what multipliers that may meet multiply to at most */
};

enum ray_cost_amount {
    RAY_COST_GRAINS = 8000000000000000000,   /* to 10^-9 units */
    RAY_COST_PRICE_MAX = 1000000000000000000 /* 10^6 units, in 10^-12 */
};

enum ray_cost_flag {
    RAY_COST_LATE = 1,     /* it happened before the open period, which was charged instead */
    RAY_COST_DUPLICATE = 2 /* this event id was seen; the first answer again, nothing charged */
};

/* An exact amount: one signed 128-bit number of grains, RAY_COST_GRAINS to 10^-9 units. A grain is
 * fine enough that a price in 10^-12 per 1024 bytes or per 10^9 ns, and multiplied, is a whole
 * number of them: no charge is ever rounded. Magnitudes stay below 2^63 * 10^-9 units, so the
 * balance in whole nano-units always fits 64 bits, with the rest carried. */
typedef struct ray_money {
    uint64_t low;
    int64_t high;
} ray_money;

/* A price book: prices in 10^-12 units. Row of the blob's cost section. */
typedef struct ray_cost_spec {
    int64_t price_pico[RAY_COST_METRIC_MAX]; /* each, per 1024 bytes, per second, each, each */
    uint32_t service;                        /* handle; a place in the file's rows */
    uint32_t measured; /* bit per metric: units are kept even where the price is 0 */
} ray_cost_spec;

/* What a request's cost is multiplied by when every condition holds; all that hold apply. */
typedef struct ray_cost_multiplier_spec {
    uint16_t from[RAY_COST_RANGE_MAX]; /* minutes of the week, half-open; see base/week.h */
    uint16_t to[RAY_COST_RANGE_MAX];
    uint32_t book;  /* row of the cost section it belongs to; rows stand by book */
    uint32_t by_bp; /* 10 000 is once */
    uint32_t plan;  /* RAY_NONE: any */
    int32_t utc_offset_minutes;
    uint8_t priority;    /* enum ray_class, RAY_CLASS_DEFAULT: any */
    uint8_t range_count; /* 0: at any time */
    uint8_t reserved[6];
} ray_cost_multiplier_spec;

/* Beyond `above_units` of a metric in the period by one tenant and service another price holds;
 * the boundary unit is still the lower tier's. Units as in ray_cost_query. */
typedef struct ray_cost_tier_spec {
    uint64_t above_units;
    int64_t price_pico;
    uint32_t book;   /* rows stand by book, metric, ascending */
    uint32_t metric;
} ray_cost_tier_spec;

/* When periods end and how invoices round. */
typedef struct ray_billing_spec {
    ray_name currency;  /* empty: none said */
    uint64_t grace_ns;  /* from a period's end until its invoice is ready */
    int64_t anchor_ns;  /* into the day */
    uint32_t anchor_day; /* month: 1..31; a shorter month clamps, the next returns */
    int32_t utc_offset_minutes;
    uint8_t every;  /* enum ray_cost_every */
    uint8_t digits; /* 0..9 decimals of an invoice line */
    uint8_t reserved[6];
} ray_billing_spec;

/* One threshold; several rows may share a name. */
typedef struct ray_cost_alert_spec {
    ray_name name;
    int64_t threshold_nano;
    int64_t of_nano;  /* what `ppm` is a share of; 0: the threshold is an amount */
    uint32_t ppm;
    uint32_t tenant;  /* RAY_NONE: all together */
    uint32_t service; /* RAY_NONE: any */
    uint32_t reserved;
} ray_cost_alert_spec;

typedef struct ray_cost_query {
    uint64_t units[RAY_COST_METRIC_MAX]; /* requests, bytes, ns, accesses, hits */
    int64_t wall_offset_ns;
    uint32_t tenant; /* RAY_NONE: billed to nobody in particular */
    uint32_t service;
    uint32_t plan;
    uint32_t priority; /* enum ray_class */
} ray_cost_query;

typedef struct ray_cost_quote {
    int64_t nano;    /* ask: 10^-9 units, rounded up. charge: by how many whole ones the tenant's
                        balance grew, so that their sum is the balance */
    uint32_t priced; /* 0: the service has no price book */
    uint32_t reserved;
} ray_cost_quote;

uint64_t ray_cost_bytes(void);
void ray_cost_init(ray_cost *cost, const uint8_t seed[16]);

/* 1 when the service has a price book. */
uint32_t ray_cost_priced(const ray_cost *cost, uint32_t service);
/* What would this cost now? Changes nothing. RAY_E_RANGE when no balance can hold it, RAY_E_UNKNOWN
 * for a tenant or service that cannot be. */
ray_status ray_cost_ask(const ray_cost *cost, uint64_t now_ns, const ray_cost_query *query,
                        ray_cost_quote *out);
/* Books it exactly, after closing the periods that ended by now. An error books nothing and is
 * counted. */
ray_status ray_cost_charge(ray_cost *cost, uint64_t now_ns, const ray_cost_query *query,
                           ray_cost_quote *charged);
/* A refund, credit (negative) or supplement to the open period, in its own line of the invoice.
 * service RAY_NONE: for none in particular. Errors as charge. */
ray_status ray_cost_adjust(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns, uint32_t tenant,
                           uint32_t service, uint32_t metric, int64_t nano);

/* -- standalone use -- */
typedef struct ray_cost_event {
    ray_cost_query query;
    uint64_t id;      /* counted exactly once among the last RAY_COST_EVENT_MAX; 0: no id */
    uint64_t unix_ns; /* when it happened; 0: now. Before the open period: an adjustment */
} ray_cost_event;

typedef struct ray_cost_outcome {
    ray_money amount[RAY_COST_METRIC_MAX];
    ray_money total;
    int64_t nano;    /* as ray_cost_quote.nano of a charge */
    uint32_t priced;
    uint32_t flags;  /* enum ray_cost_flag */
} ray_cost_outcome;

/* As charge, once per (tenant, event id). A duplicate answers the first outcome. */
ray_status ray_cost_record(ray_cost *cost, uint64_t now_ns, const ray_cost_event *event,
                           ray_cost_outcome *out);

/* -- configuration -- */
typedef struct ray_cost_rows {
    const ray_billing_spec *billing; /* one, or none when counts->billing_count is 0 */
    const ray_cost_spec *books;
    const ray_cost_multiplier_spec *multipliers;
    const ray_cost_tier_spec *tiers;
    const ray_cost_alert_spec *alerts;
} ray_cost_rows;

/* The whole hostile check; changes nothing but *report, which names section, row and field. */
ray_status ray_cost_check(const ray_cost_rows *rows, const ray_config_counts *counts,
                          ray_config_report *report);

/* To be called before ray_cost_load when places may have changed: balances follow their tenant and
 * service by name. What belonged to one that is gone counts with nobody's from then on. */
void ray_cost_tenants_move(ray_cost *cost, const ray_names *before,
                           const ray_names *after);
void ray_cost_services_move(ray_cost *cost, const ray_names *before,
                            const ray_names *after);
/* Replaces prices, schedule and alerts by rows that passed the check; every balance stays, and an
 * alert that is the same keeps whether it has fired. The open period ends where the new schedule
 * says. */
void ray_cost_load(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                   const ray_cost_rows *rows, const ray_config_counts *counts,
                   ray_config_report *report);

/* -- control: every error changes nothing -- */
/* What a price book says besides its prices; `book` of the rows is not looked at. */
typedef struct ray_cost_terms {
    const ray_cost_multiplier_spec *multiplier;
    const ray_cost_tier_spec *tier;
    uint32_t multiplier_count;
    uint32_t tier_count;
} ray_cost_terms;
/* Sets or replaces the price book of spec->service, from here on. RAY_E_FULL, RAY_E_RANGE,
 * RAY_E_ARGUMENT, RAY_E_UNKNOWN, RAY_E_RATE (multipliers too fine together). */
ray_status ray_cost_define(ray_cost *cost, const ray_cost_spec *spec, const ray_cost_terms *terms);
/* Its traffic is free from here on; what was charged stays. */
ray_status ray_cost_remove(ray_cost *cost, uint32_t service);
/* Moves the end of the open period; nothing is closed but what had ended. */
ray_status ray_cost_schedule(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                             const ray_billing_spec *spec);
/* Ends the open period now: the next one begins here and ends when the schedule says. RAY_E_STATE
 * when it has no length yet. */
ray_status ray_cost_close(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns);
/* Adds a threshold; what is spent beyond it already fires at once. RAY_E_FULL, _EXISTS, _RANGE. */
ray_status ray_cost_alert_add(ray_cost *cost, uint64_t now_ns, const ray_cost_alert_spec *spec);
/* Removes every threshold of that name. */
ray_status ray_cost_alert_remove(ray_cost *cost, const char *name, uint64_t length);
ray_status ray_cost_notice_acknowledge(ray_cost *cost, uint64_t id);

/* -- time -- */
/* When the open period ends, on the scale of now_ns; RAY_NEVER when nothing was charged yet, or
 * when so many empty periods have passed that one more changes nothing. That an invoice is ready
 * follows from the time alone, so nothing is due then. */
uint64_t ray_cost_due(const ray_cost *cost, int64_t wall_offset_ns);
/* Closes what ended at or before now. */
void ray_cost_tick(ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns);

/* -- reading: at any instant, with periods that ended since closed in the answer only -- */
typedef struct ray_cost_stats {
    uint64_t asked_count;   /* charges and adjustments, refused ones too */
    uint64_t granted_count; /* booked */
    uint64_t denied_count;  /* refused: asked = granted + denied */
    uint64_t error_count;   /* the same refusals: no balance could hold them, or no such row */
    uint64_t unpriced_count; /* charges of services without a price book: free, not asked */
    uint64_t adjusted_count;
    uint64_t late_count;
    uint64_t folded_count;  /* bookings whose breakdown found no free cell */
    uint64_t closed_count;  /* periods ever closed; the last RAY_COST_PERIOD_MAX are kept */
    uint64_t duplicate_count;
    uint64_t event_count;   /* event ids ever remembered */
    uint64_t notice_count;  /* alerts ever fired; the last RAY_COST_NOTICE_MAX are kept */
    uint64_t notice_overwritten_count;
    uint32_t book_count;
    uint32_t cell_count;
    uint32_t alert_count;
    uint32_t unacknowledged_count;
} ray_cost_stats;
void ray_cost_read(const ray_cost *cost, ray_cost_stats *out);

/* Which sum. tenant and service: a handle, RAY_NONE for nobody's and no service's, RAY_COST_ALL for
 * every one. Where both tenant and service are said, only what has a cell of its own is known. */
enum ray_cost_choice { RAY_COST_ALL = 0xfffffffe };
typedef struct ray_cost_which {
    uint32_t tenant;
    uint32_t service;
    uint32_t metric; /* RAY_COST_ALL */
    uint32_t back;   /* periods back: 0 the open one, 1 the one before ... RAY_COST_ALL: ever */
} ray_cost_which;
/* RAY_E_UNKNOWN for a row that cannot be, RAY_E_STALE for a period no longer kept in that detail:
 * by service and metric together only the open one, by service or cell that and the last one. */
ray_status ray_cost_sum(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                        const ray_cost_which *which, ray_money *out);

/* Conservation: the same money four times, open and closed together. */
typedef struct ray_cost_totals {
    ray_money tenants;
    ray_money services;
    ray_money metrics;
    ray_money grand;
    ray_money gross; /* every amount without its sign: what must stay below 2^63 */
} ray_cost_totals;
void ray_cost_totals_read(const ray_cost *cost, ray_cost_totals *out);

typedef struct ray_cost_period {
    int64_t start_unix_ns;
    int64_t end_unix_ns;   /* 0x7fffffffffffffff: never */
    int64_t ready_unix_ns; /* of its invoice */
    uint32_t back;
    uint32_t open;
    uint32_t ready;  /* 1: closed, and grace has passed */
    uint32_t digits; /* of its invoice */
} ray_cost_period;
/* RAY_E_UNKNOWN for a period that never was, RAY_E_STALE for one no longer kept. */
ray_status ray_cost_period_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                                uint32_t back, ray_cost_period *out);

enum ray_cost_line_kind {
    RAY_COST_LINE_USAGE = 0,
    RAY_COST_LINE_ADJUSTMENT = 1,
    RAY_COST_LINE_CARRY = 2 /* what rounding the invoice before left */
};
typedef struct ray_cost_line {
    uint64_t key;        /* private: 0 before the first */
    ray_money amount;    /* exact */
    int64_t billed_nano; /* rounded once, half-even, so that the lines add up to the invoice */
    uint64_t units;
    uint32_t service;    /* RAY_NONE: none, or those without a cell of their own */
    uint32_t metric;
    uint32_t kind;
    uint32_t folded;     /* 1: several services together */
} ray_cost_line;

typedef struct ray_cost_bill {
    ray_cost_period period;
    ray_money total; /* exact, with what was carried into it */
    ray_money metric[RAY_COST_METRIC_MAX];
    ray_money folded[RAY_COST_METRIC_MAX]; /* the part of each metric without a cell of its own */
    ray_money carried;                     /* left by rounding the invoice before */
    int64_t billed_nano;
    int64_t spread;      /* units of the last digit that lines must gain to add up */
    uint32_t tenant;
    uint32_t account;    /* private */
    uint32_t part;       /* private: which amounts of the cells */
    uint32_t line_count; /* 0 with a total: the lines of this period are no longer kept */
} ray_cost_bill;
/* A tenant's invoice: of a closed period, or a draft of the open one. Lines are kept for the open
 * period and the one before. RAY_E_UNKNOWN for a period that never was, _STALE for one not kept. */
ray_status ray_cost_bill_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                              uint32_t tenant, uint32_t back, ray_cost_bill *out);
/* The line after *line, by (service, metric, kind); 0 past the last. Begin with a zero line. */
uint32_t ray_cost_line_next(const ray_cost *cost, const ray_cost_bill *bill, ray_cost_line *line);

typedef struct ray_cost_trend {
    ray_money folded;     /* of closed periods that are no longer kept one by one */
    int64_t slope_nano;   /* least squares over the kept ones, per period, towards zero */
    uint64_t folded_count;
    uint32_t count;       /* closed periods kept */
    uint32_t slope_known; /* 0: fewer than two */
} ray_cost_trend;
/* tenant RAY_COST_ALL: all together. */
ray_status ray_cost_trend_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t tenant, ray_cost_trend *out);

typedef struct ray_cost_projection {
    int64_t nano;        /* cost * length / elapsed, towards zero */
    int64_t spent_nano;
    uint64_t elapsed_ns;
    uint64_t length_ns;
    uint32_t known;      /* 0: nothing elapsed, no end, or more than 64 bits hold */
    uint32_t reserved;
} ray_cost_projection;
ray_status ray_cost_project(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                            uint32_t tenant, ray_cost_projection *out);

/* An alert that fired. */
typedef struct ray_cost_notice {
    uint64_t id; /* 1, 2, 3 ... without a gap */
    uint64_t at_ns;
    int64_t spent_nano;
    int64_t period_unix_ns; /* start of the period it fired in */
    ray_cost_alert_spec alert;
    uint32_t acknowledged;
    uint32_t reserved;
} ray_cost_notice;
/* RAY_E_UNKNOWN for one not raised yet, RAY_E_STALE for one overwritten. */
ray_status ray_cost_notice_read(const ray_cost *cost, uint64_t id, ray_cost_notice *out);

typedef struct ray_cost_alert {
    ray_cost_alert_spec spec;
    int64_t spent_nano; /* in the open period */
    uint32_t fired;
    uint32_t reserved;
} ray_cost_alert;
/* Alerts by place; RAY_E_UNKNOWN past the last. */
ray_status ray_cost_alert_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t place, ray_cost_alert *out);

void ray_cost_billing_read(const ray_cost *cost, ray_billing_spec *out);
/* The price book of a service, its multipliers and tiers by place; RAY_E_UNKNOWN past the last. */
ray_status ray_cost_book_read(const ray_cost *cost, uint32_t service, ray_cost_spec *out);
ray_status ray_cost_multiplier_read(const ray_cost *cost, uint32_t service, uint32_t place,
                                    ray_cost_multiplier_spec *out);
ray_status ray_cost_tier_read(const ray_cost *cost, uint32_t service, uint32_t place,
                              ray_cost_tier_spec *out);

/* -- amounts and text -- */
/* Whole 10^-9 units, rounded down; *pico, which may be NULL, is the carried rest in 10^-12. */
int64_t ray_money_nano(const ray_money *money, uint32_t *pico);
/* Decimal units with `digits` decimals, 0 to 12, rounded down. */
void ray_money_put(ray_text *text, const ray_money *money, uint32_t digits);
/* "0.80", "-12.5": a decimal in 10^-decimals units; 0 and *out untouched when it is none or not
 * exact. */
uint32_t ray_money_parse(const char *at, uint64_t length, uint32_t decimals, int64_t *out);

enum ray_cost_format { RAY_BILL_CSV = 0, RAY_BILL_JSON = 1, RAY_BILL_FOCUS = 2 };
/* What is called what, for people: `name` writes the name of a service. `of` is handed to it. */
typedef struct ray_cost_words {
    void (*name)(const void *of, uint32_t service, ray_name *out);
    const void *of;
    ray_name tenant;
} ray_cost_words;
/* A tenant's invoice, or the shape of FOCUS 1.0. The same bytes for the same state. words may be
 * NULL: then ids stand for names. RAY_E_TRUNCATED when `text` was too small. */
ray_status ray_cost_export(const ray_cost *cost, const ray_cost_bill *bill, uint32_t format,
                           const ray_cost_words *words, ray_text *text);

/* 0 when every invariant holds, else the number of the first that does not; kernel/cost/valid.c
 * lists them. */
uint32_t ray_cost_valid(const ray_cost *cost);

#endif
