/* SPDX-License-Identifier: MIT */
/* read.c - what people and exporters see: counters, one limit, one bucket. Nothing here changes a
 * byte. */
#include "limit.h"

/* -- reading (private) -- */
static ray_limit_moment moment_at(const ray_ratelimit *rl, uint64_t now_ns, uint64_t tokens)
{
    ray_limit_moment at = {now_ns, ray_limit_wall(now_ns, rl->book.wall_offset_ns), tokens,
                           RAY_CLASS_CRITICAL, 0};
    return at;
}

static uint32_t table_size(uint32_t keyed)
{
    return keyed == RAY_KEYED_USER ? RAY_LIMIT_USER_KEY_MAX
           : keyed == RAY_KEYED_IP ? RAY_LIMIT_IP_KEY_MAX
                                   : 0;
}

static uint64_t key_at(const ray_ratelimit *rl, uint32_t keyed, uint32_t place)
{
    return keyed == RAY_KEYED_USER ? rl->book.user_key[place] : rl->book.ip_key[place];
}

static uint32_t slot_at(uint32_t keyed, uint32_t place)
{
    return (keyed == RAY_KEYED_USER ? RAY_SLOT_USER : RAY_SLOT_IP) + place;
}

static uint64_t updated_at(const ray_limit_rule *rule, const ray_bucket *bucket)
{
    static const uint64_t tick_ns[3] = {1, 1000, 1000000};
    return rule->kind <= RAY_KIND_QUEUE ? ray_mul_capped(bucket->at, tick_ns[rule->tick])
                                        : bucket->at;
}

static void state_of(const ray_ratelimit *rl, uint64_t now_ns, const ray_bucket *bucket,
                     uint64_t excess, ray_bucket_state *out)
{
    const ray_limit_rule *rule = &rl->config.rule[bucket->rule];
    const ray_limit_bucket *own = &rl->book.own[rule->limit];
    ray_limit_moment peek = moment_at(rl, now_ns, 0), one = moment_at(rl, now_ns, 1);
    ray_limit_answer answer = {0};
    ray_bucket_decide(rl, rule, bucket, excess, &peek, &answer);
    uint64_t whole = rule->kind <= RAY_KIND_QUEUE ? (rule->capacity + rule->excess) / rule->period
                                                  : rule->capacity;
    out->left_tokens = answer.left_tokens;
    out->capacity_tokens = whole;
    out->used_tokens = whole > answer.left_tokens ? whole - answer.left_tokens : 0;
    ray_bucket_decide(rl, rule, bucket, excess, &one, &answer);
    out->next_ns = answer.retry_after_ns;
    uint64_t full = ray_bucket_full_at(rl, rule, bucket, excess, &peek);
    out->full_ns = full == RAY_NEVER ? RAY_NEVER : full > now_ns ? full - now_ns : 0;
    out->updated_ns = updated_at(rule, bucket);
    out->held_ns = own->held_until_ns == RAY_NEVER ? RAY_NEVER
                   : own->held_until_ns > now_ns   ? own->held_until_ns - now_ns
                                                   : 0;
    out->plan = rule->plan;
    out->hold_count = bucket->holds;
    if (out->held_ns > out->next_ns)
        out->next_ns = out->held_ns;
}

static uint64_t count_keys(const ray_ratelimit *rl, uint32_t slot)
{
    uint32_t keyed = rl->config.hot[slot].keyed;
    uint64_t count = 0;
    for (uint32_t i = 0; i < table_size(keyed); i++)
        count += key_at(rl, keyed, i) != 0 &&
                 rl->config.rule[ray_bucket_at(rl, slot_at(keyed, i))->rule].limit == slot;
    return count;
}

/* -- reading -- */
void ray_ratelimit_read(const ray_ratelimit *rl, ray_ratelimit_stats *out)
{
    const ray_ratelimit_tally *tally = &rl->tally;
    memset(out, 0, sizeof *out);
    out->granted_count = tally->verdict_count[1];
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++)
        out->granted_count += tally->single_count[i];
    out->denied_count = tally->verdict_count[0];
    out->asked_count = out->granted_count + out->denied_count;
    out->error_count = tally->error_count;
    out->shadow_denied_count = tally->shadow_denied_count;
    out->overflow_count = tally->table_full_count;
    out->evicted_count = tally->evicted_count;
    out->refund_count = tally->refund_count;
    out->refunded_token_count = tally->refunded_token_count;
    out->stale_hold_count = tally->stale_hold_count;
    out->folded_hold_count = tally->folded_hold_count;
    out->user_key_count = rl->book.key_count[0];
    out->ip_key_count = rl->book.key_count[1];
    out->exact_log_count = rl->book.exact_count;
    for (uint32_t i = 0; i < RAY_SCOPE_MAX; i++) {
        out->scope_count[i] = rl->config.scope_count[i];
        out->limit_count += rl->config.scope_count[i];
    }
}

void ray_ratelimit_count_error(ray_ratelimit *rl)
{
    rl->tally.error_count++;
}

ray_status ray_ratelimit_find(const ray_ratelimit *rl, const char *name, uint64_t length,
                              uint32_t *limit)
{
    ray_name wanted;
    if (!ray_name_set(&wanted, name, length))
        return RAY_E_UNKNOWN;
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++) {
        if (!rl->config.hot[i].used || !ray_name_same(&rl->config.spec[i].name, &wanted))
            continue;
        *limit = ray_limit_handle(&rl->config.hot[i], i);
        return RAY_OK;
    }
    return RAY_E_UNKNOWN;
}

