/* SPDX-License-Identifier: MIT */
/* monitor.c - times what watches the requests.
 *
 *   bench governance KIND PAIRS   ray_governance_note of that kind of step, over PAIRS services
 *   bench histogram               ray_histogram_record; with "quantiles" three of them at once
 *   bench exposition SERVICES     one sample of the Prometheus text
 *   bench apimon SERVICES         ray_apimon_exchange; with "quantiles" three of a service at once
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"
#include "base/histogram.h"

static ray_governance *counted(uint32_t kind, uint32_t pairs, uint32_t steps)
{
    static ray_governance *governance;
    static const uint8_t seed[16];
    ray_governance_event event = { .verdict = 1, .reason = 1, .kind = RAY_GOV_ADMIT };
    if (governance == NULL)
        governance = aligned(ray_governance_bytes());
    ray_governance_init(governance, seed);
    for (uint32_t i = 0; i < (kind == RAY_GOV_ADMIT || kind == RAY_GOV_DONE ? pairs : steps); i++) {
        event.service = event.tenant = i % pairs;
        ray_governance_note(governance, 0, &event);
    }
    return governance;
}

/* Steps of one kind, 300 ns apart, over `pairs` (service, tenant) in turn. */
static int governance(uint32_t kind, uint32_t pairs)
{
    enum { STEPS = 1 << 20 };
    ray_governance_event event = { .tokens = 1, .wait_ns = 12345, .latency_ns = 2345678,
                                   .bytes = 100, .cost_nano = 1000, .http_status = 200,
                                   .verdict = 1, .reason = 1, .kind = (uint8_t)kind };
    uint64_t best = UINT64_MAX;
    ray_governance_stats stats = { .error_count = 1 };
    for (int round = 0; round < ROUNDS; round++) {
        ray_governance *state = counted(kind, pairs, STEPS);
        uint64_t began = cpu_ns();
        for (uint64_t i = 0, at = 0; i < STEPS; i++, at = at + 1 == pairs ? 0 : at + 1) {
            event.service = event.tenant = (uint32_t)at;
            ray_governance_note(state, 1 + 300 * i, &event);
        }
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
        ray_governance_read(state, &stats);
    }
    say(best, STEPS, stats.error_count == 0 ? STEPS : 0);
    return 0;
}

/* Values over 24 octaves: recording one, or three quantiles of all of them. */
static int histogram(uint32_t quantiles)
{
    enum { BITS = RAY_HISTOGRAM_SUB_BITS, RECORDS = 1 << 20, READS = 1 << 12 };
    static uint32_t bucket[RAY_HISTOGRAM_BUCKETS(BITS)];
    static const uint32_t ppm[3] = { 500000, 950000, 990000 };
    static ray_histogram head;
    uint64_t best = UINT64_MAX, out[3], sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        for (uint64_t i = 0; i < RECORDS; i++)
            ray_histogram_record(&head, bucket, BITS, i * 2654435761u & 0xffffff);
        uint64_t took = cpu_ns() - began;
        began = cpu_ns();
        for (uint32_t i = 0; quantiles && i < READS; i++) {
            ray_histogram_quantiles(&head, bucket, BITS, ppm, 3, out);
            sum += out[i % 3];
        }
        took = quantiles ? cpu_ns() - began : took;
        best = took < best ? took : best;
    }
    say(best, quantiles ? READS : RECORDS, quantiles ? sum : head.count);
    return 0;
}

/* The Prometheus text of so many services with a name each, by its samples. */
static int exposition(uint32_t services)
{
    ray_governance *state = counted(RAY_GOV_ADMIT, services, 0);
    ray_name *names = aligned(services * sizeof *names);
    uint64_t best = UINT64_MAX, samples = 0;
    ray_text text;
    char *out = aligned(1u << 24);
    for (uint32_t i = 0; i < services; i++)
        snprintf(names[i].at, sizeof names[i].at, "service-%u", i);
    ray_governance_labels labels;
    labels.service = (ray_names){ (const uint8_t *)names, sizeof *names, services };
    labels.tenant = labels.policy = labels.service;
    for (int round = 0; round < ROUNDS; round++) {
        ray_text_init(&text, out, 1u << 24);
        uint64_t began = cpu_ns();
        ray_governance_export_metrics(state, &labels, 0, &text);
        uint64_t took = cpu_ns() - began;
        best = took < best ? took : best;
    }
    for (uint64_t i = 0; i + 1 < text.length; i++)
        samples += out[i] == '\n' && out[i + 1] != '#';
    say(best, samples, samples);
    return 0;
}

/* Exchanges over so many services in turn, 300 ns apart, or three quantiles of each. */
static int apimon(uint32_t services, uint32_t quantiles)
{
    enum { RECORDS = 1 << 20, READS = 1 << 12 };
    static const uint8_t seed[16];
    static const uint32_t ppm[3] = { 500000, 950000, 990000 };
    ray_apimon *state = aligned(ray_apimon_bytes());
    ray_apimon_event event = { .request_bytes = 300, .http_status = 200,
                               .kind = RAY_APIMON_FINISHED };
    uint64_t best = UINT64_MAX, out[3], sum = 0, count = 0, now_ns = 1;
    ray_apimon_init(state, seed);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t began = cpu_ns();
        for (uint32_t i = 0, at = 0; i < RECORDS; i++, at = at + 1 == services ? 0 : at + 1) {
            event.service = at;
            event.latency_ns = i * 2654435761u & 0xffffff;
            ray_apimon_exchange(state, now_ns += 300, &event);
        }
        uint64_t took = cpu_ns() - began;
        began = cpu_ns();
        for (uint32_t i = 0; quantiles && i < READS; i++) {
            uint32_t place = RAY_APIMON_FIRST + i % services;
            if (ray_apimon_quantiles(state, place, ppm, 3, out, &count))
                exit(2);
            sum += out[i % 3];
        }
        took = quantiles ? cpu_ns() - began : took;
        best = took < best ? took : best;
    }
    ray_apimon_stats stats;
    ray_apimon_read(state, &stats);
    say(best, quantiles ? READS : RECORDS,
        stats.folded_count == 0 && (sum != 0 || !quantiles) ? RECORDS : 0);
    return 0;
}

int monitor(int count, char **word)
{
    uint32_t size = count > 2 ? (uint32_t)strtoul(word[2], NULL, 10) : 0;
    if (count == 4 && !strcmp(word[1], "governance"))
        return governance(size, (uint32_t)strtoul(word[3], NULL, 10));
    if (count <= 3 && !strcmp(word[1], "histogram"))
        return histogram(count == 3);
    if (count == 3 && !strcmp(word[1], "exposition"))
        return exposition(size);
    if (count >= 3 && count <= 4 && !strcmp(word[1], "apimon"))
        return apimon(size, count == 4);
    return 2;
}
