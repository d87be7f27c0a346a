/* SPDX-License-Identifier: MIT */
/* account.c - accounts of tenants and services, made with the first charge, and the cells between
 * them. An account outlives its tenant's place in the file; a tenant that is gone leaves its money
 * with nobody's. */
#include "parts.h"

/* -- accounts -- */
uint32_t ray_cost_tenant_find(const ray_cost *cost, uint32_t tenant)
{
    if (tenant < RAY_TENANT_MAX)
        return cost->book.tenant_account[tenant] - 1; /* 0 gives RAY_NONE */
    return cost->book.tenant[RAY_COST_NOBODY].owner != 0 ? (uint32_t)RAY_COST_NOBODY : RAY_NONE;
}

uint32_t ray_cost_service_find(const ray_cost *cost, uint32_t service)
{
    uint32_t slot = service & COST_SLOT_MASK, account = RAY_COST_NOTHING;
    if (service != RAY_NONE && slot < RAY_SERVICE_MAX)
        account = cost->book.service_account[slot] - 1;
    /* Where another stood at this slot before, the account is still the other's. */
    return account != RAY_NONE && cost->book.service[account].used != 0 &&
                   cost->book.service[account].service == service
               ? account
               : RAY_NONE;
}

uint32_t ray_cost_tenant_make(ray_cost *cost, uint32_t tenant)
{
    uint32_t account = ray_cost_tenant_find(cost, tenant);
    if (account != RAY_NONE)
        return account;
    account = tenant < RAY_TENANT_MAX ? 0 : RAY_COST_NOBODY;
    while (cost->book.tenant[account].owner != 0)
        account++; /* there are as many accounts as places */
    ray_assert(account <= RAY_COST_NOBODY);
    cost->book.tenant[account].owner = tenant < RAY_TENANT_MAX ? tenant + 1 : RAY_NONE;
    if (tenant < RAY_TENANT_MAX)
        cost->book.tenant_account[tenant] = account + 1;
    ray_cost_alert_watch_tenant(cost, account);
    return account;
}

uint32_t ray_cost_service_make(ray_cost *cost, uint32_t service)
{
    uint32_t account = ray_cost_service_find(cost, service), slot = service & COST_SLOT_MASK;
    if (account != RAY_NONE)
        return account;
    account = service == RAY_NONE ? RAY_COST_NOTHING : 0;
    if (service != RAY_NONE && cost->book.service_account[slot] != 0)
        ray_cost_service_retire(cost, cost->book.service_account[slot] - 1);
    while (cost->book.service[account].used != 0)
        account++;
    ray_assert(account <= RAY_COST_NOTHING);
    cost->book.service[account].used = 1;
    cost->book.service[account].service = service;
    if (service != RAY_NONE)
        cost->book.service_account[slot] = account + 1;
    ray_cost_alert_watch_service(cost, account);
    return account;
}

/* -- leaving -- */
static void add_to(ray_money *to, const ray_money *from)
{
    *to = ray_money_sum(*to, *from);
}

static void free_cells_of(ray_cost *cost, uint32_t tenant, uint32_t service)
{
    for (uint32_t place = 0; place < cost->book.cell_top; place++) {
        const ray_cost_cell *cell = &cost->book.cell[place];
        if (cell->tenant != 0 && (tenant == RAY_NONE || cell->tenant == tenant + 1) &&
            (service == RAY_NONE || cell->service == service))
            ray_cost_cell_free(cost, place);
    }
}

void ray_cost_service_retire(ray_cost *cost, uint32_t account)
{
    uint32_t nothing = ray_cost_service_make(cost, RAY_NONE);
    ray_cost_service *from = &cost->book.service[account], *to = &cost->book.service[nothing];
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        add_to(&to->metric[metric], &from->metric[metric]);
    add_to(&to->total, &from->total);
    add_to(&to->last, &from->last);
    add_to(&to->closed, &from->closed);
    free_cells_of(cost, RAY_NONE, account);
    for (uint32_t slot = 0; slot < RAY_SERVICE_MAX; slot++)
        if (cost->book.service_account[slot] == account + 1)
            cost->book.service_account[slot] = 0;
    memset(from, 0, sizeof *from);
}

