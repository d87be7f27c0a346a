/* SPDX-License-Identifier: MIT */
/* fwcfg.c - QEMU's named files for the guest (docs/specs/fw_cfg). By DMA where offered, byte by
 * byte otherwise. */
#include "boot.h"
#include "x86.h"

enum { SELECTOR = 0x510, BYTES = 0x511, DMA = 0x514 };
enum { SIGNATURE = 0, FEATURES = 1, DIRECTORY = 0x19, HAS_DMA = 2, FILES_MAX = 128 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SELECT = 8 };

typedef struct dma_request {
    volatile uint32_t control;                  /* all big-endian */
    uint32_t length;
    uint64_t address;
} dma_request;

typedef struct file {
    uint32_t size;                              /* big-endian, as is select */
    uint16_t select, reserved;
    char name[56];
} file;

static struct {
    uint32_t count;                             /* big-endian too */
    file entry[FILES_MAX];
} directory;
static uint32_t known, present, dma;

static void read_bytes(uint8_t *to, uint32_t bytes)
{
    while (bytes--)
        *to++ = in8(BYTES);
}

uint32_t fwcfg_present(void)
{
    uint32_t features;
    uint8_t four[4];

    if (known)
        return present;
    known = 1;
    out16(SELECTOR, SIGNATURE);
    read_bytes(four, 4);
    present = !memcmp(four, "QEMU", 4);
    if (present) {
        out16(SELECTOR, FEATURES);
        read_bytes(four, 4);
        memcpy(&features, four, 4);
        dma = features & HAS_DMA;
    }
    return present;
}

void fwcfg_read(const fwcfg_item *item, void *to, uint32_t bytes)
{
    dma_request request = {__builtin_bswap32((uint32_t)item->select << 16 | DMA_SELECT | DMA_READ),
                           __builtin_bswap32(bytes), __builtin_bswap64((uintptr_t)to)};
    uintptr_t at = (uintptr_t)&request;

    if (dma) {
        out32(DMA, 0);
        __asm__ volatile("" : : "r"(&request) : "memory");
        out32(DMA + 4, __builtin_bswap32((uint32_t)at));
        while (__builtin_bswap32(request.control) & ~(uint32_t)DMA_ERROR)
            cpu_relax();
        if (!request.control)
            return;
    }
    out16(SELECTOR, item->select);
    read_bytes(to, bytes);
}

/* Read whole and once: byte by byte it would cost every search a millisecond. */
fwcfg_item fwcfg_find(const char *name)
{
    const fwcfg_item all = {sizeof directory, DIRECTORY, 1};
    uint32_t count;

    if (!fwcfg_present())
        return (fwcfg_item){0, 0, 0};
    if (!directory.count)
        fwcfg_read(&all, &directory, sizeof directory);
    count = __builtin_bswap32(directory.count);
    for (uint32_t i = 0; i < count && i < FILES_MAX; i++) {
        const file *entry = &directory.entry[i];
        if (!entry->name[sizeof entry->name - 1] && same_text(entry->name, name))
            return (fwcfg_item){__builtin_bswap32(entry->size),
                                __builtin_bswap16(entry->select), 1};
    }
    return (fwcfg_item){0, 0, 0};
}
