/* SPDX-License-Identifier: MIT */
/* args.c - what handlers ask of their words, say when a word is wrong, and need from the core. */
#include "parts.h"

enum args_size { NAMES_SHOWN = 8 };

/* -- words -- */
uint32_t ray_word_length(const char *literal)
{
    uint32_t length = 0;
    while (literal[length] != 0)
        length++;
    return length;
}

uint32_t ray_word_is(const char *at, uint64_t length, const char *literal)
{
    return length == ray_word_length(literal) && __builtin_memcmp(at, literal, length) == 0;
}

uint32_t ray_call_is(const ray_call *call, uint32_t word, const char *literal)
{
    return word < call->count && ray_word_is(call->word[word], call->length[word], literal);
}

uint32_t ray_call_option(const ray_call *call, const char *name, const char **at, uint32_t *length)
{
    uint32_t size = ray_word_length(name);
    for (uint32_t i = call->plain_count; i < call->count; i++) {
        if (call->length[i] == size && ray_word_is(call->word[i], size, name)) {
            if (i + 1 == call->count)
                return 0;
            *at = call->word[i + 1];
            *length = call->length[i + 1];
            return 1;
        }
        if (call->length[i] > size && call->word[i][size] == '=' &&
            ray_word_is(call->word[i], size, name)) {
            *at = call->word[i] + size + 1;
            *length = call->length[i] - size - 1;
            return 1;
        }
    }
    return 0;
}

uint32_t ray_call_flag(const ray_call *call, const char *name)
{
    for (uint32_t i = call->plain_count; i < call->count; i++)
        if (ray_word_is(call->word[i], call->length[i], name))
            return 1;
    return 0;
}

/* -- errors -- */
/* "error: WHAT: "VALUE"; ADVICE"; the advice is what stands in `what` behind its first semicolon.
 * A `what` that ends in "not" goes on with the value. Without the value where `at` is NULL. */
static void put_wrong(ray_text *out, const char *what, const char *at, uint64_t length)
{
    uint32_t head = 0;
    while (what[head] != 0 && what[head] != ';')
        head++;
    ray_text_put(out, "error: ");
    ray_text_bytes(out, what, head);
    if (at != 0) {
        uint32_t goes_on = head > 4 && ray_word_is(what + head - 4, 4, " not");
        ray_text_put(out, goes_on != 0 ? " \"" : ": \"");
        ray_text_escaped(out, at, length);
        ray_text_put(out, "\"");
    }
    ray_text_put(out, what + head);
}

static void put_near(ray_text *out, const char *near)
{
    ray_text_put(out, "; did you mean \"");
    ray_text_escaped(out, near, ray_word_length(near));
    ray_text_put(out, "\"?");
}

ray_status ray_call_error(ray_call *call, ray_status status, const char *what, uint32_t word,
                          const char *near)
{
    if (word < call->count)
        put_wrong(call->out, what, call->word[word], call->length[word]);
    else
        put_wrong(call->out, what, 0, 0);
    if (near != 0)
        put_near(call->out, near);
    ray_text_put(call->out, "\n");
    return status;
}

ray_status ray_option_refuse(ray_call *call, ray_status status, const char *what, const char *at,
                             uint32_t length)
{
    put_wrong(call->out, what, at, length);
    ray_text_put(call->out, "\n");
    return status;
}

ray_status ray_option_wrong(ray_call *call, ray_status status, const char *name, const char *rule)
{
    const char *at = "";
    uint32_t length = 0;
    (void)ray_call_option(call, name, &at, &length);
    ray_text_put(call->out, "error: ");
    ray_text_put(call->out, name);
    ray_text_put(call->out, " is ");
    ray_text_put(call->out, rule);
    ray_text_put(call->out, ", not \"");
    ray_text_escaped(call->out, at, length);
    ray_text_put(call->out, "\"\n");
    return status;
}

ray_status ray_call_unknown(ray_call *call, const char *what, uint32_t word, uint32_t completes)
{
    if (word >= call->count)
        return ray_call_error(call, RAY_E_UNKNOWN, what, RAY_NONE, 0);
    return ray_call_unknown_value(call, what, call->word[word], call->length[word], completes);
}

/* The first names there are, when none is near. */
static void put_names(ray_call *call, uint32_t completes)
{
    ray_name name;
    uint32_t said = 0;
    if (completes == RAY_COMPLETE_NONE)
        return;
    if (completes == RAY_COMPLETE_COMMAND) {
        ray_text_put(call->out, "; try: help");
        return;
    }
    for (uint32_t i = 0; ray_live_name(call->ray, call->machine, completes, i, &name) != 0; i++) {
        if (name.at[0] == 0)
            continue;
        ray_text_put(call->out, said == 0 ? "; there is: " : said == NAMES_SHOWN ? " ..." : ", ");
        if (said++ == NAMES_SHOWN)
            return;
        ray_text_name(call->out, &name, 0);
    }
    ray_text_put(call->out, said == 0 ? "; there is none" : "");
}

ray_status ray_call_unknown_value(ray_call *call, const char *what, const char *at, uint32_t length,
                                  uint32_t completes)
{
    ray_near near;
    ray_name name;
    ray_near_begin(&near, at, length);
    for (uint32_t i = 0; ray_live_name(call->ray, call->machine, completes, i, &name) != 0; i++)
        ray_near_offer(&near, name.at, ray_word_length(name.at));
    put_wrong(call->out, what, at, length);
    if (ray_near_word(&near) != 0)
        put_near(call->out, near.best.at);
    else
        put_names(call, completes);
    ray_text_put(call->out, "\n");
    return RAY_E_UNKNOWN;
}

