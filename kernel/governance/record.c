/* SPDX-License-Identifier: MIT */
/* record.c - many decisions at once, from those who have no pipeline: a check of every number, then
 * the same rows, windows and alerts as a step of a request. */
#include "parts.h"

#define VALUE_END    (1ULL << RAY_GOV_VALUE_MAX_BITS)
#define DECISION_END (1ULL << 31)
#define BASIS        10000ULL

static ray_status refuse(ray_governance *governance, ray_status status)
{
    governance->tally.error_count++;
    return status;
}

static void count(ray_governance *governance, const ray_gov_touch *touch, uint32_t metric,
                  uint64_t number, uint64_t amount)
{
    if (number == 0 && amount == 0)
        return;
    ray_gov_series_add(&governance->tally, touch->pair, metric, number, amount);
    ray_gov_alerts_tell(governance, touch, metric, number, amount);
}

ray_status ray_governance_record_rate_limit(ray_governance *governance, uint64_t now_ns,
                                            const ray_rate_limit_measure *record)
{
    ray_governance_tally *tally = &governance->tally;
    ray_gov_touch touch;
    if (record->allowed >= DECISION_END || record->denied >= DECISION_END ||
        record->tokens_used >= VALUE_END || record->wait_ns >= VALUE_END ||
        ray_mul_capped(record->wait_ns, record->allowed) >= VALUE_END << 8)
        return refuse(governance, RAY_E_RANGE);
    ray_gov_pass(governance, now_ns);
    ray_gov_touch_find(governance, record->service, record->tenant, &touch);
    ray_governance_counts *row[3] = {&tally->total, touch.service, touch.tenant};
    uint64_t waited_ns = record->wait_ns * record->allowed;
    for (uint32_t i = 0; i < 3; i++) {
        row[i]->offered_count += record->allowed + record->denied;
        row[i]->denied_count += record->denied;
        row[i]->violation_count += record->denied;
        row[i]->dispatched_count += record->allowed;
        row[i]->tokens += record->tokens_used;
        row[i]->wait_ns += waited_ns;
    }
    count(governance, &touch, RAY_SERIES_REQUESTS, record->allowed + record->denied,
          record->tokens_used);
    count(governance, &touch, RAY_SERIES_DENIED, record->denied, record->denied);
    count(governance, &touch, RAY_SERIES_SENT, record->allowed, waited_ns);
    ray_gov_reason_count(tally, record->denied != 0 ? RAY_REASON_RATE_LIMITED : 0, record->denied);
    if (record->allowed != 0)
        ray_gov_waits_add(tally, touch.pair != 0 ? touch.pair->waits : 0, record->wait_ns,
                          (uint32_t)record->allowed);
    return RAY_OK;
}

ray_status ray_governance_record_quota(ray_governance *governance, uint64_t now_ns,
                                       const ray_quota_measure *record)
{
    ray_governance_tally *tally = &governance->tally;
    ray_gov_touch touch;
    if (record->quota_type >= RAY_GOV_QUOTA_TYPE_MAX)
        return refuse(governance, RAY_E_ARGUMENT);
    if (record->usage >= VALUE_END || record->limit >= VALUE_END)
        return refuse(governance, RAY_E_RANGE);
    ray_gov_pass(governance, now_ns);
    ray_governance_quota_counts *counts = &tally->quota[record->quota_type];
    uint32_t violation = record->usage > record->limit;
    uint64_t share = record->usage == 0   ? 0
                     : record->limit == 0 ? (uint64_t)RAY_NEVER
                                          : record->usage * BASIS / record->limit;
    counts->event_count++;
    counts->violation_count += violation;
    if (share > counts->utilization_bp_max)
        counts->utilization_bp_max = share;
    ray_gov_touch_find(governance, RAY_NONE, record->tenant, &touch);
    tally->total.violation_count += violation;
    touch.service->violation_count += violation;
    touch.tenant->violation_count += violation;
    count(governance, &touch, RAY_SERIES_DENIED, 0, violation);
    return RAY_OK;
}

