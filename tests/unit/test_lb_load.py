# SPDX-License-Identifier: MIT
"""lb: [pool.NAME] from the file to the core; no hostile row gets past the check; instances keep
health and connections when rows, names and services change places."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import config
from host_sim.config import layout
from host_sim.config.capacities import PROFILES
from host_sim.kernel import Kernel
from host_sim.modules.lb import BalancingStrategy, HealthStatus, LoadBalancer
from tests.configs import refused, with_sections

S = 10**9
ARGUMENT, UNKNOWN, FULL, EXISTS, RANGE = -1, -2, -4, -5, -7
FILE = """version = 1
[service.search]
[service.orders]
pool = "orders"
[pool.plain]
[pool.orders]
strategy = "maglev"
sticky = { cookie = "ORDSESS", ttl = "1h" }
health = { every = "5s", timeout = "1s", rise = 2, fall = 3 }
eject = { after = 4, for = "20s", percent = 30 }
panic = { below = "50%", fail = true }
slow_start = { over = "1min", from = "20%" }
load = "150%"
connections = { max = 256, idle_max = 32, idle_ttl = "30s" }
instances = [{ at = "10.0.1.1:8080", weight = 3 }, { at = "[2001:db8::1]:80" }]
discover = { dns = "orders.internal", every = "10s" }
"""


def pool_of(kernel: Kernel, id: int) -> dict[str, Any]:
    """Every field of the pool's row in the core."""
    lb = LoadBalancer(kernel=kernel)
    spec, out = lb.ffi.new("ray_pool_spec *"), lb.ffi.new("ray_pool_stats *")
    assert lb.lib.ray_lb_pool_read(lb._state, 0, id, spec, out) == 0
    names = {"name": lb._text(spec.name), "key_name": lb._text(spec.key_name)}
    return {name: getattr(spec, name) for name, _ in lb.ffi.typeof("ray_pool_spec").fields} | names


# -- the file -------------------------------------------------------------------------------------
def test_every_key_of_the_file_reaches_the_core() -> None:
    kernel = Kernel(config=config.loads(FILE).blob)
    lb = LoadBalancer(kernel=kernel)
    assert pool_of(kernel, 1) == dict(
        name="orders", key_name="ORDSESS", health_every_ns=5 * S, health_timeout_ns=S,
        eject_ns=20 * S, slow_start_ns=60 * S, idle_ttl_ns=30 * S, rise=2, fall=3, eject_after=4,
        eject_percent=30, panic_percent=50, connections_max=256, idle_max=32, load_percent=150,
        slow_start_percent=20, strategy=5, sticky=2, panic_fails=1, discovered=1,
    )  # fmt: skip
    assert pool_of(kernel, 0) == dict(
        name="plain", key_name="", health_every_ns=0, health_timeout_ns=0, eject_ns=0,
        slow_start_ns=0, idle_ttl_ns=0, rise=1, fall=1, eject_after=0, eject_percent=50,
        panic_percent=0, connections_max=0, idle_max=0, load_percent=0, slow_start_percent=10,
        strategy=0, sticky=0, panic_fails=0, discovered=0,
    )  # fmt: skip
    pool = lb.get_pool(1)
    found = [lb.get_instance(id) for id in pool.instances]
    assert [(one.address, one.port, one.weight, one.health) for one in found] == [
        ("10.0.1.1", 8080, 3, HealthStatus.UNKNOWN), ("2001:db8::1", 80, 1, HealthStatus.UNKNOWN)]
    assert [lb.lib.ray_lb_pool_of(lb._state, service) for service in (0, 1)] == [0xFFFF_FFFF, 1]
    assert kernel.valid() == 0
    kernel.configure(config.loads("version = 1\n[service.orders]\n").blob)
    assert lb.get_connection_count() == 0 and kernel.valid() == 0
    assert lb.lib.ray_lb_next_pool(lb._state, 0xFFFF_FFFF) == 0xFFFF_FFFF


@pytest.mark.parametrize("strategy", BalancingStrategy)
def test_every_strategy_has_its_word(strategy: BalancingStrategy) -> None:
    text = f'version = 1\n[pool.p]\nstrategy = "{strategy.name.lower()}"\n'
    kernel = Kernel(config=config.loads(text).blob)
    assert LoadBalancer(kernel=kernel).get_pool(0).strategy is strategy
    ffi, lib = kernel.ffi, kernel.lib
    assert ffi.string(lib.ray_balance_word(int(strategy))).decode() == strategy.name.lower()


