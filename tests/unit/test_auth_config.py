# SPDX-License-Identifier: MIT
"""auth in the configuration: keys are read and never written, and the bytes are checked whole."""

import base64
import json
import socket
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from host_sim import config as compiler
from host_sim.introspection import IntrospectionServer
from host_sim.kernel import Kernel
from host_sim.modules.auth import (
    AuthenticationManager,
    Introspection,
    Role,
    http_resolver,
    introspection_resolver,
)

S = 1_000_000_000
FILE = """version = 1
[service.orders]
[service.search]
[tenant.acme]
[tenant.beta]
[[route]]
name = "r"
service = "orders"
path = { prefix = "/" }
"""
KEY = """[[api_key]]
name = "web"
tenant = "acme"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"""
JWT = """[[jwt]]
name = "idp"
alg = "HS256"
key = { env = "TEST_KEY" }
claims = { tenant = "org", role = "role" }
signs = true
"""


def of(text: str, profile: str = "tiny") -> AuthenticationManager:
    kernel = Kernel(profile=profile, config=compiler.loads(FILE + text, profile=profile))
    return AuthenticationManager(kernel=kernel)


def findings(text: str) -> list[tuple[str, str]]:
    return [(f.code, f.message) for f in compiler.examine((FILE + text).encode()).findings]


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kind: str) -> bytes:
    """The key's bytes as PKCS#8, the older form (PKCS#1, SEC 1), or its public half."""
    if kind == "public":
        return key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    form = {"pkcs8": serialization.PrivateFormat.PKCS8,
            "old": serialization.PrivateFormat.TraditionalOpenSSL}[kind]
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, alg: str) -> str:
    head, body = {"alg": alg}, {"sub": "anna", "exp": 3600, "iat": 1}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (head, body))
    if isinstance(key, rsa.RSAPrivateKey):
        return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.fixture(scope="module")
def own() -> dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]:
    return {"RS256": rsa.generate_private_key(65537, 2048),
            "ES256": ec.generate_private_key(ec.SECP256R1())}


# -- keys ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("kind", ["pkcs8", "old", "public"])
def test_keys_of_every_form_verify(own: dict[str, rsa.RSAPrivateKey], tmp_path: Path, alg: str,
                                   kind: str) -> None:
    (tmp_path / "key.pem").write_bytes(pem(own[alg], kind))
    text = FILE + f"""[[jwt]]
name = "idp"
alg = "{alg}"
key = {{ file = "key.pem" }}
claims = {{ role = "role" }}
signs = {str(kind != "public").lower()}
"""
    config = compiler.loads(text, name=str(tmp_path / "x.toml"), profile="tiny")
    auth = AuthenticationManager(kernel=Kernel(profile="tiny", config=config))
    token = token_of(own[alg], alg)
    assert auth.validate_token(token, now_ns=S).granted
    head, body, tag = token.split(".")
    zero = "A" * (86 if alg == "ES256" else 342)  # CVE-2022-21449
    assert auth.validate_token(f"{head}.{body}.{zero}").reason == "auth-signature"
    swapped = encoded(b'{"alg":"HS256"}')
    assert auth.validate_token(f"{swapped}.{body}.{tag}").reason == "auth-algorithm"
    if kind != "public":
        issued = auth.issue_token("bob", Role.GUEST)
        assert auth.validate_token(issued).user_id == "bob"


def test_the_hash_tells_nothing_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = []
    for value in ("a" * 32, "b" * 64):
        monkeypatch.setenv("TEST_KEY", value)
        blobs.append(compiler.loads(FILE + JWT, profile="tiny"))
    assert blobs[0].hash == blobs[1].hash and blobs[0].blob != blobs[1].blob
    assert len(blobs[0].blob) == len(blobs[1].blob)
    kernel = Kernel(profile="tiny", config=blobs[1])
    assert b"bbbbbbbb" not in kernel.snapshot() and "bbbbbbbb" not in repr(blobs[1])
    assert b"bbbbbbbb" in bytes(kernel.ffi.buffer(kernel.secrets, kernel.lib.ray_secrets_bytes()))


