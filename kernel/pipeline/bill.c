/* SPDX-License-Identifier: MIT */
/* bill.c - invoices with names on them: the module knows ids, the gateway and who know names. */
#include "pipeline/journey.h"
#include "base/bytes.h"

static void service_name(const void *of, uint32_t service, ray_name *out)
{
    const struct ray *ray = of;
    ray_by_name(ray, RAY_BY_SERVICE, service, out);
}

ray_status ray_bill_export(const struct ray *ray, const ray_cost_bill *bill, uint32_t format,
                           ray_text *text)
{
    ray_cost_words words = {.name = service_name, .of = ray};
    memset(&words.tenant, 0, sizeof words.tenant);
    if (bill->tenant < ray->who.tenant_count)
        words.tenant = ray->who.tenant[bill->tenant].name;
    return ray_cost_export(&ray->cost, bill, format, &words, text);
}
