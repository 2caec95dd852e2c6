/* Keeps a second server away from a file or device, by a lock on the very
 * description that does the I/O: free only when a dead process's last I/O has ended. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOCK_WAIT_MS = 10000 };

/* Until when to wait, as lock_file and lock_pause count it. */
uint64_t lock_deadline_ms(unsigned wait_ms);
/* Says once what is waited for, and sleeps a little. False: the time is over. */
bool lock_pause(uint64_t deadline_ms, bool *said, const char *path);
/* Returns 0, or -errno with a sentence in @why (-EBUSY: somebody else has it). */
int lock_file(int fd, const char *path, bool shared, uint64_t deadline_ms, char *why,
	      size_t why_cap) MUST_CHECK;
