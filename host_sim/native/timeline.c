/* SPDX-License-Identifier: MIT */
/* timeline.c - counts and samples in buckets of one width, which grows so that all time fits. */
#include <stdlib.h>
#include <string.h>
#include "timeline.h"

enum { SCAN = RAY_TIMELINE_LOOKED_AT - RAY_TIMELINE_QUOTA_MAX };

struct ray_timeline {
    ray_timeline_bucket *hot; /* of the last note; NULL before the first */
    uint64_t hot_ns;          /* its start */
    uint64_t width_ns;
    uint64_t first;           /* start of bucket 0, in widths */
    uint64_t queued_any;      /* not 0: some request waited, so classes have something to say */
    uint64_t hand;            /* the next active place to look for instances worth following */
    uint32_t bucket_count;
    uint32_t reserved;
    ray_timeline_quota quota[RAY_TIMELINE_QUOTA_MAX];
    ray_timeline_bucket bucket[RAY_TIMELINE_BUCKET_MAX];
    ray_timeline_sample_row sample[RAY_TIMELINE_BUCKET_MAX];
};

/* -- life -- */

ray_timeline *ray_timeline_open(void)
{
    ray_timeline *timeline = calloc(1, sizeof *timeline);

    if (timeline)
        timeline->width_ns = RAY_TIMELINE_WIDTH_MIN;
    return timeline;
}

void ray_timeline_close(ray_timeline *timeline)
{
    free(timeline);
}

/* -- buckets -- */

/* How many buckets become one. */
static uint64_t factor_of(uint64_t width_ns)
{
    static const struct {
        uint64_t width_ns;
        uint64_t factor;
    } ladder[] = {
        { 1000000u, 5 },          { 5000000u, 2 },         { 10000000u, 5 },
        { 50000000u, 2 },         { 100000000u, 5 },       { 500000000u, 2 },
        { 1000000000u, 5 },       { 5000000000u, 2 },      { 10000000000u, 3 },
        { 30000000000u, 2 },      { 60000000000u, 5 },     { 300000000000u, 2 },
        { 600000000000u, 3 },     { 1800000000000u, 2 },   { 3600000000000u, 3 },
        { 10800000000000u, 2 },   { 21600000000000u, 2 },  { 43200000000000u, 2 },
    };

    for (uint32_t i = 0; i < sizeof ladder / sizeof *ladder; i++)
        if (ladder[i].width_ns == width_ns)
            return ladder[i].factor;
    return 2;
}

static void merge(ray_timeline_bucket *to, const ray_timeline_bucket *from)
{
    to->request_count += from->request_count;
    for (uint32_t i = 0; i < 8; i++)
        to->verdict_count[i] += from->verdict_count[i];
    to->queued_count += from->queued_count;
    to->would_deny_count += from->would_deny_count;
    to->throttled_count += from->throttled_count;
    to->response_bytes += from->response_bytes;
}

/* Of samples the last one of the merged bucket stays. */
static void widen(ray_timeline *timeline)
{
    uint64_t factor = factor_of(timeline->width_ns);
    uint64_t first = timeline->first / factor;
    uint32_t count = 0;

    for (uint32_t from = 0; from < timeline->bucket_count; from++) {
        uint32_t to = (uint32_t)((timeline->first + from) / factor - first);
        count = to + 1;
        if (to == from)
            continue;
        merge(&timeline->bucket[to], &timeline->bucket[from]);
        memset(&timeline->bucket[from], 0, sizeof timeline->bucket[from]);
        if (timeline->sample[from].at_ns)
            timeline->sample[to] = timeline->sample[from];
        timeline->sample[from].at_ns = 0;
    }
    timeline->first = first;
    timeline->width_ns *= factor;
    timeline->bucket_count = count;
}

/* The place of the bucket that holds the instant, which time is made room for; an earlier one is
 * the first's. */
