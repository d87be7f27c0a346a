/* SPDX-License-Identifier: MIT */
/* scalar.c - one value against its node: its type first, then what the type allows. */
#include "format_parts.h"

static ray_status no(ray_format_walk *walk, uint32_t keyword)
{
    return ray_format_fail(walk, RAY_FORMAT_INVALID, keyword);
}

static uint32_t is_word(const ray_format_event *event, const char *word)
{
    return ray_format_text_is(event->item.text, event->encoding, (const uint8_t *)word,
                              ray_length_of(word));
}

/* Reads the text as a number, whatever its encoding; 0 when it is none. */
static uint32_t number_of(ray_format_event *event)
{
    uint8_t plain[64];
    uint64_t length = 0;
    ray_json_number number;
    if (!ray_format_copy(event->item.text, event->encoding, plain, sizeof plain, &length) ||
        length == 0 || ray_json_number_read(plain, length, &number) != length)
        return 0;
    event->item.number = number;
    event->item.kind = RAY_JSON_NUMBER;
    return 1;
}

static uint32_t is_integer(const ray_json_number *number)
{
    return number->mantissa == 0 || number->exponent >= 0;
}

/* A text that stands for what the schema says becomes that; else it stays a string. */
static void type_text(const ray_format_node *of, ray_format_event *event)
{
    if (of->types & RAY_FORMAT_STRING || of->wire == RAY_WIRE_ENUM || of->wire == RAY_WIRE_BYTES)
        return;
    if (of->types & RAY_FORMAT_BOOL && is_word(event, "true"))
        event->item.kind = RAY_JSON_TRUE;
    else if (of->types & RAY_FORMAT_BOOL && is_word(event, "false"))
        event->item.kind = RAY_JSON_FALSE;
    else if (of->types & (RAY_FORMAT_INTEGER | RAY_FORMAT_NUMBER))
        number_of(event);
    else if (of->types & RAY_FORMAT_NULL && event->item.text.length == 0)
        event->item.kind = RAY_JSON_NULL;
}

/* -- what protobuf can hold -- */
static uint32_t fits_wire(uint32_t wire, const ray_json_item *item)
{
    static const uint64_t most[RAY_WIRE_SFIXED64 + 1] = {
        [RAY_WIRE_INT32] = INT32_MAX, [RAY_WIRE_INT64] = INT64_MAX,
        [RAY_WIRE_UINT32] = UINT32_MAX, [RAY_WIRE_UINT64] = UINT64_MAX,
        [RAY_WIRE_SINT32] = INT32_MAX, [RAY_WIRE_SINT64] = INT64_MAX,
        [RAY_WIRE_FIXED32] = UINT32_MAX, [RAY_WIRE_FIXED64] = UINT64_MAX,
        [RAY_WIRE_SFIXED32] = INT32_MAX, [RAY_WIRE_SFIXED64] = INT64_MAX};
    static const int64_t least[RAY_WIRE_SFIXED64 + 1] = {
        [RAY_WIRE_INT32] = INT32_MIN, [RAY_WIRE_INT64] = INT64_MIN,
        [RAY_WIRE_SINT32] = INT32_MIN, [RAY_WIRE_SINT64] = INT64_MIN,
        [RAY_WIRE_SFIXED32] = INT32_MIN, [RAY_WIRE_SFIXED64] = INT64_MIN};
    uint64_t u = 0;
    int64_t s = 0;
    if (item->number.negative && item->number.mantissa != 0)
        return ray_json_i64(item, &s) && s >= least[wire];
    return ray_json_u64(item, &u) && u <= most[wire];
}

/* Limits and values mostly are small integers: of the same power the mantissas decide. */
static inline int32_t compare(const ray_json_number *number, const ray_format_decimal *limit)
{
    ray_format_decimal x = {number->mantissa, number->exponent, number->negative};
    if (x.exponent == limit->exponent && (x.negative | limit->negative) == 0)
        return x.mantissa < limit->mantissa ? -1 : x.mantissa > limit->mantissa;
    return ray_format_compare(&x, limit);
}

