/* SPDX-License-Identifier: MIT */
/* console.c - a person's terminal: bytes in, a line being edited, text out. Printable bytes, CR and
 * LF are all it sends in line mode: a line is redrawn instead of steering the cursor, so that any
 * terminal and any log can follow. */
#include "shell.h"

enum console_mode { MODE_LINE = 0, MODE_RAW = 1, MODE_PASTE = 2 };
/* console->escape: where a sequence of keys stands; CSI_DIGIT + n has seen the number n. */
enum console_escape {
    KEY_PLAIN = 0,
    KEY_ESC = 1,
    KEY_CSI = 2,
    KEY_SS3 = 3,
    KEY_AFTER_CR = 4,
    KEY_CSI_DIGIT = 16
};
enum console_size { COLUMNS = 79, OUT_ROOM = 4096, TAIL_ROOM = 256 };
enum control {
    CTRL_A = 1,
    CTRL_B = 2,
    CTRL_C = 3,
    CTRL_D = 4,
    CTRL_E = 5,
    CTRL_H = 8,
    TAB = 9,
    LF = 10,
    CTRL_K = 11,
    CTRL_L = 12,
    CR = 13,
    CTRL_N = 14,
    CTRL_P = 16,
    CTRL_U = 21,
    CTRL_W = 23,
    ESC = 27,
    DELETE = 127
};

static const char prompt[] = "rayos> ";

/* Who is fed, so that the functions below need no list of arguments. */
typedef struct feed {
    ray_console *console;
    struct ray *ray;
    const ray_machine *machine;
    ray_text *out;
    ray_shell_result *result;
    uint64_t raw_ns;
    uint32_t ran; /* a command was completed */
    uint32_t reserved;
} feed;

/* -- drawing (private) -- */
static uint32_t visible(void)
{
    return COLUMNS - (uint32_t)(sizeof prompt - 1);
}

/* The first byte shown: a line longer than the terminal scrolls so that the cursor stays inside. */
static uint32_t shown_from(const ray_console *c)
{
    return c->cursor < visible() ? 0 : c->cursor - visible() + 1;
}

static void put_shown(const ray_console *c, ray_text *out, uint32_t from, uint32_t to)
{
    ray_echo(out, c->line + from, to - from);
}

static void redraw(const feed *f)
{
    const ray_console *c = f->console;
    uint32_t from = shown_from(c);
    uint32_t to = c->length - from < visible() ? c->length : from + visible();
    ray_text_put(f->out, "\r");
    ray_text_put(f->out, prompt);
    put_shown(c, f->out, from, to);
    for (uint32_t i = to - from; i < visible(); i++)
        ray_text_char(f->out, ' ');
    ray_text_put(f->out, "\r");
    ray_text_put(f->out, prompt);
    put_shown(c, f->out, from, c->cursor);
}

/* The prompt of the mode on a new line. */
static void put_prompt(const feed *f)
{
    ray_text_put(f->out, f->console->mode == MODE_RAW     ? ">"
                         : f->console->mode == MODE_PASTE ? "=== "
                                                          : prompt);
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
static void run_line(feed *f)
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
    while (c->mode != MODE_RAW && out->length > from && count_feeds(out, from) > room) {
        uint64_t end = out->length - (out->length - from) / 8 - 1;
        room += out->length - end;
        out->length = end;
        cut = 1;
    }
    out->truncated = 0;
    if (c->mode != MODE_RAW)
        break_lines(out, from);
    out->capacity = capacity;
    if (cut != 0)
        ray_text_put(out, c->mode == MODE_RAW ? "\nerror: the text was cut\n"
                                              : "\r\nerror: the text was cut\r\n");
    if (cut != 0 && f->result->status == RAY_OK)
        f->result->status = RAY_E_TRUNCATED;
    c->exit_status = (uint32_t)-f->result->status;
    f->ran = 1;
}

static void forget_line(ray_console *c)
{
    c->length = 0;
    c->cursor = 0;
    c->lost_bytes = 0;
    __builtin_memset(c->line, 0, sizeof c->line);
}

static void remember_line(ray_console *c)
{
    uint32_t last = c->history_count - 1;
    if (c->length == 0 || c->length == RAY_SHELL_LINE_MAX || c->lost_bytes != 0)
        return;
    if (c->history_count > 0 && __builtin_memcmp(c->history[last], c->line, c->length + 1) == 0)
        return;
    if (c->history_count == RAY_SHELL_HISTORY_MAX) {
        __builtin_memmove(c->history[0], c->history[1], sizeof c->history - sizeof c->history[0]);
        c->history_count--;
    }
    __builtin_memcpy(c->history[c->history_count++], c->line, sizeof c->line);
}

static uint32_t is_blank(const ray_console *c)
{
    for (uint32_t i = 0; i < c->length; i++)
        if (c->line[i] != ' ')
            return 0;
    return c->lost_bytes == 0;
}

/* The machine goes on only after some actions; no prompt is drawn for the others. */
static uint32_t stays(const feed *f)
{
    return f->result->action == RAY_ACTION_NONE || f->result->action == RAY_ACTION_FAULT;
}

