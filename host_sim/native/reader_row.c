/* SPDX-License-Identifier: MIT */
/* reader_row.c - cells into one ray_row and its bytes: unescaping, numbers, the request line, the
 * packed headers. */
#include "reader_fast_parts.h"

enum { HEADER_BYTES_KEPT = RAY_HEADER_BYTES_MAX + 8, HOST_BYTES_KEPT = 255, THROTTLED = 429 };

/* -- text -- */

/* What stands behind a backslash of Apache or nginx; returns how many bytes it took. An unknown
 * escape stays as it is. */
static uint32_t backslash(const uint8_t *at, uint32_t left, uint8_t *out)
{
    static const char from[] = "ntrvbf\"\\";
    static const char to[] = "\n\t\r\v\b\f\"\\";
    const char *known;

    *out = '\\';
    if (left < 2)
        return 1;
    if (at[1] == 'x' && left >= 4 && ray_reader_hex(at[2]) < 16 && ray_reader_hex(at[3]) < 16) {
        *out = (uint8_t)(ray_reader_hex(at[2]) << 4 | ray_reader_hex(at[3]));
        return 4;
    }
    known = at[1] ? strchr(from, at[1]) : NULL;
    if (!known)
        return 1;
    *out = (uint8_t)to[known - from];
    return 2;
}

static uint32_t utf8(uint32_t point, uint8_t out[4])
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xc0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xe0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (point & 0x3f));
    return 4;
}

/* Four hexadecimal digits behind "\u"; 0x10000 when they are not there. */
static uint32_t unit16(const uint8_t *at, uint32_t left)
{
    uint32_t value = 0;

    if (left < 6 || at[0] != '\\' || at[1] != 'u')
        return 0x10000;
    for (uint32_t i = 2; i < 6; i++) {
        uint32_t digit = ray_reader_hex(at[i]);
        if (digit > 15)
            return 0x10000;
        value = value << 4 | digit;
    }
    return value;
}

/* What stands behind a JSON backslash. Half a surrogate pair becomes U+FFFD. */
static uint32_t json_escape(const uint8_t *at, uint32_t left, uint8_t out[4], uint32_t *out_length)
{
    uint32_t point = unit16(at, left);
    uint32_t low;

    *out_length = 1;
    if (point == 0x10000) {
        if (left >= 2 && at[1] == '/') {
            out[0] = '/';
            return 2;
        }
        return backslash(at, left, out);
    }
    if (point >= 0xd800 && point < 0xe000) {
        low = left >= 12 ? unit16(at + 6, left - 6) : 0x10000;
        if (point < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
            *out_length = utf8(0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00), out);
            return 12;
        }
        point = 0xfffd;
    }
    *out_length = utf8(point, out);
    return 6;
}

/* Two hexadecimal digits behind '%' or '#'; without them the marker is itself. */
static uint32_t two_digits(const uint8_t *at, uint32_t left, uint8_t *out)
{
    if (left < 3 || ray_reader_hex(at[1]) > 15 || ray_reader_hex(at[2]) > 15)
        return 1;
    *out = (uint8_t)(ray_reader_hex(at[1]) << 4 | ray_reader_hex(at[2]));
    return 3;
}

/* What begins an escape, by enum ray_reader_escape. */
static const uint8_t markers[] = { 0, '\\', '"', '\\', '%', '#' };

uint32_t ray_reader_copy(const ray_reader_cell *cell, uint8_t *to, uint32_t most, uint32_t *whole)
{
    const uint8_t *at = cell->at;
    uint32_t left = cell->length;
    uint32_t length = 0;
    uint8_t special = markers[cell->escape];

    *whole = 1;
    if (cell->escape == RAY_READER_PLAIN || !ray_reader_seek(at, at + left, special)) {
        *whole = left <= most;
        length = left <= most ? left : most;
        ray_reader_paste(to, at, length);
        return length;
    }
    while (left) {
        uint8_t out[4] = { *at, 0, 0, 0 };
        uint32_t out_length = 1;
        uint32_t took = 1;
        if (*at == special) {
            if (special == '"')
                took = left >= 2 ? 2 : 1;
            else if (special != '\\')
                took = two_digits(at, left, out);
            else if (cell->escape == RAY_READER_JSON_TEXT)
                took = json_escape(at, left, out, &out_length);
            else
                took = backslash(at, left, out);
        }
        if (out_length > most - length) {
            *whole = 0;
            break;
        }
        memcpy(to + length, out, out_length);
        length += out_length;
        at += took;
        left -= took;
    }
    return length;
}

