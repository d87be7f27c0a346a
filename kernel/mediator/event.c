/* SPDX-License-Identifier: MIT */
/* event.c - texts as their format wrote them, looked through piece by piece: nothing is copied
 * before it is written. */
#include "format_parts.h"
#include "base/utf8.h"

/* -- XML: only what the check let through comes here -- */
static uint32_t reference(ray_view text, uint64_t *i, uint8_t out[4])
{
    uint64_t at = *i + 1, end = at;
    uint32_t value = 0;
    while (text.at[end] != ';')
        end++;
    *i = end + 1;
    if (text.at[at] == '#') {
        uint32_t is_hex = text.at[at + 1] == 'x';
        for (at += 1 + is_hex; at < end; at++)
            value = value * (is_hex ? 16 : 10) + ray_hex_value(text.at[at]);
        return ray_utf8_put(value, out);
    }
    switch (text.at[at] == 'a' ? text.at[at + 1] : text.at[at]) {
    case 'l': out[0] = '<'; break;
    case 'g': out[0] = '>'; break;
    case 'q': out[0] = '"'; break;
    case 'm': out[0] = '&'; break;
    default: out[0] = '\''; break;
    }
    return 1;
}

static uint32_t starts(ray_view text, uint64_t i, const char *word, uint64_t length)
{
    return text.length - i >= length && ray_same(text.at + i, word, length);
}

#define IN_CDATA ((uint64_t)1 << 63)

/* Inside a CDATA section the cursor carries a bit: there nothing but its end is special. */
static uint32_t xml_piece(ray_view text, uint32_t encoding, uint64_t *i, uint8_t out[4])
{
    for (;;) {
        uint64_t at = *i & ~IN_CDATA, inside = *i & IN_CDATA;
        if (at >= text.length)
            return 0;
        uint8_t c = text.at[at];
        if (inside && c == ']' && starts(text, at, "]]>", 3)) {
            *i = at + 3;
            continue;
        }
        if (!inside && c == '<') {
            *i = starts(text, at, "<![CDATA[", 9) ? (at + 9) | IN_CDATA
                                                  : ray_xml_skip_special(text, at);
            continue;
        }
        if (!inside && c == '&')
            return reference(text, i, out);
        at++;
        if (c == '\r') {
            if (at < text.length && text.at[at] == '\n')
                at++;
            c = '\n';
        }
        if (encoding == RAY_ENCODING_ATTRIBUTE && (c == '\n' || c == '\t'))
            c = ' ';
        *i = at | inside;
        out[0] = c;
        return 1;
    }
}

static uint32_t form_piece(ray_view text, uint64_t *i, uint8_t out[4])
{
    uint8_t c = text.at[*i];
    *i += 1;
    out[0] = c == '+' ? ' ' : c;
    if (c == '%' && text.length - *i >= 2) {
        uint32_t high = ray_hex_value(text.at[*i]), low = ray_hex_value(text.at[*i + 1]);
        if (high < 16 && low < 16) {
            out[0] = (uint8_t)(high << 4 | low);
            *i += 2;
        }
    }
    return 1;
}

uint32_t ray_format_piece(ray_view text, uint32_t encoding, uint64_t *i, uint8_t out[4])
{
    uint32_t value = 0;
    if (encoding >= RAY_ENCODING_QUOTED)
        return ray_mime_piece(text, encoding, i, out);
    if (encoding == RAY_ENCODING_XML || encoding == RAY_ENCODING_ATTRIBUTE)
        return xml_piece(text, encoding, i, out);
    if (*i >= text.length)
        return 0;
    if (encoding == RAY_ENCODING_FORM)
        return form_piece(text, i, out);
    if (encoding == RAY_ENCODING_JSON && text.at[*i] == '\\') {
        *i += 1;
        *i += ray_json_escape(text.at + *i, &value);
        return ray_utf8_put(value, out);
    }
    out[0] = text.at[(*i)++];
    return 1;
}

uint32_t ray_format_text_is(ray_view text, uint32_t encoding, const uint8_t *at, uint64_t length)
{
    uint64_t i = 0, n = 0;
    uint8_t piece[4];
    if (encoding == RAY_ENCODING_PLAIN)
        return text.length == length && ray_same(text.at, at, length);
    for (;;) {
        uint32_t step = ray_format_piece(text, encoding, &i, piece);
        if (step == 0)
            return n == length;
        if (step > length - n || !ray_same(piece, at + n, step))
            return 0;
        n += step;
    }
}

uint64_t ray_format_count(ray_view text, uint32_t encoding)
{
    uint64_t i = 0, n = 0;
    uint8_t piece[4];
    uint32_t step;
    if (encoding == RAY_ENCODING_PLAIN)
        return ray_utf8_count(text);
    while ((step = ray_format_piece(text, encoding, &i, piece)) != 0)
        for (uint32_t k = 0; k < step; k++)
            n += (piece[k] & 0xc0U) != 0x80;
    return n;
}

