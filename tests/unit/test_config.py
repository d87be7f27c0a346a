# SPDX-License-Identifier: MIT
"""config: one file, every error at once with its place, and the same bytes everywhere."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest
from click.testing import CliRunner

from host_sim import config as compiler
from host_sim.config import layout, schema
from host_sim.config.capacities import PROFILES
from host_sim.config.diagnostics import did_you_mean
from host_sim.config.identity import NONE, Request
from tests.configs import HEAD, codes, found, identity, limit, route
from tests.data import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


# -- every error at once, with its place -----------------------------------------------------------
def test_every_error_is_found_in_one_pass_and_sorted():
    text = (
        'version = 1\nmod = "shadow"\n[service.a]\ntimout = "1s"\ntimeout = "1q"\n'
        '[[route]]\nname = "r"\nservice = "b"\npath = { prefix = "/a/../b" }\n'
        'methods = ["GTE"]\n[[limit]]\nname = "l"\nscope = "usr"\nrate = 5\n'
    )
    assert found(text) == [
        (2, 1, "unknown-section"), (4, 1, "unknown-key"), (5, 11, "bad-duration"),
        (8, 11, "unknown-reference"), (9, 19, "bad-path"), (10, 12, "bad-choice"),
        (13, 9, "bad-choice"), (14, 8, "wrong-type"),
    ]  # fmt: skip


def test_a_finding_reads_as_compilers_write_it_and_says_what_to_do():
    text = 'version = 1\n[service.a]\ntimout = "1s"\n'
    one = compiler.examine(text.encode()).findings[0]
    assert (
        one.text("x.toml")
        == 'x.toml:3:1: unknown-key: no key "timout" here; did you mean "timeout"?'
    )


def test_columns_count_characters_not_bytes():
    assert found('version = 1\n[headers]\n"\u00e4" = 1\nrequest_id = "\u00e4\u00e4"  \n') == [
        (3, 1, "unknown-key"), (4, 14, "bad-name"),
    ]  # fmt: skip
    inline = found('version = 1\ntrust = { "\u00e4\u00e4" = 1, client_ip = "me" }\n')
    assert inline == [(2, 11, "unknown-key"), (2, 33, "bad-choice")]


SYNTAX = [
    (b"a = \n", 1), (b"version = 1\n[x\n", 2), (b'version = 1\nmode = "off\n', 2), (b"\xff\xfe", 1),
    (b"\xef\xbb\xbfversion = 1\n", 1), (b"a = " + b"[" * 50_000, 1), (b"a = 1\nb = nan=\n", 2),
]  # fmt: skip


@pytest.mark.parametrize(("source", "line"), SYNTAX)
def test_what_is_no_toml_is_one_kind_of_error(source, line):
    result = compiler.examine(source)
    assert result.file is None
    assert {one.code for one in result.findings} == {"syntax"}
    assert result.findings[0].line == line


def test_every_duplicate_key_is_named_not_only_the_first():
    text = "version = 1\nversion = 1\n[service.a]\n[service.a]\n[defaults]\na = 1\na = 2\n"
    assert found(text) == [
        (2, 1, "duplicate-key"),
        (4, 2, "duplicate-key"),
        (7, 1, "duplicate-key"),
    ]


def test_the_whole_worked_example_is_accepted(monkeypatch):
    path = ROOT.parent / "shared" / "spec" / "governance.example.toml"
    if not path.exists():
        pytest.skip("the worked example is not here")
    monkeypatch.setenv("IDP_HS256_KEY", "a secret of thirty-two bytes or more")
    assert compiler.examine(path.read_bytes()).findings == []


def test_a_missing_or_other_version_is_named():
    assert found("") == [(1, 1, "missing-key")]
    assert found("version = 2\n") == [(1, 11, "version")]


def test_one_bad_key_hides_no_error_in_the_same_row():
    text = HEAD + limit(rate="x", service="c", burst=0, instead_of="nobody")
    assert sorted(codes(text)) == [
        "bad-rate",
        "out-of-range",
        "unknown-reference",
        "unknown-reference",
    ]


def test_an_advice_names_five_rows_at_most_and_counts_the_others():
    rows = "".join(limit(name=f"lim{n}", service="b") for n in range(300))
    result = compiler.examine((HEAD + rows + route(limits=["none-of-them"])).encode())
    told = [one.message for one in result.findings if one.code == "unknown-reference"]
    assert told == ['no limit "none-of-them"; use one of: '
                    "lim0, lim1, lim10, lim100, lim101, ... and 295 more"]
    many = next(one.message for one in result.findings if one.code == "too-many-limits")
    assert "lim11, ... and 288 more; remove some" in many


def test_an_advice_puts_likely_names_first_and_leaves_out_empty_ones():
    names = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "tot-x"]
    said = did_you_mean("total-per-user", ["", *names])
    assert said.startswith("use one of: tot-x, alpha") or said.startswith("use one of: tot-x, beta")
    assert said.endswith(", ... and 2 more")
    assert did_you_mean("qqq", ["", "a"]) == "use one of: a"
    assert did_you_mean("qqq", [""], what="limit") == "the file defines no limit yet"


# -- notes -----------------------------------------------------------------------------------------
def test_a_fixed_window_says_how_much_may_pass_around_its_boundary():
    notes = compiler.examine((HEAD + limit(algorithm="fixed_window", rate="50/min")).encode()).notes
    assert [note.code for note in notes] == ["note-boundary"]
    assert "up to 100 may pass within 1m" in notes[0].message


def test_a_route_that_weighs_more_than_its_limit_holds_is_pointed_out():
    notes = compiler.examine((HEAD + route(weight=6) + limit(rate="5/s")).encode()).notes
    assert [note.code for note in notes] == ["note-never"]


# -- the bytes -------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_compile_and_the_hash_is_of_what_is_not_secret(path):
    config = compiler.load(path)
    other = compiler.load(path, seed=bytes(range(16)))
    assert config.hash == other.hash and config.blob != other.blob
    secrets = other.blob.index(bytes(range(16)))      # the seed, then keys where the file has any
    assert other.seed == other.blob[secrets : secrets + 16] == bytes(range(16))
    assert config.seed == config.blob[secrets : secrets + 16] == bytes.fromhex(config.hash)[:16]
    public = bytearray(config.blob[:secrets])
    public[8:16] = bytes(8)
    assert hashlib.sha256(public).hexdigest() == config.hash


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_same_file_gives_the_same_bytes_for_every_hash_seed(path, tmp_path):
    blobs = set()
    for seed in ("0", "1", "4711"):
        out = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "host_sim.config", str(path), str(out)], check=True, cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
        )  # fmt: skip
        blobs.add(out.read_bytes())
    assert blobs == {compiler.load(path).blob}


def test_compiling_needs_no_extension(tmp_path):
    source = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith(('cffi', '_cffi', 'host_sim._', 'click', 'rich')):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from host_sim.config.__main__ import main\n"
        f"sys.exit(main([{str(EXAMPLES[0])!r}, {str(tmp_path / 'out')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == compiler.load(EXAMPLES[0]).blob


def test_names_stand_in_file_order_and_are_ids():
    config = compiler.load(ROOT / "examples" / "rayos.toml")
    assert config.services == ("kernel", "vmm", "storage", "container", "scheduling")
    assert config.plans == ("internal", "gold", "free")
    assert config.limits[0] == "kernel-total" and config.quotas[-1] == "storage-hour"


def test_the_files_mode_is_pushed_into_rows_that_have_none():
    text = 'mode = "shadow"\n' + HEAD + limit(name="own", mode="enforce") + limit(name="none")
    config = compiler.loads(
        text.replace("version = 1\n", "", 1).replace("mode", "version = 1\nmode", 1)
    )
    at = {name: config.blob.index(name.encode() + bytes(8)) for name in ("own", "none")}
    mode = 48 + 48 + 6 * 8 + 4 + 4 + 20 + 2
    assert [config.blob[at[name] + mode] for name in ("own", "none")] == [0, 1]


def test_identity_answers_by_the_first_rule_whose_network_holds_the_client():
    config = compiler.load(ROOT / "examples" / "rayos.toml")
    ask = config.identity.resolve
    assert ask(Request("127.0.0.1", "me")) == (0, "me", 0)
    assert ask(Request("::1", "me")) == (0, "me", 0)
    assert ask(Request("198.51.100.7", "me", headers={"x-user": "web"})) == (1, "web", 0)
    assert ask(Request("198.51.100.7", "me")) == (1, "", 0)
    assert ask(Request("host.example", "me")) == (2, "me", 0)
    alone = compiler.loads(
        HEAD + identity(when='{ ip = "10.0.0.0/8" }', user="{ path_segment = 2 }")
    )
    assert alone.identity.resolve(Request("10.1.2.3", "", "/a/b/c?d")) == (NONE, "b", 0)
    assert alone.identity.resolve(Request("11.1.2.3", "u", "/a/b")) == (NONE, "u", 0)


# -- schema, reference, command --------------------------------------------------------------------
def test_the_reference_page_is_made_from_the_model():
    assert (ROOT / "docs" / "config.md").read_text() == schema.reference()


def test_the_schema_has_every_key_with_a_description():
    made = schema.json_schema()
    for name, model in made["$defs"].items():
        for key, node in model["properties"].items():
            assert node.get("description"), f"{name}.{key}"
    assert made["$defs"]["Service"]["properties"]["timeout"]["default"] == "30s"
    assert '"null"' not in json.dumps(made)


def run(*arguments: str):
    from host_sim.commands.check import command

    return CliRunner().invoke(command, list(arguments))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_check_runs_the_expectations_of_an_example_on_the_core(path):
    done = run(str(path), "--tests")
    assert done.exit_code == 0, done.output
    assert "FAIL" not in done.output and "expectations hold" in done.output


def test_check_ends_with_1_for_a_failed_expectation_and_2_for_a_bad_file(tmp_path):
    bad, wrong = tmp_path / "bad.toml", tmp_path / "wrong.toml"
    bad.write_text("version = 1\n[x]\n")
    test = '[[test]]\nrequest = { path = "/b" }\nexpect = { verdict = "allow" }\n'
    wrong.write_text(HEAD + route(path='{ exact = "/a" }') + test)
    done = run(str(bad))
    assert done.exit_code == 2 and f"{bad}:2:2: unknown-section:" in done.output
    done = run(str(wrong), "--tests")
    assert done.exit_code == 1 and "verdict: expected allow, got deny" in done.output
    assert "no expectation reaches these routes: r" in done.output
    assert run(str(wrong)).exit_code == 0
    assert run(str(tmp_path / "absent.toml")).exit_code == 2


def test_check_as_json_holds_findings_notes_hash_and_tests(tmp_path):
    done = run(str(ROOT / "examples" / "rayos.toml"), "--json", "--tests")
    report = json.loads(done.output)
    assert report["ok"] and report["hash"] == compiler.load(ROOT / "examples" / "rayos.toml").hash
    assert all(test["passed"] for test in report["tests"])
    assert report["uncovered"]["routes"] == []
    assert {note["code"] for note in report["notes"]} == {
        "note-boundary", "note-shadow", "note-hole"}


def test_compile_writes_the_bytes_and_says_the_hash(tmp_path):
    from host_sim.commands.compile import command

    source, out = ROOT / "examples" / "web.toml", tmp_path / "blob"
    done = CliRunner().invoke(command, [str(source), "-o", str(out), "--seed", "00" * 16])
    assert done.exit_code == 0 and compiler.load(source).hash in done.output
    assert pathlib.Path(out).read_bytes() == compiler.load(source, seed=bytes(16)).blob
    assert CliRunner().invoke(command, [str(source), "-o", str(out), "--seed", "0"]).exit_code == 2


# -- the layout is the C structs' ------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(layout.STRUCTS))
def test_every_layout_has_the_sizes_and_offsets_of_its_struct(raw, name):
    struct, kind = layout.STRUCTS[name], raw.ffi.typeof(name)
    assert struct.sizeof() == raw.ffi.sizeof(kind)
    offset = 0
    if name == "ray_name":
        return
    fields = dict(kind.fields)
    assert [field.name for field in struct.subcons] == list(fields)
    for field in struct.subcons:
        assert fields[field.name].offset == offset, field.name
        offset += field.sizeof()


def test_every_section_kind_and_row_is_the_headers(raw):
    elements = raw.ffi.typeof("enum ray_config_section_kind").elements
    ours = {*layout.ROWS, *layout.BYTE_SECTIONS}
    assert ours == set(elements)
    assert (layout.MAGIC, layout.VERSION) == (raw.lib.RAY_CONFIG_MAGIC, raw.lib.RAY_CONFIG_VERSION)
    assert layout.BYTES_MAX == raw.lib.RAY_CONFIG_BYTES_MAX


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_capacities_are_those_of_the_headers(profile):
    header = ROOT / "kernel" / "profiles" / profile / "ray" / "limits.h"
    numbers = {}
    for line in header.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip().startswith("RAY_"):
            numbers[name.strip()[4:].lower()] = int(value.split(",")[0].split("/")[0])
    room = vars(PROFILES[profile])
    assert {name: numbers[name] for name in room if name != "name"} == {
        name: value for name, value in room.items() if name != "name"
    }
