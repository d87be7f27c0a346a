# SPDX-License-Identifier: MIT
"""The simulated upstream: what it draws, queues, breaks and recovers from, from a seed alone."""

from __future__ import annotations

import pytest

from host_sim.upstream import Answer, Instance, Latency, Trouble, Upstream

S, MS = 10**9, 10**6


def draws(latency: Latency, count: int = 20_000) -> list[int]:
    """What equally spaced numbers draw, ascending."""
    return sorted(latency.draw((2 * i + 1) * 2**63 // count) for i in range(count))


def test_distributions_have_their_means_and_quantiles() -> None:
    assert set(draws(Latency("fixed", 7))) == {7}
    flat = draws(Latency("uniform", 100, 199))
    assert (flat[0], flat[-1], len(set(flat))) == (100, 199, 100)
    spread = draws(Latency("exponential", 10 * MS))
    mean = sum(spread) // len(spread)
    assert abs(mean - 10 * MS) < 20_000  # 0.2 %
    assert abs(spread[len(spread) // 2] - 6_931_472) < 2_000  # ln 2
    assert abs(spread[len(spread) * 99 // 100] - 46_051_702) < 40_000  # ln 100
    skewed = draws(Latency("lognormal", 10 * MS, sigma_ppm=500_000))
    assert abs(skewed[len(skewed) // 2] - 10 * MS) < 10_000
    assert abs(skewed[len(skewed) * 99 // 100] - 32_003_000) < 100_000  # e^(0.5 * 2.3263)
    assert all(one >= 0 for one in spread + skewed)


def test_the_seed_and_the_sendings_decide_everything() -> None:
    def run(seed: int, other: bool) -> list[Answer]:
        spec = Instance(Latency("exponential", 5 * MS), servers=2)
        upstream = Upstream({"a": spec, "b": spec}, seed=bytes([seed]) * 16)
        answers = []
        for i in range(200):
            answers.append(upstream.send("a", i, i * MS))
            if other:
                upstream.send("b", i, i * MS)
        return answers

    assert run(1, False) == run(1, False) == run(1, True) != run(2, False)


def test_more_than_its_servers_queue_inside_it_and_too_many_are_turned_away() -> None:
    upstream = Upstream({"a": Instance(Latency("fixed", 10), servers=2, queue=3)})
    answers = [upstream.send("a", i, 0) for i in range(6)]
    assert [one.at_ns for one in answers] == [10, 10, 20, 20, 30, 0]
    assert [one.status for one in answers] == [200] * 5 + [503]
    assert upstream.in_hand("a", 0) == 5 and upstream.in_hand("a", 20) == 1
    assert upstream.send("a", 7, 20) == Answer(30, 200)
    assert upstream.sent_count("a") == 7


def test_trouble_comes_and_goes_on_its_schedule() -> None:
    def at(now: int, trouble: Trouble) -> Answer:
        return Upstream({"a": Instance(Latency("fixed", 5), troubles=(trouble,))}).send("a", 1, now)

    rows = [
        (Trouble("error", 10, 40, status=502), Answer(15, 502)),
        (Trouble("refuse", 10, 40), Answer(10, 0)),
        (Trouble("hang", 10, 40), Answer(None, 0)),
        (Trouble("slow", 10, 40, factor=3), Answer(25, 200)),
    ]
    for trouble, answer in rows:
        assert at(9, trouble) == Answer(14, 200) and at(40, trouble) == Answer(45, 200)
        assert at(10, trouble) == answer


def test_a_share_of_errors_is_that_share() -> None:
    half = Trouble("error", 0, S, ppm=250_000)
    upstream = Upstream({"a": Instance(Latency("fixed", 1), troubles=(half,))})
    failed = sum(upstream.send("a", i, i * 10).status == 500 for i in range(10_000))
    assert abs(failed - 2_500) < 150


def test_a_hung_request_holds_its_server_until_the_end() -> None:
    hang = Trouble("hang", 0, 100, ppm=1_000_000)
    upstream = Upstream({"a": Instance(Latency("fixed", 5), servers=1, troubles=(hang,))})
    assert upstream.send("a", 1, 50).at_ns is None
    assert upstream.in_hand("a", 99) == 1
    assert upstream.send("a", 2, 100) == Answer(105, 200)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no distribution"):
        Latency("gamma")
    with pytest.raises(ValueError, match="at least 0"):
        Latency("uniform", 9, 8)
    with pytest.raises(ValueError, match="no trouble"):
        Trouble("fire", 0, 1)
    with pytest.raises(ValueError, match="ends after"):
        Trouble("hang", 1, 1)
    with pytest.raises(ValueError, match="16 bytes"):
        Upstream({}, seed=b"1")
    upstream = Upstream({"a": Instance()})
    upstream.send("a", 1, 5)
    with pytest.raises(ValueError, match="before 5"):
        upstream.send("a", 2, 4)
    with pytest.raises(KeyError):
        upstream.send("b", 3, 5)
