/* SPDX-License-Identifier: MIT */
/* replay.c - the stream: ordered rows become batches; batches are stepped here or handed out;
 * answers are counted. What is in a batch, and in which order, does not depend on any
 * answer. */
#include <stdlib.h>
#include <string.h>
#include "replay_parts.h"

enum {
    PAYLOAD_HEAD = 8,
    DIRECT_MIN = 64,       /* a run this long is stepped where it lies, without a copy */
    ROWS_PER_CALL = 65536, /* then the caller gets a moment for signals */
    NOTES_PER_CALL = 8192, /* the same where notes are kept: they are taken meanwhile */
    TEXT_FULL = 1048576
};

/* A batch: the payload holds the head, room for the rows, and behind the rows their bytes once it
 * is handed out. */
typedef struct slot {
    uint8_t *payload;
    uint64_t payload_length;
    ray_reader_block block; /* rows point into payload, bytes are apart until then */
    uint64_t lines[RAY_REPLAY_ROWS_MAX]; /* of the rows, whose own ids are running numbers */
} slot;

struct ray_replay {
    const struct ray *names;
    ray_replay_merge merge;
    ray_replay_tally tally;
    ray_replay_lines lines;
    ray_replay_notes notes;
    ray_columns *columns;
    ray_replay_run_of_rows run; /* rows that left the merge and are not in a batch yet */
    slot slots[RAY_REPLAY_SLOT_MAX];
    ray_answer *answers;
    uint8_t *scratch;
    uint64_t last_id;
    uint64_t watch; /* 0, or the row before which run stops */
    uint32_t first_out; /* slots that are out: from here, round */
    uint32_t out_count;
    uint32_t batch_rows;
    uint32_t batch_bytes;
    uint32_t decisions;
    uint32_t keeps_notes;
    uint32_t stopped;
    uint32_t settled; /* 1: the last row was made */
    uint32_t failed; /* enum ray_replay_state, once it is over for good */
};

/* -- life -- */

static uint32_t open_slots(ray_replay *replay)
{
    for (uint32_t i = 0; i < RAY_REPLAY_SLOT_MAX; i++) {
        slot *s = &replay->slots[i];
        s->payload = calloc(1, replay->batch_bytes);
        s->block.bytes = malloc(replay->batch_bytes);
        if (!s->payload || !s->block.bytes)
            return 0;
        s->block.rows = (ray_row *)(void *)(s->payload + PAYLOAD_HEAD);
        s->block.row_capacity = replay->batch_rows;
    }
    return 1;
}

ray_replay *ray_replay_open(const ray_replay_spec *spec)
{
    ray_replay *replay = calloc(1, sizeof *replay);

    if (!replay)
        return NULL;
    replay->names = spec->names;
    replay->batch_rows = spec->batch_rows;
    replay->batch_bytes = spec->batch_bytes;
    replay->decisions = spec->decisions;
    replay->columns = spec->columns;
    replay->keeps_notes = spec->notes;
    replay->answers = calloc(RAY_REPLAY_ROWS_MAX, sizeof *replay->answers);
    replay->scratch = malloc(RAY_TARGET_BYTES_MAX);
    if (!replay->answers || !replay->scratch || spec->order > RAY_REPLAY_REJECT
        || spec->batch_rows == 0 || spec->batch_rows > RAY_REPLAY_ROWS_MAX
        || spec->batch_bytes < RAY_READER_ROW_BYTES + 4096 || !open_slots(replay)
        || !ray_replay_merge_open(&replay->merge, spec)
        || !ray_replay_tally_open(&replay->tally, spec)) {
        ray_replay_close(replay);
        return NULL;
    }
    return replay;
}

void ray_replay_close(ray_replay *replay)
{
    if (!replay)
        return;
    for (uint32_t i = 0; i < RAY_REPLAY_SLOT_MAX; i++) {
        free(replay->slots[i].payload);
        free(replay->slots[i].block.bytes);
    }
    ray_replay_merge_close(&replay->merge);
    ray_replay_tally_close(&replay->tally);
    free(replay->lines.at);
    ray_replay_notes_close(&replay->notes);
    free(replay->answers);
    free(replay->scratch);
    free(replay);
}

void ray_replay_stop(ray_replay *replay)
{
    replay->stopped = 1;
    replay->tally.stats.dropped_count +=
        ray_replay_merge_drop(&replay->merge) + replay->run.count;
    replay->run.count = 0;
}

uint32_t ray_replay_wants(const ray_replay *replay)
{
    return ray_replay_merge_wants(&replay->merge);
}

/* -- filling a batch -- */

static uint64_t row_bytes(const ray_row *row)
{
    return (uint64_t)row->target_length + row->host_length + row->headers_length
           + row->client_length + row->user_length;
}

