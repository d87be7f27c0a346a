# SPDX-License-Identifier: MIT
"""The capacities of ray/limits.h that the compiler needs; a test compares every number with the
headers.

They are written here a second time because an image is built before there is a compiled extension
to ask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Capacities:
    """One profile's sizes; the field names are those of ray/limits.h in lower case."""

    name: str
    service_max: int = 256
    route_max: int = 512
    route_pattern_bytes: int = 256
    route_header_max: int = 4
    route_query_max: int = 4
    route_limit_max: int = 4
    match_value_bytes: int = 80
    host_bytes: int = 80
    dfa_max: int = 64
    dfa_pool_bytes: int = 1_048_576
    dfa_table_bytes: int = 65_536
    body_bytes_max: int = 8_192
    trust_max: int = 32
    tenant_max: int = 256
    plan_max: int = 16
    limit_service_max: int = 256
    limit_user_max: int = 512
    limit_ip_max: int = 64
    limit_named_max: int = 128
    limit_max: int = 960
    limit_rate_max: int = 1_024
    limit_exact_max: int = 32_768
    limit_exact_each: int = 64
    request_limit_max: int = 8
    capture_max: int = 8
    quota_allocation_max: int = 256
    quota_alert_each: int = 4
    request_quota_max: int = 6
    policy_max: int = 128
    policy_term_max: int = 1_024
    policy_header_max: int = 128
    policy_limit_max: int = 4
    policy_quota_max: int = 2
    queue_flow_max: int = 8
    pool_max: int = 128
    instance_max: int = 256
    lease_max: int = 4_096
    idle_max: int = 1_024
    maglev_max: int = 4
    ring_max: int = 16_384
    bulkhead_max: int = 128
    alert_rule_max: int = 128
    cost_multiplier_max: int = 256
    cost_tier_max: int = 256
    cost_alert_max: int = 256
    cost_cell_max: int = 512
    transform_max: int = 256
    schema_max: int = 128
    schema_node_max: int = 1_024
    schema_property_max: int = 1_024
    schema_value_max: int = 512
    schema_text_bytes: int = 32_768
    header_edit_max: int = 512
    credential_max: int = 512
    jwt_max: int = 8
    jwt_key_max: int = 32


SEED = Capacities("seed")
EDGE = replace(
    SEED,
    name="edge",
    tenant_max=4_096,
    plan_max=64,
    limit_rate_max=4_096,
    limit_exact_max=524_288,
    lease_max=32_768,
    quota_allocation_max=4_096,
    alert_rule_max=512,
    cost_multiplier_max=1_024,
    cost_tier_max=1_024,
    cost_alert_max=1_024,
    cost_cell_max=8_192,
)
TINY = replace(
    SEED,
    name="tiny",
    service_max=4,
    route_max=8,
    dfa_max=2,
    dfa_pool_bytes=4_096,
    dfa_table_bytes=2_048,
    trust_max=4,
    tenant_max=4,
    plan_max=2,
    limit_service_max=4,
    limit_user_max=4,
    limit_ip_max=2,
    limit_named_max=2,
    limit_max=12,
    limit_rate_max=8,
    limit_exact_max=128,
    quota_allocation_max=4,
    policy_max=8,
    policy_term_max=16,
    policy_header_max=4,
    queue_flow_max=2,
    pool_max=4,
    instance_max=8,
    lease_max=8,
    idle_max=4,
    maglev_max=1,
    ring_max=256,
    bulkhead_max=2,
    alert_rule_max=2,
    cost_multiplier_max=3,
    cost_tier_max=4,
    cost_alert_max=2,
    cost_cell_max=8,
    transform_max=4,
    schema_max=4,
    schema_node_max=12,
    schema_property_max=12,
    schema_value_max=4,
    schema_text_bytes=256,
    header_edit_max=6,
    credential_max=4,
    jwt_max=2,
    jwt_key_max=4,
)
PROFILES = {"seed": SEED, "edge": EDGE, "tiny": TINY}
NAME_BYTES = 48
POLICY_VALUE_BYTES = 128
