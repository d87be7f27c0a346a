/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, numbered. A number once given keeps its meaning.
 *
 *  1 conservation: offered = denied + dropped + preempted + dispatched + queued, in every row
 *  2 the rows of services, and those of tenants, add up with their `other` to the total
 *  3 a row is in its key's chain once; places behind the last are zero
 *  4 no row's counts pass what may have been lost: errors are at most the table's floor
 *  5 a pair is in its chain once; it and its series name one another
 *  6 a series' open place is its second's; places behind the last are zero
 *  7 a histogram's buckets add up to its count and lie within [min, max]
 *  8 an alert passes the field checks, its name is unique, its generation was given out
 *  9 the heap of alerts holds each due one once, in order
 * 10 a pair knows the alerts that watch it, and no others
 * 11 the ring of notifications has no gap
 * 12 denials by reason add up to the denials that had one
 * 13 the second is that of its start
 * 14 a policy's row is of a rule of its place
 */
#include "parts.h"
#include "base/heap.h"

/* -- 1, 2 -- */
static uint32_t is_conserved(const ray_governance_counts *counts)
{
    return counts->offered_count == counts->denied_count + counts->dropped_count +
                                        counts->preempted_count + counts->dispatched_count +
                                        counts->queued_count;
}

static uint32_t rows_conserve(const ray_governance *governance, uint32_t dimension)
{
    for (uint32_t place = 0; place < ray_gov_row_count(governance, dimension); place++)
        if (!is_conserved(&ray_gov_row_at(governance, dimension, place)->counts))
            return 0;
    ray_governance_counts other;
    ray_governance_other(governance, dimension, &other);
    return is_conserved(&other);
}

static uint32_t rows_add_up(const ray_governance *governance, uint32_t dimension)
{
    ray_governance_counts sum;
    ray_governance_other(governance, dimension, &sum);
    for (uint32_t place = 0; place < ray_gov_row_count(governance, dimension); place++)
        ray_gov_counts_add(&sum, &ray_gov_row_at(governance, dimension, place)->counts);
    return ray_same(&sum, &governance->tally.total, sizeof sum);
}

/* -- 3, 4 -- */
static uint32_t rows_hold(const ray_governance *governance, uint32_t dimension)
{
    const ray_governance_tally *tally = &governance->tally;
    uint32_t services = dimension == RAY_DIMENSION_SERVICE, chained = 0;
    uint32_t capacity = services ? RAY_GOV_SERVICE_ROWS : RAY_GOV_TENANT_ROWS;
    uint32_t buckets = services ? RAY_SERVICE_MAX : RAY_TENANT_MAX;
    uint32_t count = ray_gov_row_count(governance, dimension);
    if (count > capacity)
        return 0;
    for (uint32_t bucket = 0; bucket < buckets; bucket++) {
        uint32_t at = services ? tally->service_bucket[bucket] : tally->tenant_bucket[bucket];
        for (; at != 0; at = ray_gov_row_at(governance, dimension, at - 1)->next)
            if (at > count || ++chained > count)
                return 0;
    }
    for (uint32_t place = 0; place < count; place++)
        if (ray_gov_row_find(governance, dimension,
                             ray_gov_row_at(governance, dimension, place)->key) != place)
            return 0;
    for (uint32_t place = count; place < capacity; place++)
        if (ray_is_zero(ray_gov_row_at(governance, dimension, place),
                        sizeof(ray_governance_row)) == 0)
            return 0;
    return chained == count;
}

static uint32_t errors_hold(const ray_governance *governance, uint32_t dimension)
{
    const ray_governance_table *table = dimension == RAY_DIMENSION_SERVICE
                                            ? &governance->tally.services
                                            : &governance->tally.tenants;
    for (uint32_t place = 0; place < table->count; place++)
        for (uint32_t by = 0; by < RAY_TOP_MAX; by++)
            if (ray_gov_row_at(governance, dimension, place)->error[by] > table->floor[by])
                return 0;
    return 1;
}

