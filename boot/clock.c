/* SPDX-License-Identifier: MIT */
/* clock.c - the time stamp counter, measured once against a clock whose rate is known.
 *
 * Each reading of the reference is bracketed by two readings of the counter and the narrowest
 * bracket of many is kept, so that being preempted by the host between two reads cannot spoil the
 * measurement. */
#include "boot.h"
#include "x86.h"

enum { BRACKETS = 32, PIT_HZ = 1193182, FEMTO_PER_NS = 1000000 };
#define NS_PER_S 1000000000ull
#define MEASURE_NS 1000000ull
#define HYPERVISOR_LAPIC_HZ 1000000000ull       /* QEMU and KVM both run the local APIC at 1 GHz */

typedef struct reference {
    uint64_t (*read)(void);                     /* counts up */
    uint64_t hz;
    const char *name;
    /* 1: so short that a long preemption can fool one measurement */
    uint32_t wraps;
} reference;

typedef struct sample {
    uint64_t tsc, count;
} sample;

static uint64_t hpet_at, tsc_hz, ns_scale;      /* scale: ns per count, 32 fraction bits */

static uint64_t lapic_read(void)
{
    return 0xffffffffu - apic_count_left();
}

static uint64_t hpet_read(void)
{
    return mmio_read32(hpet_at + 0xf0);
}

static uint64_t pit_read(void)
{
    uint32_t low, high;

    out8(0x43, 0);                              /* latch channel 0, which counts down from 65536 */
    low = in8(0x40);
    high = in8(0x40);
    return 0xffffu - (high << 8 | low);
}

static sample take(const reference *r)
{
    sample best = {0, 0};
    uint64_t narrowest = ~0ull;

    for (uint32_t i = 0; i < BRACKETS; i++) {
        uint64_t before = tsc_read(), count = r->read(), width = tsc_read() - before;
        if (width < narrowest) {
            narrowest = width;
            best = (sample){before + width / 2, count};
        }
    }
    return best;
}

static uint64_t measure_once(const reference *r)
{
    sample first = take(r), last;
    uint64_t goal = first.count + r->hz * (MEASURE_NS / 1000) / 1000000;

    while (r->read() < goal)
        cpu_relax();
    last = take(r);
    return (last.tsc - first.tsc) * r->hz / (last.count - first.count);
}

static uint64_t measure(const reference *r)
{
    uint64_t hz = measure_once(r);

    for (uint32_t tries = 0; r->wraps && tries < 8; tries++) {
        uint64_t again = measure_once(r), apart = again > hz ? again - hz : hz - again;
        if (apart <= hz / 500)
            return again < hz ? again : hz;     /* delays only ever make the counter look fast */
        hz = again;
    }
    return hz;
}

static uint32_t under_hypervisor(void)
{
    return hypervisor() == HYPERVISOR_TCG || hypervisor() == HYPERVISOR_KVM;
}

/* CPUID leaf 0x15: crystal rate and its ratio to the counter (Intel SDM volume 2A). */
static uint64_t told_by_cpu(void)
{
    cpuid_words w = cpuid_read(0);

    if (w.a < 0x15)
        return 0;
    w = cpuid_read(0x15);
    return w.a && w.b && w.c ? (uint64_t)w.c * w.b / w.a : 0;
}

static uint64_t hpet_hz(uint64_t at)
{
    uint32_t period = at ? mmio_read32(at + 4) : 0;     /* femtoseconds */

    if (!period || period > 100 * FEMTO_PER_NS)
        return 0;
    mmio_write32(at + 0x10, mmio_read32(at + 0x10) | 1);
    return NS_PER_S * FEMTO_PER_NS / period;
}

static reference choose(const boot_info *info, uint64_t hpet)
{
    reference lapic = {lapic_read, HYPERVISOR_LAPIC_HZ, "LAPIC", 0};
    reference timer = {hpet_read, hpet_hz(hpet), "HPET", 0};
    reference pit = {pit_read, PIT_HZ, "PIT", 1};

    if (boot_info_has(info, "clock=pit"))
        return pit;
    if (under_hypervisor() && !boot_info_has(info, "clock=hpet"))
        return lapic;
    hpet_at = hpet;
    return timer.hz ? timer : pit;
}

