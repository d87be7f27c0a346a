/* SPDX-License-Identifier: MIT */
/* token.c - times what a request's token goes through: `token BLOB TOKENS ITEMS WAY`, a
 * configuration with its key, a file with a token a line, how many at a time, and one of
 *   fresh   verified, as one that was not seen before: the first line alone
 *   seen    asked and noted as the pipeline does it, all lines in turn, kept since a round before
 * Prints the CPU time of one in picoseconds, least of ROUNDS, and how many were good; of `seen` how
 * many of those the cache answered. */
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum { LINES_MAX = 1024 };

/* One header as the gateway packs it: two lengths, name, value. */
static ray_view bearer(ray_view token)
{
    static const char name[] = "authorization", scheme[] = "Bearer ";
    uint64_t named = sizeof name - 1, length = sizeof scheme - 1 + token.length;
    uint8_t *at = aligned(4 + named + length);
    at[0] = (uint8_t)named;
    at[2] = (uint8_t)length;
    at[3] = (uint8_t)(length >> 8);
    memcpy(at + 4, name, named);
    memcpy(at + 4 + named, scheme, sizeof scheme - 1);
    memcpy(at + 4 + named + sizeof scheme - 1, token.at, token.length);
    return (ray_view){ at, 4 + named + length };
}

/* The lines of a file, 1 or more. */
static uint64_t lines_of(input file, ray_view lines[LINES_MAX])
{
    uint64_t count = 0;
    for (uint64_t from = 0, i = 0; i <= file.length && count < LINES_MAX; i++)
        if (i == file.length || file.at[i] == '\n') {
            if (i > from)
                lines[count++] = (ray_view){ file.at + from, i - from };
            from = i + 1;
        }
    return count;
}

static uint64_t fresh(ray_auth *auth, struct ray_secrets *secrets, ray_view token, uint64_t items)
{
    uint64_t good = 0;
    for (uint64_t i = 0; i < items; i++) {
        ray_auth_answer answer;
        if (ray_auth_validate(auth, 0, 0, secrets, RAY_NONE, token, &answer))
            exit(2);
        good += answer.granted;
    }
    return good;
}

/* As the pipeline asks: every header, the lockout, the token, its rights; then the note. */
static uint64_t seen(ray_auth *auth, struct ray_secrets *secrets, const ray_view *headers,
                     uint64_t count, uint64_t items)
{
    ray_auth_query query = { .service = RAY_NONE, .need = RAY_AUTH_REQUIRED, .address_known = 1,
                             .permission = RAY_PERMISSION_READ };
    uint64_t good = 0;
    for (uint64_t i = 0, which = 0; i < items; i++, which = which + 1 < count ? which + 1 : 0) {
        ray_auth_answer answer;
        query.headers = headers[which];
        if (ray_auth_ask(auth, 0, &query, secrets, &answer))
            exit(2);
        ray_auth_note(auth, 0, &query, &answer, answer.granted);
        good += answer.granted;
    }
    return good;
}

int main(int count, char **word)
{
    static const uint8_t seed[64] = { 7 };
    static ray_view token[LINES_MAX], headers[LINES_MAX];
    if (count != 5)
        return 2;
    input blob = read_file(word[1]);
    uint64_t lines = lines_of(read_file(word[2]), token), again = !strcmp(word[4], "seen");
    struct ray *ray = aligned(ray_bytes());
    struct ray_secrets *secrets = aligned(ray_secrets_bytes());
    ray_config_report report;
    static ray_auth_stats before, after;
    ray_init(ray, seed);
    ray_secrets_init(secrets);
    if (lines == 0 || ray_secrets_seed(secrets, seed, sizeof seed) ||
        ray_config_load(ray, secrets, 0, blob.at, blob.length, &report))
        return 2;
    for (uint64_t i = 0; i < lines; i++)
        headers[i] = bearer(token[i]);
    ray_auth *auth = ray_auth_of(ray);
    if (again)
        seen(auth, secrets, headers, lines, lines);
    uint64_t items = strtoull(word[3], NULL, 10), best = UINT64_MAX, good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        ray_auth_read(auth, &before);
        uint64_t began = cpu_ns();
        good = again ? seen(auth, secrets, headers, lines, items)
                     : fresh(auth, secrets, token[0], items);
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
        ray_auth_read(auth, &after);
    }
    say(best, items, again ? after.cache_hit_count - before.cache_hit_count : good);
    return good == items ? 0 : 1;
}
