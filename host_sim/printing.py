# SPDX-License-Identifier: MIT
"""Text from outside (files, logs, names, machines) on its way to a person's terminal."""

from __future__ import annotations

import json
from typing import Any


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no text, in a file's name say
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable(text: str) -> str:
    """One line of nothing but 0x20 to 0x7e: everything else as \\xNN or \\uNNNN.

    A terminal obeys control characters and some beyond ASCII, and text from outside must not drive
    it; what is dropped silently would not be seen, so it is spelled out.
    """
    return "".join(char if " " <= char <= "~" else _escaped(char) for char in text)


def printable_lines(text: str) -> str:
    """As `printable`, for text whose line feeds are meant."""
    return "\n".join(printable(line) for line in text.split("\n"))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON of nothing but 0x20 to 0x7e and line feeds; the same value when it is read."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")
