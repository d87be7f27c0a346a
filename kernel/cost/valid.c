/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, numbered. A number once given keeps its meaning.
 *
 *  1 a price book passes the field checks and stands at its service's slot; free ones are zero
 *  2 multipliers and tiers stand by book, where their book says
 *  3 each place has at most one account, and the account knows it
 *  4 used and free cells are all there are; freed ones are zero but for the free list
 *  5 a cell hangs in its own pair's list once, by kind, between accounts that are in use
 *  6 a tenant's whole nano-units are those of its total
 *  7 a tenant's and a service's total is the sum of their metrics
 *  8 the sums over tenants, services and metrics are the grand total, open and closed alike
 *  9 no balance is larger than all amounts without their sign
 * 10 the open period starts before it ends; nothing is booked where it has no place
 * 11 each remembered event is in its chain once
 * 12 the ring of notices has no gap
 * 13 the work of a load is zero outside it
 * 14 asked = granted + denied
 * 15 alerts pass the field checks; free ones are zero
 */
#include "parts.h"

/* -- 1, 2, 15 -- */
static uint32_t books_hold(const ray_cost *cost)
{
    uint32_t field, count = 0;
    for (uint32_t slot = 0; slot < RAY_SERVICE_MAX; slot++) {
        const ray_cost_price *price = &cost->config.price[slot];
        if (price->used == 0 ? ray_is_zero(price, sizeof *price) == 0
                             : (price->spec.service & COST_SLOT_MASK) != slot ||
                                   ray_cost_spec_check(&price->spec, RAY_SERVICE_MAX, &field) !=
                                       RAY_OK)
            return 0;
        count += price->used;
    }
    return count == cost->config.book_count;
}

static uint32_t rows_hold(const ray_cost *cost)
{
    const ray_cost_config *config = &cost->config;
    uint32_t factors = 0, tiers = 0;
    if (config->factor_count > RAY_COST_MULTIPLIER_MAX || config->tier_count > RAY_COST_TIER_MAX)
        return 0;
    for (uint32_t slot = 0; slot < RAY_SERVICE_MAX; slot++) {
        const ray_cost_price *price = &config->price[slot];
        if (price->factor_count > config->factor_count || price->tier_count > config->tier_count ||
            price->factor_first + price->factor_count > config->factor_count ||
            price->tier_first + price->tier_count > config->tier_count)
            return 0;
        for (uint32_t i = 0; i < price->factor_count; i++)
            if (config->factor[price->factor_first + i].spec.book != slot)
                return 0;
        for (uint32_t i = 0; i < price->tier_count; i++)
            if (config->tier[price->tier_first + i].book != slot)
                return 0;
        factors += price->factor_count;
        tiers += price->tier_count;
    }
    return factors == config->factor_count && tiers == config->tier_count;
}

static uint32_t alerts_hold(const ray_cost *cost)
{
    const ray_config_counts capacity = {.tenant_count = RAY_TENANT_MAX,
                                        .service_count = RAY_SERVICE_MAX};
    uint32_t field;
    if (cost->config.alert_count > RAY_COST_ALERT_MAX)
        return 0;
    for (uint32_t i = 0; i < RAY_COST_ALERT_MAX; i++) {
        const ray_cost_alert_spec *spec = &cost->config.alert[i];
        if (i < cost->config.alert_count
                ? ray_cost_alert_check_spec(spec, &capacity, &field) != RAY_OK
                : ray_is_zero(spec, sizeof *spec) == 0 ||
                      ray_is_zero(&cost->book.standing[i], sizeof cost->book.standing[i]) == 0)
            return 0;
    }
    return 1;
}

/* -- 3 -- */
static uint32_t accounts_hold(const ray_cost *cost)
{
    const ray_cost_book *book = &cost->book;
    uint32_t placed = 0, owned = 0;
    for (uint32_t place = 0; place < RAY_TENANT_MAX; place++) {
        uint32_t at = book->tenant_account[place];
        if (at > RAY_COST_NOBODY || (at != 0 && book->tenant[at - 1].owner != place + 1))
            return 0;
        placed += at != 0;
    }
    for (uint32_t slot = 0; slot < RAY_SERVICE_MAX; slot++) {
        uint32_t at = book->service_account[slot];
        if (at > RAY_COST_NOTHING ||
            (at != 0 && (book->service[at - 1].used == 0 ||
                         (book->service[at - 1].service & COST_SLOT_MASK) != slot)))
            return 0;
        placed += at != 0;
    }
    for (uint32_t account = 0; account < RAY_COST_NOBODY; account++)
        owned += book->tenant[account].owner != 0;
    for (uint32_t account = 0; account < RAY_COST_NOTHING; account++)
        owned += book->service[account].used != 0;
    return placed == owned;
}

/* -- 4, 5 -- */
static uint32_t slots_hold(const ray_cost *cost)
{
    const ray_cost_book *book = &cost->book;
    uint32_t live = 0, freed = 0;
    if (book->cell_top > RAY_COST_CELL_MAX)
        return 0;
    for (uint32_t place = 0; place < RAY_COST_CELL_MAX; place++) {
        ray_cost_cell copy = book->cell[place];
        copy.next = 0;
        if (copy.tenant != 0)
            live++;
        else if (ray_is_zero(&copy, sizeof copy) == 0)
            return 0;
    }
    for (uint32_t at = book->cell_free; at != 0; at = book->cell[at - 1].next)
        if (at > book->cell_top || book->cell[at - 1].tenant != 0 || ++freed > book->cell_top)
            return 0;
    return live == book->cell_count && live + freed == book->cell_top;
}

