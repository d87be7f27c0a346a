/* SPDX-License-Identifier: MIT */
/* key.c - what makes two requests the same one: tenant, host, path and query, each with its length,
 * so that no byte can move from one part into the next. Their route stands beside the hash, because
 * a request that changes a target may come by another route than those that read it. */
#include "parts.h"
#include "base/siphash.h"

enum { PARAMETER_MAX = 64 };

static const char *const varies[RAY_CACHE_VARY_MAX] = {
    "accept", "accept-encoding", "accept-language", "origin",
    "user-agent", "cookie", "x-requested-with", "prefer"};

const char *ray_mediator_vary_word(uint32_t bit)
{
    return bit < RAY_CACHE_VARY_MAX ? varies[bit] : NULL;
}

static void begin(const ray_mediator *mediator, ray_sip_stream *stream)
{
    ray_sip_begin(stream, (const char *)mediator->config.seed);
}

static void end(const ray_sip_stream *stream, uint64_t key[2])
{
    uint8_t digest[16];
    ray_sip_end(stream, digest);
    memcpy(key, digest, sizeof digest);
}

/* The length first, then the bytes in whole words. */
static void absorb(ray_sip_stream *stream, ray_view view, uint32_t lower)
{
    ray_sip_words(stream, &view.length, 1);
    for (uint64_t i = 0; i < view.length; i += 8) {
        uint64_t word = 0;
        for (uint64_t at = i; at < view.length && at < i + 8; at++) {
            uint64_t c = view.at[at];
            if (lower != 0 && c >= 'A' && c <= 'Z')
                c += 'a' - 'A';
            word |= c << 8 * (at - i);
        }
        ray_sip_words(stream, &word, 1);
    }
}

typedef struct parameter {
    uint16_t from;
    uint16_t length;
    uint16_t name_length;
} parameter;

static int before(const uint8_t *at, const parameter *a, const parameter *b)
{
    uint32_t least = a->name_length < b->name_length ? a->name_length : b->name_length;
    int order = memcmp(at + a->from, at + b->from, least);
    return order != 0 ? order < 0 : a->name_length < b->name_length;
}

/* Sorted by name; what has the same name keeps its order, because a service may tell a=1&a=2 from
 * a=2&a=1. 0 when there are too many. */
static uint32_t sorted(ray_view query, parameter *list, uint32_t *count)
{
    uint32_t used = 0;
    if (query.length > UINT16_MAX)
        return 0;
    for (uint64_t from = 0; from < query.length;) {
        uint64_t to = from, name;
        while (to < query.length && query.at[to] != '&')
            to++;
        for (name = from; name < to && query.at[name] != '=';)
            name++;
        if (used == PARAMETER_MAX)
            return 0;
        parameter one = {(uint16_t)from, (uint16_t)(to - from), (uint16_t)(name - from)};
        uint32_t at = used++;
        for (; at > 0 && before(query.at, &one, &list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = one;
        from = to + 1;
    }
    *count = used;
    return 1;
}

/* 0 for a target that nothing is kept of. */
static uint32_t hash(const ray_mediator *mediator, const ray_mediator_query *query,
                     uint64_t key[2])
{
    parameter list[PARAMETER_MAX];
    uint32_t count = 0;
    ray_sip_stream stream;
    if (sorted(query->query, list, &count) == 0)
        return 0;
    uint64_t numbers[2] = {query->tenant, count};
    begin(mediator, &stream);
    ray_sip_words(&stream, numbers, 2);
    absorb(&stream, query->host, 1);
    absorb(&stream, query->path, 0);
    for (uint32_t i = 0; i < count; i++) {
        ray_view one = {query->query.at + list[i].from, list[i].length};
        absorb(&stream, one, 0);
    }
    end(&stream, key);
    return 1;
}

uint32_t ray_cache_key(const ray_mediator *mediator, const ray_mediator_query *query,
                       uint64_t key[2])
{
    return (query->method == RAY_METHOD_GET || query->method == RAY_METHOD_HEAD) &&
           hash(mediator, query, key) != 0;
}

uint64_t ray_mediator_target(const ray_mediator *mediator, const ray_mediator_query *query)
{
    uint64_t key[2];
    if (mediator->config.transform_count == 0 || hash(mediator, query, key) == 0)
        return 0;
    return key[0] != RAY_NEVER ? key[0] : 0;
}

void ray_cache_said(const ray_mediator *mediator, ray_view headers, uint32_t bit,
                    uint64_t said[2])
{
    ray_sip_stream stream;
    ray_view value;
    uint64_t count = 0, length = ray_length_of(varies[bit]);
    begin(mediator, &stream);
    for (; ray_headers_find(headers, varies[bit], length, (uint32_t)count, &value); count++)
        absorb(&stream, value, 0);
    ray_sip_words(&stream, &count, 1);
    end(&stream, said);
}
