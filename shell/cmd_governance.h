/* SPDX-License-Identifier: MIT */
/* cmd_governance.h - what the files of the governance command share. */
#ifndef RAY_CMD_GOVERNANCE_H
#define RAY_CMD_GOVERNANCE_H
#include "shell.h"

/* --service and --tenant as handles, RAY_NONE where they are absent. */
ray_status ray_governance_whose(ray_call *call, uint32_t *service, uint32_t *tenant);
/* --grain: second, minute or hour. */
ray_status ray_governance_grain_read(ray_call *call, uint32_t *grain);
/* The alert word `word` names; says which one was meant when there is none. */
ray_status ray_governance_alert_word(ray_call *call, uint32_t word, uint32_t *alert);
/* The name of a service or tenant, or (none), (7). */
void ray_governance_put_key(ray_call *call, uint32_t dimension, uint32_t id, uint32_t json);

/* cmd_governance_show.c */
ray_status ray_governance_run_timeline(ray_call *call);
ray_status ray_governance_run_top(ray_call *call);
ray_status ray_governance_run_percentiles(ray_call *call);
ray_status ray_governance_run_correlate(ray_call *call);
/* cmd_governance_alert.c */
ray_status ray_governance_run_alerts(ray_call *call);
ray_status ray_governance_run_alert(ray_call *call);
ray_status ray_governance_run_acknowledge(ray_call *call);

#endif
