/* SPDX-License-Identifier: MIT */
/* schemas.c - shapes of bodies: each schema a part of shared tables, checked before anything
 * follows a number in it. */
#include "parts.h"
#include "format_parts.h"

/* The sections of enum ray_schema_table, in its order. */
static const uint32_t sections[] = {90, 91, 95, 96};

enum { SECTION_SCHEMA = 90, SECTION_SCHEMA_NODE = 91 };

/* -- parts of the tables -- */
static ray_format_schema part_of(const ray_mediator_rows *rows, const ray_schema_spec *spec)
{
    return (ray_format_schema){
        .nodes = rows->nodes + spec->first_node,
        .properties = rows->properties + spec->first_property,
        .values = rows->values + spec->first_value,
        .text = rows->text + spec->text_at,
        .node_count = spec->node_count,
        .property_count = spec->property_count,
        .value_count = spec->value_count,
        .text_length = spec->text_length,
        .name_at = spec->name_at,
        .name_length = spec->name_length,
    };
}

static ray_mediator_rows rows_of(const ray_mediator_config *config)
{
    return (ray_mediator_rows){.schemas = config->schema, .nodes = config->node,
                               .properties = config->property, .values = config->value,
                               .text = config->text};
}

uint32_t ray_schema_at(const ray_mediator *mediator, uint32_t schema, ray_format_schema *out)
{
    if (schema >= mediator->config.schema_count)
        return 0;
    ray_mediator_rows rows = rows_of(&mediator->config);
    *out = part_of(&rows, &mediator->config.schema[schema]);
    return 1;
}

/* -- check -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint64_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = (uint32_t)field;
    return status;
}

/* Each part begins where the one before ends, so that no row is anybody else's or nobody's. */
typedef struct table_ends {
    uint32_t node;
    uint32_t property;
    uint32_t value;
    uint32_t text;
} table_ends;

static uint32_t fits(uint32_t first, uint32_t count, uint32_t total, uint32_t *end)
{
    if (first != *end || count > total - first)
        return 0;
    *end = first + count;
    return 1;
}

static ray_status spec_check(const ray_schema_spec *spec, const ray_config_counts *counts,
                             table_ends *end, uint32_t *field)
{
    *field = offsetof(ray_schema_spec, name);
    if (!ray_name_valid(&spec->name))
        return RAY_E_ARGUMENT;
    *field = offsetof(ray_schema_spec, first_node);
    if (spec->node_count == 0 ||
        !fits(spec->first_node, spec->node_count, counts->schema_node_count, &end->node))
        return RAY_E_RANGE;
    *field = offsetof(ray_schema_spec, first_property);
    if (!fits(spec->first_property, spec->property_count, counts->schema_property_count,
              &end->property))
        return RAY_E_RANGE;
    *field = offsetof(ray_schema_spec, first_value);
    if (!fits(spec->first_value, spec->value_count, counts->schema_value_count, &end->value))
        return RAY_E_RANGE;
    *field = offsetof(ray_schema_spec, text_at);
    if (!fits(spec->text_at, spec->text_length, counts->schema_text_bytes, &end->text))
        return RAY_E_RANGE;
    *field = offsetof(ray_schema_spec, name_at);
    if (spec->name_at > spec->text_length || spec->name_length > spec->text_length - spec->name_at)
        return RAY_E_RANGE;
    return RAY_OK;
}

/* Numbers count in the schema's part; a report counts in the section. */
static ray_status shape_check(const ray_format_schema *part, const ray_schema_spec *spec,
                              uint32_t row, ray_config_report *report)
{
    ray_schema_place where;
    uint32_t fault = ray_schema_fault(part, &where);
    const uint32_t first[] = {row, spec->first_node, spec->first_property, spec->first_value};
    if (fault == RAY_FORMAT_FINE)
        return RAY_OK;
    return refuse(report, fault == RAY_FORMAT_TOO_MANY ? RAY_E_RANGE : RAY_E_ARGUMENT,
                  sections[where.table], first[where.table] + where.row, where.field);
}

ray_status ray_schemas_check(const ray_mediator_rows *rows, const ray_config_counts *counts,
                             ray_config_report *report)
{
    table_ends end = {0, 0, 0, 0};
    uint32_t field = 0;
    for (uint32_t row = 0; row < counts->schema_count; row++) {
        const ray_schema_spec *spec = &rows->schemas[row];
        ray_status status = spec_check(spec, counts, &end, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_SCHEMA, row, field);
        for (uint32_t before = 0; before < row; before++)
            if (ray_name_same(&rows->schemas[before].name, &spec->name))
                return refuse(report, RAY_E_EXISTS, SECTION_SCHEMA, row, 0);
        ray_format_schema part = part_of(rows, spec);
        status = shape_check(&part, spec, row, report);
        if (status != RAY_OK)
            return status;
    }
    if (end.node != counts->schema_node_count || end.property != counts->schema_property_count ||
        end.value != counts->schema_value_count || end.text != counts->schema_text_bytes)
        return refuse(report, RAY_E_RANGE, SECTION_SCHEMA_NODE, end.node, 0);
    return RAY_OK;
}

