/* SPDX-License-Identifier: MIT */
#ifndef RAY_SHELL_H
#define RAY_SHELL_H
#include <stdint.h>
#include "ray/ray.h"

/* shell: a line of text in, text and an action out. No I/O, no clock, no knowledge of the port.
 *
 * Three layers, each usable alone: ray_shell_run (one command), ray_console_* (a person's terminal:
 * editing, history, completion, raw and paste mode), ray_link_* (the framed machine link). All
 * states are caller-owned, free of pointers, and all-zero is their valid empty state. Source:
 * DESIGN.md sections 2 and 7.
 */
enum ray_shell_constant {
    RAY_SHELL_LINE_MAX = 1024,
    RAY_SHELL_WORD_MAX = 32,
    RAY_SHELL_HISTORY_MAX = 32,
    RAY_SHELL_OUT_BYTES = 262144, /* what a port should offer for one command's text */
    RAY_SHELL_DEPTH_MAX = 4,      /* of `run` inside `run` */
    RAY_LINK_PAYLOAD_MAX = 65536,
    RAY_LINK_OUTSTANDING_MAX = 8
};

enum ray_action {
    RAY_ACTION_NONE = 0,
    RAY_ACTION_REBOOT = 1,
    RAY_ACTION_POWEROFF = 2, /* the core is drained already */
    RAY_ACTION_FAULT = 3,    /* argument: which; the port raises it */
    RAY_ACTION_LINK = 4,     /* from here on this line speaks frames: feed ray_link_feed instead */
    RAY_ACTION_CONSOLE = 5   /* the link was left: feed ray_console_feed again */
};

enum ray_fault {
    RAY_FAULT_PAGE = 1, RAY_FAULT_WRITE_TEXT = 2, RAY_FAULT_RUN_DATA = 3, RAY_FAULT_UNDEFINED = 4,
    RAY_FAULT_STACK = 5, RAY_FAULT_SMASH = 6, RAY_FAULT_DIVIDE = 7, RAY_FAULT_PANIC = 8
};

/* Facts of the machine, filled by the port. `frozen_*` are what the port carries with it (DESIGN.md
 * section 7). */
typedef struct ray_script {
    const char *name;
    const char *text;
    uint64_t length;
} ray_script;

typedef struct ray_machine {
    const char *name;             /* "QEMU microvm, TCG" or "host, Linux x86_64" */
    const char *clock;            /* "LAPIC", "icount", "CLOCK_MONOTONIC" */
    const char *config_source;    /* "fw_cfg opt/raygate/config", "frozen", "examples/rayos.toml" */
    const char *config_name;      /* file name or "rayos" */
    const ray_script *scripts;    /* frozen scripts, for `run` */
    const uint8_t *frozen_config; /* 8-byte aligned blob, NULL when none */
    uint64_t frozen_config_length;
    uint64_t clock_hz;
    uint64_t memory_bytes;
    uint64_t image_bytes;
    uint64_t boot_ns;       /* entry to prompt; 0 unknown */
    uint64_t entropy_known; /* of the seed: 0 guessable, 1 from a real source, 2 given */
    uint32_t script_count;
    uint32_t faults_allowed; /* 1: `fault` may be used */
    const uint8_t *start_config; /* as frozen_config: what it started with, NULL: the frozen one */
    uint64_t start_config_length;
    uint8_t seed[16]; /* what ray_init got, for a soft reset */
    struct ray_secrets *secrets; /* keys and randomness, the port's second block; may be NULL */
} ray_machine;

typedef struct ray_shell_result {
    ray_status status; /* 0, or what the command failed with */
    uint32_t action;
    uint32_t argument;
    uint32_t reserved;
} ray_shell_result;

/* What every command handler gets. Words are copies, unquoted and zero-terminated; --json and a
 * leading `confirm` are taken out and set `json` and `confirmed`. The dispatcher has already
 * refused options the usage does not name, missing and surplus words, and --json where nothing
 * reads. */
typedef struct ray_call {
    struct ray *ray;
    const ray_machine *machine;
    ray_text *out;
    uint64_t now_ns;                      /* gated */
    const char *word[RAY_SHELL_WORD_MAX]; /* word[0] is the command, word[1] the subcommand */
    uint32_t length[RAY_SHELL_WORD_MAX];
    uint32_t count;
    uint32_t json;
    uint32_t who;    /* enum ray_audit_who */
    uint32_t action; /* set by the handler */
    uint32_t argument;
    uint32_t depth;       /* of `run` inside `run` */
    uint32_t confirmed;   /* the line began with `confirm` */
    uint32_t plain_count; /* word[0..plain_count) are no options: options were moved behind them */
    uint64_t raw_ns;      /* the port's raw clock; rows of the shell carry RAY_ROW_NOW instead */
    const struct ray_subcommand *sub; /* what is running, for its usage */
} ray_call;

