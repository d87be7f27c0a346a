/* SPDX-License-Identifier: MIT */
/* replay_read.c - what a replay has counted, for whoever tells it. */
#include "replay_parts.h"

void ray_replay_read(const ray_replay *replay, ray_replay_stats *out)
{
    const ray_replay_tally *tally = ray_replay_tally_of(replay);

    *out = tally->stats;
    out->client_count = tally->clients.count;
    out->user_count = tally->users.count;
    out->hurt_client_count = tally->clients.first_count;
    out->hurt_user_count = tally->users.first_count;
    out->folded_client_count = tally->clients.folded_count;
    out->folded_user_count = tally->users.folded_count;
}

uint32_t ray_replay_rule_read(const ray_replay *replay, uint32_t index, ray_replay_rule *out)
{
    const ray_replay_tally *tally = ray_replay_tally_of(replay);

    if (index >= tally->rule_count)
        return 0;
    *out = tally->rules[index];
    return 1;
}

uint32_t ray_replay_service_read(const ray_replay *replay, uint32_t index, ray_replay_service *out)
{
    const ray_replay_tally *tally = ray_replay_tally_of(replay);

    if (index >= tally->service_count)
        return 0;
    *out = tally->services[index];
    return 1;
}

uint32_t ray_replay_tenant_read(const ray_replay *replay, uint32_t index, ray_replay_tenant *out)
{
    const ray_replay_tally *tally = ray_replay_tally_of(replay);

    if (index > ray_tenant_count(tally->names))
        return 0;
    *out = tally->tenants[index];
    out->tenant = index ? index - 1 : (uint32_t)RAY_NONE;
    return 1;
}

static const ray_replay_keys *keys_of(const ray_replay *replay, uint32_t users)
{
    const ray_replay_tally *tally = ray_replay_tally_of(replay);

    return users ? &tally->users : &tally->clients;
}

uint32_t ray_replay_top(const ray_replay *replay, uint32_t users, uint32_t most,
                        ray_replay_key *out)
{
    return ray_replay_keys_top(keys_of(replay, users), most, out);
}

uint64_t ray_replay_requests_of(const ray_replay *replay, uint32_t users, const uint8_t *name,
                                uint32_t length, uint32_t address)
{
    const ray_replay_entry *entry =
        ray_replay_keys_find(keys_of(replay, users), ray_replay_tally_of(replay)->hash_key, name,
                             length, address);

    return entry ? entry->request_count : 0;
}

uint32_t ray_replay_hurt(const ray_replay *replay, uint32_t users, uint32_t most,
                         ray_replay_key *out)
{
    return ray_replay_keys_hurt(keys_of(replay, users), most, out);
}

const ray_timeline *ray_replay_timeline(const ray_replay *replay)
{
    return ray_replay_tally_of(replay)->timeline;
}
