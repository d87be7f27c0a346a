/* SPDX-License-Identifier: MIT */
/* export.c - every counter as CSV or JSON: total, services, tenants, each with its `other`, by id;
 * equal states, equal bytes. */
#include "parts.h"
#include "base/names.h"

/* -- columns -- */
void ray_gov_columns_of(const ray_governance_counts *counts, ray_gov_columns *out)
{
    uint32_t count = 0;
#define COLUMN(word, field)       \
    out->name[count] = word;      \
    out->value[count++] = (uint64_t)counts->field
    COLUMN("offered", offered_count);
    COLUMN("denied", denied_count);
    COLUMN("dropped", dropped_count);
    COLUMN("preempted", preempted_count);
    COLUMN("dispatched", dispatched_count);
    COLUMN("queued", queued_count);
    COLUMN("violations", violation_count);
    COLUMN("done", done_count);
    COLUMN("failed", failed_count);
    COLUMN("tokens", tokens);
    COLUMN("bytes", bytes);
    COLUMN("wait_ns", wait_ns);
    COLUMN("cost_nano", cost_nano);
#undef COLUMN
}

/* The last column may be below 0. */
enum { COST_COLUMN = RAY_GOV_COLUMN_MAX - 1 };

/* A table's rows by id, then what has no row. */
typedef struct walk {
    uint32_t dimension;
    uint32_t id;
    uint32_t begun;
    uint32_t other; /* 1: this is it */
} walk;

static uint32_t walk_next(const ray_governance *governance, walk *at, ray_governance_counts *counts)
{
    if (at->other != 0)
        return 0;
    if (ray_governance_next(governance, at->dimension, &at->id, &at->begun) != 0) {
        (void)ray_governance_counts_read(governance, at->dimension, at->id, counts);
        return 1;
    }
    at->other = 1;
    ray_governance_other(governance, at->dimension, counts);
    return 1;
}

static const char *scope_word(uint32_t dimension, uint32_t other)
{
    static const char *const words[RAY_DIMENSION_MAX][2] = {{"service", "service_other"},
                                                            {"tenant", "tenant_other"}};
    return words[dimension][other];
}

/* -- CSV -- */
static void csv_row(const char *scope, uint32_t id, const ray_name *name,
                    const ray_governance_counts *counts, ray_text *text)
{
    ray_gov_columns columns;
    ray_gov_columns_of(counts, &columns);
    ray_text_put(text, scope);
    ray_text_char(text, ',');
    if (id != RAY_NONE)
        ray_text_u64(text, id);
    ray_text_char(text, ',');
    ray_text_csv(text, name->at, ray_name_length(name));
    for (uint32_t i = 0; i < RAY_GOV_COLUMN_MAX; i++) {
        ray_text_char(text, ',');
        if (i == COST_COLUMN)
            ray_text_i64(text, (int64_t)columns.value[i]);
        else
            ray_text_u64(text, columns.value[i]);
    }
    ray_text_char(text, '\n');
}

