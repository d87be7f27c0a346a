/* SPDX-License-Identifier: MIT */
/* json_text.c - escapes looked through: what a name or string means, and whether two are one. */
#include "base/json.h"
#include "base/json_text.h"
#include "base/bytes.h"
#include "base/utf8.h"

/* -- escapes -- */
uint32_t ray_json_unit(const uint8_t *at, uint64_t length)
{
    uint32_t value = 0;
    if (length < 4)
        return 0x10000;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t digit = ray_hex_value(at[i]);
        if (digit > 15)
            return 0x10000;
        value = value << 4 | digit;
    }
    return value;
}

uint64_t ray_json_escape(const uint8_t *at, uint32_t *value)
{
    switch (at[0]) {
    case 'b': *value = '\b'; return 1;
    case 'f': *value = '\f'; return 1;
    case 'n': *value = '\n'; return 1;
    case 'r': *value = '\r'; return 1;
    case 't': *value = '\t'; return 1;
    case 'u': break;
    default: *value = at[0]; return 1;
    }
    uint32_t high = ray_json_unit(at + 1, 4);
    *value = high;
    if (high < 0xd800 || high > 0xdfff)
        return 5;
    *value = 0x10000 + ((high - 0xd800) << 10) + (ray_json_unit(at + 7, 4) - 0xdc00);
    return 11;
}

/* The next bytes of a text that the reader let through: 1 to 4 of them. */
static uint32_t piece(ray_view text, uint64_t *i, uint8_t out[4])
{
    uint32_t value = 0;
    if (text.at[*i] != '\\') {
        out[0] = text.at[(*i)++];
        return 1;
    }
    *i += 1;
    *i += ray_json_escape(text.at + *i, &value);
    return ray_utf8_put(value, out);
}

uint32_t ray_json_decode(const ray_json_item *item, uint8_t *out, uint64_t capacity,
                         uint64_t *length)
{
    uint64_t i = 0, n = 0;
    uint8_t bytes[4];
    if (!item->escaped) {
        if (item->text.length > capacity)
            return 0;
        memcpy(out, item->text.at, item->text.length);
        *length = item->text.length;
        return 1;
    }
    while (i < item->text.length) {
        uint32_t step = piece(item->text, &i, bytes);
        if (step > capacity - n)
            return 0;
        for (uint32_t k = 0; k < step; k++)
            out[n++] = bytes[k];
    }
    *length = n;
    return 1;
}

uint32_t ray_json_is(const ray_json_item *item, const char *at, uint64_t length)
{
    uint64_t i = 0, n = 0;
    uint8_t bytes[4];
    if (!item->escaped)
        return item->text.length == length && ray_same(item->text.at, at, length);
    while (i < item->text.length) {
        uint32_t step = piece(item->text, &i, bytes);
        if (step > length - n || !ray_same(bytes, at + n, step))
            return 0;
        n += step;
    }
    return n == length;
}

/* -- names -- */
/* Up to seven bytes as a little-endian number. */
static uint64_t short_word(const uint8_t *at, uint64_t n)
{
    if (n >= 4)
        return (uint64_t)ray_read_u32(at) | (uint64_t)ray_read_u32(at + n - 4) << 8 * (n - 4);
    if (n == 0)
        return 0;
    return (uint64_t)at[0] | (uint64_t)at[n / 2] << 8 * (n / 2) |
           (uint64_t)at[n - 1] << 8 * (n - 1);
}

static __attribute__((noinline)) uint32_t digest_escaped(ray_view text)
{
    uint64_t head = 0, tail = 0, n = 0;
    uint8_t bytes[4];
    for (uint64_t i = 0; i < text.length;) {
        uint32_t step = piece(text, &i, bytes);
        for (uint32_t k = 0; k < step; k++, n++) {
            if (n < 8)
                head |= (uint64_t)bytes[k] << 8 * n;
            tail = tail >> 8 | (uint64_t)bytes[k] << 56;
        }
    }
    return ray_json_digest_of(head, tail, n);
}

uint32_t ray_json_digest(ray_view text, uint32_t escaped)
{
    uint64_t n = text.length;
    if (escaped)
        return digest_escaped(text);
    if (n < 8)
        return ray_json_digest_of(short_word(text.at, n), 0, n);
    return ray_json_digest_of(ray_load_8(text.at), ray_load_8(text.at + n - 8), n);
}

uint32_t ray_json_same(ray_view a, uint32_t a_escaped, ray_view b, uint32_t b_escaped)
{
    uint8_t x[4], y[4];
    uint64_t i = 0, j = 0;
    uint32_t x_left = 0, y_left = 0, x_all = 0, y_all = 0;
    if (!a_escaped && !b_escaped)
        return a.length == b.length && ray_same(a.at, b.at, a.length);
    for (;;) {
        if (x_left == 0 && i < a.length)
            x_all = x_left = piece(a, &i, x);
        if (y_left == 0 && j < b.length)
            y_all = y_left = piece(b, &j, y);
        if (x_left == 0 || y_left == 0)
            return x_left == y_left;
        if (x[x_all - x_left--] != y[y_all - y_left--])
            return 0;
    }
}
