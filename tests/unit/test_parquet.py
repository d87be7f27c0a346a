# SPDX-License-Identifier: MIT
"""parquet: a file of columns is the table it holds, read a batch at a time."""

import datetime

import pytest

from host_sim.replay.engine import Options, Replay
from host_sim.replay.mapping import parse_maps
from host_sim.replay.program import FormatError
from host_sim.replay.source import from_bytes, opened
from tests.replaying import config_of, rows_of

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
AT = datetime.datetime(2015, 5, 17, 10, 5, 3, 250_000)
AT_NS = 1431857103_250_000_000


def written(tmp_path, columns, **options):
    """A Parquet file of these columns."""
    path = tmp_path / "log.parquet"
    parquet.write_table(arrow.table(columns), path, **options)
    return str(path)


def rows(path, maps=""):
    """The rows of a Parquet file, and the reader's counts."""
    with opened(path, parse_maps((maps,) if maps else ())) as source:
        text = b"".join(iter(lambda: source.read(1), b""))
        assert source.problem == ""
        return rows_of(text, source.program)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instants_and_durations_have_their_own_units(tmp_path, unit):
    path = written(tmp_path, {
        "time": arrow.array([AT], arrow.timestamp("us")).cast(arrow.timestamp(unit), safe=False),
        "latency": arrow.array([1500], arrow.duration("ms")).cast(arrow.duration(unit), safe=False),
        "client_ip": ["10.0.0.7"], "status": arrow.array([201], arrow.int16())})
    (row,), stats = rows(path)
    whole = unit == "s"
    assert (row.at_ns, row.duration_ns) == (
        AT_NS - 250_000_000 * whole, 1_500_000_000 - 500_000_000 * whole)
    assert (row.address, row.status, stats.unparsable_count) == ("10.0.0.7", 201, 0)


def test_texts_of_any_type_are_read_whole(tmp_path):
    path = written(tmp_path, {
        "time": [1431857103, 1431857104, None],
        "url": arrow.array(['/a,"b"', "/x\n1431857103,/injected", "/c"]),
        "user": arrow.array([b"ada", b"\xff\0", None], arrow.binary()),
        "host": arrow.array(["a.example", None, "a.example"]).dictionary_encode(),
        "request": arrow.array([{"client_ip": "10.0.0.7"}] * 3),
        "tags": arrow.array([["x"], [], None])})
    found, stats = rows(path, "ip=request.client_ip,host=host")
    assert [(r.target, r.user, r.host, r.address) for r in found] == [
        (b'/a,"b"', b"ada", b"a.example", "10.0.0.7"),
        (b"/x%0A1431857103,/injected", b"\xff\0", b"", "10.0.0.7")]
    assert stats.unparsable_by == {"no time that can be read": 1}


def test_a_parquet_log_decides_as_its_csv(tmp_path):
    import pyarrow.csv

    table = arrow.table({
        "time": [1_431_857_103_000 + n * n % 977 for n in range(20_000)],
        "ip": [f"10.0.{n % 7}.{n % 31}" for n in range(20_000)],
        "path": ["/a?b=1"] * 20_000, "bytes": list(range(20_000))})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=3_000)
    pyarrow.csv.write_csv(table, tmp_path / "a.csv")
    digests = set()
    for name in ("a.parquet", "a.csv"):
        with opened(str(tmp_path / name)) as source, Replay(
                config_of(), source, options=Options()) as run:
            summary = run.run_host()
        assert summary.requests == 20_000
        assert source.raw_count == source.raw_total
        digests.add((summary.decision_digest, summary.state_digest, summary.book_digest))
    assert len(digests) == 1


def test_what_is_no_log_says_why(tmp_path):
    path = written(tmp_path, {"a": [1], "b": ["x"]})
    with pytest.raises(FormatError, match=r"--map time=COLUMN. The columns are: a, b"):
        opened(path)
    with pytest.raises(FormatError, match="no column 'c'"):
        opened(path, parse_maps(("time=c",)))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1" + b"\0" * 50)
    with pytest.raises(FormatError, match="begins like a Parquet file"):
        opened(str(tmp_path / "bad.parquet"))
    with pytest.raises(FormatError, match="only a day"):
        opened(written(tmp_path, {"time": [datetime.date(2015, 5, 17)]}))


@pytest.mark.parametrize("options", [
    {"compression": "gzip"}, {"compression": "none", "write_page_checksum": True}])
def test_damage_inside_gives_what_came_before_and_says_so(tmp_path, options):
    path = written(tmp_path, {"time": list(range(100_000)), "path": ["/abc"] * 100_000},
                   row_group_size=10_000, use_dictionary=False, **options)
    data = bytearray((tmp_path / "log.parquet").read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 20] = b"\xff" * (len(data) // 20)
    (tmp_path / "log.parquet").write_bytes(data)
    with opened(path) as source:
        text = b"".join(iter(lambda: source.read(1), b""))
    assert 0 < text.count(b"\n") < 100_000
    assert "damaged Parquet data" in source.problem


def test_bytes_are_no_parquet():
    assert from_bytes(b"PAR1").program is None
