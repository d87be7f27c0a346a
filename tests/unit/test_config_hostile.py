# SPDX-License-Identifier: MIT
"""config: bytes from anywhere are refused whole, by name, and the running state stays equal."""

import struct

import pytest

from host_sim import config as compiler
from host_sim.config import layout
from host_sim.config.capacities import PROFILES
from host_sim.errors import (
    ChecksumError,
    FullError,
    RaygateError,
    RaygateSyntaxError,
    TruncatedError,
    VersionError,
)
from host_sim.kernel import Kernel
from tests.configs import (
    BUCKET,
    QUOTA,
    TENANTS,
    TWO,
    compiled,
    grants,
    limit,
    quota,
    route,
    rows_of,
    sealed,
)


# -- hostile bytes ---------------------------------------------------------------------------------
def refused(blob: bytes, kind: type[RaygateError], words: str = "") -> None:
    """The blob is refused by kind and words, and the running state is equal byte for byte."""
    kernel = Kernel(profile="tiny", config=compiled(TWO + BUCKET % ("l", 10), profile="tiny"))
    grants(kernel, "/a", 3)
    before = kernel.snapshot()
    with pytest.raises(kind) as caught:
        kernel.configure(blob)
    assert words in caught.value.what
    assert kernel.snapshot() == before
    assert grants(kernel, "/a", 30) == 7


TINY = compiled(TWO + BUCKET % ("l", 10) + TENANTS + QUOTA, profile="tiny")


def patched(offset: int, value: bytes) -> bytes:
    return sealed(TINY[:offset] + value + TINY[offset + len(value) :])


def entry(index: int, place: int, value: int) -> bytes:
    """The blob with one word of one table entry changed."""
    return patched(24 + 16 * index + 4 * place, struct.pack("<I", value))


FRAMES = [
    (TINY[:10], TruncatedError, "length"),
    (b"", TruncatedError, "length"),
    (TINY[:-1], TruncatedError, "length"),
    (TINY + b"\0", TruncatedError, "length"),
    (b"RAYX" + TINY[4:], RaygateSyntaxError, "magic"),
    (patched(4, b"\2"), VersionError, "version"),
    (TINY[:-1] + b"\xff", ChecksumError, "checksum"),
    (patched(20, b"\1"), RaygateError, "reserved"),
    (patched(16, b"\0"), RaygateSyntaxError, "section count"),
    (patched(16, b"\xff\xff\xff\xff"), RaygateSyntaxError, "section count"),
    (entry(0, 0, 5), RaygateSyntaxError, "section table"),
    (entry(1, 0, 1), RaygateSyntaxError, "section table"),
    (entry(0, 1, 8), VersionError, "section table"),
    (entry(0, 2, 0), RaygateSyntaxError, "section table"),
    (entry(1, 2, 3), FullError, "plan"),
    (entry(0, 3, 0), RaygateSyntaxError, "section table"),
    (entry(1, 3, 0xFFFFFFF8), RaygateSyntaxError, "section table"),
    (sealed(TINY + bytes(8)), RaygateSyntaxError, "secrets"),
]


@pytest.mark.parametrize(("blob", "kind", "words"), FRAMES)
def test_a_frame_that_does_not_hold_is_refused_and_named(blob, kind, words):
    refused(blob, kind, words)


def field(kind: int, name: str, value: bytes, row: int = 0) -> bytes:
    """The blob with one field of one row replaced."""
    offset, row_bytes, _ = rows_of(TINY)[kind]
    at = 0
    for part in layout.ROWS[kind].subcons:
        if part.name == name:
            return patched(offset + row * row_bytes + at, value)
        at += part.sizeof()
    raise KeyError(name)


