/* SPDX-License-Identifier: MIT */
/* console.c - a person's terminal: bytes in, a line being edited, text out. Three modes: a line
 * that is edited, raw for programs, paste for many lines at once. */
#include "parts.h"

enum console_size { OUT_ROOM = 4096, TAIL_ROOM = 256 };

/* The prompt of the mode on a new line. */
static void put_prompt(const ray_feed *f)
{
    ray_text_put(f->out, f->console->mode == RAY_CONSOLE_RAW     ? ">"
                         : f->console->mode == RAY_CONSOLE_PASTE ? "=== "
                                                                 : RAY_PROMPT);
}

/* -- running (private) -- */
/* Turns the line feeds of out[from..] into CR LF; the room was kept by the caller. */
static void break_lines(ray_text *out, uint64_t from)
{
    uint64_t feeds = 0;
    for (uint64_t i = from; i < out->length; i++)
        feeds += out->at[i] == '\n';
    uint64_t read = out->length;
    out->length += feeds;
    for (uint64_t write = out->length; write > read;) {
        out->at[--write] = out->at[--read];
        if (out->at[write] == '\n')
            out->at[--write] = '\r';
    }
}

static uint64_t count_feeds(const ray_text *out, uint64_t from)
{
    uint64_t feeds = 0;
    for (uint64_t i = from; i < out->length; i++)
        feeds += out->at[i] == '\n';
    return feeds;
}

/* Runs the line into `out` and keeps room for what follows; text that does not fit is cut and says
 * so. */
static void run_line(ray_feed *f)
{
    ray_console *c = f->console;
    ray_text *out = f->out;
    uint64_t capacity = out->capacity;
    uint64_t from = out->length;
    if (capacity - from > TAIL_ROOM)
        out->capacity = capacity - TAIL_ROOM;
    if (c->lost_bytes != 0) {
        ray_text_put(out, "error: the line is longer than 1024 bytes by ");
        ray_text_u64(out, c->lost_bytes);
        ray_text_put(out, "; nothing was done\n");
        f->result->status = RAY_E_SYNTAX;
    } else
        *f->result =
            ray_shell_run(f->ray, f->machine, f->raw_ns, RAY_WHO_CONSOLE, c->line, c->length, out);
    uint64_t room = out->capacity - out->length;
    uint32_t cut = out->truncated;
    while (c->mode != RAY_CONSOLE_RAW && out->length > from && count_feeds(out, from) > room) {
        uint64_t end = out->length - (out->length - from) / 8 - 1;
        room += out->length - end;
        out->length = end;
        cut = 1;
    }
    out->truncated = 0;
    if (c->mode != RAY_CONSOLE_RAW)
        break_lines(out, from);
    out->capacity = capacity;
    if (cut != 0)
        ray_text_put(out, c->mode == RAY_CONSOLE_RAW ? "\nerror: the text was cut\n"
                                                     : "\r\nerror: the text was cut\r\n");
    if (cut != 0 && f->result->status == RAY_OK)
        f->result->status = RAY_E_TRUNCATED;
    c->exit_status = (uint32_t)-f->result->status;
    f->ran = 1;
}

static uint32_t is_blank(const ray_console *c)
{
    for (uint32_t i = 0; i < c->length; i++)
        if (c->line[i] != ' ')
            return 0;
    return c->lost_bytes == 0;
}

/* The machine goes on only after some actions; no prompt is drawn for the others. */
static uint32_t stays(const ray_feed *f)
{
    return f->result->action == RAY_ACTION_NONE || f->result->action == RAY_ACTION_FAULT;
}

/* A person who typed `link` would never see the prompt again. */
static void refuse_link(ray_feed *f)
{
    if (f->result->action != RAY_ACTION_LINK)
        return;
    f->result->action = RAY_ACTION_NONE;
    f->result->status = RAY_E_STATE;
    ray_text_put(f->out, "error: link is for programs, in raw mode (Ctrl-A)\r\n");
}

static void enter_line(ray_feed *f)
{
    ray_console *c = f->console;
    ray_text_put(f->out, "\r\n");
    if (!is_blank(c)) {
        if (c->mode == RAY_CONSOLE_LINE)
            ray_edit_remember(c);
        run_line(f);
        refuse_link(f);
    }
    c->history_at = c->history_count;
    ray_edit_forget(c);
    if (stays(f))
        put_prompt(f);
}

static void enter_raw(ray_feed *f)
{
    ray_console *c = f->console;
    ray_text_put(f->out, "OK\x02");
    if (is_blank(c))
        f->ran = 1;
    else
        run_line(f);
    ray_text_put(f->out, "\x03");
    ray_text_u64(f->out, (uint64_t)(uint32_t)-f->result->status);
    ray_text_put(f->out, "\x04>");
    ray_edit_forget(c);
}

