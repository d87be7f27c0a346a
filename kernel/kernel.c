/* SPDX-License-Identifier: MIT */
/* kernel.c - the core as one thing: beginning, stepping rows, and reading what is inside. */
#include "kernel_state.h"
#include "pipeline/journey.h"
#include "base/bytes.h"

_Static_assert(sizeof(struct ray) <= RAY_STATE_BYTES_MAX,
               "struct ray is over its profile's budget: lower a capacity");
_Static_assert(sizeof(ray_inflight_slot) <= 320,
               "an in-flight slot is at most 320 bytes (DESIGN.md section 4)");
_Static_assert(sizeof(ray_row) == 152,
               "a row has no padding: the machine link carries it as it is");
_Static_assert(sizeof(struct ray) % 8 == 0, "the state is digested in 64-bit words");

/* -- init -- */
uint64_t ray_bytes(void)
{
    return sizeof(struct ray);
}

void ray_init(struct ray *ray, const uint8_t seed[16])
{
    uint8_t *bytes = (uint8_t *)ray;   /* the modules clear their own part: it is the larger one */
    memset(bytes, 0, offsetof(struct ray, gateway));
    memset(ray->reserved, 0, sizeof ray->reserved);
    memset(bytes + offsetof(struct ray, inflight), 0, sizeof *ray - offsetof(struct ray, inflight));
    ray_sip_begin(&ray->decision, "raygate-decision");
    ray->state_version = RAY_STATE_VERSION;
    ray->profile = RAY_PROFILE;
    memcpy(ray->who.seed, seed, sizeof ray->who.seed);
    ray->who.settings.default_class = RAY_CLASS_NORMAL;
    ray->who.settings.no_route_status = 404;
    ray_gateway_init(&ray->gateway, seed);
    ray_ratelimit_init(&ray->ratelimit, seed);
    ray_quota_init(&ray->quota, seed);
    ray_priority_init(&ray->priority, seed);
    ray_policy_init(&ray->policy, seed);
    ray_cost_init(&ray->cost, seed);
    ray_governance_init(&ray->governance, seed);
    ray_auth_init(&ray->auth, seed);
    ray_mediator_init(&ray->mediator, seed);
    ray_lb_init(&ray->lb, seed);
    ray_resilience_init(&ray->resilience, seed);
    ray_apimon_init(&ray->apimon, seed);
}

/* -- stepping -- */
static void refuse(struct ray *ray, ray_answer *answer, ray_status status)
{
    memset(answer, 0, sizeof *answer);
    answer->status = status;
    answer->by_id = RAY_NONE;
    ray->tally.error_count++;
}

/* Will the request of this row be in flight when the row happens? One whose deadline comes first is
 * not, whether or not a tick has said so already: ticks change no answer. */
static uint32_t still_inflight(const struct ray *ray, const ray_row *row)
{
    uint32_t place = ray_inflight_find(ray, row->id);
    if (place == RAY_NONE || (row->flags & RAY_ROW_NOW) != 0)
        return place != RAY_NONE;
    return ray->inflight.due_ns[place] > ray_gate_peek(ray, row->at_ns);
}

/* What can be said against a row before time passes: a refused row does not even move the clock. */
static ray_status row_fits(const struct ray *ray, const ray_rows *rows, const ray_row *row)
{
    ray_status status = ray_row_check(ray, rows, row);
    if (RAY_RARELY(status != RAY_OK) || RAY_MOSTLY(row->kind == RAY_ROW_EXCHANGE))
        return status;
    switch ((enum ray_row_kind)row->kind) {
    case RAY_ROW_ADMIT:
        if (row->id == 0 || row->id >= RAY_EXCHANGE_ID)
            return RAY_E_ARGUMENT;
        return still_inflight(ray, row) ? RAY_E_EXISTS : RAY_OK;
    case RAY_ROW_EXCHANGE:
    case RAY_ROW_TICK:
        return RAY_OK;
    case RAY_ROW_DISPATCH:
        if (row->id == 0)
            return RAY_OK;
        if (row->id >= RAY_EXCHANGE_ID)
            return RAY_E_ARGUMENT;
        return still_inflight(ray, row) ? RAY_OK : RAY_E_UNKNOWN;
    case RAY_ROW_SETTLE:
        return ray->clock.live != 0 ? RAY_E_STATE : RAY_OK;
    case RAY_ROW_COMPLETE:
    case RAY_ROW_CANCEL:
    case RAY_ROW_REFUND:
        if (row->id >= RAY_EXCHANGE_ID ||   /* or an end without a word about how */
            (row->kind == RAY_ROW_COMPLETE && row->http_status == 0 && row->outcome == 0))
            return RAY_E_ARGUMENT;
        if ((row->flags & RAY_ROW_QUIET) != 0)
            return RAY_OK;
        return still_inflight(ray, row) ? RAY_OK : RAY_E_UNKNOWN;
    }
    return RAY_E_ARGUMENT;
}

