/* SPDX-License-Identifier: MIT */
/* multipart.c - multipart/form-data (RFC 7578, RFC 2046 5.1): where its parts are. All of a body is
 * looked at before the first part is told. Where the RFCs let readers differ a body is refused,
 * because what this one lets through another one reads: a delimiter that goes on with something
 * else, a part without a name, a parameter or field twice, filename*, parts inside parts. */
#include "multipart_parts.h"
#include "base/headers.h"
#include "base/parameters.h"
#include "base/utf8.h"

enum { FIELD_DISPOSITION = 1, FIELD_TYPE = 2, FIELD_TRANSFER = 4 };

/* -- the boundary -- */
/* As a bit set over 0x20-0x7f: bchars of RFC 2046. */
static uint32_t is_boundary(ray_view boundary)
{
    static const uint32_t may[3] = {0xa7fffb81, 0x87fffffe, 0x07fffffe};
    if (boundary.length == 0 || boundary.length > RAY_FORMAT_BOUNDARY_MAX ||
        boundary.at[boundary.length - 1] == ' ')
        return 0;
    for (uint64_t i = 0; i < boundary.length; i++) {
        uint8_t c = boundary.at[i];
        if (c < 0x20 || c >= 0x80 || (may[(c >> 5) - 1] >> (c & 31) & 1) == 0)
            return 0;
    }
    return 1;
}

uint32_t ray_format_boundary(ray_view content_type, ray_view *boundary)
{
    ray_parameter parameter = {0};
    uint32_t count = 0;
    if (!ray_view_is(ray_parameters_of(content_type), "multipart/form-data"))
        return 0;
    while (ray_parameter_next(content_type, &parameter))
        if (ray_view_is(parameter.name, "boundary")) {
            *boundary = parameter.value;
            count++;
        }
    return count == 1 && !parameter.malformed && is_boundary(*boundary);
}

/* -- one part's header -- */
/* The line at *place, which goes behind it or to its fault; without a name it is the empty one. */
static uint32_t line(ray_view body, uint64_t *place, ray_view *name, ray_view *value)
{
    uint64_t i = *place, from = i;
    while (i < body.length && ray_is_token_byte(body.at[i]))
        i++;
    *name = (ray_view){body.at + from, i - from};
    if (name->length != 0) {
        if (i < body.length && body.at[i] == ':') {
            for (from = ++i; i < body.length && ray_is_value_byte(body.at[i]);)
                i++;
            *value = ray_trimmed((ray_view){body.at + from, i - from});
        } else {
            *place = i;
            return i < body.length ? RAY_FORMAT_SYNTAX : RAY_FORMAT_CUT;
        }
    }
    for (uint32_t k = 0; k < 2; k++, i++)
        if (i >= body.length || body.at[i] != "\r\n"[k]) {
            *place = i;
            return i < body.length ? RAY_FORMAT_SYNTAX : RAY_FORMAT_CUT;
        }
    *place = i;
    return RAY_FORMAT_FINE;
}

/* Content-Disposition (RFC 7578 4.2): form-data, one name, one filename at most. */
static uint32_t disposition(ray_view value, ray_multipart_head *head)
{
    ray_parameter p = {0};
    uint32_t names = 0;
    if (!ray_view_is(ray_parameters_of(value), "form-data"))
        return RAY_FORMAT_SYNTAX;
    while (ray_parameter_next(value, &p)) {
        uint32_t encoding = p.quoted ? RAY_ENCODING_QUOTED : RAY_ENCODING_PLAIN;
        for (uint64_t i = 0; i < p.name.length; i++)
            if (p.name.at[i] == '*')      /* RFC 5987, RFC 2231: another name for another reader */
                return RAY_FORMAT_SYNTAX;
        if (ray_view_is(p.name, "name")) {
            head->name = p.value;
            head->name_encoding = encoding;
            names++;
        } else if (ray_view_is(p.name, "filename")) {
            if (head->is_file)
                return RAY_FORMAT_DUPLICATE;
            head->filename = p.value;
            head->filename_encoding = encoding;
            head->is_file = 1;
        }
    }
    if (names > 1)
        return RAY_FORMAT_DUPLICATE;
    return names == 1 && !p.malformed ? RAY_FORMAT_FINE : RAY_FORMAT_SYNTAX;
}

