# SPDX-License-Identifier: MIT
"""structured fields: what the core writes about limits reads as an RFC 9651 list; the reader that
says so is held against the suite's strings, integers and their parameters."""

from __future__ import annotations

import json
from typing import Any

from host_sim.modules.ratelimit import RateLimiter, RateLimitRequest
from tests.data import data
from tests.shell_rig import Rig, rayos_blob
from tests.structured import read_list

FILES = ("string.json", "number.json", "param-list.json", "list.json")


def is_ours(value: Any) -> bool:
    """Made of strings, integers, lists and flags alone."""
    if isinstance(value, list):
        return all(is_ours(one) for one in value)
    return isinstance(value, (str, int))


def test_the_reader_agrees_with_the_suite() -> None:
    read = refused = others = 0
    for name in FILES:
        for case in json.loads(data("structured-fields", name).read_text()):
            text = ",".join(case["raw"])
            if case.get("must_fail"):
                if case["header_type"] != "list" and "," in text:
                    others += 1
                    continue
                try:
                    read_list(text)
                except ValueError:
                    refused += 1
                else:
                    assert text.strip(" ") == "" or case["header_type"] == "item", case
                    others += 1
                continue
            expected = case["expected"]
            members = [expected] if case["header_type"] == "item" else expected
            if case.get("can_fail") or not is_ours(members):
                others += 1
                continue
            assert [[v, [list(p) for p in more]] for v, more in read_list(text)] == members, case
            read += 1
    print(f"structured-fields: {read} read, {refused} refused, {others} not ours")
    assert (read, refused, others) == (23, 37, 22)


def said_by(limiter: RateLimiter) -> dict[str, list[Any]]:
    fields = limiter.headers(RateLimitRequest(0), now_ns=0)
    return {name: read_list(fields[name]) for name in ("RateLimit-Policy", "RateLimit")}


def test_what_the_core_writes_reads_as_a_list_of_strings_and_integers() -> None:
    limiter = RateLimiter()
    limiter.add_fixed_window(0, limit=7, window_ns=60 * 10**9, name="A.b-c_9")
    limiter.add_token_bucket(0, capacity=20, refill_rate=10, name="z")
    policy = said_by(limiter)["RateLimit-Policy"]
    assert sorted(policy) == [("A.b-c_9", (("q", 7), ("w", 60))), ("z", (("q", 20), ("w", 2)))]
    left = said_by(limiter)["RateLimit"]
    assert [[key for key, _ in more] for _, more in left] == [["r", "t"]] * 2
    # An integer has 15 digits at most; the core's own may have 20.
    limiter = RateLimiter()
    limiter.add_fixed_window(0, limit=2**32 - 1, window_ns=10**9, name="most")
    assert dict(said_by(limiter)["RateLimit-Policy"][0][1])["q"] == 2**32 - 1


def test_what_a_request_through_the_kernel_is_told_reads_too() -> None:
    rig = Rig(config=rayos_blob())
    lines = rig.json("request GET /kernel/version --user me")["headers"]
    fields = dict(line.split(": ", 1) for line in lines)
    policy, left = read_list(fields["RateLimit-Policy"]), read_list(fields["RateLimit"])
    assert policy and [name for name, _ in policy] == [name for name, _ in left]
    for _, more in (*policy, *left):
        assert all(isinstance(value, int) and value >= 0 for _, value in more)