/* -- policies -- */
static void policy_add(ray_governance_policy_counts *to, const ray_governance_policy_counts *from)
{
    to->match_count += from->match_count;
    to->denial_count += from->denial_count;
    to->alert_count += from->alert_count;
    to->enforcement_ns += from->enforcement_ns;
}

void ray_gov_policy_fold(ray_governance_tally *tally, uint32_t place)
{
    policy_add(&tally->policy_other, &tally->policy[place].counts);
    memset(&tally->policy[place], 0, sizeof tally->policy[place]);
}

/* Where a rule's matches are counted: its place, when no later rule has it. */
static ray_governance_policy_counts *policy_of(ray_governance_tally *tally, uint32_t rule)
{
    uint32_t place = rule & RAY_GOV_SLOT_MASK;
    if (rule == RAY_NONE || place >= RAY_POLICY_MAX ||
        (tally->policy[place].used != 0 && tally->policy[place].rule > rule))
        return &tally->policy_other;
    if (tally->policy[place].used != 0 && tally->policy[place].rule != rule)
        ray_gov_policy_fold(tally, place);
    tally->policy[place].used = 1;
    tally->policy[place].rule = rule;
    return &tally->policy[place].counts;
}

ray_status ray_governance_record_policy(ray_governance *governance, uint64_t now_ns,
                                        const ray_policy_measure *record)
{
    ray_governance_tally *tally = &governance->tally;
    uint32_t measured = record->enforcement_ns != RAY_NEVER;
    if (record->matches >= DECISION_END || record->denials >= DECISION_END ||
        record->alerts >= DECISION_END || (measured && record->enforcement_ns >= VALUE_END))
        return refuse(governance, RAY_E_RANGE);
    ray_gov_pass(governance, now_ns);
    const ray_governance_policy_counts add = {record->matches, record->denials, record->alerts,
                                              measured ? record->enforcement_ns : 0};
    policy_add(policy_of(tally, record->policy), &add);
    if (measured)
        ray_histogram_record(&tally->enforcement, tally->enforcement_bucket,
                             RAY_HISTOGRAM_SUB_BITS, record->enforcement_ns);
    return RAY_OK;
}

ray_status ray_governance_policy_read(const ray_governance *governance, uint32_t policy,
                                      ray_governance_policy_counts *out)
{
    uint32_t place = policy & RAY_GOV_SLOT_MASK;
    if (policy == RAY_NONE) {
        *out = governance->tally.policy_other;
        return RAY_OK;
    }
    if (place >= RAY_POLICY_MAX)
        return RAY_E_RANGE;
    if (governance->tally.policy[place].used == 0 || governance->tally.policy[place].rule != policy)
        return RAY_E_UNKNOWN;
    *out = governance->tally.policy[place].counts;
    return RAY_OK;
}

/* -- costs -- */
ray_status ray_governance_record_cost(ray_governance *governance, uint64_t now_ns,
                                      const ray_cost_measure *record)
{
    ray_governance_tally *tally = &governance->tally;
    ray_gov_touch touch;
    int64_t nano = record->cost_nano;
    if (record->metric_type >= RAY_GOV_COST_TYPE_MAX)
        return refuse(governance, RAY_E_ARGUMENT);
    ray_gov_pass(governance, now_ns);
    ray_gov_touch_find(governance, record->service, record->tenant, &touch);
    int64_t *to[4] = {&tally->total.cost_nano, &touch.service->cost_nano, &touch.tenant->cost_nano,
                      &tally->cost_nano[record->metric_type]};
    for (uint32_t i = 0; i < 4; i++)
        *to[i] = (int64_t)((uint64_t)*to[i] + (uint64_t)nano);
    count(governance, &touch, RAY_SERIES_COST, 1, (uint64_t)nano);
    return RAY_OK;
}
