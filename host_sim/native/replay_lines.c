/* SPDX-License-Identifier: MIT */
/* replay_lines.c - the decision text: one JSON object a line for each request, in replay order. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

/* The longest line: fixed words, numbers, and a name for the rule and each of the shadows, six
 * bytes a character. */
enum {
    LINE_MAX = 512 + (RAY_REQUEST_LIMIT_MAX + 1) * (6 * RAY_NAME_BYTES + 160),
    LINES_FIRST = 1048576
};

static uint32_t make_room(ray_replay_lines *lines)
{
    uint64_t capacity;
    uint8_t *made;

    if (lines->capacity - lines->length >= LINE_MAX)
        return 1;
    capacity = lines->capacity ? lines->capacity * 2 : LINES_FIRST;
    made = realloc(lines->at, capacity);
    if (!made)
        return 0;
    lines->at = made;
    lines->capacity = capacity;
    return 1;
}

static void put(ray_replay_lines *lines, const char *text, uint64_t length)
{
    memcpy(lines->at + lines->length, text, length);
    lines->length += length;
}

#define PUT(lines, literal) put(lines, literal, sizeof(literal) - 1)

static void put_u64(ray_replay_lines *lines, uint64_t value)
{
    static const char pairs[] = "000102030405060708091011121314151617181920212223242526272829303132"
                                "33343536373839404142434445464748495051525354"
                                "555657585960616263646566676869707172737475767778798081828384858687"
                                "888990919293949596979899";
    char digits[20];
    uint32_t at = 20;

    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * value, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    put(lines, digits + at, 20 - at);
}

static void put_word(ray_replay_lines *lines, const char *word)
{
    PUT(lines, "\"");
    put(lines, word, strlen(word));
    PUT(lines, "\"");
}

/* The rule's name as a JSON string, null where nothing bound. */
static void put_by(ray_replay_lines *lines, const struct ray *names, uint32_t by_kind,
                   uint32_t by_id)
{
    ray_name name;
    ray_text text;

    if (by_kind == RAY_BY_NONE) {
        PUT(lines, "null");
        return;
    }
    ray_by_name(names, by_kind, by_id, &name);
    ray_text_init(&text, (char *)lines->at + lines->length, lines->capacity - lines->length);
    ray_text_json_name(&text, NULL, &name);
    lines->length += text.length;
}

/* Nanoseconds, "never", or null where waiting is not the matter. */
static void put_retry(ray_replay_lines *lines, uint64_t retry_after_ns)
{
    if (retry_after_ns == RAY_NEVER)
        PUT(lines, "\"never\"");
    else if (retry_after_ns)
        put_u64(lines, retry_after_ns);
    else
        PUT(lines, "null");
}

static void put_shadows(ray_replay_lines *lines, const struct ray *names, const ray_answer *answer)
{
    for (uint32_t i = 0; i < answer->shadow_count && i < RAY_REQUEST_LIMIT_MAX; i++) {
        const ray_shadow *shadow = &answer->shadow[i];
        if (i)
            PUT(lines, ",");
        PUT(lines, "{\"by\":");
        put_by(lines, names, shadow->by_kind, shadow->by_id);
        PUT(lines, ",\"reason\":");
        put_word(lines, ray_reason_word(shadow->reason));
        PUT(lines, ",\"retry_after_ns\":");
        put_retry(lines, shadow->retry_after_ns);
        PUT(lines, "}");
    }
}

/* Where the row stands in the log; the number of the file where there are several. */
static void put_line(ray_replay_lines *lines, uint64_t line)
{
    PUT(lines, ",\"line\":");
    put_u64(lines, line & 0xffffffffffff);
    if (line >> 48) {
        PUT(lines, ",\"source\":");
        put_u64(lines, line >> 48);
    }
    PUT(lines, "}\n");
}

/* A row that the core refused has no decision: seq is null, the verdict is "error" and the reason
 * its status. */
static void put_refused(ray_replay_lines *lines, const ray_row *row, const ray_answer *answer)
{
    PUT(lines, "{\"seq\":null,\"t_ns\":");
    put_u64(lines, row->at_ns);
    PUT(lines, ",\"verdict\":\"error\",\"reason\":");
    put_word(lines, ray_status_word(answer->status));
    PUT(lines, ",\"by\":null,\"retry_after_ns\":null,\"shadow\":[]");
}

static void put_decision(ray_replay_lines *lines, const struct ray *names, const ray_answer *answer)
{
    PUT(lines, "{\"seq\":");
    put_u64(lines, answer->id);
    PUT(lines, ",\"t_ns\":");
    put_u64(lines, answer->at_ns);
    PUT(lines, ",\"verdict\":");
    put_word(lines, ray_verdict_word(answer->verdict));
    PUT(lines, ",\"reason\":");
    put_word(lines, ray_reason_word(answer->reason));
    PUT(lines, ",\"by\":");
    put_by(lines, names, answer->by_kind, answer->by_id);
    PUT(lines, ",\"retry_after_ns\":");
    if (answer->verdict == RAY_VERDICT_DELAY)
        put_retry(lines, answer->start_at_ns - answer->at_ns);
    else
        put_retry(lines, answer->retry_after_ns);
    PUT(lines, ",\"shadow\":[");
    put_shadows(lines, names, answer);
    PUT(lines, "]");
}

uint32_t ray_replay_lines_add(ray_replay_lines *lines, const struct ray *names, const ray_row *rows,
                              const uint64_t *line, uint32_t count, const ray_answer *answers)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].kind == RAY_ROW_SETTLE)
            continue;
        if (!make_room(lines))
            return 0;
        if (answers[i].status < 0)
            put_refused(lines, &rows[i], &answers[i]);
        else
            put_decision(lines, names, &answers[i]);
        put_line(lines, line[i]);
    }
    return 1;
}
