# SPDX-License-Identifier: MIT
"""lb on a Kernel: admitted requests get an instance and a connection, and give both back."""

from __future__ import annotations

from typing import Any

import pytest

from host_sim import config
from host_sim.errors import StaleError, StateError, UnknownError
from host_sim.kernel import Kernel, Verdict
from host_sim.modules.lb import HealthStatus, LoadBalancer

S = 10**9
TEXT = """version = 1
[tenant.acme]
[service.orders]
timeout = "10s"
pool = "orders"
[[route]]
name = "orders"
service = "orders"
path = { prefix = "/" }
[[limit]]
name = "total"
scope = "service"
service = "orders"
algorithm = "token_bucket"
rate = "1/h"
burst = 1000
[[quota]]
name = "month"
tenant = "acme"
type = "requests"
limit = 1000
window = "month"
"""
THREE = "instances = [{ at = 'a:1' }, { at = 'b:1' }, { at = 'c:1' }]\n"
RETRY = (
    'retry = { attempts = 3, base = "100ms", max = "1s", jitter = "none", on = ["503"], '
    'methods = ["GET"], budget = "none" }\n'
)


def made(pool: str, more: str = "") -> tuple[Kernel, LoadBalancer]:
    """A Kernel whose one service is served by this pool."""
    kernel = Kernel(config=config.loads(f"{TEXT}[pool.orders]\n{pool}{more}"))
    return kernel, LoadBalancer(kernel=kernel)


def ask(kernel: Kernel, at_s: float, **more: Any) -> Any:
    answer = kernel.admit("/x", at_ns=int(at_s * S), tenant="acme", **more)
    assert kernel.valid() == 0
    return answer


def done(kernel: Kernel, id: int, at_s: float, status: int = 200) -> Any:
    answer = kernel.complete(id, at_ns=int(at_s * S), http_status=status)
    assert kernel.valid() == 0
    return answer


def left(kernel: Kernel) -> tuple[int, int]:
    """Tokens and quota units that are left."""
    journey = kernel.explain("/x", as_json=True, tenant="acme")
    return (journey["ratelimit"][0]["left_tokens"], journey["quota"][0]["left_units"])


def instance(lb: LoadBalancer, at: str) -> Any:
    found = (lb.get_instance(id) for id in lb.get_pool(0).instances)
    return next(one for one in found if f"{one.address}:{one.port}" == at)


def test_admitted_requests_take_turns_and_return_their_connections() -> None:
    kernel, lb = made(THREE)
    sent = []
    for second in range(1, 7):
        answer = ask(kernel, second)
        assert answer.verdict == Verdict.ALLOW
        sent.append((answer.instance, kernel.last_id))
    assert [at for at, _ in sent] == ["a:1", "b:1", "c:1"] * 2
    assert lb.get_connection_count() == 6 and instance(lb, "b:1").connections == 2
    for _, id in sent:
        assert done(kernel, id, 7).verdict == Verdict.COMPLETE
    assert lb.get_connection_count() == 0
    assert [instance(lb, at).picked_count for at in ("a:1", "b:1", "c:1")] == [2, 2, 2]
    with pytest.raises((StaleError, StateError, UnknownError)):
        kernel.complete(sent[0][1])
    assert lb.get_connection_count() == 0 and kernel.valid() == 0


def test_exchanges_are_balanced_by_weight_and_end_by_themselves() -> None:
    kernel, lb = made(
        'strategy = "weighted_round_robin"\n'
        "instances = [{ at = 'a:1', weight = 3 }, { at = 'b:1' }]\n"
    )
    seen = [ask(kernel, 1, exchange=True, duration_ns=S, http_status=200).instance
            for _ in range(8)]  # fmt: skip
    assert (seen.count("a:1"), seen.count("b:1")) == (6, 2)
    assert lb.get_connection_count() == 8
    kernel.settle()
    assert lb.get_connection_count() == 0 and kernel.valid() == 0


def test_an_instance_whose_requests_fail_is_ejected_and_comes_back() -> None:
    kernel, lb = made('eject = { after = 2, for = "20s", percent = 50 }\n' + THREE)
    for _ in range(2):
        for _ in range(3):
            at = ask(kernel, 1).instance
            done(kernel, kernel.last_id, 2, 503 if at == "b:1" else 200)
    assert instance(lb, "b:1").ejected_until_ns == 22 * S
    seen = []
    for _ in range(6):
        seen.append(ask(kernel, 3).instance)
        done(kernel, kernel.last_id, 3)
    assert set(seen) == {"a:1", "c:1"}
    back = []
    for _ in range(3):
        back.append(ask(kernel, 23).instance)
        done(kernel, kernel.last_id, 23)
    assert "b:1" in back


