/* SPDX-License-Identifier: MIT */
/* cmd_gateway.c - services and routes at the console: what there is and what it did.
 * cmd_gateway_show.c shows one of them and tries a request; cmd_gateway_edit.c changes them. */
#include "cmd_gateway.h"
#include "parts.h"

/* -- words (private) -- */
static ray_gateway *gateway_of(ray_call *call)
{
    return ray_gateway_of(call->ray);
}

/* A handle typed as a number; RAY_NONE when the word is none. */
static uint32_t number_word(const ray_call *call, uint32_t word)
{
    uint64_t value = 0;
    if (ray_parse_u64(call->word[word], call->length[word], &value) != RAY_OK || value >= RAY_NONE)
        return RAY_NONE;
    return (uint32_t)value;
}

uint32_t ray_gateway_find_service_word(ray_call *call, uint32_t word, uint32_t *id)
{
    ray_service_row row;
    if (ray_gateway_find_service(gateway_of(call), call->word[word], call->length[word], id) ==
        RAY_OK)
        return 1;
    *id = number_word(call, word);
    return ray_gateway_read_service(gateway_of(call), *id, &row) == RAY_OK;
}

uint32_t ray_gateway_find_route_word(ray_call *call, uint32_t word, uint32_t *id)
{
    ray_route_row row;
    if (ray_gateway_find_route(gateway_of(call), call->word[word], call->length[word], id) ==
        RAY_OK)
        return 1;
    *id = number_word(call, word);
    return ray_gateway_read_route(gateway_of(call), *id, &row) == RAY_OK;
}

ray_status ray_gateway_service_word(ray_call *call, uint32_t word, uint32_t *id)
{
    if (ray_gateway_find_service_word(call, word, id))
        return RAY_OK;
    return ray_call_unknown(call, "no such service", word, RAY_COMPLETE_SERVICE);
}

ray_status ray_gateway_route_word(ray_call *call, uint32_t word, uint32_t *id)
{
    if (ray_gateway_find_route_word(call, word, id))
        return RAY_OK;
    return ray_call_unknown(call, "no such route", word, RAY_COMPLETE_ROUTE);
}

/* "GET,POST", or "any". */
void ray_gateway_put_methods(ray_text *out, uint32_t methods)
{
    uint32_t said = 0;
    if (methods == 0)
        ray_text_put(out, "any");
    for (uint32_t method = RAY_METHOD_GET; method < RAY_METHOD_MAX; method++)
        if ((methods >> method & 1U) != 0) {
            ray_text_put(out, said++ == 0 ? "" : ",");
            ray_text_put(out, ray_method_word(method));
        }
}

void ray_gateway_put_service(ray_call *call, uint32_t id)
{
    ray_name name;
    ray_by_name(call->ray, RAY_BY_SERVICE, id, &name);
    ray_text_name(call->out, &name, 0);
}

void ray_gateway_put_pattern(ray_text *out, const char *at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (at[i] == '\\')
            ray_text_char(out, at[i]);
        else
            ray_text_escaped(out, at + i, 1);
}

/* Where it is reached: its own host, or its pool's instances. */
static void put_place(ray_call *call, const ray_service_row *row)
{
    ray_text *out = call->out;
    uint32_t pool = ray_lb_pool_of(ray_lb_of(call->ray), row->id);
    ray_name name;
    if (row->spec->host[0] == 0 && pool != RAY_NONE) {
        ray_by_name(call->ray, RAY_BY_POOL, pool, &name);
        ray_text_put(out, "pool ");
        ray_text_name(out, &name, 0);
        return;
    }
    ray_text_put(out, row->spec->host[0] != 0 ? row->spec->host : "-");
    if (row->spec->port != 0) {
        ray_text_char(out, ':');
        ray_text_u64(out, row->spec->port);
    }
}

