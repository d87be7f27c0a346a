/* SPDX-License-Identifier: MIT */
/* complete.c - what a Tab may become: commands, subcommands, options of the usage, and names that
 * live in the machine. */
#include "parts.h"

enum { LISTED_MAX = 64, LIST_WIDTH = 78 };

/* Where the cursor stands: the word being typed and what it is an argument of. */
typedef struct place {
    struct ray *ray;
    const ray_machine *machine;
    const ray_command *command; /* NULL while the command itself is typed */
    const ray_subcommand *sub;  /* NULL while the subcommand may be typed */
    const char *at;
    uint32_t length;
    uint32_t argument; /* arguments of sub before this one */
    uint32_t live;     /* enum ray_complete that fits here */
    uint32_t reserved;
} place;

/* -- where (private) -- */
static const ray_subcommand *sub_of(const ray_command *command, const char *at, uint32_t length)
{
    for (uint32_t i = 0; i < command->sub_count; i++)
        if (ray_word_is(at, length, command->sub[i].word))
            return &command->sub[i];
    return 0;
}

/* One whole word before the cursor. */
static void pass_word(place *p, const char *at, uint32_t length)
{
    if (p->command == 0) {
        if (!ray_word_is(at, length, "confirm"))
            p->command = ray_shell_find(at, length);
        return;
    }
    if (p->sub == 0) {
        p->sub = sub_of(p->command, at, length);
        if (p->sub == 0) {
            p->sub = sub_of(p->command, "", 0);
            p->argument++;
        }
        return;
    }
    p->argument++;
}

/* 0 when the words before the cursor lead nowhere. */
static uint32_t find_place(const ray_console *c, place *p)
{
    uint32_t i = 0;
    while (i < c->cursor) {
        while (i < c->cursor && c->line[i] == ' ')
            i++;
        uint32_t start = i;
        while (i < c->cursor && c->line[i] != ' ')
            i++;
        if (i == c->cursor) {
            p->at = c->line + start;
            p->length = i - start;
            break;
        }
        uint32_t first = p->command == 0;
        pass_word(p, c->line + start, i - start);
        if (first && p->command == 0 && !ray_word_is(c->line + start, i - start, "confirm"))
            return 0;
    }
    if (p->command != 0 && p->sub == 0) {
        const ray_subcommand *bare = sub_of(p->command, "", 0);
        p->live = bare != 0 ? bare->completes : RAY_COMPLETE_NONE;
    } else if (p->sub != 0 && p->argument == 0)
        p->live = p->sub->completes;
    return p->length < RAY_NAME_BYTES;
}

/* -- candidates (private) -- */
static uint32_t word_candidate(const char *word, ray_name *out)
{
    uint32_t length = ray_word_length(word);
    __builtin_memset(out, 0, sizeof *out);
    if (length < RAY_NAME_BYTES)
        __builtin_memcpy(out->at, word, length);
    return 1;
}

static uint32_t option_candidate(const char *usage, uint32_t reads, uint32_t index, ray_name *out)
{
    ray_usage_word word;
    uint64_t at = 0;
    while (ray_usage_next(usage, &at, &word) != 0)
        if (word.option && word.length < RAY_NAME_BYTES && index-- == 0) {
            __builtin_memset(out, 0, sizeof *out);
            __builtin_memcpy(out->at, word.at, word.length);
            return 1;
        }
    return index == 0 && reads != 0 ? word_candidate("--json", out) : 0;
}

/* Candidate `index`, whatever it begins with; an empty name is none, 0 ends. */
static uint32_t candidate(const place *p, uint32_t index, ray_name *out)
{
    if (p->command == 0) {
        if (index >= ray_shell_command_count())
            return 0;
        return word_candidate(ray_shell_command(index)->word, out);
    }
    if (p->length > 0 && p->at[0] == '-') {
        const ray_subcommand *sub = p->sub != 0 ? p->sub : sub_of(p->command, "", 0);
        return sub != 0 ? option_candidate(sub->usage, sub->reads, index, out) : 0;
    }
    if (p->sub == 0) {
        if (index < p->command->sub_count)
            return word_candidate(p->command->sub[index].word, out);
        index -= p->command->sub_count;
        if (index-- == 0)
            return word_candidate("help", out);
    }
    return p->live != RAY_COMPLETE_NONE ? ray_live_name(p->ray, p->machine, p->live, index, out)
                                        : 0;
}

static uint32_t fits(const place *p, const ray_name *name)
{
    return name->at[0] != 0 && __builtin_memcmp(name->at, p->at, p->length) == 0;
}

/* -- listing (private) -- */
static void list(const place *p, uint32_t count, ray_text *out)
{
    ray_name name;
    uint32_t width = 0;
    uint32_t shown = 0;
    for (uint32_t i = 0; candidate(p, i, &name) != 0; i++)
        if (fits(p, &name) && ray_word_length(name.at) > width)
            width = ray_word_length(name.at);
    width += 2;
    uint32_t columns = LIST_WIDTH / width;
    for (uint32_t i = 0; shown < LISTED_MAX && candidate(p, i, &name) != 0; i++)
        if (fits(p, &name)) {
            ray_text_put(out, shown % columns == 0 ? "\r\n" : "");
            ray_text_name(out, &name, width);
            shown++;
        }
    if (shown < count) {
        ray_text_put(out, "\r\n... and ");
        ray_text_u64(out, count - shown);
        ray_text_put(out, " more");
    }
    ray_text_put(out, "\r\n");
}

static uint32_t insert(ray_console *c, const char *at, uint32_t length)
{
    if (length > RAY_SHELL_LINE_MAX - c->length)
        return 0;
    __builtin_memmove(c->line + c->cursor + length, c->line + c->cursor, c->length - c->cursor);
    __builtin_memcpy(c->line + c->cursor, at, length);
    c->length += length;
    c->cursor += length;
    return 1;
}

/* -- the key -- */
uint32_t ray_complete(ray_console *console, struct ray *ray, const ray_machine *machine,
                      ray_text *out)
{
    place p;
    ray_name name, common;
    uint32_t count = 0;
    uint32_t shared = 0;
    __builtin_memset(&p, 0, sizeof p);
    p.ray = ray;
    p.machine = machine;
    p.at = console->line;
    if (find_place(console, &p) == 0)
        return 0;
    for (uint32_t i = 0; candidate(&p, i, &name) != 0; i++) {
        if (fits(&p, &name) == 0)
            continue;
        uint32_t length = ray_word_length(name.at);
        shared = count == 0 ? length : shared < length ? shared : length;
        for (uint32_t n = p.length; count > 0 && n < shared; n++)
            if (name.at[n] != common.at[n])
                shared = n;
        common = count == 0 ? name : common;
        count++;
    }
    if (count == 0)
        return 0;
    if (count == 1) {
        insert(console, common.at + p.length, shared - p.length);
        insert(console, " ", 1);
    } else if (shared > p.length)
        insert(console, common.at + p.length, shared - p.length);
    else
        list(&p, count, out);
    return 1;
}
