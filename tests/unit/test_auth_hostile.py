# SPDX-License-Identifier: MIT
"""Tokens that were written to get in: each is refused for what it is, by the function that every
token goes through and by the whole pipeline, and each is counted."""

from __future__ import annotations

import dataclasses
import functools
import hmac
import json
import pathlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from host_sim import config as compiler
from host_sim.errors import StateError, UnknownError
from host_sim.kernel import Kernel, Verdict
from host_sim.modules.auth import AuthenticationManager, Permission
from tests.jose import FILE, judge, letters

S = 10**9
SECRET = bytes(range(32))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BODY = {"sub": "eve", "iss": "idp", "iat": 1, "exp": 3600}
MORE = 'issuer = "idp"'


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


@functools.cache
def keys() -> tuple[rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey]:
    return rsa.generate_private_key(65537, 2048), ec.derive_private_key(77, ec.SECP256R1())


def point() -> bytes:
    return keys()[1].public_key().public_bytes(serialization.Encoding.X962,
                                               serialization.PublicFormat.UncompressedPoint)


@functools.cache
def blob(alg: str, folder: pathlib.Path) -> compiler.Config:
    material = {"HS256": SECRET, "RS256": public(keys()[0]), "ES256": public(keys()[1])}[alg]
    (folder / "key").write_bytes(material)
    signs = "true" if alg == "HS256" else "false"
    text = FILE.format(alg=alg, kid="k1", signs=signs, more=MORE)
    return compiler.loads(text, profile="tiny", name=f"{folder}/gateway.toml")


def part(value: object) -> bytes:
    return letters(value if isinstance(value, bytes)
                   else json.dumps(value, separators=(",", ":")).encode())


def head(alg: object, **more: object) -> dict[str, object]:
    return {"alg": alg, "kid": "k1", **more}


def with_tag(first: object, body: object, tag: bytes) -> bytes:
    return part(first) + b"." + part(body) + b"." + letters(tag)


def hs(first: object, body: object = BODY, secret: bytes = SECRET) -> bytes:
    text = part(first) + b"." + part(body)
    return text + b"." + letters(hmac.digest(secret, text, "sha256"))


def rs(first: object, body: object = BODY, key: rsa.RSAPrivateKey | None = None) -> bytes:
    text = part(first) + b"." + part(body)
    made = (key or keys()[0]).sign(text, padding.PKCS1v15(), hashes.SHA256())
    return text + b"." + letters(made)


