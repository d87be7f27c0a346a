/* SPDX-License-Identifier: MIT */
/* cache.c - a fixed number of kept responses: found by key, let go when due, else the least
 * recently used gives way. An entry is filled by one request under a lease. */
#include "parts.h"
#include "base/heap.h"

/* -- places (private) -- */
static ray_heap heap_of(ray_mediator_book *book)
{
    return (ray_heap){book->heap_order, book->heap_place, book->due_ns, &book->heap_count};
}

static uint32_t bucket_of(const uint64_t key[2])
{
    return (uint32_t)(key[0] % RAY_CACHE_TABLE);
}

static uint32_t same_key(const ray_cache_entry *entry, uint32_t route, const uint64_t key[2])
{
    return entry->key[0] == key[0] && entry->key[1] == key[1] && entry->route == route;
}

void ray_cache_due_set(ray_mediator *mediator, uint32_t place, uint64_t due_ns)
{
    ray_heap heap = heap_of(&mediator->book);
    ray_heap_remove(&heap, place);
    mediator->book.due_ns[place] = due_ns;
    if (due_ns != 0)
        ray_heap_add(&heap, place);
}

/* -- order of use -- */
static void use_remove(ray_mediator_tally *tally, uint32_t place)
{
    ray_cache_use *use = &tally->use[place];
    uint32_t *newer = use->newer != 0 ? &tally->use[use->newer - 1].older : &tally->newest;
    uint32_t *older = use->older != 0 ? &tally->use[use->older - 1].newer : &tally->oldest;
    *newer = use->older;
    *older = use->newer;
    use->newer = 0;
    use->older = 0;
}

static void use_add(ray_mediator_tally *tally, uint32_t place)
{
    tally->use[place].older = tally->newest;
    if (tally->newest != 0)
        tally->use[tally->newest - 1].newer = place + 1;
    else
        tally->oldest = place + 1;
    tally->newest = place + 1;
}

void ray_cache_touch(ray_mediator *mediator, uint32_t place)
{
    use_remove(&mediator->tally, place);
    use_add(&mediator->tally, place);
    mediator->tally.use[place].hit_count++;
}

/* -- entries -- */
void ray_cache_free(ray_mediator *mediator, uint32_t place)
{
    ray_mediator_book *book = &mediator->book;
    ray_cache_entry *entry = &book->entry[place];
    uint32_t *link = &book->table[bucket_of(entry->key)];
    while (*link != place + 1)
        link = &book->entry[*link - 1].next;
    *link = entry->next;
    ray_cache_due_set(mediator, place, 0);
    if (entry->phase == RAY_CACHE_KEPT) {
        use_remove(&mediator->tally, place);
        book->kept_count--;
    } else {
        book->filling_count--;
    }
    uint32_t generation = (entry->generation + 1) & 0xffff;
    memset(entry, 0, sizeof *entry);
    memset(&mediator->tally.use[place], 0, sizeof mediator->tally.use[place]);
    entry->generation = generation;
    entry->next = book->free;
    book->free = place + 1;
}

/* A free place, else the least recently used one's; RAY_NONE when all are being filled. */
static uint32_t place_take(ray_mediator *mediator)
{
    ray_mediator_book *book = &mediator->book;
    if (book->free == 0 && book->top < RAY_CACHE_ENTRY_MAX)
        return book->top++;
    if (book->free == 0 && mediator->tally.oldest != 0) {
        mediator->tally.evicted_count++;
        ray_cache_free(mediator, mediator->tally.oldest - 1);
    }
    if (book->free == 0)
        return RAY_NONE;
    uint32_t place = book->free - 1;
    book->free = book->entry[place].next;
    return place;
}

static uint32_t said_the_same(const ray_mediator *mediator, const ray_cache_entry *entry,
                              ray_view headers)
{
    for (uint32_t bit = 0; bit < RAY_CACHE_VARY_MAX; bit++) {
        uint64_t said[2];
        if ((entry->vary >> bit & 1) == 0)
            continue;
        ray_cache_said(mediator, headers, bit, said);
        if (said[0] != entry->said[bit][0] || said[1] != entry->said[bit][1])
            return 0;
    }
    return 1;
}

/* Of several that fit, the newest: it varies as the service varies now. */
void ray_cache_find(const ray_mediator *mediator, uint64_t now_ns,
                    const ray_mediator_query *query, const uint64_t key[2], ray_found *out)
{
    const ray_mediator_book *book = &mediator->book;
    *out = (ray_found){RAY_NONE, 0};
    for (uint32_t at = book->table[bucket_of(key)]; at != 0; at = book->entry[at - 1].next) {
        const ray_cache_entry *entry = &book->entry[at - 1];
        if (!same_key(entry, query->route, key) || entry->transform != query->transform ||
            book->due_ns[at - 1] <= now_ns)
            continue;
        if (entry->phase == RAY_CACHE_FILLING)
            out->filling |= entry->authorized == 0;
        else if ((out->hit == RAY_NONE || entry->stored_ns > book->entry[out->hit].stored_ns) &&
                 said_the_same(mediator, entry, query->headers))
            out->hit = at - 1;
    }
}

