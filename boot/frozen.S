/* SPDX-License-Identifier: MIT */
/* frozen: what the image carries with it, so that a bare ISO is never empty. boot.mk puts the
 * files on the include path. */
    .section .rodata
    .globl frozen_config, frozen_config_end
    .globl frozen_boot, frozen_boot_end, frozen_demo, frozen_demo_end
    .align 8
frozen_config:
    .incbin "rayos.blob"
frozen_config_end:
frozen_boot:
    .incbin "boot.ray"
frozen_boot_end:
frozen_demo:
    .incbin "demo.ray"
frozen_demo_end:

    .section .note.GNU-stack, "", @progbits
