# SPDX-License-Identifier: MIT
"""mediator at the console: what it says, what it changes, and how it answers a wrong word."""

from __future__ import annotations

import json

import pytest

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.mediator import RequestMediator
from tests.unit.test_mediator import FILE, JSON


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(config=config.loads(FILE, profile="tiny"), profile="tiny")


def test_every_reading_command_speaks_json(kernel: Kernel) -> None:
    assert json.loads(kernel.shell("mediator status --json").text)["transforms"] == 1
    (row,) = json.loads(kernel.shell("mediator list --json").text)["transforms"]
    assert (row["name"], row["request"]["to"], row["edits"]) == ("items", "protobuf", 1)
    assert json.loads(kernel.shell("mediator show items --json").text)["routes"] == 1
    assert json.loads(kernel.shell("mediator cache --json").text) == {"kept": []}
    assert "response  remove server" in kernel.shell("mediator show items").text
    assert "items" in kernel.shell("mediator list").text


def test_a_body_is_tried_at_the_console(kernel: Kernel) -> None:
    said = json.loads(kernel.shell("mediator test items '{\"sku\":1}' --json").text)
    assert said == {"accepted": False, "reason": "schema-invalid", "status": 400,
                    "pointer": "/sku", "keyword": "type"}  # fmt: skip
    assert kernel.shell("mediator test items '{\"sku\":\"a\"}'").text == "accepted\n"


def test_a_message_is_seen_as_it_goes_on(kernel: Kernel) -> None:
    before = kernel.snapshot()
    text = kernel.shell("mediator convert items '{\"sku\":\"a\"}' --header x-a:1").text
    assert text.splitlines() == [
        "  header      x-a: 1", "  header      content-type: application/x-protobuf",
        "  header      accept: application/x-protobuf",
        "  header      accept-encoding: identity", "  header      content-length: 3",
        "  body        \\x0a\\x01a"]  # fmt: skip
    back = "mediator convert items 0a0161 --hex --response --header=server:x --json"
    said = json.loads(kernel.shell(back).text)
    assert bytes.fromhex(said["body_hex"]) == b'{"sku":"a"}' and said["status"] == 200
    assert said["headers"] == [["content-type", "application/json"], ["content-length", "11"]]
    bad = kernel.shell("mediator convert items 1064 --hex --response").text
    assert bad == 'refused (502): response-invalid at "/qty" maximum\n'
    lost = json.loads(kernel.shell("mediator convert items x --response --status 404 --json").text)
    assert (lost["status"], lost["outcome"]) == (404, 404)
    for wrong in ("mediator convert items 0g --hex", "mediator convert items 0 --hex",
                  "mediator convert items {} --header x", "mediator convert itms {}",
                  "mediator convert items {} --response --status 99"):  # fmt: skip
        assert kernel.shell(wrong).status < 0
    assert kernel.snapshot() == before


def test_what_is_kept_goes_with_a_confirmed_purge(kernel: Kernel) -> None:
    mediator = RequestMediator(kernel=kernel)
    answer = mediator.cache_get(0, "/x")
    assert answer.fill is not None and mediator.cache_set(answer.fill, 200, JSON, b"\x0a\x01a")
    assert kernel.shell("mediator purge").status == -9
    assert kernel.shell("confirm mediator purge items").text == "1 let go\n"
    assert "at most 5s" in kernel.shell("mediator ttl items 5s").text
    assert mediator.get_policy(0).cache_ttl == 5 * 10**9 and kernel.valid() == 0


def test_wrong_words_change_nothing(kernel: Kernel) -> None:
    before = RequestMediator(kernel=kernel).snapshot()
    said = kernel.shell("mediator show itms")
    assert said.status == -2 and "items" in said.text
    assert kernel.shell("mediator ttl items soon").status == -13
    assert kernel.shell("confirm mediator remove items").status == -6
    assert RequestMediator(kernel=kernel).snapshot() == before
