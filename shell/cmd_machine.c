/* SPDX-License-Identifier: MIT */
/* cmd_machine.c - commands that act on the machine as a whole: clock, run, link, fault, reboot,
 * poweroff. */
#include "parts.h"

enum machine_line { COLUMN = 22 };

/* -- clock -- */
static ray_status run_clock(ray_call *call)
{
    ray_text *out = call->out;
    ray_stats stats;
    ray_read(call->ray, &stats);
    uint64_t wall = stats.now_ns + (uint64_t)stats.wall_offset_ns;
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_bool(out, "virtual", stats.clock_virtual);
        ray_text_json_u64(out, "now_ns", stats.now_ns);
        ray_text_json_u64(out, "unix_ns", wall);
        ray_text_json_u64(out, "steps_back", stats.clock_back_count);
        ray_text_json_u64(out, "steps_cut", stats.clock_clamp_count);
        ray_json_end(out);
        return RAY_OK;
    }
    ray_text_put(out, "clock                 ");
    ray_text_put(out, stats.clock_virtual != 0
                          ? "virtual: time moves by `clock advance` and by traffic\n"
                          : "live\n");
    ray_text_put(out, "now ns                ");
    ray_text_u64(out, stats.now_ns);
    ray_text_put(out, "\nwall clock            ");
    ray_text_time(out, wall);
    ray_text_put(out, "\nsteps back            ");
    ray_text_u64(out, stats.clock_back_count);
    ray_text_put(out, "\nsteps cut             ");
    ray_text_u64(out, stats.clock_clamp_count);
    ray_text_char(out, '\n');
    return RAY_OK;
}

static ray_status clock_done(ray_call *call)
{
    ray_stats stats;
    ray_read(call->ray, &stats);
    ray_text_put(call->out, stats.clock_virtual != 0 ? "virtual clock at " : "live clock at ");
    ray_text_time(call->out, stats.now_ns + (uint64_t)stats.wall_offset_ns);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

static ray_status run_clock_virtual(ray_call *call)
{
    uint64_t at;
    ray_status status = ray_parse_time(call->word[2], call->length[2], &at);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "a time is such as 2026-01-05T23:00:00Z or Unix nanoseconds, "
                              "not", 2, 0);
    if (at < ray_clock_now(call->ray) || at >= RAY_NEVER - 1)
        return ray_call_error(call, RAY_E_RANGE, "time does not run backwards; `clock` shows now",
                              2, 0);
    ray_clock_virtual(call->ray, at);
    ray_call_noted(call, RAY_AUDIT_CLOCK, RAY_BY_NONE, RAY_NONE, 0, at);
    return clock_done(call);
}

static ray_status run_clock_advance(ray_call *call)
{
    uint64_t step;
    ray_stats stats;
    ray_read(call->ray, &stats);
    if (stats.clock_virtual == 0)
        return ray_call_error(call, RAY_E_STATE,
                              "the clock is live; `clock virtual T` makes it an input", RAY_NONE,
                              0);
    ray_status status = ray_parse_duration(call->word[2], call->length[2], &step);
    if (status != RAY_OK)
        return ray_call_error(call, status, "a duration is such as 1h30m or 500ms, not", 2, 0);
    if (step >= RAY_NEVER - 1 - stats.now_ns)
        return ray_call_error(call, RAY_E_RANGE, "past the end of time", 2, 0);
    int64_t wall_offset_ns = stats.wall_offset_ns;
    ray_clock_virtual(call->ray, stats.now_ns + step);
    ray_clock_wall(call->ray, wall_offset_ns);
    return clock_done(call);
}

static ray_status run_clock_live(ray_call *call)
{
    ray_stats stats;
    ray_read(call->ray, &stats);
    uint64_t before = stats.clock_virtual != 0 ? stats.now_ns : 0;
    ray_clock_live(call->ray, call->raw_ns);
    ray_call_noted(call, RAY_AUDIT_CLOCK, RAY_BY_NONE, RAY_NONE, before, 0);
    return clock_done(call);
}

static ray_status run_clock_wall(ray_call *call)
{
    uint64_t at;
    ray_stats stats;
    ray_status status = ray_parse_time(call->word[2], call->length[2], &at);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "a time is such as 2026-01-05T23:00:00Z or Unix nanoseconds, "
                              "not", 2, 0);
    ray_read(call->ray, &stats);
    uint64_t before = stats.now_ns + (uint64_t)stats.wall_offset_ns;
    ray_clock_wall(call->ray, (int64_t)(at - stats.now_ns));
    ray_call_edited(call, RAY_AUDIT_CLOCK, RAY_BY_NONE, RAY_NONE, before, at);
    return clock_done(call);
}

