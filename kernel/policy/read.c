/* SPDX-License-Identifier: MIT */
/* read.c - rules, counters and words for people and programs. */
#include "parts.h"
#include "base/headers.h"

void ray_policy_read(const ray_policy *policy, ray_policy_stats *out)
{
    const ray_policy_tally *tally = &policy->tally;
    const ray_policy_config *config = &policy->config;
    memset(out, 0, sizeof *out);
    out->asked_count = tally->asked_count;
    out->granted_count = tally->granted_count;
    out->denied_count = tally->denied_count;
    out->error_count = tally->error_count;
    out->unspent_count = tally->unspent_count;
    out->redirected_count = tally->redirected_count;
    out->default_count = tally->default_count;
    out->indeterminate_count = tally->indeterminate_count;
    out->alert_count = tally->alert_count;
    out->would_count = tally->would_count;
    out->audit_count = tally->audit_count;
    if (tally->audit_count > RAY_POLICY_AUDIT_MAX)
        out->audit_overwritten_count = tally->audit_count - RAY_POLICY_AUDIT_MAX;
    out->generation = config->generation;
    out->rule_count = config->count;
    out->enabled_count = config->index.enabled_count;
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++)
        out->shadow_count += ray_bits_has(&config->index.shadow, slot);
    out->term_count = config->term_count;
    out->header_count = config->header_count;
}

void ray_policy_set_read(const ray_policy *policy, ray_policy_set_spec *out)
{
    *out = policy->config.set;
}

ray_status ray_policy_find(const ray_policy *policy, const char *name, uint64_t length,
                           uint32_t *rule)
{
    ray_name wanted;
    if (!ray_name_set(&wanted, name, length))
        return RAY_E_UNKNOWN;
    for (uint32_t slot = 0; slot < RAY_POLICY_MAX; slot++)
        if (ray_policy_used(&policy->config, slot) &&
            ray_name_same(&policy->config.slot[slot].spec.name, &wanted)) {
            *rule = ray_policy_handle(&policy->config, slot);
            return RAY_OK;
        }
    return RAY_E_UNKNOWN;
}

ray_status ray_policy_at(const ray_policy *policy, uint32_t place, uint32_t *rule)
{
    if (place >= RAY_POLICY_MAX)
        return RAY_E_RANGE;
    if (!ray_policy_used(&policy->config, place))
        return RAY_E_UNKNOWN;
    *rule = ray_policy_handle(&policy->config, place);
    return RAY_OK;
}

ray_status ray_policy_row_read(const ray_policy *policy, uint32_t rule, ray_policy_row *out)
{
    const ray_policy_config *config = &policy->config;
    uint32_t slot;
    ray_status status = ray_policy_slot_of(config, rule, &slot);
    if (status != RAY_OK)
        return status;
    out->spec = &config->slot[slot].spec;
    out->term = &config->term[config->slot[slot].term_first];
    out->header = &config->header[config->slot[slot].header_first];
    out->hits = policy->tally.hits[slot];
    out->rule = rule;
    out->reserved = 0;
    return RAY_OK;
}

static const ray_policy_header_spec *text_of(const ray_policy_config *config, uint32_t rule,
                                             uint32_t how)
{
    uint32_t slot;
    if (ray_policy_slot_of(config, rule, &slot) != RAY_OK)
        return NULL;
    const ray_policy_slot *at = &config->slot[slot];
    for (uint32_t i = 0; i < at->spec.header_count; i++)
        if (config->header[at->header_first + i].how == how)
            return &config->header[at->header_first + i];
    return NULL;
}

void ray_policy_location(const ray_policy *policy, uint32_t rule, ray_view *out)
{
    const ray_policy_header_spec *found = text_of(&policy->config, rule, RAY_HEADER_LOCATION);
    out->at = found != NULL ? (const uint8_t *)found->value : NULL;
    out->length = found != NULL ? found->value_length : 0;
}

void ray_policy_header(const ray_policy *policy, uint32_t rule, ray_view *name, ray_view *value)
{
    const ray_policy_header_spec *found = text_of(&policy->config, rule, RAY_HEADER_SET);
    name->at = found != NULL ? (const uint8_t *)found->name : NULL;
    name->length = found != NULL ? found->name_length : 0;
    value->at = found != NULL ? (const uint8_t *)found->value : NULL;
    value->length = found != NULL ? found->value_length : 0;
}

uint32_t ray_policy_headers_sound(ray_view headers)
{
    return ray_headers_sound(headers);
}

/* -- words -- */
static const char *word_at(const char *const *words, uint32_t count, uint32_t number)
{
    return number < count ? words[number] : "?";
}

const char *ray_policy_type_word(uint32_t type)
{
    static const char *const words[RAY_POLICY_TYPE_MAX] = {
        "authentication", "authorization", "ratelimit", "quota", "transformation"};
    return word_at(words, RAY_POLICY_TYPE_MAX, type);
}

const char *ray_policy_action_word(uint32_t action)
{
    static const char *const words[RAY_ACTION_MAX] = {"allow", "deny",  "throttle",
                                                      "log",   "alert", "redirect"};
    return word_at(words, RAY_ACTION_MAX, action);
}

const char *ray_policy_field_word(uint32_t field)
{
    static const char *const words[RAY_FIELD_MAX] = {"service", "route", "method", "role", "tenant",
                                                     "plan",    "time",  "ip",     "header"};
    return word_at(words, RAY_FIELD_MAX, field);
}

const char *ray_policy_how_word(uint32_t how)
{
    static const char *const words[RAY_HEADER_MAX] = {"exact",  "prefix", "contains", "present",
                                                      "absent", "set",    "location"};
    return word_at(words, RAY_HEADER_MAX, how);
}

const char *ray_policy_combine_word(uint32_t combine)
{
    static const char *const words[RAY_COMBINE_MAX] = {"deny-overrides", "first-match"};
    return word_at(words, RAY_COMBINE_MAX, combine);
}

const char *ray_policy_default_word(uint32_t stated)
{
    static const char *const words[RAY_DEFAULT_MAX] = {"unstated", "allow", "deny"};
    return word_at(words, RAY_DEFAULT_MAX, stated);
}
