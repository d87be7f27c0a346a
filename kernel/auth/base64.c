/* SPDX-License-Identifier: MIT */
/* base64.c - RFC 4648, strictly: one text for one value, so no two texts are the same secret. */
#include "parts.h"

/* Constant time in the letter: no table that a cache could tell about. */
static uint32_t value_of(uint32_t letter, uint32_t url)
{
    uint32_t plus = url != 0 ? '-' : '+', slash = url != 0 ? '_' : '/';
    uint32_t upper = letter - 'A', lower = letter - 'a', digit = letter - '0';
    uint32_t value = 64;
    value = upper < 26 ? upper : value;
    value = lower < 26 ? lower + 26 : value;
    value = digit < 10 ? digit + 52 : value;
    value = letter == plus ? 62 : value;
    return letter == slash ? 63 : value;
}

uint32_t ray_base64_read(ray_view text, uint32_t url, uint8_t *to, uint64_t room)
{
    uint64_t length = text.length, count = 0;
    uint32_t bits = 0, held = 0, bad = 0;
    if (url == 0) {
        if (length % 4 != 0)
            return RAY_NONE;
        for (uint32_t i = 0; i < 2 && length > 0 && text.at[length - 1] == '='; i++)
            length--;
    }
    if (length % 4 == 1 || length / 4 * 3 + (length % 4 != 0 ? length % 4 - 1 : 0) > room)
        return RAY_NONE;
    for (uint64_t i = 0; i < length; i++) {
        uint32_t value = value_of(text.at[i], url);
        bad |= value >> 6;
        held = held << 6 | (value & 63U);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[count++] = (uint8_t)(held >> bits);
        }
    }
    bad |= (held & ((1U << bits) - 1U)) != 0; /* bits past the last byte are zero (RFC 4648 3.5) */
    return bad != 0 ? (uint32_t)RAY_NONE : (uint32_t)count;
}

static char letter_of(uint32_t value)
{
    static const char letters[65] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return letters[value & 63U];
}

void ray_base64url_put(ray_text *out, const uint8_t *at, uint64_t length)
{
    uint32_t bits = 0, held = 0;
    for (uint64_t i = 0; i < length; i++) {
        held = held << 8 | at[i];
        for (bits += 8; bits >= 6; bits -= 6)
            ray_text_char(out, letter_of(held >> (bits - 6)));
    }
    if (bits > 0)
        ray_text_char(out, letter_of(held << (6 - bits)));
}
