# SPDX-License-Identifier: MIT
"""zstd: frames one behind the other, cut, damaged, or made to fill the memory."""

import pytest
from click.testing import CliRunner

from host_sim.cli import main
from host_sim.replay.source import from_bytes
from tests.data import ROOT
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


def test_a_log_that_ends_before_its_first_block_does_is_not_an_empty_one(tmp_path):
    packed = zstandard.compress(LINE * 500)
    config = ROOT / "examples" / "web-small.toml"
    for name, data, why in (
            ("cut.zst", packed[:20], "cut.zst ends in the middle of its zstd data"),
            ("bad.zst", packed[:6] + b"?" * 40, "bad.zst has damaged zstd data"),
            ("none.log", b"", "none.log: the log is empty")):
        log = str(tmp_path / name)
        (tmp_path / name).write_bytes(data)
        for words in (["replay", config, log], ["plan", config, config, "--log", log],
                      ["explain", config, log, "--line", 1],
                      ["recommend", "--log", log, "--deny-at-most", 0],
                      ["sweep", config, "--log", log, "--vary", "limit.total.rate=1..2/s"]):
            got = CliRunner().invoke(main, list(map(str, words)))
            assert got.exit_code == 2, got.output
            assert why in got.stderr and str(tmp_path) in got.stderr
            assert data == b"" or "empty" not in got.stderr


def test_a_zstd_bomb_is_unpacked_a_piece_at_a_time():
    source = from_bytes(zstandard.compress(b"\0" * (1 << 28), 1))
    first = source.read(1 << 20)
    assert 0 < len(first) <= 32 << 20


def test_a_zstd_window_past_what_zstd_itself_takes_is_refused():
    options = zstandard.ZstdCompressionParameters(window_log=28)
    packer = zstandard.ZstdCompressor(compression_params=options).compressobj()
    source = from_bytes(packer.compress(b"x" * 300) + packer.flush())
    assert everything(source) == b"" and "damaged zstd data" in source.problem
