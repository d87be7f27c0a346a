# SPDX-License-Identifier: MIT
"""The AT&T testregex files, 345 cases, through the compiler and the core's own table runner.

The suite searches; our tables are anchored. So each expression is asked twice: between "anything"
it must say whether the haystack has a match, and (where it has no anchors of its own) alone it must
accept the first match and nothing that starts further left.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from host_sim import _raw
from host_sim.regex import compile_dfa, compile_table
from tests.data import data

ANYTHING = r"[\x00-\xff]*"
FILES = ("basic", "repetition", "nullsubexpr")


def cases() -> Iterator[dict[str, Any]]:
    for name in FILES:
        with data("regex", f"{name}.toml").open("rb") as file:
            yield from tomllib.load(file)["test"]


def expression(case: dict[str, Any]) -> str:
    return ("(?i)" if case.get("case-insensitive") else "") + str(case["regex"])


def haystack(case: dict[str, Any]) -> bytes:
    text: str = case["haystack"]
    if case.get("unescape"):
        text = text.encode().decode("unicode_escape")
    return text.encode("latin-1")


def runs(table: bytes, text: bytes) -> bool:
    """What the core says of the table and the text."""
    raw = _raw.load("seed")
    views = []
    for part in (table, text):
        view = raw.ffi.new("ray_view *")
        keep = raw.ffi.from_buffer("uint8_t[]", part)
        view.at, view.length = keep, len(part)
        views.append((view, keep))
    assert raw.lib.ray_gateway_check_table(views[0][0][0]) == 0
    return bool(raw.lib.ray_gateway_run_table(views[0][0][0], views[1][0][0]))


def test_every_case_finds_what_it_should(capsys: pytest.CaptureFixture[str]) -> None:
    count = found = 0
    for case in cases():
        before = "" if case.get("anchored") else ANYTHING
        table = compile_table(f"{before}(?:{expression(case)}){ANYTHING}")
        assert runs(table, haystack(case)) == bool(case["matches"]), case
        count += 1
        found += bool(case["matches"])
    with capsys.disabled():
        print(f"\nregex: {count} cases, {found} with a match, 0 skipped")
    assert count == 345


def test_the_first_match_is_accepted_and_none_starts_further_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count = 0
    for case in cases():
        if not case["matches"] or set(case["regex"].replace("[^", "[")) & set("^$"):
            continue
        (start, end), text = case["matches"][0][0], haystack(case)
        dfa = compile_dfa(expression(case))
        assert dfa.matches(text[start:end]), case
        assert runs(dfa.table(), text[start:end])
        earlier = [(a, b) for a in range(start) for b in range(a, len(text) + 1)]
        assert not any(dfa.matches(text[a:b]) for a, b in earlier), case
        count += 1
    with capsys.disabled():
        print(f"\nregex: {count} first matches in place")
    assert count > 250
