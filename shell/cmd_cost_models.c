/* SPDX-License-Identifier: MIT */
/* cmd_cost_models.c - price books: shown, and a price changed. */
#include "cmd_cost.h"
#include "parts.h"

static const char *price_word(uint32_t metric)
{
    static const char *const words[] = {"base", "per_kilobyte", "per_second", "per_access",
                                        "per_hit"};
    return words[metric];
}

/* -- price books -- */
static void put_price(ray_text *out, int64_t pico)
{
    ray_text_fixed(out, pico, RAY_COST_DIGITS);
}

static void put_conditions(ray_call *call, const ray_cost_multiplier_spec *spec)
{
    ray_text *out = call->out;
    ray_name plan;
    if (spec->plan != RAY_NONE && ray_plan_read(call->ray, spec->plan, &plan) == RAY_OK) {
        ray_text_put(out, " plan ");
        ray_text_name(out, &plan, 0);
    }
    if (spec->priority != RAY_CLASS_DEFAULT) {
        ray_text_put(out, " class ");
        ray_text_put(out, ray_class_word(spec->priority));
    }
    for (uint32_t i = 0; i < spec->range_count; i++) {
        ray_text_put(out, i == 0 ? " minutes " : ",");
        ray_text_u64(out, spec->from[i]);
        ray_text_char(out, '-');
        ray_text_u64(out, spec->to[i]);
    }
}

static void put_book(ray_call *call, uint32_t service, const ray_cost_spec *spec)
{
    ray_text *out = call->out;
    const ray_cost *cost = ray_cost_of(call->ray);
    ray_cost_multiplier_spec multiplier;
    ray_cost_tier_spec tier;
    ray_cost_put_service(call, service);
    ray_text_char(out, '\n');
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++) {
        if (spec->price_pico[metric] == 0 && (spec->measured >> metric & 1) == 0)
            continue;
        ray_text_put(out, "  ");
        ray_line_begin(out, RAY_COST_COLUMN, price_word(metric));
        put_price(out, spec->price_pico[metric]);
        ray_text_char(out, '\n');
    }
    for (uint32_t i = 0; ray_cost_multiplier_read(cost, service, i, &multiplier) == RAY_OK; i++) {
        ray_line_begin(out, RAY_COST_COLUMN, "  times");
        ray_text_fixed(out, multiplier.by_bp, 4);
        put_conditions(call, &multiplier);
        ray_text_char(out, '\n');
    }
    for (uint32_t i = 0; ray_cost_tier_read(cost, service, i, &tier) == RAY_OK; i++) {
        ray_line_begin(out, RAY_COST_COLUMN, "  beyond");
        ray_text_u64(out, tier.above_units);
        ray_text_char(out, ' ');
        ray_text_put(out, ray_cost_metric_word(tier.metric));
        ray_text_put(out, ": ");
        put_price(out, tier.price_pico);
        ray_text_char(out, '\n');
    }
}

static void json_price(ray_text *out, const char *key, int64_t pico)
{
    char at[40];
    ray_text text;
    ray_text_init(&text, at, sizeof at);
    put_price(&text, pico);
    ray_text_json_string(out, key, at, text.length);
}

static void json_book(ray_call *call, uint32_t service, const ray_cost_spec *spec)
{
    ray_text *out = call->out;
    const ray_cost *cost = ray_cost_of(call->ray);
    ray_cost_multiplier_spec multiplier;
    ray_cost_tier_spec tier;
    ray_name name;
    ray_by_name(call->ray, RAY_BY_SERVICE, service, &name);
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "service", &name);
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        json_price(out, price_word(metric), spec->price_pico[metric]);
    ray_text_json_open(out, "multipliers_bp", '[');
    for (uint32_t i = 0; ray_cost_multiplier_read(cost, service, i, &multiplier) == RAY_OK; i++)
        ray_text_json_u64(out, 0, multiplier.by_bp);
    ray_text_json_close(out, ']');
    ray_text_json_open(out, "tiers", '[');
    for (uint32_t i = 0; ray_cost_tier_read(cost, service, i, &tier) == RAY_OK; i++) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_literal(out, "metric", ray_cost_metric_word(tier.metric));
        ray_text_json_u64(out, "above_units", tier.above_units);
        json_price(out, "price", tier.price_pico);
        ray_text_json_close(out, '}');
    }
    ray_text_json_close(out, ']');
    ray_text_json_close(out, '}');
}

