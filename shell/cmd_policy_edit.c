/* SPDX-License-Identifier: MIT */
/* cmd_policy_edit.c - changing rules at the console: simple ones come and go, all can be switched.
 * What has many conditions belongs into the file. */
#include "cmd_policy.h"
#include "parts.h"

enum { TERMS = 7, HEADERS = 2 };

/* One rule under construction. */
typedef struct draft {
    ray_policy_spec spec;
    ray_policy_term term[TERMS];
    ray_policy_header_spec header[HEADERS];
} draft;

static ray_policy *policies_of(const ray_call *call)
{
    return ray_policy_of(call->ray);
}

static void said(const ray_call *call, const char *what)
{
    ray_text_put(call->out, "policy ");
    ray_text_escaped(call->out, call->word[2], call->length[2]);
    ray_text_put(call->out, what);
}

/* -- adding (private) -- */
static ray_policy_term *add_term(draft *rule, uint32_t field, uint32_t value)
{
    ray_policy_term *term = &rule->term[rule->spec.term_count++];
    term->field = (uint8_t)field;
    term->value = value;
    return term;
}

/* 10.0.0.0/8 or one address. */
static ray_status network_of(ray_call *call, const char *name, draft *rule, uint32_t negated)
{
    const char *at;
    uint32_t length, slash = 0;
    ray_address address;
    if (!ray_call_option(call, name, &at, &length))
        return RAY_OK;
    while (slash < length && at[slash] != '/')
        slash++;
    uint64_t prefix = 128, most = 128;
    ray_status status = ray_parse_address(at, slash, &address);
    for (uint32_t i = 0; i < slash && status == RAY_OK; i++)
        if (at[i] == ':')
            most = 0;
    most = most == 0 ? 128 : 32;
    prefix = most;
    if (status == RAY_OK && slash < length)
        status = ray_parse_u64(at + slash + 1, length - slash - 1, &prefix);
    if (status != RAY_OK || prefix > most)
        return ray_option_refuse(call, RAY_E_SYNTAX, "a network is such as 10.0.0.0/8, not", at,
                                 length);
    ray_policy_term *term = add_term(rule, RAY_FIELD_ADDRESS, 0);
    term->address = address;
    term->until = (uint32_t)(prefix + 128 - most);
    term->negated = (uint8_t)negated;
    return RAY_OK;
}

/* "Name: value" exactly, "Name" present. */
static ray_status header_of(ray_call *call, draft *rule)
{
    const char *at;
    uint32_t length, colon = 0;
    if (!ray_call_option(call, "--header", &at, &length))
        return RAY_OK;
    while (colon < length && at[colon] != ':')
        colon++;
    uint32_t value = colon < length ? colon + 1 : length;
    while (value < length && at[value] == ' ')
        value++;
    if (colon == 0 || colon > RAY_NAME_BYTES || length - value > RAY_POLICY_VALUE_BYTES)
        return ray_option_refuse(call, RAY_E_SYNTAX, "not a header such as \"X-Role: admin\"", at,
                                 length);
    ray_policy_header_spec *header = &rule->header[rule->spec.header_count++];
    __builtin_memcpy(header->name, at, colon);
    __builtin_memcpy(header->value, at + value, length - value);
    header->name_length = (uint8_t)colon;
    header->value_length = (uint8_t)(length - value);
    header->how = colon < length ? RAY_HEADER_EXACT : RAY_HEADER_PRESENT;
    return RAY_OK;
}

static ray_status terms_of(ray_call *call, draft *rule)
{
    ray_policy_query query;
    uint64_t now_ns;
    ray_status status = network_of(call, "--ip", rule, 0);
    if (status == RAY_OK)
        status = network_of(call, "--not-ip", rule, 1);
    if (status == RAY_OK)
        status = header_of(call, rule);
    if (status == RAY_OK)
        status = ray_policy_query_read(call, &query, &now_ns);
    if (status != RAY_OK)
        return status;
    const uint32_t value[] = {query.service, query.route, query.method, query.role, query.tenant};
    for (uint32_t field = RAY_FIELD_SERVICE; field <= RAY_FIELD_TENANT; field++)
        if (value[field] != RAY_NONE)
            add_term(rule, field, value[field]);
    return RAY_OK;
}

