/* SPDX-License-Identifier: MIT */
/* protobuf_read.c - the wire format as events. Fields come in any order there, and one may come in
 * pieces: an array gathers its items over the whole message, of a single field the last counts, and
 * a message is all its pieces one behind the other. They are not copied together: a frame goes from
 * piece to piece, and what is inside gathers over all of them in turn. */
#include "format_parts.h"
#include "base/utf8.h"

typedef struct entry {
    uint64_t value;                       /* of a number */
    uint32_t number, type;
    uint32_t at, end;                     /* payload of types 2 and 3, and where the next begins */
    uint32_t next;
} entry;

enum state { STATE_ROOT = 0, STATE_BODY = 1, STATE_VALUE = 2, STATE_DONE = 3 };

static uint32_t varint(const uint8_t *at, uint32_t place, uint32_t end, uint64_t *value)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < 10 && place + i < end; i++) {
        uint8_t c = at[place + i];
        if (i == 9 && c > 1)
            return 0;
        all |= (uint64_t)(c & 0x7f) << 7 * i;
        if (c < 0x80) {
            *value = all;
            return place + i + 1;
        }
    }
    return 0;
}

static uint32_t head(const uint8_t *at, uint32_t place, uint32_t end, entry *e)
{
    uint64_t tag = 0;
    uint32_t next = varint(at, place, end, &tag);
    if (next == 0 || tag > UINT32_MAX || tag >> 3 == 0)
        return 0;
    e->number = (uint32_t)(tag >> 3);
    e->type = (uint32_t)tag & 7;
    return next;
}

/* One entry that is not a group; 0 when it does not parse. */
static uint32_t plain(const uint8_t *at, uint32_t place, uint32_t end, entry *e)
{
    uint32_t width = e->type == 1 ? 8 : 4;
    if (e->type == 0)
        return varint(at, place, end, &e->value);
    if (e->type == 2) {
        place = varint(at, place, end, &e->value);
        if (place == 0 || e->value > end - place)
            return 0;
        e->at = place;
        e->end = place + (uint32_t)e->value;
        return e->end;
    }
    if ((e->type != 1 && e->type != 5) || end - place < width)
        return 0;
    e->value = 0;
    for (uint32_t i = 0; i < width; i++)
        e->value |= (uint64_t)at[place + i] << 8 * i;
    return place + width;
}

/* Behind a group, which no field of proto3 is: only its end is looked for. */
static uint32_t group(const uint8_t *at, uint32_t place, uint32_t end, uint32_t number)
{
    uint32_t open[RAY_FORMAT_DEPTH_MAX], depth = 1;
    open[0] = number;
    while (depth > 0) {
        entry e = {0};
        place = place < end ? head(at, place, end, &e) : 0;
        if (place == 0 || (e.type == 3 && depth == RAY_FORMAT_DEPTH_MAX))
            return 0;
        if (e.type == 3) {
            open[depth++] = e.number;
        } else if (e.type == 4) {
            if (open[--depth] != e.number)
                return 0;
        } else {
            place = plain(at, place, end, &e);
            if (place == 0)
                return 0;
        }
    }
    return place;
}

static uint32_t entry_at(const ray_protobuf *p, uint32_t place, uint32_t end, entry *e)
{
    place = head(p->at, place, end, e);
    if (place == 0)
        return 0;
    e->next = e->type == 3 ? group(p->at, place, end, e->number) : plain(p->at, place, end, e);
    return e->next;
}

ray_status ray_protobuf_init(ray_protobuf *p, ray_view body)
{
    memset(p, 0, sizeof *p);
    p->at = body.at;
    p->length = (uint32_t)body.length;
    return body.length > RAY_JSON_BYTES_MAX ? RAY_E_RANGE : RAY_OK;
}

/* 1 when a frame stands before an entry, in this piece of its message or in a later one. */
static uint32_t is_more(const ray_protobuf *p, ray_protobuf_frame *f)
{
    while (f->place >= f->end && f->piece < f->piece_count) {
        const ray_protobuf_piece *next = &p->pieces[f->first_piece + f->piece++];
        f->place = next->at;
        f->end = next->end;
    }
    return f->place < f->end;
}

