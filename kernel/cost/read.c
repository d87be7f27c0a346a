/* SPDX-License-Identifier: MIT */
/* read.c - what a person or a program sees: counters, sums of any period, trends, projections. At
 * an instant past the end of the open period it reads as if that had been closed. */
#include "parts.h"

void ray_cost_read(const ray_cost *cost, ray_cost_stats *out)
{
    const ray_cost_tally *tally = &cost->tally;
    uint64_t notices = tally->notice_count;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->asked_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->denied_count;
    out->unpriced_count = tally->unpriced_count;
    out->adjusted_count = tally->adjusted_count;
    out->late_count = tally->late_count;
    out->folded_count = tally->folded_count;
    out->closed_count = cost->book.closed_count;
    out->duplicate_count = tally->duplicate_count;
    out->event_count = tally->event_count;
    out->notice_count = notices;
    out->notice_overwritten_count =
        notices > RAY_COST_NOTICE_MAX ? notices - RAY_COST_NOTICE_MAX : 0;
    out->book_count = cost->config.book_count;
    out->cell_count = cost->book.cell_count;
    out->alert_count = cost->config.alert_count;
    for (uint32_t place = 0; place < RAY_COST_NOTICE_MAX; place++)
        out->unacknowledged_count +=
            tally->notice[place].id != 0 && tally->notice[place].acknowledged == 0;
}

/* -- sums -- */
static void add(ray_money *to, ray_money amount)
{
    *to = ray_money_sum(*to, amount);
}

ray_money ray_cost_spent(const ray_cost *cost, const ray_cost_view *view, uint32_t account,
                         uint32_t metric)
{
    const ray_cost_book *book = &cost->book;
    ray_money sum = ray_money_none();
    if (account == RAY_NONE || view->back < view->behind)
        return sum;
    uint64_t closed = view->back - view->behind;
    if (closed > RAY_COST_PERIOD_MAX || closed > book->closed_count)
        return sum;
    uint64_t at = (book->closed_count - closed) % RAY_COST_PERIOD_MAX;
    const ray_money *amounts =
        closed == 0 ? book->tenant[account].metric : book->closed[account][at].metric;
    for (uint32_t i = 0; i < RAY_COST_METRIC_MAX; i++)
        if (metric == i || metric == RAY_COST_ALL)
            add(&sum, amounts[i]);
    return sum;
}

static ray_money spent_by_all(const ray_cost *cost, const ray_cost_view *view, uint32_t metric)
{
    ray_money sum = ray_money_none();
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++)
        add(&sum, ray_cost_spent(cost, view, account, metric));
    return sum;
}

static ray_money ever_by(const ray_cost *cost, uint32_t account)
{
    ray_money sum = ray_money_none();
    if (account == RAY_NONE)
        return sum;
    add(&sum, cost->book.tenant[account].total);
    add(&sum, cost->book.tenant[account].folded);
    for (uint32_t at = 0; at < RAY_COST_PERIOD_MAX; at++)
        for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
            add(&sum, cost->book.closed[account][at].metric[metric]);
    return sum;
}

static ray_status service_sum(const ray_cost *cost, const ray_cost_view *view,
                              const ray_cost_which *which, ray_money *out)
{
    uint32_t account = ray_cost_service_find(cost, which->service);
    const ray_cost_service *service = &cost->book.service[account != RAY_NONE ? account : 0];
    uint64_t closed = view->back - view->behind;
    *out = ray_money_none();
    if (account == RAY_NONE || (which->back != RAY_COST_ALL && view->back < view->behind))
        return RAY_OK;
    if (which->metric != RAY_COST_ALL && (which->back == RAY_COST_ALL || closed != 0))
        return RAY_E_STALE;
    if (which->back == RAY_COST_ALL)
        *out = ray_money_sum(service->closed, service->total);
    else if (which->metric != RAY_COST_ALL)
        *out = service->metric[which->metric];
    else if (closed <= 1)
        *out = closed == 0 ? service->total : service->last;
    else
        return RAY_E_STALE;
    return RAY_OK;
}

