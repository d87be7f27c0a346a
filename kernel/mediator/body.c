/* SPDX-License-Identifier: MIT */
/* body.c - where the mediator meets the formats: a body in its format, against its schema. */
#include "parts.h"

_Static_assert(RAY_FORMAT_POINTER_BYTES < sizeof ((ray_mediator_report *)0)->pointer,
               "a report's pointer holds a format's and its end");

static uint32_t format_of(uint32_t content)
{
    static const uint8_t formats[RAY_CONTENT_MAX] = {RAY_FORMAT_JSON, RAY_FORMAT_PROTOBUF,
                                                     RAY_FORMAT_XML,  RAY_FORMAT_FORM,
                                                     RAY_FORMAT_RAW,  RAY_FORMAT_RAW,
                                                     RAY_FORMAT_MULTIPART};
    return formats[content];
}

static void tell(const ray_format_report *why, ray_mediator_report *report)
{
    const char *keyword = ray_format_keyword_text(why->keyword);
    uint64_t length = ray_length_of(keyword), most = sizeof report->keyword - 1;
    memcpy(report->keyword, keyword, length < most ? length : most);
    most = sizeof report->pointer - 1;
    memcpy(report->pointer, why->pointer,
           why->pointer_length < most ? why->pointer_length : most);
    report->lossy = why->lossy;
}

static uint32_t reason_of(uint32_t fault)
{
    switch ((enum ray_format_fault)fault) {
    case RAY_FORMAT_FINE: return RAY_REASON_OK;
    case RAY_FORMAT_INVALID:
    case RAY_FORMAT_UNKNOWN_MEMBER: return RAY_REASON_SCHEMA_INVALID;
    case RAY_FORMAT_LOSSY: return RAY_REASON_LOSSY;
    case RAY_FORMAT_TOO_LARGE: return RAY_REASON_BODY_GROWN;
    default: return RAY_REASON_BODY_MALFORMED;
    }
}

/* Where the format stays, what is kept stays with it; another has no place for it. */
static uint32_t flags_of(const ray_transform_side *rule)
{
    uint32_t flags = (rule->flags & RAY_TRANSFORM_STRICT) != 0 ? RAY_FORMAT_STRICT : 0;
    flags |= rule->from == rule->to ? (uint32_t)RAY_FORMAT_AS_IS : 0;
    if (rule->unknown == RAY_UNKNOWN_KEEP && rule->from == rule->to)
        return flags | RAY_FORMAT_KEEP;
    return rule->unknown == RAY_UNKNOWN_REJECT ? flags : flags | RAY_FORMAT_DROP;
}

static ray_format_source source_of(const ray_transform_side *rule, const ray_body *body)
{
    return (ray_format_source){body->bytes, body->boundary, format_of(rule->from),
                               flags_of(rule)};
}

/* A body of a format that nobody gave a schema: JSON at least parses, other bytes are any. */
uint32_t ray_body_check(const ray_mediator *mediator, const ray_transform_side *rule,
                        const ray_body *body, ray_mediator_report *report)
{
    ray_format_schema schema;
    ray_format_report why;
    uint32_t known = ray_schema_at(mediator, rule->schema, &schema);
    if (known == 0 && rule->from != RAY_CONTENT_JSON)
        return RAY_REASON_OK;
    ray_format_source source = source_of(rule, body);
    if (ray_format_validate(known != 0 ? &schema : NULL, &source, &why) == RAY_OK)
        return RAY_REASON_OK;
    tell(&why, report);
    return reason_of(why.fault);
}

/* What keeps its format goes through byte for byte, unless members are to be left out. */
uint32_t ray_body_convert(const ray_mediator *mediator, const ray_transform_side *rule,
                          const ray_body *body, ray_text *out, ray_mediator_report *report)
{
    ray_format_schema schema;
    ray_format_report why;
    uint32_t known = ray_schema_at(mediator, rule->schema, &schema);
    if (known == 0 || (rule->from == rule->to && rule->unknown != RAY_UNKNOWN_DROP)) {
        uint32_t reason = ray_body_check(mediator, rule, body, report);
        if (reason == RAY_REASON_OK)
            ray_text_bytes(out, (const char *)body->bytes.at, body->bytes.length);
        return reason;
    }
    ray_format_source source = source_of(rule, body);
    if (ray_format_convert(&schema, &source, format_of(rule->to), out, &why) == RAY_OK) {
        tell(&why, report);
        return RAY_REASON_OK;
    }
    tell(&why, report);
    return why.fault == RAY_FORMAT_FINE ? RAY_REASON_BODY_MALFORMED : reason_of(why.fault);
}
