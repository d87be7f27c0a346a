/* SPDX-License-Identifier: MIT */
/* audit.c - decisions that rules asked to keep: ids without a gap, each record sealed with the hash
 * of the one before, so that nobody can take one out or change one unseen. */
#include "parts.h"
#include "base/sha256.h"

static void seal(const uint8_t before[32], ray_policy_record *record)
{
    ray_sha256 hash;
    ray_sha256_init(&hash);
    ray_sha256_add(&hash, before, 32);
    ray_sha256_add(&hash, (const uint8_t *)record, offsetof(ray_policy_record, hash));
    ray_sha256_end(&hash, record->hash);
}

static uint64_t overwritten(const ray_policy_tally *tally)
{
    return tally->audit_count > RAY_POLICY_AUDIT_MAX ? tally->audit_count - RAY_POLICY_AUDIT_MAX
                                                     : 0;
}

static const ray_policy_record *record_at(const ray_policy_tally *tally, uint64_t id)
{
    return &tally->record[(id - 1) % RAY_POLICY_AUDIT_MAX];
}

/* The hash that record `id` continues. */
static const uint8_t *hash_before(const ray_policy_tally *tally, uint64_t id)
{
    return id - 1 > overwritten(tally) ? record_at(tally, id - 1)->hash : tally->anchor;
}

void ray_policy_audit_add(ray_policy *policy, const ray_policy_record *record)
{
    ray_policy_tally *tally = &policy->tally;
    ray_policy_record fresh = *record;
    fresh.id = tally->audit_count + 1;
    uint8_t before[32];
    memcpy(before, hash_before(tally, fresh.id), sizeof before);
    ray_policy_record *at = &tally->record[(fresh.id - 1) % RAY_POLICY_AUDIT_MAX];
    if (fresh.id > RAY_POLICY_AUDIT_MAX)
        memcpy(tally->anchor, at->hash, sizeof tally->anchor);
    seal(before, &fresh);
    *at = fresh;
    tally->audit_count = fresh.id;
}

ray_status ray_policy_audit_read(const ray_policy *policy, uint64_t id, ray_policy_record *out)
{
    if (id == 0 || id > policy->tally.audit_count)
        return RAY_E_UNKNOWN;
    if (id <= overwritten(&policy->tally))
        return RAY_E_STALE;
    *out = *record_at(&policy->tally, id);
    return RAY_OK;
}

uint64_t ray_policy_audit_broken(const ray_policy *policy)
{
    const ray_policy_tally *tally = &policy->tally;
    for (uint64_t id = overwritten(tally) + 1; id <= tally->audit_count; id++) {
        ray_policy_record copy = *record_at(tally, id);
        seal(hash_before(tally, id), &copy);
        if (copy.id != id || !ray_same(copy.hash, record_at(tally, id)->hash, sizeof copy.hash))
            return id;
    }
    return 0;
}
