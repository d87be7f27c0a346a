/* SPDX-License-Identifier: MIT */
/* formats.c - every file named on the command line, then seeded mutations of them, through every
 * reader and writer; the sanitizers it is compiled with say what is wrong.
 * Usage: formats RUNS SEED FILE... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ray/format.h"

enum { BYTES_MAX = 4096, FILES_MAX = 2048, OUT_MAX = 65536 };

void ray_panic(const char *what)
{
    fprintf(stderr, "panic: %s\n", what);
    abort();
}

static uint64_t state;

static uint32_t pick(uint32_t below)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(state >> 33) % below;
}

/* root: id int64 @, name string, tags [string], note, inner {n uint32, more [sint32], raw bytes,
 * i enum, filename string, content bytes}: a part of a multipart body too */
static const char text[] = "rootidnametagsinnernmorerawnoteABfilenamecontent";
static const ray_format_property properties[] = {
    {4, 2, 1, 1, RAY_PROPERTY_ATTRIBUTE, 0}, {6, 4, 2, 2, 0, 0}, {10, 4, 3, 3, 0, 0},
    {14, 5, 5, 4, 0, 0}, {27, 4, 2, 5, RAY_PROPERTY_TEXT, 0}, {19, 1, 6, 1, 0, 0},
    {20, 4, 7, 2, 0, 0}, {24, 3, 9, 3, 0, 0}, {14, 1, 10, 4, 0, 0},
    {33, 8, 11, 5, 0, 0}, {41, 7, 9, 6, 0, 0}};
static ray_format_node nodes[12];
static const ray_format_value values[] = {{{0, 0, 0}, RAY_FORMAT_STRING, 31, 1, 0},
                                          {{1, 0, 0}, RAY_FORMAT_STRING, 32, 1, 0}};

static void node(uint32_t at, uint32_t types, uint32_t wire, uint32_t items, uint32_t first,
                 uint32_t count)
{
    ray_format_node *n = &nodes[at];
    n->types = types;
    n->wire = wire;
    n->items = items;
    n->first_property = first;
    n->property_count = count;
    n->additional = RAY_FORMAT_ANY;
    n->max_length = n->max_items = n->max_properties = UINT32_MAX;
}

/* What the body's first line says divides it; "b" where it says nothing. */
static ray_view boundary_of(ray_view body)
{
    ray_view boundary = {(const uint8_t *)"b", 1};
    size_t end = 2;
    while (end < body.length && body.at[end] != '\r' && end < 80)
        end++;
    if (body.length > 3 && body.at[0] == '-' && body.at[1] == '-' && end > 2)
        boundary = (ray_view){body.at + 2, end - 2};
    return boundary;
}

static void run(const ray_format_schema *schema, const uint8_t *at, size_t length)
{
    static char out[OUT_MAX], back[OUT_MAX];
    uint8_t *exact = malloc(length + (length == 0));   /* so that one byte too far is seen */
    ray_format_report report;
    memcpy(exact, at, length);
    ray_view body = {exact, length};
    for (uint32_t from = 0; from < RAY_FORMAT_MAX; from++) {
        ray_format_source source = {body, boundary_of(body), from, 0};
        ray_format_validate(NULL, &source, &report);
        source.flags = pick(16);
        ray_format_validate(schema, &source, &report);
        for (uint32_t to = 0; to < RAY_FORMAT_MAX; to++) {
            ray_text made = {out, pick(4) ? OUT_MAX : pick(64), 0, 0, 0};
            source.flags = pick(16);
            if (ray_format_convert(schema, &source, to, &made, &report) != RAY_OK ||
                from == RAY_FORMAT_RAW)
                continue;
            /* What was written is read again. */
            uint8_t *again = malloc(made.length + (made.length == 0));
            memcpy(again, out, made.length);
            ray_view second = {again, made.length};
            ray_format_source there = {second, source.boundary, to, 0};
            ray_text text_back = {back, OUT_MAX, 0, 0, 0};
            if (!report.lossy &&
                ray_format_convert(schema, &there, from, &text_back, &report) != RAY_OK &&
                report.fault != RAY_FORMAT_UNSUPPORTED && report.fault != RAY_FORMAT_TOO_MANY &&
                report.fault != RAY_FORMAT_TOO_LARGE) {
                fprintf(stderr, "%u to %u is not read back: %s at %llu\n", from, to,
                        ray_format_fault_text(report.fault), (unsigned long long)report.place);
                fwrite(exact, 1, length, stderr);
                fprintf(stderr, "\n--\n");
                fwrite(again, 1, second.length, stderr);
                exit(1);
            }
            free(again);
        }
    }
    free(exact);
}

