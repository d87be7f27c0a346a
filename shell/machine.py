# SPDX-License-Identifier: MIT
"""machine: the one place where a QEMU command line is built, and the process behind it.

TCG everywhere: a host that offers KVM in software runs this image a thousand times slower.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shell.wire import FdWire, ImageError

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "build" / "raygate.elf"
ISO = ROOT / "build" / "raygate.iso"
MACHINES = ("microvm", "q35", "q35-qboot", "iso-bios", "iso-uefi")
EXIT_CLEAN = 33                            # isa-debug-exit: (0x10 << 1) | 1
UEFI = ("/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd", "/usr/share/edk2/x64/OVMF.4m.fd")
UEFI_CODE = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd")


@dataclass(frozen=True)
class Boot:
    """What to start and what to hand over. Paths of things that are not wanted are None.

    `config` is a compiled blob, `module` the same as a boot module; `seed` is 16 bytes that make
    a run repeat, `entropy` 48 fresh ones for a run that must not; `wall_ns` is Unix time.
    `icount` makes instructions the clock: runs are equal to the byte.
    """

    machine: str = "microvm"
    image: Path = IMAGE
    iso: Path = ISO
    config: bytes | None = None
    name: str | None = None                # of the configuration, for the banner
    module: bytes | None = None
    script: str | None = None
    seed: bytes | None = None
    entropy: bytes | None = None
    wall_ns: int | None = None
    memory_mib: int = 0                    # 0: 48 for -kernel, more where firmware needs it
    icount: bool = False
    reboots: bool = False                  # False: a reset ends QEMU, so a crash loop cannot hide
    link: str = "ctl"                      # "ctl", "com2" or "none"
    command_line: str = ""
    debug_exit: bool = True
    extra: tuple[str, ...] = ()


def firmware() -> list[str]:
    """QEMU options for UEFI; ImageError when no OVMF is installed."""
    for path in UEFI:
        if Path(path).exists():
            return ["-bios", path]
    for path in UEFI_CODE:
        if Path(path).exists():
            return ["-drive", f"if=pflash,format=raw,readonly=on,file={path}"]
    raise ImageError("no UEFI firmware here (apt-get install ovmf)")


def _machine_options(boot: Boot) -> tuple[list[str], int]:
    kernel = ["-kernel", str(boot.image)]
    if boot.command_line:
        kernel += ["-append", boot.command_line]
    cdrom = ["-M", "q35", "-cdrom", str(boot.iso)]
    if boot.machine == "microvm":
        modern = ["-global", "virtio-mmio.force-legacy=false"]
        return ["-M", "microvm", "-bios", "qboot.rom", *modern, *kernel], 48
    if boot.machine == "q35":
        return ["-M", "q35", *kernel], 48
    if boot.machine == "q35-qboot":
        return ["-M", "q35", "-bios", "qboot.rom", *kernel], 48
    if boot.machine == "iso-bios":
        return cdrom, 64
    if boot.machine == "iso-uefi":
        return [*cdrom, *firmware()], 256
    raise ValueError(f"no machine {boot.machine!r}: choose from {', '.join(MACHINES)}")


def _items(boot: Boot, folder: Path) -> list[str]:
    """fw_cfg items and the boot module, through files, because values may hold any byte."""
    options: list[str] = []
    given = {"config": boot.config, "seed": boot.seed,
             "entropy": boot.entropy,
             "name": None if boot.name is None else boot.name.encode()[:47],
             "script": None if boot.script is None else boot.script.encode(),
             "wall": None if boot.wall_ns is None else str(boot.wall_ns).encode()}
    for name, value in given.items():
        if value is not None:
            path = folder / name
            path.write_bytes(value)
            options += ["-fw_cfg", f"name=opt/raygate/{name},file={str(path).replace(',', ',,')}"]
    if boot.module is not None:
        (folder / "module").write_bytes(boot.module)
        options += ["-initrd", str(folder / "module")]
    return options


def command(boot: Boot, folder: Path, link_fd: int, monitor_fd: int) -> list[str]:
    """The whole command line. Serial is standard input and output; link and monitor are sockets."""
    machine, memory = _machine_options(boot)
    line = ["qemu-system-x86_64", "-accel", "tcg", *machine, "-m", str(boot.memory_mib or memory),
            "-nodefaults", "-no-user-config", "-display", "none",
            "-name", "raygate,debug-threads=on", "-serial", "stdio", *_items(boot, folder),
            "-chardev", f"socket,id=qmp,fd={monitor_fd}", "-mon", "chardev=qmp,mode=control"]
    if boot.link != "none":
        line += ["-chardev", f"socket,id=ctl,fd={link_fd}"]
    if boot.link == "com2":
        line += ["-serial", "chardev:ctl"]
    elif boot.link == "ctl":
        kind = "device" if boot.machine == "microvm" else "pci"
        # In step with the guest, not by the main loop: runs under icount repeat to the byte.
        kind += ",ioeventfd=off" if kind == "pci" else ""
        line += ["-device", f"virtio-serial-{kind}",
                 "-device", "virtserialport,chardev=ctl,name=ctl"]
    if boot.debug_exit:
        line += ["-device", "isa-debug-exit"]
    if boot.icount:
        line += ["-icount", "shift=0,sleep=off"]
    if not boot.reboots:
        line += ["-no-reboot"]
    return [*line, *boot.extra]


class Monitor:
    """QEMU's QMP monitor: one request, one answer."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._line.settimeout(5)
        self._text = line.makefile("rw", encoding="utf-8", newline="\n")
        self._begun = False

    def execute(self, name: str, **arguments: Any) -> Any:
        """Runs a QMP command; ImageError when QEMU refuses it or is gone."""
        try:
            if not self._begun:
                self._text.readline()
                self._begun = True
                self.execute("qmp_capabilities")
            self._text.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            self._text.flush()
            while True:
                answer = json.loads(self._text.readline() or "null")
                if answer is None:
                    raise ImageError(f"the monitor hung up at {name}")
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise ImageError(f"{name}: {answer['error']['desc']}")
        except OSError as error:
            raise ImageError(f"the monitor did not answer {name}: {error}") from error

    def close(self) -> None:
        """Closes the monitor's line."""
        with contextlib.suppress(OSError):
            self._text.close()
        self._line.close()


