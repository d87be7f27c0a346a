/* SPDX-License-Identifier: MIT */
/* governance.c - one step of a request into rows, windows, histograms and alerts.
 *
 * A pair (service, tenant) knows its series and its rows, so a step is one lookup and then
 * additions. Nothing is divided but when a second begins.
 */
#include "parts.h"

/* enum ray_verdict, which is the pipeline's */
enum { VERDICT_DENY = 2, VERDICT_REDIRECT = 4, VERDICT_EXPIRED = 9 };
enum { SERVER_ERROR = 500, FIRST_RULE_REASON = 200 };

uint64_t ray_governance_bytes(void)
{
    return sizeof(ray_governance);
}

/* -- init -- */
void ray_governance_init(ray_governance *governance, const uint8_t seed[16])
{
    uint64_t first, second;
    memset(governance, 0, sizeof *governance);
    memcpy(&first, seed, sizeof first);
    memcpy(&second, seed + 8, sizeof second);
    governance->config.multiplier = first ^ (second << 1);
}

/* -- where a step belongs -- */
void ray_gov_pass(ray_governance *governance, uint64_t now_ns)
{
    ray_governance_tally *tally = &governance->tally;
    if (tally->alert_heap_count != 0 && now_ns >= tally->alert_due_ns[tally->alert_order[0]])
        ray_governance_tick(governance, now_ns);
    if (now_ns - tally->second_start_ns >= SECOND_NS && now_ns > tally->second_start_ns) {
        tally->second = now_ns / SECOND_NS;
        tally->second_start_ns = tally->second * SECOND_NS;
    }
}

/* Most steps lie in the second of the one before, and no alert is due. */
static inline void pass(ray_governance *governance, uint64_t now_ns)
{
    const ray_governance_tally *tally = &governance->tally;
    if (now_ns - tally->second_start_ns >= SECOND_NS || tally->alert_heap_count != 0)
        ray_gov_pass(governance, now_ns);
}

/* The rows of a pair, which may have lost them to another key since. */
static __attribute__((noinline)) void rows_again(ray_governance *governance, ray_pair *pair)
{
    pair->service_row = ray_gov_row_take(governance, RAY_DIMENSION_SERVICE, pair->service);
    pair->tenant_row = ray_gov_row_take(governance, RAY_DIMENSION_TENANT, pair->tenant);
}

static __attribute__((noinline)) void touch_folded(ray_governance *governance,
                                                   ray_gov_touch *touch)
{
    ray_governance_tally *tally = &governance->tally;
    uint32_t service = ray_gov_row_take(governance, RAY_DIMENSION_SERVICE, touch->service_key);
    uint32_t tenant = ray_gov_row_take(governance, RAY_DIMENSION_TENANT, touch->tenant_key);
    touch->service = &tally->service[service].counts;
    touch->tenant = &tally->tenant[tenant].counts;
    touch->pair = 0;
    tally->folded_count++;
}

static inline void touch_find(ray_governance *governance, uint32_t service, uint32_t tenant,
                              ray_gov_touch *touch)
{
    ray_governance_tally *tally = &governance->tally;
    touch->service_key = service;
    touch->tenant_key = tenant;
    uint32_t place = ray_gov_pair_find(governance, service, tenant);
    if (__builtin_expect(place == RAY_NONE, 0))
        place = ray_gov_pair_take(governance, service, tenant);
    if (place == RAY_NONE) {
        touch_folded(governance, touch);
        return;
    }
    ray_pair *pair = &tally->pair[place];
    RAY_KEEP(pair);
    if (tally->service[pair->service_row].key != service ||
        tally->tenant[pair->tenant_row].key != tenant)
        rows_again(governance, pair);
    touch->pair = pair;
    touch->service = &tally->service[pair->service_row].counts;
    touch->tenant = &tally->tenant[pair->tenant_row].counts;
}

void ray_gov_touch_find(ray_governance *governance, uint32_t service, uint32_t tenant,
                        ray_gov_touch *touch)
{
    touch_find(governance, service, tenant, touch);
}

static inline __attribute__((always_inline)) void count(ray_governance *governance,
                                                        const ray_gov_touch *touch,
                                                        uint32_t metric, uint64_t number,
                                                        uint64_t amount)
{
    ray_gov_series_add(&governance->tally, touch->pair, metric, number, amount);
    if (ray_gov_is_watched(governance, touch->pair))
        ray_gov_alerts_tell(governance, touch, metric, number, amount);
}

