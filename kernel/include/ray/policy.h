/* SPDX-License-Identifier: MIT */
#ifndef RAY_POLICY_H
#define RAY_POLICY_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* policy: rules that allow or deny a request, and what else must happen when they match.
 *
 * Law: adding a rule that denies never lets a request through that was denied; a rule that is
 * disabled or off is as if it were not there. Cost: one row of bits per field is read, whatever the
 * number of rules; only rules that match everything else look at headers. Source: SEMANTICS.md,
 * policy.
 */
typedef struct ray_policy ray_policy; /* state; size and layout are private */

enum ray_policy_constant {
    RAY_POLICY_WORDS = (RAY_POLICY_MAX + 63) / 64, /* of a set of rules, a bit each, by slot */
    RAY_POLICY_VALUE_BYTES = 128,
    RAY_POLICY_PRIORITY_MAX = 1000000
};

/* A type's rules decide together; the types that are evaluated must all grant. */
enum ray_policy_type {
    RAY_POLICY_AUTHENTICATION = 0,
    RAY_POLICY_AUTHORIZATION = 1,
    RAY_POLICY_RATELIMIT = 2,
    RAY_POLICY_QUOTA = 3,
    RAY_POLICY_TRANSFORMATION = 4,
    RAY_POLICY_TYPE_MAX = 5
};

/* Only allow and deny decide; the others are obligations. */
enum ray_policy_action {
    RAY_ACTION_ALLOW = 0,
    RAY_ACTION_DENY = 1,
    RAY_ACTION_THROTTLE = 2, /* asks the named limit too */
    RAY_ACTION_LOG = 3,      /* writes an audit record */
    RAY_ACTION_ALERT = 4,
    RAY_ACTION_REDIRECT = 5, /* unless denied; of several the lowest priority number */
    RAY_ACTION_MAX = 6
};

enum ray_policy_combine {
    RAY_COMBINE_DENY_OVERRIDES = 0, /* one that denies is enough; order decides nothing */
    RAY_COMBINE_FIRST_MATCH = 1,    /* by type: the first by priority, then place */
    RAY_COMBINE_MAX = 2
};

/* What a type says when none of its rules decides. */
enum ray_policy_default {
    RAY_DEFAULT_UNSTATED = 0, /* without a rule: not evaluated; with one: deny for authentication
                                 and authorization, allow for the others */
    RAY_DEFAULT_ALLOW = 1,
    RAY_DEFAULT_DENY = 2,
    RAY_DEFAULT_MAX = 3
};

/* What a condition is about. Values of one field are alternatives, fields must all hold. */
enum ray_policy_field {
    RAY_FIELD_SERVICE = 0,
    RAY_FIELD_ROUTE = 1,
    RAY_FIELD_METHOD = 2,
    RAY_FIELD_ROLE = 3,
    RAY_FIELD_TENANT = 4,
    RAY_FIELD_PLAN = 5,
    RAY_FIELD_TIME = 6,
    RAY_FIELD_ADDRESS = 7,
    RAY_FIELD_HEADER = 8,
    RAY_FIELD_MAX = 9
};

enum ray_policy_how {
    RAY_HEADER_EXACT = 0,
    RAY_HEADER_PREFIX = 1,
    RAY_HEADER_CONTAINS = 2,
    RAY_HEADER_PRESENT = 3,
    RAY_HEADER_ABSENT = 4,
    RAY_HEADER_SET = 5,      /* no condition: the response gets this header */
    RAY_HEADER_LOCATION = 6, /* no condition: where a redirect leads; it has no name */
    RAY_HEADER_MAX = 7
};

/* Kleene's three values. An attribute nobody knows makes a condition on it unknown: a rule that
 * denies then matches, every other one does not. */
enum ray_policy_truth { RAY_TRUTH_FALSE = 0, RAY_TRUTH_UNKNOWN = 1, RAY_TRUTH_TRUE = 2 };

/* One value of one condition. A field with several terms that are not negated holds when one of
 * them does; a negated term forbids its value. Also the row of the blob's term section: a rule's
 * terms stand together, rules in their order. */
typedef struct ray_policy_term {
    ray_address address;        /* ADDRESS: bits past the prefix are zero */
    uint32_t value;             /* handle, place, method or role; TIME: first minute of the week */
    uint32_t until;             /* TIME: the minute after the last; ADDRESS: prefix of 128 */
    int32_t utc_offset_minutes; /* TIME: of the clock that is meant */
    uint8_t field;              /* enum ray_policy_field, HEADER excepted */
    uint8_t negated;
    uint8_t reserved[2];
} ray_policy_term;

