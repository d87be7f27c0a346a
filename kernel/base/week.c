/* SPDX-License-Identifier: MIT */
/* week.c - 1970-01-01 was a Thursday. Divisors are constants here, so that the compiler multiplies
 * instead: a rule's time is looked at on every request. */
#include "base/week.h"

#define MINUTE_NS 60000000000LL
#define THURSDAY_MINUTES (3 * 1440)

uint32_t ray_week_minute(int64_t unix_ns, int32_t utc_offset_minutes)
{
    if (__builtin_expect(unix_ns >= 0 && utc_offset_minutes >= -THURSDAY_MINUTES, 1)) {
        uint64_t minute = ((uint64_t)unix_ns >> 11) / (MINUTE_NS >> 11);
        return ((uint32_t)minute + (uint32_t)(utc_offset_minutes + THURSDAY_MINUTES)) %
               RAY_WEEK_MINUTES;
    }
    int64_t minute = unix_ns / MINUTE_NS - (unix_ns % MINUTE_NS < 0);
    int64_t rest = (minute + utc_offset_minutes + THURSDAY_MINUTES) % RAY_WEEK_MINUTES;
    return (uint32_t)(rest < 0 ? rest + RAY_WEEK_MINUTES : rest);
}

uint32_t ray_week_holds(uint32_t from, uint32_t to, uint32_t minute)
{
    return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}
