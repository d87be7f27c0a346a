/* SPDX-License-Identifier: MIT */
/* simulate_gate.c - the gateway: every arrival, sending, outcome and look at the clock is a row of
 * the core, and every answer says what its caller does next. */
#include <stddef.h>
#include "simulate_parts.h"

enum { CLOCK_BACK_NS = 1000000 /* until the next look where the gateway's clock was put back */ };

/* -- rows -- */
static sim_job *registered(ray_simulation *sim, uint64_t decision)
{
    uint32_t at = sim->chain[decision % (2 * RAY_INFLIGHT_MAX)];

    while (at != NOBODY && sim->jobs[at].decision != decision)
        at = sim->jobs[at].next;
    return at == NOBODY ? NULL : &sim->jobs[at];
}

static void register_job(ray_simulation *sim, uint32_t at, uint64_t decision)
{
    uint32_t *head = &sim->chain[decision % (2 * RAY_INFLIGHT_MAX)];

    sim->jobs[at].decision = decision;
    sim->jobs[at].registered = 1;
    sim->jobs[at].next = *head;
    *head = at;
}

/* It is in the core no more. */
static void forget(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    uint32_t *link = &sim->chain[job->decision % (2 * RAY_INFLIGHT_MAX)];

    if (job->phase == SIM_QUEUED) {
        sim->waiting[job->service]--;
        sim->waiting_count--;
    }
    if (!job->registered)
        return;
    while (*link != at)
        link = &sim->jobs[*link].next;
    *link = job->next;
    job->registered = 0;
}

/* The try is over; its client hears of it next. */
static void ended(ray_simulation *sim, uint32_t at, uint32_t end, uint32_t http_status,
                  uint64_t retry_after_ns)
{
    sim_job *job = &sim->jobs[at];

    forget(sim, at);
    job->phase = SIM_TOLD;
    job->ended = (uint8_t)end;
    job->http_status = (uint16_t)http_status;
    job->retry_after_ns = retry_after_ns;
    job->work = NOBODY;
    sim_tell(sim, at);
}

/* What the core ended by itself stands in its audit, by the decision that had admitted it; what the
 * answer is about is heard there. */
static void hear_endings(ray_simulation *sim)
{
    uint64_t count = ray_audit_count(sim->ray);
    ray_audit_record said;

    while (sim->audit_seen < count) {
        sim_job *job;
        if (++sim->audit_seen == sim->answer.audit_id
            || ray_audit_read(sim->ray, sim->audit_seen, &said) != RAY_OK
            || (said.what != RAY_AUDIT_EXPIRE && said.what != RAY_AUDIT_REFUND))
            continue;
        job = registered(sim, said.before);
        if (!job)
            continue;
        if (said.what == RAY_AUDIT_EXPIRE) {
            SIM_COUNT(sim, job, expired_count);
            ended(sim, (uint32_t)(job - sim->jobs), SIM_END_EXPIRED, 504, 0);
            continue;
        }
        SIM_COUNT(sim, job, dropped_count);
        sim->bucket->dropped_count++;
        sim_note_no(sim, said.reason, NULL);
        ended(sim, (uint32_t)(job - sim->jobs), SIM_END_DROPPED, 503, 0);
    }
}

static ray_answer *step(ray_simulation *sim, const ray_row *row, const uint8_t *bytes,
                        uint64_t length)
{
    ray_rows rows = { row, bytes, length, sim->scratch, NULL };

    if (sim->record)
        sim_record(sim, row, bytes);
    ray_step_batch(sim->ray, &rows, 1, &sim->answer);
    sim->stats.row_count++;
    if (sim->answer.status < 0)
        sim->stats.error_count++;
    if (ray_audit_count(sim->ray) != sim->audit_seen)
        hear_endings(sim);
    if (sim->breakers)
        sim_hear_breakers(sim);
    return &sim->answer;
}

