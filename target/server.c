/* Threads and their beginning and end.
 *
 *   main ── server_new ────▶ volumes of the command line; then control_new: those of pools
 *        ── server_start ──▶ portals, one thread a reactor ──▶ serving
 *        ── server_stop ───▶ listeners close ──▶ drain on every reactor ──▶ flush of every volume
 *                            ──▶ join
 *
 * Listeners close first: whoever connects then is refused at once and tries another portal, and
 * nobody reaches a reactor that has drained already.
 *
 * Portals are listened to on the first reactor, which places connections (placement.c). */
#include "target/server.h"

#include "backstore/backstore.h"
#include "backstore/base/log.h"
#include "backstore/base/signals.h"
#include "target/iscsi/reactor.h"
#include "target/limits.h"
#include "target/placement.h"
#include "target/portals.h"
#include "target/volumes.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	DRAIN_BOUND_S = 10, /* sessions and disks have that long */
	STOP_BOUND_S = 25,  /* all of stopping: draining, then flushing */
	FDS_A_REACTOR = 8,  /* rings, contexts, wake-ups: enough for either engine */
	FDS_MORE = 16,	    /* now and then one */
};

struct reactor_thread {
	struct server *server;
	unsigned index;
	pthread_t thread;
	bool started;
	struct io *io;
	struct iscsi_reactor *iscsi;
	int error; /* of its start */
	atomic_bool stop;
	struct io_msg drain_msg, stop_msg;
};

struct server {
	struct config cfg_view; /* shallow copy: strings stay the caller's */
	engine_new_fn *engine_new;
	struct iscsi_node node;
	struct volumes volumes;
	struct portals portals;
	unsigned nthreads;
	struct reactor_thread *threads;
	sem_t event; /* posted by reactors to the main thread */
	sem_t gate;  /* posted for each reactor when all are open, or one has failed */
	bool serves; /* set before the gate opens */

	/* of the first reactor */
	struct placement placement;
	struct io_msg flush_msg;
	unsigned flushing;
	atomic_int flush_error;
};

/* --- connections -------------------------------------------------------------------------- */

static void on_accept(struct io_listener *l, int fd)
{
	struct server *s = l->owner;

	if (fd < 0)
		log_error("cannot accept a connection: %s", strerror(-fd));
	else
		placement_take(&s->placement, io_now_ns(l->io), fd);
}

/* --- a reactor's thread ----------------------------------------------------------------- */

static int reactor_open(struct reactor_thread *t)
{
	struct server *s = t->server;
	int rc = s->engine_new(&t->io, t->index);

	if (rc)
		return rc;
	rc = iscsi_reactor_new(&t->iscsi, &s->node, t->io, s->cfg_view.memory_bytes / s->nthreads);
	if (rc) {
		io_free(t->io);
		t->io = NULL;
		return rc;
	}
	s->node.reactors[t->index] = t->iscsi;
	return 0;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		; /* interrupted */
}

static void *reactor_main(void *arg)
{
	struct reactor_thread *t = arg;
	struct server *s = t->server;
	char name[16];
	int rc = 0;

	snprintf(name, sizeof(name), "reactor-%u", t->index);
	pthread_setname_np(pthread_self(), name);
	t->error = reactor_open(t);
	sem_post(&s->event);
	wait_for(&s->gate);
	if (s->serves) {
		if (t->index == 0)
			portals_listen(&s->portals, t->io);
		while (!rc && !atomic_load_explicit(&t->stop, memory_order_relaxed))
			rc = io_turn(t->io, true);
		if (rc)
			log_error("reactor %u: its engine failed: %s", t->index, strerror(-rc));
	}
	if (t->iscsi)
		iscsi_reactor_free(t->iscsi);
	if (t->io)
		io_free(t->io);
	return NULL;
}

/* --- start --------------------------------------------------------------------------------- */

/* @sig was being ignored when we were started, as by nohup. */
static bool is_ignored(int sig)
{
	struct sigaction action;

	return !sigaction(sig, NULL, &action) && action.sa_handler == SIG_IGN;
}

void server_stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	if (!is_ignored(SIGHUP))
		sigaddset(set, SIGHUP); /* the terminal is gone: in good order, too */
}

