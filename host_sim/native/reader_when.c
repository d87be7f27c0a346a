/* SPDX-License-Identifier: MIT */
/* reader_when.c - when a request came, how long it took, and what the log says became of it; with
 * what there is to know about the log's clock. */
#include "reader_fast_parts.h"

enum { JOINED_BYTES = 96, ERROR_BYTES = 4096, THROTTLED = 429, REFUSED = 400 };

static const uint64_t DURATION_NS_MAX = (uint64_t)366 * 86400 * 1000000000;

/* -- the clock -- */

/* Notes a time that differs from the row before: what are all times so far whole in? */
static void note_instant(ray_reader *reader, uint64_t at_ns)
{
    static const uint64_t steps[] = { 3600000000000u, 60000000000u, 1000000000u, 1000000u, 1000u,
                                      1u };

    reader->last_time_ns = at_ns;
    reader->stats.instant_count++;
    while (steps[reader->step] > 1 && at_ns % steps[reader->step])
        reader->step++;
    reader->stats.resolution_ns = steps[reader->step];
}

/* The date and the time of day of two cells as one instant. */
static uint32_t join(const ray_reader_cell *date, const ray_reader_cell *time, uint64_t *unix_ns)
{
    uint8_t text[JOINED_BYTES] = { 0 };
    uint64_t length = (uint64_t)date->length + 1 + time->length;

    if (length > JOINED_BYTES || date->length < 10)
        return 0;
    memcpy(text, date->at, date->length);
    text[date->length] = ' ';
    memcpy(text + date->length + 1, time->at, time->length);
    return ray_reader_parse_time(text, length, RAY_READER_AUTO, unix_ns);
}

/* One cell as an instant. */
static inline uint32_t instant_of(ray_reader *reader, const ray_reader_cell *time,
                                  uint64_t *unix_ns)
{
    uint64_t seconds;

    if (time->unit == RAY_READER_AUTO && time->length >= 20 && time->at[2] == '/')
        return ray_reader_clf(&reader->day, time->at, time->length, unix_ns);
    if (time->unit == RAY_READER_AUTO && time->length < 11
        && ray_reader_digits(time->at, time->length, &seconds)) {
        *unix_ns = seconds * 1000000000u;
        return 1;
    }
    return ray_reader_parse_time(time->at, time->length, time->unit, unix_ns);
}

/* -- durations -- */

/* Adds the further parts of a duration; 0 when one of them is no number. *known is 0 when one is
 * not known: then neither is the sum. */
static uint32_t add_parts(const ray_reader_cell *cells, uint32_t *known, uint64_t *sum_ns)
{
    for (uint32_t i = RAY_READER_DURATION_2; i <= RAY_READER_DURATION_3; i++) {
        const ray_reader_cell *part = &cells[i];
        uint64_t ns;
        if (!part->at)
            continue;
        *known &= !ray_reader_unknown(part);
        if (!*known)
            continue;
        if (!ray_reader_parse_duration(part->at, part->length, part->unit, &ns)
            || ns > DURATION_NS_MAX)
            return 0;
        *sum_ns += ns;
    }
    return 1;
}

/* Where a line has a second instant the duration is from the first to it. */
static uint32_t until_end(ray_reader *reader, const ray_reader_cell *end, ray_row *row)
{
    uint64_t end_ns;

    if (ray_reader_absent(end))
        return RAY_READER_FINE;
    if (!instant_of(reader, end, &end_ns))
        return RAY_READER_FAULT_TIME;
    if (end_ns < row->at_ns)
        return RAY_READER_FINE; /* a clock was set back meanwhile: how long it took is not known */
    row->duration_ns = end_ns - row->at_ns;
    if (row->duration_ns > DURATION_NS_MAX)
        return RAY_READER_FAULT_NUMBER;
    reader->stats.duration_count++;
    return RAY_READER_FINE;
}