typedef struct ray_subcommand {
    const char *word;
    const char *usage; /* arguments only: "ID", "NAME RATE [BURST]" */
    const char *help;  /* one line */
    ray_status (*run)(ray_call *call);
    uint32_t reads;     /* 1: changes nothing and offers --json */
    uint32_t completes; /* enum ray_complete of its first argument */
} ray_subcommand;

enum ray_complete {
    RAY_COMPLETE_NONE = 0, RAY_COMPLETE_LIMIT = 1, RAY_COMPLETE_QUOTA = 2, RAY_COMPLETE_SERVICE = 3,
    RAY_COMPLETE_ROUTE = 4, RAY_COMPLETE_TENANT = 5, RAY_COMPLETE_SCRIPT = 6,
    RAY_COMPLETE_COMMAND = 7, RAY_COMPLETE_POLICY = 8, RAY_COMPLETE_POOL = 9
};

typedef struct ray_command {
    const char *word;
    const char *help;          /* one line */
    const ray_subcommand *sub; /* a command without subcommands has one whose word is "" */
    uint32_t sub_count;
    uint32_t phase; /* 19, 20, or 0 for the system */
    uint32_t built; /* 0: the module does not exist yet; says so, status RAY_E_UNBUILT */
    uint32_t reserved;
} ray_command;

/* One per module file; shell.c lists them. */
extern const ray_command ray_command_gateway;
extern const ray_command ray_command_ratelimit;
extern const ray_command ray_command_quota;
extern const ray_command ray_command_policy;
extern const ray_command ray_command_priority;
extern const ray_command ray_command_governance;
extern const ray_command ray_command_auth;
extern const ray_command ray_command_cost;
extern const ray_command ray_command_lb;
extern const ray_command ray_command_resilience;
extern const ray_command ray_command_apimon;
extern const ray_command ray_command_mediator;

/* Runs one line. `raw_ns` is the port's raw clock: the line passes the clock gate once, here. `out`
 * gets plain text, or one JSON value with --json; errors are one line that starts "error: ". The
 * unused end of `out` is work memory. */
ray_shell_result ray_shell_run(struct ray *ray, const ray_machine *machine, uint64_t raw_ns,
                               uint32_t who, const char *line, uint64_t length, ray_text *out);

/* The command table, in the order of `help`. */
uint32_t ray_shell_command_count(void);
const ray_command *ray_shell_command(uint32_t index);
const ray_command *ray_shell_find(const char *at, uint64_t length);

/* -- names for completion and suggestions (names.c) -- */
/* The name at `index` of what `completes` lists; 0 past the last. Index counts rows, a free one
 * gives an empty name. */
uint32_t ray_live_name(struct ray *ray, const ray_machine *machine, uint32_t completes,
                       uint32_t index, ray_name *out);

/* The nearest of the words offered, by edits (insert, drop, change, swap); NULL when none is near.
 */
typedef struct ray_near {
    ray_name wrong;
    ray_name best;
    uint32_t edits;
    uint32_t reserved;
} ray_near;
void ray_near_begin(ray_near *near, const char *at, uint64_t length);
void ray_near_offer(ray_near *near, const char *at, uint64_t length);
const char *ray_near_word(const ray_near *near);

/* -- helpers for handlers (args.c) -- */
/* Prints "error: ..." naming the word and the nearest right one, returns `status`. `near` is NULL
 * or the suggestion. */
ray_status ray_call_error(ray_call *call, ray_status status, const char *what, uint32_t word,
                          const char *near);
/* Our own literals: how long one is, and whether a word is the same. */
uint32_t ray_word_length(const char *literal);
uint32_t ray_word_is(const char *at, uint64_t length, const char *literal);
uint32_t ray_call_is(const ray_call *call, uint32_t word, const char *literal);
/* Finds "--name VALUE" or "--name=VALUE"; 1 when present, and then NAME is the option's, dashes
 * included. */
