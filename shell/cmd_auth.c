/* SPDX-License-Identifier: MIT */
/* cmd_auth.c - auth: who is known, by what, and what they may. No digest and no secret is shown. */
#include "cmd_auth.h"
#include "parts.h"

enum auth_line { COLUMN = 24 };

static const char *source_word(const ray_call *call)
{
    static const char words[3][16] = {"none", "configuration", "machine"};
    return call->machine->secrets != 0 ? words[ray_secrets_source(call->machine->secrets) % 3]
                                       : words[0];
}

/* -- names -- */
ray_status ray_auth_named(ray_call *call, uint32_t word, uint32_t *handle)
{
    const ray_auth *auth = ray_auth_of(call->ray);
    for (uint32_t scheme = RAY_SCHEME_API_KEY; scheme <= RAY_SCHEME_BEARER; scheme++)
        if (ray_auth_credential_find(auth, scheme, call->word[word], call->length[word],
                                     handle) == RAY_OK)
            return RAY_OK;
    return ray_call_error(call, RAY_E_UNKNOWN, "no credential is called; see: auth list", word,
                          0);
}

ray_status ray_auth_service_word(ray_call *call, uint32_t word, uint32_t *service)
{
    *service = RAY_NONE;
    if (word >= call->plain_count)
        return RAY_OK;
    if (ray_gateway_find_service(ray_gateway_of(call->ray), call->word[word], call->length[word],
                                 service) == RAY_OK)
        return RAY_OK;
    return ray_call_unknown(call, "no service is called", word, RAY_COMPLETE_SERVICE);
}

void ray_auth_put_rights(ray_text *out, uint32_t permissions)
{
    uint32_t put = 0;
    for (uint32_t bit = 0; bit < 4; bit++)
        if ((permissions >> bit & 1) != 0) {
            ray_text_put(out, put++ != 0 ? "," : "");
            ray_text_put(out, ray_permission_word(1U << bit));
        }
    ray_text_put(out, put != 0 ? "" : "nothing");
}

/* -- status -- */
static void status_json(ray_call *call, const ray_auth_stats *s)
{
    ray_text *out = call->out;
    const struct { const char *key; uint64_t value; } rows[] = {
        {"asked", s->asked_count}, {"granted", s->granted_count}, {"denied", s->denied_count},
        {"errors", s->error_count}, {"anonymous", s->anonymous_count},
        {"cache_hits", s->cache_hit_count}, {"cache_fills", s->cache_fill_count},
        {"cache_evicted", s->cache_evicted_count}, {"penalties", s->penalty_count},
        {"penalties_evicted", s->penalty_evicted_count}, {"penalties_full", s->penalty_full_count},
        {"issued", s->issued_count}, {"refreshed", s->refreshed_count},
        {"revoked", s->revoked_count}, {"reused", s->reused_count},
        {"introspected", s->introspected_count},
        {"introspections_evicted", s->introspect_evicted_count},
        {"credentials", s->credential_count}, {"issuers", s->jwt_count}, {"keys", s->key_count},
        {"grants", s->grant_count},
    };
    ray_text_json_open(out, 0, '{');
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ray_text_json_u64(out, rows[i].key, rows[i].value);
    ray_text_json_u64(out, "tokens",
                      ray_auth_token_count(ray_auth_of(call->ray), call->now_ns,
                                           ray_call_wall_offset(call)));
    ray_text_json_literal(out, "random", source_word(call));
    ray_text_json_open(out, "refused", '{');
    for (uint32_t i = 0; i < 32; i++)
        if (s->reason_count[i] != 0)
            ray_text_json_u64(out, ray_reason_word(RAY_REASON_AUTH_REQUIRED + i),
                              s->reason_count[i]);
    ray_text_json_close(out, '}');
    ray_json_end(out);
}

