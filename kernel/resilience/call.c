/* SPDX-License-Identifier: MIT */
/* call.c - calls of a module used alone: every permit is a lease in a table, so that a caller who
 * never reports gives it back all the same, and one who reports twice is told so. */
#include "parts.h"

/* -- the table (private) -- */
static ray_heap lapse_heap(ray_resilience *resilience)
{
    ray_resilience_book *book = &resilience->book;
    ray_heap heap = {book->call_order, book->call_place, book->lapses_ns, &book->call_due_count};
    return heap;
}

static uint32_t has_room(const ray_resilience *resilience)
{
    return resilience->book.call_free != 0 || resilience->book.call_top < RAY_CALL_MAX;
}

static uint32_t handle_of(const ray_resilience *resilience, uint32_t place)
{
    return place | (uint32_t)resilience->book.call[place].generation << 16;
}

static uint32_t next_place(const ray_resilience *resilience)
{
    const ray_resilience_book *book = &resilience->book;
    return book->call_free != 0 ? book->call_free - 1 : book->call_top;
}

static void call_new(ray_resilience_book *book, uint32_t place)
{
    if (book->call_free != 0)
        book->call_free = book->call[place].next;
    else
        book->call_top++;
    book->call[place].next = 0;
    book->call_count++;
}

static void set_lapse(ray_resilience *resilience, uint32_t place, uint64_t at_ns)
{
    ray_heap heap = lapse_heap(resilience);
    ray_heap_remove(&heap, place);
    resilience->book.lapses_ns[place] = at_ns != RAY_NEVER ? at_ns : 0;
    if (at_ns != RAY_NEVER)
        ray_heap_add(&heap, place);
}

void ray_call_free(ray_resilience *resilience, uint32_t place)
{
    ray_resilience_book *book = &resilience->book;
    ray_held_call *call = &book->call[place];
    uint16_t generation = (uint16_t)(call->generation + 1U);
    set_lapse(resilience, place, RAY_NEVER);
    memset(call, 0, sizeof *call);
    call->generation = generation;
    call->next = book->call_free;
    book->call_free = place + 1;
    book->call_count--;
}

static ray_status find(const ray_resilience *resilience, uint32_t handle, uint32_t *place)
{
    *place = handle & RAY_GUARD_SLOT_MASK;
    if (*place >= resilience->book.call_top)
        return RAY_E_UNKNOWN;
    const ray_held_call *call = &resilience->book.call[*place];
    return call->state != RAY_CALL_FREE && call->generation == handle >> 16 ? RAY_OK : RAY_E_STALE;
}

/* -- beginning -- */
/* Takes what was granted into the call's own permit; it runs from now on, or waits. */
static void run(ray_resilience *resilience, uint64_t now_ns, uint32_t place,
                const ray_resilience_query *query, const ray_resilience_answer *answer)
{
    ray_held_call *call = &resilience->book.call[place];
    ray_resilience_take(resilience, now_ns, query, answer, &call->permit);
    call->began_ns = now_ns;
    call->state = answer->waits != 0 ? RAY_CALL_WAITING : RAY_CALL_RUNNING;
    if (answer->waits != 0)
        resilience->book.waiter[place].leased = 1;
    set_lapse(resilience, place,
              answer->waits != 0 ? answer->wait_until_ns
                                 : ray_add_capped(now_ns, answer->timeout_ns));
}

ray_status ray_resilience_begin(ray_resilience *resilience, uint64_t now_ns,
                                const ray_resilience_query *query, ray_resilience_answer *answer,
                                uint32_t *call)
{
    ray_resilience_query own = *query;
    uint32_t place = next_place(resilience);
    ray_resilience_answer out;
    if (!has_room(resilience))
        return RAY_E_FULL;
    own.ticket = place;
    own.called = 0;
    ray_status status = ray_resilience_ask(resilience, now_ns, &own, &out);
    if (status != RAY_OK)
        return status;
    *answer = out;
    *call = RAY_NONE;
    ray_resilience_note(resilience, now_ns, &own, &out, out.granted);
    if (out.granted == 0)
        return RAY_OK;
    call_new(&resilience->book, place);
    ray_held_call *held = &resilience->book.call[place];
    held->deadline_ns = own.deadline_ns;
    held->timeout_ns = own.timeout_ns;
    held->service = own.service;
    held->attempt = own.attempt;
    held->method = own.method;
    run(resilience, now_ns, place, &own, &out);
    *call = handle_of(resilience, place);
    return RAY_OK;
}

