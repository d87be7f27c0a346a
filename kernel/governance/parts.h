/* SPDX-License-Identifier: MIT */
/* parts - what the files of this folder offer one another. */
#ifndef RAY_GOVERNANCE_PARTS_H
#define RAY_GOVERNANCE_PARTS_H
#include "governance_state.h"
#include "base/bytes.h"
#include "base/fixed.h"

#define SECOND_NS 1000000000ULL
#define SECONDS_OF_MINUTE 60ULL
#define SECONDS_OF_HOUR 3600ULL

/* Odd, and spread over all bits even where the seed is zero. */
#define RAY_GOV_MULTIPLIER(governance) \
    (((governance)->config.multiplier ^ 0x9e3779b97f4a7c15ULL) | 1)

/* A step on its way into rows and windows. */
typedef struct ray_gov_touch {
    ray_governance_counts *service; /* its row, or `other` where it has none */
    ray_governance_counts *tenant;
    ray_pair *pair; /* 0: its series are `other` */
    uint32_t service_key;
    uint32_t tenant_key;
} ray_gov_touch;

/* governance.c */
/* Moves the clock to the second of now_ns, after what is due. */
void ray_gov_pass(ray_governance *governance, uint64_t now_ns);
void ray_gov_touch_find(ray_governance *governance, uint32_t service, uint32_t tenant,
                        ray_gov_touch *touch);
void ray_gov_reason_count(ray_governance_tally *tally, uint32_t reason, uint64_t count);

/* rows.c: rows by key; a table that is full gives the row with the fewest requests away */
typedef struct ray_gov_rows {
    ray_governance_table *table;
    ray_governance_row *row;
    uint32_t *bucket;
    uint64_t multiplier;
    uint32_t capacity;
    uint32_t buckets;
} ray_gov_rows;
ray_gov_rows ray_gov_rows_of(ray_governance *governance, uint32_t dimension);
const ray_governance_row *ray_gov_row_at(const ray_governance *governance, uint32_t dimension,
                                         uint32_t place);
uint32_t ray_gov_row_find(const ray_governance *governance, uint32_t dimension, uint32_t key);
/* The place of the key's row, made when it has none. */
uint32_t ray_gov_row_take(ray_governance *governance, uint32_t dimension, uint32_t key);
uint32_t ray_gov_row_count(const ray_governance *governance, uint32_t dimension);
uint64_t ray_gov_row_value(const ray_governance_row *row, uint32_t by);
void ray_gov_counts_add(ray_governance_counts *to, const ray_governance_counts *from);
void ray_gov_rows_move(ray_governance *governance, uint32_t dimension,
                       const ray_names *before, const ray_names *after);
/* Where a key is after its names moved: RAY_NONE stays, one that is gone gives 0. */
uint32_t ray_gov_follow(const ray_names *before, const ray_names *after,
                        uint32_t key, uint32_t *to);

/* series.c: windows of pairs */
void ray_gov_series_add_slow(ray_governance_tally *tally, ray_pair *pair, uint32_t metric,
                             uint64_t count, uint64_t amount);
static inline void ray_gov_series_add(ray_governance_tally *tally, ray_pair *pair, uint32_t metric,
                                      uint64_t count, uint64_t amount)
{
    if (pair != 0 && pair->series[metric] != 0) {
        ray_series *series = &tally->series[pair->series[metric] - 1];
        RAY_KEEP(series);
        if (series->second == tally->second) {
            ray_window *window = &series->window[series->place];
            window->count += count;
            window->amount += amount;
            return;
        }
    }
    ray_gov_series_add_slow(tally, pair, metric, count, amount);
}
/* Does any alert watch the pair, as far as that is known? */
static inline uint32_t ray_gov_is_watched(const ray_governance *governance, const ray_pair *pair)
{
    uint64_t any = pair == 0;
    if (governance->config.alert_end == 0)
        return 0;
    for (uint32_t word = 0; pair != 0 && word < RAY_GOV_WATCH_WORDS; word++)
        any |= pair->watched[word];
    return any != 0;
}
void ray_gov_series_roll(ray_series *series, uint64_t second);
/* What a window of a grain that contains `second` holds in the series, as of now: adds to it. */
void ray_gov_window_read(const ray_series *series, uint32_t grain, uint64_t index,
                         ray_window *out);
/* Here, so that a grain that is known where it is asked for divides nothing. */
static inline uint32_t ray_gov_ring_length(uint32_t grain)
{
    return grain == RAY_GRAIN_SECOND   ? RAY_SERIES_SECOND_MAX
           : grain == RAY_GRAIN_MINUTE ? RAY_SERIES_MINUTE_MAX
                                       : RAY_SERIES_HOUR_MAX;
}
static inline uint32_t ray_gov_ring_first(uint32_t grain)
{
    return grain == RAY_GRAIN_SECOND   ? 0
           : grain == RAY_GRAIN_MINUTE ? RAY_GOV_MINUTE_FIRST
                                       : RAY_GOV_HOUR_FIRST;
}
static inline uint64_t ray_gov_grain_seconds(uint32_t grain)
{
    return grain == RAY_GRAIN_SECOND   ? 1
           : grain == RAY_GRAIN_MINUTE ? SECONDS_OF_MINUTE
                                       : SECONDS_OF_HOUR;
}

