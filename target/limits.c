/* A session takes a descriptor, a volume some. Found out at the start: an accept that fails later
 * says nothing to an initiator but that it shall wait. */
#include "target/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	LOGIN_ROOM = 256,  /* connections beyond the sessions, at least: who would be one too many
			      can be told so */
	MIN_SESSIONS = 16, /* fewer are nothing to serve with */
	API_CONNECTIONS = 256,
	API_MIN_CONNECTIONS = 4,
	API_SHARE = 16, /* one of so many descriptors */
};

/* Descriptors that may still be opened. They are given out from below, without gaps. */
static int room(unsigned long *out, unsigned long *limit, char *why, size_t why_cap)
{
	int next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	bool is_full = next < 0 && errno == EMFILE;
	struct rlimit files;

	if ((next < 0 && !is_full) || getrlimit(RLIMIT_NOFILE, &files)) {
		int rc = -errno;

		snprintf(why, why_cap, "cannot tell how many files may be opened: %s",
			 strerror(-rc));
		return rc;
	}
	if (!is_full)
		close(next);
	*limit = files.rlim_cur == RLIM_INFINITY ? INT32_MAX : (unsigned long)files.rlim_cur;
	*out = !is_full && *limit > (unsigned long)next ? *limit - (unsigned long)next : 0;
	return 0;
}

int limits_settle(struct limits *out, const struct config *cfg, unsigned nreserved, char *why,
		  size_t why_cap)
{
	unsigned logins = MAX(cfg->max_logins, LOGIN_ROOM);
	unsigned long free_fds = 0, limit = 0;
	int rc = room(&free_fds, &limit, why, why_cap);

	if (rc)
		return rc;
	free_fds -= MIN(free_fds, nreserved);
	out->sessions = cfg->max_sessions;
	out->connections = cfg->max_sessions + logins;
	if (out->connections <= free_fds)
		return 0;
	out->connections = (unsigned)free_fds;
	out->sessions = MIN(cfg->max_sessions, out->connections - out->connections / 4);
	if (out->sessions < MIN(cfg->max_sessions, MIN_SESSIONS)) {
		snprintf(why, why_cap,
			 "the limit of open files, %lu, leaves no room for sessions beside %u "
			 "volume%s and %u reactor%s; raise it (ulimit -n, or LimitNOFILE= of a "
			 "unit), serve fewer volumes, or give fewer --reactors",
			 limit, cfg->nvolumes, cfg->nvolumes == 1 ? "" : "s", cfg->reactors,
			 cfg->reactors == 1 ? "" : "s");
		return -EMFILE;
	}
	log_warn("at most %u sessions and %u connections in all: the limit of open files, %lu, "
		 "leaves no more; raise it (ulimit -n, or LimitNOFILE= of a unit)",
		 out->sessions, out->connections, limit);
	return 0;
}

unsigned limits_api_connections(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / API_SHARE >= API_CONNECTIONS)
		return API_CONNECTIONS;
	return MAX((unsigned)files.rlim_cur / API_SHARE, (unsigned)API_MIN_CONNECTIONS);
}

unsigned limits_api_descriptors(const struct config *cfg)
{
	unsigned n = limits_api_connections();

	return cfg->api ? n + n / 4 : n;
}