/* -- ending -- */
void ray_call_pump(ray_resilience *resilience, uint64_t now_ns, uint32_t service)
{
    ray_resilience_book *book = &resilience->book;
    uint32_t place = ray_guard_place(service);
    for (uint32_t first = book->guard[place].bulkhead.first;
         first != 0 && book->waiter[first - 1].leased != 0;
         first = book->guard[place].bulkhead.first) {
        uint32_t ticket;
        if (ray_resilience_next(resilience, now_ns, service, &ticket) != RAY_OK)
            return;
        const ray_held_call *call = &book->call[ticket];
        ray_resilience_query query = {.deadline_ns = call->deadline_ns,
                                      .timeout_ns = call->timeout_ns,
                                      .service = service,
                                      .method = call->method,
                                      .attempt = call->attempt,
                                      .ticket = ticket,
                                      .called = 1};
        ray_resilience_answer answer;
        ray_status status = ray_resilience_ask(resilience, now_ns, &query, &answer);
        ray_assert(status == RAY_OK);
        ray_resilience_note(resilience, now_ns, &query, &answer, answer.granted);
        if (answer.granted == 0)
            ray_call_free(resilience, ticket);
        else
            run(resilience, now_ns, ticket, &query, &answer);
    }
}

static void end(ray_resilience *resilience, uint64_t now_ns, uint32_t place,
                const ray_outcome_report *report, ray_resilience_verdict *verdict)
{
    ray_held_call *call = &resilience->book.call[place];
    uint32_t service = call->service;
    if (call->state == RAY_CALL_WAITING) {
        (void)ray_resilience_leave(resilience, now_ns, service, place);
        call->permit.waiting = 0;
    }
    ray_permit permit = call->permit;
    ray_call_free(resilience, place);
    ray_resilience_done(resilience, now_ns, &permit, report, verdict);
    ray_call_pump(resilience, now_ns, service);
}

ray_status ray_resilience_end(ray_resilience *resilience, uint64_t now_ns, uint32_t call,
                              const ray_outcome_report *report, ray_resilience_verdict *verdict)
{
    uint32_t place;
    ray_outcome_report own = *report;
    if (own.outcome >= RAY_OUTCOME_MAX || own.idempotent > 1)
        return RAY_E_ARGUMENT;
    ray_status status = find(resilience, call, &place);
    if (status != RAY_OK)
        return status;
    const ray_held_call *held = &resilience->book.call[place];
    if (held->state == RAY_CALL_WAITING && own.outcome != RAY_OUTCOME_CANCELLED)
        return RAY_E_STATE;
    own.service = held->service;
    own.attempt = held->attempt;
    own.method = held->method;
    own.deadline_ns = held->deadline_ns;
    end(resilience, now_ns, place, &own, verdict);
    return RAY_OK;
}

void ray_call_lapse(ray_resilience *resilience, uint64_t now_ns, uint32_t place)
{
    const ray_held_call *call = &resilience->book.call[place];
    ray_outcome_report report = {.service = call->service,
                                 .method = call->method,
                                 .attempt = call->attempt,
                                 .outcome = RAY_OUTCOME_TIMEOUT};
    end(resilience, now_ns, place, &report, 0);
}

/* -- reading -- */
ray_status ray_resilience_call_read(const ray_resilience *resilience, uint32_t call,
                                    ray_call_view *out)
{
    uint32_t place;
    ray_status status = find(resilience, call, &place);
    if (status != RAY_OK)
        return status;
    const ray_held_call *held = &resilience->book.call[place];
    memset(out, 0, sizeof *out);
    out->began_ns = held->began_ns;
    out->lapses_ns = resilience->book.call_place[place] != 0 ? resilience->book.lapses_ns[place]
                                                             : RAY_NEVER;
    out->call = call;
    out->service = held->service;
    out->attempt = held->attempt;
    out->state = held->state;
    out->probe = held->permit.probe;
    out->held = held->permit.held;
    return RAY_OK;
}

ray_status ray_resilience_call_at(const ray_resilience *resilience, uint32_t place, uint32_t *call)
{
    if (place >= RAY_CALL_MAX)
        return RAY_E_RANGE;
    if (place >= resilience->book.call_top ||
        resilience->book.call[place].state == RAY_CALL_FREE)
        return RAY_E_UNKNOWN;
    *call = handle_of(resilience, place);
    return RAY_OK;
}
