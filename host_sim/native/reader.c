/* SPDX-License-Identifier: MIT */
/* reader.c - the reader's life and its lines: bytes are fed into one buffer, whole lines leave it
 * as rows. */
#include <stdlib.h>
#include <string.h>
#include "reader_parts.h"

/* A line that is being waited for fits beside everything one feed may bring. */
enum { INPUT_BYTES = RAY_READER_SPACE + RAY_READER_LINE_MAX };

/* Copies `count` things of `size` bytes; NULL when memory is out. */
static void *copy_of(const void *from, uint64_t count, uint64_t size)
{
    void *to = calloc(count + 1, size);

    if (to && count)
        memcpy(to, from, count * size);
    return to;
}

static uint32_t copy_rules(ray_reader *reader, const ray_reader_spec *spec)
{
    for (uint32_t i = 0; i < spec->identity_count; i++) {
        const ray_reader_identity *rule = &spec->identities[i];
        if (rule->network_count > spec->network_count
            || rule->network_first > spec->network_count - rule->network_count
            || (rule->user_from == RAY_READER_USER_HEADER && rule->argument >= spec->header_count)
            || (rule->user_from == RAY_READER_USER_SEGMENT && rule->argument == 0))
            return 0;
    }
    reader->networks = copy_of(spec->networks, spec->network_count, sizeof *spec->networks);
    reader->identities = copy_of(spec->identities, spec->identity_count, sizeof *spec->identities);
    reader->identity_count = spec->identity_count;
    return reader->networks && reader->identities;
}

static void use(ray_reader *reader, uint8_t target)
{
    if (target && !memchr(reader->used, target, reader->used_count))
        reader->used[reader->used_count++] = target;
}

static void prepare(ray_reader_literal *literal, const ray_reader_field *field)
{
    uint8_t mask[8] = { 0 };

    memset(mask, 0xff, field->name_length < 8 ? field->name_length : 8);
    memcpy(&literal->mask, mask, 8);
    memcpy(&literal->word, field->name, 8);
    literal->word &= literal->mask;
}

static uint32_t copy_fields(ray_reader *reader, const ray_reader_spec *spec)
{
    if (spec->field_count == 0 || spec->field_count > RAY_READER_FIELD_MAX
        || spec->header_count > RAY_READER_HEADER_MAX || spec->shape < RAY_READER_FORMAT
        || spec->shape > RAY_READER_JSON)
        return 0;
    for (uint32_t i = 0; i < spec->field_count; i++) {
        const ray_reader_field *field = &spec->fields[i];
        if (field->name_length > RAY_READER_NAME_BYTES || field->target >= RAY_READER_TARGET_MAX
            || field->also >= RAY_READER_TARGET_MAX || field->escape > RAY_READER_HASH)
            return 0;
        reader->fields[i] = *field;
        prepare(&reader->literals[i], field);
        use(reader, field->target);
        use(reader, field->also);
    }
    if (spec->shape == RAY_READER_FORMAT && !spec->fields[spec->field_count - 1].last)
        return 0;
    for (uint32_t i = 0; i < spec->header_count; i++) {
        reader->headers[i] = spec->headers[i];
        reader->header_length[i] = ray_reader_name_length(&spec->headers[i]);
    }
    reader->field_count = spec->field_count;
    reader->header_count = spec->header_count;
    return 1;
}

ray_reader *ray_reader_open(const ray_reader_spec *spec)
{
    ray_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return NULL;
    reader->input = malloc(INPUT_BYTES + RAY_READER_SLACK); /* what is not fed is not touched */
    reader->trust = spec->trust;
    reader->shape = reader->own_shape = spec->shape;
    reader->skip_lines = spec->skip_lines;
    reader->delimiter = spec->delimiter;
    reader->quotes = spec->quotes;
    reader->time_is_end = spec->time_is_end;
    reader->needs_path = spec->needs_path;
    reader->comment = spec->comment ? spec->comment : 256u;
    reader->id_base = (uint64_t)spec->source << 48;
    reader->last_time_ns = UINT64_MAX;
    if (!reader->input || !copy_fields(reader, spec) || !copy_rules(reader, spec)
        || !ray_reader_names_fill(&reader->services, spec->services, spec->service_count)
        || !ray_reader_names_fill(&reader->tenants, spec->tenants, spec->tenant_count)) {
        ray_reader_close(reader);
        return NULL;
    }
    return reader;
}

void ray_reader_close(ray_reader *reader)
{
    if (!reader)
        return;
    ray_reader_names_free(&reader->services);
    ray_reader_names_free(&reader->tenants);
    free(reader->networks);
    free(reader->identities);
    free(reader->input);
    free(reader);
}

