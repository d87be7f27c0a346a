/* SPDX-License-Identifier: MIT */
/* policy.c - one row of bits per field, and what they have in common is what matches. Ask changes
 * nothing; note counts. */
#include "parts.h"
#include "base/week.h"

uint64_t ray_policy_bytes(void)
{
    return sizeof(ray_policy);
}

/* -- init -- */
void ray_policy_init(ray_policy *policy, const uint8_t seed[16])
{
    (void)seed;     /* nothing here is hashed */
    memset(policy, 0, sizeof *policy);
}

/* -- matching -- */
static uint32_t row_of_handle(uint32_t handle, const uint16_t *generation, uint32_t count)
{
    uint32_t slot = handle & RAY_POLICY_SLOT_MASK;
    if (handle == RAY_NONE)
        return count + 1;
    return slot < count && generation[slot] == handle >> 16 ? slot : count;
}

static uint32_t row_of_value(uint32_t value, uint32_t count)
{
    return value == RAY_NONE ? count + 1 : value;
}

static uint32_t row_of_plan(const ray_policy_query *query)
{
    if (query->plan == RAY_NONE && query->tenant != RAY_NONE)
        return RAY_PLAN_MAX;
    return row_of_value(query->plan, RAY_PLAN_MAX);
}

/* The row of the request's instant or address, all ones when no rule asks for it. */
static void and_lines(const ray_policy_index *index, uint64_t now_ns, const ray_policy_query *query,
                      ray_policy_bits *hit)
{
    if (index->minute_count != 0) {
        int64_t unix_ns = (int64_t)(now_ns + (uint64_t)query->wall_offset_ns);
        uint32_t segment = ray_policy_segment_of_minute(index, ray_week_minute(unix_ns, 0));
        *hit = ray_bits_and(hit, &index->segment[segment]);
    }
    if (index->segment_count != index->minute_count) {
        const ray_policy_bits *row = &index->address_unknown;
        if (query->address_known != 0) {
            ray_policy_cut at = ray_policy_cut_of(&query->address);
            row = &index->segment[ray_policy_segment_of_address(index, at)];
        }
        *hit = ray_bits_and(hit, row);
    }
}

/* Only rules that match everything else look at the headers. */
static __attribute__((noinline)) void drop_headers(const ray_policy_config *config,
                                                   const ray_policy_query *query,
                                                   ray_policy_bits *hit)
{
    ray_policy_bits left = ray_bits_and(hit, &config->index.headed);
    uint32_t row;
    while (ray_bits_any(&left)) {
        uint32_t slot = ray_bits_next(&left);
        uint32_t holds = query->headers_known != 0
                             ? ray_policy_headers_hold(config, slot, query->headers, &row)
                             : ray_bits_has(&config->index.deny, slot);
        if (!holds)
            ray_bits_clear(hit, slot);
    }
}

static inline void keep(ray_policy_bits *hit, const ray_policy_bits *row)
{
    for (uint32_t word = 0; word < RAY_POLICY_WORDS; word++)
        hit->at[word] &= row->at[word];
}

static inline void match(const ray_policy_config *config, uint64_t now_ns,
                         const ray_policy_query *query, ray_policy_bits *hit)
{
    const ray_policy_index *index = &config->index;
    *hit = ray_bits_or(&index->enforced, &index->shadow);
    keep(hit, &index->service[row_of_handle(query->service, index->service_generation,
                                            RAY_SERVICE_MAX)]);
    keep(hit, &index->route[row_of_handle(query->route, index->route_generation, RAY_ROUTE_MAX)]);
    keep(hit, &index->method[row_of_value(query->method, RAY_METHOD_MAX)]);
    keep(hit, &index->role[row_of_value(query->role, RAY_ROLE_MAX)]);
    keep(hit, &index->tenant[row_of_value(query->tenant, RAY_TENANT_MAX)]);
    keep(hit, &index->plan[row_of_plan(query)]);
    if (index->segment_count != 0)
        and_lines(index, now_ns, query, hit);
    ray_policy_bits headed = ray_bits_and(hit, &index->headed);
    if (ray_bits_any(&headed))
        drop_headers(config, query, hit);
}

