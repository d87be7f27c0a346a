/* SPDX-License-Identifier: MIT */
/* spec.c - what a pool and an instance may be: the same rules for a file's rows and an operator's
 * words. */
#include "parts.h"

/* -- specs (private) -- */
#define REFUSE(type, condition, code, name) \
    if (condition) { \
        *field = (uint32_t)offsetof(type, name); \
        return code; \
    }

static ray_status check_balance(const ray_pool_spec *spec, uint32_t *field)
{
    uint32_t named = spec->sticky == RAY_LB_KEY_COOKIE || spec->sticky == RAY_LB_KEY_HEADER;
    REFUSE(ray_pool_spec, spec->load_percent != 0 &&
               (spec->load_percent < 125 || spec->load_percent > 200), RAY_E_RANGE, load_percent);
    REFUSE(ray_pool_spec, spec->slow_start_percent < 1 || spec->slow_start_percent > 100,
           RAY_E_RANGE, slow_start_percent);
    REFUSE(ray_pool_spec, spec->strategy >= RAY_BALANCE_MAX, RAY_E_RANGE, strategy);
    REFUSE(ray_pool_spec, spec->sticky > RAY_LB_KEY_HEADER, RAY_E_RANGE, sticky);
    REFUSE(ray_pool_spec, named != 0 ? !ray_name_valid(&spec->key_name)
                                     : !ray_is_zero(&spec->key_name, sizeof spec->key_name),
           RAY_E_ARGUMENT, key_name);
    REFUSE(ray_pool_spec, spec->panic_fails > 1, RAY_E_RANGE, panic_fails);
    REFUSE(ray_pool_spec, spec->discovered > 1, RAY_E_RANGE, discovered);
    return RAY_OK;
}

ray_status ray_lb_pool_check(const ray_pool_spec *spec, uint32_t *field)
{
    REFUSE(ray_pool_spec, !ray_name_valid(&spec->name), RAY_E_ARGUMENT, name);
    REFUSE(ray_pool_spec, spec->rise < 1 || spec->rise > RAY_LB_STREAK_MAX, RAY_E_RANGE, rise);
    REFUSE(ray_pool_spec, spec->fall < 1 || spec->fall > RAY_LB_STREAK_MAX, RAY_E_RANGE, fall);
    REFUSE(ray_pool_spec, spec->eject_after > RAY_LB_STREAK_MAX, RAY_E_RANGE, eject_after);
    REFUSE(ray_pool_spec, spec->eject_after != 0 && spec->eject_ns == 0, RAY_E_RANGE, eject_ns);
    REFUSE(ray_pool_spec, spec->eject_percent < 1 || spec->eject_percent > 100, RAY_E_RANGE,
           eject_percent);
    REFUSE(ray_pool_spec, spec->panic_percent > 100, RAY_E_RANGE, panic_percent);
    REFUSE(ray_pool_spec, spec->connections_max > RAY_LEASE_MAX, RAY_E_RANGE, connections_max);
    REFUSE(ray_pool_spec, spec->idle_max > RAY_IDLE_MAX, RAY_E_RANGE, idle_max);
    return check_balance(spec, field);
}

/* A port from 1 to 65535. */
static uint32_t is_port(const char *at, uint32_t length)
{
    uint32_t port = 0;
    if (length < 1 || length > 5)
        return 0;
    for (uint32_t i = 0; i < length; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        port = port * 10 + (uint32_t)(at[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

/* An IPv6 address between its brackets, in the one spelling of RFC 5952: one instance has one
 * key. */
static uint32_t is_bracketed(const char *at, uint32_t length)
{
    char spelled[RAY_NAME_BYTES];
    ray_address address;
    ray_text text;
    if (length < 4 || at[0] != '[' || at[length - 1] != ']' ||
        ray_address_read(at + 1, length - 2, &address) == 0)
        return 0;
    ray_text_init(&text, spelled, sizeof spelled);
    ray_text_address(&text, &address);
    return text.length == length - 2 && ray_same(spelled, at + 1, length - 2);
}

static uint32_t is_host(const char *at, uint32_t length)
{
    ray_name host;
    for (uint32_t i = 0; i < length; i++)
        if (at[i] == ':')
            return is_bracketed(at, length);
    return ray_name_set(&host, at, length);
}

/* HOST:PORT; an IPv6 address stands in brackets, as in a URI (RFC 3986 3.2.2). */
static uint32_t is_endpoint(const ray_name *at)
{
    uint32_t length = ray_name_length(at), colon = length;
    for (uint32_t i = 0; i < length; i++)
        colon = at->at[i] == ':' ? i : colon;
    return length < RAY_NAME_BYTES && colon < length && is_host(at->at, colon) &&
           is_port(at->at + colon + 1, length - colon - 1) &&
           ray_is_zero(at->at + length, RAY_NAME_BYTES - length);
}

ray_status ray_lb_instance_check(const ray_instance_spec *spec, uint32_t *field)
{
    REFUSE(ray_instance_spec, is_endpoint(&spec->at) == 0, RAY_E_ARGUMENT, at);
    REFUSE(ray_instance_spec, spec->weight < 1 || spec->weight > RAY_LB_WEIGHT_MAX, RAY_E_RANGE,
           weight);
    return RAY_OK;
}
