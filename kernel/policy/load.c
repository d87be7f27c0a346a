/* SPDX-License-Identifier: MIT */
/* load.c - new rules for old in one swap. Nothing here is spent, so only counters follow a rule:
 * by its name, whatever else changed about it. */
#include "parts.h"

/* 1 when the new row says what the old rule says, its terms and headers too. */
static uint32_t unchanged(const ray_policy_config *config, uint32_t slot,
                          const ray_policy_rows *row)
{
    const ray_policy_slot *old = &config->slot[slot];
    return ray_same(&old->spec, row->rule, sizeof old->spec) &&
           ray_same(&config->term[old->term_first], row->term,
                    old->spec.term_count * sizeof *row->term) &&
           ray_same(&config->header[old->header_first], row->header,
                    old->spec.header_count * sizeof *row->header);
}

static uint32_t slot_named(const ray_policy_config *config, const ray_name *name)
{
    uint32_t slot = 0;
    while (slot < RAY_POLICY_MAX && (!ray_policy_used(config, slot) ||
                                     !ray_name_same(&config->slot[slot].spec.name, name)))
        slot++;
    return slot;
}

static void count_kept(const ray_policy_config *config, const ray_policy_rows *rows,
                       uint32_t count, ray_config_report *report)
{
    ray_policy_rows row = {0, rows->rule, rows->term, rows->header};
    for (uint32_t to = 0; to < count; to++) {
        uint32_t from = slot_named(config, &row.rule->name);
        if (from < RAY_POLICY_MAX) {
            uint32_t same = unchanged(config, from, &row);
            report->kept_count += same;
            report->reset_count += !same;
        }
        row.term += row.rule->term_count;
        row.header += row.rule->header_count;
        row.rule++;
    }
}

static void forget_gone(ray_policy_config *config, const ray_policy_rows *rows, uint32_t count)
{
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        uint32_t row = 0;
        while (row < count && !ray_name_same(&config->slot[slot].spec.name, &rows->rule[row].name))
            row++;
        if (row == count)
            memset(&config->slot[slot].spec.name, 0, sizeof config->slot[slot].spec.name);
    }
}

/* Counters go to their rule's new place, one place after the other; who stood there and is still
 * wanted steps aside. As many slots as rows are left to place, so one is always free. */
static void carry_hits(ray_policy *policy, const ray_policy_rows *rows, uint32_t count)
{
    ray_policy_slot *slot = policy->config.slot;
    ray_policy_hits *hits = policy->tally.hits;
    for (uint32_t to = 0; to < count; to++) {
        uint32_t from = slot_named(&policy->config, &rows->rule[to].name), aside = from;
        ray_policy_hits own = {0};
        if (from < RAY_POLICY_MAX)
            own = hits[from];
        if (from == RAY_POLICY_MAX)
            for (aside = to; ray_policy_used(&policy->config, aside); aside++)
                ray_assert(aside + 1 < RAY_POLICY_MAX);
        slot[aside].spec.name = slot[to].spec.name;
        hits[aside] = hits[to];
        slot[to].spec.name = rows->rule[to].name;
        hits[to] = own;
    }
}

void ray_policy_load(ray_policy *policy, uint64_t now_ns, int64_t wall_offset_ns,
                     const ray_policy_rows *rows, const ray_config_counts *counts,
                     ray_config_report *report)
{
    ray_policy_config *config = &policy->config;
    uint32_t count = counts->policy_count, term = 0, header = 0;
    uint64_t generation = config->generation + 1;
    (void)now_ns;
    (void)wall_offset_ns;
    count_kept(config, rows, count, report);
    forget_gone(config, rows, count);
    carry_hits(policy, rows, count);
    memset(config->slot, 0, sizeof config->slot);
    memset(config->term, 0, sizeof config->term);
    memset(config->header, 0, sizeof config->header);
    memset(&config->set, 0, sizeof config->set);
    for (uint32_t slot = 0; slot < count; slot++) {
        ray_policy_slot *at = &config->slot[slot];
        at->spec = rows->rule[slot];
        at->term_first = (uint16_t)term;
        at->header_first = (uint16_t)header;
        term += at->spec.term_count;
        header += at->spec.header_count;
    }
    memcpy(config->term, rows->term, term * sizeof *config->term);
    memcpy(config->header, rows->header, header * sizeof *config->header);
    if (counts->policy_set_count > 0)
        config->set = *rows->set;
    config->generation = generation;
    config->count = count;
    config->term_count = term;
    config->header_count = header;
    memset(&policy->tally.hits[count], 0, (RAY_POLICY_MAX - count) * sizeof policy->tally.hits[0]);
    ray_policy_index_build(config);
}
