/* SPDX-License-Identifier: MIT */
/* apic.c - the local APIC (timer, end of interrupt, NMI pin) and the I/O APICs. One CPU, so
 * everything goes to it. */
#include "boot.h"
#include "x86.h"

enum { ID = 0x20, TASK_PRIORITY = 0x80, END = 0xb0, SPURIOUS = 0xf0, TIMER = 0x320, LINT0 = 0x350,
      LINT1 = 0x360,
       ERROR = 0x370, COUNT_START = 0x380, COUNT_NOW = 0x390, DIVIDE = 0x3e0 };
enum { MASKED = 0x10000, AS_NMI = 0x400, LEVEL = 0x8000, BY_1 = 11, BY_128 = 10 };
enum { IO_FIRST = 0xfec00000, IO_SECOND = 0xfec10000, IO_VERSION = 1, IO_TABLE = 0x10 };
#define ABSENT 0xffffffffu

static uint64_t local;
static uint32_t pins[2];                        /* of each I/O APIC; 0: not there */
static uint64_t timer_hz;

static uint32_t io_read(uint64_t at, uint32_t reg)
{
    mmio_write32(at, reg);
    return mmio_read32(at + 0x10);
}

static void io_write(uint64_t at, uint32_t reg, uint32_t value)
{
    mmio_write32(at, reg);
    mmio_write32(at + 0x10, value);
}

static uint32_t io_pins(uint64_t at)
{
    uint32_t version = io_read(at, IO_VERSION);

    return version == ABSENT || !version ? 0 : (version >> 16 & 0xff) + 1;
}

void apic_init(void)
{
    local = msr_read(0x1b) & 0xffffff000ull;
    msr_write(0x1b, local | 0x800);             /* enabled */
    /* the old interrupt controllers, where they exist */
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    mmio_write32(local + TASK_PRIORITY, 0);
    mmio_write32(local + TIMER, MASKED);
    mmio_write32(local + LINT0, MASKED);
    mmio_write32(local + LINT1, AS_NMI);        /* qboot leaves it masked; hang dumps need it */
    mmio_write32(local + ERROR, MASKED);
    mmio_write32(local + SPURIOUS, 0x100 | VECTOR_SPURIOUS);
    pins[0] = io_pins(IO_FIRST);
    pins[1] = io_pins(IO_SECOND);
}

void apic_end(void)
{
    mmio_write32(local + END, 0);
}

uint32_t apic_gsi_count(void)
{
    return pins[0] + pins[1];
}

void apic_route(uint32_t gsi, uint32_t vector, uint32_t level)
{
    uint32_t second = gsi >= pins[0], pin = second ? gsi - pins[0] : gsi;
    uint64_t at = second ? IO_SECOND : IO_FIRST;

    if (pin >= pins[second])
        return;
    io_write(at, IO_TABLE + 2 * pin + 1, mmio_read32(local + ID) & 0xff000000u);
    io_write(at, IO_TABLE + 2 * pin, vector | (level ? LEVEL : 0u));
}

uint64_t apic_message_address(void)
{
    return 0xfee00000u | (mmio_read32(local + ID) >> 24) << 12;
}

void apic_count_begin(void)
{
    mmio_write32(local + TIMER, MASKED | VECTOR_TIMER);
    mmio_write32(local + DIVIDE, BY_1);
    mmio_write32(local + COUNT_START, 0xffffffff);
}

uint32_t apic_count_left(void)
{
    return mmio_read32(local + COUNT_NOW);
}

void apic_timer_hz(uint64_t hz)
{
    timer_hz = hz;
}

/* The counter has 32 bits: by 128 at 1 GHz it reaches 549 s, and waking early is harmless. */
void apic_timer_once(uint64_t ns)
{
    uint64_t count = ns / 1000 * (timer_hz / 128) / 1000000;

    mmio_write32(local + TIMER, VECTOR_TIMER);
    mmio_write32(local + DIVIDE, BY_128);
    mmio_write32(local + COUNT_START,
                 count > 0xffffffff ? 0xffffffff : count ? (uint32_t)count : 1);
}
