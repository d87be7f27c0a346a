/* SPDX-License-Identifier: MIT */
/* cmd_priority.c - priority: who waits for which service, in which class, and for how long; the
 * table of subcommands. */
#include "cmd_priority.h"
#include "parts.h"

/* -- what all files need -- */
ray_status ray_priority_service(ray_call *call, uint32_t word, uint32_t *service)
{
    if (ray_gateway_find_service(ray_gateway_of(call->ray), call->word[word], call->length[word],
                                 service) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no service of that name", word, RAY_COMPLETE_SERVICE);
}

ray_status ray_priority_class_word(ray_call *call, uint32_t word, uint32_t *priority)
{
    ray_near near;
    *priority =
        ray_option_place(call->word[word], call->length[word], ray_class_word, RAY_CLASS_MAX);
    if (*priority < RAY_CLASS_MAX)
        return RAY_OK;
    ray_near_begin(&near, call->word[word], call->length[word]);
    for (uint32_t i = 0; i < RAY_CLASS_MAX; i++)
        ray_near_offer(&near, ray_class_word(i), ray_word_length(ray_class_word(i)));
    return ray_call_error(call, RAY_E_UNKNOWN,
                          "a class is critical, high, normal, low or batch, not", word,
                          ray_near_word(&near));
}

void ray_priority_name(ray_call *call, uint32_t service, ray_name *out)
{
    ray_by_name(call->ray, RAY_BY_QUEUE, service, out);
}

static const char *origin_word(uint32_t origin)
{
    static const char *const words[RAY_ORIGIN_MAX] = {"client", "retry", "requeue", "internal"};
    return origin < RAY_ORIGIN_MAX ? words[origin] : "?";
}

uint64_t ray_priority_mean(uint64_t sum, uint64_t count)
{
    return count != 0 ? sum / count : 0;
}

/* -- queues -- */
static void queue_json(ray_call *call, const ray_name *name, const ray_queue_stats *queue)
{
    ray_text *out = call->out;
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "service", name);
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++)
        ray_text_json_u64(out, ray_class_word(class), queue->depth[class]);
    ray_text_json_u64(out, "delayed", queue->delayed_count);
    ray_text_json_u64(out, "waiting", queue->waiting_count);
    ray_text_json_u64(out, "depth", queue->depth_max);
    ray_text_json_u64(out, "busy", queue->busy_count);
    ray_text_json_u64(out, "servers", queue->servers);
    ray_text_json_u64(out, "flows", queue->flows);
    ray_text_json_bool(out, "own", queue->own);
    ray_text_json_u64(out, "oldest_ns", queue->oldest_ns);
    ray_text_json_u64(out, "queued", queue->queued_count);
    ray_text_json_u64(out, "sent", queue->sent_count);
    ray_text_json_u64(out, "denied", queue->denied_count);
    ray_text_json_u64(out, "avg_wait_ns", ray_priority_mean(queue->wait_sum_ns, queue->sent_count));
    ray_text_json_u64(out, "service_ns", queue->service_ns);
    ray_text_json_close(out, '}');
}

void ray_priority_put_of(ray_text *out, uint64_t value, uint64_t most)
{
    ray_text_u64(out, value);
    ray_text_char(out, '/');
    if (most != 0)
        ray_text_u64(out, most);
    else
        ray_text_put(out, "any");
}

static void queue_row(ray_call *call, const ray_name *name, const ray_queue_stats *queue)
{
    ray_text *out = call->out;
    ray_text_name(out, name, 0);
    for (uint32_t class = 0; class < RAY_CLASS_MAX; class++) {
        ray_text_column(out, 20 + 9 * class);
        ray_text_u64(out, queue->depth[class]);
    }
    ray_text_column(out, 65);
    ray_priority_put_of(out, queue->waiting_count, queue->depth_max);
    ray_text_column(out, 76);
    ray_priority_put_of(out, queue->busy_count, queue->servers);
    ray_text_column(out, 85);
    ray_text_duration(out, queue->oldest_ns);
    ray_text_char(out, '\n');
}

