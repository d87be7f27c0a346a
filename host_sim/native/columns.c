/* SPDX-License-Identifier: MIT */
/* columns.c - decisions as columns: each a block that doubles. */
#include <stdlib.h>
#include <string.h>
#include "columns.h"

enum {
    ROWS_FIRST = 4096,
    TEXT_FIRST = 65536,
    RULES_FIRST = 64,
    ADDRESS_TEXT = 64 /* the longest address as text, and its end */
};

typedef struct column {
    uint8_t *at;
    uint64_t length; /* elements */
    uint64_t capacity;
    uint64_t width;
} column;

struct ray_columns {
    column column[RAY_COLUMN_MAX];
    ray_columns_rule *rules;
    uint32_t rule_count;
    uint32_t rule_capacity;
    uint64_t count;
};

static const uint8_t widths[RAY_COLUMN_MAX] = { 8, 8, 8, 8, 8, 4, 4, 4, 4, 4,
                                                2, 2, 2, 1, 1, 1, 8, 8, 1, 1 };

/* -- life -- */

static uint32_t make_room(column *c, uint64_t more)
{
    uint64_t capacity = c->capacity;
    uint8_t *at;

    if (capacity - c->length >= more)
        return 1;
    while (capacity - c->length < more)
        capacity *= 2;
    at = realloc(c->at, capacity * c->width);
    if (!at)
        return 0;
    c->at = at;
    c->capacity = capacity;
    return 1;
}

ray_columns *ray_columns_open(void)
{
    ray_columns *columns = calloc(1, sizeof *columns);

    if (!columns)
        return NULL;
    columns->rule_capacity = RULES_FIRST;
    columns->rules = malloc(RULES_FIRST * sizeof *columns->rules);
    for (uint32_t i = 0; i < RAY_COLUMN_MAX; i++) {
        column *c = &columns->column[i];
        c->width = widths[i];
        c->capacity = i < RAY_COLUMN_USER ? ROWS_FIRST : TEXT_FIRST;
        c->at = malloc(c->capacity * c->width);
        if (!c->at || !columns->rules) {
            ray_columns_close(columns);
            return NULL;
        }
    }
    for (uint32_t i = RAY_COLUMN_USER_END; i <= RAY_COLUMN_CLIENT_END; i++) {
        memset(columns->column[i].at, 0, 8);
        columns->column[i].length = 1;
    }
    return columns;
}

void ray_columns_close(ray_columns *columns)
{
    if (!columns)
        return;
    for (uint32_t i = 0; i < RAY_COLUMN_MAX; i++)
        free(columns->column[i].at);
    free(columns->rules);
    free(columns);
}

/* -- adding -- */

/* Little-endian as every host this is built for is; the widest first bytes are the number's. */
static void put(ray_columns *columns, uint32_t which, uint64_t value)
{
    column *c = &columns->column[which];

    memcpy(c->at + c->length++ * c->width, &value, c->width);
}

/* A handle's place is its lower half; the answer to a row that was refused names nothing. */
static uint64_t place_of(const ray_answer *answer, uint32_t handle)
{
    return answer->status < 0 || handle == RAY_NONE ? 0 : (uint64_t)(handle & 0xffff) + 1;
}

/* 1 + the rule's index, made on first sight; 0 when nothing bound, *fine 0 when memory is out. The
 * few rules of a configuration are looked through from the last on. */
static uint64_t rule_place(ray_columns *columns, const ray_answer *answer, uint32_t *fine)
{
    ray_columns_rule *rule;

    if (answer->status < 0 || answer->by_kind == RAY_BY_NONE)
        return 0;
    for (uint32_t i = columns->rule_count; i-- > 0;)
        if (columns->rules[i].by_id == answer->by_id
            && columns->rules[i].by_kind == answer->by_kind)
            return (uint64_t)i + 1;
    if (columns->rule_count == columns->rule_capacity) {
        rule = realloc(columns->rules, 2 * sizeof *rule * columns->rule_capacity);
        if (!rule) {
            *fine = 0;
            return 0;
        }
        columns->rules = rule;
        columns->rule_capacity *= 2;
    }
    rule = &columns->rules[columns->rule_count++];
    rule->by_kind = answer->by_kind;
    rule->by_id = answer->by_id;
    return columns->rule_count;
}

