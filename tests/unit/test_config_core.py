# SPDX-License-Identifier: MIT
"""config: a reload is one swap that matches rows by name and keeps balances."""

import pytest

from host_sim import config as compiler
from host_sim.kernel import Kernel
from tests.configs import BUCKET, QUOTA, TENANTS, TWO, compiled, grants
from tests.data import ROOT


# -- reload ----------------------------------------------------------------------------------------
def test_a_reload_of_the_same_bytes_keeps_every_balance_and_raises_the_epoch():
    kernel = Kernel(config=compiled(TWO + BUCKET % ("l", 10)))
    assert grants(kernel, "/a", 7) == 7
    book, epoch = kernel.digest().book, kernel.stats()["epoch"]
    report = kernel.configure(compiled(TWO + BUCKET % ("l", 10)))
    assert (kernel.digest().book, kernel.stats()["epoch"]) == (book, epoch + 1)
    assert report.reset_count == 0 and report.kept_count == 5
    assert grants(kernel, "/a", 10) == 3


@pytest.mark.parametrize(("burst", "left"), [(10, 3), (5, 3), (2, 2), (20, 3)])
def test_a_changed_limit_clamps_its_balance_and_never_refills_it(burst, left):
    kernel = Kernel(config=compiled(TWO + BUCKET % ("l", 10)))
    assert grants(kernel, "/a", 7) == 7
    kernel.configure(compiled(TWO + BUCKET % ("l", burst)))
    assert grants(kernel, "/a", 30) == left


def test_rows_that_only_change_places_keep_their_balances():
    first, second = (
        BUCKET % ("one", 10),
        (BUCKET % ("two", 20)).replace('scope = "service"', 'scope = "user"'),
    )
    kernel = Kernel(config=compiled(TWO + first + second))
    assert grants(kernel, "/a", 6, user="u") == 6
    kernel.configure(compiled(TWO + second + first))
    assert grants(kernel, "/a", 30, user="u") == 4
    assert grants(kernel, "/a", 30, user="v") == 0
    assert kernel.valid() == 0


def test_a_thousand_reloads_under_traffic_mint_nothing():
    kernel = Kernel(profile="tiny", config=compiled(TWO + BUCKET % ("l", 40), profile="tiny"))
    blobs = [compiled(TWO + BUCKET % ("l", burst), profile="tiny") for burst in (40, 60, 40, 80)]
    granted = 0
    for turn in range(1000):
        granted += grants(kernel, "/a", 1)
        kernel.configure(blobs[turn % 4])
    assert granted == 40
    assert kernel.stats()["epoch"] == 1001


def test_a_limit_removed_and_added_again_begins_full():
    kernel = Kernel(config=compiled(TWO + BUCKET % ("l", 10)))
    assert grants(kernel, "/a", 10) == 10
    kernel.configure(compiled(TWO))
    kernel.configure(compiled(TWO + BUCKET % ("l", 10)))
    assert grants(kernel, "/a", 30) == 10


OTHER_WAY = '[tenant.y]\nplan = "q"\n[tenant.z]\n[tenant.x]\nplan = "p"\n'


def test_quotas_follow_tenants_by_name():
    kernel = Kernel(config=compiled(TWO + TENANTS + QUOTA))
    assert (grants(kernel, "/a", 7, tenant="x"), grants(kernel, "/a", 2, tenant="y")) == (7, 2)
    kernel.configure(compiled(TWO + OTHER_WAY + QUOTA))
    assert grants(kernel, "/a", 30, tenant="z") == 10
    assert (grants(kernel, "/a", 30, tenant="x"), grants(kernel, "/a", 30, tenant="y")) == (3, 8)
    assert kernel.valid() == 0


def test_requests_in_flight_follow_their_names():
    kernel = Kernel(config=compiled(TWO + TENANTS + QUOTA))
    kernel.admit("/b", id=7, tenant="x")
    kernel.admit("/a", id=8, tenant="y")
    swapped = TWO.replace("[service.a]\n[service.b]", "[service.c]\n[service.b]\n[service.a]")
    kernel.configure(compiled(swapped + OTHER_WAY + QUOTA))
    assert [kernel.complete(id).service for id in (7, 8)] == ["b", "a"]
    assert (grants(kernel, "/a", 30, tenant="x"), grants(kernel, "/a", 30, tenant="y")) == (9, 9)


def test_a_refund_after_rows_changed_places_never_gives_more_than_was_taken():
    kernel = Kernel(config=compiled(TWO + BUCKET % ("one", 10) + BUCKET % ("two", 10)))
    kernel.admit("/a", id=1, refundable=True)
    kernel.configure(
        compiled(TWO + BUCKET % ("zero", 10) + BUCKET % ("two", 10) + BUCKET % ("one", 10))
    )
    kernel.refund(1)
    assert kernel.valid() == 0
    assert grants(kernel, "/a", 30) <= 10


def test_a_service_that_is_gone_leaves_its_requests_without_one():
    kernel = Kernel(config=compiled(TWO))
    kernel.admit("/b", id=7)
    only_a = TWO.replace("[service.b]\n", "").split('[[route]]\nname = "b"')[0]
    kernel.configure(compiled(only_a))
    assert kernel.complete(7).service == ""


def test_a_live_edit_keeps_the_hash_and_a_load_clears_the_count_of_edits():
    kernel = Kernel(config=compiled(TWO + BUCKET % ("l", 10)))
    config = kernel.digest().config
    record = kernel.ffi.new("ray_audit_record *")
    kernel.lib.ray_edited(kernel.ray, 0, record)
    assert kernel.digest().config == config
    assert (kernel.stats()["epoch"], kernel.stats()["edit_count"]) == (2, 1)
    kernel.configure(compiled(TWO + BUCKET % ("l", 11)))
    assert kernel.digest().config != config
    assert (kernel.stats()["epoch"], kernel.stats()["edit_count"]) == (3, 0)


def test_every_load_is_one_audit_record():
    kernel = Kernel(config=compiled(TWO))
    kernel.configure(compiled(TWO))
    last = kernel.audit(5)[-1]
    assert kernel.lib.ray_audit_count(kernel.ray) == 2
    assert last["what"] in (kernel.lib.RAY_AUDIT_LOAD, "load")


def test_the_core_says_the_hash_the_compiler_says():
    for path in sorted((ROOT / "examples").glob("*.toml")):
        config = compiler.load(path)
        kernel = Kernel()
        assert kernel.configure(config).hash == config.hash == kernel.digest().config


def test_the_first_configuration_brings_the_seed_unless_the_caller_did():
    text = TWO + BUCKET % ("l", 10)
    one = Kernel(config=compiled(text, seed=bytes(range(16))))
    two = Kernel(config=compiled(text, seed=bytes(range(1, 17))))
    assert one.digest().config == two.digest().config
    assert one.digest().state != two.digest().state
    mine = Kernel(seed=b"0123456789abcdef", config=compiled(text, seed=bytes(range(16))))
    other = Kernel(seed=b"0123456789abcdef", config=compiled(text, seed=bytes(range(1, 17))))
    assert mine.digest().state == other.digest().state
    later = compiled(text, seed=bytes(range(2, 18)))
    one.configure(later)
    assert grants(one, "/a", 10) == 10
