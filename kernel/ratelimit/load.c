/* SPDX-License-Identifier: MIT */
/* load.c - a whole configuration, checked as if an enemy had written it, then swapped in one go.
 * Limits are matched by name: what did not change keeps its balance to the bit, what changed is
 * accrued at the old rate and clamped. */
#include "limit.h"
#include <stddef.h>

enum { SECTION_LIMIT = 20, SECTION_RATE = 21 };

/* -- checking (private) -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint64_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = (uint32_t)field;
    return status;
}

static ray_status check_references(const ray_limit_spec *limits, uint32_t row,
                                   const ray_config_counts *counts, ray_config_report *report)
{
    const ray_limit_spec *spec = &limits[row];
    if (spec->service != RAY_NONE && spec->service >= counts->service_count)
        return refuse(report, RAY_E_UNKNOWN, SECTION_LIMIT, row, offsetof(ray_limit_spec, service));
    if (spec->instead_of != RAY_NONE &&
        (spec->instead_of >= counts->limit_count || spec->instead_of == row))
        return refuse(report, RAY_E_UNKNOWN, SECTION_LIMIT, row,
                      offsetof(ray_limit_spec, instead_of));
    for (uint32_t i = 0; i < row; i++)
        if (ray_name_same(&limits[i].name, &spec->name))
            return refuse(report, RAY_E_EXISTS, SECTION_LIMIT, row, offsetof(ray_limit_spec, name));
    return RAY_OK;
}

static ray_status check_limits(const ray_limit_spec *limits, const ray_config_counts *counts,
                               ray_config_report *report)
{
    static const uint32_t most[RAY_SCOPE_MAX] = {RAY_LIMIT_SERVICE_MAX, RAY_LIMIT_USER_MAX,
                                                 RAY_LIMIT_IP_MAX, RAY_LIMIT_NAMED_MAX};
    uint32_t scope_count[RAY_SCOPE_MAX] = {0}, exact_count = 0;
    for (uint32_t row = 0; row < counts->limit_count; row++) {
        ray_limit_rule rule;
        ray_status status;
        const ray_limit_spec *spec = &limits[row];
        uint32_t field = ray_spec_check(spec, &status);
        if (field != RAY_NONE)
            return refuse(report, status, SECTION_LIMIT, row, field);
        status =
            ray_rule_prepare(&rule, spec, spec->rate_tokens, spec->rate_period_ns, spec->capacity);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_LIMIT, row,
                          offsetof(ray_limit_spec, rate_tokens));
        status = check_references(limits, row, counts, report);
        if (status != RAY_OK)
            return status;
        exact_count += spec->exact;
        if (++scope_count[spec->scope] > most[spec->scope] || exact_count > RAY_CHUNK_MAX)
            return refuse(report, RAY_E_FULL, SECTION_LIMIT, row, offsetof(ray_limit_spec, scope));
    }
    return RAY_OK;
}

static ray_status check_rate(const ray_limit_spec *limits, const ray_limit_rate_spec *rates,
                             uint32_t row, const ray_config_counts *counts,
                             ray_config_report *report)
{
    const ray_limit_rate_spec *rate = &rates[row];
    if (rate->limit >= counts->limit_count)
        return refuse(report, RAY_E_UNKNOWN, SECTION_RATE, row,
                      offsetof(ray_limit_rate_spec, limit));
    if (rate->plan >= counts->plan_count || rate->plan >= RAY_PLAN_MAX)
        return refuse(report, RAY_E_UNKNOWN, SECTION_RATE, row,
                      offsetof(ray_limit_rate_spec, plan));
    ray_limit_spec spec = limits[rate->limit];
    if (spec.scope == RAY_SCOPE_SERVICE || spec.scope == RAY_SCOPE_NAMED)
        return refuse(report, RAY_E_ARGUMENT, SECTION_RATE, row,
                      offsetof(ray_limit_rate_spec, limit));
    spec.rate_tokens = rate->rate_tokens;
    spec.rate_period_ns = rate->rate_period_ns;
    spec.capacity = rate->capacity;
    ray_limit_rule rule;
    ray_status status;
    if (ray_spec_check(&spec, &status) != RAY_NONE)
        return refuse(report, status, SECTION_RATE, row,
                      offsetof(ray_limit_rate_spec, rate_tokens));
    status = ray_rule_prepare(&rule, &spec, spec.rate_tokens, spec.rate_period_ns, spec.capacity);
    if (status != RAY_OK)
        return refuse(report, status, SECTION_RATE, row,
                      offsetof(ray_limit_rate_spec, rate_tokens));
    for (uint32_t i = 0; i < row; i++)
        if (rates[i].limit == rate->limit && rates[i].plan == rate->plan)
            return refuse(report, RAY_E_EXISTS, SECTION_RATE, row,
                          offsetof(ray_limit_rate_spec, plan));
    return RAY_OK;
}

/* -- init -- */
ray_status ray_ratelimit_check(const ray_limit_spec *limits, const ray_limit_rate_spec *rates,
                               const ray_config_counts *counts, ray_config_report *report)
{
    if (counts->limit_count > RAY_LIMIT_MAX || counts->service_count > RAY_SERVICE_MAX)
        return refuse(report, RAY_E_FULL, SECTION_LIMIT, RAY_LIMIT_MAX, 0);
    if (counts->limit_rate_count > RAY_LIMIT_RATE_MAX)
        return refuse(report, RAY_E_FULL, SECTION_RATE, RAY_LIMIT_RATE_MAX, 0);
    ray_status status = check_limits(limits, counts, report);
    for (uint32_t row = 0; status == RAY_OK && row < counts->limit_rate_count; row++)
        status = check_rate(limits, rates, row, counts, report);
    if (status != RAY_OK)
        return status;
    uint16_t met[RAY_SERVICE_MAX + 1];
    ray_ratelimit_applied(limits, counts->limit_count, counts->service_count, met);
    for (uint32_t i = 0; i <= counts->service_count; i++)
        if (met[i] > RAY_REQUEST_LIMIT_MAX)
            return refuse(report, RAY_E_FULL, SECTION_LIMIT, counts->limit_count - 1,
                          offsetof(ray_limit_spec, service));
    return RAY_OK;
}

