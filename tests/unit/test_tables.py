# SPDX-License-Identifier: MIT
"""Decisions and batches as NumPy and Arrow see them: the same numbers, in the same memory."""

from __future__ import annotations

import collections
import gc
import io
import json
import pathlib
from typing import Any

import pytest

import host_sim
from host_sim.config import load, loads
from host_sim.errors import ArgumentError
from host_sim.kernel import Kernel, Verdict
from host_sim.replay.engine import Replay as Engine
from host_sim.replay.front import Replay
from host_sim.replay.program import FormatError
from host_sim.replay.source import Source
from host_sim.tables import dtype, rows_of, step
from tests.data import data

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
ROOT = pathlib.Path(__file__).resolve().parents[2]
BARE = loads("version = 1\n")  # no identity: a user is who the log says
SHOP, LOG = ROOT / "examples/shop.toml", ROOT / "examples/shop.csv"


@pytest.fixture(scope="module")
def shop() -> Replay:
    return Replay(SHOP, LOG)


def lines(config: pathlib.Path, log: pathlib.Path) -> list[dict[str, Any]]:
    """The decision text of a replay of its own."""
    sink = io.BytesIO()
    with Source(log) as source, Engine(load(config), source, decisions=sink) as run:
        run.run_host()
    return [json.loads(line) for line in sink.getvalue().splitlines()]


@pytest.mark.parametrize("log", ["shop", "web_day_1995.tsv.gz"])
def test_the_columns_say_what_the_decision_text_says(log: str) -> None:
    config = SHOP if log == "shop" else ROOT / "examples/web.toml"
    path = LOG if log == "shop" else data("access-logs", log)
    table = Replay(config, path).decisions.arrow()
    table.validate(full=True)
    wanted = lines(config, path)
    assert table.num_rows == len(wanted)
    for name, key in (("seq", "seq"), ("verdict", "verdict"), ("reason", "reason")):
        assert table[name].to_pylist() == [line[key] for line in wanted]
    assert [by and by.split(" ", 1)[1] for by in table["by"].to_pylist()] == [
        line["by"] for line in wanted]
    assert table["at_ns"].cast("int64").to_pylist() == [line["t_ns"] for line in wanted]
    assert table["would_deny"].to_pylist() == [len(line["shadow"]) for line in wanted]


def test_who_asked_is_text_and_numbers_are_the_summary_s(shop: Replay) -> None:
    table = shop.decisions.arrow()
    assert table.schema.field("user").type == pa.large_string()
    users = collections.Counter(user for user in table["user"].to_pylist() if user)
    clients = collections.Counter(table["client"].to_pylist())
    assert {key.name: key.requests for key in shop.summary.users}.items() <= users.items()
    assert {key.name: key.requests for key in shop.summary.clients}.items() <= clients.items()
    verdicts = shop.decisions.numpy("verdict")
    assert (verdicts == Verdict.DENY).sum() == shop.summary.verdicts["deny"]
    assert shop.decisions.numpy("queued").sum() == shop.summary.queued
    services = collections.Counter(table["service"].to_pylist())
    assert services == {row.name or None: row.requests for row in shop.summary.services}
    assert shop.decisions.numpy("at_ns").dtype == np.dtype("M8[ns]")


def test_nothing_is_copied_and_memory_lives_as_long_as_it_is_looked_at() -> None:
    decisions = Replay(SHOP, LOG).decisions
    at, length, _ = decisions._columns.block("seq")
    array = decisions.numpy("seq")
    assert array.ctypes.data == at and len(array) == length == len(decisions)
    assert decisions.arrow()["seq"].chunk(0).buffers()[1].address == at
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    before, table = array.tolist(), decisions.arrow()
    del decisions
    gc.collect()
    assert array.tolist() == before == table["seq"].to_pylist()