/* -- the verdict -- */
typedef struct verdict {
    uint32_t by;        /* slot, RAY_NONE: a default, or nothing decided */
    uint32_t type;      /* that denied */
    uint32_t granted;
    uint32_t redirect;  /* slot */
} verdict;

uint32_t ray_policy_first_of(const ray_policy_index *index, ray_policy_bits set)
{
    uint32_t best = ray_bits_next(&set);
    while (ray_bits_any(&set)) {
        uint32_t slot = ray_bits_next(&set);
        if (index->rank[slot] < index->rank[best])
            best = slot;
    }
    return best;
}

/* The rule of one type that decides, RAY_NONE when its default does. */
static uint32_t decider(const ray_policy_config *config, const ray_policy_bits *hit)
{
    const ray_policy_index *index = &config->index;
    ray_policy_bits deny = ray_bits_and(hit, &index->deny);
    ray_policy_bits allow = ray_bits_and(hit, &index->allow);
    if (config->set.combine == RAY_COMBINE_FIRST_MATCH)
        allow = ray_bits_or(&allow, &deny);
    else if (ray_bits_any(&deny))
        return ray_policy_first_of(index, deny);
    return ray_bits_any(&allow) ? ray_policy_first_of(index, allow) : (uint32_t)RAY_NONE;
}

static uint32_t redirect_of(const ray_policy_config *config, const ray_policy_bits *hit)
{
    ray_policy_bits redirects = {{0}}, left = ray_bits_and(hit, &config->index.effect);
    while (ray_bits_any(&left)) {
        uint32_t slot = ray_bits_next(&left);
        if (config->slot[slot].spec.action == RAY_ACTION_REDIRECT)
            ray_bits_set(&redirects, slot);
    }
    return ray_bits_any(&redirects) ? ray_policy_first_of(&config->index, redirects)
                                    : (uint32_t)RAY_NONE;
}

/* Types in their order: the first that denies is named, and else the first rule that allows. */
static __attribute__((noinline)) verdict judge(const ray_policy_config *config,
                                               const ray_policy_bits *hit, uint32_t evaluated)
{
    const ray_policy_index *index = &config->index;
    verdict out = {RAY_NONE, 0, 1, RAY_NONE};
    for (uint32_t left = evaluated; left != 0; left &= left - 1) {
        uint32_t type = (uint32_t)__builtin_ctz(left);
        ray_policy_bits own = ray_bits_and(hit, &index->type[type]);
        uint32_t by = decider(config, &own);
        uint32_t denies =
            by == RAY_NONE ? index->denies >> type & 1 : ray_bits_has(&index->deny, by);
        if (denies != 0)
            return (verdict){by, type, 0, RAY_NONE};
        if (out.by == RAY_NONE)
            out.by = by;
    }
    return out;
}

/* -- what else must happen -- */
/* The place of a handle in a list, made when it is new; `max` when there is no room. */
static uint32_t place_of(uint32_t *list, uint32_t *count, uint32_t max, uint32_t handle)
{
    uint32_t place = 0;
    while (place < *count && list[place] != handle)
        place++;
    if (place == *count && *count < max)
        list[(*count)++] = handle;
    return place;
}

/* 0 when the answer had no place for what the rule names. */
static uint32_t add_named(const ray_policy_spec *spec, ray_policy_answer *out)
{
    if (spec->action == RAY_ACTION_THROTTLE &&
        place_of(out->limits, &out->limit_count, RAY_POLICY_LIMIT_MAX, spec->limit) ==
            RAY_POLICY_LIMIT_MAX)
        return 0;
    if (spec->quota == RAY_NONE)
        return 1;
    uint32_t place =
        place_of(out->quotas, &out->quota_count, RAY_POLICY_QUOTA_MAX, spec->quota);
    if (place == RAY_POLICY_QUOTA_MAX)
        return 0;
    uint64_t weight = (uint64_t)out->quota_weight[place] + spec->quota_weight;
    out->quota_weight[place] = weight < 65535 ? (uint32_t)weight : 65535U;
    return 1;
}

