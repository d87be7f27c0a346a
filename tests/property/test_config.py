# SPDX-License-Identifier: MIT
"""config: whatever the bytes, the core refuses them whole or runs them soundly; whatever the file
says, the host names it; and what the host accepts, the core accepts."""

import functools
import re
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from host_sim import config as compiler
from host_sim.config import rates
from host_sim.errors import RaygateError
from host_sim.kernel import Kernel
from tests.configs import sealed
from tests.data import ROOT

RAYOS = (ROOT / "examples" / "rayos.toml").read_text()
SMALL = """version = 1
[tenant.x]
plan = "p"
[service.a]
[service.b]
[[route]]
name = "a"
service = "a"
path = { wildcard = "/a/*" }
headers = { X-A = { prefix = "1" } }
limits = ["n"]
[[route]]
name = "b"
service = "b"
path = { regex = '/b/[a-c]+' }
[[limit]]
name = "l"
scope = "user"
rate = "3/s"
plan = { p = "4/s" }
[[limit]]
name = "n"
scope = "named"
algorithm = "sliding_window"
rate = "5/s"
[[quota]]
name = "q"
limit = 10
window = "day"
alerts = ["80%"]
"""


@functools.cache
def small() -> bytes:
    return compiler.loads(SMALL, profile="tiny").blob


def running() -> Kernel:
    kernel = Kernel(profile="tiny", config=small())
    for _ in range(3):
        kernel.admit("/a/1", user="u", tenant="x", headers={"X-A": "12"}, exchange=True)
    return kernel


