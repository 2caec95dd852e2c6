/* What a command asks of the server, and what becomes of its answer: refusals are told, jobs are
 * waited for. */
#pragma once

#include "tools/ringlun/call.h"

/* Opens the client where it is not open yet. */
enum command_status request_open(struct call *c) MUST_CHECK;
/* All of them take @url over. STATUS_OK: *@out (to be json_decref'ed) has the key @key, unless that
 * is NULL. */
enum command_status request_get(struct call *c, char *url, const char *key,
				json_t **out) MUST_CHECK;
/* A change. @body (NULL: none) is taken over. *@out is the answer, or the job that has done it, as
 * {"job": {..}}; with --no-wait, or when --timeout is over: STATUS_UNFINISHED, and it has been told
 * which job does it. NULL @out: nobody wants it but --json. */
enum command_status request_change(struct call *c, const char *method, char *url, json_t *body,
				   json_t **out) MUST_CHECK;
/* One that is done when it is answered: no job. */
enum command_status request_change_now(struct call *c, const char *method, char *url,
				       json_t **out) MUST_CHECK;
/* Waits for a job that runs. *@job is replaced by what it has become. */
enum command_status request_await_job(struct call *c, json_t **job) MUST_CHECK;
/* Plain text, to be freed. */
enum command_status request_get_text(struct call *c, char *url, char **out) MUST_CHECK;
/* STATUS_NOT_FOUND for not_found, and so on; @http_status where the code is none that we know. */
enum command_status request_status_of(const char *code, unsigned http_status);
