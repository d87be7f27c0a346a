/* SPDX-License-Identifier: MIT */
/* cmd_help.c - help, generated from the command table: as text, as JSON, and as docs/commands.md.
 */
#include "parts.h"

enum help_columns { HELP_COLUMN = 40, HELP_WIDTH = 100 };

/* -- text (private) -- */
static const char *group_title(uint32_t phase)
{
    return phase == 19   ? "Phase 19, the API gateway"
           : phase == 20 ? "Phase 20, governance"
                         : "System";
}

static const uint32_t groups[] = {19, 20, 0};

/* Long usages are cut at their first option that does not fit; `help COMMAND` shows them whole. */
static uint64_t usage_shown(const char *usage, uint64_t room)
{
    uint64_t length = ray_word_length(usage);
    if (length <= room)
        return length;
    uint64_t cut = 0;
    for (uint64_t i = 1; i < length && i + 4 <= room; i++)
        if (usage[i] == '[')
            cut = i;
    return cut;
}

static void put_form(ray_text *out, const ray_command *command, const ray_subcommand *sub)
{
    uint64_t from = out->length;
    ray_text_put(out, command->word);
    if (sub->word[0] != 0) {
        ray_text_char(out, ' ');
        ray_text_put(out, sub->word);
    }
    uint64_t used = out->length - from + 5;
    uint64_t shown = usage_shown(sub->usage, used < HELP_COLUMN ? HELP_COLUMN - used : 0);
    if (sub->usage[0] != 0) {
        ray_text_char(out, ' ');
        ray_text_bytes(out, sub->usage, shown);
        if (shown < ray_word_length(sub->usage))
            ray_text_put(out, "...");
    }
}

/* Words from HELP_COLUMN on, broken before HELP_WIDTH. */
static void put_help(ray_text *out, const char *help)
{
    uint64_t used = HELP_COLUMN;
    ray_text_column(out, HELP_COLUMN);
    for (uint64_t start = 0; help[start] != 0;) {
        uint64_t end = start;
        while (help[end] != 0 && help[end] != ' ')
            end++;
        if (used + (start != 0) + (end - start) > HELP_WIDTH) {
            ray_text_char(out, '\n');
            ray_text_column(out, HELP_COLUMN);
            used = HELP_COLUMN;
        } else if (start != 0) {
            ray_text_char(out, ' ');
            used++;
        }
        ray_text_bytes(out, help + start, end - start);
        used += end - start;
        start = help[end] == ' ' ? end + 1 : end;
    }
    ray_text_char(out, '\n');
}

static void help_row(ray_text *out, const ray_command *command, const ray_subcommand *sub)
{
    ray_text_put(out, "    ");
    put_form(out, command, sub);
    put_help(out, sub->help);
}

static void help_rows(ray_text *out, const ray_command *command)
{
    if (command->phase != 0) {
        ray_text_put(out, "  ");
        ray_text_put(out, command->word);
        put_help(out, command->built != 0 ? command->help : "(not built in this version)");
    }
    for (uint32_t i = 0; i < command->sub_count; i++)
        help_row(out, command, &command->sub[i]);
}

static void help_all(ray_text *out)
{
    ray_text_put(out, "raygate ");
    ray_text_put(out, ray_version());
    ray_text_put(out, ", the API gateway and governance of RayOS\n");
    for (uint32_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        ray_text_char(out, '\n');
        ray_text_put(out, group_title(groups[g]));
        ray_text_char(out, '\n');
        for (uint32_t i = 0; i < ray_shell_command_count(); i++)
            if (ray_shell_command(i)->phase == groups[g])
                help_rows(out, ray_shell_command(i));
    }
    ray_text_put(out, "\n`help COMMAND` and `COMMAND help` show one command whole. Commands that "
                      "read take --json.\n");
    ray_text_put(out, "A word with blanks goes in \"quotes\"; \\\\, \\\" and \\xNN stand "
                      "for bytes there.\n");
}

/* The usage, broken before options so that no line passes HELP_WIDTH. */
static void put_wrapped(ray_text *out, const char *usage, uint64_t indent, uint64_t used)
{
    uint64_t start = 0;
    uint64_t length = ray_word_length(usage);
    while (start < length) {
        uint64_t end = start + 1;
        while (end < length && !(usage[end] == ' ' && usage[end + 1] == '['))
            end++;
        if (used + (end - start) + 1 > HELP_WIDTH) {
            ray_text_char(out, '\n');
            for (used = 0; used < indent; used++)
                ray_text_char(out, ' ');
        } else {
            ray_text_char(out, ' ');
            used++;
        }
        ray_text_bytes(out, usage + start, end - start);
        used += end - start;
        start = end + 1;
    }
}

/* -- one command -- */
static void help_sub(ray_text *out, const ray_command *command, const ray_subcommand *sub)
{
    uint64_t from = out->length;
    ray_text_put(out, "  ");
    ray_text_put(out, command->word);
    if (sub->word[0] != 0) {
        ray_text_char(out, ' ');
        ray_text_put(out, sub->word);
    }
    put_wrapped(out, sub->usage, 6, out->length - from);
    ray_text_put(out, "\n      ");
    ray_text_put(out, sub->help);
    ray_text_put(out, sub->reads != 0 ? " (reads, --json)\n" : "\n");
}

