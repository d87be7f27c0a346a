/* SPDX-License-Identifier: MIT */
/* isr: one stub per vector, all meeting in one place that saves the registers as trap.c's struct
 * trap_frame. */
    .text
    .altmacro

    .macro isr_stub number
isr_\number:
    /* Vectors 8, 10-14, 17, 21, 29 and 30 push an error code; the others get a zero. */
    .if (0x60227d00 >> \number) & 1 == 0 || \number > 31
    pushq $0
    .endif
    pushq $\number
    jmp isr_common
    .endm

    .set i, 0
    .rept 64
    isr_stub %i
    .set i, i + 1
    .endr

isr_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    cld
    call trap
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

    .section .rodata
    .align 8
    .globl isr_table
isr_table:
    .macro isr_address number
    .quad isr_\number
    .endm
    .set i, 0
    .rept 64
    isr_address %i
    .set i, i + 1
    .endr

    .section .note.GNU-stack, "", @progbits