static uint32_t sets_header(const ray_policy_config *config, uint32_t slot)
{
    const ray_policy_slot *at = &config->slot[slot];
    for (uint32_t i = 0; i < at->spec.header_count; i++)
        if (config->header[at->header_first + i].how == RAY_HEADER_SET)
            return 1;
    return 0;
}

typedef struct choice {
    uint32_t class_rank;
    uint32_t header_rank;
    uint32_t full;          /* slot of the first rule that had no place, RAY_NONE */
} choice;

static void oblige(const ray_policy_config *config, uint32_t slot, choice *best,
                   ray_policy_answer *out)
{
    const ray_policy_spec *spec = &config->slot[slot].spec;
    uint32_t rank = config->index.rank[slot];
    out->alerts = (uint8_t)(out->alerts + (spec->alert | (spec->action == RAY_ACTION_ALERT)));
    out->audits = (uint8_t)(out->audits + (spec->audit | (spec->action == RAY_ACTION_LOG)));
    if (spec->set_class != RAY_CLASS_DEFAULT && rank < best->class_rank) {
        best->class_rank = rank;
        out->set_class = spec->set_class;
    }
    if (spec->type == RAY_POLICY_TRANSFORMATION && rank < best->header_rank &&
        sets_header(config, slot)) {
        best->header_rank = rank;
        out->header_rule = ray_policy_handle(config, slot);
    }
    if (out->granted != 0 && !add_named(spec, out) &&
        (best->full == RAY_NONE || rank < config->index.rank[best->full]))
        best->full = slot;
}

static void refuse(const ray_policy_config *config, ray_policy_answer *out, uint32_t slot,
                   uint32_t reason, uint32_t http_status)
{
    out->granted = 0;
    out->by = slot != RAY_NONE ? ray_policy_handle(config, slot) : (uint32_t)RAY_NONE;
    out->reason = (uint16_t)reason;
    out->http_status = (uint16_t)http_status;
    out->limit_count = 0;
    out->quota_count = 0;
    memset(out->limits, 0, sizeof out->limits);
    memset(out->quotas, 0, sizeof out->quotas);
    memset(out->quota_weight, 0, sizeof out->quota_weight);
}

static __attribute__((noinline)) void obligations(const ray_policy_config *config,
                                                  ray_policy_bits left, ray_policy_answer *out)
{
    choice best = {RAY_NONE, RAY_NONE, RAY_NONE};
    while (ray_bits_any(&left))
        oblige(config, ray_bits_next(&left), &best, out);
    if (best.full != RAY_NONE)
        refuse(config, out, best.full, RAY_REASON_POLICY_INDETERMINATE, 403);
}

/* -- the answer -- */
static uint32_t reason_of(const ray_policy_config *config, uint64_t now_ns,
                          const ray_policy_query *query, const verdict *v)
{
    ray_policy_trace trace;
    if (v->granted != 0)
        return v->redirect != RAY_NONE ? RAY_REASON_POLICY_REDIRECT : RAY_REASON_OK;
    if (v->by == RAY_NONE)
        return RAY_REASON_POLICY_DEFAULT;
    ray_policy_trace_of(config, v->by, now_ns, query, &trace);
    return trace.truth == RAY_TRUTH_TRUE ? RAY_REASON_POLICY_DENIED
                                         : RAY_REASON_POLICY_INDETERMINATE;
}

static void apply(const ray_policy_config *config, uint32_t reason, const verdict *v,
                  ray_policy_answer *out)
{
    uint32_t by = v->redirect != RAY_NONE ? v->redirect : v->by;
    if (reason == RAY_REASON_OK) {
        out->by = by != RAY_NONE ? ray_policy_handle(config, by) : (uint32_t)RAY_NONE;
        return;
    }
    uint32_t http_status = by != RAY_NONE ? config->slot[by].spec.http_status :
                           v->type == RAY_POLICY_AUTHENTICATION ? 401U : 403U;
    refuse(config, out, by, reason, http_status);
    out->redirects = reason == RAY_REASON_POLICY_REDIRECT;
    if (out->redirects != 0)
        out->redirect = ray_policy_handle(config, by);
}

