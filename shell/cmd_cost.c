/* SPDX-License-Identifier: MIT */
/* cmd_cost.c - cost: what was spent, by whom and on what; the table of subcommands. */
#include "cmd_cost.h"
#include "parts.h"

/* -- words -- */
const char *ray_cost_metric_word(uint32_t metric)
{
    static const char *const words[] = {"requests", "bytes", "compute", "storage", "cache"};
    return metric < RAY_COST_METRIC_MAX ? words[metric] : "?";
}

void ray_cost_tenant_name(const ray_call *call, uint32_t tenant, ray_name *out)
{
    ray_tenant_spec spec;
    __builtin_memset(out, 0, sizeof *out);
    if (ray_tenant_read(call->ray, tenant, &spec) == RAY_OK)
        *out = spec.name;
}

void ray_cost_put_tenant(const ray_call *call, uint32_t tenant)
{
    ray_name name;
    ray_cost_tenant_name(call, tenant, &name);
    if (name.at[0] != 0)
        ray_text_name(call->out, &name, 0);
    else
        ray_text_put(call->out, "-");
}

void ray_cost_put_service(const ray_call *call, uint32_t service)
{
    ray_name name;
    ray_by_name(call->ray, RAY_BY_SERVICE, service, &name);
    if (name.at[0] != 0)
        ray_text_name(call->out, &name, 0);
    else
        ray_text_put(call->out, "-");
}

