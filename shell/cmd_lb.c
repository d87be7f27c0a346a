/* SPDX-License-Identifier: MIT */
/* cmd_lb.c - lb: which pools there are, who of them is fit, and how much they carry; the table of
 * subcommands. */
#include "cmd_lb.h"
#include "parts.h"

/* -- what all files need -- */
ray_status ray_pool_named(ray_call *call, uint32_t word, uint32_t *pool)
{
    if (ray_lb_find_pool(ray_lb_of(call->ray), call->word[word], call->length[word], pool) ==
        RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no pool of that name", word, RAY_COMPLETE_POOL);
}

ray_status ray_instance_named(ray_call *call, uint32_t pool, uint32_t word, uint32_t *instance)
{
    const ray_lb *lb = ray_lb_of(call->ray);
    ray_instance_spec spec;
    ray_instance_stats stats;
    ray_near near;
    if (ray_lb_find_instance(lb, pool, call->word[word], call->length[word], instance) == RAY_OK)
        return RAY_OK;
    ray_near_begin(&near, call->word[word], call->length[word]);
    for (uint32_t id = RAY_NONE; (id = ray_lb_next_instance(lb, pool, id)) != RAY_NONE;)
        if (ray_lb_instance_read(lb, call->now_ns, id, &spec, &stats) == RAY_OK)
            ray_near_offer(&near, spec.at.at, ray_word_length(spec.at.at));
    return ray_call_error(call, RAY_E_UNKNOWN,
                          "no such instance in this pool; see: lb instances", word,
                          ray_near_word(&near));
}

/* -- status -- */
#define WIDE(name, field) RAY_STAT_WIDE(ray_lb_stats, name, field)
#define SLIM(name, field, most) RAY_STAT_SLIM(ray_lb_stats, name, field, most)

static const ray_stat fields[] = {
    SLIM("pools", pool_count, RAY_POOL_MAX),
    SLIM("instances", instance_count, RAY_INSTANCE_MAX),
    SLIM("connections", connection_count, 0),
    SLIM("idle", idle_count, RAY_IDLE_MAX),
    WIDE("asked", asked_count),
    WIDE("granted", granted_count),
    WIDE("denied", denied_count),
    WIDE("errors", error_count),
    WIDE("unspent", unspent_count),
    WIDE("opened", opened_count),
    WIDE("closed", closed_count),
    WIDE("lapsed", lapsed_count),
    WIDE("failed", failed_count),
    WIDE("ejections", ejected_count),
    WIDE("panic_picks", panic_count),
    WIDE("pool_full", full_count),
    WIDE("reused", reused_count),
    WIDE("discovered", discovered_count),
    WIDE("discovery_kept", discovery_kept_count),
};

static ray_status run_status(ray_call *call)
{
    ray_lb_stats stats;
    ray_lb_read(ray_lb_of(call->ray), &stats);
    ray_stats_put(call, fields, sizeof fields / sizeof fields[0], &stats);
    return RAY_OK;
}

/* -- list -- */
static void list_json(ray_text *out, const ray_pool_spec *spec, const ray_pool_stats *pool)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "pool", &spec->name);
    ray_text_json_literal(out, "strategy", ray_balance_word(spec->strategy));
    ray_text_json_u64(out, "instances", pool->instance_count);
    ray_text_json_u64(out, "fit", pool->fit_count);
    ray_text_json_u64(out, "ejected", pool->ejected_count);
    ray_text_json_u64(out, "connections", pool->connection_count);
    ray_text_json_u64(out, "idle", pool->idle_count);
    ray_text_json_u64(out, "picked", pool->picked_count);
    ray_text_json_u64(out, "refused", pool->denied_count);
    ray_text_json_u64(out, "services", pool->service_count);
    ray_text_json_bool(out, "panic", pool->panic);
    ray_text_json_close(out, '}');
}

static void list_row(ray_text *out, const ray_pool_spec *spec, const ray_pool_stats *pool)
{
    ray_text_name(out, &spec->name, 0);
    ray_text_column(out, 20);
    ray_text_put(out, ray_balance_word(spec->strategy));
    ray_text_column(out, 42);
    ray_text_u64(out, pool->fit_count);
    ray_text_char(out, '/');
    ray_text_u64(out, pool->instance_count);
    ray_text_put(out, pool->panic != 0 ? " panic" : "");
    ray_text_column(out, 56);
    ray_text_u64(out, pool->connection_count);
    ray_text_column(out, 69);
    ray_text_u64(out, pool->picked_count);
    ray_text_column(out, 82);
    ray_text_u64(out, pool->denied_count);
    ray_text_char(out, '\n');
}

