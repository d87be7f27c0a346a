/* SPDX-License-Identifier: MIT */
/* md5.c - one block of RFC 1321, which is all that a short name needs. */
#include "base/md5.h"
#include "base/bytes.h"

static const uint32_t SINES[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static uint32_t mix(uint32_t round, uint32_t b, uint32_t c, uint32_t d, uint32_t i, uint32_t *word)
{
    switch (round) {
    case 0: *word = i; return (b & c) | (~b & d);
    case 1: *word = (5 * i + 1) % 16; return (d & b) | (~d & c);
    case 2: *word = (3 * i + 5) % 16; return b ^ c ^ d;
    default: *word = 7 * i % 16; return c ^ (b | ~d);
    }
}

void ray_md5_short(const uint8_t *at, uint64_t length, uint32_t digest[4])
{
    static const uint8_t turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23},
                                        {6, 10, 15, 21}};
    uint8_t block[64];
    uint32_t words[16], v[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    ray_assert(length <= 55);
    memset(block, 0, sizeof block);
    memcpy(block, at, length);
    block[length] = 0x80;
    block[56] = (uint8_t)(length * 8);
    block[57] = (uint8_t)(length * 8 >> 8);
    for (uint32_t i = 0; i < 16; i++)
        words[i] = ray_read_u32(block + i * 4);
    memcpy(digest, v, sizeof v);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t word, f = mix(i / 16, v[1], v[2], v[3], i, &word);
        uint32_t sum = v[0] + f + SINES[i] + words[word], turn = turns[i / 16][i % 4];
        v[0] = v[3];
        v[3] = v[2];
        v[2] = v[1];
        v[1] += sum << turn | sum >> (32 - turn);
    }
    for (uint32_t i = 0; i < 4; i++)
        digest[i] += v[i];
}
