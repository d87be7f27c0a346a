/* SPDX-License-Identifier: MIT */
/* print.c - what commands print alike: lines of a name and a value, counters, the ends of JSON. */
#include "parts.h"

/* -- lines -- */
void ray_line_begin(ray_text *out, uint32_t column, const char *name)
{
    ray_text_put(out, name);
    ray_text_column(out, column);
}

void ray_line_u64(ray_text *out, uint32_t column, const char *name, uint64_t value)
{
    ray_line_begin(out, column, name);
    ray_text_u64(out, value);
    ray_text_char(out, '\n');
}

void ray_line_word(ray_text *out, uint32_t column, const char *name, const char *value)
{
    ray_line_begin(out, column, name);
    ray_text_put(out, value);
    ray_text_char(out, '\n');
}

void ray_line_name(ray_text *out, uint32_t column, const char *name, const ray_name *value)
{
    ray_line_begin(out, column, name);
    ray_text_name(out, value, 0);
    ray_text_char(out, '\n');
}

void ray_line_duration(ray_text *out, uint32_t column, const char *name, uint64_t ns)
{
    ray_line_begin(out, column, name);
    ray_text_duration(out, ns);
    ray_text_char(out, '\n');
}

void ray_line_hash(ray_text *out, uint32_t column, const char *name, const uint8_t *at,
                   uint64_t length)
{
    ray_line_begin(out, column, name);
    ray_text_hex_bytes(out, at, length);
    ray_text_char(out, '\n');
}

/* -- counters -- */
void ray_counters_put(ray_call *call, const ray_counters *counters)
{
    ray_text *out = call->out;
    for (uint32_t i = 0; i < counters->count; i++) {
        const ray_counter *counter = &counters->at[i];
        if (call->json != 0) {
            ray_text_json_u64(out, counter->key != 0 ? counter->key : counter->name,
                              counter->value);
            continue;
        }
        ray_line_begin(out, counters->column, counter->name);
        ray_text_u64_right(out, counter->value, counters->width);
        if (counter->most != 0) {
            ray_text_put(out, " of ");
            ray_text_u64(out, counter->most);
        }
        ray_text_char(out, '\n');
    }
}

void ray_stats_put(ray_call *call, const ray_stat *at, uint32_t count, const void *stats)
{
    if (call->json != 0)
        ray_text_json_open(call->out, 0, '{');
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *value = (const uint8_t *)stats + at[i].place;
        ray_counter row = {at[i].name, 0, 0, at[i].most};
        const ray_counters counters = {&row, 1, 24, 12, 0};
        uint32_t slim;
        __builtin_memcpy(&slim, value, sizeof slim);
        row.value = slim;
        if (at[i].wide != 0)
            __builtin_memcpy(&row.value, value, sizeof row.value);
        ray_counters_put(call, &counters);
    }
    if (call->json != 0)
        ray_json_end(call->out);
}

/* -- exports -- */
static const char *refused_export(uint32_t offered)
{
    if (offered == RAY_EXPORT_ROWS)
        return "an export is csv or json, not";
    if (offered == RAY_EXPORT_TEXTS)
        return "metrics are prometheus or openmetrics, not";
    return (offered >> RAY_EXPORT_CSV & 1) != 0
               ? "an export is csv, json, prometheus or openmetrics, not"
               : "an export is json, prometheus or openmetrics, not";
}

ray_status ray_export_form(ray_call *call, uint32_t offered, uint32_t *form)
{
    static const char *const words[RAY_EXPORT_MAX] = {"csv", "json", "prometheus", "openmetrics"};
    uint32_t found = RAY_EXPORT_MAX;
    if (call->plain_count > 2) {
        for (uint32_t i = 0; i < RAY_EXPORT_MAX; i++)
            if ((offered >> i & 1) != 0 && ray_word_is(call->word[2], call->length[2], words[i]))
                found = i;
        if (found == RAY_EXPORT_MAX)
            return ray_call_error(call, RAY_E_ARGUMENT, refused_export(offered), 2, 0);
        *form = found;
    }
    if (call->json != 0)
        *form = RAY_EXPORT_JSON;
    return RAY_OK;
}

uint32_t ray_export_exposition(uint32_t form)
{
    return form == RAY_EXPORT_PROMETHEUS ? RAY_EXPOSITION_PROMETHEUS : RAY_EXPOSITION_OPENMETRICS;
}

/* -- JSON -- */
void ray_json_end(ray_text *out)
{
    ray_text_json_close(out, '}');
    ray_text_char(out, '\n');
}

void ray_json_list_open(ray_text *out, const char *key)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_open(out, key, '[');
}

void ray_json_list_end(ray_text *out)
{
    ray_text_json_close(out, ']');
    ray_json_end(out);
}

/* -- words -- */
const char *ray_mode_word(uint32_t mode)
{
    static const char *const words[] = {"enforce", "shadow", "off"};
    return mode <= RAY_MODE_OFF ? words[mode] : "?";
}
