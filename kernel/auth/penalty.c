/* SPDX-License-Identifier: MIT */
/* penalty.c - failures as a virtual queue (GCRA): each takes `cost` of time, and who is more than
 * failures - 1 of them ahead waits. Only adds, subtracts and compares; one division per failure. */
#include "parts.h"

/* -- arithmetic (private) -- */
static uint64_t cost_of(const ray_auth *auth, uint32_t failures)
{
    uint64_t lockout_ns = auth->config.spec.lockout_ns;
    uint64_t cost = failures != 0 ? lockout_ns / failures : 0;
    return cost != 0 ? cost : 1;
}

/* The earliest instant at which one more failure would fit, as a wait. */
static uint64_t wait_of(const ray_auth *auth, uint64_t now_ns, uint64_t until_ns, uint32_t failures)
{
    if (auth->config.spec.lockout_ns == 0 || failures == 0 || until_ns <= now_ns)
        return 0;
    uint64_t ahead = until_ns - now_ns, room = cost_of(auth, failures) * (failures - 1);
    return ahead > room ? ahead - room : 0;
}

static void add(uint64_t *until_ns, uint64_t now_ns, uint64_t cost)
{
    uint64_t from = *until_ns > now_ns ? *until_ns : now_ns;
    *until_ns = from < RAY_NEVER - cost ? from + cost : RAY_NEVER;
}

/* -- sources -- */
/* An IPv6 client is its /64: the other half of its address is its own to choose. Who comes without
 * an address shares one source. */
uint64_t ray_auth_source(const ray_auth *auth, const ray_auth_query *query)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint32_t v4 = ray_same(query->address.at, mapped, sizeof mapped);
    uint64_t hash = ray_siphash(auth->config.seed, query->address.at,
                                query->address_known == 0 ? 0
                                : v4 != 0                 ? 16
                                                          : 8);
    return hash != 0 ? hash : 1;
}

static uint32_t row_of(const ray_auth *auth, uint64_t source)
{
    for (uint32_t i = 0; i < RAY_AUTH_WINDOW; i++) {
        uint32_t place = ((uint32_t)source + i) & (RAY_PENALTY_MAX - 1);
        if (auth->book.penalty[place].source == source)
            return place;
    }
    return RAY_NONE;
}

uint64_t ray_auth_source_wait(const ray_auth *auth, uint64_t now_ns, uint64_t source)
{
    const ray_auth_spec *spec = &auth->config.spec;
    if (spec->lockout_ns == 0)
        return 0;
    uint32_t place = row_of(auth, source);
    return place == RAY_NONE ? 0 : wait_of(auth, now_ns, auth->book.penalty[place].until_ns,
                                           spec->failures);
}

uint64_t ray_auth_credential_wait(const ray_auth *auth, uint64_t now_ns, uint32_t place)
{
    return wait_of(auth, now_ns, auth->book.credential_until_ns[place],
                   auth->config.spec.key_failures);
}

/* A row for a source that failed and has none: one that is free, or empty by now, which changes no
 * answer; else the least guilty of the window, whose failures the source takes over (Space-Saving,
 * Metwally et al. 2005). So a crowd of sources has no more guesses than the table has rows, whoever
 * is guiltiest stays locked, and who never failed is not asked to pay for the others. */
static uint32_t row_for(ray_auth *auth, uint64_t now_ns, uint64_t source)
{
    uint32_t empty = RAY_NONE, least = (uint32_t)source & (RAY_PENALTY_MAX - 1);
    for (uint32_t i = 0; i < RAY_AUTH_WINDOW; i++) {
        uint32_t place = ((uint32_t)source + i) & (RAY_PENALTY_MAX - 1);
        const ray_penalty *row = &auth->book.penalty[place];
        if (empty == RAY_NONE && (row->source == 0 || row->until_ns <= now_ns))
            empty = place;
        if (row->until_ns < auth->book.penalty[least].until_ns)
            least = place;
    }
    if (empty == RAY_NONE) {
        auth->tally.penalty_full_count++;
        return least;
    }
    if (auth->book.penalty[empty].source != 0)
        auth->tally.penalty_evicted_count++;
    return empty;
}

void ray_auth_penalise(ray_auth *auth, uint64_t now_ns, const ray_auth_answer *answer)
{
    const ray_auth_spec *spec = &auth->config.spec;
    if (spec->lockout_ns == 0)
        return;
    auth->tally.penalty_count++;
    uint32_t place = row_of(auth, answer->source);
    if (place == RAY_NONE)
        place = row_for(auth, now_ns, answer->source);
    ray_penalty *row = &auth->book.penalty[place];
    row->source = answer->source;
    add(&row->until_ns, now_ns, cost_of(auth, spec->failures));
    uint32_t credential = answer->credential & RAY_AUTH_SLOT_MASK;
    if (answer->credential != RAY_NONE && spec->key_failures != 0 &&
        credential < RAY_CREDENTIAL_MAX)
        add(&auth->book.credential_until_ns[credential], now_ns,
            cost_of(auth, spec->key_failures));
}
