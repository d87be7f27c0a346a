/* SPDX-License-Identifier: MIT */
/* cmd_lb_edit.c - lb: pools and instances begun, changed, drained and ended at the console; every
 * act is in the audit. */
#include "cmd_lb.h"
#include "parts.h"

/* -- words (private) -- */
static void say(ray_call *call, uint32_t word, const char *what)
{
    ray_text_escaped(call->out, call->word[word], call->length[word]);
    ray_text_put(call->out, what);
}

static ray_status find(ray_call *call, uint32_t *pool, uint32_t *instance)
{
    ray_status status = ray_pool_named(call, 2, pool);
    return status == RAY_OK ? ray_instance_named(call, *pool, 3, instance) : status;
}

static ray_status weight_of(ray_call *call, const char *at, uint64_t length, uint32_t *weight)
{
    uint64_t value;
    ray_status status = ray_parse_u64(at, length, &value);
    if (status == RAY_OK && (value < 1 || value > RAY_LB_WEIGHT_MAX))
        status = RAY_E_RANGE;
    if (status != RAY_OK)
        return ray_option_refuse(call, status, "a weight is 1 to 1000, not", at, (uint32_t)length);
    *weight = (uint32_t)value;
    return RAY_OK;
}

static ray_status refuse(ray_call *call, ray_status status, uint32_t word)
{
    switch (status) {
    case RAY_E_EXISTS:
        return ray_call_error(call, status, "there is one of that name; choose another", word, 0);
    case RAY_E_FULL:
        return ray_call_error(call, status, "this profile has no room for one more; remove what "
                                            "is not used", word, 0);
    case RAY_E_ARGUMENT:
        return ray_call_error(call, status,
                              "an instance is HOST:PORT, an IPv6 address in brackets; this is not",
                              word, 0);
    default: return ray_call_error(call, status, "it cannot be so; see: lb show POOL", word, 0);
    }
}

/* HOST:PORT, an IPv6 address in whatever spelling as its key spells it. The core checks it. */
static uint32_t put_endpoint(const char *at, uint32_t length, ray_name *out)
{
    uint32_t close = 0;
    ray_address address;
    ray_text text;
    while (close < length && at[close] != ']')
        close++;
    ray_text_init(&text, out->at, RAY_NAME_BYTES - 1);
    if (close < length && at[0] == '[' &&
        ray_parse_address(at + 1, close - 1, &address) == RAY_OK) {
        ray_text_char(&text, '[');
        ray_text_address(&text, &address);
        at += close;
        length -= close;
    }
    ray_text_bytes(&text, at, length);
    return text.truncated == 0;
}

/* HOST:PORT from `word`, and =WEIGHT where `weighed`; the core checks the rest. */
static ray_status spec_of(ray_call *call, uint32_t word, uint32_t weighed, ray_instance_spec *spec)
{
    const char *at = call->word[word];
    uint32_t length = call->length[word], end = 0;
    __builtin_memset(spec, 0, sizeof *spec);
    spec->weight = 1;
    while (end < length && (weighed == 0 || at[end] != '='))
        end++;
    if (put_endpoint(at, end, &spec->at) == 0)
        return refuse(call, RAY_E_ARGUMENT, word);
    return end < length ? weight_of(call, at + end + 1, length - end - 1, &spec->weight) : RAY_OK;
}

/* -- health -- */
static ray_status set_health(ray_call *call, uint32_t instance, const ray_instance_stats *before)
{
    ray_lb *lb = ray_lb_of(call->ray);
    uint32_t health =
        ray_option_place(call->word[4], call->length[4], ray_health_word, RAY_HEALTH_MAX);
    if (health == RAY_HEALTH_MAX)
        return ray_call_error(call, RAY_E_ARGUMENT,
                              "a health is healthy, unhealthy, degraded or unknown, a probe's "
                              "result pass or fail, not",
                              4, 0);
    ray_status status = ray_lb_set_health(lb, call->now_ns, instance, health);
    if (status != RAY_OK)
        return refuse(call, status, 4);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_INSTANCE, instance, before->health, health);
    return RAY_OK;
}

