/* SPDX-License-Identifier: MIT */
/* lookup.c - finding the best route: one hash probe for each segment of the path, in each node that
 * is still possible, and of what is found there only what ranks before the best so far. */
#include "gateway_state.h"

/* -- hashing --
 * Eight bytes a step, begun anew at every slash, so that a run hashes alike wherever it stands. Not
 * keyed: the table holds only configured runs, and every hit is compared byte for byte. */
static const uint64_t ones = 0x0101010101010101U;

static uint64_t mixed(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

uint64_t ray_gateway_hash_start(uint32_t node)
{
    return ((uint64_t)node + 1) * 0xd6e8feb86659fd93U;
}

/* Up to eight bytes from `from`, the first lowest, zero behind the last at `end`. */
static uint64_t load(const uint8_t *path, uint64_t from, uint64_t end)
{
    uint64_t word = 0;
    if (end - from >= 8) {
        memcpy(&word, path + from, 8);
    } else if (end >= 8) {
        memcpy(&word, path + end - 8, 8);
        word >>= 8 * (8 - (end - from));
    } else {
        for (uint64_t i = from; i < end; i++)
            word |= (uint64_t)path[i] << 8 * (i - from);
    }
    return word;
}

uint64_t ray_gateway_segment(const uint8_t *path, uint64_t from, uint64_t end, uint64_t *hash)
{
    uint64_t leading = 1;      /* hides the slash the segment starts with */
    for (;;) {
        uint64_t left = end - from;
        uint64_t word = load(path, from, end);
        uint64_t slashes = (word ^ '/' * ones) | leading;
        uint64_t found = (slashes - ones) & ~slashes & 0x80 * ones;
        uint64_t length = left < 8 ? left : 8;
        if (found != 0) {
            uint64_t at = (uint64_t)__builtin_ctzll(found) / 8;
            word &= (1ULL << 8 * at) - 1;
            length = at;
        }
        if (length > 0)
            *hash = mixed(*hash, word);
        from += length;
        if (found != 0 || from == end)
            return from;
        leading = 0;
    }
}

static uint8_t folded(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static uint64_t host_step(uint64_t hash, uint8_t c)
{
    return mixed(hash, folded(c));
}

/* From the last byte to the first, so that one pass meets every suffix. */
uint64_t ray_gateway_hash_host(const uint8_t *host, uint64_t length)
{
    uint64_t hash = ray_gateway_hash_start(RAY_GATEWAY_HOST_NODE);
    while (length > 0)
        hash = host_step(hash, host[--length]);
    return hash;
}

/* -- the table -- */
static uint32_t same_run(const ray_gateway_config *config, const ray_gateway_entry *entry,
                         const uint8_t *run)
{
    if (entry->slot == RAY_GATEWAY_NO_SLOT || entry->length == 0)
        return 1;              /* a table decides in the end; or nothing to compare */
    const ray_route_spec *route = &config->route[entry->slot];
    if (entry->node == RAY_GATEWAY_HOST_NODE)
        return ray_same_ignoring_case(route->host + entry->at, (const char *)run, entry->length);
    return ray_same(route->pattern + entry->at, run, entry->length);
}

static const ray_gateway_entry *find(const ray_gateway_config *config, uint32_t node, uint64_t hash,
                                     const uint8_t *run, uint64_t length)
{
    const ray_gateway_index *index = &config->index;
    for (uint32_t at = (uint32_t)hash & index->mask; index->table[at] != 0;
         at = (at + 1) & index->mask) {
        const ray_gateway_entry *entry = &index->entry[index->table[at] - 1];
        if (entry->tag == (uint32_t)(hash >> 32) && entry->node == node &&
            entry->length == length && same_run(config, entry, run))
            return entry;
    }
    return NULL;
}

/* -- candidates -- */
static uint32_t matches_fit(const ray_gateway_search *search, const ray_route_spec *route)
{
    for (uint32_t i = 0; i < route->header_count; i++)
        if (!ray_gateway_header_fits(&route->headers[i], search->headers))
            return 0;
    for (uint32_t i = 0; i < route->query_count; i++)
        if (!ray_gateway_query_fits(&route->queries[i], search->query))
            return 0;
    return 1;
}

static uint32_t fits_but_for_method(const ray_gateway_search *search,
                                    const ray_gateway_candidate *candidate)
{
    const ray_gateway_config *config = search->config;
    const ray_route_spec *route = &config->route[candidate->slot];
    if ((candidate->flags & RAY_CANDIDATE_REGEX) != 0) {
        const uint8_t *pool = (const uint8_t *)config->pool;
        if (!ray_gateway_dfa_run(pool + config->dfa[route->dfa].offset, search->path))
            return 0;
    }
    return (candidate->flags & RAY_CANDIDATE_MATCHES) == 0 || matches_fit(search, route);
}

/* A HEAD that GET serves: does one of the routes that tie with `candidate` serve HEAD itself? */
static const ray_gateway_candidate *head_named(const ray_gateway_search *search,
                                               const ray_gateway_candidate *candidate,
                                               uint32_t at_end)
{
    const ray_gateway_candidate *served = candidate;
    while ((candidate->flags & RAY_CANDIDATE_TIES) != 0) {
        candidate++;
        if ((candidate->methods & search->method) != 0 &&
            (at_end != 0 || (candidate->flags & RAY_CANDIDATE_END) == 0) &&
            fits_but_for_method(search, candidate))
            return candidate;
    }
    return served;
}

static void consider(ray_gateway_search *search, const ray_gateway_entry *entry, uint32_t at_end)
{
    const ray_gateway_candidate *candidate = &search->config->index.candidate[entry->first];
    for (uint32_t left = entry->count; left > 0; left--, candidate++) {
        if (candidate->rank >= search->best)
            return;
        if (at_end == 0 && (candidate->flags & RAY_CANDIDATE_END) != 0)
            continue;
        if ((candidate->methods & search->accepted) == 0) {
            if (search->best == RAY_NONE && (candidate->methods & ~search->allow) != 0 &&
                fits_but_for_method(search, candidate))
                search->allow |= candidate->methods;
            continue;
        }
        if (!fits_but_for_method(search, candidate))
            continue;
        search->best = candidate->rank;
        if ((candidate->methods & search->method) == 0)
            candidate = head_named(search, candidate, at_end);
        search->slot = candidate->slot;
        return;
    }
}

/* -- the walk --
 * A frame is a node and how far its run has come. Only a '*' opens another, and a pattern has at
 * most RAY_CAPTURE_MAX of them, so the stack is that deep. No node is entered twice: its pattern
 * says how many segments stand before it. */
typedef struct walk_frame {
    uint64_t hash;
    uint32_t node;
    uint32_t reach;
    uint16_t from;
    uint16_t at;
    uint32_t done;
} walk_frame;

static void open_frame(const ray_gateway_index *index, walk_frame *frame, uint32_t node,
                       uint64_t from)
{
    frame->hash = ray_gateway_hash_start(node);
    frame->node = node;
    frame->reach = index->reach[node];
    frame->from = (uint16_t)from;
    frame->at = (uint16_t)from;
    frame->done = frame->reach == 0;
}

static void walk(ray_gateway_search *search, uint32_t node)
{
    const ray_gateway_config *config = search->config;
    const uint8_t *path = search->path.at;
    uint64_t end = search->path.length;
    walk_frame stack[RAY_CAPTURE_MAX + 1];
    walk_frame *frame = stack;
    open_frame(&config->index, frame, node, 0);
    while (frame->done == 0 || frame > stack) {
        if (frame->done != 0) {
            frame--;
            continue;
        }
        uint64_t at = frame->at;
        const ray_gateway_entry *entry =
            find(config, frame->node, frame->hash, path + frame->from, at - frame->from);
        uint64_t next = at;
        if (at < end)
            next = ray_gateway_segment(path, at, end, &frame->hash);
        frame->at = (uint16_t)next;
        frame->done = at == end || next - frame->from >= frame->reach;
        if (entry == NULL)
            continue;
        if (entry->count > 0)
            consider(search, entry, at == end);
        if (entry->star != 0 && next > at + 1) {
            frame++;
            open_frame(&config->index, frame, entry->star - 1U, next);
        }
    }
}

static void walk_root(ray_gateway_search *search, uint32_t root)
{
    const ray_gateway_index *index = &search->config->index;
    if (index->reach[2 * root] != 0)
        walk(search, 2 * root);
    if (index->reach[2 * root + 1] != 0)
        walk(search, 2 * root + 1);
}

uint32_t ray_gateway_host_read(ray_view host, ray_view *out)
{
    uint64_t length = host.length, colon = length;
    if (length > 255)
        return 0;
    for (uint64_t i = 0; i < length; i++) {
        uint8_t c = host.at[i];
        if (c <= 0x20 || c >= 0x7f || c == '/' || c == '@' || c == '?' || c == '#' || c == '\\')
            return 0;
        if (c == ':' && (host.at[0] != '[' || host.at[i - 1] == ']'))
            colon = i < colon ? i : colon;
    }
    length = colon;
    if (length > 1 && host.at[length - 1] == '.')
        length--;
    out->at = host.at;
    out->length = length;
    return 1;
}

/* Every host pattern that fits: from the last label to the first, then the whole host. */
static void walk_hosts(ray_gateway_search *search, ray_view host)
{
    const ray_gateway_config *config = search->config;
    uint64_t hash = ray_gateway_hash_start(RAY_GATEWAY_HOST_NODE);
    for (uint64_t length = 1; length <= host.length && length <= RAY_HOST_BYTES; length++) {
        const uint8_t *from = host.at + (host.length - length);
        hash = host_step(hash, *from);
        if (length < host.length && *from != '.')
            continue;
        if (length == host.length && *from == '.')
            return;
        const ray_gateway_entry *entry = find(config, RAY_GATEWAY_HOST_NODE, hash, from, length);
        if (entry != NULL)
            walk_root(search, entry->star);
    }
}

void ray_gateway_search_run(ray_gateway_search *search, ray_view host)
{
    search->best = RAY_NONE;
    search->slot = RAY_NONE;
    search->allow = 0;
    if (search->config->index.root_count > 0)
        walk_hosts(search, host);
    walk_root(search, 0);
}

/* -- captures -- */
void ray_gateway_captures(const ray_route_spec *route, ray_view path, ray_gateway_answer *out)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < route->pattern_length; i++) {
        if (route->pattern[i] != '*') {
            at++;
            continue;
        }
        uint64_t from = at, to = path.length;
        if (i + 1U < route->pattern_length && route->pattern[i + 1] == '*') {
            from = from < to ? from : to;
            i++;
        } else {
            for (to = at; to < path.length && path.at[to] != '/';)
                to++;
        }
        out->capture_at[out->capture_count] = (uint16_t)from;
        out->capture_length[out->capture_count] = (uint16_t)(to - from);
        out->capture_count++;
        at = to;
    }
}