def es(first: object, body: object = BODY) -> bytes:
    text = part(first) + b"." + part(body)
    r, s = decode_dss_signature(keys()[1].sign(text, ec.ECDSA(hashes.SHA256())))
    return text + b"." + letters(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


GOOD = {"HS256": hs, "RS256": rs, "ES256": es}
JWK = {"kty": "oct", "k": letters(b"e" * 32).decode()}
HOSTILE: list[tuple[str, str, object, str]] = [
    # what, the algorithm of the gateway's key, the token, the reason
    *[(f"alg {alg!r}, {name}", key, lambda alg=alg, tag=tag: with_tag(head(alg), BODY, tag),
       "auth-algorithm")
      for key in ("HS256", "RS256", "ES256")
      for alg in ("none", "None", "NONE", "nOnE", "", None, ["HS256"], 0)
      for name, tag in (("no tag", b""), ("a tag", bytes(32)))],
    ("no alg", "RS256", lambda: with_tag({"kid": "k1"}, BODY, b""), "auth-algorithm"),
    *[(f"{other} for {key}", key, lambda other=other: GOOD[other](head(other)), "auth-algorithm")
      for key in GOOD for other in GOOD if other != key],
    *[(f"signed as {other}, says {key}", key, lambda key=key, other=other: GOOD[other](head(key)),
       "auth-signature") for key in GOOD for other in GOOD if other != key],
    ("the RSA key's PEM as a secret", "RS256",
     lambda: hs(head("HS256"), secret=public(keys()[0])), "auth-algorithm"),
    ("the same, said to be RS256", "RS256",
     lambda: hs(head("RS256"), secret=public(keys()[0])), "auth-signature"),
    ("the RSA modulus as a secret", "RS256",
     lambda: hs(head("HS256"), secret=keys()[0].public_key().public_numbers().n.to_bytes(256)),
     "auth-algorithm"),
    ("the P-256 point as a secret", "ES256", lambda: hs(head("HS256"), secret=point()),
     "auth-algorithm"),
    ("the P-256 key's PEM as a secret", "ES256",
     lambda: hs(head("HS256"), secret=public(keys()[1])), "auth-algorithm"),
    *[(f"{name} along, {key}", key,
       lambda key=key, name=name, value=value: GOOD[key](head(key, **{name: value})),
       "auth-key-unknown")
      for key in GOOD
      for name, value in (("jwk", JWK), ("jku", "https://evil.example/keys"),
                          ("x5u", "https://evil.example/chain"), ("x5c", ["MIIB"]))],
    ("a jwk and its own secret", "HS256",
     lambda: hs(head("HS256", jwk=JWK), secret=b"e" * 32), "auth-key-unknown"),
    ("somebody else's RSA key", "RS256",
     lambda: rs(head("RS256"), key=rsa.generate_private_key(65537, 2048)), "auth-signature"),
    *[(f"r = {r if r < 9 else r - ORDER}, s = {s if s < 9 else s - ORDER} (from n)", "ES256",
       lambda r=r, s=s: with_tag(head("ES256"), BODY, raw(r, s)), "auth-signature")
      for r, s in ((0, 0), (0, 1), (1, 0), (1, 1), (ORDER, ORDER), (ORDER, 1), (1, ORDER),
                   (2**256 - 1, 2**256 - 1))],
    *[(f"{length} zeros, {key}", key,
       lambda key=key, length=length: with_tag(head(key), BODY, bytes(length)), "auth-signature")
      for key in GOOD for length in (0, 1, 31, 32, 63, 64, 65, 255, 256, 257)],
    *[(f"duplicate {name}, {key}", key,
       lambda key=key, text=text: GOOD[key](head(key), text), "auth-token-bad")
      for key in GOOD
      for name, text in (
          ("exp", b'{"sub":"eve","iss":"idp","exp":1,"exp":3600}'),
          ("sub", b'{"sub":"eve","iss":"idp","sub":"root","exp":3600}'),
          ("exp behind an escape", b'{"sub":"eve","iss":"idp","exp":1,"\\u0065xp":3600}'))],
    ("duplicate alg", "HS256", lambda: hs(b'{"alg":"none","alg":"HS256","kid":"k1"}'),
     "auth-token-bad"),
    *[(f"expired, {key}", key, lambda key=key: GOOD[key](head(key), {**BODY, "exp": 10}),
       "auth-expired") for key in GOOD],
]  # fmt: skip


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.getbasetemp()


@pytest.mark.parametrize("alg", list(GOOD))
def test_an_honest_token_of_each_algorithm_comes_in(alg: str, folder: pathlib.Path) -> None:
    kernel = Kernel(profile="tiny", config=blob(alg, folder))
    auth = AuthenticationManager(kernel=kernel)
    token = GOOD[alg](head(alg))
    assert judge(auth, token) == "ok"
    auth.grant_permission("eve", Permission.READ)
    answer = kernel.admit("/x", at_ns=10 * S, headers={"Authorization": f"Bearer {token.decode()}"})
    assert answer.verdict == Verdict.ALLOW
    assert auth.stats().granted_count == 1 and kernel.valid() == 0


@pytest.mark.parametrize(("alg", "make", "reason"), [row[1:] for row in HOSTILE],
                         ids=[row[0] for row in HOSTILE])
def test_a_hostile_token_is_refused_and_counted(alg: str, make: object, reason: str,
                                                folder: pathlib.Path) -> None:
    kernel = Kernel(profile="tiny", config=blob(alg, folder))
    auth = AuthenticationManager(kernel=kernel)
    token = make()  # type: ignore[operator]
    assert judge(auth, token) == reason
    before = kernel.stats()
    answer = kernel.admit("/x", at_ns=10 * S, headers={"Authorization": f"Bearer {token.decode()}"})
    assert (answer.verdict, answer.reason, answer.http_status) == (Verdict.DENY, reason, 401)
    stats = auth.stats()
    assert (stats.asked_count, stats.denied_count, stats.granted_count) == (1, 1, 0)
    assert stats.reasons == {reason: 1} and stats.cache_fill_count == 0
    assert kernel.stats()["denied_count"] == before["denied_count"] + 1
    assert kernel.valid() == 0


def test_a_refresh_that_is_refused_is_counted_and_changes_nothing_else(
        folder: pathlib.Path) -> None:
    kernel = Kernel(profile="tiny", config=blob("HS256", folder))
    auth = AuthenticationManager(kernel=kernel)
    token = auth.issue_token("eve", lifetime_ns=60 * S, now_ns=0)
    foreign = hs(head("HS256"), {**BODY, "jti": "from-elsewhere"}).decode()
    bad = hs(head("HS256"), secret=b"x" * 32).decode()
    rows = [(60, token.text, "auth-expired"), (60, foreign, "auth-unknown"),
            (60, bad, "auth-signature"), (60, "A" * 5000, "auth-malformed")]
    for count, (at_s, text, reason) in enumerate(rows, 1):
        before = auth.stats()
        with pytest.raises(StateError, match=reason):
            auth.refresh_token(text, now_ns=at_s * S)
        assert auth.stats() == dataclasses.replace(before, error_count=count)
    answer = kernel.admit("/x", at_ns=60 * S, headers={"Authorization": f"Bearer {token.text}"})
    assert answer.reason == "auth-expired" and auth.stats().reasons == {"auth-expired": 1}


def test_a_refund_of_what_auth_refused_is_an_error_and_gives_nothing_back(
        folder: pathlib.Path) -> None:
    kernel = Kernel(profile="tiny", config=blob("HS256", folder))
    answer = kernel.admit("/x", at_ns=S, id=7, refundable=True)
    assert answer.reason == "auth-required"
    book, before = kernel.digest().book, kernel.stats()
    with pytest.raises(UnknownError):
        kernel.refund(7, at_ns=S)
    assert kernel.stats()["error_count"] == before["error_count"] + 1
    assert kernel.stats()["refunded_count"] == 0 and kernel.digest().book == book


def test_an_impossible_question_is_counted_as_one(folder: pathlib.Path) -> None:
    auth = AuthenticationManager(profile="tiny")
    with pytest.raises(Exception, match="authenticate"):
        auth.authenticate({}, permission=Permission(16))
    stats = auth.stats()
    assert (stats.error_count, stats.asked_count) == (1, 0)
