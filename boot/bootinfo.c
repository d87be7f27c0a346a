/* SPDX-License-Identifier: MIT */
/* bootinfo.c - two loaders, one answer: PVH start info (Xen public ABI) and Multiboot2 tags
 * (specification 2.0). Everything needed later is copied, because the loader's own memory counts
 * as free from here on. */
#include "boot.h"

enum { PVH_MAGIC = 0x336ec578, MULTIBOOT2_MAGIC = 0x36d76289, RAM = 1 };
enum { TAG_END = 0, TAG_COMMAND_LINE = 1, TAG_MODULE = 3, TAG_MEMORY = 6, TAG_RSDP_OLD = 14,
      TAG_RSDP_NEW = 15 };

typedef struct pvh_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory;
    uint32_t memory_count, reserved;
} pvh_info;

typedef struct pvh_module {
    uint64_t at, bytes, command_line, reserved;
} pvh_module;

typedef struct memory_entry {
    uint64_t start, bytes;
    uint32_t type, reserved;
} memory_entry;

typedef struct tag {
    uint32_t type, bytes;
} tag;

/* The RSDP that a Multiboot2 tag carries must outlive the loader's memory. */
static uint8_t rsdp_copy[36];

static const void *at(uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

static void text_copy(char *to, uint32_t room, const char *from)
{
    uint32_t i = 0;

    for (; from && from[i] && i + 1 < room; i++)
        to[i] = from[i];
    to[i] = 0;
}

static void range_add(boot_info *info, const memory_entry *entry)
{
    if (entry->type != RAM || info->usable_count == RANGE_MAX)
        return;
    info->memory_bytes += entry->bytes;
    info->usable[info->usable_count++] = (memory_range){entry->start, entry->start + entry->bytes};
}

static void pvh_read(boot_info *info, const pvh_info *pvh)
{
    const memory_entry *entry = at(pvh->memory);
    const pvh_module *module = at(pvh->modules);

    text_copy(info->loader, sizeof info->loader, "PVH");
    text_copy(info->command_line, COMMAND_LINE_BYTES, at(pvh->command_line));
    info->rsdp = pvh->rsdp;
    if (pvh->module_count && module->bytes)
        info->module = (memory_range){module->at, module->at + module->bytes};
    for (uint32_t i = 0; pvh->version >= 1 && i < pvh->memory_count; i++)
        range_add(info, entry + i);
}

static void tag_read(boot_info *info, const tag *t)
{
    const uint8_t *body = (const uint8_t *)(t + 1);
    const uint32_t *word = (const uint32_t *)(const void *)body;

    if (t->type == TAG_COMMAND_LINE) {
        text_copy(info->command_line, COMMAND_LINE_BYTES, (const char *)body);
    } else if (t->type == TAG_MODULE && !info->module.end) {
        info->module = (memory_range){word[0], word[1]};
    } else if (t->type == TAG_MEMORY) {
        for (uint32_t i = 16; i + word[0] <= t->bytes; i += word[0])
            range_add(info, (const memory_entry *)at((uintptr_t)t + i));
    } else if (t->type == TAG_RSDP_NEW || (t->type == TAG_RSDP_OLD && !info->rsdp)) {
        uint32_t bytes = t->bytes - (uint32_t)sizeof *t;
        memcpy(rsdp_copy, body, bytes < sizeof rsdp_copy ? bytes : sizeof rsdp_copy);
        info->rsdp = (uintptr_t)rsdp_copy;
    }
}

static void multiboot2_read(boot_info *info, uint64_t from)
{
    uint64_t end = from + *(const uint32_t *)at(from);

    text_copy(info->loader, sizeof info->loader, "Multiboot2");
    for (uint64_t next = from + 8; next + sizeof(tag) <= end;) {
        const tag *t = at(next);
        if (t->type == TAG_END)
            break;
        tag_read(info, t);
        next += (t->bytes + 7u) & ~7u;
    }
}

/* Without help from the loader the RSDP is on a 16-byte boundary of the BIOS area (ACPI 6.5,
 * 5.2.5.1). */
static uint64_t rsdp_scan(void)
{
    for (uint64_t address = 0xe0000; address < 0x100000; address += 16)
        if (!memcmp(at(address), "RSD PTR ", 8))
            return address;
    return 0;
}

void boot_info_read(boot_info *info, uint32_t eax, uint64_t ebx)
{
    const pvh_info *pvh = at(ebx);

    if (pvh->magic == PVH_MAGIC)                /* before EAX: see entry.S */
        pvh_read(info, pvh);
    else if (eax == MULTIBOOT2_MAGIC)
        multiboot2_read(info, ebx);
    if (!info->rsdp)
        info->rsdp = rsdp_scan();
}

uint32_t boot_info_has(const boot_info *info, const char *word)
{
    const char *c = info->command_line;

    while (*c) {
        const char *w = word;
        while (*w && *c == *w)
            c++, w++;
        if (!*w && (!*c || *c == ' '))
            return 1;
        while (*c && *c != ' ')
            c++;
        while (*c == ' ')
            c++;
    }
    return 0;
}
