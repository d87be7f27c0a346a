/* SPDX-License-Identifier: MIT */
/* cmd_priority.h - what the files of the priority command share. */
#ifndef RAY_CMD_PRIORITY_H
#define RAY_CMD_PRIORITY_H
#include "shell.h"

/* The service that `word` names; says so and suggests the nearest when there is none. */
ray_status ray_priority_service(ray_call *call, uint32_t word, uint32_t *service);
/* A class by its word. */
ray_status ray_priority_class_word(ray_call *call, uint32_t word, uint32_t *priority);
void ray_priority_name(ray_call *call, uint32_t service, ray_name *out);

/* -- cmd_priority.c: queues and who waits -- */
ray_status ray_priority_run_queues(ray_call *call);
ray_status ray_priority_run_estimate(ray_call *call);

uint64_t ray_priority_mean(uint64_t sum, uint64_t count);
/* "3/8", "3/any" for 0. */
void ray_priority_put_of(ray_text *out, uint64_t value, uint64_t most);

/* -- cmd_priority_stats.c -- */
ray_status ray_priority_run_stats(ray_call *call);
ray_status ray_priority_run_classes(ray_call *call);

/* -- cmd_priority_sla.c -- */
ray_status ray_priority_run_sla(ray_call *call);
ray_status ray_priority_run_alerts(ray_call *call);
ray_status ray_priority_run_acknowledge(ray_call *call);
ray_status ray_priority_run_sla_set(ray_call *call);
ray_status ray_priority_run_sla_remove(ray_call *call);

/* -- cmd_priority_control.c -- */
ray_status ray_priority_run_set(ray_call *call);
ray_status ray_priority_run_weight(ray_call *call);
ray_status ray_priority_run_service(ray_call *call);
ray_status ray_priority_run_unset(ray_call *call);
ray_status ray_priority_run_requeue(ray_call *call);
ray_status ray_priority_run_preempt(ray_call *call);

#endif
