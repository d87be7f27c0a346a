/* SPDX-License-Identifier: MIT */
/* pci.c - configuration space of bus 0, and addresses for devices that firmware left without
 * (qboot assigns none). */
#include "boot.h"
#include "x86.h"

enum { ADDRESS = 0xcf8, VALUE = 0xcfc, SLOT_MAX = 32, COMMAND = 4, HEADER = 0x0c, BAR = 0x10,
      CAPABILITIES = 0x34 };
enum { MEMORY_AND_MASTER = 6, IO_SPACE = 1, IS_64 = 4, FUNCTION_MAX = 8, MULTIPLE = 0x800000 };

/* Free on q35 and pc: between the usual firmware windows and the I/O APIC. */
static uint32_t next_address = 0xfe000000u;

uint32_t pci_read(uint32_t slot, uint32_t at)
{
    out32(ADDRESS, 0x80000000u | slot << 8 | (at & 0xfc));
    return in32(VALUE);
}

void pci_write(uint32_t slot, uint32_t at, uint32_t value)
{
    out32(ADDRESS, 0x80000000u | slot << 8 | (at & 0xfc));
    out32(VALUE, value);
}

uint32_t pci_present(void)
{
    return (pci_read(0, 0) & 0xffff) != 0xffff;
}

uint32_t pci_find(uint32_t vendor_device, uint32_t *slot)
{
    for (uint32_t device = 0; device < SLOT_MAX; device++)
        for (uint32_t function = 0; function < FUNCTION_MAX; function++) {
            uint32_t at = device << 3 | function, id = pci_read(at, 0);
            if (id == vendor_device) {
                *slot = at;
                return 1;
            }
            if (!function && ((id & 0xffff) == 0xffff || !(pci_read(at, HEADER) & MULTIPLE)))
                break;
        }
    return 0;
}

/* The size of a BAR, found by writing ones; `high` is the upper half of a 64-bit one. */
static uint64_t size_of(uint32_t slot, uint32_t at, uint32_t wide)
{
    uint32_t low = pci_read(slot, at), high = wide ? pci_read(slot, at + 4) : 0;
    uint64_t mask = 0xffffffff00000000u;

    pci_write(slot, at, 0xffffffff);
    mask |= pci_read(slot, at) & ~15u;
    pci_write(slot, at, low);
    if (wide) {
        pci_write(slot, at + 4, 0xffffffff);
        mask = (uint64_t)pci_read(slot, at + 4) << 32 | (uint32_t)mask;
        pci_write(slot, at + 4, high);
    }
    return ~mask + 1;
}

uint64_t pci_bar(uint32_t slot, uint32_t bar)
{
    uint32_t at = BAR + 4 * bar, low = pci_read(slot, at), wide = low & IS_64;
    uint64_t address = (low & ~15u) | (wide ? (uint64_t)pci_read(slot, at + 4) << 32 : 0);
    uint64_t bytes = size_of(slot, at, wide);

    if (low & IO_SPACE || !bytes || bytes > 1 << 24)
        return 0;
    if (!address) {
        next_address = (next_address + (uint32_t)bytes - 1) & ~((uint32_t)bytes - 1);
        address = next_address;
        next_address += (uint32_t)bytes;
        pci_write(slot, at, (uint32_t)address);
        if (wide)
            pci_write(slot, at + 4, 0);
    }
    pci_write(slot, COMMAND, (pci_read(slot, COMMAND) & 0xffff) | MEMORY_AND_MASTER);
    paging_map_device(address, bytes);
    return address;
}

/* The next capability of this kind after offset `after` (0: the first); 0 when there is none. */
uint32_t pci_capability(uint32_t slot, uint32_t id, uint32_t after)
{
    uint32_t at = after ? pci_read(slot, after) >> 8 & 0xfc : pci_read(slot, CAPABILITIES) & 0xfc;

    for (uint32_t steps = 0; at && steps < 48; steps++) {
        uint32_t word = pci_read(slot, at);
        if ((word & 0xff) == id)
            return at;
        at = word >> 8 & 0xfc;
    }
    return 0;
}
