/* SPDX-License-Identifier: MIT */
/* check.c - what a rule may say, field by field, and what the sections may hold together. */
#include "parts.h"
#include "base/week.h"

/* Section kinds of ray/config.h, which modules do not include. */
enum { SECTION_SET = 50, SECTION_RULE = 51, SECTION_TERM = 52, SECTION_HEADER = 53 };
enum { OFFSET_MINUTES_MIN = -12 * 60, OFFSET_MINUTES_MAX = 14 * 60, WEIGHT_MAX = 65535 };

typedef struct fault {
    ray_status status;
    uint32_t field;
} fault;

/* The first rule broken ends the list; a rule is a line. */
#define REFUSE(condition, code, type, name) \
    if (condition) \
        return (fault){code, (uint32_t)offsetof(type, name)}
#define REFUSE_RULE(condition, code, name) REFUSE(condition, code, ray_policy_spec, name)
#define REFUSE_TERM(condition, code, name) REFUSE(condition, code, ray_policy_term, name)
#define REFUSE_HEADER(condition, code, name) REFUSE(condition, code, ray_policy_header_spec, name)

/* -- terms -- */
/* How many values a field has; handles are told apart by slot here. */
static uint32_t values_of(uint32_t field, const ray_config_counts *counts)
{
    switch (field) {
    case RAY_FIELD_SERVICE: return counts->service_count;
    case RAY_FIELD_ROUTE: return counts->route_count;
    case RAY_FIELD_METHOD: return RAY_METHOD_MAX;
    case RAY_FIELD_ROLE: return RAY_ROLE_MAX;
    case RAY_FIELD_TENANT: return counts->tenant_count;
    default: return counts->plan_count;
    }
}

static fault value_fault(const ray_policy_term *term, const ray_config_counts *counts)
{
    uint32_t handle = term->field == RAY_FIELD_SERVICE || term->field == RAY_FIELD_ROUTE;
    uint32_t value = handle != 0 ? term->value & RAY_POLICY_SLOT_MASK : term->value;
    uint32_t most = term->field == RAY_FIELD_SERVICE ? RAY_SERVICE_MAX :
                    term->field == RAY_FIELD_ROUTE ? RAY_ROUTE_MAX : RAY_NONE;
    REFUSE_TERM(value >= values_of(term->field, counts) || value >= most, RAY_E_UNKNOWN, value);
    REFUSE_TERM(term->until != 0, RAY_E_ARGUMENT, until);
    REFUSE_TERM(ray_is_zero(&term->address, sizeof term->address) == 0, RAY_E_ARGUMENT, address);
    REFUSE_TERM(term->utc_offset_minutes != 0, RAY_E_ARGUMENT, utc_offset_minutes);
    return (fault){RAY_OK, 0};
}

static fault time_fault(const ray_policy_term *term)
{
    REFUSE_TERM(term->value >= RAY_WEEK_MINUTES, RAY_E_RANGE, value);
    REFUSE_TERM(term->until == 0 || term->until > RAY_WEEK_MINUTES, RAY_E_RANGE, until);
    REFUSE_TERM(term->until == term->value, RAY_E_ARGUMENT, until);
    REFUSE_TERM(term->utc_offset_minutes < OFFSET_MINUTES_MIN ||
                    term->utc_offset_minutes > OFFSET_MINUTES_MAX,
                RAY_E_RANGE, utc_offset_minutes);
    REFUSE_TERM(ray_is_zero(&term->address, sizeof term->address) == 0, RAY_E_ARGUMENT, address);
    return (fault){RAY_OK, 0};
}

static fault address_fault(const ray_policy_term *term)
{
    REFUSE_TERM(term->value != 0, RAY_E_ARGUMENT, value);
    REFUSE_TERM(term->until > 128, RAY_E_RANGE, until);
    REFUSE_TERM(term->utc_offset_minutes != 0, RAY_E_ARGUMENT, utc_offset_minutes);
    for (uint32_t bit = term->until; bit < 128; bit++)
        REFUSE_TERM((term->address.at[bit / 8] & 0x80U >> bit % 8) != 0, RAY_E_ARGUMENT, address);
    return (fault){RAY_OK, 0};
}

