# SPDX-License-Identifier: MIT
"""crypto: known answers, and nothing but the exact signature of the exact text is let through."""

from __future__ import annotations

import base64
import hashlib
import hmac
import pathlib
import random
import shutil
import subprocess

import pytest

from tests.jose import FFI, LIB, Views

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# RFC 6979 A.2.5: the key, and the signatures of two texts.
NUMBER = bytes.fromhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
POINT = bytes.fromhex("0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                      "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
SIGNED = {
    b"sample": "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
               "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    b"test": "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
             "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
}


def verify(signature: bytes, text: bytes = b"sample", point: bytes = POINT) -> int:
    view = Views()
    return LIB.ray_crypto_es256_verify(point, view(text), view(signature))


@pytest.mark.parametrize("text", SIGNED)
def test_es256_signs_as_rfc_6979_does(text):
    view, made, point = Views(), FFI.new("uint8_t[64]"), FFI.new("uint8_t[65]")
    assert LIB.ray_crypto_es256_sign(NUMBER, view(text), made) == 1
    assert bytes(made).hex() == SIGNED[text]
    assert LIB.ray_crypto_es256_point(NUMBER, point) == 1
    assert bytes(point) == POINT
    assert verify(bytes(made), text) == 1


@pytest.mark.parametrize("number", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_a_private_number_out_of_range_signs_nothing(number):
    view, made, point = Views(), FFI.new("uint8_t[64]"), FFI.new("uint8_t[65]")
    held = number.to_bytes(32, "big")
    assert LIB.ray_crypto_es256_sign(held, view(b"sample"), made) == 0
    assert LIB.ray_crypto_es256_point(held, point) == 0
    assert not any(bytes(made)) and not any(bytes(point))


def test_r_and_s_are_from_one_to_the_order():
    good = bytes.fromhex(SIGNED[b"sample"])
    r, s = good[:32], good[32:]
    for number in (0, ORDER, ORDER + int.from_bytes(s, "big") % 5, 2**256 - 1):
        held = number.to_bytes(32, "big")
        assert verify(held + s) == verify(r + held) == verify(held + held) == 0
    for length in (*range(64), 65, 66, 128):
        assert verify((good + good)[:length]) == 0
    assert verify(good) == 1


def test_every_flipped_bit_of_an_es256_signature_is_refused():
    good = bytes.fromhex(SIGNED[b"sample"])
    for bit in range(512):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        assert verify(bytes(bad)) == 0, bit


def test_a_point_off_the_curve_or_compressed_verifies_nothing():
    good = bytes.fromhex(SIGNED[b"sample"])
    for place, value in ((0, 0), (0, 2), (0, 3), (0, 6), (64, POINT[64] ^ 1), (1, POINT[1] ^ 1)):
        point = bytearray(POINT)
        point[place] = value
        assert verify(good, point=bytes(point)) == 0
    assert verify(good, point=b"\x04" + bytes(64)) == 0


@pytest.mark.parametrize("length", [0, 1, 31, 32, 63, 64, 65, 200])
def test_digest_and_tag_are_the_standard_ones(length):
    view, made = Views(), FFI.new("uint8_t[32]")
    key, text = bytes(range(length)), bytes(range(255, 255 - length, -1)) * 3
    LIB.ray_crypto_sha256(view(text), made)
    assert bytes(made) == hashlib.sha256(text).digest()
    LIB.ray_crypto_hmac_sha256(view(key), view(text), made)
    tag = hmac.digest(key, text, "sha256")
    assert bytes(made) == tag
    assert LIB.ray_crypto_hmac_sha256_verify(view(key), view(text), view(tag)) == 1
    for wrong in (b"", tag[:31], tag + b"\0", tag[:16], bytes(32)):
        assert LIB.ray_crypto_hmac_sha256_verify(view(key), view(text), view(wrong)) == 0


def test_one_bit_anywhere_is_a_difference():
    view = Views()
    for length in (1, 2, 31, 32, 33):
        held = bytes(range(7, 7 + length))
        assert LIB.ray_crypto_same(view(held).at, view(held).at, length) == 1
        for bit in range(length * 8):
            other = bytearray(held)
            other[bit // 8] ^= 1 << bit % 8
            assert LIB.ray_crypto_same(view(held).at, view(bytes(other)).at, length) == 0
    assert LIB.ray_crypto_same(view(b"").at, view(b"").at, 0) == 1


COUNTED = """
#include <stdlib.h>
#include "ray/crypto.h"
int main(int argc, char **argv)
{
    static uint8_t a[4096], b[4096];
    if (argc > 1 && atoi(argv[1]) >= 0)
        b[atoi(argv[1])] ^= 0x80;
    volatile uint32_t kept = 0;
    kept = ray_crypto_same(a, b, sizeof a);
    return (int)kept * 0;
}
"""


@pytest.mark.skipif(not shutil.which("valgrind"), reason="no valgrind to count instructions with")
def test_comparing_takes_the_same_work_wherever_the_difference_is(tmp_path: pathlib.Path):
    root = pathlib.Path(__file__).resolve().parents[2]
    (tmp_path / "count.c").write_text(COUNTED)
    objects = [str(root / "build/ext/tiny" / name) for name in ("kernel/base/crypto.o",)]
    objects += map(str, sorted((root / "build/ext/tiny/bearssl").rglob("*.o")))
    (tmp_path / "port.c").write_text("void ray_panic(const char *w) { (void)w; }\n")
    program = tmp_path / "count"
    subprocess.run(["gcc", "-O1", f"-I{root}/kernel/include", f"-I{root}/kernel/profiles/tiny",
                    str(tmp_path / "count.c"), str(tmp_path / "port.c"), *objects, "-o",
                    str(program)], check=True)
    counts = {}
    for place in (-1, 0, 1, 2048, 4095):
        out = tmp_path / f"out{place}"
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                        "--toggle-collect=ray_crypto_same", str(program), str(place)],
                       check=True, capture_output=True)
        lines = out.read_text().splitlines()
        counts[place] = next(int(line.split()[1]) for line in lines if line.startswith("summary:"))
    assert counts[-1] > 4096          # it looked at every byte
    assert len(set(counts.values())) == 1, counts


def hmac_drbg(seed: bytes, *lengths: int) -> list[bytes]:
    """NIST SP 800-90A 10.1.2, word by word."""
    key, value = bytes(32), b"\1" * 32

    def update(held: bytes) -> None:
        nonlocal key, value
        for round_ in range(2 if held else 1):
            key = hmac.digest(key, value + bytes([round_]) + held, "sha256")
            value = hmac.digest(key, value, "sha256")

    update(seed)
    out = []
    for length in lengths:
        made = b""
        while len(made) < length:
            value = hmac.digest(key, value, "sha256")
            made += value
        update(b"")
        out.append(made[:length])
    return out


def test_randomness_is_the_standard_generator():
    view, random, seed = Views(), FFI.new("ray_drbg *"), bytes(range(48))
    assert LIB.ray_crypto_random_seed(random, view(seed)) == LIB.RAY_OK
    for length, expected in zip((1, 32, 33, 100), hmac_drbg(seed, 1, 32, 33, 100), strict=True):
        made = FFI.new("uint8_t[]", length)
        assert LIB.ray_crypto_random(random, made, length) == LIB.RAY_OK
        assert bytes(made) == expected


def test_randomness_without_a_seed_is_refused_and_a_short_first_seed_too():
    view, random, made = Views(), FFI.new("ray_drbg *"), FFI.new("uint8_t[8]")
    assert LIB.ray_crypto_random(random, made, 8) == LIB.RAY_E_STATE
    assert LIB.ray_crypto_random_seed(random, view(bytes(15))) == LIB.RAY_E_RANGE
    assert bytes(FFI.buffer(random)) == bytes(FFI.sizeof("ray_drbg")) and bytes(made) == bytes(8)
    assert LIB.ray_crypto_random_seed(random, view(bytes(16))) == LIB.RAY_OK
    before = bytes(FFI.buffer(random))
    assert LIB.ray_crypto_random_seed(random, view(b"x")) == LIB.RAY_OK  # stirs what is there
    assert bytes(FFI.buffer(random)) != before


def read(text: bytes, room: int = 64) -> bytes | None:
    view, made = Views(), FFI.new("uint8_t[]", room + 1)
    length = LIB.ray_crypto_base64url_read(view(text), made, room)
    return None if length == LIB.RAY_NONE else bytes(made)[:length]


def test_base64url_has_one_text_for_each_value():
    view = Views()
    rows = {b"": b"", b"AA": b"\0", b"_-8": b"\xff\xef", b"Zm9vYmFy": b"foobar"}
    for text, held in rows.items():
        assert read(text) == held
        made = FFI.new("uint8_t[64]")
        assert LIB.ray_crypto_base64url_write(view(held), made, 64) == len(text)
        assert bytes(made)[:len(text)] == text
    for bad in (b"A", b"AAAAA", b"AA==", b"AA=", b"AB", b"AAB", b"+A", b"/w", b"A A", b"AA\n",
                b"\xffA", b"AA\0", b"Zm9v.YmFy"):
        assert read(bad) is None, bad
    assert read(b"Zm9v", 3) == b"foo" and read(b"Zm9v", 2) is None
    made = FFI.new("uint8_t[4]")
    assert LIB.ray_crypto_base64url_write(view(b"foo"), made, 3) == LIB.RAY_NONE


def test_base64url_of_any_length_is_what_python_reads_and_one_bad_letter_anywhere_is_none():
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    dice = random.Random(4648)
    for length in range(100):
        held = dice.randbytes(length)
        text = base64.urlsafe_b64encode(held).rstrip(b"=")
        assert read(text, 100) == held
        for at in range(len(text)):
            bad = bytearray(text)
            bad[at] = dice.choice([b for b in range(256) if b not in letters])
            assert read(bytes(bad), 100) is None, (text, bad)
    for at in range(9):     # the eight of a block and the one behind it, by every byte there is
        for byte in range(256):
            text = bytearray(b"AAAAAAAAAAAA")
            text[at] = byte
            assert (read(bytes(text)) is not None) == (byte in letters), (at, byte)


def test_every_pair_of_letters_is_one_byte_or_none():
    seen: dict[bytes, bytes] = {}
    for first in range(256):
        for second in range(256):
            held = read(bytes([first, second]))
            if held is not None:
                assert held not in seen and len(held) == 1
                seen[held] = bytes([first, second])
    assert len(seen) == 256
