/* SPDX-License-Identifier: MIT */
/* load.c - rules come in whole, or one at a time by an operator; what was kept under a rule that
 * changed is let go. */
#include "parts.h"

/* -- reload -- */
void ray_mediator_names_move(ray_mediator *mediator, const ray_names *before,
                             const ray_names *after)
{
    for (uint64_t place = 0; place < before->count; place++) {
        const uint8_t *name = before->at + place * before->stride;
        if (name[0] == 0)
            continue;
        if (place >= after->count ||
            !ray_same(name, after->at + place * after->stride, RAY_NAME_BYTES)) {
            (void)ray_cache_drop(mediator, RAY_NONE);
            return;
        }
    }
}

/* The same edits in the same order, in the running rules and in the rows. */
static uint32_t same_edits(const ray_mediator_config *config, uint32_t place,
                           const ray_header_edit_spec *rows, uint32_t count, uint32_t row)
{
    uint32_t i = 0, at = 0;
    for (;; i++, at++) {
        while (i < config->edit_count && config->edit[i].transform != place)
            i++;
        while (at < count && rows[at].transform != row)
            at++;
        if (i >= config->edit_count || at >= count)
            return i >= config->edit_count && at >= count;
        ray_header_edit_spec copy = rows[at];
        copy.transform = place;
        if (!ray_same(&copy, &config->edit[i], sizeof copy))
            return 0;
    }
}

/* The row that says what this slot says, RAY_NONE: it changed or is gone. */
static uint32_t unchanged(const ray_mediator_config *config, uint32_t place,
                          const ray_mediator_rows *rows, const ray_config_counts *counts)
{
    uint32_t same = ray_schemas_same(config, rows, counts);
    const ray_transform_side *side = config->slot[place].spec.side;
    if (same == 0 && (side[0].schema != RAY_NONE || side[1].schema != RAY_NONE))
        return RAY_NONE;
    for (uint32_t row = 0; row < counts->transform_count; row++)
        if (ray_name_same(&config->slot[place].spec.name, &rows->transforms[row].name))
            return ray_same(&config->slot[place].spec, &rows->transforms[row],
                            sizeof *rows->transforms) &&
                           same_edits(config, place, rows->edits, counts->header_edit_count, row)
                       ? row
                       : (uint32_t)RAY_NONE;
    return RAY_NONE;
}

/* What is kept follows its transform to its new place: on a copy of the tallies, because places
 * may change hands. */
static void follow(ray_mediator *mediator, const ray_mediator_rows *rows,
                   const ray_config_counts *counts, ray_config_report *report)
{
    ray_mediator_config *config = &mediator->config;
    uint16_t to[RAY_TRANSFORM_MAX];
    for (uint32_t place = 0; place < RAY_TRANSFORM_MAX; place++) {
        uint32_t row = RAY_NONE;
        if (config->slot[place].used != 0) {
            row = unchanged(config, place, rows, counts);
            report->kept_count += row != RAY_NONE;
            report->reset_count += row == RAY_NONE;
            if (row == RAY_NONE)
                (void)ray_cache_drop(mediator, place | config->slot[place].generation << 16);
        }
        to[place] = (uint16_t)row;
    }
    for (uint32_t i = 0; i < mediator->book.top; i++) {
        ray_cache_entry *entry = &mediator->book.entry[i];
        if (entry->phase != RAY_CACHE_FREE)
            entry->transform = to[entry->transform & RAY_TRANSFORM_SLOT_MASK];
    }
    for (uint32_t place = 0; place < RAY_TRANSFORM_MAX; place++)
        if (to[place] != place)
            memset(&mediator->tally.transform[place], 0, sizeof mediator->tally.transform[0]);
}

void ray_mediator_load(ray_mediator *mediator, uint64_t now_ns, const ray_mediator_rows *rows,
                       const ray_config_counts *counts, ray_config_report *report)
{
    ray_mediator_config *config = &mediator->config;
    ray_mediator_tick(mediator, now_ns);
    follow(mediator, rows, counts, report);
    ray_schemas_load(config, rows, counts);
    memset(config->slot, 0, sizeof config->slot);
    memset(config->edit, 0, sizeof config->edit);
    memset(config->route, 0, sizeof config->route);
    for (uint32_t row = 0; row < counts->transform_count; row++) {
        config->slot[row].spec = rows->transforms[row];
        config->slot[row].used = 1;
    }
    memcpy(config->edit, rows->edits, counts->header_edit_count * sizeof *rows->edits);
    for (uint32_t row = 0; row < counts->route_transform_count; row++) {
        const ray_route_transform_spec *spec = &rows->routes[row];
        config->route[spec->route] =
            (ray_route_transform){spec->route, spec->transform + 1};
    }
    config->transform_count = counts->transform_count;
    config->edit_count = counts->header_edit_count;
}

