/* SPDX-License-Identifier: MIT */
/* cmd_governance_show.c - governance: windows, rankings, percentiles, correlations. */
#include "cmd_governance.h"
#include "parts.h"

static ray_status refuse_word(ray_call *call, uint32_t word, const char *what)
{
    return ray_call_error(call, RAY_E_ARGUMENT, what, word, 0);
}

/* -- timeline -- */
static void window_put(ray_call *call, const ray_series_window *window, uint32_t is_signed)
{
    ray_text *out = call->out;
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "start_ns", window->start_ns);
        ray_text_json_u64(out, "count", window->count);
        if (is_signed)
            ray_text_json_i64(out, "amount", (int64_t)window->amount);
        else
            ray_text_json_u64(out, "amount", window->amount);
        ray_text_json_close(out, '}');
        return;
    }
    ray_text_time(out, window->start_ns + (uint64_t)ray_call_wall_offset(call));
    ray_text_column(out, 24);
    ray_text_u64_right(out, window->count, 12);
    ray_text_put(out, "  ");
    if (is_signed)
        ray_text_fixed(out, (int64_t)window->amount, 9);
    else
        ray_text_u64(out, window->amount);
    ray_text_char(out, '\n');
}

ray_status ray_governance_run_timeline(ray_call *call)
{
    static const char *const amounts[RAY_SERIES_METRIC_MAX] = {
        "tokens", "violations", "waited ns", "dropped", "bytes", "cost"};
    ray_series_query query = {0, RAY_NONE, RAY_NONE, RAY_GRAIN_MINUTE};
    ray_status status = ray_governance_whose(call, &query.service, &query.tenant);
    if (status == RAY_OK)
        status = ray_governance_grain_read(call, &query.grain);
    if (status != RAY_OK)
        return status;
    if (call->plain_count > 2)
        query.metric = ray_option_place(call->word[2], call->length[2], ray_series_metric_word,
                                        RAY_SERIES_METRIC_MAX);
    if (query.metric == RAY_SERIES_METRIC_MAX)
        return refuse_word(call, 2,
                           "a timeline is of requests, denied, sent, failed, done or cost, not");
    ray_series_window *window = ray_call_memory(call, RAY_GOV_WINDOW_MAX * sizeof *window);
    if (window == 0)
        return RAY_E_TRUNCATED;
    uint32_t count =
        ray_governance_timeline(ray_governance_of(call->ray), call->now_ns, &query, window);
    if (call->json != 0) {
        ray_json_list_open(call->out, "windows");
    } else {
        ray_text_put(call->out, "window");
        ray_text_column(call->out, 24);
        ray_text_put(call->out, "       count  ");
        ray_text_put(call->out, amounts[query.metric]);
        ray_text_char(call->out, '\n');
    }
    for (uint32_t i = 0; i < count; i++) /* as text, what happened and the one that is open */
        if (call->json != 0 || window[i].count != 0 || window[i].amount != 0 || i + 1 == count)
            window_put(call, &window[i], query.metric == RAY_SERIES_COST);
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- top -- */
enum { TOP_MOST = 64 };

static const char *by_word(uint32_t by)
{
    static const char *const words[] = {"requests", "cost", "violations", "usage"};
    return words[by];
}

static const char *dimension_word(uint32_t dimension)
{
    static const char *const words[] = {"services", "tenants"};
    return words[dimension];
}

static void top_put(ray_call *call, uint32_t dimension, uint32_t by, const ray_top *top)
{
    ray_text *out = call->out;
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_governance_put_key(call, dimension, top->id, 1);
        ray_text_json_u64(out, "value", top->value);
        ray_text_json_u64(out, "error", top->error);
        ray_text_json_close(out, '}');
        return;
    }
    ray_governance_put_key(call, dimension, top->id, 0);
    ray_text_column(out, 24);
    if (by == RAY_TOP_COST)
        ray_text_fixed(out, (int64_t)top->value, 9);
    else
        ray_text_u64_right(out, top->value, 12);
    if (top->error != 0) {
        ray_text_put(out, "  at most; at least ");
        if (by == RAY_TOP_COST)
            ray_text_fixed(out, (int64_t)(top->value - top->error), 9);
        else
            ray_text_u64(out, top->value - top->error);
    }
    ray_text_char(out, '\n');
}

ray_status ray_governance_run_top(ray_call *call)
{
    uint32_t dimension = RAY_DIMENSION_SERVICE, by = RAY_TOP_REQUESTS;
    uint64_t most = 10;
    if (call->plain_count > 2)
        dimension = ray_option_place(call->word[2], call->length[2], dimension_word, 2);
    if (dimension == 2)
        return refuse_word(call, 2, "a ranking is of services or tenants, not");
    if (call->plain_count > 3)
        by = ray_option_place(call->word[3], call->length[3], by_word, 4);
    if (by == 4)
        return refuse_word(call, 3, "a ranking is by requests, cost or violations, not");
    by = by == 3 ? (uint32_t)RAY_TOP_REQUESTS : by;
    ray_status status = ray_option_u64(call, "--count", &most);
    if (status != RAY_OK)
        return status;
    ray_top *top = ray_call_memory(call, TOP_MOST * sizeof *top);
    if (top == 0)
        return RAY_E_TRUNCATED;
    uint32_t count = ray_governance_top(ray_governance_of(call->ray), dimension, by, top,
                                        most < TOP_MOST ? (uint32_t)most : TOP_MOST);
    if (call->json != 0)
        ray_json_list_open(call->out, dimension_word(dimension));
    for (uint32_t i = 0; i < count; i++)
        top_put(call, dimension, by, &top[i]);
    if (call->json != 0)
        ray_json_list_end(call->out);
    else if (count == 0)
        ray_text_put(call->out, "nothing was counted yet\n");
    return RAY_OK;
}

