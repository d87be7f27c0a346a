/* SPDX-License-Identifier: MIT */
/* pack.c - makes the image half as large: usage: pack IN OUT. boot/packed/unpack.S reads it back.
 *
 * Calls and jumps get absolute targets, so that equal calls are equal bytes (the E8 transform of
 * Microsoft's cabinet format). Then LZ77 with an optimal parse, and two canonical Huffman codes of
 * at most 12 bits: one for literals and match lengths, one for distances. Numbers above 3 are a
 * slot, which is coded, and extra bits, which are not. Costs are learned in a few rounds.
 *
 * OUT: u32 bytes unpacked; code lengths, four bits each, first code first; the bits, most
 * significant first. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20, MATCH_MIN = 3, HASH_BITS = 16, STEPS = 128, PAIRS = 8, LONG = 128 };
enum { LITERALS = 256, SLOTS = 40, CODES = LITERALS + SLOTS, BITS_MAX = 12, ROUNDS = 3 };

typedef struct pair {
    uint32_t length, distance;
} pair;

static uint8_t in[BYTES_MAX + 8], out[BYTES_MAX * 2];
static int32_t head[1 << HASH_BITS], before[BYTES_MAX];
static pair found[BYTES_MAX][PAIRS], chosen[BYTES_MAX];
static uint32_t cost[BYTES_MAX + 1], total, bits;
static uint32_t count[2][CODES], length_of[2][CODES], code_of[2][CODES];

/* -- numbers as slot and extra bits -- */
static uint32_t slot_of(uint32_t value, uint32_t *extra)
{
    uint32_t n = 31;
    *extra = 0;
    if (value < 4)
        return value;
    while (!(value >> n))
        n--;
    *extra = n - 1;
    return 2 * n + (value >> (n - 1) & 1);
}

/* -- matches -- */
static uint32_t hash(const uint8_t *at)
{
    return (at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16) * 2654435761u >> (32 - HASH_BITS);
}

/* For every length the nearest copy: each pair is longer and further away than the one before. */
static void find(uint32_t at)
{
    uint32_t best = MATCH_MIN - 1, n = 0, tries = STEPS;
    if (at && found[at - 1][0].length > LONG) {     /* the rest of a long run, without search */
        found[at][0] = (pair){found[at - 1][0].length - 1, found[at - 1][0].distance};
        return;
    }
    for (int32_t i = head[hash(in + at)]; i >= 0 && tries-- && n < PAIRS; i = before[i]) {
        uint32_t length = 0;
        while (at + length < total && in[(uint32_t)i + length] == in[at + length])
            length++;
        if (length <= best)
            continue;
        best = length;
        found[at][length > LONG ? (n = PAIRS, 0) : n++] = (pair){length, at - (uint32_t)i};
    }
}

static void find_all(void)
{
    memset(head, 0xff, sizeof head);
    for (uint32_t i = 0; i + MATCH_MIN <= total; i++) {
        find(i);
        before[i] = head[hash(in + i)];
        head[hash(in + i)] = (int32_t)i;
    }
}

/* -- the parse -- */
static uint32_t price(uint32_t length, uint32_t distance)
{
    uint32_t more, extra, slot = slot_of(length - MATCH_MIN, &extra);
    uint32_t far = slot_of(distance - 1, &more);
    return length_of[0][LITERALS + slot] + extra + length_of[1][far] + more;
}

static void plan(void)
{
    for (uint32_t at = total; at-- > 0;) {
        uint32_t shortest = MATCH_MIN;
        cost[at] = cost[at + 1] + length_of[0][in[at]];
        chosen[at] = (pair){1, 0};
        for (uint32_t p = 0; p < PAIRS && found[at][p].length; p++) {
            uint32_t longest = found[at][p].length;
            for (uint32_t n = longest > LONG ? longest : shortest; n <= longest; n++) {
                uint32_t c = cost[at + n] + price(n, found[at][p].distance);
                if (c < cost[at]) {
                    cost[at] = c;
                    chosen[at] = (pair){n, found[at][p].distance};
                }
            }
            shortest = longest + 1;
        }
    }
}

