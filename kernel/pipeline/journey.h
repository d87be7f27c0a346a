/* SPDX-License-Identifier: MIT */
/* journey - what the stages of one admission said, before anything is booked. Shared by admit.c and
 * explain.c, so that what is explained is what is decided. */
#ifndef RAY_PIPELINE_JOURNEY_H
#define RAY_PIPELINE_JOURNEY_H
#include "kernel_state.h"

/* Who the request is from: what its credentials prove, else what its row says. */
typedef struct ray_identified {
    ray_auth_query query;
    ray_auth_answer answer;
    ray_mediator_query mediation;
    ray_mediator_answer mediated;
} ray_identified;

/* The two stages that are asked in full. Apart from the rest, so that each of the two fits into one
 * stack frame. */
typedef struct ray_governed {
    ray_ratelimit_answer limits;
    ray_quota_answers quotas;
} ray_governed;

/* How far limits and quotas were asked. */
enum ray_asked {
    RAY_ASKED_NOT = 0,
    RAY_ASKED_ALL = 1,
    RAY_ASKED_ADDRESS = 2      /* only limits of addresses, and one of them said no */
};

struct ray_journey {
    ray_address client;        /* behind the proxies that are trusted */
    ray_gateway_answer gateway;
    ray_policy_answer policy;
    ray_priority_query place;  /* what is asked of the queue */
    ray_priority_answer queue;
    ray_cost_quote quote;
    ray_governed *governed;    /* the caller's */
    ray_identified *identified; /* the caller's */
    ray_view user;
    uint64_t key;              /* whom the balancer keeps together, hashed; 0: nobody */
    uint64_t target;           /* what it may change of what is kept, hashed; 0: nothing */
    uint32_t tenant;
    uint32_t role;             /* enum ray_role, 0 unknown */
    uint32_t plan;
    uint32_t priority;         /* its class */
    uint32_t priced;           /* 1: quote says what it is expected to cost */
    uint32_t asked;            /* 1: the limits and quotas were asked; see ray_asked */
    uint32_t queue_asked;
    uint32_t others_allowed;   /* 1: every stage but ratelimit says yes */
    uint32_t granted;          /* 1: every stage says yes */
    uint32_t auth_asked;
    uint32_t transform;        /* RAY_NONE: its bodies pass as they are */
    uint32_t mediated;         /* 1: the mediator was asked */
    uint32_t cached;           /* 1: a stored answer serves it */
    uint32_t guarded;          /* 1: guards are asked before it is sent */
    uint32_t unfit;            /* 1: its body is refused: admitted, but it will not be sent */
    uint32_t reserved;
};

/* The offsets and ids of a row against its bytes and the configuration: RAY_OK or why the row
 * cannot be a request. */
ray_status ray_row_check(const struct ray *ray, const ray_rows *rows, const ray_row *row);

/* Asks every stage; changes nothing but rows->scratch. journey->governed and ->identified
 * must lead to memory. Fills journey and the verdict part of answer. */
void ray_journey_ask(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                     const ray_row *row, ray_journey *journey, ray_answer *answer);

/* What a row is to each stage that books by its query, once the stages before were asked. */
void ray_policy_query_of(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                         const ray_journey *journey, ray_policy_query *query);
void ray_quota_query_of(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                        const ray_journey *journey, ray_quota_query *query);
void ray_cost_query_of(const struct ray *ray, const ray_row *row, const ray_journey *journey,
                       ray_cost_query *query);

/* Writes the record of a completion that nobody hears an answer of, and counts it. */
void ray_record_complete(struct ray *ray, uint64_t now_ns, uint32_t reason);

/* How long its service may take: what the service states, or what all others get. */
static inline uint64_t ray_timeout_of(const ray_journey *journey)
{
    return journey->gateway.timeout_ns != 0 ? journey->gateway.timeout_ns
                                            : (uint64_t)RAY_DEFAULT_TIMEOUT_S * 1000000000U;
}

/* When an attempt that begins now must have ended. */
static inline uint64_t ray_attempt_end(uint64_t now_ns, uint64_t timeout_ns)
{
    return now_ns < RAY_NEVER - timeout_ns ? now_ns + timeout_ns : RAY_NEVER - 1;
}

/* The status a request is measured by. What is no status is a server's failure (RFC 9110 section
 * 15); an outcome that says more than the status has the word; where nobody said anything, as a log
 * without that column, what came is taken for a success. */
