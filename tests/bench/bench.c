/* SPDX-License-Identifier: MIT */
/* bench.c - memory, files and time for what is measured in C. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "bench.h"

void ray_panic(const char *what)
{
    fprintf(stderr, "panic: %s\n", what);
    abort();
}

uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void *aligned(uint64_t length)
{
    /* Big tables lie in huge pages where the kernel has them: a quarter less at a million keys. */
    void *at = NULL;
    if (posix_memalign(&at, length >= (2u << 20) ? 2u << 20 : 64, length + 64))
        abort();
    if (length >= (2u << 20))
        (void)madvise(at, length, MADV_HUGEPAGE);
    memset(at, 0, length + 64);
    return at;
}

input read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(name);
        exit(2);
    }
    input in = { NULL, (uint64_t)ftell(file) };
    in.at = aligned(in.length);
    rewind(file);
    if (fread(in.at, 1, in.length, file) != in.length)
        exit(2);
    fclose(file);
    return in;
}

struct ray *loaded(const char *blob_name)
{
    static const uint8_t seed[16] = { 7 };
    struct ray *ray = aligned(ray_bytes());
    input blob = read_file(blob_name);
    ray_config_report report;
    ray_init(ray, seed);
    if (ray_config_load(ray, NULL, 0, blob.at, blob.length, &report)) {
        fprintf(stderr, "%s: %s, section %u row %u field %u\n", blob_name,
                ray_status_word(report.status), report.section, report.row, report.field);
        exit(2);
    }
    return ray;
}

void say(uint64_t best_ns, uint64_t items, uint64_t granted)
{
    uint64_t picoseconds = best_ns * 1000 / items;
    printf("%llu %llu\n", (unsigned long long)picoseconds, (unsigned long long)granted);
}
