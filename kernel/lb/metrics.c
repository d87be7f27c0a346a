/* SPDX-License-Identifier: MIT */
/* metrics.c - the module, its pools and its instances as an exposition; what is due by now_ns has
 * happened in it. */
#include "parts.h"
#include "base/openmetrics.h"

enum { LABEL_BYTES = 8 * RAY_NAME_BYTES + 32 };

/* -- families (private) -- */
#define LB(field, kind, name, help) \
    RAY_FAMILY(ray_lb_stats, field, kind, "raygate_lb_" name, help, 0)
static const ray_family module_families[] = {
    LB(asked_count, COUNTER, "asked", "Requests that needed an instance."),
    LB(granted_count, COUNTER, "granted", "Requests that got one."),
    LB(denied_count, COUNTER, "denied", "Requests that got none."),
    LB(full_count, COUNTER, "full", "Of them, because their pool had all its connections out."),
    LB(panic_count, COUNTER, "panic_picks", "Picks made whatever the health."),
    LB(unspent_count, COUNTER, "unspent", "Picks of requests that were sent nowhere."),
    LB(failed_count, COUNTER, "failures", "Outcomes that were failures."),
    LB(ejected_count, COUNTER, "ejections", "Times an instance was ejected."),
    LB(opened_count, COUNTER, "connections_opened", "Connections opened."),
    LB(closed_count, COUNTER, "connections_closed", "Connections closed."),
    LB(reused_count, COUNTER, "connections_reused", "Requests sent on an idle connection."),
    LB(lapsed_count, COUNTER, "leases_lapsed", "Connections nobody gave back in time."),
    LB(discovered_count, COUNTER, "discoveries", "Answers of discovery taken."),
    LB(discovery_kept_count, COUNTER, "discoveries_kept",
       "Empty or failed answers, which kept the last set."),
    LB(pool_count, GAUGE, "pools", "Pools."),
    LB(instance_count, GAUGE, "instances", "Instances of all pools."),
    LB(connection_count, GAUGE, "connections", "Requests at an instance now."),
    LB(idle_count, GAUGE, "idle_connections", "Idle connections kept now."),
};

#define POOL(field, kind, name, help) \
    RAY_FAMILY(ray_pool_stats, field, kind, "raygate_pool_" name, help, 0)
static const ray_family pool_families[] = {
    POOL(picked_count, COUNTER, "picked", "Requests sent to an instance of the pool."),
    POOL(denied_count, COUNTER, "refused", "Requests for which the pool had no instance."),
    POOL(reused_count, COUNTER, "connections_reused", "Of the picked, on an idle connection."),
    POOL(instance_count, GAUGE, "instances", "Instances of the pool."),
    POOL(fit_count, GAUGE, "fit_instances", "Instances that may be picked now."),
    POOL(ejected_count, GAUGE, "ejected_instances", "Instances that are ejected now."),
    POOL(connection_count, GAUGE, "connections", "Requests at the pool now."),
    POOL(idle_count, GAUGE, "idle_connections", "Idle connections kept now."),
    POOL(panic, GAUGE, "panic", "1 while too few are fit and health is ignored."),
};

#define INSTANCE(field, kind, name, help) \
    RAY_FAMILY(ray_instance_stats, field, kind, "raygate_instance_" name, help, 0)
static const ray_family instance_families[] = {
    INSTANCE(picked_count, COUNTER, "picked", "Requests sent to the instance."),
    INSTANCE(failed_count, COUNTER, "failures", "Of them, those that failed."),
    INSTANCE(latency_sum_ns, SECONDS, "latency_seconds",
             "Time of the requests that ended, summed."),
    INSTANCE(connection_count, GAUGE, "connections", "Requests at the instance now."),
    INSTANCE(idle_count, GAUGE, "idle_connections", "Idle connections kept now."),
    INSTANCE(fit, GAUGE, "fit", "1 while it may be picked."),
    INSTANCE(health, GAUGE, "health", "0 healthy, 1 unhealthy, 2 unknown, 3 degraded."),
    INSTANCE(ejected_until_ns, GAUGE, "ejected", "1 while it is ejected."),
    INSTANCE(ejection_count, GAUGE, "ejections_in_row",
             "Ejections without a good stay in between."),
    INSTANCE(draining, GAUGE, "draining", "0 no, 1 gets nothing new, 2 and leaves at the end."),
    INSTANCE(weight_ppm, RATIO, "weight_ratio",
             "Share of its weight that counts now (slow start, degraded)."),
};

/* -- rows (private) -- */
static void pool_label(const ray_lb *lb, uint32_t pool, ray_text *label)
{
    const ray_name *name = &lb->config.pool[pool & LB_SLOT_MASK].spec.name;
    ray_text_put(label, "pool=\"");
    ray_text_label(label, name->at, ray_name_length(name));
    ray_text_char(label, '"');
}

static void pool_row(const ray_lb *lb, uint64_t now_ns, const ray_family *family, uint32_t pool,
                     ray_text *text)
{
    char at[LABEL_BYTES];
    ray_text label;
    ray_pool_spec spec;
    ray_pool_stats stats;
    if (ray_lb_pool_read(lb, now_ns, pool, &spec, &stats) != RAY_OK)
        return;
    ray_text_init(&label, at, sizeof at);
    pool_label(lb, pool, &label);
    ray_openmetrics_sample(text, family, &label, &stats);
}

static void instance_row(const ray_lb *lb, uint64_t now_ns, const ray_family *family, uint32_t id,
                         ray_text *text)
{
    char at[LABEL_BYTES];
    ray_text label;
    ray_instance_spec spec;
    ray_instance_stats stats;
    if (ray_lb_instance_read(lb, now_ns, id, &spec, &stats) != RAY_OK)
        return;
    stats.ejected_until_ns = stats.ejected_until_ns != 0;
    ray_text_init(&label, at, sizeof at);
    pool_label(lb, stats.pool, &label);
    ray_text_put(&label, ",instance=\"");
    ray_text_label(&label, spec.at.at, ray_length_of(spec.at.at));
    ray_text_char(&label, '"');
    ray_openmetrics_sample(text, family, &label, &stats);
}

/* -- reading -- */
ray_status ray_lb_export_metrics(const ray_lb *lb, uint64_t now_ns, uint32_t form, ray_text *text)
{
    ray_lb_stats stats;
    ray_lb_read(lb, &stats);
    ray_openmetrics_stats(text, form, module_families,
                          sizeof module_families / sizeof *module_families, &stats);
    for (uint32_t i = 0; i < sizeof pool_families / sizeof *pool_families; i++) {
        ray_openmetrics_family(text, form, &pool_families[i]);
        for (uint32_t id = RAY_NONE; (id = ray_lb_next_pool(lb, id)) != RAY_NONE;)
            pool_row(lb, now_ns, &pool_families[i], id, text);
    }
    for (uint32_t i = 0; i < sizeof instance_families / sizeof *instance_families; i++) {
        ray_openmetrics_family(text, form, &instance_families[i]);
        for (uint32_t id = RAY_NONE; (id = ray_lb_next_instance(lb, RAY_NONE, id)) != RAY_NONE;)
            instance_row(lb, now_ns, &instance_families[i], id, text);
    }
    return ray_openmetrics_end(text, form);
}
