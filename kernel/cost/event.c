/* SPDX-License-Identifier: MIT */
/* event.c - charges reported one by one, perhaps twice, perhaps late. An event id is counted once
 * among the last RAY_COST_EVENT_MAX; a repeated one is answered as the first was.
 */
#include "parts.h"
#include "base/siphash.h"

/* -- exactly once (private) -- */
static uint32_t *bucket_of(ray_cost *cost, uint64_t id, uint32_t tenant)
{
    uint64_t hash = ray_siphash_words(cost->tally.seed, id, tenant);
    return &cost->tally.seen_bucket[hash & (RAY_COST_EVENT_MAX - 1)];
}

static const ray_cost_seen *seen_before(ray_cost *cost, uint64_t id, uint32_t tenant)
{
    for (uint32_t at = id != 0 ? *bucket_of(cost, id, tenant) : 0; at != 0;
         at = cost->tally.seen[at - 1].next) {
        const ray_cost_seen *seen = &cost->tally.seen[at - 1];
        if (seen->id == id && seen->tenant == tenant)
            return seen;
    }
    return 0;
}

void ray_cost_seen_rehash(ray_cost *cost)
{
    ray_cost_tally *tally = &cost->tally;
    memset(tally->seen_bucket, 0, sizeof tally->seen_bucket);
    for (uint32_t place = 0; place < RAY_COST_EVENT_MAX; place++) {
        ray_cost_seen *seen = &tally->seen[place];
        if (seen->id == 0)
            continue;
        uint32_t *first = bucket_of(cost, seen->id, seen->tenant);
        seen->next = *first;
        *first = place + 1;
    }
}

static void remember(ray_cost *cost, uint64_t id, uint32_t tenant, const ray_cost_outcome *outcome)
{
    ray_cost_tally *tally = &cost->tally;
    uint32_t place = (uint32_t)(tally->event_count % RAY_COST_EVENT_MAX);
    ray_cost_seen *seen = &tally->seen[place];
    if (seen->id != 0) {
        uint32_t *at = bucket_of(cost, seen->id, seen->tenant);
        while (*at != place + 1)
            at = &tally->seen[*at - 1].next;
        *at = seen->next;
    }
    uint32_t *first = bucket_of(cost, id, tenant);
    *seen = (ray_cost_seen){.id = id, .outcome = *outcome, .tenant = tenant, .next = *first};
    *first = place + 1;
    tally->event_count++;
}

/* -- charging -- */
/* Older than the open period, which alone can still change. */
static uint32_t is_late(const ray_cost *cost, uint64_t unix_ns, int64_t wall_ns)
{
    ray_cost_span span;
    if (unix_ns == 0 || unix_ns > (uint64_t)COST_FOREVER_NS)
        return 0;
    return ray_cost_span_at(cost, wall_ns, 0, &span) == RAY_OK &&
           (int64_t)unix_ns < span.start_ns;
}

ray_status ray_cost_record(ray_cost *cost, uint64_t now_ns, const ray_cost_event *event,
                           ray_cost_outcome *out)
{
    const ray_cost_query *query = &event->query;
    int64_t wall_ns = ray_cost_wall(now_ns, query->wall_offset_ns);
    ray_cost_charged charge = {.count = 0};
    ray_status status = ray_cost_query_check(query);
    if (status != RAY_OK)
        return ray_cost_refuse(cost, status);
    const ray_cost_seen *seen = seen_before(cost, event->id, query->tenant);
    if (seen != 0) {
        *out = seen->outcome;
        out->flags |= RAY_COST_DUPLICATE;
        cost->tally.duplicate_count++;
        return RAY_OK;
    }
    const ray_cost_price *price = ray_cost_price_of(cost, query->service);
    if (price != 0)
        status = ray_cost_charge_fill(cost, wall_ns, query, price, &charge);
    ray_money gross = ray_money_sum(cost->book.gross, charge.gross);
    if (status != RAY_OK || ray_money_fits(&gross) == 0)
        return ray_cost_refuse(cost, RAY_E_RANGE);
    memset(out, 0, sizeof *out);
    out->priced = price != 0;
    out->flags = is_late(cost, event->unix_ns, wall_ns) ? RAY_COST_LATE : 0;
    out->total = charge.total;
    for (uint32_t i = 0; i < charge.count; i++)
        out->amount[charge.part[i].metric] = charge.part[i].amount;
    if (price == 0) {
        cost->tally.unpriced_count++;
    } else if (charge.count == 0) {
        cost->tally.asked_count++;
        cost->tally.granted_count++;
    } else {
        cost->tally.late_count += out->flags & RAY_COST_LATE;
        out->nano = ray_cost_book_charge(cost, now_ns, query, &charge, out->flags & RAY_COST_LATE);
    }
    if (event->id != 0)
        remember(cost, event->id, query->tenant, out);
    return RAY_OK;
}
