/* SPDX-License-Identifier: MIT */
/* rng.c - 16 bytes of seed, what secrets are made from, and 8 of stack canary. A seed that fw_cfg
 * gives repeats a run; entropy that it gives is fresh from the host, for processors that have no
 * RDRAND. Then RDRAND, then a mix of time stamps, which the caller is told is guessable. */
#include "boot.h"
#include "x86.h"

enum { SEED_BYTES = 16, ENTROPY_BYTES = 48, RDRAND = 1u << 30 };

static uint32_t hardware(uint64_t *out)
{
    uint8_t good = 0;

    if (!(cpuid_read(1).c & RDRAND))
        return 0;
    for (uint32_t tries = 0; !good && tries < 16; tries++)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(good));
    return good;
}

/* splitmix64 (Steele, Lea and Flood 2014), fed with what little the counter's low bits know. */
static uint64_t guess(void)
{
    uint64_t z = tsc_read() * 0x9e3779b97f4a7c15u + entry_tsc;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t rng_canary(void)
{
    uint64_t value;

    if (!hardware(&value))
        value = guess();
    return value & ~0xffull;                    /* a zero byte stops runaway text copies */
}

/* The host's 48 bytes: 16 for a seed, 32 for secrets. 0 if it gave none. */
static uint32_t from_host(uint8_t entropy[ENTROPY_BYTES])
{
    fwcfg_item item = fwcfg_find("opt/raygate/entropy");

    if (!item.found || item.size < ENTROPY_BYTES)
        return 0;
    fwcfg_read(&item, entropy, ENTROPY_BYTES);
    return 1;
}

uint32_t rng_fresh(uint8_t fresh[RNG_FRESH_BYTES])
{
    uint8_t entropy[ENTROPY_BYTES];
    uint64_t words[RNG_FRESH_BYTES / 8];

    if (from_host(entropy)) {
        memcpy(words, entropy + SEED_BYTES, 32);
        memset(entropy, 0, sizeof entropy);
        words[4] = tsc_read();                  /* a restart is given the same bytes again */
    } else {
        for (uint32_t i = 0; i < RNG_FRESH_BYTES / 8; i++)
            if (!hardware(&words[i]))
                return 0;
    }
    memcpy(fresh, words, RNG_FRESH_BYTES);
    memset(words, 0, sizeof words);
    return 1;
}

uint32_t rng_seed(uint8_t seed[16])
{
    fwcfg_item item = fwcfg_find("opt/raygate/seed");
    uint8_t entropy[ENTROPY_BYTES];
    uint64_t words[2];

    if (item.found && item.size >= SEED_BYTES) {
        fwcfg_read(&item, seed, SEED_BYTES);
        return 2;
    }
    if (from_host(entropy)) {
        memcpy(seed, entropy, SEED_BYTES);
        memset(entropy, 0, sizeof entropy);
        return 1;
    }
    uint32_t known = hardware(&words[0]) && hardware(&words[1]);
    if (!known) {
        words[0] = guess();
        words[1] = guess();
    }
    memcpy(seed, words, SEED_BYTES);
    return known;
}
