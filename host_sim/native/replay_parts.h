/* SPDX-License-Identifier: MIT */
/* replay_parts: what the replay's own files share; nobody else includes it. */
#ifndef RAY_REPLAY_PARTS_H
#define RAY_REPLAY_PARTS_H
#include "replay.h"
#include "timeline.h"

/* -- order: rows in, runs of rows in time order out -- */

/* Rows that are in time order one behind the other in memory, and what their offsets count from. */
typedef struct ray_replay_run_of_rows {
    ray_row *rows;
    const uint8_t *bytes;
    uint64_t bytes_length;
    uint32_t count;
    uint32_t reserved;
} ray_replay_run_of_rows;

/* SORT holds two blocks, each in order in itself: `held` was read before `fresh`. As many rows as
 * `held` has leave, the smallest of both; what stays is in order and is held next. So a row may
 * come up to a window late. */
typedef struct ray_replay_sorter {
    ray_reader_block held;
    ray_reader_block fresh;
    ray_reader_block spare;
    uint64_t last_read_ns; /* of the row read before */
    uint64_t highest_ns;   /* read so far */
    uint64_t last_left_ns; /* of the row that left before */
    uint32_t held_at;      /* rows of each that have left */
    uint32_t fresh_at;
    uint32_t leaving;  /* rows that may still leave before more must be read */
    uint32_t checked;  /* rows of fresh whose order is known */
    uint32_t unsorted; /* 1: fresh has a step back */
    uint32_t filling;  /* 1: fresh is being read, nothing has left since */
    uint32_t any;      /* 1: a row was read */
    uint32_t order;
    uint32_t window_rows;
    uint32_t ended;
    uint32_t failed; /* memory ran out */
    uint32_t reserved;
} ray_replay_sorter;

uint32_t ray_replay_sorter_open(ray_replay_sorter *sorter, uint32_t order, uint32_t window_rows);
void ray_replay_sorter_close(ray_replay_sorter *sorter);
/* The next rows, at most `most`; their number, 0 when the reader needs input, is at its end, or
 * memory ran out. */
uint32_t ray_replay_sorter_next(ray_replay_sorter *sorter, ray_reader *reader, uint32_t most,
                                ray_replay_stats *stats, ray_replay_run_of_rows *out);
/* Forgets what is held; returns how many rows that was. */
uint64_t ray_replay_sorter_drop(ray_replay_sorter *sorter);

/* Grows a block to hold that many rows or bytes more; 0 when memory is out or offsets would pass 32
 * bits. */
uint32_t ray_replay_block_grow(ray_reader_block *block, uint32_t rows, uint64_t bytes);
/* Copies a row and its bytes to the end of `to`, which has room. */
ray_row *ray_replay_block_add(ray_reader_block *to, const ray_row *row, const uint8_t *bytes);

/* -- tally -- */

typedef struct ray_replay_entry {
    uint64_t hash; /* 0: free */
    uint64_t request_count;
    uint64_t denied_count;
    uint64_t delayed_count;
    uint64_t would_deny_count;
    uint64_t name_at;
    uint32_t length : 31; /* of its name; the entry stays within a cache line */
    uint32_t address : 1;
    uint32_t first; /* 1 + place in firsts of its first denial; 0: was never denied */
} ray_replay_entry;

typedef struct ray_replay_keys {
    ray_replay_entry *entries; /* open addressing, at most half full */
    ray_replay_first *firsts;  /* of those denied, in the order it came */
    uint8_t *names;
    uint64_t first_count;
    uint64_t first_capacity;
    uint64_t names_length;
    uint64_t names_capacity;
    uint64_t count;
    uint64_t folded_count;
    uint64_t mask;
} ray_replay_keys;

typedef struct ray_replay_tally {
    ray_replay_stats stats;
    ray_replay_keys clients;
    ray_replay_keys users;
    ray_replay_rule *rules;
    ray_replay_service *services;
    ray_replay_tenant *tenants; /* by tenant + 1; 0 is nobody's */
    ray_timeline *timeline;
    uint32_t *rule_place;    /* by (kind, id), open addressing: 1 + place in rules */
    uint32_t *service_place; /* by service slot + 1: 1 + place in services */
    const struct ray *names;
    uint64_t hash_key;
    uint32_t rule_count;
    uint32_t rule_capacity; /* rule_place has twice as many places */
    uint32_t service_count;
    uint32_t service_capacity;
} ray_replay_tally;

/* The decision text; grows as needed and is emptied by its reader. */
typedef struct ray_replay_lines {
    uint8_t *at;
    uint64_t length;
    uint64_t capacity;
} ray_replay_lines;

const ray_replay_tally *ray_replay_tally_of(const ray_replay *replay);
uint32_t ray_replay_tally_open(ray_replay_tally *tally, const ray_replay_spec *spec);
void ray_replay_tally_close(ray_replay_tally *tally);
/* Counts a batch; 0 when memory is out. */
uint32_t ray_replay_tally_add(ray_replay_tally *tally, const ray_row *rows, const uint8_t *bytes,
                              uint32_t count, const ray_answer *answers);
uint32_t ray_replay_keys_open(ray_replay_keys *keys);
void ray_replay_keys_close(ray_replay_keys *keys);
/* The entry of a client or user, made on first sight; NULL when the table is full: then it is
 * folded and counted. */
ray_replay_entry *ray_replay_keys_entry(ray_replay_keys *keys, uint64_t hash_key,
                                        const uint8_t *name, uint32_t length, uint32_t address);

/* The first denial of an entry; 0 when memory is out. */
uint32_t ray_replay_keys_denied(ray_replay_keys *keys, ray_replay_entry *entry,
                                const ray_answer *answer);

/* See ray_replay_top and ray_replay_hurt. */
uint32_t ray_replay_keys_top(const ray_replay_keys *keys, uint32_t most, ray_replay_key *out);
uint32_t ray_replay_keys_hurt(const ray_replay_keys *keys, uint32_t most, ray_replay_key *out);

/* Appends one line for each request of a batch; 0 when memory is out. */
uint32_t ray_replay_lines_add(ray_replay_lines *lines, const struct ray *names, const ray_row *rows,
                              uint32_t count, const ray_answer *answers);

#endif
