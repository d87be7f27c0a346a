/* SPDX-License-Identifier: MIT */
/* control.c - limits added, changed and removed while traffic flows. Everything is checked before
 * anything is written, so an error has changed nothing; a change accrues at the old rate, then
 * clamps. */
#include "limit.h"
#include <stddef.h>

/* -- control (private) -- */
static const uint32_t scope_max[RAY_SCOPE_MAX] = {RAY_LIMIT_SERVICE_MAX, RAY_LIMIT_USER_MAX,
                                                  RAY_LIMIT_IP_MAX, RAY_LIMIT_NAMED_MAX};

static ray_limit_moment moment_at(const ray_ratelimit *rl, uint64_t now_ns)
{
    ray_limit_moment at = {now_ns, ray_limit_wall(now_ns, rl->book.wall_offset_ns), 0,
                           RAY_CLASS_NORMAL, 0};
    return at;
}

static uint32_t table_size(uint32_t keyed)
{
    return keyed == RAY_KEYED_USER ? RAY_LIMIT_USER_KEY_MAX
           : keyed == RAY_KEYED_IP ? RAY_LIMIT_IP_KEY_MAX
                                   : 0;
}

static uint32_t table_slot(uint32_t keyed)
{
    return keyed == RAY_KEYED_USER ? RAY_SLOT_USER : RAY_SLOT_IP;
}

/* The next keyed bucket of a limit at or after `place`, RAY_NONE past the last. */
static uint32_t next_key(const ray_ratelimit *rl, uint32_t slot, uint32_t place)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    const uint64_t *keys = hot->keyed == RAY_KEYED_USER ? rl->book.user_key : rl->book.ip_key;
    uint32_t size = table_size(hot->keyed), base = table_slot(hot->keyed);
    for (; place < size; place++)
        if (keys[place] != 0 &&
            rl->config.rule[ray_bucket_at(rl, base + place)->rule].limit == slot)
            return place;
    return RAY_NONE;
}

static uint32_t find_name(const ray_ratelimit *rl, const ray_name *name)
{
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++)
        if (rl->config.hot[i].used && ray_name_same(&rl->config.spec[i].name, name))
            return i;
    return RAY_NONE;
}

/* A limit's own bucket as newly created; a log keeps or gets its chunk. */
static void clear_own(ray_ratelimit *rl, uint32_t slot, uint64_t now_ns)
{
    ray_limit_moment at = moment_at(rl, now_ns);
    ray_limit_bucket *own = &rl->book.own[slot];
    ray_bucket_clear(rl, &own->main);
    own->main.rule = (uint16_t)slot;
    own->excess = 0;
    own->excess_word = 0;
    own->held_until_ns = 0;
    own->drained_ns = 0;
    rl->config.rule[slot].direct = ray_rule_direct(rl, slot);
    if (rl->config.rule[slot].kind == RAY_KIND_EXACT)
        (void)ray_exact_allocate(rl, slot, &at, NULL, 0);
}

static void drop_keys(ray_ratelimit *rl, uint32_t slot)
{
    uint32_t keyed = rl->config.hot[slot].keyed;
    for (uint32_t place = 0; (place = next_key(rl, slot, place)) != RAY_NONE; place++)
        ray_key_drop(rl, table_slot(keyed) + place);
}

static uint32_t free_plan_rule(const ray_ratelimit *rl)
{
    for (uint32_t i = RAY_LIMIT_MAX; i < RAY_RULE_MAX; i++)
        if (!rl->config.rule[i].used)
            return i;
    return RAY_NONE;
}

