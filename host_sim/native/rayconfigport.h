/* SPDX-License-Identifier: MIT */
/* rayconfigport: what the native port chooses. The profile is the -I of the build. */
#ifndef SIM_RAYCONFIGPORT_H
#define SIM_RAYCONFIGPORT_H

enum ray_port {
    RAY_PORT_OUT_BYTES = 262144,         /* one command's text: RAY_SHELL_OUT_BYTES */
    RAY_PORT_IN_BYTES = 65536,           /* read at once from the terminal or the pipe */
    RAY_PORT_FILE_BYTES_MAX = 4194304,   /* a configuration or a script: RAY_CONFIG_BYTES_MAX */
    RAY_PORT_SCRIPTS_MAX = 32,           /* files *.ray of --scripts */
    RAY_PORT_WAKE_S_MAX = 300            /* an idle machine still reads its clock this often */
};

#endif
