/* SPDX-License-Identifier: MIT */
/* metrics.c - the module and its credentials as an exposition: names and counts, no digest. */
#include "parts.h"
#include "base/openmetrics.h"

enum { LABEL_BYTES = 4 * RAY_NAME_BYTES + 64, NANO_DIGITS = 9 };

/* -- families (private) -- */
typedef struct module_row {
    ray_auth_stats stats;
    uint64_t token_count;
    uint64_t locked_count;
} module_row;

#define MODULE(field, kind, name, help) \
    RAY_FAMILY(module_row, field, kind, "raygate_auth_" name, help, 0)
static const ray_family module_families[] = {
    MODULE(stats.asked_count, COUNTER, "asked", "Requests auth was asked about."),
    MODULE(stats.granted_count, COUNTER, "granted", "Of them, those that were let in."),
    MODULE(stats.denied_count, COUNTER, "denied", "Of them, those that were not."),
    MODULE(stats.anonymous_count, COUNTER, "anonymous", "Let in without a credential."),
    MODULE(stats.unspent_count, COUNTER, "unspent", "Let in, and denied by another stage."),
    MODULE(stats.error_count, COUNTER, "errors", "Calls that asked something impossible."),
    MODULE(stats.cache_hit_count, COUNTER, "cache_hits", "Tokens found verified already."),
    MODULE(stats.cache_fill_count, COUNTER, "cache_fills", "Verified tokens kept."),
    MODULE(stats.cache_evicted_count, COUNTER, "cache_evicted", "Of them, let go for others."),
    MODULE(stats.penalty_count, COUNTER, "penalties", "Failures booked against their origin."),
    MODULE(stats.penalty_evicted_count, COUNTER, "penalties_evicted", "Empty rows given up."),
    MODULE(stats.penalty_full_count, COUNTER, "penalties_full",
           "Rows taken over with their failures, the table being full."),
    MODULE(stats.issued_count, COUNTER, "tokens_issued", "Tokens issued."),
    MODULE(stats.refreshed_count, COUNTER, "tokens_refreshed", "Tokens refreshed."),
    MODULE(stats.revoked_count, COUNTER, "tokens_revoked", "Tokens revoked."),
    MODULE(stats.reused_count, COUNTER, "tokens_reused",
           "Refreshed tokens shown again; their families are revoked."),
    MODULE(stats.introspected_count, COUNTER, "introspections", "Answers of introspection kept."),
    MODULE(stats.introspect_evicted_count, COUNTER, "introspections_evicted",
           "Of them, let go for others."),
    MODULE(token_count, GAUGE, "tokens", "Tokens in the table now."),
    MODULE(locked_count, GAUGE, "credentials_locked", "Credentials that are locked out now."),
    MODULE(stats.credential_count, GAUGE, "credentials", "Credentials."),
    MODULE(stats.jwt_count, GAUGE, "issuers", "Issuers of JWTs."),
    MODULE(stats.key_count, GAUGE, "keys", "Keys of issuers."),
    MODULE(stats.grant_count, GAUGE, "grants", "Rows of granted and revoked permissions."),
};

static const ray_family credential_families[] = {
    RAY_FAMILY(ray_credential_tally, granted_count, COUNTER, "raygate_credential_granted",
               "Requests the credential let in.", 0),
    RAY_FAMILY(ray_credential_tally, denied_count, COUNTER, "raygate_credential_denied",
               "Requests it was shown by and that were denied.", 0),
};

/* -- pieces (private) -- */
static void by_scheme(const ray_auth_stats *stats, uint32_t form, ray_text *text)
{
    ray_openmetrics_head(text, form, "raygate_auth_granted_by_scheme", "counter",
                         "Requests let in, by how they showed who they are.");
    for (uint32_t scheme = RAY_SCHEME_NONE + 1; scheme < RAY_AUTH_SCHEME_COUNT; scheme++) {
        ray_text_put(text, "raygate_auth_granted_by_scheme_total{scheme=\"");
        ray_text_put(text, ray_scheme_word(scheme));
        ray_text_put(text, "\"}");
        ray_openmetrics_count(text, stats->scheme_count[scheme]);
    }
}

/* Every reason there is, so that a rate does not begin with its first refusal. */
static void by_reason(const ray_auth_stats *stats, uint32_t form, ray_text *text)
{
    ray_openmetrics_head(text, form, "raygate_auth_denied_by_reason", "counter",
                         "Requests auth denied, by reason.");
    for (uint32_t i = 0; i < sizeof stats->reason_count / sizeof *stats->reason_count; i++) {
        const char *word = ray_reason_word(RAY_REASON_AUTH_REQUIRED + i);
        if (word[0] == '?')
            continue;
        ray_text_put(text, "raygate_auth_denied_by_reason_total{reason=\"");
        ray_text_put(text, word);
        ray_text_put(text, "\"}");
        ray_openmetrics_count(text, stats->reason_count[i]);
    }
}

static void credential_label(const ray_credential_spec *row, ray_text *text)
{
    ray_text_put(text, "scheme=\"");
    ray_text_put(text, ray_scheme_word(row->scheme));
    ray_text_put(text, "\",credential=\"");
    ray_text_label(text, row->name.at, ray_name_length(&row->name));
    ray_text_char(text, '"');
}

static void counts_of(const ray_auth *auth, const ray_family *family, uint32_t form,
                      ray_text *text)
{
    char at[LABEL_BYTES];
    ray_text label;
    ray_openmetrics_family(text, form, family);
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++) {
        const ray_credential_spec *row = &auth->config.credential[place];
        if (row->scheme == RAY_SCHEME_NONE)
            continue;
        ray_text_init(&label, at, sizeof at);
        credential_label(row, &label);
        ray_openmetrics_sample(text, family, &label, &auth->tally.credential[place]);
    }
}

static void expiries(const ray_auth *auth, uint32_t form, ray_text *text)
{
    ray_openmetrics_head(text, form, "raygate_credential_expiry_timestamp_seconds", "gauge",
                         "Unix time the credential expires at; absent when it never does.");
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++) {
        const ray_credential_spec *row = &auth->config.credential[place];
        if (row->scheme == RAY_SCHEME_NONE || row->expires_ns == 0)
            continue;
        ray_text_put(text, "raygate_credential_expiry_timestamp_seconds{");
        credential_label(row, text);
        ray_text_put(text, "} ");
        ray_text_fixed(text, row->expires_ns, NANO_DIGITS);
        ray_text_char(text, '\n');
    }
}

/* -- reading -- */
ray_status ray_auth_export_metrics(const ray_auth *auth, uint64_t now_ns, int64_t wall_offset_ns,
                                   uint32_t form, ray_text *text)
{
    module_row module;
    ray_auth_read(auth, &module.stats);
    module.token_count = ray_auth_token_count(auth, now_ns, wall_offset_ns);
    module.locked_count = 0;
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++)
        module.locked_count += auth->config.credential[place].scheme != RAY_SCHEME_NONE &&
                               ray_auth_credential_wait(auth, now_ns, place) != 0;
    ray_openmetrics_stats(text, form, module_families,
                          sizeof module_families / sizeof *module_families, &module);
    by_scheme(&module.stats, form, text);
    by_reason(&module.stats, form, text);
    for (uint32_t i = 0; i < sizeof credential_families / sizeof *credential_families; i++)
        counts_of(auth, &credential_families[i], form, text);
    expiries(auth, form, text);
    return ray_openmetrics_end(text, form);
}
