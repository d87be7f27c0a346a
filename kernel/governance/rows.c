/* SPDX-License-Identifier: MIT */
/* rows.c - a row per service and per tenant. Keys of the configuration always have one; of keys
 * from anywhere a full table keeps those with the most requests (Metwally et al. 2005): the row
 * with the fewest goes to a new key, its counts to `other`, and what any key without a row can have
 * had is remembered, so that every ranking knows its own error. */
#include "parts.h"

static ray_governance_row *row_of(ray_governance_tally *tally, uint32_t dimension)
{
    return dimension == RAY_DIMENSION_SERVICE ? tally->service : tally->tenant;
}

ray_gov_rows ray_gov_rows_of(ray_governance *governance, uint32_t dimension)
{
    ray_governance_tally *tally = &governance->tally;
    uint32_t services = dimension == RAY_DIMENSION_SERVICE;
    return (ray_gov_rows){
        .table = services ? &tally->services : &tally->tenants,
        .row = row_of(tally, dimension),
        .bucket = services ? tally->service_bucket : tally->tenant_bucket,
        .multiplier = RAY_GOV_MULTIPLIER(governance),
        .capacity = services ? (uint32_t)RAY_GOV_SERVICE_ROWS : (uint32_t)RAY_GOV_TENANT_ROWS,
        .buckets = services ? (uint32_t)RAY_SERVICE_MAX : (uint32_t)RAY_TENANT_MAX,
    };
}

const ray_governance_row *ray_gov_row_at(const ray_governance *governance, uint32_t dimension,
                                         uint32_t place)
{
    const ray_governance_tally *tally = &governance->tally;
    return dimension == RAY_DIMENSION_SERVICE ? &tally->service[place] : &tally->tenant[place];
}

uint32_t ray_gov_row_count(const ray_governance *governance, uint32_t dimension)
{
    const ray_governance_tally *tally = &governance->tally;
    return dimension == RAY_DIMENSION_SERVICE ? tally->services.count : tally->tenants.count;
}

uint64_t ray_gov_row_value(const ray_governance_row *row, uint32_t by)
{
    uint64_t counted = by == RAY_TOP_REQUESTS     ? row->counts.offered_count
                       : by == RAY_TOP_VIOLATIONS ? row->counts.violation_count
                       : row->counts.cost_nano > 0 ? (uint64_t)row->counts.cost_nano
                                                   : 0;
    return ray_add_capped(counted, row->error[by]);
}

void ray_gov_counts_add(ray_governance_counts *to, const ray_governance_counts *from)
{
    to->offered_count += from->offered_count;
    to->denied_count += from->denied_count;
    to->dropped_count += from->dropped_count;
    to->preempted_count += from->preempted_count;
    to->dispatched_count += from->dispatched_count;
    to->queued_count += from->queued_count;
    to->violation_count += from->violation_count;
    to->done_count += from->done_count;
    to->failed_count += from->failed_count;
    to->tokens += from->tokens;
    to->bytes += from->bytes;
    to->wait_ns += from->wait_ns;
    to->cost_nano = (int64_t)((uint64_t)to->cost_nano + (uint64_t)from->cost_nano);
}

/* -- chains (private) -- */
static uint32_t bucket_of(uint64_t multiplier, uint32_t buckets, uint32_t key)
{
    return (uint32_t)((key * multiplier) >> 40) & (buckets - 1);
}

static void link_in(const ray_gov_rows *rows, uint32_t place)
{
    uint32_t bucket = bucket_of(rows->multiplier, rows->buckets, rows->row[place].key);
    rows->row[place].next = rows->bucket[bucket];
    rows->bucket[bucket] = place + 1;
}

static void link_out(const ray_gov_rows *rows, uint32_t place)
{
    uint32_t *at = &rows->bucket[bucket_of(rows->multiplier, rows->buckets, rows->row[place].key)];
    while (*at != place + 1)
        at = &rows->row[*at - 1].next;
    *at = rows->row[place].next;
}

uint32_t ray_gov_row_find(const ray_governance *governance, uint32_t dimension, uint32_t key)
{
    const ray_governance_tally *tally = &governance->tally;
    uint64_t multiplier = RAY_GOV_MULTIPLIER(governance);
    uint32_t at = dimension == RAY_DIMENSION_SERVICE
                      ? tally->service_bucket[bucket_of(multiplier, RAY_SERVICE_MAX, key)]
                      : tally->tenant_bucket[bucket_of(multiplier, RAY_TENANT_MAX, key)];
    while (at != 0) {
        const ray_governance_row *row = ray_gov_row_at(governance, dimension, at - 1);
        if (row->key == key)
            return at - 1;
        at = row->next;
    }
    return RAY_NONE;
}

