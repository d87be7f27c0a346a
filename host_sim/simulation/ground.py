# SPDX-License-Identifier: MIT
"""What the rules of a scenario share: the file as it was read, where everything stands, and what
was found. What cannot be read is read by no rule, so that one error neither hides nor makes
another."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from host_sim.config.diagnostics import Diagnostic, did_you_mean
from host_sim.config.fields import Model
from host_sim.config.positions import Path, Positions
from host_sim.config.validate import check_row
from host_sim.simulation.model import LISTS, Head

if TYPE_CHECKING:
    from host_sim.simulation.scenario import Scenario


class Unread(Exception):
    """A rule asked for a value that is known to be wrong: the rule says nothing."""


class Partly:
    """A row of which some fields cannot be read; of nothing, none can."""

    def __init__(self, row: Any, unread: frozenset[str] = frozenset()) -> None:
        self._row, self._unread = row, unread

    def __getattr__(self, name: str) -> Any:
        if self._row is None or name in self._unread:
            raise Unread(name)
        return getattr(self._row, name)


NOTHING = Partly(None)


class Ground:
    """`head` and `rows` are models, or Partly where something is wrong with them."""

    def __init__(self, raw: dict[str, Any], positions: Positions) -> None:
        self.raw, self.positions = raw, positions
        self.findings: list[Diagnostic] = []
        self.head: Any = self._row(
            Head, {key: value for key, value in raw.items() if key not in LISTS}, ())
        self.rows: dict[str, list[Any]] = {
            section: self._rows(section, model) for section, model in LISTS.items()}

    def say(self, path: Path, code: str, message: str, at_key: bool = False) -> None:
        """A finding at a value, or at its key."""
        place = self.positions.of_key(path) if at_key else self.positions.of_value(path)
        self.findings.append(Diagnostic(*place, code, message))

    # -- rows by their models -------------------------------------------------------------------
    def _rows(self, section: str, model: type[Model]) -> list[Any]:
        rows = self.raw.get(section, [])
        if not isinstance(rows, list):
            self.say((section,), "wrong-type", f"write [[{section}]] once for each")
            return [NOTHING]
        if rows:
            return [self._row(model, raw, (section, index)) for index, raw in enumerate(rows)]
        if section in ("client", "upstream"):
            self.say((), "missing-key", f"nothing to simulate: add a [[{section}]]", True)
            return [NOTHING]
        return [NOTHING] if isinstance(self.head, Partly) else []

    def _row(self, model: type[Model], raw: Any, path: Path) -> Any:
        """The row. With a key that nobody knows, which may be meant for any that is absent, what
        is absent cannot be read either."""
        found: list[tuple[Path, str]] = []

        def say(at: Path, code: str, message: str, at_key: bool) -> None:
            found.append((at[len(path):], code))
            self.say(at, code, message, at_key)

        row = check_row(model, raw, path, say)
        if not found or row is None:
            return NOTHING if row is None else row
        wrong = {at[0] for at, _ in found if at}
        guessed = any(code == "unknown-key" and len(at) == 1 for at, code in found)
        names = {known.alias or name: name for name, known in model.model_fields.items()}
        return Partly(row, frozenset(
            name for key, name in names.items()
            if key in wrong or (guessed and key not in raw)))

    def seen(self, made: Scenario) -> Scenario:
        """The scenario with its rows as they can be read by now."""
        rows: dict[str, Any] = {f"{section}s": tuple(rows) for section, rows in self.rows.items()}
        return dataclasses.replace(made, **rows)

    # -- rules ----------------------------------------------------------------------------------
    def rule(self, rule: Callable[..., None], *arguments: Any) -> None:
        """Runs a rule as far as what it asks for can be read."""
        with contextlib.suppress(Unread):
            rule(self, *arguments)

    def one_of(self, row: Any, keys: tuple[str, ...], path: Path) -> str | None:
        """The one key of these that is there; None after a finding."""
        there = [key for key in keys if getattr(row, key) is not None]
        if len(there) == 1:
            return there[0]
        what = f"only one of {', '.join(there)}" if there else f"one of {', '.join(keys)}"
        self.say(path, "conflict" if there else "missing-key", f"write {what}", True)
        if len(path) > 2:  # a table in a row
            self.unread(path)
        return None

    def known(self, word: str | None, names: Any, path: Path, what: str) -> bool:
        """Whether the name is one of them; after a finding it cannot be read any more."""
        names = list(names)
        if word is None or word in names:
            return True
        self.say(path, "unknown-reference",
                 f'no {what} "{word}"; {did_you_mean(word, names, what=what)}')
        self.unread(path)
        return False

    def unread(self, path: Path) -> None:
        """From now on the field of a row at this path cannot be read: it is wrong, and what
        follows from it is no error of its own."""
        section, index, key = path[:3]
        if isinstance(section, str) and isinstance(index, int):
            self.rows[section][index] = Partly(self.rows[section][index], frozenset({str(key)}))
