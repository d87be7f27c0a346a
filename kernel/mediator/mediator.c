/* SPDX-License-Identifier: MIT */
/* mediator.c - a request is looked at, answered from what is kept or let through, and counted. */
#include "parts.h"

uint64_t ray_mediator_bytes(void)
{
    return sizeof(ray_mediator);
}

/* -- init -- */
void ray_mediator_init(ray_mediator *mediator, const uint8_t seed[16])
{
    memset(mediator, 0, sizeof *mediator);
    memcpy(mediator->config.seed, seed, sizeof mediator->config.seed);
}

/* -- request -- */
uint32_t ray_mediator_transform_of(const ray_mediator *mediator, uint32_t route)
{
    uint32_t place = route & RAY_TRANSFORM_SLOT_MASK;
    if (place >= RAY_ROUTE_MAX || mediator->config.transform_count == 0)
        return RAY_NONE;
    const ray_route_transform *row = &mediator->config.route[place];
    return row->transform != 0 && row->route == route ? row->transform - 1 : (uint32_t)RAY_NONE;
}

static void refuse(ray_mediator_answer *out, uint16_t reason, uint16_t http_status)
{
    out->granted = 0;
    out->cacheable = 0;
    out->busy = 0;
    out->reason = reason;
    out->http_status = http_status;
}

/* Credentials of either kind make an answer somebody's own, unless the service says otherwise. */
static uint32_t is_authorized(const ray_mediator_query *query)
{
    ray_view value;
    return query->authorized != 0 || ray_headers_find(query->headers, "cookie", 6, 0, &value) ||
           ray_headers_find(query->headers, "authorization", 13, 0, &value);
}

/* What is kept of it, and whether its answer is to be kept. */
static void ask_cache(const ray_mediator *mediator, uint64_t now_ns,
                      const ray_mediator_query *query, const ray_transform_slot *slot,
                      ray_mediator_answer *out)
{
    ray_found found = {RAY_NONE, 0};
    ray_view value;
    ray_wish wish;
    ray_cache_wish(query->headers, &wish);
    uint32_t usable = slot->spec.cache_ttl_ns != 0 && wish.no_store == 0 &&
                      !ray_headers_find(query->headers, "range", 5, 0, &value) &&
                      ray_cache_key(mediator, query, out->key) != 0;
    if (usable != 0)
        ray_cache_find(mediator, now_ns, query, out->key, &found);
    if (found.hit != RAY_NONE) {
        uint32_t handle = ray_cache_handle(mediator, found.hit);
        uint64_t age = ray_mediator_age(mediator, now_ns, handle);
        if (wish.no_cache == 0 && age <= wish.age_max_ns / 1000000000) {
            out->hit = handle;
            out->reason = RAY_REASON_CACHE_HIT;
            out->bodiless = query->method == RAY_METHOD_HEAD;
            return;
        }
    }
    if (wish.only_if_cached != 0) {
        refuse(out, RAY_REASON_CACHE_ONLY, ray_error_http(RAY_REASON_CACHE_ONLY));
        return;
    }
    out->cacheable = usable != 0 && query->method == RAY_METHOD_GET;
    out->busy = out->cacheable != 0 && found.filling != 0 && !is_authorized(query);
}

/* Content-Type and Accept; what nothing reads may be anything. */
static uint32_t negotiate(const ray_mediator_query *query, const ray_transform_slot *slot)
{
    const ray_transform_side *in = &slot->spec.side[RAY_SIDE_REQUEST];
    const ray_transform_side *back = &slot->spec.side[RAY_SIDE_RESPONSE];
    ray_view value;
    if (query->body_known != 0 && query->body.length != 0 && in->from != RAY_CONTENT_ANY) {
        if (ray_is_coded(query->headers) ||
            !ray_headers_find(query->headers, "content-type", 12, 0, &value) ||
            ray_content_of(value) != in->from)
            return RAY_REASON_MEDIA_UNSUPPORTED;
    }
    if (back->to == RAY_CONTENT_ANY)
        return RAY_REASON_OK;
    uint32_t said = 0;
    for (uint32_t nth = 0; ray_headers_find(query->headers, "accept", 6, nth, &value); nth++) {
        said |= value.length != 0;
        if (ray_accept_weight(value, back->to, back->flags) != 0)
            return RAY_REASON_OK;
    }
    return said != 0 ? RAY_REASON_NOT_ACCEPTABLE : RAY_REASON_OK;
}

