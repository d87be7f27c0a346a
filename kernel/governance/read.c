/* SPDX-License-Identifier: MIT */
/* read.c - what a person or a program sees: counters, rows, rankings, percentiles, correlations. */
#include "parts.h"

void ray_governance_read(const ray_governance *governance, ray_governance_stats *out)
{
    const ray_governance_tally *tally = &governance->tally;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->total.offered_count;
    out->denied_count = tally->total.denied_count;
    out->granted_count = out->asked_count - out->denied_count;
    out->error_count = tally->error_count;
    out->folded_count = tally->folded_count;
    out->evicted_count = tally->services.evicted_count + tally->tenants.evicted_count;
    out->untracked_count = tally->untracked_count;
    out->policy_count = tally->policy_other.match_count;
    for (uint32_t place = 0; place < RAY_POLICY_MAX; place++)
        out->policy_count += tally->policy[place].counts.match_count;
    for (uint32_t type = 0; type < RAY_GOV_QUOTA_TYPE_MAX; type++) {
        out->quota_event_count += tally->quota[type].event_count;
        out->quota_violation_count += tally->quota[type].violation_count;
    }
    out->notification_count = tally->event_count;
    out->notification_overwritten_count =
        tally->event_count > RAY_ALERT_EVENT_MAX ? tally->event_count - RAY_ALERT_EVENT_MAX : 0;
    out->reset_count = governance->book.reset_count;
    out->series_count = tally->series_count;
    out->service_count = tally->services.count;
    out->tenant_count = tally->tenants.count;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        out->alert_count += ray_gov_alert_used(governance, place);
        out->pending_count += tally->alert[place].state == RAY_ALERT_PENDING;
        out->firing_count += tally->alert[place].state == RAY_ALERT_FIRING;
    }
    for (uint32_t place = 0; place < RAY_ALERT_EVENT_MAX; place++)
        out->unacknowledged_count +=
            tally->event[place].id != 0 && tally->event[place].acknowledged == 0;
}

/* -- words -- */
const char *ray_alert_metric_word(uint32_t metric)
{
    static const char *const words[RAY_ALERT_METRIC_MAX] = {
        "requests", "denied",       "violations",  "dropped", "errors",      "tokens",
        "bytes",    "denied_ratio", "error_ratio", "wait",    "latency_p95", "queued"};
    return metric < RAY_ALERT_METRIC_MAX ? words[metric] : "?";
}

const char *ray_alert_state_word(uint32_t state)
{
    static const char *const words[] = {"inactive", "pending", "firing", "resolved"};
    return state <= RAY_ALERT_RESOLVED ? words[state] : "?";
}

const char *ray_series_metric_word(uint32_t metric)
{
    static const char *const words[RAY_SERIES_METRIC_MAX] = {"requests", "denied", "sent",
                                                             "failed",   "done",   "cost"};
    return metric < RAY_SERIES_METRIC_MAX ? words[metric] : "?";
}

/* -- rows -- */
void ray_governance_total(const ray_governance *governance, ray_governance_counts *out)
{
    *out = governance->tally.total;
}

void ray_governance_other(const ray_governance *governance, uint32_t dimension,
                          ray_governance_counts *out)
{
    *out = dimension == RAY_DIMENSION_SERVICE ? governance->tally.services.other
                                              : governance->tally.tenants.other;
}

ray_status ray_governance_counts_read(const ray_governance *governance, uint32_t dimension,
                                      uint32_t id, ray_governance_counts *out)
{
    if (dimension >= RAY_DIMENSION_MAX)
        return RAY_E_ARGUMENT;
    uint32_t place = ray_gov_row_find(governance, dimension, id);
    if (place == RAY_NONE)
        return RAY_E_UNKNOWN;
    *out = ray_gov_row_at(governance, dimension, place)->counts;
    return RAY_OK;
}

/* Few rows are looked through for each step. Of many, ids of the configuration are tried one by
 * one, and those beyond looked for among all rows. */