ray_status ray_lb_run_health(ray_call *call)
{
    ray_lb *lb = ray_lb_of(call->ray);
    ray_instance_spec spec;
    ray_instance_stats before, after;
    uint32_t pool, instance;
    ray_status status = find(call, &pool, &instance);
    if (status == RAY_OK)
        status = ray_lb_instance_read(lb, call->now_ns, instance, &spec, &before);
    if (status != RAY_OK)
        return status;
    uint32_t passed = ray_call_is(call, 4, "pass");
    if (passed != 0 || ray_call_is(call, 4, "fail"))
        status = ray_lb_probe(lb, call->now_ns, instance, passed);
    else
        status = set_health(call, instance, &before);
    if (status == RAY_OK)
        status = ray_lb_instance_read(lb, call->now_ns, instance, &spec, &after);
    if (status != RAY_OK)
        return status;
    if ((passed != 0 || ray_call_is(call, 4, "fail")) && after.health != before.health)
        ray_call_noted(call, RAY_AUDIT_SET, RAY_BY_INSTANCE, instance, before.health,
                       after.health);
    say(call, 3, ": ");
    ray_text_put(call->out, ray_health_word(after.health));
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* -- draining, weight -- */
static ray_status drain(ray_call *call, uint32_t draining, const char *what)
{
    ray_instance_spec spec;
    ray_instance_stats before;
    uint32_t pool, instance;
    ray_status status = find(call, &pool, &instance);
    if (status == RAY_OK)
        status = ray_lb_instance_read(ray_lb_of(call->ray), call->now_ns, instance, &spec, &before);
    if (status == RAY_OK)
        status = ray_lb_drain(ray_lb_of(call->ray), call->now_ns, instance, draining);
    if (status != RAY_OK)
        return status;
    ray_call_edited(call, RAY_AUDIT_DRAIN, RAY_BY_INSTANCE, instance, before.draining, draining);
    say(call, 3, what);
    return RAY_OK;
}

ray_status ray_lb_run_drain(ray_call *call)
{
    return drain(call, 1, ": gets nothing new\n");
}

ray_status ray_lb_run_undrain(ray_call *call)
{
    return drain(call, 0, ": gets requests again\n");
}

ray_status ray_lb_run_weight(ray_call *call)
{
    ray_lb *lb = ray_lb_of(call->ray);
    ray_instance_spec spec;
    ray_instance_stats stats;
    uint32_t pool, instance, weight = 0;
    ray_status status = find(call, &pool, &instance);
    if (status == RAY_OK)
        status = weight_of(call, call->word[4], call->length[4], &weight);
    if (status == RAY_OK)
        status = ray_lb_instance_read(lb, call->now_ns, instance, &spec, &stats);
    if (status != RAY_OK)
        return status;
    status = ray_lb_set_weight(lb, call->now_ns, instance, weight);
    if (status != RAY_OK)
        return refuse(call, status, 4);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_INSTANCE, instance, spec.weight, weight);
    say(call, 3, ": weight ");
    ray_text_u64(call->out, weight);
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* -- instances come and go -- */
ray_status ray_lb_run_add(ray_call *call)
{
    ray_instance_spec spec;
    uint32_t pool, id;
    ray_status status = ray_pool_named(call, 2, &pool);
    if (status == RAY_OK)
        status = spec_of(call, 3, 0, &spec);
    if (status == RAY_OK && call->plain_count > 4)
        status = weight_of(call, call->word[4], call->length[4], &spec.weight);
    if (status != RAY_OK)
        return status;
    spec.pool = pool;
    status = ray_lb_add_instance(ray_lb_of(call->ray), call->now_ns, &spec, &id);
    if (status != RAY_OK)
        return refuse(call, status, 3);
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_INSTANCE, id, 0, spec.weight);
    say(call, 3, ": added\n");
    return RAY_OK;
}

ray_status ray_lb_run_remove(ray_call *call)
{
    ray_lb *lb = ray_lb_of(call->ray);
    ray_instance_spec spec;
    ray_instance_stats stats;
    uint32_t pool, instance;
    ray_status status = find(call, &pool, &instance);
    if (status == RAY_OK)
        status = ray_lb_instance_read(lb, call->now_ns, instance, &spec, &stats);
    if (status != RAY_OK)
        return status;
    if (!ray_call_confirmed(call,
                            "the instance gets nothing new and goes with its last connection"))
        return RAY_E_STATE;
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_INSTANCE, instance, spec.weight, 0);
    (void)ray_lb_remove_instance(lb, call->now_ns, instance, 1);
    say(call, 3, stats.connection_count != 0 ? ": goes with its last connection\n" : ": gone\n");
    return RAY_OK;
}

ray_status ray_lb_run_discover(ray_call *call)
{
    uint32_t pool, count = call->plain_count - 3;
    ray_instance_spec *rows = 0;
    ray_status status = ray_pool_named(call, 2, &pool);
    if (status != RAY_OK)
        return status;
    rows = ray_call_memory(call, count * sizeof *rows);
    if (rows == 0)
        return RAY_E_TRUNCATED;
    for (uint32_t i = 0; i < count; i++)
        if ((status = spec_of(call, 3 + i, 1, &rows[i])) != RAY_OK)
            return status;
    status = ray_lb_discover(ray_lb_of(call->ray), call->now_ns, pool, rows, count);
    if (status != RAY_OK)
        return ray_call_error(call, status,
                              "each is there once as HOST:PORT and there is room for all of them; "
                              "the last set stays",
                              RAY_NONE, 0);
    ray_call_noted(call, RAY_AUDIT_SET, RAY_BY_POOL, pool, 0, count);
    say(call, 2, ": ");
    ray_text_u64(call->out, count);
    ray_text_put(call->out, count == 1 ? " instance\n" : " instances\n");
    return RAY_OK;
}

