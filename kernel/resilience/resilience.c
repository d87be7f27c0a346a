/* SPDX-License-Identifier: MIT */
/* resilience.c - one attempt's way: may it go, what it takes, and what its end teaches. The order
 * of the guards is fixed: deadline, bulkhead, breaker. */
#include "parts.h"

enum { BY_BREAKER = 12, BY_BULKHEAD = 13, UNAVAILABLE = 503, GATEWAY_TIMEOUT = 504 };

/* -- init -- */
uint64_t ray_resilience_bytes(void)
{
    return sizeof(struct ray_resilience);
}

void ray_resilience_init(ray_resilience *resilience, const uint8_t seed[16])
{
    memset(resilience, 0, sizeof *resilience);
    memcpy(resilience->config.seed, seed, sizeof resilience->config.seed);
}

/* -- request -- */
uint32_t ray_resilience_guards(const ray_resilience *resilience, uint32_t service)
{
    if (!ray_guard_known(service))
        return 0;
    const ray_guard_spec *spec = ray_guard_rule(resilience, service);
    return spec != 0 && spec->mode != RAY_MODE_OFF;
}

uint32_t ray_resilience_outcome_of(uint32_t http_status)
{
    if (http_status >= 500 || (http_status < 100 && http_status != 0))
        return RAY_OUTCOME_FAIL_5XX;   /* RFC 9110 section 15: so is what is no status */
    if (http_status == 429)
        return RAY_OUTCOME_LIMITED_429;
    return http_status >= 400 ? RAY_OUTCOME_CLIENT_4XX : RAY_OUTCOME_OK;
}

static ray_status query_check(const ray_resilience *resilience, uint64_t now_ns,
                              const ray_resilience_query *query)
{
    if (!ray_guard_known(query->service))
        return RAY_E_UNKNOWN;
    if (query->attempt == 0 || query->method >= RAY_METHOD_MAX || query->called > 1)
        return RAY_E_ARGUMENT;
    if (now_ns == RAY_NEVER || (query->ticket != RAY_NONE && query->ticket >= RAY_WAITER_MAX))
        return RAY_E_RANGE;
    return query->ticket != RAY_NONE && resilience->book.waiter[query->ticket].own != 0
               ? RAY_E_EXISTS
               : RAY_OK;
}

static uint64_t until(uint64_t deadline_ns)
{
    return deadline_ns != 0 ? deadline_ns : RAY_NEVER;
}

/* The shortest of what the route, the guard and the deadline leave. */
static uint64_t timeout_of(uint64_t now_ns, const ray_guard_spec *spec,
                           const ray_resilience_query *query)
{
    uint64_t deadline_ns = until(query->deadline_ns);
    uint64_t timeout_ns = deadline_ns != RAY_NEVER ? deadline_ns - now_ns : RAY_NEVER;
    if (query->timeout_ns != 0 && query->timeout_ns < timeout_ns)
        timeout_ns = query->timeout_ns;
    if (spec != 0 && spec->timeout_ns != 0 && spec->timeout_ns < timeout_ns)
        timeout_ns = spec->timeout_ns;
    return timeout_ns;
}

static void refuse(ray_resilience_answer *out, uint32_t service, uint16_t reason, uint32_t kind)
{
    out->granted = 0;
    out->reason = reason;
    out->http_status = UNAVAILABLE;
    out->by_kind = (uint8_t)kind;
    out->by_id = service;
}

/* In shadow a guard lets through what it would refuse, without holding or counting it. */
static void object(const ray_guard_spec *spec, ray_resilience_answer *out, uint16_t reason,
                   uint32_t kind)
{
    if (spec->mode != RAY_MODE_SHADOW) {
        refuse(out, spec->service, reason, kind);
    } else if (out->would_reason == 0) {
        out->would_reason = reason;
        out->would_kind = (uint8_t)kind;
    }
}

static void ask_bulkhead(const ray_resilience *resilience, uint64_t now_ns,
                         const ray_guard_spec *spec, const ray_resilience_query *query,
                         ray_resilience_answer *out)
{
    const ray_bulkhead *bulkhead = &resilience->book.guard[ray_guard_place(spec->service)].bulkhead;
    if ((bulkhead->waiting == 0 || query->called != 0) && ray_bulkhead_free(resilience, spec)) {
        out->holds = 1;
        return;
    }
    if (spec->mode == RAY_MODE_SHADOW || bulkhead->waiting >= spec->bulkhead.waiting) {
        object(spec, out, RAY_REASON_BULKHEAD_FULL, BY_BULKHEAD);
        return;
    }
    out->waits = 1;
    out->reason = RAY_REASON_BULKHEAD_WAITS;
    out->by_kind = BY_BULKHEAD;
    out->by_id = spec->service;
    out->wait_until_ns = until(query->deadline_ns);
    if (spec->bulkhead.max_wait_ns != 0) {
        uint64_t gone_ns = ray_add_capped(now_ns, spec->bulkhead.max_wait_ns);
        out->wait_until_ns = gone_ns < out->wait_until_ns ? gone_ns : out->wait_until_ns;
    }
}

