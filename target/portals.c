/* Listening sockets.
 *
 *   portals_add ──▶ bound, listening ──▶ message ──▶ reactor accepts ──▶ node: SendTargets tells it
 *   portals_remove ──▶ node forgets ──▶ message ──▶ reactor stops ──▶ closed
 *
 * A server that was killed keeps its port until the kernel has torn its ring down, some
 * tens of milliseconds later. A start right after that must not fail. */
#include "target/portals.h"

#include "backstore/base/log.h"
#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PORT_WAIT_MS = 10000,
	PORT_RETRY_MS = 20,
	BACKLOG = 1024,
};

struct portal {
	struct list link;
	struct portals *set;
	struct sockaddr_storage addr;
	struct io_listener listener;
	struct io_msg msg;
	sem_t noted; /* by the reactor: it listens, or has stopped */
};

/* --- sockets -------------------------------------------------------------------------------- */

static int bind_once(const struct sockaddr_storage *sa, int *out)
{
	socklen_t len =
		sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, rc;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (sa->ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    bind(fd, (const struct sockaddr *)sa, len) || listen(fd, BACKLOG)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

static int bind_patiently(const struct listen_config *l, int *out)
{
	const struct timespec pause = { .tv_nsec = PORT_RETRY_MS * 1000000L };
	int rc = bind_once(&l->addr, out);

	if (rc == -EADDRINUSE)
		log_warn("waiting for the port of %s: another process has it", l->text);
	for (int ms = 0; rc == -EADDRINUSE && ms < PORT_WAIT_MS; ms += PORT_RETRY_MS) {
		nanosleep(&pause, NULL);
		rc = bind_once(&l->addr, out);
	}
	return rc;
}

static const char *way_out(int err)
{
	switch (err) {
	case EADDRINUSE:
		return "stop what uses it (ss -ltnp shows it), or give another port";
	case EADDRNOTAVAIL:
		return "this host has no such address (ip address shows those it has)";
	case EACCES:
		return "a port below 1024 needs root, or CAP_NET_BIND_SERVICE";
	case EMFILE:
		return "raise the limit of open files (ulimit -n, or LimitNOFILE= of a unit), or "
		       "serve fewer volumes";
	case ENOSPC:
		return "that is as many portals as there may be; remove another one";
	default:
		return "give another address or port";
	}
}

static int refuse(const char *text, int rc, char *why, size_t why_cap)
{
	snprintf(why, why_cap, "cannot listen on %s: %s; %s", text,
		 rc == -ENOSPC ? "too many" : strerror(-rc), way_out(-rc));
	return rc;
}

/* --- the set --------------------------------------------------------------------------------- */

int portals_init(struct portals *ps, struct iscsi_node *node,
		 void (*on_accept)(struct io_listener *l, int fd), void *owner)
{
	*ps = (struct portals){ .node = node, .on_accept = on_accept, .owner = owner };
	list_init(&ps->all);
	return -pthread_mutex_init(&ps->lock, NULL);
}

static void close_socket(struct portal *p)
{
	if (p->listener.fd >= 0)
		close(p->listener.fd);
	p->listener.fd = -1;
}

static void portal_free(struct portal *p)
{
	close_socket(p);
	sem_destroy(&p->noted);
	free(p);
}

void portals_fini(struct portals *ps)
{
	struct list *l;

	while ((l = list_pop(&ps->all)))
		portal_free(list_entry(l, struct portal, link));
	pthread_mutex_destroy(&ps->lock);
}

/* Takes @fd over. Bound as it turned out: port 0 has become a real one. */
static int portal_new(struct portal **out, struct portals *ps, int fd)
{
	struct portal *p = calloc(1, sizeof(*p));
	socklen_t len = sizeof(p->addr);

	if (!p || getsockname(fd, (struct sockaddr *)&p->addr, &len)) {
		int rc = p ? -errno : -ENOMEM;

		free(p);
		close(fd);
		return rc;
	}
	p->set = ps;
	p->listener.fd = fd;
	sem_init(&p->noted, 0, 0);
	list_init(&p->link);
	*out = p;
	return 0;
}

static void announce(const struct portal *p, const char *what)
{
	char addr[SOCKADDR_TEXT_BYTES];

	sockaddr_text(&p->addr, sockaddr_port(&p->addr), addr);
	log_info("%s %s", what, addr);
}

/* --- on the reactor --------------------------------------------------------------------------- */

static void ended(struct io_listener *l)
{
	struct portal *p = container_of(l, struct portal, listener);
	struct portals *ps = p->set;
	bool is_last = --ps->nlistening == 0 && ps->stopped;

	close_socket(p);     /* who comes now is refused at once, and tries another one */
	sem_post(&p->noted); /* whoever removes it frees it */
	if (is_last)
		sem_post(ps->stopped);
}

static void begin(struct portal *p, struct io *io)
{
	p->listener.on_accept = p->set->on_accept;
	p->listener.on_end = ended;
	p->listener.owner = p->set->owner;
	p->set->nlistening++;
	io_listen_start(io, &p->listener);
}

static void begin_here(struct io_msg *m)
{
	struct portal *p = container_of(m, struct portal, msg);

	begin(p, p->set->io);
	sem_post(&p->noted);
}

static void end_here(struct io_msg *m)
{
	io_listen_stop(&container_of(m, struct portal, msg)->listener);
}

void portals_listen(struct portals *ps, struct io *io)
{
	pthread_mutex_lock(&ps->lock);
	ps->io = io;
	list_for_each (l, &ps->all)
		begin(list_entry(l, struct portal, link), io);
	pthread_mutex_unlock(&ps->lock);
}

static void stop_here(struct io_msg *m)
{
	struct portals *ps = container_of(m, struct portals, stop_msg);

	ps->stopped = ps->stop_event;
	pthread_mutex_lock(&ps->lock);
	list_for_each (l, &ps->all)
		io_listen_stop(&list_entry(l, struct portal, link)->listener);
	pthread_mutex_unlock(&ps->lock);
	if (!ps->nlistening)
		sem_post(ps->stopped);
}

void portals_stop(struct portals *ps, struct io *io, sem_t *stopped)
{
	pthread_mutex_lock(&ps->lock);
	ps->stopping = true;
	pthread_mutex_unlock(&ps->lock);
	ps->stop_event = stopped;
	ps->stop_msg.run = stop_here;
	io_post(io, &ps->stop_msg);
}

/* --- at the start ------------------------------------------------------------------------------
 */

int portals_open(struct portals *ps, const struct config *cfg, char *why, size_t why_cap)
{
	for (unsigned i = 0; i < cfg->nlisten; i++) {
		struct portal *p;
		int fd, rc = bind_patiently(&cfg->listen[i], &fd);

		if (!rc)
			rc = portal_new(&p, ps, fd);
		if (rc)
			return refuse(cfg->listen[i].text, rc, why, why_cap);
		list_add_tail(&ps->all, &p->link);
		rc = iscsi_node_add_portal(ps->node, &p->addr);
		if (rc)
			return refuse(cfg->listen[i].text, rc, why, why_cap);
		announce(p, "listening on");
	}
	return 0;
}

/* --- while it runs ------------------------------------------------------------------------------
 */

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		; /* interrupted */
}

static int parse(const char *text, struct sockaddr_storage *sa, char *why, size_t why_cap)
{
	if (!sockaddr_parse(sa, text))
		return 0;
	snprintf(why, why_cap,
		 "portal '%.100s': not an address; give an IPv4 or IPv6 address in numbers with an "
		 "optional port, as in 192.0.2.1, 192.0.2.1:3260 or [2001:db8::1]:3260",
		 text);
	return -EINVAL;
}

/* It is bound, so no other has its address. */
static int enter(struct portals *ps, struct portal *p)
{
	int rc = iscsi_node_add_portal(ps->node, &p->addr);
	bool listens;

	if (rc)
		return rc;
	pthread_mutex_lock(&ps->lock);
	if (ps->stopping)
		rc = -ESHUTDOWN;
	else
		list_add_tail(&ps->all, &p->link);
	listens = ps->io;
	p->msg.run = begin_here;
	if (!rc && listens)
		io_post(ps->io, &p->msg); /* under the lock: before the one that stops all */
	pthread_mutex_unlock(&ps->lock);
	if (rc)
		iscsi_node_remove_portal(ps->node, &p->addr);
	else if (listens)
		wait_for(&p->noted);
	return rc;
}

int portals_add(struct portals *ps, const char *text, struct sockaddr_storage *sa, char *why,
		size_t why_cap)
{
	struct portal *p;
	int fd, rc = parse(text, sa, why, why_cap);

	if (rc)
		return rc;
	rc = bind_once(sa, &fd);
	if (!rc)
		rc = portal_new(&p, ps, fd);
	if (rc)
		return refuse(text, rc, why, why_cap);
	*sa = p->addr;
	rc = enter(ps, p);
	if (rc) {
		portal_free(p);
		return refuse(text, rc, why, why_cap);
	}
	announce(p, "listening on");
	return 0;
}

/* Off the list; NULL: there is none. */
static struct portal *take(struct portals *ps, const struct sockaddr_storage *sa, bool *listens)
{
	struct portal *found = NULL;

	pthread_mutex_lock(&ps->lock);
	list_for_each_safe (l, &ps->all) {
		struct portal *p = list_entry(l, struct portal, link);

		if (found || ps->stopping || !sockaddr_equal(&p->addr, sa))
			continue;
		list_del(&p->link);
		found = p;
	}
	*listens = ps->io;
	pthread_mutex_unlock(&ps->lock);
	return found;
}

int portals_remove(struct portals *ps, const char *text, char *why, size_t why_cap)
{
	struct sockaddr_storage sa;
	struct portal *p;
	bool listens;
	int rc = parse(text, &sa, why, why_cap);

	if (rc)
		return rc;
	p = take(ps, &sa, &listens);
	if (!p) {
		snprintf(why, why_cap, "there is no portal %.100s", text);
		return -ENOENT;
	}
	iscsi_node_remove_portal(ps->node, &p->addr); /* it is there: see enter */
	if (listens) {
		p->msg.run = end_here;
		io_post(ps->io, &p->msg);
		wait_for(&p->noted);
	}
	announce(p, "no longer listening on");
	portal_free(p);
	return 0;
}