static ray_status bad(ray_protobuf *p, ray_format_walk *walk, uint32_t fault)
{
    uint32_t depth = walk->depth;
    walk->report->place = depth > 0 ? p->frames[depth - 1].place : 0;
    return ray_format_fail(walk, fault, RAY_KEYWORD_NONE);
}

/* Every entry of a message is looked at before the first is told, so that nothing is told of one
 * that is cut short. */
static uint32_t is_whole(const ray_protobuf *p, uint32_t place, uint32_t end)
{
    while (place < end) {
        entry e = {0};
        place = entry_at(p, place, end, &e);
        if (place == 0)
            return 0;
    }
    return 1;
}

static uint32_t wire_type(uint32_t wire)
{
    switch (wire) {
    case RAY_WIRE_FIXED32: case RAY_WIRE_SFIXED32: return 5;
    case RAY_WIRE_FIXED64: case RAY_WIRE_SFIXED64: return 1;
    case RAY_WIRE_STRING: case RAY_WIRE_BYTES: case RAY_WIRE_MESSAGE: return 2;
    default: return 0;
    }
}

/* The wire of what the field holds: of its items when it is an array. */
static uint32_t field_wire(const ray_format_walk *walk, uint32_t node, uint32_t *is_array)
{
    const ray_format_node *of = ray_format_node_of(walk, node);
    *is_array = of->wire == RAY_WIRE_NONE && (of->types & RAY_FORMAT_ARRAY) != 0;
    return *is_array ? ray_format_node_of(walk, of->items)->wire : of->wire;
}

/* Does the entry hold the field at all? One of another wire type is an unknown field. */
static uint32_t holds(const ray_format_walk *walk, const ray_format_property *f, const entry *e)
{
    uint32_t is_array = 0, wire = field_wire(walk, f->node, &is_array);
    if (f->number != e->number || wire == RAY_WIRE_NONE)
        return 0;
    return e->type == wire_type(wire) || (is_array && e->type == 2 && wire_type(wire) != 2);
}

static uint32_t property_at(const ray_format_walk *walk, uint32_t node, const entry *e,
                            uint32_t guess)
{
    const ray_format_node *of = ray_format_node_of(walk, node);
    const ray_format_property *all = walk->schema->properties;
    uint32_t end = of->first_property + of->property_count;
    if (guess >= of->first_property && guess < end && holds(walk, &all[guess], e))
        return guess;
    for (uint32_t i = of->first_property; i < end; i++)
        if (holds(walk, &all[i], e))
            return i;
    return RAY_NONE;
}

/* The next entry of the same field from where `at` stands, which goes behind it; 0: none. */
static uint32_t again(const ray_protobuf *p, const ray_format_walk *walk,
                      const ray_format_property *f, ray_protobuf_frame *at, entry *e)
{
    while (is_more(p, at)) {
        at->place = entry_at(p, at->place, at->end, e);
        if (holds(walk, f, e))
            return 1;
    }
    return 0;
}

static void sign(ray_json_number *number, uint64_t magnitude, uint32_t negative)
{
    number->mantissa = magnitude;
    number->exponent = 0;
    number->negative = (uint16_t)negative;
    number->exact = 1;
}

/* A number of the wire as the field's type understands it: 64 bits cut to 32 where it has 32. */
static void number(uint32_t wire, uint64_t bits, ray_format_event *event)
{
    uint64_t u = bits;
    uint32_t is_signed = 1;
    event->item.kind = RAY_JSON_NUMBER;
    event->whole = 1;
    switch (wire) {
    case RAY_WIRE_BOOL: event->item.kind = bits != 0 ? RAY_JSON_TRUE : RAY_JSON_FALSE; return;
    case RAY_WIRE_SINT32: bits &= UINT32_MAX; u = bits >> 1 ^ (0 - (bits & 1)); break;
    case RAY_WIRE_SINT64: u = bits >> 1 ^ (0 - (bits & 1)); break;
    case RAY_WIRE_INT32: case RAY_WIRE_SFIXED32: case RAY_WIRE_ENUM:
        u = (uint64_t)(int64_t)(int32_t)(uint32_t)bits;
        break;
    case RAY_WIRE_UINT32: case RAY_WIRE_FIXED32: u = (uint32_t)bits; is_signed = 0; break;
    case RAY_WIRE_UINT64: case RAY_WIRE_FIXED64: is_signed = 0; break;
    default: break;
    }
    uint32_t negative = is_signed && u >> 63 != 0;
    sign(&event->item.number, negative ? 0 - u : u, negative);
}

