/* SPDX-License-Identifier: MIT */
#ifndef RAY_LB_H
#define RAY_LB_H
#include <stdint.h>
#include "ray/types.h"
#include "ray/text.h"

/* lb: which instance of a service gets the next request, and which of them are fit to.
 *
 * Law: an instance that may not be picked is never picked while another may; connections of the
 * instances sum to those of their pool, and each is returned once. Cost: a pick walks its own pool,
 * maglev and ketama look up. Source: SEMANTICS.md, lb; smooth weighted round robin: nginx;
 * rendezvous hashing: Thaler and Ravishankar 1998; ketama: libmemcached; Maglev: Eisenbud et al.
 * 2016.
 */
typedef struct ray_lb ray_lb; /* state; size and layout are private */

enum ray_balance {
    RAY_BALANCE_ROUND_ROBIN = 0,
    RAY_BALANCE_LEAST_CONNECTIONS = 1,    /* fewest (connections + 1) / weight */
    RAY_BALANCE_WEIGHTED_ROUND_ROBIN = 2, /* smooth: a weight of 3 is never three in a row */
    RAY_BALANCE_IP_HASH = 3,              /* rendezvous: losing one of n moves only its keys */
    RAY_BALANCE_KETAMA = 4,               /* MD5 ring of libmemcached; a key is its low 32 bits */
    RAY_BALANCE_MAGLEV = 5,               /* one lookup whatever the number of instances */
    RAY_BALANCE_NGINX_IP_HASH = 6,        /* nginx's ip_hash: address modulo weights */
    RAY_BALANCE_MAX = 7
};

enum ray_health {
    RAY_HEALTH_HEALTHY = 0,
    RAY_HEALTH_UNHEALTHY = 1,
    RAY_HEALTH_UNKNOWN = 2,  /* picked only when nothing is Healthy or Degraded */
    RAY_HEALTH_DEGRADED = 3, /* half its weight */
    RAY_HEALTH_MAX = 4
};

/* What a query's key is the hash of: what the caller hashes for this pool. */
enum ray_lb_key {
    RAY_LB_KEY_NONE = 0,
    RAY_LB_KEY_ADDRESS = 1,
    RAY_LB_KEY_COOKIE = 2,
    RAY_LB_KEY_HEADER = 3,
    RAY_LB_KEY_NGINX = 4,    /* ray_lb_nginx_hash of the address, plus one */
    RAY_LB_KEY_MAX = 5
};

enum ray_lb_constant {
    RAY_LB_WEIGHT_MAX = 1000,
    RAY_LB_STREAK_MAX = 1000,    /* of rise, fall and eject_after */
    RAY_LB_EJECT_GROWTH_MAX = 10 /* an ejection lasts at most this many times the first */
};

/* [pool.NAME]; the row of the blob's pool section. Durations are nanoseconds, 0 says never. */
typedef struct ray_pool_spec {
    ray_name name;
    ray_name key_name;           /* sticky: the cookie's or header's name, else empty */
    uint64_t health_every_ns;    /* probes; 0: instances count as Healthy until told otherwise */
    uint64_t health_timeout_ns;
    uint64_t eject_ns;           /* first ejection; each one more in a row adds as much */
    uint64_t slow_start_ns;      /* from coming back to full weight */
    uint64_t idle_ttl_ns;        /* an idle connection is closed after this */
    uint32_t rise;               /* probes in a row that make Healthy, at least 1 */
    uint32_t fall;               /* and Unhealthy */
    uint32_t eject_after;        /* failed requests in a row that eject; 0: never */
    uint32_t eject_percent;      /* of the pool that may be ejected at once, 1..100 */
    uint32_t panic_percent;      /* fewer fit ones: health is ignored; 0: never */
    uint32_t connections_max;    /* of the pool at once; 0: any number */
    uint32_t idle_max;           /* idle connections kept */
    uint32_t load_percent;       /* hashes: most of the mean load one takes, 125..200; 0: any */
    uint32_t slow_start_percent; /* of the weight to begin with, 1..100 */
    uint8_t strategy;            /* enum ray_balance */
    uint8_t sticky;              /* enum ray_lb_key: keeps a key at its instance; 0: no */
    uint8_t panic_fails;         /* 1: in panic nobody is picked */
    uint8_t discovered;          /* 1: its instances come from discovery */
} ray_pool_spec;

