/* SPDX-License-Identifier: MIT */
/* match.c - what a route asks of a header or a query parameter. A name may come several times: one
 * value that fits is enough. Absent is not empty. */
#include "gateway_state.h"
#include "base/headers.h"

/* Bytes to compare with: a header value as it is, a query parameter decoded once ('+' is a blank, a
 * bad escape stands for itself), so that no spelling of a value escapes its route. */
typedef struct reader {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t decodes;
    uint32_t reserved;
} reader;

static uint8_t next_byte(reader *from)
{
    uint8_t c = *from->at++;
    if (from->decodes == 0)
        return c;
    if (c == '+')
        return ' ';
    if (c != '%' || from->end - from->at < 2 || ray_hex_value(from->at[0]) > 15 ||
        ray_hex_value(from->at[1]) > 15)
        return c;
    c = (uint8_t)(ray_hex_value(from->at[0]) << 4 | ray_hex_value(from->at[1]));
    from->at += 2;
    return c;
}

/* 1 when the bytes begin with `wanted`; `whole`: and end there. */
static uint32_t begins(reader from, const char *wanted, uint32_t length, uint32_t whole)
{
    for (uint32_t i = 0; i < length; i++)
        if (from.at == from.end || next_byte(&from) != (uint8_t)wanted[i])
            return 0;
    return whole == 0 || from.at == from.end;
}

/* Knuth, Morris and Pratt (1977): linear whatever the bytes are. */
static uint32_t contains(reader from, const char *wanted, uint32_t length)
{
    uint8_t back[RAY_MATCH_VALUE_BYTES + 1];
    uint32_t done = 0;
    if (length == 0)
        return 1;
    back[0] = 0;
    back[1] = 0;
    for (uint32_t i = 1; i < length; i++) {
        while (done > 0 && wanted[i] != wanted[done])
            done = back[done];
        done += wanted[i] == wanted[done];
        back[i + 1] = (uint8_t)done;
    }
    done = 0;
    while (from.at < from.end) {
        uint8_t c = next_byte(&from);
        while (done > 0 && c != (uint8_t)wanted[done])
            done = back[done];
        done += c == (uint8_t)wanted[done];
        if (done == length)
            return 1;
    }
    return 0;
}

static uint32_t value_fits(const ray_match_spec *match, reader value)
{
    switch (match->how) {
    case RAY_MATCH_EXACT:
        return begins(value, match->value, match->value_length, 1);
    case RAY_MATCH_PREFIX:
        return begins(value, match->value, match->value_length, 0);
    case RAY_MATCH_CONTAINS:
        return contains(value, match->value, match->value_length);
    default:
        return match->how == RAY_MATCH_PRESENT;
    }
}

uint32_t ray_gateway_header_fits(const ray_match_spec *match, ray_view headers)
{
    ray_header_walk walk = {0};
    while (ray_headers_next(headers, &walk)) {
        if (walk.name.length != match->name_length ||
            !ray_same_ignoring_case((const char *)walk.name.at, match->name, match->name_length))
            continue;
        reader value = {walk.value.at, walk.value.at + walk.value.length, 0, 0};
        if (match->how == RAY_MATCH_ABSENT)
            return 0;
        if (value_fits(match, value))
            return 1;
    }
    return match->how == RAY_MATCH_ABSENT;
}

uint32_t ray_gateway_query_fits(const ray_match_spec *match, ray_view query)
{
    const uint8_t *at = query.at, *end = query.at + query.length;
    while (at < end) {
        const uint8_t *stop = at, *equals = NULL;
        for (; stop < end && *stop != '&'; stop++)
            if (*stop == '=' && equals == NULL)
                equals = stop;
        reader name = {at, equals != NULL ? equals : stop, 1, 0};
        reader value = {equals != NULL ? equals + 1 : stop, stop, 1, 0};
        at = stop < end ? stop + 1 : end;
        if (name.at == stop || !begins(name, match->name, match->name_length, 1))
            continue;
        if (match->how == RAY_MATCH_ABSENT)
            return 0;
        if (value_fits(match, value))
            return 1;
    }
    return match->how == RAY_MATCH_ABSENT;
}
