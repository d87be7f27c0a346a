# SPDX-License-Identifier: MIT
"""auth at the console: what is shown, what is asked twice, and what never appears."""

import json

import pytest

from host_sim import config as compiler
from tests.shell_rig import Rig

FILE = """version = 1
[service.orders]
[tenant.acme]
[[route]]
name = "r"
service = "orders"
path = { prefix = "/" }
[[jwt]]
name = "idp"
alg = "HS256"
key = { env = "TEST_KEY" }
claims = { tenant = "org", role = "role" }
signs = true
"""


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("TEST_KEY", "k" * 32)
    return Rig("tiny", config=compiler.loads(FILE, profile="tiny").blob)


def test_keys_at_the_console(rig: Rig) -> None:
    secret = rig.run("auth key-add web --tenant=acme --role=guest").text.strip()
    assert secret.startswith("web.") and len(secret) == 47
    shown = json.loads(rig.run("auth show web --json").text)
    assert (shown["tenant"], shown["role"], shown["secrets"]) == ("acme", "guest", 1)
    for line in ("auth list", "auth list --json", "auth show web", "auth export", "auth status"):
        said = rig.run(line)
        assert said.status == 0 and secret[4:12] not in said.text
    assert rig.run("auth key-rotate web").status == 0
    assert rig.run("auth key-retire web").status == -9  # asked twice
    assert rig.run("confirm auth key-retire web").status == 0
    assert rig.run("auth disable web").status == 0 and "disabled" in rig.run("auth list").text
    assert rig.run("auth enable web").status == 0
    assert rig.run("auth key-add web").status == -5
    assert rig.run("auth key-remove web").status == -9
    assert rig.run("confirm auth key-remove web").status == 0
    assert rig.run("auth show web").status == -2
    assert "key-add" in rig.run("help auth").text


def test_tokens_at_the_console(rig: Rig) -> None:
    token = rig.run("auth issue anna user --tenant=acme --lifetime=10m").text.strip()
    said = json.loads(rig.run(f"auth test {token} orders --json").text)
    assert (said["granted"], said["user"], said["permissions"]) == (True, "anna", 3)
    assert "read,write" in rig.run(f"auth test {token}").text
    assert rig.run("auth grant anna execute orders").status == 0
    assert json.loads(rig.run("auth rights anna user orders --json").text) == {"permissions": 7}
    assert rig.run("auth deny anna write").status == 0
    assert rig.run("auth rights anna user orders").text == "read,execute\n"
    assert rig.run("auth clear anna").status == 0 and rig.run("auth clear anna").status == -2
    fresh = rig.run(f"auth refresh {token}").text.strip()
    assert json.loads(rig.run("auth status --json").text)["tokens"] == 2
    assert rig.run(f"auth revoke {fresh}").status == -9
    assert rig.run(f"confirm auth revoke {fresh}").status == 0
    assert "auth-revoked" in rig.run(f"auth test {fresh}").text
    states = {row["state"] for row in json.loads(rig.run("auth tokens --json").text)}
    assert states == {"rotated", "revoked"}
    assert rig.run("auth refresh " + token).text == (
        "error: nothing was refreshed: auth-rotated; issue a new one: auth issue USER ROLE\n")
    for bad, status in (("auth issue anna king", -1), ("auth issue anna user --tenant=x", -2),
                        ("auth grant anna fly", -1), ("auth rights anna user nosuch", -2)):
        assert rig.run(bad).status == status
    assert "configuration" in rig.run("auth status").text  # where randomness comes from
