/* SPDX-License-Identifier: MIT */
/* rng.c - 16 bytes of seed and 8 of stack canary: what fw_cfg gives (so that a run can be
 * repeated), else RDRAND, else a mix of time stamps, which the caller is told is guessable. */
#include "boot.h"
#include "x86.h"

enum { SEED_BYTES = 16, RDRAND = 1u << 30 };

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

uint32_t rng_fresh(uint8_t fresh[RNG_FRESH_BYTES])
{
    uint64_t words[RNG_FRESH_BYTES / 8];

    for (uint32_t i = 0; i < RNG_FRESH_BYTES / 8; i++)
        if (!hardware(&words[i]))
            return 0;
    memcpy(fresh, words, RNG_FRESH_BYTES);
    return 1;
}

uint32_t rng_seed(uint8_t seed[16])
{
    fwcfg_item item = fwcfg_find("opt/raygate/seed");
    uint64_t words[2];

    if (item.found && item.size >= SEED_BYTES) {
        fwcfg_read(&item, seed, SEED_BYTES);
        return 2;
    }
    uint32_t known = hardware(&words[0]) && hardware(&words[1]);
    if (!known) {
        words[0] = guess();
        words[1] = guess();
    }
    memcpy(seed, words, SEED_BYTES);
    return known;
}
