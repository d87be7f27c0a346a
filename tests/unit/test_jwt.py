# SPDX-License-Identifier: MIT
"""Signed tokens as a request's is read: a token is its key's, in one spelling, or it is refused."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host_sim.errors import UnknownError
from tests.jose import FFI, LIB, Views, judge, letters, verifier

SECRET = bytes(range(32))
NUMBER = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
OWN = ec.derive_private_key(NUMBER, ec.SECP256R1())
POINT = OWN.public_key().public_bytes(
    serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
PRIVATE = OWN.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
PUBLIC = OWN.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
HS256 = verifier("HS256", SECRET, "k1")
ES256 = verifier("ES256", PRIVATE, "k1")
HEAD = b'{"alg":"HS256","kid":"k1"}'
PAYLOAD = b'{"sub":"u","exp":3600}'


def tagged(head: bytes, payload: bytes = PAYLOAD, secret: bytes = SECRET) -> bytes:
    """A token with any header, its tag right."""
    made, text = FFI.new("uint8_t[32]"), letters(head) + b"." + letters(payload)
    view = Views()
    LIB.ray_crypto_hmac_sha256(view(secret), view(text), made)
    return text + b"." + letters(bytes(made))


def sign(auth) -> bytes:
    return auth.issue_token("u", lifetime_ns=3600 * 10**9, now_ns=0).text.encode()


@pytest.mark.parametrize("auth", [HS256, ES256], ids=["hs256", "es256"])
def test_every_single_bit_change_of_a_token_is_refused(auth):
    token = sign(auth)
    assert judge(auth, token) == "ok"
    for bit in range(len(token) * 8):
        bad = bytearray(token)
        bad[bit // 8] ^= 1 << bit % 8
        assert judge(auth, bytes(bad)) != "ok", bit


def test_every_shorter_and_longer_token_is_refused():
    token = sign(HS256)
    for length in range(len(token)):
        assert judge(HS256, token[:length]) != "ok"
    for more in (b"=", b"A", b".", b"\0", b" ", b"\n", b".."):
        assert judge(HS256, token + more) != "ok"
        assert judge(HS256, more + token) != "ok"


@pytest.mark.parametrize(("head", "reason"), [
    (b'{"alg":"HS256","kid":"k1"}', "ok"),
    (b'{"alg":"HS256","kid":"k1","typ":"JWT"}', "ok"),
    (b'{"kid":"\\u006b1","alg":"HS256"}', "ok"),
    *[(b'{"alg":%s,"kid":"k1"}' % alg, "auth-algorithm") for alg in (
        b'"none"', b'"None"', b'"nOnE"', b'"NONE"', b'""', b'"hs256"', b'"HS384"', b'"RS256"',
        b'"ES256"', b'"HS256 "', b'["HS256"]', b"null", b"256", b'{"HS256":1}', b'"\\u0000"')],
    (b'{"kid":"k1"}', "auth-algorithm"),
    (b'{}', "auth-algorithm"),
    *[(b'{"alg":"HS256","kid":"k1","%s":%s}' % pair, "auth-key-unknown") for pair in (
        (b"jwk", b'{"kty":"oct","k":"AA"}'), (b"jku", b'"https://a.example"'),
        (b"x5u", b'"https://a.example"'), (b"x5c", b'["MII="]'))],
    (b'{"alg":"HS256","kid":"k1","j\\u0077k":{}}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1","crit":["exp"],"exp":1}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1","crit":[]}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1","b64":false}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1","enc":"A128GCM"}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1","zip":"DEF"}', "auth-token-bad"),
    *[(b'{"alg":"HS256","kid":"%s"}' % kid, "auth-key-unknown") for kid in (
        b"", b"k", b"k2", b"k11", b"K1", b"../../k1", b"k1\\u0000", b"k1' OR '1'='1", b"k" * 65,
        b"k" * 2000)],
    (b'{"alg":"HS256"}', "auth-key-unknown"),
    (b'{"alg":"HS256","kid":1}', "auth-key-unknown"),
    (b'{"alg":"HS256","kid":null}', "auth-key-unknown"),
    (b'{"alg":"HS256","alg":"HS256","kid":"k1"}', "auth-token-bad"),
    (b'{"alg":"none","\\u0061lg":"HS256","kid":"k1"}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k2","kid":"k1"}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1"}x', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1"', "auth-token-bad"),
    (b'["HS256"]', "auth-token-bad"),
    (b'"HS256"', "auth-token-bad"),
    (b'\xef\xbb\xbf{"alg":"HS256","kid":"k1"}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1","x":"\xff"}', "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1","x":' + b"[" * 40 + b"]" * 40 + b"}", "auth-token-bad"),
    (b'{"alg":"HS256","kid":"k1"' + b"".join(b',"%d":0' % i for i in range(63)) + b"}",
     "auth-token-bad"),
])
def test_a_header_is_judged_though_its_tag_is_right(head, reason):
    assert judge(HS256, tagged(head)) == reason


def test_the_key_says_the_algorithm():
    public = verifier("ES256", PUBLIC, "k1")
    forged = tagged(HEAD, secret=POINT)  # the public point as a secret (CVE-2015-9235)
    assert judge(verifier("HS256", POINT, "k1"), forged) == "ok"
    assert judge(public, forged) == "auth-algorithm"
    assert judge(ES256, sign(HS256)) == "auth-algorithm"
    assert judge(HS256, sign(ES256)) == "auth-algorithm"
    assert judge(public, sign(ES256)) == "ok"
    with pytest.raises(UnknownError):       # nobody signs here
        sign(public)
    empty = letters(HEAD) + b"." + letters(PAYLOAD) + b"." + letters(bytes(32))
    assert judge(HS256, empty) == "auth-signature"


def test_spellings_lengths_and_parts():
    good = tagged(HEAD)
    head, payload, tag = good.split(b".")
    rows = {
        b"": "auth-malformed", b"A" * 4097: "auth-malformed", b".": "auth-token-bad",
        b"..": "auth-token-bad", head + b"." + payload: "auth-token-bad",
        head + b"." + payload + b".": "auth-signature", head + b".." + tag: "auth-signature",
        b"." + payload + b"." + tag: "auth-token-bad", good + b".AA.AA": "auth-token-bad",
        good + b"=": "auth-token-bad", head + b"=." + payload + b"." + tag: "auth-token-bad",
        good.replace(head, head + b"A" * ((5 - len(head)) % 4)): "auth-token-bad",
        head + b"." + payload + b"." + tag[:-1] + b"+": "auth-token-bad",
        head + b"." + payload + b"." + tag[:-3]: "auth-signature",
        head + b"." + payload + b"." + b"A" * 1024: "auth-token-bad",
        head + b"." + letters(b'{"sub":"v"}') + b"." + tag: "auth-signature",
    }
    for token, reason in rows.items():
        assert judge(HS256, token) == reason, (token[:80], reason)


def test_signing_is_bounded():
    auth = verifier("HS256", SECRET, "k1")
    spec, row = FFI.new("ray_token_spec *"), FFI.new("ray_token *")
    spec.user, spec.user_length, spec.jwt, spec.tenant = b"u" * 64, 64, 0, LIB.RAY_NONE
    spec.role, text, room = 3, FFI.new("ray_text *"), FFI.new("char[4096]")

    def issue(size: int) -> int:
        FFI.memmove(room, bytes(4096), 4096)
        LIB.ray_text_init(text, room, size)
        return LIB.ray_auth_issue(auth._state, 0, 0, auth._secrets, spec, text, row)

    assert issue(4096) == LIB.RAY_OK
    whole = text.length
    assert judge(auth, bytes(FFI.buffer(room, whole)), 1) == "ok"
    for size in range(whole):
        assert issue(size) == LIB.RAY_E_TRUNCATED and text.length == 0
        assert not any(bytes(FFI.buffer(room))[size:])  # nothing behind the room
    assert auth.get_token_count(now_ns=1) == 1


def claims(payload: bytes, more: str = ""):
    """Whose token it is, or the reason why nobody's."""
    auth = verifier("HS256", SECRET, "k1", more)
    token = tagged(HEAD, payload)
    said = judge(auth, token)
    return auth.validate_token(token.decode(), now_ns=10 * 10**9) if said == "ok" else said


