# SPDX-License-Identifier: MIT
"""The dialect of docs/regex.md as a tree: what every engine agrees on, over bytes, and nothing that
needs memory of what was matched."""

from __future__ import annotations

from dataclasses import dataclass

REPEAT_MAX = 1_000
"""Largest number in a counted repetition."""

DEPTH_MAX = 100
"""How deep groups may nest."""

ANY = frozenset(range(256))


class RegexError(ValueError):
    """An expression outside the dialect, or one that grows too large, with the place and why."""


@dataclass(frozen=True)
class Node:
    """One piece of an expression. kind: set, sequence, choice, repeat, begin or end."""

    kind: str
    parts: tuple[Node, ...] = ()
    members: frozenset[int] = frozenset()
    least: int = 0
    most: int | None = None


def _span(low: str, high: str) -> frozenset[int]:
    return frozenset(range(ord(low), ord(high) + 1))


_DIGIT = _span("0", "9")
_LOWER, _UPPER = _span("a", "z"), _span("A", "Z")
_WORD = _DIGIT | _LOWER | _UPPER | {ord("_")}
_SPACE = frozenset(b" \t\n\r\f\v")
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7, "0": 0}
_POSIX = {
    "alnum": _DIGIT | _LOWER | _UPPER,
    "alpha": _LOWER | _UPPER,
    "blank": frozenset(b" \t"),
    "cntrl": frozenset(range(32)) | {127},
    "digit": _DIGIT,
    "graph": _span("!", "~"),
    "lower": _LOWER,
    "print": _span(" ", "~"),
    "punct": _span("!", "~") - _DIGIT - _LOWER - _UPPER,
    "space": _SPACE,
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": _DIGIT | _span("a", "f") | _span("A", "F"),
}
_DOT = ANY - {10}


def parse(pattern: str) -> Node:
    """The tree of `pattern`; RegexError with the place of the first thing not understood."""
    parser = _Parser(pattern)
    node = parser.choice(depth=0)
    if parser.more():
        raise parser.error('")" closes nothing; write \\) for the character')
    return node


