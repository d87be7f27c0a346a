/* SPDX-License-Identifier: MIT */
/* utf8.c - ASCII goes eight bytes at a time; all else is looked at byte by byte. */
#include "base/utf8.h"

static uint32_t is_more(uint8_t c)
{
    return (c & 0xc0U) == 0x80;
}

uint32_t ray_utf8_next(const uint8_t *at, uint64_t length, uint32_t *value)
{
    if (length == 0)
        return 0;
    uint32_t first = at[0];
    if (first < 0x80) {
        *value = first;
        return 1;
    }
    /* 0xc0, 0xc1 would be overlong; from 0xf5 on the value is above U+10FFFF. */
    if (first < 0xc2 || first > 0xf4 || length < 2 || !is_more(at[1]))
        return 0;
    if (first < 0xe0) {
        *value = (first & 0x1fU) << 6 | (at[1] & 0x3fU);
        return 2;
    }
    if (length < 3 || !is_more(at[2]))
        return 0;
    if (first < 0xf0) {
        *value = (first & 0x0fU) << 12 | (at[1] & 0x3fU) << 6 | (at[2] & 0x3fU);
        return *value < 0x800 || (*value >= 0xd800 && *value < 0xe000) ? 0 : 3;
    }
    if (length < 4 || !is_more(at[3]))
        return 0;
    *value = (first & 0x07U) << 18 | (at[1] & 0x3fU) << 12 | (at[2] & 0x3fU) << 6 |
             (at[3] & 0x3fU);
    return *value < 0x10000 || *value > 0x10ffff ? 0 : 4;
}

uint32_t ray_utf8_put(uint32_t value, uint8_t out[4])
{
    if (value < 0x80) {
        out[0] = (uint8_t)value;
        return 1;
    }
    if (value < 0x800) {
        out[0] = (uint8_t)(0xc0 | value >> 6);
        out[1] = (uint8_t)(0x80 | (value & 0x3f));
        return 2;
    }
    if (value < 0x10000) {
        out[0] = (uint8_t)(0xe0 | value >> 12);
        out[1] = (uint8_t)(0x80 | (value >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (value & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | value >> 18);
    out[1] = (uint8_t)(0x80 | (value >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (value >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (value & 0x3f));
    return 4;
}

uint64_t ray_utf8_valid(ray_view text)
{
    uint64_t i = 0;
    uint32_t value = 0;
    while (i < text.length) {
        if (text.length - i >= 8 && (ray_load_8(text.at + i) & RAY_EACH_TOP) == 0) {
            i += 8;
            continue;
        }
        uint32_t step = ray_utf8_next(text.at + i, text.length - i, &value);
        if (step == 0)
            return i;
        i += step;
    }
    return i;
}

uint64_t ray_utf8_count(ray_view text)
{
    uint64_t more = 0, i = 0;
    while (i < text.length) {
        if (text.length - i >= 8 && (ray_load_8(text.at + i) & RAY_EACH_TOP) == 0) {
            i += 8;
            continue;
        }
        more += is_more(text.at[i]);
        i++;
    }
    return text.length - more;
}
