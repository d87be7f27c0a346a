/* SPDX-License-Identifier: MIT */
/* simulate_record.c - the rows as they were stepped, for another machine to step them again. */
#include <stdlib.h>
#include <string.h>
#include "simulate_parts.h"

enum { HEAD = 8, ROOM_FIRST = 1024, PARTS = 6 };

/* -- recording -- */
/* A row's stretches of bytes. */
static void parts_of(ray_row *row, uint32_t *at[PARTS], uint32_t length[PARTS])
{
    uint32_t *places[PARTS] = { &row->target_at, &row->host_at, &row->headers_at, &row->user_at,
                                &row->client_at, &row->body_at };
    uint32_t lengths[PARTS] = { row->target_length, row->host_length, row->headers_length,
                                row->user_length, row->client_length, row->body_length };

    memcpy(at, places, sizeof places);
    memcpy(length, lengths, sizeof lengths);
}

static uint64_t bytes_of(const ray_row *row)
{
    return (uint64_t)row->target_length + row->host_length + row->headers_length
           + row->user_length + row->client_length + row->body_length;
}

static uint32_t room_for(ray_simulation *sim, uint64_t bytes)
{
    if (sim->record_count == sim->record_room) {
        uint32_t room = sim->record_room ? sim->record_room * 2 : ROOM_FIRST;
        ray_row *rows = realloc(sim->record_rows, room * sizeof *rows);
        if (!rows)
            return 0;
        sim->record_rows = rows;
        sim->record_room = room;
    }
    if (sim->record_length + bytes > sim->record_capacity) {
        uint64_t capacity = (sim->record_length + bytes) * 2;
        uint8_t *made = realloc(sim->record_bytes, capacity);
        if (!made)
            return 0;
        sim->record_bytes = made;
        sim->record_capacity = capacity;
    }
    return 1;
}

void sim_record(ray_simulation *sim, const ray_row *row, const uint8_t *bytes)
{
    uint32_t *at[PARTS];
    uint32_t length[PARTS];
    ray_row *kept;

    if (!room_for(sim, bytes_of(row))) {
        sim->failed = 1;
        return;
    }
    kept = &sim->record_rows[sim->record_count++];
    *kept = *row;
    parts_of(kept, at, length);
    for (uint32_t i = 0; i < PARTS; i++) {
        if (length[i])
            memcpy(sim->record_bytes + sim->record_length, bytes + *at[i], length[i]);
        *at[i] = (uint32_t)sim->record_length;
        sim->record_length += length[i];
    }
}

/* Its row is the n-th try, its bytes those of a good answer. */
void sim_gather(ray_simulation *sim, const sim_job *job, const ray_row *row, const uint8_t *bytes,
                const ray_answer *answer)
{
    ray_row asked = *row;

    asked.id = sim->serial;
    asked.response_bytes = job->response_bytes;
    if (!ray_columns_add(sim->columns, &asked, bytes, 1, answer))
        sim->failed = 1;
}

/* -- taking -- */
uint64_t ray_simulate_take(ray_simulation *sim, uint8_t *payload, uint64_t capacity,
                           uint32_t rows_max)
{
    ray_row *first = sim->record_rows + sim->record_taken;
    uint64_t bytes = 0;
    uint32_t head[2] = { 0, 0 };
    uint32_t begins;

    while (sim->record_taken + head[0] < sim->record_count && head[0] < rows_max) {
        uint64_t more = bytes_of(first + head[0]);
        if (HEAD + (head[0] + 1) * sizeof *first + bytes + more > capacity)
            break;
        bytes += more;
        head[0]++;
    }
    if (head[0] == 0) {
        sim->record_count = sim->record_taken = 0;
        sim->record_length = 0;
        return 0;
    }
    begins = first->target_at;
    for (uint32_t i = 0; i < head[0]; i++) {
        uint32_t *at[PARTS];
        uint32_t length[PARTS];
        parts_of(first + i, at, length);
        for (uint32_t part = 0; part < PARTS; part++)
            *at[part] -= begins;
    }
    head[1] = (uint32_t)bytes;
    memcpy(payload, head, sizeof head);
    memcpy(payload + HEAD, first, head[0] * sizeof *first);
    memcpy(payload + HEAD + head[0] * sizeof *first, sim->record_bytes + begins, bytes);
    sim->record_taken += head[0];
    return HEAD + head[0] * sizeof *first + bytes;
}
