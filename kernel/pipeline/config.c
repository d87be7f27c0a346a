/* SPDX-License-Identifier: MIT */
/* config.c - a blob from anywhere: frame and hash, why it was refused, and the swap that keeps
 * balances. */
#include <stddef.h>
#include "pipeline/config_blob.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/sha256.h"

/* -- the frame -- */
/* Where a section's rows and their number go: offsets in ray_config_blob. */
typedef struct section_law {
    const char *word;
    uint32_t kind;
    uint32_t row_bytes;
    uint32_t row_max;
    uint16_t at;
    uint16_t count_at;
} section_law;

enum {
    SEED_BYTES = 16,
    SECRETS_BYTES_MAX = SEED_BYTES + RAY_JWT_KEY_MAX * (int)sizeof(ray_secret_spec)
};

#define COUNTED(member, count) \
    (uint16_t)offsetof(ray_config_blob, member), (uint16_t)offsetof(ray_config_blob, count)

static const section_law section_laws[] = {
    {"settings", RAY_SECTION_SETTINGS, sizeof(ray_settings_spec), 1,
     COUNTED(settings, settings_count)},
    {"plan", RAY_SECTION_PLAN, sizeof(ray_name), RAY_PLAN_MAX, COUNTED(plans, counts.plan_count)},
    {"tenant", RAY_SECTION_TENANT, sizeof(ray_tenant_spec), RAY_TENANT_MAX,
     COUNTED(tenants, counts.tenant_count)},
    {"trust", RAY_SECTION_TRUST, sizeof(ray_network), RAY_TRUST_MAX,
     COUNTED(networks, network_count)},
    {"service", RAY_SECTION_SERVICE, sizeof(ray_service_spec), RAY_SERVICE_MAX,
     COUNTED(services, counts.service_count)},
    {"route", RAY_SECTION_ROUTE, sizeof(ray_route_spec), RAY_ROUTE_MAX,
     COUNTED(routes, counts.route_count)},
    {"dfa", RAY_SECTION_DFA, 1, RAY_DFA_POOL_BYTES, COUNTED(tables.at, counts.dfa_bytes)},
    {"limit", RAY_SECTION_LIMIT, sizeof(ray_limit_spec), RAY_LIMIT_MAX,
     COUNTED(limits, counts.limit_count)},
    {"limit rate", RAY_SECTION_LIMIT_RATE, sizeof(ray_limit_rate_spec), RAY_LIMIT_RATE_MAX,
     COUNTED(rates, counts.limit_rate_count)},
    {"quota", RAY_SECTION_QUOTA, sizeof(ray_quota_spec), RAY_QUOTA_ALLOCATION_MAX,
     COUNTED(quotas, counts.quota_count)},
    {"queue", RAY_SECTION_QUEUE, sizeof(ray_queue_spec), 1,
     COUNTED(queues.queue, counts.queue_count)},
    {"queue service", RAY_SECTION_SERVICE_QUEUE, sizeof(ray_service_queue_spec), RAY_SERVICE_MAX,
     COUNTED(queues.services, counts.service_queue_count)},
    {"sla", RAY_SECTION_SLA, sizeof(ray_sla_spec), RAY_SERVICE_MAX,
     COUNTED(queues.slas, counts.sla_count)},
    {"policy set", RAY_SECTION_POLICY_SET, sizeof(ray_policy_set_spec), 1,
     COUNTED(policies.set, counts.policy_set_count)},
    {"policy", RAY_SECTION_POLICY, sizeof(ray_policy_spec), RAY_POLICY_MAX,
     COUNTED(policies.rule, counts.policy_count)},
    {"policy term", RAY_SECTION_POLICY_TERM, sizeof(ray_policy_term), RAY_POLICY_TERM_MAX,
     COUNTED(policies.term, counts.policy_term_count)},
    {"policy header", RAY_SECTION_POLICY_HEADER, sizeof(ray_policy_header_spec),
     RAY_POLICY_HEADER_MAX, COUNTED(policies.header, counts.policy_header_count)},
    {"billing", RAY_SECTION_BILLING, sizeof(ray_billing_spec), 1,
     COUNTED(cost.billing, counts.billing_count)},
    {"cost", RAY_SECTION_COST, sizeof(ray_cost_spec), RAY_SERVICE_MAX,
     COUNTED(cost.books, counts.cost_count)},
    {"cost multiplier", RAY_SECTION_COST_MULTIPLIER, sizeof(ray_cost_multiplier_spec),
     RAY_COST_MULTIPLIER_MAX, COUNTED(cost.multipliers, counts.cost_multiplier_count)},
    {"cost tier", RAY_SECTION_COST_TIER, sizeof(ray_cost_tier_spec), RAY_COST_TIER_MAX,
     COUNTED(cost.tiers, counts.cost_tier_count)},
    {"cost alert", RAY_SECTION_COST_ALERT, sizeof(ray_cost_alert_spec), RAY_COST_ALERT_MAX,
     COUNTED(cost.alerts, counts.cost_alert_count)},
    {"alert", RAY_SECTION_ALERT, sizeof(ray_alert_spec), RAY_ALERT_RULE_MAX,
     COUNTED(alerts, counts.alert_count)},
    {"pool", RAY_SECTION_POOL, sizeof(ray_pool_spec), RAY_POOL_MAX,
     COUNTED(pools.pools, counts.pool_count)},
    {"instance", RAY_SECTION_INSTANCE, sizeof(ray_instance_spec), RAY_INSTANCE_MAX,
     COUNTED(pools.instances, counts.instance_count)},
    {"service pool", RAY_SECTION_SERVICE_POOL, sizeof(ray_service_pool_spec), RAY_SERVICE_MAX,
     COUNTED(pools.services, counts.service_pool_count)},
    {"resilience", RAY_SECTION_GUARD, sizeof(ray_guard_spec), RAY_SERVICE_MAX,
     COUNTED(guards, counts.guard_count)},
    {"schema", RAY_SECTION_SCHEMA, sizeof(ray_schema_spec), RAY_SCHEMA_MAX,
     COUNTED(mediation.schemas, counts.schema_count)},
    {"schema node", RAY_SECTION_SCHEMA_NODE, sizeof(ray_format_node), RAY_SCHEMA_NODE_MAX,
     COUNTED(mediation.nodes, counts.schema_node_count)},
    {"transform", RAY_SECTION_TRANSFORM, sizeof(ray_transform_spec), RAY_TRANSFORM_MAX,
     COUNTED(mediation.transforms, counts.transform_count)},
    {"header edit", RAY_SECTION_HEADER_EDIT, sizeof(ray_header_edit_spec), RAY_HEADER_EDIT_MAX,
     COUNTED(mediation.edits, counts.header_edit_count)},
    {"route transform", RAY_SECTION_ROUTE_TRANSFORM, sizeof(ray_route_transform_spec),
     RAY_ROUTE_MAX, COUNTED(mediation.routes, counts.route_transform_count)},
    {"schema property", RAY_SECTION_SCHEMA_PROPERTY, sizeof(ray_format_property),
     RAY_SCHEMA_PROPERTY_MAX, COUNTED(mediation.properties, counts.schema_property_count)},
    {"schema value", RAY_SECTION_SCHEMA_VALUE, sizeof(ray_format_value), RAY_SCHEMA_VALUE_MAX,
     COUNTED(mediation.values, counts.schema_value_count)},
    {"schema text", RAY_SECTION_SCHEMA_TEXT, 1, RAY_SCHEMA_TEXT_BYTES,
     COUNTED(mediation.text, counts.schema_text_bytes)},
    {"auth", RAY_SECTION_AUTH, sizeof(ray_auth_spec), 1, COUNTED(auth.auth, counts.auth_count)},
    {"role", RAY_SECTION_ROLE, sizeof(ray_role_spec), RAY_ROLE_MAX * (RAY_SERVICE_MAX + 1),
     COUNTED(auth.roles, counts.role_count)},
    {"credential", RAY_SECTION_CREDENTIAL, sizeof(ray_credential_spec), RAY_CREDENTIAL_MAX,
     COUNTED(auth.credentials, counts.credential_count)},
    {"jwt", RAY_SECTION_JWT, sizeof(ray_jwt_spec), RAY_JWT_MAX,
     COUNTED(auth.jwts, counts.jwt_count)},
    {"jwt key", RAY_SECTION_JWT_KEY, sizeof(ray_jwt_key_spec), RAY_JWT_KEY_MAX,
     COUNTED(auth.keys, counts.jwt_key_count)},
    {"secrets", RAY_SECTION_SECRETS, 1, SECRETS_BYTES_MAX, COUNTED(seed, seed_count)},
};
enum { SECTION_KINDS = sizeof section_laws / sizeof section_laws[0] };

