/* posix_spawn, two pipes, poll until both have ended, waitpid. */
#include "snapshot/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUT_MAX_BYTES = 16 << 20, PIECE_BYTES = 4096 };

/* Its messages are shown to people and, some, compared: so in one language. */
static char **environment(void)
{
	static const char *const ours[] = { "LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1" };
	size_t n = 0, at = 0;
	char **out;

	while (environ[n])
		n++;
	out = calloc(n + ARRAY_SIZE(ours) + 1, sizeof(*out));
	if (!out)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		out[at++] = strdup(ours[i]);
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "LC_", 3) != 0 && strncmp(environ[i], "LANG", 4) != 0)
			out[at++] = strdup(environ[i]);
	return out;
}

static void free_strings(char **strings)
{
	for (size_t i = 0; strings && strings[i]; i++)
		free(strings[i]);
	free(strings);
}

/* A server blocks signals in its threads; a child is born with that. */
static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	rc = posix_spawnattr_setsigmask(attr, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (!rc)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return rc;
}

static int spawn(pid_t *pid, const char *const argv[], int out, int err)
{
	posix_spawn_file_actions_t acts;
	posix_spawnattr_t attr;
	char **copy, **env = environment();
	size_t n = 0;
	int rc;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++)
		copy[i] = strdup(argv[i]);
	posix_spawn_file_actions_init(&acts);
	posix_spawnattr_init(&attr);
	rc = copy && env && copy[0] ? set_attributes(&attr) : ENOMEM;
	if (!rc)
		rc = posix_spawn_file_actions_addopen(&acts, 0, "/dev/null", O_RDONLY, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&acts, out, 1);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&acts, err, 2);
	if (!rc)
		rc = posix_spawnp(pid, copy[0], &acts, &attr, copy, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&acts);
	free_strings(copy);
	free_strings(env);
	return -rc;
}

struct reading {
	char *out;
	size_t out_len, err_len;
	bool failed;
};

static void take_out(struct reading *g, const char *piece, size_t n)
{
	char *more = g->out_len + n < OUT_MAX_BYTES ? realloc(g->out, g->out_len + n + 1) : NULL;

	g->failed = g->failed || !more;
	if (!more)
		return;
	g->out = more;
	memcpy(g->out + g->out_len, piece, n);
	g->out_len += n;
	g->out[g->out_len] = '\0';
}

/* False: this one has ended. @err: where complaints go; NULL: it is output. */
static bool read_piece(struct reading *g, int fd, char *err)
{
	char piece[PIECE_BYTES];
	ssize_t n = read(fd, piece, sizeof(piece));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (!err) {
		take_out(g, piece, (size_t)n);
		return true;
	}
	n = MIN(n, (ssize_t)(COMMAND_ERROR_BYTES - 1 - g->err_len));
	memcpy(err + g->err_len, piece, (size_t)n);
	g->err_len += (size_t)n;
	return true;
}

static void read_both(struct reading *g, const int fds[static 2], char *err)
{
	struct pollfd p[2] = { { .fd = fds[0], .events = POLLIN },
			       { .fd = fds[1], .events = POLLIN } };

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++)
			if (p[i].fd >= 0 && p[i].revents && !read_piece(g, p[i].fd, i ? err : NULL))
				p[i].fd = -1;
	}
}

static void one_line(char *s)
{
	size_t n = strlen(s), skip;

	while (n && (s[n - 1] == '\n' || s[n - 1] == ' '))
		s[--n] = '\0';
	skip = strspn(s, " \n");
	memmove(s, s + skip, n - skip + 1);
	for (; *s; s++)
		if ((unsigned char)*s < ' ')
			*s = ' ';
}

static int pipes(int out[2], int err[2])
{
	int rc;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC) == 0)
		return 0;
	rc = -errno;
	close(out[0]);
	close(out[1]);
	return rc;
}

int command_run(const char *const argv[], struct command_result *r)
{
	struct reading g = { .out = NULL };
	int out[2], err[2], rc = pipes(out, err);
	pid_t pid;

	if (rc)
		return rc;
	*r = (struct command_result){ .status = 0 };
	rc = spawn(&pid, argv, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (!rc) {
		read_both(&g, (int[2]){ out[0], err[0] }, r->err);
		while (waitpid(pid, &r->status, 0) < 0 && errno == EINTR)
			;
	}
	close(out[0]);
	close(err[0]);
	if (!rc && !g.out)
		take_out(&g, "", 0);
	if (!rc && g.failed)
		rc = -ENOMEM;
	if (rc) {
		free(g.out);
		return rc;
	}
	one_line(r->err);
	r->out = g.out;
	return 0;
}
