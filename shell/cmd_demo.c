/* SPDX-License-Identifier: MIT */
/* cmd_demo.c - made-up traffic over the routes and tenants of the running configuration, through
 * the real pipeline. The same seed makes the same requests on every machine: integers only, drawn
 * by splitmix64. */
#include "parts.h"

enum demo_size { DEMO_DEFAULT = 1000, DEMO_RATE = 1000, DEMO_KINDS = 32, DEMO_ROUTES = 64,
                 DEMO_USERS = 120 };
#define DEMO_MOST 1000000U
#define SECOND 1000000000ULL

/* Decisions of one kind: a verdict, and what it was bound by. */
typedef struct kind {
    uint64_t count;
    uint32_t by_id;
    uint16_t reason;
    uint8_t by_kind;
    uint8_t verdict;
} kind;

typedef struct demo {
    ray_row row;
    ray_answer answer;
    uint8_t scratch[RAY_TARGET_BYTES_MAX];
    char bytes[RAY_SHELL_LINE_MAX];
    kind kinds[DEMO_KINDS];
    uint32_t route[DEMO_ROUTES];
    uint64_t random;
    uint64_t fail;   /* percent of requests that their service answers with 503 */
    uint64_t errors;
    uint64_t others; /* decisions of kinds past DEMO_KINDS */
    uint32_t kind_count;
    uint32_t route_count;
} demo;

/* -- drawing (private) -- */
static uint64_t draw(demo *d)
{
    d->random += 0x9e3779b97f4a7c15ULL;
    uint64_t z = d->random;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

/* 0 half of the time, 1 a quarter, and so on: a few are busy, many are quiet. */
static uint32_t draw_rank(demo *d, uint32_t most)
{
    uint64_t bits = draw(d);
    uint32_t rank = 0;
    while (rank + 1 < most && (bits >> rank & 1U) != 0)
        rank++;
    return rank;
}

/* Half of the requests come from the busy few, half from everybody alike: with the clock
 * standing still most users stay within their burst, and some do not. */
static uint32_t draw_user(demo *d)
{
    if (draw(d) % 2 == 0)
        return draw_rank(d, 16);
    return (uint32_t)(draw(d) % DEMO_USERS);
}

static void find_routes(ray_call *call, demo *d)
{
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_text probe;
    uint32_t id = ray_gateway_next_route(gateway, RAY_NONE);
    for (; id != RAY_NONE && d->route_count < DEMO_ROUTES;
         id = ray_gateway_next_route(gateway, id)) {
        ray_text_init(&probe, d->bytes, sizeof d->bytes);
        if (ray_target_put(call->ray, id, 0, &probe) != 0)
            d->route[d->route_count++] = id;
    }
}

static void put_user(ray_text *text, uint32_t rank)
{
    ray_text_put(text, "user-");
    ray_text_u64(text, rank);
}

static void make_row(ray_call *call, demo *d)
{
    ray_row *row = &d->row;
    ray_text text;
    __builtin_memset(row, 0, sizeof *row);
    ray_text_init(&text, d->bytes, sizeof d->bytes);
    row->kind = RAY_ROW_EXCHANGE;
    row->flags = RAY_ROW_ADDRESS | RAY_ROW_VOUCHED;
    row->service = RAY_NONE;
    row->tenant = RAY_NONE;
    row->http_status = 200;
    row->priority = RAY_CLASS_DEFAULT;
    row->role = RAY_ROLE_USER;
    row->method = RAY_METHOD_GET;
    if (d->route_count == 0 || draw(d) % 64 == 0) {
        ray_text_put(&text, "/nowhere/");
        ray_text_u64(&text, draw(d) % 100);
    } else {
        uint32_t id = d->route[draw(d) % d->route_count];
        row->method = (uint8_t)ray_target_method(call->ray, id);
        ray_target_put(call->ray, id, draw(d) % 100, &text);
        row->target_length = (uint32_t)text.length;
        ray_target_more_put(call->ray, id, row, &text);
    }
    if (row->target_length == 0)
        row->target_length = (uint32_t)text.length;
    uint32_t rank = draw_user(d);
    row->user_at = (uint32_t)text.length;
    put_user(&text, rank);
    row->user_length = (uint32_t)text.length - row->user_at;
    row->address.at[10] = 0xff;
    row->address.at[11] = 0xff;
    row->address.at[12] = 192;
    row->address.at[14] = 2;
    row->address.at[15] = (uint8_t)(1 + rank * 2 + draw(d) % 2);
    if (ray_tenant_count(call->ray) != 0)
        row->tenant = draw_rank(d, ray_tenant_count(call->ray));
    row->request_bytes = draw(d) % 1024;
    row->response_bytes = draw(d) % 8192;
    row->compute_units = draw(d) % 4;
    row->duration_ns = 1000000 * (1 + draw(d) % 100);
    if (d->fail != 0 && draw(d) % 100 < d->fail)
        row->http_status = 503;
}

/* -- counting (private) -- */
static void count(demo *d)
{
    const ray_answer *a = &d->answer;
    if (a->status != RAY_OK) {
        d->errors++;
        return;
    }
    for (uint32_t i = 0; i < d->kind_count; i++) {
        kind *k = &d->kinds[i];
        if (k->verdict == a->verdict && k->reason == a->reason && k->by_kind == a->by_kind &&
            k->by_id == a->by_id) {
            k->count++;
            return;
        }
    }
    if (d->kind_count == DEMO_KINDS) {
        d->others++;
        return;
    }
    kind *k = &d->kinds[d->kind_count++];
    k->verdict = a->verdict;
    k->reason = a->reason;
    k->by_kind = a->by_kind;
    k->by_id = a->by_id;
    k->count = 1;
}

static uint64_t count_of(const demo *d, uint32_t verdict)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < d->kind_count; i++)
        sum += d->kinds[i].verdict == verdict ? d->kinds[i].count : 0;
    return sum;
}

