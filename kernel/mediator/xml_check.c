/* SPDX-License-Identifier: MIT */
/* xml_check.c - is it one well-formed XML 1.0 document with namespaces, and without any document
 * type? The first byte of one ends it: entities are then only the five, so nothing ever expands. */
#include "format_parts.h"
#include "xml_parts.h"
#include "base/utf8.h"

static uint32_t is_at(const ray_xml_check_state *x, const char *word)
{
    uint64_t n = ray_length_of(word);
    return x->body.length - x->i >= n && x->body.at[x->i] == (uint8_t)word[0] &&
           ray_same(x->body.at + x->i, word, n);
}

uint32_t ray_xml_fail(ray_xml_check_state *x, uint32_t fault)
{
    if (x->fault == RAY_FORMAT_FINE)
        x->fault = x->i >= x->body.length && fault == RAY_FORMAT_SYNTAX ? (uint32_t)RAY_FORMAT_CUT
                                                                        : fault;
    return 0;
}

static uint32_t blanks(ray_xml_check_state *x)
{
    uint64_t begin = x->i;
    while (x->i < x->body.length && ray_xml_is_blank(x->body.at[x->i]))
        x->i++;
    return x->i > begin;
}

/* NameStartChar, and what else a name may have, of XML 1.0 (fifth edition), less the colon. */
static uint32_t is_start(uint32_t c)
{
    return (c | 0x20) - 'a' < 26 || c == '_' ||
           (c >= 0xc0 && c <= 0x2ff && c != 0xd7 && c != 0xf7) ||
           (c >= 0x370 && c <= 0x1fff && c != 0x37e) || c == 0x200c || c == 0x200d ||
           (c >= 0x2070 && c <= 0x218f) || (c >= 0x2c00 && c <= 0x2fef) ||
           (c >= 0x3001 && c <= 0xd7ff) || (c >= 0xf900 && c <= 0xfdcf) ||
           (c >= 0xfdf0 && c <= 0xfffd) || (c >= 0x10000 && c <= 0xeffff);
}

static uint32_t is_name_char(uint32_t c)
{
    return is_start(c) || c - '0' < 10 || c == '-' || c == '.' || c == 0xb7 ||
           (c >= 0x300 && c <= 0x36f) || c == 0x203f || c == 0x2040;
}

/* A name, with at most one colon, and something on both sides of it. */
static uint32_t name(ray_xml_check_state *x, ray_view *out)
{
    uint64_t begin = x->i;
    uint32_t start = 1, colons = 0, c = 0;
    for (;;) {
        uint32_t step = ray_utf8_next(x->body.at + x->i, x->body.length - x->i, &c);
        if (step == 0 || (start ? !is_start(c) : !is_name_char(c) && c != ':'))
            break;
        colons += c == ':';
        start = c == ':';
        x->i += step;
    }
    out->at = x->body.at + begin;
    out->length = x->i - begin;
    return start || colons > 1 ? ray_xml_fail(x, RAY_FORMAT_SYNTAX) : 1;
}

static uint32_t is_char(uint32_t c)
{
    return c >= 0x20 ? c != 0xfffe && c != 0xffff : c == '\t' || c == '\n' || c == '\r';
}

/* One character as it is. */
static uint32_t character(ray_xml_check_state *x)
{
    uint32_t c = 0, step = ray_utf8_next(x->body.at + x->i, x->body.length - x->i, &c);
    if (step == 0)
        return ray_xml_fail(x, x->i < x->body.length ? RAY_FORMAT_NOT_UTF8 : RAY_FORMAT_CUT);
    if (!is_char(c))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    x->i += step;
    return 1;
}

