/* SPDX-License-Identifier: MIT */
/* address.c - dotted IPv4 and RFC 4291 IPv6 text, strictly: no leading zeros, no zone, no port. */
#include "ray/text.h"
#include "base/bytes.h"

static uint32_t read_v4(const char *at, uint64_t length, uint8_t out[4])
{
    uint64_t i = 0;
    for (unsigned part = 0; part < 4; part++) {
        uint32_t value = 0, digits = 0;
        if (part > 0 && (i >= length || at[i++] != '.'))
            return 0;
        while (i < length && at[i] >= '0' && at[i] <= '9' && digits < 3) {
            value = value * 10 + (uint32_t)(at[i++] - '0');
            digits++;
        }
        if (digits == 0 || value > 255 || (digits > 1 && value < (digits == 2 ? 10U : 100U)))
            return 0;
        out[part] = (uint8_t)value;
    }
    return i == length;
}

/* Groups up to `end`; *count of them into `group`. A dotted tail counts as two. */
static uint32_t read_groups(const char *at, uint64_t length, uint16_t group[8], uint32_t *count)
{
    uint64_t i = 0;
    *count = 0;
    if (length == 0)
        return 1;
    for (;;) {
        uint64_t from = i;
        uint32_t value = 0;
        while (i < length && ray_hex_value((uint8_t)at[i]) < 16 && i - from < 5)
            value = value << 4 | ray_hex_value((uint8_t)at[i++]);
        if (i < length && at[i] == '.' && *count <= 6) {
            uint8_t four[4];
            if (!read_v4(at + from, length - from, four))
                return 0;
            group[(*count)++] = (uint16_t)(four[0] << 8 | four[1]);
            group[(*count)++] = (uint16_t)(four[2] << 8 | four[3]);
            return 1;
        }
        if (i == from || i - from > 4 || *count == 8)
            return 0;
        group[(*count)++] = (uint16_t)value;
        if (i == length)
            return 1;
        if (at[i++] != ':')
            return 0;
    }
}

static uint32_t read_v6(const char *at, uint64_t length, ray_address *out)
{
    uint16_t left[8], right[8];
    uint32_t left_count = 0, right_count = 0, gap = 0;
    uint64_t split = length;
    for (uint64_t i = 0; i + 1 < length; i++)
        if (at[i] == ':' && at[i + 1] == ':') {
            if (gap++ == 0)
                split = i;
            i++;
        }
    if (gap > 1 || !read_groups(at, split, left, &left_count))
        return 0;
    if (gap == 1 && !read_groups(at + split + 2, length - split - 2, right, &right_count))
        return 0;
    uint32_t total = left_count + right_count;
    if (gap == 0 ? total != 8 : total > 7)
        return 0;
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < left_count; i++) {
        out->at[2 * i] = (uint8_t)(left[i] >> 8);
        out->at[2 * i + 1] = (uint8_t)left[i];
    }
    for (uint32_t i = 0; i < right_count; i++) {
        uint32_t to = 2 * (8 - right_count + i);
        out->at[to] = (uint8_t)(right[i] >> 8);
        out->at[to + 1] = (uint8_t)right[i];
    }
    return 1;
}

uint32_t ray_address_read(const char *at, uint64_t length, ray_address *out)
{
    uint8_t four[4];
    if (read_v4(at, length, four)) {
        memset(out, 0, sizeof *out);
        out->at[10] = 0xff;
        out->at[11] = 0xff;
        memcpy(out->at + 12, four, sizeof four);
        return 1;
    }
    return length <= 45 && read_v6(at, length, out);
}