/* The row of the enum the value is; RAY_NONE. */
static uint32_t value_of(const ray_format_walk *walk, const ray_format_node *of,
                         const ray_format_event *event, uint32_t by_number)
{
    uint32_t kind = event->item.kind;
    for (uint32_t i = of->first_value; i < of->first_value + of->value_count; i++) {
        const ray_format_value *v = &walk->schema->values[i];
        uint32_t same = 0;
        if (kind == RAY_JSON_NUMBER)
            same = (by_number || v->type == RAY_FORMAT_NUMBER) &&
                   event->item.number.exact && compare(&event->item.number, &v->decimal) == 0;
        else if (kind == RAY_JSON_STRING)
            same = v->type == RAY_FORMAT_STRING &&
                   ray_format_text_is(event->item.text, event->encoding,
                                      walk->schema->text + v->text_at, v->text_length);
        else if (kind == RAY_JSON_NULL)
            same = v->type == RAY_FORMAT_NULL;
        else
            same = v->type == RAY_FORMAT_BOOL &&
                   v->decimal.mantissa == (kind == RAY_JSON_TRUE);
        if (same)
            return i;
    }
    return RAY_NONE;
}

/* -- what JSON Schema asks -- */
static ray_status check_number(ray_format_walk *walk, const ray_format_node *of,
                               const ray_json_number *number)
{
    uint32_t b = of->bounds;
    if ((b & (RAY_BOUND_MINIMUM | RAY_BOUND_MAXIMUM | RAY_BOUND_EXCLUSIVE_MINIMUM |
              RAY_BOUND_EXCLUSIVE_MAXIMUM)) == 0)
        return RAY_OK;
    if (!number->exact)                   /* what cannot be compared is not let through */
        return no(walk, RAY_KEYWORD_TYPE);
    if (b & RAY_BOUND_MINIMUM && compare(number, &of->minimum) < 0)
        return no(walk, RAY_KEYWORD_MINIMUM);
    if (b & RAY_BOUND_MAXIMUM && compare(number, &of->maximum) > 0)
        return no(walk, RAY_KEYWORD_MAXIMUM);
    if (b & RAY_BOUND_EXCLUSIVE_MINIMUM && compare(number, &of->above) <= 0)
        return no(walk, RAY_KEYWORD_EXCLUSIVE_MINIMUM);
    if (b & RAY_BOUND_EXCLUSIVE_MAXIMUM && compare(number, &of->below) >= 0)
        return no(walk, RAY_KEYWORD_EXCLUSIVE_MAXIMUM);
    return RAY_OK;
}

static ray_status count_length(ray_format_walk *walk, const ray_format_node *of,
                               const ray_format_event *event)
{
    uint64_t count = ray_format_count(event->item.text, event->encoding);
    if (count < of->min_length)
        return no(walk, RAY_KEYWORD_MIN_LENGTH);
    return count > of->max_length ? no(walk, RAY_KEYWORD_MAX_LENGTH) : RAY_OK;
}

/* Characters are never more than bytes, and as they stand at least a quarter of them: mostly that
 * decides without a count. */
static inline ray_status check_length(ray_format_walk *walk, const ray_format_node *of,
                                      const ray_format_event *event)
{
    uint64_t bytes = event->item.text.length;
    if (bytes <= of->max_length &&
        (of->min_length == 0 ||
         (event->encoding == RAY_ENCODING_PLAIN && bytes / 4 >= of->min_length)))
        return RAY_OK;
    return count_length(walk, of, event);
}

static ray_status check_bytes(ray_format_walk *walk, const ray_format_node *of,
                              const ray_format_event *event)
{
    uint64_t count = event->item.text.length;
    if (!event->raw) {
        ray_base64 b;
        int32_t byte;
        ray_base64_init(&b, event->item.text, event->encoding);
        for (count = 0; (byte = ray_base64_next(&b)) >= 0; count++)
            continue;
        if (byte != -1)
            return no(walk, RAY_KEYWORD_TYPE);
    }
    if (count < of->min_length)
        return no(walk, RAY_KEYWORD_MIN_LENGTH);
    return count > of->max_length ? no(walk, RAY_KEYWORD_MAX_LENGTH) : RAY_OK;
}

