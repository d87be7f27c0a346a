/* SPDX-License-Identifier: MIT */
/* cmd_cost_edit.c - alerts on what is spent, and the commands that move money. */
#include "cmd_cost.h"
#include "parts.h"

/* -- alerts -- */
static void put_notice(ray_call *call, const ray_cost_notice *notice)
{
    ray_text *out = call->out;
    if (call->json != 0) {
        ray_name tenant, service;
        ray_cost_tenant_name(call, notice->alert.tenant, &tenant);
        ray_by_name(call->ray, RAY_BY_SERVICE, notice->alert.service, &service);
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "id", notice->id);
        ray_text_json_name(out, "name", &notice->alert.name);
        ray_text_json_name(out, "tenant", &tenant);
        ray_text_json_name(out, "service", &service);
        ray_text_json_u64(out, "at_ns", notice->at_ns);
        ray_cost_json_nano(out, "threshold", notice->alert.threshold_nano);
        ray_cost_json_nano(out, "spent", notice->spent_nano);
        ray_text_json_u64(out, "ppm", notice->alert.ppm);
        ray_text_json_bool(out, "acknowledged", notice->acknowledged);
        ray_text_json_close(out, '}');
        return;
    }
    ray_text_u64(out, notice->id);
    ray_text_column(out, 6);
    ray_text_name(out, &notice->alert.name, 0);
    ray_text_column(out, 30);
    ray_cost_put_tenant(call, notice->alert.tenant);
    ray_text_column(out, 46);
    ray_cost_put_nano(out, notice->spent_nano);
    ray_text_put(out, " of ");
    ray_cost_put_nano(out, notice->alert.threshold_nano);
    ray_text_put(out, notice->acknowledged != 0 ? "  seen\n" : "\n");
}

ray_status ray_cost_run_alerts(ray_call *call)
{
    const ray_cost *cost = ray_cost_of(call->ray);
    uint32_t all = ray_call_flag(call, "--all"), shown = 0;
    ray_cost_stats stats;
    ray_cost_notice notice;
    ray_cost_read(cost, &stats);
    if (call->json != 0)
        ray_json_list_open(call->out, "alerts");
    for (uint64_t id = stats.notice_overwritten_count + 1; id <= stats.notice_count; id++) {
        if (ray_cost_notice_read(cost, id, &notice) != RAY_OK ||
            (notice.acknowledged != 0 && all == 0))
            continue;
        put_notice(call, &notice);
        shown++;
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    else if (shown == 0)
        ray_text_put(call->out, "none\n");
    return RAY_OK;
}

ray_status ray_cost_run_acknowledge(ray_call *call)
{
    uint64_t id = 0;
    ray_status status = ray_parse_u64(call->word[2], call->length[2], &id);
    if (status == RAY_OK)
        status = ray_cost_notice_acknowledge(ray_cost_of(call->ray), id);
    if (status != RAY_OK)
        return ray_call_error(call, status, "no such alert; see: cost alerts --all", 2, 0);
    ray_text_put(call->out, "seen\n");
    return RAY_OK;
}

/* --tenant and --service, RAY_NONE where they are not stated. */
static ray_status scope_of(ray_call *call, uint32_t *tenant, uint32_t *service)
{
    const char *at;
    uint32_t length;
    *tenant = *service = RAY_NONE;
    if (ray_call_option(call, "--tenant", &at, &length) != 0 &&
        ray_tenant_find(call->ray, at, length, tenant) != RAY_OK)
        return ray_call_unknown_value(call, "--tenant names no tenant", at, length,
                                      RAY_COMPLETE_TENANT);
    if (ray_call_option(call, "--service", &at, &length) != 0)
        return ray_cost_service_at(call, at, length, service);
    return RAY_OK;
}

ray_status ray_cost_amount_at(ray_call *call, uint32_t word, uint32_t decimals, int64_t *out)
{
    if (ray_money_parse(call->word[word], call->length[word], decimals, out) != 0)
        return RAY_OK;
    return ray_call_error(call, RAY_E_SYNTAX, "an amount is a decimal such as 12.50, not", word, 0);
}

ray_status ray_cost_run_alert(ray_call *call)
{
    ray_cost_alert_spec spec = {.reserved = 0};
    ray_status status = ray_cost_amount_at(call, 3, 9, &spec.threshold_nano);
    if (status == RAY_OK)
        status = scope_of(call, &spec.tenant, &spec.service);
    if (status != RAY_OK)
        return status;
    if (ray_word_names(call->word[2], call->length[2]) == 0)
        return ray_call_error(call, RAY_E_ARGUMENT, RAY_NAME_RULE, 2, 0);
    __builtin_memcpy(spec.name.at, call->word[2], call->length[2]);
    status = ray_cost_alert_add(ray_cost_of(call->ray), call->now_ns, &spec);
    if (status != RAY_OK)
        return ray_call_error(call, status, "a threshold is an amount above 0, and there is room "
                                            "for it, not", 3, 0);
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_NONE, RAY_NONE, 0, (uint64_t)spec.threshold_nano);
    ray_text_put(call->out, "set\n");
    return RAY_OK;
}

