/* SPDX-License-Identifier: MIT */
/* compare.c - two streams of answers paired by line; in almost every log both come in the same
 * order, and a pair costs one comparison. */
#include <stdlib.h>
#include <string.h>
#include "compare_parts.h"

enum {
    /* the longest flip: fixed words, numbers, names, client and user of six bytes a character */
    FLIP_MAX = 2048 + 8 * 6 * RAY_NAME_BYTES + 2 * 6 * RAY_READER_KEY_BYTES,
    TEXT_FIRST = 1048576
};

/* -- life -- */

ray_compare *ray_compare_open(const ray_compare_spec *spec)
{
    ray_compare *compare = calloc(1, sizeof *compare);

    if (!compare)
        return NULL;
    compare->flips = spec->flips;
    for (uint32_t side = 0; side < 2; side++)
        compare->orphans[side] = calloc(RAY_COMPARE_APART, sizeof *compare->orphans[side]);
    if (!compare->orphans[0] || !compare->orphans[1]
        || !ray_compare_counts_open(&compare->counts, spec)) {
        ray_compare_close(compare);
        return NULL;
    }
    return compare;
}

void ray_compare_close(ray_compare *compare)
{
    if (!compare)
        return;
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t i = 0; compare->orphan_count && i < RAY_COMPARE_APART; i++)
            free(compare->orphans[side][i].who);
        free(compare->orphans[side]);
    }
    ray_compare_counts_close(&compare->counts);
    free(compare->text);
    free(compare);
}

/* -- flips -- */

static uint32_t make_room(ray_compare *compare)
{
    uint64_t capacity;
    uint8_t *made;

    if (compare->text_capacity - compare->text_length >= FLIP_MAX)
        return 1;
    capacity = compare->text_capacity ? compare->text_capacity * 2 : TEXT_FIRST;
    made = realloc(compare->text, capacity);
    if (!made)
        return 0;
    compare->text = made;
    compare->text_capacity = capacity;
    return 1;
}

static void put_name(ray_text *text, const char *key, const ray_name *name)
{
    if (name->at[0])
        ray_text_json_name(text, key, name);
    else
        ray_text_json_null(text, key);
}

static void put_side(ray_text *text, const char *key, const struct ray *names,
                     const ray_replay_note *note)
{
    ray_name by = { { 0 } };

    ray_text_json_open(text, key, '{');
    if (note->status < 0) {
        ray_text_json_null(text, "seq");
        ray_text_json_literal(text, "verdict", "error");
        ray_text_json_literal(text, "reason", ray_status_word(note->status));
    } else {
        ray_text_json_u64(text, "seq", note->seq);
        ray_text_json_literal(text, "verdict", ray_verdict_word(note->verdict));
        ray_text_json_literal(text, "reason", ray_reason_word(note->reason));
        if (note->by_kind != RAY_BY_NONE)
            ray_by_name(names, note->by_kind, note->by_id, &by);
    }
    put_name(text, "by", &by);
    if (note->wait_ns == RAY_NEVER)
        ray_text_json_literal(text, "retry_after_ns", "never");
    else if (note->wait_ns)
        ray_text_json_u64(text, "retry_after_ns", note->wait_ns);
    else
        ray_text_json_null(text, "retry_after_ns");
    ray_text_json_close(text, '}');
}

static void put_who(ray_text *text, const ray_compare_twin *twin)
{
    const ray_replay_note *note = twin->note[0];
    const uint8_t *who = twin->who[0];
    uint32_t length;
    const uint8_t *user = ray_compare_user(twin, &length);
    ray_address address;

    if (note->address) {
        memcpy(address.at, who, sizeof address.at);
        ray_text_put(text, ",\"client\":\"");
        ray_text_address(text, &address);
        ray_text_put(text, "\"");
    } else if (note->client_length) {
        ray_text_json_string(text, "client", (const char *)who, note->client_length);
    } else {
        ray_text_json_null(text, "client");
    }
    if (length)
        ray_text_json_string(text, "user", (const char *)user, length);
    else
        ray_text_json_null(text, "user");
}