REFUSED = [
    ("inline", 'key = "0123456789abcdef0123456789abcdef"', "x" * 32, "inline-secret"),
    ("short", 'key = { env = "TEST_KEY" }', "x" * 31, "bad-key"),
    ("absent", 'key = { env = "NO_SUCH_KEY" }', "x" * 32, "bad-key"),
    ("public key as HMAC secret", 'key = { env = "TEST_KEY" }',
     "-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PUBLIC KEY-----",
     "bad-key"),
    ("both", 'key = { env = "TEST_KEY", file = "x" }', "x" * 32, "conflict"),
    ("none", "", "x" * 32, "conflict"),
    ("no base64url", 'key = { env = "TEST_KEY", encoding = "base64url" }', "!" * 44, "bad-key"),
]


@pytest.mark.parametrize("what,key,value,code", REFUSED, ids=[row[0] for row in REFUSED])
def test_a_key_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, what: str, key: str,
                                       value: str, code: str) -> None:
    monkeypatch.setenv("TEST_KEY", value)
    found = findings(JWT.replace('key = { env = "TEST_KEY" }', key))
    assert code in [row[0] for row in found]
    assert not any(value[:8] in row[1] for row in found)  # no message repeats the secret


def test_rows_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k" * 32)
    rows = [
        (KEY + KEY, "duplicate-name"), (KEY.replace("acme", "gamma"), "unknown-reference"),
        (KEY.replace("9f86", "XX86"), "bad-choice"), (KEY + 'header = "X-Other"\n', "conflict"),
        ('[role]\nuser = ["orders:fly"]\n', "bad-choice"),
        ('[role]\nuser = ["nosuch:read"]\n', "unknown-reference"),
        (JWT + JWT.replace("idp", "two"), "conflict"),
        ("[trust]\napi_keys = true\n", "conflict"),
    ]
    for text, code in rows:
        assert code in [row[0] for row in findings(text)], text


def test_routes_want_a_credential_once_there_is_one() -> None:
    for text, need in (("", 0), (KEY, 2)):
        kernel = Kernel(profile="tiny", config=compiler.loads(FILE + text, profile="tiny"))
        row = kernel.ffi.new("ray_route_row *")
        gateway = kernel.lib.ray_gateway_of(kernel.ray)
        assert kernel.lib.ray_gateway_read_route(gateway, 0, row) == 0
        assert row.spec.auth == need


def test_keys_rotate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_OLD", "o" * 32)
    monkeypatch.setenv("TEST_NEW", "n" * 32)
    auth = of(JWT.replace('key = { env = "TEST_KEY" }', """keys = [
  { kid = "old", env = "TEST_OLD", not_after = "1970-01-01T00:01:00Z" },
  { kid = "new", env = "TEST_NEW", not_before = "1970-01-01T00:00:30Z" }]"""))

    def kid(text: str) -> str:
        head = text.partition(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(head + "=="))["kid"])

    old = auth.issue_token("anna", now_ns=S)
    new = auth.issue_token("anna", now_ns=30 * S)
    assert (kid(old.text), kid(new.text)) == ("old", "new")  # the newest active one signs
    assert auth.validate_token(old).granted and auth.validate_token(new).granted
    assert auth.validate_token(old, now_ns=60 * S).reason == "auth-key-unknown"
    assert auth.validate_token(new, now_ns=60 * S).granted


