# SPDX-License-Identifier: MIT
"""inputs: what a reader of plain Python makes of a product's line, the C reader makes of it; and no
bytes are lost uncounted. The readers here follow the products' documentation, not our programs."""

import calendar
import datetime
import decimal
import json
import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim import _raw
from host_sim.replay import detect
from tests.products import CLOUDFRONT_HEAD, GOLDEN, IIS_HEAD
from tests.replaying import rows_of

METHODS = {"GET": 1, "HEAD": 2, "POST": 3, "PUT": 4, "DELETE": 5, "PATCH": 6, "OPTIONS": 7}
PROGRAMS = {name: detect.program_for(_raw.load("seed"), head + line)
            for name, (head, line, _, _) in GOLDEN.items()}
NS = 1_000_000_000

ADDRESS = st.one_of(st.ip_addresses(v=4).map(str),
                    st.sampled_from(["2001:db8::7", "2001:db8:1:2:3:4:5:6"]))
PATH = st.text(st.sampled_from("ab/._-%&?=+~é"), max_size=12).map(lambda t: "/" + t)
WHEN = st.datetimes(datetime.datetime(1971, 1, 2), datetime.datetime(2200, 1, 1))
NUMBER = st.integers(0, 10**12)
STATUS = st.integers(100, 599)


def ns_of(when: str) -> int:
    """yyyy-mm-ddThh:mm:ss[.fraction][Z] as Unix nanoseconds."""
    whole, _, fraction = when.rstrip("Z").partition(".")
    return (calendar.timegm(datetime.datetime.fromisoformat(whole).timetuple()) * NS
            + int(fraction.ljust(9, "0") or 0))


def scaled(text: str, ns: int) -> int:
    """A decimal number of units of `ns` nanoseconds."""
    return int(decimal.Decimal(text) * ns)


# -- a reader for each product: the values of a line, None when it is none -------------------------


def envoy(line: str):
    """Envoy's default format: space separated, texts in quotes."""
    match = re.fullmatch(
        r'\[(\S+)\] "(\S+) (\S+) (\S+)" (\d+) (\S+) (\d+) (\d+) (\d+) (\S+) "([^"]*)" "([^"]*)" '
        r'"([^"]*)" "([^"]*)" "([^"]*)"', line)
    if not match:
        return None
    client = match[11].split(",")[-1].strip()
    return (ns_of(match[1]), client, METHODS.get(match[2], 0), match[3], match[14], int(match[5]),
            int(match[8]), int(match[7]), int(match[9]) * 1_000_000)


def haproxy(line: str):
    """HAProxy's httplog, without captures."""
    match = re.fullmatch(
        r'(\S+):(\d+) \[(\d\d)/(\w{3})/(\d{4}):([\d:]+)\.(\d{3})\] (\S+) (\S+)/(\S+) '
        r'(-?\d+)/(-?\d+)/(-?\d+)/(-?\d+)/(\d+) (\d+) (\d+) - - (\S{4}) '
        r'(\d+)/(\d+)/(\d+)/(\d+)/(\d+) (\d+)/(\d+) "(\S+) (\S+) HTTP/\S+"', line)
    if not match:
        return None
    month = [*calendar.month_abbr].index(match[4])
    at = ns_of(f"{match[5]}-{month:02}-{match[3]}T{match[6]}.{match[7]}")
    path = re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()),
                  match[27].encode())
    return (at, match[1], METHODS.get(match[26], 0), path, "", int(match[16]), int(match[17]), 0,
            int(match[15]) * 1_000_000)


def alb(line: str):
    """An application load balancer's line: from its creation time to its time."""
    words = re.findall(r'"([^"]*)"|(\S+)', line)
    words = [quoted or bare for quoted, bare in words]
    method, url, _ = words[12].split(" ")
    host, _, path = url.removeprefix("http://").partition("/")
    began = ns_of(words[21])
    return (began, words[3].rpartition(":")[0], METHODS[method], "/" + path, host, int(words[8]),
            int(words[11]), int(words[10]), ns_of(words[1]) - began)


