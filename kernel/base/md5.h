/* SPDX-License-Identifier: MIT */
/* md5: the digest of RFC 1321, for rings that others built with it. It protects nothing. */
#ifndef RAY_BASE_MD5_H
#define RAY_BASE_MD5_H
#include <stdint.h>

/* `length` is at most 55: a name, never a message. */
void ray_md5_short(const uint8_t *at, uint64_t length, uint32_t digest[4]);

#endif