uint32_t ray_word_names(const char *at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (!((at[i] >= 'a' && at[i] <= 'z') || (at[i] >= 'A' && at[i] <= 'Z') ||
              (at[i] >= '0' && at[i] <= '9') || at[i] == '.' || at[i] == '_' || at[i] == ':' ||
              at[i] == '-'))
            return 0;
    return length > 0 && length < RAY_NAME_BYTES;
}

/* 1 for a word that is read back as it is; others need quotes around them. */
static uint32_t is_plain(const char *at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (at[i] <= ' ' || at[i] > '~' || at[i] == '"' || at[i] == '\'' || at[i] == '\\')
            return 0;
    return length > 0;
}

uint32_t ray_call_confirmed(ray_call *call, const char *consequence)
{
    if (call->confirmed != 0)
        return 1;
    ray_text_put(call->out, "error: ");
    ray_text_put(call->out, consequence);
    ray_text_put(call->out, "; to do it, type: confirm");
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t plain = is_plain(call->word[i], call->length[i]);
        ray_text_put(call->out, plain != 0 ? " " : " \"");
        for (uint32_t k = 0; k < call->length[i]; k++) {
            ray_text_put(call->out, call->word[i][k] == '"' ? "\\" : "");
            ray_text_escaped(call->out, call->word[i] + k, 1);
        }
        ray_text_put(call->out, plain != 0 ? "" : "\"");
    }
    ray_text_put(call->out, "\n");
    return 0;
}

void ray_echo(ray_text *out, const char *at, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        ray_text_char(out, at[i] >= 0x20 && at[i] <= 0x7e ? at[i] : '?');
}

/* -- options -- */
uint32_t ray_option_place(const char *at, uint64_t length, const char *(*word_of)(uint32_t),
                          uint32_t count)
{
    uint32_t i = 0;
    while (i < count && !ray_word_is(at, length, word_of(i)))
        i++;
    return i;
}

/* "error: --scope is service, user, ip or named, not "usr"; did you mean "user"?" */
ray_status ray_option_choice(ray_call *call, ray_status status, const char *name,
                             const char *(*word_of)(uint32_t), uint32_t count)
{
    ray_near near;
    const char *at = "";
    uint32_t length = 0;
    (void)ray_call_option(call, name, &at, &length);
    ray_near_begin(&near, at, length);
    ray_text_put(call->out, "error: ");
    ray_text_put(call->out, name);
    ray_text_put(call->out, " is ");
    for (uint32_t i = 0; i < count; i++) {
        const char *word = word_of(i);
        ray_near_offer(&near, word, ray_word_length(word));
        ray_text_put(call->out, i == 0 ? "" : i + 1 == count ? " or " : ", ");
        ray_text_put(call->out, word);
    }
    ray_text_put(call->out, ", not \"");
    ray_text_escaped(call->out, at, length);
    ray_text_put(call->out, "\"");
    if (ray_near_word(&near) != 0)
        put_near(call->out, ray_near_word(&near));
    ray_text_char(call->out, '\n');
    return status;
}

ray_status ray_option_u64(ray_call *call, const char *name, uint64_t *out)
{
    const char *at;
    uint32_t length;
    if (!ray_call_option(call, name, &at, &length) || ray_parse_u64(at, length, out) == RAY_OK)
        return RAY_OK;
    return ray_option_wrong(call, RAY_E_SYNTAX, name, "a whole number");
}

ray_status ray_option_duration(ray_call *call, const char *name, uint64_t *out)
{
    const char *at;
    uint32_t length;
    if (!ray_call_option(call, name, &at, &length) || ray_parse_duration(at, length, out) == RAY_OK)
        return RAY_OK;
    if (ray_word_is(at, length, "forever")) {
        *out = RAY_NEVER;
        return RAY_OK;
    }
    return ray_option_wrong(call, RAY_E_SYNTAX, name, "a duration such as 1m30s");
}

/* -- what a handler needs from the core -- */
void *ray_call_memory(ray_call *call, uint64_t bytes)
{
    ray_text *out = call->out;
    uint64_t room = out->capacity - out->length;
    if (bytes + 8 > room || bytes + 8 < bytes)
        return 0;
    uint64_t at = out->capacity - bytes;
    at -= (uint64_t)(uintptr_t)(out->at + at) & 7U;
    out->capacity = at;
    __builtin_memset(out->at + at, 0, bytes);
    return out->at + at;
}

int64_t ray_call_wall_offset(const ray_call *call)
{
    ray_stats stats;
    ray_read(call->ray, &stats);
    return stats.wall_offset_ns;
}

static ray_audit_record record_of(const ray_call *call, uint32_t what, uint64_t before,
                                  uint64_t after)
{
    ray_audit_record record;
    __builtin_memset(&record, 0, sizeof record);
    record.seq = RAY_NEVER;
    record.before = before;
    record.after = after;
    record.by_id = RAY_NONE;
    record.what = (uint8_t)what;
    record.who = (uint8_t)call->who;
    return record;
}

void ray_call_edited(ray_call *call, uint32_t what, uint32_t by_kind, uint32_t by_id,
                     uint64_t before, uint64_t after)
{
    ray_audit_record record = record_of(call, what, before, after);
    record.by_id = by_id;
    record.by_kind = (uint8_t)by_kind;
    ray_edited(call->ray, call->now_ns, &record);
}

void ray_call_noted(ray_call *call, uint32_t what, uint32_t by_kind, uint32_t by_id,
                    uint64_t before, uint64_t after)
{
    ray_audit_record record = record_of(call, what, before, after);
    record.by_id = by_id;
    record.by_kind = (uint8_t)by_kind;
    ray_noted(call->ray, ray_clock_now(call->ray), &record);
}
