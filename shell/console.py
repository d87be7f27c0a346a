# SPDX-License-Identifier: MIT
"""console: a raygate machine's serial console, from Python and from a terminal.

    python -m shell.console [--config FILE] [--log FILE] [--machine microvm|q35|iso-bios|iso-uefi]
    python -m shell.console --attach /dev/ttyUSB0

At a terminal it is the console itself (Ctrl-] leaves); with piped input it runs line by line. The
exit code is 0 only when the machine said it ended cleanly and QEMU's code says so too, else 3.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import click

from host_sim.errors import RaygateError, check
from shell import terminal
from shell.link import Link
from shell.machine import EXIT_CLEAN, MACHINES, Boot, Machine
from shell.wire import DROP, PROMPT, ImageError, SerialWire, Wire

BANNER_END = b"\ntry: "
MARKER = b"raygate: clean exit"
RAW, LINE = b"\x01", b"\x02"
RAW_READY = b"raw; Ctrl-B to exit\r\n>"
OK, END_OF_TEXT, END = b"OK\x02", b"\x03", b"\x04>"
TAIL = 2000


class Exit(NamedTuple):
    """How a machine ended: whether it said goodbye, and QEMU's exit code (None: it still runs)."""

    marker: bool
    code: int | None

    @property
    def clean(self) -> bool:
        """Marker and code agree; neither alone is believed."""
        return self.marker and self.code == EXIT_CLEAN


class Answer(NamedTuple):
    """A command's status (0 or negative, ray/status.h) and its text."""

    status: int
    text: str


def compiled(config: str | os.PathLike[str] | bytes) -> bytes:
    """A configuration as the machine wants it: a TOML file compiled, else the bytes."""
    if isinstance(config, bytes):
        return config
    blob = Path(config).read_bytes()
    if blob.startswith(b"RAYG"):
        return blob
    from host_sim.config import load

    return load(config).blob