/* -- staging (private) -- */
static void stage_rules(ray_limit_stage *stage, const ray_limit_spec *limits,
                        const ray_limit_rate_spec *rates, const ray_config_counts *counts)
{
    for (uint32_t i = 0; i < counts->limit_count; i++) {
        const ray_limit_spec *spec = &limits[i];
        (void)ray_rule_prepare(&stage->rule[i], spec, spec->rate_tokens, spec->rate_period_ns,
                               spec->capacity);
        stage->rule[i].limit = (uint16_t)i;
    }
    for (uint32_t j = counts->limit_rate_count; j-- > 0;) {
        const ray_limit_rate_spec *rate = &rates[j];
        ray_limit_rule *rule = &stage->rule[RAY_LIMIT_MAX + j], *own = &stage->rule[rate->limit];
        (void)ray_rule_prepare(rule, &limits[rate->limit], rate->rate_tokens, rate->rate_period_ns,
                               rate->capacity);
        rule->limit = (uint16_t)rate->limit;
        rule->plan = rate->plan;
        rule->next = own->next; /* the head lies in the own rule until the hot row is filled */
        own->next = (uint16_t)(RAY_LIMIT_MAX + j + 1U);
    }
}

static uint32_t kind_of_keys(const ray_limit_spec *spec)
{
    uint32_t pinned = !ray_is_zero(&spec->user, sizeof spec->user);
    return spec->scope == RAY_SCOPE_IP                ? RAY_KEYED_IP
           : spec->scope == RAY_SCOPE_USER && !pinned ? RAY_KEYED_USER
                                                      : RAY_KEYED_NOT;
}

/* Which new row each old limit becomes. A limit whose keys mean something else now is a new one. */
static void stage_places(ray_ratelimit *rl, const ray_limit_spec *limits, uint32_t count)
{
    ray_ratelimit_config *config = &rl->config;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = ray_siphash(config->seed, (const uint8_t *)limits[i].name.at,
                                    ray_name_length(&limits[i].name));
        for (uint32_t old = 0; old < RAY_LIMIT_MAX; old++) {
            const ray_limit_hot *hot = &config->hot[old];
            if (!hot->used || hot->name_hash != hash ||
                !ray_name_same(&config->spec[old].name, &limits[i].name))
                continue;
            if (hot->keyed == kind_of_keys(&limits[i]) &&
                (hot->keyed != RAY_KEYED_IP ||
                 (hot->prefix_v4 == limits[i].prefix_v4 && hot->prefix_v6 == limits[i].prefix_v6)))
                config->stage.place[old] = (uint16_t)(i + 1U);
        }
    }
    for (uint32_t old = 0; old < RAY_RULE_MAX; old++) {
        const ray_limit_rule *rule = &config->rule[old];
        uint32_t place = rule->used ? config->stage.place[rule->limit] : 0;
        if (place == 0)
            continue;
        uint32_t to = place - 1;
        for (uint32_t k = config->stage.rule[place - 1].next; k != 0 && rule->plan != RAY_NONE;
             k = config->stage.rule[k - 1].next)
            if (config->stage.rule[k - 1].plan == rule->plan)
                to = k - 1;
        config->stage.rule_place[old] = (uint16_t)(to + 1U);
    }
}