FIELDS = [
    (layout.SETTINGS, "default_class", b"\5"),
    (layout.SETTINGS, "no_route_status", b"\0\0"),
    (layout.SETTINGS, "mode", b"\3"),
    (layout.SETTINGS, "no_limit_deny", b"\2"),
    (layout.SETTINGS, "problem_json", b"\2"),
    (layout.SETTINGS, "reserved", b"\1"),
    (layout.SETTINGS, "utc_offset_minutes", b"\xff\xff\xff\x7f"),
    (layout.SETTINGS, "request_id", b"\x1b"),
    (layout.PLAN, "name", b"\0"),
    (layout.PLAN, "name", b"q\0"),
    (layout.TENANT, "name", b"\x80"),
    (layout.TENANT, "plan", b"\2"),
    (layout.TENANT, "reserved", b"\1"),
    (layout.SERVICE, "name", b" "),
    (layout.SERVICE, "mode", b"\1"),
    (layout.SERVICE, "healthy", b"\2"),
    (layout.ROUTE, "service", b"\2"),
    (layout.ROUTE, "kind", b"\4"),
    (layout.ROUTE, "weight", bytes(4)),
    (layout.ROUTE, "pattern", b"a"),
    (layout.ROUTE, "limits", bytes(4)),
    (layout.ROUTE, "dfa", bytes(4)),
    (layout.ROUTE, "limit_count", b"\5"),
    (layout.LIMIT, "rate_tokens", bytes(8)),
    (layout.LIMIT, "rate_period_ns", bytes(8)),
    (layout.LIMIT, "capacity", b"\xff" * 8),
    (layout.LIMIT, "scope", b"\4"),
    (layout.LIMIT, "mode", b"\3"),
    (layout.LIMIT, "service", b"\2\0\0\0"),
    (layout.LIMIT, "reserved", b"\1"),
    (layout.LIMIT, "instead_of", bytes(4)),
    (layout.QUOTA, "type", b"\5"),
    (layout.QUOTA, "tenant", b"\7\0\0\0"),
    (layout.QUOTA, "rollover_bp", b"\xff\xff"),
    (layout.QUOTA, "reserved_2", b"\1"),
]


@pytest.mark.parametrize(("kind", "name", "value"), FIELDS)
def test_a_row_no_rule_allows_is_refused_by_section_row_and_field(raw, kind, name, value):
    word = raw.ffi.string(raw.lib.ray_config_section_word(kind)).decode()
    refused(field(kind, name, value), RaygateError, f"{word}, row ")


TRUST = '[trust]\nclient_ip = "x-forwarded-for"\nproxies = ["10.0.0.0/8", "2001:db8::/33"]\n'
NAMED = '[[limit]]\nname = "%s"\nscope = "named"\nrate = "1/s"\n'


def changed(text: str, kind: int, row: int, fields: dict[str, bytes]) -> bytes:
    """The text's blob with fields of one row replaced."""
    blob = compiled(text, profile="tiny")
    offset, row_bytes, _ = rows_of(blob)[kind]
    out, at = bytearray(blob), offset + row * row_bytes
    for part in layout.ROWS[kind].subcons:
        if part.name in fields:
            out[at : at + len(fields[part.name])] = fields[part.name]
        at += part.sizeof()
    return sealed(bytes(out))


def test_trusted_networks_are_checked_to_the_last_bit_of_their_prefix():
    text = TWO + TRUST
    Kernel(profile="tiny", config=changed(text, layout.TRUST, 0, {}))
    words = "trust, row 1"
    refused(changed(text, layout.TRUST, 1, {"prefix": b"\x81"}), RaygateError, f"{words}, prefix")
    refused(changed(text, layout.TRUST, 1, {"reserved": b"\1"}), RaygateError, words)
    past = bytes.fromhex("20010db8 40".replace(" ", ""))
    refused(changed(text, layout.TRUST, 1, {"address": past}), RaygateError, f"{words}, address")
    Kernel(profile="tiny", config=changed(text, layout.TRUST, 1, {"address": past[:4] + b"\x80"}))


