/* SPDX-License-Identifier: MIT */
/* config.c - a blob from anywhere: frame and hash, why it was refused, and the swap that keeps
 * balances. */
#include <stddef.h>
#include "pipeline/config_blob.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/sha256.h"

/* -- the frame -- */
typedef struct section_law {
    const char *word;
    uint32_t kind;
    uint32_t row_bytes;
    uint32_t row_max;
} section_law;

enum { SECTION_KINDS = 12, SEED_BYTES = 16 };

static const section_law section_laws[SECTION_KINDS] = {
    {"settings", RAY_SECTION_SETTINGS, sizeof(ray_settings_spec), 1},
    {"plan", RAY_SECTION_PLAN, sizeof(ray_name), RAY_PLAN_MAX},
    {"tenant", RAY_SECTION_TENANT, sizeof(ray_tenant_spec), RAY_TENANT_MAX},
    {"trust", RAY_SECTION_TRUST, sizeof(ray_network), RAY_TRUST_MAX},
    {"service", RAY_SECTION_SERVICE, sizeof(ray_service_spec), RAY_SERVICE_MAX},
    {"route", RAY_SECTION_ROUTE, sizeof(ray_route_spec), RAY_ROUTE_MAX},
    {"dfa", RAY_SECTION_DFA, 1, RAY_DFA_POOL_BYTES},
    {"limit", RAY_SECTION_LIMIT, sizeof(ray_limit_spec), RAY_LIMIT_MAX},
    {"limit rate", RAY_SECTION_LIMIT_RATE, sizeof(ray_limit_rate_spec), RAY_LIMIT_RATE_MAX},
    {"quota", RAY_SECTION_QUOTA, sizeof(ray_quota_spec), RAY_QUOTA_ALLOCATION_MAX},
    {"alert", RAY_SECTION_ALERT, sizeof(ray_alert_spec), RAY_ALERT_RULE_MAX},
    {"secrets", RAY_SECTION_SECRETS, 1, SEED_BYTES},
};

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

static void place_section(ray_config_blob *blob, uint32_t kind, const void *at, uint32_t count)
{
    switch ((enum ray_config_section_kind)kind) {
    case RAY_SECTION_SETTINGS: blob->settings = at; break;
    case RAY_SECTION_PLAN: blob->plans = at; blob->counts.plan_count = count; break;
    case RAY_SECTION_TENANT: blob->tenants = at; blob->counts.tenant_count = count; break;
    case RAY_SECTION_TRUST: blob->networks = at; blob->network_count = count; break;
    case RAY_SECTION_SERVICE: blob->services = at; blob->counts.service_count = count; break;
    case RAY_SECTION_ROUTE: blob->routes = at; blob->counts.route_count = count; break;
    case RAY_SECTION_DFA:
        blob->tables = (ray_view){at, count};
        blob->counts.dfa_bytes = count;
        break;
    case RAY_SECTION_LIMIT: blob->limits = at; blob->counts.limit_count = count; break;
    case RAY_SECTION_LIMIT_RATE: blob->rates = at; blob->counts.limit_rate_count = count; break;
    case RAY_SECTION_QUOTA: blob->quotas = at; blob->counts.quota_count = count; break;
    case RAY_SECTION_QUEUE:
    case RAY_SECTION_SERVICE_QUEUE:
    case RAY_SECTION_SLA: break;
    case RAY_SECTION_POLICY_SET:
    case RAY_SECTION_POLICY:
    case RAY_SECTION_POLICY_TERM:
    case RAY_SECTION_POLICY_HEADER: break;
    case RAY_SECTION_BILLING:
    case RAY_SECTION_COST:
    case RAY_SECTION_COST_MULTIPLIER:
    case RAY_SECTION_COST_TIER:
    case RAY_SECTION_COST_ALERT: break;
    case RAY_SECTION_ALERT: blob->alerts = at; blob->counts.alert_count = count; break;
    case RAY_SECTION_SECRETS: blob->seed = at; break;
    }
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
    place_section(blob, section.kind, at + section.offset, section.row_count);
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
    if (blob->settings == NULL)
        return refuse(report, RAY_E_SYNTAX, RAY_SECTION_SETTINGS, 0, 0);
    if (blob->seed == NULL || walk.end != length ||
        (uint64_t)(at + length - blob->seed) != SEED_BYTES)
        return refuse(report, RAY_E_SYNTAX, RAY_SECTION_SECRETS, 0, 0);
    return RAY_OK;
}