/* -- control -- */
ray_status ray_ratelimit_add(ray_ratelimit *rl, uint64_t now_ns, const ray_limit_spec *spec,
                             uint32_t *limit)
{
    ray_limit_rule rule;
    ray_status status;
    if (ray_spec_check(spec, &status) != RAY_NONE)
        return status;
    if (rl->config.scope_count[spec->scope] >= scope_max[spec->scope])
        return RAY_E_FULL;
    if (spec->service != RAY_NONE && (spec->service & 0xffffU) >= RAY_SERVICE_MAX)
        return RAY_E_RANGE;
    uint32_t instead;
    if (spec->instead_of != RAY_NONE &&
        (status = ray_limit_slot(rl, spec->instead_of, &instead)) != RAY_OK)
        return status;
    if ((status = ray_rule_prepare(&rule, spec, spec->rate_tokens, spec->rate_period_ns,
                                   spec->capacity)) != RAY_OK)
        return status;
    if (find_name(rl, &spec->name) != RAY_NONE)
        return RAY_E_EXISTS;
    if ((spec->exact && rl->book.exact_count == RAY_CHUNK_MAX) || !ray_lists_few(&rl->config, spec))
        return RAY_E_FULL;
    uint32_t slot = 0;
    while (rl->config.hot[slot].used)
        slot++;
    ray_limit_hot *hot = &rl->config.hot[slot];
    hot->generation = hot->born;
    hot->born = hot->born == 0xffffU ? 1 : (uint16_t)(hot->born + 1U);
    rule.limit = (uint16_t)slot;
    rl->config.rule[slot] = rule;
    rl->config.spec[slot] = *spec;
    ray_hot_fill(rl->config.seed, hot, spec, &rule);
    ray_lists_build(&rl->config);
    clear_own(rl, slot, now_ns);
    *limit = ray_limit_handle(hot, slot);
    return RAY_OK;
}

ray_status ray_ratelimit_remove(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit)
{
    uint32_t slot;
    (void)now_ns;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++)
        if (i != slot && rl->config.hot[i].used && rl->config.hot[i].instead_of == slot + 1)
            return RAY_E_USED;
    ray_limit_hot *hot = &rl->config.hot[slot];
    if (hot->keyed != RAY_KEYED_NOT)
        drop_keys(rl, slot);
    for (uint32_t i = hot->plan_head; i != 0;) {
        uint32_t next = rl->config.rule[i - 1].next;
        memset(&rl->config.rule[i - 1], 0, sizeof rl->config.rule[i - 1]);
        memset(&rl->config.rate[i - 1 - RAY_LIMIT_MAX], 0, sizeof rl->config.rate[0]);
        i = next;
    }
    ray_bucket_clear(rl, &rl->book.own[slot].main);
    uint32_t stamp = rl->book.own[slot].main.stamp;
    memset(&rl->book.own[slot], 0, sizeof rl->book.own[slot]);
    rl->book.own[slot].main.stamp = stamp;
    uint16_t born = hot->born;
    memset(hot, 0, sizeof *hot);
    hot->born = born;
    memset(&rl->config.rule[slot], 0, sizeof rl->config.rule[slot]);
    memset(&rl->config.spec[slot], 0, sizeof rl->config.spec[slot]);
    ray_singles_fold(rl);
    memset(&rl->tally.limit[slot], 0, sizeof rl->tally.limit[slot]);
    ray_lists_build(&rl->config);
    ray_rules_mark(rl);
    return RAY_OK;
}

/* Converts every bucket that runs by rule `number` to what the rule becomes, then installs it. */
static void replace_rule(ray_ratelimit *rl, uint64_t now_ns, uint32_t number,
                         const ray_limit_rule *rule)
{
    ray_limit_moment at = moment_at(rl, now_ns);
    uint32_t slot = rule->limit;
    const ray_limit_hot *hot = &rl->config.hot[slot];
    ray_limit_bucket *own = &rl->book.own[slot];
    const ray_limit_rule *old = &rl->config.rule[number];
    if (own->main.rule == number)
        ray_bucket_convert(rl, old, rule, &own->main,
                           old->excess != 0 || rule->excess != 0 ? &own->excess : NULL, &at);
    own->excess_word = 0;
    for (uint32_t place = 0;
         hot->keyed != RAY_KEYED_NOT && (place = next_key(rl, slot, place)) != RAY_NONE; place++) {
        ray_bucket *bucket = ray_bucket_in(rl, table_slot(hot->keyed) + place);
        if (bucket->rule == number)
            ray_bucket_convert(rl, old, rule, bucket, NULL, &at);
    }
    rl->config.rule[number] = *rule;
}