/* One instance; the row of the blob's instance section. Its name "HOST:PORT" is its key; HOST is a
 * name, an IPv4 address, or in brackets an IPv6 one as RFC 5952 spells it: "[2001:db8::1]:80". */
typedef struct ray_instance_spec {
    ray_name at;
    uint32_t pool;               /* handle; place in the file */
    uint32_t weight;             /* 1..RAY_LB_WEIGHT_MAX */
} ray_instance_spec;

/* [service.X] pool = ...: whose instances serve it. */
typedef struct ray_service_pool_spec {
    uint32_t service;            /* handle */
    uint32_t pool;               /* place in the pool section */
} ray_service_pool_spec;

typedef struct ray_lb_query {
    uint64_t key;                /* hash, see enum ray_lb_key; 0: none */
    uint64_t until_ns;           /* the connection is given up then; RAY_NEVER: somebody ends it */
    uint32_t pool;               /* handle */
    uint32_t avoid;              /* instance not picked while another may be; RAY_NONE */
} ray_lb_query;

typedef struct ray_lb_answer {
    uint32_t instance;           /* handle, RAY_NONE when not granted */
    uint32_t pool;
    uint64_t retry_after_ns;     /* until the first ejected one returns; 0: nobody knows */
    uint16_t reason;             /* OK, NO_INSTANCE or POOL_FULL */
    uint16_t http_status;        /* 200 or 503 */
    uint8_t granted;
    uint8_t panic;               /* 1: picked whatever its health */
    uint8_t reused;              /* 1: on an idle connection */
    uint8_t reserved;
} ray_lb_answer;

typedef struct ray_lb_outcome {
    uint64_t latency_ns;
    uint32_t failed;             /* 1: counts towards ejection */
    uint32_t closed;             /* 1: the connection is not kept */
} ray_lb_outcome;

uint64_t ray_lb_bytes(void);
void ray_lb_init(ray_lb *lb, const uint8_t seed[16]);

/* -- request -- */
/* The pool of a service, RAY_NONE. O(1). */
uint32_t ray_lb_pool_of(const ray_lb *lb, uint32_t service);
/* enum ray_lb_key; *name is the cookie's or header's. */
uint32_t ray_lb_key_kind(const ray_lb *lb, uint32_t pool, ray_view *name);
/* Who would get it? Changes nothing. RAY_E_UNKNOWN, RAY_E_STALE for no pool of this handle. */
ray_status ray_lb_ask(const ray_lb *lb, uint64_t now_ns, const ray_lb_query *query,
                      ray_lb_answer *out);
/* Opens the connection that was granted; returns its lease, RAY_NONE when no place for one is left
 * (RAY_LEASE_MAX): then nothing was opened. */
uint32_t ray_lb_take(ray_lb *lb, uint64_t now_ns, const ray_lb_query *query,
                     const ray_lb_answer *answer);
void ray_lb_note(ray_lb *lb, uint64_t now_ns, const ray_lb_query *query,
                 const ray_lb_answer *answer, uint32_t granted);
/* Ends a connection. RAY_E_STALE for one that ended, RAY_E_UNKNOWN for none; nothing changed. */
ray_status ray_lb_done(ray_lb *lb, uint64_t now_ns, uint32_t lease, const ray_lb_outcome *outcome);
/* For callers without leases: one connection more or less at an instance. `close` of an instance
 * that has none is RAY_E_STATE. */
