/* SPDX-License-Identifier: MIT */
/* virtio.c - one modern virtio device over MMIO (microvm) or PCI (q35), with split rings (VIRTIO
 * 1.2, 2.7, 4.1, 4.2). The device shares our memory and one CPU, so ordering needs only that the
 * compiler keeps it. */
#include "boot.h"
#include "x86.h"

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, DEVICE_WRITES = 2,
      VERSION_1 = 1 };
enum { MMIO_FIRST = 0xfeb00000, MMIO_STEP = 512, MMIO_MAGIC = 0x74726976 };
enum { M_MAGIC = 0, M_VERSION = 4, M_KIND = 8, M_OFFERED = 0x10, M_OFFERED_HALF = 0x14,
      M_TAKEN = 0x20,
       M_TAKEN_HALF = 0x24, M_QUEUE = 0x30, M_SIZE = 0x38, M_READY = 0x44, M_NOTIFY = 0x50,
           M_CAUSE = 0x60,
       M_CAUSE_SEEN = 0x64, M_STATUS = 0x70, M_DESCRIPTORS = 0x80, M_AVAIL = 0x90, M_USED = 0xa0,
           M_CONFIG = 0x100 };
enum { P_OFFERED_HALF = 0, P_OFFERED = 4, P_TAKEN_HALF = 8, P_TAKEN = 12, P_VECTOR = 16,
      P_STATUS = 20, P_QUEUE = 22,
       P_SIZE = 24, P_QUEUE_VECTOR = 26, P_ENABLE = 28, P_NOTIFY_AT = 30, P_DESCRIPTORS = 32,
           P_AVAIL = 40, P_USED = 48 };
enum { CAP_VENDOR = 9, CAP_MSIX = 17, CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_DEVICE = 4,
      PCI_MODERN = 0x10401af4 };

static const virtio_device *awake;              /* whose interrupt to acknowledge */

static void compiler_fence(void)
{
    __asm__ volatile("" : : : "memory");
}

static void write16(uint64_t at, uint32_t value)
{
    *(volatile uint16_t *)(uintptr_t)at = (uint16_t)value;
}

static void write8(uint64_t at, uint32_t value)
{
    *(volatile uint8_t *)(uintptr_t)at = (uint8_t)value;
}

static void set_status(const virtio_device *d, uint32_t value)
{
    if (d->pci)
        write8(d->common + P_STATUS, value);
    else
        mmio_write32(d->common + M_STATUS, value);
}

static uint32_t status(const virtio_device *d)
{
    return d->pci
        ? *(volatile uint8_t *)(uintptr_t)(d->common + P_STATUS)
            : mmio_read32(d->common + M_STATUS);
}

static uint32_t mmio_find(virtio_device *d, uint32_t kind, uint32_t acpi)
{
    uint32_t second = apic_gsi_count() > 24, first_gsi = second ? 24 : acpi ? 16 : 5;

    for (uint32_t i = 0; i < (second ? 24u : 8u); i++) {
        uint64_t at = MMIO_FIRST + MMIO_STEP * i;
        if (mmio_read32(at + M_MAGIC) == MMIO_MAGIC && mmio_read32(at + M_VERSION) == 2 &&
            mmio_read32(at + M_KIND) == kind) {
            *d = (virtio_device){at, at + M_NOTIFY, at + M_CAUSE, at + M_CONFIG, 0, 0};
            apic_route(first_gsi + i, VECTOR_VIRTIO, 1);
            return 1;
        }
    }
    return 0;
}

/* Every queue and the configuration share the first message: one vector, no cause register to
 * read. */
static uint32_t pci_messages(uint32_t slot)
{
    uint32_t cap = pci_capability(slot, CAP_MSIX, 0), place = cap ? pci_read(slot, cap + 4) : 0;
    uint64_t bar = cap ? pci_bar(slot, place & 7) : 0, entry = bar + (place & ~7u);

    if (!bar)
        return 0;
    pci_write(slot, cap, pci_read(slot, cap) | 1u << 31);
    mmio_write32(entry, (uint32_t)apic_message_address());
    mmio_write32(entry + 4, 0);
    mmio_write32(entry + 8, VECTOR_VIRTIO);
    mmio_write32(entry + 12, 0);
    return 1;
}