static uint32_t transfer(ray_view value, ray_multipart_head *head)
{
    if (ray_view_is(value, "base64"))
        head->transfer = RAY_ENCODING_BASE64;
    else if (ray_view_is(value, "quoted-printable"))
        head->transfer = RAY_ENCODING_PRINTABLE;
    else if (!ray_view_is(value, "7bit") && !ray_view_is(value, "8bit") &&
             !ray_view_is(value, "binary"))
        return RAY_FORMAT_UNSUPPORTED;
    return RAY_FORMAT_FINE;
}

/* A field that means something here; others are none of ours (RFC 7578 4.8). */
static uint32_t field(ray_view name, ray_view value, ray_multipart_head *head)
{
    static const char multipart[] = "multipart/";
    uint32_t bit = ray_view_is(name, "content-disposition") ? FIELD_DISPOSITION
                   : ray_view_is(name, "content-type") ? FIELD_TYPE
                   : ray_view_is(name, "content-transfer-encoding") ? FIELD_TRANSFER : 0U;
    if ((head->seen & bit) != 0)
        return RAY_FORMAT_DUPLICATE;
    head->seen |= bit;
    if (bit == FIELD_DISPOSITION)
        return disposition(value, head);
    if (bit == FIELD_TRANSFER)
        return transfer(value, head);
    if (bit == FIELD_TYPE) {
        ray_view begin = {value.at, sizeof multipart - 1};
        head->type = value;
        if (value.length >= begin.length && ray_view_is(begin, multipart))
            return RAY_FORMAT_UNSUPPORTED;
    }
    return RAY_FORMAT_FINE;
}

uint32_t ray_multipart_head_read(ray_view body, uint64_t place, ray_multipart_head *head)
{
    ray_view name = {NULL, 1}, value = {NULL, 0};
    memset(head, 0, sizeof *head);
    for (head->place = place; name.length != 0;) {
        uint64_t begin = head->place;
        uint32_t fault = line(body, &head->place, &name, &value);
        if (fault != RAY_FORMAT_FINE)
            return fault;
        fault = head->place - place > RAY_FORMAT_HEAD_MAX ? (uint32_t)RAY_FORMAT_HEAD
                : name.length != 0 ? field(name, value, head)
                : head->seen & FIELD_DISPOSITION ? RAY_FORMAT_FINE : RAY_FORMAT_SYNTAX;
        if (fault != RAY_FORMAT_FINE) {
            head->place = begin;
            return fault;
        }
    }
    ray_view whole = {body.at + place, head->place - place};
    uint64_t valid = ray_utf8_valid(whole);
    if (valid == whole.length)
        return RAY_FORMAT_FINE;
    head->place = place + valid;
    return RAY_FORMAT_NOT_UTF8;
}

/* -- delimiters -- */
/* How much of "--boundary" stands at `place`: all of it when it is a delimiter. */
static uint64_t dashes(const ray_format_source *source, uint64_t place)
{
    ray_view body = source->body, boundary = source->boundary;
    uint64_t n = 0;
    while (n < boundary.length + 2 && place + n < body.length &&
           body.at[place + n] == (n < 2 ? '-' : boundary.at[n - 2]))
        n++;
    return n;
}

static uint32_t is_delimiter(const ray_format_source *source, uint64_t place)
{
    return dashes(source, place) == source->boundary.length + 2;
}

/* The line end before the next delimiter; the body's end when none comes. */
static uint64_t delimiter_find(const ray_format_source *source, uint64_t place)
{
    ray_view body = source->body;
    for (; place + 1 < body.length; place++)
        if (body.at[place] == '\r' && body.at[place + 1] == '\n' &&
            is_delimiter(source, place + 2))
            return place;
    return body.length;
}

/* Behind "--boundary": the rest of its line. `*place` goes behind it or to the fault. */
static uint32_t delimiter_end(const ray_format_source *source, uint64_t *place, uint32_t *closes)
{
    ray_view body = source->body;
    uint64_t i = *place, from;
    *closes = i < body.length && body.at[i] == '-';
    if (*closes) {
        *place = ++i;
        if (i >= body.length || body.at[i] != '-')
            return i < body.length ? RAY_FORMAT_SYNTAX : RAY_FORMAT_CUT;
        i++;
    }
    for (from = i; i < body.length && ray_is_blank(body.at[i]);)
        i++;
    *place = from;
    if (i != from && source->flags & RAY_FORMAT_AS_IS)
        return RAY_FORMAT_SYNTAX;
    if (*closes && i == body.length) {
        *place = i;
        return RAY_FORMAT_FINE;
    }
    for (uint32_t k = 0; k < 2; k++, i++)
        if (i >= body.length || body.at[i] != "\r\n"[k]) {
            *place = i;
            return i < body.length ? RAY_FORMAT_SYNTAX : RAY_FORMAT_CUT;
        }
    *place = i;
    return RAY_FORMAT_FINE;
}

