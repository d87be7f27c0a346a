/* SPDX-License-Identifier: MIT */
/* openmetrics: the lines of an OpenMetrics 1.0 exposition, all numbers from integers. A family is
 * HELP and TYPE once, then its samples; times are seconds with nine decimals.
 */
#ifndef RAY_BASE_OPENMETRICS_H
#define RAY_BASE_OPENMETRICS_H
#include "ray/text.h"
#include "base/histogram.h"

void ray_openmetrics_head(ray_text *text, const char *name, const char *type, const char *help);
/* The value of a label without its quotes: the name of the handle's place, or (none), (7): names
 * hold no brackets. */
void ray_openmetrics_label(ray_text *text, const ray_names *names, uint32_t handle);
/* What ends a sample's line: a space, the number, a line feed. */
void ray_openmetrics_count(ray_text *text, uint64_t number);
void ray_openmetrics_seconds(ray_text *text, uint64_t ns);
/* Buckets, count and sum. `label` is `word="value"` of ours, escaped already. */
void ray_openmetrics_histogram(ray_text *text, const char *name, const ray_text *label,
                               const ray_histogram_coarse *coarse);

#endif
