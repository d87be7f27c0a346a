/* SPDX-License-Identifier: MIT */
/* walk.c - where the reading is in the schema, and the schema's word on containers and members. */
#include "format_parts.h"

static const ray_format_node anything = {.types = RAY_FORMAT_ALL, .additional = RAY_FORMAT_ANY,
    .items = RAY_FORMAT_ANY, .max_length = UINT32_MAX, .max_items = UINT32_MAX,
    .max_properties = UINT32_MAX};

/* -- pointers -- */
static void point(ray_format_report *report, const char *at, uint64_t length)
{
    for (uint64_t i = 0; i < length && report->pointer_length < RAY_FORMAT_POINTER_BYTES; i++)
        report->pointer[report->pointer_length++] = at[i];
}

static void point_name(ray_format_report *report, ray_view name, uint32_t encoding)
{
    uint64_t i = 0;
    uint8_t piece[4];
    uint32_t step;
    point(report, "/", 1);
    while (report->pointer_length < RAY_FORMAT_POINTER_BYTES &&
           (step = ray_format_piece(name, encoding, &i, piece)) != 0)
        for (uint32_t k = 0; k < step; k++) {
            char c = (char)piece[k];
            if (c == '~' || c == '/')
                point(report, c == '~' ? "~0" : "~1", 2);
            else
                point(report, &c, 1);
        }
}

static void point_at(ray_format_walk *walk)
{
    ray_format_report *report = walk->report;
    report->pointer_length = 0;
    memset(report->pointer, 0, sizeof report->pointer);
    for (uint32_t i = 0; i < walk->depth; i++) {
        const ray_format_frame *frame = &walk->frames[i];
        char digits[20];
        ray_text text;
        if (frame->count == 0)
            return;
        if (frame->is_array) {
            ray_text_init(&text, digits, sizeof digits);
            ray_text_u64(&text, frame->count - 1);
            point(report, "/", 1);
            point(report, digits, text.length);
        } else if (frame->property < walk->schema->property_count) {
            const ray_format_property *p = &walk->schema->properties[frame->property];
            ray_view name = {walk->schema->text + p->name_at, p->name_length};
            point_name(report, name, RAY_ENCODING_PLAIN);
        } else if (i + 1 == walk->depth) {
            point_name(report, walk->name, walk->name_encoding);
        } else {
            point(report, "/*", 2);       /* a member the schema does not name */
        }
    }
}

ray_status ray_format_fail(ray_format_walk *walk, uint32_t fault, uint32_t keyword)
{
    walk->report->fault = fault;
    walk->report->keyword = keyword;
    point_at(walk);
    return fault == RAY_FORMAT_TOO_LARGE ? RAY_E_TRUNCATED : RAY_E_SYNTAX;
}

ray_status ray_format_lose(ray_format_walk *walk)
{
    if (walk->flags & RAY_FORMAT_STRICT)
        return ray_format_fail(walk, RAY_FORMAT_LOSSY, RAY_KEYWORD_NONE);
    if (!walk->report->lossy)
        point_at(walk);
    walk->report->lossy = 1;
    return RAY_OK;
}

static ray_status pass_over(ray_format_walk *walk, const ray_format_node *of)
{
    uint32_t may = walk->flags & (RAY_FORMAT_DROP | RAY_FORMAT_KEEP);
    uint32_t is_checked = walk->to == RAY_FORMAT_MAX;
    if (may == 0 && !(is_checked && of->additional == RAY_FORMAT_ANY))
        return ray_format_fail(walk, RAY_FORMAT_UNKNOWN_MEMBER,
                               RAY_KEYWORD_ADDITIONAL_PROPERTIES);
    /* What is only checked loses nothing, unless it is to be dropped later. */
    return is_checked && !(may & RAY_FORMAT_DROP) ? RAY_OK : ray_format_lose(walk);
}

ray_status ray_format_pass_over(ray_format_walk *walk, const ray_format_node *of, ray_view name,
                                uint32_t encoding)
{
    ray_format_frame *top = &walk->frames[walk->depth - 1];
    if (name.at == NULL)
        return pass_over(walk, of);
    walk->name = name;
    walk->name_encoding = encoding;
    top->property = RAY_NONE;
    top->count++;                         /* for the pointer alone: it counts as no member */
    ray_status status = pass_over(walk, of);
    top->count--;
    return status;
}

