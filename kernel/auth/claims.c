/* SPDX-License-Identifier: MIT */
/* claims.c - a strict reader of a token's JSON (RFC 8259, RFC 7515 4): no recursion, no memory, and
 * a token that two readers could read differently is none. */
#include "claims.h"
#include "base/base64.h"
#include "base/json_text.h"
#include "base/utf8.h"

/* -- bytes -- */
static uint32_t value_of(uint32_t letter)
{
    return ray_base64_value(letter, '-', '_');
}

static uint32_t byte_at(const ray_encoded *text, uint32_t i)
{
    uint32_t from = i / 3 * 4 + i % 3, shift = i % 3 * 2;
    if (i >= text->length)
        return 256;
    return (value_of(text->at[from]) << (2 + shift) | value_of(text->at[from + 1]) >> (4 - shift)) &
           0xffU;
}

static uint32_t open_text(ray_view text, ray_encoded *out)
{
    uint32_t tail = (uint32_t)text.length % 4;
    if (text.length == 0 || text.length > RAY_AUTH_TOKEN_BYTES_MAX || tail == 1)
        return 0;
    for (uint64_t i = 0; i < text.length; i++)
        if (value_of(text.at[i]) > 63)
            return 0;
    if (tail != 0 && (value_of(text.at[text.length - 1]) & (tail == 2 ? 15U : 3U)) != 0)
        return 0;
    *out = (ray_encoded){text.at, (uint32_t)text.length / 4 * 3 + (tail != 0 ? tail - 1 : 0), 0};
    return 1;
}

/* Up to `most` bytes from `i`; how many there are. */
static uint32_t bytes_at(const ray_encoded *text, uint32_t i, uint8_t *to, uint32_t most)
{
    uint32_t count = 0;
    for (; count < most && i < text->length; i++)
        to[count++] = (uint8_t)byte_at(text, i);
    return count;
}

static uint32_t is_utf8(const ray_encoded *text)
{
    uint8_t four[4];
    uint32_t step, value;
    for (uint32_t i = 0; i < text->length; i += step) {
        step = 1;
        if (byte_at(text, i) >= 0x80)
            step = ray_utf8_next(four, bytes_at(text, i, four, 4), &value);
        if (step == 0)
            return 0;
    }
    return 1;
}

/* -- scanning -- */
typedef struct scan {
    ray_claims *out;
    uint32_t at;
    uint32_t depth;
    uint32_t arrays;           /* bit n: the one at depth n is an array */
    uint32_t objects;          /* objects seen so far */
    uint16_t object[RAY_CLAIM_DEPTH_MAX];
    uint32_t top;              /* 1 + the outermost member whose value is being read */
    uint32_t reserved;
} scan;

static uint32_t here(const scan *s)
{
    return byte_at(&s->out->text, s->at);
}

static void skip_blanks(scan *s)
{
    while (here(s) == ' ' || here(s) == '\t' || here(s) == '\n' || here(s) == '\r')
        s->at++;
}

static uint32_t hex_at(const ray_encoded *text, uint32_t at, uint32_t *value)
{
    uint8_t four[4];
    *value = ray_json_unit(four, bytes_at(text, at, four, 4));
    return *value <= 0xffff;
}

static uint32_t is_escape(uint32_t c)
{
    static const char known[] = "\"\\/bfnrt";
    for (uint32_t i = 0; known[i] != 0; i++)
        if (c == (uint32_t)known[i])
            return 1;
    return 0;
}

/* Behind the opening quote; stands behind the closing one afterwards. */
static uint32_t scan_string(scan *s, uint32_t escapes)
{
    for (;; s->at++) {
        uint32_t c = here(s), value;
        if (c == '"') {
            s->at++;
            return 1;
        }
        if (c < 0x20 || c == 256 || (c == '\\' && escapes == 0))
            return 0;
        if (c != '\\')
            continue;
        s->at++;
        if (here(s) == 'u') {
            if (hex_at(&s->out->text, s->at + 1, &value) == 0)
                return 0;
            s->at += 4;
        } else if (is_escape(here(s)) == 0)
            return 0;
    }
}

static uint32_t scan_digits(scan *s)
{
    uint32_t from = s->at;
    while (here(s) - '0' < 10)
        s->at++;
    return s->at - from;
}

