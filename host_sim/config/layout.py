# SPDX-License-Identifier: MIT
"""The blob's bytes, declared with construct; tests compare every size and offset with the C
structs.

Little-endian, no implicit padding: what C calls `reserved` is written out here too. See
ray/config.h for the frame.
"""

from __future__ import annotations

from construct import (
    Array,
    Bytes,
    Const,
    GreedyBytes,
    Int8ul,
    Int16ul,
    Int32sl,
    Int32ul,
    Int64sl,
    Int64ul,
    Padded,
    PaddedString,
    Padding,
    Struct,
)

from host_sim.config.capacities import NAME_BYTES, POLICY_VALUE_BYTES, SEED
from host_sim.config.layout_upstream import (
    Breaker,
    Bulkhead,
    Guard,
    Instance,
    Name,
    OutcomeSet,
    Pool,
    Retry,
    ServicePool,
)

NONE = 0xFFFF_FFFF
MAGIC = 0x4759_4152
VERSION = 1
BYTES_MAX = 4_194_304
SETTINGS, PLAN, TENANT, TRUST = 1, 2, 3, 4
SERVICE, ROUTE, DFA = 10, 11, 12
LIMIT, LIMIT_RATE = 20, 21
QUOTA = 30
POLICY_SET, POLICY, POLICY_TERM, POLICY_HEADER = 50, 51, 52, 53
QUEUE, SERVICE_QUEUE, SLA = 40, 41, 42
ALERT, GUARD = 70, 110
ALERT = 70
SCHEMA, SCHEMA_NODE, TRANSFORM, HEADER_EDIT, ROUTE_TRANSFORM = 90, 91, 92, 93, 94
SCHEMA_PROPERTY, SCHEMA_VALUE, SCHEMA_TEXT = 95, 96, 97
POOL, INSTANCE, SERVICE_POOL = 100, 101, 102
BILLING, COST, COST_MULTIPLIER, COST_TIER, COST_ALERT = 60, 61, 62, 63, 64
AUTH, ROLE, CREDENTIAL, JWT, JWT_KEY = 80, 81, 82, 83, 84
SECRETS = 0xFFFF

Header = Struct(
    "magic" / Const(MAGIC, Int32ul),
    "version" / Const(VERSION, Int32ul),
    "length" / Int32ul,
    "checksum" / Int32ul,
    "section_count" / Int32ul,
    "reserved" / Padding(4),
)

Section = Struct("kind" / Int32ul, "row_bytes" / Int32ul, "row_count" / Int32ul, "offset" / Int32ul)

Settings = Struct(
    "max_step_ns" / Int64ul,
    "utc_offset_minutes" / Int32sl,
    "default_class" / Int32ul,
    "no_route_status" / Int16ul,
    "mode" / Int8ul,
    "no_limit_deny" / Int8ul,
    "client_ip" / Int8ul,
    "ratelimit_headers" / Int8ul,
    "problem_json" / Int8ul,
    "reserved" / Padding(1),
    "request_id" / Name,
)

Plan = Struct("name" / Name)
Tenant = Struct("name" / Name, "plan" / Int32ul, "reserved" / Padding(4))
Network = Struct("address" / Bytes(16), "prefix" / Int32ul, "reserved" / Padding(4))

Service = Struct(
    "name" / Name,
    "host" / PaddedString(SEED.host_bytes, "ascii"),
    "timeout_ns" / Int64ul,
    "body_bytes_max" / Int32ul,
    "port" / Int16ul,
    "healthy" / Int8ul,
    "mode" / Int8ul,
)

Match = Struct(
    "name" / PaddedString(NAME_BYTES, "ascii"),
    "value" / PaddedString(SEED.match_value_bytes, "ascii"),
    "name_length" / Int8ul,
    "value_length" / Int8ul,
    "how" / Int8ul,
    "reserved" / Padding(5),
)

Route = Struct(
    "name" / Name,
    "host" / PaddedString(SEED.host_bytes, "ascii"),
    "pattern" / PaddedString(SEED.route_pattern_bytes, "ascii"),
    "headers" / Array(SEED.route_header_max, Match),
    "queries" / Array(SEED.route_query_max, Match),
    "service" / Int32ul,
    "priority" / Int32sl,
    "methods" / Int32ul,
    "weight" / Int32ul,
    "limits" / Array(SEED.route_limit_max, Int32ul),
    "dfa" / Int32ul,
    "pattern_length" / Int16ul,
    "host_length" / Int16ul,
    "kind" / Int8ul,
    "header_count" / Int8ul,
    "query_count" / Int8ul,
    "limit_count" / Int8ul,
    "auth" / Int8ul,
    "allow_escapes" / Int8ul,
    "permission" / Int8ul,
    "role" / Int8ul,
)