static uint32_t place_of(ray_timeline *timeline, uint64_t at_ns)
{
    uint64_t place = at_ns / timeline->width_ns;

    if (timeline->bucket_count == 0)
        timeline->first = place;
    while (place >= timeline->first && place - timeline->first >= RAY_TIMELINE_BUCKET_MAX) {
        widen(timeline);
        place = at_ns / timeline->width_ns;
    }
    place = place < timeline->first ? 0 : place - timeline->first;
    if (place >= timeline->bucket_count)
        timeline->bucket_count = (uint32_t)place + 1;
    return (uint32_t)place;
}

void ray_timeline_note(ray_timeline *timeline, uint64_t at_ns, const ray_answer *answer,
                       const ray_row *row)
{
    ray_timeline_bucket *bucket = timeline->hot;

    if (!bucket || at_ns - timeline->hot_ns >= timeline->width_ns) {
        uint32_t place = place_of(timeline, at_ns);
        bucket = &timeline->bucket[place];
        timeline->hot = bucket;
        timeline->hot_ns = (timeline->first + place) * timeline->width_ns;
    }
    bucket->request_count++;
    bucket->verdict_count[answer->verdict & 7]++;
    bucket->queued_count += answer->queued;
    timeline->queued_any |= answer->queued;
    bucket->would_deny_count += answer->would_deny_count != 0;
    if (!row)
        return;
    bucket->throttled_count += row->http_status == 429;
    if (answer->verdict == RAY_VERDICT_ALLOW || answer->verdict == RAY_VERDICT_DELAY)
        bucket->response_bytes += row->response_bytes;
}

/* -- quotas that are followed -- */

static uint64_t peak_bp_of(const ray_quota_usage *usage)
{
    unsigned __int128 bp = (unsigned __int128)usage->peak_ever_units * 10000;

    if (usage->limit_units == 0)
        return usage->peak_ever_units ? RAY_NEVER : 0;
    bp /= usage->limit_units;
    return bp > RAY_NEVER ? RAY_NEVER : (uint64_t)bp;
}

static uint32_t is_same(const ray_timeline_quota *row, const ray_quota_usage *usage)
{
    return row->used && row->allocation == usage->allocation && row->tenant == usage->tenant
           && row->user_key == usage->user_key;
}

/* The row to follow this instance in: its own, a free one, or that of one used less; NULL when all
 * are used as much. */
static ray_timeline_quota *row_for(ray_timeline *timeline, const ray_quota_usage *usage)
{
    ray_timeline_quota *least = NULL;

    for (uint32_t i = 0; i < RAY_TIMELINE_QUOTA_MAX; i++)
        if (is_same(&timeline->quota[i], usage))
            return &timeline->quota[i];
    for (uint32_t i = 0; i < RAY_TIMELINE_QUOTA_MAX; i++) {
        ray_timeline_quota *row = &timeline->quota[i];
        if (!row->used)
            return row;
        if (!least || row->peak_bp < least->peak_bp)
            least = row;
    }
    return peak_bp_of(usage) > least->peak_bp ? least : NULL;
}

/* Follows the instance at an active place, if it is worth it. */
static void look(ray_timeline *timeline, const ray_quota_usage *usage, uint32_t place)
{
    ray_timeline_quota *row = row_for(timeline, usage);

    if (!row)
        return;
    if (!is_same(row, usage)) {
        for (uint32_t i = 0; i < RAY_TIMELINE_BUCKET_MAX; i++)
            timeline->sample[i].used[row - timeline->quota] = RAY_NEVER;
        *row = (ray_timeline_quota){ .user_key = usage->user_key,
                                     .peak_bp = peak_bp_of(usage),
                                     .allocation = usage->allocation,
                                     .tenant = usage->tenant,
                                     .used = 1 };
    }
    row->place = place;
}

