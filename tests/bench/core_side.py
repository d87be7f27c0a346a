# SPDX-License-Identifier: MIT
"""What the core costs in C: single limits, whole admissions, routing."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from host_sim import _raw, config

from .measure import WORK, Result, in_c, ratio
from .workload import Traffic, everything, indexed, keyed, routed, rows_file


def blob(name: str, text: str, profile: str = "seed") -> pathlib.Path:
    """A compiled configuration on disk."""
    path = WORK / f"{name}-{profile}.blob"
    path.write_bytes(config.loads(text, name=name, profile=profile).blob)
    return path


def rows(name: str, traffic: Traffic) -> pathlib.Path:
    """Prepared rows on disk."""
    path = WORK / f"{name}.rows"
    rows_file(_raw.load("seed").ffi, path, traffic)
    return path


def checked(granted: int, least: int, what: str) -> None:
    """A measurement of refusals would be a measurement of something else."""
    if granted < least:
        raise RuntimeError(f"{what}: only {granted} granted, at least {least} expected")


def decisions() -> Iterator[Result]:
    """One limit at a time: by handle, by key, and the pipeline's three calls."""
    setup = blob("indexed", indexed())
    for batch, most in ((1, 4.0), (256, 3.0)):
        ns, granted = in_c("seed", "try", setup, 64, batch)
        checked(granted, 1 << 20, "indexed")
        how = "one by one" if batch == 1 else f"batch of {batch}"
        yield Result(f"core, indexed limit, {how}", ns, most_xr=most)
    for profile, keys in (("seed", 256), ("edge", 512), ("edge", 1 << 16), ("edge", 1 << 20)):
        setup = blob("keyed", keyed(), profile)
        for batch in (1, 256):
            ns, granted = in_c(profile, "key", setup, keys, batch)
            checked(granted, 1 << 20, f"keyed {keys}")
            how = "one by one" if batch == 1 else f"batch of {batch}"
            most = 21.0 if keys == 1 << 20 and batch > 1 else None
            yield Result(f"core, keyed limit, {how}, {profile} at {keys}", ns, most_xr=most)
    ns, granted = in_c("seed", "limit", blob("keyed", keyed()), 256)
    checked(granted, 1 << 20, "ask, take, note")
    yield Result("core, keyed limit: ask, take, note at 256", ns)


def queues() -> Iterator[Result]:
    """One request in and one out, five classes, as more wait: the cost must not grow."""
    for profile, depths in (("seed", (10, 1_000, 4_000)), ("edge", (1_000, 8_000, 32_000))):
        for flows in (1, 8):
            for depth in depths:
                ns, sent = in_c(profile, "queue", depth, flows)
                checked(sent, 1 << 20, f"queue of {depth}")
                what = f"core, queue in and out, {profile}, flows {flows} at {depth}"
                yield Result(what, ns, "request", most_xr=21.5 if flows == 1 else None)


def admits() -> Iterator[Result]:
    """ray_step_batch with 512 routes, 66 limits and 128 quotas configured."""
    for profile, users in (("seed", 400), ("edge", 1 << 20)):
        setup = blob("everything", everything(), profile)
        traffic = rows(f"everything-{users}", Traffic(users=users))
        for batch in (1, 16, 256, 1024):
            ns, granted = in_c(profile, "step", setup, traffic, batch)
            checked(granted, 60000, f"admit {profile}")
            most = ratio(150) if profile == "seed" and batch > 16 else None
            yield Result(f"core, whole request, {profile}, batch at {batch}", ns, "request", most)


def routes() -> Iterator[Result]:
    """ray_gateway_ask as the table grows: the cost must not."""
    for count in (1, 8, 64, 256, 512):
        setup = blob(f"routes{count}", routed(count))
        traffic = rows(f"routes{count}", Traffic(routes=count, tenants=0))
        ns, granted = in_c("seed", "route", setup, traffic)
        checked(granted, 65536, f"routes {count}")
        yield Result(f"core, route and normalise at {count}", ns, "request", ratio(45))


def governance() -> Iterator[Result]:
    """One step of a request, one histogram, one sample of an exposition."""
    for kind, what in ((1, "admitted"), (2, "sent"), (5, "done")):
        for pairs in (1, 64):
            ns, booked = in_c("seed", "governance", str(kind), str(pairs))
            checked(booked, 1 << 20, f"governance {what}")
            yield Result(f"core, governance note, {what}, services at {pairs}", ns, "step", 17.0)
    yield Result("core, histogram record", in_c("seed", "histogram")[0], "value", 1.7)
    ns, _ = in_c("seed", "histogram", "quantiles")
    yield Result("core, three quantiles", ns, "read", 860.0)
    for services in (1, 64):
        ns, booked = in_c("seed", "apimon", services)
        checked(booked, 1 << 20, "apimon")
        yield Result(f"core, apimon exchange, services at {services}", ns, "exchange", 1.7)
    ns, read = in_c("seed", "apimon", 64, "quantiles")
    checked(read, 1 << 20, "apimon quantiles")
    yield Result("core, apimon, three quantiles", ns, "read", 860.0)
    for services in (1, 16, 256):
        ns, _ = in_c("seed", "exposition", str(services))
        yield Result(f"core, Prometheus text, services at {services}", ns, "sample", 130.0)
