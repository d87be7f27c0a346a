# SPDX-License-Identifier: MIT
"""structured fields: what the core writes about limits is an RFC 9651 list in its one canonical
form. Reader and writer that say so are held against the suite's strings, integers and parameters,
and the core's own writer against every value of the suite that it can be given."""

from __future__ import annotations

import collections
import json
import re
from typing import Any

from host_sim.errors import RaygateError
from host_sim.modules.ratelimit import RateLimiter, RateLimitRequest
from tests.data import data
from tests.shell_rig import Rig, rayos_blob
from tests.structured import read_list, write_item, write_list

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


# -- writing --------------------------------------------------------------------------------------
WRITTEN = ("string.json", "number.json", "token.json", "param-list.json", "list.json",
           "serialisation/string-generated.json", "serialisation/number.json")  # fmt: skip
# The core's writer puts a list of limits: names as strings, and integers as their parameters.
NO_NEED = {
    "token": "names are strings", "fraction": "numbers are whole", "negative": "none is below zero",
    "list": "members are names, none is a number alone", "name": "no limit may have that name",
}  # fmt: skip


def cases_to_write() -> list[Any]:
    return [case for name in WRITTEN
            for case in json.loads(data("structured-fields", *name.split("/")).read_text())
            if "expected" in case and not case.get("can_fail")]  # fmt: skip


def canonical(case: Any) -> str:
    return ", ".join(case.get("canonical", case.get("raw", [])))


def test_the_canonical_form_is_the_suites() -> None:
    written = refused = 0
    for case in cases_to_write():
        expected = case["expected"]
        members = [expected] if case["header_type"] == "item" else expected
        if case.get("must_fail") and is_ours(members):
            try:
                write_list(members)
            except ValueError:
                refused += 1
            else:
                raise AssertionError(case)
        elif is_ours(members):
            assert write_list(members) == canonical(case), case
            written += 1
    print(f"structured-fields: {written} written in their canonical form, {refused} refused")
    assert (written, refused) == (23, 35)


def written_by_the_core(value: int | str) -> str | None:
    """A string as the name of a limit, an integer as its quota, or 0 as what is left of it; None
    when no limit can say it, so that the writer is never asked."""
    limiter = RateLimiter()
    name, limit = (value, 1) if isinstance(value, str) else ("n", max(value, 1))
    try:
        if not name:
            return None  # a limit without a name is given one
        limiter.add_fixed_window(0, limit=limit, window_ns=10**9, name=name)
    except RaygateError:
        return None
    said = limiter.headers(RateLimitRequest(0), now_ns=0)
    if isinstance(value, str):
        return said["RateLimit-Policy"].removesuffix(";q=1;w=1")
    field, key = ("RateLimit", "r") if value == 0 else ("RateLimit-Policy", "q")
    found = re.fullmatch(rf'"n";{key}=([^;]*);.*', said[field])
    return found[1] if found else None


def kind_of(case: Any) -> str:
    """What the writer has no need of; "" for what it may be given."""
    expected = case["expected"]
    if case["header_type"] != "item":
        return "token" if "token" in json.dumps(expected) else "list"
    value = expected[0]
    if isinstance(value, dict):
        return "token"
    if isinstance(value, float):
        return "fraction"
    return "negative" if isinstance(value, int) and value < 0 else ""


def test_the_cores_writer_says_each_value_it_can_be_given_as_the_suite_does() -> None:
    skipped: collections.Counter[str] = collections.Counter()
    exact = refused = capped = 0
    for case in cases_to_write():
        kind, value = kind_of(case), case["expected"][0] if case["expected"] else None
        made = None if kind else written_by_the_core(value)
        if kind or (made is None and not case.get("must_fail")):
            skipped[kind or "name"] += 1
        elif not case.get("must_fail"):
            assert made == canonical(case), case
            exact += 1
        elif made is None:
            refused += 1
        else:  # a header cannot fail: what 15 digits cannot say is promised less of
            assert made == write_item(10**15 - 1) and value >= 10**15, case
            capped += 1
    why = "; ".join(f"{count} {NO_NEED[kind]}" for kind, count in sorted(skipped.items()))
    print(f"structured-fields: the core writes {exact} as the suite does, refuses {refused} and "
          f"caps {capped}; it has no need of {sum(skipped.values())}: {why}")
    assert (exact, refused, capped) == (6, 33, 1)
    assert skipped == {"token": 16, "fraction": 15, "list": 10, "name": 5, "negative": 4}


def test_every_name_a_limit_may_have_and_every_number_is_in_its_canonical_form() -> None:
    for name in ("a", "A.b-c_9", "x:y", "9" * 23, "-", "*"):
        made = written_by_the_core(name)
        assert made == (None if name == "*" else write_item(name))
    for value in (0, 1, 9, 10, 2**32, 2**49 + 1, 10**15 - 1):
        assert written_by_the_core(value) == write_item(value)
    assert written_by_the_core(2**62) == write_item(10**15 - 1)


def said_by(limiter: RateLimiter) -> dict[str, list[Any]]:
    fields = limiter.headers(RateLimitRequest(0), now_ns=0)
    said = {name: read_list(fields[name]) for name in ("RateLimit-Policy", "RateLimit")}
    assert {name: write_list(members) for name, members in said.items()} == {
        name: fields[name] for name in said}  # fmt: skip
    return said


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
    assert write_list(policy) == fields["RateLimit-Policy"]
    assert write_list(left) == fields["RateLimit"]
    assert policy and [name for name, _ in policy] == [name for name, _ in left]
    for _, more in (*policy, *left):
        assert all(isinstance(value, int) and value >= 0 for _, value in more)