/* -- the summary (private) -- */
static void put_kind(ray_call *call, const kind *k)
{
    ray_text *out = call->out;
    ray_name name;
    ray_text_u64_right(out, k->count, 10);
    ray_text_put(out, "  ");
    ray_text_put(out, ray_verdict_word(k->verdict));
    ray_text_column(out, 23);
    ray_text_put(out, ray_reason_word(k->reason));
    if (k->by_kind != RAY_BY_NONE) {
        ray_by_name(call->ray, k->by_kind, k->by_id, &name);
        ray_text_put(out, ", by ");
        ray_text_put(out, ray_by_word(k->by_kind));
        ray_text_put(out, " ");
        ray_text_name(out, &name, 0);
    }
    ray_text_char(out, '\n');
}

static void put_summary(ray_call *call, const demo *d, uint64_t requests, uint64_t rate)
{
    ray_text *out = call->out;
    ray_text_u64(out, requests);
    ray_text_put(out, requests == 1 ? " request" : " requests");
    if (rate != 0) {
        ray_text_put(out, " at ");
        ray_text_u64(out, rate);
        ray_text_put(out, " a second of virtual time\n");
    } else
        ray_text_put(out, " at this instant (with a virtual clock they spread over --rate)\n");
    for (uint32_t i = 0; i < d->kind_count; i++)
        put_kind(call, &d->kinds[i]);
    if (d->others != 0) {
        ray_text_u64_right(out, d->others, 10);
        ray_text_put(out, "  of further kinds\n");
    }
    if (d->errors != 0) {
        ray_text_u64_right(out, d->errors, 10);
        ray_text_put(out, "  rows refused\n");
    }
}

