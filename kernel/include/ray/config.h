/* SPDX-License-Identifier: MIT */
#ifndef RAY_CONFIG_H
#define RAY_CONFIG_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* config: the compiled configuration, one blob, and how it is loaded.
 *
 * Layout, little-endian: header, section table, sections. Sections stand in ascending order of
 * kind, each at most once, each at the next multiple of 8 behind the one before it; what lies
 * between is zero, and a section without rows is left out. Settings and secrets are always there,
 * the secrets are the last bytes. The checksum is CRC-32C over the whole blob with its own field
 * zero. The configuration hash is SHA-256 over everything before the secrets' bytes, with the
 * checksum and length fields zero. The blob's address must be a multiple of 8. A row's place in
 * its section is its id.
 */
enum ray_config_constant {
    RAY_CONFIG_MAGIC = 0x47594152,     /* "RAYG" */
    RAY_CONFIG_VERSION = 1,
    RAY_CONFIG_BYTES_MAX = 4194304
};

enum ray_config_section_kind {
    RAY_SECTION_SETTINGS = 1,          /* one ray_settings_spec */
    RAY_SECTION_PLAN = 2,              /* ray_name each */
    RAY_SECTION_TENANT = 3,            /* ray_tenant_spec each */
    RAY_SECTION_TRUST = 4,             /* ray_network each */
    RAY_SECTION_SERVICE = 10,
    RAY_SECTION_ROUTE = 11,
    RAY_SECTION_DFA = 12,              /* tables back to back, see gateway */
    RAY_SECTION_LIMIT = 20,
    RAY_SECTION_LIMIT_RATE = 21,
    RAY_SECTION_QUOTA = 30,
    RAY_SECTION_QUEUE = 40,            /* one ray_queue_spec */
    RAY_SECTION_SERVICE_QUEUE = 41,    /* ray_service_queue_spec each */
    RAY_SECTION_SLA = 42,              /* ray_sla_spec each */
    RAY_SECTION_POLICY_SET = 50,       /* one ray_policy_set_spec */
    RAY_SECTION_POLICY = 51,           /* ray_policy_spec each */
    RAY_SECTION_POLICY_TERM = 52,      /* ray_policy_term each, by rule */
    RAY_SECTION_POLICY_HEADER = 53,    /* ray_policy_header_spec each, by rule */
    RAY_SECTION_BILLING = 60,          /* one ray_billing_spec */
    RAY_SECTION_COST = 61,             /* ray_cost_spec each: a price book per service */
    RAY_SECTION_COST_MULTIPLIER = 62,  /* ray_cost_multiplier_spec each, by price book, in order */
    RAY_SECTION_COST_TIER = 63,        /* ray_cost_tier_spec each, by price book, ascending */
    RAY_SECTION_COST_ALERT = 64,       /* ray_cost_alert_spec each */
    RAY_SECTION_ALERT = 70,            /* ray_alert_spec each */
    RAY_SECTION_AUTH = 80,             /* one ray_auth_spec */
    RAY_SECTION_ROLE = 81,             /* ray_role_spec each */
    RAY_SECTION_CREDENTIAL = 82,       /* ray_credential_spec each */
    RAY_SECTION_JWT = 83,              /* ray_jwt_spec each: an issuer */
    RAY_SECTION_JWT_KEY = 84,          /* ray_jwt_key_spec each */
    RAY_SECTION_SCHEMA = 90,           /* ray_schema_spec each */
    RAY_SECTION_SCHEMA_NODE = 91,      /* ray_format_node each, by schema */
    RAY_SECTION_TRANSFORM = 92,        /* ray_transform_spec each */
    RAY_SECTION_HEADER_EDIT = 93,      /* ray_header_edit_spec each, by transform */
    RAY_SECTION_ROUTE_TRANSFORM = 94,  /* ray_route_transform_spec each, by route */
    RAY_SECTION_SCHEMA_PROPERTY = 95,  /* ray_format_property each, by schema */
    RAY_SECTION_SCHEMA_VALUE = 96,     /* ray_format_value each, by schema */
    RAY_SECTION_SCHEMA_TEXT = 97,      /* bytes, by schema */
    RAY_SECTION_POOL = 100,            /* ray_pool_spec each */
    RAY_SECTION_INSTANCE = 101,        /* ray_instance_spec each */
    RAY_SECTION_SERVICE_POOL = 102,    /* ray_service_pool_spec each */
    RAY_SECTION_GUARD = 110,           /* ray_guard_spec each: [resilience.SERVICE] */
    /* Always last: 16 bytes of hash seed, then a ray_secret_spec for each jwt key, in order. */
    RAY_SECTION_SECRETS = 0xffff
};

