/* SPDX-License-Identifier: MIT */
/* path.c - the canonical path. A path that is canonical already is looked at once and not copied;
 * any other is rewritten in one pass. What is matched is what is forwarded (APISIX CVE-2021-43557,
 * where it was not). */
#include "gateway_state.h"
#include "words.h"

enum byte_class { PLAIN = 0, SLASH = 1, PERCENT = 2, QUESTION = 3, REFUSED = 4 };

/* What a raw byte means in a path. 0x21-0x7e pass but for '%', '/', '?' and '#' (a fragment is
 * never sent); a space, a control or a byte above 0x7e is refused. */
static const uint8_t class_of[256] = {
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 0, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};

/* Does a dot segment start at `at`? */
static uint32_t is_dots(const uint8_t *at, const uint8_t *end)
{
    if (at == end || *at != '.')
        return 0;
    if (++at < end && *at == '.')
        at++;
    return at == end || *at == '/' || *at == '?';
}

/* Eight bytes at once: 0 when they are plain and no slash among them starts an empty or a dot
 * segment; the byte behind them belongs to the next eight. Blank and "!"#$%&' count as special with
 * all below them, so that one addition finds them; so do '?' and 0x7f, which differ in a bit. */
static inline uint64_t needs_care(uint64_t word, uint64_t *slashes)
{
    uint64_t low = word & ~RAY_EACH_TOP;
    uint64_t special = word | ~(low + (0x80 - 0x28) * RAY_EACH_BYTE);
    special |= (low | 0x40 * RAY_EACH_BYTE) + RAY_EACH_BYTE;
    uint64_t slash = ray_word_equal(low, '/');
    uint64_t slash_or_dot = ray_word_equal(low | RAY_EACH_BYTE, '/');
    *slashes = slash;
    return (special & RAY_EACH_TOP) | (slash << 8 & slash_or_dot);
}

/* Of a path of 8 bytes or more: 1 when all of it is plain, as above; else 0 and *stop is where the
 * slow pass begins. The last eight bytes are looked at as one word, whatever was seen of them
 * before: so only the number of words is what nobody can foresee. */
static inline uint32_t settled_words(const uint8_t *at, uint64_t length, uint64_t *stop,
                                     uint64_t *bits)
{
    uint64_t from = 0, slashes = 0;
    while (from + 8 < length) {
        if (RAY_RARELY(needs_care(ray_load_8(at + from), &slashes) != 0)) {
            *stop = from;
            return 0;
        }
        if (from < 64)
            *bits |= ray_word_bits(slashes) << from;
        from += 8U - (slashes >> 63);
    }
    *stop = from = length - 8;
    if (RAY_RARELY(needs_care(ray_load_8(at + from), &slashes) != 0))
        return 0;
    if (from < 64)
        *bits |= ray_word_bits(slashes) << from;
    return 1;
}

static inline uint32_t settled_short(const uint8_t *at, uint64_t length, uint64_t *bits)
{
    uint64_t slashes, word = ray_word_load(at, 0, length) | 'a' * RAY_EACH_BYTE << 8 * length;
    if (needs_care(word, &slashes) != 0)
        return 0;
    *bits = ray_word_bits(slashes);
    return 1;
}

/* The end of the path when it is canonical and has no escape; NULL when it must be rewritten or
 * refused, which the slow pass then finds out. *ends gets a bit for each of the first 64 places
 * where a segment ends, and stays 0 when that is not known. */
static const uint8_t *settled_end(const uint8_t *at, const uint8_t *end, uint64_t *ends)
{
    uint64_t length = (uint64_t)(end - at), from = 0, bits = 0;
    if (RAY_MOSTLY(length >= 8) ? settled_words(at, length, &from, &bits)
                                : settled_short(at, length, &bits)) {
        *ends = length < 64 ? bits | (uint64_t)1 << length : bits;
        return end;
    }
    for (at += from; at < end; at++) {
        uint32_t class = class_of[*at];
        if (class == PLAIN)
            continue;
        if (class == QUESTION)
            return at;
        if (class != SLASH)
            return NULL;
        if (at + 1 < end && (at[1] == '/' || (at[1] == '.' && is_dots(at + 1, end))))
            return NULL;
    }
    return end;
}