/* Returns how many have been started. */
static unsigned create_threads(struct server *s, int *error)
{
	sigset_t all, stop, before;
	unsigned n = 0;

	/* threads inherit the mask: signals are the main thread's */
	signals_of_others(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (*error = 0; n < s->nthreads; n++) {
		struct reactor_thread *t = &s->threads[n];

		t->server = s;
		t->index = n;
		*error = -pthread_create(&t->thread, NULL, reactor_main, t);
		if (*error)
			break;
		t->started = true;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	server_stop_signals(&stop); /* from now on there is something to be ended in good order */
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	return n;
}

static int start_threads(struct server *s, char *why, size_t why_cap)
{
	int rc;
	unsigned n = create_threads(s, &rc);

	if (rc)
		snprintf(why, why_cap,
			 "cannot start a thread for each of %u reactors: %s; give fewer "
			 "--reactors, or raise the limit of threads (ulimit -u, or TasksMax= of a "
			 "unit)",
			 s->nthreads, strerror(-rc));
	for (unsigned i = 0; i < n; i++)
		wait_for(&s->event);
	for (unsigned i = 0; i < n && !rc; i++) {
		rc = s->threads[i].error;
		if (rc)
			snprintf(why, why_cap, "cannot set up %u reactors: %s%s", s->nthreads,
				 strerror(-rc),
				 rc == -ENOMEM ? "; give fewer --reactors, or raise the "
						 "locked-memory limit (ulimit -l)"
					       : "");
	}
	s->serves = !rc;
	for (unsigned i = 0; i < n; i++)
		sem_post(&s->gate);
	iscsi_node_run(&s->node, s->serves);
	return rc;
}

static void join_threads(struct server *s)
{
	for (unsigned i = 0; i < s->nthreads; i++)
		if (s->threads[i].started)
			pthread_join(s->threads[i].thread, NULL);
}

void server_free(struct server *s)
{
	portals_fini(&s->portals);
	iscsi_node_fini(&s->node);
	volumes_fini(&s->volumes);
	sem_destroy(&s->gate);
	sem_destroy(&s->event);
	free(s->threads);
	free(s);
}

static int set_limits(struct server *s, char *why, size_t why_cap)
{
	struct limits limits;
	unsigned reserved =
		FDS_MORE + s->nthreads * FDS_A_REACTOR + limits_api_descriptors(&s->cfg_view);
	int rc = limits_settle(&limits, &s->cfg_view, reserved, why, why_cap);

	if (rc)
		return rc;
	s->node.max_sessions = limits.sessions;
	s->node.logins.max = s->cfg_view.max_logins;
	s->placement.node = &s->node;
	s->placement.max_connections = limits.connections;
	return 0;
}

/* All that has an end is in place when it returns 0. */
static int init_parts(struct server *s)
{
	int rc;

	s->threads = calloc(s->nthreads, sizeof(*s->threads));
	if (!s->threads)
		return -ENOMEM;
	rc = iscsi_node_init(&s->node);
	if (rc)
		return rc;
	rc = volumes_init(&s->volumes);
	if (rc)
		goto err_node;
	rc = portals_init(&s->portals, &s->node, on_accept, s);
	if (rc)
		goto err_volumes;
	sem_init(&s->event, 0, 0); /* these two cannot fail: 0 is no large number */
	sem_init(&s->gate, 0, 0);
	return 0;

err_volumes:
	volumes_fini(&s->volumes);
err_node:
	iscsi_node_fini(&s->node);
	return rc;
}

/* --allow; without it everybody may with --open, and else this host alone: a portal that is added
 * later must not open to all what was meant for one. */
static int set_default_policy(struct server *s, char *why, size_t why_cap)
{
	static const char *const here[] = { "127.0.0.0/8", "::1" };
	struct policy_rule rules[CONFIG_MAX_ALLOW] = { 0 };
	struct policy_spec spec = { .rules = rules, .nrules = s->cfg_view.nallow };
	struct iscsi_policy *policy;
	int rc;

	for (unsigned i = 0; i < spec.nrules; i++)
		rules[i].initiator = s->cfg_view.allow[i];
	if (!spec.nrules && s->cfg_view.open)
		return 0;
	if (!spec.nrules)
		for (; spec.nrules < ARRAY_SIZE(here); spec.nrules++)
			rules[spec.nrules].address = here[spec.nrules];
	rc = policy_new(&policy, &spec, why, why_cap);
	if (!rc)
		iscsi_node_set_default_policy(&s->node, policy);
	return rc;
}

int server_new(struct server **out, const struct config *cfg, char *why, size_t why_cap)
{
	struct server *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	snprintf(why, why_cap, "out of memory");
	if (!s)
		return rc;
	s->cfg_view = *cfg;
	s->nthreads = cfg->reactors;
	rc = init_parts(s);
	if (rc) {
		free(s->threads);
		free(s);
		return rc;
	}
	s->node.nreactors = s->nthreads;
	rc = set_default_policy(s, why, why_cap);
	if (!rc)
		rc = engine_choose(&s->engine_new, cfg->engine, why, why_cap);
	if (!rc)
		rc = volumes_open(&s->volumes, cfg, &s->node, why, why_cap);
	if (rc) {
		server_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

int server_start(struct server *s, char *why, size_t why_cap)
{
	int rc = portals_open(&s->portals, &s->cfg_view, why, why_cap);

	if (!rc)
		rc = set_limits(s, why, why_cap);
	if (!rc)
		rc = start_threads(s, why, why_cap);
	if (rc)
		join_threads(s);
	return rc;
}

void server_say_ready(struct server *s)
{
	unsigned n;

	pthread_mutex_lock(&s->volumes.lock); /* the API may be adding some already */
	n = s->volumes.n;
	pthread_mutex_unlock(&s->volumes.lock);
	log_info("ready: %u volume%s, %u reactor%s (%s)", n, n == 1 ? "" : "s", s->nthreads,
		 s->nthreads == 1 ? "" : "s", server_engine(s));
}

const struct config *server_config(const struct server *s)
{
	return &s->cfg_view;
}

struct iscsi_node *server_node(struct server *s)
{
	return &s->node;
}

struct volumes *server_volumes(struct server *s)
{
	return &s->volumes;
}

int server_listen(struct server *s, const char *text, struct sockaddr_storage *sa, char *why,
		  size_t why_cap)
{
	return portals_add(&s->portals, text, sa, why, why_cap);
}

int server_unlisten(struct server *s, const char *text, char *why, size_t why_cap)
{
	return portals_remove(&s->portals, text, why, why_cap);
}

const char *server_engine(const struct server *s)
{
	return s->threads[0].io->ops->name;
}

/* --- stop ---------------------------------------------------------------------------------- */

static void drained(struct iscsi_reactor *r)
{
	struct server *s = container_of(r->node, struct server, node);

	sem_post(&s->event);
}

static void drain_here(struct io_msg *m)
{
	struct reactor_thread *t = container_of(m, struct reactor_thread, drain_msg);

	iscsi_reactor_drain(t->iscsi, DRAIN_BOUND_S * UINT64_C(1000000000), drained);
}

static void stop_here(struct io_msg *m)
{
	struct reactor_thread *t = container_of(m, struct reactor_thread, stop_msg);

	atomic_store_explicit(&t->stop, true, memory_order_relaxed);
}

static void flushed(struct bs_req *req, int res)
{
	struct volume *v = container_of(req, struct volume, flush);
	struct server *s = container_of(v->set, struct server, volumes);

	if (res) {
		log_error("volume %s: the last flush failed: %s; what was not flushed may be lost",
			  v->name, strerror(-res));
		atomic_store(&s->flush_error, res);
	}
	if (--s->flushing == 0)
		sem_post(&s->event);
}

static void flush_all(struct io_msg *m)
{
	struct server *s = container_of(m, struct server, flush_msg);

	s->flushing = 1;
	/* nobody adds or removes any more: control has stopped */
	list_for_each (l, &s->volumes.all) {
		struct volume *v = list_entry(l, struct volume, link);
		struct backstore *bs = scsi_lu_backstore(v->lu);

		if (bs->read_only)
			continue;
		v->flush = (struct bs_req){
			.io = s->threads[0].io,
			.kind = BS_FLUSH,
			.done = flushed,
		};
		s->flushing++;
		bs_submit(bs, &v->flush);
	}
	if (--s->flushing == 0)
		sem_post(&s->event);
}

/* @count events, or -ETIMEDOUT. */
static int await(struct server *s, unsigned count, const struct timespec *until)
{
	while (count)
		if (!sem_clockwait(&s->event, CLOCK_MONOTONIC, until))
			count--;
		else if (errno != EINTR)
			return -errno;
	return 0;
}

/* What a stuck disk still holds after draining: memory that must not be freed. */
static unsigned zombies(const struct server *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->nthreads; i++)
		n += s->threads[i].iscsi->nzombies;
	return n;
}

static int drain(struct server *s, const struct timespec *until)
{
	int rc;

	portals_stop(&s->portals, s->threads[0].io, &s->event);
	rc = await(s, 1, until);
	if (rc)
		return rc;
	for (unsigned i = 0; i < s->nthreads; i++) {
		s->threads[i].drain_msg.run = drain_here;
		io_post(s->threads[i].io, &s->threads[i].drain_msg);
	}
	return await(s, s->nthreads, until);
}

int server_stop(struct server *s)
{
	struct timespec until;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_BOUND_S;
	log_info("stopping: asking sessions to log out");
	rc = drain(s, &until);
	if (!rc) {
		s->flush_msg.run = flush_all;
		io_post(s->threads[0].io, &s->flush_msg);
		rc = await(s, 1, &until);
	}
	if (!rc && zombies(s))
		rc = -ETIMEDOUT;
	if (rc) {
		log_error("stopping: a disk did not answer within %d s; what was not flushed may "
			  "be lost",
			  STOP_BOUND_S);
		return rc;
	}
	iscsi_node_run(&s->node, false);
	for (unsigned i = 0; i < s->nthreads; i++) {
		s->threads[i].stop_msg.run = stop_here;
		io_post(s->threads[i].io, &s->threads[i].stop_msg);
	}
	join_threads(s);
	return atomic_load(&s->flush_error) ? -EIO : 0;
}