static ray_status run_status(ray_call *call)
{
    ray_auth *auth = ray_auth_of(call->ray);
    ray_text *out = call->out;
    ray_auth_stats s;
    ray_auth_read(auth, &s);
    if (call->json != 0) {
        status_json(call, &s);
        return RAY_OK;
    }
    ray_line_u64(out, COLUMN, "credentials", s.credential_count);
    ray_line_u64(out, COLUMN, "issuers", s.jwt_count);
    ray_line_u64(out, COLUMN, "keys of issuers", s.key_count);
    ray_line_u64(out, COLUMN, "tokens", ray_auth_token_count(auth, call->now_ns,
                                                             ray_call_wall_offset(call)));
    ray_line_u64(out, COLUMN, "grants", s.grant_count);
    ray_line_word(out, COLUMN, "randomness from", source_word(call));
    ray_line_u64(out, COLUMN, "asked", s.asked_count);
    ray_line_u64(out, COLUMN, "granted", s.granted_count);
    ray_line_u64(out, COLUMN, "denied", s.denied_count);
    ray_line_u64(out, COLUMN, "without credential", s.anonymous_count);
    ray_line_u64(out, COLUMN, "found in the cache", s.cache_hit_count);
    ray_line_u64(out, COLUMN, "failures booked", s.penalty_count);
    ray_line_u64(out, COLUMN, "issued", s.issued_count);
    ray_line_u64(out, COLUMN, "refreshed", s.refreshed_count);
    ray_line_u64(out, COLUMN, "revoked", s.revoked_count);
    ray_line_u64(out, COLUMN, "families reused", s.reused_count);
    for (uint32_t i = 0; i < 32; i++)
        if (s.reason_count[i] != 0)
            ray_line_u64(out, COLUMN, ray_reason_word(RAY_REASON_AUTH_REQUIRED + i),
                         s.reason_count[i]);
    return RAY_OK;
}

/* -- list, export -- */
static const char *state_word(ray_call *call, const ray_credential_spec *row,
                              const ray_credential_stats *stats)
{
    int64_t unix_ns = (int64_t)call->now_ns + ray_call_wall_offset(call);
    if (row->disabled != 0)
        return "disabled";
    if (row->expires_ns != 0 && unix_ns >= row->expires_ns)
        return "expired";
    return stats->retry_after_ns != 0 ? "locked" : "enabled";
}

/* "never", or the moment; and the end of the line. */
static void end_moment(ray_text *out, int64_t unix_ns)
{
    if (unix_ns == 0)
        ray_text_put(out, "never");
    else
        ray_text_time(out, (uint64_t)unix_ns);
    ray_text_char(out, '\n');
}

static ray_status run_list(ray_call *call)
{
    const ray_auth *auth = ray_auth_of(call->ray);
    ray_text *out = call->out;
    ray_credential_spec row;
    ray_credential_stats stats;
    if (call->json != 0) {
        ray_auth_export(auth, call->now_ns, 1, out);
        ray_text_char(out, '\n');
        return RAY_OK;
    }
    ray_text_put(out, "name                    scheme      role              secrets  state     "
                      "expires\n");
    for (uint32_t place = 0; place < RAY_CREDENTIAL_MAX; place++) {
        uint32_t handle = ray_auth_credential_at(auth, place);
        if (ray_auth_credential_read(auth, handle, &row) != RAY_OK ||
            ray_auth_credential_stats(auth, call->now_ns, handle, &stats) != RAY_OK)
            continue;
        ray_text_name(out, &row.name, 0);
        ray_text_column(out, 24);
        ray_text_put(out, ray_scheme_word(row.scheme));
        ray_text_column(out, 36);
        ray_text_put(out, ray_role_word(row.role));
        ray_text_column(out, 54);
        ray_text_u64(out, (uint64_t)row.digest[0][0] + row.digest[1][0]);
        ray_text_column(out, 63);
        ray_text_put(out, state_word(call, &row, &stats));
        ray_text_column(out, 73);
        end_moment(out, row.expires_ns);
    }
    return RAY_OK;
}

