/* SPDX-License-Identifier: MIT */
/* reader_who.c - whose request a line is: the client's address or name, then by the first
 * [[identity]] rule that fits, the tenant and the user. */
#include "reader_fast_parts.h"

/* -- what a rule asks -- */

static uint32_t in_network(const ray_network *network, const ray_address *address)
{
    uint32_t whole = network->prefix / 8;
    uint32_t rest = network->prefix % 8;

    return memcmp(network->address.at, address->at, whole) == 0
           && (rest == 0 || ((network->address.at[whole] ^ address->at[whole]) >> (8 - rest)) == 0);
}

/* What the rules look at. Texts are unescaped and stand in the block. */
typedef struct sender {
    ray_view client;
    ray_view user;
    ray_view path;
    const ray_reader *reader;
    const ray_reader_cell *cells;
    ray_reader_block *block;
    ray_row *row;
} sender;

/* The first rule that fits, or NULL. */
static const ray_reader_identity *rule_for(const sender *from)
{
    for (uint32_t i = 0; i < from->reader->identity_count; i++) {
        const ray_reader_identity *rule = &from->reader->identities[i];
        if (rule->network_count == 0)
            return rule;
        for (uint32_t n = 0; n < rule->network_count && (from->row->flags & RAY_ROW_ADDRESS); n++)
            if (in_network(&from->reader->networks[rule->network_first + n], &from->row->address))
                return rule;
    }
    return NULL;
}

/* -- what it answers -- */

/* The n-th segment of a target, from 1; empty when there is none. */
static ray_view segment(ray_view path, uint32_t n)
{
    ray_view found = { path.at, 0 };
    uint64_t i = 0;
    uint64_t start;

    for (; n; n--, i++) {
        while (i < path.length && path.at[i] != '/' && path.at[i] != '?')
            i++;
        if (i == path.length || path.at[i] == '?')
            return found;
    }
    start = i;
    while (i < path.length && path.at[i] != '/' && path.at[i] != '?')
        i++;
    found.at = path.at + start;
    found.length = i - start;
    return found;
}

/* Appends a cell's text to the block; 0 when it is too long to be a name. An absent one is empty.
 */
static uint32_t put_name(ray_reader_block *block, const ray_reader_cell *cell, ray_view *out)
{
    uint32_t whole = 1;

    out->at = block->bytes + block->bytes_length;
    out->length = 0;
    if (!ray_reader_absent(cell))
        out->length =
            ray_reader_copy(cell, block->bytes + block->bytes_length, RAY_READER_KEY_BYTES, &whole);
    block->bytes_length += out->length;
    return whole;
}

/* The last address of a list, as X-Forwarded-For is one: each proxy appends whom it saw, so the
 * last is the one no client can make up. */
static uint32_t last_address(const ray_reader_cell *list, ray_address *out)
{
    const uint8_t *end = list->at + list->length;
    const uint8_t *last = end;

    if (!ray_reader_seek(list->at, end, ','))
        return 0;
    while (last[-1] != ',')
        last--;
    while (last < end && *last == ' ')
        last++;
    return ray_reader_parse_address(last, (uint64_t)(end - last), out);
}

/* Bytes of a port and its colon at the end of an address that has no brackets. */
static uint32_t port_length(const ray_reader_cell *cell)
{
    uint32_t at = cell->length;

    while (at && cell->at[at - 1] >= '0' && cell->at[at - 1] <= '9')
        at--;
    return at > 1 && at < cell->length && cell->at[at - 1] == ':' ? cell->length - at + 1 : 0;
}

/* The client: an address, else its name as the log writes it. */
static uint32_t put_client(sender *from, uint64_t *named_count)
{
    const ray_reader_cell *cell = &from->cells[RAY_READER_CLIENT];
    ray_reader_cell bare;
    const struct ray *trust = from->reader->trust;
    ray_row *row = from->row;

    if (ray_reader_absent(cell))
        return 1;
    if (cell->unit == RAY_READER_PORT) {
        bare = *cell;
        bare.length -= port_length(cell);
        cell = &bare;
    }
    if (!ray_reader_parse_address(cell->at, cell->length, &row->address)
        && !last_address(cell, &row->address)) {
        ++*named_count;
        if (!put_name(from->block, cell, &from->client))
            return 0;
        row->client_at = (uint32_t)(from->client.at - from->block->bytes);
        row->client_length = (uint32_t)from->client.length;
        return 1;
    }
    row->flags |= RAY_ROW_ADDRESS;
    if (trust) {
        ray_view headers = { from->block->bytes + row->headers_at, row->headers_length };
        ray_address peer = row->address;
        ray_client_address(trust, &peer, headers, &row->address);
    }
    return 1;
}

