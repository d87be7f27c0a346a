/* SPDX-License-Identifier: MIT */
/* valid.c - every law of the state, by number as in ray/mediator.h. */
#include "parts.h"
#include "base/heap.h"

/* -- 1, 2, 3 -- */
static uint32_t rules_hold(const ray_mediator_config *config)
{
    uint32_t count = 0, field;
    for (uint32_t place = 0; place < RAY_TRANSFORM_MAX; place++) {
        const ray_transform_slot *slot = &config->slot[place];
        if (slot->used > 1 || slot->generation > 0xffff)
            return 0;
        if (slot->used == 0 ? !ray_is_zero(&slot->spec, sizeof slot->spec)
                            : ray_transform_check(&slot->spec, config->schema_count,
                                                  &field) != RAY_OK)
            return 0;
        count += slot->used;
        for (uint32_t before = 0; before < place && slot->used != 0; before++)
            if (ray_name_same(&config->slot[before].spec.name, &slot->spec.name))
                return 0;
    }
    return count == config->transform_count;
}

static uint32_t edits_hold(const ray_mediator_config *config)
{
    uint32_t field;
    if (config->edit_count > RAY_HEADER_EDIT_MAX)
        return 0;
    for (uint32_t i = 0; i < config->edit_count; i++)
        if (ray_header_edit_check(&config->edit[i], RAY_TRANSFORM_MAX, &field) != RAY_OK ||
            config->slot[config->edit[i].transform].used == 0)
            return 0;
    return ray_is_zero(&config->edit[config->edit_count],
                       (RAY_HEADER_EDIT_MAX - config->edit_count) * sizeof config->edit[0]);
}

static uint32_t routes_hold(const ray_mediator *mediator)
{
    for (uint32_t place = 0; place < RAY_ROUTE_MAX; place++) {
        const ray_route_transform *row = &mediator->config.route[place];
        if (row->transform == 0 ? row->route != 0
                                : (row->route & RAY_TRANSFORM_SLOT_MASK) != place ||
                                      ray_transform_at(mediator, row->transform - 1) == NULL)
            return 0;
    }
    return 1;
}

/* -- 4 -- */
static uint32_t entry_holds(const ray_mediator *mediator, uint32_t place)
{
    const ray_cache_entry *entry = &mediator->book.entry[place];
    uint64_t used = (uint64_t)entry->header_length + entry->body_length;
    if (entry->generation > 0xffff || entry->next > mediator->book.top)
        return 0;
    if (entry->phase == RAY_CACHE_FREE) {
        const uint8_t *at = (const uint8_t *)entry;
        return ray_is_zero(at, offsetof(ray_cache_entry, generation)) &&
               ray_is_zero(at + offsetof(ray_cache_entry, vary),
                           sizeof *entry - offsetof(ray_cache_entry, vary));
    }
    if (entry->phase > RAY_CACHE_KEPT || used > sizeof entry->bytes || entry->authorized > 1 ||
        entry->vary >> RAY_CACHE_VARY_MAX != 0 ||
        ray_transform_at(mediator, entry->transform) == NULL ||
        !ray_is_zero(entry->reserved, sizeof entry->reserved))
        return 0;
    if (entry->phase == RAY_CACHE_FILLING)
        return entry->vary == 0 && entry->status == 0 && used == 0;
    return (ray_rest_row(entry->status) & 2) != 0 && entry->authorized == 0 &&
           ray_headers_sound((ray_view){entry->bytes + entry->body_length,
                                        entry->header_length}) &&
           ray_is_zero(entry->bytes + used, sizeof entry->bytes - used);
}

static uint32_t entries_hold(const ray_mediator *mediator)
{
    const ray_mediator_book *book = &mediator->book;
    uint32_t filling = 0, kept = 0, free = 0;
    if (book->top > RAY_CACHE_ENTRY_MAX || book->reserved != 0 || book->free > book->top)
        return 0;
    for (uint32_t place = 0; place < RAY_CACHE_ENTRY_MAX; place++) {
        if (!entry_holds(mediator, place) ||
            (place >= book->top &&
             !ray_is_zero(&book->entry[place], sizeof book->entry[place])))
            return 0;
        filling += book->entry[place].phase == RAY_CACHE_FILLING;
        kept += book->entry[place].phase == RAY_CACHE_KEPT;
    }
    for (uint32_t at = book->free; at != 0; at = book->entry[at - 1].next)
        if (book->entry[at - 1].phase != RAY_CACHE_FREE || ++free > book->top)
            return 0;
    return filling == book->filling_count && kept == book->kept_count &&
           free + filling + kept == book->top;
}