/* Pieces in use while the innermost frame is open: those of its message come last. */
static uint32_t pieces_used(const ray_protobuf *p, const ray_format_walk *walk)
{
    const ray_protobuf_frame *top = &p->frames[walk->depth == 0 ? 0 : walk->depth - 1];
    return walk->depth == 0 ? 0 : (uint32_t)top->first_piece + top->piece_count;
}

/* Opens the message whose first piece the entry is; its others come by `more`. */
static ray_status open(ray_protobuf *p, ray_format_walk *walk, ray_format_event *event,
                       const entry *e)
{
    if (walk->depth == RAY_FORMAT_DEPTH_MAX)
        return bad(p, walk, RAY_FORMAT_TOO_DEEP);
    if (!is_whole(p, e->at, e->end))
        return bad(p, walk, RAY_FORMAT_SYNTAX);
    ray_protobuf_frame fresh = {e->at, e->end, 0, (uint8_t)pieces_used(p, walk), 0, 0, 0};
    p->frames[walk->depth] = fresh;
    event->item.kind = RAY_JSON_OBJECT;
    return RAY_OK;
}

/* One piece more of the message that was just opened. */
static ray_status more(ray_protobuf *p, ray_format_walk *walk, const entry *e)
{
    ray_protobuf_frame *frame = &p->frames[walk->depth];
    uint32_t place = (uint32_t)frame->first_piece + frame->piece_count;
    if (place == RAY_FORMAT_PIECE_MAX)
        return bad(p, walk, RAY_FORMAT_SCATTERED);
    if (!is_whole(p, e->at, e->end))
        return bad(p, walk, RAY_FORMAT_SYNTAX);
    ray_protobuf_piece piece = {e->at, e->end};
    p->pieces[place] = piece;
    frame->piece_count++;
    return RAY_OK;
}

static ray_status value(ray_protobuf *p, ray_format_walk *walk, ray_format_event *event,
                        uint32_t wire, const entry *e)
{
    ray_view text = {p->at + e->at, e->end - e->at};
    if (wire == RAY_WIRE_MESSAGE) {
        return open(p, walk, event, e);
    } else if (wire_type(wire) == 2) {
        if (wire == RAY_WIRE_STRING && ray_utf8_valid(text) != text.length)
            return bad(p, walk, RAY_FORMAT_NOT_UTF8);
        event->item.text = text;
        event->item.kind = RAY_JSON_STRING;
        event->raw = wire == RAY_WIRE_BYTES;
    } else {
        number(wire, e->value, event);
    }
    return RAY_OK;
}

/* A field no schema names goes by its number. An open message may have any: proto3 lets a reader
 * leave out what it does not know, so that is a loss and no fault. */
static ray_status unnamed(ray_format_walk *walk, const ray_format_node *of, uint32_t field)
{
    static const ray_format_node open = {.additional = RAY_FORMAT_ANY};
    uint32_t flags = walk->flags;
    char digits[20];
    ray_text text;
    ray_text_init(&text, digits, sizeof digits);
    ray_text_u64(&text, field);
    ray_view name = {(const uint8_t *)digits, text.length};
    if (of->additional != RAY_FORMAT_NOTHING && walk->to != RAY_FORMAT_MAX)
        walk->flags |= RAY_FORMAT_DROP;
    ray_status status = ray_format_pass_over(
        walk, of->additional != RAY_FORMAT_NOTHING ? &open : of, name, RAY_ENCODING_PLAIN);
    walk->flags = flags;
    walk->name.length = 0;                /* the digits are gone behind this line */
    return status;
}

