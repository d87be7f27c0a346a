/* SPDX-License-Identifier: MIT */
/* bytes: comparing and reading what came from outside, always by length; and the assert that stays
 * on. */
#ifndef RAY_BASE_BYTES_H
#define RAY_BASE_BYTES_H
#include <stddef.h>
#include <stdint.h>
#include "ray/types.h"

/* Port symbols (DESIGN.md section 2). */
void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *a, const void *b, size_t length);
void ray_panic(const char *what) __attribute__((cold));

/* A freestanding compiler forgets what these do and calls the port even for eight bytes; told, it
 * makes loads and stores of a short one. */
#define memcpy __builtin_memcpy
#define memmove __builtin_memmove
#define memset __builtin_memset
#define memcmp __builtin_memcmp

/* What is mostly so, and what hardly ever is: so that a request's usual way lies in one piece. */
#define RAY_MOSTLY(condition) __builtin_expect(!!(condition), 1)
#define RAY_RARELY(condition) __builtin_expect(!!(condition), 0)

/* Keeps a pointer to a part of the state in a register: gcc 12 would derive the address of each of
 * its fields anew, by two or three instructions. */
#define RAY_KEEP(pointer) __asm__("" : "+r"(pointer))

#define RAY_TEXT_OF(x) #x
#define RAY_LINE_OF(x) RAY_TEXT_OF(x)
/* A broken invariant of our own stops the machine; no byte from outside may decide `condition`. */
#define ray_assert(condition)                                                                      \
    ((condition) ? (void)0 : ray_panic(__FILE__ ":" RAY_LINE_OF(__LINE__) ": " #condition))

uint32_t ray_same(const void *a, const void *b, uint64_t length);          /* 1 when equal */
uint64_t ray_length_of(const char *literal);    /* of one of our own, zero-terminated */
uint32_t ray_same_word(const char *at, uint64_t length, const char *literal);
uint32_t ray_same_ignoring_case(const char *a, const char *b, uint64_t length);   /* ASCII */
uint32_t ray_is_zero(const void *at, uint64_t length);
/* The value of a hexadecimal digit of either case, 16 of any other byte. */
static inline uint32_t ray_hex_value(uint8_t c)
{
    uint32_t digit = c - (uint32_t)'0', letter = (c | 0x20U) - (uint32_t)'a';
    return digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
}
uint32_t ray_read_u16(const uint8_t *at);                                  /* little-endian */
uint32_t ray_read_u32(const uint8_t *at);

/* Names: 1 to RAY_NAME_BYTES - 1 bytes of [A-Za-z0-9._:-], zero-padded to the end. */
uint32_t ray_name_valid(const ray_name *name);
uint32_t ray_name_length(const ray_name *name);
uint32_t ray_name_same(const ray_name *a, const ray_name *b);
/* 0 when `at` is no valid name; then *out is untouched. */
uint32_t ray_name_set(ray_name *out, const char *at, uint64_t length);

#endif