static uint32_t scan_number(scan *s)
{
    if (here(s) == '-')
        s->at++;
    uint32_t zero = here(s) == '0', digits = scan_digits(s);
    if (digits == 0 || (zero && digits > 1))
        return 0;
    if (here(s) == '.') {
        s->at++;
        if (scan_digits(s) == 0)
            return 0;
    }
    if ((here(s) | 0x20) == 'e') {
        s->at++;
        if (here(s) == '+' || here(s) == '-')
            s->at++;
        return scan_digits(s) != 0;
    }
    return 1;
}

static uint32_t scan_word(scan *s, const char *word)
{
    for (; *word != 0; word++, s->at++)
        if (here(s) != (uint32_t)(uint8_t)*word)
            return 0;
    return 1;
}

/* -- members -- */
static uint32_t same_bytes(const ray_encoded *text, uint32_t a, uint32_t b, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (byte_at(text, a + i) != byte_at(text, b + i))
            return 0;
    return 1;
}

/* A name, its colon, and the place for its value. */
static uint32_t scan_name(scan *s)
{
    ray_claims *out = s->out;
    uint16_t object = s->object[s->depth - 1];
    if (here(s) != '"' || out->count == RAY_CLAIM_MAX)
        return 0;
    uint32_t at = ++s->at;
    if (scan_string(s, 0) == 0)
        return 0;
    uint32_t length = s->at - 1 - at;
    for (uint32_t i = 0; i < out->count; i++)
        if (out->claim[i].object == object && out->claim[i].name_length == length &&
            same_bytes(&out->text, out->claim[i].name_at, at, length) != 0)
            return 0;
    out->claim[out->count] = (ray_claim){(uint16_t)at, (uint16_t)length, 0, 0, object, 0, 0};
    out->count++;
    skip_blanks(s);
    if (here(s) != ':')
        return 0;
    s->at++;
    skip_blanks(s);
    ray_claim *claim = &out->claim[out->count - 1];
    uint32_t c = here(s), text = c == '"';
    claim->value_at = (uint16_t)(s->at + text);
    claim->kind = (uint8_t)(c == '-' || c - '0' < 10 ? '0' : c);
    if (s->depth == 1)
        s->top = out->count;
    return 1;
}

static void end_value(scan *s)
{
    if (s->depth != 1 || s->top == 0)
        return;
    ray_claim *claim = &s->out->claim[s->top - 1];
    uint32_t length = s->at - claim->value_at - (claim->kind == '"');
    claim->value_length = (uint16_t)length;
    s->top = 0;
}

static uint32_t open_inner(scan *s, uint32_t array)
{
    if (s->depth == RAY_CLAIM_DEPTH_MAX)
        return 0;
    s->at++;
    s->arrays = array != 0 ? s->arrays | 1U << s->depth : s->arrays & ~(1U << s->depth);
    s->object[s->depth++] = (uint16_t)(array != 0 ? 0 : ++s->objects);
    return 1;
}

static uint32_t in_array(const scan *s)
{
    return s->arrays >> (s->depth - 1) & 1;
}

static uint32_t close_inner(scan *s)
{
    if (here(s) != (in_array(s) ? ']' : '}'))
        return 0;
    s->at++;
    s->depth--;
    end_value(s);
    return 1;
}

/* One value, or the opening of one that holds others. *opened: 1 then. */
static uint32_t scan_value(scan *s, uint32_t *opened)
{
    uint32_t c = here(s), good;
    *opened = c == '{' || c == '[';
    if (*opened != 0)
        return open_inner(s, c == '[');
    if (c == '"') {
        s->at++;
        good = scan_string(s, 1);
    } else if (c == 't' || c == 'f' || c == 'n')
        good = scan_word(s, c == 't' ? "true" : c == 'f' ? "false" : "null");
    else
        good = scan_number(s);
    end_value(s);
    return good;
}

/* What stands first inside braces or brackets, or behind a comma. */
static uint32_t scan_item(scan *s, uint32_t *opened)
{
    return (in_array(s) != 0 || scan_name(s) != 0) && scan_value(s, opened) != 0;
}

static uint32_t scan_object(scan *s)
{
    uint32_t opened = 1;
    skip_blanks(s);
    if (here(s) != '{' || open_inner(s, 0) == 0)
        return 0;
    while (s->depth > 0) {
        skip_blanks(s);
        if (opened != 0) {
            opened = 0;
            if (close_inner(s) == 0 && scan_item(s, &opened) == 0)
                return 0;
        } else if (here(s) == ',') {
            s->at++;
            skip_blanks(s);
            if (scan_item(s, &opened) == 0)
                return 0;
        } else if (close_inner(s) == 0)
            return 0;
    }
    skip_blanks(s);
    return s->at == s->out->text.length;
}

