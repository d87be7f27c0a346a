/* SPDX-License-Identifier: MIT */
/* config_rows.c - the rows of a blob: what belongs to no module, each module's own check, and what
 * only all of them together can break. */
#include <stddef.h>
#include "pipeline/config_blob.h"
#include "base/bytes.h"

static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint64_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = (uint32_t)field;
    return status;
}

/* -- what belongs to no module -- */
/* The byte offset of the first field no rule allows, RAY_NONE when all is well. */
static uint32_t settings_field(const ray_settings_spec *settings, ray_status *status)
{
    *status = RAY_E_RANGE;
    if (settings->utc_offset_minutes < -12 * 60 || settings->utc_offset_minutes > 14 * 60)
        return offsetof(ray_settings_spec, utc_offset_minutes);
    if (settings->default_class >= RAY_CLASS_MAX)
        return offsetof(ray_settings_spec, default_class);
    if (settings->no_route_status < 400 || settings->no_route_status > 499)
        return offsetof(ray_settings_spec, no_route_status);
    if (settings->mode > RAY_MODE_OFF)
        return offsetof(ray_settings_spec, mode);
    const uint8_t *flag = &settings->no_limit_deny;
    for (uint32_t i = 0; i < 4; i++)
        if (flag[i] > 1)
            return (uint32_t)offsetof(ray_settings_spec, no_limit_deny) + i;
    *status = RAY_E_ARGUMENT;
    if (settings->reserved != 0)
        return offsetof(ray_settings_spec, reserved);
    const ray_name *header = &settings->request_id;
    if (!ray_is_zero(header, sizeof *header) && !ray_name_valid(header))
        return offsetof(ray_settings_spec, request_id);
    *status = RAY_OK;
    return RAY_NONE;
}

static ray_status settings_check(const ray_settings_spec *settings, ray_config_report *report)
{
    ray_status status;
    uint32_t field = settings_field(settings, &status);
    return status == RAY_OK ? RAY_OK : refuse(report, status, RAY_SECTION_SETTINGS, 0, field);
}

_Static_assert(offsetof(ray_settings_spec, problem_json) ==
                   offsetof(ray_settings_spec, no_limit_deny) + 3,
               "the four flags of the settings stand side by side");

/* `at` is the first of `count` names, `stride` bytes apart: each valid, each once. */
static ray_status names_check(const uint8_t *at, uint64_t stride, uint32_t count, uint32_t section,
                              ray_config_report *report)
{
    for (uint32_t i = 0; i < count; i++) {
        const ray_name *name = (const void *)(at + i * stride);
        if (!ray_name_valid(name))
            return refuse(report, RAY_E_ARGUMENT, section, i, 0);
        for (uint32_t before = 0; before < i; before++)
            if (ray_same(name, at + before * stride, sizeof *name))
                return refuse(report, RAY_E_EXISTS, section, i, 0);
    }
    return RAY_OK;
}

static ray_status tenants_check(const ray_config_blob *blob, ray_config_report *report)
{
    const uint32_t section = RAY_SECTION_TENANT, count = blob->counts.tenant_count;
    for (uint32_t i = 0; i < count; i++) {
        const ray_tenant_spec *tenant = &blob->tenants[i];
        if (tenant->plan != RAY_NONE && tenant->plan >= blob->counts.plan_count)
            return refuse(report, RAY_E_UNKNOWN, section, i, offsetof(ray_tenant_spec, plan));
        if (tenant->reserved != 0)
            return refuse(report, RAY_E_ARGUMENT, section, i, offsetof(ray_tenant_spec, reserved));
    }
    return names_check((const uint8_t *)blob->tenants, sizeof *blob->tenants, count, section,
                       report);
}

static ray_status networks_check(const ray_config_blob *blob, ray_config_report *report)
{
    const uint32_t section = RAY_SECTION_TRUST;
    for (uint32_t i = 0; i < blob->network_count; i++) {
        const ray_network *network = &blob->networks[i];
        if (network->prefix > 128)
            return refuse(report, RAY_E_RANGE, section, i, offsetof(ray_network, prefix));
        if (network->reserved != 0)
            return refuse(report, RAY_E_ARGUMENT, section, i, offsetof(ray_network, reserved));
        for (uint32_t bit = network->prefix; bit < 128; bit++)
            if ((network->address.at[bit / 8] & 0x80U >> bit % 8) != 0)
                return refuse(report, RAY_E_ARGUMENT, section, i, offsetof(ray_network, address));
    }
    return RAY_OK;
}

/* -- what only all of them together can break -- */
static ray_status route_limits_check(const ray_config_blob *blob, ray_config_report *report)
{
    for (uint32_t i = 0; i < blob->counts.route_count; i++) {
        const ray_route_spec *route = &blob->routes[i];
        for (uint32_t at = 0; at < RAY_ROUTE_LIMIT_MAX; at++) {
            uint64_t field = offsetof(ray_route_spec, limits) + at * sizeof route->limits[0];
            if (at >= route->limit_count) {
                if (route->limits[at] != RAY_NONE)
                    return refuse(report, RAY_E_ARGUMENT, RAY_SECTION_ROUTE, i, field);
                continue;
            }
            if (route->limits[at] >= blob->counts.limit_count)
                return refuse(report, RAY_E_UNKNOWN, RAY_SECTION_ROUTE, i, field);
            if (blob->limits[route->limits[at]].scope != RAY_SCOPE_NAMED)
                return refuse(report, RAY_E_ARGUMENT, RAY_SECTION_ROUTE, i, field);
            for (uint32_t before = 0; before < at; before++)
                if (route->limits[before] == route->limits[at])
                    return refuse(report, RAY_E_EXISTS, RAY_SECTION_ROUTE, i, field);
        }
    }
    return RAY_OK;
}

