/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_COST_PARTS_H
#define RAY_COST_PARTS_H
#include "cost_state.h"
#include "base/bytes.h"
#include "base/fixed.h"

#define COST_FOREVER_NS 0x7fffffffffffffffLL
#define COST_NANO_MAX   0x7fffffffffffffffLL
#define COST_GRAINS     ((uint64_t)RAY_COST_GRAINS)

enum { COST_SLOT_MASK = 0xffff };

/* Sums of amounts; none can overflow while magnitudes stay below 2^63 whole ones, which `gross`
 * sees to. Here, because a charge makes a dozen of them. */
static inline ray_money ray_money_sum(ray_money a, ray_money b)
{
    uint64_t low = a.low + b.low;
    return (ray_money){low, (int64_t)((uint64_t)a.high + (uint64_t)b.high + (low < a.low))};
}

static inline ray_money ray_money_less(ray_money a, ray_money b)
{
    return (ray_money){a.low - b.low,
                       (int64_t)((uint64_t)a.high - (uint64_t)b.high - (a.low < b.low))};
}

static inline ray_money ray_money_none(void)
{
    return (ray_money){0, 0};
}

static inline uint32_t ray_money_zero(const ray_money *money)
{
    return (money->low | (uint64_t)money->high) == 0;
}

/* 1 while an amount that is not negative is below 2^63 whole ones. */
static inline uint32_t ray_money_fits(const ray_money *money)
{
    return money->high >= 0 && (uint64_t)money->high < COST_GRAINS / 2;
}

/* money.c */
ray_money ray_money_of(int64_t nano);
int32_t ray_money_compare(const ray_money *a, const ray_money *b);
/* Half-even to `digits` decimals, in whole 10^-9 units. */
int64_t ray_money_round(const ray_money *money, uint32_t digits);

/* price.c: what units are worth */
const ray_cost_price *ray_cost_price_of(const ray_cost *cost, uint32_t service);
/* 1 when multipliers whose denominators are 2^two * 5^five together leave whole grains. */
uint32_t ray_cost_scale_holds(uint32_t metric, uint32_t two, uint32_t five);
/* One metric's part of a charge. */
typedef struct ray_cost_part {
    ray_money amount;
    uint32_t metric;
    uint32_t cell; /* place; RAY_NONE: none yet */
} ray_cost_part;
typedef struct ray_cost_charged {
    ray_cost_part part[RAY_COST_METRIC_MAX];
    ray_money total;
    ray_money gross;
    uint32_t count;
    uint32_t tenant;  /* account; RAY_NONE: none yet */
    uint32_t service; /* account; RAY_NONE: none yet */
    uint32_t reserved;
} ray_cost_charged;
/* Prices every measured metric of the query. RAY_E_RANGE when an amount passes 63 bits. */
ray_status ray_cost_charge_fill(const ray_cost *cost, int64_t wall_ns, const ray_cost_query *query,
                                const ray_cost_price *price, ray_cost_charged *out);

/* account.c: accounts and cells */
uint32_t ray_cost_tenant_find(const ray_cost *cost, uint32_t tenant);   /* RAY_NONE: none */
uint32_t ray_cost_service_find(const ray_cost *cost, uint32_t service); /* RAY_NONE: none */
uint32_t ray_cost_tenant_make(ray_cost *cost, uint32_t tenant);
uint32_t ray_cost_service_make(ray_cost *cost, uint32_t service);
/* What a service that is gone spent counts with no service's; its cells go. */
void ray_cost_service_retire(ray_cost *cost, uint32_t account);
void ray_cost_tenant_retire(ray_cost *cost, uint32_t account);
uint32_t ray_cost_cell_find(const ray_cost *cost, uint32_t tenant, uint32_t service, uint32_t kind);
/* RAY_NONE when the table is full. */
uint32_t ray_cost_cell_make(ray_cost *cost, uint32_t tenant, uint32_t service, uint32_t kind);
void ray_cost_cell_free(ray_cost *cost, uint32_t place);