static ray_status run_list(ray_call *call)
{
    const ray_lb *lb = ray_lb_of(call->ray);
    ray_pool_spec spec;
    ray_pool_stats pool;
    if (call->json != 0)
        ray_json_list_open(call->out, "pools");
    else
        ray_text_put(call->out, "pool                strategy              fit           "
                                "connections  picked       refused\n");
    for (uint32_t id = RAY_NONE; (id = ray_lb_next_pool(lb, id)) != RAY_NONE;) {
        if (ray_lb_pool_read(lb, call->now_ns, id, &spec, &pool) != RAY_OK)
            continue;
        if (call->json != 0)
            list_json(call->out, &spec, &pool);
        else
            list_row(call->out, &spec, &pool);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- export -- */
static ray_status run_export(ray_call *call)
{
    const ray_lb *lb = ray_lb_of(call->ray);
    uint32_t form = RAY_EXPORT_CSV;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS | RAY_EXPORT_TEXTS, &form);
    if (status != RAY_OK)
        return status;
    if (form == RAY_EXPORT_CSV)
        return ray_lb_export_csv(lb, call->now_ns, call->out);
    if (form != RAY_EXPORT_JSON)
        return ray_lb_export_metrics(lb, call->now_ns, ray_export_exposition(form), call->out);
    status = ray_lb_export_json(lb, call->now_ns, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"status", "", "pools, instances, connections", run_status, 1, 0},
    {"list", "", "every pool and how many of it are fit", run_list, 1, 0},
    {"show", "POOL", "one pool: rules, state, instances", ray_lb_run_show, 1, RAY_COMPLETE_POOL},
    {"instances", "[POOL]", "every instance: health, weight, connections", ray_lb_run_instances, 1,
     RAY_COMPLETE_POOL},
    {"test", "POOL [--key=NUMBER] [KEYS]",
     "who would be picked, or how so many keys spread; changes nothing", ray_lb_run_test, 1,
     RAY_COMPLETE_POOL},
    {"export", "[csv|json|prometheus|openmetrics]",
     "every instance in fixed columns, or metrics", run_export, 1, 0},
    {"health", "POOL INSTANCE pass|fail|healthy|unhealthy|degraded|unknown",
     "what a probe saw, or what holds at once", ray_lb_run_health, 0, RAY_COMPLETE_POOL},
    {"drain", "POOL INSTANCE", "gets nothing new; what it has ends", ray_lb_run_drain, 0,
     RAY_COMPLETE_POOL},
    {"undrain", "POOL INSTANCE", "gets requests again", ray_lb_run_undrain, 0, RAY_COMPLETE_POOL},
    {"weight", "POOL INSTANCE WEIGHT", "its share beside the others', 1 to 1000",
     ray_lb_run_weight, 0, RAY_COMPLETE_POOL},
    {"add", "POOL INSTANCE [WEIGHT]", "one instance more, as HOST:PORT", ray_lb_run_add, 0,
     RAY_COMPLETE_POOL},
    {"remove", "POOL INSTANCE", "drains and goes with its last connection (confirm)",
     ray_lb_run_remove, 0, RAY_COMPLETE_POOL},
    {"pool-add", "NAME [STRATEGY]", "a pool without instances", ray_lb_run_pool_add, 0, 0},
    {"pool-remove", "POOL", "with its instances and connections (confirm), when it serves nobody",
     ray_lb_run_pool_remove, 0, RAY_COMPLETE_POOL},
    {"bind", "SERVICE [POOL]", "whose instances serve it; nobody's without POOL", ray_lb_run_bind,
     0, RAY_COMPLETE_SERVICE},
    {"reset", "POOL", "turns begin anew", ray_lb_run_reset, 0, RAY_COMPLETE_POOL},
    {"discover", "POOL INSTANCE...",
     "the whole set found by name, each as HOST:PORT or HOST:PORT=WEIGHT", ray_lb_run_discover, 0,
     RAY_COMPLETE_POOL},
};

const ray_command ray_command_lb = {"lb",
                                    "which instance of a service answers",
                                    subs,
                                    sizeof subs / sizeof subs[0],
                                    19,
                                    1,
                                    0};