/* -- 5 -- */
static uint32_t heap_holds(const ray_mediator_book *book)
{
    uint32_t live = book->filling_count + book->kept_count;
    if (book->heap_count != live)
        return 0;
    for (uint32_t place = 0; place < RAY_CACHE_ENTRY_MAX; place++) {
        uint32_t at = book->heap_place[place];
        if (book->entry[place].phase == RAY_CACHE_FREE
                ? at != 0 || book->due_ns[place] != 0
                : at == 0 || at > live || book->heap_order[at - 1] != place ||
                      book->due_ns[place] == 0)
            return 0;
    }
    for (uint32_t i = live; i < RAY_CACHE_ENTRY_MAX; i++)
        if (book->heap_order[i] != 0)
            return 0;
    return ray_heap_in_order(book->heap_order, book->due_ns, live);
}

/* -- 6 -- */
static uint32_t chains_hold(const ray_mediator_book *book)
{
    uint32_t chained = 0;
    for (uint32_t bucket = 0; bucket < RAY_CACHE_TABLE; bucket++)
        for (uint32_t at = book->table[bucket]; at != 0; at = book->entry[at - 1].next) {
            if (at > book->top || book->entry[at - 1].phase == RAY_CACHE_FREE ||
                book->entry[at - 1].key[0] % RAY_CACHE_TABLE != bucket || ++chained > book->top)
                return 0;
        }
    return chained == book->filling_count + book->kept_count;
}

/* -- 7 -- */
static uint32_t order_holds(const ray_mediator *mediator)
{
    const ray_mediator_tally *tally = &mediator->tally;
    uint32_t count = 0, newer = 0;
    if (tally->newest > RAY_CACHE_ENTRY_MAX || tally->oldest > RAY_CACHE_ENTRY_MAX)
        return 0;
    for (uint32_t at = tally->newest; at != 0; at = tally->use[at - 1].older) {
        if (at > RAY_CACHE_ENTRY_MAX || mediator->book.entry[at - 1].phase != RAY_CACHE_KEPT ||
            tally->use[at - 1].newer != newer || ++count > RAY_CACHE_ENTRY_MAX)
            return 0;
        newer = at;
    }
    for (uint32_t place = 0; place < RAY_CACHE_ENTRY_MAX; place++)
        if (mediator->book.entry[place].phase != RAY_CACHE_KEPT &&
            !ray_is_zero(&tally->use[place], sizeof tally->use[place]))
            return 0;
    return tally->oldest == newer && count == mediator->book.kept_count;
}

/* -- 8 -- */
static uint32_t counters_hold(const ray_mediator *mediator)
{
    const ray_mediator_tally *tally = &mediator->tally;
    for (uint32_t place = 0; place < RAY_TRANSFORM_MAX; place++)
        if (mediator->config.slot[place].used == 0 &&
            !ray_is_zero(&tally->transform[place], sizeof tally->transform[place]))
            return 0;
    return tally->asked_count == tally->granted_count + tally->denied_count &&
           tally->fill_count == tally->stored_count + tally->unkept_count +
                                    tally->released_count + tally->lapsed_count +
                                    mediator->book.filling_count &&
           tally->stored_count == tally->evicted_count + tally->expired_count +
                                      tally->dropped_count + tally->invalidated_count +
                                      mediator->book.kept_count;
}

uint32_t ray_mediator_valid(const ray_mediator *mediator)
{
    if (!ray_schemas_hold(&mediator->config))
        return 9;
    if (!rules_hold(&mediator->config))
        return 1;
    if (!edits_hold(&mediator->config))
        return 2;
    if (!routes_hold(mediator))
        return 3;
    if (!entries_hold(mediator))
        return 4;
    if (!heap_holds(&mediator->book))
        return 5;
    if (!chains_hold(&mediator->book))
        return 6;
    if (!order_holds(mediator))
        return 7;
    return counters_hold(mediator) ? 0 : 8;
}