static void sample_quotas(ray_timeline *timeline, const ray_quota *quota, int64_t wall_offset_ns,
                          ray_timeline_sample_row *out)
{
    ray_quota_usage usage;

    for (uint32_t i = 0; i < SCAN; i++) {
        uint32_t place = (uint32_t)timeline->hand;
        ray_status status =
            ray_quota_active_read(quota, out->at_ns, wall_offset_ns, place, &usage);
        timeline->hand = status == RAY_E_RANGE ? 0 : place + 1u;
        if (status == RAY_OK)
            look(timeline, &usage, place);
    }
    for (uint32_t i = 0; i < RAY_TIMELINE_QUOTA_MAX; i++) {
        ray_timeline_quota *row = &timeline->quota[i];
        out->used[i] = RAY_NEVER;
        if (!row->used || row->place == RAY_NONE)
            continue;
        if (ray_quota_active_read(quota, out->at_ns, wall_offset_ns, row->place, &usage)
                != RAY_OK
            || !is_same(row, &usage)) {
            row->place = RAY_NONE;
            continue;
        }
        row->peak_bp = peak_bp_of(&usage);
        out->used[i] = usage.used_units + usage.reserved_units;
        out->limit[i] = usage.limit_units + usage.carry_units;
    }
}

/* -- samples -- */

void ray_timeline_sample(ray_timeline *timeline, struct ray *ray, uint64_t at_ns)
{
    static const ray_cost_which everything = { RAY_COST_ALL, RAY_COST_ALL, RAY_COST_ALL,
                                               RAY_COST_ALL };
    uint64_t place = at_ns / timeline->width_ns;
    ray_timeline_sample_row *out;
    ray_class_stats class;
    ray_stats stats;

    if (!timeline->hot)
        return;
    place = place < timeline->first ? 0 : place - timeline->first;
    if (place >= timeline->bucket_count)
        place = timeline->bucket_count - 1;
    out = &timeline->sample[place];
    ray_read(ray, &stats);
    memset(out, 0, sizeof *out);
    out->at_ns = at_ns;
    for (uint32_t i = 0; i < RAY_CLASS_MAX && timeline->queued_any; i++) {
        if (ray_priority_class_read(ray_priority_of(ray), i, &class) != RAY_OK)
            continue;
        out->by_class[i] = (ray_timeline_class){ class.sent_count, class.wait_sum_ns,
                                                 class.wait_max_ns, class.waiting_count };
    }
    ray_cost_sum(ray_cost_of(ray), at_ns, stats.wall_offset_ns, &everything, &out->money);
    sample_quotas(timeline, ray_quota_of(ray), stats.wall_offset_ns, out);
}

uint32_t ray_timeline_span(ray_timeline *timeline, struct ray *ray, const ray_row *rows,
                           uint32_t count)
{
    uint32_t timed = count - (rows[count - 1].kind == RAY_ROW_SETTLE);
    uint32_t low = 0;
    uint32_t high = timed;
    uint64_t due_ns;

    if (timed == 0)
        return count;
    due_ns = timeline->hot ? timeline->hot_ns + timeline->width_ns : 0;
    if (rows[0].at_ns >= due_ns) {
        ray_timeline_sample(timeline, ray, due_ns - 1);
        due_ns = (rows[0].at_ns / timeline->width_ns + 1) * timeline->width_ns;
    }
    if (rows[timed - 1].at_ns < due_ns)
        return count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (rows[middle].at_ns < due_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low : 1;
}

/* -- reading -- */

void ray_timeline_read(const ray_timeline *timeline, ray_timeline_shape *out)
{
    *out = (ray_timeline_shape){ timeline->first * timeline->width_ns, timeline->width_ns,
                                 timeline->bucket_count, 0 };
    for (uint32_t i = 0; i < RAY_TIMELINE_QUOTA_MAX; i++)
        out->quota_count += timeline->quota[i].used;
}

uint32_t ray_timeline_bucket_read(const ray_timeline *timeline, uint32_t place,
                                  ray_timeline_bucket *out)
{
    if (place >= timeline->bucket_count)
        return 0;
    *out = timeline->bucket[place];
    return 1;
}

uint32_t ray_timeline_sample_read(const ray_timeline *timeline, uint32_t place,
                                  ray_timeline_sample_row *out)
{
    if (place >= timeline->bucket_count)
        return 0;
    *out = timeline->sample[place];
    return 1;
}

uint32_t ray_timeline_quota_read(const ray_timeline *timeline, uint32_t place,
                                 ray_timeline_quota *out)
{
    if (place >= RAY_TIMELINE_QUOTA_MAX || !timeline->quota[place].used)
        return 0;
    *out = timeline->quota[place];
    return 1;
}
