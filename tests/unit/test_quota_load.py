# SPDX-License-Identifier: MIT
"""quota: a reload keeps what still counts the same, and no hostile row gets past the check."""

from __future__ import annotations

import random
from typing import Any

import pytest

from host_sim import config
from host_sim.errors import StaleError, UnknownError
from host_sim.kernel import Kernel
from host_sim.modules.quota import NONE, QuotaManager, QuotaType

S = 1_000_000_000
OK, ARGUMENT, FULL, EXISTS, RANGE = 0, -1, -4, -5, -7


class Loader:
    """A quota state, configured like the pipeline does it."""

    def __init__(self, profile: str = "seed") -> None:
        self.quota = QuotaManager(profile=profile)
        self.ffi, self.lib = self.quota.ffi, self.quota.lib

    def rows(self, *rows: dict[str, Any]) -> tuple[Any, Any]:
        """The blob's quota section and the counts beside it."""
        specs = self.ffi.new("ray_quota_spec[]", max(1, len(rows)))
        for spec, row in zip(specs, rows, strict=False):
            spec.tenant = spec.plan = spec.service = NONE
            for field, value in {
                "reset": 1,
                "period_ns": 60 * S,
                "limit_units": 100,
                **row,
            }.items():
                if field in ("name", "custom"):
                    getattr(spec, field).at = value.encode()
                else:
                    setattr(spec, field, value)
        counts = self.ffi.new(
            "ray_config_counts *",
            {"tenant_count": 16, "plan_count": 2, "service_count": 4, "quota_count": len(rows)},
        )
        return specs, counts

    def check(self, *rows: dict[str, Any]) -> tuple[int, int, int]:
        """Status, row and field of the check."""
        specs, counts = self.rows(*rows)
        report = self.ffi.new("ray_config_report *")
        status = self.lib.ray_quota_check(specs, counts, report)
        assert status == report.status and (
            status == OK or report.section == self.lib.RAY_SECTION_QUOTA
        )
        return status, report.row, report.field

    def load(self, *rows: dict[str, Any], now_ns: int = 0) -> tuple[int, int]:
        """Checks and loads; kept and reset counts."""
        specs, counts = self.rows(*rows)
        report = self.ffi.new("ray_config_report *")
        assert self.lib.ray_quota_check(specs, counts, report) == OK
        self.lib.ray_quota_load(self.quota._state, now_ns, 0, specs, counts, report)
        assert self.quota.valid() == 0
        return report.kept_count, report.reset_count

    def move(self, what: str, before: list[str], after: list[str]) -> None:
        """Tenants or plans stand in another order from now on."""

        def names(words: list[str]) -> tuple[Any, Any]:
            at = self.ffi.new("ray_name[]", max(1, len(words)))
            for name, word in zip(at, words, strict=False):
                name.at = word.encode()
            view = {"at": self.ffi.cast("uint8_t *", at), "stride": 48, "count": len(words)}
            return self.ffi.new("ray_names *", view), at

        (old, _keep), (new, _too) = names(before), names(after)
        getattr(self.lib, f"ray_quota_{what}_move")(self.quota._state, old, new)


@pytest.fixture
def loader() -> Loader:
    return Loader()


def used(loader: Loader, name: str, tenant: int = 0) -> int:
    quota = loader.quota
    return quota.get_quota_status(quota.find_quota(name), tenant_id=tenant).usage.current_usage


# -- keeping --------------------------------------------------------------------------------------
def test_rows_of_a_file_have_their_place_as_id(loader: Loader) -> None:
    assert loader.load({"name": "a"}, {"name": "b"}) == (0, 0)
    assert [loader.quota.find_quota(name) for name in "ab"] == [0, 1]
    live = loader.quota.allocate_quota(0, limit=1, name="live")
    assert live == 2 | 1 << 16


