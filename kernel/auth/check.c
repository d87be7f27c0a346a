/* SPDX-License-Identifier: MIT */
/* check.c - rows from anywhere: what no rule allows is refused, with its section, row and field. */
#include <stddef.h>
#include "parts.h"
#include "base/headers.h"

enum { SECTION_AUTH = 80, SECTION_ROLE = 81, SECTION_CREDENTIAL = 82, SECTION_JWT = 83,
       SECTION_JWT_KEY = 84 };
#define YEARS_100_NS 3155760000000000000ULL

void ray_auth_spec_default(ray_auth_spec *spec)
{
    memset(spec, 0, sizeof *spec);
    spec->lifetime_ns = 3600ULL * RAY_AUTH_NS_PER_S;
    spec->family_ns = 30ULL * 86400 * RAY_AUTH_NS_PER_S;
    spec->introspect_ttl_ns = 60ULL * RAY_AUTH_NS_PER_S;
    spec->inactive_ttl_ns = 5ULL * RAY_AUTH_NS_PER_S;
    ray_name_set(&spec->header, "X-API-Key", 9);
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

/* -- [auth], [role] -- */
/* Keys in the field of Basic and Bearer: whoever showed one would show two, and nobody got in. */
static uint32_t is_authorization(const ray_name *header)
{
    ray_view name = {(const uint8_t *)header->at, ray_name_length(header)};
    return ray_view_is(name, "authorization");
}

static ray_status auth_check(const ray_auth_spec *spec, ray_config_report *report)
{
    const uint64_t times[5] = {spec->lockout_ns, spec->lifetime_ns, spec->family_ns,
                               spec->introspect_ttl_ns, spec->inactive_ttl_ns};
    for (uint32_t i = 0; i < 5; i++)
        if (times[i] > YEARS_100_NS || (i == 1 && times[i] < RAY_AUTH_NS_PER_S))
            return refuse(report, RAY_E_RANGE, SECTION_AUTH, 0, i * sizeof times[0]);
    if (spec->lockout_ns != 0 && (spec->failures == 0 || spec->failures > spec->lockout_ns))
        return refuse(report, RAY_E_RANGE, SECTION_AUTH, 0, offsetof(ray_auth_spec, failures));
    if (spec->key_failures != 0 && spec->key_failures > spec->lockout_ns)
        return refuse(report, RAY_E_RANGE, SECTION_AUTH, 0, offsetof(ray_auth_spec, key_failures));
    if (spec->introspects > 1 || spec->trusts_names > 1)
        return refuse(report, RAY_E_RANGE, SECTION_AUTH, 0, offsetof(ray_auth_spec, introspects));
    if (ray_is_zero(spec->reserved, sizeof spec->reserved) == 0)
        return refuse(report, RAY_E_ARGUMENT, SECTION_AUTH, 0, offsetof(ray_auth_spec, reserved));
    if (!ray_name_valid(&spec->header) || is_authorization(&spec->header) != 0)
        return refuse(report, RAY_E_ARGUMENT, SECTION_AUTH, 0, offsetof(ray_auth_spec, header));
    return RAY_OK;
}

static ray_status roles_check(const ray_auth_rows *rows, const ray_config_counts *counts,
                              ray_config_report *report)
{
    for (uint32_t i = 0; i < counts->role_count; i++) {
        const ray_role_spec *row = &rows->roles[i];
        if (row->service != RAY_NONE && row->service >= counts->service_count)
            return refuse(report, RAY_E_UNKNOWN, SECTION_ROLE, i, offsetof(ray_role_spec, service));
        if (ray_role_spec_fits(row) == 0)
            return refuse(report, RAY_E_ARGUMENT, SECTION_ROLE, i, offsetof(ray_role_spec, role));
        for (uint32_t before = 0; before < i; before++)
            if (rows->roles[before].role == row->role &&
                rows->roles[before].service == row->service)
                return refuse(report, RAY_E_EXISTS, SECTION_ROLE, i, 0);
    }
    return RAY_OK;
}

/* -- credentials -- */
/* The byte offset of the first field no rule allows, RAY_NONE when all is well. */
ray_status ray_credential_check(const ray_credential_spec *spec, uint32_t tenants,
                                uint32_t services, uint32_t *field)
{
    ray_status status = RAY_E_ARGUMENT;
    *field = offsetof(ray_credential_spec, name);
    if (!ray_name_valid(&spec->name))
        return status;
    *field = offsetof(ray_credential_spec, user);
    if (ray_is_zero(&spec->user, sizeof spec->user) == 0 && !ray_name_valid(&spec->user))
        return status;
    *field = offsetof(ray_credential_spec, expires_ns);
    if (spec->expires_ns < 0)
        return RAY_E_RANGE;
    *field = offsetof(ray_credential_spec, tenant);
    if (spec->tenant != RAY_NONE && spec->tenant >= tenants)
        return RAY_E_UNKNOWN;
    *field = offsetof(ray_credential_spec, service);
    if (spec->service != RAY_NONE && (spec->service & RAY_AUTH_SLOT_MASK) >= services)
        return RAY_E_UNKNOWN;
    *field = offsetof(ray_credential_spec, scheme);
    if (spec->scheme < RAY_SCHEME_API_KEY || spec->scheme > RAY_SCHEME_BEARER)
        return status;
    *field = offsetof(ray_credential_spec, role);
    if (spec->role >= RAY_ROLE_MAX)
        return status;
    *field = offsetof(ray_credential_spec, permissions);
    if (spec->permissions > RAY_PERMISSION_ALL)
        return status;
    *field = offsetof(ray_credential_spec, disabled);
    if (spec->disabled > 1 || ray_is_zero(spec->reserved, sizeof spec->reserved) == 0)
        return status;
    *field = offsetof(ray_credential_spec, digest);
    if (ray_is_zero(spec->digest, sizeof spec->digest) != 0 ||
        ray_same(spec->digest[0], spec->digest[1], 32) != 0)
        return status; /* no secret at all, or one twice */
    *field = RAY_NONE;
    return RAY_OK;
}

static uint32_t share_digest(const ray_credential_spec *a, const ray_credential_spec *b)
{
    for (uint32_t i = 0; i < 4; i++)
        if (ray_is_zero(a->digest[i / 2], 32) == 0 &&
            ray_same(a->digest[i / 2], b->digest[i % 2], 32) != 0)
            return 1;
    return 0;
}

static ray_status credentials_check(const ray_auth_rows *rows, const ray_config_counts *counts,
                                    ray_config_report *report)
{
    for (uint32_t i = 0; i < counts->credential_count; i++) {
        const ray_credential_spec *row = &rows->credentials[i];
        uint32_t field;
        ray_status status =
            ray_credential_check(row, counts->tenant_count, counts->service_count, &field);
        if (status == RAY_OK && row->service != RAY_NONE && row->service >= counts->service_count) {
            status = RAY_E_UNKNOWN;
            field = offsetof(ray_credential_spec, service);
        }
        if (status != RAY_OK)
            return refuse(report, status, SECTION_CREDENTIAL, i, field);
        for (uint32_t before = 0; before < i; before++) {
            const ray_credential_spec *other = &rows->credentials[before];
            if (other->scheme != row->scheme)
                continue;
            if (ray_name_same(&other->name, &row->name) != 0)
                return refuse(report, RAY_E_EXISTS, SECTION_CREDENTIAL, i, 0);
            if (row->scheme == RAY_SCHEME_BEARER && share_digest(row, other) != 0)
                return refuse(report, RAY_E_EXISTS, SECTION_CREDENTIAL, i,
                              offsetof(ray_credential_spec, digest));
        }
    }
    return RAY_OK;
}

/* -- issuers and their keys -- */
/* Printable, without what JSON escapes: claims are compared as they stand. */
static uint32_t text_fits(const uint8_t *at, uint32_t length, uint32_t room)
{
    if (length > room || ray_is_zero(at + length, room - length) == 0)
        return 0;
    for (uint32_t i = 0; i < length; i++)
        if (at[i] < 0x20 || at[i] > 0x7e || at[i] == '"' || at[i] == '\\')
            return 0;
    return 1;
}

static ray_status jwt_field(const ray_jwt_spec *spec, const ray_config_counts *counts,
                            uint64_t *field)
{
    *field = offsetof(ray_jwt_spec, name);
    if (!ray_name_valid(&spec->name))
        return RAY_E_ARGUMENT;
    *field = offsetof(ray_jwt_spec, issuer);
    if (text_fits(spec->issuer, spec->issuer_length, sizeof spec->issuer) == 0)
        return RAY_E_ARGUMENT;
    *field = offsetof(ray_jwt_spec, audience);
    if (text_fits(spec->audience, spec->audience_length, sizeof spec->audience) == 0)
        return RAY_E_ARGUMENT;
    const ray_name *claims[3] = {&spec->claim_user, &spec->claim_tenant, &spec->claim_role};
    for (uint32_t i = 0; i < 3; i++) {
        *field = offsetof(ray_jwt_spec, claim_user) + i * sizeof(ray_name);
        if (!ray_name_valid(claims[i]) && (i == 0 || ray_is_zero(claims[i], RAY_NAME_BYTES) == 0))
            return RAY_E_ARGUMENT;
    }
    *field = offsetof(ray_jwt_spec, leeway_ns);
    if (spec->leeway_ns > 3600ULL * RAY_AUTH_NS_PER_S)
        return RAY_E_RANGE;
    *field = offsetof(ray_jwt_spec, lifetime_max_ns);
    if (spec->lifetime_max_ns > YEARS_100_NS)
        return RAY_E_RANGE;
    *field = offsetof(ray_jwt_spec, tenant);
    if (spec->tenant != RAY_NONE && spec->tenant >= counts->tenant_count)
        return RAY_E_UNKNOWN;
    *field = offsetof(ray_jwt_spec, role);
    if (spec->role >= RAY_ROLE_MAX || spec->signs > 1 ||
        ray_is_zero(spec->reserved, sizeof spec->reserved) == 0)
        return RAY_E_ARGUMENT;
    return RAY_OK;
}

static ray_status jwts_check(const ray_auth_rows *rows, const ray_config_counts *counts,
                             ray_config_report *report)
{
    for (uint32_t i = 0; i < counts->jwt_count; i++) {
        uint64_t field;
        ray_status status = jwt_field(&rows->jwts[i], counts, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_JWT, i, field);
        for (uint32_t before = 0; before < i; before++)
            if (ray_name_same(&rows->jwts[before].name, &rows->jwts[i].name) != 0)
                return refuse(report, RAY_E_EXISTS, SECTION_JWT, i, 0);
    }
    return RAY_OK;
}

static ray_status key_field(const ray_jwt_key_spec *key, const ray_config_counts *counts,
                            uint64_t *field)
{
    *field = offsetof(ray_jwt_key_spec, kid);
    if (text_fits(key->kid, key->kid_length, sizeof key->kid) == 0)
        return RAY_E_ARGUMENT;
    *field = offsetof(ray_jwt_key_spec, not_before_ns);
    if (key->not_before_ns < 0)
        return RAY_E_RANGE;
    *field = offsetof(ray_jwt_key_spec, not_after_ns);
    if (key->not_after_ns < 0 ||
        (key->not_after_ns != 0 && key->not_after_ns <= key->not_before_ns))
        return RAY_E_RANGE;
    *field = offsetof(ray_jwt_key_spec, jwt);
    if (key->jwt >= counts->jwt_count)
        return RAY_E_UNKNOWN;
    *field = offsetof(ray_jwt_key_spec, alg);
    if (key->alg < RAY_JWT_HS256 || key->alg > RAY_JWT_ES256)
        return RAY_E_ARGUMENT;
    *field = offsetof(ray_jwt_key_spec, private_known);
    return key->private_known > 1 || key->reserved != 0 ||
                   (key->alg == RAY_JWT_HS256 && key->private_known == 0)
               ? RAY_E_ARGUMENT : RAY_OK;
}

/* One key answers to a kid and algorithm, in the whole file: no token chooses among issuers. */
static ray_status keys_check(const ray_auth_rows *rows, const ray_config_counts *counts,
                             ray_config_report *report)
{
    for (uint32_t i = 0; i < counts->jwt_key_count; i++) {
        const ray_jwt_key_spec *key = &rows->keys[i];
        uint64_t field;
        uint32_t siblings = 0;
        ray_status status = key_field(key, counts, &field);
        if (status != RAY_OK)
            return refuse(report, status, SECTION_JWT_KEY, i, field);
        for (uint32_t before = 0; before < i; before++) {
            const ray_jwt_key_spec *other = &rows->keys[before];
            siblings += other->jwt == key->jwt;
            if (other->alg == key->alg && other->kid_length == key->kid_length &&
                ray_same(other->kid, key->kid, sizeof key->kid) != 0)
                return refuse(report, RAY_E_EXISTS, SECTION_JWT_KEY, i, 0);
        }
        if (siblings >= RAY_JWT_KEY_EACH)
            return refuse(report, RAY_E_FULL, SECTION_JWT_KEY, i, 0);
    }
    return RAY_OK;
}

ray_status ray_auth_check(const ray_auth_rows *rows, const ray_config_counts *counts,
                          ray_config_report *report)
{
    ray_status status = counts->auth_count != 0 ? auth_check(rows->auth, report) : RAY_OK;
    if (status == RAY_OK)
        status = roles_check(rows, counts, report);
    if (status == RAY_OK)
        status = credentials_check(rows, counts, report);
    if (status == RAY_OK)
        status = jwts_check(rows, counts, report);
    return status == RAY_OK ? keys_check(rows, counts, report) : status;
}
