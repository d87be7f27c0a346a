/* SPDX-License-Identifier: MIT */
/* format_schema.c - is a schema's table sound? Whatever its bytes say: after this check no reader
 * has to look at an index again. */
#include "format_parts.h"

static uint32_t is_range(uint32_t first, uint32_t count, uint32_t all)
{
    return first <= all && count <= all - first;
}

/* A node is above what it refers to, so no chain of references ever comes back. */
static uint32_t reference_fault(uint32_t node, uint32_t row, uint32_t count)
{
    if (node == RAY_FORMAT_ANY || node == RAY_FORMAT_NOTHING)
        return RAY_FORMAT_FINE;
    return node >= count ? RAY_FORMAT_ROW : node <= row ? RAY_FORMAT_CYCLE : RAY_FORMAT_FINE;
}

static uint32_t is_decimal(const ray_format_decimal *d)
{
    return d->negative <= 1 && d->exponent >= -999999999 && d->exponent <= 999999999;
}

static uint32_t say(ray_schema_place *where, uint64_t field, uint32_t fault)
{
    where->field = (uint32_t)field;
    return fault;
}

/* -- one row -- */
static uint32_t limits_fault(const ray_format_node *n, ray_schema_place *where)
{
    if (!is_decimal(&n->minimum))
        return say(where, offsetof(ray_format_node, minimum), RAY_FORMAT_ROW);
    if (!is_decimal(&n->maximum))
        return say(where, offsetof(ray_format_node, maximum), RAY_FORMAT_ROW);
    if (!is_decimal(&n->above))
        return say(where, offsetof(ray_format_node, above), RAY_FORMAT_ROW);
    if (!is_decimal(&n->below))
        return say(where, offsetof(ray_format_node, below), RAY_FORMAT_ROW);
    if (n->bounds > 63)
        return say(where, offsetof(ray_format_node, bounds), RAY_FORMAT_ROW);
    if (n->reserved != 0)
        return say(where, offsetof(ray_format_node, reserved), RAY_FORMAT_ROW);
    return RAY_FORMAT_FINE;
}

/* A wire type belongs to a value of one kind. */
static uint32_t type_fault(const ray_format_node *n, ray_schema_place *where)
{
    static const uint8_t kinds[RAY_WIRE_MAX] = {127, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 2,
                                                20, 16, 16, 64};
    if (n->wire == RAY_WIRE_FLOAT || n->wire == RAY_WIRE_DOUBLE)
        return say(where, offsetof(ray_format_node, wire), RAY_FORMAT_FLOAT);
    if (n->wire >= RAY_WIRE_MAX)
        return say(where, offsetof(ray_format_node, wire), RAY_FORMAT_ROW);
    if (n->types > RAY_FORMAT_ALL ||
        (n->wire != RAY_WIRE_NONE && (n->types & ~(uint32_t)(kinds[n->wire] | RAY_FORMAT_NULL))))
        return say(where, offsetof(ray_format_node, types), RAY_FORMAT_ROW);
    return RAY_FORMAT_FINE;
}

static uint32_t node_fault(const ray_format_schema *s, uint32_t row, ray_schema_place *where)
{
    const ray_format_node *n = &s->nodes[row];
    *where = (ray_schema_place){RAY_SCHEMA_NODES, row, 0};
    uint32_t fault = reference_fault(n->items, row, s->node_count);
    if (fault != RAY_FORMAT_FINE)
        return say(where, offsetof(ray_format_node, items), fault);
    fault = reference_fault(n->additional, row, s->node_count);
    if (fault != RAY_FORMAT_FINE)
        return say(where, offsetof(ray_format_node, additional), fault);
    if (n->property_count > RAY_FORMAT_MEMBER_MAX)
        return say(where, offsetof(ray_format_node, property_count), RAY_FORMAT_TOO_MANY);
    if (!is_range(n->first_property, n->property_count, s->property_count))
        return say(where, offsetof(ray_format_node, first_property), RAY_FORMAT_ROW);
    if (!is_range(n->first_value, n->value_count, s->value_count))
        return say(where, offsetof(ray_format_node, first_value), RAY_FORMAT_ROW);
    fault = type_fault(n, where);
    return fault != RAY_FORMAT_FINE ? fault : limits_fault(n, where);
}

static uint32_t same_text(const ray_format_schema *s, const ray_format_property *a,
                          const ray_format_property *b)
{
    return a->name_length == b->name_length &&
           ray_same(s->text + a->name_at, s->text + b->name_at, a->name_length);
}

static uint32_t property_fault(const ray_format_schema *s, uint32_t row,
                               const ray_format_property *p, ray_schema_place *where)
{
    if (!is_range(p->name_at, p->name_length, s->text_length))
        return say(where, offsetof(ray_format_property, name_at), RAY_FORMAT_ROW);
    uint32_t fault = reference_fault(p->node, row, s->node_count);
    if (fault != RAY_FORMAT_FINE)
        return say(where, offsetof(ray_format_property, node), fault);
    if (p->number > 0x1fffffff)
        return say(where, offsetof(ray_format_property, number), RAY_FORMAT_ROW);
    if (p->flags > 15 || (p->flags & 6) == 6)
        return say(where, offsetof(ray_format_property, flags), RAY_FORMAT_ROW);
    if (p->reserved != 0)
        return say(where, offsetof(ray_format_property, reserved), RAY_FORMAT_ROW);
    return RAY_FORMAT_FINE;
}