static void tally(void)
{
    uint32_t extra;
    memset(count, 0, sizeof count);
    for (uint32_t at = 0; at < total; at += chosen[at].length) {
        if (chosen[at].length == 1) {
            count[0][in[at]]++;
            continue;
        }
        count[0][LITERALS + slot_of(chosen[at].length - MATCH_MIN, &extra)]++;
        count[1][slot_of(chosen[at].distance - 1, &extra)]++;
    }
}

/* -- codes -- */
/* Huffman 1952, by repeated search; counts are flattened until no code is longer than BITS_MAX. */
static void lengths(uint32_t which)
{
    uint32_t weight[2 * CODES], parent[2 * CODES], longest;
    for (uint32_t flat = 0;; flat++) {
        uint32_t n = CODES;
        for (uint32_t i = 0; i < CODES; i++)
            weight[i] = (count[which][i] >> flat) + 1;    /* each exists: it has a price */
        for (uint32_t left = CODES; left > 1; left--, n++) {
            uint32_t least[2] = {0, 0};
            for (uint32_t k = 0; k < 2; k++) {
                uint32_t best = 0xffffffff;
                for (uint32_t i = 0; i < n; i++)
                    if (weight[i] && weight[i] < best)
                        best = weight[least[k] = i];
                weight[n] = (k ? weight[n] : 0) + best;
                weight[least[k]] = 0;
                parent[least[k]] = n;
            }
        }
        longest = 0;
        for (uint32_t i = 0; i < CODES; i++) {
            length_of[which][i] = 0;
            for (uint32_t j = i; j != n - 1; j = parent[j])
                length_of[which][i]++;
            longest = length_of[which][i] > longest ? length_of[which][i] : longest;
        }
        if (longest <= BITS_MAX)
            break;
    }
    for (uint32_t n = 1, code = 0; n <= BITS_MAX; n++, code <<= 1)
        for (uint32_t i = 0; i < CODES; i++)
            if (length_of[which][i] == n)
                code_of[which][i] = code++;
}

/* -- writing -- */
static void put(uint32_t value, uint32_t n)
{
    while (n--) {
        out[bits / 8] |= (uint8_t)((value >> n & 1) << (7 - bits % 8));
        bits++;
    }
}

static void put_number(uint32_t which, uint32_t base, uint32_t value)
{
    uint32_t extra, slot = base + slot_of(value, &extra);
    put(code_of[which][slot], length_of[which][slot]);
    put(value, extra);
}

static void write_all(void)
{
    for (uint32_t i = 0; i < 4; i++)
        put(total >> 8 * i & 255, 8);
    for (uint32_t i = 0; i < 2 * CODES; i++)
        put(length_of[i / CODES][i % CODES], 4);
    for (uint32_t at = 0; at < total; at += chosen[at].length)
        if (chosen[at].length == 1) {
            put(code_of[0][in[at]], length_of[0][in[at]]);
        } else {
            put_number(0, LITERALS, chosen[at].length - MATCH_MIN);
            put_number(1, 0, chosen[at].distance - 1);
        }
}

static void targets_absolute(void)
{
    int32_t size = (int32_t)total;
    for (int32_t i = 0; i + 5 <= size; i++) {
        int32_t value;
        if ((in[i] & 0xfe) != 0xe8)
            continue;
        memcpy(&value, in + i + 1, 4);
        if (value >= -i && value < size) {
            value += value < size - i ? i : -size;
            memcpy(in + i + 1, &value, 4);
        }
        i += 4;
    }
}

int main(int words, char **word)
{
    FILE *from = words == 3 ? fopen(word[1], "rb") : NULL, *to;
    if (!from || !(total = (uint32_t)fread(in, 1, BYTES_MAX, from)) || total == BYTES_MAX)
        return 2;
    targets_absolute();
    find_all();
    for (uint32_t i = 0; i < 2 * CODES; i++)
        length_of[i / CODES][i % CODES] = i < LITERALS ? 8 : 6;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        plan();
        tally();
        lengths(0);
        lengths(1);
    }
    write_all();
    bits = (bits + 7) / 8;
    to = fopen(word[2], "wb");
    return !to || fwrite(out, 1, bits, to) != bits || fclose(to) ? 2 : 0;
}