static uint32_t reference(ray_xml_check_state *x)
{
    static const char five[5][8] = {"&lt;", "&gt;", "&amp;", "&quot;", "&apos;"};
    for (uint32_t k = 0; k < 5; k++)
        if (is_at(x, five[k])) {
            x->i += ray_length_of(five[k]);
            return 1;
        }
    if (!is_at(x, "&#"))
        return ray_xml_fail(x, RAY_FORMAT_ENTITY);
    x->i += 2;
    uint32_t base = is_at(x, "x") ? 16 : 10, value = 0, digits = 0;
    for (x->i += base == 16; x->i < x->body.length; x->i++, digits++) {
        uint32_t c = x->body.at[x->i], letter = (c | 0x20) - 'a';
        uint32_t digit = c - '0' < 10 ? c - '0' : letter < 6 ? letter + 10 : 99;
        if (digit >= base)
            break;
        value = value > 0x10ffff ? value : value * base + digit;
    }
    if (digits == 0 || !is_at(x, ";") || value > 0x10ffff || !is_char(value) ||
        (value >= 0xd800 && value < 0xe000))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    x->i++;
    return 1;
}

static uint32_t until(ray_xml_check_state *x, const char *end)
{
    while (!is_at(x, end))
        if (!character(x))
            return 0;
    x->i += ray_length_of(end);
    return 1;
}

/* A comment or processing instruction; anything else that begins so is refused. */
static uint32_t special(ray_xml_check_state *x)
{
    ray_view target;
    if (is_at(x, "<!--")) {
        x->i += 4;
        if (!until(x, "--"))
            return 0;
        if (!is_at(x, ">"))
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        x->i++;
        return 1;
    }
    if (is_at(x, "<!DOCTYPE"))
        return ray_xml_fail(x, RAY_FORMAT_DTD);
    if (!is_at(x, "<?"))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    x->i += 2;
    if (!name(x, &target))
        return 0;
    for (uint64_t k = 0; k < target.length; k++)
        if (target.at[k] == ':')
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    if (target.length == 3 && ray_same_ignoring_case((const char *)target.at, "xml", 3))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    if (!is_at(x, "?>") && !blanks(x))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    return until(x, "?>");
}

uint64_t ray_xml_skip_special(ray_view body, uint64_t i)
{
    ray_xml_check_state x = {.body = body, .i = i};
    const char *end = is_at(&x, "<!--") ? "-->" : is_at(&x, "<?") ? "?>" : "]]>";
    for (x.i += *end == '-' ? 4U : 2U; x.i < body.length && !is_at(&x, end);)
        x.i++;
    return x.i < body.length ? x.i + ray_length_of(end) : body.length;
}

/* -- tags -- */
static uint32_t attribute(ray_xml_check_state *x, uint32_t *count)
{
    ray_view n, value;
    uint64_t begin = x->i;
    if (!name(x, &n))
        return 0;
    for (uint32_t k = 0; k < *count; k++)
        if (ray_xml_same(ray_xml_name_at(x, x->names[k]), n))
            return ray_xml_fail(x, RAY_FORMAT_DUPLICATE);
    if (*count == RAY_XML_ATTRIBUTE_MAX)
        return ray_xml_fail(x, RAY_FORMAT_TOO_MANY);
    x->names[(*count)++] = (uint32_t)begin;
    blanks(x);
    if (!is_at(x, "="))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    x->i++;
    blanks(x);
    if (!is_at(x, "\"") && !is_at(x, "'"))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    uint8_t quote = x->body.at[x->i++];
    value.at = x->body.at + x->i;
    while (x->i < x->body.length && x->body.at[x->i] != quote) {
        if (x->body.at[x->i] == '<')
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        if (!(x->body.at[x->i] == '&' ? reference(x) : character(x)))
            return 0;
    }
    if (x->i >= x->body.length)
        return ray_xml_fail(x, RAY_FORMAT_CUT);
    value.length = (uint64_t)(x->body.at + x->i - value.at);
    x->i++;
    return ray_xml_declaration(x, n, value);
}

static uint32_t start_tag(ray_xml_check_state *x)
{
    uint32_t count = 0;
    ray_view n;
    if (x->depth == RAY_FORMAT_DEPTH_MAX)
        return ray_xml_fail(x, RAY_FORMAT_TOO_DEEP);
    x->open[x->depth++] = (uint32_t)++x->i;
    if (!name(x, &n))
        return 0;
    for (;;) {
        uint32_t apart = blanks(x);
        if (is_at(x, ">") || is_at(x, "/>")) {
            if (!ray_xml_names(x, count))
                return 0;
            x->depth -= is_at(x, "/>");
            x->i += is_at(x, "/>") ? 2 : 1;
            return 1;
        }
        if (!apart)
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        if (!attribute(x, &count))
            return 0;
    }
}

