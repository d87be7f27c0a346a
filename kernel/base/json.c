/* SPDX-License-Identifier: MIT */
/* json.c - one item a call. Where it is in the grammar is one word, and which containers are open
 * is one bit each, so depth costs nothing and nothing is ever called by itself. */
#include "base/json.h"
#include "base/json_text.h"
#include "base/bytes.h"
#include "base/utf8.h"

enum expects {
    EXPECTS_VALUE = 0,
    EXPECTS_VALUE_OR_END = 1,     /* behind '[' */
    EXPECTS_NAME = 2,
    EXPECTS_NAME_OR_END = 3,      /* behind '{' */
    EXPECTS_COMMA = 4,            /* or the end of the container */
    EXPECTS_NOTHING = 5           /* but blanks */
};

static uint32_t fail(ray_json *json, ray_json_item *item, uint32_t fault)
{
    json->fault = json->place >= json->length && fault == RAY_JSON_FAULT_SYNTAX
                      ? (uint32_t)RAY_JSON_FAULT_TRUNCATED : fault;
    item->kind = RAY_JSON_ERROR;
    return RAY_JSON_ERROR;
}

/* -- strings -- */
/* Checks the escape whose backslash is at json->place and moves behind it; 0 and the fault
 * otherwise. */
static uint32_t escape(ray_json *json, uint32_t *fault)
{
    const uint8_t *at = json->at + json->place;
    uint64_t left = json->length - json->place;
    *fault = RAY_JSON_FAULT_SYNTAX;
    if (left < 2) {
        json->place = json->length;
        return 0;
    }
    switch (at[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        json->place += 2;
        return 1;
    case 'u':
        break;
    default:
        return 0;
    }
    uint32_t unit = ray_json_unit(at + 2, left - 2);
    if (unit > 0xffff)
        return 0;
    json->place += 6;
    if (unit < 0xd800 || unit > 0xdfff)
        return 1;
    *fault = RAY_JSON_FAULT_SURROGATE;
    if (unit > 0xdbff || left < 12 || at[6] != '\\' || at[7] != 'u')
        return 0;
    uint32_t low = ray_json_unit(at + 8, left - 8);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    json->place += 6;
    return 1;
}

/* A byte a string may not simply contain: control, quote, backslash, or the first of several. The
 * high bit of each byte of the result says so; exact up to the first such byte. */
static uint64_t special(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101U, highs = ones << 7;
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
    return (((x - ones * 0x20) | (quote - ones) | (slash - ones)) | x) & highs;
}

/* Reads to behind the closing quote; json->place is behind the opening one. */
static uint32_t string(ray_json *json, ray_json_item *item)
{
    uint64_t begin = json->place;
    item->escaped = 0;
    for (;;) {
        while (json->length - json->place >= 8) {
            uint64_t found = special(ray_load_8(json->at + json->place));
            if (found != 0) {
                json->place += (uint64_t)__builtin_ctzll(found) >> 3;
                break;
            }
            json->place += 8;
        }
        if (json->place >= json->length)
            return fail(json, item, RAY_JSON_FAULT_TRUNCATED);
        uint8_t c = json->at[json->place];
        uint32_t fault = RAY_JSON_FAULT_SYNTAX, value = 0;
        if (c == '"')
            break;
        if (c == '\\') {
            item->escaped = 1;
            if (!escape(json, &fault))
                return fail(json, item, fault);
        } else if (c < 0x20) {
            return fail(json, item, RAY_JSON_FAULT_SYNTAX);
        } else {
            uint32_t step = ray_utf8_next(json->at + json->place, json->length - json->place,
                                          &value);
            if (step == 0)
                return fail(json, item, RAY_JSON_FAULT_UTF8);
            json->place += step;
        }
    }
    item->text.at = json->at + begin;
    item->text.length = json->place++ - begin;
    item->kind = RAY_JSON_STRING;
    return RAY_JSON_STRING;
}

/* -- names: no member twice -- */
#define ESCAPED 0x80000000U

/* The name that was let through and begins at `at`, without its end remembered. */
static ray_view name_at(const ray_json *json, uint32_t at)
{
    ray_view text = {json->at + at, 0};
    while (text.at[text.length] != '"')
        text.length += text.at[text.length] == '\\' ? 2 : 1;
    return text;
}

/* Remembers the name; a fault when the object has it or there is no room. */
static uint32_t remember(ray_json *json, const ray_json_item *item)
{
    if (json->members == NULL)
        return RAY_JSON_FAULT_NONE;
    ray_json_member fresh = {(uint32_t)(item->text.at - json->at),
                             ray_json_digest(item->text, item->escaped)};
    if (item->escaped)
        fresh.at |= ESCAPED;
    for (uint32_t i = json->first[json->depth - 1]; i < json->member_count; i++) {
        const ray_json_member *old = &json->members[i];
        if (old->digest == fresh.digest &&
            ray_json_same(name_at(json, old->at & ~ESCAPED), old->at >> 31, item->text,
                          item->escaped))
            return RAY_JSON_FAULT_DUPLICATE;
    }
    if (json->member_count == json->member_max)
        return RAY_JSON_FAULT_MEMBERS;
    json->members[json->member_count++] = fresh;
    return RAY_JSON_FAULT_NONE;
}

/* -- the grammar -- */
void ray_json_init(ray_json *json, ray_view text, ray_json_member *members, uint32_t member_max)
{
    memset(json, 0, sizeof *json);
    json->at = text.at;
    json->length = text.length;
    json->members = members;
    json->member_max = member_max;
    if (text.length > RAY_JSON_BYTES_MAX)
        json->fault = RAY_JSON_FAULT_LENGTH;
}

static void skip_blanks(ray_json *json)
{
    while (json->place < json->length) {
        uint8_t c = json->at[json->place];
        if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t'))
            return;
        json->place++;
    }
}

static uint32_t close(ray_json *json, ray_json_item *item, uint32_t is_object)
{
    json->place++;
    json->depth--;
    if (is_object)
        json->member_count = json->first[json->depth];
    json->expects = json->depth == 0 ? EXPECTS_NOTHING : EXPECTS_COMMA;
    item->kind = is_object ? RAY_JSON_OBJECT_END : RAY_JSON_ARRAY_END;
    return item->kind;
}

static uint32_t open(ray_json *json, ray_json_item *item, uint32_t is_object)
{
    if (json->depth == RAY_JSON_DEPTH_MAX)
        return fail(json, item, RAY_JSON_FAULT_DEPTH);
    json->place++;
    json->first[json->depth] = json->member_count;
    json->objects = (json->objects & ~(1U << json->depth)) | is_object << json->depth;
    json->depth++;
    json->expects = is_object ? EXPECTS_NAME_OR_END : EXPECTS_VALUE_OR_END;
    item->kind = is_object ? RAY_JSON_OBJECT : RAY_JSON_ARRAY;
    return item->kind;
}

static uint32_t word(ray_json *json, ray_json_item *item, const char *literal, uint32_t kind)
{
    uint64_t length = kind == RAY_JSON_FALSE ? 5 : 4;
    for (uint64_t i = 0; i < length; i++, json->place++)
        if (json->place >= json->length || json->at[json->place] != (uint8_t)literal[i])
            return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    item->kind = kind;
    return kind;
}

static uint32_t number(ray_json *json, ray_json_item *item)
{
    const uint8_t *at = json->at + json->place;
    uint64_t taken = ray_json_number_read(at, json->length - json->place, &item->number);
    if (taken == 0)
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    item->text.at = at;
    item->text.length = taken;
    json->place += taken;
    item->kind = RAY_JSON_NUMBER;
    return RAY_JSON_NUMBER;
}

static uint32_t value(ray_json *json, ray_json_item *item)
{
    uint8_t c = json->at[json->place];
    json->expects = json->depth == 0 ? EXPECTS_NOTHING : EXPECTS_COMMA;
    switch (c) {
    case '{': return open(json, item, 1);
    case '[': return open(json, item, 0);
    case '"': json->place++; return string(json, item);
    case 't': return word(json, item, "true", RAY_JSON_TRUE);
    case 'f': return word(json, item, "false", RAY_JSON_FALSE);
    case 'n': return word(json, item, "null", RAY_JSON_NULL);
    default: return number(json, item);
    }
}

static uint32_t name(ray_json *json, ray_json_item *item)
{
    if (json->at[json->place] != '"')
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    json->place++;
    if (string(json, item) == RAY_JSON_ERROR)
        return RAY_JSON_ERROR;
    uint32_t fault = remember(json, item);
    if (fault != RAY_JSON_FAULT_NONE)
        return fail(json, item, fault);
    skip_blanks(json);
    if (json->place >= json->length || json->at[json->place] != ':')
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    json->place++;
    json->expects = EXPECTS_VALUE;
    item->kind = RAY_JSON_NAME;
    return RAY_JSON_NAME;
}

uint32_t ray_json_next(ray_json *json, ray_json_item *item)
{
    if (json->fault != RAY_JSON_FAULT_NONE) {
        item->kind = RAY_JSON_ERROR;
        return RAY_JSON_ERROR;
    }
    skip_blanks(json);
    if (json->place >= json->length) {
        if (json->expects != EXPECTS_NOTHING)
            return fail(json, item, RAY_JSON_FAULT_TRUNCATED);
        item->kind = RAY_JSON_END;
        return RAY_JSON_END;
    }
    if (json->expects == EXPECTS_NOTHING)
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    uint8_t c = json->at[json->place];
    uint32_t is_object = json->depth > 0 ? json->objects >> (json->depth - 1) & 1 : 0;
    if (json->expects == EXPECTS_COMMA) {
        if (c == (is_object ? '}' : ']'))
            return close(json, item, is_object);
        if (c != ',')
            return fail(json, item, RAY_JSON_FAULT_SYNTAX);
        json->place++;
        json->expects = is_object ? EXPECTS_NAME : EXPECTS_VALUE;
        skip_blanks(json);
        if (json->place >= json->length)
            return fail(json, item, RAY_JSON_FAULT_TRUNCATED);
    } else if ((json->expects == EXPECTS_NAME_OR_END && c == '}') ||
               (json->expects == EXPECTS_VALUE_OR_END && c == ']')) {
        return close(json, item, is_object);
    }
    if (json->expects == EXPECTS_NAME || json->expects == EXPECTS_NAME_OR_END)
        return name(json, item);
    return value(json, item);
}

uint32_t ray_json_skip(ray_json *json, const ray_json_item *item)
{
    ray_json_item next;
    uint32_t outside = json->depth - 1;
    if (item->kind == RAY_JSON_ERROR)
        return 0;
    if (item->kind != RAY_JSON_OBJECT && item->kind != RAY_JSON_ARRAY)
        return 1;
    while (json->depth > outside)
        if (ray_json_next(json, &next) == RAY_JSON_ERROR)
            return 0;
    return 1;
}
