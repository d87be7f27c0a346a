# SPDX-License-Identifier: MIT
"""What came of requests over time: a native timeline read into columns."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from host_sim.decision import NEVER
from host_sim.modules.cost_reading import money_of
from host_sim.replay.governed import tenant_name

if TYPE_CHECKING:
    from host_sim.kernel import Kernel

QUOTA_TYPES = ("requests", "bytes", "compute", "custom", "cost")  # enum ray_quota_type
Gaps = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Waits:
    """A class at each sample: requests sent out of a queue so far, their waits' sum and the longest
    (nanoseconds), and how many wait now."""

    priority: str
    sent: tuple[int, ...]
    wait_sum_ns: tuple[int, ...]
    wait_max_ns: tuple[int, ...]
    waiting: tuple[int, ...]

    def means(self) -> Gaps:
        """The mean wait of what was sent since the sample before, None where nothing was."""
        out: list[int | None] = []
        sent = spent = 0
        for count, total in zip(self.sent, self.wait_sum_ns, strict=True):
            out.append((total - spent) // (count - sent) if count > sent else None)
            sent, spent = count, total
        return tuple(out)


@dataclasses.dataclass(frozen=True)
class Balance:
    """A quota instance at each sample: units used (reserved ones too) and the limit (with what was
    carried over); None where it was not followed. `per_user`: it is one user's, who is not named.
    """

    quota: str
    tenant: str
    per_user: bool
    kind: str
    used: Gaps
    limit: Gaps


@dataclasses.dataclass(frozen=True)
class Samples:
    """The core's state at instants (Unix nanoseconds), one at most in a bucket."""

    at_ns: tuple[int, ...] = ()
    nano: tuple[int, ...] = ()          # charged so far, in 10^-9 units
    waits: tuple[Waits, ...] = ()       # classes that ever waited
    balances: tuple[Balance, ...] = ()


@dataclasses.dataclass(frozen=True)
class Timeline:
    """Counts of requests in buckets of `width_ns`, each from its start; samples only where the core
    ran in this process."""

    width_ns: int = 0
    start_ns: tuple[int, ...] = ()
    requests: tuple[int, ...] = ()
    allowed: tuple[int, ...] = ()
    denied: tuple[int, ...] = ()
    delayed: tuple[int, ...] = ()
    redirected: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    queued: tuple[int, ...] = ()
    would_deny: tuple[int, ...] = ()
    throttled: tuple[int, ...] = ()     # the log says 429
    response_bytes: tuple[int, ...] = ()
    samples: Samples = Samples()


def read(kernel: Kernel, timeline: Any) -> Timeline:
    """A `ray_timeline *` in columns; `kernel` is the core it watched and knows the names."""
    ffi, lib = kernel.ffi, kernel.lib
    shape, bucket = ffi.new("ray_timeline_shape *"), ffi.new("ray_timeline_bucket *")
    lib.ray_timeline_read(timeline, shape)
    rows = []
    for place in range(shape.bucket_count):
        lib.ray_timeline_bucket_read(timeline, place, bucket)
        verdict = bucket.verdict_count
        rows.append(tuple(map(int, (
            shape.start_ns + place * shape.width_ns, bucket.request_count,
            verdict[lib.RAY_VERDICT_ALLOW], verdict[lib.RAY_VERDICT_DENY],
            verdict[lib.RAY_VERDICT_DELAY], verdict[lib.RAY_VERDICT_REDIRECT],
            verdict[lib.RAY_VERDICT_DROPPED], bucket.queued_count, bucket.would_deny_count,
            bucket.throttled_count, bucket.response_bytes))))
    if not rows:
        return Timeline()
    names = [field.name for field in dataclasses.fields(Timeline)][1:-1]
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return Timeline(width_ns=int(shape.width_ns), **columns,
                    samples=_samples(kernel, timeline, shape.bucket_count))


def _samples(kernel: Kernel, timeline: Any, count: int) -> Samples:
    ffi, lib = kernel.ffi, kernel.lib
    taken = []
    for place in range(count):
        row = ffi.new("ray_timeline_sample_row *")
        lib.ray_timeline_sample_read(timeline, place, row)
        if row.at_ns:
            taken.append(row)
    names = ("sent_count", "wait_sum_ns", "wait_max_ns", "waiting_count")
    waits = [Waits(bytes(ffi.string(lib.ray_class_word(place))).decode(),
                   *(tuple(int(getattr(row.by_class[place], name)) for row in taken)
                     for name in names))
             for place in range(lib.RAY_CLASS_MAX)]
    return Samples(
        tuple(int(row.at_ns) for row in taken),
        tuple(money_of(row.money).nano for row in taken),
        tuple(wait for wait in waits if any(wait.sent) or any(wait.waiting)),
        tuple(_balances(kernel, timeline, taken)) if taken else ())


def _balances(kernel: Kernel, timeline: Any, taken: list[Any]) -> list[Balance]:
    ffi, lib = kernel.ffi, kernel.lib
    row, spec = ffi.new("ray_timeline_quota *"), ffi.new("ray_quota_spec *")
    found = []
    for place in range(lib.RAY_TIMELINE_QUOTA_MAX):
        if not lib.ray_timeline_quota_read(timeline, place, row):
            continue
        if lib.ray_quota_spec_read(lib.ray_quota_of(kernel.ray), row.allocation, spec) != 0:
            continue  # removed since
        known = [sample.used[place] != NEVER for sample in taken]
        used, limit = (tuple(int(getattr(sample, name)[place]) if here else None
                             for sample, here in zip(taken, known, strict=True))
                       for name in ("used", "limit"))
        found.append(Balance(bytes(ffi.string(spec.name.at)).decode(),
                             tenant_name(kernel, row.tenant), row.user_key != 0,
                             QUOTA_TYPES[spec.type], used, limit))
    return sorted(found, key=lambda one: (one.quota, one.tenant, one.per_user))

