# SPDX-License-Identifier: MIT
"""What tests of tokens share: views of bytes for the core, and keys made from plain numbers."""

from __future__ import annotations

import base64
from typing import Any

from host_sim import _raw

FFI, LIB, _ = _raw.load("tiny")


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

    def key(self, alg: int, kid: bytes = b"", **parts: bytes | tuple[bytes, ...]) -> Any:
        """A token's key: secret and point are bytes, rsa is a tuple of numbers."""
        made = FFI.new("ray_jws_key *")
        made.alg, made.kid = alg, self(kid)
        for word, held in parts.items():
            setattr(made, word, self.rsa(*held)[0] if isinstance(held, tuple) else self(held))
        return made


def undone(text: str) -> bytes:
    """base64url without its padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def letters(held: bytes) -> bytes:
    """The other way."""
    return base64.urlsafe_b64encode(held).rstrip(b"=")


def judge(token: bytes, key: Any) -> int:
    """The reason the core gives for a token and a key."""
    view, opened = Views(), FFI.new("ray_jws *")
    return LIB.ray_jws_open(view(token), opened) or LIB.ray_jws_verify(opened, key)


def sign(key: Any, payload: bytes) -> bytes | None:
    """The core's own token, None when the key cannot."""
    view, made = Views(), FFI.new("uint8_t[4096]")
    length = LIB.ray_jws_sign(key, view(payload), made, 4096)
    return None if length == LIB.RAY_NONE else bytes(made)[:length]
