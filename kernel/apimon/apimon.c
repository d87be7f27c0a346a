/* SPDX-License-Identifier: MIT */
/* apimon.c - an event goes into two rows, the one of everything and its service's, so that no sum
 * is ever taken. An end belongs where a start is open: its own row, else `other`. */
#include "parts.h"
#include "ray/reason.h"

/* -- types (private) -- */
/* Is it raygate that answered, not the service? */
static uint32_t is_ours(uint32_t reason)
{
    if (reason == RAY_REASON_RATE_DELAYED || reason == RAY_REASON_QUEUED)
        return 0;
    return reason >= RAY_REASON_NO_ROUTE || reason == RAY_REASON_INFLIGHT_FULL ||
           reason == RAY_REASON_DRAINING;
}

static uint32_t type_of_status(uint32_t status)
{
    switch (status) {
    case 400:
    case 422: return RAY_ERROR_VALIDATION;
    case 401:
    case 403:
    case 407: return RAY_ERROR_AUTH;
    case 408:
    case 504: return RAY_ERROR_TIMEOUT;
    default: break;
    }
    if (status >= 500 || status == 0)
        return RAY_ERROR_SERVER;
    return status >= 400 ? RAY_ERROR_CLIENT : RAY_ERROR_NONE;
}

static uint32_t type_of_reason(uint32_t reason, uint32_t status)
{
    if (status == 429 || status == 503)
        return RAY_ERROR_GOVERNED;
    switch (reason / 100) {
    case 0: return RAY_ERROR_GOVERNED;
    case 1: return RAY_ERROR_CLIENT;
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7: return RAY_ERROR_GOVERNED;
    case 8: return RAY_ERROR_AUTH;
    case 9: return RAY_ERROR_VALIDATION;
    default: return type_of_status(status);
    }
}

uint32_t ray_apimon_type(const ray_apimon_event *event)
{
    if (event->kind == RAY_APIMON_TIMEOUT || event->reason == RAY_REASON_DEADLINE)
        return RAY_ERROR_TIMEOUT;
    if (event->kind == RAY_APIMON_CANCELLED || event->reason == RAY_REASON_CLIENT_CANCEL)
        return RAY_ERROR_CLIENT;
    if (is_ours(event->reason))
        return type_of_reason(event->reason, event->http_status);
    uint32_t type = type_of_status(event->http_status);
    /* It has no answer, whatever its status says. */
    return event->kind == RAY_APIMON_ERRORED && type == RAY_ERROR_NONE ? RAY_ERROR_SERVER : type;
}

const char *ray_error_type_word(uint32_t type)
{
    static const char *const words[] = {"client", "server",     "timeout", "auth",
                                        "validation", "governed", "none"};
    return type <= RAY_ERROR_NONE ? words[type] : "?";
}

/* -- init -- */
uint64_t ray_apimon_bytes(void)
{
    return sizeof(struct ray_apimon);
}

void ray_apimon_init(ray_apimon *apimon, const uint8_t seed[16])
{
    memset(apimon, 0, sizeof *apimon);
    memcpy(&apimon->config.multiplier, seed, sizeof apimon->config.multiplier);
}

/* -- control -- */
void ray_apimon_reset(ray_apimon *apimon)
{
    ray_apimon_tally *tally = &apimon->tally;
    for (uint32_t place = 0; place < tally->row_count + RAY_APIMON_FIRST; place++) {
        ray_apimon_slot *row = &tally->row[place];
        memset(&row->second, 0, sizeof row->second);
        memset(&row->minute, 0, sizeof row->minute);
        memset(row->sample, 0, sizeof row->sample);
        row->last_p99_ns = row->sample_count = 0;
        ray_histogram_clear(&row->head, row->bucket, RAY_HISTOGRAM_SUB_BITS);
        ray_histogram_clear(&row->minute_head, row->minute_bucket, RAY_HISTOGRAM_WINDOW_BITS);
    }
    memset(tally->recent, 0, sizeof tally->recent);
    tally->recent_count = 0;
    apimon->book.reset_count++;
}

