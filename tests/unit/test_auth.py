# SPDX-License-Identifier: MIT
"""auth: nobody is known without a secret, a signature or an introspection server's word."""

import base64
import hashlib
import hmac
import json

import pytest

from host_sim.errors import (
    ArgumentError,
    ExistsError,
    FullError,
    RangeError,
    StaleError,
    StateError,
    UnknownError,
)
from host_sim.modules.auth import (
    EVERYTHING,
    NOTHING,
    AuthenticationManager,
    Identity,
    Need,
    Permission,
    Role,
    TokenType,
)

S = 1_000_000_000
KEY = b"0123456789abcdef0123456789abcdef"
READ, WRITE, EXECUTE, ADMIN = Permission


def manager(profile: str = "tiny", **more: object) -> AuthenticationManager:
    return AuthenticationManager(profile=profile, key=KEY, entropy=b"e" * 32,
                                 tenants=("acme", "beta"), services=("orders", "search"), **more)


@pytest.fixture
def auth() -> AuthenticationManager:
    return manager()


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(head: object, body: object, key: bytes = KEY) -> str:
    text = f"{encoded(head)}.{encoded(body)}"
    return f"{text}.{encoded(hmac.digest(key, text.encode(), 'sha256'))}"


HEAD = {"alg": "HS256", "typ": "JWT"}
BODY = {"sub": "anna", "iss": "raygate", "iat": 1, "exp": 3600, "role": "user"}


def reason_of(auth: AuthenticationManager, token: str, now_ns: int = 10 * S) -> str:
    before = auth.snapshot()
    found = auth.validate_token(token, now_ns=now_ns)
    assert auth.snapshot() == before  # validating changes nothing
    return found.reason


# -- tokens ----------------------------------------------------------------------------------------
def test_token_generation_and_validation(auth: AuthenticationManager) -> None:
    token = auth.issue_token("anna", Role.USER, tenant="acme", lifetime_ns=60 * S, now_ns=10 * S)
    assert (token.user_id, token.role, token.expiry, token.tenant) == ("anna", Role.USER, 70 * S,
                                                                       "acme")
    found = auth.validate_token(token, now_ns=69 * S + 999_999_999)
    assert (found.granted, found.user_id, found.tenant, found.role, found.token_id) == (
        True, "anna", "acme", Role.USER, token.token_id)
    assert found.permissions == READ | WRITE
    assert auth.validate_token(token, now_ns=70 * S).reason == "auth-expired"  # now < exp
    assert auth.get_token_count(now_ns=70 * S) == 0  # past its end the slot is free
    # An independent reader agrees about every byte.
    head, body, tag = token.text.split(".")
    assert encoded(hmac.digest(KEY, f"{head}.{body}".encode(), "sha256")) == tag
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert said == {"sub": "anna", "iss": "raygate", "jti": token.token_id, "role": "user",
                    "tenant": "acme", "iat": 10, "exp": 70}


def test_a_token_of_another_writer_is_read() -> None:
    auth = manager()
    found = auth.validate_token(signed(HEAD, BODY), now_ns=10 * S)
    assert found.granted and found.user_id == "anna" and found.token_id == ""


