/* SPDX-License-Identifier: MIT */
/* cmd_system.c - what runs here and what went through it: version, status, digest. All read. */
#include "parts.h"

enum system_line { COLUMN = 22 };

/* -- lines (private) -- */
/* A fact of the machine, which may lack it. */
static void row_text(ray_text *out, const char *name, const char *value)
{
    uint64_t length = value != 0 ? ray_word_length(value) : 0;
    ray_line_begin(out, COLUMN, name);
    ray_text_escaped(out, length != 0 ? value : "?", length != 0 ? length : 1);
    ray_text_char(out, '\n');
}

static void json_text(ray_text *out, const char *key, const char *value)
{
    ray_text_json_string(out, key, value, value != 0 ? ray_word_length(value) : 0);
}

static const char *profile_word(uint32_t profile)
{
    return profile == 1 ? "seed" : profile == 2 ? "edge" : profile == 3 ? "tiny" : "?";
}

/* -- version -- */
static void version_json(ray_call *call, const ray_stats *stats, uint32_t machine)
{
    ray_text *out = call->out;
    const ray_machine *m = call->machine;
    ray_text_json_open(out, 0, '{');
    ray_text_json_literal(out, "version", ray_version());
    ray_text_json_literal(out, "profile", profile_word(stats->profile));
    ray_text_json_u64(out, "state_bytes", ray_bytes());
    ray_text_json_hex(out, "config_hash", stats->config_hash, sizeof stats->config_hash);
    ray_text_json_u64(out, "epoch", stats->epoch);
    if (machine != 0) {
        json_text(out, "machine", m->name);
        json_text(out, "clock", m->clock);
        ray_text_json_u64(out, "clock_hz", m->clock_hz);
        ray_text_json_u64(out, "memory_bytes", m->memory_bytes);
        ray_text_json_u64(out, "image_bytes", m->image_bytes);
        ray_text_json_u64(out, "boot_ns", m->boot_ns);
        json_text(out, "config_name", m->config_name);
        json_text(out, "config_source", m->config_source);
        ray_text_json_bool(out, "entropy", m->entropy_known != 0);
    }
    ray_json_end(out);
}

static ray_status run_version(ray_call *call)
{
    ray_text *out = call->out;
    const ray_machine *m = call->machine;
    uint32_t machine = ray_call_flag(call, "--machine");
    ray_stats stats;
    ray_read(call->ray, &stats);
    if (call->json != 0) {
        version_json(call, &stats, machine);
        return RAY_OK;
    }
    row_text(out, "raygate", ray_version());
    row_text(out, "profile", profile_word(stats.profile));
    ray_line_u64(out, COLUMN, "state bytes", ray_bytes());
    ray_line_hash(out, COLUMN, "configuration", stats.config_hash, sizeof stats.config_hash);
    ray_line_u64(out, COLUMN, "epoch", stats.epoch);
    if (machine == 0)
        return RAY_OK;
    row_text(out, "machine", m->name);
    row_text(out, "clock", m->clock);
    ray_line_u64(out, COLUMN, "clock Hz", m->clock_hz);
    ray_line_u64(out, COLUMN, "memory bytes", m->memory_bytes);
    ray_line_u64(out, COLUMN, "image bytes", m->image_bytes);
    ray_line_duration(out, COLUMN, "entry to prompt", m->boot_ns);
    row_text(out, "configuration name", m->config_name);
    row_text(out, "came from", m->config_source);
    row_text(out, "entropy",
             m->entropy_known == 2   ? "given: the hash seed was an input, as for a repeated run"
             : m->entropy_known != 0 ? "yes: the hash seed came from a random source"
                                     : "no: without a random source the hash seed is guessable");
    return RAY_OK;
}

/* -- status -- */
static void status_law(ray_call *call, const ray_stats *stats)
{
    ray_text *out = call->out;
    uint32_t broken = ray_valid(call->ray);
    ray_line_begin(out, COLUMN, "conservation");
    ray_text_u64(out, stats->asked_count);
    ray_text_put(out, " offered = ");
    ray_text_u64(out, stats->denied_count);
    ray_text_put(out, " denied + ");
    ray_text_u64(out, stats->dropped_count);
    ray_text_put(out, " dropped + ");
    ray_text_u64(out, stats->preempted_count);
    ray_text_put(out, " preempted + ");
    ray_text_u64(out, stats->dispatched_count);
    ray_text_put(out, " dispatched + ");
    ray_text_u64(out, stats->queued_count);
    ray_text_put(out, " queued\n");
    ray_line_begin(out, COLUMN, "invariants");
    if (broken == 0)
        ray_text_put(out, "hold\n");
    else {
        ray_text_put(out, "number ");
        ray_text_u64(out, broken);
        ray_text_put(out, " is BROKEN\n");
    }
}