# -- reloads ---------------------------------------------------------------------------------------
def test_a_reload_keeps_what_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k" * 32)
    auth = of('[auth]\nlockout = { failures = 2, per = "10s" }\n' + KEY + JWT)
    kernel = auth.kernel
    assert kernel is not None
    token = auth.issue_token("anna", tenant="beta", now_ns=S)
    gone = auth.issue_token("bob", tenant="beta", now_ns=S)
    auth.revoke_token(gone)
    auth.grant_permission("anna", auth_execute(), service_name="search", tenant="beta")
    bearer = {"Authorization": f"Bearer {token.text}"}
    assert auth.authenticate(bearer).granted
    for _ in range(2):
        auth.verify_api_key("web.wrong", ip="192.0.2.1")
    swapped = FILE.replace("[service.orders]\n[service.search]",
                           "[service.search]\n[service.orders]")
    swapped = swapped.replace("[tenant.acme]\n[tenant.beta]", "[tenant.beta]\n[tenant.acme]")
    kernel.configure(compiler.loads(
        swapped + '[auth]\nlockout = { failures = 2, per = "10s" }\n' + KEY + JWT, profile="tiny"))
    assert kernel.valid() == 0
    found = auth.authenticate(bearer)
    assert (found.granted, found.tenant, found.cached) == (True, "beta", False)
    assert auth.validate_token(gone).reason == "auth-revoked"
    assert auth.check_permission("anna", auth_execute(), role=Role.GUEST, service_name="search",
                                 tenant="beta")
    assert auth.verify_api_key("web.test", ip="192.0.2.1").reason == "auth-locked"
    assert auth.verify_api_key("web.test", ip="192.0.2.2").tenant == "acme"


def auth_execute() -> int:
    return 4


# -- lockout ---------------------------------------------------------------------------------------
def test_failures_lock_out_exactly_so_long() -> None:
    auth = of('[auth]\nlockout = { failures = 3, per = "60s" }\n' + KEY)
    for at in range(3):
        assert auth.verify_api_key(f"web.bad{at}", ip="192.0.2.1", now_ns=S).reason == (
            "auth-unknown")
    locked = auth.verify_api_key("web.test", ip="192.0.2.1", now_ns=S)
    assert (locked.reason, locked.http_status, locked.retry_after_ns) == (
        "auth-locked", 429, 20 * S)
    assert auth.verify_api_key("web.test", ip="::ffff:192.0.2.2").granted  # another source
    assert not auth.verify_api_key("web.test", ip="192.0.2.1", now_ns=21 * S - 1).granted
    assert auth.verify_api_key("web.test", ip="192.0.2.1", now_ns=21 * S).granted
    assert auth.stats().penalty_count == 3 and auth.valid() == 0


def test_an_ipv6_client_is_its_64() -> None:
    auth = of('[auth]\nlockout = { failures = 2, per = "60s" }\n' + KEY)
    for host in ("1", "2"):
        auth.verify_api_key("web.bad", ip=f"2001:db8::{host}")
    assert auth.verify_api_key("web.test", ip="2001:db8::ffff").reason == "auth-locked"
    assert auth.verify_api_key("web.test", ip="2001:db8:0:1::1").granted


def test_a_key_is_locked_whoever_tries() -> None:
    auth = of('[auth]\nlockout = { failures = 100, per = "60s", key_failures = 2 }\n' + KEY)
    for host in (1, 2):
        auth.verify_api_key("web.bad", ip=f"192.0.2.{host}")
    assert auth.verify_api_key("web.test", ip="192.0.2.3").reason == "auth-locked"


def test_a_full_penalty_table_bounds_the_guesses_and_locks_no_stranger() -> None:
    auth = of('[auth]\nlockout = { failures = 2, per = "60s" }\n' + KEY)
    for host in range(4):
        for _ in range(2):
            auth.verify_api_key("web.bad", ip=f"203.0.113.{host}", now_ns=S)
    for host in range(40):                  # more sources than the table has places
        auth.verify_api_key("web.bad", ip=f"192.0.2.{host}", now_ns=S)
    assert auth.stats().penalty_full_count > 0 and auth.stats().penalty_evicted_count == 0
    # Who never failed is let in; whoever fails now took over somebody's failures.
    assert auth.verify_api_key("web.test", ip="198.51.100.1", now_ns=S).granted
    assert auth.verify_api_key("web.bad", ip="198.51.100.2", now_ns=S).reason == "auth-unknown"
    assert auth.verify_api_key("web.test", ip="198.51.100.2", now_ns=S).reason == "auth-locked"
    assert auth.verify_api_key("web.test", ip="198.51.100.2", now_ns=4000 * S).granted
    assert auth.valid() == 0


