/* SPDX-License-Identifier: MIT */
/* cmd_policy.c - rules at the console: what there is, what it asks, what it has decided. */
#include "cmd_policy.h"
#include "parts.h"

enum policy_lines { COLUMN = 24, AUDIT_SHOWN = 20 };

/* -- words (private) -- */
static ray_policy *policies_of(const ray_call *call)
{
    return ray_policy_of(call->ray);
}

ray_status ray_policy_named(ray_call *call, uint32_t *rule)
{
    if (call->plain_count > 2 &&
        ray_policy_find(policies_of(call), call->word[2], call->length[2], rule) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no policy of that name", 2, RAY_COMPLETE_POLICY);
}

static const char *state_word(const ray_policy_spec *spec)
{
    return spec->enabled == 0 ? "disabled" : ray_mode_word(spec->mode);
}

/* The next rule by place; 0 at the end. */
static uint32_t next_rule(const ray_call *call, uint32_t *place, ray_policy_row *row)
{
    uint32_t rule;
    ray_status status;
    while ((status = ray_policy_at(policies_of(call), (*place)++, &rule)) != RAY_E_RANGE)
        if (status == RAY_OK && ray_policy_row_read(policies_of(call), rule, row) == RAY_OK)
            return 1;
    return 0;
}

/* -- conditions (private) -- */
static void put_minute(ray_text *out, uint32_t minute)
{
    static const char days[7][4] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    ray_text_put(out, days[minute / 1440 % 7]);
    ray_text_char(out, ' ');
    ray_text_u64(out, minute % 1440 / 600);
    ray_text_u64(out, minute % 1440 / 60 % 10);
    ray_text_char(out, ':');
    ray_text_u64(out, minute % 60 / 10);
    ray_text_u64(out, minute % 10);
}

static void put_offset(ray_text *out, int32_t minutes)
{
    uint32_t far = (uint32_t)(minutes < 0 ? -minutes : minutes);
    ray_text_put(out, minutes < 0 ? " -" : " +");
    ray_text_u64(out, far / 600);
    ray_text_u64(out, far / 60 % 10);
    ray_text_char(out, ':');
    ray_text_u64(out, far % 60 / 10);
    ray_text_u64(out, far % 10);
}

static void put_network(ray_text *out, const ray_policy_term *term)
{
    uint32_t v4 = term->until >= 96 && term->address.at[10] == 0xff && term->address.at[11] == 0xff;
    for (uint32_t i = 0; i < 10; i++)
        v4 = v4 != 0 && term->address.at[i] == 0;
    ray_text_address(out, &term->address);
    ray_text_char(out, '/');
    ray_text_u64(out, v4 != 0 ? term->until - 96 : term->until);
}

static void put_value(const ray_call *call, const ray_policy_term *term)
{
    ray_name name = {{0}};
    ray_tenant_spec tenant;
    switch (term->field) {
    case RAY_FIELD_SERVICE: ray_by_name(call->ray, RAY_BY_SERVICE, term->value, &name); break;
    case RAY_FIELD_ROUTE: ray_by_name(call->ray, RAY_BY_ROUTE, term->value, &name); break;
    case RAY_FIELD_METHOD: ray_text_put(call->out, ray_method_word(term->value)); return;
    case RAY_FIELD_ROLE: ray_text_put(call->out, ray_role_word(term->value)); return;
    case RAY_FIELD_TENANT:
        if (ray_tenant_read(call->ray, term->value, &tenant) == RAY_OK)
            name = tenant.name;
        break;
    case RAY_FIELD_PLAN: (void)ray_plan_read(call->ray, term->value, &name); break;
    case RAY_FIELD_TIME:
        put_minute(call->out, term->value);
        ray_text_char(call->out, '-');
        put_minute(call->out, term->until);
        put_offset(call->out, term->utc_offset_minutes);
        return;
    default: put_network(call->out, term); return;
    }
    if (name.at[0] != '\0')
        ray_text_name(call->out, &name, 0);
    else
        ray_text_u64(call->out, term->value);
}

/* "X-Role=admin", "User-Agent contains bot", "X-Key absent"; what is set and where to as well. */
static void put_header(ray_text *out, const ray_policy_header_spec *header)
{
    ray_text_put(out, header->how < RAY_HEADER_SET ? "header " : "");
    ray_text_escaped(out, header->name, header->name_length);
    ray_text_put(out, header->name_length != 0 ? " " : "");
    ray_text_put(out, ray_policy_how_word(header->how));
    ray_text_put(out, header->value_length != 0 ? " \"" : "");
    ray_text_escaped(out, header->value, header->value_length);
    ray_text_put(out, header->value_length != 0 ? "\"" : "");
}

void ray_policy_put_when(const ray_call *call, const ray_policy_row *row)
{
    const char *between = "";
    for (uint32_t i = 0; i < row->spec->term_count; i++) {
        const ray_policy_term *term = &row->term[i], *before = i > 0 ? &row->term[i - 1] : 0;
        if (before != 0 && before->field == term->field && before->negated == term->negated) {
            ray_text_char(call->out, '|');
        } else {
            ray_text_put(call->out, between);
            ray_text_put(call->out, ray_policy_field_word(term->field));
            ray_text_put(call->out, term->negated != 0 ? "!=" : "=");
        }
        put_value(call, term);
        between = ", ";
    }
    for (uint32_t i = 0; i < row->spec->header_count; i++) {
        ray_text_put(call->out, between);
        put_header(call->out, &row->header[i]);
        between = ", ";
    }
    if (row->spec->term_count == 0 && row->spec->header_count == 0)
        ray_text_put(call->out, "always");
}

/* -- rows -- */
static void put_rule(ray_text *out, const ray_policy_row *row)
{
    ray_text_name(out, &row->spec->name, 24);
    ray_text_char(out, ' ');
    ray_text_put(out, ray_policy_type_word(row->spec->type));
    ray_text_column(out, 40);
    ray_text_u64(out, row->spec->priority);
    ray_text_column(out, 49);
    ray_text_put(out, ray_policy_action_word(row->spec->action));
    ray_text_column(out, 58);
    ray_text_put(out, state_word(row->spec));
    ray_text_column(out, 67);
    ray_text_u64(out, row->hits.matched_count);
    ray_text_column(out, 77);
    ray_text_u64(out, row->hits.decided_count);
    ray_text_column(out, 87);
    ray_text_u64(out, row->hits.denied_count);
    ray_text_char(out, '\n');
}

static ray_status rows_json(ray_call *call, uint32_t all)
{
    ray_policy_row row;
    uint32_t place = 0;
    ray_json_list_open(call->out, "policies");
    while (next_rule(call, &place, &row))
        if (all != 0 || (row.spec->enabled != 0 && row.spec->mode != RAY_MODE_OFF))
            ray_policy_export_row(&row, call->out);
    ray_json_list_end(call->out);
    return RAY_OK;
}

static ray_status run_list(ray_call *call)
{
    ray_policy_row row;
    uint32_t place = 0, all = ray_call_flag(call, "--all");
    if (call->json)
        return rows_json(call, all);
    ray_text_put(call->out,
                 "policy                   type           priority action   state    matched   "
                 "decided   denied\n");
    while (next_rule(call, &place, &row))
        if (all != 0 || (row.spec->enabled != 0 && row.spec->mode != RAY_MODE_OFF))
            put_rule(call->out, &row);
    return RAY_OK;
}

static void put_names(const ray_call *call, const ray_policy_spec *spec)
{
    ray_name name;
    if (spec->limit != RAY_NONE) {
        ray_by_name(call->ray, RAY_BY_LIMIT, spec->limit, &name);
        ray_line_name(call->out, COLUMN, "  limit", &name);
    }
    if (spec->quota != RAY_NONE) {
        ray_by_name(call->ray, RAY_BY_QUOTA, spec->quota, &name);
        ray_line_name(call->out, COLUMN, "  quota", &name);
        ray_line_u64(call->out, COLUMN, "  weight", spec->quota_weight);
    }
    if (spec->set_class != RAY_CLASS_DEFAULT)
        ray_line_word(call->out, COLUMN, "  set priority", ray_class_word(spec->set_class));
    if (spec->http_status != 0)
        ray_line_u64(call->out, COLUMN, "  status", spec->http_status);
    if (spec->alert != 0)
        ray_line_word(call->out, COLUMN, "  alert", "yes");
    if (spec->audit != 0)
        ray_line_word(call->out, COLUMN, "  audit", "yes");
}

static void put_details(const ray_call *call, const ray_policy_row *row)
{
    ray_text *out = call->out;
    ray_text_name(out, &row->spec->name, 0);
    ray_text_put(out, ": ");
    ray_text_put(out, ray_policy_action_word(row->spec->action));
    ray_text_put(out, ", ");
    ray_text_put(out, ray_policy_type_word(row->spec->type));
    ray_text_put(out, ", priority ");
    ray_text_u64(out, row->spec->priority);
    ray_text_put(out, ", ");
    ray_text_put(out, state_word(row->spec));
    ray_text_char(out, '\n');
    ray_line_begin(out, COLUMN, "  when");
    ray_policy_put_when(call, row);
    ray_text_char(out, '\n');
    put_names(call, row->spec);
}

static ray_status run_rules(ray_call *call)
{
    ray_policy_row row;
    uint32_t place = 0;
    if (call->json)
        return rows_json(call, 1);
    while (next_rule(call, &place, &row))
        put_details(call, &row);
    if (place > 0 && call->out->length == 0)
        ray_text_put(call->out, "no policy\n");
    return RAY_OK;
}

static ray_status run_show(ray_call *call)
{
    ray_policy_row row;
    uint32_t rule;
    if (ray_policy_named(call, &rule) != RAY_OK)
        return RAY_E_UNKNOWN;
    (void)ray_policy_row_read(policies_of(call), rule, &row);
    if (call->json) {
        ray_policy_export_row(&row, call->out);
        ray_text_char(call->out, '\n');
        return RAY_OK;
    }
    put_details(call, &row);
    ray_line_u64(call->out, COLUMN, "  matched", row.hits.matched_count);
    ray_line_u64(call->out, COLUMN, "  decided", row.hits.decided_count);
    ray_line_u64(call->out, COLUMN, "  denied", row.hits.denied_count);
    ray_line_u64(call->out, COLUMN, "  matched as a shadow", row.hits.shadow_count);
    ray_line_u64(call->out, COLUMN, "  would have decided", row.hits.would_count);
    return RAY_OK;
}

static ray_status run_status(ray_call *call)
{
    ray_policy_stats s;
    ray_policy_set_spec set;
    ray_text *out = call->out;
    ray_policy_read(policies_of(call), &s);
    ray_policy_set_read(policies_of(call), &set);
    const ray_counter rows[] = {{"policies", 0, s.rule_count, RAY_POLICY_MAX},
                                {"enabled", 0, s.enabled_count, 0},
                                {"shadow", 0, s.shadow_count, 0},
                                {"conditions", 0, s.term_count, RAY_POLICY_TERM_MAX},
                                {"headers", 0, s.header_count, RAY_POLICY_HEADER_MAX},
                                {"asked", 0, s.asked_count, 0},
                                {"granted", 0, s.granted_count, 0},
                                {"denied", 0, s.denied_count, 0},
                                {"errors", 0, s.error_count, 0},
                                {"unspent", 0, s.unspent_count, 0},
                                {"redirected", 0, s.redirected_count, 0},
                                {"denied by default", "default_denied", s.default_count, 0},
                                {"indeterminate", 0, s.indeterminate_count, 0},
                                {"alerts", 0, s.alert_count, 0},
                                {"shadow differs", "would", s.would_count, 0},
                                {"audit records", "audited", s.audit_count, 0},
                                {"audit overwritten", "audit_overwritten",
                                 s.audit_overwritten_count, 0},
                                {"generation", 0, s.generation, 0}};
    const ray_counters counters = {rows, sizeof rows / sizeof rows[0], COLUMN, 0, 0};
    if (call->json)
        ray_text_json_open(out, 0, '{');
    ray_counters_put(call, &counters);
    if (call->json)
        ray_text_json_literal(out, "combine", ray_policy_combine_word(set.combine));
    else
        ray_line_word(out, COLUMN, "combine", ray_policy_combine_word(set.combine));
    for (uint32_t type = 0; type < RAY_POLICY_TYPE_MAX; type++) {
        const char *word = ray_policy_default_word(set.default_of[type]);
        if (call->json) {
            ray_text_json_literal(out, ray_policy_type_word(type), word);
        } else {
            ray_text_put(out, "default ");
            ray_line_word(out, COLUMN, ray_policy_type_word(type), word);
        }
    }
    if (call->json)
        ray_json_end(out);
    return RAY_OK;
}

/* -- audit and exports -- */
static void put_record(ray_text *out, const ray_policy_record *record)
{
    ray_text_u64(out, record->id);
    ray_text_column(out, 9);
    ray_text_time(out, record->unix_ns > 0 ? (uint64_t)record->unix_ns : 0);
    ray_text_column(out, 41);
    ray_text_name(out, &record->name, 24);
    ray_text_char(out, ' ');
    ray_text_put(out, record->granted != 0 ? "granted " : "denied  ");
    ray_text_put(out, ray_reason_word(record->reason));
    ray_text_column(out, 97);
    ray_text_hex_bytes(out, record->hash, 8);
    ray_text_char(out, '\n');
}

static ray_status run_audit(ray_call *call)
{
    ray_policy_stats s;
    ray_policy_record record;
    uint64_t shown = AUDIT_SHOWN;
    if (call->plain_count > 2 && ray_parse_u64(call->word[2], call->length[2], &shown) != RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "COUNT is a number of records, not", 2, 0);
    if (call->json) {
        ray_status status = ray_policy_export_audit(policies_of(call), 1, call->out);
        ray_text_char(call->out, '\n');
        return status;
    }
    ray_policy_read(policies_of(call), &s);
    uint64_t kept = s.audit_count - s.audit_overwritten_count;
    ray_text_put(call->out, "id       time                            policy                   "
                            "verdict, reason                 hash\n");
    for (uint64_t id = s.audit_count - (shown < kept ? shown : kept) + 1; id <= s.audit_count; id++)
        if (ray_policy_audit_read(policies_of(call), id, &record) == RAY_OK)
            put_record(call->out, &record);
    uint64_t broken = ray_policy_audit_broken(policies_of(call));
    ray_line_u64(call->out, COLUMN, "overwritten", s.audit_overwritten_count);
    if (broken == 0)
        ray_line_word(call->out, COLUMN, "hash chain", "whole");
    else
        ray_line_u64(call->out, COLUMN, "hash chain broken at", broken);
    return RAY_OK;
}

static ray_status run_export(ray_call *call)
{
    uint32_t form = RAY_EXPORT_CSV;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS, &form);
    if (status != RAY_OK)
        return status;
    status = form == RAY_EXPORT_JSON ? ray_policy_export_json(policies_of(call), call->out)
                                     : ray_policy_export_csv(policies_of(call), call->out);
    if (form == RAY_EXPORT_JSON)
        ray_text_char(call->out, '\n');
    return status;
}