/* A condition on a header, a response header to set, or a location; rows as of terms. Names compare
 * without case, values byte for byte. Of several values an allowing rule asks all to fit, every
 * other rule one of them, where the members of a list "a, b" count too. */
typedef struct ray_policy_header_spec {
    char name[RAY_NAME_BYTES];
    char value[RAY_POLICY_VALUE_BYTES];
    uint8_t name_length;
    uint8_t value_length;
    uint8_t how; /* enum ray_policy_how */
    uint8_t reserved[5];
} ray_policy_header_spec;

/* One rule; also the row of the blob's policy section. */
typedef struct ray_policy_spec {
    ray_name name;
    uint32_t priority;      /* lower first */
    uint32_t limit;         /* THROTTLE: handle of a limit of scope named; else RAY_NONE */
    uint32_t quota;         /* type QUOTA: handle of a named quota to charge; else RAY_NONE */
    uint32_t quota_weight;  /* requests it counts as; 0 without a quota */
    uint16_t term_count;
    uint16_t header_count;  /* conditions, headers to set and the location together */
    uint16_t http_status;   /* DENY 400-599, REDIRECT 301 302 303 307 308; 0 otherwise */
    uint8_t type;
    uint8_t action;
    uint8_t mode;           /* enum ray_mode: shadow records what it would have decided */
    uint8_t enabled;
    uint8_t set_class;      /* enum ray_class; RAY_CLASS_DEFAULT leaves the request's */
    uint8_t alert;          /* 1: counts an alert, whatever the action */
    uint8_t audit;          /* 1: writes an audit record, whatever the action */
    uint8_t reserved[3];
} ray_policy_spec;

/* How the rules are combined; the one row of the blob's policy set section. */
typedef struct ray_policy_set_spec {
    uint8_t combine;                         /* enum ray_policy_combine */
    uint8_t default_of[RAY_POLICY_TYPE_MAX]; /* enum ray_policy_default by type */
    uint8_t reserved[2];
} ray_policy_set_spec;

/* What is known of a request. A tenant without a plan has none; without a tenant its plan is not
 * known. `headers` is packed as in gateway.h and was found sound. */
typedef struct ray_policy_query {
    ray_view headers;
    ray_address address;
    int64_t wall_offset_ns;
    uint32_t service;       /* handle, RAY_NONE unknown */
    uint32_t route;
    uint32_t method;        /* enum ray_method */
    uint32_t role;          /* enum ray_role */
    uint32_t tenant;        /* place */
    uint32_t plan;
    uint32_t address_known;
    uint32_t headers_known; /* 0: conditions on headers are unknown, not absent */
} ray_policy_query;

typedef struct ray_policy_answer {
    uint64_t matched[RAY_POLICY_WORDS];        /* by slot: the low 16 bits of a handle */
    uint64_t shadow_matched[RAY_POLICY_WORDS];
    uint32_t by;                               /* RAY_NONE: a default, or nothing decided */
    uint32_t redirect;                         /* rule whose location applies; RAY_NONE */
    uint32_t limits[RAY_POLICY_LIMIT_MAX];     /* handles, each once */
    uint32_t quotas[RAY_POLICY_QUOTA_MAX];
    uint32_t quota_weight[RAY_POLICY_QUOTA_MAX];
    uint32_t limit_count;
    uint32_t quota_count;
    uint32_t header_rule;                      /* sets a response header; RAY_NONE */
    uint32_t would_by;                         /* shadow rule that would have decided otherwise */
    uint16_t reason;                           /* RAY_REASON_OK or why not */
    uint16_t http_status;                      /* 200, of the denial, or of the redirect */
    uint16_t would_reason;                     /* with the shadow rules; 0: no other verdict */
    uint8_t granted;                           /* 0: denied or redirected */
    uint8_t set_class;                         /* enum ray_class or RAY_CLASS_DEFAULT */
    uint8_t redirects;
    uint8_t asked;                             /* 0: no rule and no default that denies */
    uint8_t alerts;                            /* rules that matched and alert */
    uint8_t audits;                            /* rules that matched and are audited */
    uint8_t reserved[4];
} ray_policy_answer;

uint64_t ray_policy_bytes(void);
void ray_policy_init(ray_policy *policy, const uint8_t seed[16]);

/* Enabled rules and defaults that deny: 0 lets the caller skip the stage. */
uint32_t ray_policy_count(const ray_policy *policy);