static uint32_t end_tag(ray_xml_check_state *x)
{
    ray_view n;
    x->i += 2;
    if (x->depth == 0 || !name(x, &n) ||
        !ray_xml_same(n, ray_xml_name_at(x, x->open[x->depth - 1])))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    blanks(x);
    if (!is_at(x, ">"))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    x->i++;
    x->depth--;
    return 1;
}

/* The element and all in it. */
static uint32_t element(ray_xml_check_state *x)
{
    if (!start_tag(x))
        return 0;
    while (x->depth > 0) {
        uint32_t fine;
        if (is_at(x, "</"))
            fine = end_tag(x);
        else if (is_at(x, "<![CDATA["))
            fine = until(x, "]]>");
        else if (is_at(x, "<!") || is_at(x, "<?"))
            fine = special(x);
        else if (is_at(x, "<"))
            fine = start_tag(x);
        else if (is_at(x, "&"))
            fine = reference(x);
        else
            fine = is_at(x, "]]>") ? ray_xml_fail(x, RAY_FORMAT_SYNTAX) : character(x);
        if (!fine)
            return 0;
    }
    return 1;
}

/* <?xml version="1.x" encoding="UTF-8" standalone="..."?>: no other encoding. */
static uint32_t prolog(ray_xml_check_state *x)
{
    static const char keys[3][12] = {"version", "encoding", "standalone"};
    x->i += 5;
    for (uint32_t key = 0;; key++) {
        uint32_t apart = blanks(x);
        if (is_at(x, "?>") && key > 0) {
            x->i += 2;
            return 1;
        }
        while (key > 0 && key < 3 && !is_at(x, keys[key]))
            key++;
        if (!apart || key > 2 || !is_at(x, keys[key]))
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        x->i += ray_length_of(keys[key]);
        blanks(x);
        if (!is_at(x, "="))
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        x->i++;
        blanks(x);
        if (!is_at(x, "\"") && !is_at(x, "'"))
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        char quote[2] = {(char)x->body.at[x->i++], 0};
        uint64_t begin = x->i;
        while (x->i < x->body.length && !is_at(x, quote) && x->body.at[x->i] > ' ' &&
               x->body.at[x->i] < 0x7f)
            x->i++;
        const char *at = (const char *)x->body.at + begin;
        uint64_t n = x->i - begin;
        uint32_t fine = key == 0 ? n >= 3 && ray_same(at, "1.", 2)
                        : key == 1 ? n == 5 && ray_same_ignoring_case(at, "utf-8", 5)
                        : (n == 3 && ray_same(at, "yes", 3)) || (n == 2 && ray_same(at, "no", 2));
        if (!is_at(x, quote) || !fine)
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        x->i++;
    }
}

static uint32_t around(ray_xml_check_state *x)
{
    for (;;) {
        blanks(x);
        if (!is_at(x, "<!") && !is_at(x, "<?"))
            return 1;
        if (!special(x))
            return 0;
    }
}

ray_status ray_xml_check(ray_view body, ray_format_report *report)
{
    ray_xml_check_state x;
    memset(&x, 0, sizeof x);
    x.body = body;
    if (body.length > RAY_JSON_BYTES_MAX)
        ray_xml_fail(&x, RAY_FORMAT_TOO_LARGE);
    if (is_at(&x, "\xef\xbb\xbf"))
        x.i = 3;
    uint32_t fine = x.fault == RAY_FORMAT_FINE;
    if (fine && (is_at(&x, "<?xml ") || is_at(&x, "<?xml\t") || is_at(&x, "<?xml\n") ||
                 is_at(&x, "<?xml\r")))
        fine = prolog(&x);
    fine = fine && around(&x);
    if (fine && !is_at(&x, "<"))
        fine = ray_xml_fail(&x, RAY_FORMAT_SYNTAX);
    fine = fine && element(&x) && around(&x);
    if (fine && x.i < body.length)
        fine = ray_xml_fail(&x, RAY_FORMAT_SYNTAX);
    report->fault = x.fault;
    report->place = x.i;
    return fine ? RAY_OK : RAY_E_SYNTAX;
}
