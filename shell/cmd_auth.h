/* SPDX-License-Identifier: MIT */
/* cmd_auth.h - what the files of the auth command share. */
#ifndef RAY_CMD_AUTH_H
#define RAY_CMD_AUTH_H
#include "shell.h"

/* -- cmd_auth.c -- */
/* The credential that `word` names, of any kind, API keys first. */
ray_status ray_auth_named(ray_call *call, uint32_t word, uint32_t *handle);
/* The service that `word` names; RAY_NONE when there is no such word. */
ray_status ray_auth_service_word(ray_call *call, uint32_t word, uint32_t *service);
void ray_auth_put_rights(ray_text *out, uint32_t permissions);

/* -- cmd_auth_edit.c -- */
ray_status ray_auth_run_issue(ray_call *call);
ray_status ray_auth_run_refresh(ray_call *call);
ray_status ray_auth_run_revoke(ray_call *call);
ray_status ray_auth_run_key_add(ray_call *call);
ray_status ray_auth_run_key_rotate(ray_call *call);
ray_status ray_auth_run_key_retire(ray_call *call);
ray_status ray_auth_run_key_remove(ray_call *call);
ray_status ray_auth_run_enable(ray_call *call);
ray_status ray_auth_run_disable(ray_call *call);
ray_status ray_auth_run_grant(ray_call *call);
ray_status ray_auth_run_deny(ray_call *call);
ray_status ray_auth_run_clear(ray_call *call);

#endif