/* period.c: calendars and closing */
int64_t ray_cost_wall(uint64_t now_ns, int64_t wall_offset_ns);
/* Closes what ended by wall_ns. */
void ray_cost_roll(ray_cost *cost, int64_t wall_ns);
/* Gives the open period its place, if it has none. */
void ray_cost_place(ray_cost *cost, int64_t wall_ns);
/* How many periods have ended by wall_ns and are not closed yet. */
uint64_t ray_cost_behind(const ray_cost *cost, int64_t wall_ns);
int64_t ray_cost_end_after(const ray_billing_spec *spec, int64_t wall_ns);
void ray_cost_close_at(ray_cost *cost, int64_t end_ns);
/* The span of the period `back` periods before the one that is open at wall_ns. */
ray_status ray_cost_span_at(const ray_cost *cost, int64_t wall_ns, uint64_t back,
                            ray_cost_span *out);

/* alert.c */
void ray_cost_alert_check(ray_cost *cost, uint64_t now_ns, uint32_t tenant, uint32_t service,
                          const ray_money *amount);
/* Every watch anew, after alerts or accounts came or went. */
void ray_cost_alert_arm(ray_cost *cost);
void ray_cost_alert_watch_tenant(ray_cost *cost, uint32_t account);
void ray_cost_alert_watch_service(ray_cost *cost, uint32_t account);
/* Fires what is passed already. */
void ray_cost_alert_fire(ray_cost *cost, uint64_t now_ns);
/* What the cells say one tenant spent on one service in the open period; 0 for any other alert. */
ray_money ray_cost_pair_spent(const ray_cost *cost, const ray_cost_alert_spec *spec);
ray_money ray_cost_alert_spent(const ray_cost *cost, uint32_t place);

/* cost.c */
/* Returns by how many whole nano-units the tenant's balance grew. */
int64_t ray_cost_book_charge(ray_cost *cost, uint64_t now_ns, const ray_cost_query *query,
                             ray_cost_charged *charge, uint32_t late);
ray_status ray_cost_query_check(const ray_cost_query *query);
ray_status ray_cost_refuse(ray_cost *cost, ray_status status);

/* check.c */
ray_status ray_cost_spec_check(const ray_cost_spec *spec, uint32_t service_count, uint32_t *field);
ray_status ray_cost_multiplier_check(const ray_cost_multiplier_spec *spec, uint32_t plan_count,
                                     uint32_t *field);
ray_status ray_cost_tier_check(const ray_cost_tier_spec *spec, uint32_t *field);
ray_status ray_cost_alert_check_spec(const ray_cost_alert_spec *spec,
                                     const ray_config_counts *counts, uint32_t *field);
ray_status ray_billing_check(const ray_billing_spec *spec, uint32_t *field);
/* Can multipliers that may meet be held exactly? `measured` as in ray_cost_price. */
ray_status ray_cost_together_check(const ray_cost_multiplier_spec *rows, uint32_t count,
                                   uint32_t measured);
uint32_t ray_cost_measured(const ray_cost_spec *spec, const ray_cost_tier_spec *tiers,
                           uint32_t count);

/* control.c */
void ray_cost_factor_fill(ray_cost_factor *factor, const ray_cost_multiplier_spec *spec);
/* Where each book's multipliers and tiers begin, from the rows. */
void ray_cost_index(ray_cost *cost);

/* event.c */
void ray_cost_seen_rehash(ray_cost *cost);

/* read.c */
/* What an account spent in the period `back` periods before the one open at wall_ns, `behind` of
 * which are not closed yet; RAY_NONE: an account that does not exist. */
typedef struct ray_cost_view {
    uint64_t behind;
    uint64_t back;
} ray_cost_view;
ray_money ray_cost_spent(const ray_cost *cost, const ray_cost_view *view, uint32_t account,
                         uint32_t metric);

#endif