static void step(struct ray *ray, const ray_rows *rows, const ray_row *row, ray_answer *answer)
{
    ray_status status = row_fits(ray, rows, row);
    if (RAY_RARELY(status != RAY_OK)) {
        refuse(ray, answer, status);
        return;
    }
    uint64_t now_ns = (row->flags & RAY_ROW_NOW) != 0 || row->kind == RAY_ROW_SETTLE
                          ? ray->clock.now_ns
                          : ray_gate_pass(ray, row->at_ns);
    ray_answer_begin(ray, now_ns, answer);
    switch ((enum ray_row_kind)row->kind) {
    case RAY_ROW_ADMIT:
    case RAY_ROW_EXCHANGE: ray_step_admit(ray, now_ns, rows, row, answer); break;
    case RAY_ROW_DISPATCH: ray_step_dispatch(ray, now_ns, row, answer); break;
    case RAY_ROW_TICK: break;
    case RAY_ROW_SETTLE:
        answer->status = ray_settle(ray);
        answer->at_ns = ray->clock.now_ns;
        break;
    case RAY_ROW_COMPLETE:
    case RAY_ROW_CANCEL:
    case RAY_ROW_REFUND: ray_step_end(ray, now_ns, rows, row, answer); break;
    }
    if (RAY_RARELY(answer->status != RAY_OK))
        refuse(ray, answer, answer->status);
}

ray_status ray_step_batch(struct ray *ray, const ray_rows *rows, uint32_t n, ray_answer *answers)
{
    ray_rows one = *rows;
    if (ray->state_version != RAY_STATE_VERSION || ray->profile != RAY_PROFILE)
        return RAY_E_VERSION;
    for (uint32_t i = 0; i < n; i++) {
        one.row = &rows->row[i];
        step(ray, &one, one.row, &answers[i]);
    }
    return RAY_OK;
}

/* -- reading -- */
void ray_read(const struct ray *ray, ray_stats *out)
{
    const ray_tally *tally = &ray->tally;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->offered_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->error_count;
    out->delayed_count = tally->delayed_count;
    out->dispatched_count = tally->dispatched_count;
    out->dropped_count = tally->dropped_count;
    out->preempted_count = tally->preempted_count;
    out->queued_count = ray->inflight.held_count;
    out->completed_count = tally->completed_count;
    out->expired_count = tally->expired_count;
    out->cancelled_count = tally->cancelled_count;
    out->refunded_count = tally->refunded_count;
    out->would_deny_count = tally->would_deny_count;
    out->inflight_count = ray->inflight.count;
    out->inflight_count_max = tally->inflight_count_max;
    out->retried_count = tally->retried_count;
    out->cached_count = tally->cached_count;
    out->clock_back_count = ray->clock.back_count;
    out->clock_clamp_count = ray->clock.clamp_count;
    out->seq = ray->seq;
    out->now_ns = ray->clock.now_ns;
    out->wall_offset_ns = ray->clock.wall_offset_ns;
    out->epoch = ray->who.epoch;
    out->edit_count = ray->who.edit_count;
    out->profile = RAY_PROFILE;
    out->clock_virtual = ray->clock.live == 0;
    out->draining = ray->who.draining;
    memcpy(out->config_hash, ray->who.config_hash, sizeof out->config_hash);
}

ray_gateway *ray_gateway_of(struct ray *ray)
{
    return &ray->gateway;
}

ray_ratelimit *ray_ratelimit_of(struct ray *ray)
{
    return &ray->ratelimit;
}

ray_quota *ray_quota_of(struct ray *ray)
{
    return &ray->quota;
}

ray_priority *ray_priority_of(struct ray *ray)
{
    return &ray->priority;
}

ray_policy *ray_policy_of(struct ray *ray)
{
    return &ray->policy;
}

ray_cost *ray_cost_of(struct ray *ray)
{
    return &ray->cost;
}

ray_governance *ray_governance_of(struct ray *ray)
{
    return &ray->governance;
}

ray_auth *ray_auth_of(struct ray *ray)
{
    return &ray->auth;
}

ray_mediator *ray_mediator_of(struct ray *ray)
{
    return &ray->mediator;
}

ray_lb *ray_lb_of(struct ray *ray)
{
    return &ray->lb;
}

ray_resilience *ray_resilience_of(struct ray *ray)
{
    return &ray->resilience;
}

ray_apimon *ray_apimon_of(struct ray *ray)
{
    return &ray->apimon;
}

static ray_part part(const char *name, uint64_t bytes, uint64_t used, uint64_t capacity)
{
    ray_part out;
    memset(&out, 0, sizeof out);
    ray_name_set(&out.name, name, ray_length_of(name));
    out.bytes = bytes;
    out.used = used;
    out.capacity = capacity;
    return out;
}

static uint64_t limit_count(const struct ray *ray)
{
    uint64_t count = 0;
    for (uint32_t scope = 0; scope < RAY_SCOPE_MAX; scope++)
        count += ray->ratelimit.config.scope_count[scope];
    return count;
}