static uint32_t same_rule(const ray_limit_rule *a, const ray_limit_rule *b)
{
    return a->kind == b->kind && a->tick == b->tick && a->debt == b->debt &&
           a->edge_ns == b->edge_ns && a->excess == b->excess && a->tokens == b->tokens &&
           a->period == b->period && a->capacity == b->capacity &&
           ray_same(a->ceiling, b->ceiling, sizeof a->ceiling);
}

/* Brings one bucket from its old rule to the new one; the bucket's rule number is the caller's to
 * change. */
static void move_rule(ray_ratelimit *rl, ray_bucket *bucket, uint64_t *excess, uint32_t slot,
                      uint32_t to, const ray_limit_moment *at)
{
    const ray_limit_rule *from = &rl->config.rule[bucket->rule], *rule = &rl->config.stage.rule[to];
    if (same_rule(from, rule))
        return;
    if (from->kind == rule->kind) {
        ray_bucket_convert(rl, from, rule, bucket, excess, at);
        return;
    }
    ray_limit_answer left = {0};
    ray_limit_moment peek = *at;
    peek.tokens = 0;
    ray_bucket_decide(rl, from, bucket, 0, &peek, &left);
    ray_bucket_clear(rl, bucket);
    if (excess != NULL)
        *excess = rule->excess;
    if (rule->kind == RAY_KIND_EXACT) {
        if (rl->book.exact_count == RAY_CHUNK_MAX)
            return;
        (void)ray_exact_allocate(rl, slot, at, NULL, 0);
    }
    ray_bucket_leave(rl, rule, bucket, left.left_tokens, at);
}

static void move_keys(ray_ratelimit *rl, uint32_t slot, uint32_t count, const uint64_t *keys,
                      const ray_limit_moment *at)
{
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i] == 0)
            continue;
        ray_bucket *bucket = ray_bucket_in(rl, slot + i);
        uint32_t to = rl->config.stage.rule_place[bucket->rule];
        if (to == 0) {
            ray_key_drop(rl, slot + i);
            continue;
        }
        move_rule(rl, bucket, NULL, slot + i, to - 1, at);
        bucket->rule = (uint16_t)(to - 1);
    }
}

/* A stamp that no hold of `slot` carries; modulo 64 it is `want`, because a log's instants lie by
 * their stamp. */
static uint32_t next_stamp(const ray_ratelimit *rl, uint32_t slot, uint32_t want)
{
    uint32_t past = rl->book.own[slot].main.stamp + RAY_LIMIT_EXACT_EACH;
    return past + ((want - past) & (RAY_LIMIT_EXACT_EACH - 1U));
}

static void move_own(ray_ratelimit *rl, uint32_t old, const ray_limit_moment *at)
{
    ray_limit_stage *stage = &rl->config.stage;
    ray_limit_bucket *own = &rl->book.own[old];
    uint32_t place = stage->place[old];
    if (place == 0) {
        ray_bucket_clear(rl, &own->main);
        return;
    }
    uint32_t to = stage->rule_place[own->main.rule] - 1U;
    uint64_t *excess = rl->config.rule[old].excess != 0 || stage->rule[place - 1].excess != 0
                           ? &own->excess
                           : NULL;
    move_rule(rl, &own->main, excess, old, to, at);
    own->main.rule = (uint16_t)to;
    ray_limit_bucket *target = &stage->own[place - 1];
    *target = *own;
    stage->moved[place - 1] = 1;
    stage->tally[place - 1] = rl->tally.limit[old];
    if (place - 1U != old) {
        target->main.stamp = next_stamp(rl, place - 1U, own->main.stamp);
        target->main.holds = 0;
        target->excess_word = 0;
        if (stage->rule[to].kind <= RAY_KIND_QUEUE)
            target->main.word = 0;
        else if (stage->rule[to].kind == RAY_KIND_EXACT && target->main.word != 0)
            rl->book.exact_link[target->main.word - 1] = place - 1U;
    }
}

