# SPDX-License-Identifier: MIT
"""An IPv6 instance stands in brackets wherever it comes from and wherever it is shown, and has one
key whatever its spelling: the file, the console, Python, discovery, exports, decisions."""

from __future__ import annotations

import json

import pytest

from host_sim import config, endpoint
from host_sim.discovery import Found
from host_sim.errors import ArgumentError, ExistsError
from host_sim.kernel import Kernel
from host_sim.modules.lb import LoadBalancer
from tests.balancers import Balancer

S = 10**9
AT = "[2001:db8::1]:8080"
LONGEST = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"
FILE = """version = 1
[service.orders]
pool = "orders"
[[route]]
name = "all"
service = "orders"
path = { prefix = "/" }
[pool.orders]
instances = [{ at = "[2001:DB8:0:0::1]:8080" }, { at = "[::ffff:10.0.0.7]:80" }]
"""
SPELLINGS = ["[2001:db8::1]:8080", "[2001:DB8::1]:8080", "[2001:0db8:0:0:0:0:0:1]:8080"]
WRONG = [  # what the core itself refuses as a key
    "2001:db8::1:8080", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]8080", "[2001:DB8::1]:80",
    "[2001:db8:0::1]:80", "[::ffff:10.0.0.1]:80", "[10.0.0.1]:80", "[a]:80", "[]:80", "[::1:80",
    "::1]:80", "[::1]x:80", "[[::1]]:80", "[::g]:80", "[fe80::1%1]:80", "[::1]:0", "[::1]:65536",
    "[::1]:", "[::1]:+80", ":80", "a b:80", "a]:80", "",
]  # fmt: skip


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(config=config.loads(FILE))


def names(kernel: Kernel) -> list[str]:
    assert kernel.valid() == 0
    told = json.loads(kernel.shell("lb instances orders --json").text)
    return [one["instance"] for one in told["instances"]]


@pytest.mark.parametrize("at", [AT, LONGEST, "[::]:1", "[::1]:80", "10.0.0.1:80", "a-b.c:65535"])
def test_the_core_takes_a_key_as_it_is(at: str) -> None:
    alone = Balancer()
    pool = alone.pool()
    assert alone.try_instance(pool, at)[0] == 0 and alone.valid() == 0
    host, port = endpoint.split(at)
    assert endpoint.join(host, port) == at


@pytest.mark.parametrize("at", WRONG)
def test_the_core_refuses_what_has_another_spelling_or_none(at: str) -> None:
    alone = Balancer()
    pool = alone.pool()
    before = alone.snapshot()
    assert alone.try_instance(pool, at)[0] == -1 and alone.snapshot() == before


def test_a_file_gives_every_address_its_one_spelling(kernel: Kernel) -> None:
    assert names(kernel) == [AT, "10.0.0.7:80"]
    lb = LoadBalancer(kernel=kernel)
    first = lb.get_instance(lb.get_pool(0).instances[0])
    assert (first.address, first.port, first.at) == ("2001:db8::1", 8080, AT)
    assert kernel.admit("/", at_ns=S).instance == AT


def test_a_file_cannot_name_one_instance_twice_or_by_a_zone() -> None:
    for other, code in (("[2001:db8::1]:8080", "duplicate-name"), ("[fe80::1%eth0]:1", "bad-host")):
        with pytest.raises(config.ConfigError) as caught:
            config.loads(FILE.replace("[::ffff:10.0.0.7]:80", other))
        assert code in str(caught.value)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_console_writes_and_reads_it(kernel: Kernel, spelling: str) -> None:
    assert kernel.shell("confirm lb remove orders " + AT).status == 0
    assert kernel.shell(f"lb add orders {spelling} 3").status == 0
    assert sorted(names(kernel)) == ["10.0.0.7:80", AT]
    assert kernel.shell(f"lb add orders {SPELLINGS[2]}").status < 0  # it is there
    for line in (f"lb drain orders {AT}", f"lb weight orders {AT} 7", f"lb undrain orders {AT}"):
        assert kernel.shell(line).status == 0
    for line in ("lb show orders", "lb instances", "lb export csv", "lb export json"):
        assert AT in kernel.shell(line).text
    assert kernel.shell(f"lb discover orders {spelling}=2 [::1]:80").status == 0
    assert sorted(names(kernel)) == [AT, "[::1]:80"]


def test_the_console_says_what_is_missing(kernel: Kernel) -> None:
    said = kernel.shell("lb add orders 2001:db8::2:80")
    assert said.status < 0 and "an IPv6 address in brackets" in said.text


@pytest.mark.parametrize("address", ["2001:db8::9", "[2001:db8::9]", "2001:DB8:0::9"])
def test_python_takes_an_address_with_or_without_brackets(kernel: Kernel, address: str) -> None:
    lb = LoadBalancer(kernel=kernel)
    one = lb.get_instance(lb.register_instance(0, address, 80))
    assert (one.address, one.port, one.at) == ("2001:db8::9", 80, "[2001:db8::9]:80")
    with pytest.raises(ExistsError):
        lb.register_instance(0, "2001:db8::9", 80)
    for wrong in ("2001:db8::9::1", "fe80::1%1", "a:b", "[a]", ""):
        with pytest.raises(ArgumentError):
            lb.register_instance(0, wrong, 80)


def test_what_dns_says_is_known_by_the_same_key(kernel: Kernel) -> None:
    lb = LoadBalancer(kernel=kernel)
    before = lb.get_pool(0).instances[0]
    found = Found("2001:db8::1", 8080)
    assert found.at == AT
    lb.discover(0, [(found.address, found.port, 1), ("2001:db8::2", 8080, 1)])
    assert lb.get_pool(0).instances[0] == before  # it stays: no instance was made anew
    assert names(kernel) == [AT, "[2001:db8::2]:8080"]


def test_ketama_hashes_an_address_without_brackets_as_libmemcached_does() -> None:
    alone = Balancer(profile="seed")
    pool = alone.pool(strategy="ketama")
    alone.try_instance(pool, "[2001:db8::1]:11211")
    alone.try_instance(pool, "[2001:db8::2]:8080")
    for label, at in ((b"2001:db8::1-0", 0), (b"2001:db8::2:8080-0", 1)):
        hash = int(alone.lib.ray_lb_ketama_hash(label, len(label)))
        point, instance = alone.ffi.new("uint32_t *"), alone.ffi.new("uint32_t *")
        assert alone.lib.ray_lb_ketama_find(alone.at, pool, hash, point, instance) == 0
        assert (int(point[0]), int(instance[0]) & 0xFFFF) == (hash, at)