static void ask_breaker(const ray_resilience *resilience, uint64_t now_ns,
                        const ray_guard_spec *spec, ray_resilience_answer *out)
{
    uint32_t place = ray_guard_place(spec->service);
    const ray_breaker *breaker = &resilience->book.guard[place].breaker;
    uint32_t state = ray_breaker_state_at(resilience, place, now_ns);
    uint32_t probing = state == breaker->state ? breaker->probing : 0;
    if (breaker->forced == RAY_FORCE_OPEN) {
        object(spec, out, RAY_REASON_BREAKER_FORCED, BY_BREAKER);
    } else if (state == RAY_BREAKER_CLOSED || breaker->forced == RAY_FORCE_CLOSED) {
        out->counts = 1;
    } else if (state == RAY_BREAKER_OPEN) {
        object(spec, out, RAY_REASON_BREAKER_OPEN, BY_BREAKER);
        out->retry_after_ns =
            out->granted == 0 ? resilience->book.open_until_ns[place] - now_ns : 0;
    } else if (probing >= spec->breaker.probes) {
        object(spec, out, RAY_REASON_BREAKER_PROBING, BY_BREAKER);
    } else {
        out->counts = 1;
        out->probe = 1;
    }
}

ray_status ray_resilience_ask(const ray_resilience *resilience, uint64_t now_ns,
                              const ray_resilience_query *query, ray_resilience_answer *out)
{
    ray_status status = query_check(resilience, now_ns, query);
    if (status != RAY_OK)
        return status;
    const ray_guard_spec *spec = ray_guard_rule(resilience, query->service);
    memset(out, 0, sizeof *out);
    out->granted = 1;
    out->reason = RAY_REASON_OK;
    out->by_id = RAY_NONE;
    out->timeout_ns = RAY_NEVER;
    if (until(query->deadline_ns) <= now_ns) {
        refuse(out, RAY_NONE, RAY_REASON_DEADLINE, 0);
        out->http_status = GATEWAY_TIMEOUT;
        out->timeout_ns = 0;
        return RAY_OK;
    }
    out->timeout_ns = timeout_of(now_ns, spec, query);
    if (spec == 0 || spec->mode == RAY_MODE_OFF)
        return RAY_OK;
    if (ray_guard_has(spec, RAY_GUARD_BULKHEAD))
        ask_bulkhead(resilience, now_ns, spec, query, out);
    if (ray_guard_has(spec, RAY_GUARD_BREAKER) && out->granted != 0 && out->waits == 0)
        ask_breaker(resilience, now_ns, spec, out);
    if (out->granted == 0)
        out->holds = 0;
    return RAY_OK;
}

void ray_resilience_take(ray_resilience *resilience, uint64_t now_ns,
                         const ray_resilience_query *query, const ray_resilience_answer *answer,
                         ray_permit *permit)
{
    memset(permit, 0, sizeof *permit);
    if (ray_resilience_guards(resilience, query->service) == 0)
        return;
    const ray_guard_spec *spec = ray_guard_rule(resilience, query->service);
    uint32_t place = ray_guard_place(query->service);
    ray_guard_book *book = &resilience->book.guard[place];
    permit->guard = book->generation;
    if (answer->waits != 0) {
        permit->waiting = 1;
        ray_waiter_add(resilience, now_ns, query->service, query->ticket);
        return;
    }
    permit->taken = 1;
    book->running++;
    resilience->tally.guard[place].call_count++;
    if (answer->holds != 0) {
        ray_assert(ray_bulkhead_free(resilience, spec));
        permit->held = 1;
        permit->bulkhead = book->bulkhead.generation;
        book->bulkhead.in_use++;
        resilience->tally.guard[place].acquired_count++;
    }
    if (answer->counts != 0) {
        ray_breaker_settle(resilience, place, now_ns);
        permit->counts = 1;
        permit->probe = answer->probe;
        permit->generation = book->breaker.generation;
        book->breaker.probing += answer->probe;
    }
    if (ray_guard_has(spec, RAY_GUARD_RETRY) && query->attempt == 1)
        ray_budget_deposit(resilience, place, now_ns);
}

void ray_resilience_note(ray_resilience *resilience, uint64_t now_ns,
                         const ray_resilience_query *query, const ray_resilience_answer *answer,
                         uint32_t granted)
{
    ray_resilience_tally *tally = &resilience->tally;
    ray_guard_tally *counts = &tally->guard[ray_guard_place(query->service)];
    (void)now_ns;
    tally->asked_count++;
    tally->granted_count += answer->granted != 0;
    tally->denied_count += answer->granted == 0;
    tally->unspent_count += answer->granted != 0 && granted == 0;
    tally->would_deny_count += answer->would_reason != 0;
    if (ray_guard_rule(resilience, query->service) == 0)
        return;
    counts->would_deny_count += answer->would_reason != 0;
    counts->deadline_denied_count += answer->reason == RAY_REASON_DEADLINE;
    counts->bulkhead_denied_count += answer->granted == 0 && answer->by_kind == BY_BULKHEAD;
    counts->breaker_denied_count += answer->granted == 0 && answer->by_kind == BY_BREAKER;
}

