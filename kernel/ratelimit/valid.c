/* SPDX-License-Identifier: MIT */
/* valid.c - the laws of the module's state, each with the number the header gives it. */
#include "limit.h"
#include <stddef.h>

/* -- law (private) -- */
static uint32_t bucket_law(const ray_ratelimit *rl, const ray_bucket *bucket, uint32_t slot,
                           uint32_t keyed)
{
    if (bucket->rule >= RAY_RULE_MAX)
        return 5;
    const ray_limit_rule *rule = &rl->config.rule[bucket->rule];
    if (!rule->used || rule->limit >= RAY_LIMIT_MAX ||
        rl->config.hot[rule->limit].keyed != keyed ||
        (keyed == RAY_KEYED_NOT && rule->limit != slot))
        return 5;
    if (rule->kind <= RAY_KIND_QUEUE) {
        uint64_t most =
            rule->debt || rule->kind == RAY_KIND_QUEUE ? RAY_CREDITS_MAX : rule->capacity;
        if (bucket->level > most)
            return 1;
        if (bucket->word > bucket->level || (bucket->holds == 0 && bucket->word != 0))
            return 2;
        return 0;
    }
    if (bucket->holds != 0)
        return 2;
    if (rule->kind == RAY_KIND_FIXED && bucket->word != 0)
        return 1;
    if (rule->kind != RAY_KIND_EXACT)
        return 0;
    if (bucket->word == 0)
        return bucket->level == 0 ? 0 : 7;
    if (bucket->word > RAY_CHUNK_MAX || rl->book.exact_link[bucket->word - 1] != slot)
        return 7;
    if (bucket->level > RAY_LIMIT_EXACT_EACH)
        return 8;
    const uint64_t *log = rl->book.exact[bucket->word - 1];
    for (uint32_t i = 1; i < bucket->level; i++)
        if (log[(bucket->stamp - i) & 63U] < log[(bucket->stamp - i - 1U) & 63U])
            return 8;
    return 0;
}

static uint32_t own_law(const ray_ratelimit *rl)
{
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++) {
        const ray_limit_bucket *own = &rl->book.own[i];
        if (!rl->config.hot[i].used) {
            ray_limit_bucket copy = *own;
            copy.main.stamp = 0;
            if (!ray_is_zero(&copy, sizeof copy) ||
                !ray_is_zero(&rl->config.rule[i], sizeof rl->config.rule[i]))
                return 14;
            continue;
        }
        const ray_bucket *bucket = &own->main;
        uint32_t law = bucket_law(rl, bucket, i, rl->config.hot[i].keyed);
        if (law != 0)
            return law;
        const ray_limit_rule *rule = &rl->config.rule[bucket->rule];
        if (own->excess > rule->excess || own->excess_word > own->excess)
            return 1;
        if (rl->config.hot[i].kind == RAY_KIND_EXACT && bucket->word == 0)
            return 7;
    }
    return 0;
}

static uint32_t table_law(const ray_ratelimit *rl, uint32_t keyed)
{
    uint32_t users = keyed == RAY_KEYED_USER;
    uint32_t size = users ? RAY_LIMIT_USER_KEY_MAX : RAY_LIMIT_IP_KEY_MAX, count = 0;
    const uint64_t *keys = users ? rl->book.user_key : rl->book.ip_key;
    uint32_t base = users ? RAY_SLOT_USER : RAY_SLOT_IP;
    for (uint32_t i = 0; i < size; i++) {
        const ray_bucket *bucket = ray_bucket_at(rl, base + i);
        if (keys[i] == 0) {
            ray_bucket copy = *bucket;
            copy.stamp = 0;
            if (!ray_is_zero(&copy, sizeof copy))
                return 14;
            continue;
        }
        count++;
        if (((keys[i] & (size - 1U)) ^ i) & ~(uint64_t)(RAY_GROUP - 1))
            return 3;
        for (uint32_t k = i & ~(uint32_t)(RAY_GROUP - 1); k < i; k++)
            if (keys[k] == keys[i])
                return 4;
        uint32_t law = bucket_law(rl, bucket, base + i, keyed);
        if (law == 0 && rl->config.rule[bucket->rule].kind == RAY_KIND_EXACT && bucket->word == 0)
            law = 7;
        if (law != 0)
            return law;
    }
    return count == rl->book.key_count[keyed - RAY_KEYED_USER] ? 0 : 6;
}

/* Every chunk is in use by exactly one bucket or in the free list, whose chunks are zero. */
static uint32_t chunk_law(const ray_ratelimit *rl)
{
    const ray_ratelimit_book *book = &rl->book;
    uint32_t free_count = 0;
    if (book->exact_high > RAY_CHUNK_MAX)
        return 7;
    for (uint32_t i = book->exact_free; i != 0; i = book->exact_link[i - 1]) {
        if (i > book->exact_high || ++free_count > book->exact_high)
            return 7;
        if (!ray_is_zero(book->exact[i - 1], sizeof book->exact[i - 1]))
            return 14;
    }
    return free_count + book->exact_count == book->exact_high && book->exact_high <= RAY_CHUNK_MAX
               ? 0
               : 7;
}

/* What is looked at first for every request is what its specification says, and points nowhere but
 * at rules of its own. */