/* -- the schema -- */
const ray_format_node *ray_format_node_of(const ray_format_walk *walk, uint32_t node)
{
    return node < walk->schema->node_count ? &walk->schema->nodes[node] : &anything;
}

uint32_t ray_format_is_told(const ray_format_walk *walk, const ray_format_node *of,
                            uint32_t property)
{
    uint32_t bit = property - of->first_property;
    uint32_t node = walk->schema->properties[property].node;
    return (ray_format_node_of(walk, node)->types & RAY_FORMAT_ARRAY) != 0 &&
           (walk->seen[walk->depth - 1][bit / 64] >> (bit % 64) & 1) != 0;
}

static inline uint32_t is_named(const ray_format_walk *walk, uint32_t property, ray_view name,
                                uint32_t encoding, uint32_t xml)
{
    const ray_format_property *p = &walk->schema->properties[property];
    if (xml != RAY_NONE && (p->flags & (RAY_PROPERTY_ATTRIBUTE | RAY_PROPERTY_TEXT)) != xml)
        return 0;
    if (xml == RAY_PROPERTY_TEXT)
        return 1;
    if (encoding == RAY_ENCODING_PLAIN)
        return name.length == p->name_length &&
               ray_same(name.at, walk->schema->text + p->name_at, name.length);
    return ray_format_text_is(name, encoding, walk->schema->text + p->name_at, p->name_length);
}

/* Members mostly come in the order the schema has them, some left out: the search begins behind the
 * last one and goes round. Names are unique, so where it begins decides nothing. */
uint32_t ray_format_find(const ray_format_walk *walk, uint32_t node, ray_view name,
                         uint32_t encoding, uint32_t guess, uint32_t xml)
{
    const ray_format_node *of = ray_format_node_of(walk, node);
    uint32_t first = of->first_property, count = of->property_count;
    uint32_t begin = guess - first < count ? guess - first : 0;
    for (uint32_t i = begin; i < count; i++)
        if (is_named(walk, first + i, name, encoding, xml))
            return first + i;
    for (uint32_t i = 0; i < begin; i++)
        if (is_named(walk, first + i, name, encoding, xml))
            return first + i;
    return RAY_NONE;
}

static inline uint32_t next_node(const ray_format_walk *walk)
{
    if (walk->depth == 0)
        return walk->schema->node_count == 0 ? RAY_FORMAT_ANY : 0;
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    if (!top->is_array && top->property < walk->schema->property_count)
        return walk->schema->properties[top->property].node;
    if (top->is_array)
        return top->of->items;
    /* Where no other member is allowed, this one is here because it is kept. */
    return top->of->additional == RAY_FORMAT_NOTHING ? RAY_FORMAT_ANY : top->of->additional;
}

uint32_t ray_format_next_node(const ray_format_walk *walk)
{
    return next_node(walk);
}

/* -- containers -- */
static ray_status open(ray_format_walk *walk, ray_format_event *event, uint32_t is_array)
{
    const ray_format_node *of = event->of;
    if (!(of->types & (is_array ? RAY_FORMAT_ARRAY : RAY_FORMAT_OBJECT)))
        return ray_format_fail(walk, RAY_FORMAT_INVALID, RAY_KEYWORD_TYPE);
    if (of->bounds & (RAY_BOUND_ENUM | RAY_BOUND_CONST))
        return ray_format_fail(walk, RAY_FORMAT_INVALID,
                               of->bounds & RAY_BOUND_CONST ? RAY_KEYWORD_CONST
                                                            : RAY_KEYWORD_ENUM);
    if (walk->depth == RAY_FORMAT_DEPTH_MAX)
        return ray_format_fail(walk, RAY_FORMAT_TOO_DEEP, RAY_KEYWORD_NONE);
    ray_format_frame fresh = {of, event->node, RAY_FORMAT_ITEM, 0, is_array};
    for (uint32_t i = 0; i < RAY_FORMAT_WORDS; i++)
        walk->seen[walk->depth][i] = 0;
    walk->frames[walk->depth++] = fresh;
    return RAY_OK;
}