typedef struct ray_config_header {
    uint32_t magic;
    uint32_t version;
    uint32_t length;                   /* of the whole blob */
    uint32_t checksum;
    uint32_t section_count;
    uint32_t reserved;
} ray_config_header;

typedef struct ray_config_section {
    uint32_t kind;
    uint32_t row_bytes;                /* size of one row: must equal the struct's; 1 for bytes */
    uint32_t row_count;
    uint32_t offset;                   /* from the start of the blob */
} ray_config_section;

typedef struct ray_network {
    ray_address address;               /* bits past the prefix are zero */
    uint32_t prefix;                   /* of 128; v4 networks count from 96 */
    uint32_t reserved;
} ray_network;

typedef struct ray_tenant_spec {
    ray_name name;
    uint32_t plan;                     /* place in the plan section, RAY_NONE: none */
    uint32_t reserved;
} ray_tenant_spec;

typedef struct ray_settings_spec {
    uint64_t max_step_ns;              /* clock gate, live; 0: 24 h */
    int32_t utc_offset_minutes;
    uint32_t default_class;            /* enum ray_class */
    uint16_t no_route_status;          /* 404 or another 4xx */
    uint8_t mode;                      /* enum ray_mode, over everything */
    uint8_t no_limit_deny;             /* 1: a request no limit applies to is denied */
    uint8_t client_ip;                 /* 0 the peer, 1 the rightmost untrusted hop */
    uint8_t ratelimit_headers;         /* 0 none, 1 draft-10 */
    uint8_t problem_json;              /* 1: RFC 9457 bodies */
    uint8_t reserved;
    ray_name request_id;               /* header that carries the request id; all zero: none */
} ray_settings_spec;

/* The whole check of bytes from anywhere; changes nothing but *report, which names the first thing
 * that is wrong: section 0 is the header and the table, with `field` an offset in the blob.
 * Refused are a bad frame (RAY_E_TRUNCATED, _CHECKSUM, _VERSION, _SYNTAX), a row no rule allows, a
 * reference to no row, a table that is too large (RAY_E_FULL), and more than RAY_REQUEST_LIMIT_MAX
 * limits or RAY_REQUEST_QUOTA_MAX quotas for one request (RAY_E_FULL). */
ray_status ray_config_check(const uint8_t *blob, uint64_t length, ray_config_report *report);

/* Check, then one swap at now_ns: rows are matched by name, and what did not change keeps its
 * balance; tenants, services and routes of requests in flight follow their names. Raises the
 * epoch, clears edit_count, writes one audit record. The first load of a state that was begun with
 * a zero seed takes the blob's. A refused blob leaves the state equal byte for byte. `now_ns` has
 * passed the clock gate. `secrets` takes the blob's keys with the same swap; NULL: none are kept,
 * and what needs one fails. */
ray_status ray_config_load(struct ray *ray, struct ray_secrets *secrets, uint64_t now_ns,
                           const uint8_t *blob, uint64_t length, ray_config_report *report);

/* Why a blob was refused, in plain words: "limit, row 3, capacity: out of range". "accepted" for
 * RAY_OK. */
void ray_config_reason_text(const ray_config_report *report, ray_text *out);

/* The word of enum ray_config_section_kind, as in the file: "limit"; "header" for 0, "?" for a
 * kind nobody defined. */
const char *ray_config_section_word(uint32_t kind);

#endif
