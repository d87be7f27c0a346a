/* SPDX-License-Identifier: MIT */
/* config_words.c - why a blob was refused, in words: which section, which row, which field, what
 * is wrong with it. */
#include <stddef.h>
#include "pipeline/config_blob.h"
#include "base/bytes.h"

typedef struct field_word {
    uint32_t section;
    uint32_t offset;
    const char *word;
} field_word;

#define FIELD(section, type, member) \
    {RAY_SECTION_##section, (uint32_t)offsetof(type, member), #member}

/* Ascending within a section: a field's word is the last one at or before its offset. */
static const field_word field_words[] = {
    FIELD(SETTINGS, ray_settings_spec, max_step_ns),
    FIELD(SETTINGS, ray_settings_spec, utc_offset_minutes),
    FIELD(SETTINGS, ray_settings_spec, default_class),
    FIELD(SETTINGS, ray_settings_spec, no_route_status), FIELD(SETTINGS, ray_settings_spec, mode),
    FIELD(SETTINGS, ray_settings_spec, no_limit_deny),
    FIELD(SETTINGS, ray_settings_spec, client_ip),
    FIELD(SETTINGS, ray_settings_spec, ratelimit_headers),
    FIELD(SETTINGS, ray_settings_spec, problem_json), FIELD(SETTINGS, ray_settings_spec, reserved),
    FIELD(SETTINGS, ray_settings_spec, request_id),
    {RAY_SECTION_PLAN, 0, "name"},
    FIELD(TENANT, ray_tenant_spec, name), FIELD(TENANT, ray_tenant_spec, plan),
    FIELD(TENANT, ray_tenant_spec, reserved),
    FIELD(TRUST, ray_network, address), FIELD(TRUST, ray_network, prefix),
    FIELD(TRUST, ray_network, reserved),
    FIELD(SERVICE, ray_service_spec, name), FIELD(SERVICE, ray_service_spec, host),
    FIELD(SERVICE, ray_service_spec, timeout_ns), FIELD(SERVICE, ray_service_spec, body_bytes_max),
    FIELD(SERVICE, ray_service_spec, port), FIELD(SERVICE, ray_service_spec, healthy),
    FIELD(SERVICE, ray_service_spec, mode),
    FIELD(ROUTE, ray_route_spec, name), FIELD(ROUTE, ray_route_spec, host),
    FIELD(ROUTE, ray_route_spec, pattern), FIELD(ROUTE, ray_route_spec, headers),
    FIELD(ROUTE, ray_route_spec, queries), FIELD(ROUTE, ray_route_spec, service),
    FIELD(ROUTE, ray_route_spec, priority), FIELD(ROUTE, ray_route_spec, methods),
    FIELD(ROUTE, ray_route_spec, weight), FIELD(ROUTE, ray_route_spec, limits),
    FIELD(ROUTE, ray_route_spec, dfa), FIELD(ROUTE, ray_route_spec, pattern_length),
    FIELD(ROUTE, ray_route_spec, host_length), FIELD(ROUTE, ray_route_spec, kind),
    FIELD(ROUTE, ray_route_spec, header_count), FIELD(ROUTE, ray_route_spec, query_count),
    FIELD(ROUTE, ray_route_spec, limit_count), FIELD(ROUTE, ray_route_spec, auth),
    FIELD(ROUTE, ray_route_spec, allow_escapes), FIELD(ROUTE, ray_route_spec, permission),
    FIELD(ROUTE, ray_route_spec, role),
    {RAY_SECTION_DFA, 0, "table"},
    FIELD(LIMIT, ray_limit_spec, name), FIELD(LIMIT, ray_limit_spec, user),
    FIELD(LIMIT, ray_limit_spec, rate_tokens), FIELD(LIMIT, ray_limit_spec, rate_period_ns),
    FIELD(LIMIT, ray_limit_spec, capacity), FIELD(LIMIT, ray_limit_spec, excess),
    FIELD(LIMIT, ray_limit_spec, max_delay_ns), FIELD(LIMIT, ray_limit_spec, anchor_ns),
    FIELD(LIMIT, ray_limit_spec, service), FIELD(LIMIT, ray_limit_spec, instead_of),
    FIELD(LIMIT, ray_limit_spec, reserve_ppm), FIELD(LIMIT, ray_limit_spec, scope),
    FIELD(LIMIT, ray_limit_spec, algorithm), FIELD(LIMIT, ray_limit_spec, mode),
    FIELD(LIMIT, ray_limit_spec, queue), FIELD(LIMIT, ray_limit_spec, exact),
    FIELD(LIMIT, ray_limit_spec, debt), FIELD(LIMIT, ray_limit_spec, deny_when_full),
    FIELD(LIMIT, ray_limit_spec, prefix_v4), FIELD(LIMIT, ray_limit_spec, prefix_v6),
    FIELD(LIMIT, ray_limit_spec, reserved),
    FIELD(LIMIT_RATE, ray_limit_rate_spec, rate_tokens),
    FIELD(LIMIT_RATE, ray_limit_rate_spec, rate_period_ns),
    FIELD(LIMIT_RATE, ray_limit_rate_spec, capacity), FIELD(LIMIT_RATE, ray_limit_rate_spec, limit),
    FIELD(LIMIT_RATE, ray_limit_rate_spec, plan),
    FIELD(QUOTA, ray_quota_spec, name), FIELD(QUOTA, ray_quota_spec, custom),
    FIELD(QUOTA, ray_quota_spec, limit_units), FIELD(QUOTA, ray_quota_spec, period_ns),
    FIELD(QUOTA, ray_quota_spec, anchor_ns), FIELD(QUOTA, ray_quota_spec, guard_requests_per_s),
    FIELD(QUOTA, ray_quota_spec, guard_errors_per_min),
    FIELD(QUOTA, ray_quota_spec, guard_latency_p99_ns),
    FIELD(QUOTA, ray_quota_spec, guard_bytes_per_s), FIELD(QUOTA, ray_quota_spec, tenant),
    FIELD(QUOTA, ray_quota_spec, plan), FIELD(QUOTA, ray_quota_spec, service),
    FIELD(QUOTA, ray_quota_spec, rollover_bp), FIELD(QUOTA, ray_quota_spec, anchor_day),
    FIELD(QUOTA, ray_quota_spec, utc_offset_minutes), FIELD(QUOTA, ray_quota_spec, type),
    FIELD(QUOTA, ray_quota_spec, reset), FIELD(QUOTA, ray_quota_spec, enforcement),
    FIELD(QUOTA, ray_quota_spec, mode), FIELD(QUOTA, ray_quota_spec, per_user),
    FIELD(QUOTA, ray_quota_spec, carry_overage), FIELD(QUOTA, ray_quota_spec, named),
    FIELD(QUOTA, ray_quota_spec, reserved),
    FIELD(QUOTA, ray_quota_spec, alert_percent), FIELD(QUOTA, ray_quota_spec, reserved_2),
    FIELD(QUEUE, ray_queue_spec, weight), FIELD(QUEUE, ray_queue_spec, critical_cap),
    FIELD(QUEUE, ray_queue_spec, servers), FIELD(QUEUE, ray_queue_spec, depth),
    FIELD(QUEUE, ray_queue_spec, flows), FIELD(QUEUE, ray_queue_spec, displace),
    FIELD(QUEUE, ray_queue_spec, earliest_deadline), FIELD(QUEUE, ray_queue_spec, flow_by),
    FIELD(QUEUE, ray_queue_spec, reserved),
    FIELD(SERVICE_QUEUE, ray_service_queue_spec, service),
    FIELD(SERVICE_QUEUE, ray_service_queue_spec, servers),
    FIELD(SERVICE_QUEUE, ray_service_queue_spec, depth),
    FIELD(SERVICE_QUEUE, ray_service_queue_spec, flows),
    FIELD(SLA, ray_sla_spec, p95_latency_ns), FIELD(SLA, ray_sla_spec, deadline_ns),
    FIELD(SLA, ray_sla_spec, service), FIELD(SLA, ray_sla_spec, error_rate_bp),
    FIELD(SLA, ray_sla_spec, priority), FIELD(SLA, ray_sla_spec, reserved),
    FIELD(POLICY_SET, ray_policy_set_spec, combine),
    FIELD(POLICY_SET, ray_policy_set_spec, default_of),
    FIELD(POLICY_SET, ray_policy_set_spec, reserved),
    FIELD(POLICY, ray_policy_spec, name), FIELD(POLICY, ray_policy_spec, priority),
    FIELD(POLICY, ray_policy_spec, limit), FIELD(POLICY, ray_policy_spec, quota),
    FIELD(POLICY, ray_policy_spec, quota_weight), FIELD(POLICY, ray_policy_spec, term_count),
    FIELD(POLICY, ray_policy_spec, header_count), FIELD(POLICY, ray_policy_spec, http_status),
    FIELD(POLICY, ray_policy_spec, type), FIELD(POLICY, ray_policy_spec, action),
    FIELD(POLICY, ray_policy_spec, mode), FIELD(POLICY, ray_policy_spec, enabled),
    FIELD(POLICY, ray_policy_spec, set_class), FIELD(POLICY, ray_policy_spec, alert),
    FIELD(POLICY, ray_policy_spec, audit), FIELD(POLICY, ray_policy_spec, reserved),
    FIELD(POLICY_TERM, ray_policy_term, address), FIELD(POLICY_TERM, ray_policy_term, value),
    FIELD(POLICY_TERM, ray_policy_term, until),
    FIELD(POLICY_TERM, ray_policy_term, utc_offset_minutes),
    FIELD(POLICY_TERM, ray_policy_term, field), FIELD(POLICY_TERM, ray_policy_term, negated),
    FIELD(POLICY_TERM, ray_policy_term, reserved),
    FIELD(POLICY_HEADER, ray_policy_header_spec, name),
    FIELD(POLICY_HEADER, ray_policy_header_spec, value),
    FIELD(POLICY_HEADER, ray_policy_header_spec, name_length),
    FIELD(POLICY_HEADER, ray_policy_header_spec, value_length),
    FIELD(POLICY_HEADER, ray_policy_header_spec, how),
    FIELD(POLICY_HEADER, ray_policy_header_spec, reserved),
    FIELD(BILLING, ray_billing_spec, currency), FIELD(BILLING, ray_billing_spec, grace_ns),
    FIELD(BILLING, ray_billing_spec, anchor_ns), FIELD(BILLING, ray_billing_spec, anchor_day),
    FIELD(BILLING, ray_billing_spec, utc_offset_minutes), FIELD(BILLING, ray_billing_spec, every),
    FIELD(BILLING, ray_billing_spec, digits), FIELD(BILLING, ray_billing_spec, reserved),
    FIELD(COST, ray_cost_spec, price_pico), FIELD(COST, ray_cost_spec, service),
    FIELD(COST, ray_cost_spec, measured),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, from),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, to),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, book),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, by_bp),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, plan),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, utc_offset_minutes),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, priority),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, range_count),
    FIELD(COST_MULTIPLIER, ray_cost_multiplier_spec, reserved),
    FIELD(COST_TIER, ray_cost_tier_spec, above_units),
    FIELD(COST_TIER, ray_cost_tier_spec, price_pico), FIELD(COST_TIER, ray_cost_tier_spec, book),
    FIELD(COST_TIER, ray_cost_tier_spec, metric),
    FIELD(COST_ALERT, ray_cost_alert_spec, name),
    FIELD(COST_ALERT, ray_cost_alert_spec, threshold_nano),
    FIELD(COST_ALERT, ray_cost_alert_spec, of_nano), FIELD(COST_ALERT, ray_cost_alert_spec, ppm),
    FIELD(COST_ALERT, ray_cost_alert_spec, tenant),
    FIELD(COST_ALERT, ray_cost_alert_spec, service),
    FIELD(COST_ALERT, ray_cost_alert_spec, reserved),
    FIELD(ALERT, ray_alert_spec, name), FIELD(ALERT, ray_alert_spec, above),
    FIELD(ALERT, ray_alert_spec, clear_below), FIELD(ALERT, ray_alert_spec, for_ns),
    FIELD(ALERT, ray_alert_spec, window_ns), FIELD(ALERT, ray_alert_spec, service),
    FIELD(ALERT, ray_alert_spec, tenant), FIELD(ALERT, ray_alert_spec, metric),
    FIELD(ALERT, ray_alert_spec, reserved),
    FIELD(POOL, ray_pool_spec, name),
    FIELD(POOL, ray_pool_spec, key_name),
    FIELD(POOL, ray_pool_spec, health_every_ns),
    FIELD(POOL, ray_pool_spec, health_timeout_ns),
    FIELD(POOL, ray_pool_spec, eject_ns),
    FIELD(POOL, ray_pool_spec, slow_start_ns),
    FIELD(POOL, ray_pool_spec, idle_ttl_ns),
    FIELD(POOL, ray_pool_spec, rise),
    FIELD(POOL, ray_pool_spec, fall),
    FIELD(POOL, ray_pool_spec, eject_after),
    FIELD(POOL, ray_pool_spec, eject_percent),
    FIELD(POOL, ray_pool_spec, panic_percent),
    FIELD(POOL, ray_pool_spec, connections_max),
    FIELD(POOL, ray_pool_spec, idle_max),
    FIELD(POOL, ray_pool_spec, load_percent),
    FIELD(POOL, ray_pool_spec, slow_start_percent),
    FIELD(POOL, ray_pool_spec, strategy),
    FIELD(POOL, ray_pool_spec, sticky),
    FIELD(POOL, ray_pool_spec, panic_fails),
    FIELD(POOL, ray_pool_spec, discovered),
    FIELD(INSTANCE, ray_instance_spec, at),
    FIELD(INSTANCE, ray_instance_spec, pool),
    FIELD(INSTANCE, ray_instance_spec, weight),
    FIELD(SERVICE_POOL, ray_service_pool_spec, service),
    FIELD(SERVICE_POOL, ray_service_pool_spec, pool),
    FIELD(GUARD, ray_guard_spec, timeout_ns),
    FIELD(GUARD, ray_guard_spec, service),
    FIELD(GUARD, ray_guard_spec, parts),
    FIELD(GUARD, ray_guard_spec, mode),
    FIELD(GUARD, ray_guard_spec, reserved),
    FIELD(GUARD, ray_guard_spec, breaker.open_ns),
    FIELD(GUARD, ray_guard_spec, breaker.open_max_ns),
    FIELD(GUARD, ray_guard_spec, breaker.window_ns),
    FIELD(GUARD, ray_guard_spec, breaker.failures),
    FIELD(GUARD, ray_guard_spec, breaker.rate_ppm),
    FIELD(GUARD, ray_guard_spec, breaker.volume),
    FIELD(GUARD, ray_guard_spec, breaker.successes),
    FIELD(GUARD, ray_guard_spec, breaker.probes),
    FIELD(GUARD, ray_guard_spec, breaker.jitter_ppm),
    FIELD(GUARD, ray_guard_spec, breaker.counts),
    FIELD(GUARD, ray_guard_spec, breaker.fixed_window),
    FIELD(GUARD, ray_guard_spec, breaker.reserved),
    FIELD(GUARD, ray_guard_spec, bulkhead.max_wait_ns),
    FIELD(GUARD, ray_guard_spec, bulkhead.concurrent),
    FIELD(GUARD, ray_guard_spec, bulkhead.waiting),
    FIELD(GUARD, ray_guard_spec, retry.base_ns),
    FIELD(GUARD, ray_guard_spec, retry.max_ns),
    FIELD(GUARD, ray_guard_spec, retry.ttl_ns),
    FIELD(GUARD, ray_guard_spec, retry.on),
    FIELD(GUARD, ray_guard_spec, retry.attempts),
    FIELD(GUARD, ray_guard_spec, retry.methods),
    FIELD(GUARD, ray_guard_spec, retry.deposit),
    FIELD(GUARD, ray_guard_spec, retry.cost),
    FIELD(GUARD, ray_guard_spec, retry.reserve),
    FIELD(GUARD, ray_guard_spec, retry.capacity),
    FIELD(GUARD, ray_guard_spec, retry.refund),
    FIELD(GUARD, ray_guard_spec, retry.jitter),
    FIELD(GUARD, ray_guard_spec, retry.budget),
    FIELD(GUARD, ray_guard_spec, retry.reserved),
    FIELD(SCHEMA, ray_schema_spec, name), FIELD(SCHEMA, ray_schema_spec, first_node),
    FIELD(SCHEMA, ray_schema_spec, first_property), FIELD(SCHEMA, ray_schema_spec, first_value),
    FIELD(SCHEMA, ray_schema_spec, text_at), FIELD(SCHEMA, ray_schema_spec, name_at),
    {RAY_SECTION_SCHEMA_NODE, 0, "node"},
    {RAY_SECTION_SCHEMA_PROPERTY, 0, "property"},
    {RAY_SECTION_SCHEMA_VALUE, 0, "value"},
    {RAY_SECTION_SCHEMA_TEXT, 0, "text"},
    FIELD(TRANSFORM, ray_transform_spec, name), FIELD(TRANSFORM, ray_transform_spec, cache_ttl_ns),
    {RAY_SECTION_TRANSFORM, offsetof(ray_transform_spec, side), "request"},
    {RAY_SECTION_TRANSFORM, offsetof(ray_transform_spec, side) + sizeof(ray_transform_side),
     "response"},
    FIELD(HEADER_EDIT, ray_header_edit_spec, name),
    FIELD(HEADER_EDIT, ray_header_edit_spec, value),
    FIELD(HEADER_EDIT, ray_header_edit_spec, transform),
    FIELD(HEADER_EDIT, ray_header_edit_spec, value_length),
    FIELD(HEADER_EDIT, ray_header_edit_spec, side), FIELD(HEADER_EDIT, ray_header_edit_spec, how),
    FIELD(HEADER_EDIT, ray_header_edit_spec, reserved),
    FIELD(ROUTE_TRANSFORM, ray_route_transform_spec, route),
    FIELD(ROUTE_TRANSFORM, ray_route_transform_spec, transform),
    FIELD(AUTH, ray_auth_spec, lockout_ns),
    FIELD(AUTH, ray_auth_spec, lifetime_ns),
    FIELD(AUTH, ray_auth_spec, family_ns),
    FIELD(AUTH, ray_auth_spec, introspect_ttl_ns),
    FIELD(AUTH, ray_auth_spec, inactive_ttl_ns),
    FIELD(AUTH, ray_auth_spec, failures),
    FIELD(AUTH, ray_auth_spec, key_failures),
    FIELD(AUTH, ray_auth_spec, introspects),
    FIELD(AUTH, ray_auth_spec, trusts_names),
    FIELD(AUTH, ray_auth_spec, reserved),
    FIELD(AUTH, ray_auth_spec, header),
    FIELD(ROLE, ray_role_spec, service),
    FIELD(ROLE, ray_role_spec, role),
    FIELD(ROLE, ray_role_spec, permissions),
    FIELD(ROLE, ray_role_spec, reserved),
    FIELD(CREDENTIAL, ray_credential_spec, name),
    FIELD(CREDENTIAL, ray_credential_spec, user),
    FIELD(CREDENTIAL, ray_credential_spec, digest),
    FIELD(CREDENTIAL, ray_credential_spec, expires_ns),
    FIELD(CREDENTIAL, ray_credential_spec, tenant),
    FIELD(CREDENTIAL, ray_credential_spec, service),
    FIELD(CREDENTIAL, ray_credential_spec, scheme),
    FIELD(CREDENTIAL, ray_credential_spec, role),
    FIELD(CREDENTIAL, ray_credential_spec, permissions),
    FIELD(CREDENTIAL, ray_credential_spec, disabled),
    FIELD(CREDENTIAL, ray_credential_spec, reserved),
    FIELD(JWT, ray_jwt_spec, name),
    FIELD(JWT, ray_jwt_spec, issuer),
    FIELD(JWT, ray_jwt_spec, audience),
    FIELD(JWT, ray_jwt_spec, claim_user),
    FIELD(JWT, ray_jwt_spec, claim_tenant),
    FIELD(JWT, ray_jwt_spec, claim_role),
    FIELD(JWT, ray_jwt_spec, leeway_ns),
    FIELD(JWT, ray_jwt_spec, lifetime_max_ns),
    FIELD(JWT, ray_jwt_spec, tenant),
    FIELD(JWT, ray_jwt_spec, issuer_length),
    FIELD(JWT, ray_jwt_spec, audience_length),
    FIELD(JWT, ray_jwt_spec, role),
    FIELD(JWT, ray_jwt_spec, signs),
    FIELD(JWT, ray_jwt_spec, reserved),
    FIELD(JWT_KEY, ray_jwt_key_spec, kid),
    FIELD(JWT_KEY, ray_jwt_key_spec, not_before_ns),
    FIELD(JWT_KEY, ray_jwt_key_spec, not_after_ns),
    FIELD(JWT_KEY, ray_jwt_key_spec, jwt),
    FIELD(JWT_KEY, ray_jwt_key_spec, kid_length),
    FIELD(JWT_KEY, ray_jwt_key_spec, alg),
    FIELD(JWT_KEY, ray_jwt_key_spec, private_known),
    FIELD(JWT_KEY, ray_jwt_key_spec, reserved),
    {RAY_SECTION_SECRETS, 0, "key"},
};