static fault term_fault(const ray_policy_term *term, const ray_config_counts *counts)
{
    REFUSE_TERM(term->field >= RAY_FIELD_HEADER, RAY_E_ARGUMENT, field);
    REFUSE_TERM(term->negated > 1, RAY_E_ARGUMENT, negated);
    REFUSE_TERM(ray_is_zero(term->reserved, sizeof term->reserved) == 0, RAY_E_ARGUMENT, reserved);
    if (term->field == RAY_FIELD_TIME)
        return time_fault(term);
    return term->field == RAY_FIELD_ADDRESS ? address_fault(term) : value_fault(term, counts);
}

/* -- headers -- */
/* RFC 9110 5.6.2, less '_', which the gateway refuses in requests: such a rule never matches. */
static uint32_t is_token(uint8_t c)
{
    static const char others[] = "!#$%&'*+-.^`|~";
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return 1;
    for (uint32_t i = 0; i < sizeof others - 1; i++)
        if (c == (uint8_t)others[i])
            return 1;
    return 0;
}

static fault header_fault(const ray_policy_header_spec *header)
{
    uint32_t valueless = header->how == RAY_HEADER_PRESENT || header->how == RAY_HEADER_ABSENT;
    uint32_t full = header->how == RAY_HEADER_PREFIX || header->how == RAY_HEADER_CONTAINS ||
                    header->how == RAY_HEADER_LOCATION;
    uint32_t name = header->name_length, value = header->value_length;
    REFUSE_HEADER(header->how >= RAY_HEADER_MAX, RAY_E_ARGUMENT, how);
    REFUSE_HEADER(name > RAY_NAME_BYTES || (header->how == RAY_HEADER_LOCATION) != (name == 0),
                  RAY_E_ARGUMENT, name_length);
    REFUSE_HEADER(value > RAY_POLICY_VALUE_BYTES || (valueless && value != 0) ||
                      (full && value == 0),
                  RAY_E_ARGUMENT, value_length);
    for (uint32_t i = 0; i < name; i++)
        REFUSE_HEADER(!is_token((uint8_t)header->name[i]), RAY_E_ARGUMENT, name);
    REFUSE_HEADER(ray_is_zero(header->name + name, RAY_NAME_BYTES - name) == 0, RAY_E_ARGUMENT,
                  name);
    for (uint32_t i = 0; i < value; i++) {
        uint8_t c = (uint8_t)header->value[i];
        uint32_t edge = i == 0 || i + 1 == value, blank = c == ' ' || c == '\t';
        REFUSE_HEADER(c == 0x7f || (c < 0x20 && c != '\t'), RAY_E_ARGUMENT, value);
        REFUSE_HEADER(blank && (header->how == RAY_HEADER_LOCATION ||
                                (edge && header->how != RAY_HEADER_CONTAINS && i == 0) ||
                                (edge && header->how == RAY_HEADER_EXACT)),
                      RAY_E_ARGUMENT, value);
        REFUSE_HEADER(c >= 0x80 && header->how >= RAY_HEADER_SET, RAY_E_ARGUMENT, value);
    }
    REFUSE_HEADER(ray_is_zero(header->value + value, RAY_POLICY_VALUE_BYTES - value) == 0,
                  RAY_E_ARGUMENT, value);
    REFUSE_HEADER(ray_is_zero(header->reserved, sizeof header->reserved) == 0, RAY_E_ARGUMENT,
                  reserved);
    return (fault){RAY_OK, 0};
}

/* -- rules -- */
static uint32_t is_redirect(uint32_t http_status)
{
    return (http_status >= 301 && http_status <= 303) || http_status == 307 || http_status == 308;
}

