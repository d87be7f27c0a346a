/* SPDX-License-Identifier: MIT */
/* usage.c - the usage text of a subcommand is also its grammar, so help, completion and checking
 * cannot disagree. */
#include "parts.h"

/* -- reading a usage text (private) -- */
static uint32_t ends_word(char c)
{
    return c == 0 || c == ' ' || c == '[' || c == ']' || c == '(' || c == ')';
}

static uint32_t is_dots(const char *at)
{
    return at[0] == '.' && at[1] == '.' && at[2] == '.';
}

/* 1 when the text at `at` closes its bracket and then says "...". */
static uint32_t repeats(const char *at)
{
    if (*at == ']')
        at++;
    return is_dots(at);
}

static uint32_t depth_at(const char *usage, uint64_t place)
{
    uint32_t depth = 0;
    for (uint64_t i = 0; i < place; i++)
        depth += usage[i] == '[' ? 1U : usage[i] == ']' ? 0xffffffffU : 0U;
    return depth;
}

/* -- reading -- */
uint32_t ray_usage_next(const char *usage, uint64_t *place, ray_usage_word *out)
{
    uint64_t i = *place;
    while (usage[i] != 0 && (ends_word(usage[i]) || is_dots(usage + i)))
        i += is_dots(usage + i) ? 3 : 1;
    if (usage[i] == 0)
        return 0;
    uint64_t end = i;
    uint64_t equals = 0;
    while (!ends_word(usage[end]) && !is_dots(usage + end)) {
        if (usage[end] == '=' && equals == 0)
            equals = end;
        end++;
    }
    __builtin_memset(out, 0, sizeof *out);
    out->at = usage + i;
    out->option = usage[i] == '-' && usage[i + 1] == '-';
    out->optional = depth_at(usage, i) != 0;
    out->length = (uint32_t)((out->option && equals != 0 ? equals : end) - i);
    out->value = out->option && equals != 0;
    if (out->option && equals == 0 && usage[end] == ' ' && !ends_word(usage[end + 1]) &&
        usage[end + 1] != '|' && usage[end + 1] != '-') {
        out->value = 1;
        for (end++; !ends_word(usage[end]) && !is_dots(usage + end);)
            end++;
    }
    out->many = repeats(usage + end);
    *place = end;
    return 1;
}

/* -- checking (private) -- */
static uint32_t same(const char *a, uint64_t a_length, const char *b, uint64_t b_length)
{
    return a_length == b_length && __builtin_memcmp(a, b, a_length) == 0;
}

static uint32_t find_option(const char *usage, const char *at, uint32_t length, ray_usage_word *out)
{
    uint64_t place = 0;
    while (ray_usage_next(usage, &place, out) != 0)
        if (out->option && same(out->at, out->length, at, length))
            return 1;
    return 0;
}

/* "; usage: ..." up to the first option; `help COMMAND` shows the rest. */
static void put_usage(ray_call *call)
{
    const char *usage = call->sub->usage;
    uint64_t shown = 0;
    while (usage[shown] != 0 && !(usage[shown] == '[' && usage[shown + 1] == '-'))
        shown++;
    ray_text_put(call->out, "; usage: ");
    ray_text_put(call->out, call->word[0]);
    if (call->sub->word[0] != 0) {
        ray_text_put(call->out, " ");
        ray_text_put(call->out, call->sub->word);
    }
    ray_text_put(call->out, shown != 0 || usage[shown] != 0 ? " " : "");
    ray_text_bytes(call->out, usage, shown);
    if (usage[shown] != 0) {
        ray_text_put(call->out, "[options]; see: help ");
        ray_text_put(call->out, call->word[0]);
    }
    ray_text_put(call->out, "\n");
}

static ray_status refuse_option(ray_call *call, uint32_t word, uint32_t length)
{
    ray_near near;
    ray_usage_word at;
    uint64_t place = 0;
    ray_near_begin(&near, call->word[word], length);
    while (ray_usage_next(call->sub->usage, &place, &at) != 0)
        if (at.option)
            ray_near_offer(&near, at.at, at.length);
    if (call->sub->reads)
        ray_near_offer(&near, "--json", 6);
    return ray_call_error(call, RAY_E_ARGUMENT, "no such option here", word, ray_near_word(&near));
}

