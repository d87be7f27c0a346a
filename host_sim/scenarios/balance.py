# SPDX-License-Identifier: MIT
"""Scenarios of balancing: an instance that is killed and comes back, and one that is taken away."""

from __future__ import annotations

import hashlib
import ipaddress

from host_sim.kernel import Kernel
from host_sim.scenarios.gateway import KernelGateway, Probing
from host_sim.scenarios.pools import Pools
from host_sim.scenarios.run import (
    SERVICE,
    Expectation,
    Result,
    columns,
    conserved,
    kernel_of,
    per_second,
    returned,
    seed_bytes,
    sparkline,
)
from host_sim.simulate import Report, Simulation, arrivals
from host_sim.upstream import Instance, Latency, S, Trouble, Upstream

MS = 10**6

# -- an instance that is killed -------------------------------------------------------------------
SECONDS, KILLED, REVIVED = 60, 15, 35
NAMES = ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
VICTIM = NAMES[1]
RISE, FALL, EJECT_AFTER, EJECT_S = 2, 3, 3, 5
RULES = """timeout = "1s"
retry = { attempts = 3, base = "10ms", max = "50ms", on = ["connection"], budget = "none" }
"""


def _kill(seed: int, *, probed: bool) -> tuple[Report, Kernel, KernelGateway, Pools]:
    """One run: told by probes alone, or by the requests that fail alone."""
    dead = Trouble("refuse", KILLED * S, REVIVED * S)
    latency = Latency("exponential", 20 * MS)
    upstream = Upstream(
        {name: Instance(latency, troubles=(dead,) if name == VICTIM else ()) for name in NAMES},
        seed=seed_bytes(seed),
    )
    kernel = kernel_of(seed, RULES)
    terms = (
        dict(health_every_ns=S, health_timeout_ns=S // 2, rise=RISE, fall=FALL)
        if probed
        else dict(eject_after=EJECT_AFTER, eject_ns=EJECT_S * S)
    )
    pools = Pools(kernel, SERVICE, NAMES, strategy="ROUND_ROBIN", **terms)
    probing = Probing(S, upstream, pools) if probed else None
    gateway = KernelGateway(kernel, timeout_ns=10 * S, probing=probing)
    report = Simulation(gateway, upstream).run(arrivals(60, SECONDS, seed=seed_bytes(seed)))
    return report, kernel, gateway, pools


def _rounds() -> int:
    """Ejected for 5, 10, 15 ... s: how often it is put to the test while it is dead."""
    rounds, at_s = 0, 0
    while at_s < REVIVED - KILLED:
        rounds += 1
        at_s += EJECT_S * rounds
    return rounds


def killed_instance(seed: int) -> Result:
    """One of three instances refuses connections for 20 s; probes or its failures take it out."""
    probed, one, by_probe, seen = _kill(seed, probed=True)
    passive, two, by_failure, ejecting = _kill(seed, probed=False)
    first = per_second(by_probe.picks, VICTIM, SECONDS)
    second = per_second(by_failure.picks, VICTIM, SECONDS)
    last = max(at for at, name in by_probe.picks if name == VICTIM and at < REVIVED * S)
    back = min(at for at, name in by_probe.picks if name == VICTIM and at >= REVIVED * S)
    struck = [at for at, name in by_failure.picks if name == VICTIM and at >= KILLED * S]
    failed = sum(at < REVIVED * S for at in struck)
    again = struck[failed]
    rounds = _rounds()
    late = [name for at, name in by_probe.picks if at >= (REVIVED + 5) * S]
    share = late.count(VICTIM) * 100 // len(late)
    expectations = (
        Expectation(
            f"probes: its last pick is {(last - KILLED * S) // MS} ms after it was killed, "
            f"within {FALL} probes, and none follows until it is back",
            last < (KILLED + FALL) * S,
        ),
        Expectation(
            f"probes: it is picked again {(back - REVIVED * S) // MS} ms after it is back, "
            f"after {RISE} good probes",
            (RISE - 1) * S <= back - REVIVED * S <= (RISE + 1) * S,
        ),
        Expectation(f"probes: then it has {share} % of the picks again", 32 <= share <= 34),
        Expectation(
            f"failures: {failed} picks failed in {REVIVED - KILLED} s: {EJECT_AFTER} at once, "
            f"and at most {EJECT_AFTER} more each of the {rounds - 1} times it was tried again",
            EJECT_AFTER <= failed <= EJECT_AFTER * rounds,
        ),
        Expectation(
            f"failures: it is picked again {(again - REVIVED * S) // MS} ms after it is back, "
            "when its ejection ends",
            again - REVIVED * S <= EJECT_S * rounds * S,
        ),
        Expectation(
            f"no client saw it: {probed.total('ok')} of {probed.total('offered')} and "
            f"{passive.total('ok')} of {passive.total('offered')} were answered well",
            probed.total("ok") == probed.total("offered")
            and passive.total("ok") == passive.total("offered"),
        ),
        conserved(one),
        conserved(two),
        returned(one),
        returned(two),
    )
    rows: list[tuple[object, ...]] = [("instance", "picks, probes", "picks, failures")]
    rows += [(name, seen.read(name).picked_count, ejecting.read(name).picked_count)
             for name in NAMES]  # fmt: skip
    most = max([*first, *second])
    text = (
        f"{'probes':<9}|{sparkline(first, most)}|\n{'failures':<9}|{sparkline(second, most)}|\n"
        f"{'':<9} picks of {VICTIM}, one character a second, @ is {most}; dead from second "
        f"{KILLED} to {REVIVED}\n\n{columns(rows)}"
    )
    numbers = {"last_pick_ms": last // MS, "back_ms": back // MS, "failed_picks": failed,
               "ejected_back_ms": again // MS, "share_percent": share}  # fmt: skip
    digests = {"probes": one.digest().decision, "failures": two.digest().decision}
    return Result("killed-instance", seed, text, expectations, numbers, digests)


# -- one of n goes --------------------------------------------------------------------------------
INSTANCES, KEYS = 8, 2000


def _addresses(seed: int) -> list[str]:
    """Clients' addresses, all different."""
    found: dict[str, None] = {}
    number = 0
    while len(found) < KEYS:
        drawn = hashlib.blake2b(number.to_bytes(8, "big"), key=seed_bytes(seed), digest_size=4)
        found[str(ipaddress.IPv4Address(drawn.digest()))] = None
        number += 1
    return list(found)


def _served(kernel: Kernel, seed: int, addresses: list[str], at_ns: int) -> dict[str, str]:
    """Who serves each address from now on: one real request each, answered at once."""
    served = {}
    coming = arrivals(1000, 60, seed=seed_bytes(seed))
    for address, request in zip(addresses, coming, strict=False):
        now = at_ns + request.at_ns
        served[address] = kernel.admit("/", at_ns=now, ip=address).instance
        kernel.complete(kernel.last_id, at_ns=now)
    return served


def lose_one_of_n(seed: int) -> Result:
    """Under ip_hash one of eight instances is taken away and put back."""
    kernel = kernel_of(seed)
    names = [f"10.0.0.{number + 1}:80" for number in range(INSTANCES)]
    pools = Pools(kernel, SERVICE, names, strategy="IP_HASH")
    addresses = _addresses(seed)
    lost = names[seed % INSTANCES]
    before = _served(kernel, seed, addresses, S)
    pools.remove(lost)
    without = _served(kernel, seed, addresses, 10 * S)
    pools.add(lost)
    after = _served(kernel, seed, addresses, 20 * S)
    moved = [address for address in addresses if before[address] != without[address]]
    had = sum(name == lost for name in before.values())
    rows: list[tuple[object, ...]] = [("instance", "keys", "without it", "put back")]
    rows += [
        (name, *(sum(name == one for one in when.values()) for when in (before, without, after)))
        for name in names
    ]
    fair = KEYS // INSTANCES
    takers = {without[address] for address in moved}
    expectations = (
        Expectation(
            f"{len(moved)} keys moved, and {lost} had {had}",
            len(moved) == had and all(before[address] == lost for address in moved),
        ),
        Expectation(
            f"they went to all {len(takers)} others, not to one", takers == set(names) - {lost}
        ),
        Expectation("put back, it has the same keys again", before == after),
        Expectation(
            f"each has {fair} keys, give or take a third",
            all(abs(sum(name == one for one in before.values()) - fair) <= fair // 3
                for name in names),
        ),
        conserved(kernel),
        returned(kernel),
    )  # fmt: skip
    return Result("lose-one-of-n", seed, columns(rows), expectations,
                  {"moved": len(moved), "had": had}, {"run": kernel.digest().decision})  # fmt: skip