ray_status ray_ratelimit_set_rate(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                  const ray_limit_rate_spec *rate)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    ray_limit_spec spec = rl->config.spec[slot];
    spec.rate_tokens = rate->rate_tokens;
    spec.rate_period_ns = rate->rate_period_ns;
    spec.capacity = rate->capacity;
    ray_limit_rule rule;
    if (ray_spec_check(&spec, &status) != RAY_NONE)
        return status;
    if ((status = ray_rule_prepare(&rule, &spec, spec.rate_tokens, spec.rate_period_ns,
                                   spec.capacity)) != RAY_OK)
        return status;
    rule.limit = (uint16_t)slot;
    ray_limit_hot *hot = &rl->config.hot[slot];
    if (rate->plan == RAY_NONE) {
        replace_rule(rl, now_ns, slot, &rule);
        rl->config.spec[slot] = spec;
        ray_rules_mark(rl);
        return RAY_OK;
    }
    if (spec.scope == RAY_SCOPE_SERVICE || spec.scope == RAY_SCOPE_NAMED ||
        rate->plan >= RAY_PLAN_MAX)
        return RAY_E_ARGUMENT;
    uint32_t number = ray_limit_rule_for(rl, hot, slot, rate->plan);
    rule.plan = rate->plan;
    if (number != slot) {
        rule.next = rl->config.rule[number].next;
        replace_rule(rl, now_ns, number, &rule);
    } else {
        number = free_plan_rule(rl);
        if (number == RAY_NONE)
            return RAY_E_FULL;
        rule.next = hot->plan_head;
        hot->plan_head = (uint16_t)(number + 1U);
        rl->config.rule[number] = rule;
    }
    rl->config.rate[number - RAY_LIMIT_MAX].tokens = spec.rate_tokens;
    rl->config.rate[number - RAY_LIMIT_MAX].period_ns = spec.rate_period_ns;
    ray_rules_mark(rl);
    return RAY_OK;
}

ray_status ray_ratelimit_set_excess(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                    uint64_t excess)
{
    uint32_t slot;
    ray_limit_rule rule;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    ray_limit_spec spec = rl->config.spec[slot];
    spec.excess = excess;
    if (ray_spec_check(&spec, &status) != RAY_NONE)
        return status;
    status = ray_rule_prepare(&rule, &spec, spec.rate_tokens, spec.rate_period_ns, spec.capacity);
    if (status != RAY_OK)
        return status;
    rule.limit = (uint16_t)slot;
    if (rl->config.hot[slot].plan_head != 0)
        return RAY_E_STATE;
    replace_rule(rl, now_ns, slot, &rule);
    rl->config.spec[slot] = spec;
    rl->config.hot[slot].excess = excess != 0;
    ray_rules_mark(rl);
    return RAY_OK;
}

ray_status ray_ratelimit_set_mode(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit, uint32_t mode)
{
    uint32_t slot;
    (void)now_ns;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    if (mode > RAY_MODE_OFF)
        return RAY_E_RANGE;
    if (mode != RAY_MODE_SHADOW && rl->config.spec[slot].instead_of != RAY_NONE)
        return RAY_E_STATE;
    rl->config.spec[slot].mode = (uint8_t)mode;
    rl->config.hot[slot].mode = (uint8_t)mode;
    ray_rules_mark(rl);
    return RAY_OK;
}

/* The slot of one key's bucket, RAY_NONE when there is none. */
static uint32_t slot_of_key(const ray_ratelimit *rl, uint32_t slot, const ray_ratelimit_query *who,
                            uint64_t *identity)
{
    const ray_limit_hot *hot = &rl->config.hot[slot];
    uint64_t hash = hot->keyed == RAY_KEYED_USER
                        ? ray_key_of_bytes(rl, who->user.at, who->user.length)
                        : ray_key_of_client(rl, hot, who);
    *identity = ray_key_identity(hot, hash);
    return ray_key_find(rl, hot->keyed, *identity);
}

