/* SPDX-License-Identifier: MIT */
/* cmd_request.c - one request by hand: through the real pipeline, or only asked. */
#include "parts.h"
#include "ray/transform.h"

#define REQUEST_OPTIONS \
    "[--user U] [--tenant T] [--ip A] [--host H] [--header N:V]... [--body BYTES] " \
    "[--response-bytes BYTES] [--status N] [--duration D] [--weight N] [--priority CLASS] " \
    "[--role ROLE] [--accesses N] [--hits N] [--content TEXT] [--anonymous] " \
    "[--service S] [--compute N] [--custom N]"

enum request_size { REQUEST_HEADERS = 2048, REQUEST_PROBLEM = 512 };

/* Work memory of one request: its row, its bytes, and where a path is normalised. */
typedef struct request {
    ray_row row;
    ray_answer answer;
    ray_text headers;            /* of the response, in `lines` */
    ray_text problem;            /* its body, in `words` */
    char lines[REQUEST_HEADERS];
    char words[REQUEST_PROBLEM];
    uint8_t scratch[RAY_TARGET_BYTES_MAX];
    uint8_t bytes[4 * RAY_SHELL_LINE_MAX];
    uint32_t used;
    uint32_t reserved;
} request;

/* -- filling the row (private) -- */
/* A line is at most 1024 bytes, so what its words say fits four times. */
static void keep(request *r, const char *at, uint32_t length, uint32_t *to, uint32_t *to_length)
{
    *to = r->used;
    *to_length = length;
    __builtin_memcpy(r->bytes + r->used, at, length);
    r->used += length;
}

typedef ray_status number_parser(const char *at, uint64_t length, uint64_t *out);

/* Reads option `name` as a number up to `most`; leaves *out where it is absent. */
static ray_status number(ray_call *call, const char *name, number_parser *parse, uint64_t most,
                         uint64_t *out)
{
    const char *at;
    uint32_t length;
    uint64_t value;
    if (ray_call_option(call, name, &at, &length) == 0)
        return RAY_OK;
    ray_status status = parse(at, length, &value);
    if (status == RAY_OK && value > most)
        status = RAY_E_RANGE;
    if (status == RAY_E_RANGE) {
        char room[32];
        ray_text rule;
        ray_text_init(&rule, room, sizeof room);
        ray_text_put(&rule, "at most ");
        ray_text_u64(&rule, most);
        ray_text_bytes(&rule, "", 1);
        return ray_option_wrong(call, status, name, room);
    }
    if (status != RAY_OK)
        return ray_option_wrong(call, status, name,
                                parse == ray_parse_bytes      ? "a size such as 512 or 8KiB"
                                : parse == ray_parse_duration ? "a duration such as 500ms or 2s"
                                                              : "a whole number");
    *out = value;
    return RAY_OK;
}

static ray_status fill_names(ray_call *call, request *r)
{
    const char *at;
    uint32_t length;
    ray_row *row = &r->row;
    if (ray_call_option(call, "--tenant", &at, &length) != 0 &&
        ray_tenant_find(call->ray, at, length, &row->tenant) != RAY_OK)
        return ray_call_unknown_value(call, "no such tenant", at, length, RAY_COMPLETE_TENANT);
    if (ray_call_option(call, "--service", &at, &length) != 0 &&
        ray_gateway_find_service(ray_gateway_of(call->ray), at, length, &row->service) != RAY_OK)
        return ray_call_unknown_value(call, "no such service", at, length, RAY_COMPLETE_SERVICE);
    if (ray_call_option(call, "--ip", &at, &length) != 0) {
        if (ray_parse_address(at, length, &row->address) != RAY_OK)
            return ray_option_wrong(call, RAY_E_SYNTAX, "--ip",
                                    "an address such as 192.0.2.7 or 2001:db8::7");
        row->flags |= RAY_ROW_ADDRESS;
    }
    if (ray_call_option(call, "--role", &at, &length) != 0) {
        uint32_t role = ray_role_of(at, length);
        if (role == RAY_NONE)
            return ray_option_wrong(call, RAY_E_UNKNOWN, "--role",
                                    "admin, service-account, user or guest");
        row->role = (uint8_t)role;
    }
    if (ray_call_option(call, "--priority", &at, &length) != 0) {
        uint32_t place = ray_option_place(at, length, ray_class_word, RAY_CLASS_MAX);
        if (place == RAY_CLASS_MAX)
            return ray_option_choice(call, RAY_E_UNKNOWN, "--priority", ray_class_word,
                                     RAY_CLASS_MAX);
        row->priority = (uint8_t)place;
    }
    return RAY_OK;
}

