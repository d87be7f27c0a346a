/* SPDX-License-Identifier: MIT */
/* multipart_parts: one part's header; for multipart*.c alone. */
#ifndef RAY_MEDIATOR_MULTIPART_PARTS_H
#define RAY_MEDIATOR_MULTIPART_PARTS_H
#include "format_parts.h"

typedef struct ray_multipart_head {
    ray_view name, filename;              /* between their quotes */
    ray_view type;                        /* Content-Type; empty: not said */
    uint64_t place;                       /* behind it; of the fault */
    uint32_t name_encoding, filename_encoding;
    uint32_t is_file;                     /* 1: it has a filename, which may be empty */
    uint32_t transfer;                    /* encoding of its content */
    uint32_t seen;                        /* bits: fields that stand once */
    uint32_t reserved;
} ray_multipart_head;

/* Reads the header that begins at `place`; returns enum ray_format_fault. */
uint32_t ray_multipart_head_read(ray_view body, uint64_t place, ray_multipart_head *head);

#endif
