# SPDX-License-Identifier: MIT
"""The configuration file as pydantic models: one class per section, one field per key, each with
its sentence.

The models say what a single key may hold; rules.py says what keys and rows may hold together. The
JSON Schema and docs/config.md are made from here, so a key cannot exist without a description.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, Tag

from host_sim.config import units
from host_sim.config.expected import Expectation
from host_sim.config.fields import (
    BY_SHAPE,
    ByteRateText,
    ClassWord,
    Duration,
    Endpoint,
    Host,
    MatchValue,
    MethodWord,
    Mode,
    Model,
    Name,
    Networks,
    NetworkText,
    Offset,
    Percent,
    QuotaLimit,
    RateText,
    Size,
    Time,
)
from host_sim.config.model_alert import Alert
from host_sim.config.model_auth import (
    ApiKey,
    Auth,
    Basic,
    Bearer,
    Jwt,
    PermissionWord,
    Role,
    RoleWord,
)
from host_sim.config.model_cost import Billing, Cost
from host_sim.config.model_policy import Policies, Policy
from host_sim.config.model_pool import Pool
from host_sim.config.model_queue import Queue, Sla
from host_sim.config.model_resilience import Resilience
from host_sim.config.model_transform import SchemaField, Transform

CLASSES: tuple[str, ...] = ("critical", "high", "normal", "low", "batch")
METHODS: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class RoutePath(Model):
    """Which paths; exactly one key."""

    exact: str | None = Field(None, description="This path and no other.")
    prefix: str | None = Field(
        None, description="By segment: `/orders` is `/orders` and `/orders/7`, never `/ordersx`."
    )
    wildcard: str | None = Field(None, description="`*` is one segment, a last `**` is the rest.")
    regex: str | None = Field(
        None, description="Anchored at both ends, linear time, compiled to a table on the host."
    )


class Defaults(Model):
    """What holds where nothing else is said."""

    priority: ClassWord = Field("normal", description="Class of a request that names none.")
    no_route: int = Field(404, ge=400, le=499, description="Status when no route matches.")
    no_limit: Literal["allow", "deny"] = Field(
        "allow", description="A request that no limit applies to."
    )
    table_full: Literal["shared", "deny"] = Field(
        "shared",
        description="A keyed table full of active buckets: one shared overflow bucket, or deny.",
    )
    max_step: Duration = Field(
        86_400 * units.NS_PER_S, description="Longest step of a live clock that is believed."
    )


class Trust(Model):
    """Whose word counts about where a request comes from."""

    client_ip: Literal["peer", "x-forwarded-for"] = Field(
        "peer",
        description="The peer, or the rightmost hop of X-Forwarded-For that is no trusted proxy.",
    )
    proxies: list[NetworkText] = Field(
        default_factory=list, description="Networks of trusted proxies."
    )
    api_keys: bool = Field(
        False, description="A trusted proxy may name an API key without its secret."
    )


class Headers(Model):
    """What answers say in their headers."""

    ratelimit: Literal["draft-10", "none"] = Field(
        "draft-10",
        description="RateLimit fields of draft-ietf-httpapi-ratelimit-headers-10.",
    )
    problem_json: bool = Field(True, description="RFC 9457 bodies for denials.")
    request_id: Name | None = Field(None, description="Header with the request's number.")


class Service(Model):
    """One service behind the gateway."""

    at: Endpoint | None = Field(None, description="Where it is reached, `host:port`.")
    pool: Name | None = Field(None, description="Whose instances serve it, in place of `at`.")
    timeout: Duration = Field(30 * units.NS_PER_S, description="Deadline of a request in flight.")
    max_body: Size = Field(8_192, description="Largest request body; 413 above.")
    healthy: bool = Field(True, description="State it is registered in.")
    mode: Literal["enforce", "off"] = Field(
        "enforce", description="`off` lets its traffic pass ungoverned."
    )


class Route(Model):
    """Which requests go to which service. Precedence: priority, exact, longest prefix, wildcard,
    regex, then the more particular, then file order."""

    name: Name = Field(description="Unique among routes.")
    service: Name = Field(description="A service of this file.")
    path: RoutePath = Field(description="Which paths; exactly one of the four kinds.")
    methods: list[MethodWord] | None = Field(None, description="Which methods; any when absent.")
    host: Host | None = Field(None, description="Exact, or `*.example.org`.")
    headers: dict[str, MatchValue] = Field(
        default_factory=dict,
        description="At most 4: a value, `present`, `absent`, or { exact | prefix | contains }.",
    )
    queries: dict[str, MatchValue] = Field(
        default_factory=dict, description="The same for query parameters, at most 4."
    )
    priority: int = Field(
        0, ge=-(2**31), le=2**31 - 1, description="Lower first, before any other precedence."
    )
    weight: int = Field(
        1, ge=1, le=2**32 - 1, description="Tokens one request takes from every limit."
    )
    transform: Name | None = Field(
        None, description="The transform its requests and responses pass through."
    )
    limits: list[Name] = Field(
        default_factory=list, description="Limits of scope `named` that are asked too, at most 4."
    )
    auth: Literal["none", "optional", "required"] | None = Field(
        None,
        description="Must somebody be known? `required` when the file has any credential, "
        "else `none`.",
    )
    permission: PermissionWord | None = Field(
        None,
        description="What it takes on the service; by method when absent: GET, HEAD, OPTIONS read, "
        "others write.",
    )
    role: RoleWord | None = Field(None, description="Only this role, and admin.")
    allow_escapes: bool = Field(
        False, description="Lets %2F and %5C pass, still encoded; %00 never."
    )


class Tenant(Model):
    """Who pays and whose quota it is."""

    plan: Name | None = Field(
        None, description="Plans are named here; limits and quotas may differ by plan."
    )


class IdentityWhen(Model):
    """Which requests the rule is for; `{}` is always."""

    ip: Networks | None = Field(
        None, description="Client address in this network, or in one of these."
    )


class UserFrom(Model):
    """Where the user's name is read; exactly one key."""

    header: str | None = Field(None, description="This request header.")
    path_segment: int | None = Field(
        None, ge=1, le=64, description="The n-th segment of the path, from 1."
    )


