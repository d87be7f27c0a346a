/* SPDX-License-Identifier: MIT */
/* week: minutes of the week, for rules that hold at some hours only. Minute 0 is Monday 00:00. */
#ifndef RAY_BASE_WEEK_H
#define RAY_BASE_WEEK_H
#include <stdint.h>

enum { RAY_WEEK_MINUTES = 10080 };

/* The minute of the week at this Unix time, at this offset from UTC. */
uint32_t ray_week_minute(int64_t unix_ns, int32_t utc_offset_minutes);
/* 1 when `minute` lies in [from, to); a range that ends before it begins wraps over Sunday
 * midnight, one that ends where it begins is the whole week. */
uint32_t ray_week_holds(uint32_t from, uint32_t to, uint32_t minute);

#endif
