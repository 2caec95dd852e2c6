/* The engine for tests that need a real kernel, whichever: $RINGLUN_TEST_ENGINE (tests/run
 * --engine), or what a server would choose. */
#pragma once

#include "backstore/base/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int real_engine_new(struct io **out, unsigned index)
{
	const char *name = getenv("RINGLUN_TEST_ENGINE");
	bool any = !name || !*name || !strcmp(name, "auto");
	int rc = -ENOSYS;

	if (any || !strcmp(name, "io_uring"))
		rc = io_uring_engine_new(out, index);
	if ((any && rc) || (!any && !strcmp(name, "epoll")))
		rc = io_epoll_engine_new(out, index);
	if (rc)
		fprintf(stderr, "no engine (%s): %s\n", any ? "auto" : name, strerror(-rc));
	return rc;
}
