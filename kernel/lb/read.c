/* SPDX-License-Identifier: MIT */
/* read.c - counters, rows, and both as text. Nothing here changes a byte. */
#include "parts.h"

/* -- counters and rows -- */
void ray_lb_read(const ray_lb *lb, ray_lb_stats *out)
{
    const ray_lb_tally *tally = &lb->tally;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->asked_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->error_count;
    out->unspent_count = tally->unspent_count;
    out->opened_count = tally->opened_count;
    out->closed_count = tally->closed_count;
    out->lapsed_count = tally->lapsed_count;
    out->failed_count = tally->failed_count;
    out->ejected_count = tally->ejected_count;
    out->panic_count = tally->panic_count;
    out->full_count = tally->full_count;
    out->reused_count = tally->reused_count;
    out->discovered_count = tally->discovered_count;
    out->discovery_kept_count = tally->discovery_kept_count;
    out->pool_count = lb->config.pool_count;
    out->instance_count = lb->config.instance_count;
    for (uint32_t i = 0; i < RAY_POOL_MAX; i++) {
        out->connection_count += lb->book.pool[i].active;
        out->idle_count += lb->book.pool[i].idle;
    }
}

ray_status ray_lb_pool_read(const ray_lb *lb, uint64_t now_ns, uint32_t id, ray_pool_spec *spec,
                            ray_pool_stats *out)
{
    ray_lb_view view;
    uint32_t slot;
    ray_status status = ray_lb_pool_slot(lb, id, &slot);
    if (status != RAY_OK)
        return status;
    const ray_pool_row *row = &lb->config.pool[slot];
    const ray_pool_book *book = &lb->book.pool[slot];
    *spec = row->spec;
    memset(out, 0, sizeof *out);
    ray_lb_see(lb, now_ns, slot, RAY_NONE, &view);
    out->picked_count = lb->tally.pool[slot].picked_count;
    out->denied_count = lb->tally.pool[slot].denied_count;
    out->reused_count = lb->tally.pool[slot].reused_count;
    out->instance_count = row->count;
    out->fit_count = view.fit;
    out->panic = view.panic;
    out->connection_count = book->active;
    out->idle_count = book->idle;
    out->cursor = book->cursor != 0 ? book->cursor - 1 : 0;
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++)
        out->ejected_count += lb->book.instance[lb->config.order[i]].ejected_until_ns > now_ns;
    for (uint32_t i = 0; i < RAY_SERVICE_MAX; i++)
        out->service_count += lb->config.service[i] == id + 1;
    return RAY_OK;
}

ray_status ray_lb_instance_read(const ray_lb *lb, uint64_t now_ns, uint32_t id,
                                ray_instance_spec *spec, ray_instance_stats *out)
{
    ray_lb_view view;
    uint32_t slot;
    ray_status status = ray_lb_instance_slot(lb, id, &slot);
    if (status != RAY_OK)
        return status;
    const ray_instance_row *row = &lb->config.instance[slot];
    const ray_instance_book *book = &lb->book.instance[slot];
    uint32_t pool = row->spec.pool & LB_SLOT_MASK;
    uint64_t slow_ns = lb->config.pool[pool].spec.slow_start_ns;
    *spec = row->spec;
    memset(out, 0, sizeof *out);
    ray_lb_see(lb, now_ns, pool, RAY_NONE, &view);
    out->picked_count = lb->tally.instance[slot].picked_count;
    out->failed_count = lb->tally.instance[slot].failed_count;
    out->latency_sum_ns = lb->tally.instance[slot].latency_sum_ns;
    out->ejected_until_ns = book->ejected_until_ns > now_ns ? book->ejected_until_ns : 0;
    out->since_ns =
        book->since_ns != 0 && now_ns - book->since_ns < slow_ns ? book->since_ns : 0;
    out->weight_ppm = (uint32_t)(ray_lb_weight(lb, now_ns, slot) * 5000 / row->spec.weight);
    out->health = book->health;
    out->connection_count = book->active;
    out->idle_count = book->idle;
    out->streak = book->streak;
    out->streak_passed = book->streak_passed;
    out->ejection_count = book->ejections;
    out->draining = book->draining;
    out->fit = view.fit != 0 && (view.tier == 3 ? book->draining == 0
                                                : ray_lb_tier(lb, now_ns, slot) == view.tier);
    out->pool = ray_lb_pool_handle(lb, pool);
    return RAY_OK;
}

