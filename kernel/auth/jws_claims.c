/* SPDX-License-Identifier: MIT */
/* jws_claims.c - what a verified token says: every claim we know has its type or the token is
 * refused, every other one is only read over. */
#include "jws.h"
#include "base/bytes.h"
#include "base/json.h"

/* A string where it stands, without its escapes: those only get shorter. */
static uint32_t text_of(const ray_json_item *item, uint8_t *payload, const uint8_t *from,
                        ray_view *out)
{
    uint64_t length = 0;
    uint8_t *at = payload + (item->text.at - from);
    if (item->kind != RAY_JSON_STRING)
        return 0;
    if (item->escaped == 0)
        length = item->text.length;
    else if (ray_json_decode(item, at, item->text.length, &length) == 0)
        return 0;
    *out = (ray_view){at, length};
    return 1;
}

static uint32_t seconds_of(const ray_json_item *item, uint64_t *out)
{
    return item->kind == RAY_JSON_NUMBER && ray_json_u64(item, out) != 0 &&
           *out <= RAY_JWS_SECONDS_MAX;
}

/* A string, or an array of strings; anything else is no audience (RFC 7519 4.1.3). */
static uint32_t audience_of(ray_json *json, ray_json_item *item, ray_view wanted,
                            ray_jws_claims *out)
{
    uint32_t many = item->kind == RAY_JSON_ARRAY;
    out->known |= RAY_JWS_KNOWN_AUDIENCE;
    if (many != 0)
        ray_json_next(json, item);
    while (item->kind == RAY_JSON_STRING) {
        if (wanted.length != 0 && ray_json_is(item, (const char *)wanted.at, wanted.length) != 0)
            out->known |= RAY_JWS_FOR_AUDIENCE;
        if (many == 0)
            return 1;
        ray_json_next(json, item);
    }
    return many != 0 && item->kind == RAY_JSON_ARRAY_END;
}

static uint32_t is(const ray_json_item *name, ray_view wanted)
{
    return wanted.length != 0 && ray_json_is(name, (const char *)wanted.at, wanted.length) != 0;
}

/* Places of one claim: a name of ours may also be a configured one (sub is often the user). */
typedef struct places {
    ray_view *text[5];      /* one of the three registered, and each of the four configured */
    uint64_t *number;
    uint32_t count;
    uint32_t bit;
    uint32_t audience;
    uint32_t reserved;
} places;

static void find(const ray_json_item *name, const ray_jws_names *names, ray_jws_claims *out,
                 places *to)
{
    const struct {
        ray_view name;
        ray_view *to;
    } texts[7] = {{{(const uint8_t *)"iss", 3}, &out->iss},
                  {{(const uint8_t *)"sub", 3}, &out->sub},
                  {{(const uint8_t *)"jti", 3}, &out->jti},
                  {names->tenant, &out->tenant}, {names->user, &out->user},
                  {names->role, &out->role}, {names->scope, &out->scope}};
    memset(to, 0, sizeof *to);
    for (uint32_t i = 0; i < 7; i++)
        if (is(name, texts[i].name) != 0)
            to->text[to->count++] = texts[i].to;
    to->audience = ray_json_is(name, "aud", 3);
    if (ray_json_is(name, "exp", 3) != 0) {
        to->number = &out->exp;
        to->bit = RAY_JWS_KNOWN_EXP;
    } else if (ray_json_is(name, "nbf", 3) != 0) {
        to->number = &out->nbf;
        to->bit = RAY_JWS_KNOWN_NBF;
    } else if (ray_json_is(name, "iat", 3) != 0) {
        to->number = &out->iat;
        to->bit = RAY_JWS_KNOWN_IAT;
    }
}

static __attribute__((noinline)) uint32_t read_all(ray_json *json, uint8_t *payload,
                                                   const ray_jws_names *names,
                                                   ray_jws_claims *out)
{
    ray_json_item item;
    places to;
    ray_view text;
    if (ray_json_next(json, &item) != RAY_JSON_OBJECT)
        return 0;
    while (ray_json_next(json, &item) == RAY_JSON_NAME) {
        find(&item, names, out, &to);
        ray_json_next(json, &item);
        if (to.audience != 0 && audience_of(json, &item, names->audience, out) == 0)
            return 0;
        if (to.number != 0 && seconds_of(&item, to.number) == 0)
            return 0;
        out->known |= to.bit;
        if (to.count != 0 && text_of(&item, payload, json->at, &text) == 0)
            return 0;
        for (uint32_t i = 0; i < to.count; i++)
            *to.text[i] = text;
        if (to.audience == 0 && ray_json_skip(json, &item) == 0)
            return 0;
    }
    return item.kind == RAY_JSON_OBJECT_END && ray_json_next(json, &item) == RAY_JSON_END;
}

uint32_t ray_jws_claims_of(uint8_t *payload, uint64_t length, const ray_jws_names *names,
                           ray_jws_claims *out)
{
    ray_json_member members[RAY_JWS_CLAIM_MAX];
    ray_json json;
    ray_json_init(&json, (ray_view){payload, length}, members, RAY_JWS_CLAIM_MAX);
    memset(out, 0, sizeof *out);
    return read_all(&json, payload, names, out) != 0 ? RAY_JWS_GOOD : RAY_JWS_CLAIM;
}
