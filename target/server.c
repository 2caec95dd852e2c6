/* Threads and their beginning; server_stop.c has the end.
 *
 *   main ── server_new ────▶ volumes of the command line; then control_new: those of pools
 *        ── server_start ──▶ portals, one thread a reactor ──▶ serving
 *
 * Portals are listened to on the first reactor, which places connections (placement.c). */
#include "target/server_priv.h"

#include "backstore/base/log.h"
#include "backstore/base/signals.h"
#include "target/limits.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FDS_A_REACTOR = 8, /* rings, contexts, wake-ups: enough for either engine */
	FDS_MORE = 16,	   /* now and then one */
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

/* Nothing of its own can be freed, or told to anybody, any more: disks and the other reactors know
 * it. So the process ends, as by a kill, which initiators and volumes outlive. */
static _Noreturn void fail(struct server *s, unsigned index, int rc)
{
	log_error("reactor %u: its engine failed: %s; the server ends at once", index,
		  strerror(-rc));
	atomic_store(&s->failed, true);
	kill(getpid(), SIGTERM); /* main waits for it */
	for (;;)
		pause();
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
			fail(s, t->index, rc);
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

void server_join(struct server *s)
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
		server_join(s);
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

bool server_has_failed(const struct server *s)
{
	return atomic_load(&s->failed);
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
