/* SPDX-License-Identifier: MIT */
/* cmd_ratelimit_edit.c - the half of `ratelimit` that changes something: checked by the core, then
 * audited. */
#include "cmd_ratelimit.h"
#include "parts.h"

/* -- words (private) -- */
static ray_ratelimit *limits_of(const ray_call *call)
{
    return ray_ratelimit_of(call->ray);
}

static void edited(ray_call *call, uint32_t what, uint32_t limit, uint64_t before, uint64_t after)
{
    ray_call_edited(call, what, RAY_BY_LIMIT, limit, before, after);
    ray_text_put(call->out, "ok\n");
}

/* The rule that a limit breaks, NULL when it is none of these. */
static const char *broken_rule(const ray_limit_spec *spec)
{
    uint32_t window = spec->algorithm >= RAY_FIXED_WINDOW;
    if (spec->rate_tokens == 0)
        return ": a rate has at least 1 token, as 1/s";
    if (!window && spec->capacity == 0)
        return ": --burst is at least 1";
    if (spec->exact != 0 && spec->algorithm != RAY_SLIDING_WINDOW)
        return ": --exact is for --algorithm sliding_window";
    if (spec->debt != 0 && spec->algorithm != RAY_TOKEN_BUCKET)
        return ": --debt is for --algorithm token_bucket";
    if (spec->excess != 0 && (spec->algorithm != RAY_TOKEN_BUCKET || spec->debt != 0))
        return ": --excess is for --algorithm token_bucket, without --debt";
    if (spec->queue != 0 && spec->algorithm != RAY_LEAKY_BUCKET)
        return ": --queue is for --algorithm leaky_bucket";
    if (spec->user.at[0] != 0 && spec->scope != RAY_SCOPE_USER)
        return ": --user is for --scope user";
    if (spec->scope == RAY_SCOPE_IP && (spec->prefix_v4 == 0 || spec->prefix_v6 == 0))
        return ": a prefix has at least 1 bit";
    return 0;
}

static ray_status explain(ray_call *call, ray_status status, const ray_limit_spec *spec)
{
    uint64_t tokens, period_ns;
    if (status == RAY_OK)
        return RAY_OK;
    ray_text_put(call->out, "error: ");
    ray_text_put(call->out, ray_status_word(status));
    const char *rule = broken_rule(spec);
    if (rule != 0)
        ray_text_put(call->out, rule);
    else if (spec->exact != 0 && spec->rate_tokens > RAY_LIMIT_EXACT_EACH) {
        ray_text_put(call->out, ": --exact remembers each request, so its rate has at most ");
        ray_text_u64(call->out, RAY_LIMIT_EXACT_EACH);
        ray_text_put(call->out, " tokens");
    } else if (status == RAY_E_RANGE)
        ray_text_put(call->out, ": rate, burst, excess and period are below 2^63");
    if (status == RAY_E_EXISTS)
        ray_text_put(call->out, ": that name is taken");
    if (status == RAY_E_FULL)
        ray_text_put(call->out,
                     ": no room for one more such limit, or requests would meet too many");
    if (status == RAY_E_USED)
        ray_text_put(call->out, ": a shadow limit stands in for it");
    if (status == RAY_E_RATE && ray_ratelimit_nearest(spec, &tokens, &period_ns) == RAY_OK) {
        ray_text_put(call->out, ": this rate cannot be held exactly; the nearest that can is ");
        ray_text_u64(call->out, tokens);
        ray_text_char(call->out, '/');
        ray_text_duration(call->out, period_ns);
    }
    ray_text_char(call->out, '\n');
    return status;
}

/* -- options (private) -- */
typedef struct word_option {
    const char *name;
    const char *(*word_of)(uint32_t);
    uint32_t count;
    uint32_t reserved;
    uint8_t *to;
} word_option;

static ray_status word_options(ray_call *call, const word_option *options, uint32_t count)
{
    const char *at;
    uint32_t length;
    for (uint32_t i = 0; i < count; i++) {
        if (!ray_call_option(call, options[i].name, &at, &length))
            continue;
        uint32_t place = ray_option_place(at, length, options[i].word_of, options[i].count);
        if (place == options[i].count)
            return ray_option_choice(call, RAY_E_SYNTAX, options[i].name, options[i].word_of,
                                     options[i].count);
        *options[i].to = (uint8_t)place;
    }
    return RAY_OK;
}

static ray_status reference_options(ray_call *call, ray_limit_spec *spec)
{
    const char *at;
    uint32_t length;
    if (ray_call_option(call, "--service", &at, &length) &&
        ray_gateway_find_service(ray_gateway_of(call->ray), at, length, &spec->service) != RAY_OK)
        return ray_call_unknown_value(call, "no such service", at, length, RAY_COMPLETE_SERVICE);
    if (ray_call_option(call, "--instead-of", &at, &length) &&
        ray_ratelimit_find(limits_of(call), at, length, &spec->instead_of) != RAY_OK)
        return ray_call_unknown_value(call, "no such limit", at, length, RAY_COMPLETE_LIMIT);
    if (ray_call_option(call, "--user", &at, &length)) {
        if (length == 0 || length >= RAY_NAME_BYTES)
            return ray_option_refuse(call, RAY_E_RANGE, "a pinned user has 1 to 47 bytes, not", at,
                                     length);
        __builtin_memcpy(spec->user.at, at, length);
    }
    return RAY_OK;
}

