/* SPDX-License-Identifier: MIT */
/* alert.c - an alert sums what its pairs count in its own window and is judged where that ends:
 * inactive, pending for a while, firing, resolved. One that can only change by traffic is not due;
 * so a silence of any length costs two judgements. */
#include "base/heap.h"
#include "parts.h"

enum { PPM = 1000000, NO_METRIC = RAY_SERIES_METRIC_MAX };

/* Which series' number is summed, and which one's count it is divided by. */
typedef struct alert_law {
    uint8_t sum_of;
    uint8_t amount; /* 1: the amount, 0: the count */
    uint8_t over;
    uint8_t ppm; /* 1: the share in parts per million */
} alert_law;

static const alert_law laws[RAY_ALERT_METRIC_MAX] = {
    [RAY_ALERT_REQUESTS] = {RAY_SERIES_REQUESTS, 0, NO_METRIC, 0},
    [RAY_ALERT_DENIED] = {RAY_SERIES_DENIED, 0, NO_METRIC, 0},
    [RAY_ALERT_VIOLATIONS] = {RAY_SERIES_DENIED, 1, NO_METRIC, 0},
    [RAY_ALERT_DROPPED] = {RAY_SERIES_FAILED, 1, NO_METRIC, 0},
    [RAY_ALERT_ERRORS] = {RAY_SERIES_FAILED, 0, NO_METRIC, 0},
    [RAY_ALERT_TOKENS] = {RAY_SERIES_REQUESTS, 1, NO_METRIC, 0},
    [RAY_ALERT_BYTES] = {RAY_SERIES_DONE, 1, NO_METRIC, 0},
    [RAY_ALERT_DENIED_RATIO] = {RAY_SERIES_DENIED, 0, RAY_SERIES_REQUESTS, 1},
    [RAY_ALERT_ERROR_RATIO] = {RAY_SERIES_FAILED, 0, RAY_SERIES_DONE, 1},
    [RAY_ALERT_WAIT] = {RAY_SERIES_SENT, 1, RAY_SERIES_SENT, 0},
    [RAY_ALERT_LATENCY_P95] = {RAY_SERIES_DONE, 0, NO_METRIC, 0},
    [RAY_ALERT_QUEUED] = {NO_METRIC, 0, NO_METRIC, 0},
};

/* -- when -- */
static ray_heap heap_of(ray_governance_tally *tally)
{
    return (ray_heap){tally->alert_order, tally->alert_place, tally->alert_due_ns,
                      &tally->alert_heap_count};
}

static void unschedule(ray_governance_tally *tally, uint32_t place)
{
    ray_heap heap = heap_of(tally);
    ray_heap_remove(&heap, place);
    tally->alert_due_ns[place] = 0;
}

static void schedule(ray_governance_tally *tally, uint32_t place, uint64_t due_ns)
{
    ray_heap heap = heap_of(tally);
    ray_heap_remove(&heap, place);
    tally->alert_due_ns[place] = due_ns;
    ray_heap_add(&heap, place);
}

/* Its window has something to judge: due at its end, unless that is so already. */
static void touched(ray_governance *governance, uint32_t place)
{
    ray_governance_tally *tally = &governance->tally;
    uint64_t window_ns = governance->config.alert[place].window_ns;
    uint64_t start_ns = tally->second_start_ns;
    if (tally->alert_place[place] != 0 &&
        tally->alert_due_ns[place] - start_ns <= window_ns)
        return;
    schedule(tally, place, ray_add_capped(start_ns / window_ns * window_ns, window_ns));
}

uint64_t ray_governance_due(const ray_governance *governance)
{
    const ray_governance_tally *tally = &governance->tally;
    return tally->alert_heap_count == 0 ? (uint64_t)RAY_NEVER
                                        : tally->alert_due_ns[tally->alert_order[0]];
}

/* -- what is counted -- */
uint32_t ray_gov_alert_used(const ray_governance *governance, uint32_t place)
{
    return governance->config.alert[place].name.at[0] != 0;
}

uint32_t ray_gov_alert_watches(const ray_alert_spec *spec, uint32_t service, uint32_t tenant)
{
    return (spec->service == RAY_NONE || spec->service == service) &&
           (spec->tenant == RAY_NONE || spec->tenant == tenant);
}

static void tell(ray_governance *governance, uint32_t place, uint32_t metric, uint64_t count,
                 uint64_t amount)
{
    const alert_law *law = &laws[governance->config.alert[place].metric];
    ray_alert_slot *slot = &governance->tally.alert[place];
    if (law->sum_of != metric && law->over != metric)
        return;
    if (law->sum_of == metric)
        slot->sum = ray_add_capped(slot->sum, law->amount != 0 ? amount : count);
    if (law->over == metric)
        slot->of += count;
    touched(governance, place);
}