def test_a_trusted_proxy_may_name_a_key() -> None:
    trust = '[trust]\nclient_ip = "x-forwarded-for"\nproxies = ["10.0.0.0/8"]\napi_keys = true\n'
    auth = of(trust + KEY)
    assert auth.authenticate({"X-API-Key": "web"}, trusted=True).tenant == "acme"
    assert auth.authenticate({"X-API-Key": "web"}).reason == "auth-malformed"
    assert of(KEY).authenticate({"X-API-Key": "web"}, trusted=True).reason == "auth-malformed"


# -- introspection ---------------------------------------------------------------------------------
def test_oauth2_introspection() -> None:
    tokens = {"good": {"sub": "anna", "role": "user", "exp": 40, "scope": "read", "tenant": "acme"},
              "none": {"exp": 99}}
    with IntrospectionServer(tokens, authorization="Basic abc") as server:
        text = f'[auth]\nintrospection = {{ url = "{server.url}", ttl = "60s" }}\n'
        auth = of(text)
        config = compiler.loads(FILE + text, profile="tiny")
        resolver = introspection_resolver(config, authorization="Basic abc")

        def ask(token: str, now_ns: int, how: object = resolver) -> str:
            found = auth.authenticate({"Authorization": f"Bearer {token}"}, service_name="orders",
                                      permission=1, resolver=how, now_ns=now_ns)  # type: ignore
            assert auth.valid() == 0
            return found.reason

        assert ask("good", S, None) == "auth-introspect"  # nobody asked yet: 503
        assert ask("good", S) == "ok"
        assert ask("good", 2 * S, None) == "ok" and server.asked_count == 1  # kept
        assert ask("good", 40 * S, None) == "auth-introspect"  # until min(exp, ttl)
        assert ask("bad", 3 * S) == "auth-inactive"
        assert ask("bad", 44 * S, None) == "auth-inactive" and server.asked_count == 2
        assert ask("bad", 45 * S, None) == "auth-introspect"  # inactive ones only shortly
        assert ask("none", 50 * S) == "auth-introspect"  # active, and nobody's: no answer
        assert ask("good", 51 * S, introspection_resolver(config)) == "auth-introspect"  # 401
        assert ask("good", 51 * S, http_resolver("http://127.0.0.1:1/")) == "auth-introspect"
        assert ask("good", 52 * S, lambda _: None) == "auth-introspect"
        auth.introspected("told", Introspection(True, "bob", Role.GUEST), now_ns=53 * S)
        assert ask("told", 53 * S, None) == "ok"
        server.now_s = 40
        assert ask("good", 54 * S) == "auth-inactive"     # by the server's clock


def test_the_resolver_of_a_file_waits_as_long_as_the_file_says() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        config = compiler.loads(
            FILE + f'[auth]\nintrospection = {{ url = "{url}", timeout = "120ms" }}\n')
        resolver, began = introspection_resolver(config), time.monotonic_ns()
        assert resolver is not None and resolver("t") is None
        assert 120_000_000 <= time.monotonic_ns() - began < 1_500_000_000
    assert introspection_resolver(compiler.loads(FILE)) is None


@pytest.mark.parametrize(("kind", "body", "status"), [
    ("application/x-www-form-urlencoded; charset=utf-8", b"token=t&token_type_hint=x", 200),
    ("application/json", b"token=t", 400), ("", b"token=t", 400),
    *(("application/x-www-form-urlencoded", body, 400)
      for body in (b"", b"token=", b"token=t&token=u", b"tok\xff", b"nonsense", b"a=1"))])
def test_the_simulated_server_answers_a_form_with_one_token(
    kind: str, body: bytes, status: int
) -> None:
    with IntrospectionServer({"t": {"sub": "anna"}}) as server:
        said = server.reply(None, kind, body)
        assert said[0] == status and server.asked_count == (status == 200)
        if status == 200:
            assert json.loads(said[1]) == {"active": True, "sub": "anna"}
            server.revoke("t")
            assert server.answer("t") == server.answer("u") == {"active": False}
