/* SPDX-License-Identifier: MIT */
/* keep.c - may a response be kept, and how long (RFC 9111 3 and 4.2)? What is not understood is
 * not kept: a response kept wrongly reaches strangers, one not kept costs a request. */
#include "parts.h"

#define SECOND_NS 1000000000ULL

static uint64_t seconds_ns(uint64_t seconds)
{
    return seconds > UINT64_MAX / SECOND_NS ? UINT64_MAX : seconds * SECOND_NS;
}

/* What Cache-Control says, all fields of that name together. */
typedef struct control {
    uint64_t max_age_ns;
    uint64_t shared_ns;
    uint32_t has_max_age;
    uint32_t has_shared;
    uint32_t forbidden;    /* no-store, private, no-cache, or two values for one age */
    uint32_t open;         /* public, s-maxage, must-revalidate: RFC 9111 3.5 */
} control;

/* Two ages, or one that is no number: the least cautious reading is an attack, so neither. */
static void take_age(const ray_member *member, uint64_t *ns, uint32_t *has, control *out)
{
    uint64_t seconds;
    if (*has != 0 || member->has_value == 0 || !ray_view_u64(member->value, &seconds)) {
        out->forbidden = 1;
        return;
    }
    *ns = seconds_ns(seconds);
    *has = 1;
}

static void read_control(ray_view headers, control *out)
{
    ray_view value;
    memset(out, 0, sizeof *out);
    for (uint32_t nth = 0; ray_headers_find(headers, "cache-control", 13, nth, &value); nth++) {
        ray_member member = {0};
        while (ray_member_next(value, &member)) {
            if (ray_view_is(member.name, "no-store") || ray_view_is(member.name, "private") ||
                ray_view_is(member.name, "no-cache"))
                out->forbidden = 1;
            else if (ray_view_is(member.name, "max-age"))
                take_age(&member, &out->max_age_ns, &out->has_max_age, out);
            else if (ray_view_is(member.name, "s-maxage"))
                take_age(&member, &out->shared_ns, &out->has_shared, out);
            else if (ray_view_is(member.name, "public") ||
                     ray_view_is(member.name, "must-revalidate"))
                out->open = 1;
        }
    }
    out->open |= out->has_shared;
}

/* The bits of all Vary fields; 0 for one with a name we keep nothing of, and for '*'. */
static uint32_t read_vary(ray_view headers, uint32_t *bits)
{
    ray_view value;
    *bits = 0;
    for (uint32_t nth = 0; ray_headers_find(headers, "vary", 4, nth, &value); nth++) {
        ray_member member = {0};
        while (ray_member_next(value, &member)) {
            uint32_t bit = 0;
            while (bit < RAY_CACHE_VARY_MAX &&
                   !ray_view_is(member.name, ray_mediator_vary_word(bit)))
                bit++;
            if (bit == RAY_CACHE_VARY_MAX)
                return 0;
            *bits |= 1U << bit;
        }
    }
    return 1;
}

uint32_t ray_cache_may_keep(uint16_t status, ray_view headers, uint32_t authorized,
                            uint64_t ttl_max_ns, ray_keep *out)
{
    control said;
    ray_view value;
    uint64_t age = 0;
    if ((ray_rest_row(status) & 2) == 0 || !ray_headers_sound(headers))
        return 0;
    if (ray_headers_find(headers, "set-cookie", 10, 0, &value))
        return 0;
    read_control(headers, &said);
    if (said.forbidden != 0 || (authorized != 0 && said.open == 0))
        return 0;
    uint64_t fresh_ns = said.has_shared != 0    ? said.shared_ns
                        : said.has_max_age != 0 ? said.max_age_ns
                                                : RAY_NEVER;
    /* Dates need a wall clock and a parser: whoever says when by Expires alone is not kept. */
    if (fresh_ns == RAY_NEVER && ray_headers_find(headers, "expires", 7, 0, &value))
        return 0;
    if (ray_headers_find(headers, "age", 3, 0, &value) && !ray_view_u64(value, &age))
        return 0;
    out->age_ns = seconds_ns(age);
    if (fresh_ns != RAY_NEVER && fresh_ns <= out->age_ns)
        return 0;
    uint64_t left_ns = fresh_ns == RAY_NEVER ? RAY_NEVER : fresh_ns - out->age_ns;
    out->ttl_ns = left_ns < ttl_max_ns ? left_ns : ttl_max_ns;
    out->reserved = 0;
    return out->ttl_ns != 0 && read_vary(headers, &out->vary);
}

void ray_cache_wish(ray_view headers, ray_wish *out)
{
    ray_view value;
    memset(out, 0, sizeof *out);
    out->age_max_ns = RAY_NEVER;
    for (uint32_t nth = 0; ray_headers_find(headers, "cache-control", 13, nth, &value); nth++) {
        ray_member member = {0};
        while (ray_member_next(value, &member)) {
            uint64_t seconds = 0;
            if (ray_view_is(member.name, "no-store"))
                out->no_store = 1;
            else if (ray_view_is(member.name, "no-cache"))
                out->no_cache = 1;
            else if (ray_view_is(member.name, "only-if-cached"))
                out->only_if_cached = 1;
            else if (ray_view_is(member.name, "max-age") && ray_view_u64(member.value, &seconds))
                out->age_max_ns = seconds_ns(seconds);
        }
    }
}

uint32_t ray_is_one_of(ray_view name, const char *const *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (ray_view_is(name, words[i]))
            return 1;
    return 0;
}

uint32_t ray_is_hop_by_hop(ray_view name)
{
    static const char *const names[] = {"connection", "keep-alive", "proxy-connection",
                                        "proxy-authenticate", "proxy-authorization", "te",
                                        "trailer", "transfer-encoding", "upgrade"};
    return ray_is_one_of(name, names, sizeof names / sizeof *names);
}
