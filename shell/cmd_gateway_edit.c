/* SPDX-License-Identifier: MIT */
/* cmd_gateway_edit.c - adding, removing and switching services and routes; every change is reported
 * to the audit ring. */
#include "cmd_gateway.h"
#include "parts.h"

/* -- options (private) -- */
static ray_status refuse(ray_call *call, ray_status status, const char *what)
{
    return ray_call_error(call, status, what, RAY_NONE, 0);
}

/* Reads option `name` as a number up to `most`; leaves *out where it is absent. */
static ray_status number(ray_call *call, const char *name, uint64_t most, uint64_t *out)
{
    const char *at;
    uint32_t length;
    if (!ray_call_option(call, name, &at, &length))
        return RAY_OK;
    ray_status status = ray_parse_u64(at, length, out);
    if (status == RAY_OK && *out > most)
        status = RAY_E_RANGE;
    return status == RAY_OK ? RAY_OK : refuse(call, status, "a number does not fit its option");
}

static ray_status too_long(ray_call *call, uint32_t word)
{
    return ray_call_error(call, RAY_E_SYNTAX, RAY_NAME_RULE, word, 0);
}

static uint32_t name_fits(const ray_call *call, uint32_t word)
{
    return call->length[word] > 0 && call->length[word] < RAY_NAME_BYTES;
}

