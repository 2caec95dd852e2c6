/* io_uring is tried by making an engine, which asks for all that it needs: a kernel that
 * has some of it only is too old. */
#include "target/engine.h"

#include "backstore/base/io.h"
#include "backstore/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int engine_parse(const char *name, enum engine_choice *out)
{
	static const char *const names[] = { "auto", "io_uring", "epoll" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*out = (enum engine_choice)i;
		return 0;
	}
	return -EINVAL;
}

static int try_io_uring(void)
{
	struct io *io;
	int rc = io_uring_engine_new(&io, 0);

	if (!rc)
		io_free(io);
	return rc;
}

static bool is_disabled(void)
{
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
	char c = '0';

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c != '0';
}

/* What may be behind it, and so the way to allow it. */
static const char *reason(int rc)
{
	switch (rc) {
	case -EPERM:
		return is_disabled() ? "kernel.io_uring_disabled is not 0"
				     : "perhaps a container's seccomp profile forbids it";
	case -EACCES:
		return "perhaps a security module forbids it";
	case -ENOSYS:
	case -EINVAL:
		return "the kernel is older than 6.0 or built without it, or a container's seccomp "
		       "profile hides it";
	default:
		return "it cannot be set up";
	}
}

int engine_choose(engine_new_fn **out, enum engine_choice choice, char *why, size_t why_cap)
{
	int rc = choice == ENGINE_EPOLL ? 0 : try_io_uring();

	if (rc && choice == ENGINE_IO_URING) {
		snprintf(why, why_cap,
			 "--engine io_uring: io_uring is refused here (%s: %s); allow it, or give "
			 "--engine epoll",
			 strerror(-rc), reason(rc));
		return rc;
	}
	*out = rc || choice == ENGINE_EPOLL ? io_epoll_engine_new : io_uring_engine_new;
	if (rc)
		log_info("engine: epoll, because io_uring is refused here (%s: %s)", strerror(-rc),
			 reason(rc));
	else
		log_info("engine: %s%s", choice == ENGINE_EPOLL ? "epoll" : "io_uring",
			 choice == ENGINE_AUTO ? "" : ", as --engine says");
	return 0;
}