static ray_status fill_numbers(ray_call *call, ray_row *row)
{
    uint64_t weight = 0, accesses = 0, hits = 0;
    uint64_t http_status = 200;
    ray_status status = number(call, "--body", ray_parse_bytes, RAY_UNITS_MAX, &row->request_bytes);
    if (status == RAY_OK)
        status =
            number(call, "--response-bytes", ray_parse_bytes, RAY_UNITS_MAX, &row->response_bytes);
    if (status == RAY_OK)
        status = number(call, "--duration", ray_parse_duration, RAY_NEVER - 1, &row->duration_ns);
    if (status == RAY_OK)
        status = number(call, "--compute", ray_parse_u64, RAY_UNITS_MAX, &row->compute_units);
    if (status == RAY_OK)
        status = number(call, "--custom", ray_parse_u64, RAY_UNITS_MAX, &row->custom_units);
    if (status == RAY_OK)
        status = number(call, "--weight", ray_parse_u64, RAY_NONE - 1, &weight);
    if (status == RAY_OK)
        status = number(call, "--status", ray_parse_u64, 999, &http_status);
    if (status == RAY_OK)
        status = number(call, "--accesses", ray_parse_u64, RAY_NONE - 1, &accesses);
    if (status == RAY_OK)
        status = number(call, "--hits", ray_parse_u64, RAY_NONE - 1, &hits);
    row->access_count = (uint32_t)accesses;
    row->hit_count = (uint32_t)hits;
    row->weight = (uint32_t)weight;
    const char *stated;
    uint32_t length;
    if (ray_call_option(call, "--weight", &stated, &length) != 0)
        row->flags |= RAY_ROW_WEIGHT;   /* a stated 0 takes nothing */
    row->http_status = (uint16_t)http_status;
    return status;
}

static ray_status fill(ray_call *call, request *r)
{
    const char *at;
    uint32_t length;
    ray_row *row = &r->row;
    row->tenant = RAY_NONE;
    row->service = RAY_NONE;
    row->kind = RAY_ROW_EXCHANGE;
    row->flags = RAY_ROW_NOW;
    row->priority = RAY_CLASS_DEFAULT;
    row->method = (uint8_t)ray_method_of(call->word[1], call->length[1]);
    keep(r, call->word[2], call->length[2], &row->target_at, &row->target_length);
    if (ray_call_option(call, "--user", &at, &length) != 0)
        keep(r, at, length, &row->user_at, &row->user_length);
    if (ray_call_option(call, "--host", &at, &length) != 0)
        keep(r, at, length, &row->host_at, &row->host_length);
    if (ray_call_option(call, "--content", &at, &length) != 0) {
        keep(r, at, length, &row->body_at, &row->body_length);
        row->flags |= RAY_ROW_BODY;
        row->request_bytes = length;
    }
    r->row.headers_at = r->used;
    ray_status status = ray_call_headers(call, r->bytes + r->used, &r->row.headers_length);
    r->used += r->row.headers_length;
    if (status == RAY_OK)
        status = fill_names(call, r);
    /* Whoever types at the console is believed about who asks; without a word credentials count. */
    if ((row->tenant != RAY_NONE || row->user_length != 0 || row->role != 0) &&
        ray_call_flag(call, "--anonymous") == 0)
        row->flags |= RAY_ROW_VOUCHED;
    return status == RAY_OK ? fill_numbers(call, row) : status;
}

