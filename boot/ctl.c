/* SPDX-License-Identifier: MIT */
/* ctl.c - the machine link's wire: the port named `ctl` of a virtio-serial device (VIRTIO 1.2,
 * 5.3, multiport). A virtconsole drops output when its reader is slow; a named port is throttled
 * instead and loses nothing. */
#include "boot.h"

enum { CONSOLE = 3, MULTIPORT = 2, PORTS = 4, QUEUES = 2 + 2 * PORTS, CONTROL_IN = 2,
      CONTROL_OUT = 3 };
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, PORT_OPEN = 6, PORT_NAME = 7 };
enum { BUFFER_BYTES = 4096, BUFFERS = VIRTIO_RING, MESSAGE_BYTES = 64, SEND_BYTES_MAX = 1 << 20 };

typedef struct message {
    uint32_t port;
    uint16_t event, value;
    char text[MESSAGE_BYTES - 8];
} message;

static virtio_device device;
static virtio_queue queue[QUEUES] __attribute__((aligned(16)));
static message from_host[VIRTIO_RING], to_host[VIRTIO_RING];
static uint8_t buffer[BUFFERS][BUFFER_BYTES];
static uint32_t sent_slot;                      /* next free place of to_host */
static uint32_t port;                           /* 0: not opened yet */
static uint32_t current, current_length, current_at;    /* the received buffer being read */
static uint32_t sending;
static uint32_t owed;                           /* buffers offered, the device not told yet */

static void say(uint32_t to_port, uint16_t event, uint16_t value)
{
    uint32_t slot, length;

    while (virtio_taken(&queue[CONTROL_OUT], &slot, &length))
        continue;
    slot = sent_slot++ % VIRTIO_RING;
    to_host[slot] = (message){to_port, event, value, {0}};
    virtio_offer(&queue[CONTROL_OUT], (uint16_t)slot, &to_host[slot], 8, 0);
    virtio_kick(&device, &queue[CONTROL_OUT]);
}

static virtio_queue *receive_queue(void)
{
    return &queue[2 * port + 2];
}

static virtio_queue *send_queue(void)
{
    return &queue[2 * port + 3];
}

static void open_port(uint32_t which)
{
    port = which;
    for (uint16_t i = 0; i < BUFFERS; i++)
        virtio_offer(receive_queue(), i, buffer[i], BUFFER_BYTES, 1);
    virtio_kick(&device, receive_queue());
    say(which, PORT_OPEN, 1);
}

/* The host end came or went: QEMU threw away what it had not delivered, and will never report it
 * as used. */
static void forget_sending(void)
{
    uint32_t slot, length;

    while (virtio_taken(send_queue(), &slot, &length))
        continue;
    sending = 0;
}

static void hear(const message *m, uint32_t length)
{
    static const char name[] = "ctl";
    uint32_t name_length = length > 8 ? length - 8 : 0;

    if (m->event == PORT_ADD)
        say(m->port, PORT_READY, 1);
    if (m->event == PORT_OPEN && m->port == port && port)
        forget_sending();
    while (name_length && !m->text[name_length - 1])
        name_length--;                          /* some devices count the terminator */
    if (m->event == PORT_NAME && !port && m->port >= 1 && m->port < PORTS &&
        name_length == sizeof name - 1 &&
        !memcmp(m->text, name, sizeof name - 1))
        open_port(m->port);
}

static void control(void)
{
    uint32_t slot, length;

    while (virtio_taken(&queue[CONTROL_IN], &slot, &length)) {
        hear(&from_host[slot], length < sizeof(message) ? length : (uint32_t)sizeof(message));
        virtio_offer(&queue[CONTROL_IN], (uint16_t)slot, &from_host[slot], sizeof(message), 1);
        virtio_kick(&device, &queue[CONTROL_IN]);
    }
}

uint32_t ctl_init(uint32_t acpi)
{
    uint32_t ports;

    if (!virtio_find(&device, CONSOLE, acpi) || !virtio_features(&device, MULTIPORT))
        return 0;
    ports = *(volatile uint32_t *)(uintptr_t)(device.config + 4);
    for (uint16_t i = 0; i < QUEUES && i < 2 + 2 * ports; i++)
        virtio_queue_start(&device, &queue[i], i);
    virtio_start(&device);
    for (uint16_t i = 0; i < VIRTIO_RING; i++)
        virtio_offer(&queue[CONTROL_IN], i, &from_host[i], sizeof(message), 1);
    virtio_kick(&device, &queue[CONTROL_IN]);
    say(0, DEVICE_READY, 1);
    control();
    return 1;
}

/* A kick costs more than a buffer's work, so buffers are given back in lots: half of them at a
 * time, and all of them before we wait. */
static void tell_offered(void)
{
    if (owed)
        virtio_kick(&device, receive_queue());
    owed = 0;
}

uint32_t ctl_peek(const uint8_t **at)
{
    control();
    if (!port)
        return 0;
    while (current_at == current_length) {
        if (!virtio_taken(receive_queue(), &current, &current_length)) {
            tell_offered();
            return 0;
        }
        current_at = 0;
    }
    *at = buffer[current] + current_at;
    return current_length - current_at;
}

void ctl_take(uint32_t length)
{
    current_at += length;
    if (!length || current_at < current_length)     /* a buffer is given back once */
        return;
    virtio_offer(receive_queue(), (uint16_t)current, buffer[current], BUFFER_BYTES, 1);
    if (++owed >= BUFFERS / 2)
        tell_offered();
}

void ctl_send(const uint8_t *at, uint64_t length)
{
    if (!port || !length)
        return;
    if (length > SEND_BYTES_MAX)
        ray_panic("ctl: a reply longer than a reply can be");
    virtio_offer(send_queue(), 0, at, (uint32_t)length, 0);
    sending = 1;
    virtio_kick(&device, send_queue());
}

uint32_t ctl_busy(void)
{
    uint32_t slot, length;

    control();
    if (sending && virtio_taken(send_queue(), &slot, &length))
        sending = 0;
    return sending;
}
