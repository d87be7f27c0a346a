/* SPDX-License-Identifier: MIT */
/* index.c - building the index from the routes, anew after every change: routes change rarely and
 * by hand, and what is built from nothing cannot drift. */
#include "gateway_state.h"

/* -- precedence -- */
uint32_t ray_gateway_pattern_length(const ray_route_spec *route)
{
    uint32_t length = route->pattern_length;
    if (route->kind == RAY_ROUTE_PREFIX && length > 0 && route->pattern[length - 1] == '/')
        length--;
    return length;
}

/* Higher is more particular: exact hosts, then "*." by length, then any. */
static uint32_t host_particular(const ray_route_spec *route)
{
    if (route->host_length == 0)
        return 0;
    return route->host[0] == '*' ? route->host_length : 2U * RAY_HOST_BYTES;
}

static int32_t lower_first(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

int32_t ray_gateway_precedence(const ray_route_spec *a, const ray_route_spec *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    int32_t sign = lower_first(a->kind, b->kind);
    if (sign == 0 && a->kind == RAY_ROUTE_PREFIX)
        sign = lower_first(ray_gateway_pattern_length(b), ray_gateway_pattern_length(a));
    if (sign == 0)
        sign = lower_first(host_particular(b), host_particular(a));
    if (sign == 0)
        sign = lower_first(b->methods != 0, a->methods != 0);
    if (sign == 0)
        sign = lower_first(b->header_count, a->header_count);
    if (sign == 0)
        sign = lower_first(b->query_count, a->query_count);
    return sign;
}

static uint32_t goes_after(const ray_gateway_config *config, uint32_t a, uint32_t b)
{
    int32_t sign = ray_gateway_precedence(&config->route[a], &config->route[b]);
    return sign != 0 ? sign > 0 : config->route_order[a] > config->route_order[b];
}

static void sift(ray_gateway_config *config, uint32_t at, uint32_t count)
{
    uint16_t *slots = config->index.ranked;
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && goes_after(config, slots[child + 1], slots[child]))
            child++;
        if (!goes_after(config, slots[child], slots[at]))
            return;
        uint16_t slot = slots[at];
        slots[at] = slots[child];
        slots[child] = slot;
        at = child;
    }
}

/* Heap sort: no recursion, no memory, and the order is total, so that it need not be stable. */
static void rank_all(ray_gateway_config *config)
{
    uint16_t *slots = config->index.ranked;
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < RAY_ROUTE_MAX; slot++)
        if (config->route[slot].name.at[0] != '\0')
            slots[count++] = (uint16_t)slot;
    for (uint32_t at = count / 2; at > 0; at--)
        sift(config, at - 1, count);
    for (uint32_t last = count; last > 1; last--) {
        uint16_t slot = slots[0];
        slots[0] = slots[last - 1];
        slots[last - 1] = slot;
        sift(config, 0, last - 1);
    }
}

/* -- entries -- */
typedef struct run {
    uint64_t hash;
    uint32_t node;
    uint32_t slot;             /* NO_SLOT: its bytes are not compared */
    uint32_t at;
    uint32_t length;
} run;

static const char *run_bytes(const ray_gateway_config *config, const run *r)
{
    const ray_route_spec *route = &config->route[r->slot];
    return (r->node == RAY_GATEWAY_HOST_NODE ? route->host : route->pattern) + r->at;
}

static uint32_t is_run(const ray_gateway_config *config, const ray_gateway_entry *entry,
                       const run *r)
{
    if (entry->tag != (uint32_t)r->hash || entry->node != r->node ||
        entry->length != r->length)
        return 0;
    if (r->slot == RAY_GATEWAY_NO_SLOT)
        return 1;
    run known = {0, entry->node, entry->slot, entry->at, entry->length};
    if (r->node == RAY_GATEWAY_HOST_NODE)
        return ray_same_ignoring_case(run_bytes(config, &known), run_bytes(config, r), r->length);
    return ray_same(run_bytes(config, &known), run_bytes(config, r), r->length);
}

/* The entry of a run, made when there is none. */
static ray_gateway_entry *entry_of(ray_gateway_config *config, const run *r)
{
    ray_gateway_index *index = &config->index;
    uint32_t at = (uint32_t)(r->hash >> 48) & index->mask;
    while (index->table[at] != 0) {
        ray_gateway_entry *entry = &index->entry[index->table[at] - 1];
        if (is_run(config, entry, r))
            return entry;
        at = (at + 1) & index->mask;
    }
    ray_assert(index->entry_count < RAY_GATEWAY_ENTRY_MAX);
    ray_gateway_entry *entry = &index->entry[index->entry_count++];
    index->table[at] = index->entry_count;
    entry->tag = (uint32_t)r->hash;
    entry->node = (uint16_t)r->node;
    entry->slot = (uint16_t)r->slot;
    entry->at = (uint16_t)r->at;
    entry->length = (uint16_t)r->length;
    if (r->node != RAY_GATEWAY_HOST_NODE) {
        index->lengths[r->node][r->length / 64] |= (uint64_t)1 << r->length % 64;
        if (index->reach[r->node] < r->length + 1)
            index->reach[r->node] = (uint16_t)(r->length + 1);
    }
    return entry;
}