ray_status ray_governance_export_csv(const ray_governance *governance,
                                     const ray_governance_labels *labels, ray_text *text)
{
    static const ray_name nameless;
    ray_gov_columns columns;
    ray_governance_counts counts;
    ray_name name;
    ray_gov_columns_of(&governance->tally.total, &columns);
    ray_text_put(text, "scope,id,name");
    for (uint32_t i = 0; i < RAY_GOV_COLUMN_MAX; i++) {
        ray_text_char(text, ',');
        ray_text_put(text, columns.name[i]);
    }
    ray_text_char(text, '\n');
    csv_row("total", RAY_NONE, &nameless, &governance->tally.total, text);
    for (uint32_t dimension = 0; dimension < RAY_DIMENSION_MAX; dimension++) {
        walk at = {.dimension = dimension};
        while (walk_next(governance, &at, &counts) != 0) {
            const ray_names *names =
                dimension == RAY_DIMENSION_SERVICE ? &labels->service : &labels->tenant;
            (void)ray_names_at(names, at.id, &name);
            csv_row(scope_word(dimension, at.other), at.id, at.other != 0 ? &nameless : &name,
                    &counts, text);
        }
    }
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

/* -- JSON -- */
static void json_counts(const ray_governance_counts *counts, ray_text *text)
{
    ray_gov_columns columns;
    ray_gov_columns_of(counts, &columns);
    for (uint32_t i = 0; i < COST_COLUMN; i++)
        ray_text_json_u64(text, columns.name[i], columns.value[i]);
    ray_text_json_i64(text, columns.name[COST_COLUMN], counts->cost_nano);
}

static void json_table(const ray_governance *governance, uint32_t dimension,
                       const ray_names *names, ray_text *text)
{
    walk at = {.dimension = dimension};
    ray_governance_counts counts;
    ray_name name;
    ray_text_json_open(text, dimension == RAY_DIMENSION_SERVICE ? "services" : "tenants", '[');
    while (walk_next(governance, &at, &counts) != 0) {
        ray_text_json_open(text, 0, '{');
        ray_text_json_literal(text, "scope", scope_word(dimension, at.other));
        if (at.id == RAY_NONE)
            ray_text_json_null(text, "id");
        else
            ray_text_json_u64(text, "id", at.id);
        (void)ray_names_at(names, at.other != 0 ? RAY_NONE : at.id, &name);
        ray_text_json_name(text, "name", &name);
        json_counts(&counts, text);
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
}

static void json_policies(const ray_governance *governance, const ray_governance_labels *labels,
                          ray_text *text)
{
    ray_name name;
    ray_text_json_open(text, "policies", '[');
    for (uint32_t place = 0; place < RAY_POLICY_MAX; place++) {
        const ray_gov_policy_row *row = &governance->tally.policy[place];
        if (row->used == 0)
            continue;
        (void)ray_names_at(&labels->policy, row->rule, &name);
        ray_text_json_open(text, 0, '{');
        ray_text_json_u64(text, "id", row->rule);
        ray_text_json_name(text, "name", &name);
        ray_text_json_u64(text, "matches", row->counts.match_count);
        ray_text_json_u64(text, "denials", row->counts.denial_count);
        ray_text_json_u64(text, "alerts", row->counts.alert_count);
        ray_text_json_u64(text, "enforcement_ns", row->counts.enforcement_ns);
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
}

static void json_alerts(const ray_governance *governance, ray_text *text)
{
    ray_text_json_open(text, "alerts", '[');
    for (uint32_t place = 0; place < RAY_ALERT_RULE_MAX; place++) {
        const ray_alert_slot *slot = &governance->tally.alert[place];
        if (ray_gov_alert_used(governance, place) == 0)
            continue;
        ray_text_json_open(text, 0, '{');
        ray_text_json_u64(text, "id", ray_gov_alert_handle(governance, place));
        ray_text_json_name(text, "name", &governance->config.alert[place].name);
        ray_text_json_literal(text, "state", ray_alert_state_word(slot->state));
        ray_text_json_u64(text, "value", slot->value);
        ray_text_json_u64(text, "fired", slot->fired_count);
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
}

ray_status ray_governance_export_json(const ray_governance *governance,
                                      const ray_governance_labels *labels, ray_text *text)
{
    uint32_t reason;
    uint64_t count;
    ray_text_json_open(text, 0, '{');
    ray_text_json_open(text, "total", '{');
    json_counts(&governance->tally.total, text);
    ray_text_json_close(text, '}');
    json_table(governance, RAY_DIMENSION_SERVICE, &labels->service, text);
    json_table(governance, RAY_DIMENSION_TENANT, &labels->tenant, text);
    ray_text_json_open(text, "reasons", '[');
    for (uint32_t place = 0;
         ray_governance_reason_read(governance, place, &reason, &count) == RAY_OK; place++) {
        ray_text_json_open(text, 0, '{');
        ray_text_json_u64(text, "reason", reason);
        ray_text_json_u64(text, "denied", count);
        ray_text_json_close(text, '}');
    }
    ray_text_json_close(text, ']');
    json_policies(governance, labels, text);
    json_alerts(governance, text);
    ray_text_json_close(text, '}');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
