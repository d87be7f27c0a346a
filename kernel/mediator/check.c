/* SPDX-License-Identifier: MIT */
/* check.c - rows from anywhere: what no rule allows is refused before anything changes. */
#include "parts.h"

enum { SECTION_TRANSFORM = 92, SECTION_HEADER_EDIT = 93, SECTION_ROUTE_TRANSFORM = 94 };

static ray_status at(uint32_t *field, ray_status status, uint64_t offset)
{
    *field = (uint32_t)offset;
    return status;
}

/* -- one row -- */
static uint32_t has_fields(uint32_t content)
{
    return content != RAY_CONTENT_BINARY && content != RAY_CONTENT_ANY;
}

/* Formats with fields convert into one another by a schema; what has none goes as it is. */
static ray_status side_check(const ray_transform_side *side, uint32_t schema_count,
                             uint32_t *field)
{
    if (side->schema != RAY_NONE && side->schema >= schema_count)
        return at(field, RAY_E_UNKNOWN, offsetof(ray_transform_side, schema));
    if (side->from >= RAY_CONTENT_MAX)
        return at(field, RAY_E_RANGE, offsetof(ray_transform_side, from));
    if (side->to >= RAY_CONTENT_MAX)
        return at(field, RAY_E_RANGE, offsetof(ray_transform_side, to));
    if (side->unknown > RAY_UNKNOWN_KEEP)
        return at(field, RAY_E_RANGE, offsetof(ray_transform_side, unknown));
    if ((side->flags & ~(uint32_t)RAY_TRANSFORM_FLAGS) != 0)
        return at(field, RAY_E_RANGE, offsetof(ray_transform_side, flags));
    if (side->from != side->to &&
        (!has_fields(side->from) || !has_fields(side->to) || side->schema == RAY_NONE))
        return at(field, RAY_E_ARGUMENT, offsetof(ray_transform_side, to));
    if (side->to == RAY_CONTENT_MULTIPART && side->from != side->to)
        return at(field, RAY_E_ARGUMENT, offsetof(ray_transform_side, to));   /* has no writer */
    if (side->to == RAY_CONTENT_MULTIPART && side->unknown == RAY_UNKNOWN_DROP)
        return at(field, RAY_E_ARGUMENT, offsetof(ray_transform_side, unknown));
    if (side->schema != RAY_NONE && !has_fields(side->from))
        return at(field, RAY_E_ARGUMENT, offsetof(ray_transform_side, schema));
    if ((side->flags & RAY_TRANSFORM_GRPC) != 0 && side->from != RAY_CONTENT_PROTOBUF &&
        side->to != RAY_CONTENT_PROTOBUF)
        return at(field, RAY_E_ARGUMENT, offsetof(ray_transform_side, flags));
    return RAY_OK;
}

ray_status ray_transform_check(const ray_transform_spec *spec, uint32_t schema_count,
                               uint32_t *field)
{
    if (!ray_name_valid(&spec->name))
        return at(field, RAY_E_ARGUMENT, offsetof(ray_transform_spec, name));
    if (spec->cache_ttl_ns > INT64_MAX)
        return at(field, RAY_E_RANGE, offsetof(ray_transform_spec, cache_ttl_ns));
    for (uint32_t side = 0; side < RAY_SIDE_MAX; side++) {
        uint32_t inner = 0;
        ray_status status = side_check(&spec->side[side], schema_count, &inner);
        if (status != RAY_OK)
            return at(field, status,
                      offsetof(ray_transform_spec, side) + side * sizeof spec->side[0] + inner);
    }
    return RAY_OK;
}

/* Fields this gateway frames messages by are nobody's to edit. */
static uint32_t is_framing(ray_view name)
{
    return ray_view_is(name, "content-length") || ray_view_is(name, "host") ||
           ray_is_hop_by_hop(name);
}

/* The field as one packed header has to be sound: tokens, and no control byte. */
static uint32_t is_sound(const ray_header_edit_spec *edit, uint32_t length)
{
    uint8_t block[4 + RAY_NAME_BYTES + RAY_EDIT_VALUE_BYTES] = {0};
    block[0] = (uint8_t)length;
    block[2] = edit->value_length;
    memcpy(block + 4, edit->name.at, length);
    memcpy(block + 4 + length, edit->value, edit->value_length);
    return ray_headers_sound((ray_view){block, 4ULL + length + edit->value_length});
}

