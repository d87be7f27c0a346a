# SPDX-License-Identifier: MIT
"""JSON Schema and reference of the file, made from the models: what is checked is what is written
down."""

from __future__ import annotations

import json
from typing import Any

from host_sim.config import units
from host_sim.config.capacities import EDGE, SEED, TINY
from host_sim.config.diagnostics import CODES, NOTES
from host_sim.config.model import File

HEADINGS = {
    "Defaults": "[defaults]",
    "Trust": "[trust]",
    "Headers": "[headers]",
    "Service": "[service.NAME]",
    "Route": "[[route]]",
    "RoutePath": "path = { ... }",
    "Match": "A compared value: { ... }",
    "Tenant": "[tenant.NAME]",
    "IdentityRule": "[[identity]]",
    "IdentityWhen": "when = { ... }",
    "UserFrom": "user = { ... }",
    "Limit": "[[limit]]",
    "PlanRate": "plan.NAME = { ... }",
    "Reserve": "reserve = { ... }",
    "Prefix": "prefix = { ... }",
    "Quota": "[[quota]]",
    "Policies": "[policies]",
    "PolicyDefaults": "default = { ... }",
    "Policy": "[[policy]]",
    "PolicyWhen": "when = { ... }",
    "Guards": "guards = { ... }",
    "Queue": "[queue]",
    "Weights": "weights = { ... }",
    "QueueService": "[queue.service.NAME]",
    "Sla": "[sla.NAME]",
    "Pool": "[pool.NAME]",
    "Sticky": "sticky = { ... }",
    "Health": "health = { ... }",
    "Eject": "eject = { ... }",
    "Panic": "panic = { ... }",
    "SlowStart": "slow_start = { ... }",
    "Connections": "connections = { ... }",
    "Instance": "instances = [{ ... }]",
    "Discover": "discover = { ... }",
    "Resilience": "[resilience.SERVICE]",
    "Breaker": "breaker = { ... }",
    "Bulkhead": "bulkhead = { ... }",
    "Retry": "retry = { ... }",
    "RetryBudget": "budget = { ... }",
    "Cost": "[cost.SERVICE]",
    "CostMultiplier": "multipliers = [{ ... }]",
    "CostWhen": "when = { ... } of a multiplier",
    "CostTier": "tiers = [{ ... }]",
    "Billing": "[billing]",
    "SchemaField": "[schema.NAME]",
    "Transform": "[transform.NAME]",
    "Side": "request = { ... }, response = { ... }",
    "Cache": "cache = { ... }",
    "Alert": "[[alert]]",
    "Auth": "[auth]",
    "Lockout": "lockout = { ... }",
    "Introspection": "introspection = { ... }",
    "Role": "[role]",
    "ApiKey": "[[api_key]]",
    "Basic": "[[basic]]",
    "Bearer": "[[bearer]]",
    "Jwt": "[[jwt]]",
    "KeyFrom": "key = { ... }",
    "JwtKey": "keys = [{ ... }]",
    "Claims": "claims = { ... }",
    "Expectation": "[[test]]",
    "ExpectedRequest": "request = { ... }",
    "Expect": "expect = { ... }",
}


def size_text(value: int) -> str:
    """The shortest exact size: 8192 is 8KiB."""
    for unit in ("GiB", "MiB", "KiB"):
        if value and value % units.SIZE_UNITS[unit] == 0:
            return f"{value // units.SIZE_UNITS[unit]}{unit}"
    return str(value)


def _as_written(kind: str | None, value: Any) -> Any:
    """A default as somebody would write it, in place of the integer it is parsed to."""
    if kind == "duration":
        return units.duration_text(value)
    if kind == "size":
        return size_text(value)
    if kind == "percentage":
        return f"{value // 10_000}%"
    if kind == "UTC offset":
        return f"{'-' if value < 0 else '+'}{abs(value) // 60:02}:{abs(value) % 60:02}"
    return value


