/* SPDX-License-Identifier: MIT */
/* base64.c - RFC 4648, strictly: one text for one value, so no two texts are the same token. */
#include "base/base64.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "base/eight.h"

static uint8_t letter_of(uint32_t value)
{
    static const char letters[65] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return (uint8_t)letters[value & 63U];
}

/* -- eight letters at once, each in its byte of a word, still without a branch or a table -- */
/* The values of eight letters, first letter in the lowest byte; *bad has a bit for every byte that
 * is none. */
static uint64_t values_of(uint64_t x, uint32_t plus, uint32_t slash, uint64_t *bad)
{
    uint64_t upper = ray_between_8(x, 'A', 'Z') >> 7, lower = ray_between_8(x, 'a', 'z') >> 7;
    uint64_t digit = ray_between_8(x, '0', '9') >> 7;
    uint64_t last = ray_between_8(x, plus, plus) >> 7;
    uint64_t other = ray_between_8(x, slash, slash) >> 7;
    /* What leads from letter to value, modulo 128; the ranges share no byte, so nothing carries. */
    uint64_t more = upper * (128 - 'A') + lower * (128 + 26 - 'a') + digit * (52 - '0') +
                    last * ((62 - plus) & 127U) + other * ((63 - slash) & 127U);
    *bad |= (upper | lower | digit | last | other) ^ RAY_EACH_BYTE;
    return ((x & ~RAY_EACH_TOP) + more) & RAY_EACH_BYTE * 63;
}

/* Eight values of six bits as 48 bits, the first highest. */
static uint64_t packed(uint64_t values)
{
    uint64_t w = __builtin_bswap64(values);
    w = (w & 0x3f003f003f003f00U) >> 2 | (w & 0x003f003f003f003fU);
    w = (w & 0x0fff00000fff0000U) >> 4 | (w & 0x00000fff00000fffU);
    return (w & 0x00ffffff00000000U) >> 8 | (w & 0x0000000000ffffffU);
}

uint32_t ray_base64_letters(ray_view text, uint32_t plus, uint32_t slash, uint8_t *to,
                            uint64_t room)
{
    uint64_t rest = text.length % 4, bytes = text.length / 4 * 3 + (rest != 0 ? rest - 1 : 0);
    uint64_t i = 0, count = 0, wrong = 0;
    uint32_t bits = 0, held = 0, bad = 0;
    if (rest == 1 || bytes > room || bytes >= RAY_NONE)
        return RAY_NONE;
    for (; text.length - i >= 8; i += 8, count += 6) {
        uint64_t six = packed(values_of(ray_load_8(text.at + i), plus, slash, &wrong)) << 16;
        six = __builtin_bswap64(six);
        memcpy(to + count, &six, 6); /* behind `i`: `to` may be text.at */
    }
    for (; i < text.length; i++) {
        uint32_t value = ray_base64_value(text.at[i], plus, slash);
        bad |= value & 64U;
        held = held << 6 | (value & 63U);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[count++] = (uint8_t)(held >> bits);
        }
    }
    bad |= held & ((1U << bits) - 1U); /* bits that no byte takes must be zero (RFC 4648 3.5) */
    return (bad | wrong) != 0 ? (uint32_t)RAY_NONE : (uint32_t)bytes;
}

uint32_t ray_crypto_base64url_read(ray_view text, uint8_t *to, uint64_t room)
{
    return ray_base64_letters(text, '-', '_', to, room);
}

uint32_t ray_crypto_base64url_write(ray_view bytes, uint8_t *to, uint64_t room)
{
    uint64_t rest = bytes.length % 3, count = 0;
    uint32_t bits = 0, held = 0;
    if (bytes.length >= RAY_NONE / 2 || bytes.length / 3 * 4 + (rest != 0 ? rest + 1 : 0) > room)
        return RAY_NONE;
    for (uint64_t i = 0; i < bytes.length; i++) {
        held = held << 8 | bytes.at[i];
        for (bits += 8; bits >= 6; bits -= 6)
            to[count++] = letter_of(held >> (bits - 6));
    }
    if (bits > 0)
        to[count++] = letter_of(held << (6 - bits));
    return (uint32_t)count;
}