/* What the rules say. Changes nothing. Named limits and quotas past their places in the answer deny
 * the request: RAY_REASON_POLICY_INDETERMINATE, by the rule that had no place. RAY_E_ARGUMENT for a
 * method, role, tenant or plan that cannot be; then *out is untouched. */
ray_status ray_policy_ask(const ray_policy *policy, uint64_t now_ns, const ray_policy_query *query,
                          ray_policy_answer *out);

/* Counts an ask that was refused with an error. */
void ray_policy_note_error(ray_policy *policy);
/* Counts an ask after the verdict of all stages, and writes the audit record it asks for. */
void ray_policy_note(ray_policy *policy, uint64_t now_ns, int64_t wall_offset_ns, uint64_t seq,
                     const ray_policy_answer *answer, uint32_t granted);

/* Writes an audit record of an answer, whatever its rules asked for, and returns its id. */
uint64_t ray_policy_audit(ray_policy *policy, uint64_t now_ns, int64_t wall_offset_ns, uint64_t seq,
                          const ray_policy_answer *answer, uint32_t granted);

/* Of a rule an answer names: views into the state, until the next control call; empty when there is
 * none. */
void ray_policy_location(const ray_policy *policy, uint32_t rule, ray_view *out);
void ray_policy_header(const ray_policy *policy, uint32_t rule, ray_view *name, ray_view *value);

/* One rule against one request, condition by condition in the order of enum ray_policy_field. */
typedef struct ray_policy_trace {
    uint32_t rule;
    uint8_t truth;   /* enum ray_policy_truth: all conditions together */
    uint8_t matched; /* 1: counts as a match, were it enabled */
    uint8_t field;   /* the first condition that is not true; RAY_FIELD_MAX: none */
    uint8_t header;  /* field HEADER: which of the rule's header rows, from 0 */
} ray_policy_trace;

/* RAY_E_UNKNOWN, RAY_E_STALE for the rule, RAY_E_ARGUMENT as in ask. */
ray_status ray_policy_explain_rule(const ray_policy *policy, uint64_t now_ns,
                                   const ray_policy_query *query, uint32_t rule,
                                   ray_policy_trace *out);

/* -- configuration -- */
/* The three sections as they stand in a blob; `set` is read only when set_count is 1. */
typedef struct ray_policy_rows {
    const ray_policy_set_spec *set;
    const ray_policy_spec *rule;
    const ray_policy_term *term;
    const ray_policy_header_spec *header;
} ray_policy_rows;

/* The whole hostile check: every field, unique names, references to tenants, plans, services,
 * routes, limits and quotas that exist. Whether those limits and quotas may be named is not known
 * here. Changes nothing but *report. */
ray_status ray_policy_check(const ray_policy_rows *rows, const ray_config_counts *counts,
                            ray_config_report *report);
/* Replaces all rules by rows that passed the check; cannot fail. Counters follow a rule's name; one
 * whose row, terms and headers did not change counts as kept. */
void ray_policy_load(ray_policy *policy, uint64_t now_ns, int64_t wall_offset_ns,
                     const ray_policy_rows *rows, const ray_config_counts *counts,
                     ray_config_report *report);

/* -- control: every error changes nothing -- */
/* Adds a rule with its spec->term_count terms and spec->header_count headers. RAY_E_FULL when there
 * is no room for one of the three, RAY_E_EXISTS, RAY_E_ARGUMENT, RAY_E_RANGE as in check. */
ray_status ray_policy_add(ray_policy *policy, uint64_t now_ns, const ray_policy_rows *row,
                          uint32_t *rule);
/* The same in place of a rule: its handle and its counters stay. */
ray_status ray_policy_update(ray_policy *policy, uint64_t now_ns, const ray_policy_rows *row,
                             uint32_t rule);
/* Removes a rule; its handle is stale from here on and never given out again. */
ray_status ray_policy_remove(ray_policy *policy, uint64_t now_ns, uint32_t rule);
ray_status ray_policy_enable(ray_policy *policy, uint64_t now_ns, uint32_t rule, uint32_t enabled);
ray_status ray_policy_set_mode(ray_policy *policy, uint64_t now_ns, uint32_t rule, uint32_t mode);
ray_status ray_policy_set(ray_policy *policy, uint64_t now_ns, const ray_policy_set_spec *set);
/* Counters of all rules to 0; the module's own and the audit ring stay. */
void ray_policy_reset(ray_policy *policy, uint64_t now_ns);

