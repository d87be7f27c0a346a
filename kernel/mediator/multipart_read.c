/* SPDX-License-Identifier: MIT */
/* multipart_read.c - parts as events, in any order; those of one name are an array. What a part is
 * the schema says: text, bytes, or an object of filename, content_type and content. */
#include "multipart_parts.h"
#include "base/headers.h"
#include "base/parameters.h"

enum state { STATE_ROOT = 0, STATE_PARTS = 1, STATE_VALUE = 2, STATE_DONE = 3 };
enum { MEMBER_FILENAME = 0, MEMBER_TYPE = 1, MEMBER_CONTENT = 2, MEMBERS = 3 };

/* The header was read before, so there is no fault in it. */
static void head_of(const ray_multipart *m, uint32_t part, ray_multipart_head *head)
{
    (void)ray_multipart_head_read(m->body, m->parts[part].head, head);
}

/* The next part of the property, from m->place on; it becomes the current one. */
static uint32_t next_of(ray_multipart *m, const ray_format_walk *walk, uint32_t property)
{
    const ray_format_property *p = &walk->schema->properties[property];
    ray_multipart_head head;
    for (; m->place < m->count; m->place++) {
        head_of(m, m->place, &head);
        if (ray_format_text_is(head.name, head.name_encoding, walk->schema->text + p->name_at,
                               p->name_length)) {
            m->current = m->place++;
            return 1;
        }
    }
    return 0;
}

/* -- values -- */
/* Said of the value to come: in an array its place counts already. */
static ray_status said(ray_format_walk *walk, uint32_t fault, uint32_t keyword)
{
    ray_format_frame *top = &walk->frames[walk->depth - 1];
    top->count += top->is_array;
    ray_status status = fault == RAY_FORMAT_LOSSY ? ray_format_lose(walk)
                                                  : ray_format_fail(walk, fault, keyword);
    top->count -= top->is_array;
    return status;
}

/* The content as text or as bytes. Where it stands for the whole part, filename and type have no
 * place any more. */
static ray_status content(const ray_multipart *m, ray_format_walk *walk, ray_format_event *event,
                          const ray_multipart_head *head, uint32_t node, uint32_t whole)
{
    const ray_multipart_part *part = &m->parts[m->current];
    uint32_t is_bytes = ray_format_node_of(walk, node)->wire == RAY_WIRE_BYTES;
    event->item.kind = RAY_JSON_STRING;
    event->item.text = (ray_view){m->body.at + part->content, part->end - part->content};
    event->untyped = 1;
    event->encoding = head->transfer;
    if (is_bytes && head->transfer == RAY_ENCODING_PLAIN)
        event->raw = 1;
    else if (is_bytes)
        event->encoding = head->transfer == RAY_ENCODING_BASE64
                              ? RAY_ENCODING_BASE64_LINES : RAY_ENCODING_PRINTABLE_BYTES;
    walk->report->place = part->content;
    if (!is_bytes && whole && head->is_file)
        return said(walk, RAY_FORMAT_INVALID, RAY_KEYWORD_TYPE);
    if (!is_bytes && (!ray_content_charset_known(head->type) ||
                      !ray_format_utf8(event->item.text, event->encoding)))
        return said(walk, RAY_FORMAT_NOT_UTF8, RAY_KEYWORD_NONE);
    uint32_t is_usual = head->type.length == 0 ||
                        ray_view_is(ray_parameters_of(head->type),
                                    is_bytes ? "application/octet-stream" : "text/plain");
    return whole && (head->is_file || !is_usual) && walk->to != RAY_FORMAT_MAX
               ? said(walk, RAY_FORMAT_LOSSY, RAY_KEYWORD_NONE) : RAY_OK;
}

static ray_status value(ray_multipart *m, ray_format_walk *walk, ray_format_event *event,
                        uint32_t node)
{
    uint32_t types = ray_format_node_of(walk, node)->types;
    ray_multipart_head head;
    if (types & RAY_FORMAT_OBJECT && !(types & RAY_FORMAT_STRING)) {
        event->item.kind = RAY_JSON_OBJECT;
        m->member = 1;
        return RAY_OK;
    }
    head_of(m, m->current, &head);
    return content(m, walk, event, &head, node, 1);
}

