/* SPDX-License-Identifier: MIT */
/* pack.c - makes the image small: the LZ4 block format (lz4_Block_format.md), parsed optimally.
 * usage: pack IN OUT. boot/packed/unpack.S reads it back; its last sequence is literals only.
 * Written for one small file: every table is static. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20, MATCH_MIN = 4, REACH = 65535, HASH_BITS = 16, STEPS = 128, LAST = 5,
       GOOD = 96 /* a match this long is taken whole, without looking for another */ };

static uint8_t in[BYTES_MAX + 8], out[BYTES_MAX * 2];
static int32_t head[1 << HASH_BITS], before[BYTES_MAX];
static uint32_t length_of[BYTES_MAX], reach_of[BYTES_MAX], cost[BYTES_MAX + 1], step[BYTES_MAX];
static uint32_t total, used;

static uint32_t hash(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    return word * 2654435761u >> (32 - HASH_BITS);
}

/* The longest earlier copy of what begins at `at`; the nearest of equals. */
static void find(uint32_t at)
{
    uint32_t tries = STEPS;
    if (at && length_of[at - 1] > GOOD) {       /* inside a long match: its rest, without search */
        length_of[at] = length_of[at - 1] - 1;
        reach_of[at] = reach_of[at - 1];
        return;
    }
    for (int32_t i = head[hash(in + at)];
         i >= 0 && at - (uint32_t)i <= REACH && tries-- && length_of[at] < GOOD; i = before[i]) {
        uint32_t n = 0;
        while (at + n < total - LAST && in[i + (int32_t)n] == in[at + n])
            n++;
        if (n > length_of[at]) {
            length_of[at] = n;
            reach_of[at] = at - (uint32_t)i;
        }
    }
}

static uint32_t extra(uint32_t n, uint32_t shown)
{
    return n < shown + 15 ? 0 : (n - shown - 15) / 255 + 1;
}

/* From the end backwards: the cheapest way to write what is left, literal by literal or by match. */
static void plan(void)
{
    for (uint32_t at = total; at-- > 0;) {
        cost[at] = cost[at + 1] + 1;
        step[at] = 1;
        uint32_t shortest = length_of[at] >= GOOD ? length_of[at] : MATCH_MIN;
        for (uint32_t n = length_of[at]; n && n >= shortest; n--) {
            uint32_t c = cost[at + n] + 3 + extra(n, MATCH_MIN);
            if (c < cost[at]) {
                cost[at] = c;
                step[at] = n;
            }
        }
    }
}

static void put_extra(uint32_t n, uint32_t shown)
{
    if (n < shown + 15)
        return;
    for (n -= shown + 15; n >= 255; n -= 255)
        out[used++] = 255;
    out[used++] = (uint8_t)n;
}

static void put(uint32_t from, uint32_t literals, uint32_t match, uint32_t reach)
{
    uint32_t shown = match ? match - MATCH_MIN : 0;
    out[used++] = (uint8_t)((literals < 15 ? literals : 15) << 4 | (shown < 15 ? shown : 15));
    put_extra(literals, 0);
    memcpy(out + used, in + from, literals);
    used += literals;
    if (!match)
        return;
    out[used++] = (uint8_t)reach;
    out[used++] = (uint8_t)(reach >> 8);
    put_extra(match, MATCH_MIN);
}

int main(int count, char **words)
{
    FILE *from = count == 3 ? fopen(words[1], "rb") : NULL, *to;
    uint32_t begin = 0, at = 0;
    if (!from || !(total = (uint32_t)fread(in, 1, BYTES_MAX, from)) || total == BYTES_MAX)
        return 2;
    memset(head, 0xff, sizeof head);
    for (uint32_t i = 0; i + MATCH_MIN <= total; i++) {
        if (i + MATCH_MIN + LAST < total)
            find(i);
        before[i] = head[hash(in + i)];
        head[hash(in + i)] = (int32_t)i;
    }
    plan();
    while (at < total) {
        if (step[at] > 1) {
            put(begin, at - begin, step[at], reach_of[at]);
            begin = at + step[at];
        }
        at += step[at];
    }
    put(begin, total - begin, 0, 0);
    to = fopen(words[2], "wb");
    return !to || fwrite(out, 1, used, to) != used || fclose(to) ? 2 : 0;
}
