/* SPDX-License-Identifier: MIT */
/* parameters.c - one pass over a field value. Quotes are kept, since a semicolon between them
 * divides nothing. */
#include "base/parameters.h"
#include "base/headers.h"

ray_view ray_parameters_of(ray_view field)
{
    uint64_t end = 0;
    while (end < field.length && field.at[end] != ';')
        end++;
    ray_view type = {field.at, end};
    return ray_trimmed(type);
}

static uint64_t behind_blanks(ray_view field, uint64_t at)
{
    while (at < field.length && ray_is_blank(field.at[at]))
        at++;
    return at;
}

static uint64_t behind_token(ray_view field, uint64_t at)
{
    while (at < field.length && ray_is_token_byte(field.at[at]))
        at++;
    return at;
}

/* Behind the value at `at`; 0 when there is none. */
static uint64_t value_read(ray_view field, uint64_t at, ray_parameter *parameter)
{
    uint64_t end = at;
    parameter->quoted = at < field.length && field.at[at] == '"';
    if (parameter->quoted != 0) {
        for (end = ++at; end < field.length && field.at[end] != '"'; end++)
            end += field.at[end] == '\\';
        if (end >= field.length)
            return 0;
    } else {
        end = behind_token(field, at);
        if (end == at)
            return 0;
    }
    parameter->value = (ray_view){field.at + at, end - at};
    return end + parameter->quoted;
}

uint32_t ray_parameter_next(ray_view field, ray_parameter *parameter)
{
    uint64_t at = parameter->at;
    while (at == 0 && parameter->at < field.length && field.at[parameter->at] != ';')
        parameter->at++;
    for (at = parameter->at;;) {
        at = behind_blanks(field, at);
        if (at >= field.length)
            return 0;
        uint64_t from = field.at[at] == ';' ? behind_blanks(field, at + 1) : 0;
        if (from != 0 && (from >= field.length || field.at[from] == ';')) {
            at = from;                    /* an empty one is none */
            continue;
        }
        uint64_t equals = from != 0 ? behind_token(field, from) : 0, end = 0;
        if (equals > from && equals < field.length && field.at[equals] == '=')
            end = value_read(field, equals + 1, parameter);
        parameter->malformed = end == 0;
        parameter->at = end != 0 ? end : field.length;
        parameter->name = (ray_view){field.at + from, end != 0 ? equals - from : 0};
        return end != 0;
    }
}

uint32_t ray_charset_known(ray_view charset)
{
    return ray_view_is(charset, "utf-8") || ray_view_is(charset, "utf8") ||
           ray_view_is(charset, "us-ascii");
}

uint32_t ray_content_charset_known(ray_view content_type)
{
    ray_parameter parameter = {0};
    while (ray_parameter_next(content_type, &parameter))
        if (ray_view_is(parameter.name, "charset") && !ray_charset_known(parameter.value))
            return 0;
    return !parameter.malformed;
}