@pytest.mark.parametrize(
    ("sticky", "kind", "name"),
    [("cookie = 'A'", 2, "A"), ("header = 'X-User'", 3, "X-User"), ("address = true", 1, "")],
)
def test_what_keeps_a_caller_is_a_cookie_a_header_or_the_address(
    sticky: str, kind: int, name: str
) -> None:
    kernel = Kernel(config=config.loads(f"version = 1\n[pool.p]\nsticky = {{ {sticky} }}\n").blob)
    assert (pool_of(kernel, 0)["sticky"], pool_of(kernel, 0)["key_name"]) == (kind, name)


def test_defaults_of_what_is_only_begun() -> None:
    text = ("version = 1\n[pool.p]\nhealth = {}\neject = {}\nslow_start = { over = '1min' }\n"
            "panic = { below = '40%' }\nconnections = { idle_max = 2 }\n")
    row = pool_of(Kernel(config=config.loads(text).blob), 0)
    want = dict(
        health_every_ns=10 * S, health_timeout_ns=S, rise=2, fall=3, eject_after=5,
        eject_ns=30 * S, eject_percent=50, slow_start_percent=10, panic_percent=40, panic_fails=0,
        idle_ttl_ns=90 * S, connections_max=0,
    )  # fmt: skip
    assert {name: row[name] for name in want} == want


BAD = [
    ("[pool.'a b']", "bad-name", "no name"),
    ("[pool.p]\nstrategy = 'random'", "bad-choice", "round_robin"),
    ("[pool.p]\nstrategy = 'roundrobin'", "bad-choice", '"round_robin"'),
    ("[pool.p]\nsticky = {}", "conflict", "exactly one"),
    ("[pool.p]\nsticky = { cookie = 'a', header = 'b' }", "conflict", "exactly one"),
    ("[pool.p]\nsticky = { address = false }", "conflict", "exactly one"),
    ("[pool.p]\nsticky = { cookie = 'a b' }", "bad-name", "no name"),
    ("[pool.p]\nsticky = { cookie = 'a', ttl = '0s' }", "out-of-range", "longer than 0"),
    ("[pool.p]\nsticky = { cooky = 'a', address = true }", "unknown-key", '"cookie"'),
    ("[pool.p]\nhealth = { every = '0s' }", "out-of-range", "longer than 0"),
    ("[pool.p]\nhealth = { timeout = '0s' }", "out-of-range", "longer than 0"),
    ("[pool.p]\nhealth = { every = '1s', timeout = '2s' }", "out-of-range", "at most every"),
    ("[pool.p]\nhealth = { rise = 0 }", "out-of-range", "at least 1"),
    ("[pool.p]\nhealth = { fall = 1001 }", "out-of-range", "at most 1000"),
    ("[pool.p]\neject = { after = 0 }", "out-of-range", "at least 1"),
    ("[pool.p]\neject = { for = '0s' }", "out-of-range", "longer than 0"),
    ("[pool.p]\neject = { percent = 101 }", "out-of-range", "at most 100"),
    ("[pool.p]\npanic = {}", "missing-key", "below"),
    ("[pool.p]\npanic = { below = '0%' }", "out-of-range", "1% to 100%"),
    ("[pool.p]\npanic = { below = '12.5%' }", "out-of-range", "whole percentage"),
    ("[pool.p]\nslow_start = {}", "missing-key", "over"),
    ("[pool.p]\nslow_start = { over = '0s' }", "out-of-range", "longer than 0"),
    ("[pool.p]\nslow_start = { over = '1s', from = '0%' }", "out-of-range", "1% to 100%"),
    ("[pool.p]\nstrategy = 'ip_hash'\nload = '124%'", "out-of-range", "125% to 200%"),
    ("[pool.p]\nstrategy = 'ip_hash'\nload = '201%'", "out-of-range", "125% to 200%"),
    ("[pool.p]\nload = '150%'", "conflict", "hashes"),
    ("[pool.p]\nconnections = { max = 4097 }", "out-of-range", "4096"),
    ("[pool.p]\nconnections = { idle_max = 1025 }", "out-of-range", "1024"),
    ("[pool.p]\nconnections = { max = 1, idle_max = 2 }", "conflict", "at most max"),
    ("[pool.p]\nconnections = { idle_ttl = '1s' }", "conflict", "idle_max"),
    ("[pool.p]\ninstances = [{ weight = 1 }]", "missing-key", "at"),
    ("[pool.p]\ninstances = [{ at = '10.0.0.1' }]", "bad-host", "port"),
    ("[pool.p]\ninstances = [{ at = 'a:1', weight = 0 }]", "out-of-range", "at least 1"),
    ("[pool.p]\ninstances = [{ at = 'a:1', weight = 1001 }]", "out-of-range", "at most 1000"),
    ("[pool.p]\ninstances = [{ at = 'a:1' }, { at = 'A:1' }]", "duplicate-name", "line 4"),
    (f"[pool.p]\ninstances = [{{ at = '{'a' * 46}:1' }}]", "bad-host", "47 bytes"),
    ("[pool.p]\ndiscover = {}", "missing-key", "dns"),
    ("[pool.p]\ndiscover = { dns = 'a b' }", "bad-host", "DNS"),
    ("[pool.p]\ndiscover = { dns = 'a', every = '0s' }", "out-of-range", "longer than 0"),
    ("[pool.p]\ndiscover = { dns = '_http._tcp.a', port = 80 }", "conflict", "SRV"),
    ("[pool.p]\ndiscover = { dns = 'a', port = 65536 }", "out-of-range", "at most 65535"),
    ("[pool.p]\nweight = 1", "unknown-key", "no key"),
    ("[pool.main]\n[service.b]\npool = 'mian'", "unknown-reference", '"main"'),
    ("[pool.p]\n[service.b]\npool = 'p'\nat = 'a:1'", "conflict", "remove at"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "words"), BAD)
