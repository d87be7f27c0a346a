/* SPDX-License-Identifier: MIT */
/* headers.c - one pass over a packed block, no copy; nothing after a fault is ever looked at. */
#include "base/headers.h"
#include "base/bytes.h"

static uint32_t is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static ray_view trimmed(const uint8_t *at, uint64_t length)
{
    while (length > 0 && is_blank(at[length - 1]))
        length--;
    while (length > 0 && is_blank(*at)) {
        at++;
        length--;
    }
    ray_view value = {at, length};
    return value;
}

uint32_t ray_headers_next(ray_view headers, ray_header_walk *walk)
{
    uint64_t left = headers.length - walk->at;
    if (walk->at >= headers.length || left < 4)
        return 0;
    const uint8_t *at = headers.at + walk->at;
    uint64_t name_length = ray_read_u16(at), value_length = ray_read_u16(at + 2);
    if (left - 4 < name_length + value_length)
        return 0;
    walk->name.at = at + 4;
    walk->name.length = name_length;
    walk->value = trimmed(at + 4 + name_length, value_length);
    walk->at += 4 + name_length + value_length;
    return 1;
}

static uint32_t is_named(ray_view view, const char *name, uint64_t length)
{
    return view.length == length &&
           ray_same_ignoring_case((const char *)view.at, name, length);
}

uint32_t ray_headers_find(ray_view headers, const char *name, uint64_t length, uint32_t nth,
                          ray_view *value)
{
    ray_header_walk walk = {0};
    while (ray_headers_next(headers, &walk))
        if (is_named(walk.name, name, length) && nth-- == 0) {
            *value = walk.value;
            return 1;
        }
    return 0;
}

/* Token characters of RFC 9110 as a bit set over 0x20-0x7f, less '_'. */
static uint32_t is_name_byte(uint8_t c)
{
    static const uint32_t token[3] = {0x03ff6cfa, 0x47fffffe, 0x57ffffff};
    return c >= 0x20 && c < 0x80 && (token[(c >> 5) - 1] >> (c & 31) & 1) != 0;
}

static uint32_t is_value_byte(uint8_t c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* What a client could hide from the next server by calling it hop-by-hop (Fabio CVE-2025-48865). */
static uint32_t is_ours(ray_view option)
{
    static const char names[][20] = {"host", "forwarded", "x-forwarded-for", "x-forwarded-host",
                                     "x-forwarded-proto", "x-real-ip", "authorization",
                                     "content-length", "x-request-id"};
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_named(option, names[i], ray_length_of(names[i])))
            return 1;
    return 0;
}

static uint32_t connection_sound(ray_view value)
{
    for (uint64_t from = 0; from <= value.length;) {
        uint64_t to = from;
        while (to < value.length && value.at[to] != ',')
            to++;
        if (is_ours(trimmed(value.at + from, to - from)))
            return 0;
        from = to + 1;
    }
    return 1;
}

/* Fields of which there may be one (RFC 9110 and 9112): a bit each; 0 for all others. Two of one
 * are refused, equal or not, because the next server may believe the other. */
static uint32_t single_bit(ray_view name)
{
    static const char names[][20] = {"host", "content-length", "transfer-encoding",
                                     "authorization", "content-type"};
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_named(name, names[i], ray_length_of(names[i])))
            return 1U << i;
    return 0;
}

enum { CONTENT_LENGTH_AND_TRANSFER_ENCODING = 6 };

uint32_t ray_headers_sound(ray_view headers)
{
    ray_header_walk walk = {0};
    uint32_t seen = 0;
    while (ray_headers_next(headers, &walk)) {
        if (walk.name.length == 0)
            return 0;
        for (uint64_t i = 0; i < walk.name.length; i++)
            if (!is_name_byte(walk.name.at[i]))
                return 0;
        for (uint64_t i = 0; i < walk.value.length; i++)
            if (!is_value_byte(walk.value.at[i]))
                return 0;
        uint32_t bit = single_bit(walk.name);
        if ((seen & bit) != 0)
            return 0;
        seen |= bit;
        if (walk.name.length == 10 && is_named(walk.name, "connection", 10) &&
            !connection_sound(walk.value))
            return 0;
    }
    if ((seen & CONTENT_LENGTH_AND_TRANSFER_ENCODING) == CONTENT_LENGTH_AND_TRANSFER_ENCODING)
        return 0;   /* no precedence rule: smuggling lives on them (CL and TE, RFC 9112 6.1) */
    return walk.at == headers.length;
}