/* -- inside an object: m->member is 1 + 2 * the member to come, and one more behind its name -- */
static ray_status inside(ray_multipart *m, ray_format_walk *walk, ray_format_event *event)
{
    static const char names[MEMBERS][16] = {"filename", "content_type", "content"};
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    ray_multipart_head head;
    head_of(m, m->current, &head);
    for (uint32_t k = (m->member - 1) / 2; m->member & 1 && k < MEMBERS; k++, m->member += 2) {
        ray_view name = {(const uint8_t *)names[k], ray_length_of(names[k])};
        if ((k == MEMBER_FILENAME && !head.is_file) || (k == MEMBER_TYPE && !head.type.length))
            continue;
        event->item.kind = RAY_JSON_NAME;
        event->item.text = name;
        event->property = ray_format_find(walk, top->node, name, RAY_ENCODING_PLAIN,
                                          top->property + 1, RAY_NONE);
        if (event->property != RAY_NONE) {
            m->member++;
            return RAY_OK;
        }
        ray_status status = ray_format_pass_over(walk, ray_format_node_of(walk, top->node), name,
                                                 RAY_ENCODING_PLAIN);
        if (status != RAY_OK)
            return status;
    }
    if (m->member & 1) {
        event->item.kind = RAY_JSON_OBJECT_END;
        m->member = 0;
        return RAY_OK;
    }
    uint32_t k = m->member++ / 2 - 1;
    if (k == MEMBER_CONTENT)
        return content(m, walk, event, &head, ray_format_next_node(walk), 0);
    event->item.kind = RAY_JSON_STRING;
    event->item.text = k == MEMBER_FILENAME ? head.filename : head.type;
    event->encoding = k == MEMBER_FILENAME ? head.filename_encoding : (uint32_t)RAY_ENCODING_PLAIN;
    event->untyped = 1;
    return RAY_OK;
}

/* -- the body -- */
/* A part whose name was not told yet, or the end. */
static ray_status member(ray_multipart *m, ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    const ray_format_node *of = ray_format_node_of(walk, top->node);
    ray_multipart_head head;
    for (; m->place < m->count; m->place++) {
        head_of(m, m->place, &head);
        uint32_t found = ray_format_find(walk, top->node, head.name, head.name_encoding,
                                         top->property + 1, RAY_NONE);
        walk->report->place = m->parts[m->place].head;
        if (found == RAY_NONE) {          /* has no type; the walk says whether that is allowed */
            ray_status status = ray_format_pass_over(walk, of, head.name, head.name_encoding);
            if (status != RAY_OK)
                return status;
            continue;
        }
        if (ray_format_is_told(walk, of, found) != 0)
            continue;
        event->item.kind = RAY_JSON_NAME;
        event->item.text = head.name;
        event->encoding = head.name_encoding;
        event->property = found;
        m->current = m->place++;
        m->state = STATE_VALUE;
        return RAY_OK;
    }
    event->item.kind = RAY_JSON_OBJECT_END;
    m->state = STATE_DONE;
    return RAY_OK;
}

ray_status ray_multipart_next(ray_multipart *m, ray_format_walk *walk, ray_format_event *event)
{
    memset(event, 0, sizeof *event);
    event->property = RAY_NONE;
    if (m->state == STATE_ROOT || m->state == STATE_DONE) {
        event->item.kind = m->state == STATE_ROOT ? RAY_JSON_OBJECT : RAY_JSON_END;
        m->state = m->state == STATE_ROOT ? STATE_PARTS : STATE_DONE;
        return RAY_OK;
    }
    if (m->member != 0)
        return inside(m, walk, event);
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    if (m->state == STATE_VALUE) {
        uint32_t node = walk->schema->properties[top->property].node;
        m->state = STATE_PARTS;
        if ((ray_format_node_of(walk, node)->types & RAY_FORMAT_ARRAY) == 0)
            return value(m, walk, event, node);
        event->item.kind = RAY_JSON_ARRAY;
        m->resume = m->place;
        m->place = m->current;
        return RAY_OK;
    }
    if (!top->is_array)
        return member(m, walk, event);
    if (next_of(m, walk, walk->frames[walk->depth - 2].property))
        return value(m, walk, event, ray_format_next_node(walk));
    m->place = m->resume;
    event->item.kind = RAY_JSON_ARRAY_END;
    return RAY_OK;
}
