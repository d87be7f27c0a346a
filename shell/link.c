/* SPDX-License-Identifier: MIT */
/* link.c - the machine link: frames in, at most one reply out per request, and every length
 * hostile. A reply is kept, so that a request sent again because its reply was lost is answered and
 * never done twice. */
#include "shell.h"

enum link_size {
    HEAD = 12, /* magic, version, type, seq, length */
    FRAME_MAX = HEAD + RAY_LINK_PAYLOAD_MAX + 4,
    ROWS_MAX = RAY_LINK_PAYLOAD_MAX / sizeof(ray_row),
    ANSWERS_MAX = RAY_LINK_PAYLOAD_MAX / sizeof(ray_answer)
};
#define STALE_NS 1000000000ULL

/* A reply and what it answers; `used` 0: free. */
typedef struct kept {
    uint64_t used; /* order of use, from 1 */
    uint32_t seq;
    uint32_t asked;  /* checksum of the request: a seq that was used again for something else is an
                        error */
    uint32_t length; /* of the frame */
    uint32_t reserved;
    uint8_t frame[FRAME_MAX];
    uint8_t reserved_2[4];
} kept;

/* A configuration or a snapshot that comes in parts. */
typedef struct parts {
    uint64_t total;
    uint64_t have;
    uint32_t type; /* 0: none */
    uint32_t reserved;
} parts;

struct ray_link {
    uint64_t started_ns;    /* raw time of the frame's first byte */
    uint64_t length;        /* bytes of the frame so far */
    uint64_t used;          /* replies ever kept */
    uint64_t dropped_count; /* frames and bytes that led to nothing */
    parts parts;
    uint8_t reserved[4];
    uint8_t frame[FRAME_MAX];
    uint8_t reserved_2[4];
    kept reply[RAY_LINK_OUTSTANDING_MAX];
    ray_row row[ROWS_MAX];
    ray_answer answer[ANSWERS_MAX];
    uint8_t scratch[RAY_TARGET_BYTES_MAX];
    uint64_t stage_bytes;
    _Alignas(64) uint8_t stage[]; /* max(RAY_CONFIG_BYTES_MAX, ray_bytes()) */
};

/* One request while it is served. */
typedef struct request {
    ray_link *link;
    struct ray *ray;
    const ray_machine *machine;
    ray_shell_result *result;
    const uint8_t *payload;
    uint8_t *to; /* payload of the reply */
    uint64_t raw_ns;
    uint32_t length; /* of the payload */
    uint32_t type;
} request;

/* What a handler answers: its payload's length, or a status below zero. */
typedef int64_t answer;

/* -- bytes (private) -- */
static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t read_u64(const uint8_t *at)
{
    return (uint64_t)read_u32(at) | (uint64_t)read_u32(at + 4) << 32;
}

static void write_u32(uint8_t *at, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static answer give(const request *r, const void *at, uint64_t length)
{
    __builtin_memcpy(r->to, at, length);
    return (answer)length;
}

/* -- requests (private) -- */
static answer do_hello(request *r)
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
    hello.row_max = ANSWERS_MAX;
    __builtin_memcpy(hello.config_hash, stats.config_hash, sizeof hello.config_hash);
    for (uint32_t i = 0; i < RAY_NAME_BYTES - 1 && version[i] != 0; i++)
        hello.version.at[i] = version[i];
    return give(r, &hello, sizeof hello);
}

/* Takes one part of something that comes in order; 1 when it is whole, 0 when more is to come, else
 * a status. */
static answer take_part(request *r, uint64_t total, uint64_t offset, uint32_t head)
{
    parts *p = &r->link->parts;
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
    __builtin_memcpy(r->link->stage + offset, r->payload + head, size);
    p->have += size;
    if (p->have < total)
        return 0;
    p->type = 0;
    return 1;
}

