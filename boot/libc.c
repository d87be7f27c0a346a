/* SPDX-License-Identifier: MIT */
/* libc.c - the four byte functions the core asks of its port. Word loops, because an emulated
 * string instruction costs one step per byte, and no library idioms, because the compiler would
 * turn the loops into calls to themselves. */
#include "boot.h"
#pragma GCC optimize("no-tree-loop-distribute-patterns", "O2")

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    for (; length >= 32; length -= 32, t += 32, f += 32) {
        word a = ((const word *)f)[0], b = ((const word *)f)[1];
        word c = ((const word *)f)[2], d = ((const word *)f)[3];
        ((word *)t)[0] = a;
        ((word *)t)[1] = b;
        ((word *)t)[2] = c;
        ((word *)t)[3] = d;
    }
    for (; length >= 8; length -= 8, t += 8, f += 8)
        *(word *)t = *(const word *)f;
    while (length--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if ((uintptr_t)t - (uintptr_t)f >= length)      /* t before f, or past its end */
        return memcpy(to, from, length);
    while (length >= 8) {
        length -= 8;
        *(word *)(t + length) = *(const word *)(f + length);
    }
    while (length--)
        t[length] = f[length];
    return to;
}

void *memset(void *to, int value, size_t length)
{
    uint8_t *t = to;
    word w = (uint8_t)value * 0x0101010101010101u;

    for (; length >= 64; length -= 64, t += 64) {
        ((word *)t)[0] = w;
        ((word *)t)[1] = w;
        ((word *)t)[2] = w;
        ((word *)t)[3] = w;
        ((word *)t)[4] = w;
        ((word *)t)[5] = w;
        ((word *)t)[6] = w;
        ((word *)t)[7] = w;
    }
    for (; length >= 8; length -= 8, t += 8)
        *(word *)t = w;
    while (length--)
        *t++ = (uint8_t)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const uint8_t *x = a, *y = b;

    for (; length >= 8 && *(const word *)x == *(const word *)y; length -= 8)
        x += 8, y += 8;
    for (; length; length--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

uint32_t same_text(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}
