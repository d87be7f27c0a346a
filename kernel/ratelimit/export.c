/* SPDX-License-Identifier: MIT */
/* export.c - limits as JSON, CSV and HTTP fields. Integers only, in slot order, so equal states
 * print equal bytes. */
#include "limit.h"

static const uint64_t sf_integer_max = 999999999999999; /* RFC 9651 section 3.3.1 */

/* -- words -- */
const char *ray_limit_scope_word(uint32_t scope)
{
    static const char *const words[] = {"service", "user", "ip", "named"};
    return scope < RAY_SCOPE_MAX ? words[scope] : "?";
}

const char *ray_limit_algorithm_word(uint32_t algorithm)
{
    static const char *const words[] = {"token_bucket", "leaky_bucket", "fixed_window",
                                        "sliding_window"};
    return algorithm <= RAY_SLIDING_WINDOW ? words[algorithm] : "?";
}

const char *ray_limit_mode_word(uint32_t mode)
{
    static const char *const words[] = {"enforce", "shadow", "off"};
    return mode <= RAY_MODE_OFF ? words[mode] : "?";
}

/* -- export (private) -- */
typedef struct row {
    ray_limit_spec spec;
    ray_limit_stats stats;
    ray_bucket_state state;
    uint32_t limit;
    uint32_t reserved;
} row;

static void put_json(ray_text *out, const row *r)
{
    ray_text_json_open(out, NULL, '{');
    ray_text_json_u64(out, "id", r->limit);
    ray_text_json_name(out, "name", &r->spec.name);
    ray_text_json_literal(out, "scope", ray_limit_scope_word(r->spec.scope));
    ray_text_json_literal(out, "algorithm", ray_limit_algorithm_word(r->spec.algorithm));
    ray_text_json_literal(out, "mode", ray_limit_mode_word(r->spec.mode));
    if (r->spec.service == RAY_NONE)
        ray_text_json_null(out, "service");
    else
        ray_text_json_u64(out, "service", r->spec.service);
    ray_text_json_name(out, "user", &r->spec.user);
    ray_text_json_u64(out, "rate_tokens", r->spec.rate_tokens);
    ray_text_json_u64(out, "rate_period_ns", r->spec.rate_period_ns);
    ray_text_json_u64(out, "capacity_tokens", r->state.capacity_tokens);
    ray_text_json_u64(out, "left_tokens", r->state.left_tokens);
    ray_text_json_u64(out, "next_ns", r->state.next_ns);
    ray_text_json_u64(out, "full_ns", r->state.full_ns);
    ray_text_json_u64(out, "held_ns", r->state.held_ns);
    ray_text_json_u64(out, "keys", r->stats.key_count);
    ray_text_json_u64(out, "asked", r->stats.asked_count);
    ray_text_json_u64(out, "granted", r->stats.granted_count);
    ray_text_json_u64(out, "denied", r->stats.denied_count);
    ray_text_json_u64(out, "tokens", r->stats.token_count);
    ray_text_json_u64(out, "refunded", r->stats.refunded_count);
    ray_text_json_u64(out, "delayed", r->stats.delayed_count);
    ray_text_json_u64(out, "yellow", r->stats.yellow_count);
    ray_text_json_u64(out, "overflow", r->stats.overflow_count);
    ray_text_json_u64(out, "evicted", r->stats.evicted_count);
    ray_text_json_close(out, '}');
}