/* -- status -- */
static ray_status run_status(ray_call *call)
{
    ray_gateway_stats stats;
    ray_text *out = call->out;
    ray_gateway_read(gateway_of(call), &stats);
    const ray_counter rows[] = {
        {"asked", "asked_count", stats.asked_count, 0},
        {"granted", "granted_count", stats.granted_count, 0},
        {"denied", "denied_count", stats.denied_count, 0},
        {"rows refused", "error_count", stats.error_count, 0},
        {"forwarded", "forwarded_count", stats.forwarded_count, 0},
        {"paths rewritten", "rewritten_count", stats.rewritten_count, 0},
        {"service given", "given_count", stats.given_count, 0},
        {"404 no route", "no_route_count", stats.no_route_count, 0},
        {"405 method", "method_denied_count", stats.method_denied_count, 0},
        {"501 method unknown", "method_unknown_count", stats.method_unknown_count, 0},
        {"400 path", "path_bad_count", stats.path_bad_count, 0},
        {"400 headers", "headers_bad_count", stats.headers_bad_count, 0},
        {"414 target", "target_long_count", stats.target_long_count, 0},
        {"431 headers", "headers_large_count", stats.headers_large_count, 0},
        {"413 body", "body_large_count", stats.body_large_count, 0},
        {"503 unhealthy", "unhealthy_count", stats.unhealthy_count, 0},
        {"services", "service_count", stats.service_count, RAY_SERVICE_MAX},
        {"routes", "route_count", stats.route_count, RAY_ROUTE_MAX},
        {"regex tables", "dfa_count", stats.dfa_count, RAY_DFA_MAX},
        {"regex bytes", "dfa_bytes", stats.dfa_bytes, RAY_DFA_POOL_BYTES}};
    const ray_counters counters = {rows, sizeof rows / sizeof rows[0], 20, 12, 0};
    if (call->json)
        ray_text_json_open(out, 0, '{');
    ray_counters_put(call, &counters);
    if (call->json) {
        ray_text_json_u64(out, "service_max", RAY_SERVICE_MAX);
        ray_text_json_u64(out, "route_max", RAY_ROUTE_MAX);
        ray_json_end(out);
    }
    return RAY_OK;
}