static const ray_subcommand clock_subs[] = {
    {"", "", "what time it is, and how the clock runs", run_clock, 1, 0},
    {"virtual", "TIME", "makes time an input, from TIME on (2026-01-05T23:00:00Z)",
     run_clock_virtual, 0, 0},
    {"advance", "DURATION", "lets virtual time pass; what falls due happens (1h30m)",
     run_clock_advance, 0, 0},
    {"live", "", "time passes by itself again", run_clock_live, 0, 0},
    {"wall", "TIME", "says what the wall clock shows now", run_clock_wall, 0, 0}};
const ray_command ray_command_clock = {"clock", "time as the core sees it", clock_subs, 5, 0, 1, 0};

/* -- run -- */
static uint32_t line_length(const ray_script *script, uint64_t at)
{
    uint64_t end = at;
    while (end < script->length && script->text[end] != '\n')
        end++;
    uint64_t length = end - at;
    return (uint32_t)(length <= RAY_SHELL_LINE_MAX ? length : RAY_SHELL_LINE_MAX + 1);
}

static ray_status run_lines(ray_call *call, const ray_script *script)
{
    ray_status worst = RAY_OK;
    for (uint64_t at = 0; at < script->length && call->action == RAY_ACTION_NONE;) {
        uint32_t length = line_length(script, at);
        uint32_t shown = length > 0 && script->text[at + length - 1] == '\r' ? length - 1 : length;
        if (shown > 0 && script->text[at] != '#') {
            ray_text_put(call->out, RAY_PROMPT);
            ray_echo(call->out, script->text + at, shown);
            ray_text_char(call->out, '\n');
            ray_status status = ray_call_line(call, script->text + at, shown);
            worst = status < worst ? status : worst;
        }
        for (; at < script->length && script->text[at] != '\n';)
            at++;
        at++;
    }
    return worst;
}

static ray_status run_run(ray_call *call)
{
    const ray_machine *machine = call->machine;
    if (call->depth >= RAY_SHELL_DEPTH_MAX)
        return ray_call_error(call, RAY_E_STATE, "scripts may run scripts four deep", 1, 0);
    for (uint32_t i = 0; i < machine->script_count; i++) {
        if (ray_call_is(call, 1, machine->scripts[i].name))
            return run_lines(call, &machine->scripts[i]);
    }
    return ray_call_unknown(call, "no such script", 1, RAY_COMPLETE_SCRIPT);
}

static ray_status run_list(ray_call *call)
{
    const ray_machine *machine = call->machine;
    ray_text *out = call->out;
    if (call->json != 0) {
        ray_json_list_open(out, "scripts");
    }
    for (uint32_t i = 0; i < machine->script_count; i++) {
        const ray_script *script = &machine->scripts[i];
        if (call->json != 0) {
            ray_text_json_open(out, 0, '{');
            ray_text_json_literal(out, "script", script->name);
            ray_text_json_u64(out, "bytes", script->length);
            ray_text_json_close(out, '}');
            continue;
        }
        ray_line_begin(out, COLUMN, script->name);
        ray_text_u64(out, script->length);
        ray_text_put(out, " bytes\n");
    }
    if (call->json != 0) {
        ray_json_list_end(out);
    } else if (machine->script_count == 0) {
        ray_text_put(out, "this machine carries no scripts\n");
    }
    return RAY_OK;
}

static const ray_subcommand run_subs[] = {{"", "NAME",
                                           "runs a script the machine carries, line by line",
                                           run_run, 0, RAY_COMPLETE_SCRIPT},
                                          {"list", "", "which scripts there are", run_list, 1, 0}};
const ray_command ray_command_run = {"run", "scripts", run_subs, 2, 0, 1, 0};

/* -- link -- */
static ray_status run_link(ray_call *call)
{
    call->action = RAY_ACTION_LINK;
    return RAY_OK;
}

static const ray_subcommand link_subs[] = {
    {"", "", "this line speaks frames from here on, until a LEAVE frame; for programs", run_link, 0,
     0}};
const ray_command ray_command_link = {"link", "the machine link on this line", link_subs, 1, 0, 1,
                                      0};

/* -- fault -- */
static const char *const fault_words[] = {"",      "page",  "write-text", "run-data", "undefined",
                                          "stack", "smash", "divide",     "panic"};

