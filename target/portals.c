/* Listening sockets.
 *
 * A server that was killed keeps its port until the kernel has torn its ring down, some
 * tens of milliseconds later. A start right after that must not fail. */
#include "target/portals.h"

#include "backstore/base/log.h"
#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PORT_WAIT_MS = 10000,
	PORT_RETRY_MS = 20,
	BACKLOG = 1024,
};

static int bind_once(const struct listen_config *l, int *out)
{
	socklen_t len = l->addr.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						     : sizeof(struct sockaddr_in6);
	int fd = socket(l->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, rc;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (l->addr.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    bind(fd, (const struct sockaddr *)&l->addr, len) || listen(fd, BACKLOG)) {
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
	int rc = bind_once(l, out);

	if (rc == -EADDRINUSE)
		log_warn("waiting for the port of %s: another process has it", l->text);
	for (int ms = 0; rc == -EADDRINUSE && ms < PORT_WAIT_MS; ms += PORT_RETRY_MS) {
		nanosleep(&pause, NULL);
		rc = bind_once(l, out);
	}
	return rc;
}

static const char *way_out(int err)
{
	switch (err) {
	case EADDRINUSE:
		return "stop what uses it (ss -ltnp shows it), or give another port with --listen";
	case EADDRNOTAVAIL:
		return "this host has no such address (ip address shows those it has)";
	case EACCES:
		return "a port below 1024 needs root, or CAP_NET_BIND_SERVICE";
	case EMFILE:
		return "raise the limit of open files (ulimit -n, or LimitNOFILE= of a unit), or "
		       "serve fewer volumes";
	default:
		return "give another address or port with --listen";
	}
}

static void announce(const struct sockaddr_storage *sa)
{
	char addr[SOCKADDR_TEXT_BYTES];

	sockaddr_text(sa, sockaddr_port(sa), addr);
	log_info("listening on %s", addr);
}

int portals_open(struct portals *ps, const struct config *cfg, struct iscsi_node *node, char *why,
		 size_t why_cap)
{
	ps->n = 0;
	for (unsigned i = 0; i < cfg->nlisten; i++) {
		struct sockaddr_storage *sa = &node->portals[node->nportals].addr;
		socklen_t len = sizeof(*sa);
		int rc = bind_patiently(&cfg->listen[i], &ps->fds[ps->n]);

		if (rc) {
			snprintf(why, why_cap, "cannot listen on %s: %s; %s", cfg->listen[i].text,
				 strerror(-rc), way_out(-rc));
			return rc;
		}
		/* as it turned out: port 0 has become a real one */
		if (getsockname(ps->fds[ps->n++], (struct sockaddr *)sa, &len)) {
			rc = -errno;
			snprintf(why, why_cap, "%s: %s", cfg->listen[i].text, strerror(-rc));
			return rc;
		}
		node->nportals++;
		announce(sa);
	}
	return 0;
}

void portals_close_one(struct portals *ps, unsigned i)
{
	close(ps->fds[i]);
	ps->fds[i] = -1;
}

void portals_close(struct portals *ps)
{
	while (ps->n--)
		if (ps->fds[ps->n] >= 0)
			portals_close_one(ps, ps->n);
	ps->n = 0;
}