def test_a_route_names_limits_of_scope_named_and_each_once():
    text = TWO.replace("[[route]]", '[[route]]\nlimits = ["n", "m"]', 1) + BUCKET % ("l", 1)
    text += NAMED % "n" + NAMED % "m"
    Kernel(profile="tiny", config=changed(text, layout.ROUTE, 0, {}))
    for ids in ((1, 0), (1, 1), (3, 2)):
        value = struct.pack("<II", *ids)
        blob = changed(text, layout.ROUTE, 0, {"limits": value})
        refused(blob, RaygateError, "route, row 0, limits")
    spare = changed(text, layout.ROUTE, 0, {"limits": struct.pack("<III", 1, 2, 0)})
    refused(spare, RaygateError, "route, row 0, limits")


def test_bytes_between_sections_are_zero():
    blob = compiled(TWO + '[[route]]\nname = "x"\nservice = "a"\npath = { regex = \'/x\' }\n')
    offset, _, size = rows_of(blob)[layout.DFA]
    index = list(rows_of(blob)).index(layout.DFA)
    out = bytearray(blob)
    struct.pack_into("<I", out, 24 + 16 * index + 8, size - 4)
    assert not any(out[offset + size - 4 : offset + size])
    refused(sealed(bytes(out)), RaygateError, "dfa, row 0")
    out[offset + size - 1] = 1
    refused(sealed(bytes(out)), RaygateSyntaxError, "section table")


def test_limits_and_quotas_past_the_most_one_request_may_meet_are_refused_by_the_core_too():
    rows = "".join(BUCKET % (f"l{i}", 1) for i in range(8))
    named = '[[limit]]\nname = "n"\nscope = "named"\nrate = "1/s"\n'
    seven = "".join(BUCKET % (f"l{i}", 1) for i in range(7))
    names_n = TWO.replace("[[route]]", '[[route]]\nlimits = ["n"]', 1)
    fine = compiled(names_n + seven + named)
    Kernel(config=fine)
    blob = bytearray(compiled(TWO + rows + named))
    offset = rows_of(bytes(blob))[layout.ROUTE][0]
    at = 0
    for part in layout.Route.subcons:
        if part.name == "limits":
            blob[offset + at : offset + at + 4] = struct.pack("<I", 8)
        if part.name == "limit_count":
            blob[offset + at] = 1
        at += part.sizeof()
    with pytest.raises(FullError, match="route, row 0, limits"):
        Kernel(config=sealed(bytes(blob)))


TABLES = [  # room, section, row by number
    ("service_max", "service", lambda i: f"[service.s{i}]\n"),
    ("tenant_max", "tenant", lambda i: f"[tenant.t{i}]\n"),
    ("plan_max", "plan", lambda i: f'[tenant.t{i}]\nplan = "p{i}"\n'),
    (
        "route_max",
        "route",
        lambda i: route(name=f"r{i}", service="a", path=f'{{ exact = "/{i}" }}'),
    ),
    ("limit_user_max", "limit", lambda i: limit(name=f"l{i}", user=f"u{i}")),
    ("limit_named_max", "limit", lambda i: limit(name=f"l{i}", scope="named")),
    ("quota_allocation_max", "quota", lambda i: quota(name=f"q{i}")),
]


@pytest.mark.parametrize(("room", "section", "row"), TABLES)
def test_a_table_of_the_core_holds_its_limit_and_one_more_is_refused_whole(room, section, row):
    most = getattr(PROFILES["tiny"], room)
    more = {"route_max": "[service.a]\n", "quota_allocation_max": "[tenant.acme]\n"}
    text = "version = 1\n" + more.get(room, "") + "".join(row(i) for i in range(most))
    Kernel(profile="tiny", config=compiled(text, profile="tiny"))
    refused(compiled(text + row(most)), FullError, section)
    with pytest.raises(compiler.ConfigError, match="too-many-rows"):
        compiled(text + row(most), profile="tiny")


def test_a_blob_must_stand_at_a_multiple_of_eight(raw):
    memory = raw.ffi.new("uint64_t[]", len(TINY) // 8 + 2)
    report = raw.ffi.new("ray_config_report *")
    at = raw.ffi.cast("uint8_t *", memory) + 1
    raw.ffi.memmove(at, TINY, len(TINY))
    assert raw.lib.ray_config_check(at, len(TINY), report) == -1
    assert (report.section, report.field) == (0, 0)
