# SPDX-License-Identifier: MIT
"""quota: what waits to be named is charged only where a query names it, times its weight."""

from __future__ import annotations

import pytest

from host_sim import config
from host_sim.modules.quota import NONE, QuotaManager, QuotaType
from tests.configs import HEAD, quota

S = 1_000_000_000
RANGE, WEIGHT_MAX = -7, 65_535


class Charged:
    """A manager with quotas, asked as the pipeline asks."""

    def __init__(self) -> None:
        self.manager = QuotaManager()
        self.ffi, self.lib = self.manager.ffi, self.manager.lib
        self.state = self.manager._state

    def add(self, name, limit=100, kind=QuotaType.REQUEST_COUNT, named=True, **terms):
        return self.manager.allocate_quota(
            terms.pop("tenant", None), limit=limit, quota_type=kind, name=name, named=named, **terms
        )

    def query(self, *names, tenant=0, size=7):
        query = self.ffi.new("ray_quota_query *")
        query.units = [1, size, 0, 0, *[0] * (self.lib.RAY_QUOTA_TYPE_MAX - 4)]
        query.tenant, query.plan, query.service = tenant, NONE, NONE
        query.named_count = len(names)
        for place, (quota_id, weight) in enumerate(names):
            query.named[place], query.named_weight[place] = quota_id, weight
        return query

    def ask(self, *names, **more):
        answers = self.ffi.new("ray_quota_answers *")
        status = self.lib.ray_quota_ask(self.state, S, self.query(*names, **more), answers)
        return answers if status == 0 else status

    def exchange(self, *names, settled=7, **more):
        """Asks, takes and settles; the answers."""
        query, answers = self.query(*names, **more), self.ask(*names, **more)
        holds = self.ffi.new("ray_quota_hold[]", self.lib.RAY_REQUEST_QUOTA_MAX)
        if answers.granted:
            count = self.lib.ray_quota_take(self.state, S, query, answers, holds)
            units = [1, settled, 0, 0, *[0] * (self.lib.RAY_QUOTA_TYPE_MAX - 4)]
            self.lib.ray_quota_settle(self.state, S, 0, holds, count, units)
        assert self.manager.valid() == 0
        return answers

    def used(self, quota_id, tenant=0):
        return self.manager.get_quota_status(quota_id, tenant_id=tenant).usage.current_usage


@pytest.fixture
def charged() -> Charged:
    return Charged()


def test_it_is_left_out_unless_named_and_then_counts_its_weight(charged):
    named, plain = charged.add("extra"), charged.add("plain", named=False)
    assert charged.exchange().count == 1
    assert (charged.used(named), charged.used(plain)) == (0, 1)
    answers = charged.exchange((named, 5))
    assert answers.count == 2 and answers.at[1].units == 5 and answers.at[1].weight == 5
    assert (charged.used(named), charged.used(plain)) == (5, 2)
    assert charged.manager.get_allocation(named).named


def test_weight_multiplies_what_was_really_used_too(charged):
    named = charged.add("bytes", limit=1000, kind=QuotaType.BYTES_TRANSFERRED)
    charged.exchange((named, 3), settled=11)
    assert charged.used(named) == 33


def test_all_or_nothing_holds_for_named_quotas(charged):
    named, plain = charged.add("extra", limit=4), charged.add("plain", named=False)
    answers = charged.exchange((named, 5))
    assert not answers.granted and answers.at[answers.by].allocation == named
    assert (charged.used(named), charged.used(plain)) == (0, 0)
    assert charged.exchange((named, 4)).granted and charged.used(plain) == 1


def test_what_is_named_twice_gone_not_named_or_not_mine_is_passed_over(charged):
    named, plain = charged.add("extra"), charged.add("plain", named=False)
    other = charged.add("other", tenant=3)
    assert charged.ask((named, 1), (named, 9)).count == 2
    assert charged.ask((plain, 9)).count == 1  # applies by itself, once, with its own weight
    assert charged.ask((other, 1)).count == 1 and charged.ask((other, 1), tenant=3).count == 2
    charged.manager.remove_quota(named)
    assert charged.ask((named, 1)).count == 1
    assert charged.ask((999, 1)).count == 1


@pytest.mark.parametrize("weight", [0, WEIGHT_MAX + 1])
def test_a_weight_outside_its_range_is_refused(charged, weight):
    named = charged.add("extra", limit=2**62)
    assert charged.ask((named, weight)) == RANGE
    assert charged.ask((named, WEIGHT_MAX)).at[0].units == WEIGHT_MAX


def test_it_can_be_charged_by_hand_and_does_not_count_among_six(charged):
    named = [charged.add(f"n{i}") for i in range(10)]
    for place in range(6):
        charged.add(f"p{place}", named=False)
    assert charged.manager.consume_quota(named[3], 2, tenant_id=0).granted
    assert charged.used(named[3]) == 2 and charged.manager.valid() == 0
    assert charged.ask((named[0], 1)) == -1, "six apply by themselves: there is no place for more"


def test_the_file_says_named():
    text = HEAD + quota(name="extra", named=True) + "".join(quota(name=f"q{i}") for i in range(6))
    found = config.examine(text.encode())
    assert found.findings == []
    assert [one.code for one in found.notes if "extra" in one.message] == ["note-unused"]