/* -- percentiles -- */
static const char *quantile_word(uint32_t of)
{
    static const char *const words[] = {"waits", "enforcement"};
    return words[of];
}

ray_status ray_governance_run_percentiles(ray_call *call)
{
    static const uint32_t ppm[3] = {500000, 950000, 990000};
    static const char *const names[3] = {"p50", "p95", "p99"};
    uint32_t of = RAY_QUANTILE_WAIT, service, tenant;
    uint64_t value[3], count;
    if (call->plain_count > 2)
        of = ray_option_place(call->word[2], call->length[2], quantile_word, 2);
    if (of == 2)
        return refuse_word(call, 2, "percentiles are of waits or enforcement, not");
    ray_status status = ray_governance_whose(call, &service, &tenant);
    if (status != RAY_OK)
        return status;
    status = ray_governance_quantiles(ray_governance_of(call->ray), of, service, ppm, 3, value,
                                      &count);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              of == RAY_QUANTILE_WAIT ? "the service has no histogram of its own"
                                                      : "enforcement is of all services together",
                              RAY_NONE, 0);
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    for (uint32_t i = 0; i < 3; i++) {
        if (call->json != 0)
            ray_text_json_u64(call->out, names[i], value[i]);
        else
            ray_line_duration(call->out, 16, names[i], value[i]);
    }
    if (call->json != 0) {
        ray_text_json_u64(call->out, "count", count);
        ray_json_end(call->out);
    } else {
        ray_line_u64(call->out, 16, "count", count);
    }
    return RAY_OK;
}

/* -- correlate -- */
static const char *column_word(uint32_t column)
{
    static const char *const words[RAY_CORRELATE_MAX] = {"denied", "cost", "p95", "errors"};
    return words[column];
}

static void pair_put(ray_call *call, const ray_correlation *found, uint32_t pair, uint32_t a,
                     uint32_t b)
{
    ray_text *out = call->out;
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_literal(out, "a", column_word(a));
        ray_text_json_literal(out, "b", column_word(b));
        if (found->defined[pair] != 0)
            ray_text_json_i64(out, "milli", found->milli[pair]);
        else
            ray_text_json_null(out, "milli");
        ray_text_json_close(out, '}');
        return;
    }
    ray_text_put(out, column_word(a));
    ray_text_put(out, " and ");
    ray_text_put(out, column_word(b));
    ray_text_column(out, 24);
    if (found->defined[pair] != 0)
        ray_text_fixed(out, found->milli[pair], 3);
    else
        ray_text_put(out, "not defined");
    ray_text_char(out, '\n');
}

static void tuples_json(ray_call *call, const ray_correlation *found)
{
    ray_text_json_open(call->out, "windows", '[');
    for (uint32_t i = 0; i < found->count; i++) {
        ray_text_json_open(call->out, 0, '{');
        ray_text_json_u64(call->out, "start_ns", found->start_ns[i]);
        for (uint32_t column = 0; column < RAY_CORRELATE_MAX; column++)
            ray_text_json_i64(call->out, column_word(column), found->column[column][i]);
        ray_text_json_close(call->out, '}');
    }
    ray_text_json_close(call->out, ']');
}

ray_status ray_governance_run_correlate(ray_call *call)
{
    uint32_t service, tenant, grain, pair = 0;
    ray_status status = ray_governance_whose(call, &service, &tenant);
    if (status == RAY_OK)
        status = ray_governance_grain_read(call, &grain);
    if (status != RAY_OK)
        return status;
    ray_correlation *found = ray_call_memory(call, sizeof *found);
    if (found == 0)
        return RAY_E_TRUNCATED;
    ray_governance_correlate(ray_governance_of(call->ray), call->now_ns, service, grain, found);
    if (call->json != 0) {
        ray_text_json_open(call->out, 0, '{');
        tuples_json(call, found);
        ray_text_json_open(call->out, "pairs", '[');
    } else {
        ray_line_u64(call->out, 24, "windows", found->count);
    }
    for (uint32_t a = 0; a < RAY_CORRELATE_MAX; a++)
        for (uint32_t b = a + 1; b < RAY_CORRELATE_MAX; b++, pair++)
            pair_put(call, found, pair, a, b);
    if (call->json != 0) {
        ray_text_json_close(call->out, ']');
        ray_json_end(call->out);
    }
    return RAY_OK;
}
