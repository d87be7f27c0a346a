# SPDX-License-Identifier: MIT
"""Kernel: who a request is from, and whether its head may be believed (H3, I1, I2, I6)."""

import pytest

from host_sim import config as compiler
from host_sim.kernel import Kernel
from tests.kernels import TEXT, S


@pytest.fixture
def kernel():
    return Kernel(config=compiler.loads(TEXT))


@pytest.mark.parametrize("headers", [
    [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
    [("Content-Length", "5"), ("content-length", "6")],
    [("Content-Length", "5"), ("Content-Length", "5")],
    [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
    [("Authorization", "a"), ("authorization", "b")],
    [("Host", "a"), ("Host", "a")]])
def test_contradictory_headers_are_refused(kernel, headers):
    decision = kernel.admit("/x", at_ns=S, headers=headers, exchange=True)
    assert (decision.reason, decision.http_status) == ("headers-bad", 400)
    assert kernel.admit("/x", at_ns=S, headers=headers[:1], exchange=True).allowed


def spend(kernel, at, peer, *forwarded):
    return kernel.admit(
        "/x", at_ns=at, ip=peer, headers=[("X-Forwarded-For", f) for f in forwarded], exchange=True
    )


def test_an_untrusted_peer_cannot_choose_its_address(kernel):
    said = [spend(kernel, S, "198.51.100.7", f"192.0.2.{i}").allowed for i in range(200)]
    assert sum(said) == 2


@pytest.mark.parametrize(
    "forwarded",
    [
        ("1.1.1.1, evil, 203.0.113.5",),
        ("9.9.9.9", "203.0.113.5"),
        ("garbage, 203.0.113.5, 10.1.2.3",),
        ("203.0.113.5", "10.9.9.9, 10.1.2.3"),
        (" 203.0.113.5\t",),
        ("203.0.113.5,",),
    ],
)
def test_the_rightmost_untrusted_hop_is_the_client(kernel, forwarded):
    if forwarded[0].endswith(","):
        said = [spend(kernel, S, "10.0.0.1", *forwarded).allowed for _ in range(3)]
        # an empty hop is no address: the proxy itself answers for it
        assert said == [True, True, False]
        assert spend(kernel, S, "203.0.113.5").allowed
        return
    said = [spend(kernel, S, "10.0.0.1", *forwarded).allowed for _ in range(3)]
    assert said == [True, True, False]
    assert not spend(kernel, S, "203.0.113.5").allowed       # the same client coming directly
    assert spend(kernel, S, "203.0.113.6").allowed


def test_mapped_and_plain_v4_are_one_client_and_v6_counts_by_its_network(kernel):
    assert [kernel.admit("/x", at_ns=S, ip=ip, exchange=True).allowed
            for ip in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1")] == [True, True, False]
    assert [
        kernel.admit("/x", at_ns=S, ip=f"2001:db8::{i}", exchange=True).allowed for i in range(1, 4)
    ] == [True, True, False]
    assert kernel.admit("/x", at_ns=S, ip="2001:db8:0:1::1", exchange=True).allowed
