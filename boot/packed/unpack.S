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
    movl $image_room_end, %esp
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
    call copy_words                     /* literals */
    cmpl $packed_end, %esi
    jae 2f
    lodsw
    movl %edi, %ebp
    subl %eax, %ebp                     /* where the match is */
    movl %eax, %ebx
    movl %edx, %ecx
    andl $15, %ecx
    call lengthen
    addl $4, %ecx
    xchgl %ebp, %esi
    call copy
    movl %ebp, %esi
    jmp 1b
2:  popl %ebx
    popl %eax
    movl $image_at, %ecx
    jmp *%ecx

/* ECX bytes from ESI to EDI, EBX apart; nearer than a word they overlap and go byte by byte. A
 * string instruction would cost a step per byte under TCG: 20 ms in all. */
copy:
    cmpl $4, %ebx
    jae copy_words
5:  movb (%esi), %al
    movb %al, (%edi)
    incl %esi
    incl %edi
    decl %ecx
    jnz 5b
    ret

/* The same in words. Up to three bytes behind the end are written too: by the next copy again, at
 * the very end by the image, which zeroes its .bss. */
copy_words:
    testl %ecx, %ecx
    jz 7f
6:  movl (%esi), %eax
    movl %eax, (%edi)
    addl $4, %esi
    addl $4, %edi
    subl $4, %ecx
    ja 6b
    addl %ecx, %esi                     /* back by what was too much */
    addl %ecx, %edi
7:  xorl %eax, %eax
    ret

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

    .section .note.GNU-stack, "", @progbits
