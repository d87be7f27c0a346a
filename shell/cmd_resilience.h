/* SPDX-License-Identifier: MIT */
/* cmd_resilience.h - what the files of the resilience command share. */
#ifndef RAY_CMD_RESILIENCE_H
#define RAY_CMD_RESILIENCE_H
#include "shell.h"

/* The service that `word` names; says so and suggests the nearest when there is none. */
ray_status ray_guard_service(ray_call *call, uint32_t word, uint32_t *service);
void ray_guard_name(ray_call *call, uint32_t service, ray_name *out);
/* What a state is called, "forced" words included: "open", "closed (forced open)". */
void ray_guard_state_put(ray_text *out, const ray_breaker_view *breaker);
/* Percent with two decimals of parts per million. */
void ray_guard_rate_put(ray_text *out, uint32_t ppm);

/* -- cmd_resilience_show.c: one guard -- */
ray_status ray_guard_run_show(ray_call *call);

/* -- cmd_resilience_edit.c -- */
ray_status ray_guard_run_breaker(ray_call *call);
ray_status ray_guard_run_bulkhead(ray_call *call);
ray_status ray_guard_run_mode(ray_call *call);
ray_status ray_guard_run_force(ray_call *call);
ray_status ray_guard_run_half_open(ray_call *call);
ray_status ray_guard_run_reset(ray_call *call);
ray_status ray_guard_run_remove(ray_call *call);

#endif
