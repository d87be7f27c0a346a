/* SPDX-License-Identifier: MIT */
/* openmetrics: the lines of an exposition, OpenMetrics 1.0 or Prometheus text, all numbers from
 * integers. A family is HELP and TYPE once, then its samples; times are seconds with nine decimals.
 * `form` is of enum ray_exposition.
 */
#ifndef RAY_BASE_OPENMETRICS_H
#define RAY_BASE_OPENMETRICS_H
#include "ray/text.h"
#include "base/histogram.h"

void ray_openmetrics_head(ray_text *text, uint32_t form, const char *name, const char *type,
                          const char *help);
/* # EOF where the form ends with it. RAY_E_TRUNCATED when something did not fit. */
ray_status ray_openmetrics_end(ray_text *text, uint32_t form);
/* The value of a label without its quotes: the name of the handle's place, or (none), (7): names
 * hold no brackets. */
void ray_openmetrics_label(ray_text *text, const ray_names *names, uint32_t handle);
/* What ends a sample's line: a space, the number, a line feed. */
void ray_openmetrics_count(ray_text *text, uint64_t number);
void ray_openmetrics_seconds(ray_text *text, uint64_t ns);
/* Buckets, count and sum. `label` is `word="value"` of ours, escaped already. */
void ray_openmetrics_histogram(ray_text *text, const char *name, const ray_text *label,
                               const ray_histogram_coarse *coarse);

/* -- families whose samples are fields of a struct -- */
enum ray_family_kind {
    RAY_FAMILY_COUNTER = 0,
    RAY_FAMILY_GAUGE = 1,   /* RAY_NEVER is +Inf */
    RAY_FAMILY_SECONDS = 2, /* a counter of nanoseconds */
    RAY_FAMILY_RATIO = 3    /* a gauge of millionths */
};

typedef struct ray_family {
    const char *name;
    const char *help;      /* NULL: more samples of the family before */
    const char *label;     /* `word="value"` of ours, behind the row's; NULL: none */
    uint16_t offset;
    uint8_t bytes;         /* 8 or 4 */
    uint8_t kind;
    uint32_t reserved;
} ray_family;
/* `kind` is COUNTER, GAUGE, SECONDS or RATIO. */
#define RAY_FAMILY(type, field, kind, name, help, label)                                           \
    {name, help, label, offsetof(type, field), sizeof(((type *)0)->field), RAY_FAMILY_##kind, 0}

/* HELP and TYPE, where the row begins a family. */
void ray_openmetrics_family(ray_text *text, uint32_t form, const ray_family *family);
/* One sample; `label` is what tells its row from others, `word="value"`, or NULL. */
void ray_openmetrics_sample(ray_text *text, const ray_family *family, const ray_text *label,
                            const void *counts);
/* Families of one row without labels: a module's statistics. */
void ray_openmetrics_stats(ray_text *text, uint32_t form, const ray_family *families,
                           uint32_t count, const void *stats);

#endif
