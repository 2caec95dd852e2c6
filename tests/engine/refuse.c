/* Runs a program where the kernel refuses it some system calls, as container runtimes do with
 * seccomp:   refuse EPERM|ENOSYS|EACCES GROUP[,GROUP...] PROGRAM [ARGUMENT...]
 * Groups: io_uring, aio (libaio), submit and getevents (that part of it), pwait2 (epoll_pwait2). */
#include "backstore/base/compiler.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct group {
	const char *name;
	unsigned calls[6]; /* 0: no more; read(2), where that is a number, is never refused */
} groups[] = {
	{ "io_uring", { SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register } },
	{ "aio", { SYS_io_setup, SYS_io_submit, SYS_io_getevents, SYS_io_destroy, SYS_io_cancel } },
	{ "submit", { SYS_io_submit } },
	{ "getevents", { SYS_io_getevents } },
	{ "pwait2", { SYS_epoll_pwait2 } },
};

static unsigned error_named(const char *name)
{
	return !strcmp(name, "EPERM")	 ? EPERM
	       : !strcmp(name, "ENOSYS") ? ENOSYS
	       : !strcmp(name, "EACCES") ? EACCES
					 : 0;
}

static const struct group *group_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (!strcmp(groups[i].name, name))
			return &groups[i];
	return NULL;
}

/* One pair of instructions a call: is it this one? then answer with the error. */
static unsigned short add_group(struct sock_filter *f, unsigned short n, const struct group *g,
				unsigned error)
{
	for (size_t i = 0; i < ARRAY_SIZE(g->calls) && g->calls[i]; i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, g->calls[i], 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
	}
	return n;
}

static int fail(const char *what)
{
	fprintf(stderr, "refuse: %s: %s\n", what, strerror(errno));
	return 125;
}

int main(int argc, char **argv)
{
	struct sock_filter filter[64] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, nr)) };
	struct sock_fprog prog = { .len = 1, .filter = filter };
	unsigned error = argc > 3 ? error_named(argv[1]) : 0;

	errno = EINVAL;
	if (!error)
		return fail("usage: refuse EPERM|ENOSYS|EACCES GROUP[,GROUP...] PROGRAM...");
	for (char *name = strtok(argv[2], ","); name; name = strtok(NULL, ",")) {
		const struct group *g = group_named(name);

		if (!g)
			return fail(name);
		if ((size_t)prog.len + 2 * ARRAY_SIZE(g->calls) + 1 > ARRAY_SIZE(filter))
			return fail("too many groups");
		prog.len = add_group(filter, prog.len, g, error);
	}
	filter[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return fail("prctl");
	execvp(argv[3], argv + 3);
	return fail(argv[3]);
}
