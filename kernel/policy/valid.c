/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, numbered. A number once given keeps its meaning.
 *
 * 1 each rule passes the field checks, its name is unique, its generation was given out; a free
 *   slot is zero
 * 2 the pools hold the rules' rows in the order of slots without a gap, and zeros behind them
 * 3 how the rules combine is one of the words there are
 * 4 asked = granted + denied, and no kind of denial is more than them
 * 5 a rule decided no more than it matched; free slots count nothing
 * 6 audit ids have no gap and each record carries the hash of the one before
 * 7 the masks hold the rules that are enabled, enforced and shadow
 */
#include "parts.h"

static uint32_t rows_hold(const ray_policy *policy)
{
    const ray_config_counts anything = {.plan_count = RAY_PLAN_MAX, .tenant_count = RAY_TENANT_MAX,
                                        .service_count = RAY_SERVICE_MAX,
                                        .route_count = RAY_ROUTE_MAX, .limit_count = RAY_LIMIT_MAX,
                                        .quota_count = RAY_QUOTA_ALLOCATION_MAX};
    const ray_policy_config *config = &policy->config;
    uint32_t count = 0, found;
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        const ray_policy_slot *at = &config->slot[slot];
        if (config->issued[slot] > RAY_POLICY_SLOT_MASK)
            return 0;
        if (!ray_policy_used(config, slot)) {
            if (!ray_is_zero(at, sizeof *at))
                return 0;
            continue;
        }
        count++;
        if (at->generation > config->issued[slot] ||
            (uint32_t)at->term_first + at->spec.term_count > RAY_POLICY_TERM_MAX ||
            (uint32_t)at->header_first + at->spec.header_count > RAY_POLICY_HEADER_MAX)
            return 0;
        ray_policy_rows row = {NULL, &at->spec, &config->term[at->term_first],
                               &config->header[at->header_first]};
        if (ray_policy_row_check(&row, &anything).status != RAY_OK ||
            ray_policy_find(policy, at->spec.name.at, ray_name_length(&at->spec.name), &found) !=
                RAY_OK ||
            (found & RAY_POLICY_SLOT_MASK) != slot)
            return 0;
    }
    return count == config->count;
}

static uint32_t pools_hold(const ray_policy_config *config)
{
    uint32_t term = 0, header = 0;
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        const ray_policy_slot *at = &config->slot[slot];
        if (!ray_policy_used(config, slot))
            continue;
        if (at->term_first != term || at->header_first != header)
            return 0;
        term += at->spec.term_count;
        header += at->spec.header_count;
    }
    return term == config->term_count && header == config->header_count &&
           ray_is_zero(&config->term[term], (RAY_POLICY_TERM_MAX - term) * sizeof *config->term) &&
           ray_is_zero(&config->header[header],
                       (RAY_POLICY_HEADER_MAX - header) * sizeof *config->header);
}

static uint32_t counters_hold(const ray_policy_tally *tally)
{
    return tally->asked_count == tally->granted_count + tally->denied_count &&
           tally->redirected_count + tally->default_count + tally->indeterminate_count <=
               tally->denied_count &&
           tally->unspent_count <= tally->granted_count;
}

static uint32_t hits_hold(const ray_policy *policy)
{
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        const ray_policy_hits *hits = &policy->tally.hits[slot];
        if (hits->decided_count > hits->matched_count || hits->denied_count > hits->decided_count ||
            (!ray_policy_used(&policy->config, slot) && !ray_is_zero(hits, sizeof *hits)))
            return 0;
    }
    return 1;
}

static uint32_t audit_holds(const ray_policy *policy)
{
    const ray_policy_tally *tally = &policy->tally;
    for (uint64_t at = tally->audit_count; at < RAY_POLICY_AUDIT_MAX; at++)
        if (!ray_is_zero(&tally->record[at], sizeof tally->record[at]))
            return 0;
    return (tally->audit_count > RAY_POLICY_AUDIT_MAX ||
            ray_is_zero(tally->anchor, sizeof tally->anchor)) &&
           ray_policy_audit_broken(policy) == 0;
}

static uint32_t masks_hold(const ray_policy_config *config)
{
    const ray_policy_index *index = &config->index;
    uint32_t enabled = 0;
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        const ray_policy_spec *spec = &config->slot[slot].spec;
        uint32_t on = ray_policy_used(config, slot) && spec->enabled != 0;
        enabled += on != 0 && spec->mode != RAY_MODE_OFF;
        if (ray_bits_has(&index->enforced, slot) != (on != 0 && spec->mode == RAY_MODE_ENFORCE) ||
            ray_bits_has(&index->shadow, slot) != (on != 0 && spec->mode == RAY_MODE_SHADOW))
            return 0;
    }
    return enabled == index->enabled_count;
}

uint32_t ray_policy_valid(const ray_policy *policy)
{
    const ray_policy_config *config = &policy->config;
    uint32_t field;
    if (!rows_hold(policy))
        return 1;
    if (!pools_hold(config))
        return 2;
    if (ray_policy_set_check(&config->set, &field) != RAY_OK)
        return 3;
    if (!counters_hold(&policy->tally))
        return 4;
    if (!hits_hold(policy))
        return 5;
    if (!audit_holds(policy))
        return 6;
    return masks_hold(config) ? 0 : 7;
}

/* FNV-1a over words: only chance and not an enemy has to be found out here, because the tables are
 * made anew whatever they were. */
static uint64_t sum_of(const ray_policy_index *index)
{
    const uint64_t *word = (const void *)index;
    uint64_t sum = 0xcbf29ce484222325ULL;
    for (uint64_t i = 0; i < sizeof *index / 8; i++)
        sum = (sum ^ word[i]) * 0x100000001b3ULL;
    return sum;
}

uint32_t ray_policy_reindex(ray_policy *policy)
{
    uint64_t before = sum_of(&policy->config.index);
    ray_policy_index_build(&policy->config);
    return sum_of(&policy->config.index) == before;
}
