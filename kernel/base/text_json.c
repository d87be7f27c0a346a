/* SPDX-License-Identifier: MIT */
/* text_json.c - JSON and CSV, written left to right; whatever comes in, what comes out parses. */
#include "ray/text.h"
#include "base/bytes.h"

/* -- JSON -- */
static void member(ray_text *text, const char *key)
{
    char last = text->length > 0 ? text->at[text->length - 1] : '{';
    if (last != '{' && last != '[' && last != ':')
        ray_text_char(text, ',');
    if (key != NULL) {
        ray_text_char(text, '"');
        ray_text_put(text, key);
        ray_text_put(text, "\":");
    }
}

void ray_text_json_open(ray_text *text, const char *key, char bracket)
{
    member(text, key);
    ray_text_char(text, bracket);
}

void ray_text_json_close(ray_text *text, char bracket)
{
    ray_text_char(text, bracket);
}

void ray_text_json_u64(ray_text *text, const char *key, uint64_t value)
{
    member(text, key);
    ray_text_u64(text, value);
}

void ray_text_json_i64(ray_text *text, const char *key, int64_t value)
{
    member(text, key);
    ray_text_i64(text, value);
}

void ray_text_json_bool(ray_text *text, const char *key, uint32_t value)
{
    member(text, key);
    ray_text_put(text, value != 0 ? "true" : "false");
}

void ray_text_json_null(ray_text *text, const char *key)
{
    member(text, key);
    ray_text_put(text, "null");
}

void ray_text_json_literal(ray_text *text, const char *key, const char *value)
{
    ray_text_json_string(text, key, value, ray_length_of(value));
}

/* One UTF-8 scalar at `at`: its length and value, or length 0 when the bytes are no valid UTF-8. */
static uint32_t scalar_at(const uint8_t *at, uint64_t length, uint32_t *value)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t size = at[0] < 0x80                    ? 1
                    : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                    : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                    : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                                                    : 0;
    if (size == 0 || size > length)
        return 0;
    uint32_t scalar = size == 1 ? at[0] : at[0] & (0x7fU >> size);
    for (uint32_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        scalar = scalar << 6 | (at[i] & 0x3fU);
    }
    if (scalar < least[size] || scalar > 0x10ffff || (scalar >= 0xd800 && scalar < 0xe000))
        return 0;
    *value = scalar;
    return size;
}

static void json_escape(ray_text *text, uint32_t scalar)
{
    if (scalar == '"' || scalar == '\\') {
        ray_text_char(text, '\\');
        ray_text_char(text, (char)scalar);
    } else if (scalar >= 0x20 && scalar <= 0x7e) {
        ray_text_char(text, (char)scalar);
    } else {
        if (scalar > 0xffff) {
            ray_text_put(text, "\\u");
            ray_text_hex(text, 0xd800 + ((scalar - 0x10000) >> 10), 4);
            scalar = 0xdc00 + ((scalar - 0x10000) & 0x3ff);
        }
        ray_text_put(text, "\\u");
        ray_text_hex(text, scalar, 4);
    }
}

void ray_text_json_string(ray_text *text, const char *key, const char *at, uint64_t length)
{
    const uint8_t *bytes = (const uint8_t *)at;
    member(text, key);
    ray_text_char(text, '"');
    for (uint64_t i = 0; i < length;) {
        uint32_t scalar = 0xfffd;
        uint32_t size = scalar_at(bytes + i, length - i, &scalar);
        json_escape(text, scalar);
        i += size > 0 ? size : 1;
    }
    ray_text_char(text, '"');
}

void ray_text_json_name(ray_text *text, const char *key, const ray_name *name)
{
    ray_text_json_string(text, key, name->at, ray_name_length(name));
}

void ray_text_json_hex(ray_text *text, const char *key, const uint8_t *at, uint64_t length)
{
    member(text, key);
    ray_text_char(text, '"');
    ray_text_hex_bytes(text, at, length);
    ray_text_char(text, '"');
}

/* -- CSV -- */
void ray_text_csv(ray_text *text, const char *at, uint64_t length)
{
    int formula = length > 0 && (at[0] == '=' || at[0] == '+' || at[0] == '-' || at[0] == '@' ||
                                 at[0] == '\t' || at[0] == '\r');
    int quote = formula;
    for (uint64_t i = 0; i < length; i++)
        quote |= at[i] == '"' || at[i] == ',' || at[i] == '\n' || at[i] == '\r';
    if (quote)
        ray_text_char(text, '"');
    if (formula)
        ray_text_char(text, '\'');
    for (uint64_t i = 0; i < length; i++) {
        if (at[i] == '"')
            ray_text_char(text, '"');
        ray_text_char(text, at[i]);
    }
    if (quote)
        ray_text_char(text, '"');
}