void ray_gov_reason_count(ray_governance_tally *tally, uint32_t reason, uint64_t number)
{
    uint32_t at = reason & (RAY_GOVERNANCE_REASON_MAX - 1);
    for (uint32_t i = 0; reason != 0 && i < RAY_GOVERNANCE_REASON_MAX; i++) {
        ray_reason_count *found = &tally->reason[at];
        if (found->reason == reason || found->reason == 0) {
            found->reason = reason;
            found->count += number;
            return;
        }
        at = (at + 1) & (RAY_GOVERNANCE_REASON_MAX - 1);
    }
    tally->reason_other_count += number;
}

/* -- request -- */
static inline void refuse_row(ray_governance_counts *row, uint64_t tokens, uint32_t violation)
{
    row->offered_count++;
    row->denied_count++;
    row->violation_count += violation;
    row->tokens += tokens;
}

static inline void admit_row(ray_governance_counts *row, uint64_t tokens)
{
    row->offered_count++;
    row->queued_count++;
    row->tokens += tokens;
}

static inline uint32_t is_denied(const ray_governance_event *event)
{
    return event->verdict == VERDICT_DENY || event->verdict == VERDICT_REDIRECT;
}

static inline void refuse(ray_governance *governance, const ray_gov_touch *touch,
                          const ray_governance_event *event)
{
    uint32_t violation = event->reason >= FIRST_RULE_REASON;
    refuse_row(&governance->tally.total, event->tokens, violation);
    refuse_row(touch->service, event->tokens, violation);
    refuse_row(touch->tenant, event->tokens, violation);
    count(governance, touch, RAY_SERIES_REQUESTS, 1, event->tokens);
    ray_gov_reason_count(&governance->tally, event->reason, 1);
    count(governance, touch, RAY_SERIES_DENIED, 1, violation);
}

static inline void admit(ray_governance *governance, const ray_gov_touch *touch,
                         const ray_governance_event *event)
{
    admit_row(&governance->tally.total, event->tokens);
    admit_row(touch->service, event->tokens);
    admit_row(touch->tenant, event->tokens);
    count(governance, touch, RAY_SERIES_REQUESTS, 1, event->tokens);
    if (ray_gov_is_watched(governance, touch->pair))
        ray_gov_alerts_queued(governance, touch);
}

/* Where the admission of what now leaves its queue was booked: the key's own row, or `other` when
 * the key lost it since; 0 when neither has anything waiting. */
static ray_governance_counts *holder(ray_governance_counts *row, ray_governance_counts *other)
{
    return row->queued_count != 0 ? row : other->queued_count != 0 ? other : 0;
}

static inline void leave_row(ray_governance_counts *row, const ray_governance_event *event)
{
    row->queued_count--;
    if (event->kind == RAY_GOV_SENT) {
        row->dispatched_count++;
        row->wait_ns += event->wait_ns;
    } else if (event->kind == RAY_GOV_DROPPED) {
        row->dropped_count++;
    } else {
        row->preempted_count++;
    }
}

static void leave(ray_governance *governance, const ray_gov_touch *touch,
                  const ray_governance_event *event)
{
    ray_governance_tally *tally = &governance->tally;
    ray_governance_counts *row[3] = {holder(&tally->total, &tally->total),
                                     holder(touch->service, &tally->services.other),
                                     holder(touch->tenant, &tally->tenants.other)};
    if (row[0] == 0 || row[1] == 0 || row[2] == 0) {
        tally->error_count++;
        return;
    }
    uint32_t sent = event->kind == RAY_GOV_SENT;
    for (uint32_t i = 0; i < 3; i++)
        leave_row(row[i], event);
    if (sent) {
        count(governance, touch, RAY_SERIES_SENT, 1, event->wait_ns);
        ray_gov_wait_add(tally, touch->pair != 0 ? touch->pair->waits : 0, event->wait_ns);
    } else {
        count(governance, touch, RAY_SERIES_FAILED, 0, 1);
    }
    if (ray_gov_is_watched(governance, touch->pair))
        ray_gov_alerts_queued(governance, touch);
}

