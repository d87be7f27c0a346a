/* SPDX-License-Identifier: MIT */
/* sim.c - the shell as a native program: the same C as in the image, on the host's clock and
 * terminal. Exit codes: 0 done, 1 a command of the script failed, 2 bad usage or configuration, 3 a
 * broken invariant. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hal.h"
#include "rayconfigport.h"
#include "shell.h"

enum { EXIT_DONE = 0, EXIT_FINDINGS = 1, EXIT_USAGE = 2, EXIT_BROKEN = 3 };
#define SECOND 1000000000ULL

typedef struct options {
    const char *config;
    const char *frozen;
    const char *name;
    const char *scripts;
    const char *script;
    const char *seed;
} options;

/* The whole machine; a program has one. */
typedef struct sim {
    struct ray *ray;
    struct ray_secrets *secrets;
    ray_link *link;
    ray_machine machine;
    ray_console console;
    ray_script carried[RAY_PORT_SCRIPTS_MAX];
    ray_script script;
    char **arguments;
    uint32_t linked; /* the line speaks frames */
    uint32_t ended;
    char out[RAY_PORT_OUT_BYTES];
    uint8_t in[RAY_PORT_IN_BYTES];
} sim;

void ray_panic(const char *what)
{
    fprintf(stderr, "raygate-sim: a broken invariant, please report it: %s\n", what);
    exit(EXIT_BROKEN);
}

/* -- arguments -- */
static int usage(const char *wrong)
{
    fprintf(stderr,
            "raygate-sim: %s\nusage: raygate-sim [--config BLOB] [--frozen BLOB] [--name NAME] "
            "[--scripts DIR] [--script FILE] [--seed HEX]\n",
            wrong);
    return EXIT_USAGE;
}

static uint32_t read_options(int count, char **words, options *out)
{
    const char *const names[] = {"--config",  "--frozen", "--name",
                                 "--scripts", "--script", "--seed"};
    const char **const values[] = {&out->config,  &out->frozen, &out->name,
                                   &out->scripts, &out->script, &out->seed};
    for (int i = 1; i < count; i += 2) {
        size_t n = 0;
        while (n < 6 && strcmp(words[i], names[n]) != 0)
            n++;
        if (n == 6 || i + 1 == count)
            return 0;
        *values[n] = words[i + 1];
    }
    return 1;
}