/* What the verdict would be were the shadow rules enforced; kept only when it is another one. */
static __attribute__((noinline)) void shadow(const ray_policy_config *config, uint64_t now_ns,
                                             const ray_policy_query *query,
                                             const ray_policy_bits *hit, const verdict *now,
                                             ray_policy_answer *out)
{
    const ray_policy_index *index = &config->index;
    verdict would = judge(config, hit, index->evaluated_shadow);
    if (would.granted != 0)
        would.redirect = redirect_of(config, hit);
    uint32_t goes = would.granted != 0 && would.redirect == RAY_NONE;
    uint32_t goes_now = now->granted != 0 && now->redirect == RAY_NONE;
    if (goes == goes_now && (would.redirect == RAY_NONE) == (now->redirect == RAY_NONE))
        return;
    uint32_t type = would.granted == 0 ? would.type : now->type;
    ray_policy_bits own = ray_bits_and(&index->shadow, &index->type[type]);
    ray_policy_bits matched = ray_bits_and(&own, hit);
    uint32_t slot = would.redirect != RAY_NONE ? would.redirect : would.by;
    if (slot == RAY_NONE || !ray_bits_has(&index->shadow, slot))
        slot = ray_bits_any(&matched) ? ray_policy_first_of(index, matched) :
               ray_bits_any(&own) ? ray_policy_first_of(index, own) : (uint32_t)RAY_NONE;
    out->would_reason = (uint16_t)reason_of(config, now_ns, query, &would);
    out->would_by = slot != RAY_NONE ? ray_policy_handle(config, slot) : (uint32_t)RAY_NONE;
}

static void begin(ray_policy_answer *out)
{
    memset(out, 0, sizeof *out);
    out->by = RAY_NONE;
    out->redirect = RAY_NONE;
    out->header_rule = RAY_NONE;
    out->would_by = RAY_NONE;
    out->reason = RAY_REASON_OK;
    out->http_status = 200;
    out->granted = 1;
    out->set_class = RAY_CLASS_DEFAULT;
}

/* -- request -- */
uint32_t ray_policy_count(const ray_policy *policy)
{
    const ray_policy_index *index = &policy->config.index;
    return index->enabled_count + (index->evaluated & index->denies);
}

ray_status ray_policy_ask(const ray_policy *policy, uint64_t now_ns, const ray_policy_query *query,
                          ray_policy_answer *out)
{
    const ray_policy_config *config = &policy->config;
    const ray_policy_index *index = &config->index;
    ray_policy_bits hit, effects;
    if (ray_policy_query_check(query) != RAY_OK)
        return RAY_E_ARGUMENT;
    begin(out);
    if (ray_policy_count(policy) == 0)
        return RAY_OK;
    out->asked = 1;
    match(config, now_ns, query, &hit);
    ray_policy_bits enforced = ray_bits_and(&hit, &index->enforced);
    for (uint32_t word = 0; word < RAY_POLICY_WORDS; word++) {
        out->matched[word] = enforced.at[word];
        out->shadow_matched[word] = hit.at[word] & index->shadow.at[word];
    }
    if (!ray_bits_any(&hit) && (index->evaluated_shadow & index->denies) == 0)
        return RAY_OK;  /* nothing matches and nothing has to */
    verdict v = judge(config, &enforced, index->evaluated);
    effects = ray_bits_and(&enforced, &index->effect);
    uint32_t effective = ray_bits_any(&effects);
    if (effective != 0 && v.granted != 0)
        v.redirect = redirect_of(config, &enforced);
    apply(config, reason_of(config, now_ns, query, &v), &v, out);
    if (effective != 0)
        obligations(config, effects, out);
    if (index->evaluated_shadow != index->evaluated || ray_bits_any(&index->shadow))
        shadow(config, now_ns, query, &hit, &v, out);
    return RAY_OK;
}
