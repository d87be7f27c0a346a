# SPDX-License-Identifier: MIT
"""auth: the caller's word stands for a credential, never for what its owner may."""

from __future__ import annotations

import pytest

from host_sim.config import Config, ConfigError, expectations, loads
from host_sim.kernel import Kernel

FILE = f"""version = 1
[service.a]
at = "127.0.0.1:80"
[tenant.acme]
[[identity]]
when = {{ ip = ["10.0.0.0/8"] }}
tenant = "acme"
role = "guest"
[[api_key]]
name = "k"
service = "a"
tenant = "acme"
role = "user"
sha256 = "{'ab' * 32}"
[[route]]
name = "admin"
service = "a"
path = {{ prefix = "/admin" }}
role = "admin"
[[route]]
name = "run"
service = "a"
path = {{ prefix = "/run" }}
permission = "execute"
[[route]]
name = "open"
service = "a"
path = {{ prefix = "/open" }}
auth = "none"
[[route]]
name = "maybe"
service = "a"
path = {{ prefix = "/maybe" }}
auth = "optional"
[[route]]
name = "any"
service = "a"
path = {{ prefix = "/" }}
"""
ADMIN, SERVICE, USER, GUEST = 1, 2, 3, 4


@pytest.fixture(scope="module")
def config() -> Config:
    return loads(FILE)


@pytest.mark.parametrize(("path", "method", "who", "reason"), [
    ("/admin/1", "GET", {"user": "eve", "role": GUEST}, "auth-role"),
    ("/admin/1", "GET", {"user": "eve"}, "auth-role"),           # nobody says she is one
    ("/admin/1", "DELETE", {"user": "root", "role": ADMIN}, "no-limit"),
    ("/run/1", "GET", {"user": "ann", "role": USER}, "auth-permission"),
    ("/run/1", "GET", {"user": "ann"}, "auth-permission"),
    ("/run/1", "GET", {"user": "bot", "role": SERVICE}, "no-limit"),
    ("/x", "DELETE", {"user": "eve", "role": GUEST}, "auth-permission"),
    ("/x", "GET", {"user": "eve", "role": GUEST}, "no-limit"),
    ("/x", "DELETE", {"user": "ann", "role": USER}, "no-limit"),
    ("/x", "DELETE", {"user": "ann"}, "no-limit"),               # a log that names no role
    ("/x", "DELETE", {"tenant": "acme"}, "no-limit"),
    ("/open/1", "DELETE", {"user": "eve", "role": GUEST}, "no-limit"),
    ("/maybe/1", "DELETE", {"user": "eve", "role": GUEST}, "auth-permission"),
    ("/maybe/1", "DELETE", {"tenant": "acme"}, "no-limit"),
    ("/x", "GET", {}, "auth-required"),
])
def test_rights_are_asked_of_whoever_is_vouched_for(config, path, method, who, reason):
    kernel = Kernel(config=config)
    decision = kernel.admit(path, method=method, **who)
    assert (decision.reason, decision.http_status) == (
        reason, {"no-limit": 200, "auth-required": 401}.get(reason, 403))
    assert kernel.valid() == 0


def test_a_right_that_was_taken_is_gone_for_the_vouched_too(config):
    kernel = Kernel(config=config)
    assert kernel.admit("/x", method="DELETE", user="ann", role=USER).reason == "no-limit"
    assert kernel.shell("auth deny ann write").status == 0
    assert kernel.admit("/x", method="DELETE", user="ann", role=USER).reason == "auth-permission"
    assert kernel.admit("/x", method="GET", user="ann", role=USER).reason == "no-limit"


def test_explain_says_whose_word_was_taken(config):
    said = Kernel(config=config).explain("/admin/1", user="eve", role=GUEST)
    assert "NO  auth-role, user eve, role guest" in said


EXPECTATIONS = """
[[test]]
request = { path = "/", client = "10.0.0.1", headers = { X-API-Key = "k.bad" } }
expect = { verdict = "deny", reason = "auth-unknown" }
[[test]]
request = { path = "/", client = "10.0.0.1", headers = { X-API-Key = "k.bad" }, user = "ann" }
expect = { verdict = "allow" }
[[test]]
request = { path = "/", client = "10.0.0.1", method = "DELETE" }
expect = { verdict = "deny", reason = "auth-permission" }
[[test]]
request = { path = "/admin", client = "10.0.0.1" }
expect = { verdict = "deny", reason = "auth-role" }
[[test]]
request = { path = "/admin", client = "10.0.0.1", role = "admin" }
expect = { verdict = "allow" }
"""


def test_expectations_are_judged_by_the_credential_they_show():
    outcomes = expectations.run(loads(FILE + EXPECTATIONS))
    assert [outcome.differences for outcome in outcomes] == [()] * 5


def test_a_role_on_an_optional_route_lets_nobody_in_who_shows_nothing():
    text = FILE.replace('name = "admin"', 'name = "admin"\nauth = "optional"')
    kernel = Kernel(config=loads(text))
    assert kernel.admit("/admin/1").reason == "auth-required"
    assert kernel.admit("/admin/1", tenant="acme").reason == "auth-role"
    assert kernel.admit("/admin/1", user="root", role=ADMIN).reason == "no-limit"
    with pytest.raises(ConfigError, match="lets in who shows nothing"):
        loads(FILE.replace('name = "run"', 'name = "run"\nauth = "optional"'))