/* May `bytes` more, and a row, go into this batch? */
static uint32_t has_room(const ray_replay *replay, const slot *s, uint64_t bytes)
{
    uint64_t rows = (uint64_t)s->block.row_count + 1;

    return rows <= replay->batch_rows
           && PAYLOAD_HEAD + rows * sizeof(ray_row) + s->block.bytes_length + bytes
                  <= replay->batch_bytes;
}

/* The last row: lets what is in flight end. */
static void settle(ray_replay *replay, slot *s)
{
    ray_row *row = &s->block.rows[s->block.row_count++];

    memset(row, 0, sizeof *row);
    row->tenant = RAY_NONE;
    row->service = RAY_NONE;
    row->kind = RAY_ROW_SETTLE;
    replay->settled = 1;
}

/* Makes sure replay->run has a row, if there is one to be had. */
static uint32_t have_run(ray_replay *replay)
{
    if (replay->run.count == 0 && !replay->stopped)
        ray_replay_merge_next(&replay->merge, RAY_REPLAY_ROWS_MAX, &replay->tally.stats,
                              &replay->run);
    if (replay->merge.failed)
        replay->failed = RAY_REPLAY_MEMORY;
    return replay->run.count > 0;
}

/* Why there is no row: what the caller must do. */
static uint32_t why_none(const ray_replay *replay)
{
    if (replay->failed)
        return replay->failed;
    return replay->stopped || ray_replay_merge_done(&replay->merge) ? RAY_REPLAY_DONE
                                                                    : RAY_REPLAY_INPUT;
}

/* How many rows are left before the one that is watched for. */
static uint64_t until_watched(const ray_replay *replay)
{
    return replay->watch > replay->last_id ? replay->watch - 1 - replay->last_id : UINT64_MAX;
}

/* Gives the row its running number; returns its line. */
static uint64_t number(ray_replay *replay, ray_row *row)
{
    uint64_t line = row->id;

    row->id = ++replay->last_id;
    return line;
}

/* Adds rows to the batch until it is full (returns MORE), the next is watched for (HERE), or there
 * is none now (INPUT), or ever (DONE). */
static uint32_t fill(ray_replay *replay, slot *s)
{
    ray_replay_run_of_rows *run = &replay->run;

    while (have_run(replay)) {
        uint64_t *line = &s->lines[s->block.row_count];
        if (until_watched(replay) == 0)
            return RAY_REPLAY_HERE;
        if (!has_room(replay, s, row_bytes(run->rows)))
            return RAY_REPLAY_MORE;
        *line = number(replay, ray_replay_block_add(&s->block, run->rows, run->bytes));
        run->rows++;
        run->count--;
    }
    if (why_none(replay) == RAY_REPLAY_DONE && !replay->settled) {
        if (!has_room(replay, s, 0))
            return RAY_REPLAY_MORE;
        settle(replay, s);
    }
    return why_none(replay);
}

/* -- answers -- */

static uint32_t count(ray_replay *replay, const ray_row *rows, const uint64_t *lines,
                      const uint8_t *bytes, uint32_t n, const ray_answer *answers)
{
    uint32_t fine = ray_replay_tally_add(&replay->tally, rows, bytes, n, answers);

    if (replay->decisions)
        fine &= ray_replay_lines_add(&replay->lines, replay->names, rows, lines, n, answers);
    if (replay->columns)
        fine &= ray_columns_add(replay->columns, rows, bytes, n, answers);
    if (replay->keeps_notes)
        fine &= ray_replay_notes_add(&replay->notes, rows, lines, bytes, n, answers);
    if (!fine)
        replay->failed = RAY_REPLAY_MEMORY;
    return fine;
}

/* Steps rows and counts them, in parts: the timeline takes a sample between two. The rows' lines
 * are those of the first slot, where no batch is handed out. */
static uint32_t step(ray_replay *replay, struct ray *ray, ray_row *rows, uint32_t n,
                     const uint8_t *bytes, uint64_t bytes_length)
{
    ray_rows batch = { rows, bytes, bytes_length, replay->scratch, NULL };
    ray_timeline *timeline = replay->tally.timeline;
    const uint64_t *lines = replay->slots[0].lines;

    for (uint32_t part; n; n -= part, batch.row += part, lines += part) {
        part = ray_timeline_span(timeline, ray, batch.row, n);
        if (ray_step_batch(ray, &batch, part, replay->answers) != RAY_OK) {
            replay->failed = RAY_REPLAY_REFUSED;
            return 0;
        }
        if (!count(replay, batch.row, lines, bytes, part, replay->answers))
            return 0;
        if (batch.row[part - 1].kind == RAY_ROW_SETTLE)
            ray_timeline_sample(timeline, ray, ray_clock_now(ray));
    }
    return 1;
}