NAMES = 'issuer = "me"\naudience = "a"\nclaims = { tenant = "org", role = "roles" }'


def test_claims_are_read_by_their_names():
    text = json.dumps({
        "iss": "me", "sub": "u\u00e9 x", "aud": ["b", "a"], "exp": 86000, "nbf": 0, "iat": 5,
        "jti": "j", "org": "acme", "x": {"sub": [1, {"exp": "no"}]}, "roles": "", "scope": "a b",
    }).encode()
    found = claims(text, NAMES)
    assert (found.user_id, found.tenant, found.token_id != "") == ("u\u00e9 x", "acme", True)
    assert claims(b'{"exp":60}') == "auth-claim-bad" and claims(b"{}") == "auth-claim-bad"
    both = claims(b'{"sub":"acme","exp":60}', 'claims = { tenant = "sub", role = "sub" }')
    assert (both.user_id, both.tenant) == ("acme", "acme")


@pytest.mark.parametrize(("aud", "reason"), [
    (b'"a"', "ok"), (b'"b"', "auth-audience"), (b'["b","a"]', "ok"), (b"[]", "auth-audience"),
    (b'["a","a"]', "ok"), (b'"aa"', "auth-audience"), (b"1", "auth-audience"),
    (b'["a",1]', "auth-audience"), (b'[["a"]]', "auth-audience"), (b"{}", "auth-audience"),
    (b"null", "auth-audience")])
