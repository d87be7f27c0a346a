/* SPDX-License-Identifier: MIT */
#ifndef RAY_STATUS_H
#define RAY_STATUS_H
#include <stdint.h>

/* status: what a call that was asked something impossible says. Zero is success, every failure is
 * negative, and a failure has changed nothing, byte for byte. Numbers are never reused.
 */
enum ray_status_code {
    RAY_OK = 0,
    RAY_E_ARGUMENT = -1,    /* a value no rule allows; the report or the header says which */
    RAY_E_UNKNOWN = -2,     /* no such row, name or key */
    RAY_E_STALE = -3,       /* the handle's row was removed since; its generation is old */
    RAY_E_FULL = -4,        /* a configured table is full */
    RAY_E_EXISTS = -5,      /* the name or id is taken */
    RAY_E_USED = -6,        /* still referenced; remove the users first or ask for the cascade */
    RAY_E_RANGE = -7,       /* a number outside its documented range */
    RAY_E_RATE = -8,        /* a rate that cannot be held exactly; the nearest one is reported */
    RAY_E_STATE = -9,       /* right call, wrong moment */
    RAY_E_TRUNCATED = -10,  /* bytes end before they should, or the caller's buffer is too small */
    RAY_E_CHECKSUM = -11,   /* bytes that were changed on the way */
    RAY_E_VERSION = -12,    /* made for another version or profile */
    RAY_E_SYNTAX = -13,     /* text or bytes that do not parse */
    RAY_E_BUSY = -14,       /* a second entry while a batch runs */
    RAY_E_UNBUILT = -15     /* belongs to a module this version does not have */
};

typedef int32_t ray_status;

#endif