def test_what_is_wrong_is_named_where_it_stands(text: str, code: str, words: str) -> None:
    found = config.examine(f"version = 1\n[service.a]\n{text}\n".encode()).findings
    assert [one.code for one in found] == [code], found
    assert words in found[0].message and found[0].line >= 3


TABLES = [  # what, rows too many
    ("5 pools", "".join(f"[pool.p{i}]\n" for i in range(5))),
    ("9 instances", "[pool.p]\ninstances = [" + ", ".join(
        f"{{ at = 'a:{i + 1}' }}" for i in range(9)) + "]\n"),
    ("2 pools of strategy maglev", "[pool.p]\nstrategy = 'maglev'\n[pool.q]\n"
     "strategy = 'maglev'\n"),
    ("2 instances of strategy ketama", "[pool.p]\nstrategy = 'ketama'\n"
     "instances = [{ at = 'a:1' }, { at = 'a:2' }]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "text"), TABLES)
def test_one_row_too_many_is_named(words: str, text: str) -> None:
    room = PROFILES["tiny"]
    found = config.examine(f"version = 1\n{text}".encode(), room=room).findings
    assert [one.code for one in found] == ["too-many-rows"] and words in found[0].message
    with pytest.raises(Exception, match=r"pool|instance|strategy"):
        Kernel(profile="tiny", config=config.loads(f"version = 1\n{text}").blob)


def test_what_has_no_effect_is_pointed_out() -> None:
    text = "version = 1\n[pool.p]\nsticky = { cookie = 'a', ttl = '1h' }\n"
    notes = [one.code for one in config.examine(text.encode()).notes]
    assert notes == ["note-empty-pool", "note-unused", "note-no-effect"]


# -- hostile rows ---------------------------------------------------------------------------------
POOL: dict[str, Any] = dict(
    name="p", key_name="", health_every_ns=1, health_timeout_ns=1, eject_ns=1, slow_start_ns=1,
    idle_ttl_ns=1, rise=1, fall=1, eject_after=1, eject_percent=50, panic_percent=0,
    connections_max=1, idle_max=1, load_percent=0, slow_start_percent=10, strategy=0, sticky=0,
    panic_fails=0, discovered=0,
)  # fmt: skip
INSTANCE: dict[str, Any] = dict(at="a:1", pool=0, weight=1)
BOUND: dict[str, Any] = dict(service=0, pool=0)
HOSTILE: list[tuple[int, dict[str, Any], int]] = [
    *((layout.POOL, {field: value}, status) for field, value, status in (
        ("name", "", ARGUMENT), ("name", "a b", ARGUMENT), ("key_name", "x", ARGUMENT),
        ("rise", 0, RANGE), ("rise", 1001, RANGE), ("fall", 0, RANGE), ("fall", 1001, RANGE),
        ("eject_after", 1001, RANGE), ("eject_ns", 0, RANGE), ("eject_percent", 0, RANGE),
        ("eject_percent", 101, RANGE), ("panic_percent", 101, RANGE),
        ("connections_max", 4097, RANGE), ("idle_max", 1025, RANGE), ("load_percent", 124, RANGE),
        ("load_percent", 201, RANGE), ("slow_start_percent", 0, RANGE),
        ("slow_start_percent", 101, RANGE), ("strategy", 7, RANGE), ("sticky", 4, RANGE),
        ("panic_fails", 2, RANGE), ("discovered", 2, RANGE),
    )),
    (layout.POOL, dict(sticky=2), ARGUMENT),
    (layout.POOL, dict(sticky=3, key_name="a b"), ARGUMENT),
    (layout.POOL, dict(sticky=1, key_name="a"), ARGUMENT),
    *((layout.INSTANCE, {field: value}, status) for field, value, status in (
        ("at", "", ARGUMENT), ("at", "a", ARGUMENT), ("at", ":1", ARGUMENT), ("at", "a:", ARGUMENT),
        ("at", "a:0", ARGUMENT), ("at", "a:65536", ARGUMENT), ("at", "a:x", ARGUMENT),
        ("pool", 1, UNKNOWN), ("pool", 0xFFFF_FFFF, UNKNOWN), ("weight", 0, RANGE),
        ("weight", 1001, RANGE),
    )),
    (layout.SERVICE_POOL, dict(service=1), UNKNOWN),
    (layout.SERVICE_POOL, dict(service=0xFFFF_FFFF), UNKNOWN),
    (layout.SERVICE_POOL, dict(pool=1), UNKNOWN),
]  # fmt: skip


TEXT = "version = 1\n[service.a]\npool = 'p'\n[pool.p]\ninstances = [{ at = 'a:1' }]\n"


def with_rows(rows: dict[int, list[dict[str, Any]]]) -> bytes:
    """A blob of one service whose three sections have these rows."""
    return with_sections(TEXT, rows)


def three(**more: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """One row of each section, but for what is given."""
    return {
        layout.POOL: more.get("pools", [POOL]),
        layout.INSTANCE: more.get("instances", [INSTANCE]),
        layout.SERVICE_POOL: more.get("services", [BOUND]),
    }


@pytest.mark.parametrize(("section", "change", "status"), HOSTILE)
def test_a_hostile_row_is_refused_and_its_field_is_named(
    section: int, change: dict[str, Any], status: int
) -> None:
    kernel, rows = Kernel(), three()
    assert refused(kernel, with_rows(rows)).status == 0
    rows[section] = [rows[section][0] | change]
    report = refused(kernel, with_rows(rows))
    assert (report.status, report.section, report.row) == (status, section, 0)
    text, memory = kernel.ffi.new("ray_text *"), kernel.ffi.new("char[]", 200)
    kernel.lib.ray_text_init(text, memory, 200)
    kernel.lib.ray_config_reason_text(report, text)
    said = kernel.ffi.string(memory).decode()
    word = {layout.POOL: "pool", layout.INSTANCE: "instance"}.get(section, "service pool")
    assert said.startswith(f"{word}, row 0, "), said


def test_rows_of_one_name_and_rows_past_the_table_are_refused() -> None:
    kernel = Kernel(profile="tiny")
    assert refused(kernel, with_rows(three(pools=[POOL, POOL]))).status == EXISTS
    assert refused(kernel, with_rows(three(instances=[INSTANCE, INSTANCE]))).status == EXISTS
    assert refused(kernel, with_rows(three(services=[BOUND, BOUND]))).status == EXISTS
    pools = [POOL | dict(name=f"p{i}") for i in range(5)]
    assert refused(kernel, with_rows(three(pools=pools))).status == FULL
    instances = [INSTANCE | dict(at=f"a:{i + 1}") for i in range(9)]
    assert refused(kernel, with_rows(three(instances=instances))).status == FULL
    maglev = [POOL | dict(name=f"p{i}", strategy=5) for i in range(2)]
    assert refused(kernel, with_rows(three(pools=maglev))).status == FULL
    ring = three(pools=[POOL | dict(strategy=4)], instances=instances[:2])
    assert refused(kernel, with_rows(ring)).status == FULL


# -- reload ---------------------------------------------------------------------------------------
HEAD = "version = 1\n"
A = "[service.a]\npool = 'api'\n"
B = "[service.b]\npool = 'web'\n"
API = "[pool.api]\nhealth = {}\ninstances = [{ at = 'x:1' }, { at = 'y:1', weight = 2 }]\n"
WEB = "[pool.web]\ninstances = [{ at = 'x:1' }]\n"


def loaded(text: str) -> tuple[Kernel, LoadBalancer]:
    """A Kernel with this configuration, and its pools."""
    kernel = Kernel(config=config.loads(text))
    return kernel, LoadBalancer(kernel=kernel)


def by_key(lb: LoadBalancer, pool: str) -> dict[str, Any]:
    """The instances of a pool by HOST:PORT."""
    out, name = lb.ffi.new("uint32_t *"), pool.encode()
    assert lb.lib.ray_lb_find_pool(lb._state, name, len(name), out) == 0
    found = [lb.get_instance(id) for id in lb.get_pool(int(out[0])).instances]
    return {f"{one.address}:{one.port}": one for one in found}


def test_health_connections_and_counts_follow_the_key_through_a_reload() -> None:
    kernel, lb = loaded(HEAD + A + B + API + WEB)
    x, y = by_key(lb, "api")["x:1"], by_key(lb, "api")["y:1"]
    lb.mark_healthy(x.id)
    lb.mark_unhealthy(y.id)
    lb.increment_connections(x.id)
    lb.increment_connections(y.id)
    turned = API.replace("{ at = 'x:1' }, { at = 'y:1', weight = 2 }",
                         "{ at = 'y:1', weight = 5 }, { at = 'z:1' }, { at = 'x:1' }")
    kernel.configure(config.loads(HEAD + B + WEB + A + turned).blob)
    now = by_key(lb, "api")
    assert (now["x:1"].health, now["x:1"].connections) == (HealthStatus.HEALTHY, 1)
    assert (now["y:1"].health, now["y:1"].connections, now["y:1"].weight) == (
        HealthStatus.UNHEALTHY, 1, 5)  # fmt: skip
    assert (now["z:1"].health, now["z:1"].connections) == (HealthStatus.UNKNOWN, 0)
    assert by_key(lb, "web")["x:1"].connections == 0 and kernel.valid() == 0


def test_services_that_change_places_keep_their_pools() -> None:
    kernel, lb = loaded(HEAD + A + B + API + WEB)

    def pools() -> list[str]:
        return [lb.get_pool(lb.lib.ray_lb_pool_of(lb._state, at)).name for at in (0, 1)]

    assert pools() == ["api", "web"]
    kernel.configure(config.loads(HEAD + B + A + WEB + API).blob)
    assert pools() == ["web", "api"] and kernel.valid() == 0
    kernel.configure(config.loads(HEAD + B.replace("web", "api") + "[service.a]\n" + API).blob)
    assert lb.get_pool(lb.lib.ray_lb_pool_of(lb._state, 0)).name == "api"
    assert lb.lib.ray_lb_pool_of(lb._state, 1) == 0xFFFF_FFFF and kernel.valid() == 0


def test_an_instance_that_left_the_file_drains_and_goes_with_its_last_connection() -> None:
    kernel, lb = loaded(HEAD + A + API)
    lb.increment_connections(by_key(lb, "api")["y:1"].id)
    kernel.configure(config.loads(HEAD + A + API.replace(", { at = 'y:1', weight = 2 }", "")).blob)
    gone = by_key(lb, "api")["y:1"]
    assert gone.draining and not gone.fit and kernel.valid() == 0
    lb.lib.ray_lb_close(lb._state, 0, gone.id)
    assert set(by_key(lb, "api")) == {"x:1"} and kernel.valid() == 0


def test_what_discovery_brought_stays_while_the_pool_is_still_discovered() -> None:
    found = API + "discover = { dns = 'api.internal' }\n"
    kernel, lb = loaded(HEAD + A + found)
    lb.discover(0, [("x", 1, 1), ("w", 9, 4)])
    assert set(by_key(lb, "api")) == {"x:1", "w:9"}
    kernel.configure(config.loads(HEAD + A + found).blob)
    assert set(by_key(lb, "api")) == {"x:1", "y:1", "w:9"}
    kernel.configure(config.loads(HEAD + A + API).blob)
    assert set(by_key(lb, "api")) == {"x:1", "y:1"} and kernel.valid() == 0