static ray_status said(ray_call *call, const char *what, uint32_t word)
{
    ray_text_put(call->out, what);
    ray_text_escaped(call->out, call->word[word], call->length[word]);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* Why the core refused, in words of the console. */
static ray_status explain(ray_call *call, ray_status status, uint32_t word)
{
    switch (status) {
    case RAY_E_EXISTS:
        return ray_call_error(call, status, "this name is taken", word, 0);
    case RAY_E_FULL:
        return refuse(call, status, "the table is full; remove what is not used");
    case RAY_E_SYNTAX:
        return refuse(call, status,
                      "a name, host or pattern is not valid; patterns are canonical paths, '*' is "
                      "a whole segment, '**' comes last");
    case RAY_E_RANGE:
        return refuse(call, status, "a number, length or count of '*' is out of range");
    default:
        return ray_call_error(call, status, ray_status_word(status), word, 0);
    }
}

/* -- services -- */

/* Where the port's colon stands: behind the brackets of an IPv6 address, else the only one there
 * is; `length` when that is not so. */
static uint32_t port_colon(const char *at, uint32_t length)
{
    uint32_t from = 0, colon = length;
    if (length != 0 && at[0] == '[') {
        while (from < length && at[from] != ']')
            from++;
        return from + 1 < length && at[from + 1] == ':' ? from + 1 : length;
    }
    for (uint32_t i = 0; i < length; i++)
        if (at[i] == ':' && colon != length)
            return length;
        else if (at[i] == ':')
            colon = i;
    return colon;
}

/* HOST:PORT, as in the file. */
static ray_status take_place(ray_call *call, ray_service_spec *spec)
{
    const char *at;
    uint32_t length;
    uint64_t port = 0;
    if (!ray_call_option(call, "--at", &at, &length))
        return RAY_OK;
    uint32_t colon = port_colon(at, length);
    if (colon == length || (ray_parse_u64(at + colon + 1, length - colon - 1, &port) != RAY_OK ||
                           port == 0 || port > 65535))
        return refuse(call, RAY_E_SYNTAX, "--at is HOST:PORT, an IPv6 address in brackets, with a "
                                          "port from 1 to 65535");
    if (colon == 0 || colon >= RAY_HOST_BYTES)
        return refuse(call, RAY_E_RANGE, "--at names a host of 1 to 79 bytes");
    __builtin_memcpy(spec->host, at, colon);
    spec->port = (uint16_t)port;
    return RAY_OK;
}

static ray_status take_limits(ray_call *call, ray_service_spec *spec)
{
    const char *at;
    uint32_t length;
    uint64_t bytes = RAY_BODY_BYTES_MAX;
    spec->timeout_ns = 30000000000U;
    if (ray_call_option(call, "--timeout", &at, &length) &&
        ray_parse_duration(at, length, &spec->timeout_ns) != RAY_OK)
        return refuse(call, RAY_E_SYNTAX, "--timeout takes a duration like 500ms or 2s");
    if (ray_call_option(call, "--max-body", &at, &length) &&
        (ray_parse_bytes(at, length, &bytes) != RAY_OK || bytes >= RAY_NONE))
        return refuse(call, RAY_E_SYNTAX, "--max-body takes a size like 8KiB, below 4GiB");
    spec->body_bytes_max = (uint32_t)bytes;
    return RAY_OK;
}

ray_status ray_gateway_run_add_service(ray_call *call)
{
    ray_service_spec spec;
    uint32_t id = 0;
    __builtin_memset(&spec, 0, sizeof spec);
    if (!name_fits(call, 2))
        return too_long(call, 2);
    __builtin_memcpy(spec.name.at, call->word[2], call->length[2]);
    spec.healthy = 1;
    ray_status status = take_place(call, &spec);
    if (status == RAY_OK)
        status = take_limits(call, &spec);
    if (status != RAY_OK)
        return status;
    status = ray_gateway_add_service(ray_gateway_of(call->ray), call->now_ns, &spec, &id);
    if (status != RAY_OK)
        return explain(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_SERVICE, id, 0, 1);
    return said(call, "added service ", 2);
}

ray_status ray_gateway_run_remove_service(ray_call *call)
{
    ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_service_row row;
    uint32_t id = 0, cascade = ray_call_flag(call, "--cascade");
    ray_status status = ray_gateway_service_word(call, 2, &id);
    if (status != RAY_OK || (status = ray_gateway_read_service(gateway, id, &row)) != RAY_OK)
        return status;
    uint32_t routes = row.route_count;
    status = ray_gateway_remove_service(gateway, call->now_ns, id, cascade);
    if (status == RAY_E_USED)
        return ray_call_error(call, status,
                              "routes lead to this service; remove them or say --cascade", 2, 0);
    if (status != RAY_OK)
        return explain(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_SERVICE, id, 1 + routes, 0);
    ray_text_put(call->out, "removed service, ");
    ray_text_u64(call->out, routes);
    return said(call, " routes with it: ", 2);
}

ray_status ray_gateway_run_health(ray_call *call)
{
    ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_service_row row;
    uint32_t id = 0, up = ray_call_is(call, 3, "up");
    ray_status status = ray_gateway_service_word(call, 2, &id);
    if (status != RAY_OK || (status = ray_gateway_read_service(gateway, id, &row)) != RAY_OK)
        return status;
    if (!up && !ray_call_is(call, 3, "down"))
        return ray_call_error(call, RAY_E_ARGUMENT, "a service is up or down, not", 3, 0);
    uint32_t before = row.spec->healthy;
    status = ray_gateway_set_health(gateway, call->now_ns, id, up);
    if (status != RAY_OK)
        return explain(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_SERVICE, id, before, up);
    return said(call, up ? "up: " : "down, answers 503: ", 2);
}

ray_status ray_gateway_run_mode(ray_call *call)
{
    ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_service_row row;
    uint32_t id = 0, off = ray_call_is(call, 3, "off");
    ray_status status = ray_gateway_service_word(call, 2, &id);
    if (status != RAY_OK || (status = ray_gateway_read_service(gateway, id, &row)) != RAY_OK)
        return status;
    if (!off && !ray_call_is(call, 3, "enforce"))
        return ray_call_error(call, RAY_E_ARGUMENT, "a service's mode is enforce or off, not", 3,
                              0);
    uint32_t before = row.spec->mode;
    status = ray_gateway_set_mode(gateway, call->now_ns, id,
                                  off ? (uint32_t)RAY_MODE_OFF : (uint32_t)RAY_MODE_ENFORCE);
    if (status != RAY_OK)
        return explain(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_SERVICE, id, before, off ? RAY_MODE_OFF : 0);
    return said(call, off ? "ungoverned: " : "governed: ", 2);
}

/* -- routes -- */

/* "GET,POST" as bits; 0 and the error when a word is no method. */
static ray_status take_methods(ray_call *call, uint32_t *methods)
{
    const char *at;
    uint32_t length, from = 0;
    if (!ray_call_option(call, "--methods", &at, &length))
        return RAY_OK;
    while (from <= length) {
        uint32_t to = from;
        while (to < length && at[to] != ',')
            to++;
        uint32_t method = ray_method_of(at + from, to - from);
        if (method == RAY_METHOD_OTHER)
            return refuse(call, RAY_E_SYNTAX,
                          "--methods is a list like GET,POST of GET HEAD POST PUT DELETE PATCH "
                          "OPTIONS");
        *methods |= 1U << method;
        from = to + 1;
    }
    return RAY_OK;
}

static ray_status take_priority(ray_call *call, int32_t *priority)
{
    const char *at;
    uint32_t length;
    uint64_t value = 0;
    if (!ray_call_option(call, "--priority", &at, &length))
        return RAY_OK;
    uint32_t minus = length > 0 && at[0] == '-';
    if (ray_parse_u64(at + minus, length - minus, &value) != RAY_OK || value > 2147483647U)
        return refuse(call, RAY_E_RANGE, "--priority is a number, lower first");
    *priority = minus ? -(int32_t)value : (int32_t)value;
    return RAY_OK;
}

/* The handle of a limit of scope named, the only ones a route may ask for. */
static uint32_t find_named_limit(ray_call *call, const char *at, uint32_t length, uint32_t *limit)
{
    const ray_ratelimit *limits = ray_ratelimit_of(call->ray);
    ray_limit_spec spec;
    ray_limit_stats stats;
    return ray_ratelimit_find(limits, at, length, limit) == RAY_OK &&
           ray_ratelimit_read_limit(limits, *limit, &spec, &stats) == RAY_OK &&
           spec.scope == RAY_SCOPE_NAMED;
}

/* "bots,uploads" as handles. */
static ray_status take_named_limits(ray_call *call, ray_route_spec *spec)
{
    const char *at;
    uint32_t length, from = 0;
    if (!ray_call_option(call, "--limits", &at, &length))
        return RAY_OK;
    while (from <= length) {
        uint32_t to = from, limit = 0;
        while (to < length && at[to] != ',')
            to++;
        if (spec->limit_count == RAY_ROUTE_LIMIT_MAX)
            return refuse(call, RAY_E_RANGE, "a route names at most 4 limits");
        if (!find_named_limit(call, at + from, to - from, &limit))
            return refuse(call, RAY_E_UNKNOWN, "--limits lists limits of scope named, by name");
        spec->limits[spec->limit_count++] = limit;
        from = to + 1;
    }
    return RAY_OK;
}

static ray_status take_kind(ray_call *call, uint8_t *kind)
{
    ray_near near;
    ray_near_begin(&near, call->word[4], call->length[4]);
    for (uint32_t i = RAY_ROUTE_EXACT; i <= RAY_ROUTE_REGEX; i++) {
        ray_near_offer(&near, ray_route_kind_word(i), ray_word_length(ray_route_kind_word(i)));
        if (!ray_call_is(call, 4, ray_route_kind_word(i)))
            continue;
        *kind = (uint8_t)i;
        if (i == RAY_ROUTE_REGEX)
            return refuse(call, RAY_E_ARGUMENT,
                          "expressions are compiled on the host; put a regex route into the "
                          "configuration and load that");
        return RAY_OK;
    }
    return ray_call_error(call, RAY_E_ARGUMENT, "a route is exact, prefix or wildcard, not", 4,
                          ray_near_word(&near));
}

/* Everything of the row but its service; texts that do not fit are refused, never cut. */
static ray_status fill_route(ray_call *call, ray_route_spec *spec)
{
    const char *at;
    uint32_t length;
    uint64_t weight = 1;
    if (!name_fits(call, 2))
        return too_long(call, 2);
    __builtin_memcpy(spec->name.at, call->word[2], call->length[2]);
    ray_status status = take_kind(call, &spec->kind);
    if (status != RAY_OK)
        return status;
    if (call->length[5] > RAY_ROUTE_PATTERN_BYTES)
        return ray_call_error(call, RAY_E_RANGE, "a pattern has at most 256 bytes", 5, 0);
    __builtin_memcpy(spec->pattern, call->word[5], call->length[5]);
    spec->pattern_length = (uint16_t)call->length[5];
    if (ray_call_option(call, "--host", &at, &length)) {
        if (length > RAY_HOST_BYTES)
            return refuse(call, RAY_E_RANGE, "a host has at most 80 bytes");
        __builtin_memcpy(spec->host, at, length);
        spec->host_length = (uint16_t)length;
    }
    status = take_methods(call, &spec->methods);
    if (status == RAY_OK)
        status = take_priority(call, &spec->priority);
    if (status == RAY_OK)
        status = take_named_limits(call, spec);
    if (status == RAY_OK)
        status = number(call, "--weight", RAY_NONE - 1, &weight);
    spec->weight = (uint32_t)weight;
    spec->allow_escapes = ray_call_flag(call, "--allow-escapes") != 0;
    return status;
}

ray_status ray_gateway_run_add_route(ray_call *call)
{
    ray_view table = {0, 0};
    uint32_t id = 0;
    ray_route_spec *spec = ray_call_memory(call, sizeof *spec);
    if (spec == 0)
        return refuse(call, RAY_E_TRUNCATED, "no memory left for a route");
    ray_status status = ray_gateway_service_word(call, 3, &spec->service);
    if (status == RAY_OK)
        status = fill_route(call, spec);
    if (status != RAY_OK)
        return status;
    status = ray_gateway_add_route(ray_gateway_of(call->ray), call->now_ns, spec, table, &id);
    if (status != RAY_OK)
        return explain(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_ROUTE, id, 0, 1);
    return said(call, "added route ", 2);
}

ray_status ray_gateway_run_remove_route(ray_call *call)
{
    uint32_t id = 0;
    ray_status status = ray_gateway_route_word(call, 2, &id);
    if (status != RAY_OK)
        return status;
    status = ray_gateway_remove_route(ray_gateway_of(call->ray), call->now_ns, id);
    if (status != RAY_OK)
        return explain(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_ROUTE, id, 1, 0);
    return said(call, "removed route ", 2);
}
