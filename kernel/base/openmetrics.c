/* SPDX-License-Identifier: MIT */
/* openmetrics.c - lines of an exposition; no number is rounded. */
#include "base/openmetrics.h"

enum { NANO_DIGITS = 9, SLOT_MASK = 0xffff };
#define SECOND_NS 1000000000ULL

void ray_openmetrics_head(ray_text *text, const char *name, const char *type, const char *help)
{
    const char *const line[2][2] = {{"# HELP ", help}, {"# TYPE ", type}};
    for (uint32_t i = 0; i < 2; i++) {
        ray_text_put(text, line[i][0]);
        ray_text_put(text, name);
        ray_text_char(text, ' ');
        ray_text_put(text, line[i][1]);
        ray_text_char(text, '\n');
    }
}

void ray_openmetrics_label(ray_text *text, const ray_names *names, uint32_t handle)
{
    uint64_t place = handle & SLOT_MASK, length = 0;
    if (handle != RAY_NONE && place < names->count) {
        const char *name = (const char *)(names->at + place * names->stride);
        while (length < RAY_NAME_BYTES && name[length] != 0)
            length++;
        ray_text_label(text, name, length);
    }
    if (length != 0)
        return;
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