ray_status ray_lb_find_pool(const ray_lb *lb, const char *name, uint64_t length, uint32_t *id)
{
    ray_name wanted;
    uint32_t slot = RAY_NONE;
    if (ray_name_set(&wanted, name, length) != 0)
        slot = ray_lb_pool_named(lb, &wanted);
    if (slot == RAY_NONE)
        return RAY_E_UNKNOWN;
    *id = ray_lb_pool_handle(lb, slot);
    return RAY_OK;
}

ray_status ray_lb_find_instance(const ray_lb *lb, uint32_t pool, const char *at, uint64_t length,
                                uint32_t *id)
{
    ray_name wanted = {{0}};
    uint32_t slot, found = RAY_NONE;
    ray_status status = ray_lb_pool_slot(lb, pool, &slot);
    if (status != RAY_OK)
        return status;
    if (length < RAY_NAME_BYTES) {   /* of another alphabet than a name: brackets */
        memcpy(wanted.at, at, length);
        found = ray_lb_instance_named(lb, slot, &wanted);
    }
    if (found == RAY_NONE)
        return RAY_E_UNKNOWN;
    *id = ray_lb_instance_handle(lb, found);
    return RAY_OK;
}

uint32_t ray_lb_next_pool(const ray_lb *lb, uint32_t id)
{
    for (uint32_t at = id == RAY_NONE ? 0 : (id & LB_SLOT_MASK) + 1; at < RAY_POOL_MAX; at++)
        if (lb->config.pool[at].used != 0)
            return ray_lb_pool_handle(lb, at);
    return RAY_NONE;
}

uint32_t ray_lb_next_instance(const ray_lb *lb, uint32_t pool, uint32_t id)
{
    for (uint32_t at = id == RAY_NONE ? 0 : (id & LB_SLOT_MASK) + 1; at < RAY_INSTANCE_MAX; at++)
        if (lb->config.instance[at].used != 0 &&
            (pool == RAY_NONE || (lb->config.instance[at].spec.pool & LB_SLOT_MASK) ==
                                     (pool & LB_SLOT_MASK)))
            return ray_lb_instance_handle(lb, at);
    return RAY_NONE;
}

/* -- words -- */
const char *ray_balance_word(uint32_t strategy)
{
    switch ((enum ray_balance)strategy) {
    case RAY_BALANCE_ROUND_ROBIN: return "round_robin";
    case RAY_BALANCE_LEAST_CONNECTIONS: return "least_connections";
    case RAY_BALANCE_WEIGHTED_ROUND_ROBIN: return "weighted_round_robin";
    case RAY_BALANCE_IP_HASH: return "ip_hash";
    case RAY_BALANCE_KETAMA: return "ketama";
    case RAY_BALANCE_MAGLEV: return "maglev";
    case RAY_BALANCE_NGINX_IP_HASH: return "nginx_ip_hash";
    case RAY_BALANCE_MAX: break;
    }
    return "?";
}

const char *ray_health_word(uint32_t health)
{
    switch ((enum ray_health)health) {
    case RAY_HEALTH_HEALTHY: return "healthy";
    case RAY_HEALTH_UNHEALTHY: return "unhealthy";
    case RAY_HEALTH_UNKNOWN: return "unknown";
    case RAY_HEALTH_DEGRADED: return "degraded";
    case RAY_HEALTH_MAX: break;
    }
    return "?";
}

/* -- export -- */
static void put_cell(ray_text *text, uint64_t value)
{
    ray_text_char(text, ',');
    ray_text_u64(text, value);
}

