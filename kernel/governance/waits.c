/* SPDX-License-Identifier: MIT */
/* waits.c - how long requests waited and took: histograms of everything, and of as many services
 * as there is room for. Latencies are kept per window: a window that ends leaves its 95th
 * percentile and goes into the window of the next grain. */
#include "parts.h"

enum { WAIT_BITS = RAY_HISTOGRAM_SUB_BITS, WINDOW_BITS = RAY_HISTOGRAM_WINDOW_BITS };
enum { P95_PPM = 950000, MILLION = 1000000 };

/* -- whose (private) -- */
uint32_t ray_gov_waits_of(const ray_governance_tally *tally, uint32_t service)
{
    for (uint32_t place = 1; place < RAY_WAIT_HISTOGRAM_MAX; place++)
        if (tally->waits[place].used != 0 && tally->waits[place].service == service)
            return place + 1;
    return 0;
}

uint32_t ray_gov_waits_take(ray_governance_tally *tally, uint32_t service)
{
    uint32_t found = ray_gov_waits_of(tally, service);
    for (uint32_t place = 1; found == 0 && place < RAY_WAIT_HISTOGRAM_MAX; place++)
        if (tally->waits[place].used == 0) {
            tally->waits[place].used = 1;
            tally->waits[place].service = service;
            tally->waits[place].second = tally->waits[0].second;
            found = place + 1;
        }
    return found;
}

/* -- recording -- */
static inline void wait_add(ray_waits *waits, uint32_t index, uint64_t wait_ns, uint32_t coarse)
{
    ray_histogram_record_at(&waits->head, waits->bucket, WAIT_BITS, index, wait_ns);
    waits->coarse.bucket[coarse]++;
    waits->coarse.sum += wait_ns;
}

/* Where it stands in the histograms of everything and of its service is asked once. */
void ray_gov_wait_add(ray_governance_tally *tally, uint32_t waits, uint64_t wait_ns)
{
    uint32_t index = ray_histogram_index(WAIT_BITS, wait_ns);
    uint32_t coarse = ray_histogram_coarse_index(wait_ns);
    wait_add(&tally->waits[0], index, wait_ns, coarse);
    if (waits == 0)
        tally->untracked_count++;
    else
        wait_add(&tally->waits[waits - 1], index, wait_ns, coarse);
}

static __attribute__((noinline)) void waits_add(ray_waits *waits, uint64_t wait_ns, uint32_t times)
{
    ray_histogram_add(&waits->head, waits->bucket, WAIT_BITS, wait_ns, times);
    ray_histogram_coarse_add(&waits->coarse, wait_ns, times);
}

void ray_gov_waits_add(ray_governance_tally *tally, uint32_t waits, uint64_t wait_ns,
                       uint32_t times)
{
    waits_add(&tally->waits[0], wait_ns, times);
    if (waits == 0)
        tally->untracked_count++;
    else
        waits_add(&tally->waits[waits - 1], wait_ns, times);
}

static inline void latency_add(ray_waits *waits, uint64_t second, uint32_t index,
                               uint64_t latency_ns)
{
    ray_latency_window *open = &waits->latency[RAY_GRAIN_SECOND];
    if (waits->second != second)
        ray_gov_waits_roll(waits, second);
    ray_histogram_record_at(&open->head, open->bucket, WINDOW_BITS, index, latency_ns);
}

void ray_gov_latency_add(ray_governance_tally *tally, uint32_t waits, uint64_t latency_ns)
{
    uint32_t index = ray_histogram_index(WINDOW_BITS, latency_ns);
    latency_add(&tally->waits[0], tally->second, index, latency_ns);
    if (waits == 0)
        tally->untracked_count++;
    else
        latency_add(&tally->waits[waits - 1], tally->second, index, latency_ns);
}

static inline void instant_add(ray_waits *waits, uint64_t second)
{
    ray_latency_window *open = &waits->latency[RAY_GRAIN_SECOND];
    RAY_KEEP(waits);
    if (waits->second != second)
        ray_gov_waits_roll(waits, second);
    ray_histogram_record_zero(&waits->head, waits->bucket, WAIT_BITS);
    ray_histogram_record_zero(&open->head, open->bucket, WINDOW_BITS);
    waits->coarse.bucket[0]++;
}

void ray_gov_instant_add(ray_governance_tally *tally, uint32_t waits)
{
    instant_add(&tally->waits[0], tally->second);
    if (waits == 0)
        tally->untracked_count += 2;   /* a wait and a latency */
    else
        instant_add(&tally->waits[waits - 1], tally->second);
}

/* -- windows -- */
/* Of the open window of a grain: what its finer windows have not given it yet counts too. */
static uint64_t p95_open(const ray_waits *waits, uint32_t grain)
{
    uint64_t count = 0, max = 0, min = RAY_NEVER, before = 0;
    for (uint32_t i = 0; i <= grain; i++) {
        const ray_histogram *head = &waits->latency[i].head;
        if (head->count == 0)
            continue;
        count += head->count;
        max = head->max > max ? head->max : max;
        min = head->min < min ? head->min : min;
    }
    if (count == 0)
        return 0;
    uint32_t at = ray_histogram_index(WINDOW_BITS, min);
    uint32_t last = ray_histogram_index(WINDOW_BITS, max);
    uint64_t rank = at < last ? ray_mul_div_ceil(count, P95_PPM, MILLION) : 0;
    for (; at < last; at++) {
        for (uint32_t i = 0; i <= grain; i++)
            before += waits->latency[i].bucket[at];
        if (before >= rank)
            break;
    }
    uint64_t value = ray_histogram_middle(WINDOW_BITS, at);
    if (at == RAY_HISTOGRAM_BUCKETS(WINDOW_BITS) - 2)
        return max;
    return value < min ? min : value > max ? max : value;
}

