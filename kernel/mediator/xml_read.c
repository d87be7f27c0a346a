/* SPDX-License-Identifier: MIT */
/* xml_read.c - a checked document as events: attributes, then text, then elements; those of one
 * name next to each other are an array. */
#include "format_parts.h"
#include "xml_parts.h"

enum state { STATE_ELEMENT = 0, STATE_INSIDE = 1, STATE_TEXT = 2, STATE_DONE = 3 };
enum inside { INSIDE_TAG = 0, INSIDE_CONTENT = 1, INSIDE_ENDED = 2, INSIDE_BEHIND_TEXT = 3 };

static uint32_t is_special(const ray_xml *x, uint64_t i)
{
    return x->body.at[i] == '<' && (x->body.at[i + 1] == '!' || x->body.at[i + 1] == '?');
}

static uint32_t name_end(const ray_xml *x, uint32_t i)
{
    uint8_t c;
    while (c = x->body.at[i], !ray_xml_is_blank(c) && c != '=' && c != '>' && c != '/')
        i++;
    return i;
}

/* Behind comments, instructions and blanks. */
static void skip_blanks(ray_xml *x)
{
    while (x->place < x->body.length &&
           (ray_xml_is_blank(x->body.at[x->place]) ||
            (is_special(x, x->place) && x->body.at[x->place + 2] != '[')))
        x->place = ray_xml_is_blank(x->body.at[x->place])
                       ? x->place + 1 : (uint32_t)ray_xml_skip_special(x->body, x->place);
}

/* Where the characters at i end: at the next tag. */
static uint32_t text_end(const ray_xml *x, uint32_t i)
{
    while (i < x->body.length && (x->body.at[i] != '<' || is_special(x, i)))
        i = x->body.at[i] != '<' ? i + 1 : (uint32_t)ray_xml_skip_special(x->body, i);
    return i;
}

/* Behind the start tag at i, which is inside its name or behind; *empty when it ends with />. */
static uint32_t tag_end(const ray_xml *x, uint32_t i, uint32_t *empty)
{
    while (x->body.at[i] != '>') {
        uint8_t c = x->body.at[i++];
        if (c == '"' || c == '\'')
            while (x->body.at[i++] != c)
                continue;
    }
    *empty = x->body.at[i - 1] == '/';
    return i + 1;
}

/* Behind the element whose start tag's '<' is at i. */
static uint32_t element_end(const ray_xml *x, uint32_t i)
{
    uint32_t depth = 0, empty = 0;
    do {
        if (x->body.at[i + 1] == '/') {
            depth--;
            i = tag_end(x, i, &empty);
        } else {
            i = tag_end(x, i, &empty);
            depth += !empty;
        }
        i = depth > 0 ? text_end(x, i) : i;
    } while (depth > 0);
    return i;
}

ray_status ray_xml_init(ray_xml *x, ray_format_walk *walk, ray_view body)
{
    memset(x, 0, sizeof *x);
    ray_status status = ray_xml_check(body, walk->report);
    if (status != RAY_OK)
        return status;
    walk->report->place = 0;
    x->body = body;
    if (body.at[0] == 0xef)
        x->place = 3;
    skip_blanks(x);
    ray_view name = {body.at + x->place + 1, name_end(x, x->place + 1) - x->place - 1};
    const ray_format_schema *s = walk->schema;
    if (s->name_length != 0 && !ray_format_text_is(name, RAY_ENCODING_PLAIN, s->text + s->name_at,
                                                   s->name_length))
        return ray_format_fail(walk, RAY_FORMAT_UNKNOWN_MEMBER, RAY_KEYWORD_NONE);
    return RAY_OK;
}

static void text(ray_format_event *event, ray_view view, uint32_t encoding)
{
    event->item.kind = RAY_JSON_STRING;
    event->item.text = view;
    event->encoding = encoding;
    event->untyped = 1;
}

/* An element that is one value has no attributes. */
static const ray_format_node bare = {.additional = RAY_FORMAT_NOTHING};