static fault rule_fault(const ray_policy_spec *spec, const ray_config_counts *counts)
{
    uint32_t throttles = spec->action == RAY_ACTION_THROTTLE, charges = spec->quota != RAY_NONE;
    uint32_t status = spec->http_status;
    REFUSE_RULE(ray_name_valid(&spec->name) == 0, RAY_E_ARGUMENT, name);
    REFUSE_RULE(spec->priority > RAY_POLICY_PRIORITY_MAX, RAY_E_RANGE, priority);
    REFUSE_RULE(spec->type >= RAY_POLICY_TYPE_MAX, RAY_E_ARGUMENT, type);
    REFUSE_RULE(spec->action >= RAY_ACTION_MAX, RAY_E_ARGUMENT, action);
    REFUSE_RULE(throttles != (spec->limit != RAY_NONE), RAY_E_ARGUMENT, limit);
    REFUSE_RULE(throttles && (spec->limit & RAY_POLICY_SLOT_MASK) >= counts->limit_count,
                RAY_E_UNKNOWN, limit);
    REFUSE_RULE(throttles && spec->type != RAY_POLICY_RATELIMIT, RAY_E_ARGUMENT, type);
    REFUSE_RULE(charges && (spec->quota & RAY_POLICY_SLOT_MASK) >= counts->quota_count,
                RAY_E_UNKNOWN, quota);
    REFUSE_RULE(charges && (spec->type != RAY_POLICY_QUOTA || spec->action == RAY_ACTION_DENY ||
                            spec->action == RAY_ACTION_REDIRECT),
                RAY_E_ARGUMENT, quota);
    REFUSE_RULE(charges ? spec->quota_weight == 0 || spec->quota_weight > WEIGHT_MAX
                        : spec->quota_weight != 0,
                RAY_E_RANGE, quota_weight);
    REFUSE_RULE(spec->action == RAY_ACTION_DENY       ? status < 400 || status > 599
                : spec->action == RAY_ACTION_REDIRECT ? !is_redirect(status)
                                                      : status != 0,
                RAY_E_RANGE, http_status);
    REFUSE_RULE(spec->mode > RAY_MODE_OFF, RAY_E_ARGUMENT, mode);
    REFUSE_RULE(spec->enabled > 1, RAY_E_ARGUMENT, enabled);
    REFUSE_RULE(spec->set_class >= RAY_CLASS_MAX && spec->set_class != RAY_CLASS_DEFAULT,
                RAY_E_ARGUMENT, set_class);
    REFUSE_RULE(spec->alert > 1, RAY_E_ARGUMENT, alert);
    REFUSE_RULE(spec->audit > 1, RAY_E_ARGUMENT, audit);
    REFUSE_RULE(ray_is_zero(spec->reserved, sizeof spec->reserved) == 0, RAY_E_ARGUMENT, reserved);
    return (fault){RAY_OK, 0};
}

static ray_policy_fault at(fault found, uint32_t section, uint32_t row)
{
    return (ray_policy_fault){found.status, section, row, found.field};
}

/* One location for a redirect, none for others; one response header, of a transformation. */
static fault texts_fault(const ray_policy_rows *row)
{
    uint32_t locations = 0, sets = 0;
    for (uint32_t i = 0; i < row->rule->header_count; i++) {
        locations += row->header[i].how == RAY_HEADER_LOCATION;
        sets += row->header[i].how == RAY_HEADER_SET;
    }
    uint32_t wanted = row->rule->action == RAY_ACTION_REDIRECT;
    uint32_t most = row->rule->type == RAY_POLICY_TRANSFORMATION;
    REFUSE_RULE(locations != wanted || sets > most, RAY_E_ARGUMENT, header_count);
    return (fault){RAY_OK, 0};
}

ray_policy_fault ray_policy_row_check(const ray_policy_rows *row, const ray_config_counts *counts)
{
    ray_policy_fault found = at(rule_fault(row->rule, counts), SECTION_RULE, 0);
    for (uint32_t i = 0; i < row->rule->term_count && found.status == RAY_OK; i++)
        found = at(term_fault(&row->term[i], counts), SECTION_TERM, i);
    for (uint32_t i = 0; i < row->rule->header_count && found.status == RAY_OK; i++)
        found = at(header_fault(&row->header[i]), SECTION_HEADER, i);
    if (found.status == RAY_OK)
        found = at(texts_fault(row), SECTION_RULE, 0);
    return found;
}

