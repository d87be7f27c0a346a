/* SPDX-License-Identifier: MIT */
#ifndef RAY_READER_H
#define RAY_READER_H
#include <stdint.h>
#include "ray/ray.h"

/* reader: an access log's bytes in, request rows out, no Python per line.
 *
 * The caller compiles what a line looks like into fields once; the reader then splits lines, takes
 * the fields it needs, resolves who the request is from, and writes a ray_row and its bytes. A line
 * that does not fit is counted, the first few are kept to be shown, and reading goes on. Memory is
 * bounded: no line is longer than RAY_READER_LINE_MAX.
 */
typedef struct ray_reader ray_reader;

enum ray_reader_constant {
    RAY_READER_LINE_MAX = 1048576, /* a longer line is counted as unparsable and skipped */
    RAY_READER_SPACE = 2097152,    /* what one feed may bring */
    RAY_READER_FIELD_MAX = 256,
    RAY_READER_NAME_BYTES = 64,
    RAY_READER_HEADER_MAX = 8,
    RAY_READER_KEY_BYTES = 1024,  /* the longest client or user name */
    RAY_READER_ROW_BYTES = 24576, /* the most one row adds to the byte store */
    RAY_READER_SAMPLE_MAX = 5,
    RAY_READER_SAMPLE_BYTES = 120,
    RAY_READER_UNKNOWN_MAX = 4 /* names that are kept to be shown */
};

enum ray_reader_shape {
    RAY_READER_FORMAT = 1, /* literals between fields: combined, LogFormat, log_format */
    RAY_READER_TABLE = 2,  /* cells between delimiters: CSV, TSV */
    RAY_READER_JSON = 3    /* one object a line */
};

/* What a field is. HEADER + n is the n-th name of ray_reader_spec.headers. */
enum ray_reader_target {
    RAY_READER_SKIP = 0,
    RAY_READER_TIME = 1,
    RAY_READER_CLIENT = 2,
    RAY_READER_USER = 3,
    RAY_READER_REQUEST = 4, /* "GET /path HTTP/1.1" */
    RAY_READER_METHOD = 5,
    RAY_READER_PATH = 6,
    RAY_READER_QUERY = 7, /* appended to the path, with or without its '?' */
    RAY_READER_HTTP_STATUS = 8,
    RAY_READER_RESPONSE_BYTES = 9,
    RAY_READER_REQUEST_BYTES = 10,
    RAY_READER_DURATION = 11,
    RAY_READER_WEIGHT = 12,
    RAY_READER_TENANT = 13,
    RAY_READER_SERVICE = 14,
    RAY_READER_HOST = 15,
    RAY_READER_COMPUTE = 16,
    RAY_READER_CUSTOM = 17,
    RAY_READER_PRIORITY = 18, /* critical, high, normal, low, batch */
    RAY_READER_DATE = 19,     /* the day, where TIME is only the time of day */
    RAY_READER_END = 20,      /* a second instant: the duration is from TIME to it */
    RAY_READER_ERROR = 21,    /* what went wrong, in words: a throttled request becomes a 429 */
    RAY_READER_DURATION_2 = 22, /* further parts of the duration, which is their sum */
    RAY_READER_DURATION_3 = 23,
    RAY_READER_HEADER = 24,
    RAY_READER_TARGET_MAX = 32
};

/* How a time or a duration is written. AUTO tells seconds to nanoseconds by their size, for times
 * only; a duration's AUTO is seconds. Fractions are exact; what is finer than a nanosecond is
 * dropped. */
enum ray_reader_unit {
    RAY_READER_AUTO = 0,
    RAY_READER_SECONDS = 1,
    RAY_READER_MILLISECONDS = 2,
    RAY_READER_MICROSECONDS = 3,
    RAY_READER_NANOSECONDS = 4,
    RAY_READER_PORT = 5 /* CLIENT: behind the last colon is a port, brackets or not */
};

/* How the bytes of a field were written down. JSON and quoted cells know by themselves. */
enum ray_reader_escape {
    RAY_READER_PLAIN = 0,
    RAY_READER_BACKSLASH = 1, /* Apache and nginx: \" \\ \n \xHH */
    RAY_READER_DOUBLED = 2,   /* CSV: "" is one quote */
    RAY_READER_JSON_TEXT = 3, /* \n \uXXXX */
    RAY_READER_PERCENT = 4,   /* CloudFront: %HH, once */
    RAY_READER_HASH = 5       /* HAProxy: #HH */
};

/* TABLE: the n-th field is the n-th column. */
typedef struct ray_reader_field {
    char name[RAY_READER_NAME_BYTES]; /* FORMAT: the literal before the field; JSON: dotted path of
                                         the key */
    uint32_t name_length;
    uint8_t target; /* enum ray_reader_target */
    uint8_t also;   /* a second one the same text is for, 0: none */
    uint8_t escape; /* enum ray_reader_escape */
    uint8_t unit;   /* enum ray_reader_unit */
    uint8_t quoted; /* FORMAT: ends at a quote that no backslash precedes */
    uint8_t last;   /* FORMAT: only the literal; the line must end behind it */
    uint8_t reserved[2];
} ray_reader_field;

enum ray_reader_user_from {
    RAY_READER_USER_LOG = 0,     /* the log's own user column */
    RAY_READER_USER_ADDRESS = 1, /* the client's address, its name where it has none */
    RAY_READER_USER_HEADER = 2,  /* argument: place in headers */
    RAY_READER_USER_SEGMENT = 3  /* argument: path segment, from 1 */
};

/* One [[identity]] rule: the first whose networks hold the client's address, or that has none,
 * decides. */
