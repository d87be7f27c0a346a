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
    uint64_t instant_rows; /* rows that have left with that very time */
    uint32_t held_at;      /* rows of each that have left */
    uint32_t fresh_at;
    uint32_t leaving;  /* rows that may still leave before more must be read */
    uint32_t checked;  /* rows of fresh whose order is known */
    uint32_t unsorted; /* 1: fresh has a step back */
    uint32_t filling;  /* 1: fresh is being read, nothing has left since */
    uint32_t any;      /* 1: a row was read */
    uint32_t order;
    uint32_t window_rows;
    uint32_t window_bytes; /* a window is full at so much text too, unless it has no bound */
    uint32_t ended;
    uint32_t failed; /* memory ran out */
} ray_replay_sorter;

/* `share`: of how many logs that are read at once this is one; they share the window. */
uint32_t ray_replay_sorter_open(ray_replay_sorter *sorter, uint32_t order, uint32_t window_rows,
                                uint32_t share);
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
/* Asks for large pages where the block does not lie in some yet; it may still grow. */
void ray_replay_block_enlarge(ray_reader_block *block);
void ray_replay_block_clear(ray_reader_block *block);
/* Copies a row and its bytes to the end of `to`, which has room. */
ray_row *ray_replay_block_add(ray_reader_block *to, const ray_row *row, const uint8_t *bytes);

/* -- spread: rows of one unit of a coarse clock get times within it -- */

/* The rows of the unit at hand, gathered until it is known how many they are. */
typedef struct ray_replay_spread {
    ray_reader_block held;
    ray_replay_run_of_rows rest; /* of the sorter's rows, not looked at yet */
    uint64_t *offsets;
    uint64_t unit_ns; /* 0: rows pass as they are */
    uint64_t seed;
    uint64_t free_ns; /* where the part of the unit begins that no row has */
    uint32_t how;     /* enum ray_replay_spread_how */
    uint32_t left;    /* 1: `held` was handed out */
} ray_replay_spread;

uint32_t ray_replay_spread_open(ray_replay_spread *spread, uint32_t how, uint64_t unit_ns,
                                uint64_t seed);
void ray_replay_spread_close(ray_replay_spread *spread);
/* As ray_replay_sorter_next, but all rows of a unit at once. */
uint32_t ray_replay_spread_next(ray_replay_spread *spread, ray_replay_sorter *sorter,
                                ray_reader *reader, ray_replay_stats *stats,
                                ray_replay_run_of_rows *out);
/* Forgets what is held; returns how many rows that was. */
uint64_t ray_replay_spread_drop(ray_replay_spread *spread);

/* -- merge: several logs, each in order in itself, as one -- */

typedef struct ray_replay_source {
    ray_reader *reader;
    ray_replay_sorter sorter;
    ray_replay_spread spread;
    ray_replay_run_of_rows run; /* in order, not handed out yet */
} ray_replay_source;

typedef struct ray_replay_merge {
    ray_replay_source *sources;
    uint32_t *heap;    /* sources with rows; the one with the earliest is first */
    uint32_t *waiting; /* sources without, that are not over; the last one is asked next */
    uint32_t source_count;
    uint32_t heap_count;
    uint32_t waiting_count;
    uint32_t failed; /* memory ran out */
} ray_replay_merge;

uint32_t ray_replay_merge_open(ray_replay_merge *merge, const ray_replay_spec *spec);
void ray_replay_merge_close(ray_replay_merge *merge);
/* The next rows, at most `most`; their number, 0 when the source ray_replay_merge_wants needs
 * input, all are over, or memory ran out. What was handed out before is no longer valid. */
uint32_t ray_replay_merge_next(ray_replay_merge *merge, uint32_t most, ray_replay_stats *stats,
                               ray_replay_run_of_rows *out);
uint32_t ray_replay_merge_wants(const ray_replay_merge *merge);
/* 1 once every source was read to its end and every row handed out. */
uint32_t ray_replay_merge_done(const ray_replay_merge *merge);
uint64_t ray_replay_merge_drop(ray_replay_merge *merge);

/* -- tally -- */

typedef struct ray_replay_entry {
    uint64_t hash; /* 0: free */
    uint64_t place; /* how many were made before it */
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
/* Of a client's or user's name, or an address (1): under a key that is not known it is the name's
 * identity. Never 0. */
uint64_t ray_replay_hash(uint64_t key, const uint8_t *at, uint32_t length, uint32_t address);
uint32_t ray_replay_keys_open(ray_replay_keys *keys);
void ray_replay_keys_close(ray_replay_keys *keys);
/* The entry of a client or user by its hash, made on first sight; NULL when the table is full: then
 * it is folded and counted. */
ray_replay_entry *ray_replay_keys_entry(ray_replay_keys *keys, uint64_t hash, const uint8_t *name,
                                        uint32_t length, uint32_t address);

/* The same, NULL when it was never seen. */
const ray_replay_entry *ray_replay_keys_find(const ray_replay_keys *keys, uint64_t hash_key,
                                             const uint8_t *name, uint32_t length,
                                             uint32_t address);
/* The first denial of an entry; 0 when memory is out. */
uint32_t ray_replay_keys_denied(ray_replay_keys *keys, ray_replay_entry *entry,
                                const ray_answer *answer);

/* See ray_replay_top and ray_replay_hurt. */
uint32_t ray_replay_keys_top(const ray_replay_keys *keys, uint32_t most, ray_replay_key *out);
uint32_t ray_replay_keys_hurt(const ray_replay_keys *keys, uint32_t most, ray_replay_key *out);

/* Appends one line for each request of a batch, whose lines in the log are at `line`; 0 when memory
 * is out. */
uint32_t ray_replay_lines_add(ray_replay_lines *lines, const struct ray *names, const ray_row *rows,
                              const uint64_t *line, uint32_t count, const ray_answer *answers);

/* -- notes: what a comparison needs of an answer -- */

typedef struct ray_replay_note {
    uint64_t line;     /* as the reader gave it */
    uint64_t position; /* running number of the row in its replay, from 1 */
    uint64_t at_ns;
    uint64_t seq;      /* of its decision */
    uint64_t wait_ns;  /* retry_after_ns; DELAY: until it may start */
    uint64_t who_at;   /* client, then user, in the notes' bytes */
    uint32_t client_length;
    uint32_t user_length;
    uint32_t by_id;
    uint32_t tenant;
    uint32_t service;
    uint32_t route;
    int32_t status;    /* negative: the core refused the row, the rest is zero */
    uint16_t reason;
    uint8_t verdict;
    uint8_t by_kind;
    uint8_t address;   /* 1: the client is 16 bytes of an address */
    uint8_t reserved[7];
} ray_replay_note;

typedef struct ray_replay_notes {
    ray_replay_note *at;
    uint8_t *bytes;
    uint64_t bytes_length;
    uint64_t bytes_capacity;
    uint32_t count;
    uint32_t capacity;
} ray_replay_notes;

/* The replay's notes since they were last taken, NULL where none are kept; whoever takes some calls
 * _forget with how many. */
ray_replay_notes *ray_replay_notes_of(ray_replay *replay);
void ray_replay_notes_forget(ray_replay_notes *notes, uint32_t count);
void ray_replay_notes_close(ray_replay_notes *notes);
/* Appends one for each request of a batch; 0 when memory is out. */
uint32_t ray_replay_notes_add(ray_replay_notes *notes, const ray_row *rows, const uint64_t *lines,
                              const uint8_t *bytes, uint32_t count, const ray_answer *answers);

#endif
