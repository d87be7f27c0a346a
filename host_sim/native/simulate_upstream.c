/* SPDX-License-Identifier: MIT */
/* simulate_upstream.c - instances at work: so many requests at once, the others in line; and what
 * can go wrong with them. An instance does not know that the gateway gave up on a request: it works
 * on it all the same. */
#include "simulate_parts.h"

enum { OVERLOADED = 503, GOOD = 200 };

/* -- working -- */
static uint64_t soonest(const sim_job *job)
{
    return job->give_up_ns < job->leave_ns ? job->give_up_ns : job->leave_ns;
}

static void begin(ray_simulation *sim, uint32_t at)
{
    sim_work *work = &sim->works[at];
    sim_upstream *up = &sim->upstreams[work->upstream];
    sim_job *job = &sim->jobs[work->job];
    uint64_t takes_ns = ray_simulate_time_at(&up->spec.time, ray_simulate_draw(&up->spec.times));
    uint32_t wrong = up->spec.error_ppm != 0
                     && sim_below(&up->spec.faults, 1000000) < up->spec.error_ppm;
    uint32_t wanted = job->id == work->job_id && job->work == at;

    up->busy++;
    if (up->trouble == RAY_SIMULATE_HANG) {
        work->hung = 1;
        work->next = up->hung;
        up->hung = at;
        if (wanted)
            sim_plan_job(sim, work->job, soonest(job));
        return;
    }
    if (up->trouble == RAY_SIMULATE_SLOW) {
        unsigned __int128 slow = (unsigned __int128)takes_ns * up->slow_ppm / 1000000;
        takes_ns = slow > INT64_MAX ? INT64_MAX : (uint64_t)slow;
    }
    wrong |= up->trouble == RAY_SIMULATE_FAIL;
    work->http_status = (uint16_t)(wrong ? up->spec.error_status : GOOD);
    takes_ns = takes_ns < UINT64_MAX / 2 - sim->now_ns ? takes_ns : UINT64_MAX / 2 - sim->now_ns;
    sim_agenda_set(&sim->work_agenda, at, sim->now_ns + takes_ns, ++sim->turn);
    /* whoever waits for it need not look at the clock when it is done before */
    if (wanted && sim->now_ns + takes_ns < soonest(job))
        sim_agenda_drop(&sim->job_agenda, work->job);
    else if (wanted)
        sim_plan_job(sim, work->job, soonest(job));
}

/* The next in line, as long as hands are free. */
static void go_on(ray_simulation *sim, sim_upstream *up)
{
    while (up->busy < up->spec.concurrent && up->first != NOBODY) {
        uint32_t at = up->first;
        up->first = sim->works[at].next;
        if (up->first == NOBODY)
            up->last = NOBODY;
        up->waiting--;
        begin(sim, at);
    }
}

/* -- being asked -- */
/* The gateway hears at once, but not inside the row that sent it. */
static void answer_now(ray_simulation *sim, uint32_t at, uint32_t http_status)
{
    sim->jobs[at].phase = SIM_ANSWERED;
    sim->jobs[at].http_status = (uint16_t)http_status;
    sim_tell(sim, at);
}

/* Where its user's attempts went first is home. */
static void follow(ray_simulation *sim, const sim_job *job, uint32_t upstream)
{
    uint32_t *home = sim->sources[job->source].home;

    if (!home)
        return;
    home += job->user;
    if (*home == 0)
        *home = upstream + 1;
    if (*home == upstream + 1)
        return;
    SIM_COUNT(sim, job, moved_count);
    sim->counts[sim->upstreams[upstream].tally].moved_count++;
}

static void stand_in_line(ray_simulation *sim, sim_upstream *up, uint32_t at)
{
    sim->works[at].next = NOBODY;
    if (up->last != NOBODY)
        sim->works[up->last].next = at;
    else
        up->first = at;
    up->last = at;
    up->waiting++;
}

void sim_send(ray_simulation *sim, uint32_t at, uint32_t upstream)
{
    sim_job *job = &sim->jobs[at];
    sim_upstream *up;
    uint32_t work;

    job->phase = SIM_SENT;
    job->upstream = upstream;
    job->sent_ns = sim->now_ns;
    job->work = NOBODY;
    if (upstream == NOBODY) {
        sim->stats.unplaced_count++;
        answer_now(sim, at, 0);
        return;
    }
    up = &sim->upstreams[upstream];
    sim->counts[up->tally].sent_count++;
    follow(sim, job, upstream);
    if (up->trouble == RAY_SIMULATE_REFUSE
        || (up->spec.refuse_ppm && sim_below(&up->spec.faults, 1000000) < up->spec.refuse_ppm)) {
        sim->counts[up->tally].failed_count++;
        answer_now(sim, at, 0);
        return;
    }
    if (up->busy >= up->spec.concurrent && up->waiting >= up->spec.queue) {
        sim->counts[up->tally].failed_count++;
        answer_now(sim, at, OVERLOADED);
        return;
    }
    work = sim_work_take(sim);
    if (work == NOBODY)
        return;
    job = &sim->jobs[at];
    job->work = work;
    sim->works[work] = (sim_work){ .job_id = job->id, .began_ns = sim->now_ns, .job = at,
                                   .upstream = upstream, .next = NOBODY };
    if (up->busy < up->spec.concurrent) {
        begin(sim, work);
        return;
    }
    sim_plan_job(sim, at, soonest(job));
    stand_in_line(sim, up, work);
}

void sim_finish(ray_simulation *sim, uint32_t at)
{
    sim_work work = sim->works[at];
    sim_upstream *up = &sim->upstreams[work.upstream];
    sim_job *job = &sim->jobs[work.job];
    ray_simulate_count *count = &sim->counts[up->tally];

    up->busy--;
    sim_work_free(sim, at);
    go_on(sim, up);
    if (job->id != work.job_id || job->phase != SIM_SENT || job->work != at)
        return; /* nobody waits for it any more */
    job->work = NOBODY;
    if (work.http_status < 500) {
        count->ok_count++;
        sim_note_instance(sim, up->tally, sim->now_ns - work.began_ns);
    } else {
        count->failed_count++;
    }
    sim_complete(sim, work.job, work.http_status, 0);
}

/* -- trouble -- */
static void let_go(ray_simulation *sim, sim_upstream *up)
{
    while (up->hung != NOBODY) {
        uint32_t at = up->hung;
        up->hung = sim->works[at].next;
        sim->works[at].hung = 0;
        sim->works[at].http_status = GOOD;
        sim_agenda_set(&sim->work_agenda, at, sim->now_ns, ++sim->turn);
    }
}

void sim_trouble(ray_simulation *sim, const ray_simulate_event *event)
{
    sim_upstream *up = &sim->upstreams[event->target];

    up->trouble = event->kind;
    up->slow_ppm = event->argument;
    if (event->kind != RAY_SIMULATE_HANG)
        let_go(sim, up);
}
