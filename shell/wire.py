# SPDX-License-Identifier: MIT
"""wire: a stream of bytes to and from a machine, over file descriptors or a pyserial port."""

from __future__ import annotations

import os
import select
import time
from typing import Any, Protocol

CHUNK = 65536
PROMPT = b"rayos> "
DROP = b"\x03"                             # Ctrl-C: forgets the line being typed


class ImageError(Exception):
    """The machine did not do what a working image does: silence, a dump, a wrong end.

    `transcript` is the end of what it said; the exit code of the command line is 3.
    """

    def __init__(self, what: str, transcript: str = "") -> None:
        self.transcript = transcript
        super().__init__(f"{what}\n{transcript}" if transcript else what)


class Wire(Protocol):
    """What a console or a link needs of its line."""

    @property
    def closed(self) -> bool:
        """True once the other side has gone."""

    def write(self, data: bytes) -> None:
        """Sends all of `data`; keeps receiving meanwhile, so that two full buffers cannot wedge."""

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, waiting at most `timeout_s` for the first byte."""

    def close(self) -> None:
        """Gives the line back."""


class FdWire:
    """A wire over two file descriptors, which may be the same one (a socket)."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._early = bytearray()
        self._closed = False
        os.set_blocking(writer, False)

    @property
    def closed(self) -> bool:
        """True once the other side has gone."""
        return self._closed and not self._early

    def write(self, data: bytes) -> None:
        """Sends all of `data`; ImageError when the other side is gone or takes nothing for 30 s."""
        rest, patience = memoryview(data), time.monotonic() + 30
        while rest:
            readers = [] if self._closed else [self._reader]
            can_read, can_write, _ = select.select(readers, [self._writer], [], 1.0)
            if can_read:
                self._early += self._receive()
            if can_write:
                try:
                    sent = os.write(self._writer, rest[:CHUNK])
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise ImageError(f"the machine hung up ({error.strerror})") from error
                rest, patience = rest[sent:], time.monotonic() + 30
            elif time.monotonic() > patience:
                raise ImageError("the machine takes no input any more")

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, waiting at most `timeout_s` for the first byte."""
        if self._early:
            data = bytes(self._early)
            self._early.clear()
            return data
        if self._closed or not select.select([self._reader], [], [], max(timeout_s, 0.0))[0]:
            return b""
        return self._receive()

    def _receive(self) -> bytes:
        try:
            data = os.read(self._reader, CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self._closed = not data
        return data

    def fileno(self) -> int:
        """For select."""
        return self._reader

    def close(self) -> None:
        """Closes both descriptors."""
        for fd in {self._reader, self._writer}:
            os.close(fd)
        self._closed = True


class SerialWire:
    """A wire over a pyserial port: `/dev/ttyUSB0`, `socket://host:port`, `rfc2217://host:port`."""

    def __init__(self, url: str, *, baud: int = 115200) -> None:
        import serial

        try:
            self._port: Any = serial.serial_for_url(url, baudrate=baud, timeout=0.05)
        except (serial.SerialException, ValueError) as error:
            raise ImageError(f"cannot open {url}: {error}") from error
        self._failures: tuple[type[Exception], ...] = (serial.SerialException, OSError)
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once the other side has gone."""
        return self._closed

    def write(self, data: bytes) -> None:
        """Sends all of `data`."""
        try:
            self._port.write(data)
            self._port.flush()
        except self._failures as error:
            self._closed = True
            raise ImageError(f"the line is gone: {error}") from error

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, waiting at most `timeout_s` for the first byte."""
        until = time.monotonic() + timeout_s
        while not self._closed:
            try:
                data: bytes = self._port.read(max(1, min(self._port.in_waiting, CHUNK)))
            except self._failures:
                self._closed = True
                break
            if data or time.monotonic() >= until:
                return data
        return b""

    def close(self) -> None:
        """Closes the port."""
        self._closed = True
        self._port.close()
