/* SPDX-License-Identifier: MIT */
/* trace.c - ordered rows become events: which limit, which bucket, when, how many tokens. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "replay_parts.h"
#include "trace.h"

enum {
    EVENTS = 4096,         /* written at once */
    EVENTS_PER_CALL = 65536, /* then the caller gets a moment for signals */
    PLACES = 4 * RAY_TRACE_GROUP_MAX
};

static const uint64_t SECOND_NS = 1000000000;

struct ray_trace {
    ray_trace_spec spec;
    ray_trace_stats stats;
    ray_replay_stats order; /* what the merge counts */
    ray_replay_merge merge;
    ray_name headers[RAY_TRACE_PART_MAX];
    uint32_t *route_weight;
    ray_trace_group *groups;
    ray_answer *answers;
    uint8_t *scratch;
    uint64_t last_id;
    uint64_t finest_ns;
    uint32_t event_count;
    uint32_t stopped;
    uint32_t failed;
    uint32_t place[PLACES]; /* 1 + group, open addressing */
    ray_trace_event events[EVENTS];
};

/* -- life -- */

ray_trace *ray_trace_open(const ray_trace_spec *spec)
{
    ray_trace *trace = calloc(1, sizeof *trace);

    if (!trace)
        return NULL;
    trace->spec = *spec;
    trace->finest_ns = SECOND_NS;
    trace->groups = calloc(RAY_TRACE_GROUP_MAX, sizeof *trace->groups);
    trace->answers = calloc(RAY_REPLAY_ROWS_MAX, sizeof *trace->answers);
    trace->scratch = malloc(RAY_TARGET_BYTES_MAX);
    trace->route_weight = calloc(spec->route_count + 1u, sizeof *trace->route_weight);
    if (!trace->groups || !trace->answers || !trace->scratch || !trace->route_weight
        || spec->part_count > RAY_TRACE_PART_MAX || spec->header_count > RAY_TRACE_PART_MAX
        || spec->replay->order > RAY_REPLAY_REJECT || spec->prefix_v4 > 32
        || spec->prefix_v6 > 128 || !ray_replay_merge_open(&trace->merge, spec->replay)) {
        ray_trace_close(trace);
        return NULL;
    }
    memcpy(trace->headers, spec->headers, spec->header_count * sizeof *spec->headers);
    if (spec->route_weight)
        memcpy(trace->route_weight, spec->route_weight,
               spec->route_count * sizeof *spec->route_weight);
    else
        trace->spec.route_count = 0;
    return trace;
}

void ray_trace_close(ray_trace *trace)
{
    if (!trace)
        return;
    ray_replay_merge_close(&trace->merge);
    free(trace->groups);
    free(trace->answers);
    free(trace->scratch);
    free(trace->route_weight);
    free(trace);
}

void ray_trace_stop(ray_trace *trace)
{
    trace->stopped = 1;
    ray_replay_merge_drop(&trace->merge);
}

static uint32_t flush(ray_trace *trace)
{
    const uint8_t *at = (const uint8_t *)trace->events;
    uint64_t left = trace->event_count * sizeof *trace->events;

    while (left) {
        ssize_t wrote = write((int)trace->spec.fd, at, left);
        if (wrote <= 0) {
            trace->failed = RAY_REPLAY_REFUSED;
            return 0;
        }
        at += wrote;
        left -= (uint64_t)wrote;
    }
    trace->event_count = 0;
    return 1;
}

/* -- the group: its name -- */

typedef struct label {
    uint8_t at[RAY_TRACE_LABEL_BYTES];
    uint32_t length;
} label;

static void put(label *to, const uint8_t *at, uint32_t length)
{
    uint32_t room = RAY_TRACE_LABEL_BYTES - to->length;

    if (length > room)
        length = room;
    memcpy(to->at + to->length, at, length);
    to->length += length;
}

static void put_place(label *to, uint32_t handle)
{
    uint8_t digits[12];
    uint32_t i = sizeof digits;

    if (handle == RAY_NONE) {
        put(to, (const uint8_t *)"-", 1);
        return;
    }
    handle &= 0xffff; /* a handle's slot is the name's place in a configuration just loaded */
    do {
        digits[--i] = (uint8_t)('0' + handle % 10);
        handle /= 10;
    } while (handle);
    put(to, digits + i, (uint32_t)sizeof digits - i);
}

