/* SPDX-License-Identifier: MIT */
/* entry: one 32-bit door for PVH (-kernel) and Multiboot2 (GRUB), then long mode and C.
 *
 * Both loaders leave us in flat 32-bit protected mode, paging off, interrupts off. Neither is
 * trusted with .bss: after a reset QEMU leaves memory without file bytes as it was.
 * qboot enters a PVH kernel with the Multiboot1 magic in EAX, so C looks at the structure at EBX
 * before it believes EAX.
 */
    .section .note.pvh, "a", @note
    .align 4
    .long 4, 8, 18                      /* name bytes, descriptor bytes, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad entry

    .section .multiboot2, "a"
    .align 8
multiboot2:
    .long 0xe85250d6, 0, multiboot2_end - multiboot2
    .long -(0xe85250d6 + (multiboot2_end - multiboot2))
    .short 0, 0
    .long 8
multiboot2_end:

    .section .text.entry, "ax"
    .code32
    .globl entry
entry:
    cli
    cld
    movl $stack_top_main, %esp
    movl %eax, %esi
    xorl %eax, %eax
    movl $bss_start, %edi               /* image_end is a page's end: eight words fit */
0:  movl %eax, (%edi)
    movl %eax, 4(%edi)
    movl %eax, 8(%edi)
    movl %eax, 12(%edi)
    movl %eax, 16(%edi)
    movl %eax, 20(%edi)
    movl %eax, 24(%edi)
    movl %eax, 28(%edi)
    addl $32, %edi
    cmpl $image_end, %edi
    jb 0b
    rdtsc
    movl %eax, entry_tsc
    movl %edx, entry_tsc + 4

    /* Identity map of 4 GiB in 2 MiB pages; paging.c refines it once C runs. */
    movl $page_middle, %edi
    movl $0x83, %eax                    /* present, writable, 2 MiB */
    xorl %ecx, %ecx
1:  movl %eax, (%edi, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $2048, %ecx
    jne 1b
    movl $page_middle + 3, %eax
    movl $page_upper, %edi
    movl $4, %ecx
2:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    loop 2b
    movl $page_upper + 3, page_top

    movl $page_top, %eax
    movl %eax, %cr3
    movl $0x20, %eax                    /* PAE; no SSE anywhere, so OSFXSR stays off */
    movl %eax, %cr4
    movl $0xc0000080, %ecx              /* EFER: long mode, no-execute */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010011, %eax              /* PG, WP, ET, PE */
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $entry64

    .code64
entry64:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq $stack_top_main, %rsp
    movl $0xc0000100, %ecx              /* FS base: the stack canary is at fs:0x28 */
    movl $canary_block, %eax
    xorl %edx, %edx
    wrmsr
    movl %esi, %edi
    movl %ebx, %esi
    xorl %ebp, %ebp                     /* ends every backtrace */
    call start
    ud2

    .section .data
    .align 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff            /* 64-bit code */
    .quad 0x00cf93000000ffff            /* data */
    .quad 0, 0                          /* TSS, filled by trap.c */
gdt_pointer:
    .short . - gdt - 1
    .quad gdt

    .section .bss
    .align 64
    .globl canary_block, entry_tsc
canary_block:
    .skip 64
entry_tsc:
    .skip 8

    .align 4096
    .globl page_top, page_middle, page_fine
page_top:
    .skip 4096
page_upper:
    .skip 4096
page_middle:
    .skip 4 * 4096
page_fine:
    .skip 2 * 4096

    /* A guard page below each stack: running over the end is a fault, not a silent overwrite. */
    .macro stack name, bytes
    .align 4096
    .globl stack_guard_\name, stack_top_\name
stack_guard_\name:
    .skip 4096
    .skip \bytes
stack_top_\name:
    .endm

    stack main, 65536
    stack fault, 8192
    stack double, 8192
    stack nmi, 8192
    stack check, 8192

    .section .note.GNU-stack, "", @progbits