ray_status ray_lb_open(ray_lb *lb, uint64_t now_ns, uint32_t instance);
ray_status ray_lb_close(ray_lb *lb, uint64_t now_ns, uint32_t instance);

/* -- time: leases that nobody ended -- */
uint64_t ray_lb_due(const ray_lb *lb);
void ray_lb_tick(ray_lb *lb, uint64_t now_ns);

/* -- configuration -- */
typedef struct ray_lb_rows {
    const ray_pool_spec *pools;
    const ray_instance_spec *instances;
    const ray_service_pool_spec *services;
} ray_lb_rows;
ray_status ray_lb_check(const ray_lb_rows *rows, const ray_config_counts *counts,
                        ray_config_report *report);
/* Rows that passed the check take the place of the old ones: pools by name, instances by key keep
 * health, connections and counters; instances that discovery brought to a pool that still is
 * discovered stay. What has connections but is gone drains and then goes. */
void ray_lb_load(ray_lb *lb, uint64_t now_ns, const ray_lb_rows *rows,
                 const ray_config_counts *counts, ray_config_report *report);
void ray_lb_services_move(ray_lb *lb, const ray_names *before, const ray_names *after);

/* -- control: every error changes nothing -- */
ray_status ray_lb_add_pool(ray_lb *lb, uint64_t now_ns, const ray_pool_spec *spec, uint32_t *id);
/* RAY_E_USED while it has instances or a service, unless `cascade`. */
ray_status ray_lb_remove_pool(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t cascade);
ray_status ray_lb_set_pool(ray_lb *lb, uint64_t now_ns, uint32_t id, const ray_pool_spec *spec);
ray_status ray_lb_add_instance(ray_lb *lb, uint64_t now_ns, const ray_instance_spec *spec,
                               uint32_t *id);
/* RAY_E_USED while it has connections, unless `cascade`: then it drains and goes with the last. */
ray_status ray_lb_remove_instance(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t cascade);
ray_status ray_lb_set_weight(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t weight);
ray_status ray_lb_drain(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t draining);
ray_status ray_lb_set_health(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t health);
/* What a probe saw; rise and fall decide. */
ray_status ray_lb_probe(ray_lb *lb, uint64_t now_ns, uint32_t id, uint32_t passed);
ray_status ray_lb_reset(ray_lb *lb, uint64_t now_ns, uint32_t pool); /* round robin begins anew */
ray_status ray_lb_bind(ray_lb *lb, uint32_t service, uint32_t pool); /* RAY_NONE: no pool */
/* Discovery's whole answer for a pool: instances by key stay, new ones come, others drain and go.
 * An empty answer is RAY_E_ARGUMENT, is counted, and keeps the last set, as a failed one does that
 * is reported with count 0. RAY_E_FULL, RAY_E_RANGE, RAY_E_EXISTS change nothing. */
ray_status ray_lb_discover(ray_lb *lb, uint64_t now_ns, uint32_t pool,
                           const ray_instance_spec *rows, uint32_t count);

/* -- reading -- */
typedef struct ray_lb_stats {
    uint64_t asked_count;
    uint64_t granted_count;
    uint64_t denied_count;
    uint64_t error_count;
    uint64_t unspent_count;       /* granted here, sent nowhere */
    uint64_t opened_count;
    uint64_t closed_count;
    uint64_t lapsed_count;        /* leases nobody ended */
    uint64_t failed_count;
    uint64_t ejected_count;       /* times */
    uint64_t panic_count;         /* picks whatever the health */
    uint64_t full_count;          /* refused: POOL_FULL */
    uint64_t reused_count;        /* on idle connections */
    uint64_t discovered_count;    /* answers of discovery taken */
    uint64_t discovery_kept_count; /* empty or failed ones */
    uint32_t pool_count;
    uint32_t instance_count;
    uint32_t connection_count;    /* now */
    uint32_t idle_count;          /* now */
} ray_lb_stats;

