/* SPDX-License-Identifier: MIT */
/* index.c - the tables of bits, made anew from the rules after every change: rules change rarely
 * and by hand, and what is built from nothing cannot drift. */
#include "parts.h"

/* One field's table: `count` values, then a row for any other value and one for an unknown one. */
typedef struct table {
    ray_policy_bits *row;
    uint32_t count;
} table;

static table table_of(ray_policy_index *index, uint32_t field)
{
    switch (field) {
    case RAY_FIELD_SERVICE: return (table){index->service, RAY_SERVICE_MAX};
    case RAY_FIELD_ROUTE: return (table){index->route, RAY_ROUTE_MAX};
    case RAY_FIELD_METHOD: return (table){index->method, RAY_METHOD_MAX};
    case RAY_FIELD_ROLE: return (table){index->role, RAY_ROLE_MAX};
    case RAY_FIELD_TENANT: return (table){index->tenant, RAY_TENANT_MAX};
    default: return (table){index->plan, RAY_PLAN_MAX};
    }
}

/* -- handles -- */
static uint16_t *generations_of(ray_policy_index *index, uint32_t field)
{
    if (field == RAY_FIELD_SERVICE)
        return index->service_generation;
    return field == RAY_FIELD_ROUTE ? index->route_generation : NULL;
}

/* A slot that was used again has several handles; only the newest that a rule names can still be a
 * live one. */
static void find_generations(ray_policy_config *config)
{
    for (uint32_t i = 0; i < config->term_count; i++) {
        const ray_policy_term *term = &config->term[i];
        uint16_t *generation = generations_of(&config->index, term->field);
        uint32_t slot = term->value & RAY_POLICY_SLOT_MASK;
        if (generation != NULL && generation[slot] < term->value >> 16)
            generation[slot] = (uint16_t)(term->value >> 16);
    }
}

/* The row of a term's value; `count` when its handle can be no live one any more. */
static uint32_t row_of(ray_policy_index *index, const ray_policy_term *term, uint32_t count)
{
    const uint16_t *generation = generations_of(index, term->field);
    if (generation == NULL)
        return term->value;
    uint32_t slot = term->value & RAY_POLICY_SLOT_MASK;
    return generation[slot] == term->value >> 16 ? slot : count;
}

/* -- tables -- */
static const ray_policy_term *terms_of(const ray_policy_config *config, uint32_t slot)
{
    return &config->term[config->slot[slot].term_first];
}

/* The rule's column: what it says of a value that no term of its names, then its terms. */
static void fill_column(ray_policy_config *config, uint32_t slot, uint32_t field)
{
    table t = table_of(&config->index, field);
    const ray_policy_spec *spec = &config->slot[slot].spec;
    const ray_policy_term *terms = terms_of(config, slot);
    uint32_t any = 0, wanted = 0;
    for (uint32_t i = 0; i < spec->term_count; i++)
        if (terms[i].field == field) {
            any = 1;
            wanted |= terms[i].negated == 0;
        }
    for (uint32_t row = 0; row <= t.count && wanted == 0; row++)
        ray_bits_set(&t.row[row], slot);
    if (any == 0 || spec->action == RAY_ACTION_DENY)
        ray_bits_set(&t.row[t.count + 1], slot);
    for (uint32_t negated = 0; negated < 2 && any != 0; negated++)
        for (uint32_t i = 0; i < spec->term_count; i++) {
            if (terms[i].field != field || terms[i].negated != negated)
                continue;
            uint32_t row = row_of(&config->index, &terms[i], t.count);
            if (row == t.count)
                continue;
            if (negated != 0)
                ray_bits_clear(&t.row[row], slot);
            else
                ray_bits_set(&t.row[row], slot);
        }
}

/* -- masks -- */
static uint32_t has_effect(const ray_policy_config *config, uint32_t slot)
{
    const ray_policy_slot *at = &config->slot[slot];
    const ray_policy_spec *spec = &at->spec;
    for (uint32_t i = 0; i < spec->header_count; i++)
        if (config->header[at->header_first + i].how == RAY_HEADER_SET)
            return 1;
    return spec->action > RAY_ACTION_DENY || spec->quota != RAY_NONE || spec->alert != 0 ||
           spec->audit != 0 || spec->set_class != RAY_CLASS_DEFAULT;
}

static uint32_t has_conditions(const ray_policy_config *config, uint32_t slot)
{
    const ray_policy_slot *at = &config->slot[slot];
    for (uint32_t i = 0; i < at->spec.header_count; i++)
        if (config->header[at->header_first + i].how < RAY_HEADER_SET)
            return 1;
    return 0;
}

static void fill_masks(ray_policy_config *config, uint32_t slot)
{
    ray_policy_index *index = &config->index;
    const ray_policy_spec *spec = &config->slot[slot].spec;
    ray_bits_set(&index->type[spec->type], slot);
    if (spec->action == RAY_ACTION_DENY)
        ray_bits_set(&index->deny, slot);
    if (spec->action == RAY_ACTION_ALLOW)
        ray_bits_set(&index->allow, slot);
    if (has_effect(config, slot))
        ray_bits_set(&index->effect, slot);
    if (has_conditions(config, slot))
        ray_bits_set(&index->headed, slot);
    for (uint32_t other = 0; other < RAY_POLICY_MAX; other++) {
        const ray_policy_spec *at = &config->slot[other].spec;
        if (ray_policy_used(config, other) &&
            (at->priority < spec->priority || (at->priority == spec->priority && other < slot)))
            index->rank[slot]++;
    }
}

void ray_policy_index_modes(ray_policy_config *config)
{
    ray_policy_index *index = &config->index;
    memset(&index->enforced, 0, sizeof index->enforced);
    memset(&index->shadow, 0, sizeof index->shadow);
    index->enabled_count = 0;
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        const ray_policy_spec *spec = &config->slot[slot].spec;
        if (!ray_policy_used(config, slot) || spec->enabled == 0 || spec->mode == RAY_MODE_OFF)
            continue;
        ray_bits_set(spec->mode == RAY_MODE_SHADOW ? &index->shadow : &index->enforced, slot);
        index->enabled_count++;
    }
    index->evaluated = 0;
    index->evaluated_shadow = 0;
    index->denies = 0;
    for (uint32_t type = 0; type < RAY_POLICY_TYPE_MAX; type++) {
        uint32_t stated = config->set.default_of[type];
        ray_policy_bits enforced = ray_bits_and(&index->enforced, &index->type[type]);
        ray_policy_bits shadow = ray_bits_and(&index->shadow, &index->type[type]);
        uint32_t closed = stated == RAY_DEFAULT_DENY;
        uint32_t asked = ray_bits_any(&enforced) | closed;
        index->evaluated |= asked << type;
        index->evaluated_shadow |= (asked | ray_bits_any(&shadow)) << type;
        closed |= stated == RAY_DEFAULT_UNSTATED && type <= RAY_POLICY_AUTHORIZATION;
        index->denies |= closed << type;
    }
}

void ray_policy_index_build(ray_policy_config *config)
{
    memset(&config->index, 0, sizeof config->index);
    find_generations(config);
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++) {
        if (!ray_policy_used(config, slot))
            continue;
        for (uint32_t field = RAY_FIELD_SERVICE; field <= RAY_FIELD_PLAN; field++)
            fill_column(config, slot, field);
        fill_masks(config, slot);
    }
    ray_policy_line_build(config);
    ray_policy_index_modes(config);
}