/* The element at x->place as a value of the node that comes. */
static ray_status element(ray_xml *x, ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_node *of = ray_format_node_of(walk, ray_format_next_node(walk));
    uint32_t begin = name_end(x, x->place + 1), empty = 0;
    x->state = STATE_INSIDE;
    if (of->types & RAY_FORMAT_OBJECT) {
        if (walk->depth == RAY_FORMAT_DEPTH_MAX)
            return ray_format_fail(walk, RAY_FORMAT_TOO_DEEP, RAY_KEYWORD_NONE);
        event->item.kind = RAY_JSON_OBJECT;
        x->frames[walk->depth].inside = INSIDE_TAG;
        x->place = begin;
        return RAY_OK;
    }
    while (ray_xml_is_blank(x->body.at[begin]))
        begin++;
    uint32_t content = tag_end(x, begin, &empty);
    ray_view view = {x->body.at + content, 0}, none = {NULL, 0};
    if (x->body.at[begin] != '>' && x->body.at[begin] != '/') {
        ray_status status = ray_format_pass_over(walk, &bare, none, RAY_ENCODING_PLAIN);
        if (status != RAY_OK)
            return status;
    }
    if (!empty) {
        uint32_t end = text_end(x, content);
        view.length = end - content;
        if (x->body.at[end + 1] != '/')
            return ray_format_fail(walk, RAY_FORMAT_INVALID, RAY_KEYWORD_TYPE);
        content = tag_end(x, end, &empty);
    }
    x->place = content;
    text(event, view, RAY_ENCODING_XML);
    return RAY_OK;
}

static ray_status unknown(ray_format_walk *walk, ray_view name)
{
    const ray_format_node *of = ray_format_node_of(walk, walk->frames[walk->depth - 1].node);
    return ray_format_pass_over(walk, of, name, RAY_ENCODING_PLAIN);
}

static void tell(ray_format_walk *walk, ray_format_event *event, uint32_t found)
{
    const ray_format_property *p = &walk->schema->properties[found];
    event->item.kind = RAY_JSON_NAME;
    event->item.text.at = walk->schema->text + p->name_at;
    event->item.text.length = p->name_length;
    event->property = found;
}

/* The next attribute; *told is 0 when the tag has no more. */
static ray_status attribute(ray_xml *x, ray_format_walk *walk, ray_format_event *event,
                            uint32_t *told)
{
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    for (;;) {
        while (ray_xml_is_blank(x->body.at[x->place]))
            x->place++;
        uint32_t is_empty = x->body.at[x->place] == '/';
        if (is_empty || x->body.at[x->place] == '>') {
            x->frames[walk->depth - 1].inside = is_empty ? INSIDE_ENDED : INSIDE_CONTENT;
            x->place += 1 + is_empty;
            *told = 0;
            return RAY_OK;
        }
        ray_view name = {x->body.at + x->place, name_end(x, x->place) - x->place};
        uint32_t i = x->place + (uint32_t)name.length;
        while (x->body.at[i] != '"' && x->body.at[i] != '\'')
            i++;
        x->text = i + 1;
        for (x->text_end = x->text; x->body.at[x->text_end] != x->body.at[i];)
            x->text_end++;
        x->place = x->text_end + 1;
        if (name.length >= 5 && ray_same(name.at, "xmlns", 5))
            continue;                     /* names spaces, says nothing */
        uint32_t found = ray_format_find(walk, top->node, name, RAY_ENCODING_PLAIN,
                                         top->property + 1, RAY_PROPERTY_ATTRIBUTE);
        if (found != RAY_NONE) {
            tell(walk, event, found);
            x->state = STATE_TEXT;
            *told = 1;
            return RAY_OK;
        }
        ray_status status = unknown(walk, name);
        if (status != RAY_OK)
            return status;
    }
}

