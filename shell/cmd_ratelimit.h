/* SPDX-License-Identifier: MIT */
/* cmd_ratelimit.h - what the files of the ratelimit command share. */
#ifndef RAY_CMD_RATELIMIT_H
#define RAY_CMD_RATELIMIT_H
#include "shell.h"

/* The limit word `word` names; says which one was meant when there is none. */
ray_status ray_limit_word(ray_call *call, uint32_t word, uint32_t *limit);
/* --user --ip --service --plan --class --tokens as a query; *given counts the first two. */
ray_status ray_limit_who(ray_call *call, ray_ratelimit_query *who, uint32_t *given);
/* Prints "error: WHAT" and the value, returns `status`. */
ray_status ray_option_refuse(ray_call *call, ray_status status, const char *what, const char *at,
                             uint32_t length);
/* An option's value; *out stays when the option is absent. Durations take `forever`, RAY_NEVER. */
ray_status ray_option_u64(ray_call *call, const char *name, uint64_t *out);
ray_status ray_option_duration(ray_call *call, const char *name, uint64_t *out);
/* The place of a word among the `count` words that `word_of` names, `count` when it is none. */
uint32_t ray_option_place(const char *at, uint64_t length, const char *(*word_of)(uint32_t),
                          uint32_t count);
/* add, set, remove, drain and reset. */
ray_status ray_ratelimit_edit(ray_call *call);

#endif