class _Parser:
    """Recursive descent, one method per rule."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._folds = False
        self._dot_all = False
        for place, letter in enumerate(pattern):
            if ord(letter) > 126 or ord(letter) < 32:
                self._at = place
                raise self.error(
                    f"{letter!r} cannot stand in an expression; paths carry such bytes as %XX"
                )

    def error(self, what: str) -> RegexError:
        """An error that shows the place."""
        return RegexError(f"{what} (at character {self._at + 1} of {self._text!r})")

    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._text)

    def _peek(self, word: str) -> bool:
        return self._text.startswith(word, self._at)

    def _take(self, word: str) -> bool:
        if not self._peek(word):
            return False
        self._at += len(word)
        return True

    def _next(self) -> str:
        if not self.more():
            raise self.error("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def choice(self, *, depth: int) -> Node:
        """Alternatives between bars; flags set inside end with the group."""
        if depth > DEPTH_MAX:
            raise self.error(f"groups nest deeper than {DEPTH_MAX}")
        flags = self._folds, self._dot_all
        parts = [self._sequence(depth)]
        while self._take("|"):
            parts.append(self._sequence(depth))
        self._folds, self._dot_all = flags
        return parts[0] if len(parts) == 1 else Node("choice", tuple(parts))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.more() and not self._peek("|") and not self._peek(")"):
            atom = self._atom(depth)
            if atom is not None:
                parts.append(self._repeated(atom))
        return parts[0] if len(parts) == 1 else Node("sequence", tuple(parts))

    # -- repetition --
    def _repeated(self, atom: Node) -> Node:
        bounds = self._bounds()
        if bounds is None:
            return atom
        self._take("?")  # a lazy repetition accepts the same texts
        if any(self._peek(sign) for sign in "*+?{"):
            raise self.error("a repetition cannot be repeated; put it into a group (?:...)")
        return Node("repeat", (atom,), least=bounds[0], most=bounds[1])

    def _bounds(self) -> tuple[int, int | None] | None:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        if not self._take("{"):
            return None
        least = self._number()
        most: int | None = least
        if self._take(","):
            most = None if self._peek("}") else self._number()
        if not self._take("}"):
            raise self.error("a counted repetition is {n}, {n,} or {n,m}; write \\{ for the brace")
        if most is not None and most < least:
            raise self.error(f"{{{least},{most}}} counts backwards")
        return least, most

    def _number(self) -> int:
        digits = ""
        while self.more() and self._text[self._at] in "0123456789":
            digits += self._next()
        if not digits:
            raise self.error("a counted repetition is {n}, {n,} or {n,m}; write \\{ for the brace")
        if len(digits) > 4 or int(digits) > REPEAT_MAX:
            raise self.error(f"a count may be {REPEAT_MAX} at most")
        return int(digits)

    # -- atoms --
    def _atom(self, depth: int) -> Node | None:
        letter = self._next()
        if letter == "(":
            return self._group(depth)
        if letter == "[":
            return self._set(self._bracket())
        if letter == ".":
            return Node("set", members=ANY if self._dot_all else _DOT)
        if letter == "^":
            return Node("begin")
        if letter == "$":
            return Node("end")
        if letter == "\\":
            return self._set(self._escape())
        if letter in "*+?{":
            self._at -= 1
            raise self.error(f'"{letter}" repeats nothing; write \\{letter} for the character')
        return self._set(frozenset({ord(letter)}))

    def _set(self, members: frozenset[int]) -> Node:
        if self._folds:
            members |= {byte ^ 32 for byte in members if byte in _LOWER or byte in _UPPER}
        return Node("set", members=members)

    def _group(self, depth: int) -> Node | None:
        outer = self._folds, self._dot_all
        if self._take("?") and not self._take(":"):
            if self._flags():
                return None
            node = self._closed(depth)
            self._folds, self._dot_all = outer
            return node
        return self._closed(depth)

    def _closed(self, depth: int) -> Node:
        start = self._at
        node = self.choice(depth=depth + 1)
        if not self._take(")"):
            self._at = start - 1
            raise self.error("this group is never closed")
        return node

    def _flags(self) -> bool:
        """Reads what follows "(?": True when it was "(?i)", which holds to the end of its group."""
        value, seen = True, ""
        while self.more():
            letter = self._next()
            if letter == "i":
                self._folds = value
            elif letter == "s":
                self._dot_all = value
            elif letter == "-" and value:
                value = False
            elif letter in ":)" and seen:
                return letter == ")"
            else:
                break
            seen += letter
        self._at -= 1
        raise self.error(
            "only (?:...), (?i...) and (?s...) groups are known; "
            "looking around or back would need more than one pass"
        )

    # -- escapes and brackets --
    def _escape(self) -> frozenset[int]:
        letter = self._next()
        if letter in "dws":
            return _CLASSES[letter]
        if letter in "DWS":
            return ANY - _CLASSES[letter.lower()]
        if letter in _CONTROLS:
            return frozenset({_CONTROLS[letter]})
        if letter == "x":
            digits = self._text[self._at : self._at + 2]
            if len(digits) < 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise self.error("\\x takes two hexadecimal digits")
            self._at += 2
            return frozenset({int(digits, 16)})
        if letter.isalnum():
            self._at -= 1
            raise self.error(f'"\\{letter}" is not in the dialect (docs/regex.md)')
        return frozenset({ord(letter)})

    def _bracket(self) -> frozenset[int]:
        start = self._at
        negated = self._take("^")
        members: frozenset[int] = frozenset()
        first = True
        while first or not self._take("]"):
            if not self.more():
                self._at = start - 1
                raise self.error("this [ is never closed")
            members |= self._bracket_item()
            first = False
        if self._folds:
            members |= {byte ^ 32 for byte in members if byte in _LOWER or byte in _UPPER}
        return ANY - members if negated else members

    def _bracket_item(self) -> frozenset[int]:
        if self._take("[:"):
            end = self._text.find(":]", self._at)
            word = self._text[self._at : end] if end >= 0 else ""
            name = word.removeprefix("^")
            if name not in _POSIX:
                raise self.error(f'"[:{word}:]" is no class; they are {", ".join(_POSIX)}')
            self._at = end + 2
            return _POSIX[name] if word == name else ANY - _POSIX[name]
        low = self._bracket_byte()
        if not self._peek("-") or self._peek("-]"):
            return low
        if len(low) != 1:
            raise self.error("a class cannot begin a range; write \\- for the hyphen")
        self._take("-")
        high = self._bracket_byte()
        if len(high) != 1:
            raise self.error("a class cannot end a range; write \\- for the hyphen")
        (least,), (most,) = low, high
        if most < least:
            raise self.error("this range counts backwards")
        return frozenset(range(least, most + 1))

    def _bracket_byte(self) -> frozenset[int]:
        letter = self._next()
        return self._escape() if letter == "\\" else frozenset({ord(letter)})
