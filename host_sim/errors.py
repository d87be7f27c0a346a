# SPDX-License-Identifier: MIT
"""One exception class per status of the core, and the one funnel that raises them."""

from __future__ import annotations

LINE = 500  # characters of one line of a message
SHOWN = 60  # characters of a value in it


def _cut(text: str) -> str:
    """`text` with no line longer than anybody reads: a value from outside may be a megabyte."""
    return "\n".join(
        line if len(line) <= LINE else f"{line[:LINE]}... ({len(line)} characters)"
        for line in text.split("\n")
    )


class RaygateError(Exception):
    """A call asked for something impossible; nothing was changed.

    `status` is the core's number (ray/status.h), `what` says what was asked and what to do.
    """

    status = -1

    def __init__(self, what: str = "") -> None:
        self.what = _cut(what)
        super().__init__(self.what or (self.__doc__ or "").strip())


class ArgumentError(RaygateError):
    """A value no rule allows."""

    status = -1


class UnknownError(RaygateError):
    """No such row, name or key."""

    status = -2


class StaleError(RaygateError):
    """The handle's row was removed since it was given out."""

    status = -3


class FullError(RaygateError):
    """A configured table is full."""

    status = -4


class ExistsError(RaygateError):
    """The name or id is taken."""

    status = -5


class UsedError(RaygateError):
    """Still referenced: remove the users first or ask for the cascade."""

    status = -6


class RangeError(RaygateError):
    """A number outside its documented range."""

    status = -7


class RateError(RaygateError):
    """A rate that cannot be held exactly."""

    status = -8


class StateError(RaygateError):
    """The right call at the wrong moment."""

    status = -9


class TruncatedError(RaygateError):
    """Bytes end before they should, or a buffer is too small."""

    status = -10


class ChecksumError(RaygateError):
    """Bytes that were changed on the way."""

    status = -11


class VersionError(RaygateError):
    """Made for another version or profile."""

    status = -12


class RaygateSyntaxError(RaygateError):
    """Text or bytes that do not parse."""

    status = -13


class BusyError(RaygateError):
    """A second entry while a batch runs."""

    status = -14


class UnbuiltError(RaygateError):
    """Belongs to a module this version does not have."""

    status = -15


def shown(value: object) -> str:
    """A value as a message shows it: its repr, cut where it would drown the sentence."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


BY_STATUS: dict[int, type[RaygateError]] = {
    kind.status: kind for kind in RaygateError.__subclasses__()
}


def check(status: int, what: str = "") -> None:
    """Raises the class of `status` when it is negative; `what` says what was asked."""
    if status < 0:
        raise BY_STATUS.get(int(status), RaygateError)(what)
