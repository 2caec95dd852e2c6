/* What the files of the control plane share; nobody else includes it.
 *
 * Two locks:
 *   change  a change of what is served, from the look at the model to the node's taking note: held
 *           over the state file's write and over messages to reactors, never over a pool's or a
 *           volume's disk. Of: shown
 *   lock    short, for the lists and the model; inside change. Who holds change may read the model
 *           without it, as it is changed with both
 *
 * A volume or a pool that somebody works on for longer is claimed (busy, users): others are
 * refused meanwhile, and it stays where it is. */
#pragma once

#include "backstore/base/list.h"
#include "snapshot/volume_pool.h"
#include "target/control/api.h"
#include "target/control/control.h"
#include "target/control/http.h"
#include "target/control/jobs.h"
#include "target/control/model.h"
#include "target/control/state_file.h"
#include "target/iscsi/node.h"
#include "target/iscsi/node_change.h"
#include "target/server.h"
#include "target/volumes.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define DEFAULT_POOL "default"

/* --- what there is --------------------------------------------------------------------------- */

struct served_pool {
	struct list link;
	char *name, *path, *volume_group; /* as in the model */
	struct vpool *vp;		  /* NULL: it cannot be opened, as error says */
	char *error;
	unsigned users; /* jobs that have it, and volumes that are being made */
};

enum served_state { SERVED_CREATING, SERVED_AVAILABLE, SERVED_DELETING, SERVED_ERROR };

struct served {
	struct list link;
	struct served_pool *pool; /* NULL: of the command line */
	const char *given_kind;	  /* of one of the command line: "device" and the like */
	struct vpool_volume v;	  /* what the pool says, or the command line */
	enum served_state state;
	char *error;	     /* of SERVED_ERROR */
	struct volume *open; /* NULL: it is not */
	const char *busy;    /* what a job does with it ("being deleted"); NULL: none */
	bool hidden;	     /* no target shows it for now, whatever the model says */
};

/* Volumes whose disk hangs: nobody reaches them any more, and they are closed when it lets go. */
struct reaper;

struct control {
	struct server *server;
	const struct config *cfg;
	struct iscsi_node *node;
	struct volumes *volumes;
	time_t started;

	pthread_mutex_t change;
	struct list shown;
	struct state_file *state; /* NULL: changes are refused, for: */
	char refusal[API_WHY_BYTES];

	pthread_mutex_t lock;
	struct model model; /* as in the state file */
	struct list pools, served;
	pthread_mutex_t pools_change; /* held while one is made, opened or closed: outside change */

	struct jobs *jobs;
	struct reaper *reaper;
	struct http *http;
};

/* --- volumes (serving.c) -----------------------------------------------------------------------
 */

/* What @v owns is taken over. NULL: no memory. */
struct served *served_new(struct served_pool *p, struct vpool_volume *v);
void served_free(struct served *s);
/* With lock. By name or UUID; NULL: there is none. */
struct served *served_find(struct control *c, const char *name);
/* With lock. One before it in the list of its name or its id, or whose name is its id or the other
 * way round: it is the one that is found by them, and is shown. NULL: none. */
const struct served *served_twin(struct control *c, const struct served *s);
/* With lock. What targets say of its name is said of it. */
bool served_owns_name(struct control *c, const struct served *s);
bool served_check_twin(struct control *c, const struct served *s, struct api_error *e) MUST_CHECK;
/* Nobody else works on it until served_release. False, with @e: there is none, it is the command
 * line's, or busy. */
bool served_claim(struct control *c, const char *name, const char *what, struct served **out,
		  struct api_error *e) MUST_CHECK;
void served_release(struct control *c, struct served *s);
/* @why: of SERVED_ERROR. */
void served_set_state(struct control *c, struct served *s, enum served_state state,
		      const char *why);
/* "in-use" is for the caller to find out: by its sessions. */
const char *served_state_name(const struct served *s);
/* Opens and locks its data, claimed. Blocking. */
bool served_open(struct control *c, struct served *s, bool recover, struct api_error *e) MUST_CHECK;
/* No target shows it any more: closes it, or gives it to the reaper where its disk hangs. Returns
 * whether it is closed. */
bool served_close(struct control *c, struct served *s);

/* --- pools (pools.c) ---------------------------------------------------------------------------
 */

/* Blocking; it is in no list. On failure its error says why. */
int served_pool_open(struct served_pool *p);
/* Links it, with its volumes, which are opened. Those whose name or identity another one has are
 * errors; @strict: nothing is linked then. Blocking. */
bool served_pool_serve(struct control *c, struct served_pool *p, bool strict,
		       struct api_error *e) MUST_CHECK;
struct served_pool *served_pool_new(const struct model_pool *m); /* NULL: no memory */
/* Nobody has it, and it has no volumes. Closes it. */
void served_pool_free(struct served_pool *p);
/* With lock. */
struct served_pool *served_pool_find(struct control *c, const char *name);
/* It stays until pool_release. False: there is none, or it cannot be used. */
bool served_pool_claim(struct control *c, const char *name, struct served_pool **out,
		       struct api_error *e) MUST_CHECK;
void served_pool_release(struct control *c, struct served_pool *p);
/* As pool_claim; the default pool is made where there is none yet. Blocking. */
bool served_pool_need(struct control *c, const char *name, struct served_pool **out,
		      struct api_error *e) MUST_CHECK;
/* Makes one, or takes one that is there (@import), and serves it. Blocking. */
bool served_pool_add(struct control *c, const struct model_pool *m, bool import,
		     struct api_error *e) MUST_CHECK;
bool served_pool_remove(struct control *c, const char *name, struct api_error *e) MUST_CHECK;

/* --- the reaper (reaper.c) ----------------------------------------------------------------------
 */

int reaper_new(struct reaper **out, struct iscsi_node *node) MUST_CHECK;
void reaper_take(struct reaper *r, struct volume *v);
/* True when it has let go of it, false after that time. */
bool reaper_await(struct reaper *r, const uint8_t uuid[static 16], unsigned seconds);
/* -ETIMEDOUT: it hangs itself, in a close. */
int reaper_stop(struct reaper *r, unsigned seconds) MUST_CHECK;
/* No reactor runs any more. */
void reaper_free(struct reaper *r);

#include "target/control/change.h"