static uint32_t read_seed(const char *hex, uint8_t seed[16])
{
    if (strlen(hex) != 32 || strspn(hex, "0123456789abcdefABCDEF") != 32)
        return 0;
    for (uint32_t i = 0; i < 16; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        seed[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return 1;
}

/* -- what the machine carries -- */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_script(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && length < RAY_NAME_BYTES && strcmp(entry->d_name + length - 4, ".ray") == 0;
}

static void carry_scripts(sim *s, const char *folder)
{
    struct dirent **found = NULL;
    int count = scandir(folder, &found, is_script, by_name);
    for (int i = 0; i < count && s->machine.script_count < RAY_PORT_SCRIPTS_MAX; i++) {
        char *path = NULL;
        ray_script *script = &s->carried[s->machine.script_count];
        if (asprintf(&path, "%s/%s", folder, found[i]->d_name) < 0)
            break;
        script->text = (const char *)hal_file(path, RAY_PORT_FILE_BYTES_MAX, &script->length);
        script->name = strndup(found[i]->d_name, strlen(found[i]->d_name) - 4);
        s->machine.script_count += script->text != NULL && script->name != NULL;
        free(path);
    }
    s->machine.scripts = s->carried;
}

static uint32_t load(sim *s, const uint8_t *at, uint64_t length, const char *from)
{
    ray_config_report report;
    memset(&report, 0, sizeof report);
    if (ray_config_load(s->ray, s->secrets, ray_clock_now(s->ray), at, length, &report) == RAY_OK)
        return 1;
    fprintf(stderr, "raygate-sim: %s is refused: %s, section %u, row %u, byte %u\n", from,
            ray_status_word(report.status), report.section, report.row, report.field);
    return 0;
}

static uint32_t configure(sim *s, const options *o)
{
    ray_machine *m = &s->machine;
    m->config_source = o->config != NULL ? o->config : o->frozen != NULL ? "frozen" : "none";
    m->config_name = o->name != NULL                          ? o->name
                     : o->config != NULL || o->frozen != NULL ? "rayos"
                                                              : "(none)";
    if (o->frozen != NULL && (m->frozen_config = hal_file(o->frozen, RAY_PORT_FILE_BYTES_MAX,
                                                          &m->frozen_config_length)) == NULL) {
        fprintf(stderr, "raygate-sim: %s: %s\n", o->frozen, strerror(errno));
        return 0;
    }
    if (o->config != NULL && (m->start_config = hal_file(o->config, RAY_PORT_FILE_BYTES_MAX,
                                                         &m->start_config_length)) == NULL) {
        fprintf(stderr, "raygate-sim: %s: %s\n", o->config, strerror(errno));
        return 0;
    }
    if (m->start_config != NULL)
        return load(s, m->start_config, m->start_config_length, o->config);
    return m->frozen_config == NULL ||
           load(s, m->frozen_config, m->frozen_config_length, o->frozen);
}

/* -- running -- */
static void act(sim *s, const ray_shell_result *result)
{
    if (result->action == RAY_ACTION_POWEROFF)
        s->ended = 1;
    if (result->action == RAY_ACTION_LINK || result->action == RAY_ACTION_CONSOLE)
        s->linked = result->action == RAY_ACTION_LINK;
    if (result->action == RAY_ACTION_REBOOT)
        execvp(s->arguments[0], s->arguments);
    if (result->action == RAY_ACTION_REBOOT)
        s->ended = 1;
}

static int run_script(sim *s)
{
    ray_status worst = RAY_OK;
    for (uint64_t at = 0; at < s->script.length && s->ended == 0;) {
        ray_shell_result result;
        ray_text out;
        ray_text_init(&out, s->out, sizeof s->out);
        at = ray_script_step(s->ray, &s->machine, hal_now_ns(), &s->script, at, &out, &result);
        hal_write(out.at, out.length);
        worst = result.status < worst ? result.status : worst;
        act(s, &result);
    }
    return worst == RAY_OK ? EXIT_DONE : EXIT_FINDINGS;
}

static uint64_t feed_console(sim *s, const uint8_t *at, uint64_t length)
{
    ray_shell_result result;
    ray_text out;
    ray_text_init(&out, s->out, sizeof s->out);
    uint64_t used =
        ray_console_feed(&s->console, s->ray, &s->machine, hal_now_ns(), at, length, &out, &result);
    hal_write(out.at, out.length);
    act(s, &result);
    return used;
}

static uint64_t feed_link(sim *s, const uint8_t *at, uint64_t length)
{
    ray_shell_result result;
    const uint8_t *reply;
    uint64_t reply_length;
    uint64_t used = ray_link_feed(s->link, s->ray, &s->machine, hal_now_ns(), at, length, &reply,
                                  &reply_length, &result);
    hal_write(reply, reply_length);
    act(s, &result);
    return used;
}

/* The other side is gone: what `poweroff` would have said is still said, and nothing stays leased.
 */
static void leave(sim *s)
{
    ray_text out;
    ray_text_init(&out, s->out, sizeof s->out);
    ray_text_put(&out, s->linked != 0 ? "" : "\n");
    ray_shell_run(s->ray, &s->machine, hal_now_ns(), RAY_WHO_HOST, "poweroff", 8, &out);
    hal_write(out.at, s->linked != 0 ? 0 : out.length);
}

static void serve(sim *s)
{
    uint64_t wait_ns = RAY_PORT_WAKE_S_MAX * SECOND;
    ray_settings_spec settings;
    ray_settings_read(s->ray, &settings);
    if (settings.max_step_ns != 0 && settings.max_step_ns / 2 < wait_ns)
        wait_ns = settings.max_step_ns / 2;
    while (s->ended == 0) {
        int64_t got = hal_read(s->in, sizeof s->in, s->linked != 0 ? SECOND : wait_ns);
        if (got < 0) {
            leave(s);
            return;
        }
        if (got == 0 && s->linked != 0)
            feed_link(s, s->in, 0);
        ray_clock_gate(s->ray, hal_now_ns());
        for (uint64_t at = 0; at < (uint64_t)got && s->ended == 0;)
            at += s->linked != 0 ? feed_link(s, s->in + at, (uint64_t)got - at)
                                 : feed_console(s, s->in + at, (uint64_t)got - at);
    }
}

/* What repeats itself takes its randomness from the configuration, every other run from the
 * system. */
static void start_secrets(const sim *s)
{
    uint8_t fresh[32];
    ray_secrets_init(s->secrets);
    if (s->machine.entropy_known == 1 && hal_random(fresh) != 0 && hal_random(fresh + 16) != 0)
        (void)ray_secrets_seed(s->secrets, fresh, sizeof fresh);
}

int main(int count, char **words)
{
    static sim s;
    options o;
    memset(&o, 0, sizeof o);
    if (!read_options(count, words, &o))
        return usage("unknown or incomplete option");
    s.arguments = words;
    s.machine.name = "host, Linux x86_64";
    s.machine.clock = "CLOCK_MONOTONIC";
    s.machine.clock_hz = SECOND;
    s.machine.memory_bytes = hal_memory_bytes();
    if (o.seed != NULL && !read_seed(o.seed, s.machine.seed))
        return usage("--seed takes 32 hexadecimal digits");
    /* A script repeats itself: without a seed it leaves the choice to the configuration. */
    s.machine.entropy_known =
        o.seed != NULL || o.script != NULL ? 2 : hal_random(s.machine.seed);
    s.ray = hal_memory(ray_bytes());
    s.link = hal_memory(ray_link_state_bytes());
    s.machine.secrets = s.secrets = hal_memory(ray_secrets_bytes());
    ray_init(s.ray, s.machine.seed);
    start_secrets(&s);
    ray_link_init(s.link);
    if (o.scripts != NULL)
        carry_scripts(&s, o.scripts);
    if (!configure(&s, &o))
        return EXIT_USAGE;
    if (o.script != NULL) {
        s.script.text = (const char *)hal_file(o.script, RAY_PORT_FILE_BYTES_MAX, &s.script.length);
        if (s.script.text == NULL) {
            fprintf(stderr, "raygate-sim: %s: %s\n", o.script, strerror(errno));
            return EXIT_USAGE;
        }
    }
    uint64_t raw_ns = hal_now_ns();
    ray_start_clock(s.ray, raw_ns, (int64_t)(hal_unix_ns() - ray_clock_now(s.ray)),
                    o.script != NULL ? &s.script : NULL);
    if (o.script != NULL)
        return run_script(&s);
    ray_text out;
    ray_text_init(&out, s.out, sizeof s.out);
    ray_console_start(&s.console, s.ray, &s.machine, raw_ns, &out);
    s.console.plain = isatty(STDIN_FILENO) == 0;
    hal_terminal_raw();
    hal_write(out.at, out.length);
    serve(&s);
    return EXIT_DONE;
}