static uint32_t chains_hold(const ray_cost *cost)
{
    const ray_cost_book *book = &cost->book;
    uint32_t chained = 0;
    for (uint32_t tenant = 0; tenant < RAY_COST_TENANTS; tenant++)
        for (uint32_t service = 0; service < RAY_COST_SERVICES; service++) {
            uint32_t last = 0;
            for (uint32_t at = book->pair[tenant][service]; at != 0; at = book->cell[at - 1].next) {
                if (at > book->cell_top || ++chained > book->cell_count)
                    return 0;
                const ray_cost_cell *cell = &book->cell[at - 1];
                if (cell->tenant != tenant + 1 || cell->service != service ||
                    cell->kind >= RAY_COST_KIND_MAX || cell->kind + 1 <= last ||
                    book->tenant[tenant].owner == 0 || book->service[service].used == 0)
                    return 0;
                last = cell->kind + 1;
            }
        }
    return chained == book->cell_count;
}

/* -- 6, 7, 8, 9 -- */
/* The whole part is kept beside a tenant's total. */
static uint32_t nanos_hold(const ray_cost *cost)
{
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++) {
        const ray_cost_tenant *tenant = &cost->book.tenant[account];
        if (ray_money_nano(&tenant->total, 0) != tenant->total_nano)
            return 0;
    }
    return 1;
}

static ray_money sum_of(const ray_money *money)
{
    ray_money sum = ray_money_none();
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        sum = ray_money_sum(sum, money[metric]);
    return sum;
}

static uint32_t same(ray_money a, ray_money b)
{
    return ray_money_compare(&a, &b) == 0;
}

static uint32_t totals_hold(const ray_cost *cost)
{
    const ray_cost_book *book = &cost->book;
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++)
        if (same(sum_of(book->tenant[account].metric), book->tenant[account].total) == 0)
            return 0;
    for (uint32_t account = 0; account < RAY_COST_SERVICES; account++)
        if (same(sum_of(book->service[account].metric), book->service[account].total) == 0)
            return 0;
    return 1;
}

static uint32_t sums_hold(const ray_cost *cost)
{
    const ray_cost_book *book = &cost->book;
    ray_money tenants = ray_money_none(), services = tenants;
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++)
        tenants = ray_money_sum(tenants, book->tenant[account].total);
    for (uint32_t account = 0; account < RAY_COST_SERVICES; account++)
        services = ray_money_sum(services, book->service[account].total);
    ray_cost_totals totals;
    ray_cost_totals_read(cost, &totals);
    return same(tenants, book->open) && same(services, book->open) &&
           same(sum_of(book->metric), book->open) && same(totals.tenants, totals.grand) &&
           same(totals.services, totals.grand) && same(totals.metrics, totals.grand);
}

static uint32_t gross_holds(const ray_cost_book *book)
{
    ray_money grand = ray_money_sum(book->open, book->closed_sum), zero = ray_money_none();
    if (grand.high < 0)
        grand = ray_money_less(zero, grand);
    return ray_money_fits(&book->gross) && ray_money_compare(&grand, &book->gross) <= 0;
}

/* -- 10 -- */
static uint32_t period_holds(const ray_cost_book *book)
{
    if (book->placed > 1 || book->idle > RAY_COST_PERIOD_MAX + 2)
        return 0;
    if (book->placed == 0)
        return book->start_ns == 0 && book->end_ns == 0 && book->closed_count == 0 &&
               ray_money_zero(&book->gross);
    return book->start_ns < book->end_ns;
}

/* -- 11, 12 -- */
static uint32_t events_hold(const ray_cost *cost)
{
    const ray_cost_tally *tally = &cost->tally;
    uint64_t chained = 0;
    uint64_t kept =
        tally->event_count < RAY_COST_EVENT_MAX ? tally->event_count : RAY_COST_EVENT_MAX;
    for (uint32_t bucket = 0; bucket < RAY_COST_EVENT_MAX; bucket++)
        for (uint32_t at = tally->seen_bucket[bucket]; at != 0; at = tally->seen[at - 1].next)
            if (at > RAY_COST_EVENT_MAX || tally->seen[at - 1].id == 0 || ++chained > kept)
                return 0;
    return chained == kept;
}

static uint32_t notices_hold(const ray_cost *cost)
{
    uint64_t written = cost->tally.notice_count;
    for (uint64_t place = 0; place < RAY_COST_NOTICE_MAX; place++) {
        uint64_t wanted =
            written <= place ? 0 : written - (written - 1 - place) % RAY_COST_NOTICE_MAX;
        if (cost->tally.notice[place].id != wanted)
            return 0;
    }
    return 1;
}

uint32_t ray_cost_valid(const ray_cost *cost)
{
    if (!books_hold(cost))
        return 1;
    if (!rows_hold(cost))
        return 2;
    if (!accounts_hold(cost))
        return 3;
    if (!slots_hold(cost))
        return 4;
    if (!chains_hold(cost))
        return 5;
    if (!nanos_hold(cost))
        return 6;
    if (!totals_hold(cost))
        return 7;
    if (!sums_hold(cost))
        return 8;
    if (!gross_holds(&cost->book))
        return 9;
    if (!period_holds(&cost->book))
        return 10;
    if (!events_hold(cost))
        return 11;
    if (!notices_hold(cost))
        return 12;
    if (ray_is_zero(cost->tally.move, sizeof cost->tally.move) == 0)
        return 13;
    if (cost->tally.asked_count != cost->tally.granted_count + cost->tally.denied_count)
        return 14;
    return alerts_hold(cost) ? 0 : 15;
}
