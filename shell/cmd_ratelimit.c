/* SPDX-License-Identifier: MIT */
/* cmd_ratelimit.c - limits at the console: what there is, what is left, what would be said, and
 * changing it. */
#include "cmd_ratelimit.h"
#include "parts.h"

enum limit_lines { BUCKETS_SHOWN = 20, COLUMN = 24 };

/* -- words (private) -- */
static ray_ratelimit *limits_of(const ray_call *call)
{
    return ray_ratelimit_of(call->ray);
}

ray_status ray_limit_word(ray_call *call, uint32_t word, uint32_t *limit)
{
    if (word < call->plain_count &&
        ray_ratelimit_find(limits_of(call), call->word[word], call->length[word], limit) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no such limit", word, RAY_COMPLETE_LIMIT);
}

/* --user, --ip, --service, --plan, --tokens and --class make a query; *given counts the first two.
 */
ray_status ray_limit_who(ray_call *call, ray_ratelimit_query *who, uint32_t *given)
{
    const char *at;
    uint32_t length;
    __builtin_memset(who, 0, sizeof *who);
    who->tokens = 1;
    who->wall_offset_ns = ray_call_wall_offset(call);
    who->service = RAY_NONE;
    who->plan = RAY_NONE;
    who->priority = RAY_CLASS_NORMAL;
    *given = 0;
    if (ray_call_option(call, "--user", &at, &length)) {
        who->user.at = (const uint8_t *)at;
        who->user.length = length;
        *given += 1;
    }
    if (ray_call_option(call, "--ip", &at, &length)) {
        who->address_known = ray_parse_address(at, length, &who->address) == RAY_OK;
        who->client.at = (const uint8_t *)at;
        who->client.length = length;
        *given += 1;
    }
    if (ray_call_option(call, "--service", &at, &length) &&
        ray_gateway_find_service(ray_gateway_of(call->ray), at, length, &who->service) != RAY_OK)
        return ray_call_unknown_value(call, "no such service", at, length, RAY_COMPLETE_SERVICE);
    if (ray_call_option(call, "--plan", &at, &length) &&
        ray_plan_find(call->ray, at, length, &who->plan) != RAY_OK)
        return ray_option_refuse(call, RAY_E_UNKNOWN,
                                 "no such plan; plans are those of tenants", at, length);
    if (ray_call_option(call, "--class", &at, &length)) {
        who->priority = ray_option_place(at, length, ray_class_word, RAY_CLASS_MAX);
        if (who->priority == RAY_CLASS_MAX)
            return ray_option_refuse(call, RAY_E_SYNTAX,
                                     "not a class (critical high normal low batch)", at, length);
    }
    return ray_option_u64(call, "--tokens", &who->tokens);
}

/* -- rows (private) -- */
static void put_rate(ray_text *out, uint64_t tokens, uint64_t period_ns)
{
    ray_text_u64(out, tokens);
    ray_text_char(out, '/');
    ray_text_duration(out, period_ns);
}

static void put_limit(ray_text *out, const ray_limit_spec *spec, const ray_limit_stats *stats,
                      const ray_bucket_state *state)
{
    ray_text_name(out, &spec->name, 24);
    ray_text_put(out, " ");
    ray_text_put(out, ray_limit_scope_word(spec->scope));
    ray_text_column(out, 34);
    ray_text_put(out, ray_limit_algorithm_word(spec->algorithm));
    ray_text_column(out, 50);
    put_rate(out, spec->rate_tokens, spec->rate_period_ns);
    ray_text_column(out, 64);
    ray_text_u64(out, state->capacity_tokens);
    ray_text_column(out, 74);
    ray_text_put(out, ray_limit_mode_word(spec->mode));
    ray_text_column(out, 82);
    ray_text_u64(out, stats->granted_count);
    ray_text_column(out, 94);
    ray_text_u64(out, stats->denied_count);
    ray_text_char(out, '\n');
}

static void bucket_json(ray_text *out, const ray_bucket_state *state)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "key", state->key);
    ray_text_json_u64(out, "left_tokens", state->left_tokens);
    ray_text_json_u64(out, "used_tokens", state->used_tokens);
    ray_text_json_u64(out, "capacity_tokens", state->capacity_tokens);
    ray_text_json_u64(out, "next_ns", state->next_ns);
    ray_text_json_u64(out, "full_ns", state->full_ns);
    ray_text_json_u64(out, "held_ns", state->held_ns);
    ray_text_json_u64(out, "holds", state->hold_count);
    ray_text_json_close(out, '}');
}

