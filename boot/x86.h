/* SPDX-License-Identifier: MIT */
/* x86: the instructions C has no words for. */
#ifndef BOOT_X86_H
#define BOOT_X86_H
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/* The fence keeps a read of the counter from drifting over the device access it brackets. */
static inline uint64_t tsc_read(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value),
                     "d"((uint32_t)(value >> 32)) : "memory");
}

typedef struct cpuid_words {
    uint32_t a, b, c, d;
} cpuid_words;

static inline cpuid_words cpuid_read(uint32_t leaf)
{
    cpuid_words w;

    __asm__ volatile("cpuid" : "=a"(w.a), "=b"(w.b), "=c"(w.c), "=d"(w.d) : "a"(leaf), "c"(0));
    return w;
}

/* What the hypervisor calls itself, its first four letters; 0: there is none. */
enum { HYPERVISOR_TCG = 0x54474354, HYPERVISOR_KVM = 0x4b4d564b };
static inline uint32_t hypervisor(void)
{
    return cpuid_read(1).c >> 31 ? cpuid_read(0x40000000).b : 0;
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

/* `sti` takes effect after the next instruction, so nothing can slip in between it and `hlt`. */
static inline void interrupts_on_and_wait(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* Device registers: one access of exactly this width, in program order. */
static inline uint32_t mmio_read32(uint64_t at)
{
    return *(volatile uint32_t *)(uintptr_t)at;
}

static inline void mmio_write32(uint64_t at, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)at = value;
}

#endif
