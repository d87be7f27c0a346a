/* SPDX-License-Identifier: MIT */
/* week.c - 1970-01-01 was a Thursday. */
#include "base/week.h"
#include "base/fixed.h"

#define MINUTE_NS 60000000000LL
#define THURSDAY_MINUTES (3 * 1440)

uint32_t ray_week_minute(int64_t unix_ns, int32_t utc_offset_minutes)
{
    int64_t minute = ray_floor_div(unix_ns, MINUTE_NS) + utc_offset_minutes + THURSDAY_MINUTES;
    return (uint32_t)ray_floor_mod(minute, RAY_WEEK_MINUTES);
}

uint32_t ray_week_holds(uint32_t from, uint32_t to, uint32_t minute)
{
    return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}