static ray_status run_fault(ray_call *call)
{
    enum { COUNT = sizeof fault_words / sizeof fault_words[0] };
    uint64_t number = 0;
    ray_near near;
    ray_near_begin(&near, call->word[1], call->length[1]);
    for (uint32_t i = 1; i < COUNT && number == 0; i++) {
        number = ray_call_is(call, 1, fault_words[i]) ? i : 0;
        ray_near_offer(&near, fault_words[i], ray_word_length(fault_words[i]));
    }
    if (number == 0 && ray_parse_u64(call->word[1], call->length[1], &number) != RAY_OK)
        return ray_call_error(call, RAY_E_UNKNOWN, "no such fault", 1, ray_near_word(&near));
    if (number == 0 || number >= COUNT)
        return ray_call_error(call, RAY_E_RANGE, "faults have numbers 1 to 8", 1, 0);
    if (call->machine->faults_allowed == 0)
        return ray_call_error(call, RAY_E_STATE, "this machine does not allow faults", RAY_NONE, 0);
    call->action = RAY_ACTION_FAULT;
    call->argument = (uint32_t)number;
    return RAY_OK;
}

static const ray_subcommand fault_subs[] = {
    {"", "NAME", "page write-text run-data undefined stack smash divide panic, or 1 to 8",
     run_fault, 0, 0}};
const ray_command ray_command_fault = {
    "fault", "breaks the machine on purpose, to see it stop well", fault_subs, 1, 0, 1, 0};

/* -- confirm -- */
/* Reached only without a command behind it: the dispatcher takes the word away otherwise. */
static ray_status run_confirm(ray_call *call)
{
    return ray_call_error(call, RAY_E_ARGUMENT, "confirm goes before a command that asks for it",
                          RAY_NONE, 0);
}

static const ray_subcommand confirm_subs[] = {{"", "COMMAND...",
                                               "does what COMMAND asked to have confirmed",
                                               run_confirm, 0, RAY_COMPLETE_COMMAND}};
const ray_command ray_command_confirm = {"confirm", "says yes beforehand", confirm_subs, 1, 0, 1,
                                         0};

/* -- leaving -- */
static void put_ending(ray_call *call)
{
    ray_text *out = call->out;
    ray_stats stats;
    ray_quota_stats quota;
    ray_digests digests;
    ray_read(call->ray, &stats);
    ray_quota_read(ray_quota_of(call->ray), &quota);
    ray_digest(call->ray, &digests);
    ray_text_put(out, "drained: nothing is admitted any more\n");
    ray_line_u64(out, COLUMN, "offered", stats.asked_count);
    ray_line_u64(out, COLUMN, "granted", stats.granted_count);
    ray_line_u64(out, COLUMN, "denied", stats.denied_count);
    ray_line_u64(out, COLUMN, "completed", stats.completed_count);
    ray_line_u64(out, COLUMN, "dropped", stats.dropped_count);
    ray_line_u64(out, COLUMN, "preempted", stats.preempted_count);
    ray_line_u64(out, COLUMN, "cancelled", stats.cancelled_count);
    ray_line_u64(out, COLUMN, "expired", stats.expired_count);
    ray_line_u64(out, COLUMN, "in flight", stats.inflight_count);
    ray_line_u64(out, COLUMN, "queued", stats.queued_count);
    ray_line_u64(out, COLUMN, "quota reservations", quota.reservation_count);
    ray_line_hash(out, COLUMN, "decision digest", digests.decision, sizeof digests.decision);
    ray_line_hash(out, COLUMN, "state digest", digests.state, sizeof digests.state);
    ray_line_hash(out, COLUMN, "book digest", digests.book, sizeof digests.book);
    ray_line_hash(out, COLUMN, "configuration", digests.config, sizeof digests.config);
}

static ray_status run_poweroff(ray_call *call)
{
    ray_drain(call->ray, call->now_ns);
    put_ending(call);
    call->action = RAY_ACTION_POWEROFF;
    return RAY_OK;
}

static ray_status run_reboot(ray_call *call)
{
    ray_drain(call->ray, call->now_ns);
    put_ending(call);
    call->action = RAY_ACTION_REBOOT;
    return RAY_OK;
}

static const ray_subcommand poweroff_subs[] = {
    {"", "", "drains, prints totals and digests, ends the machine", run_poweroff, 0, 0}};
const ray_command ray_command_poweroff = {"poweroff", "leaves", poweroff_subs, 1, 0, 1, 0};

static const ray_subcommand reboot_subs[] = {
    {"", "", "drains, prints totals and digests, starts the machine again", run_reboot, 0, 0}};
const ray_command ray_command_reboot = {"reboot", "begins again", reboot_subs, 1, 0, 1, 0};