static answer do_config(request *r)
{
    ray_config_report report;
    if (r->length < 8)
        return RAY_E_TRUNCATED;
    uint64_t total = read_u32(r->payload);
    if (total > RAY_CONFIG_BYTES_MAX)
        return RAY_E_RANGE;
    answer whole = take_part(r, total, read_u32(r->payload + 4), 8);
    if (whole <= 0)
        return whole;
    __builtin_memset(&report, 0, sizeof report);
    uint64_t now_ns = ray_clock_gate(r->ray, r->raw_ns);
    report.status = ray_config_load(r->ray, now_ns, r->link->stage, total, &report);
    r->result->status = report.status;
    return give(r, &report, sizeof report);
}

/* Steps the rows of the payload; how many there were, or a status. Answers are in link->answer. */
static answer step_rows(request *r, uint32_t done, uint32_t count)
{
    ray_link *link = r->link;
    ray_rows rows = {link->row + done, r->payload + 8 + (uint64_t)count * sizeof(ray_row), 0,
                     link->scratch};
    rows.bytes_length = r->length - 8 - (uint64_t)count * sizeof(ray_row);
    uint32_t n = count - done < ANSWERS_MAX ? count - done : ANSWERS_MAX;
    __builtin_memset(link->answer, 0, sizeof link->answer);
    ray_status status = ray_step_batch(r->ray, &rows, n, link->answer);
    return status != RAY_OK ? (answer)status : (answer)n;
}

/* The header of ROWS: how many rows; the rows themselves go where they are aligned. */
static answer read_rows(request *r, uint32_t most)
{
    if (r->length < 8)
        return RAY_E_TRUNCATED;
    uint32_t count = read_u32(r->payload);
    uint32_t bytes = read_u32(r->payload + 4);
    if (count > most)
        return RAY_E_RANGE;
    if ((uint64_t)count * sizeof(ray_row) + bytes != r->length - 8)
        return RAY_E_TRUNCATED;
    __builtin_memcpy(r->link->row, r->payload + 8, (uint64_t)count * sizeof(ray_row));
    return count;
}

static answer do_rows(request *r)
{
    answer count = read_rows(r, ANSWERS_MAX);
    if (count <= 0)
        return count;
    answer done = step_rows(r, 0, (uint32_t)count);
    return done < 0 ? done : give(r, r->link->answer, (uint64_t)done * sizeof(ray_answer));
}

static answer do_rows_brief(request *r)
{
    uint32_t errors = 0;
    answer count = read_rows(r, ROWS_MAX);
    if (count < 0)
        return count;
    for (uint32_t done = 0; done < (uint32_t)count;) {
        answer n = step_rows(r, done, (uint32_t)count);
        if (n < 0)
            return n;
        for (uint32_t i = 0; i < (uint32_t)n; i++)
            errors += r->link->answer[i].status != RAY_OK;
        done += (uint32_t)n;
    }
    write_u32(r->to, (uint32_t)count);
    write_u32(r->to + 4, errors);
    return 8;
}

static answer do_digest(request *r)
{
    ray_digests digests;
    ray_digest(r->ray, &digests);
    return give(r, &digests, sizeof digests);
}

static answer do_stats(request *r)
{
    ray_stats stats;
    ray_read(r->ray, &stats);
    return give(r, &stats, sizeof stats);
}

static answer do_run(request *r)
{
    ray_text out;
    ray_text_init(&out, (char *)r->to + 4, RAY_LINK_PAYLOAD_MAX - 4);
    *r->result = ray_shell_run(r->ray, r->machine, r->raw_ns, RAY_WHO_LINK,
                               (const char *)r->payload, r->length, &out);
    write_u32(r->to, (uint32_t)r->result->status);
    return (answer)(4 + out.length);
}

static answer do_clock(request *r)
{
    if (r->length != 16)
        return RAY_E_TRUNCATED;
    uint64_t at = read_u64(r->payload);
    uint32_t is_virtual = read_u32(r->payload + 8);
    if (is_virtual > 1 || read_u32(r->payload + 12) != 0)
        return RAY_E_ARGUMENT;
    if (is_virtual != 0)
        ray_clock_virtual(r->ray, at);
    else
        ray_clock_live(r->ray, r->raw_ns);
    uint64_t now_ns = ray_clock_now(r->ray);
    return give(r, &now_ns, sizeof now_ns);
}

