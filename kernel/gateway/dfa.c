/* SPDX-License-Identifier: MIT */
/* dfa.c - tables compiled on the host: checked once as bytes from outside, then run, one load a
 * byte. There is no engine that could backtrack: steps are at most the bytes of the path. */
#include "gateway_state.h"

static uint32_t padded(uint32_t length)
{
    return (length + 7) & ~7U;
}

static ray_dfa_header header_of(const uint8_t *table)
{
    ray_dfa_header header;
    memcpy(&header, table, sizeof header);
    return header;
}

static uint32_t next_at(const uint8_t *next, uint64_t place)
{
    uint16_t state;
    memcpy(&state, next + 2 * place, sizeof state);
    return state;
}

enum { CLASSES_AT = sizeof(ray_dfa_header), ACCEPTING_AT = CLASSES_AT + 256 };

static const uint8_t *next_of(const uint8_t *table, uint32_t state_count)
{
    return table + ACCEPTING_AT + padded((state_count + 7) / 8);
}

static uint32_t accepts(const uint8_t *table, uint32_t state)
{
    return table[ACCEPTING_AT + state / 8] >> (state % 8) & 1U;
}

/* -- checking -- */
static uint32_t lengths_agree(ray_view table, const ray_dfa_header *header)
{
    if (header->magic != RAY_DFA_MAGIC || header->reserved != 0 || header->state_count < 2 ||
        header->class_count < 1 || header->class_count > 256)
        return 0;
    uint64_t cells = (uint64_t)header->state_count * header->class_count;
    uint64_t bytes = (uint64_t)ACCEPTING_AT + padded((header->state_count + 7U) / 8) +
                     ((2 * cells + 7) & ~(uint64_t)7);
    return bytes == header->length && bytes == table.length;
}

static uint32_t padding_is_zero(const uint8_t *table, const ray_dfa_header *header)
{
    uint32_t states = header->state_count, bits = padded((states + 7) / 8) * 8;
    for (uint32_t state = states; state < bits; state++)
        if (accepts(table, state))
            return 0;
    const uint8_t *end = next_of(table, states) + 2 * (uint64_t)states * header->class_count;
    return ray_is_zero(end, (uint64_t)(table + header->length - end));
}

ray_status ray_gateway_check_table(ray_view table)
{
    if (table.length < ACCEPTING_AT)
        return RAY_E_TRUNCATED;
    if (table.length > RAY_DFA_TABLE_BYTES)
        return RAY_E_RANGE;
    ray_dfa_header header = header_of(table.at);
    if (!lengths_agree(table, &header) || !padding_is_zero(table.at, &header))
        return RAY_E_SYNTAX;
    for (uint32_t c = 0; c < 256; c++)
        if (table.at[CLASSES_AT + c] >= header.class_count)
            return RAY_E_SYNTAX;
    const uint8_t *next = next_of(table.at, header.state_count);
    uint64_t cells = (uint64_t)header.state_count * header.class_count;
    for (uint64_t i = 0; i < cells; i++)
        if (next_at(next, i) >= header.state_count)
            return RAY_E_SYNTAX;
    if (accepts(table.at, 0) || !ray_is_zero(next, 2ULL * header.class_count))
        return RAY_E_SYNTAX;
    return RAY_OK;
}

/* -- running -- */
uint32_t ray_gateway_dfa_run(const uint8_t *table, ray_view text)
{
    ray_dfa_header header = header_of(table);
    const uint8_t *class_of = table + CLASSES_AT, *next = next_of(table, header.state_count);
    uint32_t state = 1;
    for (uint64_t i = 0; i < text.length && state != 0; i++)
        state = next_at(next, (uint64_t)state * header.class_count + class_of[text.at[i]]);
    return accepts(table, state);
}

uint32_t ray_gateway_run_table(ray_view table, ray_view text)
{
    return ray_gateway_dfa_run(table.at, text);
}

/* -- the literal beginning -- */

/* The only byte that leads on from `state`, and where; 256 when there is none or more than one. */
static uint32_t only_byte(const uint8_t *table, const ray_dfa_header *header, uint32_t state,
                          uint32_t *to)
{
    const uint8_t *next = next_of(table, header->state_count);
    uint32_t only = 256;
    for (uint32_t c = 0; c < 256; c++) {
        uint32_t class = table[CLASSES_AT + c];
        uint32_t there = next_at(next, (uint64_t)state * header->class_count + class);
        if (there == 0)
            continue;
        if (only != 256)
            return 256;
        only = c;
        *to = there;
    }
    return only;
}

uint32_t ray_gateway_dfa_prefix(const uint8_t *table, uint8_t *out, uint32_t capacity)
{
    ray_dfa_header header = header_of(table);
    uint32_t length = 0, slash = 0, state = 1, to = 0;
    while (length < capacity && !accepts(table, state)) {
        uint32_t c = only_byte(table, &header, state, &to);
        if (c == 256)
            break;
        if (c == '/')
            slash = length;
        out[length++] = (uint8_t)c;
        state = to;
    }
    return slash;
}

/* -- an accepted text -- */
enum { WALKS = 64, WALK_BYTES = 96 };

/* splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t draw(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* A byte that leads on from `state`, one that leaves it when `away`; 0 when there is none. */
static uint32_t any_byte(const uint8_t *table, uint32_t *state, uint32_t away, uint64_t random)
{
    static const char bytes[] = "/abcdefghijklmnopqrstuvwxyz0123456789-_."
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    ray_dfa_header header = header_of(table);
    const uint8_t *row = next_of(table, header.state_count) + 2ULL * *state * header.class_count;
    uint8_t live[sizeof bytes];
    uint32_t count = 0;
    for (uint32_t i = 0; i + 1 < sizeof bytes; i++) {
        uint32_t to = next_at(row, table[CLASSES_AT + (uint8_t)bytes[i]]);
        if (to != 0 && !(away && to == *state))
            live[count++] = (uint8_t)bytes[i];
    }
    if (count == 0)
        return 0;
    uint32_t byte = live[random % count];
    *state = next_at(row, table[CLASSES_AT + byte]);
    return byte;
}

uint32_t ray_gateway_dfa_example(const uint8_t *table, uint64_t choice, ray_text *out)
{
    uint64_t from = out->length, random = choice;
    for (uint32_t walk = 0; walk < WALKS; walk++) {
        uint32_t state = 1;
        for (uint32_t i = 0; i < WALK_BYTES && !accepts(table, state); i++) {
            uint64_t bits = draw(&random);
            uint32_t byte = any_byte(table, &state, bits >> 63 != 0, bits >> 1);
            if (byte == 0)
                byte = any_byte(table, &state, 0, bits >> 1);
            if (byte == 0)
                break;
            ray_text_char(out, (char)byte);
        }
        if (accepts(table, state) && out->truncated == 0)
            return 1;
        out->length = from;
    }
    return 0;
}
