# SPDX-License-Identifier: MIT
"""The one funnel for arguments no C type can hold: whatever Python or cffi says of one becomes an
ArgumentError or RangeError that names the argument, its value and what it may be.

A class that inherits Guarded has each of its public methods behind the funnel. Nothing is looked at
on the way in: the core is the judge of values, and a call that is fine pays for one more frame.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import inspect
import os
import re
import struct
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from host_sim.errors import ArgumentError, RangeError, RaygateError, shown

RAW = (OverflowError, TypeError, ValueError, AttributeError, KeyError, MemoryError, struct.error)
_HOUSE, _LIBRARY = os.path.dirname(__file__) + os.sep, os.path.dirname(enum.__file__) + os.sep
_NO_FIT = re.compile(r"integer (-?[0-9]+) does not fit '([^']+)'")  # '32-bit int', 'uint8_t'
_WORDS = {int: "a whole number", str: "text", bytes: "bytes", bool: "True or False",
          type(None): "None"}  # fmt: skip


_DIRECT: set[types.FunctionType] = set()


def direct(method: Any) -> Any:
    """A method that is called too often for a frame more: it says `refusal` itself."""
    _DIRECT.add(method)
    return method


def refusal(method: Any, *args: Any, error: Exception, **named: Any) -> Exception:
    """What a direct method raises in place of `error`, given what it was called with."""
    return _refusal(method, args, named, error) or error


class Guarded:
    """Public methods of subclasses raise RaygateErrors for impossible arguments, never what the
    layer below them says."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name, member in list(vars(cls).items()):
            public = name == "__init__" or name[0] != "_"
            if isinstance(member, types.FunctionType) and public and member not in _DIRECT:
                setattr(cls, name, _behind(member))


def _behind(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **named: Any) -> Any:
        try:
            return method(self, *args, **named)
        except RAW as error:
            trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
            if trace is None:
                raise  # the call does not fit the method: its signature says so
            refused = None if _is_foreign(trace) else _refusal(method, (self, *args), named, error)
            if refused is None:
                raise  # no argument is to blame
            raise refused from error

    return call


def _is_foreign(trace: types.TracebackType | None) -> bool:
    """Did code of the caller's run, a resolver or an operation? Its errors are its own."""
    while trace is not None:
        place = trace.tb_frame.f_code.co_filename
        if not place.startswith((_HOUSE, "<")) and (
            not place.startswith(_LIBRARY) or "site-packages" in place
        ):
            return True
        trace = trace.tb_next
    return False


def _refusal(
    method: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], error: Exception
) -> RaygateError | None:
    """What to say in place of `error`; None where no argument explains it."""
    rows = list(_arguments(method, args, named))
    for name, value, hint in rows:
        if not fits(value, hint):
            return ArgumentError(f"{name} is {_words(hint)}, not {shown(value)}")
    if isinstance(error, OverflowError):
        return _out_of_range(method, rows, str(error))
    if isinstance(error, UnicodeError):
        for name, value, _ in rows:
            if isinstance(value, str) and not value.isascii():
                return ArgumentError(f"{name} cannot be {shown(value)}: {error}")
    for name, value, hint in rows:
        if _is_blamed(value, hint, error):
            return ArgumentError(f"{name} cannot be {shown(value)}: {shown(str(error))}")
    if isinstance(error, TypeError | ValueError | struct.error):
        return ArgumentError(f"{method.__name__}: {shown(str(error))}")
    return None


def _is_blamed(value: Any, hint: Any, error: Exception) -> bool:
    """Does Python's message speak of this value? Only then is an error of these kinds the
    caller's; else it is ours and stays what it is."""
    if isinstance(error, KeyError):
        key = error.args[0] if error.args else None
        return bool(value == key) or (
            isinstance(value, str) and str(key).casefold() == value.casefold()
        )
    if isinstance(error, AttributeError):
        return not hasattr(value, str(error.name)) and type(value) is type(error.obj)
    if isinstance(error, MemoryError):
        return isinstance(value, int) and value >= 1 << 24
    return isinstance(value, str) and (repr(value) in str(error) or value in str(error))