/* Text first, where the schema has a place for it; then elements, then the end. */
static ray_status content(ray_xml *x, ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    ray_xml_frame *frame = &x->frames[walk->depth - 1];
    uint32_t empty = 0;
    ray_view none = {x->body.at, 0};
    if (frame->inside == INSIDE_CONTENT) {
        frame->inside = INSIDE_BEHIND_TEXT;
        uint32_t found = ray_format_find(walk, top->node, none, RAY_ENCODING_PLAIN, RAY_NONE,
                                         RAY_PROPERTY_TEXT);
        x->text = x->place;
        x->text_end = text_end(x, x->place);
        if (found != RAY_NONE && x->text_end > x->text) {
            x->place = x->text_end;
            tell(walk, event, found);
            x->state = STATE_TEXT;
            return RAY_OK;
        }
    }
    for (;;) {
        skip_blanks(x);
        if (x->body.at[x->place] != '<' || x->body.at[x->place + 1] == '!')
            return ray_format_fail(walk, RAY_FORMAT_UNSUPPORTED, RAY_KEYWORD_NONE);
        if (x->body.at[x->place + 1] == '/') {
            x->place = tag_end(x, x->place, &empty);
            event->item.kind = RAY_JSON_OBJECT_END;
            return RAY_OK;
        }
        ray_view name = {x->body.at + x->place + 1,
                         name_end(x, x->place + 1) - x->place - 1};
        uint32_t found = ray_format_find(walk, top->node, name, RAY_ENCODING_PLAIN,
                                         top->property + 1, 0);
        if (found != RAY_NONE) {
            tell(walk, event, found);
            x->tag = x->place + 1;
            x->tag_end = x->tag + (uint32_t)name.length;
            x->state = STATE_ELEMENT;
            return RAY_OK;
        }
        ray_status status = unknown(walk, name);
        if (status != RAY_OK)
            return status;
        x->place = element_end(x, x->place);
    }
}

/* Behind an item: another of the same name, or the array's end. */
static ray_status item(ray_xml *x, ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_property *p =
        &walk->schema->properties[walk->frames[walk->depth - 2].property];
    skip_blanks(x);
    ray_view name = {x->body.at + x->place + 1, 0};
    if (x->body.at[x->place] == '<' && x->body.at[x->place + 1] != '!')
        name.length = name_end(x, x->place + 1) - x->place - 1;
    if (ray_format_text_is(name, RAY_ENCODING_PLAIN, walk->schema->text + p->name_at,
                           p->name_length))
        return element(x, walk, event);
    event->item.kind = RAY_JSON_ARRAY_END;
    return RAY_OK;
}

ray_status ray_xml_next(ray_xml *x, ray_format_walk *walk, ray_format_event *event)
{
    memset(event, 0, sizeof *event);
    event->property = RAY_NONE;
    if (x->state == STATE_ELEMENT) {
        const ray_format_node *of = ray_format_node_of(walk, ray_format_next_node(walk));
        x->state = STATE_INSIDE;
        if (walk->depth == 0 || !(of->types & RAY_FORMAT_ARRAY))
            return element(x, walk, event);
        event->item.kind = RAY_JSON_ARRAY;
        return RAY_OK;
    }
    if (walk->depth == 0) {
        event->item.kind = RAY_JSON_END;
        return RAY_OK;
    }
    if (x->state == STATE_TEXT) {
        ray_view view = {x->body.at + x->text, x->text_end - x->text};
        uint32_t in_tag = x->frames[walk->depth - 1].inside == INSIDE_TAG;
        x->state = STATE_INSIDE;
        text(event, view, in_tag ? RAY_ENCODING_ATTRIBUTE : RAY_ENCODING_XML);
        return RAY_OK;
    }
    if (walk->frames[walk->depth - 1].is_array)
        return item(x, walk, event);
    if (x->frames[walk->depth - 1].inside == INSIDE_TAG) {
        uint32_t told = 0;
        ray_status status = attribute(x, walk, event, &told);
        if (status != RAY_OK || told)
            return status;
    }
    if (x->frames[walk->depth - 1].inside == INSIDE_ENDED) {
        event->item.kind = RAY_JSON_OBJECT_END;
        return RAY_OK;
    }
    return content(x, walk, event);
}