/* -- tables -- */
static void table_services(ray_call *call)
{
    ray_service_row row;
    ray_text *out = call->out;
    const ray_gateway *gateway = gateway_of(call);
    ray_text_put(out, "id        service               at                        health  mode     "
                      "  routes       asked      denied\n");
    for (uint32_t id = ray_gateway_next_service(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_service(gateway, id)) {
        if (ray_gateway_read_service(gateway, id, &row) != RAY_OK)
            continue;
        ray_text_u64(out, id);
        ray_text_column(out, 10);
        ray_text_name(out, &row.spec->name, 0);
        ray_text_column(out, 32);
        put_place(call, &row);
        ray_text_column(out, 58);
        ray_text_put(out, row.spec->healthy ? "up" : "down");
        ray_text_column(out, 66);
        ray_text_put(out, ray_mode_word(row.spec->mode));
        ray_text_column(out, 75);
        ray_text_u64_right(out, row.route_count, 8);
        ray_text_u64_right(out, row.count.asked_count, 12);
        ray_text_u64_right(out, row.count.denied_count, 12);
        ray_text_char(out, '\n');
    }
}

/* In the order in which they are tried: the first that fits is the answer. */
static void table_routes(ray_call *call)
{
    ray_route_row row;
    ray_text *out = call->out;
    const ray_gateway *gateway = gateway_of(call);
    uint32_t id;
    ray_text_put(out, "rank  id        route                 kind      pattern                     "
                      "      service           auth             asked      denied  methods\n");
    for (uint32_t rank = 0; (id = ray_gateway_ranked_route(gateway, rank)) != RAY_NONE; rank++) {
        if (ray_gateway_read_route(gateway, id, &row) != RAY_OK)
            continue;
        ray_text_u64_right(out, rank, 4);
        ray_text_column(out, 6);
        ray_text_u64(out, id);
        ray_text_column(out, 16);
        ray_text_name(out, &row.spec->name, 0);
        ray_text_column(out, 38);
        ray_text_put(out, ray_route_kind_word(row.spec->kind));
        ray_text_column(out, 48);
        ray_gateway_put_pattern(out, row.spec->host, row.spec->host_length);
        ray_gateway_put_pattern(out, row.spec->pattern, row.spec->pattern_length);
        ray_text_column(out, 82);
        ray_gateway_put_service(call, row.spec->service);
        ray_text_column(out, 100);
        ray_text_put(out, ray_need_word(row.spec->auth));
        ray_text_column(out, 110);
        ray_text_u64_right(out, row.count.asked_count, 12);
        ray_text_u64_right(out, row.count.denied_count, 12);
        ray_text_put(out, "  ");
        ray_gateway_put_methods(out, row.spec->methods);
        ray_text_char(out, '\n');
    }
}

static ray_status put_json(ray_call *call)
{
    ray_status status = ray_gateway_export(gateway_of(call), RAY_GATEWAY_EXPORT_JSON, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

static ray_status run_services(ray_call *call)
{
    if (call->json)
        return put_json(call);
    table_services(call);
    return RAY_OK;
}

static ray_status run_routes(ray_call *call)
{
    if (call->json)
        return put_json(call);
    table_routes(call);
    return RAY_OK;
}

static ray_status run_list(ray_call *call)
{
    if (call->json)
        return put_json(call);
    table_services(call);
    ray_text_char(call->out, '\n');
    table_routes(call);
    return RAY_OK;
}

static ray_status run_export(ray_call *call)
{
    uint32_t json = ray_call_is(call, 2, "json"), services = ray_call_is(call, 2, "services");
    if (call->plain_count > 2 && json == 0 && services == 0 && !ray_call_is(call, 2, "routes") &&
        !ray_call_is(call, 2, "csv"))
        return ray_call_error(call, RAY_E_ARGUMENT,
                              "an export is routes, services, csv (of the routes) or json, not", 2,
                              0);
    if (call->json != 0 || json != 0)
        return put_json(call);
    if (services != 0)
        return ray_gateway_export(gateway_of(call), RAY_GATEWAY_EXPORT_SERVICES_CSV, call->out);
    return ray_gateway_export(gateway_of(call), RAY_GATEWAY_EXPORT_ROUTES_CSV, call->out);
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"status", "", "counters: granted, denied by reason, how full the tables are", run_status, 1,
     0},
    {"list", "", "services, and routes in the order they are tried", run_list, 1, 0},
    {"services", "", "services alone", run_services, 1, 0},
    {"routes", "", "routes alone, in the order they are tried", run_routes, 1, 0},
    {"show", "NAME|ID", "a service or a route in full", ray_gateway_run_show, 1,
     RAY_COMPLETE_ROUTE},
    {"test", "METHOD PATH [--header N:V]... [--host H] [--body BYTES]",
     "where a request would go; asks only", ray_gateway_run_test, 1, 0},
    {"export", "[routes|services|csv|json]",
     "rows with their counters, as CSV (csv: routes) or JSON", run_export, 1, 0},
    {"add-service", "NAME [--at HOST:PORT] [--timeout D] [--max-body BYTES]",
     "registers a service", ray_gateway_run_add_service, 0, 0},
    {"add-route",
     "NAME SERVICE KIND PATTERN [--methods LIST] [--host H] [--priority N] [--weight N] "
     "[--limits LIST] [--allow-escapes]",
     "KIND is exact, prefix or wildcard; regex routes come from the configuration",
     ray_gateway_run_add_route, 0, 0},
    {"remove-service", "NAME|ID [--cascade]", "forgets a service; --cascade: its routes too",
     ray_gateway_run_remove_service, 0, RAY_COMPLETE_SERVICE},
    {"remove-route", "NAME|ID", "forgets a route", ray_gateway_run_remove_route, 0,
     RAY_COMPLETE_ROUTE},
    {"health", "NAME|ID up|down", "a service that is down answers 503", ray_gateway_run_health, 0,
     RAY_COMPLETE_SERVICE},
    {"mode", "NAME|ID enforce|off", "off lets a service's traffic pass ungoverned",
     ray_gateway_run_mode, 0, RAY_COMPLETE_SERVICE},
};

const ray_command ray_command_gateway = {"gateway", "services, and which requests go to them",
                                         subs,      sizeof subs / sizeof subs[0],
                                         19,        1,
                                         0};