/* -- modes (private) -- */
static void drop_line(ray_feed *f)
{
    ray_console *c = f->console;
    ray_text_put(f->out, c->mode == RAY_CONSOLE_LINE    ? "^C\r\n"
                         : c->mode == RAY_CONSOLE_PASTE ? "\r\n"
                                                        : "");
    c->mode = c->mode == RAY_CONSOLE_RAW ? RAY_CONSOLE_RAW : RAY_CONSOLE_LINE;
    c->history_at = c->history_count;
    ray_edit_forget(c);
    put_prompt(f);
}

static void set_mode(ray_feed *f, uint32_t mode, const char *said)
{
    f->console->mode = mode;
    ray_edit_forget(f->console);
    f->console->history_at = f->console->history_count;
    ray_text_put(f->out, said);
    put_prompt(f);
}

static void soft_reset(ray_feed *f)
{
    f->result->status = ray_soft_reset(f->ray, f->machine, f->raw_ns);
    ray_text_put(f->out, f->result->status == RAY_OK ? "OK\x02soft reset\n\x03"
                                                     : "OK\x02"
                                                       "error: soft reset\n\x03");
    ray_text_u64(f->out, (uint64_t)(uint32_t)-f->result->status);
    ray_text_put(f->out, "\x04>");
    ray_edit_forget(f->console);
    f->ran = 1;
}

/* Keys that mean the same in every mode; 0 when `byte` is none of them. */
static uint32_t mode_key(ray_feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    switch (byte) {
    case RAY_CTRL_A:
        if (c->mode != RAY_CONSOLE_PASTE)
            set_mode(f, RAY_CONSOLE_RAW,
                     c->mode == RAY_CONSOLE_LINE ? "\r\nraw; Ctrl-B to exit\r\n"
                                                 : "raw; Ctrl-B to exit\r\n");
        return 1;
    case RAY_CTRL_B:
        if (c->mode == RAY_CONSOLE_RAW)
            set_mode(f, RAY_CONSOLE_LINE, "\r\n");
        return 1;
    case RAY_CTRL_C: drop_line(f); return 1;
    case RAY_CTRL_D:
        if (c->mode == RAY_CONSOLE_RAW)
            soft_reset(f);
        else if (c->mode == RAY_CONSOLE_PASTE) {
            c->mode = RAY_CONSOLE_LINE;
            enter_line(f);
        } else if (c->length == 0)
            set_mode(f, RAY_CONSOLE_LINE, "\r\npoweroff leaves, reboot begins again\r\n");
        else if (c->cursor < c->length)
            ray_edit_key(f, byte);
        return 1;
    case RAY_CTRL_E:
        if (c->mode != RAY_CONSOLE_PASTE)
            set_mode(f, RAY_CONSOLE_PASTE,
                     "\r\npaste; Ctrl-D ends, Ctrl-C drops the line and ends\r\n");
        return 1;
    default: return 0;
    }
}

static void key(ray_feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    uint32_t after_cr = c->escape == RAY_KEY_AFTER_CR;
    if (c->escape != RAY_KEY_PLAIN && !after_cr && byte >= 0x20) {
        ray_edit_escape(f, byte);
        return;
    }
    c->escape = byte == RAY_CR ? RAY_KEY_AFTER_CR : RAY_KEY_PLAIN;
    if (byte == RAY_CR || byte == RAY_LF) {
        if (byte == RAY_LF && after_cr)
            return;
        if (c->mode == RAY_CONSOLE_RAW)
            enter_raw(f);
        else
            enter_line(f);
    } else if (mode_key(f, byte))
        return;
    else if (byte >= 0x20 && byte != RAY_DELETE)
        ray_edit_insert(f, (char)byte);
    else if (byte == RAY_TAB && c->mode != RAY_CONSOLE_LINE)
        ray_edit_insert(f, ' ');
    else if (c->mode == RAY_CONSOLE_LINE)
        ray_edit_key(f, byte);
}

/* -- the console -- */
void ray_console_start(ray_console *console, struct ray *ray, const ray_machine *machine,
                       uint64_t raw_ns, ray_text *out)
{
    uint64_t from = out->length;
    __builtin_memset(console, 0, sizeof *console);
    ray_banner(ray, machine, raw_ns, out);
    break_lines(out, from);
    ray_text_put(out, RAY_PROMPT);
}

uint64_t ray_console_feed(ray_console *console, struct ray *ray, const ray_machine *machine,
                          uint64_t raw_ns, const uint8_t *bytes, uint64_t length, ray_text *out,
                          ray_shell_result *result)
{
    ray_feed f = {console, ray, machine, out, result, raw_ns, 0, 0};
    uint64_t used = 0;
    __builtin_memset(result, 0, sizeof *result);
    while (used < length && f.ran == 0) {
        uint32_t ends = bytes[used] == RAY_CR || bytes[used] == RAY_LF || bytes[used] == RAY_CTRL_D;
        if (used > 0 &&
            (out->capacity - out->length < OUT_ROOM || (ends && out->length > OUT_ROOM)))
            break;
        key(&f, bytes[used++]);
    }
    return used;
}