def test_an_unchanged_row_keeps_its_balance_wherever_it_stands(loader: Loader) -> None:
    loader.load({"name": "a"}, {"name": "b", "tenant": 0}, {"name": "c", "per_user": 1})
    for name, units in [("a", 10), ("b", 20), ("c", 30)]:
        loader.quota.consume_quota(loader.quota.find_quota(name), units, tenant_id=0, user="ada")
    assert loader.load(
        {"name": "c", "per_user": 1}, {"name": "new"}, {"name": "a"}, {"name": "b", "tenant": 0}
    ) == (3, 0)
    assert [used(loader, name) for name in ("a", "b", "new")] == [10, 20, 0]
    each = loader.quota.get_quota_status(loader.quota.find_quota("c"), tenant_id=0, user="ada")
    assert each.usage.current_usage == 30


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"limit_units": 50}, 80),
        ({"limit_units": 200}, 80),
        ({"enforcement": 1}, 80),
        ({"mode": 1}, 80),
        ({"rollover_bp": 5}, 80),
        ({"alert_percent": [1, 2, 0, 0]}, 80),
        ({"service": 2}, 80),
        ({"type": 1}, 0),
        ({"period_ns": 61 * S}, 0),
        ({"anchor_ns": 1}, 0),
        ({"per_user": 1}, 0),
        ({"reset": 3, "period_ns": 0}, 0),
        ({"plan": 1}, 0),
    ],
)
def test_what_counts_the_same_is_kept_and_everything_else_begins_anew(
    loader: Loader, change: dict[str, Any], kept: int
) -> None:
    loader.load({"name": "a"})
    loader.quota.consume_quota(0, 80, tenant_id=0)
    assert loader.load({"name": "a", **change}) == ((1, 0) if kept else (0, 1))
    assert used(loader, "a") == kept


def test_a_changed_limit_keeps_the_usage_and_arms_the_alerts(loader: Loader) -> None:
    row = {"name": "a", "alert_percent": [50, 0, 0, 0]}
    loader.load(row)
    loader.quota.consume_quota(0, 60, tenant_id=0)
    loader.load(row)
    loader.quota.consume_quota(0, 1, tenant_id=0)
    assert len(loader.quota.get_quota_alerts()) == 1, "nothing changed, nothing fires again"
    loader.load({**row, "limit_units": 110})
    assert [alert.used for alert in loader.quota.get_quota_alerts()] == [60, 61], "at the load"
    loader.quota.consume_quota(0, 1, tenant_id=0)
    assert [alert.used for alert in loader.quota.get_quota_alerts()] == [60, 61]
    loader.load({**row, "limit_units": 40})
    denied = loader.quota.consume_quota(0, 1, tenant_id=0)
    assert (denied.granted, used(loader, "a")) == (False, 62)


def test_a_period_that_ended_closes_under_the_old_limit(loader: Loader) -> None:
    loader.load({"name": "a", "rollover_bp": 1_000})
    loader.quota.consume_quota(0, 60, tenant_id=0)
    loader.load({"name": "a", "rollover_bp": 1_000, "limit_units": 1_000}, now_ns=61 * S)
    usage = loader.quota.get_quota_status(0, tenant_id=0, now_ns=61 * S).usage
    assert (usage.carry, usage.closed_usage) == (10, 60)


def test_a_removed_row_that_comes_back_begins_anew_and_live_rows_go(loader: Loader) -> None:
    loader.load({"name": "a"}, {"name": "b"})
    live = loader.quota.allocate_quota(0, limit=5, name="live")
    for quota_id in (0, 1, live):
        loader.quota.consume_quota(quota_id, 5, tenant_id=0)
    loader.load({"name": "b"})
    with pytest.raises(UnknownError):
        loader.quota.find_quota("a")
    with pytest.raises(StaleError):
        loader.quota.get_allocation(live)
    loader.load({"name": "a"}, {"name": "b"})
    assert (used(loader, "a"), used(loader, "b")) == (0, 5)
    assert loader.quota.allocate_quota(0, limit=5) != live