static ray_status run_status(ray_call *call)
{
    ray_text *out = call->out;
    ray_stats stats;
    ray_read(call->ray, &stats);
    const ray_counter rows[] = {
        {"offered", "offered", stats.asked_count, 0},
        {"granted", "granted", stats.granted_count, 0},
        {"denied", "denied", stats.denied_count, 0},
        {"bad rows", "errors", stats.error_count, 0},
        {"delayed", "delayed", stats.delayed_count, 0},
        {"dispatched", "dispatched", stats.dispatched_count, 0},
        {"dropped", "dropped", stats.dropped_count, 0},
        {"preempted", "preempted", stats.preempted_count, 0},
        {"queued now", "queued", stats.queued_count, 0},
        {"in flight now", "inflight", stats.inflight_count, 0},
        {"completed", "completed", stats.completed_count, 0},
        {"expired", "expired", stats.expired_count, 0},
        {"cancelled", "cancelled", stats.cancelled_count, 0},
        {"refunded", "refunded", stats.refunded_count, 0},
        {"shadow would deny", "would_deny", stats.would_deny_count, 0},
        {"decision records", "seq", stats.seq, 0},
        {"clock steps back", "clock_back", stats.clock_back_count, 0},
        {"clock steps cut", "clock_clamped", stats.clock_clamp_count, 0}};
    const ray_counters counters = {rows, sizeof rows / sizeof rows[0], COLUMN, 0, 0};
    if (call->json != 0)
        ray_text_json_open(out, 0, '{');
    ray_counters_put(call, &counters);
    if (call->json != 0) {
        ray_text_json_u64(out, "epoch", stats.epoch);
        ray_text_json_u64(out, "edits", stats.edit_count);
        ray_text_json_bool(out, "draining", stats.draining);
        ray_text_json_u64(out, "broken_invariant", ray_valid(call->ray));
        ray_json_end(out);
        return RAY_OK;
    }
    ray_line_u64(out, COLUMN, "epoch", stats.epoch);
    ray_line_u64(out, COLUMN, "live edits", stats.edit_count);
    row_text(out, "draining", stats.draining != 0 ? "yes" : "no");
    status_law(call, &stats);
    return RAY_OK;
}

/* -- digest -- */
static ray_status run_digest(ray_call *call)
{
    ray_text *out = call->out;
    ray_digests digests;
    ray_stats stats;
    ray_digest(call->ray, &digests);
    ray_read(call->ray, &stats);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_hex(out, "decision", digests.decision, sizeof digests.decision);
        ray_text_json_hex(out, "state", digests.state, sizeof digests.state);
        ray_text_json_hex(out, "book", digests.book, sizeof digests.book);
        ray_text_json_hex(out, "config", digests.config, sizeof digests.config);
        ray_text_json_u64(out, "seq", stats.seq);
        ray_text_json_u64(out, "epoch", stats.epoch);
        ray_json_end(out);
        return RAY_OK;
    }
    ray_line_hash(out, COLUMN, "decision digest", digests.decision, sizeof digests.decision);
    ray_line_hash(out, COLUMN, "state digest", digests.state, sizeof digests.state);
    ray_line_hash(out, COLUMN, "book digest", digests.book, sizeof digests.book);
    ray_line_hash(out, COLUMN, "configuration", digests.config, sizeof digests.config);
    ray_line_u64(out, COLUMN, "decision records", stats.seq);
    ray_line_u64(out, COLUMN, "epoch", stats.epoch);
    return RAY_OK;
}

/* -- the commands -- */
static const ray_subcommand version_subs[] = {
    {"", "[--machine]", "version and configuration hash; --machine adds the machine's facts",
     run_version, 1, 0}};
const ray_command ray_command_version = {"version", "what runs here", version_subs, 1, 0, 1, 0};

static const ray_subcommand status_subs[] = {
    {"", "", "totals of the pipeline, conservation, invariants", run_status, 1, 0}};
const ray_command ray_command_status = {"status", "the pipeline in numbers", status_subs, 1, 0, 1,
                                        0};

static const ray_subcommand digest_subs[] = {
    {"", "", "decision, state and book digest, configuration hash", run_digest, 1, 0}};
const ray_command ray_command_digest = {
    "digest", "the same bits, in 32 digits", digest_subs, 1, 0, 1, 0};