ray_status ray_export_auth(ray_call *call, uint32_t exposition)
{
    return ray_auth_export_metrics(ray_auth_of(call->ray), call->now_ns,
                                   ray_call_wall_offset(call), exposition, call->out);
}

static ray_status run_export(ray_call *call)
{
    uint32_t form = RAY_EXPORT_CSV;
    ray_status status = ray_export_form(call, RAY_EXPORT_ROWS | RAY_EXPORT_TEXTS, &form);
    if (status != RAY_OK)
        return status;
    if (form > RAY_EXPORT_JSON)
        return ray_export_auth(call, ray_export_exposition(form));
    ray_auth_export(ray_auth_of(call->ray), call->now_ns, form == RAY_EXPORT_JSON, call->out);
    if (form == RAY_EXPORT_JSON)
        ray_text_char(call->out, '\n');
    return RAY_OK;
}

/* -- show -- */
static void show_json(ray_call *call, const ray_credential_spec *row,
                      const ray_credential_stats *stats, const ray_name *tenant,
                      const ray_name *service)
{
    ray_text *out = call->out;
    ray_text_json_open(out, 0, '{');
    ray_text_json_name(out, "name", &row->name);
    ray_text_json_literal(out, "scheme", ray_scheme_word(row->scheme));
    ray_text_json_name(out, "user", row->user.at[0] != 0 ? &row->user : &row->name);
    ray_text_json_name(out, "tenant", tenant);
    ray_text_json_name(out, "service", service);
    ray_text_json_literal(out, "role", ray_role_word(row->role));
    ray_text_json_u64(out, "permissions", row->permissions);
    ray_text_json_u64(out, "secrets", (uint64_t)row->digest[0][0] + row->digest[1][0]);
    ray_text_json_i64(out, "expires_ns", row->expires_ns);
    ray_text_json_bool(out, "disabled", row->disabled);
    ray_text_json_literal(out, "state", state_word(call, row, stats));
    ray_text_json_u64(out, "last_ns", stats->last_ns);
    ray_text_json_u64(out, "granted", stats->granted_count);
    ray_text_json_u64(out, "denied", stats->denied_count);
    ray_text_json_u64(out, "locked_ns", stats->retry_after_ns);
    ray_json_end(out);
}

static ray_status run_show(ray_call *call)
{
    const ray_auth *auth = ray_auth_of(call->ray);
    ray_text *out = call->out;
    ray_credential_spec row;
    ray_credential_stats stats;
    ray_name tenant, service;
    ray_tenant_spec spec;
    uint32_t handle;
    ray_status status = ray_auth_named(call, 2, &handle);
    if (status != RAY_OK || ray_auth_credential_read(auth, handle, &row) != RAY_OK)
        return status;
    ray_auth_credential_stats(auth, call->now_ns, handle, &stats);
    __builtin_memset(&tenant, 0, sizeof tenant);
    if (ray_tenant_read(call->ray, row.tenant, &spec) == RAY_OK)
        tenant = spec.name;
    ray_by_name(call->ray, RAY_BY_SERVICE, row.service, &service);
    if (call->json != 0) {
        show_json(call, &row, &stats, &tenant, &service);
        return RAY_OK;
    }
    ray_line_name(out, COLUMN, "name", &row.name);
    ray_line_word(out, COLUMN, "scheme", ray_scheme_word(row.scheme));
    ray_line_name(out, COLUMN, "user", row.user.at[0] != 0 ? &row.user : &row.name);
    ray_line_name(out, COLUMN, "tenant", &tenant);
    ray_line_name(out, COLUMN, "service", &service);
    ray_line_word(out, COLUMN, "role", ray_role_word(row.role));
    ray_line_u64(out, COLUMN, "live secrets", (uint64_t)row.digest[0][0] + row.digest[1][0]);
    ray_line_word(out, COLUMN, "state", state_word(call, &row, &stats));
    ray_line_begin(out, COLUMN, "expires");
    end_moment(out, row.expires_ns);
    ray_line_begin(out, COLUMN, "at most");
    if (row.permissions != 0)
        ray_auth_put_rights(out, row.permissions);
    else
        ray_text_put(out, "what its role may");
    ray_text_char(out, '\n');
    ray_line_begin(out, COLUMN, "last good");
    end_moment(out, stats.last_ns != 0 ? (int64_t)stats.last_ns + ray_call_wall_offset(call) : 0);
    ray_line_u64(out, COLUMN, "granted", stats.granted_count);
    ray_line_u64(out, COLUMN, "denied", stats.denied_count);
    ray_line_duration(out, COLUMN, "locked for", stats.retry_after_ns);
    return RAY_OK;
}