void ray_cost_tenant_retire(ray_cost *cost, uint32_t account)
{
    uint32_t nobody = ray_cost_tenant_make(cost, RAY_NONE);
    ray_cost_tenant *from = &cost->book.tenant[account], *to = &cost->book.tenant[nobody];
    for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
        add_to(&to->metric[metric], &from->metric[metric]);
    add_to(&to->total, &from->total);
    to->total_nano = ray_money_nano(&to->total, 0);
    add_to(&to->residue, &from->residue);
    add_to(&to->folded, &from->folded);
    for (uint32_t at = 0; at < RAY_COST_PERIOD_MAX; at++) {
        ray_cost_closed *closed = &cost->book.closed[account][at];
        ray_cost_closed *sum = &cost->book.closed[nobody][at];
        for (uint32_t metric = 0; metric < RAY_COST_METRIC_MAX; metric++)
            add_to(&sum->metric[metric], &closed->metric[metric]);
        sum->billed_nano += closed->billed_nano;
        memset(closed, 0, sizeof *closed);
    }
    free_cells_of(cost, account, RAY_NONE);
    for (uint32_t place = 0; place < RAY_TENANT_MAX; place++)
        if (cost->book.tenant_account[place] == account + 1)
            cost->book.tenant_account[place] = 0;
    memset(from, 0, sizeof *from);
}

/* -- cells -- */
/* Where the cell of that kind hangs, or would. */
static uint32_t find_in(const ray_cost_book *book, uint32_t tenant, uint32_t service, uint32_t kind,
                        uint32_t *before)
{
    uint32_t at = book->pair[tenant][service];
    *before = 0;
    while (at != 0 && book->cell[at - 1].kind < kind) {
        *before = at;
        at = book->cell[at - 1].next;
    }
    return at;
}

static void link(ray_cost_book *book, uint32_t tenant, uint32_t service, uint32_t before,
                 uint32_t at)
{
    if (before != 0)
        book->cell[before - 1].next = at;
    else
        book->pair[tenant][service] = (uint16_t)at;
}

uint32_t ray_cost_cell_find(const ray_cost *cost, uint32_t tenant, uint32_t service, uint32_t kind)
{
    uint32_t before, at = find_in(&cost->book, tenant, service, kind, &before);
    return at != 0 && cost->book.cell[at - 1].kind == kind ? at - 1 : RAY_NONE;
}

uint32_t ray_cost_cell_make(ray_cost *cost, uint32_t tenant, uint32_t service, uint32_t kind)
{
    ray_cost_book *book = &cost->book;
    uint32_t place = book->cell_free - 1, before;
    if (place != RAY_NONE)
        book->cell_free = book->cell[place].next;
    else if (book->cell_top < RAY_COST_CELL_MAX)
        place = book->cell_top++;
    else
        return RAY_NONE;
    uint32_t next = find_in(book, tenant, service, kind, &before);
    book->cell[place] =
        (ray_cost_cell){.tenant = tenant + 1, .service = service, .kind = kind, .next = next};
    link(book, tenant, service, before, place + 1);
    book->cell_count++;
    return place;
}

void ray_cost_cell_free(ray_cost *cost, uint32_t place)
{
    ray_cost_book *book = &cost->book;
    ray_cost_cell *cell = &book->cell[place];
    uint32_t before;
    find_in(book, cell->tenant - 1, cell->service, cell->kind, &before);
    link(book, cell->tenant - 1, cell->service, before, cell->next);
    memset(cell, 0, sizeof *cell);
    cell->next = book->cell_free;
    book->cell_free = place + 1;
    book->cell_count--;
}
