/* SPDX-License-Identifier: MIT */
/* claims.c - a token's JSON (RFC 8259, RFC 7515 4), by the reader that bodies go through: a token
 * that two readers could read differently is none. */
#include "claims.h"
#include "base/base64.h"
#include "base/json.h"

/* -- reading -- */
/* One item, and no name that hides behind an escape: other readers look for names by their bytes.
 * RAY_JSON_ERROR for what is not so. */
static uint32_t next(ray_json *json, ray_json_item *item)
{
    uint32_t kind = ray_json_next(json, item);
    return kind == RAY_JSON_NAME && item->escaped != 0 ? (uint32_t)RAY_JSON_ERROR : kind;
}

static uint16_t place_of(const ray_json *json, const uint8_t *at)
{
    return (uint16_t)(at - json->at);
}

/* The value behind an outermost name, all of it: 0 when it is none. */
static uint32_t read_value(ray_json *json, ray_json_item *item, ray_claim *claim)
{
    uint32_t kind = next(json, item);
    uint64_t from = json->place - 1;
    claim->kind = (uint16_t)kind;
    claim->escaped = (uint16_t)(kind == RAY_JSON_STRING && item->escaped != 0);
    if (kind == RAY_JSON_STRING || kind == RAY_JSON_NUMBER) {
        claim->value_at = place_of(json, item->text.at);
        claim->value_length = (uint16_t)item->text.length;
        return 1;
    }
    while (json->depth > 1 && kind != RAY_JSON_ERROR)
        kind = next(json, item);
    claim->value_at = (uint16_t)from;
    claim->value_length = (uint16_t)(json->place - from);
    return kind != RAY_JSON_ERROR;
}

uint32_t ray_claims_read(ray_view base64url, uint8_t scratch[RAY_SECRETS_SCRATCH_BYTES],
                         ray_claims *out)
{
    ray_json_member members[RAY_CLAIM_MAX];
    ray_json json;
    ray_json_item item;
    uint32_t length =
        ray_base64_letters(base64url, '-', '_', scratch, RAY_SECRETS_SCRATCH_BYTES);
    out->at = scratch;
    out->count = 0;
    if (length == RAY_NONE)
        return 0;
    ray_json_init(&json, (ray_view){scratch, length}, members, RAY_CLAIM_MAX);
    if (next(&json, &item) != RAY_JSON_OBJECT)
        return 0;
    while (next(&json, &item) == RAY_JSON_NAME) {
        ray_claim *claim = &out->claim[out->count];
        if (out->count++ == RAY_CLAIM_MAX)
            return 0;
        claim->name_at = place_of(&json, item.text.at);
        claim->name_length = (uint16_t)item.text.length;
        if (read_value(&json, &item, claim) == 0)
            return 0;
    }
    return item.kind == RAY_JSON_OBJECT_END && next(&json, &item) == RAY_JSON_END;
}

/* -- finding -- */
const ray_claim *ray_claims_find(const ray_claims *claims, const char *name, uint64_t length)
{
    for (uint32_t i = 0; i < claims->count && length != 0; i++) {
        const ray_claim *claim = &claims->claim[i];
        const uint8_t *at = claims->at + claim->name_at;
        if (claim->name_length == length && at[0] == (uint8_t)name[0] && /* most differ here */
            ray_same(at, name, length) != 0)
            return claim;
    }
    return 0;
}

static ray_json_item item_of(const ray_claims *claims, const ray_claim *claim)
{
    return (ray_json_item){.text = {claims->at + claim->value_at, claim->value_length},
                           .kind = claim->kind,
                           .escaped = claim->escaped};
}

uint32_t ray_claims_text(const ray_claims *claims, const ray_claim *claim, uint8_t *to,
                         uint32_t room)
{
    uint64_t length = 0;
    if (claim == 0 || claim->kind != RAY_JSON_STRING)
        return RAY_NONE;
    ray_json_item item = item_of(claims, claim);
    return ray_json_decode(&item, to, room, &length) != 0 ? (uint32_t)length : (uint32_t)RAY_NONE;
}

uint32_t ray_claims_number(const ray_claims *claims, const ray_claim *claim, uint64_t *out)
{
    uint64_t value = 0;
    if (claim == 0 || claim->kind != RAY_JSON_NUMBER || claim->value_length > 16)
        return 0;
    for (uint32_t i = 0; i < claim->value_length; i++) {
        uint32_t digit = claims->at[claim->value_at + i] - (uint32_t)'0';
        if (digit > 9)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

/* An array that was let through is a JSON text by itself. */
uint32_t ray_claims_holds(const ray_claims *claims, const ray_claim *claim, const uint8_t *text,
                          uint32_t length)
{
    uint32_t kind, found = 0;
    ray_json json;
    if (claim == 0)
        return 0;
    ray_json_item item = item_of(claims, claim);
    if (claim->kind == RAY_JSON_STRING)
        return ray_json_is(&item, (const char *)text, length);
    if (claim->kind != RAY_JSON_ARRAY)
        return 0;
    ray_json_init(&json, item.text, NULL, 0);
    (void)ray_json_next(&json, &item);
    while ((kind = ray_json_next(&json, &item)) == RAY_JSON_STRING)
        found |= ray_json_is(&item, (const char *)text, length);
    return kind == RAY_JSON_ARRAY_END && found != 0; /* of an audience every member is a string */
}