/* pairs.c: (service, tenant) to series */
static inline uint32_t ray_gov_pair_bucket(const ray_governance *governance, uint32_t service,
                                           uint32_t tenant)
{
    uint64_t multiplier = RAY_GOV_MULTIPLIER(governance);
    uint64_t hash = service * multiplier + tenant * (multiplier << 1 ^ 0xff51afd7ed558ccdULL);
    return (uint32_t)(((hash >> 32) * RAY_GOV_PAIR_BUCKETS) >> 32);
}
static inline uint32_t ray_gov_pair_find(const ray_governance *governance, uint32_t service,
                                         uint32_t tenant)
{
    const ray_governance_tally *tally = &governance->tally;
    uint32_t at = tally->pair_bucket[ray_gov_pair_bucket(governance, service, tenant)];
    while (at != 0) {
        const ray_pair *pair = &tally->pair[at - 1];
        if (pair->service == service && pair->tenant == tenant)
            return at - 1;
        at = pair->next;
    }
    return RAY_NONE;
}
/* The pair's place, made when there is room; RAY_NONE when there is none. */
uint32_t ray_gov_pair_take(ray_governance *governance, uint32_t service, uint32_t tenant);
void ray_gov_pairs_clear(ray_governance_tally *tally);
void ray_gov_pairs_move(ray_governance *governance, uint32_t dimension,
                        const ray_names *before, const ray_names *after);
/* The alerts that watch a pair, of all pairs, anew. */
void ray_gov_pairs_watch(ray_governance *governance);
void ray_gov_pairs_rehash(ray_governance *governance);

/* waits.c: histograms of services */
uint32_t ray_gov_waits_of(const ray_governance_tally *tally, uint32_t service);
uint32_t ray_gov_waits_take(ray_governance_tally *tally, uint32_t service);
void ray_gov_wait_add(ray_governance_tally *tally, uint32_t waits, uint64_t wait_ns);
/* The same `times` times. */
void ray_gov_waits_add(ray_governance_tally *tally, uint32_t waits, uint64_t wait_ns,
                       uint32_t times);
void ray_gov_latency_add(ray_governance_tally *tally, uint32_t waits, uint64_t latency_ns);
/* A wait and a latency of what took no time. */
void ray_gov_instant_add(ray_governance_tally *tally, uint32_t waits);
void ray_gov_waits_roll(ray_waits *waits, uint64_t second);
void ray_gov_waits_clear(ray_governance_tally *tally);
void ray_gov_waits_move(ray_governance_tally *tally, const ray_names *before,
                        const ray_names *after);
uint64_t ray_gov_p95_read(const ray_waits *waits, uint32_t grain, uint64_t index);

/* alert.c: what alerts count, and their judgement at a window's end */
uint32_t ray_gov_alert_used(const ray_governance *governance, uint32_t place);
uint32_t ray_gov_alert_handle(const ray_governance *governance, uint32_t place);
ray_status ray_gov_alert_place(const ray_governance *governance, uint32_t alert, uint32_t *place);
uint32_t ray_gov_alert_watches(const ray_alert_spec *spec, uint32_t service, uint32_t tenant);
/* Tells the alerts that watch the touched pair: `metric` with count and amount, as to a series. */
void ray_gov_alerts_tell(ray_governance *governance, const ray_gov_touch *touch, uint32_t metric,
                         uint64_t count, uint64_t amount);
void ray_gov_alerts_queued(ray_governance *governance, const ray_gov_touch *touch);
void ray_gov_alert_begin(ray_governance *governance, uint32_t place, uint64_t now_ns);
void ray_gov_alert_drop(ray_governance *governance, uint32_t place);
ray_status ray_gov_alert_check(const ray_alert_spec *spec, uint32_t *field);

/* record.c */
void ray_gov_policy_fold(ray_governance_tally *tally, uint32_t place);

/* export.c */
/* The name of an id, copied; empty when there is none. */
/* The columns of counts, the same in every export. */
enum { RAY_GOV_COLUMN_MAX = 13 };
typedef struct ray_gov_columns {
    const char *name[RAY_GOV_COLUMN_MAX];
    uint64_t value[RAY_GOV_COLUMN_MAX];
} ray_gov_columns;
void ray_gov_columns_of(const ray_governance_counts *counts, ray_gov_columns *out);

#endif
