/* SPDX-License-Identifier: MIT */
/* token.c - times the verification of a token: `token BLOB TOKEN ITEMS`, a configuration with its
 * key and the token as files, and how many at a time. What is timed is what a request's token goes
 * through that was not seen before. Prints the CPU time of one in picoseconds, least of ROUNDS, and
 * how many were good. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ray/ray.h"

enum { ROUNDS = 9, FILE_MAX = 65536 };

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

static void *aligned(uint64_t length)
{
    void *at = NULL;
    if (posix_memalign(&at, 64, length))
        abort();
    memset(at, 0, length);
    return at;
}

static ray_view read_file(const char *name)
{
    uint8_t *at = aligned(FILE_MAX);
    FILE *file = fopen(name, "rb");
    if (!file) {
        perror(name);
        exit(2);
    }
    ray_view view = { at, fread(at, 1, FILE_MAX, file) };
    fclose(file);
    return view;
}

int main(int count, char **word)
{
    static const uint8_t seed[64] = { 7 };
    if (count != 4)
        return 2;
    ray_view blob = read_file(word[1]), token = read_file(word[2]);
    struct ray *ray = aligned(ray_bytes());
    struct ray_secrets *secrets = aligned(ray_secrets_bytes());
    ray_config_report report;
    ray_init(ray, seed);
    ray_secrets_init(secrets);
    if (ray_secrets_seed(secrets, seed, sizeof seed) ||
        ray_config_load(ray, secrets, 0, blob.at, blob.length, &report))
        return 2;
    uint64_t items = strtoull(word[3], NULL, 10), best = UINT64_MAX, good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        good = 0;
        for (uint64_t i = 0; i < items; i++) {
            ray_auth_answer answer;
            if (ray_auth_validate(ray_auth_of(ray), 0, 0, secrets, RAY_NONE, token, &answer))
                return 2;
            good += answer.granted;
        }
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    printf("%llu %llu\n", (unsigned long long)(best * 1000 / items), (unsigned long long)good);
    return good == items ? 0 : 1;
}
