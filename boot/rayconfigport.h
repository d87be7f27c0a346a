/* SPDX-License-Identifier: MIT */
/* rayconfigport: what this port chooses. docs/porting.md explains each line. */
#ifndef BOOT_RAYCONFIGPORT_H
#define BOOT_RAYCONFIGPORT_H

#define RAY_PORT_PROFILE "seed"   /* boot.mk passes kernel/profiles/seed to the compiler */
#define RAY_PORT_PROMPT "rayos> "               /* printed before each line of a script */

enum ray_port {
    RAY_PORT_OUT_BYTES = 262144,                /* one command's text: RAY_SHELL_OUT_BYTES */
    RAY_PORT_SCRIPT_BYTES_MAX = 1 << 20,        /* a longer fw_cfg script is cut, and says so */
    /* an idle machine still reads its clock this often */
    RAY_PORT_WAKE_S_MAX = 300
};

#endif
