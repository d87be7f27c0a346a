/* SPDX-License-Identifier: MIT */
/* export.c - transforms and what is kept of them, in fixed columns. */
#include "parts.h"

static void side_json(ray_text *out, const char *key, const ray_transform_side *side)
{
    static const char *const unknown[3] = {"reject", "drop", "keep"};
    ray_text_json_open(out, key, '{');
    ray_text_json_literal(out, "from", ray_content_word(side->from));
    ray_text_json_literal(out, "to", ray_content_word(side->to));
    if (side->schema == RAY_NONE)
        ray_text_json_null(out, "schema");
    else
        ray_text_json_u64(out, "schema", side->schema);
    ray_text_json_literal(out, "unknown", unknown[side->unknown]);
    ray_text_json_bool(out, "strict", (side->flags & RAY_TRANSFORM_STRICT) != 0);
    ray_text_json_bool(out, "grpc", (side->flags & RAY_TRANSFORM_GRPC) != 0);
    ray_text_json_close(out, '}');
}

ray_status ray_mediator_export_json(const ray_mediator *mediator, uint64_t now_ns, ray_text *out)
{
    ray_transform_row row;
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "now_ns", now_ns);
    ray_text_json_open(out, "transforms", '[');
    for (uint32_t id = ray_mediator_next(mediator, RAY_NONE); id != RAY_NONE;
         id = ray_mediator_next(mediator, id)) {
        if (ray_mediator_transform_read(mediator, id, &row) != RAY_OK)
            continue;
        ray_text_json_open(out, 0, '{');
        ray_text_json_name(out, "name", &row.spec.name);
        ray_text_json_u64(out, "id", id);
        side_json(out, "request", &row.spec.side[RAY_SIDE_REQUEST]);
        side_json(out, "response", &row.spec.side[RAY_SIDE_RESPONSE]);
        ray_text_json_u64(out, "cache_ttl_ns", row.spec.cache_ttl_ns);
        ray_text_json_u64(out, "edits", row.edit_count);
        ray_text_json_u64(out, "routes", row.route_count);
        ray_text_json_u64(out, "kept", row.kept_count);
        ray_text_json_u64(out, "asked", row.asked_count);
        ray_text_json_u64(out, "denied", row.denied_count);
        ray_text_json_u64(out, "hits", row.hit_count);
        ray_text_json_u64(out, "misses", row.miss_count);
        ray_text_json_u64(out, "refused", row.refused_count);
        ray_text_json_close(out, '}');
    }
    ray_text_json_close(out, ']');
    ray_text_json_close(out, '}');
    return out->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
