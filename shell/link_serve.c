/* SPDX-License-Identifier: MIT */
/* link_serve.c - what each request of the machine link does. Every length in it is hostile. */
#include "link_state.h"

/* -- bytes -- */
uint32_t ray_link_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void ray_link_u32_put(uint8_t *at, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t read_u64(const uint8_t *at)
{
    return (uint64_t)ray_link_u32(at) | (uint64_t)ray_link_u32(at + 4) << 32;
}

static int64_t give(const ray_link_request *r, const void *at, uint64_t length)
{
    __builtin_memcpy(r->to, at, length);
    return (int64_t)length;
}

/* -- requests (private) -- */
static int64_t do_hello(ray_link_request *r)
{
    ray_link_hello hello;
    ray_stats stats;
    const char *version = ray_version();
    __builtin_memset(&hello, 0, sizeof hello);
    ray_read(r->ray, &stats);
    hello.state_bytes = ray_bytes();
    hello.profile = stats.profile;
    hello.row_bytes = sizeof(ray_row);
    hello.answer_bytes = sizeof(ray_answer);
    hello.payload_max = RAY_LINK_PAYLOAD_MAX;
    hello.outstanding_max = RAY_LINK_OUTSTANDING_MAX;
    hello.row_max = RAY_LINK_ANSWERS_MAX;
    __builtin_memcpy(hello.config_hash, stats.config_hash, sizeof hello.config_hash);
    for (uint32_t i = 0; i < RAY_NAME_BYTES - 1 && version[i] != 0; i++)
        hello.version.at[i] = version[i];
    return give(r, &hello, sizeof hello);
}

/* Takes one part of something that comes in order; 1 when it is whole, 0 when more is to come, else
 * a status. */
static int64_t take_part(ray_link_request *r, uint64_t total, uint64_t offset, uint32_t head)
{
    ray_link_parts *p = &r->link->parts;
    uint64_t size = r->length - head;
    if (offset == 0) {
        p->type = r->type;
        p->total = total;
        p->have = 0;
    }
    if (p->type != r->type || p->total != total || p->have != offset)
        return RAY_E_STATE;
    if (total > r->link->stage_bytes)
        return RAY_E_FULL;
    if (size == 0 || size > total - offset)
        return RAY_E_RANGE;
    __builtin_memcpy(ray_link_stage(r->link) + offset, r->payload + head, size);
    p->have += size;
    if (p->have < total)
        return 0;
    p->type = 0;
    return 1;
}

static int64_t do_config(ray_link_request *r)
{
    ray_config_report report;
    if (r->length < 8)
        return RAY_E_TRUNCATED;
    uint64_t total = ray_link_u32(r->payload);
    if (total > RAY_CONFIG_BYTES_MAX)
        return RAY_E_RANGE;
    int64_t whole = take_part(r, total, ray_link_u32(r->payload + 4), 8);
    if (whole <= 0)
        return whole;
    __builtin_memset(&report, 0, sizeof report);
    uint64_t now_ns = ray_clock_gate(r->ray, r->raw_ns);
    report.status = ray_config_load(r->ray, r->machine->secrets, now_ns,
                                    ray_link_stage(r->link), total, &report);
    r->result->status = report.status;
    return give(r, &report, sizeof report);
}

/* Steps the rows of the payload; how many there were, or a status. Answers are in link->answer. */
static int64_t step_rows(ray_link_request *r, uint32_t done, uint32_t count)
{
    ray_link *link = r->link;
    ray_rows rows = {link->row + done, r->payload + 8 + (uint64_t)count * sizeof(ray_row), 0,
                     link->scratch, r->machine->secrets};
    rows.bytes_length = r->length - 8 - (uint64_t)count * sizeof(ray_row);
    uint32_t n = count - done < RAY_LINK_ANSWERS_MAX ? count - done : RAY_LINK_ANSWERS_MAX;
    __builtin_memset(link->answer, 0, sizeof link->answer);
    ray_status status = ray_step_batch(r->ray, &rows, n, link->answer);
    return status != RAY_OK ? (int64_t)status : (int64_t)n;
}

/* The header of ROWS: how many rows; the rows themselves go where they are aligned. */
static int64_t read_rows(ray_link_request *r, uint32_t most)
{
    if (r->length < 8)
        return RAY_E_TRUNCATED;
    uint32_t count = ray_link_u32(r->payload);
    uint32_t bytes = ray_link_u32(r->payload + 4);
    if (count > most)
        return RAY_E_RANGE;
    if ((uint64_t)count * sizeof(ray_row) + bytes != r->length - 8)
        return RAY_E_TRUNCATED;
    __builtin_memcpy(r->link->row, r->payload + 8, (uint64_t)count * sizeof(ray_row));
    return count;
}

static int64_t do_rows(ray_link_request *r)
{
    int64_t count = read_rows(r, RAY_LINK_ANSWERS_MAX);
    if (count <= 0)
        return count;
    int64_t done = step_rows(r, 0, (uint32_t)count);
    return done < 0 ? done : give(r, r->link->answer, (uint64_t)done * sizeof(ray_answer));
}

static int64_t do_rows_brief(ray_link_request *r)
{
    uint32_t errors = 0;
    int64_t count = read_rows(r, RAY_LINK_ROWS_MAX);
    if (count < 0)
        return count;
    for (uint32_t done = 0; done < (uint32_t)count;) {
        int64_t n = step_rows(r, done, (uint32_t)count);
        if (n < 0)
            return n;
        for (uint32_t i = 0; i < (uint32_t)n; i++)
            errors += r->link->answer[i].status != RAY_OK;
        done += (uint32_t)n;
    }
    ray_link_u32_put(r->to, (uint32_t)count);
    ray_link_u32_put(r->to + 4, errors);
    return 8;
}

static int64_t do_digest(ray_link_request *r)
{
    ray_digests digests;
    ray_digest(r->ray, &digests);
    return give(r, &digests, sizeof digests);
}

static int64_t do_stats(ray_link_request *r)
{
    ray_stats stats;
    ray_read(r->ray, &stats);
    return give(r, &stats, sizeof stats);
}

static int64_t do_run(ray_link_request *r)
{
    ray_text out;
    ray_text_init(&out, (char *)r->to + 4, RAY_LINK_PAYLOAD_MAX - 4);
    *r->result = ray_shell_run(r->ray, r->machine, r->raw_ns, RAY_WHO_LINK,
                               (const char *)r->payload, r->length, &out);
    ray_link_u32_put(r->to, (uint32_t)r->result->status);
    return (int64_t)(4 + out.length);
}

static int64_t do_clock(ray_link_request *r)
{
    if (r->length != 16)
        return RAY_E_TRUNCATED;
    uint64_t at = read_u64(r->payload);
    uint32_t is_virtual = ray_link_u32(r->payload + 8);
    if (is_virtual > 1 || ray_link_u32(r->payload + 12) != 0)
        return RAY_E_ARGUMENT;
    if (is_virtual != 0)
        ray_clock_virtual(r->ray, at);
    else
        ray_clock_live(r->ray, r->raw_ns);
    uint64_t now_ns = ray_clock_now(r->ray);
    return give(r, &now_ns, sizeof now_ns);
}

static int64_t do_reset(ray_link_request *r)
{
    if (r->length != 16)
        return RAY_E_TRUNCATED;
    ray_init(r->ray, r->payload);
    if (r->machine->secrets != 0)
        ray_secrets_reset(r->machine->secrets);
    return 0;
}

static int64_t do_snapshot(ray_link_request *r)
{
    if (r->length != 16)
        return RAY_E_TRUNCATED;
    uint64_t offset = read_u64(r->payload);
    uint32_t size = ray_link_u32(r->payload + 8);
    if (ray_link_u32(r->payload + 12) != 0)
        return RAY_E_ARGUMENT;
    if (size > RAY_LINK_PAYLOAD_MAX || offset > ray_bytes() || size > ray_bytes() - offset)
        return RAY_E_RANGE;
    return give(r, (const uint8_t *)r->ray + offset, size);
}

static int64_t do_restore(ray_link_request *r)
{
    if (r->length < 16)
        return RAY_E_TRUNCATED;
    uint64_t total = read_u64(r->payload);
    if (total != ray_bytes())
        return RAY_E_VERSION;
    int64_t whole = take_part(r, total, read_u64(r->payload + 8), 16);
    if (whole <= 0)
        return whole;
    struct ray *staged = (struct ray *)(void *)ray_link_stage(r->link);
    if (ray_adopt(staged) != RAY_OK)
        return RAY_E_ARGUMENT;
    __builtin_memcpy(r->ray, staged, total);
    return 0;
}

static int64_t do_leave(ray_link_request *r)
{
    r->result->action = RAY_ACTION_CONSOLE;
    return 0;
}

/* -- serving -- */
int64_t ray_link_serve(ray_link_request *r)
{
    switch ((enum ray_link_type)r->type) {
    case RAY_LINK_HELLO: return do_hello(r);
    case RAY_LINK_CONFIG: return do_config(r);
    case RAY_LINK_ROWS: return do_rows(r);
    case RAY_LINK_DIGEST: return do_digest(r);
    case RAY_LINK_STATS: return do_stats(r);
    case RAY_LINK_RUN: return do_run(r);
    case RAY_LINK_CLOCK: return do_clock(r);
    case RAY_LINK_RESET: return do_reset(r);
    case RAY_LINK_SNAPSHOT: return do_snapshot(r);
    case RAY_LINK_RESTORE: return do_restore(r);
    case RAY_LINK_ROWS_BRIEF: return do_rows_brief(r);
    case RAY_LINK_LEAVE: return do_leave(r);
    case RAY_LINK_REPLY:
    case RAY_LINK_ERROR: break;
    }
    return RAY_E_ARGUMENT;
}
