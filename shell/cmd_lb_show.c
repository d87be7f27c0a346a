/* SPDX-License-Identifier: MIT */
/* cmd_lb_show.c - lb: one pool, its instances, and who would be picked. */
#include "cmd_lb.h"
#include "parts.h"

enum { COLUMN = 24, KEYS_MAX = 1000000 };

/* -- one instance (private) -- */
typedef struct row {
    ray_name pool;
    ray_instance_spec spec;
    ray_instance_stats stats;
} row;

static const char *state_word(const ray_instance_stats *stats)
{
    if (stats->draining != 0)
        return stats->draining == 2 ? "leaving" : "draining";
    return stats->ejected_until_ns != 0 ? "ejected" : ray_health_word(stats->health);
}

static void instance_json(ray_text *out, const row *r)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "pool", &r->pool);
    ray_text_json_name(out, "instance", &r->spec.at);
    ray_text_json_literal(out, "health", ray_health_word(r->stats.health));
    ray_text_json_bool(out, "fit", r->stats.fit);
    ray_text_json_bool(out, "draining", r->stats.draining != 0);
    ray_text_json_u64(out, "ejected_until_ns", r->stats.ejected_until_ns);
    ray_text_json_u64(out, "weight", r->spec.weight);
    ray_text_json_u64(out, "weight_ppm", r->stats.weight_ppm);
    ray_text_json_u64(out, "connections", r->stats.connection_count);
    ray_text_json_u64(out, "idle", r->stats.idle_count);
    ray_text_json_u64(out, "picked", r->stats.picked_count);
    ray_text_json_u64(out, "failed", r->stats.failed_count);
    ray_text_json_close(out, '}');
}

static void instance_row(ray_text *out, const row *r)
{
    ray_text_name(out, &r->pool, 0);
    ray_text_column(out, 20);
    ray_text_name(out, &r->spec.at, 0);
    ray_text_column(out, 46);
    ray_text_put(out, state_word(&r->stats));
    ray_text_column(out, 57);
    ray_text_put(out, r->stats.fit != 0 ? "yes" : "no");
    ray_text_column(out, 62);
    ray_text_u64(out, r->spec.weight);
    ray_text_column(out, 70);
    ray_text_u64(out, r->stats.connection_count);
    ray_text_column(out, 83);
    ray_text_u64(out, r->stats.picked_count);
    ray_text_char(out, ' ');
    ray_text_column(out, 92);
    ray_text_u64(out, r->stats.failed_count);
    ray_text_char(out, '\n');
}

static void instances_put(ray_call *call, uint32_t pool)
{
    const ray_lb *lb = ray_lb_of(call->ray);
    row r;
    if (call->json == 0)
        ray_text_put(call->out, "pool                instance                  state      fit  "
                                "weight  connections  picked   failed\n");
    for (uint32_t id = RAY_NONE; (id = ray_lb_next_instance(lb, pool, id)) != RAY_NONE;) {
        if (ray_lb_instance_read(lb, call->now_ns, id, &r.spec, &r.stats) != RAY_OK)
            continue;
        ray_by_name(call->ray, RAY_BY_POOL, r.stats.pool, &r.pool);
        if (call->json != 0)
            instance_json(call->out, &r);
        else
            instance_row(call->out, &r);
    }
}