static void put_group(ray_text *text, const char *key, const ray_compare *compare,
                      const ray_compare_twin *twin, uint32_t kind)
{
    ray_name name = { { 0 } };
    uint32_t id;
    const struct ray *names = compare->counts.names[ray_compare_whose(twin, kind, &id)];

    if (id == RAY_NONE)
        name.at[0] = 0;
    else if (kind == RAY_COMPARE_TENANT)
        ray_compare_tenant_name(names, id, &name);
    else
        ray_by_name(names, kind == RAY_COMPARE_SERVICE ? RAY_BY_SERVICE : RAY_BY_ROUTE, id, &name);
    put_name(text, key, &name);
}

static uint32_t put_flip(ray_compare *compare, const ray_compare_twin *twin)
{
    static const char *const words[] = { "same", "newly-denied", "newly-allowed", "other" };
    const ray_replay_note *note = twin->note[0];
    ray_text text;

    if (!make_room(compare))
        return 0;
    ray_text_init(&text, (char *)compare->text + compare->text_length, FLIP_MAX);
    ray_text_json_open(&text, NULL, '{');
    ray_text_json_u64(&text, "line", note->line & 0xffffffffffff);
    if (note->line >> 48)
        ray_text_json_u64(&text, "source", note->line >> 48);
    ray_text_json_u64(&text, "t_ns", note->at_ns);
    ray_text_json_literal(&text, "change", words[twin->change]);
    put_group(&text, "tenant", compare, twin, RAY_COMPARE_TENANT);
    put_group(&text, "service", compare, twin, RAY_COMPARE_SERVICE);
    put_group(&text, "route", compare, twin, RAY_COMPARE_ROUTE);
    put_who(&text, twin);
    put_side(&text, "old", compare->counts.names[0], note);
    put_side(&text, "new", compare->counts.names[1], twin->note[1]);
    ray_text_json_close(&text, '}');
    ray_text_char(&text, '\n');
    compare->text_length += text.length;
    return 1;
}

/* -- pairs -- */

static uint32_t is_refused(const ray_replay_note *note)
{
    return note->status < 0 || note->verdict == RAY_VERDICT_DENY
           || note->verdict == RAY_VERDICT_DROPPED;
}

static uint32_t pair(ray_compare *compare, const ray_replay_note *old_note, const uint8_t *old_who,
                     const ray_replay_note *new_note, const uint8_t *new_who)
{
    ray_compare_twin twin = {
        .note = { old_note, new_note },
        .who = { old_who, new_who },
        .refused = { is_refused(old_note), is_refused(new_note) },
    };

    if (old_note->verdict != new_note->verdict)
        twin.change = twin.refused[0] == twin.refused[1] ? RAY_COMPARE_OTHER
                      : twin.refused[1]                  ? RAY_COMPARE_DENIED
                                                         : RAY_COMPARE_ALLOWED;
    if (twin.change && compare->flips && !put_flip(compare, &twin))
        return 0;
    return ray_compare_count(&compare->counts, &twin);
}

/* -- rows whose partner is not beside them -- */

/* Lines of one source lie side by side, so a place is taken again RAY_COMPARE_APART lines later. */
static ray_compare_orphan *orphan_place(ray_compare *compare, uint32_t side, uint64_t line)
{
    uint64_t place = line + (line >> 48) * 104729;

    return &compare->orphans[side][place % RAY_COMPARE_APART];
}

static void count_only(ray_compare *compare, uint32_t side, const ray_replay_note *note)
{
    ray_compare_stats *stats = &compare->counts.stats;

    if (stats->only_count[side]++ == 0 || note->line < stats->only_line[side])
        stats->only_line[side] = note->line;
}