static void put_csv(ray_text *out, const row *r)
{
    const uint64_t numbers[] = {
        r->spec.rate_tokens,     r->spec.rate_period_ns, r->state.capacity_tokens,
        r->state.left_tokens,    r->state.next_ns,       r->state.full_ns,
        r->state.held_ns,        r->stats.key_count,     r->stats.asked_count,
        r->stats.granted_count,  r->stats.denied_count,  r->stats.token_count,
        r->stats.refunded_count, r->stats.delayed_count, r->stats.yellow_count,
        r->stats.overflow_count, r->stats.evicted_count};
    ray_text_u64(out, r->limit);
    ray_text_char(out, ',');
    ray_text_csv(out, r->spec.name.at, ray_name_length(&r->spec.name));
    ray_text_char(out, ',');
    ray_text_put(out, ray_limit_scope_word(r->spec.scope));
    ray_text_char(out, ',');
    ray_text_put(out, ray_limit_algorithm_word(r->spec.algorithm));
    ray_text_char(out, ',');
    ray_text_put(out, ray_limit_mode_word(r->spec.mode));
    ray_text_char(out, ',');
    if (r->spec.service != RAY_NONE)
        ray_text_u64(out, r->spec.service);
    ray_text_char(out, ',');
    ray_text_csv(out, r->spec.user.at, ray_name_length(&r->spec.user));
    for (uint32_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ray_text_char(out, ',');
        ray_text_u64(out, numbers[i]);
    }
    ray_text_put(out, "\r\n");
}

/* -- export -- */
ray_status ray_ratelimit_export(const ray_ratelimit *rl, uint64_t now_ns, uint32_t format,
                                ray_text *out)
{
    row r;
    uint32_t slot = 0;
    if (format > RAY_RATELIMIT_CSV)
        return RAY_E_ARGUMENT;
    memset(&r, 0, sizeof r);
    if (format == RAY_RATELIMIT_JSON)
        ray_text_json_open(out, NULL, '[');
    else
        ray_text_put(
            out,
            "id,name,scope,algorithm,mode,service,user,rate_tokens,rate_period_ns,capacity_tokens,"
            "left_tokens,next_ns,full_ns,held_ns,keys,asked,granted,denied,tokens,refunded,delayed,"
            "yellow,overflow,evicted\r\n");
    while (ray_ratelimit_next(rl, &slot, &r.limit) == RAY_OK) {
        (void)ray_ratelimit_read_limit(rl, r.limit, &r.spec, &r.stats);
        (void)ray_ratelimit_read_bucket(rl, now_ns, r.limit, NULL, &r.state);
        if (format == RAY_RATELIMIT_JSON)
            put_json(out, &r);
        else
            put_csv(out, &r);
    }
    if (format == RAY_RATELIMIT_JSON)
        ray_text_json_close(out, ']');
    return out->truncated ? RAY_E_TRUNCATED : RAY_OK;
}

/* -- headers (private) -- */
static void put_member(ray_text *out, const ray_name *name, uint32_t first)
{
    if (!first)
        ray_text_put(out, ", ");
    ray_text_char(out, '"');
    ray_text_bytes(out, name->at, ray_name_length(name));
    ray_text_char(out, '"');
}

static void put_parameter(ray_text *out, const char *key, uint64_t value)
{
    ray_text_put(out, key);
    ray_text_u64(out, value < sf_integer_max ? value : sf_integer_max);
}

/* A window's length, or how long an empty bucket takes to fill: quota over window is the rate that
 * holds. */
static uint64_t window_ns(const ray_limit_rule *rule)
{
    static const uint64_t tick_ns[3] = {1, 1000, 1000000};
    if (rule->kind > RAY_KIND_QUEUE)
        return rule->period;
    return ray_mul_capped((rule->capacity + rule->tokens - 1) / rule->tokens, tick_ns[rule->tick]);
}

static void put_policy(const ray_ratelimit *rl, const ray_ratelimit_answer *answer, ray_text *out)
{
    uint32_t first = 1;
    for (uint32_t i = 0; i < answer->count; i++) {
        const ray_limit_answer *a = &answer->at[i];
        const ray_limit_rule *rule = &rl->config.rule[a->rate];
        if (a->flags & RAY_LIMIT_SHADOW)
            continue;
        if (first)
            ray_text_put(out, "RateLimit-Policy: ");
        put_member(out, &rl->config.spec[rule->limit].name, first);
        put_parameter(out, ";q=",
                      rule->kind > RAY_KIND_QUEUE ? rule->capacity : rule->capacity / rule->period);
        put_parameter(out, ";w=", ray_seconds_up(window_ns(rule)));
        first = 0;
    }
    if (!first)
        ray_text_put(out, "\r\n");
}

