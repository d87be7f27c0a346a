# SPDX-License-Identifier: MIT
"""Published and recorded vectors of hashing and server selection: 345 answers others gave."""
import ipaddress
import json
from typing import Any

import pytest

from host_sim import _raw
from tests.balancers import Balancer
from tests.data import data

COUNTS = {"ketama_weighted": 99, "xxhash": 158, "siphash24": 64, "smooth_wrr": 4, "ip_hash": 20}


def suite(name: str) -> Any:
    return json.loads(data("load-balancing", f"{name}.json").read_text())


def told(name: str, seen: int) -> None:
    """Says how many vectors were compared, and that none was left out."""
    print(f"{name}: {seen} of {COUNTS[name]}")
    assert seen == COUNTS[name]


def test_counts_are_those_of_the_suite() -> None:
    assert sum(COUNTS.values()) == 345


def test_ketama_ring_is_that_of_libmemcached() -> None:
    vectors, balancer = suite("ketama_weighted"), Balancer("seed")
    ffi, lib = balancer.ffi, balancer.lib
    pool = balancer.pool(strategy="ketama")
    for server in vectors["servers"]:
        balancer.instance(pool, f"{server['host']}:{server['port']}", server["weight"])
    point, instance, seen = ffi.new("uint32_t *"), ffi.new("uint32_t *"), 0
    for case in vectors["cases"]:
        key = case["key"].encode()
        place = lib.ray_lb_ketama_hash(key, len(key))
        assert place == case["key_hash"], case
        assert lib.ray_lb_ketama_find(balancer.at, pool, place, point, instance) == 0
        assert (point[0], balancer.named(instance[0])) == (case["point"], f"{case['server']}:11211")
        assert balancer.named(balancer.would(pool, key=place)) == f"{case['server']}:11211"
        seen += 1
    told("ketama_weighted", seen)
    last = vectors["wraparound_key"].encode()
    place = lib.ray_lb_ketama_hash(last, len(last))
    assert lib.ray_lb_ketama_find(balancer.at, pool, place, point, instance) == 0
    assert point[0] < place  # past the last point comes the first


def test_xxhash_is_that_of_the_reference_library() -> None:
    vectors, lib = suite("xxhash"), _raw.load("seed").lib
    g, multiplier = vectors["buffer"]["start"], vectors["buffer"]["multiplier"]
    buffer = bytearray()
    while len(buffer) < max(row["len"] for row in vectors["vectors"]):
        buffer.append(g >> 56)
        g = g * multiplier % 2**64
    for row in vectors["vectors"]:
        piece = bytes(buffer[: row["len"]])
        assert lib.ray_xxh32(piece, len(piece), row["seed"]) == row["xxh32"], row
        assert lib.ray_xxh64(piece, len(piece), row["seed"]) == int(row["xxh64"], 16), row
    told("xxhash", len(vectors["vectors"]))


def test_siphash_model_of_these_tests_is_the_published_function() -> None:
    """The core has SipHash-1-3 and 2-4-128; the rounds are shared with the 2-4 of these vectors."""
    from tests.siphash import siphash

    vectors = suite("siphash24")
    key, digests = bytes.fromhex(vectors["key"]), vectors["digest_le_hex_by_len"]
    for length, digest in enumerate(digests):
        assert siphash(key, bytes(range(length)), c=2, d=4, bits=64).hex() == digest
    told("siphash24", len(digests))


@pytest.mark.parametrize("row", range(COUNTS["smooth_wrr"]))
def test_smooth_weighted_round_robin_is_that_of_nginx(row: int) -> None:
    vectors, balancer = suite("smooth_wrr"), Balancer("seed")
    case = vectors[row]
    pool = balancer.pool(strategy="weighted_round_robin")
    handles = balancer.fill(pool, case["weights"])
    picked = "".join("abc"[handles.index(balancer.once(pool))] for _ in case["sequence"])
    assert picked == case["sequence"]
    told("smooth_wrr", len(vectors))


def test_ip_hash_is_that_of_nginx() -> None:
    vectors, balancer = suite("ip_hash"), Balancer("seed")
    pool = balancer.pool(strategy="nginx_ip_hash")
    handles = balancer.fill(pool, vectors["weights"])
    for case in vectors["cases"]:
        client = ipaddress.ip_address(case["client"])
        packed = client.packed if client.version == 6 else bytes(10) + b"\xff\xff" + client.packed
        address = balancer.ffi.new("ray_address *", {"at": packed})
        key = balancer.lib.ray_lb_nginx_hash(address) + 1
        assert "abc"[handles.index(balancer.would(pool, key=key))] == case["server"], case
    told("ip_hash", len(vectors["cases"]))