static void forget(ray_compare *compare, ray_compare_orphan *orphan)
{
    compare->orphan_count--;
    free(orphan->who);
    memset(orphan, 0, sizeof *orphan);
}

/* Keeps a row until its partner comes; who was in its place before has none. */
static uint32_t keep(ray_compare *compare, uint32_t side, const ray_replay_note *note,
                     const uint8_t *who)
{
    ray_compare_orphan *orphan = orphan_place(compare, side, note->line);
    uint64_t length = (uint64_t)note->client_length + note->user_length;

    if (orphan->note.line) {
        count_only(compare, side, &orphan->note);
        forget(compare, orphan);
    }
    orphan->who = malloc(length + 1);
    if (!orphan->who)
        return 0;
    memcpy(orphan->who, who, length);
    orphan->note = *note;
    compare->orphan_count++;
    return 1;
}

/* Pairs the row with a partner that was kept, or keeps it. */
static uint32_t take_one(ray_compare *compare, uint32_t side, const ray_replay_note *note,
                         const uint8_t *who)
{
    ray_compare_orphan *orphan = orphan_place(compare, !side, note->line);
    uint32_t fine;

    if (orphan->note.line != note->line)
        return keep(compare, side, note, who);
    fine = side ? pair(compare, &orphan->note, orphan->who, note, who)
                : pair(compare, note, who, &orphan->note, orphan->who);
    forget(compare, orphan);
    return fine;
}

uint32_t ray_compare_take(ray_compare *compare, ray_replay *old_side, ray_replay *new_side)
{
    ray_replay_notes *notes[2] = { ray_replay_notes_of(old_side), ray_replay_notes_of(new_side) };
    uint32_t at[2] = { 0, 0 };
    uint32_t fine = 1;

    while (fine && at[0] < notes[0]->count && at[1] < notes[1]->count) {
        const ray_replay_note *a = &notes[0]->at[at[0]++];
        const ray_replay_note *b = &notes[1]->at[at[1]++];
        const uint8_t *a_who = notes[0]->bytes + a->who_at;
        const uint8_t *b_who = notes[1]->bytes + b->who_at;
        if (a->line == b->line)
            fine = pair(compare, a, a_who, b, b_who);
        else
            fine = take_one(compare, 0, a, a_who) && take_one(compare, 1, b, b_who);
    }
    for (uint32_t side = 0; side < 2; side++) {
        /* a side that is far ahead waits in the table, which is bounded, and not in its notes */
        while (fine && notes[side]->count - at[side] > RAY_COMPARE_APART / 4) {
            const ray_replay_note *note = &notes[side]->at[at[side]++];
            fine = take_one(compare, side, note, notes[side]->bytes + note->who_at);
        }
        ray_replay_notes_forget(notes[side], at[side]);
    }
    return fine;
}

void ray_compare_end(ray_compare *compare, ray_replay *old_side, ray_replay *new_side)
{
    ray_replay *sides[2] = { old_side, new_side };

    ray_compare_take(compare, old_side, new_side);
    for (uint32_t side = 0; side < 2; side++) {
        ray_replay_notes *notes = ray_replay_notes_of(sides[side]);
        for (uint32_t i = 0; i < notes->count; i++)
            take_one(compare, side, &notes->at[i], notes->bytes + notes->at[i].who_at);
        ray_replay_notes_forget(notes, notes->count);
    }
    for (uint32_t side = 0; side < 2 && compare->orphan_count; side++)
        for (uint32_t i = 0; i < RAY_COMPARE_APART; i++)
            if (compare->orphans[side][i].note.line) {
                count_only(compare, side, &compare->orphans[side][i].note);
                forget(compare, &compare->orphans[side][i]);
            }
}

/* -- reading -- */

const uint8_t *ray_compare_text(const ray_compare *compare, uint64_t *length)
{
    *length = compare->text_length;
    return compare->text;
}

void ray_compare_text_clear(ray_compare *compare)
{
    compare->text_length = 0;
}