static ray_answer *step_plain(ray_simulation *sim, uint32_t kind, uint64_t id)
{
    sim->row.kind = (uint8_t)kind;
    sim->row.id = id;
    sim->row.at_ns = sim->now_ns + sim->skew_ns;
    return step(sim, &sim->row, NULL, 0);
}

void sim_tick(ray_simulation *sim)
{
    step_plain(sim, RAY_ROW_TICK, 0);
}

void sim_settle(ray_simulation *sim)
{
    step_plain(sim, RAY_ROW_SETTLE, 0);
}

/* -- answers -- */
/* An instant of the core's clock as one of the simulation's. */
static uint64_t ours(const ray_simulation *sim, uint64_t core_ns)
{
    return core_ns - sim->skew_ns;
}

static uint32_t upstream_of(const ray_simulation *sim, uint32_t instance, uint32_t service)
{
    uint32_t at;

    if (instance == RAY_NONE)
        return service < sim->service_count ? sim->by_service[service] : (uint32_t)NOBODY;
    at = (instance & SLOT_MASK) < RAY_INSTANCE_MAX ? sim->by_instance[instance & SLOT_MASK]
                                                   : (uint32_t)NOBODY;
    return at != NOBODY && sim->upstreams[at].spec.instance == instance ? at : (uint32_t)NOBODY;
}

static void send(ray_simulation *sim, uint32_t at, const ray_answer *answer)
{
    sim_job *job = &sim->jobs[at];
    uint64_t timeout_ns = answer->timeout_ns;

    if (timeout_ns == 0)
        timeout_ns = job->service < sim->service_count ? sim->service_timeout_ns[job->service] : 1;
    SIM_COUNT(sim, job, sent_count);
    sim->bucket->sent_count++;
    job->upstream = upstream_of(sim, answer->instance, answer->service);
    /* in the last instant of its time, before the core ends it by itself */
    job->give_up_ns = sim->now_ns + timeout_ns - 1;
    job->timeout_ns = timeout_ns;
    job->start_ns = ours(sim, answer->start_at_ns);
    if (answer->start_at_ns != 0 && job->start_ns > sim->now_ns) {
        job->phase = SIM_STARTS;
        sim_plan_job(sim, at, job->start_ns < job->leave_ns ? job->start_ns : job->leave_ns);
        return;
    }
    sim_send(sim, at, job->upstream);
}

void sim_start(ray_simulation *sim, uint32_t at)
{
    sim->jobs[at].give_up_ns = sim->now_ns + sim->jobs[at].timeout_ns - 1;
    sim_send(sim, at, sim->jobs[at].upstream);
}

/* One that was in the queue, or was to be sent again, is answered. */
static void moved(ray_simulation *sim, uint32_t at, const ray_answer *answer)
{
    sim_job *job = &sim->jobs[at];

    if (answer->verdict == RAY_VERDICT_SENT) {
        if (job->phase == SIM_QUEUED) {
            sim->waiting[job->service]--;
            sim->waiting_count--;
            sim_note_wait(sim, job, answer->wait_ns);
        }
        job->phase = SIM_SENT;
        send(sim, at, answer);
        return;
    }
    if (answer->verdict == RAY_VERDICT_DROPPED) {
        SIM_COUNT(sim, job, dropped_count);
        sim->bucket->dropped_count++;
    } else {
        SIM_COUNT(sim, job, failed_count);
    }
    sim_note_no(sim, answer->reason, answer);
    ended(sim, at, answer->verdict == RAY_VERDICT_DROPPED ? SIM_END_DROPPED : SIM_END_FAILED,
          answer->http_status, answer->retry_after_ns);
}

