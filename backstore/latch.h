/* Remembers, for as long as the machine stays up, that a sync of a volume has failed.
 *
 * After a failed sync the page cache may show what the disk does not have, and the
 * next sync would "succeed": so the volume takes no more writes, and a restart of
 * the server must not change that. One small file per volume in the runtime
 * directory (tmpfs). After a reboot the caches are gone, and it is void. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LATCH_LINE_BYTES = 64 };

/* Zeroed with fd -1: a latch that remembers nothing. */
struct latch {
	int fd;
	char *path;
	char set_line[LATCH_LINE_BYTES]; /* what latch_set writes: made beforehand */
};

#define LATCH_NONE ((struct latch){ .fd = -1 })

/* Prepares the file <dir>/<uuid as 32 hex digits>.latch and tells whether it is set in
 * this boot. @recover clears it first (then *was_set tells that it was). Returns 0,
 * or -errno with a sentence in @why. */
int latch_open(struct latch *l, const char *dir, const uint8_t uuid[static 16], bool recover,
	       bool *was_set, char *why, size_t why_cap) MUST_CHECK;
/* One small write to tmpfs, to memory that is there already: fit for a reactor.
 * Any thread. Returns 0 or -errno. */
int latch_set(const struct latch *l);
/* @keep: it is set. */
void latch_close(struct latch *l, bool keep);