static uint32_t members_fault(const ray_format_schema *s, uint32_t row, ray_schema_place *where)
{
    const ray_format_node *n = &s->nodes[row];
    uint32_t texts = 0;
    for (uint32_t i = 0; i < n->property_count; i++) {
        const ray_format_property *p = &s->properties[n->first_property + i];
        *where = (ray_schema_place){RAY_SCHEMA_PROPERTIES, n->first_property + i, 0};
        uint32_t fault = property_fault(s, row, p, where);
        if (fault != RAY_FORMAT_FINE)
            return fault;
        texts += (p->flags & RAY_PROPERTY_TEXT) != 0;
        if (texts > 1)
            return say(where, offsetof(ray_format_property, flags), RAY_FORMAT_ROW);
        for (uint32_t k = 0; k < i; k++) {
            const ray_format_property *q = &s->properties[n->first_property + k];
            if (same_text(s, p, q))
                return say(where, offsetof(ray_format_property, name_at), RAY_FORMAT_DUPLICATE);
            if (p->number != 0 && p->number == q->number)
                return say(where, offsetof(ray_format_property, number), RAY_FORMAT_DUPLICATE);
        }
    }
    return RAY_FORMAT_FINE;
}

static uint32_t value_fault(const ray_format_schema *s, uint32_t row, ray_schema_place *where)
{
    const ray_format_value *v = &s->values[row];
    *where = (ray_schema_place){RAY_SCHEMA_VALUES, row, 0};
    if (v->type != RAY_FORMAT_STRING && v->type != RAY_FORMAT_NUMBER &&
        v->type != RAY_FORMAT_BOOL && v->type != RAY_FORMAT_NULL)
        return say(where, offsetof(ray_format_value, type), RAY_FORMAT_ROW);
    if (!is_decimal(&v->decimal))
        return say(where, offsetof(ray_format_value, decimal), RAY_FORMAT_ROW);
    if (!is_range(v->text_at, v->text_length, s->text_length))
        return say(where, offsetof(ray_format_value, text_at), RAY_FORMAT_ROW);
    if (v->reserved != 0)
        return say(where, offsetof(ray_format_value, reserved), RAY_FORMAT_ROW);
    return RAY_FORMAT_FINE;
}

/* -- all of them -- */
uint32_t ray_schema_fault(const ray_format_schema *s, ray_schema_place *where)
{
    uint32_t fault = RAY_FORMAT_FINE;
    *where = (ray_schema_place){RAY_SCHEMA_ITSELF, 0, 0};
    if (s->node_count == 0 || s->node_count >= RAY_FORMAT_ITEM ||
        !is_range(s->name_at, s->name_length, s->text_length))
        return RAY_FORMAT_ROW;
    for (uint32_t i = 0; i < s->value_count && fault == RAY_FORMAT_FINE; i++)
        fault = value_fault(s, i, where);
    for (uint32_t i = 0; i < s->node_count && fault == RAY_FORMAT_FINE; i++) {
        fault = node_fault(s, i, where);
        if (fault == RAY_FORMAT_FINE)
            fault = members_fault(s, i, where);
    }
    return fault;
}

ray_status ray_format_check_schema(const ray_format_schema *s, ray_format_report *report)
{
    ray_schema_place where;
    memset(report, 0, sizeof *report);
    report->fault = ray_schema_fault(s, &where);
    if (report->fault == RAY_FORMAT_FINE)
        return RAY_OK;
    report->place = where.row;
    return report->fault == RAY_FORMAT_TOO_MANY ? RAY_E_RANGE : RAY_E_ARGUMENT;
}

/* -- words -- */
const char *ray_format_keyword_text(uint32_t keyword)
{
    static const char words[RAY_KEYWORD_MAX][24] = {
        "", "type", "required", "additionalProperties", "enum", "const", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
        "minProperties", "maxProperties", "items"};
    return keyword < RAY_KEYWORD_MAX ? words[keyword] : "";
}

const char *ray_format_fault_text(uint32_t fault)
{
    static const char words[RAY_FORMAT_FAULT_MAX][48] = {
        "fine", "not well formed", "ends before it should", "nested too deep", "not UTF-8",
        "a member named twice", "too many members", "a document type", "an unknown entity",
        "not what the schema allows", "an unknown member", "something would be lost",
        "too large", "not supported", "a message in too many pieces", "binary floating point",
        "a schema inside itself", "a row no rule allows", "a part's header too long"};
    return fault < RAY_FORMAT_FAULT_MAX ? words[fault] : "";
}
