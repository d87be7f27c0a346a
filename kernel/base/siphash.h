/* SPDX-License-Identifier: MIT */
/* siphash: keyed hashes (Aumasson and Bernstein 2012). 1-3 with 64 bits for tables, 2-4 with 128
 * bits for digests. */
#ifndef RAY_BASE_SIPHASH_H
#define RAY_BASE_SIPHASH_H
#include <stdint.h>

/* SipHash-1-3 of `length` bytes: identities and table positions. */
uint64_t ray_siphash(const uint8_t key[16], const uint8_t *at, uint64_t length);

/* The same as ray_siphash over the eight little-endian bytes of a number. */
uint64_t ray_siphash_word(const uint8_t key[16], uint64_t a);

/* The same over two 64-bit words, for keys that are numbers (an identity mixed with a rule's). */
uint64_t ray_siphash_words(const uint8_t key[16], uint64_t a, uint64_t b);

/* SipHash-2-4-128, streamed over input whose length is a multiple of 8: then it equals the
 * published function. A last piece of another length is padded with zeros and its true length goes
 * into the final word. */
typedef struct ray_sip_stream {
    uint64_t v[4];
    uint64_t length;
} ray_sip_stream;

void ray_sip_begin(ray_sip_stream *stream, const char key[16]);
void ray_sip_words(ray_sip_stream *stream, const uint64_t *words, uint64_t count);
/* Only the last call of a stream may have a length that is no multiple of 8. */
void ray_sip_bytes(ray_sip_stream *stream, const void *at, uint64_t length);
/* The digest so far; the stream itself goes on. */
void ray_sip_end(const ray_sip_stream *stream, uint8_t digest[16]);

#endif