/* -- routes -- */
static uint32_t root_of(ray_gateway_config *config, uint32_t slot)
{
    const ray_route_spec *route = &config->route[slot];
    uint32_t skip = route->host[0] == '*' ? 1 : 0;
    if (route->host_length == 0)
        return 0;
    run r = {0, RAY_GATEWAY_HOST_NODE, slot, skip, route->host_length - skip};
    r.hash = ray_gateway_hash_host((const uint8_t *)route->host + skip, r.length);
    ray_gateway_entry *entry = entry_of(config, &r);
    if (entry->star == 0)
        entry->star = ++config->index.root_count;
    return entry->star;
}

static ray_gateway_entry *pattern_entry(ray_gateway_config *config, uint32_t slot, uint32_t node,
                                        uint32_t from, uint32_t to)
{
    const uint8_t *at = (const uint8_t *)config->route[slot].pattern + from;
    run r = {ray_gateway_hash_run(node, at, to - from), node, slot, from, to - from};
    return entry_of(config, &r);
}

/* The node behind the '*' that follows the run [from, to) of `node`. */
static uint32_t star_of(ray_gateway_config *config, uint32_t slot, uint32_t node, uint32_t from,
                        uint32_t to)
{
    ray_gateway_entry *entry = pattern_entry(config, slot, node, from, to);
    if (entry->star == 0)
        entry->star = (uint16_t)(2 * RAY_GATEWAY_ROOT_MAX + ++config->index.node_count);
    return entry->star - 1U;
}

/* Follows a wildcard pattern to its end. A slash before a '*' belongs to it, not to the run. */
static ray_gateway_entry *wildcard_entry(ray_gateway_config *config, uint32_t slot, uint32_t node,
                                         uint32_t *flags)
{
    const ray_route_spec *route = &config->route[slot];
    uint32_t from = 0, length = route->pattern_length;
    for (uint32_t i = 0; i < length; i++) {
        if (route->pattern[i] != '*')
            continue;
        if (i + 1 < length && route->pattern[i + 1] == '*')
            return pattern_entry(config, slot, node, from, i - 1);
        node = star_of(config, slot, node, from, i - 1);
        from = i + 1;
    }
    *flags |= RAY_CANDIDATE_END;
    return pattern_entry(config, slot, node, from, length);
}

static ray_gateway_entry *regex_entry(ray_gateway_config *config, uint32_t slot, uint32_t node)
{
    const ray_gateway_dfa *dfa = &config->dfa[config->route[slot].dfa];
    uint8_t bytes[RAY_ROUTE_PATTERN_BYTES];
    uint32_t length = ray_gateway_dfa_prefix((const uint8_t *)config->pool + dfa->offset, bytes,
                                             sizeof bytes);
    run r = {ray_gateway_hash_run(node, bytes, length), node, RAY_GATEWAY_NO_SLOT, 0, length};
    return entry_of(config, &r);
}

static ray_gateway_candidate candidate_of(ray_gateway_config *config, uint32_t rank)
{
    ray_gateway_index *index = &config->index;
    uint32_t slot = index->ranked[rank], flags = 0;
    const ray_route_spec *route = &config->route[slot];
    uint32_t node = 2 * root_of(config, slot);
    ray_gateway_entry *entry;
    switch (route->kind) {
    case RAY_ROUTE_REGEX:
        flags |= RAY_CANDIDATE_REGEX;
        entry = regex_entry(config, slot, node + 1);
        break;
    case RAY_ROUTE_WILDCARD:
        entry = wildcard_entry(config, slot, node, &flags);
        break;
    default:
        flags |= route->kind == RAY_ROUTE_EXACT ? RAY_CANDIDATE_END : 0U;
        entry = pattern_entry(config, slot, node, 0, ray_gateway_pattern_length(route));
        break;
    }
    if (route->header_count > 0 || route->query_count > 0)
        flags |= RAY_CANDIDATE_MATCHES;
    entry->count++;
    ray_gateway_candidate candidate = {
        (uint16_t)slot, (uint16_t)rank, (uint8_t)(route->methods != 0 ? route->methods : 0xff),
        (uint8_t)flags, (uint16_t)(entry - index->entry)};
    return candidate;
}

/* The candidates of an entry side by side, in order of rank: the second half of a counting sort. */
static void lay_candidates(ray_gateway_config *config)
{
    ray_gateway_index *index = &config->index;
    uint32_t first = 0;
    for (uint32_t i = 0; i < index->entry_count; i++) {
        index->entry[i].first = (uint16_t)first;
        first += index->entry[i].count;
        index->entry[i].count = 0;
    }
    for (uint32_t rank = 0; rank < config->route_count; rank++) {
        ray_gateway_candidate candidate = candidate_of(config, rank);
        ray_gateway_entry *entry = &index->entry[candidate.entry];
        index->candidate[entry->first + entry->count - 1U] = candidate;
    }
    for (uint32_t i = 0; i + 1 < config->route_count; i++) {
        ray_gateway_candidate *a = &index->candidate[i];
        if (a[0].entry == a[1].entry &&
            ray_gateway_precedence(&config->route[a[0].slot], &config->route[a[1].slot]) == 0)
            a->flags |= RAY_CANDIDATE_TIES;
    }
}

void ray_gateway_index_build(ray_gateway_config *config)
{
    ray_gateway_index *index = &config->index;
    memset(index, 0, sizeof *index);
    uint32_t slots = config->route_count > 0 ? 8 : 1;
    while (slots < 16 * config->route_count && slots < RAY_GATEWAY_TABLE)
        slots *= 2;
    index->mask = slots - 1;
    rank_all(config);
    for (uint32_t rank = 0; rank < config->route_count; rank++)
        candidate_of(config, rank);    /* once to make and count the entries */
    lay_candidates(config);
}
