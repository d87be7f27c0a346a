/* SPDX-License-Identifier: MIT */
/* cmd_cost_bill.c - invoices, trends and projections. */
#include "cmd_cost.h"
#include "parts.h"

/* -- invoices -- */
static ray_status bill_of(ray_call *call, ray_cost_bill *bill)
{
    const char *at;
    uint32_t length, tenant;
    uint64_t back = 0;
    ray_status status = ray_cost_tenant_at(call, 2, &tenant);
    if (status != RAY_OK)
        return status;
    if (ray_call_option(call, "--back", &at, &length) != 0 &&
        (ray_parse_u64(at, length, &back) != RAY_OK || back >= RAY_NONE))
        return ray_call_error(call, RAY_E_SYNTAX,
                              "--back is a number of periods, 0 is the open one", RAY_NONE, 0);
    status = ray_cost_bill_read(ray_cost_of(call->ray), call->now_ns, ray_call_wall_offset(call),
                                tenant, (uint32_t)back, bill);
    if (status == RAY_E_STALE)
        return ray_call_error(call, status,
                              "that period is no longer kept; see: cost trends", RAY_NONE, 0);
    if (status != RAY_OK)
        return ray_call_error(call, status, "no such period: nothing was charged then", RAY_NONE,
                              0);
    return RAY_OK;
}

/* With the digits of the invoice. */
static void put_billed(ray_text *out, int64_t nano, uint32_t digits)
{
    for (uint32_t i = digits; i < 9; i++)
        nano /= 10; /* zeros: it was rounded to them */
    ray_text_fixed(out, nano, digits);
}

static void put_line(ray_call *call, const ray_cost_bill *bill, const ray_cost_line *line)
{
    static const char *const kinds[] = {"", "adjustment of ", "rounding carried over"};
    ray_text *out = call->out;
    if (line->folded != 0)
        ray_text_put(out, "other");
    else
        ray_cost_put_service(call, line->service);
    ray_text_column(out, RAY_COST_COLUMN);
    ray_text_put(out, kinds[line->kind]);
    if (line->kind != RAY_COST_LINE_CARRY)
        ray_text_put(out, ray_cost_metric_word(line->metric));
    ray_text_column(out, RAY_COST_COLUMN + 24);
    ray_text_u64(out, line->units);
    ray_text_column(out, RAY_COST_COLUMN + 40);
    put_billed(out, line->billed_nano, bill->period.digits);
    ray_text_column(out, RAY_COST_COLUMN + 56);
    ray_money_put(out, &line->amount, RAY_COST_DIGITS);
    ray_text_char(out, '\n');
}

ray_status ray_cost_run_bill(ray_call *call)
{
    ray_cost_bill bill;
    ray_cost_line line = {.key = 0};
    ray_status status = bill_of(call, &bill);
    if (status != RAY_OK)
        return status;
    if (call->json != 0)
        return ray_bill_export(call->ray, &bill, RAY_BILL_JSON, call->out);
    ray_line_begin(call->out, RAY_COST_COLUMN, "service");
    ray_text_put(call->out, "metric                  units           billed          exact\n");
    while (ray_cost_line_next(ray_cost_of(call->ray), &bill, &line) != 0)
        put_line(call, &bill, &line);
    ray_line_begin(call->out, RAY_COST_COLUMN + 40,
                   bill.period.open != 0 ? "total so far" : "total");
    put_billed(call->out, bill.billed_nano, bill.period.digits);
    ray_text_column(call->out, RAY_COST_COLUMN + 56);
    ray_money_put(call->out, &bill.total, RAY_COST_DIGITS);
    ray_text_char(call->out, '\n');
    if (bill.period.open == 0)
        ray_line_word(call->out, RAY_COST_COLUMN, "invoice",
                      bill.period.ready != 0 ? "ready" : "not ready before its grace is over");
    return RAY_OK;
}

ray_status ray_cost_run_export(ray_call *call)
{
    static const char *const formats[] = {"csv", "json", "focus"};
    uint32_t format = call->json != 0 ? RAY_BILL_JSON : RAY_BILL_CSV;
    ray_cost_bill bill;
    if (call->plain_count > 3) {
        for (format = 0; format < 3 && !ray_call_is(call, 3, formats[format]); format++) {
        }
        if (format == 3)
            return ray_call_error(call, RAY_E_ARGUMENT, "an invoice is csv, json or focus, not", 3,
                                  0);
    }
    if (call->json != 0)
        format = RAY_BILL_JSON;
    ray_status status = bill_of(call, &bill);
    if (status != RAY_OK)
        return status;
    return ray_bill_export(call->ray, &bill, format, call->out);
}