static void enter_line(feed *f)
{
    ray_console *c = f->console;
    ray_text_put(f->out, "\r\n");
    if (!is_blank(c)) {
        if (c->mode == MODE_LINE)
            remember_line(c);
        run_line(f);
    }
    c->history_at = c->history_count;
    forget_line(c);
    if (stays(f))
        put_prompt(f);
}

static void enter_raw(feed *f)
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
    forget_line(c);
}

/* -- editing (private) -- */
static void insert(feed *f, char byte)
{
    ray_console *c = f->console;
    if (c->length == RAY_SHELL_LINE_MAX) {
        c->lost_bytes += c->lost_bytes < 0xffffffffU;
        return;
    }
    __builtin_memmove(c->line + c->cursor + 1, c->line + c->cursor, c->length - c->cursor);
    c->line[c->cursor++] = byte;
    c->length++;
    if (c->mode == MODE_RAW)
        return;
    if (c->mode == MODE_PASTE || (c->cursor == c->length && c->length < visible()))
        put_shown(c, f->out, c->cursor - 1, c->cursor);
    else
        redraw(f);
}

static void cut(feed *f, uint32_t from, uint32_t to)
{
    ray_console *c = f->console;
    __builtin_memmove(c->line + from, c->line + to, c->length - to);
    __builtin_memset(c->line + c->length - (to - from), 0, to - from);
    c->length -= to - from;
    c->cursor = from;
    c->lost_bytes = c->length == 0 ? 0 : c->lost_bytes;
    if (c->mode == MODE_LINE)
        redraw(f);
}

static void move(feed *f, uint32_t to)
{
    f->console->cursor = to;
    redraw(f);
}

static uint32_t word_before(const ray_console *c)
{
    uint32_t at = c->cursor;
    while (at > 0 && c->line[at - 1] == ' ')
        at--;
    while (at > 0 && c->line[at - 1] != ' ')
        at--;
    return at;
}

static void take_line(feed *f, const char *line)
{
    ray_console *c = f->console;
    __builtin_memcpy(c->line, line, sizeof c->line);
    c->length = 0;
    while (c->length < RAY_SHELL_LINE_MAX && c->line[c->length] != 0)
        c->length++;
    c->cursor = c->length;
    c->lost_bytes = 0;
    redraw(f);
}

static void browse(feed *f, uint32_t back)
{
    ray_console *c = f->console;
    if (back ? c->history_at == 0 : c->history_at >= c->history_count)
        return;
    if (c->history_at == c->history_count)
        __builtin_memcpy(c->kept, c->line, sizeof c->kept);
    c->history_at = back ? c->history_at - 1 : c->history_at + 1;
    take_line(f, c->history_at == c->history_count ? c->kept : c->history[c->history_at]);
}

static void drop_line(feed *f)
{
    ray_console *c = f->console;
    ray_text_put(f->out, c->mode == MODE_LINE ? "^C\r\n" : c->mode == MODE_PASTE ? "\r\n" : "");
    c->mode = c->mode == MODE_RAW ? MODE_RAW : MODE_LINE;
    c->history_at = c->history_count;
    forget_line(c);
    put_prompt(f);
}

/* -- keys (private) -- */
static void key_number(feed *f, uint32_t number)
{
    ray_console *c = f->console;
    if (number == 1 || number == 7)
        move(f, 0);
    else if (number == 4 || number == 8)
        move(f, c->length);
    else if (number == 3 && c->cursor < c->length) {
        uint32_t at = c->cursor;
        cut(f, at, at + 1);
    }
}

static void key_letter(feed *f, uint8_t letter)
{
    ray_console *c = f->console;
    switch (letter) {
    case 'A': browse(f, 1); break;
    case 'B': browse(f, 0); break;
    case 'C': move(f, c->cursor < c->length ? c->cursor + 1 : c->length); break;
    case 'D': move(f, c->cursor > 0 ? c->cursor - 1 : 0); break;
    case 'H':
    case 'a': move(f, 0); break;
    case 'F':
    case 'e': move(f, c->length); break;
    default: break;
    }
}

/* One byte of an escape sequence; unknown ones are read to their end and forgotten (ECMA-48 5.4).
 */
static void escape(feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    uint32_t at = c->escape;
    if (at == KEY_ESC) {
        c->escape = byte == '[' ? KEY_CSI : byte == 'O' ? KEY_SS3 : KEY_PLAIN;
        if (byte == 'a' || byte == 'e')
            key_letter(f, byte);
    } else if (at == KEY_SS3) {
        c->escape = KEY_PLAIN;
        key_letter(f, byte);
    } else if (byte >= '0' && byte <= '9') {
        uint32_t number = at >= KEY_CSI_DIGIT ? at - KEY_CSI_DIGIT : 0;
        c->escape = KEY_CSI_DIGIT + (number > 99 ? 100 : number * 10 + (uint32_t)(byte - '0'));
    } else if (byte >= 0x40 && byte <= 0x7e) {
        c->escape = KEY_PLAIN;
        if (byte == '~' && at >= KEY_CSI_DIGIT)
            key_number(f, at - KEY_CSI_DIGIT);
        else if (byte != '~' && byte < 'a')
            key_letter(f, byte);
    } else if (byte < 0x20 || byte > 0x3f)
        c->escape = KEY_PLAIN;
}

