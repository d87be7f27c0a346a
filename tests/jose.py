# SPDX-License-Identifier: MIT
"""What tests of tokens share: views of bytes for the core, and keys made from plain numbers."""

from __future__ import annotations

import base64
import pathlib
import tempfile
from typing import Any

from host_sim import _raw
from host_sim import config as compiler
from host_sim.kernel import Kernel
from host_sim.modules.auth import AuthenticationManager

FFI, LIB, _ = _raw.load("tiny")
FILE = """version = 1
[tenant.acme]
[service.orders]
[[route]]
name = "r"
service = "orders"
path = {{ prefix = "/" }}
[[jwt]]
name = "idp"
alg = "{alg}"
keys = [{{ file = "key", kid = "{kid}" }}]
signs = {signs}
{more}
"""


class Views:
    """Makes views of bytes and keeps the bytes alive as long as itself."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def __call__(self, held: bytes) -> Any:
        self.kept.append(FFI.new("uint8_t[]", held or b"\0"))
        return FFI.new("ray_view *", (self.kept[-1], len(held)))[0]

    def rsa(self, *numbers: bytes) -> Any:
        """n, e and, of a private key, p, q, dp, dq, iq."""
        numbers = (*numbers, *[b""] * (7 - len(numbers)))
        self.kept.append(FFI.new("ray_rsa_key *", [self(number) for number in numbers]))
        return self.kept[-1]


def undone(text: str) -> bytes:
    """base64url without its padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def letters(held: bytes) -> bytes:
    """The other way."""
    return base64.urlsafe_b64encode(held).rstrip(b"=")


def verifier(alg: str, key: bytes, kid: str = "", more: str = "") -> AuthenticationManager:
    """What a gateway has that knows one key: a secret of HS256 or a PEM. `more` goes into [[jwt]].
    It signs with the key when that can."""
    signs = "false" if b"PUBLIC KEY" in key else "true"
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "key").write_bytes(key)
        made = compiler.loads(FILE.format(alg=alg, kid=kid, more=more, signs=signs), profile="tiny",
                              name=f"{folder}/gateway.toml")
    return AuthenticationManager(kernel=Kernel(profile="tiny", config=made))


def judge(auth: AuthenticationManager, token: bytes, at_s: int = 10) -> str:
    """The reason the gateway gives, by the function that every request's token goes through."""
    view, answer = Views(), FFI.new("ray_auth_answer *")
    status = LIB.ray_auth_validate(auth._state, at_s * 10**9, 0, auth._secrets, LIB.RAY_NONE,
                                   view(token), answer)
    assert status == LIB.RAY_OK
    assert (answer.granted == 1) == (answer.reason == LIB.RAY_REASON_OK)
    return bytes(FFI.string(LIB.ray_reason_word(answer.reason))).decode()
