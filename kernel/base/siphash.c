/* SPDX-License-Identifier: MIT */
/* siphash.c - the two variants share one round; words are read little-endian on every machine.
 *
 * The round and the reads are inlined by force: a hash stands on every keyed decision and every
 * decision record, and called as functions they cost more than half of both. */
#include "base/siphash.h"
#include "base/eight.h"

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS uint64_t rotl(uint64_t x, unsigned n)
{
    return (x << n) | (x >> (64U - n));
}

ALWAYS void round_once(uint64_t v[4])
{
    v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0]; v[0] = rotl(v[0], 32);
    v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];
    v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];
    v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2]; v[2] = rotl(v[2], 32);
}

/* The last word: the bytes that are left of `length` at `at`, and the length modulo 256 in the top
 * byte. Behind eight others they are the end of a word that may be loaded whole. */
ALWAYS uint64_t tail_of(const uint8_t *at, uint64_t length)
{
    uint64_t word = (length & 0xffU) << 56, left = length & 7U;
    if (left != 0 && length > 8)
        return word | ray_load_8(at + length - 8) >> (64U - 8U * left);
    for (uint64_t i = 0; i < left; i++)
        word |= (uint64_t)at[length - left + i] << (8U * i);
    return word;
}

ALWAYS void keyed(uint64_t v[4], const uint8_t key[16])
{
    uint64_t k0 = ray_load_8(key), k1 = ray_load_8(key + 8);
    v[0] = k0 ^ 0x736f6d6570736575U;
    v[1] = k1 ^ 0x646f72616e646f6dU;
    v[2] = k0 ^ 0x6c7967656e657261U;
    v[3] = k1 ^ 0x7465646279746573U;
}

ALWAYS void absorb_13(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    round_once(v);
    v[0] ^= word;
}

ALWAYS uint64_t finish_13(uint64_t v[4])
{
    v[2] ^= 0xffU;
    round_once(v);
    round_once(v);
    round_once(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t ray_siphash(const uint8_t key[16], const uint8_t *at, uint64_t length)
{
    uint64_t v[4];
    keyed(v, key);
    uint64_t whole = length & ~(uint64_t)7;
    for (uint64_t i = 0; i < whole; i += 8)
        absorb_13(v, ray_load_8(at + i));
    absorb_13(v, tail_of(at, length));
    return finish_13(v);
}

uint64_t ray_siphash_word(const uint8_t key[16], uint64_t a)
{
    uint64_t v[4];
    keyed(v, key);
    absorb_13(v, a);
    absorb_13(v, (uint64_t)8 << 56);
    return finish_13(v);
}

uint64_t ray_siphash_words(const uint8_t key[16], uint64_t a, uint64_t b)
{
    uint64_t v[4];
    keyed(v, key);
    absorb_13(v, a);
    absorb_13(v, b);
    absorb_13(v, (uint64_t)16 << 56);
    return finish_13(v);
}

void ray_sip_begin(ray_sip_stream *stream, const char key[16])
{
    uint8_t bytes[16];
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (uint8_t)key[i];
    keyed(stream->v, bytes);
    stream->v[1] ^= 0xeeU;
    stream->length = 0;
}

ALWAYS void absorb_24(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    round_once(v);
    round_once(v);
    v[0] ^= word;
}

void ray_sip_words(ray_sip_stream *stream, const uint64_t *words, uint64_t count)
{
    uint64_t v[4] = {stream->v[0], stream->v[1], stream->v[2], stream->v[3]};
    for (uint64_t i = 0; i < count; i++)
        absorb_24(v, words[i]);
    for (unsigned i = 0; i < 4; i++)
        stream->v[i] = v[i];
    stream->length += count * 8;
}

void ray_sip_bytes(ray_sip_stream *stream, const void *at, uint64_t length)
{
    const uint8_t *bytes = at;
    uint64_t v[4] = {stream->v[0], stream->v[1], stream->v[2], stream->v[3]};
    uint64_t whole = length & ~(uint64_t)7;
    for (uint64_t i = 0; i < whole; i += 8)
        absorb_24(v, ray_load_8(bytes + i));
    if (length != whole) {
        uint64_t word = 0;
        for (uint64_t i = whole; i < length; i++)
            word |= (uint64_t)bytes[i] << (8U * (i & 7U));
        absorb_24(v, word);
    }
    for (unsigned i = 0; i < 4; i++)
        stream->v[i] = v[i];
    stream->length += length;
}

static void word_out(uint8_t *at, uint64_t word)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(word >> (8U * i));
}

void ray_sip_end(const ray_sip_stream *stream, uint8_t digest[16])
{
    uint64_t v[4] = {stream->v[0], stream->v[1], stream->v[2], stream->v[3]};
    absorb_24(v, (stream->length & 0xffU) << 56);
    v[2] ^= 0xeeU;
    for (unsigned i = 0; i < 4; i++)
        round_once(v);
    word_out(digest, v[0] ^ v[1] ^ v[2] ^ v[3]);
    v[1] ^= 0xddU;
    for (unsigned i = 0; i < 4; i++)
        round_once(v);
    word_out(digest + 8, v[0] ^ v[1] ^ v[2] ^ v[3]);
}
