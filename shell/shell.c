/* SPDX-License-Identifier: MIT */
/* shell.c - one line: into words, to its command, back as text. The table of commands is here, in
 * the order of `help`. */
#include "parts.h"

/* -- the table (private) -- */
/* Modules of the two phase documents that come later: their words are known, and say so. */
static const ray_command *const table[] = {&ray_command_gateway,
                                           &ray_command_auth,
                                           &ray_command_mediator,
                                           &ray_command_lb,
                                           &ray_command_resilience,
                                           &ray_command_apimon,
                                           &ray_command_ratelimit,
                                           &ray_command_quota,
                                           &ray_command_priority,
                                           &ray_command_policy,
                                           &ray_command_cost,
                                           &ray_command_governance,
                                           &ray_command_help,
                                           &ray_command_status,
                                           &ray_command_request,
                                           &ray_command_explain,
                                           &ray_command_demo,
                                           &ray_command_audit,
                                           &ray_command_export,
                                           &ray_command_config,
                                           &ray_command_clock,
                                           &ray_command_digest,
                                           &ray_command_mem,
                                           &ray_command_version,
                                           &ray_command_run,
                                           &ray_command_link,
                                           &ray_command_fault,
                                           &ray_command_confirm,
                                           &ray_command_reboot,
                                           &ray_command_poweroff};

uint32_t ray_shell_command_count(void)
{
    return sizeof table / sizeof table[0];
}

const ray_command *ray_shell_command(uint32_t index)
{
    return table[index];
}

const ray_command *ray_shell_find(const char *at, uint64_t length)
{
    for (uint32_t i = 0; i < ray_shell_command_count(); i++)
        if (ray_word_is(at, length, table[i]->word))
            return table[i];
    return 0;
}

/* -- words (private) -- */
/* One byte inside double quotes, where output's own escapes are read back: \\ \" and \xNN. */
static char quoted_byte(const char *line, uint64_t length, uint64_t *i)
{
    char c = line[(*i)++];
    if (c != '\\' || *i == length)
        return c;
    if (line[*i] == '\\' || line[*i] == '"')
        return line[(*i)++];
    if (line[*i] == 'x' && length - *i > 2 && ray_parse_digit(line[*i + 1]) < 16 &&
        ray_parse_digit(line[*i + 2]) < 16) {
        c = (char)(uint8_t)(ray_parse_digit(line[*i + 1]) * 16 + ray_parse_digit(line[*i + 2]));
        *i += 3;
    }
    return c;
}

static uint32_t is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Copies one word to *to and moves both places past it; 0 when a quote is left open. */
static uint32_t copy_word(const char *line, uint64_t length, uint64_t *i, char **to)
{
    char quote = 0;
    while (*i < length && (quote != 0 || !is_blank(line[*i]))) {
        if (quote == 0 && (line[*i] == '"' || line[*i] == '\''))
            quote = line[(*i)++];
        else if (quote != 0 && line[*i] == quote) {
            quote = 0;
            (*i)++;
        } else if (quote == '"')
            *(*to)++ = quoted_byte(line, length, i);
        else
            *(*to)++ = line[(*i)++];
    }
    return quote == 0;
}

/* Copies the line's words to `to`, which has room for the line and a zero after every word. */
static ray_status split(ray_call *call, const char *line, uint64_t length, char *to)
{
    uint64_t i = 0;
    while (i < length) {
        while (i < length && is_blank(line[i]))
            i++;
        if (i == length || (call->count == 0 && line[i] == '#'))
            break;
        if (call->count == RAY_SHELL_WORD_MAX)
            return ray_call_error(call, RAY_E_SYNTAX,
                                  "more than 32 words; quote what belongs together", RAY_NONE, 0);
        char *start = to;
        if (!copy_word(line, length, &i, &to))
            return ray_call_error(call, RAY_E_SYNTAX,
                                  "a quote is not closed; close it, or write \\x22 in quotes",
                                  RAY_NONE, 0);
        call->word[call->count] = start;
        call->length[call->count++] = (uint32_t)(to - start);
        *to++ = 0;
    }
    return RAY_OK;
}

