/* SPDX-License-Identifier: MIT */
/* cmd_priority_stats.c - priority: counters, and what the law of starvation promises each class. */
#include "cmd_priority.h"
#include "parts.h"

/* -- stats -- */
#define WIDE(name, field) RAY_STAT_WIDE(ray_priority_stats, name, field)
#define SLIM(name, field, most) RAY_STAT_SLIM(ray_priority_stats, name, field, most)

static const ray_stat fields[] = {
    SLIM("waiting", waiting_count, RAY_QUEUE_ENTRY_MAX),
    SLIM("delayed", delayed_count, 0),
    SLIM("busy_servers", busy_count, 0),
    WIDE("asked", asked_count),
    WIDE("granted", granted_count),
    WIDE("denied", denied_count),
    WIDE("errors", error_count),
    WIDE("unspent", unspent_count),
    WIDE("sent_at_once", direct_count),
    WIDE("queued", queued_count),
    WIDE("sent", sent_count),
    WIDE("expired", left_count[RAY_LEAVE_DEADLINE]),
    WIDE("displaced", left_count[RAY_LEAVE_DISPLACED]),
    WIDE("preempted", left_count[RAY_LEAVE_PREEMPTED]),
    WIDE("cancelled", left_count[RAY_LEAVE_CANCELLED]),
    WIDE("refunded", left_count[RAY_LEAVE_REFUNDED]),
    WIDE("drained", left_count[RAY_LEAVE_DRAINED]),
    WIDE("service_gone", left_count[RAY_LEAVE_GONE]),
    WIDE("requeued", requeued_count),
    WIDE("finished", finished_count),
    WIDE("from_clients", origin_count[RAY_ORIGIN_CLIENT]),
    WIDE("from_retries", origin_count[RAY_ORIGIN_RETRY]),
    WIDE("from_requeues", origin_count[RAY_ORIGIN_REQUEUE]),
    WIDE("from_inside", origin_count[RAY_ORIGIN_INTERNAL]),
    WIDE("sla_breaches", breach_count),
    SLIM("starvation_bound", bound, 0),
};

ray_status ray_priority_run_stats(ray_call *call)
{
    ray_priority_stats stats;
    ray_priority_read(ray_priority_of(call->ray), &stats);
    ray_stats_put(call, fields, sizeof fields / sizeof fields[0], &stats);
    return RAY_OK;
}

/* -- classes -- */
static void class_json(ray_text *out, uint32_t class, const ray_class_stats *stats)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_literal(out, "class", ray_class_word(class));
    ray_text_json_u64(out, "weight", stats->weight);
    ray_text_json_u64(out, "share_ppm", stats->share_ppm);
    ray_text_json_u64(out, "waiting", stats->waiting_count);
    ray_text_json_u64(out, "queued", stats->queued_count);
    ray_text_json_u64(out, "sent", stats->sent_count);
    ray_text_json_u64(out, "denied", stats->denied_count);
    ray_text_json_u64(out, "avg_wait_ns", ray_priority_mean(stats->wait_sum_ns, stats->sent_count));
    ray_text_json_u64(out, "max_wait_ns", stats->wait_max_ns);
    ray_text_json_u64(out, "passed_by", stats->gap_max);
    ray_text_json_u64(out, "passed_by_bound", stats->gap_bound);
    ray_text_json_close(out, '}');
}

static void class_row(ray_text *out, uint32_t class, const ray_class_stats *stats)
{
    ray_text_put(out, ray_class_word(class));
    ray_text_column(out, 10);
    ray_text_u64(out, stats->weight);
    ray_text_column(out, 18);
    ray_text_fixed(out, (int64_t)(stats->share_ppm / 100), 2);
    ray_text_char(out, '%');
    ray_text_column(out, 28);
    ray_text_u64(out, stats->waiting_count);
    ray_text_column(out, 38);
    ray_text_u64(out, stats->sent_count);
    ray_text_column(out, 50);
    ray_text_duration(out, ray_priority_mean(stats->wait_sum_ns, stats->sent_count));
    ray_text_column(out, 64);
    ray_text_duration(out, stats->wait_max_ns);
    ray_text_column(out, 78);
    ray_priority_put_of(out, stats->gap_max, stats->gap_bound);
    ray_text_char(out, '\n');
}

/* The shares the law promises, and whether it was kept. */
ray_status ray_priority_run_classes(ray_call *call)
{
    const ray_priority *priority = ray_priority_of(call->ray);
    ray_text *out = call->out;
    ray_class_stats stats;
    uint32_t starved = ray_priority_fairness(priority);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "bound", ray_priority_bound(priority));
        ray_text_json_bool(out, "fair", starved == 0);
        ray_text_json_open(out, "classes", '[');
    } else {
        ray_text_put(out, "class     weight  at least  waiting   sent        avg wait      "
                          "max wait      passed by\n");
    }
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++) {
        (void)ray_priority_class_read(priority, class, &stats);
        if (call->json != 0)
            class_json(out, class, &stats);
        else
            class_row(out, class, &stats);
    }
    if (call->json != 0) {
        ray_json_list_end(out);
        return RAY_OK;
    }
    ray_text_put(out, "any ");
    ray_text_u64(out, ray_priority_bound(priority));
    ray_text_put(out, " dispatches in a row of a queue serve every class that waits as its weight "
                      "says: ");
    ray_text_put(out, starved == 0 ? "kept\n" : "BROKEN for ");
    if (starved != 0) {
        ray_text_put(out, ray_class_word(starved - 1));
        ray_text_char(out, '\n');
    }
    return RAY_OK;
}
