/* SPDX-License-Identifier: MIT */
/* headers.c - --header NAME:VALUE as the packed block the core reads. */
#include "parts.h"

static void pack_u16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

/* The value of a --header at word *i, which is moved on to it; 0 when the word is none. */
static const char *stated(const ray_call *call, uint32_t *i, uint32_t *length)
{
    const char *at = call->word[*i];
    *length = call->length[*i];
    if (*length >= 9 && ray_word_is(at, 9, "--header=")) {
        *length -= 9;
        return at + 9;
    }
    if (!ray_word_is(at, *length, "--header") || *i + 1 >= call->count)
        return 0;
    *i += 1;
    *length = call->length[*i];
    return call->word[*i];
}

/* A line is at most RAY_SHELL_LINE_MAX bytes, so what its words say fits four times. */
ray_status ray_call_headers(ray_call *call, uint8_t *to, uint32_t *used)
{
    *used = 0;
    for (uint32_t i = call->plain_count; i < call->count; i++) {
        uint32_t length, colon = 0;
        const char *at = stated(call, &i, &length);
        if (at == 0)
            continue;
        while (colon < length && at[colon] != ':')
            colon++;
        if (colon == 0 || colon == length)
            return ray_option_refuse(call, RAY_E_SYNTAX, "a header is NAME:VALUE, not", at, length);
        uint32_t value = colon + 1;
        while (value < length && at[value] == ' ')
            value++;
        pack_u16(to + *used, colon);
        pack_u16(to + *used + 2, length - value);
        __builtin_memcpy(to + *used + 4, at, colon);
        __builtin_memcpy(to + *used + 4 + colon, at + value, length - value);
        *used += 4 + colon + length - value;
    }
    return RAY_OK;
}
