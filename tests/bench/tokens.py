# SPDX-License-Identifier: MIT
"""One token verified: header judged, signature checked, in C and beside the Python libraries."""

from __future__ import annotations

import base64
import importlib
import random
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from host_sim import _raw

from .measure import ROOT, WORK, Result, timed

PAYLOAD = b'{"iss":"https://issuer.example","sub":"u-1024","aud":"shop","exp":4102444800}'
MOST_XR = {"HS256": 2600.0, "RS256": 134000.0}  # 2.5 and 128 us; ES256 is as BearSSL has it
Numbers = dict[str, int]


def is_prime(n: int, dice: random.Random) -> bool:
    """Miller and Rabin, forty rounds."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(40):
        x = pow(dice.randrange(2, n - 1), odd, n)
        if x not in (1, n - 1) and all((x := x * x % n) != n - 1 for _ in range(twos - 1)):
            return False
    return True


def rsa_numbers() -> Numbers:
    """A key of 2048 bits, the same in every run: it protects nothing."""
    dice, found = random.Random(2048), []
    while len(found) < 2:
        n = dice.getrandbits(1024) | 3 << 1022 | 1
        if pow(2, n - 1, n) == 1 and n % 65537 != 1 and is_prime(n, dice):
            found.append(n)
    p, q = found
    d = pow(65537, -1, (p - 1) * (q - 1))
    return {"n": p * q, "e": 65537, "p": p, "q": q, "dp": d % (p - 1), "dq": d % (q - 1),
            "qi": pow(q, -1, p), "d": d}


def big(value: int) -> bytes:
    """A number as the core takes it."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def letters(held: bytes) -> str:
    """base64url."""
    return base64.urlsafe_b64encode(held).rstrip(b"=").decode()


def made(alg: int, parts: dict[str, bytes], rsa: list[bytes]) -> bytes:
    """The core's token."""
    ffi, lib, _ = _raw.load("seed")
    kept: list[Any] = []

    def view(held: bytes) -> Any:
        kept.append(ffi.from_buffer(held))
        return (ffi.cast("const uint8_t *", kept[-1]), len(held))

    key = ffi.new("ray_jws_key *", {"alg": alg, **{k: view(v) for k, v in parts.items()}})
    names = ("modulus", "exponent", "p", "q", "dp", "dq", "iq")
    key.rsa = {name: view(number) for name, number in zip(names, rsa, strict=False)}
    out = ffi.new("uint8_t[4096]")
    length = lib.ray_jws_sign(key, ffi.new("ray_view *", view(PAYLOAD))[0], out, 4096)
    if length == lib.RAY_NONE:
        raise RuntimeError(f"no token for algorithm {alg}")
    return bytes(ffi.buffer(out, length))


def in_c(word: str, key: list[bytes], token: bytes) -> float:
    """Nanoseconds of one verification; raises when one is refused."""
    build = ["make", "-s", "build/bench-token"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "token.key").write_bytes(b"".join(len(n).to_bytes(2, "little") + n for n in key))
    (WORK / "token").write_bytes(token)
    command = [str(ROOT / "build/bench-token"), word, str(WORK / "token.key"), str(WORK / "token")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) / 1000


def authlib(word: str, jwk: dict[str, str], token: bytes) -> Callable[[], object]:
    """Pure Python over cryptography (OpenSSL)."""
    jose: Any = importlib.import_module("authlib.jose")
    key, reader = jose.JsonWebKey.import_key(jwk), jose.JsonWebSignature([word])
    return lambda: reader.deserialize_compact(token, key)


def joserfc(word: str, jwk: dict[str, str], token: bytes) -> Callable[[], object]:
    """Its successor."""
    jws: Any = importlib.import_module("joserfc.jws")
    key = importlib.import_module("joserfc.jwk").import_key(jwk)
    return lambda: jws.deserialize_compact(token, key, algorithms=[word])


def tokens() -> Iterator[Result]:
    """The three algorithms; the note says what the libraries take in the same run."""
    ffi, lib, _ = _raw.load("seed")
    secret, number, point = bytes(range(32)), bytes(range(1, 33)), ffi.new("uint8_t[65]")
    lib.ray_crypto_es256_point(number, point)
    rsa = rsa_numbers()
    numbers = [big(rsa[name]) for name in ("n", "e", "p", "q", "dp", "dq", "qi")]
    xy = bytes(point)
    rows: list[tuple[str, bytes, list[bytes], dict[str, str]]] = [
        ("HS256", made(1, {"secret": secret}, []), [secret], {"kty": "oct", "k": letters(secret)}),
        ("RS256", made(2, {}, numbers), numbers[:2],
         {"kty": "RSA", "n": letters(numbers[0]), "e": letters(numbers[1])}),
        ("ES256", made(3, {"secret": number, "point": xy}, []), [xy],
         {"kty": "EC", "crv": "P-256", "x": letters(xy[1:33]), "y": letters(xy[33:])}),
    ]
    for word, token, key, jwk in rows:
        ns = in_c(word, key, token)
        notes = []
        for name, peer in (("authlib", authlib), ("joserfc", joserfc)):
            try:
                once = peer(word, jwk, token)
            except ImportError:
                continue
            once()
            theirs = timed(lambda once=once: [once() for _ in range(50)], 50)  # type: ignore[misc]
            notes.append(f"{name} takes {theirs / ns:.2f} times as long")
        yield Result(f"core, token verified, {word}", ns, "token", MOST_XR.get(word),
                     ", ".join(notes))