static answer do_reset(request *r)
{
    if (r->length != 16)
        return RAY_E_TRUNCATED;
    ray_init(r->ray, r->payload);
    return 0;
}

static answer do_snapshot(request *r)
{
    if (r->length != 16)
        return RAY_E_TRUNCATED;
    uint64_t offset = read_u64(r->payload);
    uint32_t size = read_u32(r->payload + 8);
    if (read_u32(r->payload + 12) != 0)
        return RAY_E_ARGUMENT;
    if (size > RAY_LINK_PAYLOAD_MAX || offset > ray_bytes() || size > ray_bytes() - offset)
        return RAY_E_RANGE;
    return give(r, (const uint8_t *)r->ray + offset, size);
}

static answer do_restore(request *r)
{
    if (r->length < 16)
        return RAY_E_TRUNCATED;
    uint64_t total = read_u64(r->payload);
    if (total != ray_bytes())
        return RAY_E_VERSION;
    answer whole = take_part(r, total, read_u64(r->payload + 8), 16);
    if (whole <= 0)
        return whole;
    const struct ray *staged = (const struct ray *)(const void *)r->link->stage;
    if (ray_valid(staged) != 0)
        return RAY_E_ARGUMENT;
    __builtin_memcpy(r->ray, staged, total);
    return 0;
}

static answer do_leave(request *r)
{
    r->result->action = RAY_ACTION_CONSOLE;
    return 0;
}

static answer serve(request *r)
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

/* -- replies (private) -- */
static kept *find_kept(ray_link *link, uint32_t seq)
{
    for (uint32_t i = 0; i < RAY_LINK_OUTSTANDING_MAX; i++)
        if (link->reply[i].used != 0 && link->reply[i].seq == seq)
            return &link->reply[i];
    return 0;
}

static kept *oldest_kept(ray_link *link)
{
    kept *oldest = &link->reply[0];
    for (uint32_t i = 1; i < RAY_LINK_OUTSTANDING_MAX; i++)
        if (link->reply[i].used < oldest->used)
            oldest = &link->reply[i];
    return oldest;
}

static void forget_all(ray_link *link)
{
    for (uint32_t i = 0; i < RAY_LINK_OUTSTANDING_MAX; i++)
        link->reply[i].used = 0;
    link->parts.type = 0;
}

/* Puts head and checksum around `length` bytes of payload that are in place already. */
static void seal(kept *k, uint32_t type, uint32_t length)
{
    k->frame[0] = 'R';
    k->frame[1] = 'G';
    k->frame[2] = 1;
    k->frame[3] = (uint8_t)type;
    write_u32(k->frame + 4, k->seq);
    write_u32(k->frame + 8, length);
    write_u32(k->frame + HEAD + length, ray_checksum(0, k->frame, HEAD + length));
    k->length = HEAD + length + 4;
}

static void seal_error(kept *k, ray_status status)
{
    ray_text text;
    write_u32(k->frame + HEAD, (uint32_t)status);
    ray_text_init(&text, (char *)k->frame + HEAD + 4, 64);
    ray_text_put(&text, ray_status_word(status));
    seal(k, RAY_LINK_ERROR, (uint32_t)(4 + text.length));
}

/* A whole frame whose checksum holds. */
static kept *serve_frame(request *r)
{
    ray_link *link = r->link;
    uint32_t seq = read_u32(link->frame + 4);
    uint32_t asked = read_u32(link->frame + HEAD + r->length);
    if (r->type == RAY_LINK_HELLO)
        forget_all(link);
    kept *k = find_kept(link, seq);
    if (k != 0 && k->asked == asked)
        return k;
    uint32_t reused = k != 0;
    k = reused ? k : oldest_kept(link);
    k->used = ++link->used;
    k->seq = seq;
    k->asked = asked;
    r->to = k->frame + HEAD;
    answer length = reused ? (answer)RAY_E_STATE : serve(r);
    if (length >= 0)
        seal(k, RAY_LINK_REPLY + r->type, (uint32_t)length);
    else {
        r->result->status = (ray_status)length;
        seal_error(k, (ray_status)length);
    }
    return k;
}

