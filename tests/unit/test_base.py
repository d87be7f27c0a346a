# SPDX-License-Identifier: MIT
"""base: the small tools everything stands on, against Python's own and the published vectors."""
import datetime
import hashlib
import importlib
import ipaddress
import json
import math
import pathlib
import random
import re
import sys
from decimal import Decimal, getcontext

import cffi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.siphash import siphash

ROOT = pathlib.Path(__file__).resolve().parents[2]
U64 = st.integers(0, 2**64 - 1)


def declared(*paths: str) -> str:
    lines = []
    for path in paths:
        text = re.sub(r"/\*.*?\*/", "", (ROOT / path).read_text(), flags=re.S)
        text = re.sub(r"^static inline ([^{]*\))\n\{.*?^\}$", r"\1;", text, flags=re.S | re.M)
        lines += [x for x in text.splitlines() if not x.startswith("#") and "restrict" not in x]
    return "\n".join(lines)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """kernel/base alone, compiled for this test run."""
    ffi = cffi.FFI()
    names = ("siphash", "sha256", "crc32c", "fixed", "civil", "heap", "headers", "week")
    public = [
        "kernel/profiles/tiny/ray/limits.h",
        *(f"kernel/include/ray/{n}.h" for n in ("status", "types", "text")),
    ]
    headers = [*public, *(f"kernel/base/{n}.h" for n in names)]
    ffi.cdef(declared(*headers))
    ffi.set_source(
        "_raygate_base",
        '#include <stdlib.h>\n#include "ray/text.h"\n'
        + "".join(f'#include "base/{n}.h"\n' for n in names)
        + "void ray_panic(const char *w) { (void)w; abort(); }\n",
        sources=[str(p) for p in sorted((ROOT / "kernel/base").glob("*.c"))
                 if p.name != "crypto.c"],   # it stands on a library of its own
        include_dirs=[str(ROOT / d) for d in ("kernel/include", "kernel/profiles/tiny", "kernel")],
        extra_compile_args=["-O1"],
    )
    folder = tmp_path_factory.mktemp("base")
    ffi.compile(tmpdir=str(folder))
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("_raygate_base")
    finally:
        sys.path.remove(str(folder))


def said(base, write, capacity=4096):
    """What `write(text)` prints into a fresh writer."""
    text, buffer = base.ffi.new("ray_text *"), base.ffi.new("char[]", capacity)
    base.lib.ray_text_init(text, buffer, capacity)
    write(text)
    return bytes(base.ffi.buffer(buffer, text.length)).decode("ascii")


def test_siphash_reference_agrees_with_the_published_vectors():
    key, data = bytes(range(16)), bytes(range(15))
    assert siphash(key, data).hex() == "e545be4961ca29a1"           # SipHash-2-4, paper appendix A
    assert siphash(key, b"", bits=128).hex() == "a3817f04ba25a8e66df67214c7550293"


@given(key=st.binary(min_size=16, max_size=16), data=st.binary(max_size=70))
def test_table_hash_is_siphash_1_3(base, key, data):
    wanted = int.from_bytes(siphash(key, data, c=1, d=3), "little")
    assert base.lib.ray_siphash(key, data, len(data)) == wanted


@given(key=st.binary(min_size=16, max_size=16), a=U64, b=U64)
def test_word_hash_equals_the_byte_hash_of_both_words(base, key, a, b):
    data = a.to_bytes(8, "little") + b.to_bytes(8, "little")
    assert base.lib.ray_siphash_words(key, a, b) == base.lib.ray_siphash(key, data, 16)


@given(key=st.binary(min_size=16, max_size=16), parts=st.lists(st.integers(0, 9), max_size=6))
def test_streamed_digest_is_siphash_2_4_128(base, key, parts):
    data = random.Random(len(parts)).randbytes(8 * sum(parts))
    stream, at, out = base.ffi.new("ray_sip_stream *"), 0, base.ffi.new("uint8_t[16]")
    base.lib.ray_sip_begin(stream, key)
    for words in parts:
        base.lib.ray_sip_bytes(stream, data[at : at + 8 * words], 8 * words)
        at += 8 * words
    base.lib.ray_sip_end(stream, out)
    assert bytes(out) == siphash(key, data, bits=128)


@given(parts=st.lists(st.binary(max_size=150), max_size=5))
def test_sha256_agrees_with_hashlib(base, parts):
    state, out = base.ffi.new("ray_sha256 *"), base.ffi.new("uint8_t[32]")
    base.lib.ray_sha256_init(state)
    for part in parts:
        base.lib.ray_sha256_add(state, part, len(part))
    base.lib.ray_sha256_end(state, out)
    assert bytes(out) == hashlib.sha256(b"".join(parts)).digest()