static __attribute__((noinline)) void tell_folded(ray_governance *governance,
                                                  const ray_gov_touch *touch, uint32_t metric,
                                                  uint64_t count, uint64_t amount)
{
    for (uint32_t place = 0; place < governance->config.alert_end; place++)
        if (ray_gov_alert_used(governance, place) != 0 &&
            ray_gov_alert_watches(&governance->config.alert[place], touch->service_key,
                                  touch->tenant_key) != 0)
            tell(governance, place, metric, count, amount);
}

void ray_gov_alerts_tell(ray_governance *governance, const ray_gov_touch *touch, uint32_t metric,
                         uint64_t count, uint64_t amount)
{
    if (touch->pair == 0) {
        if (governance->config.alert_end != 0)
            tell_folded(governance, touch, metric, count, amount);
        return;
    }
    for (uint32_t word = 0; word < RAY_GOV_WATCH_WORDS; word++)
        for (uint64_t left = touch->pair->watched[word]; left != 0; left &= left - 1)
            tell(governance, 64 * word + (uint32_t)__builtin_ctzll(left), metric, count, amount);
}

/* A queue's length changed: those that watch it must look at the end of this window. */
void ray_gov_alerts_queued(ray_governance *governance, const ray_gov_touch *touch)
{
    for (uint32_t word = 0; touch->pair != 0 && word < RAY_GOV_WATCH_WORDS; word++)
        for (uint64_t left = touch->pair->watched[word]; left != 0; left &= left - 1) {
            uint32_t place = 64 * word + (uint32_t)__builtin_ctzll(left);
            if (governance->config.alert[place].metric == RAY_ALERT_QUEUED)
                touched(governance, place);
        }
    for (uint32_t place = 0; touch->pair == 0 && place < governance->config.alert_end; place++)
        if (ray_gov_alert_used(governance, place) != 0 &&
            governance->config.alert[place].metric == RAY_ALERT_QUEUED)
            touched(governance, place);
}

/* -- the judgement -- */
static uint64_t queued_now(const ray_governance *governance, const ray_alert_spec *spec)
{
    uint32_t dimension = spec->service != RAY_NONE ? RAY_DIMENSION_SERVICE : RAY_DIMENSION_TENANT;
    uint32_t key = spec->service != RAY_NONE ? spec->service : spec->tenant;
    if (key == RAY_NONE)
        return governance->tally.total.queued_count;
    uint32_t place = ray_gov_row_find(governance, dimension, key);
    return place == RAY_NONE ? 0
                             : ray_gov_row_at(governance, dimension, place)->counts.queued_count;
}

static uint64_t value_of(const ray_governance *governance, uint32_t place, uint64_t end_ns)
{
    const ray_alert_spec *spec = &governance->config.alert[place];
    const ray_alert_slot *slot = &governance->tally.alert[place];
    const alert_law *law = &laws[spec->metric];
    if (spec->metric == RAY_ALERT_QUEUED)
        return queued_now(governance, spec);
    if (spec->metric == RAY_ALERT_LATENCY_P95) {
        uint64_t p95_ns = 0, start_ns = end_ns - spec->window_ns;
        uint32_t grain = spec->window_ns == SECOND_NS ? RAY_GRAIN_SECOND
                         : spec->window_ns == SECONDS_OF_MINUTE * SECOND_NS ? RAY_GRAIN_MINUTE
                                                                            : RAY_GRAIN_HOUR;
        (void)ray_governance_window_p95(governance, end_ns, spec->service, grain, start_ns,
                                        &p95_ns);
        return p95_ns;
    }
    if (law->over == NO_METRIC)
        return slot->sum;
    if (slot->of == 0)
        return 0;
    return law->ppm != 0 ? ray_mul_div_floor(slot->sum, PPM, slot->of) : slot->sum / slot->of;
}

static void notify(ray_governance *governance, uint32_t place, uint64_t at_ns)
{
    ray_governance_tally *tally = &governance->tally;
    ray_alert_event *event = &tally->event[tally->event_count % RAY_ALERT_EVENT_MAX];
    *event = (ray_alert_event){
        .id = ++tally->event_count,
        .at_ns = at_ns,
        .value = tally->alert[place].value,
        .alert = ray_gov_alert_handle(governance, place),
        .state = tally->alert[place].state,
    };
}

