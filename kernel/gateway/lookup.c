/* SPDX-License-Identifier: MIT */
/* lookup.c - finding the best route: one hash probe for each segment of the path, in each node that
 * is still possible, and of what is found there only what ranks before the best so far. */
#include "gateway_state.h"
#include "words.h"

/* -- hashing --
 * Eight bytes a step. Not keyed: the table holds only configured runs, and every hit is compared
 * byte for byte. */
static inline uint64_t mixed(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

static inline uint64_t hash_start(uint32_t node)
{
    return ((uint64_t)node + 1) * 0xd6e8feb86659fd93U;
}

/* A run's hash so far: the words up to `done`. A run ends with its last eight bytes, once more. */
typedef struct run_hash {
    uint64_t hash;
    uint64_t done;
} run_hash;

/* The hash of the run [from, from + length), going on where a shorter one stopped. */
static inline uint64_t hash_to(run_hash *run, const uint8_t *path, uint64_t from, uint64_t length,
                               uint64_t end)
{
    const uint8_t *at = path + from;
    if (length < 8) {
        uint64_t mask = ((uint64_t)1 << 8 * length) - 1;
        return mixed(run->hash, ray_word_load(path, from, end) & mask);
    }
    for (; length - run->done > 8; run->done += 8)
        run->hash = mixed(run->hash, ray_load_8(at + run->done));
    return mixed(run->hash, ray_load_8(at + length - 8));
}

uint64_t ray_gateway_hash_run(uint32_t node, const uint8_t *at, uint64_t length)
{
    run_hash run = {hash_start(node), 0};
    return hash_to(&run, at, 0, length, length);
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
    uint64_t hash = hash_start(RAY_GATEWAY_HOST_NODE);
    while (length > 0)
        hash = host_step(hash, host[--length]);
    return hash;
}

/* -- the table -- */
static inline uint32_t same_run(const ray_gateway_config *config, const ray_gateway_entry *entry,
                                const uint8_t *run)
{
    if (entry->slot == RAY_GATEWAY_NO_SLOT || entry->length == 0)
        return 1;              /* a table decides in the end; or nothing to compare */
    const ray_route_spec *route = &config->route[entry->slot];
    if (entry->node == RAY_GATEWAY_HOST_NODE)
        return ray_same_ignoring_case(route->host + entry->at, (const char *)run, entry->length);
    return ray_word_same((const uint8_t *)route->pattern + entry->at, run, entry->length);
}

static inline const ray_gateway_entry *find(const ray_gateway_config *config, uint32_t node,
                                            uint64_t hash, const uint8_t *run, uint64_t length)
{
    const ray_gateway_index *index = &config->index;
    for (uint32_t at = (uint32_t)(hash >> 48) & index->mask; index->table[at] != 0;
         at = (at + 1) & index->mask) {
        const ray_gateway_entry *entry = &index->entry[index->table[at] - 1];
        RAY_KEEP(entry);
        if (entry->tag == (uint32_t)hash && entry->node == node &&
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

static __attribute__((noinline)) uint32_t table_and_matches_fit(
    const ray_gateway_search *search, const ray_gateway_candidate *candidate)
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

static inline uint32_t fits_but_for_method(const ray_gateway_search *search,
                                           const ray_gateway_candidate *candidate)
{
    return (candidate->flags & (RAY_CANDIDATE_REGEX | RAY_CANDIDATE_MATCHES)) == 0 ||
           table_and_matches_fit(search, candidate);
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
 * A frame is a node, where its runs start, and which of their lengths are still to be tried. Only
 * a '*' opens another, and a pattern has at most RAY_CAPTURE_MAX of them, so the stack is that
 * deep. No node is entered twice: its pattern says how many segments stand before it. */
typedef struct walk_frame {
    run_hash run;
    uint64_t bits;             /* lengths base + 0..63 that end where a segment ends */
    uint32_t node;
    uint32_t from;
    uint32_t base;
    uint32_t reserved;
} walk_frame;

/* Which of the 64 places from `from` on end a segment: a slash stands there, or nothing. */
static inline uint64_t segment_ends(const uint8_t *path, uint64_t from, uint64_t end)
{
    uint64_t bits = 0;
    for (uint64_t i = 0; i < 64 && from + i < end; i += 8) {
        uint64_t slash = ray_word_equal(ray_word_load(path, from + i, end), '/');
        bits |= ray_word_bits(slash) << i;
    }
    return end - from < 64 ? bits | (uint64_t)1 << (end - from) : bits;
}

static inline walk_frame frame_at(const ray_gateway_search *search, uint32_t node, uint64_t from)
{
    walk_frame frame = {{hash_start(node), 0}, 0, node, (uint32_t)from, 0, 0};
    uint64_t ends = from == 0 && search->ends != 0
                        ? search->ends
                        : segment_ends(search->path.at, from, search->path.length);
    frame.bits = ends & search->config->index.lengths[node][0];
    return frame;
}

/* Moves to the next 64 lengths that leave anything to try; 0 when there are none. */
static inline uint32_t refill(const ray_gateway_search *search, walk_frame *frame)
{
    const ray_gateway_index *index = &search->config->index;
    uint64_t end = search->path.length;
    while (frame->bits == 0) {
        frame->base += 64;
        if (frame->base >= index->reach[frame->node] || frame->from + frame->base > end)
            return 0;
        frame->bits = segment_ends(search->path.at, frame->from + frame->base, end) &
                      index->lengths[frame->node][frame->base / 64];
    }
    return 1;
}

static uint64_t next_slash(ray_view path, uint64_t from)
{
    while (from < path.length && path.at[from] != '/')
        from++;
    return from;
}

static void walk(ray_gateway_search *search, uint32_t node)
{
    walk_frame waiting[RAY_CAPTURE_MAX];
    uint32_t depth = 0;
    ray_view path = search->path;
    walk_frame now = frame_at(search, node, 0);
    for (;;) {
        if (now.bits == 0 && !refill(search, &now)) {
            if (depth == 0)
                return;
            now = waiting[--depth];
            continue;
        }
        uint64_t length = now.base + (uint64_t)__builtin_ctzll(now.bits), at = now.from + length;
        now.bits &= now.bits - 1;
        uint64_t hash = hash_to(&now.run, path.at, now.from, length, path.length);
        const ray_gateway_entry *entry =
            find(search->config, now.node, hash, path.at + now.from, length);
        if (entry == NULL)
            continue;
        if (entry->count > 0)
            consider(search, entry, at == path.length);
        if (entry->star == 0 || at + 1 >= path.length)
            continue;
        waiting[depth++] = now;
        now = frame_at(search, entry->star - 1U, next_slash(path, at + 1));
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
    uint64_t hash = hash_start(RAY_GATEWAY_HOST_NODE);
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
