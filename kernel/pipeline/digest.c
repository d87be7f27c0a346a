/* SPDX-License-Identifier: MIT */
/* digest.c - the three digests of DESIGN.md section 9 and the one audit ring. */
#include "pipeline/journey.h"
#include "base/bytes.h"
#include "base/crc32c.h"

/* -- decisions -- */
uint64_t ray_record(struct ray *ray, uint64_t now_ns, const ray_answer *answer)
{
    uint64_t seq = ray->seq++;
    uint64_t words[6] = {
        seq, now_ns, answer->retry_after_ns, answer->start_at_ns,
        (uint64_t)answer->by_id | (uint64_t)answer->reason << 32 | (uint64_t)answer->by_kind << 48 |
            (uint64_t)answer->verdict << 56,
        (uint64_t)answer->would_deny_count | (uint64_t)answer->epoch << 32};
    ray_sip_words(&ray->decision, words, 6);
    return seq;
}

void ray_record_complete(struct ray *ray, uint64_t now_ns, uint32_t reason)
{
    uint64_t words[6] = {ray->seq++, now_ns, 0, 0,
                         RAY_NONE | (uint64_t)reason << 32 | (uint64_t)RAY_VERDICT_COMPLETE << 56,
                         (uint64_t)ray->who.epoch << 32};
    ray_sip_words(&ray->decision, words, 6);
    ray->tally.completed_count++;
}

/* -- state and book -- */
static void state_digest(const struct ray *ray, uint8_t digest[16])
{
    ray_sip_stream stream;
    uint64_t head = (uint64_t)RAY_STATE_VERSION | (uint64_t)RAY_PROFILE << 32;
    ray_sip_begin(&stream, "raygate-state-v1");
    ray_sip_words(&stream, &head, 1);
    ray_sip_bytes(&stream, (const uint8_t *)ray + sizeof ray->decision,
                  sizeof *ray - sizeof ray->decision);
    ray_sip_end(&stream, digest);
}

static void book_digest(const struct ray *ray, uint8_t digest[16])
{
    ray_sip_stream stream;
    uint64_t head = (uint64_t)RAY_STATE_VERSION | (uint64_t)RAY_PROFILE << 32;
    ray_sip_begin(&stream, "raygate-book--v1");
    ray_sip_words(&stream, &head, 1);
    ray_sip_bytes(&stream, &ray->ratelimit.book, sizeof ray->ratelimit.book);
    ray_sip_bytes(&stream, &ray->quota.book, sizeof ray->quota.book);
    ray_sip_bytes(&stream, &ray->priority.book, sizeof ray->priority.book);
    ray_sip_bytes(&stream, &ray->policy.book, sizeof ray->policy.book);
    ray_sip_bytes(&stream, &ray->cost.book, sizeof ray->cost.book);
    ray_sip_bytes(&stream, &ray->governance.book, sizeof ray->governance.book);
    ray_sip_bytes(&stream, &ray->auth.book, sizeof ray->auth.book);
    ray_sip_bytes(&stream, &ray->mediator.book, sizeof ray->mediator.book);
    ray_sip_bytes(&stream, &ray->lb.book, sizeof ray->lb.book);
    ray_sip_bytes(&stream, &ray->resilience.book, sizeof ray->resilience.book);
    ray_sip_bytes(&stream, &ray->apimon.book, sizeof ray->apimon.book);
    ray_sip_bytes(&stream, &ray->inflight, sizeof ray->inflight);
    ray_sip_end(&stream, digest);
}

void ray_digest(const struct ray *ray, ray_digests *out)
{
    ray_sip_end(&ray->decision, out->decision);
    state_digest(ray, out->state);
    book_digest(ray, out->book);
    memcpy(out->config, ray->who.config_hash, sizeof out->config);
}

uint32_t ray_checksum(uint32_t before, const uint8_t *at, uint64_t length)
{
    return ray_crc32c(before, at, length);
}

/* -- audit -- */
ray_audit_record *ray_audit_next(struct ray *ray)
{
    uint64_t id = ++ray->audit.count;
    ray_audit_record *at = &ray->audit.record[(id - 1) % RAY_AUDIT_MAX];
    at->id = id;
    at->epoch = ray->who.epoch;
    return at;
}

uint64_t ray_audit_add(struct ray *ray, const ray_audit_record *record)
{
    ray_audit_record copy = *record;
    ray_audit_record *at = ray_audit_next(ray);
    copy.id = at->id;
    copy.epoch = at->epoch;
    *at = copy;
    return copy.id;
}

void ray_noted(struct ray *ray, uint64_t now_ns, const ray_audit_record *record)
{
    ray_audit_record copy = *record;
    copy.at_ns = now_ns;
    copy.seq = RAY_NEVER;
    ray_audit_add(ray, &copy);
}

/* A service that takes its place later inherits neither its pool nor its guards. */
static void service_gone(struct ray *ray, uint64_t now_ns, uint32_t service)
{
    (void)ray_lb_bind(&ray->lb, service, RAY_NONE);
    (void)ray_resilience_unset(&ray->resilience, now_ns, service);
}

void ray_edited(struct ray *ray, uint64_t now_ns, const ray_audit_record *record)
{
    ray->who.epoch++;
    ray->who.edit_count++;
    if (record->what == RAY_AUDIT_REMOVE && record->by_kind == RAY_BY_SERVICE)
        service_gone(ray, now_ns, record->by_id);
    ray_rules_seen(ray);
    ray_noted(ray, now_ns, record);
    if (ray->inflight.held_count == 0)
        return;
    ray_queue_drop_stale(ray, now_ns);   /* an edit may have taken a service away */
    ray_queue_pump_all(ray, now_ns);     /* or freed a server */
}

uint64_t ray_audit_count(const struct ray *ray)
{
    return ray->audit.count;
}

uint64_t ray_audit_overwritten_count(const struct ray *ray)
{
    return ray->audit.count > RAY_AUDIT_MAX ? ray->audit.count - RAY_AUDIT_MAX : 0;
}

ray_status ray_audit_read(const struct ray *ray, uint64_t id, ray_audit_record *out)
{
    if (id == 0 || id > ray->audit.count || id <= ray_audit_overwritten_count(ray))
        return RAY_E_UNKNOWN;
    *out = ray->audit.record[(id - 1) % RAY_AUDIT_MAX];
    return RAY_OK;
}