ray_status ray_cost_tenant_at(ray_call *call, uint32_t word, uint32_t *tenant)
{
    *tenant = RAY_NONE;
    if (ray_call_is(call, word, "-") ||
        ray_tenant_find(call->ray, call->word[word], call->length[word], tenant) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no tenant of that name", word, RAY_COMPLETE_TENANT);
}

ray_status ray_cost_service_at(ray_call *call, const char *at, uint32_t length, uint32_t *service)
{
    if (ray_gateway_find_service(ray_gateway_of(call->ray), at, length, service) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown_value(call, "no service of that name", at, length,
                                  RAY_COMPLETE_SERVICE);
}

void ray_cost_json_money(ray_text *out, const char *key, const ray_money *money)
{
    char at[40];
    ray_text text;
    ray_text_init(&text, at, sizeof at);
    ray_money_put(&text, money, RAY_COST_DIGITS);
    ray_text_json_string(out, key, at, text.length);
}

void ray_cost_put_nano(ray_text *out, int64_t nano)
{
    ray_text_fixed(out, nano, 9);
}

void ray_cost_json_nano(ray_text *out, const char *key, int64_t nano)
{
    char at[40];
    ray_text text;
    ray_text_init(&text, at, sizeof at);
    ray_cost_put_nano(&text, nano);
    ray_text_json_string(out, key, at, text.length);
}

static ray_money sum_of(const ray_call *call, uint32_t tenant, uint32_t service, uint32_t metric,
                        uint32_t back)
{
    const ray_cost_which which = {tenant, service, metric, back};
    ray_money money = {0, 0};
    ray_cost_sum(ray_cost_of(call->ray), call->now_ns, ray_call_wall_offset(call), &which, &money);
    return money;
}

/* -- status -- */
static void put_totals(ray_call *call)
{
    ray_cost_totals totals;
    ray_cost_totals_read(ray_cost_of(call->ray), &totals);
    const struct {
        const char *name;
        const ray_money *money;
    } rows[] = {{"sum_tenants", &totals.tenants},
                {"sum_services", &totals.services},
                {"sum_metrics", &totals.metrics},
                {"grand_total", &totals.grand}};
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (call->json != 0) {
            ray_cost_json_money(call->out, rows[i].name, rows[i].money);
            continue;
        }
        ray_line_begin(call->out, RAY_COST_COLUMN, rows[i].name);
        ray_money_put(call->out, rows[i].money, RAY_COST_DIGITS);
        ray_text_char(call->out, '\n');
    }
}

static void put_period(ray_call *call)
{
    ray_cost_period period;
    ray_status status = ray_cost_period_read(ray_cost_of(call->ray), call->now_ns,
                                             ray_call_wall_offset(call), 0, &period);
    uint32_t ends = status == RAY_OK && period.end_unix_ns != 0x7fffffffffffffffLL;
    if (call->json != 0) {
        if (status == RAY_OK)
            ray_text_json_i64(call->out, "period_start_unix_ns", period.start_unix_ns);
        if (ends)
            ray_text_json_i64(call->out, "period_end_unix_ns", period.end_unix_ns);
        return;
    }
    ray_line_begin(call->out, RAY_COST_COLUMN, "period");
    if (status != RAY_OK) {
        ray_text_put(call->out, "none yet: nothing was charged\n");
        return;
    }
    ray_text_time(call->out, period.start_unix_ns < 0 ? 0 : (uint64_t)period.start_unix_ns);
    ray_text_put(call->out, " to ");
    if (ends)
        ray_text_time(call->out, period.end_unix_ns < 0 ? 0 : (uint64_t)period.end_unix_ns);
    else
        ray_text_put(call->out, "never");
    ray_text_char(call->out, '\n');
}

static ray_status run_status(ray_call *call)
{
    ray_cost_stats stats;
    ray_cost_read(ray_cost_of(call->ray), &stats);
    const ray_counter counters[] = {
        {"books", 0, stats.book_count, RAY_SERVICE_MAX},
        {"cells", 0, stats.cell_count, RAY_COST_CELL_MAX},
        {"alerts", 0, stats.alert_count, RAY_COST_ALERT_MAX},
        {"asked", 0, stats.asked_count, 0},
        {"granted", 0, stats.granted_count, 0},
        {"denied", 0, stats.denied_count, 0},
        {"errors", 0, stats.error_count, 0},
        {"unpriced", 0, stats.unpriced_count, 0},
        {"adjusted", 0, stats.adjusted_count, 0},
        {"late", 0, stats.late_count, 0},
        {"folded", 0, stats.folded_count, 0},
        {"duplicates", 0, stats.duplicate_count, 0},
        {"periods_closed", 0, stats.closed_count, 0},
        {"notices", 0, stats.notice_count, 0},
        {"notices_unacknowledged", 0, stats.unacknowledged_count, 0},
        {"notices_overwritten", 0, stats.notice_overwritten_count, 0},
    };
    const ray_counters table = {counters, sizeof counters / sizeof counters[0], 24, 12, 0};
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    ray_counters_put(call, &table);
    put_period(call);
    put_totals(call);
    if (call->json != 0)
        ray_json_end(call->out);
    return RAY_OK;
}

/* -- tenants and services -- */
static void spent_row(ray_call *call, const char *kind, uint32_t tenant, uint32_t service)
{
    ray_text *out = call->out;
    ray_money open = sum_of(call, tenant, service, RAY_COST_ALL, 0);
    ray_money last = sum_of(call, tenant, service, RAY_COST_ALL, 1);
    ray_money ever = sum_of(call, tenant, service, RAY_COST_ALL, RAY_COST_ALL);
    uint32_t of_tenant = service == RAY_COST_ALL;
    if (call->json == 0) {
        if (of_tenant)
            ray_cost_put_tenant(call, tenant);
        else
            ray_cost_put_service(call, service);
        ray_text_column(out, RAY_COST_COLUMN);
        ray_money_put(out, &open, 9);
        ray_text_column(out, RAY_COST_COLUMN + 20);
        ray_money_put(out, &last, 9);
        ray_text_column(out, RAY_COST_COLUMN + 40);
        ray_money_put(out, &ever, 9);
        ray_text_char(out, '\n');
        return;
    }
    ray_name name;
    if (of_tenant)
        ray_cost_tenant_name(call, tenant, &name);
    else
        ray_by_name(call->ray, RAY_BY_SERVICE, service, &name);
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, kind, &name);
    ray_cost_json_money(out, "open", &open);
    ray_cost_json_money(out, "last", &last);
    ray_cost_json_money(out, "ever", &ever);
    ray_text_json_open(out, "metrics", '{');
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++) {
        ray_money money = sum_of(call, tenant, service, metric, 0);
        ray_cost_json_money(out, ray_cost_metric_word(metric), &money);
    }
    ray_text_json_close(out, '}');
    ray_text_json_close(out, '}');
}