def test_a_clients_own_mistakes_eject_nobody() -> None:
    kernel, lb = made('eject = { after = 1, for = "20s" }\n' + THREE)
    for _ in range(6):
        ask(kernel, 1)
        done(kernel, kernel.last_id, 1, 404)
    assert lb.get_pool(0, now_ns=S).fit_count == 3


def test_a_request_that_nobody_answers_in_time_counts_as_failed() -> None:
    kernel, lb = made('eject = { after = 1, for = "60s" }\n' + THREE)
    at = ask(kernel, 1).instance
    kernel.tick(12 * S)  # its deadline is at 11 s
    assert lb.get_connection_count() == 0 and kernel.stats()["inflight_count"] == 0
    assert instance(lb, at).ejected_until_ns == 71 * S and kernel.valid() == 0


def test_without_a_fit_instance_a_request_is_dropped_and_nothing_was_spent() -> None:
    kernel, lb = made(THREE)
    for id in lb.get_pool(0).instances:
        lb.mark_unhealthy(id)
    before = left(kernel)
    answer = ask(kernel, 1)
    assert (answer.verdict, answer.reason, answer.http_status) == (
        Verdict.DROPPED, "no-instance", 503)  # fmt: skip
    assert (answer.by_kind, answer.by) == ("pool", "orders")
    assert left(kernel) == before and lb.get_connection_count() == 0
    lb.mark_healthy(lb.get_pool(0).instances[1])
    assert ask(kernel, 2).instance == "b:1"


def test_a_full_pool_drops_and_says_so() -> None:
    kernel, lb = made("connections = { max = 2 }\n" + THREE)
    ids = []
    for _ in range(2):
        ask(kernel, 1)
        ids.append(kernel.last_id)
    before = left(kernel)
    answer = ask(kernel, 1)
    assert (answer.verdict, answer.reason) == (Verdict.DROPPED, "pool-full")
    assert left(kernel) == before
    done(kernel, ids[0], 2)
    assert ask(kernel, 2).verdict == Verdict.ALLOW and lb.get_connection_count() == 2


def test_a_cookie_keeps_its_instance_and_others_spread() -> None:
    kernel, lb = made('sticky = { cookie = "SID" }\n' + THREE)

    def sent(cookie: str) -> str:
        answer = ask(kernel, 1, headers={"Cookie": f"theme=dark; SID={cookie}; XSID=no"})
        done(kernel, kernel.last_id, 1)
        return str(answer.instance)

    homes = {name: sent(name) for name in (f"user{i}" for i in range(40))}
    assert set(homes.values()) == {"a:1", "b:1", "c:1"}
    assert {name: sent(name) for name in homes} == homes
    lb.mark_unhealthy(instance(lb, "b:1").id)
    moved = {name: sent(name) for name in homes}
    assert all(moved[name] == home for name, home in homes.items() if home != "b:1")
    assert "b:1" not in moved.values()
    lb.mark_healthy(instance(lb, "b:1").id)
    assert {name: sent(name) for name in homes} == homes


@pytest.mark.parametrize("strategy", ["ip_hash", "maglev", "ketama", "nginx_ip_hash"])
def test_an_address_keeps_its_instance(strategy: str) -> None:
    kernel, _ = made(f'strategy = "{strategy}"\n' + THREE)

    def sent(client: str) -> str:
        answer = ask(kernel, 1, client=client)
        done(kernel, kernel.last_id, 1)
        return str(answer.instance)

    homes = {name: sent(name) for name in (f"10.{i * 7}.{i * 3}.1" for i in range(30))}
    assert len(set(homes.values())) == 3
    assert {name: sent(name) for name in homes} == homes