def test_the_columns_grow_past_their_first_room(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "long.csv"
    log.write_text("time,user,path\n" + "".join(
        f"{n},{'u' * (n % 90)}{n % 7},/orders\n" for n in range(20_000)))
    table = Replay(BARE, log).decisions.arrow()
    table.validate(full=True)
    users = table["user"].to_pylist()
    assert len(users) == 20_000
    assert not [n for n in range(20_000) if users[n] != f"{'u' * (n % 90)}{n % 7}"]


def test_texts_that_are_no_utf8_come_as_bytes(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "bytes.csv"
    log.write_bytes(b"time,user,path\n1,\xff\xfe,/orders\n2,ann,/orders\n")
    decisions = Replay(BARE, log).decisions
    assert decisions.arrow()["user"].to_pylist() == [b"\xff\xfe", b"ann"]


def test_an_empty_log_has_empty_columns(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "none.csv"
    log.write_text("time,user,path\n")
    decisions = Replay(SHOP, log).decisions
    assert (len(decisions), decisions.arrow().num_rows, len(decisions.numpy("seq"))) == (0, 0, 0)


def test_what_found_no_service_names_none() -> None:
    table = Replay(BARE, LOG).decisions.arrow()
    assert set(table["service"].to_pylist()) == {None} == set(table["tenant"].to_pylist())
    assert set(table["verdict"].to_pylist()) == {"deny"}


def test_what_is_no_column_is_named(shop: Replay) -> None:
    with pytest.raises(ArgumentError, match="there are seq, row"):
        shop.decisions.numpy("sequence")
    with pytest.raises(ArgumentError, match="no words"):
        shop.decisions.words("seq")
    with pytest.raises(ValueError, match="gather=False"):
        _ = Replay(SHOP, LOG, gather=False).decisions


def test_gathering_changes_no_digest(shop: Replay) -> None:
    alone = Replay(SHOP, LOG, gather=False).summary
    assert (shop.summary.decision_digest, shop.summary.state_digest) == (
        alone.decision_digest, alone.state_digest)


def test_the_package_offers_what_its_page_says() -> None:
    assert host_sim.Replay is Replay
    assert host_sim.Kernel is Kernel
    with pytest.raises(AttributeError, match="no attribute 'Reply'"):
        _ = host_sim.Reply


# -- requests in memory ----------------------------------------------------------------------------
REQUESTS = {"time": np.arange(500, dtype="i8") * 10**8 + 10**18,
            "ip": [f"10.0.0.{n % 7}" for n in range(500)], "path": ["/orders"] * 500}


@pytest.mark.parametrize("made", [
    lambda: REQUESTS, lambda: pa.table(REQUESTS),
    lambda: pa.RecordBatchReader.from_batches(
        pa.table(REQUESTS).schema, pa.table(REQUESTS).to_batches(max_chunksize=70))])
def test_requests_in_memory_are_replayed_as_those_of_a_file(tmp_path: pathlib.Path,
                                                            made: Any) -> None:
    log = tmp_path / "log.csv"
    log.write_text("time,ip,path\n" + "".join(
        f"{at},{ip},{path}\n" for at, ip, path in zip(*REQUESTS.values(), strict=True)))
    told, wanted = Replay(SHOP, made()).summary, Replay(SHOP, log, maps="time=time:ns").summary
    assert (told.requests, told.form) == (500, "Arrow")
    assert told.decision_digest == wanted.decision_digest


def test_what_is_no_table_is_refused_with_what_would_be() -> None:
    with pytest.raises(FormatError, match="an Arrow table, a data frame or a dict of columns"):
        _ = Replay(SHOP, 5).summary
    with pytest.raises(FormatError, match="The columns are: when"):
        _ = Replay(SHOP, {"when": [1]}).summary


def test_a_replay_shows_itself(shop: Replay) -> None:
    assert "not run yet" in repr(Replay(SHOP, REQUESTS))
    assert shop.summary.requests and "requests of 358" in shop._repr_html_()


# -- batches ---------------------------------------------------------------------------------------
def test_a_batch_of_numpy_rows_is_decided_as_one_by_one() -> None:
    batched, single = Kernel(config=SHOP), Kernel(config=SHOP)
    rows = rows_of(batched, 300)
    rows["at_ns"] = np.arange(300, dtype="u8") * 5_000_000 + 10**15
    rows["flags"] = 32  # vouched
    rows["tenant"], rows["role"] = batched.tenant_id("acme"), 3
    answers = step(batched, rows, b"/orders/7")
    for n in range(300):
        one = single.admit("/orders/7", id=n + 1, at_ns=n * 5_000_000 + 10**15, exchange=True,
                           tenant="acme", role=3, vouched=True)
        assert (one.verdict, one.reason_code) == (answers["verdict"][n], answers["reason"][n])
    assert batched.digest() == single.digest()
    again = step(batched, rows_of(batched, 1), b"/", answers)
    assert again.base is answers or np.shares_memory(again, answers)


def test_the_dtypes_are_the_structs() -> None:
    kernel = Kernel(profile="tiny")
    for struct in ("ray_row", "ray_answer"):
        made = dtype(kernel, struct)
        assert made.itemsize == kernel.ffi.sizeof(struct)
        assert all(made.fields[name][1] == kernel.ffi.offsetof(struct, name) for name in made.names)


def test_arrays_of_another_shape_are_refused() -> None:
    kernel = Kernel(profile="tiny")
    rows = rows_of(kernel, 4)
    for wrong in (np.zeros(4), rows[::2], rows.reshape(2, 2)):
        with pytest.raises(ArgumentError, match="rows_of"):
            step(kernel, wrong)
    with pytest.raises(ArgumentError, match="4 places"):
        step(kernel, rows, answers=np.empty(3, dtype(kernel, "ray_answer")))