static ray_view address_text(sender *from)
{
    ray_reader_block *block = from->block;
    ray_view said = { block->bytes + block->bytes_length, 0 };
    ray_text text;

    ray_text_init(&text, (char *)block->bytes + block->bytes_length, 64);
    ray_text_address(&text, &from->row->address);
    block->bytes_length += text.length;
    said.length = text.length;
    return said;
}

/* The user by the rule's source; the log's own column without a rule. 0 when it is too long. */
static uint32_t put_user(sender *from, const ray_reader_identity *rule)
{
    ray_view user = from->user;

    switch (rule ? rule->user_from : (uint32_t)RAY_READER_USER_LOG) {
    case RAY_READER_USER_ADDRESS:
        user = from->row->flags & RAY_ROW_ADDRESS ? address_text(from) : from->client;
        break;
    case RAY_READER_USER_SEGMENT:
        user = segment(from->path, rule->argument);
        break;
    case RAY_READER_USER_HEADER:
        if (!put_name(from->block, &from->cells[RAY_READER_HEADER + rule->argument], &user))
            return 0;
        break;
    default:
        break;
    }
    if (user.length > RAY_READER_KEY_BYTES)
        return 0;
    from->row->user_at = user.length ? (uint32_t)(user.at - from->block->bytes) : 0;
    from->row->user_length = (uint32_t)user.length;
    return 1;
}

/* Counts a name the configuration does not have, and keeps it while there is room. */
static void note_unknown(uint64_t *unknown_count, ray_name *kept, uint32_t *kept_count,
                         const uint8_t *name, uint32_t length)
{
    ++*unknown_count;
    for (uint32_t i = 0; i < *kept_count; i++)
        if (ray_reader_name_length(&kept[i]) == length && memcmp(kept[i].at, name, length) == 0)
            return;
    if (*kept_count < RAY_READER_UNKNOWN_MAX)
        memcpy(kept[(*kept_count)++].at, name, length);
}

/* The id of the service or the tenant a cell names; RAY_NONE when it is unknown. */
static __attribute__((noinline)) uint32_t id_said(ray_reader *reader,
                                                  const ray_reader_cell *cells, uint32_t target)
{
    ray_reader_stats *stats = &reader->stats;
    const ray_reader_cell *cell = &cells[target];
    uint8_t name[RAY_NAME_BYTES];
    uint32_t length;
    uint32_t whole;
    uint32_t id;

    length = ray_reader_copy(cell, name, RAY_NAME_BYTES - 1, &whole);
    id = !whole ? RAY_NONE
                : ray_reader_names_find(
                      target == RAY_READER_SERVICE ? &reader->services : &reader->tenants, name,
                      length);
    if (id != RAY_NONE)
        return id;
    if (target == RAY_READER_SERVICE)
        note_unknown(&stats->unknown_service_count, stats->unknown_service,
                     &stats->unknown_service_names, name, length);
    else
        note_unknown(&stats->unknown_tenant_count, stats->unknown_tenant,
                     &stats->unknown_tenant_names, name, length);
    return RAY_NONE;
}

/* The same of a cell that most logs do not have. */
static inline uint32_t id_of(ray_reader *reader, const ray_reader_cell *cells, uint32_t target)
{
    return ray_reader_absent(&cells[target]) ? (uint32_t)RAY_NONE : id_said(reader, cells, target);
}

uint32_t ray_reader_who(ray_reader *reader, const ray_reader_cell *cells, ray_reader_block *block,
                        ray_row *row)
{
    sender from = { .reader = reader, .cells = cells, .block = block, .row = row };
    const ray_reader_identity *rule;

    row->service = id_of(reader, cells, RAY_READER_SERVICE);
    row->tenant = id_of(reader, cells, RAY_READER_TENANT);
    from.path.at = block->bytes + row->target_at;
    from.path.length = row->target_length;
    if (!put_client(&from, &reader->stats.named_client_count)
        || !put_name(block, &cells[RAY_READER_USER], &from.user))
        return RAY_READER_FAULT_LONG;
    rule = rule_for(&from);
    if (!put_user(&from, rule))
        return RAY_READER_FAULT_LONG;
    if (row->tenant == RAY_NONE && rule)
        row->tenant = rule->tenant;
    row->role = rule ? (uint8_t)rule->role : 0;
    return RAY_READER_FINE;
}
