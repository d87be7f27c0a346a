/* SPDX-License-Identifier: MIT */
/* acpi.c - three facts out of the firmware's tables: how to switch off, how to reset, where the
 * HPET is. No AML is run: S5's value is found by its name in the DSDT (ACPI 6.5, 7.4.2.5), as
 * small systems do. */
#include "boot.h"
#include "x86.h"

enum { DSDT = 40, PM1A = 64, FLAGS = 112, RESET = 116, RESET_VALUE = 128, SLEEP = 244 };
enum { REDUCED = 1u << 20, RESET_KNOWN = 1u << 10, IN_MEMORY = 0, IN_PORTS = 1 };
enum { SLEEP_ENABLE = 0x20, S5_REDUCED = 5 << 2, PM_SLEEP_ENABLE = 1 << 13,
      TABLE_BYTES_MAX = 1 << 20 };

typedef struct place {
    uint64_t at;
    uint32_t space;
    uint32_t known;
} place;

static place sleep_control, reset_control;
static uint8_t reset_value;
static uint32_t pm1a, pm_sleep;
static uint64_t hpet;

static uint64_t number(const uint8_t *at, uint32_t bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | at[bytes];
    return value;
}

static const uint8_t *table(uint64_t at)
{
    return (const uint8_t *)(uintptr_t)at;
}

static uint64_t length_of(const uint8_t *t)
{
    uint64_t bytes = number(t + 4, 4);

    return bytes < TABLE_BYTES_MAX ? bytes : 0;
}

static place generic(const uint8_t *at)
{
    return (place){number(at + 4, 8), at[0], 1};
}

/* "_S5_" is followed by a package whose first element is the value for SLP_TYP. */
static void find_s5(const uint8_t *dsdt)
{
    uint64_t bytes = length_of(dsdt);

    for (uint64_t i = 36; i + 16 < bytes; i++)
        if (!memcmp(dsdt + i, "_S5_\x12", 5)) {
            const uint8_t *p = dsdt + i + 5;
            p += (*p >> 6) + 2;                 /* package length, element count */
            pm_sleep = *p == 0x0a ? p[1] : *p;  /* byte prefix, or the constants Zero and One */
            return;
        }
}

static void read_fadt(const uint8_t *t)
{
    uint64_t bytes = length_of(t);
    uint32_t flags = (uint32_t)number(t + FLAGS, 4);

    if (bytes > RESET_VALUE && flags & RESET_KNOWN) {
        reset_control = generic(t + RESET);
        reset_value = t[RESET_VALUE];
    }
    if (flags & REDUCED && bytes >= SLEEP + 12) {
        sleep_control = generic(t + SLEEP);
        return;
    }
    pm1a = (uint32_t)number(t + PM1A, 4);
    find_s5(table(number(t + DSDT, 4)));
}

void acpi_init(const boot_info *info)
{
    const uint8_t *rsdp = table(info->rsdp);

    if (!info->rsdp)
        return;
    uint32_t wide = rsdp[15] >= 2 && number(rsdp + 24, 8) != 0, each = wide ? 8 : 4;
    const uint8_t *root = table(wide ? number(rsdp + 24, 8) : number(rsdp + 16, 4));
    for (uint64_t i = 36; i + each <= length_of(root); i += each) {
        const uint8_t *t = table(number(root + i, each));
        if (!memcmp(t, "FACP", 4))
            read_fadt(t);
        else if (!memcmp(t, "HPET", 4))
            hpet = number(t + 44, 8);
    }
}

uint64_t acpi_hpet(void)
{
    return hpet;
}

static void write_place(const place *p, uint8_t value)
{
    if (p->known && p->space == IN_PORTS)
        out8((uint16_t)p->at, value);
    else if (p->known && p->space == IN_MEMORY && p->at)
        *(volatile uint8_t *)(uintptr_t)p->at = value;
}

void acpi_off(void)
{
    write_place(&sleep_control, SLEEP_ENABLE | S5_REDUCED);
    if (pm1a)
        out16((uint16_t)pm1a, (uint16_t)(pm_sleep << 10 | PM_SLEEP_ENABLE));
}

void acpi_reset(void)
{
    write_place(&reset_control, reset_value);
}

/* Every way there is, the last of which cannot fail: an exception with no table to handle it. */
void machine_reset(void)
{
    const uint8_t nothing[10] = {0};

    interrupts_off();
    acpi_reset();
    out8(0xcf9, 6);
    out8(0x64, 0xfe);
    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
    __builtin_unreachable();
}
