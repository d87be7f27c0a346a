/* SPDX-License-Identifier: MIT */
/* export.c - an invoice as CSV, JSON, or rows in the shape of FOCUS 1.0: fixed columns, lines by
 * (service, metric, kind), decimals printed from integers, so equal states give equal bytes. Names
 * are quoted so that no spreadsheet takes one for a formula (CWE-1236). */
#include "parts.h"

enum { EXACT_DIGITS = 12 };

static const char *metric_word(uint32_t metric)
{
    static const char *const words[RAY_COST_METRIC_MAX] = {"requests", "bytes", "compute",
                                                           "storage", "cache"};
    return metric < RAY_COST_METRIC_MAX ? words[metric] : "";
}

static const char *unit_word(uint32_t metric)
{
    static const char *const words[RAY_COST_METRIC_MAX] = {"requests", "bytes", "ns", "accesses",
                                                           "hits"};
    return metric < RAY_COST_METRIC_MAX ? words[metric] : "";
}

static const char *kind_word(const ray_cost_line *line)
{
    static const char *const words[] = {"usage", "adjustment", "rounding"};
    return words[line->kind];
}

/* One export: what is printed, for whom, where to. */
typedef struct page {
    const ray_cost *cost;
    const ray_cost_bill *bill;
    const ray_cost_words *words;
    ray_text *text;
    ray_billing_spec billing;
} page;

/* -- names -- */
static void name_of_service(const page *p, const ray_cost_line *line, ray_name *out)
{
    memset(out, 0, sizeof *out);
    if (p->words != 0 && line->service != RAY_NONE)
        p->words->name(p->words->of, line->service, out);
}

static void put_service(const page *p, const ray_cost_line *line)
{
    ray_name name;
    name_of_service(p, line, &name);
    if (name.at[0] != 0)
        ray_text_csv(p->text, name.at, ray_name_length(&name));
    else if (line->service != RAY_NONE)
        ray_text_u64(p->text, line->service);
    else if (line->folded != 0)
        ray_text_put(p->text, "other");
}

static void put_tenant(const page *p)
{
    if (p->words != 0 && p->words->tenant.at[0] != 0)
        ray_text_csv(p->text, p->words->tenant.at, ray_name_length(&p->words->tenant));
    else if (p->bill->tenant != RAY_NONE)
        ray_text_u64(p->text, p->bill->tenant);
}

static void put_time(ray_text *text, int64_t unix_ns)
{
    if (unix_ns != COST_FOREVER_NS)
        ray_text_time(text, unix_ns < 0 ? 0 : (uint64_t)unix_ns);
}

static void put_money(ray_text *text, const ray_money *money, uint32_t digits)
{
    ray_money_put(text, money, digits);
}

static void put_nano(ray_text *text, int64_t nano, uint32_t digits)
{
    ray_money money = ray_money_of(nano);
    ray_money_put(text, &money, digits);
}

static void comma(const page *p)
{
    ray_text_char(p->text, ',');
}

/* Invoices are told apart by who and when: drafts have no number yet. */
static void put_number(const page *p)
{
    if (p->bill->period.open != 0)
        return;
    ray_text_put(p->text, "INV-");
    ray_text_i64(p->text, p->bill->period.end_unix_ns / 1000000000);
    ray_text_char(p->text, '-');
    if (p->bill->tenant == RAY_NONE)
        ray_text_char(p->text, '0');
    else
        ray_text_u64(p->text, (uint64_t)p->bill->tenant + 1);
}

/* -- CSV -- */
static void csv_line(const page *p, const ray_cost_line *line)
{
    put_number(p);
    comma(p);
    put_tenant(p);
    comma(p);
    put_time(p->text, p->bill->period.start_unix_ns);
    comma(p);
    put_time(p->text, p->bill->period.end_unix_ns);
    comma(p);
    ray_text_put(p->text, line->key == 0 ? "total" : kind_word(line));
    comma(p);
    put_service(p, line);
    comma(p);
    ray_text_put(p->text, metric_word(line->metric));
    comma(p);
    ray_text_u64(p->text, line->units);
    comma(p);
    ray_text_put(p->text, unit_word(line->metric));
    comma(p);
    put_nano(p->text, line->billed_nano, p->bill->period.digits);
    comma(p);
    put_money(p->text, &line->amount, EXACT_DIGITS);
    comma(p);
    ray_text_csv(p->text, p->billing.currency.at, ray_name_length(&p->billing.currency));
    ray_text_char(p->text, '\n');
}

