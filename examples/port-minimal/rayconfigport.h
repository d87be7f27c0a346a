/* SPDX-License-Identifier: MIT */
/* rayconfigport: what this port chooses. The profile is the directory the Makefile passes to -I. */
#ifndef MINIMAL_RAYCONFIGPORT_H
#define MINIMAL_RAYCONFIGPORT_H
#include <stdint.h>
#define RAY_PORT_NAME "port-minimal"
enum { RAY_PORT_OUT_BYTES = 65536, RAY_PORT_IN_BYTES = 256, RAY_PORT_CONFIG_BYTES = 1 << 20 };
uint64_t hal_now_ns(void);
#endif
