/* SPDX-License-Identifier: MIT */
/* parts: what the files of the shell ask of one another and nobody else does. */
#ifndef RAY_SHELL_PARTS_H
#define RAY_SHELL_PARTS_H
#include "shell.h"

/* -- the system's own commands, each with the file that has its work -- */
extern const ray_command ray_command_help;
extern const ray_command ray_command_version;
extern const ray_command ray_command_status;
extern const ray_command ray_command_config;
extern const ray_command ray_command_clock;
extern const ray_command ray_command_mem;
extern const ray_command ray_command_digest;
extern const ray_command ray_command_audit;
extern const ray_command ray_command_export;
extern const ray_command ray_command_request;
extern const ray_command ray_command_explain;
extern const ray_command ray_command_demo;
extern const ray_command ray_command_run;
extern const ray_command ray_command_confirm;
extern const ray_command ray_command_link;
extern const ray_command ray_command_fault;
extern const ray_command ray_command_reboot;
extern const ray_command ray_command_poweroff;

/* -- usage: what a subcommand takes, read from its usage text (usage.c) --
 * Words in capitals stand for values, [...] may be left out, "..." may be repeated, "A | B" is a
 * choice. */
typedef struct ray_usage_word {
    const char *at;
    uint32_t length;
    uint32_t option; /* 1: begins with "--" */
    uint32_t value;  /* option: 1 when a value follows */
    uint32_t optional;
    uint32_t many;
    uint32_t reserved;
} ray_usage_word;
/* The word at *place, moved past; 0 at the end. */
uint32_t ray_usage_next(const char *usage, uint64_t *place, ray_usage_word *out);
/* Refuses words call->sub->usage does not take, from word `first` on, and moves options behind the
 * others. */
ray_status ray_usage_check(ray_call *call, uint32_t first);

/* -- words (args.c) -- */
#define RAY_NAME_RULE "a name is 1 to 47 of A-Z a-z 0-9 . _ : -, this is not"
/* "error: NAME is RULE, not "VALUE"", of an option that was given. */
ray_status ray_option_wrong(ray_call *call, ray_status status, const char *name, const char *rule);
/* The same of one of so many words, with the nearest of them. */
ray_status ray_option_choice(ray_call *call, ray_status status, const char *name,
                             const char *(*word_of)(uint32_t), uint32_t count);
/* 1 for what RAY_NAME_RULE says. */
uint32_t ray_word_names(const char *at, uint64_t length);
/* As ray_call_unknown, for the value of an option. */
ray_status ray_call_unknown_value(ray_call *call, const char *what, const char *at, uint32_t length,
                                  uint32_t completes);

/* The same without a suggestion, and with `status`; `at` NULL: there was no value. */
ray_status ray_option_refuse(ray_call *call, ray_status status, const char *what, const char *at,
                             uint32_t length);
/* The value of a hexadecimal digit of either case, 16 of any other character. */
uint32_t ray_parse_digit(char c);
/* An option's value; *out stays when the option is absent. Durations take `forever`, RAY_NEVER. */
ray_status ray_option_u64(ray_call *call, const char *name, uint64_t *out);
ray_status ray_option_duration(ray_call *call, const char *name, uint64_t *out);
/* The place of a word among the `count` words that `word_of` names, `count` when it is none. */
uint32_t ray_option_place(const char *at, uint64_t length, const char *(*word_of)(uint32_t),
                          uint32_t count);
/* Wall clock minus call->now_ns. */
int64_t ray_call_wall_offset(const ray_call *call);

/* -- lines (print.c) --
 * A name, spaces until the line is `column` wide, a value, a line feed. */
