# SPDX-License-Identifier: MIT
"""One token verified as a request's is, header, signature and claims, beside Python's libraries."""

from __future__ import annotations

import base64
import hmac
import importlib
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from host_sim import config as compiler
from host_sim.kernel import Kernel
from host_sim.modules.auth import AuthenticationManager

from .measure import WORK, Result, alone, timed

FILE = """version = 1
[service.shop]
[[route]]
name = "all"
service = "shop"
path = {{ prefix = "/" }}
[[jwt]]
name = "idp"
alg = "{alg}"
issuer = "https://issuer.example"
audience = "shop"
key = {{ file = "token.key" }}
signs = true
"""
MOST_XR = {"HS256": 2600.0, "RS256": 134000.0}  # 2.5 and 128 us; ES256 is as BearSSL has it
MOST_SEEN_XR = 416.0  # 0.4 us
KEPT = (1, 8, 64, 256, 512)
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


def pem(key: Any) -> bytes:
    """A private key as a configuration takes it."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def made(word: str, key: bytes) -> bytes:
    """The gateway's own token; the configuration it was made with lies in WORK / "token.blob"."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "token.key").write_bytes(key)
    config = compiler.loads(FILE.format(alg=word), profile="seed", name=str(WORK / "token.toml"))
    (WORK / "token.blob").write_bytes(config.blob)
    auth = AuthenticationManager(kernel=Kernel(profile="seed", config=config))
    return auth.issue_token("u-1024", lifetime_ns=3600 * 10**9, now_ns=0).text.encode()


def in_c(lines: list[bytes], way: str, items: int) -> tuple[float, int]:
    """Nanoseconds of one token by the gateway (token.c says what `way` times), and how many were
    good or found in the cache; raises when one is refused."""
    (WORK / "token").write_bytes(b"\n".join(lines))
    return alone("token", WORK / "token.blob", WORK / "token", items, way)


def signed(key: bytes, number: int) -> bytes:
    """An HS256 token of another writer, each with a user and an id of its own."""
    said = {"sub": f"u-{number}", "iss": "https://issuer.example", "aud": "shop",
            "jti": f"{number:032x}", "iat": 0, "exp": 3600}
    text = ".".join(letters(json.dumps(part, separators=(",", ":")).encode())
                    for part in ({"alg": "HS256", "typ": "JWT"}, said))
    return f"{text}.{letters(hmac.digest(key, text.encode(), 'sha256'))}".encode()


def seen_before(key: bytes) -> Iterator[Result]:
    """A token that was verified lately, by how many others the cache holds; every one is asked for
    as a request asks, in turn, so none is still at hand from the one before."""
    made("HS256", key)
    every = [signed(key, number) for number in range(max(KEPT))]
    full = in_c(every[:1], "fresh", 20_000)[0]
    for count in KEPT:
        items = max(20_000 // count, 1) * count
        ns, hits = in_c(every[:count], "seen", items)
        note = f"{hits * 100 / items:.1f} % hits"
        yield Result(f"core, token seen before, {count} kept", ns, "token",
                     MOST_SEEN_XR if hits == items else None,
                     f"{note}, verified anew it takes {full / ns:.1f} times as long")


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
    secret, rsa_of = bytes(range(32)), rsa_numbers()
    own = ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1())
    point = own.public_key().public_numbers()
    public = rsa.RSAPublicNumbers(rsa_of["e"], rsa_of["n"])
    numbers = rsa.RSAPrivateNumbers(*(rsa_of[name] for name in ("p", "q", "d", "dp", "dq", "qi")),
                                    public)
    rows: list[tuple[str, bytes, dict[str, str]]] = [
        ("HS256", secret, {"kty": "oct", "k": letters(secret)}),
        ("RS256", pem(numbers.private_key()),
         {"kty": "RSA", "n": letters(big(public.n)), "e": letters(big(public.e))}),
        ("ES256", pem(own),
         {"kty": "EC", "crv": "P-256", "x": letters(big(point.x)), "y": letters(big(point.y))}),
    ]
    for word, key, jwk in rows:
        token = made(word, key)
        ns = in_c([token], "fresh", 20_000 if word == "HS256" else 100)[0]
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
    yield from seen_before(secret)
