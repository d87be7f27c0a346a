/* SPDX-License-Identifier: MIT */
/* line.c - minutes of the week and addresses, each a line that rules cut into segments: inside one
 * segment every rule says the same, so a segment is a row of bits like any other value. */
#include "parts.h"
#include "base/week.h"

#define V4 0xffff00000000ULL /* ::ffff:0:0, where IPv4 begins */

/* -- cuts -- */
static int32_t order(ray_policy_cut a, ray_policy_cut b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

ray_policy_cut ray_policy_cut_of(const ray_address *address)
{
    ray_policy_cut cut;
    memcpy(&cut, address, sizeof cut);
    cut.high = __builtin_bswap64(cut.high);
    cut.low = __builtin_bswap64(cut.low);
    return cut;
}

/* The last segment of [first, last] that begins at or before `at`; the first does. */
static uint32_t segment_of(const ray_policy_index *index, uint32_t first, uint32_t last,
                           ray_policy_cut at)
{
    uint32_t count = last - first + 1;
    do {    /* once at least: most buckets have one cut or none, and nobody can guess which */
        uint32_t half = count / 2;
        ray_policy_cut cut = index->cut[first + half];
        uint32_t reached = (uint32_t)(cut.high < at.high) |
                           ((uint32_t)(cut.high == at.high) & (uint32_t)(cut.low <= at.low));
        first += half & (0U - reached);     /* no branch here either */
        count -= half;
    } while (count > 1);
    return first;
}

/* Cuts the line that begins at segment `first` and is the last one so far. */
static void cut_at(ray_policy_index *index, uint32_t first, ray_policy_cut at)
{
    uint32_t segment = segment_of(index, first, index->segment_count - 1U, at);
    if (order(index->cut[segment], at) == 0)
        return;
    ray_assert(index->segment_count < RAY_POLICY_SEGMENT_MAX);
    uint32_t behind = index->segment_count - segment - 1U;
    memmove(&index->cut[segment + 2], &index->cut[segment + 1], behind * sizeof *index->cut);
    index->cut[segment + 1] = at;
    index->segment_count++;
}

static uint32_t line_begin(ray_policy_index *index)
{
    index->cut[index->segment_count] = (ray_policy_cut){0, 0};
    return index->segment_count++;
}

static void cut_time(ray_policy_index *index, uint32_t first, const ray_policy_term *term)
{
    uint32_t shift = (uint32_t)(2 * RAY_WEEK_MINUTES - term->utc_offset_minutes);
    ray_policy_cut from = {0, (term->value + shift) % RAY_WEEK_MINUTES};
    ray_policy_cut until = {0, (term->until + shift) % RAY_WEEK_MINUTES};
    cut_at(index, first, from);
    cut_at(index, first, until);
}

static void cut_network(ray_policy_index *index, uint32_t first, const ray_policy_term *term)
{
    ray_policy_cut at = ray_policy_cut_of(&term->address);
    cut_at(index, first, at);
    uint32_t bits = 128 - term->until;      /* the network's size is 2^bits */
    if (bits >= 64) {
        at.high = bits == 128 ? 0 : at.high + ((uint64_t)1 << (bits - 64));
    } else {
        at.low += (uint64_t)1 << bits;
        at.high += at.low == 0;
    }
    if (at.high != 0 || at.low != 0)        /* else it ends with the line */
        cut_at(index, first, at);
}

/* -- rows -- */
static void fill_segments(ray_policy_config *config, uint32_t first, uint32_t field)
{
    ray_policy_index *index = &config->index;
    for (uint32_t segment = first; segment < index->segment_count; segment++) {
        ray_policy_point point = {index->cut[segment], (uint32_t)index->cut[segment].low, 1};
        for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++)
            if (ray_policy_used(config, slot) &&
                ray_policy_terms_truth(config, slot, field, &point) == RAY_TRUTH_TRUE)
                ray_bits_set(&index->segment[segment], slot);
    }
}

static void fill_unknown(ray_policy_config *config)
{
    ray_policy_point unknown = {{0, 0}, 0, 0};
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        if (!ray_policy_used(config, slot))
            continue;
        uint32_t truth = ray_policy_terms_truth(config, slot, RAY_FIELD_ADDRESS, &unknown);
        if (truth == RAY_TRUTH_TRUE || config->slot[slot].spec.action == RAY_ACTION_DENY)
            ray_bits_set(&config->index.address_unknown, slot);
    }
}

/* The buckets of v4 lie over the addresses that rules tell apart and no others, so that networks
 * which stand close together are found as fast as those that do not. */