static ray_status cell_sum(const ray_cost *cost, const ray_cost_view *view,
                           const ray_cost_which *which, ray_money *out)
{
    uint32_t tenant = ray_cost_tenant_find(cost, which->tenant);
    uint32_t service = ray_cost_service_find(cost, which->service);
    uint64_t closed = view->back - view->behind;
    if (which->back == RAY_COST_ALL || (view->back >= view->behind && closed > 1))
        return RAY_E_STALE;
    *out = ray_money_none();
    if (tenant == RAY_NONE || service == RAY_NONE || view->back < view->behind)
        return RAY_OK;
    for (uint32_t kind = 0; kind < RAY_COST_KIND_MAX; kind++) {
        uint32_t place = ray_cost_cell_find(cost, tenant, service, kind);
        if (place == RAY_NONE || (which->metric != RAY_COST_ALL &&
                                  which->metric != kind % RAY_COST_METRIC_MAX))
            continue;
        add(out, closed == 0 ? cost->book.cell[place].open : cost->book.cell[place].last);
    }
    return RAY_OK;
}

static ray_status tenant_sum(const ray_cost *cost, const ray_cost_view *view,
                             const ray_cost_which *which, ray_money *out)
{
    const ray_cost_book *book = &cost->book;
    if (which->tenant == RAY_COST_ALL && which->back == RAY_COST_ALL) {
        *out = which->metric == RAY_COST_ALL
                   ? ray_money_sum(book->open, book->closed_sum)
                   : ray_money_sum(book->metric[which->metric], book->metric_closed[which->metric]);
    } else if (which->tenant == RAY_COST_ALL) {
        *out = spent_by_all(cost, view, which->metric);
    } else if (which->back == RAY_COST_ALL) {
        if (which->metric != RAY_COST_ALL)
            return RAY_E_STALE;
        *out = ever_by(cost, ray_cost_tenant_find(cost, which->tenant));
    } else {
        *out = ray_cost_spent(cost, view, ray_cost_tenant_find(cost, which->tenant), which->metric);
    }
    return RAY_OK;
}

static uint32_t can_be(uint32_t which, uint32_t slot, uint32_t most)
{
    return which == RAY_NONE || which == RAY_COST_ALL || slot < most;
}

ray_status ray_cost_sum(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                        const ray_cost_which *which, ray_money *out)
{
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    ray_cost_view view = {.behind = ray_cost_behind(cost, wall_ns), .back = which->back};
    ray_cost_span span;
    if (can_be(which->tenant, which->tenant, RAY_TENANT_MAX) == 0 ||
        can_be(which->service, which->service & COST_SLOT_MASK, RAY_SERVICE_MAX) == 0 ||
        (which->metric != RAY_COST_ALL && which->metric >= RAY_COST_METRIC_MAX))
        return RAY_E_UNKNOWN;
    if (which->back != RAY_COST_ALL && which->back != 0) {
        ray_status status = ray_cost_span_at(cost, wall_ns, which->back, &span);
        if (status != RAY_OK)
            return status;
    }
    if (which->service == RAY_COST_ALL)
        return tenant_sum(cost, &view, which, out);
    if (which->tenant == RAY_COST_ALL)
        return service_sum(cost, &view, which, out);
    return cell_sum(cost, &view, which, out);
}

void ray_cost_totals_read(const ray_cost *cost, ray_cost_totals *out)
{
    const ray_cost_book *book = &cost->book;
    memset(out, 0, sizeof *out);
    for (uint32_t account = 0; account < RAY_COST_TENANTS; account++)
        add(&out->tenants, ever_by(cost, account));
    for (uint32_t account = 0; account < RAY_COST_SERVICES; account++) {
        add(&out->services, book->service[account].total);
        add(&out->services, book->service[account].closed);
    }
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++) {
        add(&out->metrics, book->metric[metric]);
        add(&out->metrics, book->metric_closed[metric]);
    }
    out->grand = ray_money_sum(book->open, book->closed_sum);
    out->gross = book->gross;
}

/* -- periods -- */
ray_status ray_cost_period_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                                uint32_t back, ray_cost_period *out)
{
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    ray_cost_span span;
    ray_status status = ray_cost_span_at(cost, wall_ns, back, &span);
    if (status != RAY_OK)
        return status;
    *out = (ray_cost_period){.start_unix_ns = span.start_ns,
                             .end_unix_ns = span.end_ns,
                             .ready_unix_ns = span.ready_ns,
                             .back = back,
                             .open = back == 0,
                             .ready = back != 0 && wall_ns >= span.ready_ns,
                             .digits = span.digits};
    return RAY_OK;
}