/* -- tokens -- */
static ray_status run_tokens(ray_call *call)
{
    static const char words[4][8] = {"free", "issued", "revoked", "rotated"};
    const ray_auth *auth = ray_auth_of(call->ray);
    int64_t offset_ns = ray_call_wall_offset(call);
    ray_text *out = call->out;
    ray_token row;
    if (call->json != 0)
        ray_text_json_open(out, 0, '[');
    for (uint32_t place = 0; place < RAY_TOKEN_MAX; place++) {
        if (ray_auth_token_read(auth, call->now_ns, offset_ns, place, &row) != RAY_OK)
            continue;
        if (call->json != 0) {
            ray_text_json_open(out, 0, '{');
            ray_text_json_hex(out, "id", row.id, sizeof row.id);
            ray_text_json_literal(out, "state", words[row.state]);
            ray_text_json_string(out, "user", (const char *)row.user, row.user_length);
            ray_text_json_literal(out, "role", ray_role_word(row.role));
            ray_text_json_i64(out, "expires_ns", row.expires_ns);
            ray_text_json_close(out, '}');
            continue;
        }
        ray_text_hex_bytes(out, row.id, sizeof row.id);
        ray_text_put(out, "  ");
        ray_text_put(out, words[row.state]);
        ray_text_column(out, 44);
        ray_text_put(out, ray_role_word(row.role));
        ray_text_column(out, 62);
        ray_text_escaped(out, (const char *)row.user, row.user_length);
        ray_text_char(out, '\n');
    }
    if (call->json != 0) {
        ray_text_json_close(out, ']');
        ray_text_char(out, '\n');
    }
    return RAY_OK;
}

/* -- rights, test -- */
static ray_status run_rights(ray_call *call)
{
    ray_text *out = call->out;
    uint32_t role = ray_option_place(call->word[3], call->length[3], ray_role_word,
                                     RAY_ROLE_MAX);
    uint32_t service;
    ray_view user = {(const uint8_t *)call->word[2], call->length[2]};
    ray_status status = ray_auth_service_word(call, 4, &service);
    if (status != RAY_OK)
        return status;
    if (role == RAY_ROLE_MAX)
        return ray_call_error(call, RAY_E_ARGUMENT, "a role is admin, service-account, user or "
                              "guest, not", 3, 0);
    uint32_t rights = ray_auth_rights(ray_auth_of(call->ray), role, RAY_NONE, user, service);
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_u64(out, "permissions", rights);
        ray_json_end(out);
        return RAY_OK;
    }
    ray_auth_put_rights(out, rights);
    ray_text_char(out, '\n');
    return RAY_OK;
}

