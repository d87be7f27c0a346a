/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, numbered. A number once given keeps its meaning. Bytes of a
 * restored snapshot come here first: every walk is bounded.
 *
 *  1 a service's rules stand at its place and pass their checks; no bulkhead is too many
 *  2 a breaker is in one of three states; only half-open has probes; nothing is counted while open
 *  3 an open breaker, and no other, is in the heap under the instant it half-opens
 *  4 sums are those of their sub-windows; the bank never holds more than its capacity
 *  5 permits taken - given back = in use <= bound; attempts taken - ended = running
 *  6 who waits is in exactly one line; its count and ends are true; queued = called + left + now
 *  7 used + free calls are all there are; a call that waits has its place in the line
 *  8 what lapses is in the heap, in order
 *  9 the ring of changes has no gap
 * 10 asked = granted + denied
 * 11 where nothing stands, nothing is remembered but generations and who waits
 */
#include "parts.h"

/* -- 1, 11 -- */
static uint32_t rules_fault(const ray_resilience *resilience)
{
    uint32_t bulkheads = 0, field;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const ray_guard_row *row = &resilience->config.guard[place];
        ray_guard_book book = resilience->book.guard[place];
        if (row->used > 1 || row->reserved != 0)
            return 1;
        if (row->used == 1) {
            if (ray_guard_place(row->spec.service) != place ||
                ray_guard_spec_check(&row->spec, &field) != RAY_OK)
                return 1;
            bulkheads += ray_guard_has(&row->spec, RAY_GUARD_BULKHEAD);
            continue;
        }
        book.generation = 0;
        book.breaker.generation = 0;
        book.bulkhead.generation = 0;
        book.bulkhead.first = book.bulkhead.last = book.bulkhead.waiting = 0;
        if (!ray_is_zero(row, sizeof *row) || !ray_is_zero(&book, sizeof book))
            return 11;
    }
    return bulkheads <= RAY_BULKHEAD_MAX ? 0 : 1;
}

/* -- 2, 4 -- */
static uint32_t breaker_fault(const ray_guard_spec *spec, const ray_breaker *breaker)
{
    const ray_breaker_spec *rules = &spec->breaker;
    if (!ray_guard_has(spec, RAY_GUARD_BREAKER)) {
        ray_breaker copy = *breaker;
        copy.generation = 0;
        return ray_is_zero(&copy, sizeof copy) ? 0 : 2;
    }
    if (breaker->state > RAY_BREAKER_HALF_OPEN || breaker->forced > RAY_FORCE_CLOSED ||
        breaker->reserved[0] != 0 || breaker->reserved[1] != 0 || breaker->reopened > 63)
        return 2;
    if (breaker->probing > (breaker->state == RAY_BREAKER_HALF_OPEN ? rules->probes : 0))
        return 2;
    if (breaker->state == RAY_BREAKER_OPEN && !ray_is_zero(&breaker->ring, sizeof breaker->ring))
        return 2;
    uint32_t slides = breaker->state == RAY_BREAKER_CLOSED && rules->window_ns != 0 &&
                      rules->fixed_window == 0;
    return ray_ring_valid(&breaker->ring, slides) ? 0 : 4;
}

static uint32_t budget_holds(const ray_guard_spec *spec, const ray_budget *budget)
{
    uint32_t budgeted = ray_guard_has(spec, RAY_GUARD_RETRY);
    uint32_t window = budgeted && spec->retry.budget == RAY_BUDGET_WINDOW;
    if (budgeted == 0 && !ray_is_zero(budget, sizeof *budget))
        return 0;
    if (!ray_ring_valid(&budget->ring, 1) ||
        (window == 0 && !ray_is_zero(&budget->ring, sizeof budget->ring)))
        return 0;
    return budget->bank <= (budgeted && spec->retry.budget == RAY_BUDGET_BANK
                                ? spec->retry.capacity
                                : 0);
}

