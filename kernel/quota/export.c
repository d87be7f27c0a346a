/* SPDX-License-Identifier: MIT */
/* export.c - every instance by (allocation, tenant, user), fixed columns, whole numbers: equal
 * states, equal bytes.
 *
 * There is no room to sort in, so each next row is the smallest one after the last: quadratic in
 * instances, which an export may be and a request may not.
 */
#include "parts.h"

/* The order of rows; `place` is RAY_NONE for an allocation without an instance. */
typedef struct cursor {
    uint64_t user_key;
    uint32_t slot;
    uint32_t tenant;
    uint32_t place;
    uint32_t begun; /* 0: nothing of it was given yet */
} cursor;

static uint32_t after(const cursor *last, const ray_quota_active *active)
{
    if (active->tenant != last->tenant)
        return active->tenant > last->tenant;
    return active->user_key > last->user_key;
}

static uint32_t before(const ray_quota_active *active, const cursor *best)
{
    if (best->place == RAY_NONE)
        return 1;
    if (active->tenant != best->tenant)
        return active->tenant < best->tenant;
    return active->user_key < best->user_key;
}

/* The next instance of the cursor's allocation; 0 when there is none. */
static uint32_t next_instance(const ray_quota *quota, cursor *at)
{
    cursor best = {.slot = at->slot, .place = RAY_NONE, .begun = 1};
    for (uint32_t place = 0; place < quota->book.active_top; place++) {
        const ray_quota_active *active = &quota->book.active[place];
        if (active->allocation != at->slot + 1 || (at->begun != 0 && !after(at, active)) ||
            !before(active, &best))
            continue;
        best.tenant = active->tenant;
        best.user_key = active->user_key;
        best.place = place;
    }
    if (best.place == RAY_NONE)
        return 0;
    *at = best;
    return 1;
}

static uint32_t next_row(const ray_quota *quota, cursor *at)
{
    if (at->begun != 0 && at->place != RAY_NONE && next_instance(quota, at))
        return 1;
    uint32_t slot = at->begun != 0 ? at->slot + 1 : 0;
    while (slot < RAY_QUOTA_ALLOCATION_MAX && quota->config.row[slot].spec.name.at[0] == 0)
        slot++;
    if (slot == RAY_QUOTA_ALLOCATION_MAX)
        return 0;
    *at = (cursor){.slot = slot, .place = RAY_NONE};
    next_instance(quota, at);
    at->begun = 1;
    return 1;
}

/* -- words -- */
static const char *type_word(uint32_t type)
{
    static const char *const words[RAY_QUOTA_TYPE_MAX] = {"requests", "bytes", "compute", "custom",
                                                          "cost"};
    return words[type];
}

static const char *reset_word(uint32_t reset)
{
    static const char *const words[] = {"never", "fixed", "rolling", "day", "week", "month"};
    return words[reset];
}

static const char *mode_word(uint32_t mode)
{
    static const char *const words[] = {"enforce", "shadow", "off"};
    return words[mode];
}

static const char *depletion_word(uint32_t depletion)
{
    static const char *const words[] = {"at", "not-before-reset", "never"};
    return words[depletion];
}

/* -- columns -- */
enum { COLUMN_MAX = 12 };

/* The columns after the words, in this order. An allocation without an instance has one row, whose
 * tenant is its own: empty (CSV) or null (JSON) where it has none. An end or amount without bound
 * is the largest number of its width. */
static uint32_t columns_of(const ray_quota_usage *usage, const char *names[COLUMN_MAX],
                           uint64_t values[COLUMN_MAX])
{
    uint32_t count = 0;
#define COLUMN(name) (names[count] = #name, values[count++] = (uint64_t)usage->name)
    COLUMN(limit_units);
    COLUMN(used_units);
    COLUMN(reserved_units);
    COLUMN(carry_units);
    COLUMN(left_units);
    COLUMN(over_units);
    COLUMN(peak_units);
    COLUMN(peak_ever_units);
    COLUMN(closed_units);
    COLUMN(admitted_count);
    COLUMN(denied_count);
    COLUMN(utilization_bp);
#undef COLUMN
    return count;
}

static void csv_word(ray_text *text, const char *word)
{
    ray_text_csv(text, word, ray_length_of(word));
    ray_text_char(text, ',');
}