static void entry_json(ray_text *out, const ray_queued *entry)
{
    ray_text_json_open(out, 0, '{');
    ray_text_json_u64(out, "entry", entry->entry);
    ray_text_json_u64(out, "ticket", entry->ticket);
    ray_text_json_literal(out, "class", ray_class_word(entry->priority));
    ray_text_json_literal(out, "origin", origin_word(entry->origin));
    ray_text_json_u64(out, "arrival_ns", entry->arrival_ns);
    if (entry->deadline_ns == RAY_NEVER)
        ray_text_json_null(out, "deadline_ns");
    else
        ray_text_json_u64(out, "deadline_ns", entry->deadline_ns);
    ray_text_json_u64(out, "not_before_ns", entry->not_before_ns);
    ray_text_json_u64(out, "width", entry->width);
    ray_text_json_u64(out, "flow", entry->flow);
    ray_text_json_close(out, '}');
}

static void entry_row(ray_call *call, const ray_queued *entry)
{
    ray_text *out = call->out;
    uint64_t now_ns = call->now_ns;
    ray_text_u64(out, entry->entry);
    ray_text_column(out, 12);
    ray_text_u64(out, entry->ticket);
    ray_text_column(out, 22);
    ray_text_put(out, ray_class_word(entry->priority));
    ray_text_column(out, 32);
    ray_text_put(out, origin_word(entry->origin));
    ray_text_column(out, 42);
    ray_text_duration(out, now_ns > entry->arrival_ns ? now_ns - entry->arrival_ns : 0);
    ray_text_column(out, 56);
    if (entry->deadline_ns == RAY_NEVER)
        ray_text_put(out, "never");
    else
        ray_text_duration(out, entry->deadline_ns > now_ns ? entry->deadline_ns - now_ns : 0);
    ray_text_column(out, 70);
    ray_text_u64(out, entry->width);
    ray_text_column(out, 77);
    ray_text_put(out, entry->delayed != 0 ? "delayed" : "waits");
    ray_text_char(out, '\n');
}