/* -- request -- */
/* Where the end of a request of `service` is counted; RAY_NONE when nothing is open there. */
static uint32_t place_of_end(const ray_apimon *apimon, uint32_t service)
{
    uint32_t place = ray_apimon_row_find(apimon, service);
    if (place != RAY_NONE && ray_apimon_inflight(&apimon->tally.row[place].counts) != 0)
        return place;
    return ray_apimon_inflight(&apimon->tally.row[RAY_APIMON_OTHER].counts) != 0
               ? RAY_APIMON_OTHER
               : RAY_NONE;
}

ray_status ray_apimon_fits(const ray_apimon *apimon, const ray_apimon_event *event)
{
    if (event->kind >= RAY_APIMON_KIND_MAX || event->reserved[0] != 0 || event->reserved[1] != 0)
        return RAY_E_ARGUMENT;
    uint32_t status = event->http_status;
    if ((status != 0 && status < 100) || status > 599 ||
        (status == 0 && event->kind == RAY_APIMON_FINISHED))
        return RAY_E_RANGE;
    if (event->kind != RAY_APIMON_STARTED && event->kind != RAY_APIMON_REFUSED &&
        place_of_end(apimon, event->service) == RAY_NONE)
        return RAY_E_STATE;
    return RAY_OK;
}

static uint64_t latency_of(const ray_apimon_event *event)
{
    uint64_t latency = event->latency_ns + event->late_ns;
    return latency < event->latency_ns ? RAY_NEVER : latency;
}

/* How long an ended request took, and where that stands in the histograms of both its rows. */
typedef struct measured {
    uint64_t duration[RAY_APIMON_DURATION_MAX]; /* enum ray_apimon_duration */
    uint32_t coarse[RAY_APIMON_DURATION_MAX];
    uint32_t fine;
    uint32_t minute;
    uint32_t reserved;
} measured;

static inline void measure(const ray_apimon_event *event, measured *out)
{
    uint64_t latency = latency_of(event);
    out->duration[RAY_APIMON_TOTAL] = latency;
    out->duration[RAY_APIMON_WAIT] = event->wait_ns;
    out->duration[RAY_APIMON_UPSTREAM] = event->upstream_ns;
    for (uint32_t i = 0; i < RAY_APIMON_DURATION_MAX; i++)
        out->coarse[i] = ray_histogram_coarse_index(out->duration[i]);
    out->fine = ray_histogram_index(RAY_HISTOGRAM_SUB_BITS, latency);
    out->minute = ray_histogram_index(RAY_HISTOGRAM_WINDOW_BITS, latency);
}

/* As measure_row, of what took no time at all: all of it stands in first buckets. */
static inline void measure_row_zero(ray_apimon_slot *row)
{
    row->counts.timed_count++;
    for (uint32_t i = 0; i < RAY_APIMON_DURATION_MAX; i++)
        row->coarse[i].bucket[0]++;
    ray_histogram_record_zero(&row->head, row->bucket, RAY_HISTOGRAM_SUB_BITS);
    ray_histogram_record_zero(&row->minute_head, row->minute_bucket, RAY_HISTOGRAM_WINDOW_BITS);
    row->sample[row->sample_count++ % RAY_APIMON_SAMPLE_EACH] = 0;
}

static inline void measure_row(ray_apimon_slot *row, const measured *at)
{
    uint64_t latency = at->duration[RAY_APIMON_TOTAL];
    row->counts.timed_count++;
    row->counts.latency_ns += latency;
    row->counts.wait_ns += at->duration[RAY_APIMON_WAIT];
    row->counts.upstream_ns += at->duration[RAY_APIMON_UPSTREAM];
    for (uint32_t i = 0; i < RAY_APIMON_DURATION_MAX; i++) {
        row->coarse[i].bucket[at->coarse[i]]++;
        row->coarse[i].sum += at->duration[i];
    }
    ray_histogram_record_at(&row->head, row->bucket, RAY_HISTOGRAM_SUB_BITS, at->fine, latency);
    ray_histogram_record_at(&row->minute_head, row->minute_bucket, RAY_HISTOGRAM_WINDOW_BITS,
                            at->minute, latency);
    row->sample[row->sample_count++ % RAY_APIMON_SAMPLE_EACH] = latency;
}

