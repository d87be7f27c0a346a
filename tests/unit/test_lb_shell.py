# SPDX-License-Identifier: MIT
"""lb at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.lb import BalancingStrategy, HealthStatus, LoadBalancer

S = 1_000_000_000
ARGUMENT, UNKNOWN, FULL, EXISTS, USED, RANGE, STATE, SYNTAX = -1, -2, -4, -5, -6, -7, -9, -13
FILE = """version = 1
[service.orders]
pool = "orders"
[service.search]
[pool.orders]
health = { rise = 2, fall = 2 }
eject = { after = 3, for = "20s" }
panic = { below = "40%" }
connections = { max = 8, idle_max = 2 }
instances = [{ at = "10.0.0.1:80", weight = 3 }, { at = "10.0.0.2:80" }]
[pool.sessions]
strategy = "maglev"
sticky = { cookie = "SID" }
instances = [{ at = "a:1" }, { at = "b:1" }]
"""


@pytest.fixture
def kernel() -> Kernel:
    """Two pools, one of them a service's."""
    kernel = Kernel(config=config.loads(FILE))
    kernel.tick(S)
    return kernel


def said(kernel: Kernel, line: str) -> str:
    """The text of a command that succeeds."""
    answer = kernel.shell(line)
    assert answer.status == 0, answer.text
    assert kernel.valid() == 0
    return answer.text


def told(kernel: Kernel, line: str) -> Any:
    """The JSON of a reading command, which changes no byte."""
    before = kernel.digest()
    answer = kernel.shell(f"{line} --json")
    assert answer.status == 0 and kernel.digest() == before, answer.text
    return json.loads(answer.text)


def test_status_list_show_and_instances_say_who_is_there(kernel: Kernel) -> None:
    lb = LoadBalancer(kernel=kernel)
    first = lb.get_pool(0).instances[0]
    lb.mark_healthy(first)
    lb.increment_connections(first)
    status = told(kernel, "lb status")
    assert (status["pools"], status["instances"], status["connections"]) == (2, 4, 1)
    assert "of 128" in said(kernel, "lb status") and "of 256" in said(kernel, "lb status")
    rows = told(kernel, "lb list")["pools"]
    assert [(row["pool"], row["strategy"], row["fit"], row["services"]) for row in rows] == [
        ("orders", "round_robin", 1, 1), ("sessions", "maglev", 2, 0)]  # fmt: skip
    assert "1/2" in said(kernel, "lb list") and "2/2" in said(kernel, "lb list")
    shown = told(kernel, "lb show orders")
    assert (shown["connections_max"], shown["connections"], shown["panic_percent"]) == (8, 1, 40)
    assert [(one["instance"], one["health"], one["weight"]) for one in shown["instances"]] == [
        ("10.0.0.1:80", "healthy", 3), ("10.0.0.2:80", "unknown", 1)]  # fmt: skip
    text = said(kernel, "lb show orders")
    for words in ("1 of 2", "1 of 8", "20s", "40%", "round_robin", "10.0.0.2:80", "unknown"):
        assert words in text, words
    assert "cookie SID" in said(kernel, "lb show sessions")
    assert len(told(kernel, "lb instances")["instances"]) == 4
    one = told(kernel, "lb instances sessions")["instances"]
    assert [(row["pool"], row["instance"]) for row in one] == [
        ("sessions", "a:1"), ("sessions", "b:1")]  # fmt: skip
    assert "10.0.0.1:80" in said(kernel, "lb instances")