ray_status ray_mediator_ask(const ray_mediator *mediator, uint64_t now_ns,
                            const ray_mediator_query *query, ray_mediator_answer *out)
{
    if (query->method >= RAY_METHOD_MAX)
        return RAY_E_ARGUMENT;
    const ray_transform_slot *slot = NULL;
    if (query->transform != RAY_NONE &&
        (slot = ray_transform_at(mediator, query->transform)) == NULL)
        return RAY_E_UNKNOWN;
    *out = (ray_mediator_answer){
        .hit = RAY_NONE, .fill = RAY_NONE, .reason = RAY_REASON_OK, .granted = 1};
    if (slot == NULL)
        return RAY_OK;
    uint32_t reason = negotiate(query, slot);
    if (reason != RAY_REASON_OK) {
        refuse(out, (uint16_t)reason, ray_error_http(reason));
        return RAY_OK;
    }
    ask_cache(mediator, now_ns, query, slot, out);
    if (out->hit != RAY_NONE || out->granted == 0 || query->body_known == 0 ||
        (query->body.length == 0 && ray_sends_content(query->method) == 0))
        return RAY_OK;
    ray_mediator_report report;
    if (ray_mediator_validate(mediator, query->transform, RAY_SIDE_REQUEST, query->headers,
                              query->body, &report) != RAY_OK)
        refuse(out, report.reason, report.http_status);
    return RAY_OK;
}

void ray_mediator_take(ray_mediator *mediator, uint64_t now_ns, const ray_mediator_query *query,
                       ray_mediator_answer *answer)
{
    if (answer->granted == 0 || answer->cacheable == 0 || answer->busy != 0)
        return;
    ray_mediator_query marked = *query;
    marked.authorized = is_authorized(query);
    uint32_t place = ray_cache_begin(mediator, now_ns, &marked, answer->key);
    if (place == RAY_NONE) {
        mediator->tally.full_count++;
        return;
    }
    mediator->tally.fill_count++;
    answer->fill = ray_cache_handle(mediator, place);
}

void ray_mediator_note(ray_mediator *mediator, uint64_t now_ns, const ray_mediator_query *query,
                       const ray_mediator_answer *answer, uint32_t granted)
{
    ray_mediator_tally *tally = &mediator->tally;
    (void)now_ns;
    tally->asked_count++;
    tally->granted_count += answer->granted != 0;
    tally->denied_count += answer->granted == 0;
    tally->unspent_count += answer->granted != 0 && granted == 0;
    if (ray_transform_at(mediator, query->transform) == NULL)
        return;
    ray_transform_tally *own = &tally->transform[query->transform & RAY_TRANSFORM_SLOT_MASK];
    own->asked_count++;
    own->denied_count += answer->granted == 0;
    uint32_t hit = answer->hit != RAY_NONE && granted != 0;
    uint32_t place = answer->hit & 0xffff;
    if (hit != 0 && place < RAY_CACHE_ENTRY_MAX &&
        mediator->book.entry[place].phase == RAY_CACHE_KEPT &&
        ray_cache_handle(mediator, place) == answer->hit)
        ray_cache_touch(mediator, place);
    tally->hit_count += hit;
    own->hit_count += hit;
    tally->miss_count += answer->cacheable != 0;
    own->miss_count += answer->cacheable != 0;
    tally->busy_count += answer->busy != 0;
}

void ray_mediator_note_response(ray_mediator *mediator, uint32_t transform, uint32_t reason)
{
    if (ray_transform_at(mediator, transform) == NULL ||
        (reason != RAY_REASON_RESPONSE_INVALID && reason != RAY_REASON_BODY_GROWN))
        return;
    mediator->tally.refused_count++;
    mediator->tally.transform[transform & RAY_TRANSFORM_SLOT_MASK].refused_count++;
}

/* -- reading -- */
void ray_mediator_read(const ray_mediator *mediator, ray_mediator_stats *out)
{
    const ray_mediator_tally *tally = &mediator->tally;
    memset(out, 0, sizeof *out);
    memcpy(out, tally, offsetof(ray_mediator_tally, newest));
    for (uint32_t place = 0; place < mediator->book.top; place++)
        out->kept_bytes += mediator->book.entry[place].header_length +
                           mediator->book.entry[place].body_length;
    out->kept_count = mediator->book.kept_count;
    out->filling_count = mediator->book.filling_count;
    out->transform_count = mediator->config.transform_count;
    out->edit_count = mediator->config.edit_count;
    out->schema_count = mediator->config.schema_count;
    for (uint32_t place = 0; place < RAY_ROUTE_MAX; place++)
        out->route_count += mediator->config.route[place].transform != 0;
}