void ray_line_begin(ray_text *out, uint32_t column, const char *name); /* the name alone */
void ray_line_u64(ray_text *out, uint32_t column, const char *name, uint64_t value);
void ray_line_word(ray_text *out, uint32_t column, const char *name, const char *value);
void ray_line_name(ray_text *out, uint32_t column, const char *name, const ray_name *value);
void ray_line_duration(ray_text *out, uint32_t column, const char *name, uint64_t ns);
void ray_line_hash(ray_text *out, uint32_t column, const char *name, const uint8_t *at,
                   uint64_t length);

typedef struct ray_counter {
    const char *name;
    const char *key; /* in JSON; NULL: the name */
    uint64_t value;
    uint64_t most;   /* says " of MOST" behind the value; 0: nothing */
} ray_counter;
typedef struct ray_counters {
    const ray_counter *at;
    uint32_t count;
    uint32_t column;
    uint32_t width; /* values are right-aligned in it; 0: left-aligned */
    uint32_t reserved;
} ray_counters;
/* A line for each counter, or with --json members of the object that is open. */
void ray_counters_put(ray_call *call, const ray_counters *counters);

/* A field of a struct of statistics. */
typedef struct ray_stat {
    const char *name;
    uint32_t place;  /* in the struct */
    uint32_t wide;   /* 1: 64 bits, 0: 32 */
    uint64_t most;   /* as a counter's */
} ray_stat;
#define RAY_STAT_WIDE(type, name, field) {name, __builtin_offsetof(type, field), 1, 0}
#define RAY_STAT_SLIM(type, name, field, most) {name, __builtin_offsetof(type, field), 0, most}
/* The fields as counters, as the whole answer. */
void ray_stats_put(ray_call *call, const ray_stat *at, uint32_t count, const void *stats);

/* What an export can be, and which of them one offers. */
enum ray_export {
    RAY_EXPORT_CSV = 0, RAY_EXPORT_JSON = 1, RAY_EXPORT_PROMETHEUS = 2, RAY_EXPORT_OPENMETRICS = 3,
    RAY_EXPORT_MAX = 4
};
#define RAY_EXPORT_ROWS (1U << RAY_EXPORT_CSV | 1U << RAY_EXPORT_JSON)
#define RAY_EXPORT_TEXTS (1U << RAY_EXPORT_PROMETHEUS | 1U << RAY_EXPORT_OPENMETRICS)
/* What word 2 of an export, or --json, asks for; *form stays for neither. RAY_E_ARGUMENT, and said
 * so, for another word than those of `offered`, a bit each. */
ray_status ray_export_form(ray_call *call, uint32_t offered, uint32_t *form);
/* The enum ray_exposition behind the last two. */
uint32_t ray_export_exposition(uint32_t form);

/* Names for exports, by place. Tenants and policies are copied behind the text; that place is given
 * back with the command. RAY_E_TRUNCATED. */
void ray_names_of_services(struct ray *ray, ray_names *out);
ray_status ray_names_of_tenants(ray_call *call, ray_names *out);
/* The exposition of one module, or of all of them (cmd_export.c). */
ray_status ray_export_apimon(ray_call *call, uint32_t exposition);
ray_status ray_export_governance(ray_call *call, uint32_t exposition);
ray_status ray_export_auth(ray_call *call, uint32_t exposition);
ray_status ray_export_resilience(ray_call *call, uint32_t exposition);

/* Closes the one object of an answer, and its line. */
void ray_json_end(ray_text *out);
/* {"KEY":[ and ]} with a line feed, around the rows of a list. */
void ray_json_list_open(ray_text *out, const char *key);
void ray_json_list_end(ray_text *out);
/* enforce, shadow, off. */
const char *ray_mode_word(uint32_t mode);

/* -- help (cmd_help.c) -- */
ray_status ray_help_command(ray_call *call, const ray_command *command);

/* -- requests made here (traffic.c) -- */
/* Writes a target that route `id` matches, with `number` where a path may vary; 0 when it is
 * unknown, or a regex whose table no short path was found for. */
