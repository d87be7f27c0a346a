# SPDX-License-Identifier: MIT
"""The shell in this process: one state, one machine, one console and one link, all through cffi."""

from __future__ import annotations

import functools
import json
import pathlib
import struct
from typing import Any, NamedTuple

from host_sim import _raw

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT_BYTES = 262144
FRAME = struct.Struct("<2sBBII")


class Said(NamedTuple):
    """What one line came to."""

    status: int
    text: str
    action: int
    argument: int


class Frame(NamedTuple):
    """One frame of the machine link, checked."""

    type: int
    seq: int
    payload: bytes


@functools.cache
def rayos_blob() -> bytes:
    """The default configuration, compiled."""
    from host_sim.config import load

    return load(ROOT / "examples/rayos.toml").blob


class Rig:
    """A port of the shell without any hardware: time is `raw_ns`, output is returned."""

    def __init__(self, profile: str = "seed", *, config: bytes | None = None,
                 scripts: dict[str, bytes] | None = None, seed: bytes = bytes(16),
                 out_bytes: int = OUT_BYTES) -> None:
        self.ffi, self.lib, _ = _raw.load(profile)
        self.keep: list[Any] = []
        self.raw_ns = 0
        self.ray = self.ffi.cast("struct ray *", self.aligned(self.lib.ray_bytes()))
        self.secrets = self.ffi.cast(
            "struct ray_secrets *", self.aligned(self.lib.ray_secrets_bytes()))
        self.machine = self.ffi.new("ray_machine *")
        self.machine.secrets = self.secrets
        self.machine.name = self.word(b"test")
        self.machine.clock = self.word(b"none")
        self.machine.config_name = self.word(b"rayos")
        self.machine.config_source = self.word(b"a test")
        self.ffi.memmove(self.machine.seed, seed, 16)
        self.out_bytes = out_bytes
        self.buffer = self.ffi.new("char[]", out_bytes + 64)
        self.lib.ray_init(self.ray, seed)
        if config is not None:
            self.load(config)
        self.carry(scripts or {})
        self.keys = self.ffi.new("ray_console *")
        self.link = self.ffi.cast("ray_link *", self.aligned(self.lib.ray_link_state_bytes()))
        self.lib.ray_link_init(self.link)

    # -- memory --
    def aligned(self, size: int) -> Any:
        memory = self.ffi.new("uint8_t[]", size + 64)
        self.keep.append(memory)
        return memory + (-int(self.ffi.cast("uintptr_t", memory)) % 64)

    def word(self, text: bytes) -> Any:
        memory = self.ffi.new("char[]", text)
        self.keep.append(memory)
        return memory

    def load(self, blob: bytes) -> None:
        at = self.aligned(len(blob))
        self.ffi.memmove(at, blob, len(blob))
        self.machine.start_config, self.machine.start_config_length = at, len(blob)
        self.machine.frozen_config, self.machine.frozen_config_length = at, len(blob)
        report = self.ffi.new("ray_config_report *")
        assert self.lib.ray_config_load(self.ray, self.secrets, 0, at, len(blob), report) == 0

    def carry(self, scripts: dict[str, bytes]) -> None:
        self.scripts = self.ffi.new("ray_script[]", max(1, len(scripts)))
        for place, (name, text) in enumerate(scripts.items()):
            self.scripts[place].name = self.word(name.encode())
            self.scripts[place].text, self.scripts[place].length = self.word(text), len(text)
        self.machine.scripts, self.machine.script_count = self.scripts, len(scripts)

    # -- text --
    def text(self) -> Any:
        out = self.ffi.new("ray_text *")
        self.ffi.memmove(self.buffer + self.out_bytes, b"\xa5" * 64, 64)
        self.lib.ray_text_init(out, self.buffer, self.out_bytes)
        return out

    def said(self, out: Any) -> bytes:
        assert bytes(self.ffi.buffer(self.buffer + self.out_bytes, 64)) == b"\xa5" * 64
        return bytes(self.ffi.buffer(out.at, out.length))

    # -- the three layers --
    def run(self, line: str | bytes, who: int = 1) -> Said:
        raw = line if isinstance(line, bytes) else line.encode("latin-1")
        out = self.text()
        result = self.lib.ray_shell_run(self.ray, self.machine, self.raw_ns, who, raw, len(raw),
                                        out)
        assert out.capacity == self.out_bytes
        text = self.said(out).decode("latin-1")
        return Said(result.status, text, result.action, result.argument)

    def ok(self, line: str | bytes) -> str:
        """The text of a line that must not fail."""
        said = self.run(line)
        assert said.status == 0, said
        return said.text

    def json(self, line: str) -> Any:
        return json.loads(self.ok(f"{line} --json"))

    def start(self) -> bytes:
        out = self.text()
        self.lib.ray_console_start(self.keys, self.ray, self.machine, self.raw_ns, out)
        return self.said(out)

    def type(self, keys: bytes, chunk: int | None = None) -> bytes:
        """Everything the console sends while `keys` are fed; `self.results` are the commands'."""
        sent, at = b"", 0
        self.results: list[Said] = []
        result = self.ffi.new("ray_shell_result *")
        while at < len(keys):
            part = keys[at:] if chunk is None else keys[at:at + chunk]
            out = self.text()
            used = self.lib.ray_console_feed(self.keys, self.ray, self.machine, self.raw_ns, part,
                                             len(part), out, result)
            assert 1 <= used <= len(part)
            at += used
            sent += self.said(out)
            self.results.append(Said(result.status, "", result.action, result.argument))
        return sent

    def line(self) -> tuple[bytes, int]:
        """The line being typed, and where the cursor stands in it."""
        return bytes(self.ffi.buffer(self.keys.line))[:self.keys.length], self.keys.cursor

    def script(self, text: bytes) -> tuple[str, list[int]]:
        """The transcript of a script and the status of every step."""
        script = self.ffi.new("ray_script *")
        script.text, script.length = self.word(text), len(text)
        at, sent, statuses = 0, b"", []
        result = self.ffi.new("ray_shell_result *")
        while at < script.length:
            out = self.text()
            at = self.lib.ray_script_step(self.ray, self.machine, self.raw_ns, script, at, out,
                                          result)
            sent += self.said(out)
            statuses.append(result.status)
        return sent.decode("ascii"), statuses

    def feed(self, data: bytes, chunk: int | None = None) -> list[Frame]:
        """Every frame the link answers while `data` is fed."""
        frames, at = [], 0
        reply, length = self.ffi.new("const uint8_t **"), self.ffi.new("uint64_t *")
        self.result = self.ffi.new("ray_shell_result *")
        while at < len(data):
            part = data[at:] if chunk is None else data[at:at + chunk]
            used = self.lib.ray_link_feed(self.link, self.ray, self.machine, self.raw_ns, part,
                                          len(part), reply, length, self.result)
            assert 1 <= used <= len(part)
            at += used
            if length[0]:
                frames.append(self.parse(bytes(self.ffi.buffer(reply[0], length[0]))))
        return frames

    def ask(self, type: int, payload: bytes = b"", seq: int = 1) -> Frame:
        """One request, one reply."""
        (frame,) = self.feed(self.frame(type, payload, seq))
        return frame

    def frame(self, type: int, payload: bytes = b"", seq: int = 1) -> bytes:
        head = FRAME.pack(b"RG", 1, type, seq, len(payload)) + payload
        return head + struct.pack("<I", self.lib.ray_checksum(0, head, len(head)))

    def parse(self, data: bytes) -> Frame:
        magic, version, type, seq, length = FRAME.unpack_from(data)
        assert (magic, version, len(data)) == (b"RG", 1, FRAME.size + length + 4)
        crc = self.lib.ray_checksum(0, data, len(data) - 4)
        assert struct.unpack("<I", data[-4:])[0] == crc
        return Frame(type, seq, data[FRAME.size:-4])

    # -- the state --
    def state(self) -> bytes:
        return bytes(self.ffi.buffer(self.ffi.cast("uint8_t *", self.ray), self.lib.ray_bytes()))

    def digests(self) -> tuple[str, str, str]:
        digests = self.ffi.new("ray_digests *")
        self.lib.ray_digest(self.ray, digests)
        parts = (digests.decision, digests.state, digests.book)
        return tuple(bytes(part).hex() for part in parts)  # type: ignore[return-value]

    def stats(self) -> Any:
        stats = self.ffi.new("ray_stats *")
        self.lib.ray_read(self.ray, stats)
        return stats

    def valid(self) -> bool:
        return self.lib.ray_valid(self.ray) == 0
