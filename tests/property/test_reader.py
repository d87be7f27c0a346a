# SPDX-License-Identifier: MIT
"""reader: no bytes crash it, and every line is a row, blank, or counted as unparsable."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim import _raw
from host_sim.config.identity import Request
from host_sim.replay.formats import compile_format
from host_sim.replay.mapping import Maps
from host_sim.replay.program import Field, Program
from tests.replaying import config_of, read, rows_of

TABLE = Program("TABLE", tuple(Field(t) for t in (
    "time", "ip", "user", "path", "method", "status", "bytes", "duration", "weight")), "CSV",
    delimiter=",", quotes=True)
JSON = Program("JSON", tuple(Field(t, name=t) for t in ("time", "ip", "path", "user", "bytes"))
               + (Field("method", name="a.b"),), "JSON")
PROGRAMS = [compile_format("combined"), compile_format("$time_iso8601 $request_time $uri$"),
            TABLE, JSON]
PIECES = st.sampled_from([
    b'"', b"\\", b",", b"\n", b"\r\n", b" ", b"[", b"]", b"{", b"}", b":", b"\t", b"\0", b"-",
    b'{"time":1,"path":"', b'{"a":{"b":"', b"1431857103", b"17/May/2015:10:05:03 +0000",
    b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"', b"\\u12",
    b"\\ud83d\\ude00", b"\\x4", b'""', b"2015-05-17T10:05:03Z", b"::1", b"1e9", b"e", b"+"])
HOSTILE = st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=40).map(b"".join)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.label)
@given(text=HOSTILE, block_rows=st.integers(1, 5))
def test_every_line_is_accounted_for(program, text, block_rows):
    rows, stats = rows_of(text, program, block_rows=block_rows)
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    assert stats.line_count == len(lines)
    assert stats.line_count == stats.row_count + stats.blank_count + stats.unparsable_count
    assert stats.row_count == len(rows)
    assert stats.byte_count == len(text)


@given(st.lists(st.fixed_dictionaries({
    "time": st.integers(0, 10**10), "path": st.text(max_size=30), "user": st.text(max_size=30)}),
    min_size=1, max_size=5))
def test_what_json_writes_is_read_back(values):
    for ascii_only in (True, False):
        text = "\n".join(json.dumps(v, ensure_ascii=ascii_only) for v in values)
        rows, stats = rows_of(text.encode("utf-8", "surrogatepass"), JSON)
        assert stats.unparsable_count == 0
        for row, value in zip(rows, values, strict=True):
            path = "" if value["path"] == "-" else value["path"]
            user = "" if value["user"] == "-" else value["user"]
            assert row.at_ns == value["time"] * 10**9
            assert row.target == path.encode()
            assert row.user == user.encode()


ADDRESS = st.one_of(
    st.sampled_from(["10.0.0.1", "10.255.255.255", "11.0.0.0", "192.0.2.9", "2001:db8::5",
                     "2001:db9::", "host.example", ""]),
    st.ip_addresses().map(str))


@given(client=ADDRESS, user=st.sampled_from(["", "ada", "bob"]),
       path=st.lists(st.sampled_from(["/", "a", "b", "?", "//"]), max_size=6).map("".join),
       prefix=st.integers(0, 32), source=st.sampled_from(
           ['"log_user"', '"ip"', "{ path_segment = 1 }", "{ path_segment = 3 }"]))
def test_identities_are_those_of_the_configuration(client, user, path, prefix, source):
    config = config_of(f"""
version = 1
[tenant.acme]
plan = "gold"
[[identity]]
when = {{ ip = ["10.0.0.0/{max(prefix, 8)}", "2001:db8::/{prefix + 32}"] }}
tenant = "acme"
user = {source}
""")
    path = "/" + path
    text = f"time,ip,user,path\n1431857103,{client},{user},{path}\n".encode()
    rows, _ = read(text, config=config)
    tenant, said, _ = config.identity.resolve(Request(client=client, user=user, path=path))
    assert (rows[0].tenant, rows[0].user.decode()) == (tenant, "" if said == "-" else said)


def test_the_programs_are_what_the_reader_takes():
    assert _raw.load("seed").lib.RAY_READER_FIELD_MAX >= max(len(p.fields) for p in PROGRAMS)
    assert not Maps()
