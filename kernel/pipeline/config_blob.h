/* SPDX-License-Identifier: MIT */
/* config_blob - a configuration blob whose frame was checked: where each section stands. Shared by
 * the two files that check and load it. */
#ifndef RAY_PIPELINE_CONFIG_BLOB_H
#define RAY_PIPELINE_CONFIG_BLOB_H
#include "kernel_state.h"

/* Every pointer leads into the blob; of a section that is absent to its start, with a count of 0.
 * */
typedef struct ray_config_blob {
    const ray_settings_spec *settings;
    const ray_name *plans;
    const ray_tenant_spec *tenants;
    const ray_network *networks;
    const ray_service_spec *services;
    const ray_route_spec *routes;
    ray_view tables;
    const ray_limit_spec *limits;
    const ray_limit_rate_spec *rates;
    const ray_quota_spec *quotas;
    ray_priority_rows queues;
    ray_policy_rows policies;
    ray_cost_rows cost;
    const ray_alert_spec *alerts;
    ray_lb_rows pools;
    const ray_guard_spec *guards;
    ray_mediator_rows mediation;
    ray_auth_rows auth;
    const uint8_t *seed;
    ray_config_counts counts;
    uint32_t network_count;
    uint32_t settings_count;
    uint32_t seed_count;
    uint32_t reserved;
} ray_config_blob;

/* Frame, rows and references; fills *blob and the report with the hash. */
ray_status ray_config_blob_check(const uint8_t *at, uint64_t length, ray_config_blob *blob,
                                 ray_config_report *report);
/* The part of it that is about rows, for blobs whose frame holds. */
ray_status ray_config_rows_check(const ray_config_blob *blob, ray_config_report *report);

#endif
