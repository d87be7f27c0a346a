/* SPDX-License-Identifier: MIT */
/* compare_time.c - changes over time in a fixed number of buckets that widen as they must. */
#include <string.h>
#include "compare_parts.h"
#include "timeline.h"

/* Neighbouring buckets become one, as a timeline's do; the first keeps its place in the new
 * widths. */
static void widen(ray_compare_time *time)
{
    uint64_t factor = ray_timeline_factor(time->width_ns);
    uint64_t first = time->first / factor;
    uint32_t count = 0;

    for (uint32_t i = 0; i < time->count; i++) {
        uint32_t place = (uint32_t)((time->first + i) / factor - first);
        count = place + 1;
        if (place == i)
            continue;
        for (uint32_t change = 0; change < 4; change++)
            time->at[place].change_count[change] += time->at[i].change_count[change];
        memset(&time->at[i], 0, sizeof time->at[i]);
    }
    time->first = first;
    time->count = count;
    time->width_ns *= factor;
}

void ray_compare_time_count(ray_compare_time *time, uint64_t at_ns, uint32_t change)
{
    uint64_t place;

    if (time->width_ns == 0) {
        time->width_ns = RAY_TIMELINE_WIDTH_MIN;
        time->first = at_ns / RAY_TIMELINE_WIDTH_MIN;
    }
    while (at_ns / time->width_ns >= time->first + RAY_COMPARE_BUCKET_MAX)
        widen(time);
    place = at_ns / time->width_ns;
    place = place > time->first ? place - time->first : 0;
    time->at[place].change_count[change]++;
    if (place >= time->count)
        time->count = (uint32_t)place + 1;
}

uint32_t ray_compare_series(const ray_compare *compare, uint64_t *first_ns, uint64_t *width_ns,
                            ray_compare_bucket *out)
{
    const ray_compare_time *time = &compare->counts.time;

    *first_ns = time->first * time->width_ns;
    *width_ns = time->width_ns;
    memcpy(out, time->at, time->count * sizeof *out);
    return time->count;
}
