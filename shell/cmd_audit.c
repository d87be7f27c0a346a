/* SPDX-License-Identifier: MIT */
/* cmd_audit.c - the audit ring: every control change and every decision that was no plain yes,
 * newest last. */
#include "parts.h"

enum audit_default { AUDIT_SHOWN = 20 };

/* -- words (private) -- */
static const char *who_word(uint32_t who)
{
    static const char *const words[] = {"pipeline", "console", "link", "host", "config"};
    return who < sizeof words / sizeof words[0] ? words[who] : "?";
}

static const char *what_word(uint32_t what)
{
    static const char *const words[] = {"?",      "decision", "load",  "add",   "set",
                                        "remove", "reset",    "drain", "grant", "revoke",
                                        "clock",  "refund",   "expire", "consume"};
    return what < sizeof words / sizeof words[0] ? words[what] : "?";
}

/* -- one record (private) -- */
static void put_moment(ray_text *out, const ray_stats *stats, uint64_t at_ns)
{
    ray_text_time(out, at_ns + (uint64_t)stats->wall_offset_ns);
}

static void record_text(ray_call *call, const ray_stats *stats, const ray_audit_record *record)
{
    ray_text *out = call->out;
    ray_name name;
    ray_text_u64_right(out, record->id, 8);
    ray_text_put(out, "  ");
    put_moment(out, stats, record->at_ns);
    ray_text_column(out, 42);
    ray_text_put(out, who_word(record->who));
    ray_text_column(out, 52);
    ray_text_put(out, record->what == RAY_AUDIT_DECISION ? ray_verdict_word(record->verdict)
                                                         : what_word(record->what));
    ray_text_column(out, 62);
    ray_by_name(call->ray, record->by_kind, record->by_id, &name);
    ray_text_put(out, record->by_kind == RAY_BY_NONE ? "-" : ray_by_word(record->by_kind));
    ray_text_put(out, " ");
    ray_text_name(out, &name, 0);
    ray_text_column(out, 90);
    if (record->what == RAY_AUDIT_DECISION) {
        ray_text_put(out, ray_reason_word(record->reason));
        if (record->after != 0) {
            ray_text_put(out, ", retry after ");
            ray_text_duration(out, record->after);
        }
    } else {
        ray_text_u64(out, record->before);
        ray_text_put(out, " -> ");
        ray_text_u64(out, record->after);
    }
    ray_text_char(out, '\n');
}

static void record_json(ray_call *call, const ray_stats *stats, const ray_audit_record *record)
{
    ray_text *out = call->out;
    ray_name name;
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "id", record->id);
    ray_text_json_u64(out, "at_ns", record->at_ns);
    ray_text_json_u64(out, "unix_ns", record->at_ns + (uint64_t)stats->wall_offset_ns);
    ray_text_json_literal(out, "who", who_word(record->who));
    ray_text_json_literal(out, "what", what_word(record->what));
    if (record->seq == RAY_NEVER)
        ray_text_json_null(out, "seq");
    else
        ray_text_json_u64(out, "seq", record->seq);
    ray_text_json_literal(out, "verdict", ray_verdict_word(record->verdict));
    ray_text_json_literal(out, "reason", ray_reason_word(record->reason));
    ray_text_json_literal(out, "by_kind", ray_by_word(record->by_kind));
    ray_by_name(call->ray, record->by_kind, record->by_id, &name);
    ray_text_json_name(out, "by", &name);
    ray_text_json_u64(out, "before", record->before);
    ray_text_json_u64(out, "after", record->after);
    ray_text_json_u64(out, "epoch", record->epoch);
    ray_text_json_close(out, '}');
}

/* -- the command -- */
static ray_status run_audit(ray_call *call)
{
    ray_text *out = call->out;
    uint64_t shown = AUDIT_SHOWN;
    uint64_t count = ray_audit_count(call->ray);
    uint64_t lost = ray_audit_overwritten_count(call->ray);
    ray_audit_record record;
    ray_stats stats;
    if (call->plain_count > 1 && ray_parse_u64(call->word[1], call->length[1], &shown) != RAY_OK)
        return ray_call_error(call, RAY_E_SYNTAX, "COUNT is a number of records, not", 1, 0);
    ray_read(call->ray, &stats);
    uint64_t first = shown < count - lost ? count - shown + 1 : lost + 1;
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "written", count);
        ray_text_json_u64(out, "overwritten", lost);
        ray_text_json_open(out, "records", '[');
        for (uint64_t id = first; id <= count; id++)
            if (ray_audit_read(call->ray, id, &record) == RAY_OK)
                record_json(call, &stats, &record);
        ray_json_list_end(out);
        return RAY_OK;
    }
    ray_text_u64(out, count);
    ray_text_put(out, " records written, ");
    ray_text_u64(out, lost);
    ray_text_put(out, " overwritten\n");
    if (first <= count)
        ray_text_put(out, "      id  at                              who       what      which"
                          "                       change\n");
    for (uint64_t id = first; id <= count; id++)
        if (ray_audit_read(call->ray, id, &record) == RAY_OK)
            record_text(call, &stats, &record);
    return RAY_OK;
}

static const ray_subcommand subs[] = {
    {"", "[N]", "the last N records, 20 unless told", run_audit, 1, 0}};
const ray_command ray_command_audit = {
    "audit", "who changed what, and what was refused", subs, 1, 0, 1, 0};