/* A log for every exact limit; a key's log makes way when the pool is used up. */
static void give_chunks(ray_ratelimit *rl, uint32_t count, const ray_limit_moment *at)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rl->config.hot[i].kind != RAY_KIND_EXACT || rl->book.own[i].main.word != 0)
            continue;
        while (!ray_exact_allocate(rl, i, at, NULL, 0)) {
            uint32_t hand = rl->book.exact_hand;
            while (rl->book.exact_link[hand] < RAY_SLOT_USER)
                hand = (hand + 1U) % RAY_CHUNK_MAX;
            ray_key_evict(rl, rl->book.exact_link[hand]);
        }
    }
}

static void count_kept(const ray_ratelimit *rl, uint32_t old, ray_config_report *report)
{
    const ray_limit_stage *stage = &rl->config.stage;
    if (!rl->config.hot[old].used || stage->place[old] == 0)
        return;
    uint32_t same = same_rule(&rl->config.rule[old], &stage->rule[stage->place[old] - 1]);
    for (uint32_t i = rl->config.hot[old].plan_head; i != 0; i = rl->config.rule[i - 1].next)
        same &= same_rule(&rl->config.rule[i - 1], &stage->rule[stage->rule_place[i - 1] - 1]);
    report->kept_count += same;
    report->reset_count += !same;
}

static void swap_in(ray_ratelimit *rl, const ray_limit_spec *limits, uint32_t count)
{
    ray_ratelimit_config *config = &rl->config;
    memcpy(config->rule, config->stage.rule, sizeof config->rule);
    memset(config->spec, 0, sizeof config->spec);
    memset(config->rate, 0, sizeof config->rate);
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++) {
        ray_limit_hot *hot = &config->hot[i];
        uint16_t born = hot->born;
        uint32_t used = hot->used, stamp = rl->book.own[i].main.stamp;
        memset(hot, 0, sizeof *hot);
        hot->born = born;
        rl->book.own[i] = config->stage.own[i];
        rl->tally.limit[i] = config->stage.tally[i];
        if (!config->stage.moved[i])
            rl->book.own[i].main.stamp = stamp + (used ? RAY_LIMIT_EXACT_EACH : 0);
        if (i >= count)
            continue;
        hot->born = born != 0 ? born : 1;
        config->spec[i] = limits[i];
        ray_hot_fill(config->seed, hot, &limits[i], &config->rule[i]);
        hot->plan_head = config->rule[i].next;
        config->rule[i].next = 0;
        if (!config->stage.moved[i])
            rl->book.own[i].main.rule = (uint16_t)i;
    }
    memset(&config->stage, 0, sizeof config->stage);
    ray_lists_build(config);
    ray_rules_mark(rl);
}

void ray_ratelimit_load(ray_ratelimit *rl, uint64_t now_ns, int64_t wall_offset_ns,
                        const ray_limit_spec *limits, const ray_limit_rate_spec *rates,
                        const ray_config_counts *counts, ray_config_report *report)
{
    rl->book.wall_offset_ns = wall_offset_ns;
    ray_limit_moment at = {now_ns, ray_limit_wall(now_ns, wall_offset_ns), 0, RAY_CLASS_NORMAL, 0};
    ray_singles_fold(rl);
    stage_rules(&rl->config.stage, limits, rates, counts);
    stage_places(rl, limits, counts->limit_count);
    for (uint32_t old = 0; old < RAY_LIMIT_MAX; old++)
        count_kept(rl, old, report);
    move_keys(rl, RAY_SLOT_USER, RAY_LIMIT_USER_KEY_MAX, rl->book.user_key, &at);
    move_keys(rl, RAY_SLOT_IP, RAY_LIMIT_IP_KEY_MAX, rl->book.ip_key, &at);
    for (uint32_t old = 0; old < RAY_LIMIT_MAX; old++)
        if (rl->config.hot[old].used)
            move_own(rl, old, &at);
    swap_in(rl, limits, counts->limit_count);
    for (uint32_t j = 0; j < counts->limit_rate_count; j++) {
        rl->config.rate[j].tokens = rates[j].rate_tokens;
        rl->config.rate[j].period_ns = rates[j].rate_period_ns;
    }
    give_chunks(rl, counts->limit_count, &at);
}