static void mutate(uint8_t *at, size_t *length)
{
    for (uint32_t n = 1 + pick(4); n > 0; n--) {
        static const char special[] = "{}[]\",:\\u0<>&;%=+/!?-'\x00\x80\xff\x0a\x12\x1a";
        uint32_t i = *length > 0 ? pick((uint32_t)*length) : 0;
        switch (pick(4)) {
        case 0: if (*length > 0) at[i] ^= (uint8_t)(1U << pick(8)); break;
        case 1: if (*length > 0) at[i] = (uint8_t)special[pick(sizeof special - 1)]; break;
        case 2: *length = i; break;
        default:
            if (*length < BYTES_MAX - 1) {
                memmove(at + i + 1, at + i, *length - i);
                at[i] = (uint8_t)special[pick(sizeof special - 1)];
                *length += 1;
            }
        }
    }
}

int main(int count, char **words)
{
    static uint8_t all[FILES_MAX][BYTES_MAX];
    static size_t lengths[FILES_MAX];
    static uint8_t work[BYTES_MAX];
    uint32_t files = 0;
    ray_format_report report;
    node(0, RAY_FORMAT_OBJECT, RAY_WIRE_MESSAGE, RAY_FORMAT_ANY, 0, 5);
    node(1, 12, RAY_WIRE_INT64, RAY_FORMAT_ANY, 0, 0);
    node(2, RAY_FORMAT_STRING, RAY_WIRE_STRING, RAY_FORMAT_ANY, 0, 0);
    node(3, RAY_FORMAT_ARRAY, RAY_WIRE_NONE, 4, 0, 0);
    node(4, RAY_FORMAT_STRING, RAY_WIRE_STRING, RAY_FORMAT_ANY, 0, 0);
    node(5, RAY_FORMAT_OBJECT, RAY_WIRE_MESSAGE, RAY_FORMAT_ANY, 5, 6);
    node(6, 12, RAY_WIRE_UINT32, RAY_FORMAT_ANY, 0, 0);
    node(7, RAY_FORMAT_ARRAY, RAY_WIRE_NONE, 8, 0, 0);
    node(8, 12, RAY_WIRE_SINT32, RAY_FORMAT_ANY, 0, 0);
    node(9, RAY_FORMAT_STRING, RAY_WIRE_BYTES, RAY_FORMAT_ANY, 0, 0);
    node(10, 20, RAY_WIRE_ENUM, RAY_FORMAT_ANY, 0, 0);
    node(11, RAY_FORMAT_STRING, RAY_WIRE_STRING, RAY_FORMAT_ANY, 0, 0);
    nodes[10].value_count = 2;
    ray_format_schema schema = {nodes, properties, values, (const uint8_t *)text, 12, 11, 2,
                                sizeof text - 1, 0, 4};
    if (ray_format_check_schema(&schema, &report) != RAY_OK) {
        fprintf(stderr, "the schema: %s\n", ray_format_fault_text(report.fault));
        return 1;
    }
    state = strtoull(words[2], NULL, 10);
    for (int i = 3; i < count && files < FILES_MAX; i++) {
        FILE *file = fopen(words[i], "rb");
        if (file == NULL)
            return 2;
        lengths[files] = fread(all[files], 1, BYTES_MAX, file);
        fclose(file);
        run(&schema, all[files], lengths[files]);
        files++;
    }
    for (uint32_t n = (uint32_t)strtoul(words[1], NULL, 10); n > 0 && files > 0; n--) {
        uint32_t file = pick(files);
        size_t length = lengths[file];
        memcpy(work, all[file], length);
        mutate(work, &length);
        run(&schema, work, length);
    }
    printf("%u files\n", files);
    return 0;
}
