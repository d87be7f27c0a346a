# SPDX-License-Identifier: MIT
"""jws: a token is its key's, in one spelling, or it is refused."""

from __future__ import annotations

import json

import pytest

from tests.jose import FFI, LIB, Views, judge, letters, sign

VIEW = Views()
SECRET = bytes(range(32))
NUMBER = bytes.fromhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
POINT = bytes.fromhex("0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                      "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
HS256 = VIEW.key(1, b"k1", secret=SECRET)
ES256 = VIEW.key(3, b"k1", secret=NUMBER, point=POINT)
PAYLOAD = b'{"sub":"u"}'


def tagged(head: bytes, payload: bytes = PAYLOAD) -> bytes:
    """A token with any header, its tag right."""
    made, text = FFI.new("uint8_t[32]"), letters(head) + b"." + letters(payload)
    view = Views()
    LIB.ray_crypto_hmac_sha256(view(SECRET), view(text), made)
    return text + b"." + letters(bytes(made))


@pytest.mark.parametrize("key", [HS256, ES256], ids=["hs256", "es256"])
def test_what_was_signed_is_verified(key):
    token = sign(key, PAYLOAD)
    assert judge(token, key) == LIB.RAY_JWS_GOOD
    opened, made = FFI.new("ray_jws *"), FFI.new("uint8_t[64]")
    view = Views()
    assert LIB.ray_jws_open(view(token), opened) == LIB.RAY_JWS_GOOD
    length = LIB.ray_jws_payload(opened, made, 64)
    assert bytes(made)[:length] == PAYLOAD
    assert LIB.ray_jws_payload(opened, made, len(PAYLOAD) - 1) == LIB.RAY_NONE


@pytest.mark.parametrize("key", [HS256, ES256], ids=["hs256", "es256"])
def test_every_single_bit_change_of_a_token_is_refused(key):
    token = sign(key, PAYLOAD)
    for bit in range(len(token) * 8):
        bad = bytearray(token)
        bad[bit // 8] ^= 1 << bit % 8
        assert judge(bytes(bad), key) != LIB.RAY_JWS_GOOD, bit


def test_every_shorter_and_longer_token_is_refused():
    token = sign(HS256, PAYLOAD)
    for length in range(len(token)):
        assert judge(token[:length], HS256) != LIB.RAY_JWS_GOOD
    for more in (b"=", b"A", b".", b"\0", b" ", b"\n", b".."):
        assert judge(token + more, HS256) != LIB.RAY_JWS_GOOD
        assert judge(more + token, HS256) != LIB.RAY_JWS_GOOD


@pytest.mark.parametrize(("head", "reason"), [
    (b'{"alg":"HS256","kid":"k1"}', "GOOD"),
    (b'{"alg":"HS256","kid":"k1","typ":"JWT"}', "GOOD"),
    (b'{"kid":"\\u006b1","alg":"HS256"}', "GOOD"),
    *[(b'{"alg":%s,"kid":"k1"}' % alg, "ALGORITHM") for alg in (
        b'"none"', b'"None"', b'"nOnE"', b'"NONE"', b'""', b'"hs256"', b'"HS384"', b'"RS256"',
        b'"ES256"', b'"HS256 "', b'["HS256"]', b"null", b"256", b'{"HS256":1}', b'"\\u0000"')],
    (b'{"kid":"k1"}', "ALGORITHM"),
    (b'{}', "ALGORITHM"),
    *[(b'{"alg":"HS256","kid":"k1","%s":%s}' % pair, "EMBEDDED") for pair in (
        (b"jwk", b'{"kty":"oct","k":"AA"}'), (b"jku", b'"https://a.example"'),
        (b"x5u", b'"https://a.example"'), (b"x5c", b'["MII="]'), (b"j\\u0077k", b"{}"))],
    (b'{"alg":"HS256","kid":"k1","crit":["exp"],"exp":1}', "CRITICAL"),
    (b'{"alg":"HS256","kid":"k1","crit":[]}', "CRITICAL"),
    (b'{"alg":"HS256","kid":"k1","b64":false}', "CRITICAL"),
    (b'{"alg":"HS256","kid":"k1","enc":"A128GCM"}', "PARTS"),
    (b'{"alg":"HS256","kid":"k1","zip":"DEF"}', "PARTS"),
    *[(b'{"alg":"HS256","kid":"%s"}' % kid, "KEY") for kid in (
        b"", b"k", b"k2", b"k11", b"K1", b"../../k1", b"k1\\u0000", b"k1' OR '1'='1", b"k" * 65)],
    (b'{"alg":"HS256"}', "KEY"),
    (b'{"alg":"HS256","kid":1}', "HEADER"),
    (b'{"alg":"HS256","kid":null}', "HEADER"),
    (b'{"alg":"HS256","alg":"HS256","kid":"k1"}', "HEADER"),
    (b'{"alg":"none","\\u0061lg":"HS256","kid":"k1"}', "HEADER"),
    (b'{"alg":"HS256","kid":"k2","kid":"k1"}', "HEADER"),
    (b'{"alg":"HS256","kid":"k1"}x', "HEADER"),
    (b'{"alg":"HS256","kid":"k1"', "HEADER"),
    (b'["HS256"]', "HEADER"),
    (b'"HS256"', "HEADER"),
    (b'\xef\xbb\xbf{"alg":"HS256","kid":"k1"}', "HEADER"),
    (b'{"alg":"HS256","kid":"k1","x":"\xff"}', "HEADER"),
    (b'{"alg":"HS256","kid":"%s"}' % (b"k" * 2000), "HEADER"),
    (b'{"alg":"HS256","kid":"k1","x":' + b"[" * 40 + b"]" * 40 + b"}", "HEADER"),
    (b'{"alg":"HS256","kid":"k1"' + b"".join(b',"%d":0' % i for i in range(20)) + b"}", "HEADER"),
])
def test_a_header_is_judged_though_its_tag_is_right(head, reason):
    assert judge(tagged(head), HS256) == getattr(LIB, f"RAY_JWS_{reason}")


def test_the_key_says_the_algorithm():
    public = VIEW.key(3, b"k1", point=POINT)
    confused = VIEW.key(1, b"k1", secret=POINT)  # the public point as a secret (CVE-2015-9235)
    forged = sign(confused, PAYLOAD)
    assert judge(forged, confused) == LIB.RAY_JWS_GOOD
    assert judge(forged, public) == LIB.RAY_JWS_ALGORITHM
    assert judge(sign(HS256, PAYLOAD), ES256) == LIB.RAY_JWS_ALGORITHM
    assert judge(sign(HS256, PAYLOAD), VIEW.key(2, b"k1")) == LIB.RAY_JWS_ALGORITHM
    assert judge(sign(HS256, PAYLOAD), VIEW.key(0, b"k1", secret=SECRET)) == LIB.RAY_JWS_ALGORITHM
    assert sign(public, PAYLOAD) is None and sign(VIEW.key(1, b"k1"), PAYLOAD) is None
    assert sign(VIEW.key(0, b"k1", secret=SECRET), PAYLOAD) is None
    head = letters(b'{"alg":"HS256","kid":"k1"}')
    empty = head + b"." + letters(PAYLOAD) + b"." + letters(bytes(32))
    assert judge(empty, VIEW.key(1, b"k1")) == LIB.RAY_JWS_SIGNATURE


def test_spellings_lengths_and_parts():
    head, payload, tag = sign(HS256, PAYLOAD).split(b".")
    good = b".".join((head, payload, tag))
    rows = {
        b"": "LENGTH", b"A" * 4097: "LENGTH", b".": "PARTS", b"..": "PARTS",
        head + b"." + payload: "PARTS", head + b"." + payload + b".": "PARTS",
        head + b".." + tag: "PARTS", b"." + payload + b"." + tag: "PARTS",
        good + b".AA.AA": "PARTS", good + b"=": "ENCODING", head + b"=." + payload + b"." + tag:
        "ENCODING", good.replace(head, head + b"A" * ((5 - len(head)) % 4)): "ENCODING",
        head + b"." + payload + b"." + tag[:-1] + b"+": "ENCODING",
        head + b"." + payload + b"." + tag[:-3]: "SIGNATURE",
        head + b"." + payload + b"." + b"A" * 1024: "SIGNATURE",
        head + b"." + letters(b'{"sub":"v"}') + b"." + tag: "SIGNATURE",
    }
    for token, reason in rows.items():
        assert judge(token, HS256) == getattr(LIB, f"RAY_JWS_{reason}"), (token[:80], reason)


def test_signing_is_bounded():
    assert sign(HS256, b"") is None and sign(HS256, b"x" * 4000) is None
    longest = sign(HS256, b"x" * 2980)
    assert longest is not None and judge(longest, HS256) == LIB.RAY_JWS_GOOD
    for kid in (b'a"b', b"a\\b", b"a\n", b"\x7f", b"a" * 65):
        assert sign(VIEW.key(1, kid, secret=SECRET), PAYLOAD) is None
    whole, made = sign(HS256, PAYLOAD), FFI.new("uint8_t[4096]")
    view = Views()
    for room in range(len(whole)):
        assert LIB.ray_jws_sign(HS256, view(PAYLOAD), made, room) == LIB.RAY_NONE
        assert not any(bytes(made)[room:])  # nothing behind the room


def claims(payload: bytes, **names: bytes):
    """The claims as a dict, None when refused."""
    view, out, held = Views(), FFI.new("ray_jws_claims *"), FFI.new("uint8_t[]", payload or b"\0")
    wanted = FFI.new("ray_jws_names *", {key: view(name) for key, name in names.items()})
    if LIB.ray_jws_claims_of(held, len(payload), wanted, out) != LIB.RAY_JWS_GOOD:
        return None
    found = {word: bytes(FFI.buffer(getattr(out, word).at, getattr(out, word).length))
             for word in ("iss", "sub", "jti", "tenant", "user", "role", "scope")
             if getattr(out, word).at != FFI.NULL}
    return found | {word: getattr(out, word) for word in ("exp", "nbf", "iat", "known")}


def test_claims_are_read_by_their_names():
    text = json.dumps({
        "iss": "me", "sub": "u\u00e9\n", "aud": ["a", "b"], "exp": 9000000000, "nbf": 0, "iat": 5,
        "jti": "j", "org": "acme", "x": {"sub": [1, {"exp": "no"}]}, "roles": "", "scope": "a b",
    }).encode()
    found = claims(text, audience=b"b", tenant=b"org", user=b"sub", role=b"roles", scope=b"scope")
    assert found == {
        "iss": b"me", "sub": "u\u00e9\n".encode(), "user": "u\u00e9\n".encode(), "jti": b"j",
        "tenant": b"acme", "role": b"", "scope": b"a b", "exp": 9000000000, "nbf": 0, "iat": 5,
        "known": 31}
    assert claims(b"{}") == {"exp": 0, "nbf": 0, "iat": 0, "known": 0}
    five = claims(b'{"sub":"s"}', tenant=b"sub", user=b"sub", role=b"sub", scope=b"sub")
    assert [five[word] for word in ("sub", "tenant", "user", "role", "scope")] == [b"s"] * 5


@pytest.mark.parametrize(("aud", "known"), [
    (b'"a"', 24), (b'"b"', 8), (b'["b","a"]', 24), (b"[]", 8), (b'["a","a"]', 24), (b'"aa"', 8)])
def test_audience_is_a_string_or_an_array_of_them(aud, known):
    assert claims(b'{"aud":%s}' % aud, audience=b"a")["known"] == known


@pytest.mark.parametrize("payload", [
    b"", b"[]", b"1", b"{}x", b"{", b'{"exp":1,"exp":2}', b'{"exp":1,"\\u0065xp":2}',
    *[b'{"exp":%s}' % bad for bad in (
        b'"1"', b"-1", b"1.5", b"1e400", b"9000000001", b"18446744073709551616", b"null", b"true",
        b"[1]", b"{}", b"01", b"+1", b"0x1", b"NaN")],
    b'{"nbf":"0"}', b'{"iat":-1}', b'{"iss":1}', b'{"sub":null}', b'{"jti":["a"]}',
    b'{"org":{}}', b'{"aud":1}', b'{"aud":["a",1]}', b'{"aud":[["a"]]}', b'{"aud":{}}',
    b'{"aud":null}', b'{"sub":"\\ud800"}', b'{"sub":"\xff"}', b'{"x":{"a":1,"a":2}}',
    b'{"sub":"a","sub":"b"}',
    b"{" + b",".join(b'"%d":0' % i for i in range(49)) + b"}",
    b'{"x":' + b"[" * 40 + b"]" * 40 + b"}"])
def test_a_claim_of_a_wrong_type_or_twice_is_refused(payload):
    assert claims(payload, tenant=b"org", audience=b"a") is None
