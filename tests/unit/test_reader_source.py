# SPDX-License-Identifier: MIT
"""reader: a log's bytes come from anywhere, packed or not, whole or not."""

import gzip

import pytest

from host_sim.replay.source import from_bytes

LINE = b"83.149.9.216 - - [17/May/2015:10:05:03 +0000]"

def everything(source) -> bytes:
    found = b""
    while more := source.read(7777):
        found += more
    return found


def test_gzip_is_unpacked_member_by_member():
    text = LINE * 500
    source = from_bytes(gzip.compress(text) + gzip.compress(b"more") + b"\0" * 9)
    assert (source.packing, everything(source), source.problem) == ("gzip", text + b"more", "")


def test_truncated_gzip_gives_what_came_before_and_says_so():
    text = b"".join(b"%d\n" % n for n in range(100_000))
    source = from_bytes(gzip.compress(text)[:-20_000], "a.gz")
    got = everything(source)
    assert 0 < len(got) < len(text)
    assert text.startswith(got)
    assert source.problem == "a.gz ends in the middle of its gzip data"


def test_damaged_gzip_gives_what_came_before_and_says_so():
    packed = bytearray(gzip.compress(bytes(range(256)) * 4000, compresslevel=0))
    packed[-6] ^= 1
    source = from_bytes(bytes(packed), "a.gz")
    everything(source)
    assert source.problem.startswith("a.gz has damaged gzip data")


@pytest.mark.parametrize("text", [b"", b"\x1f", b"x", b"\x1f\x8b"])
def test_tiny_sources_end(text):
    assert everything(from_bytes(text)) == (text if text[:2] != b"\x1f\x8b" else b"")
