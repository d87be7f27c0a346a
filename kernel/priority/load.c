/* SPDX-License-Identifier: MIT */
/* load.c - new rules for old, and queues that follow their service to its new place. */
#include "hot.h"

enum { GONE = 0xffff, SWAP_BYTES = 64 };

/* -- following names (private) -- */
static uint16_t place_of(const ray_names *names, const void *name)
{
    for (uint64_t i = 0; i < names->count && i < RAY_SERVICE_MAX; i++)
        if (ray_same(names->at + i * names->stride, name, sizeof(ray_name)) != 0)
            return (uint16_t)i;
    return GONE;
}

static void swap(void *a, void *b, uint64_t length)
{
    uint8_t kept[SWAP_BYTES], *at_a = a, *at_b = b;
    for (uint64_t done = 0; done < length; done += SWAP_BYTES) {
        uint64_t part = length - done < SWAP_BYTES ? length - done : SWAP_BYTES;
        memcpy(kept, at_a + done, part);
        memcpy(at_a + done, at_b + done, part);
        memcpy(at_b + done, kept, part);
    }
}

static void swap_places(ray_priority *priority, uint32_t a, uint32_t b)
{
    swap(&priority->config.row[a], &priority->config.row[b], sizeof priority->config.row[a]);
    swap(&priority->config.sla[a], &priority->config.sla[b], sizeof priority->config.sla[a]);
    swap(&priority->book.queue[a], &priority->book.queue[b], sizeof priority->book.queue[a]);
    swap(&priority->tally.queue[a], &priority->tally.queue[b], sizeof priority->tally.queue[a]);
    swap(&priority->tally.sla[a], &priority->tally.sla[b], sizeof priority->tally.sla[a]);
}

static void clear_place(ray_priority *priority, uint32_t place)
{
    memset(&priority->config.row[place], 0, sizeof priority->config.row[place]);
    memset(&priority->config.sla[place], 0, sizeof priority->config.sla[place]);
    memset(&priority->book.queue[place], 0, sizeof priority->book.queue[place]);
    memset(&priority->tally.queue[place], 0, sizeof priority->tally.queue[place]);
    memset(&priority->tally.sla[place], 0, sizeof priority->tally.sla[place]);
}

static void name_place(ray_priority *priority, uint32_t place, uint32_t service)
{
    if (ray_is_zero(&priority->book.queue[place], sizeof priority->book.queue[place]) == 0)
        priority->book.queue[place].service = service; /* one that was never used stays empty */
    if (priority->config.row[place].own != 0)
        priority->config.row[place].own = service + 1;
    if (priority->config.sla[place].used != 0)
        priority->config.sla[place].spec.service = service;
}

/* Entries, alerts and the turn name services by number. */
static void follow(ray_priority *priority, uint64_t now_ns, const uint16_t *to)
{
    ray_priority_book *book = &priority->book;
    for (uint32_t slot = 0; slot < book->entry_top; slot++)
        if (book->entry[slot].state != RAY_ENTRY_FREE &&
            to[book->entry[slot].service & RAY_QUEUE_SLOT_MASK] == GONE)
            ray_queue_let_go(priority, now_ns, slot, RAY_LEAVE_GONE);
    for (uint32_t slot = 0; slot < book->entry_top; slot++)
        if (book->entry[slot].state != RAY_ENTRY_FREE)
            book->entry[slot].service = to[book->entry[slot].service & RAY_QUEUE_SLOT_MASK];
    for (uint32_t i = 0; i < RAY_SLA_ALERT_MAX; i++) {
        ray_sla_alert *alert = &priority->tally.alert[i];
        if (alert->id == 0 || alert->service == RAY_NONE)
            continue;
        uint32_t place = to[alert->service & RAY_QUEUE_SLOT_MASK];
        alert->service = place != GONE ? place : (uint32_t)RAY_NONE;
    }
    book->turn = to[book->turn] != GONE ? to[book->turn] : 0;
}

void ray_priority_services_move(ray_priority *priority, uint64_t now_ns,
                                const ray_names *before, const ray_names *after)
{
    uint16_t to[RAY_SERVICE_MAX];
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        const uint8_t *name = before->at + place * before->stride;
        to[place] = place < before->count && name[0] != 0 ? place_of(after, name) : GONE;
    }
    follow(priority, now_ns, to);
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        if (to[place] == GONE)
            clear_place(priority, place);
        else
            name_place(priority, place, to[place]);
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        while (to[place] != GONE && to[place] != place) {
            uint16_t target = to[place];
            swap_places(priority, place, target);
            to[place] = to[target];
            to[target] = target;
        }
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++)
        ray_queue_ready(priority, place);
}

/* -- one load -- */
static uint32_t counts_the_same(const ray_sla_spec *a, const ray_sla_spec *b)
{
    return a->p95_latency_ns == b->p95_latency_ns && a->error_rate_bp == b->error_rate_bp;
}

/* Minutes that ended are closed under the old promise by whoever reads them; those of a promise
 * that changed begin anew. */
static void load_slas(ray_priority *priority, const ray_sla_spec *rows, uint32_t count,
                      ray_config_report *report)
{
    for (uint32_t place = 0; place < RAY_SERVICE_MAX; place++) {
        ray_sla_row *row = &priority->config.sla[place];
        const ray_sla_spec *found = 0;
        for (uint32_t i = 0; i < count && found == 0; i++)
            found = rows[i].service == place ? &rows[i] : 0;
        uint32_t keeps = row->used != 0 && found != 0 && counts_the_same(&row->spec, found);
        report->kept_count += keeps;
        report->reset_count += row->used != 0 && found != 0 && keeps == 0;
        memset(row, 0, sizeof *row);
        if (keeps == 0)
            memset(&priority->tally.sla[place], 0, sizeof priority->tally.sla[place]);
        if (found != 0)
            *row = (ray_sla_row){*found, 1, 0};
    }
}

void ray_priority_load(ray_priority *priority, uint64_t now_ns, const ray_priority_rows *rows,
                       const ray_config_counts *counts, ray_config_report *report)
{
    ray_queue_spec spec;
    (void)now_ns;
    ray_queue_spec_default(&spec);
    if (counts->queue_count == 1)
        spec = *rows->queue;
    memset(priority->config.row, 0, sizeof priority->config.row);
    for (uint32_t i = 0; i < counts->service_queue_count; i++) {
        const ray_service_queue_spec *row = &rows->services[i];
        priority->config.row[row->service] =
            (ray_queue_row){row->service + 1, row->servers, row->depth, row->flows};
    }
    load_slas(priority, rows->slas, counts->sla_count, report);
    ray_priority_apply(priority, &spec);
}