static ray_status number_options(ray_call *call, ray_limit_spec *spec)
{
    uint64_t v4 = 32, v6 = 64;
    ray_status status = ray_option_u64(call, "--burst", &spec->capacity);
    if (status == RAY_OK)
        status = ray_option_u64(call, "--excess", &spec->excess);
    if (status == RAY_OK)
        status = ray_option_u64(call, "--prefix-v4", &v4);
    if (status == RAY_OK)
        status = ray_option_u64(call, "--prefix-v6", &v6);
    if (status == RAY_OK)
        status = ray_option_duration(call, "--queue", &spec->max_delay_ns);
    if (status == RAY_OK && (v4 > 32 || v6 > 128))
        status = ray_option_refuse(call, RAY_E_RANGE,
                                   "a prefix has at most 32 bits (v4) or 128 (v6)", 0, 0);
    spec->prefix_v4 = (uint8_t)v4;
    spec->prefix_v6 = (uint8_t)v6;
    return status;
}

/* -- commands -- */
static ray_status add(ray_call *call)
{
    ray_limit_spec spec;
    const char *at;
    uint32_t length, limit;
    __builtin_memset(&spec, 0, sizeof spec);
    if (!ray_word_names(call->word[2], call->length[2]))
        return ray_call_error(call, RAY_E_ARGUMENT, RAY_NAME_RULE, 2, 0);
    __builtin_memcpy(spec.name.at, call->word[2], call->length[2]);
    spec.service = RAY_NONE;
    spec.instead_of = RAY_NONE;
    if (ray_parse_rate(call->word[3], call->length[3], &spec.rate_tokens, &spec.rate_period_ns) !=
        RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "a rate is such as 20/min or 5/1h30m, not", 3, 0);
    const word_option words[] = {
        {"--scope", ray_limit_scope_word, RAY_SCOPE_MAX, 0, &spec.scope},
        {"--algorithm", ray_limit_algorithm_word, RAY_SLIDING_WINDOW + 1, 0, &spec.algorithm},
        {"--mode", ray_limit_mode_word, RAY_MODE_OFF + 1, 0, &spec.mode}};
    spec.capacity = spec.rate_tokens;
    ray_status status = word_options(call, words, sizeof words / sizeof words[0]);
    if (status == RAY_OK)
        status = reference_options(call, &spec);
    if (status == RAY_OK)
        status = number_options(call, &spec);
    if (status != RAY_OK)
        return status;
    spec.queue = ray_call_option(call, "--queue", &at, &length) != 0;
    spec.exact = ray_call_flag(call, "--exact") != 0;
    spec.debt = ray_call_flag(call, "--debt") != 0;
    spec.deny_when_full = ray_call_flag(call, "--deny-when-full") != 0;
    status = ray_ratelimit_add(limits_of(call), call->now_ns, &spec, &limit);
    if (status == RAY_OK)
        edited(call, RAY_AUDIT_ADD, limit, 0, spec.rate_tokens);
    return explain(call, status, &spec);
}

static ray_status set_rate(ray_call *call, uint32_t limit, uint32_t *done)
{
    ray_limit_rate_spec rate;
    ray_limit_spec spec;
    ray_limit_stats stats;
    ray_status status;
    const char *at;
    uint32_t length, plan = RAY_NONE;
    if (ray_call_option(call, "--plan", &at, &length) &&
        ray_plan_find(call->ray, at, length, &plan) != RAY_OK)
        return ray_option_refuse(call, RAY_E_UNKNOWN,
                                 "no such plan; plans are those of tenants", at, length);
    (void)ray_ratelimit_read_rate(limits_of(call), limit, plan, &rate);
    (void)ray_ratelimit_read_limit(limits_of(call), limit, &spec, &stats);
    uint64_t before = rate.rate_tokens, capacity = rate.capacity, new_capacity = rate.capacity;
    uint32_t given = ray_call_option(call, "--rate", &at, &length);
    if (given && ray_parse_rate(at, length, &rate.rate_tokens, &rate.rate_period_ns) != RAY_OK)
        return ray_option_refuse(call, RAY_E_SYNTAX, "a rate is such as 20/min or 5/1h30m, not", at,
                                 length);
    if ((status = ray_option_u64(call, "--burst", &new_capacity)) != RAY_OK)
        return status;
    if (!given && new_capacity == capacity)
        return RAY_OK;
    rate.plan = plan;
    rate.capacity = new_capacity;
    status = ray_ratelimit_set_rate(limits_of(call), call->now_ns, limit, &rate);
    spec.rate_tokens = rate.rate_tokens;
    spec.rate_period_ns = rate.rate_period_ns;
    spec.capacity = rate.capacity;
    if (status == RAY_OK)
        ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_LIMIT, limit, before, rate.rate_tokens);
    *done += status == RAY_OK;
    return explain(call, status, &spec);
}

