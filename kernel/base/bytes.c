/* SPDX-License-Identifier: MIT */
/* bytes.c - nothing here looks for a terminator but ray_length_of, which only ever sees our own
 * literals. */
#include "base/bytes.h"
#include "base/eight.h"

/* Names are short: two words that may overlap are less than a call of the port. */
uint32_t ray_same(const void *a, const void *b, uint64_t length)
{
    const uint8_t *x = a, *y = b;
    if (length > 16)
        return memcmp(a, b, length) == 0;
    if (length >= 8)
        return ((ray_load_8(x) ^ ray_load_8(y)) |
                (ray_load_8(x + length - 8) ^ ray_load_8(y + length - 8))) == 0;
    if (length >= 4)
        return ((ray_read_u32(x) ^ ray_read_u32(y)) |
                (ray_read_u32(x + length - 4) ^ ray_read_u32(y + length - 4))) == 0;
    return length == 0 || ((x[0] ^ y[0]) | (x[length / 2] ^ y[length / 2]) |
                           (x[length - 1] ^ y[length - 1])) == 0;
}

uint64_t ray_length_of(const char *literal)
{
    uint64_t length = 0;
    while (literal[length] != '\0')
        length++;
    return length;
}

uint32_t ray_same_word(const char *at, uint64_t length, const char *literal)
{
    return ray_length_of(literal) == length && ray_same(at, literal, length);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

uint32_t ray_same_ignoring_case(const char *a, const char *b, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (lower(a[i]) != lower(b[i]))
            return 0;
    return 1;
}

uint32_t ray_is_zero(const void *at, uint64_t length)
{
    const uint8_t *bytes = at;
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

uint32_t ray_read_u16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

uint32_t ray_read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '-';
}

uint32_t ray_name_length(const ray_name *name)
{
    uint32_t length = 0;
    while (length < RAY_NAME_BYTES && name->at[length] != '\0')
        length++;
    return length;
}

uint32_t ray_name_valid(const ray_name *name)
{
    uint32_t length = ray_name_length(name);
    if (length == 0 || length >= RAY_NAME_BYTES)
        return 0;
    for (uint32_t i = 0; i < length; i++)
        if (!name_byte(name->at[i]))
            return 0;
    return ray_is_zero(name->at + length, RAY_NAME_BYTES - length);
}

uint32_t ray_name_same(const ray_name *a, const ray_name *b)
{
    return ray_same(a->at, b->at, RAY_NAME_BYTES);
}

uint32_t ray_name_set(ray_name *out, const char *at, uint64_t length)
{
    if (length == 0 || length >= RAY_NAME_BYTES)
        return 0;
    for (uint64_t i = 0; i < length; i++)
        if (!name_byte(at[i]))
            return 0;
    memset(out, 0, sizeof *out);
    memcpy(out->at, at, length);
    return 1;
}
