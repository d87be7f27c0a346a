/* SPDX-License-Identifier: MIT */
/* cmd_lb.h - what the files of the lb command share. */
#ifndef RAY_CMD_LB_H
#define RAY_CMD_LB_H
#include "shell.h"

/* The pool that `word` names; says so and suggests the nearest when there is none. */
ray_status ray_pool_named(ray_call *call, uint32_t word, uint32_t *pool);
/* The instance of a pool that `word` names as HOST:PORT; the same. */
ray_status ray_instance_named(ray_call *call, uint32_t pool, uint32_t word, uint32_t *instance);

/* -- cmd_lb_show.c -- */
ray_status ray_lb_run_show(ray_call *call);
ray_status ray_lb_run_instances(ray_call *call);
ray_status ray_lb_run_test(ray_call *call);

/* -- cmd_lb_edit.c -- */
ray_status ray_lb_run_health(ray_call *call);
ray_status ray_lb_run_drain(ray_call *call);
ray_status ray_lb_run_undrain(ray_call *call);
ray_status ray_lb_run_weight(ray_call *call);
ray_status ray_lb_run_add(ray_call *call);
ray_status ray_lb_run_remove(ray_call *call);
ray_status ray_lb_run_pool_add(ray_call *call);
ray_status ray_lb_run_pool_remove(ray_call *call);
ray_status ray_lb_run_bind(ray_call *call);
ray_status ray_lb_run_reset(ray_call *call);
ray_status ray_lb_run_discover(ray_call *call);

#endif