/* What is a failure where no breaker says so. */
static uint8_t fails(uint32_t outcome)
{
    return outcome == RAY_OUTCOME_FAIL_5XX || outcome == RAY_OUTCOME_TIMEOUT ||
           outcome == RAY_OUTCOME_CONNECTION;
}

/* What the attempt held goes back, and what it says is learned; 0: its guard is gone since. */
static uint32_t settle(ray_resilience *resilience, uint64_t now_ns, const ray_guard_spec *spec,
                       const ray_permit *permit, const ray_outcome_report *report)
{
    uint32_t place = ray_guard_place(spec->service);
    ray_guard_book *book = &resilience->book.guard[place];
    if (permit->taken == 0)
        return 1;
    if (permit->guard != book->generation || book->running == 0)
        return 0;
    book->running--;
    resilience->tally.guard[place].ended_count[report->outcome]++;
    if (permit->counts != 0 && ray_guard_has(spec, RAY_GUARD_BREAKER))
        ray_breaker_learn(resilience, place, now_ns, permit, report);
    if (permit->held != 0)
        ray_bulkhead_release(resilience, place, permit);
    return 1;
}

void ray_resilience_done(ray_resilience *resilience, uint64_t now_ns, const ray_permit *permit,
                         const ray_outcome_report *report, ray_resilience_verdict *verdict)
{
    ray_resilience_verdict unheard;
    ray_resilience_verdict *out = verdict != 0 ? verdict : &unheard;
    memset(out, 0, sizeof *out);
    out->reason = report->outcome == RAY_OUTCOME_OK ? RAY_REASON_OK : RAY_REASON_RETRY_NONE;
    out->retry_after_ns = report->outcome == RAY_OUTCOME_OK ? 0 : report->retry_after_ns;
    if (report->outcome >= RAY_OUTCOME_MAX || report->method >= RAY_METHOD_MAX)
        return;
    const ray_guard_spec *spec = report->service != RAY_NONE && ray_guard_known(report->service)
                                     ? ray_guard_rule(resilience, report->service)
                                     : 0;
    if (spec == 0 || !settle(resilience, now_ns, spec, permit, report)) {
        resilience->tally.late_count += permit->taken != 0;
        return;
    }
    if (ray_guard_has(spec, RAY_GUARD_BREAKER))
        out->failed = (uint8_t)ray_outcome_in(&spec->breaker.counts, report->outcome,
                                              report->http_status);
    else
        out->failed = fails(report->outcome);
    if (verdict != 0 && ray_guard_has(spec, RAY_GUARD_RETRY) && spec->mode != RAY_MODE_OFF)
        ray_retry_judge(resilience, now_ns, spec, report, out);
}

ray_status ray_resilience_record(ray_resilience *resilience, uint64_t now_ns, uint32_t service,
                                 uint32_t outcome, uint32_t http_status)
{
    const ray_guard_spec *spec =
        ray_guard_known(service) ? ray_guard_rule(resilience, service) : 0;
    if (spec == 0 || !ray_guard_has(spec, RAY_GUARD_BREAKER))
        return RAY_E_UNKNOWN;
    if (outcome >= RAY_OUTCOME_MAX || http_status > UINT16_MAX)
        return RAY_E_ARGUMENT;
    uint32_t place = ray_guard_place(service);
    ray_breaker_settle(resilience, place, now_ns);
    ray_permit permit = {.generation = resilience->book.guard[place].breaker.generation};
    ray_outcome_report report = {.outcome = (uint8_t)outcome,
                                 .http_status = (uint16_t)http_status};
    ray_breaker_learn(resilience, place, now_ns, &permit, &report);
    return RAY_OK;
}

/* -- time -- */
uint64_t ray_resilience_due(const ray_resilience *resilience)
{
    const ray_resilience_book *book = &resilience->book;
    uint64_t due_ns = RAY_NEVER;
    if (book->open_count != 0)
        due_ns = book->open_until_ns[book->open_order[0]];
    if (book->call_due_count != 0 && book->lapses_ns[book->call_order[0]] < due_ns)
        due_ns = book->lapses_ns[book->call_order[0]];
    return due_ns;
}

void ray_resilience_tick(ray_resilience *resilience, uint64_t now_ns)
{
    const ray_resilience_book *book = &resilience->book;
    for (uint64_t due_ns = ray_resilience_due(resilience); due_ns <= now_ns && due_ns != RAY_NEVER;
         due_ns = ray_resilience_due(resilience)) {
        uint32_t breaker = book->open_count != 0 ? book->open_order[0] : 0;
        if (book->open_count != 0 && book->open_until_ns[breaker] == due_ns)
            ray_breaker_settle(resilience, breaker, due_ns);
        else
            ray_call_lapse(resilience, due_ns, book->call_order[0]);
    }
}