uint8_t *ray_reader_space(ray_reader *reader, uint64_t *capacity)
{
    uint64_t unread = reader->input_length - reader->read_at;

    if (reader->read_at) {
        memmove(reader->input, reader->input + reader->read_at, unread);
        reader->read_at = 0;
        reader->input_length = unread;
    }
    *capacity = INPUT_BYTES - unread;
    if (*capacity > RAY_READER_SPACE)
        *capacity = RAY_READER_SPACE;
    return reader->input + unread;
}

void ray_reader_feed(ray_reader *reader, uint64_t length)
{
    reader->input_length += length;
    reader->stats.byte_count += length;
}

void ray_reader_end(ray_reader *reader)
{
    reader->ended = 1;
}

uint32_t ray_reader_done(const ray_reader *reader)
{
    return reader->ended && reader->read_at == reader->input_length;
}

void ray_reader_stats_read(const ray_reader *reader, ray_reader_stats *out)
{
    *out = reader->stats;
}

static void note_fault(ray_reader *reader, uint32_t fault, const uint8_t *line, uint64_t length)
{
    ray_reader_stats *stats = &reader->stats;

    stats->fault_count[fault]++;
    if (stats->sample_count < RAY_READER_SAMPLE_MAX) {
        ray_reader_sample *sample = &stats->sample[stats->sample_count++];
        sample->line = reader->line_number;
        sample->fault = fault;
        sample->length =
            length < RAY_READER_SAMPLE_BYTES ? (uint32_t)length : RAY_READER_SAMPLE_BYTES;
        memcpy(sample->text, line, sample->length);
    }
}

static void read_line(ray_reader *reader, const uint8_t *line, const uint8_t *end,
                      ray_reader_block *block)
{
    ray_reader_cell *cells = reader->cells;
    uint32_t fits;
    uint32_t fault;

    reader->line_number++;
    if (reader->line_number == 1 && end - line >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    if (end > line && end[-1] == '\r')
        end--;
    if (reader->line_number <= reader->skip_lines)
        return;
    if (line < end && *line == reader->comment) {
        ray_reader_directive(reader, line, (uint64_t)(end - line));
        return;
    }
    reader->stats.line_count++;
    if (line == end) {
        reader->stats.blank_count++;
        return;
    }
    if (end - line > RAY_READER_LINE_MAX) {
        note_fault(reader, RAY_READER_FAULT_LONG, line, (uint64_t)(end - line));
        return;
    }
    for (uint32_t i = 0; i < reader->used_count; i++)
        cells[reader->used[i]].at = NULL;
    fits = reader->shape == RAY_READER_FORMAT  ? ray_reader_split_format(reader, line, end, cells)
           : reader->shape == RAY_READER_TABLE ? ray_reader_split_table(reader, line, end, cells)
           : reader->shape == RAY_READER_JSON  ? ray_reader_split_json(reader, line, end, cells)
                                               : 0;
    fault = fits ? ray_reader_row(reader, cells, block) : (uint32_t)RAY_READER_FAULT_SHAPE;
    if (fault)
        note_fault(reader, fault, line, (uint64_t)(end - line));
    else
        reader->stats.row_count++;
}

/* The unread bytes hold no whole line. Once they are longer than any line may be they are counted
 * as one and dropped, up to the line feed that is still to come. */
static void wait_for_more(ray_reader *reader)
{
    uint64_t unread = reader->input_length - reader->read_at;

    reader->searched = unread;
    if (unread <= RAY_READER_LINE_MAX)
        return;
    if (!reader->overlong) {
        reader->line_number++;
        if (reader->line_number > reader->skip_lines) {
            reader->stats.line_count++;
            note_fault(reader, RAY_READER_FAULT_LONG, reader->input + reader->read_at, unread);
        }
    }
    reader->overlong = 1;
    reader->read_at = reader->input_length;
    reader->searched = 0;
}

uint32_t ray_reader_read(ray_reader *reader, ray_reader_block *block)
{
    while (reader->read_at < reader->input_length) {
        const uint8_t *line = reader->input + reader->read_at;
        const uint8_t *limit = reader->input + reader->input_length;
        const uint8_t *feed;
        if (block->row_count == block->row_capacity
            || block->bytes_capacity - block->bytes_length < RAY_READER_ROW_BYTES)
            return 1;
        feed = memchr(line + reader->searched, '\n', (size_t)(limit - line) - reader->searched);
        if (!feed && !reader->ended) {
            wait_for_more(reader);
            return 0;
        }
        reader->searched = 0;
        reader->read_at = feed ? (uint64_t)(feed + 1 - reader->input) : reader->input_length;
        if (reader->overlong)
            reader->overlong = 0;
        else
            read_line(reader, line, feed ? feed : limit, block);
    }
    return 0;
}
