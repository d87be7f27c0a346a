/* SPDX-License-Identifier: MIT */
/* civil: the proleptic Gregorian calendar in integers (Hinnant, "chrono-compatible low-level date
 * algorithms"). */
#ifndef RAY_BASE_CIVIL_H
#define RAY_BASE_CIVIL_H
#include <stdint.h>

typedef struct ray_date {
    int64_t year;
    uint32_t month;   /* 1..12 */
    uint32_t day;     /* 1..31 */
} ray_date;

int64_t ray_days_of(ray_date date);          /* days since 1970-01-01 */
ray_date ray_date_of(int64_t days);
uint32_t ray_month_days(int64_t year, uint32_t month);
uint32_t ray_weekday(int64_t days);          /* 1 Monday .. 7 Sunday */

#endif