static void enter(ray_governance *governance, uint32_t place, uint32_t state, uint64_t at_ns)
{
    ray_alert_slot *slot = &governance->tally.alert[place];
    slot->state = (uint8_t)state;
    slot->since_ns = at_ns;
    if (state == RAY_ALERT_FIRING) {
        slot->fired_count++;
        slot->acknowledged = 0;
    }
    if (state == RAY_ALERT_FIRING || state == RAY_ALERT_RESOLVED)
        notify(governance, place, at_ns);
}

/* The instant it must be looked at again when nothing happens; RAY_NEVER: not before. */
static uint64_t next_look(const ray_alert_spec *spec, const ray_alert_slot *slot, uint64_t end_ns)
{
    uint64_t next_ns = ray_add_capped(end_ns, spec->window_ns);
    if (spec->metric == RAY_ALERT_QUEUED && slot->state == RAY_ALERT_PENDING) {
        uint64_t fires_ns = ray_add_capped(slot->pending_ns, spec->for_ns);
        uint64_t windows = (fires_ns - end_ns + spec->window_ns - 1) / spec->window_ns;
        return ray_add_capped(end_ns, ray_mul_capped(windows, spec->window_ns));
    }
    if (slot->state == RAY_ALERT_PENDING)
        return next_ns;
    return slot->state == RAY_ALERT_FIRING && spec->metric != RAY_ALERT_QUEUED
               ? next_ns
               : (uint64_t)RAY_NEVER;
}

static void judge(ray_governance *governance, uint32_t place, uint64_t end_ns)
{
    const ray_alert_spec *spec = &governance->config.alert[place];
    ray_alert_slot *slot = &governance->tally.alert[place];
    slot->value = value_of(governance, place, end_ns);
    slot->sum = 0;
    slot->of = 0;
    uint32_t held = slot->value > spec->above;
    uint32_t waits = slot->state == RAY_ALERT_INACTIVE || slot->state == RAY_ALERT_RESOLVED;
    if (waits && held) {
        slot->pending_ns = end_ns;
        enter(governance, place, spec->for_ns == 0 ? RAY_ALERT_FIRING : RAY_ALERT_PENDING, end_ns);
    } else if (slot->state == RAY_ALERT_PENDING && !held) {
        enter(governance, place, RAY_ALERT_INACTIVE, end_ns);
    } else if (slot->state == RAY_ALERT_PENDING && end_ns - slot->pending_ns >= spec->for_ns) {
        enter(governance, place, RAY_ALERT_FIRING, end_ns);
    } else if (slot->state == RAY_ALERT_FIRING && slot->value < spec->clear_below) {
        enter(governance, place, RAY_ALERT_RESOLVED, end_ns);
    }
    uint64_t next_ns = next_look(spec, slot, end_ns);
    if (next_ns == RAY_NEVER)
        unschedule(&governance->tally, place);
    else
        schedule(&governance->tally, place, next_ns);
}

void ray_governance_tick(ray_governance *governance, uint64_t now_ns)
{
    ray_governance_tally *tally = &governance->tally;
    while (tally->alert_heap_count != 0 && tally->alert_due_ns[tally->alert_order[0]] <= now_ns)
        judge(governance, tally->alert_order[0], tally->alert_due_ns[tally->alert_order[0]]);
}

/* -- begin and end -- */
void ray_gov_alert_drop(ray_governance *governance, uint32_t place)
{
    ray_governance_tally *tally = &governance->tally;
    uint32_t handle = ray_gov_alert_handle(governance, place);
    for (uint32_t i = 0; i < RAY_ALERT_EVENT_MAX; i++)
        if (tally->event[i].id != 0 && tally->event[i].alert == handle)
            tally->event[i].alert = RAY_NONE;
    unschedule(tally, place);
    memset(&tally->alert[place], 0, sizeof tally->alert[place]);
    memset(&governance->config.alert[place], 0, sizeof governance->config.alert[place]);
    governance->config.generation[place] = 0;
}

/* What it watches may already be there: a queue, and latencies of the open window, are looked at at
 * the first window's end. */
void ray_gov_alert_begin(ray_governance *governance, uint32_t place, uint64_t now_ns)
{
    ray_governance_tally *tally = &governance->tally;
    const ray_alert_spec *spec = &governance->config.alert[place];
    memset(&tally->alert[place], 0, sizeof tally->alert[place]);
    unschedule(tally, place);
    if (spec->metric == RAY_ALERT_LATENCY_P95 && spec->service != RAY_NONE)
        (void)ray_gov_waits_take(tally, spec->service);
    if (spec->metric == RAY_ALERT_QUEUED || spec->metric == RAY_ALERT_LATENCY_P95)
        schedule(tally, place,
                 ray_add_capped(now_ns / spec->window_ns * spec->window_ns, spec->window_ns));
}