Limit = Struct(
    "name" / Name,
    "user" / Name,
    "rate_tokens" / Int64ul,
    "rate_period_ns" / Int64ul,
    "capacity" / Int64ul,
    "excess" / Int64ul,
    "max_delay_ns" / Int64ul,
    "anchor_ns" / Int64sl,
    "service" / Int32ul,
    "instead_of" / Int32ul,
    "reserve_ppm" / Array(5, Int32ul),
    "scope" / Int8ul,
    "algorithm" / Int8ul,
    "mode" / Int8ul,
    "queue" / Int8ul,
    "exact" / Int8ul,
    "debt" / Int8ul,
    "deny_when_full" / Int8ul,
    "prefix_v4" / Int8ul,
    "prefix_v6" / Int8ul,
    "reserved" / Padding(3),
)

LimitRate = Struct(
    "rate_tokens" / Int64ul,
    "rate_period_ns" / Int64ul,
    "capacity" / Int64ul,
    "limit" / Int32ul,
    "plan" / Int32ul,
)

Quota = Struct(
    "name" / Name,
    "custom" / Name,
    "limit_units" / Int64ul,
    "period_ns" / Int64ul,
    "anchor_ns" / Int64sl,
    "guard_requests_per_s" / Int64ul,
    "guard_bytes_per_s" / Int64ul,
    "guard_errors_per_min" / Int64ul,
    "guard_latency_p99_ns" / Int64ul,
    "tenant" / Int32ul,
    "plan" / Int32ul,
    "service" / Int32ul,
    "rollover_bp" / Int32ul,
    "anchor_day" / Int32ul,
    "utc_offset_minutes" / Int32sl,
    "type" / Int8ul,
    "reset" / Int8ul,
    "enforcement" / Int8ul,
    "mode" / Int8ul,
    "per_user" / Int8ul,
    "carry_overage" / Int8ul,
    "named" / Int8ul,
    "reserved" / Padding(1),
    "alert_percent" / Array(SEED.quota_alert_each, Int8ul),
    "reserved_2" / Padding(4),
)

PolicySet = Struct("combine" / Int8ul, "default_of" / Array(5, Int8ul), "reserved" / Padding(2))

Policy = Struct(
    "name" / Name,
    "priority" / Int32ul,
    "limit" / Int32ul,
    "quota" / Int32ul,
    "quota_weight" / Int32ul,
    "term_count" / Int16ul,
    "header_count" / Int16ul,
    "http_status" / Int16ul,
    "type" / Int8ul,
    "action" / Int8ul,
    "mode" / Int8ul,
    "enabled" / Int8ul,
    "set_class" / Int8ul,
    "alert" / Int8ul,
    "audit" / Int8ul,
    "reserved" / Padding(3),
)

PolicyTerm = Struct(
    "address" / Bytes(16),
    "value" / Int32ul,
    "until" / Int32ul,
    "utc_offset_minutes" / Int32sl,
    "field" / Int8ul,
    "negated" / Int8ul,
    "reserved" / Padding(2),
)

PolicyHeader = Struct(
    "name" / Name,
    "value" / PaddedString(POLICY_VALUE_BYTES, "ascii"),
    "name_length" / Int8ul,
    "value_length" / Int8ul,
    "how" / Int8ul,
    "reserved" / Padding(5),
)

Queue = Struct(
    "weight" / Array(5, Int32ul),
    "critical_cap" / Int32ul,
    "servers" / Int32ul,
    "depth" / Int32ul,
    "flows" / Int32ul,
    "displace" / Int8ul,
    "earliest_deadline" / Int8ul,
    "flow_by" / Int8ul,
    "reserved" / Padding(1),
)

ServiceQueue = Struct(
    "service" / Int32ul, "servers" / Int32ul, "depth" / Int32ul, "flows" / Int32ul
)

Sla = Struct(
    "p95_latency_ns" / Int64ul,
    "deadline_ns" / Int64ul,
    "service" / Int32ul,
    "error_rate_bp" / Int32ul,
    "priority" / Int32ul,
    "reserved" / Padding(4),
)

Alert = Struct(
    "name" / Name,
    "above" / Int64ul,
    "clear_below" / Int64ul,
    "for_ns" / Int64ul,
    "window_ns" / Int64ul,
    "service" / Int32ul,
    "tenant" / Int32ul,
    "metric" / Int8ul,
    "reserved" / Padding(7),
)