def test_audience_is_a_string_or_an_array_of_them(aud, reason):
    found = claims(b'{"sub":"u","exp":60,"aud":%s}' % aud, 'audience = "a"')
    assert (found if reason != "ok" else found.reason) == reason


@pytest.mark.parametrize(("payload", "reason"), [
    *[(bad, "auth-token-bad") for bad in (
        b"[]", b"1", b"{}x", b"{", b'{"exp":1,"exp":2}', b'{"exp":1,"\\u0065xp":2}',
        b'{"exp":01}', b'{"exp":+1}', b'{"exp":0x1}', b'{"exp":NaN}')],
    *[(b'{"sub":"u","exp":%s}' % bad, "auth-claim-bad") for bad in (
        b'"1"', b"-1", b"1.5", b"1e400", b"9000000001", b"18446744073709551616", b"null", b"true",
        b"[1]", b"{}")],
    *[(b'{"sub":"u","iss":"me","aud":"a","exp":60,%s}' % bad, "auth-claim-bad") for bad in (
        b'"nbf":"0"', b'"iat":-1', b'"jti":["a"]', b'"org":{}', b'"roles":1')],
    (b'{"sub":"u","exp":60,"iss":1}', "auth-issuer"),
    (b'{"iss":"me","aud":"a","exp":60,"sub":null}', "auth-claim-bad"),
    *[(b'{"iss":"me","aud":"a","exp":60,%s}' % bad, "auth-token-bad") for bad in (
        b'"sub":"\\ud800"', b'"sub":"u","x":"\\udc00\\ud800"', b'"sub":"\xff"',
        b'"sub":"\xc0\xaf"', b'"sub":"\xed\xa0\x80"', b'"sub":"\xf4\x90\x80\x80"',
        b'"sub":"u","x":{"\\u0061":1}', b'"sub":"u","x":[{"a":[{"b":1,"b":2}]}]',
        b'"sub":"u","x":{"a":1,"a":2}', b'"sub":"a","sub":"b"',
        b'"sub":"u",' + b",".join(b'"%d":0' % i for i in range(61)),
        b'"sub":"u","x":' + b"[" * 40 + b"]" * 40)],
])
def test_a_claim_of_a_wrong_type_or_twice_is_refused(payload, reason):
    assert claims(payload, NAMES) == reason
