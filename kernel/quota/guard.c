/* SPDX-License-Identifier: MIT */
/* guard.c - requests and bytes of the last full wall second, errors and latency of the last whole
 * minute: checked, never consumed. Requests count when they are admitted, bytes when they are
 * settled, because only then they are known; errors and latency come with the query. */
#include "parts.h"

#define SECOND_NS 1000000000LL
#define MINUTE_NS 60000000000ULL

/* The two counts as they stand in `second`, which is never before the instance's own. */
typedef struct guard_view {
    uint64_t requests;
    uint64_t bytes;
    uint64_t requests_last;
    uint64_t bytes_last;
    int64_t second;
} guard_view;

static guard_view view_of(int64_t wall_ns, const ray_quota_active *active)
{
    guard_view view = {.second = ray_floor_div(wall_ns, SECOND_NS)};
    if (view.second <= active->guard_second) {
        view =
            (guard_view){active->guard_requests, active->guard_bytes, active->guard_requests_last,
                         active->guard_bytes_last, active->guard_second};
    } else if (view.second == active->guard_second + 1) {
        view.requests_last = active->guard_requests;
        view.bytes_last = active->guard_bytes;
    }
    return view;
}

static uint32_t reached(uint64_t count, uint64_t guard)
{
    return guard != 0 && count >= guard;
}

/* 0 when no guard is reached, else the time until the first second after a full one below every
 * guard. */
uint64_t ray_quota_guard_wait(const ray_quota_spec *spec, int64_t wall_ns,
                              const ray_quota_active *active)
{
    guard_view view = view_of(wall_ns, active);
    if (!reached(view.requests_last, spec->guard_requests_per_s) &&
        !reached(view.bytes_last, spec->guard_bytes_per_s))
        return 0;
    int64_t free_second = view.second + 1;
    if (reached(view.requests, spec->guard_requests_per_s) ||
        reached(view.bytes, spec->guard_bytes_per_s))
        free_second++;
    return (uint64_t)(free_second * SECOND_NS - wall_ns);
}

__attribute__((noinline)) void ray_quota_guard_count(int64_t wall_ns, ray_quota_active *active,
                                                     uint64_t requests, uint64_t bytes)
{
    guard_view view = view_of(wall_ns, active);
    active->guard_second = view.second;
    active->guard_requests = ray_add_capped(view.requests, requests);
    active->guard_bytes = ray_add_capped(view.bytes, bytes);
    active->guard_requests_last = view.requests_last;
    active->guard_bytes_last = view.bytes_last;
}

/* The numbers are a minute's: until the next one ends nothing can be different. */
uint64_t ray_quota_gauge_wait(const ray_quota_spec *spec, uint64_t now_ns,
                              const ray_quota_query *query)
{
    if (!reached(query->errors_per_minute, spec->guard_errors_per_min) &&
        !reached(query->latency_p99_ns, spec->guard_latency_p99_ns))
        return 0;
    return MINUTE_NS - now_ns % MINUTE_NS;
}

uint32_t ray_quota_guard_idle(int64_t wall_ns, const ray_quota_active *active)
{
    guard_view view = view_of(wall_ns, active);
    return (view.requests | view.bytes | view.requests_last | view.bytes_last) == 0;
}
