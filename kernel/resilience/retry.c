/* SPDX-License-Identifier: MIT */
/* retry.c - whether one more attempt is worth it, when, and who pays: a budget keeps retries from
 * multiplying the load of a service that is down. */
#include "parts.h"

enum { NS_PER_S = 1000000000 };

/* -- the budget -- */
static uint64_t reserve_of(const ray_retry_spec *spec)
{
    return ray_mul_div_floor((uint64_t)spec->reserve * spec->cost, spec->ttl_ns, NS_PER_S);
}

void ray_budget_begin(ray_resilience *resilience, uint32_t place)
{
    const ray_guard_spec *spec = &resilience->config.guard[place].spec;
    ray_budget *budget = &resilience->book.guard[place].budget;
    memset(budget, 0, sizeof *budget);
    if (ray_guard_has(spec, RAY_GUARD_RETRY) && spec->retry.budget == RAY_BUDGET_BANK)
        budget->bank = spec->retry.capacity;
}

void ray_budget_deposit(ray_resilience *resilience, uint32_t place, uint64_t now_ns)
{
    const ray_retry_spec *spec = &resilience->config.guard[place].spec.retry;
    ray_budget *budget = &resilience->book.guard[place].budget;
    if (spec->budget != RAY_BUDGET_WINDOW)
        return;
    ray_ring_pass(&budget->ring, now_ns, ray_ring_sub(spec->ttl_ns));
    ray_ring_add(&budget->ring, 0, spec->deposit);
}

/* A success fills the bank, never above what it began with. */
static void refund(ray_resilience *resilience, uint32_t place, uint32_t attempt)
{
    const ray_retry_spec *spec = &resilience->config.guard[place].spec.retry;
    ray_budget *budget = &resilience->book.guard[place].budget;
    if (spec->budget != RAY_BUDGET_BANK)
        return;
    budget->bank += attempt > 1 ? spec->refund : spec->deposit;
    if (budget->bank > spec->capacity)
        budget->bank = spec->capacity;
}

uint64_t ray_budget_left(const ray_resilience *resilience, uint32_t place, uint64_t now_ns)
{
    const ray_guard_spec *spec = &resilience->config.guard[place].spec;
    const ray_budget *budget = &resilience->book.guard[place].budget;
    uint64_t sum[2];
    if (!ray_guard_has(spec, RAY_GUARD_RETRY))
        return 0;
    if (spec->retry.budget == RAY_BUDGET_NONE)
        return RAY_NEVER;
    if (spec->retry.budget == RAY_BUDGET_BANK)
        return budget->bank;
    ray_ring_view(&budget->ring, now_ns, ray_ring_sub(spec->retry.ttl_ns), sum);
    uint64_t has = ray_add_capped(sum[0], reserve_of(&spec->retry));
    return has > sum[1] ? has - sum[1] : 0;
}

static void withdraw(ray_resilience *resilience, uint32_t place, uint64_t now_ns)
{
    const ray_retry_spec *spec = &resilience->config.guard[place].spec.retry;
    ray_budget *budget = &resilience->book.guard[place].budget;
    if (spec->budget == RAY_BUDGET_BANK)
        budget->bank -= spec->cost;
    if (spec->budget != RAY_BUDGET_WINDOW)
        return;
    ray_ring_pass(&budget->ring, now_ns, ray_ring_sub(spec->ttl_ns));
    ray_ring_add(&budget->ring, 1, spec->cost);
}

/* -- backoff -- */
uint64_t ray_resilience_backoff(const ray_retry_spec *spec, uint32_t attempt)
{
    uint32_t shift = attempt > 0 ? attempt - 1 : 0;
    if (shift >= 63 || spec->base_ns > spec->max_ns >> shift)
        return spec->max_ns;
    return spec->base_ns << shift;
}