/* How many words of the call the option at `word` takes: 1 or 2; 0 when it was refused and said so.
 */
static uint32_t option_words(ray_call *call, uint32_t word, ray_status *status)
{
    ray_usage_word usage;
    uint32_t length = 0;
    while (length < call->length[word] && call->word[word][length] != '=')
        length++;
    if (find_option(call->sub->usage, call->word[word], length, &usage) == 0) {
        *status = refuse_option(call, word, length);
        return 0;
    }
    *status = RAY_E_ARGUMENT;
    for (uint32_t i = word + 1; i < call->count && !usage.many; i++)
        if (same(call->word[i], call->length[i] < length ? call->length[i] : length,
                 call->word[word], length) &&
            (call->length[i] == length || call->word[i][length] == '=')) {
            *status = ray_call_error(call, RAY_E_ARGUMENT, "this option is given twice", i, 0);
            return 0;
        }
    if (usage.value == 0 && length != call->length[word]) {
        *status = ray_call_error(call, RAY_E_ARGUMENT, "this option takes no value", word, 0);
        return 0;
    }
    if (usage.value == 0 || length != call->length[word])
        return 1;
    if (word + 1 == call->count) {
        *status = ray_call_error(call, RAY_E_ARGUMENT, "this option needs a value", word, 0);
        return 0;
    }
    return 2;
}

/* Least and most words without dashes that the usage takes, and the name of the one at `want`. */
typedef struct counts {
    uint32_t least;
    uint32_t most;
    const char *missing;
    uint32_t missing_length;
} counts;

static counts count_plain(const char *usage, uint32_t want)
{
    counts out = {0, 0, 0, 0};
    ray_usage_word word;
    uint64_t place = 0;
    uint32_t choice = 0;
    while (ray_usage_next(usage, &place, &word) != 0) {
        if (word.length == 1 && word.at[0] == '|')
            choice = 1;
        if (word.option || (word.length == 1 && word.at[0] == '|'))
            continue;
        if (out.most == want) {
            out.missing = word.at;
            out.missing_length = word.length;
        }
        out.most = word.many ? RAY_SHELL_WORD_MAX : out.most + 1;
        out.least += word.optional ? 0U : 1U;
    }
    if (choice) {
        out.least = 0;
        out.most = RAY_SHELL_WORD_MAX;
    }
    return out;
}

static ray_status refuse_word(ray_call *call, uint32_t word)
{
    ray_text_put(call->out, "error: one word too many: \"");
    ray_text_escaped(call->out, call->word[word], call->length[word]);
    ray_text_put(call->out, "\"");
    put_usage(call);
    return RAY_E_ARGUMENT;
}

/* -- checking -- */
ray_status ray_usage_check(ray_call *call, uint32_t first)
{
    const char *option[RAY_SHELL_WORD_MAX];
    uint32_t length[RAY_SHELL_WORD_MAX];
    uint32_t options = 0;
    uint32_t plain = first;
    ray_status status = RAY_OK;
    for (uint32_t i = first; i < call->count;) {
        if (call->length[i] < 3 || call->word[i][0] != '-' || call->word[i][1] != '-') {
            call->word[plain] = call->word[i];
            call->length[plain++] = call->length[i++];
            continue;
        }
        uint32_t words = option_words(call, i, &status);
        if (words == 0)
            return status;
        for (uint32_t n = 0; n < words; n++, i++, options++) {
            option[options] = call->word[i];
            length[options] = call->length[i];
        }
    }
    for (uint32_t i = 0; i < options; i++) {
        call->word[plain + i] = option[i];
        call->length[plain + i] = length[i];
    }
    call->plain_count = plain;
    counts takes = count_plain(call->sub->usage, plain - first);
    if (plain - first > takes.most)
        return refuse_word(call, first + takes.most);
    if (plain - first >= takes.least)
        return RAY_OK;
    ray_text_put(call->out, "error: ");
    ray_text_bytes(call->out, takes.missing, takes.missing_length);
    ray_text_put(call->out, " is missing");
    put_usage(call);
    return RAY_E_ARGUMENT;
}