static void bucket_text(ray_text *out, const ray_name *name, const ray_bucket_state *state)
{
    ray_text_name(out, name, 24);
    ray_text_put(out, " ");
    if (state->key != 0)
        ray_text_hex(out, state->key, 16);
    else
        ray_text_put(out, "own");
    ray_text_column(out, 43);
    ray_text_u64(out, state->left_tokens);
    ray_text_put(out, " of ");
    ray_text_u64(out, state->capacity_tokens);
    ray_text_column(out, 60);
    ray_text_duration(out, state->next_ns);
    ray_text_column(out, 76);
    ray_text_duration(out, state->full_ns);
    ray_text_put(out, state->held_ns != 0 ? "  held\n" : "\n");
}

/* -- reading -- */
static ray_status run_status(ray_call *call)
{
    ray_ratelimit_stats s;
    ray_text *out = call->out;
    ray_ratelimit_read(limits_of(call), &s);
    const ray_counter rows[] = {
        {"limits", 0, s.limit_count, 0},
        {"asked", 0, s.asked_count, 0},
        {"granted", 0, s.granted_count, 0},
        {"denied", 0, s.denied_count, 0},
        {"errors", 0, s.error_count, 0},
        {"shadow_denied", 0, s.shadow_denied_count, 0},
        {"overflow", 0, s.overflow_count, 0},
        {"evicted", 0, s.evicted_count, 0},
        {"refunds", 0, s.refund_count, 0},
        {"refunded_tokens", 0, s.refunded_token_count, 0},
        {"stale_holds", 0, s.stale_hold_count, 0},
        {"user_keys", 0, s.user_key_count, 0},
        {"ip_keys", 0, s.ip_key_count, 0},
        {"exact_logs", 0, s.exact_log_count, 0}};
    const ray_counters counters = {rows, sizeof rows / sizeof rows[0], COLUMN, 0, 0};
    if (call->json)
        ray_text_json_open(out, 0, '{');
    ray_counters_put(call, &counters);
    for (uint32_t i = 0; i < RAY_SCOPE_MAX && call->json; i++)
        ray_text_json_u64(out, ray_limit_scope_word(i), s.scope_count[i]);
    for (uint32_t i = 0; i < RAY_SCOPE_MAX && !call->json; i++) {
        ray_text_put(out, ray_limit_scope_word(i));
        ray_line_u64(out, COLUMN, " limits", s.scope_count[i]);
    }
    if (call->json)
        ray_json_end(out);
    return RAY_OK;
}

static const char header[] =
    "name                     scope    algorithm       rate          capacity  mode    granted     "
    "denied\n";

static ray_status run_export(ray_call *call)
{
    uint32_t form = RAY_EXPORT_CSV;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS, &form);
    if (status != RAY_OK)
        return status;
    status = ray_ratelimit_export(limits_of(call), call->now_ns,
                                  form == RAY_EXPORT_JSON ? RAY_RATELIMIT_JSON : RAY_RATELIMIT_CSV,
                                  call->out);
    if (form == RAY_EXPORT_JSON)
        ray_text_char(call->out, '\n');
    return status;
}

static ray_status run_limits(ray_call *call)
{
    ray_limit_spec spec;
    ray_limit_stats stats;
    ray_bucket_state state;
    uint32_t slot = 0, limit;
    if (call->json || ray_call_flag(call, "--csv"))
        return run_export(call);
    ray_text_put(call->out, header);
    while (ray_ratelimit_next(limits_of(call), &slot, &limit) == RAY_OK) {
        (void)ray_ratelimit_read_limit(limits_of(call), limit, &spec, &stats);
        (void)ray_ratelimit_read_bucket(limits_of(call), call->now_ns, limit, 0, &state);
        put_limit(call->out, &spec, &stats, &state);
    }
    return RAY_OK;
}

