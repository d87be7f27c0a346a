/* SPDX-License-Identifier: MIT */
/* cmd_policy.h - what the files of the policy command share. */
#ifndef RAY_CMD_POLICY_H
#define RAY_CMD_POLICY_H
#include "shell.h"

/* The rule that word 2 names; says so and suggests the nearest when there is none. */
ray_status ray_policy_named(ray_call *call, uint32_t *rule);
/* "role=user|guest method=GET ip!=10.0.0.0/8": what a rule asks, "always" for nothing. */
void ray_policy_put_when(const ray_call *call, const ray_policy_row *row);
/* --service --route --method --role --tenant --ip --header --at as what is known of a request. */
ray_status ray_policy_query_read(ray_call *call, ray_policy_query *query, uint64_t *now_ns);

ray_status ray_policy_run_test(ray_call *call);
ray_status ray_policy_run_add(ray_call *call);
ray_status ray_policy_run_switch(ray_call *call);
ray_status ray_policy_run_mode(ray_call *call);
ray_status ray_policy_run_remove(ray_call *call);
ray_status ray_policy_run_reset(ray_call *call);

#endif