/* Rules may name only what is asked by name: no request meets it otherwise. */
static ray_status policy_names_check(const ray_config_blob *blob, ray_config_report *report)
{
    const uint32_t section = RAY_SECTION_POLICY;
    for (uint32_t i = 0; i < blob->counts.policy_count; i++) {
        const ray_policy_spec *rule = &blob->policies.rule[i];
        if (rule->limit != RAY_NONE && (rule->limit >= blob->counts.limit_count ||
                                        blob->limits[rule->limit].scope != RAY_SCOPE_NAMED))
            return refuse(report, RAY_E_ARGUMENT, section, i, offsetof(ray_policy_spec, limit));
        if (rule->quota != RAY_NONE && (rule->quota >= blob->counts.quota_count ||
                                        blob->quotas[rule->quota].named == 0))
            return refuse(report, RAY_E_ARGUMENT, section, i, offsetof(ray_policy_spec, quota));
    }
    return RAY_OK;
}

/* How many limits policies may add to one request: those they name, at most their places. */
static uint32_t policy_limit_count(const ray_config_blob *blob)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < blob->counts.policy_count && count < RAY_POLICY_LIMIT_MAX; i++) {
        uint32_t limit = blob->policies.rule[i].limit, twice = limit == RAY_NONE;
        for (uint32_t before = 0; before < i; before++)
            twice |= blob->policies.rule[before].limit == limit;
        count += twice == 0;
    }
    return count;
}

/* No request can meet more limits than the pipeline has places for: to what any request to a
 * service meets come the limits that its route and the policies name. */
static ray_status request_limits_check(const ray_config_blob *blob, ray_config_report *report)
{
    const ray_config_counts *counts = &blob->counts;
    uint32_t added = policy_limit_count(blob);
    uint16_t met[RAY_SERVICE_MAX + 1];
    ray_ratelimit_applied(blob->limits, counts->limit_count, counts->service_count, met);
    for (uint32_t i = 0; i < counts->route_count; i++) {
        const ray_route_spec *route = &blob->routes[i];
        if ((uint32_t)met[route->service] + route->limit_count + added > RAY_REQUEST_LIMIT_MAX)
            return refuse(report, RAY_E_FULL, RAY_SECTION_ROUTE, i,
                          offsetof(ray_route_spec, limits));
    }
    return RAY_OK;
}

/* The module's check says what; a module that names no section means its first one. */
static ray_status by_module(ray_status status, uint32_t section, ray_config_report *report)
{
    if (status != RAY_OK && report->section == 0)
        report->section = section;
    return status;
}

/* Rows first: they say what each key's material must be. */
static ray_status auth_check(const ray_config_blob *blob, ray_config_report *report)
{
    const ray_config_counts *counts = &blob->counts;
    ray_status status = ray_auth_check(&blob->auth, counts, report);
    if (status != RAY_OK)
        return status;
    status = ray_secrets_check(blob->seed, blob->seed_count, blob->auth.keys,
                               counts->jwt_key_count);
    return status == RAY_OK ? RAY_OK : refuse(report, status, RAY_SECTION_SECRETS, 0, 0);
}

ray_status ray_config_rows_check(const ray_config_blob *blob, ray_config_report *report)
{
    const ray_config_counts *counts = &blob->counts;
    ray_status status = settings_check(blob->settings, report);
    if (status == RAY_OK)
        status = names_check((const uint8_t *)blob->plans, sizeof *blob->plans, counts->plan_count,
                             RAY_SECTION_PLAN, report);
    if (status == RAY_OK)
        status = tenants_check(blob, report);
    if (status == RAY_OK)
        status = networks_check(blob, report);
    if (status == RAY_OK)
        status = by_module(
            ray_gateway_check(blob->services, blob->routes, blob->tables, counts, report),
            RAY_SECTION_SERVICE, report);
    if (status == RAY_OK)
        status = by_module(ray_ratelimit_check(blob->limits, blob->rates, counts, report),
                           RAY_SECTION_LIMIT, report);
    if (status == RAY_OK)
        status = by_module(ray_quota_check(blob->quotas, counts, report), RAY_SECTION_QUOTA,
                           report);
    if (status == RAY_OK)
        status = by_module(ray_priority_check(&blob->queues, counts, report), RAY_SECTION_QUEUE,
                           report);
    if (status == RAY_OK)
        status = by_module(ray_policy_check(&blob->policies, counts, report), RAY_SECTION_POLICY,
                           report);
    if (status == RAY_OK)
        status = policy_names_check(blob, report);
    if (status == RAY_OK)
        status = by_module(ray_cost_check(&blob->cost, counts, report), RAY_SECTION_COST, report);
    if (status == RAY_OK)
        status = by_module(ray_governance_check(blob->alerts, counts, report), RAY_SECTION_ALERT,
                           report);
    if (status == RAY_OK)
        status = by_module(ray_resilience_check(blob->guards, counts, report), RAY_SECTION_GUARD,
                           report);
    if (status == RAY_OK)
        status = by_module(ray_lb_check(&blob->pools, counts, report), RAY_SECTION_POOL, report);
    if (status == RAY_OK)
        status = by_module(ray_mediator_check(&blob->mediation, counts, report),
                           RAY_SECTION_TRANSFORM, report);
    if (status == RAY_OK)
        status = auth_check(blob, report);
    if (status == RAY_OK)
        status = route_limits_check(blob, report);
    if (status == RAY_OK)
        status = request_limits_check(blob, report);
    return status;
}