typedef struct ray_pool_stats {
    uint64_t picked_count;
    uint64_t denied_count;
    uint64_t reused_count;
    uint32_t instance_count;
    uint32_t fit_count;           /* that may be picked now */
    uint32_t ejected_count;       /* now */
    uint32_t connection_count;
    uint32_t idle_count;
    uint32_t cursor;              /* place picked last */
    uint32_t panic;               /* 1: now */
    uint32_t service_count;
} ray_pool_stats;

typedef struct ray_instance_stats {
    uint64_t picked_count;
    uint64_t failed_count;
    uint64_t latency_sum_ns;
    uint64_t ejected_until_ns;    /* 0: not ejected */
    uint64_t since_ns;            /* slow start began; 0: over or none */
    uint32_t weight_ppm;          /* of its weight that counts now */
    uint32_t health;              /* enum ray_health */
    uint32_t connection_count;
    uint32_t idle_count;
    uint32_t streak;              /* probes or requests in a row */
    uint32_t streak_passed;       /* 1: they passed */
    uint32_t ejection_count;      /* in a row */
    uint32_t draining;            /* 1 draining, 2 leaves with its last connection */
    uint32_t fit;                 /* 1: may be picked */
    uint32_t pool;
} ray_instance_stats;

void ray_lb_read(const ray_lb *lb, ray_lb_stats *out);
ray_status ray_lb_pool_read(const ray_lb *lb, uint64_t now_ns, uint32_t id, ray_pool_spec *spec,
                            ray_pool_stats *out);
ray_status ray_lb_instance_read(const ray_lb *lb, uint64_t now_ns, uint32_t id,
                                ray_instance_spec *spec, ray_instance_stats *out);
ray_status ray_lb_find_pool(const ray_lb *lb, const char *name, uint64_t length, uint32_t *id);
ray_status ray_lb_find_instance(const ray_lb *lb, uint32_t pool, const char *at, uint64_t length,
                                uint32_t *id);
/* The next handle in table order after `id`; RAY_NONE begins, and is returned at the end. */
uint32_t ray_lb_next_pool(const ray_lb *lb, uint32_t id);
uint32_t ray_lb_next_instance(const ray_lb *lb, uint32_t pool, uint32_t id);
ray_status ray_lb_export_csv(const ray_lb *lb, uint64_t now_ns, ray_text *text);
ray_status ray_lb_export_json(const ray_lb *lb, uint64_t now_ns, ray_text *text);
/* An exposition of the module, its pools and instances; `form` is of enum ray_exposition. */
ray_status ray_lb_export_metrics(const ray_lb *lb, uint64_t now_ns, uint32_t form, ray_text *text);
const char *ray_balance_word(uint32_t strategy);
const char *ray_health_word(uint32_t health);
/* 0 when every law holds, else the number of one that does not; kernel/lb/valid.c lists them. */
uint32_t ray_lb_valid(const ray_lb *lb);
/* Makes rings and tables of a valid state anew; 0 when they were others: it was tampered with. */
uint32_t ray_lb_reindex(ray_lb *lb);

/* -- hashes by themselves, for tests and tools -- */
/* nginx's ip_hash of an address: three octets of IPv4, all of IPv6. Below 6271. */
uint32_t ray_lb_nginx_hash(const ray_address *address);
/* The first four bytes of MD5, little-endian: a key's place on a ketama ring. */
uint32_t ray_lb_ketama_hash(const uint8_t *at, uint64_t length);
/* The point of a pool's ring at or above `hash`, and whose it is. RAY_E_UNKNOWN without a ring. */
ray_status ray_lb_ketama_find(const ray_lb *lb, uint32_t pool, uint32_t hash, uint32_t *point,
                              uint32_t *instance);
uint32_t ray_xxh32(const uint8_t *at, uint64_t length, uint32_t seed);
uint64_t ray_xxh64(const uint8_t *at, uint64_t length, uint64_t seed);

#endif