static ray_status words_of(ray_call *call, draft *rule)
{
    const char *at;
    uint32_t length;
    rule->spec.action = (uint8_t)ray_option_place(call->word[3], call->length[3],
                                                  ray_policy_action_word, RAY_ACTION_MAX);
    if (rule->spec.action == RAY_ACTION_MAX)
        return ray_call_error(call, RAY_E_SYNTAX,
                              "not an action (allow deny throttle log alert redirect)", 3, 0);
    rule->spec.type = rule->spec.action == RAY_ACTION_THROTTLE ? RAY_POLICY_RATELIMIT
                                                               : RAY_POLICY_AUTHORIZATION;
    if (ray_call_option(call, "--type", &at, &length)) {
        rule->spec.type =
            (uint8_t)ray_option_place(at, length, ray_policy_type_word, RAY_POLICY_TYPE_MAX);
        if (rule->spec.type == RAY_POLICY_TYPE_MAX)
            return ray_option_refuse(call, RAY_E_SYNTAX, "not a type (authentication authorization "
                                     "ratelimit quota transformation)", at, length);
    }
    if (ray_call_option(call, "--mode", &at, &length)) {
        rule->spec.mode = (uint8_t)ray_option_place(at, length, ray_mode_word, RAY_MODE_OFF + 1);
        if (rule->spec.mode > RAY_MODE_OFF)
            return ray_option_refuse(call, RAY_E_SYNTAX, "not a mode (enforce shadow off)", at,
                                     length);
    }
    if (ray_call_option(call, "--limit", &at, &length) &&
        ray_ratelimit_find(ray_ratelimit_of(call->ray), at, length, &rule->spec.limit) != RAY_OK)
        return ray_call_unknown_value(call, "no such limit", at, length, RAY_COMPLETE_LIMIT);
    if (ray_call_option(call, "--location", &at, &length)) {
        ray_policy_header_spec *header = &rule->header[rule->spec.header_count++];
        if (length == 0 || length > RAY_POLICY_VALUE_BYTES)
            return ray_option_refuse(call, RAY_E_SYNTAX,
                                     "a location is a URL without blanks, not", at, length);
        __builtin_memcpy(header->value, at, length);
        header->value_length = (uint8_t)length;
        header->how = RAY_HEADER_LOCATION;
    }
    rule->spec.alert = ray_call_flag(call, "--alert") != 0;
    rule->spec.audit = ray_call_flag(call, "--audit") != 0;
    return RAY_OK;
}

static ray_status numbers_of(ray_call *call, draft *rule)
{
    uint64_t priority = 100, http_status = 0;
    if (rule->spec.action == RAY_ACTION_DENY)
        http_status = rule->spec.type == RAY_POLICY_AUTHENTICATION ? 401 : 403;
    if (rule->spec.action == RAY_ACTION_REDIRECT)
        http_status = 302;
    ray_status status = ray_option_u64(call, "--priority", &priority);
    if (status == RAY_OK)
        status = ray_option_u64(call, "--status", &http_status);
    if (status != RAY_OK)
        return status;
    rule->spec.priority =
        priority > RAY_POLICY_PRIORITY_MAX ? (uint32_t)RAY_NONE : (uint32_t)priority;
    rule->spec.http_status = http_status > 999 ? 999 : (uint16_t)http_status;
    return RAY_OK;
}

static ray_status refuse(ray_call *call, ray_status status)
{
    const char *what = "no rule of that shape: a throttle needs --limit, a redirect --location, "
                       "others neither; a denial is 400 to 599; check";
    if (status == RAY_E_EXISTS)
        what = "there is a policy named";
    if (status == RAY_E_FULL)
        what = "no room for one more policy or its conditions, at";
    return ray_call_error(call, status, what, 2, 0);
}

ray_status ray_policy_run_add(ray_call *call)
{
    draft *rule = ray_call_memory(call, sizeof *rule);
    uint32_t handle;
    if (rule == 0)
        return ray_call_error(call, RAY_E_FULL, "no memory to work in", RAY_NONE, 0);
    if (!ray_word_names(call->word[2], call->length[2]))
        return ray_call_error(call, RAY_E_ARGUMENT, RAY_NAME_RULE, 2, 0);
    __builtin_memcpy(rule->spec.name.at, call->word[2], call->length[2]);
    rule->spec.limit = RAY_NONE;
    rule->spec.quota = RAY_NONE;
    rule->spec.set_class = RAY_CLASS_DEFAULT;
    rule->spec.enabled = 1;
    ray_status status = words_of(call, rule);
    if (status == RAY_OK)
        status = numbers_of(call, rule);
    if (status == RAY_OK)
        status = terms_of(call, rule);
    if (status != RAY_OK)
        return status;
    ray_policy_rows row = {0, &rule->spec, rule->term, rule->header};
    status = ray_policy_add(policies_of(call), call->now_ns, &row, &handle);
    if (status != RAY_OK)
        return refuse(call, status);
    ray_call_edited(call, RAY_AUDIT_ADD, RAY_BY_POLICY, handle, 0, rule->spec.priority);
    said(call, " added\n");
    return RAY_OK;
}

