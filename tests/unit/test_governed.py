# SPDX-License-Identifier: MIT
"""The governed modules inside one Kernel: what only their meeting can show."""

from __future__ import annotations

import pytest

from host_sim import config as compiler
from host_sim.kernel import Kernel
from host_sim.modules.priority import PriorityScheduler
from tests.data import ROOT

S = 10**9
MONDAY_NIGHT = 1_767_654_000 * S    # 2026-01-05T23:00:00Z


@pytest.fixture
def shop() -> Kernel:
    return Kernel(config=ROOT / "examples" / "shop.toml")


def test_a_clock_past_what_calendars_hold_does_not_stop_the_core(shop):
    """Unix nanoseconds end in 2262 for calendars, later for clocks: billing stands still there."""
    said = {"ip": "192.0.2.7", "tenant": "acme", "role": 3, "exchange": True}
    shop.admit("/orders/1", at_ns=MONDAY_NIGHT, **said)
    for at_ns in (16_725_225_600 * S, 2**63 + 10**15, 2**64 - 2):
        shop.admit("/orders/1", at_ns=at_ns, **said)
        assert shop.valid() == 0
    assert shop.settle() <= 2**64 - 2


def test_an_alert_counts_for_the_rule_that_raises_it(shop):
    shop.admit("/orders/7", method="DELETE", at_ns=MONDAY_NIGHT, exchange=True, role=3,
               tenant="acme")
    text = shop.shell("governance export prometheus").text
    raised = [line for line in text.splitlines()
              if line.startswith("raygate_policy_alerts_total{")]
    assert any('policy="no-night-deletes"' in line and line.endswith(" 1") for line in raised)
    assert sum(int(line.rsplit(" ", 1)[1]) for line in raised) == 1


@pytest.mark.parametrize("duration_ns", [0, S // 10])
def test_every_granted_request_was_sent_at_once_or_queued(shop, duration_ns):
    for _ in range(3):
        shop.admit("/orders/1", at_ns=MONDAY_NIGHT, exchange=True, role=3, tenant="acme",
                   duration_ns=duration_ns)
    shop.settle()
    said = shop.shell("priority stats --json").json()
    assert said["granted"] == said["sent_at_once"] + said["queued"] == said["finished"] == 3
    assert (said["from_clients"], said["busy_servers"]) == (3, 0)


def test_a_service_that_goes_takes_its_queue_along(shop):
    for n in range(6):
        shop.admit("/orders/1", at_ns=MONDAY_NIGHT, id=n + 1, role=3, tenant="acme")
    assert shop.stats()["queued_count"] == 2
    shop.shell("gateway remove-service orders --cascade")
    stats = shop.stats()
    assert (stats["queued_count"], stats["dropped_count"], shop.valid()) == (0, 2, 0)


def test_a_rule_with_a_bad_name_is_one_finding_and_no_guess():
    text = (ROOT / "examples" / "shop.toml").read_text().partition("[[test]]")[0]
    text += f'[[policy]]\nname = "{"p" * 61}"\ntype = "authorization"\naction = "deny"\n'
    found = compiler.examine(text.encode(), folder=ROOT / "examples")
    assert [one.code for one in found.findings] == ["bad-name"]


def test_what_cannot_be_a_request_is_refused_by_name():
    alone = PriorityScheduler()
    for bad in (-1, 2**64, 1.5, "a"):
        with pytest.raises(Exception, match="request"):
            alone.enqueue_request(bad, now_ns=S)
    alone.enqueue_request(1, now_ns=S)
    with pytest.raises(Exception, match="dequeue_next"):
        alone.complete_request(1, now_ns=2 * S)
