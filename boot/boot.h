/* SPDX-License-Identifier: MIT */
/* boot: every function of the image's machine layer, in the order main.c starts them. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H
#include <stddef.h>
#include <stdint.h>
#include "shell.h"

enum boot_size {
    PAGE_BYTES = 4096,
    FINE_BYTES = 4 << 20,          /* the image lives below this; mapped in 4 KiB pages */
    RANGE_MAX = 32,                /* memory ranges kept of the firmware's map */
    TAKEN_MAX = 16,                /* ranges given away or belonging to others */
    COMMAND_LINE_BYTES = 256,
    /* typed ahead; past it the sender is held back, nothing is lost */
    UART_RING_BYTES = 8192,
    BACKTRACE_MAX = 24
};

/* Values for isa-debug-exit: QEMU ends with (value << 1) | 1. docs/porting.md has the same
 * table. */
enum exit_value {
    EXIT_CLEAN = 0x10,             /* 33: poweroff after the marker line */
    EXIT_PANIC = 0x2a,             /* 85: ray_panic or a smashed stack */
    EXIT_FAULT = 0x2b              /* 87: a CPU exception or an NMI */
};

enum vector {
    VECTOR_TIMER = 0x30,
    VECTOR_COM1 = 0x31,
    VECTOR_COM2 = 0x32,
    VECTOR_VIRTIO = 0x33,
    VECTOR_SPURIOUS = 0x3f,
    VECTOR_COUNT = 0x40
};

/* -- libc.c: memcpy memmove memset memcmp, in words: under TCG a string instruction costs one
 * step per byte -- */
void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *a, const void *b, size_t length);
uint32_t same_text(const char *a, const char *b);

/* -- print.c: text on COM1 without a buffer, for dumps and for what happens before the console
 * -- */
void print_text(const char *text);
void print_hex(uint64_t value, uint32_t digits);
void print_decimal(uint64_t value);

/* -- bootinfo.c: what the loader told, in one shape -- */
typedef struct memory_range {
    uint64_t start;
    uint64_t end;
} memory_range;

typedef struct boot_info {
    memory_range usable[RANGE_MAX];
    memory_range module;           /* empty when there is none */
    uint64_t rsdp;                 /* 0: not told */
    uint64_t memory_bytes;
    uint32_t usable_count;
    char loader[16];
    char command_line[COMMAND_LINE_BYTES];
} boot_info;

void boot_info_read(boot_info *info, uint32_t eax, uint64_t ebx);
/* 1 when `word` stands on the command line. */
uint32_t boot_info_has(const boot_info *info, const char *word);

/* -- memory.c: gives away RAM once, for ever -- */
void memory_init(const boot_info *info);
void *memory_take(uint64_t bytes, uint64_t align);      /* panics when there is none */
uint64_t memory_free_bytes(void);                       /* largest single piece left */

/* Once everything is taken: makes an emulated TLB large enough for it. */
void memory_warm(void);

/* -- paging.c -- */
void paging_protect(void);
void paging_warm(const memory_range *range, uint32_t count);
/* identity, uncached; only needed above 4 GiB */
void paging_map_device(uint64_t at, uint64_t bytes);

/* -- trap.c -- */
void trap_init(void);
void stop(uint32_t exit_value) __attribute__((noreturn));
void ray_panic(const char *what) __attribute__((noreturn));
extern volatile uint64_t trap_irq_count;

/* -- main.c -- */
void start(uint32_t eax, uint64_t ebx) __attribute__((noreturn));
void core_print(void);                                 /* one line about the core, for dumps */

/* -- fault.c: breaks something on purpose; never returns -- */
void fault_raise(uint32_t which) __attribute__((noreturn));

/* -- uart.c -- */
typedef struct uart {
    uint16_t port;
    uint16_t present;
    uint32_t last;                 /* last byte sent, so that LF becomes CR LF once */
    const uint8_t *out;            /* what is being sent; the caller's until uart_busy says 0 */
    uint64_t out_left;
    uint64_t break_count;
    volatile uint32_t head;        /* written by the interrupt */
    volatile uint32_t tail;        /* written by the reader */
    volatile uint32_t held;        /* 1: the ring is full and the sender is held back */
    uint32_t text;                 /* 1: LF is sent as CR LF; set by the owner */
    uint8_t ring[UART_RING_BYTES];
} uart;

extern uart com1, com2;
/* bytes that raise an interrupt: 1 or 14 */
void uart_init(uart *u, uint16_t port, uint32_t trigger);
void uart_interrupt(uart *u);
uint64_t uart_peek(uart *u, const uint8_t **at);        /* bytes that are there, contiguous */
void uart_take(uart *u, uint64_t length);
void uart_send(uart *u, const uint8_t *at, uint64_t length);
uint32_t uart_busy(uart *u);                            /* pushes on; 1 while bytes are left */
void uart_put_now(uart *u, char c);                     /* waits; for dumps */

/* -- apic.c -- */
void apic_init(void);
void apic_end(void);
void apic_route(uint32_t gsi, uint32_t vector, uint32_t level);
uint32_t apic_gsi_count(void);
/* where a message-signalled interrupt goes */
uint64_t apic_message_address(void);
void apic_count_begin(void);                            /* free-running, masked, for calibration */
uint32_t apic_count_left(void);
void apic_timer_once(uint64_t ns);                      /* one interrupt, at most `ns` from now */
void apic_timer_hz(uint64_t hz);