static const char *field_of(uint32_t section, uint32_t offset)
{
    const char *word = "";
    for (uint32_t i = 0; i < sizeof field_words / sizeof field_words[0]; i++)
        if (field_words[i].section == section && field_words[i].offset <= offset)
            word = field_words[i].word;
    return word;
}

static const char *plainly(ray_status status)
{
    switch ((enum ray_status_code)status) {
    case RAY_OK: return "accepted";
    case RAY_E_ARGUMENT: return "a value no rule allows";
    case RAY_E_UNKNOWN: return "names a row that is not there";
    case RAY_E_FULL: return "more than this profile has room for";
    case RAY_E_EXISTS: return "stands there twice";
    case RAY_E_RANGE: return "out of range";
    case RAY_E_RATE: return "a rate that cannot be held exactly";
    case RAY_E_TRUNCATED: return "the bytes end before they should";
    case RAY_E_CHECKSUM: return "the bytes were changed on the way";
    case RAY_E_VERSION: return "made for another version";
    case RAY_E_SYNTAX: return "not as a configuration is laid out";
    case RAY_E_STALE:
    case RAY_E_USED:
    case RAY_E_STATE:
    case RAY_E_BUSY:
    case RAY_E_UNBUILT: break;
    }
    return "refused";
}

static const char *header_word(const ray_config_report *report)
{
    static const char *const words[6] = {"magic",    "version",       "length",
                                         "checksum", "section count", "reserved"};
    if (report->status == RAY_E_ARGUMENT && report->field == 0)
        return "address (not a multiple of 8)";
    return report->field < sizeof(ray_config_header) ? words[report->field / 4] : "section table";
}

void ray_config_reason_text(const ray_config_report *report, ray_text *out)
{
    if (report->status != RAY_OK) {
        ray_text_put(out, ray_config_section_word(report->section));
        if (report->section == 0) {
            ray_text_put(out, ", ");
            ray_text_put(out, header_word(report));
        } else {
            ray_text_put(out, ", row ");
            ray_text_u64(out, report->row);
            ray_text_put(out, ", ");
            ray_text_put(out, field_of(report->section, report->field));
        }
        ray_text_put(out, ": ");
    }
    ray_text_put(out, plainly(report->status));
}
