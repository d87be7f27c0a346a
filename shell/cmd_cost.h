/* SPDX-License-Identifier: MIT */
/* cmd_cost.h - what the files of the cost command share. */
#ifndef RAY_CMD_COST_H
#define RAY_CMD_COST_H
#include "shell.h"

enum { RAY_COST_COLUMN = 20, RAY_COST_DIGITS = 12 };

/* Word `word` as a tenant; "-" is nobody in particular. Says so and suggests when it is none. */
ray_status ray_cost_tenant_at(ray_call *call, uint32_t word, uint32_t *tenant);
ray_status ray_cost_service_at(ray_call *call, const char *at, uint32_t length, uint32_t *service);
void ray_cost_tenant_name(const ray_call *call, uint32_t tenant, ray_name *out);
void ray_cost_put_tenant(const ray_call *call, uint32_t tenant);
void ray_cost_put_service(const ray_call *call, uint32_t service);
void ray_cost_json_money(ray_text *out, const char *key, const ray_money *money);
void ray_cost_json_nano(ray_text *out, const char *key, int64_t nano);
void ray_cost_put_nano(ray_text *out, int64_t nano);
const char *ray_cost_metric_word(uint32_t metric);
/* Word `word` as an amount in 10^-decimals units; the error is said. */
ray_status ray_cost_amount_at(ray_call *call, uint32_t word, uint32_t decimals, int64_t *out);

/* -- subcommands -- */
ray_status ray_cost_run_models(ray_call *call);
ray_status ray_cost_run_trends(ray_call *call);
ray_status ray_cost_run_project(ray_call *call);
ray_status ray_cost_run_alerts(ray_call *call);
ray_status ray_cost_run_bill(ray_call *call);
ray_status ray_cost_run_export(ray_call *call);
ray_status ray_cost_run_adjust(ray_call *call);
ray_status ray_cost_run_close(ray_call *call);
ray_status ray_cost_run_set(ray_call *call);
ray_status ray_cost_run_alert(ray_call *call);
ray_status ray_cost_run_unalert(ray_call *call);
ray_status ray_cost_run_acknowledge(ray_call *call);

#endif
