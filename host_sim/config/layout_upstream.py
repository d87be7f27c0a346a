# SPDX-License-Identifier: MIT
"""The rows about what stands behind the gateway: pools, instances, and the guards before a service.
See layout.py, which names their sections."""

from __future__ import annotations

from construct import Array, Int8ul, Int16ul, Int32ul, Int64ul, PaddedString, Padding, Struct

from host_sim.config.capacities import NAME_BYTES

Name = PaddedString(NAME_BYTES, "ascii")

Pool = Struct(
    "name" / Name,
    "key_name" / Name,
    "health_every_ns" / Int64ul,
    "health_timeout_ns" / Int64ul,
    "eject_ns" / Int64ul,
    "slow_start_ns" / Int64ul,
    "idle_ttl_ns" / Int64ul,
    "rise" / Int32ul,
    "fall" / Int32ul,
    "eject_after" / Int32ul,
    "eject_percent" / Int32ul,
    "panic_percent" / Int32ul,
    "connections_max" / Int32ul,
    "idle_max" / Int32ul,
    "load_percent" / Int32ul,
    "slow_start_percent" / Int32ul,
    "strategy" / Int8ul,
    "sticky" / Int8ul,
    "panic_fails" / Int8ul,
    "discovered" / Int8ul,
)

Instance = Struct("at" / Name, "pool" / Int32ul, "weight" / Int32ul)
ServicePool = Struct("service" / Int32ul, "pool" / Int32ul)

OutcomeSet = Struct(
    "status" / Array(6, Int16ul),
    "kinds" / Int8ul,
    "status_count" / Int8ul,
    "reserved" / Padding(2),
)

Breaker = Struct(
    "open_ns" / Int64ul,
    "open_max_ns" / Int64ul,
    "window_ns" / Int64ul,
    "failures" / Int32ul,
    "rate_ppm" / Int32ul,
    "volume" / Int32ul,
    "successes" / Int32ul,
    "probes" / Int32ul,
    "jitter_ppm" / Int32ul,
    "counts" / OutcomeSet,
    "fixed_window" / Int8ul,
    "reserved" / Padding(7),
)

Bulkhead = Struct("max_wait_ns" / Int64ul, "concurrent" / Int32ul, "waiting" / Int32ul)

Retry = Struct(
    "base_ns" / Int64ul,
    "max_ns" / Int64ul,
    "ttl_ns" / Int64ul,
    "on" / OutcomeSet,
    "attempts" / Int32ul,
    "methods" / Int32ul,
    "deposit" / Int32ul,
    "cost" / Int32ul,
    "reserve" / Int32ul,
    "capacity" / Int32ul,
    "refund" / Int32ul,
    "jitter" / Int8ul,
    "budget" / Int8ul,
    "reserved" / Padding(2),
)

Guard = Struct(
    "timeout_ns" / Int64ul,
    "service" / Int32ul,
    "parts" / Int8ul,
    "mode" / Int8ul,
    "reserved" / Padding(2),
    "breaker" / Breaker,
    "bulkhead" / Bulkhead,
    "retry" / Retry,
)
