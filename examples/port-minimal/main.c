/* SPDX-License-Identifier: MIT */
/* main.c - a third machine for the core: the console on standard input and output.
 * usage: port-minimal [BLOB], where BLOB is what `raygate compile` wrote. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "shell.h"
#include "rayconfigport.h"

static ray_console console;
static char out_bytes[RAY_PORT_OUT_BYTES];
static uint64_t config[RAY_PORT_CONFIG_BYTES / 8];      /* a blob's address is a multiple of 8 */

static ray_status load(struct ray *ray, ray_machine *machine, const char *path)
{
    ray_config_report report;
    FILE *file = fopen(path, "rb");
    uint64_t length = file != NULL ? fread(config, 1, sizeof config, file) : 0;
    if (file != NULL) fclose(file);
    machine->config_source = machine->config_name = path;
    machine->start_config = (const uint8_t *)config;
    machine->start_config_length = length;
    return ray_config_load(ray, machine->secrets, 0, machine->start_config, length, &report);
}

static void show(const ray_text *out)
{
    fwrite(out->at, 1, out->length, stdout);
    fflush(stdout);
}

int main(int count, char **words)
{
    struct ray *ray = aligned_alloc(64, (ray_bytes() + 63) / 64 * 64);
    struct ray_secrets *secrets = aligned_alloc(64, (ray_secrets_bytes() + 63) / 64 * 64);
    ray_machine machine = {.name = RAY_PORT_NAME, .clock = "CLOCK_MONOTONIC", .secrets = secrets,
                           .config_source = "none", .config_name = "none"};
    uint8_t in[RAY_PORT_IN_BYTES];
    ray_shell_result result = {0};
    ray_text out;
    ray_init(ray, machine.seed);
    ray_secrets_init(secrets);
    if (count > 1 && load(ray, &machine, words[1]) != RAY_OK) {
        fprintf(stderr, "%s: not a configuration for this profile\n", words[1]);
        return 2;
    }
    ray_start_clock(ray, hal_now_ns(), 0, NULL);
    ray_text_init(&out, out_bytes, sizeof out_bytes);
    ray_console_start(&console, ray, &machine, hal_now_ns(), &out);
    show(&out);
    for (ssize_t length; result.action == RAY_ACTION_NONE && (length = read(0, in, sizeof in)) > 0;)
        for (uint64_t used = 0; used < (uint64_t)length && result.action == RAY_ACTION_NONE;) {
            ray_text_init(&out, out_bytes, sizeof out_bytes);
            used += ray_console_feed(&console, ray, &machine, hal_now_ns(), in + used,
                                     (uint64_t)length - used, &out, &result);
            show(&out);
        }
    return 0;
}
