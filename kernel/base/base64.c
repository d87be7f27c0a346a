/* SPDX-License-Identifier: MIT */
/* base64.c - RFC 4648, strictly: one text for one value, so no two texts are the same token. */
#include "base/base64.h"
#include "base/crypto.h"

static uint8_t letter_of(uint32_t value)
{
    static const char letters[65] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return (uint8_t)letters[value & 63U];
}

uint32_t ray_base64_letters(ray_view text, uint32_t plus, uint32_t slash, uint8_t *to,
                            uint64_t room)
{
    uint64_t rest = text.length % 4, bytes = text.length / 4 * 3 + (rest != 0 ? rest - 1 : 0);
    uint32_t bits = 0, held = 0, bad = 0;
    if (rest == 1 || bytes > room || bytes >= RAY_NONE)
        return RAY_NONE;
    for (uint64_t i = 0, count = 0; i < text.length; i++) {
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
    return bad != 0 ? (uint32_t)RAY_NONE : (uint32_t)bytes;
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
