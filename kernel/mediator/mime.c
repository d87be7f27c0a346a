/* SPDX-License-Identifier: MIT */
/* mime.c - what parts of a multipart body are written in: quoted strings, base64 in lines (RFC 2045
 * 6.8) and quoted-printable (6.7). Only content that ray_mime_fault found whole is read. */
#include "format_parts.h"

static uint32_t quoted_piece(ray_view text, uint64_t *i, uint8_t out[4])
{
    uint8_t c = text.at[(*i)++];
    if (c == '\\' && *i < text.length && (text.at[*i] == '"' || text.at[*i] == '\\'))
        c = text.at[(*i)++];              /* before anything else it stands for itself: C:\dir */
    out[0] = c;
    return 1;
}

static uint32_t line_piece(ray_view text, uint64_t *i, uint8_t out[4])
{
    while (*i < text.length) {
        out[0] = text.at[(*i)++];
        if (out[0] != '\r' && out[0] != '\n')
            return 1;
    }
    return 0;
}

/* Three bytes out of four letters. */
static uint32_t base64_piece(ray_view text, uint64_t *i, uint8_t out[4])
{
    uint8_t four[4];
    uint32_t n = 0, made = 0;
    int32_t byte;
    ray_base64 b;
    while (n < 4 && line_piece(text, i, four + n))
        n++;
    ray_base64_init(&b, (ray_view){four, n}, RAY_ENCODING_PLAIN);
    while ((byte = ray_base64_next(&b)) >= 0)
        out[made++] = (uint8_t)byte;
    return made;
}

/* Behind a soft line break at `i`; `i` itself when none is there. */
static uint64_t soft_break(ray_view text, uint64_t i)
{
    return text.length - i >= 3 && text.at[i] == '=' && text.at[i + 1] == '\r' &&
                   text.at[i + 2] == '\n'
               ? i + 3 : i;
}

static uint32_t printable_piece(ray_view text, uint64_t *i, uint8_t out[4])
{
    uint64_t at = soft_break(text, *i);
    while (at != *i) {
        *i = at;
        at = soft_break(text, at);
    }
    if (at >= text.length)
        return 0;
    *i = at + 1;
    out[0] = text.at[at];
    if (out[0] == '=') {
        out[0] = (uint8_t)(ray_hex_value(text.at[at + 1]) << 4 | ray_hex_value(text.at[at + 2]));
        *i = at + 3;
    }
    return 1;
}

static uint32_t printable_bytes_piece(ray_view text, uint64_t *i, uint8_t out[4])
{
    uint8_t three[3], piece[4];
    uint32_t n = 0;
    ray_text four;
    while (n < 3 && printable_piece(text, i, piece))
        three[n++] = piece[0];
    ray_text_init(&four, (char *)out, 4);
    ray_base64_put(&four, three, n);
    return (uint32_t)four.length;
}

uint32_t ray_mime_piece(ray_view text, uint32_t encoding, uint64_t *i, uint8_t out[4])
{
    if (*i >= text.length)
        return 0;
    switch (encoding) {
    case RAY_ENCODING_QUOTED: return quoted_piece(text, i, out);
    case RAY_ENCODING_BASE64: return base64_piece(text, i, out);
    case RAY_ENCODING_BASE64_LINES: return line_piece(text, i, out);
    case RAY_ENCODING_PRINTABLE: return printable_piece(text, i, out);
    default: return printable_bytes_piece(text, i, out);
    }
}

/* -- is it whole? -- */
/* Printable ASCII, line ends with no blank before them, =XX, and soft line breaks. */
static uint64_t printable_fault(ray_view text)
{
    for (uint64_t i = 0; i < text.length;) {
        uint8_t c = text.at[i];
        uint64_t left = text.length - i, soft = soft_break(text, i);
        if (soft != i) {
            i = soft;
        } else if (c == '=') {
            if (left < 3 || ray_hex_value(text.at[i + 1]) > 15 ||
                ray_hex_value(text.at[i + 2]) > 15)
                return i;
            i += 3;
        } else if (c == '\r') {
            if (left < 2 || text.at[i + 1] != '\n')
                return i;
            i += 2;
        } else if (c == ' ' || c == '\t') {
            if (left < 2 || text.at[i + 1] == '\r')
                return i;
            i++;
        } else if (c > ' ' && c < 0x7f) {
            i++;
        } else {
            return i;
        }
    }
    return text.length;
}

/* Lines of letters that are groups of four together, the last one padded (RFC 2045 6.8). */
static uint64_t base64_fault(ray_view text)
{
    ray_base64 b;
    int32_t byte;
    for (uint64_t i = 0; i < text.length; i++) {
        if (text.at[i] == '\n' || (text.at[i] == '\r' && text.length - i < 2))
            return i;
        i += text.at[i] == '\r' && text.at[i + 1] == '\n';
        if (text.at[i] == '\r')
            return i;
    }
    ray_base64_init(&b, text, RAY_ENCODING_BASE64_LINES);
    while ((byte = ray_base64_next(&b)) >= 0)
        continue;
    return byte == -1 && ((b.count + b.padded) & 3) == 0 ? text.length : 0;
}

uint64_t ray_mime_fault(ray_view text, uint32_t encoding)
{
    if (encoding == RAY_ENCODING_BASE64)
        return base64_fault(text);
    return encoding == RAY_ENCODING_PRINTABLE ? printable_fault(text) : text.length;
}