/* -- pools -- */
ray_status ray_lb_run_pool_add(ray_call *call)
{
    ray_pool_spec spec = {.rise = 1, .fall = 1, .eject_percent = 50, .slow_start_percent = 10};
    uint32_t id;
    if (!ray_word_names(call->word[2], call->length[2]))
        return ray_call_error(call, RAY_E_ARGUMENT, RAY_NAME_RULE, 2, 0);
    __builtin_memcpy(spec.name.at, call->word[2], call->length[2]);
    if (call->plain_count > 3) {
        uint32_t strategy =
            ray_option_place(call->word[3], call->length[3], ray_balance_word, RAY_BALANCE_MAX);
        if (strategy == RAY_BALANCE_MAX)
            return ray_call_error(call, RAY_E_ARGUMENT,
                                  "a strategy is round_robin, least_connections, "
                                  "weighted_round_robin, ip_hash, ketama, maglev or "
                                  "nginx_ip_hash, not",
                                  3, 0);
        spec.strategy = (uint8_t)strategy;
    }
    ray_status status = ray_lb_add_pool(ray_lb_of(call->ray), call->now_ns, &spec, &id);
    if (status != RAY_OK)
        return refuse(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_POOL, id, 0, spec.strategy);
    say(call, 2, ": ");
    ray_text_put(call->out, ray_balance_word(spec.strategy));
    ray_text_put(call->out, ", nobody in it yet\n");
    return RAY_OK;
}

/* The first service that the pool serves. */
static uint32_t service_of(const ray_call *call, uint32_t pool, ray_service_row *row)
{
    const ray_gateway *gateway = ray_gateway_of(call->ray);
    uint32_t id = ray_gateway_next_service(gateway, RAY_NONE);
    while (id != RAY_NONE && (ray_lb_pool_of(ray_lb_of(call->ray), id) != pool ||
                              ray_gateway_read_service(gateway, id, row) != RAY_OK))
        id = ray_gateway_next_service(gateway, id);
    return id != RAY_NONE;
}

ray_status ray_lb_run_pool_remove(ray_call *call)
{
    uint32_t pool;
    ray_service_row row;
    ray_status status = ray_pool_named(call, 2, &pool);
    if (status != RAY_OK)
        return status;
    /* Without it a service that has instances would be one that needs none. */
    if (service_of(call, pool, &row) != 0)
        return ray_option_refuse(call, RAY_E_USED,
                                 "this pool serves; say lb bind SERVICE [POOL] first",
                                 row.spec->name.at,
                                 ray_word_length(row.spec->name.at));
    if (!ray_call_confirmed(call, "the pool's instances and their connections are forgotten"))
        return RAY_E_STATE;
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_POOL, pool, 0, 0);
    (void)ray_lb_remove_pool(ray_lb_of(call->ray), call->now_ns, pool, 1);
    say(call, 2, ": gone\n");
    return RAY_OK;
}

ray_status ray_lb_run_bind(ray_call *call)
{
    ray_lb *lb = ray_lb_of(call->ray);
    uint32_t service, pool = RAY_NONE;
    if (ray_gateway_find_service(ray_gateway_of(call->ray), call->word[2], call->length[2],
                                 &service) != RAY_OK)
        return ray_call_unknown(call, "no service of that name", 2, RAY_COMPLETE_SERVICE);
    ray_status status = call->plain_count > 3 ? ray_pool_named(call, 3, &pool) : RAY_OK;
    if (status != RAY_OK)
        return status;
    uint32_t before = ray_lb_pool_of(lb, service);
    status = ray_lb_bind(lb, service, pool);
    if (status != RAY_OK)
        return refuse(call, status, 2);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_SERVICE, service, before, pool);
    say(call, 2, pool != RAY_NONE ? ": served by " : ": served by no pool\n");
    if (pool != RAY_NONE)
        say(call, 3, "\n");
    return RAY_OK;
}

ray_status ray_lb_run_reset(ray_call *call)
{
    uint32_t pool;
    ray_status status = ray_pool_named(call, 2, &pool);
    if (status == RAY_OK)
        status = ray_lb_reset(ray_lb_of(call->ray), call->now_ns, pool);
    if (status != RAY_OK)
        return status;
    ray_call_edited(call, RAY_AUDIT_RESET, RAY_BY_POOL, pool, 0, 0);
    say(call, 2, ": turns begin anew\n");
    return RAY_OK;
}