/* -- trends and projections -- */
/* The tenant of word 2, all together when none is named. */
static ray_status whose(ray_call *call, uint32_t *tenant)
{
    *tenant = RAY_COST_ALL;
    return call->plain_count > 2 ? ray_cost_tenant_at(call, 2, tenant) : RAY_OK;
}

static void put_closed(ray_call *call, uint32_t tenant, uint32_t back)
{
    const ray_cost *cost = ray_cost_of(call->ray);
    const ray_cost_which which = {tenant, RAY_COST_ALL, RAY_COST_ALL, back};
    int64_t wall_offset_ns = ray_call_wall_offset(call);
    ray_cost_period period;
    ray_money spent;
    if (ray_cost_period_read(cost, call->now_ns, wall_offset_ns, back, &period) != RAY_OK ||
        ray_cost_sum(cost, call->now_ns, wall_offset_ns, &which, &spent) != RAY_OK)
        return;
    if (call->json != 0) {
        ray_text_json_open(call->out, 0, '{');
        ray_text_json_i64(call->out, "start_unix_ns", period.start_unix_ns);
        ray_text_json_i64(call->out, "end_unix_ns", period.end_unix_ns);
        ray_cost_json_money(call->out, "cost", &spent);
        ray_text_json_bool(call->out, "invoice_ready", period.ready);
        ray_text_json_close(call->out, '}');
        return;
    }
    ray_text_time(call->out, period.start_unix_ns < 0 ? 0 : (uint64_t)period.start_unix_ns);
    ray_text_column(call->out, RAY_COST_COLUMN + 8);
    ray_money_put(call->out, &spent, RAY_COST_DIGITS);
    ray_text_char(call->out, '\n');
}

ray_status ray_cost_run_trends(ray_call *call)
{
    uint32_t tenant;
    ray_cost_trend trend;
    ray_text *out = call->out;
    ray_status status = whose(call, &tenant);
    if (status != RAY_OK)
        return status;
    ray_cost_trend_read(ray_cost_of(call->ray), call->now_ns, ray_call_wall_offset(call), tenant,
                        &trend);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "folded_count", trend.folded_count);
        ray_cost_json_money(out, "folded", &trend.folded);
        if (trend.slope_known != 0)
            ray_cost_json_nano(out, "slope_per_period", trend.slope_nano);
        else
            ray_text_json_null(out, "slope_per_period");
        ray_text_json_open(out, "periods", '[');
    }
    for (uint32_t back = trend.count; back > 0; back--)
        put_closed(call, tenant, back);
    if (call->json != 0) {
        ray_json_list_end(out);
        return RAY_OK;
    }
    ray_line_u64(out, RAY_COST_COLUMN + 8, "older, folded", trend.folded_count);
    ray_line_begin(out, RAY_COST_COLUMN + 8, "slope per period");
    if (trend.slope_known != 0)
        ray_cost_put_nano(out, trend.slope_nano);
    else
        ray_text_put(out, "unknown");
    ray_text_char(out, '\n');
    return RAY_OK;
}

ray_status ray_cost_run_project(ray_call *call)
{
    uint32_t tenant;
    ray_cost_projection projection;
    ray_text *out = call->out;
    ray_status status = whose(call, &tenant);
    if (status != RAY_OK)
        return status;
    ray_cost_project(ray_cost_of(call->ray), call->now_ns, ray_call_wall_offset(call), tenant,
                     &projection);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_cost_json_nano(out, "spent", projection.spent_nano);
        ray_text_json_u64(out, "elapsed_ns", projection.elapsed_ns);
        ray_text_json_u64(out, "length_ns", projection.length_ns);
        if (projection.known != 0)
            ray_cost_json_nano(out, "projected", projection.nano);
        else
            ray_text_json_null(out, "projected");
        ray_json_end(out);
        return RAY_OK;
    }
    ray_line_begin(out, RAY_COST_COLUMN, "spent");
    ray_cost_put_nano(out, projection.spent_nano);
    ray_text_char(out, '\n');
    ray_line_begin(out, RAY_COST_COLUMN, "projected");
    if (projection.known != 0)
        ray_cost_put_nano(out, projection.nano);
    else
        ray_text_put(out, "unknown");
    ray_text_char(out, '\n');
    return RAY_OK;
}