Billing = Struct(
    "currency" / Name,
    "grace_ns" / Int64ul,
    "anchor_ns" / Int64sl,
    "anchor_day" / Int32ul,
    "utc_offset_minutes" / Int32sl,
    "every" / Int8ul,
    "digits" / Int8ul,
    "reserved" / Padding(6),
)

Cost = Struct("price_pico" / Array(5, Int64sl), "service" / Int32ul, "measured" / Int32ul)

WEEK_RANGES = 14
CostMultiplier = Struct(
    "from" / Array(WEEK_RANGES, Int16ul),
    "to" / Array(WEEK_RANGES, Int16ul),
    "book" / Int32ul,
    "by_bp" / Int32ul,
    "plan" / Int32ul,
    "utc_offset_minutes" / Int32sl,
    "priority" / Int8ul,
    "range_count" / Int8ul,
    "reserved" / Padding(6),
)

CostTier = Struct(
    "above_units" / Int64ul, "price_pico" / Int64sl, "book" / Int32ul, "metric" / Int32ul
)

CostAlert = Struct(
    "name" / Name,
    "threshold_nano" / Int64sl,
    "of_nano" / Int64sl,
    "ppm" / Int32ul,
    "tenant" / Int32ul,
    "service" / Int32ul,
    "reserved" / Padding(4),
)

Schema = Struct(
    "name" / Name,
    "first_node" / Int32ul,
    "node_count" / Int32ul,
    "first_property" / Int32ul,
    "property_count" / Int32ul,
    "first_value" / Int32ul,
    "value_count" / Int32ul,
    "text_at" / Int32ul,
    "text_length" / Int32ul,
    "name_at" / Int32ul,
    "name_length" / Int32ul,
)

Decimal = Struct("mantissa" / Int64ul, "exponent" / Int32sl, "negative" / Int32ul)

SchemaNode = Struct(
    "minimum" / Decimal,
    "maximum" / Decimal,
    "above" / Decimal,
    "below" / Decimal,
    "types" / Int32ul,
    "wire" / Int32ul,
    "bounds" / Int32ul,
    "min_length" / Int32ul,
    "max_length" / Int32ul,
    "min_items" / Int32ul,
    "max_items" / Int32ul,
    "min_properties" / Int32ul,
    "max_properties" / Int32ul,
    "first_property" / Int32ul,
    "property_count" / Int32ul,
    "additional" / Int32ul,
    "items" / Int32ul,
    "first_value" / Int32ul,
    "value_count" / Int32ul,
    "reserved" / Padding(4),
)

SchemaProperty = Struct(
    "name_at" / Int32ul,
    "name_length" / Int32ul,
    "node" / Int32ul,
    "number" / Int32ul,
    "flags" / Int32ul,
    "reserved" / Padding(4),
)

SchemaValue = Struct(
    "decimal" / Decimal,
    "type" / Int32ul,
    "text_at" / Int32ul,
    "text_length" / Int32ul,
    "reserved" / Padding(4),
)

TransformSide = Struct(
    "schema" / Int32ul, "from" / Int8ul, "to" / Int8ul, "unknown" / Int8ul, "flags" / Int8ul
)
Transform = Struct("name" / Name, "cache_ttl_ns" / Int64ul, "side" / Array(2, TransformSide))

EDIT_VALUE_BYTES = 80
HeaderEdit = Struct(
    "name" / Name,
    "value" / PaddedString(EDIT_VALUE_BYTES, "ascii"),
    "transform" / Int32ul,
    "value_length" / Int8ul,
    "side" / Int8ul,
    "how" / Int8ul,
    "reserved" / Padding(1),
)

RouteTransform = Struct("route" / Int32ul, "transform" / Int32ul)
Auth = Struct(
    "lockout_ns" / Int64ul,
    "lifetime_ns" / Int64ul,
    "family_ns" / Int64ul,
    "introspect_ttl_ns" / Int64ul,
    "inactive_ttl_ns" / Int64ul,
    "failures" / Int32ul,
    "key_failures" / Int32ul,
    "introspects" / Int8ul,
    "trusts_names" / Int8ul,
    "reserved" / Padding(6),
    "header" / Name,
)

Role = Struct(
    "service" / Int32ul, "role" / Int8ul, "permissions" / Int8ul, "reserved" / Padding(2)
)

Credential = Struct(
    "name" / Name,
    "user" / Name,
    "digest" / Array(2, Bytes(32)),
    "expires_ns" / Int64sl,
    "tenant" / Int32ul,
    "service" / Int32ul,
    "scheme" / Int8ul,
    "role" / Int8ul,
    "permissions" / Int8ul,
    "disabled" / Int8ul,
    "reserved" / Padding(4),
)

