# SPDX-License-Identifier: MIT
"""Every module's class owns a state or borrows a Kernel's, and knows the time, in the same way."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from host_sim import errors
from host_sim.kernel import Kernel
from host_sim.modules.base import Module
from host_sim.modules.quota import QuotaManager
from tests.tidy.mirror import built


def class_of(word: str) -> type[Module]:
    """The one class of a module's file that has its word."""
    of_file = vars(importlib.import_module(f"host_sim.modules.{word}")).values()
    found = [
        kind for kind in of_file
        if isinstance(kind, type) and issubclass(kind, Module) and kind is not Module
        and kind.__module__ == f"host_sim.modules.{word}" and kind._word == word
    ]
    assert len(found) == 1, f"{word}: {found}"
    return found[0]


WORDS = built(Path(__file__).parents[2])
every = pytest.mark.parametrize("kind", [class_of(word) for word in WORDS], ids=WORDS)


class Plain(Module):
    """All that a module's class must say."""

    _word = "quota"


def test_a_class_names_its_word_and_nothing_else() -> None:
    plain, quota = Plain(seed=b"s" * 16), QuotaManager(seed=b"s" * 16)
    assert (plain.snapshot(), plain.valid()) == (quota.snapshot(), 0)


def test_base_counts_as_no_module() -> None:
    assert {"gateway", "quota", "ratelimit"} <= set(WORDS) and "base" not in WORDS


@every
def test_a_state_is_as_its_seed_says_and_aligned(kind: type[Module]) -> None:
    for profile in ("seed", "edge", "tiny"):
        one, same = (kind(profile=profile, seed=b"s" * 16) for _ in range(2))
        assert one.profile == profile and one.valid() == 0
        assert one.snapshot() == same.snapshot()
        assert int(one.ffi.cast("uintptr_t", one._state)) % 64 == 0
    with pytest.raises(errors.ArgumentError, match="16 bytes, not 15"):
        kind(seed=bytes(15))


@every
def test_a_kernels_state_is_borrowed_with_its_profile_and_clock(kind: type[Module]) -> None:
    kernel = Kernel(profile="tiny")
    kernel.tick(7)
    borrowed = kind(kernel=kernel, wall_offset_ns=5)
    assert (borrowed.profile, borrowed._at(None), borrowed.wall_offset_ns) == ("tiny", 7, 0)
    assert borrowed._pass(9) == 9 and borrowed._at(None) == kernel.lib.ray_clock_now(kernel.ray)
    at, start = (int(kernel.ffi.cast("uintptr_t", p)) for p in (borrowed._state, kernel.ray))
    assert start <= at <= start + kernel._bytes - borrowed._bytes


@every
def test_time_never_runs_backwards_and_a_bad_instant_is_not_kept(kind: type[Module]) -> None:
    alone = kind(now_ns=10, wall_offset_ns=-3)
    assert (alone._at(5), alone._pass(5), alone._pass(20), alone._at(15)) == (10, 10, 20, 20)
    assert (alone._at(30), alone._pass(None), alone.wall_offset_ns) == (30, 20, -3)
    for wrong in (-1, 1 << 64):
        with pytest.raises(errors.RangeError, match="now_ns"):
            alone._pass(wrong)
    assert alone._at(None) == 20