/* -- 5 -- */
static uint32_t permits_hold(const ray_resilience *resilience, uint32_t place)
{
    const ray_guard_spec *spec = &resilience->config.guard[place].spec;
    const ray_guard_book *book = &resilience->book.guard[place];
    const ray_guard_tally *tally = &resilience->tally.guard[place];
    uint64_t ended = 0;
    for (uint32_t i = 0; i < RAY_OUTCOME_MAX; i++)
        ended += tally->ended_count[i];
    uint32_t bound = ray_guard_has(spec, RAY_GUARD_BULKHEAD) ? spec->bulkhead.concurrent : 0;
    return tally->acquired_count - tally->released_count == book->bulkhead.in_use &&
           book->bulkhead.in_use <= book->bulkhead.ceiling && book->bulkhead.ceiling >= bound &&
           (bound != 0 || book->bulkhead.ceiling == 0) &&
           tally->call_count - ended == book->running;
}

static uint32_t guards_fault(const ray_resilience *resilience)
{
    uint32_t open = 0;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const ray_guard_spec *spec = &resilience->config.guard[place].spec;
        const ray_guard_book *book = &resilience->book.guard[place];
        uint32_t is_open = book->breaker.state == RAY_BREAKER_OPEN;
        uint32_t at = resilience->book.open_place[place];
        uint32_t fault = breaker_fault(spec, &book->breaker);
        if (fault != 0)
            return fault;
        if (is_open == 0 ? at != 0 || resilience->book.open_until_ns[place] != 0
                         : at == 0 || at > RAY_SERVICE_MAX ||
                               resilience->book.open_order[at - 1] != place)
            return 3;
        if (!budget_holds(spec, &book->budget))
            return 4;
        if (resilience->config.guard[place].used != 0 && !permits_hold(resilience, place))
            return 5;
        open += is_open;
    }
    return open == resilience->book.open_count ? 0 : 3;
}

/* -- 3, 8 -- */
/* 1 when the first `count` of `order` are an ordered heap and the rest is zero. */
static uint32_t heap_holds(const uint32_t *order, const uint64_t *due, uint32_t count,
                           uint32_t capacity)
{
    if (count > capacity)
        return 0;
    for (uint32_t i = 0; i < capacity; i++)
        if (i < count ? order[i] >= capacity : order[i] != 0)
            return 0;
    return ray_heap_in_order(order, due, count);
}

static uint32_t lapses_hold(const ray_resilience *resilience)
{
    const ray_resilience_book *book = &resilience->book;
    uint32_t lapse = 0;
    for (uint32_t place = 0; place < RAY_CALL_MAX; place++) {
        uint32_t at = book->call_place[place];
        if (at == 0 && book->lapses_ns[place] != 0)
            return 0;
        if (at != 0 && (at > book->call_due_count || book->call_order[at - 1] != place ||
                        book->call[place].state == RAY_CALL_FREE))
            return 0;
        lapse += at != 0;
    }
    return lapse == book->call_due_count &&
           heap_holds(book->call_order, book->lapses_ns, book->call_due_count, RAY_CALL_MAX);
}

/* -- 6 -- */
/* How many stand in this line, RAY_NONE when it is broken. */
static uint32_t line_length(const ray_resilience *resilience, uint32_t place)
{
    const ray_resilience_book *book = &resilience->book;
    const ray_bulkhead *line = &book->guard[place].bulkhead;
    uint32_t count = 0, before = 0;
    for (uint32_t at = line->first; at != 0; at = book->waiter[at - 1].next) {
        if (at > RAY_WAITER_MAX || ++count > RAY_WAITER_MAX)
            return RAY_NONE;
        const ray_waiter *waiter = &book->waiter[at - 1];
        if (waiter->own == 0 || ray_guard_place(waiter->own - 1) != place ||
            waiter->prev != before || waiter->leased > 1)
            return RAY_NONE;
        before = at;
    }
    return line->last == before ? count : (uint32_t)RAY_NONE;
}