static void write_csv(const page *p)
{
    ray_cost_line line = {.key = 0};
    ray_text_put(p->text, "invoice,tenant,period_start,period_end,kind,service,metric,units,unit,"
                          "billed,exact,currency\n");
    while (ray_cost_line_next(p->cost, p->bill, &line) != 0)
        csv_line(p, &line);
    ray_cost_line total = {.amount = p->bill->total,
                           .billed_nano = p->bill->billed_nano,
                           .service = RAY_NONE,
                           .metric = RAY_COST_ALL};
    csv_line(p, &total);
}

/* -- JSON: decimals are strings, because a number of JSON is a float to most readers -- */
static void json_money(const page *p, const char *key, const ray_money *money, uint32_t digits)
{
    char at[40];
    ray_text text;
    ray_text_init(&text, at, sizeof at);
    ray_money_put(&text, money, digits);
    ray_text_json_string(p->text, key, at, text.length);
}

static void json_time(const page *p, const char *key, int64_t unix_ns)
{
    char at[40];
    ray_text text;
    ray_text_init(&text, at, sizeof at);
    put_time(&text, unix_ns);
    if (text.length == 0)
        ray_text_json_null(p->text, key);
    else
        ray_text_json_string(p->text, key, at, text.length);
}

static void json_line(const page *p, const ray_cost_line *line)
{
    ray_money billed = ray_money_of(line->billed_nano);
    ray_name name;
    name_of_service(p, line, &name);
    ray_text_json_open(p->text, 0, '{');
    ray_text_json_literal(p->text, "kind", kind_word(line));
    if (line->service == RAY_NONE)
        ray_text_json_null(p->text, "service_id");
    else
        ray_text_json_u64(p->text, "service_id", line->service);
    if (line->folded != 0)
        ray_text_json_literal(p->text, "service", "other");
    else
        ray_text_json_name(p->text, "service", &name);
    ray_text_json_literal(p->text, "metric", metric_word(line->metric));
    ray_text_json_u64(p->text, "units", line->units);
    json_money(p, "billed", &billed, p->bill->period.digits);
    json_money(p, "exact", &line->amount, EXACT_DIGITS);
    ray_text_json_close(p->text, '}');
}

static void write_json(const page *p)
{
    const ray_cost_period *period = &p->bill->period;
    ray_money billed = ray_money_of(p->bill->billed_nano);
    ray_cost_line line = {.key = 0};
    ray_name none;
    char at[48];
    ray_text number;
    ray_text_init(&number, at, sizeof at);
    page head = *p;
    head.text = &number;
    put_number(&head);
    memset(&none, 0, sizeof none);
    ray_text_json_open(p->text, 0, '{');
    ray_text_json_string(p->text, "invoice", at, number.length);
    if (p->bill->tenant == RAY_NONE)
        ray_text_json_null(p->text, "tenant_id");
    else
        ray_text_json_u64(p->text, "tenant_id", p->bill->tenant);
    ray_text_json_name(p->text, "tenant", p->words != 0 ? &p->words->tenant : &none);
    ray_text_json_name(p->text, "currency", &p->billing.currency);
    json_time(p, "period_start", period->start_unix_ns);
    json_time(p, "period_end", period->end_unix_ns);
    ray_text_json_bool(p->text, "open", period->open);
    ray_text_json_bool(p->text, "invoice_ready", period->ready);
    json_money(p, "billed", &billed, period->digits);
    json_money(p, "exact", &p->bill->total, EXACT_DIGITS);
    json_money(p, "carried", &p->bill->carried, EXACT_DIGITS);
    ray_text_json_open(p->text, "lines", '[');
    while (ray_cost_line_next(p->cost, p->bill, &line) != 0)
        json_line(p, &line);
    ray_text_json_close(p->text, ']');
    ray_text_json_close(p->text, '}');
    ray_text_char(p->text, '\n');
}

/* -- FOCUS 1.0 -- */
/* What `units` cost by the book, without tiers and multipliers; 0 where there is no list price:
 * adjustments, several services together, a service whose prices are gone. */