Jwt = Struct(
    "name" / Name,
    "issuer" / Padded(128, GreedyBytes),
    "audience" / Padded(128, GreedyBytes),
    "claim_user" / Name,
    "claim_tenant" / Name,
    "claim_role" / Name,
    "leeway_ns" / Int64ul,
    "lifetime_max_ns" / Int64ul,
    "tenant" / Int32ul,
    "issuer_length" / Int16ul,
    "audience_length" / Int16ul,
    "role" / Int8ul,
    "signs" / Int8ul,
    "reserved" / Padding(6),
)

JwtKey = Struct(
    "kid" / Padded(64, GreedyBytes),
    "not_before_ns" / Int64sl,
    "not_after_ns" / Int64sl,
    "jwt" / Int32ul,
    "kid_length" / Int8ul,
    "alg" / Int8ul,
    "private_known" / Int8ul,
    "reserved" / Padding(1),
)

Secret = Struct("length" / Array(8, Int16ul), "at" / Bytes(2056))

# Which struct of ray/*.h each layout must equal.
STRUCTS = {
    "ray_config_header": Header,
    "ray_config_section": Section,
    "ray_settings_spec": Settings,
    "ray_name": Plan,
    "ray_tenant_spec": Tenant,
    "ray_network": Network,
    "ray_service_spec": Service,
    "ray_match_spec": Match,
    "ray_route_spec": Route,
    "ray_limit_spec": Limit,
    "ray_limit_rate_spec": LimitRate,
    "ray_quota_spec": Quota,
    "ray_policy_set_spec": PolicySet,
    "ray_policy_spec": Policy,
    "ray_policy_term": PolicyTerm,
    "ray_policy_header_spec": PolicyHeader,
    "ray_queue_spec": Queue,
    "ray_service_queue_spec": ServiceQueue,
    "ray_sla_spec": Sla,
    "ray_pool_spec": Pool,
    "ray_instance_spec": Instance,
    "ray_service_pool_spec": ServicePool,
    "ray_outcome_set": OutcomeSet,
    "ray_breaker_spec": Breaker,
    "ray_bulkhead_spec": Bulkhead,
    "ray_retry_spec": Retry,
    "ray_guard_spec": Guard,
    "ray_alert_spec": Alert,
    "ray_billing_spec": Billing,
    "ray_cost_spec": Cost,
    "ray_cost_multiplier_spec": CostMultiplier,
    "ray_cost_tier_spec": CostTier,
    "ray_cost_alert_spec": CostAlert,
    "ray_schema_spec": Schema,
    "ray_format_decimal": Decimal,
    "ray_format_node": SchemaNode,
    "ray_format_property": SchemaProperty,
    "ray_format_value": SchemaValue,
    "ray_transform_side": TransformSide,
    "ray_transform_spec": Transform,
    "ray_header_edit_spec": HeaderEdit,
    "ray_route_transform_spec": RouteTransform,
    "ray_auth_spec": Auth,
    "ray_role_spec": Role,
    "ray_credential_spec": Credential,
    "ray_jwt_spec": Jwt,
    "ray_jwt_key_spec": JwtKey,
    "ray_secret_spec": Secret,
}
ROWS = {
    SETTINGS: Settings,
    PLAN: Plan,
    TENANT: Tenant,
    TRUST: Network,
    SERVICE: Service,
    ROUTE: Route,
    LIMIT: Limit,
    LIMIT_RATE: LimitRate,
    QUOTA: Quota,
    POLICY_SET: PolicySet,
    POLICY: Policy,
    POLICY_TERM: PolicyTerm,
    POLICY_HEADER: PolicyHeader,
    QUEUE: Queue,
    SERVICE_QUEUE: ServiceQueue,
    SLA: Sla,
    ALERT: Alert,
    POOL: Pool,
    INSTANCE: Instance,
    SERVICE_POOL: ServicePool,
    GUARD: Guard,
    BILLING: Billing,
    COST: Cost,
    COST_MULTIPLIER: CostMultiplier,
    COST_TIER: CostTier,
    COST_ALERT: CostAlert,
    SCHEMA: Schema,
    SCHEMA_NODE: SchemaNode,
    SCHEMA_PROPERTY: SchemaProperty,
    SCHEMA_VALUE: SchemaValue,
    TRANSFORM: Transform,
    HEADER_EDIT: HeaderEdit,
    ROUTE_TRANSFORM: RouteTransform,
    AUTH: Auth,
    ROLE: Role,
    CREDENTIAL: Credential,
    JWT: Jwt,
    JWT_KEY: JwtKey,
}
BYTE_SECTIONS = {DFA, SCHEMA_TEXT, SECRETS}