static inline uint16_t ray_status_seen(uint32_t http_status, uint32_t outcome)
{
    uint32_t failed = outcome == RAY_OUTCOME_FAIL_5XX || outcome == RAY_OUTCOME_TIMEOUT ||
                      outcome == RAY_OUTCOME_CONNECTION;
    if (failed != 0 && http_status < 400)
        return outcome == RAY_OUTCOME_TIMEOUT ? 504 : 502;
    if (http_status >= 100 && http_status <= 599)
        return (uint16_t)http_status;
    return http_status == 0 ? 200 : 500;
}

/* Asks one stage, in this order. */
ray_status ray_ask_gateway(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                           const ray_row *row, ray_journey *journey);
/* Limits of addresses, before credentials are looked at; journey->asked says whether one said no.
 */
ray_status ray_ask_address(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                           const ray_row *row, ray_journey *journey);
ray_status ray_ask_auth(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                        const ray_row *row, ray_journey *journey);
ray_status ray_ask_policies(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                            const ray_row *row, ray_journey *journey);
void ray_class_choose(const struct ray *ray, const ray_row *row, ray_journey *journey);
ray_status ray_ask_limits(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                          const ray_row *row, ray_journey *journey);
ray_status ray_ask_cost(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                        ray_journey *journey);
ray_status ray_ask_quotas(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                          ray_journey *journey);
ray_status ray_ask_mediator(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                            const ray_row *row, ray_journey *journey);
/* What a request of an unsafe method may change of what is kept; 0: nothing. */
uint64_t ray_target_of(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                       const ray_journey *journey);
/* Whom the balancer keeps together. */
uint64_t ray_balance_key(const struct ray *ray, const ray_rows *rows, const ray_row *row,
                         const ray_journey *journey);
ray_status ray_ask_queue(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                         ray_journey *journey, const ray_answer *answer);

/* Explain's stages that are not gateway, ratelimit or quota. */
void ray_explain_stage(ray_text *out, const char *word);
void ray_explain_name(const struct ray *ray, uint32_t by_kind, uint32_t by_id, ray_text *out);
void ray_explain_policy(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                        const ray_journey *journey, ray_text *out);
void ray_explain_policy_json(const struct ray *ray, uint64_t now_ns, const ray_rows *rows,
                             const ray_journey *journey, ray_text *out);
void ray_explain_queue(uint64_t now_ns, const ray_journey *journey, ray_text *out);
void ray_explain_auth(const struct ray *ray, const ray_journey *journey, ray_text *out);
void ray_explain_auth_json(const struct ray *ray, const ray_journey *journey, ray_text *out);
/* What becomes of a request that is admitted and would not be sent: the verdict of its dropping. */
void ray_foretell(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                  const ray_journey *journey, ray_answer *answer);
void ray_explain_way(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                     const ray_journey *journey, ray_text *out);
void ray_explain_way_json(const struct ray *ray, uint64_t now_ns, const ray_row *row,
                          const ray_journey *journey, ray_text *out);
void ray_explain_queue_json(const ray_journey *journey, ray_text *out);

/* What a request really used, once it is known. */
typedef struct ray_used {
    ray_cost_query cost;
    uint64_t quota[RAY_QUOTA_TYPE_MAX];
    uint16_t http_status;
    uint8_t reserved[6];
} ray_used;
/* What is over with its admission: what it used, billed, before anything is booked; and its end,
 * measured, afterwards. `exchange`: its row brings its outcome, and it took no time. `cached`: a
 * stored answer serves it, to the bill as if its service had sent it. */
void ray_used_exchange(struct ray *ray, uint64_t now_ns, const ray_row *row,
                       const ray_journey *journey, ray_used *used, ray_answer *answer);
void ray_complete_exchange(struct ray *ray, uint64_t now_ns, const ray_row *row,
                           const ray_journey *journey, const ray_used *used, ray_answer *answer);
void ray_used_cached(struct ray *ray, uint64_t now_ns, const ray_row *row,
                     const ray_journey *journey, ray_used *used, ray_answer *answer);
void ray_complete_cached(struct ray *ray, uint64_t now_ns, const ray_row *row,
                         const ray_journey *journey, const ray_used *used, ray_answer *answer);

#endif
