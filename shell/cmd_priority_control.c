/* SPDX-License-Identifier: MIT */
/* cmd_priority_control.c - priority: the rules of all queues and of one, and moving who waits. */
#include "cmd_priority.h"
#include "parts.h"

/* -- set -- */
typedef struct number_field {
    const char *word;
    uint32_t place;    /* of the uint32_t in ray_queue_spec */
    uint32_t reserved;
    const char *what;
} number_field;

static const number_field numbers[] = {
    {"servers", __builtin_offsetof(ray_queue_spec, servers), 0,
     "servers are 0 (any number) to 65536, not"},
    {"depth", __builtin_offsetof(ray_queue_spec, depth), 0, "a depth is 1 to 65536, not"},
    {"flows", __builtin_offsetof(ray_queue_spec, flows), 0,
     "flows are at least 1 and as many as this profile has, not"},
};

typedef struct choice_field {
    const char *word;
    const char *choice[3]; /* by value */
    const char *what;
    uint32_t place;        /* of the uint8_t in ray_queue_spec */
    uint32_t reserved;
} choice_field;

static const choice_field choices[] = {
    {"on-full", {"reject", "displace", 0}, "displace or reject, not",
     __builtin_offsetof(ray_queue_spec, displace), 0},
    {"order", {"arrival", "deadline", 0}, "arrival or deadline, not",
     __builtin_offsetof(ray_queue_spec, earliest_deadline), 0},
    {"flow-by", {"user", "tenant", "address"}, "user, tenant or address, not",
     __builtin_offsetof(ray_queue_spec, flow_by), 0},
};

typedef struct change {
    uint64_t before;
    uint64_t after;
    const char *what; /* the rule, for when it is broken */
    uint32_t known;
    uint32_t read;    /* 1: VALUE is of the right kind */
} change;

/* Reads VALUE into the field of *spec that FIELD names. */
static void read_cap(ray_call *call, ray_queue_spec *spec, change *made)
{
    uint32_t bp = 0;
    made->known = 1;
    made->what = "the cap is a whole percentage from 0% to 90%, not";
    made->before = spec->critical_cap;
    made->read =
        ray_parse_percent_bp(call->word[3], call->length[3], &bp) == RAY_OK && bp % 100 == 0;
    spec->critical_cap = bp / 100;
    made->after = spec->critical_cap;
}

static void read_number(ray_call *call, const number_field *field, ray_queue_spec *spec,
                        change *made)
{
    uint32_t value;
    made->known = 1;
    made->what = field->what;
    __builtin_memcpy(&value, (uint8_t *)spec + field->place, sizeof value);
    made->before = value;
    made->read = ray_parse_u64(call->word[3], call->length[3], &made->after) == RAY_OK &&
                 made->after <= RAY_NONE;
    value = (uint32_t)made->after;
    __builtin_memcpy((uint8_t *)spec + field->place, &value, sizeof value);
}

static void read_choice(ray_call *call, const choice_field *field, ray_queue_spec *spec,
                        change *made)
{
    uint8_t *at = (uint8_t *)spec + field->place;
    made->known = 1;
    made->what = field->what;
    made->before = *at;
    for (uint32_t i = 0; i < 3 && field->choice[i] != 0; i++)
        if (ray_call_is(call, 3, field->choice[i])) {
            made->read = 1;
            made->after = *at = (uint8_t)i;
        }
}