def cloudfront(line: str):
    """CloudFront's standard log: tabs, unusual bytes as %HH."""
    names = CLOUDFRONT_HEAD.decode().splitlines()[1].removeprefix("#Fields: ").split(" ")
    row = dict(zip(names, line.split("\t"), strict=True))
    took = scaled(row["time-taken"], NS)
    path = urllib.parse.unquote_to_bytes(row["cs-uri-stem"])
    if row["cs-uri-query"] != "-":
        path += b"?" + urllib.parse.unquote_to_bytes(row["cs-uri-query"])
    return (ns_of(f"{row['date']}T{row['time']}") - took, row["c-ip"],
            METHODS.get(row["cs-method"], 0), path, row["x-host-header"], int(row["sc-status"]),
            int(row["sc-bytes"]), int(row["cs-bytes"]), took)


def iis(line: str):
    """IIS: spaces, milliseconds."""
    names = IIS_HEAD.decode().splitlines()[3].removeprefix("#Fields: ").split(" ")
    row = dict(zip(names, line.split(" "), strict=True))
    took = int(row["time-taken"]) * 1_000_000
    query = "" if row["cs-uri-query"] == "-" else "?" + row["cs-uri-query"]
    return (ns_of(f"{row['date']}T{row['time']}") - took, row["c-ip"],
            METHODS.get(row["cs-method"], 0), row["cs-uri-stem"] + query, "",
            int(row["sc-status"]), 0, 0, took)


def caddy(line: str):
    """Caddy's JSON: the time is the end, in seconds."""
    row = json.loads(line, parse_float=str, parse_int=str)
    asked = row["request"]
    took = scaled(row["duration"], NS)
    return (scaled(row["ts"], NS) - took, asked["client_ip"], METHODS.get(asked["method"], 0),
            asked["uri"], asked["host"], int(row["status"]), int(row["size"]),
            int(row["bytes_read"]), took)


# -- lines as the products write them --------------------------------------------------------------


@st.composite
def values(draw):
    """What one request was, in words."""
    return {
        "when": draw(WHEN), "ip": draw(ADDRESS), "port": draw(st.integers(1, 65535)),
        "method": draw(st.sampled_from([*METHODS, "PURGE"])), "path": draw(PATH),
        "host": draw(st.sampled_from(["shop.example", "localhost:80"])), "status": draw(STATUS),
        "sent": draw(NUMBER), "received": draw(NUMBER), "ms": draw(st.integers(0, 10**7)),
        "query": draw(st.sampled_from(["-", "a=1", "b=%41&c"])),
    }


def envoy_line(v):
    when = v["when"].isoformat(timespec="milliseconds")
    return (f'[{when}Z] "{v["method"]} {v["path"]} HTTP/2" {v["status"]} - {v["received"]} '
            f'{v["sent"]} {v["ms"]} 1 "10.9.9.9, {v["ip"]}" "agent (x)" "id" "{v["host"]}" "-"')


def haproxy_line(v):
    when = v["when"].strftime("%d/%b/") + f'{v["when"]:%Y}'.zfill(4) + v["when"].strftime(
        ":%H:%M:%S.") + f'{v["when"].microsecond // 1000:03}'
    path = "".join(f"#{b:02X}" if b > 126 else chr(b) for b in v["path"].encode())
    return (f'{v["ip"]}:{v["port"]} [{when}] in~ pool/s1 1/-1/-1/-1/{v["ms"]} {v["status"]} '
            f'{v["sent"]} - - CC-- 1/1/1/1/0 0/0 "{v["method"]} {path} HTTP/1.1"')


def alb_line(v):
    ended = v["when"] + datetime.timedelta(milliseconds=v["ms"])
    method = "GET" if v["method"] == "PURGE" else v["method"]
    return (f'h2 {ended.isoformat(timespec="microseconds")}Z app/x/1 {v["ip"]}:{v["port"]} - -1 -1 '
            f'-1 {v["status"]} - {v["received"]} {v["sent"]} "{method} '
            f'http://{v["host"]}{v["path"]} HTTP/2.0" "agent (x)" - - - "Root=1" "-" "-" 0 '
            f'{v["when"].isoformat(timespec="microseconds")}Z "forward" "-" "-" "-" "-" "-" "-" t')