def _out_of_range(
    method: Callable[..., Any], rows: list[tuple[str, Any, Any]], said: str
) -> RaygateError:
    """cffi names the value and the C type, but not whose it is."""
    found = _NO_FIT.search(said)
    least, most = 0, (1 << 64) - 1
    if found is not None:
        digits = re.search(r"[0-9]+", found[2])
        bits, signed = int(digits[0]) if digits else 64, "u" not in found[2]
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    for name, value, _ in rows:
        for one in value if isinstance(value, list | tuple | set) else (value,):
            known = found is None or one == int(found[1])
            if isinstance(one, int) and known and not least <= one <= most:
                return RangeError(f"{name} is {least} to {most}, not {one}")
    return RangeError(f"{method.__name__}: {said}")


# -- what was given, and what it should have been ------------------------------------------------
def _arguments(
    method: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """(name, value, annotation) of each argument but self; of **terms, each of its keys."""
    hints = _hints(method)
    signature = inspect.signature(method)
    for name, value in signature.bind(*args, **named).arguments.items():
        kind = signature.parameters[name].kind
        hint = hints.get(name, Any)
        if name == "self":
            continue
        if kind is inspect.Parameter.VAR_KEYWORD:
            each = typing.get_args(hint)
            keys = typing.get_type_hints(each[0]) if each else {}
            for key, inner in value.items():
                yield key, inner, keys.get(key, Any if each else hint)
        else:
            yield name, value, hint
            yield from _fields(name, value)


def _fields(name: str, value: Any) -> Iterator[tuple[str, Any, Any]]:
    """The same of what a dataclass that was given is made of."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = _hints_of(vars(type(value)).get("__annotations__", {}),
                          vars(sys.modules[type(value).__module__]))  # fmt: skip
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            yield f"{name}.{field.name}", inner, hints.get(field.name, Any)


@functools.cache
def _hints(method: Callable[..., Any]) -> dict[str, Any]:
    """The method's annotations; those that only a type checker can see are Any."""
    return _hints_of(method.__annotations__, method.__globals__)


def _hints_of(said: Mapping[str, Any], place: dict[str, Any]) -> dict[str, Any]:
    seen = dict(vars(typing)) | dict(vars(collections.abc)) | place
    out = {}
    for name, text in said.items():
        try:
            out[name] = eval(text, seen) if isinstance(text, str) else text
        except (NameError, TypeError, AttributeError):
            out[name] = Any
    return out


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _is_choice(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def fits(value: Any, hint: Any) -> bool:
    """False for a value of another type than the annotation's; what cannot be told is True."""
    if _is_union(hint):
        return any(fits(value, one) for one in typing.get_args(hint))
    origin = typing.get_origin(hint) or hint
    if origin is typing.Required or origin is typing.NotRequired:
        return fits(value, typing.get_args(hint)[0])
    if hint is Any:
        return True
    if hint is None or hint is type(None):
        return value is None
    if not isinstance(origin, type):
        return True
    if _is_choice(hint):
        known = not isinstance(value, bool) and any(value == one.value for one in hint)
        return isinstance(value, hint) or known
    if issubclass(origin, collections.abc.Mapping):
        each = typing.get_args(hint)
        return isinstance(value, Mapping) and (len(each) != 2 or all(
            fits(key, each[0]) and fits(inner, each[1]) for key, inner in value.items()
        ))  # fmt: skip
    if isinstance(value, Mapping) and issubclass(origin, collections.abc.Sequence):
        return False
    if origin in (list, tuple) or issubclass(origin, collections.abc.Iterable):
        if origin in (str, bytes):
            return isinstance(value, origin)
        inner = [one for one in typing.get_args(hint) if one is not Ellipsis]
        if origin is tuple and len(inner) > 1:
            return isinstance(value, tuple | list) and len(value) == len(inner) and all(
                map(fits, value, inner)
            )  # fmt: skip
        return isinstance(value, collections.abc.Iterable) and not (
            isinstance(value, str | bytes) and inner not in ([str], [int])
        ) and (
            len(inner) != 1 or not isinstance(value, list | tuple | set | frozenset)
            or all(fits(one, inner[0]) for one in value)
        )  # fmt: skip
    return isinstance(value, origin)


def _words(hint: Any) -> str:
    """An annotation as somebody would say it."""
    if _is_union(hint):
        return " or ".join(_words(one) for one in typing.get_args(hint))
    if _is_choice(hint):
        return f"a {hint.__name__} ({', '.join(one.name for one in hint)})"
    if hint is None:
        return "None"
    return _WORDS.get(hint) or getattr(hint, "__name__", None) or str(hint)
