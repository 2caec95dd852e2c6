/* Which engine the reactors run on: io_uring, or epoll where that is refused. */
#pragma once

#include "backstore/base/compiler.h"

#include <stddef.h>

struct io;

enum engine_choice { ENGINE_AUTO, ENGINE_IO_URING, ENGINE_EPOLL };

/* io_uring_engine_new and the like: see backstore/base/io.h. */
typedef int engine_new_fn(struct io **out, unsigned index);

/* "auto", "io_uring", "epoll". 0 or -EINVAL. */
int engine_parse(const char *name, enum engine_choice *out) MUST_CHECK;

/* Tries, and logs what it takes and why. Returns 0, or -errno with @why where the engine that
 * was asked for is refused. */
int engine_choose(engine_new_fn **out, enum engine_choice choice, char *why,
		  size_t why_cap) MUST_CHECK;
