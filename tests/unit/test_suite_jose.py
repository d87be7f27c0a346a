# SPDX-License-Identifier: MIT
"""crypto: every vector of Wycheproof that our three algorithms have, and the RFC 7520 tokens."""

import collections
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.data import data
from tests.jose import FFI, LIB, Views, judge, letters, undone, verifier


def cases(name: str):
    suite = json.loads(data("jose", "wycheproof", name).read_text())
    found = [(group, case) for group in suite["testGroups"] for case in group["tests"]]
    assert len(found) == suite["numberOfTests"]
    return found


def judged(found, said) -> collections.Counter:
    """Counts the verdicts; every one must be the suite's, and `acceptable` counts as invalid."""
    wrong = [(case["tcId"], case["comment"]) for group, case in found
             if said(group, case) != (case["result"] == "valid")]
    assert wrong == []
    return collections.Counter(case["result"] for _, case in found)


def test_every_hmac_vector():
    def said(group, case):
        view = Views()
        key, text, tag = (bytes.fromhex(case[word]) for word in ("key", "msg", "tag"))
        if group["tagSize"] == 256:
            return LIB.ray_crypto_hmac_sha256_verify(view(key), view(text), view(tag)) == 1
        # A truncated tag is none of ours: the whole one's beginning is compared here, and refused.
        whole = FFI.new("uint8_t[32]")
        LIB.ray_crypto_hmac_sha256(view(key), view(text), whole)
        assert LIB.ray_crypto_hmac_sha256_verify(view(key), view(text), view(tag)) == 0
        return LIB.ray_crypto_same(whole, view(tag).at, len(tag)) == 1

    assert judged(cases("hmac_sha256_test.json"), said) == {"valid": 66, "invalid": 108}


def test_every_ecdsa_vector():
    def said(group, case):
        view = Views()
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        assert len(point) == LIB.RAY_CRYPTO_P256_POINT_BYTES
        text, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
        return LIB.ray_crypto_es256_verify(point, view(text), view(signature)) == 1

    found = cases("ecdsa_secp256r1_sha256_p1363_test.json")
    assert judged(found, said) == {"valid": 173, "invalid": 89}


def test_every_rsa_vector_and_none_is_acceptable_only():
    def said(group, case):
        view = Views()
        modulus, exponent = (bytes.fromhex(group["publicKey"][word]).lstrip(b"\0")
                             for word in ("modulus", "publicExponent"))
        key = view.rsa(modulus, exponent)
        text, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
        return LIB.ray_crypto_rs256_verify(key, view(text), view(signature)) == 1

    found = cases("rsa_signature_2048_sha256_test.json")
    assert judged(found, said) == {"valid": 9, "invalid": 249, "acceptable": 1}


def example(name: str) -> dict:
    return json.loads(data("jose", "rfc7520", f"{name}.json").read_text())


def test_rfc7520_rs256_is_verified_and_signed_to_the_letter():
    view, token = Views(), example("4_1.rsa_v15_signature")
    key = token["input"]["key"]
    numbers = [undone(key[word]) for word in ("n", "e", "p", "q", "dp", "dq", "qi")]
    text = view(token["signing"]["sig-input"].encode())
    signature = undone(token["signing"]["sig"])
    assert LIB.ray_crypto_rs256_verify(view.rsa(*numbers[:2]), text, view(signature)) == 1
    made = FFI.new("uint8_t[512]")
    assert LIB.ray_crypto_rs256_sign(view.rsa(*numbers), text, made) == 256
    assert bytes(made)[:256] == signature


@pytest.mark.parametrize("name", [
    "4_4.hmac-sha2_integrity_protection", "4_5.signature_with_detached_content",
    "4_6.protecting_specific_header_fields", "4_7.protecting_content_only"])
def test_rfc7520_hs256_tags_to_the_letter(name):
    view, token, made = Views(), example(name), FFI.new("uint8_t[32]")
    text = view(token["signing"]["sig-input"].encode())
    LIB.ray_crypto_hmac_sha256(view(undone(token["input"]["key"]["k"])), text, made)
    assert bytes(made) == undone(token["signing"]["sig"])


def test_rfc7520_pss_is_no_rs256():
    view, token = Views(), example("4_2.rsa-pss_signature")
    key = token["input"]["key"]
    public = view.rsa(undone(key["n"]), undone(key["e"]))
    text = view(token["signing"]["sig-input"].encode())
    assert LIB.ray_crypto_rs256_verify(public, text, view(undone(token["signing"]["sig"]))) == 0


def gateway(name: str):
    """A gateway with the key of this example."""
    key = example(name)["input"]["key"]
    if key["kty"] == "oct":
        return verifier("HS256", undone(key["k"]), key["kid"])
    n, e, p, q, d, dp, dq, qi = (int.from_bytes(undone(key[word]), "big")
                                 for word in ("n", "e", "p", "q", "d", "dp", "dq", "qi"))
    own = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n)).private_key()
    return verifier("RS256", own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()), key["kid"])


@pytest.mark.parametrize("name", ["4_1.rsa_v15_signature", "4_4.hmac-sha2_integrity_protection"])
def test_rfc7520_compact_tokens_pass_the_gateways_signature(name):
    """Their payload is prose, so behind the signature they end: as no JSON, and not before."""
    auth, text = gateway(name), example(name)["output"]["compact"].encode()
    assert judge(auth, text) == "auth-token-bad"
    signed, tag = text.rsplit(b".", 1)
    for place in range(len(undone(tag.decode()))):
        bad = bytearray(undone(tag.decode()))
        bad[place] ^= 1
        assert judge(auth, signed + b"." + letters(bytes(bad))) == "auth-signature", place


def test_rfc7520_what_is_not_ours_is_refused_for_what_it_is():
    auth = gateway("4_1.rsa_v15_signature")
    for name in ("4_2.rsa-pss_signature", "4_3.ecdsa_signature"):
        assert judge(auth, example(name)["output"]["compact"].encode()) == "auth-algorithm"
    auth = gateway("4_5.signature_with_detached_content")
    detached = example("4_5.signature_with_detached_content")["output"]["compact"].encode()
    assert judge(auth, detached) == "auth-signature"  # the empty text is not what was signed
    for name in ("4_6.protecting_specific_header_fields", "4_7.protecting_content_only",
                 "4_8.multiple_signatures"):
        output = example(name)["output"]
        assert "compact" not in output
        several = json.dumps(output["json"]).encode()[:LIB.RAY_AUTH_TOKEN_BYTES_MAX]
        assert judge(auth, several) == "auth-malformed"  # no bearer has a blank
        assert judge(auth, several.replace(b" ", b"")) in ("auth-unknown", "auth-token-bad")