ray_status ray_lb_run_instances(ray_call *call)
{
    uint32_t pool = RAY_NONE;
    ray_status status = call->plain_count > 2 ? ray_pool_named(call, 2, &pool) : RAY_OK;
    if (status != RAY_OK)
        return status;
    if (call->json != 0)
        ray_json_list_open(call->out, "instances");
    instances_put(call, pool);
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- one pool (private) -- */
static const char *sticky_word(uint32_t sticky)
{
    switch ((enum ray_lb_key)sticky) {
    case RAY_LB_KEY_ADDRESS: return "address";
    case RAY_LB_KEY_COOKIE: return "cookie";
    case RAY_LB_KEY_HEADER: return "header";
    case RAY_LB_KEY_NONE:
    case RAY_LB_KEY_NGINX:
    case RAY_LB_KEY_MAX: break;
    }
    return "none";
}

static void percent_put(ray_text *out, const char *name, uint32_t percent, const char *none)
{
    ray_line_begin(out, COLUMN, name);
    if (percent == 0) {
        ray_text_put(out, none);
    } else {
        ray_text_u64(out, percent);
        ray_text_char(out, '%');
    }
    ray_text_char(out, '\n');
}

static void rules_text(ray_text *out, const ray_pool_spec *spec)
{
    ray_line_begin(out, COLUMN, "sticky");
    ray_text_put(out, sticky_word(spec->sticky));
    ray_text_char(out, ' ');
    ray_text_name(out, &spec->key_name, 0);
    ray_text_char(out, '\n');
    if (spec->health_every_ns != 0) {
        ray_line_duration(out, COLUMN, "probed every", spec->health_every_ns);
        ray_line_u64(out, COLUMN, "healthy after", spec->rise);
        ray_line_u64(out, COLUMN, "unhealthy after", spec->fall);
    } else {
        ray_line_word(out, COLUMN, "probed every", "never");
    }
    if (spec->eject_after != 0) {
        ray_line_u64(out, COLUMN, "ejected after", spec->eject_after);
        ray_line_duration(out, COLUMN, "ejected for", spec->eject_ns);
        percent_put(out, "ejected at most", spec->eject_percent, "");
    } else {
        ray_line_word(out, COLUMN, "ejected after", "never");
    }
    percent_put(out, "panic below", spec->panic_percent, "never");
    percent_put(out, "load at most", spec->load_percent, "any");
    if (spec->slow_start_ns != 0)
        ray_line_duration(out, COLUMN, "slow start", spec->slow_start_ns);
    ray_line_word(out, COLUMN, "discovered", spec->discovered != 0 ? "yes" : "no");
}

static void show_text(ray_text *out, const ray_pool_spec *spec, const ray_pool_stats *pool)
{
    ray_line_name(out, COLUMN, "pool", &spec->name);
    ray_line_word(out, COLUMN, "strategy", ray_balance_word(spec->strategy));
    rules_text(out, spec);
    ray_line_begin(out, COLUMN, "fit");
    ray_text_u64(out, pool->fit_count);
    ray_text_put(out, " of ");
    ray_text_u64(out, pool->instance_count);
    ray_text_put(out, pool->panic == 0            ? ""
                      : spec->panic_fails != 0 ? ", panic: nobody is picked"
                                               : ", panic: health is ignored");
    ray_text_char(out, '\n');
    ray_line_u64(out, COLUMN, "ejected", pool->ejected_count);
    ray_line_begin(out, COLUMN, "connections");
    ray_text_u64(out, pool->connection_count);
    if (spec->connections_max != 0) {
        ray_text_put(out, " of ");
        ray_text_u64(out, spec->connections_max);
    }
    ray_text_char(out, '\n');
    ray_line_u64(out, COLUMN, "idle", pool->idle_count);
    ray_line_u64(out, COLUMN, "picked", pool->picked_count);
    ray_line_u64(out, COLUMN, "reused", pool->reused_count);
    ray_line_u64(out, COLUMN, "refused", pool->denied_count);
    ray_line_u64(out, COLUMN, "services", pool->service_count);
}

static void show_json(ray_text *out, const ray_pool_spec *spec, const ray_pool_stats *pool)
{
    ray_text_json_name(out, "pool", &spec->name);
    ray_text_json_literal(out, "strategy", ray_balance_word(spec->strategy));
    ray_text_json_literal(out, "sticky", sticky_word(spec->sticky));
    ray_text_json_name(out, "sticky_name", &spec->key_name);
    ray_text_json_u64(out, "health_every_ns", spec->health_every_ns);
    ray_text_json_u64(out, "rise", spec->rise);
    ray_text_json_u64(out, "fall", spec->fall);
    ray_text_json_u64(out, "eject_after", spec->eject_after);
    ray_text_json_u64(out, "eject_ns", spec->eject_ns);
    ray_text_json_u64(out, "eject_percent", spec->eject_percent);
    ray_text_json_u64(out, "panic_percent", spec->panic_percent);
    ray_text_json_u64(out, "load_percent", spec->load_percent);
    ray_text_json_u64(out, "slow_start_ns", spec->slow_start_ns);
    ray_text_json_u64(out, "connections_max", spec->connections_max);
    ray_text_json_bool(out, "discovered", spec->discovered);
    ray_text_json_bool(out, "panic", pool->panic);
    ray_text_json_u64(out, "fit", pool->fit_count);
    ray_text_json_u64(out, "ejected", pool->ejected_count);
    ray_text_json_u64(out, "connections", pool->connection_count);
    ray_text_json_u64(out, "idle", pool->idle_count);
    ray_text_json_u64(out, "picked", pool->picked_count);
    ray_text_json_u64(out, "reused", pool->reused_count);
    ray_text_json_u64(out, "refused", pool->denied_count);
    ray_text_json_u64(out, "services", pool->service_count);
}

ray_status ray_lb_run_show(ray_call *call)
{
    ray_pool_spec spec;
    ray_pool_stats pool;
    uint32_t id;
    ray_status status = ray_pool_named(call, 2, &id);
    if (status == RAY_OK)
        status = ray_lb_pool_read(ray_lb_of(call->ray), call->now_ns, id, &spec, &pool);
    if (status != RAY_OK)
        return status;
    if (call->json == 0) {
        show_text(call->out, &spec, &pool);
        instances_put(call, id);
        return RAY_OK;
    }
    ray_text_json_open(call->out, 0, '{');
    show_json(call->out, &spec, &pool);
    ray_text_json_open(call->out, "instances", '[');
    instances_put(call, id);
    ray_text_json_close(call->out, ']');
    ray_json_end(call->out);
    return RAY_OK;
}

/* -- test (private) -- */
static void pick_put(ray_call *call, const ray_lb_answer *answer)
{
    ray_text *out = call->out;
    ray_name name;
    ray_by_name(call->ray, RAY_BY_INSTANCE, answer->instance, &name);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_bool(out, "granted", answer->granted);
        ray_text_json_literal(out, "reason", ray_reason_word(answer->reason));
        ray_text_json_name(out, "instance", &name);
        ray_text_json_bool(out, "panic", answer->panic);
        ray_text_json_bool(out, "reused", answer->reused);
        ray_text_json_u64(out, "retry_after_ns", answer->retry_after_ns);
        ray_json_end(out);
        return;
    }
    if (answer->granted != 0) {
        ray_text_put(out, "would go to ");
        ray_text_name(out, &name, 0);
        ray_text_put(out, answer->panic != 0 ? ", whatever its health" : "");
        ray_text_put(out, answer->reused != 0 ? ", on an idle connection\n" : "\n");
        return;
    }
    ray_text_put(out, "would be refused: ");
    ray_text_put(out, ray_reason_word(answer->reason));
    if (answer->retry_after_ns != 0) {
        ray_text_put(out, "; again in ");
        ray_text_duration(out, answer->retry_after_ns);
    }
    ray_text_char(out, '\n');
}