/* -- parts of a row -- */

/* Appends a cell to the block and says where it is; `most` bytes, the rest is cut. Returns 1 when
 * it is whole. */
static uint32_t append(ray_reader_block *block, const ray_reader_cell *cell, uint32_t most,
                       uint32_t *at, uint32_t *length)
{
    uint32_t whole;

    *at = (uint32_t)block->bytes_length;
    *length = ray_reader_copy(cell, block->bytes + block->bytes_length, most, &whole);
    block->bytes_length += *length;
    return whole;
}

/* "GET /path HTTP/1.1" into method and path cells. A line without a method is no request. */
static uint32_t split_request(const ray_reader_cell *request, ray_reader_cell *method,
                              ray_reader_cell *path)
{
    const uint8_t *at = request->at;
    const uint8_t *end = at + request->length;
    const uint8_t *space = memchr(at, ' ', request->length);
    const uint8_t *protocol = end;

    if (ray_reader_absent(request) || !space || space == at || (space == at + 1 && *at == '-'))
        return 0;
    *method = *request;
    method->length = (uint32_t)(space - at);
    *path = *request;
    path->at = space + 1;
    for (const uint8_t *p = end; p > path->at && end - p < 16; p--)
        if (p[-1] == ' ' && end - p >= 5 && memcmp(p, "HTTP/", 5) == 0)
            protocol = p - 1;
    path->length = (uint32_t)(protocol - path->at);
    return 1;
}

/* Bytes of "http://", or of another scheme of HTTP, that `path` begins with. */
static uint32_t scheme_length(const ray_reader_cell *path)
{
    static const char *const schemes[] = { "http://", "https://", "ws://", "wss://" };

    for (uint32_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        uint32_t length = (uint32_t)strlen(schemes[i]);
        if (path->length > length && memcmp(path->at, schemes[i], length) == 0)
            return length;
    }
    return 0;
}

/* The part of an absolute-form target that is its authority goes to host; what is left starts with
 * '/'. */
static void split_authority(ray_reader_cell *path, ray_reader_cell *host)
{
    uint32_t scheme = scheme_length(path);
    const uint8_t *authority = path->at + scheme;
    const uint8_t *slash;

    if (!scheme)
        return;
    slash = memchr(authority, '/', path->length - scheme);
    if (!slash)
        slash = path->at + path->length;
    if (!host->at) {
        *host = *path;
        host->at = authority;
        host->length = (uint32_t)(slash - authority);
    }
    path->length -= (uint32_t)(slash - path->at);
    path->at = slash;
}

/* Absent is GET: a log without methods is of pages that were fetched. */
static uint8_t method_of(const ray_reader_cell *cell)
{
    if (ray_reader_absent(cell) || (cell->length == 3 && memcmp(cell->at, "GET", 3) == 0))
        return RAY_METHOD_GET;
    return (uint8_t)ray_method_of((const char *)cell->at, cell->length);
}

/* Method, target and host. A target past what the gateway takes is cut one byte past it: 414 all
 * the same. */
static uint32_t put_request(const ray_reader *reader, const ray_reader_cell *cells,
                            ray_reader_block *block, ray_row *row)
{
    ray_reader_cell method = cells[RAY_READER_METHOD];
    ray_reader_cell path = cells[RAY_READER_PATH];
    ray_reader_cell host = cells[RAY_READER_HOST];
    const ray_reader_cell *query = &cells[RAY_READER_QUERY];

    if (cells[RAY_READER_REQUEST].at && !split_request(&cells[RAY_READER_REQUEST], &method, &path))
        return RAY_READER_FAULT_REQUEST;
    if (reader->needs_path && !path.at)
        return RAY_READER_FAULT_REQUEST;
    row->method = method_of(&method);
    if (!ray_reader_absent(&path)) {
        if (path.at[0] == 'h' || path.at[0] == 'w')
            split_authority(&path, &host);
        append(block, &path, RAY_TARGET_BYTES_MAX + 1, &row->target_at, &row->target_length);
    }
    if (!ray_reader_absent(query) && row->target_length
        && row->target_length < RAY_TARGET_BYTES_MAX) {
        uint32_t at;
        uint32_t length;
        if (*query->at != '?')
            block->bytes[block->bytes_length++] = '?';
        append(block, query, RAY_TARGET_BYTES_MAX - row->target_length, &at, &length);
        row->target_length = (uint32_t)(block->bytes_length - row->target_at);
    }
    if (!ray_reader_absent(&host)
        && !append(block, &host, HOST_BYTES_KEPT, &row->host_at, &row->host_length))
        return RAY_READER_FAULT_LONG;
    return RAY_READER_FINE;
}