static void put_text(ray_columns *columns, uint32_t which, uint32_t end, const void *at,
                     uint32_t length)
{
    column *c = &columns->column[which];

    if (length)
        memcpy(c->at + c->length, at, length);
    c->length += length;
    put(columns, end, c->length);
}

static void put_who(ray_columns *columns, const ray_row *row, const uint8_t *bytes)
{
    char address[ADDRESS_TEXT];
    ray_text text;

    put_text(columns, RAY_COLUMN_USER, RAY_COLUMN_USER_END, bytes + row->user_at, row->user_length);
    if (row->flags & RAY_ROW_ADDRESS) {
        ray_text_init(&text, address, sizeof address);
        ray_text_address(&text, &row->address);
        put_text(columns, RAY_COLUMN_CLIENT, RAY_COLUMN_CLIENT_END, address,
                 (uint32_t)text.length);
    } else {
        put_text(columns, RAY_COLUMN_CLIENT, RAY_COLUMN_CLIENT_END, bytes + row->client_at,
                 row->client_length);
    }
}

static uint32_t add_one(ray_columns *columns, const ray_row *row, const uint8_t *bytes,
                        const ray_answer *answer)
{
    uint64_t wait = answer->verdict == RAY_VERDICT_DELAY ? answer->start_at_ns - answer->at_ns
                                                         : answer->retry_after_ns;
    uint32_t fine = 1;
    uint64_t by = rule_place(columns, answer, &fine);

    for (uint32_t i = 0; i < RAY_COLUMN_USER; i++)
        fine &= make_room(&columns->column[i], 1);
    fine &= make_room(&columns->column[RAY_COLUMN_USER], row->user_length)
            & make_room(&columns->column[RAY_COLUMN_CLIENT],
                        (uint64_t)row->client_length + ADDRESS_TEXT);
    if (!fine)
        return 0;
    columns->count++;
    put(columns, RAY_COLUMN_SEQ, answer->id);
    put(columns, RAY_COLUMN_ROW, row->id);
    put(columns, RAY_COLUMN_AT_NS, answer->status < 0 ? row->at_ns : answer->at_ns);
    put(columns, RAY_COLUMN_RETRY_AFTER_NS, wait);
    put(columns, RAY_COLUMN_RESPONSE_BYTES, row->response_bytes);
    put(columns, RAY_COLUMN_SERVICE, place_of(answer, answer->service));
    put(columns, RAY_COLUMN_ROUTE, place_of(answer, answer->route));
    put(columns, RAY_COLUMN_TENANT, place_of(answer, answer->tenant));
    put(columns, RAY_COLUMN_BY, by);
    put(columns, RAY_COLUMN_WOULD_DENY, answer->would_deny_count);
    put(columns, RAY_COLUMN_REASON, answer->reason);
    put(columns, RAY_COLUMN_STATUS, answer->http_status);
    put(columns, RAY_COLUMN_LOG_STATUS, row->http_status);
    put(columns, RAY_COLUMN_VERDICT, answer->verdict);
    put(columns, RAY_COLUMN_PRIORITY, answer->priority);
    put(columns, RAY_COLUMN_QUEUED, answer->queued);
    put_who(columns, row, bytes);
    return 1;
}

uint32_t ray_columns_add(ray_columns *columns, const ray_row *rows, const uint8_t *bytes,
                         uint32_t count, const ray_answer *answers)
{
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].kind != RAY_ROW_SETTLE && rows[i].kind != RAY_ROW_TICK
            && !add_one(columns, &rows[i], bytes, &answers[i]))
            return 0;
    return 1;
}

/* -- reading -- */

uint64_t ray_columns_count(const ray_columns *columns)
{
    return columns->count;
}

const void *ray_columns_at(const ray_columns *columns, uint32_t which, uint64_t *length,
                           uint32_t *width)
{
    const column *c = &columns->column[which < RAY_COLUMN_MAX ? which : 0];

    *length = c->length;
    *width = (uint32_t)c->width;
    return c->at;
}

uint32_t ray_columns_by(const ray_columns *columns, uint32_t index, ray_columns_rule *out)
{
    if (index >= columns->rule_count)
        return 0;
    *out = columns->rules[index];
    return 1;
}