REFUSED = [
    # what, head, body, reason
    ("alg none", {"alg": "none"}, BODY, "auth-algorithm"),
    ("alg None", {"alg": "None"}, BODY, "auth-algorithm"),
    ("alg nOnE", {"alg": "nOnE"}, BODY, "auth-algorithm"),
    ("no alg", {"typ": "JWT"}, BODY, "auth-algorithm"),
    ("alg is a list", {"alg": ["HS256"]}, BODY, "auth-algorithm"),
    ("another algorithm", {"alg": "RS256"}, BODY, "auth-algorithm"),
    ("unknown kid", {"alg": "HS256", "kid": "../../x"}, BODY, "auth-key-unknown"),
    ("kid of SQL", {"alg": "HS256", "kid": "' or 1=1 --"}, BODY, "auth-key-unknown"),
    ("kid with NUL", {"alg": "HS256", "kid": "\0"}, BODY, "auth-key-unknown"),
    ("long kid", {"alg": "HS256", "kid": "k" * 500}, BODY, "auth-key-unknown"),
    ("embedded jwk", {"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}}, BODY, "auth-key-unknown"),
    ("embedded jku", {"alg": "HS256", "jku": "https://evil"}, BODY, "auth-key-unknown"),
    ("embedded x5u", {"alg": "HS256", "x5u": "https://evil"}, BODY, "auth-key-unknown"),
    ("unknown crit", {"alg": "HS256", "crit": ["b64"], "b64": False}, BODY, "auth-token-bad"),
    ("encrypted", {"alg": "HS256", "enc": "A128GCM"}, BODY, "auth-token-bad"),
    ("duplicate alg", b'{"alg":"HS256","alg":"HS256"}', BODY, "auth-token-bad"),
    ("duplicate claim", HEAD, b'{"sub":"a","exp":3600,"exp":9000}', "auth-token-bad"),
    ("duplicate inside", HEAD, b'{"sub":"a","exp":3600,"x":{"y":1,"y":2}}', "auth-token-bad"),
    ("escaped name", HEAD, b'{"sub":"a","exp":3600,"\\u0065xp":9000}', "auth-token-bad"),
    ("bad UTF-8", HEAD, b'{"sub":"\xc0\xaf","exp":3600}', "auth-token-bad"),
    ("trailing", HEAD, b'{"sub":"a","exp":3600}x', "auth-token-bad"),
    ("trailing comma", HEAD, b'{"sub":"a","exp":3600,}', "auth-token-bad"),
    ("no object", HEAD, b"[1]", "auth-token-bad"),
    ("deep", HEAD, b'{"sub":"a","exp":3600,"x":' + b"[" * 40 + b"]" * 40 + b"}",
     "auth-token-bad"),
    ("no exp", HEAD, {"sub": "anna", "iss": "raygate"}, "auth-claim-bad"),
    ("exp is text", HEAD, {**BODY, "exp": "3600"}, "auth-claim-bad"),
    ("exp is 1e400", HEAD, b'{"sub":"a","iss":"raygate","exp":1e400}', "auth-claim-bad"),
    ("exp is -1", HEAD, {**BODY, "exp": -1}, "auth-claim-bad"),
    ("exp is a fraction", HEAD, b'{"sub":"a","iss":"raygate","exp":3600.5}', "auth-claim-bad"),
    ("exp past time", HEAD, {**BODY, "exp": 10**15}, "auth-claim-bad"),
    ("nbf is text", HEAD, {**BODY, "nbf": "1"}, "auth-claim-bad"),
    ("no sub", HEAD, {"iss": "raygate", "exp": 3600}, "auth-claim-bad"),
    ("sub is a number", HEAD, {**BODY, "sub": 7}, "auth-claim-bad"),
    ("long sub", HEAD, {**BODY, "sub": "s" * 65}, "auth-claim-bad"),
    ("role is a number", HEAD, {**BODY, "role": 1}, "auth-claim-bad"),
    ("another issuer", HEAD, {**BODY, "iss": "evil"}, "auth-issuer"),
    ("no issuer", HEAD, {"sub": "anna", "exp": 3600}, "auth-issuer"),
    ("unknown tenant", HEAD, {**BODY, "tenant": "gamma"}, "auth-tenant"),
    ("not yet", HEAD, {**BODY, "nbf": 11}, "auth-not-yet"),
    ("expired", HEAD, {**BODY, "exp": 10}, "auth-expired"),
    ("too long", HEAD, {**BODY, "exp": 400 * 86_400}, "auth-lifetime"),
]


@pytest.mark.parametrize("what,head,body,reason", REFUSED, ids=[row[0] for row in REFUSED])
def test_bad_token_is_refused_and_counted(what: str, head: object, body: object,
                                          reason: str) -> None:
    auth = manager("seed")
    token = signed(head, body)
    assert reason_of(auth, token) == reason
    answer = auth.authenticate({"Authorization": f"Bearer {token}"}, now_ns=10 * S)
    assert (answer.granted, answer.reason) == (False, reason)
    assert answer.http_status == (403 if reason == "auth-tenant" else 401)
    assert auth.stats().reasons == {reason: 1} and auth.valid() == 0


def test_signature_decides_before_any_claim_is_read(auth: AuthenticationManager) -> None:
    good = signed(HEAD, BODY)
    head, body, tag = good.split(".")
    other = signed(HEAD, {**BODY, "sub": "eve"})
    zero = encoded(bytes(32))
    for bad in (f"{head}.{body}.{zero}", f"{head}.{body}.", f"{head}.{body}.{tag[:-3]}",
                f"{head}.{body}.{other.split('.')[2]}", signed(HEAD, BODY, b"x" * 32),
                signed(HEAD, {**BODY, "exp": "never"}, b"x" * 32)):
        assert reason_of(auth, bad) == "auth-signature"
    for bad in (f"{head}.{body}", f"{head}.{body}.{tag}=", f"{head}.{body}.{tag}.{tag}",
                f"{head}.{body}.{tag.replace('_', '/').replace('-', '+')}+", "..",
                f"{head}=.{body}.{tag}"):
        assert reason_of(auth, bad) == "auth-token-bad"


def test_any_single_bit_of_a_token_counts(auth: AuthenticationManager) -> None:
    token = signed(HEAD, BODY).encode()
    for place in range(len(token)):
        for bit in range(7):
            flipped = bytearray(token)
            flipped[place] ^= 1 << bit
            if not 0x21 <= flipped[place] <= 0x7E:
                continue
            found = auth.validate_token(flipped.decode(), now_ns=10 * S)
            assert not found.granted, (place, bit)


def test_an_audience_may_be_a_list() -> None:
    # The issuer of a manager alone looks at no audience: any shape passes, and none is required.
    auth = manager()
    assert reason_of(auth, signed(HEAD, {**BODY, "aud": ["shop", "desk"]})) == "ok"
    assert reason_of(auth, signed(HEAD, {**BODY, "iss": "raygate".replace("y", "\u0079")})) == "ok"


def test_refresh_rotates_and_reuse_revokes_the_family(auth: AuthenticationManager) -> None:
    first = auth.issue_token("anna", lifetime_ns=60 * S, now_ns=0)
    second = auth.refresh_token(first, now_ns=30 * S)
    assert second.token_id != first.token_id and second.family == first.family
    assert second.expiry == 90 * S
    assert auth.validate_token(first).reason == "auth-rotated"
    assert auth.validate_token(second).granted
    with pytest.raises(StateError, match="auth-rotated"):
        auth.refresh_token(first, now_ns=31 * S)
    assert auth.validate_token(second).reason == "auth-revoked"
    assert auth.stats().reused_count == 1 and auth.valid() == 0


def test_an_expired_token_is_not_refreshed(auth: AuthenticationManager) -> None:
    token = auth.issue_token("anna", lifetime_ns=60 * S, now_ns=0)
    with pytest.raises(StateError, match="auth-expired"):
        auth.refresh_token(token, now_ns=60 * S)
    assert auth.get_token_count() == 0 and auth.stats().error_count == 1


def test_a_family_ends(auth: AuthenticationManager) -> None:
    token = auth.issue_token("anna", lifetime_ns=20 * 86_400 * S, now_ns=0)
    token = auth.refresh_token(token, now_ns=19 * 86_400 * S)
    assert token.expiry == 30 * 86_400 * S  # no later than 30 days after the first
    with pytest.raises(StateError, match="auth-lifetime"):
        auth.refresh_token(token, now_ns=30 * 86_400 * S - 1)


def test_a_revoked_token_stays_revoked(auth: AuthenticationManager) -> None:
    token = auth.issue_token("anna", lifetime_ns=60 * S, now_ns=0)
    foreign = signed(HEAD, {**BODY, "jti": "from-elsewhere"})
    assert auth.validate_token(foreign, now_ns=S).granted
    auth.revoke_token(token)
    auth.revoke_token(foreign)
    auth.revoke_token(token)  # twice is once
    assert auth.validate_token(token).reason == "auth-revoked"
    assert auth.validate_token(foreign).reason == "auth-revoked"
    with pytest.raises(StateError):
        auth.refresh_token(token)
    assert auth.get_token_count() == 2
    with pytest.raises(StateError):
        auth.revoke_token(signed(HEAD, BODY, b"y" * 32))  # only what verifies


def test_a_full_table_issues_nothing_and_forgets_no_revocation(
        auth: AuthenticationManager) -> None:
    tokens = [auth.issue_token("anna", lifetime_ns=60 * S, now_ns=0) for _ in range(4)]
    auth.revoke_token(tokens[0])
    before = auth.snapshot()
    with pytest.raises(FullError):
        auth.issue_token("bob", lifetime_ns=60 * S, now_ns=0)
    assert auth.snapshot() == before
    with pytest.raises(FullError):
        auth.refresh_token(tokens[1], now_ns=0)
    assert [auth.validate_token(t).granted for t in tokens] == [False, True, True, True]
    auth.issue_token("bob", lifetime_ns=60 * S, now_ns=60 * S)  # free only after the end
    assert auth.get_token_count() == 1


def test_seed_profile_holds_256_tokens() -> None:
    auth = manager("seed")
    for count in range(256):
        auth.issue_token(f"u{count}", now_ns=0)
    with pytest.raises(FullError):
        auth.issue_token("one-too-many", now_ns=0)
    assert auth.get_token_count() == 256


def test_issuing_asks_for_sense(auth: AuthenticationManager) -> None:
    for bad, error in ((dict(user_id=""), ArgumentError), (dict(user_id="u" * 65), ArgumentError),
                       (dict(user_id='a"b'), ArgumentError), (dict(lifetime_ns=1), RangeError),
                       (dict(lifetime_ns=400 * 86_400 * S), RangeError),
                       (dict(tenant="gamma"), UnknownError), (dict(role=9), ArgumentError)):
        before = auth.snapshot()
        with pytest.raises(error):
            auth.issue_token(**{"user_id": "anna", **bad})
        assert auth.snapshot() == before


def test_a_verified_token_is_remembered_and_judged_anew(auth: AuthenticationManager) -> None:
    token = auth.issue_token("anna", lifetime_ns=60 * S, now_ns=0)
    head = {"Authorization": f"Bearer {token.text}"}
    answers = [auth.authenticate(head, now_ns=at * S).cached for at in (1, 2, 3)]
    assert answers == [False, True, True]
    assert (auth.stats().cache_fill_count, auth.stats().cache_hit_count) == (1, 2)
    auth.revoke_token(token)
    assert auth.authenticate(head, now_ns=4 * S).reason == "auth-revoked"
    other = auth.issue_token("bob", lifetime_ns=60 * S, now_ns=5 * S)
    head = {"Authorization": f"bearer {other.text}"}
    assert auth.authenticate(head).granted
    assert auth.authenticate(head, now_ns=65 * S).reason == "auth-expired"
    assert auth.valid() == 0


# -- API keys --------------------------------------------------------------------------------------
def test_api_key_management(auth: AuthenticationManager) -> None:
    entry = auth.register_api_key("acme.web", service_name="orders", tenant="acme", user="web")
    assert entry.secret is not None and entry.secret.startswith("acme.web.")
    assert len(entry.secret) == len("acme.web.") + 43
    found = auth.verify_api_key(entry.secret, service_name="orders", permission=READ)
    assert (found.granted, found.user_id, found.tenant, found.scheme) == (
        True, "web", "acme", TokenType.API_KEY)
    assert auth.verify_api_key(entry.secret, service_name="search").reason == "auth-service"
    assert auth.verify_api_key(entry.secret + "x", service_name="orders").reason == "auth-unknown"
    assert auth.verify_api_key("nobody.xyz").reason == "auth-unknown"  # the same word
    assert auth.verify_api_key("no-dot").reason == "auth-malformed"
    assert auth.list_api_keys()[0].secret is None
    with pytest.raises(ExistsError):
        auth.register_api_key("acme.web")
    auth.remove_api_key("acme.web")
    assert auth.verify_api_key(entry.secret).reason == "auth-unknown"
    with pytest.raises(UnknownError):
        auth.remove_api_key("acme.web")
    assert auth.valid() == 0


def test_two_secrets_live_side_by_side(auth: AuthenticationManager) -> None:
    old = auth.register_api_key("k").secret
    new = auth.rotate_api_key("k").secret
    assert old != new and old is not None and new is not None
    assert auth.verify_api_key(old).granted and auth.verify_api_key(new).granted
    with pytest.raises(FullError):
        auth.rotate_api_key("k")
    auth.retire_api_key("k")
    assert not auth.verify_api_key(old).granted and auth.verify_api_key(new).granted
    with pytest.raises(StateError):
        auth.retire_api_key("k")


def test_a_key_expires_and_is_disabled(auth: AuthenticationManager) -> None:
    entry = auth.register_api_key("k", expires=100 * S)
    assert auth.verify_api_key(entry.secret or "", now_ns=100 * S - 1).granted
    assert auth.verify_api_key(entry.secret or "", now_ns=100 * S).reason == "auth-expired"
    second = auth.register_api_key("l")
    auth.disable_api_key("l")
    assert auth.verify_api_key(second.secret or "").reason == "auth-disabled"
    auth.disable_api_key("l", disabled=False)
    assert auth.verify_api_key(second.secret or "").granted


def test_seed_profile_holds_512_keys() -> None:
    auth = manager("seed")
    for count in range(512):
        auth.register_api_key(f"k{count}")
    with pytest.raises(FullError):
        auth.register_api_key("one-too-many")
    assert len(auth.list_api_keys()) == 512


def test_a_removed_keys_handle_is_stale(auth: AuthenticationManager) -> None:
    auth.register_api_key("k")
    handle = auth._handle("k", TokenType.API_KEY)
    auth.remove_api_key("k")
    auth.register_api_key("l")
    with pytest.raises(StaleError):
        auth._entry(handle)


def test_basic_and_bearer(auth: AuthenticationManager) -> None:
    auth.register_api_key("anna", kind=TokenType.BASIC, password="pass:word", role=Role.GUEST)
    opaque = auth.register_api_key("ci", kind=TokenType.BEARER, role=Role.SERVICE_ACCOUNT).secret

    def basic(text: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    found = auth.authenticate(basic("anna:pass:word"))
    assert (found.granted, found.user_id, found.role) == (True, "anna", Role.GUEST)
    assert auth.authenticate(basic("anna:wrong")).reason == "auth-unknown"
    assert auth.authenticate(basic("bob:pass:word")).reason == "auth-unknown"
    assert auth.authenticate(basic("no-colon")).reason == "auth-malformed"
    assert auth.authenticate({"Authorization": "Basic !!!!"}).reason == "auth-malformed"
    found = auth.authenticate({"Authorization": f"Bearer {opaque}"})
    assert (found.user_id, found.permissions) == ("ci", READ | WRITE | EXECUTE)
    assert auth.authenticate({"Authorization": "Bearer nobody"}).reason == "auth-unknown"
    assert auth.authenticate({"Authorization": "Digest x"}).reason == "auth-scheme"


def test_one_request_shows_one_credential(auth: AuthenticationManager) -> None:
    key = auth.register_api_key("k").secret or ""
    token = auth.issue_token("anna", now_ns=0).text
    both = auth.authenticate({"X-API-Key": key, "Authorization": f"Bearer {token}"})
    assert (both.reason, both.http_status) == ("auth-ambiguous", 400)


def test_needs(auth: AuthenticationManager) -> None:
    key = auth.register_api_key("k").secret or ""
    rows = [  # need, header, reason, known
        (Need.NONE, {}, "ok", False), (Need.NONE, {"X-API-Key": "bad"}, "ok", False),
        (Need.OPTIONAL, {}, "ok", False), (Need.OPTIONAL, {"X-API-Key": key}, "ok", True),
        (Need.OPTIONAL, {"X-API-Key": "k.bad"}, "auth-unknown", False),
        (Need.REQUIRED, {}, "auth-required", False),
        (Need.REQUIRED, {"X-API-Key": key}, "ok", True)]
    for need, headers, reason, known in rows:
        found = auth.authenticate(headers, need=need)
        assert (found.reason, bool(found.user_id)) == (reason, known)
    stats = auth.stats()
    assert stats.asked_count == stats.granted_count + stats.denied_count == 7
    assert stats.anonymous_count == 3 and auth.valid() == 0


def test_the_challenge_says_what_to_show(auth: AuthenticationManager) -> None:
    assert auth.authenticate({}).challenge == 'Bearer realm="raygate"'
    auth.register_api_key("anna", kind=TokenType.BASIC, password="p")
    auth.register_api_key("k")
    assert auth.authenticate({"Authorization": "Bearer bad"}).challenge == (
        'Bearer realm="raygate", error="invalid_token", Basic realm="raygate", charset="UTF-8", '
        'ApiKey realm="raygate"')
    token = auth.issue_token("anna", Role.GUEST, now_ns=0)
    denied = auth.authenticate({"Authorization": f"Bearer {token.text}"}, permission=WRITE)
    assert denied.http_status == 403 and 'error="insufficient_scope"' in denied.challenge


# -- rights ----------------------------------------------------------------------------------------
def test_permission_enforcement(auth: AuthenticationManager) -> None:
    built_in = {Role.ADMIN: EVERYTHING, Role.SERVICE_ACCOUNT: READ | WRITE | EXECUTE,
                Role.USER: READ | WRITE, Role.GUEST: READ, Role.NONE: NOTHING}
    for role, rights in built_in.items():
        assert auth.permissions_of("x", role=role, service_name="orders") == rights
    auth.grant_permission("anna", EXECUTE, service_name="orders")
    assert auth.check_permission("anna", EXECUTE, role=Role.USER, service_name="orders")
    assert not auth.check_permission("anna", EXECUTE, role=Role.USER, service_name="search")
    auth.revoke_permission("anna", WRITE)
    assert auth.permissions_of("anna", role=Role.USER, service_name="orders") == READ | EXECUTE
    assert auth.permissions_of("anna", role=Role.ADMIN) == READ | EXECUTE | ADMIN  # revoked wins
    auth.grant_permission("anna", WRITE)
    assert auth.permissions_of("anna", role=Role.GUEST) == READ | WRITE
    auth.clear_permission("anna")
    auth.clear_permission("anna", service_name="orders")
    assert auth.permissions_of("anna", role=Role.USER, service_name="orders") == READ | WRITE
    with pytest.raises(UnknownError):
        auth.clear_permission("anna")
    assert not auth.check_permission("anna", Permission(16), role=Role.ADMIN)  # nobody defined it
    assert not auth.check_permission("anna", NOTHING, role=Role.ADMIN)


def test_granting_admin_gives_everything_in_one_tenant(auth: AuthenticationManager) -> None:
    auth.grant_permission("anna", ADMIN, tenant="acme")
    assert auth.permissions_of("anna", role=Role.GUEST, tenant="acme") == EVERYTHING
    assert auth.permissions_of("anna", role=Role.GUEST, tenant="beta") == READ


def test_a_token_gives_no_more_than_when_it_was_issued(auth: AuthenticationManager) -> None:
    token = auth.issue_token("anna", Role.USER, permissions=READ, now_ns=0)
    assert auth.check_permission(token, READ) and not auth.check_permission(token, WRITE)
    auth.grant_permission("anna", WRITE | EXECUTE)
    assert auth.validate_token(token).permissions == READ
    auth.revoke_permission("anna", READ)
    assert auth.validate_token(token).permissions == NOTHING
    auth.revoke_token(token)
    assert not auth.check_permission(token, READ)


def test_a_role_that_is_stated_has_what_is_stated(auth: AuthenticationManager) -> None:
    auth.set_role(Role.USER, READ, service_name="orders")
    assert auth.permissions_of("x", role=Role.USER, service_name="orders") == READ
    assert auth.permissions_of("x", role=Role.USER, service_name="search") == NOTHING
    with pytest.raises(ArgumentError):
        auth.set_role(Role.ADMIN, NOTHING)
    key = auth.register_api_key("k", permissions=WRITE).secret or ""
    found = auth.verify_api_key(key, service_name="orders", permission=READ)
    assert found.reason == "auth-permission" and found.permissions == NOTHING


def test_roles_of_a_user(auth: AuthenticationManager) -> None:
    auth.register_api_key("k", user="anna", role=Role.GUEST)
    token = auth.issue_token("anna", Role.SERVICE_ACCOUNT, lifetime_ns=60 * S, now_ns=0)
    assert auth.get_user_roles("anna") == (Role.SERVICE_ACCOUNT, Role.GUEST)
    auth.revoke_token(token)
    assert auth.get_user_roles("anna") == (Role.GUEST,)
    assert auth.get_user_roles("bob") == ()
    assert not auth.check_permission("bob", READ)


def test_grants_have_a_table(auth: AuthenticationManager) -> None:
    for name in "abcd":
        auth.grant_permission(name, READ)
    before = auth.snapshot()
    with pytest.raises(FullError):
        auth.grant_permission("e", READ)
    with pytest.raises(ArgumentError):
        auth.grant_permission("a", Permission(16))
    assert auth.snapshot() == before
    auth.clear_permission("a")
    auth.grant_permission("e", READ)
    assert auth.valid() == 0


def test_a_route_may_ask_for_a_role(auth: AuthenticationManager) -> None:
    user = auth.issue_token("anna", Role.USER, now_ns=0).text
    admin = auth.issue_token("root", Role.ADMIN, now_ns=0).text

    def reason(token: str) -> str:
        return auth.authenticate({"Authorization": f"Bearer {token}"},
                                 role=Role.SERVICE_ACCOUNT).reason
    assert (reason(user), reason(admin)) == ("auth-role", "ok")


# -- secrets ---------------------------------------------------------------------------------------
def shown(auth: AuthenticationManager, identity: Identity) -> bytes:
    """Every byte the module offers to anybody."""
    said = [auth.export(), auth.export(as_json=True), repr(auth.list_api_keys()), repr(identity),
            repr(auth.list_tokens()), repr(auth.stats())]
    return auth.snapshot() + "".join(said).encode()


def test_no_secret_leaves_but_once(auth: AuthenticationManager) -> None:
    entry = auth.register_api_key("k")
    token = auth.issue_token("anna", now_ns=0)
    found = auth.authenticate({"Authorization": f"Bearer {token.text}"})
    everything = shown(auth, found) + repr((entry, token)).encode()
    raw = bytes(auth.ffi.buffer(auth._secrets, auth.lib.ray_secrets_bytes()))
    secret = (entry.secret or "").rpartition(".")[2].encode()
    hidden = [KEY, secret, base64.urlsafe_b64decode(secret + b"="), raw[:64], raw[72:88],
              token.text.rpartition(".")[2].encode()]
    for held in hidden:
        for at in range(len(held) - 7):
            run = held[at : at + 8]
            assert len(set(run)) == 1 or run not in everything


def test_randomness_is_an_input() -> None:
    texts = [manager().issue_token("anna", now_ns=0).text for _ in range(2)]
    assert texts[0] == texts[1]
    other = AuthenticationManager(profile="tiny", key=KEY, entropy=b"f" * 32)
    assert other.issue_token("anna", now_ns=0).text != texts[0]
    assert manager().secret_source() == "port"
    with pytest.raises(RangeError):
        AuthenticationManager(profile="tiny", key=b"short")


def test_the_generator_is_hmac_drbg() -> None:
    """The first token id is what SP 800-90A says after the cache's 16 bytes were drawn."""
    def mac(key: bytes, *parts: bytes) -> bytes:
        return hmac.digest(key, b"".join(parts), hashlib.sha256)

    key, value = bytes(32), b"\1" * 32
    for round_ in (b"\0", b"\1"):
        key = mac(key, value, round_, b"e" * 32)
        value = mac(key, value)
    for _ in range(2):
        value = mac(key, value)
        drawn = value[:16]
        key = mac(key, value, b"\0")
        value = mac(key, value)
    assert manager().issue_token("anna", now_ns=0).token_id == drawn.hex()


