/* SPDX-License-Identifier: MIT */
/* civil.c - years begin in March inside, so the leap day is the last of a year. */
#include "base/civil.h"
#include "base/fixed.h"

int64_t ray_days_of(ray_date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = ray_floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month = date.month > 2 ? (int64_t)date.month - 3 : (int64_t)date.month + 9;
    int64_t day_of_year = (153 * month + 2) / 5 + (int64_t)date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

ray_date ray_date_of(int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = ray_floor_div(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    ray_date date;
    date.day = (uint32_t)(day_of_year - (153 * month + 2) / 5 + 1);
    date.month = (uint32_t)(month < 10 ? month + 3 : month - 9);
    date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
    return date;
}

uint32_t ray_month_days(int64_t year, uint32_t month)
{
    if (month == 2) {
        int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        return leap ? 29 : 28;
    }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

uint32_t ray_weekday(int64_t days)
{
    return (uint32_t)ray_floor_mod(days + 3, 7) + 1;   /* 1970-01-01 was a Thursday */
}