static uint32_t list_of(const page *p, const ray_cost_line *line, uint64_t units, ray_money *out)
{
    static const uint64_t divided[RAY_COST_METRIC_MAX] = {
        RAY_COST_GRAINS / 1000, RAY_COST_GRAINS / 1024000, RAY_COST_GRAINS / 1000000000000,
        RAY_COST_GRAINS / 1000, RAY_COST_GRAINS / 1000};
    static const uint64_t priced[RAY_COST_METRIC_MAX] = {1, 1024, 1000000000, 1, 1};
    ray_cost_spec spec;
    uint64_t low, high;
    if (line->kind != RAY_COST_LINE_USAGE || line->folded != 0 ||
        ray_cost_book_read(p->cost, line->service, &spec) != RAY_OK)
        return 0;
    int64_t pico = spec.price_pico[line->metric];
    if (ray_grains_of(units != 0 ? units : priced[line->metric],
                      (uint64_t)(pico < 0 ? -pico : pico), divided[line->metric], &low, &high) == 0)
        return 0;
    *out = (ray_money){low, (int64_t)high};
    if (pico < 0)
        *out = ray_money_less(ray_money_none(), *out);
    return 1;
}

static void put_list(const page *p, const ray_cost_line *line)
{
    ray_money list = line->amount;
    if (line->units != 0)
        list_of(p, line, line->units, &list);
    ray_money_put(p->text, &list, EXACT_DIGITS);
    comma(p);
    if (list_of(p, line, 0, &list) != 0)
        ray_money_put(p->text, &list, EXACT_DIGITS);
}

static void focus_line(const page *p, const ray_cost_line *line)
{
    static const char *const category[] = {"Usage", "Adjustment", "Adjustment"};
    static const char *const priced[RAY_COST_METRIC_MAX] = {"request", "KiB", "second", "access",
                                                            "hit"};
    const ray_cost_period *period = &p->bill->period;
    put_nano(p->text, line->billed_nano, period->digits);
    comma(p);
    put_tenant(p);
    comma(p);
    ray_text_csv(p->text, p->billing.currency.at, ray_name_length(&p->billing.currency));
    comma(p);
    put_time(p->text, period->end_unix_ns);
    comma(p);
    put_time(p->text, period->start_unix_ns);
    comma(p);
    ray_text_put(p->text, category[line->kind]);
    comma(p);
    ray_text_put(p->text, kind_word(line));
    ray_text_put(p->text, line->kind == RAY_COST_LINE_CARRY ? "" : " of ");
    ray_text_put(p->text, metric_word(line->metric));
    ray_text_put(p->text, ",Usage-Based,");
    put_time(p->text, period->end_unix_ns);
    comma(p);
    put_time(p->text, period->start_unix_ns);
    comma(p);
    ray_text_u64(p->text, line->units);
    comma(p);
    ray_text_put(p->text, unit_word(line->metric));
    comma(p);
    put_money(p->text, &line->amount, EXACT_DIGITS);
    comma(p);
    put_number(p);
    comma(p);
    put_list(p, line);
    comma(p);
    ray_text_put(p->text, line->metric < RAY_COST_METRIC_MAX ? priced[line->metric] : "");
    comma(p);
    put_service(p, line);
    comma(p);
    put_tenant(p);
    ray_text_char(p->text, '\n');
}

static void write_focus(const page *p)
{
    ray_cost_line line = {.key = 0};
    ray_text_put(p->text,
                 "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,"
                 "ChargeCategory,ChargeDescription,ChargeFrequency,ChargePeriodEnd,"
                 "ChargePeriodStart,ConsumedQuantity,ConsumedUnit,EffectiveCost,InvoiceId,"
                 "ListCost,ListUnitPrice,PricingUnit,ServiceName,SubAccountName\n");
    while (ray_cost_line_next(p->cost, p->bill, &line) != 0)
        focus_line(p, &line);
}

ray_status ray_cost_export(const ray_cost *cost, const ray_cost_bill *bill, uint32_t format,
                           const ray_cost_words *words, ray_text *text)
{
    page p = {.cost = cost, .bill = bill, .words = words, .text = text};
    ray_cost_billing_read(cost, &p.billing);
    switch ((enum ray_cost_format)format) {
    case RAY_BILL_CSV: write_csv(&p); break;
    case RAY_BILL_JSON: write_json(&p); break;
    case RAY_BILL_FOCUS: write_focus(&p); break;
    default: return RAY_E_ARGUMENT;
    }
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