/* Full jitter is anywhere in [0, backoff]: it spreads a crowd best (Brooker 2015). */
static uint64_t delay_of(const ray_resilience *resilience, uint32_t place, uint32_t attempt)
{
    const ray_retry_spec *spec = &resilience->config.guard[place].spec.retry;
    uint64_t most_ns = ray_resilience_backoff(spec, attempt);
    uint64_t least_ns = spec->jitter == RAY_JITTER_NONE    ? most_ns
                        : spec->jitter == RAY_JITTER_EQUAL ? most_ns / 2
                                                           : 0;
    if (most_ns == least_ns)
        return most_ns;
    uint64_t number = (uint64_t)place << 48 ^ resilience->book.guard[place].budget.draws;
    uint64_t draw = ray_siphash_words(resilience->config.seed, number, attempt);
    return least_ns + draw % (most_ns - least_ns + 1);
}

/* -- judgement -- */
/* What is against a retry that starts at `start_ns`, in the order of what a caller can do least
 * about; RAY_REASON_OK: nothing. */
static uint16_t against(const ray_resilience *resilience, uint64_t now_ns, uint64_t start_ns,
                        const ray_guard_spec *spec, const ray_outcome_report *report)
{
    uint32_t place = ray_guard_place(spec->service);
    const ray_breaker *breaker = &resilience->book.guard[place].breaker;
    if ((spec->retry.methods >> report->method & 1U) == 0 && report->idempotent == 0)
        return RAY_REASON_RETRY_METHOD;
    if (report->attempt >= spec->retry.attempts)
        return RAY_REASON_RETRY_ATTEMPTS;
    if (start_ns == RAY_NEVER || (report->deadline_ns != 0 && start_ns >= report->deadline_ns))
        return RAY_REASON_RETRY_DEADLINE;
    if (ray_guard_has(spec, RAY_GUARD_BREAKER) && spec->mode == RAY_MODE_ENFORCE &&
        breaker->forced != RAY_FORCE_CLOSED &&
        (breaker->forced == RAY_FORCE_OPEN ||
         (breaker->state == RAY_BREAKER_OPEN && start_ns < resilience->book.open_until_ns[place])))
        return RAY_REASON_BREAKER_OPEN;
    if (ray_budget_left(resilience, place, now_ns) < spec->retry.cost)
        return RAY_REASON_RETRY_BUDGET;
    return RAY_REASON_OK;
}

static void tally_refusal(ray_guard_tally *tally, uint16_t reason)
{
    tally->retry_method_count += reason == RAY_REASON_RETRY_METHOD;
    tally->retry_attempts_count += reason == RAY_REASON_RETRY_ATTEMPTS;
    tally->retry_deadline_count += reason == RAY_REASON_RETRY_DEADLINE;
    tally->retry_breaker_count += reason == RAY_REASON_BREAKER_OPEN;
    tally->retry_budget_count += reason == RAY_REASON_RETRY_BUDGET;
}

void ray_retry_judge(ray_resilience *resilience, uint64_t now_ns, const ray_guard_spec *spec,
                     const ray_outcome_report *report, ray_resilience_verdict *verdict)
{
    uint32_t place = ray_guard_place(spec->service);
    ray_guard_tally *tally = &resilience->tally.guard[place];
    if (report->outcome == RAY_OUTCOME_OK)
        refund(resilience, place, report->attempt);
    verdict->retry_after_ns = report->outcome == RAY_OUTCOME_OK ? 0 : report->retry_after_ns;
    if (!ray_outcome_in(&spec->retry.on, report->outcome, report->http_status)) {
        verdict->reason =
            report->outcome == RAY_OUTCOME_OK ? RAY_REASON_OK : RAY_REASON_RETRY_OUTCOME;
        return;
    }
    uint64_t delay_ns = delay_of(resilience, place, report->attempt);
    if (delay_ns < report->retry_after_ns)
        delay_ns = report->retry_after_ns;
    uint64_t start_ns = ray_add_capped(now_ns, delay_ns);
    verdict->reason = against(resilience, now_ns, start_ns, spec, report);
    if (verdict->reason != RAY_REASON_OK) {
        tally_refusal(tally, verdict->reason);
        return;
    }
    withdraw(resilience, place, now_ns);
    resilience->book.guard[place].budget.draws++;
    tally->retry_count++;
    verdict->retry = 1;
    verdict->delay_ns = delay_ns;
    verdict->start_at_ns = start_ns;
    verdict->retry_after_ns = 0;
}
