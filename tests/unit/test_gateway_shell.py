# SPDX-License-Identifier: MIT
"""gateway: the console adds, shows, tests and removes, and says why when it does not."""

from __future__ import annotations

import pytest

from host_sim.kernel import Kernel


@pytest.fixture
def kernel() -> Kernel:
    made = Kernel()
    for line in (
        "gateway add-service one --at 10.0.0.1:80 --timeout 2s --max-body 1KiB",
        "ratelimit add bots 1/s --scope named",
        "gateway add-route orders one prefix /orders --methods GET,POST --weight 3 --limits bots",
        "gateway add-route items one wildcard /orders/*/items/** --priority -5 --host *.h.io",
    ):
        assert made.shell(line).status == 0, line
    return made


def test_what_was_added_is_shown(kernel: Kernel) -> None:
    one = kernel.shell("gateway show one --json").json()["service"]
    assert (one["host"], one["port"], one["timeout_ns"]) == ("10.0.0.1", 80, 2_000_000_000)
    assert (one["body_bytes_max"], one["routes"]) == (1024, 2)
    orders = kernel.shell("gateway show orders --json").json()["route"]
    assert (orders["methods"], orders["weight"], orders["rank"]) == (["GET", "POST"], 3, 1)
    text = kernel.shell("gateway show orders").text
    assert "prefix /orders" in text and "limit         bots" in text
    assert kernel.shell("gateway show nobody").status == -2


def test_a_route_s_limit_is_asked(kernel: Kernel) -> None:
    decisions = [kernel.admit("/orders", weight=1, exchange=True).verdict.name for _ in range(2)]
    assert decisions == ["ALLOW", "DENY"]


@pytest.mark.parametrize(
    "words, status, route, captures",
    [
        ("GET //orders/7", 200, "orders", []),
        ("DELETE /orders", 405, "", []),
        ("GET /orders/7/items/a/b --host x.h.io", 200, "items", ["7", "a/b"]),
        ("GET /x", 404, "", []),
        ("POST /orders --body 2KiB", 413, "orders", []),
        ("GET /%00", 400, "", []),
        ("BREW /orders", 501, "", []),
        ("GET /orders --header X_Y:1", 400, "", []),
    ],
)
def test_a_question_changes_nothing(
    kernel: Kernel, words: str, status: int, route: str, captures: list[str]
) -> None:
    before = kernel.digest()
    said = kernel.shell(f"gateway test {words} --json").json()
    assert (said["http_status"], said["route"], said["captures"]) == (status, route, captures)
    assert kernel.shell(f"gateway test {words}").text.startswith(
        f"{'yes' if status == 200 else 'no'}, {status} "
    )
    assert kernel.digest() == before


@pytest.mark.parametrize(
    "line, status, said",
    [
        ("gateway add-service one", -5, "taken"),
        ("gateway add-service two --at a:0", -13, "HOST:PORT"),
        ("gateway add-service two --at 2001:db8::5:80", -13, "IPv6 address in brackets"),
        ("gateway add-service two --at [::1", -13, "IPv6 address in brackets"),
        ("gateway add-service two --at a:b:80", -13, "HOST:PORT"),
        ("gateway add-service " + "x" * 48, -13, "1 to 47"),
        ("gateway add-route r one regex /a+", -1, "host"),
        ("gateway add-route r one prefx /a", -1, 'did you mean "prefix"'),
        ("gateway add-route r nobody prefix /a", -2, "no such service"),
        ("gateway add-route r one prefix /a/../b", -13, "canonical"),
        ("gateway add-route r one prefix /a --methods GET,BREW", -13, "--methods"),
        ("gateway add-route r one prefix /a --limits nobody", -2, "scope named"),
        ("gateway add-route r one prefix /a --priority x", -7, "--priority"),
        ("gateway remove-service one", -6, "--cascade"),
        ("gateway remove-route oders", -2, '"orders"'),
        ("gateway health one sideways", -1, "up or down"),
        ("gateway mode one shadow", -1, "enforce or off"),
        ("gateway test GET /a --header nocolon", -13, "NAME:VALUE"),
    ],
)
def test_a_wrong_line_says_why_and_changes_nothing(
    kernel: Kernel, line: str, status: int, said: str
) -> None:
    before = kernel.digest()
    result = kernel.shell(line)
    assert (result.status, result.text.startswith("error: ")) == (status, True)
    assert said in result.text
    assert kernel.digest() == before


def test_changes_are_audited_and_counted(kernel: Kernel) -> None:
    epoch = kernel.stats()["epoch"]
    for line in (
        "gateway health one down",
        "gateway mode one off",
        "gateway remove-route items",
        "gateway remove-service one --cascade",
    ):
        assert kernel.shell(line).status == 0, line
    assert kernel.stats()["epoch"] == epoch + 4
    changed, removed = kernel.lib.RAY_AUDIT_SET, kernel.lib.RAY_AUDIT_REMOVE
    assert [row["what"] for row in kernel.audit(4)] == [changed, changed, removed, removed]
    assert kernel.shell("gateway list --json").json() == {"services": [], "routes": []}


def test_reading_commands_answer_in_text_and_json(kernel: Kernel) -> None:
    kernel.admit("/orders", exchange=True, weight=1)
    assert kernel.shell("gateway status --json").json()["granted_count"] == 1
    assert "404 no route" in kernel.shell("gateway status").text
    for words in ("list", "services", "routes"):
        assert kernel.shell(f"gateway {words}").status == 0
        assert len(kernel.shell(f"gateway {words} --json").json()["routes"]) == 2
    assert kernel.shell("gateway export").text.splitlines()[1].split(",")[1:4] == [
        "items",
        "one",
        "wildcard",
    ]
    assert (
        kernel.shell("gateway export services").text.splitlines()[1].startswith("0,one,10.0.0.1,80")
    )
