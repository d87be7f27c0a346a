# SPDX-License-Identifier: MIT
"""zstd: frames one behind the other, cut, damaged, or made to fill the memory."""

import pytest

from host_sim.replay.source import from_bytes
from tests.unit.test_reader_source import LINE, everything

zstandard = pytest.importorskip("zstandard")
SKIPPABLE = b"\x50\x2a\x4d\x18\x03\0\0\0abc"      # as pzstd writes before each frame


def test_zstd_is_unpacked_frame_by_frame():
    text = LINE * 500
    packed = zstandard.compress(text) + SKIPPABLE + zstandard.compress(b"more") + SKIPPABLE
    for data in (packed, SKIPPABLE + packed):
        source = from_bytes(data)
        assert (source.packing, everything(source), source.problem) == (
            "zstd", text + b"more", "")


def test_truncated_or_damaged_zstd_gives_what_came_before_and_says_so():
    text = b"".join(b"%d\n" % n for n in range(100_000))
    packed = zstandard.compress(text)
    source = from_bytes(packed[:-20_000], "a.zst")
    got = everything(source)
    assert 0 < len(got) < len(text) and text.startswith(got)
    assert source.problem == "a.zst ends in the middle of its zstd data"
    source = from_bytes(packed + b"no frame", "a.zst")
    assert everything(source) == text
    assert source.problem.startswith("a.zst has damaged zstd data")


def test_a_zstd_bomb_is_unpacked_a_piece_at_a_time():
    source = from_bytes(zstandard.compress(b"\0" * (1 << 28), 1))
    first = source.read(1 << 20)
    assert 0 < len(first) <= 32 << 20


def test_a_zstd_window_past_what_zstd_itself_takes_is_refused():
    options = zstandard.ZstdCompressionParameters(window_log=28)
    packer = zstandard.ZstdCompressor(compression_params=options).compressobj()
    source = from_bytes(packer.compress(b"x" * 300) + packer.flush())
    assert everything(source) == b"" and "damaged zstd data" in source.problem
