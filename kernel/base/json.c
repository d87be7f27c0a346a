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
    EXPECTS_NOTHING = 5,          /* but blanks */
    EXPECTS_FAULT = 6             /* there was one */
};

static __attribute__((noinline, cold)) uint32_t fail(ray_json *json, ray_json_item *item,
                                                     uint32_t fault)
{
    json->fault = json->place >= json->length && fault == RAY_JSON_FAULT_SYNTAX
                      ? (uint32_t)RAY_JSON_FAULT_TRUNCATED : fault;
    json->expects = EXPECTS_FAULT;
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

/* Moves behind what is not plain at json->place, other than a quote: an escape, or characters of
 * several bytes one after the other. Returns the fault. */
static __attribute__((noinline)) uint32_t unplain(ray_json *json)
{
    uint32_t fault = RAY_JSON_FAULT_SYNTAX, value = 0;
    uint8_t c = json->at[json->place];
    if (c == '\\')
        return escape(json, &fault) ? (uint32_t)RAY_JSON_FAULT_NONE : fault;
    if (c < 0x20)
        return RAY_JSON_FAULT_SYNTAX;
    do {
        uint32_t step = ray_utf8_next(json->at + json->place, json->length - json->place, &value);
        if (step == 0)
            return RAY_JSON_FAULT_UTF8;
        json->place += step;
    } while (json->place < json->length && json->at[json->place] >= 0x80);
    return RAY_JSON_FAULT_NONE;
}

/* Behind the plain bytes from `place` on, as far as eight are left: at a mark, or at the first byte
 * of a character of several. */
static inline uint64_t behind_plain(const uint8_t *at, uint64_t place, uint64_t length)
{
    while (length - place >= 8) {
        uint64_t x = ray_load_8(at + place), found = (ray_json_marks(x) | x) & RAY_EACH_TOP;
        if (found != 0)
            return place + ((uint64_t)__builtin_ctzll(found) >> 3);
        place += 8;
    }
    return place;
}

/* Reads to behind the closing quote; json->place is at the opening one. Returns the fault. */
static uint32_t string(ray_json *json, ray_json_item *item)
{
    uint64_t begin = ++json->place;
    for (;;) {
        json->place = behind_plain(json->at, json->place, json->length);
        if (json->place >= json->length)
            return RAY_JSON_FAULT_TRUNCATED;
        if (json->at[json->place] == '"')
            break;
        item->escaped |= json->at[json->place] == '\\';
        uint32_t fault = unplain(json);
        if (fault != RAY_JSON_FAULT_NONE)
            return fault;
    }
    item->text.at = json->at + begin;
    item->text.length = json->place++ - begin;
    return RAY_JSON_FAULT_NONE;
}

/* -- names: no member twice -- */
#define ESCAPED 0x80000000U

/* Has the object the name that was let through and begins at `at`? Its end is not remembered. */
static uint32_t is_name_at(const ray_json *json, uint32_t at, const ray_json_item *item)
{
    ray_view text = {json->at + (at & ~ESCAPED), 0};
    while (text.at[text.length] != '"')
        text.length += text.at[text.length] == '\\' ? 2 : 1;
    return ray_json_same(text, at >> 31, item->text, item->escaped);
}

/* The member of the innermost object from `old` on whose name has this digest; where the next one
 * goes when there is none. */
static inline ray_json_member *same_digest(const ray_json *json, ray_json_member *old,
                                           uint32_t digest)
{
    ray_json_member *end = json->members + json->member_count;
    while (old < end && old->digest != digest)
        old++;
    return old;
}

/* Remembers the name; a fault when the object has it or there is no room. */
static uint32_t remember(ray_json *json, const ray_json_item *item)
{
    if (json->members == NULL)
        return RAY_JSON_FAULT_NONE;
    uint32_t digest = ray_json_digest(item->text, item->escaped);
    ray_json_member *end = json->members + json->member_count,
                    *old = json->members + json->first[json->depth - 1];
    for (; (old = same_digest(json, old, digest)) < end; old++)
        if (is_name_at(json, old->at, item))
            return RAY_JSON_FAULT_DUPLICATE;
    if (json->member_count == json->member_max)
        return RAY_JSON_FAULT_MEMBERS;
    *end = (ray_json_member){(uint32_t)(item->text.at - json->at) | item->escaped << 31, digest};
    json->member_count++;
    return RAY_JSON_FAULT_NONE;
}

/* -- the grammar -- */
void ray_json_init(ray_json *json, ray_view text, ray_json_member *members, uint32_t member_max)
{
    memset(json, 0, sizeof *json);
    json->at = text.at;
    json->length = text.length;
    json->members = members;
    json->member_max = members != NULL ? member_max : 0;
    if (text.length > RAY_JSON_BYTES_MAX) {
        json->fault = RAY_JSON_FAULT_LENGTH;
        json->expects = EXPECTS_FAULT;
    }
}

/* Programs send no blanks, and people send lines that are indented. */
static inline uint64_t behind_blanks(const uint8_t *at, uint64_t place, uint64_t length)
{
    while (place < length && at[place] <= ' ') {
        uint8_t c = at[place];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            break;
        place++;
        while (length - place >= 8 && ray_load_8(at + place) == 0x2020202020202020U)
            place += 8;
    }
    return place;
}

/* The first byte that is not blank from *place on, and moves there; 0 when none is left, which is
 * no byte a token begins with either. */
static inline uint8_t token_at(const uint8_t *at, uint64_t *place, uint64_t length)
{
    if (*place < length && at[*place] > ' ')
        return at[*place];
    *place = behind_blanks(at, *place, length);
    return *place < length ? at[*place] : 0;
}

static __attribute__((noinline)) uint32_t close(ray_json *json, ray_json_item *item,
                                                uint32_t is_object)
{
    json->place++;
    json->depth--;
    json->objects >>= 1;
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
    json->first[json->depth++] = json->member_count;
    json->objects = json->objects << 1 | is_object;
    json->expects = is_object ? EXPECTS_NAME_OR_END : EXPECTS_VALUE_OR_END;
    item->kind = is_object ? RAY_JSON_OBJECT : RAY_JSON_ARRAY;
    return item->kind;
}

static uint32_t word(ray_json *json, ray_json_item *item, const char *literal, uint32_t kind)
{
    uint64_t length = kind == RAY_JSON_FALSE ? 5 : 4, place = json->place;
    const uint8_t *at = json->at + place, *letter = (const uint8_t *)literal;
    if (json->length - place < length || ray_read_u32(at) != ray_read_u32(letter) ||
        at[length - 1] != letter[length - 1]) {
        while (json->place < json->length && json->at[json->place] == letter[json->place - place])
            json->place++;
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    }
    json->place = place + length;
    item->kind = kind;
    return kind;
}

static __attribute__((noinline)) uint32_t number(ray_json *json, ray_json_item *item)
{
    const uint8_t *at = json->at + json->place;
    uint64_t left = json->length - json->place,
             taken = ray_json_integer_read(at, left, &item->number);
    if (taken == 0)
        taken = ray_json_number_read(at, left, &item->number);
    if (taken == 0)
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    item->text.at = at;
    item->text.length = taken;
    json->place += taken;
    item->kind = RAY_JSON_NUMBER;
    return RAY_JSON_NUMBER;
}

static __attribute__((noinline)) uint32_t value(ray_json *json, ray_json_item *item)
{
    uint32_t fault;
    json->expects = json->depth == 0 ? EXPECTS_NOTHING : EXPECTS_COMMA;
    switch (json->at[json->place]) {
    case '{': return open(json, item, 1);
    case '[': return open(json, item, 0);
    case 't': return word(json, item, "true", RAY_JSON_TRUE);
    case 'f': return word(json, item, "false", RAY_JSON_FALSE);
    case 'n': return word(json, item, "null", RAY_JSON_NULL);
    case '"': break;
    default: return number(json, item);
    }
    fault = string(json, item);
    if (fault != RAY_JSON_FAULT_NONE)
        return fail(json, item, fault);
    item->kind = RAY_JSON_STRING;
    return RAY_JSON_STRING;
}

static __attribute__((noinline)) uint32_t name(ray_json *json, ray_json_item *item)
{
    uint32_t fault = json->at[json->place] == '"' ? string(json, item)
                                                  : (uint32_t)RAY_JSON_FAULT_SYNTAX;
    if (fault == RAY_JSON_FAULT_NONE)
        fault = remember(json, item);
    if (fault != RAY_JSON_FAULT_NONE)
        return fail(json, item, fault);
    json->place = behind_blanks(json->at, json->place, json->length);
    if (json->place >= json->length || json->at[json->place] != ':')
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    json->place++;
    json->expects = EXPECTS_VALUE;
    item->kind = RAY_JSON_NAME;
    return RAY_JSON_NAME;
}

/* A name as most are: plain, new, not at the end of the text, and a colon behind it. Returns 0, and
 * changes nothing, when it is another. */
static inline uint32_t plain_name(ray_json *json, ray_json_item *item, uint64_t begin,
                                  uint64_t end)
{
    const uint8_t *at = json->at + begin;
    uint64_t n = end - begin;
    if (n == 0 || json->length - begin <= n + 8 || at[n + 1] != ':' ||
        json->member_count >= json->member_max)
        return 0;
    uint64_t head = ray_load_8(at);
    uint32_t digest = n < 8 ? ray_json_digest_of(head & UINT64_MAX >> (64 - 8 * n), 0, n)
                            : ray_json_digest_of(head, ray_load_8(at + n - 8), n);
    ray_json_member *fresh = same_digest(json, json->members + json->first[json->depth - 1],
                                         digest);
    if (fresh != json->members + json->member_count)
        return 0;
    *fresh = (ray_json_member){(uint32_t)begin, digest};
    json->member_count++;
    json->expects = EXPECTS_VALUE;
    json->place = end + 2;
    item->text = (ray_view){at, n};
    item->kind = RAY_JSON_NAME;
    return RAY_JSON_NAME;
}

/* A string as most are: plain. Returns 0, and changes nothing, when it is another. */
static inline uint32_t plain_string(ray_json *json, ray_json_item *item, uint32_t expects)
{
    uint64_t begin = json->place + 1, end = behind_plain(json->at, begin, json->length);
    if (end >= json->length || json->at[end] != '"')
        return 0;
    if (expects >= EXPECTS_NAME)
        return plain_name(json, item, begin, end);
    json->expects = json->depth == 0 ? EXPECTS_NOTHING : EXPECTS_COMMA;
    json->place = end + 1;
    item->text = (ray_view){json->at + begin, end - begin};
    item->kind = RAY_JSON_STRING;
    return RAY_JSON_STRING;
}

/* Nothing may come, or there was a fault. */
static __attribute__((noinline)) uint32_t at_end(ray_json *json, ray_json_item *item)
{
    item->kind = RAY_JSON_ERROR;
    if (json->expects == EXPECTS_FAULT)
        return RAY_JSON_ERROR;
    json->place = behind_blanks(json->at, json->place, json->length);
    if (json->expects != EXPECTS_NOTHING || json->place < json->length)
        return fail(json, item, RAY_JSON_FAULT_SYNTAX);
    item->kind = RAY_JSON_END;
    return RAY_JSON_END;
}

/* What is not as most is comes last and by a jump, so that the rest needs no stack. */
uint32_t ray_json_next(ray_json *json, ray_json_item *item)
{
    const uint8_t *at = json->at;
    uint32_t expects = json->expects;
    if (expects >= EXPECTS_NOTHING)
        return at_end(json, item);
    uint64_t length = json->length, place = json->place;
    uint8_t c = token_at(at, &place, length);
    item->escaped = 0;
    json->place = place;
    if (expects == EXPECTS_COMMA) {
        uint32_t is_object = json->objects & 1;
        if (c != ',')
            return c == (is_object ? '}' : ']') ? close(json, item, is_object)
                                                : fail(json, item, RAY_JSON_FAULT_SYNTAX);
        place++;
        c = token_at(at, &place, length);
        json->place = place;
        expects = is_object ? EXPECTS_NAME : EXPECTS_VALUE;
    } else if ((expects & 1) != 0 && c == (expects == EXPECTS_NAME_OR_END ? '}' : ']')) {
        return close(json, item, expects == EXPECTS_NAME_OR_END);
    }
    if (c == '"' && plain_string(json, item, expects) != 0)
        return item->kind;
    if (place >= length)
        return fail(json, item, RAY_JSON_FAULT_TRUNCATED);
    return expects >= EXPECTS_NAME ? name(json, item) : value(json, item);
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