/* -- the body -- */
static uint32_t content_fault(const ray_format_source *source, const ray_multipart_head *head,
                              uint64_t end, uint64_t *place)
{
    ray_view content = {source->body.at + head->place, end - head->place};
    uint64_t fault = ray_mime_fault(content, head->transfer);
    *place = head->place;
    if (head->transfer != RAY_ENCODING_PLAIN && source->flags & RAY_FORMAT_AS_IS)
        return RAY_FORMAT_UNSUPPORTED;    /* hardly anybody decodes it (RFC 7578 4.7) */
    *place += fault;
    if (fault != content.length)
        return RAY_FORMAT_SYNTAX;
    *place = head->place;
    /* The default of all others (RFC 7578 4.6). */
    return ray_format_text_is(head->name, head->name_encoding, (const uint8_t *)"_charset_", 9) &&
                   !ray_charset_known(content)
               ? RAY_FORMAT_NOT_UTF8 : RAY_FORMAT_FINE;
}

/* The part at *place, which goes behind the delimiter that ends it. */
static uint32_t part(ray_multipart *m, const ray_format_source *source, uint64_t *place)
{
    ray_multipart_head head;
    uint64_t from = *place;
    if (m->count == RAY_FORMAT_FORM_MAX)
        return RAY_FORMAT_TOO_MANY;
    uint32_t fault = ray_multipart_head_read(source->body, from, &head);
    *place = head.place;
    if (fault != RAY_FORMAT_FINE)
        return fault;
    uint64_t end = delimiter_find(source, from - 2);
    if (end == source->body.length || end < head.place) {
        *place = end;                     /* in the header: to some it is one, to others a field */
        return end < head.place ? RAY_FORMAT_SYNTAX : RAY_FORMAT_CUT;
    }
    fault = content_fault(source, &head, end, place);
    if (fault != RAY_FORMAT_FINE)
        return fault;
    ray_multipart_part whole = {(uint32_t)from, (uint32_t)head.place, (uint32_t)end};
    m->parts[m->count++] = whole;
    *place = end + 4 + source->boundary.length;
    return RAY_FORMAT_FINE;
}

/* Before the first delimiter there may be empty lines; behind the last what is no delimiter. */
static __attribute__((noinline)) uint32_t parts(ray_multipart *m,
                                                const ray_format_source *source, uint64_t *place)
{
    ray_view body = source->body;
    uint32_t closes = 0, fault;
    while (*place + 1 < body.length && body.at[*place] == '\r' && body.at[*place + 1] == '\n')
        *place += 2;
    uint64_t same = dashes(source, *place);
    *place += same;
    if (same != source->boundary.length + 2)
        return *place < body.length ? RAY_FORMAT_SYNTAX : RAY_FORMAT_CUT;
    for (;;) {
        fault = delimiter_end(source, place, &closes);
        if (fault != RAY_FORMAT_FINE)
            return fault;
        if (closes)
            break;
        fault = part(m, source, place);
        if (fault != RAY_FORMAT_FINE)
            return fault;
    }
    if (*place == body.length)
        return RAY_FORMAT_FINE;
    *place = is_delimiter(source, *place) ? *place : delimiter_find(source, *place);
    return *place < body.length ? RAY_FORMAT_SYNTAX : RAY_FORMAT_FINE;
}

ray_status ray_multipart_init(ray_multipart *m, const ray_format_source *source,
                              ray_format_report *report)
{
    memset(m, 0, sizeof *m);
    m->body = source->body;
    if (source->body.length > RAY_JSON_BYTES_MAX)
        return RAY_E_RANGE;
    report->fault = is_boundary(source->boundary) ? parts(m, source, &report->place)
                                                  : (uint32_t)RAY_FORMAT_UNSUPPORTED;
    return report->fault == RAY_FORMAT_FINE ? RAY_OK : RAY_E_SYNTAX;
}

ray_status ray_multipart_check(const ray_format_source *source, ray_format_report *report)
{
    ray_multipart m;
    return ray_multipart_init(&m, source, report);
}