UserValue = Annotated[
    Annotated[UserFrom, Tag("<table>")] | Annotated[Literal["log_user", "ip"], Tag("<text>")],
    BY_SHAPE,
]


class IdentityRule(Model):
    """Logs carry no credentials: who is this request from? The first rule that matches answers."""

    when: IdentityWhen = Field(description="Which requests; `{}` is all.")
    tenant: Name | None = Field(None, description="The tenant; none when absent.")
    user: UserValue | None = Field(
        None,
        description='`{ header = }`, `{ path_segment = }`, `"log_user"` (the default), or `"ip"`.',
    )
    role: Literal["admin", "service-account", "user", "guest"] | None = Field(
        None, description="Role the policies see; not known when absent."
    )


class PlanRate(Model):
    """A plan's own rate and burst."""

    rate: RateText = Field(description="Count per duration.")
    burst: int | None = Field(
        None, ge=1, le=units.U64_MAX, description="Capacity; the limit's own when absent."
    )


PlanValue = Annotated[
    Annotated[PlanRate, Tag("<table>")] | Annotated[RateText, Tag("<text>")], BY_SHAPE
]


class Reserve(Model):
    """By class: the share of the capacity that class may not draw."""

    critical: Percent = Field(0, description="Share kept from critical.")
    high: Percent = Field(0, description="Share kept from high.")
    normal: Percent = Field(0, description="Share kept from normal.")
    low: Percent = Field(0, description="Share kept from low.")
    batch: Percent = Field(0, description="Share kept from batch.")


class Prefix(Model):
    """How many bits of an address make one client."""

    v4: int = Field(32, ge=1, le=32, description="Bits of an IPv4 address.")
    v6: int = Field(64, ge=1, le=128, description="Bits of an IPv6 address.")


class Limit(Model):
    """How fast. At most 8 apply to one request, and all of them must grant."""

    name: Name = Field(description="Unique among limits.")
    scope: Literal["service", "user", "ip", "named"] = Field(
        description="One bucket for the service, one per user, per address, or for named routes."
    )
    algorithm: Literal["token_bucket", "leaky_bucket", "fixed_window", "sliding_window"] = Field(
        "token_bucket", description="How the rate is held."
    )
    rate: RateText = Field(description="Count per duration; held exactly, or refused.")
    burst: int | None = Field(
        None,
        ge=1,
        le=units.U64_MAX,
        description="token_bucket: tokens the bucket holds; the rate's count when absent.",
    )
    capacity: int | None = Field(
        None,
        ge=1,
        le=units.U64_MAX,
        description="Buckets: the same as burst, the usual word for leaky ones.",
    )
    excess: int | None = Field(
        None,
        ge=1,
        le=units.U64_MAX,
        description="Second bucket, filled by what overflows; scope service or named.",
    )
    service: Name | None = Field(None, description="Only this service's requests; all when absent.")
    user: Name | None = Field(None, description="Scope user: one bucket for this user alone.")
    reserve: Reserve | None = Field(None, description="Shares lower classes may not draw.")
    plan: dict[str, PlanValue] = Field(
        default_factory=dict, description='Rates by plan: `{ gold = "1000/min" }`.'
    )
    prefix: Prefix | None = Field(None, description="Scope ip: bits that make one client.")
    mode: Mode | None = Field(
        None, description="The file's mode when absent; `shadow` watches and never denies."
    )
    instead_of: Name | None = Field(
        None, description="Shadow: try this limit in place of the named one."
    )
    exact: bool = Field(
        False, description="sliding_window: keep every instant, for limits up to 64."
    )
    anchor: Time | None = Field(
        None, description="fixed_window: an instant a window starts; midnight of 1970 when absent."
    )
    queue: bool = Field(False, description="leaky_bucket: delay instead of deny.")
    max_delay: Duration | None = Field(None, description="queue: the longest wait still admitted.")
    debt: bool = Field(
        False, description="token_bucket: admit from any positive balance, then block until repaid."
    )
    table_full: Literal["shared", "deny"] | None = Field(
        None, description="The file's default when absent."
    )