/* -- switching -- */
ray_status ray_policy_run_switch(ray_call *call)
{
    ray_policy_row row;
    uint32_t rule, on = ray_call_is(call, 1, "enable");
    if (ray_policy_named(call, &rule) != RAY_OK)
        return RAY_E_UNKNOWN;
    (void)ray_policy_row_read(policies_of(call), rule, &row);
    uint32_t before = row.spec->enabled;
    ray_status status = ray_policy_enable(policies_of(call), call->now_ns, rule, on);
    if (status != RAY_OK)
        return ray_call_error(call, status, "cannot switch", 2, 0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_POLICY, rule, before, on);
    said(call, on != 0 ? " enabled\n" : " disabled\n");
    return RAY_OK;
}

ray_status ray_policy_run_mode(ray_call *call)
{
    ray_policy_row row;
    uint32_t rule;
    if (ray_policy_named(call, &rule) != RAY_OK)
        return RAY_E_UNKNOWN;
    uint32_t mode =
        ray_option_place(call->word[3], call->length[3], ray_mode_word, RAY_MODE_OFF + 1);
    if (mode > RAY_MODE_OFF)
        return ray_call_error(call, RAY_E_SYNTAX, "not a mode (enforce shadow off)", 3, 0);
    (void)ray_policy_row_read(policies_of(call), rule, &row);
    uint32_t before = row.spec->mode;
    ray_status status = ray_policy_set_mode(policies_of(call), call->now_ns, rule, mode);
    if (status != RAY_OK)
        return ray_call_error(call, status, "cannot switch", 2, 0);
    ray_call_edited(call, RAY_AUDIT_SET, RAY_BY_POLICY, rule, before, mode);
    said(call, " is ");
    ray_text_put(call->out, ray_mode_word(mode));
    ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* 1 when rules of this type are enforced. */
static uint32_t enforces(const ray_call *call, uint32_t type)
{
    ray_policy_row row;
    uint32_t rule;
    ray_status status;
    for (uint32_t place = 0;
         (status = ray_policy_at(policies_of(call), place, &rule)) != RAY_E_RANGE; place++)
        if (status == RAY_OK && ray_policy_row_read(policies_of(call), rule, &row) == RAY_OK &&
            row.spec->type == type && row.spec->enabled != 0 && row.spec->mode == RAY_MODE_ENFORCE)
            return 1;
    return 0;
}

ray_status ray_policy_run_remove(ray_call *call)
{
    ray_policy_row row;
    ray_policy_set_spec set;
    uint32_t rule;
    if (ray_policy_named(call, &rule) != RAY_OK)
        return RAY_E_UNKNOWN;
    if (!ray_call_confirmed(call, "this forgets the policy and what it has counted"))
        return RAY_E_STATE;
    (void)ray_policy_row_read(policies_of(call), rule, &row);
    uint32_t priority = row.spec->priority, type = row.spec->type, asked = enforces(call, type);
    ray_status status = ray_policy_remove(policies_of(call), call->now_ns, rule);
    if (status != RAY_OK)
        return ray_call_error(call, status, "cannot remove", 2, 0);
    ray_call_edited(call, RAY_AUDIT_REMOVE, RAY_BY_POLICY, rule, priority, 0);
    said(call, " removed\n");
    ray_policy_set_read(policies_of(call), &set);
    if (asked != 0 && set.default_of[type] == RAY_DEFAULT_UNSTATED && !enforces(call, type)) {
        ray_text_put(call->out, "no rule of type ");
        ray_text_put(call->out, ray_policy_type_word(type));
        ray_text_put(call->out,
                     " is left and no default is stated: it is not evaluated any more\n");
    }
    return RAY_OK;
}

ray_status ray_policy_run_reset(ray_call *call)
{
    if (!ray_call_confirmed(call, "this forgets what every policy has counted"))
        return RAY_E_STATE;
    ray_policy_reset(policies_of(call), call->now_ns);
    ray_call_edited(call, RAY_AUDIT_RESET, RAY_BY_POLICY, RAY_NONE, 0, 0);
    ray_text_put(call->out, "counters of all policies are 0\n");
    return RAY_OK;
}
