/* The control plane's beginning and end: see control.h for the order. */
#include "target/control/control_priv.h"

#include "backstore/base/log.h"
#include "target/control/portal_ops.h"
#include "target/control/start.h"
#include "target/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STOP_S = 8 }; /* for jobs to end, and for the reaper */

struct server *control_server(struct control *c)
{
	return c->server;
}

struct iscsi_node *control_node(struct control *c)
{
	return c->node;
}

void control_each_volume(struct control *c, void (*fn)(void *arg, const struct control_volume *v),
			 void *arg)
{
	pthread_mutex_lock(&c->lock);
	list_for_each (l, &c->served) {
		const struct served *s = list_entry(l, struct served, link);
		struct backstore *bs = s->open ? scsi_lu_backstore(s->open->lu) : NULL;
		const struct control_volume v = {
			.name = s->v.name,
			.uuid = s->v.uuid,
			.pool = s->pool ? s->pool->name : NULL,
			.state = served_state_name(s),
			.size_bytes = bs ? bs->size_bytes : s->v.size_bytes,
			.lu = s->open ? s->open->lu : NULL,
		};

		fn(arg, &v);
	}
	pthread_mutex_unlock(&c->lock);
}

/* --- new ------------------------------------------------------------------------------------ */

static int make(struct control **out, struct server *server)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->server = server;
	c->cfg = server_config(server);
	c->node = server_node(server);
	c->volumes = server_volumes(server);
	c->started = time(NULL);
	pthread_mutex_init(&c->change, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->pools_change, NULL);
	list_init(&c->shown);
	list_init(&c->pools);
	list_init(&c->served);
	rc = jobs_new(&c->jobs);
	if (!rc)
		rc = reaper_new(&c->reaper, c->node);
	if (rc)
		control_free(c);
	else
		*out = c;
	return rc;
}

/* Without a state, changes are refused; with volumes of the command line that is better than none
 * of them. */
static int open_state(struct control *c, char *why, size_t why_cap)
{
	int rc = state_file_open(&c->state, c->cfg->state_dir, &c->model, c->refusal,
				 sizeof(c->refusal));

	if (!rc)
		return 0;
	c->state = NULL;
	c->model = (struct model){ .has_pools = true };
	if (!c->cfg->nvolumes) {
		snprintf(why, why_cap, "%s", c->refusal);
		return rc;
	}
	log_warn("%s; only what --volume gives is served, and changes are refused", c->refusal);
	return 0;
}

int control_new(struct control **out, struct server *server, char *why, size_t why_cap)
{
	struct control *c;
	int rc = make(&c, server);

	if (rc == -EAGAIN)
		snprintf(why, why_cap,
			 "cannot start a thread beside those of %u reactors: %s; give fewer "
			 "--reactors, or raise the limit of threads (ulimit -u, or TasksMax= of a "
			 "unit)",
			 server_config(server)->reactors, strerror(-rc));
	else if (rc)
		snprintf(why, why_cap, "out of memory");
	if (rc)
		return rc;
	rc = open_state(c, why, why_cap);
	if (!rc)
		rc = start_serving(c, why, why_cap);
	if (rc) {
		control_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

/* --- start ---------------------------------------------------------------------------------- */

/* An address that is gone keeps nobody from what the others reach. */
static void listen_all(struct control *c)
{
	struct api_error e;

	for (unsigned i = 0; i < c->model.nportals; i++)
		if (!portal_listen(c, c->model.portals[i], &e))
			log_error("portal %s: %s; it is listened to after a restart, or after "
				  "ringlun portal remove and add",
				  c->model.portals[i], e.message);
}

int control_start(struct control *c, char *why, size_t why_cap)
{
	struct http_config cfg = {
		.tcp = c->cfg->api,
		.token_file = c->cfg->api_token,
		.routes = api_routes,
		.ctx = c,
		.max_connections = limits_api_connections(),
	};
	char *path;
	int rc;

	listen_all(c);
	if (asprintf(&path, "%s/api.sock", c->cfg->runtime_dir) < 0) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	cfg.socket_path = path;
	(void)!mkdir(c->cfg->runtime_dir, 0755); /* there may be no volume that has needed it */
	rc = http_start(&c->http, &cfg, why, why_cap);
	free(path);
	if (!rc)
		return 0;
	c->http = NULL;
	if (!c->cfg->nvolumes || c->cfg->api)
		return rc;
	log_warn("%s; volumes are served without an API", why);
	return 0;
}

/* --- stop, free ----------------------------------------------------------------------------- */

int control_stop(struct control *c)
{
	int rc;

	if (c->http)
		http_quiesce(c->http);
	rc = jobs_stop(c->jobs, STOP_S); /* also ends waiting for them */
	if (c->http && http_stop(c->http, STOP_S))
		rc = -ETIMEDOUT;
	c->http = NULL;
	if (!rc)
		rc = reaper_stop(c->reaper, STOP_S);
	if (rc)
		log_error("stopping: a job or a call has not ended within %d s, as a disk holds it "
			  "up; what "
			  "it was about is ended by the next start",
			  STOP_S);
	return rc;
}

static void free_lists(struct control *c)
{
	struct list *l;

	while ((l = list_pop(&c->served)))
		served_free(list_entry(l, struct served, link));
	while ((l = list_pop(&c->pools)))
		served_pool_free(list_entry(l, struct served_pool, link));
}

void control_free(struct control *c)
{
	shown_free_all(c);
	if (c->reaper)
		reaper_free(c->reaper);
	free_lists(c);
	if (c->jobs)
		jobs_free(c->jobs);
	state_file_close(c->state);
	model_fini(&c->model);
	pthread_mutex_destroy(&c->pools_change);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->change);
	free(c);
}