/* -- receiving (private) -- */
/* Drops the frame's first byte and whatever behind it cannot begin a frame. */
static void resync(ray_link *link)
{
    uint64_t from = 1;
    while (from < link->length &&
           (link->frame[from] != 'R' || (from + 1 < link->length && link->frame[from + 1] != 'G')))
        from++;
    __builtin_memmove(link->frame, link->frame + from, link->length - from);
    link->length -= from;
    link->dropped_count++;
}

/* How long the frame is that has begun, as far as its head says; 0 when it is none. */
static uint64_t frame_length(const ray_link *link)
{
    if (link->frame[0] != 'R' || (link->length > 1 && link->frame[1] != 'G') ||
        (link->length > 2 && link->frame[2] != 1))
        return 0;
    if (link->length < HEAD)
        return HEAD;
    uint32_t length = read_u32(link->frame + 8);
    return length <= RAY_LINK_PAYLOAD_MAX ? HEAD + (uint64_t)length + 4 : 0;
}

/* Takes bytes until a frame is whole; returns how many. */
static uint64_t collect(ray_link *link, uint64_t raw_ns, const uint8_t *bytes, uint64_t length,
                        uint32_t *whole)
{
    uint64_t used = 0;
    *whole = 0;
    if (link->length != 0 && (raw_ns < link->started_ns || raw_ns - link->started_ns > STALE_NS)) {
        link->length = 0;
        link->dropped_count++;
    }
    while (*whole == 0) {
        uint64_t wanted = link->length == 0 ? 1 : frame_length(link);
        if (wanted == 0) {
            resync(link);
            continue;
        }
        if (link->length == wanted && wanted > HEAD) {
            *whole = 1;
            break;
        }
        if (used == length)
            break;
        if (link->length == 0)
            link->started_ns = raw_ns;
        uint64_t need = link->length < HEAD ? 1 : wanted - link->length;
        uint64_t take = need < length - used ? need : length - used;
        __builtin_memcpy(link->frame + link->length, bytes + used, take);
        link->length += take;
        used += take;
    }
    return used;
}

/* -- the link -- */
uint64_t ray_link_state_bytes(void)
{
    uint64_t stage = ray_bytes() > RAY_CONFIG_BYTES_MAX ? ray_bytes() : RAY_CONFIG_BYTES_MAX;
    return sizeof(ray_link) + stage;
}

void ray_link_init(ray_link *link)
{
    __builtin_memset(link, 0, sizeof *link);
    link->stage_bytes = ray_link_state_bytes() - sizeof *link;
}

uint64_t ray_link_feed(ray_link *link, struct ray *ray, const ray_machine *machine, uint64_t raw_ns,
                       const uint8_t *bytes, uint64_t length, const uint8_t **reply,
                       uint64_t *reply_length, ray_shell_result *result)
{
    uint32_t whole;
    __builtin_memset(result, 0, sizeof *result);
    *reply = 0;
    *reply_length = 0;
    uint64_t used = collect(link, raw_ns, bytes, length, &whole);
    if (whole == 0)
        return used;
    request r = {link,
                 ray,
                 machine,
                 result,
                 link->frame + HEAD,
                 0,
                 raw_ns,
                 (uint32_t)(link->length - HEAD - 4),
                 link->frame[3]};
    if (ray_checksum(0, link->frame, HEAD + (uint64_t)r.length) !=
        read_u32(link->frame + HEAD + r.length)) {
        link->dropped_count++;
        result->status = RAY_E_CHECKSUM;
    } else {
        const kept *k = serve_frame(&r);
        *reply = k->frame;
        *reply_length = k->length;
    }
    link->length = 0;
    return used;
}
