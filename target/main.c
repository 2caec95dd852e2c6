/* ringlund: the only place that ends the process. */
#include "backstore/base/log.h"
#include "target/control/control.h"
#include "target/control/model_json.h"
#include "target/notify.h"
#include "target/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* Whoever starts us may have closed these: a volume's file that became descriptor 2 would
 * get the log written into it. */
static void occupy_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A socket a session: take as many as we may. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A reactor must not wait for whoever reads the log. */
static void start_log(void)
{
	int rc = log_start();

	if (rc)
		log_warn("cannot start a thread for the log: %s; who reads it slowly, slows down "
			 "the server",
			 strerror(-rc));
	atexit(log_stop);
}

static void config_free(struct config *cfg)
{
	config_fini(cfg);
	free(cfg);
}

struct parts {
	struct server *server;
	struct control *control;
};

/* -ETIMEDOUT: a disk still writes from or to our memory, and nothing can be freed. */
static int stop(struct parts *p)
{
	int of_control = control_stop(p->control), of_server = server_stop(p->server);

	if (of_control || of_server == -ETIMEDOUT)
		return -ETIMEDOUT;
	control_free(p->control);
	server_free(p->server);
	log_info("stopped");
	return of_server;
}

static void give_up(void)
{
	log_stop();
	_exit(EXIT_FAILURE);
}

/* What the state file and pools have comes between: it is there with the first session. */
static int start(struct parts *p, const struct config *cfg, char *why, size_t why_cap)
{
	int rc = server_new(&p->server, cfg, why, why_cap);

	if (rc)
		return rc;
	rc = control_new(&p->control, p->server, why, why_cap);
	if (rc) {
		server_free(p->server);
		return rc;
	}
	rc = server_start(p->server, why, why_cap);
	if (rc) {
		control_free(p->control);
		server_free(p->server);
		return rc;
	}
	rc = control_start(p->control, why, why_cap);
	if (rc && stop(p) == -ETIMEDOUT) {
		log_error("%s", why);
		give_up();
	}
	if (rc)
		return rc;
	server_say_ready(p->server);
	notify_manager("READY=1");
	return 0;
}

int main(int argc, char **argv)
{
	char why[CONFIG_WHY_BYTES] = "";
	struct config *cfg = calloc(1, sizeof(*cfg)); /* large for a stack */
	struct parts parts = { NULL, NULL };
	sigset_t set;
	int sig, rc;

	occupy_standard_fds();
	if (!cfg) {
		fprintf(stderr, "ringlund: out of memory\n");
		return EXIT_FAILURE;
	}
	switch (config_parse(cfg, argc, argv, why, sizeof(why))) {
	case CONFIG_EXIT:
		config_free(cfg);
		return EXIT_SUCCESS;
	case CONFIG_BAD:
		fprintf(stderr, "ringlund: %s\n", why);
		config_free(cfg);
		return EXIT_USAGE;
	case CONFIG_RUN:
		break;
	}
	json_wipe_always(); /* the state file has secrets, and a parser copies them about */
	log_set_level(cfg->log_level);
	start_log();
	raise_file_limit();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* ulimit -f: an error of that write, not our end */

	rc = start(&parts, cfg, why, sizeof(why));
	if (rc) {
		log_error("%s", why);
		config_free(cfg);
		return EXIT_FAILURE;
	}
	server_stop_signals(&set); /* blocked on all threads: for sigwait alone */
	do {
		rc = sigwait(&set, &sig);
	} while (rc == EINTR);
	if (server_has_failed(parts.server))
		give_up();
	log_info("got SIG%s", sigabbrev_np(sig));
	notify_manager("STOPPING=1");
	rc = stop(&parts);
	if (rc == -ETIMEDOUT)
		give_up();
	config_free(cfg);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
