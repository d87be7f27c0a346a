# SPDX-License-Identifier: MIT
"""scenario: every error of the file at once, each with its place and what to do."""

from __future__ import annotations

import pathlib

import pytest

from host_sim.config import CODES, ConfigError
from host_sim.simulation import Scenario, expect, loads, named
from host_sim.simulation.expect import BadCheck

S = 10**9

CONFIG = """version = 1
[service.shop]
pool = "shop"
[service.lone]
[pool.shop]
instances = [{ at = "10.0.0.1:80" }, { at = "10.0.0.2:80" }]
[tenant.acme]
[[route]]
name = "r"
service = "shop"
path = { prefix = "/" }
[[route]]
name = "l"
service = "lone"
path = { prefix = "/lone" }
"""
GOOD = """version = 1
title = "t"
what = "w"
config = "c.toml"
duration = "1min"
[[client]]
name = "web"
tenant = "acme"
user = "web-{n}"
users = 3
paths = [{ path = "/" }]
arrivals = { poisson = "10/s" }
[[upstream]]
pool = "shop"
time = { constant = "1ms" }
[[upstream]]
service = "lone"
time = { uniform = ["1ms", "2ms"] }
[[event]]
at = "10s"
instance = "10.0.0.2:80"
does = "fail"
[[event]]
at = "20s"
client = "web"
rate = "20/s"
[[expect]]
says = "s"
check = 'ok of group "web" >= 1'
during = ["1s", "30s"]
"""
# what is written instead of what, and what is said of it
WRONG = [
    ("version = 1\n", "version = 2\n", "bad-choice", '"version"'),
    ("version = 1\n", "", "missing-key", '"version" is missing'),
    ("title", "tilte", "unknown-key", 'did you mean "title"?'),
    ('duration = "1min"', "duration = 60", "wrong-type", "text in quotes"),
    ('duration = "1min"', 'duration = "soon"', "bad-duration", "soon"),
    ('config = "c.toml"', 'config = "d.toml"', "unknown-reference", "cannot read"),
    ('config = "c.toml"', 'config = "bad.toml"', "conflict", "the configuration cannot be used"),
    ("[[client]]", "[[clients]]", "missing-key", "add a [[client]]"),
    ("[[client]]", "[client]", "wrong-type", "write [[client]] once for each"),
    ('tenant = "acme"', 'tenant = "amce"', "unknown-reference", 'did you mean "acme"?'),
    ('user = "web-{n}"', 'user = "{n}-web"', "conflict", 'ends in "{n}"'),
    ('user = "web-{n}"\n', "", "conflict", "nothing tells them apart"),
    ("users = 3", "users = 0", "out-of-range", "at least 1"),
    ('poisson = "10/s"', 'poison = "10/s"', "unknown-key", 'did you mean "poisson"?'),
    ('poisson = "10/s"', "", "missing-key", "write one of poisson"),
    ('poisson = "10/s"', 'poisson = "10/s", uniform = "1/s"', "conflict", "only one of poisson"),
    ('poisson = "10/s"', 'poisson = "10"', "bad-rate", "no rate"),
    ('poisson = "10/s"', 'poisson = "10_000_001/s"', "out-of-range", "at most 10,000,000/s"),
    ('rate = "20/s"', 'rate = "999999999999/s"', "out-of-range", "write uniform for more"),
    ('poisson = "10/s"', 'diurnal = { low = "9/s", high = "1/s" }', "out-of-range", "at least low"),
    ('path = "/"', 'path = "/\\u00e9"', "bad-path", "ASCII"),
    ('paths = [{ path = "/" }]', "paths = []", "missing-key", "say what is asked"),
    ('poisson = "10/s"', 'log = { file = "x.log" }', "conflict", 'with a log, "tenant"'),
    ("users = 3", 'users = 3\nfrom = "9s"\nuntil = "8s"', "conflict", "ends after it begins"),
    ('pool = "shop"\n', 'pool = "shop"\nservice = "lone"\n', "conflict", "only one of service"),
    ('pool = "shop"\n', 'pool = "shup"\n', "unknown-reference", 'did you mean "shop"?'),
    ('pool = "shop"\n', 'service = "shop"\n', "conflict", 'has the pool "shop"'),
    ('pool = "shop"\n', 'pool = "shop"\ninstance = "10.0.0.9:80"\n', "unknown-reference",
     "no event lets it join"),
    ('pool = "shop"\n', 'pool = "shop"\ninstance = "10.0.0.1:80"\n', "missing-key",
     'how "10.0.0.2:80" works'),
    ('service = "lone"\n', 'service = "lone"\ninstance = "x:1"\n', "conflict", "add pool"),
    ('["1ms", "2ms"]', '["2ms", "1ms"]', "conflict", "longer time comes second"),
    ('["1ms", "2ms"]', '["2ms"]', "out-of-range", "at least 2 entries"),
    ('does = "fail"', 'does = "fial"', "bad-choice", 'did you mean "fail"?'),
    ('does = "fail"\n', "", "missing-key", "say what the instance does"),
    ('does = "fail"', 'does = "fail"\nline = "help"', "conflict", "only one of instance"),
    ('instance = "10.0.0.2:80"', 'instance = "10.0.0.3:80"', "unknown-reference", "no instance"),
    ('instance = "10.0.0.2:80"\ndoes = "fail"', 'instance = "lone"\ndoes = "leave"', "conflict",
     "only an instance of a pool"),
    ('instance = "10.0.0.2:80"\ndoes = "fail"', 'clock = "1h"', "bad-duration", '"+1h" or "-30s"'),
    ('at = "10s"', 'at = "1min"', "out-of-range", "after the scenario's end"),
    ('client = "web"\nrate = "20/s"', 'client = "web"', "missing-key", "its new rate"),
    ('client = "web"', 'client = "wob"', "unknown-reference", 'did you mean "web"?'),
    ("ok of", "okay of", "bad-check", "no metric"),
    ('group "web"', 'group "wob"', "unknown-reference", 'did you mean "web"?'),
    ('ok of group "web" >= 1', "ok", "bad-check", "a comparison belongs"),
    ('ok of group "web" >= 1', "held == 0", "bad-check", "leave during out"),
    ('ok of group "web" >= 1', 'bill of group "web" == 0', "bad-check", "not counted by group"),
    ('ok of group "web" >= 1', 'ok from 1s to 2min >= 1', "out-of-range", "ends with the scenario"),
    ('ok of group "web" >= 1', 'held from 1s to 2s == 0', "bad-check", "of the whole run only"),
    ('ok of group "web" >= 1', 'opened of group "web" == 0', "bad-check", "not counted by group"),
    ('ok of group "web" >= 1', 'most bill of tenant == 0', "bad-check", "write a name"),
    ('["1s", "30s"]', '["30s", "1s"]', "conflict", "after its first"),
    ('["1s", "30s"]', '["1s", "30min"]', "out-of-range", "ends with the scenario"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "c.toml").write_text(CONFIG)
    (tmp_path / "bad.toml").write_text("version = 1\n[sevice.a]\n")
    return tmp_path


def read(text: str, folder: pathlib.Path) -> Scenario:
    return loads(text, name=str(folder / "s.toml"))


def test_a_good_file_is_read(folder: pathlib.Path) -> None:
    made = read(GOOD, folder)
    assert [name for _, name in made.instances()] == ["10.0.0.1:80", "10.0.0.2:80", "lone"]
    assert made.head.seed == 1 and made.checks[0].operator == ">="


@pytest.mark.parametrize(("old", "new", "code", "said"), WRONG)
def test_what_is_wrong_is_said_where_it_is(
    old: str, new: str, code: str, said: str, folder: pathlib.Path
) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        read(GOOD.replace(old, new, 1), folder)
    found = caught.value.diagnostics
    assert any(one.code == code and said in one.message for one in found), str(caught.value)
    assert all(one.line >= 1 and one.column >= 1 for one in found)
    assert code in CODES


def test_every_error_is_told_at_once(folder: pathlib.Path) -> None:
    text = GOOD.replace("title", "tilte").replace("users = 3", "users = 0").replace(
        'does = "fail"', 'does = "fial"').replace("ok of", "okay of")
    with pytest.raises(ConfigError) as caught:
        read(text, folder)
    codes = [one.code for one in caught.value.diagnostics]
    assert codes == ["missing-key", "unknown-key", "out-of-range", "bad-choice", "bad-check"]
    assert [one.line for one in caught.value.diagnostics] == [1, 2, 10, 22, 29]


def test_no_rule_waits_for_another(folder: pathlib.Path) -> None:
    """A key, a check, a service, an instance, a group, an instant, a tenant, a stretch: what is
    found of one in the file alone is found of all of them together, and nothing else."""
    wrong = [("users = 3", "users = 0"), ('service = "lone"', 'service = "lune"'),
             ('instance = "10.0.0.2:80"', 'instance = "10.0.0.7:80"'),
             ('client = "web"', 'client = "wob"'), ('group "web"', 'group "weeb"'),
             ('at = "20s"', 'at = "2min"'), ('tenant = "acme"', 'tenant = "amce"'),
             ('["1s", "30s"]', '["1s", "3min"]')]
    text, alone = GOOD, set()
    for old, new in wrong:
        with pytest.raises(ConfigError) as caught:
            read(GOOD.replace(old, new, 1), folder)
        assert len(caught.value.diagnostics) == 1, str(caught.value)
        alone |= {one.code for one in caught.value.diagnostics}
        text = text.replace(old, new, 1)
    more = text.replace("[[expect]]", '[[expect]]\nsays = "t"\ncheck = "okay > 1"\n[[expect]]', 1)
    with pytest.raises(ConfigError) as caught:
        read(more, folder)
    assert len(caught.value.diagnostics) == len(wrong) + 1, str(caught.value)
    assert {one.code for one in caught.value.diagnostics} == alone | {"bad-check"}


@pytest.mark.parametrize(("old", "new"), [
    ('poisson = "10/s"', ""),                     # not as well: no rate to change
    ('pool = "shop"\n', 'service = "shop"\n'),    # nor: nothing says how 10.0.0.1:80 works
    ('pool = "shop"\n', 'pool = "shup"\n'), ('pool = "shop"\n', ""),
    ('duration = "1min"', 'duration = "soon"'), ('name = "web"', "name = 1"),
    ('config = "c.toml"', 'config = "d.toml"'), ('user = "web-{n}"', 'usr = "web-{n}"'),
])
def test_what_follows_from_an_error_is_none(old: str, new: str, folder: pathlib.Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(GOOD.replace(old, new, 1), folder)
    assert len(caught.value.diagnostics) == 1, str(caught.value)


@pytest.mark.parametrize(("text", "left", "right"), [
    ("1 + 2 * 3 == 7", 7, 7), ("(1 + 2) * 3 == 9", 9, 9), ("250ms <= 1s", 250_000_000, 10**9),
    ("1.5% == 15_000", 15_000, 15_000), ("12.50 == 0", 12_500_000_000, 0), ("7 / 2 > 7 / 0", 3, 0),
    ("10 - 2 - 3 != 0", 5, 0),
])  # fmt: skip
def test_checks_count_as_they_are_written(text: str, left: int, right: int) -> None:
    class Nothing:
        def number(self, term: expect.Term) -> int:
            return 0

    assert expect.read(text).holds(Nothing())[1:] == (left, right)


def test_only_so_many_users_are_followed(folder: pathlib.Path) -> None:
    text = GOOD.replace('ok of group "web" >= 1', "moved == 0")
    read(text, folder)
    with pytest.raises(ConfigError, match="follows users one by one: at most 1,000,000"):
        read(text.replace("users = 3", "users = 1_000_001"), folder)


def test_a_number_is_of_a_stretch_or_of_the_least_or_most_of_a_kind() -> None:
    seen = []

    class Told:
        def number(self, term: expect.Term) -> int:
            seen.append((term.metric, term.kind, term.name, term.extreme, term.during))
            return len(seen)

    check = expect.read('2 * moved from 15s to 1min == most sent of instance from 0s to 15s '
                        '+ least ok of class - sent of instance "a:80"')
    assert check.holds(Told())[1:] == (2, 2 + 3 - 4)
    assert seen == [("moved", "", "", "", (15 * S, 60 * S)),
                    ("sent", "instance", "", "most", (0, 15 * S)),
                    ("ok", "class", "", "least", None),
                    ("sent", "instance", "a:80", "", None)]
    assert check.right.text == (
        'most sent of instance from 0s to 15s + least ok of class - sent of instance "a:80"')


@pytest.mark.parametrize("text", [
    "most sent == 1", 'most sent of instance "a" == 1', "most 1 == 1", "least okay of group == 1",
    "sent from 1s == 1", "sent from 2s to 1s == 1", "sent from x to 1s == 1",
    "1 from 1s to 2s == 1",
    "", "1", "1 <", "1 < 2 3", "(1 < 2", "1 == ok of", 'ok of group web == 1', "1h2 == 1", "@ == 1",
    "(" * 40 + "1" + ")" * 40 + " == 1", 'ok of nobody "x" == 1', "1.2.3 == 1",
])  # fmt: skip
def test_what_is_no_check_is_refused(text: str) -> None:
    with pytest.raises(BadCheck):
        expect.read(text)


def test_every_shipped_scenario_is_read_and_expects_something() -> None:
    assert len(named.names()) >= 7
    for name in named.names():
        made = named.find(name)
        assert len(made.expects) >= 3 and made.head.what, name