/* -- load -- */
uint32_t ray_schemas_same(const ray_mediator_config *config, const ray_mediator_rows *rows,
                          const ray_config_counts *counts)
{
    return config->schema_count == counts->schema_count &&
           config->node_count == counts->schema_node_count &&
           config->property_count == counts->schema_property_count &&
           config->value_count == counts->schema_value_count &&
           config->text_length == counts->schema_text_bytes &&
           ray_same(config->schema, rows->schemas, counts->schema_count * sizeof *rows->schemas) &&
           ray_same(config->node, rows->nodes, counts->schema_node_count * sizeof *rows->nodes) &&
           ray_same(config->property, rows->properties,
                    counts->schema_property_count * sizeof *rows->properties) &&
           ray_same(config->value, rows->values,
                    counts->schema_value_count * sizeof *rows->values) &&
           ray_same(config->text, rows->text, counts->schema_text_bytes);
}

static void tables_append(ray_mediator_config *config, const ray_mediator_rows *rows,
                          const ray_config_counts *counts)
{
    memcpy(config->schema + config->schema_count, rows->schemas,
           counts->schema_count * sizeof *rows->schemas);
    memcpy(config->node + config->node_count, rows->nodes,
           counts->schema_node_count * sizeof *rows->nodes);
    memcpy(config->property + config->property_count, rows->properties,
           counts->schema_property_count * sizeof *rows->properties);
    memcpy(config->value + config->value_count, rows->values,
           counts->schema_value_count * sizeof *rows->values);
    memcpy(config->text + config->text_length, rows->text, counts->schema_text_bytes);
    config->schema_count += counts->schema_count;
    config->node_count += counts->schema_node_count;
    config->property_count += counts->schema_property_count;
    config->value_count += counts->schema_value_count;
    config->text_length += counts->schema_text_bytes;
}

void ray_schemas_load(ray_mediator_config *config, const ray_mediator_rows *rows,
                      const ray_config_counts *counts)
{
    uint8_t *from = (uint8_t *)config + offsetof(ray_mediator_config, schema_count);
    memset(from, 0, offsetof(ray_mediator_config, slot) -
                        offsetof(ray_mediator_config, schema_count));
    tables_append(config, rows, counts);
}

ray_status ray_mediator_schema_add(ray_mediator *mediator, const ray_mediator_rows *rows,
                                   const ray_config_counts *counts, uint32_t *schema)
{
    ray_mediator_config *config = &mediator->config;
    ray_config_report report;
    uint32_t other;
    if (counts->schema_count != 1)
        return RAY_E_ARGUMENT;
    ray_status status = ray_schemas_check(rows, counts, &report);
    if (status != RAY_OK)
        return status;
    if (ray_mediator_schema_find(mediator, rows->schemas->name.at,
                                 ray_name_length(&rows->schemas->name), &other) == RAY_OK)
        return RAY_E_EXISTS;
    if (config->schema_count == RAY_SCHEMA_MAX ||
        counts->schema_node_count > RAY_SCHEMA_NODE_MAX - config->node_count ||
        counts->schema_property_count > RAY_SCHEMA_PROPERTY_MAX - config->property_count ||
        counts->schema_value_count > RAY_SCHEMA_VALUE_MAX - config->value_count ||
        counts->schema_text_bytes > RAY_SCHEMA_TEXT_BYTES - config->text_length)
        return RAY_E_FULL;
    ray_schema_spec *spec = &config->schema[config->schema_count];
    table_ends base = {config->node_count, config->property_count, config->value_count,
                       config->text_length};
    *schema = config->schema_count;
    tables_append(config, rows, counts);
    spec->first_node = base.node;
    spec->first_property = base.property;
    spec->first_value = base.value;
    spec->text_at = base.text;
    return RAY_OK;
}

/* -- reading -- */
ray_status ray_mediator_schema_find(const ray_mediator *mediator, const char *name,
                                    uint64_t length, uint32_t *schema)
{
    for (uint32_t i = 0; i < mediator->config.schema_count; i++)
        if (ray_name_length(&mediator->config.schema[i].name) == length &&
            ray_same(mediator->config.schema[i].name.at, name, length)) {
            *schema = i;
            return RAY_OK;
        }
    return RAY_E_UNKNOWN;
}

ray_status ray_mediator_schema_read(const ray_mediator *mediator, uint32_t schema,
                                    ray_schema_spec *out)
{
    if (schema >= mediator->config.schema_count)
        return RAY_E_UNKNOWN;
    *out = mediator->config.schema[schema];
    return RAY_OK;
}

/* -- law -- */
uint32_t ray_schemas_hold(const ray_mediator_config *config)
{
    ray_config_report report;
    ray_mediator_rows rows = rows_of(config);
    ray_config_counts counts;
    if (config->schema_count > RAY_SCHEMA_MAX || config->node_count > RAY_SCHEMA_NODE_MAX ||
        config->property_count > RAY_SCHEMA_PROPERTY_MAX ||
        config->value_count > RAY_SCHEMA_VALUE_MAX ||
        config->text_length > RAY_SCHEMA_TEXT_BYTES || config->reserved != 0)
        return 0;
    memset(&counts, 0, sizeof counts);
    counts.schema_count = config->schema_count;
    counts.schema_node_count = config->node_count;
    counts.schema_property_count = config->property_count;
    counts.schema_value_count = config->value_count;
    counts.schema_text_bytes = config->text_length;
    return ray_schemas_check(&rows, &counts, &report) == RAY_OK;
}
