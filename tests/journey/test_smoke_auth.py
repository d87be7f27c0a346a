# SPDX-License-Identifier: MIT
"""The phase document's smoke test of authentication: issue token, validate it, enforce permission.
"""

import pytest

from host_sim import config
from host_sim.kernel import Kernel
from host_sim.modules.auth import AuthenticationManager, Permission, Role

S = 1_000_000_000
FILE = """version = 1
[service.kernel]
[service.vmm]
[[route]]
name = "r"
service = "kernel"
path = { prefix = "/" }
[[jwt]]
name = "rayos"
alg = "HS256"
key = { env = "TEST_RAYOS_KEY" }
claims = { role = "role" }
signs = true
"""


@pytest.mark.parametrize("on_kernel", [False, True])
def test_smoke_authentication_flow(monkeypatch: pytest.MonkeyPatch, on_kernel: bool) -> None:
    monkeypatch.setenv("TEST_RAYOS_KEY", "r" * 32)
    if on_kernel:
        auth = AuthenticationManager(kernel=Kernel(config=config.loads(FILE)))
    else:
        auth = AuthenticationManager(services=("kernel", "vmm"))
    token = auth.issue_token("operator", Role.USER, lifetime_ns=600 * S, now_ns=S)
    found = auth.validate_token(token, service_name="kernel")
    assert found.granted and found.user_id == "operator"
    assert auth.check_permission(token, Permission.WRITE, service_name="kernel")
    assert not auth.check_permission(token, Permission.EXECUTE, service_name="vmm")
    auth.grant_permission("operator", Permission.EXECUTE, service_name="vmm")
    auth.revoke_permission("operator", Permission.WRITE, service_name="kernel")
    bearer = {"Authorization": f"Bearer {token.text}"}
    rows = [("vmm", Permission.EXECUTE, "ok"), ("kernel", Permission.WRITE, "auth-permission"),
            ("kernel", Permission.READ, "ok")]
    for service, permission, reason in rows:
        answer = auth.authenticate(bearer, service_name=service, permission=permission)
        assert answer.reason == reason
    auth.revoke_token(token)
    assert auth.authenticate(bearer, service_name="kernel").http_status == 401
    assert auth.valid() == 0
    if auth.kernel is not None:
        assert auth.kernel.valid() == 0
