/* SPDX-License-Identifier: MIT */
/* openmetrics.c - lines of an exposition; no number is rounded. */
#include "base/openmetrics.h"
#include "base/bytes.h"
#include "base/names.h"

enum { NANO_DIGITS = 9, PPM_DIGITS = 6 };
#define SECOND_NS 1000000000ULL

void ray_openmetrics_head(ray_text *text, uint32_t form, const char *name, const char *type,
                          const char *help)
{
    const char *const line[2][2] = {{"# HELP ", help}, {"# TYPE ", type}};
    uint32_t total = form == RAY_EXPOSITION_PROMETHEUS && type[0] == 'c';
    for (uint32_t i = 0; i < 2; i++) {
        ray_text_put(text, line[i][0]);
        ray_text_put(text, name);
        ray_text_put(text, total != 0 ? "_total " : " ");
        ray_text_put(text, line[i][1]);
        ray_text_char(text, '\n');
    }
}

ray_status ray_openmetrics_end(ray_text *text, uint32_t form)
{
    if (form == RAY_EXPOSITION_OPENMETRICS)
        ray_text_put(text, "# EOF\n");
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

void ray_openmetrics_label(ray_text *text, const ray_names *names, uint32_t handle)
{
    ray_name name;
    if (ray_names_at(names, handle, &name) != 0) {
        ray_text_label(text, name.at, ray_name_length(&name));
        return;
    }
    ray_text_char(text, '(');
    if (handle == RAY_NONE)
        ray_text_put(text, "none");
    else
        ray_text_u64(text, handle);
    ray_text_char(text, ')');
}

void ray_openmetrics_count(ray_text *text, uint64_t number)
{
    ray_text_char(text, ' ');
    ray_text_u64(text, number);
    ray_text_char(text, '\n');
}

/* A sum of times may be above what a signed number holds. */
static void seconds(ray_text *text, uint64_t ns)
{
    uint64_t whole = ns / SECOND_NS, rest = ns % SECOND_NS;
    char digit[NANO_DIGITS];
    for (uint32_t i = NANO_DIGITS; i > 0; i--) {
        digit[i - 1] = (char)('0' + rest % 10);
        rest /= 10;
    }
    ray_text_u64(text, whole);
    ray_text_char(text, '.');
    ray_text_bytes(text, digit, sizeof digit);
}

void ray_openmetrics_seconds(ray_text *text, uint64_t ns)
{
    ray_text_char(text, ' ');
    seconds(text, ns);
    ray_text_char(text, '\n');
}

static void begin(ray_text *text, const char *name, const char *suffix, const ray_text *label)
{
    ray_text_put(text, name);
    ray_text_put(text, suffix);
    ray_text_char(text, '{');
    ray_text_bytes(text, label->at, label->length);
}

void ray_openmetrics_histogram(ray_text *text, const char *name, const ray_text *label,
                               const ray_histogram_coarse *coarse)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < RAY_HISTOGRAM_COARSE; i++) {
        sum += coarse->bucket[i];
        begin(text, name, "_bucket", label);
        ray_text_put(text, ",le=\"");
        if (i == RAY_HISTOGRAM_COARSE - 1)
            ray_text_put(text, "+Inf");
        else
            seconds(text, ray_histogram_coarse_high(i));
        ray_text_put(text, "\"}");
        ray_openmetrics_count(text, sum);
    }
    begin(text, name, "_count", label);
    ray_text_char(text, '}');
    ray_openmetrics_count(text, sum);
    begin(text, name, "_sum", label);
    ray_text_char(text, '}');
    ray_openmetrics_seconds(text, coarse->sum);
}

/* -- families whose samples are fields of a struct -- */
static uint32_t counts_up(const ray_family *family)
{
    return family->kind == RAY_FAMILY_COUNTER || family->kind == RAY_FAMILY_SECONDS;
}

void ray_openmetrics_family(ray_text *text, uint32_t form, const ray_family *family)
{
    if (family->help != NULL)
        ray_openmetrics_head(text, form, family->name, counts_up(family) ? "counter" : "gauge",
                             family->help);
}

static uint64_t field_of(const ray_family *family, const void *counts)
{
    const uint8_t *at = (const uint8_t *)counts + family->offset;
    uint64_t wide;
    uint32_t slim;
    if (family->bytes == sizeof wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    ray_assert(family->bytes == sizeof slim);
    memcpy(&slim, at, sizeof slim);
    return slim;
}

void ray_openmetrics_sample(ray_text *text, const ray_family *family, const ray_text *label,
                            const void *counts)
{
    uint64_t value = field_of(family, counts);
    ray_text_put(text, family->name);
    ray_text_put(text, counts_up(family) ? "_total" : "");
    if (label != NULL || family->label != NULL) {
        ray_text_char(text, '{');
        if (label != NULL)
            ray_text_bytes(text, label->at, label->length);
        ray_text_put(text, label != NULL && family->label != NULL ? "," : "");
        ray_text_put(text, family->label != NULL ? family->label : "");
        ray_text_char(text, '}');
    }
    if (family->kind == RAY_FAMILY_SECONDS) {
        ray_openmetrics_seconds(text, value);
    } else if (family->kind == RAY_FAMILY_RATIO) {
        ray_text_char(text, ' ');
        ray_text_fixed(text, (int64_t)value, PPM_DIGITS);
        ray_text_char(text, '\n');
    } else if (family->kind == RAY_FAMILY_GAUGE && value == RAY_NEVER) {
        ray_text_put(text, " +Inf\n");
    } else {
        ray_openmetrics_count(text, value);
    }
}

void ray_openmetrics_stats(ray_text *text, uint32_t form, const ray_family *families,
                           uint32_t count, const void *stats)
{
    for (uint32_t i = 0; i < count; i++) {
        ray_openmetrics_family(text, form, &families[i]);
        ray_openmetrics_sample(text, &families[i], NULL, stats);
    }
}