static uint32_t virtio_pci_find(virtio_device *d, uint32_t kind)
{
    uint32_t slot, cap = 0;

    if (!pci_find(PCI_MODERN + (kind << 16), &slot) && !pci_find(0x10031af4, &slot))
        return 0;
    *d = (virtio_device){0, 0, 0, 0, 0, 1};
    while ((cap = pci_capability(slot, CAP_VENDOR, cap)) != 0) {
        uint32_t what = pci_read(slot, cap) >> 24;
        if (what != CAP_COMMON && what != CAP_NOTIFY && what != CAP_DEVICE)
            continue;
        uint64_t at = pci_bar(slot, pci_read(slot, cap + 4) & 7) + pci_read(slot, cap + 8);
        if (what == CAP_COMMON)
            d->common = at;
        else if (what == CAP_DEVICE)
            d->config = at;
        else {
            d->notify = at;
            d->notify_step = pci_read(slot, cap + 16);
        }
    }
    return d->common && d->notify && d->config && pci_messages(slot);
}

uint32_t virtio_find(virtio_device *device, uint32_t kind, uint32_t acpi)
{
    if (pci_present() ? !virtio_pci_find(device, kind) : !fwcfg_present() || !mmio_find(device,
                                                                                        kind, acpi))
        return 0;
    set_status(device, 0);
    set_status(device, ACKNOWLEDGE | DRIVER);
    awake = device;
    return 1;
}

static uint32_t offered(const virtio_device *d, uint32_t half)
{
    mmio_write32(d->common + (d->pci ? P_OFFERED_HALF : M_OFFERED_HALF), half);
    return mmio_read32(d->common + (d->pci ? P_OFFERED : M_OFFERED));
}

static void take(const virtio_device *d, uint32_t half, uint32_t bits)
{
    mmio_write32(d->common + (d->pci ? P_TAKEN_HALF : M_TAKEN_HALF), half);
    mmio_write32(d->common + (d->pci ? P_TAKEN : M_TAKEN), bits);
}

uint32_t virtio_features(virtio_device *device, uint32_t wanted)
{
    if ((offered(device, 0) & wanted) != wanted || !(offered(device, 1) & VERSION_1))
        return 0;
    take(device, 0, wanted);
    take(device, 1, VERSION_1);
    set_status(device, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    return (status(device) & FEATURES_OK) != 0;
}

static void write_address(uint64_t at, const volatile void *what)
{
    uint64_t address = (uintptr_t)what;

    mmio_write32(at, (uint32_t)address);
    mmio_write32(at + 4, (uint32_t)(address >> 32));
}

void virtio_queue_start(virtio_device *device, virtio_queue *queue, uint16_t number)
{
    uint64_t c = device->common;

    queue->number = number;
    if (device->pci) {
        write16(c + P_QUEUE, number);
        write16(c + P_SIZE, VIRTIO_RING);
        write16(c + P_QUEUE_VECTOR, 0);
        write_address(c + P_DESCRIPTORS, queue->descriptor);
        write_address(c + P_AVAIL, &queue->avail);
        write_address(c + P_USED, &queue->used);
        queue->notify_at = *(volatile uint16_t *)(uintptr_t)(c + P_NOTIFY_AT);
        write16(c + P_ENABLE, 1);
    } else {
        mmio_write32(c + M_QUEUE, number);
        mmio_write32(c + M_SIZE, VIRTIO_RING);
        write_address(c + M_DESCRIPTORS, queue->descriptor);
        write_address(c + M_AVAIL, &queue->avail);
        write_address(c + M_USED, &queue->used);
        mmio_write32(c + M_READY, 1);
    }
    queue->ready = 1;
}

void virtio_start(virtio_device *device)
{
    if (device->pci)
        write16(device->common + P_VECTOR, 0);
    set_status(device, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

void virtio_offer(virtio_queue *queue, uint16_t slot, const void *at, uint32_t length,
                  uint32_t device_writes)
{
    queue->descriptor[slot] = (virtio_descriptor){(uintptr_t)at, length,
                                                  device_writes ? DEVICE_WRITES : 0, 0};
    queue->avail.ring[queue->avail.index % VIRTIO_RING] = slot;
    compiler_fence();
    queue->avail.index++;
}

void virtio_kick(virtio_device *device, const virtio_queue *queue)
{
    compiler_fence();
    if (device->pci)
        write16(device->notify + (uint64_t)queue->notify_at * device->notify_step, queue->number);
    else
        mmio_write32(device->notify, queue->number);
}

uint32_t virtio_taken(virtio_queue *queue, uint32_t *slot, uint32_t *length)
{
    if (queue->seen == queue->used.index)
        return 0;
    compiler_fence();
    *slot = queue->used.ring[queue->seen % VIRTIO_RING].id % VIRTIO_RING;
    *length = queue->used.ring[queue->seen % VIRTIO_RING].length;
    queue->seen++;
    return 1;
}

/* The interrupt only wakes the main loop, which then looks at the rings. */
void virtio_interrupt(void)
{
    if (awake && !awake->pci)
        mmio_write32(awake->common + M_CAUSE_SEEN, mmio_read32(awake->isr));
}