/* A key whose answers vary without end must not push out all others: the longest kept goes. */
static void variants_trim(ray_mediator *mediator, uint32_t route, const uint64_t key[2])
{
    const ray_mediator_book *book = &mediator->book;
    uint32_t count = 0, oldest = RAY_NONE;
    for (uint32_t at = book->table[bucket_of(key)]; at != 0; at = book->entry[at - 1].next) {
        const ray_cache_entry *entry = &book->entry[at - 1];
        if (!same_key(entry, route, key) || entry->phase != RAY_CACHE_KEPT)
            continue;
        count++;
        if (oldest == RAY_NONE || entry->stored_ns < book->entry[oldest].stored_ns)
            oldest = at - 1;
    }
    if (count >= RAY_CACHE_VARIANT_MAX) {
        mediator->tally.evicted_count++;
        ray_cache_free(mediator, oldest);
    }
}

uint32_t ray_cache_begin(ray_mediator *mediator, uint64_t now_ns,
                         const ray_mediator_query *query, const uint64_t key[2])
{
    variants_trim(mediator, query->route, key);
    uint32_t place = place_take(mediator);
    if (place == RAY_NONE)
        return RAY_NONE;
    ray_mediator_book *book = &mediator->book;
    ray_cache_entry *entry = &book->entry[place];
    uint32_t *head = &book->table[bucket_of(key)];
    entry->key[0] = key[0];
    entry->key[1] = key[1];
    entry->stored_ns = now_ns;
    entry->transform = query->transform;
    entry->tenant = query->tenant;
    entry->route = query->route;
    entry->phase = RAY_CACHE_FILLING;
    entry->authorized = (uint8_t)query->authorized;
    for (uint32_t bit = 0; bit < RAY_CACHE_VARY_MAX; bit++)
        ray_cache_said(mediator, query->headers, bit, entry->said[bit]);
    entry->next = *head;
    *head = place + 1;
    book->filling_count++;
    uint64_t due_ns = now_ns + RAY_CACHE_FILL_NS;
    ray_cache_due_set(mediator, place, due_ns < now_ns ? RAY_NEVER : due_ns);
    return place;
}

/* -- filling -- */
/* Every hit is told its own age. */
static uint64_t age_drop(uint8_t *block, uint64_t length)
{
    ray_header_walk walk = {0};
    uint64_t used = 0, from = 0;
    for (; ray_headers_next((ray_view){block, length}, &walk); from = walk.at)
        if (!ray_view_is(walk.name, "age")) {
            memmove(block + used, block + from, walk.at - from);
            used += walk.at - from;
        }
    return used;
}

/* As it goes to the client: the body first, since the headers say its length. */
static ray_status fill(const ray_mediator *mediator, ray_cache_entry *entry, uint16_t status,
                       ray_view headers, ray_view body)
{
    ray_text out;
    uint64_t length;
    ray_text_init(&out, (char *)entry->bytes, sizeof entry->bytes);
    ray_status told = ray_response_keep(mediator, entry->transform, status, headers, body, &out,
                                        &length);
    if (told != RAY_OK)
        return told;
    entry->body_length = (uint32_t)length;
    entry->header_length = (uint32_t)age_drop(entry->bytes + length, out.length - length);
    entry->status = status;
    length = entry->body_length + entry->header_length;   /* behind it lie a writer's leavings */
    memset(entry->bytes + length, 0, sizeof entry->bytes - length);
    return RAY_OK;
}

/* An older answer to the very same request has had its day. */
static void replaced_drop(ray_mediator *mediator, uint32_t place)
{
    ray_mediator_book *book = &mediator->book;
    const ray_cache_entry *entry = &book->entry[place];
    for (uint32_t at = book->table[bucket_of(entry->key)]; at != 0;) {
        const ray_cache_entry *other = &book->entry[at - 1];
        uint32_t next = other->next;
        if (at - 1 != place && other->phase == RAY_CACHE_KEPT &&
            same_key(other, entry->route, entry->key) && other->transform == entry->transform &&
            other->vary == entry->vary) {
            uint32_t same = 1;
            for (uint32_t bit = 0; bit < RAY_CACHE_VARY_MAX; bit++)
                same &= (entry->vary >> bit & 1) == 0 ||
                        memcmp(entry->said[bit], other->said[bit], sizeof entry->said[bit]) == 0;
            if (same != 0) {
                mediator->tally.dropped_count++;
                ray_cache_free(mediator, at - 1);
            }
        }
        at = next;
    }
}

static uint32_t place_of(const ray_mediator *mediator, uint32_t handle, uint32_t phase)
{
    uint32_t place = handle & 0xffff;
    if (place >= RAY_CACHE_ENTRY_MAX)
        return RAY_NONE;
    const ray_cache_entry *entry = &mediator->book.entry[place];
    return entry->phase == phase && entry->generation == handle >> 16 ? place : RAY_NONE;
}