uint32_t ray_target_put(struct ray *ray, uint32_t id, uint64_t number, ray_text *out);
/* Appends the host and the packed headers the route asks for, and says where in `to`. */
void ray_target_more_put(struct ray *ray, uint32_t id, ray_row *to, ray_text *out);
/* Two bytes of a packed length, the low one first. */
void ray_u16_put(ray_text *out, uint64_t value);
/* A method the route serves, GET where it may. */
uint32_t ray_target_method(struct ray *ray, uint32_t id);
/* Writes "GET /path" of the first route in precedence that can be written out. */
void ray_example_put(struct ray *ray, ray_text *out);

/* -- a message that is typed (headers.c, cmd_mediator_convert.c) -- */
/* The --header options of a call, packed; `to` holds 4 * RAY_SHELL_LINE_MAX bytes. */
ray_status ray_call_headers(ray_call *call, uint8_t *to, uint32_t *used);
/* mediator convert, once its transform is found. */
ray_status ray_mediator_convert(ray_call *call, uint32_t transform);

/* -- answers (answer.c) -- */
/* The line that says it all; what else there is to say, with the response's header lines. */
void ray_answer_put_verdict(ray_call *call, const ray_answer *answer);
void ray_answer_put(ray_call *call, const ray_answer *answer, const ray_text *headers);
/* A member of an open object: the name of a row, null for RAY_NONE. */
void ray_json_named(ray_call *call, const char *key, uint32_t by_kind, uint32_t by_id);
/* The members of an object that is open. */
void ray_answer_json(ray_call *call, const ray_answer *answer, const ray_text *headers);

/* -- console (console.c, edit.c, complete.c, script.c) -- */
#define RAY_PROMPT "rayos> "

enum ray_console_mode { RAY_CONSOLE_LINE = 0, RAY_CONSOLE_RAW = 1, RAY_CONSOLE_PASTE = 2 };
enum ray_console_escape { RAY_KEY_PLAIN = 0, RAY_KEY_AFTER_CR = 4 };

/* Bytes that are keys (ECMA-48, and what terminals send for Backspace). */
enum ray_key {
    RAY_CTRL_A = 1, RAY_CTRL_B = 2, RAY_CTRL_C = 3, RAY_CTRL_D = 4, RAY_CTRL_E = 5, RAY_CTRL_H = 8,
    RAY_TAB = 9, RAY_LF = 10, RAY_CTRL_K = 11, RAY_CTRL_L = 12, RAY_CR = 13, RAY_CTRL_N = 14,
    RAY_CTRL_P = 16, RAY_CTRL_U = 21, RAY_CTRL_W = 23, RAY_ESC = 27, RAY_DELETE = 127
};

/* Who is fed, so that the functions below need no list of arguments. */
typedef struct ray_feed {
    ray_console *console;
    struct ray *ray;
    const ray_machine *machine;
    ray_text *out;
    ray_shell_result *result;
    uint64_t raw_ns;
    uint32_t ran; /* a command was completed */
    uint32_t reserved;
} ray_feed;

void ray_edit_redraw(const ray_feed *f);
void ray_edit_forget(ray_console *c);
void ray_edit_remember(ray_console *c);
void ray_edit_insert(ray_feed *f, char byte);
/* One byte of a key that takes several; one control byte of line mode. */
void ray_edit_escape(ray_feed *f, uint8_t byte);
void ray_edit_key(ray_feed *f, uint8_t byte);

/* A line as the console echoes it: printable bytes as they are, '?' for every other. */
void ray_echo(ray_text *out, const char *at, uint64_t length);
/* The first lines of a session, LF at their ends. */
void ray_banner(struct ray *ray, const ray_machine *machine, uint64_t raw_ns, ray_text *out);
/* What Tab does (complete.c): completes the word before the cursor, or lists what it may become. 1:
 * draw the line. */
uint32_t ray_complete(ray_console *console, struct ray *ray, const ray_machine *machine,
                      ray_text *out);

#endif
