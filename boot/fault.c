/* SPDX-License-Identifier: MIT */
/* fault.c - breaks one protection on purpose, so that a test sees the protection hold. */
#include "boot.h"

static volatile uint32_t zero;

/* Not a tail call and not a loop: the compiler must really use one frame per step. */
static uint64_t __attribute__((noinline)) deeper(volatile uint64_t *from)
{
    volatile uint64_t here[64];

    here[0] = *from + 1;
    return zero ? here[0] : deeper(here) + here[0];
}

static void __attribute__((noinline)) overwrite(uint32_t length)
{
    char buffer[16];
    volatile char *at = buffer;

    for (uint32_t i = 0; i < length; i++)
        at[i] = 'x';
}

static void run_data(void)
{
    static uint8_t code[16] = {0xc3};
    void (*call)(void);
    uintptr_t address = (uintptr_t)code;

    memcpy(&call, &address, sizeof call);
    call();
}

void fault_raise(uint32_t which)
{
    volatile uint64_t first = zero;

    switch (which) {
    case RAY_FAULT_PAGE:
        *(volatile uint32_t *)(uintptr_t)zero = 1;
        break;
    case RAY_FAULT_WRITE_TEXT:
        *(volatile uint8_t *)(uintptr_t)start = 0x90;
        break;
    case RAY_FAULT_RUN_DATA:
        run_data();
        break;
    case RAY_FAULT_UNDEFINED:
        __asm__ volatile("ud2");
        break;
    case RAY_FAULT_STACK:
        first = deeper(&first);
        break;
    case RAY_FAULT_SMASH:
        overwrite(96 + zero);
        break;
    case RAY_FAULT_DIVIDE:
        first = (first + 7) / zero;
        break;
    default:
        ray_panic("asked for by the fault command");
    }
    ray_panic("the machine survived a fault it must not survive");
}