void ray_mediator_done(ray_mediator *mediator, uint64_t now_ns, uint32_t handle, uint16_t status,
                       ray_view headers, ray_view body, uint32_t known)
{
    ray_mediator_tally *tally = &mediator->tally;
    uint32_t place = place_of(mediator, handle, RAY_CACHE_FILLING);
    ray_keep keep;
    if (place == RAY_NONE) {
        tally->stale_count += handle != RAY_NONE;
        return;
    }
    ray_cache_entry *entry = &mediator->book.entry[place];
    const ray_transform_slot *slot = ray_transform_at(mediator, entry->transform);
    if (known == 0) {
        tally->released_count++;
        ray_cache_free(mediator, place);
        return;
    }
    uint32_t may = slot != NULL && ray_cache_may_keep(status, headers, entry->authorized,
                                                      slot->spec.cache_ttl_ns, &keep);
    ray_status told = may != 0 ? fill(mediator, entry, status, headers, body) : RAY_E_STATE;
    if (told != RAY_OK) {
        tally->unkept_count++;
        tally->large_count += told == RAY_E_TRUNCATED;
        ray_cache_free(mediator, place);
        return;
    }
    entry->phase = RAY_CACHE_KEPT;
    entry->authorized = 0;
    entry->stored_ns = now_ns;
    entry->age_ns = keep.age_ns;
    entry->vary = keep.vary;
    mediator->book.filling_count--;
    mediator->book.kept_count++;
    use_add(tally, place);
    tally->stored_count++;
    uint64_t due_ns = now_ns + keep.ttl_ns;
    ray_cache_due_set(mediator, place, due_ns < now_ns ? RAY_NEVER : due_ns);
    replaced_drop(mediator, place);
}

ray_status ray_mediator_cached(const ray_mediator *mediator, uint64_t now_ns, uint32_t hit,
                               uint16_t *status, ray_view *headers, ray_view *body)
{
    uint32_t place = place_of(mediator, hit, RAY_CACHE_KEPT);
    if (place == RAY_NONE || mediator->book.due_ns[place] <= now_ns)
        return RAY_E_STALE;
    const ray_cache_entry *entry = &mediator->book.entry[place];
    *status = entry->status;
    *headers = (ray_view){entry->bytes + entry->body_length, entry->header_length};
    *body = (ray_view){entry->bytes, entry->body_length};
    return RAY_OK;
}

uint64_t ray_mediator_age(const ray_mediator *mediator, uint64_t now_ns, uint32_t hit)
{
    uint32_t place = place_of(mediator, hit, RAY_CACHE_KEPT);
    if (place == RAY_NONE)
        return 0;
    const ray_cache_entry *entry = &mediator->book.entry[place];
    uint64_t here_ns = now_ns > entry->stored_ns ? now_ns - entry->stored_ns : 0;
    return here_ns / 1000000000 + entry->age_ns / 1000000000;
}

/* -- time -- */
uint64_t ray_mediator_due(const ray_mediator *mediator)
{
    const ray_mediator_book *book = &mediator->book;
    return book->heap_count != 0 ? book->due_ns[book->heap_order[0]] : RAY_NEVER;
}

void ray_mediator_tick(ray_mediator *mediator, uint64_t now_ns)
{
    ray_mediator_book *book = &mediator->book;
    while (book->heap_count != 0 && book->due_ns[book->heap_order[0]] <= now_ns) {
        uint32_t place = book->heap_order[0];
        uint32_t kept = book->entry[place].phase == RAY_CACHE_KEPT;
        mediator->tally.expired_count += kept;
        mediator->tally.lapsed_count += kept == 0;
        ray_cache_free(mediator, place);
    }
}

/* -- control -- */
/* A kept answer goes and `*why` counts it (1), or the lease of one that is being fetched (0). */
static uint32_t let_go(ray_mediator *mediator, uint32_t place, uint64_t *why)
{
    uint32_t kept = mediator->book.entry[place].phase == RAY_CACHE_KEPT;
    *why += kept;
    mediator->tally.released_count += kept == 0;
    ray_cache_free(mediator, place);
    return kept;
}

uint32_t ray_cache_drop(ray_mediator *mediator, uint32_t transform)
{
    uint32_t count = 0;
    for (uint32_t place = 0; place < mediator->book.top; place++) {
        const ray_cache_entry *entry = &mediator->book.entry[place];
        if (entry->phase == RAY_CACHE_FREE ||
            (transform != RAY_NONE && entry->transform != transform))
            continue;
        count += let_go(mediator, place, &mediator->tally.dropped_count);
    }
    return count;
}

/* Which of RFC 9111 4.4 it is that changed: an answer that was read before is not current, nor is
 * one that is being read now. */
static uint32_t is_of(const ray_cache_entry *entry, uint64_t target)
{
    return entry->phase != RAY_CACHE_FREE && (target == RAY_NEVER || entry->key[0] == target);
}

uint32_t ray_mediator_changed(ray_mediator *mediator, uint64_t target, uint16_t http_status)
{
    uint32_t count = 0;
    if (target == 0 || mediator->book.heap_count == 0 || http_status < 200 || http_status > 399)
        return 0;
    for (uint32_t place = 0; place < mediator->book.top; place++) {
        if (is_of(&mediator->book.entry[place], target) != 0)
            count += let_go(mediator, place, &mediator->tally.invalidated_count);
    }
    return count;
}
