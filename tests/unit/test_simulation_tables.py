# SPDX-License-Identifier: MIT
"""A simulation's decisions as columns, and a plan's flips: they are what was counted."""

from __future__ import annotations

import collections
import io
import pathlib

import pytest

import host_sim
from host_sim import Plan, Simulation
from host_sim.config import loads
from host_sim.replay.engine import Options
from host_sim.replay.mapping import parse_maps
from host_sim.simulation import Result
from tests.data import data
from tests.planning import MAPS, NEW, OLD, log_of, written_flips

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def neighbours() -> Result:
    return Simulation("noisy-neighbour", gather=True).run()


def test_a_simulation_s_decisions_are_its_counts(neighbours: Result) -> None:
    decisions, whole = neighbours.decisions, neighbours.total
    table = decisions.arrow()
    table.validate(full=True)
    assert table.num_rows == len(decisions) == whole.number("offered") > 50_000
    assert decisions.numpy("row").tolist() == list(range(1, len(decisions) + 1))
    verdicts = collections.Counter(table["verdict"].to_pylist())
    assert verdicts["allow"] + verdicts["delay"] == whole.number("allowed")
    assert verdicts["deny"] == whole.number("denied")
    assert int(decisions.numpy("queued").sum()) == whole.number("queued")
    tenants = collections.Counter(table["tenant"].to_pylist())
    priorities = collections.Counter(table["priority"].to_pylist())
    for one in neighbours.counts:
        if one.kind == "group":
            assert tenants[one.name] == one.number("offered")
        if one.kind == "class":
            assert priorities[one.name] == one.number("offered")
    denied = collections.Counter(by for by, verdict in zip(
        table["by"].to_pylist(), table["verdict"].to_pylist(), strict=True) if verdict == "deny")
    rules = {f"{rule.kind} {rule.name}": rule.denied for rule in neighbours.rules}
    assert denied.items() <= rules.items()


def test_they_come_in_time_with_who_asked_and_what_a_good_answer_weighs(neighbours: Result) -> None:
    table = neighbours.decisions.arrow()
    at = neighbours.decisions.numpy("at_ns").astype("i8")
    assert (np.diff(at) >= 0).all()
    assert at[0] >= neighbours.start_ns
    assert at[-1] < neighbours.start_ns + neighbours.duration_ns + 10**9  # the last ask once more
    users = set(table["user"].to_pylist())
    assert {f"web-{n}" for n in range(1, 51)} <= users and len(users) == 350
    sizes = set(zip(table["tenant"].to_pylist(), table["response_bytes"].to_pylist(), strict=True))
    assert sizes == {("good", 4096), ("good", 20480), ("noisy", 65536)}


def test_gathering_changes_nothing_and_is_asked_for(neighbours: Result) -> None:
    plain = Simulation("noisy-neighbour").run()
    assert plain.digests == neighbours.digests and plain == neighbours.__class__(
        **{**vars(neighbours), "elapsed_ns": plain.elapsed_ns})
    with pytest.raises(ValueError, match="gather=True"):
        plain.decisions  # noqa: B018
    assert neighbours.as_json().keys() == plain.as_json().keys()
    assert "as expected." in neighbours._repr_html_()


def test_a_simulation_is_there_by_its_name() -> None:
    assert "Simulation" in dir(host_sim) and host_sim.Simulation is Simulation


# -- a plan ----------------------------------------------------------------------------------------
OPTIONS = Options(maps=parse_maps(MAPS))


def test_a_plan_s_flips_are_a_table(tmp_path: pathlib.Path) -> None:
    rows = [(n // 3, f"10.0.0.{n % 4}", "/a", 0, ("ann", "b\"en", "caf\u00e9")[n % 3])
            for n in range(60)]
    (tmp_path / "a.csv").write_bytes(log_of(rows))
    sink = io.BytesIO()
    plan = Plan.of(*(loads(side, profile="tiny") for side in (OLD, NEW)), tmp_path / "a.csv",
                   profile="tiny", options=OPTIONS, flips=sink)
    table = plan.flips
    assert table.num_rows == plan.changed > 0
    assert table.schema.field("t_ns").type == pa.timestamp("ns")
    for row in table.to_pylist():
        line = written_flips(sink.getvalue())[(row["source"] or 0, row["line"])]
        for side in ("old", "new"):
            assert {key: row[f"{side}.{key}"] for key in line[side]} == line[side]
    assert "newly denied" in plan._repr_html_() and "gathered" not in plan.as_json()
    same = Plan.of(*[loads(OLD, profile="tiny")] * 2, tmp_path / "a.csv", profile="tiny",
                   options=OPTIONS)
    assert same.flips.num_rows == 0 and same.flips.schema == table.schema


def test_the_flips_of_a_day_are_all_there() -> None:
    base = (pathlib.Path(__file__).parents[2] / "examples/web.toml").read_text()
    plan = Plan.of(loads("version = 1\n"), loads(base), data("access-logs", "web_day_1995.tsv.gz"))
    changes = collections.Counter(plan.flips["change"].to_pylist())
    assert changes == collections.Counter({
        "newly-denied": plan.newly_denied, "newly-allowed": plan.newly_allowed,
        "other": plan.other})
