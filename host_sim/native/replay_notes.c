/* SPDX-License-Identifier: MIT */
/* replay_notes.c - what a comparison needs of every answer, kept until it is taken. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

enum { NOTES_FIRST = 4096, BYTES_FIRST = 262144 };

static uint32_t make_room(ray_replay_notes *notes, uint64_t bytes)
{
    if (notes->count == notes->capacity) {
        uint32_t capacity = notes->capacity ? notes->capacity * 2 : NOTES_FIRST;
        ray_replay_note *made = realloc(notes->at, capacity * sizeof *made);
        if (!made)
            return 0;
        notes->at = made;
        notes->capacity = capacity;
    }
    if (notes->bytes_length + bytes > notes->bytes_capacity) {
        uint64_t capacity = notes->bytes_capacity * 2 + BYTES_FIRST + bytes;
        uint8_t *made = realloc(notes->bytes, capacity);
        if (!made)
            return 0;
        notes->bytes = made;
        notes->bytes_capacity = capacity;
    }
    return 1;
}

/* The client, an address where it has one, and the user behind it. */
static void put_who(ray_replay_notes *notes, ray_replay_note *note, const ray_row *row,
                    const uint8_t *bytes)
{
    const uint8_t *client = bytes + row->client_at;

    note->who_at = notes->bytes_length;
    note->address = (row->flags & RAY_ROW_ADDRESS) != 0;
    note->client_length = note->address ? sizeof row->address.at : row->client_length;
    note->user_length = row->user_length;
    if (note->address)
        client = row->address.at;
    if (note->client_length)
        memcpy(notes->bytes + notes->bytes_length, client, note->client_length);
    notes->bytes_length += note->client_length;
    if (note->user_length)
        memcpy(notes->bytes + notes->bytes_length, bytes + row->user_at, note->user_length);
    notes->bytes_length += note->user_length;
}

static void put_answer(ray_replay_note *note, const ray_row *row, const ray_answer *answer)
{
    note->status = answer->status;
    if (answer->status < 0) {
        note->at_ns = row->at_ns;
        note->tenant = note->service = note->route = RAY_NONE;
        return;
    }
    note->at_ns = answer->at_ns;
    note->seq = answer->id;
    note->wait_ns = answer->verdict == RAY_VERDICT_DELAY ? answer->start_at_ns - answer->at_ns
                                                         : answer->retry_after_ns;
    note->by_id = answer->by_kind == RAY_BY_NONE ? 0 : answer->by_id;
    note->tenant = answer->tenant;
    note->service = answer->service;
    note->route = answer->route;
    note->reason = answer->reason;
    note->verdict = answer->verdict;
    note->by_kind = answer->by_kind;
}

uint32_t ray_replay_notes_add(ray_replay_notes *notes, const ray_row *rows, const uint64_t *lines,
                              const uint8_t *bytes, uint32_t count, const ray_answer *answers)
{
    for (uint32_t i = 0; i < count; i++) {
        ray_replay_note *note;
        if (rows[i].kind == RAY_ROW_SETTLE)
            continue;
        if (!make_room(notes, sizeof rows[i].address.at + rows[i].client_length
                                  + (uint64_t)rows[i].user_length))
            return 0;
        note = &notes->at[notes->count++];
        memset(note, 0, sizeof *note);
        note->line = lines[i];
        note->position = rows[i].id;
        put_answer(note, &rows[i], &answers[i]);
        put_who(notes, note, &rows[i], bytes);
    }
    return 1;
}

void ray_replay_notes_forget(ray_replay_notes *notes, uint32_t count)
{
    uint32_t left = notes->count - count;
    uint64_t from = left ? notes->at[count].who_at : notes->bytes_length;

    for (uint32_t i = 0; i < left; i++) {
        notes->at[i] = notes->at[count + i];
        notes->at[i].who_at -= from;
    }
    notes->bytes_length -= from;
    if (left)
        memmove(notes->bytes, notes->bytes + from, notes->bytes_length);
    notes->count = left;
}

void ray_replay_notes_close(ray_replay_notes *notes)
{
    free(notes->at);
    free(notes->bytes);
}
