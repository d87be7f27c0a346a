/* SPDX-License-Identifier: MIT */
/* formats.c - times a body on its way through the mediator: `formats BLOB HOW TRANSFORM BODY ITEMS
 * OUT`, a configuration as a file, check or write, the transform's name, the body as a file, how
 * many at a time, and where what was written goes. Prints the CPU time of one in picoseconds,
 * least of ROUNDS, and how many were good. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ray/ray.h"

enum { ROUNDS = 9, FILE_MAX = 1 << 20, OUT_MAX = 65536 };

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

static const ray_mediator *loaded(const char *name)
{
    static const uint8_t seed[64] = { 7 };
    ray_view blob = read_file(name);
    struct ray *ray = aligned(ray_bytes());
    struct ray_secrets *secrets = aligned(ray_secrets_bytes());
    ray_config_report report;
    ray_init(ray, seed);
    ray_secrets_init(secrets);
    if (ray_config_load(ray, secrets, 0, blob.at, blob.length, &report)) {
        fprintf(stderr, "%s: %s\n", name, ray_status_word(report.status));
        exit(2);
    }
    return ray_mediator_of(ray);
}

static ray_status once(const ray_mediator *mediator, uint32_t transform, uint32_t writes,
                       ray_view body, ray_text *out)
{
    ray_mediator_report report;
    out->length = 0;
    if (!writes)
        return ray_mediator_validate(mediator, transform, RAY_SIDE_REQUEST, body, &report);
    return ray_mediator_encode_request(mediator, transform, body, out, &report);
}

int main(int count, char **word)
{
    if (count != 7 || (strcmp(word[2], "check") && strcmp(word[2], "write")))
        return 2;
    const ray_mediator *mediator = loaded(word[1]);
    uint32_t writes = word[2][0] == 'w', transform = RAY_NONE;
    if (ray_mediator_find(mediator, word[3], strlen(word[3]), &transform))
        return 2;
    ray_view body = read_file(word[4]);
    ray_text out = { aligned(OUT_MAX), OUT_MAX, 0, 0, 0 };
    uint64_t items = strtoull(word[5], NULL, 10), best = UINT64_MAX, good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        good = 0;
        for (uint64_t i = 0; i < items; i++)
            good += once(mediator, transform, writes, body, &out) == RAY_OK;
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    FILE *file = fopen(word[6], "wb");
    if (!file || fwrite(out.at, 1, out.length, file) != out.length || fclose(file)) {
        perror(word[6]);
        return 2;
    }
    printf("%llu %llu\n", (unsigned long long)(best * 1000 / items), (unsigned long long)good);
    return good == items ? 0 : 1;
}
