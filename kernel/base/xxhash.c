/* SPDX-License-Identifier: MIT */
/* xxhash.c - XXH32 and XXH64, as their specification says. */
#include "base/xxhash.h"
#include "base/bytes.h"

/* -- 32 bits -- */
#define A32 0x9E3779B1U
#define B32 0x85EBCA77U
#define C32 0xC2B2AE3DU
#define D32 0x27D4EB2FU
#define E32 0x165667B1U

static uint32_t turn32(uint32_t x, uint32_t n)
{
    return x << n | x >> (32 - n);
}

uint32_t ray_xxh32(const uint8_t *at, uint64_t length, uint32_t seed)
{
    const uint8_t *end = at + length;
    uint32_t hash = seed + E32;
    if (length >= 16) {
        uint32_t lane[4] = {seed + A32 + B32, seed + B32, seed, seed - A32};
        for (; end - at >= 16; at += 16)
            for (uint32_t i = 0; i < 4; i++)
                lane[i] = turn32(lane[i] + ray_read_u32(at + i * 4) * B32, 13) * A32;
        hash = turn32(lane[0], 1) + turn32(lane[1], 7) + turn32(lane[2], 12) + turn32(lane[3], 18);
    }
    hash += (uint32_t)length;
    for (; end - at >= 4; at += 4)
        hash = turn32(hash + ray_read_u32(at) * C32, 17) * D32;
    for (; at < end; at++)
        hash = turn32(hash + *at * E32, 11) * A32;
    hash = (hash ^ hash >> 15) * B32;
    hash = (hash ^ hash >> 13) * C32;
    return hash ^ hash >> 16;
}

/* -- 64 bits -- */
#define A64 0x9E3779B185EBCA87ULL
#define B64 0xC2B2AE3D27D4EB4FULL
#define C64 0x165667B19E3779F9ULL
#define D64 0x85EBCA77C2B2AE63ULL
#define E64 0x27D4EB2F165667C5ULL

static uint64_t turn64(uint64_t x, uint32_t n)
{
    return x << n | x >> (64 - n);
}

static uint64_t read64(const uint8_t *at)
{
    return (uint64_t)ray_read_u32(at) | (uint64_t)ray_read_u32(at + 4) << 32;
}

static uint64_t round64(uint64_t lane, uint64_t word)
{
    return turn64(lane + word * B64, 31) * A64;
}

uint64_t ray_xxh64(const uint8_t *at, uint64_t length, uint64_t seed)
{
    const uint8_t *end = at + length;
    uint64_t hash = seed + E64;
    if (length >= 32) {
        uint64_t lane[4] = {seed + A64 + B64, seed + B64, seed, seed - A64};
        for (; end - at >= 32; at += 32)
            for (uint32_t i = 0; i < 4; i++)
                lane[i] = round64(lane[i], read64(at + i * 8));
        hash = turn64(lane[0], 1) + turn64(lane[1], 7) + turn64(lane[2], 12) + turn64(lane[3], 18);
        for (uint32_t i = 0; i < 4; i++)
            hash = (hash ^ round64(0, lane[i])) * A64 + D64;
    }
    hash += length;
    for (; end - at >= 8; at += 8)
        hash = turn64(hash ^ round64(0, read64(at)), 27) * A64 + D64;
    if (end - at >= 4) {
        hash = turn64(hash ^ ray_read_u32(at) * A64, 23) * B64 + C64;
        at += 4;
    }
    for (; at < end; at++)
        hash = turn64(hash ^ *at * E64, 11) * A64;
    hash = (hash ^ hash >> 33) * B64;
    hash = (hash ^ hash >> 29) * C64;
    return hash ^ hash >> 32;
}