def test_a_retry_goes_to_another_instance() -> None:
    kernel, lb = made('strategy = "ip_hash"\n' + THREE, f"[resilience.orders]\n{RETRY}")
    first = ask(kernel, 1, client="10.0.0.7")
    id = kernel.last_id
    failed = done(kernel, id, 2, 503)
    assert failed.verdict == Verdict.RETRY and lb.get_connection_count() == 0
    again = kernel.dispatch(id, at_ns=failed.start_at_ns)
    assert (again.verdict, again.attempt) == (Verdict.SENT, 2)
    assert again.instance != first.instance and again.instance != ""
    assert lb.get_connection_count() == 1
    done(kernel, id, 4)
    assert lb.get_connection_count() == 0
    assert instance(lb, first.instance).failed_count == 1


def test_a_pool_of_one_is_tried_again_rather_than_nobody() -> None:
    kernel, _ = made("instances = [{ at = 'a:1' }]\n", f"[resilience.orders]\n{RETRY}")
    ask(kernel, 1)
    failed = done(kernel, kernel.last_id, 2, 503)
    assert kernel.dispatch(kernel.last_id, at_ns=failed.start_at_ns).instance == "a:1"


def test_who_waits_for_a_permit_holds_no_connection() -> None:
    kernel, lb = made(THREE, "[resilience.orders]\nbulkhead = { concurrent = 1, waiting = 8 }\n")
    for _ in range(4):
        ask(kernel, 1, exchange=True, duration_ns=S, http_status=200)
    assert lb.get_connection_count() == 1
    kernel.settle()
    assert lb.get_connection_count() == 0
    assert kernel.stats()["completed_count"] == 4 and kernel.valid() == 0


def test_a_reload_while_requests_are_in_flight_loses_no_connection() -> None:
    kernel, lb = made(THREE)
    ids = []
    for _ in range(3):
        ask(kernel, 1)
        ids.append(kernel.last_id)
    lb.mark_unhealthy(instance(lb, "a:1").id)
    fewer = "instances = [{ at = 'd:1' }, { at = 'a:1', weight = 2 }]\n"
    kernel.configure(config.loads(f"{TEXT}[pool.first]\n[pool.orders]\n{fewer}").blob)
    assert kernel.valid() == 0 and lb.get_connection_count() == 3
    pool = lb.lib.ray_lb_pool_of(lb._state, 0)
    found = {lb.get_instance(id).address: lb.get_instance(id) for id in lb.get_pool(pool).instances}
    assert found["a"].health is HealthStatus.UNHEALTHY and found["a"].connections == 1
    assert found["b"].draining and found["c"].draining and found["b"].connections == 1
    assert ask(kernel, 2).instance == "d:1"
    for id in [*ids, kernel.last_id]:
        assert done(kernel, id, 3).verdict == Verdict.COMPLETE
    assert lb.get_connection_count() == 0
    left_over = [lb.get_instance(id).address for id in lb.get_pool(pool).instances]
    assert sorted(left_over) == ["a", "d"]


def test_explain_names_who_would_serve_and_changes_nothing() -> None:
    kernel, lb = made(THREE)
    before = kernel.snapshot()
    said = kernel.explain("/x", as_json=True, tenant="acme")["lb"]
    assert said["instance"] == "a:1" and kernel.snapshot() == before
    assert ask(kernel, 1).instance == "a:1"
    for id in lb.get_pool(0).instances:
        lb.mark_unhealthy(id)
    before = kernel.snapshot()
    said = kernel.explain("/x", as_json=True, tenant="acme")["lb"]
    assert said["granted"] is False and said["reason"] == "no-instance"
    assert kernel.snapshot() == before


def test_a_service_in_the_place_of_a_removed_one_has_neither_its_pool_nor_its_breaker():
    kernel = Kernel(config=config.loads("""version = 1
[service.old]
pool = "p"
[pool.p]
instances = [{ at = "127.0.0.1:1" }]
[resilience.old]
breaker = { failures = 1, open = "1h" }
[[route]]
name = "r"
service = "old"
path = { prefix = "/" }
"""))
    assert kernel.admit("/", exchange=True, http_status=503).instance == "127.0.0.1:1"
    assert kernel.admit("/").reason == "breaker-open"
    for line in ("confirm gateway remove-service old --cascade",
                 "gateway add-service new --at 127.0.0.1:9",
                 "gateway add-route all new prefix /"):
        said = kernel.shell(line)
        assert said.status == 0, said.text
    decision = kernel.admit("/")
    assert (decision.service, decision.reason, decision.instance) == ("new", "no-limit", "")
    assert "p" in kernel.shell("confirm lb pool-remove p").text and kernel.valid() == 0
