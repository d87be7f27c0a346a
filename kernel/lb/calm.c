/* SPDX-License-Identifier: MIT */
/* calm.c - pools of which everyone may be picked by all its weight, which most are most of the
 * time: health, draining, ejection and slow start change seldom, and are looked at then. */
#include "parts.h"
#include "base/fixed.h"

static void look(const ray_lb *lb, uint32_t pool, uint32_t *odd, uint64_t *calm_ns)
{
    const ray_pool_row *row = &lb->config.pool[pool];
    *odd = 0;
    *calm_ns = 0;
    for (uint32_t i = row->first; i < (uint32_t)row->first + row->count; i++) {
        const ray_instance_book *book = &lb->book.instance[lb->config.order[i]];
        uint64_t warm_ns = book->since_ns != 0
                               ? ray_add_capped(book->since_ns, row->spec.slow_start_ns) : 0;
        *odd += book->draining != 0 || book->health != RAY_HEALTH_HEALTHY;
        *calm_ns = warm_ns > *calm_ns ? warm_ns : *calm_ns;
        *calm_ns = book->ejected_until_ns > *calm_ns ? book->ejected_until_ns : *calm_ns;
    }
}

void ray_lb_calm(ray_lb *lb, uint32_t pool)
{
    ray_pool_book *book = &lb->book.pool[pool];
    look(lb, pool, &book->odd, &book->calm_ns);
}

uint32_t ray_lb_calm_holds(const ray_lb *lb, uint32_t pool)
{
    uint64_t calm_ns;
    uint32_t odd;
    look(lb, pool, &odd, &calm_ns);
    return odd == lb->book.pool[pool].odd && calm_ns == lb->book.pool[pool].calm_ns;
}
