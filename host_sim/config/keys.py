# SPDX-License-Identifier: MIT
"""Keys as files and variables hold them, to the numbers the core wants: PEM (PKCS#1, PKCS#8,
SPKI, SEC 1) for RS256 and ES256, bytes or base64url for HS256."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

from host_sim.config.files import read_bounded
from host_sim.config.model_auth import KeyFrom

HMAC_MIN, HMAC_MAX = 32, 128
FILE_MAX = 64 << 10                        # a 16,384-bit RSA key in PEM has 13 KB
PARTS, MATERIAL_BYTES = 8, 2056


class BadKey(ValueError):
    """Why a key cannot be used; never says any of its bytes."""


@dataclass(frozen=True)
class Material:
    """A key's numbers, big-endian, in the order of ray_secret_spec."""

    parts: tuple[bytes, ...] = field(repr=False)
    private: bool

    def row(self) -> dict[str, object]:
        """The fields of a row of the secrets section."""
        lengths = [len(part) for part in self.parts] + [0] * (PARTS - len(self.parts))
        return dict(length=lengths, at=b"".join(self.parts).ljust(MATERIAL_BYTES, b"\0"))


def read(source: KeyFrom, folder: Path) -> bytes:
    """The bytes of a key's variable or file, without the line end an editor left."""
    if source.env is not None:
        text = os.environ.get(source.env)
        if text is None:
            raise BadKey(f"the environment has no variable {source.env}")
        return os.fsencode(text).rstrip(b"\r\n")
    try:
        return read_bounded(folder / str(source.file), FILE_MAX).rstrip(b"\r\n")
    except OSError as error:
        raise BadKey(f"cannot read {source.file}: {error.strerror}") from None


def material(alg: str, held: bytes, encoding: str = "raw") -> Material:
    """The key of an algorithm; BadKey with the reason when it is none."""
    if alg == "HS256":
        return Material((_hmac(held, encoding),), True)
    return _rsa(held) if alg == "RS256" else _ec(held)


def _hmac(held: bytes, encoding: str) -> bytes:
    if b"-----BEGIN" in held or held.startswith((b"ssh-", b"ecdsa-")) or held[:2] == b"\x30\x82":
        raise BadKey("an HS256 secret that is a key file: a public key is no secret "
                        "(RFC 8725 3.1); use RS256 or ES256")
    if encoding == "base64url":
        try:
            held = base64.b64decode(held + b"=" * (-len(held) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise BadKey("no base64url text") from None
    if not HMAC_MIN <= len(held) <= HMAC_MAX:
        raise BadKey(f"an HS256 secret has {HMAC_MIN} to {HMAC_MAX} bytes (RFC 7518 3.2), this "
                        f"one {len(held)}")
    return held


def _load(held: bytes) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        if b"PRIVATE KEY-----" in held:
            return serialization.load_pem_private_key(held, None)
        return serialization.load_pem_public_key(held)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("no PEM key without a passphrase") from None


def _number(value: int, size: int | None = None) -> bytes:
    return value.to_bytes(size or (value.bit_length() + 7) // 8, "big")


def _rsa(held: bytes) -> Material:
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = _load(held)
    if not isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        raise BadKey("RS256 needs an RSA key")
    if not 2048 <= key.key_size <= 4096:
        raise BadKey(f"an RSA key has 2048 to 4096 bits (RFC 7518 3.3), this one {key.key_size}")
    if isinstance(key, rsa.RSAPublicKey):
        public = key.public_numbers()
        return Material((_number(public.n), _number(public.e)), False)
    own = key.private_numbers()
    public = own.public_numbers
    numbers = (public.n, public.e, own.p, own.q, own.dmp1, own.dmq1, own.iqmp)
    return Material(tuple(map(_number, numbers)), True)


def _ec(held: bytes) -> Material:
    from cryptography.hazmat.primitives.asymmetric import ec

    key = _load(held)
    if not isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        raise BadKey("ES256 needs an elliptic curve key")
    if key.curve.name != "secp256r1":
        raise BadKey(f"ES256 is over P-256, this key over {key.curve.name}")
    own = key if isinstance(key, ec.EllipticCurvePrivateKey) else None
    public = (key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey)
              else key).public_numbers()
    point = b"\x04" + _number(public.x, 32) + _number(public.y, 32)
    if own is None:
        return Material((point,), False)
    return Material((point, _number(own.private_numbers().private_value, 32)), True)
