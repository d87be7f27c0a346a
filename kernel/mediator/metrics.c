/* SPDX-License-Identifier: MIT */
/* metrics.c - the module, its cache of answers and its transforms as an exposition. */
#include "parts.h"
#include "base/openmetrics.h"

enum { LABEL_BYTES = 4 * RAY_NAME_BYTES + 32 };

/* -- families (private) -- */
#define MODULE(field, kind, name, help) \
    RAY_FAMILY(ray_mediator_stats, field, kind, "raygate_" name, help, 0)
static const ray_family module_families[] = {
    MODULE(asked_count, COUNTER, "mediator_asked", "Requests of routes with a transform."),
    MODULE(granted_count, COUNTER, "mediator_granted", "Of them, those that may go on."),
    MODULE(denied_count, COUNTER, "mediator_denied",
           "Of them, those refused for schema, syntax, media type or size."),
    MODULE(unspent_count, COUNTER, "mediator_unspent", "Granted, and denied by another stage."),
    MODULE(error_count, COUNTER, "mediator_errors", "Calls that asked something impossible."),
    MODULE(hit_count, COUNTER, "cache_hits", "Requests answered from the cache."),
    MODULE(miss_count, COUNTER, "cache_misses", "Requests whose answer was not there."),
    MODULE(busy_count, COUNTER, "cache_busy", "Of them, while another request fetched it."),
    MODULE(fill_count, COUNTER, "cache_fills", "Leases taken to store an answer."),
    MODULE(stored_count, COUNTER, "cache_stored", "Answers stored."),
    MODULE(unkept_count, COUNTER, "cache_unkept", "Answers that may not be kept."),
    MODULE(large_count, COUNTER, "cache_large", "Of them, for want of room in one entry."),
    MODULE(released_count, COUNTER, "cache_released", "Leases that ended without an answer."),
    MODULE(lapsed_count, COUNTER, "cache_lapsed", "Leases nobody gave back."),
    MODULE(stale_count, COUNTER, "cache_stale", "Leases given back too late."),
    MODULE(full_count, COUNTER, "cache_full", "No place: all were being filled."),
    MODULE(evicted_count, COUNTER, "cache_evicted", "Answers let go for others."),
    MODULE(expired_count, COUNTER, "cache_expired", "Answers whose time was over."),
    MODULE(dropped_count, COUNTER, "cache_dropped", "Answers purged, or of a changed rule."),
    MODULE(invalidated_count, COUNTER, "cache_invalidated", "Answers an unsafe method let go."),
    MODULE(kept_count, GAUGE, "cache_entries", "Answers kept now."),
    MODULE(kept_bytes, GAUGE, "cache_bytes", "Bytes of the answers kept now."),
    MODULE(filling_count, GAUGE, "cache_filling", "Leases open now."),
    MODULE(transform_count, GAUGE, "mediator_transforms", "Transforms."),
    MODULE(schema_count, GAUGE, "mediator_schemas", "Schemas."),
};

#define TRANSFORM(field, kind, name, help) \
    RAY_FAMILY(ray_transform_row, field, kind, "raygate_transform_" name, help, 0)
static const ray_family transform_families[] = {
    TRANSFORM(asked_count, COUNTER, "asked", "Requests of the transform's routes."),
    TRANSFORM(denied_count, COUNTER, "denied", "Of them, those it refused."),
    TRANSFORM(hit_count, COUNTER, "cache_hits", "Of them, those answered from the cache."),
    TRANSFORM(miss_count, COUNTER, "cache_misses", "Of them, those whose answer was not there."),
    TRANSFORM(kept_count, GAUGE, "cache_entries", "Answers kept now."),
};

/* -- reading -- */
static void transform_row(const ray_mediator *mediator, const ray_family *family, uint32_t id,
                          ray_text *text)
{
    char at[LABEL_BYTES];
    ray_text label;
    ray_transform_row row;
    if (ray_mediator_transform_read(mediator, id, &row) != RAY_OK)
        return;
    ray_text_init(&label, at, sizeof at);
    ray_text_put(&label, "transform=\"");
    ray_text_label(&label, row.spec.name.at, ray_name_length(&row.spec.name));
    ray_text_char(&label, '"');
    ray_openmetrics_sample(text, family, &label, &row);
}

ray_status ray_mediator_export_metrics(const ray_mediator *mediator, uint32_t form,
                                       ray_text *text)
{
    ray_mediator_stats stats;
    ray_mediator_read(mediator, &stats);
    ray_openmetrics_stats(text, form, module_families,
                          sizeof module_families / sizeof *module_families, &stats);
    for (uint32_t i = 0; i < sizeof transform_families / sizeof *transform_families; i++) {
        ray_openmetrics_family(text, form, &transform_families[i]);
        for (uint32_t id = RAY_NONE; (id = ray_mediator_next(mediator, id)) != RAY_NONE;)
            transform_row(mediator, &transform_families[i], id, text);
    }
    return ray_openmetrics_end(text, form);
}