def test_test_says_who_would_be_picked_and_how_keys_spread(kernel: Kernel) -> None:
    lb = LoadBalancer(kernel=kernel)
    assert said(kernel, "lb test orders") == "would go to 10.0.0.1:80\n"
    for at in ("10.0.0.1:80", "10.0.0.2:80"):
        said(kernel, f"lb health orders {at} unhealthy")
    assert "10.0.0.1:80, whatever its health" in said(kernel, "lb test orders")
    assert "panic: health is ignored" in said(kernel, "lb show orders")
    assert said(kernel, "lb test sessions --key=77") == said(kernel, "lb test sessions --key=77")
    picked = told(kernel, "lb test sessions --key=77")["instance"]
    want = lb.select_instance(1, key=77).instance
    assert want is not None and picked == f"{lb.get_instance(want).address}:1"
    rows = {one["instance"]: one["keys"] for one in told(kernel, "lb test sessions 2000")[
        "instances"]}  # fmt: skip
    assert sum(rows.values()) == 2000 and all(900 < count < 1100 for count in rows.values())
    assert "a:1" in said(kernel, "lb test sessions --key=5 10")
    assert kernel.shell("lb test orders 10").status == ARGUMENT
    assert kernel.shell("lb test sessions 0").status == RANGE
    for at in ("a:1", "b:1"):
        said(kernel, f"lb health sessions {at} unhealthy")
    assert "would be refused: no-instance" in said(kernel, "lb test sessions")
    assert told(kernel, "lb test sessions 7")["refused"] == 7
    assert told(kernel, "lb test sessions")["granted"] is False


def test_probes_health_draining_and_weight_are_an_operators_too(kernel: Kernel) -> None:
    lb = LoadBalancer(kernel=kernel)
    one, two = lb.get_pool(0).instances
    assert "10.0.0.1:80: unknown" in said(kernel, "lb health orders 10.0.0.1:80 pass")
    assert "10.0.0.1:80: healthy" in said(kernel, "lb health orders 10.0.0.1:80 pass")
    said(kernel, "lb health orders 10.0.0.2:80 fail")
    assert "unhealthy" in said(kernel, "lb health orders 10.0.0.2:80 fail")
    assert lb.get_instance(two).health is HealthStatus.UNHEALTHY
    said(kernel, "lb health orders 10.0.0.2:80 degraded")
    assert lb.get_instance(two).health is HealthStatus.DEGRADED
    said(kernel, "lb drain orders 10.0.0.1:80")
    assert lb.get_instance(one).draining and "draining" in said(kernel, "lb instances orders")
    said(kernel, "lb undrain orders 10.0.0.1:80")
    assert not lb.get_instance(one).draining
    said(kernel, "lb weight orders 10.0.0.1:80 7")
    assert lb.get_instance(one).weight == 7
    records = json.loads(said(kernel, "audit 6 --json"))["records"]
    by = [(row["by_kind"], row["by"]) for row in records if row["by_kind"] == "instance"]
    assert sorted(by) == [("instance", "10.0.0.1:80")] * 4 + [("instance", "10.0.0.2:80")] * 2


def test_pools_and_instances_come_and_go(kernel: Kernel) -> None:
    lb = LoadBalancer(kernel=kernel)
    assert "nobody in it yet" in said(kernel, "lb pool-add web weighted_round_robin")
    assert lb.get_pool(2).strategy is BalancingStrategy.WEIGHTED_ROUND_ROBIN
    said(kernel, "lb add web w:1")
    said(kernel, "lb add web w:2 5")
    assert [lb.get_instance(id).weight for id in lb.get_pool(2).instances] == [1, 5]
    said(kernel, "lb bind search web")
    assert lb.lib.ray_lb_pool_of(lb._state, 1) == 2
    said(kernel, "lb bind search")
    assert lb.lib.ray_lb_pool_of(lb._state, 1) == 0xFFFF_FFFF
    assert said(kernel, "lb discover web w:2=3 w:9") == "web: 2 instances\n"
    found = [lb.get_instance(id) for id in lb.get_pool(2).instances]
    assert sorted((one.port, one.weight) for one in found) == [(2, 3), (9, 1)]
    lb.select_instance(2)
    lb.reset_index(2)
    assert "anew" in said(kernel, "lb reset web")
    before = kernel.digest()
    assert kernel.shell("lb remove web w:9").status == STATE
    assert kernel.shell("lb pool-remove web").status == STATE and kernel.digest() == before
    busy = next(one for one in found if lb.get_instance(one.id).connections)
    idle = next(one for one in found if one is not busy)
    assert "last connection" in said(kernel, f"confirm lb remove web w:{busy.port}")
    assert lb.get_instance(busy.id).draining
    assert "gone" in said(kernel, f"confirm lb remove web w:{idle.port}")
    assert "gone" in said(kernel, "confirm lb pool-remove web")
    assert [row["pool"] for row in told(kernel, "lb list")["pools"]] == ["orders", "sessions"]
    assert lb.get_connection_count() == 0