ray_status ray_policy_set_check(const ray_policy_set_spec *set, uint32_t *field)
{
    *field = offsetof(ray_policy_set_spec, combine);
    if (set->combine >= RAY_COMBINE_MAX)
        return RAY_E_ARGUMENT;
    for (uint32_t type = 0; type < RAY_POLICY_TYPE_MAX; type++) {
        *field = (uint32_t)offsetof(ray_policy_set_spec, default_of) + type;
        if (set->default_of[type] >= RAY_DEFAULT_MAX)
            return RAY_E_ARGUMENT;
    }
    *field = offsetof(ray_policy_set_spec, reserved);
    return ray_is_zero(set->reserved, sizeof set->reserved) ? RAY_OK : RAY_E_ARGUMENT;
}

/* -- the sections of a blob -- */
static ray_status refuse(ray_config_report *report, ray_status status, uint32_t section,
                         uint32_t row, uint32_t field)
{
    report->status = status;
    report->section = section;
    report->row = row;
    report->field = field;
    return status;
}

static ray_status refuse_fault(ray_config_report *report, ray_policy_fault found, uint32_t rule,
                               uint32_t term, uint32_t header)
{
    uint32_t row = found.section == SECTION_RULE ? rule :
                   found.section == SECTION_TERM ? term + found.row : header + found.row;
    return refuse(report, found.status, found.section, row, found.field);
}

/* What a rule says it has must be there, and nothing may be left over. */
static ray_status counts_check(const ray_policy_rows *rows, const ray_config_counts *counts,
                               ray_config_report *report)
{
    uint64_t terms = 0, headers = 0;
    for (uint32_t rule = 0; rule < counts->policy_count; rule++) {
        terms += rows->rule[rule].term_count;
        headers += rows->rule[rule].header_count;
        if (terms > counts->policy_term_count)
            return refuse(report, RAY_E_TRUNCATED, SECTION_RULE, rule,
                          offsetof(ray_policy_spec, term_count));
        if (headers > counts->policy_header_count)
            return refuse(report, RAY_E_TRUNCATED, SECTION_RULE, rule,
                          offsetof(ray_policy_spec, header_count));
    }
    if (terms != counts->policy_term_count)
        return refuse(report, RAY_E_SYNTAX, SECTION_TERM, (uint32_t)terms, 0);
    if (headers != counts->policy_header_count)
        return refuse(report, RAY_E_SYNTAX, SECTION_HEADER, (uint32_t)headers, 0);
    return RAY_OK;
}

ray_status ray_policy_check(const ray_policy_rows *rows, const ray_config_counts *counts,
                            ray_config_report *report)
{
    uint32_t term = 0, header = 0, field;
    if (counts->policy_set_count > 0) {
        ray_status wrong = ray_policy_set_check(rows->set, &field);
        if (wrong != RAY_OK)
            return refuse(report, wrong, SECTION_SET, 0, field);
    }
    if (counts->policy_count > RAY_POLICY_MAX)
        return refuse(report, RAY_E_FULL, SECTION_RULE, RAY_POLICY_MAX, 0);
    if (counts->policy_term_count > RAY_POLICY_TERM_MAX)
        return refuse(report, RAY_E_FULL, SECTION_TERM, RAY_POLICY_TERM_MAX, 0);
    if (counts->policy_header_count > RAY_POLICY_HEADER_MAX)
        return refuse(report, RAY_E_FULL, SECTION_HEADER, RAY_POLICY_HEADER_MAX, 0);
    ray_status status = counts_check(rows, counts, report);
    for (uint32_t rule = 0; rule < counts->policy_count && status == RAY_OK; rule++) {
        ray_policy_rows row = {0, &rows->rule[rule], &rows->term[term], &rows->header[header]};
        ray_policy_fault found = ray_policy_row_check(&row, counts);
        if (found.status != RAY_OK)
            return refuse_fault(report, found, rule, term, header);
        for (uint32_t before = 0; before < rule; before++)
            if (ray_name_same(&rows->rule[before].name, &row.rule->name) != 0)
                return refuse(report, RAY_E_EXISTS, SECTION_RULE, rule, 0);
        term += row.rule->term_count;
        header += row.rule->header_count;
    }
    return status;
}
