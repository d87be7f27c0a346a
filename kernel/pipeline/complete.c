/* SPDX-License-Identifier: MIT */
/* complete.c - a request ends: its outcome settles what its admission reserved, or gives it
 * back. */
#include "pipeline/journey.h"
#include "base/bytes.h"

static void count_ending(struct ray *ray, const ray_ending *ending, uint32_t was_held)
{
    ray_tally *tally = &ray->tally;
    if (was_held != 0 && ending->refund != 0)
        tally->dropped_count++;
    else if (was_held != 0)
        tally->dispatched_count++;
    tally->completed_count += ending->verdict == RAY_VERDICT_COMPLETE;
    tally->expired_count += ending->verdict == RAY_VERDICT_EXPIRED;
    tally->cancelled_count += ending->verdict == RAY_VERDICT_CANCELLED;
    tally->refunded_count += ending->refund;
}

static void audit_ending(struct ray *ray, uint64_t now_ns, uint64_t admission,
                         const ray_ending *ending, ray_answer *answer)
{
    ray_audit_record record = {
        .at_ns = now_ns, .seq = answer->id, .before = admission, .after = ending->refund,
        .by_id = answer->by_id, .reason = ending->reason,
        .what = ending->verdict == RAY_VERDICT_EXPIRED ? RAY_AUDIT_EXPIRE : RAY_AUDIT_REFUND,
        .who = RAY_WHO_PIPELINE, .by_kind = answer->by_kind, .verdict = ending->verdict};
    answer->audit_id = (uint32_t)ray_audit_add(ray, &record);
}

void ray_end(struct ray *ray, uint64_t now_ns, uint32_t place, const ray_ending *ending,
             ray_answer *answer)
{
    ray_inflight_slot *slot = &ray->inflight.slot[place];
    uint32_t held = slot->phase == RAY_PHASE_HELD;
    int64_t wall_ns = ray->clock.wall_offset_ns;
    if (ending->refund != 0) {
        ray_ratelimit_refund(&ray->ratelimit, now_ns, slot->limit, slot->limit_count);
        ray_quota_refund(&ray->quota, now_ns, wall_ns, slot->quota, slot->quota_count);
    } else {
        ray_ratelimit_release(&ray->ratelimit, now_ns, slot->limit, slot->limit_count);
        ray_quota_settle(&ray->quota, now_ns, wall_ns, slot->quota, slot->quota_count,
                         ending->units);
    }
    answer->service = slot->service;
    answer->route = slot->route;
    answer->verdict = ending->verdict;
    answer->reason = ending->reason;
    answer->id = ray_record(ray, now_ns, answer);
    count_ending(ray, ending, held);
    if (ending->verdict != RAY_VERDICT_COMPLETE && ending->verdict != RAY_VERDICT_CANCELLED)
        audit_ending(ray, now_ns, slot->seq, ending, answer);
    ray->inflight.held_count -= held;
    ray_inflight_free(ray, place);
}

void ray_step_end(struct ray *ray, uint64_t now_ns, const ray_row *row, ray_answer *answer)
{
    uint32_t place = ray_inflight_find(ray, row->id);
    if (place == RAY_NONE) {
        if ((row->flags & RAY_ROW_QUIET) == 0)
            answer->status = RAY_E_UNKNOWN;
        return;
    }
    const ray_inflight_slot *slot = &ray->inflight.slot[place];
    ray_ending ending = {.reason = RAY_REASON_OK, .verdict = RAY_VERDICT_COMPLETE};
    uint64_t request_bytes =
        row->request_bytes > slot->request_bytes ? row->request_bytes : slot->request_bytes;
    ending.units[RAY_QUOTA_REQUESTS] = 1;
    ending.units[RAY_QUOTA_BYTES] = request_bytes + row->response_bytes;
    ending.units[RAY_QUOTA_COMPUTE] = row->compute_units;
    ending.units[RAY_QUOTA_CUSTOM] = row->custom_units;
    if (row->kind == RAY_ROW_CANCEL) {
        ending.verdict = RAY_VERDICT_CANCELLED;   /* what it took is kept: the client chose to go */
        ending.reason = RAY_REASON_CLIENT_CANCEL;
    } else if (row->kind == RAY_ROW_REFUND) {
        if (slot->phase != RAY_PHASE_HELD) {
            answer->status = RAY_E_STATE;         /* sent already: what left cannot be taken back */
            return;
        }
        ending.verdict = RAY_VERDICT_DROPPED;
        ending.reason = RAY_REASON_REFUNDED;
        ending.refund = 1;
    }
    answer->http_status = row->http_status;
    ray_end(ray, now_ns, place, &ending, answer);
}
