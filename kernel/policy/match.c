/* SPDX-License-Identifier: MIT */
/* match.c - one rule against one request, condition by condition, without any table: what explain
 * shows, what the tables are made from, and the only way to look at headers. */
#include "parts.h"
#include "base/headers.h"
#include "base/week.h"

/* -- terms -- */
static uint32_t in_network(const ray_policy_term *term, ray_policy_cut at)
{
    ray_policy_cut network = ray_policy_cut_of(&term->address);
    uint64_t high = at.high ^ network.high, low = at.low ^ network.low;
    if (term->until == 0)
        return 1;
    if (term->until <= 64)
        return high >> (64 - term->until) == 0;
    return high == 0 && low >> (128 - term->until) == 0;
}

static uint32_t term_holds(const ray_policy_term *term, const ray_policy_point *point)
{
    if (term->field == RAY_FIELD_ADDRESS)
        return in_network(term, point->address);
    if (term->field != RAY_FIELD_TIME)
        return term->value == point->value;
    uint32_t shift = (uint32_t)(2 * RAY_WEEK_MINUTES + term->utc_offset_minutes);
    return ray_week_holds(term->value, term->until % RAY_WEEK_MINUTES,
                          (point->value + shift) % RAY_WEEK_MINUTES);
}

uint32_t ray_policy_terms_truth(const ray_policy_config *config, uint32_t slot, uint32_t field,
                                const ray_policy_point *point)
{
    const ray_policy_slot *at = &config->slot[slot];
    uint32_t any = 0, wanted = 0, held = 0, forbidden = 0;
    for (uint32_t i = 0; i < at->spec.term_count; i++) {
        const ray_policy_term *term = &config->term[at->term_first + i];
        if (term->field != field)
            continue;
        any = 1;
        wanted |= term->negated == 0;
        if (point->known == 0 || !term_holds(term, point))
            continue;
        held |= term->negated == 0;
        forbidden |= term->negated;
    }
    if (any != 0 && point->known == 0)
        return RAY_TRUTH_UNKNOWN;
    return (wanted != 0 && held == 0) || forbidden != 0 ? RAY_TRUTH_FALSE : RAY_TRUTH_TRUE;
}

void ray_policy_point_of(const ray_policy_query *query, uint64_t now_ns, uint32_t field,
                         ray_policy_point *out)
{
    const uint32_t value[] = {query->service, query->route, query->method,
                              query->role,    query->tenant, query->plan};
    memset(out, 0, sizeof *out);
    if (field == RAY_FIELD_ADDRESS) {
        out->address = ray_policy_cut_of(&query->address);
        out->known = query->address_known;
    } else if (field == RAY_FIELD_TIME) {
        out->value = ray_week_minute((int64_t)(now_ns + (uint64_t)query->wall_offset_ns), 0);
        out->known = 1;
    } else {
        out->value = value[field];
        out->known = value[field] != RAY_NONE;
        if (field == RAY_FIELD_PLAN && query->tenant != RAY_NONE)
            out->known = 1;     /* a tenant without a plan has none, which is no secret */
    }
}

/* -- headers -- */
/* Knuth, Morris and Pratt (1977): linear whatever the bytes are. */
static uint32_t contains(ray_view value, const char *wanted, uint32_t length)
{
    uint8_t back[RAY_POLICY_VALUE_BYTES + 1] = {0};
    uint32_t done = 0;
    for (uint32_t i = 1; i < length; i++) {
        while (done > 0 && wanted[i] != wanted[done])
            done = back[done];
        done += wanted[i] == wanted[done];
        back[i + 1] = (uint8_t)done;
    }
    done = 0;
    for (uint64_t i = 0; i < value.length && done < length; i++) {
        while (done > 0 && value.at[i] != (uint8_t)wanted[done])
            done = back[done];
        done += value.at[i] == (uint8_t)wanted[done];
    }
    return done == length;
}

static uint32_t value_fits(const ray_policy_header_spec *header, ray_view value)
{
    switch (header->how) {
    case RAY_HEADER_EXACT:
        return value.length == header->value_length &&
               ray_same(value.at, header->value, value.length);
    case RAY_HEADER_PREFIX:
        return value.length >= header->value_length &&
               ray_same(value.at, header->value, header->value_length);
    case RAY_HEADER_CONTAINS: return contains(value, header->value, header->value_length);
    default: return 1;
    }
}

static uint32_t is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* A list "a, b" is two values (RFC 9110 5.6.1); so one that a rule forbids cannot hide in it. */
static uint32_t member_fits(const ray_policy_header_spec *header, ray_view list)
{
    for (uint64_t from = 0; from <= list.length;) {
        uint64_t end = from;
        while (end < list.length && list.at[end] != ',')
            end++;
        uint64_t next = end + 1;
        while (from < end && is_blank(list.at[from]))
            from++;
        while (end > from && is_blank(list.at[end - 1]))
            end--;
        ray_view member = {list.at + from, end - from};
        if (value_fits(header, member))
            return 1;
        from = next;
    }
    return 0;
}