uint32_t ray_reader_when(ray_reader *reader, const ray_reader_cell *cells, ray_row *row)
{
    const ray_reader_cell *time = &cells[RAY_READER_TIME];
    const ray_reader_cell *duration = &cells[RAY_READER_DURATION];
    uint32_t known = 1;
    uint32_t fine;

    if (!time->at)
        return RAY_READER_FAULT_TIME;
    fine = cells[RAY_READER_DATE].at ? join(&cells[RAY_READER_DATE], time, &row->at_ns)
                                     : instant_of(reader, time, &row->at_ns);
    if (!fine)
        return RAY_READER_FAULT_TIME;
    row->kind = RAY_ROW_EXCHANGE;
    row->flags |= RAY_ROW_VOUCHED; /* a log says who it was, and carries no credential */
    if (row->at_ns != reader->last_time_ns)
        note_instant(reader, row->at_ns);
    if (ray_reader_unknown(duration))
        return cells[RAY_READER_END].at ? until_end(reader, &cells[RAY_READER_END], row)
                                        : (uint32_t)RAY_READER_FINE;
    if (!ray_reader_parse_duration(duration->at, duration->length, duration->unit,
                                   &row->duration_ns)
        || row->duration_ns > DURATION_NS_MAX || !add_parts(cells, &known, &row->duration_ns))
        return RAY_READER_FAULT_NUMBER;
    if (!known) {
        row->duration_ns = 0;
        return RAY_READER_FINE;
    }
    if (reader->time_is_end)
        row->at_ns -= row->duration_ns < row->at_ns ? row->duration_ns : row->at_ns;
    reader->stats.duration_count++;
    return RAY_READER_FINE;
}

/* -- what became of it -- */

/* Does `text` hold `word`, which is in lower case? */
static uint32_t holds(const uint8_t *text, uint32_t length, const char *word)
{
    uint32_t size = (uint32_t)strlen(word);

    for (uint32_t i = 0; i + size <= length; i++) {
        uint32_t same = 0;
        while (same < size && (text[i + same] | (word[same] == ' ' ? 0 : 32)) == word[same])
            same++;
        if (same == size)
            return 1;
    }
    return 0;
}

/* Is that an error that says the caller asked too often? As the clouds' interfaces word it. */
static uint32_t throttles(const ray_reader_cell *error)
{
    static const char *const words[] = { "throttl",
                                         "toomanyrequests",
                                         "too many requests",
                                         "rate exceeded",
                                         "requestlimitexceeded",
                                         "slowdown",
                                         "provisionedthroughputexceeded" };
    uint32_t length = error->length < ERROR_BYTES ? error->length : ERROR_BYTES;

    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++)
        if (holds(error->at, length, words[i]))
            return 1;
    return 0;
}

/* An error column may say in words that there was none. */
static uint32_t is_none(const ray_reader_cell *error)
{
    static const char *const words[] = { "0", "false", "none", "null", "ok" };

    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++)
        if (error->length == strlen(words[i]) && holds(error->at, error->length, words[i]))
            return 1;
    return 0;
}

uint32_t ray_reader_error_status(const ray_reader_cell *error, uint32_t status)
{
    if (ray_reader_absent(error) || is_none(error))
        return status;
    return throttles(error) ? (uint32_t)THROTTLED : status ? status : (uint32_t)REFUSED;
}

/* -- lines about lines -- */

/* FNV-1a (Fowler, Noll and Vo), never 0. */
static uint64_t hash_of(const uint8_t *at, uint64_t length)
{
    uint64_t hash = 14695981039346656037u;

    for (uint64_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 1099511628211u;
    return hash ? hash : 1;
}

void ray_reader_directive(ray_reader *reader, const uint8_t *line, uint64_t length)
{
    static const char fields[] = "#Fields:";
    uint64_t hash;

    reader->stats.comment_count++;
    if (length < sizeof fields - 1 || memcmp(line, fields, sizeof fields - 1) != 0)
        return;
    hash = hash_of(line, length);
    if (!reader->fields_hash)
        reader->fields_hash = hash;
    reader->shape = hash == reader->fields_hash ? reader->own_shape : 0;
}
