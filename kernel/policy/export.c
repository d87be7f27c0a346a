/* SPDX-License-Identifier: MIT */
/* export.c - rules with their counters, and the audit ring: equal states, equal bytes. */
#include "parts.h"

/* -- rules -- */
static const char *mode_word(uint32_t mode)
{
    static const char *const words[] = {"enforce", "shadow", "off"};
    return words[mode];
}

static const char *class_word(uint32_t priority)
{
    static const char *const words[] = {"critical", "high", "normal", "low", "batch"};
    return priority < RAY_CLASS_MAX ? words[priority] : "";
}

static void csv_word(ray_text *text, const char *word)
{
    ray_text_csv(text, word, ray_length_of(word));
    ray_text_char(text, ',');
}

static void csv_number(ray_text *text, uint64_t value)
{
    ray_text_u64(text, value);
    ray_text_char(text, ',');
}

static void csv_row(const ray_policy_row *row, ray_text *text)
{
    const ray_policy_spec *spec = row->spec;
    csv_number(text, row->rule);
    ray_text_csv(text, spec->name.at, ray_name_length(&spec->name));
    ray_text_char(text, ',');
    csv_word(text, ray_policy_type_word(spec->type));
    csv_number(text, spec->priority);
    csv_word(text, ray_policy_action_word(spec->action));
    csv_word(text, mode_word(spec->mode));
    csv_number(text, spec->enabled);
    csv_number(text, spec->http_status);
    if (spec->limit != RAY_NONE)
        ray_text_u64(text, spec->limit);
    ray_text_char(text, ',');
    if (spec->quota != RAY_NONE)
        ray_text_u64(text, spec->quota);
    ray_text_char(text, ',');
    csv_number(text, spec->quota_weight);
    csv_word(text, class_word(spec->set_class));
    csv_number(text, spec->alert);
    csv_number(text, spec->audit);
    csv_number(text, spec->term_count);
    csv_number(text, spec->header_count);
    csv_number(text, row->hits.matched_count);
    csv_number(text, row->hits.decided_count);
    csv_number(text, row->hits.denied_count);
    csv_number(text, row->hits.shadow_count);
    ray_text_u64(text, row->hits.would_count);
    ray_text_char(text, '\n');
}

ray_status ray_policy_export_csv(const ray_policy *policy, ray_text *text)
{
    ray_policy_row row;
    ray_text_put(text, "id,name,type,priority,action,mode,enabled,http_status,limit,quota,"
                       "quota_weight,set_priority,alert,audit,terms,headers,matched_count,"
                       "decided_count,denied_count,shadow_count,would_count\n");
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++)
        if (ray_policy_used(&policy->config, slot) &&
            ray_policy_row_read(policy, ray_policy_handle(&policy->config, slot), &row) == RAY_OK)
            csv_row(&row, text);
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

static void json_term(const ray_policy_term *term, ray_text *text)
{
    ray_text_json_open(text, NULL, '{');
    ray_text_json_literal(text, "field", ray_policy_field_word(term->field));
    ray_text_json_bool(text, "negated", term->negated);
    if (term->field == RAY_FIELD_ADDRESS) {
        ray_text_json_hex(text, "address", term->address.at, sizeof term->address.at);
        ray_text_json_u64(text, "prefix", term->until);
    } else {
        ray_text_json_u64(text, "value", term->value);
    }
    if (term->field == RAY_FIELD_TIME) {
        ray_text_json_u64(text, "until", term->until);
        ray_text_json_i64(text, "utc_offset_minutes", term->utc_offset_minutes);
    }
    ray_text_json_close(text, '}');
}

static void json_header(const ray_policy_header_spec *header, ray_text *text)
{
    ray_text_json_open(text, NULL, '{');
    ray_text_json_string(text, "name", header->name, header->name_length);
    ray_text_json_literal(text, "how", ray_policy_how_word(header->how));
    ray_text_json_string(text, "value", header->value, header->value_length);
    ray_text_json_close(text, '}');
}

static void json_named(const char *key, uint32_t handle, ray_text *text)
{
    if (handle == RAY_NONE)
        ray_text_json_null(text, key);
    else
        ray_text_json_u64(text, key, handle);
}

static void json_hits(const ray_policy_hits *hits, ray_text *text)
{
    ray_text_json_u64(text, "matched_count", hits->matched_count);
    ray_text_json_u64(text, "decided_count", hits->decided_count);
    ray_text_json_u64(text, "denied_count", hits->denied_count);
    ray_text_json_u64(text, "shadow_count", hits->shadow_count);
    ray_text_json_u64(text, "would_count", hits->would_count);
}

