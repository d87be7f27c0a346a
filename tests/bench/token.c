/* SPDX-License-Identifier: MIT */
/* token.c - times the verification of tokens: `token HS256|RS256|ES256 KEY TOKEN`, the key's
 * numbers and the token as files. Prints the CPU time of one in picoseconds, least of ROUNDS, and
 * how many were good. KEY holds each number behind its length, two bytes, little-endian. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ray/jws.h"
#include "base/bytes.h"

enum { ROUNDS = 9, FILE_MAX = 8192 };

void ray_panic(const char *what)
{
    fprintf(stderr, "panic: %s\n", what);
    abort();
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static ray_view read_file(const char *name)
{
    uint8_t *at = calloc(1, FILE_MAX);
    FILE *file = fopen(name, "rb");
    if (!at || !file) {
        perror(name);
        exit(2);
    }
    ray_view view = { at, fread(at, 1, FILE_MAX, file) };
    fclose(file);
    return view;
}

static ray_view take(ray_view *from)
{
    if (from->length < 2)
        return (ray_view){ NULL, 0 };
    uint64_t length = (uint64_t)from->at[0] | (uint64_t)from->at[1] << 8;
    ray_view number = { from->at + 2, length };
    from->at += 2 + length;
    from->length -= 2 + length;
    return number;
}

int main(int count, char **word)
{
    if (count != 4)
        return 2;
    ray_view held = read_file(word[2]), token = read_file(word[3]);
    ray_jws_key key = { .alg = word[1][0] == 'H' ? RAY_JWS_HS256 :
                               word[1][0] == 'R' ? RAY_JWS_RS256 : RAY_JWS_ES256 };
    ray_view first = take(&held);
    key.secret = first;
    key.point = first;
    key.rsa.modulus = first;
    key.rsa.exponent = take(&held);
    uint64_t items = key.alg == RAY_JWS_HS256 ? 20000 : 100, best = UINT64_MAX, good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        good = 0;
        for (uint64_t i = 0; i < items; i++) {
            ray_jws opened;
            good += ray_jws_open(token, &opened) == RAY_JWS_GOOD &&
                    ray_jws_verify(&opened, &key) == RAY_JWS_GOOD;
        }
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    printf("%llu %llu\n", (unsigned long long)(best * 1000 / items), (unsigned long long)good);
    return good == items ? 0 : 1;
}