ray_status ray_lb_export_csv(const ray_lb *lb, uint64_t now_ns, ray_text *text)
{
    ray_instance_spec spec;
    ray_instance_stats stats;
    ray_text_put(text, "pool,instance,weight,health,fit,connections,idle,picked,failed,"
                       "latency_sum_ns,ejected_until_ns,draining\n");
    for (uint32_t pool = RAY_NONE; (pool = ray_lb_next_pool(lb, pool)) != RAY_NONE;)
        for (uint32_t id = RAY_NONE; (id = ray_lb_next_instance(lb, pool, id)) != RAY_NONE;) {
            ray_lb_instance_read(lb, now_ns, id, &spec, &stats);
            ray_text_name(text, &lb->config.pool[pool & LB_SLOT_MASK].spec.name, 0);
            ray_text_char(text, ',');
            ray_text_name(text, &spec.at, 0);
            put_cell(text, spec.weight);
            ray_text_char(text, ',');
            ray_text_put(text, ray_health_word(stats.health));
            put_cell(text, stats.fit);
            put_cell(text, stats.connection_count);
            put_cell(text, stats.idle_count);
            put_cell(text, stats.picked_count);
            put_cell(text, stats.failed_count);
            put_cell(text, stats.latency_sum_ns);
            put_cell(text, stats.ejected_until_ns);
            put_cell(text, stats.draining);
            ray_text_char(text, '\n');
        }
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

static void put_instance(const ray_lb *lb, uint64_t now_ns, uint32_t id, ray_text *text)
{
    ray_instance_spec spec;
    ray_instance_stats stats;
    ray_lb_instance_read(lb, now_ns, id, &spec, &stats);
    ray_text_json_open(text, NULL, '{');
    ray_text_json_name(text, "instance", &spec.at);
    ray_text_json_u64(text, "weight", spec.weight);
    ray_text_json_literal(text, "health", ray_health_word(stats.health));
    ray_text_json_bool(text, "fit", stats.fit);
    ray_text_json_u64(text, "connections", stats.connection_count);
    ray_text_json_u64(text, "idle", stats.idle_count);
    ray_text_json_u64(text, "picked", stats.picked_count);
    ray_text_json_u64(text, "failed", stats.failed_count);
    ray_text_json_u64(text, "latency_sum_ns", stats.latency_sum_ns);
    ray_text_json_u64(text, "ejected_until_ns", stats.ejected_until_ns);
    ray_text_json_bool(text, "draining", stats.draining != 0);
    ray_text_json_close(text, '}');
}

ray_status ray_lb_export_json(const ray_lb *lb, uint64_t now_ns, ray_text *text)
{
    ray_pool_spec spec;
    ray_pool_stats stats;
    ray_text_json_open(text, NULL, '{');
    ray_text_json_open(text, "pools", '[');
    for (uint32_t pool = RAY_NONE; (pool = ray_lb_next_pool(lb, pool)) != RAY_NONE;) {
        ray_lb_pool_read(lb, now_ns, pool, &spec, &stats);
        ray_text_json_open(text, NULL, '{');
        ray_text_json_name(text, "pool", &spec.name);
        ray_text_json_literal(text, "strategy", ray_balance_word(spec.strategy));
        ray_text_json_u64(text, "fit", stats.fit_count);
        ray_text_json_u64(text, "ejected", stats.ejected_count);
        ray_text_json_u64(text, "connections", stats.connection_count);
        ray_text_json_u64(text, "idle", stats.idle_count);
        ray_text_json_u64(text, "picked", stats.picked_count);
        ray_text_json_u64(text, "refused", stats.denied_count);
        ray_text_json_bool(text, "panic", stats.panic);
        ray_text_json_open(text, "instances", '[');
        for (uint32_t id = RAY_NONE; (id = ray_lb_next_instance(lb, pool, id)) != RAY_NONE;)
            put_instance(lb, now_ns, id, text);
        ray_text_json_close(text, ']');
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
    ray_text_json_close(text, '}');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