static void csv_row(const ray_quota_spec *spec, const ray_quota_usage *usage, ray_text *text)
{
    const char *names[COLUMN_MAX];
    uint64_t values[COLUMN_MAX];
    uint32_t count = columns_of(usage, names, values);
    ray_text_u64(text, usage->allocation);
    ray_text_char(text, ',');
    ray_text_csv(text, spec->name.at, ray_name_length(&spec->name));
    ray_text_char(text, ',');
    if (usage->tenant != RAY_NONE)
        ray_text_u64(text, usage->tenant);
    ray_text_char(text, ',');
    ray_text_hex(text, usage->user_key, 16);
    ray_text_char(text, ',');
    csv_word(text, type_word(spec->type));
    ray_text_csv(text, spec->custom.at, ray_name_length(&spec->custom));
    ray_text_char(text, ',');
    csv_word(text, reset_word(spec->reset));
    csv_word(text, spec->enforcement == RAY_QUOTA_SOFT ? "soft" : "hard");
    csv_word(text, mode_word(spec->mode));
    ray_text_i64(text, usage->start_unix_ns);
    ray_text_char(text, ',');
    ray_text_i64(text, usage->end_unix_ns);
    for (uint32_t i = 0; i < count; i++) {
        ray_text_char(text, ',');
        ray_text_u64(text, values[i]);
    }
    ray_text_char(text, ',');
    csv_word(text, depletion_word(usage->depletion));
    ray_text_u64(text, usage->depletion_ns);
    ray_text_char(text, '\n');
}

ray_status ray_quota_export_csv(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                ray_text *text)
{
    int64_t wall_ns = ray_quota_wall(now_ns, wall_offset_ns);
    cursor at = {.begun = 0};
    ray_quota_usage usage;
    ray_text_put(
        text,
        "id,name,tenant,user_key,type,custom,window,enforcement,mode,start_unix_ns,end_unix_ns,"
        "limit_units,used_units,reserved_units,carry_units,left_units,over_units,peak_units,"
        "peak_ever_units,closed_units,admitted_count,denied_count,utilization_bp,depletion,"
        "depletion_ns\n");
    while (next_row(quota, &at)) {
        ray_quota_usage_of(quota, wall_ns, at.slot, at.place, &usage);
        csv_row(&quota->config.row[at.slot].spec, &usage, text);
    }
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}

static void json_row(const ray_quota_spec *spec, const ray_quota_usage *usage, ray_text *text)
{
    const char *names[COLUMN_MAX];
    uint64_t values[COLUMN_MAX];
    uint32_t count = columns_of(usage, names, values);
    uint8_t user_key[8];
    for (uint32_t i = 0; i < 8; i++)
        user_key[i] = (uint8_t)(usage->user_key >> (56 - 8 * i));
    ray_text_json_open(text, 0, '{');
    ray_text_json_u64(text, "id", usage->allocation);
    ray_text_json_name(text, "name", &spec->name);
    if (usage->tenant == RAY_NONE)
        ray_text_json_null(text, "tenant");
    else
        ray_text_json_u64(text, "tenant", usage->tenant);
    ray_text_json_hex(text, "user_key", user_key, sizeof user_key);
    ray_text_json_literal(text, "type", type_word(spec->type));
    ray_text_json_name(text, "custom", &spec->custom);
    ray_text_json_literal(text, "window", reset_word(spec->reset));
    ray_text_json_literal(text, "enforcement",
                          spec->enforcement == RAY_QUOTA_SOFT ? "soft" : "hard");
    ray_text_json_literal(text, "mode", mode_word(spec->mode));
    ray_text_json_i64(text, "start_unix_ns", usage->start_unix_ns);
    ray_text_json_i64(text, "end_unix_ns", usage->end_unix_ns);
    for (uint32_t i = 0; i < count; i++)
        ray_text_json_u64(text, names[i], values[i]);
    ray_text_json_literal(text, "depletion", depletion_word(usage->depletion));
    ray_text_json_u64(text, "depletion_ns", usage->depletion_ns);
    ray_text_json_close(text, '}');
}

ray_status ray_quota_export_json(const ray_quota *quota, uint64_t now_ns, int64_t wall_offset_ns,
                                 ray_text *text)
{
    int64_t wall_ns = ray_quota_wall(now_ns, wall_offset_ns);
    cursor at = {.begun = 0};
    ray_quota_usage usage;
    ray_text_json_open(text, 0, '[');
    while (next_row(quota, &at)) {
        ray_quota_usage_of(quota, wall_ns, at.slot, at.place, &usage);
        json_row(&quota->config.row[at.slot].spec, &usage, text);
    }
    ray_text_json_close(text, ']');
    return text->truncated != 0 ? RAY_E_TRUNCATED : RAY_OK;
}
