/* SPDX-License-Identifier: MIT */
/* reader_names.c - names to ids, and text to addresses. */
#include <stdlib.h>
#include <string.h>
#include "reader_parts.h"

/* -- names -- */

static uint64_t hash_of(const uint8_t *at, uint64_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (uint64_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

uint32_t ray_reader_name_length(const ray_name *name)
{
    uint32_t length = 0;

    while (length < RAY_NAME_BYTES && name->at[length])
        length++;
    return length;
}

uint32_t ray_reader_names_fill(ray_reader_names *names, const ray_name *from, uint32_t count)
{
    uint32_t size = 8;

    while (size < count * 2)
        size *= 2;
    names->names = calloc(count ? count : 1, sizeof *names->names);
    names->place = calloc(size, sizeof *names->place);
    if (!names->names || !names->place)
        return 0;
    if (count)
        memcpy(names->names, from, count * sizeof *from);
    names->mask = size - 1;
    names->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t slot = hash_of((const uint8_t *)from[i].at, ray_reader_name_length(&from[i]));
        while (names->place[slot & names->mask])
            slot++;
        names->place[slot & names->mask] = i + 1;
    }
    return 1;
}

uint32_t ray_reader_names_find(const ray_reader_names *names, const uint8_t *at, uint64_t length)
{
    if (length == 0 || length >= RAY_NAME_BYTES || names->count == 0)
        return RAY_NONE;
    for (uint64_t slot = hash_of(at, length);; slot++) {
        uint32_t place = names->place[slot & names->mask];
        if (!place)
            return RAY_NONE;
        if (memcmp(names->names[place - 1].at, at, length) == 0
            && names->names[place - 1].at[length] == 0)
            return place - 1;
    }
}

void ray_reader_names_free(ray_reader_names *names)
{
    free(names->names);
    free(names->place);
}

/* -- addresses -- */

/* Dotted decimal, four parts of at most 255 without leading zeros beyond "0". Returns the bytes it
 * took, 0: none. */
static uint64_t parse_v4(const uint8_t *at, uint64_t length, uint8_t out[4])
{
    uint64_t i = 0;

    for (uint32_t part = 0; part < 4; part++) {
        uint64_t start = i;
        uint32_t value = 0;
        while (i < length && i - start < 3 && (uint32_t)(at[i] - '0') <= 9)
            value = value * 10 + (uint32_t)(at[i++] - '0');
        if (i == start || value > 255 || (at[start] == '0' && i - start > 1))
            return 0;
        out[part] = (uint8_t)value;
        if (part < 3 && (i == length || at[i++] != '.'))
            return 0;
    }
    return i;
}

/* RFC 4291 text: groups of up to four digits, one "::", a dotted quad as the last two groups. */
static uint32_t parse_v6(const uint8_t *at, uint64_t length, ray_address *out)
{
    uint8_t bytes[16] = { 0 };
    uint32_t used = 0;
    uint32_t gap = 17;
    uint64_t i = 0;

    if (length >= 2 && at[0] == ':' && at[1] == ':') {
        gap = 0;
        i = 2;
    }
    while (i < length) {
        uint64_t start = i;
        uint32_t value = 0;
        if (used <= 12 && parse_v4(at + i, length - i, bytes + used) == length - i) {
            used += 4;
            break;
        }
        while (i < length && i - start < 4 && ray_reader_hex(at[i]) < 16)
            value = value << 4 | ray_reader_hex(at[i++]);
        if (i == start || used > 14)
            return 0;
        bytes[used++] = (uint8_t)(value >> 8);
        bytes[used++] = (uint8_t)value;
        if (i == length)
            break;
        if (at[i++] != ':' || i == length)
            return 0;
        if (at[i] == ':') {
            if (gap <= 16)
                return 0;
            gap = used;
            i++;
        }
    }
    if (gap > 16 ? used != 16 : used > 14)
        return 0;
    memset(out->at, 0, sizeof out->at);
    if (gap > 16) {
        memcpy(out->at, bytes, 16);
        return 1;
    }
    memcpy(out->at, bytes, gap);
    memcpy(out->at + 16 - (used - gap), bytes + gap, used - gap);
    return 1;
}

/* ":80" at the end is a port; anything else is not. */
static uint32_t is_port(const uint8_t *at, uint64_t length)
{
    uint64_t port;

    return length >= 2 && at[0] == ':' && at[1] >= '0' && at[1] <= '9'
           && ray_reader_decimal(at + 1, length - 1, 0, &port) && port <= 65535;
}

uint32_t ray_reader_parse_address(const uint8_t *at, uint64_t length, ray_address *out)
{
    uint8_t v4[4];
    uint64_t took;

    if (length == 0 || length > 64)
        return 0;
    if (at[0] >= '0' && at[0] <= '9') {
        took = parse_v4(at, length, v4);
        if (took && (took == length || is_port(at + took, length - took))) {
            memset(out->at, 0, 10);
            memset(out->at + 10, 0xff, 2);
            memcpy(out->at + 12, v4, 4);
            return 1;
        }
    }
    if (at[0] == '[') {
        const uint8_t *close = memchr(at, ']', length);
        uint64_t rest = close ? (uint64_t)(at + length - close - 1) : 0;
        if (!close || (rest && !is_port(close + 1, rest)))
            return 0;
        return parse_v6(at + 1, (uint64_t)(close - at - 1), out);
    }
    if (at[0] != ':' && ray_reader_hex(at[0]) > 15)
        return 0;
    return memchr(at, ':', length) ? parse_v6(at, length, out) : 0;
}
