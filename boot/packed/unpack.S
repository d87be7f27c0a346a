/* SPDX-License-Identifier: MIT */
/* unpack: the file that is shipped. It holds the image as tools/pack.c wrote it, takes it apart at
 * the address it was linked for and jumps to its entry with the loader's registers untouched.
 *
 * The file is half as large for it, at a few ms under TCG. Nothing of this is left running: the
 * image maps itself anew and treats this memory as free. Stack and tables are at the
 * end of the image's room, which it reaches only with memory it zeroes itself.
 *
 * EDI is where the next byte goes, EBP the bit that is read next.
 */
#define CODES 296                       /* tools/pack.c: literals and slots */
#define LITERALS 256
#define BITS_MAX 12
#define LENGTHS (packed + 4)
#define BITS (LENGTHS + CODES)          /* two codes, half a byte for each length */
#define TABLE_0 (image_room_end - 0x10000)
#define TABLE_1 (image_room_end - 0xe000)
#define end (image_room_end - 0x10004)  /* where the last byte goes, and one more */

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

/* Macros, because under TCG a return costs as much as ten other instructions. */
/* EAX: what comes, at least 25 bits of it, from the top. */
    .macro peek
    movl %ebp, %eax
    shrl $3, %eax
    movl BITS(%eax), %eax
    bswapl %eax
    movl %ebp, %ecx
    andl $7, %ecx
    shll %cl, %eax
    .endm

/* EAX: the next code. */
    .macro symbol table
    peek
    shrl $32 - BITS_MAX, %eax
    movzwl \table(, %eax, 2), %eax
    movl %eax, %ecx
    andl $15, %ecx
    addl %ecx, %ebp
    shrl $4, %eax
    .endm

/* EAX: a slot in, its number out. */
    .macro number
    cmpl $4, %eax
    jb 9f
    movl %eax, %edx
    shrl $1, %edx
    decl %edx                           /* extra bits */
    movl %eax, %esi
    andl $1, %esi
    orl $2, %esi
    peek
    movl $32, %ecx
    subl %edx, %ecx
    shrl %cl, %eax
    movl %edx, %ecx
    shll %cl, %esi
    orl %esi, %eax
    addl %edx, %ebp
9:
    .endm

    .section .text, "ax"
    .code32
    .globl unpack
unpack:
    cli
    cld
    movl $image_room_end, %esp
    pushl %eax
    pushl %ebx
    xorl %ebx, %ebx
    movl $TABLE_0, %edi
    call build
    movl $CODES, %ebx
    movl $TABLE_1, %edi
    call build
    xorl %ebp, %ebp
    movl $image_at, %edi
    movl packed, %eax
    addl %edi, %eax
    movl %eax, end

next:
    cmpl %edi, end
    jbe targets
    symbol TABLE_0
    subl $LITERALS, %eax
    jae match
    movb %al, (%edi)                    /* the low byte is the literal still */
    incl %edi
    jmp next
match:
    number
    movl %eax, %ebx
    symbol TABLE_1
    number
    movl %ebx, %ecx
    addl $3, %ecx                       /* length */
    movl %edi, %esi
    subl %eax, %esi
    decl %esi                           /* distance is one more */
    cmpl $3, %eax
    jb near
/* In words: a string instruction would cost a step per byte under TCG. Up to three bytes behind the
 * end are written too: by what comes next again, at the very end by the image's zeroing of .bss. */
words:
    movl (%esi), %eax
    movl %eax, (%edi)
    addl $4, %esi
    addl $4, %edi
    subl $4, %ecx
    ja words
    addl %ecx, %edi                     /* back by what was too much */
    jmp next
near:                                   /* nearer than a word: what is copied is made on the way */
    movb (%esi), %al
    movb %al, (%edi)
    incl %esi
    incl %edi
    decl %ecx
    jnz near
    jmp next

/* Calls and jumps had absolute targets; ESI is the place of the byte looked at. */
targets:
    xorl %esi, %esi
    movl packed, %edx
1:  leal 5(%esi), %eax
    cmpl %edx, %eax
    ja done
    movb image_at(%esi), %al
    andb $0xfe, %al
    cmpb $0xe8, %al
    jne 4f
    movl image_at + 1(%esi), %eax
    movl %esi, %ecx
    negl %ecx
    cmpl %ecx, %eax
    jl 3f
    cmpl %edx, %eax
    jge 3f
    movl %edx, %ebx
    testl %eax, %eax
    cmovnsl %ecx, %ebx
    addl %ebx, %eax                     /* - place, or + size for what was negative */
    movl %eax, image_at + 1(%esi)
3:  addl $4, %esi
4:  incl %esi
    jmp 1b

done:
    popl %ebx
    popl %eax
    movl $image_at, %ecx
    jmp *%ecx

/* Fills the table at EDI: for each 12 bits that can come, code << 4 | how many are its own. Codes
 * are canonical, so shorter ones come first and equal ones in order. EBX is the first's number. */
build:
    movl $1, %edx
1:  xorl %esi, %esi
2:  leal (%ebx, %esi), %eax
    movl %eax, %ecx
    shrl $1, %ecx
    movzbl LENGTHS(%ecx), %ecx
    testb $1, %al
    jnz 3f
    shrl $4, %ecx
3:  andl $15, %ecx
    cmpl %edx, %ecx
    jne 4f
    movl $BITS_MAX, %ecx
    subl %edx, %ecx
    movl $1, %eax
    shll %cl, %eax
    movl %eax, %ecx
    movl %esi, %eax
    shll $4, %eax
    orl %edx, %eax
    rep stosw
4:  incl %esi
    cmpl $CODES, %esi
    jb 2b
    incl %edx
    cmpl $BITS_MAX, %edx
    jbe 1b
    ret

    .align 4
packed:
    .incbin "raygate.packed"
    .long 0                             /* peek reads whole words */

    .section .note.GNU-stack, "", @progbits
