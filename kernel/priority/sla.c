/* SPDX-License-Identifier: MIT */
/* sla.c - what a service promised, minute by minute. A minute is closed by the first outcome after
 * it: ticks and reads change nothing. */
#include "parts.h"

#define MINUTE_NS 60000000000ULL
enum { COUNT_MAX = 0x7fffffff };

/* The p95 by nearest rank is the ceil(95 n / 100)th of n: it is over the promise exactly when more
 * than floor(n / 20) are. */
static uint32_t breach_of(const ray_sla_spec *spec, const ray_sla_stats *sla)
{
    uint32_t breach = 0;
    if ((uint64_t)sla->running_failed_count * RAY_SLA_BP_MAX >
        (uint64_t)sla->running_count * spec->error_rate_bp)
        breach |= RAY_BREACH_ERRORS;
    if (sla->running_slow_count > sla->running_count / 20)
        breach |= RAY_BREACH_LATENCY;
    return breach;
}

uint32_t ray_sla_view(const ray_sla_spec *spec, uint64_t now_ns, ray_sla_stats *sla)
{
    uint64_t minute = now_ns / MINUTE_NS;
    uint32_t breach = 0;
    if (minute <= sla->minute)
        return 0;
    if (sla->running_count != 0) {
        breach = breach_of(spec, sla);
        sla->minute_count++;
        sla->breach_count += breach != 0;
        sla->errors_breach_count += (breach & RAY_BREACH_ERRORS) != 0;
        sla->latency_breach_count += (breach & RAY_BREACH_LATENCY) != 0;
        sla->last_count = sla->running_count;
        sla->last_failed_count = sla->running_failed_count;
        sla->last_slow_count = sla->running_slow_count;
        sla->last_breach = breach;
    }
    sla->running_count = 0;
    sla->running_failed_count = 0;
    sla->running_slow_count = 0;
    sla->minute = minute;
    return breach;
}

static void raise(ray_priority *priority, uint64_t minute, uint32_t service, uint32_t breach,
                  const ray_sla_stats *sla)
{
    uint64_t id = ++priority->tally.alert_count;
    priority->tally.alert[(id - 1) % RAY_SLA_ALERT_MAX] = (ray_sla_alert){
        .id = id,
        .minute = minute,
        .service = service,
        .breach = breach,
        .outcome_count = sla->last_count,
        .failed_count = sla->last_failed_count,
        .slow_count = sla->last_slow_count,
    };
}

void ray_sla_outcome(ray_priority *priority, uint64_t now_ns, uint32_t service, uint64_t latency_ns,
                     uint32_t failed, uint32_t missed)
{
    const ray_sla_spec *spec = ray_sla_rule(priority, service);
    if (spec == 0)
        return;
    ray_sla_stats *sla = &priority->tally.sla[service & RAY_QUEUE_SLOT_MASK];
    uint32_t slow = latency_ns > spec->p95_latency_ns;
    uint64_t minute = sla->minute;
    uint32_t breach = ray_sla_view(spec, now_ns, sla);
    if (breach != 0)
        raise(priority, minute, service, breach, sla);
    sla->outcome_count++;
    sla->failed_count += failed != 0;
    sla->slow_count += slow;
    sla->missed_count += missed;
    if (sla->running_count == COUNT_MAX) /* more in a minute than any machine serves */
        return;
    sla->running_count++;
    sla->running_failed_count += failed != 0;
    sla->running_slow_count += slow;
}

/* -- alerts -- */
ray_status ray_priority_alert_read(const ray_priority *priority, uint64_t id, ray_sla_alert *out)
{
    uint64_t count = priority->tally.alert_count;
    if (id == 0 || id > count)
        return RAY_E_UNKNOWN;
    if (count - id >= RAY_SLA_ALERT_MAX)
        return RAY_E_STALE;
    *out = priority->tally.alert[(id - 1) % RAY_SLA_ALERT_MAX];
    return RAY_OK;
}

ray_status ray_priority_alert_acknowledge(ray_priority *priority, uint64_t id)
{
    ray_sla_alert alert;
    ray_status status = ray_priority_alert_read(priority, id, &alert);
    if (status == RAY_OK)
        priority->tally.alert[(id - 1) % RAY_SLA_ALERT_MAX].acknowledged = 1;
    return status;
}