static void drop_word(ray_call *call, uint32_t word)
{
    call->count--;
    for (uint32_t i = word; i < call->count; i++) {
        call->word[i] = call->word[i + 1];
        call->length[i] = call->length[i + 1];
    }
}

/* -- dispatch (private) -- */
static ray_status unknown_command(ray_call *call)
{
    ray_near near;
    ray_near_begin(&near, call->word[0], call->length[0]);
    for (uint32_t i = 0; i < ray_shell_command_count(); i++)
        ray_near_offer(&near, table[i]->word, ray_word_length(table[i]->word));
    return ray_call_error(call, RAY_E_UNKNOWN,
                          ray_near_word(&near) != 0 ?
                          "no such command" : "no such command; try: help",
                          0, ray_near_word(&near));
}

static const ray_subcommand *find_sub(const ray_command *command, const char *at, uint64_t length)
{
    for (uint32_t i = 0; i < command->sub_count; i++)
        if (ray_word_is(at, length, command->sub[i].word))
            return &command->sub[i];
    return 0;
}

static ray_status unknown_sub(ray_call *call, const ray_command *command)
{
    ray_near near;
    ray_near_begin(&near, call->word[1], call->length[1]);
    for (uint32_t i = 0; i < command->sub_count; i++)
        ray_near_offer(&near, command->sub[i].word, ray_word_length(command->sub[i].word));
    if (command != &ray_command_help)
        ray_near_offer(&near, "help", 4);
    ray_text_put(call->out, "error: ");
    ray_text_put(call->out, command->word);
    ray_text_put(call->out, " has no \"");
    ray_text_escaped(call->out, call->word[1], call->length[1]);
    ray_text_put(call->out, "\"");
    if (ray_near_word(&near) != 0) {
        ray_text_put(call->out, "; did you mean \"");
        ray_text_put(call->out, ray_near_word(&near));
        ray_text_put(call->out, "\"?");
    } else {
        ray_text_put(call->out, "; try: help ");
        ray_text_put(call->out, command->word);
    }
    ray_text_put(call->out, "\n");
    return RAY_E_UNKNOWN;
}

/* Takes --json out and remembers it. It is never an option's value: none of those begins with two
 * dashes. */
static void take_json(ray_call *call)
{
    for (uint32_t i = 1; i < call->count; i++)
        if (ray_word_is(call->word[i], call->length[i], "--json")) {
            drop_word(call, i--);
            call->json = 1;
        }
}

static uint32_t offers_json(const ray_subcommand *sub)
{
    ray_usage_word word;
    uint64_t place = 0;
    while (ray_usage_next(sub->usage, &place, &word) != 0)
        if (ray_word_is(word.at, word.length, "--json"))
            return 1;
    return sub->reads;
}

static ray_status run_sub(ray_call *call, const ray_command *command)
{
    const ray_subcommand *bare = find_sub(command, "", 0);
    const ray_subcommand *sub = 0;
    ray_usage_word usage;
    uint64_t place = 0;
    uint32_t first = 2;
    if (call->count > 1 && call->length[1] != 0)
        sub = find_sub(command, call->word[1], call->length[1]);
    if (sub == 0 && call->count > 1 && ray_word_is(call->word[1], call->length[1], "help") &&
        call->json == 0 && command != &ray_command_help)
        return ray_help_command(call, command);
    if (sub == 0) {
        uint32_t takes_words = bare != 0 && ray_usage_next(bare->usage, &place, &usage) != 0;
        uint32_t option = call->count > 1 && call->length[1] > 1 && call->word[1][0] == '-' &&
                          call->word[1][1] == '-';
        if (call->count > 1 && !option && !takes_words)
            return unknown_sub(call, command);
        if (bare == 0)
            return ray_help_command(call, command);
        sub = bare;
        first = 1;
    }
    call->sub = sub;
    if (call->json != 0 && !offers_json(sub)) {
        call->json = 0;
        return ray_call_error(call, RAY_E_ARGUMENT,
                              "--json is for commands that read; leave it out", RAY_NONE, 0);
    }
    ray_status status = ray_usage_check(call, first);
    return status == RAY_OK ? sub->run(call) : status;
}

