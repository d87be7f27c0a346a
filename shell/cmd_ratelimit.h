/* SPDX-License-Identifier: MIT */
/* cmd_ratelimit.h - what the files of the ratelimit command share. */
#ifndef RAY_CMD_RATELIMIT_H
#define RAY_CMD_RATELIMIT_H
#include "shell.h"

/* The limit word `word` names; says which one was meant when there is none. */
ray_status ray_limit_word(ray_call *call, uint32_t word, uint32_t *limit);
/* --user --ip --service --plan --class --tokens as a query; *given counts the first two. */
ray_status ray_limit_who(ray_call *call, ray_ratelimit_query *who, uint32_t *given);
/* add, set, remove, drain and reset. */
ray_status ray_ratelimit_edit(ray_call *call);

#endif
