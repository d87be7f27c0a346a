# SPDX-License-Identifier: MIT
"""Who pays: a refused body keeps what it took from limits and quotas, a guard's refusal gives it
back (docs/mediator.md, docs/resilience.md)."""

from __future__ import annotations

import pytest

from host_sim.config import loads
from host_sim.kernel import Kernel, Verdict

S = 10**9
FILE = """version = 1
[service.a]
pool = "p"
max_body = "1KiB"
[pool.p]
connections = { max = 2 }
instances = [{ at = "10.0.0.1:80" }]
[tenant.t]
[[route]]
name = "r"
service = "a"
path = { prefix = "/" }
transform = "x"
[schema.order]
n = { type = "int32", required = true }
[transform.x]
request = { from = "json", schema = "order" }
[[limit]]
name = "l"
scope = "service"
service = "a"
rate = "10/h"
[[quota]]
name = "q"
tenant = "t"
limit = 5
window = "day"
"""
GOOD, JSON = b'{"n":1}', "application/json"


def kernel(more: str = "") -> Kernel:
    return Kernel(config=loads(FILE + more))


def left(kernel: Kernel) -> tuple[int, int]:
    said = kernel.explain("/", as_json=True, tenant="t", method="POST", body=GOOD,
                          headers={"Content-Type": JSON})
    return said["ratelimit"][0]["left_tokens"], said["quota"][0]["left_units"]


def post(kernel: Kernel, body: bytes = GOOD, kind: str = JSON) -> tuple[str, int]:
    answer = kernel.admit("/", method="POST", tenant="t", body=body, at_ns=S,
                          headers={"Content-Type": kind})
    assert kernel.valid() == 0
    return ("" if answer.verdict == Verdict.ALLOW else answer.reason), answer.http_status


@pytest.mark.parametrize(("body", "kind", "said"), [
    (b'{"n":"x"}', JSON, ("schema-invalid", 400)), (b'{"n":', JSON, ("body-malformed", 400)),
    (GOOD, "text/csv", ("media-unsupported", 415))])
def test_a_refused_body_keeps_what_it_took(body: bytes, kind: str, said: tuple[str, int]) -> None:
    ray = kernel()
    assert post(ray, body, kind) == said and left(ray) == (9, 4)


def test_a_body_too_long_for_its_service_has_taken_nothing() -> None:
    ray = kernel()
    assert post(ray, b" " * 1025) == ("body-too-large", 413) and left(ray) == (10, 5)


@pytest.mark.parametrize(("guard", "said"), [
    ("breaker = { failures = 1 }", ("breaker-open", 503)),
    ("bulkhead = { concurrent = 1 }", ("bulkhead-full", 503))])
def test_a_guards_refusal_gives_it_back(guard: str, said: tuple[str, int]) -> None:
    ray = kernel(f"[resilience.a]\n{guard}\n")
    assert post(ray) == ("", 200) and left(ray) == (9, 4)
    if "breaker" in guard:
        ray.complete(ray.last_id, http_status=500)
    assert post(ray) == said and left(ray) == (9, 4)


def test_a_pool_with_nobody_and_one_that_is_full_give_it_back() -> None:
    ray = kernel()
    assert [post(ray)[0] for _ in range(3)] == ["", "", "pool-full"] and left(ray) == (8, 3)
    ray = kernel()
    assert ray.shell("lb drain p 10.0.0.1:80").status == 0
    assert post(ray) == ("no-instance", 503) and left(ray) == (10, 5)


@pytest.mark.parametrize(("root", "good"), [("order", True), ("root", False), ("Order", False)])
def test_the_root_of_xml_has_the_schemas_name(root: str, good: bool) -> None:
    ray = Kernel(config=loads(FILE.replace('from = "json"', 'from = "xml", to = "json"')))
    said = post(ray, f"<{root}><n>1</n></{root}>".encode(), "application/xml")
    assert said == (("", 200) if good else ("schema-invalid", 400))
