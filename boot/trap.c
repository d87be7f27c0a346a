/* SPDX-License-Identifier: MIT */
/* trap.c - exceptions print what they know and end the machine with a fixed code; interrupts
 * wake the main loop. The faults that may strike on a broken stack (#PF, #DF, NMI, #MC) have
 * stacks of their own. */
#include "boot.h"
#include "x86.h"

enum { VECTOR_DEBUG = 1, VECTOR_NMI = 2, VECTOR_DOUBLE = 8, VECTOR_PAGE = 14, VECTOR_CHECK = 18,
      EXCEPTIONS = 32 };
enum { IST_FAULT = 1, IST_DOUBLE = 2, IST_NMI = 3, IST_CHECK = 4, GATE_INTERRUPT = 0x8e };
enum { DEBUG_EXIT_PORT = 0x501, TSS_SELECTOR = 24, TSS_AT = 3 };

typedef struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
} trap_frame;

typedef struct gate {
    uint16_t low, selector;
    uint8_t stack, type;
    uint16_t middle;
    uint32_t high, reserved;
} gate;

typedef struct tss {
    uint32_t reserved_0;
    uint32_t words[25];            /* rsp0-2, reserved, ist1-7 as pairs, reserved */
} tss;

typedef struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
} table_pointer;

static gate idt[VECTOR_COUNT];
static tss task;
static uint32_t dying;
volatile uint64_t trap_irq_count;

void trap(const trap_frame *frame);

static const char *const names[EXCEPTIONS] = {
    "#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound",
        "#UD undefined instruction",
    "#NM no coprocessor", "#DF double fault", "coprocessor overrun", "#TS invalid task state",
        "#NP segment not present",
    "#SS stack segment", "#GP general protection", "#PF page fault", "reserved", "#MF x87",
        "#AC alignment",
    "#MC machine check", "#XM SIMD", "#VE virtualization", "#CP control protection"};

static uint32_t in_stack(uint64_t at)
{
    return at >= (uintptr_t)stack_guard_main + PAGE_BYTES &&
        at + 16 <= (uintptr_t)stack_top_check && !(at & 7) &&
           (at & ~0xfffull) != (uintptr_t)stack_guard_fault &&
               (at & ~0xfffull) != (uintptr_t)stack_guard_double &&
           (at & ~0xfffull) != (uintptr_t)stack_guard_nmi &&
               (at & ~0xfffull) != (uintptr_t)stack_guard_check;
}

static void backtrace(uint64_t frame)
{
    print_text("backtrace");
    for (uint32_t i = 0; i < BACKTRACE_MAX && in_stack(frame); i++) {
        const uint64_t *pair = (const uint64_t *)(uintptr_t)frame;
        if (!pair[1])
            break;
        print_text(" ");
        print_hex(pair[1], 8);
        if (pair[0] <= frame)
            break;
        frame = pair[0];
    }
    print_text("\n");
}

static void registers(const trap_frame *f)
{
    static const char *const labels[] = {"r15", "r14", "r13", "r12", "r11", "r10", "r9 ", "r8 ",
                                         "rbp", "rdi", "rsi",
                                         "rdx", "rcx", "rbx", "rax"};
    const uint64_t *value = &f->r15;

    for (uint32_t i = 0; i < 15; i++) {
        print_text(labels[i]);
        print_text(" ");
        print_hex(value[i], 16);
        print_text(i % 3 == 2 ? "\n" : "  ");
    }
}

void stop(uint32_t exit_value)
{
    interrupts_off();
    if (fwcfg_present())                        /* on other machines that port may be anything */
        out8(DEBUG_EXIT_PORT, (uint8_t)exit_value);
    if (exit_value == EXIT_CLEAN)
        acpi_off();
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* One line first, so that even a log cut short says what happened. A second fault while printing
 * ends at once. */
static void dump(const trap_frame *f)
{
    uint64_t cr2;

    if (dying++)
        stop(EXIT_FAULT);
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    print_text("\nraygate: fault ");
    print_decimal(f->vector);
    print_text(" ");
    print_text(f->vector < EXCEPTIONS && names[f->vector] ? names[f->vector] : "reserved");
    print_text(", error ");
    print_hex(f->error, 4);
    print_text(", rip ");
    print_hex(f->rip, 16);
    if (f->vector == VECTOR_PAGE) {
        print_text(", address ");
        print_hex(cr2, 16);
    }
    print_text("\nrsp ");
    print_hex(f->rsp, 16);
    print_text("  flags ");
    print_hex(f->rflags, 8);
    print_text("  up ");
    print_decimal(clock_ns());
    print_text(" ns\n");
    registers(f);
    backtrace(f->rbp);
    core_print();
    print_text("raygate: stopped by a fault\n");
    stop(EXIT_FAULT);
}

void trap(const trap_frame *frame)
{
    if (frame->vector < EXCEPTIONS) {
        dump(frame);
        return;
    }
    if (frame->vector == VECTOR_SPURIOUS)
        return;
    trap_irq_count++;
    if (frame->vector == VECTOR_COM1)
        uart_interrupt(&com1);
    else if (frame->vector == VECTOR_COM2)
        uart_interrupt(&com2);
    else if (frame->vector == VECTOR_VIRTIO)
        virtio_interrupt();
    apic_end();
}

void ray_panic(const char *what)
{
    uint64_t frame;

    interrupts_off();
    if (!dying++) {
        __asm__ volatile("mov %%rbp, %0" : "=r"(frame));
        print_text("\nraygate: panic: ");
        print_text(what);
        print_text("\n");
        backtrace(frame);
        print_text("raygate: stopped by a panic\n");
    }
    stop(EXIT_PANIC);
}

void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
    ray_panic("a stack frame was overwritten");
}

static void stack_of(uint32_t ist, const uint8_t *top)
{
    task.words[8 + 2 * (ist - 1)] = (uint32_t)(uintptr_t)top;
}

void trap_init(void)
{
    uint64_t base = (uintptr_t)&task;
    table_pointer pointer = {sizeof idt - 1, (uintptr_t)idt};

    stack_of(IST_FAULT, stack_top_fault);
    stack_of(IST_DOUBLE, stack_top_double);
    stack_of(IST_NMI, stack_top_nmi);
    stack_of(IST_CHECK, stack_top_check);
    task.words[24] = sizeof task << 16;         /* no I/O permission map */
    gdt[TSS_AT] = (sizeof task - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
                  (base >> 24 & 0xff) << 56;
    gdt[TSS_AT + 1] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR));
    for (uint32_t i = 0; i < VECTOR_COUNT; i++) {
        uint8_t stack = i == VECTOR_PAGE ? IST_FAULT : i == VECTOR_DOUBLE ? IST_DOUBLE :
                        i == VECTOR_NMI ? IST_NMI : i == VECTOR_CHECK ? IST_CHECK : 0;
        idt[i] = (gate){(uint16_t)isr_table[i], 8, stack, GATE_INTERRUPT,
                        (uint16_t)(isr_table[i] >> 16),
                        (uint32_t)(isr_table[i] >> 32), 0};
    }
    __asm__ volatile("lidt %0" : : "m"(pointer));
}