/* -- clock.c -- */
typedef struct clock_facts {
    const char *name;
    uint64_t hz;
} clock_facts;

clock_facts clock_init(const boot_info *info, uint64_t hpet);
uint64_t clock_ns(void);                                /* since entry */
uint64_t clock_wall_ns(void);                           /* Unix time from the RTC, 0: none */

/* -- acpi.c -- */
void acpi_init(const boot_info *info);
uint64_t acpi_hpet(void);                               /* address of the HPET, 0: none */
void acpi_off(void);                                    /* returns when there is no way */
void acpi_reset(void);
void machine_reset(void) __attribute__((noreturn));

/* -- fwcfg.c -- */
typedef struct fwcfg_item {
    uint32_t size;
    uint16_t select;
    uint16_t found;
} fwcfg_item;

uint32_t fwcfg_present(void);
fwcfg_item fwcfg_find(const char *name);
void fwcfg_read(const fwcfg_item *item, void *to, uint32_t bytes);

/* -- rng.c -- */
uint64_t rng_canary(void);
/* 1 when it came from a real source or was given */
uint32_t rng_seed(uint8_t seed[16]);
enum { RNG_FRESH_BYTES = 40 };
/* 1 when the processor gave them; for secrets, which no mix of time stamps may be. */
uint32_t rng_fresh(uint8_t fresh[RNG_FRESH_BYTES]);

/* -- pci.c -- */
uint32_t pci_read(uint32_t slot, uint32_t at);
void pci_write(uint32_t slot, uint32_t at, uint32_t value);
uint32_t pci_present(void);
uint32_t pci_find(uint32_t vendor_device, uint32_t *slot);
uint64_t pci_bar(uint32_t slot, uint32_t bar);          /* assigned and mapped; 0: none */
uint32_t pci_capability(uint32_t slot, uint32_t id, uint32_t after);

/* -- board.c -- */
const char *machine_name(void);

/* -- virtio.c: one device, modern, over MMIO or PCI -- */
enum virtio_size { VIRTIO_QUEUE_MAX = 10, VIRTIO_RING = 16 };

typedef struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
} virtio_descriptor;

typedef struct virtio_avail {
    volatile uint16_t flags;
    volatile uint16_t index;
    volatile uint16_t ring[VIRTIO_RING];
} virtio_avail;

typedef struct virtio_used_entry {
    uint32_t id;
    uint32_t length;
} virtio_used_entry;

typedef struct virtio_used {
    volatile uint16_t flags;
    volatile uint16_t index;
    volatile virtio_used_entry ring[VIRTIO_RING];
} virtio_used;

typedef struct virtio_queue {
    virtio_descriptor descriptor[VIRTIO_RING];      /* 16-byte aligned, as are all queues */
    virtio_avail avail;
    virtio_used used;
    uint16_t seen;                 /* used entries already taken */
    uint16_t number;
    uint16_t ready;
    uint16_t notify_at;            /* PCI: this queue's doorbell */
} virtio_queue;

typedef struct virtio_device {
    uint64_t common;               /* MMIO: the device; PCI: its common configuration */
    uint64_t notify;
    uint64_t isr;
    uint64_t config;
    uint32_t notify_step;
    uint32_t pci;
} virtio_device;

/* 1 when a device of this kind was found, reset and acknowledged, and its interrupt leads to
 * VECTOR_VIRTIO. */
uint32_t virtio_find(virtio_device *device, uint32_t kind, uint32_t acpi);
uint32_t virtio_features(virtio_device *device, uint32_t wanted);   /* 1 when all were granted */
void virtio_queue_start(virtio_device *device, virtio_queue *queue, uint16_t number);
void virtio_start(virtio_device *device);
void virtio_offer(virtio_queue *queue, uint16_t slot, const void *at, uint32_t length,
                  uint32_t device_writes);
void virtio_kick(virtio_device *device, const virtio_queue *queue);
uint32_t virtio_taken(virtio_queue *queue, uint32_t *slot, uint32_t *length);
void virtio_interrupt(void);

/* -- ctl.c: the port named `ctl` of a virtio-serial device -- */
uint32_t ctl_init(uint32_t acpi);                       /* 1 when there is such a device */
uint32_t ctl_peek(const uint8_t **at);                  /* received bytes, 0: none */
void ctl_take(uint32_t length);
void ctl_send(const uint8_t *at, uint64_t length);
uint32_t ctl_busy(void);

/* -- frozen.S -- */
extern const uint8_t frozen_config[], frozen_config_end[];
extern const char frozen_boot[], frozen_boot_end[], frozen_demo[], frozen_demo_end[];

/* -- link.ld and entry.S -- */
extern uint8_t image_start[], text_end[], rodata_end[], data_end[], image_end[];
extern uint8_t stack_guard_main[], stack_guard_fault[], stack_guard_double[], stack_guard_nmi[],
    stack_guard_check[];
extern uint8_t stack_top_fault[], stack_top_double[], stack_top_nmi[], stack_top_check[];
extern uint64_t page_fine[2][512], page_middle[4][512], page_top[512];
extern uint64_t gdt[], entry_tsc, canary_block[];
extern const uint64_t isr_table[];

#endif