static void set_mode(feed *f, uint32_t mode, const char *said)
{
    f->console->mode = mode;
    forget_line(f->console);
    f->console->history_at = f->console->history_count;
    ray_text_put(f->out, said);
    put_prompt(f);
}

static void soft_reset(feed *f)
{
    f->result->status = ray_soft_reset(f->ray, f->machine, f->raw_ns);
    ray_text_put(f->out, f->result->status == RAY_OK ? "OK\x02soft reset\n\x03"
                                                     : "OK\x02"
                                                       "error: soft reset\n\x03");
    ray_text_u64(f->out, (uint64_t)(uint32_t)-f->result->status);
    ray_text_put(f->out, "\x04>");
    forget_line(f->console);
    f->ran = 1;
}

/* Keys that mean the same in every mode; 0 when `byte` is none of them. */
static uint32_t mode_key(feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    switch (byte) {
    case CTRL_A:
        if (c->mode != MODE_PASTE)
            set_mode(f, MODE_RAW,
                     c->mode == MODE_LINE ? "\r\nraw; Ctrl-B to exit\r\n"
                                          : "raw; Ctrl-B to exit\r\n");
        return 1;
    case CTRL_B:
        if (c->mode == MODE_RAW)
            set_mode(f, MODE_LINE, "\r\n");
        return 1;
    case CTRL_C: drop_line(f); return 1;
    case CTRL_D:
        if (c->mode == MODE_RAW)
            soft_reset(f);
        else if (c->mode == MODE_PASTE) {
            c->mode = MODE_LINE;
            enter_line(f);
        } else if (c->length == 0)
            set_mode(f, MODE_LINE, "\r\npoweroff leaves, reboot begins again\r\n");
        else if (c->cursor < c->length)
            cut(f, c->cursor, c->cursor + 1);
        return 1;
    case CTRL_E:
        if (c->mode != MODE_PASTE)
            set_mode(f, MODE_PASTE, "\r\npaste; Ctrl-D ends, Ctrl-C drops the line and ends\r\n");
        return 1;
    default: return 0;
    }
}

static void edit_key(feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    switch (byte) {
    case ESC: c->escape = KEY_ESC; break;
    case CTRL_H:
    case DELETE:
        if (c->cursor > 0)
            cut(f, c->cursor - 1, c->cursor);
        break;
    case CTRL_U: cut(f, 0, c->cursor); break;
    case CTRL_K: cut(f, c->cursor, c->length); break;
    case CTRL_W: cut(f, word_before(c), c->cursor); break;
    case CTRL_L: redraw(f); break;
    case CTRL_N: browse(f, 0); break;
    case CTRL_P: browse(f, 1); break;
    case TAB:
        if (ray_complete(c, f->ray, f->machine, f->out) != 0)
            redraw(f);
        break;
    default: break;
    }
}

static void key(feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    uint32_t after_cr = c->escape == KEY_AFTER_CR;
    if (c->escape != KEY_PLAIN && !after_cr && byte >= 0x20) {
        escape(f, byte);
        return;
    }
    c->escape = byte == CR ? KEY_AFTER_CR : KEY_PLAIN;
    if (byte == CR || byte == LF) {
        if (byte == LF && after_cr)
            return;
        if (c->mode == MODE_RAW)
            enter_raw(f);
        else
            enter_line(f);
    } else if (mode_key(f, byte))
        return;
    else if (byte >= 0x20 && byte != DELETE)
        insert(f, (char)byte);
    else if (byte == TAB && c->mode != MODE_LINE)
        insert(f, ' ');
    else if (c->mode == MODE_LINE)
        edit_key(f, byte);
}

/* -- the console -- */
void ray_console_start(ray_console *console, struct ray *ray, const ray_machine *machine,
                       uint64_t raw_ns, ray_text *out)
{
    uint64_t from = out->length;
    __builtin_memset(console, 0, sizeof *console);
    ray_banner(ray, machine, raw_ns, out);
    break_lines(out, from);
    ray_text_put(out, prompt);
}

uint64_t ray_console_feed(ray_console *console, struct ray *ray, const ray_machine *machine,
                          uint64_t raw_ns, const uint8_t *bytes, uint64_t length, ray_text *out,
                          ray_shell_result *result)
{
    feed f = {console, ray, machine, out, result, raw_ns, 0, 0};
    uint64_t used = 0;
    __builtin_memset(result, 0, sizeof *result);
    while (used < length && f.ran == 0) {
        uint32_t ends = bytes[used] == CR || bytes[used] == LF || bytes[used] == CTRL_D;
        if (used > 0 &&
            (out->capacity - out->length < OUT_ROOM || (ends && out->length > OUT_ROOM)))
            break;
        key(&f, bytes[used++]);
    }
    return used;
}