/* -- control -- */
ray_status ray_mediator_transform_add(ray_mediator *mediator, const ray_transform_spec *spec,
                                      uint32_t *handle)
{
    uint32_t field, place = 0;
    ray_mediator_config *config = &mediator->config;
    ray_status status = ray_transform_check(spec, config->schema_count, &field);
    if (status != RAY_OK)
        return status;
    if (ray_mediator_find(mediator, spec->name.at, ray_name_length(&spec->name), &field) == RAY_OK)
        return RAY_E_EXISTS;
    while (place < RAY_TRANSFORM_MAX && config->slot[place].used != 0)
        place++;
    if (place == RAY_TRANSFORM_MAX)
        return RAY_E_FULL;
    config->slot[place].spec = *spec;
    config->slot[place].used = 1;
    config->transform_count++;
    *handle = place | config->slot[place].generation << 16;
    return RAY_OK;
}

static void edits_remove(ray_mediator_config *config, uint32_t place)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < config->edit_count; i++)
        if (config->edit[i].transform != place)
            config->edit[kept++] = config->edit[i];
    memset(&config->edit[kept], 0, (config->edit_count - kept) * sizeof config->edit[0]);
    config->edit_count = kept;
}

ray_status ray_mediator_transform_remove(ray_mediator *mediator, uint32_t transform)
{
    ray_mediator_config *config = &mediator->config;
    uint32_t place = transform & RAY_TRANSFORM_SLOT_MASK;
    if (ray_transform_at(mediator, transform) == NULL)
        return RAY_E_UNKNOWN;
    for (uint32_t route = 0; route < RAY_ROUTE_MAX; route++)
        if (config->route[route].transform == transform + 1)
            return RAY_E_USED;
    (void)ray_cache_drop(mediator, transform);
    edits_remove(config, place);
    uint32_t generation = (config->slot[place].generation + 1) & 0xffff;
    memset(&config->slot[place], 0, sizeof config->slot[place]);
    memset(&mediator->tally.transform[place], 0, sizeof mediator->tally.transform[place]);
    config->slot[place].generation = generation;
    config->transform_count--;
    return RAY_OK;
}

ray_status ray_mediator_edit_add(ray_mediator *mediator, const ray_header_edit_spec *edit)
{
    uint32_t field;
    ray_mediator_config *config = &mediator->config;
    ray_header_edit_spec row = *edit;
    if (ray_transform_at(mediator, edit->transform) == NULL)
        return RAY_E_UNKNOWN;
    row.transform &= RAY_TRANSFORM_SLOT_MASK;
    ray_status status = ray_header_edit_check(&row, RAY_TRANSFORM_MAX, &field);
    if (status != RAY_OK)
        return status;
    if (config->edit_count == RAY_HEADER_EDIT_MAX)
        return RAY_E_FULL;
    config->edit[config->edit_count++] = row;
    (void)ray_cache_drop(mediator, edit->transform);
    return RAY_OK;
}

ray_status ray_mediator_route_set(ray_mediator *mediator, uint32_t route, uint32_t transform)
{
    uint32_t place = route & RAY_TRANSFORM_SLOT_MASK;
    if (place >= RAY_ROUTE_MAX ||
        (transform != RAY_NONE && ray_transform_at(mediator, transform) == NULL))
        return RAY_E_UNKNOWN;
    mediator->config.route[place] = (ray_route_transform){0, 0};
    if (transform != RAY_NONE)
        mediator->config.route[place] = (ray_route_transform){route, transform + 1};
    return RAY_OK;
}

ray_status ray_mediator_ttl_set(ray_mediator *mediator, uint64_t now_ns, uint32_t transform,
                                uint64_t ttl_ns)
{
    if (ray_transform_at(mediator, transform) == NULL)
        return RAY_E_UNKNOWN;
    if (ttl_ns > INT64_MAX)
        return RAY_E_RANGE;
    mediator->config.slot[transform & RAY_TRANSFORM_SLOT_MASK].spec.cache_ttl_ns = ttl_ns;
    for (uint32_t place = 0; place < mediator->book.top; place++) {
        const ray_cache_entry *entry = &mediator->book.entry[place];
        uint64_t due_ns = entry->stored_ns + ttl_ns;
        if (entry->phase == RAY_CACHE_KEPT && entry->transform == transform &&
            due_ns >= ttl_ns && due_ns < mediator->book.due_ns[place])
            ray_cache_due_set(mediator, place, due_ns != 0 ? due_ns : 1);
    }
    ray_mediator_tick(mediator, now_ns);
    return RAY_OK;
}

uint32_t ray_mediator_purge(ray_mediator *mediator, uint32_t transform)
{
    return ray_cache_drop(mediator, transform);
}
