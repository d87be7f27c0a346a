/* SPDX-License-Identifier: MIT */
/* xml_parts: what the files that read and check XML share. */
#ifndef RAY_MEDIATOR_XML_PARTS_H
#define RAY_MEDIATOR_XML_PARTS_H
#include <stdint.h>
#include "ray/format.h"

#define RAY_XML_ATTRIBUTE_MAX 64

static inline uint32_t ray_xml_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

typedef struct ray_xml_check_state {
    ray_view body;
    uint64_t i;
    uint32_t fault, depth;
    uint32_t open[RAY_FORMAT_DEPTH_MAX];  /* where the names of open elements are */
    uint32_t names[RAY_XML_ATTRIBUTE_MAX];
} ray_xml_check_state;

/* Notes the first fault; returns 0. */
uint32_t ray_xml_fail(ray_xml_check_state *x, uint32_t fault);
ray_view ray_xml_name_at(const ray_xml_check_state *x, uint64_t at);
uint32_t ray_xml_same(ray_view a, ray_view b);
/* Namespaces of the innermost open start tag, with `count` attributes. */
uint32_t ray_xml_names(ray_xml_check_state *x, uint32_t count);
uint32_t ray_xml_declaration(ray_xml_check_state *x, ray_view n, ray_view uri);

#endif
