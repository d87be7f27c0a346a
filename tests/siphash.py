# SPDX-License-Identifier: MIT
"""SipHash written from the paper, to check the core's against: c and d rounds, 64 or 128 bits out.
"""

MASK = (1 << 64) - 1


def rotl(x: int, n: int) -> int:
    return (x << n | x >> (64 - n)) & MASK


def rounds(v: list[int], n: int) -> None:
    for _ in range(n):
        v[0] = (v[0] + v[1]) & MASK
        v[2] = (v[2] + v[3]) & MASK
        v[1], v[3] = rotl(v[1], 13) ^ v[0], rotl(v[3], 16) ^ v[2]
        v[0] = rotl(v[0], 32)
        v[2] = (v[2] + v[1]) & MASK
        v[0] = (v[0] + v[3]) & MASK
        v[1], v[3] = rotl(v[1], 17) ^ v[2], rotl(v[3], 21) ^ v[0]
        v[2] = rotl(v[2], 32)


def siphash(key: bytes, data: bytes, *, c: int = 2, d: int = 4, bits: int = 64) -> bytes:
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    if bits == 128:
        v[1] ^= 0xEE
    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        rounds(v, c)
        v[0] ^= word
    v[2] ^= 0xEE if bits == 128 else 0xFF
    rounds(v, d)
    out = (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
    if bits == 128:
        v[1] ^= 0xDD
        rounds(v, d)
        out += (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
    return out
