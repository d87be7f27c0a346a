/* SPDX-License-Identifier: MIT */
/* load.c - a reload: what was counted follows the names of services, tenants and policies, and an
 * alert that watches the same goes on where it was. */
#include "base/heap.h"
#include "parts.h"

/* -- names -- */
void ray_governance_services_move(ray_governance *governance, const ray_names *before,
                                  const ray_names *after)
{
    ray_gov_rows_move(governance, RAY_DIMENSION_SERVICE, before, after);
    ray_gov_pairs_move(governance, RAY_DIMENSION_SERVICE, before, after);
    ray_gov_waits_move(&governance->tally, before, after);
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        ray_alert_spec *spec = &governance->config.alert[place];
        if (ray_gov_alert_used(governance, place) != 0 &&
            ray_gov_follow(before, after, spec->service, &spec->service) == 0)
            ray_gov_alert_drop(governance, place);
    }
    ray_gov_pairs_rehash(governance);
    ray_gov_pairs_watch(governance);
}

void ray_governance_tenants_move(ray_governance *governance, const ray_names *before,
                                 const ray_names *after)
{
    ray_gov_rows_move(governance, RAY_DIMENSION_TENANT, before, after);
    ray_gov_pairs_move(governance, RAY_DIMENSION_TENANT, before, after);
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        ray_alert_spec *spec = &governance->config.alert[place];
        if (ray_gov_alert_used(governance, place) != 0 &&
            ray_gov_follow(before, after, spec->tenant, &spec->tenant) == 0)
            ray_gov_alert_drop(governance, place);
    }
    ray_gov_pairs_rehash(governance);
    ray_gov_pairs_watch(governance);
}

static void policy_swap(ray_governance_tally *tally, uint32_t a, uint32_t b)
{
    ray_gov_policy_row kept = tally->policy[a];
    tally->policy[a] = tally->policy[b];
    tally->policy[b] = kept;
}

/* Rows go where their names went, one swap each; the place a row of `before` is at meanwhile is
 * found by following the swaps: at most RAY_POLICY_MAX of them. */
void ray_governance_policies_move(ray_governance *governance, const ray_names *before,
                                  const ray_names *after)
{
    ray_governance_tally *tally = &governance->tally;
    uint8_t at[RAY_POLICY_MAX]; /* at[place]: the old place of what stands there now */
    _Static_assert(RAY_POLICY_MAX <= 256, "a place fits a byte");
    for (uint32_t place = 0; place < RAY_POLICY_MAX; place++) {
        uint32_t to;
        at[place] = (uint8_t)place;
        if (ray_gov_follow(before, after, place, &to) != 0 && to < RAY_POLICY_MAX)
            continue;
        ray_gov_policy_fold(tally, place);
    }
    for (uint32_t place = 0; place < RAY_POLICY_MAX; place++) {
        uint32_t to;
        /* each swap brings one row to where it belongs for good */
        while (ray_gov_follow(before, after, at[place], &to) != 0 && to < RAY_POLICY_MAX &&
               to != place) {
            uint8_t moved = at[to];
            policy_swap(tally, place, to);
            at[to] = at[place];
            at[place] = moved;
        }
    }
    for (uint32_t place = 0; place < RAY_POLICY_MAX; place++)
        if (tally->policy[place].used != 0)
            tally->policy[place].rule = place;
}

/* -- alerts -- */
static uint32_t watches_the_same(const ray_alert_spec *a, const ray_alert_spec *b)
{
    return a->metric == b->metric && a->service == b->service && a->tenant == b->tenant &&
           a->window_ns == b->window_ns;
}

static void retag(ray_governance *governance, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < RAY_ALERT_EVENT_MAX; i++)
        if (governance->tally.event[i].id != 0 && governance->tally.event[i].alert == from)
            governance->tally.event[i].alert = to;
}

