/* SPDX-License-Identifier: MIT */
/* formats.c - times a body on its way through the mediator: `formats BLOB HOW TRANSFORM BODY ITEMS
 * OUT`, a configuration as a file, check or write, the transform's name, the body as a file, how
 * many at a time, and where what was written goes. Prints the CPU time of one in picoseconds,
 * least of ROUNDS, and how many were good. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum { OUT_MAX = 65536 };

static ray_status once(const ray_mediator *mediator, uint32_t transform, uint32_t writes,
                       ray_view body, ray_text *out)
{
    static const ray_view headers = { NULL, 0 };
    ray_mediator_report report;
    out->length = 0;
    if (!writes)
        return ray_mediator_validate(mediator, transform, RAY_SIDE_REQUEST, headers, body, &report);
    return ray_mediator_encode_request(mediator, transform, headers, body, out, &report);
}

int main(int count, char **word)
{
    if (count != 7 || (strcmp(word[2], "check") && strcmp(word[2], "write")))
        return 2;
    const ray_mediator *mediator = ray_mediator_of(loaded(word[1]));
    uint32_t writes = word[2][0] == 'w', transform = RAY_NONE;
    if (ray_mediator_find(mediator, word[3], strlen(word[3]), &transform))
        return 2;
    input file_in = read_file(word[4]);
    ray_view body = { file_in.at, file_in.length };
    ray_text out = { aligned(OUT_MAX), OUT_MAX, 0, 0, 0 };
    uint64_t items = strtoull(word[5], NULL, 10), best = UINT64_MAX, good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        good = 0;
        for (uint64_t i = 0; i < items; i++)
            good += once(mediator, transform, writes, body, &out) == RAY_OK;
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    FILE *file = fopen(word[6], "wb");
    if (!file || fwrite(out.at, 1, out.length, file) != out.length || fclose(file)) {
        perror(word[6]);
        return 2;
    }
    say(best, items, good);
    return good == items ? 0 : 1;
}
