# SPDX-License-Identifier: MIT
"""What the core costs from Python: one call, a batch, a replay; and what peers cost."""

from __future__ import annotations

import array
import importlib.util
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from host_sim import _raw, config
from host_sim.decide import decider
from host_sim.kernel import Kernel
from host_sim.modules.ratelimit import LimitScope, RateLimiter, RateLimitRequest

from . import peers
from .core_side import checked, rows
from .measure import Result, ratio, timed
from .workload import SEED, Traffic, everything, target

CALLS = 20000
BATCHES = (16, 64, 256, 1024)
MANY = 10**9


def picked(names: Sequence[Any]) -> list[Any]:
    """Which of the names each call is about, in an order no cache can foresee."""
    dice = random.Random(SEED)
    return [names[dice.randrange(len(names))] for _ in range(CALLS)]


def loop(decide: Callable[[Any], object], keys: Sequence[Any]) -> Callable[[], None]:
    """Calls `decide` for each key, with nothing between."""

    def run() -> None:
        for key in keys:
            decide(key)

    return run


def per_call(decide: Callable[[Any], object], keys: Sequence[Any]) -> float:
    """Nanoseconds of one call, the loop around it taken away."""
    return timed(loop(decide, keys), len(keys)) - timed(loop(bool, keys), len(keys))


def limiter(profile: str) -> tuple[RateLimiter, int, int]:
    """A limiter with a keyed and an unkeyed limit that let everything pass, and their ids."""
    made = RateLimiter(profile=profile)
    keyed = made.add_token_bucket(capacity=MANY, refill_rate=MANY, scope=LimitScope.USER)
    alone = made.add_token_bucket(0, capacity=MANY, refill_rate=MANY)
    return made, keyed, alone


def ways_in(made: RateLimiter, keyed: int, alone: int) -> dict[str, Callable[[Any], object]]:
    """One decision by each of the package's ways; the clock is read inside."""
    clock = time.monotonic_ns
    request = RateLimitRequest(0, "user-7", 1)
    return {
        "decider": decider(made, keyed),
        "allow_key": lambda key: made.allow_key(keyed, key, now_ns=clock()),
        "allow, unkeyed": lambda _: made.allow(alone, now_ns=clock()),
        "allow_request": lambda _: made.allow_request(request, now_ns=clock()),
    }


def scalars() -> Iterator[Result]:
    """One Python call with a str key and the clock read inside, beside the peers."""
    for profile, count in (("edge", 512), ("edge", 1 << 20)):
        names = [f"user-{i}" for i in range(count)]
        keys = picked(names)
        found: dict[str, float] = {}
        for name, make in peers.installed():
            decide = make()
            if count > 512:
                loop(decide, names)()
            found[name] = per_call(decide, keys)
            yield Result(f"python, {name} at {count}", found[name], "call")
        best = min(found.values(), default=0.0)
        made, keyed, alone = limiter(profile)
        ours = ways_in(made, keyed, alone)
        loop(ours["allow_key"], names)()
        for name, decide in ours.items():
            if count > 512 and name not in ("decider", "allow_key"):
                continue
            ns = per_call(decide, keys)
            note = f"{ns / best:.2f} of the best peer" if best else "no peer is installed"
            note += ", at most 0.30" if name == "decider" else ""
            yield Result(f"python, raygate {name} at {count}", ns, "call", note=note)


def batches() -> Iterator[Result]:
    """Decisions through pinned buffers, and whole requests through Kernel.step."""
    made, keyed, alone = limiter("seed")
    dice = random.Random(SEED)
    for size in BATCHES:
        out = bytearray(size)
        ids = array.array("I", [alone] * size)
        keys = array.array("Q", [dice.randrange(256) for _ in range(size)])
        for what, pinned in (
            ("indexed", made.batch(out=out, limit_ids=ids)),
            ("keyed", made.batch(out=out, keys=keys, limit_id=keyed)),
        ):
            rounds = max(1, CALLS // size)
            now = iter(range(10**12, 10**18, 10**6))

            def run(batch: Any = pinned, rounds: int = rounds, now: Iterator[int] = now) -> None:
                for _ in range(rounds):
                    batch.run(now_ns=next(now))

            ns = timed(run, rounds * size)
            checked(sum(out), size, f"batch of {size}")
            most = 3.0 if size >= 256 and what == "indexed" else None
            yield Result(f"python batch, {what} limits at {size}", ns, most_xr=most)
    yield from whole_requests()


def whole_requests() -> Iterator[Result]:
    """Kernel.step over prepared rows with everything configured."""
    raw = _raw.load("seed")
    traffic = Traffic(count=16384)
    content = rows("python", traffic).read_bytes()
    split = 16 + traffic.count * raw.ffi.sizeof("ray_row")
    memory = bytearray(content[16:split])
    pool = raw.ffi.from_buffer("uint8_t[]", content[split:])
    scratch = raw.ffi.new("uint8_t[]", raw.lib.RAY_TARGET_BYTES_MAX)
    for size in BATCHES:
        kernel = Kernel(config=config.loads(everything()))
        row = raw.ffi.cast("ray_row *", raw.ffi.from_buffer(memory))
        work = raw.ffi.new("ray_rows *", {"bytes": pool, "bytes_length": len(pool),
                                          "scratch": scratch})
        answers = raw.ffi.new("ray_answer[]", size)

        def run(kernel: Kernel = kernel, row: Any = row, work: Any = work, size: int = size,
                answers: Any = answers) -> None:
            for at in range(0, traffic.count, size):
                work.row = row + at
                kernel.step(work, size, answers)

        ns = timed(run, traffic.count)
        most = ratio(160) if size > 64 else None
        yield Result(f"python batch, whole requests at {size}", ns, "request", most)
    yield one_call()


def one_call() -> Result:
    """One governed request by one call of Kernel.admit: names become numbers, a row, a decision."""
    kernel = Kernel(config=config.loads(everything()))
    dice, at = random.Random(SEED), itertools.count(10**12, 1000)
    asked = [(target(dice.randrange(512), number), f"user-{number}",
              f"10.0.{number >> 8}.{number & 255}", f"t{dice.randrange(64)}")
             for number in (dice.randrange(400) for _ in range(4096))]

    def run() -> None:
        for path, user, ip, tenant in asked:
            kernel.admit(path, at_ns=next(at), ip=ip, user=user, tenant=tenant, exchange=True,
                         request_bytes=300, response_bytes=2000)

    return Result("python, whole request, one call", timed(run, len(asked), 3), "request",
                  ratio(250), "Python makes the row and the Decision; a batch makes neither")


def replays() -> Iterator[Result]:
    """Lines of an access log through everything, as `raygate replay` does it."""
    if importlib.util.find_spec("tests.bench.replay") is None:
        return
    from . import replay  # type: ignore[attr-defined,unused-ignore]

    yield from replay.results()