static uint32_t hot_law(const ray_ratelimit *rl, uint32_t slot)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    const ray_limit_spec *spec = &rl->config.spec[slot];
    const ray_limit_rule *rules = rl->config.rule;
    ray_status status = RAY_OK;
    uint32_t steps = 0;
    if (!hot->used)
        return 0;
    if (ray_spec_check(spec, &status) != RAY_NONE || rules[slot].used == 0 ||
        rules[slot].limit != slot || hot->instead_of > RAY_LIMIT_MAX ||
        (spec->service != RAY_NONE && (spec->service & 0xffffU) >= RAY_SERVICE_MAX))
        return 9;
    ray_limit_hot again = *hot;
    ray_hot_fill(rl->config.seed, &again, spec, &rules[slot]);
    if (!ray_same(&again, hot, sizeof again))
        return 9;
    for (uint32_t i = hot->plan_head; i != 0; i = rules[i - 1].next)
        if (i > RAY_RULE_MAX || rules[i - 1].used == 0 || rules[i - 1].limit != slot ||
            rules[i - 1].kind != hot->kind || ++steps > RAY_RULE_MAX)
            return 9;
    return 0;
}

static uint32_t rule_law(const ray_ratelimit *rl, uint32_t number)
{
    const ray_limit_rule *rule = &rl->config.rule[number];
    if (!rule->used)
        return ray_is_zero(rule, sizeof *rule) ? 0 : 14;
    if (rule->limit >= RAY_LIMIT_MAX || !rl->config.hot[rule->limit].used)
        return 9;
    const ray_limit_spec *spec = &rl->config.spec[rule->limit];
    ray_status status = RAY_OK;
    if (ray_spec_check(spec, &status) != RAY_NONE ||
        (rule->kind <= RAY_KIND_QUEUE && rule->period == 0))
        return 9;
    uint64_t capacity =
        rule->kind <= RAY_KIND_QUEUE ? rule->capacity / rule->period : spec->capacity;
    ray_limit_rule again;
    ray_limit_rate rate = ray_rate_of(&rl->config, number);
    if (ray_rule_prepare(&again, spec, rate.tokens, rate.period_ns, capacity) != RAY_OK)
        return 9;
    again.limit = rule->limit;
    again.next = rule->next;
    again.plan = rule->plan;
    again.direct = ray_rule_direct(rl, number);
    return ray_same(&again, rule, sizeof again) ? 0 : 9;
}

static uint32_t name_law(const ray_ratelimit_config *config)
{
    uint32_t counts[RAY_SCOPE_MAX] = {0};
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++) {
        if (!config->hot[i].used)
            continue;
        if (config->hot[i].scope >= RAY_SCOPE_MAX)
            return 11;
        counts[config->hot[i].scope]++;
        for (uint32_t k = 0; k < i; k++)
            if (config->hot[k].used && config->hot[k].name_hash == config->hot[i].name_hash &&
                ray_name_same(&config->spec[k].name, &config->spec[i].name))
                return 12;
    }
    return ray_same(counts, config->scope_count, sizeof counts) ? 0 : 11;
}

/* Walking the lists meets every limit that is not named exactly once. */
static uint32_t list_law(const ray_ratelimit_config *config)
{
    uint32_t met = 0, most = 0;
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++)
        most += config->hot[i].used && config->hot[i].scope != RAY_SCOPE_NAMED;
    for (uint32_t list = 0; list < RAY_SERVICE_MAX + RAY_PIN_MAX + 1U; list++) {
        uint32_t i = list < RAY_SERVICE_MAX ? config->service_head[list]
                     : list < (uint32_t)RAY_SERVICE_MAX + RAY_PIN_MAX
                         ? config->pin_head[list - RAY_SERVICE_MAX]
                         : config->any_head;
        for (; i != 0; i = config->hot[i - 1].next) {
            if (i > RAY_LIMIT_MAX)
                return 10;
            const ray_limit_hot *hot = &config->hot[i - 1];
            if (!hot->used || hot->scope == RAY_SCOPE_NAMED || ++met > most)
                return 10;
            if (!hot->pinned && list < RAY_SERVICE_MAX && (hot->service & 0xffffU) != list)
                return 10;
        }
    }
    return met == most ? 0 : 10;
}

/* -- law -- */
uint32_t ray_ratelimit_valid(const ray_ratelimit *rl)
{
    uint32_t law = 0;
    for (uint32_t i = 0; law == 0 && i < RAY_LIMIT_MAX; i++)
        law = hot_law(rl, i);
    if (law == 0)
        law = own_law(rl);
    if (law == 0)
        law = table_law(rl, RAY_KEYED_USER);
    if (law == 0)
        law = table_law(rl, RAY_KEYED_IP);
    if (law == 0)
        law = chunk_law(rl);
    for (uint32_t i = 0; law == 0 && i < RAY_RULE_MAX; i++)
        law = rule_law(rl, i);
    if (law == 0)
        law = name_law(&rl->config);
    if (law == 0)
        law = list_law(&rl->config);
    if (law == 0 && !ray_is_zero(&rl->config.stage, sizeof rl->config.stage))
        law = 13;
    return law;
}
