/* Calls that change something: each is a job, and is answered when that has ended, or after
 * ?wait= seconds with the job. */
#pragma once

#include "target/control/control_priv.h"

enum {
	OP_WAIT_S = 30,
	OP_WAIT_MAX_S = 3600,
};

/* A call's own copy, as the job may outlive it. */
struct op {
	struct control *c;
	struct job *job;
	char *args[API_MAX_ARGS];
	json_t *body; /* NULL: none */
	bool force, drop, dry_run, delete_volumes;

	json_t *result; /* of run, if it returns true */
	struct api_error error;
	bool (*run)(struct op *op);
};

/* @kind and @unit are static; @subject is what it is about. */
void op_start(const struct api_call *call, struct api_reply *reply, const char *kind,
	      const char *unit, const char *subject, bool (*run)(struct op *op));

/* ?NAME=true|false. False: it is neither, as @e says. */
bool query_flag(const struct api_call *call, const char *name, bool *out,
		struct api_error *e) MUST_CHECK;
bool query_number(const struct api_call *call, const char *name, unsigned max, unsigned *out,
		  struct api_error *e) MUST_CHECK;

/* --- for handlers --------------------------------------------------------------------------- */

/* {"volume": ...}, {"target": ...}: as it is now. False: it is not there (any more). */
bool op_show_volume(struct op *op, const char *name) MUST_CHECK;
bool op_show_target(struct op *op, const char *name) MUST_CHECK;
/* A whole name from a whole one or its end. False, with @e: it is none. free() it. */
bool target_name(const char *text, char **out, struct api_error *e) MUST_CHECK;

extern api_fn volumes_list, volumes_show, volumes_create, volumes_grow, volumes_delete,
	volumes_expose, volumes_unexpose, volumes_recover;
extern api_fn targets_list, targets_show, targets_create, targets_change, targets_delete,
	targets_allow, targets_deny, targets_set_chap, targets_clear_chap;
extern api_fn discovery_show, discovery_set, discovery_clear;
extern api_fn sessions_list, sessions_drop;
extern api_fn portals_api_list, portals_api_add, portals_api_remove;
extern api_fn pools_list, pools_create, pools_remove;
extern api_fn jobs_list, jobs_show, jobs_cancel;
extern api_fn state_show, state_apply;
extern api_fn server_show, stats_show, metrics_show;