#define WHO \
    "[--service SERVICE] [--route ROUTE] [--method METHOD] [--role ROLE] [--tenant TENANT] " \
    "[--ip ADDRESS] [--header HEADER]"
static const ray_subcommand subs[] = {
    {"list", "[--all]", "active policies; --all the others too", run_list, 1, 0},
    {"status", "", "counters, how rules combine, defaults", run_status, 1, 0},
    {"rules", "", "every policy with what it asks and what it does", run_rules, 1, 0},
    {"show", "NAME", "one policy with its counters", run_show, 1, RAY_COMPLETE_POLICY},
    {"test", WHO " [--at TIME]", "what the policies would say; asks, never counts",
     ray_policy_run_test, 1, 0},
    {"audit", "[COUNT]", "the last audited decisions; checks the hash chain", run_audit, 1, 0},
    {"export", "[csv|json]", "every policy in fixed columns", run_export, 1, 0},
    {"add",
     "NAME ACTION [--type TYPE] [--priority N] [--status STATUS] [--limit LIMIT] [--location URL] "
     "[--service SERVICE] [--route ROUTE] [--method METHOD] [--role ROLE] [--tenant TENANT] "
     "[--ip NETWORK] [--not-ip NETWORK] [--header HEADER] [--mode MODE] [--alert] [--audit]",
     "a simple rule: add no-deletes deny --method DELETE", ray_policy_run_add, 0, 0},
    {"enable", "NAME", "activates a policy", ray_policy_run_switch, 0, RAY_COMPLETE_POLICY},
    {"disable", "NAME", "as if it were not there; its counters stay", ray_policy_run_switch, 0,
     RAY_COMPLETE_POLICY},
    {"mode", "NAME MODE", "enforce, shadow or off", ray_policy_run_mode, 0, RAY_COMPLETE_POLICY},
    {"remove", "NAME", "forgets a policy and its counters", ray_policy_run_remove, 0,
     RAY_COMPLETE_POLICY},
    {"reset", "", "counters of all policies to 0", ray_policy_run_reset, 0, 0}};
const ray_command ray_command_policy = {"policy",
                                        "rules that allow, deny or change",
                                        subs,
                                        sizeof subs / sizeof subs[0],
                                        20,
                                        1,
                                        0};