static void json_summary(ray_call *call, const demo *d, uint64_t requests)
{
    ray_text *out = call->out;
    ray_name name;
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "requests", requests);
    ray_text_json_u64(out, "allow", count_of(d, RAY_VERDICT_ALLOW));
    ray_text_json_u64(out, "deny", count_of(d, RAY_VERDICT_DENY));
    ray_text_json_u64(out, "delay", count_of(d, RAY_VERDICT_DELAY));
    ray_text_json_u64(out, "errors", d->errors);
    ray_text_json_open(out, "kinds", '[');
    for (uint32_t i = 0; i < d->kind_count; i++) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_literal(out, "verdict", ray_verdict_word(d->kinds[i].verdict));
        ray_text_json_literal(out, "reason", ray_reason_word(d->kinds[i].reason));
        ray_text_json_literal(out, "by_kind", ray_by_word(d->kinds[i].by_kind));
        ray_by_name(call->ray, d->kinds[i].by_kind, d->kinds[i].by_id, &name);
        ray_text_json_name(out, "by", &name);
        ray_text_json_u64(out, "count", d->kinds[i].count);
        ray_text_json_close(out, '}');
    }
    ray_json_list_end(out);
}

/* -- the command -- */
static ray_status read_numbers(ray_call *call, uint64_t *requests, uint64_t *seed, uint64_t *rate,
                               uint64_t *fail)
{
    const char *at;
    uint32_t length;
    if (call->plain_count > 1 &&
        (ray_parse_u64(call->word[1], call->length[1], requests) != RAY_OK ||
         *requests > DEMO_MOST))
        return ray_call_error(call, RAY_E_RANGE, "demo sends 0 to 1000000 requests", 1, 0);
    if (ray_call_option(call, "--seed", &at, &length) != 0 &&
        ray_parse_u64(at, length, seed) != RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "--seed takes a number", RAY_NONE, 0);
    if (ray_call_option(call, "--rate", &at, &length) != 0 &&
        (ray_parse_u64(at, length, rate) != RAY_OK || *rate == 0))
        return ray_call_error(call, RAY_E_SYNTAX, "--rate takes requests a second, at least 1",
                              RAY_NONE, 0);
    if (ray_call_option(call, "--fail", &at, &length) != 0 &&
        (ray_parse_u64(at, length, fail) != RAY_OK || *fail > 100))
        return ray_call_error(call, RAY_E_SYNTAX,
                              "--fail takes how many of 100 requests end with 503, 0 to 100",
                              RAY_NONE, 0);
    return RAY_OK;
}

static ray_status run_demo(ray_call *call)
{
    uint64_t requests = DEMO_DEFAULT, seed = 1, rate = DEMO_RATE, fail = 0;
    ray_stats stats;
    ray_status status = read_numbers(call, &requests, &seed, &rate, &fail);
    if (status != RAY_OK)
        return status;
    demo *d = ray_call_memory(call, sizeof *d);
    if (d == 0)
        return RAY_E_TRUNCATED;
    ray_read(call->ray, &stats);
    d->random = seed;
    d->fail = fail;
    find_routes(call, d);
    ray_rows rows = {&d->row, (const uint8_t *)d->bytes, sizeof d->bytes, d->scratch,
                     call->machine->secrets};
    for (uint64_t i = 0; i < requests && status == RAY_OK; i++) {
        make_row(call, d);
        d->row.at_ns = stats.now_ns + i / rate * SECOND + i % rate * SECOND / rate;
        if (stats.clock_virtual == 0) {
            d->row.flags |= RAY_ROW_NOW;
            if (i >= RAY_INFLIGHT_MAX / 2)
                d->row.duration_ns = 0;   /* the rest would only find every place taken */
        }
        status = ray_step_batch(call->ray, &rows, 1, &d->answer);
        count(d);
    }
    if (status != RAY_OK)
        return ray_call_error(call, status, ray_status_word(status), RAY_NONE, 0);
    if (call->json != 0)
        json_summary(call, d, requests);
    else
        put_summary(call, d, requests, stats.clock_virtual != 0 ? rate : 0);
    return RAY_OK;
}

static const ray_subcommand subs[] = {{"", "[N] [--seed S] [--rate PER_SECOND] "
                                       "[--fail PERCENT] [--json]",
                                       "sends N made-up requests, the same for the same seed",
                                       run_demo, 0, 0}};
const ray_command ray_command_demo = {"demo", "traffic to look at", subs, 1, 0, 1, 0};
