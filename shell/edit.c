/* SPDX-License-Identifier: MIT */
/* edit.c - the line being typed: keys, history, and how it is drawn. Printable bytes and CR are all
 * it sends: a line is redrawn instead of steering the cursor, so that any terminal and any log can
 * follow. */
#include "parts.h"

/* console->escape: where a sequence of keys stands; CSI_DIGIT + n has seen the number n. */
enum edit_escape { KEY_ESC = 1, KEY_CSI = 2, KEY_SS3 = 3, KEY_CSI_DIGIT = 16 };
enum edit_size { COLUMNS = 79 };

/* -- drawing (private) -- */
static uint32_t visible(void)
{
    return COLUMNS - (uint32_t)(sizeof RAY_PROMPT - 1);
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

void ray_edit_redraw(const ray_feed *f)
{
    const ray_console *c = f->console;
    uint32_t from = shown_from(c);
    uint32_t to = c->length - from < visible() ? c->length : from + visible();
    ray_text_put(f->out, "\r");
    ray_text_put(f->out, RAY_PROMPT);
    put_shown(c, f->out, from, to);
    for (uint32_t i = to - from; i < visible(); i++)
        ray_text_char(f->out, ' ');
    ray_text_put(f->out, "\r");
    ray_text_put(f->out, RAY_PROMPT);
    put_shown(c, f->out, from, c->cursor);
}

/* -- the line -- */
void ray_edit_forget(ray_console *c)
{
    c->length = 0;
    c->cursor = 0;
    c->lost_bytes = 0;
    __builtin_memset(c->line, 0, sizeof c->line);
}

void ray_edit_remember(ray_console *c)
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

void ray_edit_insert(ray_feed *f, char byte)
{
    ray_console *c = f->console;
    if (c->length == RAY_SHELL_LINE_MAX) {
        c->lost_bytes += c->lost_bytes < 0xffffffffU;
        return;
    }
    __builtin_memmove(c->line + c->cursor + 1, c->line + c->cursor, c->length - c->cursor);
    c->line[c->cursor++] = byte;
    c->length++;
    if (c->mode == RAY_CONSOLE_RAW)
        return;
    if (c->mode == RAY_CONSOLE_PASTE ||
        (c->cursor == c->length && (c->plain != 0 || c->length < visible())))
        put_shown(c, f->out, c->cursor - 1, c->cursor);
    else
        ray_edit_redraw(f);
}

static void cut(ray_feed *f, uint32_t from, uint32_t to)
{
    ray_console *c = f->console;
    __builtin_memmove(c->line + from, c->line + to, c->length - to);
    __builtin_memset(c->line + c->length - (to - from), 0, to - from);
    c->length -= to - from;
    c->cursor = from;
    c->lost_bytes = c->length == 0 ? 0 : c->lost_bytes;
    if (c->mode == RAY_CONSOLE_LINE)
        ray_edit_redraw(f);
}

static void move(ray_feed *f, uint32_t to)
{
    f->console->cursor = to;
    ray_edit_redraw(f);
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

static void take_line(ray_feed *f, const char *line)
{
    ray_console *c = f->console;
    __builtin_memcpy(c->line, line, sizeof c->line);
    c->length = 0;
    while (c->length < RAY_SHELL_LINE_MAX && c->line[c->length] != 0)
        c->length++;
    c->cursor = c->length;
    c->lost_bytes = 0;
    ray_edit_redraw(f);
}

static void browse(ray_feed *f, uint32_t back)
{
    ray_console *c = f->console;
    if (back ? c->history_at == 0 : c->history_at >= c->history_count)
        return;
    if (c->history_at == c->history_count)
        __builtin_memcpy(c->kept, c->line, sizeof c->kept);
    c->history_at = back ? c->history_at - 1 : c->history_at + 1;
    take_line(f, c->history_at == c->history_count ? c->kept : c->history[c->history_at]);
}

/* -- keys (private) -- */
static void key_number(ray_feed *f, uint32_t number)
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

static void key_letter(ray_feed *f, uint8_t letter)
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
void ray_edit_escape(ray_feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    uint32_t at = c->escape;
    if (at == KEY_ESC) {
        c->escape = byte == '[' ? KEY_CSI : byte == 'O' ? KEY_SS3 : RAY_KEY_PLAIN;
        if (byte == 'a' || byte == 'e')
            key_letter(f, byte);
    } else if (at == KEY_SS3) {
        c->escape = RAY_KEY_PLAIN;
        key_letter(f, byte);
    } else if (byte >= '0' && byte <= '9') {
        uint32_t number = at >= KEY_CSI_DIGIT ? at - KEY_CSI_DIGIT : 0;
        c->escape = KEY_CSI_DIGIT + (number > 99 ? 100 : number * 10 + (uint32_t)(byte - '0'));
    } else if (byte >= 0x40 && byte <= 0x7e) {
        c->escape = RAY_KEY_PLAIN;
        if (byte == '~' && at >= KEY_CSI_DIGIT)
            key_number(f, at - KEY_CSI_DIGIT);
        else if (byte != '~' && byte < 'a')
            key_letter(f, byte);
    } else if (byte < 0x20 || byte > 0x3f)
        c->escape = RAY_KEY_PLAIN;
}

void ray_edit_key(ray_feed *f, uint8_t byte)
{
    ray_console *c = f->console;
    switch (byte) {
    case RAY_ESC: c->escape = KEY_ESC; break;
    case RAY_CTRL_H:
    case RAY_DELETE:
        if (c->cursor > 0)
            cut(f, c->cursor - 1, c->cursor);
        break;
    case RAY_CTRL_D: cut(f, c->cursor, c->cursor + 1); break;
    case RAY_CTRL_U: cut(f, 0, c->cursor); break;
    case RAY_CTRL_K: cut(f, c->cursor, c->length); break;
    case RAY_CTRL_W: cut(f, word_before(c), c->cursor); break;
    case RAY_CTRL_L: ray_edit_redraw(f); break;
    case RAY_CTRL_N: browse(f, 0); break;
    case RAY_CTRL_P: browse(f, 1); break;
    case RAY_TAB:
        if (ray_complete(c, f->ray, f->machine, f->out) != 0)
            ray_edit_redraw(f);
        break;
    default: break;
    }
}
