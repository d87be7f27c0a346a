# SPDX-License-Identifier: MIT
"""What the classes of all modules do alike: own or borrow a state, know the time, name rows.

A module's class subclasses Module and names its word, the prefix of its functions in the core:
`ray_<word>_bytes`, `_init`, `_of`, `_read` and `_valid` are called from here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from host_sim import _raw
from host_sim.arguments import Guarded
from host_sim.decision import NEVER
from host_sim.errors import ArgumentError, RangeError, check, shown

if TYPE_CHECKING:
    from host_sim.kernel import Kernel

TEXT_BYTES = 1 << 16
ALIGNMENT = 64
Row = TypeVar("Row")


class Module(Guarded):
    """One module of the core: alone with a state of its own, seeded by 16 bytes, or a Kernel's.

    Time is `now_ns`, nanoseconds that never run backwards: an earlier one counts as the latest
    seen, None is the latest seen. The wall clock is now + `wall_offset_ns`. Raises ArgumentError
    for a seed of another length, RangeError for an instant that does not fit 64 bits.
    """

    _word: ClassVar[str]

    def __init__(
        self,
        *,
        kernel: Kernel | None = None,
        profile: str = "seed",
        seed: bytes = bytes(16),
        now_ns: int = 0,
        wall_offset_ns: int = 0,
    ) -> None:
        if len(seed) != 16:
            raise ArgumentError(f"the hash seed has 16 bytes, not {len(seed)}")
        raw = _raw.load(kernel.profile if kernel is not None else profile)
        self.ffi, self.lib, self.profile, self.kernel = raw.ffi, raw.lib, raw.profile, kernel
        self._bytes = int(self._core("bytes")())
        self._now_ns = u64(now_ns, "now_ns")
        self._wall_offset_ns = wall_offset_ns
        self._names = 0
        if kernel is not None:
            self._state = self._core("of")(kernel.ray)
            return
        self._memory = self.ffi.from_buffer(bytearray(self._bytes + ALIGNMENT))
        skip = -int(self.ffi.cast("uintptr_t", self._memory)) % ALIGNMENT
        self._state = self.ffi.cast(f"ray_{self._word} *", self._memory + skip)
        self._init(seed)

    def _init(self, seed: bytes) -> None:
        """Makes the memory an empty state; a module that needs more said at first overrides it."""
        self._core("init")(self._state, seed)

    def _core(self, verb: str) -> Any:
        """The core's function `ray_<word>_<verb>`."""
        return getattr(self.lib, f"ray_{self._word}_{verb}")

    # -- time -----------------------------------------------------------------------------------
    def _at(self, now_ns: int | None) -> int:
        """The instant a reading call is about; changes nothing."""
        now = 0 if now_ns is None else u64(now_ns, "now_ns")
        latest = (
            self._now_ns if self.kernel is None else int(self.lib.ray_clock_now(self.kernel.ray))
        )
        return max(now, latest)

    def _pass(self, now_ns: int | None) -> int:
        """Lets time pass to the instant of a call that may change something. On a Kernel what is
        due by then happens; a module alone that has rows to expire says how in `_expire`."""
        now = self._at(now_ns)
        if self.kernel is not None:
            return self.kernel.tick(now)
        self._now_ns = now
        self._expire(now)
        return now

    def _expire(self, now: int) -> None:
        """Ends what of a module's own state is due by `now`."""

    @property
    def wall_offset_ns(self) -> int:
        """Wall clock minus `now_ns`, in nanoseconds; a Kernel's own when there is one."""
        if self.kernel is None:
            return self._wall_offset_ns
        stats = self.ffi.new("ray_stats *")
        self.lib.ray_read(self.kernel.ray, stats)
        return int(stats.wall_offset_ns)

    # -- the whole state ------------------------------------------------------------------------
    def snapshot(self) -> bytes:
        """Every byte of the module's state."""
        return bytes(self.ffi.buffer(self.ffi.cast("uint8_t *", self._state), self._bytes))

    def valid(self) -> int:
        """0 when every law of the state holds, else the number of one that does not (the module's
        header in ray/)."""
        return int(self._core("valid")(self._state))

    # -- names ----------------------------------------------------------------------------------
    def _find(self, find: Any, name: str, what: str) -> int:
        """The id that `find` of the core gives for a name. Raises UnknownError, saying `what`."""
        out, raw = self.ffi.new("uint32_t *"), name.encode("utf-8", "replace")
        check(find(self._state, raw, len(raw), out), f"{what} {name!r}")
        return int(out[0])

    def _next_name(self, find: Any, stem: str) -> str:
        """The next of stem-1, stem-2 ... that `find` of the core does not know."""
        out = self.ffi.new("uint32_t *")
        while True:
            self._names += 1
            name = f"{stem}-{self._names}".encode()
            if find(self._state, name, len(name), out) < 0:
                return name.decode()

    def _set_name(self, field: Any, text: str | bytes, what: str) -> None:
        """Copies a name into a ray_name, whole. Raises ArgumentError when it does not fit."""
        raw, most = text_bytes(text), self.lib.RAY_NAME_BYTES - 1
        if len(raw) > most:
            raise ArgumentError(f"{what} is at most {most} bytes, not {len(raw)}")
        self.ffi.memmove(field.at, raw, len(raw))

    def _text(self, name: Any) -> str:
        """A ray_name as text."""
        return str(self.ffi.string(name.at).decode(errors="replace"))

    # -- structs and texts ----------------------------------------------------------------------
    def _fill(self, struct: Any, fields: Mapping[str, Any]) -> None:
        """Sets fields of a struct. Raises RangeError, with the field's name, for what C cannot
        hold."""
        for field, value in fields.items():
            try:
                setattr(struct, field, value)
            except (OverflowError, TypeError) as error:
                raise RangeError(f"{field}: {error}") from error

    def _counters(self, kind: type[Row]) -> Row:
        """`ray_<word>_read` as the dataclass that has its fields."""
        out = self.ffi.new(f"ray_{self._word}_stats *")
        self._core("read")(self._state, out)
        return row_of(kind, out)

    def _written(self, write: Callable[[Any], Any], what: str) -> str:
        """What `write` puts into a ray_text, whole: it is asked again with more room until all of
        it fits."""
        size = TEXT_BYTES
        while True:
            text, memory = self.ffi.new("ray_text *"), self.ffi.new("char[]", size)
            self.lib.ray_text_init(text, memory, size)
            status = write(text)
            if not text.truncated:
                check(status or 0, what)
                return bytes(self.ffi.buffer(memory, text.length)).decode()
            size *= 4

    # -- audit ----------------------------------------------------------------------------------
    def _edited(self, what: str, kind: str, id: int, before: int, after: int) -> None:
        """Tells a Kernel's audit of a control call: RAY_AUDIT_<what> of the RAY_BY_<kind> `id`."""
        if self.kernel is None:
            return
        record = self.ffi.new("ray_audit_record *")
        record.seq, record.before, record.after, record.by_id = NEVER, before, after, id
        record.what, record.who = getattr(self.lib, f"RAY_AUDIT_{what}"), self.lib.RAY_WHO_HOST
        record.by_kind = getattr(self.lib, f"RAY_BY_{kind}")
        self.lib.ray_edited(self.kernel.ray, self._at(None), record)


def u64(value: int, what: str) -> int:
    """`value`, when it is a whole number that fits 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentError(f"{what} is a whole number, not {shown(value)}")
    if not 0 <= value < 1 << 64:
        raise RangeError(f"{what} is at least 0 and fits 64 bits, not {shown(value)}")
    return value


def text_bytes(text: str | bytes) -> bytes:
    """The bytes of a name, a user or a client."""
    if isinstance(text, str):
        return text.encode()
    if not isinstance(text, bytes | bytearray | memoryview):
        raise ArgumentError(f"a name is text or bytes, not {shown(text)}")
    return bytes(text)


def row_of(kind: type[Row], out: Any) -> Row:
    """A dataclass of whole numbers from the struct that has its fields."""
    assert dataclasses.is_dataclass(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: int(getattr(out, name)) for name in names})