static change read_change(ray_call *call, ray_queue_spec *spec)
{
    change made = {0, 0, 0, 0, 0};
    if (ray_call_is(call, 2, "cap"))
        read_cap(call, spec, &made);
    for (uint32_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (ray_call_is(call, 2, numbers[i].word))
            read_number(call, &numbers[i], spec, &made);
    for (uint32_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        if (ray_call_is(call, 2, choices[i].word))
            read_choice(call, &choices[i], spec, &made);
    return made;
}

static ray_status no_field(ray_call *call)
{
    ray_near near;
    ray_near_begin(&near, call->word[2], call->length[2]);
    ray_near_offer(&near, "cap", 3);
    for (uint32_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ray_near_offer(&near, numbers[i].word, ray_word_length(numbers[i].word));
    for (uint32_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        ray_near_offer(&near, choices[i].word, ray_word_length(choices[i].word));
    return ray_call_error(call, RAY_E_UNKNOWN, "queues have no such field", 2,
                          ray_near_word(&near));
}

static ray_status applied(ray_call *call, const ray_queue_spec *spec, const change *made,
                          uint32_t word)
{
    ray_priority *priority = ray_priority_of(call->ray);
    ray_status status = made->read != 0 ? ray_priority_set(priority, spec) : RAY_E_ARGUMENT;
    if (status != RAY_OK)
        return ray_call_error(call, status, made->what, word, 0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_QUEUE, RAY_NONE, made->before, made->after);
    ray_text_put(call->out, "changed; the starvation bound is ");
    ray_text_u64(call->out, ray_priority_bound(priority));
    ray_text_put(call->out, " dispatches\n");
    return RAY_OK;
}

ray_status ray_priority_run_set(ray_call *call)
{
    ray_queue_spec spec;
    ray_priority_spec_read(ray_priority_of(call->ray), &spec);
    change made = read_change(call, &spec);
    return made.known != 0 ? applied(call, &spec, &made, 3) : no_field(call);
}

ray_status ray_priority_run_weight(ray_call *call)
{
    ray_queue_spec spec;
    uint32_t class;
    ray_status status = ray_priority_class_word(call, 2, &class);
    if (status != RAY_OK)
        return status;
    ray_priority_spec_read(ray_priority_of(call->ray), &spec);
    change made = {spec.weight[class], 0, "a weight is 1 to 1000, not", 1, 0};
    made.read = ray_parse_u64(call->word[3], call->length[3], &made.after) == RAY_OK &&
                made.after <= RAY_QUEUE_WEIGHT_MAX;
    spec.weight[class] = (uint32_t)made.after;
    return applied(call, &spec, &made, 3);
}

/* -- one service -- */
static ray_status own_number(ray_call *call, const char *name, uint32_t *out)
{
    uint64_t value = *out;
    ray_status status = ray_option_u64(call, name, &value);
    *out = value <= RAY_NONE ? (uint32_t)value : (uint32_t)RAY_NONE;
    return status;
}

ray_status ray_priority_run_service(ray_call *call)
{
    ray_priority *priority = ray_priority_of(call->ray);
    ray_queue_stats queue;
    ray_service_queue_spec spec;
    ray_status status = ray_priority_service(call, 2, &spec.service);
    if (status != RAY_OK)
        return status;
    if (ray_priority_queue_read(priority, call->now_ns, spec.service, &queue) != RAY_OK)
        return ray_call_error(call, RAY_E_UNKNOWN, "no queue for this service", 2, 0);
    spec.servers = queue.servers;
    spec.depth = queue.depth_max;
    spec.flows = queue.flows;
    if ((status = own_number(call, "--servers", &spec.servers)) != RAY_OK ||
        (status = own_number(call, "--depth", &spec.depth)) != RAY_OK ||
        (status = own_number(call, "--flows", &spec.flows)) != RAY_OK)
        return status;
    status = ray_priority_service_set(priority, &spec);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "servers are 0 to 65536, a depth 1 to 65536, flows 1 to what this "
                              "profile has",
                              RAY_NONE, 0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_QUEUE, spec.service, queue.servers, spec.servers);
    ray_text_escaped(call->out, call->word[2], call->length[2]);
    ray_text_put(call->out, ": servers ");
    ray_text_u64(call->out, spec.servers);
    ray_text_put(call->out, ", depth ");
    ray_text_u64(call->out, spec.depth);
    ray_text_put(call->out, ", flows ");
    ray_text_u64(call->out, spec.flows);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

ray_status ray_priority_run_unset(ray_call *call)
{
    uint32_t service;
    ray_status status = ray_priority_service(call, 2, &service);
    if (status != RAY_OK)
        return status;
    status = ray_priority_service_unset(ray_priority_of(call->ray), service);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "this service says nothing itself; there is nothing to unset", 2, 0);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_QUEUE, service, 0, 0);
    ray_text_escaped(call->out, call->word[2], call->length[2]);
    ray_text_put(call->out, " is as all queues are\n");
    return RAY_OK;
}

/* -- who waits -- */
static ray_status entry_word(ray_call *call, ray_queued *entry)
{
    uint64_t handle;
    ray_status status = ray_parse_u64(call->word[2], call->length[2], &handle);
    if (status == RAY_OK)
        status = handle < RAY_NONE ? ray_priority_entry_read(ray_priority_of(call->ray),
                                                             (uint32_t)handle, entry)
                                   : RAY_E_UNKNOWN;
    return status == RAY_OK
               ? RAY_OK
               : ray_call_error(call, status, "no such entry waits; see: priority queues SERVICE",
                                2, 0);
}

/* What it took is given back, as if it had never been. */
ray_status ray_priority_run_preempt(ray_call *call)
{
    ray_queued entry;
    uint32_t class = RAY_CLASS_CRITICAL;
    ray_status status = entry_word(call, &entry);
    if (status == RAY_OK && call->plain_count > 3)
        status = ray_priority_class_word(call, 3, &class);
    if (status != RAY_OK)
        return status;
    status = ray_preempt(call->ray, call->now_ns, entry.entry, class);
    if (status != RAY_OK)
        return ray_call_error(call, status, "only a request of a lower class makes room", 2, 0);
    ray_call_noted(call, RAY_AUDIT_REVOKE, RAY_BY_QUEUE, entry.service, entry.priority, class);
    ray_text_put(call->out, "taken out: ");
    ray_text_put(call->out, ray_class_word(entry.priority));
    ray_text_put(call->out, ", what it took is given back\n");
    return RAY_OK;
}

ray_status ray_priority_run_requeue(ray_call *call)
{
    ray_priority *priority = ray_priority_of(call->ray);
    ray_queued entry;
    uint32_t class;
    ray_status status = entry_word(call, &entry);
    if (status == RAY_OK)
        status = ray_priority_class_word(call, 3, &class);
    if (status != RAY_OK)
        return status;
    (void)ray_priority_requeue(priority, call->now_ns, entry.entry, class);
    ray_call_noted(call, RAY_AUDIT_SET, RAY_BY_QUEUE, entry.service, entry.priority, class);
    ray_text_put(call->out, "moved from ");
    ray_text_put(call->out, ray_class_word(entry.priority));
    ray_text_put(call->out, " to ");
    ray_text_put(call->out, ray_class_word(class));
    ray_text_char(call->out, '\n');
    return RAY_OK;
}