static uint32_t type_bits(const ray_json_item *item)
{
    switch (item->kind) {
    case RAY_JSON_NULL: return RAY_FORMAT_NULL;
    case RAY_JSON_TRUE: case RAY_JSON_FALSE: return RAY_FORMAT_BOOL;
    case RAY_JSON_STRING: return RAY_FORMAT_STRING;
    default: break;
    }
    return RAY_FORMAT_NUMBER | (is_integer(&item->number) ? (uint32_t)RAY_FORMAT_INTEGER : 0);
}

/* null for what protobuf holds is its default, that is: nothing was said. */
static void forget(ray_format_walk *walk, ray_format_event *event)
{
    ray_format_frame *top = &walk->frames[walk->depth - 1];
    uint32_t bit = event->property - ray_format_node_of(walk, top->node)->first_property;
    walk->seen[walk->depth - 1][bit / 64] &= ~((uint64_t)1 << (bit % 64));
    top->count--;
    event->skip = 1;
}

ray_status ray_format_scalar(ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_node *of = event->of;
    uint32_t wire = of->wire, *kind = &event->item.kind;
    event->value = RAY_NONE;
    if (event->untyped)
        type_text(of, event);
    if (*kind == RAY_JSON_STRING && (wire == RAY_WIRE_NONE || wire == RAY_WIRE_STRING) &&
        (of->bounds & (RAY_BOUND_ENUM | RAY_BOUND_CONST)) == 0)
        return of->types & RAY_FORMAT_STRING ? check_length(walk, of, event)
                                             : no(walk, RAY_KEYWORD_TYPE);
    if (*kind == RAY_JSON_NULL && !(of->types & RAY_FORMAT_NULL) && wire != RAY_WIRE_NONE &&
        event->property < walk->schema->property_count) {
        forget(walk, event);
        return RAY_OK;
    }
    if (wire == RAY_WIRE_ENUM && (*kind == RAY_JSON_STRING || *kind == RAY_JSON_NUMBER)) {
        event->value = value_of(walk, of, event, 1);
        if (event->value == RAY_NONE && event->untyped && number_of(event))
            event->value = value_of(walk, of, event, 1);   /* a number the enum has no name for */
        if (event->value == RAY_NONE &&
            (*kind == RAY_JSON_STRING || !fits_wire(RAY_WIRE_INT32, &event->item)))
            return no(walk, RAY_KEYWORD_ENUM);
        return RAY_OK;
    }
    if (wire == RAY_WIRE_BYTES && *kind == RAY_JSON_STRING)
        return check_bytes(walk, of, event);
    if (wire - RAY_WIRE_INT32 <= RAY_WIRE_SFIXED64 - RAY_WIRE_INT32) {
        if (*kind == RAY_JSON_STRING)
            number_of(event);
        if (*kind != RAY_JSON_NUMBER || !fits_wire(wire, &event->item))
            return no(walk, RAY_KEYWORD_TYPE);
    }
    if (!(of->types & type_bits(&event->item)))
        return no(walk, RAY_KEYWORD_TYPE);
    if (of->bounds & (RAY_BOUND_ENUM | RAY_BOUND_CONST)) {
        event->value = value_of(walk, of, event, 0);
        if (event->value == RAY_NONE)
            return no(walk, of->bounds & RAY_BOUND_CONST ? RAY_KEYWORD_CONST : RAY_KEYWORD_ENUM);
    }
    if (*kind == RAY_JSON_NUMBER)
        return check_number(walk, of, &event->item.number);
    return *kind == RAY_JSON_STRING ? count_length(walk, of, event) : RAY_OK;
}
