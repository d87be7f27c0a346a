/* SPDX-License-Identifier: MIT */
/* pairs.c - which (service, tenant) have series of their own. One that came when the table was full
 * is counted in `other`; a reset gives the table anew. */
#include "parts.h"

static void watch(const ray_governance *governance, ray_pair *pair)
{
    memset(pair->watched, 0, sizeof pair->watched);
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++)
        if (ray_gov_alert_used(governance, place) != 0 &&
            ray_gov_alert_watches(&governance->config.alert[place], pair->service,
                                  pair->tenant) != 0)
            pair->watched[place / 64] |= 1ULL << place % 64;
}

void ray_gov_pairs_watch(ray_governance *governance)
{
    ray_governance_config *config = &governance->config;
    config->alert_end = 0;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++)
        if (ray_gov_alert_used(governance, place) != 0)
            config->alert_end = place + 1;
    for (uint32_t place = 0; place < governance->tally.pair_count; place++)
        watch(governance, &governance->tally.pair[place]);
}

static void link_in(ray_governance *governance, uint32_t place)
{
    ray_governance_tally *tally = &governance->tally;
    ray_pair *pair = &tally->pair[place];
    uint32_t bucket = ray_gov_pair_bucket(governance, pair->service, pair->tenant);
    pair->next = tally->pair_bucket[bucket];
    tally->pair_bucket[bucket] = place + 1;
}

static __attribute__((noinline)) uint32_t pair_make(ray_governance *governance, uint32_t service,
                                                    uint32_t tenant)
{
    ray_governance_tally *tally = &governance->tally;
    /* a pair without a series of its own would be of no use */
    if (tally->pair_count == RAY_GOV_PAIR_MAX ||
        tally->series_count == RAY_SERIES_MAX - RAY_SERIES_METRIC_MAX)
        return RAY_NONE;
    uint32_t place = tally->pair_count++;
    ray_pair *pair = &tally->pair[place];
    memset(pair, 0, sizeof *pair);
    pair->service = service;
    pair->tenant = tenant;
    pair->service_row = ray_gov_row_take(governance, RAY_DIMENSION_SERVICE, service);
    pair->tenant_row = ray_gov_row_take(governance, RAY_DIMENSION_TENANT, tenant);
    pair->waits = service == RAY_NONE ? 0 : ray_gov_waits_take(tally, service);
    watch(governance, pair);
    link_in(governance, place);
    return place;
}

uint32_t ray_gov_pair_take(ray_governance *governance, uint32_t service, uint32_t tenant)
{
    uint32_t place = ray_gov_pair_find(governance, service, tenant);
    return place != RAY_NONE ? place : pair_make(governance, service, tenant);
}

void ray_gov_pairs_clear(ray_governance_tally *tally)
{
    memset(tally->pair, 0, tally->pair_count * sizeof *tally->pair);
    memset(tally->series, 0,
           (RAY_SERIES_METRIC_MAX + tally->series_count) * sizeof *tally->series);
    memset(tally->pair_bucket, 0, sizeof tally->pair_bucket);
    tally->pair_count = 0;
    tally->series_count = 0;
}

/* -- following names -- */
void ray_gov_pairs_rehash(ray_governance *governance)
{
    ray_governance_tally *tally = &governance->tally;
    memset(tally->pair_bucket, 0, sizeof tally->pair_bucket);
    for (uint32_t place = 0; place < tally->pair_count; place++) {
        ray_pair *pair = &tally->pair[place];
        pair->service_row = ray_gov_row_take(governance, RAY_DIMENSION_SERVICE, pair->service);
        pair->tenant_row = ray_gov_row_take(governance, RAY_DIMENSION_TENANT, pair->tenant);
        pair->waits = ray_gov_waits_of(tally, pair->service);
        link_in(governance, place);
    }
}

/* Window by window: both rings stand at the same second then, so their places agree. What is folded
 * goes away, so it may be rolled where it is. */
static void series_fold(ray_governance_tally *tally, ray_series *from)
{
    ray_series *to = &tally->series[from->metric];
    ray_gov_series_roll(to, from->second);
    ray_gov_series_roll(from, to->second);
    for (uint32_t i = 0; i < RAY_GOV_WINDOWS; i++) {
        to->window[i].count += from->window[i].count;
        to->window[i].amount += from->window[i].amount;
    }
}

/* The last series takes the place of one that goes. */
static void series_drop(ray_governance_tally *tally, uint32_t place)
{
    uint32_t last = RAY_SERIES_METRIC_MAX + --tally->series_count;
    ray_series *series = &tally->series[place];
    if (last != place) {
        *series = tally->series[last];
        tally->pair[series->pair].series[series->metric] = place + 1;
    }
    memset(&tally->series[last], 0, sizeof *series);
}

static void pair_drop(ray_governance_tally *tally, uint32_t place)
{
    ray_pair *pair = &tally->pair[place];
    for (uint32_t metric = 0; metric < RAY_SERIES_METRIC_MAX; metric++) {
        if (pair->series[metric] == 0)
            continue;
        series_fold(tally, &tally->series[pair->series[metric] - 1]);
        series_drop(tally, pair->series[metric] - 1);
    }
    uint32_t last = --tally->pair_count;
    if (last != place) {
        *pair = tally->pair[last];
        for (uint32_t metric = 0; metric < RAY_SERIES_METRIC_MAX; metric++)
            if (pair->series[metric] != 0)
                tally->series[pair->series[metric] - 1].pair = place;
    }
    memset(&tally->pair[last], 0, sizeof *pair);
}

/* Only the latest generation of a place follows its name, as in rows.c. */
static uint32_t is_latest(const ray_governance_tally *tally, uint32_t dimension, uint32_t key)
{
    for (uint32_t place = 0; place < tally->pair_count; place++) {
        const ray_pair *pair = &tally->pair[place];
        uint32_t other = dimension == RAY_DIMENSION_SERVICE ? pair->service : pair->tenant;
        if ((other & RAY_GOV_SLOT_MASK) == (key & RAY_GOV_SLOT_MASK) && other != RAY_NONE &&
            other > key)
            return 0;
    }
    return 1;
}

void ray_gov_pairs_move(ray_governance *governance, uint32_t dimension,
                        const ray_names *before, const ray_names *after)
{
    ray_governance_tally *tally = &governance->tally;
    uint32_t services = dimension == RAY_DIMENSION_SERVICE, to;
    for (uint32_t place = tally->pair_count; place-- > 0;) {
        const ray_pair *pair = &tally->pair[place];
        uint32_t key = services ? pair->service : pair->tenant;
        if (is_latest(tally, dimension, key) == 0 ||
            ray_gov_follow(before, after, key, &to) == 0)
            pair_drop(tally, place);
    }
    for (uint32_t place = 0; place < tally->pair_count; place++) {
        uint32_t *key = services ? &tally->pair[place].service : &tally->pair[place].tenant;
        (void)ray_gov_follow(before, after, *key, key);
    }
}
