/* SPDX-License-Identifier: MIT */
/* headers.c - one pass over a packed block, no copy; nothing after a fault is ever looked at. */
#include "base/headers.h"
#include "base/bytes.h"

uint32_t ray_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

ray_view ray_trimmed(ray_view view)
{
    while (view.length > 0 && ray_is_blank(view.at[view.length - 1]))
        view.length--;
    while (view.length > 0 && ray_is_blank(*view.at)) {
        view.at++;
        view.length--;
    }
    return view;
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
    walk->value = ray_trimmed((ray_view){at + 4 + name_length, value_length});
    walk->at += 4 + name_length + value_length;
    return 1;
}

static uint32_t is_named(ray_view view, const char *name, uint64_t length)
{
    return view.length == length &&
           ray_same_ignoring_case((const char *)view.at, name, length);
}

uint32_t ray_view_is(ray_view view, const char *word)
{
    return is_named(view, word, ray_length_of(word));
}

uint32_t ray_view_same(ray_view a, ray_view b)
{
    return b.length != 0 && is_named(a, (const char *)b.at, b.length);
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

/* As a bit set over 0x20-0x7f. */
uint32_t ray_is_token_byte(uint8_t c)
{
    static const uint32_t token[3] = {0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
    return c >= 0x20 && c < 0x80 && (token[(c >> 5) - 1] >> (c & 31) & 1) != 0;
}

static uint32_t is_name_byte(uint8_t c)
{
    return c != '_' && ray_is_token_byte(c);
}

uint32_t ray_is_value_byte(uint8_t c)
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
        if (ray_view_is(option, names[i]))
            return 1;
    return 0;
}

static uint32_t connection_sound(ray_view value)
{
    for (uint64_t from = 0; from <= value.length;) {
        uint64_t to = from;
        while (to < value.length && value.at[to] != ',')
            to++;
        if (is_ours(ray_trimmed((ray_view){value.at + from, to - from})))
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
        if (ray_view_is(name, names[i]))
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
            if (!ray_is_value_byte(walk.value.at[i]))
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

static const char METHODS[RAY_METHOD_MAX][8] = {"OTHER", "GET",    "HEAD",  "POST",
                                                "PUT",   "DELETE", "PATCH", "OPTIONS"};

const char *ray_method_word(uint32_t method)
{
    return method < RAY_METHOD_MAX ? METHODS[method] : "?";
}

uint32_t ray_method_of(const char *at, uint64_t length)
{
    for (uint32_t i = RAY_METHOD_GET; i < RAY_METHOD_MAX; i++)
        if (ray_same_word(at, length, METHODS[i]))
            return i;
    return RAY_METHOD_OTHER;
}

uint32_t ray_sends_content(uint32_t method)
{
    return method == RAY_METHOD_POST || method == RAY_METHOD_PUT || method == RAY_METHOD_PATCH;
}
