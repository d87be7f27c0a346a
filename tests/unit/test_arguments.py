# SPDX-License-Identifier: MIT
"""Every public method of the twelve classes and of Kernel, given values no argument can have: what
comes out is raygate's own and names the argument, and no byte of the state is another."""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from host_sim import config
from host_sim.arguments import RAW
from host_sim.decision import RequestFields
from host_sim.errors import ArgumentError, RangeError, RaygateError
from host_sim.kernel import Kernel
from host_sim.modules.gateway import ApiGateway, ApiRequest
from host_sim.modules.quota import QuotaManager

CLASSES = {
    "apimon": "ApiMonitor", "auth": "AuthenticationManager", "cost": "CostCollector",
    "gateway": "ApiGateway", "governance": "GovernanceCollector", "lb": "LoadBalancer",
    "mediator": "RequestMediator", "policy": "PolicyEngine", "priority": "PriorityScheduler",
    "quota": "QuotaManager", "ratelimit": "RateLimiter", "resilience": "ResilienceManager",
}  # fmt: skip
IMPOSSIBLE: list[Any] = [
    -1, -(2**64), 2**32, 2**64, 2**70, 1.5, None, True, "a\0b", "x" * 100_000, "\ud800", b"\0", [],
    {}, object(),
]  # fmt: skip
FILE = """version = 1
[service.a]
[tenant.t]
plan = "p"
[[route]]
name = "r"
service = "a"
path = { prefix = "/" }
[[limit]]
name = "l"
rate = "5/s"
[[quota]]
name = "q"
limit = 5
[pool.p]
instances = [{ at = "10.0.0.1:80" }]
[resilience.a]
breaker = { failures = 3 }
[transform.x]
[cost.a]
base = "0.1"
[[policy]]
name = "y"
action = "allow"
""".replace('rate = "5/s"', 'rate = "5/s"\nscope = "user"')
# What runs the caller's own function, or waits for a line from it: no argument of the core's.
OWN = {"execute", "call", "decision", "step"}


def made(word: str) -> Any:
    """The class of a word, alone; "kernel": a Kernel."""
    if word == "kernel":
        return Kernel(profile="tiny", config=config.loads(FILE, profile="tiny"))
    return getattr(importlib.import_module(f"host_sim.modules.{word}"), CLASSES[word])(
        profile="tiny")


def methods(one: Any) -> Iterator[tuple[str, inspect.Signature]]:
    for name, method in inspect.getmembers(type(one), inspect.isfunction):
        if name[0] != "_" and name not in OWN:
            yield name, inspect.signature(method)


def calls(signature: inspect.Signature) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each argument in turn impossible, the required others plain."""
    plain: dict[str, Any] = {}
    named = [p for p in list(signature.parameters.values())[1:]
             if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for one in named:
        if one.default is one.empty:
            plain[one.name] = "a" if "str" in str(one.annotation) else 0
    for one in named:
        for value in IMPOSSIBLE:
            yield one.name, {**plain, one.name: value}


@pytest.mark.parametrize("word", [*CLASSES, "kernel"])
def test_nothing_below_python_is_heard_and_no_byte_changes(word: str) -> None:
    one, heard, tried = made(word), 0, 0
    start = one.snapshot()
    for name, signature in methods(one):
        for argument, given in calls(signature):
            where = f"{name}({argument}={given[argument]!r:.40})"
            tried += 1
            try:
                getattr(one, name)(**given)
            except RaygateError as error:
                if isinstance(error.__cause__, RAW) or type(error) in (ArgumentError, RangeError):
                    heard += 1
                    assert error.what and len(error.what) < 600, where
                if isinstance(error.__cause__, RAW):
                    assert one.snapshot() == start, where
            except RAW as error:
                pytest.fail(f"{where}: {type(error).__name__}: {error}")
            except OSError:
                assert name == "configure", where  # a path that no file can have
            if one.snapshot() != start:  # it was possible after all
                one = made(word)
                start = one.snapshot()
    assert one.valid() == 0
    assert heard > tried // 6, "most of these values are impossible"


NUMBERS = [name for name, kind in typing.get_type_hints(RequestFields).items() if kind is int]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [-1, 2**64, 1.5, "7", None])
def test_a_requests_field_is_named_with_its_range(field: str, value: Any) -> None:
    kernel = made("kernel")
    before = kernel.snapshot()
    with pytest.raises((ArgumentError, RangeError), match=re.escape(field)) as caught:
        kernel.admit("/", **{field: value})
    assert repr(value) in caught.value.what and kernel.snapshot() == before


ROWS = [  # call, class, what it says
    (lambda: QuotaManager(profile="tiny").update_limit(2**40, 1), RangeError,
     "quota_id is 0 to 4294967295, not 1099511627776"),
    (lambda: QuotaManager(profile="tiny").update_limit(-1, 1), RangeError, "not -1"),
    (lambda: QuotaManager(profile="tiny").update_limit("7", 1), ArgumentError,  # type: ignore
     "quota_id is a whole number, not '7'"),
    (lambda: QuotaManager(profile="tiny").allocate_quota(None, limit=1, window_size_sec="a\0b"),
     ArgumentError, "window_size_sec is a whole number"),
    (lambda: ApiGateway(profile="tiny").register_service(None), ArgumentError,  # type: ignore
     "name is text, not None"),
    (lambda: QuotaManager(profile="tiny", seed=None), ArgumentError,  # type: ignore
     "seed is bytes, not None"),
    (lambda: Kernel(profile="tiny").shell(7), ArgumentError, "line is text, not 7"),  # type: ignore
    (lambda: Kernel(profile="tiny").admit("/\u20ac"), ArgumentError, "target"),
    (lambda: Kernel(profile="tiny").audit("x"), ArgumentError,  # type: ignore
     "last is a whole number, not 'x'"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[str(place) for place in range(len(ROWS))])
def test_the_argument_its_value_and_its_range_are_said(row: Any) -> None:
    call, kind, words = row
    with pytest.raises(kind) as caught:
        call()
    assert words in caught.value.what


def test_a_call_that_does_not_fit_the_method_stays_pythons() -> None:
    with pytest.raises(TypeError, match="missing 1 required"):
        made("quota").update_limit(1)
    with pytest.raises(TypeError, match="unexpected keyword"):
        made("quota").valid(now=1)


def test_errors_of_the_callers_own_code_stay_its_own() -> None:
    def transport(record: Any) -> Any:
        raise TypeError(f"mine, of {type(record).__name__}")

    gateway = ApiGateway(profile="tiny")
    gateway.add_route("/", service_id=gateway.register_service("a", host="a", port=80))
    with pytest.raises(TypeError, match="mine, of DispatchRecord"):
        gateway.dispatch_request(ApiRequest("GET", "/"), transport=transport)


def test_an_error_of_our_own_is_not_blamed_on_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    quota = made("quota")
    monkeypatch.setattr(quota, "_pass", lambda _: {}["no such row"])
    with pytest.raises(KeyError):
        quota.allocate_quota(None, limit=1)