ray_status ray_part_read(const struct ray *ray, uint32_t index, ray_part *out)
{
    uint64_t audited = ray->audit.count < RAY_AUDIT_MAX ? ray->audit.count : RAY_AUDIT_MAX;
    ray_gateway_stats gateway;
    ray_quota_stats quota;
    ray_resilience_stats resilience;
    ray_gateway_read(&ray->gateway, &gateway);
    ray_quota_read(&ray->quota, &quota);
    switch (index) {
    case 0: *out = part("gateway", sizeof ray->gateway, gateway.route_count, RAY_ROUTE_MAX); break;
    case 1: *out = part("ratelimit", sizeof ray->ratelimit, limit_count(ray), RAY_LIMIT_MAX); break;
    case 2:
        *out = part("quota", sizeof ray->quota, quota.allocation_count, RAY_QUOTA_ALLOCATION_MAX);
        break;
    case 3:
        *out = part("priority", sizeof ray->priority, ray->priority.book.entry_count,
                    RAY_QUEUE_ENTRY_MAX);
        break;
    case 4:
        *out = part("policy", sizeof ray->policy, ray->policy.config.count, RAY_POLICY_MAX);
        break;
    case 5:
        *out = part("cost", sizeof ray->cost, ray->cost.book.cell_count, RAY_COST_CELL_MAX);
        break;
    case 6:
        *out = part("governance", sizeof ray->governance, ray->governance.tally.series_count,
                    RAY_SERIES_MAX);
        break;
    case 7: *out = part("tenants", sizeof ray->who, ray->who.tenant_count, RAY_TENANT_MAX); break;
    case 8:
        *out = part("inflight", sizeof ray->inflight, ray->inflight.count, RAY_INFLIGHT_MAX);
        break;
    case 9: *out = part("audit", sizeof ray->audit, audited, RAY_AUDIT_MAX); break;
    case 10:
        ray_resilience_read(&ray->resilience, &resilience);
        *out = part("resilience", sizeof ray->resilience, resilience.breaker_count,
                    RAY_SERVICE_MAX);
        break;
    case 11:
        *out = part("lb", sizeof ray->lb, ray->lb.config.instance_count, RAY_INSTANCE_MAX);
        break;
    case 12:
        *out = part("apimon", sizeof ray->apimon, ray->apimon.tally.row_count,
                    RAY_APIMON_SERVICE_MAX);
        break;
    case 13:
        *out = part("mediator", sizeof ray->mediator, ray->mediator.book.kept_count,
                    RAY_CACHE_ENTRY_MAX);
        break;
    case 14:
        *out = part("auth", sizeof ray->auth, ray->auth.config.credential_count,
                    RAY_CREDENTIAL_MAX);
        break;
    default: return RAY_E_UNKNOWN;
    }
    return RAY_OK;
}

/* -- law -- */
/* Laws by number: 1-99 the kernel's, then a hundred per module as in reason.h. */
uint32_t ray_valid(const struct ray *ray)
{
    const ray_tally *tally = &ray->tally;
    uint32_t broken;
    if (ray->state_version != RAY_STATE_VERSION || ray->profile != RAY_PROFILE)
        return 1;
    if (tally->offered_count != tally->granted_count + tally->denied_count)
        return 2;
    if (tally->offered_count != tally->denied_count + tally->dropped_count +
                                    tally->preempted_count + tally->dispatched_count +
                                    ray->inflight.held_count)
        return 3;
    if ((broken = ray_inflight_valid(ray)) != 0)
        return 10 + broken;
    if ((broken = ray_gateway_valid(&ray->gateway)) != 0)
        return 100 + broken;
    if ((broken = ray_ratelimit_valid(&ray->ratelimit)) != 0)
        return 200 + broken;
    if ((broken = ray_quota_valid(&ray->quota)) != 0)
        return 300 + broken;
    if ((broken = ray_priority_valid(&ray->priority)) != 0)
        return 400 + broken;
    if ((broken = ray_policy_valid(&ray->policy)) != 0)
        return 500 + broken;
    if ((broken = ray_cost_valid(&ray->cost)) != 0)
        return 600 + broken;
    if ((broken = ray_governance_valid(&ray->governance)) != 0)
        return 700 + broken;
    if ((broken = ray_auth_valid(&ray->auth)) != 0)
        return 800 + broken;
    if ((broken = ray_mediator_valid(&ray->mediator)) != 0)
        return 900 + broken;
    if ((broken = ray_lb_valid(&ray->lb)) != 0)
        return 1000 + broken;
    if ((broken = ray_resilience_valid(&ray->resilience)) != 0)
        return 1100 + broken;
    if ((broken = ray_apimon_valid(&ray->apimon)) != 0)
        return 1200 + broken;
    return 0;
}

ray_status ray_adopt(struct ray *ray)
{
    if (ray_valid(ray) != 0 || ray_gateway_reindex(&ray->gateway) == 0 ||
        ray_policy_reindex(&ray->policy) == 0 || ray_lb_reindex(&ray->lb) == 0)
        return RAY_E_ARGUMENT;
    return RAY_OK;
}