static ray_status check_members(ray_format_walk *walk, const ray_format_frame *top)
{
    const ray_format_node *of = top->of;
    const uint64_t *seen = walk->seen[walk->depth - 1];
    for (uint32_t i = 0; i < of->property_count; i++) {
        uint64_t missing = ~seen[i / 64] >> (i % 64);
        if (missing == 0) {               /* all the others of this word were there */
            i |= 63;
            continue;
        }
        i += (uint32_t)__builtin_ctzll(missing);
        if (i >= of->property_count)
            break;
        if (walk->schema->properties[of->first_property + i].flags & RAY_PROPERTY_REQUIRED) {
            walk->frames[walk->depth - 1].property = of->first_property + i;
            walk->frames[walk->depth - 1].count += top->count == 0;
            return ray_format_fail(walk, RAY_FORMAT_INVALID, RAY_KEYWORD_REQUIRED);
        }
    }
    walk->depth -= top->count < of->min_properties || top->count > of->max_properties;
    if (top->count < of->min_properties)
        return ray_format_fail(walk, RAY_FORMAT_INVALID, RAY_KEYWORD_MIN_PROPERTIES);
    if (top->count > of->max_properties)
        return ray_format_fail(walk, RAY_FORMAT_INVALID, RAY_KEYWORD_MAX_PROPERTIES);
    return RAY_OK;
}

static ray_status close(ray_format_walk *walk, ray_format_event *event)
{
    const ray_format_frame *top = &walk->frames[walk->depth - 1];
    const ray_format_node *of = top->of;
    event->node = top->node;
    event->of = of;
    if (!top->is_array) {
        ray_status status = check_members(walk, top);
        if (status != RAY_OK)
            return status;
    } else if (top->count < of->min_items || top->count > of->max_items) {
        walk->depth--;
        return ray_format_fail(walk, RAY_FORMAT_INVALID,
                               top->count < of->min_items ? RAY_KEYWORD_MIN_ITEMS
                                                          : RAY_KEYWORD_MAX_ITEMS);
    }
    walk->depth--;
    event->property = walk->depth > 0 ? walk->frames[walk->depth - 1].property : RAY_FORMAT_ITEM;
    return RAY_OK;
}

static ray_status member(ray_format_walk *walk, ray_format_event *event)
{
    ray_format_frame *top = &walk->frames[walk->depth - 1];
    const ray_format_node *of = top->of;
    uint32_t found = event->property;     /* a reader may know already */
    if (found == RAY_NONE) {
        found = top->count == 0 ? of->first_property : top->property + 1;
        if (found - of->first_property >= of->property_count ||
            !is_named(walk, found, event->item.text, event->encoding, RAY_NONE))
            found = ray_format_find(walk, top->node, event->item.text, event->encoding, found + 1,
                                    RAY_NONE);
    }
    walk->name = event->item.text;
    walk->name_encoding = event->encoding;
    top->property = found;
    top->count++;
    if (found != RAY_NONE) {
        uint32_t nth = found - of->first_property;
        uint64_t *word = &walk->seen[walk->depth - 1][nth / 64], bit = (uint64_t)1 << (nth % 64);
        if (*word & bit)
            return ray_format_fail(walk, RAY_FORMAT_DUPLICATE, RAY_KEYWORD_NONE);
        *word |= bit;
        return RAY_OK;
    }
    /* Only JSON has a place for a member without a number and a type. */
    uint32_t has_place = walk->to == RAY_FORMAT_JSON || walk->to == RAY_FORMAT_MAX;
    if (has_place && (of->additional != RAY_FORMAT_NOTHING || (walk->flags & RAY_FORMAT_KEEP)))
        return RAY_OK;
    event->skip = 1;
    ray_status status = pass_over(walk, of);
    top->count--;
    return status;
}

ray_status ray_format_step(ray_format_walk *walk, ray_format_event *event)
{
    uint32_t kind = event->item.kind;
    event->skip = 0;
    if (kind == RAY_JSON_NAME)
        return member(walk, event);
    if (kind == RAY_JSON_OBJECT_END || kind == RAY_JSON_ARRAY_END)
        return close(walk, event);
    event->node = next_node(walk);
    event->of = ray_format_node_of(walk, event->node);
    event->property = RAY_FORMAT_ITEM;
    if (walk->depth > 0) {
        ray_format_frame *top = &walk->frames[walk->depth - 1];
        if (top->is_array)
            top->count++;
        else
            event->property = top->property;
        if (event->node == RAY_FORMAT_NOTHING)
            return ray_format_fail(walk, RAY_FORMAT_INVALID, RAY_KEYWORD_ITEMS);
    }
    if (kind == RAY_JSON_OBJECT || kind == RAY_JSON_ARRAY)
        return open(walk, event, kind == RAY_JSON_ARRAY);
    return ray_format_scalar(walk, event);
}