uint32_t ray_call_option(const ray_call *call, const char *name, const char **at, uint32_t *length);
uint32_t ray_call_flag(const ray_call *call, const char *name);
/* As ray_call_error with RAY_E_UNKNOWN, suggesting the nearest live name of `completes`. */
ray_status ray_call_unknown(ray_call *call, const char *what, uint32_t word, uint32_t completes);
/* 1 when the line began with `confirm`; else prints how to confirm, and the handler returns
 * RAY_E_STATE. */
uint32_t ray_call_confirmed(ray_call *call, const char *consequence);
/* Work memory, zeroed and 8-byte aligned, from the unused end of call->out until the line is done;
 * NULL when there is none. */
void *ray_call_memory(ray_call *call, uint64_t bytes);
/* Runs one more line inside this one, at the same instant; its action and text become this call's.
 */
ray_status ray_call_line(ray_call *call, const char *line, uint64_t length);
/* Reports a successful control call: raises the epoch and writes the audit record. */
void ray_call_edited(ray_call *call, uint32_t what, uint32_t by_kind, uint32_t by_id,
                     uint64_t before, uint64_t after);
/* The same for an act that edits no configuration: the epoch stays, and the record carries the
 * instant the clock shows after the act. */
void ray_call_noted(ray_call *call, uint32_t what, uint32_t by_kind, uint32_t by_id,
                    uint64_t before, uint64_t after);
/* Digits with '_' between them; 1h30m, 500ms, 1.5s; 5/1h30m; 8KiB, 10MB; 2026-01-05T23:00:00Z or
 * Unix nanoseconds; v4 or v6; 10% or 0.5% in basis points. RAY_E_SYNTAX for what is none of them,
 * RAY_E_RANGE for what does not fit or is no whole number; then *out is untouched. */
ray_status ray_parse_u64(const char *at, uint64_t length, uint64_t *out);
ray_status ray_parse_duration(const char *at, uint64_t length, uint64_t *ns);
ray_status ray_parse_rate(const char *at, uint64_t length, uint64_t *tokens, uint64_t *period_ns);
ray_status ray_parse_bytes(const char *at, uint64_t length, uint64_t *bytes);
ray_status ray_parse_time(const char *at, uint64_t length, uint64_t *unix_ns);
ray_status ray_parse_address(const char *at, uint64_t length, ray_address *out);
ray_status ray_parse_percent_bp(const char *at, uint64_t length, uint32_t *bp);

/* -- scripts (script.c) -- */
/* Makes the clock live, unless `script` begins with `clock virtual`: then it stays virtual, so that
 * a port that loads its configuration before this call leaves the same bytes on every machine.
 * `script` may be NULL. */
void ray_start_clock(struct ray *ray, uint64_t raw_ns, int64_t wall_offset_ns,
                     const ray_script *script);

/* Runs the first command at or after `at` and returns where the next line begins; script->length
 * ends the script. Writes the prompt, the line and a line feed, then the command's text; blank
 * lines and those that begin with '#' write nothing. A failed command does not end the script: the
 * port keeps the worst status. */
uint64_t ray_script_step(struct ray *ray, const ray_machine *machine, uint64_t raw_ns,
                         const ray_script *script, uint64_t at, ray_text *out,
                         ray_shell_result *result);

/* -- console: a person's terminal -- */
typedef struct ray_console {
    uint32_t mode;   /* 0 line, 1 raw, 2 paste */
    uint32_t length; /* of the line being typed */
    uint32_t cursor;
    uint32_t escape; /* where inside an escape sequence */
    uint32_t history_count;
    uint32_t history_at;
    uint32_t exit_status; /* of the last command, as ray_status negated */
    uint32_t lost_bytes;  /* typed past RAY_SHELL_LINE_MAX */
    uint32_t plain;       /* 1: no terminal (the port's to set): the echo of a long line runs on */
    char line[RAY_SHELL_LINE_MAX];
    char kept[RAY_SHELL_LINE_MAX]; /* the line set aside while history is browsed */
    char history[RAY_SHELL_HISTORY_MAX][RAY_SHELL_LINE_MAX];
} ray_console;

/* Banner (version, configuration hash, machine, three commands to try) and the first prompt. */
void ray_console_start(ray_console *console, struct ray *ray, const ray_machine *machine,
                       uint64_t raw_ns, ray_text *out);
