# SPDX-License-Identifier: MIT
"""JSON as the reference parser reads it, with the strictness of the core on top; and what two
protobuf messages one behind the other mean."""
import json
import re
from typing import Any

DEPTH_MAX = 32


def no_constant(word: str) -> Any:
    raise ValueError(word)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a member twice")
    return made


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def accepts(body: bytes) -> bool:
    """Is it one JSON text that the core lets through?"""
    try:
        text = body.decode()
        if text.startswith("\ufeff"):
            return False
        value = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant,
                           parse_int=str, parse_float=str)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be told
    except (ValueError, RecursionError):
        return False
    return depth_of(value) <= DEPTH_MAX and not re.search(r"^\s*$", text)


def merged(one: Any, two: Any) -> Any:
    """Two encodings one behind the other: of a scalar the last counts, items are appended,
    messages merge (protobuf, "Encoding": Last One Wins)."""
    if isinstance(one, dict) and isinstance(two, dict):
        both = {name: merged(one[name], two[name]) for name in one if name in two}
        return {**one, **two, **both}
    return [*one, *two] if isinstance(one, list) and isinstance(two, list) else two
