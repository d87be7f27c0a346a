/* SPDX-License-Identifier: MIT */
/* note.c - what is counted when the verdict of all stages is known, and who signs the audit. */
#include "parts.h"

static void count_rules(ray_policy *policy, const ray_policy_answer *answer)
{
    ray_policy_hits *hits = policy->tally.hits;
    ray_policy_bits matched, shadow;
    memcpy(&matched, answer->matched, sizeof matched);
    memcpy(&shadow, answer->shadow_matched, sizeof shadow);
    while (ray_bits_any(&matched))
        hits[ray_bits_next(&matched)].matched_count++;
    while (ray_bits_any(&shadow))
        hits[ray_bits_next(&shadow)].shadow_count++;
    if (answer->by != RAY_NONE) {
        hits[answer->by & RAY_POLICY_SLOT_MASK].decided_count++;
        hits[answer->by & RAY_POLICY_SLOT_MASK].denied_count += answer->granted == 0;
    }
    if (answer->would_by != RAY_NONE)
        hits[answer->would_by & RAY_POLICY_SLOT_MASK].would_count++;
}

/* Whose name an audit record bears. */
static uint32_t audited(const ray_policy_config *config, const ray_policy_answer *answer)
{
    ray_policy_bits left, found = {{0}};
    if (answer->by != RAY_NONE)
        return answer->by & RAY_POLICY_SLOT_MASK;
    memcpy(&left, answer->matched, sizeof left);
    while (ray_bits_any(&left)) {
        uint32_t slot = ray_bits_next(&left);
        if (config->slot[slot].spec.audit != 0 || config->slot[slot].spec.action == RAY_ACTION_LOG)
            ray_bits_set(&found, slot);
    }
    return ray_bits_any(&found) ? ray_policy_first_of(&config->index, found) : (uint32_t)RAY_NONE;
}

uint64_t ray_policy_audit(ray_policy *policy, uint64_t now_ns, int64_t wall_offset_ns, uint64_t seq,
                          const ray_policy_answer *answer, uint32_t granted)
{
    uint32_t slot = audited(&policy->config, answer);
    ray_policy_record record = {.at_ns = now_ns,
                                .unix_ns = (int64_t)(now_ns + (uint64_t)wall_offset_ns),
                                .seq = seq,
                                .reason = answer->reason,
                                .http_status = answer->http_status,
                                .granted = answer->granted,
                                .passed = granted != 0,
                                .alerts = answer->alerts,
                                .audits = answer->audits};
    if (slot != RAY_NONE)
        record.name = policy->config.slot[slot].spec.name;
    ray_policy_audit_add(policy, &record);
    return policy->tally.audit_count;
}

void ray_policy_note(ray_policy *policy, uint64_t now_ns, int64_t wall_offset_ns, uint64_t seq,
                     const ray_policy_answer *answer, uint32_t granted)
{
    ray_policy_tally *tally = &policy->tally;
    tally->asked_count++;
    tally->granted_count += answer->granted != 0;
    tally->denied_count += answer->granted == 0;
    tally->unspent_count += answer->granted != 0 && granted == 0;
    tally->redirected_count += answer->redirects != 0;
    tally->default_count += answer->reason == RAY_REASON_POLICY_DEFAULT;
    tally->indeterminate_count += answer->reason == RAY_REASON_POLICY_INDETERMINATE;
    tally->alert_count += answer->alerts;
    tally->would_count += answer->would_reason != 0;
    count_rules(policy, answer);
    if (answer->audits != 0)
        ray_policy_audit(policy, now_ns, wall_offset_ns, seq, answer, granted);
}

void ray_policy_note_error(ray_policy *policy)
{
    policy->tally.error_count++;
}
