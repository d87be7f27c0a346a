/* SPDX-License-Identifier: MIT */
/* jws: the public header is all there is. */
#ifndef RAY_AUTH_JWS_H
#define RAY_AUTH_JWS_H
#include "ray/jws.h"

#endif