/* `all`: every value of the name must fit, and there must be one; else one that fits is enough. */
static uint32_t header_holds(const ray_policy_header_spec *header, ray_view headers, uint32_t all)
{
    ray_header_walk walk = {0};
    uint32_t seen = 0;
    while (ray_headers_next(headers, &walk)) {
        if (walk.name.length != header->name_length ||
            !ray_same_ignoring_case((const char *)walk.name.at, header->name, header->name_length))
            continue;
        if (header->how >= RAY_HEADER_PRESENT)
            return header->how == RAY_HEADER_PRESENT;
        uint32_t fits = value_fits(header, walk.value) ||
                        (all == 0 && member_fits(header, walk.value));
        if (fits != all)
            return fits;
        seen = 1;
    }
    return header->how == RAY_HEADER_ABSENT || (all != 0 && seen != 0);
}

uint32_t ray_policy_headers_hold(const ray_policy_config *config, uint32_t slot, ray_view headers,
                                 uint32_t *row)
{
    const ray_policy_slot *at = &config->slot[slot];
    for (*row = 0; *row < at->spec.header_count; (*row)++) {
        const ray_policy_header_spec *header = &config->header[at->header_first + *row];
        if (header->how < RAY_HEADER_SET &&
            !header_holds(header, headers, at->spec.action == RAY_ACTION_ALLOW))
            return 0;
    }
    return 1;
}

/* The first header condition; header_count when there is none. */
static uint32_t first_condition(const ray_policy_config *config, const ray_policy_slot *at)
{
    uint32_t row = 0;
    while (row < at->spec.header_count &&
           config->header[at->header_first + row].how >= RAY_HEADER_SET)
        row++;
    return row;
}

/* -- explain -- */
static uint32_t headers_truth(const ray_policy_config *config, uint32_t slot,
                              const ray_policy_query *query, uint32_t *row)
{
    *row = first_condition(config, &config->slot[slot]);
    if (*row == config->slot[slot].spec.header_count)
        return RAY_TRUTH_TRUE;
    if (query->headers_known == 0)
        return RAY_TRUTH_UNKNOWN;
    return ray_policy_headers_hold(config, slot, query->headers, row) ? RAY_TRUTH_TRUE
                                                                      : RAY_TRUTH_FALSE;
}

void ray_policy_trace_of(const ray_policy_config *config, uint32_t slot, uint64_t now_ns,
                         const ray_policy_query *query, ray_policy_trace *out)
{
    uint32_t row = 0;
    memset(out, 0, sizeof *out);
    out->rule = ray_policy_handle(config, slot);
    out->truth = RAY_TRUTH_TRUE;
    out->field = RAY_FIELD_MAX;
    for (uint32_t field = 0; field < RAY_FIELD_MAX && out->truth != RAY_TRUTH_FALSE; field++) {
        uint32_t truth;
        ray_policy_point point;
        if (field == RAY_FIELD_HEADER) {
            truth = headers_truth(config, slot, query, &row);
        } else {
            ray_policy_point_of(query, now_ns, field, &point);
            truth = ray_policy_terms_truth(config, slot, field, &point);
        }
        if (truth >= out->truth)
            continue;
        out->truth = (uint8_t)truth;
        out->field = (uint8_t)field;
        out->header = field == RAY_FIELD_HEADER ? (uint8_t)row : 0;
    }
    uint32_t denies = config->slot[slot].spec.action == RAY_ACTION_DENY;
    out->matched = out->truth == RAY_TRUTH_TRUE || (out->truth == RAY_TRUTH_UNKNOWN && denies != 0);
}

ray_status ray_policy_query_check(const ray_policy_query *query)
{
    uint32_t wrong = (query->method != RAY_NONE && query->method >= RAY_METHOD_MAX) ||
                     (query->role != RAY_NONE && query->role >= RAY_ROLE_MAX) ||
                     (query->tenant != RAY_NONE && query->tenant >= RAY_TENANT_MAX) ||
                     (query->plan != RAY_NONE && query->plan >= RAY_PLAN_MAX);
    return wrong != 0 ? RAY_E_ARGUMENT : RAY_OK;
}

ray_status ray_policy_explain_rule(const ray_policy *policy, uint64_t now_ns,
                                   const ray_policy_query *query, uint32_t rule,
                                   ray_policy_trace *out)
{
    uint32_t slot;
    ray_status status = ray_policy_slot_of(&policy->config, rule, &slot);
    if (status == RAY_OK)
        status = ray_policy_query_check(query);
    if (status == RAY_OK)
        ray_policy_trace_of(&policy->config, slot, now_ns, query, out);
    return status;
}