static ray_status run_line(ray_call *call, const char *line, uint64_t length)
{
    if (length > RAY_SHELL_LINE_MAX)
        return ray_call_error(call, RAY_E_SYNTAX, "the line is longer than 1024 bytes; shorten it",
                              RAY_NONE, 0);
    char *words = ray_call_memory(call, 2 * length + 2);
    if (words == 0)
        return RAY_E_TRUNCATED;
    ray_status status = split(call, line, length, words);
    if (status != RAY_OK || call->count == 0)
        return status;
    if (ray_word_is(call->word[0], call->length[0], "confirm") && call->count > 1 &&
        !ray_word_is(call->word[1], call->length[1], "help")) {
        drop_word(call, 0);
        call->confirmed = 1;
    }
    take_json(call);
    const ray_command *command = ray_shell_find(call->word[0], call->length[0]);
    return command != 0 ? run_sub(call, command) : unknown_command(call);
}

/* What was said of an error, as the JSON that was asked for: {"error":WORD,"status":N,
 * "message":TEXT}. An answer that is JSON already stays, whatever its status. */
static ray_status error_json(ray_call *call, ray_status status)
{
    static const char begins[] = "error: ";
    enum { BEGINS = sizeof begins - 1 };
    ray_text *out = call->out;
    uint64_t length = out->length;
    if (call->json == 0 || status >= 0 || length <= BEGINS ||
        !ray_word_is(out->at, BEGINS, begins))
        return status;
    char *said = ray_call_memory(call, length);
    if (said == 0)
        return status;
    __builtin_memcpy(said, out->at, length);
    out->length = 0;
    ray_text_json_open(out, 0, '{');
    ray_text_json_literal(out, "error", ray_status_word(status));
    ray_text_json_i64(out, "status", status);
    ray_text_json_string(out, "message", said + BEGINS,
                         length - BEGINS - (said[length - 1] == '\n'));
    ray_json_end(out);
    return status;
}

/* -- running -- */
/* What is behind `out`, as a text of its own: a command begins on a line of its own, and its work
 * memory is given back when it is done. */
static ray_text text_behind(const ray_text *out)
{
    uint64_t room = out->truncated != 0 ? 0 : out->capacity - out->length;
    ray_text own;
    ray_text_init(&own, out->at + out->length, room);
    return own;
}

static void take_behind(ray_text *out, const ray_text *own)
{
    out->length += own->length;
    out->truncated |= own->truncated;
}

ray_shell_result ray_shell_run(struct ray *ray, const ray_machine *machine, uint64_t raw_ns,
                               uint32_t who, const char *line, uint64_t length, ray_text *out)
{
    ray_shell_result result = {RAY_OK, RAY_ACTION_NONE, 0, 0};
    ray_text own = text_behind(out);
    ray_call call;
    __builtin_memset(&call, 0, sizeof call);
    call.ray = ray;
    call.machine = machine;
    call.out = &own;
    call.raw_ns = raw_ns;
    call.now_ns = ray_clock_gate(ray, raw_ns);
    call.who = who;
    result.status = error_json(&call, run_line(&call, line, length));
    result.action = call.action;
    result.argument = call.argument;
    if (own.truncated != 0 && result.status == RAY_OK)
        result.status = RAY_E_TRUNCATED;
    take_behind(out, &own);
    return result;
}

ray_status ray_call_line(ray_call *call, const char *line, uint64_t length)
{
    ray_text own = text_behind(call->out);
    ray_call inner;
    __builtin_memset(&inner, 0, sizeof inner);
    inner.ray = call->ray;
    inner.machine = call->machine;
    inner.out = &own;
    inner.raw_ns = call->raw_ns;
    inner.now_ns = ray_clock_now(call->ray);
    inner.who = call->who;
    inner.depth = call->depth + 1;
    ray_status status = error_json(&inner, run_line(&inner, line, length));
    call->action = inner.action;
    call->argument = inner.argument;
    take_behind(call->out, &own);
    return status;
}