/* -- reading -- */
uint32_t ray_claims_read(ray_view base64url, ray_claims *out)
{
    scan s;
    memset(&s, 0, sizeof s);
    memset(out, 0, sizeof *out);
    s.out = out;
    return open_text(base64url, &out->text) != 0 && is_utf8(&out->text) != 0 &&
           scan_object(&s) != 0;
}

const ray_claim *ray_claims_find(const ray_claims *claims, const char *name, uint64_t length)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        const ray_claim *claim = &claims->claim[i];
        uint32_t same = claim->object == 1 && claim->name_length == length;
        for (uint32_t at = 0; at < length && same; at++)
            same = byte_at(&claims->text, claim->name_at + at) == (uint8_t)name[at];
        if (same)
            return claim;
    }
    return 0;
}

static uint32_t put_utf8(uint32_t value, uint8_t *to, uint32_t room)
{
    uint8_t four[4];
    uint32_t length = ray_utf8_put(value, four);
    if (length > room)
        return 0;
    memcpy(to, four, length);
    return length;
}

/* The escape behind a backslash at `*at`; 0 for half a surrogate pair. */
static uint32_t unescape(const ray_encoded *text, uint32_t *at, uint8_t *to, uint32_t room)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    uint32_t c = byte_at(text, ++*at), value, low;
    for (uint32_t i = 0; c != 'u'; i++)
        if (c == (uint32_t)from[i]) {
            to[0] = (uint8_t)into[i];
            return room > 0;
        }
    (void)hex_at(text, *at + 1, &value);
    *at += 4;
    if (value >= 0xd800 && value < 0xdc00) {
        if (byte_at(text, *at + 1) != '\\' || byte_at(text, *at + 2) != 'u' ||
            hex_at(text, *at + 3, &low) == 0 || low < 0xdc00 || low > 0xdfff)
            return 0;
        *at += 6;
        value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
    } else if (value >= 0xdc00 && value < 0xe000)
        return 0;
    return put_utf8(value, to, room);
}

static uint32_t text_at(const ray_encoded *text, uint32_t at, uint32_t end, uint8_t *to,
                        uint32_t room)
{
    uint32_t length = 0;
    for (; at < end; at++) {
        uint32_t c = byte_at(text, at), more = 1;
        if (length >= room)
            return RAY_NONE;
        if (c == '\\')
            more = unescape(text, &at, to + length, room - length);
        else
            to[length] = (uint8_t)c;
        if (more == 0)
            return RAY_NONE;
        length += more;
    }
    return length;
}

uint32_t ray_claims_text(const ray_claims *claims, const ray_claim *claim, uint8_t *to,
                         uint32_t room)
{
    if (claim == 0 || claim->kind != '"')
        return RAY_NONE;
    return text_at(&claims->text, claim->value_at, (uint32_t)claim->value_at + claim->value_length,
                   to, room);
}

uint32_t ray_claims_number(const ray_claims *claims, const ray_claim *claim, uint64_t *out)
{
    uint64_t value = 0;
    if (claim == 0 || claim->kind != '0' || claim->value_length > 16)
        return 0;
    for (uint32_t i = 0; i < claim->value_length; i++) {
        uint32_t digit = byte_at(&claims->text, (uint32_t)claim->value_at + i) - '0';
        if (digit > 9)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

static uint32_t same_text(const ray_encoded *text, uint32_t at, uint32_t end, const uint8_t *want,
                          uint32_t length)
{
    uint8_t held[RAY_AUTH_TEXT_BYTES];
    return text_at(text, at, end, held, sizeof held) == length && ray_same(held, want, length) != 0;
}

uint32_t ray_claims_holds(const ray_claims *claims, const ray_claim *claim, const uint8_t *text,
                          uint32_t length)
{
    const ray_encoded *bytes = &claims->text;
    if (claim == 0)
        return 0;
    uint32_t at = claim->value_at, end = at + claim->value_length, found = 0;
    if (claim->kind == '"')
        return same_text(bytes, at, end, text, length);
    if (claim->kind != '[')
        return 0;
    for (at++; at + 1 < end; at++) {
        uint32_t c = byte_at(bytes, at);
        if (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (c != '"')
            return 0; /* of an audience every member is a string */
        uint32_t from = ++at;
        for (; byte_at(bytes, at) != '"'; at++)
            at += byte_at(bytes, at) == '\\';
        found |= same_text(bytes, from, at, text, length);
    }
    return found;
}
