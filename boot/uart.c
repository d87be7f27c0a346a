/* SPDX-License-Identifier: MIT */
/* uart.c - two 16550s. Divisor 1, because at the reset divisor the FIFO holds back the last
 * bytes of a line for 4 ms; receive trigger 1 where a person types, 14 where frames come.
 * Nothing is ever dropped: a full ring stops the sender, a slow reader only delays us. */
#include "boot.h"
#include "x86.h"

enum { DATA = 0, INTERRUPTS = 1, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5, SCRATCH = 7 };
enum { ON_RECEIVE = 1, ON_EMPTY = 2, READY = 1, BREAK = 0x10, EMPTY = 0x20, FIFO_BYTES = 16 };

uart com1, com2;

static uint8_t get(const uart *u, uint32_t reg)
{
    return in8((uint16_t)(u->port + reg));
}

static void set(const uart *u, uint32_t reg, uint32_t value)
{
    out8((uint16_t)(u->port + reg), (uint8_t)value);
}

void uart_init(uart *u, uint16_t port, uint32_t trigger)
{
    u->port = port;
    set(u, SCRATCH, 0x5a);
    u->present = get(u, SCRATCH) == 0x5a;
    if (!u->present)
        return;
    set(u, INTERRUPTS, 0);
    set(u, LINE, 0x80);                         /* the divisor's registers appear */
    set(u, DATA, 1);
    set(u, INTERRUPTS, 0);
    set(u, LINE, 3);                            /* 8 bits, no parity, one stop bit */
    set(u, FIFO, trigger == 1 ? 0x07 : 0xc7);   /* on, both emptied */
    set(u, MODEM, 0x0b);                        /* DTR, RTS, interrupt line connected */
    set(u, INTERRUPTS, ON_RECEIVE);
}

static void receive(uart *u)
{
    uint8_t status;

    while ((status = get(u, STATUS)) & READY) {
        if (u->head - u->tail == UART_RING_BYTES) {
            u->held = 1;
            return;
        }
        uint8_t byte = get(u, DATA);
        if (status & BREAK) {
            /* a break arrives as a zero byte that nobody typed */
            u->break_count++;
            continue;
        }
        u->ring[u->head % UART_RING_BYTES] = byte;
        u->head++;
    }
    u->held = 0;
}

void uart_interrupt(uart *u)
{
    receive(u);
    /* reading the cause withdraws a transmit interrupt */
    (void)get(u, FIFO);
    set(u, INTERRUPTS, u->held ? 0 : ON_RECEIVE);
}

uint64_t uart_peek(uart *u, const uint8_t **at)
{
    uint32_t start = u->tail % UART_RING_BYTES, there = u->head - u->tail;

    *at = u->ring + start;
    return there < UART_RING_BYTES - start ? there : UART_RING_BYTES - start;
}

void uart_take(uart *u, uint64_t length)
{
    u->tail += (uint32_t)length;
    if (!u->held)
        return;
    interrupts_off();
    receive(u);
    set(u, INTERRUPTS, u->held ? 0 : ON_RECEIVE);
    interrupts_on();
}

static void put(uart *u, uint8_t byte)
{
    set(u, DATA, byte);
    u->last = byte;
}

void uart_put_now(uart *u, char c)
{
    if (!u->present)
        return;
    for (uint32_t patience = 0; !(get(u, STATUS) & EMPTY) && patience < 1u << 24; patience++)
        cpu_relax();
    put(u, (uint8_t)c);
}

void uart_send(uart *u, const uint8_t *at, uint64_t length)
{
    u->out = at;
    u->out_left = u->present ? length : 0;
}

uint32_t uart_busy(uart *u)
{
    while (u->out_left && get(u, STATUS) & EMPTY)
        for (uint32_t room = FIFO_BYTES; room > 1 && u->out_left; room--) {
            if (u->text && *u->out == '\n' && u->last != '\r') {
                put(u, '\r');
                continue;
            }
            put(u, *u->out++);
            u->out_left--;
        }
    if (u->out_left)                            /* wakes us when the wire has room again */
        set(u, INTERRUPTS, (u->held ? 0 : ON_RECEIVE) | ON_EMPTY);
    return u->out_left != 0;
}
