/* SPDX-License-Identifier: MIT */
/* read.c - every guard in numbers, as it is at the asked instant; and the words of its codes. */
#include "parts.h"

/* -- one guard -- */
static void breaker_view(const ray_resilience *resilience, uint32_t place, uint64_t now_ns,
                         ray_breaker_view *out)
{
    const ray_breaker *breaker = &resilience->book.guard[place].breaker;
    uint64_t until_ns = resilience->book.open_until_ns[place];
    uint64_t sum[2];
    memset(out, 0, sizeof *out);
    out->state = ray_breaker_state_at(resilience, place, now_ns);
    uint32_t moved = out->state != breaker->state;
    ray_breaker_sums(resilience, place, now_ns, sum);
    out->since_ns = moved != 0 ? until_ns : breaker->since_ns;
    out->open_until_ns = moved != 0 ? 0 : until_ns;
    out->success_count = sum[0];
    out->failure_count = sum[1];
    out->generation = breaker->generation + moved;
    out->forced = breaker->forced;
    out->probing = moved != 0 ? 0 : breaker->probing;
    out->row_successes = moved != 0 ? 0 : breaker->row_successes;
    out->row_failures = moved != 0 ? 0 : breaker->row_failures;
    out->reopened = breaker->reopened;
    if (sum[0] + sum[1] != 0)
        out->rate_ppm = (uint32_t)ray_mul_div_floor(sum[1], 1000000, sum[0] + sum[1]);
}

ray_status ray_resilience_spec_read(const ray_resilience *resilience, uint32_t service,
                                    ray_guard_spec *out)
{
    const ray_guard_spec *spec =
        ray_guard_known(service) ? ray_guard_rule(resilience, service) : 0;
    if (spec == 0)
        return RAY_E_UNKNOWN;
    *out = *spec;
    return RAY_OK;
}

ray_status ray_resilience_guard_read(const ray_resilience *resilience, uint64_t now_ns,
                                     uint32_t service, ray_guard_stats *out)
{
    uint32_t place = ray_guard_place(service);
    if (!ray_guard_known(service) || ray_guard_rule(resilience, service) == 0)
        return RAY_E_UNKNOWN;
    const ray_guard_book *book = &resilience->book.guard[place];
    memset(out, 0, sizeof *out);
    out->tally = resilience->tally.guard[place];
    breaker_view(resilience, place, now_ns, &out->breaker);
    out->budget_left = ray_budget_left(resilience, place, now_ns);
    out->service = service;
    out->running_count = book->running;
    out->in_use_count = book->bulkhead.in_use;
    out->in_use_bound = book->bulkhead.ceiling;
    out->waiting_count = book->bulkhead.waiting;
    return RAY_OK;
}

ray_status ray_resilience_at(const ray_resilience *resilience, uint32_t place, uint32_t *service)
{
    if (place >= RAY_SERVICE_MAX)
        return RAY_E_RANGE;
    if (resilience->config.guard[place].used == 0)
        return RAY_E_UNKNOWN;
    *service = resilience->config.guard[place].spec.service;
    return RAY_OK;
}

/* -- all of them -- */
static void add_guard(const ray_resilience *resilience, uint32_t place, ray_resilience_stats *out)
{
    const ray_guard_spec *spec = &resilience->config.guard[place].spec;
    const ray_guard_book *book = &resilience->book.guard[place];
    const ray_guard_tally *tally = &resilience->tally.guard[place];
    out->call_count += tally->call_count;
    for (uint32_t i = 0; i < RAY_OUTCOME_MAX; i++)
        out->ended_count += tally->ended_count[i];
    out->retry_count += tally->retry_count;
    out->bulkhead_count += ray_guard_has(spec, RAY_GUARD_BULKHEAD);
    out->retry_rule_count += ray_guard_has(spec, RAY_GUARD_RETRY);
    out->in_use_count += book->bulkhead.in_use;
    out->running_count += book->running;
    if (!ray_guard_has(spec, RAY_GUARD_BREAKER))
        return;
    out->breaker_count++;
    out->closed_count += book->breaker.state == RAY_BREAKER_CLOSED;
    out->open_count += book->breaker.state == RAY_BREAKER_OPEN;
    out->half_open_count += book->breaker.state == RAY_BREAKER_HALF_OPEN;
    out->forced_count += book->breaker.forced != RAY_FORCE_NONE;
}

void ray_resilience_read(const ray_resilience *resilience, ray_resilience_stats *out)
{
    const ray_resilience_tally *tally = &resilience->tally;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->asked_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->error_count;
    out->unspent_count = tally->unspent_count;
    out->would_deny_count = tally->would_deny_count;
    out->late_count = tally->late_count;
    out->event_count = tally->event_count;
    if (tally->event_count > RAY_BREAKER_EVENT_MAX)
        out->event_overwritten_count = tally->event_count - RAY_BREAKER_EVENT_MAX;
    out->waiting_count = resilience->book.waiting_count;
    out->held_call_count = resilience->book.call_count;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        if (resilience->config.guard[place].used != 0)
            add_guard(resilience, place, out);
}

ray_status ray_resilience_event_read(const ray_resilience *resilience, uint64_t id,
                                     ray_breaker_event *out)
{
    uint64_t written = resilience->tally.event_count;
    if (id == 0 || id > written)
        return RAY_E_UNKNOWN;
    if (written - id >= RAY_BREAKER_EVENT_MAX)
        return RAY_E_STALE;
    *out = resilience->tally.event[(id - 1) % RAY_BREAKER_EVENT_MAX];
    return RAY_OK;
}

/* -- words -- */
const char *ray_resilience_state_word(uint32_t state)
{
    switch ((enum ray_breaker_state)state) {
    case RAY_BREAKER_CLOSED: return "closed";
    case RAY_BREAKER_OPEN: return "open";
    case RAY_BREAKER_HALF_OPEN: return "half-open";
    }
    return "?";
}

const char *ray_resilience_cause_word(uint32_t cause)
{
    switch ((enum ray_breaker_cause)cause) {
    case RAY_CAUSE_FAILURES: return "failures";
    case RAY_CAUSE_RATE: return "rate";
    case RAY_CAUSE_TIME: return "time";
    case RAY_CAUSE_PROBE_FAILED: return "probe-failed";
    case RAY_CAUSE_PROBES_GOOD: return "probes-good";
    case RAY_CAUSE_OPERATOR: return "operator";
    }
    return "?";
}

const char *ray_resilience_outcome_word(uint32_t outcome)
{
    static const char words[RAY_OUTCOME_MAX][11] = {"ok",  "5xx", "timeout",   "connection",
                                                    "4xx", "429", "cancelled", "unsent"};
    return outcome < RAY_OUTCOME_MAX ? words[outcome] : "?";
}

const char *ray_resilience_force_word(uint32_t force)
{
    static const char words[RAY_FORCE_CLOSED + 1][7] = {"none", "open", "closed"};
    return force <= RAY_FORCE_CLOSED ? words[force] : "?";
}
