/* SPDX-License-Identifier: MIT */
/* script.c - lines from a file, run as if typed, and how a machine begins: the clock, the banner, a
 * soft reset. Shared by every port, so that transcripts are the same to the byte. */
#include "parts.h"

/* -- lines (private) -- */
typedef struct line {
    const char *at;
    uint64_t length;
    uint64_t next;
} line;

/* The first line at or after `at` that is a command; length 0 at the end. */
static line next_command(const ray_script *script, uint64_t at)
{
    line out = {script->text, 0, script->length};
    while (at < script->length) {
        uint64_t end = at;
        while (end < script->length && script->text[end] != '\n')
            end++;
        uint64_t length = end - at;
        if (length > 0 && script->text[end - 1] == '\r')
            length--;
        if (length > 0 && script->text[at] != '#') {
            out.at = script->text + at;
            out.length = length;
            out.next = end < script->length ? end + 1 : end;
            return out;
        }
        at = end + 1;
    }
    return out;
}

static uint32_t begins(const line *command, const char *literal)
{
    uint64_t i = 0;
    while (i < command->length && literal[i] != 0 && literal[i] == command->at[i])
        i++;
    return literal[i] == 0;
}

/* -- scripts -- */
uint64_t ray_script_step(struct ray *ray, const ray_machine *machine, uint64_t raw_ns,
                         const ray_script *script, uint64_t at, ray_text *out,
                         ray_shell_result *result)
{
    line command = next_command(script, at);
    __builtin_memset(result, 0, sizeof *result);
    if (command.length == 0)
        return script->length;
    ray_text_put(out, RAY_PROMPT);
    ray_echo(out, command.at, command.length);
    ray_text_char(out, '\n');
    *result = ray_shell_run(ray, machine, raw_ns, RAY_WHO_CONSOLE, command.at, command.length, out);
    return command.next;
}

/* -- beginning -- */
void ray_start_clock(struct ray *ray, uint64_t raw_ns, int64_t wall_offset_ns,
                     const ray_script *script)
{
    if (script != 0) {
        line first = next_command(script, 0);
        if (begins(&first, "clock virtual "))
            return;
    }
    ray_clock_live(ray, raw_ns);
    ray_clock_wall(ray, wall_offset_ns);
}

ray_status ray_soft_reset(struct ray *ray, const ray_machine *machine, uint64_t raw_ns)
{
    uint32_t given = machine->start_config != 0;
    const uint8_t *config = given ? machine->start_config : machine->frozen_config;
    uint64_t length = given ? machine->start_config_length : machine->frozen_config_length;
    ray_config_report report;
    ray_stats before;
    ray_clock_gate(ray, raw_ns);
    ray_read(ray, &before);
    if (config != 0 && ray_config_check(config, length, &report) != RAY_OK)
        return report.status;
    ray_init(ray, machine->seed);
    if (machine->secrets != 0)
        ray_secrets_reset(machine->secrets);
    ray_clock_virtual(ray, before.now_ns);
    if (before.clock_virtual == 0)
        ray_clock_live(ray, raw_ns);
    ray_clock_wall(ray, before.wall_offset_ns);
    return config == 0 ? RAY_OK
                       : ray_config_load(ray, machine->secrets, before.now_ns, config, length,
                                         &report);
}

static void put_count(ray_text *out, uint64_t count, const char *one, const char *many)
{
    ray_text_u64(out, count);
    ray_text_put(out, count == 1 ? one : many);
}

void ray_banner(struct ray *ray, const ray_machine *machine, uint64_t raw_ns, ray_text *out)
{
    ray_stats stats;
    ray_gateway_stats gateway;
    ray_clock_gate(ray, raw_ns);
    ray_read(ray, &stats);
    ray_gateway_read(ray_gateway_of(ray), &gateway);
    ray_text_put(out, "raygate ");
    ray_text_put(out, ray_version());
    ray_text_put(out, " on ");
    ray_text_put(out, machine->name != 0 ? machine->name : "a machine without a name");
    ray_text_put(out, "\nconfiguration ");
    ray_text_put(out, machine->config_name != 0 ? machine->config_name : "(none)");
    ray_text_put(out, ", hash ");
    ray_text_hex_bytes(out, stats.config_hash, sizeof stats.config_hash);
    ray_text_put(out, "\n");
    put_count(out, gateway.service_count, " service, ", " services, ");
    put_count(out, gateway.route_count, " route, ", " routes, ");
    put_count(out, ray_tenant_count(ray), " tenant", " tenants");
    ray_text_put(out, "\ntry: help | ratelimit status | request ");
    ray_example_put(ray, out);
    ray_text_put(out, " --explain\n");
}