/* Whoever waits for this service and may go. */
static void pump(ray_simulation *sim, uint32_t service)
{
    while (service < sim->service_count && sim->waiting[service] != 0) {
        const ray_answer *answer;
        uint32_t at;
        sim->row.service = service;
        answer = step_plain(sim, RAY_ROW_DISPATCH, 0);
        sim->row.service = RAY_NONE;
        at = (uint32_t)(answer->request & 0xffffff);
        if (answer->status < 0 || answer->verdict == RAY_VERDICT_NONE)
            return;
        if (at < sim->job_pool.used && sim->jobs[at].id == answer->request
            && sim->jobs[at].phase == SIM_QUEUED)
            moved(sim, at, answer);
    }
}

static void plan_queued(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    uint64_t next_ns = job->due_ns < job->leave_ns ? job->due_ns : job->leave_ns;

    if (job->start_ns > sim->now_ns && job->start_ns < next_ns)
        next_ns = job->start_ns;
    sim_plan_job(sim, at, next_ns > sim->now_ns ? next_ns : sim->now_ns + 1);
}

static void queued(ray_simulation *sim, uint32_t at, const ray_answer *answer)
{
    sim_job *job = &sim->jobs[at];
    ray_request_row row;

    SIM_COUNT(sim, job, queued_count);
    job->phase = SIM_QUEUED;
    job->start_ns = answer->start_at_ns ? ours(sim, answer->start_at_ns) : 0;
    job->due_ns = UINT64_MAX / 2;
    if (ray_request_read(sim->ray, job->id, &row) == RAY_OK)
        job->due_ns = ours(sim, row.due_ns);
    sim->waiting_count++;
    if (sim->waiting_count > sim->bucket->waiting_count_max)
        sim->bucket->waiting_count_max = sim->waiting_count;
    sim->waiting[job->service]++;
    plan_queued(sim, at);
}

/* -- what happens -- */
static void admitted(ray_simulation *sim, uint32_t at, const ray_answer *answer)
{
    sim_job *job = &sim->jobs[at];

    sim->bucket->allowed_count++;
    SIM_COUNT(sim, job, allowed_count);
    if (answer->start_at_ns > answer->at_ns)
        SIM_COUNT(sim, job, delayed_count);
    if (answer->cached != RAY_NONE) {
        SIM_COUNT(sim, job, cached_count);
        sim_note_charge(sim, job, answer, 0);
        ended(sim, at, SIM_END_OK, 200, 0);
        return;
    }
    register_job(sim, at, answer->id);
    if (answer->queued)
        queued(sim, at, answer);
    else
        send(sim, at, answer);
}

/* -- arrivals and outcomes -- */
void sim_admit(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    const uint8_t *bytes;
    uint64_t length;
    ray_row row = sim_row(sim, job, &bytes, &length);
    const ray_answer *answer;

    job->id = ++sim->serial << 24 | at;
    row.at_ns = sim->now_ns + sim->skew_ns;
    row.id = job->id;
    answer = step(sim, &row, bytes, length);
    if (sim->columns)
        sim_gather(sim, job, &row, bytes, answer);
    job->service = (answer->service & SLOT_MASK) < sim->service_count ? answer->service & SLOT_MASK
                                                                     : sim->service_count;
    sim_tally_job(sim, job, answer->verdict != RAY_VERDICT_NONE ? answer->priority : RAY_NONE);
    sim->bucket->offered_count++;
    SIM_COUNT(sim, job, offered_count);
    if (answer->verdict == RAY_VERDICT_ALLOW || answer->verdict == RAY_VERDICT_DELAY) {
        admitted(sim, at, answer);
        return;
    }
    sim_note_no(sim, answer->reason, answer);
    if (answer->verdict == RAY_VERDICT_DROPPED) {
        sim->bucket->dropped_count++;
        SIM_COUNT(sim, job, dropped_count);
        ended(sim, at, SIM_END_DROPPED, answer->http_status, answer->retry_after_ns);
    } else {
        sim->bucket->denied_count++;
        SIM_COUNT(sim, job, denied_count);
        ended(sim, at, SIM_END_DENIED, answer->status < 0 ? 400 : answer->http_status,
              answer->retry_after_ns);
    }
}