class Console:
    """A console on a wire: commands in, text out. Use `boot` or `attach` to get one."""

    def __init__(self, wire: Wire, machine: Machine | None = None) -> None:
        self.wire = wire
        self.machine = machine
        self.transcript = bytearray()
        self._raw = False
        self._link: Link | None = None
        self._seen = 0                     # transcript up to here is answered

    @classmethod
    def boot(cls, boot: Boot | None = None, *, config: str | os.PathLike[str] | bytes | None = None,
             timeout_s: float = 30.0, **options: Any) -> Console:
        """Starts QEMU and waits for the prompt, or for the end where a script powers off.

        `config` is a TOML file or a blob; `options` are the fields of `Boot`.
        """
        if config is not None:
            options["config"] = compiled(config)
            if not isinstance(config, bytes):
                options.setdefault("name", Path(config).stem)
        machine = Machine(boot if boot is not None and not options else Boot(**options))
        console = cls(machine.serial, machine)
        try:
            if machine.boot.script is not None:     # its lines show prompts too: the banner is last
                console.wait_for(BANNER_END, timeout_s, or_end=True)
            if not console.wire.closed:
                console.wait_for(PROMPT, timeout_s, or_end=machine.boot.script is not None)
        except BaseException:
            console.close()
            raise
        return console

    @classmethod
    def attach(cls, url: str, *, baud: int = 115200, timeout_s: float = 5.0) -> Console:
        """A console on a serial line that is up already, found in whatever mode it is in."""
        console = cls(SerialWire(url, baud=baud))
        try:
            console.wire.write(DROP + LINE + DROP)
            console.wait_for(PROMPT, timeout_s)
        except BaseException:
            console.close()
            raise
        return console

    # -- bytes --

    @property
    def answered(self) -> int:
        """How much of the transcript has been taken by an answer."""
        return self._seen

    def receive(self, timeout_s: float) -> bytes:
        """What arrived, which is appended to the transcript too."""
        data = self.wire.read(timeout_s)
        self.transcript += data
        return data

    def wait_for(self, what: bytes, timeout_s: float, *, or_end: bool = False) -> bytes:
        """Everything since the last answer up to and including `what`.

        Silence for `timeout_s` in all makes the machine dump its registers and raises ImageError;
        so does its end, unless `or_end`.
        """
        until = time.monotonic() + timeout_s
        looked = self._seen
        while True:
            at = self.transcript.find(what, looked)
            if at >= 0:
                got = bytes(self.transcript[self._seen:at + len(what)])
                self._seen = at + len(what)
                return got
            looked = max(self._seen, len(self.transcript) - len(what) + 1)
            left = until - time.monotonic()
            if self.wire.closed:
                if or_end:
                    return bytes(self.transcript[self._seen:])
                raise ImageError(f"the machine ended before {what!r}", self.tail())
            if left <= 0:
                self.dump()
                raise ImageError(f"no {what!r} within {timeout_s:g} s", self.tail())
            self.receive(min(left, 1.0))

    def tail(self) -> str:
        """The end of the transcript, as text, and what QEMU itself complained about."""
        text = bytes(self.transcript[-TAIL:]).replace(b"\r", b"").decode("ascii", "replace")
        return text + (self.machine.complaint() if self.machine is not None else "")

    def dump(self) -> None:
        """Asks a machine that hangs for its registers: NMI, a second to print, no more."""
        if self.machine is None or self.machine.process.poll() is not None:
            return
        with contextlib.suppress(ImageError):
            self.machine.monitor.execute("inject-nmi")
        until = time.monotonic() + 1.0
        while time.monotonic() < until and not self.wire.closed:
            self.receive(0.1)

    # -- commands --

    def _enter_raw(self, timeout_s: float) -> None:
        if not self._raw:
            self.wire.write(DROP + RAW)
            self.wait_for(RAW_READY, timeout_s)
            self._raw = True

    def leave_raw(self, timeout_s: float = 5.0) -> None:
        """Back to the console a person sees."""
        if self._raw:
            self.wire.write(LINE)
            self.wait_for(PROMPT, timeout_s)
            self._raw = False

    def execute(self, line: str, *, timeout_s: float = 60.0) -> Answer:
        """Runs one line in raw mode: exactly the text the command wrote, and its status."""
        if "\n" in line or "\r" in line or any(ord(c) < 32 or ord(c) > 255 for c in line):
            raise ValueError("a command is one line of printable characters")
        self._enter_raw(timeout_s)
        self.wire.write(line.encode("latin-1") + b"\r")
        self.wait_for(OK, timeout_s)
        text = self.wait_for(END_OF_TEXT, timeout_s)[:-1]
        status = self.wait_for(END, timeout_s)[:-len(END)]
        return Answer(-int(status), text.replace(b"\r", b"").decode("ascii"))

    def run(self, line: str, *, timeout_s: float = 60.0) -> str:
        """As `execute`, but a failed command raises its status class with the text."""
        answer = self.execute(line, timeout_s=timeout_s)
        check(answer.status, answer.text.strip())
        return answer.text

    def json(self, line: str, *, timeout_s: float = 60.0) -> Any:
        """Runs a reading command with --json and returns what it says, parsed."""
        return json.loads(self.run(f"{line} --json", timeout_s=timeout_s))

    def soft_reset(self, timeout_s: float = 10.0) -> str:
        """Ctrl-D in raw mode: the core starts anew with its seed and start configuration."""
        self._enter_raw(timeout_s)
        self.wire.write(b"\x04")
        self.wait_for(OK, timeout_s)
        text = self.wait_for(END_OF_TEXT, timeout_s)[:-1].decode("ascii")
        status = self.wait_for(END, timeout_s)[:-len(END)]
        check(-int(status), text.strip())
        return text

    # -- the machine link --

    @property
    def link(self) -> Link:
        """The machine link: its own line where the machine has one, else this one, lent."""
        if self._link is None:
            if self.machine is not None and self.machine.link is not None:
                self._link = Link(self.machine.link)
            else:
                self._enter_raw(5.0)
                self.wire.write(b"link\r")
                self.wait_for(END, 5.0)
                self._link = Link(self.wire)
        return self._link

    def leave_link(self) -> None:
        """Ends a session on a lent line, which is in raw mode then; otherwise does nothing."""
        if self._link is not None and self._link.wire is self.wire:
            self._link.leave()
            self._raw = True
            self._seen = len(self.transcript)
            self._link = None

    # -- the end --

    def reboot(self, timeout_s: float = 30.0) -> str:
        """Drains the core, restarts the machine, waits for its prompt; what it said meanwhile."""
        self._enter_raw(timeout_s)
        self.wire.write(b"reboot\r")
        self._raw, self._link = False, None
        return self.wait_for(PROMPT, timeout_s).replace(b"\r", b"").decode("ascii", "replace")

    def ended(self, timeout_s: float = 10.0) -> Exit:
        """Reads to the end of the machine's output and says how it ended."""
        until = time.monotonic() + timeout_s
        while not self.wire.closed and time.monotonic() < until:
            if self.machine is None and MARKER in self.transcript[-TAIL:]:
                break                      # a serial line stays open; nothing comes after this
            self.receive(0.2)
        self._raw = False
        left = max(until - time.monotonic(), 0.5)
        code = None if self.machine is None else self.machine.wait(left)
        return Exit(MARKER in self.transcript[-TAIL:], code)

    def poweroff(self, timeout_s: float = 10.0) -> Exit:
        """Drains the core, ends the machine and says how it ended."""
        self.leave_link()
        self._enter_raw(timeout_s)
        self.wire.write(b"poweroff\r")
        return self.ended(timeout_s)

    def close(self) -> None:
        """Gives back the line; ends a machine that was booted here and still runs."""
        if self.machine is not None:
            self.machine.close()
        else:
            self.wire.close()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