/* The value of a packed header, as gateway.h lays them out. */
static void put_header(label *to, const ray_name *name, const uint8_t *at, uint32_t length)
{
    uint32_t wanted = (uint32_t)strlen((const char *)name->at);

    while (length >= 4) {
        uint32_t name_length = at[0] | (uint32_t)at[1] << 8;
        uint32_t value_length = at[2] | (uint32_t)at[3] << 8;
        uint32_t whole = 4 + name_length + value_length;
        if (whole > length)
            return;
        if (name_length == wanted && memcmp(at + 4, name->at, wanted) == 0) {
            put(to, at + 4 + name_length, value_length);
            return;
        }
        at += whole;
        length -= whole;
    }
}

/* "/a/b/c?q" with 2 segments is "/a/b". */
static void put_path(label *to, const uint8_t *at, uint32_t length, uint32_t segments)
{
    uint32_t i = 0;

    while (i < length && at[i] != '?' && at[i] != '#') {
        if (at[i] == '/' && i && segments-- == 1)
            break;
        i++;
    }
    if (i > 1 && at[i - 1] == '/')
        i--;
    put(to, at, i);
}

static void name_group(const ray_trace *trace, const ray_row *row, const uint8_t *bytes,
                       const ray_answer *answer, label *out)
{
    const ray_trace_spec *spec = &trace->spec;

    out->length = 0;
    for (uint32_t i = 0; i < spec->part_count; i++) {
        uint32_t argument = spec->argument[i];
        if (i)
            put(out, (const uint8_t *)"\t", 1);
        switch (spec->part[i]) {
        case RAY_TRACE_PART_HEADER:
            if (argument < spec->header_count)
                put_header(out, &trace->headers[argument], bytes + row->headers_at,
                           row->headers_length);
            break;
        case RAY_TRACE_PART_SERVICE:
            put_place(out, answer ? answer->service : row->service);
            break;
        case RAY_TRACE_PART_TENANT:
            put_place(out, answer ? answer->tenant : row->tenant);
            break;
        case RAY_TRACE_PART_ROUTE:
            put_place(out, answer ? answer->route : RAY_NONE);
            break;
        default:
            put_path(out, bytes + row->target_at, row->target_length, argument);
            break;
        }
    }
}

/* The group of that name, made on first sight; the last one when there are too many. */
static uint32_t group_of(ray_trace *trace, const label *name)
{
    uint64_t hash = ray_replay_hash(trace->spec.hash_key, name->at, name->length, 0);
    uint32_t count = trace->stats.group_count;
    ray_trace_group *group;
    uint32_t at = (uint32_t)hash % PLACES;

    for (; trace->place[at]; at = (at + 1) % PLACES) {
        group = &trace->groups[trace->place[at] - 1];
        if (group->length == name->length && memcmp(group->label, name->at, name->length) == 0)
            return trace->place[at] - 1;
    }
    if (count == RAY_TRACE_GROUP_MAX - 1) { /* the last one is for all others and has no name */
        trace->stats.folded_count++;
        return count;
    }
    trace->place[at] = count + 1;
    group = &trace->groups[count];
    group->length = name->length;
    memcpy(group->label, name->at, name->length);
    trace->stats.group_count = count + 1;
    return count;
}

/* -- the key: its bucket -- */

static uint64_t client_key(const ray_trace_spec *spec, const ray_row *row, const uint8_t *bytes)
{
    uint8_t network[16];
    uint32_t four = 1;
    uint32_t bits;

    if (!(row->flags & RAY_ROW_ADDRESS))
        return ray_replay_hash(spec->hash_key, bytes + row->client_at, row->client_length, 0);
    for (uint32_t i = 0; i < 12; i++)
        four &= row->address.at[i] == (i < 10 ? 0 : 0xff);
    bits = four ? 96 + spec->prefix_v4 : spec->prefix_v6;
    for (uint32_t i = 0; i < sizeof network; i++) {
        uint32_t left = bits > 8 * i ? bits - 8 * i : 0;
        network[i] = left >= 8 ? row->address.at[i]
                               : (uint8_t)(row->address.at[i] & ~(0xffu >> left));
    }
    return ray_replay_hash(spec->hash_key, network, sizeof network, 1);
}

static uint64_t key_of(const ray_trace_spec *spec, const ray_row *row, const uint8_t *bytes)
{
    switch (spec->key) {
    case RAY_TRACE_KEY_USER:
        return ray_replay_hash(spec->hash_key, bytes + row->user_at, row->user_length, 0);
    case RAY_TRACE_KEY_CLIENT:
        return client_key(spec, row, bytes);
    default:
        return 0;
    }
}

/* -- events -- */