/* -- reading -- */
typedef struct ray_policy_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;       /* redirects included */
    uint64_t error_count;        /* asks that were refused, as their callers reported them */
    uint64_t unspent_count;      /* granted here, denied by another stage */
    uint64_t redirected_count;
    uint64_t default_count;      /* denied because no rule of a type allows */
    uint64_t indeterminate_count;
    uint64_t alert_count;
    uint64_t would_count;        /* shadow rules would have decided otherwise */
    uint64_t audit_count;        /* records ever written; the last RAY_POLICY_AUDIT_MAX are kept */
    uint64_t audit_overwritten_count;
    uint64_t generation;         /* raised by every load and control call */
    uint32_t rule_count;
    uint32_t enabled_count;
    uint32_t shadow_count;
    uint32_t term_count;
    uint32_t header_count;
    uint32_t reserved;
} ray_policy_stats;

typedef struct ray_policy_hits {
    uint64_t matched_count;
    uint64_t decided_count; /* it was the one the answer names */
    uint64_t denied_count;  /* of those, denied or redirected */
    uint64_t shadow_count;  /* matched while it was a shadow rule */
    uint64_t would_count;   /* it would have decided otherwise */
} ray_policy_hits;

typedef struct ray_policy_row {
    const ray_policy_spec *spec; /* the rows themselves, until the next control call */
    const ray_policy_term *term;
    const ray_policy_header_spec *header;
    ray_policy_hits hits;
    uint32_t rule;
    uint32_t reserved;
} ray_policy_row;

/* One audited decision. hash is SHA-256 over the record before it (32 zero bytes before the first)
 * and then this one without its hash. */
typedef struct ray_policy_record {
    uint64_t id; /* 1, 2, 3 ... without a gap */
    uint64_t at_ns;
    int64_t unix_ns;
    uint64_t seq;
    ray_name name; /* the rule that decided, else the first audited one that matched */
    uint16_t reason;
    uint16_t http_status;
    uint8_t granted; /* by policy */
    uint8_t passed;  /* by all stages */
    uint8_t alerts;
    uint8_t audits;
    uint8_t hash[32];
} ray_policy_record;

void ray_policy_read(const ray_policy *policy, ray_policy_stats *out);
void ray_policy_set_read(const ray_policy *policy, ray_policy_set_spec *out);
ray_status ray_policy_find(const ray_policy *policy, const char *name, uint64_t length,
                           uint32_t *rule);
/* Rules by place from 0: RAY_OK and the handle, RAY_E_UNKNOWN for a free place, RAY_E_RANGE past
 * the last. */
ray_status ray_policy_at(const ray_policy *policy, uint32_t place, uint32_t *rule);
ray_status ray_policy_row_read(const ray_policy *policy, uint32_t rule, ray_policy_row *out);
/* RAY_E_UNKNOWN for a record not written yet, RAY_E_STALE for one overwritten. */
ray_status ray_policy_audit_read(const ray_policy *policy, uint64_t id, ray_policy_record *out);
/* 0 when every kept record carries the hash of the one before it, else the first that does not. */
uint64_t ray_policy_audit_broken(const ray_policy *policy);
const char *ray_policy_type_word(uint32_t type);
const char *ray_policy_action_word(uint32_t action);
const char *ray_policy_field_word(uint32_t field);
const char *ray_policy_how_word(uint32_t how);
const char *ray_policy_combine_word(uint32_t combine);
const char *ray_policy_default_word(uint32_t stated);
/* Rules by place; fixed columns, the same bytes for the same state. RAY_E_TRUNCATED: no room. */
ray_status ray_policy_export_csv(const ray_policy *policy, ray_text *text);
ray_status ray_policy_export_json(const ray_policy *policy, ray_text *text);
void ray_policy_export_row(const ray_policy_row *row, ray_text *text);
/* The kept audit records, oldest first. */
ray_status ray_policy_export_audit(const ray_policy *policy, uint32_t json, ray_text *text);

/* 1 when a packed header block may be believed (base/headers.h): for callers without a gateway. */
uint32_t ray_policy_headers_sound(ray_view headers);
/* 0 when every invariant holds, else the number of the first that does not; kernel/policy/valid.c
 * lists them. */
uint32_t ray_policy_valid(const ray_policy *policy);
/* Makes the bits of a valid state anew from its rules; 0 when they were others: then the state was
 * tampered with, and is sound only now. */
uint32_t ray_policy_reindex(ray_policy *policy);

#endif