uint32_t ray_governance_next(const ray_governance *governance, uint32_t dimension, uint32_t *id,
                             uint32_t *begun)
{
    enum { FEW_ROWS = 8 };
    uint32_t few = dimension == RAY_DIMENSION_SERVICE ? RAY_SERVICE_MAX : RAY_TENANT_MAX;
    uint32_t from = *begun != 0 ? *id + 1 : 0, found = 0, best = RAY_NONE;
    if (*begun != 0 && *id == RAY_NONE)
        return 0;
    *begun = 1;
    for (; from < few && ray_gov_row_count(governance, dimension) > FEW_ROWS; from++)
        if (ray_gov_row_find(governance, dimension, from) != RAY_NONE) {
            *id = from;
            return 1;
        }
    for (uint32_t place = 0; place < ray_gov_row_count(governance, dimension); place++) {
        uint32_t key = ray_gov_row_at(governance, dimension, place)->key;
        if (key >= from && (found == 0 || key < best)) {
            best = key;
            found = 1;
        }
    }
    *id = best;
    return found;
}

/* -- rankings -- */
static uint32_t ranks_before(const ray_top *a, const ray_top *b)
{
    return a->value != b->value ? a->value > b->value : a->id < b->id;
}

uint32_t ray_governance_top(const ray_governance *governance, uint32_t dimension, uint32_t by,
                            ray_top *out, uint32_t most)
{
    uint32_t count = 0;
    if (dimension >= RAY_DIMENSION_MAX || by >= RAY_TOP_MAX)
        return 0;
    for (uint32_t place = 0; place < ray_gov_row_count(governance, dimension); place++) {
        const ray_governance_row *row = ray_gov_row_at(governance, dimension, place);
        ray_top top = {ray_gov_row_value(row, by), row->error[by], row->key, 0};
        uint32_t at = count;
        if (count < most)
            count++;
        else if (most == 0 || ranks_before(&top, &out[most - 1]) == 0)
            continue;
        else
            at = most - 1;
        for (; at > 0 && ranks_before(&top, &out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = top;
    }
    return count;
}

/* -- percentiles -- */
ray_status ray_governance_quantiles(const ray_governance *governance, uint32_t of,
                                    uint32_t service, const uint32_t *ppm, uint32_t n,
                                    uint64_t *out, uint64_t *count)
{
    const ray_governance_tally *tally = &governance->tally;
    if (of >= RAY_QUANTILE_MAX || (of == RAY_QUANTILE_ENFORCEMENT && service != RAY_NONE))
        return RAY_E_ARGUMENT;
    if (n > RAY_GOV_QUANTILE_MAX)
        return RAY_E_RANGE;
    if (of == RAY_QUANTILE_ENFORCEMENT) {
        *count = tally->enforcement.count;
        ray_histogram_quantiles(&tally->enforcement, tally->enforcement_bucket,
                                RAY_HISTOGRAM_SUB_BITS, ppm, n, out);
        return RAY_OK;
    }
    uint32_t waits = service == RAY_NONE ? 1 : ray_gov_waits_of(tally, service);
    if (waits == 0)
        return RAY_E_UNKNOWN;
    const ray_waits *own = &tally->waits[waits - 1];
    *count = own->head.count;
    ray_histogram_quantiles(&own->head, own->bucket, RAY_HISTOGRAM_SUB_BITS, ppm, n, out);
    return RAY_OK;
}

ray_status ray_governance_window_p95(const ray_governance *governance, uint64_t now_ns,
                                     uint32_t service, uint32_t grain, uint64_t start_ns,
                                     uint64_t *p95_ns)
{
    const ray_governance_tally *tally = &governance->tally;
    (void)now_ns;
    if (grain >= RAY_GOV_GRAINS)
        return RAY_E_ARGUMENT;
    uint32_t waits = service == RAY_NONE ? 1 : ray_gov_waits_of(tally, service);
    if (waits == 0)
        return RAY_E_UNKNOWN;
    *p95_ns = ray_gov_p95_read(&tally->waits[waits - 1], grain,
                               start_ns / SECOND_NS / ray_gov_grain_seconds(grain));
    return RAY_OK;
}

/* -- correlation -- */
static void column_read(const ray_governance *governance, const ray_series_query *query,
                        uint64_t index, uint32_t amount, int64_t *out)
{
    const ray_governance_tally *tally = &governance->tally;
    ray_window window = {0, 0};
    if (query->service == RAY_NONE)
        ray_gov_window_read(&tally->series[query->metric], query->grain, index, &window);
    for (uint32_t place = 0; place < tally->pair_count; place++) {
        const ray_pair *pair = &tally->pair[place];
        if (pair->series[query->metric] != 0 &&
            (query->service == RAY_NONE || pair->service == query->service))
            ray_gov_window_read(&tally->series[pair->series[query->metric] - 1], query->grain,
                                index, &window);
    }
    *out = (int64_t)(amount != 0 ? window.amount : window.count);
}

static uint32_t happened(const ray_governance *governance, ray_series_query query, uint64_t index)
{
    static const uint8_t metric[3] = {RAY_SERIES_REQUESTS, RAY_SERIES_DONE, RAY_SERIES_COST};
    int64_t count, sum = 0;
    for (uint32_t i = 0; i < 3; i++) {
        query.metric = metric[i];
        column_read(governance, &query, index, 0, &count);
        sum |= count;
    }
    return sum != 0;
}

void ray_governance_correlate(const ray_governance *governance, uint64_t now_ns, uint32_t service,
                              uint32_t grain, ray_correlation *out)
{
    memset(out, 0, sizeof *out);
    if (grain >= RAY_GOV_GRAINS)
        return;
    uint64_t window_ns = ray_gov_grain_seconds(grain) * SECOND_NS;
    uint64_t open = now_ns / window_ns, length = ray_gov_ring_length(grain);
    for (uint64_t i = open >= length ? open - length + 1 : 0; i < open; i++) {
        ray_series_query query = {RAY_SERIES_DENIED, service, RAY_NONE, grain};
        uint64_t p95_ns = 0;
        if (happened(governance, query, i) == 0)
            continue;
        uint32_t at = out->count++;
        out->start_ns[at] = i * window_ns;
        column_read(governance, &query, i, 0, &out->column[RAY_CORRELATE_DENIED][at]);
        query.metric = RAY_SERIES_FAILED;
        column_read(governance, &query, i, 0, &out->column[RAY_CORRELATE_ERRORS][at]);
        query.metric = RAY_SERIES_COST;
        column_read(governance, &query, i, 1, &out->column[RAY_CORRELATE_COST][at]);
        (void)ray_governance_window_p95(governance, now_ns, service, grain, i * window_ns,
                                        &p95_ns);
        out->column[RAY_CORRELATE_P95][at] = (int64_t)p95_ns;
    }
    uint32_t pair = 0;
    for (uint32_t a = 0; a < RAY_CORRELATE_MAX; a++)
        for (uint32_t b = a + 1; b < RAY_CORRELATE_MAX; b++, pair++)
            out->defined[pair] = (uint8_t)ray_correlation_milli(
                out->column[a], out->column[b], out->count, &out->milli[pair]);
}

/* -- by type and reason -- */
ray_status ray_governance_quota_read(const ray_governance *governance, uint32_t quota_type,
                                     ray_governance_quota_counts *out)
{
    if (quota_type >= RAY_GOV_QUOTA_TYPE_MAX)
        return RAY_E_RANGE;
    *out = governance->tally.quota[quota_type];
    return RAY_OK;
}

ray_status ray_governance_cost_read(const ray_governance *governance, uint32_t metric_type,
                                    int64_t *cost_nano)
{
    if (metric_type >= RAY_GOV_COST_TYPE_MAX)
        return RAY_E_RANGE;
    *cost_nano = governance->tally.cost_nano[metric_type];
    return RAY_OK;
}

/* Ascending by reason: the table's own order is where each found room. */
ray_status ray_governance_reason_read(const ray_governance *governance, uint32_t place,
                                      uint32_t *reason, uint64_t *count)
{
    const ray_governance_tally *tally = &governance->tally;
    uint32_t last = 0;
    if (tally->reason_other_count != 0 && place-- == 0) {
        *reason = 0;
        *count = tally->reason_other_count;
        return RAY_OK;
    }
    for (uint32_t rank = 0; rank <= place; rank++) {
        const ray_reason_count *best = 0;
        for (uint32_t i = 0; i < RAY_GOVERNANCE_REASON_MAX; i++)
            if (tally->reason[i].reason > last &&
                (best == 0 || tally->reason[i].reason < best->reason))
                best = &tally->reason[i];
        if (best == 0)
            return RAY_E_UNKNOWN;
        last = best->reason;
        *reason = best->reason;
        *count = best->count;
    }
    return RAY_OK;
}
