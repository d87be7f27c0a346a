/* SPDX-License-Identifier: MIT */
/* ring.c - two sums over the last RAY_RESILIENCE_RING sub-windows. Sub-windows are aligned to the
 * epoch, so when one is looked at changes nothing; a gap of any length costs one walk of the
 * ring. */
#include "parts.h"

uint64_t ray_ring_sub(uint64_t window_ns)
{
    uint64_t sub_ns = window_ns / RAY_RESILIENCE_RING;
    return sub_ns * RAY_RESILIENCE_RING < window_ns ? sub_ns + 1 : sub_ns;
}

/* How many sub-windows ended since the newest cell was begun. */
static uint64_t ended(const ray_ring *ring, uint64_t now_ns, uint64_t sub_ns)
{
    return now_ns < ring->end_ns ? 0 : (now_ns - ring->end_ns) / sub_ns + 1;
}

void ray_ring_pass(ray_ring *ring, uint64_t now_ns, uint64_t sub_ns)
{
    if (now_ns < ring->end_ns)
        return;
    uint64_t steps = ended(ring, now_ns, sub_ns);
    for (uint64_t i = 0; i < steps && i < RAY_RESILIENCE_RING; i++) {
        ring->at = (ring->at + 1) % RAY_RESILIENCE_RING;
        uint64_t *cell = ring->cell[ring->at];
        ring->sum[0] -= cell[0];
        ring->sum[1] -= cell[1];
        cell[0] = 0;
        cell[1] = 0;
    }
    ring->end_ns = ray_add_capped(now_ns - now_ns % sub_ns, sub_ns);
}

void ray_ring_add(ray_ring *ring, uint32_t which, uint64_t n)
{
    ring->cell[ring->at][which] += n;
    ring->sum[which] += n;
}

void ray_ring_view(const ray_ring *ring, uint64_t now_ns, uint64_t sub_ns, uint64_t sum[2])
{
    uint64_t steps = ended(ring, now_ns, sub_ns);
    sum[0] = ring->sum[0];
    sum[1] = ring->sum[1];
    for (uint64_t i = 1; i <= steps && i <= RAY_RESILIENCE_RING; i++) {
        const uint64_t *cell = ring->cell[(ring->at + i) % RAY_RESILIENCE_RING];
        sum[0] -= cell[0];
        sum[1] -= cell[1];
    }
}

uint32_t ray_ring_valid(const ray_ring *ring, uint32_t has_cells)
{
    uint64_t sum[2] = {0, 0};
    if (ring->at >= RAY_RESILIENCE_RING || ring->reserved != 0)
        return 0;
    if (has_cells == 0)
        return ring->at == 0 && ray_is_zero(ring->cell, sizeof ring->cell) != 0;
    for (uint32_t i = 0; i < RAY_RESILIENCE_RING; i++) {
        sum[0] += ring->cell[i][0];
        sum[1] += ring->cell[i][1];
    }
    return sum[0] == ring->sum[0] && sum[1] == ring->sum[1];
}
