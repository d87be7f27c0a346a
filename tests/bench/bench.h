/* SPDX-License-Identifier: MIT */
/* bench.h - what the files of the C side of the benchmark share. */
#ifndef RAY_TESTS_BENCH_H
#define RAY_TESTS_BENCH_H
#include <stdint.h>
#include "ray/ray.h"

enum { ROUNDS = 9 };

typedef struct input {
    uint8_t *at;
    uint64_t length;
} input;

/* CPU time of this thread. */
uint64_t cpu_ns(void);
/* Zeroed memory on a cache line, in huge pages where it is large; never given back. */
void *aligned(uint64_t length);
/* A whole file, or the end of the program. */
input read_file(const char *name);
/* A core with this configuration blob, or the end of the program. */
struct ray *loaded(const char *blob_name);
/* The program's one line: picoseconds of an item, and how many were granted. */
void say(uint64_t best_ns, uint64_t items, uint64_t granted);

/* monitor.c: 0 when `word` named one of its measurements and it was printed. */
int monitor(int count, char **word);

#endif