/* -- the commands -- */
/* A row that cannot be: what was begun is taken back, and the core's word for why is said. */
static ray_status refused(ray_call *call, ray_status status)
{
    call->out->length = 0;
    if (status == RAY_E_TRUNCATED)
        return status;
    ray_text_put(call->out, "error: the pipeline refuses such a request: ");
    ray_text_put(call->out, ray_status_word(status));
    ray_text_char(call->out, '\n');
    return status;
}

static ray_status run_explain(ray_call *call)
{
    request *r = ray_call_memory(call, sizeof *r);
    if (r == 0)
        return RAY_E_TRUNCATED;
    ray_status status = fill(call, r);
    if (status != RAY_OK)
        return status;
    ray_rows rows = {&r->row, r->bytes, r->used, r->scratch, call->machine->secrets};
    status = ray_explain(call->ray, call->now_ns, &rows, call->json, call->out);
    if (status != RAY_OK)
        return refused(call, status);
    if (call->json != 0)
        ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* A no tells its client why: the body that goes with it, where problem_json asks for one. */
static void tell_problem(ray_call *call, request *r)
{
    ray_settings_spec settings;
    ray_text fields;
    ray_settings_read(call->ray, &settings);
    ray_text_init(&r->problem, r->words, sizeof r->words);
    if (settings.problem_json == 0 || (r->answer.verdict != RAY_VERDICT_DENY &&
                                       r->answer.verdict != RAY_VERDICT_DROPPED))
        return;
    ray_text_init(&fields, (char *)r->scratch, sizeof r->scratch);
    ray_refusal(call->ray, &r->answer, &fields, &r->problem);
}

static ray_status run_request(ray_call *call)
{
    uint32_t journey = ray_call_flag(call, "--explain");
    ray_text *out = call->out;
    if (ray_call_flag(call, "--dry-run"))
        return run_explain(call);
    request *r = ray_call_memory(call, sizeof *r);
    if (r == 0)
        return RAY_E_TRUNCATED;
    ray_status status = fill(call, r);
    if (status != RAY_OK)
        return status;
    ray_rows rows = {&r->row, r->bytes, r->used, r->scratch, call->machine->secrets};
    if (call->json != 0)
        ray_text_json_open(out, 0, '{');
    if (call->json != 0 && journey)
        ray_text_put(out, "\"journey\":");
    if (journey)
        status = ray_explain(call->ray, call->now_ns, &rows, call->json, out);
    ray_text_init(&r->headers, r->lines, sizeof r->lines);
    if (status == RAY_OK)
        status = ray_step_headers(call->ray, &rows, &r->answer, &r->headers);
    if (status == RAY_OK)
        status = r->answer.status;
    if (status != RAY_OK)
        return refused(call, status);
    tell_problem(call, r);
    if (call->json != 0) {
        ray_answer_json(call, &r->answer, &r->headers);
        if (r->problem.length != 0)
            ray_text_json_string(out, "body", r->words, r->problem.length);
        else
            ray_text_json_null(out, "body");
        ray_json_end(out);
        return RAY_OK;
    }
    if (!journey)
        ray_answer_put_verdict(call, &r->answer);
    ray_answer_put(call, &r->answer, &r->headers);
    if (r->problem.length != 0) {
        ray_text_put(out, "  body        ");
        ray_text_bytes(out, r->words, r->problem.length);
        ray_text_char(out, '\n');
    }
    return RAY_OK;
}

static const ray_subcommand request_subs[] = {
    {"", "METHOD TARGET " REQUEST_OPTIONS " [--explain] [--dry-run] [--json]",
     "sends one request through the pipeline; --explain shows every stage, --dry-run only asks",
     run_request, 0, 0}};
const ray_command ray_command_request = {"request", "one request", request_subs, 1, 0, 1, 0};

static const ray_subcommand explain_subs[] = {
    {"", "METHOD TARGET " REQUEST_OPTIONS,
     "what every stage would say to this request; changes nothing", run_explain, 1, 0}};
const ray_command ray_command_explain = {
    "explain", "one request, only asked", explain_subs, 1, 0, 1, 0};