/* One limit's buckets: its own, then keyed ones while `shown` lasts. */
static void buckets_of(ray_call *call, uint32_t limit, uint64_t *shown)
{
    ray_limit_spec spec;
    ray_limit_stats stats;
    ray_bucket_state state;
    uint32_t place = 0;
    (void)ray_ratelimit_read_limit(limits_of(call), limit, &spec, &stats);
    (void)ray_ratelimit_read_bucket(limits_of(call), call->now_ns, limit, 0, &state);
    if (call->json) {
        ray_text_json_open(call->out, 0, '{');
        ray_text_json_name(call->out, "limit", &spec.name);
        ray_text_json_u64(call->out, "keys", stats.key_count);
        ray_text_json_open(call->out, "buckets", '[');
        bucket_json(call->out, &state);
    } else {
        bucket_text(call->out, &spec.name, &state);
    }
    for (; *shown != 0 && ray_ratelimit_next_bucket(limits_of(call), call->now_ns, limit, &place,
                                                    &state) == RAY_OK;
         (*shown)--)
        if (call->json)
            bucket_json(call->out, &state);
        else
            bucket_text(call->out, &spec.name, &state);
    if (call->json) {
        ray_text_json_close(call->out, ']');
        ray_text_json_close(call->out, '}');
    }
}

static ray_status run_buckets(ray_call *call)
{
    uint64_t shown = BUCKETS_SHOWN;
    uint32_t slot = 0, limit = RAY_NONE;
    if (call->plain_count > 2 && ray_limit_word(call, 2, &limit) != RAY_OK)
        return RAY_E_UNKNOWN;
    ray_status status = ray_option_u64(call, "--keys", &shown);
    if (status != RAY_OK)
        return status;
    if (call->json)
        ray_text_json_open(call->out, 0, '[');
    else
        ray_text_put(
            call->out,
            "limit                    bucket            left             next            full\n");
    if (limit != RAY_NONE)
        buckets_of(call, limit, &shown);
    else
        while (ray_ratelimit_next(limits_of(call), &slot, &limit) == RAY_OK)
            buckets_of(call, limit, &shown);
    if (call->json) {
        ray_text_json_close(call->out, ']');
        ray_text_char(call->out, '\n');
    }
    return RAY_OK;
}

static ray_status run_show(ray_call *call)
{
    ray_limit_spec spec;
    ray_limit_stats stats;
    ray_bucket_state state;
    ray_ratelimit_query who;
    uint32_t limit, given;
    ray_status status = ray_limit_word(call, 2, &limit);
    if (status != RAY_OK || (status = ray_limit_who(call, &who, &given)) != RAY_OK)
        return status;
    (void)ray_ratelimit_read_limit(limits_of(call), limit, &spec, &stats);
    (void)ray_ratelimit_read_bucket(limits_of(call), call->now_ns, limit, given != 0 ? &who : 0,
                                    &state);
    if (call->json) {
        bucket_json(call->out, &state);
        ray_text_char(call->out, '\n');
        return RAY_OK;
    }
    ray_text_put(call->out, header);
    put_limit(call->out, &spec, &stats, &state);
    ray_line_u64(call->out, COLUMN, "left", state.left_tokens);
    ray_line_u64(call->out, COLUMN, "used", state.used_tokens);
    ray_line_u64(call->out, COLUMN, "keys", stats.key_count);
    ray_line_u64(call->out, COLUMN, "tokens booked", stats.token_count);
    ray_line_u64(call->out, COLUMN, "tokens refunded", stats.refunded_count);
    ray_line_duration(call->out, COLUMN, "next token in", state.next_ns);
    ray_line_duration(call->out, COLUMN, "full in", state.full_ns);
    ray_line_duration(call->out, COLUMN, "held for", state.held_ns);
    return RAY_OK;
}