static const section_law *law_of(uint32_t kind)
{
    for (uint32_t i = 0; i < SECTION_KINDS; i++)
        if (section_laws[i].kind == kind)
            return &section_laws[i];
    return NULL;
}

static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint64_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = (uint32_t)field;
    return status;
}

/* What is wrong with the header or the table: where it stands in the blob says it all. */
static ray_status refuse_at(ray_config_report *report, ray_status status, uint64_t offset)
{
    return refuse(report, status, 0, 0, offset);
}

/* CRC-32C and SHA-256 both see a header whose own fields are zero; only the copy is changed. */
static uint32_t checksum_of(const uint8_t *at, uint64_t length)
{
    ray_config_header header;
    memcpy(&header, at, sizeof header);
    header.checksum = 0;
    uint32_t sum = ray_crc32c(0, (const uint8_t *)&header, sizeof header);
    return ray_crc32c(sum, at + sizeof header, length - sizeof header);
}

static void hash_of(const uint8_t *at, uint64_t public_length, uint8_t digest[32])
{
    ray_config_header header;
    ray_sha256 hash;
    memcpy(&header, at, sizeof header);
    header.checksum = 0;
    header.length = 0;
    ray_sha256_init(&hash);
    ray_sha256_add(&hash, (const uint8_t *)&header, sizeof header);
    ray_sha256_add(&hash, at + sizeof header, public_length - sizeof header);
    ray_sha256_end(&hash, digest);
}