/* How many rows at the front of the run are stepped where they lie. */
static uint32_t direct(const ray_replay *replay)
{
    const ray_replay_run_of_rows *run = &replay->run;
    uint32_t most = run->count < replay->batch_rows ? run->count : replay->batch_rows;

    if (most > until_watched(replay))
        most = (uint32_t)until_watched(replay);
    return most >= DIRECT_MIN ? most : 0;
}

static uint32_t step_direct(ray_replay *replay, struct ray *ray, uint32_t n)
{
    ray_replay_run_of_rows *run = &replay->run;
    uint32_t fine;

    for (uint32_t i = 0; i < n; i++)
        replay->slots[0].lines[i] = number(replay, &run->rows[i]);
    fine = step(replay, ray, run->rows, n, run->bytes, run->bytes_length);
    run->rows += n;
    run->count -= n;
    return fine;
}

uint32_t ray_replay_run(ray_replay *replay, struct ray *ray)
{
    slot *s = &replay->slots[0];
    uint64_t until = replay->last_id + (replay->keeps_notes ? NOTES_PER_CALL : ROWS_PER_CALL);

    while (!replay->failed) {
        uint32_t n;
        uint32_t why;
        if (replay->lines.length >= TEXT_FULL)
            return RAY_REPLAY_OUTPUT;
        if (replay->last_id >= until)
            return RAY_REPLAY_MORE;
        n = have_run(replay) ? direct(replay) : 0;
        if (n) {
            step_direct(replay, ray, n);
            continue;
        }
        why = fill(replay, s);
        if (!step(replay, ray, s->block.rows, s->block.row_count, s->block.bytes,
                  s->block.bytes_length))
            break;
        s->block.row_count = 0;
        s->block.bytes_length = 0;
        if (why != RAY_REPLAY_MORE)
            return why;
    }
    return replay->failed;
}

uint32_t ray_replay_next(ray_replay *replay, const uint8_t **payload, uint64_t *length)
{
    slot *s = &replay->slots[(replay->first_out + replay->out_count) % RAY_REPLAY_SLOT_MAX];
    uint64_t rows_length;
    uint32_t why;
    uint32_t head[2];

    if (replay->failed)
        return replay->failed;
    if (replay->lines.length >= TEXT_FULL)
        return RAY_REPLAY_OUTPUT;
    if (replay->out_count == RAY_REPLAY_SLOT_MAX)
        return RAY_REPLAY_WAIT;
    why = fill(replay, s);
    if (why != RAY_REPLAY_MORE && (why != RAY_REPLAY_DONE || s->block.row_count == 0))
        return why;
    rows_length = s->block.row_count * sizeof(ray_row);
    head[0] = s->block.row_count;
    head[1] = (uint32_t)s->block.bytes_length;
    memcpy(s->payload, head, sizeof head);
    memcpy(s->payload + PAYLOAD_HEAD + rows_length, s->block.bytes, s->block.bytes_length);
    *payload = s->payload;
    *length = PAYLOAD_HEAD + rows_length + s->block.bytes_length;
    replay->out_count++;
    return RAY_REPLAY_BATCH;
}

ray_status ray_replay_take(ray_replay *replay, const ray_answer *answers, uint32_t n)
{
    slot *s = &replay->slots[replay->first_out];

    if (replay->out_count == 0 || n != s->block.row_count)
        return RAY_E_ARGUMENT;
    count(replay, s->block.rows, s->lines, s->block.bytes, n, answers);
    s->block.row_count = 0;
    s->block.bytes_length = 0;
    replay->first_out = (replay->first_out + 1) % RAY_REPLAY_SLOT_MAX;
    replay->out_count--;
    return RAY_OK;
}

/* -- reading -- */

void ray_replay_watch(ray_replay *replay, uint64_t position)
{
    replay->watch = position;
}

void ray_replay_here(const ray_replay *replay, ray_rows *rows, uint64_t *line)
{
    const ray_replay_run_of_rows *run = &replay->run;

    *rows = (ray_rows){ run->rows, run->bytes, run->bytes_length, replay->scratch, NULL };
    *line = run->rows->id;
}

ray_replay_notes *ray_replay_notes_of(ray_replay *replay)
{
    return replay->keeps_notes ? &replay->notes : NULL;
}

const uint8_t *ray_replay_text(const ray_replay *replay, uint64_t *length)
{
    *length = replay->lines.length;
    return replay->lines.at;
}

void ray_replay_text_clear(ray_replay *replay)
{
    replay->lines.length = 0;
}

const ray_replay_tally *ray_replay_tally_of(const ray_replay *replay)
{
    return &replay->tally;
}