ray_status ray_ratelimit_next(const ray_ratelimit *rl, uint32_t *slot, uint32_t *limit)
{
    for (uint32_t i = *slot; i < RAY_LIMIT_MAX; i++) {
        if (!rl->config.hot[i].used)
            continue;
        *limit = ray_limit_handle(&rl->config.hot[i], i);
        *slot = i + 1U;
        return RAY_OK;
    }
    return RAY_E_UNKNOWN;
}

ray_status ray_ratelimit_read_limit(const ray_ratelimit *rl, uint32_t limit, ray_limit_spec *spec,
                                    ray_limit_stats *stats)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    const ray_limit_tally *tally = &rl->tally.limit[slot];
    uint64_t singles = rl->tally.single_count[slot];
    *spec = rl->config.spec[slot];
    stats->granted_count = tally->verdict_count[1] + singles;
    stats->denied_count = tally->verdict_count[0];
    stats->asked_count = stats->granted_count + stats->denied_count;
    stats->token_count = tally->token_count + singles;
    stats->refunded_count = tally->refunded_count;
    stats->overflow_count = tally->overflow_count;
    stats->evicted_count = tally->evicted_count;
    stats->delayed_count = tally->delayed_count;
    stats->yellow_count = tally->yellow_count;
    stats->key_count = count_keys(rl, slot);
    return RAY_OK;
}

ray_status ray_ratelimit_read_rate(const ray_ratelimit *rl, uint32_t limit, uint32_t plan,
                                   ray_limit_rate_spec *out)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    uint32_t number = ray_limit_rule_for(rl, &rl->config.hot[slot], slot, plan);
    const ray_limit_rule *rule = &rl->config.rule[number];
    ray_limit_rate rate = ray_rate_of(&rl->config, number);
    out->rate_tokens = rate.tokens;
    out->rate_period_ns = rate.period_ns;
    out->capacity = rule->kind <= RAY_KIND_QUEUE ? rule->capacity / rule->period : rule->capacity;
    out->limit = limit;
    out->plan = rule->plan;
    return RAY_OK;
}

ray_status ray_ratelimit_read_bucket(const ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                     const ray_ratelimit_query *who, ray_bucket_state *out)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    const ray_limit_hot *hot = &rl->config.hot[slot];
    memset(out, 0, sizeof *out);
    if (who == NULL || hot->keyed == RAY_KEYED_NOT) {
        state_of(rl, now_ns, &rl->book.own[slot].main, rl->book.own[slot].excess, out);
        return RAY_OK;
    }
    uint64_t hash = hot->keyed == RAY_KEYED_USER
                        ? ray_key_of_bytes(rl, who->user.at, who->user.length)
                        : ray_key_of_client(rl, hot, who);
    out->key = ray_key_identity(hot, hash);
    uint32_t place = ray_key_find(rl, hot->keyed, out->key);
    ray_limit_moment at = moment_at(rl, now_ns, 0);
    ray_bucket bucket;
    if (place != RAY_NONE)
        bucket = *ray_bucket_at(rl, place);
    else
        bucket = ray_key_newborn(rl, ray_limit_rule_for(rl, hot, slot, who->plan), &at);
    state_of(rl, now_ns, &bucket, 0, out);
    return RAY_OK;
}

ray_status ray_ratelimit_next_bucket(const ray_ratelimit *rl, uint64_t now_ns, uint32_t limit,
                                     uint32_t *place, ray_bucket_state *out)
{
    uint32_t slot;
    ray_status status = ray_limit_slot(rl, limit, &slot);
    if (status != RAY_OK)
        return status;
    uint32_t keyed = rl->config.hot[slot].keyed;
    for (uint32_t i = *place; i < table_size(keyed); i++) {
        const ray_bucket *bucket = ray_bucket_at(rl, slot_at(keyed, i));
        if (key_at(rl, keyed, i) == 0 || rl->config.rule[bucket->rule].limit != slot)
            continue;
        memset(out, 0, sizeof *out);
        out->key = key_at(rl, keyed, i);
        state_of(rl, now_ns, bucket, 0, out);
        *place = i + 1U;
        return RAY_OK;
    }
    return RAY_E_UNKNOWN;
}

/* -- time -- */
uint64_t ray_ratelimit_tick(const ray_ratelimit *rl, uint64_t now_ns)
{
    ray_limit_moment at = moment_at(rl, now_ns, 0);
    uint64_t missing = 0;
    for (uint32_t i = 0; i < RAY_LIMIT_MAX; i++)
        if (rl->config.hot[i].used)
            missing += !ray_bucket_full(rl, &rl->config.rule[rl->book.own[i].main.rule],
                                        &rl->book.own[i].main, rl->book.own[i].excess, &at);
    for (uint32_t keyed = RAY_KEYED_USER; keyed <= RAY_KEYED_IP; keyed++)
        for (uint32_t i = 0; i < table_size(keyed); i++) {
            const ray_bucket *bucket = ray_bucket_at(rl, slot_at(keyed, i));
            missing += key_at(rl, keyed, i) != 0 &&
                       !ray_bucket_full(rl, &rl->config.rule[bucket->rule], bucket, 0, &at);
        }
    return missing;
}
