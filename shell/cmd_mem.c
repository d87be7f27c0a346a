/* SPDX-License-Identifier: MIT */
/* cmd_mem.c - what the state takes: every part and the tables inside it, against the profile's
 * budget. */
#include "parts.h"

enum mem_line { COLUMN = 24 };

/* -- tables (private) -- */
/* Table `index` of the modules that tell theirs; 0 past the last. */
static uint32_t table_read(const ray_call *call, uint32_t index, ray_part *out)
{
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_gateway_part of_gateway;
    ray_ratelimit_part of_limits;
    uint32_t before = 0;
    while (ray_gateway_read_part(gateway, before, &of_gateway) == RAY_OK) {
        if (before++ != index)
            continue;
        *out = (ray_part){of_gateway.name, of_gateway.bytes, of_gateway.used, of_gateway.capacity};
        return 1;
    }
    if (ray_ratelimit_read_part(ray_ratelimit_of(call->ray), index - before, &of_limits) != RAY_OK)
        return 0;
    *out = (ray_part){of_limits.name, of_limits.bytes, of_limits.used, of_limits.capacity};
    return 1;
}

/* -- text (private) -- */
/* Bytes, and how many hundredths of a percent of the budget they are. */
static void row(ray_text *out, const char *name, uint64_t bytes)
{
    uint64_t share = bytes / 1024 * 10000 / (RAY_STATE_BYTES_MAX / 1024);
    ray_line_begin(out, COLUMN, name);
    ray_text_u64_right(out, bytes, 12);
    ray_text_put(out, share < 1000 ? "     " : "    ");
    ray_text_fixed(out, (int64_t)share, 2);
    ray_text_put(out, " %");
}

static void row_part(ray_text *out, const ray_part *part, uint32_t inner)
{
    ray_text_put(out, inner != 0 ? "  " : "");
    row(out, part->name.at, part->bytes);
    ray_text_u64_right(out, part->used, 12);
    ray_text_u64_right(out, part->capacity, 12);
    ray_text_char(out, '\n');
}

static void row_bytes(ray_text *out, const char *name, uint64_t bytes)
{
    ray_line_begin(out, COLUMN, name);
    ray_text_u64_right(out, bytes, 12);
    ray_text_char(out, '\n');
}

static void text(ray_call *call)
{
    ray_text *out = call->out;
    ray_part part;
    uint64_t total = 0;
    ray_text_put(out, "part                           bytes  of budget        used    capacity\n");
    for (uint32_t i = 0; ray_part_read(call->ray, i, &part) == RAY_OK; i++) {
        total += part.bytes;
        row_part(out, &part, 0);
    }
    row(out, "the rest", ray_bytes() - total);
    ray_text_char(out, '\n');
    row(out, "struct ray", ray_bytes());
    ray_text_put(out, " of ");
    ray_text_u64(out, RAY_STATE_BYTES_MAX);
    ray_text_put(out, ray_bytes() <= RAY_STATE_BYTES_MAX ? "\n" : ": OVER\n");
    ray_text_put(out, "\ntables inside\n");
    for (uint32_t i = 0; table_read(call, i, &part) != 0; i++)
        row_part(out, &part, 1);
    ray_text_put(out, "\nbeside the state\n");
    row_bytes(out, "  console", sizeof(ray_console));
    row_bytes(out, "  link", ray_link_state_bytes());
    row_bytes(out, "  image", call->machine->image_bytes);
    row_bytes(out, "  memory", call->machine->memory_bytes);
}

/* -- JSON (private) -- */
static void json_part(ray_text *out, const ray_part *part)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "part", &part->name);
    ray_text_json_u64(out, "bytes", part->bytes);
    ray_text_json_u64(out, "used", part->used);
    ray_text_json_u64(out, "capacity", part->capacity);
    ray_text_json_close(out, '}');
}

static void json(ray_call *call)
{
    ray_text *out = call->out;
    ray_part part;
    ray_json_list_open(out, "parts");
    for (uint32_t i = 0; ray_part_read(call->ray, i, &part) == RAY_OK; i++)
        json_part(out, &part);
    ray_text_json_close(out, ']');
    ray_text_json_open(out, "tables", '[');
    for (uint32_t i = 0; table_read(call, i, &part) != 0; i++)
        json_part(out, &part);
    ray_text_json_close(out, ']');
    ray_text_json_u64(out, "state_bytes", ray_bytes());
    ray_text_json_u64(out, "budget_bytes", RAY_STATE_BYTES_MAX);
    ray_text_json_u64(out, "console_bytes", sizeof(ray_console));
    ray_text_json_u64(out, "link_bytes", ray_link_state_bytes());
    ray_text_json_u64(out, "image_bytes", call->machine->image_bytes);
    ray_text_json_u64(out, "memory_bytes", call->machine->memory_bytes);
    ray_json_end(out);
}

/* -- the command -- */
static ray_status run_mem(ray_call *call)
{
    if (call->json != 0)
        json(call);
    else
        text(call);
    return RAY_OK;
}

static const ray_subcommand mem_subs[] = {
    {"", "", "bytes of every part against the budget", run_mem, 1, 0}};
const ray_command ray_command_mem = {"mem", "what the state takes", mem_subs, 1, 0, 1, 0};