static void count_group(ray_trace_group *group, const ray_trace_event *event)
{
    uint64_t second = event->at_ns / SECOND_NS;

    if (!group->request_count)
        group->first_ns = event->at_ns;
    if (second != group->second)
        group->second_count = 0;
    group->second = second;
    if (++group->second_count > group->busiest_count)
        group->busiest_count = group->second_count;
    group->request_count++;
    group->throttled_count += (event->group & RAY_TRACE_THROTTLED) != 0;
    group->last_ns = event->at_ns;
}

static uint32_t add(ray_trace *trace, const ray_row *row, const uint8_t *bytes,
                    const ray_answer *answer)
{
    ray_trace_event *event = &trace->events[trace->event_count];
    ray_trace_stats *stats = &trace->stats;
    uint32_t route = answer ? answer->route & 0xffff : RAY_NONE;
    label name;
    uint32_t group;

    stats->request_count++;
    if (answer && (answer->status < 0 || answer->verdict == RAY_VERDICT_DENY
                   || answer->verdict == RAY_VERDICT_REDIRECT)) {
        stats->refused_count++;
        return 1;
    }
    name_group(trace, row, bytes, answer, &name);
    group = group_of(trace, &name);
    event->at_ns = row->at_ns;
    event->key = key_of(&trace->spec, row, bytes);
    event->group = group;
    event->tokens = row->weight || row->flags & RAY_ROW_WEIGHT ? row->weight
                    : answer && answer->route != RAY_NONE && route < trace->spec.route_count
                        ? trace->route_weight[route]
                        : 1;
    if (row->http_status == 429) {
        event->group |= RAY_TRACE_THROTTLED;
        stats->throttled_count++;
    }
    while (event->at_ns % trace->finest_ns)
        trace->finest_ns /= 10;
    count_group(&trace->groups[group], event);
    if (!stats->event_count++)
        stats->first_ns = event->at_ns;
    stats->last_ns = event->at_ns;
    stats->token_count += event->tokens;
    stats->weighted_count += event->tokens != 1;
    return ++trace->event_count < EVENTS || flush(trace);
}

/* -- running -- */

static uint32_t step(ray_trace *trace, const ray_replay_run_of_rows *run, struct ray *core)
{
    ray_rows batch = { run->rows, run->bytes, run->bytes_length, trace->scratch, NULL };

    for (uint32_t i = 0; i < run->count; i++)
        run->rows[i].id = ++trace->last_id;
    if (core && ray_step_batch(core, &batch, run->count, trace->answers) != RAY_OK) {
        trace->failed = RAY_REPLAY_REFUSED;
        return 0;
    }
    for (uint32_t i = 0; i < run->count; i++)
        if (!add(trace, &run->rows[i], run->bytes, core ? &trace->answers[i] : NULL))
            return 0;
    return 1;
}

uint32_t ray_trace_wants(const ray_trace *trace)
{
    return ray_replay_merge_wants(&trace->merge);
}

/* Why there is no row: what the caller must do. */
static uint32_t why_none(ray_trace *trace)
{
    if (trace->merge.failed)
        trace->failed = RAY_REPLAY_MEMORY;
    else if (!trace->stopped && !ray_replay_merge_done(&trace->merge))
        return RAY_REPLAY_INPUT;
    else if (flush(trace))
        return RAY_REPLAY_DONE;
    return trace->failed;
}

uint32_t ray_trace_run(ray_trace *trace, struct ray *core)
{
    uint64_t until = trace->last_id + EVENTS_PER_CALL;
    ray_replay_run_of_rows run;

    while (!trace->failed && trace->last_id < until) {
        if (trace->stopped
            || !ray_replay_merge_next(&trace->merge, RAY_REPLAY_ROWS_MAX, &trace->order, &run))
            return why_none(trace);
        if (!step(trace, &run, core))
            break;
    }
    return trace->failed ? trace->failed : RAY_REPLAY_MORE;
}

/* -- reading -- */

void ray_trace_read(const ray_trace *trace, ray_trace_stats *out)
{
    *out = trace->stats;
    out->stepped_back_count = trace->order.stepped_back_count;
    out->late_count = trace->order.late_count;
    out->finest_ns = trace->finest_ns;
    out->group_count += out->folded_count != 0;
}

uint32_t ray_trace_group_read(const ray_trace *trace, uint32_t index, ray_trace_group *out)
{
    if (index >= trace->stats.group_count + (trace->stats.folded_count != 0))
        return 0;
    *out = trace->groups[index];
    return 1;
}