ray_status ray_help_command(ray_call *call, const ray_command *command)
{
    ray_text *out = call->out;
    ray_text_put(out, command->word);
    ray_text_put(out, ": ");
    ray_text_put(out, command->help);
    ray_text_char(out, '\n');
    for (uint32_t i = 0; i < command->sub_count; i++)
        help_sub(out, command, &command->sub[i]);
    if (command->built == 0)
        ray_text_put(out, "  not built in this version\n");
    return RAY_OK;
}

/* -- markdown (private) -- */
static void put_cell(ray_text *out, const char *text)
{
    for (uint64_t i = 0; text[i] != 0; i++) {
        if (text[i] == '|')
            ray_text_char(out, '\\');
        ray_text_char(out, text[i]);
    }
}

static void markdown_sub(ray_text *out, const ray_command *command, const ray_subcommand *sub)
{
    ray_text_put(out, "| `");
    ray_text_put(out, command->word);
    if (sub->word[0] != 0) {
        ray_text_char(out, ' ');
        ray_text_put(out, sub->word);
    }
    if (sub->usage[0] != 0) {
        ray_text_char(out, ' ');
        put_cell(out, sub->usage);
    }
    ray_text_put(out, "` | ");
    put_cell(out, sub->help);
    ray_text_put(out, sub->reads != 0 ? " | reads, `--json` |\n" : " | |\n");
}

static void markdown(ray_text *out)
{
    ray_text_put(out, "# Commands\n\nThe shell's commands, the same in the image and on the host. "
                      "This page is what `help --markdown` prints;\n`make docs` writes it anew. "
                      "In a usage, words in capitals stand for values, `[...]` may be left "
                      "out and\n`...` may be repeated.\n");
    for (uint32_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        ray_text_put(out, "\n## ");
        ray_text_put(out, group_title(groups[g]));
        ray_text_char(out, '\n');
        for (uint32_t i = 0; i < ray_shell_command_count(); i++) {
            const ray_command *command = ray_shell_command(i);
            if (command->phase != groups[g])
                continue;
            ray_text_put(out, "\n### ");
            ray_text_put(out, command->word);
            ray_text_put(out, command->built != 0 ? "\n\n" : " (not built in this version)\n\n");
            put_cell(out, command->help);
            ray_text_put(out, "\n");
            if (command->sub_count != 0)
                ray_text_put(out, "\n| command | what it does | |\n|---|---|---|\n");
            for (uint32_t n = 0; n < command->sub_count; n++)
                markdown_sub(out, command, &command->sub[n]);
        }
    }
}

/* -- JSON (private) -- */
static void json_command(ray_text *out, const ray_command *command)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_literal(out, "command", command->word);
    ray_text_json_u64(out, "phase", command->phase);
    ray_text_json_bool(out, "built", command->built);
    ray_text_json_literal(out, "help", command->help);
    ray_text_json_open(out, "subcommands", '[');
    for (uint32_t i = 0; i < command->sub_count; i++) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_literal(out, "word", command->sub[i].word);
        ray_text_json_literal(out, "usage", command->sub[i].usage);
        ray_text_json_literal(out, "help", command->sub[i].help);
        ray_text_json_bool(out, "reads", command->sub[i].reads);
        ray_text_json_close(out, '}');
    }
    ray_text_json_close(out, ']');
    ray_text_json_close(out, '}');
}

static void json_all(ray_text *out, const ray_command *only)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_literal(out, "version", ray_version());
    ray_text_json_open(out, "commands", '[');
    for (uint32_t i = 0; i < ray_shell_command_count(); i++)
        if (only == 0 || only == ray_shell_command(i))
            json_command(out, ray_shell_command(i));
    ray_json_list_end(out);
}

/* -- the command -- */
/* One subcommand of a command alone. */
static ray_status help_word(ray_call *call, const ray_command *command)
{
    ray_near near;
    ray_near_begin(&near, call->word[2], call->length[2]);
    for (uint32_t i = 0; i < command->sub_count; i++) {
        const char *word = command->sub[i].word;
        ray_near_offer(&near, word, ray_word_length(word));
        if (!ray_call_is(call, 2, word))
            continue;
        help_sub(call->out, command, &command->sub[i]);
        return RAY_OK;
    }
    return ray_call_error(call, RAY_E_UNKNOWN, "no such subcommand", 2, ray_near_word(&near));
}

static ray_status run_help(ray_call *call)
{
    const ray_command *only = 0;
    if (call->plain_count > 1) {
        only = ray_shell_find(call->word[1], call->length[1]);
        if (only == 0)
            return ray_call_unknown(call, "no such command", 1, RAY_COMPLETE_COMMAND);
    }
    if (call->json != 0)
        json_all(call->out, only);
    else if (ray_call_flag(call, "--markdown"))
        markdown(call->out);
    else if (only != 0)
        return call->plain_count > 2 ? help_word(call, only) : ray_help_command(call, only);
    else
        help_all(call->out);
    return RAY_OK;
}

static const ray_subcommand subs[] = {{"", "[COMMAND] [SUBCOMMAND] [--markdown]",
                                       "this list, a command whole, or a subcommand", run_help, 1,
                                       RAY_COMPLETE_COMMAND}};
const ray_command ray_command_help = {"help", "what can be typed here", subs, 1, 0, 1, 0};