static void spread_put(ray_call *call, uint32_t pool, const uint32_t *picked, uint32_t refused)
{
    const ray_lb *lb = ray_lb_of(call->ray);
    ray_name name;
    if (call->json != 0) {
        ray_text_json_open(call->out, 0, '{');
        ray_text_json_u64(call->out, "refused", refused);
        ray_text_json_open(call->out, "instances", '[');
    }
    for (uint32_t id = RAY_NONE; (id = ray_lb_next_instance(lb, pool, id)) != RAY_NONE;) {
        ray_by_name(call->ray, RAY_BY_INSTANCE, id, &name);
        if (call->json != 0) {
            ray_text_json_open(call->out, 0, '{');
            ray_text_json_name(call->out, "instance", &name);
            ray_text_json_u64(call->out, "keys", picked[id & 0xffff]);
            ray_text_json_close(call->out, '}');
        } else {
            ray_line_u64(call->out, 48, name.at, picked[id & 0xffff]);
        }
    }
    if (call->json != 0) {
        ray_text_json_close(call->out, ']');
        ray_json_end(call->out);
    } else if (refused != 0) {
        ray_line_u64(call->out, 48, "refused", refused);
    }
}

/* So many keys, far from one another: how many each instance would get. */
static ray_status spread(ray_call *call, ray_lb_query *query, uint64_t keys)
{
    const ray_lb *lb = ray_lb_of(call->ray);
    ray_lb_answer answer;
    ray_view name;
    uint32_t refused = 0;
    if (ray_lb_key_kind(lb, query->pool, &name) == RAY_LB_KEY_NONE)
        return ray_call_error(call, RAY_E_ARGUMENT, "keys spread only in sticky pools and hashes",
                              RAY_NONE, 0);
    uint32_t *picked = ray_call_memory(call, RAY_INSTANCE_MAX * sizeof *picked);
    if (picked == 0)
        return RAY_E_TRUNCATED;
    for (uint64_t i = 0; i < keys; i++) {
        if (ray_lb_ask(lb, call->now_ns, query, &answer) != RAY_OK || answer.granted == 0)
            refused++;
        else
            picked[answer.instance & 0xffff]++;
        query->key += 0x9e3779b97f4a7c15ULL;
        query->key += query->key == 0;
    }
    spread_put(call, query->pool, picked, refused);
    return RAY_OK;
}

ray_status ray_lb_run_test(ray_call *call)
{
    ray_lb_query query = {.until_ns = RAY_NEVER, .avoid = RAY_NONE};
    ray_lb_answer answer;
    uint64_t keys = 1;
    ray_status status = ray_pool_named(call, 2, &query.pool);
    if (status == RAY_OK)
        status = ray_option_u64(call, "--key", &query.key);
    if (status != RAY_OK)
        return status;
    if (call->plain_count > 3) {
        if (ray_parse_u64(call->word[3], call->length[3], &keys) != RAY_OK || keys == 0 ||
            keys > KEYS_MAX)
            return ray_call_error(call, RAY_E_RANGE,
                                  "KEYS is a number from 1 to 1000000, not", 3, 0);
        query.key += query.key == 0;
        return spread(call, &query, keys);
    }
    status = ray_lb_ask(ray_lb_of(call->ray), call->now_ns, &query, &answer);
    if (status == RAY_OK)
        pick_put(call, &answer);
    return status;
}