/* -- taking and giving away -- */
static uint32_t least(const ray_gov_rows *rows)
{
    uint32_t found = 0;
    for (uint32_t place = 1; place < rows->table->count; place++) {
        uint64_t value = ray_gov_row_value(&rows->row[place], RAY_TOP_REQUESTS);
        uint64_t best = ray_gov_row_value(&rows->row[found], RAY_TOP_REQUESTS);
        if (value < best || (value == best && rows->row[place].key < rows->row[found].key))
            found = place;
    }
    return found;
}

/* The row's counts go to `other`; no key without a row ever had more than what is noted. */
static void give_away(const ray_gov_rows *rows, uint32_t place)
{
    const ray_governance_row *row = &rows->row[place];
    for (uint32_t by = 0; by < RAY_TOP_MAX; by++) {
        uint64_t value = ray_gov_row_value(row, by);
        if (value > rows->table->floor[by])
            rows->table->floor[by] = value;
    }
    ray_gov_counts_add(&rows->table->other, &row->counts);
    link_out(rows, place);
    rows->table->evicted_count++;
}

uint32_t ray_gov_row_take(ray_governance *governance, uint32_t dimension, uint32_t key)
{
    uint32_t place = ray_gov_row_find(governance, dimension, key);
    if (place != RAY_NONE)
        return place;
    ray_gov_rows rows = ray_gov_rows_of(governance, dimension);
    if (rows.table->count < rows.capacity) {
        place = rows.table->count++;
    } else {
        place = least(&rows);
        give_away(&rows, place);
    }
    ray_governance_row *row = &rows.row[place];
    memset(row, 0, sizeof *row);
    row->key = key;
    for (uint32_t by = 0; by < RAY_TOP_MAX; by++)
        row->error[by] = rows.table->floor[by];
    link_in(&rows, place);
    return place;
}

/* -- following names -- */
uint32_t ray_gov_follow(const ray_names *before, const ray_names *after,
                        uint32_t key, uint32_t *to)
{
    ray_name name;
    uint64_t place = key & RAY_GOV_SLOT_MASK;
    *to = key;
    if (key == RAY_NONE)
        return 1;
    if (place >= before->count)
        return 0;
    memcpy(&name, before->at + place * before->stride, sizeof name);
    if (name.at[0] == 0)
        return 0;
    for (uint64_t i = 0; i < after->count; i++)
        if (ray_same(after->at + i * after->stride, &name, sizeof name) != 0) {
            *to = (uint32_t)i;
            return 1;
        }
    return 0;
}

/* A row of a place that was given away and taken anew by another name is of the old one: only the
 * latest generation follows. */
static uint32_t is_latest(const ray_gov_rows *rows, uint32_t place)
{
    uint32_t key = rows->row[place].key;
    for (uint32_t other = 0; other < rows->table->count; other++)
        if ((rows->row[other].key & RAY_GOV_SLOT_MASK) == (key & RAY_GOV_SLOT_MASK) &&
            rows->row[other].key != RAY_NONE && rows->row[other].key > key)
            return 0;
    return 1;
}

void ray_gov_rows_move(ray_governance *governance, uint32_t dimension,
                       const ray_names *before, const ray_names *after)
{
    ray_gov_rows rows = ray_gov_rows_of(governance, dimension);
    /* marked first: once a key has moved it says nothing about generations */
    for (uint32_t place = 0; place < rows.table->count; place++)
        rows.row[place].next = is_latest(&rows, place);
    for (uint32_t place = 0; place < rows.table->count; place++) {
        ray_governance_row *row = &rows.row[place];
        if (ray_gov_follow(before, after, row->key, &row->key) == 0)
            row->next = 0;
    }
    uint32_t kept = 0;
    for (uint32_t place = 0; place < rows.table->count; place++) {
        if (rows.row[place].next == 0) {
            ray_gov_counts_add(&rows.table->other, &rows.row[place].counts);
            continue;
        }
        if (kept != place)
            rows.row[kept] = rows.row[place];
        kept++;
    }
    memset(&rows.row[kept], 0, (rows.table->count - kept) * sizeof *rows.row);
    rows.table->count = kept;
    memset(rows.bucket, 0, rows.buckets * sizeof *rows.bucket);
    for (uint32_t place = 0; place < kept; place++)
        link_in(&rows, place);
}