typedef struct ray_reader_identity {
    uint32_t network_first; /* in ray_reader_spec.networks */
    uint32_t network_count; /* 0: always */
    uint32_t tenant;        /* RAY_NONE: none */
    uint32_t user_from;     /* enum ray_reader_user_from */
    uint32_t argument;
    uint32_t role;          /* enum ray_role, 0: not known */
} ray_reader_identity;

/* Everything is copied by ray_reader_open. */
typedef struct ray_reader_spec {
    const ray_reader_field *fields;
    const ray_name *services; /* names in the order of their ids */
    const ray_name *tenants;
    const ray_name *headers; /* packed into rows in this order */
    const ray_network *networks;
    const ray_reader_identity *identities;
    const struct ray *trust; /* not NULL: says who the trusted proxies are; outlives the reader */
    uint32_t field_count;
    uint32_t service_count;
    uint32_t tenant_count;
    uint32_t header_count;
    uint32_t network_count;
    uint32_t identity_count;
    uint32_t shape;
    uint32_t skip_lines; /* header lines of a table */
    uint8_t delimiter;
    uint8_t quotes;      /* TABLE: cells may be quoted (RFC 4180) */
    uint8_t time_is_end; /* the time is when the answer left: the duration is taken off */
    uint8_t comment;     /* not 0: lines that begin with it are no rows (W3C: '#') */
    uint8_t source;      /* which of several logs this is; bits 48 to 55 of a row's id */
    uint8_t needs_path;  /* a line without a path or a request line is no request */
    uint8_t reserved[2];
} ray_reader_spec;

enum ray_reader_fault {
    RAY_READER_FINE = 0,
    RAY_READER_FAULT_SHAPE = 1, /* literals, quotes, cells or JSON do not fit */
    RAY_READER_FAULT_TIME = 2,
    RAY_READER_FAULT_NUMBER = 3,
    RAY_READER_FAULT_REQUEST = 4, /* no request in it: "-" */
    RAY_READER_FAULT_LONG = 5,    /* the line, or a name in it */
    RAY_READER_FAULT_MAX = 6
};

typedef struct ray_reader_sample {
    uint64_t line;   /* from 1 */
    uint32_t fault;  /* enum ray_reader_fault */
    uint32_t length; /* of text, cut */
    uint8_t text[RAY_READER_SAMPLE_BYTES];
} ray_reader_sample;

typedef struct ray_reader_stats {
    uint64_t byte_count;
    uint64_t line_count; /* all but the header lines */
    uint64_t blank_count;
    uint64_t row_count;
    uint64_t fault_count[RAY_READER_FAULT_MAX];
    uint64_t named_client_count;    /* rows whose client is a name, not an address */
    uint64_t unknown_service_count; /* rows that name a service the configuration does not have */
    uint64_t unknown_tenant_count;
    uint64_t duration_count; /* rows with a duration */
    uint64_t throttled_count; /* rows that the log says were answered 429 */
    uint64_t failed_count;    /* rows answered 5xx */
    uint64_t comment_count;   /* lines that begin with the comment byte */
    uint64_t instant_count;   /* changes of the time from one row to the next */
    uint64_t resolution_ns;   /* coarsest of h, min, s, ms, us, ns that all times are whole in */
    uint32_t sample_count;
    uint32_t unknown_service_names; /* of the arrays below, how many are filled */
    uint32_t unknown_tenant_names;
    uint32_t reserved;
    ray_name unknown_service[RAY_READER_UNKNOWN_MAX];
    ray_name unknown_tenant[RAY_READER_UNKNOWN_MAX];
    ray_reader_sample sample[RAY_READER_SAMPLE_MAX];
} ray_reader_stats;

/* Where rows and their bytes go; ray_reader_read appends. */
typedef struct ray_reader_block {
    ray_row *rows;
    uint8_t *bytes;
    uint64_t bytes_length;
    uint64_t bytes_capacity; /* reading stops when less than RAY_READER_ROW_BYTES are left */
    uint32_t row_count;
    uint32_t row_capacity;
} ray_reader_block;

/* A reader, or NULL when memory is out or the spec has a count past its bound. Freed by close. */
ray_reader *ray_reader_open(const ray_reader_spec *spec);
void ray_reader_close(ray_reader *reader);

/* Where the next bytes of the log go: at most RAY_READER_SPACE, at least 1 once everything before
 * was read. */
uint8_t *ray_reader_space(ray_reader *reader, uint64_t *capacity);
/* `length` bytes were put there. 0 twice in a row changes nothing. */
void ray_reader_feed(ray_reader *reader, uint64_t length);
/* No more bytes will come: a last line without its line feed counts. */
void ray_reader_end(ray_reader *reader);

/* Reads lines into `block` until it is full (returns 1) or the bytes are used up (returns 0). Rows
 * come as EXCHANGE, with duration_ns set where the log gives a duration; id is the line's number,
 * and the source in bits 48 to 55. */
uint32_t ray_reader_read(ray_reader *reader, ray_reader_block *block);
/* 1 once the end was said and every line was read. */
uint32_t ray_reader_done(const ray_reader *reader);
void ray_reader_stats_read(const ray_reader *reader, ray_reader_stats *out);

/* One time or duration on its own, for tests and for finding out what a column holds. 1 when it
 * parses. */
uint32_t ray_reader_parse_time(const uint8_t *at, uint64_t length, uint32_t unit,
                               uint64_t *unix_ns);
uint32_t ray_reader_parse_duration(const uint8_t *at, uint64_t length, uint32_t unit, uint64_t *ns);
/* IPv4 or IPv6, bare, in brackets, or with a port; 1 when it is an address. */
uint32_t ray_reader_parse_address(const uint8_t *at, uint64_t length, ray_address *out);

#endif
