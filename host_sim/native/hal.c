/* SPDX-License-Identifier: MIT */
/* hal.c - the native port's machine: two clocks, a terminal or a pipe, files and memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "hal.h"

enum { ALIGN = 64 };

static struct termios before;
static volatile sig_atomic_t asked_to_end;

/* -- time and chance -- */
static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

uint64_t hal_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t hal_unix_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

uint32_t hal_random(uint8_t seed[16])
{
    return getrandom(seed, 16, 0) == 16;
}

uint64_t hal_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

/* -- terminal -- */
static void restore(void)
{
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void end(int signal)
{
    (void)signal;
    asked_to_end = 1;
}

void hal_terminal_raw(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = end;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0)
        return;
    struct termios raw = before;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    atexit(restore);
}

int64_t hal_read(uint8_t *to, uint64_t size, uint64_t timeout_ns)
{
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000U),
                               (long)(timeout_ns % 1000000000U)};
    if (asked_to_end)
        return -1;
    int ready = ppoll(&in, 1, &timeout, NULL);
    if (ready <= 0)
        return asked_to_end ? -1 : 0;
    ssize_t got = read(STDIN_FILENO, to, size);
    if (got < 0 && errno == EINTR)
        return asked_to_end ? -1 : 0;
    return got > 0 ? (int64_t)got : -1;
}

void hal_write(const void *at, uint64_t length)
{
    const char *from = at;
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, from, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            asked_to_end = 1;
            return;
        }
        from += n;
        length -= (uint64_t)n;
    }
}

/* -- memory and files -- */
void *hal_memory(uint64_t bytes)
{
    void *at = aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN * ALIGN);
    if (at == NULL) {
        fprintf(stderr, "raygate-sim: no memory for %llu bytes\n", (unsigned long long)bytes);
        exit(3);
    }
    memset(at, 0, bytes);
    return at;
}

uint8_t *hal_file(const char *path, uint64_t most, uint64_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    uint8_t *at = hal_memory(most + 1);
    *length = fread(at, 1, most + 1, file);
    int failed = ferror(file);
    fclose(file);
    if (failed || *length > most) {
        errno = failed ? EIO : EFBIG;
        free(at);
        return NULL;
    }
    at[*length] = 0;
    return at;
}