/* -- 5, 6, 10 -- */
static uint32_t pairs_hold(const ray_governance *governance)
{
    const ray_governance_tally *tally = &governance->tally;
    uint32_t chained = 0, named = 0;
    if (tally->pair_count > RAY_GOV_PAIR_MAX ||
        tally->series_count > RAY_SERIES_MAX - (uint32_t)RAY_SERIES_METRIC_MAX)
        return 0;
    for (uint32_t bucket = 0; bucket < RAY_GOV_PAIR_BUCKETS; bucket++)
        for (uint32_t at = tally->pair_bucket[bucket]; at != 0; at = tally->pair[at - 1].next)
            if (at > tally->pair_count || ++chained > tally->pair_count)
                return 0;
    for (uint32_t place = 0; place < tally->pair_count; place++) {
        const ray_pair *pair = &tally->pair[place];
        if (ray_gov_pair_find(governance, pair->service, pair->tenant) != place ||
            pair->service_row >= RAY_GOV_SERVICE_ROWS || pair->tenant_row >= RAY_GOV_TENANT_ROWS ||
            pair->waits > RAY_WAIT_HISTOGRAM_MAX)
            return 0;
        for (uint32_t metric = 0; metric < RAY_SERIES_METRIC_MAX; metric++) {
            uint32_t at = pair->series[metric];
            if (at == 0)
                continue;
            if (at <= RAY_SERIES_METRIC_MAX || at > RAY_SERIES_METRIC_MAX + tally->series_count ||
                tally->series[at - 1].pair != place || tally->series[at - 1].metric != metric)
                return 0;
            named++;
        }
    }
    return chained == tally->pair_count && named == tally->series_count;
}

static uint32_t series_hold(const ray_governance *governance)
{
    const ray_governance_tally *tally = &governance->tally;
    uint32_t used = RAY_SERIES_METRIC_MAX + tally->series_count;
    for (uint32_t place = 0; place < RAY_SERIES_MAX; place++) {
        const ray_series *series = &tally->series[place];
        if (place >= used ? ray_is_zero(series, sizeof *series) == 0
                          : series->place != series->second % RAY_SERIES_SECOND_MAX)
            return 0;
    }
    for (uint32_t place = tally->pair_count; place < RAY_GOV_PAIR_MAX; place++)
        if (ray_is_zero(&tally->pair[place], sizeof tally->pair[place]) == 0)
            return 0;
    return 1;
}

static uint32_t watches_hold(const ray_governance *governance)
{
    const ray_governance_tally *tally = &governance->tally;
    for (uint32_t place = 0; place < tally->pair_count; place++)
        for (uint32_t alert = 0; alert < 64 * RAY_GOV_WATCH_WORDS; alert++) {
            const ray_pair *pair = &tally->pair[place];
            uint32_t told = (pair->watched[alert / 64] >> alert % 64 & 1) != 0;
            uint32_t wanted = alert < RAY_ALERT_RULE_MAX &&
                              ray_gov_alert_used(governance, alert) != 0 &&
                              ray_gov_alert_watches(&governance->config.alert[alert],
                                                    pair->service, pair->tenant) != 0;
            if (told != wanted)
                return 0;
        }
    return 1;
}

/* -- 7 -- */
static uint32_t histograms_hold(const ray_governance_tally *tally)
{
    for (uint32_t place = 0; place < RAY_WAIT_HISTOGRAM_MAX; place++) {
        const ray_waits *waits = &tally->waits[place];
        if (!ray_histogram_valid(&waits->head, waits->bucket, RAY_HISTOGRAM_SUB_BITS))
            return 0;
        for (uint32_t grain = 0; grain < RAY_GOV_GRAINS; grain++)
            if (!ray_histogram_valid(&waits->latency[grain].head, waits->latency[grain].bucket,
                                     RAY_HISTOGRAM_WINDOW_BITS))
                return 0;
    }
    return ray_histogram_valid(&tally->enforcement, tally->enforcement_bucket,
                               RAY_HISTOGRAM_SUB_BITS);
}