/* -- one message: the next field that was not told yet -- */
static ray_status field(ray_protobuf *p, ray_format_walk *walk, ray_format_event *event)
{
    ray_protobuf_frame *frame = &p->frames[walk->depth - 1];
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    const ray_format_node *of = ray_format_node_of(walk, top->node);
    while (is_more(p, frame)) {
        entry e = {0};
        uint32_t place = frame->place;
        frame->place = entry_at(p, place, frame->end, &e);
        uint32_t found = property_at(walk, top->node, &e, top->property + 1);
        if (found == RAY_NONE) {
            ray_status status = unnamed(walk, of, e.number);
            if (status == RAY_OK)
                continue;
            walk->report->place = place;
            return status;
        }
        uint32_t bit = found - of->first_property;
        if (walk->seen[walk->depth - 1][bit / 64] >> (bit % 64) & 1)
            continue;                     /* told with its first entry */
        event->item.kind = RAY_JSON_NAME;
        event->property = found;
        event->item.text.at = walk->schema->text + walk->schema->properties[found].name_at;
        event->item.text.length = walk->schema->properties[found].name_length;
        p->pending_at = place;
        p->state = STATE_VALUE;
        return RAY_OK;
    }
    event->item.kind = RAY_JSON_OBJECT_END;
    return RAY_OK;
}

/* The value behind a name: an array's beginning, a message with all its pieces, or of all entries
 * the last. A text that does not count must be text all the same. */
static ray_status behind_name(ray_protobuf *p, ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_property *f =
        &walk->schema->properties[walk->frames[walk->depth - 1].property];
    uint32_t is_array = 0, wire = field_wire(walk, f->node, &is_array);
    ray_protobuf_frame at = p->frames[walk->depth - 1];
    entry e = {0};
    p->state = STATE_BODY;
    if (is_array) {
        if (walk->depth == RAY_FORMAT_DEPTH_MAX)
            return bad(p, walk, RAY_FORMAT_TOO_DEEP);
        at.place = p->pending_at;         /* its first item: in the piece the message stands in */
        p->frames[walk->depth] = at;
        event->item.kind = RAY_JSON_ARRAY;
        return RAY_OK;
    }
    entry_at(p, p->pending_at, at.end, &e);
    ray_status status = value(p, walk, event, wire, &e);
    while (status == RAY_OK && again(p, walk, f, &at, &e))
        status = wire == RAY_WIRE_MESSAGE ? more(p, walk, &e) : value(p, walk, event, wire, &e);
    return status;
}

static ray_status item(ray_protobuf *p, ray_format_walk *walk, ray_format_event *event)
{
    ray_protobuf_frame *frame = &p->frames[walk->depth - 1];
    const ray_format_property *f =
        &walk->schema->properties[walk->frames[walk->depth - 2].property];
    uint32_t is_array = 0, wire = field_wire(walk, f->node, &is_array);
    entry e = {0};
    for (;;) {
        if (frame->packed != 0) {         /* `place` and `packed_end` are the packed entry's */
            if (frame->place < frame->packed_end) {
                e.type = wire_type(wire);
                frame->place = plain(p->at, frame->place, frame->packed_end, &e);
                return frame->place == 0 ? bad(p, walk, RAY_FORMAT_SYNTAX)
                                         : value(p, walk, event, wire, &e);
            }
            frame->place = frame->packed_end;
            frame->packed = 0;
        }
        if (!again(p, walk, f, frame, &e)) {
            event->item.kind = RAY_JSON_ARRAY_END;
            return RAY_OK;
        }
        if (e.type != 2 || wire_type(wire) == 2)
            return value(p, walk, event, wire, &e);
        frame->place = e.at;
        frame->packed_end = e.end;
        frame->packed = 1;
    }
}

ray_status ray_protobuf_next(ray_protobuf *p, ray_format_walk *walk, ray_format_event *event)
{
    memset(event, 0, sizeof *event);
    event->property = RAY_NONE;
    if (p->state == STATE_ROOT) {
        entry all = {0, 0, 2, 0, p->length, p->length};
        p->state = STATE_BODY;
        return value(p, walk, event, RAY_WIRE_MESSAGE, &all);
    }
    if (walk->depth == 0) {
        event->item.kind = RAY_JSON_END;
        return RAY_OK;
    }
    if (p->state == STATE_VALUE)
        return behind_name(p, walk, event);
    return walk->frames[walk->depth - 1].is_array ? item(p, walk, event) : field(p, walk, event);
}
