/* SPDX-License-Identifier: MIT */
/* cmd_gateway - what cmd_gateway.c (reading) and cmd_gateway_edit.c (changing) share. */
#ifndef RAY_SHELL_CMD_GATEWAY_H
#define RAY_SHELL_CMD_GATEWAY_H
#include "shell.h"

/* "GET,POST", or "any". */
void ray_gateway_put_methods(ray_text *out, uint32_t methods);
void ray_gateway_put_service(ray_call *call, uint32_t id);
/* A host or a pattern as it was written: unlike elsewhere a backslash stays one. */
void ray_gateway_put_pattern(ray_text *out, const char *at, uint64_t length);
/* none, optional, required. */

/* 1 and the handle of what word `word` names or numbers. */
uint32_t ray_gateway_find_service_word(ray_call *call, uint32_t word, uint32_t *id);
uint32_t ray_gateway_find_route_word(ray_call *call, uint32_t word, uint32_t *id);
/* The same; says which was meant when there is none. */
ray_status ray_gateway_service_word(ray_call *call, uint32_t word, uint32_t *id);
ray_status ray_gateway_route_word(ray_call *call, uint32_t word, uint32_t *id);

ray_status ray_gateway_run_show(ray_call *call);
ray_status ray_gateway_run_test(ray_call *call);
ray_status ray_gateway_run_add_service(ray_call *call);
ray_status ray_gateway_run_add_route(ray_call *call);
ray_status ray_gateway_run_remove_service(ray_call *call);
ray_status ray_gateway_run_remove_route(ray_call *call);
ray_status ray_gateway_run_health(ray_call *call);
ray_status ray_gateway_run_mode(ray_call *call);

#endif