void ray_policy_export_row(const ray_policy_row *row, ray_text *text)
{
    const ray_policy_spec *spec = row->spec;
    ray_text_json_open(text, NULL, '{');
    ray_text_json_u64(text, "id", row->rule);
    ray_text_json_name(text, "name", &spec->name);
    ray_text_json_literal(text, "type", ray_policy_type_word(spec->type));
    ray_text_json_u64(text, "priority", spec->priority);
    ray_text_json_literal(text, "action", ray_policy_action_word(spec->action));
    ray_text_json_literal(text, "mode", mode_word(spec->mode));
    ray_text_json_bool(text, "enabled", spec->enabled);
    ray_text_json_u64(text, "http_status", spec->http_status);
    json_named("limit", spec->limit, text);
    json_named("quota", spec->quota, text);
    ray_text_json_u64(text, "quota_weight", spec->quota_weight);
    ray_text_json_literal(text, "set_priority", class_word(spec->set_class));
    ray_text_json_bool(text, "alert", spec->alert);
    ray_text_json_bool(text, "audit", spec->audit);
    ray_text_json_open(text, "terms", '[');
    for (uint32_t i = 0; i < spec->term_count; i++)
        json_term(&row->term[i], text);
    ray_text_json_close(text, ']');
    ray_text_json_open(text, "headers", '[');
    for (uint32_t i = 0; i < spec->header_count; i++)
        json_header(&row->header[i], text);
    ray_text_json_close(text, ']');
    json_hits(&row->hits, text);
    ray_text_json_close(text, '}');
}

ray_status ray_policy_export_json(const ray_policy *policy, ray_text *text)
{
    ray_policy_row row;
    ray_text_json_open(text, NULL, '[');
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++)
        if (ray_policy_used(&policy->config, slot) &&
            ray_policy_row_read(policy, ray_policy_handle(&policy->config, slot), &row) == RAY_OK)
            ray_policy_export_row(&row, text);
    ray_text_json_close(text, ']');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

/* -- audit -- */
static void json_record(const ray_policy_record *record, ray_text *text)
{
    ray_text_json_open(text, NULL, '{');
    ray_text_json_u64(text, "id", record->id);
    ray_text_json_u64(text, "at_ns", record->at_ns);
    ray_text_json_i64(text, "unix_ns", record->unix_ns);
    ray_text_json_u64(text, "seq", record->seq);
    ray_text_json_name(text, "rule", &record->name);
    ray_text_json_u64(text, "reason", record->reason);
    ray_text_json_u64(text, "http_status", record->http_status);
    ray_text_json_bool(text, "granted", record->granted);
    ray_text_json_bool(text, "passed", record->passed);
    ray_text_json_u64(text, "alerts", record->alerts);
    ray_text_json_u64(text, "audits", record->audits);
    ray_text_json_hex(text, "hash", record->hash, sizeof record->hash);
    ray_text_json_close(text, '}');
}

static void csv_record(const ray_policy_record *record, ray_text *text)
{
    csv_number(text, record->id);
    csv_number(text, record->at_ns);
    ray_text_i64(text, record->unix_ns);
    ray_text_char(text, ',');
    csv_number(text, record->seq);
    ray_text_csv(text, record->name.at, ray_name_length(&record->name));
    ray_text_char(text, ',');
    csv_number(text, record->reason);
    csv_number(text, record->http_status);
    csv_number(text, record->granted);
    csv_number(text, record->passed);
    csv_number(text, record->alerts);
    csv_number(text, record->audits);
    ray_text_hex_bytes(text, record->hash, sizeof record->hash);
    ray_text_char(text, '\n');
}

ray_status ray_policy_export_audit(const ray_policy *policy, uint32_t json, ray_text *text)
{
    ray_policy_stats stats;
    ray_policy_record record;
    ray_policy_read(policy, &stats);
    if (json != 0)
        ray_text_json_open(text, NULL, '[');
    else
        ray_text_put(text, "id,at_ns,unix_ns,seq,rule,reason,http_status,granted,passed,alerts,"
                           "audits,hash\n");
    for (uint64_t id = stats.audit_overwritten_count + 1; id <= stats.audit_count; id++) {
        if (ray_policy_audit_read(policy, id, &record) != RAY_OK)
            continue;
        if (json != 0)
            json_record(&record, text);
        else
            csv_record(&record, text);
    }
    if (json != 0)
        ray_text_json_close(text, ']');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