static ray_status set(ray_call *call, uint32_t limit)
{
    ray_limit_spec spec;
    ray_limit_stats stats;
    uint8_t mode = RAY_MODE_OFF + 1;
    uint32_t done = 0;
    const word_option words[] = {{"--mode", ray_limit_mode_word, RAY_MODE_OFF + 1, 0, &mode}};
    ray_status status = word_options(call, words, 1);
    if (status == RAY_OK)
        status = set_rate(call, limit, &done);
    if (status != RAY_OK)
        return status;
    (void)ray_ratelimit_read_limit(limits_of(call), limit, &spec, &stats);
    if (mode <= RAY_MODE_OFF) {
        status = ray_ratelimit_set_mode(limits_of(call), call->now_ns, limit, mode);
        if (status != RAY_OK)
            return ray_call_error(call, status,
                                  "a limit that stands in for another must stay a shadow", 2, 0);
        ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_LIMIT, limit, spec.mode, mode);
        done++;
    }
    if (done == 0)
        return ray_call_error(call, RAY_E_ARGUMENT,
                              "nothing to set: give --rate, --burst or --mode", RAY_NONE, 0);
    ray_text_put(call->out, "ok\n");
    return RAY_OK;
}

static ray_status drain(ray_call *call, uint32_t limit)
{
    ray_ratelimit_query who;
    uint64_t hold_ns = 0;
    uint32_t given;
    ray_status status = ray_limit_who(call, &who, &given);
    if (status == RAY_OK)
        status = ray_option_duration(call, "--hold", &hold_ns);
    if (status != RAY_OK)
        return status;
    if (given != 0 && hold_ns != 0)
        return ray_call_error(call, RAY_E_ARGUMENT, "a hold shuts a whole limit, not one key",
                              RAY_NONE, 0);
    if (given != 0)
        status = ray_ratelimit_drain_key(limits_of(call), call->now_ns, limit, &who);
    else
        status = ray_ratelimit_drain(limits_of(call), call->now_ns, limit, hold_ns);
    if (status != RAY_OK)
        return ray_call_error(call, status, "that limit has no such key, or no room for one; "
                                            "see: ratelimit show NAME", 2, 0);
    edited(call, RAY_AUDIT_DRAIN, limit, 0, hold_ns);
    return RAY_OK;
}

static ray_status reset(ray_call *call)
{
    ray_ratelimit_query who;
    uint32_t given, limit = RAY_NONE;
    ray_status status = ray_limit_who(call, &who, &given);
    if (status != RAY_OK)
        return status;
    if (ray_call_flag(call, "--all")) {
        if (call->plain_count > 2 || given != 0)
            return ray_call_error(call, RAY_E_ARGUMENT, "--all stands alone", RAY_NONE, 0);
        ray_ratelimit_reset_all(limits_of(call), call->now_ns);
        edited(call, RAY_AUDIT_RESET, RAY_NONE, 0, 0);
        return RAY_OK;
    }
    if (call->plain_count <= 2)
        return ray_call_error(call, RAY_E_ARGUMENT, "which limit? give a NAME or --all", RAY_NONE,
                              0);
    if ((status = ray_limit_word(call, 2, &limit)) != RAY_OK)
        return status;
    if (given != 0)
        status = ray_ratelimit_reset_key(limits_of(call), call->now_ns, limit, &who);
    else
        status = ray_ratelimit_reset(limits_of(call), call->now_ns, limit);
    if (status != RAY_OK)
        return ray_call_error(call, status, "that limit has no bucket for this key; see: "
                                            "ratelimit show NAME", 2, 0);
    edited(call, RAY_AUDIT_RESET, limit, 0, 0);
    return RAY_OK;
}

static ray_status remove_limit(ray_call *call, uint32_t limit)
{
    ray_limit_spec spec;
    ray_limit_stats stats;
    (void)ray_ratelimit_read_limit(limits_of(call), limit, &spec, &stats);
    ray_status status = ray_ratelimit_remove(limits_of(call), call->now_ns, limit);
    if (status == RAY_OK)
        edited(call, RAY_AUDIT_REMOVE, limit, spec.rate_tokens, 0);
    return explain(call, status, &spec);
}

ray_status ray_ratelimit_edit(ray_call *call)
{
    uint32_t limit;
    if (ray_call_is(call, 1, "add"))
        return add(call);
    if (ray_call_is(call, 1, "reset"))
        return reset(call);
    ray_status status = ray_limit_word(call, 2, &limit);
    if (status != RAY_OK)
        return status;
    if (ray_call_is(call, 1, "set"))
        return set(call, limit);
    return ray_call_is(call, 1, "drain") ? drain(call, limit) : remove_limit(call, limit);
}