/* The wanted headers, packed as gateway.h says. What is past the gateway's bound is cut just past
 * it: 431 all the same. */
static void put_headers(const ray_reader *reader, const ray_reader_cell *cells,
                        ray_reader_block *block, ray_row *row)
{
    uint32_t start = (uint32_t)block->bytes_length;

    for (uint32_t i = 0; i < reader->header_count; i++) {
        const ray_reader_cell *cell = &cells[RAY_READER_HEADER + i];
        uint32_t used = (uint32_t)block->bytes_length - start;
        uint32_t name_length = reader->header_length[i];
        uint8_t *head = block->bytes + block->bytes_length;
        uint32_t length;
        uint32_t whole;
        if (ray_reader_absent(cell) || used + 4 + name_length >= HEADER_BYTES_KEPT)
            continue;
        memcpy(head + 4, reader->headers[i].at, name_length);
        length = ray_reader_copy(cell, head + 4 + name_length,
                                 HEADER_BYTES_KEPT - used - 4 - name_length, &whole);
        head[0] = (uint8_t)name_length;
        head[1] = 0;
        head[2] = (uint8_t)length;
        head[3] = (uint8_t)(length >> 8);
        block->bytes_length += 4 + name_length + length;
    }
    row->headers_at = start;
    row->headers_length = (uint32_t)block->bytes_length - start;
}

static uint32_t put_numbers(const ray_reader_cell *cells, ray_row *row)
{
    uint64_t status;
    uint64_t weight;

    if (ray_reader_unknown(&cells[RAY_READER_HTTP_STATUS]))
        status = 0;
    else if (!ray_reader_number(&cells[RAY_READER_HTTP_STATUS], 999, &status))
        return 0;
    if (cells[RAY_READER_ERROR].at)
        status = ray_reader_error_status(&cells[RAY_READER_ERROR], (uint32_t)status);
    row->http_status = (uint16_t)status;
    if (!ray_reader_number(&cells[RAY_READER_RESPONSE_BYTES], INT64_MAX, &row->response_bytes)
        || !ray_reader_number(&cells[RAY_READER_REQUEST_BYTES], INT64_MAX, &row->request_bytes)
        || !ray_reader_number(&cells[RAY_READER_WEIGHT], UINT32_MAX, &weight)
        || !ray_reader_number(&cells[RAY_READER_COMPUTE], INT64_MAX, &row->compute_units)
        || !ray_reader_number(&cells[RAY_READER_CUSTOM], INT64_MAX, &row->custom_units))
        return 0;
    row->weight = (uint32_t)weight;
    if (!ray_reader_absent(&cells[RAY_READER_WEIGHT]))
        row->flags |= RAY_ROW_WEIGHT;   /* a stated 0 takes nothing */
    return 1;
}

static uint8_t class_of(const ray_reader_cell *cell)
{
    for (uint32_t i = 0; i < RAY_CLASS_MAX && cell->at; i++) {
        const char *word = ray_class_word(i);
        if (strlen(word) == cell->length && memcmp(word, cell->at, cell->length) == 0)
            return (uint8_t)i;
    }
    return RAY_CLASS_DEFAULT;
}

uint32_t ray_reader_row(ray_reader *reader, const ray_reader_cell *cells, ray_reader_block *block)
{
    ray_row *row = &block->rows[block->row_count];
    uint64_t start = block->bytes_length;
    uint32_t fault;

    ray_reader_blank(row);
    row->id = reader->id_base + reader->line_number;
    fault = ray_reader_when(reader, cells, row);
    if (!fault && !put_numbers(cells, row))
        fault = RAY_READER_FAULT_NUMBER;
    if (!fault)
        fault = put_request(reader, cells, block, row);
    if (!fault) {
        row->priority = class_of(&cells[RAY_READER_PRIORITY]);
        if (reader->header_count)
            put_headers(reader, cells, block, row);
        fault = ray_reader_who(reader, cells, block, row);
    }
    if (fault) {
        block->bytes_length = start;
        return fault;
    }
    if (row->http_status >= THROTTLED) {
        reader->stats.throttled_count += row->http_status == THROTTLED;
        reader->stats.failed_count += row->http_status / 100 == 5;
    }
    block->row_count++;
    return RAY_READER_FINE;
}
