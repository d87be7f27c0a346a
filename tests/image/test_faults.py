# SPDX-License-Identifier: MIT
"""Protections hold: each fault ends in a readable dump and a code that cannot be mistaken."""

from __future__ import annotations

import re

import pytest

from tests.image import vm

pytestmark = pytest.mark.qemu
FAULTS = [  # command, what the first line says, exit code
    ("page", r"fault 14 #PF page fault, error 0x0002, .*address 0x0000000000000000", vm.FAULT),
    ("write-text", r"fault 14 #PF page fault, error 0x0003", vm.FAULT),
    ("run-data", r"fault 14 #PF page fault, error 0x0011", vm.FAULT),
    ("undefined", r"fault 6 #UD undefined instruction", vm.FAULT),
    ("stack", r"fault 14 #PF page fault, error 0x0002", vm.FAULT),
    ("divide", r"fault 0 #DE divide error", vm.FAULT),
    ("smash", r"panic: a stack frame was overwritten", vm.PANIC),
    ("panic", r"panic: asked for by the fault command", vm.PANIC),
]


def raised(name, **options):
    """What a machine says after `fault name`, and how it ends."""
    with vm.boot(**options) as console:
        console.wire.write(f"fault {name}\r".encode())
        return vm.end(console)


def backtrace(said):
    """The functions of a dump's backtrace."""
    line = re.search(r"^backtrace(.*)$", said, re.M)
    assert line, said
    return [vm.function_at(int(word, 16)) for word in line[1].split()]


@pytest.mark.parametrize(("name", "first", "code"), FAULTS)
def test_fault_is_dumped_and_ends_with_its_code(name, first, code):
    said, ended = raised(name)
    assert re.search(first, said), said
    assert ended.code == code and not ended.clean
    assert "raygate: stopped by a" in said
    if code == vm.FAULT:
        assert len(re.findall(r"^r\w+ ?\s0x[0-9a-f]{16}", said, re.M)) >= 5
        assert re.search(r"^core epoch 1 seq \d+ now \d+ ns$", said, re.M)


def test_backtrace_leads_from_the_fault_to_the_main_loop():
    names = backtrace(raised("divide")[0])
    assert "start" in names and "entry" in names or names[-1] in ("entry", "entry64")


def test_stack_overflow_is_caught_by_the_guard_page():
    said, _ = raised("stack")
    address = int(re.search(r"address (0x[0-9a-f]+)", said)[1], 16)
    guard = vm.symbol("stack_guard_main")
    assert guard <= address < guard + 4096
    assert set(backtrace(said)) == {"deeper"}


@pytest.mark.parametrize("machine", ["microvm", "q35-qboot"])
def test_a_hang_is_dumped_on_nmi(machine):
    with vm.boot(machine=machine) as console:
        console.machine.monitor.execute("inject-nmi")
        said, ended = vm.end(console)
    assert "fault 2 NMI" in said and ended.code == vm.FAULT


def pages(machine):
    """(virtual address, writable, executable) of every mapping, from QEMU's own page walk."""
    with vm.boot(machine=machine) as console:
        listed = console.machine.monitor.execute(
            "human-monitor-command", **{"command-line": "info tlb"})
        assert console.poweroff().clean
    for line in listed.splitlines():
        at, _, flags = line.split()
        yield int(at.rstrip(":"), 16), flags[-1] == "W", flags[0] != "X"


@pytest.mark.parametrize("machine", ["microvm", "q35"])
def test_nothing_is_writable_and_executable(machine):
    mapped = list(pages(machine))
    assert len(mapped) > 2000
    assert not [hex(at) for at, writable, executable in mapped if writable and executable]
    code = [at for at, _, executable in mapped if executable]
    assert min(code) == 0x100000 and max(code) < vm.symbol("text_end")
    assert all(at not in {p for p, _, _ in mapped}
               for at in (0, vm.symbol("stack_guard_main"), vm.symbol("stack_guard_fault")))


@pytest.mark.parametrize("extra", [(), ("-cpu", "max")])
def test_canary_is_new_at_every_start(extra):
    """Without and with RDRAND; its lowest byte is zero, so that text cannot carry it."""
    seen = set()
    for _ in range(2):
        with vm.boot(extra=extra) as console:
            words = console.machine.monitor.execute("human-monitor-command", **{
                "command-line": f"xp /1gx {vm.symbol('canary_block') + 0x28}"})
            entropy = console.json("version --machine")["entropy"]
        seen.add(int(words.split(":")[1], 16))
        assert entropy is bool(extra)
    assert len(seen) == 2 and 0 not in seen
    assert all(canary & 0xFF == 0 for canary in seen)