static uint64_t *p95_at(ray_waits *waits, uint32_t grain, uint64_t index)
{
    return &waits->p95_ns[ray_gov_ring_first(grain) + index % ray_gov_ring_length(grain)];
}

/* Ends the window of a grain that `was` lies in, when `second` lies in a later one; 0 when it does
 * not, and then in no later one of a coarser grain either. Inlined, so that the grain is a constant
 * and nothing is divided. */
static inline __attribute__((always_inline)) uint32_t close_window(ray_waits *waits,
                                                                   uint32_t grain, uint64_t was,
                                                                   uint64_t second)
{
    uint64_t seconds = ray_gov_grain_seconds(grain), length = ray_gov_ring_length(grain);
    uint64_t index = was / seconds, next = second / seconds;
    ray_latency_window *window = &waits->latency[grain];
    if (index == next)
        return 0;
    *p95_at(waits, grain, index) = p95_open(waits, grain);
    for (uint64_t i = next - index > length ? next - length + 1 : index + 1; i <= next; i++)
        *p95_at(waits, grain, i) = 0;
    if (window->head.count == 0)
        return 1;
    if (grain + 1 < RAY_GOV_GRAINS) {
        ray_latency_window *up = &waits->latency[grain + 1];
        ray_histogram_merge(&up->head, up->bucket, WINDOW_BITS, &window->head, window->bucket);
    }
    ray_histogram_clear(&window->head, window->bucket, WINDOW_BITS);
    return 1;
}

/* Where few requests come, a second is over with each of them: one that held nothing but equal
 * latencies, before a gap that its ring holds. 0, and nothing was done: it is not so simple. */
static inline uint32_t close_second(ray_waits *waits, uint64_t was, uint64_t second)
{
    ray_latency_window *window = &waits->latency[RAY_GRAIN_SECOND];
    ray_latency_window *up = &waits->latency[RAY_GRAIN_MINUTE];
    uint64_t value = window->head.min, count = window->head.count, gap = second - was;
    uint32_t at = ray_histogram_index(WINDOW_BITS, value);
    uint64_t place = was % RAY_SERIES_SECOND_MAX, more = up->bucket[at] + count;
    if (value != window->head.max || gap >= RAY_SERIES_SECOND_MAX || more > 0xffffffffU)
        return 0;
    waits->p95_ns[place] = count != 0 ? value : 0;
    for (; gap > 0; gap--) {
        place = place + 1 == RAY_SERIES_SECOND_MAX ? 0 : place + 1;
        waits->p95_ns[place] = 0;
    }
    if (count == 0)
        return 1;
    up->bucket[at] = (uint32_t)more;
    if (value - up->head.min > up->head.max - up->head.min)
        ray_histogram_widen(&up->head, value);   /* an empty one holds [0, 0] */
    up->head.count += count;
    up->head.sum += window->head.sum;
    window->bucket[at] = 0;
    window->head = (ray_histogram){0, 0, 0, 0};
    return 1;
}

void ray_gov_waits_roll(ray_waits *waits, uint64_t second)
{
    if (second <= waits->second)
        return;
    uint64_t was = waits->second;
    if ((close_second(waits, was, second) != 0 ||
         close_window(waits, RAY_GRAIN_SECOND, was, second) != 0) &&
        close_window(waits, RAY_GRAIN_MINUTE, was, second) != 0)
        (void)close_window(waits, RAY_GRAIN_HOUR, was, second);
    waits->second = second;
}

uint64_t ray_gov_p95_read(const ray_waits *waits, uint32_t grain, uint64_t index)
{
    uint64_t open = waits->second / ray_gov_grain_seconds(grain);
    uint64_t length = ray_gov_ring_length(grain);
    if (index > open || open - index >= length)
        return 0;
    return index == open ? p95_open(waits, grain)
                         : waits->p95_ns[ray_gov_ring_first(grain) + index % length];
}

/* -- control -- */
void ray_gov_waits_clear(ray_governance_tally *tally)
{
    for (uint32_t place = 0; place < RAY_WAIT_HISTOGRAM_MAX; place++) {
        ray_waits *waits = &tally->waits[place];
        ray_histogram_clear(&waits->head, waits->bucket, WAIT_BITS);
        memset(waits->latency, 0, sizeof waits->latency);
        memset(waits->p95_ns, 0, sizeof waits->p95_ns);
    }
}

void ray_gov_waits_move(ray_governance_tally *tally, const ray_names *before,
                        const ray_names *after)
{
    for (uint32_t place = 1; place < RAY_WAIT_HISTOGRAM_MAX; place++) {
        ray_waits *waits = &tally->waits[place];
        if (waits->used == 0)
            continue;
        uint32_t follows = ray_gov_follow(before, after, waits->service, &waits->service);
        for (uint32_t other = 1; other < place; other++)
            if (tally->waits[other].used != 0 && tally->waits[other].service == waits->service)
                follows = 0; /* an older generation of the same place */
        if (follows == 0)
            memset(waits, 0, sizeof *waits);
    }
}