static ray_status run_test(ray_call *call)
{
    ray_ratelimit_query who;
    ray_ratelimit_answer answer;
    uint32_t limit, given;
    ray_status status = ray_limit_word(call, 2, &limit);
    if (status != RAY_OK || (status = ray_limit_who(call, &who, &given)) != RAY_OK)
        return status;
    status = ray_ratelimit_ask_limit(limits_of(call), call->now_ns, limit, &who, &answer);
    if (status != RAY_OK || answer.count == 0)
        return ray_option_refuse(call, RAY_E_STATE,
                                 "the limit is off, or serves another service; see: "
                                 "ratelimit buckets",
                                 call->word[2], call->length[2]);
    const ray_limit_answer *a = &answer.at[0];
    if (call->json) {
        ray_text_json_open(call->out, 0, '{');
        ray_text_json_bool(call->out, "granted", a->granted);
        ray_text_json_literal(call->out, "reason", ray_reason_word(a->reason));
        ray_text_json_u64(call->out, "left_tokens", a->left_tokens);
        ray_text_json_u64(call->out, "retry_after_ns", a->retry_after_ns);
        ray_text_json_u64(call->out, "start_at_ns", a->start_at_ns);
        ray_json_end(call->out);
        return RAY_OK;
    }
    ray_text_put(call->out, a->granted ? "yes, " : "no, ");
    ray_text_put(call->out, ray_reason_word(a->reason));
    ray_text_put(call->out, ": ");
    ray_text_u64(call->out, a->left_tokens);
    ray_text_put(call->out, " left");
    if (!a->granted) {
        ray_text_put(call->out, ", retry after ");
        ray_text_duration(call->out, a->retry_after_ns);
    }
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

#define WHO "[--user USER] [--ip ADDRESS]"
static const ray_subcommand subs[] = {
    {"status", "", "counters and how full the tables are", run_status, 1, 0},
    {"limits", "[--csv]", "every limit with its counters", run_limits, 1, 0},
    {"list", "[--csv]", "the same as limits", run_limits, 1, 0},
    {"export", "[csv|json]", "every limit in fixed columns", run_export, 1, 0},
    {"buckets", "[NAME] [--keys N]", "what is left in the buckets, the first keys of each limit",
     run_buckets, 1, RAY_COMPLETE_LIMIT},
    {"show", "NAME " WHO " [--plan PLAN]", "one limit, or one key's bucket of it", run_show, 1,
     RAY_COMPLETE_LIMIT},
    {"test", "NAME " WHO " [--tokens N] [--class CLASS] [--service SERVICE] [--plan PLAN]",
     "what it would say now; asks, never takes", run_test, 1, RAY_COMPLETE_LIMIT},
    {"add",
     "NAME RATE [--burst N] [--scope SCOPE] [--algorithm ALGORITHM] [--service SERVICE] [--user "
     "USER] [--mode MODE]"
     " [--excess N] [--queue DURATION] [--prefix-v4 N] [--prefix-v6 N] [--instead-of NAME] "
     "[--exact] [--debt]"
     " [--deny-when-full]",
     "registers a limit, full: add web 1000/s --burst 2000", ray_ratelimit_edit, 0, 0},
    {"set", "NAME [--rate RATE] [--burst N] [--plan PLAN] [--mode MODE]",
     "changes a rate or a mode; what is left is kept, never raised", ray_ratelimit_edit, 0,
     RAY_COMPLETE_LIMIT},
    {"remove", "NAME", "forgets a limit and its keys", ray_ratelimit_edit, 0, RAY_COMPLETE_LIMIT},
    {"drain", "NAME " WHO " [--hold DURATION]",
     "empties it now; --hold keeps it shut for a time, or forever", ray_ratelimit_edit, 0,
     RAY_COMPLETE_LIMIT},
    {"reset", "[NAME] " WHO " [--all]", "as newly created: one limit, one key or all",
     ray_ratelimit_edit, 0, RAY_COMPLETE_LIMIT}};
const ray_command ray_command_ratelimit = {"ratelimit",
                                           "how fast services, users and addresses may ask",
                                           subs,
                                           sizeof subs / sizeof subs[0],
                                           20,
                                           1,
                                           0};