static ray_status header_check(const uint8_t *at, uint64_t length, ray_config_report *report)
{
    ray_config_header header;
    if (((uintptr_t)at & 7U) != 0)
        return refuse_at(report, RAY_E_ARGUMENT, 0);
    if (length < sizeof header)
        return refuse_at(report, RAY_E_TRUNCATED, offsetof(ray_config_header, length));
    memcpy(&header, at, sizeof header);
    if (header.magic != RAY_CONFIG_MAGIC)
        return refuse_at(report, RAY_E_SYNTAX, offsetof(ray_config_header, magic));
    if (header.version != RAY_CONFIG_VERSION)
        return refuse_at(report, RAY_E_VERSION, offsetof(ray_config_header, version));
    if (length > RAY_CONFIG_BYTES_MAX)
        return refuse_at(report, RAY_E_RANGE, offsetof(ray_config_header, length));
    if (header.length != length)
        return refuse_at(report, RAY_E_TRUNCATED, offsetof(ray_config_header, length));
    if (header.checksum != checksum_of(at, length))
        return refuse_at(report, RAY_E_CHECKSUM, offsetof(ray_config_header, checksum));
    if (header.reserved != 0)
        return refuse_at(report, RAY_E_ARGUMENT, offsetof(ray_config_header, reserved));
    if (header.section_count < 2 || header.section_count > SECTION_KINDS ||
        length < sizeof header + (uint64_t)header.section_count * sizeof(ray_config_section))
        return refuse_at(report, RAY_E_SYNTAX, offsetof(ray_config_header, section_count));
    return RAY_OK;
}

static void place_section(ray_config_blob *blob, const section_law *law, const void *at,
                          uint32_t count)
{
    memcpy((uint8_t *)blob + law->at, &at, sizeof at);
    memcpy((uint8_t *)blob + law->count_at, &count, sizeof count);
}

