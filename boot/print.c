/* SPDX-License-Identifier: MIT */
/* print.c - unbuffered text on COM1. Used while dying and before the console lives, so it
 * depends on nothing. */
#include "boot.h"

void print_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            uart_put_now(&com1, '\r');
        uart_put_now(&com1, *text);
    }
}

void print_hex(uint64_t value, uint32_t digits)
{
    print_text("0x");
    while (digits--)
        uart_put_now(&com1, "0123456789abcdef"[value >> (4 * digits) & 15]);
}

void print_decimal(uint64_t value)
{
    char digits[21];
    uint32_t at = 20;

    digits[20] = 0;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    print_text(digits + at);
}
