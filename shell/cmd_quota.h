/* SPDX-License-Identifier: MIT */
/* cmd_quota.h - what the files of the quota command share. */
#ifndef RAY_CMD_QUOTA_H
#define RAY_CMD_QUOTA_H
#include "shell.h"

/* The quota that word 2 names; says so and suggests the nearest when there is none. */
ray_status ray_quota_named(ray_call *call, uint32_t *allocation);
/* --tenant and --user as the instance they choose; the error is said. */
ray_status ray_quota_instance(ray_call *call, ray_quota_key *key);
/* An amount in the unit of the quota's type: bytes may be written as 8KiB. */
ray_status ray_quota_amount(ray_call *call, uint32_t type, uint32_t word, uint64_t *units);
/* `quota allocate`'s words as terms; says which rule of the core they break. */
ray_status ray_quota_terms_read(ray_call *call, ray_quota_spec *spec);
ray_status ray_quota_terms_refuse(ray_call *call, ray_status status, const ray_quota_spec *spec);
#define RAY_LIMIT_WORD "9223372036854775808"
void ray_quota_outcome_put(ray_call *call, uint32_t allocation, uint64_t units,
                           const ray_quota_outcome *outcome);

/* -- words -- */
const char *ray_quota_type_word(uint32_t type);
void ray_quota_put_window(ray_text *out, const ray_quota_spec *spec);
void ray_quota_tenant_name(const ray_call *call, uint32_t tenant, ray_name *out);
/* The tenant's name, its number where the configuration has none, "each" for RAY_NONE. */
void ray_quota_put_tenant(const ray_call *call, uint32_t tenant);

/* -- subcommands -- */
ray_status ray_quota_run_usage(ray_call *call);
ray_status ray_quota_run_show(ray_call *call);
ray_status ray_quota_run_alerts(ray_call *call);
ray_status ray_quota_run_test(ray_call *call);
ray_status ray_quota_run_allocate(ray_call *call);
ray_status ray_quota_run_set(ray_call *call);
ray_status ray_quota_run_remove(ray_call *call);
ray_status ray_quota_run_reset(ray_call *call);
ray_status ray_quota_run_consume(ray_call *call);
ray_status ray_quota_run_acknowledge(ray_call *call);

#endif
