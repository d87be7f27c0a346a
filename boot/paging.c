/* SPDX-License-Identifier: MIT */
/* paging.c - nothing is both writable and executable; page 0 and the pages below stacks do not
 * exist. Below 4 MiB, where the image is, rights are given page by page; above, 2 MiB pages that
 * never execute. */
#include "boot.h"
#include "x86.h"

#define PRESENT   1ull
#define WRITE     2ull
#define UNCACHED  0x18ull
#define LARGE     0x80ull
#define NO_EXECUTE (1ull << 63)

enum { SPARE_MAX = 6 };
static uint64_t spare[SPARE_MAX][512] __attribute__((aligned(4096)));
static uint32_t spare_count;

static void reload(void)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(page_top) : "memory");
}

static uint32_t is_guard(uint64_t at)
{
    const uint8_t *const guards[] = {stack_guard_main, stack_guard_fault, stack_guard_double,
                                     stack_guard_nmi,
                                     stack_guard_check};

    for (uint32_t i = 0; i < sizeof guards / sizeof *guards; i++)
        if (at == (uintptr_t)guards[i])
            return 1;
    return at == 0;
}

static uint64_t rights(uint64_t at)
{
    if (is_guard(at))
        return 0;
    if (at >= (uintptr_t)image_start && at < (uintptr_t)text_end)
        return PRESENT;
    if (at >= (uintptr_t)text_end && at < (uintptr_t)rodata_end)
        return PRESENT | NO_EXECUTE;
    return PRESENT | WRITE | NO_EXECUTE;
}

void paging_protect(void)
{
    for (uint64_t page = 0; page < 1024; page++) {
        uint64_t at = page * PAGE_BYTES, how = rights(at);
        page_fine[page / 512][page % 512] = how ? at | how : 0;
    }
    for (uint64_t i = 2; i < 2048; i++)
        /* devices: 3 to 4 GiB */
        page_middle[i / 512][i % 512] |= NO_EXECUTE | (i >= 1536 ? UNCACHED : 0);
    page_middle[0][0] = (uintptr_t)page_fine[0] | PRESENT | WRITE;
    page_middle[0][1] = (uintptr_t)page_fine[1] | PRESENT | WRITE;
    reload();
}

/* QEMU's software TLB begins with 256 entries of 4 KiB, and has twice as many after a flush before
 * which it was more than 70 % full (tlb_mmu_resize_locked in cputlb.c). A guest that never flushes
 * stays at 1 MiB and walks its page tables for much of what a request touches. So all that will be
 * touched is, and the TLB flushed, until it has room for it. */
void paging_warm(const memory_range *range, uint32_t count)
{
    uint64_t pages = 0, held = 256;
    if (hypervisor() != HYPERVISOR_TCG)
        return;
    for (uint32_t i = 0; i < count; i++)
        pages += (range[i].end - range[i].start) / PAGE_BYTES + 2;
    for (; pages * 100 > held * 70; held *= 2) {
        for (uint32_t i = 0; i < count; i++)
            for (uint64_t at = range[i].start; at < range[i].end; at += PAGE_BYTES)
                (void)*(const volatile uint8_t *)(uintptr_t)at;
        reload();
    }
}

static uint64_t *below(uint64_t *table, uint64_t index)
{
    if (!(table[index] & PRESENT)) {
        if (spare_count == SPARE_MAX)
            ray_panic("paging: more device windows than spare tables");
        table[index] = (uintptr_t)spare[spare_count++] | PRESENT | WRITE;
    }
    return (uint64_t *)(uintptr_t)(table[index] & 0x000ffffffffff000ull);
}

void paging_map_device(uint64_t at, uint64_t bytes)
{
    for (uint64_t page = at & ~0x1fffffull; page < at + bytes; page += 0x200000) {
        if (page < 1ull << 32)
            continue;
        uint64_t *upper = below(page_top, page >> 39 & 511);
        uint64_t *middle = below(upper, page >> 30 & 511);
        middle[page >> 21 & 511] = page | PRESENT | WRITE | UNCACHED | LARGE | NO_EXECUTE;
    }
    reload();
}