static uint32_t lines_hold(const ray_resilience *resilience)
{
    const ray_resilience_book *book = &resilience->book;
    uint32_t listed = 0, waiting = 0;
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const ray_guard_tally *tally = &resilience->tally.guard[place];
        uint32_t length = line_length(resilience, place);
        if (length != book->guard[place].bulkhead.waiting ||
            tally->queued_count != tally->called_count + tally->left_count + length)
            return 0;
        listed += length;
    }
    for (uint32_t ticket = 0; ticket < RAY_WAITER_MAX; ticket++) {
        const ray_waiter *waiter = &book->waiter[ticket];
        if (waiter->own == 0 && !ray_is_zero(waiter, sizeof *waiter))
            return 0;
        waiting += waiter->own != 0;
    }
    return listed == waiting && waiting == book->waiting_count;
}

/* -- 7 -- */
static uint32_t call_holds(const ray_resilience *resilience, uint32_t place)
{
    const ray_held_call *call = &resilience->book.call[place];
    const ray_waiter *waiter = &resilience->book.waiter[place];
    ray_held_call copy = *call;
    copy.generation = 0;
    copy.next = 0;
    if (call->state == RAY_CALL_FREE)
        return ray_is_zero(&copy, sizeof copy) && call->next <= resilience->book.call_top;
    if (call->state > RAY_CALL_WAITING || call->next != 0 || call->attempt == 0 ||
        call->method >= RAY_METHOD_MAX || !ray_guard_known(call->service) ||
        !ray_is_zero(call->reserved, sizeof call->reserved))
        return 0;
    uint32_t waits = waiter->leased != 0 && waiter->own == call->service + 1;
    return waits == (call->state == RAY_CALL_WAITING);
}

static uint32_t calls_hold(const ray_resilience *resilience)
{
    const ray_resilience_book *book = &resilience->book;
    uint32_t live = 0, chained = 0;
    if (book->call_top > RAY_CALL_MAX || book->call_free > book->call_top)
        return 0;
    for (uint32_t place = 0; place < RAY_CALL_MAX; place++) {
        if (place >= book->call_top && !ray_is_zero(&book->call[place], sizeof book->call[place]))
            return 0;
        if (!call_holds(resilience, place))
            return 0;
        live += book->call[place].state != RAY_CALL_FREE;
    }
    for (uint32_t at = book->call_free; at != 0; at = book->call[at - 1].next)
        if (book->call[at - 1].state != RAY_CALL_FREE || ++chained > book->call_top)
            return 0;
    return live == book->call_count && live + chained == book->call_top;
}

/* -- 9 -- */
static uint32_t events_hold(const ray_resilience *resilience)
{
    uint64_t written = resilience->tally.event_count;
    for (uint64_t place = 0; place < RAY_BREAKER_EVENT_MAX; place++)
        if (resilience->tally.event[place].id !=
            (written <= place ? 0 : written - (written - 1 - place) % RAY_BREAKER_EVENT_MAX))
            return 0;
    return 1;
}

uint32_t ray_resilience_valid(const ray_resilience *resilience)
{
    const ray_resilience_book *book = &resilience->book;
    uint32_t fault = rules_fault(resilience);
    if (fault == 0)
        fault = guards_fault(resilience);
    if (fault != 0)
        return fault;
    if (!heap_holds(book->open_order, book->open_until_ns, book->open_count, RAY_SERVICE_MAX))
        return 3;
    if (!lines_hold(resilience))
        return 6;
    if (!calls_hold(resilience))
        return 7;
    if (!lapses_hold(resilience))
        return 8;
    if (!events_hold(resilience))
        return 9;
    if (resilience->tally.asked_count !=
        resilience->tally.granted_count + resilience->tally.denied_count)
        return 10;
    return 0;
}
