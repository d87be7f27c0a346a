/* SPDX-License-Identifier: MIT */
/* hal.c - what the core cannot have of its own: a clock, and a way to stop. The memory functions
 * and __stack_chk_fail are the C library's here; boot/libc.c shows a port that has none. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "shell.h"
#include "rayconfigport.h"

uint64_t hal_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void ray_panic(const char *what)
{
    fprintf(stderr, "panic: %s\n", what);
    abort();
}
