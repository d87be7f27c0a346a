/* SPDX-License-Identifier: MIT */
/* base64.c - RFC 4648, strictly: one text for one value, so no two texts are the same secret. */
#include "parts.h"
#include "base/base64.h"

uint32_t ray_base64_read(ray_view text, uint8_t *to, uint64_t room)
{
    if (text.length % 4 != 0)
        return RAY_NONE;
    for (uint32_t i = 0; i < 2 && text.length > 0 && text.at[text.length - 1] == '='; i++)
        text.length--;
    return ray_base64_letters(text, '+', '/', to, room);
}

void ray_base64url_put(ray_text *out, const uint8_t *at, uint64_t length)
{
    uint8_t letters[64];
    for (uint64_t i = 0; i < length; i += 48) {
        ray_view piece = {at + i, length - i < 48 ? length - i : 48};
        ray_text_bytes(out, (const char *)letters,
                       ray_crypto_base64url_write(piece, letters, sizeof letters));
    }
}