ray_status ray_header_edit_check(const ray_header_edit_spec *edit, uint32_t transform_count,
                                 uint32_t *field)
{
    uint32_t length = ray_name_length(&edit->name);
    if (!ray_name_valid(&edit->name))
        return at(field, RAY_E_ARGUMENT, offsetof(ray_header_edit_spec, name));
    for (uint32_t i = 0; i < length; i++)
        if (edit->name.at[i] >= 'A' && edit->name.at[i] <= 'Z')
            return at(field, RAY_E_ARGUMENT, offsetof(ray_header_edit_spec, name));
    if (is_framing((ray_view){(const uint8_t *)edit->name.at, length}))
        return at(field, RAY_E_ARGUMENT, offsetof(ray_header_edit_spec, name));
    if (edit->value_length > RAY_EDIT_VALUE_BYTES)
        return at(field, RAY_E_RANGE, offsetof(ray_header_edit_spec, value_length));
    if (!ray_is_zero(edit->value + edit->value_length,
                     RAY_EDIT_VALUE_BYTES - edit->value_length) ||
        !is_sound(edit, length) || (edit->how == RAY_EDIT_REMOVE && edit->value_length != 0))
        return at(field, RAY_E_ARGUMENT, offsetof(ray_header_edit_spec, value));
    if (edit->transform >= transform_count)
        return at(field, RAY_E_UNKNOWN, offsetof(ray_header_edit_spec, transform));
    if (edit->side >= RAY_SIDE_MAX)
        return at(field, RAY_E_RANGE, offsetof(ray_header_edit_spec, side));
    if (edit->how >= RAY_EDIT_MAX)
        return at(field, RAY_E_RANGE, offsetof(ray_header_edit_spec, how));
    if (edit->reserved != 0)
        return at(field, RAY_E_ARGUMENT, offsetof(ray_header_edit_spec, reserved));
    return RAY_OK;
}

/* -- sections of a blob -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint64_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = (uint32_t)field;
    return status;
}

static ray_status transforms_check(const ray_transform_spec *rows, uint32_t count,
                                   uint32_t schema_count, ray_config_report *report)
{
    uint32_t field = 0;
    for (uint32_t row = 0; row < count; row++) {
        ray_status status = ray_transform_check(&rows[row], schema_count, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_TRANSFORM, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (ray_name_same(&rows[before].name, &rows[row].name))
                return refuse(report, RAY_E_EXISTS, SECTION_TRANSFORM, row,
                              offsetof(ray_transform_spec, name));
    }
    return RAY_OK;
}

static ray_status routes_check(const ray_route_transform_spec *rows,
                               const ray_config_counts *counts, ray_config_report *report)
{
    for (uint32_t row = 0; row < counts->route_transform_count; row++) {
        if (rows[row].route >= counts->route_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_ROUTE_TRANSFORM, row,
                          offsetof(ray_route_transform_spec, route));
        if (rows[row].transform >= counts->transform_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_ROUTE_TRANSFORM, row,
                          offsetof(ray_route_transform_spec, transform));
        if (row > 0 && rows[row].route <= rows[row - 1].route)
            return refuse(report, RAY_E_EXISTS, SECTION_ROUTE_TRANSFORM, row,
                          offsetof(ray_route_transform_spec, route));
    }
    return RAY_OK;
}

ray_status ray_mediator_check(const ray_mediator_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report)
{
    uint32_t field = 0;
    ray_status status = ray_schemas_check(rows, counts, report);
    if (status == RAY_OK)
        status = transforms_check(rows->transforms, counts->transform_count,
                                  counts->schema_count, report);
    if (status != RAY_OK)
        return status;
    for (uint32_t row = 0; row < counts->header_edit_count; row++) {
        status = ray_header_edit_check(&rows->edits[row], counts->transform_count, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_HEADER_EDIT, row, field);
    }
    return routes_check(rows->routes, counts, report);
}