/* Seconds until nothing is missing; for a denied request no later than when it may be tried again.
 */
static uint64_t reset_seconds(const ray_ratelimit *rl, uint64_t now_ns,
                              const ray_ratelimit_answer *answer, const ray_limit_answer *a)
{
    const ray_limit_rule *rule = &rl->config.rule[a->rate];
    const ray_limit_bucket *own = &rl->book.own[rule->limit];
    ray_limit_moment at = {now_ns, ray_limit_wall(now_ns, answer->wall_offset_ns), 0,
                           RAY_CLASS_NORMAL, 0};
    const ray_bucket *bucket = ray_bucket_at(rl, a->slot);
    uint64_t excess = rl->config.hot[rule->limit].excess ? own->excess : 0;
    uint64_t full = now_ns;
    if (bucket->rule == a->rate && !((a->flags & RAY_LIMIT_NEW) && !answer->granted))
        full = ray_bucket_full_at(rl, rule, bucket, excess, &at);
    uint64_t wait = full > now_ns ? full - now_ns : 0;
    if (!answer->granted && wait > answer->retry_after_ns)
        wait = answer->retry_after_ns;
    return ray_seconds_up(wait);
}

/* -- headers -- */
void ray_ratelimit_headers(const ray_ratelimit *rl, uint64_t now_ns,
                           const ray_ratelimit_answer *answer, ray_text *out)
{
    uint32_t first = 1;
    put_policy(rl, answer, out);
    for (uint32_t i = 0; i < answer->count; i++) {
        const ray_limit_answer *a = &answer->at[i];
        if (a->flags & RAY_LIMIT_SHADOW)
            continue;
        if (first)
            ray_text_put(out, "RateLimit: ");
        uint64_t spent = answer->granted ? answer->tokens : 0;
        put_member(out, &rl->config.spec[a->limit & 0xffffU].name, first);
        put_parameter(out, ";r=", a->left_tokens > spent ? a->left_tokens - spent : 0);
        put_parameter(out, ";t=", reset_seconds(rl, now_ns, answer, a));
        first = 0;
    }
    if (!first)
        ray_text_put(out, "\r\n");
    if (answer->granted || answer->retry_after_ns == RAY_NEVER)
        return;
    uint64_t seconds = ray_seconds_up(answer->retry_after_ns);
    ray_text_put(out, "Retry-After: ");
    ray_text_u64(out, seconds != 0 ? seconds : 1);
    ray_text_put(out, "\r\n");
}

/* -- parts -- */
ray_status ray_ratelimit_read_part(const ray_ratelimit *rl, uint32_t index, ray_ratelimit_part *out)
{
    const ray_ratelimit_book *book = &rl->book;
    uint64_t limits = 0;
    for (uint32_t i = 0; i < RAY_SCOPE_MAX; i++)
        limits += rl->config.scope_count[i];
    const ray_ratelimit_part parts[] = {{sizeof rl->config + sizeof rl->tally + sizeof book->own,
                                         limits,
                                         RAY_LIMIT_MAX,
                                         {"ratelimit.limits"}},
                                        {sizeof book->user + sizeof book->user_key,
                                         book->key_count[0],
                                         RAY_LIMIT_USER_KEY_MAX,
                                         {"ratelimit.users"}},
                                        {sizeof book->ip + sizeof book->ip_key,
                                         book->key_count[1],
                                         RAY_LIMIT_IP_KEY_MAX,
                                         {"ratelimit.addresses"}},
                                        {sizeof book->exact + sizeof book->exact_link,
                                         book->exact_count,
                                         RAY_CHUNK_MAX,
                                         {"ratelimit.logs"}}};
    if (index >= sizeof parts / sizeof parts[0])
        return RAY_E_UNKNOWN;
    *out = parts[index];
    return RAY_OK;
}
