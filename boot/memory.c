/* SPDX-License-Identifier: MIT */
/* memory.c - RAM is given away in a few large pieces at start and never comes back. */
#include "boot.h"

static memory_range usable[RANGE_MAX];
static memory_range taken[TAKEN_MAX];
static uint32_t usable_count, taken_count;

static void mark(uint64_t start, uint64_t end)
{
    if (taken_count == TAKEN_MAX)
        ray_panic("memory: more pieces than TAKEN_MAX");
    taken[taken_count++] = (memory_range){start, end};
}

/* The lowest address at or after `from` where `bytes` fit before `end`, 0: none. */
static uint64_t fit(uint64_t from, uint64_t end, uint64_t bytes, uint64_t align)
{
    uint64_t start = (from + align - 1) & ~(align - 1);

    for (uint32_t i = 0; i < taken_count; i++)
        if (start < taken[i].end && start + bytes > taken[i].start) {
            start = (taken[i].end + align - 1) & ~(align - 1);
            i = (uint32_t)-1;                   /* it moved up: ask everybody again */
        }
    return start < end && bytes <= end - start ? start : 0;
}

void memory_init(const boot_info *info)
{
    for (uint32_t i = 0; i < info->usable_count; i++)
        if (info->usable[i].start < 1ull << 32)
            usable[usable_count++] = info->usable[i];
    mark(0, (uintptr_t)image_end);
    if (info->module.end)
        mark(info->module.start, info->module.end);
}

void *memory_take(uint64_t bytes, uint64_t align)
{
    for (uint32_t i = 0; i < usable_count; i++) {
        uint64_t end = usable[i].end < 1ull << 32 ? usable[i].end : 1ull << 32;
        uint64_t start = fit(usable[i].start, end, bytes, align);
        if (start) {
            mark(start, start + bytes);
            return (void *)(uintptr_t)start;
        }
    }
    ray_panic("memory: not enough RAM; the image needs 48 MiB");
}

void memory_warm(void)
{
    paging_warm(taken + 1, taken_count - 1);    /* the first is the image, with its guard pages */
}

uint64_t memory_free_bytes(void)
{
    uint64_t low = 0, high = 1ull << 32;

    while (high - low > PAGE_BYTES) {
        uint64_t middle = low + (high - low) / 2;
        uint32_t fits = 0;
        for (uint32_t i = 0; i < usable_count && !fits; i++)
            fits = fit(usable[i].start, usable[i].end, middle, PAGE_BYTES) != 0;
        if (fits)
            low = middle;
        else
            high = middle;
    }
    return low;
}
