# SPDX-License-Identifier: MIT
"""policy: rules and contexts on their way to the core and back."""

from __future__ import annotations

from typing import Any

from host_sim.config.units import UnitError, parse_network
from host_sim.config.week import parse_week, week_text
from host_sim.decision import NONE, pack_address, pack_headers
from host_sim.errors import ArgumentError, RangeError
from host_sim.modules.base import text_bytes
from host_sim.modules.policy_types import (
    Action,
    Condition,
    HeaderHow,
    HeaderMatch,
    PolicyContext,
    PolicyMode,
    PolicyRule,
    PolicyType,
    Role,
)

METHODS = ("OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
FIELDS = ("service", "route", "method", "role", "tenant", "plan", "time", "ip", "header")
HEADER_SET, HEADER_LOCATION, CLASS_DEFAULT = 5, 6, 255


def id_or_none(value: int) -> int | None:
    """RAY_NONE as None."""
    return None if value == NONE else int(value)


def _number(value: int | None) -> int:
    return NONE if value is None else value


def method_of(word: str) -> int:
    """A method's number. Raises ArgumentError."""
    if word not in METHODS:
        raise ArgumentError(f"{word!r} is no method; use one of {', '.join(METHODS[1:])}")
    return METHODS.index(word)


def default_status(rule: PolicyRule) -> int:
    """The HTTP status a rule answers with."""
    if rule.http_status:
        return rule.http_status
    if rule.action == Action.DENY:
        return 401 if rule.policy_type == PolicyType.AUTHENTICATION else 403
    return 302 if rule.action == Action.REDIRECT else 0


# -- to the core ---------------------------------------------------------------------------------
def _values(condition: Condition) -> list[tuple[int, int, int]]:
    """(field, negated, value) of everything that is a number."""
    methods = tuple(method_of(word) for word in condition.method)
    methods_not = tuple(method_of(word) for word in condition.method_not)
    rows = [
        (condition.service_id, condition.service_not),
        (condition.route_id, condition.route_not),
        (methods, methods_not),
        (condition.user_role, condition.user_role_not),
        (condition.tenant_id, condition.tenant_not),
        (condition.plan_id, condition.plan_not),
    ]
    return [
        (field, negated, int(value))
        for field, pair in enumerate(rows)
        for negated, values in enumerate(pair)
        for value in values
    ]


def term_rows(condition: Condition) -> list[dict[str, Any]]:
    """The rule's terms as fields of ray_policy_term. Raises ArgumentError for text that is no time
    and no network."""
    out: list[dict[str, Any]] = [
        {"field": field, "negated": negated, "value": value}
        for field, negated, value in _values(condition)
    ]
    try:
        times = parse_week(condition.time_window) if condition.time_window else []
        networks = [
            (negated, parse_network(text))
            for negated, texts in enumerate((condition.source_ip, condition.source_ip_not))
            for text in texts
        ]
    except UnitError as error:
        raise ArgumentError(error.message) from None
    for start, end in times:
        out.append(
            {
                "field": FIELDS.index("time"),
                "value": start,
                "until": end,
                "utc_offset_minutes": condition.utc_offset_minutes,
            }
        )
    for negated, network in networks:
        out.append(
            {
                "field": FIELDS.index("ip"),
                "negated": negated,
                "address": (list(network.address),),
                "until": network.prefix,
            }
        )
    return out


def header_rows(rule: PolicyRule) -> list[tuple[bytes, bytes, int]]:
    """(name, value, how) of every header row of a rule."""
    out = [
        (text_bytes(match.name), text_bytes(match.value), int(match.how))
        for match in rule.condition.header_match
    ]
    if rule.set_header is not None:
        name, value = rule.set_header
        out.append((text_bytes(name), text_bytes(value), HEADER_SET))
    if rule.location:
        out.append((b"", text_bytes(rule.location), HEADER_LOCATION))
    return out


def rows_of(ffi: Any, lib: Any, rule: PolicyRule, name: str) -> tuple[Any, list[Any]]:
    """A ray_policy_rows with one rule, and what must be kept alive beside it. Raises ArgumentError
    or RangeError for what C cannot hold."""
    terms, headers = term_rows(rule.condition), header_rows(rule)
    spec = ffi.new("ray_policy_spec *")
    term = ffi.new("ray_policy_term[]", max(1, len(terms)))
    header = ffi.new("ray_policy_header_spec[]", max(1, len(headers)))
    raw = text_bytes(name)
    if len(raw) >= lib.RAY_NAME_BYTES:
        raise ArgumentError(f"name is at most {lib.RAY_NAME_BYTES - 1} bytes, not {len(raw)}")
    spec.name.at = raw
    fields = {
        "priority": rule.priority,
        "limit": _number(rule.limit_id),
        "quota": _number(rule.quota_id),
        "quota_weight": 0 if rule.quota_id is None else rule.quota_weight,
        "term_count": len(terms),
        "header_count": len(headers),
        "http_status": default_status(rule),
        "type": int(rule.policy_type),
        "action": int(rule.action),
        "mode": int(rule.mode),
        "enabled": int(rule.enabled),
        "set_class": CLASS_DEFAULT if rule.set_priority is None else rule.set_priority,
        "alert": int(rule.alert),
        "audit": int(rule.audit_log),
    }
    try:
        for key, value in fields.items():
            setattr(spec, key, value)
        for at, row in zip(term, terms, strict=False):
            for key, value in row.items():
                setattr(at, key, value)
    except (OverflowError, TypeError) as error:
        raise RangeError(f"policy {name!r}: {error}") from error
    for at, (key_bytes, value_bytes, how) in zip(header, headers, strict=False):
        if len(key_bytes) > lib.RAY_NAME_BYTES or len(value_bytes) > lib.RAY_POLICY_VALUE_BYTES:
            raise ArgumentError(f"policy {name!r}: a header's name or value is too long")
        ffi.memmove(at.name, key_bytes, len(key_bytes))
        ffi.memmove(at.value, value_bytes, len(value_bytes))
        at.name_length, at.value_length, at.how = len(key_bytes), len(value_bytes), how
    rows = ffi.new("ray_policy_rows *")
    rows.rule, rows.term, rows.header = spec, term, header
    return rows, [spec, term, header]


def query_of(ffi: Any, context: PolicyContext, wall_offset_ns: int) -> tuple[Any, Any]:
    """A ray_policy_query, and the header bytes it points to. Raises ArgumentError."""
    query = ffi.new("ray_policy_query *")
    request, user, service = context.request, context.user, context.service
    packed = b"" if request.headers is None else pack_headers(request.headers)
    keep = ffi.from_buffer("uint8_t[]", packed)
    query.headers.at, query.headers.length = keep, len(packed)
    query.headers_known = request.headers is not None
    if request.source_ip is not None:
        ffi.memmove(query.address.at, pack_address(request.source_ip), 16)
        query.address_known = 1
    query.wall_offset_ns = wall_offset_ns
    query.method = NONE if request.method is None else method_of(request.method)
    query.role = NONE if user.role is None else int(user.role)
    fields = {
        "tenant": user.tenant_id,
        "plan": user.plan_id,
        "service": service.service_id,
        "route": service.route_id,
    }
    try:
        for key, value in fields.items():
            setattr(query, key, _number(value))
    except (OverflowError, TypeError) as error:
        raise ArgumentError(f"{key}: {error}") from error
    return query, keep


# -- from the core -------------------------------------------------------------------------------
def network_text(address: bytes, prefix: int) -> str:
    """A network as text."""
    import ipaddress

    if prefix >= 96 and address[:12] == bytes(10) + b"\xff\xff":
        return f"{ipaddress.IPv4Address(address[12:])}/{prefix - 96}"
    return f"{ipaddress.IPv6Address(address)}/{prefix}"


def _condition(ffi: Any, row: Any) -> Condition:
    numbers: dict[tuple[int, int], list[int]] = {}
    networks: tuple[list[str], list[str]] = ([], [])
    times: list[tuple[int, int]] = []
    offset = 0
    for at in range(row.spec.term_count):
        term = row.term[at]
        word = FIELDS[term.field]
        if word == "time":
            times.append((int(term.value), int(term.until)))
            offset = int(term.utc_offset_minutes)
        elif word == "ip":
            address = bytes(ffi.buffer(term.address.at))
            networks[term.negated].append(network_text(address, int(term.until)))
        else:
            numbers.setdefault((int(term.field), int(term.negated)), []).append(int(term.value))

    def of(word: str, negated: int) -> tuple[int, ...]:
        return tuple(numbers.get((FIELDS.index(word), negated), ()))

    matches = [row.header[at] for at in range(row.spec.header_count)]
    return Condition(
        service_id=of("service", 0),
        user_role=tuple(Role(value) for value in of("role", 0)),
        time_window=week_text(times),
        source_ip=tuple(networks[0]),
        header_match=tuple(
            HeaderMatch(*_texts(ffi, match)[:1], HeaderHow(match.how), _texts(ffi, match)[1])
            for match in matches
            if match.how < HEADER_SET
        ),
        route_id=of("route", 0),
        method=tuple(METHODS[value] for value in of("method", 0)),
        tenant_id=of("tenant", 0),
        plan_id=of("plan", 0),
        service_not=of("service", 1),
        user_role_not=tuple(Role(value) for value in of("role", 1)),
        source_ip_not=tuple(networks[1]),
        route_not=of("route", 1),
        method_not=tuple(METHODS[value] for value in of("method", 1)),
        tenant_not=of("tenant", 1),
        plan_not=of("plan", 1),
        utc_offset_minutes=offset,
    )


def _texts(ffi: Any, header: Any) -> tuple[str, str]:
    name = bytes(ffi.buffer(header.name, header.name_length))
    value = bytes(ffi.buffer(header.value, header.value_length))
    return name.decode(errors="replace"), value.decode(errors="replace")


def rule_of(ffi: Any, row: Any) -> PolicyRule:
    """A ray_policy_row as the rule it was made from."""
    spec = row.spec
    texts = {
        int(row.header[at].how): _texts(ffi, row.header[at]) for at in range(spec.header_count)
    }
    return PolicyRule(
        condition=_condition(ffi, row),
        action=Action(spec.action),
        priority=int(spec.priority),
        enabled=bool(spec.enabled),
        audit_log=bool(spec.audit),
        name=ffi.string(spec.name.at).decode(errors="replace"),
        policy_type=PolicyType(spec.type),
        mode=PolicyMode(spec.mode),
        http_status=int(spec.http_status),
        limit_id=id_or_none(spec.limit),
        quota_id=id_or_none(spec.quota),
        quota_weight=int(spec.quota_weight) or 1,
        location=texts[HEADER_LOCATION][1] if HEADER_LOCATION in texts else "",
        set_header=texts.get(HEADER_SET),
        set_priority=None if spec.set_class == CLASS_DEFAULT else int(spec.set_class),
        alert=bool(spec.alert),
    )