def test_a_pool_that_serves_somebody_stays_until_another_does(kernel: Kernel) -> None:
    before = kernel.digest()
    for line in ("lb pool-remove orders", "confirm lb pool-remove orders"):
        refused = kernel.shell(line)
        assert refused.status == USED and kernel.digest() == before
        assert refused.text == (
            'error: this pool serves: "orders"; say lb bind SERVICE [POOL] first\n')
    said(kernel, "lb bind orders sessions")
    assert "gone" in said(kernel, "confirm lb pool-remove orders")
    assert kernel.shell("confirm lb pool-remove sessions").status == USED
    said(kernel, "lb bind orders")                          # by no pool: its own address again
    assert "gone" in said(kernel, "confirm lb pool-remove sessions") and kernel.valid() == 0


WRONG = [
    ("lb show order", UNKNOWN, 'did you mean "orders"?'),
    ("lb instances nothing", UNKNOWN, "no pool"),
    ("lb health orders 10.0.0.3:80 pass", UNKNOWN, 'did you mean "10.0.0.1:80"?'),
    ("lb health orders 10.0.0.1:80 fine", ARGUMENT, "pass or fail"),
    ("lb drain orders x:1", UNKNOWN, "no such instance"),
    ("lb weight orders 10.0.0.1:80 0", RANGE, "1 to 1000"),
    ("lb weight orders 10.0.0.1:80 x", SYNTAX, "1 to 1000"),
    ("lb add orders 10.0.0.1", ARGUMENT, "HOST:PORT"),
    ("lb add orders 10.0.0.1:80", EXISTS, "of that name"),
    ("lb add orders c:1 1001", RANGE, "1 to 1000"),
    ("lb pool-add orders", EXISTS, "of that name"),
    ("lb pool-add a/b", ARGUMENT, "a name is"),
    ("lb pool-add c random", ARGUMENT, "least_connections"),
    ("lb pool-add c maglev extra", SYNTAX, ""),
    ("lb bind order orders", UNKNOWN, 'did you mean "orders"?'),
    ("lb bind orders nothing", UNKNOWN, "no pool"),
    ("lb discover orders a:1 a:1", EXISTS, "the last set stays"),
    ("lb discover orders a:1=0", RANGE, "1 to 1000"),
    ("lb discover orders a:0", ARGUMENT, "the last set stays"),
    ("lb export xml", ARGUMENT, "csv, json, prometheus or"),
    ("lb lst", UNKNOWN, 'did you mean "list"?'),
    ("lb reset orders --json", ARGUMENT, "--json"),
]


@pytest.mark.parametrize(("line", "status", "words"), WRONG)
def test_a_wrong_word_changes_nothing_and_the_answer_says_what_is_right(
    kernel: Kernel, line: str, status: int, words: str
) -> None:
    before = kernel.digest()
    answer = kernel.shell(line)
    assert answer.text.startswith("error: ") and words in answer.text, answer
    assert answer.status == status or words == "", answer
    assert answer.status < 0 and kernel.digest() == before and kernel.valid() == 0


def test_exports_have_fixed_columns_and_help_names_every_subcommand(kernel: Kernel) -> None:
    lines = said(kernel, "lb export csv").splitlines()
    assert lines[0].startswith("pool,instance,weight,health,fit") and len(lines) == 5
    assert lines[1].startswith("orders,10.0.0.1:80,3,unknown,1,0,")
    pools = json.loads(said(kernel, "lb export json"))["pools"]
    assert [len(pool["instances"]) for pool in pools] == [2, 2]
    assert told(kernel, "lb export")["pools"] == pools
    text = said(kernel, "lb help")
    for word in ("status", "pool-add", "undrain", "discover", "(confirm)"):
        assert word in text, word