static uint32_t spent_ever(const ray_call *call, uint32_t tenant, uint32_t service)
{
    ray_money ever = sum_of(call, tenant, service, RAY_COST_ALL, RAY_COST_ALL);
    return ever.low != 0 || ever.high != 0;
}

static void list_begin(ray_call *call, const char *key, const char *first)
{
    if (call->json != 0) {
        ray_json_list_open(call->out, key);
        return;
    }
    ray_line_begin(call->out, RAY_COST_COLUMN, first);
    ray_text_put(call->out, "open                last                ever\n");
}

static ray_status run_tenants(ray_call *call)
{
    list_begin(call, "tenants", "tenant");
    for (uint32_t tenant = 0; tenant < ray_tenant_count(call->ray); tenant++)
        spent_row(call, "tenant", tenant, RAY_COST_ALL);
    if (spent_ever(call, RAY_NONE, RAY_COST_ALL))
        spent_row(call, "tenant", RAY_NONE, RAY_COST_ALL);
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

static ray_status run_services(ray_call *call)
{
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    list_begin(call, "services", "service");
    for (uint32_t id = ray_gateway_next_service(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_service(gateway, id))
        spent_row(call, "service", RAY_COST_ALL, id);
    if (spent_ever(call, RAY_COST_ALL, RAY_NONE))
        spent_row(call, "service", RAY_COST_ALL, RAY_NONE);
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"status", "", "counters, the open period, and the four sums that are one", run_status, 1, 0},
    {"tenants", "", "what each tenant spent: open period, last one, ever", run_tenants, 1, 0},
    {"services", "", "what each service's use cost", run_services, 1, 0},
    {"models", "[SERVICE]", "price books, multipliers and tiers", ray_cost_run_models, 1,
     RAY_COMPLETE_SERVICE},
    {"show", "[SERVICE]", "the same as models", ray_cost_run_models, 1, RAY_COMPLETE_SERVICE},
    {"bill", "TENANT [--back=N]", "an invoice, line by line; `-` is nobody, 0 the open period",
     ray_cost_run_bill, 1, RAY_COMPLETE_TENANT},
    {"export", "TENANT [csv|json|focus] [--back=N]", "an invoice in fixed columns",
     ray_cost_run_export, 1, RAY_COMPLETE_TENANT},
    {"trends", "[TENANT]", "closed periods and their slope", ray_cost_run_trends, 1,
     RAY_COMPLETE_TENANT},
    {"project", "[TENANT]", "what the open period will cost at its rate so far",
     ray_cost_run_project, 1, RAY_COMPLETE_TENANT},
    {"alerts", "[--all]", "thresholds reached and not yet acknowledged", ray_cost_run_alerts, 1, 0},
    {"set", "SERVICE PRICE VALUE", "PRICE is base, per_kilobyte, per_second, per_access or per_hit",
     ray_cost_run_set, 0, RAY_COMPLETE_SERVICE},
    {"adjust", "TENANT AMOUNT [--service=S] [--metric=M]",
     "a refund or credit (negative) or a supplement, in its own line", ray_cost_run_adjust, 0,
     RAY_COMPLETE_TENANT},
    {"alert", "NAME AMOUNT [--tenant=T] [--service=S]", "say so once a period when it is spent",
     ray_cost_run_alert, 0, 0},
    {"unalert", "NAME", "removes every threshold of that name", ray_cost_run_unalert, 0, 0},
    {"ack", "ID", "marks an alert as seen", ray_cost_run_acknowledge, 0, 0},
    {"close", "", "ends the billing period now (confirm)", ray_cost_run_close, 0, 0},
};

const ray_command ray_command_cost = {"cost", "prices, budgets, invoices", subs,
                                      sizeof subs / sizeof subs[0], 20, 1, 0};