def test_every_single_bit_flipped_is_refused_and_the_running_state_is_equal():
    kernel, blob = running(), small()
    before, digests = kernel.snapshot(), kernel.digest()
    lib, ffi = kernel.lib, kernel.ffi
    memory = ffi.new("uint64_t[]", (len(blob) + 7) // 8)
    bytes_at = ffi.cast("uint8_t *", memory)
    ffi.memmove(memory, blob, len(blob))
    report = ffi.new("ray_config_report *")
    state = ffi.buffer(kernel.ray_memory(), lib.ray_bytes())
    whole = bytes(state)
    for bit in range(8 * len(blob)):
        bytes_at[bit // 8] ^= 1 << bit % 8
        status = lib.ray_config_load(kernel.ray, kernel.secrets, 0, bytes_at, len(blob), report)
        assert status < 0, bit
        bytes_at[bit // 8] ^= 1 << bit % 8
        if bit % 64 == 0:
            assert bytes(state) == whole, bit
    assert bytes(state) == whole
    assert (kernel.snapshot(), kernel.digest()) == (before, digests)
    assert lib.ray_config_load(kernel.ray, kernel.secrets, 0, bytes_at, len(blob), report) == 0


@given(bit=st.integers(0, 8 * 19_000))
@settings(max_examples=300)
def test_a_bit_flipped_in_the_default_configuration_is_refused(bit):
    blob = bytearray(rayos())
    bit %= 8 * len(blob)
    blob[bit // 8] ^= 1 << bit % 8
    assert core_refuses(bytes(blob), "seed")


@functools.cache
def rayos() -> bytes:
    return compiler.loads(RAYOS).blob


def core_refuses(blob: bytes, profile: str) -> str:
    """The core's own words against the bytes, "" when it takes them."""
    from host_sim import _raw

    lib, ffi = _raw.load(profile).lib, _raw.load(profile).ffi
    memory = ffi.new("uint64_t[]", (len(blob) + 7) // 8 + 1)
    ffi.memmove(memory, blob, len(blob))
    report, text, room = (
        ffi.new("ray_config_report *"),
        ffi.new("ray_text *"),
        ffi.new("char[]", 256),
    )
    if lib.ray_config_check(ffi.cast("uint8_t *", memory), len(blob), report) == 0:
        return ""
    lib.ray_text_init(text, room, 256)
    lib.ray_config_reason_text(report, text)
    return bytes(ffi.buffer(room, text.length)).decode()


EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 2**31, 2**32 - 1]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "word", "cut", "copy", "grow"]),
        st.integers(0, 2**16),
        st.one_of(st.sampled_from(EDGES), st.integers(0, 2**32 - 1)),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def edited(blob: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    out = bytearray(blob)
    for how, at, value in edits:
        if not out:
            break
        at %= len(out)
        if how == "set":
            out[at] = value & 0xFF
        elif how == "word":
            at &= ~3
            out[at : at + 4] = struct.pack("<I", value)
        elif how == "cut":
            del out[at : at + 1 + value % 64]
        elif how == "copy":
            out[at:at] = out[at : at + 1 + value % 64]
        else:
            out += bytes(8 * (value % 8))
    return bytes(out)


@given(EDITS, st.booleans())
@settings(max_examples=400)
def test_hostile_bytes_are_refused_whole_or_run_soundly(edits, seal):
    blob = edited(small(), edits)
    blob = sealed(blob) if seal else blob
    kernel = running()
    before = kernel.snapshot()
    try:
        kernel.configure(blob)
    except RaygateError:
        assert kernel.snapshot() == before
    assert kernel.valid() == 0
    for target in ("/a/1", "/b/abc", "/c"):
        kernel.admit(target, user="u", tenant=None, headers={"X-A": "12"}, exchange=True)
    assert kernel.valid() == 0


# -- reload during traffic -------------------------------------------------------------------------
STEP = st.one_of(
    st.tuples(st.just("admit"), st.integers(0, 3), st.integers(0, 10**9)),
    st.tuples(st.just("hold"), st.integers(1, 4), st.integers(0, 10**9)),
    st.tuples(st.sampled_from(["complete", "refund", "cancel"]), st.integers(1, 4), st.just(0)),
    st.tuples(st.just("tick"), st.just(0), st.integers(0, 40 * 10**9)),
)


def walk(kernel: Kernel, step: tuple[str, int, int], now_ns: int) -> tuple[int, object]:
    """One event; what it decided, without the epoch."""
    how, which, wait_ns = step
    at_ns = now_ns + wait_ns
    target = ("/a/1", "/b/abc", "/a/2", "/x")[which % 4]
    more = {"user": f"u{which % 2}", "tenant": "x" if which else None, "headers": {"X-A": "12"}}
    try:
        if how == "admit":
            decision = kernel.admit(target, at_ns=at_ns, exchange=True, **more)
        elif how == "hold":
            decision = kernel.admit(target, at_ns=at_ns, id=which, refundable=True, **more)
        elif how == "tick":
            return kernel.tick(at_ns), None
        else:
            decision = getattr(kernel, how)(which, at_ns=at_ns)
    except RaygateError as error:
        return now_ns, error.status
    said = (decision.verdict, decision.reason, decision.by, decision.retry_after_ns)
    return decision.at_ns, (*said, decision.service, decision.route, decision.epoch)


@given(st.lists(STEP, min_size=1, max_size=30), st.integers(0, 29), st.booleans())
@settings(max_examples=150)
def test_a_reload_between_any_two_events_changes_nothing_but_the_epoch(steps, at, is_bad):
    kernel, twin = running(), running()
    now_ns, epoch = 0, kernel.stats()["epoch"]
    for place, step in enumerate(steps):
        if place == at % len(steps):
            if is_bad:
                with pytest.raises(RaygateError):
                    kernel.configure(small()[:-1])
            else:
                kernel.configure(small())
                epoch += 1
        later, said = walk(kernel, step, now_ns)
        same, expected = walk(twin, step, now_ns)
        if isinstance(said, tuple) and isinstance(expected, tuple):
            assert said[-1] == epoch
            said, expected = said[:-1], expected[:-1]
        assert (later, said) == (same, expected)
        now_ns = later
    assert kernel.valid() == twin.valid() == 0
    assert kernel.digest().book == twin.digest().book


# -- files -----------------------------------------------------------------------------------------
NUMBERS = "0 -1 1 9 9223372036854775807 1.5 nan true 1000000000000 2026-01-05T23:00:00Z".split()
TEXTS = (
    "|x|1/s|7/3s|0s|1h|20%|10.0.0.0/8|/x|shadow|kernel|per-user|acme|service|ip|user|named"
    "|leaky_bucket|sliding_window|fixed_window|month|rolling 1h|123456789/987654321ns|\u00e4|"
    + "x"
    * 300
).split("|")
GROUPS = [
    "[]", "{}", '["x"]', '{ prefix = "/" }', '{ gold = "3/7s" }', '{ ip = "10.0.0.0/8" }',
    '{ low = "20%" }',
]  # fmt: skip
VALUES = st.sampled_from([*NUMBERS, *GROUPS, *(f'"{text}"' for text in TEXTS)])
LINES = RAYOS.split("\n")
PAIRS = [place for place, line in enumerate(LINES) if re.match(r"^[a-z_0-9]+ = ", line)]
KEYS = sorted({line.split(" = ")[0] for line in LINES if re.match(r"^[a-z_0-9]+ = ", line)})


HOW = st.sampled_from(["value", "drop", "twice", "key", "extra"])
CHANGE = st.tuples(st.sampled_from(PAIRS), HOW, VALUES, st.sampled_from(KEYS))


@given(st.lists(CHANGE, min_size=1, max_size=3))
@settings(max_examples=250)
def test_every_file_is_explained_and_what_the_host_accepts_the_core_accepts(changes):
    lines = list(LINES)
    for place, how, value, key in changes:
        name = lines[place].split(" = ")[0]
        lines[place] = {
            "value": f"{name} = {value}", "drop": "", "twice": f"{lines[place]}\n{lines[place]}",
            "key": f"{key} = {value}", "extra": f"{lines[place]}\n{key} = {value}",
        }[how]  # fmt: skip
    text = "\n".join(lines)
    result = compiler.examine(text.encode())
    assert result.findings == sorted(result.findings)
    for one in result.findings:
        assert one.code in compiler.CODES and one.message
        assert 1 <= one.line <= text.count("\n") + 1 and one.column >= 1
    if not result.findings:
        assert core_refuses(compiler.loads(text).blob, "seed") == ""


@pytest.mark.parametrize("value", ["", '""', "0", "9223372036854775807"])
def test_every_key_absent_blank_zero_or_huge_is_refused_with_its_line_or_sound(value):
    for place in PAIRS:
        lines = list(LINES)
        lines[place] = f"{lines[place].split(' = ')[0]} = {value}" if value else ""
        result = compiler.examine("\n".join(lines).encode())
        if value and result.findings:
            # The finding is at the key; that a burst leaves no room for its rate is said at the
            # rate above it.
            assert {place, place + 1} & {one.line for one in result.findings}, lines[place]
        if not result.findings:
            assert core_refuses(compiler.loads("\n".join(lines)).blob, "seed") == ""


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_no_bytes_break_the_checker(source):
    for one in compiler.examine(source).findings:
        assert one.code in compiler.CODES


# -- rates -----------------------------------------------------------------------------------------
COUNTS = st.one_of(st.integers(1, 10**4), st.integers(1, 2**63 - 1))


@given(COUNTS, st.one_of(st.integers(1, 10**10), st.integers(1, 2**63 - 1)), COUNTS)
@example(1_000_000, 3 * 86_400 * 10**9, 1_000_000)
@example(999_999_999, 999_999_937, 999_999_999_999)
@settings(max_examples=400)
def test_host_and_core_agree_on_which_rates_are_exact_and_on_the_nearest(
    count, period_ns, capacity
):
    from host_sim import _raw

    lib, ffi = _raw.load("seed").lib, _raw.load("seed").ffi
    spec = ffi.new("ray_limit_spec *", {"name": {"at": b"l"}})
    spec.rate_tokens, spec.rate_period_ns, spec.capacity = count, period_ns, capacity
    spec.service = spec.instead_of = lib.RAY_NONE
    tokens, period = ffi.new("uint64_t *"), ffi.new("uint64_t *")
    status = lib.ray_ratelimit_nearest(spec, tokens, period)
    exact = rates.is_exact(count, period_ns, capacity)
    near = rates.nearest(count, period_ns, capacity)
    if exact:
        assert (status, tokens[0], period[0]) == (0, count, period_ns)
        return
    assert (status == 0) == (near is not None)
    if near is not None:
        from host_sim.config import units

        rate = units.parse_rate(near)
        assert rates.is_exact(rate.count, rate.period_ns, capacity)
        assert (rate.count, rate.period_ns) == (tokens[0], period[0])
