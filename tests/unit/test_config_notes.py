# SPDX-License-Identifier: MIT
"""raygate check: what is no error and still not what somebody meant, and that every code is known.
"""

from __future__ import annotations

import ast
import pathlib
import re

import pytest
from click.testing import CliRunner

from host_sim import config as compiler
from host_sim.commands.check import command
from host_sim.config.diagnostics import CODES, NOTES

ROOT = pathlib.Path(__file__).resolve().parents[2]
S = 1_000_000_000
HEAD = """version = 1
[service.a]
timeout = "2s"
[[route]]
name = "r"
service = "a"
path = { prefix = "/" }
"""
SHA = "ab" * 32
PUBLIC = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""


def notes(
    text: str, folder: pathlib.Path = ROOT, now_s: int | None = 1_000
) -> list[tuple[int, str]]:
    found = compiler.examine((HEAD + text).encode(), folder=folder,
                             now_ns=None if now_s is None else now_s * S)
    assert found.findings == []
    return [(note.line - 7, note.code) for note in found.notes]


@pytest.mark.parametrize(("expires", "said"), [
    ("1970-01-01T00:16:39Z", True), ("1970-01-01T00:16:40Z", True),
    ("1970-01-01T00:16:41Z", False)])
def test_a_credential_that_has_expired_is_noted_on_the_day(expires: str, said: bool) -> None:
    for kind in ("api_key", "basic", "bearer"):
        row = f'[[{kind}]]\nname = "k"\nsha256 = "{SHA}"\nexpires = {expires}\n'
        assert notes(row) == ([(4, "note-expired")] if said else [])
        assert notes(row, now_s=None) == []     # a library has no today: same bytes, same notes


def test_a_key_of_an_issuer_that_has_ended_is_noted(tmp_path: pathlib.Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    row = ('[[jwt]]\nname = "i"\nalg = "HS256"\n'
           'keys = [{ file = "key", not_after = 1970-01-01T00:16:40Z }]\n')
    assert notes(row, tmp_path) == [(4, "note-expired")]
    assert notes(row, tmp_path, now_s=999) == []


@pytest.mark.parametrize(("alg", "lockout", "said"), [
    ("ES256", "", [(3, "note-no-lockout")]),
    ("ES256", '[auth]\nlockout = { per = "1m" }\n', []), ("HS256", "", [])])
def test_signatures_for_anybody_without_a_lockout_are_noted(
    alg: str, lockout: str, said: list[tuple[int, str]], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "key").write_text("k" * 32 if alg == "HS256" else PUBLIC)
    row = f'[[jwt]]\nname = "i"\nalg = "{alg}"\nkey = {{ file = "key" }}\n'
    assert notes(row + lockout, tmp_path) == said


@pytest.mark.parametrize(("timeout", "said"), [("1999ms", False), ("2s", True), ("5s", True)])
def test_an_attempt_that_outlasts_its_request_is_noted(timeout: str, said: bool) -> None:
    row = f'[resilience.a]\ntimeout = "{timeout}"\n'
    assert notes(row) == ([(2, "note-no-effect")] if said else [])


def test_rows_that_nothing_refers_to_are_noted() -> None:
    text = """[pool.used]
instances = []
[pool.alone]
instances = []
[service.b]
pool = "used"
[schema.inner]
x = { type = "string" }
[schema.outer]
x = { schema = "inner" }
[schema.around]
x = { schema = "outer" }
[schema.alone]
x = { type = "string" }
[transform.used]
request = { from = "json", schema = "outer" }
[transform.alone]
response = { from = "json" }
[[route]]
name = "s"
service = "b"
path = { prefix = "/b" }
transform = "used"
"""
    assert notes(text) == [(line, "note-unused") for line in (3, 11, 13, 17)]


def test_the_summary_counts_every_kind_of_row(tmp_path: pathlib.Path) -> None:
    said = CliRunner().invoke(command, [str(ROOT / "examples" / "rayos.toml")]).output
    raw = compiler.load(ROOT / "examples" / "rayos.toml").file
    rows = [*raw.api_key, *raw.basic, *raw.bearer]
    for count, what in ((len(raw.pool), "pools"), (len(raw.resilience), "guards"),
                        (len(raw.schema_), "schemas"), (len(raw.transform), "transforms"),
                        (len(rows), "credentials"), (len(raw.jwt), "issuers")):
        assert f", {count} {what}" in said
    assert rows and raw.transform
    old = tmp_path / "old.toml"
    old.write_text(HEAD + f'[[api_key]]\nname = "k"\nsha256 = "{SHA}"\n'
                          "expires = 2020-01-01T00:00:00Z\n")
    assert f"{old}:11:11: note-expired: " in CliRunner().invoke(command, [str(old)]).output


def test_what_is_said_in_which_look() -> None:
    def codes(text: str) -> list[str]:
        return [one.code for one in compiler.examine(text.encode()).findings]

    assert codes("version = 2\n[pool.p\n") == ["syntax"]
    both = '[service.a]\ntimeout = "x"\npool = "none"\n[nowhere]\n'
    assert codes("version = 2\n" + both) == [
        "version", "bad-duration", "unknown-reference", "unknown-section"]
    inner = '[pool.p]\nhealth = {{ every = "{}", path = "x" }}\n'
    assert codes("version = 1\n" + inner.format("x")) == ["bad-duration"]
    assert codes("version = 1\n" + inner.format("5s")) == ["bad-path"]


# Where the code stands in what says one.
SAYS = {"say": 1, "note": 1, "UnitError": 0, "Diagnostic": 2, "PydanticCustomError": 0}


def said_in(tree: ast.AST) -> set[str]:
    """The texts that stand where a code does, of every call that says one."""
    words = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(
                call.func, "id", "")
            for place in call.args[SAYS[name]:SAYS[name] + 1] if name in SAYS else ():
                words |= {part.value for part in ast.walk(place)
                          if isinstance(part, ast.Constant) and isinstance(part.value, str)
                          and re.fullmatch(r"[a-z]+(-[a-z]+)*", part.value)}
    return words


def test_every_code_that_can_be_said_is_in_the_reference_and_no_other() -> None:
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / "host_sim").rglob("*.py"))
             if path.name != "diagnostics.py" and "_ext" not in path.parts]
    said = set().union(*map(said_in, trees))
    assert "note-not-idempotent" in said and "bad-money" in said    # the walk finds something
    assert said <= {*CODES, *NOTES}
    texts = {part.value for tree in trees for part in ast.walk(tree)
             if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    assert {*CODES, *NOTES} <= texts
    reference = (ROOT / "docs" / "config.md").read_text()
    for code in (*CODES, *NOTES):
        assert f"| `{code}` | " in reference
