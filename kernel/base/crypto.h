/* SPDX-License-Identifier: MIT */
/* crypto: the public header is all there is; modules include it by this name, as all of base. */
#ifndef RAY_BASE_CRYPTO_H
#define RAY_BASE_CRYPTO_H
#include "ray/crypto.h"

/* Overwrites a secret in a way no compiler leaves out. */
void ray_crypto_forget(void *at, uint64_t length);

#endif