static inline void count_end(ray_apimon_slot *row, const ray_apimon_event *event, uint32_t type)
{
    uint32_t failed = type < RAY_ERROR_TYPE_MAX;
    row->counts.errored_count += failed;
    row->counts.finished_count += !failed;
    row->counts.governed_count += type == RAY_ERROR_GOVERNED;
    row->counts.cancelled_count += event->kind == RAY_APIMON_CANCELLED;
    row->counts.refused_count += event->kind == RAY_APIMON_REFUSED;
    if (failed)
        row->counts.error_count[type]++;
    row->counts.request_bytes += event->request_bytes;
    row->counts.response_bytes += event->response_bytes;
    row->second.count++;
    row->minute.count++;
    row->second.error_count += failed;
    row->minute.error_count += failed;
}

static void remember(ray_apimon_tally *tally, uint64_t now_ns, const ray_apimon_event *event,
                     uint64_t latency, uint32_t type)
{
    ray_apimon_sample *sample = &tally->recent[tally->recent_count++ % RAY_APIMON_RECENT_MAX];
    sample->at_ns = now_ns;
    sample->latency_ns = latency;
    sample->service = event->service;
    sample->http_status = event->http_status;
    sample->type = (uint8_t)type;
}

/* `starts` and `ends` say which of the two the event is; it fits, and `place` is its row. `zero`:
 * it took no time. */
static inline __attribute__((always_inline)) void book(ray_apimon *apimon, uint64_t now_ns,
                                                       const ray_apimon_event *event,
                                                       uint32_t place, uint32_t starts,
                                                       uint32_t ends, uint32_t zero)
{
    ray_apimon_tally *tally = &apimon->tally;
    ray_apimon_slot *rows[2] = {&tally->row[RAY_APIMON_ALL], &tally->row[place]};
    uint32_t type = ends != 0 ? ray_apimon_type(event) : (uint32_t)RAY_ERROR_NONE;
    uint32_t timed = ends != 0 && event->kind != RAY_APIMON_REFUSED && type != RAY_ERROR_GOVERNED;
    uint64_t second = now_ns / SECOND_NS;
    measured at;
    at.duration[RAY_APIMON_TOTAL] = 0;
    if (timed && zero == 0)
        measure(event, &at);
    for (uint32_t i = 0; i < 2; i++) {
        ray_apimon_slot *row = rows[i];
        RAY_KEEP(row);
        if (__builtin_expect(second > row->second.index, 0))
            ray_apimon_roll(row, now_ns);
        row->counts.started_count += starts;
        if (ends != 0)
            count_end(row, event, type);
        if (timed && zero == 0)
            measure_row(row, &at);
        else if (timed)
            measure_row_zero(row);
    }
    if (ends == 0)
        return;
    const ray_apimon_edge edge = {1, type < RAY_ERROR_TYPE_MAX, at.duration[RAY_APIMON_TOTAL],
                                  event->caller, event->service};
    ray_apimon_edge_add(apimon, &edge);
    if (timed)
        remember(tally, now_ns, event, at.duration[RAY_APIMON_TOTAL], type);
}

void ray_apimon_note(ray_apimon *apimon, uint64_t now_ns, const ray_apimon_event *event)
{
    ray_apimon_tally *tally = &apimon->tally;
    if (ray_apimon_fits(apimon, event) != RAY_OK) {
        tally->error_count++;
        return;
    }
    uint32_t starts = event->kind == RAY_APIMON_STARTED || event->kind == RAY_APIMON_REFUSED;
    uint32_t place = starts ? ray_apimon_row_take(apimon, event->service)
                            : place_of_end(apimon, event->service);
    tally->folded_count += place == RAY_APIMON_OTHER;
    book(apimon, now_ns, event, place, starts, event->kind != RAY_APIMON_STARTED, 0);
}

void ray_apimon_exchange(ray_apimon *apimon, uint64_t now_ns, const ray_apimon_event *event)
{
    uint32_t place = ray_apimon_row_take(apimon, event->service);
    apimon->tally.folded_count += place == RAY_APIMON_OTHER ? 2 : 0; /* a start and an end */
    if ((event->latency_ns | event->late_ns | event->wait_ns | event->upstream_ns) == 0)
        book(apimon, now_ns, event, place, 1, 1, 1);   /* as all of a log without durations */
    else
        book(apimon, now_ns, event, place, 1, 1, 0);
}