static inline void done_row(ray_governance_counts *row, const ray_governance_event *event,
                            uint32_t failed)
{
    row->done_count++;
    row->failed_count += failed;
    row->bytes += event->bytes;
    row->cost_nano = (int64_t)((uint64_t)row->cost_nano + (uint64_t)event->cost_nano);
}

static inline uint32_t has_failed(const ray_governance_event *event)
{
    return event->http_status >= SERVER_ERROR || event->verdict == VERDICT_EXPIRED;
}

/* What an outcome adds to windows. */
static inline void outcome(ray_governance *governance, const ray_gov_touch *touch,
                           const ray_governance_event *event, uint32_t failed)
{
    count(governance, touch, RAY_SERIES_DONE, 1, event->bytes);
    if (failed)
        count(governance, touch, RAY_SERIES_FAILED, 1, 0);
    if (event->cost_nano != 0)
        count(governance, touch, RAY_SERIES_COST, 1, (uint64_t)event->cost_nano);
}

static inline void done(ray_governance *governance, const ray_gov_touch *touch,
                        const ray_governance_event *event)
{
    uint32_t failed = has_failed(event);
    done_row(&governance->tally.total, event, failed);
    done_row(touch->service, event, failed);
    done_row(touch->tenant, event, failed);
    ray_gov_latency_add(&governance->tally, touch->pair != 0 ? touch->pair->waits : 0,
                        event->latency_ns);
    outcome(governance, touch, event, failed);
}

void ray_governance_note(ray_governance *governance, uint64_t now_ns,
                         const ray_governance_event *event)
{
    ray_gov_touch touch;
    if (event->kind < RAY_GOV_ADMIT || event->kind > RAY_GOV_DONE) {
        governance->tally.error_count++;
        return;
    }
    pass(governance, now_ns);
    touch_find(governance, event->service, event->tenant, &touch);
    if (event->kind == RAY_GOV_DONE)
        done(governance, &touch, event);
    else if (event->kind != RAY_GOV_ADMIT)
        leave(governance, &touch, event);
    else if (is_denied(event))
        refuse(governance, &touch, event);
    else
        admit(governance, &touch, event);
}

/* -- what took no time -- */
/* Its place in the queue was taken and left in one step: nothing of it remains to be counted. */
static inline void exchange_row(ray_governance_counts *row, const ray_governance_event *event,
                                uint32_t failed)
{
    row->offered_count++;
    row->dispatched_count++;
    row->tokens += event->tokens;
    done_row(row, event, failed);
}

void ray_governance_exchange(ray_governance *governance, uint64_t now_ns,
                             const ray_governance_event *event)
{
    ray_governance_tally *tally = &governance->tally;
    ray_gov_touch touch;
    uint32_t failed = has_failed(event);
    pass(governance, now_ns);
    touch_find(governance, event->service, event->tenant, &touch);
    exchange_row(&tally->total, event, failed);
    exchange_row(touch.service, event, failed);
    exchange_row(touch.tenant, event, failed);
    count(governance, &touch, RAY_SERIES_REQUESTS, 1, event->tokens);
    count(governance, &touch, RAY_SERIES_SENT, 1, 0);
    ray_gov_instant_add(tally, touch.pair != 0 ? touch.pair->waits : 0);
    if (ray_gov_is_watched(governance, touch.pair))
        ray_gov_alerts_queued(governance, &touch);
    outcome(governance, &touch, event, failed);
}

void ray_governance_policy(ray_governance *governance, uint64_t now_ns, uint32_t rule,
                           uint32_t denied, uint32_t alert)
{
    ray_policy_measure record = {.matches = 1, .denials = denied != 0, .alerts = alert != 0,
                                .enforcement_ns = RAY_NEVER, .policy = rule};
    (void)ray_governance_record_policy(governance, now_ns, &record);
}

/* -- control -- */
void ray_governance_reset(ray_governance *governance, uint64_t now_ns)
{
    ray_governance_tally *tally = &governance->tally;
    ray_gov_pass(governance, now_ns);
    ray_gov_pairs_clear(tally);
    ray_gov_waits_clear(tally);
    ray_histogram_clear(&tally->enforcement, tally->enforcement_bucket, RAY_HISTOGRAM_SUB_BITS);
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        tally->alert[place].sum = 0;
        tally->alert[place].of = 0;
    }
    governance->book.reset_count++;
}