class Guards(Model):
    """Gauges that are checked and never consumed."""

    requests: RateText | None = Field(None, description="Requests in the last full second.")
    bytes: ByteRateText | None = Field(None, description="Bytes in the last full second.")
    errors: RateText | None = Field(
        None, description="Errors of the service in the last whole minute."
    )
    latency_p99: Duration | None = Field(
        None, description="99th percentile of the service in the last whole minute."
    )


class Quota(Model):
    """How much. At most 6 apply to one request, and all of them are charged together."""

    name: Name = Field(description="Unique among quotas.")
    tenant: Name | None = Field(
        None, description="Whose; every tenant an instance of its own when absent."
    )
    plan: Name | None = Field(None, description="Every tenant of this plan.")
    service: Name | None = Field(None, description="Only this service's requests.")
    type: str = Field(
        "requests", description="`requests`, `bytes`, `compute`, `cost`, or `custom:<name>`."
    )
    limit: QuotaLimit = Field(
        description="Units per window; bytes may have a unit; cost is a decimal in text."
    )
    window: str = Field(
        "month",
        description="`never`, `day`, `week`, `month`, a duration, or `rolling` and a duration.",
    )
    anchor: int | str | datetime.datetime | None = Field(
        None, description="Month: day 1 to 31. Week: a weekday. Day: `hh:mm`. Duration: an instant."
    )
    timezone: Offset | None = Field(None, description="The file's when absent.")
    rollover: Percent = Field(
        0, description="Unused share carried into the next window, at most 10%, never compounding."
    )
    enforcement: Literal["hard", "soft"] = Field(
        "hard", description="Soft counts and alerts, never denies."
    )
    mode: Mode | None = Field(None, description="The file's mode when absent.")
    per_user: bool = Field(False, description="An instance for each user of the tenant.")
    carry_overage: bool = Field(False, description="A reset carries overage as debt.")
    named: bool = Field(False, description="Asked only where a policy names it.")
    alerts: list[Percent] = Field(
        default_factory=list, description="Up to 4 whole percentages that alert once a window."
    )
    guards: Guards | None = Field(None, description="Gauges that are checked and never consumed.")


class File(Model):
    """One file says everything the gateway enforces."""

    version: int = Field(description="1.")
    timezone: Offset = Field(0, description="Fixed offset of calendar windows.")
    mode: Mode = Field(
        "enforce",
        description="Of every limit, quota and policy that sets none; `off` lets everything pass.",
    )
    defaults: Defaults = Field(
        default_factory=Defaults.model_construct,
        description="For whatever says nothing itself.",
    )
    trust: Trust = Field(
        default_factory=Trust.model_construct, description="Whose word counts about the client."
    )
    headers: Headers = Field(
        default_factory=Headers.model_construct, description="What answers say."
    )
    service: dict[str, Service] = Field(default_factory=dict, description="`[service.NAME]`.")
    route: list[Route] = Field(default_factory=list, description="`[[route]]`.")
    tenant: dict[str, Tenant] = Field(default_factory=dict, description="`[tenant.NAME]`.")
    identity: list[IdentityRule] = Field(default_factory=list, description="`[[identity]]`.")
    limit: list[Limit] = Field(default_factory=list, description="`[[limit]]`.")
    quota: list[Quota] = Field(default_factory=list, description="`[[quota]]`.")
    policies: Policies = Field(
        default_factory=Policies.model_construct, description="How rules combine."
    )
    policy: list[Policy] = Field(default_factory=list, description="`[[policy]]`.")
    queue: Queue = Field(
        default_factory=Queue.model_construct, description="Who waits, and who is sent next."
    )
    sla: dict[str, Sla] = Field(default_factory=dict, description="`[sla.NAME]`.")
    pool: dict[str, Pool] = Field(default_factory=dict, description="`[pool.NAME]`.")
    resilience: dict[str, Resilience] = Field(
        default_factory=dict, description="`[resilience.SERVICE]`."
    )
    cost: dict[str, Cost] = Field(default_factory=dict, description="`[cost.SERVICE]`.")
    billing: Billing | None = Field(
        None, description="When periods close; monthly when absent and something has a price."
    )
    alert: list[Alert] = Field(default_factory=list, description="`[[alert]]`.")
    schema_: dict[str, dict[str, SchemaField]] = Field(
        default_factory=dict, alias="schema",
        description="`[schema.NAME]`, a table for each member.",
    )
    transform: dict[str, Transform] = Field(
        default_factory=dict, description="`[transform.NAME]`."
    )
    auth: Auth = Field(
        default_factory=Auth.model_construct, description="What holds for every credential."
    )
    role: Role = Field(
        default_factory=Role.model_construct, description="What roles may; admin may everything."
    )
    api_key: list[ApiKey] = Field(default_factory=list, description="`[[api_key]]`.")
    basic: list[Basic] = Field(default_factory=list, description="`[[basic]]`.")
    bearer: list[Bearer] = Field(default_factory=list, description="`[[bearer]]`.")
    jwt: list[Jwt] = Field(default_factory=list, description="`[[jwt]]`.")
    test: list[Expectation] = Field(default_factory=list, description="`[[test]]`.")