static ray_status run_entries(ray_call *call)
{
    const ray_priority *priority = ray_priority_of(call->ray);
    uint32_t service, handle;
    ray_queued entry;
    ray_status status = ray_priority_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    if (call->json != 0)
        ray_json_list_open(call->out, "entries");
    else
        ray_text_put(call->out, "entry       ticket    class     origin    waits         "
                                "expires in    width  state\n");
    for (uint32_t place = 0; place < RAY_QUEUE_ENTRY_MAX; place++) {
        if (ray_priority_at(priority, place, &handle) != RAY_OK ||
            ray_priority_entry_read(priority, handle, &entry) != RAY_OK ||
            entry.service != service)
            continue;
        if (call->json != 0)
            entry_json(call->out, &entry);
        else
            entry_row(call, &entry);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

ray_status ray_priority_run_queues(ray_call *call)
{
    const ray_priority *priority = ray_priority_of(call->ray);
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    ray_queue_stats queue;
    ray_name name;
    if (call->plain_count > 2)
        return run_entries(call);
    if (call->json != 0)
        ray_json_list_open(call->out, "queues");
    else
        ray_text_put(call->out, "service             critical high     normal   low      batch    "
                                "waiting    busy     oldest\n");
    for (uint32_t id = ray_gateway_next_service(gateway, RAY_NONE); id != RAY_NONE;
         id = ray_gateway_next_service(gateway, id)) {
        if (ray_priority_queue_read(priority, call->now_ns, id, &queue) != RAY_OK)
            continue;
        ray_priority_name(call, id, &name);
        if (call->json != 0)
            queue_json(call, &name, &queue);
        else
            queue_row(call, &name, &queue);
    }
    if (call->json != 0)
        ray_json_list_end(call->out);
    return RAY_OK;
}

/* -- estimate -- */
ray_status ray_priority_run_estimate(ray_call *call)
{
    const ray_priority *priority = ray_priority_of(call->ray);
    ray_priority_query query = {.priority = RAY_CLASS_NORMAL};
    ray_priority_answer answer;
    ray_queue_stats queue;
    ray_text *out = call->out;
    ray_status status = ray_priority_service(call, 2, &query.service);
    if (status == RAY_OK && call->plain_count > 3)
        status = ray_priority_class_word(call, 3, &query.priority);
    if (status != RAY_OK)
        return status;
    status = ray_priority_ask(priority, call->now_ns, &query, &answer);
    if (status != RAY_OK ||
        ray_priority_queue_read(priority, call->now_ns, query.service, &queue) != RAY_OK)
        return ray_call_error(call, status, "no queue for this service", 2, 0);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_bool(out, "accepted", answer.granted);
        ray_text_json_bool(out, "waits", answer.queued);
        ray_text_json_u64(out, "wait_ns", answer.wait_ns);
        ray_text_json_u64(out, "ahead", answer.ahead);
        ray_text_json_u64(out, "service_ns", queue.service_ns);
        ray_text_json_u64(out, "servers", queue.servers);
        ray_json_end(out);
        return RAY_OK;
    }
    if (answer.granted == 0) {
        ray_text_put(out, "would be turned away: the queue is full\n");
        return RAY_OK;
    }
    if (answer.queued == 0) {
        ray_text_put(out, "would be sent at once\n");
        return RAY_OK;
    }
    ray_text_put(out, "would wait ");
    if (queue.service_ns == 0)
        ray_text_put(out, "nobody knows how long (nothing has completed yet)");
    else
        ray_text_duration(out, answer.wait_ns);
    ray_text_put(out, ": ");
    ray_text_u64(out, answer.ahead);
    ray_text_put(out, " dispatches ahead x ");
    ray_text_duration(out, queue.service_ns);
    ray_text_put(out, " / ");
    ray_text_u64(out, queue.servers);
    ray_text_put(out, " servers\n");
    return RAY_OK;
}

/* -- export -- */
static ray_status run_export(ray_call *call)
{
    const ray_priority *priority = ray_priority_of(call->ray);
    uint32_t form = RAY_EXPORT_CSV;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS, &form);
    if (status != RAY_OK)
        return status;
    if (form == RAY_EXPORT_CSV)
        return ray_priority_export_csv(priority, call->now_ns, call->out);
    status = ray_priority_export_json(priority, call->now_ns, call->out);
    ray_text_char(call->out, '\n');
    return status;
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"queues", "[SERVICE]", "who waits, by service and class; of one service, each request",
     ray_priority_run_queues, 1, RAY_COMPLETE_SERVICE},
    {"sla", "[SERVICE]", "what is promised, and how it is kept", ray_priority_run_sla, 1,
     RAY_COMPLETE_SERVICE},
    {"stats", "", "counters: queued, sent, expired, displaced, preempted ...",
     ray_priority_run_stats, 1, 0},
    {"status", "", "the same as stats", ray_priority_run_stats, 1, 0},
    {"classes", "", "weights, the share each class cannot fall below, waits, and the law",
     ray_priority_run_classes, 1, 0},
    {"alerts", "[--all]", "minutes that broke their SLA and are not yet acknowledged",
     ray_priority_run_alerts, 1, 0},
    {"estimate", "SERVICE [CLASS]", "how long a new request would wait, and why",
     ray_priority_run_estimate, 1, RAY_COMPLETE_SERVICE},
    {"export", "[csv|json]", "every queue and its SLA in fixed columns", run_export, 1, 0},
    {"set", "FIELD VALUE", "FIELD is cap, servers, depth, flows, flow-by, on-full or order",
     ray_priority_run_set, 0, 0},
    {"weight", "CLASS WEIGHT", "dispatches of a class per round, 1 to 1000",
     ray_priority_run_weight, 0, 0},
    {"service", "SERVICE [--servers=N] [--depth=N] [--flows=N]",
     "what one service says itself; --servers=0 is any number", ray_priority_run_service, 0,
     RAY_COMPLETE_SERVICE},
    {"unset", "SERVICE", "the service says nothing itself any more", ray_priority_run_unset, 0,
     RAY_COMPLETE_SERVICE},
    {"sla-set", "SERVICE P95 [--deadline=D] [--error-rate=PERCENT] [--priority=CLASS]",
     "promises, or changes the promise", ray_priority_run_sla_set, 0, RAY_COMPLETE_SERVICE},
    {"sla-remove", "SERVICE", "promises nothing any more (confirm)", ray_priority_run_sla_remove, 0,
     RAY_COMPLETE_SERVICE},
    {"requeue", "ENTRY CLASS", "moves a request that waits to another class, by its arrival",
     ray_priority_run_requeue, 0, 0},
    {"preempt", "ENTRY [CLASS]",
     "takes a waiting request out for one of CLASS (critical) and gives back what it took",
     ray_priority_run_preempt, 0, 0},
    {"ack", "ID", "marks an alert as seen, or `all`", ray_priority_run_acknowledge, 0, 0},
};

const ray_command ray_command_priority = {"priority", "who is sent next, and how long others wait",
                                          subs,       sizeof subs / sizeof subs[0],
                                          20,         1,
                                          0};