ray_status ray_ratelimit_reset(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    if (rl->config.hot[slot].keyed != RAY_KEYED_NOT)
        drop_keys(rl, slot);
    clear_own(rl, slot, now_ns);
    return RAY_OK;
}

ray_status ray_ratelimit_reset_key(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                   const ray_ratelimit_query *who)
{
    uint32_t slot;
    uint64_t identity;
    (void)now_ns;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    if (rl->config.hot[slot].keyed == RAY_KEYED_NOT)
        return RAY_E_ARGUMENT;
    uint32_t place = slot_of_key(rl, slot, who, &identity);
    if (place == RAY_NONE)
        return RAY_E_UNKNOWN;
    ray_key_drop(rl, place);
    return RAY_OK;
}

void ray_ratelimit_reset_all(ray_ratelimit *rl, uint64_t now_ns)
{
    for (uint32_t i = 0; i < RAY_LIMIT_USER_KEY_MAX; i++)
        ray_key_drop(rl, RAY_SLOT_USER + i);
    for (uint32_t i = 0; i < RAY_LIMIT_IP_KEY_MAX; i++)
        ray_key_drop(rl, RAY_SLOT_IP + i);
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++)
        if (rl->config.hot[i].used)
            clear_own(rl, i, now_ns);
}

ray_status ray_ratelimit_drain(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit, uint64_t hold_ns)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    ray_limit_moment at = moment_at(rl, now_ns);
    const ray_limit_hot *hot = &rl->config.hot[slot];
    ray_limit_bucket *own = &rl->book.own[slot];
    ray_bucket_empty(rl, &rl->config.rule[own->main.rule], &own->main,
                     hot->excess ? &own->excess : NULL, &at);
    own->excess_word = 0;
    own->held_until_ns = hold_ns == 0 ? 0 : ray_add_capped(now_ns, hold_ns);
    own->drained_ns = hot->keyed == RAY_KEYED_NOT ? 0 : now_ns == 0 ? 1 : now_ns;
    rl->config.rule[slot].direct = ray_rule_direct(rl, slot);
    for (uint32_t place = 0;
         hot->keyed != RAY_KEYED_NOT && (place = next_key(rl, slot, place)) != RAY_NONE; place++) {
        ray_bucket *bucket = ray_bucket_in(rl, table_slot(hot->keyed) + place);
        ray_bucket_empty(rl, &rl->config.rule[bucket->rule], bucket, NULL, &at);
    }
    return RAY_OK;
}

ray_status ray_ratelimit_drain_key(ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                   const ray_ratelimit_query *who)
{
    uint32_t slot;
    uint64_t identity;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    const ray_limit_hot *hot = &rl->config.hot[slot];
    if (hot->keyed == RAY_KEYED_NOT)
        return RAY_E_ARGUMENT;
    ray_limit_moment at = moment_at(rl, now_ns);
    uint32_t place = slot_of_key(rl, slot, who, &identity);
    if (place == RAY_NONE) {
        uint32_t rule = ray_limit_rule_for(rl, hot, slot, who->plan);
        if (hot->kind == RAY_KIND_EXACT && !ray_exact_ready(rl, 1, &at, NULL, 0))
            return RAY_E_FULL;
        place = ray_key_place(rl, hot->keyed, identity, &at, NULL, 0);
        if (place == RAY_NONE)
            return RAY_E_FULL;
        ray_key_new new = {identity, NULL, 0, place, rule, 0};
        ray_key_put(rl, &new, &at);
    }
    ray_bucket *bucket = ray_bucket_in(rl, place);
    ray_bucket_empty(rl, &rl->config.rule[bucket->rule], bucket, NULL, &at);
    return RAY_OK;
}

void ray_ratelimit_set_wall(ray_ratelimit *rl, int64_t wall_offset_ns)
{
    rl->book.wall_offset_ns = wall_offset_ns;
}