class Machine:
    """A running QEMU with its three lines: `serial`, `link` (None without one) and `monitor`."""

    def __init__(self, boot: Boot) -> None:
        if shutil.which("qemu-system-x86_64") is None:
            raise ImageError("qemu-system-x86_64 is not here (apt-get install qemu-system-x86)")
        source = boot.iso if boot.machine.startswith("iso") else boot.image
        if not source.exists():
            raise ImageError(f"{source} is not there: run `make image` (`make iso` for an ISO)")
        self.boot = boot
        self._folder = tempfile.TemporaryDirectory(prefix="raygate-")
        link, link_far = socket.socketpair()
        monitor, monitor_far = socket.socketpair()
        line = command(boot, Path(self._folder.name), link_far.fileno(), monitor_far.fileno())
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            pass_fds=(link_far.fileno(), monitor_far.fileno()))
        link_far.close()
        monitor_far.close()
        assert self.process.stdin is not None and self.process.stdout is not None
        ends = self.process.stdout, self.process.stdin
        self.serial = FdWire(*(os.dup(end.fileno()) for end in ends))
        self.process.stdin.close()
        self.process.stdout.close()
        self.link: FdWire | None = None
        if boot.link == "none":
            link.close()
        else:
            fd = link.detach()
            self.link = FdWire(fd, fd)
        self.monitor = Monitor(monitor)

    def wait(self, timeout_s: float) -> int | None:
        """QEMU's exit code, None when it still runs after `timeout_s`."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def complaint(self) -> str:
        """What QEMU itself wrote to its standard error, once it has ended."""
        if self.process.poll() is None or self.process.stderr is None or self.process.stderr.closed:
            return ""
        return self.process.stderr.read().decode(errors="replace").strip()

    def close(self) -> None:
        """Ends QEMU, by its process id, if it still runs; removes what was handed over."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.monitor.close()
        self.serial.close()
        if self.link is not None:
            self.link.close()
        self._folder.cleanup()