def cloudfront_line(v):
    path, query = (urllib.parse.quote(t, safe="/-?=&.") for t in (v["path"], v["query"]))
    when = v["when"]
    return "\t".join((
        f"{when:%Y-%m-%d}", f"{when:%H:%M:%S}", "LAX1", str(v["sent"]), v["ip"], v["method"],
        "d1.cloudfront.net", path, str(v["status"]), "-", "agent%20x", query, "-", "Hit", "id",
        v["host"], "https", str(v["received"]), f'{v["ms"] // 1000}.{v["ms"] % 1000:03}', "-",
        *["-"] * 13))


def iis_line(v):
    when = v["when"]
    return (f'{when:%Y-%m-%d} {when:%H:%M:%S} 10.0.0.1 {v["method"]} {v["path"]} {v["query"]} 80 - '
            f'{v["ip"]} agent+x - {v["status"]} 0 0 {v["ms"]}')


def caddy_line(v):
    seconds = calendar.timegm(v["when"].timetuple())
    return json.dumps({
        "level": "info", "ts": seconds + 0.25, "logger": "http.log.access", "request": {
            "remote_ip": "10.9.9.9", "client_ip": v["ip"], "method": v["method"],
            "host": v["host"], "uri": v["path"], "headers": {"Accept": ["*/*", "x"]}},
        "bytes_read": v["received"], "duration": v["ms"] / 1000, "size": v["sent"],
        "status": v["status"]})


PRODUCTS = {"envoy": (envoy, envoy_line), "haproxy": (haproxy, haproxy_line),
            "alb": (alb, alb_line), "cloudfront": (cloudfront, cloudfront_line),
            "iis": (iis, iis_line), "caddy": (caddy, caddy_line)}


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


@pytest.mark.parametrize("name", PRODUCTS)
@given(asked=values())
def test_a_line_is_read_as_a_reader_of_plain_python_reads_it(name, asked):
    by_python, written = PRODUCTS[name]
    line = written(asked)
    want = by_python(line)
    assert want is not None, line
    head = GOLDEN[name][0] if name in ("cloudfront", "iis") else b""
    rows, stats = rows_of(head + line.encode(), PROGRAMS[name])
    assert stats.unparsable_count == 0, (line, stats)
    (row,) = rows
    address = "" if row.client else row.address
    at_ns = max(0, want[0])
    assert (row.at_ns, address, row.method, row.target, row.host, row.status, row.response_bytes,
            row.request_bytes, row.duration_ns) == (
        at_ns, want[1], want[2], as_bytes(want[3]), as_bytes(want[4]), *want[5:]), line


@pytest.mark.parametrize("name", GOLDEN)
@given(data=st.data())
def test_a_damaged_line_is_a_row_or_counted(name, data):
    """Cut, doubled, swapped, or with bytes put in: never a crash, never an uncounted line."""
    head, line, _, _ = GOLDEN[name]
    lines = []
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(line)))
        to = data.draw(st.integers(at, min(len(line), at + 20)))
        put = data.draw(st.one_of(st.binary(max_size=9), st.sampled_from(
            [b'"', b"\\", b" ", b"\t", b"\0", b"-1", b"9" * 25, b"%", b"#", b"%4", b"[", b"{"])))
        lines.append(line[:at] + put + line[to:])
    text = head + b"\n".join(lines)
    rows, stats = rows_of(text, PROGRAMS[name], block_rows=data.draw(st.integers(1, 3)))
    assert stats.row_count == len(rows)
    assert stats.row_count + stats.blank_count + stats.unparsable_count == stats.line_count
    parts = text.split(b"\n")
    count = len(parts) - (not parts[-1])
    assert stats.line_count + stats.comment_count == count
    for row in rows:
        assert len(row.target) <= 8193 and row.at_ns < 1 << 64