def _rewrite(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _rewrite(item)
    elif isinstance(node, dict):
        node.pop("title", None) if isinstance(node.get("title"), str) else None
        if node.get("default", ...) is None:
            del node["default"]
        branches = node.get("anyOf")
        if isinstance(branches, list) and {"type": "null"} in branches:
            node.pop("anyOf")  # TOML has no null: an optional key is absent
            branches = [branch for branch in branches if branch != {"type": "null"}]
            node |= branches[0] if len(branches) == 1 else {"anyOf": branches}
        if "default" in node:
            node["default"] = _as_written(node.get("x-kind"), node["default"])
        for item in node.values():
            _rewrite(item)


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the whole file, for editors."""
    schema = File.model_json_schema()
    for table in ("defaults", "trust", "headers", "queue", "auth", "role"):
        schema["properties"][table].pop("default", None)
    _rewrite(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "raygate configuration",
        **schema,
    }


def _value_words(node: dict[str, Any]) -> str:
    """What may stand at a key, in a few words."""
    if "x-kind" in node:
        return str(node["x-kind"])
    if "$ref" in node:
        return "table"
    if "enum" in node:
        return " ".join(f"`{word}`" for word in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    for union in ("anyOf", "oneOf"):
        if union in node:
            words = [_value_words(item) for item in node[union] if item.get("type") != "null"]
            return " or ".join(dict.fromkeys(words))
    kind = node.get("type")
    if kind == "array":
        return "list of " + _value_words(node["items"])
    if kind == "object":
        values = node.get("additionalProperties")
        inner = _value_words(values) if isinstance(values, dict) and values else "value"
        return f"table of {inner} by name"
    plain = {"integer": "whole number", "boolean": "`true` `false`", "string": "text"}
    return plain.get(str(kind), str(kind))


def _default_words(node: dict[str, Any], required: bool) -> str:
    if required:
        return "**required**"
    value = node.get("default")
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _table(model: dict[str, Any]) -> list[str]:
    required = model.get("required", [])
    rows = ["| key | value | default | what |", "|---|---|---|---|"]
    for key, node in model["properties"].items():
        cells = (
            f"`{key}`",
            _value_words(node),
            _default_words(node, key in required),
            node.get("description", ""),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def reference() -> str:
    """docs/config.md: every section, key, default and code, and what each profile has room for."""
    schema = json_schema()
    models = schema["$defs"]
    out = [_HEAD, *_table({**schema, "required": ["version"]})]
    for name, heading in HEADINGS.items():
        level = "##" if heading.startswith("[") else "###"
        text = " ".join(str(models[name].get("description", "")).split())
        out += ["", f"{level} `{heading}`", "", text, "", *_table(models[name])]
    out += [
    ]
    out += ["", "## Codes", "", _CODES]
    out += ["", "| code | what it means |", "|---|---|"]
    out += [f"| `{code}` | {text} |" for code, text in {**CODES, **NOTES}.items()]
    out += ["", "## Room", "", _ROOM, "", "| table | seed | edge | tiny |", "|---|---|---|---|"]
    out += [f"| {words} | {_sizes(name)} |" for name, words in _TABLES.items()]
    return "\n".join(out) + "\n"


def _sizes(name: str) -> str:
    return " | ".join(f"{getattr(room, name):,}" for room in (SEED, EDGE, TINY))


def schema_text() -> str:
    """The schema as it is printed: sorted nowhere, so that sections stand as in the reference."""
    return json.dumps(json_schema(), indent=2) + "\n"


_TABLES = {
    "service_max": "services",
    "route_max": "routes",
    "dfa_max": "regex routes",
    "trust_max": "trusted networks",
    "tenant_max": "tenants",
    "plan_max": "plans",
    "limit_service_max": "limits, scope service",
    "limit_user_max": "limits, scope user",
    "limit_ip_max": "limits, scope ip",
    "limit_named_max": "limits, scope named",
    "limit_rate_max": "rates by plan, all limits together",
    "request_limit_max": "limits for one request",
    "quota_allocation_max": "quotas",
    "request_quota_max": "quotas for one request",
    "queue_flow_max": "fair sub-queues per class",
    "pool_max": "pools",
    "instance_max": "instances of all pools together",
    "lease_max": "connections to instances at once",
    "idle_max": "idle connections of all pools together",
    "maglev_max": "pools of strategy maglev",
    "ring_max": "points of all ketama rings, 160 per instance",
    "bulkhead_max": "bulkheads of all services together",
    "cost_cell_max": "kept amounts by tenant, service and metric",
    "cost_multiplier_max": "multipliers, all price books together",
    "cost_tier_max": "tiers, all price books together",
    "cost_alert_max": "thresholds of what is spent",
    "transform_max": "transforms",
    "header_edit_max": "header edits, all transforms together",
    "schema_max": "schemas",
    "schema_node_max": "shapes, all schemas together",
    "schema_property_max": "members, all schemas together",
    "credential_max": "API keys, Basic and bearer rows together",
    "jwt_max": "issuers of signed tokens",
    "jwt_key_max": "their keys together",
}

_HEAD = """# Configuration

One TOML file says everything the gateway enforces. `raygate check FILE` names its errors together,
as `file:line:column: code: message`, in at most three looks: what is not TOML has no others yet; a
table with a value that does not parse is held against its rules once it does; the core judges the
bytes of a file that has none. `raygate compile FILE -o BLOB` makes the bytes that the host and the
image load; `raygate check --schema` prints the JSON Schema for editors. This page is made from the
model by `raygate check --reference`; a test holds the two together.

A key whose text begins "The host:" is no rule of the core: it says what a host does around it, with
the function that its table names. An image has no such host, and there somebody says it at the
console.

Quantities are exact. A duration is `1h30m` (units `ns us ms s m min h d w`, largest first), a rate
is a count per duration (`1000/s`, `20/min`, `5/1h30m`), a size is bytes (`8KiB`, `10MB`, `512`), a
percentage is `20%`, a network is `10.0.0.0/8`. Nothing is rounded: a rate that the core cannot hold
exactly is refused with the nearest one that it can. Names are 1 to 47 of `A-Z a-z 0-9 . _ : -`; a
row's place in the file is its id in the core. Unknown sections and keys are errors, never ignored.

A bucket's capacity is its `burst` (or `capacity`), else the rate's own count; a plan that states a
rate alone has the limit's stated burst, else its own count. A fixed window lets up to twice its
limit pass around a boundary, which `check` points out; a sliding window weighs the window before by
what of it still counts, and `exact = true` keeps the instants.

The hash that every report carries is the SHA-256 of the compiled bytes without the secrets. The
secrets are the 16-byte hash seed (`raygate compile --seed HEX`, or the first half of the hash) and
the keys of `[[jwt]]`, which are read from variables or files and never written into this one.
`[[identity]]` and `[[test]]` are read by the host alone: they are not in the bytes and not in the
hash. The first configuration a core loads brings its seed, unless the core was begun with one.

A reload matches rows by name. What did not change keeps its balance to the bit; a changed limit
accrues at its old rate and is clamped, never refilled; tenants, services and routes may change
places. A refused configuration changes nothing.

## The file
"""
_CODES = """Codes are stable. Errors make `raygate check` end with 2, failed expectations with 1;
notes change nothing."""
_ROOM = """Tables have a fixed size, chosen with `--profile`. One row too many is an error that
names the row."""