/* Puts the alert of place `from`, which is used, into `to`, which is free. */
static void carry(ray_governance *governance, uint32_t from, uint32_t to)
{
    ray_governance_config *config = &governance->config;
    ray_governance_tally *tally = &governance->tally;
    uint32_t was = ray_gov_alert_handle(governance, from);
    config->alert[to] = config->alert[from];
    config->generation[to] = config->generation[from];
    tally->alert[to] = tally->alert[from];
    tally->alert_due_ns[to] = tally->alert_due_ns[from];
    memset(&config->alert[from], 0, sizeof config->alert[from]);
    memset(&tally->alert[from], 0, sizeof tally->alert[from]);
    config->generation[from] = 0;
    tally->alert_due_ns[from] = 0;
    retag(governance, was, ray_gov_alert_handle(governance, to));
}

static uint32_t row_named(const ray_alert_spec *rows, uint32_t count, const ray_name *name)
{
    for (uint32_t row = 0; row < count; row++)
        if (ray_name_same(&rows[row].name, name) != 0)
            return row;
    return RAY_NONE;
}

static uint32_t free_after(const ray_governance *governance, uint32_t place)
{
    while (ray_gov_alert_used(governance, ++place) != 0)
        ;
    return place;
}

/* Makes `place` hold the alert that rows[place] names, or nothing. Whoever stands there and is
 * wanted later makes room: of the places behind there are more than of those that wait. */
static void bring(ray_governance *governance, const ray_alert_spec *rows, uint32_t place)
{
    uint32_t from = place;
    while (from < RAY_ALERT_RULE_MAX &&
           ray_name_same(&governance->config.alert[from].name, &rows[place].name) == 0)
        from++;
    if (from == place)
        return;
    if (ray_gov_alert_used(governance, place) != 0 && from < RAY_ALERT_RULE_MAX) {
        /* all places may be taken: the two change over a third only where there is one */
        ray_alert_spec spec = governance->config.alert[from];
        ray_alert_slot slot = governance->tally.alert[from];
        uint64_t due_ns = governance->tally.alert_due_ns[from];
        uint32_t was = ray_gov_alert_handle(governance, from);
        uint32_t generation = governance->config.generation[from];
        retag(governance, was, RAY_NONE - 1);
        carry(governance, place, from);
        governance->config.alert[place] = spec;
        governance->config.generation[place] = generation;
        governance->tally.alert[place] = slot;
        governance->tally.alert_due_ns[place] = due_ns;
        retag(governance, RAY_NONE - 1, ray_gov_alert_handle(governance, place));
        return;
    }
    if (ray_gov_alert_used(governance, place) != 0)
        carry(governance, place, free_after(governance, place));
    else if (from < RAY_ALERT_RULE_MAX)
        carry(governance, from, place);
}

static void heap_again(ray_governance_tally *tally)
{
    ray_heap heap = {tally->alert_order, tally->alert_place, tally->alert_due_ns,
                     &tally->alert_heap_count};
    memset(tally->alert_order, 0, sizeof tally->alert_order);
    memset(tally->alert_place, 0, sizeof tally->alert_place);
    tally->alert_heap_count = 0;
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++)
        if (tally->alert_due_ns[place] != 0)
            ray_heap_add(&heap, place);
}

void ray_governance_load(ray_governance *governance, uint64_t now_ns, const ray_alert_spec *rows,
                         const ray_config_counts *counts, ray_config_report *report)
{
    ray_governance_config *config = &governance->config;
    uint32_t count = counts->alert_count;
    ray_gov_pass(governance, now_ns);
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++)
        if (ray_gov_alert_used(governance, place) != 0 &&
            row_named(rows, count, &config->alert[place].name) == RAY_NONE)
            ray_gov_alert_drop(governance, place);
    for (uint32_t place = 0; place < count; place++)
        bring(governance, rows, place);
    heap_again(&governance->tally);
    for (uint32_t place = 0; place < count; place++) {
        uint32_t was = ray_gov_alert_handle(governance, place);
        uint32_t known = ray_gov_alert_used(governance, place);
        uint32_t keeps = known && watches_the_same(&config->alert[place], &rows[place]);
        config->alert[place] = rows[place];
        config->generation[place] = 0;
        if (known)
            retag(governance, was, place);
        report->kept_count += keeps;
        report->reset_count += known && !keeps;
        if (!keeps)
            ray_gov_alert_begin(governance, place, now_ns);
    }
    ray_gov_pairs_watch(governance);
}