uint32_t ray_format_utf8(ray_view text, uint32_t encoding)
{
    uint64_t i = 0;
    uint8_t piece[4], held[8];
    uint32_t n = 0, step = 1, value = 0;
    if (encoding == RAY_ENCODING_PLAIN)
        return ray_utf8_valid(text) == text.length;
    while (step != 0) {
        step = ray_format_piece(text, encoding, &i, piece);
        for (uint32_t k = 0; k < step; k++)
            held[n++] = piece[k];
        while (n >= 4 || (step == 0 && n > 0)) {
            uint32_t taken = ray_utf8_next(held, n, &value);
            if (taken == 0)
                return 0;
            n -= taken;
            memmove(held, held + taken, n);
        }
    }
    return 1;
}

uint32_t ray_format_copy(ray_view text, uint32_t encoding, uint8_t *out, uint64_t capacity,
                         uint64_t *length)
{
    uint64_t i = 0, n = 0;
    uint8_t piece[4];
    uint32_t step;
    if (encoding == RAY_ENCODING_PLAIN) {
        if (text.length > capacity)
            return 0;
        memcpy(out, text.at, text.length);
        *length = text.length;
        return 1;
    }
    while ((step = ray_format_piece(text, encoding, &i, piece)) != 0) {
        if (step > capacity - n)
            return 0;
        for (uint32_t k = 0; k < step; k++)
            out[n++] = piece[k];
    }
    *length = n;
    return 1;
}

/* -- decimals -- */
/* Sign of |a| - |b|; neither is 0. Powers of ten that are more than 19 apart decide, since a
 * mantissa has at most 20 digits; nearer ones are made one. */
static int32_t compare_magnitude(const ray_format_decimal *a, const ray_format_decimal *b)
{
    int64_t apart = (int64_t)a->exponent - b->exponent;
    uint64_t m = a->mantissa, n = b->mantissa;
    if (apart < -19 || apart > 19)
        return apart < 0 ? -1 : 1;
    if (apart > 0 && !ray_json_scale(&m, (uint32_t)apart))
        return 1;
    if (apart < 0 && !ray_json_scale(&n, (uint32_t)-apart))
        return -1;
    return m < n ? -1 : m > n;
}

int32_t ray_format_compare(const ray_format_decimal *a, const ray_format_decimal *b)
{
    int32_t x = a->mantissa == 0 ? 0 : a->negative ? -1 : 1;
    int32_t y = b->mantissa == 0 ? 0 : b->negative ? -1 : 1;
    if (x != y)
        return x < y ? -1 : 1;
    return x == 0 ? 0 : x * compare_magnitude(a, b);
}

/* -- base64 -- */
void ray_base64_init(ray_base64 *b, ray_view text, uint32_t encoding)
{
    memset(b, 0, sizeof *b);
    b->text = text;
    b->encoding = encoding;
}

static int32_t sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int32_t ray_base64_next(ray_base64 *b)
{
    for (;;) {
        if (b->have >= 8) {
            b->have -= 8;
            int32_t byte = (int32_t)(b->bits >> b->have & 0xff);
            b->bits &= (1U << b->have) - 1;
            return byte;
        }
        if (b->piece_at == b->piece_length) {
            b->piece_at = 0;
            b->piece_length = ray_format_piece(b->text, b->encoding, &b->i, b->piece);
        }
        if (b->piece_length == 0) {
            /* Left bits are zero, and padding, where there is any, is whole. */
            uint32_t rest = b->count & 3;
            uint32_t fine = rest != 1 && b->bits == 0 &&
                            (b->padded == 0 || (rest != 0 && rest + b->padded == 4));
            return fine ? -1 : -2;
        }
        uint8_t c = b->piece[b->piece_at++];
        int32_t six = sextet(c);
        if (c == '=' && b->padded < 2) {
            b->padded++;
            continue;
        }
        if (six < 0 || b->padded != 0)
            return -2;
        b->bits = b->bits << 6 | (uint32_t)six;
        b->have += 6;
        b->count++;
    }
}

void ray_base64_put(ray_text *out, const uint8_t *at, uint64_t length)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint64_t i = 0; i < length; i += 3) {
        uint64_t left = length - i;
        uint32_t x = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) |
                     (left > 2 ? at[i + 2] : 0U);
        char four[4] = {set[x >> 18], set[x >> 12 & 63], left > 1 ? set[x >> 6 & 63] : '=',
                        left > 2 ? set[x & 63] : '='};
        ray_text_bytes(out, four, 4);
    }
}