static void place_v4(ray_policy_index *index)
{
    uint32_t low = 0xffffffffU, high = 0;
    for (uint32_t segment = index->minute_count; segment < index->segment_count; segment++) {
        ray_policy_cut cut = index->cut[segment];
        if (cut.high != 0 || cut.low >> 32 != 0xffff)
            continue;
        low = (uint32_t)cut.low < low ? (uint32_t)cut.low : low;
        high = (uint32_t)cut.low > high ? (uint32_t)cut.low : high;
    }
    index->v4_base = low <= high ? low : 0;
    index->v4_shift = 0;
    while (low <= high && (high - low) >> index->v4_shift >= RAY_POLICY_LINE_BUCKETS)
        index->v4_shift++;
}

/* Where a search begins: the segment that the first value of a bucket lies in. */
static void fill_buckets(ray_policy_index *index)
{
    uint32_t first = index->minute_count, last = index->segment_count - 1U;
    for (uint32_t hour = 0; hour < RAY_POLICY_HOURS && index->minute_count > 0; hour++) {
        ray_policy_cut at = {0, 60 * hour};
        index->hour[hour] = (uint16_t)segment_of(index, 0, index->minute_count - 1U, at);
    }
    if (index->segment_count == index->minute_count)
        return;
    place_v4(index);
    for (uint32_t bucket = 0; bucket < RAY_POLICY_LINE_BUCKETS; bucket++) {
        uint64_t v4 = index->v4_base + ((uint64_t)bucket << index->v4_shift);
        ray_policy_cut at = {0, V4 | (bucket == 0 ? 0 : v4 < 0xffffffffU ? v4 : 0xffffffffU)};
        index->v4[bucket] = (uint16_t)segment_of(index, first, last, at);
        at = (ray_policy_cut){(uint64_t)bucket << (64 - RAY_POLICY_LINE_BITS), 0};
        index->v6[bucket] = (uint16_t)segment_of(index, first, last, at);
    }
    ray_policy_cut end = {0, V4 | 0xffffffffU};
    index->v4[RAY_POLICY_LINE_BUCKETS] = (uint16_t)segment_of(index, first, last, end);
    index->v6[RAY_POLICY_LINE_BUCKETS] = (uint16_t)last;
}

static uint32_t has_field(const ray_policy_config *config, uint32_t field)
{
    for (uint32_t i = 0; i < config->term_count; i++)
        if (config->term[i].field == field)
            return 1;
    return 0;
}

void ray_policy_line_build(ray_policy_config *config)
{
    ray_policy_index *index = &config->index;
    if (has_field(config, RAY_FIELD_TIME)) {
        uint32_t first = line_begin(index);
        for (uint32_t i = 0; i < config->term_count; i++)
            if (config->term[i].field == RAY_FIELD_TIME)
                cut_time(index, first, &config->term[i]);
        fill_segments(config, first, RAY_FIELD_TIME);
    }
    index->minute_count = index->segment_count;
    if (has_field(config, RAY_FIELD_ADDRESS)) {
        uint32_t first = line_begin(index);
        for (uint32_t i = 0; i < config->term_count; i++)
            if (config->term[i].field == RAY_FIELD_ADDRESS)
                cut_network(index, first, &config->term[i]);
        fill_segments(config, first, RAY_FIELD_ADDRESS);
    }
    fill_unknown(config);
    fill_buckets(index);
}

/* -- finding -- */
uint32_t ray_policy_segment_of_minute(const ray_policy_index *index, uint32_t minute)
{
    uint32_t segment = index->hour[minute / 60];
    if (segment + 1 < index->minute_count)  /* the first cut of an hour without a guess */
        segment += index->cut[segment + 1].low <= minute;
    while (segment + 1 < index->minute_count && index->cut[segment + 1].low <= minute)
        segment++;
    return segment;
}

uint32_t ray_policy_segment_of_address(const ray_policy_index *index, ray_policy_cut at)
{
    const uint16_t *bucket = &index->v6[at.high >> (64 - RAY_POLICY_LINE_BITS)];
    if (at.high == 0 && at.low >> 32 == 0xffff) {
        uint32_t v4 = (uint32_t)at.low, base = index->v4_base;
        uint32_t place = (v4 - base) >> index->v4_shift;
        place = place < RAY_POLICY_LINE_BUCKETS ? place : RAY_POLICY_LINE_BUCKETS - 1U;
        bucket = &index->v4[place & (0U - (uint32_t)(v4 >= base))];
    }
    return segment_of(index, bucket[0], bucket[1], at);
}