void sim_complete(ray_simulation *sim, uint32_t at, uint32_t http_status, uint32_t outcome)
{
    sim_job *job = &sim->jobs[at];
    uint32_t service = job->service;
    uint64_t bytes = http_status != 0 && http_status < 500 ? job->response_bytes : 0;
    const ray_answer *answer;
    ray_row row = sim->row;

    row.kind = RAY_ROW_COMPLETE;
    row.id = job->id;
    row.at_ns = sim->now_ns + sim->skew_ns;
    row.http_status = (uint16_t)http_status;
    row.outcome = (uint8_t)outcome;
    row.response_bytes = bytes;
    answer = step(sim, &row, NULL, 0);
    job->work = NOBODY;
    if (job->phase == SIM_TOLD) {
        /* the core had ended it before this row; its client hears of that */
    } else if (answer->verdict == RAY_VERDICT_RETRY) {
        SIM_COUNT(sim, job, retried_count);
        job->phase = SIM_RETRIES;
        job->start_ns = ours(sim, answer->start_at_ns);
        sim_plan_job(sim, at, job->start_ns < job->leave_ns ? job->start_ns : job->leave_ns);
    } else if (http_status != 0 && http_status < 500 && answer->status == RAY_OK) {
        sim_note_charge(sim, job, answer, bytes);
        ended(sim, at, SIM_END_OK, http_status, 0);
    } else {
        SIM_COUNT(sim, job, failed_count);
        sim_note_charge(sim, job, answer, 0);
        ended(sim, at, SIM_END_FAILED, http_status ? http_status : 504, answer->retry_after_ns);
    }
    pump(sim, service);
}

/* Its attempt's time is over. The gateway says so in the last instant of it; one that is silent
 * leaves it to the core, whose own limit is the next. */
void sim_give_up(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];

    SIM_COUNT(sim, job, timeout_count);
    if (job->upstream != NOBODY)
        sim->counts[sim->upstreams[job->upstream].tally].timeout_count++;
    if (!sim->silent) {
        sim_complete(sim, at, 0, RAY_OUTCOME_TIMEOUT);
        return;
    }
    job->phase = SIM_LOST;
    sim_plan_job(sim, at, sim->now_ns + 1);
}

void sim_again(ray_simulation *sim, uint32_t at)
{
    const ray_answer *answer = step_plain(sim, RAY_ROW_DISPATCH, sim->jobs[at].id);

    if (sim->jobs[at].phase != SIM_RETRIES)
        return;                           /* its deadline came first */
    if (answer->status == RAY_E_STATE || answer->verdict == RAY_VERDICT_NONE)
        sim_plan_job(sim, at, sim->now_ns + CLOCK_BACK_NS);
    else
        moved(sim, at, answer);
    pump(sim, sim->jobs[at].service);
}

void sim_cancel(ray_simulation *sim, uint32_t at)
{
    sim_job *job = &sim->jobs[at];
    uint32_t service = job->service;

    step_plain(sim, RAY_ROW_CANCEL, job->id);
    if (job->phase != SIM_TOLD) {
        SIM_COUNT(sim, job, cancelled_count);
        ended(sim, at, SIM_END_CANCELLED, 0, 0);
    }
    pump(sim, service);
}

/* One in the core's hands looks at the clock: its time is over, or it may start. */
void sim_look(ray_simulation *sim, uint32_t at)
{
    uint32_t service = sim->jobs[at].service;
    uint64_t id = sim->jobs[at].id;

    sim_tick(sim);
    pump(sim, service);
    if (sim->jobs[at].id != id)
        return;
    if (sim->jobs[at].phase == SIM_QUEUED)
        plan_queued(sim, at);
    else if (sim->jobs[at].phase == SIM_LOST)
        sim_plan_job(sim, at, sim->now_ns + CLOCK_BACK_NS);
}