_Static_assert(offsetof(ray_mediator_tally, newest) == offsetof(ray_mediator_stats, kept_bytes),
               "the counters stand in the same order in both");

ray_status ray_mediator_find(const ray_mediator *mediator, const char *name, uint64_t length,
                             uint32_t *handle)
{
    for (uint32_t place = 0; place < RAY_TRANSFORM_MAX; place++) {
        const ray_transform_slot *slot = &mediator->config.slot[place];
        if (slot->used != 0 && ray_name_length(&slot->spec.name) == length &&
            ray_same(slot->spec.name.at, name, length)) {
            *handle = place | slot->generation << 16;
            return RAY_OK;
        }
    }
    return RAY_E_UNKNOWN;
}

uint32_t ray_mediator_next(const ray_mediator *mediator, uint32_t handle)
{
    uint32_t place = handle == RAY_NONE ? 0 : (handle & RAY_TRANSFORM_SLOT_MASK) + 1;
    for (; place < RAY_TRANSFORM_MAX; place++)
        if (mediator->config.slot[place].used != 0)
            return place | mediator->config.slot[place].generation << 16;
    return RAY_NONE;
}

ray_status ray_mediator_transform_read(const ray_mediator *mediator, uint32_t handle,
                                       ray_transform_row *out)
{
    const ray_transform_slot *slot = ray_transform_at(mediator, handle);
    if (slot == NULL)
        return RAY_E_UNKNOWN;
    uint32_t place = handle & RAY_TRANSFORM_SLOT_MASK;
    const ray_transform_tally *tally = &mediator->tally.transform[place];
    *out = (ray_transform_row){
        .spec = slot->spec,
        .asked_count = tally->asked_count,
        .denied_count = tally->denied_count,
        .hit_count = tally->hit_count,
        .miss_count = tally->miss_count,
        .refused_count = tally->refused_count,
        .transform = handle,
    };
    for (uint32_t i = 0; i < mediator->config.edit_count; i++)
        out->edit_count += mediator->config.edit[i].transform == place;
    for (uint32_t i = 0; i < RAY_ROUTE_MAX; i++)
        out->route_count += mediator->config.route[i].transform == handle + 1;
    for (uint32_t i = 0; i < mediator->book.top; i++)
        out->kept_count += mediator->book.entry[i].phase == RAY_CACHE_KEPT &&
                           mediator->book.entry[i].transform == handle;
    return RAY_OK;
}

ray_status ray_mediator_edit_read(const ray_mediator *mediator, uint32_t handle, uint32_t nth,
                                  ray_header_edit_spec *out)
{
    if (ray_transform_at(mediator, handle) == NULL)
        return RAY_E_UNKNOWN;
    for (uint32_t i = 0; i < mediator->config.edit_count; i++) {
        if (mediator->config.edit[i].transform == (handle & RAY_TRANSFORM_SLOT_MASK) &&
            nth-- == 0) {
            *out = mediator->config.edit[i];
            return RAY_OK;
        }
    }
    return RAY_E_UNKNOWN;
}

ray_status ray_mediator_cached_read(const ray_mediator *mediator, uint32_t place,
                                    ray_cached_row *out)
{
    if (place >= RAY_CACHE_ENTRY_MAX || mediator->book.entry[place].phase == RAY_CACHE_FREE)
        return RAY_E_UNKNOWN;
    const ray_cache_entry *entry = &mediator->book.entry[place];
    *out = (ray_cached_row){
        .key = {entry->key[0], entry->key[1]},
        .stored_ns = entry->stored_ns,
        .due_ns = mediator->book.due_ns[place],
        .hit_count = mediator->tally.use[place].hit_count,
        .handle = ray_cache_handle(mediator, place),
        .transform = entry->transform,
        .tenant = entry->tenant,
        .route = entry->route,
        .header_bytes = entry->header_length,
        .body_bytes = entry->body_length,
        .vary = entry->vary,
        .status = entry->status,
        .filling = entry->phase == RAY_CACHE_FILLING,
    };
    return RAY_OK;
}