# -- the program --


def _replay_log(console: Console, log: str, config: str | None) -> None:
    """Runs an access log through the image before the prompt is given to the person."""
    from host_sim.replay import image_replay

    print(image_replay(console.link, log, config), flush=True)
    console.leave_link()


@click.command()
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="TOML file or blob.")
@click.option("--log", type=click.Path(exists=True, dir_okay=False), help="Replayed first.")
@click.option("--script", type=click.Path(exists=True, dir_okay=False), help="Run first.")
@click.option("--machine", type=click.Choice(MACHINES), default="microvm", show_default=True)
@click.option("--memory", type=int, default=0, help="MiB; 0: what the machine needs.")
@click.option("--icount", is_flag=True, help="Instructions are the clock: runs repeat exactly.")
@click.option("--attach", help="A serial line instead: a device or a pyserial URL.")
def main(config: str | None, log: str | None, script: str | None, machine: str, memory: int,
         icount: bool, attach: str | None) -> None:
    """The console of a raygate machine. Ctrl-] leaves; `poweroff` ends it."""
    code = 3
    try:
        with _opened(config, script, machine, memory, icount, attach) as console:
            if log is not None:
                _replay_log(console, log, config)
            if sys.stdin.isatty() and sys.stdout.isatty():
                terminal.interact(console)
            else:
                terminal.feed_lines(console, sys.stdin)
            code = terminal.report(console)
    except ImageError as error:
        print(f"raygate: {error}", file=sys.stderr)
    except RaygateError as error:
        print(error, file=sys.stderr)
        code = 2
    sys.exit(code)


def _opened(config: str | None, script: str | None, machine: str, memory: int, icount: bool,
            attach: str | None) -> Console:
    if attach is not None:
        return Console.attach(attach)
    text = None if script is None else Path(script).read_text()
    # A machine that is played with gets entropy from its host; a scripted one must repeat itself.
    again = icount or script is not None
    return Console.boot(config=config, script=text, machine=machine, memory_mib=memory,
                        icount=icount, reboots=True, seed=bytes(16) if again else None,
                        entropy=None if again else os.urandom(48))


if __name__ == "__main__":
    main()
