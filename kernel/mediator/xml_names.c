/* SPDX-License-Identifier: MIT */
/* xml_names.c - namespaces in XML 1.0: prefixes are declared, and no attribute is there twice. */
#include "format_parts.h"
#include "xml_parts.h"

ray_view ray_xml_name_at(const ray_xml_check_state *x, uint64_t at)
{
    ray_view found = {x->body.at + at, 0};
    while (at + found.length < x->body.length && !ray_xml_is_blank(found.at[found.length]) &&
           found.at[found.length] != '=' && found.at[found.length] != '>' &&
           found.at[found.length] != '/')
        found.length++;
    return found;
}

uint32_t ray_xml_same(ray_view a, ray_view b)
{
    return a.length == b.length && ray_same(a.at, b.at, a.length);
}

static uint64_t colon_of(ray_view n)
{
    uint64_t k = 0;
    while (k < n.length && n.at[k] != ':')
        k++;
    return k;
}

/* Does the start tag whose name is at `at` declare the prefix? Then *uri is what for. */
static uint32_t declares(const ray_xml_check_state *x, uint64_t at, ray_view prefix, ray_view *uri)
{
    uint64_t i = at + ray_xml_name_at(x, at).length;
    for (;;) {
        while (ray_xml_is_blank(x->body.at[i]))
            i++;
        if (x->body.at[i] == '>' || x->body.at[i] == '/')
            return 0;
        ray_view n = ray_xml_name_at(x, i);
        for (i += n.length; x->body.at[i] != '"' && x->body.at[i] != '\'';)
            i++;
        uint8_t quote = x->body.at[i];
        uint64_t begin = ++i;
        while (x->body.at[i] != quote)
            i++;
        if (n.length == 6 + prefix.length && ray_same(n.at, "xmlns:", 6) &&
            ray_same(n.at + 6, prefix.at, prefix.length)) {
            uri->at = x->body.at + begin;
            uri->length = i - begin;
            return 1;
        }
        i++;
    }
}

static uint32_t namespace_of(const ray_xml_check_state *x, ray_view n, ray_view *uri)
{
    static const char xml[] = "http://www.w3.org/XML/1998/namespace";
    ray_view prefix = {n.at, colon_of(n)};
    uri->at = n.at;
    uri->length = 0;
    if (prefix.length == n.length)
        return 1;
    if (prefix.length == 3 && ray_same(prefix.at, "xml", 3)) {
        uri->at = (const uint8_t *)xml;
        uri->length = sizeof xml - 1;
        return 1;
    }
    for (uint32_t k = x->depth; k > 0; k--)
        if (declares(x, x->open[k - 1], prefix, uri))
            return uri->length > 0;
    return 0;
}

/* Prefixes of a whole start tag, which is the innermost open one: declared, and no attribute twice
 * under two prefixes of one namespace. */
uint32_t ray_xml_names(ray_xml_check_state *x, uint32_t count)
{
    ray_view a, b;
    if (!namespace_of(x, ray_xml_name_at(x, x->open[x->depth - 1]), &a))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    for (uint32_t i = 0; i < count; i++) {
        ray_view n = ray_xml_name_at(x, x->names[i]);
        uint64_t colon = colon_of(n);
        if (colon == n.length || (colon == 5 && ray_same(n.at, "xmlns", 5)))
            continue;
        if (!namespace_of(x, n, &a))
            return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
        for (uint32_t k = 0; k < i; k++) {
            ray_view m = ray_xml_name_at(x, x->names[k]);
            uint64_t other = colon_of(m);
            if (other == m.length || n.length - colon != m.length - other ||
                !ray_same(n.at + colon, m.at + other, n.length - colon) ||
                !namespace_of(x, m, &b))
                continue;
            if (ray_xml_same(a, b))
                return ray_xml_fail(x, RAY_FORMAT_DUPLICATE);
        }
    }
    return 1;
}

/* xml and xmlns may not be given away, nor a prefix bound to nothing. */
uint32_t ray_xml_declaration(ray_xml_check_state *x, ray_view n, ray_view uri)
{
    static const char xml[] = "http://www.w3.org/XML/1998/namespace";
    static const char xmlns[] = "http://www.w3.org/2000/xmlns/";
    uint32_t is_xml = ray_format_text_is(uri, RAY_ENCODING_ATTRIBUTE, (const uint8_t *)xml,
                                         sizeof xml - 1);
    uint32_t is_xmlns = ray_format_text_is(uri, RAY_ENCODING_ATTRIBUTE, (const uint8_t *)xmlns,
                                           sizeof xmlns - 1);
    if (n.length < 5 || !ray_same(n.at, "xmlns", 5) || (n.length > 5 && n.at[5] != ':'))
        return 1;
    uint32_t gives_xml = n.length == 9 && ray_same(n.at + 6, "xml", 3);
    if (is_xmlns || is_xml != gives_xml || (n.length > 5 && uri.length == 0) ||
        (n.length == 11 && ray_same(n.at + 6, "xmlns", 5)))
        return ray_xml_fail(x, RAY_FORMAT_SYNTAX);
    return 1;
}