/* Where a walk over the table stands. */
typedef struct table_walk {
    uint64_t end;          /* of the section before */
    uint32_t kind;         /* of the section before */
    uint32_t index;
} table_walk;

/* One entry of the table, and the zeros between the section before and this one. */
static ray_status section_check(const uint8_t *at, uint64_t length, table_walk *walk,
                                ray_config_blob *blob, ray_config_report *report)
{
    ray_config_section section;
    uint64_t entry = sizeof(ray_config_header) + (uint64_t)walk->index * sizeof section;
    memcpy(&section, at + entry, sizeof section);
    const section_law *law = law_of(section.kind);
    if (law == NULL || section.kind <= walk->kind)
        return refuse_at(report, RAY_E_SYNTAX, entry + offsetof(ray_config_section, kind));
    if (section.row_bytes != law->row_bytes)
        return refuse_at(report, RAY_E_VERSION, entry + offsetof(ray_config_section, row_bytes));
    if (section.row_count == 0)
        return refuse_at(report, RAY_E_SYNTAX, entry + offsetof(ray_config_section, row_count));
    if (section.row_count > law->row_max)
        return refuse(report, RAY_E_FULL, section.kind, law->row_max, 0);
    if (section.offset != ((walk->end + 7) & ~(uint64_t)7))
        return refuse_at(report, RAY_E_SYNTAX, entry + offsetof(ray_config_section, offset));
    uint64_t end = section.offset + (uint64_t)section.row_count * section.row_bytes;
    if (end > length)
        return refuse_at(report, RAY_E_TRUNCATED, entry + offsetof(ray_config_section, row_count));
    if (!ray_is_zero(at + walk->end, section.offset - walk->end))
        return refuse_at(report, RAY_E_SYNTAX, walk->end);
    place_section(blob, law, at + section.offset, section.row_count);
    walk->end = end;
    walk->kind = section.kind;
    return RAY_OK;
}

static ray_status table_check(const uint8_t *at, uint64_t length, ray_config_blob *blob,
                              ray_config_report *report)
{
    ray_config_header header;
    memcpy(&header, at, sizeof header);
    uint64_t table_bytes = (uint64_t)header.section_count * sizeof(ray_config_section);
    table_walk walk = {.end = sizeof header + table_bytes};
    for (; walk.index < header.section_count; walk.index++) {
        ray_status status = section_check(at, length, &walk, blob, report);
        if (status != RAY_OK)
            return status;
    }
    if (blob->settings_count == 0)
        return refuse(report, RAY_E_SYNTAX, RAY_SECTION_SETTINGS, 0, 0);
    if (blob->seed_count < SEED_BYTES || walk.end != length)
        return refuse(report, RAY_E_SYNTAX, RAY_SECTION_SECRETS, 0, 0);
    return RAY_OK;
}

/* An absent section's pointer is never read, but it is never NULL either. */
static void begin_absent(const void *at, ray_config_blob *blob)
{
    memset(blob, 0, sizeof *blob);
    for (uint32_t i = 0; i < SECTION_KINDS; i++)
        place_section(blob, &section_laws[i], at, 0);
}

ray_status ray_config_blob_check(const uint8_t *at, uint64_t length, ray_config_blob *blob,
                                 ray_config_report *report)
{
    memset(report, 0, sizeof *report);
    begin_absent(at, blob);
    ray_status status = header_check(at, length, report);
    if (status != RAY_OK)
        return status;
    status = table_check(at, length, blob, report);
    if (status != RAY_OK)
        return status;
    blob->tables.length = blob->counts.dfa_bytes;
    hash_of(at, (uint64_t)(blob->seed - at), report->hash);
    status = ray_config_rows_check(blob, report);
    report->status = status;
    return status;
}

ray_status ray_config_check(const uint8_t *blob, uint64_t length, ray_config_report *report)
{
    ray_config_blob parts;
    return ray_config_blob_check(blob, length, &parts, report);
}

/* -- words -- */
const char *ray_config_section_word(uint32_t kind)
{
    const section_law *law = law_of(kind);
    return kind == 0 ? "header" : law != NULL ? law->word : "?";
}
