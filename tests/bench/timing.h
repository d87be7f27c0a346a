/* SPDX-License-Identifier: MIT */
/* timing - what the C sides of the benchmark share: a clock, aligned memory, and how a result is
 * said. */
#ifndef RAY_BENCH_TIMING_H
#define RAY_BENCH_TIMING_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { ROUNDS = 9 };

void ray_panic(const char *what);
void ray_panic(const char *what)
{
    fprintf(stderr, "panic: %s\n", what);
    abort();
}

static inline uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void *aligned(uint64_t length)
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

static inline void say(uint64_t best_ns, uint64_t items, uint64_t granted)
{
    uint64_t picoseconds = best_ns * 1000 / items;
    printf("%llu %llu\n", (unsigned long long)picoseconds, (unsigned long long)granted);
}

#endif