/* -- rewriting -- */
typedef struct rewriter {
    uint8_t *out;
    uint64_t length;
    uint64_t segment;          /* where the last segment starts */
    uint32_t continues;        /* continuation bytes of UTF-8 still due */
    uint8_t low;               /* bounds of the next of them */
    uint8_t high;
    uint8_t escaped;
    uint8_t reserved;
} rewriter;

static uint32_t is_unreserved(uint32_t c)
{
    uint32_t letter = c | 0x20;
    return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* One byte of an escaped UTF-8 sequence (RFC 3629 section 4): no overlong form, no surrogate. */
static uint32_t utf8_fits(rewriter *to, uint32_t c)
{
    if (to->continues > 0) {
        if (c < to->low || c > to->high)
            return 0;
        to->continues--;
        to->low = 0x80;
        to->high = 0xbf;
        return 1;
    }
    if (c < 0xc2 || c > 0xf4)
        return 0;
    to->continues = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    to->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    to->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return 1;
}

/* The escape at `at`: decoded, kept in upper case, or refused (0). The one rule of gateway.h. */
static uint32_t put_escape(rewriter *to, const uint8_t *at, const uint8_t *end)
{
    static const char hex[] = "0123456789ABCDEF";
    if (end - at < 3 || ray_hex_value(at[1]) > 15 || ray_hex_value(at[2]) > 15)
        return 0;
    uint32_t c = ray_hex_value(at[1]) << 4 | ray_hex_value(at[2]);
    if (c >= 0x80) {
        if (!utf8_fits(to, c))
            return 0;
    } else if (to->continues > 0 || c < 0x20 || c == 0x7f || c == '%' || c == '#' || c == '?' ||
               c == ';') {
        return 0;
    } else if (is_unreserved(c)) {
        to->out[to->length++] = (uint8_t)c;
        return 1;
    }
    if (c == '/' || c == '\\')
        to->escaped = 1;
    to->out[to->length] = '%';
    to->out[to->length + 1] = (uint8_t)hex[c >> 4];
    to->out[to->length + 2] = (uint8_t)hex[c & 15];
    to->length += 3;
    return 1;
}

/* Ends a segment: "." goes, ".." goes with the segment before it, an empty one merges. `slash` is 1
 * when a slash follows, 0 at the end of the path. */
static void end_segment(rewriter *to, uint32_t slash)
{
    uint64_t length = to->length - to->segment;
    const uint8_t *at = to->out + to->segment;
    if (length == 1 && at[0] == '.') {
        to->length = to->segment;
        return;
    }
    if (length == 2 && at[0] == '.' && at[1] == '.') {
        to->length = to->segment > 1 ? to->segment - 1 : 1;
        while (to->out[to->length - 1] != '/')
            to->length--;
        to->segment = to->length;
        return;
    }
    if (length == 0 || !slash)
        return;
    to->out[to->length++] = '/';
    to->segment = to->length;
}

/* Rewrites the path at `at`, which starts with a slash; returns its end in the target, NULL when it
 * is refused. The output is never longer than the input. */
static const uint8_t *rewrite(rewriter *to, const uint8_t *at, const uint8_t *end)
{
    to->out[0] = '/';
    to->length = 1;
    to->segment = 1;
    for (at++; at < end && class_of[*at] != QUESTION; at++) {
        uint32_t class = class_of[*at];
        if (class == REFUSED || (to->continues > 0 && class != PERCENT))
            return NULL;
        if (class == SLASH) {
            end_segment(to, 1);
        } else if (class == PERCENT) {
            if (!put_escape(to, at, end))
                return NULL;
            at += 2;
        } else {
            to->out[to->length++] = *at;
        }
    }
    if (to->continues > 0)
        return NULL;
    end_segment(to, 0);
    return at;
}

/* -- the target -- */

/* Length of "http://" or "https://" in front of an absolute-form target, else 0. */
static uint64_t scheme_length(ray_view target)
{
    const char *at = (const char *)target.at;
    if (target.length > 7 && ray_same_ignoring_case(at, "http://", 7))
        return 7;
    return target.length > 8 && ray_same_ignoring_case(at, "https://", 8) ? 8 : 0;
}

/* Takes scheme and authority off an absolute-form target; 0 when there is no authority to take. */
static uint32_t take_authority(ray_view *target, ray_view *authority)
{
    uint64_t from = scheme_length(*target), to = from;
    if (from == 0)
        return 0;
    while (to < target->length && target->at[to] != '/' && target->at[to] != '?') {
        if (target->at[to] == '@')
            return 0;
        to++;
    }
    authority->at = target->at + from;
    authority->length = to - from;
    target->at += to;
    target->length -= to;
    return to > from;
}

/* Bytes 0x21-0x7e but '#', like a path, and nothing else of them is looked at. */
static uint32_t query_sound(const uint8_t *at, uint64_t length)
{
    uint64_t bad = 0;
    for (uint64_t from = 0; from < length; from += 8) {
        uint64_t word = ray_word_load(at, from, length), left = length - from;
        if (left < 8)
            word |= 'a' * RAY_EACH_BYTE << 8 * left;
        uint64_t low = word & ~RAY_EACH_TOP;
        bad |= word | ~(low + (0x80 - 0x21) * RAY_EACH_BYTE) | (low + RAY_EACH_BYTE) |
               ray_word_equal(low, '#');
    }
    return (bad & RAY_EACH_TOP) == 0;
}

void ray_gateway_path_read(ray_view target, uint8_t *scratch, ray_gateway_path *out)
{
    out->path.length = 0;
    out->query.length = 0;
    out->query.at = NULL;
    out->authority.length = 0;
    out->ends = 0;
    out->escaped = 0;
    out->reason = RAY_REASON_PATH_BAD;
    if (RAY_RARELY(target.length > RAY_TARGET_BYTES_MAX)) {
        out->reason = RAY_REASON_TARGET_TOO_LONG;
        return;
    }
    if (target.length > 0 && RAY_RARELY(target.at[0] != '/' && target.at[0] != '?') &&
        !take_authority(&target, &out->authority))
        return;
    const uint8_t *at = target.at, *end = target.at + target.length, *stop;
    if (RAY_RARELY(at == end || *at == '?')) {
        scratch[0] = '/';
        out->path.at = scratch;
        out->path.length = 1;
        stop = at;
    } else if (RAY_MOSTLY((stop = settled_end(at, end, &out->ends)) != NULL)) {
        out->path.at = at;
        out->path.length = (uint64_t)(stop - at);
    } else {
        rewriter to = {.out = scratch};
        stop = rewrite(&to, at, end);
        if (stop == NULL)
            return;
        out->path.at = scratch;
        out->path.length = to.length;
        out->escaped = to.escaped;
    }
    if (RAY_RARELY(stop < end)) {
        out->query.at = stop + 1;
        out->query.length = (uint64_t)(end - stop - 1);
        if (!query_sound(stop + 1, out->query.length))
            return;
    }
    out->reason = RAY_REASON_OK;
}

uint32_t ray_gateway_path_settled(ray_view path, uint32_t allow_escapes)
{
    uint8_t scratch[RAY_ROUTE_PATTERN_BYTES];
    ray_gateway_path out;
    if (path.length == 0 || path.length > sizeof scratch || path.at[0] != '/')
        return 0;
    ray_gateway_path_read(path, scratch, &out);
    return out.reason == RAY_REASON_OK && out.path.length == path.length &&
           ray_same(out.path.at, path.at, path.length) && (out.escaped == 0 || allow_escapes != 0);
}

uint32_t ray_gateway_canonical(ray_view target, uint8_t *scratch, ray_view *path, ray_view *query,
                               uint32_t *escaped)
{
    ray_gateway_path out;
    ray_gateway_path_read(target, scratch, &out);
    *path = out.path;
    *query = out.query;
    *escaped = out.escaped;
    return out.reason;
}