def test_a_thousand_reloads_under_load_neither_lose_nor_mint_a_unit(loader: Loader) -> None:
    random_ = random.Random(7)
    limit, total = 1_000_000, 0
    rows = [{"name": "a", "limit_units": limit}, {"name": "b"}, {"name": "c", "tenant": 1}]
    loader.load(*rows)
    lease = loader.quota.reserve_quota(loader.quota.find_quota("a"), 9, tenant_id=0, ttl_ns=10**18)
    for turn in range(1_000):
        limit = random_.choice([limit, limit, limit // 2 + 50_000, limit * 2])
        rows[random_.randrange(3)]["mode"] = 0
        for row in rows:
            if row["name"] == "a":
                row["limit_units"] = limit
        random_.shuffle(rows)
        loader.load(*rows, now_ns=turn)
        quota_id = loader.quota.find_quota("a")
        before = loader.quota.get_quota_status(quota_id, tenant_id=0).usage
        assert (before.current_usage, before.reserved) == (total, 9)
        outcome = loader.quota.consume_quota(quota_id, 7, tenant_id=0)
        assert outcome.granted == (total + 9 + 7 <= limit)
        total += 7 * outcome.granted
    assert loader.quota.settle_reservation(lease.handle, 5)
    assert used(loader, "a") == total + 5


def test_remembered_events_and_alerts_survive_a_reload_and_follow_their_row(loader: Loader) -> None:
    loader.load({"name": "x"}, {"name": "a", "limit_units": 10, "alert_percent": [100, 0, 0, 0]})
    first = loader.quota.consume_quota(1, 10, tenant_id=0, event_id=5)
    denied = loader.quota.consume_quota(1, 10, tenant_id=0, event_id=6)
    assert first.granted and denied.by == 1
    loader.load({"name": "a", "limit_units": 10, "alert_percent": [100, 0, 0, 0]})
    again = loader.quota.consume_quota(0, 10, tenant_id=0, event_id=5)
    assert again.duplicate and again.granted
    assert loader.quota.consume_quota(0, 10, tenant_id=0, event_id=6).by == 0
    assert [alert.quota_id for alert in loader.quota.get_quota_alerts()] == [0]
    loader.load()
    assert [alert.quota_id for alert in loader.quota.get_quota_alerts()] == [None]


def test_balances_follow_their_tenant_when_tenants_change_places(loader: Loader) -> None:
    each, own = {"name": "each"}, {"name": "own", "tenant": 1}
    loader.load(each, own)
    for tenant, units in [(0, 10), (1, 20), (2, 30)]:
        loader.quota.consume_quota(0, units, tenant_id=tenant, event_id=9)
    loader.quota.consume_quota(1, 7)
    loader.move("tenants", ["acme", "blue", "core"], ["core", "acme", "blue", "new"])
    assert loader.load(each, {**own, "tenant": 2}) == (2, 0)
    assert [used(loader, "each", tenant) for tenant in range(4)] == [30, 10, 20, 0]
    assert (
        used(loader, "own") == 7
        and loader.quota.consume_quota(0, tenant_id=2, event_id=9).duplicate
    )
    loader.move("tenants", ["core", "acme", "blue", "new"], ["blue"])
    assert loader.load(each, {**own, "tenant": 0}) == (2, 0)
    assert [used(loader, "each", tenant) for tenant in range(3)] == [20, 0, 0]
    loader.move("tenants", ["blue"], [])
    assert loader.load(each) == (1, 0) and loader.quota.stats().active_count == 0


def test_a_plans_row_follows_its_plan(loader: Loader) -> None:
    loader.load({"name": "gold", "plan": 0})
    loader.quota.consume_quota(0, 5, tenant_id=3)
    loader.move("plans", ["gold", "free"], ["free", "gold"])
    assert loader.load({"name": "gold", "plan": 1}) == (1, 0)
    assert used(loader, "gold", 3) == 5
    loader.move("plans", ["free", "gold"], ["free"])
    assert loader.quota.valid() == 0 and loader.quota.stats().allocation_count == 0


# -- refusing -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "status", "field"),
    [
        ({"name": ""}, ARGUMENT, "name"),
        ({"name": "a b"}, ARGUMENT, "name"),
        ({"type": 5}, ARGUMENT, "type"),
        ({"type": 255}, ARGUMENT, "type"),
        ({"type": 3}, ARGUMENT, "custom"),
        ({"custom": "x"}, ARGUMENT, "custom"),
        ({"reset": 6}, ARGUMENT, "reset"),
        ({"enforcement": 2}, ARGUMENT, "enforcement"),
        ({"mode": 3}, ARGUMENT, "mode"),
        ({"per_user": 2}, ARGUMENT, "per_user"),
        ({"carry_overage": 2}, ARGUMENT, "carry_overage"),
        ({"reset": 2, "carry_overage": 1}, ARGUMENT, "carry_overage"),
        ({"limit_units": (1 << 63) + 1}, RANGE, "limit_units"),
        ({"limit_units": (1 << 64) - 1}, RANGE, "limit_units"),
        ({"period_ns": 0}, RANGE, "period_ns"),
        ({"period_ns": 1 << 62}, RANGE, "period_ns"),
        ({"reset": 2, "period_ns": 11}, RANGE, "period_ns"),
        ({"reset": 0}, ARGUMENT, "period_ns"),
        ({"reset": 3, "period_ns": 0, "anchor_ns": 86_400 * S}, RANGE, "anchor_ns"),
        ({"reset": 0, "period_ns": 0, "anchor_ns": 1}, ARGUMENT, "anchor_ns"),
        ({"reset": 5, "period_ns": 0}, RANGE, "anchor_day"),
        ({"anchor_day": 3}, ARGUMENT, "anchor_day"),
        ({"reset": 4, "period_ns": 0, "anchor_day": 8}, RANGE, "anchor_day"),
        ({"utc_offset_minutes": 1_440}, RANGE, "utc_offset_minutes"),
        ({"utc_offset_minutes": -(1 << 31)}, RANGE, "utc_offset_minutes"),
        ({"rollover_bp": 1_001}, RANGE, "rollover_bp"),
        ({"reset": 2, "rollover_bp": 1}, ARGUMENT, "rollover_bp"),
        ({"guard_requests_per_s": (1 << 63) + 1}, RANGE, "guard_requests_per_s"),
        ({"guard_bytes_per_s": (1 << 64) - 1}, RANGE, "guard_bytes_per_s"),
        ({"guard_errors_per_min": (1 << 64) - 1}, RANGE, "guard_errors_per_min"),
        ({"guard_latency_p99_ns": (1 << 64) - 1}, RANGE, "guard_latency_p99_ns"),
        ({"tenant": 16}, ARGUMENT, "tenant"),
        ({"plan": 2}, ARGUMENT, "plan"),
        ({"service": 4}, ARGUMENT, "service"),
        ({"tenant": NONE - 1}, ARGUMENT, "tenant"),
        ({"named": 2}, ARGUMENT, "named"),
        ({"reserved": 1}, ARGUMENT, "reserved"),
        ({"reserved_2": [0, 0, 0, 9]}, ARGUMENT, "reserved_2"),
        ({"alert_percent": [80, 80, 0, 0]}, ARGUMENT, "alert_percent"),
        ({"alert_percent": [0, 80, 0, 0]}, ARGUMENT, "alert_percent"),
        ({"alert_percent": [80, 0, 90, 0]}, ARGUMENT, "alert_percent"),
    ],
)
def test_a_hostile_row_is_refused_with_its_row_and_field(
    loader: Loader, row: dict[str, Any], status: int, field: str
) -> None:
    fields = {name: at.offset for name, at in loader.ffi.typeof("ray_quota_spec").fields}
    assert loader.check({"name": "fine"}, {"name": "bad", **row}) == (status, 1, fields[field])


def test_every_bit_of_a_row_flipped_is_either_refused_or_loads_into_a_valid_state() -> None:
    for bit in range(192 * 8):
        loader = Loader("tiny")
        specs, counts = loader.rows({"name": "a", "tenant": 1, "alert_percent": [80, 0, 0, 0]})
        counts.tenant_count = 4
        buffer = loader.ffi.buffer(specs)
        buffer[bit // 8] = bytes([buffer[bit // 8][0] ^ 1 << bit % 8])
        report = loader.ffi.new("ray_config_report *")
        if loader.lib.ray_quota_check(specs, counts, report) == OK:
            loader.lib.ray_quota_load(loader.quota._state, 5, 0, specs, counts, report)
            assert loader.quota.valid() == 0
            loader.quota.consume_quota(None, {QuotaType.REQUEST_COUNT: 1}, tenant_id=1)
            assert loader.quota.valid() == 0


def test_duplicate_names_too_many_rows_and_too_many_for_one_request_are_refused(
    loader: Loader,
) -> None:
    assert loader.check({"name": "a"}, {"name": "b"}, {"name": "a"})[:2] == (EXISTS, 2)
    many = [
        {"name": f"q{n}", "tenant": n % 16, "service": n // 16 % 4, "plan": n // 64 % 2}
        for n in range(257)
    ]
    assert loader.check(*many)[0] == FULL
    assert loader.check(*many[:256])[0] == OK
    most = loader.lib.RAY_REQUEST_QUOTA_MAX
    met = [{"name": f"m{n}"} for n in range(most + 1)]
    assert loader.check(*met)[0] == FULL and loader.check(*met[:most])[0] == OK
    for field in ("tenant", "plan", "service"):
        rest = met[: most - 1]
        apart = [{"name": f"x{n}", field: n} for n in range(2)]
        assert loader.check(*rest, *apart)[0] == OK, "they never meet"
        assert loader.check(*rest, *apart, {"name": "y", field: 0})[0] == FULL


# -- on a Kernel ----------------------------------------------------------------------------------
FILE = """version = 1
[tenant.acme]
plan = "gold"
[service.shop]
[[route]]
name = "shop"
service = "shop"
path = { prefix = "/" }
[[identity]]
when = {}
tenant = "acme"
user = "log_user"
[[quota]]
name = "requests"
tenant = "acme"
limit = 3
window = "60s"
[[quota]]
name = "bytes"
tenant = "acme"
type = "bytes"
limit = 100
window = "60s"
"""


def test_a_kernels_quotas_deny_settle_and_are_managed_in_place() -> None:
    kernel = Kernel(config=config.loads(FILE))
    quota = QuotaManager(kernel=kernel)
    requests, size = quota.find_quota("requests"), quota.find_quota("bytes")
    asked = {"tenant": "acme", "user": "ada"}
    assert kernel.admit(
        "/a", at_ns=S, exchange=True, request_bytes=10, response_bytes=50, **asked
    ).allowed
    assert (quota.get_quota_status(requests).usage.current_usage, used_of(quota, size)) == (1, 60)
    denied = kernel.admit("/a", at_ns=2 * S, exchange=True, request_bytes=41, **asked)
    assert (denied.reason, denied.by, denied.retry_after_ns) == ("quota-exceeded", "bytes", 58 * S)
    assert used_of(quota, requests) == 1, "denied by one, spent with none"
    epoch = kernel.admit("/a", at_ns=2 * S, exchange=True, request_bytes=40, **asked).epoch
    quota.update_limit(size, 1_000, now_ns=3 * S)
    later = kernel.admit("/a", at_ns=4 * S, exchange=True, **asked)
    assert later.allowed and later.epoch == epoch + 1, "a live edit raises the epoch"
    assert kernel.admit("/a", at_ns=5 * S, exchange=True, **asked).by == "requests"
    assert kernel.valid() == 0 and quota.stats().denied_count == 2


def used_of(quota: QuotaManager, quota_id: int) -> int:
    return quota.get_quota_status(quota_id).usage.current_usage


def test_a_request_in_flight_reserves_and_its_refund_gives_all_of_it_back() -> None:
    kernel = Kernel(config=config.loads(FILE))
    quota = QuotaManager(kernel=kernel)
    size = quota.find_quota("bytes")
    held = kernel.admit("/a", at_ns=S, id=7, refundable=True, request_bytes=60, tenant="acme")
    assert held.allowed and quota.get_quota_status(size).usage.reserved == 60
    assert not kernel.admit("/a", at_ns=S, id=8, request_bytes=50, tenant="acme").allowed
    kernel.refund(7, at_ns=2 * S)
    usage = quota.get_quota_status(size).usage
    assert (usage.current_usage, usage.reserved, usage.requests_count) == (0, 0, 0)
    assert kernel.admit("/a", at_ns=2 * S, id=9, request_bytes=50, tenant="acme").allowed
    kernel.complete(9, at_ns=3 * S, request_bytes=50, response_bytes=90)
    assert used_of(quota, size) == 140, "a settle may overrun"
    assert kernel.valid() == 0