/* Feeds bytes that were typed; stops after the first that completes a command, so that the port can
 * print and act. Returns how many were consumed, at least 1 when length > 0. `result` is that
 * command's, zero when none ran. The port sends `out` as it is: lines end in CR LF, but the framed
 * text of raw mode in LF.
 *
 * Line mode: arrows, Home, End, Delete, Backspace, Tab; Ctrl-C drops the line, Ctrl-U and Ctrl-K
 * cut to its start and end, Ctrl-W the word before, Ctrl-L redraws, Ctrl-P and Ctrl-N browse
 * history; Alt-A and Alt-E are Home and End, for Ctrl-A and Ctrl-E change the mode.
 * Raw mode: Ctrl-A enters it (answers "raw; Ctrl-B to exit\r\n>"), then each line is run without
 * echo and answered by "OK" STX text ETX decimal-status EOT '>'; Ctrl-B leaves, Ctrl-C drops the
 * line, Ctrl-D is a soft reset, Ctrl-E paste mode.
 * Paste mode: Ctrl-E enters it; lines run one by one without completion and history until Ctrl-D,
 * which runs the last one, or Ctrl-C, which drops it. */
uint64_t ray_console_feed(ray_console *console, struct ray *ray, const ray_machine *machine,
                          uint64_t raw_ns, const uint8_t *bytes, uint64_t length, ray_text *out,
                          ray_shell_result *result);

/* Starts the core anew with the machine's seed and start configuration; the clock goes on. */
ray_status ray_soft_reset(struct ray *ray, const ray_machine *machine, uint64_t raw_ns);

/* -- link: frames -- */
/* Frame: "RG", u8 version 1, u8 type, u32 seq, u32 length, payload, u32 CRC-32C over all before it;
 * little-endian. A repeated seq is answered from the last 8 replies without being done again; HELLO
 * forgets them. */
enum ray_link_type {
    RAY_LINK_HELLO = 1,  /* -> ray_link_hello; begins a session: forgets kept replies and parts */
    RAY_LINK_CONFIG = 2, /* payload: u32 total, u32 offset, bytes; in order; the last part loads and
                          * answers ray_config_report, the others nothing */
    RAY_LINK_ROWS = 3,   /* payload: u32 row count, u32 bytes length, rows, bytes -> ray_answers */
    RAY_LINK_DIGEST = 4,   /* -> ray_digests */
    RAY_LINK_STATS = 5,    /* -> ray_stats */
    RAY_LINK_RUN = 6,      /* payload: command line -> i32 status, text */
    RAY_LINK_CLOCK = 7,    /* payload: u64 now_ns, u32 virtual, u32 reserved -> u64 gated now */
    RAY_LINK_RESET = 8,    /* ray_init with 16 bytes of seed -> nothing */
    RAY_LINK_SNAPSHOT = 9, /* payload: u64 offset, u32 length, u32 reserved -> bytes of the state */
    RAY_LINK_RESTORE = 10, /* payload: u64 total, u64 offset, bytes; the last checks and swaps */
    RAY_LINK_ROWS_BRIEF = 11, /* as ROWS -> u32 count answered, u32 error count: for digest runs */
    RAY_LINK_LEAVE = 12, /* -> nothing, action RAY_ACTION_CONSOLE: the line is a console again */
    RAY_LINK_REPLY = 64, /* added to the type of the request */
    RAY_LINK_ERROR = 128 /* payload: i32 status, text */
};

typedef struct ray_link_hello {
    uint64_t state_bytes; /* ray_bytes() */
    uint32_t profile;
    uint32_t row_bytes;    /* sizeof(ray_row) */
    uint32_t answer_bytes; /* sizeof(ray_answer) */
    uint32_t payload_max;
    uint32_t outstanding_max;
    uint32_t row_max; /* rows one ROWS frame may carry; ROWS_BRIEF: what fits */
    uint8_t config_hash[32];
    ray_name version;
} ray_link_hello;

/* Memory a port gives the link, 64-byte aligned: kept replies, and room for a configuration or a
 * snapshot in parts. */
uint64_t ray_link_state_bytes(void);
typedef struct ray_link ray_link;
void ray_link_init(ray_link *link);
/* Feeds bytes received; consumes up to one request frame. The reply, if any, is at *reply,
 * *reply_length until the next call. `raw_ns` is the port's raw clock: it drops a frame unfinished
 * for 1 s and passes the gate for what needs time. A port calls it with length 0 when nothing came
 * for a second. */
uint64_t ray_link_feed(ray_link *link, struct ray *ray, const ray_machine *machine, uint64_t raw_ns,
                       const uint8_t *bytes, uint64_t length, const uint8_t **reply,
                       uint64_t *reply_length, ray_shell_result *result);

#endif