static void pit_begin(void)
{
    out8(0x43, 0x34);                           /* channel 0, both bytes, rate generator, 65536 */
    out8(0x40, 0);
    out8(0x40, 0);
}

/* The local APIC's rate where it was not the reference: counted for a millisecond of the
 * counter. */
static uint64_t lapic_hz(void)
{
    uint64_t begin = tsc_read(), first = lapic_read();

    while (tsc_read() - begin < tsc_hz / 1000)
        cpu_relax();
    return (lapic_read() - first) * 1000;
}

clock_facts clock_init(const boot_info *info, uint64_t hpet)
{
    reference r = choose(info, hpet);
    uint64_t told = r.read == lapic_read || boot_info_has(info, "clock=pit") ? 0 : told_by_cpu();

    apic_count_begin();
    if (r.read == pit_read)
        pit_begin();
    tsc_hz = told ? told : measure(&r);
    ns_scale = (NS_PER_S << 32) / tsc_hz;
    apic_timer_hz(r.read == lapic_read ? r.hz : lapic_hz());
    /* Exactly 1 GHz happens only where instructions are the clock: QEMU's -icount. */
    return (clock_facts){r.read == lapic_read &&
                         tsc_hz == NS_PER_S ? "icount" : told ? "CPUID" : r.name, tsc_hz};
}

uint64_t clock_ns(void)
{
    return (uint64_t)((unsigned __int128)(tsc_read() - entry_tsc) * ns_scale >> 32);
}

/* -- wall clock -- */
typedef struct rtc_time {
    uint32_t field[6];                          /* second, minute, hour, day, month, year */
} rtc_time;

static uint32_t rtc_read(uint32_t reg)
{
    out8(0x70, (uint8_t)reg);
    return in8(0x71);
}

static uint32_t rtc_take(rtc_time *out)
{
    static const uint8_t registers[6] = {0, 2, 4, 7, 8, 9};
    uint64_t patience = clock_ns() + NS_PER_S / 100;

    while (rtc_read(10) & 0x80)                 /* an update is under way: at most 2 ms */
        if (clock_ns() > patience)
            return 0;
    for (uint32_t i = 0; i < 6; i++)
        out->field[i] = rtc_read(registers[i]);
    return 1;
}

static uint64_t rtc_seconds(rtc_time t)
{
    uint32_t how = rtc_read(11), afternoon = t.field[2] & 0x80, *f = t.field;

    f[2] &= 0x7f;
    for (uint32_t i = 0; !(how & 4) && i < 6; i++)
        f[i] = (f[i] >> 4) * 10 + (f[i] & 15);
    if (!(how & 2))
        f[2] = f[2] % 12 + (afternoon ? 12 : 0);
    if (f[0] > 59 || f[1] > 59 || f[2] > 23 || f[3] < 1 || f[3] > 31 || f[4] < 1 || f[4] > 12 ||
        f[5] > 99)
        return 0;
    /* Days since 2000-03-01 with the year starting in March, then back to 1970 (two-digit years
     * are 2000 to 2099). */
    uint32_t year = f[5] + 400 - (f[4] < 3), month = (f[4] + 9) % 12;
    uint64_t leap = year / 4 - year / 100 + year / 400;
    uint64_t days = 365ull * year + leap + (153 * month + 2) / 5 + f[3] - 1;
    return (days - 146097 + 11017) * 86400 + f[2] * 3600 + f[1] * 60 + f[0];
}

uint64_t clock_wall_ns(void)
{
    rtc_time first, second;

    for (uint32_t tries = 0; tries < 4; tries++)
        if (rtc_take(&first) && rtc_take(&second) && !memcmp(&first, &second, sizeof first))
            return rtc_seconds(first) * NS_PER_S;
    return 0;
}
