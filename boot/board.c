/* SPDX-License-Identifier: MIT */
/* board.c - which machine this is, from its host bridge and its hypervisor's signature. */
#include "boot.h"
#include "x86.h"

enum { HOST_BRIDGE_Q35 = 0x29c08086, HOST_BRIDGE_PC = 0x12378086 };

const char *machine_name(void)
{
    uint32_t bridge = pci_present() ? pci_read(0, 0) : 0, hypervisor = cpuid_read(1).c >> 31;
    uint32_t tcg = hypervisor && cpuid_read(0x40000000).b == 0x54474354;

    if (!fwcfg_present())
        return hypervisor ? "x86_64, virtual" : "x86_64";
    if (bridge == HOST_BRIDGE_Q35)
        return tcg ? "QEMU q35, TCG" : "QEMU q35";
    if (bridge == HOST_BRIDGE_PC)
        return tcg ? "QEMU pc, TCG" : "QEMU pc";
    return tcg ? "QEMU microvm, TCG" : "QEMU microvm";
}
