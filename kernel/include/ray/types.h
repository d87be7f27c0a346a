/* SPDX-License-Identifier: MIT */
#ifndef RAY_TYPES_H
#define RAY_TYPES_H
#include <stdint.h>
#include "ray/status.h"
#include "ray/limits.h"
#include "ray/reason.h"

/* types: the few words every header uses.
 *
 * Conventions, once for all of raygate: time is unsigned 64-bit nanoseconds and always the second
 * argument; an id is a handle, slot + (generation << 16), and rows that come from a configuration
 * file have generation 0, so their id is their place in the file; names are 1 to 47 bytes,
 * zero-padded; pointers are never NULL unless a sentence says so; nothing is kept of a caller's
 * memory after a call returns.
 */
enum {
    RAY_NAME_BYTES = 48,
    RAY_NONE = 0xffffffff   /* no id */
};

enum ray_units {
    /* largest amount one request may carry; sums of a few never wrap */
    RAY_UNITS_MAX = 0x0fffffffffffffff
};

enum ray_time {
    RAY_NEVER = 0xffffffffffffffff  /* no instant and no wait is long enough */
};

struct ray;
struct ray_secrets;

typedef struct ray_name {
    char at[RAY_NAME_BYTES];
} ray_name;

/* Client addresses are 128-bit, most significant byte first; an IPv4 address a.b.c.d is
 * ::ffff:a.b.c.d. */
typedef struct ray_address {
    uint8_t at[16];
} ray_address;

/* Names as rows somewhere else: `count` of them, `stride` bytes apart; a free row's is empty. */
typedef struct ray_names {
    const uint8_t *at;
    uint64_t stride;
    uint64_t count;
} ray_names;

/* Bytes of the caller's, borrowed for one call. */
typedef struct ray_view {
    const uint8_t *at;
    uint64_t length;
} ray_view;

/* HTTP methods by number; RAY_METHOD_OTHER is any the gateway answers with 501. */
enum ray_method {
    RAY_METHOD_OTHER = 0,
    RAY_METHOD_GET = 1,
    RAY_METHOD_HEAD = 2,
    RAY_METHOD_POST = 3,
    RAY_METHOD_PUT = 4,
    RAY_METHOD_DELETE = 5,
    RAY_METHOD_PATCH = 6,
    RAY_METHOD_OPTIONS = 7,
    RAY_METHOD_MAX = 8
};
const char *ray_method_word(uint32_t method);    /* "?" for a number nobody defined */
uint32_t ray_method_of(const char *at, uint64_t length);

enum ray_class {
    RAY_CLASS_CRITICAL = 0,
    RAY_CLASS_HIGH = 1,
    RAY_CLASS_NORMAL = 2,
    RAY_CLASS_LOW = 3,
    RAY_CLASS_BATCH = 4,
    RAY_CLASS_MAX = 5,
    RAY_CLASS_DEFAULT = 255   /* whatever the configuration's [defaults] says */
};

/* Who a request acts as; the four that are built in. */
enum ray_role {
    RAY_ROLE_NONE = 0,            /* known to have none */
    RAY_ROLE_ADMIN = 1,
    RAY_ROLE_SERVICE_ACCOUNT = 2,
    RAY_ROLE_USER = 3,
    RAY_ROLE_GUEST = 4,
    RAY_ROLE_MAX = 5
};
/* Stable words; the second of one bit of enum ray_permission, 0: whatever the method takes. */
const char *ray_role_word(uint32_t role);
const char *ray_permission_word(uint32_t permission);
const char *ray_need_word(uint32_t need);        /* of enum ray_auth_need, what a route asks */
/* RAY_NONE for a word that is none. */
uint32_t ray_role_of(const char *at, uint64_t length);

/* enforce decides; shadow is asked and reported but never decides; off is not asked. */
enum ray_mode {
    RAY_MODE_ENFORCE = 0,
    RAY_MODE_SHADOW = 1,
    RAY_MODE_OFF = 2
};

/* Where and why a blob was refused. Plain words come from ray_config_reason_text. */
typedef struct ray_config_report {
    ray_status status;
    uint32_t section;                  /* enum ray_config_section_kind, 0: the header */
    uint32_t row;
    uint32_t field;                    /* byte offset of the field in its row */
    uint32_t kept_count;               /* rows that kept their balance */
    uint32_t reset_count;              /* rows that changed and were clamped or begun anew */
    uint8_t hash[32];                  /* SHA-256, valid when the checksum held */
} ray_config_report;

/* How many rows the blob has of what others refer to; handed to every module's check. */
typedef struct ray_config_counts {
    uint32_t plan_count;
    uint32_t tenant_count;
    uint32_t service_count;
    uint32_t route_count;
    uint32_t dfa_bytes;
    uint32_t limit_count;
    uint32_t limit_rate_count;
    uint32_t quota_count;
    uint32_t queue_count; /* 0 or 1 */
    uint32_t service_queue_count;
    uint32_t sla_count;
    uint32_t policy_set_count;
    uint32_t policy_count;
    uint32_t policy_term_count;
    uint32_t policy_header_count;
    uint32_t billing_count; /* 0 or 1 */
    uint32_t cost_count;
    uint32_t cost_multiplier_count;
    uint32_t cost_tier_count;
    uint32_t cost_alert_count;
    uint32_t alert_count;
    uint32_t pool_count;
    uint32_t instance_count;
    uint32_t service_pool_count;
    uint32_t guard_count;
    uint32_t schema_count;
    uint32_t schema_node_count;
    uint32_t schema_property_count;
    uint32_t schema_value_count;
    uint32_t schema_text_bytes;
    uint32_t transform_count;
    uint32_t header_edit_count;
    uint32_t route_transform_count;
    uint32_t auth_count; /* 0 or 1 */
    uint32_t role_count;
    uint32_t credential_count;
    uint32_t jwt_count;
    uint32_t jwt_key_count;
} ray_config_counts;

#endif