/* An absent section's pointer is never read, but it is never NULL either. */
static void fill_absent(const void *at, ray_config_blob *blob)
{
    blob->plans = blob->plans != NULL ? blob->plans : at;
    blob->tenants = blob->tenants != NULL ? blob->tenants : at;
    blob->networks = blob->networks != NULL ? blob->networks : at;
    blob->services = blob->services != NULL ? blob->services : at;
    blob->routes = blob->routes != NULL ? blob->routes : at;
    blob->tables.at = blob->tables.at != NULL ? blob->tables.at : at;
    blob->limits = blob->limits != NULL ? blob->limits : at;
    blob->rates = blob->rates != NULL ? blob->rates : at;
    blob->quotas = blob->quotas != NULL ? blob->quotas : at;
    blob->alerts = blob->alerts != NULL ? blob->alerts : at;
}

ray_status ray_config_blob_check(const uint8_t *at, uint64_t length, ray_config_blob *blob,
                                 ray_config_report *report)
{
    memset(report, 0, sizeof *report);
    memset(blob, 0, sizeof *blob);
    ray_status status = header_check(at, length, report);
    if (status != RAY_OK)
        return status;
    status = table_check(at, length, blob, report);
    if (status != RAY_OK)
        return status;
    fill_absent(at, blob);
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

/* -- the swap -- */
/* Where `name` stands among `count` names `stride` bytes apart; the place it had before is tried
 * first, because most reloads move nothing. */
static uint32_t place_of(const ray_name *name, const void *names, uint64_t stride, uint32_t count,
                         uint32_t before)
{
    const uint8_t *at = names;
    if (before < count && ray_same(at + before * stride, name, sizeof *name))
        return before;
    for (uint32_t i = 0; i < count; i++)
        if (ray_same(at + i * stride, name, sizeof *name))
            return i;
    return RAY_NONE;
}

/* Requests in flight keep their names while tenants, services and routes change places. */
static void move_slot(const struct ray *ray, const ray_config_blob *blob, ray_inflight_slot *slot)
{
    const ray_gateway_config *old = &ray->gateway.config;
    const ray_config_counts *counts = &blob->counts;
    uint32_t service = slot->service & 0xffffU, route = slot->route & 0xffffU;
    uint32_t service_lives = slot->service != RAY_NONE && service < RAY_SERVICE_MAX &&
                             old->service_generation[service] == slot->service >> 16;
    uint32_t route_lives = slot->route != RAY_NONE && route < RAY_ROUTE_MAX &&
                           old->route_generation[route] == slot->route >> 16;
    if (slot->tenant < ray->who.tenant_count)
        slot->tenant = place_of(&ray->who.tenant[slot->tenant].name, blob->tenants,
                                sizeof *blob->tenants, counts->tenant_count, slot->tenant);
    slot->service = RAY_NONE;
    if (service_lives)
        slot->service = place_of(&old->service[service].name, blob->services,
                                 sizeof *blob->services, counts->service_count, service);
    slot->route = RAY_NONE;
    if (route_lives)
        slot->route = place_of(&old->route[route].name, blob->routes, sizeof *blob->routes,
                               counts->route_count, route);
}

static void move_in_flight(struct ray *ray, const ray_config_blob *blob)
{
    for (uint32_t i = 0; i < ray->inflight.used; i++)
        if (ray->inflight.slot[i].phase != RAY_PHASE_FREE)
            move_slot(ray, blob, &ray->inflight.slot[i]);
}

/* The seed of a state nobody has used yet comes with its first configuration, unless its owner
 * brought one. */
static void take_seed(struct ray *ray, const ray_config_blob *blob)
{
    if (ray->who.epoch != 0 || ray->seq != 0 || ray->inflight.count != 0 ||
        !ray_is_zero(ray->who.seed, sizeof ray->who.seed))
        return;
    memcpy(ray->who.seed, blob->seed, sizeof ray->who.seed);
    ray_gateway_init(&ray->gateway, blob->seed);
    ray_ratelimit_init(&ray->ratelimit, blob->seed);
    ray_quota_init(&ray->quota, blob->seed);
    ray_governance_init(&ray->governance, blob->seed);
}

static void load_who(struct ray *ray, const ray_config_blob *blob, const ray_config_report *report)
{
    ray_who *who = &ray->who;
    const ray_config_counts *counts = &blob->counts;
    memset(who->tenant, 0, sizeof who->tenant);
    memset(who->plan, 0, sizeof who->plan);
    memset(who->trust, 0, sizeof who->trust);
    memcpy(who->tenant, blob->tenants, counts->tenant_count * sizeof *blob->tenants);
    memcpy(who->plan, blob->plans, counts->plan_count * sizeof *blob->plans);
    memcpy(who->trust, blob->networks, blob->network_count * sizeof *blob->networks);
    who->tenant_count = counts->tenant_count;
    who->plan_count = counts->plan_count;
    who->trust_count = blob->network_count;
    who->settings = *blob->settings;
    ray->clock.max_step_ns = blob->settings->max_step_ns;
    memcpy(who->config_hash, report->hash, sizeof who->config_hash);
    who->epoch++;
    who->edit_count = 0;
}

static ray_quota_names names_at(const void *at, uint64_t stride, uint32_t count)
{
    ray_quota_names names = {at, stride, count};
    return names;
}

/* Before the gateway loads: its rows are still the old ones. */
static void load_governance(struct ray *ray, uint64_t now_ns, const ray_config_blob *blob,
                            ray_config_report *report)
{
    const ray_config_counts *counts = &blob->counts;
    const ray_gateway_config *old = &ray->gateway.config;
    const ray_who *who = &ray->who;
    const ray_governance_names services[2] = {
        {(const uint8_t *)old->service, sizeof old->service[0], RAY_SERVICE_MAX},
        {(const uint8_t *)blob->services, sizeof *blob->services, counts->service_count}};
    const ray_governance_names tenants[2] = {
        {(const uint8_t *)who->tenant, sizeof who->tenant[0], who->tenant_count},
        {(const uint8_t *)blob->tenants, sizeof *blob->tenants, counts->tenant_count}};
    ray_governance_services_move(&ray->governance, &services[0], &services[1]);
    ray_governance_tenants_move(&ray->governance, &tenants[0], &tenants[1]);
    ray_governance_load(&ray->governance, now_ns, blob->alerts, counts, report);
}

static void load_modules(struct ray *ray, uint64_t now_ns, const ray_config_blob *blob,
                         ray_config_report *report)
{
    const ray_config_counts *counts = &blob->counts;
    const ray_who *who = &ray->who;
    int64_t wall_ns = ray->clock.wall_offset_ns;
    ray_quota_names old = names_at(who->tenant, sizeof who->tenant[0], who->tenant_count);
    ray_quota_names new = names_at(blob->tenants, sizeof *blob->tenants, counts->tenant_count);
    ray_quota_tenants_move(&ray->quota, &old, &new);
    old = names_at(who->plan, sizeof who->plan[0], who->plan_count);
    new = names_at(blob->plans, sizeof *blob->plans, counts->plan_count);
    ray_quota_plans_move(&ray->quota, &old, &new);
    ray_ratelimit_load(&ray->ratelimit, now_ns, wall_ns, blob->limits, blob->rates, counts, report);
    ray_quota_load(&ray->quota, now_ns, wall_ns, blob->quotas, counts, report);
    load_governance(ray, now_ns, blob, report);
    ray_gateway_load(&ray->gateway, now_ns, wall_ns, blob->services, blob->routes, blob->tables,
                     counts, report);
}

ray_status ray_config_load(struct ray *ray, uint64_t now_ns, const uint8_t *blob, uint64_t length,
                           ray_config_report *report)
{
    ray_config_blob parts;
    ray_status status = ray_config_blob_check(blob, length, &parts, report);
    if (status != RAY_OK)
        return status;
    if (ray->state_version != RAY_STATE_VERSION || ray->profile != RAY_PROFILE)
        return refuse_at(report, RAY_E_VERSION, 0);
    take_seed(ray, &parts);
    move_in_flight(ray, &parts);
    load_modules(ray, now_ns, &parts, report);
    load_who(ray, &parts, report);
    ray_audit_record record = {.at_ns = now_ns, .seq = RAY_NEVER, .before = report->kept_count,
                               .after = report->reset_count, .by_id = RAY_NONE,
                               .what = RAY_AUDIT_LOAD, .who = RAY_WHO_CONFIG};
    ray_audit_add(ray, &record);
    return RAY_OK;
}

const char *ray_config_section_word(uint32_t kind)
{
    const section_law *law = law_of(kind);
    return kind == 0 ? "header" : law != NULL ? law->word : "?";
}
