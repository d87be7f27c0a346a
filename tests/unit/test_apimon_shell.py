# SPDX-License-Identifier: MIT
"""apimon at the console: every word of the command, in text and in JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host_sim.kernel import Kernel
from host_sim.modules.apimon import ApiMonitor


@pytest.fixture
def kernel() -> Kernel:
    """A kernel that saw two requests, one of them failed."""
    kernel = Kernel(profile="tiny")
    assert kernel.shell("gateway add-service api --at 10.0.0.1:80").status == 0, "a service to name"
    monitor = ApiMonitor(kernel=kernel)
    for status in (200, 500):
        monitor.record_request(0)
        monitor.record_response(0, http_status=status, latency_ns=2_000)
    return kernel


def told(kernel: Kernel, line: str) -> Any:
    answer = kernel.shell(f"{line} --json")
    assert answer.status == 0, answer
    return json.loads(answer.text)


def test_reading_commands_change_nothing_and_agree(kernel: Kernel) -> None:
    before = kernel.digest()
    status = told(kernel, "apimon status")
    assert (status["requests"], status["errored"], status["inflight"]) == (2, 1, 0)
    assert status["requests"] - status["finished"] - status["errored"] == status["inflight"]
    rows = told(kernel, "apimon list")["services"]
    assert [row["requests"] for row in rows] == [2, 0, 2]
    shown = told(kernel, "apimon show")
    assert (shown["server"], shown["p99_ns"], shown["max_ns"]) == (1, 2_000, 2_000)
    assert told(kernel, "apimon edges")["edges"][0]["errors"] == 1
    for word in ("status", "list", "show", "edges", "export"):
        assert kernel.shell(f"apimon {word}").status == 0
    assert kernel.digest() == before


def test_test_says_what_a_response_counts_as(kernel: Kernel) -> None:
    assert told(kernel, "apimon test 503")["type"] == "server"
    assert told(kernel, "apimon test 503 401")["type"] == "governed"
    assert kernel.shell("apimon test 200").text == "counts as       none\n"
    for line in ("apimon test 99", "apimon test x", "apimon test 200 70000"):
        assert kernel.shell(line).status < 0
    assert "breaker-open" in kernel.shell("apimon test 503 breaker").text


def test_every_reason_has_a_word_of_its_own_that_says_it_too(kernel: Kernel) -> None:
    ffi, lib, found = kernel.ffi, kernel.lib, ffi_reasons(kernel)
    words = {code: ffi.string(lib.ray_reason_word(code)).decode() for code in found}
    assert len(set(words.values())) == len(words) > 80 and "?" not in words.values()
    out = ffi.new("uint32_t *")
    for code, word in words.items():
        assert lib.ray_reason_find(word.encode(), len(word), out) == 0 and out[0] == code
        name = found[code].removeprefix("RAY_REASON_").lower().replace("_", "-")
        assert word == name
        assert told(kernel, f"apimon test 503 {word}") == told(kernel, f"apimon test 503 {code}")
    for code in set(range(1300)) - set(found):
        assert ffi.string(lib.ray_reason_word(code)) == b"?"
    for wrong in (b"", b"breaker", b"breaker-openx", b"?"):
        assert lib.ray_reason_find(wrong, len(wrong), out) < 0


def ffi_reasons(kernel: Kernel) -> dict[int, str]:
    """Every code of ray/reason.h and its name there."""
    return dict(kernel.ffi.typeof("enum ray_reason").elements)


def test_unknown_services_are_refused(kernel: Kernel) -> None:
    assert kernel.shell("apimon show nobody").status < 0


def test_reset_wants_to_be_confirmed_and_is_audited(kernel: Kernel) -> None:
    assert kernel.shell("apimon reset").status < 0
    assert kernel.shell("confirm apimon reset").status == 0
    assert told(kernel, "apimon show")["p99_ns"] == 0
    assert told(kernel, "apimon show")["requests"] == 2
    assert "reset" in kernel.shell("audit").text