/* A token; only asks, so it costs its owner nothing. */
static ray_status run_test(ray_call *call)
{
    ray_text *out = call->out;
    ray_auth_answer answer;
    uint32_t service;
    ray_view token = {(const uint8_t *)call->word[2], call->length[2]};
    ray_status status = ray_auth_service_word(call, 3, &service);
    if (status == RAY_OK)
        status = ray_auth_validate(ray_auth_of(call->ray), call->now_ns,
                                   ray_call_wall_offset(call), call->machine->secrets, service,
                                   token, &answer);
    if (status != RAY_OK)
        return status;
    if (call->json != 0) {
        ray_text_json_open(out, 0, '{');
        ray_text_json_bool(out, "granted", answer.granted);
        ray_text_json_literal(out, "reason", ray_reason_word(answer.reason));
        ray_text_json_literal(out, "scheme", ray_scheme_word(answer.scheme));
        ray_text_json_string(out, "user", (const char *)answer.user,
                             answer.known != 0 ? answer.user_length : 0);
        ray_text_json_literal(out, "role", ray_role_word(answer.known != 0 ? answer.role : 0));
        ray_text_json_u64(out, "permissions", answer.permissions);
        ray_json_end(out);
        return RAY_OK;
    }
    ray_line_word(out, COLUMN, "granted", answer.granted != 0 ? "yes" : "no");
    ray_line_word(out, COLUMN, "reason", ray_reason_word(answer.reason));
    ray_line_word(out, COLUMN, "scheme", ray_scheme_word(answer.scheme));
    if (answer.known == 0)
        return RAY_OK;
    ray_line_begin(out, COLUMN, "user");
    ray_text_escaped(out, (const char *)answer.user, answer.user_length);
    ray_text_char(out, '\n');
    ray_line_word(out, COLUMN, "role", ray_role_word(answer.role));
    ray_line_begin(out, COLUMN, "may");
    ray_auth_put_rights(out, answer.permissions);
    ray_text_char(out, '\n');
    return RAY_OK;
}

/* -- the table -- */
static const ray_subcommand subs[] = {
    {"status", "", "counters, and where randomness comes from", run_status, 1, 0},
    {"list", "", "API keys, Basic users and bearers, without secrets", run_list, 1, 0},
    {"show", "NAME", "one of them", run_show, 1, 0},
    {"tokens", "", "tokens that were issued, rotated or revoked and have not ended", run_tokens, 1,
     0},
    {"test", "TOKEN [SERVICE]", "whose it is, and what it may; changes nothing", run_test, 1, 0},
    {"rights", "USER ROLE [SERVICE]", "(role + granted) - revoked", run_rights, 1, 0},
    {"export", "[csv|json|prometheus|openmetrics]",
     "every credential in fixed columns, or metrics", run_export, 1, 0},
    {"issue", "USER ROLE [--tenant=NAME] [--lifetime=D]", "signs a token and shows it once",
     ray_auth_run_issue, 0, 0},
    {"refresh", "TOKEN", "a new token for a live one, which is no longer good",
     ray_auth_run_refresh, 0, 0},
    {"revoke", "TOKEN [--foreign=D] [--issuer=NAME]",
     "a token, or its id: never good again (confirm)", ray_auth_run_revoke, 0, 0},
    {"key-add", "NAME [--role=ROLE] [--tenant=NAME] [--service=NAME]",
     "a new API key; its secret is shown once", ray_auth_run_key_add, 0, 0},
    {"key-rotate", "NAME", "a second live secret, shown once", ray_auth_run_key_rotate, 0, 0},
    {"key-retire", "NAME", "ends the older of two secrets (confirm)", ray_auth_run_key_retire, 0,
     0},
    {"key-remove", "NAME", "removes it (confirm)", ray_auth_run_key_remove, 0, 0},
    {"disable", "NAME", "keeps it and refuses it", ray_auth_run_disable, 0, 0},
    {"enable", "NAME", "takes it back", ray_auth_run_enable, 0, 0},
    {"grant", "USER PERMISSION [SERVICE]", "read, write, execute or admin beside the role",
     ray_auth_run_grant, 0, 0},
    {"deny", "USER PERMISSION [SERVICE]", "takes it away, whatever gave it", ray_auth_run_deny, 0,
     0},
    {"clear", "USER [SERVICE]", "back to what the role has", ray_auth_run_clear, 0, 0},
};

const ray_command ray_command_auth = {"auth", "who is asking: tokens and API keys",
                                      subs, sizeof subs / sizeof subs[0], 19, 1, 0};