ray_status ray_cost_trend_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t tenant, ray_cost_trend *out)
{
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    ray_cost_view view = {.behind = ray_cost_behind(cost, wall_ns)};
    int64_t nano[RAY_COST_PERIOD_MAX];
    uint32_t all = tenant == RAY_COST_ALL;
    if (all == 0 && tenant != RAY_NONE && tenant >= RAY_TENANT_MAX)
        return RAY_E_UNKNOWN;
    uint32_t account = all ? RAY_NONE : ray_cost_tenant_find(cost, tenant);
    uint64_t closed = ray_add_capped(cost->book.closed_count, view.behind);
    memset(out, 0, sizeof *out);
    out->count = closed < RAY_COST_PERIOD_MAX ? (uint32_t)closed : RAY_COST_PERIOD_MAX;
    out->folded_count = closed - out->count;
    out->folded = all ? ray_money_sum(cost->book.open, cost->book.closed_sum)
                      : ever_by(cost, account);
    for (uint32_t back = 0; back <= out->count; back++) {
        view.back = back;
        ray_money spent = all ? spent_by_all(cost, &view, RAY_COST_ALL)
                              : ray_cost_spent(cost, &view, account, RAY_COST_ALL);
        out->folded = ray_money_less(out->folded, spent);
        if (back != 0)
            nano[out->count - back] = ray_money_nano(&spent, 0);
    }
    out->slope_known = out->count >= 2 && ray_slope(nano, out->count, &out->slope_nano) != 0;
    return RAY_OK;
}

ray_status ray_cost_project(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                            uint32_t tenant, ray_cost_projection *out)
{
    int64_t wall_ns = ray_cost_wall(now_ns, wall_offset_ns);
    const ray_cost_which which = {tenant, RAY_COST_ALL, RAY_COST_ALL, 0};
    ray_cost_span span;
    ray_money spent;
    ray_status status = ray_cost_sum(cost, now_ns, wall_offset_ns, &which, &spent);
    memset(out, 0, sizeof *out);
    if (status != RAY_OK || ray_cost_span_at(cost, wall_ns, 0, &span) != RAY_OK)
        return status;
    out->spent_nano = ray_money_nano(&spent, 0);
    if (span.end_ns == COST_FOREVER_NS || wall_ns <= span.start_ns)
        return RAY_OK;
    out->elapsed_ns = (uint64_t)wall_ns - (uint64_t)span.start_ns;
    out->length_ns = (uint64_t)span.end_ns - (uint64_t)span.start_ns;
    out->known = ray_mul_div_signed(out->spent_nano, out->length_ns, out->elapsed_ns, &out->nano);
    return RAY_OK;
}

/* -- rows -- */
void ray_cost_billing_read(const ray_cost *cost, ray_billing_spec *out)
{
    *out = cost->config.billing;
}

ray_status ray_cost_book_read(const ray_cost *cost, uint32_t service, ray_cost_spec *out)
{
    const ray_cost_price *price = ray_cost_price_of(cost, service);
    if (price == 0)
        return RAY_E_UNKNOWN;
    *out = price->spec;
    return RAY_OK;
}

ray_status ray_cost_multiplier_read(const ray_cost *cost, uint32_t service, uint32_t place,
                                    ray_cost_multiplier_spec *out)
{
    const ray_cost_price *price = ray_cost_price_of(cost, service);
    if (price == 0 || place >= price->factor_count)
        return RAY_E_UNKNOWN;
    *out = cost->config.factor[price->factor_first + place].spec;
    return RAY_OK;
}

ray_status ray_cost_tier_read(const ray_cost *cost, uint32_t service, uint32_t place,
                              ray_cost_tier_spec *out)
{
    const ray_cost_price *price = ray_cost_price_of(cost, service);
    if (price == 0 || place >= price->tier_count)
        return RAY_E_UNKNOWN;
    *out = cost->config.tier[price->tier_first + place];
    return RAY_OK;
}

ray_status ray_cost_alert_read(const ray_cost *cost, uint64_t now_ns, int64_t wall_offset_ns,
                               uint32_t place, ray_cost_alert *out)
{
    if (place >= cost->config.alert_count)
        return RAY_E_UNKNOWN;
    uint64_t behind = ray_cost_behind(cost, ray_cost_wall(now_ns, wall_offset_ns));
    *out = (ray_cost_alert){.spec = cost->config.alert[place]};
    if (behind == 0) {
        ray_money spent = ray_cost_alert_spent(cost, place);
        out->spent_nano = ray_money_nano(&spent, 0);
        out->fired = cost->book.standing[place].fired;
    }
    return RAY_OK;
}
