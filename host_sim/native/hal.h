/* SPDX-License-Identifier: MIT */
/* hal: what the native port asks of the operating system. */
#ifndef SIM_HAL_H
#define SIM_HAL_H
#include <stdint.h>

uint64_t hal_now_ns(void);                  /* CLOCK_MONOTONIC */
uint64_t hal_unix_ns(void);                 /* CLOCK_REALTIME */
uint32_t hal_random(uint8_t seed[16]);      /* 1: from a real source */
uint64_t hal_memory_bytes(void);

/* Makes a terminal raw; a pipe is left as it is. Undone at exit. */
void hal_terminal_raw(void);

/* Waits for input, at most timeout_ns. Bytes read; 0: nothing came; -1: the other side is gone or
 * wants us gone. */
int64_t hal_read(uint8_t *to, uint64_t size, uint64_t timeout_ns);
void hal_write(const void *at, uint64_t length);

/* A whole file, zero-terminated, 64-byte aligned, kept until exit; NULL with errno set. */
uint8_t *hal_file(const char *path, uint64_t most, uint64_t *length);
/* Zeroed and 64-byte aligned; ends the program when there is none. */
void *hal_memory(uint64_t bytes);

#endif