/* -- 8, 9, 11 -- */
static uint32_t alerts_hold(const ray_governance *governance)
{
    uint64_t end = 0;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        const ray_alert_spec *spec = &governance->config.alert[place];
        uint32_t field, found, issued = governance->config.issued[place];
        if (governance->config.generation[place] > issued || issued > RAY_GOV_SLOT_MASK)
            return 0;
        if (ray_gov_alert_used(governance, place) == 0) {
            if (ray_is_zero(spec, sizeof *spec) == 0 || governance->config.generation[place] != 0 ||
                ray_is_zero(&governance->tally.alert[place],
                            sizeof governance->tally.alert[place]) == 0)
                return 0;
            continue;
        }
        if (ray_gov_alert_check(spec, &field) != RAY_OK ||
            ray_governance_alert_find(governance, spec->name.at, ray_name_length(&spec->name),
                                      &found) != RAY_OK ||
            (found & RAY_GOV_SLOT_MASK) != place ||
            governance->tally.alert[place].state > RAY_ALERT_RESOLVED)
            return 0;
        end = place + 1;
    }
    return governance->config.alert_end == end;
}

static uint32_t heap_holds(const ray_governance_tally *tally)
{
    uint32_t due = 0;
    if (tally->alert_heap_count > RAY_ALERT_RULE_MAX)
        return 0;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        uint32_t at = tally->alert_place[place];
        due += at != 0;
        if ((at != 0) != (tally->alert_due_ns[place] != 0) ||
            (at != 0 && (at > tally->alert_heap_count || tally->alert_order[at - 1] != place)))
            return 0;
    }
    return due == tally->alert_heap_count &&
           ray_heap_in_order(tally->alert_order, tally->alert_due_ns, tally->alert_heap_count);
}

static uint32_t ring_holds(const ray_governance_tally *tally)
{
    for (uint64_t place = 0; place < RAY_ALERT_EVENT_MAX; place++) {
        uint64_t written = tally->event_count;
        uint64_t id =
            written <= place ? 0 : written - (written - 1 - place) % RAY_ALERT_EVENT_MAX;
        if (tally->event[place].id != id || tally->event[place].acknowledged > 1)
            return 0;
    }
    return 1;
}

/* -- 12, 13, 14 -- */
static uint32_t reasons_hold(const ray_governance_tally *tally)
{
    uint64_t sum = tally->reason_other_count;
    for (uint32_t place = 0; place < RAY_GOVERNANCE_REASON_MAX; place++)
        sum += tally->reason[place].count;
    return sum == tally->total.denied_count;
}

static uint32_t policies_hold(const ray_governance_tally *tally)
{
    for (uint32_t place = 0; place < RAY_POLICY_MAX; place++) {
        const ray_gov_policy_row *row = &tally->policy[place];
        if (row->used != 0 ? (row->rule & RAY_GOV_SLOT_MASK) != place
                           : ray_is_zero(row, sizeof *row) == 0)
            return 0;
    }
    return 1;
}

uint32_t ray_governance_valid(const ray_governance *governance)
{
    const ray_governance_tally *tally = &governance->tally;
    if (!is_conserved(&tally->total))
        return 1;
    for (uint32_t dimension = 0; dimension < RAY_DIMENSION_MAX; dimension++) {
        if (!rows_hold(governance, dimension))
            return 3;
        if (!rows_conserve(governance, dimension))
            return 1;
        if (!rows_add_up(governance, dimension))
            return 2;
        if (!errors_hold(governance, dimension))
            return 4;
    }
    if (!pairs_hold(governance))
        return 5;
    if (!series_hold(governance))
        return 6;
    if (!histograms_hold(tally))
        return 7;
    if (!alerts_hold(governance))
        return 8;
    if (!heap_holds(tally))
        return 9;
    if (!watches_hold(governance))
        return 10;
    if (!ring_holds(tally))
        return 11;
    if (!reasons_hold(tally))
        return 12;
    if (tally->second_start_ns != tally->second * SECOND_NS)
        return 13;
    return policies_hold(tally) ? 0 : 14;
}