ray_status ray_cost_run_unalert(ray_call *call)
{
    ray_status status =
        ray_cost_alert_remove(ray_cost_of(call->ray), call->word[2], call->length[2]);
    if (status != RAY_OK)
        return ray_call_error(call, status, "no alert of that name; see: cost alerts --all", 2, 0);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_NONE, RAY_NONE, 0, 0);
    ray_text_put(call->out, "removed\n");
    return RAY_OK;
}

/* -- money -- */
static ray_status metric_of(ray_call *call, uint32_t *metric)
{
    const char *at;
    uint32_t length;
    *metric = RAY_COST_REQUESTS;
    if (ray_call_option(call, "--metric", &at, &length) == 0)
        return RAY_OK;
    for (*metric = 0; *metric < RAY_COST_METRIC_MAX; (*metric)++)
        if (ray_word_is(at, length, ray_cost_metric_word(*metric)))
            return RAY_OK;
    return ray_call_error(call, RAY_E_ARGUMENT,
                          "--metric is requests, bytes, compute, storage or cache", RAY_NONE, 0);
}

ray_status ray_cost_run_adjust(ray_call *call)
{
    uint32_t tenant, nobody, service, metric;
    int64_t nano = 0;
    ray_status status = ray_cost_tenant_at(call, 2, &tenant);
    if (status == RAY_OK)
        status = ray_cost_amount_at(call, 3, 9, &nano);
    if (status == RAY_OK)
        status = scope_of(call, &nobody, &service);
    if (status == RAY_OK)
        status = metric_of(call, &metric);
    if (status != RAY_OK)
        return status;
    status = ray_cost_adjust(ray_cost_of(call->ray), call->now_ns, ray_call_wall_offset(call),
                             tenant, service, metric, nano);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "no balance can hold that; book a smaller amount", 3, 0);
    ray_call_noted(call, RAY_AUDIT_CONSUME, RAY_BY_NONE, tenant, 0, (uint64_t)nano);
    ray_text_put(call->out, "booked ");
    ray_cost_put_nano(call->out, nano);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

ray_status ray_cost_run_close(ray_call *call)
{
    if (ray_call_confirmed(call, "this ends the billing period for every tenant") == 0)
        return RAY_E_STATE;
    ray_status status =
        ray_cost_close(ray_cost_of(call->ray), call->now_ns, ray_call_wall_offset(call));
    if (status != RAY_OK)
        return ray_call_error(call, status, "the period has no length yet; nothing was charged "
                                            "in it", RAY_NONE, 0);
    ray_call_noted(call, RAY_AUDIT_RESET, RAY_BY_NONE, RAY_NONE, 0, 0);
    ray_text_put(call->out, "closed\n");
    return RAY_OK;
}