ray_status ray_cost_run_models(ray_call *call)
{
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_cost_spec spec;
    uint32_t only = RAY_NONE;
    if (call->plain_count > 2) {
        ray_status status = ray_cost_service_at(call, call->word[2], call->length[2], &only);
        if (status != RAY_OK)
            return status;
    }
    if (call->json != 0)
        ray_json_list_open(call->out, "models");
    for (uint32_t id = ray_gateway_next_service(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_service(gateway, id)) {
        if ((only != RAY_NONE && id != only) ||
            ray_cost_book_read(ray_cost_of(call->ray), id, &spec) != RAY_OK)
            continue;
        if (call->json != 0)
            json_book(call, id, &spec);
        else
            put_book(call, id, &spec);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* The book as it is, with one price changed: its multipliers and tiers are read and written
 * back. */
static ray_status redefine(ray_call *call, const ray_cost_spec *spec)
{
    ray_cost *cost = ray_cost_of(call->ray);
    ray_cost_terms terms = {.multiplier_count = 0};
    ray_cost_multiplier_spec *multiplier =
        ray_call_memory(call, RAY_COST_MULTIPLIER_MAX * sizeof *multiplier);
    ray_cost_tier_spec *tier = ray_call_memory(call, RAY_COST_TIER_MAX * sizeof *tier);
    if (multiplier == 0 || tier == 0)
        return RAY_E_TRUNCATED;
    while (ray_cost_multiplier_read(cost, spec->service, terms.multiplier_count,
                                    &multiplier[terms.multiplier_count]) == RAY_OK)
        terms.multiplier_count++;
    while (ray_cost_tier_read(cost, spec->service, terms.tier_count, &tier[terms.tier_count]) ==
           RAY_OK)
        terms.tier_count++;
    terms.multiplier = multiplier;
    terms.tier = tier;
    return ray_cost_define(cost, spec, &terms);
}

ray_status ray_cost_run_set(ray_call *call)
{
    ray_cost_spec spec = {.measured = 0};
    ray_near near;
    uint32_t service, metric = 0;
    int64_t pico = 0;
    ray_status status = ray_cost_service_at(call, call->word[2], call->length[2], &service);
    if (status != RAY_OK)
        return status;
    ray_near_begin(&near, call->word[3], call->length[3]);
    while (metric < RAY_COST_METRIC_MAX && !ray_call_is(call, 3, price_word(metric))) {
        ray_near_offer(&near, price_word(metric), ray_word_length(price_word(metric)));
        metric++;
    }
    if (metric == RAY_COST_METRIC_MAX)
        return ray_call_error(call, RAY_E_UNKNOWN, "a price is base, per_kilobyte, per_second, "
                                                   "per_access or per_hit, not", 3,
                              ray_near_word(&near));
    status = ray_cost_amount_at(call, 4, RAY_COST_DIGITS, &pico);
    if (status != RAY_OK)
        return status;
    if (ray_cost_book_read(ray_cost_of(call->ray), service, &spec) != RAY_OK)
        spec.service = service;
    int64_t before = spec.price_pico[metric];
    spec.price_pico[metric] = pico;
    spec.measured |= 1U << metric;
    status = redefine(call, &spec);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "a price is 0 to 1000000, and only per_hit may be negative, not", 4,
                              0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_SERVICE, service, (uint64_t)before,
                    (uint64_t)pico);
    ray_text_put(call->out, "set\n");
    return RAY_OK;
}