def crc32c(data: bytes) -> int:
    """Bit by bit, from the polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@given(data=st.binary(max_size=40), cut=st.integers(0, 40))
def test_crc32c_agrees_with_the_polynomial_wherever_it_is_cut(base, data, cut):
    first = base.lib.ray_crc32c(0, data[:cut], len(data[:cut]))
    assert base.lib.ray_crc32c(first, data[cut:], len(data[cut:])) == crc32c(data)


def test_crc32c_check_value_and_continuation(base):
    assert base.lib.ray_crc32c(0, b"123456789", 9) == 0xE3069283
    assert base.lib.ray_crc32c(base.lib.ray_crc32c(0, b"1234", 4), b"56789", 5) == 0xE3069283


@given(a=U64, b=U64, c=st.integers(1, 2**64 - 1))
def test_mul_div_rounds_as_it_says_and_caps(base, a, b, c):
    top = 2**64 - 1
    assert base.lib.ray_mul_div_floor(a, b, c) == min(a * b // c, top)
    assert base.lib.ray_mul_div_ceil(a, b, c) == min(-(-a * b // c), top)
    assert base.lib.ray_add_capped(a, b) == min(a + b, top)
    assert base.lib.ray_mul_capped(a, b) == min(a * b, top)
    assert base.lib.ray_gcd(a, c) == math.gcd(a, c)


@given(a=U64, b=U64, c=U64, d=U64, e=U64, f=U64)
def test_products_compare_in_full_width(base, a, b, c, d, e, f):
    def sign(x):
        return (x > 0) - (x < 0)
    assert base.lib.ray_mul_compare(a, b, c, d) == sign(a * b - c * d)
    assert base.lib.ray_mul_add_compare(a, b, c, d, e, f) == sign(a * b + c * d - e * f)
    assert base.lib.ray_mul_compare(a, b, b, a) == 0


@given(days=st.integers(-700_000, 2_900_000))
def test_calendar_agrees_with_datetime(base, days):
    wanted = datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    date = base.lib.ray_date_of(days)
    assert (date.year, date.month, date.day) == (wanted.year, wanted.month, wanted.day)
    assert base.lib.ray_days_of(date) == days
    assert base.lib.ray_weekday(days) == wanted.isoweekday()


@given(unix_ns=st.integers(-(2**62), 2**62), offset=st.integers(-720, 840))
def test_the_minute_of_the_week_agrees_with_datetime(base, unix_ns, offset):
    minutes = unix_ns // 60_000_000_000 + offset
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=minutes)
    wanted = moment.weekday() * 1440 + moment.hour * 60 + moment.minute
    assert base.lib.ray_week_minute(unix_ns, offset) == wanted


@given(start=st.integers(0, 10079), length=st.integers(1, 10080), minute=st.integers(0, 10079))
def test_a_range_of_the_week_is_half_open_and_may_wrap(base, start, length, minute):
    end = (start + length) % 10080
    assert base.lib.ray_week_holds(start, end, minute) == ((minute - start) % 10080 < length)


@given(
    st.lists(st.tuples(st.sampled_from("ar"), st.integers(0, 7), st.integers(0, 5)), max_size=60)
)
def test_heap_gives_the_earliest_due_lowest_slot(base, steps):
    ffi, lib = base.ffi, base.lib
    order, place, due, count = (
        ffi.new(t) for t in ("uint32_t[8]", "uint32_t[8]", "uint64_t[8]", "uint32_t *")
    )
    heap, model = ffi.new("ray_heap *", (order, place, due, count)), {}
    for what, slot, at in steps:
        if what == "a" and slot not in model:
            due[slot] = model[slot] = at
            lib.ray_heap_add(heap, slot)
        elif what == "r":
            lib.ray_heap_remove(heap, slot)
            model.pop(slot, None)
        first = min(model, key=lambda s: (model[s], s)) if model else 0xFFFFFFFF
        assert lib.ray_heap_first(heap) == first
        assert [i for i in range(8) if place[i]] == sorted(model)
        assert list(order)[count[0] :] == [0] * (8 - count[0])


@pytest.mark.parametrize(
    "ns, text",
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5us"),
        (1_500_000, "1.5ms"),
        (999_999_999, "999.999999ms"),
        (90 * 10**9, "1m30s"),
        (3600 * 10**9, "1h"),
        (86400 * 10**9 + 1, "1d0.000000001s"),
        (2**64 - 1, "never"),
    ],
)
def test_durations_lose_no_digit(base, ns, text):
    assert said(base, lambda t: base.lib.ray_text_duration(t, ns)) == text


@given(ns=st.integers(0, 2**63))
def test_times_agree_with_datetime(base, ns):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // 10**9)
    part = f".{ns % 10**9:09d}".rstrip("0").rstrip(".")
    assert said(base, lambda t: base.lib.ray_text_time(t, ns)) == moment.isoformat() + part + "Z"


@given(st.integers(0, 2**128 - 1) | st.integers(0, 2**32 - 1).map(lambda v: v | 0xFFFF << 32)
       | st.integers(0, 255).map(lambda v: v << 64))
def test_addresses_print_and_read_back(base, number):
    raw, out = number.to_bytes(16, "big"), base.ffi.new("ray_address *")
    base.ffi.memmove(out.at, raw, 16)
    ip = ipaddress.ip_address(raw)
    wanted = str(ip.ipv4_mapped or ip)
    assert said(base, lambda t: base.lib.ray_text_address(t, out)) == wanted
    back = base.ffi.new("ray_address *")
    assert base.lib.ray_address_read(wanted.encode(), len(wanted), back) == 1
    assert bytes(back.at) == raw


@given(st.text("0123456789abcdef:.", max_size=20) | st.ip_addresses().map(str))
def test_addresses_are_read_as_strictly_as_python_does(base, text):
    out = base.ffi.new("ray_address *")
    try:
        ip = ipaddress.ip_address(text)
        wanted = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    except ValueError:
        wanted = None
    good = base.lib.ray_address_read(text.encode(), len(text), out)
    assert (bytes(out.at) if good else None) == wanted


@given(raw=st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_outside_text_is_escaped_and_json_reads_back(base, raw):
    plain = said(base, lambda t: base.lib.ray_text_escaped(t, raw, len(raw)))
    assert all(" " <= c <= "~" for c in plain)
    line = said(base, lambda t: base.lib.ray_text_json_string(t, b"k", raw, len(raw)))
    assert all(" " <= c <= "~" for c in line)
    value = json.loads("{" + line.lstrip(",") + "}")["k"]
    try:
        assert value == raw.decode("utf-8")
    except UnicodeDecodeError:
        assert "\ufffd" in value


def test_a_full_writer_keeps_what_fits_and_says_so(base):
    text, buffer = base.ffi.new("ray_text *"), base.ffi.new("char[]", 8)
    base.lib.ray_text_init(text, buffer, 5)
    for word in (b"abc", b"defg", b"h"):
        base.lib.ray_text_put(text, word)
    assert (bytes(base.ffi.buffer(buffer, 8)), text.length, text.truncated) == (
        b"abc\0\0\0\0\0",
        3,
        1,
    )


@pytest.mark.parametrize(
    "cell", ["=cmd|x", "+1", "-1", "@x", "\tx", 'a"b', "a,b", "plain", "two\nlines", ""]
)
def test_csv_cells_cannot_become_formulas_and_parse_back(base, cell):
    import csv
    import io
    raw = cell.encode()
    line = said(base, lambda t: base.lib.ray_text_csv(t, raw, len(raw)))
    back = next(csv.reader(io.StringIO(line, newline="")), [""])[0]
    assert back.removeprefix("'") == cell
    assert not back.startswith(("=", "+", "-", "@", "\t"))


@pytest.mark.parametrize(
    "value, digits, text", [(12345, 2, "123.45"), (-5, 3, "-0.005"), (7, 0, "7"), (0, 2, "0.00")]
)
def test_fixed_point(base, value, digits, text):
    assert said(base, lambda t: base.lib.ray_text_fixed(t, value, digits)) == text


def test_json_objects_nest_with_commas_where_they_belong(base):
    lib, ffi = base.lib, base.ffi

    def write(t):
        lib.ray_text_json_open(t, ffi.NULL, b"{")
        lib.ray_text_json_u64(t, b"a", 1)
        lib.ray_text_json_open(t, b"b", b"[")
        for _ in range(2):
            lib.ray_text_json_open(t, ffi.NULL, b"{")
            lib.ray_text_json_i64(t, b"c", -2)
            lib.ray_text_json_close(t, b"}")
        lib.ray_text_json_close(t, b"]")
        lib.ray_text_json_bool(t, b"d", 1)
        lib.ray_text_json_null(t, b"e")
        lib.ray_text_json_close(t, b"}")

    assert json.loads(said(base, write)) == {
        "a": 1,
        "b": [{"c": -2}, {"c": -2}],
        "d": True,
        "e": None,
    }


@given(st.integers(0, 2**64 - 1) | st.integers(0, 63).map(lambda bits: 2**bits)
       | st.integers(1, 2**40).map(lambda below: 2**64 - below))
def test_logarithm_is_right_to_2_to_the_minus_28_and_between_its_bounds(base, u):
    getcontext().prec = 60
    exact = 64 * 2**32 - Decimal(u | 1).ln() / Decimal(2).ln() * 2**32
    assert abs(base.lib.ray_minus_log2(u) - exact) <= 16
    least, most = base.ffi.new("uint64_t *"), base.ffi.new("uint64_t *")
    base.lib.ray_minus_log2_bounds(u, least, most)
    assert least[0] <= exact <= most[0]
    assert most[0] - least[0] <= min(Decimal("0.087") * 2**32, Decimal("0.4") * exact + 4)
