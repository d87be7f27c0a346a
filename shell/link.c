/* SPDX-License-Identifier: MIT */
/* link.c - the machine link: frames in, at most one reply out per request, and every length
 * hostile. A reply is kept, so that a request sent again because its reply was lost is answered and
 * never done twice. */
#include "link_state.h"

enum { STAGE_AT = (sizeof(ray_link) + 63) / 64 * 64 };
#define STALE_NS 1000000000ULL

/* -- replies (private) -- */
static ray_link_kept *find_kept(ray_link *link, uint32_t seq)
{
    for (uint32_t i = 0; i < RAY_LINK_OUTSTANDING_MAX; i++)
        if (link->reply[i].used != 0 && link->reply[i].seq == seq)
            return &link->reply[i];
    return 0;
}

static ray_link_kept *oldest_kept(ray_link *link)
{
    ray_link_kept *oldest = &link->reply[0];
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
static void seal(ray_link_kept *k, uint32_t type, uint32_t length)
{
    k->frame[0] = 'R';
    k->frame[1] = 'G';
    k->frame[2] = 1;
    k->frame[3] = (uint8_t)type;
    ray_link_u32_put(k->frame + 4, k->seq);
    ray_link_u32_put(k->frame + 8, length);
    ray_link_u32_put(k->frame + RAY_LINK_HEAD + length,
                     ray_checksum(0, k->frame, RAY_LINK_HEAD + length));
    k->length = RAY_LINK_HEAD + length + 4;
}

static void seal_error(ray_link_kept *k, ray_status status)
{
    ray_text text;
    ray_link_u32_put(k->frame + RAY_LINK_HEAD, (uint32_t)status);
    ray_text_init(&text, (char *)k->frame + RAY_LINK_HEAD + 4, 64);
    ray_text_put(&text, ray_status_word(status));
    seal(k, RAY_LINK_ERROR, (uint32_t)(4 + text.length));
}

/* A whole frame whose checksum holds. */
static ray_link_kept *serve_frame(ray_link_request *r)
{
    ray_link *link = r->link;
    uint32_t seq = ray_link_u32(link->frame + 4);
    uint32_t asked = ray_link_u32(link->frame + RAY_LINK_HEAD + r->length);
    if (r->type == RAY_LINK_HELLO)
        forget_all(link);
    ray_link_kept *k = find_kept(link, seq);
    if (k != 0 && k->asked == asked)
        return k;
    uint32_t reused = k != 0;
    k = reused ? k : oldest_kept(link);
    k->used = ++link->used;
    k->seq = seq;
    k->asked = asked;
    r->to = k->frame + RAY_LINK_HEAD;
    int64_t length = reused ? (int64_t)RAY_E_STATE : ray_link_serve(r);
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
    if (link->length < RAY_LINK_HEAD)
        return RAY_LINK_HEAD;
    uint32_t length = ray_link_u32(link->frame + 8);
    return length <= RAY_LINK_PAYLOAD_MAX ? RAY_LINK_HEAD + (uint64_t)length + 4 : 0;
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
        if (link->length == wanted && wanted > RAY_LINK_HEAD) {
            *whole = 1;
            break;
        }
        if (used == length)
            break;
        if (link->length == 0)
            link->started_ns = raw_ns;
        uint64_t need = link->length < RAY_LINK_HEAD ? 1 : wanted - link->length;
        uint64_t take = need < length - used ? need : length - used;
        __builtin_memcpy(link->frame + link->length, bytes + used, take);
        link->length += take;
        used += take;
    }
    return used;
}

/* -- the link -- */
uint8_t *ray_link_stage(ray_link *link)
{
    return (uint8_t *)link + STAGE_AT;
}

uint64_t ray_link_state_bytes(void)
{
    uint64_t stage = ray_bytes() > RAY_CONFIG_BYTES_MAX ? ray_bytes() : RAY_CONFIG_BYTES_MAX;
    return STAGE_AT + stage;
}

void ray_link_init(ray_link *link)
{
    __builtin_memset(link, 0, sizeof *link);
    link->stage_bytes = ray_link_state_bytes() - STAGE_AT;
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
    ray_link_request r = {link,
                          ray,
                          machine,
                          result,
                          link->frame + RAY_LINK_HEAD,
                          0,
                          raw_ns,
                          (uint32_t)(link->length - RAY_LINK_HEAD - 4),
                          link->frame[3]};
    if (ray_checksum(0, link->frame, RAY_LINK_HEAD + (uint64_t)r.length) !=
        ray_link_u32(link->frame + RAY_LINK_HEAD + r.length)) {
        link->dropped_count++;
        result->status = RAY_E_CHECKSUM;
    } else {
        const ray_link_kept *k = serve_frame(&r);
        *reply = k->frame;
        *reply_length = k->length;
    }
    link->length = 0;
    return used;
}
