# SPDX-License-Identifier: MIT
"""What `raygate check` says: one stable code per kind of mistake, one line per mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from host_sim.printing import printable

# Codes are part of the interface: scripts grep for them. They are added to, never renamed.
CODES: dict[str, str] = {
    "syntax": "the file is not TOML; nothing after it is checked",
    "duplicate-key": "the same key or table is written twice",
    "version": "the file is made for another version of raygate",
    "unknown-section": "no module knows this section",
    "unknown-key": "the section has no such key",
    "missing-key": "a key that has no default is absent",
    "wrong-type": "a number where text belongs, a table where a list belongs, and the like",
    "bad-choice": "the value is not one of the words the key knows",
    "bad-name": "a name is 1 to 47 of A-Z a-z 0-9 . _ : -",
    "bad-duration": "a duration is whole amounts with units, largest first: 1h30m, 500ms, 2s",
    "bad-rate": "a rate is a count per duration: 1000/s, 20/min, 5/1h30m",
    "bad-size": "a size is a whole number of bytes: 8KiB, 50GiB, 10MB, 512B",
    "bad-money": "an amount of money is a decimal number in quotes: 0.000400, 500.00",
    "bad-percent": "a percentage is a number and %: 20%, 0.5%",
    "bad-network": "a network is an address and a prefix: 10.0.0.0/8, 2001:db8::/32",
    "bad-address": "an address does not parse",
    "bad-offset": "a UTC offset is +hh:mm or -hh:mm",
    "bad-time": "a time is like 2026-01-05T23:00:00Z",
    "bad-window": "a window is never, day, week, month, a duration, or rolling and a duration",
    "bad-path": "a path no normalised request could ever have",
    "bad-regex": "the expression does not parse, is outside the dialect, or its table is too large",
    "bad-host": "a host name does not parse",
    "bad-check": "a scenario's check is no comparison of numbers that are counted",
    "bad-header": "a header or parameter name or value does not fit",
    "out-of-range": "a number is outside the range its rule can hold",
    "duplicate-name": "two rows of one kind have the same name",
    "unknown-reference": "a name points to no row",
    "conflict": "two keys contradict each other, or one has no effect beside the other",
    "cycle": "a schema stands inside itself",
    "rate-not-exact": "the core cannot hold this rate without rounding; the nearest one is given",
    "price-not-exact": "multipliers that may meet are too fine together to be held exactly",
    "too-many-rows": "a table of the chosen profile is too small for the file",
    "too-many-limits": "more than 8 limits would apply to one request",
    "too-many-quotas": "more than 6 quotas would apply to one request",
    "inline-secret": "a secret stands in the file; it belongs into a variable or another file",
    "bad-key": "a key cannot be read, is none, or does not fit its algorithm",
    "core": "the core's own check refused the compiled bytes",
}

NOTES: dict[str, str] = {
    "note-boundary": "a fixed window lets up to twice its limit pass around a boundary",
    "note-shadow": "rows that only watch",
    "note-off": "mode = off lets everything pass, rows with a mode of their own included",
    "note-unused": "a row nothing refers to",
    "note-never": "a request that a limit can never grant",
    "note-shadowed": "a policy that others leave nothing to decide",
    "note-everything": "a policy without conditions: it holds for every request",
    "note-hole": "requests that pass because no policy decides about them",
    "note-unsure": "policies that overlap in too many ways to compare them all",
    "note-no-wait": "a queue in which nothing ever waits",
    "note-empty-pool": "a pool that names no instance and no way to find one",
    "note-no-effect": "a key that is read and changes nothing here",
    "note-private": "headers trusted from anybody",
    "note-not-idempotent": "methods are retried that may be carried out twice",
    "note-expired": "a key or credential that is no longer good on the day of the check",
    "note-no-lockout": "signatures that anybody may have checked as often as they like",
}

SHOWN = 5  # names in an advice; more are counted


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One finding. `line` and `column` count from 1, columns in characters; 0 means the whole
    file."""

    line: int
    column: int
    code: str
    message: str

    def text(self, name: str) -> str:
        """`file:line:column: code: message`, as compilers and editors know it; printable."""
        return printable(f"{name}:{self.line}:{self.column}: {self.code}: {self.message}")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word `word` was probably meant to be, None when nothing is near."""
    names = sorted(set(known))
    lowered = {name.lower(): name for name in reversed(names)}
    exact = lowered.get(word.lower())
    if exact is not None:
        return exact
    found = difflib.get_close_matches(word.lower(), sorted(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def did_you_mean(word: str, known: Sequence[str] | Iterable[str], *, what: str = "it") -> str:
    """` did you mean "x"?` or the list of what there is; always says what to do."""
    names = sorted({name for name in known if name})
    near = nearest(word, names)
    if near is not None:
        return f'did you mean "{near}"?'
    if not names:
        return f"the file defines no {what} yet"
    likely = difflib.get_close_matches(word, names, n=SHOWN, cutoff=0.3)
    shown = [*likely, *(name for name in names if name not in likely)][:SHOWN]
    return f"use one of: {some(shown, of=len(names))}"


def some(names: Sequence[str], *, most: int = SHOWN, of: int = 0) -> str:
    """The first names, and how many more there are of them, or of `of` in all."""
    total = max(len(names), of)
    more = f", ... and {total - most} more" if total > most else ""
    return ", ".join(names[:most]) + more
